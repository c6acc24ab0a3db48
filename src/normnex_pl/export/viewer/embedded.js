// A page that holds its image in itself: an element for each file, in base64. `normnex export --format=html` makes
// such pages; on all others there is no such element.

/** @returns {boolean} Whether the image is part of the page. */
export function isEmbedded() {
  return document.querySelector("script[data-file]") !== null;
}

/** @returns {string | null} The address of a file of the image that is part of the page. */
export function embeddedFile(name) {
  const element = document.querySelector(`script[data-file="${CSS.escape(name)}"]`);
  return element && `data:application/octet-stream;base64,${element.textContent}`;
}
