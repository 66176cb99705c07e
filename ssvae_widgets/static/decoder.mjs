/**
 * The decoder of a model in plain JavaScript: from a place on the map to a picture, and how far that place is from all data. The app and the page
 * that is written to a file run this same code; what it is given is described in nbs/session/22_decoding and nbs/widgets/07_decoder_wire. Pure; tested in node, and against
 * the numbers of Python.
 */
import { typed } from "./dom.mjs";

/** Numbers of half precision. @param {Uint16Array} half @returns {Float32Array} */
export function fromHalf(half) {
  const out = new Float32Array(half.length);
  for (let i = 0; i < half.length; i++) {
    const h = half[i],
      e = (h >> 10) & 31,
      m = h & 1023,
      v = e === 0 ? m * 2 ** -24 : e === 31 ? (m ? NaN : Infinity) : (1 + m / 1024) * 2 ** (e - 15);
    out[i] = h & 0x8000 ? -v : v;
  }
  return out;
}

/** The arrays of a blob, by name. @param {{name: string, type: string, offset: number, shape: number[]}[]} parts @param {any} blob */
export function unpack(parts, blob) {
  const out = {};
  for (const { name, type, offset, shape } of parts) {
    const size = shape.reduce((a, b) => a * b, 1),
      bytes = typed(blob, Uint8Array).subarray(offset, offset + size * (type === "f2" ? 2 : 4));
    out[name] = { shape, values: type === "f2" ? fromHalf(typed(bytes, Uint16Array)) : typed(bytes, Float32Array) };
  }
  return out;
}

/** The share of sorted values that are smaller than `v`, and half of those that are equal. @param {ArrayLike<number>} sorted */
export function percentile(sorted, v) {
  const n = sorted.length,
    search = (after) => {
      let lo = 0,
        hi = n;
      while (lo < hi) {
        const mid = (lo + hi) >> 1;
        if (after ? sorted[mid] <= v : sorted[mid] < v) lo = mid + 1;
        else hi = mid;
      }
      return lo;
    };
  return n ? (search(false) + search(true)) / (2 * n) : 0;
}

/** Indices of the `k` smallest distances, nearest first, and the distances; of equals the earlier one. */
export function smallest(distances, k) {
  const at = [],
    d = [];
  for (let i = 0; i < distances.length; i++) {
    const v = distances[i];
    if (!(v < Infinity) || (d.length === k && !(v < d[k - 1]))) continue;
    let j = Math.min(d.length, k - 1);
    for (; j > 0 && d[j - 1] > v; j--) {
      d[j] = d[j - 1];
      at[j] = at[j - 1];
    }
    d[j] = v;
    at[j] = i;
  }
  return { at, d };
}

/** Pictures of places on a map. */
export class Decoder {
  /** @param {any} layout what Python says of the blob @param {any} blob its bytes */
  constructor(layout, blob) {
    const a = unpack(layout.parts, blob);
    this.layout = layout;
    this.shape = layout.shape; // height, width, channel
    this.positions = a.positions.values;
    this.latents = a.latents ? a.latents.values : null; // null: there is no model
    this.width = layout.latent;
    this.gaps = a.gaps?.values || new Float32Array(0); // of the anchors themselves, sorted
    this.odds = a.odds?.values || new Float32Array(0);
    this.usual = a.usual?.values || new Float32Array(0);
    this.away = new Float64Array(this.positions.length >> 1);
    this.apart = new Float64Array(this.positions.length >> 1);
    /** @type {Layer[]} */
    this.layers = [];
    for (let k = 0; a[`kernel${k}`]; k++)
      this.layers.push({
        kernel: a[`kernel${k}`].values,
        bias: a[`bias${k}`].values,
        n: a[`bias${k}`].values.length,
      });
  }

  /** Whether it draws, or only knows how far a place is from all data. */
  get draws() {
    return this.layers.length > 0;
  }

  /** Distances on the map from a place to the anchors. */
  around(x, y) {
    const p = this.positions,
      out = this.away;
    for (let i = 0; i < out.length; i++) {
      const dx = p[2 * i] - x,
        dy = p[2 * i + 1] - y,
        d = Math.sqrt(dx * dx + dy * dy);
      out[i] = d === d ? d : Infinity;
    }
    return out;
  }

  /** The latent of a place: a mean of those of the nearest anchors; where the latent is the map, the place itself. @returns {Float64Array} */
  latent(x, y) {
    const z = new Float64Array(this.width),
      { latents, width } = this,
      { near } = this.layout;
    if (this.layout.direct || !latents) {
      z[0] = x;
      if (width > 1) z[1] = y;
      return z;
    }
    const found = smallest(this.around(x, y), near + 1),
      weights = near < 1 ? [1] : meanWeights(found.d);
    weights.forEach((w, j) => {
      const from = found.at[j] * width;
      for (let c = 0; c < width; c++) z[c] += w * latents[from + c];
    });
    return z;
  }

  /** The picture of a latent: numbers in [0, 1], row by row. @param {ArrayLike<number>} z @returns {Float64Array} */
  draw(z) {
    const { slope, link, steps, start } = this.layout;
    let x = Float64Array.from(z),
      [h, w] = [1, 1];
    this.layers.forEach((layer, at) => {
      if (steps[at] !== "dense" && h * w === 1) [h, w] = start;
      const out = steps[at] === "conv" ? convolve(x, h, w, layer) : product(x, h * w, layer);
      if (at < this.layers.length - 1) for (let j = 0; j < out.length; j++) if (out[j] < 0) out[j] *= slope;
      x = steps[at] === "dense" ? out : shuffle(out, h, w);
      if (steps[at] !== "dense") [h, w] = [2 * h, 2 * w];
    });
    if (x.length > this.shape[0] * this.shape[1] * this.shape[2]) x = crop(x, w, this.shape);
    for (let j = 0; j < x.length; j++)
      x[j] = link === "sigmoid" ? 1 / (1 + Math.exp(-x[j])) : Math.max(0, Math.min(1, x[j]));
    return x;
  }

  /** How odd a place is among the data, in [0, 1], as `ood_score` says it: by its distance to the anchors on the map, and in the latent where it draws. */
  oddness(x, y, z = null) {
    const { odd } = this.layout,
      signs = [percentile(this.gaps, mean(smallest(this.around(x, y), odd).d))];
    if (z && this.latents && this.odds.length) {
      const { latents, width } = this,
        d = this.apart;
      for (let i = 0, at = 0; i < d.length; i++) {
        let sum = 0;
        for (let c = 0; c < width; c++, at++) sum += (latents[at] - z[c]) ** 2;
        d[i] = Math.sqrt(sum);
      }
      signs.push(percentile(this.odds, mean(smallest(d, odd).d)));
    }
    return this.usual.length ? percentile(this.usual, Math.fround(Math.max(...signs))) : 0;
  }
}

/**
 * A layer of a decoder.
 * @typedef {{kernel: Float32Array, bias: Float32Array, n: number}} Layer
 */

/** `to += v · row of kernel`, for the channels of one place. */
function add(out, to, v, kernel, row, n) {
  if (v !== 0) for (let j = 0; j < n; j++) out[to + j] += v * kernel[row + j];
}

/** The bias at every place. @param {number} places @param {Layer} layer */
function biases(places, { bias, n }) {
  const out = new Float64Array(places * n);
  for (let p = 0; p < places; p++) out.set(bias, p * n);
  return out;
}

/** A dense layer at each of some places. @param {Float64Array} x @param {number} places @param {Layer} layer */
export function product(x, places, layer) {
  const { kernel, n } = layer,
    out = biases(places, layer),
    c = x.length / places;
  for (let p = 0; p < places; p++) for (let i = 0; i < c; i++) add(out, p * n, x[p * c + i], kernel, i * n, n);
  return out;
}

/** A 3×3 convolution, zeros beyond the edge. @param {Float64Array} x @param {number} h @param {number} w @param {Layer} layer */
export function convolve(x, h, w, layer) {
  const { kernel, n } = layer,
    out = biases(h * w, layer),
    c = x.length / (h * w);
  for (let y = 0; y < h; y++)
    for (let u = 0; u < w; u++)
      for (let k = 0; k < 9; k++) {
        const row = y + Math.floor(k / 3) - 1,
          col = u + (k % 3) - 1;
        if (row < 0 || row >= h || col < 0 || col >= w) continue;
        for (let i = 0, from = (row * w + col) * c; i < c; i++)
          add(out, (y * w + u) * n, x[from + i], kernel, (k * c + i) * n, n);
      }
  return out;
}

/** Blocks of four channels as blocks of four places: the image is twice as high and wide. */
export function shuffle(x, h, w) {
  const out = new Float64Array(x.length),
    c = x.length / (h * w * 4);
  for (let y = 0; y < h; y++)
    for (let u = 0; u < w; u++)
      for (let k = 0; k < 4; k++) {
        const from = ((y * w + u) * 4 + k) * c,
          to = ((2 * y + (k >> 1)) * 2 * w + 2 * u + (k & 1)) * c;
        for (let i = 0; i < c; i++) out[to + i] = x[from + i];
      }
  return out;
}

/** The upper left part of an image that is `w` wide. @param {Float64Array} x @param {number} w @param {number[]} shape */
export function crop(x, w, [height, width, c]) {
  const out = new Float64Array(height * width * c);
  for (let y = 0; y < height; y++) out.set(x.subarray(y * w * c, (y * w + width) * c), y * width * c);
  return out;
}

const mean = (v) => v.reduce((a, b) => a + b, 0) / Math.max(1, v.length);

/**
 * How much each of the nearest anchors counts, by the biweight kernel as wide as the distance of the last one, which does not count itself; sums to one.
 * @param {number[]} d distances, nearest first @returns {number[]}
 */
export function meanWeights(d) {
  const last = d[d.length - 1],
    width = Math.max(last, 1e-12);
  let w = d.slice(0, -1).map((v) => (last <= 1e-12 ? 1 : (1 - (v / width) ** 2) ** 2));
  if (!(w.reduce((a, b) => a + b, 0) > 0)) w = w.map(() => 1); // all equally far
  const sum = w.reduce((a, b) => a + b, 0);
  return w.map((v) => v / sum);
}

/** Numbers in [0, 1] as bytes. @param {ArrayLike<number>} values */
export function asBytes(values) {
  return Uint8ClampedArray.from(values, (v) => Math.round(255 * v));
}
