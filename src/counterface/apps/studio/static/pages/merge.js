import { empty, fill } from "../js/ui.js";

export async function show(main) {
  fill(main, empty("Not here yet."));
}
