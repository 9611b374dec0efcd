// Elements of drawings over a crop.

const SVG = "http://www.w3.org/2000/svg";

/** An element of a drawing: attributes, `on...` handlers, then children. */
export function s(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children.flat(Infinity).filter(Boolean));
  return element;
}

/** Where the pointer is, in pixels of the crop. */
export function pointIn(stage, event) {
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(stage.getScreenCTM().inverse());
  return [x, y];
}

/** Follow the pointer until it is let go. */
export function drag(stage, event, moved, done = () => {}) {
  const pointer = event.pointerId;
  const move = (now) => { if (now.pointerId === pointer) moved(pointIn(stage, now)); };
  const end = (now) => {
    if (now.pointerId !== pointer) return;
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", end);
    removeEventListener("pointercancel", end);
    done();
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", end);
  addEventListener("pointercancel", end);
}

export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
export const clamp = (value, least, most) => Math.max(least, Math.min(most, value));
