// Beside the grid: sorting, grouping, filtering.

import { run } from "../../js/api.js";
import { commandForm } from "../../js/form.js";
import { follow } from "../../js/jobs.js";
import { button, fill, h, sure, tell } from "../../js/ui.js";

const READS = { row: "stands in the rows", crop: "reads every picture", identity: "reads every face, about 60 ms each" };

export async function showSides(desk, { reload, select }) {
  const cards = h("div", {});
  return h("aside.crop-sides", { "aria-label": "Sort, group and filter" },
    part("Sort", sorting(desk, cards, reload), true), part("Group", grouping(desk, cards, reload)),
    part("Filter", await filtering(desk, cards, reload, select)), cards);
}

const part = (title, content, open = false) => h("details.sheet", { open }, h("summary", {}, title), content);

/** A choice of measures that says what the chosen one is. */
function measureChoice(desk, id, chosen) {
  const says = h("span.help", { id: `${id}-help` });
  const choice = h("select", { id, "aria-describedby": `${id}-help`, onchange: () => tellMeasure() },
    desk.measures.map((one) => h("option", { value: one.name, disabled: Boolean(one.problem), selected: one.name === chosen }, one.name)));
  const tellMeasure = () => {
    const one = desk.measures.find(({ name }) => name === choice.value);
    says.textContent = one ? `${one.says} (${one.unit}); ${READS[one.reads]}` : "";
  };
  tellMeasure();
  return { choice, element: h("div.field", {}, h("label.name", { for: id }, "Measure"), choice, says) };
}

function sorting(desk, cards, reload) {
  const { choice, element } = measureChoice(desk, "sort-by", desk.view.sorted_by ?? "blur");
  const turned = h("input", { type: "checkbox", id: "sort-reverse" });
  const start = button("Sort", async () => {
    const by = choice.value;
    const ended = await follow(run("faceset sort", [desk.place], { by, reverse: turned.checked }, desk.place), cards);
    const [found] = ended.results;
    if (!found) return;
    unread(found.problems);
    await reload({ order: "place", by, values: new Map(found.crops.map((one) => [one.file, one.value])) });
  }, { class: "main" });
  return h("div.stack", {}, element, h("label.flag", { for: "sort-reverse" }, turned, "the other way round"), h("div.row", {}, start));
}

function grouping(desk, cards, reload) {
  const { choice, element } = measureChoice(desk, "group-by", "yaw");
  const bins = h("input", { id: "group-bins", type: "number", min: 1, max: 1000, value: "8" });
  const step = h("input", { id: "group-step", type: "number", min: 0, step: "any", placeholder: "unset" });
  const group = async (command, options) => {
    const ended = await follow(run(command, [desk.place], options, desk.place), cards);
    const [found] = ended.results;
    if (!found) return;
    unread(found.problems);
    await reload();
    tell(`Now "Only" shows one group at a time.`);
  };
  return h("div.stack", {}, element,
    h("div.field", {}, h("label.name", { for: "group-bins" }, "Groups"), bins),
    h("div.field", {}, h("label.name", { for: "group-step" }, "or width of one"), step, h("span.help", {}, "in the measure's unit")),
    h("div.row", {}, button("Group", () => group("faceset group", step.value ? { by: choice.value, step: Number(step.value) } : { by: choice.value, bins: Number(bins.value) }))));
}

async function filtering(desk, cards, reload, select) {
  let tried = "", count = 0;
  const form = await commandForm("faceset filter", {
    hide: ["folder", "dry-run"], show: ["by", "min", "max", "first", "group"],
    places: { like: { kinds: ["picture", "faceset"] }, unlike: { kinds: ["picture", "faceset"] } },
    onchange: () => { move.disabled = JSON.stringify(form.read().options) !== tried; },
  });
  const known = h("datalist", { id: "filter-measures" }, desk.measures.map((one) => h("option", { value: one.name }, one.says)));
  form.fields.get("by").input.setAttribute("list", "filter-measures");
  const found = h("p.small", { role: "status" });
  const dry = button("Dry run", async () => {
    const { options } = form.read();
    const ended = await follow(run("faceset filter", [desk.place], { ...options, "dry-run": true }, desk.place), cards);
    const [result] = ended.results;
    if (!result) { fill(found, ended.job.error); return; }
    tried = JSON.stringify(options);
    count = result.moved.length;
    move.disabled = !count;
    unread(result.problems);
    fill(found, count ? `${count.toLocaleString()} crops would go; they are selected.` : "No crop would go.");
    select(result.moved);
  });
  const move = button("Move to the trash", async () => {
    const { options } = form.read();
    if (!await sure("Filter the faceset?", `${count.toLocaleString()} crops go to its trash. They can be brought back.`, "Move them")) return;
    const ended = await follow(run("faceset filter", [desk.place], options, desk.place), cards);
    tried = "";
    move.disabled = true;
    if (ended.results[0]) fill(found, `${ended.results[0].moved.length.toLocaleString()} crops are in the trash.`);
    await reload();
  }, { disabled: true });
  return h("div.stack", {}, h("p.small.soft", {}, "Crops that fit stay; the others go to the trash."), form.element, known, found, h("div.row", {}, dry, move));
}

function unread(problems) {
  if (problems.length) tell(`${problems.length} crops could not be read: ${problems.slice(0, 3).map((one) => one.file).join(", ")}`);
}
