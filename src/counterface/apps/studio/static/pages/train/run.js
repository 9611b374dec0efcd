// One run that is watched: picture, curves, speed, and what can be done.

import { address, get, isOpen, onJob, post } from "../../js/api.js";
import { jobCard } from "../../js/jobs.js";
import { button, fill, h, head, notice, seconds, sheet, tag, tell } from "../../js/ui.js";
import { curveSheet } from "./curves.js";

const EVERY_MS = 1000;
const KINDS = { running: "good", stopping: "unsure", waiting: "unsure", done: "good", failed: "bad", stopped: "unsure" };

export async function showRun(main, place) {
  let state = await get("/runs/state", { place });
  const facts = h("dl.run-facts", { "aria-label": "State of the run" }), buttons = h("div.row", {}), card = h("div", {}), fault = h("div", {});
  const curves = curveSheet("Losses", [{ place, name: place, live: false }]);
  const image = h("img.run-picture", { alt: "Source, its reconstruction, target, its reconstruction, swap and mask", width: 1200, height: 420 });
  const slider = h("input", { type: "range", min: 0, step: 1, "aria-label": "Step of the picture", oninput: () => showPicture(true) });
  const shownStep = h("output.mono.small", {});
  const changes = h("section.sheet", { hidden: true });
  let drawn = null, shown = "", follows = true, chosen = -1, cardOf = "", offered = "";

  function showPicture(byHand = false) {
    const steps = state.pictures, last = steps.length - 1;
    if (byHand) [follows, chosen] = [Number(slider.value) >= last, steps[Number(slider.value)]];
    const step = follows || last < 0 ? null : steps[Number(slider.value)];
    const source = state.picture === null ? "" : address("/runs/picture", { place, step, drawn: step === null ? state.picture : 1 });
    if (source && source !== shown) {
      shown = source;
      const next = new Image();  // shown once it is there, so that nothing flickers
      next.src = source;
      drawn = next.decode().then(() => { if (shown === source) Object.assign(image, { src: source, width: next.width, height: next.height }); },
        () => { if (shown === source) shown = ""; }); // the next look asks for it again
    }
    image.hidden = !source;
    shownStep.textContent = state.picture === null ? "no picture yet" : step === null ? "the last one" : `step ${step.toLocaleString()}`;
  }

  function paint() {
    const { run, last } = state, job = run.job, open = Boolean(job && isOpen(job));
    const speed = last.examples_per_s, left = run.steps && speed && state.batch_size ? ((run.steps - run.step) * state.batch_size) / speed : null;
    fill(facts,
      fact("State", job ? tag(KINDS[job.state], job.state) : tag("", "at rest")),
      fact("Step", `${run.step.toLocaleString()}${run.steps ? " of " + run.steps.toLocaleString() : ""}`),
      fact("Speed", speed ? `${speed.toPrecision(3)} pictures/s` : "not known yet"),
      fact("Time left", open && left !== null ? `about ${seconds(left)}` : open ? "not known yet" : "none"),
      fact("Waits for examples", last.waiting_for_data === undefined ? "not known yet" : `${Math.round(100 * last.waiting_for_data)} %`),
      fact("Model", run.model || "not known yet"));
    const able = `${job?.id} ${job?.state} ${run.swap} ${run.step > 0}`;
    if (able !== offered) fill(buttons,
      open && button("Stop and save", async () => { await post(`/jobs/${job.id}/stop`); tell("It saves a checkpoint and stops."); }, { disabled: job.state === "stopping" }),
      job && !open && button(job.state === "done" ? "Run again" : "Go on", async () => { await post(`/jobs/${job.id}/again`); tell("It waits in its queue."); await refresh(); }, { class: "main" }),
      run.swap && h("a.button", { href: `#/train/new/${encodeURIComponent(place)}` }, "New form with these settings"),
      run.swap && run.step > 0 && h("a.button", { href: `#/merge/${encodeURIComponent(place)}` }, "Merge with it"),
      h("a.button", { href: "#/train" }, "All runs"));
    offered = able;
    if (job && cardOf !== job.id) {
      cardOf = job.id;
      fill(card, h("details", {}, h("summary", {}, "The job and its command line"), jobCard(job)));
    }
    fill(fault, job?.error && !open && notice("bad", job.error));
    curves.setLive(open);
    slider.max = Math.max(0, state.pictures.length - 1);
    slider.disabled = state.pictures.length < 2;
    slider.title = state.picture_count > state.pictures.length ? `${state.pictures.length} of ${state.picture_count} pictures: the newest, and older ones at even steps` : "";
    slider.value = follows ? slider.max : Math.max(0, state.pictures.findLastIndex((step) => step <= chosen));
    showPicture();
    changes.hidden = !state.changes.length;
    fill(changes, h("h2", {}, "Changes on the way"), state.changes.map((one) => h("p.small", {}, `after step ${one.step}: `,
      Object.entries(one.changed ?? {}).map(([key, [before, after]]) => `${key} ${JSON.stringify(before)} to ${JSON.stringify(after)}`).join("; "))));
  }

  async function refresh() {
    state = await get("/runs/state", { place });
    paint();
  }

  slider.addEventListener("keydown", (event) => { if (event.key === "End") { follows = true; showPicture(); } });
  paint();
  await drawn; // its height is not known before
  fill(main,
    head(place, "A swap model in training. Stopping saves a checkpoint; going on continues from it.", buttons),
    sheet("", facts, fault, card),
    sheet("Picture", h("div.run-frame", { tabindex: 0, role: "region", "aria-label": "Picture of the training" }, image), h("div.row", {}, h("label.grow.row", {}, "History", slider), shownStep),
      state.run.swap && state.settings.preview_history === false && notice("unsure", "This run keeps its last picture alone; preview_history in its settings keeps them all.")),
    curves.element,
    changes);
  let asked = false;
  const again = async () => {
    try { await refresh(); } catch (error) { tell(error.message); }
  };
  const stop = onJob((job) => { if (job.command === "swap train") asked = true; });
  const timer = setInterval(() => {
    if (!asked && !(state.run.job && isOpen(state.run.job))) return;
    asked = false;
    again();
  }, EVERY_MS);
  return () => { stop(); clearInterval(timer); curves.leave(); };
}

const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
