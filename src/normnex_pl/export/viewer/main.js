// The viewer of baked multiplane images: connects its parts and decides when to draw. address.js says what the
// page's address may ask for, modes.js what can be shown.
//
// Scripts use `window.viewer`:
//   setCamera({c2w, fx, fy, cx, cy, width, height} or null)   a camera in pixels and OpenCV axes, c2w being three
//       rows of four in the reference camera's frame; the canvas takes its size. null returns the view to the user.
//   setMode(name), setGain(number), setPlanes("all" | "upto" | "only", number)   as the controls do
//   settled()   a promise: everything is loaded, and the picture is still, at full resolution
//   camera      the camera that is shown now

import { folderAt, readAddress } from "./address.js";
import { ViewerError } from "./errors.js";
import { makeContext } from "./gl.js";
import { Tilt, listen, pressKey } from "./input.js";
import { loadManifest, loadTextures } from "./loader.js";
import { MODES } from "./modes.js";
import { Painter } from "./painter.js";
import { Panel, showProblem, showProgress, showRate } from "./panel.js";
import { limitsOf } from "./pose.js";
import { Renderer } from "./renderer.js";
import { fitCanvas } from "./stage.js";
import { View } from "./view.js";

const LOST_FOR = 8000; // ms within which a lost context may come back

const find = (id) => document.getElementById(id);

class Viewer {
  constructor() {
    this.address = readAddress();
    this.canvas = find("picture");
    this.look = { mode: this.address.mode, gain: 1 };
    this.painter = new Painter(this.look);
    this.waiting = []; // resolved when the picture is still
    this.loading = null; // aborts the current loading
    this.loaded = false;
    this.requested = false;
  }

  async start() {
    find("static").remove();
    const url = folderAt(this.address.mpi);
    this.gl = makeContext(this.canvas);
    showProgress(0);
    this.manifest = await loadManifest(url);
    const calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.view = new View(limitsOf(this.manifest), this.manifest.camera, () => calm.matches);
    this.panel = new Panel(this.manifest, this.look, () => this.#touch());
    this.panel.collapsed = !this.address.controls;
    this.#connect();
    this.#watchContext(url);
    await this.#load(url);
  }

  setCamera(camera) {
    this.view.fixed = camera;
    this.#resize();
  }

  setMode(mode) {
    this.panel.setMode(mode);
  }

  setGain(gain) {
    this.panel.setGain(gain);
  }

  setPlanes(range, plane) {
    this.panel.setPlanes(range, plane);
  }

  settled() {
    this.#request();
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  get camera() {
    return this.view.camera(this.canvas.width, this.canvas.height);
  }

  async #load(url) {
    this.loading?.abort();
    this.loading = new AbortController();
    const { signal } = this.loading;
    this.loaded = false;
    this.renderer = new Renderer(this.gl, this.manifest);
    this.#resize();
    const onPage = () => this.#touch();
    await loadTextures(url, this.renderer, showProgress, onPage, signal);
    if (signal.aborted) return;
    this.loaded = true;
    showProgress(null);
    this.#request();
  }

  #watchContext(url) {
    let timer;
    this.canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault(); // so that it can come back
      this.loading?.abort();
      this.renderer = null;
      showProgress(0);
      timer = setTimeout(() => showProblem(new ViewerError(
        "The graphics card was lost", "The browser has lost its WebGL context and got no other one.",
        "Close other pages that use the graphics card, then try again.",
      )), LOST_FOR);
    });
    this.canvas.addEventListener("webglcontextrestored", () => {
      clearTimeout(timer);
      showProblem(null);
      this.gl = makeContext(this.canvas);
      this.#load(url).catch(fail);
    });
  }

  #connect() {
    new ResizeObserver(() => this.#resize()).observe(find("stage"));
    const moved = () => {
      this.#setSway(false);
      this.#request();
    };
    listen(this.canvas, this.view, moved);
    find("reset").onclick = () => this.#reset();
    find("sway").onclick = () => this.#setSway(!this.view.swaying);
    find("toggle").onclick = () => this.#toggle();
    find("fullscreen").hidden = !document.fullscreenEnabled;
    find("fullscreen").onclick = () => this.#fullscreen();
    const tilt = new Tilt(this.view, () => this.#request());
    find("tilt").hidden = !Tilt.possible;
    find("tilt").onclick = () => this.#setTilt(tilt);
    addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("visibilitychange", () => this.#request());
  }

  /** Handles keys while the picture, or nothing, has the focus; controls have keys of their own. */
  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (![this.canvas, document.body].includes(event.target)) return;
    const actions = {
      r: () => this.#reset(), home: () => this.#reset(), " ": () => this.#setSway(!this.view.swaying),
      h: () => this.#toggle(), f: () => this.#fullscreen(),
    };
    const mode = MODES.find(({ key }) => key === event.key);
    const action = actions[event.key.toLowerCase()];
    if (mode) this.setMode(mode.name);
    else if (action) action();
    else if (pressKey(event, this.view)) this.#setSway(false);
    else return;
    event.preventDefault();
    this.#request();
  }

  #reset() {
    this.#setSway(false);
    this.view.reset();
    this.#request();
  }

  #setSway(on) {
    this.view.swaying = on;
    find("sway").setAttribute("aria-pressed", String(on));
    this.#request();
  }

  async #setTilt(tilt) {
    if (tilt.on) tilt.stop();
    else if (!(await tilt.start())) find("tilt").title = "The device doesn't allow it.";
    this.#setSway(false);
    find("tilt").setAttribute("aria-pressed", String(tilt.on));
  }

  #toggle() {
    this.panel.collapsed = !this.panel.collapsed;
  }

  #fullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen?.().catch(() => {});
  }

  #resize() {
    fitCanvas(this.canvas, find("stage"), this.manifest.camera, this.view.fixed);
    this.#touch();
  }

  #touch() {
    this.painter.stale = true;
    this.#request();
  }

  #request() {
    if (this.requested || !this.renderer) return;
    this.requested = true;
    requestAnimationFrame((now) => {
      this.requested = false;
      try {
        this.#frame(now);
      } catch (error) {
        fail(error);
      }
    });
  }

  #frame(now) {
    if (!this.renderer?.ready || this.gl.isContextLost()) return;
    const moving = this.view.step(now);
    this.painter.paint(this.renderer, now, this.camera, moving);
    showRate(this.painter.pace.rate, moving);
    if (moving || !this.painter.sharp || this.view.swaying) {
      this.#request();
    } else {
      this.view.rest();
      this.painter.rest();
      if (this.loaded) this.waiting.splice(0).forEach((resolve) => resolve());
    }
  }
}

function fail(error) {
  if (!(error instanceof ViewerError)) console.error(error);
  showProgress(null);
  showProblem(error);
}

window.viewer = new Viewer();
window.viewer.start().catch(fail);
