// Where the scene stands in the room: the way from metres in the room to units of the world.

import { clamp } from "../pose.js";
import { headingOf, poseOf, softClamp } from "./eyes.js";

const SCALES = [0.25, 4]; // of what a person may make of the scene's size

export class Placement {
  /**
   * @param {{x, y, z}} room The box of viewpoints in which the head moves, see `roomOf`.
   * @param {number} metres A unit of the world.
   * @param {number} depth Of the head at the start.
   */
  constructor(room, metres, depth) {
    this.room = room;
    this.metres = metres;
    this.depth = depth;
    this.started = false;
  }

  /** Puts the scene in front of a head, upright. */
  start(matrix) {
    const pose = poseOf(matrix);
    this.started = true;
    this.heading = headingOf(pose);
    this.scale = 1; // of the scene
    this.head = pose.position; // in the room
    this.anchor = pose.position; // a place in the room, and where that is in the world
    this.place = this.#bounded([0, 0, this.depth]);
    this.shift = [0, 0, 0];
  }

  /** Lets the scene stand in front of the head again, from the next frame on. */
  forget() {
    this.started = false;
  }

  /** Follows the head, which is held softly inside the room. */
  follow(matrix) {
    this.head = poseOf(matrix).position;
    const free = this.#world(this.head);
    // The eyes are moved by the same amount, which keeps their distance.
    this.shift = ["x", "y", "z"].map((axis, i) => softClamp(free[i], this.room[axis]) - free[i]);
  }

  /** Returns camera to world, three rows of four, of an eye. */
  cameraToWorld(matrix) {
    const { position, axes } = poseOf(matrix);
    const columns = axes.map((axis) => this.#turned(axis));
    const at = this.#world(position).map((value, i) => value + this.shift[i]);
    return [0, 1, 2].map((row) => [...columns.map((column) => column[row]), at[row]]);
  }

  /** Moves the head through the scene by shares of the room, to its right, down and forward. */
  move(shares) {
    this.#settle();
    const step = ["x", "y", "z"].map((axis, i) => shares[i] * (this.room[axis][1] - this.room[axis][0]));
    this.place = this.#bounded(this.place.map((value, i) => value + step[i]));
  }

  /** Moves the scene with a hand, by metres in the room. */
  drag(metres) {
    this.#settle();
    const step = this.#turned(metres).map((value) => value / (this.metres * this.scale));
    this.place = this.#bounded(this.place.map((value, i) => value - step[i]));
  }

  /** Turns the scene about the head, in radians, counterclockwise as seen from above. */
  turn(angle) {
    this.#settle();
    this.heading += angle;
  }

  /** Makes the scene larger around the head. */
  grow(factor) {
    this.#settle();
    this.scale = clamp(this.scale * factor, SCALES);
  }

  /** Takes the head's present place for the anchor, around which things turn and grow. */
  #settle() {
    this.place = this.#bounded(this.#world(this.head));
    this.anchor = this.head;
  }

  #bounded(place) {
    return ["x", "y", "z"].map((axis, i) => clamp(place[i], this.room[axis]));
  }

  #world(point) {
    const moved = this.#turned(point.map((value, i) => value - this.anchor[i]));
    return this.place.map((value, i) => value + moved[i] / (this.metres * this.scale));
  }

  /** Turns a vector of the room into the axes of the world, which are right, down and forward. */
  #turned([x, y, z]) {
    const [cos, sin] = [Math.cos(this.heading), Math.sin(this.heading)];
    return [cos * x - sin * z, -y, -sin * x - cos * z];
  }
}
