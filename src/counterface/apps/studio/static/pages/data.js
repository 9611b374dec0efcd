// Data sets and detectors: manifests, builds, evaluations and what detectors say of themselves.

import { address, get, run } from "../js/api.js";
import { facts } from "../js/facts.js";
import { commandForm } from "../js/form.js";
import { follow } from "../js/jobs.js";
import { pick } from "../js/picker.js";
import { tabs } from "../js/tabs.js";
import { button, empty, fill, h, head, loading, notice, sheet, table, tell, when } from "../js/ui.js";

const MANIFEST = { kinds: ["manifest"] };

export async function show(main, [first]) {
  const parts = tabs("Parts of this page", [
    ["manifests", "Data sets", manifests],
    ["build", "Build", build],
    ["evaluate", "Evaluate", evaluate],
    ["detectors", "Detectors", detectors],
  ], (name) => history.replaceState(null, "", `#/data/${name}`));
  fill(main,
    head("Data and detectors", "Tables of labelled files, data sets that are built here, and what detectors are worth on them."),
    parts.bar, parts.panel);
  await parts.show(first);
  return parts.leave;
}

/** A part of the page: a form of a command with a button, and the jobs that it started. */
async function commandSheet(title, about, name, settings, done = facts, page = false) {
  const jobs = h("div", {}), found = h("div", {});
  const form = await commandForm(name, settings);
  const start = button(settings.verb ?? "Start", async () => {
    const said = form.read();
    const ended = await follow(run(name, said.arguments, { ...said.options, ...settings.fixed }, "", page), jobs);
    if (ended.results.length) fill(found, ended.results.map((one) => done(one, ended.job)));
  }, { class: "main" });
  return sheet(title, about && h("p.soft", {}, about), form.element, h("div.row.after", {}, start), jobs, found);
}

async function manifests(panel) {
  fill(panel, loading());
  fill(panel, await Promise.all([
    commandSheet("Look into a data set", "Counts by class, method, split and person, and what to be careful about.", "dataset info",
      { verb: "Look", places: { manifest: MANIFEST } }, manifestFacts),
    commandSheet("Index a folder", "Write a table of the files of a published data set, or of any folder of real and fake files.", "dataset index",
      { verb: "Index", show: ["layout", "method"], places: { out: { create: "data.parquet" } } }),
    commandSheet("Split", "By linked people and footage, so that no person is on both sides.", "dataset split", { verb: "Split", places: { manifest: MANIFEST } }),
    commandSheet("Balance", "As many real as fake, by repeats.", "dataset balance", { verb: "Balance", places: { manifest: MANIFEST } }),
  ]));
}

/** The numbers of a manifest, with cautions first. */
function manifestFacts(info) {
  const cautions = [
    info.leaks?.length && `${info.leaks.length} people or pieces of footage are in more than one split`,
    info.duplicates?.length && `${info.duplicates.length} contents occur more than once`,
    info.missing?.length && `${info.missing.length} files are missing`,
    info.look_alikes?.length && `${info.look_alikes.length} pairs look alike and are not linked`,
    info.unread?.length && `${info.unread.length} files cannot be read`,
    info.without_identity && `${info.without_identity} entries say nothing of who is shown`,
  ].filter(Boolean);
  const tallies = ["splits", "methods", "generators", "compressions", "licences"].filter((name) => Object.keys(info[name] ?? {}).length);
  return [
    h("h3", {}, `${info.entries} entries: ${info.real} real, ${info.fake} fake; ${Object.keys(info.identities).length} people in ${info.groups} linked groups`),
    cautions.length ? cautions.map((one) => notice("unsure", one)) : notice("good", "Nothing to be careful about was found."),
    h("div.columns", {}, tallies.map((name) => h("div", {}, h("h3", {}, name), table([
      ["", ([key]) => key || "not said"], ["real", ([, one]) => one.real, true], ["fake", ([, one]) => one.fake, true],
    ], Object.entries(info[name]).sort((a, b) => b[1].real + b[1].fake - a[1].real - a[1].fake).slice(0, 40))))),
    h("details", {}, h("summary", {}, "Everything"), facts(info)),
  ];
}

async function build(panel) {
  fill(panel, loading());
  const recipe = { kinds: ["recipe"] };
  fill(panel, await Promise.all([
    commandSheet("How long would it take?", "Tries each kind of work for a moment.", "dataset build",
      { verb: "Estimate", fixed: { estimate: true }, hide: ["estimate", "rank", "yes"], places: { recipe } }),
    commandSheet("Build a data set", "Genuine clips and swaps between people, blended pictures, or twins; every fake is signed and recorded. Goes on where it was stopped.", "dataset build",
      { verb: "Build", fixed: { yes: true }, hide: ["estimate", "rank", "yes"], places: { recipe } }),
    commandSheet("Cut faces", "The faces of a manifest, once, for training.", "dataset faces", { verb: "Cut", places: { manifest: MANIFEST } }),
  ]));
}

async function evaluate(panel) {
  fill(panel, loading());
  const board = h("div", {});
  const frame = h("div", {});
  const reload = async () => fill(board, leaderboard(await get("/evaluations"), frame));
  const seen = async (one, job) => { await reload(); showPage(frame, job.id); return null; };
  const forms = await Promise.all([
    commandSheet("Evaluate", "Measures detectors by the same path as a scan; scores are kept, so that a stopped one goes on.", "detect evaluate",
      { verb: "Evaluate", show: ["detector"], hide: ["html", "png"], places: { manifests: { ...MANIFEST, many: true } } }, seen, true),
    commandSheet("Compare two detectors", "On the same files, in pairs: which is better, or that the data cannot tell.", "detect compare",
      { verb: "Compare", hide: ["html", "png"], places: { manifest: MANIFEST } }, (one, job) => { showPage(frame, job.id); return null; }, true),
    commandSheet("Robustness", "Under compression, blur, noise, small sizes and light, in five strengths.", "detect robustness",
      { verb: "Measure", show: ["detector"], hide: ["html", "png"], places: { manifest: MANIFEST } }, (one, job) => { showPage(frame, job.id); return null; }, true),
  ]);
  await reload();
  fill(panel, sheet("Leaderboard", board), frame, forms);
}

const VALUES = [["auc", "AUC"], ["eer", "EER"], ["accuracy", "accuracy"], ["recall", "fakes called"], ["specificity", "real not called"], ["ece", "calibration error"]];

function leaderboard(rows, frame) {
  if (!rows.length) return empty("No evaluation yet. Start one below.");
  const shown = VALUES.filter(([name]) => rows.some((row) => row.values[name]));
  const value = (row, name) => {
    const [middle, low, high] = row.values[name] ?? [null];
    if (middle === null) return "–";
    return [middle.toFixed(3), low !== null && h("div.soft.small", {}, `${low.toFixed(3)} to ${high.toFixed(3)}`)];
  };
  const ordered = [...rows].sort((a, b) => a.manifest.localeCompare(b.manifest) || (b.values.auc?.[0] ?? 0) - (a.values.auc?.[0] ?? 0));
  return [
    table([
      ["data set", (row) => [row.manifest, h("div.soft.small", {}, `${row.split}: ${row.real} real, ${row.fake} fake${row.not_scored ? `, ${row.not_scored} not scored` : ""}`)]],
      ["detector", (row) => [row.detector, h("div.soft.small", {}, row.file)]],
      ...shown.map(([name, title]) => [title, (row) => value(row, name), true]),
      ["cautions", (row) => row.cautions.length ? h("details", {}, h("summary", {}, row.cautions.length), row.cautions.map((one) => h("p.small", {}, one))) : "none"],
      ["", (row) => [h("div.small.soft", {}, when(row.created)), button("Charts", () => showPage(frame, row.job))]],
    ], ordered),
    h("p.small.soft", {}, "Intervals are of 95 %, over people or footage. Compare values only on one data set; two of them in pairs below."),
  ];
}

/** The page of a job (ROC, confusion, reliability, files) in a frame of its own. */
function showPage(element, job) {
  const source = address(`/jobs/${job}/page`);
  fill(element, sheet("Charts", h("p", {}, h("a", { href: source, target: "_blank", rel: "noopener" }, "Open in a tab of its own")),
    h("iframe.report", { src: source, title: "Charts of an evaluation", sandbox: "" })));
  element.scrollIntoView({ block: "start" });
}

async function detectors(panel) {
  const cards = h("div", {}, loading());
  const add = async (place) => {
    const card = await get("/detectors/card", { place });
    cards.querySelector(".late")?.remove();
    cards.append(sheet(`${card.name} ${card.version}`,
      h("p.soft", {}, `${card.place}: judges crops of the template ${card.template}, ${card.size} px`),
      h("div.table", { tabindex: 0, role: "region", "aria-label": `Card of ${card.name}` }, h("table", {}, h("tbody", {}, card.card.map(([name, text]) =>
        h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, text))))))));
  };
  fill(panel, h("div.row.after", {}, button("Open a detector file", async () => {
    const found = await pick("Detector files", { kinds: ["model"], many: true });
    for (const place of found ?? []) await add(place);
  })), cards);
  try { await add(""); } catch (error) { tell(error.message); }
}
