// The time line: frames of the target, the moment, and the spans of the plan, which are dragged or typed.

import { address } from "../../js/api.js";
import { button, fill, h, tell } from "../../js/ui.js";

/** {element, open(about), show(state), add, split, drop}; does: go, choose, change(plan, chosen), ask(change). */
export function timeLine(does) {
  const strip = h("img.film", { alt: "Frames of the target" });
  const bars = h("div.plan-spans", { role: "group", "aria-label": "Spans of the plan" });
  const cursor = h("div.time-cursor", {});
  const moment = h("input", { type: "range", step: "any", min: 0, max: 0, "aria-label": "Moment, seconds", onchange: () => does.go(Number(moment.value)) });
  const typed = h("input", { id: "moment", type: "number", step: "any", min: 0, onchange: () => does.go(Number(typed.value)) });
  const fields = h("div.span-fields.row", {});
  const track = h("div.time-track", {}, strip, bars, cursor);
  let about = { start_s: 0, duration_s: 0 }, state = { plan: { span: [] }, chosen: null, now: 0 };

  const share = (seconds) => (about.duration_s ? Math.min(1, Math.max(0, (seconds - about.start_s) / about.duration_s)) : 0);
  const end = (span) => span.to_s ?? about.start_s + about.duration_s;
  const round = (seconds) => Math.round(1000 * seconds) / 1000;

  /** The plan with one span changed; null where its times do not fit. */
  function withSpan(number, values) {
    const span = { ...state.plan.span[number], ...values };
    for (const name of ["to_s", "track", "ramp_s"]) if (span[name] === null) delete span[name];
    span.from_s ??= 0;
    const length = end(span) - span.from_s;
    if (span.from_s < 0 || length <= 0) return null;
    if (span.ramp_s && span.to_s !== undefined && 2 * span.ramp_s > length) span.ramp_s = round(Math.floor(500 * length) / 1000);
    return { ...state.plan, span: state.plan.span.map((one, k) => (k === number ? span : one)) };
  }
  const change = (number, values) => {
    const plan = withSpan(number, values);
    if (plan) does.change(plan); else tell("A span has to end after it begins.");
  };

  function bar(span, number) {
    const element = h("button", { type: "button", class: "plan-span", "aria-pressed": state.chosen === number,
      "aria-label": `Span ${number + 1}, from ${span.from_s} to ${round(end(span))} seconds`,
      onclick: () => does.choose(number),
      onkeydown: (event) => {
        const by = { ArrowLeft: -0.1, ArrowRight: 0.1 }[event.key];
        if (!by) return;
        event.preventDefault();
        shift(number, by);
      } }, h("span.plan-grip", { "data-end": "from" }), String(number + 1), h("span.plan-grip", { "data-end": "to" }));
    element.style.left = `${100 * share(span.from_s)}%`;
    element.style.width = `${100 * Math.max(0.01, share(end(span)) - share(span.from_s))}%`;
    element.addEventListener("pointerdown", (event) => drag(event, element, number));
    return element;
  }

  function shift(number, by) {
    const span = state.plan.span[number];
    const from = Math.max(0, round(span.from_s + by));
    change(number, { from_s: from, ...(span.to_s === undefined ? {} : { to_s: round(span.to_s + from - span.from_s) }) });
    bars.children[number]?.focus();
  }

  function drag(event, element, number) {
    const which = event.target.dataset?.end ?? "both", start = event.clientX, span = state.plan.span[number];
    const perPixel = about.duration_s / track.clientWidth;
    let values = null;
    const move = (moved) => {
      const by = (moved.clientX - start) * perPixel;
      if (Math.abs(moved.clientX - start) < 3) return;
      const from = which === "to" ? span.from_s : Math.max(0, round(span.from_s + by));
      const to = which === "from" ? span.to_s : round(which === "to" ? end(span) + by : end(span) + from - span.from_s);
      values = { from_s: from, ...(to === undefined ? {} : { to_s: to }) };
      element.style.left = `${100 * share(from)}%`;
      element.style.width = `${100 * Math.max(0.01, share(to ?? end(span)) - share(from))}%`;
    };
    const drop = () => {
      removeEventListener("pointermove", move);
      if (values) { does.choose(number); change(number, values); }
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", drop, { once: true });
  }

  /** Fields of the chosen span, made anew for another span alone, so that typing is not broken off. */
  function paintFields() {
    const span = state.plan.span[state.chosen], key = span ? state.chosen : `none ${state.plan.span.length > 0}`;
    if (key !== madeFor) {
      madeFor = key;
      if (span) fill(fields, [...inputs.values()].map((one) => one.element), button("Split here", split), button("Delete span", drop, { class: "danger" }), button("Whole video", () => does.choose(null)));
      else fill(fields, h("span.soft.small", {}, state.plan.span.length ? "Choose a span to change it alone." : "No span yet: the same settings hold for the whole video."));
    }
    if (span) for (const [name, one] of inputs) one.input.value = span[name] ?? (name === "ramp_s" ? 0 : "");
  }
  function spanInput(name, title, more = {}) {
    const input = h("input", { type: "number", min: 0, step: "any", "aria-label": title, ...more, onchange: () => {
      change(state.chosen, { [name]: input.value === "" ? null : Number(input.value) });
    } });
    return [name, { input, element: h("label", {}, title, input) }];
  }
  const inputs = new Map([spanInput("from_s", "From, s"), spanInput("to_s", "To, s"), spanInput("ramp_s", "Ramp, s"), spanInput("track", "Person", { step: 1, placeholder: "all" })]);
  let madeFor = "";

  function add() {
    const from = round(state.now), last = about.start_s + about.duration_s;
    const to = round(Math.min(last, from + Math.max(0.2, about.duration_s / 5)));
    const span = { from_s: from, ...(to > from ? { to_s: to } : {}) };
    does.change({ ...state.plan, span: [...state.plan.span, span] }, state.plan.span.length);
  }
  function split() {
    if (state.chosen === null) return tell("Choose a span first.");
    return does.ask({ do: "split", number: state.chosen, at_s: round(state.now) });
  }
  function drop() {
    if (state.chosen === null) return tell("Choose a span first.");
    does.change({ ...state.plan, span: state.plan.span.filter((_, k) => k !== state.chosen) }, null);
  }

  track.addEventListener("click", (event) => {
    if (event.target.closest(".plan-span") || !about.duration_s) return;
    const box = track.getBoundingClientRect();
    does.go(about.start_s + ((event.clientX - box.left) / box.width) * about.duration_s);
  });
  const element = h("div.time", {}, track, moment,
    h("div.row", {}, h("label", { for: "moment" }, "Moment, s"), h("div", { class: "moment-field" }, typed), button("Add span here", add),
      button("Carry on to the end", () => does.ask({ do: "carry_on" })), button("Carry back to the start", () => does.ask({ do: "carry_back" }))), fields);
  return {
    element, add, split, drop,
    open(given) {
      about = given;
      strip.src = address("/merges/strip", { place: about.place });
      moment.min = about.start_s; moment.max = about.start_s + about.duration_s;
      return strip.decode().catch(() => {}); // its height is known then
    },
    show(given) {
      state = given;
      moment.value = state.now; typed.value = round(state.now);
      cursor.style.left = `${100 * share(state.now)}%`;
      const focused = [...bars.children].indexOf(document.activeElement);
      fill(bars, state.plan.span.map(bar));
      bars.children[focused]?.focus();
      paintFields();
    },
  };
}
