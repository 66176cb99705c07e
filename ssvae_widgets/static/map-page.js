/**
 * A map as one HTML page: no kernel, no network, no library. Data come from elements of the page: JSON for words and numbers, base64 for
 * arrays. The same painting and picking as in the notebook.
 */
import { countInView, nearestK, panBy, pickNearest, toPixel, zoomAround } from "./geometry.mjs";
import { HIDDEN, LABELED, NONE, fillLayers, labeledRadius, onDark, packColor, paint, radiusFor } from "./raster.mjs";
import { clean, count, h } from "./dom.mjs";
import { legend, tell, tooltip } from "./chrome.mjs";

const data = (id) => document.getElementById(id).textContent;
function buffer(id) {
  const text = atob(data(id)),
    out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out.buffer;
}

function start() {
  const info = JSON.parse(data("info")),
    xy = new Float32Array(buffer("xy")),
    n = xy.length >> 1,
    labeled = new Uint8Array(buffer("labeled"));
  const columns = info.columns.map((c, k) => ({ ...c, codes: new Uint16Array(buffer(`codes${k}`)) }));
  const t = info.thumb,
    thumbs = t ? new Uint8Array(buffer("thumbs")) : null;
  const root = /** @type {HTMLElement} */ (document.querySelector(".ssvae-map")),
    canvas = h("canvas", { class: "ssvae-points", role: "img", "aria-label": `Map of ${n} points` }),
    stage = h("div", { class: "ssvae-stage" }, canvas);
  const choose = h(
    "select",
    { "aria-label": "Colour by" },
    ...columns.map((c, k) => h("option", { value: k }, clean(c.name, 60))),
  );
  const live = h("div", { class: "ssvae-m-live", role: "status", "aria-live": "polite" }),
    flags = labeled.map((x) => (x ? LABELED : 0)),
    layers = new Uint8Array(n);
  let at = Math.max(
      0,
      columns.findIndex((c) => c.name === info.color_by),
    ),
    view = null,
    hover = -1,
    only = null,
    drag = null,
    frame = 0,
    theme = {};
  const key = legend((_, arg) => {
    only = only === arg.code ? null : arg.code;
    filter();
  }, false);
  root.append(
    h(
      "div",
      { class: "ssvae-m-toolbar" },
      h("strong", {}, clean(info.title || "Latent map", 120)),
      h("span", { class: "ssvae-m-gap" }),
      h("label", { class: "ssvae-m-field" }, h("span", {}, "Colour"), choose),
      h(
        "span",
        { class: "ssvae-m-tally" },
        `${count(n)} points · ${count(labeled.reduce((a, b) => a + b, 0))} labeled`,
      ),
    ),
    stage,
    key.el,
    live,
  );
  const tip = tooltip(root);
  choose.value = String(at);
  choose.addEventListener("change", () => {
    at = Number(choose.value);
    only = null;
    filter();
  });

  const ask = () => {
    if (!frame) frame = requestAnimationFrame(draw);
  };
  function filter() {
    const codes = columns[at].codes,
      want = only === -1 ? NONE : only;
    for (let i = 0; i < n; i++) flags[i] = (flags[i] & LABELED) | (only === null || codes[i] === want ? 0 : HIDDEN);
    colors();
  }
  function colors() {
    const c = columns[at],
      dark = matchMedia("(prefers-color-scheme: dark)").matches,
      css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
    root.dataset.theme = dark ? "dark" : "light";
    theme = { none: css("--ssvae-none"), ring: css("--ssvae-ring"), surface: css("--ssvae-surface") };
    const hex = dark && c.kind === "classes" ? c.colors.map(onDark) : c.colors,
      counts = new Array(c.names.length + 1).fill(0);
    for (let i = 0; i < n; i++) counts[Math.min(c.codes[i], c.names.length)]++;
    if (c.kind === "values") key.values(c.name, hex, [c.low, c.high]);
    else key.classes(c.names, hex, counts, theme.none, c.name === "label" ? "unlabeled" : "none");
    theme.lut = Uint32Array.from(hex, packColor);
    ask();
  }
  function draw() {
    frame = 0;
    const w = stage.clientWidth,
      hh = stage.clientHeight,
      dpr = devicePixelRatio || 1,
      W = Math.max(1, Math.round(w * dpr)),
      H = Math.max(1, Math.round(hh * dpr)),
      [x0, x1, y0, y1] = info.home;
    view = view ? { ...view, w, h: hh } : { x0, x1, y0, y1, w, h: hh };
    if (canvas.width !== W || canvas.height !== H) {
      canvas.width = W;
      canvas.height = H;
    }
    const g = canvas.getContext("2d"),
      image = g.createImageData(W, H),
      tally = fillLayers(layers, flags, columns[at].codes, false);
    paint(new Uint32Array(image.data.buffer), W, H, {
      xy,
      view,
      codes: columns[at].codes,
      flags,
      layers,
      lut: theme.lut,
      none: packColor(theme.none),
      ring: packColor(theme.ring),
      surface: packColor(theme.surface),
      radius: radiusFor(countInView(xy, view), w * hh),
      labeledRadius: labeledRadius(tally[3]),
      dpr,
      tally,
    });
    g.putImageData(image, 0, 0);
    canvas.dataset.domain = [view.x0, view.x1, view.y0, view.y1].join(",");
    if (hover >= 0) {
      const [x, y] = toPixel(view, xy[2 * hover], xy[2 * hover + 1]);
      g.setTransform(dpr, 0, 0, dpr, 0, 0);
      g.beginPath();
      g.arc(x, y, 7.5, 0, 2 * Math.PI);
      g.lineWidth = 2;
      g.strokeStyle = theme.ring;
      g.stroke();
      g.setTransform(1, 0, 0, 1, 0, 0);
    }
  }
  const describe = (i) =>
    `#${i} · ` +
    columns
      .slice(0, 5)
      .map((c) => {
        const k = c.codes[i];
        return `${clean(c.name, 16)} ${k === NONE ? "–" : c.kind === "values" ? tell(c.low + ((c.high - c.low) * (k + 0.5)) / 256, [c.low, c.high]) : clean(c.names[k], 20)}`;
      })
      .join(" · ");
  const local = (e) => {
    const r = canvas.getBoundingClientRect();
    return [e.clientX - r.left, e.clientY - r.top];
  };
  stage.addEventListener("pointerdown", (e) => {
    drag = { at: local(e), view };
    stage.setPointerCapture(e.pointerId);
  });
  stage.addEventListener("pointerup", () => {
    drag = null;
  });
  stage.addEventListener("pointermove", (e) => {
    const p = local(e);
    if (drag) {
      view = panBy(drag.view, p[0] - drag.at[0], p[1] - drag.at[1]);
      tip.hide();
      return ask();
    }
    const i = pickNearest(xy, view, p[0], p[1], 8, only === null ? null : flags.map((f) => f & HIDDEN));
    if (i !== hover) {
      hover = i;
      ask();
      if (i >= 0) live.textContent = describe(i);
    }
    if (i < 0) return tip.hide();
    const size = t ? t.w * t.h * t.c : 0;
    tip.show(
      e.clientX,
      e.clientY,
      describe(i),
      t ? { w: t.w, h: t.h, c: t.c, data: thumbs.subarray(i * size, (i + 1) * size) } : null,
    );
  });
  stage.addEventListener("pointerleave", () => {
    hover = -1;
    tip.hide();
    ask();
  });
  stage.addEventListener(
    "wheel",
    (e) => {
      e.preventDefault();
      const p = local(e);
      view = zoomAround(view, p[0], p[1], Math.exp(Math.max(-240, Math.min(240, e.deltaY)) * 0.0018));
      ask();
    },
    { passive: false },
  );
  stage.addEventListener("dblclick", () => {
    view = null;
    ask();
  });
  stage.tabIndex = 0;
  stage.setAttribute("aria-label", "Map: arrow keys walk from point to point");
  stage.addEventListener("keydown", (e) => {
    const way = { ArrowLeft: [-30, 0], ArrowRight: [30, 0], ArrowUp: [0, -30], ArrowDown: [0, 30] }[e.key];
    if (!way) return;
    e.preventDefault();
    const from = hover >= 0 ? toPixel(view, xy[2 * hover], xy[2 * hover + 1]) : [view.w / 2, view.h / 2],
      near = nearestK(xy, view, from[0] + way[0], from[1] + way[1], 2, Infinity).filter((i) => i !== hover);
    if (near.length) {
      hover = near[0];
      live.textContent = describe(hover);
      ask();
    }
  });
  new ResizeObserver(ask).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", colors);
  filter();
}

export default start;
