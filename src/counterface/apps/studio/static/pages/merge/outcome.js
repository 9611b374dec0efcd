// What comes out: grids of two knobs, the render, and what the result says of itself.

import { address, run } from "../../js/api.js";
import { follow } from "../../js/jobs.js";
import { MARKS } from "../../js/marks.js";
import { button, fill, h, notice, sheet, tag } from "../../js/ui.js";

const KINDS = { trusted: "good", valid_unknown_signer: "good", found: "good", match: "good", agrees: "good", invalid: "bad" };

export function outcome({ state, form, planPlace, savePlan }) {
  const rows = h("input", { id: "grid-rows", value: "color_transfer=none,rct,mkl", spellcheck: false });
  const columns = h("input", { id: "grid-columns", value: "erode=0,5,10", spellcheck: false });
  const jobs = h("div", {}), grids = h("div", {}), renders = h("div", {}), shown = h("div", {});
  let number = 0;

  const asked = () => {
    const { arguments: [model, target, out], options } = form.read();
    return { model, target, out, options };
  };

  async function grid() {
    const { model, target, out, options } = asked();
    if (!out) throw new Error("Name an output; the grid is written beside it.");
    number += 1;
    const place = `${out.replace(/\.[^./]*$/, "")}_grid_${Date.now().toString(36)}${number}.png`;
    const known = new Set(["person", "like", "who", "identity", "masks", "segmenter", "min-size", "face-detector", "landmarker", "rights-file"]);
    const taken = Object.fromEntries(Object.entries(options).filter(([name]) => known.has(name) || name.startsWith("rights.") || name.startsWith("smooth.")));
    const plan = planPlace() ? { plan: await savePlan() } : mergeOptions();
    const ended = await follow(run("swap preview", [model, target, place], { ...taken, ...plan, at: state.moment?.pts ?? 0, rows: rows.value, columns: columns.value }, place), jobs);
    if (ended.job.state !== "done") return;
    fill(grids, h("img.merge-grid", { src: address("/merges/frame", { place }), alt: `Grid of ${rows.value} and ${columns.value}` }), h("p.small.soft", {}, place));
  }
  const mergeOptions = () => Object.fromEntries(Object.entries(state.plan.settings).map(([name, value]) => [`merge.${name.replaceAll("_", "-")}`, value]));

  async function render() {
    const { model, target, out, options } = asked();
    if (!out) throw new Error("Name an output.");
    const plan = await savePlan();
    fill(shown);
    const ended = await follow(run("swap convert", [model, target, out], { ...options, plan }, out), renders);
    if (!["done", "stopped"].includes(ended.job.state)) return;
    const file = ended.results[0]?.files?.find((one) => one.status !== "failed");
    if (!file) return fill(shown, notice("bad", ended.results[0]?.files?.[0]?.error ?? "Nothing came out."));
    await showResult(out, file);
  }

  async function showResult(out, file) {
    const frames = h("img.film", { src: address("/merges/strip", { place: out, made: Date.now() }), alt: "Frames of the result" });
    const says = h("div", {}, "Reading what the file says of itself.");
    fill(shown, sheet(out, frames,
      h("p", {}, `${file.frames_swapped} of ${file.frames} frames have a new face.`),
      file.notes?.map((one) => notice("unsure", one)), says));
    const ended = await follow(run("provenance verify", [out]), renders);
    const found = ended.results[0] ?? {};
    fill(says, h("dl.run-facts", {}, MARKS
      .filter(([key]) => found[key]?.state).map(([key, title]) => h("div", {}, h("dt", {}, title), h("dd", {}, tag(KINDS[found[key].state], found[key].state.replaceAll("_", " ")))))),
      h("details", {}, h("summary", {}, "All of it"), h("pre", {}, JSON.stringify(found, null, 1))));
  }

  const element = h("div", {},
    sheet("Grid of two knobs", h("p.soft", {}, "The frame of this moment with every pair of values; signed like any output."),
      h("div.fields", {}, h("div.field", {}, h("label.name", { for: "grid-rows" }, "Downwards"), rows), h("div.field", {}, h("label.name", { for: "grid-columns" }, "To the right"), columns)),
      h("div.row", {}, button("Make the grid", grid)), jobs, grids),
    sheet("Render", h("p.soft", {}, "The whole target with this plan, which is saved first. Stopping keeps what is done; running it again goes on."),
      h("div.row", {}, button("Render", render, { class: "main" })), renders), shown);
  return { element };
}
