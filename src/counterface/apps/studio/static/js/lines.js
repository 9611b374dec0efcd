// Colours and strokes of lines, in charts, boxes and keys; strokes differ too, for those who see no colour.

import { h } from "./ui.js";

const HUES = 6; // of studio.css
const hue = (place) => `--hue-${(place % HUES) + 1}`;
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 4], [12, 4]];

export const lineColour = (place) => getComputedStyle(document.documentElement).getPropertyValue(hue(place)).trim();
export const lineDash = (place) => DASHES[place % DASHES.length];

/** A patch of the colour of a line, for keys and titles. */
export function swatch(place) {
  const mark = h("i.swatch", {});
  mark.style.background = `var(${hue(place)})`;
  return mark;
}
