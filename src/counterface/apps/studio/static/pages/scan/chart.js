// The score of each face over time, drawn by uPlot, with a marker that follows the player.

import { lineColour, lineDash, swatch } from "../../js/lines.js";
import { column, makePlot } from "../../js/plot.js";
import { h } from "../../js/ui.js";
import { clock, faceName, share } from "./words.js";

const HEIGHT = 190;

/**
 * A chart of lines [{label, colour place, points: [[seconds, score, in range]]}].
 * span: [first, last] seconds; lines: {upper, lower} or null; pressed(seconds) when it is pointed at.
 * Gives {element, mark(seconds), leave()}.
 */
export function makeChart({ series, span, lines, pressed, label }) {
  const readout = h("p.chart-readout.small.soft", { "aria-hidden": true }, "\u00a0");
  const marker = h("div.playhead", { "aria-hidden": true });
  const plot = makePlot({ label, height: HEIGHT, options });
  let at = null;

  const times = [...new Set(series.flatMap((one) => one.points.map(([t]) => t)))].sort((a, b) => a - b);
  const those = (points, wanted) => column(times, points.filter(([, , inRange]) => wanted === null || inRange === wanted));
  const data = [times, ...series.flatMap(({ points }) => [those(points, null), those(points, true), those(points, false)])];

  function options(axis, colour) {
    return {
      scales: { x: { time: false, range: () => widened(span) }, y: { range: () => [-0.02, 1.02] } },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      axes: [
        { ...axis, size: 30, values: (_chart, values) => values.map((value) => clock(value, values[1] - values[0] < 1 ? 1 : 0)) },
        { ...axis, size: 48, values: (_chart, values) => values.map((value) => `${Math.round(100 * value)}%`) },
      ],
      series: [{}, ...series.flatMap((one) => seriesOf(one, colour("--sheet")))],
      hooks: {
        ready: [listen], setCursor: [tell],
        draw: [(drawn) => { drawLines(drawn, lines, colour("--soft")); if (at !== null) put(drawn); }],
      },
    };
  }

  function tell(now) {
    const place = now.cursor.idx;
    const said = place === null || place === undefined ? [] : series.map((one, number) => {
      const value = data[1 + 3 * number][place];
      return value === null ? null : `${one.label} ${share(value)}`;
    }).filter(Boolean);
    readout.textContent = said.length ? `${clock(times[place], 2)}: ${said.join(", ")}` : "\u00a0";
  }

  function listen(chart) {
    const { over } = chart;
    const press = (event) => {
      const box = over.getBoundingClientRect();
      pressed?.(chart.posToVal(Math.min(Math.max(event.clientX - box.left, 0), box.width), "x"));
    };
    over.append(marker);
    over.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      over.setPointerCapture(event.pointerId);
      press(event);
    });
    over.addEventListener("pointermove", (event) => { if (over.hasPointerCapture(event.pointerId)) press(event); });
  }

  const put = (chart) => { marker.style.left = `${chart.valToPos(at, "x")}px`; };
  plot.show(data);
  return {
    element: h("div.chart-box", {}, plot.element, readout, key(series, lines)),
    mark(seconds) { at = seconds; if (plot.now()) put(plot.now()); },
    leave: plot.leave,
  };
}

const widened = ([first, last]) => (last > first ? [first, last] : [first - 0.5, first + 0.5]);

/** A line, its points that count, and hollow ones that do not. */
function seriesOf(one, ground) {
  const stroke = lineColour(one.place);
  const none = () => null;
  return [
    { stroke, width: 1.75, dash: lineDash(one.place), spanGaps: true, points: { show: false } },
    { stroke, paths: none, points: { show: true, size: 6, width: 1, stroke, fill: stroke } },
    { stroke, paths: none, points: { show: true, size: 6, width: 1.25, stroke, fill: ground } },
  ];
}

function drawLines(chart, lines, colour) {
  if (!lines) return;
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  for (const value of [lines.lower, lines.upper]) {
    if (value >= 1) continue;
    const y = Math.round(chart.valToPos(value, "y", true));
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}

function key(series, lines) {
  return h("p.chart-key.small", {}, series.map((one) => h("span", {}, swatch(one.place), one.label)),
    series.some((one) => one.points.some(([, , inRange]) => !inRange)) && h("span.soft", {}, "hollow: not counted"),
    lines && h("span.soft", {}, lines.upper < 1 ? `dashed across: ${share(lines.lower)} and ${share(lines.upper)}` : `dashed across: ${share(lines.lower)}`));
}

/** The scored frames of tracks as series of a chart. */
export const seriesOfTracks = (tracks) => tracks.map((track, place) => ({
  label: faceName(track.id), place,
  points: track.frames.filter((one) => one.fake_score !== null).map((one) => [one.pts_s, one.fake_score, one.in_range]),
})).filter((one) => one.points.length);
