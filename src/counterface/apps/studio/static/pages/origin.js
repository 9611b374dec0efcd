// Origin: where a file comes from, in words.

import { get, run, upload } from "../js/api.js";
import { follow } from "../js/jobs.js";
import { pick } from "../js/picker.js";
import { button, fill, h, head, notice, sheet, tag } from "../js/ui.js";

const PARTS = [
  ["credentials", "Content Credentials"],
  ["watermark", "Watermark"],
  ["known_fake", "Known fakes"],
  ["record", "Record beside the file"],
];
const KINDS = {
  trusted: "good", found: "unsure", match: "bad", invalid: "bad", agrees: "good", valid: "unsure",
};

export async function show(main) {
  const jobs = h("div", {}), found = h("div", {});
  const drop = h("div.drop", {},
    h("p", {}, "Drop pictures or videos here, or"),
    h("div.row", { class: "centre" },
      button("Choose on this machine", async () => {
        const places = await pick("Files to check", { kinds: ["picture", "video"], many: true });
        if (places) await verify(places);
      }, { class: "main" }),
      h("label.button", {}, "Send from the browser", h("input", {
        type: "file", multiple: true, hidden: true, accept: "image/*,video/*",
        onchange: (event) => send([...event.target.files]),
      }))));
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    send([...event.dataTransfer.files]);
  });

  async function send(files) {
    const places = [];
    for (const file of files) {
      try { places.push((await upload(file)).place); } catch (error) { found.prepend(notice("bad", error.message)); }
    }
    if (places.length) await verify(places);
  }

  async function verify(places) {
    const ended = await follow(run("provenance verify", places), jobs);
    for (const one of ended.results) found.prepend(card(one));
  }

  fill(main, head("Origin", "Credentials, watermark, known fakes and records: what a file says about where it comes from."), drop, jobs, found);
}

function card(one) {
  return sheet(one.path ?? one.file ?? "", h("pre", {}, JSON.stringify(one, null, 1)));
}
