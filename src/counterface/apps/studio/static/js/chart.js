// Lines over steps on a canvas, logarithmic where all values are above 0; a range is chosen by dragging.

import { h } from "./ui.js";

const LEFT = 62, RIGHT = 10, TOP = 10, BOTTOM = 26;
const COLORS = [["#1f5fa8", "#6fb1ff"], ["#b4551d", "#f0a068"], ["#2c7a4b", "#7fd6a0"], ["#7a3e9d", "#cf9df0"], ["#8a6d00", "#e3c55a"], ["#a3275b", "#f58ab4"]];

const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;
/** The colour of the n-th line, as the scheme of the page has it. */
export const lineColor = (number) => COLORS[number % COLORS.length][dark() ? 1 : 0];

/** The exponential mean of values; share 0 leaves them as they are. */
export function smooth(values, share) {
  let mean = null;
  return values.map((value) => {
    if (value === null) return null;
    mean = mean === null ? value : share * mean + (1 - share) * value;
    return mean;
  });
}

/**
 * A chart: {element, show(lines)}; lines are {name, x, y, raw}, raw is drawn faintly behind y.
 * onrange(first, last) is called with steps when a range was dragged, onrange(0, null) on a double click.
 */
export function chart(label, { onrange = () => {} } = {}) {
  const canvas = h("canvas", { role: "img", "aria-label": label });
  const said = h("div.step-said.mono.small", { "aria-hidden": "true" });
  const element = h("div.step-chart", {}, canvas, said);
  let lines = [], frame = null, dragged = null, at = null;

  function bounds() {
    const xs = lines.flatMap((line) => (line.x.length ? [line.x[0], line.x.at(-1)] : []));
    if (!xs.length) return null;
    const ys = lines.flatMap((line) => [...line.y, ...(line.raw ?? [])]).filter((y) => y !== null);
    let [low, high] = [Infinity, -Infinity];
    for (const y of ys) { low = Math.min(low, y); high = Math.max(high, y); }
    const log = low > 0;
    const [a, b] = log ? [Math.log10(low), Math.log10(high)] : [low, high];
    const pad = Math.max((b - a) * 0.06, log ? 0.02 : Math.abs(b) * 0.02 + 1e-9);
    const first = Math.min(...xs), last = Math.max(...xs);
    return { first, last: last > first ? last : first + 1, low: a - pad, high: b + pad, log };
  }

  function draw() {
    frame = null;
    const style = getComputedStyle(element), ratio = devicePixelRatio || 1;
    const width = element.clientWidth, height = element.clientHeight;
    canvas.width = width * ratio; canvas.height = height * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px ui-monospace, Menlo, Consolas, monospace";
    const [ink, grid] = [style.getPropertyValue("--soft"), style.getPropertyValue("--line")];
    const box = bounds();
    pen.fillStyle = ink;
    if (!box) { pen.textAlign = "center"; pen.fillText("no numbers yet", width / 2, height / 2); return; }
    const x = (step) => LEFT + ((step - box.first) / (box.last - box.first)) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (1 - ((box.log ? Math.log10(value) : value) - box.low) / (box.high - box.low)) * (height - TOP - BOTTOM);
    element.scale = { x, box, width };
    pen.strokeStyle = grid; pen.lineWidth = 1;
    pen.textAlign = "right"; pen.textBaseline = "middle";
    for (let k = 0; k <= 4; k += 1) {
      const level = box.low + ((box.high - box.low) * k) / 4, value = box.log ? 10 ** level : level;
      pen.beginPath(); pen.moveTo(LEFT, y(value)); pen.lineTo(width - RIGHT, y(value)); pen.stroke();
      pen.fillText(Number(value.toPrecision(3)), LEFT - 6, y(value));
    }
    pen.textBaseline = "top";
    for (let k = 0; k <= 4; k += 1) {
      const step = Math.round(box.first + ((box.last - box.first) * k) / 4);
      pen.textAlign = k === 0 ? "left" : k === 4 ? "right" : "center";
      pen.fillText(step.toLocaleString(), x(step), height - BOTTOM + 8);
    }
    lines.forEach((line, number) => {
      for (const [values, alpha, thick] of [[line.raw, 0.3, 1], [line.y, 1, 1.8]]) {
        if (!values) continue;
        pen.globalAlpha = alpha; pen.lineWidth = thick; pen.strokeStyle = lineColor(number);
        pen.beginPath();
        line.x.forEach((step, k) => values[k] !== null && pen.lineTo(x(step), y(values[k])));
        pen.stroke();
      }
    });
    pen.globalAlpha = 0.15; pen.fillStyle = style.getPropertyValue("--accent");
    if (dragged !== null && at !== null) pen.fillRect(Math.min(dragged, at), TOP, Math.abs(at - dragged), height - TOP - BOTTOM);
    pen.globalAlpha = 0.6; pen.strokeStyle = ink;
    if (at !== null) { pen.beginPath(); pen.moveTo(at, TOP); pen.lineTo(at, height - BOTTOM); pen.stroke(); }
    pen.globalAlpha = 1;
    say(box);
  }

  const stepAt = (place) => {
    const { box, width } = element.scale;
    return box.first + (Math.min(Math.max(place - LEFT, 0), width - LEFT - RIGHT) / (width - LEFT - RIGHT)) * (box.last - box.first);
  };
  function say() {
    if (at === null) { said.textContent = ""; return; }
    const step = stepAt(at);
    said.textContent = lines.filter((line) => line.x.length).map((line) => {
      let k = line.x.findIndex((one) => one >= step);
      if (k < 0) k = line.x.length - 1;
      return `${line.name} ${line.y[k] === null ? "-" : line.y[k].toPrecision(4)} at ${line.x[k]}`;
    }).join("   ");
  }

  const redraw = () => { frame ??= requestAnimationFrame(draw); };
  const place = (event) => event.clientX - canvas.getBoundingClientRect().left;
  canvas.addEventListener("pointerdown", (event) => { if (element.scale) { dragged = at = place(event); canvas.setPointerCapture(event.pointerId); } });
  canvas.addEventListener("pointermove", (event) => { if (element.scale) { at = place(event); redraw(); } });
  canvas.addEventListener("pointerleave", () => { if (dragged === null) { at = null; redraw(); } });
  canvas.addEventListener("pointerup", (event) => {
    const from = dragged;
    dragged = null;
    if (from !== null && Math.abs(place(event) - from) > 6) {
      const [a, b] = [stepAt(from), stepAt(place(event))].sort((one, other) => one - other);
      onrange(Math.floor(a), Math.ceil(b));
    }
    redraw();
  });
  canvas.addEventListener("dblclick", () => onrange(0, null));
  new ResizeObserver(redraw).observe(element);
  return { element, show(given) { lines = given; redraw(); } };
}
