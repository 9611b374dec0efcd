// What page_checks.py asks of a page: findings of axe, and where Tab goes.

// What can be used: Tab has to come to each of them; along tabs (role=tab) go the arrows.
const USABLE = "a[href], button, input, select, textarea, summary, canvas[tabindex], [role=button], [role=grid], "
  + "[role=slider], [role=group][tabindex='0']";
// What axe cannot decide counts too, but not text over pictures, frames, which hold other pages, and names of signs.
const UNDECIDED = ["color-contrast", "frame-tested", "label-content-name-mismatch"];

let usable = [], looks = new Map(), met = new Set(), last = null;

window.pageChecks = {
  /** Findings of axe with everything unfolded: [rule, impact, help, [element and what is wrong with it]]. */
  async axe() {
    for (const one of document.querySelectorAll("details")) one.open = true;
    const found = await axe.run(document, {
      iframes: false, rules: { "target-size": { enabled: true } }, resultTypes: ["violations", "incomplete"],
    });
    const unsure = found.incomplete.filter((one) => !UNDECIDED.includes(one.id));
    return [...found.violations, ...unsure].map(({ id, impact, help, nodes }) => [id, impact, help,
      nodes.map((one) => `${one.target.join(" ")} | ${one.html.slice(0, 140)} | ${one.failureSummary.split("\n")[1]}`)]);
  },

  /** Remember what can be used and how it looks, and let Tab begin at the start. */
  begin() {
    const scope = document.querySelector("dialog:modal") ?? document.body;
    scope.tabIndex = -1;
    scope.focus();
    scope.removeAttribute("tabindex");
    usable = [...scope.querySelectorAll(USABLE)].filter(canBeUsed);
    looks = new Map(usable.map((one) => [one, look(one)]));
    met = new Set();
    last = null;
  },

  /** What has the focus now; null where it is in no element. */
  here() {
    const one = document.activeElement;
    if (!one || one === document.body || one.matches("dialog")) return null;
    const told = {
      html: one.outerHTML.slice(0, 140), again: met.has(one), stuck: one === last, frame: one.matches("iframe"),
      marked: look(one) !== looks.get(one), seen: isInSight(one),
    };
    met.add(one);
    last = one;
    return told;
  },

  notMet: () => usable.filter((one) => one.isConnected && !met.has(one)).map((one) => one.outerHTML.slice(0, 140)),
};

function canBeUsed(one) {
  return !one.disabled && !one.matches("[role=tab][tabindex='-1']") && !one.closest("[aria-hidden=true]")
    && one.checkVisibility({ visibilityProperty: true });
}

/** What shows the focus, at the element or at its label after it. */
function look(one) {
  return [one, one.nextElementSibling].filter(Boolean).map((each) => {
    const { outlineStyle, outlineWidth, boxShadow, strokeWidth, stroke } = getComputedStyle(each);
    return [outlineStyle, outlineStyle === "none" ? "" : outlineWidth, boxShadow, strokeWidth, stroke].join();
  }).join(" ");
}

/** Whether some of an element is in the window, and not below the header. */
function isInSight(one) {
  const box = one.getBoundingClientRect(), header = document.querySelector("header")?.getBoundingClientRect().bottom ?? 0;
  const top = one.closest("header, .skip, dialog") ? 0 : Math.max(0, header);
  return box.bottom > top && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
}
