// Merge: a model's face put into a target, every knob live on one frame; the plan, grids, the render.

import { commandForm } from "../js/form.js";
import { get, post, put, remove } from "../js/api.js";
import { pick } from "../js/picker.js";
import { button, fill, h, head, notice, sheet, tell } from "../js/ui.js";
import { knobPanel } from "./merge/knobs.js";
import { KEYS, keyHandler } from "./merge/keys.js";
import { outcome } from "./merge/outcome.js";
import { timeLine } from "./merge/timeline.js";
import { viewer } from "./merge/viewer.js";

const SHOWN = ["who", "person", "like", "identity", "rights-file", "rights.shown", "rights.basis", "rights.reference"];

export async function show(main, [model = "", target = ""]) {
  const knobForm = await get("/merges/form");
  const base = Object.fromEntries(knobForm.group.fields.map((one) => [one.name, one.default]));
  const state = { plan: { settings: { ...base }, span: [] }, chosen: null, now: 0, live: null, about: null, moment: null };
  const form = await commandForm("swap convert", {
    show: SHOWN, hide: ["plan", "config", "rights", ...knobForm.group.fields.map((one) => `merge.${one.name.replaceAll("_", "-")}`)],
    values: { model, target },
    places: {
      model: { kinds: ["run", "file"] }, target: { kinds: ["video", "picture"] }, out: { create: "swap.mp4", kinds: [] },
      like: { kinds: ["picture"], many: true }, "rights-file": { kinds: ["recipe"] }, masks: { kinds: ["faceset"], many: true },
    },
  });
  form.fields.get("model").input.value = model;
  form.fields.get("target").input.value = target;
  const setup = h("details", { open: true }, h("summary", {}, h("b", {}, "Model and target")), form.element);
  const opened = h("span.soft.small", {});
  const said = h("div", {}), work = h("div.merge-work", { hidden: true });
  const look = viewer();
  const speed = h("output.small.soft", {});
  let busy = false, dirty = false, left = false;

  const knobs = knobPanel(knobForm, (name, value) => {
    if (state.chosen === null) state.plan.settings[name] = value;
    else state.plan.span[state.chosen][name] = value;
    changed();
  }, (name) => { delete state.plan.span[state.chosen][name]; changed(); });
  const line = timeLine({
    go: (seconds) => moveTo(seconds),
    choose: (number) => { state.chosen = number; paint(); if (number !== null && !inside(state.plan.span[number], state.now)) moveTo(state.plan.span[number].from_s); },
    change: (plan, chosen) => { state.plan = plan; if (chosen !== undefined) state.chosen = chosen; changed(); },
    ask: (what) => changePlan(what),
  });
  const result = outcome({ state, form, planPlace: () => planInput.value.trim(), savePlan });

  /** Show the plan as it is now, and merge the frame anew. */
  function changed() { paint(); merge(); }
  function paint() {
    line.show(state);
    const span = state.chosen === null ? null : state.plan.span[state.chosen];
    knobs.show(span ? { ...state.plan.settings, ...span } : state.plan.settings, span);
  }

  async function merge() {
    if (!state.live || !state.moment) return;
    if (busy) { dirty = true; return; }
    busy = true;
    try {
      do {
        dirty = false;
        const begun = performance.now();
        const settings = await post("/plans/at", { plan: state.plan, at_s: state.moment.pts, track: state.moment.person });
        const told = Object.fromEntries(Object.entries(settings).filter(([name, value]) => value !== base[name]));
        const took = await look.after(`/merges/${state.live}/picture`, { settings: JSON.stringify(told) });
        speed.textContent = `${Math.round(performance.now() - begun)} ms, of them ${took} for merge and marks`;
        fill(said);
      } while (dirty && !left);
    } catch (error) {
      fill(said, notice("bad", error.message));
    } finally { busy = false; }
  }

  async function moveTo(seconds) {
    state.now = Math.max(0, seconds);
    line.show(state);
    if (!state.live) return;
    try {
      state.moment = await post(`/merges/${state.live}/at`, undefined, { at: state.now });
      await look.before(`/merges/${state.live}/before`, { at: state.now });
      await merge();
    } catch (error) { fill(said, notice("bad", error.message)); }
  }

  async function open() {
    const { arguments: [from, to], options } = form.read();
    if (!from || !to) throw new Error("Name a model and a target.");
    setup.open = false; // at once: what moves later is not expected
    fill(said, notice("", "Reading the model and looking for the face."));
    try {
      state.about = await get("/merges/target", { place: to });
      const { id } = await post("/merges", { model: from, target: to, options });
      if (state.live) remove(`/merges/${state.live}`).catch(() => {});
      state.live = id;
    } catch (error) { setup.open = true; fill(said, notice("bad", error.message)); return; }
    if (left) return void remove(`/merges/${state.live}`);
    opened.textContent = `${to} with ${from}`;
    look.shape(state.about.width, state.about.height);
    await line.open(state.about);
    await moveTo(Math.min(state.about.start_s + 0.01, state.about.start_s + state.about.duration_s));
    work.hidden = false;
    look.element.focus();
  }

  async function changePlan(what) {
    try {
      const plan = await post("/plans/change", { plan: state.plan, at_s: state.now, track: null, ...what });
      state.plan = { settings: plan.settings, span: plan.span.map(tidy) };
      changed();
    } catch (error) { tell(error.message); }
  }

  const planInput = h("input", { id: "plan-place", spellcheck: false, placeholder: "lab/plan.toml" });
  async function savePlan() {
    const place = planInput.value.trim();
    if (!place) throw new Error("Name the file of the plan, as lab/plan.toml.");
    await put("/plans", { place, plan: state.plan });
    tell(`${place} is written.`);
    return place;
  }
  async function loadPlan() {
    const [place] = (await pick("Merge plan", { kinds: ["recipe"] })) ?? [];
    if (!place) return;
    const plan = await get("/plans", { place });
    planInput.value = place;
    state.plan = { settings: plan.settings, span: plan.span.map(tidy) };
    state.chosen = null;
    changed();
  }

  const keys = keyHandler({
    nudge: (name, by) => knobs.nudge(name, by), set: (name, value) => knobs.choose(name, value), cycle: (name) => knobs.cycle(name),
    original: () => look.toggle(), wipe: (by) => look.wipe(by),
    step: (frames) => moveTo(state.now + frames / (state.about?.fps || 25)), start: () => moveTo(state.about?.start_s ?? 0),
    carry: (back) => changePlan({ do: back ? "carry_back" : "carry_on" }),
    span: () => line.add(), split: () => line.split(), drop: () => line.drop(), save: () => savePlan().catch((error) => tell(error.message)),
  });
  const keysOn = h("input", { type: "checkbox", checked: true });
  const heard = (event) => { if (!work.hidden && keysOn.checked) keys(event); };
  document.addEventListener("keydown", heard);

  fill(work,
    h("div.merge-columns", {},
      h("div.grow", {}, sheet("", look.element, h("div.row", {}, look.slider, speed)), sheet("Time", line.element)),
      sheet("Merge", knobs.element)),
    sheet("Plan", h("p.soft", {}, "The knobs change the whole video, or the span that is chosen on the time line. A later span wins over an earlier one."),
      h("div.row", {}, h("label", { for: "plan-place" }, "File of the plan"), h("div", { class: "plan-place" }, planInput),
        button("Save plan", savePlan), button("Open plan", loadPlan))),
    result.element,
    sheet("Keys", h("label.flag", {}, keysOn, "these keys work; switch them off where speech or a switch types for you"),
      h("dl.merge-keys", {}, KEYS.map(([key, what]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what))))));
  fill(main, head("Merge", "A trained face put into footage. Model and target need rights records; every picture that is shown is watermarked and signed."),
    h("section.sheet", {}, setup, h("div.row", {}, button("Open", open, { class: "main" }), opened)), said, work);
  paint();
  return () => {
    left = true;
    document.removeEventListener("keydown", heard);
    look.leave();
    if (state.live) remove(`/merges/${state.live}`).catch(() => {});
  };
}

const inside = (span, seconds) => seconds >= span.from_s && (span.to_s === null || span.to_s === undefined || seconds < span.to_s);
/** A span without the keys that say nothing. */
const tidy = (span) => Object.fromEntries(Object.entries(span).filter(([, value]) => value !== null));
