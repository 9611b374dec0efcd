// The history of scans: found by name, tag and verdict; two of them compared.

import { get, remove } from "../../js/api.js";
import { go } from "../../js/app.js";
import { button, debounce, empty, fill, h, sheet, sure, tell, when } from "../../js/ui.js";
import { onQueue } from "./queue.js";
import { name, share, VERDICTS, verdictTag } from "./words.js";

const PAGE = 50;
const asked = { text: "", verdict: "", tag: "" }; // kept while other pages are shown

export function makeHistory() {
  const list = h("tbody", {}), none = empty("");
  const chosen = new Set();
  const compare = button("Compare", async () => {
    const [a, b] = [...chosen].sort((one, two) => one - two);
    go("scan", "compare", String(a), String(b));
  }, { disabled: true, title: "Choose two scans" });
  const more = button("Older", async () => { await load(rows.at(-1)?.id); });
  const tags = h("select", { "aria-label": "Tag", onchange: (event) => search({ tag: event.target.value }) });
  const search = (change) => { Object.assign(asked, change); return load(); };
  let rows = [], mine = 0;

  const load = (before) => read(before).catch((error) => tell(error.message));

  async function read(before) {
    mine += 1;
    const number = mine;
    const found = await get("/scans", { ...asked, before, most: PAGE });
    if (number !== mine) return; // asked anew in the meantime
    rows = before ? [...rows, ...found] : found;
    more.hidden = found.length < PAGE;
    if (!before) for (const id of chosen) if (!rows.some((row) => row.id === id)) chosen.delete(id);
    draw();
    await loadTags();
  }

  async function loadTags() {
    const counts = await get("/scans/tags");
    fill(tags, h("option", { value: "" }, "any tag"), Object.entries(counts).map(([one, count]) =>
      h("option", { value: one, selected: one === asked.tag }, `${name(one)} (${count})`)));
    tags.hidden = !Object.keys(counts).length;
  }

  function draw() {
    fill(list, rows.map(makeRow));
    none.hidden = rows.length > 0;
    none.textContent = asked.text || asked.verdict || asked.tag ? "No scan fits." : "No scan yet: drop a file above.";
    mark();
  }

  function mark() {
    compare.disabled = chosen.size !== 2;
    compare.textContent = chosen.size === 1 ? "Choose one more to compare" : "Compare two";
  }

  function makeRow(row) {
    const text = name(row.name);
    const box = h("input", {
      type: "checkbox", checked: chosen.has(row.id), "aria-label": `Compare ${text}`,
      onchange: () => {
        if (box.checked) chosen.add(row.id); else chosen.delete(row.id);
        if (chosen.size > 2) { chosen.delete([...chosen][0]); draw(); }
        mark();
      },
    });
    return h("tr", { "data-scan": row.id },
      h("td", {}, box),
      h("td.history-name", {}, h("a", { href: `#/scan/${row.id}` }, text), h("div.small.soft", {}, name(row.place))),
      h("td", {}, verdictTag(row.verdict)),
      h("td.number", {}, share(row.number) || h("span.soft", {}, "none")),
      h("td", {}, row.tags.map((one) => h("span.tag", {}, name(one)))),
      h("td.small.soft", {}, when(row.created)),
      h("td", {}, button("Delete", () => deleteScan(row).then((gone) => gone && load()), { class: "quiet danger small", "aria-label": `Delete ${text}` })));
  }

  const element = sheet("History",
    h("div.row.history-search", {},
      h("input.grow", {
        type: "search", "aria-label": "Search by name or SHA-256", placeholder: "name, or start of the SHA-256",
        value: asked.text, oninput: debounce((event) => search({ text: event.target.value.trim() })),
      }),
      h("select", { "aria-label": "Verdict", onchange: (event) => search({ verdict: event.target.value }) },
        h("option", { value: "" }, "any verdict"),
        Object.entries(VERDICTS).map(([value, [, text]]) => h("option", { value, selected: value === asked.verdict }, text))),
      tags, compare),
    h("div.table", { tabindex: 0, role: "region", "aria-label": "History of scans" }, h("table", {},
      h("thead", {}, h("tr", {}, [h("span.unseen", {}, "Compare"), "File", "Verdict", "Number", "Tags", "Judged", h("span.unseen", {}, "Delete")]
        .map((title) => h("th", { scope: "col", class: title === "Number" ? "number" : "" }, title)))),
      list)),
    none, more);
  return { element, ready: load(), leave: onQueue(debounce(() => load(), 500)) };
}

/** Delete a scan if the user is sure; gives whether it is gone. */
export async function deleteScan(row) {
  const upload = row.place.startsWith("uploads/");
  const ok = await sure("Delete this scan?", `The report on ${name(row.name)} leaves the history${upload ? ", and the copy that was sent to the studio is deleted with its last report" : "; the file itself stays where it is"}.`, "Delete");
  if (ok) await remove(`/scans/${row.id}`);
  return Boolean(ok);
}
