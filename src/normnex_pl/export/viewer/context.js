// The loss of the graphics card: it often comes back.

import { ViewerError } from "./errors.js";
import { showProblem, showProgress } from "./panel.js";

const LOST_FOR = 8000; // ms within which a lost context may come back

/**
 * @param {HTMLCanvasElement} canvas
 * @param {() => void} onLost
 * @param {() => void} onBack
 */
export function watchContext(canvas, onLost, onBack) {
  let timer;
  canvas.addEventListener("webglcontextlost", (event) => {
    event.preventDefault(); // so that it can come back
    onLost();
    showProgress(0);
    timer = setTimeout(() => showProblem(new ViewerError(
      "The graphics card was lost", "The browser has lost its WebGL context and got no other one.",
      "Close other pages that use the graphics card, then try again.",
    )), LOST_FOR);
  });
  canvas.addEventListener("webglcontextrestored", () => {
    clearTimeout(timer);
    showProblem(null);
    onBack();
  });
}
