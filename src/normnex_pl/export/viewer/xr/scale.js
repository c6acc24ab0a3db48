// How large the scene is in a room.

const ASSUMED_WIDTH = 0.4; // metres, of a capture that doesn't say how large it is
const COMFORT = 0.5; // metres, the least distance of the first plane at the start

/**
 * Returns the scale of a scene. Structure from motion knows no metres: unless the image says what a unit is, the
 * cameras of the capture are taken to have stood 40 cm apart.
 *
 * @param {object} limits See `limitsOf`.
 * @param {number | null | undefined} metres A unit of the world, if that is known.
 * @returns {{metres: number, known: boolean}}
 */
export function scaleOf(limits, metres) {
  if (metres) return { metres, known: true };
  const width = widthOf(limits);
  return { metres: width > 0 ? ASSUMED_WIDTH / width : 1, known: false };
}

/** Returns how wide the capture is, or, of photos from one place, the range of viewpoints; in units of the world. */
export function widthOf({ x, y, capture }) {
  return capture || Math.max(x[1] - x[0], y[1] - y[0]);
}

/** Says in a sentence how large the scene is, and how that is known. */
export function describeScale({ metres, known }, limits) {
  const width = `${Number((100 * metres * widthOf(limits)).toPrecision(3))} cm`;
  return known
    ? `True to scale: the capture is ${width} wide, as the image says.`
    : `Scale unknown: the capture is taken as ${width} wide.`;
}

/**
 * Returns the box in which the head moves. It is as deep as it is wide, so that leaning forward moves the eyes also
 * where all photos were taken from one plane, but never nearer to the first plane than half the way.
 */
export function roomOf(limits, near) {
  const half = (limits.x[1] - limits.x[0]) / 2;
  const z = [Math.min(limits.z[0], -half), Math.min(Math.max(limits.z[1], half), near / 2)];
  return { x: limits.x, y: limits.y, z };
}

/** Returns the depth at which the head starts: at the reference camera, or further back from a very near plane. */
export function startDepth(near, metres) {
  return Math.min(0, near - COMFORT / metres);
}
