// The score of each face over time, drawn by uPlot, with a marker that follows the player.

import { h } from "../../js/ui.js";
import { clock, DASHES, faceColour, faceName, share, swatch } from "./words.js";

const HEIGHT = 190;
let loaded;

/** uPlot and its style, loaded when the first chart is drawn. */
function loadUplot() {
  loaded ??= new Promise((done) => {
    const style = h("link", { rel: "stylesheet", href: "/static/vendor/uplot/uPlot.min.css" });
    style.addEventListener("load", done);
    style.addEventListener("error", done);
    document.head.append(style);
  }).then(() => import("../../vendor/uplot/uPlot.esm.js")).then((module) => module.default);
  return loaded;
}

/**
 * A chart of lines [{label, colour place, points: [[seconds, score, in range]]}].
 * span: [first, last] seconds; lines: {upper, lower} or null; pressed(seconds) when it is pointed at.
 * Gives {element, mark(seconds), leave()}.
 */
export function makeChart({ series, span, lines, pressed, label }) {
  const readout = h("p.chart-readout.small.soft", { "aria-hidden": true }, "\u00a0");
  const plot = h("div.chart", { role: "img", "aria-label": label });
  const marker = h("div.playhead", { "aria-hidden": true });
  const element = h("div.chart-box", {}, plot, readout, key(series, lines));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chart = null, at = null, gone = false;

  const times = [...new Set(series.flatMap((one) => one.points.map(([t]) => t)))].sort((a, b) => a - b);
  const column = (points, wanted) => {
    const found = new Map(points.filter(([, , inRange]) => wanted === null || inRange === wanted).map(([t, v]) => [t, v]));
    return times.map((t) => found.get(t) ?? null);
  };
  const data = [times, ...series.flatMap(({ points }) => [column(points, null), column(points, true), column(points, false)])];

  async function draw() {
    const Uplot = await loadUplot();
    if (gone) return;
    chart?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    chart = new Uplot({
      width: Math.max(plot.clientWidth, 200), height: HEIGHT, legend: { show: false },
      scales: { x: { time: false, range: () => widened(span) }, y: { range: () => [-0.02, 1.02] } },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      axes: [
        { ...axis, size: 30, values: (_chart, values) => values.map((value) => clock(value, values[1] - values[0] < 1 ? 1 : 0)) },
        { ...axis, size: 48, values: (_chart, values) => values.map((value) => `${Math.round(100 * value)}%`) },
      ],
      series: [{}, ...series.flatMap((one) => seriesOf(one, colour("--sheet")))],
      hooks: { draw: [(drawn) => drawLines(drawn, lines, colour("--soft"))], setCursor: [(now) => tell(now)] },
    }, data, plot);
    chart.over.append(marker);
    listen(chart);
    if (at !== null) mark(at);
  }

  function tell(now) {
    const place = now.cursor.idx;
    const said = place === null || place === undefined ? [] : series.map((one, number) => {
      const value = data[1 + 3 * number][place];
      return value === null ? null : `${one.label} ${share(value)}`;
    }).filter(Boolean);
    readout.textContent = said.length ? `${clock(times[place], 2)}: ${said.join(", ")}` : "\u00a0";
  }

  function listen({ over }) {
    const press = (event) => {
      const box = over.getBoundingClientRect();
      pressed?.(chart.posToVal(Math.min(Math.max(event.clientX - box.left, 0), box.width), "x"));
    };
    over.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      over.setPointerCapture(event.pointerId);
      press(event);
    });
    over.addEventListener("pointermove", (event) => { if (over.hasPointerCapture(event.pointerId)) press(event); });
  }

  function mark(seconds) {
    at = seconds;
    if (chart) marker.style.left = `${chart.valToPos(seconds, "x")}px`;
  }

  const sized = new ResizeObserver(() => {
    if (chart && plot.clientWidth && plot.clientWidth !== chart.width) {
      chart.setSize({ width: plot.clientWidth, height: HEIGHT });
      if (at !== null) mark(at);
    }
  });
  sized.observe(plot);
  dark.addEventListener("change", draw);
  requestAnimationFrame(draw);
  return {
    element, mark,
    leave() { gone = true; sized.disconnect(); dark.removeEventListener("change", draw); chart?.destroy(); },
  };
}

const widened = ([first, last]) => (last > first ? [first, last] : [first - 0.5, first + 0.5]);

/** A line, its points that count, and hollow ones that do not. */
function seriesOf(one, ground) {
  const stroke = faceColour(one.place);
  const none = () => null;
  return [
    { stroke, width: 1.75, dash: DASHES[one.place % DASHES.length], spanGaps: true, points: { show: false } },
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
