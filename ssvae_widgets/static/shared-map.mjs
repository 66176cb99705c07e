/** The state of one map on this page, whoever shows it: points on their way, gestures that wait for Python, thumbnails, proposals that are held. */
import { ease, lerp } from "./geometry.mjs";
import { HIDDEN, LABELED, NONE } from "./raster.mjs";
import { early, Recent } from "./map-pictures.mjs";
import { PointState } from "./state.mjs";
import { GONE, watchKernel } from "./kernel-watch.mjs";
import { onShow } from "./on-show.mjs";
import { DecodeLink } from "./decode-link.mjs";
import { typed } from "./dom.mjs";
import { clearWords, toggleWord } from "./word-keys.mjs";

/** A typed array as the trait of a model. */
export const bytes = (a) => new DataView(a.buffer, a.byteOffset, a.byteLength);
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** What all views of one map share: its points, what is on show, and what is sent to Python. */
export class Shared {
  constructor(model) {
    this.model = model;
    this.state = new PointState();
    this.views = new Set();
    this.thumbs = new Recent();
    this.asked = new Map(); // row -> when its picture was asked for
    this.gesture = Math.floor(Math.random() * 2 ** 30); // two pages on one kernel must not share gesture numbers
    this.t = 1;
    this.waiting = [];
    this.show = onShow(model.get("key"));
    this.words = this.show.words;
    this.readWords();
    this.decoding = new DecodeLink(model, () => this.tell("decoder"));
    this.show.thumb = (i) => {
      const t = this.thumbs.get(i),
        c = this.state.codes[i];
      return t && { ...t, label: this.state.byLabel && this.state.flags[i] & LABELED && c !== NONE ? c : -1 };
    };
    inOrder(model).then(() => {
      for (const message of this.waiting) model.send(...message);
      this.waiting = null;
    });
    this.unwatch = watchKernel(model, model.get("key"), () => this.lost());
    this.first();
    model.on("change:positions", () => this.move());
    model.on("change:sample change:sample_codes", () => {
      if (this.looking) {
        this.first();
        this.tell("points");
      }
    });
    // Each alone: patches have changed the other here, and the model still holds what it was before them.
    for (const name of ["codes", "labeled", "by_label", "guess"])
      model.on(`change:${name}`, () => {
        if (this.looking) return;
        this.readBase([name]);
        this.tell("points");
      });
    model.on("change:words change:order", () => {
      this.readWords();
      this.tell("words");
    });
    model.on("change:selected", () => {
      this.readSelected();
      this.tell("selection");
    });
    model.on("change:hovered", () => this.show.hover(model.get("hovered")));
    model.send({ type: "deck" });
    model.on("change:filter", () => {
      if (!this.looking) this.state.setFilter(model.get("filter") ? typed(model.get("filter"), Uint32Array) : null);
      this.tell("points");
    });
    model.on("msg:custom", (m, b) => this.message(m, b || []));
    this.openPictures();
  }

  /** Pictures that will be among the first are on their way while the map is still being put together. */
  openPictures() {
    /** @type {Uint8Array | null} rows that were asked for so early; where there is room they go first */
    this.before = null;
    if (!this.pictured) return;
    const rows = early(this.state.xy);
    this.want(rows, rows.length);
    this.before = new Uint8Array(this.state.n);
    for (const i of rows) this.before[i] = 1;
  }

  /** Some points changed: where painting them over the picture is enough, that is all that is painted. */
  touched(serials, over) {
    if (!over || serials.length > 20000) return this.tell("points");
    for (const v of this.views) v.changed("some", serials);
  }

  /** All points there are; where there are many, a sample of them until the rest has come. `looking` says so: one can look, not touch. */
  first() {
    const m = this.model,
      all = typed(m.get("positions"), Float32Array);
    this.looking = !all.length && m.get("sample").byteLength > 0;
    this.state.setPositions(this.looking ? typed(m.get("sample"), Float32Array) : all);
    this.from = this.state.xy;
    if (this.looking) {
      this.state.byLabel = m.get("by_label");
      this.state.setBase(typed(m.get("sample_codes"), Uint16Array), null);
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

  /** The kernel is gone: what was not acknowledged is not shown as labeled. */
  lost() {
    for (const gesture of [...this.state.pending.keys()]) this.state.settle(gesture, false);
    this.words.forget();
    this.tell("points");
    this.show.leave(GONE);
  }

  /** Nothing moves where the person has asked for that. */
  get still() {
    return calm();
  }

  get n() {
    return this.looking ? this.model.get("total") : this.state.n;
  }

  tell(what) {
    for (const v of this.views) v.changed(what);
  }

  /** What somebody said of each picture, where one can have several words. */
  readWords() {
    const m = this.model;
    this.words.read(m.get("words"), m.get("order") || (m.get("classes") || []).map((_, k) => k));
    this.show.tell();
  }

  readBase(names = ["codes", "labeled", "guess"]) {
    const m = this.model;
    this.state.byLabel = m.get("by_label");
    if (names.includes("guess")) this.state.setGuess(typed(m.get("guess"), Uint16Array).slice());
    this.state.setBase(
      names.includes("codes") ? typed(m.get("codes"), Uint16Array) : null,
      names.includes("labeled") ? typed(m.get("labeled"), Uint8Array) : null,
    );
  }

  /** What Python says is selected, once it has heard of every picture that was left out here. */
  catchUp() {
    const before = this.state.selected;
    this.readSelected();
    if (this.state.selected !== before) this.tell("selection");
  }

  readSelected() {
    if (this.looking || this.ahead) return;
    const now = typed(this.model.get("selected"), Uint32Array),
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
      next = typed(m.get("positions"), Float32Array),
      how = m.get("move") || {};
    const old = this.shownXY(),
      to = how.domain,
      n = this.state.n;
    const d = [...this.views].find((v) => v.link)?.link.domain,
      was = d && [d.x0, d.x1, d.y0, d.y1];
    this.state.setPositions(next);
    const calmly = calm() || this.decoding.wanted; // who looks between the points is not kept waiting
    const ms = next.length === 2 * n && n > 0 && !calmly ? how.ms || 0 : 0;
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
      const at = typed(buffers[0], Uint32Array),
        has = (k) => buffers[k] && buffers[k].byteLength;
      this.touched(
        at,
        s.patch(
          at,
          has(1) ? typed(buffers[1], Uint16Array) : null,
          has(2) ? typed(buffers[2], Uint8Array) : null,
          has(3) ? typed(buffers[3], Uint16Array) : null,
        ),
      );
    } else if (m.type === "ack") {
      const told = m.gestures || [m.gesture];
      for (const g of told) this.words.settle(g, m.ok !== false, m.seq ?? 0);
      const done = told.map((g) => s.settle(g, m.ok !== false)).filter(Boolean);
      if (this.words.on) this.show.tell();
      if (done.length)
        this.touched(
          done.length === 1 ? done[0].serials : Uint32Array.from(new Set(done.flatMap((d) => [...d.serials]))),
          done.every((d) => d.over),
        );
      if (m.ok === false) this.tell("refused");
      else
        for (const { serials, label } of done) if (label !== null) for (const v of this.views) v.land(serials, label);
    } else if (m.type === "thumbs") {
      const ids = typed(buffers[0], Uint32Array),
        size = m.w * m.h * m.c,
        data = typed(buffers[1], Uint8Array);
      ids.forEach((id, k) => {
        this.thumbs.set(id, { w: m.w, h: m.h, c: m.c, data: data.slice(k * size, (k + 1) * size) });
        this.asked.delete(id);
      });
      this.tell("thumbs");
      this.show.tell();
    } else if (m.type === "deck") {
      const asked = this.show.waiting,
        to = this.show.deal(
          m,
          buffers.map((b) => typed(b, Uint8Array)),
        );
      if (to >= 0) this.goTo(to);
      else if (asked && !this.show.waiting) this.show.select(this.state.selected, "python");
    } else if (this.decoding.message(m, buffers)) return;
    else if (m.type === "focus") for (const v of this.views) v.focusOn(m.index);
    else if (m.type === "reset") for (const v of this.views) v.reset();
  }

  /** Select in all views at once and let Python know; its own newest wins. */
  select(serials, source) {
    if (this.looking) return;
    this.source = source;
    this.ahead = false;
    this.state.select(serials);
    this.show.select(this.state.selected, source);
    this.model.set("selected", bytes(serials));
    this.model.save_changes();
    this.tell("selection");
    if (serials.length === 1) this.want(serials);
  }

  /** Bring back the selection before this one. False: there was none. */
  reselect() {
    const back = this.state.recall();
    if (!back) return false;
    this.reveal(back);
    this.state.recalling = true;
    this.select(back, "key");
    this.state.recalling = false;
    return true;
  }

  /** The same as Python is about to select, who is told in another way. */
  selectHere(serials) {
    this.state.select(serials);
    this.show.select(this.state.selected, "key");
    this.tell("selection");
  }

  /** The points that a key says something of. */
  get about() {
    return this.show.about(this.state.selected);
  }

  /** Is a proposal still unlabeled here? */
  open = (i) => i < this.state.n && !(this.state.flags[i] & LABELED);

  /** What is about to be selected can be seen: a filter that hides some of it ends. */
  reveal(serials) {
    if (!serials.some((i) => this.state.flags[i] & HIDDEN)) return;
    this.model.set("filter", bytes(new Uint32Array(0)));
    this.state.setFilter(null);
    this.tell("points");
  }

  /** Show a proposal that is held: selection, picture and reason in this frame. */
  goTo(i) {
    if (i < 0 || i >= this.state.n) return;
    this.reveal([i]);
    this.select(Uint32Array.of(i), "next");
    for (const v of this.views) v.focusOn(i);
  }

  /** next, skip, back, walk: to a proposal that is held, else Python is asked for one. */
  propose(name) {
    const { show } = this,
      here = this.state.selected.length === 1 && this.state.selected[0] === show.at;
    if (!show.views || show.gone) return this.intent(name); // a map alone proposes nothing
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
    if (!here) return [{}, -1];
    const i = show.next(this.open);
    return i < 0 ? [null, -1] : [show.go(i), i];
  }

  intent(type, extra = {}, serials = null) {
    if (this.show.gone) return this.show.say(this.show.gone);
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
    const serials = this.about;
    if (this.show.gone) return this.intent("label");
    if (!serials.length || !this.model.get("listening")) return false;
    if (this.words.on) {
      if (label === null) clearWords(this);
      else toggleWord(this, label);
      return true;
    }
    const gesture = ++this.gesture,
      facts = { gesture, source: this.source === "lasso" || this.source === "box" ? this.source : source };
    this.touched(serials, this.state.begin(gesture, serials, label));
    if (label === null) this.intent("clear", facts, serials);
    else this.answer("label", { ...facts, label }, serials);
    return true;
  }

  /** The predicted class that is on show, accepted. */
  accept() {
    const serials = this.about,
      said = this.show.said;
    if (this.show.gone) return this.intent("accept");
    if (serials.length !== 1 || !this.model.get("listening") || !(said >= 0) || this.show.drawn !== serials[0])
      return this.intent("accept", {}, serials);
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

  /** Are there pictures of the points, and may they be shown? */
  get pictured() {
    return !!this.model.get("thumb")?.n && this.model.get("pictures") && !this.looking;
  }

  /** Pictures that a view or a hover needs, the first ones soonest; asked for once, and again when no answer has come for long. */
  want(ids, most = 256) {
    const t = this.model.get("thumb"),
      now = performance.now();
    if (!t || !t.n) return;
    const miss = [...new Set(ids)]
      .filter((i) => !this.thumbs.has(i) && !(now - this.asked.get(i) < 5000))
      .slice(0, most);
    if (!miss.length) return;
    for (const i of miss) this.asked.set(i, now);
    try {
      this.model.send({ type: "thumbs" }, undefined, [Uint32Array.from(miss).buffer]);
    } catch {
      /* no kernel: what has come stays */
    }
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
