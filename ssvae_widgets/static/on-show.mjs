import { Words } from "./words.mjs";

/**
 * What a page shows of one item, and the proposals that it holds ready. The map, the preview and the status line of one app share it. Pure; tested in node.
 * A key acts on what was on show when it was pressed: `refusal` says why one may not, and `next` which picture comes in the same frame.
 */
export class OnShow {
  constructor(first = Math.floor(Math.random() * 2 ** 30)) {
    this.cards = new Map(); // serial -> { info, pixels } as the preview draws them
    this.order = []; // serials that come next, as Python knew them after `heard`
    this.at = -1; // the proposal this page went to last
    this.past = []; // proposals before it
    this.move = first; // two pages on one kernel must not share numbers
    this.flight = []; // moves that Python has not heard of yet: [number, serial]
    this.asked = 0; // the move that waits for Python's proposal; 0: none
    this.selected = [];
    this.hovered = -1;
    this.following = "selected";
    this.pointed = -1; // the point that was just clicked: it has been on show without its picture
    this.views = 0;
    this.drawn = -1;
    this.said = -1; // previews on the page, what they show, and the class they predict
    this.written = ""; // a note of what they show
    this.words = new Words(); // of pictures that can have several
    this.suggested = null; // codes of the words that are predicted for what they show; null: nothing is
    this.coming = false; // the picture is there, what is said of it not yet
    this.note = "";
    this.gone = ""; // why nothing that is asked is heard any more
    this.listeners = new Set();
    this.openers = new Set(); // of the previews: show the picture in full size; true when one did
    this.light = null; // the dialog with that picture, while it is open
    this.since = 0; // when what they show came onto the screen; Infinity: it comes with the next frame
    this.pressed = Infinity; // when the key was pressed that acts now
    this.opening = -1; // what is shown in full size as soon as it is drawn
    /** @type {(serial: number) => any} a thumbnail that is there */
    this.thumb = () => null;
  }

  listen(f) {
    this.listeners.add(f);
    return () => this.listeners.delete(f);
  }
  tell() {
    for (const f of this.listeners) f();
  }

  /** Nobody hears what is asked from now on. */
  leave(why) {
    this.gone = why;
    this.asked = 0;
    this.tell();
  }

  /** The picture on show in full size, at the latest when it comes; false when no preview can. */
  open() {
    const i = this.wanted;
    if (i >= 0 && i !== this.drawn && this.openers.size) {
      this.opening = i;
      return true;
    }
    return [...this.openers].some((f) => f());
  }

  get waiting() {
    return this.asked > 0;
  }

  /** The item whose picture belongs on the page; -1: none in particular. */
  get wanted() {
    if (this.following === "hovered" && this.hovered >= 0) return this.hovered;
    return this.selected.length === 1 ? this.selected[0] : -1;
  }

  /** Somebody (`by`: "click", "key", "python", …) chose these points: nobody waits any more. */
  select(serials, by) {
    this.selected = serials;
    this.following = "selected";
    this.asked = 0;
    this.pointed = by === "click" && serials.length === 1 ? serials[0] : -1;
    this.tell();
  }

  hover(serial) {
    if (!this.light) this.turn(serial); // else the pointer is over the dialog
  }

  /** A picture is looked at, whatever is selected; -1: none any more. */
  turn(serial) {
    if (serial === this.hovered && (serial < 0 || this.following === "hovered")) return;
    this.hovered = serial;
    this.following = serial >= 0 ? "hovered" : "selected";
    this.tell();
  }

  /** What to draw, given what Python sent last: that, a card that is held, a thumbnail, or null for what is there. */
  pick(info, pixels) {
    if (this.waiting) return { info: { hint: "Looking for the image worth labeling next …" }, pixels };
    const i = this.wanted;
    if (i < 0 || info?.serial === i) return { info, pixels };
    const card = this.cards.get(i);
    if (card) return card;
    const t = this.following === "selected" && this.thumb(i);
    return t
      ? {
          info: {
            serial: i,
            kind: "selected",
            label: t.label,
            prediction: -1,
            coming: true,
            original: { offset: 0, bytes: t.data.length, shape: [t.h, t.w, t.c] },
          },
          pixels: t.data,
        }
      : null;
  }

  /** What is drawn now is seen from the next frame on: a page that is busy hears keys that were pressed before. */
  frame() {
    if (!globalThis.requestAnimationFrame) return;
    this.since = Infinity;
    requestAnimationFrame(() => (this.since = performance.now()));
  }

  /** A preview has drawn this. */
  drew(info) {
    if (this.drawn !== (info?.serial ?? -1)) this.frame();
    this.drawn = info?.serial ?? -1;
    this.said = info?.prediction ?? -1;
    this.written = info?.written ?? "";
    this.suggested = info?.words?.predicted ?? null;
    this.coming = !!info?.coming;
    if (this.following === "hovered" && this.drawn === this.hovered && this.drawn !== this.pointed) this.pointed = -1;
    if (this.opening >= 0 && this.opening === this.drawn) queueMicrotask(() => this.open());
    if (this.opening !== this.wanted || this.opening === this.drawn) this.opening = -1;
  }

  /** What keys are about, where these points are selected: the picture in full size while that is open. */
  about(selected) {
    return this.light && this.wanted >= 0 ? Uint32Array.of(this.wanted) : selected;
  }

  /** Why a key may not act on these points; empty when it may. */
  refusal(serials) {
    if (this.gone) return this.gone;
    if (this.waiting) return "The next image is not here yet: the key was not used";
    if (this.light) {
      if (serials.length !== 1) return "The key was not used: it is about more than this picture. Esc shows the others";
      return serials[0] === this.light.there
        ? ""
        : `The picture of #${serials[0]} is not here yet: the key was not used`;
    }
    if (!this.views || serials.length !== 1) return "";
    const i = serials[0];
    if (i === this.pointed) return "";
    if (i === this.drawn)
      return this.pressed < this.since ? `The picture of #${i} came after the key, which was not used` : "";
    return this.following === "hovered"
      ? `The picture was of #${this.drawn}, under the pointer: press again for #${i}, which is selected`
      : `The picture of #${i} is not here yet: the key was not used`;
  }

  /** Why a key may not act on several points that no sheet shows: the picture on show is of another one. Empty when it may. */
  stray(serials) {
    if (!this.views || serials.length < 2 || this.following !== "hovered" || this.drawn < 0) return "";
    return serials.includes(this.drawn)
      ? ""
      : `The picture was of #${this.drawn}, under the pointer: press again for the ${serials.length} that are selected`;
  }

  /** Why what is predicted of these points may not be accepted: of one it has to be on show. Empty when it may. */
  unsaid(serials) {
    if (!this.views || serials.length !== 1) return "";
    const i = serials[0];
    if (i !== this.drawn || this.coming) return `The prediction of #${i} is not here yet: the key was not used`;
    return this.said >= 0 ? "" : "Nothing is predicted yet: a class key labels it";
  }

  say(note) {
    const anew = note !== this.note || (note && this.light); // a dialog that has just opened has not heard it
    this.note = note;
    if (anew) this.tell();
  }

  /** The proposal that comes next, -1 when none is held. `open(serial)` is false for one that was labeled meanwhile. */
  next(open) {
    const gone = new Set([this.at, ...this.flight.map((m) => m[1])]);
    const i = this.order.find(
      (s) =>
        !gone.has(s) &&
        this.cards.has(s) &&
        (open(s) || ["suspects", "changed"].includes(this.cards.get(s).info.strategy)),
    );
    return i === undefined ? -1 : i;
  }

  /** The proposal before this one that is still held, -1: none. */
  before() {
    return this.past.length && this.cards.has(this.past[this.past.length - 1]) ? this.past[this.past.length - 1] : -1;
  }

  /** Go on to a proposal that is held (back to one when `back`). @returns {{to: number, move: number}} what Python is told */
  go(serial, back = false) {
    if (back) this.flight = this.flight.map(([n, s]) => [n, s === this.at ? -1 : s]); // it comes next again
    if (back && serial !== this.at) {
      while (this.past.length && this.past.pop() !== serial);
      if (this.at >= 0) this.order = [this.at, ...this.order.filter((s) => s !== this.at)];
    } else if (this.at >= 0 && this.at !== serial) this.past = [...this.past.slice(-199), this.at];
    this.at = serial;
    this.flight.push([++this.move, serial]);
    return { to: serial, move: this.move };
  }

  /** Nothing is held: ask Python, and show nothing until it answers. */
  ask() {
    this.asked = ++this.move;
    this.tell();
    return { move: this.move };
  }

  /**
   * Python's word on what comes next: { order, current, heard, answer, cards }, and the pixels of each card.
   * @returns {number} the proposal to go to, because this page waits for it; -1: none
   */
  deal(m, pixels) {
    m.cards.forEach((info, k) => this.cards.set(info.serial, { info, pixels: pixels[k] }));
    this.order = m.order;
    const heard = this.flight.findIndex((f) => f[0] === m.heard);
    if (heard >= 0) this.flight.splice(0, heard + 1);
    const mine = this.asked > 0 && m.answer === this.asked;
    if (mine) {
      this.asked = 0;
      this.flight = [];
    }
    if (!this.flight.length && !this.waiting && m.current >= 0 && m.current !== this.at) {
      const before = this.past.lastIndexOf(m.current); // an undo goes back to what it takes the answer from
      if (before >= 0) this.past = this.past.slice(0, before);
      else if (this.at >= 0) this.past = [...this.past.slice(-199), this.at];
      this.at = m.current;
    }
    this.prune();
    this.tell();
    return mine ? m.current : -1;
  }

  /** Cards are large: those of what comes next and of the last twenty stay. */
  prune() {
    if (this.cards.size <= 60) return;
    const keep = new Set([...this.past.slice(-20), this.at, ...this.order, ...this.flight.map((m) => m[1])]);
    for (const i of [...this.cards.keys()]) if (!keep.has(i)) this.cards.delete(i);
  }
}

/** The one of an app on this page, by the key of its map. */
export function onShow(key) {
  const all = (globalThis[Symbol.for("ssvae_widgets.on-show")] ??= new Map());
  if (!all.has(key)) all.set(key, new OnShow());
  return all.get(key);
}

/** The app ended. */
export function forgetShow(key) {
  globalThis[Symbol.for("ssvae_widgets.on-show")]?.delete(key);
}

/** Whether somebody at this browser has labeled already, or has taken the hints away: they stay away then. */
export function knowsSteps(now = false) {
  try {
    if (now) localStorage.setItem("ssvae-steps-known", "yes");
    return localStorage.getItem("ssvae-steps-known") === "yes";
  } catch {
    return now; // a page that may not keep anything
  }
}
