// The facesets below the folders of the studio, and faces cut from a clip.

import { get, run } from "../../js/api.js";
import { commandForm } from "../../js/form.js";
import { follow } from "../../js/jobs.js";
import { pick } from "../../js/picker.js";
import { button, empty, fill, h, head, notice, sheet, table, tell, when } from "../../js/ui.js";

export const open = (place, tab) => { location.hash = `#/facesets/${[place, tab].filter(Boolean).map(encodeURIComponent).join("/")}`; };

export async function showList(main) {
  const list = h("div", {}), jobs = h("div", {}), form = h("div", {});
  await Promise.all([fillList(list), fillForm(form, jobs, list)]);
  fill(main,
    head("Facesets", "Aligned crops of faces with their records: what a swap learns from.",
      button("Open another", async () => {
        const found = await pick("Open a faceset", { kinds: ["faceset"] });
        if (found) open(found[0]);
      })),
    sheet("On this machine", list), sheet("Cut faces from a clip", form, jobs));
}

async function fillList(list) {
  const found = await get("/facesets");
  fill(list, found.length ? table([
    ["Faceset", (one) => h("a", { href: `#/facesets/${encodeURIComponent(one.place)}` }, one.place)],
    ["Crops", (one) => one.crops.toLocaleString(), true],
    ["Aligned as", (one) => one.problem ? notice("bad", one.problem) : `${one.template}, ${one.size} px`],
    ["Shown", (one) => one.shown ?? h("span.soft", {}, "no rights record")],
    ["Sources", (one) => one.sources, true],
    ["Changed", (one) => when(one.changed)],
  ], found) : empty("No faceset is below these folders yet. Cut one from a clip below."));
}

async function fillForm(element, jobs, list) {
  const form = await commandForm("faceset extract", {
    show: ["faces", "every", "size", "template", "rights.shown", "rights.basis", "rights.reference"],
    hide: ["rights", "rights-file", "debug-dir", "sheet", "config"],
    places: { source: { kinds: ["video", "picture", "folder"] }, out: { kinds: ["faceset", "folder"], create: "faces" } },
  });
  const after = h("input", { type: "checkbox", checked: true, id: "people-after" });
  const start = button("Cut faces", async () => {
    const { arguments: args, options } = form.read();
    if (args.length < 2) { tell("Say which clip, and where its faces go."); return; }
    const ended = await follow(run("faceset extract", args, options, args[1]), jobs);
    await fillList(list);
    if (ended.job.state !== "done") return;
    if (!after.checked) { open(args[1]); return; }
    const people = await follow(run("faceset people", [args[1]], {}, args[1]), jobs);
    if (people.job.state === "done") open(args[1], "people");
  }, { class: "main" });
  fill(element,
    h("p.soft", {}, "Nothing may be made from a faceset without a rights record: who is shown, why the footage may be used, and where that is written down."),
    form.element,
    h("div.row", { class: "below" }, start, h("label.flag", { for: "people-after" }, after, "then tell its people apart")));
}
