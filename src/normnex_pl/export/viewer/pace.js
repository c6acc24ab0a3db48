// Chooses the resolution at which motion stays fluent, and measures the frame rate.

import { clamp } from "./pose.js";

const SLOW = 42; // ms a frame, above which frames become smaller
const FAST = 21; // below which they become larger
const AIM = 28; // ms a frame, of the first guess
const PAUSE = 1000; // ms without a frame, after which a new motion begins
const MEMORY = 0.2; // weight of a new frame in the mean
const PATIENCE = 6; // frames between two changes
const BAND = 30; // ms that a band of a still frame may take

export class Pace {
  /** @param {[number, number]} scales The range of the sides of a moving frame. */
  constructor(scales) {
    this.limit(scales);
    this.full = 0; // ms, estimated, of a frame of scale 1
    this.mean = null; // ms between frames
    this.last = null;
    this.since = 0; // frames since the last change of scale
  }

  /** Changes the range of scales. */
  limit(scales) {
    this.scales = scales;
    this.scale = scales[1];
  }

  /** Makes a first guess from the time that a frame of some scale took. */
  guess(ms, scale) {
    this.full = ms / scale ** 2;
    this.scale = clamp(Math.sqrt(AIM / this.full), this.scales);
  }

  /** Notes a moving frame. */
  frame(now) {
    const passed = this.last === null ? PAUSE : now - this.last;
    this.last = now;
    this.since += 1;
    if (passed >= PAUSE) return;
    this.mean = this.mean === null ? passed : this.mean + MEMORY * (passed - this.mean);
    if (this.since < PATIENCE) return;
    // Frames that only wait for the screen give an upper bound of their time.
    const full = this.mean / this.scale ** 2;
    this.full = this.mean > SLOW ? full : Math.min(this.full, full);
    if (this.mean > SLOW && this.scale > this.scales[0]) this.#change(0.8);
    else if (this.mean < FAST && this.scale < this.scales[1]) this.#change(1.15);
  }

  /** Motion has ended. */
  rest() {
    this.last = null;
  }

  /** Frames a second of the last motion; null before the first one. */
  get rate() {
    return this.mean === null ? null : 1000 / this.mean;
  }

  /** Bands in which a still frame is drawn, so that the page stays responsive in between. */
  get bands() {
    return Math.min(32, Math.max(1, Math.ceil(this.full / BAND)));
  }

  #change(factor) {
    this.scale = clamp(this.scale * factor, this.scales);
    this.since = 0;
  }
}
