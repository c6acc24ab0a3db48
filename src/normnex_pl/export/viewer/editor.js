// The controls that edit a presentation. Nothing is kept here: the file is downloaded.

import { snippetOf } from "./embed.js";
import { pictureOf, readPoster } from "./poster.js";
import { LONGEST_NAME, fileOf, renamed, startingWith, withView, without } from "./presentation.js";
import { widthOf } from "./xr/scale.js";

const FILE = "presentation.json";
const find = (id) => document.getElementById(id);

export class Editor {
  /**
   * @param {Presenter} presenter Its presentation is edited.
   * @param {View} view
   * @param {object} look What is shown.
   * @param {URL} url Folder of the image.
   * @param {() => Promise<HTMLCanvasElement>} snapshot Returns the canvas in the task in which it was drawn.
   */
  constructor(presenter, view, look, url, snapshot) {
    Object.assign(this, { presenter, view, look, url, snapshot });
    this.poster = null; // a new one, as a data: address
    this.#connect();
    presenter.listeners.push(() => this.#refresh());
    this.#refresh();
  }

  get #now() {
    return this.presenter.presentation;
  }

  #set(part) {
    this.presenter.change({ ...this.#now, ...part });
  }

  #connect() {
    const textOf = (id) => find(id).value.trim() || null;
    find("edit-title").onchange = () => this.#set({ title: textOf("edit-title") });
    find("edit-text").onchange = () => this.#set({ text: textOf("edit-text") });
    find("edit-width").onchange = () => {
      const metres = Number(find("edit-width").value) / 100;
      this.#set({ metres_per_unit: metres > 0 ? metres / widthOf(this.view.limits) : null });
    };
    find("save-view").onclick = () => this.#saveView();
    find("take-poster").onclick = () => this.#takePoster();
    find("drop-poster").onclick = () => {
      this.poster = null;
      this.#set({ poster: null });
    };
    find("download").onclick = () => this.#download();
    find("copy-snippet").onclick = () => this.#copy();
  }

  #saveView() {
    this.presenter.change(withView(this.#now, this.view.wanted, this.look));
    find("edit-views").lastElementChild.querySelector("input").select();
  }

  async #takePoster() {
    this.poster = pictureOf(await this.snapshot());
    this.#refresh();
    say("The picture is the poster.");
  }

  async #download() {
    const { poster } = this.#now;
    const text = fileOf(this.#now, this.poster ?? (poster && (await readPoster(this.url, poster))));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = FILE;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href));
    say(`Use it: normnex view RUN --presentation=${FILE}`);
  }

  async #copy() {
    find("snippet").select();
    const copied = await navigator.clipboard?.writeText(find("snippet").value).then(() => true, () => false);
    say(copied ? "Copied." : "Copy the selected text.");
  }

  #refresh() {
    const { title, text, metres_per_unit: metres, poster } = this.#now;
    find("edit-title").value = title ?? "";
    find("edit-text").value = text ?? "";
    find("edit-width").value = metres ? Number((100 * metres * widthOf(this.view.limits)).toPrecision(4)) : "";
    find("drop-poster").hidden = !(this.poster || poster);
    this.#fillRows();
    this.refreshSnippet();
  }

  /** Writes the snippet for what is shown. */
  refreshSnippet() {
    const address = new URL(location.href);
    address.hash = "";
    const { current } = this.presenter;
    if (current) address.searchParams.set("view", current);
    else address.searchParams.delete("view");
    address.searchParams.set("controls", "0");
    find("snippet").value = snippetOf(address.href, find("title").textContent);
  }

  /** Makes a row for the view at an index; rows stay as views come and go, and with them the focus. */
  #makeRow(index) {
    const change = (edit, ...rest) => this.presenter.change(edit(this.#now, this.presenter.names[index], ...rest));
    const input = make("input", { maxLength: LONGEST_NAME });
    input.onchange = () => change(renamed, input.value);
    const start = make("button", { type: "button", textContent: "Start" });
    start.onclick = () => change(startingWith);
    const remove = make("button", { type: "button", textContent: "Delete" });
    remove.onclick = () => {
      change(without);
      if (!remove.isConnected) find("save-view").focus();
    };
    const row = make("li", {});
    row.append(input, start, remove);
    return row;
  }

  #fillRows() {
    const rows = find("edit-views");
    const { names } = this.presenter;
    while (rows.children.length > names.length) rows.lastElementChild.remove();
    while (rows.children.length < names.length) rows.append(this.#makeRow(rows.children.length));
    names.forEach((name, index) => {
      const [input, start, remove] = rows.children[index].children;
      input.value = name;
      input.setAttribute("aria-label", `Name of ${name}`);
      start.setAttribute("aria-label", `Start with ${name}`);
      start.setAttribute("aria-pressed", String(this.#now.start === name));
      remove.setAttribute("aria-label", `Delete ${name}`);
    });
  }
}

function say(text) {
  find("edit-status").textContent = text;
}

function make(kind, properties) {
  return Object.assign(document.createElement(kind), properties);
}
