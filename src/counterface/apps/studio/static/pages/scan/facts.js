// What was and was not checked, marks of origin, and what the file says of itself.

import { MARKS, markTag } from "../../js/marks.js";
import { bytes, h, sheet } from "../../js/ui.js";
import { clock, facts, name } from "./words.js";

export function factSheets(report, about) {
  return [checks(report), origin(report.provenance), metadata(report.metadata), media(report), settings(report, about), limits(report)].filter(Boolean);
}

function checks(report) {
  if (!report.checks.length) return null;
  const ran = report.checks.filter((one) => one.ran), not = report.checks.filter((one) => !one.ran);
  const rows = (list) => h("dl.facts", {}, list.map((one) => h("div", {}, h("dt", {}, one.title), h("dd", {}, one.note))));
  return sheet("Checks", rows(ran), not.length > 0 && [h("h3", {}, "Did not run, and why"), rows(not)]);
}

function origin(found) {
  if (!found) return null;
  return sheet("Marks of origin", h("dl.facts", {}, MARKS.filter(([key]) => found[key]).map(([key, title]) => {
    const mark = found[key];
    const details = [mark.signer && `signed by ${mark.signer}`, mark.made_by && `made by ${mark.made_by}`, mark.name && name(mark.name)].filter(Boolean).join(", ");
    return h("div", {}, h("dt", {}, title), h("dd", {}, markTag(mark.state), " ", mark.reason, details && ` (${details})`));
  })), [found.mark, found.doubt].filter(Boolean).map((one) => h("p.notice", {}, one)));
}

function metadata(found) {
  if (!found) return null;
  const place = found.place && `${found.place.latitude.toFixed(6)}, ${found.place.longitude.toFixed(6)}`;
  return sheet("What the file says of itself",
    facts([["Camera", found.camera && name(found.camera)],
      ["Programs", found.programs.map((one) => `${name(one.name)} (${one.role.replaceAll("_", " ")})`).join(", ")],
      ["Created", found.created], ["Modified", found.modified], ["Place", place], ["Source", found.digital_source], ["Problem", found.problem]]),
    found.tags.length > 0 && h("details", {}, h("summary", {}, `${found.tags.length} tags${found.left_out ? `, ${found.left_out} left out` : ""}`),
      facts(found.tags.map((one) => [name(one.name), name(one.value)]))),
    h("p.small.soft", {}, found.camera || found.programs.length || found.tags.length ? "Anybody can write or remove these." : "Nothing."));
}

function media(report) {
  const found = report.media, sampling = report.sampling;
  return sheet("File", facts([
    ["Name", name(report.file.name)], ["Size", report.file.bytes !== null && bytes(report.file.bytes)],
    ["SHA-256", report.file.sha256 && h("code.hash", {}, report.file.sha256)],
    ["Picture", found && `${found.width} × ${found.height} pixels, ${found.codec}${found.fps ? `, ${Number(found.fps.toFixed(3))} frames a second` : ""}`],
    ["Length", found?.duration_s && clock(found.duration_s)],
    ["Compression", found?.compression?.words],
    ["Sound", found?.audio?.map((one) => one.codec).join(", ")],
    ["Looked at", sampling && (sampling.mode === "image" ? "the picture" : `${sampling.read} frames${sampling.mode === "even" ? ", evenly chosen" : ", all of them"}; ${sampling.with_face} with a face`)],
  ]));
}

function settings(report, about) {
  const card = report.detector?.card ?? {};
  const used = Object.entries(report.config).filter(([, value]) => value !== null);
  return sheet("Scan", facts([
    ["Detector", report.detector && `${report.detector.name} ${report.detector.version}`],
    ["Hash of it", report.detector && h("code.hash", {}, report.detector.sha256)],
    ["Time", Object.keys(report.timings_s).length > 0 && `${Object.values(report.timings_s).reduce((a, b) => a + b, 0).toFixed(1)} s`],
  ]), h("details", {}, h("summary", {}, "Command line and settings"), h("pre", {}, about.line),
    facts(used.map(([key, value]) => [key.replaceAll("_", " "), typeof value === "object" ? JSON.stringify(value) : String(value)]))),
  Object.keys(card).length > 0 && h("details", {}, h("summary", {}, "Model card"), facts(Object.entries(card).map(([key, value]) =>
    [key.replaceAll("_", " "), Array.isArray(value) ? value.map(String).join("; ") : typeof value === "object" ? JSON.stringify(value) : String(value)]))));
}

const limits = (report) => report.limits.length > 0
  && sheet("What the verdict does not say", h("ul.reasons", {}, report.limits.map((one) => h("li", {}, one))));

