// Controllers and hands: they move, turn and scale the scene.

const MOVE = 0.8; // shares of the room a second, at full tilt of a stick
const TURN = Math.PI / 6; // at once: turning smoothly makes people sick
const GROW = 1; // e-folds a second
const DEAD = 0.15; // of a stick
const [FLICK, RELEASE] = [0.7, 0.4]; // of a stick that turns
const [NEXT, RECENTRE] = [4, 5]; // the buttons A or X, and B or Y

export class Hands {
  /**
   * @param {XRSession} session Its select events say which hands hold the scene: by a trigger, or by a pinch.
   * @param {Placement} placement Is changed.
   * @param {() => void} onNext Called when another mode is asked for.
   * @param {() => void} onRecentre Called when the scene shall stand in front of the head again.
   */
  constructor(session, placement, onNext, onRecentre) {
    this.session = session;
    this.placement = placement;
    this.actions = { [NEXT]: onNext, [RECENTRE]: onRecentre };
    this.holding = new Map(); // places of the hands that hold the scene, by their sources
    this.pressed = new Set(); // buttons
    this.flicked = new Set(); // sticks
    for (const kind of ["select", "squeeze"]) {
      session.addEventListener(`${kind}start`, ({ inputSource }) => this.holding.set(inputSource, null));
      session.addEventListener(`${kind}end`, ({ inputSource }) => this.holding.delete(inputSource));
    }
  }

  /** Applies what the hands have done since the last frame, `seconds` ago. */
  step(seconds, frame, space) {
    const sources = [...this.session.inputSources];
    for (const source of sources) {
      if (!source.gamepad || source.hand) continue;
      this.#stick(source, seconds);
      this.#buttons(source);
    }
    this.#hold(sources, frame, space);
  }

  /** The left stick, or the only one, moves; the right one turns and scales. */
  #stick(source, seconds) {
    const { axes } = source.gamepad;
    const [x, y] = axes.slice(axes.length > 2 ? 2 : 0).map((value) => (Math.abs(value) < DEAD ? 0 : value));
    if (source.handedness !== "right") {
      if (x || y) this.placement.move([x * MOVE * seconds, 0, -y * MOVE * seconds]);
      return;
    }
    if (y) this.placement.grow(Math.exp(-y * GROW * seconds));
    if (Math.abs(x) < RELEASE) this.flicked.delete(source);
    if (Math.abs(x) < FLICK || this.flicked.has(source)) return;
    this.flicked.add(source);
    this.placement.turn(Math.sign(x) * TURN);
  }

  #buttons({ gamepad, handedness }) {
    for (const [index, action] of Object.entries(this.actions)) {
      const name = `${handedness} ${index}`;
      const down = Boolean(gamepad.buttons[index]?.pressed);
      if (down && !this.pressed.has(name)) action();
      this.pressed[down ? "add" : "delete"](name);
    }
  }

  /** One hand drags the scene; two also turn and scale it. */
  #hold(sources, frame, space) {
    const places = [];
    for (const [source, before] of this.holding) {
      const pose = sources.includes(source) && frame.getPose(source.gripSpace ?? source.targetRaySpace, space);
      if (!pose) {
        this.holding.delete(source);
        continue;
      }
      const { x, y, z } = pose.transform.position;
      this.holding.set(source, [x, y, z]);
      places.push([before, [x, y, z]]);
    }
    if (places.some(([before]) => before === null)) return; // a hand has just come
    const change = changeOf(places.slice(0, 2));
    if (!change) return;
    this.placement.drag(change.shift);
    if (change.turn) this.placement.turn(change.turn);
    if (change.growth !== 1) this.placement.grow(change.growth);
  }
}

/**
 * Returns how one or two hands have moved what they hold.
 *
 * @param {[number[], number[]][]} places Of each hand, before and now, in metres with y up.
 * @returns {{shift: number[], turn: number, growth: number} | null} Metres, radians about the vertical (counterclockwise
 *     as seen from above), and a factor.
 */
export function changeOf(places) {
  if (places.length === 0) return null;
  const middle = (when) => [0, 1, 2].map((i) => places.reduce((sum, one) => sum + one[when][i], 0) / places.length);
  const [from, to] = [middle(0), middle(1)];
  const shift = to.map((value, i) => value - from[i]);
  if (places.length === 1) return { shift, turn: 0, growth: 1 };
  const apart = (when) => places[1][when].map((value, i) => value - places[0][when][i]);
  const [before, now] = [apart(0), apart(1)];
  const angle = ([x, , z]) => Math.atan2(-z, x);
  const turned = angle(now) - angle(before);
  return {
    shift,
    turn: Math.atan2(Math.sin(turned), Math.cos(turned)), // the short way round
    growth: Math.hypot(...now) / Math.max(1e-3, Math.hypot(...before)),
  };
}
