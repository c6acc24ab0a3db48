// Buttons and keys that move the view, and those of the page.

import { Tilt, listen, pressKey } from "./input.js";
import { MODES } from "./modes.js";

const find = (id) => document.getElementById(id);

export class Controls {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {View} view Is moved.
   * @param {Panel} panel
   * @param {() => void} onReset Called when the view shall be as at first.
   * @param {() => void} onChange Called after each change of the view.
   */
  constructor(canvas, view, panel, onReset, onChange) {
    Object.assign(this, { canvas, view, panel, onReset, onChange });
    listen(canvas, view, () => this.setSway(false));
    find("reset").onclick = () => this.reset();
    find("sway").onclick = () => this.setSway(!view.swaying);
    find("toggle").onclick = () => this.toggle();
    find("fullscreen").hidden = !document.fullscreenEnabled;
    find("fullscreen").onclick = () => fullscreen();
    const tilt = new Tilt(view, onChange);
    find("tilt").hidden = !Tilt.possible;
    find("tilt").onclick = () => this.#setTilt(tilt);
    addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("visibilitychange", onChange);
  }

  reset() {
    this.setSway(false);
    this.onReset();
    this.onChange();
  }

  setSway(on) {
    this.view.swaying = on;
    this.panel.markSway(on);
    this.onChange();
  }

  toggle() {
    this.panel.collapsed = !this.panel.collapsed;
  }

  async #setTilt(tilt) {
    if (tilt.on) tilt.stop();
    else if (!(await tilt.start())) find("tilt").title = "The device doesn't allow it.";
    this.setSway(false);
    find("tilt").setAttribute("aria-pressed", String(tilt.on));
  }

  /** Handles keys while the picture, or nothing, has the focus; controls have keys of their own. */
  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (![this.canvas, document.body].includes(event.target)) return;
    const actions = {
      r: () => this.reset(), home: () => this.reset(), " ": () => this.setSway(!this.view.swaying),
      h: () => this.toggle(), f: () => fullscreen(),
    };
    const mode = MODES.find(({ key }) => key === event.key);
    const action = actions[event.key.toLowerCase()];
    if (mode) this.panel.setMode(mode.name);
    else if (action) action();
    else if (pressKey(event, this.view)) this.setSway(false);
    else return;
    event.preventDefault();
    this.onChange();
  }
}

function fullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {});
}
