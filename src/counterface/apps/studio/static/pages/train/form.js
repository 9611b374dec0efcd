// A new training: the form of a recipe, made from the settings of the library.

import { get, run } from "../../js/api.js";
import { optionField } from "../../js/form.js";
import { pick } from "../../js/picker.js";
import { button, fill, h, head, notice, sheet, tell } from "../../js/ui.js";

const FIRST = ["source", "target", "out", "pretrain", "init_from", "reset", "preview_every", "preview_rows", "preview_history"];
const OPEN = ["loop.steps", "loop.batch_size", "loop.checkpoint_every", "loop.device", "optimizer.lr", "examples.warp"];
const PLACES = {
  source: { kinds: ["faceset"], many: true }, target: { kinds: ["faceset"], many: true },
  out: { create: "swap_run", kinds: ["folder", "run"] }, init_from: { kinds: ["run", "file"] },
};
const START = { preview_history: true, "loop.tensorboard": false };
const TITLES = { options: "Options of the model", examples: "Examples", loss: "Losses", gan: "Adversarial training", optimizer: "Optimizer", loop: "Loop" };

/** Show the form; `from` is a recipe or run whose settings it starts with. */
export async function showForm(main, from) {
  const body = h("div", {}), said = h("div", {}), whole = h("fieldset.bare", {});
  let fields = new Map(), recipe = {}, form = null, presetSelect = null, people = null, number = 0;

  /**
   * Build the form of a model; without values it keeps those of the form that it replaces.
   * Nothing can be typed meanwhile: it would go into a field that is about to be replaced.
   */
  async function build(model, values, preset = "") {
    number += 1;
    const mine = number, focused = document.activeElement?.id;
    whole.disabled = true;
    try {
      const found = await get("/trainings/form", { model });
      if (mine === number) show(model, found, values, preset); // else another model was chosen meanwhile
    } finally {
      if (mine === number) whole.disabled = false;
    }
    if (focused) document.getElementById(focused)?.focus();
  }

  function show(model, found, values, preset) {
    values ??= { ...collect(), options: {} };
    form = found;
    fields = new Map();
    const named = new Map(form.groups.flatMap((group) => group.fields.map((one) => [dotted(group, one), one])));
    const make = (key) => {
      const option = named.get(key);
      if (!option) return null;
      const one = optionField(option, { value: at(values, key) ?? START[key], place: PLACES[key] });
      fields.set(key, { ...one, option });
      return one.element;
    };
    const modelSelect = h("select", { id: "train-model", onchange: async (event) => {
      try {
        recipe = { ...recipe, options: {} };
        await build(event.target.value);
      } catch (error) {
        event.target.value = model; // whose form is still there
        tell(error.message);
      }
    } },
      form.models.map((name) => h("option", { value: name, selected: name === model }, name)));
    presetSelect = h("select", { id: "train-preset", onchange: (event) => usePreset(event.target.value) },
      h("option", { value: "" }, "none"), Object.keys(form.presets).map((name) => h("option", { value: name, selected: name === preset }, name)));
    people = form.many && h("textarea", { id: "train-people", rows: 3, spellcheck: false, placeholder: "anna = lab/faces/anna\nben = lab/faces/ben" });
    if (people) people.value = Object.entries(values.identities ?? {}).flatMap(([name, places]) => places.map((place) => `${name} = ${place}`)).join("\n");
    const rest = form.groups.map((group) => [group, group.name === "" ? FIRST.slice(3)
      : group.fields.map((one) => dotted(group, one)).filter((key) => !OPEN.includes(key))]);
    fill(body,
      sheet("Who and where", h("div.fields", {},
        choice("Model", "train-model", modelSelect, "architecture"),
        choice("Preset", "train-preset", presetSelect, "named set of the model's options"),
        FIRST.slice(0, 3).map(make)),
      people && h("div.field", {}, h("label.name", { for: "train-people" }, "People"), people,
        h("span.help", {}, "for more than two people: a line NAME = FACESET for each faceset; leave source and target empty then"))),
      sheet("How long and how", h("div.fields", {}, OPEN.map(make))),
      h("section.sheet", {},
        rest.filter(([, keys]) => keys.length).map(([group, keys]) => h("details", {},
          h("summary", {}, group.name === "" ? "Start and pictures" : TITLES[group.name] ?? group.name.replaceAll(".", ": ")),
          h("div.fields", {}, keys.map(make)))),
      ));
    if (preset) usePreset(preset, at(values, "options") ?? {});
  }

  function usePreset(name, over = {}) {
    for (const [key, field] of fields) {
      if (!key.startsWith("options.")) continue;
      const short = key.slice("options.".length);
      const value = over[short] ?? form.presets[name]?.[short] ?? field.option.default;
      field.set(value);
    }
  }

  /** The settings as nested tables: those of the recipe that have no field, and what the form says. */
  function collect() {
    const settings = structuredClone(recipe);
    for (const [key, field] of fields) {
      let value = field.read();
      if (value === undefined) value = key.startsWith("options.") ? field.option.default : undefined;
      if (value !== undefined && field.option.many && ["number", "integer"].includes(field.option.kind)) value = value.map(Number);
      if (value !== undefined && key === "out") value = String(value);
      put(settings, key, value);
    }
    settings.model = document.getElementById("train-model").value;
    delete settings.preset;
    delete settings.identities;
    for (const line of (people ? people.value : "").split("\n")) {
      const [name, place] = line.split("=").map((one) => one.trim());
      if (name && place) ((settings.identities ??= {})[name] ??= []).push(place);
    }
    return settings;
  }

  async function start() {
    const settings = collect();
    fill(said);
    if (!settings.out) throw new Error("Name the folder of the run.");
    try {
      await run("swap train", [], { set: settings }, settings.out);
    } catch (error) {
      fill(said, notice("bad", error.message));
      said.scrollIntoView({ block: "nearest" });
      return;
    }
    tell("The training waits in its queue.");
    location.hash = `#/train/run/${encodeURIComponent(settings.out)}`;
  }

  async function load(place) {
    recipe = await get("/trainings/recipe", { place });
    const preset = recipe.preset;
    await build(recipe.model, recipe, preset);
    tell(`The form holds the settings of ${place}.`);
  }

  const does = h("div.row", { hidden: true }, button("Start training", start, { class: "main" }),
    h("span.soft.small", {}, "The facesets of both people need rights records; without one the training ends before anything is made."));
  fill(main, head("New training", "The form is the recipe of the command; what is left as it is has the default of the library.",
    button("Start from a recipe", async () => {
      const places = await pick("Recipe or run", { kinds: ["recipe", "run"] });
      if (places) await load(places[0]);
    }), h("a.button", { href: "#/train" }, "All runs")),
  fill(whole, body, said, does));
  fill(body, h("p.soft", {}, "Reading the settings of the library; the first time takes some seconds."));
  if (from) await load(from); else await build("df", {});
  does.hidden = false;
}

const dotted = (group, option) => (group.name ? `${group.name}.${option.name}` : option.name);
const choice = (name, id, input, help) =>
  h("div.field", {}, h("label.name", { for: id }, name), input, h("span.help", {}, help));
const at = (values, key) => key.split(".").reduce((inner, part) => inner?.[part], values);

/** Set or take out a value of nested tables. */
function put(values, key, value) {
  const parts = key.split("."), last = parts.pop();
  let inner = values;
  for (const part of parts) inner = inner[part] ??= {};
  if (value === undefined) delete inner[last]; else inner[last] = value;
}
