// The knobs of a merge, made from the settings of the library.

import { fill, h } from "../../js/ui.js";

const GROUPS = [
  ["Mask", ["blend", "mask", "hull", "erode", "blur", "edge", "opacity"]],
  ["Cut off", ["cut_top", "cut_bottom", "cut_left", "cut_right"]],
  ["Colour", ["color_transfer", "color_strength"]],
  ["Face", ["face_scale", "resample", "sharpen", "sharpen_amount", "sharpen_radius"]],
  ["Like the camera", ["denoise", "motion_blur", "resolution", "resolution_filter", "noise", "jpeg_quality"]],
];

/** {element, show(values, span), nudge, choose, cycle}; onchange(name, value), onreset(name) of a span. */
export function knobPanel(form, onchange, onreset) {
  const fields = new Map(form.group.fields.map((one) => [one.name, one]));
  const knobs = new Map();
  const known = GROUPS.flatMap(([, names]) => names);
  const rest = [...fields.keys()].filter((name) => !known.includes(name));
  const groups = rest.length ? [...GROUPS, ["More", rest]] : GROUPS;
  const whose = h("p.small", { "aria-live": "polite" });

  function knob(name) {
    const field = fields.get(name), id = `knob-${name}`, shown = name.replaceAll("_", " ");
    const choices = name === "mask" ? form.masks : name === "color_transfer" ? form.color_transfers : field.choices;
    const reset = h("button", { type: "button", class: "quiet", title: "As in the whole video", "aria-label": `${shown} as in the whole video`, onclick: () => onreset(name) }, "\u00d7");
    const row = (...inputs) => h("div.knob", { title: field.help }, h("label", { for: id }, shown), ...inputs, reset);
    if (choices.length) {
      const select = h("select", { id, onchange: () => onchange(name, select.value) }, choices.map((one) => h("option", { value: one }, one)));
      knobs.set(name, { field, choices, reset, read: () => select.value, write(value) {
        if (![...select.options].some((one) => one.value === value)) select.append(h("option", { value }, value));
        select.value = value;
      } });
      return row(select);
    }
    const step = field.kind === "integer" ? 1 : 0.5;
    const slider = h("input", { type: "range", min: field.least, max: field.most, step, "aria-hidden": true, tabindex: -1 }); // of the mouse; the field beside it is for all
    const input = h("input", { id, type: "number", min: field.least, max: field.most, step: field.kind === "integer" ? 1 : "any" });
    const tell = (from, to) => { if (from.value === "" || !input.checkValidity() && from === input) return; to.value = from.value; onchange(name, Number(from.value)); };
    slider.addEventListener("input", () => tell(slider, input));
    input.addEventListener("input", () => tell(input, slider));
    knobs.set(name, { field, reset, read: () => Number(input.value), write(value) {
      slider.value = value;
      if (document.activeElement !== input || Number(input.value) !== value) input.value = value;
    } });
    return row(slider, input);
  }

  const element = h("div.knobs", {}, whose, groups.map(([title, names]) =>
    h("fieldset", {}, h("legend", {}, title), names.filter((name) => fields.has(name)).map(knob))));
  return {
    element,
    show(values, span) {
      fill(whose, span ? `Of the span from ${span.from_s} s` : "Of the whole video");
      for (const [name, one] of knobs) {
        one.write(values[name]);
        one.reset.style.visibility = span && name in span ? "visible" : "hidden";
      }
    },
    nudge(name, by) {
      const { field, read } = knobs.get(name);
      const value = Math.min(field.most, Math.max(field.least, read() + by));
      onchange(name, value);
    },
    choose: (name, value) => onchange(name, value),
    cycle(name) {
      const { choices, read } = knobs.get(name);
      onchange(name, choices[(choices.indexOf(read()) + 1) % choices.length]);
    },
  };
}
