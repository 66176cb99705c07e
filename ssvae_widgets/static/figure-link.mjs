/**
 * Everything that leans on the inside of bqplot (tried with 0.13.1), in one place: finding the figure's view that belongs to this
 * layer, its plot area, its scales. If bqplot changes, this file changes and nothing else; tests/browser guards it.
 */

/** Wait for the figure view inside the same map as `el`, rendered and on the page. Resolves to null when `alive()` turns false. */
export async function findFigure(manager, modelId, el, rootSelector, alive) {
  const figure = await manager.get_model(modelId);
  for (let wait = 16; alive(); wait = Math.min(wait * 1.4, 250)) {
    const root = el.isConnected ? el.closest(rootSelector) : null;
    if (root)
      for (const promise of Object.values(figure.views || {})) {
        const view = await Promise.race([promise, new Promise((r) => setTimeout(r, 30, null))]);
        if (view && view.rendered && root.contains(view.el)) return { root, view };
      }
    await new Promise((r) => setTimeout(r, wait));
  }
  return null;
}

/** A small, stable face of a bqplot figure view. */
export class FigureLink {
  static async open(view) {
    const marks = await Promise.all(view.mark_views.views);
    return new FigureLink(view, marks[0].scales.x, marks[0].scales.y);
  }

  constructor(view, xs, ys) {
    this.view = view;
    this.el = view.el;
    this.xs = xs;
    this.ys = ys;
    this.off = [];
    this.saving = 0;
    view.once("remove", () => view.popper?.destroy()); // its tooltip listens on the window for ever otherwise
  }

  /** Put a canvas under the figure's SVG. */
  insert(canvas) {
    this.el.insertBefore(canvas, this.view.svg.node());
  }

  /** The plot area in CSS pixels, relative to the figure's element. */
  get area() {
    const s = this.view.webGLCanvas.style;
    return {
      left: parseFloat(s.left) || 0,
      top: parseFloat(s.top) || 0,
      w: Math.max(0, this.view.plotareaWidth),
      h: Math.max(0, this.view.plotareaHeight),
    };
  }

  /** The data domain of the whole plot area, paddings included. @returns {import("./geometry.mjs").View} */
  get domain() {
    const { w, h } = this.area,
      sx = this.xs.scale,
      sy = this.ys.scale;
    const [rx0, rx1] = sx.range(),
      [ry0, ry1] = sy.range(),
      dx = sx.domain(),
      dy = sy.domain();
    const kx = (dx[dx.length - 1] - dx[0]) / (rx1 - rx0),
      ky = (dy[dy.length - 1] - dy[0]) / (ry1 - ry0);
    return {
      x0: dx[0] + (0 - rx0) * kx,
      x1: dx[0] + (w - rx0) * kx,
      y0: dy[0] + (h - ry0) * ky,
      y1: dy[0] + (0 - ry0) * ky,
      w,
      h,
    };
  }

  /** Move the scales; Python hears of it a moment later, once. */
  setDomain(v, save = true) {
    const put = (scale, a, b) => {
      const same = scale.model.get("min") === a && scale.model.get("max") === b;
      if (!same) scale.model.set({ min: a, max: b });
    };
    put(this.xs, v.x0, v.x1);
    put(this.ys, v.y0, v.y1);
    if (!save) return;
    clearTimeout(this.saving);
    this.saving = setTimeout(() => {
      for (const s of [this.xs, this.ys]) s.model.save_changes();
    }, 180);
  }

  /** Call `f` when the plot area changes its place or size, `g` when the domain does. */
  listen(f, g) {
    const on = (thing, name, fn) => {
      thing.on(name, fn, this);
      this.off.push(() => thing.off(name, fn, this));
    };
    on(this.view, "margin_updated", f);
    for (const s of [this.xs, this.ys]) on(s.model, "domain_changed", g);
  }

  close() {
    clearTimeout(this.saving);
    for (const f of this.off) f();
    this.off = [];
  }
}
