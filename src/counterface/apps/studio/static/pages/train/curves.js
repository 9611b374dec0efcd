// Curves of one or several runs: range, smoothing, and which number is drawn.

import { get } from "../../js/api.js";
import { swatch } from "../../js/lines.js";
import { button, debounce, fill, h, sheet, tell } from "../../js/ui.js";
import { stepChart } from "./chart.js";

const EVERY_MS = 2000;

/** {element, leave(), refresh()}; runs are {place, name, live}. One run shows all its losses. */
export function curveSheet(title, runs) {
  const range = { first: 0, last: null };
  const number = h("select", { "aria-label": "Number that is drawn", onchange: draw });
  const amount = h("input", { type: "range", min: 0, max: 99, value: 60, "aria-label": "Smoothing, percent", oninput: draw });
  const from = h("input", { type: "number", min: 0, step: 1, "aria-label": "First step", placeholder: "first" });
  const to = h("input", { type: "number", min: 0, step: 1, "aria-label": "Last step", placeholder: "last" });
  const legend = h("div.row.small.run-legend", {});
  const picture = stepChart(title, setRange);
  let found = [], timer = null;

  function setRange(first, last) {
    range.first = first; range.last = last;
    from.value = first || ""; to.value = last ?? "";
    refresh();
  }
  const typed = debounce(() => setRange(Number(from.value) || 0, to.value === "" ? null : Number(to.value)), 400);
  from.addEventListener("input", typed);
  to.addEventListener("input", typed);

  async function refresh() {
    try {
      found = await Promise.all(runs.map((run) => get("/runs/curves", { place: run.place, first: range.first, last: range.last })));
    } catch (error) { return tell(error.message); }
    const names = new Set(found.flatMap((one) => Object.keys(one.values)));
    const wanted = number.value;
    const choices = ["losses", ...[...names].sort()];
    if (number.children.length !== choices.length) {
      fill(number, choices.map((name) => h("option", { value: name, selected: name === wanted }, name.replaceAll("_", " "))));
    }
    draw();
  }

  function draw() {
    const share = Number(amount.value) / 100;
    const lines = found.flatMap((one, k) => {
      const names = Object.keys(one.values);
      let shown = number.value === "losses" ? names.filter((name) => name.startsWith("loss")) : names.filter((name) => name === number.value);
      if (runs.length > 1) shown = shown.slice(0, 1);
      return shown.map((name) => ({
        name: runs.length > 1 ? runs[k].name : name.replaceAll("_", " "), x: one.steps,
        y: smooth(one.values[name], share), raw: share ? one.values[name] : null,
      }));
    });
    picture.show(lines);
    fill(legend, lines.map((line, k) => {
      const last = line.y.findLast((value) => value !== null);
      return h("span", {}, swatch(k), `${line.name} `, h("span.mono", {}, last === undefined ? "" : last.toPrecision(4)));
    }));
  }

  refresh();
  if (runs.some((run) => run.live)) timer = setInterval(refresh, EVERY_MS);
  const element = sheet(title,
    h("div.row.curve-tools", {},
      h("label", {}, "Number ", number), h("label", {}, "Smoothing ", amount),
      h("label", {}, "From step ", from), h("label", {}, "to ", to),
      button("Whole run", () => setRange(0, null))),
    picture.element, legend);
  return { element, refresh, leave: () => { clearInterval(timer); picture.leave(); }, setLive(live) {
    if (live && !timer) timer = setInterval(refresh, EVERY_MS);
    if (!live && timer) { clearInterval(timer); timer = null; refresh(); }
  } };
}

/** The exponential mean of values; share 0 leaves them as they are. */
function smooth(values, share) {
  let mean = null;
  return values.map((value) => {
    if (value === null) return null;
    mean = mean === null ? value : share * mean + (1 - share) * value;
    return mean;
  });
}
