/** Who draws at the pointer, as the kernel says it: the page with what it was sent, the kernel picture by picture, or nobody. Shared by all views of a map. */
import { Decoder } from "./decoder.mjs";
import { typed } from "./dom.mjs";

export class DecodeLink {
  /** @param {any} model of the point layer @param {() => void} changed */
  constructor(model, changed) {
    this.model = model;
    this.changed = changed;
    /** @type {Decoder | null} */
    this.decoder = null;
    this.asked = 0; // the revision that was asked for
    this.wanted = false;
    this.move = Math.floor(Math.random() * 2 ** 30); // two pages on one kernel must not share numbers
    /** @type {Map<number, (got: any) => void>} */
    this.answers = new Map();
    model.on("change:decoder", () => {
      if (this.wanted) this.fetch();
      this.changed();
    });
  }

  get state() {
    return this.model.get("decoder") || {};
  }

  /** Whether there is anybody to ask: a map alone has no model. */
  get there() {
    return !!this.state.kind;
  }

  get kind() {
    return this.state.kind || "none";
  }

  get why() {
    return this.state.why || "";
  }

  /** Somebody looks, or nobody does any more: what draws is fetched only for those who look. */
  want(on) {
    this.wanted = on;
    if (on) this.fetch();
  }

  fetch() {
    const { revision } = this.state;
    if (!this.there || this.decoder?.layout.revision === revision || this.asked === revision) return;
    this.asked = revision;
    this.send({ type: "decoder" });
  }

  send(message) {
    try {
      this.model.send(message);
    } catch {
      /* no kernel: what has come stays */
    }
  }

  /** @returns {Promise<any>} the kernel's picture of a place; null when none comes */
  remote(x, y) {
    const move = ++this.move;
    return new Promise((resolve) => {
      const done = (got) => {
        clearTimeout(late);
        this.answers.delete(move);
        resolve(got);
      };
      const late = setTimeout(() => done(null), 3000);
      this.answers.set(move, done);
      this.send({ type: "decode", x, y, move });
    });
  }

  /** A message of the kernel. @returns {boolean} whether it was about this */
  message(m, buffers) {
    if (m.type === "decoder") {
      this.decoder = new Decoder(m, typed(buffers[0], Uint8Array).slice());
      this.asked = 0;
      this.changed();
    } else if (m.type === "decoded")
      this.answers.get(m.move)?.({
        data: buffers[0] ? typed(buffers[0], Uint8Array).slice() : null,
        shape: m.shape,
        odd: m.odd,
      });
    return m.type === "decoder" || m.type === "decoded";
  }
}
