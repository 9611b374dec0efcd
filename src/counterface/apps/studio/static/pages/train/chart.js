// Numbers over steps, logarithmic where all are above 0; a range of steps is chosen by dragging.

import { lineColour, lineDash } from "../../js/lines.js";
import { column, makePlot } from "../../js/plot.js";
import { h } from "../../js/ui.js";

const HEIGHT = 280, TICKS = 5, LEAST_PX = 6; // pixels that a drag is long

/**
 * A chart: {element, show(lines), leave()}; lines are {name, x, y, raw}, raw is drawn faintly behind y.
 * onrange(first, last) is called with steps when a range was dragged, onrange(0, null) on a double click.
 */
export function stepChart(label, onrange) {
  const said = h("p.mono.small.soft.chart-readout", { "aria-hidden": true });
  const plot = makePlot({ label, height: HEIGHT, options });
  let lines = [], log = false, shape = "";

  function options(axis) {
    return {
      scales: { x: { time: false }, y: { distr: log ? 3 : 1, range: (_plot, low, high) => widened(low, high) } },
      cursor: { y: false, drag: { x: true, y: false, setScale: false } },
      axes: [
        { ...axis, values: (_plot, steps) => steps.map((step) => (Number.isInteger(step) ? step.toLocaleString() : "")) },
        { ...axis, size: 64, splits: (_plot, _axis, low, high) => even(low, high), filter: (_plot, splits) => splits,
          values: (_plot, values) => values.map((value) => String(Number(value.toPrecision(3)))) },
      ],
      series: [{}, ...lines.flatMap((line, place) => [
        { stroke: `${lineColour(place)}4d`, width: 1, spanGaps: true, show: Boolean(line.raw), points: { show: false } },
        { stroke: lineColour(place), width: 1.8, dash: lineDash(place), spanGaps: true, points: { show: line.x.length < 2 } },
      ])],
      hooks: {
        setSelect: [choose], setCursor: [tell],
        ready: [(made) => made.over.addEventListener("dblclick", () => onrange(0, null))],
      },
    };
  }

  /** Some room above and below, so that no line lies on the edge. */
  function widened(low, high) {
    if (low === null) return [1, 2];
    const [a, b] = log ? [Math.log10(low), Math.log10(high)] : [low, high];
    const room = Math.max(0.06 * (b - a), log ? 0.02 : 0.02 * Math.abs(b) + 1e-9);
    return log ? [10 ** (a - room), 10 ** (b + room)] : [a - room, b + room];
  }

  const even = (low, high) => Array.from({ length: TICKS }, (_, k) => k / (TICKS - 1)).map((part) =>
    (log ? low * (high / low) ** part : low + part * (high - low)));

  function choose(made) {
    const { left, width } = made.select;
    if (width < LEAST_PX) return;
    made.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    onrange(Math.floor(made.posToVal(left, "x")), Math.ceil(made.posToVal(left + width, "x")));
  }

  function tell({ cursor: { idx }, data }) {
    const near = (values) => values.slice(0, idx + 1).findLast((value) => value !== null);
    const values = idx === null || idx === undefined ? [] : lines.map((line, place) => [line.name, near(data[2 + 2 * place])]);
    said.textContent = values.length ? `${data[0][idx].toLocaleString()}: ${values.filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name} ${value.toPrecision(4)}`).join(", ")}` : "\u00a0";
  }

  function show(given) {
    lines = given;
    const numbers = lines.flatMap((line) => [...line.y, ...(line.raw ?? [])]).filter((value) => value !== null);
    log = numbers.length > 0 && numbers.every((value) => value > 0);
    const xs = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
    const at = (line, values) => column(xs, line.x.map((x, k) => [x, values?.[k] ?? null]));
    const now = JSON.stringify([log, lines.map((line) => [line.name, Boolean(line.raw), line.x.length < 2])]);
    plot.show([xs, ...lines.flatMap((line) => [at(line, line.raw), at(line, line.y)])], now !== shape);
    shape = now;
    said.textContent = numbers.length ? "\u00a0" : "no numbers yet";
  }

  return { element: h("div", {}, plot.element, said), show, leave: plot.leave };
}
