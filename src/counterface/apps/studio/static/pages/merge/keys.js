// Keys of the Merge page: those of DeepFaceLab's interactive merger where it has the knob.

export const KEYS = [
  ["1 3 5", "blend: overlay, seamless, raw"], ["W S", "erode more, less"], ["E D", "blur more, less"],
  ["Q A", "colour strength more, less"], ["R F", "motion blur more, less"], ["Y H", "sharpen amount more, less"],
  ["U J", "face larger, smaller"], ["I K", "denoise more, less"], ["O L", "resolution lower, higher"],
  ["P ;", "noise more, less"], ["C X N", "next colour transfer, mask, sharpening"],
  ["`", "the frame before, and back"], ["[ ]", "wipe to the left, to the right"], [", .", "frame before, next frame"],
  ["Shift ,", "first frame"], ["/ M", "carry these settings on to the end, back to the start"],
  ["G", "new span from here"], ["B", "split the span here"], ["Delete", "delete the span"], ["Ctrl S", "save the plan"],
];
const NUDGES = {
  KeyW: ["erode", 1], KeyS: ["erode", -1], KeyE: ["blur", 1], KeyD: ["blur", -1], KeyQ: ["color_strength", 5], KeyA: ["color_strength", -5],
  KeyR: ["motion_blur", 5], KeyF: ["motion_blur", -5], KeyY: ["sharpen_amount", 5], KeyH: ["sharpen_amount", -5],
  KeyU: ["face_scale", 1], KeyJ: ["face_scale", -1], KeyI: ["denoise", 1], KeyK: ["denoise", -1],
  KeyO: ["resolution", -1], KeyL: ["resolution", 1], KeyP: ["noise", 1], Semicolon: ["noise", -1],
};
const BLENDS = { Digit1: "overlay", Digit3: "seamless", Digit5: "raw" };
const CYCLES = { KeyC: "color_transfer", KeyX: "mask", KeyN: "sharpen" };

/** A handler of key presses; keys that are typed into a field stay there. With Shift a nudge is five times as far. */
export function keyHandler(does) {
  const others = {
    Backquote: does.original, BracketLeft: () => does.wipe(-5), BracketRight: () => does.wipe(5),
    Comma: (event) => (event.shiftKey ? does.start() : does.step(-1)), Period: () => does.step(1),
    Slash: () => does.carry(false), KeyM: () => does.carry(true), KeyG: does.span, KeyB: does.split, Delete: does.drop,
  };
  return (event) => {
    if (event.key === "s" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); does.save(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.matches("textarea, select, input:not([type=range])")) return;
    const code = event.code;
    if (NUDGES[code]) does.nudge(NUDGES[code][0], NUDGES[code][1] * (event.shiftKey ? 5 : 1));
    else if (BLENDS[code]) does.set("blend", BLENDS[code]);
    else if (CYCLES[code]) does.cycle(CYCLES[code]);
    else if (others[code]) others[code](event);
    else return;
    event.preventDefault();
  };
}
