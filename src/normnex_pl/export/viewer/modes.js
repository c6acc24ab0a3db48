// What the viewer can show. A mode is one entry here: the panel, its legend, the keys, the address and the shader
// take it from there.

import { viridisGradient } from "./viridis.js";

/**
 * @typedef {object} Mode
 * @property {string} name In the address and for scripts.
 * @property {string} title On its button.
 * @property {string} key Chooses it.
 * @property {string} color GLSL: the pixel's colour, from `sums` of mpi.frag and the functions there.
 * @property {boolean} readsFeatures Whether that needs the part of the colour that depends on the view, or normals.
 * @property {(manifest: object) => string | object} legend A sentence, or a bar: background, left and right.
 * @property {(manifest: object) => string | null} [missing] Why an image can't show it; null if it can.
 */

/** @type {Mode[]} In the order of the buttons. */
export const MODES = [
  {
    name: "full",
    title: "Full",
    key: "1",
    color: "sums.full",
    readsFeatures: true,
    legend: () => "Diffuse plus specular",
  },
  {
    name: "diffuse",
    title: "Diffuse",
    key: "2",
    color: "sums.diffuse",
    readsFeatures: false,
    legend: () => "The part that doesn't depend on the view",
  },
  {
    name: "specular",
    title: "Specular",
    key: "3",
    color: "abs(sums.full - sums.diffuse)",
    readsFeatures: true,
    legend: ({ color }) => (color.signed ? "What the view adds or takes away, as an amount" : "What the view adds"),
  },
  {
    name: "normals",
    title: "Normals",
    key: "4",
    color: "normalColor(sums.normal)",
    readsFeatures: true,
    legend: () => "Red: to the right, green: up, blue: towards you",
    missing: ({ normals }) => (normals === "none" ? "This model has no normals." : null),
  },
  {
    name: "depth",
    title: "Depth",
    key: "5",
    color: "depthColor(sums)",
    readsFeatures: false,
    legend: ({ geometry: { near, far } }) => ({
      background: viridisGradient(), left: `near ${near.toPrecision(3)}`, right: `${far.toPrecision(3)} far`,
    }),
  },
  {
    name: "alpha",
    title: "Alpha",
    key: "6",
    color: "vec3(sums.covered)",
    readsFeatures: false,
    legend: () => ({ background: "linear-gradient(to right, #000, #fff)", left: "0", right: "opaque" }),
  },
];

/** @returns {Mode | undefined} */
export function modeNamed(name) {
  return MODES.find((mode) => mode.name === name);
}

/** GLSL that defines what mpi.frag declares; the uniform `mode` is an index of `MODES`. */
export function modeShader() {
  const reading = MODES.map(({ readsFeatures }, index) => readsFeatures && `mode == ${index}`).filter(Boolean);
  const colors = MODES.map(({ color }, index) => `  if (mode == ${index}) return ${color};\n`);
  return [
    `bool readsFeatures() {\n  return ${reading.join(" || ")};\n}\n`,
    `vec3 modeColor(Sums sums) {\n${colors.join("")}  return vec3(0);\n}\n`,
  ].join("\n");
}
