/** What the views around the map share: drawings of vectors, sizes, times, colors, and what a view does when a trait changes. Pure where it can be, so that `node --test` can import it. */
import { array, drawImage } from "./dom.mjs";
import { onDark } from "./on-dark.mjs";

/** Bars of a vector as rectangles [x, y, width, height] in a box, zero line included; more values than pixels are averaged. */
export function bars(values, width, height) {
  const n = Math.min(values.length, Math.max(1, Math.floor(width)));
  const means = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    const from = Math.floor((k * values.length) / n),
      to = Math.max(from + 1, Math.floor(((k + 1) * values.length) / n));
    let sum = 0;
    for (let i = from; i < to; i++) sum += Number.isFinite(values[i]) ? values[i] : 0;
    means[k] = sum / (to - from);
  }
  let low = 0,
    high = 0;
  for (const v of means) {
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  const span = high - low || 1,
    zero = (high / span) * height,
    step = width / n;
  return Array.from(means, (v, k) => {
    const size = (Math.abs(v) / span) * height;
    return [k * step, v >= 0 ? zero - size : zero, Math.max(step - (step > 3 ? 1 : 0), 0.5), size];
  });
}

/** Paint one image ([height, width, channels] of bytes) or vector ([d] of float32) on a canvas. */
export function paintItem(canvas, data, shape) {
  const context = canvas.getContext("2d");
  if (shape.length === 1) {
    const values = data instanceof Float32Array ? data : array(data, Float32Array);
    canvas.width = 288;
    canvas.height = 288;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = getComputedStyle(canvas).color;
    for (const [x, y, w, hgt] of bars(values, canvas.width, canvas.height)) context.fillRect(x, y, w, hgt);
    return;
  }
  drawImage(canvas, data, shape);
}

/** Whole pixels for small images that are much enlarged, a smooth picture that fills it for others: the CSS size in a square box. */
export function fit(height, width, box) {
  const scale = Math.min(box / height, box / width),
    pixelated = scale >= 2 && Math.max(height, width) <= 40,
    used = pixelated ? Math.floor(scale) : scale;
  return {
    width: Math.max(1, Math.round(width * used)),
    height: Math.max(1, Math.round(height * used)),
    pixelated,
  };
}

/** `8 s`, `2 min 05 s`, `1 h 12 min`. */
export function duration(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return "";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** The digit key that gives class `k`, or an empty string. */
export function digitKey(k) {
  return k >= 0 && k <= 9 ? String(k) : "";
}

/** The color of class `k`; gray without one. Only `#rrggbb` reaches a style. */
export function classHex(palette, k) {
  const value = k >= 0 && palette.length ? palette[k % palette.length] : "";
  return /^#[0-9a-fA-F]{6}$/.test(value) ? value : "#9a9a9a";
}

/** Style of what has the color of class `k`: its `--c`, and the one that a dark page shows, as the map does (`views.css` takes it there). */
export function classColor(palette, k) {
  const value = classHex(palette, k);
  return { "--c": value, "--c-dark": onDark(value) };
}

/** Let the map of this app do it, which knows what is on show: true when it did; else `serials` are the points that were selected, if there is a map. */
export function toMap(el, name, arg) {
  /** @type {CustomEvent<{name: string, arg: any, serials?: Uint32Array}>} */
  const event = new CustomEvent("ssvae-act", { bubbles: true, cancelable: true, detail: { name, arg } });
  const done = !el.dispatchEvent(event),
    serials = event.detail.serials;
  return { done, buffers: serials ? [serials.slice().buffer] : [] };
}

/** Keys go back to the app that an element is part of. @param {Element} el */
export function giveKeysBack(el) {
  /** @type {HTMLElement | null} */ (el.closest("[tabindex]"))?.focus({ preventScroll: true });
}

/** Which rows of a grid of `total` tiles lie in the window of a scrolled box, with a margin of rows on both sides. */
export function visibleRows(total, columns, tile, scrollTop, height, margin = 2) {
  const rows = Math.ceil(total / columns);
  const first = Math.max(0, Math.floor(scrollTop / tile) - margin);
  const last = Math.min(rows, Math.ceil((scrollTop + height) / tile) + margin);
  return { rows, first: Math.min(first, last), last };
}

/** CSS pixels that every browser scrolls over. */
const SCROLLABLE = 15e6;

/**
 * Of a grid of `total` pixels in a box `height` pixels high: how high it is made, and where it is looked at. What is too
 * high for a browser moves faster than the scroll bar.
 */
export function scrolling(total, height, most = SCROLLABLE) {
  const share = total > most && most > height ? (total - height) / (most - height) : 1;
  return {
    height: Math.min(total, most),
    lookedAt: (scrollTop) => scrollTop * share,
    scrollTop: (lookedAt) => lookedAt / share,
  };
}

/** Run `fn` now and on every change of the named traits, once per batch of changes; returns the cleanup. */
export function follow(model, names, fn) {
  let asked = false;
  const run = () => {
    asked = false;
    fn();
  };
  const ask = () => {
    if (!asked) {
      asked = true;
      queueMicrotask(run);
    }
  };
  const events = names.map((name) => `change:${name}`);
  for (const event of events) model.on(event, ask);
  fn();
  return () => {
    for (const event of events) model.off(event, ask);
  };
}
