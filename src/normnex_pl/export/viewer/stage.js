// The canvas and the room that the page has for it.

const MOST_DETAIL = 2; // pixels of the canvas for one of the photos: more would only be blurred

/**
 * Gives the canvas the largest size that fits the stage in the photos' proportions, or that of a fixed camera.
 *
 * @param {HTMLCanvasElement} canvas Is resized.
 * @param {HTMLElement} stage Holds it.
 * @param {object} photo The camera of the photos.
 * @param {object | null} fixed A camera in pixels that a script has set.
 * @param {number} most Pixels of the canvas along one of the page.
 */
export function fitCanvas(canvas, stage, photo, fixed, most) {
  const ratio = devicePixelRatio || 1;
  const sides = [(fixed ?? photo).width, (fixed ?? photo).height];
  const fit = Math.min(...roomOf(stage).map((room, axis) => room / sides[axis]));
  const scale = fixed ? 1 / ratio : fit;
  const detail = fixed ? 1 : Math.min(fit * Math.min(ratio, most), MOST_DETAIL);
  const [width, height] = sides.map((side) => Math.max(1, Math.round(side * detail)));
  Object.assign(canvas.style, { width: `${sides[0] * scale}px`, height: `${sides[1] * scale}px` });
  if (canvas.width !== width || canvas.height !== height) {
    Object.assign(canvas, { width, height }); // which also clears it
  }
}

/** Width and height that an element offers to its content. */
function roomOf(element) {
  const { paddingLeft, paddingRight, paddingTop, paddingBottom } = getComputedStyle(element);
  const [left, right, top, bottom] = [paddingLeft, paddingRight, paddingTop, paddingBottom].map(parseFloat);
  return [element.clientWidth - left - right, element.clientHeight - top - bottom];
}
