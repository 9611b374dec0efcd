// Jobs as cards, in the drawer and on pages.

import { finished, get, isOpen, jobsKnown, onJob, post } from "./api.js";
import { button, empty, fill, h, seconds, tag, tell } from "./ui.js";

const KINDS = { done: "good", failed: "bad", stopped: "unsure" };

/** A card that shows a job as it goes; `more(job)` gives what stands below it once it has ended. */
export function jobCard(job, more = () => null) {
  const card = h("div.job", { "data-job": job.id });
  let last = "";
  const show = (now) => {
    const state = `${now.state} ${now.done} ${now.text}`;
    if (now.id !== job.id || state === last) return;
    last = state;
    fill(card, body(now), isOpen(now) ? null : more(now));
  };
  const stop = onJob((now) => (card.isConnected || !last ? show(now) : stop()));
  show(job);
  return card;
}

function body(job) {
  return [
    h("div.row", {}, h("b.grow", { title: job.title }, job.title), tag(KINDS[job.state], job.code === 2 ? "done, some failed" : job.state)),
    h("div.small.soft", {}, `counterface ${job.command}`, timing(job)),
    job.state === "running" && h("progress", { "aria-label": `Progress of ${job.title}`, ...(job.total ? { max: job.total, value: job.done } : {}) }),
    job.text && isOpen(job) && h("div.small.soft", {}, `${job.done}${job.total ? " of " + job.total : ""} ${job.text}`),
    job.error && h("p.notice.bad.small", {}, job.error),
    h("details.small", {}, h("summary", {}, "Command line"), h("pre", {}, job.line)),
    h("div.row", {},
      isOpen(job) && button("Stop", () => post(`/jobs/${job.id}/stop`), { disabled: job.state === "stopping" }),
      ["failed", "stopped"].includes(job.state) && button("Run again", async () => { await post(`/jobs/${job.id}/again`); tell("It waits in its queue."); })),
  ];
}

function timing(job) {
  if (!job.started) return "";
  const taken = (job.ended ?? Date.now() / 1000) - job.started;
  const left = job.state === "running" && job.total && job.done > 0
    ? `, about ${seconds((taken / job.done) * (job.total - job.done))} left` : "";
  return ` · ${seconds(taken)}${left}`;
}

/** Start a job, show its card in an element, and give the job with its results once it has ended. */
export async function follow(started, element, more) {
  const job = await started;
  element.prepend(jobCard(job, more));
  return finished(job.id);
}

/** The drawer of all jobs, and the count of those that are open. */
export function setUpDrawer(drawer, opener, count) {
  const list = h("div", {});
  const show = () => fill(list, jobsKnown().slice(0, 100).map((job) => jobCard(job)), jobsKnown().length === 0 && empty("No job yet."));
  fill(drawer, h("div.row", {}, h("h2.grow", { id: "jobs-title" }, "Jobs"), h("button", { type: "button", onclick: () => drawer.close() }, "Close")), list);
  opener.addEventListener("click", () => { show(); drawer.showModal(); });
  const tally = () => {
    const open = jobsKnown().filter(isOpen).length;
    count.textContent = open;
    count.hidden = !open;
  };
  onJob(tally);
  get("/jobs/counts").then(tally);
}
