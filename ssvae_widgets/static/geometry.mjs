/**
 * Pure geometry of the point layer: no DOM, no state, tested in node against brute force.
 *
 * Positions are interleaved, `xy = [x0, y0, x1, y1, …]`. A `view` says which part of the plane is on screen:
 * `{x0, x1, y0, y1, w, h}`, the data domain of the whole canvas and its size in CSS pixels; y grows upwards in data
 * and downwards on screen. A point with a NaN coordinate is nowhere: it is never picked, painted or selected.
 * @typedef {{x0: number, x1: number, y0: number, y1: number, w: number, h: number}} View
 */

/** Data to pixels. @param {View} v @returns {[number, number]} */
export function toPixel(v, x, y) {
  return [((x - v.x0) / (v.x1 - v.x0)) * v.w, v.h - ((y - v.y0) / (v.y1 - v.y0)) * v.h];
}

/** Pixels to data. @param {View} v @returns {[number, number]} */
export function toData(v, px, py) {
  return [v.x0 + (px / v.w) * (v.x1 - v.x0), v.y0 + ((v.h - py) / v.h) * (v.y1 - v.y0)];
}

/** Index of the point nearest to a pixel, at most `radius` pixels away; -1 when there is none. `skip[i]` true leaves a point out. */
export function pickNearest(xy, v, px, py, radius = 10, skip = null) {
  const kx = v.w / (v.x1 - v.x0),
    ky = v.h / (v.y1 - v.y0),
    [ux, uy] = toData(v, px, py);
  let best = -1,
    bestD = radius * radius;
  for (let i = 0, n = xy.length >> 1; i < n; i++) {
    const dx = (xy[2 * i] - ux) * kx;
    if (!(dx <= radius && dx >= -radius)) continue;
    const dy = (xy[2 * i + 1] - uy) * ky,
      d = dx * dx + dy * dy;
    if (d <= bestD && (d < bestD || best < 0) && !(skip && skip[i])) {
      bestD = d;
      best = i;
    }
  }
  return best;
}

/** Up to `k` indices within `radius` pixels of a pixel, nearest first: what a hover is likely to ask for next. */
export function nearestK(xy, v, px, py, k, radius = 60) {
  const kx = v.w / (v.x1 - v.x0),
    ky = v.h / (v.y1 - v.y0),
    [ux, uy] = toData(v, px, py),
    found = [];
  for (let i = 0, n = xy.length >> 1; i < n; i++) {
    const dx = (xy[2 * i] - ux) * kx;
    if (!(dx <= radius && dx >= -radius)) continue;
    const dy = (xy[2 * i + 1] - uy) * ky,
      d = dx * dx + dy * dy;
    if (d <= radius * radius) found.push([d, i]);
  }
  return found
    .sort((a, b) => a[0] - b[0] || a[1] - b[1])
    .slice(0, k)
    .map((f) => f[1]);
}

/** Up to `k` indices nearest to a pixel, nearest first, however far they are; `skip[i]` true leaves a point out. @param {ArrayLike<number>} xy @param {View} v @returns {number[]} */
export function nearestFew(xy, v, px, py, k, skip = null) {
  const kx = v.w / (v.x1 - v.x0),
    ky = v.h / (v.y1 - v.y0),
    [ux, uy] = toData(v, px, py),
    at = [],
    far = [];
  for (let i = 0, n = xy.length >> 1; i < n; i++) {
    const dx = (xy[2 * i] - ux) * kx,
      dy = (xy[2 * i + 1] - uy) * ky,
      d = dx * dx + dy * dy;
    if (!(d < Infinity) || (at.length === k && !(d < far[k - 1])) || (skip && skip[i])) continue;
    let j = Math.min(at.length, k - 1);
    for (; j > 0 && far[j - 1] > d; j--) {
      far[j] = far[j - 1];
      at[j] = at[j - 1];
    }
    far[j] = d;
    at[j] = i;
  }
  return at;
}

/** Drop path vertices closer than `step` pixels to the one kept before: a slow hand does not make a slow lasso. */
export function simplifyPath(path, step = 2) {
  const out = [];
  for (const p of path) {
    const q = out[out.length - 1];
    if (!q || Math.hypot(p[0] - q[0], p[1] - q[1]) >= step) out.push(p);
  }
  return out;
}

/** Even-odd rule for one point. The definition `lassoSelect` is tested against. */
export function insidePolygon(poly, x, y) {
  let inside = false;
  for (let j = 0, k = poly.length - 1; j < poly.length; k = j++) {
    const [xj, yj] = poly[j],
      [xk, yk] = poly[k];
    if (yj > y !== yk > y && x < ((xk - xj) * (y - yj)) / (yk - yj) + xj) inside = !inside;
  }
  return inside;
}

/**
 * Indices inside a closed pixel path (even-odd). Edges are sorted into horizontal bands first, so that a point is
 * compared with the few edges at its height: one million points against 300 vertices stay in the tens of milliseconds.
 * @param {Float32Array} xy @param {View} v @param {[number, number][]} path @returns {Uint32Array}
 */
export function lassoSelect(xy, v, path, skip = null) {
  if (path.length < 3) return new Uint32Array(0);
  const poly = path.map((p) => toData(v, p[0], p[1]));
  let ax = Infinity,
    bx = -Infinity,
    ay = Infinity,
    by = -Infinity;
  for (const [x, y] of poly) {
    ax = Math.min(ax, x);
    bx = Math.max(bx, x);
    ay = Math.min(ay, y);
    by = Math.max(by, y);
  }
  if (!(by > ay)) return new Uint32Array(0);
  const B = 256,
    bandOf = (y) => Math.max(0, Math.min(B - 1, Math.floor(((y - ay) / (by - ay)) * B)));
  const bands = Array.from({ length: B }, () => []);
  for (let j = 0, k = poly.length - 1; j < poly.length; k = j++) {
    const [xj, yj] = poly[j],
      [xk, yk] = poly[k];
    if (yj === yk) continue;
    for (let b = bandOf(Math.min(yj, yk)); b <= bandOf(Math.max(yj, yk)); b++) bands[b].push(xj, yj, xk, yk);
  }
  const flat = bands.map((b) => Float64Array.from(b));
  let out = new Uint32Array(1024),
    m = 0;
  for (let i = 0, n = xy.length >> 1; i < n; i++) {
    const x = xy[2 * i],
      y = xy[2 * i + 1];
    if (!(x >= ax && x <= bx && y >= ay && y <= by) || (skip && skip[i])) continue;
    const e = flat[bandOf(y)];
    let inside = false;
    for (let j = 0; j < e.length; j += 4) {
      if (e[j + 1] > y !== e[j + 3] > y && x < ((e[j + 2] - e[j]) * (y - e[j + 1])) / (e[j + 3] - e[j + 1]) + e[j])
        inside = !inside;
    }
    if (!inside) continue;
    if (m === out.length) {
      const grown = new Uint32Array(2 * m);
      grown.set(out);
      out = grown;
    }
    out[m++] = i;
  }
  return out.slice(0, m);
}

/** Indices inside the pixel rectangle with the corners `a` and `b`, borders included. @returns {Uint32Array} */
export function boxSelect(xy, v, a, b, skip = null) {
  const [xa, ya] = toData(v, a[0], a[1]),
    [xb, yb] = toData(v, b[0], b[1]);
  const ax = Math.min(xa, xb),
    bx = Math.max(xa, xb),
    ay = Math.min(ya, yb),
    by = Math.max(ya, yb),
    out = [];
  for (let i = 0, n = xy.length >> 1; i < n; i++) {
    const x = xy[2 * i],
      y = xy[2 * i + 1];
    if (x >= ax && x <= bx && y >= ay && y <= by && !(skip && skip[i])) out.push(i);
  }
  return Uint32Array.from(out);
}

/** Selection algebra: `mode` is "replace", "add", "subtract" or "toggle"; the result is sorted and unique. @returns {Uint32Array} */
export function combine(before, chosen, mode, n) {
  if (mode === "replace") return Uint32Array.from(chosen).sort();
  const mark = new Uint8Array(n);
  for (const i of before) mark[i] = 1;
  for (const i of chosen) mark[i] = mode === "add" ? 1 : mode === "subtract" ? 0 : 1 - mark[i];
  let m = 0;
  for (let i = 0; i < n; i++) m += mark[i];
  const out = new Uint32Array(m);
  for (let i = 0, k = 0; i < n; i++) if (mark[i]) out[k++] = i;
  return out;
}

/**
 * The nearest point in a direction ("left", "right", "up", "down") from a pixel, as an arrow key means it: inside the 45° cone first,
 * else anywhere in that half plane; a step to the side costs twice a step ahead. -1 when nothing lies there.
 */
export function nearestInDirection(xy, v, from, direction, skip = null) {
  const kx = v.w / (v.x1 - v.x0),
    ky = v.h / (v.y1 - v.y0),
    [ux, uy] = toData(v, from[0], from[1]);
  const sx = direction === "left" ? -1 : direction === "right" ? 1 : 0,
    sy = direction === "down" ? -1 : direction === "up" ? 1 : 0;
  let cone = -1,
    coneCost = Infinity,
    half = -1,
    halfCost = Infinity;
  for (let i = 0, n = xy.length >> 1; i < n; i++) {
    const dx = (xy[2 * i] - ux) * kx,
      dy = (xy[2 * i + 1] - uy) * ky;
    const ahead = sx ? dx * sx : dy * sy,
      aside = Math.abs(sx ? dy : dx);
    if (!(ahead > 1e-6) || (skip && skip[i])) continue;
    const cost = ahead + 2 * aside;
    if (aside <= ahead) {
      if (cost < coneCost) {
        coneCost = cost;
        cone = i;
      }
    } else if (cost < halfCost) {
      halfCost = cost;
      half = i;
    }
  }
  return cone >= 0 ? cone : half;
}

/** The view after zooming by `factor` (< 1 is closer) around a pixel that stays where it is. @returns {View} */
export function zoomAround(v, px, py, factor) {
  const [x, y] = toData(v, px, py);
  return {
    ...v,
    x0: x + (v.x0 - x) * factor,
    x1: x + (v.x1 - x) * factor,
    y0: y + (v.y0 - y) * factor,
    y1: y + (v.y1 - y) * factor,
  };
}

/**
 * `zoomAround`, which goes no closer than a 10,000th of the home view and no farther than ten times it.
 * @param {number[]} [home] x0, x1, y0, y1 @returns {View}
 */
export function zoomWithin(v, px, py, factor, home) {
  const f = home?.length === 4 ? (v.x1 - v.x0) / (home[1] - home[0]) : 1;
  const [closest, farthest] = [Math.min(1, 1e-4 / f), Math.max(1, 10 / f)];
  return zoomAround(v, px, py, Math.max(closest, Math.min(farthest, factor)));
}

/** The view after dragging the plane by (dx, dy) pixels. @returns {View} */
export function panBy(v, dx, dy) {
  const ux = (dx / v.w) * (v.x1 - v.x0),
    uy = (dy / v.h) * (v.y1 - v.y0);
  return { ...v, x0: v.x0 - ux, x1: v.x1 - ux, y0: v.y0 + uy, y1: v.y1 + uy };
}

/** Number of points inside the view, by a look at no more than `sample` of them. */
export function countInView(xy, v, sample = 20000) {
  const n = xy.length >> 1,
    step = Math.max(1, Math.floor(n / sample));
  let m = 0,
    seen = 0;
  for (let i = 0; i < n; i += step, seen++)
    if (xy[2 * i] >= v.x0 && xy[2 * i] <= v.x1 && xy[2 * i + 1] >= v.y0 && xy[2 * i + 1] <= v.y1) m++;
  return seen ? Math.round((m / seen) * n) : 0;
}

/** Cubic ease in and out on 0..1. */
export function ease(t) {
  return t <= 0 ? 0 : t >= 1 ? 1 : t < 0.5 ? 4 * t * t * t : 1 - (-2 * t + 2) ** 3 / 2;
}

/** `out = from + (to - from) t`, element by element. A NaN start appears at its end. */
export function lerp(from, to, t, out) {
  for (let i = 0; i < to.length; i++) {
    const a = from[i];
    out[i] = a === a ? a + (to[i] - a) * t : to[i];
  }
  return out;
}
