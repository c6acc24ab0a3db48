// The manifest of a baked multiplane image: export/baked/manifest.py in normnex_pl describes it.

import { BAKE_AGAIN, ViewerError } from "./errors.js";
import { damaged } from "./files.js";
import { PRESENTATION, presentationOf } from "./presentation.js";

export const MANIFEST = "manifest.json";
const FORMAT = "normnex-mpi";
const VERSION = 2;

// The entries that the viewer needs, by the types of their leaves; `[kind]` is a list of them, and "kind?" may be null.
const TEXTURE = {
  height: "number", width: "number", tile: "number", rows: "number", columns: "number", channels: "number",
  tiles_per_row: "number", rows_per_page: "number", pages: "number", slots: "number",
  table: { file: "string", bytes: "number", sha256: "string" },
  files: [[{ file: "string", bytes: "number", sha256: "string" }]],
  ranges: [[["number"]]],
};
const CAMERA = { fx: "number", fy: "number", cx: "number", cy: "number", width: "number", height: "number" };
const SHAPE = {
  geometry: { ...CAMERA, padding: "number", near: "number", far: "number" },
  depths: ["number"], layer_depths: ["number"], sublayers: "number", gate: "number",
  background: ["clear", "opaque_last_plane"],
  color: { model: ["rgb", "ycbcr", "additive_ycbcr"], signed: "boolean" },
  normals: ["none", "predicted", "flat"], num_color_features: "number",
  basis: {
    query: ["view", "reflection"], shape: ["number"], num_basis: "number",
    file: "string", bytes: "number", sha256: "string",
  },
  textures: { alpha: TEXTURE, base_color: TEXTURE, features: TEXTURE },
  viewpoints: [[["number"]]], camera: CAMERA, bytes: { disk: "number" },
};

/**
 * @param {ArrayBuffer} content Of the file.
 * @returns {object} The manifest, in which all entries that the viewer needs have their types.
 */
export function parseManifest(content) {
  let manifest;
  try {
    manifest = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content));
  } catch (error) {
    throw damaged(MANIFEST, "JSON", `a damaged file (${error.message})`);
  }
  if (manifest?.format !== FORMAT) {
    throw damaged(MANIFEST, `the format ${FORMAT}`, describe(manifest?.format));
  }
  if (manifest.version !== VERSION) {
    const advice = manifest.version > VERSION ? "Use the viewer of a newer normnex_pl." : BAKE_AGAIN;
    const message = `${MANIFEST}: expected version ${VERSION}, found ${describe(manifest.version)}.`;
    throw new ViewerError("Another version", message, advice);
  }
  checkShape(manifest, SHAPE, "");
  if (manifest.presentation) checkShape(presentationOf(manifest), PRESENTATION, "presentation");
  checkSizes(manifest);
  return manifest;
}

function checkShape(value, kind, path) {
  if (typeof kind === "string" && kind.endsWith("?")) {
    if (value === null) return;
    kind = kind.slice(0, -1);
  }
  const names = Array.isArray(kind) && kind.length > 1;
  if (typeof kind === "string" ? typeof value !== kind : names && !kind.includes(value)) {
    throw damaged(MANIFEST, `${path} to be ${names ? kind.join(" or ") : `a ${kind}`}`, describe(value));
  }
  if (typeof kind === "string" || names) return;
  if (typeof value !== "object" || value === null || Array.isArray(kind) !== Array.isArray(value)) {
    throw damaged(MANIFEST, `${path} to be ${Array.isArray(kind) ? "a list" : "an object"}`, describe(value));
  }
  if (Array.isArray(kind)) {
    value.forEach((item, index) => checkShape(item, kind[0], `${path}[${index}]`));
  } else {
    for (const [name, inner] of Object.entries(kind)) {
      checkShape(value[name], inner, path ? `${path}.${name}` : name);
    }
  }
}

/** Checks that lists fit each other. */
function checkSizes(manifest) {
  const fits = planesFit(manifest) && Object.entries(channelsOf(manifest)).every(
    ([name, [count, channels]]) => textureFits(manifest.textures[name], count, channels),
  ) && basisFits(manifest.basis) && viewpointsFit(manifest.viewpoints);
  if (!fits) throw damaged(MANIFEST, "planes, layers, tables and files that fit each other", "others");
}

function planesFit({ depths, layer_depths: layers, sublayers }) {
  return depths.length > 0 && depths.length === layers.length * sublayers && [...depths, ...layers].every((d) => d > 0);
}

/** The number of textures of each kind, and of their channels. */
function channelsOf({ depths, layer_depths: layers, color, basis, normals, num_color_features: given }) {
  const expected = basis.num_basis * (color.model === "rgb" ? 3 : 1) + (color.model === "rgb" ? 0 : 3);
  const features = given === expected ? given + (normals === "none" ? 0 : 3) : NaN; // which equals no number
  return { alpha: [depths.length, 1], base_color: [layers.length, 3], features: [layers.length, features] };
}

function textureFits(texture, count, channels) {
  return texture.channels === channels
    && texture.ranges.length === count && texture.files.length === texture.pages
    && texture.files.every((page) => page.length === Math.ceil(channels / 3))
    && texture.ranges.every((range) => range.length === channels && range.every((ends) => ends.length === 2))
    && texture.table.bytes === 4 * count * texture.rows * texture.columns;
}

function basisFits({ query, shape, num_basis: count, bytes }) {
  return shape.length === (query === "view" ? 2 : 3)
    && bytes === 2 * count * shape.reduce((product, size) => product * size, 1);
}

function viewpointsFit(viewpoints) {
  return viewpoints.length > 0
    && viewpoints.every((c2w) => c2w.length === 3 && c2w.every((row) => row.length === 4));
}

function describe(value) {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
