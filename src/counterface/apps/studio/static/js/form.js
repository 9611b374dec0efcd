// Forms made from what a command takes (GET /commands/NAME), so that no page lists options by hand.

import { get } from "./api.js";
import { placeInput } from "./picker.js";
import { h } from "./ui.js";

let made = 0;

/**
 * A form of a command.
 * show: names of the options that stand open, in this order; the rest is under "More options",
 * or left out with `rest: false`. values: preset ones. places: kinds and names by option, as
 * {out: {create: "jane"}, source: {kinds: ["video"]}}.
 * Gives {element, read() -> {arguments, options}, set(name, value)}.
 */
export async function commandForm(name, { show = [], hide = [], rest = true, values = {}, places = {}, onchange = () => {} } = {}) {
  const command = await get(`/commands/${encodeURIComponent(name)}`);
  const fields = new Map();
  const field = (option) => {
    const one = optionField(option, { value: values[option.name], place: places[option.name], onchange });
    fields.set(option.name, one);
    return one.element;
  };
  const named = new Map(command.options.map((option) => [option.name, option]));
  const first = [...command.arguments.filter((one) => !hide.includes(one.name)),
    ...show.map((one) => named.get(one)).filter(Boolean)];
  const others = command.options.filter((one) => !show.includes(one.name) && !hide.includes(one.name));
  const element = h("form.form", { novalidate: true, onsubmit: (event) => event.preventDefault() },
    h("div.fields", {}, first.map(field)),
    rest && others.length > 0 && h("details", {}, h("summary", {}, "More options"),
      groups(others).map(([title, options]) => [title && h("h3", {}, title),
        h("div.fields", {}, options.map(field))])));
  return {
    command, element, fields,
    set(option, value) { fields.get(option)?.set(value); },
    read() {
      const options = {};
      for (const option of command.options) {
        const value = fields.get(option.name)?.read();
        if (value !== undefined) options[option.name] = value;
      }
      const args = command.arguments.flatMap((one) => fields.get(one.name)?.read() ?? []);
      return { arguments: args, options };
    },
  };
}

/** Options by the word before their full stop, those without one first. */
function groups(options) {
  const found = new Map();
  for (const option of options) {
    const part = option.name.includes(".") ? option.name.split(".")[0] : "";
    found.set(part, [...(found.get(part) ?? []), option]);
  }
  return [...found.entries()];
}

/** One option: {element, read() -> value or undefined where it is the default, set(value)}. */
export function optionField(option, { value, place = {}, onchange = () => {} } = {}) {
  made += 1;
  const id = `field-${made}`;
  const start = value ?? option.default;
  const spoken = label(option.name);
  const described = { "aria-describedby": option.help ? `${id}-help` : undefined };
  const help = option.help && h("span.help", { id: `${id}-help` }, withCode(option.help));
  if (option.kind === "flag") {
    const box = h("input", { id, type: "checkbox", checked: Boolean(start), onchange, ...described });
    return {
      element: h("div.field.flag", {}, h("label", { for: id }, box, spoken), help),
      read: () => (box.checked === Boolean(option.default) ? undefined : box.checked),
      set: (given) => { box.checked = Boolean(given); },
    };
  }
  let input, element;
  if (option.kind === "choice" && !option.many) {
    input = element = h("select", { id, onchange, ...described },
      start === null && h("option", { value: "" }, "unset"),
      option.choices.map((one) => h("option", { value: one, selected: one === start }, one)));
  } else if (option.kind === "place" || (option.kind === "text" && /\bpath\b|PATH/.test(option.help))) {
    ({ input, element } = placeInput(id, { value: asText(start), many: option.many, onchange, required: option.required, ...described, ...place }));
  } else {
    const number = (option.kind === "integer" || option.kind === "number") && !option.many;
    input = element = h("input", {
      id, onchange, oninput: onchange, type: number ? "number" : "text",
      step: number ? (option.kind === "integer" ? "1" : "any") : undefined,
      min: option.least ?? undefined, max: option.most ?? undefined,
      placeholder: option.many ? "several, with commas" : start === null ? "unset" : undefined,
      required: option.required, ...described,
    });
    input.value = asText(start);
  }
  return {
    element: h("div.field", {}, h("label.name", { for: id }, spoken, option.required ? " *" : ""), element, help),
    input,
    read() {
      const text = input.value.trim();
      if (text === "" || text === asText(option.default)) return undefined;
      if (option.many) return text.split(",").map((one) => one.trim()).filter(Boolean);
      return option.kind === "integer" || option.kind === "number" ? Number(text) : text;
    },
    set(given) { input.value = asText(given); },
  };
}

/** Text with what stands in backquotes as code. */
const withCode = (text) => text.split(/`(.+?)`/).map((part, n) => (n % 2 ? h("code", {}, part) : part));

const asText = (value) => (value === null || value === undefined ? "" : Array.isArray(value) ? value.join(", ") : String(value));
const label = (name) => name.split(".").pop().replaceAll(/[-_]/g, " ");
