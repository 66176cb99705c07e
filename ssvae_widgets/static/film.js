/**
 * The rounds of a training as a film: one HTML page without kernel, network or video. Points travel from round to round, what is predicted of them and of the ground
 * between them goes over; a slider, a button and the keys of a player. Data come from elements of the page: JSON for words and numbers, compressed arrays as base64.
 */
import { ease, lerp } from "./geometry.mjs";
import { Moments, paintGround, paintPoints, resized, themeOf } from "./moments.mjs";
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
    names = ["xy", "pred", "sure", "labels", "codes", "certainty"],
    arrays = await Promise.all(names.map(unpacked)),
    moments = new Moments(info, Object.fromEntries(names.map((name, k) => [name, arrays[k]]))),
    { frames } = info,
    { places } = moments;
  const root = /** @type {HTMLElement} */ (document.querySelector(".ssvae-map")),
    grounds = [0, 1].map(() => h("canvas", { class: "ssvae-ground ssvae-m-there", "aria-hidden": "true" })),
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
  const between = new Float32Array(2 * info.points);
  /** @type {any} */
  let theme = null;
  let at = 0,
    painted = [-1, -1],
    frame = 0,
    last = 0,
    playing = false;
  const colors = () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "dark" : "light";
    theme = themeOf(root, info.colors, dark);
    const swatch = (color) => h("span", { class: "ssvae-m-swatch", style: { background: color } });
    key.replaceChildren(
      ...info.classes.map((name, k) =>
        h("span", { class: "ssvae-m-chip" }, swatch(theme.hex[k % theme.hex.length]), h("span", {}, clean(name, 24))),
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
      k = Math.min(frames.length - 1, Math.floor(at)),
      next = Math.min(frames.length - 1, k + 1),
      share = ease(Math.max(0, Math.min(1, 2 * (at - k) - 0.5))),
      view = moments.view(w, hh);
    for (const c of [...grounds, canvas]) if (resized(c, w, hh, dpr)) painted = [-1, -1];
    grounds.forEach((c, side) => {
      const which = side ? next : k;
      c.style.transition = "none";
      c.style.opacity = regions.checked ? String(side ? (next === k ? 0 : share) : 1 - (next === k ? 0 : share)) : "0";
      if (painted[side] === which) return;
      painted[side] = which;
      paintGround(c, moments, which, view, dpr, theme);
    });
    moments.shade(share < 0.5 ? k : next);
    paintPoints(canvas, moments, lerp(places[k], places[next], share, between), view, dpr, theme);
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
    if (playing) button.textContent = "Pause";
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
  button.disabled = frames.length < 2; // one round stands still
  document.addEventListener("keydown", (e) => {
    if (e.altKey || e.ctrlKey || e.metaKey) return; // keys of the browser
    const to = { ArrowRight: Math.floor(at + 1), ArrowLeft: Math.ceil(at - 1), Home: 0, End: frames.length - 1 }[e.key];
    if (e.key === " " && e.target !== button && e.target !== regions) playing ? pause() : start();
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
