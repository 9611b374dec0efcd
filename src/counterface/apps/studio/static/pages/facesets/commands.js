// Every other command for facesets, with its form.

import { get, run } from "../../js/api.js";
import { commandForm } from "../../js/form.js";
import { follow } from "../../js/jobs.js";
import { button, fill, h, loading, notice, sheet, table, tell } from "../../js/ui.js";

const FIRST = "faceset mask apply";
const ELSEWHERE = ["faceset extract", "faceset rights"]; // have places of their own on this page
const OUTSIDE = new Set(["faceset unpack"]); // does not begin with the faceset
const SHOWN = 8; // problems that are listed

export async function showCommands(desk, panel) {
  const names = (await get("/commands")).filter((name) => name.startsWith("faceset ") && !ELSEWHERE.includes(name));
  const body = h("div", {}), results = h("div", {});
  const choice = h("select", { id: "command", onchange: () => show().catch((error) => fill(body, notice("bad", error.message))) }, names.map((name) => h("option", { value: name, selected: name === (desk.command ?? FIRST) }, name.replace("faceset ", ""))));
  async function show() {
    const name = choice.value;
    desk.command = name;
    fill(results);
    fill(body, loading());
    const form = await commandForm(name, {
      values: OUTSIDE.has(name) ? {} : { folder: desk.place, folders: desk.place, facesets: desk.place, faceset: desk.place },
      show: ["out", "run", "by", "source", "segmenter", "landmarker", "dry-run"],
    });
    if (name !== choice.value) return; // another command was chosen meanwhile
    fill(body, h("p.soft", {}, form.command.help), form.element, h("div.row", { class: "below" },
      button("Run", async () => {
        const { arguments: args, options } = form.read();
        const ended = await follow(run(name, args, options, args[0] ?? desk.place), desk.jobs);
        fill(results, ended.results.map((one) => answer(one)));
        await desk.load();
        if (ended.job.state === "done") tell(`${name} is done.`);
      }, { class: "main" }),
      form.command.queue === "long" && h("span.soft", {}, "It waits in the queue of long jobs.")));
  }
  await show();
  fill(panel, sheet("Commands",
    h("div.field", {}, h("label.name", { for: "command" }, "Command"), choice), body), results);
}

/** The result of a command: its numbers and texts as a table, its problems as a list. */
export function answer(result) {
  const plain = Object.entries(result).filter(([, value]) => value === null || typeof value !== "object");
  const lists = Object.entries(result).filter(([name, value]) => Array.isArray(value) && name !== "problems");
  const problems = result.problems ?? [];
  return sheet("Result",
    table([["", ([name]) => name.replaceAll("_", " ")], ["", ([, value]) => (value === null ? "none" : String(value))]],
      [...plain, ...lists.map(([name, value]) => [name, `${value.length}`])]),
    problems.slice(0, SHOWN).map((one) => notice("unsure", `${one.file}: ${one.reason}`)),
    problems.length > SHOWN && h("p.soft", {}, `and ${problems.length - SHOWN} more`),
    h("details", {}, h("summary", {}, "As JSON"), h("pre", {}, JSON.stringify(result, null, 1).slice(0, 20000))));
}
