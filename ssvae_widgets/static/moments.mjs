/**
 * A map at several moments, as Python's `film_arrays` packs them: where the points were, what was said of them, which had a label, and the ground between them; and the
 * painting of one moment. The film of a training and two rounds side by side share it.
 */
import { LABELED, NONE, PALE, TINTS, fillLayers, labeledRadius, mixed, paint, radiusFor } from "./raster.mjs";
import { onDark, packColor } from "./on-dark.mjs";
import { Areas } from "./regions.mjs";
import { typed } from "./dom.mjs";

const NOWHERE = 65535; // of a coordinate

const canvasOf = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

export class Moments {
  /** @param {any} info words and numbers of `film_arrays`, with `classes` and `colors` @param {Record<string, any>} blobs its arrays by name, each moment after the other */
  constructor(info, blobs) {
    const { points: n, rows, columns, extent } = info,
      k = info.frames.length;
    this.info = info;
    const cut = (blob, Type, size) => {
      const all = typed(blob, Type);
      return Array.from({ length: k }, (_, at) => all.subarray(at * size, (at + 1) * size));
    };
    this.places = cut(blobs.xy, Uint16Array, 2 * n).map((raw) => {
      const out = new Float32Array(2 * n);
      for (let i = 0; i < 2 * n; i++) {
        const [low, high] = i % 2 ? extent.slice(2) : extent;
        out[i] = raw[i] === NOWHERE ? NaN : low + (raw[i] / (NOWHERE - 1)) * (high - low);
      }
      return out;
    });
    this.pred = cut(blobs.pred, Uint16Array, n);
    this.sure = cut(blobs.sure, Uint8Array, n);
    this.labels = cut(blobs.labels, Uint16Array, n);
    this.grounds = cut(blobs.codes, Uint16Array, rows * columns);
    this.doubts = cut(blobs.certainty, Uint8Array, rows * columns);
    /** @type {(Areas | undefined)[]} */
    this.areas = [];
    this.shades = new Uint16Array(n);
    this.flags = new Uint8Array(n);
    this.layers = new Uint8Array(n);
  }

  /** The part of a map that all moments lie in, in a stage of `w` times `h` pixels. */
  view(w, h) {
    const [x0, x1, y0, y1] = this.info.extent;
    return { x0, x1, y0, y1, w, h };
  }

  /** The ground of moment `k`. */
  area(k) {
    if (!this.areas[k]) {
      const { rows, columns, extent } = this.info;
      this.areas[k] = new Areas(canvasOf);
      this.areas[k].read({ rows, columns, extent, codes: this.grounds[k], certainty: this.doubts[k] });
    }
    return this.areas[k];
  }

  /** What is painted of the points at moment `k`: labels as they were then, else predictions in pale; those that `gray` names in gray. @param {number} k @param {((i: number) => boolean) | null} gray */
  shade(k, gray = null) {
    const [p, s, given] = [this.pred[k], this.sure[k], this.labels[k]],
      blind = 1 / Math.max(2, this.info.classes.length);
    for (let i = 0; i < p.length; i++) {
      const told = given[i] !== NONE,
        step = Math.max(0, Math.min(3, Math.floor(((s[i] / 254 - blind) / (1 - blind)) * 4)));
      this.flags[i] = told && !gray?.(i) ? LABELED : 0;
      this.shades[i] = gray?.(i) ? NONE : told ? given[i] : p[i] === NONE ? NONE : PALE + 4 * p[i] + step;
    }
  }
}

/** The colors of a page. @param {Element} root with the colors of `point-layer.css` @param {string[]} colors of the classes @param {boolean} dark */
export function themeOf(root, colors, dark) {
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim(),
    hex = dark ? colors.map(onDark) : colors,
    [none, ring, surface] = ["--ssvae-none", "--ssvae-ring", "--ssvae-surface"].map(css);
  return {
    name: dark ? "dark" : "light",
    hex,
    none: packColor(none),
    line: ring,
    ring: packColor(ring),
    surface: packColor(surface),
    lut: Uint32Array.from(hex.length ? hex : [none], packColor),
    tint: Uint32Array.from(
      hex.flatMap((color) => TINTS.map((share) => mixed(surface, color, share))),
      packColor,
    ),
  };
}

/** Give a canvas the size of its stage. @returns {boolean} whether it had another */
export function resized(canvas, w, h, dpr) {
  const [W, H] = [w, h].map((side) => Math.max(1, Math.round(side * dpr)));
  if (canvas.width === W && canvas.height === H) return false;
  Object.assign(canvas, { width: W, height: H });
  Object.assign(canvas.style, { width: `${w}px`, height: `${h}px` });
  return true;
}

/** The ground of moment `k` on a canvas. */
export function paintGround(canvas, moments, k, view, dpr, theme) {
  const g = canvas.getContext("2d");
  g.setTransform(1, 0, 0, 1, 0, 0);
  g.clearRect(0, 0, canvas.width, canvas.height);
  moments.area(k).draw(g, { view, dpr, colors: theme.hex, theme: theme.name, line: theme.line });
}

/** Points as `shade` left them, at places of a moment or between two, on a canvas. */
export function paintPoints(canvas, moments, xy, view, dpr, theme) {
  const { shades: codes, flags, layers } = moments,
    { width: W, height: H } = canvas,
    g = canvas.getContext("2d"),
    image = g.createImageData(W, H),
    tally = fillLayers(layers, flags, codes, false),
    radius = radiusFor(codes.length, view.w * view.h);
  const { lut, tint, none, ring, surface } = theme,
    looks = { lut, tint, none, ring, surface, radius, labeledRadius: labeledRadius(tally[3]), dpr };
  paint(new Uint32Array(image.data.buffer), W, H, { xy, view, codes, flags, layers, tally, ...looks });
  g.putImageData(image, 0, 0);
}
