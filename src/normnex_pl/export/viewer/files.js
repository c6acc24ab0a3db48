// Reads the files of a baked multiplane image and checks that they are as they were baked.

import { embeddedFile } from "./embedded.js";
import { COPY_AGAIN, ViewerError, missingAdvice } from "./errors.js";

/** The files of one folder; counts the bytes that arrive. */
export class Folder {
  /**
   * @param {URL} url Of the folder, with a slash at its end.
   * @param {(bytes: number) => void} onBytes Called with the bytes that have arrived since the last call.
   */
  constructor(url, onBytes) {
    this.url = url;
    this.onBytes = onBytes;
  }

  /**
   * @param {{file: string, bytes: number, sha256: string}} entry Of the manifest.
   * @returns {Promise<ArrayBuffer>} The content, as it was baked.
   */
  async read(entry) {
    if (typeof entry?.file !== "string" || /[\\/]/.test(entry.file)) {
      throw damaged("manifest.json", "names of files in its own folder", JSON.stringify(entry?.file));
    }
    const content = await this.fetch(entry.file, this.onBytes);
    if (content.byteLength !== entry.bytes) {
      throw damaged(entry.file, `${entry.bytes} bytes as they were baked`, `${content.byteLength} bytes`);
    }
    // Browsers offer digests only to pages from https and from this computer.
    if (globalThis.crypto?.subtle) {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
      const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
      if (hex !== entry.sha256) {
        throw damaged(entry.file, "the bytes that were baked", "others of the same number");
      }
    }
    return content;
  }

  /** @returns {Promise<ArrayBuffer>} Any file of the folder. */
  async fetch(name, onBytes = () => {}) {
    const url = embeddedFile(name) ?? new URL(encodeURIComponent(name), this.url);
    let response;
    try {
      response = await fetch(url);
    } catch {
      throw missing(name, "no answer from the server");
    }
    if (!response.ok) {
      throw missing(name, `${response.status} ${response.statusText}`.trim());
    }
    const content = await collect(response, name, onBytes);
    if (isPage(content)) {
      throw missing(name, "a web page, with which the host answers for files that it doesn't have");
    }
    return content;
  }
}

/** Whether a file is HTML, as none of an image's is. */
function isPage(content) {
  const begin = new TextDecoder("latin1").decode(content.slice(0, 64)).trimStart().toLowerCase();
  return begin.startsWith("<!doctype") || begin.startsWith("<html");
}

/** Collects the bytes of a response, counted while they arrive. */
async function collect(response, name, onBytes) {
  const parts = [];
  try {
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      onBytes(part.value.length);
    }
  } catch {
    throw missing(name, "a connection that was interrupted");
  }
  return new Blob(parts).arrayBuffer();
}

/** @returns {ViewerError} Says that a file isn't there. */
function missing(name, found) {
  const message = `${name}: expected a file, found ${found}.`;
  return new ViewerError(`${name} can't be loaded`, message, missingAdvice(name));
}

/** @returns {ViewerError} Says that a file isn't as expected. */
export function damaged(name, expected, found) {
  return new ViewerError(`${name} is damaged`, `${name}: expected ${expected}, found ${found}.`, COPY_AGAIN);
}
