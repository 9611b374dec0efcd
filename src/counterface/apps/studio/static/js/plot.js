// uPlot in the colours of the page, as wide as its place; it is loaded when the first plot is drawn.

import { h } from "./ui.js";

let loaded;

/** uPlot and its style. */
function loadUplot() {
  loaded ??= new Promise((done) => {
    const style = h("link", { rel: "stylesheet", href: "/static/vendor/uplot/uPlot.min.css" });
    style.addEventListener("load", done);
    style.addEventListener("error", done);
    document.head.append(style);
  }).then(() => import("../vendor/uplot/uPlot.esm.js")).then((module) => module.default);
  return loaded;
}

/** Values at each x, null where there is none; points are [x, value]. */
export function column(xs, points) {
  const found = new Map(points);
  return xs.map((x) => found.get(x) ?? null);
}

/**
 * A plot: {element, show(data, anew), now() -> uPlot or null, leave()}.
 * options(axis, colour): those of uPlot without a size, made anew for each scheme of the page;
 * axis is what axes share, colour(name) a colour of studio.css. show(data, false) keeps the options.
 */
export function makePlot({ label, height, options }) {
  const element = h("div.chart", { role: "img", "aria-label": label });
  element.style.minHeight = `${height}px`;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let data = null, plot = null, stale = false, gone = false;

  async function draw() {
    const Uplot = await loadUplot();
    if (gone || !data) return;
    plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const line = { stroke: colour("--line"), width: 1 };
    plot = new Uplot({
      width: Math.max(element.clientWidth, 200), height, legend: { show: false },
      ...options({ stroke: colour("--soft"), grid: line, ticks: line }, colour),
    }, data, element);
    stale = false;
  }

  const sized = new ResizeObserver(() => {
    if (plot && element.clientWidth && element.clientWidth !== plot.width) plot.setSize({ width: element.clientWidth, height });
  });
  sized.observe(element);
  dark.addEventListener("change", draw);
  return {
    element, now: () => plot,
    show(given, anew = true) {
      data = given;
      stale ||= anew || !plot;
      if (stale) requestAnimationFrame(draw); // its place has a width by then
      else plot.setData(given);
    },
    leave() { gone = true; sized.disconnect(); dark.removeEventListener("change", draw); plot?.destroy(); },
  };
}
