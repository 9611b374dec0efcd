// Train: the runs below the folders, a new one, and one that is watched.

import { get, isOpen, onJob } from "../js/api.js";
import { swatch } from "../js/lines.js";
import { empty, fill, h, head, notice, sheet, table, tag, tell, when } from "../js/ui.js";
import { curveSheet } from "./train/curves.js";
import { showForm } from "./train/form.js";
import { showRun } from "./train/run.js";

const MOST_COMPARED = 6;
const EVERY_MS = 2000;
const KINDS = { running: "good", stopping: "unsure", waiting: "unsure", done: "good", failed: "bad", stopped: "unsure" };

export async function show(main, [what, ...rest]) {
  if (what === "new") return showForm(main, rest[0]);
  if (what === "run") return showRun(main, rest[0]);
  return showRuns(main);
}

async function showRuns(main) {
  const list = h("div.runs", {}), compared = h("div", {});
  const chosen = new Set();
  let runs = [], leave = () => {};

  function compare() {
    leave();
    if (chosen.size < 2) { leave = () => {}; return fill(compared); }
    const curves = curveSheet("Runs side by side", [...chosen].map((place) => {
      const run = runs.find((one) => one.place === place);
      return { place, name: run.place, live: Boolean(run.job && isOpen(run.job)) };
    }));
    leave = curves.leave;
    fill(compared, curves.element);
  }

  async function refresh() {
    runs = await get("/runs");
    const order = [...chosen];
    fill(list, runs.length === 0 && empty("No run yet below the folders of the studio."),
      runs.length > 0 && table([
        ["Compare", (run) => h("input", {
          type: "checkbox", checked: chosen.has(run.place), "aria-label": `Compare ${run.place}`,
          onchange: (event) => {
            if (event.target.checked && chosen.size >= MOST_COMPARED) {
              event.target.checked = false;
              return tell(`At most ${MOST_COMPARED} runs are compared at once.`);
            }
            chosen[event.target.checked ? "add" : "delete"](run.place);
            compare();
          },
        })],
        ["Run", (run) => [chosen.has(run.place) && swatch(order.indexOf(run.place)),
          run.swap ? h("a", { href: `#/train/run/${encodeURIComponent(run.place)}` }, run.place) : run.place]],
        ["Model", (run) => run.model || h("span.soft", {}, "not said")],
        ["State", (run) => (run.job ? tag(KINDS[run.job.state], run.job.state) : h("span.soft", {}, run.steps && run.step >= run.steps ? "done" : "at rest"))],
        ["Step", (run) => `${run.step.toLocaleString()}${run.steps ? " of " + run.steps.toLocaleString() : ""}`, true],
        ["Last change", (run) => (run.changed ? when(run.changed) : "")],
      ], runs));
  }

  fill(main, head("Train", "Runs below the folders of the studio. A run goes on while the browser is closed, and while the studio is.",
    h("a.button.main", { href: "#/train/new" }, "New training")),
  sheet("Runs", list), compared);
  try { await refresh(); } catch (error) { fill(list, notice("bad", error.message)); }
  let asked = false;
  const stop = onJob((job) => { if (job.command === "swap train") asked = true; });
  const timer = setInterval(() => {
    if (asked) refresh().catch((error) => tell(error.message));
    asked = false;
  }, EVERY_MS);
  return () => { stop(); leave(); clearInterval(timer); };
}
