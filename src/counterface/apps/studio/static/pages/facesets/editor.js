// One crop, large: a dialog around the landmark editor and the polygon editor.

import { address, get, post } from "../../js/api.js";
import { button, fill, h, notice, sure, tell } from "../../js/ui.js";
import { landmarkEditor } from "./landmarks.js";
import { polygonEditor } from "./polygons.js";
import { s } from "./svg.js";

const MODES = [["look", "Look"], ["landmarks", "Landmarks"], ["mask", "Mask"]];

/**
 * Open the editor of a crop; gives {changed, file} once it is closed.
 * neighbours(file): the crops before and after it. readOnly: only look.
 */
export function openEditor({ place, file, mode, readOnly, neighbours }) {
  let changed = false, editor = null, crop = null, carried = null;
  const title = h("h2.grow", {}), about = h("p.small.soft", {}), side = h("div.editor-side", {});
  const stage = s("svg", { class: "stage", role: "group", "aria-label": "The crop", tabindex: 0 });
  const dialog = h("dialog.editor", { "aria-label": "Crop" });
  const modes = h("div.row", { role: "group", "aria-label": "What is edited" }, (readOnly ? MODES.slice(0, 1) : MODES).map(([name, text]) =>
    h("button", { type: "button", "data-mode": name, onclick: () => leaveFor(() => show(file, name)) }, text)));
  const before = button("Previous", () => step(0), { title: "Page Up" }), after = button("Next", () => step(1), { title: "Page Down" });
  dialog.append(h("div.row", {}, title, modes, before, after, button("Close", () => leaveFor(() => dialog.close()))), about, h("div.editor-body", {}, stage, side));

  const step = (which) => { const next = neighbours(file)[which]; if (next) return leaveFor(() => show(next, mode)); return undefined; };

  async function leaveFor(go) {
    if (editor?.dirty() && !await sure("Leave without saving?", "What was changed on this crop is not saved.", "Leave")) return;
    await go();
  }

  const context = {
    stage, side, place,
    saved(view, said) { crop = view; changed = true; tell(said); words(); },
    async copyToNext(polygons) {
      const next = neighbours(file)[1];
      if (!next) { tell("This is the last crop."); return; }
      carried = polygons;
      await show(next, "mask");
    },
    async undoChange() {
      const done = await post("/facesets/landmarks/undo", { place });
      changed = true;
      tell(`Taken back: ${done.work.does}, ${done.crops} ${done.crops === 1 ? "crop" : "crops"}.`);
      await show(file, "landmarks");
    },
  };

  function words() {
    title.textContent = crop.file;
    const turn = crop.yaw === null ? "" : `, yaw ${crop.yaw.toFixed(1)}, pitch ${crop.pitch.toFixed(1)} degrees`;
    about.textContent = `${crop.source}, frame ${crop.frame}, face ${crop.face}${turn}, blur ${crop.blur.toFixed(2)}${crop.mask ? ", with a mask" : ""}`;
  }

  async function show(wanted, how) {
    try {
      crop = await get("/facesets/crop", { place, file: wanted });
    } catch (error) {
      tell(error.message);
      changed = true;
      if (!dialog.open || !crop) done();
      return;
    }
    editor?.end();
    editor = null;
    file = wanted;
    mode = how;
    words();
    before.disabled = !neighbours(file)[0];
    after.disabled = !neighbours(file)[1];
    for (const one of modes.children) one.setAttribute("aria-pressed", one.dataset.mode === mode);
    const { size } = crop;
    stage.setAttribute("viewBox", `-0.5 -0.5 ${size} ${size}`);
    const picture = s("image", { href: address("/facesets/crop.jpg", { place, file }), x: -0.5, y: -0.5, width: size, height: size });
    fill(stage, picture);
    fill(side, crop.problem && notice("unsure", crop.problem));
    if (mode === "landmarks") editor = landmarkEditor(context, crop);
    else if (mode === "mask") editor = polygonEditor(context, crop, carried);
    else look();
    carried = null;
    if (!dialog.contains(document.activeElement) || document.activeElement === document.body || mode !== "look") stage.focus();
  }

  function look() {
    const { size } = crop;
    for (const [x, y] of crop.landmarks) stage.append(s("circle", { class: "seen", cx: x, cy: y, r: size / 220 }));
    side.append(h("p.soft.small", {}, "Page Up and Page Down go to the crop before and after."));
  }

  const keys = (event) => {
    if (event.target.closest("input, select, textarea")) return;
    if (event.key === "PageUp" || event.key === "PageDown") step(event.key === "PageDown" ? 1 : 0);
    else if (!editor?.key(event)) return;
    event.preventDefault();
  };
  let done;
  dialog.addEventListener("keydown", keys);
  dialog.addEventListener("cancel", (event) => { event.preventDefault(); if (!editor?.escape?.()) leaveFor(() => dialog.close()); });
  return new Promise((close) => {
    done = () => { editor?.end(); dialog.remove(); close({ changed, file }); };
    dialog.addEventListener("close", done);
    document.body.append(dialog);
    dialog.showModal();
    show(file, mode);
  });
}
