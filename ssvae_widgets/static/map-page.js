/**
 * A map as one HTML page: no kernel, no network, no library. Data come from elements of the page: JSON for words and numbers, base64 for
 * arrays. The same painting and picking as in the notebook.
 */
import { countInView, nearestK, panBy, pickNearest, toPixel, zoomAround } from "./geometry.mjs";
import {
  HIDDEN,
  LABELED,
  NONE,
  PALE,
  TINTS,
  fillLayers,
  labeledRadius,
  mixed,
  paint,
  radiusFor,
  thinOut,
} from "./raster.mjs";
import { onDark, packColor } from "./on-dark.mjs";
import { Pictures } from "./map-pictures.mjs";
import { clean, count, h, icon } from "./dom.mjs";
import { Decoder } from "./decoder.mjs";
import { Probe, Spring } from "./probe.mjs";
import { Areas } from "./regions.mjs";
import { legend, tell, tooltip } from "./chrome.mjs";

const data = (id) => document.getElementById(id).textContent;

/** The bytes of an element. */
async function buffer(id) {
  const text = atob(data(id)),
    packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** The pictures of all points, a sheet at a time. @param {any} t how they lie on the sheets @param {Uint8Array} out @param {(until: number) => void} came */
async function cut(t, n, out, came) {
  const paper = h("canvas", {}),
    g = paper.getContext("2d", { willReadFrequently: true }),
    size = t.w * t.h * t.c;
  for (let k = 0; k * t.tiles < n; k++) {
    const sheet = Object.assign(new Image(), { src: data(`sheet${k}`) });
    await sheet.decode();
    paper.width = sheet.width;
    paper.height = sheet.height;
    g.drawImage(sheet, 0, 0);
    const rgba = g.getImageData(0, 0, sheet.width, sheet.height).data,
      until = Math.min(n, (k + 1) * t.tiles);
    for (let i = k * t.tiles; i < until; i++) {
      const j = i - k * t.tiles,
        left = (j % t.across) * t.wide,
        top = Math.floor(j / t.across) * t.tall;
      for (let y = 0, to = i * size; y < t.h; y++)
        for (let x = 0, from = 4 * ((top + y) * sheet.width + left); x < t.w; x++, from += 4)
          for (let c = 0; c < t.c; c++) out[to++] = rgba[from + c];
    }
    came(until);
  }
}

async function start() {
  const info = JSON.parse(data("info")),
    xy = new Float32Array(await buffer("xy")),
    n = xy.length >> 1,
    labeled = new Uint8Array(await buffer("labeled"));
  const columns = [];
  for (const [k, c] of info.columns.entries())
    columns.push({ ...c, codes: new Uint16Array(await buffer(`codes${k}`)) });
  const told = info.words ? new Uint32Array(await buffer("words")) : null; // place of the text of each picture
  const drawing = info.decoder,
    decoder = drawing ? new Decoder(drawing, await buffer("decoder")) : null;
  const t = info.thumb?.w ? info.thumb : null,
    thumbs = t ? new Uint8Array(n * t.w * t.h * t.c) : null;
  let cutUntil = 0;
  const root = /** @type {HTMLElement} */ (document.querySelector(".ssvae-map")),
    canvas = h("canvas", { class: "ssvae-points", role: "img", "aria-label": `Map of ${n} points` }),
    shots = h("canvas", { class: "ssvae-shots", "aria-hidden": "true" }),
    ink = h("canvas", { class: "ssvae-ink", "aria-hidden": "true" }),
    ground = h("canvas", { class: "ssvae-ground", role: "img", "aria-label": info.regions?.words || "" }),
    stage = h("div", { class: "ssvae-stage" }, ground, canvas, shots, ink),
    pictures = new Pictures((w, high) => Object.assign(document.createElement("canvas"), { width: w, height: high })),
    size = t ? t.w * t.h * t.c : 0,
    image = (i) => (i < cutUntil ? { w: t.w, h: t.h, c: t.c, data: thumbs.subarray(i * size, (i + 1) * size) } : null),
    show = h("input", { type: "checkbox", checked: true }),
    under = h("input", { type: "checkbox" }),
    areas = new Areas((width, height) => Object.assign(document.createElement("canvas"), { width, height }));
  if (info.regions)
    areas.read({
      ...info.regions,
      codes: await buffer("regions_codes"),
      certainty: await buffer("regions_certainty"),
    });
  const field = info.regions
    ? h("label", { class: "ssvae-m-field", title: info.regions.words }, under, h("span", {}, "Regions"))
    : null;
  /** Regions of one word belong to its coloring, those of classes to all. */
  const grounded = () => !info.regions?.of || columns[at].name === info.regions.of;
  const choose = h(
    "select",
    { "aria-label": "Color by" },
    ...columns.map((c, k) => h("option", { value: k }, clean(c.name, 60))),
  );
  const live = h("div", { class: "ssvae-m-live", role: "status", "aria-live": "polite" }),
    flags = labeled.map((x) => (x ? LABELED : 0)),
    layers = new Uint8Array(n),
    shades = new Uint16Array(n),
    thin = n < 5000 ? null : new Uint8Array(n);
  let at = Math.max(
      0,
      columns.findIndex((c) => c.name === info.color_by),
    ),
    view = null,
    hover = -1,
    only = null,
    drag = null,
    frame = 0,
    theme = {},
    thinned = "",
    kept = null,
    covered = null;
  const between = h(
    "button",
    {
      type: "button",
      class: "ssvae-m-tool ssvae-m-between",
      title: "What the model would draw here; drag: what lies between (hold x)",
      "aria-label": "What the model would draw here; drag: what lies between (hold x)",
      "aria-pressed": "false",
      onclick: () => look(!probe.on),
    },
    icon("decode", "ssvae-m-icon"),
  );
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
      drawing ? between : null,
      field,
      t ? h("label", { class: "ssvae-m-field" }, show, h("span", {}, "Pictures")) : null,
      h("label", { class: "ssvae-m-field" }, h("span", {}, "Color"), choose),
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
  show.addEventListener("change", () => ask());
  under.addEventListener("change", () => ask());
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
    kept = only === null ? null : flags.filter((f) => !(f & HIDDEN));
    pictures.stale();
    colors();
  }
  /** What is painted: the column, and predictions in pale where nothing is labeled. */
  function shade() {
    const by = (name) => columns.find((c) => c.name === name),
      c = columns[at],
      guess = c.name === "label" && by("prediction"),
      sure = by("certainty"),
      blind = 1 / Math.max(2, c.names.length);
    shades.set(c.codes);
    if (!guess || guess.names.join("\n") !== c.names.join("\n")) return;
    for (let i = 0; i < n; i++)
      if (c.codes[i] === NONE && !labeled[i] && guess.codes[i] !== NONE) {
        const s =
          sure && sure.codes[i] !== NONE ? sure.low + ((sure.high - sure.low) * (sure.codes[i] + 0.5)) / 256 : 0;
        shades[i] = PALE + 4 * guess.codes[i] + Math.max(0, Math.min(3, Math.floor(((s - blind) / (1 - blind)) * 4)));
      }
  }
  function colors() {
    const c = columns[at],
      dark = matchMedia("(prefers-color-scheme: dark)").matches,
      css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
    root.dataset.theme = dark ? "dark" : "light";
    theme = {
      none: css("--ssvae-none"),
      ring: css("--ssvae-ring"),
      surface: css("--ssvae-surface"),
      accent: css("--ssvae-accent"),
    };
    const hex = dark && c.kind === "classes" ? c.colors.map(onDark) : c.colors,
      counts = new Array(c.names.length + 1).fill(0);
    for (let i = 0; i < n; i++) counts[Math.min(c.codes[i], c.names.length)]++;
    key.note(told && c.name === "label" ? "color, count: first word; point to see all" : "");
    if (c.kind === "values") key.values(c.name, hex, [c.low, c.high]);
    else key.classes(c.names, hex, counts, theme.none, c.name !== "label" ? "none" : told ? "no word" : "unlabeled");
    theme.hex = hex;
    theme.pale = hex.flatMap((color) => TINTS.map((share) => mixed(theme.surface, color, share)));
    theme.lut = Uint32Array.from(hex, packColor);
    theme.tint = Uint32Array.from(theme.pale, packColor);
    shade();
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
    for (const c of [ground, canvas, shots, ink])
      if (c.width !== W || c.height !== H) {
        c.width = W;
        c.height = H;
        c.style.width = `${w}px`;
        c.style.height = `${hh}px`;
      }
    drawGround(dpr, W, H);
    const radius = radiusFor(countInView(xy, view), w * hh);
    drawPictures(dpr, W, H);
    if (thin) {
      const mx = view.x1 - view.x0,
        my = view.y1 - view.y0,
        key = [mx.toPrecision(2), w, hh, only, Math.round((2 * view.x0) / mx), Math.round((2 * view.y0) / my)].join(
          " ",
        );
      if (key !== thinned) {
        thinned = key;
        const around = { x0: view.x0 - mx, x1: view.x1 + mx, y0: view.y0 - my, y1: view.y1 + my, w: 3 * w, h: 3 * hh };
        thinOut(xy, around, radius, flags, thin);
      }
    }
    const g = canvas.getContext("2d"),
      image = g.createImageData(W, H),
      tally = fillLayers(layers, flags, shades, false);
    paint(new Uint32Array(image.data.buffer), W, H, {
      xy,
      view,
      codes: shades,
      flags,
      layers,
      lut: theme.lut,
      tint: theme.tint,
      thin,
      covered,
      none: packColor(theme.none),
      ring: packColor(theme.ring),
      surface: packColor(theme.surface),
      radius,
      labeledRadius: labeledRadius(tally[3]),
      dpr,
      tally,
    });
    g.putImageData(image, 0, 0);
    canvas.dataset.domain = [view.x0, view.x1, view.y0, view.y1].join(",");
    const over = ink.getContext("2d");
    over.setTransform(dpr, 0, 0, dpr, 0, 0);
    over.clearRect(0, 0, w, hh);
    probe.ink(over, view, theme);
    if (hover >= 0) {
      const [x, y] = toPixel(view, xy[2 * hover], xy[2 * hover + 1]);
      const box = pictures.box(hover),
        g = shots.getContext("2d");
      g.beginPath();
      if (box) g.rect(box[1] - box[3] - 2, box[2] - box[4] - 2, 2 * box[3] + 4, 2 * box[4] + 4);
      else g.arc(x, y, 7.5, 0, 2 * Math.PI);
      g.lineWidth = 2;
      g.strokeStyle = theme.ring;
      g.stroke();
    }
  }
  /** Regions under the points, where they are switched on: tinted while the points have the colors of these classes, else lines alone. */
  function drawGround(dpr, W, H) {
    const g = ground.getContext("2d"),
      c = columns[at],
      told = columns.find((one) => one.name === "prediction"),
      same = c.kind === "classes" && told && c.names.join("\n") === told.names.join("\n");
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, W, H);
    const on = under.checked && grounded();
    if (field) field.hidden = !grounded();
    ground.hidden = !on;
    if (on)
      areas.draw(g, {
        view,
        dpr,
        colors: same ? theme.hex : (info.regions.colors ?? []),
        theme: root.dataset.theme,
        line: theme.ring,
      });
  }
  /** Pictures instead of dots, as in the notebook. */
  function drawPictures(dpr, W, H) {
    const g = shots.getContext("2d"),
      on = t && show.checked;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, W, H);
    g.setTransform(dpr, 0, 0, dpr, 0, 0);
    pictures.drawn = [];
    if (on) {
      const side = pictures.fit(xy, flags, kept, info.home, view);
      pictures.layOut(xy, flags, view, info.home, side, -1);
      const frame = (i) => {
        const c = shades[i],
          color = shadeOf(i);
        return flags[i] & LABELED ? [color, 2.5, 1, theme.ring, 1] : [color, c === NONE ? 0.5 : 2, 1, "", 0];
      };
      pictures.draw(g, xy, view, { side, dpr, traveling: false, image, frame });
    }
    covered = n < 5000 ? new Uint8Array(n) : null;
    if (covered) for (const d of pictures.drawn) if (d[5]) covered[d[0]] = 1;
    shots.dataset.pictures = String(pictures.drawn.length);
  }
  /** The color that a point has on the map. */
  function shadeOf(i) {
    const c = shades[i];
    return c === NONE ? theme.none : c < PALE ? theme.hex[c % theme.hex.length] : theme.pale[c - PALE];
  }
  const describe = (i) =>
    `#${i} · ${told ? `${clean(info.words[told[i]], 200)} · ` : ""}` +
    columns
      .filter((c) => !told || c.name !== "label")
      .slice(0, told ? 3 : 5)
      .map((c) => {
        const k = c.codes[i];
        return `${clean(c.name, 16)} ${k === NONE ? "–" : c.kind === "values" ? tell(c.low + ((c.high - c.low) * (k + 0.5)) / 256, [c.low, c.high]) : clean(c.names[k], 20)}`;
      })
      .join(" · ");
  const local = (e) => {
    const r = canvas.getBoundingClientRect();
    return [e.clientX - r.left, e.clientY - r.top];
  };
  const probe = new Probe({
    root,
    view: () => view,
    box: () => canvas.getBoundingClientRect(),
    xy: () => xy,
    skip: () => (only === null ? null : flags.map((f) => f & HIDDEN)),
    picture: (i) => (t ? image(i) : null),
    want: () => 0,
    about: (i) => ({ name: describe(i), color: shadeOf(i) }),
    source: () => ({ kind: drawing?.kind || "none", why: drawing?.why || "", decoder }),
    ask,
    speak: (text) => (live.textContent = text),
    still: () => matchMedia("(prefers-reduced-motion: reduce)").matches,
  });
  /** @type {any} */
  let mouse = null;
  /** Look between the points, or not any more. */
  function look(on) {
    if (!drawing || (!on && probe.linger(() => look(false)))) return;
    probe[on ? "enter" : "leave"]();
    between.setAttribute("aria-pressed", String(on));
    root.dataset.tool = on ? "decode" : "pointer";
    hover = -1;
    live.textContent = "";
    tip.hide();
    if (on && mouse) probe.move(local(mouse), mouse);
  }
  const spring = new Spring(look);
  addEventListener("keydown", (e) => {
    if (e.key.toLowerCase() !== "x" || e.ctrlKey || e.metaKey || e.altKey || e.repeat) return;
    if (!(/** @type {HTMLElement} */ (e.target).closest?.("select"))) spring.down(e.key, probe.on, e.timeStamp);
  });
  addEventListener("keydown", (e) => {
    if (e.key === "Escape" && probe.on) look(false);
  });
  addEventListener("keyup", (e) => spring.up(e.key, e.timeStamp));
  addEventListener("blur", (e) => spring.up("", e.timeStamp, true));
  stage.addEventListener("pointerdown", (e) => {
    drag = { at: local(e), view, moved: false };
    stage.setPointerCapture(e.pointerId);
    if (!probe.on) return;
    probe.begin(drag.at);
    probe.move(drag.at, e);
  });
  stage.addEventListener("pointerup", (e) => {
    if (probe.on && drag) {
      if (drag.moved) probe.end(local(e));
      else probe.forget();
    }
    drag = null;
  });
  stage.addEventListener("pointermove", (e) => {
    const p = local(e);
    mouse = e;
    if (drag && Math.hypot(p[0] - drag.at[0], p[1] - drag.at[1]) >= 4) drag.moved = true;
    if (probe.on) return probe.move(p, e);
    if (drag) {
      view = panBy(drag.view, p[0] - drag.at[0], p[1] - drag.at[1]);
      tip.hide();
      return ask();
    }
    const there = pictures.hit(p[0], p[1]),
      i =
        there >= 0 ? there : pickNearest(xy, view, p[0], p[1], 8, only === null ? null : flags.map((f) => f & HIDDEN));
    if (i !== hover) {
      hover = i;
      ask();
      if (i >= 0) live.textContent = describe(i);
    }
    if (i < 0) return tip.hide();
    tip.show(e.clientX, e.clientY, describe(i), t ? image(i) : null);
  });
  stage.addEventListener("pointerleave", (e) => {
    if (e.pointerType === "touch" && probe.on) return; // a finger that is lifted leaves what it asked for
    hover = -1;
    mouse = null;
    tip.hide();
    if (!drag) probe.move(null);
    ask();
  });
  stage.addEventListener(
    "wheel",
    (e) => {
      e.preventDefault();
      const p = local(e);
      view = zoomAround(view, p[0], p[1], Math.exp(Math.max(-240, Math.min(240, e.deltaY)) * 0.0018));
      ask();
      probe.move(p, e);
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
    if (probe.on) return probe.nudge(e.key.slice(5).toLowerCase(), e.shiftKey);
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
  if (t)
    await cut(t, n, thumbs, (until) => {
      cutUntil = until;
      pictures.stale();
      probe.put();
      ask();
    });
  root.dataset.ready = "yes";
}

export default start;
