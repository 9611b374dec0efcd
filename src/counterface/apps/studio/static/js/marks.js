// Marks of origin, as the pages Scan, Merge and Origin name them.

import { tag } from "./ui.js";

export const MARKS = [ // key in a report, title
  ["credentials", "Content Credentials"], ["watermark", "Watermark"],
  ["known_fake", "Known fakes"], ["record", "Record beside the file"],
];
const STATES = { // state -> kind of tag, words
  trusted: ["good", "trusted"], valid_unknown_signer: ["unsure", "valid, signer not known"], invalid: ["bad", "invalid"],
  found: ["bad", "found"], same_file: ["bad", "the same file"], match: ["bad", "looks alike"],
  agrees: ["good", "agrees"], differs: ["bad", "differs"], unreadable: ["unsure", "unreadable"],
  none: ["", "none"], not_found: ["", "not found"], no_match: ["", "no match"], not_run: ["", "not looked for"],
};

export const markTag = (state) => tag(...(STATES[state] ?? ["", state]));
/** Whether there is something that a mark says. */
export const says = (state) => STATES[state]?.[0] !== "";
