// The viewer of baked multiplane images: connects its parts and decides when to draw. address.js says what the
// page's address may ask for, modes.js what can be shown, embed.js what a page around it may ask for.
//
// Scripts use `window.viewer`:
//   setCamera({c2w, fx, fy, cx, cy, width, height} or null)   a camera in pixels and OpenCV axes, c2w being three
//       rows of four in the reference camera's frame; the canvas takes its size. null returns the view to the user.
//   setMode(name), setGain(number), setPlanes("all" | "upto" | "only", number)   as the controls do
//   setView(name)   shows a saved view; returns whether there is one of this name
//   settled()   a promise: everything is loaded, and the picture is still, at full resolution
//   camera      the camera that is shown now

import { folderAt, readAddress } from "./address.js";
import { watchContext } from "./context.js";
import { Controls } from "./controls.js";
import { Editor } from "./editor.js";
import { ParentPage, checkWanted } from "./embed.js";
import { ViewerError } from "./errors.js";
import { makeContext } from "./gl.js";
import { loadManifest, loadTextures } from "./loader.js";
import { MODES } from "./modes.js";
import { Painter } from "./painter.js";
import { Panel, showProblem, showProgress, showRate } from "./panel.js";
import { limitsOf } from "./pose.js";
import { hidePoster, showPoster } from "./poster.js";
import { Presenter } from "./presenter.js";
import { QUALITIES, listenToQuality } from "./quality.js";
import { Renderer } from "./renderer.js";
import { fitCanvas } from "./stage.js";
import { View } from "./view.js";
import { Entrance } from "./xr/entrance.js";
import { Immersion } from "./xr/immersion.js";
import { scaleOf } from "./xr/scale.js";

const find = (id) => document.getElementById(id);

class Viewer {
  constructor() {
    this.address = readAddress();
    this.canvas = find("picture");
    this.look = { mode: MODES[0].name, gain: 1 };
    this.quality = QUALITIES[this.address.quality];
    this.painter = new Painter(this.look, this.quality.scales);
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
    this.immersion = this.#makeImmersion();
    this.#present(url);
    new ResizeObserver(() => this.#resize()).observe(find("stage"));
    new Controls(this.canvas, this.view, this.panel, () => this.presenter.home(), () => this.#request());
    listenToQuality(this.address.quality, (quality) => this.#setQuality(quality));
    watchContext(this.canvas, () => this.#lose(), () => {
      this.gl = makeContext(this.canvas);
      this.#load(url).catch(fail);
    });
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

  setView(name) {
    return this.presenter.show(name);
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

  #lose() {
    this.loading?.abort();
    this.renderer = null;
    this.immersion.leave();
  }

  /** Makes all that a presentation is for: the start view, the editor, pages around this one, a headset's scale. */
  #present(url) {
    this.presenter = new Presenter(this.manifest, this.view, this.panel, () => this.#request());
    const { presenter, address } = this;
    const { poster, origins } = presenter.presentation;
    if (poster) showPoster(url, poster).catch((error) => console.warn(error.message));
    else hidePoster();
    presenter.open(address.view);
    if (address.mode !== null) this.setMode(address.mode);
    this.editor = new Editor(presenter, this.view, this.look, url, () => this.#snapshot());
    this.parent = new ParentPage(origins, () => this.#state(), (wanted) => this.#apply(wanted));
    const { limits } = this.view;
    const scale = () => scaleOf(limits, presenter.presentation.metres_per_unit);
    const entrance = new Entrance(this.immersion, limits, scale);
    presenter.listeners.push(() => entrance.refresh());
  }

  #makeImmersion() {
    const viewer = this;
    const host = {
      get gl() { return viewer.gl; },
      get renderer() { return viewer.renderer; },
      get look() { return viewer.look; },
      get scales() { return viewer.quality.scales; },
      nextMode: () => this.panel.nextMode(),
      onStart: () => {
        this.modeBefore = this.look.mode;
        // Emulators show the eyes on the canvas, whose size is theirs until the end.
        Object.assign(this.canvas.style, { width: "", height: "" });
      },
      onEnd: (error) => {
        this.setMode(this.modeBefore);
        this.#resize();
        if (error) fail(error);
      },
    };
    const { limits } = this.view;
    const metres = () => scaleOf(limits, this.presenter.presentation.metres_per_unit).metres;
    return new Immersion(host, limits, this.manifest.geometry.near, metres);
  }

  /** What a page around this one is told. */
  #state() {
    const { names: views, current: view, presentation } = this.presenter;
    const modes = MODES.map(({ name }) => name).filter((name) => !find(`mode-${name}`).disabled);
    return { mode: this.look.mode, view, gloss: this.look.gain, modes, views, title: presentation.title };
  }

  #apply(wanted) {
    checkWanted(wanted, this.#state());
    if (wanted.view !== undefined) this.setView(wanted.view);
    if (wanted.mode !== undefined) this.setMode(wanted.mode);
    if (wanted.gloss !== undefined) this.setGain(wanted.gloss);
  }

  #setQuality(quality) {
    this.quality = quality;
    this.painter.pace.limit(quality.scales);
    this.#resize();
  }

  /** Returns the canvas with the picture, in the task in which it was drawn: later it may be empty. */
  async #snapshot() {
    await this.settled();
    this.renderer.draw("still", this.camera, this.look);
    this.renderer.show("still");
    return this.canvas;
  }

  #resize() {
    if (this.immersion.session) return; // the canvas may belong to the headset
    fitCanvas(this.canvas, find("stage"), this.manifest.camera, this.view.fixed, this.quality.detail);
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
    this.presenter.mark();
    this.parent.tell();
    if (this.immersion.session || !this.renderer?.ready || this.gl.isContextLost()) return;
    hidePoster();
    const moving = this.view.step(now);
    this.painter.paint(this.renderer, now, this.camera, moving);
    showRate(this.painter.pace.rate, moving);
    if (moving || !this.painter.sharp || this.view.swaying) {
      this.#request();
    } else {
      this.view.rest();
      this.painter.rest();
      this.editor.refreshSnippet();
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
