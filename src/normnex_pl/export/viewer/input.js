// User input on the picture: pointers, wheel, keys, and the tilt of the device.

const KEY_STEP = 0.06; // share of the limits, or of the picture
const KEY_ZOOM = 1.15;
const WHEEL_ZOOM = 0.0015; // per pixel that a wheel would scroll
const LINE = 16; // pixels
const FULL_TILT = 20; // degrees from the middle of the limits to their end

/**
 * Lets the user move the view.
 *
 * @param {HTMLElement} picture Receives pointers, the wheel and keys.
 * @param {View} view Is moved.
 * @param {(kind: string) => void} onInput Called after each move, with "drag", "zoom" or "key".
 */
export function listen(picture, view, onInput) {
  listenToPointers(picture, view, onInput);
  picture.addEventListener("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1);
    view.zoom(Math.exp(-pixels * WHEEL_ZOOM), ...place(picture, event));
    onInput("zoom");
  }, { passive: false });
}

/** One pointer moves the camera; two, or one with Shift, zoom and pan the picture. */
function listenToPointers(picture, view, onInput) {
  const pointers = new Map();

  picture.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button === 2) return;
    picture.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(picture, event));
  });

  picture.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = place(picture, event);
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    if (pointers.size === 1 && !event.shiftKey) {
      view.move(-dx, -dy); // near things follow the finger
      onInput("drag");
    } else {
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) pinch(view, before, now, other, picture);
      else view.pan(dx, dy);
      onInput("zoom");
    }
    pointers.set(event.pointerId, now);
  });

  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    picture.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
}

/** Follows one of two fingers: the points under both stay there. */
function pinch(view, before, now, other, picture) {
  const { width, height } = picture.getBoundingClientRect();
  const distance = (a) => Math.hypot((a[0] - other[0]) * width, (a[1] - other[1]) * height);
  const middle = (a) => [(a[0] + other[0]) / 2, (a[1] + other[1]) / 2];
  const [from, to] = [middle(before), middle(now)];
  view.zoom(distance(now) / Math.max(1, distance(before)), ...from);
  view.pan(to[0] - from[0], to[1] - from[1]);
}

/** Returns the position of an event, in shares of the picture from its middle. */
function place(picture, event) {
  const { left, top, width, height } = picture.getBoundingClientRect();
  return [(event.clientX - left) / width - 0.5, (event.clientY - top) / height - 0.5];
}

/** Moves the view by a key; returns whether the key has a meaning. */
export function pressKey(event, view) {
  const across = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (across) {
    const [dx, dy] = across.map((step) => step * KEY_STEP);
    if (event.shiftKey) view.pan(-dx, -dy);
    else view.move(dx, dy);
    return true;
  }
  const along = { w: 1, s: -1 }[event.key.toLowerCase()];
  if (along) view.move(0, 0, along * KEY_STEP);
  const zoom = { "+": KEY_ZOOM, "=": KEY_ZOOM, "-": 1 / KEY_ZOOM }[event.key];
  if (zoom) view.zoom(zoom);
  return Boolean(along || zoom);
}

/** The device as a window: tilting it moves the camera. */
export class Tilt {
  static get possible() {
    return "DeviceOrientationEvent" in window && matchMedia("(any-pointer: coarse)").matches;
  }

  /** @param {() => void} onTilt Called after each move. */
  constructor(view, onTilt) {
    this.view = view;
    this.onTilt = onTilt;
    this.middle = null;
    this.on = false;
  }

  /** Asks for permission where that is required (iOS), then listens; returns whether it was granted. */
  async start() {
    if (typeof DeviceOrientationEvent.requestPermission === "function") {
      const answer = await DeviceOrientationEvent.requestPermission().catch(() => "denied");
      if (answer !== "granted") return false;
    }
    this.middle = null;
    this.on = true;
    addEventListener("deviceorientation", this.#turned);
    return true;
  }

  stop() {
    this.on = false;
    removeEventListener("deviceorientation", this.#turned);
  }

  #turned = ({ beta, gamma }) => {
    if (beta === null || gamma === null) return;
    this.middle ??= { beta, gamma }; // the way the device is held at first
    const [right, up] = [this.middle.gamma - gamma, beta - this.middle.beta].map((angle) => angle / FULL_TILT);
    // From the device's axes to those of the screen, which may be rotated.
    const turn = ((screen.orientation?.angle ?? 0) * Math.PI) / 180;
    const x = right * Math.cos(turn) - up * Math.sin(turn);
    const y = right * Math.sin(turn) + up * Math.cos(turn);
    const at = (axis, share) => {
      const [low, high] = this.view.limits[axis];
      return (low + high) / 2 + (share * (high - low)) / 2;
    };
    this.view.to({ x: at("x", x), y: at("y", -y) });
    this.onTilt();
  };
}
