// What the address of the page asks for: `?mpi=path` the folder of the image (default: mpi/), `mode=depth` what is
// shown first, `view=name` a saved view, `quality=low` how finely, `controls=0` to hide the controls.

import { isEmbedded } from "./embedded.js";
import { ViewerError } from "./errors.js";
import { modeNamed } from "./modes.js";
import { QUALITIES } from "./quality.js";

const LEAST_HEIGHT = 420; // pixels of a window, below which the picture needs the controls' room

/** @returns {{mpi: string, mode: string | null, view: string | null, quality: string, controls: boolean}} */
export function readAddress() {
  const parameters = new URLSearchParams(location.search);
  return {
    mpi: parameters.get("mpi") ?? "mpi/",
    mode: modeNamed(parameters.get("mode"))?.name ?? null,
    view: parameters.get("view"),
    quality: Object.hasOwn(QUALITIES, parameters.get("quality")) ? parameters.get("quality") : "auto",
    controls: parameters.get("controls") !== "0" && innerHeight >= LEAST_HEIGHT,
  };
}

/** @returns {URL} A folder of this site, with a slash at its end; the page itself, if it holds the image. */
export function folderAt(path) {
  if (isEmbedded()) return new URL(location.href);
  const url = new URL(path, location.href);
  if (url.origin !== location.origin) {
    throw new ViewerError(
      "No such folder", `mpi=${path}: expected a folder on this site, found an address elsewhere.`,
      "Copy the folder beside the viewer.",
    );
  }
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}
