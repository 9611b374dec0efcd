// 68 landmarks of a crop, to drag or to move by keys.

import { put } from "../../js/api.js";
import { button, fill, h } from "../../js/ui.js";
import { ARROWS, drag, s } from "./svg.js";

const GROUPS = [ // name, first point, number of points, whether the line closes
  ["jaw", 0, 17, false], ["brow on the left", 17, 5, false], ["brow on the right", 22, 5, false],
  ["bridge of the nose", 27, 4, false], ["nose", 31, 5, false], ["eye on the left", 36, 6, true],
  ["eye on the right", 42, 6, true], ["outer lips", 48, 12, true], ["inner lips", 60, 8, true],
];
const COLOURS = ["jaw", "brow", "brow", "nose", "nose", "eye", "eye", "mouth", "mouth"];
const STEP = 0.5, FAR = 5; // pixels that an arrow moves a point, alone and with Shift

export function landmarkEditor({ stage, side, place, saved, undoChange }, crop) {
  let seen = crop.landmarks, points = copy(seen), focused = -1;
  const steps = []; // points before each change
  const { size } = crop, said = h("p.mono.small", { role: "status" });
  const lines = GROUPS.map((_, number) => s("path", { class: `line ${COLOURS[number]}` }));
  const dots = points.map((_, index) => s("circle", {
    class: `dot ${COLOURS[groupOf(index)]}`, r: Math.max(1.1, size / 130), tabindex: 0, role: "button", "data-point": index,
    onfocus: () => { focused = index; tellPoint(); }, onblur: () => { focused = -1; },
    onpointerdown: (event) => {
      event.preventDefault();
      event.stopPropagation();
      dots[index].focus();
      keep();
      drag(stage, event, (point) => { points[index] = point; draw(); });
    },
  }));
  stage.append(s("g", {}, lines), s("g", {}, dots));
  const save = button("Save", store, { class: "main", title: "Ctrl+S" }), reset = button("Reset", () => { keep(); points = copy(seen); draw(); }, { title: "R" });
  side.append(
    said, h("div.row", {}, save, reset, button("Undo", back, { title: "Ctrl+Z" })),
    h("ul.legend", {}, GROUPS.map(([name], number) => h("li", {}, h(`span.point-key.${COLOURS[number]}`, {}), name))),
    h("dl.keys", {}, [["Tab", "to the next point"], ["Arrows", "move it by half a pixel, with Shift by 5"], ["Ctrl+Z", "take the last move back"], ["R", "reset"], ["Ctrl+S", "save"], ["Page Up, Page Down", "crop before, after"]].map(([key, what]) => [h("dt", {}, key), h("dd", {}, what)])),
    h("p.small.soft", {}, "The crop stays as it is cut. Saving can be taken back:"),
    button("Take back the last change of landmarks", undoChange));
  draw();

  function draw() {
    for (const [number, [, first, count, closes]] of GROUPS.entries()) {
      lines[number].setAttribute("d", `M${points.slice(first, first + count).map((one) => one.join(",")).join("L")}${closes ? "Z" : ""}`);
    }
    for (const [index, dot] of dots.entries()) {
      const [x, y] = points[index];
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", y);
      dot.setAttribute("aria-label", `point ${index + 1} of 68, ${GROUPS[groupOf(index)][0]}, ${x.toFixed(1)}, ${y.toFixed(1)}`);
    }
    save.disabled = reset.disabled = !dirty();
    tellPoint();
  }

  function tellPoint() {
    const moved = points.filter(([x, y], index) => x !== seen[index][0] || y !== seen[index][1]).length;
    const where = focused < 0 ? "no point chosen" : `${focused + 1}, ${GROUPS[groupOf(focused)][0]}: ${points[focused].map((one) => one.toFixed(1)).join(", ")}`;
    fill(said, `${where}; ${moved} moved`);
  }

  function keep() { steps.push(copy(points)); }
  function back() { if (steps.length) { points = steps.pop(); draw(); } }
  function dirty() { return points.some(([x, y], index) => x !== seen[index][0] || y !== seen[index][1]); }

  async function store() {
    if (!dirty()) return;
    const view = await put("/facesets/landmarks", { place, file: crop.file, points, seen });
    seen = view.landmarks;
    points = copy(seen);
    steps.length = 0;
    draw();
    saved(view, "The landmarks are saved.");
  }

  return {
    dirty,
    end() {},
    escape() { if (focused < 0) return false; stage.focus(); return true; },
    key(event) {
      const control = event.ctrlKey || event.metaKey, key = event.key.toLowerCase();
      if (event.key in ARROWS && focused >= 0) {
        const by = event.shiftKey ? FAR : STEP, [x, y] = ARROWS[event.key];
        keep();
        points[focused] = [points[focused][0] + by * x, points[focused][1] + by * y];
        draw();
      } else if (control && key === "z") back();
      else if (control && key === "s") save.click();
      else if (!control && key === "r") reset.click();
      else return false;
      return true;
    },
  };
}

const copy = (points) => points.map((one) => [...one]);
const groupOf = (index) => GROUPS.findIndex(([, first, count]) => index >= first && index < first + count);
