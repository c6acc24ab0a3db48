// The cameras of a headset's eyes: pure functions.

const INNER = 0.75; // share of the limits within which the head moves freely

/**
 * Returns the intrinsics of an eye, whose frustum may be asymmetric.
 *
 * A projection matrix of WebGL maps (X, Y, Z), with Y up and Z backward, to x = (P[0] X + P[8] Z) / -Z and
 * y = (P[5] Y + P[9] Z) / -Z in [-1, 1]; pixels are counted from the top left.
 *
 * @param {Float32Array} projection 16 numbers, column by column.
 * @param {number} width Of the eye's picture, in pixels.
 * @param {number} height
 * @returns {{width, height, fx, fy, cx, cy}}
 */
export function intrinsicsOf(projection, width, height) {
  return {
    width,
    height,
    fx: (projection[0] * width) / 2,
    fy: (projection[5] * height) / 2,
    cx: ((1 - projection[8]) * width) / 2,
    cy: ((1 + projection[9]) * height) / 2,
  };
}

/**
 * Returns where a rigid transform of WebXR stands and how it is turned, in the axes of OpenCV (right, down, forward).
 *
 * @param {Float32Array} matrix 4x4, column by column: right, up, backward, position.
 * @returns {{position: number[], axes: number[][]}} In the axes of the room: x right, y up, z backward, metres.
 */
export function poseOf(matrix) {
  const column = (index, sign) => [0, 1, 2].map((row) => sign * matrix[4 * index + row]);
  return { position: column(3, 1), axes: [column(0, 1), column(1, -1), column(2, -1)] };
}

/** Returns the angle, about the vertical, to which something that looks along -z at 0 has turned. */
export function headingOf({ axes: [, down, forward] }) {
  // Who looks straight up or down has the heading of the crown or of the chin.
  const level = Math.hypot(forward[0], forward[2]) > 0.1 ? forward : down.map((value) => value * Math.sign(forward[1]));
  return Math.atan2(-level[0], -level[2]);
}

/**
 * Returns the nearest number within limits, approached smoothly: the inner part is left as it is, and the rest of the
 * line is pressed into the outer part with a continuous slope.
 */
export function softClamp(value, [low, high]) {
  const half = (high - low) / 2;
  if (half <= 0) return low;
  const middle = (low + high) / 2;
  const share = (value - middle) / half;
  const over = Math.abs(share) - INNER;
  if (over <= 0) return value;
  const pressed = INNER + (1 - INNER) * Math.tanh(over / (1 - INNER));
  return middle + Math.sign(share) * pressed * half;
}
