// The controls beside the picture.

import { MODES, modeNamed } from "./modes.js";

const find = (id) => document.getElementById(id);

export class Panel {
  /**
   * @param {object} manifest Of the image.
   * @param {object} look Is changed by the controls: mode, gain, planes.
   * @param {() => void} onChange Called after a change.
   */
  constructor(manifest, look, onChange) {
    this.manifest = manifest;
    this.look = look;
    this.onChange = onChange;
    this.#describe();
    this.#makeModes();
    const count = manifest.depths.length;
    Object.assign(find("plane"), { max: count, value: count });
    find("gain").oninput = () => this.setGain(Number(find("gain").value));
    find("plane").oninput = find("range").onchange = () => this.#readPlanes();
    this.setGain(look.gain);
    this.setMode(look.mode);
    this.#readPlanes();
  }

  setMode(mode) {
    const choice = find(`mode-${mode}`);
    if (!choice || choice.disabled) return;
    choice.checked = true;
    this.look.mode = mode;
    this.#explain(mode);
    this.onChange();
  }

  /** Chooses the mode after the one that is shown, among those that the image has. */
  nextMode() {
    const names = MODES.map(({ name }) => name).filter((name) => !find(`mode-${name}`).disabled);
    this.setMode(names[(names.indexOf(this.look.mode) + 1) % names.length]);
  }

  setGain(gain) {
    find("gain").value = gain;
    this.look.gain = Number(find("gain").value);
    find("gain-value").textContent = `${this.look.gain.toFixed(2)} ×`;
    find("gain").setAttribute("aria-valuetext", `${this.look.gain.toFixed(2)} times`);
    this.onChange();
  }

  /** @param {"all" | "upto" | "only"} range @param {number} plane Counted from 1, the nearest one. */
  setPlanes(range, plane = this.manifest.depths.length) {
    find("range").value = range;
    find("plane").value = plane;
    this.#readPlanes();
  }

  setTitle(title) {
    find("title").textContent = title;
    document.title = `${title}: multiplane image`;
    find("picture").setAttribute("aria-label", `Picture of the scene ${title}`);
  }

  /** Marks the button by which the view sways. */
  markSway(on) {
    find("sway").setAttribute("aria-pressed", String(on));
  }

  get collapsed() {
    return find("panel").hidden;
  }

  set collapsed(on) {
    find("panel").hidden = on;
    find("toggle").setAttribute("aria-expanded", String(!on));
  }

  #describe() {
    const { provenance, depths, bytes } = this.manifest;
    const facts = [provenance?.variant, `${depths.length} planes`, `${(bytes.disk / 1e6).toFixed(1)} MB`];
    find("facts").textContent = facts.filter(Boolean).join("\u00a0· ");
  }

  #makeModes() {
    const choices = MODES.map(({ name, title, key, missing }) => {
      const reason = missing?.(this.manifest) ?? null;
      const input = make("input", { type: "radio", name: "mode", id: `mode-${name}`, value: name });
      input.disabled = reason !== null;
      input.onchange = () => this.setMode(name);
      const label = make("label", { title: reason ?? `Key ${key}` });
      label.append(input, make("span", { textContent: title }));
      return label;
    });
    document.querySelector("#modes .choices").replaceChildren(...choices);
    find("mode-keys").textContent = `${MODES[0].key} to ${MODES.at(-1).key}`;
  }

  /** Says what the colours of a mode mean. */
  #explain(mode) {
    const legend = modeNamed(mode).legend(this.manifest);
    if (typeof legend === "string") {
      find("legend").textContent = legend;
      return;
    }
    const strip = make("div", { className: "bar" });
    strip.style.background = legend.background;
    const ends = make("div", { className: "ends" });
    ends.append(make("span", { textContent: legend.left }), make("span", { textContent: legend.right }));
    find("legend").replaceChildren(strip, ends);
  }

  #readPlanes() {
    const range = find("range").value;
    const plane = Number(find("plane").value);
    const { depths } = this.manifest;
    find("plane").disabled = range === "all";
    this.look.planes = {
      all: [0, depths.length - 1], upto: [0, plane - 1], only: [plane - 1, plane - 1],
    }[range];
    const text = range === "all" ? `${depths.length}` : `${plane} of ${depths.length}, at ${depths[plane - 1].toPrecision(3)}`;
    find("plane-value").textContent = text;
    find("plane").setAttribute("aria-valuetext", text);
    this.onChange();
  }
}

function make(kind, properties) {
  return Object.assign(document.createElement(kind), properties);
}

/** Shows the frame rate; unchanged text isn't written again, so that the page needn't be laid out anew. */
export function showRate(rate, moving) {
  const text = rate === null ? "" : moving ? `${Math.round(rate)} frames/s` : "still";
  const output = find("rate");
  if (output.textContent !== text) output.textContent = text;
}

/** Shows the share of bytes that has arrived; null once everything has. */
export function showProgress(share) {
  find("loading").hidden = share === null;
  if (share !== null) find("progress").value = share;
}

/** Shows an error in place of the picture; null removes it. */
export function showProblem(error) {
  const section = find("problem");
  section.hidden = error === null;
  find("frame").hidden = error !== null;
  find("panel").hidden = error !== null;
  if (error === null) return;
  section.querySelector("h1").textContent = error.title ?? "Something went wrong";
  section.querySelector(".message").textContent = error.message;
  section.querySelector(".advice").textContent = error.advice ?? "Reload the page.";
  section.querySelector("button").onclick = () => location.reload();
}
