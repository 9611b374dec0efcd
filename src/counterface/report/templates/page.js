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
