/**
 * The point layer: one canvas under the SVG of a bqplot figure that paints all N points, and the pointer and keys of the map.
 * Python holds the truth; this file shows it, and tells Python what the person meant. Geometry, painting, keys and state are in the
 * .mjs files beside it, which Python inlines (see 30_point_layer), because a notebook loads one module for a widget.
 */
import {
  boxSelect,
  combine,
  countInView,
  ease,
  lassoSelect,
  lerp,
  nearestInDirection,
  nearestK,
  panBy,
  pickNearest,
  simplifyPath,
  toPixel,
  zoomAround,
} from "./geometry.mjs";
import { HIDDEN, LABELED, NONE, SELECTED, labeledRadius, onDark, packColor, paint, radiusFor } from "./raster.mjs";
import { actionOf, buildKeymap } from "./keymap.mjs";
import { PointState } from "./state.mjs";
import { forgetShow, onShow } from "./on-show.mjs";
import { FigureLink, findFigure } from "./figure-link.mjs";
import { clean, h, legend, showClasses, showHelp, tell, toolbar, tooltip } from "./chrome.mjs";

const view1 = (dv, T) => {
  if (!dv || !dv.byteLength) return new T(0);
  const at = dv.byteOffset,
    size = T.BYTES_PER_ELEMENT,
    len = Math.floor(dv.byteLength / size);
  return at % size === 0 ? new T(dv.buffer, at, len) : new T(dv.buffer.slice(at, at + len * size));
};
const bytes = (a) => new DataView(a.buffer, a.byteOffset, a.byteLength);
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** What all views of one map share. Made once for each model. */
const shared = new Map();

class Shared {
  constructor(model) {
    this.model = model;
    this.state = new PointState();
    this.views = new Set();
    this.thumbs = new Map();
    this.asked = new Set();
    this.gesture = Math.floor(Math.random() * 2 ** 30); // two pages on one kernel must not share gesture numbers
    this.t = 1;
    this.waiting = [];
    this.show = onShow(model.get("key"));
    this.show.thumb = (i) => {
      const t = this.thumbs.get(i),
        c = this.state.codes[i];
      return t && { ...t, label: this.state.byLabel && this.state.flags[i] & LABELED && c !== NONE ? c : -1 };
    };
    inOrder(model).then(() => {
      for (const message of this.waiting) model.send(...message);
      this.waiting = null;
    });
    this.first();
    model.on("change:positions", () => this.move());
    model.on("change:sample change:sample_codes", () => {
      if (this.looking) {
        this.first();
        this.tell("points");
      }
    });
    // Each alone: patches have changed the other here, and the model still holds what it was before them.
    for (const name of ["codes", "labeled", "by_label"])
      model.on(`change:${name}`, () => {
        if (this.looking) return;
        this.readBase([name]);
        this.tell("points");
      });
    model.on("change:selected", () => {
      this.readSelected();
      this.tell("selection");
    });
    model.on("change:hovered", () => this.show.hover(model.get("hovered")));
    model.send({ type: "deck" });
    model.on("change:filter", () => {
      if (!this.looking) this.state.setFilter(model.get("filter") ? view1(model.get("filter"), Uint32Array) : null);
      this.tell("points");
    });
    model.on("msg:custom", (m, b) => this.message(m, b || []));
  }

  /** Some points changed: where painting them over the picture is enough, that is all that is painted. */
  touched(serials, over) {
    if (!over || serials.length > 20000) return this.tell("points");
    for (const v of this.views) v.changed("some", serials);
  }

  /** All points there are; where there are many, a sample of them until the rest has come. `looking` says so: one can look, not touch. */
  first() {
    const m = this.model,
      all = view1(m.get("positions"), Float32Array);
    this.looking = !all.length && m.get("sample").byteLength > 0;
    this.state.setPositions(this.looking ? view1(m.get("sample"), Float32Array) : all);
    this.from = this.state.xy;
    if (this.looking) {
      this.state.byLabel = m.get("by_label");
      this.state.setBase(view1(m.get("sample_codes"), Uint16Array), null);
    } else {
      this.readBase();
      this.readSelected();
    }
  }

  /** The sample is on the screen: ask for the rest, once. */
  more() {
    if (!this.looking || this.asking) return;
    this.asking = true;
    this.model.send({ type: "more" });
  }

  get n() {
    return this.looking ? this.model.get("total") : this.state.n;
  }

  tell(what) {
    for (const v of this.views) v.changed(what);
  }

  readBase(names = ["codes", "labeled"]) {
    const m = this.model;
    this.state.byLabel = m.get("by_label");
    this.state.setBase(
      names.includes("codes") ? view1(m.get("codes"), Uint16Array) : null,
      names.includes("labeled") ? view1(m.get("labeled"), Uint8Array) : null,
    );
  }

  readSelected() {
    if (this.looking) return;
    const now = view1(this.model.get("selected"), Uint32Array),
      was = this.state.selected;
    if (now.length === was.length && now.every((x, i) => x === was[i])) return;
    this.state.select(Uint32Array.from(now));
    this.show.select(this.state.selected, "python");
  }

  /** New positions: start where the points are on screen now, whatever happens to the axes, and travel. */
  move() {
    if (this.looking) {
      this.first();
      this.tell("points");
      this.tell("selection");
      return;
    }
    const m = this.model,
      next = view1(m.get("positions"), Float32Array),
      how = m.get("move") || {};
    const old = this.shownXY(),
      to = how.domain,
      n = this.state.n;
    const d = [...this.views].find((v) => v.link)?.link.domain,
      was = d && [d.x0, d.x1, d.y0, d.y1];
    this.state.setPositions(next);
    const ms = next.length === 2 * n && n > 0 && !calm() ? how.ms || 0 : 0;
    if (!ms) {
      this.from = next;
      this.t = 1;
      this.toDomain(to);
      if (next.length !== 2 * n) this.readBase();
      this.tell("points");
      return;
    }
    this.from = Float32Array.from(old);
    if (to && to.length === 4 && was) {
      const ax = (to[1] - to[0]) / (was[1] - was[0]),
        ay = (to[3] - to[2]) / (was[3] - was[2]);
      for (let i = 0; i < this.from.length; i += 2) {
        this.from[i] = to[0] + (this.from[i] - was[0]) * ax;
        this.from[i + 1] = to[2] + (this.from[i + 1] - was[2]) * ay;
      }
    }
    this.toDomain(to);
    this.t = 0;
    this.start = performance.now();
    this.ms = ms;
    const step = () => {
      this.t = Math.min(1, (performance.now() - this.start) / this.ms);
      this.tell("moving");
      if (this.t < 1) this.frame = requestAnimationFrame(step);
      else this.tell("points");
    };
    cancelAnimationFrame(this.frame);
    step();
  }

  toDomain(d) {
    if (!d || d.length !== 4) return;
    for (const v of this.views) v.link?.setDomain({ x0: d[0], x1: d[1], y0: d[2], y1: d[3] }, false);
  }

  /** Positions as painted: on the way while points move. */
  shownXY() {
    const { xy } = this.state;
    if (this.t >= 1 || this.from.length !== xy.length) return xy;
    if (!this.between || this.between.length !== xy.length) this.between = new Float32Array(xy.length);
    return lerp(this.from, xy, ease(this.t), this.between);
  }

  message(m, buffers) {
    const s = this.state;
    if (m.type === "patch" && !this.looking) {
      const at = view1(buffers[0], Uint32Array),
        has = (k) => buffers[k] && buffers[k].byteLength;
      this.touched(
        at,
        s.patch(at, has(1) ? view1(buffers[1], Uint16Array) : null, has(2) ? view1(buffers[2], Uint8Array) : null),
      );
    } else if (m.type === "ack") {
      const done = (m.gestures || [m.gesture]).map((g) => s.settle(g, m.ok !== false)).filter(Boolean);
      if (done.length)
        this.touched(
          done.length === 1 ? done[0].serials : Uint32Array.from(new Set(done.flatMap((d) => [...d.serials]))),
          done.every((d) => d.over),
        );
      if (m.ok === false) this.tell("refused");
    } else if (m.type === "thumbs") {
      const ids = view1(buffers[0], Uint32Array),
        size = m.w * m.h * m.c,
        data = view1(buffers[1], Uint8Array);
      if (this.thumbs.size > 20000) this.thumbs.clear();
      ids.forEach((id, k) => {
        this.thumbs.set(id, { w: m.w, h: m.h, c: m.c, data: data.subarray(k * size, (k + 1) * size) });
        this.asked.delete(id);
      });
      this.tell("thumbs");
      this.show.tell();
    } else if (m.type === "deck") {
      const asked = this.show.waiting,
        to = this.show.deal(
          m,
          buffers.map((b) => view1(b, Uint8Array)),
        );
      if (to >= 0) this.goTo(to);
      else if (asked && !this.show.waiting) this.show.select(this.state.selected, "python");
    } else if (m.type === "focus") for (const v of this.views) v.focusOn(m.index);
    else if (m.type === "reset") for (const v of this.views) v.reset();
  }

  /** Select in all views at once and let Python know; its own newest wins. */
  select(serials, source) {
    if (this.looking) return;
    this.source = source;
    this.state.select(serials);
    this.show.select(this.state.selected, source);
    this.model.set("selected", bytes(serials));
    this.model.save_changes();
    this.tell("selection");
    if (serials.length === 1) this.want(serials);
  }

  /** The same as Python is about to select, who is told in another way. */
  selectHere(serials) {
    this.state.select(serials);
    this.show.select(this.state.selected, "key");
    this.tell("selection");
  }

  /** Is a proposal still unlabeled here? */
  open = (i) => i < this.state.n && !(this.state.flags[i] & LABELED);

  /** Show a proposal that is held: selection, picture and reason in this frame. */
  goTo(i) {
    if (i < 0 || i >= this.state.n) return;
    if (this.state.flags[i] & HIDDEN) {
      this.model.set("filter", bytes(new Uint32Array(0)));
      this.state.setFilter(null);
      this.tell("points");
    }
    this.select(Uint32Array.of(i), "next");
    for (const v of this.views) v.focusOn(i);
  }

  /** next, skip, back, walk: to a proposal that is held, else Python is asked for one. */
  propose(name) {
    const { show } = this,
      here = this.state.selected.length === 1 && this.state.selected[0] === show.at;
    if (!show.views) return this.intent(name); // a map alone proposes nothing
    if (this.looking || show.waiting) return;
    const i =
      name === "back"
        ? show.before()
        : name === "walk" && show.cards.get(show.at)?.info.strategy !== "changed"
          ? -1
          : name === "next" && !here && show.at >= 0 && show.cards.has(show.at) && this.open(show.at)
            ? show.at
            : show.next(this.open);
    if (i < 0) return this.intent(name, show.ask());
    this.intent(name, show.go(i, name === "back"));
    this.goTo(i);
  }

  /** After an answer: what Python is told about the next picture. */
  step(serials) {
    const { show } = this,
      here = serials.length === 1 && serials[0] === show.at;
    show.did(here ? show.at : -1);
    if (!here) return [{}, -1];
    const i = show.next(this.open);
    return i < 0 ? [null, -1] : [show.go(i), i];
  }

  /** Undo, and back to the proposal whose answer it takes away; redo, and on again. */
  undo(name) {
    const { show } = this;
    if (name === "redo") {
      show.redo();
      return this.intent(name);
    }
    const i = show.undo();
    if (i < 0 || (i === show.at && !show.waiting)) return this.intent(name);
    this.intent(name, show.go(i, true));
    this.goTo(i);
  }

  intent(type, extra = {}, serials = null) {
    const message = [
      { type: "intent", intent: { type, ...extra } },
      undefined,
      serials ? [serials.slice().buffer] : [],
    ];
    if (this.waiting) this.waiting.push(message);
    else this.model.send(...message);
  }

  /** Give the label (null: take it away) to the selection, painted at once. */
  label(label, source = "key") {
    const serials = this.state.selected;
    if (!serials.length || !this.model.get("listening")) return false;
    const gesture = ++this.gesture,
      facts = { gesture, source: this.source === "lasso" || this.source === "box" ? this.source : source };
    this.touched(serials, this.state.begin(gesture, serials, label));
    if (label === null) {
      this.show.did(-1);
      this.intent("clear", facts, serials);
    } else this.answer("label", { ...facts, label }, serials);
    return true;
  }

  /** The predicted class that is on show, accepted. */
  accept() {
    const serials = this.state.selected,
      said = this.show.said;
    if (serials.length !== 1 || !this.model.get("listening") || !(said >= 0) || this.show.drawn !== serials[0]) {
      this.show.did(-1);
      return this.intent("accept", {}, serials);
    }
    const gesture = ++this.gesture;
    this.touched(serials, this.state.begin(gesture, serials, said));
    this.answer("accept", { gesture, said }, serials);
  }

  /** Send an answer, and go on when it was the answer to a proposal. */
  answer(type, facts, serials) {
    this.show.say("");
    const [move, to] = this.step(serials);
    this.intent(type, { ...facts, ...(move || this.show.ask()) }, serials);
    if (to >= 0) this.goTo(to);
  }

  /** Thumbnails that a hover needs now and next, asked for once. */
  want(ids) {
    const t = this.model.get("thumb");
    if (!t || !t.n) return;
    const miss = [...new Set(ids)].filter((i) => !this.thumbs.has(i) && !this.asked.has(i)).slice(0, 256);
    if (!miss.length) return;
    for (const i of miss) this.asked.add(i);
    this.model.send({ type: "thumbs" }, undefined, [Uint32Array.from(miss).buffer]);
  }
}

/** JupyterLab starts a thread of the kernel for the messages of widgets a moment after the widgets: what was sent before that may be heard after what was sent later. */
async function inOrder(model) {
  try {
    const comm = (await model.widget_manager.get_model(model.get("key"))).comm?.jsServicesComm;
    if (comm?.subshellStarted && comm.commsOverSubshells !== "disabled" && comm._kernel?.supportsSubshells !== false)
      await Promise.race([comm.subshellStarted, new Promise((r) => setTimeout(r, 10000))]);
  } catch {
    /* another front end */
  }
}

class MapView {
  constructor(model, el, common) {
    this.model = model;
    this.el = el;
    this.s = common;
    this.off = [];
    this.alive = true;
    this.need = new Set();
    this.some = [];
    this.hover = -1;
    const act = (name, arg) => this.act(name, arg);
    this.bar = toolbar(act);
    this.legend = legend(act);
    this.live = h("div", { class: "ssvae-m-live", role: "status", "aria-live": "polite" });
    this.status = h("span", { class: "ssvae-m-map-status" });
    this.keysOn = h("span", { class: "ssvae-m-keys-active", "aria-hidden": "true" }, "keys active");
    this.foot = h("div", { class: "ssvae-m-foot" }, this.live, this.status, this.keysOn);
    el.append(this.bar.el, this.legend.el, this.foot);
    this.bar.el.hidden = !model.get("toolbar");
    common.views.add(this);
    this.watch("change:tool", () => this.tool());
    this.watch("change:lut change:none change:kind change:classes change:color_by change:columns change:range", () =>
      this.colors(),
    );
    this.watch("change:status", () => {
      this.status.textContent = clean(model.get("status"), 200);
    });
    this.watch("change:keymap", () => {
      this.keys = buildKeymap(model.get("keymap"));
    });
    this.watch("change:home", () => 0);
    this.keys = buildKeymap(model.get("keymap"));
    this.status.textContent = clean(model.get("status"), 200);
    this.tool();
  }

  watch(names, f) {
    for (const name of names.split(" ")) {
      this.model.on(name, f);
      this.off.push(() => this.model.off(name, f));
    }
  }
  hear(target, name, f, options) {
    target.addEventListener(name, f, options);
    this.off.push(() => target.removeEventListener(name, f, options));
  }

  async attach() {
    const found = await findFigure(
      this.model.widget_manager,
      this.model.get("figure").replace("IPY_MODEL_", ""),
      this.el,
      ".ssvae-map",
      () => this.alive,
    );
    if (!found) return;
    const { root, view } = found;
    const link = await FigureLink.open(view);
    if (!this.alive) return link.close();
    this.link = link;
    this.map = root;
    this.root = root.closest(".ssvae-labeler") || root;
    this.canvas = h("canvas", { class: "ssvae-points", role: "img", "aria-label": "Map of points" });
    this.ink = h("canvas", { class: "ssvae-ink", "aria-hidden": "true" });
    link.insert(this.canvas);
    link.insert(this.ink);
    this.off.push(() => {
      this.canvas.remove();
      this.ink.remove();
      link.close();
    });
    this.tip = tooltip(root);
    this.off.push(() => this.tip.el.remove());
    this.root.tabIndex = 0;
    this.root.setAttribute("data-lm-suppress-shortcuts", "true");
    if (!this.root.getAttribute("role")) {
      this.root.setAttribute("role", "group");
      this.root.setAttribute(
        "aria-label",
        "Latent map: arrow keys move between points, digits label, question mark lists the keys",
      );
    }
    link.listen(
      () => {
        this.resize();
      },
      () => this.ask("points"),
    );
    this.watchTheme();
    this.watchRatio();
    this.hear(window, "resize", () => this.resize());
    this.pointer();
    this.hear(this.root, "keydown", (e) => this.key(e));
    this.hear(this.root, "ssvae-act", (e) => this.button(e));
    // A button that was clicked gives the keys back: Enter is for the next point, not for that button again.
    this.hear(this.root, "click", (e) => {
      const b = e.detail && e.target.closest("button");
      if (b && b === document.activeElement && !b.closest(".ssvae-m-veil")) this.root.focus({ preventScroll: true });
    });
    this.hear(this.root, "focusout", (e) => {
      if (!e.relatedTarget) setTimeout(() => this.keepKeys(e.target), 0);
    });
    this.resize();
    this.colors();
    this.changed("selection");
  }

  changed(what, serials) {
    const st = this.s.state;
    if (what === "points" || what === "moving") {
      this.ask("points");
      if (what === "points") this.countSoon();
    }
    if (what === "some") {
      this.some.push(serials);
      this.ask("some");
      this.countSoon();
    }
    if (what === "selection") {
      this.ask(st.dimming || this.wasDimming ? "points" : "ink");
      this.wasDimming = st.dimming;
      this.tally();
      if (st.selected !== this.asked) this.quiet();
      if (!this.confirm) this.speak();
    }
    if ((what === "points" || what === "some") && st.selected.length === 1 && !this.confirm) this.speak();
    if ((what === "thumbs" || what === "points" || what === "some") && this.hover >= 0 && !this.tip?.el.hidden)
      this.showTip();
    if (what === "refused") this.speak("NOT SAVED: the label was taken back");
    this.map?.classList.toggle("ssvae-m-moving", this.s.t < 1);
    this.map?.classList.toggle("ssvae-m-dim", this.s.state.dimming || !!this.s.state.filter);
  }

  /** Ask for one repaint in the next frame, of the points or only of the ink above them. */
  ask(what = "ink") {
    this.need.add(what);
    if (!this.frame && this.link)
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.draw();
      });
  }

  resize() {
    if (!this.link) return;
    const { left, top, w, h: hh } = this.link.area,
      dpr = window.devicePixelRatio || 1,
      W = Math.max(1, Math.round(w * dpr)),
      H = Math.max(1, Math.round(hh * dpr));
    for (const c of [this.canvas, this.ink]) {
      if (c.width !== W || c.height !== H) {
        c.width = W;
        c.height = H;
        this.image = null;
      }
      Object.assign(c.style, { left: `${left}px`, top: `${top}px`, width: `${w}px`, height: `${hh}px` });
    }
    this.W = W;
    this.H = H;
    this.dpr = dpr;
    this.ask("points");
  }

  watchTheme() {
    const read = () => {
      const css = getComputedStyle(this.map),
        get = (name, or) => css.getPropertyValue(name).trim() || or;
      this.map.dataset.theme = dark(this.map) ? "dark" : "light";
      this.theme = {
        none: get("--ssvae-none", "#9aa0a6"),
        ring: get("--ssvae-ring", "#202124"),
        surface: get("--ssvae-surface", "#ffffff"),
        accent: get("--ssvae-accent", "#1a73e8"),
      };
      this.colors();
    };
    const seen = new MutationObserver(() => requestAnimationFrame(read));
    for (const t of [document.body, document.documentElement])
      seen.observe(t, {
        attributes: true,
        attributeFilter: ["class", "data-jp-theme-light", "data-jp-theme-name", "data-theme", "style"],
      });
    const media = matchMedia("(prefers-color-scheme: dark)");
    this.hear(media, "change", read);
    this.off.push(() => seen.disconnect());
    read();
  }

  /** The device-pixel ratio changes with browser zoom and when a window moves to another screen. */
  watchRatio() {
    const media = matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    const f = () => {
      if (!this.alive) return;
      this.resize();
      this.watchRatio();
    };
    media.addEventListener("change", f, { once: true });
    this.off.push(() => media.removeEventListener("change", f));
  }

  get view() {
    return this.link.domain;
  }

  colors() {
    const m = this.model;
    this.bar.columns(m.get("columns"), m.get("color_by"));
    if (!this.theme) return;
    const isDark = this.map.dataset.theme === "dark";
    this.hex = isDark && m.get("kind") === "classes" ? m.get("lut").map(onDark) : m.get("lut");
    this.lut = Uint32Array.from(this.hex.length ? this.hex : [this.theme.none], packColor);
    this.counts();
    this.ask("points");
  }

  tally() {
    const st = this.s.state;
    this.bar.tally(this.s.n, st.selected.length, st.filter ? st.filter.length : 0);
  }

  /** Counts can wait until the picture is there. */
  countSoon() {
    this.counting ||= setTimeout(() => {
      this.counting = 0;
      if (this.alive) this.counts();
    }, 60);
  }

  counts() {
    const m = this.model,
      st = this.s.state;
    this.tally();
    if (!this.theme) return;
    this.legend.el.hidden = !m.get("legend");
    if (!m.get("legend")) return;
    if (m.get("kind") === "values") this.legend.values(m.get("color_by"), this.hex, m.get("range"));
    else {
      const names = m.get("categories");
      this.legend.classes(
        names,
        this.hex,
        this.s.looking ? null : st.counts(names.length),
        this.theme.none,
        m.get("by_label") ? "unlabeled" : "none",
      );
    }
  }

  draw() {
    if (!this.link || !this.alive) return;
    if (this.dpr !== (window.devicePixelRatio || 1)) this.resize();
    const v = this.view;
    if ((this.need.has("points") || this.need.has("some")) && v.w > 0 && v.h > 0) {
      const st = this.s.state,
        g = (this.g ||= this.canvas.getContext("2d"));
      if (!this.image || this.image.width !== this.W || this.image.height !== this.H) {
        this.image = g.createImageData(this.W, this.H);
        this.px = new Uint32Array(this.image.data.buffer);
        this.need.add("points");
      }
      const size = this.model.get("point_size"),
        xy = this.s.shownXY(),
        whole = this.need.has("points") || this.s.t < 1;
      if (whole) this.radius = size > 0 ? size : radiusFor(countInView(xy, v), v.w * v.h);
      const scene = {
        xy,
        view: v,
        codes: st.codes,
        flags: st.flags,
        layers: st.layers,
        lut: this.lut,
        tally: st.tally,
        dpr: this.dpr,
        radius: this.radius,
        labeledRadius: labeledRadius(st.tally[3]),
        none: packColor(this.theme.none),
        ring: packColor(this.theme.ring),
        surface: packColor(this.theme.surface),
      };
      if (whole) {
        paint(this.px, this.W, this.H, scene);
        g.putImageData(this.image, 0, 0);
      } else for (const some of this.some) this.over(g, { ...scene, some });
      this.some = [];
      this.canvas.dataset.domain = [v.x0, v.x1, v.y0, v.y1].join(",");
      this.canvas.dataset.painted = String(st.version);
      this.canvas.dataset.points = String(st.n);
      this.canvas.dataset.moving = this.s.t < 1 ? "yes" : "no";
      if (this.s.looking) setTimeout(() => this.s.more(), 0);
    }
    this.need.clear();
    this.drawInk(v);
  }

  /** Paint a few points over the picture, and put only their rectangle on the screen. */
  over(g, scene) {
    const { some, xy, view: v } = scene,
      pad = (scene.labeledRadius + 4) * this.dpr,
      kx = this.W / (v.x1 - v.x0),
      ky = this.H / (v.y1 - v.y0);
    let ax = this.W,
      bx = 0,
      ay = this.H,
      by = 0;
    for (const i of some) {
      const X = (xy[2 * i] - v.x0) * kx,
        Y = this.H - (xy[2 * i + 1] - v.y0) * ky;
      if (!(X > -pad && X < this.W + pad && Y > -pad && Y < this.H + pad)) continue;
      ax = Math.min(ax, X - pad);
      bx = Math.max(bx, X + pad);
      ay = Math.min(ay, Y - pad);
      by = Math.max(by, Y + pad);
    }
    if (bx <= ax) return;
    paint(this.px, this.W, this.H, scene);
    ax = Math.max(0, Math.floor(ax));
    ay = Math.max(0, Math.floor(ay));
    g.putImageData(
      this.image,
      0,
      0,
      ax,
      ay,
      Math.min(this.W, Math.ceil(bx)) - ax,
      Math.min(this.H, Math.ceil(by)) - ay,
    );
  }

  /** Rings, lasso and box: few shapes, drawn as vectors over the points. */
  drawInk(v) {
    const g = (this.ig ||= this.ink.getContext("2d")),
      st = this.s.state,
      xy = this.s.shownXY(),
      { accent, surface } = this.theme;
    g.setTransform(this.dpr, 0, 0, this.dpr, 0, 0);
    g.clearRect(0, 0, v.w, v.h);
    const ring = (i, r, width, color) => {
      const [x, y] = toPixel(v, xy[2 * i], xy[2 * i + 1]);
      if (!(x > -20 && y > -20 && x < v.w + 20 && y < v.h + 20)) return;
      g.beginPath();
      g.arc(x, y, r, 0, 2 * Math.PI);
      g.lineWidth = width + 2;
      g.strokeStyle = surface;
      g.stroke();
      g.lineWidth = width;
      g.strokeStyle = color;
      g.stroke();
    };
    const r = 7.8;
    if (st.selected.length <= 40) for (const i of st.selected) ring(i, r, 2, accent);
    if (this.hover >= 0 && this.hover < st.n) ring(this.hover, r - 0.5, 1.5, this.theme.ring);
    const d = this.drag;
    if (d && d.moved && (d.kind === "lasso" || d.kind === "box")) {
      g.beginPath();
      if (d.kind === "box") g.rect(d.at[0], d.at[1], d.to[0] - d.at[0], d.to[1] - d.at[1]);
      else {
        d.path.forEach((p, k) => (k ? g.lineTo(p[0], p[1]) : g.moveTo(p[0], p[1])));
        g.closePath();
      }
      g.globalAlpha = 0.1;
      g.fillStyle = accent;
      g.fill();
      g.globalAlpha = 1;
      g.setLineDash([5, 4]);
      g.lineWidth = 1.5;
      g.strokeStyle = accent;
      g.stroke();
      g.setLineDash([]);
    }
  }

  tool() {
    const t = this.model.get("tool");
    this.bar.tool(t);
    if (this.map) {
      this.map.dataset.tool = t;
      this.speak();
    }
  }

  setTool(t) {
    this.model.set("tool", t);
    this.model.save_changes();
    if (this.map) this.map.dataset.tool = t;
  }

  // ---- pointer ----
  local(e) {
    const r = this.canvas.getBoundingClientRect(),
      w = this.link.area.w;
    return [((e.clientX - r.left) * w) / r.width, ((e.clientY - r.top) * w) / r.width];
  }

  pointer() {
    const fig = this.link.el,
      inside = (p) => {
        const a = this.link.area;
        return p[0] >= 0 && p[1] >= 0 && p[0] <= a.w && p[1] <= a.h;
      };
    this.map.dataset.tool = this.model.get("tool");
    const typing = (t) => t.closest && t.closest("input, textarea, select, [contenteditable], .jp-Editor");
    this.hear(
      this.root,
      "pointerdown",
      (e) => {
        if (!typing(e.target) && !e.target.closest(".ssvae-m-veil")) this.root.focus({ preventScroll: true });
      },
      true,
    );
    this.hear(fig, "pointerdown", (e) => {
      if (e.button > 1) return;
      const p = this.local(e);
      if (!inside(p)) return;
      const tool = this.model.get("tool"),
        mod = e.shiftKey ? "add" : e.altKey ? "subtract" : "replace";
      const kind =
        e.button === 1 || tool === "pan"
          ? "pan"
          : tool === "lasso" || tool === "box"
            ? tool
            : mod === "replace"
              ? "pan"
              : "lasso";
      this.drag = {
        at: p,
        to: p,
        path: [p],
        kind,
        mod,
        from: this.view,
        moved: false,
        id: e.pointerId,
        button: e.button,
      };
      fig.setPointerCapture?.(e.pointerId);
      if (e.button === 1 || kind !== "pan") e.preventDefault();
    });
    this.hear(fig, "pointermove", (e) => {
      const p = this.local(e),
        d = this.drag;
      if (!d) return this.hoverAt(inside(p) && e.pointerType !== "touch" ? p : null, e);
      d.to = p;
      if (!d.moved && Math.hypot(p[0] - d.at[0], p[1] - d.at[1]) < 4) return;
      d.moved = true;
      if (d.kind === "lasso") for (const q of e.getCoalescedEvents?.() || [e]) d.path.push(this.local(q));
      if (d.kind === "pan") {
        this.hoverAt(null);
        this.later(() => this.drag && this.link.setDomain(panBy(d.from, d.to[0] - d.at[0], d.to[1] - d.at[1])));
      } else this.ask();
    });
    const up = (e) => {
      const d = this.drag;
      this.drag = null;
      if (!d) return;
      if (fig.hasPointerCapture?.(d.id)) fig.releasePointerCapture(d.id);
      if (!this.root.contains(document.activeElement)) this.root.focus({ preventScroll: true });
      if (e.type === "pointercancel") return this.ask();
      if (!d.moved) {
        if (d.button === 0 && this.model.get("tool") !== "pan") this.click(d.at, d.mod);
        return this.ask();
      }
      if (d.kind === "pan") return this.link.setDomain(panBy(d.from, d.to[0] - d.at[0], d.to[1] - d.at[1]));
      const st = this.s.state,
        xy = st.xy,
        v = this.view,
        skip = st.skip;
      const got =
        d.kind === "box" ? boxSelect(xy, v, d.at, d.to, skip) : lassoSelect(xy, v, simplifyPath(d.path), skip);
      this.s.select(combine(st.selected, got, d.mod, st.n), d.kind);
    };
    this.hear(fig, "pointerup", up);
    this.hear(fig, "pointercancel", up);
    this.hear(fig, "pointerleave", () => {
      if (!this.drag) this.hoverAt(null);
    });
    this.hear(fig, "dblclick", (e) => {
      if (inside(this.local(e)) && this.model.get("tool") === "pan") this.reset();
    });
    this.hear(
      fig,
      "wheel",
      (e) => {
        const p = this.local(e);
        if (!inside(p)) return;
        if (!(e.ctrlKey || e.metaKey || this.root.contains(document.activeElement))) return;
        e.preventDefault();
        e.stopPropagation();
        const unit = e.deltaMode === 1 ? 16 : e.deltaMode === 2 ? 400 : 1;
        this.zoom = { p, f: (this.zoom?.f || 1) * Math.exp(Math.max(-240, Math.min(240, e.deltaY * unit)) * 0.0018) };
        this.later(() => {
          const z = this.zoom;
          this.zoom = null;
          if (z) this.link.setDomain(limitZoom(zoomAround(this.view, z.p[0], z.p[1], z.f), this.model.get("home")));
        });
      },
      { passive: false, capture: true },
    );
  }

  /** Once in the next frame; the newest wins. */
  later(f) {
    this.next = f;
    if (!this.nextFrame)
      this.nextFrame = requestAnimationFrame(() => {
        this.nextFrame = 0;
        this.next?.();
        this.next = null;
      });
  }

  click(p, mod) {
    const st = this.s.state,
      i = pickNearest(st.xy, this.view, p[0], p[1], Math.max(8, this.radius + 5), st.skip);
    if (i < 0) {
      if (mod === "replace" && st.selected.length) this.s.select(new Uint32Array(0), "click");
      return;
    }
    this.s.select(combine(st.selected, [i], mod === "add" ? "toggle" : mod, st.n), "click");
  }

  hoverAt(p, e) {
    if (!p) {
      if (this.hover >= 0) this.setHover(-1);
      this.tip?.hide();
      return;
    }
    this.mouse = [e.clientX, e.clientY, p];
    if (this.hoverFrame) return;
    this.hoverFrame = requestAnimationFrame(() => {
      this.hoverFrame = 0;
      if (!this.alive || this.s.t < 1 || this.s.looking) return;
      const st = this.s.state,
        q = this.mouse[2],
        i = pickNearest(st.xy, this.view, q[0], q[1], Math.max(7, this.radius + 4), st.skip);
      if (i !== this.hover) this.setHover(i);
      if (i >= 0) {
        this.s.want([i, ...(this.s.thumbs.has(i) ? [] : nearestK(st.xy, this.view, q[0], q[1], 63))]);
        this.showTip();
      } else this.tip.hide();
    });
  }

  setHover(i) {
    this.hover = i;
    this.model.set("hovered", i);
    this.model.save_changes();
    this.ask();
  }

  describe(i) {
    const m = this.model,
      st = this.s.state,
      c = st.codes[i],
      names = m.get("categories"),
      [lo, hi] = m.get("range");
    const value =
      m.get("kind") === "values"
        ? c === NONE
          ? "–"
          : tell(lo + ((hi - lo) * (c + 0.5)) / 256, [lo, hi])
        : c === NONE
          ? m.get("by_label")
            ? "unlabeled"
            : "none"
          : clean(names[c] ?? c, 24);
    return `#${i} · ${m.get("kind") === "values" || m.get("color_by") !== "label" ? clean(m.get("color_by"), 20) + " " : ""}${value}`;
  }

  showTip() {
    if (this.hover < 0 || !this.mouse) return;
    this.tip.show(this.mouse[0], this.mouse[1], this.describe(this.hover), this.s.thumbs.get(this.hover) || null);
  }

  speak(text) {
    const sel = this.s.state.selected,
      k = sel.length;
    this.live.classList.toggle("ssvae-m-hint", !text && k === 0);
    const words =
      text ||
      (k === 0
        ? HINTS[this.model.get("tool")]
        : k === 1
          ? `${this.describe(sel[0])}${this.s.state.flags[sel[0]] & LABELED ? ", labeled" : ""}`
          : `${k.toLocaleString("en")} points selected`);
    if (words !== this.live.textContent) this.live.textContent = words;
  }

  // ---- view ----
  reset() {
    const d = this.model.get("home");
    if (d && d.length === 4) this.link?.setDomain({ x0: d[0], x1: d[1], y0: d[2], y1: d[3] });
  }

  focusOn(i) {
    const st = this.s.state;
    if (!this.link || !(i >= 0 && i < st.n)) return;
    const v = this.view,
      x = st.xy[2 * i],
      y = st.xy[2 * i + 1],
      mx = (v.x1 - v.x0) * 0.04,
      my = (v.y1 - v.y0) * 0.04;
    if (!(x > v.x0 + mx && x < v.x1 - mx && y > v.y0 + my && y < v.y1 - my)) {
      const dx = (v.x1 - v.x0) / 2,
        dy = (v.y1 - v.y0) / 2;
      this.link.setDomain({ x0: x - dx, x1: x + dx, y0: y - dy, y1: y + dy });
    }
  }

  // ---- keys and controls ----
  /** What had the keys was disabled, hidden or taken away, as a sheet is that closes: they stay here, and do not go to the notebook. */
  keepKeys(was) {
    const lost = was.disabled || !was.isConnected || !was.getClientRects().length;
    if (this.alive && lost && document.activeElement === document.body && document.hasFocus())
      this.root.focus({ preventScroll: true });
  }

  key(e) {
    if (e.defaultPrevented || !this.link) return;
    const t = e.target;
    if (t.type === "range" && /^(Arrow|Home|End|Page)/.test(e.key)) return;
    if (
      t.closest(
        "input:not([type=button]):not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable=true], .ssvae-m-veil",
      )
    )
      return;
    if ((e.key === "Enter" || e.key === " ") && t.closest("button, a, summary, [role=option], [role=tab]")) return;
    const action = actionOf(e, this.keys);
    if (!action) return;
    const [name, arg] = action.split(":"),
      k = Number(arg);
    if (e.repeat && name !== "move" && name !== "zoom") {
      e.preventDefault();
      e.stopPropagation();
      return;
    }
    if (name === "label" && k >= this.model.get("classes").length) return;
    e.preventDefault();
    e.stopPropagation();
    this.act(name, name === "label" ? k : arg, e);
  }

  act(name, arg, e) {
    const st = this.s.state,
      m = this.model;
    if (name === "label") this.give(arg);
    else if (name === "clear") this.give(null);
    else if (name === "tool") this.setTool(arg);
    else if (name === "reset") this.reset();
    else if (name === "zoom")
      this.link.setDomain(
        limitZoom(
          zoomAround(this.view, this.view.w / 2, this.view.h / 2, arg === "in" ? 0.75 : 1 / 0.75),
          m.get("home"),
        ),
      );
    else if (name === "move") this.step(arg, e?.shiftKey);
    else if (name === "escape") this.escape();
    else if (name === "filter") this.filter();
    else if ((name === "help" || name === "classes") && !m.get("dialogs")) this.s.intent(name);
    else if (name === "help") showHelp(this.map, m.get("keymap"));
    else if (name === "classes") {
      const sel = st.selected,
        same = () => sel.length === st.selected.length && sel.every((i, k) => i === st.selected[k]);
      if (m.get("classes").length)
        showClasses(this.map, m.get("classes"), m.get("class_colors"), (i) =>
          same() ? this.give(i) : this.refuse("The selection has changed meanwhile: choose again"),
        );
    } else if (name === "color") {
      const columns = m.get("columns"),
        next =
          typeof arg === "string" && arg
            ? arg
            : columns[(columns.indexOf(m.get("color_by")) + 1) % Math.max(1, columns.length)];
      if (next) {
        m.set("color_by", next);
        m.save_changes();
        this.s.intent("color", { column: next });
      }
      if (this.root) this.root.focus({ preventScroll: true });
    } else if (name === "select-code") {
      const code = arg.code < 0 ? NONE : arg.code,
        got = [];
      for (let i = 0; i < st.n; i++) if (st.codes[i] === code && !(st.flags[i] & HIDDEN)) got.push(i);
      this.s.select(combine(st.selected, got, arg.mode, st.n), "class");
      this.root?.focus({ preventScroll: true });
    } else if (name === "select-below") {
      this.s.intent("select", { op: "below", value: arg });
      this.root?.focus({ preventScroll: true });
    } else if (name === "selectall") this.all(() => true);
    else if (name === "invert") this.all((i) => !(st.flags[i] & SELECTED));
    else if (name === "grow") this.s.intent("select", { op: "grow" });
    else if (name === "select") {
      if (arg === "all") this.all(() => true);
      else if (arg === "unlabeled") this.all((i) => !(st.flags[i] & LABELED));
      else if (arg === "invert") this.all((i) => !(st.flags[i] & SELECTED));
      else if (arg === "class") {
        const want = new Set(Array.from(st.selected, (i) => st.codes[i]));
        this.all((i) => want.has(st.codes[i]));
      } else this.s.intent("select", { op: arg });
      this.root?.focus({ preventScroll: true });
    } else if (name === "snapshot") this.s.intent("snapshot", { step: arg === "back" ? -1 : 1 });
    else if (name === "accept") this.accept();
    else if (name === "undo" || name === "redo") this.s.undo(name);
    else if (["next", "skip", "back", "walk"].includes(name)) this.s.propose(name);
    else this.s.intent(name);
  }

  /** A button of another view asks for what a key does: here it is known what is on show. Not taken: more points than are labeled without a question. */
  button(e) {
    const { name, arg } = e.detail,
      st = this.s.state,
      limit = this.model.get("confirm_above");
    if (this.s.looking) return;
    if (name === "exclude" || name === "choose" || name === "drop") {
      if (name === "exclude")
        this.s.selectHere(
          arg.out
            ? st.selected.filter((i) => i !== arg.serial)
            : Uint32Array.from(new Set([...st.selected, arg.serial])).sort(),
        );
      else if (name === "drop") this.s.selectHere(new Uint32Array(0));
      else if (arg >= st.n || st.flags[arg] & HIDDEN) return;
      else {
        this.s.select(Uint32Array.of(arg), "click");
        this.focusOn(arg);
      }
      return e.preventDefault();
    }
    if (!["label", "clear", "accept", "undo", "redo", "next"].includes(name)) return;
    if (["label", "clear", "accept"].includes(name)) {
      e.detail.serials = st.selected;
      const why = this.s.show.refusal(st.selected);
      if (!why && (!st.selected.length || (limit > 0 && st.selected.length > limit))) return;
    }
    e.preventDefault();
    this.act(name, arg);
  }

  /** Enter: yes to what is asked, else the prediction that is on show. */
  accept() {
    if (this.confirm) return this.give(this.confirm.startsWith("null/") ? null : parseInt(this.confirm, 10));
    const why = this.s.show.refusal(this.s.state.selected);
    if (why) this.refuse(why);
    else this.s.accept();
  }

  /** A key was not used: say why, and show what the next one would be about. */
  refuse(why) {
    this.quiet();
    this.speak(why);
    this.s.show.say(why);
    if (this.s.show.following === "hovered") this.setHover(-1); // the selected one comes back
  }

  all(test) {
    const st = this.s.state,
      got = [];
    for (let i = 0; i < st.n; i++) if (!(st.flags[i] & HIDDEN) && test(i)) got.push(i);
    this.s.select(Uint32Array.from(got), "menu");
  }

  /** Label the selection; a large one is asked about once, and the same key again is the answer. */
  give(label) {
    const sel = this.s.state.selected,
      limit = this.model.get("confirm_above"),
      what = `${label}/${sel.length}/${sel[0]}`;
    const why = this.s.show.refusal(sel);
    if (why) return this.refuse(why);
    if (!sel.length) return this.speak("Nothing is selected");
    if (limit > 0 && sel.length > limit && this.confirm !== what) {
      this.confirm = what;
      this.asked = sel;
      const name = label === null ? null : clean(this.model.get("classes")[label] ?? label, 24);
      this.speak(
        `${name === null ? "Remove the labels of" : "Label"} ${sel.length.toLocaleString("en")} points${name === null ? "" : ` as ${name}`}? Press the key again to do it, Esc to leave it.`,
      );
      this.live.classList.add("ssvae-m-asking");
      return;
    }
    this.quiet();
    if (!this.s.label(label)) this.speak("Labels are not taken here");
    else this.speak();
  }

  quiet() {
    this.confirm = null;
    this.live.classList.remove("ssvae-m-asking");
  }

  escape() {
    if (this.confirm) {
      this.quiet();
      return this.speak();
    }
    if (this.drag) {
      this.drag = null;
      return this.ask();
    }
    if (this.s.state.selected.length) return this.s.select(new Uint32Array(0), "key");
    if (this.s.state.filter) this.filter(true);
  }

  filter(off = false) {
    const st = this.s.state,
      on = !off && !st.filter && st.selected.length > 0,
      keep = on ? st.selected.slice() : new Uint32Array(0);
    this.model.set("filter", bytes(keep));
    this.model.save_changes();
    this.s.intent("filter", { on }, keep);
    this.speak(on ? `Showing only ${keep.length.toLocaleString("en")} points` : "Showing all points");
  }

  /** An arrow key: the nearest unlabeled point that way, from the selected point or from the middle. */
  step(direction, extend) {
    const st = this.s.state,
      v = this.view,
      sel = st.selected,
      i = sel.length
        ? this.last !== undefined && st.flags[this.last] & SELECTED
          ? this.last
          : sel[sel.length - 1]
        : -1;
    const from = i < 0 ? [v.w / 2, v.h / 2] : toPixel(v, st.xy[2 * i], st.xy[2 * i + 1]);
    const skip = st.skipLabeled;
    const next =
      i < 0
        ? pickNearest(st.xy, v, from[0], from[1], Infinity, skip)
        : nearestInDirection(st.xy, v, from, direction, skip);
    if (next < 0) return this.speak("No unlabeled point that way");
    this.last = next;
    this.s.select(combine(sel, [next], extend ? "add" : "replace", st.n), "key");
    this.focusOn(next);
  }

  close() {
    this.alive = false;
    clearTimeout(this.counting);
    this.s.views.delete(this);
    for (const id of [this.frame, this.hoverFrame, this.nextFrame]) cancelAnimationFrame(id);
    for (const f of this.off) f();
    this.el.replaceChildren();
  }
}

const HINTS = {
  pointer: "Click selects, drag pans, Shift-drag lassos, the wheel zooms",
  lasso: "Draw around points; Shift adds, Alt subtracts",
  box: "Draw a box; Shift adds, Alt subtracts",
  pan: "Drag moves the map, the wheel zooms",
};

/** Is the page dark? JupyterLab says so; elsewhere the background behind the map or the system decides. */
function dark(el) {
  const lab = document.body.dataset.jpThemeLight;
  if (lab) return lab === "false";
  const m = /^rgba?\((\d+), (\d+), (\d+)/.exec(getComputedStyle(document.body).backgroundColor);
  if (m && getComputedStyle(document.body).backgroundColor !== "rgba(0, 0, 0, 0)")
    return 0.3 * m[1] + 0.6 * m[2] + 0.1 * m[3] < 110;
  return matchMedia("(prefers-color-scheme: dark)").matches && el.isConnected;
}

/** Keep the zoom between a 10,000th of the home view and ten times it. */
function limitZoom(v, home) {
  if (!home || home.length !== 4) return v;
  const f = (v.x1 - v.x0) / (home[1] - home[0]);
  return f > 1e-4 && f < 10 ? v : { ...v, x0: home[0], x1: home[1], y0: home[2], y1: home[3] };
}

function initialize({ model }) {
  const key = model.get("key");
  shared.set(key, new Shared(model));
  return () => {
    shared.delete(key);
    forgetShow(key);
  };
}

function render({ model, el }) {
  const key = model.get("key");
  if (!shared.has(key)) shared.set(key, new Shared(model));
  const view = new MapView(model, el, shared.get(key));
  // Not awaited: a box attaches its children only when all of them have rendered, so waiting for the figure here would never end.
  view.attach().catch((e) => {
    view.status.textContent = "The map could not be drawn: " + e.message;
    console.error(e);
  });
  return () => view.close();
}

export default { initialize, render };
