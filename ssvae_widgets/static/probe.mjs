/**
 * Looking between the points: the decoder's picture follows the pointer over the map, with the nearest real pictures beside it and a mark where the
 * place is far from all data; a drag from one place to another plays what lies between. The app and the page in a file use the same.
 */
import { Decoder, asBytes } from "./decoder.mjs";
import { nearestFew, toData, toPixel } from "./geometry.mjs";
import { drawImage, h } from "./dom.mjs";

const BESIDE = 6,
  STEPS = 24, // from one end of a way to the other
  STILLS = 9,
  PLAY = 2600; // ms

/** What is said of a place. @param {number} odd share of the data that is less odd @param {number} far from which share on it is no data */
export function words(odd, far) {
  if (odd >= far) return "far from every picture: a dream, not data";
  return odd >= 0.9 ? `at the edge: odder than ${Math.floor(100 * odd)} % of the data` : "among the pictures";
}

/** A picture of numbers in [0, 1] or of bytes on a canvas. */
function put(canvas, picture) {
  if (picture) drawImage(canvas, picture.data, picture.shape);
}

/**
 * @typedef {object} Host the map that is looked at
 * @property {HTMLElement} root where the card is put
 * @property {() => import("./geometry.mjs").View} view
 * @property {() => DOMRect} box of the map on the page
 * @property {() => ArrayLike<number>} xy
 * @property {() => any} skip points that are hidden
 * @property {(i: number) => any} picture of a point: {w, h, c, data}, or null
 * @property {(ids: number[]) => void} want pictures that are not there yet
 * @property {(i: number) => {name: string, color: string}} about a point
 * @property {() => {kind: string, why: string, decoder: Decoder | null, remote?: (x: number, y: number) => Promise<any>}} source who draws
 * @property {() => void} ask for the ink to be painted
 * @property {(text: string) => void} speak
 * @property {() => boolean} still whether nothing may move by itself
 */
export class Probe {
  /** @param {Host} host */
  constructor(host) {
    this.host = host;
    this.on = false;
    /** @type {any} the pointer: {x, y} in the plane, {cx, cy} on the page */
    this.at = null;
    /** @type {number[]} */
    this.near = [];
    /** @type {any} from one place to another */
    this.way = null;
    this.frame = 0;
    this.playing = 0;
    /** @type {(() => void) | null} what comes when a way has been looked at */
    this.after = null;
    this.picture = h("canvas", { class: "ssvae-p-picture", width: 1, height: 1 });
    this.caption = h("figcaption", { class: "ssvae-p-caption" });
    this.strip = h("div", { class: "ssvae-p-strip" });
    this.word = h("p", { class: "ssvae-p-word" });
    this.film = h("div", { class: "ssvae-p-film", hidden: true });
    this.card = h(
      "div",
      { class: "ssvae-p-card", role: "img", "aria-live": "off", hidden: true },
      h(
        "div",
        { class: "ssvae-p-row" },
        h("figure", { class: "ssvae-p-figure" }, this.picture, this.caption),
        h("div", {}, h("div", { class: "ssvae-p-caption" }, "nearest pictures"), this.strip),
      ),
      this.film,
      this.word,
    );
    this.tiles = Array.from({ length: BESIDE }, () => {
      const canvas = h("canvas", { width: 1, height: 1 }),
        tile = h("div", { class: "ssvae-p-tile" }, canvas);
      this.strip.append(tile);
      return { tile, canvas };
    });
    host.root.append(this.card);
  }

  enter() {
    this.on = true;
  }

  /** Not any more, but when the way that is shown has been looked at: true when there is one. @param {() => void} after */
  linger(after) {
    if (!this.way || this.way.open || this.after) return false;
    this.after = after;
    return true;
  }

  leave() {
    this.forget();
    this.on = false;
    this.at = this.after = null;
    this.near = [];
    this.film.hidden = this.card.hidden = true;
    this.host.ask();
  }

  /** The pointer is at a pixel of the map; `null`: it has left. @param {number[] | null} p @param {any} [e] */
  move(p, e) {
    if (!this.on) return;
    const { way } = this;
    if (way && !way.open) {
      // a way that was drawn stays until the pointer goes on
      if (way.playing || (!p && !this.after) || (p && Math.hypot(p[0] - way.seen[0], p[1] - way.seen[1]) < 30)) return;
      this.forget();
      if (this.after) return this.after();
    }
    if (!p) {
      this.at = null;
      this.card.hidden = true;
      return this.host.ask();
    }
    const [x, y] = toData(this.host.view(), p[0], p[1]);
    this.at = { x, y, cx: e.clientX, cy: e.clientY, touch: e.pointerType === "touch" };
    if (way) way.to = [x, y];
    this.soon();
  }

  /** An arrow key: some pixels that way, from the place on show or from the middle. @param {string} way @param {boolean} far */
  nudge(way, far) {
    const v = this.host.view(),
      box = this.host.box(),
      step = far ? 80 : 16,
      from = this.at ? toPixel(v, this.at.x, this.at.y) : [v.w / 2, v.h / 2],
      [dx, dy] = { left: [-step, 0], right: [step, 0], up: [0, -step], down: [0, step] }[way],
      p = [Math.max(0, Math.min(v.w, from[0] + dx)), Math.max(0, Math.min(v.h, from[1] + dy))];
    this.forget();
    this.move(p, { clientX: box.left + p[0], clientY: box.top + p[1] });
  }

  /** The same place again: the map, or who draws, is another one. */
  again() {
    if (this.on && this.at && !this.way?.playing) this.soon();
  }

  soon() {
    if (!this.frame)
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        if (this.at) this.show(this.at.x, this.at.y);
      });
  }

  /** Draw a place. One picture is on its way at a time; the newest place wins. */
  async show(x, y) {
    if (this.busy) {
      this.missed = true;
      return;
    }
    this.lookAround(x, y);
    this.busy = true;
    let got = this.drawn(x, y);
    if (got instanceof Promise) got = await got;
    this.busy = false;
    if (this.missed) {
      this.missed = false;
      if (this.at && !this.way?.playing) this.soon();
    }
    if (!this.on || (!this.at && !this.way)) return;
    this.tell(got);
    this.put();
    this.card.dataset.at = `${x},${y}`;
    this.card.dataset.shown = String(Number(this.card.dataset.shown || 0) + 1);
    this.host.ask();
  }

  /** The picture of a place and how odd that is: at once, or as a promise where the kernel draws. @returns {any} {data, shape, odd, kind} */
  drawn(x, y) {
    const { kind, decoder, remote } = this.host.source();
    if (kind === "kernel" && remote) return remote(x, y);
    const fx = Math.fround(x),
      fy = Math.fround(y);
    if (kind === "page" && decoder?.draws) {
      const z = decoder.latent(fx, fy),
        values = decoder.draw(z);
      return { data: asBytes(values), values, shape: decoder.shape, odd: decoder.oddness(fx, fy, z) };
    }
    return { data: null, shape: [], odd: decoder ? decoder.oddness(fx, fy) : null };
  }

  /** Which pictures are nearest. */
  lookAround(x, y) {
    const v = this.host.view(),
      [px, py] = toPixel(v, x, y);
    this.near = nearestFew(this.host.xy(), v, px, py, BESIDE, this.host.skip());
    this.host.want(this.near.filter((i) => !this.host.picture(i)));
  }

  /** Pictures that were missing may have come. */
  put() {
    this.tiles.forEach(({ tile, canvas }, k) => {
      const i = this.near[k],
        image = i === undefined ? null : this.host.picture(i);
      tile.hidden = i === undefined;
      if (i === undefined) return;
      const { name, color } = this.host.about(i);
      tile.title = name;
      tile.dataset.serial = String(i);
      tile.style.setProperty("--c", color);
      canvas.hidden = !image;
      if (image) drawImage(canvas, image.data, [image.h, image.w, image.c]);
      else tile.dataset.name = `#${i}`;
    });
    if (this.real) this.putReal();
  }

  putReal() {
    const image = this.near.length ? this.host.picture(this.near[0]) : null;
    if (image) drawImage(this.picture, image.data, [image.h, image.w, image.c]);
  }

  /** What was drawn, on the card. */
  tell(got) {
    const { kind, why, decoder } = this.host.source(),
      far = got?.odd != null && got.odd >= (decoder?.layout.far ?? 0.99);
    this.real = !got?.data;
    if (got?.data) put(this.picture, got);
    else this.putReal();
    const caption = got?.data
      ? "what the model would draw"
      : kind === "none"
        ? "the nearest picture"
        : "the model is on its way";
    if (this.caption.textContent !== caption) this.caption.textContent = caption;
    this.picture.classList.toggle("ssvae-pixelated", Math.max(this.picture.width, this.picture.height) <= 40);
    this.card.classList.toggle("ssvae-p-far", far);
    const said = [
      got?.odd != null ? words(got.odd, decoder?.layout.far ?? 0.99) : "",
      kind === "none" && why ? `no decoder: ${why}` : "",
    ].filter(Boolean);
    this.word.textContent = said.join(" · ");
    this.card.setAttribute("aria-label", `${caption}: ${this.word.textContent}`);
    if (this.spoken !== this.word.textContent) this.host.speak((this.spoken = this.word.textContent));
    Object.assign(this.card, { drawn: got }); // for those who look at the page from outside
    this.card.hidden = false;
    this.place();
  }

  /** The card stands beside the pointer; beside a way, in the corner of the map that the arrow does not cross. */
  place() {
    const r = this.host.root.getBoundingClientRect(),
      w = this.card.offsetWidth,
      hh = this.card.offsetHeight;
    let left, top;
    if (this.way && !this.way.open) {
      const box = this.host.box(),
        v = this.host.view(),
        ends = [this.way.from, this.way.to].map((p) => toPixel(v, p[0], p[1]));
      [left, top] = corner(box.width, box.height, w, hh, ends);
      left += box.left - r.left;
      top += box.top - r.top;
    } else if (this.at) {
      const { touch } = this.at,
        x = this.at.cx - r.left,
        y = this.at.cy - r.top,
        below = !touch && y + 18 + hh <= r.height;
      left = x + 24 + w <= r.width ? x + 24 : Math.max(4, x - w - 24);
      top = below ? y + 18 : Math.max(4, Math.min(y - hh - (touch ? 48 : 18), r.height - hh - 4));
    } else return;
    this.card.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  // ---- from one place to another ----
  /** A way begins where the pointer was pressed. @param {number[]} p */
  begin(p) {
    this.forget();
    this.way = { from: toData(this.host.view(), p[0], p[1]), to: toData(this.host.view(), p[0], p[1]), open: true };
  }

  forget() {
    cancelAnimationFrame(this.playing);
    this.way = null;
    this.film.hidden = true;
  }

  /** The way ends here: play it. @param {number[]} p */
  end(p) {
    const { way, at } = this;
    if (!way?.open) return;
    Object.assign(way, { open: false, playing: true, seen: p, t: 0, frames: new Map() });
    if (at) this.play(way);
  }

  /** @returns {number[]} a place on the way, `k` steps from its beginning */
  onWay(way, k) {
    const t = k / STEPS;
    return [way.from[0] + (way.to[0] - way.from[0]) * t, way.from[1] + (way.to[1] - way.from[1]) * t];
  }

  async still(way, k) {
    if (!way.frames.has(k)) way.frames.set(k, await this.drawn(...this.onWay(way, k)));
    return way.frames.get(k);
  }

  /** All pictures on the way as a strip, and one after the other in the large place; only the strip where nothing may move. */
  async play(way) {
    this.film.hidden = false;
    const stills = Array.from({ length: STILLS }, () => h("canvas", { width: 1, height: 1 }));
    this.film.replaceChildren(...stills);
    this.card.dataset.film = "coming";
    for (let j = 0; j < STILLS; j++) {
      const k = Math.round((j * STEPS) / (STILLS - 1)),
        got = await this.still(way, k);
      if (this.way !== way) return;
      if (got?.data) put(stills[j], got);
      else {
        const [x, y] = this.onWay(way, k);
        this.lookAround(x, y);
        const image = this.near.length ? this.host.picture(this.near[0]) : null;
        if (image) drawImage(stills[j], image.data, [image.h, image.w, image.c]);
      }
      stills[j].classList.toggle("ssvae-p-dream", got?.odd >= 0.99);
    }
    this.card.dataset.film = String(STILLS);
    const started = performance.now();
    const step = async () => {
      if (this.way !== way) return;
      way.t = this.host.still() ? 1 : Math.min(1, (performance.now() - started) / PLAY);
      const k = Math.round(way.t * STEPS);
      if (k !== way.k) {
        way.k = k;
        const got = await this.still(way, k);
        if (this.way !== way) return;
        this.lookAround(...this.onWay(way, k));
        this.tell(got);
        this.put();
        stills.forEach((c, j) => c.classList.toggle("ssvae-p-now", j === Math.round((k / STEPS) * (STILLS - 1))));
        this.host.ask();
      }
      if (way.t < 1) this.playing = requestAnimationFrame(step);
      else {
        way.playing = false;
        this.card.dataset.film = "played";
      }
    };
    step();
  }

  /** The arrow, and rings around the nearest points. @param {CanvasRenderingContext2D} g @param {any} v @param {any} theme */
  ink(g, v, theme) {
    if (!this.on) return;
    const { way } = this,
      xy = this.host.xy();
    if (this.at || way)
      for (const i of this.near) {
        const [x, y] = toPixel(v, xy[2 * i], xy[2 * i + 1]);
        g.beginPath();
        g.arc(x, y, 6.5, 0, 2 * Math.PI);
        g.lineWidth = 1.5;
        g.strokeStyle = theme.ring;
        g.stroke();
      }
    if (!way) return;
    const a = toPixel(v, way.from[0], way.from[1]),
      b = toPixel(v, way.to[0], way.to[1]),
      long = Math.hypot(b[0] - a[0], b[1] - a[1]);
    if (long < 4) return;
    const turn = Math.atan2(b[1] - a[1], b[0] - a[0]),
      line = (color, width) => {
        g.beginPath();
        g.moveTo(a[0], a[1]);
        g.lineTo(b[0], b[1]);
        for (const side of [-1, 1]) {
          g.moveTo(b[0], b[1]);
          g.lineTo(b[0] - 11 * Math.cos(turn + side * 0.45), b[1] - 11 * Math.sin(turn + side * 0.45));
        }
        g.lineWidth = width;
        g.strokeStyle = color;
        g.stroke();
      };
    g.lineCap = "round";
    line(theme.surface, 5);
    line(theme.accent || theme.ring, 2.2);
    if (way.t > 0 && way.t <= 1) {
      const [x, y] = [a[0] + (b[0] - a[0]) * way.t, a[1] + (b[1] - a[1]) * way.t];
      g.beginPath();
      g.arc(x, y, 5, 0, 2 * Math.PI);
      g.fillStyle = theme.accent || theme.ring;
      g.fill();
      g.lineWidth = 2;
      g.strokeStyle = theme.surface;
      g.stroke();
    }
    g.lineCap = "butt";
  }

  close() {
    cancelAnimationFrame(this.frame);
    cancelAnimationFrame(this.playing);
    this.card.remove();
  }
}

/**
 * The corner of a box for a card that leaves the line between two places free, as far as that goes.
 * @param {number} W @param {number} H of the box @param {number} w @param {number} h of the card @param {number[][]} ends of the line, in the box
 * @returns {number[]} left and top
 */
export function corner(W, H, w, h, [a, b]) {
  let best = [0, 0],
    least = Infinity;
  for (const top of [6, H - h - 6])
    for (const left of [W - w - 6, 6]) {
      let covered = 0;
      for (let k = 0; k <= 40; k++) {
        const x = a[0] + ((b[0] - a[0]) * k) / 40,
          y = a[1] + ((b[1] - a[1]) * k) / 40;
        if (x > left - 12 && x < left + w + 12 && y > top - 12 && y < top + h + 12) covered++;
      }
      if (covered < least) {
        least = covered;
        best = [left, top];
      }
    }
  return best;
}

/** A key that is held for a moment, or pressed for good: what it switches on goes off again when it was held. */
export class Spring {
  /** @param {(on: boolean) => void} turn @param {number} held ms from which a press was a hold */
  constructor(turn, held = 300) {
    this.turn = turn;
    this.held = held;
    /** @type {{key: string, at: number} | null} */
    this.pressed = null;
  }

  /** @param {string} key @param {boolean} on whether it is on already @param {number} now ms */
  down(key, on, now) {
    if (this.pressed) return;
    if (on) return this.turn(false);
    this.pressed = { key, at: now };
    this.turn(true);
  }

  /** @param {string} key @param {number} now ms @param {boolean} lost whether the page has lost the keys */
  up(key, now, lost = false) {
    if (!this.pressed || (!lost && this.pressed.key.toLowerCase() !== key.toLowerCase())) return;
    const long = now - this.pressed.at >= this.held;
    this.pressed = null;
    if (long || lost) this.turn(false);
  }
}
