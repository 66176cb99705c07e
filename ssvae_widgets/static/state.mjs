/**
 * What one map knows, shared by all its views: positions, colours, labels, selection and the gestures that Python has not
 * acknowledged yet. Pure; tested in node. A label shows at once and as unsaved; Python's answer settles it or takes it back.
 */
import { HIDDEN, LABELED, NONE, PENDING, SELECTED, tallyLayers } from "./raster.mjs";

export class PointState {
  constructor() {
    this.n = 0;
    this.xy = new Float32Array(0);
    this.codes = new Uint16Array(0);
    this.flags = new Uint8Array(0);
    this.selected = new Uint32Array(0);
    this.filter = null;
    this.pending = new Map();
    this.byLabel = true;
    this.baseCodes = this.codes;
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
      this.selected = new Uint32Array(0);
      this.filter = null;
      this.pending.clear();
    }
    this.rebuild();
  }

  /** Colours and label marks as Python knows them; gestures under way stay painted on top. Wrong lengths are refused. */
  setBase(codes, labeled) {
    if (codes && codes.length === this.n) this.baseCodes = codes;
    if (labeled && labeled.length === this.n) this.baseLabeled = labeled;
    this.rebuild();
  }

  /** A few values of the base changed: `codes` and `labeled` are single values or arrays beside `serials`. */
  patch(serials, codes, labeled) {
    for (let k = 0; k < serials.length; k++) {
      const i = serials[k];
      if (i >= this.n) continue;
      if (codes) this.baseCodes[i] = codes[k];
      if (labeled) this.baseLabeled[i] = labeled[k];
    }
    this.rebuild();
  }

  /** Paint a label (or its removal, `label` null) before Python has answered. */
  begin(gesture, serials, label) {
    this.pending.set(gesture, { serials, label });
    this.rebuild();
  }

  /** Python's answer: kept as the new base when `ok`, else taken back. @returns {boolean} whether the gesture was known */
  settle(gesture, ok) {
    const g = this.pending.get(gesture);
    if (!g) return false;
    this.pending.delete(gesture);
    if (ok) for (const i of g.serials) {
      this.baseLabeled[i] = g.label === null ? 0 : 1;
      if (this.byLabel) this.baseCodes[i] = g.label === null ? NONE : g.label;
    }
    this.rebuild();
    return true;
  }

  select(serials) {
    this.selected = serials.filter((i) => i < this.n);
    this.rebuild();
  }

  /** Show only these points (null: all). The others stay as a faint trace and cannot be picked. */
  setFilter(serials) {
    this.filter = serials && serials.length ? serials : null;
    this.rebuild();
  }

  /** One point selected is looked at, several are worked on: only then the others step back. */
  get dimming() {
    return this.selected.length > 1 && !this.filter;
  }

  rebuild() {
    const n = this.n, flags = new Uint8Array(n), codes = this.pending.size ? Uint16Array.from(this.baseCodes) : this.baseCodes;
    for (let i = 0; i < n; i++) if (this.baseLabeled[i]) flags[i] = LABELED;
    for (const { serials, label } of this.pending.values()) for (const i of serials) {
      if (label === null) { flags[i] &= ~(LABELED | PENDING); if (this.byLabel) codes[i] = NONE; }
      else { flags[i] |= LABELED | PENDING; if (this.byLabel) codes[i] = label; }
    }
    if (this.filter) {
      for (let i = 0; i < n; i++) flags[i] |= HIDDEN;
      for (const i of this.filter) flags[i] &= ~HIDDEN;
    }
    for (const i of this.selected) flags[i] |= SELECTED;
    this.flags = flags;
    this.codes = codes;
    this.tally = tallyLayers(flags, codes, this.dimming);
    this.version++;
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

  /** Points of each colour index, and of none at the end. @returns {number[]} */
  counts(k) {
    const out = new Array(k + 1).fill(0);
    for (let i = 0; i < this.n; i++) { const c = this.codes[i]; out[c < k ? c : k]++; }
    return out;
  }
}
