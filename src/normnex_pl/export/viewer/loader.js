// Loads a multiplane image from its files to the graphics card, the tiles with the largest weights first.

import { Folder } from "./files.js";
import { MANIFEST, parseManifest } from "./manifest.js";

// Requests at the same time.
const AHEAD = 6;

/** Reads the manifest of a folder. */
export async function loadManifest(url) {
  return parseManifest(await new Folder(url).fetch(MANIFEST));
}

/**
 * Reads all other files.
 *
 * Slots are numbered by the weights of their tiles in the views. The first page of opacities and colours is
 * therefore nearly the picture; later pages add detail, and the last ones what depends on the view.
 *
 * @param {URL} url Of the folder.
 * @param {Renderer} renderer Receives the textures.
 * @param {(share: number) => void} onProgress Called with the share of bytes that have arrived.
 * @param {() => void} onPage Called when there is more to see.
 * @param {AbortSignal} signal Ends the loading without an error.
 */
export async function loadTextures(url, renderer, onProgress, onPage, signal) {
  const { manifest, tiled } = renderer;
  let arrived = 0;
  const folder = new Folder(url, (bytes) => {
    arrived += bytes;
    if (!signal.aborted) onProgress(Math.min(1, arrived / manifest.bytes.disk));
  });

  const tasks = [async () => {
    const content = await folder.read(manifest.basis);
    return () => renderer.setBasis(content);
  }];
  for (const texture of Object.values(tiled)) {
    tasks.push(async () => {
      const content = await folder.read(texture.entry.table);
      return () => texture.setTable(content);
    });
  }
  for (const [texture, page] of pagesInOrder(tiled)) {
    tasks.push(async () => {
      const bitmaps = await Promise.all(
        texture.entry.files[page].map(async (entry) => texture.decode(entry.file, await folder.read(entry))),
      );
      return () => {
        texture.setPage(page, bitmaps);
        onPage();
      };
    });
  }
  await inOrder(tasks, signal);
}

/** Returns the pages of opacities and colours alternately, then those of the features. */
function pagesInOrder({ alpha, base_color: base, features }) {
  const most = Math.max(alpha.entry.pages, base.entry.pages);
  const pages = [];
  for (let page = 0; page < most; page++) {
    for (const texture of [alpha, base]) {
      if (page < texture.entry.pages) pages.push([texture, page]);
    }
  }
  for (let page = 0; page < features.entry.pages; page++) pages.push([features, page]);
  return pages;
}

/** Runs a few tasks at a time, and the functions that they return one after the other in their order. */
async function inOrder(tasks, signal) {
  const running = [];
  const startNext = () => {
    const task = tasks[running.length];
    if (!task) return;
    const promise = task();
    promise.catch(() => {}); // awaited below, perhaps after another one has failed
    running.push(promise);
  };
  for (let i = 0; i < AHEAD; i++) startNext();
  for (let i = 0; i < tasks.length; i++) {
    const apply = await running[i];
    if (signal.aborted) return;
    apply();
    startNext();
  }
}
