// The queue: every file that came in, from sending to its verdict. It lives as long as the tab.

import { get, isOpen, jobsKnown, newest, onJob, post, upload } from "../../js/api.js";
import { action, button, debounce, fill, h, sheet, tag, tell } from "../../js/ui.js";
import { name, share, verdictTag } from "./words.js";

const SENDERS = 2; // files that are sent at once
const PAGE = 40; // rows that are shown at once
const ENDED = ["done", "failed", "stopped", "known"];

const items = new Map(); // key -> {key, name, state, share, text, error, job, scan, settings, place}
const byJob = new Map(); // job id -> item
const listeners = new Set();
const unsent = [];
let sending = 0, made = 0, watching = false;

/** Call `heard()` when the queue or the history has changed; gives a function that ends it. */
export function onQueue(heard) {
  listeners.add(heard);
  return () => listeners.delete(heard);
}

let told = false;
function changed() {
  if (told) return;
  told = true; // many changes make one drawing
  setTimeout(() => { told = false; for (const heard of [...listeners]) heard(); }, 100);
}

/** Send files in, a few at once, and judge each as soon as it is there. */
export function addFiles(files, settings) {
  for (const file of files) unsent.push(addItem({ name: file.name, state: "to send", file, settings }));
  while (sending < SENDERS && unsent.length) sendNext();
}

async function sendNext() {
  sending += 1;
  for (let item = unsent.shift(); item; item = unsent.shift()) {
    if (item.state !== "to send") continue;
    item.control = new AbortController();
    item.state = "sending";
    changed();
    try {
      const sent = await upload(item.file, (part) => { item.share = part; changed(); }, item.control.signal);
      item.place = sent.place;
      if (item.state === "sending") await judge(item);
    } catch (error) {
      if (item.state !== "stopped") Object.assign(item, { state: "failed", error: error.message });
    }
    item.file = item.control = undefined;
    changed();
  }
  sending -= 1;
}

async function judge(item, again = item.settings.again) {
  const answer = await post("/scans", { places: [item.place], ...item.settings, again });
  const unwanted = item.state === "stopped"; // meanwhile
  if (answer.jobs.length) {
    attach(item, answer.jobs[0]);
    if (unwanted && !ENDED.includes(item.state)) await stop(item);
  } else Object.assign(item, { state: "known", scan: answer.known[0] });
}

/** Judge what lies on this machine; gives whether it could be named. */
export async function addPlaces(places, settings) {
  let ok = true;
  for (const place of places) {
    const waiting = addItem({ name: place, state: "looking", settings });
    try {
      const answer = await post("/scans", { places: [place], ...settings });
      items.delete(waiting.key);
      for (const row of answer.known) addItem({ name: row.name, state: "known", scan: row, place: row.place, settings });
      for (const job of answer.jobs) attach(byJob.get(job.id) ?? addItem({ name: job.title, place: job.title, settings }), job);
      if (!answer.known.length && !answer.jobs.length) tell(`${place}: no picture or video in it.`);
    } catch (error) {
      ok = false;
      tell(error.message);
      Object.assign(waiting, { state: "failed", error: error.message });
    }
    changed();
  }
  return ok;
}

function addItem(given) {
  made += 1;
  const item = { key: made, share: 0, text: "", error: "", ...given };
  items.set(item.key, item);
  changed();
  return item;
}

function attach(item, job) {
  const other = byJob.get(job.id); // the feed was quicker than the answer
  if (other && other !== item) items.delete(other.key);
  item.job = job.id;
  byJob.set(job.id, item);
  follow(item, newest(job));
}

function follow(item, job) {
  const left = isOpen(job) ? "" : job.state;
  Object.assign(item, {
    state: job.state, error: job.error, text: job.text,
    share: job.total ? job.done / job.total : 0,
  });
  if (left && !item.scan) findReports();
  changed();
}

/** The rows of the history for jobs that have ended; asked for once for many. */
const findReports = debounce(async () => {
  for (const row of await get("/scans", { most: 200 }).catch(() => [])) {
    const item = byJob.get(row.job);
    if (item) Object.assign(item, { scan: row, state: row.verdict === "failed" ? "failed" : item.state });
  }
  changed();
}, 250);

function watch() {
  if (watching) return;
  watching = true;
  const heard = (job) => {
    if (job.command !== "scan") return;
    const item = byJob.get(job.id);
    if (item) follow(item, job);
    else if (isOpen(job)) setTimeout(() => { // one that was begun elsewhere, or before a reload
      if (!byJob.has(job.id)) attach(addItem({ name: job.title, settings: { options: {}, again: false, pdf: false } }), job);
    }, 1500);
  };
  onJob(heard);
  jobsKnown().forEach(heard);
}

async function stop(item) {
  if (item.job && !ENDED.includes(item.state)) return post(`/jobs/${item.job}/stop`);
  item.state = "stopped";
  item.control?.abort();
  changed();
}

async function stopAll() {
  for (const item of items.values()) if (!item.job && !ENDED.includes(item.state)) await stop(item);
  const count = await post("/scans/stop");
  tell(count ? `${count} ${count === 1 ? "scan is" : "scans are"} being stopped.` : "Nothing was running.");
}

async function again(item) {
  const id = item.scan?.id;
  if (id !== undefined) attach(addItem({ name: item.name, settings: item.settings, place: item.place }), await post(`/scans/${id}/again`));
  else if (item.job) attach(item, await post(`/jobs/${item.job}/again`));
  else if (item.place) await judge(item, true);
  changed();
}

export function makeQueue() {
  watch();
  const summary = h("p.grow.small", {}), whole = h("progress", { "aria-label": "Progress of the queue", max: 1, value: 0 });
  const list = h("ul.queue", { "aria-label": "Files of the queue" });
  const filter = h("select", { "aria-label": "Which files are listed", onchange: () => { page = 0; draw(); } },
    [["all", "all"], ["open", "open"], ["ended", "ended"], ["failed", "failed or stopped"]].map(([value, text]) => h("option", { value }, text)));
  const where = h("span.small.soft", {});
  const before = button("Earlier", async () => { page -= 1; draw(); }), after = button("Later", async () => { page += 1; draw(); });
  const pager = h("div.row", {}, before, after, where);
  const element = sheet("Queue", h("div.row", {}, summary, h("div.queue-filter", {}, filter),
    button("Stop all", stopAll), button("Clear the ended", async () => {
      for (const item of items.values()) if (ENDED.includes(item.state)) { items.delete(item.key); byJob.delete(item.job); }
      draw();
    })), whole, list, pager);
  const rows = new Map(); // key -> row; kept, so that focus stays where it is
  let page = 0;

  function draw() {
    const all = [...items.values()];
    const ended = all.filter((item) => ENDED.includes(item.state)).length;
    element.hidden = !all.length;
    const bad = all.filter((item) => ["failed", "stopped"].includes(item.state)).length;
    summary.textContent = `${ended} of ${all.length} ended${bad ? `, ${bad} failed or stopped` : ""}`;
    whole.value = all.length ? ended / all.length : 0;
    const wanted = all.filter((item) => ({
      all: true, open: !ENDED.includes(item.state), ended: ENDED.includes(item.state),
      failed: ["failed", "stopped"].includes(item.state),
    })[filter.value]);
    page = Math.max(0, Math.min(page, Math.ceil(wanted.length / PAGE) - 1));
    const shown = wanted.slice(page * PAGE, (page + 1) * PAGE);
    for (const key of rows.keys()) if (!shown.some((item) => item.key === key)) rows.delete(key);
    const elements = shown.map((item) => {
      if (!rows.has(item.key)) rows.set(item.key, makeRow(item));
      rows.get(item.key).update();
      return rows.get(item.key).element;
    });
    if (elements.length !== list.children.length || elements.some((one, place) => list.children[place] !== one)) fill(list, elements);
    pager.hidden = wanted.length <= PAGE;
    before.disabled = page === 0;
    after.disabled = (page + 1) * PAGE >= wanted.length;
    where.textContent = `${page * PAGE + 1} to ${page * PAGE + shown.length} of ${wanted.length}`;
  }
  draw();
  return { element, leave: onQueue(draw) };
}

function makeRow(item) {
  const title = h("span.queue-name", {}), state = h("span.queue-state", {}), does = h("span.queue-does", {});
  const element = h("li", { "data-key": item.key }, title, state, does);
  const bar = h("progress", { "aria-label": `Progress of ${name(item.name)}`, max: 1 });
  let last = "";
  return {
    element,
    update() {
      const open = !ENDED.includes(item.state);
      if (open && item.share) bar.value = item.share;
      const now = [item.state, item.error, item.scan?.id, open && Boolean(item.share), open && item.text].join("\n");
      if (now === last) return;
      last = now;
      const text = name(item.name);
      fill(title, item.scan ? h("a", { href: `#/scan/${item.scan.id}`, title: text }, text) : h("span", { title: text }, text));
      fill(state, wordsOf(item), open && ["running", "sending"].includes(item.state) && bar);
      element.title = item.error;
      const press = (label, work) => h("button.small", { type: "button", "aria-label": `${label}: ${text}`, onclick: action(() => work(item)) }, label);
      fill(does, open && item.state !== "looking" ? press("Stop", stop)
        : !open && (item.scan || item.job) && item.state !== "done" && press(item.state === "known" ? "Scan again" : "Try again", again));
    },
  };
}

function wordsOf(item) {
  if (item.state === "known") return [verdictTag(item.scan.verdict), h("span.small.soft", {}, "judged before")];
  if (item.scan && item.state !== "stopped") {
    return [verdictTag(item.scan.verdict), item.scan.number !== null && h("span.small.soft", {}, share(item.scan.number))];
  }
  if (item.state === "failed") return [tag("bad", "failed"), h("span.small.queue-error", {}, item.error)];
  return [tag(item.state === "stopped" ? "unsure" : "", item.state)];
}
