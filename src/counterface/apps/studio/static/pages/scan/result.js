// One report: the verdict, the player, what speaks for and against, and the facts of the file.

import { address, get, onJob, isOpen, post, put } from "../../js/api.js";
import { go } from "../../js/app.js";
import { button, fill, h, notice, sheet, tell, when } from "../../js/ui.js";
import { faceCards, soundCues } from "./evidence.js";
import { factSheets } from "./facts.js";
import { deleteScan } from "./history.js";
import { makePlayer } from "./player.js";
import { leadOf, linesOf, name, scale, share, VERDICTS } from "./words.js";

const PART_TITLES = { picture: "Picture", sound: "Sound", match: "Lips and sound" };
const PART_KINDS = { "looks authentic": "good", "in doubt": "bad", undecided: "unsure" };

export async function showResult(main, id) {
  const [report, about] = await Promise.all([get(`/scans/${id}`), get(`/scans/${id}/about`)]);
  document.title = `${name(report.file.name)} · Counterface studio`;
  const player = report.status === "scanned" && report.media ? makePlayer(id, report, about.row.job) : null;
  const faces = h("div", {});
  const leaving = [() => player?.leave()];
  fill(main,
    resultHead(id, report, about, leaving),
    verdictSheet(report),
    player?.element,
    faces,
    soundCues(report),
    h("div.fact-sheets", {}, factSheets(report, about)),
    about.html && fullReport(id));
  const pictures = about.html ? get(`/scans/${id}/faces`).catch(() => []) : Promise.resolve([]);
  fill(faces, faceCards(report, await pictures, (seconds) => player?.seek(seconds)));
  return () => leaving.forEach((leave) => leave());
}

function resultHead(id, report, about, leaving) {
  const file = (kind) => address(`/scans/${id}/report.${kind}`);
  const stem = about.row.name.replace(/\.[^.]*$/, "") || "report";
  const link = (kind, text) => h("a.button", { href: file(kind), download: `${name(stem)}.report.${kind}` }, text);
  const scanAgain = (text, query) => button(text, async () => {
    const job = await post(`/scans/${id}/again`, undefined, query);
    tell("It waits in the queue; the new report opens when it is there.");
    const stop = onJob(async (now) => {
      if (now.id !== job.id || isOpen(now)) return;
      stop();
      const [row] = await get("/scans", { job: job.id });
      if (row) go("scan", String(row.id)); else tell(now.error || "It was stopped.");
    });
    leaving.push(stop);
  }, { disabled: !about.present, title: about.present ? "" : "The file is no longer where it was" });
  return h("div.head.result-head", {},
    h("div", {}, h("p.small", {}, h("a", { href: "#/scan" }, "Scan"), " / report"),
      h("h1", {}, name(report.file.name)),
      h("p.small", {}, `${name(about.row.place)} · judged ${when(about.row.created)}`),
      tagEditor(id, about.row.tags)),
    h("div.row", {}, scanAgain("Scan again"), compareWith(id, about.others),
      about.html && link("html", "HTML"), link("json", "JSON"), about.pdf ? link("pdf", "PDF") : scanAgain("Scan again for a PDF", { pdf: true }),
      button("Delete", async () => { if (await deleteScan(about.row)) go("scan"); }, { class: "danger" })));
}

function compareWith(id, others) {
  if (!others.length) return null;
  return h("select.compare-with", {
    "aria-label": "Compare with another scan of this file",
    onchange: (event) => go("scan", "compare", ...[id, Number(event.target.value)].sort((a, b) => a - b).map(String)),
  }, h("option", { value: "" }, `Compare with (${others.length})`),
  others.map((row) => h("option", { value: row.id }, `${when(row.created)}, ${VERDICTS[row.verdict]?.[1] ?? row.verdict}`)));
}

function tagEditor(id, start) {
  const element = h("div.row.tags", {});
  const input = h("input", { "aria-label": "New tag", placeholder: "add a tag", maxlength: "60" });
  const save = async (tags) => draw((await put(`/scans/${id}/tags`, tags)).tags);
  let tags = start;
  const draw = (now) => {
    tags = now;
    fill(element, tags.map((one) => h("span.tag", {}, name(one), button("×", () => save(tags.filter((other) => other !== one)), { class: "quiet tag-off", "aria-label": `Remove the tag ${name(one)}` }))), input);
  };
  input.addEventListener("keydown", async (event) => {
    if (event.key !== "Enter" || !input.value.trim()) return;
    try {
      await save([...tags, ...input.value.split(",")]);
      input.value = "";
      input.focus();
    } catch (error) { tell(error.message); }
  });
  draw(start);
  return element;
}

function verdictSheet(report) {
  const lead = leadOf(report), score = report.score;
  const number = report.headline ? report.headline.number : score?.probability ?? null;
  const meaning = report.error ?? report.headline?.text ?? "";
  const lines = linesOf(report, lead);
  const said = new Set(meaning.split(/(?<=[.!?]) (?=[A-Z])/));
  const reasons = report.reasons.flatMap((one) => one.split(/(?<=[.!?]) (?=[A-Z])/)).filter((one) => !said.has(one));
  const warnings = report.notices.filter((one) => one.level === "trust");
  const cares = report.notices.filter((one) => one.level !== "trust");
  const state = report.verdict ?? "failed";
  const whose = (one) => (one.track === null ? "" : `Face ${one.track + 1}: `);
  return h(`section.sheet.verdict.is-${VERDICTS[state]?.[0] || "plain"}`, { "aria-label": "Verdict" },
    h("div.verdict-top", {},
      h("div.grow", {}, h("h2", {}, report.headline?.title ?? sentence(VERDICTS[state]?.[1] ?? state)), h("p", {}, meaning)),
      number !== null && h("div.verdict-number", {}, h("b", {}, share(number)),
        h("span.small.soft", {}, report.headline?.number_name ?? "score for manipulation"),
        score && h("span.small", {}, `interval ${share(score.low)} to ${share(score.high)} (${Math.round(100 * score.level)}%)`))),
    number !== null && score && [scale(score, lines), lines && h("p.small.soft", {},
      `Lines of this face: no manipulation found below ${share(lines.lower)}, `,
      lines.upper < 1 ? `likely manipulated above ${share(lines.upper)}` : "never called likely manipulated at this quality", "; the whole interval must lie beyond one.")],
    warnings.map((one) => notice(one.track === null ? "bad" : "", whose(one), one.text)),
    cares.map((one) => notice("", whose(one), one.text)),
    reasons.length > 0 && h("ul.reasons", {}, reasons.map((one) => h("li", {}, one))),
    report.parts.length > 1 && h("div.parts", {}, report.parts.map((part) => h("div", {},
      h("b", {}, PART_TITLES[part.name] ?? part.name), " ", h(`span.tag${PART_KINDS[part.says] ? "." + PART_KINDS[part.says] : ""}`, {}, part.says), h("p.small", {}, part.text)))));
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1);

function fullReport(id) {
  const frame = h("div.report-frame", {});
  const src = address(`/scans/${id}/report.html`);
  const box = h("details.sheet", {}, h("summary", {}, "The full report as one page"),
    h("p.small", {}, h("a", { href: src, target: "_blank", rel: "noopener" }, "Open it in a tab of its own"), "; shown here without its scripts."), frame);
  box.addEventListener("toggle", () => {
    if (box.open && !frame.firstChild) frame.append(h("iframe", { src, sandbox: "", title: "Full report", loading: "lazy" }));
  });
  return box;
}

