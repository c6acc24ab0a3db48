// The camera over time: it follows its target smoothly, or sways on its own.

import { HOME, cameraOf, clampState, zoomed } from "./pose.js";

const SOFTNESS = 70; // ms in which the camera covers two thirds of its way
const SWAY_PERIOD = 7000; // ms
const SWAY_SHARE = 0.7; // of the limits
const NEGLIGIBLE = 1e-3; // share of a limit's width or of a picture's: it isn't seen

export class View {
  /**
   * @param {object} limits See `limitsOf`.
   * @param {object} photo The camera of the photos.
   * @param {() => boolean} calm Whether to jump without smoothing, for users who prefer reduced motion.
   */
  constructor(limits, photo, calm) {
    this.limits = limits;
    this.photo = photo;
    this.calm = calm;
    this.wanted = { ...HOME };
    this.shown = { ...HOME };
    this.fixed = null; // a camera that a script has set, which takes precedence
    this.swaySince = null;
    this.last = null;
  }

  /** Returns the width of the limits along an axis. */
  span(axis) {
    return this.limits[axis][1] - this.limits[axis][0];
  }

  /** Moves the camera by shares of the limits. */
  move(dx, dy, dz = 0) {
    const { x, y, z } = this.wanted;
    this.to({ x: x + dx * this.span("x"), y: y + dy * this.span("y"), z: z + dz * this.span("z") });
  }

  /** Shifts a zoomed picture by shares of its size. */
  pan(dx, dy) {
    this.to({ panX: this.wanted.panX + dx, panY: this.wanted.panY + dy });
  }

  zoom(factor, x = 0, y = 0) {
    this.to(zoomed(this.wanted, factor, x, y, this.limits));
  }

  to(part) {
    this.wanted = clampState({ ...this.wanted, ...part }, this.limits);
  }

  /** Arrives at once. */
  jump() {
    this.shown = { ...this.wanted };
  }

  get swaying() {
    return this.swaySince !== null;
  }

  set swaying(on) {
    if (on !== this.swaying) this.swaySince = on ? performance.now() : null;
  }

  /** Advances to a point in time; returns whether the camera has moved. */
  step(now) {
    const passed = this.last === null ? 0 : now - this.last;
    this.last = now;
    if (this.swaying) this.#sway(now);
    const share = this.calm() ? 1 : 1 - Math.exp(-passed / SOFTNESS);
    let moved = false;
    for (const key of Object.keys(HOME)) {
      const rest = this.wanted[key] - this.shown[key];
      if (rest === 0) continue;
      const width = key in this.limits ? this.span(key) : 1;
      this.shown[key] = Math.abs(rest) < NEGLIGIBLE * width ? this.wanted[key] : this.shown[key] + share * rest;
      moved = true;
    }
    return moved && this.fixed === null;
  }

  /** Pauses until the next step. */
  rest() {
    this.last = null;
  }

  camera(width, height) {
    return this.fixed ?? cameraOf(this.shown, this.limits, this.photo, width, height);
  }

  #sway(now) {
    const turn = ((now - this.swaySince) / SWAY_PERIOD) * 2 * Math.PI;
    const place = (axis, wave) => {
      const [low, high] = this.limits[axis];
      return (low + high) / 2 + (wave * SWAY_SHARE * (high - low)) / 2;
    };
    this.to({ x: place("x", Math.sin(turn)), y: place("y", Math.cos(turn)) });
  }
}
