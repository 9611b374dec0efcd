// Origin: where a file comes from, in words.

import { run, upload } from "../js/api.js";
import { facts } from "../js/facts.js";
import { follow } from "../js/jobs.js";
import { MARKS, markTag, says } from "../js/marks.js";
import { pick } from "../js/picker.js";
import { button, fill, h, head, notice, onDrop, sheet } from "../js/ui.js";

export async function show(main) {
  const jobs = h("div", {}), found = h("div", { "aria-live": "polite" });
  const files = h("input", {
    type: "file", multiple: true, class: "unseen", accept: "image/*,video/*", id: "origin-files",
    onchange: (event) => send([...event.target.files]),
  });
  const drop = h("div.drop", {},
    h("p", {}, "Drop pictures or videos here, or"),
    h("div.row.centre", {},
      button("Choose on this machine", async () => {
        const places = await pick("Files to check", { kinds: ["picture", "video", "folder"], many: true });
        if (places) await verify(places);
      }, { class: "main" }),
      files, h("label.button", { for: "origin-files" }, "Send from the browser")));
  onDrop(drop, (transfer) => send([...transfer.files]));

  async function send(chosen) {
    const names = new Map();
    for (const file of chosen) {
      try { names.set((await upload(file)).place, file.name); } catch (error) { found.prepend(notice("bad", error.message)); }
    }
    if (names.size) await verify([...names.keys()], names);
  }

  async function verify(places, names = new Map()) {
    const ended = await follow(run("provenance verify", places), jobs);
    for (const one of ended.results) found.prepend(card(one, names.get(one.file) ?? one.file));
  }

  fill(main, head("Origin", "Credentials, watermark, known fakes and records: what a file says about where it comes from. No mark says nothing: most files carry none."), drop, jobs, found);
}

function card(one, name) {
  if (one.error) return sheet(name, notice("bad", one.error));
  return sheet(name,
    one.mark ? notice("bad", h("b", {}, "Made by a machine. "), one.mark) : one.doubt && notice("unsure", one.doubt),
    !one.mark && !one.doubt && notice("", "No mark of a machine was found."),
    one.altered && notice("unsure", "The file's bytes are not those that were signed or recorded."),
    h("div.columns.after", {}, MARKS.map(([key, title]) => part(title, one[key]))));
}

function part(title, block) {
  const { state, reason, ...rest } = block;
  return h("section.part", {}, h("h3.row", {}, h("span.grow", {}, title), markTag(state)), h("p", {}, reason),
    says(state) && h("details", {}, h("summary", {}, "Details"), facts(rest)));
}
