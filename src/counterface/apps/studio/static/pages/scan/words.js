// How verdicts, numbers, times and names are shown on the pages of scans.

import { h, tag } from "../../js/ui.js";

export const VERDICTS = {
  likely_manipulated: ["bad", "likely manipulated"],
  inconclusive: ["unsure", "inconclusive"],
  no_manipulation_found: ["good", "no manipulation found"],
  no_face: ["", "no face found"],
  failed: ["unsure", "could not be scanned"],
};

export const verdictTag = (verdict) => tag(...(VERDICTS[verdict] ?? ["", verdict]));

/** A probability as reports write it: never 0 % and never 100 %. */
export function share(value) {
  if (value === null || value === undefined) return "";
  if (value < 0.01) return "under 1%";
  if (value > 0.99) return "over 99%";
  return `${Math.round(100 * value)}%`;
}

/** A moment as m:ss.mmm or h:mm:ss.mmm, rounded down to a number of digits. */
export function clock(seconds, digits = 1) {
  const total = Math.max(0, seconds);
  const whole = Math.floor(total + 1e-6);
  const two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  const part = Math.floor((total - whole + 1e-6) * 10 ** digits);
  const tail = digits ? `.${String(Math.max(part, 0)).padStart(digits, "0")}` : "";
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}${tail}` : `${minutes}:${two(whole % 60)}${tail}`;
}

/** A name with control and direction-changing characters as visible escapes. */
export const name = (text) => text.replace(/[\p{C}\p{Z}]/gu, (one) =>
  (one === " " ? one : `\\u{${one.codePointAt(0).toString(16)}}`));

/** Log-odds with a sign that is as wide as a plus. */
export const odds = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;

export const faceName = (id) => `Face ${id + 1}`;

/** The lines that hold for a face: where a score becomes a verdict. */
export function linesOf(report, track) {
  const lines = report.detector?.thresholds;
  if (!lines) return null;
  return { upper: track?.quality?.line ?? lines.likely_manipulated, lower: lines.no_manipulation_found };
}

/** The face that the headline is about, or that decided; undefined where none did. */
export const leadOf = (report) => {
  const id = report.headline?.face ?? report.decided_by;
  return report.tracks.find((track) => track.id === id);
};

/** The tracks, the one of the headline first, then those that count, by their score. */
export function ranked(report) {
  const lead = leadOf(report);
  const rank = (track) => [track !== lead, track.aside !== null || track.brief, -(track.score?.probability ?? -1)];
  return [...report.tracks].sort((a, b) => {
    const [one, two] = [rank(a), rank(b)];
    const at = one.findIndex((value, place) => value !== two[place]);
    return at < 0 ? 0 : Number(one[at]) - Number(two[at]);
  });
}

/** A scale from 0 to 1 with the interval, the score and the lines of the verdicts. */
export function scale(score, lines) {
  const mark = (kind, left, width) => {
    const one = h(`i.${kind}`, {});
    one.style.left = `${100 * left}%`;
    if (width !== undefined) one.style.width = `${100 * width}%`;
    return one;
  };
  const wide = Math.max(score.high - score.low, 0.006);
  return h("div.scale", { role: "img", "aria-label": `${share(score.probability)}, interval ${share(score.low)} to ${share(score.high)}` },
    mark("range", Math.min(score.low, 1 - wide), wide),
    lines && [mark("line", lines.lower), lines.upper < 1 && mark("line", lines.upper)],
    mark("point", score.probability));
}

/** Rows of a definition list; rows without a value are left out. */
export const facts = (rows) => h("dl.facts", {}, rows.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
  .map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
