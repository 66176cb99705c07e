/**
 * The words of pictures that can have several: what Python has told, and gestures under way on top of it. Pure; tested in node.
 * What is known of a picture is two lists of codes, words that are there and words that are not; what is in neither nobody has said.
 */
import { NONE } from "./raster.mjs";
import { clean, typed } from "./dom.mjs";

/**
 * What is known after a gesture, null where nobody has said anything. @param {number[][] | null} known @param {any} change
 * @param {number[]} order all words on show @returns {number[][] | null}
 */
export function knownAfter(known, change, order) {
  if (change.clear) return null;
  const whole = (there) => [there, order.filter((k) => !there.includes(k))];
  if (change.words) return whole(change.words);
  if (change.whole) return known && whole(known[0]);
  const { label, on } = change;
  if (!known && !on) return [[], [label]];
  const rest = (known?.[0] || []).filter((k) => k !== label);
  return whole(on ? [...rest, label] : rest);
}

export class Words {
  constructor() {
    this.on = false; // whether pictures can have several words here
    this.version = 0; // counts changes
    this.seq = 0; // number of the last gesture that Python had told of
    this.kinds = []; // each different answer once
    this.rows = new Map(); // row -> its answer among these
    this.order = [];
    this.under = []; // gestures that Python has not told of yet
    this.tallied = { serials: null, version: -1, tally: new Map() }; // of the selection, asked for at every move
  }

  /** What Python tells: {} where a picture has one class. @param {any} told @param {number[]} order words on show */
  read(told, order) {
    this.on = Array.isArray(told?.kinds);
    this.version++;
    this.order = order;
    if (!this.on) return;
    const rows = typed(told.rows, Uint32Array),
      ids = typed(told.ids, Uint32Array);
    this.kinds = told.kinds;
    this.seq = told.seq;
    this.rows = new Map();
    for (let k = 0; k < rows.length && k < ids.length; k++) this.rows.set(rows[k], ids[k]);
    this.under = this.under.filter((g) => g.seq === null || g.seq > told.seq);
  }

  /** A gesture is on its way. @param {number} gesture @param {Uint32Array} serials @param {any} change */
  begin(gesture, serials, change) {
    this.under.push({ gesture, serials, among: new Set(serials), change, seq: null });
    this.version++;
  }

  /** Python has kept it (as number `seq` of its log), or not. */
  settle(gesture, ok, seq) {
    const g = this.under.find((one) => one.gesture === gesture);
    if (!g) return;
    if (ok && seq > this.seq) g.seq = seq;
    else this.under = this.under.filter((one) => one !== g);
    this.version++;
  }

  /** Nobody will answer any more. */
  forget() {
    this.under = [];
    this.version++;
  }

  /** What is known of a picture. @returns {number[][] | null} */
  of(i) {
    const kind = this.rows.get(i);
    let known = kind === undefined ? null : this.kinds[kind] || null;
    for (const g of this.under) if (g.among.has(i)) known = knownAfter(known, g.change, this.order);
    return known;
  }

  /** The words of a picture in the order of the buttons; null: nobody has said anything. */
  there(i) {
    const known = this.of(i);
    return known && this.order.filter((k) => known[0].includes(k));
  }

  /** Whether everything was said of a picture. */
  whole(i) {
    const known = this.of(i);
    return !!known && this.order.every((k) => known[0].includes(k) || known[1].includes(k));
  }

  /** The color of a picture: its first word; NONE without one, null where nobody has said anything. */
  color(i) {
    const there = this.there(i);
    return there && (there.length ? there[0] : NONE);
  }

  /** What somebody said of a picture, as text. @param {number} i @param {string[]} names */
  text(i, names) {
    const there = this.there(i);
    if (!there) return "unlabeled";
    if (there.length) return there.map((k) => clean(names[k] ?? k, 40)).join(", ");
    return this.whole(i) ? "none of these" : "not all was said";
  }

  /** How many of some pictures have each word: code -> number. @param {Iterable<number>} serials */
  tally(serials) {
    const { tallied, version } = this;
    if (tallied.serials === serials && tallied.version === version) return tallied.tally;
    const tally = new Map();
    for (const i of serials) for (const k of this.of(i)?.[0] || []) tally.set(k, (tally.get(k) || 0) + 1);
    this.tallied = { serials, version, tally };
    return tally;
  }

  /** Whether all, some or none of these pictures have a word, as `aria-pressed` says it. @returns {"true" | "mixed" | "false"} */
  state(serials, code, tally = this.tally(serials)) {
    const n = tally.get(code) || 0;
    return n && n === serials.length ? "true" : n ? "mixed" : "false";
  }

  /** All pictures with an answer. */
  answered() {
    const all = new Set(this.rows.keys());
    for (const g of this.under) for (const i of g.serials) all.add(i);
    return [...all].filter((i) => this.of(i));
  }

  /** Of `n` pictures, how many have each of `k` words, then how many nobody has answered, then how many have none of the words. */
  counts(n, k) {
    const out = new Array(k + 2).fill(0),
      all = this.answered();
    for (const i of all) {
      const there = this.there(i);
      for (const code of there) out[code]++;
      if (!there.length) out[k + 1]++;
    }
    out[k] = n - all.length;
    return out;
  }

  /** Pictures with a word; of code −1 those that nobody has answered, of −2 those without any word. @param {number} n @param {number} code */
  having(n, code) {
    if (code === -1) {
      const known = new Set(this.answered());
      return Array.from({ length: n }, (_, i) => i).filter((i) => !known.has(i));
    }
    const fits = (there) => (code === -2 ? !there.length : there.includes(code));
    return this.answered()
      .filter((i) => i < n && fits(this.there(i)))
      .sort((a, b) => a - b);
  }
}

/** Words as a sentence says them: those that are there, or that there is none. @param {number[]} codes @param {string[]} names */
export function inWords(codes, names, most = 3) {
  const some = codes.slice(0, most).map((k) => clean(names[k] ?? k, 24));
  return codes.length ? `${some.join(", ")}${codes.length > most ? ", …" : ""}` : "none of these";
}
