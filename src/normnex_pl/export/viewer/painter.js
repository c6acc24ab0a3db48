// Draws changes at once, as finely as the device keeps up with, and then the still picture at full resolution.

import { Pace } from "./pace.js";
import { resized } from "./pose.js";

const STILL_AFTER = 120; // ms without a change, after which the picture is drawn at its full resolution
const FIRST_SCALE = 0.25; // of the frame that measures how fast the device is

export class Painter {
  /**
   * @param {object} look What is shown, see `Renderer.draw`; the panel changes it.
   * @param {[number, number]} scales The range of the sides of a moving frame.
   */
  constructor(look, scales) {
    this.look = look;
    this.pace = new Pace(scales);
    this.stale = true; // something other than the camera has changed
    this.sharp = false; // the picture has its full resolution
    this.row = 0; // up to which a still frame is drawn
    this.changed = 0; // time of the last change
  }

  /**
   * Draws if something has changed, or if the still picture is due.
   *
   * @param {Renderer} renderer Has something to draw.
   * @param {number} now ms.
   * @param {object} camera Of the size of the canvas.
   * @param {boolean} moving Whether the camera has moved since the last call.
   */
  paint(renderer, now, camera, moving) {
    if (!this.pace.full) this.#measure(renderer, camera);
    if (moving || this.stale) {
      this.#paintChange(renderer, now, camera);
      if (moving) this.pace.frame(now);
    } else if (!this.sharp && now - this.changed > STILL_AFTER) {
      this.#paintStill(renderer, camera);
    }
  }

  /** Ends a motion. */
  rest() {
    this.pace.rest();
  }

  /** Measures how fast the device is, by a small frame. */
  #measure(renderer, camera) {
    const small = resized(camera, FIRST_SCALE);
    renderer.draw("moving", small, this.look);
    renderer.finish("moving"); // compiles, on many devices
    const start = performance.now();
    renderer.draw("moving", small, this.look);
    renderer.finish("moving");
    this.pace.guess(Math.max(0.5, performance.now() - start), FIRST_SCALE);
  }

  #paintChange(renderer, now, camera) {
    const { scale } = this.pace;
    this.stale = false;
    this.changed = now;
    this.row = 0;
    this.sharp = scale === 1;
    renderer.draw("moving", this.sharp ? camera : resized(camera, scale), this.look);
    renderer.show("moving");
  }

  /** Draws a band of the picture at full resolution, and shows the picture once it is whole. */
  #paintStill(renderer, camera) {
    const next = Math.min(camera.height, this.row + Math.ceil(camera.height / this.pace.bands));
    renderer.draw("still", camera, this.look, [this.row, next]);
    this.row = next;
    if (next < camera.height) return;
    renderer.show("still");
    this.sharp = true;
  }
}
