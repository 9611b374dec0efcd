// Requests to the studio's own interface, and the feed of changes of jobs.

let session = null;

export async function start() {
  session = await get("/session");
  return session;
}

export const roots = () => session.roots;
export const version = () => session.version;

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const get = (path, query) => ask("GET", path + asQuery(query));
export const post = (path, body, query) => ask("POST", path + asQuery(query), body);
export const put = (path, body) => ask("PUT", path, body);
export const remove = (path, body) => ask("DELETE", path, body);

/** The address of something that an <img> or a link shows. */
export const address = (path, query) => `/api/v1${path}${asQuery(query)}`;

export function asQuery(query) {
  const words = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") words.append(key, one);
    }
  }
  return words.size ? `?${words}` : "";
}

async function ask(method, path, body) {
  const headers = session ? { "X-CSRF-Token": session.csrf } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(`/api/v1${path}`, {
    method, headers, body: body === undefined ? undefined : JSON.stringify(body),
  });
  const value = await answer.json().catch(() => null);
  if (!answer.ok) throw new ApiError(answer.status, reason(value, answer.status));
  return value;
}

function reason(value, status) {
  if (value?.error) return value.error;
  if (Array.isArray(value?.detail)) {
    return value.detail.map((one) => `${one.loc.slice(1).join(".")}: ${one.msg}`).join("; ");
  }
  return `the studio answered ${status}`;
}

/** Send a file in; `told(share)` is called as it goes, and `signal` ends it. */
export function upload(file, told = () => {}, signal = undefined) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", address("/uploads", { name: file.name }));
    request.setRequestHeader("X-CSRF-Token", session.csrf);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => told(event.loaded / Math.max(event.total, 1));
    request.onerror = () => failed(new ApiError(0, `${file.name}: the studio cannot be reached`));
    request.onload = () => {
      let value = null;
      try { value = JSON.parse(request.responseText); } catch { /* told below */ }
      if (request.status === 201) done(value);
      else failed(new ApiError(request.status, reason(value, request.status)));
    };
    request.onabort = () => failed(new ApiError(0, `${file.name}: stopped`));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

const listeners = new Set();
const known = new Map(); // job id -> its last row

/** Call `heard(job)` for each change of a job; gives a function that ends it. */
export function onJob(heard) {
  listeners.add(heard);
  return () => listeners.delete(heard);
}

export const jobsKnown = () => [...known.values()].sort((a, b) => b.created - a.created);

export function listen() {
  const events = new EventSource(address("/events"));
  events.addEventListener("job", (event) => {
    const job = JSON.parse(event.data);
    known.set(job.id, job);
    for (const heard of [...listeners]) heard(job);
  });
}

/** The last row of a job that there is: the feed may be ahead of an answer. */
export function newest(job) {
  const last = known.get(job.id);
  return last && last.change > job.change ? last : job;
}

export const isOpen = (job) => ["waiting", "running", "stopping"].includes(job.state);

/** Run a command: a new job. */
export const run = (command, args, options = {}, title = "", page = false) =>
  post("/jobs", { command, arguments: args, options, title, page });

/** The job once it has ended, with its results; `told(job)` is called as it goes. */
export function finished(id, told = () => {}) {
  return new Promise((done) => {
    const heard = async (job) => {
      if (job.id !== id) return;
      told(job);
      if (isOpen(job)) return;
      stop();
      done(await get(`/jobs/${id}`));
    };
    const stop = onJob(heard);
    get(`/jobs/${id}`).then((found) => heard(found.job));
  });
}
