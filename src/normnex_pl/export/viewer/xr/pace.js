// Keeps the frame rate of a headset by the resolution: a late frame is felt more than a soft one.

const LATE = 1.25; // of the time that a frame may take, above which frames become smaller
const ON_TIME = 1.1; // below which they become larger, after a while
const MEMORY = 0.1; // weight of a new frame in the mean
const PATIENCE = 20; // frames between two changes
const CAUTION = 120; // frames on time before a try with more
const FORGIVENESS = 1800; // frames after which a resolution that was too much may be tried again
const PAUSE = 1000; // ms without a frame: the headset was off
const USUAL_RATE = 72; // frames a second, of headsets that don't say

export class XrPace {
  /**
   * @param {[number, number]} scales The range of the sides of a frame.
   * @param {number | undefined} rate Frames a second of the headset.
   */
  constructor(scales, rate) {
    this.scales = scales;
    this.due = 1000 / (rate || USUAL_RATE);
    this.scale = scales[1];
    this.ceiling = Infinity; // a scale that was too much
    this.mean = this.due;
    this.since = 0;
    this.last = null;
  }

  /** Notes a frame at a time in ms. */
  frame(now) {
    const passed = this.last === null ? PAUSE : now - this.last;
    this.last = now;
    if (passed >= PAUSE) return;
    this.since += 1;
    this.mean += MEMORY * (passed - this.mean);
    if (this.since % FORGIVENESS === 0) this.ceiling = Infinity;
    if (this.mean > LATE * this.due && this.since > PATIENCE) {
      this.ceiling = Math.min(this.ceiling, this.scale);
      this.#change(0.85);
    } else if (this.mean < ON_TIME * this.due && this.since > CAUTION && 1.1 * this.scale < this.ceiling) {
      this.#change(1.1);
    }
  }

  #change(factor) {
    const scale = Math.min(this.scales[1], Math.max(this.scales[0], this.scale * factor));
    if (scale === this.scale) return;
    this.scale = scale;
    this.since = 0;
  }
}
