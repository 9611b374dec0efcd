// Before and after, one over the other, with a wipe.

import { address } from "../../js/api.js";
import { h } from "../../js/ui.js";

export function viewer() {
  const below = h("img", { alt: "The frame before" }), above = h("img.after", { alt: "The frame with the new face" });
  const edge = h("div.wipe-edge", {});
  const element = h("div.wipe", { tabindex: -1, role: "group", "aria-label": "Before and after" }, below, above, edge);
  const range = h("input", { type: "range", min: 0, max: 100, value: 0, oninput: draw });
  const slider = h("label.row.grow", {}, "Wipe: before on the left", range);
  let original = false, urls = [];

  function draw() {
    const share = original ? 100 : Number(range.value);
    above.style.clipPath = `inset(0 0 0 ${share}%)`;
    edge.style.left = `${share}%`;
    edge.hidden = share <= 0 || share >= 100;
  }

  async function load(image, path, query) {
    const answer = await fetch(address(path, query));
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `the studio answered ${answer.status}`);
    const url = URL.createObjectURL(await answer.blob());
    const old = image.src;
    image.src = url;
    await image.decode();
    urls = urls.filter((one) => one !== old);
    urls.push(url);
    URL.revokeObjectURL(old);
    return Number(answer.headers.get("x-milliseconds"));
  }

  element.addEventListener("pointerdown", drag);
  element.addEventListener("pointermove", (event) => { if (event.buttons & 1) drag(event); });
  function drag(event) {
    const box = element.getBoundingClientRect();
    range.value = (100 * (event.clientX - box.left)) / box.width;
    draw();
  }

  draw();
  return {
    element, slider,
    before: (path, query) => load(below, path, query),
    after: (path, query) => load(above, path, query),
    shape(width, height) { element.style.aspectRatio = `${width} / ${height}`; },
    toggle() { original = !original; draw(); },
    wipe(by) { original = false; range.value = Number(range.value) + by; draw(); },
    leave() { urls.forEach((url) => URL.revokeObjectURL(url)); },
  };
}
