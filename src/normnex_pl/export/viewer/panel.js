// The controls beside the picture: what they say, and what a person sets by them.

import { MODES } from "./renderer.js";
import { viridisGradient } from "./viridis.js";

const NAMES = {
  full: "Full", diffuse: "Diffuse", specular: "Specular", normals: "Normals", depth: "Depth", alpha: "Alpha",
};

const find = (id) => document.getElementById(id);

export class Panel {
  /**
   * @param {object} manifest What there is to show.
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

  setGain(gain) {
    find("gain").value = gain;
    this.look.gain = Number(find("gain").value);
    find("gain-value").textContent = `${this.look.gain.toFixed(2)} ×`;
    find("gain").setAttribute("aria-valuetext", `${this.look.gain.toFixed(2)} times`);
    this.onChange();
  }

  /** @param {"all" | "upto" | "only"} range Which planes. @param {number} plane Counted from 1, the nearest. */
  setPlanes(range, plane = this.manifest.depths.length) {
    find("range").value = range;
    find("plane").value = plane;
    this.#readPlanes();
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
    const title = provenance?.scene ?? "Multiplane image";
    const facts = [provenance?.variant, `${depths.length} planes`, `${(bytes.disk / 1e6).toFixed(1)} MB`];
    find("title").textContent = title;
    find("facts").textContent = facts.filter(Boolean).join("\u00a0· ");
    document.title = `${title}: multiplane image`;
    find("picture").setAttribute("aria-label", `Picture of the scene ${title}`);
  }

  #makeModes() {
    const choices = MODES.map((mode) => {
      const input = Object.assign(document.createElement("input"), {
        type: "radio", name: "mode", id: `mode-${mode}`, value: mode,
        disabled: mode === "normals" && this.manifest.normals === "none",
      });
      input.onchange = () => this.setMode(mode);
      const label = document.createElement("label");
      if (input.disabled) label.title = "This model has no normals.";
      label.append(input, Object.assign(document.createElement("span"), { textContent: NAMES[mode] }));
      return label;
    });
    document.querySelector("#modes .choices").replaceChildren(...choices);
  }

  /** What the colours of a mode mean. */
  #explain(mode) {
    const { geometry, color } = this.manifest;
    const legend = find("legend");
    legend.replaceChildren();
    const bar = (background, left, right) => {
      const ends = Object.assign(document.createElement("div"), { className: "ends" });
      ends.append(...[left, right].map((text) => Object.assign(document.createElement("span"), { textContent: text })));
      const strip = Object.assign(document.createElement("div"), { className: "bar" });
      strip.style.background = background;
      legend.append(strip, ends);
    };
    if (mode === "depth") {
      bar(viridisGradient(), `near ${geometry.near.toPrecision(3)}`, `${geometry.far.toPrecision(3)} far`);
    } else if (mode === "alpha") {
      bar("linear-gradient(to right, #000, #fff)", "0", "opaque");
    } else {
      legend.textContent = {
        full: "Diffuse plus specular",
        diffuse: "What doesn't depend on the view",
        specular: color.signed
          ? "What the view adds or takes, as an amount"
          : "What the view adds",
        normals: "Red: to the right, green: up, blue: to you",
      }[mode];
    }
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

/** Says how fast it goes; the text is left alone while it is right. */
export function showRate(rate, moving) {
  const text = rate === null ? "" : moving ? `${Math.round(rate)} frames/s` : "still";
  const output = find("rate");
  if (output.textContent !== text) output.textContent = text;
}

/** Says how much has arrived; null when all has. */
export function showProgress(share) {
  find("loading").hidden = share === null;
  if (share !== null) find("progress").value = share;
}

/** Shows an error in the picture's place; null takes it away. */
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
