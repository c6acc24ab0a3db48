// The limits of the viewer's camera, and the camera of a state: pure functions.
//
// A state is a position x, y, z in the reference camera's frame (right, down, forward, in world units), from which
// the camera looks at one point; a zoom, which enlarges the picture; and panX, panY, which shift the zoomed picture
// by shares of its width and height.

export const HOME = Object.freeze({ x: 0, y: 0, z: 0, zoom: 1, panX: 0, panY: 0 });
const MOST_ZOOM = 6;
const LEAST_REACH = 0.3; // share of the padding
const LARGEST_APPROACH = 0.5; // share of the way to the first plane, as in export/paths.py
const FOCUS_SHARE = 0.75; // depth of the point looked at between the planes, linear in disparity, likewise

/**
 * Returns the bounds of a state: the box around the training cameras, extended a little to each side of the
 * reference camera even if all cameras stand in a row. Moving sideways by padding near / focal shifts the first
 * plane by all of the canvas's padding. `capture` is the longer side of the box alone, as in export/paths.py.
 */
export function limitsOf(manifest) {
  const { near, far, padding, fx, fy } = manifest.geometry;
  const places = (axis) => manifest.viewpoints.map((c2w) => c2w[axis][3]);
  const span = (axis, least) => {
    const values = [-least, least, ...places(axis)];
    return [Math.min(...values), Math.max(...values)];
  };
  const sideways = LEAST_REACH * padding * near;
  const depth = span(2, 0);
  return {
    x: span(0, sideways / fx),
    y: span(1, sideways / fy),
    z: [depth[0], Math.min(depth[1], LARGEST_APPROACH * near)],
    focus: 1 / ((1 - FOCUS_SHARE) / near + FOCUS_SHARE / far),
    capture: Math.max(...[0, 1].map((axis) => Math.max(...places(axis)) - Math.min(...places(axis)))),
  };
}

/** Returns the nearest state within the limits. */
export function clampState(state, limits) {
  const zoom = clamp(state.zoom, [1, MOST_ZOOM]);
  const pan = [(1 - zoom) / 2, (zoom - 1) / 2];
  return {
    x: clamp(state.x, limits.x),
    y: clamp(state.y, limits.y),
    z: clamp(state.z, limits.z),
    zoom,
    panX: clamp(state.panX, pan),
    panY: clamp(state.panY, pan),
  };
}

/** Zooms by a factor around the point (x, y), which is given in shares from the middle of the picture. */
export function zoomed(state, factor, x, y, limits) {
  const zoom = clamp(state.zoom * factor, [1, MOST_ZOOM]);
  const grown = zoom / state.zoom;
  const panX = x - (x - state.panX) * grown;
  const panY = y - (y - state.panY) * grown;
  return clampState({ ...state, zoom, panX, panY }, limits);
}

/** Returns the camera of a state, for a picture in the proportions of the photos. */
export function cameraOf(state, limits, photo, width, height) {
  const scale = state.zoom * (width / photo.width);
  const scaleY = state.zoom * (height / photo.height);
  return {
    width,
    height,
    fx: photo.fx * scale,
    fy: photo.fy * scaleY,
    cx: (photo.cx - photo.width / 2) * scale + width * (0.5 + state.panX),
    cy: (photo.cy - photo.height / 2) * scaleY + height * (0.5 + state.panY),
    c2w: lookAt([state.x, state.y, state.z], [0, 0, limits.focus]),
  };
}

/** Returns camera to world, three rows of four, of a camera that has a point in the middle of its view. */
export function lookAt(position, target) {
  const forward = normalize(target.map((value, axis) => value - position[axis]));
  const right = normalize(cross([0, 1, 0], forward));
  const down = cross(forward, right);
  return [0, 1, 2].map((axis) => [right[axis], down[axis], forward[axis], position[axis]]);
}

/** Returns a camera with the same view and a picture that is scaled by a factor. */
export function resized(camera, factor) {
  const width = Math.max(1, Math.round(camera.width * factor));
  const height = Math.max(1, Math.round(camera.height * factor));
  const [x, y] = [width / camera.width, height / camera.height];
  const { fx, fy, cx, cy, c2w } = camera;
  return { width, height, fx: fx * x, fy: fy * y, cx: cx * x, cy: cy * y, c2w };
}

export function clamp(value, [low, high]) {
  return Math.min(high, Math.max(low, value));
}

function cross(a, b) {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function normalize(v) {
  const length = Math.hypot(...v);
  return v.map((value) => value / length);
}
