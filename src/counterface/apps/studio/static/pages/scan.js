// Scan: files come in, are judged one after the other, and stay in the history.

import { fill } from "../js/ui.js";

export async function show(main, [first, ...rest] = []) {
  if (first === "compare") {
    const { showComparison } = await import("./scan/compare.js");
    return showComparison(main, Number(rest[0]), Number(rest[1]));
  }
  if (first !== undefined) {
    const { showResult } = await import("./scan/result.js");
    return showResult(main, Number(first));
  }
  const [{ makeIntake }, { makeQueue }, { makeHistory }] = await Promise.all([
    import("./scan/intake.js"), import("./scan/queue.js"), import("./scan/history.js"),
  ]);
  const queue = makeQueue();
  const history = makeHistory();
  const [intake] = await Promise.all([makeIntake(), history.ready]);
  fill(main, intake, queue.element, history.element);
  return () => { queue.leave(); history.leave(); };
}
