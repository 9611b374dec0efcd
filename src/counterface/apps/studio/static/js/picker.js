// Choosing files and folders below the folders that the studio was given.

import { get, roots } from "./api.js";
import { ask, bytes, button, empty, fill, h, tell } from "./ui.js";

/**
 * A dialog that gives the places that were chosen, or undefined.
 * kinds: which entries may be chosen (of api/places.py), all where it is empty;
 * many: whether several may be; create: whether a new name may be typed.
 */
export function pick(title, { kinds = [], many = false, create = "", from = "" } = {}) {
  return ask(title, (close) => {
    const chosen = new Set();
    const list = h("ul.files", { "aria-label": "Files" });
    const path = h("p.mono.small", {});
    const done = button("Choose", () => close([...chosen]), { class: "main", disabled: true });
    const typed = h("input", { "aria-label": "New name", placeholder: "name of the new one", value: create });
    let folder = "";

    async function show(place) {
      let entries;
      try {
        entries = await get("/files", { place });
      } catch (error) {
        if (place) { tell(error.message); return show(""); }
        throw error;
      }
      folder = place;
      fill(path, place || "folders of the studio");
      const up = place.includes("/") ? place.slice(0, place.lastIndexOf("/")) : "";
      fill(list,
        place && h("li", {}, h("button", { type: "button", onclick: () => show(up) }, h("span.kind", {}, ""), "..")),
        entries.map((entry) => h("li", {}, row(entry))));
      if (!entries.length) list.append(empty("Nothing here."));
      (list.querySelector("button") ?? list.closest("dialog"))?.focus();
      sessionStorage.setItem("picked", place);
    }

    function row(entry) {
      const fits = !kinds.length || kinds.includes(entry.kind);
      const opens = ["folder", "faceset", "run"].includes(entry.kind);
      const choose = (event) => {
        if (fits && (!opens || event.detail < 2)) {
          if (chosen.has(entry.place)) chosen.delete(entry.place);
          else { if (!many) clear(); chosen.add(entry.place); }
          event.currentTarget.setAttribute("aria-pressed", chosen.has(entry.place));
          done.disabled = !chosen.size;
          if (!opens || entry.kind !== "folder") return;
        }
        if (opens && (!fits || event.detail === 2)) show(entry.place);
      };
      return h("button", {
        type: "button", onclick: choose, disabled: !fits && !opens,
        ondblclick: () => opens && show(entry.place),
        onkeydown: (event) => { if (event.key === "ArrowRight" && opens) show(entry.place); },
      }, h("span.kind", {}, entry.kind), h("span.grow", {}, entry.name),
        h("span.soft.small", {}, entry.bytes === null ? "" : bytes(entry.bytes)));
    }

    function clear() {
      chosen.clear();
      for (const one of list.querySelectorAll("[aria-pressed]")) one.setAttribute("aria-pressed", false);
    }

    show(from || sessionStorage.getItem("picked") || (roots().length === 1 ? roots()[0] : ""));
    return [
      path, list,
      h("p.soft.small", {}, "Folders open with a double click or the right arrow key."),
      create && h("div.with-button", {}, typed, button("Use this name here", () => {
        if (!folder) return tell("Open a folder first.");
        close([`${folder}/${typed.value.trim()}`]);
      })),
      h("div.row", {}, done, button("Cancel", () => close(undefined))),
    ];
  });
}

/** An input for a place, with a button that opens the picker. */
export function placeInput(id, { value = "", kinds = [], many = false, create = "", onchange = () => {}, ...more } = {}) {
  const input = h("input", { id, value, spellcheck: false, oninput: () => onchange(), ...more });
  const choose = button("Browse", async () => {
    const found = await pick("Choose", { kinds, many, create });
    if (found) { input.value = found.join(", "); onchange(); }
  });
  return { input, element: h("div.with-button", {}, input, choose) };
}
