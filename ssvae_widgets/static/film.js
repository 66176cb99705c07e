/**
 * The rounds of a training as a film: one HTML page without kernel, network or video. Points travel from round to round, what is predicted of them and of the ground
 * between them goes over; a slider, a button and the keys of a player. Data come from elements of the page: JSON for words and numbers, compressed arrays as base64.
 */
import { ease, lerp } from "./geometry.mjs";
import { LABELED, NONE, PALE, TINTS, fillLayers, labeledRadius, mixed, paint, radiusFor } from "./raster.mjs";
import { onDark, packColor } from "./on-dark.mjs";
import { Areas } from "./regions.mjs";
import { clean, h } from "./dom.mjs";

const words = (id) => document.getElementById(id).textContent;

/** An array of the page, unpacked. @returns {Promise<ArrayBuffer>} */
async function unpacked(id) {
  const bytes = Uint8Array.from(atob(words(id)), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}

const SECONDS = 1.6; // from one round to the next, of which the points travel half

async function play() {
  const info = JSON.parse(words("info")),
    n = info.points,
    frames = info.frames,
    [xy, pred, sure, labels, codes, certainty] = await Promise.all(
      ["xy", "pred", "sure", "labels", "codes", "certainty"].map(unpacked),
    );
  const part = (buffer, Type, k, size) => new Type(buffer, k * size * Type.BYTES_PER_ELEMENT, size),
    cells = info.rows * info.columns;
  const [x0, x1, y0, y1] = info.extent,
    places = frames.map((_, k) => {
      const raw = part(xy, Uint16Array, k, 2 * n),
        out = new Float32Array(2 * n);
      for (let i = 0; i < n; i++) {
        out[2 * i] = x0 + (raw[2 * i] / 65535) * (x1 - x0);
        out[2 * i + 1] = y0 + (raw[2 * i + 1] / 65535) * (y1 - y0);
      }
      return out;
    });
  const root = /** @type {HTMLElement} */ (document.querySelector(".ssvae-map")),
    make = (width, height) => Object.assign(document.createElement("canvas"), { width, height }),
    grounds = [0, 1].map(() => h("canvas", { class: "ssvae-ground ssvae-m-there", "aria-hidden": "true" })),
    areas = frames.map(() => null),
    canvas = h("canvas", { class: "ssvae-points", role: "img", "aria-label": clean(info.title, 120) }),
    stage = h("div", { class: "ssvae-stage" }, ...grounds, canvas),
    slider = h("input", {
      type: "range",
      min: 0,
      max: Math.max(0, frames.length - 1),
      step: 0.01,
      value: 0,
      "aria-label": "Round",
    }),
    button = h("button", { type: "button", class: "ssvae-m-button" }, "Play"),
    regions = h("input", { type: "checkbox", checked: true }),
    said = h("span", { class: "ssvae-film-said", role: "status", "aria-live": "polite" }),
    key = h("div", { class: "ssvae-m-legend" }),
    calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  root.append(
    h(
      "div",
      { class: "ssvae-m-toolbar" },
      h("strong", {}, clean(info.title, 120)),
      h("span", { class: "ssvae-m-gap" }),
      h("label", { class: "ssvae-m-field" }, regions, h("span", {}, "Regions")),
    ),
    stage,
    key,
    h("div", { class: "ssvae-film-bar" }, button, slider, said),
  );
  const between = new Float32Array(2 * n),
    shades = new Uint16Array(n),
    flags = new Uint8Array(n),
    layers = new Uint8Array(n),
    blind = 1 / Math.max(2, info.classes.length);
  /** @type {any} */
  let theme = null;
  let at = 0,
    painted = [-1, -1],
    frame = 0,
    last = 0,
    playing = false;
  /** What is painted of the points in round `k`: labels as they were then, else predictions in pale. */
  const shade = (k) => {
    const p = part(pred, Uint16Array, k, n),
      s = part(sure, Uint8Array, k, n),
      given = part(labels, Uint16Array, k, n);
    for (let i = 0; i < n; i++) {
      flags[i] = given[i] === NONE ? 0 : LABELED;
      const step = Math.max(0, Math.min(3, Math.floor(((s[i] / 254 - blind) / (1 - blind)) * 4)));
      shades[i] = given[i] !== NONE ? given[i] : p[i] === NONE ? NONE : PALE + 4 * p[i] + step;
    }
  };
  const area = (k) => {
    if (!areas[k]) {
      areas[k] = new Areas(make);
      const some = { codes: part(codes, Uint16Array, k, cells), certainty: part(certainty, Uint8Array, k, cells) };
      areas[k].read({ rows: info.rows, columns: info.columns, extent: info.extent, ...some });
    }
    return areas[k];
  };
  const colors = () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches,
      css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
    root.dataset.theme = dark ? "dark" : "light";
    const hex = dark ? info.colors.map(onDark) : info.colors,
      surface = css("--ssvae-surface"),
      none = css("--ssvae-none");
    theme = { name: root.dataset.theme, none, ring: css("--ssvae-ring"), surface, hex };
    theme.lut = Uint32Array.from(hex.length ? hex : [none], packColor);
    theme.tint = Uint32Array.from(
      hex.flatMap((color) => TINTS.map((share) => mixed(surface, color, share))),
      packColor,
    );
    const swatch = (color) => h("span", { class: "ssvae-m-swatch", style: { background: color } });
    key.replaceChildren(
      ...info.classes.map((name, k) =>
        h("span", { class: "ssvae-m-chip" }, swatch(hex[k % hex.length]), h("span", {}, clean(name, 24))),
      ),
    );
    painted = [-1, -1];
    ask();
  };
  const draw = (now) => {
    frame = 0;
    if (playing) {
      at = Math.min(frames.length - 1, at + Math.max(0, now - last) / 1000 / SECONDS);
      slider.value = String(at);
      if (at >= frames.length - 1) pause();
    }
    last = now;
    const w = stage.clientWidth,
      hh = stage.clientHeight,
      dpr = devicePixelRatio || 1,
      W = Math.max(1, Math.round(w * dpr)),
      H = Math.max(1, Math.round(hh * dpr)),
      k = Math.min(frames.length - 1, Math.floor(at)),
      next = Math.min(frames.length - 1, k + 1),
      share = ease(Math.max(0, Math.min(1, 2 * (at - k) - 0.5))),
      view = { x0, x1, y0, y1, w, h: hh };
    for (const c of [...grounds, canvas])
      if (c.width !== W || c.height !== H) {
        Object.assign(c, { width: W, height: H });
        Object.assign(c.style, { width: `${w}px`, height: `${hh}px` });
        painted = [-1, -1];
      }
    grounds.forEach((c, side) => {
      const which = side ? next : k;
      c.style.transition = "none";
      c.style.opacity = regions.checked ? String(side ? (next === k ? 0 : share) : 1 - (next === k ? 0 : share)) : "0";
      if (painted[side] === which) return;
      painted[side] = which;
      const g = c.getContext("2d");
      g.setTransform(1, 0, 0, 1, 0, 0);
      g.clearRect(0, 0, W, H);
      area(which).draw(g, { view, dpr, colors: theme.hex, theme: theme.name, line: theme.ring });
    });
    shade(share < 0.5 ? k : next);
    const g = canvas.getContext("2d"),
      image = g.createImageData(W, H),
      tally = fillLayers(layers, flags, shades, false);
    paint(new Uint32Array(image.data.buffer), W, H, {
      xy: lerp(places[k], places[next], share, between),
      view,
      codes: shades,
      flags,
      layers,
      lut: theme.lut,
      tint: theme.tint,
      none: packColor(theme.none),
      ring: packColor(theme.ring),
      surface: packColor(theme.surface),
      radius: radiusFor(n, w * hh),
      labeledRadius: labeledRadius(tally[3]),
      dpr,
      tally,
    });
    g.putImageData(image, 0, 0);
    canvas.dataset.at = at.toFixed(2);
    const now_ = frames[share < 0.5 ? k : next];
    if (said.textContent !== now_) said.textContent = now_;
    if (playing) ask();
  };
  const ask = () => {
    if (!frame) frame = requestAnimationFrame(draw);
  };
  const pause = () => {
    playing = false;
    button.textContent = at >= frames.length - 1 ? "Play again" : "Play";
  };
  const start = () => {
    if (at >= frames.length - 1) at = 0;
    playing = frames.length > 1;
    last = performance.now();
    button.textContent = "Pause";
    ask();
  };
  const go = (to) => {
    at = Math.max(0, Math.min(frames.length - 1, to));
    pause();
    slider.value = String(at);
    ask();
  };
  button.addEventListener("click", () => (playing ? pause() : start()));
  slider.addEventListener("input", () => go(Number(slider.value)));
  regions.addEventListener("change", ask);
  document.addEventListener("keydown", (e) => {
    const to = { ArrowRight: Math.floor(at + 1), ArrowLeft: Math.ceil(at - 1), Home: 0, End: frames.length - 1 }[e.key];
    if (e.key === " " && e.target !== button) playing ? pause() : start();
    else if (to !== undefined) go(to);
    else return;
    e.preventDefault();
  });
  new ResizeObserver(ask).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", colors);
  colors();
  if (!calm) start();
}

export default play;
