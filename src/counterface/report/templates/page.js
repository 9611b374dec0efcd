"use strict";
// Each timeline shows the frame under the pointer; the arrow keys do the same.
const films = new Map();
for (const data of document.querySelectorAll(".film-data")) {
  films.set(data.dataset.file, JSON.parse(data.textContent));
}
for (const timeline of document.querySelectorAll(".timeline")) {
  const points = JSON.parse(timeline.querySelector(".points").textContent);
  const film = films.get(timeline.dataset.file) || [];
  const canvas = timeline.querySelector(".canvas");
  const cursor = timeline.querySelector(".cursor");
  const viewer = timeline.querySelector(".viewer");
  let current = Number(timeline.dataset.worst);

  const show = (index) => {
    current = Math.max(0, Math.min(points.length - 1, index));
    const point = points[current];
    cursor.hidden = false;
    cursor.style.left = point.x + "%";
    cursor.firstElementChild.style.top = point.y + "%";
    canvas.setAttribute("aria-valuenow", current + 1);
    canvas.setAttribute("aria-valuetext", point.time + ", " + point.score);
    if (!viewer || point.thumb === null || !film[point.thumb]) return;
    const frame = film[point.thumb];
    const image = viewer.querySelector("img");
    if (image.getAttribute("src") !== frame.src) image.src = frame.src;
    image.alt = "Frame at " + frame.time;
    const box = viewer.querySelector(".facebox");
    box.hidden = !point.box;
    if (point.box) {
      const [left, top, width, height] = point.box;
      Object.assign(box.style, {
        left: left + "%", top: top + "%", width: width + "%", height: height + "%",
      });
    }
    viewer.querySelector(".at").textContent = point.time;
    viewer.querySelector(".value").textContent = point.score;
    viewer.querySelector(".px").textContent = point.size;
  };
  const nearest = (event) => {
    const area = canvas.getBoundingClientRect();
    const x = (100 * (event.clientX - area.left)) / area.width;
    let best = 0;
    points.forEach((point, i) => {
      if (Math.abs(point.x - x) < Math.abs(points[best].x - x)) best = i;
    });
    show(best);
  };
  canvas.addEventListener("pointermove", nearest);
  canvas.addEventListener("pointerdown", nearest);
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const target = { Home: 0, End: points.length - 1 }[event.key] ?? (step ? current + step : null);
    if (target === null) return;
    event.preventDefault();
    show(target);
  });
  show(current);
}

// The overview sorts by a column and shows only what is asked for; without this script it is whole.
const table = document.querySelector(".files");
if (table) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const bar = document.querySelector(".filter");
  const state = bar.querySelector(".filter-state");
  const text = bar.querySelector(".filter-text");
  const counter = bar.querySelector(".filter-count");
  bar.hidden = false;

  const filter = () => {
    const wanted = text.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = (!state.value || row.dataset.state === state.value) &&
        row.textContent.toLowerCase().includes(wanted);
      row.hidden = !fits;
      document.getElementById(row.dataset.file).hidden = !fits;
      shown += fits;
    }
    counter.textContent = shown === rows.length ? "" : shown + " of " + rows.length;
  };
  state.addEventListener("change", filter);
  text.addEventListener("input", filter);

  for (const head of table.querySelectorAll("th[data-sort]")) {
    const key = head.dataset.sort;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const firstDown = key === "number" || key === "faces";
      const was = head.getAttribute("aria-sort");
      const down = was ? was === "ascending" : firstDown;
      for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const compare = (a, b) => key === "name"
        ? a.dataset.name.localeCompare(b.dataset.name, undefined, { numeric: true })
        : Number(a.dataset[key]) - Number(b.dataset[key]);
      rows.sort((a, b) => (down ? compare(b, a) : compare(a, b)));
      body.append(...rows);
    });
  }
}
