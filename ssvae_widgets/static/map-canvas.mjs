import { countInView, toPixel } from "./geometry.mjs";
import {
  HIDDEN,
  LABELED,
  NONE,
  PALE,
  PENDING,
  SELECTED,
  TINTS,
  labeledRadius,
  mixed,
  paint,
  radiusFor,
  thinOut,
} from "./raster.mjs";
import { onDark, packColor } from "./on-dark.mjs";
import { AT_ONCE, PITCH, Pictures } from "./map-pictures.mjs";
import { areasKey, legend, tell, toolbar } from "./chrome.mjs";
import { Flashes } from "./flash.mjs";
import { Areas } from "./regions.mjs";
import { Density } from "./density.mjs";
import { clean, h } from "./dom.mjs";

/** The canvas of a map and what is painted on it: points, ink above them, legend and counts. `MapView` adds pointer and keys. */
export class MapCanvas {
  /**
   * @param {any} model of the point layer
   * @param {HTMLElement} el for the tools, the legend and a line of words
   * @param {import("./shared-map.mjs").Shared} common what all views of this map share
   * @param {(name: string, arg?: any) => void} act what a tool or a chip of the legend asks for
   */
  constructor(model, el, common, act) {
    this.model = model;
    this.el = el;
    this.s = common;
    /** @type {(() => void)[]} what ends with this view */
    this.off = [];
    this.alive = true;
    this.need = new Set(); // what is painted in the next frame
    this.some = []; // points that are painted over the picture
    this.hover = -1;
    /** @type {any} what is dragged: a lasso, a box, the plane */
    this.drag = null;
    /** @type {import("./figure-link.mjs").FigureLink | import("./plain-link.mjs").PlainLink | null} */
    this.link = null;
    /** @type {HTMLElement | null} the map, with its figure */
    this.map = null;
    /** @type {HTMLCanvasElement | null} */
    this.canvas = null;
    /** @type {HTMLCanvasElement | null} */
    this.ink = null;
    /** @type {HTMLCanvasElement | null} of the pictures */
    this.shots = null;
    /** @type {HTMLCanvasElement | null} of the regions under the points */
    this.ground = null;
    const make = (width, height) => Object.assign(document.createElement("canvas"), { width, height });
    this.areas = new Areas(make);
    this.density = new Density(make, () => act("shade"));
    this.pictures = new Pictures(make);
    /** @type {Uint8Array | null} */
    this.covered = null;
    this.under = "";
    this.flashes = new Flashes();
    this.side = 0; // of a picture in CSS pixels; 0: none are shown
    /** @type {any} how opaque points are, and the part of the plane for which that is known */
    this.thinned = null;
    /** @type {CanvasRenderingContext2D | null} */
    this.g = null;
    /** @type {CanvasRenderingContext2D | null} */
    this.pg = null;
    /** @type {CanvasRenderingContext2D | null} */
    this.ig = null;
    /** @type {CanvasRenderingContext2D | null} */
    this.gg = null;
    this.bar = toolbar(act);
    this.legend = legend(act);
    this.areasKey = areasKey();
    /** @type {import("./probe.mjs").Probe | null} what looks between the points */
    this.probe = null;
    this.live = h("div", { class: "ssvae-m-live", role: "status", "aria-live": "polite" });
    this.status = h("span", { class: "ssvae-m-map-status" });
    this.keysOn = h("span", { class: "ssvae-m-keys-active", "aria-hidden": "true" }, "keys active");
    this.foot = h("div", { class: "ssvae-m-foot" }, this.live, this.status, this.keysOn);
    el.append(this.bar.el, this.legend.el, this.areasKey, this.density.key, this.foot);
    this.bar.el.hidden = !model.get("toolbar");
    common.views.add(this);
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

  /** Ask for one repaint in the next frame, of the points or only of the ink above them. */
  ask(what = "ink") {
    this.need.add(what);
    if (!this.frame && this.link)
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.draw();
      });
  }

  /** Points over a picture that is there are painted at once: while a flash runs, the next frame is a while away. */
  now() {
    const small = [...this.need].every((what) => what === "some" || what === "ink");
    if (!small || !this.image || this.s.t < 1) return;
    try {
      this.draw();
    } catch (error) {
      console.error(error); // the gesture goes on; the next frame draws
    }
  }

  resize() {
    if (!this.link) return;
    const { left, top, w, h: hh } = this.link.area,
      dpr = window.devicePixelRatio || 1,
      W = Math.max(1, Math.round(w * dpr)),
      H = Math.max(1, Math.round(hh * dpr));
    for (const c of [this.ground, this.canvas, this.shots, this.ink]) {
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
    this.pale = this.hex.flatMap((hex) => TINTS.map((t) => mixed(this.theme.surface, hex, t)));
    this.tint = Uint32Array.from(this.pale.length ? this.pale : [this.theme.none], packColor);
    this.counts();
    this.ask("points");
  }

  tally() {
    const st = this.s.state;
    this.bar.tally(this.s.n, st.selected.length, st.filter ? st.filter.length : null);
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
    const { words } = this.s,
      said = words.on && m.get("by_label"); // counts are of all words then
    this.legend.note(words.on ? wordsNote(m.get("color_by"), said) : "");
    if (m.get("kind") === "values") this.legend.values(m.get("color_by"), this.hex, m.get("range"));
    else {
      const names = m.get("categories"),
        count = () => (said ? words.counts(this.s.n, names.length) : st.counts(names.length));
      this.legend.classes(
        names,
        this.hex,
        this.s.looking ? null : count(),
        this.theme.none,
        m.get("by_label") ? "unlabeled" : "none",
        (String(names) === String(m.get("classes")) && m.get("order")) || undefined, // not those that are gone
        said,
      );
    }
  }

  draw() {
    if (!this.link || !this.alive) return;
    if (this.dpr !== (window.devicePixelRatio || 1)) this.resize();
    const v = this.view;
    if ((this.need.has("points") || this.need.has("areas")) && v.w > 0 && v.h > 0) this.drawGround(v);
    if (this.need.size > Number(this.need.has("ink")) && v.w > 0 && v.h > 0) {
      this.drawPictures(v);
      if (this.cover()) this.need.add("points");
    }
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
        codes: st.shades,
        flags: st.flags,
        layers: st.layers,
        lut: this.lut,
        tint: this.tint,
        thin: this.thin(v),
        covered: this.covered,
        accent: st.dimming ? packColor(this.theme.accent) : null,
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

  /** Density and regions under the points, as they are now: none while points travel, no colors of classes under others. */
  drawGround(v) {
    const m = this.model,
      g = (this.gg ||= this.ground.getContext("2d")),
      rest = this.s.t >= 1,
      on = m.get("regions") && this.areas.grid && rest,
      dense = this.density.on && rest,
      plain = m.get("kind") === "values" || String(m.get("categories")) !== String(m.get("classes")),
      theme = this.map.dataset.theme,
      colors = plain ? [] : m.get("class_colors");
    if (!on && !dense && !this.ground.dataset.of && !this.ground.dataset.dense) return;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, this.W, this.H);
    this.ground.classList.toggle("ssvae-m-there", !!(on || dense));
    this.ground.dataset.of = on ? String(m.get("areas").of) : "";
    this.ground.dataset.dense = dense ? String(m.get("density").of) : "";
    if (dense) this.density.draw(g, { view: v, dpr: this.dpr, theme, ink: this.theme.ring });
    if (!on) return;
    const look = { theme, colors: theme === "dark" ? colors.map(onDark) : colors, line: this.theme.ring };
    this.areas.draw(g, { view: v, dpr: this.dpr, ...look });
  }

  /** Which points lie under their picture and are not painted, where points are so large that they would look out from it. @returns {boolean} other ones than before */
  cover() {
    const st = this.s.state,
      rows = st.n < 5000 && this.side ? this.pictures.drawn.filter((d) => d[5]).map((d) => d[0]) : [],
      now = rows.join();
    if (now === this.under && (this.covered?.length === st.n || !rows.length)) return false;
    this.under = now;
    this.covered = rows.length ? new Uint8Array(st.n) : null;
    for (const i of rows) this.covered[i] = 1;
    return true;
  }

  /** How opaque points are, so that crowds show how dense they are: counted anew when the zoom, the points or the part of the plane has changed. */
  thin(v) {
    const st = this.s.state,
      t = this.thinned,
      k = v.w / (v.x1 - v.x0);
    if (st.n < 5000) return null;
    if (t && this.s.t < 1 && t.out.length === st.n) return t.out;
    const { part } = t || {};
    if (
      t &&
      t.xy === st.xy &&
      t.filter === st.filter &&
      Math.abs(Math.log(k / t.k)) < 0.12 &&
      Math.abs(Math.log(this.radius / t.radius)) < 0.12 &&
      v.x0 >= part.x0 &&
      v.x1 <= part.x1 &&
      v.y0 >= part.y0 &&
      v.y1 <= part.y1
    )
      return t.out;
    const mx = (v.x1 - v.x0) / 2,
      my = (v.y1 - v.y0) / 2,
      around = { x0: v.x0 - mx, x1: v.x1 + mx, y0: v.y0 - my, y1: v.y1 + my, w: 2 * v.w, h: 2 * v.h },
      out = t?.out.length === st.n ? t.out : new Uint8Array(st.n);
    thinOut(st.xy, around, this.radius, st.flags, out);
    this.thinned = { xy: st.xy, filter: st.filter, k, radius: this.radius, part: around, out };
    return out;
  }

  /** Pictures instead of dots, wherever there is room for one. */
  drawPictures(v) {
    const st = this.s.state,
      p = this.pictures,
      g = (this.pg ||= this.shots.getContext("2d"));
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, this.W, this.H);
    const home = this.model.get("home");
    this.side = !this.s.pictured ? 0 : this.model.get("picture_size") || p.fit(st.xy, st.flags, st.filter, home, v);
    if (this.side) this.side = Math.max(this.side, Math.sqrt((v.w * v.h) / AT_ONCE) / PITCH);
    this.bar.pictures(!!this.model.get("thumb")?.n, this.model.get("pictures"), this.side);
    if (!this.side) {
      p.drawn = [];
      this.shots.dataset.pictures = "0";
      return;
    }
    const traveling = this.s.t < 1,
      { at } = this.s.show,
      proposal = at >= 0 && this.s.open(at) ? at : -1;
    if (!traveling) p.layOut(st.xy, st.flags, v, home, this.side, proposal, this.s.before);
    if (!p.cells) return;
    g.setTransform(this.dpr, 0, 0, this.dpr, 0, 0);
    const missing = p.draw(g, this.s.shownXY(), v, {
      side: this.side,
      dpr: this.dpr,
      traveling,
      image: (i) => this.s.thumbs.get(i),
      frame: (i) => this.frameOf(i),
    });
    this.shots.dataset.pictures = String(p.drawn.length);
    Object.assign(this.shots, { drawn: p.drawn }); // for those who look at the page from outside
    this.fetch(traveling ? [] : missing);
  }

  /** The frame of a picture: color, width, opacity, the color around it ("" for none) and how wide that is. */
  frameOf(i) {
    const st = this.s.state,
      f = st.flags[i],
      c = st.shades[i],
      { none, ring, accent, surface } = this.theme,
      color = c === NONE ? none : c < PALE ? this.hex[c % this.hex.length] : this.pale[(c - PALE) % this.pale.length],
      faint = st.dimming && !(f & SELECTED) ? 0.25 : 1;
    if (f & SELECTED) return [c === NONE ? accent : color, 2, 1, accent, 2.5];
    if (f & PENDING) return [color, 2.5, faint, surface, 1];
    if (f & LABELED) return [color, 2.5, faint, ring, 1];
    return [color, c === NONE ? 0.5 : 2, faint, "", 0];
  }

  /** Ask for pictures: at once, and then when the view rests a little. */
  fetch(missing) {
    this.missing = missing;
    if (!missing.length || this.fetching) return;
    this.s.want(missing, 1000);
    this.fetching = setTimeout(() => {
      this.fetching = 0;
      if (this.alive && this.missing.length) this.s.want(this.missing, 1000);
    }, 120);
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

  /** A label is on the disk: its points flash in the color of the class. */
  land(serials, label) {
    const hex = this.model.get("class_colors")[label];
    if (!hex || !this.map) return;
    const st = this.s.state,
      seen = serials.filter((i) => i < st.n && !(st.flags[i] & HIDDEN));
    this.flashes.land(seen, this.map.dataset.theme === "dark" ? onDark(hex) : hex, performance.now());
    this.map.dataset.flashed = String(Number(this.map.dataset.flashed || 0) + 1);
    this.ask();
  }

  /** Rings, flashes, lasso and box: few shapes, drawn as vectors over the points. */
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
    const r = 7.8,
      box = (i, color) => {
        const b = this.pictures.box(i);
        if (b) {
          g.lineWidth = 2;
          g.strokeStyle = color;
          g.strokeRect(b[1] - b[3] - 2, b[2] - b[4] - 2, 2 * b[3] + 4, 2 * b[4] + 4);
        }
        return !!b;
      };
    if (st.selected.length <= 40) for (const i of st.selected) if (!this.pictures.box(i)) ring(i, r, 2, accent);
    if (this.hover >= 0 && this.hover < st.n && !box(this.hover, this.theme.ring))
      ring(this.hover, r - 0.5, 1.5, this.theme.ring);
    const place = (i) => toPixel(v, xy[2 * i], xy[2 * i + 1]);
    if (this.flashes.now.length && this.flashes.draw(g, place, r, performance.now(), this.s.still)) this.ask();
    this.probe?.ink(g, v, this.theme);
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

  describe(i) {
    const m = this.model,
      st = this.s.state,
      c = st.codes[i],
      names = m.get("categories"),
      [lo, hi] = m.get("range");
    if (this.s.words.on && m.get("by_label")) return `#${i} · ${this.s.words.text(i, m.get("classes"))}`;
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
}

/** What a color means where a picture can have several words. @param {string} column @param {boolean} said whether it is what people said */
function wordsNote(column, said) {
  if (said) return "color: first word · counts: all";
  if (column === "prediction") return "color: the most probable word, from 0.50 on";
  if (column.startsWith("has ")) return "0 or 1 where somebody has said so, else predicted";
  return column === "certainty" ? "of the word most in doubt" : "";
}

/** Is the page dark? JupyterLab says so; elsewhere the background behind the map or the system decides. */
function dark(el) {
  const lab = document.body.dataset.jpThemeLight;
  if (lab) return lab === "false";
  const m = /^rgba?\((\d+), (\d+), (\d+)/.exec(getComputedStyle(document.body).backgroundColor);
  if (m && getComputedStyle(document.body).backgroundColor !== "rgba(0, 0, 0, 0)")
    return 0.3 * Number(m[1]) + 0.6 * Number(m[2]) + 0.1 * Number(m[3]) < 110;
  return matchMedia("(prefers-color-scheme: dark)").matches && el.isConnected;
}
