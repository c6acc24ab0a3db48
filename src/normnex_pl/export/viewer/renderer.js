// Draws a multiplane image: its program, its uniforms, and frames in parts.

import { makeProgram, makeTexture, uniformsOf } from "./gl.js";
import { MODES, modeNamed, modeShader } from "./modes.js";
// GLSL as modules: hosts know their type, and none for the usual endings of shaders.
import basisSource from "./shaders/basis.glsl.js";
import colorSource from "./shaders/color.glsl.js";
import mpiSource from "./shaders/mpi.frag.js";
import screenSource from "./shaders/screen.vert.js";
import tilesSource from "./shaders/tiles.glsl.js";
import { TiledTexture, basisTexture, depthColorTexture, layerTexture, planeTexture } from "./textures.js";

const TILED = { alpha: "alpha", base_color: "base", features: "feature" }; // names of uniforms

/** The definitions that the shaders are compiled with: the parts of the model, by their names in the manifest. */
function definitions(manifest) {
  const { basis, color, textures } = manifest;
  const [width, height] = [basis.shape.at(-1), basis.shape.at(-2)];
  const slices = basis.shape.length > 2 ? basis.shape[0] : 1;
  const values = {
    NUM_PLANES: manifest.depths.length,
    NUM_LAYERS: manifest.layer_depths.length,
    SUBLAYERS: manifest.sublayers,
    GATE: `float(${manifest.gate})`,
    NUM_BASIS: basis.num_basis,
    BASIS_GROUPS: Math.ceil(basis.num_basis / 4),
    BASIS_SIZE: `ivec3(${width}, ${height}, ${slices})`,
    FEATURE_GROUPS: Math.ceil(textures.features.channels / 3),
    COLOR_FEATURES: manifest.num_color_features,
    [`COLOR_${color.model.toUpperCase()}`]: 1,
    [`NORMALS_${manifest.normals.toUpperCase()}`]: 1,
    ...(color.signed && { LUMA_SIGNED: 1 }),
    ...(basis.query === "reflection" && { BY_REFLECTION: 1 }),
    ...(manifest.background === "opaque_last_plane" && { OPAQUE_LAST_PLANE: 1 }),
  };
  return Object.entries(values).map(([name, value]) => `#define ${name} ${value}\n`).join("");
}

const VERSION = "#version 300 es\n";
const PRECISION = ["float", "int", "sampler2D", "sampler2DArray", "usampler2D"]
  .map((type) => `precision highp ${type};\n`).join("");

export class Renderer {
  constructor(gl, manifest) {
    this.gl = gl;
    this.manifest = manifest;
    const parts = [tilesSource, basisSource, colorSource, mpiSource, modeShader()];
    const fragment = VERSION + PRECISION + definitions(manifest) + parts.join("\n");
    this.program = makeProgram(gl, VERSION + screenSource, fragment);
    this.uniforms = uniformsOf(gl, this.program);
    this.tiled = Object.fromEntries(
      Object.keys(TILED).map((name) => [name, new TiledTexture(gl, name, manifest.textures[name])]),
    );
    this.planes = planeTexture(gl, manifest);
    this.layers = layerTexture(gl, manifest);
    this.depthColors = depthColorTexture(gl);
    this.frames = {}; // framebuffers of several sizes, by their purposes
    gl.useProgram(this.program);
    this.#setGeometry();
  }

  /** @param {ArrayBuffer} content Of the file of the basis functions. */
  setBasis(content) {
    this.basis = basisTexture(this.gl, this.manifest.basis, content);
  }

  /** Whether there is anything to draw. */
  get ready() {
    return this.tiled.alpha.loaded > 0 && this.tiled.base_color.loaded > 0;
  }

  /**
   * Draws a frame, or some of its rows.
   *
   * @param {string} purpose Frames of one purpose share their pixels: rows that aren't drawn keep theirs.
   * @param {object} camera width, height, fx, fy, cx, cy in pixels, and c2w, three rows of four.
   * @param {object} look What is shown of the image: mode, gain, planes (the first and the last one), and seeThrough,
   *     whether what no plane covers is transparent.
   * @param {[number, number]} rows The first one and the one after the last, from the bottom.
   */
  draw(purpose, camera, look, rows = [0, camera.height]) {
    const { buffer } = this.#frame(purpose, camera.width, camera.height);
    const place = { x: 0, y: rows[0], width: camera.width, height: rows[1] - rows[0] };
    this.#march(buffer, place, [0, 0], camera, look);
  }

  /**
   * Draws a whole frame straight into a part of a framebuffer, as headsets want it.
   *
   * @param {WebGLFramebuffer | null} buffer null is the canvas.
   * @param {{x: number, y: number, width: number, height: number}} place Of the camera's size; y from the bottom.
   * @param {object} camera As for `draw`.
   * @param {object} look As for `draw`.
   */
  drawInto(buffer, place, camera, look) {
    this.#march(buffer, place, [place.x, place.y], camera, look);
  }

  /** Shows a frame on the canvas or in a part of a framebuffer, which may have another size. */
  show(purpose, target = null, place = this.#canvas) {
    const { gl } = this;
    const { buffer, width, height } = this.frames[purpose];
    const [right, top] = [place.x + place.width, place.y + place.height];
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, buffer);
    gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, target);
    const filter = width === place.width && height === place.height ? gl.NEAREST : gl.LINEAR;
    gl.blitFramebuffer(0, 0, width, height, place.x, place.y, right, top, gl.COLOR_BUFFER_BIT, filter);
  }

  /** Waits for the graphics card by reading a pixel of a frame. */
  finish(purpose) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.frames[purpose].buffer);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  get #canvas() {
    return { x: 0, y: 0, width: this.gl.drawingBufferWidth, height: this.gl.drawingBufferHeight };
  }

  /** Draws the part `place` of a frame whose lower left corner is at `corner` of a framebuffer. */
  #march(buffer, place, corner, camera, look) {
    const { gl, uniforms } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, buffer);
    gl.viewport(...corner, camera.width, camera.height);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(place.x, place.y, place.width, place.height);
    gl.useProgram(this.program);
    this.#bindTextures();
    const c = camera.c2w;
    gl.uniform1f(uniforms.frameTop, corner[1] + camera.height);
    gl.uniform2f(uniforms.focal, camera.fx, camera.fy);
    gl.uniform2f(uniforms.principal, corner[0] + camera.cx, camera.cy);
    gl.uniformMatrix3fv(uniforms.rotation, false, [0, 1, 2].flatMap((j) => c.map((row) => row[j])));
    gl.uniform3f(uniforms.origin, c[0][3], c[1][3], c[2][3]);
    gl.uniform1i(uniforms.mode, MODES.indexOf(modeNamed(look.mode)));
    gl.uniform1f(uniforms.gain, look.gain);
    gl.uniform2i(uniforms.shown, ...look.planes);
    gl.uniform1i(uniforms.seeThrough, look.seeThrough ? 1 : 0);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.disable(gl.SCISSOR_TEST);
  }

  #frame(purpose, width, height) {
    const { gl } = this;
    const old = this.frames[purpose];
    if (old?.width === width && old.height === height) return old;
    if (old) {
      gl.deleteFramebuffer(old.buffer);
      gl.deleteTexture(old.texture);
    }
    const texture = makeTexture(gl, gl.TEXTURE_2D, gl.NEAREST, gl.RGBA8, width, height);
    const buffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, buffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    this.frames[purpose] = { buffer, texture, width, height };
    return this.frames[purpose];
  }

  #setGeometry() {
    const { gl, uniforms, manifest: { geometry: g } } = this;
    gl.uniform2f(uniforms.canvasFocal, g.fx, g.fy);
    gl.uniform2f(uniforms.canvasCentre, g.cx + g.padding, g.cy + g.padding);
    gl.uniform2f(uniforms.canvasSize, g.width + 2 * g.padding, g.height + 2 * g.padding);
    gl.uniform2f(uniforms.depthRange, g.near, g.far);
    for (const [name, short] of Object.entries(TILED)) {
      const { entry, width, height } = this.tiled[name];
      gl.uniform2i(uniforms[`${short}Grid.texels`], entry.width, entry.height);
      gl.uniform2i(uniforms[`${short}Grid.tiles`], entry.columns, entry.rows);
      gl.uniform2f(uniforms[`${short}Grid.page`], width, height);
      gl.uniform1i(uniforms[`${short}Grid.tile`], entry.tile);
    }
  }

  #bindTextures() {
    const { gl, uniforms } = this;
    const textures = [
      ["planes", gl.TEXTURE_2D, this.planes],
      ["layers", gl.TEXTURE_2D, this.layers],
      ["depthColors", gl.TEXTURE_2D, this.depthColors],
      ["basisTable", gl.TEXTURE_2D_ARRAY, this.basis],
    ];
    for (const [name, short] of Object.entries(TILED)) {
      const { table, pages, loaded } = this.tiled[name];
      textures.push([`${short}Table`, gl.TEXTURE_2D, table], [`${short}Pages`, gl.TEXTURE_2D_ARRAY, pages]);
      gl.uniform1i(uniforms[`${short}Grid.loaded`], loaded);
    }
    textures.forEach(([name, target, texture], unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(target, texture);
      gl.uniform1i(uniforms[name], unit);
    });
    gl.activeTexture(gl.TEXTURE0 + textures.length); // a texture that is made next replaces none of them
  }
}
