// A session on a headset: both eyes are drawn from the same textures.

import { resized } from "../pose.js";
import { intrinsicsOf } from "./eyes.js";
import { Hands } from "./hands.js";
import { XrPace } from "./pace.js";
import { Placement } from "./placement.js";
import { roomOf, startDepth } from "./scale.js";

const LONGEST_STEP = 0.1; // seconds: what hands did during a pause isn't made up for

/**
 * @typedef {object} Host What a session needs of the viewer.
 * @property {WebGL2RenderingContext} gl
 * @property {Renderer | null} renderer Null while the graphics card is lost.
 * @property {object} look What is shown.
 * @property {[number, number]} scales The range of the sides of a frame.
 * @property {() => void} nextMode
 * @property {() => void} onStart
 * @property {(error?: Error) => void} onEnd Called once after each `onStart`, however the session has ended.
 */

export class Immersion {
  /**
   * @param {Host} host
   * @param {object} limits See `limitsOf`.
   * @param {number} near Depth of the first plane.
   * @param {() => number} metres A unit of the world.
   */
  constructor(host, limits, near, metres) {
    Object.assign(this, { host, limits, near, metres });
    this.session = null;
    this.eyes = []; // what was drawn last: the camera of each eye and its place in the layer
  }

  /** @returns {Promise<boolean>} Whether a device offers "immersive-vr" or "immersive-ar". */
  static async offers(kind) {
    // Inside another page that doesn't allow it, even the question would be an error.
    if (document.featurePolicy?.allowsFeature("xr-spatial-tracking") === false) return false;
    return Boolean(await navigator.xr?.isSessionSupported(kind).catch(() => false));
  }

  /**
   * Starts a session, for which browsers want a click.
   *
   * @param {"immersive-vr" | "immersive-ar"} kind
   * @throws {Error} The device or the person refuses; nothing has changed then.
   */
  async enter(kind) {
    if (this.session) return;
    const { gl } = this.host;
    const session = await navigator.xr.requestSession(kind, { optionalFeatures: ["hand-tracking"] });
    try {
      await gl.makeXRCompatible();
      const baseLayer = new XRWebGLLayer(session, gl, {
        alpha: kind === "immersive-ar", antialias: false, depth: false, stencil: false,
      });
      await session.updateRenderState({ baseLayer });
      // The scene stands where the head is at first: the height of the floor doesn't matter.
      this.space = await session.requestReferenceSpace("local");
      this.space.addEventListener("reset", () => this.placement.forget());
    } catch (error) {
      await session.end().catch(() => {});
      throw error;
    }
    this.session = session;
    this.seeThrough = kind === "immersive-ar" && session.environmentBlendMode !== "opaque";
    const metres = this.metres();
    this.placement = new Placement(roomOf(this.limits, this.near), metres, startDepth(this.near, metres));
    this.pace = new XrPace(this.host.scales, session.frameRate);
    this.hands = new Hands(session, this.placement, () => this.host.nextMode(), () => this.placement.forget());
    this.last = null;
    session.addEventListener("end", () => this.#ended(), { once: true });
    session.requestAnimationFrame(this.#frame);
    this.host.onStart();
  }

  /** Ends the session. */
  async leave() {
    await this.session?.end().catch(() => {}); // it may be ending already
  }

  #ended(error) {
    if (!this.session) return;
    this.session = null;
    this.eyes = [];
    this.host.onEnd(error);
  }

  #frame = (now, frame) => {
    if (!this.session) return;
    this.session.requestAnimationFrame(this.#frame);
    try {
      this.#draw(now, frame);
    } catch (error) {
      const { session } = this;
      this.#ended(error);
      session.end().catch(() => {});
    }
  };

  #draw(now, frame) {
    const pose = frame.getViewerPose(this.space);
    const { renderer } = this.host;
    if (!pose || !renderer?.ready) return;
    const seconds = Math.min(LONGEST_STEP, this.last === null ? 0 : (now - this.last) / 1000);
    this.last = now;
    if (!this.placement.started) this.placement.start(pose.transform.matrix);
    this.hands.step(seconds, frame, this.space);
    this.placement.follow(pose.transform.matrix);
    const layer = this.session.renderState.baseLayer;
    this.eyes = [];
    for (const view of pose.views) {
      const { x, y, width, height } = layer.getViewport(view);
      if (width > 0 && height > 0) this.#drawEye(renderer, layer.framebuffer, { x, y, width, height }, view);
    }
    this.pace.frame(now);
  }

  #drawEye(renderer, framebuffer, place, view) {
    const look = { ...this.host.look, seeThrough: this.seeThrough };
    const camera = {
      ...intrinsicsOf(view.projectionMatrix, place.width, place.height),
      c2w: this.placement.cameraToWorld(view.transform.matrix),
    };
    if (this.pace.scale === 1) {
      renderer.drawInto(framebuffer, place, camera, look);
    } else {
      renderer.draw(view.eye, resized(camera, this.pace.scale), look);
      renderer.show(view.eye, framebuffer, place);
    }
    this.eyes.push({ eye: view.eye, place, camera });
  }
}
