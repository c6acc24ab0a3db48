// The buttons by which one enters a headset; without one there are none.

import { Immersion } from "./immersion.js";
import { describeScale } from "./scale.js";

const KINDS = { "enter-vr": "immersive-vr", "enter-ar": "immersive-ar" }; // of sessions, by their buttons
const find = (id) => document.getElementById(id);

export class Entrance {
  /**
   * @param {Immersion} immersion
   * @param {object} limits See `limitsOf`.
   * @param {() => {metres: number, known: boolean}} scale See `scaleOf`.
   */
  constructor(immersion, limits, scale) {
    Object.assign(this, { immersion, limits, scale });
    this.entering = false;
    for (const [id, kind] of Object.entries(KINDS)) find(id).onclick = () => this.#enter(kind);
    navigator.xr?.addEventListener?.("devicechange", () => this.refresh());
    this.refresh();
  }

  /** Shows what the devices at hand offer, and how large the scene will be. */
  async refresh() {
    const offered = await Promise.all(Object.entries(KINDS).map(async ([id, kind]) => {
      const offers = await Immersion.offers(kind);
      find(id).hidden = !offers;
      return offers;
    }));
    find("headset").hidden = !offered.includes(true);
    find("scale").textContent = describeScale(this.scale(), this.limits);
  }

  async #enter(kind) {
    if (this.entering) return; // of two clicks, one counts
    this.entering = true;
    find("headset-status").textContent = "";
    try {
      await this.immersion.enter(kind);
    } catch (error) {
      find("headset-status").textContent = `The headset can't be entered: ${error.message}`;
    }
    this.entering = false;
  }
}
