// Tabs whose choice stands in the address.

import { h } from "./ui.js";

let made = 0;

/** Tabs: [[name, title, show(panel)], ...]; `at` is the one that stands open. */
export function tabs(about, entries, at, chosen) {
  made += 1;
  const id = `tabs-${made}`;
  const current = entries.some(([name]) => name === at) ? at : entries[0][0];
  const panel = h("div", { role: "tabpanel", id: `${id}-panel`, tabindex: 0, "aria-labelledby": `${id}-${current}` });
  const keys = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const now = entries.findIndex(([name]) => name === current);
    chosen(entries[(now + step + entries.length) % entries.length][0], true);
  };
  const bar = h("div.tabs", { role: "tablist", "aria-label": about, onkeydown: keys },
    entries.map(([name, title]) => h("button", {
      type: "button", role: "tab", id: `${id}-${name}`, "aria-selected": String(name === current),
      "aria-controls": `${id}-panel`, tabIndex: name === current ? 0 : -1, onclick: () => chosen(name),
    }, title)));
  entries.find(([name]) => name === current)[2](panel);
  return [bar, panel];
}
