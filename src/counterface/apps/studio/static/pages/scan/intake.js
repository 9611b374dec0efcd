// How files come in: dropped, sent, chosen on this machine, or named; and the options of their scan.

import { get } from "../../js/api.js";
import { commandForm } from "../../js/form.js";
import { pick } from "../../js/picker.js";
import { button, h, head, onDrop, tell } from "../../js/ui.js";
import { addFiles, addPlaces } from "./queue.js";

const HIDDEN = ["html", "pdf", "csv", "jobs"]; // where the studio puts reports, and how many at once
const SHOWN = ["frames", "all-frames", "thorough"];

export async function makeIntake() {
  const [suffixes, form] = await Promise.all([
    get("/scans/suffixes"), commandForm("scan", { show: SHOWN, hide: ["paths", ...HIDDEN] }),
  ]);
  const again = h("input", { type: "checkbox" });
  const pdf = h("input", { type: "checkbox" });
  const settings = () => ({ options: form.read().options, again: again.checked, pdf: pdf.checked });
  const isMedia = (file) => suffixes.some((end) => file.name.toLowerCase().endsWith(end));

  function send(files, fromFolder) {
    const media = files.filter(isMedia);
    const others = files.length - media.length;
    if (others) tell(`${others} ${others === 1 ? "file is" : "files are"} no picture or video${fromFolder ? " and was left out" : ""}.`);
    addFiles(media, settings());
  }

  const path = h("input", { id: "scan-path", spellcheck: false, placeholder: "lab/clips, or lab/clips/one.mp4" });
  const add = async () => {
    const text = path.value.trim();
    if (!text) return;
    if (await addPlaces([text], settings())) path.value = "";
  };
  const accept = suffixes.join(",");
  const drop = h("div.drop.scan-drop", {},
    h("p", {}, h("b", {}, "Drop pictures, videos or folders here"), h("br"), h("span.soft.small", {}, "They stay on this machine.")),
    h("div.row.centre", {},
      button("Choose on this machine", async () => {
        const places = await pick("Files and folders to judge", { kinds: ["picture", "video", "folder", "faceset", "run"], many: true });
        if (places) await addPlaces(places, settings());
      }, { class: "main" }),
      sender("Send files", { accept }, (files) => send(files, false)),
      sender("Send a folder", { webkitdirectory: true }, (files) => send(files, true))),
    h("div.scan-path", {}, h("label", { for: "scan-path" }, "Path"), path, button("Judge", add)));
  path.addEventListener("keydown", (event) => { if (event.key === "Enter") add(); });
  onDrop(drop, async (transfer) => {
    const { files, folder } = await dropped(transfer);
    send(files, folder);
  });
  return [
    head("Scan", "Is a face in a picture or video made or changed by a machine? A number, what it rests on, and what it does not say."),
    drop,
    h("details.sheet.scan-options", {}, h("summary", {}, "Options of the scan"),
      h("div.field.flag", {}, h("label", {}, again, "judge again what is in the history"),
        h("span.help", {}, "A file is known by its content. Without this, its report with the same options is shown.")),
      h("div.field.flag", {}, h("label", {}, pdf, "write each report as PDF too"),
        h("span.help", {}, "It takes some seconds more a file, and needs the extra pdf.")),
      form.element),
  ];
}

function sender(text, attributes, taken) {
  const input = h("input", {
    type: "file", multiple: true, hidden: true, ...attributes,
    onchange: () => { taken([...input.files]); input.value = ""; },
  });
  return [button(text, async () => input.click()), input];
}

/** The files of a drop, with all that lies in its folders. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return { files: [...transfer.files], folder: false };
  const files = [];
  for (const entry of entries) await walk(entry, files);
  return { files, folder: entries.some((entry) => entry.isDirectory) };
}

async function walk(entry, files) {
  if (entry.name.startsWith(".")) return;
  if (entry.isFile) {
    files.push(await new Promise((done, failed) => entry.file(done, failed)));
    return;
  }
  const reader = entry.createReader();
  for (;;) { // each call gives a part
    const part = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!part.length) return;
    for (const one of part) await walk(one, files);
  }
}
