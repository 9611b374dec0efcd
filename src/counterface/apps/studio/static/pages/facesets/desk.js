// One faceset: its crops, trash, people, coverage, rights and commands, each a tab.

import { get } from "../../js/api.js";
import { tabs } from "../../js/tabs.js";
import { button, fill, h, head, notice } from "../../js/ui.js";
import { showCommands } from "./commands.js";
import { showCrops } from "./crops.js";
import { showCoverage, showPeople, showRights } from "./panels.js";

export async function showDesk(main, place, first) {
  const about = h("div", {});
  const desk = {
    place, view: null, measures: await get("/facesets/measures"),
    values: new Map(), by: "", // of the measure that is shown below the crops
    async load() {
      desk.view = await get("/facesets/rows", { place });
      fill(about, told(desk));
      return desk.view;
    },
    show: (name) => parts.show(name), jobs: h("div", { "aria-label": "Jobs of this faceset", role: "group" }),
  };
  const parts = tabs("Parts of the faceset", [
    ["crops", "Crops", (panel) => showCrops(desk, panel)],
    ["trash", "Trash", (panel) => showCrops(desk, panel, true)],
    ["people", "People and groups", (panel) => showPeople(desk, panel)],
    ["coverage", "Coverage", (panel) => showCoverage(desk, panel)],
    ["rights", "Rights", (panel) => showRights(desk, panel)],
    ["commands", "Commands", (panel) => showCommands(desk, panel)],
  ], (name) => history.replaceState(null, "", `#/facesets/${encodeURIComponent(place)}/${name}`));

  await desk.load();
  fill(main, head(place, "", h("a.button", { href: "#/facesets" }, "All facesets"), button("Load again", async () => { await desk.load(); await parts.again(); })), about, parts.bar, parts.panel, desk.jobs);
  await parts.show(first);
  return parts.leave;
}

/** What is to be known of a faceset before one works on it. */
function told({ view }) {
  const count = view.crops.file.length;
  return [
    h("p.soft", {}, `${count.toLocaleString()} crops of ${view.size} px, template ${view.template}`,
      view.sources.length ? `, from ${view.sources.length} ${view.sources.length === 1 ? "file" : "files"}` : "",
      view.sorted_by ? `; sorted by ${view.sorted_by}` : "", view.grouped_by ? `; grouped by ${view.grouped_by}` : "",
      view.in_trash ? `; ${view.in_trash.toLocaleString()} in the trash` : "", "."),
    !view.rights && !view.several_rights && notice("unsure", "It carries no rights record, so nothing may be made from it. Add one under Rights."),
    view.gone > 0 && notice("unsure", `${view.gone} rows have no file any more: their crops were deleted outside of the studio. The next change of the faceset drops these rows.`),
    view.stray_count > 0 && notice("unsure", `${view.stray_count} pictures have no row (${view.strays.slice(0, 3).join(", ")}${view.stray_count > 3 ? " and others" : ""}): take them in with "faceset adopt" under Commands, or delete them.`),
  ];
}
