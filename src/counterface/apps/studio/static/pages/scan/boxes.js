// Where faces are at a moment: exactly at scored frames, in between by a straight line.

import { lineColour, lineDash } from "../../js/lines.js";
import { share } from "./words.js";

const SAME_MOMENT_S = 2e-3;
const WIDEST_GAPS = 2.5; // times the usual gap between scored frames: wider ones are not bridged

/** The boxes at a moment: [{track, place, box, score, exact}]. */
export function boxesAt(tracks, seconds, still = false) {
  return tracks.map((track, place) => {
    const found = still ? exactly(track.frames[0]) : atMoment(track, seconds);
    return found && { track, place, ...found };
  }).filter(Boolean);
}

const exactly = (frame) => frame && { box: frame.box, score: frame.fake_score, exact: true };

function atMoment(track, seconds) {
  const { frames } = track;
  let next = frames.findIndex((one) => one.pts_s >= seconds - SAME_MOMENT_S);
  if (next >= 0 && frames[next].pts_s <= seconds + SAME_MOMENT_S) return exactly(frames[next]);
  if (next <= 0) return null;
  const [a, b] = [frames[next - 1], frames[next]];
  if (b.pts_s - a.pts_s > WIDEST_GAPS * usualGap(track)) return null;
  const part = (seconds - a.pts_s) / (b.pts_s - a.pts_s);
  const mixed = (x, y) => x + part * (y - x);
  const nearer = part < 0.5 ? a : b;
  return { box: a.box.map((value, side) => mixed(value, b.box[side])), score: nearer.fake_score, exact: false };
}

const gaps = new WeakMap();

function usualGap(track) {
  if (!gaps.has(track)) {
    const steps = track.frames.slice(1).map((one, place) => one.pts_s - track.frames[place].pts_s).sort((a, b) => a - b);
    gaps.set(track, steps[Math.floor(0.75 * steps.length)] ?? 0);
  }
  return gaps.get(track);
}

/** Draw boxes: whole lines at scored frames, broken ones between them. */
export function drawBoxes(context, boxes, scale, density) {
  context.save();
  context.font = `600 ${12 * density}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  for (const { track, place, box, score, exact } of boxes) {
    const [left, top, right, bottom] = box.map((value) => value * scale);
    const colour = lineColour(place);
    context.setLineDash(exact ? [] : lineDash(1).map((one) => one * density));
    context.lineWidth = 4 * density;
    context.strokeStyle = "rgb(0 0 0 / 0.45)";
    context.strokeRect(left, top, right - left, bottom - top);
    context.lineWidth = 2 * density;
    context.strokeStyle = colour;
    context.strokeRect(left, top, right - left, bottom - top);
    const text = score === null ? `${track.id + 1}` : `${track.id + 1}  ${share(score)}`;
    const wide = context.measureText(text).width + 10 * density, high = 18 * density;
    const y = Math.max(top - high, 0);
    context.fillStyle = "rgb(15 20 27 / 0.85)";
    context.fillRect(left - density, y, wide, high);
    context.fillStyle = "#fff";
    context.fillText(text, left + 4 * density, y + high / 2);
  }
  context.restore();
}
