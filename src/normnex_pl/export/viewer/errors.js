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
