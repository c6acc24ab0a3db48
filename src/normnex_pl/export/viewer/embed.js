// The viewer inside another page: the snippet that puts it there, and messages between the two.
//
// The page around it sends objects with an entry `normnex`, and gets such:
//   {normnex: "get", id}                        asks for the state
//   {normnex: "set", id, mode, view, gloss}     changes what is named
//   {normnex: "state", id, mode, view, gloss, modes, views, title}      the answer
//   {normnex: "error", id, message}             the answer to what can't be done; nothing has changed then
//   {normnex: "ready", ...} and {normnex: "change", ...}    a state, unasked
// Pages of this site, and of those that the presentation lists, are heard. Others get no answer.

const ALLOWED = "fullscreen; xr-spatial-tracking; gyroscope; accelerometer; clipboard-write";

export class ParentPage {
  /**
   * @param {string[]} origins Of pages that are heard.
   * @param {() => object} read Returns the state.
   * @param {(wanted: object) => void} write Applies parts of a state.
   * @throws {Error} By `write`: something can't be done.
   */
  constructor(origins, read, write) {
    Object.assign(this, { read, write });
    // Files on a disk and sandboxed pages all have the origin "null", which names none of them.
    this.origins = [location.origin, ...origins].filter((origin) => origin !== "null");
    this.origin = null; // of the page around, once it is known
    this.sent = ""; // the state that the page knows
    if (parent === window) return;
    addEventListener("message", (event) => this.#hear(event));
    this.#greet(originOf(document.referrer));
  }

  /** Tells the page around that something has changed, if it has. */
  tell() {
    if (this.origin !== null) this.#announce("change");
  }

  #greet(origin) {
    if (!this.origins.includes(origin)) return;
    this.origin = origin;
    this.#announce("ready");
  }

  #hear({ source, origin, data }) {
    if (source !== parent || !this.origins.includes(origin)) return;
    if (data?.normnex !== "get" && data?.normnex !== "set") return;
    this.origin = origin;
    const { normnex, id = null } = data;
    try {
      if (normnex === "set") this.write(data);
      this.#send({ normnex: "state", id, ...this.read() });
    } catch (error) {
      this.#send({ normnex: "error", id, message: error.message });
    }
  }

  #announce(kind) {
    const state = this.read();
    const text = JSON.stringify(state);
    if (text === this.sent) return;
    this.sent = text;
    this.#send({ normnex: kind, ...state });
  }

  #send(message) {
    parent.postMessage(message, this.origin);
  }
}

/**
 * Checks what a page asks for.
 *
 * @param {{mode?: unknown, view?: unknown, gloss?: unknown}} wanted
 * @param {{modes: string[], views: string[]}} offered
 * @throws {Error} Says what was expected and what was found.
 */
export function checkWanted({ mode, view, gloss }, { modes, views }) {
  const refuse = (name, expected, found) => {
    throw new Error(`${name}: expected ${expected}, found ${JSON.stringify(found)?.slice(0, 60)}.`);
  };
  if (mode !== undefined && !modes.includes(mode)) refuse("mode", `one of ${modes.join(", ")}`, mode);
  if (view !== undefined && !views.includes(view)) refuse("view", `one of ${JSON.stringify(views)}`, view);
  if (gloss !== undefined && !Number.isFinite(gloss)) refuse("gloss", "a number", gloss);
}

/** @returns {string} HTML that shows the page at an address. */
export function snippetOf(address, title) {
  const [source, name] = [address, title].map(escapeAttribute);
  return `<iframe src="${source}" title="${name}" width="800" height="600" style="border: 0" loading="lazy" `
    + `allow="${ALLOWED}"></iframe>`;
}

function escapeAttribute(text) {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}

function originOf(address) {
  return address ? new URL(address).origin : null; // browsers give no other text than an address or none
}
