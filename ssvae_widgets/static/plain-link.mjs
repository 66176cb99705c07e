/**
 * The place of the map on a page that has no bqplot (marimo, say): a plain box with the face of `FigureLink`, so that the map draws, pans,
 * zooms, selects and labels as ever. What bqplot's figure adds is missing there: axes, the marks that it draws, names on the map.
 */
const HEIGHT = 420; // pixels

/** @typedef {import("./geometry.mjs").View} View */

/** A view of the same width a unit on both axes, with all of `home` in it. */
export function fitHome(home, w, h) {
  const [x0, x1, y0, y1] = home,
    unit = Math.max((x1 - x0) / Math.max(w, 1), (y1 - y0) / Math.max(h, 1)) || 1,
    cx = (x0 + x1) / 2,
    cy = (y0 + y1) / 2;
  return { x0: cx - (unit * w) / 2, x1: cx + (unit * w) / 2, y0: cy - (unit * h) / 2, y1: cy + (unit * h) / 2, w, h };
}

export class PlainLink {
  /** A box under `root`, which shows `home` (x0, x1, y0, y1) until somebody moves it. */
  constructor(root, home) {
    this.el = document.createElement("div");
    this.el.className = "ssvae-plain";
    this.el.style.cssText = `position: relative; height: ${HEIGHT}px; overflow: hidden`;
    root.append(this.el);
    this.home = [...home];
    this.moved = null; // the domain once somebody has moved it
    this.told = () => {};
    this.watcher = null;
  }

  insert(canvas) {
    this.el.append(canvas);
  }

  /** All of the box. */
  get area() {
    return { left: 0, top: 0, w: this.el.clientWidth, h: this.el.clientHeight };
  }

  /** @returns {View} */
  get domain() {
    const { w, h } = this.area;
    return this.moved ? { ...this.moved, w, h } : fitHome(this.home, w, h);
  }

  /** Move the map; nothing is kept of it in Python, so another page begins at home. */
  setDomain(v) {
    this.moved = { x0: v.x0, x1: v.x1, y0: v.y0, y1: v.y1 };
    this.told();
  }

  listen(f, g) {
    this.told = g;
    this.watcher = new ResizeObserver(f);
    this.watcher.observe(this.el);
  }

  close() {
    this.watcher?.disconnect();
    this.el.remove();
  }
}
