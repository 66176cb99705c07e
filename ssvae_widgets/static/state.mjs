/**
 * What one map knows, shared by all its views: positions, colors, labels, selection and the gestures that Python has not
 * acknowledged yet. Pure; tested in node. A label shows at once and as unsaved; Python's answer settles it or takes it back.
 */
import { HIDDEN, LABELED, NONE, PALE, PENDING, SELECTED, fillLayers, layerOf } from "./raster.mjs";

/** The label of one point, of one for all or a function. @returns {number | null} */
const labelOf = (label, i) => (typeof label === "function" ? label(i) : label);

export class PointState {
  constructor() {
    this.n = 0;
    this.xy = new Float32Array(0);
    this.codes = new Uint16Array(0);
    this.shades = new Uint16Array(0); // what is painted: the code, or else the prediction in pale
    this.guess = new Uint16Array(0); // 4 × the class predicted + how certain, 65535 for none; empty when none is shown
    this.flags = new Uint8Array(0);
    this.layers = new Uint8Array(0);
    this.tally = [0, 0, 0, 0];
    this.past = []; // selections that were replaced or dropped, the newest last
    this.recalling = false;
    this.selected = new Uint32Array(0);
    this.filter = null;
    this.pending = new Map();
    this.byLabel = true;
    this.baseCodes = new Uint16Array(0);
    this.baseLabeled = new Uint8Array(0);
    this.version = 0;
  }

  /** New positions; arrays of another length start over. */
  setPositions(xy) {
    const n = xy.length >> 1;
    this.xy = xy;
    if (n !== this.n) {
      this.n = n;
      this.baseCodes = new Uint16Array(n).fill(NONE);
      this.baseLabeled = new Uint8Array(n);
      this.codes = new Uint16Array(n);
      this.shades = new Uint16Array(n);
      this.guess = new Uint16Array(0);
      this.flags = new Uint8Array(n);
      this.layers = new Uint8Array(n);
      this.mark = new Uint8Array(n);
      this.selected = new Uint32Array(0);
      this.filter = null;
      this.pending.clear();
    }
    this.rebuild();
  }

  /** Colors and label marks as Python knows them, empty for none; gestures under way stay painted on top. Wrong lengths are refused. */
  setBase(codes, labeled) {
    if (codes && codes.length === 0 && this.n) codes = new Uint16Array(this.n).fill(NONE);
    if (labeled && labeled.length === 0 && this.n) labeled = new Uint8Array(this.n);
    if (codes && codes.length === this.n) this.baseCodes = codes;
    if (labeled && labeled.length === this.n) this.baseLabeled = labeled;
    this.rebuild();
  }

  /** What is predicted where nothing is labeled, shown in pale; empty for nothing, and another length is nothing. */
  setGuess(guess) {
    this.guess = guess.length === this.n ? guess : new Uint16Array(0);
    this.rebuild();
  }

  /** What point `i` is painted as. */
  shade(i) {
    const c = this.codes[i];
    const open = c === NONE && this.byLabel && !(this.flags[i] & LABELED); // none of several words is an answer too
    return open && this.guess.length && this.guess[i] !== NONE ? PALE + this.guess[i] : c;
  }

  /** The class that point `i` is painted in, whether labeled or predicted; NONE: none. */
  colorOf(i) {
    const c = this.shades[i];
    return c === NONE || c < PALE ? c : (c - PALE) >> 2;
  }

  /** A few values of the base changed: `codes`, `labeled` and `guess` are arrays beside `serials`, or null. @returns {boolean} see `touch` */
  patch(serials, codes, labeled, guess = null) {
    if (guess && !this.guess.length) this.guess = new Uint16Array(this.n).fill(NONE);
    for (let k = 0; k < serials.length; k++) {
      const i = serials[k];
      if (i >= this.n) continue;
      if (codes) this.baseCodes[i] = codes[k];
      if (labeled) this.baseLabeled[i] = labeled[k];
      if (guess) this.guess[i] = guess[k];
    }
    return this.touch(serials);
  }

  /** Paint a label (or its removal, `label` null) before Python has answered; a function says it of each point. @returns {boolean} see `touch` */
  begin(gesture, serials, label, flash = label) {
    this.pending.set(gesture, { serials, label, flash });
    return this.touch(serials);
  }

  /** Python's answer: kept as the new base when `ok`, else taken back. @returns {{serials: Uint32Array, label: number|null, over: boolean}|null} null for an unknown gesture */
  settle(gesture, ok) {
    const g = this.pending.get(gesture);
    if (!g) return null;
    this.pending.delete(gesture);
    if (ok)
      for (const i of g.serials) {
        const label = labelOf(g.label, i);
        this.baseLabeled[i] = label === null ? 0 : 1;
        if (this.byLabel) this.baseCodes[i] = label === null ? NONE : label;
      }
    return { serials: g.serials, label: g.flash, over: this.touch(g.serials) };
  }

  select(serials) {
    const was = this.selected,
      dim = this.dimming;
    this.selected = serials.filter((i) => i < this.n && this.xy[2 * i] === this.xy[2 * i]); // what is nowhere is never selected
    this.remember(was);
    if (dim || this.dimming) return this.rebuild();
    for (const i of was) this.flags[i] &= ~SELECTED;
    for (const i of this.selected) this.flags[i] |= SELECTED;
  }

  /** A selection of many that is replaced, or any that is dropped, can be brought back; leaving out one point of many is neither. @param {Uint32Array} was */
  remember(was) {
    const now = this.selected,
      [few, all] = now.length < was.length ? [now, was] : [was, now],
      near = was.length > 1 && all.length - few.length < 2,
      refined = near && new Set([...few, ...all]).size === all.length;
    if (this.recalling || refined || !(was.length > 1 || (was.length && !now.length))) return;
    this.past = [...this.past, was].slice(-20);
  }

  /** The selection before this one, which goes to the end of the line: asked again and again, all come round. Null: there was none. */
  recall() {
    const back = this.past.pop();
    if (back && this.selected.length > 1) this.past.unshift(this.selected);
    return back || null;
  }

  /** Show only these points (null: all; one that there is not: none). The others stay as a faint trace and cannot be picked. */
  setFilter(serials) {
    this.filter = serials && serials.length ? serials.filter((i) => i < this.n) : null;
    this.rebuild();
  }

  /** One point selected is looked at, several are worked on: only then the others step back. */
  get dimming() {
    return this.selected.length > 1 && !this.filter;
  }

  /** Bring everything up to date. */
  rebuild() {
    const { n, flags, codes } = this;
    codes.set(this.baseCodes);
    for (let i = 0; i < n; i++) flags[i] = this.baseLabeled[i] ? LABELED : 0;
    this.overlay(null);
    if (this.filter) {
      for (let i = 0; i < n; i++) flags[i] |= HIDDEN;
      for (const i of this.filter) flags[i] &= ~HIDDEN;
    }
    for (const i of this.selected) flags[i] |= SELECTED;
    const { shades } = this;
    if (this.byLabel && this.guess.length) for (let i = 0; i < n; i++) shades[i] = this.shade(i);
    else shades.set(codes);
    this.tally = fillLayers(this.layers, flags, shades, this.dimming);
    this.version++;
  }

  /** Put the gestures under way over the base, for all points or the marked ones. */
  overlay(mark) {
    for (const { serials, label } of this.pending.values())
      for (const i of serials) {
        if (mark && !mark[i]) continue;
        const own = labelOf(label, i);
        if (own === null) {
          this.flags[i] &= ~(LABELED | PENDING);
          if (this.byLabel) this.codes[i] = NONE;
        } else {
          this.flags[i] |= LABELED | PENDING;
          if (this.byLabel) this.codes[i] = own;
        }
      }
  }

  /** Bring some points up to date, at a cost that does not grow with the crowd. @returns {boolean} true when painting them over what is there is enough */
  touch(serials) {
    const { n, flags, codes, layers, mark } = this;
    let over = true;
    for (const i of serials) {
      if (i >= n) continue;
      mark[i] = 1;
      flags[i] = (flags[i] & (SELECTED | HIDDEN)) | (this.baseLabeled[i] ? LABELED : 0);
      codes[i] = this.baseCodes[i];
    }
    this.overlay(mark);
    for (const i of serials) {
      if (i >= n || !mark[i]) continue;
      mark[i] = 0;
      this.tally[layers[i]]--;
      this.shades[i] = this.shade(i);
      layers[i] = layerOf(flags[i], this.shades[i], this.dimming);
      this.tally[layers[i]]++;
      if (layers[i] !== 3) over = false;
    }
    this.version++;
    return over;
  }

  /** True where a point cannot be picked. Null when all can. */
  get skip() {
    if (!this.filter) return null;
    return this.flags.map((f) => f & HIDDEN);
  }

  /** True where an arrow key does not stop: hidden, or labeled already. */
  get skipLabeled() {
    return this.flags.map((f) => f & (HIDDEN | LABELED));
  }

  /** Points of each color index, and of none at the end. @returns {number[]} */
  counts(k) {
    const out = new Array(k + 1).fill(0);
    for (let i = 0; i < this.n; i++) {
      const c = this.codes[i];
      out[c < k ? c : k]++;
    }
    return out;
  }
}
