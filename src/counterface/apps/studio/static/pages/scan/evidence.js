// What speaks for and against: bars of log-odds of witnesses and cues, courses, faces with heat maps.

import { swatch } from "../../js/lines.js";
import { h, sheet, tag } from "../../js/ui.js";
import { clock, faceName, leadOf, linesOf, odds, ranked, scale, share, verdictTag } from "./words.js";

const SHOWN = 8; // faces that stand open
const LEAST_SCALE = 2; // log-odds that half of a bar stands for, at least
const SAYS = { for: "for", against: "against", neither: "neither", "no weight": "no weight", "not applicable": "not applicable", silent: "silent" };

/** A card for each face; `seek(seconds)` shows a moment in the player. */
export function faceCards(report, pictures, seek) {
  const order = ranked(report);
  const lead = leadOf(report);
  const card = (track, place) => faceCard(report, track, place, pictures.filter((one) => one.track === track.id), seek, track === lead);
  return [
    order.slice(0, SHOWN).map(card),
    order.length > SHOWN && h("details.sheet", {}, h("summary", {}, `${order.length - SHOWN} more faces`),
      order.slice(SHOWN).map((track, place) => card(track, SHOWN + place))),
  ];
}

function faceCard(report, track, place, pictures, seek, isLead) {
  const still = report.media?.kind === "image";
  const family = track.attribution;
  return h("section.sheet.face", { "aria-label": faceName(track.id) },
    h("div.row", {}, h("h2", {}, swatch(place), faceName(track.id)), track.aside ? tag("", "does not count") : verdictTag(track.verdict),
      isLead && !track.aside && report.tracks.length > 1 && h("span.small.soft", {}, "decides the file"),
      h("span.grow", {}),
      track.score && h("b.face-number", {}, share(track.score.probability))),
    track.aside && h("p.notice", {}, `Set aside: ${track.aside.text}`),
    h("p.small.soft", {}, `${Math.round(track.face_px)} pixels`,
      !still && `, ${track.frames.length} ${track.frames.length === 1 ? "frame" : "frames"} from ${clock(track.first_s)} to ${clock(track.last_s)}`,
      track.quality && `, quality ${track.quality.bin ?? "too poor to judge"}`,
      track.evidence_region && `, strongest evidence: ${track.evidence_region}`,
      family && `, family if manipulated: ${family.family}${family.confidence ? ` (${share(family.confidence)})` : ""}`),
    track.score && scale(track.score, linesOf(report, track)),
    h("div.columns.evidence", {},
      h("div", {},
        track.contributions.length > 0 && bars("What adds to the score", track.contributions.map((one) => ({
          title: one.title.replace(/^the /, "").replace(/^'|'$/g, ""), value: one.log_odds,
        }))),
        track.witnesses.length > 0 && bars("What the witnesses of the detector say", track.witnesses.map((one) => ({
          title: one.name, value: one.log_odds, says: one.says, text: one.text,
        })))),
      h("div", {}, track.cues.length > 0 && cueList(track.cues))),
    pictures.length > 0 && gallery(pictures, still, seek),
    track.reasons.length > 0 && h("details", {}, h("summary", {}, "Reasons in words"), h("ul.reasons", {}, track.reasons.map((one) => h("li", {}, one)))));
}

/** Bars from the middle: to the right for manipulation, to the left against it. */
function bars(title, rows) {
  const most = Math.max(LEAST_SCALE, ...rows.map((row) => Math.max(Math.abs(row.value ?? 0), Math.abs(row.low ?? 0), Math.abs(row.high ?? 0))));
  const sorted = [...rows].sort((a, b) => Math.abs(b.value ?? 0) - Math.abs(a.value ?? 0));
  return h("div.bars", {}, h("h3", {}, title),
    h("p.small.soft.bars-key", {}, h("span", {}), h("span", {}, h("span", {}, "against"), h("span", {}, "for")), h("span", {}, "log-odds")),
    h("ul", {}, sorted.map((row) => h("li", { title: row.text }, bar(row, most), row.course))));
}

function bar({ title, value, low, high, says, text }, most) {
  const track = h("span.bar", { "aria-hidden": true });
  const put = (kind, from, to) => {
    const one = h(`i.${kind}`, {});
    const [a, b] = [from, to].sort((x, y) => x - y).map((x) => 50 + (50 * x) / most);
    one.style.left = `${a}%`;
    one.style.width = `${Math.max(b - a, 0.6)}%`;
    track.append(one);
  };
  if (value !== null) put(value < 0 ? "against" : "for", 0, value);
  if (low !== null && low !== undefined && high !== null) put("whisker", low, high);
  const words = value === null ? SAYS[says] ?? "no weight" : odds(value);
  return [h("span.bar-title", {}, title), track, h("span.bar-value", {}, words), text && h("span.unseen", {}, text)];
}

function cueList(cues) {
  const heard = cues.filter((one) => one.log_odds !== null);
  const others = cues.filter((one) => one.log_odds === null);
  return [
    heard.length > 0 && bars("What the cues say, with their 95 % intervals", heard.map((one) => ({
      title: one.share ? one.title : `${one.title} (only shown)`, value: one.log_odds, low: one.low, high: one.high, says: one.says, text: one.text,
      course: course(one),
    }))),
    others.length > 0 && h("details", {}, h("summary", {}, `${others.length} without weight or not applicable`),
      h("ul.reasons", {}, others.map((one) => h("li", {}, one.text, course(one))))),
  ];
}

const SVG = "http://www.w3.org/2000/svg";

/** What a cue measured over time, as a small line; null where there is too little. */
function course(cue) {
  if (cue.series.length < 3) return null;
  const times = cue.series.map(([t]) => t), values = cue.series.map(([, v]) => v);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (t) => (100 * (t - times[0])) / Math.max(times.at(-1) - times[0], 1e-6);
  const y = (v) => 28 - (26 * (v - low)) / Math.max(high - low, 1e-9);
  const svg = document.createElementNS(SVG, "svg"), line = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 100 30");
  svg.setAttribute("preserveAspectRatio", "none");
  line.setAttribute("d", "M" + cue.series.map(([t, v]) => `${x(t).toFixed(1)},${y(v).toFixed(1)}`).join("L"));
  svg.append(line);
  const digits = (value) => Number(value.toPrecision(2));
  return h("span.course", { role: "img", "aria-label": `Course from ${clock(times[0])} to ${clock(times.at(-1))}, ${digits(low)} to ${digits(high)} ${cue.unit}` },
    svg, h("span.small.soft", {}, `${clock(times[0])} to ${clock(times.at(-1))}, ${digits(low)} to ${digits(high)} ${cue.unit}`));
}

function gallery(pictures, still, seek) {
  const part = (rank, title) => {
    const own = pictures.filter((one) => one.rank === rank);
    return own.length > 0 && h("div", {}, !still && h("h3", {}, title), h("div.faces", {}, own.map((one) => figure(one, still, seek))));
  };
  const heat = pictures.some((one) => one.heat);
  return h("div.gallery", {}, part("most", "Most suspicious"), part("least", "Least suspicious"),
    h("p.small.soft", {}, heat ? "Colour marks where evidence for manipulation lies, pale for weak, dark for strong."
      : "No heat maps: the scores are too low to be evidence, or may not be used."));
}

function figure(one, still, seek) {
  const image = (src, alt) => h("img", { src, alt, width: 96, height: 96, decoding: "async" });
  const pair = [image(one.crop, "Aligned face"), one.heat && image(one.heat, "The same face with its heat map")];
  const label = still ? one.score : `${one.time}, ${one.score}`;
  return h("figure", {}, h("div", {}, pair), h("figcaption.small", {}, still ? label
    : h("button.quiet.small", { type: "button", onclick: () => seek(toSeconds(one.time)) }, label)));
}

const toSeconds = (text) => text.split(":").reduce((sum, part) => 60 * sum + Number(part), 0);

export const soundCues = (report) => report.sound_cues.length > 0
  && sheet("Sound", h("div.evidence", {}, cueList(report.sound_cues)));
