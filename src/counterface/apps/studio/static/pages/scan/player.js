// The frames of a file with the score of each face in step, by exact presentation times.

import { address, get } from "../../js/api.js";
import { action, fill, h } from "../../js/ui.js";
import { makeChart, seriesOfTracks } from "./chart.js";
import { boxesAt, drawBoxes } from "./boxes.js";
import { clock, faceName, leadOf, linesOf, ranked, share } from "./words.js";

const MOST_FACES = 6; // lines in the chart, and boxes in the picture
const KEPT = 80; // decoded frames in memory
const AHEAD = 16;
const LOOK_EVERY_MS = 500; // how far the pack is
const SPEEDS = [0.1, 0.25, 0.5, 1, 2];

/** A player: {element, seek(seconds), leave()}; `job` tells frames from those of an older scan of this number. */
export function makePlayer(id, report, job) {
  const still = report.media.kind === "image";
  const tracks = ranked(report).slice(0, MOST_FACES);
  const canvas = h("canvas.player-picture", { role: "img", "aria-label": still ? "The picture with a box for each face" : "The frame that is shown" });
  canvas.width = report.media.width;
  canvas.height = report.media.height;
  const told = h("p.player-told.small", { role: "status" }, "The frames are being read.");
  const view = h("div.player-view", {}, canvas, told);
  const shape = (width, height) => { // its size is known before a frame is there
    view.style.aspectRatio = `${width} / ${height}`;
    view.style.width = `min(100%, 900px, calc(62vh * ${width / height}))`;
  };
  shape(report.media.width, report.media.height);
  const element = h("section.sheet.player", { "aria-label": "Player" }, view);
  const images = new Map(); // frame number -> picture, those used last at the end
  const controls = still ? null : makeControls();
  const chart = still || !tracks.some((track) => track.frames.length) ? null : makeChart({
    series: seriesOfTracks(tracks), span: spanOf(report), lines: linesOf(report, leadOf(report)), pressed: (seconds) => seek(seconds),
    label: "Score of each face over time; the keys of the player move through it",
  });
  if (!still) element.append(controls.element, ...(chart ? [chart.element] : []));
  let pack = { frames: [] }, at = 0, playing = false, clockStart = 0, ptsStart = 0, gone = false;
  let wanted = firstScored(tracks); // a moment that is shown as soon as it has been read

  async function load() {
    while (!gone) {
      try {
        const found = await get(`/scans/${id}/frames`);
        if (gone) return;
        take(found);
        if (found.state === "done" || found.state === "failed") return;
      } catch (error) {
        return tell(error.message);
      }
      await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
    }
  }

  function take(found) {
    const before = pack.frames[at]?.number;
    pack = found;
    if (found.state === "failed") return tell(`No player: ${found.error}`);
    tell(found.state === "waiting" ? "Waits for the frames of another file."
      : found.state === "making" ? `Reading frames: ${found.read}${found.expected ? ` of ${found.expected}` : ""}` : "");
    if (!pack.frames.length) return;
    shape(pack.width, pack.height); // differs where pixels are not square
    controls?.sized(pack.frames.length - 1);
    const same = pack.frames.findIndex((one) => one.number === before);
    if (wanted !== null) seek(wanted);
    else show(before === undefined ? 0 : Math.max(same, 0), before !== undefined);
  }

  const tell = (text) => { told.textContent = text; told.hidden = !text; };

  function picture(place) {
    const { number } = pack.frames[place];
    let found = images.get(number);
    if (found) images.delete(number);
    else {
      const image = new Image();
      image.src = address(`/scans/${id}/frames/${number}.jpg`, { of: job });
      found = { image, ready: false };
      found.loaded = image.decode().then(() => { found.ready = true; }, () => images.delete(number));
    }
    images.set(number, found);
    while (images.size > KEPT) images.delete(images.keys().next().value);
    return found;
  }

  function show(place, quietly = false) {
    at = Math.max(0, Math.min(place, pack.frames.length - 1));
    const frame = pack.frames[at];
    const found = picture(at);
    if (found.ready) draw();
    else found.loaded.then(() => { if (!gone && pack.frames[at]?.number === frame.number) draw(); });
    for (let next = at + 1; next <= Math.min(at + (playing ? AHEAD : 3), pack.frames.length - 1); next += 1) picture(next);
    if (!quietly || !playing) chart?.mark(frame.pts_s);
    controls?.shown(at, frame.pts_s);
  }

  function draw() {
    const frame = pack.frames[at];
    const found = images.get(frame?.number);
    if (!found?.ready) return;
    const density = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(view.clientWidth * density), height = Math.round(view.clientHeight * density);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.drawImage(found.image, 0, 0, width, height);
    const boxes = boxesAt(tracks, frame.pts_s, still);
    if (!controls || controls.boxes()) drawBoxes(context, boxes, width / pack.width, density);
    element.dataset.pts = frame.pts_s;
    element.dataset.number = frame.number;
    element.dataset.boxes = boxes.length;
    controls?.said(frame, at, boxes);
  }

  function nearest(seconds) {
    let [low, high] = [0, pack.frames.length - 1];
    while (low < high) { // the last frame that is on show at that time
      const middle = (low + high + 1) >> 1;
      if (pack.frames[middle].pts_s <= seconds + 1e-4) low = middle; else high = middle - 1;
    }
    return low;
  }

  /** Show the frame of a moment, as soon as it has been read. */
  function seek(seconds) {
    const last = pack.frames.at(-1)?.pts_s ?? -1;
    wanted = seconds > last && pack.state !== "done" ? seconds : null;
    if (pack.frames.length) move(nearest(seconds));
  }

  function move(place) {
    show(place);
    [clockStart, ptsStart] = [performance.now(), pack.frames[at].pts_s];
  }

  function play(now) {
    playing = now && pack.frames.length > 1;
    controls.playing(playing);
    if (!playing) return;
    move(at >= pack.frames.length - 1 ? 0 : at);
    requestAnimationFrame(tick);
  }

  function tick(now) {
    if (!playing || gone) return;
    const moment = ptsStart + ((now - clockStart) / 1000) * controls.speed();
    let next = at;
    while (next < pack.frames.length - 1 && pack.frames[next + 1].pts_s <= moment && picture(next + 1).ready) next += 1;
    if (next !== at) show(next);
    else if (at < pack.frames.length - 1 && pack.frames[at + 1].pts_s < moment) {
      [clockStart, ptsStart] = [now, pack.frames[at + 1].pts_s]; // it is not there yet: time waits
    }
    if (at >= pack.frames.length - 1 && pack.state === "done") return play(false);
    requestAnimationFrame(tick);
  }

  function nextScored(direction) {
    const times = [...new Set(tracks.flatMap((track) => track.frames.map((one) => one.pts_s)))].sort((a, b) => a - b);
    const here = pack.frames[at]?.pts_s ?? 0;
    const found = direction > 0 ? times.find((t) => t > here + 1e-3) : times.findLast((t) => t < here - 1e-3);
    if (found !== undefined) seek(found);
  }

  function makeControls() {
    const press = (text, label, work) => h("button", { type: "button", "aria-label": label, title: label, onclick: action(async () => work()) }, text);
    const start = press("Play", "Play or pause (space)", () => play(!playing));
    const slider = h("input", {
      type: "range", min: "0", max: "0", step: "1", value: "0", "aria-label": "Frame",
      oninput: () => pack.frames.length && move(Number(slider.value)),
    });
    const time = h("span.player-time.mono", {}, "0:00.000");
    const speed = h("select", { "aria-label": "Speed", onchange: () => pack.frames.length && move(at) }, SPEEDS.map((one) => h("option", { value: one, selected: one === 1 }, `${one}×`)));
    const boxes = h("input", { type: "checkbox", checked: true, onchange: () => draw() });
    const said = h("p.player-said.small", {});
    const bar = h("div.player-bar", {},
      start, press("‹", "One frame back (left arrow)", () => move(at - 1)), press("›", "One frame on (right arrow)", () => move(at + 1)),
      press("« scored", "Scored frame before (P)", () => nextScored(-1)), press("scored »", "Next scored frame (N)", () => nextScored(1)),
      slider, time, speed, h("label.row.small", {}, boxes, "boxes"));
    return {
      element: h("div", {}, bar, said),
      sized(most) { slider.max = most; },
      shown(place, pts) {
        slider.value = place;
        slider.setAttribute("aria-valuetext", `${clock(pts, 2)}, frame ${place + 1} of ${pack.frames.length}`);
        time.textContent = clock(pts, 3);
      },
      said(frame, place, now) {
        const faces = now.filter((one) => one.score !== null).map((one) => `${faceName(one.track.id)} ${share(one.score)}${one.exact ? "" : " (between scored frames)"}`);
        fill(said, faces.length ? faces.join(", ") : "no scored face at this moment");
      },
      playing(now) { start.textContent = now ? "Pause" : "Play"; },
      speed: () => Number(speed.value),
      boxes: () => boxes.checked,
    };
  }

  const KEYS = {
    " ": () => play(!playing), k: () => play(!playing),
    ArrowLeft: (far) => (far ? seek(pack.frames[at].pts_s - 1) : move(at - 1)),
    ArrowRight: (far) => (far ? seek(pack.frames[at].pts_s + 1) : move(at + 1)),
    Home: () => move(0), End: () => move(pack.frames.length - 1),
    n: () => nextScored(1), p: () => nextScored(-1),
  };
  if (!still) {
    view.tabIndex = 0;
    view.setAttribute("role", "group");
    view.setAttribute("aria-label", "Player: space plays, arrows step by frames, with shift by seconds, N and P go to scored frames");
    element.addEventListener("keydown", (event) => {
      const typed = event.target.closest("button, select, input:not([type=range])");
      const work = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!work || typed || event.ctrlKey || event.altKey || event.metaKey || !pack.frames.length) return;
      event.preventDefault();
      work(event.shiftKey);
    });
    chart?.element.addEventListener("click", () => view.focus({ preventScroll: true }));
    view.addEventListener("pointerdown", () => { view.focus({ preventScroll: true }); if (pack.frames.length) play(!playing); });
  }
  const sized = new ResizeObserver(() => { if (pack.frames.length) draw(); });
  sized.observe(view);
  load();
  return { element, seek(seconds) { seek(seconds); element.scrollIntoView({ block: "nearest" }); }, leave() { gone = true; playing = false; sized.disconnect(); chart?.leave(); } };
}

function firstScored(tracks) {
  const times = tracks.flatMap((track) => track.frames.slice(0, 1).map((one) => one.pts_s));
  return times.length ? Math.min(...times) : null;
}

function spanOf(report) {
  const times = report.tracks.flatMap((track) => track.frames.map((one) => one.pts_s));
  return [Math.min(0, ...times), Math.max(report.media.duration_s ?? 0, ...times)];
}
