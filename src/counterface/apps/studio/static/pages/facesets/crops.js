// The crops of a faceset, or of its trash: order, values, selection, trash and filter.

import { get, post } from "../../js/api.js";
import { button, empty, fill, h, tell } from "../../js/ui.js";
import { cropGrid } from "./grid.js";
import { openEditor } from "./editor.js";
import { groupsOf } from "./panels.js";
import { showSides } from "./sides.js";
import { thumbnailsOf } from "./thumbnails.js";

const EVERY = "", NO_GROUP = "-";

export async function showCrops(desk, panel, trash = false) {
  const place = trash ? `${desk.place}/trash` : desk.place;
  let view = trash ? await trashView(desk, place) : desk.view;
  if (!view) { fill(panel, empty("The trash is empty. What Delete takes out of the grid comes here, and can be brought back.")); return undefined; }
  const done = desk.undone ??= []; // crops that went to the trash, the last ones at the end
  let indexes = new Map(), busy = Promise.resolve(), hidden = new Set(), inSight = 0;
  const thumbnails = thumbnailsOf(place, (file, url) => grid.shown(file, url));
  const told = h("span.soft", { role: "status" });
  const grid = cropGrid({
    thumbnails, label: trash ? "Crops in the trash" : "Crops",
    text: (file) => captions(file),
    on: { change: (count) => chose(count), remove, undo, open: (file) => edit("look", file) },
  });

  function captions(file) {
    const value = desk.values.get(file);
    return desk.by && value !== undefined ? short(value) : "";
  }

  const inOrder = h("select", { id: "order", onchange: () => arrange() },
    h("option", { value: "source" }, "source and frame"), h("option", { value: "place" }, "last sorting"));
  const groups = h("select", { id: "only", onchange: () => arrange() });
  const shownValue = h("select", { id: "value", onchange: () => showValue(shownValue.value) },
    h("option", { value: "" }, "none"), desk.measures.filter((one) => !one.problem && one.reads === "row").map((one) => h("option", { value: one.name }, one.name)));
  const sizes = h("select", { id: "side", onchange: () => grid.size(Number(sizes.value)) },
    [96, 128].map((side) => h("option", { value: side, selected: side === 128 }, `${side} px`)));
  const labelled = (text, element) => h("div.field", {}, h("label.name", { for: element.id }, text), element);

  function arrange() {
    const { crops } = view, only = groups.value;
    indexes = new Map(crops.file.map((file, index) => [file, index]));
    let files = crops.file.filter((file, index) => !hidden.has(file)
      && (only === EVERY || (only === NO_GROUP ? crops.group[index] === null : crops.group[index] === only.slice(1))));
    if (inOrder.value === "place") {
      const place = (file) => crops.place[indexes.get(file)] ?? Infinity;
      files = files.sort((a, b) => place(a) - place(b) || indexes.get(a) - indexes.get(b));
    }
    inSight = files.length;
    grid.set(files);
    none.hidden = files.length > 0;
  }

  function drawGroups(wanted = groups.value) {
    const found = groupsOf(view);
    const without = view.crops.group.filter((one) => one === null).length;
    fill(groups, h("option", { value: EVERY }, "all crops"),
      found.map(([name, files]) => h("option", { value: `=${name}` }, `${name} (${files.length})`)),
      found.length > 0 && without > 0 && h("option", { value: NO_GROUP }, `in no group (${without})`));
    groups.value = [...groups.options].some((one) => one.value === wanted) ? wanted : EVERY;
  }

  async function showValue(by) {
    desk.by = by;
    desk.values = new Map();
    if (by) {
      const found = await get("/facesets/values", { place, by });
      if (found.mark !== view.mark) await reload();
      view.crops.file.forEach((file, index) => desk.values.set(file, found.values[index]));
    }
    grid.refresh();
  }

  /** Read the faceset again; `order` and `values` are those of a sorting that was just made. */
  async function reload({ order, values, by } = {}) {
    const before = view.mark;
    view = trash ? await trashView(desk, place) : await desk.load();
    if (!view) return desk.show("trash");
    if (order) inOrder.value = order;
    if (values) { desk.values = values; desk.by = by; }
    inOrder.options[1].disabled = view.sorted_by === null;
    if (inOrder.options[1].disabled) inOrder.value = "source";
    drawGroups();
    arrange();
    if (!values && desk.by && before !== view.mark && shownValue.value) await showValue(shownValue.value);
    return undefined;
  }

  function chose(count) {
    const all = inSight;
    told.textContent = count ? `${count.toLocaleString()} of ${all.toLocaleString()} selected` : `${all.toLocaleString()} crops`;
    for (const one of acting) one.disabled = !count;
    takeBack.disabled = !done.length;
  }

  /** Move crops; they leave the grid at once, and come back to it where it fails. */
  function move(files, path, sent) {
    for (const file of files) hidden.add(file);
    if (files.length) arrange();
    busy = busy.then(async () => {
      try {
        const moved = await post(path, { place: desk.place, files: sent });
        if (moved.absent.length) tell(`${moved.absent.length} ${moved.absent.length === 1 ? "crop is" : "crops are"} not there any more: ${moved.absent.slice(0, 3).join(", ")}`);
        return moved;
      } finally {
        for (const file of files) hidden.delete(file);
        await reload();
      }
    }).catch((error) => { tell(error.message); return null; });
    return busy;
  }

  async function remove(files) {
    if (!files.length) return;
    if (trash) { tell("What is in the trash can be brought back; it is deleted by hand, by its folder."); return; }
    const moved = await move(files, "/facesets/set-aside", files);
    const names = Object.values(moved?.moved ?? {});
    if (!names.length) return;
    done.push(names);
    tell(`${names.length.toLocaleString()} ${names.length === 1 ? "crop" : "crops"} moved to the trash. Ctrl+Z brings them back.`);
    chose(grid.selected().length);
  }

  async function undo() {
    await busy;
    const names = trash ? null : done.pop();
    if (!names) { tell("Nothing was deleted here since the page was opened; look under Trash."); return; }
    const moved = await move([], "/facesets/bring-back", names);
    grid.select(Object.values(moved?.moved ?? {}));
  }

  async function back(files) {
    if (!files.length) return;
    const moved = await move(files, "/facesets/bring-back", files);
    tell(`${Object.keys(moved?.moved ?? {}).length.toLocaleString()} crops are back.`);
    await desk.load();
  }

  async function edit(mode, file = grid.selected()[0]) {
    if (!file) return;
    const left = await openEditor({ place, file, mode, readOnly: trash, neighbours: grid.neighbours });
    if (left.changed && !trash) await reload();
    grid.select([left.file]);
    grid.focus();
  }

  const takeBack = button("Undo", undo);
  const none = h("p.empty", { hidden: true }, "No crop is shown: the group is empty, or the faceset is.");
  const acting = trash ? [button("Bring back", () => back(grid.selected()))] : [
    button("Delete", () => remove(grid.selected()), { class: "danger", title: "To the trash (Delete)" }),
    button("Landmarks", () => edit("landmarks")), button("Mask", () => edit("mask")),
  ];
  const bar = h("div.row", { class: "crop-bar" }, told, acting, !trash && takeBack,
    trash && button("Bring all back", () => back(view.crops.file)));
  const tools = h("div.crop-tools", {}, labelled("Order", inOrder), labelled("Only", groups), labelled("Value", shownValue), labelled("Size", sizes));
  const main = h("div.crop-main", {}, tools, bar, none, grid.element, h("p.small.soft", {}, trash
    ? "Enter looks at a crop. Arrows, Shift, Ctrl+A and Space select."
    : "Arrows move, Shift extends, Space toggles, Ctrl+A selects all, Delete moves to the trash, Ctrl+Z takes that back, Enter opens a crop."));
  fill(panel, trash ? main : h("div.crop-page", {}, main, await showSides(desk, { reload, select: (files) => { groups.value = EVERY; arrange(); grid.select(files); grid.focus(); } })));
  if (!trash && desk.group) { drawGroups(`=${desk.group}`); desk.group = null; } else drawGroups();
  inOrder.options[1].disabled = view.sorted_by === null;
  if (!trash && view.sorted_by !== null) inOrder.value = "place";
  if (!desk.by && view.sorted_by && [...shownValue.options].some((one) => one.value === view.sorted_by)) {
    shownValue.value = view.sorted_by;
    await showValue(view.sorted_by);
  } else if ([...shownValue.options].some((one) => one.value === desk.by)) shownValue.value = desk.by;
  arrange();
  return () => thumbnails.end();
}

/** The trash of a faceset; null where there is nothing in it. */
async function trashView(desk, place) {
  await desk.load();
  return desk.view.in_trash ? get("/facesets/rows", { place }) : null;
}

export const short = (value) => (value === null ? "none" : String(Number(value.toPrecision(3))));
