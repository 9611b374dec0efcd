// One faceset: its crops, trash, people, coverage, rights and commands, each a tab.

import { get } from "../../js/api.js";
import { button, fill, h, head, notice } from "../../js/ui.js";
import { showCommands } from "./commands.js";
import { showCrops } from "./crops.js";
import { showCoverage, showPeople, showRights } from "./panels.js";

const TABS = [
  ["crops", "Crops", (desk, panel) => showCrops(desk, panel)],
  ["trash", "Trash", (desk, panel) => showCrops(desk, panel, true)],
  ["people", "People and groups", showPeople],
  ["coverage", "Coverage", showCoverage],
  ["rights", "Rights", showRights],
  ["commands", "Commands", showCommands],
];

export async function showDesk(main, place, first = "crops") {
  const panel = h("div", { role: "tabpanel", id: "desk-panel", tabindex: -1 });
  const about = h("div", {});
  let leave = () => {}, number = 0;
  const desk = {
    place, view: null, measures: await get("/facesets/measures"),
    values: new Map(), by: "", // of the measure that is shown below the crops
    async load() {
      desk.view = await get("/facesets/rows", { place });
      fill(about, told(desk));
      return desk.view;
    },
    show, jobs: h("div", { "aria-label": "Jobs of this faceset", role: "group" }),
  };

  async function show(name) {
    leave();
    leave = () => {};
    number += 1;
    const mine = number;
    for (const tab of tabs.children) {
      const here = tab.dataset.tab === name;
      tab.setAttribute("aria-selected", here);
      tab.tabIndex = here ? 0 : -1;
      if (here) panel.setAttribute("aria-labelledby", tab.id);
    }
    history.replaceState(null, "", `#/facesets/${encodeURIComponent(place)}/${name}`);
    const left = await TABS.find(([one]) => one === name)[2](desk, panel);
    if (mine === number) leave = left ?? (() => {});
    else left?.();
  }

  const tabs = h("div.tabs", { role: "tablist", "aria-label": "Parts of the faceset", onkeydown: (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = [...tabs.children], next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
    next.focus();
    next.click();
  } }, TABS.map(([name, title]) => h("button", {
    type: "button", role: "tab", id: `tab-${name}`, "data-tab": name, "aria-controls": "desk-panel", onclick: () => show(name),
  }, title)));

  await desk.load();
  fill(main, head(place, "", h("a.button", { href: "#/facesets" }, "All facesets"), button("Load again", async () => { await desk.load(); await show(current()); })), about, tabs, panel, desk.jobs);
  const current = () => [...tabs.children].find((tab) => tab.getAttribute("aria-selected") === "true").dataset.tab;
  await show(TABS.some(([name]) => name === first) ? first : "crops");
  return () => { number += 1; leave(); };
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
