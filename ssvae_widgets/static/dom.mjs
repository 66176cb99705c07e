/**
 * What everything on the page shares: elements without innerHTML, text that is safe to show, bytes from the wire, images on a canvas.
 * Pure where it can be; tested in node.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with attributes, listeners (`onclick`), `class`, `text`, `style` (properties by name) and children. Strings become text nodes; what is null is left out.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node | string | null | undefined)} children
 * @returns {any} the element
 */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (key === "text") node.textContent = clean(value);
    else if (key === "style") for (const [name, v] of Object.entries(value)) node.style.setProperty(name, v);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
}

/**
 * The same for a drawing.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...Node} children
 */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.append(...children);
  return /** @type {SVGElement} */ (node);
}

/** @type {Record<string, string[]>} lines of 16 px icons */
const ICONS = {
  undo: ["M6 3 L2.5 6.5 L6 10", "M2.5 6.5 H9.5 C12 6.5 13.5 8 13.5 10 S12 13.5 9.5 13.5 H7"],
  redo: ["M10 3 L13.5 6.5 L10 10", "M13.5 6.5 H6.5 C4 6.5 2.5 8 2.5 10 S4 13.5 6.5 13.5 H9"],
  close: ["M3.5 3.5 L12.5 12.5 M12.5 3.5 L3.5 12.5"],
  plus: ["M8 3 V13 M3 8 H13"],
  expand: ["M9.5 2.5 H13.5 V6.5 M13.5 2.5 L9 7 M6.5 13.5 H2.5 V9.5 M2.5 13.5 L7 9"],
  take: ["M8 2.5 V10 M4.5 7 L8 10.5 L11.5 7", "M2.500 10.500 V13.500 H13.500 V10.500"],
  window: ["M2.5 3.5 H13.5 V12.5 H2.5 Z M2.5 6 H13.5"],
  pointer: ["M4 2.5l8.5 5-3.8 1 -1.6 3.9z"],
  lasso: [
    "M8 2.5c3.3 0 5.7 1.6 5.7 3.8S11.3 10 8 10 2.3 8.500 2.3 6.300 4.700 2.500 8 2.500zM5.200 9.500c-1.600.500-1.700 2.400.100 2.400 1.300 0 1.200 1.600-.300 2.100",
  ],
  box: [
    "M2.500 4.500v-2h2M11.500 2.500h2v2M13.500 11.500v2h-2M4.500 13.500h-2v-2M7 2.500h2M7 13.500h2M2.500 7v2M13.500 7v2",
  ],
  pan: [
    "M8 1.800v12.400M1.800 8h12.400M6.300 3.500L8 1.800l1.700 1.700M6.300 12.500L8 14.200l1.700-1.700M3.500 6.300L1.800 8l1.700 1.700M12.500 6.300L14.200 8l-1.700 1.700",
  ],
  decode: [
    "M7 2.200L8.400 6.100L12.300 7.500L8.400 8.900L7 12.800L5.600 8.900L1.700 7.500L5.600 6.100Z",
    "M12.700 10.600v3.400M11 12.300h3.400",
  ],
  pictures: [
    "M2.500 3.500h11v9h-11z",
    "M2.500 10.500l3.200-3.200 2.800 2.800 1.700-1.700 3.300 3.300M10.600 6.200h.01",
  ],
  columns: ["M2.500 3.500h11M2.500 8h7M2.500 12.500h9"],
  axes: ["M3.500 2v10.500H14M3.500 4.500h-1M3.500 8.500h-1M7 12.500v1M11 12.500v1"],
  regions: [
    "M2.300 9.200c0-3.600 2.300-6.700 5.600-6.700 2.600 0 2.700 2 4.300 3.200 1.300 1 1.900 2 1.600 3.700-.500 2.600-3 4.100-6 4.100-3.400 0-5.500-1.500-5.500-4.300z",
    "M5.300 9.300c0-2 1.200-3.700 2.900-3.700 1.300 0 2.800 1.400 2.800 3 0 1.500-1.300 2.200-2.900 2.200-1.700 0-2.800-.400-2.800-1.500z",
  ],
  reset: ["M2.500 6V2.500H6M10 2.500h3.500V6M13.500 10v3.500H10M6 13.500H2.500V10M8 8h.01"],
};

/** A 16 px line icon drawn with the current text color. @param {string} name @param {string} cls of the style sheet */
export function icon(name, cls = "ssvae-icon") {
  const lines = (ICONS[name] || []).map((d) => svg("path", { d }));
  return svg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true", class: cls }, ...lines);
}

/** Names come from files and people: drop NUL and the marks that reorder the text around them, cap the length. @param {unknown} value */
export function clean(value, limit = 300) {
  const text = String(value).replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    "",
  );
  return text.length > limit ? text.slice(0, limit - 1) + "…" : text;
}

/** `1,797`; the page's language does not change what a test or a screenshot says. @param {number} n */
export function count(n) {
  return Number(n).toLocaleString("en-US");
}

/**
 * The bytes of a trait or a buffer as a typed array, without a copy where they are aligned.
 * @template T
 * @param {ArrayBufferView | ArrayBuffer | null | undefined} view
 * @param {{new (buffer: ArrayBufferLike, at: number, length: number): T, new (n: number): T, BYTES_PER_ELEMENT: number}} Type
 * @returns {T}
 */
export function typed(view, Type) {
  if (!view || !view.byteLength) return new Type(0);
  const buffer = "buffer" in view ? view.buffer : view,
    at = "buffer" in view ? view.byteOffset : 0,
    size = Type.BYTES_PER_ELEMENT,
    length = Math.floor(view.byteLength / size);
  return at % size === 0 ? new Type(buffer, at, length) : new Type(buffer.slice(at, at + length * size), 0, length);
}

/** The same as a copy, which stays as it is when the buffer is used again. @param {any} view @param {any} Type */
export function array(view, Type = Uint8Array) {
  return typed(view, Type).slice();
}

/** RGBA bytes of one image given as height × width × channels bytes; gray is spread over the three colors, two channels are green and magenta, the fourth of four is opacity. @param {ArrayLike<number>} pixels @param {number} height @param {number} width @param {number} channels */
export function rgba(pixels, height, width, channels) {
  const out = new Uint8ClampedArray(4 * height * width);
  for (let i = 0, n = height * width; i < n; i++) {
    const j = i * channels;
    out[4 * i] = pixels[channels === 2 ? j + 1 : j];
    out[4 * i + 1] = pixels[channels >= 3 ? j + 1 : j];
    out[4 * i + 2] = pixels[channels === 2 ? j + 1 : channels >= 3 ? j + 2 : j];
    out[4 * i + 3] = channels === 4 ? pixels[j + 3] : 255;
  }
  return out;
}

/** One image on a canvas of its size. @param {HTMLCanvasElement} canvas @param {ArrayLike<number>} data @param {number[]} shape height, width, channels */
export function drawImage(canvas, data, [height, width, channels]) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  canvas.getContext("2d")?.putImageData(new ImageData(rgba(data, height, width, channels), width, height), 0, 0);
}
