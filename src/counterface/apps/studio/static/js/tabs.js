// Tabs over one panel: a click or an arrow key shows another part of a page.

import { fill, h, notice } from "./ui.js";

/**
 * Tabs: entries are [name, title, show(panel)], where show may give what is called on leaving.
 * chosen(name) is told which part is shown. Gives {bar, panel, show(name), again(), leave()}.
 */
export function tabs(about, entries, chosen) {
  const panel = h("div", { role: "tabpanel", id: "tab-panel" });
  const bar = h("div.tabs", { role: "tablist", "aria-label": about, onkeydown: byKeys }, entries.map(([name, title]) => h("button", {
    type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "tab-panel", onclick: () => show(name),
  }, title)));
  let leave = () => {}, number = 0, current = 0;

  async function show(name) {
    leave();
    leave = () => {};
    number += 1;
    const mine = number, place = h("div", {}); // of its own: a part that is left while it loads fills nothing that is seen
    current = Math.max(0, entries.findIndex(([one]) => one === name));
    for (const [at, tab] of [...bar.children].entries()) {
      tab.setAttribute("aria-selected", at === current);
      tab.tabIndex = at === current ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", bar.children[current].id);
    chosen(entries[current][0]);
    fill(panel, place);
    let left;
    try {
      left = await entries[current][2](place);
    } catch (error) {
      console.error(error);
      fill(place, notice("bad", error.message));
    }
    if (mine === number) leave = left ?? (() => {});
    else left?.();
  }

  function byKeys(event) {
    const last = entries.length - 1;
    const to = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + entries.length) % entries.length;
    bar.children[next].focus();
    show(entries[next][0]);
  }

  return { bar, panel, show, again: () => show(entries[current][0]), leave() { number += 1; leave(); } };
}
