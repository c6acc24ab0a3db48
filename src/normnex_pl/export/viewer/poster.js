// The picture that stands in for the image until the image is there.

import { Folder } from "./files.js";

const LARGEST = 1280; // pixels

/**
 * Shows the poster of an image.
 *
 * @param {URL} url Folder of the image.
 * @param {object} entry Of the manifest.
 */
export async function showPoster(url, entry) {
  const canvas = document.getElementById("poster");
  const bitmap = await createImageBitmap(new Blob([await new Folder(url).read(entry)]));
  if (canvas.hidden === false) drawOn(canvas, bitmap, bitmap.width, bitmap.height);
}

/** Removes it. */
export function hidePoster() {
  document.getElementById("poster").hidden = true;
}

/** @returns {Promise<string>} The poster of an image as a data: address. */
export async function readPoster(url, entry) {
  const bytes = new Uint8Array(await new Folder(url).read(entry));
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return `data:image/webp;base64,${btoa(text)}`;
}

/** @returns {string} What a canvas shows, as a data: address; in the same task in which it was drawn. */
export function pictureOf(canvas) {
  const scale = Math.min(1, LARGEST / Math.max(canvas.width, canvas.height));
  const copy = document.createElement("canvas");
  drawOn(copy, canvas, Math.round(canvas.width * scale), Math.round(canvas.height * scale));
  return copy.toDataURL("image/jpeg", 0.9);
}

function drawOn(canvas, picture, width, height) {
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").drawImage(picture, 0, 0, width, height);
}
