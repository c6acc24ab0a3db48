// A presentation: title, text, saved views, poster. It is an entry of the manifest, and a file that the viewer writes
// and `normnex view RUN --presentation=FILE` takes. All functions are pure.

import { MODES, modeNamed } from "./modes.js";
import { HOME, clampState } from "./pose.js";

/** The entries that the viewer reads, by the types of their leaves, as in manifest.js. */
export const PRESENTATION = {
  title: "string?", text: "string?", metres_per_unit: "number?", start: "string?", poster: "object?", origins: ["string"],
  views: [{ name: "string", position: ["number"], zoom: "number", pan: ["number"], mode: "string", gain: "number" }],
};
const EMPTY = Object.freeze({
  title: null, text: null, metres_per_unit: null, start: null, poster: null, origins: [], views: [],
});
export const LONGEST_NAME = 60; // characters

/** @returns {object} What a manifest says, or an empty presentation. */
export function presentationOf(manifest) {
  return { ...EMPTY, ...manifest.presentation };
}

/** Returns a saved view of a state of the camera and of what is shown. */
export function viewOf(name, state, { mode, gain }) {
  const { x, y, z, zoom, panX, panY } = state;
  return { name, position: [x, y, z], zoom, pan: [panX, panY], mode, gain };
}

/** Returns the state of the camera of a saved view, within limits. */
export function stateOf({ position: [x = 0, y = 0, z = 0], zoom, pan: [panX = 0, panY = 0] }, limits) {
  return clampState({ ...HOME, x, y, z, zoom, panX, panY }, limits);
}

/** Returns the mode of a saved view, or the first one if this viewer doesn't have it. */
export function modeOf(view) {
  return (modeNamed(view.mode) ?? MODES[0]).name;
}

export function findView(presentation, name) {
  return presentation.views.find((view) => view.name === name);
}

/** Adds a view with a new name. */
export function withView(presentation, state, look) {
  let count = presentation.views.length + 1;
  while (findView(presentation, `View ${count}`)) count += 1;
  return { ...presentation, views: [...presentation.views, viewOf(`View ${count}`, state, look)] };
}

/** Renames a view; without effect where the name is empty or taken. */
export function renamed(presentation, old, name) {
  const wanted = name.trim().slice(0, LONGEST_NAME);
  if (!wanted || findView(presentation, wanted)) return presentation;
  const views = presentation.views.map((view) => (view.name === old ? { ...view, name: wanted } : view));
  return { ...presentation, views, start: presentation.start === old ? wanted : presentation.start };
}

export function without(presentation, name) {
  const views = presentation.views.filter((view) => view.name !== name);
  return { ...presentation, views, start: presentation.start === name ? null : presentation.start };
}

/** Makes a view the start view, or no longer. */
export function startingWith(presentation, name) {
  return { ...presentation, start: presentation.start === name ? null : name };
}

/**
 * Returns the text of a file.
 *
 * @param {object} presentation
 * @param {string | null} poster The picture as a data: address; null for none.
 */
export function fileOf(presentation, poster) {
  return `${JSON.stringify({ ...presentation, poster }, null, 2)}\n`;
}
