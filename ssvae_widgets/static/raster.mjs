/**
 * The painter: N points into a Uint32Array of pixels (ImageData, little-endian RGBA). Pure: no DOM, tested in node.
 *
 * Discs are antialiased stamps prepared for a few sub-pixel positions and blended in; below about one pixel they are single
 * blended pixels. On machines without a GPU this repaints 60,000 points in a few milliseconds, where software WebGL takes tens.
 */
import { packColor } from "./on-dark.mjs";

/** Color index of a point that has none; from PALE on, 4 × a class that is only predicted + how certain that is, 0..3. */
export const NONE = 65535,
  PALE = 32768;
/** How much of its class color a prediction shows, by its certainty. */
export const TINTS = [0.3, 0.45, 0.62, 0.8];
/** Bits of a point's state. LABELED has a label, PENDING a label that Python has not acknowledged, SELECTED, HIDDEN by a filter. */
export const LABELED = 1,
  PENDING = 2,
  SELECTED = 4,
  HIDDEN = 8;

/** `t` of the second color in the first. @returns {string} "#rrggbb" */
export function mixed(under, over, t) {
  const a = packColor(under),
    b = packColor(over);
  return `#${[0, 8, 16]
    .map((at) =>
      Math.round(((a >> at) & 255) * (1 - t) + ((b >> at) & 255) * t)
        .toString(16)
        .padStart(2, "0"),
    )
    .join("")}`;
}

/**
 * A disc of radius `r` pixels, once for each of `phases`² positions of its center inside a pixel: the pixels it touches (dx, dy from the
 * pixel of the center) and their coverage 1..255.
 */
export function discStamps(r, phases = 4) {
  const half = Math.ceil(r + 0.5),
    stamps = [];
  for (let q = 0; q < phases * phases; q++) {
    const cx = ((q % phases) + 0.5) / phases,
      cy = (Math.floor(q / phases) + 0.5) / phases,
      dx = [],
      dy = [],
      cover = [];
    for (let y = -half; y <= half; y++)
      for (let x = -half; x <= half; x++) {
        const c = Math.round(255 * Math.max(0, Math.min(1, r + 0.5 - Math.hypot(x + 0.5 - cx, y + 0.5 - cy))));
        if (c) {
          dx.push(x);
          dy.push(y);
          cover.push(c);
        }
      }
    stamps.push({
      dx: Int16Array.from(dx),
      dy: Int16Array.from(dy),
      cover: Uint8Array.from(cover),
      offset: new Int32Array(dx.length),
    });
  }
  return { half, phases, stamps, W: 0 };
}

/** Blend color `rgb` with coverage `a` (0..255) over the pixel `d`, neither premultiplied. @returns {number} the new pixel */
export function blend(d, rgb, a) {
  const da = d >>> 24;
  if (a >= 255 || da === 0) return ((a << 24) | rgb) >>> 0;
  const oa = a + da - (((a * da + 127) * 0x8081) >>> 23),
    w = ((a * 256) / oa) | 0,
    u = 256 - w;
  const r = ((d & 255) * u + (rgb & 255) * w) >> 8,
    g = (((d >> 8) & 255) * u + ((rgb >> 8) & 255) * w) >> 8;
  const b = (((d >> 16) & 255) * u + ((rgb >> 16) & 255) * w) >> 8;
  return ((oa << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** Lay color `rgb` with coverage `a` over the pixel `d` without piling up: a crowd that is dimmed stays pale. @returns {number} the new pixel */
export function veil(d, rgb, a) {
  const da = d >>> 24;
  return ((Math.max(a, da) << 24) | (a >= da ? rgb : d & 0xffffff)) >>> 0;
}

/** Stamp a disc centerd at (X, Y) device pixels; clipped at the borders. */
export function stampDisc(px, W, H, X, Y, set, rgb, alpha, over = blend) {
  const fx = Math.floor(X),
    fy = Math.floor(Y),
    p = set.phases,
    half = set.half;
  const { dx, dy, cover, offset } = set.stamps[Math.floor((Y - fy) * p) * p + Math.floor((X - fx) * p)],
    solid = (0xff000000 | rgb) >>> 0;
  const inside = fx >= half && fy >= half && fx < W - half && fy < H - half,
    at = fy * W + fx;
  if (set.W !== W) {
    set.W = W;
    for (const s of set.stamps) for (let k = 0; k < s.offset.length; k++) s.offset[k] = s.dy[k] * W + s.dx[k];
  }
  for (let k = 0; k < cover.length; k++) {
    if (!inside) {
      const x = fx + dx[k],
        y = fy + dy[k];
      if (x < 0 || y < 0 || x >= W || y >= H) continue;
    }
    const o = at + offset[k],
      a = alpha === 255 ? cover[k] : ((cover[k] * alpha + 127) * 0x8081) >>> 23; // x / 255
    px[o] = a === 255 ? solid : over(px[o], rgb, a);
  }
}

/** Radius in CSS pixels for `n` visible points on `area` square pixels: full but not a blot, continuous under zoom. */
export function radiusFor(n, area) {
  return Math.max(0.55, Math.min(4.2, 0.85 * (area / Math.max(1, n)) ** 0.28));
}

/** Radius of a labeled point in CSS pixels: one size at any zoom, so that the figure's SVG marks fit over it; smaller when thousands are. */
export function labeledRadius(labeled) {
  return labeled <= 1000 ? 4.6 : 3;
}

const ALONE = 0.38; // of a place that points cover once

/**
 * How opaque each point is painted (0..255, into `out`), so that a crowd shows how dense it is: where points lie over each other, what they cover
 * together grows with the logarithm of their number instead of being one flat color.
 * @param {Float32Array} xy @param {import("./geometry.mjs").View} v the part that is looked at; other points are opaque
 * @param {number} radius of a point in CSS pixels @param {Uint8Array} flags what is hidden does not count @param {Uint8Array} out
 */
export function thinOut(xy, v, radius, flags, out, tile = 6) {
  const nx = Math.max(1, Math.ceil(v.w / tile)),
    ny = Math.max(1, Math.ceil(v.h / tile)),
    kx = v.w / tile / (v.x1 - v.x0),
    ky = v.h / tile / (v.y1 - v.y0),
    bx = v.x0 * kx,
    by = v.y0 * ky,
    grid = new Float32Array(nx * ny),
    n = out.length;
  for (let i = 0; i < n; i++) {
    const x = xy[2 * i] * kx - bx,
      y = xy[2 * i + 1] * ky - by;
    if (x >= 0 && x < nx && y >= 0 && y < ny && !(flags[i] & HIDDEN)) grid[(y | 0) * nx + (x | 0)]++;
  }
  // a crowd is what lies in a square and in the eight around it: down, then across
  const down = new Float32Array(nx * ny),
    opaque = new Uint8Array(nx * ny).fill(255),
    each = (Math.PI * radius * radius) / (9 * tile * tile),
    alone = -255 * Math.log(1 - ALONE);
  let most = 4;
  for (let at = 0; at < grid.length; at++)
    down[at] = grid[at] + (at >= nx ? grid[at - nx] : 0) + (at + nx < grid.length ? grid[at + nx] : 0);
  const deep = (at) => each * (down[at] + (at % nx ? down[at - 1] : 0) + (at % nx < nx - 1 ? down[at + 1] : 0));
  for (let at = 0; at < grid.length; at++) if (grid[at]) most = Math.max(most, deep(at));
  for (let at = 0; at < grid.length; at++) {
    if (!grid[at]) continue;
    const d = deep(at); // how many points lie over each other
    opaque[at] =
      d <= 1 ? alone : Math.max(5, (-255 * Math.log(1 - ALONE - ((0.97 - ALONE) * Math.log(d)) / Math.log(most))) / d);
  }
  for (let i = 0; i < n; i++) {
    const x = xy[2 * i] * kx - bx,
      y = xy[2 * i + 1] * ky - by;
    out[i] = x >= 0 && x < nx && y >= 0 && y < ny ? opaque[(y | 0) * nx + (x | 0)] : 255;
  }
  return out;
}

const cache = new Map();
/** Stamps of (about) radius `r`, made once. */
export function stampsFor(r) {
  const key = Math.round(r * 8);
  if (!cache.has(key)) cache.set(key, discStamps(key / 8, r < 3 ? 4 : 2));
  return cache.get(key);
}

/**
 * Paint everything, back to front: what is dimmed, what has no color, what has one, what is labeled.
 * @param {Uint32Array} px cleared here, unless only `some` are painted over what is there @param {number} W @param {number} H device pixels
 * @param {{xy: Float32Array, view: import("./geometry.mjs").View, codes: Uint16Array, flags: Uint8Array, layers: Uint8Array, lut: Uint32Array,
 *   none: number, ring: number, surface: number, radius: number, labeledRadius: number, dpr: number, tally: number[], some?: Uint32Array, tint?: Uint32Array, thin?: Uint8Array | null, covered?: Uint8Array | null, accent?: number | null}} s
 *   `tint` holds the colors from PALE on; `thin` how opaque each point is; `accent` is laid around what is selected while the rest is dimmed; `covered`
 *   points lie under their picture;
 *   `layers` says where each point belongs and `tally` counts them, so that empty layers cost nothing; radii are in CSS pixels
 */
export function paint(px, W, H, s) {
  const { xy, codes, flags, layers, lut, some, tint, thin, accent, covered } = s,
    v = s.view,
    n = some ? some.length : codes.length;
  if (!some) px.fill(0);
  const kx = W / (v.x1 - v.x0),
    ky = H / (v.y1 - v.y0),
    r = s.radius * s.dpr,
    edge = r + 8 * s.dpr;
  const dot = Math.max(0.35, Math.min(1, Math.PI * r * r)),
    plain = r < 0.8 ? null : stampsFor(r),
    gray = r * 0.82 < 0.8 ? null : stampsFor(r * 0.82);
  const big = s.labeledRadius * s.dpr,
    ringW = Math.max(1, 1.2 * s.dpr);
  const outer = stampsFor(big + ringW),
    inner = stampsFor(big),
    core = stampsFor(Math.max(0.8, big - ringW));
  const chosen = accent !== undefined && accent !== null,
    halo = chosen ? stampsFor(r + 1.5 * s.dpr) : null;
  for (let layer = 0; layer < 4; layer++) {
    if (layer === 1 && halo)
      for (let k = 0; k < n; k++) {
        const i = some ? some[k] : k;
        if ((layers[i] !== 1 && layers[i] !== 2) || (covered && covered[i])) continue;
        const X = (xy[2 * i] - v.x0) * kx,
          Y = H - (xy[2 * i + 1] - v.y0) * ky;
        if (X > -edge && X < W + edge && Y > -edge && Y < H + edge) stampDisc(px, W, H, X, Y, halo, accent, 255);
      }
    if (!s.tally[layer]) continue;
    const all = !some && s.tally[layer] === n,
      full = layer === 1 ? 150 : r < 2 ? 255 : 232;
    for (let k = 0; k < n; k++) {
      const i = some ? some[k] : k;
      if ((!all && layers[i] !== layer) || (covered && covered[i])) continue;
      const X = (xy[2 * i] - v.x0) * kx,
        Y = H - (xy[2 * i + 1] - v.y0) * ky;
      if (!(X > -edge && X < W + edge && Y > -edge && Y < H + edge)) continue;
      const c = codes[i],
        rgb =
          c === NONE ? s.none : c < PALE ? lut[c < lut.length ? c : c % lut.length] : tint[(c - PALE) % tint.length];
      if (layer === 3) {
        if (flags[i] & PENDING) {
          stampDisc(px, W, H, X, Y, outer, rgb, 255);
          stampDisc(px, W, H, X, Y, core, s.surface, 255);
        } else {
          stampDisc(px, W, H, X, Y, outer, chosen ? accent : s.ring, 255);
          stampDisc(px, W, H, X, Y, inner, rgb, 255);
        }
        continue;
      }
      const alpha =
          layer === 0 ? (flags[i] & HIDDEN ? 26 : 72) : thin ? ((full * thin[i] + 127) * 0x8081) >>> 23 : full,
        set = c === NONE ? gray : plain;
      if (set) stampDisc(px, W, H, X, Y, set, rgb, alpha, layer ? blend : veil);
      else if (X >= 0 && Y >= 0 && X < W && Y < H) {
        const o = (Y | 0) * W + (X | 0),
          a = (alpha * dot) | 0;
        px[o] = a >= 255 ? (0xff000000 | rgb) >>> 0 : layer ? blend(px[o], rgb, a) : veil(px[o], rgb, Math.max(a, 26));
      }
    }
  }
}

/** Which layer a point belongs to: 0 dimmed, 1 without color, 2 colored, 3 labeled. */
export function layerOf(f, c, dimming) {
  if (f & HIDDEN || (dimming && !(f & SELECTED))) return 0;
  return f & (LABELED | PENDING) ? 3 : c === NONE ? 1 : 2;
}

/** The layer of every point, into `layers`, and how many each layer holds. @returns {number[]} */
export function fillLayers(layers, flags, codes, dimming) {
  const t = [0, 0, 0, 0];
  for (let i = 0; i < codes.length; i++) t[(layers[i] = layerOf(flags[i], codes[i], dimming))]++;
  return t;
}
