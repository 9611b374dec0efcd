// The frame of the studio: which page is shown.

import { listen, start } from "./api.js";
import { setUpDrawer } from "./jobs.js";
import { empty, fill, h, loading, notice } from "./ui.js";

const PAGES = [ // name in the address and file, title
  ["scan", "Scan"],
  ["facesets", "Facesets"],
  ["train", "Train"],
  ["merge", "Merge"],
  ["data", "Data and detectors"],
  ["origin", "Origin"],
];

const main = document.getElementById("page");
const nav = document.getElementById("nav");
let leave = () => {};
let shown = 0;

/** The parts of the address: #/facesets/lab%2Fjane -> ["facesets", "lab/jane"]. */
export const parts = () => location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);
export const go = (...words) => { location.hash = `#/${words.map(encodeURIComponent).join("/")}`; };

async function show() {
  const [name = "scan", ...rest] = parts();
  const page = PAGES.find(([one]) => one === name);
  for (const link of nav.children) {
    if (link.dataset.page === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  leave();
  leave = () => {};
  shown += 1;
  const mine = shown;
  if (!page) return fill(main, empty("There is no such page."));
  document.title = `${page[1]} · Counterface studio`;
  try {
    const module = await import(`../pages/${name}.js`);
    if (mine !== shown) return;
    scrollTo(0, 0);
    const place = h("div", {}, loading()); // of its own: a page that is left while it loads fills nothing that is seen
    fill(main, place);
    const left = await module.show(place, rest);
    if (mine === shown && document.activeElement === document.body && shown > 1) main.focus({ preventScroll: true }); // what had the focus is gone
    if (mine === shown) leave = left ?? (() => {});
    else left?.();
  } catch (error) {
    console.error(error);
    if (mine === shown) fill(main, notice("bad", error.message));
  }
}

nav.append(...PAGES.map(([name, title]) => h("a", { href: `#/${name}`, "data-page": name }, title)));
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });

async function begin() { // not awaited: pages import this module, and would wait for it for ever
  try {
    await start();
    setUpDrawer(document.getElementById("jobs"), document.getElementById("jobs-button"), document.getElementById("jobs-count"));
    listen();
    addEventListener("hashchange", show);
    await show();
  } catch (error) {
    fill(main, notice("bad", error.message));
  }
}
begin();
