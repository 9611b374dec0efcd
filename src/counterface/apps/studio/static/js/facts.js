// Any JSON value as tables and lists, so that no result needs a page of its own to be read.

import { h } from "./ui.js";

const label = (name) => name.replaceAll("_", " ");
const isPlain = (value) => value === null || typeof value !== "object";

/** A value as elements; `depth` bounds how far it goes before it shows JSON. */
export function facts(value, depth = 3) {
  if (isPlain(value)) return text(value);
  if (depth === 0) return h("code", {}, JSON.stringify(value));
  if (Array.isArray(value)) return list(value, depth);
  const rows = Object.entries(value).filter(([, one]) => !isEmpty(one));
  return h("div.table", { tabindex: 0, role: "region", "aria-label": "Facts" }, h("table", {},
    h("tbody", {}, rows.map(([name, one]) =>
      h("tr", {}, h("th", { scope: "row" }, label(name)), h("td", {}, facts(one, depth - 1)))))));
}

function list(values, depth) {
  if (values.every(isPlain)) return values.map(text).join(", ");
  if (values.length > 30) return h("details", {}, h("summary", {}, `${values.length} entries`), rows(values.slice(0, 500), depth));
  return rows(values, depth);
}

const rows = (values, depth) => h("ol", {}, values.map((one) => h("li", {}, facts(one, depth - 1))));

function text(value) {
  if (value === null) return "–";
  if (value === true) return "yes";
  if (value === false) return "no";
  if (typeof value === "number" && !Number.isInteger(value)) return value.toPrecision(3);
  return String(value);
}

const isEmpty = (value) => value === null || value === "" || (typeof value === "object" && Object.keys(value).length === 0);
