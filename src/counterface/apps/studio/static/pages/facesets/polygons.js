// The mask of a crop, drawn as polygons: what is face (include) and what is not (exclude).

import { address, put } from "../../js/api.js";
import { button, fill, h, tell } from "../../js/ui.js";
import { ARROWS, clamp, drag, pointIn, s } from "./svg.js";

const KEYS = [
  ["I, E", "begin an include or exclude polygon"], ["Click", "add a point; on a line, into it"],
  ["Enter", "close the polygon"], ["Backspace", "take the last point of an open polygon off"],
  ["Arrows, Space", "move the cross, and put a point there"], ["Tab", "to the next point; arrows move it by half a pixel, with Shift by 5"],
  ["Delete", "take the point off"], ["Ctrl+Z", "take the last step back"], ["Ctrl+S", "save"],
  ["C", "save, and copy to the next crop"], ["Page Up, Page Down", "crop before, after"],
];

export function polygonEditor({ stage, side, place, saved, copyToNext }, crop, carried) {
  const { size } = crop, steps = [];
  let polygons = copy(carried ?? crop.polygons), kept = JSON.stringify(crop.polygons);
  let open = -1, focused = null, cross = [size / 2, size / 2], crossed = false; // polygon that is drawn, [polygon, point]
  let masked = crop.mask;
  const hole = s("mask", { id: "not-face", maskUnits: "userSpaceOnUse", x: -0.5, y: -0.5, width: size, height: size });
  const shade = s("rect", { class: "shade", x: -0.5, y: -0.5, width: size, height: size, mask: "url(#not-face)" });
  const outlines = s("g", {}), handles = s("g", {}), mark = s("path", { class: "cross" });
  stage.append(s("defs", {}, hole), shade, outlines, handles, mark);
  const list = h("ul.polygons", { "aria-label": "Polygons" }), said = h("p.small", { role: "status" });
  const save = button("Save", store, { class: "main", title: "Ctrl+S" });
  const shown = h("input", { type: "checkbox", id: "shade", checked: true, onchange: () => { shade.toggleAttribute("hidden", !shown.checked); } });
  side.append(said,
    h("div.row", {}, button("Include", () => begin("include"), { title: "I" }), button("Exclude", () => begin("exclude"), { title: "E" }), button("Undo", back, { title: "Ctrl+Z" })),
    list, h("div.row", {}, save, button("Copy to next", next, { title: "C" }), button("Clear", () => { change(() => { polygons = []; open = -1; }); })),
    h("label.flag", { for: "shade" }, shown, "darken what is not face"),
    h("dl.keys", {}, KEYS.map(([key, what]) => [h("dt", {}, key), h("dd", {}, what)])));
  stage.addEventListener("pointerdown", press);
  draw();

  function begin(kind) {
    if (open >= 0 && polygons[open].points.length < 3) { polygons.splice(open, 1); }
    change(() => { polygons.push({ kind, points: [] }); open = polygons.length - 1; });
    stage.focus();
  }

  function change(work) {
    steps.push([copy(polygons), open]);
    work();
    draw();
  }

  function back() {
    if (!steps.length) return;
    [polygons, open] = steps.pop();
    draw();
  }

  function closeOpen() {
    if (open < 0) return;
    if (polygons[open].points.length < 3) { tell("A polygon has three points at least."); return; }
    change(() => { open = -1; });
  }

  function press(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    stage.focus();
    add(inside(pointIn(stage, event)));
  }

  function add(point) {
    if (open < 0) begin("include");
    change(() => polygons[open].points.push(point));
  }

  function inside([x, y]) { return [clamp(round(x), -size, 2 * size), clamp(round(y), -size, 2 * size)]; }

  function draw() {
    const ready = whole(), full = ready.every((one) => one.kind === "exclude");
    const box = (fill) => s("rect", { x: -0.5, y: -0.5, width: size, height: size, fill });
    const stored = !polygons.length && masked && crop.polygons.length === 0;
    hole.replaceChildren(box(stored ? "white" : full ? "black" : "white"));
    if (stored) { // a mask that no polygons drew: what is white in it is face
      hole.append(s("image", { class: "turned", href: address("/facesets/mask.png", { place, file: crop.file }), x: -0.5, y: -0.5, width: size, height: size }));
    }
    for (const { kind, points } of ready) hole.append(s("path", { d: outline(points), fill: kind === "include" ? "black" : "white" }));
    outlines.replaceChildren(...polygons.map(({ kind, points }, number) => s("path", {
      class: `outline ${kind}`, d: number === open && points.length ? `M${points.join("L")}` : outline(points),
      onpointerdown: (event) => insert(event, number),
    })).filter((_, number) => polygons[number].points.length));
    const held = focused;
    handles.replaceChildren(...polygons.flatMap(({ kind, points }, number) => points.map((point, index) => handle(kind, number, index, point))));
    if (held && handleAt(held)) handleAt(held).focus();
    mark.setAttribute("d", `M${cross[0] - 4},${cross[1]}h8M${cross[0]},${cross[1] - 4}v8`);
    mark.toggleAttribute("hidden", !crossed);
    fill(list, polygons.map((one, number) => h("li", {},
      h(`span.point-key.${one.kind}`, {}), h("span.grow", {}, `${one.kind}, ${one.points.length} points${number === open ? ", open" : ""}`),
      number === open && button("Close", closeOpen),
      h("button", { type: "button", "aria-label": `Turn polygon ${number + 1} round`, title: "Make an include an exclude, or back", onclick: () => change(() => { one.kind = one.kind === "include" ? "exclude" : "include"; }) }, "Turn"),
      h("button", { type: "button", "aria-label": `Delete polygon ${number + 1}`, onclick: () => change(() => { polygons.splice(number, 1); open = -1; }) }, "Delete"))));
    save.disabled = !dirty();
    fill(said, stored ? "The crop has a mask that no polygons drew; polygons take its place." : polygons.length ? `${polygons.length} ${polygons.length === 1 ? "polygon" : "polygons"}, the later over the earlier` : "No polygon yet: press Include and click round the face.");
  }

  function handleAt([polygon, index]) { return handles.querySelector(`[data-at="${polygon}-${index}"]`); }

  function handle(kind, number, index, [x, y]) {
    return s("circle", {
      class: `dot ${kind}`, cx: x, cy: y, r: Math.max(1.3, size / 110), tabindex: 0, role: "button", "data-at": `${number}-${index}`,
      "aria-label": `${kind} ${number + 1}, point ${index + 1}: ${x.toFixed(1)}, ${y.toFixed(1)}`,
      onfocus: () => { focused = [number, index]; }, onblur: () => { focused = null; },
      onpointerdown: (event) => {
        event.preventDefault();
        event.stopPropagation();
        if (number === open && index === 0 && polygons[number].points.length > 2) { closeOpen(); return; }
        steps.push([copy(polygons), open]);
        focused = [number, index];
        handleAt(focused)?.focus();
        drag(stage, event, (point) => { polygons[number].points[index] = inside(point); focused = [number, index]; draw(); });
      },
    });
  }

  /** A point put into the line that was pressed. */
  function insert(event, number) {
    if (event.button !== 0 || number === open || open >= 0) return;
    event.preventDefault();
    event.stopPropagation();
    const point = inside(pointIn(stage, event)), { points } = polygons[number];
    const nearest = points.map((one, index) => [away(point, one, points[(index + 1) % points.length]), index]).sort((a, b) => a[0] - b[0])[0][1];
    change(() => { points.splice(nearest + 1, 0, point); focused = [number, nearest + 1]; });
  }

  function takeOff([number, index]) {
    change(() => {
      const { points } = polygons[number];
      points.splice(index, 1);
      focused = points.length ? [number, Math.min(index, points.length - 1)] : null;
      if (points.length < 3 && number !== open) { polygons.splice(number, 1); focused = null; open = -1; }
    });
    if (!focused) stage.focus();
  }

  function whole() { return polygons.filter((one) => one.points.length >= 3); }
  function dirty() { return JSON.stringify(whole()) !== kept; }

  async function store() {
    if (!dirty()) return;
    const view = await put("/facesets/polygons", { place, file: crop.file, polygons: whole() });
    polygons = copy(view.polygons);
    kept = JSON.stringify(view.polygons);
    crop.polygons = view.polygons;
    masked = view.mask;
    open = -1;
    steps.length = 0;
    draw();
    saved(view, view.mask ? "The mask is saved." : "The crop has no mask now.");
  }

  async function next() {
    await store();
    await copyToNext(copy(whole()));
  }

  function moveBy(event) {
    const by = event.shiftKey ? 5 : 0.5, [x, y] = ARROWS[event.key];
    if (!focused) {
      const far = event.shiftKey ? 10 : 2;
      cross = [clamp(cross[0] + far * x, 0, size - 1), clamp(cross[1] + far * y, 0, size - 1)];
      crossed = true;
      draw();
      return;
    }
    const [number, index] = focused, point = polygons[number].points[index];
    change(() => { polygons[number].points[index] = inside([point[0] + by * x, point[1] + by * y]); });
  }

  return {
    dirty,
    end: () => stage.removeEventListener("pointerdown", press),
    escape() { if (open < 0) return false; change(() => { if (polygons[open].points.length < 3) polygons.splice(open, 1); open = -1; }); return true; },
    key(event) {
      const control = event.ctrlKey || event.metaKey, key = event.key.toLowerCase(), inStage = stage.contains(event.target);
      if (event.key in ARROWS && inStage) moveBy(event);
      else if (control && key === "z") back();
      else if (control && key === "s") save.click();
      else if (control) return false;
      else if (key === "i") begin("include");
      else if (key === "e") begin("exclude");
      else if (key === "c") next().catch((error) => tell(error.message));
      else if (event.key === "Enter" && inStage) closeOpen();
      else if (event.key === " " && inStage) { crossed = true; add([...cross]); } else if (event.key === "Delete" && focused) takeOff(focused);
      else if (event.key === "Backspace" && open >= 0 && polygons[open].points.length) change(() => polygons[open].points.pop());
      else return false;
      return true;
    },
  };
}

const copy = (polygons) => polygons.map(({ kind, points }) => ({ kind, points: points.map((one) => [...one]) }));
const outline = (points) => (points.length ? `M${points.join("L")}Z` : "");
const round = (value) => Math.round(value * 100) / 100;

/** How far a point lies from the line between two others. */
function away([x, y], [ax, ay], [bx, by]) {
  const length = (bx - ax) ** 2 + (by - ay) ** 2 || 1;
  const at = clamp(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length, 0, 1);
  return Math.hypot(x - ax - at * (bx - ax), y - ay - at * (by - ay));
}
