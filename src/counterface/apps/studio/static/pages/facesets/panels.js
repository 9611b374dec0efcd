// People and groups, coverage, and the rights record of a faceset.

import { address, get, put, run } from "../../js/api.js";
import { commandForm, optionField } from "../../js/form.js";
import { follow } from "../../js/jobs.js";
import { button, empty, fill, h, notice, sheet, sure, tell } from "../../js/ui.js";
import { strip } from "./thumbnails.js";

const SHOWN = 14; // crops of a group

export async function showPeople(desk, panel) {
  const strips = [];
  const form = await commandForm("faceset people", { show: ["distance"], rest: false, values: { folder: desk.place }, hide: ["folder"] });
  const draw = () => {
    for (const one of strips.splice(0)) one.end();
    const groups = groupsOf(desk.view);
    fill(panel,
      sheet("", h("p", {}, "Crops whose faces lie together are one person; person 1 has the most crops. No person is known by name."),
        form.element,
        h("div.row", { class: "below" }, button("Tell people apart", async () => {
          await follow(run("faceset people", [desk.place], form.read().options, desk.place), desk.jobs);
          await desk.load();
          draw();
        }, { class: groups.length ? "" : "main" }))),
      groups.length ? groups.map(([name, files]) => card(name, files)) : empty("The crops are in no groups yet."));
  };
  const card = (name, files) => {
    const small = strip(desk.place, spread(files), () => h("img", { alt: "", width: 96, height: 96 }));
    strips.push(small);
    return h("section.sheet.group", { "aria-label": name },
      h("div.row", {}, h("h2.grow", {}, name), h("span.soft", {}, `${files.length.toLocaleString()} crops`),
        button("Show", () => { desk.group = name; return desk.show("crops"); }),
        button("Keep only this", () => keep(name))),
      h("div.strip", {}, small.images));
  };
  const keep = async (name) => {
    const dry = await follow(run("faceset filter", [desk.place], { group: [name], "dry-run": true }, desk.place), desk.jobs);
    if (dry.job.state !== "done" && !dry.results.length) return;
    const count = dry.results[0]?.moved.length ?? 0;
    if (!count) { tell(`All crops are of ${name}.`); return; }
    if (!await sure(`Keep only ${name}?`, `${count.toLocaleString()} crops of others go to the trash of the faceset. They can be brought back.`, "Move them")) return;
    await follow(run("faceset filter", [desk.place], { group: [name] }, desk.place), desk.jobs);
    await desk.load();
    draw();
  };
  draw();
  return () => { for (const one of strips) one.end(); };
}

/** The groups with their crops, the largest first. */
export function groupsOf(view) {
  const found = new Map();
  view.crops.group.forEach((name, index) => {
    if (name === null) return;
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(view.crops.file[index]);
  });
  const words = new Intl.Collator(undefined, { numeric: true });
  return [...found].sort(([a], [b]) => words.compare(a, b));
}

const spread = (files) => {
  const count = Math.min(files.length, SHOWN);
  return Array.from({ length: count }, (_, i) => files[Math.round((i * (files.length - 1)) / Math.max(count - 1, 1))]);
};

export async function showCoverage(desk, panel) {
  const found = await get("/facesets/coverage", { place: desk.place });
  const total = desk.view.crops.file.length;
  fill(panel, sheet("What the crops show",
    found.warnings.length
      ? h("div.notice.unsure", {}, h("p", {}, "Missing for a swap that turns and speaks:"), h("ul.warnings", {}, found.warnings.map((text) => h("li", {}, text))))
      : notice("good", "Nothing is missing that is looked for."),
    found.without_pose > 0 && h("p.soft", {}, `${found.without_pose} of ${total} crops have no pose.`),
    h("img.coverage", {
      width: 1232, height: 478 + 24 * Math.max(1, found.warnings.length), src: address("/facesets/coverage.png", { place: desk.place, mark: desk.view.mark }),
      alt: `Maps of ${total} crops by yaw and pitch, and by width and opening of the mouth. Missing: ${found.warnings.join("; ") || "nothing"}.`,
    })));
}

export async function showRights(desk, panel) {
  const { view } = desk;
  const field = (name, more, help) => optionField({ name, many: false, required: true, default: null, choices: [], help, kind: "text", ...more }, { value: view.rights?.[name] });
  const fields = {
    shown: field("shown", {}, "a name, or how the data set describes its people"),
    basis: field("basis", { kind: "choice", choices: ["consent", "licence", "research", "synthetic"] }, "consent of the person, a licence of the footage, a public research data set, or no real person"),
    reference: field("reference", {}, "release form, licence text or address where it is written down"),
  };
  const save = button("Save the record", async () => {
    const rights = Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, one.input.value]));
    await put("/facesets/rights", { place: desk.place, rights });
    tell("The rights record is saved.");
    await desk.load();
    await desk.show("rights");
  }, { class: "main", disabled: view.several_rights });
  fill(panel, sheet("Rights record",
    h("p", {}, "Who is shown, why the footage may be used, and where that is written down. Models and videos that are made from this faceset name it."),
    view.several_rights && notice("unsure", "The faceset was merged, and its crops have records of their own, which one for all would hide. Change them where they came from and merge again."),
    h("div.fields", {}, Object.values(fields).map((one) => one.element)),
    h("div.row", { class: "below" }, save)));
}
