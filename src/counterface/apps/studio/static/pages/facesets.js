// Facesets: what there are, and the desk of one that is open.

import { showDesk } from "./facesets/desk.js";
import { showList } from "./facesets/list.js";

export async function show(main, [place, tab]) {
  return place ? showDesk(main, place, tab) : showList(main);
}
