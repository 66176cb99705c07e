// What every view shares: building DOM without innerHTML, painting pixels, formatting. Pure where it can be, so that `node --test` can import it.
// The Python side pastes this file in front of each view's own file (there is no bundler), which is why the views import nothing.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties, attributes, listeners (`onclick`) and children; text always lands as text. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (key === "text") node.textContent = clean(value);
    else if (key === "style") for (const [name, v] of Object.entries(value)) node.style.setProperty(name, v);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const ICONS = {
  undo: ["M6 3 L2.5 6.5 L6 10", "M2.5 6.5 H9.5 C12 6.5 13.5 8 13.5 10 S12 13.5 9.5 13.5 H7"],
  redo: ["M10 3 L13.5 6.5 L10 10", "M13.5 6.5 H6.5 C4 6.5 2.5 8 2.5 10 S4 13.5 6.5 13.5 H9"],
  close: ["M3.5 3.5 L12.5 12.5 M12.5 3.5 L3.5 12.5"],
  plus: ["M8 3 V13 M3 8 H13"],
  expand: ["M9.5 2.5 H13.5 V6.5 M13.5 2.5 L9 7 M6.5 13.5 H2.5 V9.5 M2.5 13.5 L7 9"],
};

/** A 16 px line icon drawn with the current text colour. */
export function icon(name) {
  const node = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({
    viewBox: "0 0 16 16",
    width: 16,
    height: 16,
    "aria-hidden": "true",
    class: "ssvae-icon",
  }))
    node.setAttribute(key, value);
  for (const d of ICONS[name] || []) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    node.append(path);
  }
  return node;
}

/** Names come from files and people: drop NUL and the marks that reorder the text around them, cap the length. */
export function clean(value, limit = 300) {
  const text = String(value).replace(/[\u0000-\u0008\u000b-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "");
  return text.length > limit ? text.slice(0, limit - 1) + "…" : text;
}

/** A copy of the bytes behind a DataView (or typed array, or buffer) as the given typed array. */
export function array(view, Type = Uint8Array) {
  if (!view) return new Type(0);
  const buffer = view.buffer || view;
  const start = view.byteOffset || 0;
  const length = view.byteLength - (view.byteLength % Type.BYTES_PER_ELEMENT);
  return new Type(buffer.slice(start, start + length));
}

/** RGBA bytes of one image given as height × width × channels bytes; gray is spread over the three colours. */
export function rgba(pixels, height, width, channels) {
  const out = new Uint8ClampedArray(4 * height * width);
  for (let i = 0, n = height * width; i < n; i++) {
    const j = i * channels;
    out[4 * i] = pixels[j];
    out[4 * i + 1] = pixels[channels >= 3 ? j + 1 : j];
    out[4 * i + 2] = pixels[channels >= 3 ? j + 2 : j];
    out[4 * i + 3] = channels === 4 ? pixels[j + 3] : channels === 2 ? pixels[j + 1] : 255;
  }
  return out;
}

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
export function paint(canvas, data, shape) {
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
  const [height, width, channels] = shape;
  canvas.width = width;
  canvas.height = height;
  context.putImageData(new ImageData(rgba(data, height, width, channels), width, height), 0, 0);
}

/** Whole pixels for small images, a smooth picture for large ones: the CSS size that fits an image into a square box. */
export function fit(height, width, box) {
  const scale = Math.min(box / height, box / width);
  const whole = scale >= 1 ? Math.floor(scale) : scale;
  return {
    width: Math.max(1, Math.round(width * whole)),
    height: Math.max(1, Math.round(height * whole)),
    pixelated: scale >= 1,
  };
}

/** `1,797`; the page's language does not change what a test or a screenshot says. */
export function count(n) {
  return Number(n).toLocaleString("en-US");
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

/** The colour of class `k`; gray without one. Only `#rrggbb` reaches a style. */
export function colour(palette, k) {
  const value = k >= 0 && palette.length ? palette[k % palette.length] : "";
  return /^#[0-9a-fA-F]{6}$/.test(value) ? value : "#9a9a9a";
}

/** Let the map of this app do it, which knows what is on show: true when it did; else `serials` are the points that were selected, if there is a map. */
export function toMap(el, name, arg) {
  const event = new CustomEvent("ssvae-act", { bubbles: true, cancelable: true, detail: { name, arg } });
  const done = !el.dispatchEvent(event),
    serials = event.detail.serials;
  return { done, buffers: serials ? [serials.slice().buffer] : [] };
}

/** Which rows of a grid of `total` tiles lie in the window of a scrolled box, with a margin of rows on both sides. */
export function visibleRows(total, columns, tile, scrollTop, height, margin = 2) {
  const rows = Math.ceil(total / columns);
  const first = Math.max(0, Math.floor(scrollTop / tile) - margin);
  const last = Math.min(rows, Math.ceil((scrollTop + height) / tile) + margin);
  return { rows, first: Math.min(first, last), last };
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
