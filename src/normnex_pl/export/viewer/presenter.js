// Shows what a presentation says: title, text, views.

import { HOME } from "./pose.js";
import { findView, modeOf, presentationOf, stateOf } from "./presentation.js";

const find = (id) => document.getElementById(id);

export class Presenter {
  /**
   * @param {object} manifest
   * @param {View} view Is moved.
   * @param {Panel} panel Is told modes, gloss, and that nothing sways.
   * @param {() => void} onChange Called after each change of the presentation or of what it shows.
   */
  constructor(manifest, view, panel, onChange) {
    Object.assign(this, { manifest, view, panel, onChange });
    this.presentation = presentationOf(manifest);
    this.listeners = []; // called after each change of the presentation
    this.#refresh();
  }

  /** Replaces the presentation by an edited one. */
  change(presentation) {
    this.presentation = presentation;
    this.#refresh();
    this.listeners.forEach((listener) => listener());
  }

  get names() {
    return this.presentation.views.map(({ name }) => name);
  }

  /** Shows a saved view; returns whether there is one of this name. */
  show(name) {
    const saved = findView(this.presentation, name);
    if (!saved) return false;
    this.view.swaying = false;
    this.panel.markSway(false);
    this.view.to(stateOf(saved, this.view.limits));
    this.panel.setMode(modeOf(saved));
    this.panel.setGain(saved.gain);
    this.onChange();
    return true;
  }

  /** Shows at once what the address asks for, or the start view, or the reference camera. */
  open(name) {
    this.asked = name;
    this.home();
    this.view.jump();
  }

  /** Goes back to what was shown at first. */
  home() {
    const first = [this.asked, this.presentation.start].find((name) => name !== null && this.show(name));
    if (first === undefined) this.view.to(HOME);
  }

  /** The name of the view that is shown, if it is one. */
  get current() {
    const { wanted, limits } = this.view;
    const { mode, gain } = this.panel.look;
    const shown = this.presentation.views.find((saved) => {
      const state = stateOf(saved, limits);
      return Object.keys(HOME).every((key) => state[key] === wanted[key]) && modeOf(saved) === mode && saved.gain === gain;
    });
    return shown?.name ?? null;
  }

  /** Marks the button of the view that is shown. */
  mark() {
    const { current } = this;
    for (const button of find("views").children) {
      const pressed = String(button.textContent === current);
      if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
    }
  }

  #refresh() {
    const { title, text } = this.presentation;
    this.panel.setTitle(title ?? this.manifest.provenance?.scene ?? "Multiplane image");
    find("about").textContent = text ?? "";
    find("about").hidden = !text;
    const buttons = this.names.map((name) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      button.onclick = () => this.show(name);
      return button;
    });
    find("views").replaceChildren(...buttons);
    find("views").hidden = buttons.length === 0;
    this.mark();
  }
}
