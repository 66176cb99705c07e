import {
  boxSelect,
  combine,
  lassoSelect,
  nearestInDirection,
  nearestK,
  panBy,
  nearestFew,
  pickNearest,
  simplifyPath,
  toPixel,
  zoomWithin,
} from "./geometry.mjs";
import { HIDDEN, LABELED, NONE, SELECTED } from "./raster.mjs";
import { actionOf, buildKeymap } from "./keymap.mjs";
import { FigureLink, findFigure } from "./figure-link.mjs";
import { PlainLink } from "./plain-link.mjs";
import { showClasses, showHelp, showNames, showNote, tooltip } from "./chrome.mjs";
import { clean, count, h } from "./dom.mjs";
import { knowsSteps } from "./on-show.mjs";
import { Probe, Spring } from "./probe.mjs";
import { bytes } from "./shared-map.mjs";
import { MapCanvas } from "./map-canvas.mjs";
import { confirmWords, noneOfThese } from "./word-keys.mjs";

/** One view of a map on a page: its pointer, its keys, its menus. What a person means by them is painted at once and told to Python. */
export class MapView extends MapCanvas {
  constructor(model, el, common) {
    super(model, el, common, (name, arg) => this.act(name, arg));
    this.watch("change:tool", () => this.tool());
    this.watch(
      "change:lut change:none change:kind change:classes change:order change:color_by change:columns change:range",
      () => this.colors(),
    );
    this.watch("change:status", () => {
      this.status.textContent = clean(model.get("status"), 200);
    });
    this.watch("change:keymap", () => {
      this.keys = buildKeymap(model.get("keymap"));
    });
    this.watch("change:home", () => 0);
    this.watch("change:pictures change:picture_size change:thumb", () => this.ask("pictures"));
    this.watch("change:axes", () => this.axes());
    this.watch("change:areas change:regions", () => this.regions());
    this.watch("change:density change:shade", () => this.dense());
    this.keys = buildKeymap(model.get("keymap"));
    this.spring = new Spring((on) => this.between(on));
    this.former = "pointer"; // the tool before one looked between the points
    this.status.textContent = clean(model.get("status"), 200);
    this.tool();
  }

  /** The plot area of a bqplot figure; null when this view has gone meanwhile. */
  async inFigure() {
    const id = this.model.get("figure").replace("IPY_MODEL_", "");
    const found = await findFigure(this.model.widget_manager, id, this.el, ".ssvae-map", () => this.alive);
    return found && { root: found.root, link: await FigureLink.open(found.view) };
  }

  /** A box of its own, where no figure was named. */
  async alone() {
    while (this.alive && !this.el.isConnected) await new Promise((r) => setTimeout(r, 30));
    this.el.classList.add("ssvae-map");
    return this.alive && { root: this.el, link: new PlainLink(this.el, this.model.get("home")) };
  }

  async attach() {
    const place = await (this.model.get("figure") ? this.inFigure() : this.alone());
    if (!place) return;
    const { root, link } = place;
    if (!this.alive) return link.close();
    this.link = link;
    this.map = root;
    this.root = root.closest(".ssvae-labeler") || root;
    this.canvas = h("canvas", { class: "ssvae-points", role: "img", "aria-label": "Map of points" });
    this.ink = h("canvas", { class: "ssvae-ink", "aria-hidden": "true" });
    this.shots = h("canvas", { class: "ssvae-shots", "aria-hidden": "true" });
    this.ground = h("canvas", { class: "ssvae-ground", role: "img" });
    link.insert(this.ground);
    link.insert(this.canvas);
    link.insert(this.shots);
    link.insert(this.ink);
    this.off.push(() => {
      this.ground.remove();
      this.canvas.remove();
      this.shots.remove();
      this.ink.remove();
      link.close();
    });
    this.tip = tooltip(root);
    this.off.push(() => this.tip.el.remove());
    this.lookBetween(root);
    this.root.tabIndex = 0;
    this.root.setAttribute("data-lm-suppress-shortcuts", "true");
    // JupyterLab asks the element in focus itself: without this, arrow keys on a slider would move from cell to cell
    this.hear(this.root, "focusin", (e) => e.target.setAttribute("data-lm-suppress-shortcuts", "true"));
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
      () => {
        this.ask("points");
        this.hoverAgain(true);
        this.probe?.again();
      },
    );
    this.watchTheme();
    this.watchRatio();
    this.hear(window, "resize", () => this.resize());
    this.pointer();
    this.hear(this.root, "keydown", (e) => this.key(e));
    this.hear(document, "keyup", (e) => this.spring.up(e.key, e.timeStamp), true);
    this.hear(window, "blur", (e) => this.spring.up("", e.timeStamp, true));
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
    this.axes();
    this.regions();
    this.dense();
    this.changed("selection");
  }

  /** Regions are there when they are asked for; what they say stands in words on their canvas. */
  regions() {
    const on = this.model.get("regions"),
      areas = this.model.get("areas");
    this.bar.regions(on);
    this.areasKey.hidden = !on;
    if (this.s.words.on) ofOneWord(this.areasKey, areas);
    if (!this.map) return;
    this.areas.read(on ? areas : null);
    this.ground.hidden = !(on || this.density.on);
    this.ground.setAttribute("aria-label", clean((on && areas.words) || this.density.words || "Regions", 600));
    this.ask("areas");
  }

  /** How dense a whole pool lies: there when Python has told it, until it is left out. */
  dense() {
    this.density.read(this.model.get("density"), this.model.get("shade"));
    this.regions();
  }

  /** Axes are there when they are asked for. */
  axes() {
    const on = this.model.get("axes");
    this.bar.axes(on);
    if (this.map) this.map.dataset.axes = on ? "yes" : "no";
  }

  changed(what, serials) {
    const st = this.s.state;
    if (what === "decoder") return this.decoderChanged();
    if (what === "words") {
      this.bar.several(this.s.words.on);
      this.countSoon();
      if (st.selected.length === 1 && !this.confirm) this.speak();
    }
    if (what === "thumbs") this.probe?.put();
    if (what === "points") this.probe?.again();
    if (what !== "moving" && what !== "thumbs" && what !== "refused") this.pictures.stale();
    if (what === "thumbs") this.ask("pictures");
    if (what === "points" || what === "moving") {
      this.ask("points");
      if (what === "points") this.countSoon();
    }
    if (what === "moving" && (this.hover >= 0 || !this.tip?.el.hidden)) {
      if (this.hover >= 0) this.setHover(-1);
      this.tip?.hide(); // it would name a point that has left
    }
    if (what === "points") this.hoverAgain();
    if (what === "some") {
      this.some.push(serials);
      this.ask("some");
      this.now();
      this.countSoon();
    }
    if (what === "selection") {
      this.ask(st.dimming || this.wasDimming ? "points" : "pictures");
      this.wasDimming = st.dimming;
      this.tally();
      if (st.selected !== this.asked) this.quiet();
      if (!this.confirm) this.speak();
    }
    if ((what === "points" || what === "some") && st.selected.length === 1 && !this.confirm) this.speak();
    if ((what === "thumbs" || what === "points" || what === "some") && this.hover >= 0 && !this.tip?.el.hidden)
      this.showTip();
    if (what === "refused") this.speak("The label was taken back");
    this.map?.classList.toggle("ssvae-m-moving", this.s.t < 1);
    this.map?.classList.toggle("ssvae-m-dim", this.s.state.dimming || !!this.s.state.filter);
  }

  tool() {
    const t = this.model.get("tool");
    this.bar.tool(t);
    if (this.map) {
      this.map.dataset.tool = t;
      this.speak();
    }
    this.decoderChanged();
  }

  /** What the model would draw at a place: a card, and who draws it. @param {HTMLElement} root */
  lookBetween(root) {
    const { s } = this,
      link = s.decoding,
      remote = (x, y) => link.remote(x, y);
    this.probe = new Probe({
      root,
      view: () => this.view,
      box: () => this.canvas.getBoundingClientRect(),
      xy: () => s.state.xy,
      skip: () => s.state.skip,
      picture: (i) => s.thumbs.get(i) || null,
      want: (ids) => s.want(ids),
      about: (i) => ({ name: this.describe(i), color: this.frameOf(i)[0] }),
      source: () => ({ kind: link.kind, why: link.why, decoder: link.decoder, remote }),
      ask: () => this.ask(),
      speak: (text) => this.speak(text),
      still: () => s.still,
    });
    this.off.push(() => this.probe.close());
  }

  /** The tool, the map or who draws is another one. */
  decoderChanged() {
    const on = this.model.get("tool") === "decode",
      { decoding } = this.s;
    this.bar.decode(decoding.there);
    if (!this.probe) return;
    if (on !== this.probe.on) {
      decoding.want(on);
      this.probe[on ? "enter" : "leave"]();
      if (on) {
        if (this.hover >= 0) this.setHover(-1);
        this.tip.hide();
        if (this.mouse) this.probe.move(this.mouse[2], { clientX: this.mouse[0], clientY: this.mouse[1] });
      }
    }
    this.probe.again();
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
          : tool === "lasso" || tool === "box" || tool === "decode"
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
      if (kind === "decode") {
        this.probe.begin(p);
        this.probe.move(p, e);
      }
    });
    this.hear(fig, "pointermove", (e) => {
      const p = this.local(e),
        d = this.drag;
      if (!d) return this.hoverAt(inside(p) && e.pointerType !== "touch" ? p : null, e);
      d.to = p;
      if (d.kind === "decode") this.probe.move(p, e);
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
      if (d.kind === "decode") {
        if (d.moved && e.type !== "pointercancel") return this.probe.end(d.to);
        this.probe.forget();
        if (e.type === "pointercancel") return this.ask();
        if (e.pointerType !== "touch") this.s.select(Uint32Array.from(this.around(d.at)).sort(), "click");
        return this.ask();
      }
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
    this.hear(fig, "pointerleave", (e) => {
      if (!this.drag && e.pointerType !== "touch") this.hoverAt(null); // a finger that is lifted leaves what it asked for
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
          if (z) this.link.setDomain(zoomWithin(this.view, z.p[0], z.p[1], z.f, this.model.get("home")));
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

  /** The point under a pixel: the one whose picture lies there, else the nearest dot. */
  pick(p, radius) {
    const st = this.s.state,
      i = this.pictures.hit(p[0], p[1]);
    return i >= 0 ? i : pickNearest(st.xy, this.view, p[0], p[1], radius, st.skip);
  }

  click(p, mod) {
    const st = this.s.state,
      i = this.pick(p, Math.max(8, this.radius + 5));
    if (i < 0) {
      if (mod === "replace" && st.selected.length) this.s.select(new Uint32Array(0), "click");
      return;
    }
    this.s.select(combine(st.selected, [i], mod === "add" ? "toggle" : mod, st.n), "click");
  }

  /** The points whose pictures stand beside what is drawn. @param {number[]} p */
  around(p) {
    const st = this.s.state;
    return nearestFew(st.xy, this.view, p[0], p[1], 9, st.skip);
  }

  hoverAt(p, e) {
    if (this.s.show.light) return; // the pointer is over the dialog
    if (this.probe?.on) {
      if (e) this.mouse = [e.clientX, e.clientY, p || [0, 0]];
      if (!p) this.mouse = null;
      return this.probe.move(this.s.looking ? null : p, e);
    }
    if (!p) {
      this.mouse = null;
      if (this.hover >= 0) this.setHover(-1);
      this.tip?.hide();
      return;
    }
    this.mouse = [e.clientX, e.clientY, p];
    if (this.hoverFrame) return;
    this.hoverFrame = requestAnimationFrame(() => {
      this.hoverFrame = 0;
      if (!this.alive || !this.mouse || this.s.t < 1 || this.s.looking) return;
      const st = this.s.state,
        q = this.mouse[2],
        i = this.pick(q, Math.max(7, this.radius + 4));
      if (i !== this.hover) this.setHover(i);
      if (i >= 0) {
        this.s.want([i, ...(this.s.thumbs.has(i) ? [] : nearestK(st.xy, this.view, q[0], q[1], 63))]);
        this.showTip();
      } else this.tip.hide();
    });
  }

  /** The points may have moved under a pointer that rests: what lies there now? While they move (`away`), nothing is named. */
  hoverAgain(away = false) {
    if (!this.mouse || this.drag) return;
    if (away) this.tip?.hide();
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      if (!this.alive || !this.mouse || this.drag) return;
      if (this.s.show.following !== "hovered" && this.s.state.selected.length) return; // a proposal stays on show
      const [clientX, clientY] = this.mouse;
      this.hoverAt(this.local({ clientX, clientY }), { clientX, clientY });
    }, 100);
  }

  setHover(i) {
    this.hover = i;
    this.model.set("hovered", i);
    this.model.save_changes();
    this.ask();
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
          ? `${this.describe(sel[0])}${this.s.state.flags[sel[0]] & LABELED && !this.s.words.on ? ", labeled" : ""}`
          : `${count(k)} points selected`);
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
    if (
      (e.key === "Enter" || e.key === " ") &&
      t.closest("button, a, summary, [role=option], [role=tab], .ssvae-facet-inside")
    )
      return;
    const action = actionOf(e, this.keys);
    if (!action && e.key === " " && !e.ctrlKey && !e.altKey && !e.metaKey) return this.space(e);
    if (!action) return;
    const [name, arg] = action.split(":"),
      k = Number(arg);
    if (e.repeat && name !== "move" && name !== "zoom") {
      e.preventDefault();
      e.stopPropagation();
      return;
    }
    const order = this.model.get("order"); // digits go by the place of a class, whatever its code
    if (name === "label" && !order && k >= this.model.get("classes").length) return;
    e.preventDefault();
    e.stopPropagation();
    if (name === "label" && order && k >= order.length) return this.refuse(`No class has the key ${k}`);
    this.s.show.pressed = e.timeStamp;
    try {
      this.act(name, name === "label" ? (order ? order[k] : k) : arg, e);
    } finally {
      this.s.show.pressed = Infinity; // a button has no such time
    }
  }

  /** Space would scroll the notebook away: it goes to the contact sheet, where there is one. */
  space(e) {
    e.preventDefault();
    e.stopPropagation();
    const tiles = [...this.root.querySelectorAll(".ssvae-sheet-space")].find((el) => el.getClientRects().length);
    if (!tiles || tiles === document.activeElement || this.s.show.light) return;
    tiles.focus({ preventScroll: true });
    this.speak("Arrows go through the sheet, Space leaves a picture out or takes it in");
  }

  act(name, arg, e) {
    const st = this.s.state,
      m = this.model;
    if (["help", "classes", "find", "note"].includes(name)) this.s.show.light?.close(); // their cards would lie behind it
    if (name === "label") this.give(arg);
    else if (name === "clear") this.give(null);
    else if (name === "none") this.none();
    else if (name === "tool" && arg === "decode") this.decodeKey(e);
    else if (name === "tool") this.setTool(arg);
    else if (name === "reset") this.reset();
    else if (name === "zoom")
      this.link.setDomain(
        zoomWithin(this.view, this.view.w / 2, this.view.h / 2, arg === "in" ? 0.75 : 1 / 0.75, m.get("home")),
      );
    else if (name === "move" && this.probe?.on) this.probe.nudge(arg, e?.shiftKey);
    else if (name === "move" && this.s.show.light && this.sheet) this.turn(arg);
    else if (name === "move") this.step(arg, e?.shiftKey);
    else if (name === "escape") this.escape();
    else if (name === "filter") this.filter();
    else if (name === "flag") this.flag(arg);
    else if (["help", "classes", "find", "note"].includes(name) && !m.get("dialogs")) this.s.intent(name);
    else if (name === "note") this.note(st.selected);
    else if (name === "find") showNames(this.map, (text) => this.s.intent("find", { text }));
    else if (name === "reselect") this.s.reselect() || this.speak("No selection was dropped");
    else if (name === "take") this.takeAway();
    else if (name === "help") showHelp(this.map, m.get("keymap"), this.s.words.on);
    else if (name === "classes") {
      const sel = st.selected,
        same = () => sel.length === st.selected.length && sel.every((i, k) => i === st.selected[k]);
      const codes = m.get("order") || m.get("classes").map((_, k) => k),
        those = (all) => codes.map((k) => all[k % all.length]);
      const add = m.get("order") && ((name) => m.send({ type: "new_class", name }));
      const choose = (i) =>
        same() ? this.give(codes[i]) : this.refuse("The selection has changed meanwhile: choose again");
      if (codes.length || add)
        showClasses(this.map, those(m.get("classes")), those(m.get("class_colors")), choose, add);
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
    } else if (["pictures", "axes", "regions", "shade"].includes(name)) {
      m.set(name, !m.get(name));
      m.save_changes();
      this.root?.focus({ preventScroll: true });
    } else if (name === "picture-size") {
      m.set("picture_size", arg);
      m.save_changes();
    } else if (name === "select-code") {
      const code = arg.code < 0 ? NONE : arg.code,
        several = this.s.words.on && m.get("by_label"),
        got = several ? this.s.words.having(st.n, arg.code).filter((i) => !(st.flags[i] & HIDDEN)) : [];
      for (let i = 0; !several && i < st.n; i++) if (st.codes[i] === code && !(st.flags[i] & HIDDEN)) got.push(i);
      this.s.select(combine(st.selected, got, arg.mode, st.n), "class");
      this.root?.focus({ preventScroll: true });
    } else if (name === "select-below") {
      this.s.intent("select", { op: "below", value: arg });
      this.root?.focus({ preventScroll: true });
    } else if (name === "selectall") this.all(() => true);
    else if (name === "invert") this.all((i) => !(st.flags[i] & SELECTED));
    else if (name === "grow") this.s.intent("select", { op: "grow" });
    else if (name === "similar") this.s.intent("similar", {}, st.selected);
    else if (name === "select") {
      if (arg === "all") this.all(() => true);
      else if (arg === "unlabeled") this.all((i) => !(st.flags[i] & LABELED));
      else if (arg === "invert") this.all((i) => !(st.flags[i] & SELECTED));
      else if (arg === "class") {
        const want = new Set(Array.from(st.selected, (i) => st.colorOf(i)));
        this.all((i) => want.has(st.colorOf(i)));
      } else this.s.intent("select", { op: arg });
      this.root?.focus({ preventScroll: true });
    } else if (name === "snapshot") this.s.intent("snapshot", { step: arg === "back" ? -1 : 1 });
    else if (name === "original") this.s.show.open() || this.speak("There is no preview here");
    else if (name === "accept") this.accept();
    else if (["next", "skip", "back", "walk"].includes(name)) this.s.propose(name);
    else this.s.intent(name);
  }

  /** Held, it looks between the points until it is let go; pressed for a moment, until it is pressed again. */
  decodeKey(e) {
    const on = this.model.get("tool") === "decode";
    if (!on && !this.s.decoding.there) return this.speak("No model is connected to this map");
    if (!e) return this.between(!on);
    this.spring.down(e.key, on, e.timeStamp);
  }

  /** Look between the points, or not any more; what lies between two places is played to its end. */
  between(on) {
    if (on) this.former = this.model.get("tool") === "decode" ? "pointer" : this.model.get("tool");
    if (on || !this.probe?.linger(() => this.setTool(this.former))) this.setTool(on ? "decode" : this.former);
  }

  /** A button of another view asks for what a key does: here it is known what is on show. Not taken: more points than are labeled without a question. */
  button(e) {
    const { name, arg } = e.detail,
      st = this.s.state,
      limit = this.model.get("confirm_above");
    if (this.s.looking) return;
    if (name === "heard") {
      this.s.ahead = false;
      this.s.catchUp();
      return e.preventDefault();
    }
    if (["exclude", "keep", "choose", "drop"].includes(name)) {
      this.s.ahead = name === "exclude" || name === "keep";
      if (name === "exclude")
        this.s.selectHere(
          arg.out
            ? st.selected.filter((i) => i !== arg.serial)
            : Uint32Array.from(new Set([...st.selected, arg.serial])).sort(),
        );
      else if (name === "keep") this.s.selectHere(arg);
      else if (name === "drop") this.s.selectHere(new Uint32Array(0));
      else if (arg >= st.n || st.flags[arg] & HIDDEN) return;
      else {
        this.s.select(Uint32Array.of(arg), "click");
        this.focusOn(arg);
      }
      return e.preventDefault();
    }
    if (!["label", "clear", "accept", "none", "undo", "redo", "next", "original"].includes(name)) return;
    if (["label", "clear", "accept", "none"].includes(name)) {
      const rows = (e.detail.serials = this.s.about),
        why = this.s.show.refusal(rows);
      if (!why && (!rows.length || (limit > 0 && rows.length > limit))) return;
    }
    e.preventDefault();
    this.act(name, arg);
  }

  /** A flag for what is on show, or for the selection; what is not on show gets none. @param {string} name */
  flag(name) {
    const rows = this.s.about,
      why = this.s.show.refusal(rows);
    if (why) this.refuse(why);
    else this.s.intent("flag", { name }, rows);
  }

  /** A note of these points, with what is there already where it is one. @param {Uint32Array} rows */
  note(rows) {
    if (!rows.length) return this.refuse("Select points first, then write a note");
    const why = this.s.show.refusal(rows); // what a picture has is known once it is shown
    if (why) return this.refuse(why);
    const { drawn, written } = this.s.show;
    showNote(this.map, rows.length === 1 && rows[0] === drawn ? written : "", rows.length, (text) =>
      this.s.intent("note", { text }, rows),
    );
  }

  /** Enter: yes to what is asked, else the prediction that is on show. */
  accept() {
    if (this.confirm?.startsWith("none/")) return this.none();
    if (this.confirm) return this.give(this.confirm.startsWith("null/") ? null : parseInt(this.confirm, 10));
    const sel = this.s.about,
      several = this.s.words.on && this.model.get("listening") && sel.length;
    const { show } = this.s,
      why = show.refusal(sel) || (several ? confirmWords(this.s) : show.unsaid(sel));
    if (why) this.refuse(why);
    else if (!several) this.s.accept();
    else this.speak();
  }

  /** None of several words, and that is the whole answer; of many pictures it is asked about once. */
  none() {
    const sel = this.s.about,
      why = this.s.show.refusal(sel);
    if (why) return this.refuse(why);
    if (!this.s.words.on || !this.model.get("listening")) return this.s.intent("none", {}, sel);
    if (!sel.length) return this.speak("Nothing is selected");
    if (
      this.asks(`none/${sel.length}/${sel[0]}`, `Say of ${count(sel.length)} points that they have none of these words`)
    )
      return;
    noneOfThese(this.s);
    knowsSteps(true);
    this.speak();
  }

  /** A large selection is asked about once, and the same key again is the answer. @param {string} what @param {string} question */
  asks(what, question) {
    const sel = this.s.about,
      limit = this.model.get("confirm_above");
    if (!(limit > 0 && sel.length > limit && this.confirm !== what)) {
      this.quiet();
      return false;
    }
    this.confirm = what;
    this.asked = sel;
    this.speak(`${question}? Press the key again to do it, Esc to leave it.`);
    this.live.classList.add("ssvae-m-asking");
    return true;
  }

  /** The contact sheet, while it shows what a key would label. */
  get sheet() {
    return this.map.closest?.(".ssvae-labeler")?.querySelector(".ssvae-sheet:not(.ssvae-hidden)");
  }

  /** The picture before or after the one in full size on the contact sheet, where that is open. */
  turn(direction) {
    const detail = { serial: this.s.show.wanted, step: direction === "left" || direction === "up" ? -1 : 1 },
      event = new CustomEvent("ssvae-turn", { cancelable: true, detail });
    if (this.sheet.dispatchEvent(event)) this.s.show.say("There is no picture beyond this one on the sheet");
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
    const sel = this.s.about,
      what = `${label}/${sel.length}/${sel[0]}`;
    const why = this.s.show.refusal(sel) || (this.sheet ? "" : this.s.show.stray(sel));
    if (why) return this.refuse(why);
    if (!sel.length) return this.speak("Nothing is selected");
    if (this.asks(what, this.question(label))) return;
    if (!this.s.label(label)) return this.speak("Labels are not taken here");
    knowsSteps(label !== null);
    this.speak();
  }

  /** What is asked about the selection. @param {number | null} label */
  question(label) {
    const sel = this.s.about,
      { words } = this.s,
      points = `${count(sel.length)} points`;
    if (label === null) return `Remove the ${words.on ? "answers" : "labels"} of ${points}`;
    const name = clean(this.model.get("classes")[label] ?? label, 24);
    if (!words.on) return `Label ${points} as ${name}`;
    return words.state(sel, label) === "true" ? `Take ${name} from ${points}` : `Give ${name} to ${points}`;
  }

  quiet() {
    this.confirm = null;
    this.live.classList.remove("ssvae-m-asking");
  }

  /** The button of the app; a map alone has none. */
  takeAway() {
    const button = this.root?.querySelector?.(".ssvae-take");
    if (button) button.click();
    else this.speak("There is nothing to take away here");
  }

  /** One thing at a time: a question, a drag, the sheet, the selection, the filter. */
  escape() {
    if (this.confirm) {
      this.quiet();
      return this.speak();
    }
    if (this.drag) {
      this.drag = null;
      this.probe?.forget();
      return this.ask();
    }
    if (this.probe?.on) return this.setTool(this.former);
    const sheet = this.root?.querySelector?.(".ssvae-sheet:not([hidden])");
    if (sheet && sheet.getClientRects().length) return sheet.dispatchEvent(new CustomEvent("ssvae-fold"));
    if (this.s.state.selected.length) {
      this.s.select(new Uint32Array(0), "key");
      return this.speak("Selection dropped: u brings it back");
    }
    if (this.s.state.filter) this.filter(true);
  }

  filter(off = false) {
    const st = this.s.state,
      on = !off && !st.filter && st.selected.length > 0,
      keep = on ? st.selected.slice() : new Uint32Array(0);
    this.model.set("filter", bytes(keep));
    this.model.save_changes();
    this.s.intent("filter", { on }, keep);
    this.speak(on ? `Showing only ${count(keep.length)} points` : "Showing all points");
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
    if (!extend && sel.length > 1) this.speak(`u brings back the ${count(sel.length)} points that were selected`);
  }

  close() {
    this.alive = false;
    for (const id of [this.counting, this.fetching, this.resting]) clearTimeout(id);
    this.s.views.delete(this);
    for (const id of [this.frame, this.hoverFrame, this.nextFrame]) cancelAnimationFrame(id);
    for (const f of this.off) f();
    this.el.replaceChildren();
  }
}

/** The key of the regions where they are of one word at a time. @param {HTMLElement} key @param {any} areas */
function ofOneWord(key, areas) {
  key.firstChild.textContent = areas.rows
    ? "Regions: mean probability of this word"
    : clean(areas.words || "Regions …", 200);
  key.classList.toggle("ssvae-m-no-areas", !areas.rows);
}

const HINTS = {
  pointer: "Click selects, drag pans, Shift-drag lassos, the wheel zooms",
  lasso: "Draw around points; Shift adds, Alt subtracts",
  box: "Draw a box; Shift adds, Alt subtracts",
  pan: "Drag moves the map, the wheel zooms",
  decode: "What the model would draw at the pointer; drag: what lies between; click selects the nearest pictures",
};
