/**
 * Pictures on the map: which points show theirs, and where. Pure but for the canvases of the sprites; tested in node.
 *
 * The plane is cut into cells that belong to the data and to the zoom, not to the window: panning changes none of them, and zooming in by two
 * halves each, so that what was on show stays. In a cell the point that matters most shows its picture, at its own place but wholly inside the
 * cell: no picture covers another, and each covers its point.
 */
import { HIDDEN, LABELED, PENDING, SELECTED } from "./raster.mjs";
import { rgba } from "./dom.mjs";

/** Points up to which each one is given a place, and how many pictures away at most; the largest side of a picture that nobody asked for, CSS pixels. */
export const ALL = 600,
  AWAY = 3,
  LARGE = 72;

/** Side of a cell in sides of a picture, at least: there is room between the pictures, for the points that show none. */
export const PITCH = 1.45;

/** Pictures on a map at once, at most: no more than are kept. */
export const AT_ONCE = 2500;

/** A number below 2 ** 28 that looks random and is always the same for a row. */
export function scatter(i) {
  let h = Math.imul(i + 1, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 4;
}

/** Who shows a picture where there is room for one: selected, proposed, labeled, asked for before the map was there, anybody. */
export function rank(i, flag, proposal, early = null) {
  return (
    (flag & SELECTED ? 4 : i === proposal ? 3 : flag & (LABELED | PENDING) ? 2 : early?.[i] ? 1 : 0) * 2 ** 28 +
    scatter(i)
  );
}

/**
 * Rows whose pictures can be asked for before anybody knows how large the map will be, one for each piece of the plane: in each cell of a map that holds
 * some of them, one of them shows its picture. Of a few hundred points, all.
 * @param {Float32Array} xy
 */
export function early(xy) {
  const n = xy.length / 2,
    flags = new Uint8Array(n);
  if (n <= ALL) return Uint32Array.from(rowsOf(xy, flags));
  let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < 2 * n; i += 2) {
    const x = xy[i],
      y = xy[i + 1];
    if (!(x - y < Infinity)) continue;
    if (x < x0) x0 = x;
    if (x > x1) x1 = x;
    if (y < y0) y0 = y;
    if (y > y1) y1 = y;
  }
  if (!(x1 > x0 && y1 > y0)) return new Uint32Array(0);
  const cells = { x: { cell: (x1 - x0) / EARLY[0], origin: x0 }, y: { cell: (y1 - y0) / EARLY[1], origin: y0 } };
  return Uint32Array.from(choose(xy, flags, cells, -1, { x0, x1, y0, y1 }), (p) => p.row);
}

/** Pieces across and down that are asked for early. */
const EARLY = [16, 12];

/** Side of a picture in CSS pixels that suits so many points on `area` square pixels: all of a few hundred find room. */
export function sideFor(n, area) {
  return Math.round(Math.max(18, Math.min(56, n <= ALL ? Math.sqrt((0.4 * area) / Math.max(1, n)) : 32)));
}

/**
 * The cells for a view.
 * @param {import("./geometry.mjs").View} v @param {number[]} home x0, x1, y0, y1 of the view at rest @param {number} side of a picture, CSS pixels
 */
export function cellsFor(v, home, side) {
  const axis = (a, b, px, h0, h1) => {
    const span = h1 - h0 || 1,
      level = Math.floor(Math.log2(span / (b - a)) + 1e-6),
      whole = Math.max(1, Math.floor(px / (side * PITCH))); // at rest no cell is cut off, and no picture in it
    return { cell: span / whole / 2 ** level, origin: h0, level };
  };
  const x = axis(v.x0, v.x1, v.w, home[0], home[1]),
    y = axis(v.y0, v.y1, v.h, home[2], home[3]);
  return { x, y, key: [x.cell, y.cell, x.origin, y.origin].join(" ") };
}

/**
 * Whose pictures are shown in a part of the plane, and in which cell each.
 * @param {Float32Array} xy @param {Uint8Array} flags @param {{x: {cell: number, origin: number}, y: {cell: number, origin: number}}} cells
 * @param {number} proposal row, -1: none
 * @param {{x0: number, x1: number, y0: number, y1: number}} part of the plane, whole cells
 * @param {Uint8Array | null} before 1: asked for before the map was there
 * @returns {{row: number, cx: number, cy: number}[]} whose: `cx` and `cy` number the cells from the corner at rest
 */
export function choose(xy, flags, cells, proposal, part, before = null) {
  const n = flags.length,
    { x, y } = cells,
    ax = Math.floor((part.x0 - x.origin) / x.cell),
    ay = Math.floor((part.y0 - y.origin) / y.cell),
    nx = Math.max(1, Math.ceil((part.x1 - x.origin) / x.cell) - ax),
    ny = Math.max(1, Math.ceil((part.y1 - y.origin) / y.cell) - ay),
    best = new Int32Array(nx * ny).fill(-1),
    mark = new Int32Array(nx * ny),
    kx = 1 / x.cell,
    ky = 1 / y.cell,
    bx = x.origin * kx + ax,
    by = y.origin * ky + ay;
  for (let i = 0; i < n; i++) {
    const px = xy[2 * i] * kx - bx,
      py = xy[2 * i + 1] * ky - by;
    if (!(px >= 0 && px < nx && py >= 0 && py < ny) || flags[i] & HIDDEN) continue;
    const at = (py | 0) * nx + (px | 0),
      m = rank(i, flags[i], proposal, before);
    if (best[at] < 0 || m > mark[at]) {
      best[at] = i;
      mark[at] = m;
    }
  }
  const out = [];
  for (let at = 0; at < best.length; at++)
    if (best[at] >= 0) out.push({ row: best[at], cx: ax + (at % nx), cy: ay + Math.floor(at / nx) });
  return out;
}

/** Rows that are somewhere and not hidden, in an order that looks random and is always the same. */
function rowsOf(xy, flags) {
  const rows = [];
  for (let i = 0; i < flags.length; i++) if (xy[2 * i] - xy[2 * i + 1] < Infinity && !(flags[i] & HIDDEN)) rows.push(i);
  return rows.sort((a, b) => scatter(b) - scatter(a));
}

/**
 * A few hundred points each show theirs, `dx` and `dy` CSS pixels away from their place: at it, or at the nearest place that is free; where that is too
 * crowded, in cells, which pack more closely. Those for which nothing was free nearby are missing.
 * @param {number} kx pixels of a unit of the plane @param {number} ky
 * @param {number[] | null} home x0, x1, y0, y1 out of which no picture is moved: it would be cut off in the view at rest
 * @returns {{row: number, dx: number, dy: number}[]}
 */
export function chooseAll(xy, flags, kx, ky, side, home = null) {
  const rows = rowsOf(xy, flags),
    [x0, x1, y0, y1] = home || [-Infinity, Infinity, -Infinity, Infinity],
    within = (x, y) => Math.min(x - x0 * kx, x1 * kx - x, y + y1 * ky, -y0 * ky - y) >= side / 2, // pixels; y goes down
    free = atPlaces(rows, xy, kx, ky, 1.1 * side, within);
  return free.length >= ENOUGH * rows.length ? free : inCells(rows, xy, kx, ky, side, within);
}

/** Which share of a few hundred pictures has to find a place. */
const ENOUGH = 0.97;

/** Pictures at their places, or at the nearest free ones; `gap` pixels from one middle to the next at least. */
function atPlaces(rows, xy, kx, ky, gap, within) {
  const taken = new Map(), // square of the plane -> x, y, x, y, … of the pictures in it
    out = [],
    later = [],
    key = (a, b) => ((a & 0x7fff) << 15) | (b & 0x7fff),
    free = (x, y) => {
      const a = Math.floor(x / gap),
        b = Math.floor(y / gap);
      for (let c = a - 1; c <= a + 1; c++)
        for (let d = b - 1; d <= b + 1; d++) {
          const q = taken.get(key(c, d));
          if (q)
            for (let k = 0; k < q.length; k += 2)
              if (Math.abs(q[k] - x) < gap && Math.abs(q[k + 1] - y) < gap) return false;
        }
      return true;
    },
    put = (row, x, y, dx, dy) => {
      const k = key(Math.floor((x + dx) / gap), Math.floor((y + dy) / gap)),
        q = taken.get(k);
      if (q) q.push(x + dx, y + dy);
      else taken.set(k, [x + dx, y + dy]);
      out.push({ row, dx, dy });
    };
  for (const row of rows) {
    const x = xy[2 * row] * kx,
      y = -xy[2 * row + 1] * ky;
    if (free(x, y)) put(row, x, y, 0, 0);
    else later.push([row, x, y]);
  }
  let lost = 0;
  for (const [row, x, y] of later) {
    const way = NEAR.find(([ux, uy]) => within(x + ux * gap, y + uy * gap) && free(x + ux * gap, y + uy * gap));
    if (way) put(row, x, y, way[0] * gap, way[1] * gap);
    else if (++lost > (1 - ENOUGH) * rows.length) break;
  }
  return out;
}

/** Pictures in cells, each in its own or in the nearest free one, as near to its place as the cell allows. */
function inCells(rows, xy, kx, ky, side, within) {
  const cell = 1.16 * side,
    play = (cell - side) / 2,
    taken = new Set(),
    out = [],
    later = [],
    off = (to, from) => to - from - Math.max(-play, Math.min(play, to - from)),
    way = (x, y, cx, cy) => [off((cx + 0.5) * cell, x), off((cy + 0.5) * cell, y)],
    open = (x, y, cx, cy) => {
      const [dx, dy] = way(x, y, cx, cy);
      return !taken.has(`${cx} ${cy}`) && within(x + dx, y + dy);
    },
    put = (row, x, y, cx, cy) => {
      const [dx, dy] = way(x, y, cx, cy);
      taken.add(`${cx} ${cy}`);
      out.push({ row, dx, dy });
    };
  for (const row of rows) {
    const x = xy[2 * row] * kx,
      y = -xy[2 * row + 1] * ky,
      cx = Math.floor(x / cell),
      cy = Math.floor(y / cell);
    if (open(x, y, cx, cy)) put(row, x, y, cx, cy);
    else later.push([row, x, y, cx, cy]);
  }
  for (const [row, x, y, cx, cy] of later) {
    let far = (AWAY + 0.5) * cell,
      to = null;
    for (let b = cy - AWAY; b <= cy + AWAY; b++)
      for (let a = cx - AWAY; a <= cx + AWAY; a++) {
        const d = Math.hypot((a + 0.5) * cell - x, (b + 0.5) * cell - y);
        if (d < far && open(x, y, a, b)) {
          far = d;
          to = [a, b];
        }
      }
    if (to) put(row, x, y, to[0], to[1]);
  }
  return out;
}

/** Places around a point, the nearest first, in sides of a picture. */
const NEAR = Array.from({ length: 17 * 17 }, (_, k) => [((k % 17) - 8) / 3, (Math.floor(k / 17) - 8) / 3])
  .filter(([x, y]) => Math.hypot(x, y) <= AWAY && (x || y))
  .sort((a, b) => Math.hypot(a[0], a[1]) - Math.hypot(b[0], b[1]));

/** Side of a picture that suits the points on show: of a few hundred nearly all find room, unless pictures would be too small to tell anything. */
export function fitting(xy, flags, home, w, h) {
  const [x0, x1, y0, y1] = home,
    n = flags.length;
  let there = 0;
  for (let i = 0; i < n; i++) if (!(flags[i] & HIDDEN) && xy[2 * i] - xy[2 * i + 1] < Infinity) there++;
  let side = sideFor(there, w * h);
  if (n > ALL) return side;
  for (; side > 20; side = Math.max(20, side - 4))
    if (chooseAll(xy, flags, w / (x1 - x0), h / (y1 - y0), side, home).length >= ENOUGH * there) break;
  return side;
}

/** The middle of a picture in CSS pixels, and its point: moved as far as was free, or so that the picture stays inside its cell. */
export function middle(v, xy, cells, p, half) {
  const kx = v.w / (v.x1 - v.x0),
    ky = v.h / (v.y1 - v.y0),
    { x, y } = cells;
  const px = (xy[2 * p.row] - v.x0) * kx,
    py = v.h - (xy[2 * p.row + 1] - v.y0) * ky;
  if (p.dx !== undefined) return [px + p.dx, py + p.dy, px, py];
  const left = (x.origin + p.cx * x.cell - v.x0) * kx + 1,
    top = v.h - (y.origin + (p.cy + 1) * y.cell - v.y0) * ky + 1;
  return [
    Math.max(left + half, Math.min(left + x.cell * kx - 2 - half, px)),
    Math.max(top + half, Math.min(top + y.cell * ky - 2 - half, py)),
    px,
    py,
  ];
}

/** Small pictures, copied once onto a few large canvases from which they are drawn; those that were drawn longest ago give way. */
export class Sprites {
  /** @param {(w: number, h: number) => any} make a canvas */
  constructor(make, side = 1024, pages = 12) {
    this.make = make;
    this.side = side;
    this.most = pages;
    this.clear();
  }

  clear() {
    this.pages = [];
    this.slots = new Map(); // row -> number of its slot, drawn longest ago first
    this.shape = "";
  }

  forget(row) {
    this.slots.delete(row);
  }

  /** Where the picture of a row is: [canvas, x, y]. @param {{w: number, h: number, c: number, data: Uint8Array}} image */
  at(row, image) {
    const { w, h, c, data } = image,
      shape = `${w} ${h} ${c}`;
    if (shape !== this.shape) {
      this.clear();
      this.shape = shape;
    }
    const across = Math.max(1, Math.floor(this.side / w)),
      each = across * Math.max(1, Math.floor(this.side / h));
    let slot = this.slots.get(row);
    const known = slot !== undefined;
    if (known) this.slots.delete(row);
    else if (this.slots.size < each * this.most) slot = this.slots.size;
    else {
      const oldest = this.slots.keys().next().value;
      slot = this.slots.get(oldest);
      this.slots.delete(oldest);
    }
    this.slots.set(row, slot);
    const page = Math.floor(slot / each),
      k = slot % each,
      x = (k % across) * w,
      y = Math.floor(k / across) * h;
    this.pages[page] ||= this.make(Math.max(w, this.side), Math.max(h, this.side));
    if (!known) this.pages[page].getContext("2d").putImageData(new ImageData(rgba(data, h, w, c), w, h), x, y);
    return [this.pages[page], x, y];
  }
}

/** Small pictures by row, as they came; when there are too many bytes of them, those used longest ago are forgotten. */
export class Recent extends Map {
  constructor(most = 48e6) {
    super();
    this.most = most;
    this.bytes = 0;
  }

  get(row) {
    const image = super.get(row);
    if (image && super.delete(row)) super.set(row, image);
    return image;
  }

  set(row, image) {
    this.delete(row);
    this.bytes += image.data.length;
    super.set(row, image);
    for (const oldest of super.keys()) {
      if (this.bytes <= this.most || oldest === row) break;
      this.delete(oldest);
    }
    return this;
  }

  delete(row) {
    this.bytes -= super.get(row)?.data.length || 0;
    return super.delete(row);
  }
}

/** The pictures of one view: chosen anew when the zoom, the points or what matters has changed, or the window has left the part that was looked at. */
export class Pictures {
  constructor(make) {
    this.sprites = new Sprites(make);
    this.placed = [];
    this.drawn = []; // [row, x, y, half width, half height, does it lie over its point?]
    this.key = "";
    /** @type {any} */
    this.fitted = null;
    /** @type {any} */
    this.part = null;
    /** @type {any} */
    this.cells = null;
  }

  /**
   * The side of a picture that suits the points and the zoom: found once for the points, what is hidden and the size of the window, and larger where
   * the zoom has given every point its picture.
   */
  fit(xy, flags, filter, home, v) {
    const f = this.fitted;
    if (!f || f.xy !== xy || f.filter !== filter || f.w !== v.w || f.h !== v.h)
      this.fitted = { xy, filter, w: v.w, h: v.h, side: fitting(xy, flags, home, v.w, v.h) };
    const { side } = this.fitted,
      n = filter ? filter.length : flags.length,
      cells = (0.4 * v.w * v.h) / (side * PITCH) ** 2,
      zoom = (home[1] - home[0]) / (v.x1 - v.x0) / Math.max(1, Math.sqrt(n / cells));
    return Math.min(Math.max(LARGE, side), side * Math.sqrt(Math.max(1, zoom)));
  }

  /** Something about the points has changed. */
  stale() {
    this.key = "";
  }

  /**
   * @param {Float32Array} xy @param {Uint8Array} flags @param {import("./geometry.mjs").View} v @param {number[]} home @param {number} side
   * @param {number} proposal @param {Uint8Array | null} before as `choose` takes it
   */
  layOut(xy, flags, v, home, side, proposal, before = null) {
    const cells = cellsFor(v, home, side),
      { x, y } = cells,
      few = flags.length <= ALL,
      key = few
        ? `${((v.x1 - v.x0) / v.w).toPrecision(6)} ${((v.y1 - v.y0) / v.h).toPrecision(6)} ${side}`
        : `${cells.key} ${flags.length} ${proposal}`,
      p = this.part;
    if (key === this.key && (!p || (v.x0 >= p.x0 && v.x1 <= p.x1 && v.y0 >= p.y0 && v.y1 <= p.y1))) return;
    this.key = key;
    this.cells = cells;
    if (few) {
      this.part = null;
      const bound = v.x1 - v.x0 <= 1.001 * (home[1] - home[0]) ? home : null;
      this.placed = chooseAll(xy, flags, v.w / (v.x1 - v.x0), v.h / (v.y1 - v.y0), side, bound);
      return;
    }
    const down = (a, s) => s.origin + Math.floor((a - s.origin) / s.cell) * s.cell,
      up = (a, s) => s.origin + Math.ceil((a - s.origin) / s.cell) * s.cell,
      mx = (v.x1 - v.x0) / 2,
      my = (v.y1 - v.y0) / 2;
    this.part = { x0: down(v.x0 - mx, x), x1: up(v.x1 + mx, x), y0: down(v.y0 - my, y), y1: up(v.y1 + my, y) };
    this.placed = choose(xy, flags, cells, proposal, this.part, before);
  }

  /**
   * Draw what is there.
   * @param {any} g 2D context, scaled to CSS pixels @param {Float32Array} xy as shown now @param {import("./geometry.mjs").View} v
   * @param {{side: number, dpr: number, traveling: boolean, image: (row: number) => any, frame: (row: number) => any}} how
   *   `frame` says [color, width, opacity, second color around it or "", its width]
   * @returns {number[]} rows in view whose picture is missing, those in the middle first
   */
  draw(g, xy, v, { side, dpr, traveling, image, frame }) {
    const missing = [],
      half = side / 2,
      snap = (a) => Math.round(a * dpr) / dpr,
      drawn = [];
    for (const p of this.placed) {
      const [ax, ay, px, py] = middle(v, xy, this.cells, p, half),
        x = traveling ? px : ax,
        y = traveling ? py : ay;
      if (!(x > -half && x < v.w + half && y > -half && y < v.h + half)) continue;
      const t = image(p.row);
      if (!t) missing.push([Math.hypot(x - v.w / 2, y - v.h / 2), p.row]);
      else drawn.push([p.row, x, y, px, py, t]);
    }
    for (const [row, x, y, px, py] of traveling ? [] : drawn)
      if (Math.max(Math.abs(x - px), Math.abs(y - py)) > half) {
        g.beginPath();
        g.moveTo(x, y);
        g.lineTo(px, py);
        g.lineWidth = 1;
        g.strokeStyle = frame(row)[0];
        g.globalAlpha = 0.5 * frame(row)[2];
        g.stroke();
        g.globalAlpha = 1;
      }
    // All copies first, then all drawing: a canvas that is written to after it was drawn from is copied as a whole.
    const sprites = drawn.map((d) => this.sprites.at(d[0], d[5]));
    this.drawn = drawn.map(([row, x, y, px, py, t], which) => {
      const [color, width, opacity, around, wide] = frame(row),
        inner = side - 2 * width,
        k = inner / Math.max(t.w, t.h),
        [canvas, sx, sy] = sprites[which],
        w = snap(t.w * k),
        h = snap(t.h * k),
        left = snap(x - w / 2),
        top = snap(y - h / 2);
      g.globalAlpha = opacity;
      const under = (style, far) => {
        g.fillStyle = style;
        g.fillRect(left - far, top - far, w + 2 * far, h + 2 * far);
      };
      if (around && opacity === 1) under(around, width + wide); // it would shine through a faint picture
      if (opacity === 1) under(color, width);
      else {
        g.strokeStyle = color;
        g.lineWidth = width;
        g.strokeRect(left - width / 2, top - width / 2, w + width, h + width);
      }
      g.imageSmoothingEnabled = k * dpr < 3;
      g.drawImage(canvas, sx, sy, t.w, t.h, left, top, w, h);
      const covers = Math.abs(px - x) <= w / 2 + width + 6 && Math.abs(py - y) <= h / 2 + width + 6; // no half of its dot looks out
      return [row, left + w / 2, top + h / 2, w / 2 + width + wide, h / 2 + width + wide, covers];
    });
    g.globalAlpha = 1;
    return missing.sort((a, b) => a[0] - b[0]).map((m) => m[1]);
  }

  /** The row whose picture is under a pixel, -1: none. */
  hit(px, py) {
    const d = this.drawn.find((d) => Math.abs(px - d[1]) <= d[3] && Math.abs(py - d[2]) <= d[4]);
    return d ? d[0] : -1;
  }

  /** Where the picture of a row is drawn, or undefined. */
  box(row) {
    return this.drawn.find((d) => d[0] === row);
  }
}
