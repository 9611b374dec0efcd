// Elements of pages: made by hand, without a framework.

/** An element: attributes, `on...` handlers, properties (value, checked, ...), then children. */
export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("aria-")) element.setAttribute(key, value); // true and false are words there
    else if (value === false) continue;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.classList.add(...value.split(" ").filter(Boolean));
    else if (key in element && key !== "list" && typeof value !== "string") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== undefined && child !== null && child !== false) element.append(child);
  }
}

/** Put new children into an element in place of its own. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** Say something for a moment; screen readers read it. */
export function tell(text) {
  const line = h("p", {}, text);
  document.getElementById("told").append(line);
  setTimeout(() => line.remove(), 6000);
}

/** A handler that tells errors and keeps its button from being pressed twice; the focus stays on it. */
export function action(work) {
  return async (event) => {
    const button = event?.currentTarget;
    if (button?.ariaDisabled === "true") return;
    if (button) button.ariaDisabled = "true";
    try {
      await work(event);
    } catch (error) {
      tell(error.message);
      if (!(error.status !== undefined)) console.error(error);
    } finally {
      if (button) button.ariaDisabled = null;
    }
  };
}

/** The head of a page: title, a sentence, and what can be done. */
export const head = (title, about, ...actions) =>
  h("div.head", {}, h("div", {}, h("h1", {}, title), h("p", {}, about)), h("div.row", {}, actions));

export const sheet = (title, ...children) =>
  h("section.sheet", {}, title && h("h2", {}, title), children);

export const notice = (kind, ...children) => h(`p.notice.${kind}`, {}, children);
export const empty = (...children) => h("p.empty", {}, children);
export const loading = () => h("p.empty.late", {}, "One moment …");
export const tag = (kind, text) => h(`span.tag${kind ? "." + kind : ""}`, {}, text);
export const button = (text, work, attributes = {}) =>
  h("button", { type: "button", onclick: action(work), ...attributes }, text);

/** Let files be dropped on an element; `taken(transfer)` gets what was dropped. */
export function onDrop(element, taken) {
  element.addEventListener("dragover", (event) => { event.preventDefault(); element.classList.add("over"); });
  element.addEventListener("dragleave", () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    element.classList.remove("over");
    taken(event.dataTransfer);
  });
}

/** A table: columns are [title, cell(row), is it a number]. */
export function table(columns, rows, attributes = () => ({})) {
  return h("div.table", { tabindex: 0, role: "region", "aria-label": "Table" },
    h("table", {},
      h("thead", {}, h("tr", {}, columns.map(([title, , number]) =>
        h("th", { scope: "col", class: number ? "number" : "" }, title)))),
      h("tbody", {}, rows.map((row) => h("tr", attributes(row), columns.map(([, cell, number]) =>
        h("td", { class: number ? "number" : "" }, cell(row))))))));
}

/** Ask with a dialog; gives what `content(close)` hands to close, or undefined. */
export function ask(title, content) {
  return new Promise((done) => {
    let answer;
    const close = (value) => { answer = value; dialog.close(); };
    const dialog = h("dialog", { "aria-label": title });
    append(dialog, [h("h2", {}, title), content(close)]);
    dialog.addEventListener("close", () => { dialog.remove(); done(answer); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

export const sure = (title, text, yes) => ask(title, (close) => [
  h("p", {}, text),
  h("div.row", {}, button(yes, () => close(true), { class: "main" }),
    button("Cancel", () => close(false))),
]);

export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;
export const bytes = (count) => {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= 1000 && unit < 4) { count /= 1000; unit += 1; }
  return `${count.toFixed(unit && count < 10 ? 1 : 0)} ${units[unit]}`;
};
export const when = (seconds) => new Date(1000 * seconds).toLocaleString();
export const seconds = (count) => {
  if (count < 90) return `${Math.round(count)} s`;
  if (count < 5400) return `${Math.round(count / 60)} min`;
  return `${(count / 3600).toFixed(1)} h`;
};
export const debounce = (work, wait = 200) => {
  let timer;
  return (...given) => { clearTimeout(timer); timer = setTimeout(() => work(...given), wait); };
};
