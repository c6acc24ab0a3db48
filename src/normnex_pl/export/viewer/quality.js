// How finely is drawn: a choice between sharpness, fluency and the battery.

/**
 * @typedef {object} Quality
 * @property {string} title In the list.
 * @property {[number, number]} scales The range of the sides of a moving frame, as shares of the still one's.
 * @property {number} detail The most pixels of the canvas along one of the page.
 */

/** @type {Object<string, Quality>} By their names in the address. */
export const QUALITIES = {
  auto: { title: "Automatic", scales: [0.25, 1], detail: Infinity },
  high: { title: "High", scales: [1, 1], detail: Infinity },
  low: { title: "Low, saves power", scales: [0.25, 0.5], detail: 1 },
};

/**
 * Fills the list of qualities.
 *
 * @param {string} name The one that is chosen at first.
 * @param {(quality: Quality) => void} onChoice
 */
export function listenToQuality(name, onChoice) {
  const list = document.getElementById("quality");
  const options = Object.entries(QUALITIES).map(([value, { title }]) => new Option(title, value));
  list.replaceChildren(...options);
  list.value = name;
  list.onchange = () => onChoice(QUALITIES[list.value]);
}
