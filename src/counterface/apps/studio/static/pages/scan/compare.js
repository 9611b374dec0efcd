// Two reports side by side: verdicts, scores over time, and the settings in which they differ.

import { get } from "../../js/api.js";
import { empty, fill, h, notice, sheet, table, when } from "../../js/ui.js";
import { makeChart } from "./chart.js";
import { leadOf, linesOf, name, scale, share, VERDICTS, verdictTag } from "./words.js";

const LETTERS = ["A", "B"];

export async function showComparison(main, first, second) {
  const ids = [first, second];
  const [found, ...both] = await Promise.all([
    get(`/scans/compare/${first}/${second}`), ...ids.map((id) => get(`/scans/${id}`)), ...ids.map((id) => get(`/scans/${id}/row`)),
  ]);
  const reports = both.slice(0, 2), rows = both.slice(2);
  document.title = "Two scans · Counterface studio";
  const chart = makeOverlay(reports);
  fill(main,
    h("div.head", {}, h("div", {}, h("p.small", {}, h("a", { href: "#/scan" }, "Scan"), " / comparison"), h("h1", {}, "Two scans"),
      h("p", {}, found.same_file ? "Both are of the same content." : "They are of different files."))),
    h("div.columns", {}, reports.map((report, place) => side(report, rows[place], place))),
    sheet("Scores over time", chart ? chart.element : empty("Neither has scores over time.")),
    sheet("What differs", differences(found)),
    sheet("What each found", facts(reports)));
  return () => chart?.leave();
}

function side(report, row, place) {
  const state = report.verdict ?? "failed", score = report.score;
  const number = report.headline ? report.headline.number : score?.probability ?? null;
  return h(`section.sheet.verdict.is-${VERDICTS[state]?.[0] || "plain"}`, { "aria-label": `Scan ${LETTERS[place]}` },
    h("p.small.soft", {}, `${LETTERS[place]} · judged ${when(row.created)}`),
    h("div.verdict-top", {},
      h("div.grow", {}, h("h2", {}, h("a", { href: `#/scan/${row.id}` }, name(report.file.name))), verdictTag(state), h("p", {}, report.error ?? report.headline?.text ?? "")),
      number !== null && h("div.verdict-number", {}, h("b", {}, share(number)),
        score && h("span.small", {}, `interval ${share(score.low)} to ${share(score.high)}`))),
    number !== null && score && scale(score, linesOf(report, leadOf(report))),
    report.notices.filter((one) => one.level === "trust").map((one) => notice("bad", one.text)));
}

/** The line of the deciding face of each report. */
function makeOverlay(reports) {
  const series = reports.map((report, place) => {
    const track = leadOf(report) ?? report.tracks[0];
    const points = (track?.frames ?? []).filter((one) => one.fake_score !== null).map((one) => [one.pts_s, one.fake_score, one.in_range]);
    return { label: `${LETTERS[place]}, face ${(track?.id ?? 0) + 1}`, place, points };
  }).filter((one) => one.points.length > 1);
  if (!series.length) return null;
  const times = series.flatMap((one) => one.points.map(([t]) => t));
  const lengths = reports.map((report) => report.media?.duration_s ?? 0);
  return makeChart({ series, span: [Math.min(0, ...times), Math.max(...lengths, ...times)], lines: linesOf(reports[0], leadOf(reports[0])), label: "Scores of both scans over time" });
}

const shown = (value) => (value === null || value === undefined ? h("span.soft", {}, "unset") : typeof value === "object" ? JSON.stringify(value) : String(value));

function differences(found) {
  const rows = [...found.settings, ...found.detector.map((one) => ({ ...one, name: `detector ${one.name}` }))];
  if (!rows.length) return empty("Settings and detector are the same.");
  return table([["Setting", (row) => row.name.replaceAll("_", " ")], ["A", (row) => h("span.mono", {}, shown(row.first))], ["B", (row) => h("span.mono", {}, shown(row.second))]], rows);
}

function facts(reports) {
  const cell = (text) => (report) => text(report) ?? h("span.soft", {}, "none");
  const heard = (report) => leadOf(report);
  const rows = [
    ["Verdict", cell((one) => VERDICTS[one.verdict ?? "failed"][1])],
    ["Number", cell((one) => share(one.headline?.number ?? one.score?.probability) || null)],
    ["Faces found", cell((one) => String(one.tracks.length))],
    ["Faces that count", cell((one) => String(one.headline?.counted ?? one.tracks.filter((track) => !track.aside).length))],
    ["Frames looked at", cell((one) => (one.sampling ? String(one.sampling.read) : null))],
    ["Deciding face", cell((one) => (heard(one) ? String(heard(one).id + 1) : null))],
    ["Quality of it", cell((one) => heard(one)?.quality?.bin ?? null)],
    ["Size of it", cell((one) => (heard(one) ? `${Math.round(heard(one).face_px)} pixels` : null))],
    ["Detector", cell((one) => (one.detector ? `${one.detector.name} ${one.detector.version}` : null))],
    ["Time", cell((one) => `${Object.values(one.timings_s).reduce((a, b) => a + b, 0).toFixed(1)} s`)],
  ];
  return table([["", ([title]) => title], ["A", ([, text]) => text(reports[0])], ["B", ([, text]) => text(reports[1])]], rows);
}
