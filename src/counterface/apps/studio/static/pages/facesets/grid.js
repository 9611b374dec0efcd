// A grid of thousands of crops: only the rows in sight are elements of the page.

import { h } from "../../js/ui.js";

const GAP = 8, LINE = 18, AHEAD = 4, DRAG = 5; // pixels, pixels, rows, pixels

/**
 * The grid. thumbnails: of thumbnails.js; text(file): the line below a crop; on: what is called,
 * {open(file), change(files), remove(files), undo()}. Gives {element, set(files), size(pixels),
 * selected() -> files in order, select(files), refresh(), shown(file, url), focus()}.
 */
export function cropGrid({ thumbnails, text, on, label }) {
  let files = [], at = new Map(), chosen = new Set();
  let side = 128, columns = 1, edge = GAP, cursor = 0, anchor = 0;
  const rows = new Map(); // number of a row -> its element
  const spare = [];
  const space = h("div.crop-space", { role: "presentation" });
  const band = h("div.crop-band", { hidden: true, "aria-hidden": "true" });
  const element = h("div.crop-grid", {
    role: "grid", tabindex: 0, "aria-label": label, "aria-multiselectable": "true",
    onscroll: () => later(), onkeydown: keys, ondblclick: (event) => { const file = files[under(event)]; if (file) on.open(file); },
    onpointerdown: press,
  }, space);
  space.append(band);
  new ResizeObserver(() => lay()).observe(element);

  const width = () => side + GAP, height = () => side + LINE + GAP;
  let planned = 0;
  const later = () => { planned ||= requestAnimationFrame(() => { planned = 0; draw(); }); };

  function lay() {
    const before = columns;
    columns = Math.max(1, Math.floor((element.clientWidth - GAP) / width()));
    edge = Math.max(GAP, Math.floor((element.clientWidth - columns * width() + GAP) / 2));
    space.style.height = `${Math.ceil(files.length / columns) * height() + GAP}px`;
    element.setAttribute("aria-rowcount", Math.ceil(files.length / columns));
    element.setAttribute("aria-colcount", columns);
    if (before !== columns) clear();
    for (const [number, row] of rows) put(row, number);
    draw();
  }

  function clear() {
    for (const row of rows.values()) row.remove();
    rows.clear();
    spare.length = 0;
  }

  function draw() {
    const last = Math.ceil(files.length / columns) - 1;
    const from = Math.max(0, Math.floor(element.scrollTop / height()) - AHEAD);
    const to = Math.min(last, Math.ceil((element.scrollTop + element.clientHeight) / height()) + AHEAD);
    for (const [number, row] of rows) {
      if (number < from || number > to) { rows.delete(number); spare.push(row); }
    }
    for (let number = from; number <= to; number += 1) {
      if (!rows.has(number)) rows.set(number, put(spare.pop() ?? make(), number));
    }
    for (const row of spare) row.hidden = true;
    const middle = (from + to) / 2, near = [...rows.keys()].sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
    thumbnails.want(near.flatMap((number) => files.slice(number * columns, (number + 1) * columns)));
  }

  function make() {
    const row = h("div.crop-row", { role: "row" }, Array.from({ length: columns }, () =>
      h("div.crop", { role: "gridcell" }, h("img", { alt: "", draggable: "false", decoding: "async" }), h("span.crop-text", {}))));
    space.append(row);
    return row;
  }

  function put(row, number) {
    row.hidden = false;
    row.style.transform = `translate(${edge}px, ${number * height() + GAP}px)`;
    row.setAttribute("aria-rowindex", number + 1);
    for (const [column, cell] of [...row.children].entries()) fillCell(cell, number * columns + column);
    return row;
  }

  function fillCell(cell, index) {
    const file = files[index];
    cell.hidden = file === undefined;
    if (file === undefined) return;
    const [image, line] = cell.children, words = text(file), url = thumbnails.get(file);
    cell.id = `crop-${index}`;
    cell.style.width = `${side}px`;
    image.style.height = image.style.width = `${side}px`;
    cell.setAttribute("aria-label", words ? `${file}, ${words}` : file);
    cell.title = file;
    line.textContent = words;
    picture(cell, image, url);
    mark(cell, index);
  }

  function picture(cell, image, url) {
    cell.classList.toggle("unread", url === "");
    if (url) image.src = url;
    else image.removeAttribute("src");
  }

  function mark(cell, index) {
    cell.setAttribute("aria-selected", chosen.has(files[index]));
    cell.classList.toggle("cursor", index === cursor);
  }

  const cellOf = (index) => rows.get(Math.floor(index / columns))?.children[index % columns];

  function marks() {
    for (const [number, row] of rows) {
      for (const [column, cell] of [...row.children].entries()) if (!cell.hidden) mark(cell, number * columns + column);
    }
    element.setAttribute("aria-activedescendant", files.length ? `crop-${cursor}` : "");
    on.change(chosen.size);
  }

  function move(index, { extend = false, keep = false } = {}) {
    if (!files.length) return;
    cursor = Math.max(0, Math.min(files.length - 1, index));
    if (extend) chosen = new Set(files.slice(Math.min(anchor, cursor), Math.max(anchor, cursor) + 1));
    else if (!keep) { chosen = new Set([files[cursor]]); anchor = cursor; }
    const top = Math.floor(cursor / columns) * height();
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + height() + GAP > element.scrollTop + element.clientHeight) element.scrollTop = top + height() + GAP - element.clientHeight;
    draw();
    marks();
  }

  function keys(event) {
    const page = Math.max(1, Math.floor(element.clientHeight / height())) * columns;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page, Home: -cursor, End: files.length - 1 - cursor };
    const control = event.ctrlKey || event.metaKey, key = event.key;
    if (key in steps) {
      const to = cursor + steps[key];
      if (to >= 0 && to < files.length || key.startsWith("Page")) move(to, { extend: event.shiftKey, keep: control });
    } else if (key === " ") { toggle(cursor); } else if (key === "Enter") { if (files[cursor]) on.open(files[cursor]); } else if (control && key.toLowerCase() === "a") { chosen = new Set(files); marks(); } else if (key === "Escape" && chosen.size) { chosen = new Set(); marks(); } else if (key === "Delete" || key === "Backspace") { on.remove(selected()); } else if (control && key.toLowerCase() === "z") { on.undo(); } else return;
    event.preventDefault();
  }

  function toggle(index) {
    const file = files[index];
    if (!file) return;
    if (!chosen.delete(file)) chosen.add(file);
    cursor = anchor = index;
    marks();
  }

  /** Where the pointer is, in pixels of the whole grid. */
  function point(event) {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left - element.clientLeft, event.clientY - box.top - element.clientTop + element.scrollTop];
  }

  /** The number of the crop under the pointer, -1 where there is none. */
  function under(event) {
    const [x, y] = point(event), column = Math.floor((x - edge) / width()), row = Math.floor((y - GAP) / height());
    const index = row * columns + column;
    return column >= 0 && column < columns && row >= 0 && index < files.length && (x - edge) % width() < side ? index : -1;
  }

  function press(event) {
    if (event.button !== 0 || point(event)[0] > element.clientWidth) return;
    const start = point(event), control = event.ctrlKey || event.metaKey, touch = event.pointerType === "touch";
    const before = control || event.shiftKey ? new Set(chosen) : new Set();
    let last = event, dragged = false, rolling = 0;
    const drag = () => {
      const [x, y] = point(last);
      dragged ||= Math.hypot(x - start[0], y - start[1]) > DRAG;
      if (!dragged) return;
      const [left, right] = [start[0], x].sort((a, b) => a - b), [top, bottom] = [start[1], y].sort((a, b) => a - b);
      band.hidden = false;
      Object.assign(band.style, { left: `${Math.max(0, left)}px`, top: `${Math.max(0, top)}px`, width: `${right - Math.max(0, left)}px`, height: `${bottom - Math.max(0, top)}px` });
      const span = (low, high, from, step, most) => [Math.max(0, Math.floor((low - from) / step)), Math.min(most, Math.floor((high - from) / step))];
      const [first, end] = span(left, right, edge, width(), columns - 1), [upper, lower] = span(top, bottom, GAP, height(), Math.ceil(files.length / columns) - 1);
      chosen = new Set(before);
      for (let row = upper; row <= lower; row += 1) {
        for (let column = first; column <= end; column += 1) if (files[row * columns + column]) chosen.add(files[row * columns + column]);
      }
      marks();
    };
    const roll = () => {
      const box = element.getBoundingClientRect();
      const by = last.clientY < box.top + 20 ? -14 : last.clientY > box.bottom - 20 ? 14 : 0;
      if (dragged && by) { element.scrollTop += by; drag(); }
      rolling = requestAnimationFrame(roll);
    };
    const moved = (now) => { last = now; drag(); };
    const done = (now) => {
      cancelAnimationFrame(rolling);
      removeEventListener("pointermove", moved);
      removeEventListener("pointerup", done);
      removeEventListener("pointercancel", done);
      band.hidden = true;
      if (dragged || now.type === "pointercancel") return;
      const index = under(now);
      if (index < 0) { if (!control) { chosen = new Set(); marks(); } } else if (control || touch) toggle(index);
      else move(index, { extend: event.shiftKey });
    };
    if (!touch) { addEventListener("pointermove", moved); rolling = requestAnimationFrame(roll); }
    addEventListener("pointerup", done);
    addEventListener("pointercancel", done);
  }

  const selected = () => files.filter((file) => chosen.has(file));

  return {
    element, selected,
    set(given) {
      const here = files[cursor];
      files = given;
      at = new Map(files.map((file, index) => [file, index]));
      chosen = new Set([...chosen].filter((file) => at.has(file)));
      cursor = Math.max(0, Math.min(at.get(here) ?? cursor, files.length - 1));
      anchor = cursor;
      for (const row of rows.values()) spare.push(row);
      rows.clear();
      lay();
      marks();
    },
    size(pixels) { side = pixels; clear(); lay(); },
    select(names) {
      chosen = new Set(names.filter((file) => at.has(file)));
      const first = files.findIndex((file) => chosen.has(file));
      if (first >= 0) move(first, { keep: true });
      marks();
    },
    refresh() { for (const [number, row] of rows) put(row, number); },
    shown(file, url) {
      const cell = at.has(file) && cellOf(at.get(file));
      if (cell) picture(cell, cell.firstChild, url);
    },
    focus: () => element.focus({ preventScroll: true }),
    neighbours: (file) => [files[at.get(file) - 1], files[at.get(file) + 1]],
  };
}
