// Errors that are shown in place of the picture.

/** Bad input, or a browser without the means: what was expected, what was found, what to do. */
export class ViewerError extends Error {
  /**
   * @param {string} title One line.
   * @param {string} message What was expected and what was found; names the file.
   * @param {string} advice What to do.
   */
  constructor(title, message, advice) {
    super(message);
    this.title = title;
    this.advice = advice;
  }
}

export const BAKE_AGAIN = "Bake the run again (normnex bake RUN) and reload this page.";
export const COPY_AGAIN = "If a web host or a network in between converts files, switch that off for this folder and copy \
it again. Else bake the run again (normnex bake RUN).";

/** @returns {string} What to do about a file that a server doesn't give out. */
export function missingAdvice(name) {
  const ending = name.slice(name.lastIndexOf("."));
  return `If another web host serves this page: copy the whole exported folder again, and have the host serve files that \
end in ${ending} (many refuse endings that they don't know). Else bake the run again (normnex bake RUN).`;
}
