// Painter, keys and shared state of the point layer.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { tell } from "../../ssvae_widgets/static/chrome.mjs";
import {
  DEFAULT_KEYS,
  KEY_GROUPS,
  KEY_HELP,
  actionOf,
  buildKeymap,
  helpGroups,
  helpRows,
  keyName,
  searchHelp,
} from "../../ssvae_widgets/static/keymap.mjs";
import {
  HIDDEN,
  LABELED,
  NONE,
  PALE,
  PENDING,
  SELECTED,
  blend,
  discStamps,
  fillLayers,
  layerOf,
  paint,
  radiusFor,
  stampDisc,
} from "../../ssvae_widgets/static/raster.mjs";
import { onDark, packColor } from "../../ssvae_widgets/static/on-dark.mjs";
import { PointState } from "../../ssvae_widgets/static/state.mjs";

const rgba = (p) => [p & 255, (p >> 8) & 255, (p >> 16) & 255, p >>> 24];
const scene = (xy, codes, more = {}) => {
  const n = codes.length,
    flags = more.flags || new Uint8Array(n),
    layers = new Uint8Array(n),
    tally = fillLayers(layers, flags, Uint16Array.from(codes), more.dimming);
  return {
    xy: Float32Array.from(xy),
    codes: Uint16Array.from(codes),
    flags,
    layers,
    tally,
    lut: Uint32Array.from(["#ff0000", "#00ff00"], packColor),
    view: { x0: 0, x1: 10, y0: 0, y1: 10 },
    none: packColor("#999999"),
    ring: packColor("#111111"),
    surface: packColor("#ffffff"),
    radius: 3,
    labeledRadius: 4,
    dpr: 1,
    ...more,
  };
};

test("colors are packed in the order of ImageData, and rubbish is gray", () => {
  const bytes = new Uint8Array(Uint32Array.of((0xff000000 | packColor("#123456")) >>> 0).buffer);
  assert.deepEqual([...bytes], [0x12, 0x34, 0x56, 255]);
  for (const bad of ["red", "#12", "javascript:alert(1)", null, 7]) assert.equal(packColor(bad), 0x888888);
});

test("class colors stand out on a dark page, and those that do already stay as they are", () => {
  const light = (hex) =>
    [1, 3, 5]
      .map((k) => parseInt(hex.slice(k, k + 2), 16) / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
      .reduce((s, v, k) => s + [0.2126, 0.7152, 0.0722][k] * v, 0);
  const contrast = (hex) => (light(hex) + 0.05) / (light("#212121") + 0.05);
  for (const hex of ["#000000", "#0000ff", "#832db6", "#bd1f01", "#3a0000", "#0072b2", "#f0e442"])
    assert.ok(contrast(onDark(hex)) >= 3, `${hex} → ${onDark(hex)}`);
  for (const hex of ["#d55e00", "#f0e442", "#56b4e9"]) assert.equal(onDark(hex), hex);
  assert.notEqual(onDark("#832db6"), "#832db6");
});

test("a dimmed crowd stays pale however dense it is, and a selected point stands out in it", () => {
  const n = 2000,
    xy = Array.from({ length: 2 * n }, () => 5 + 0.4 * (Math.random() - 0.5)),
    flags = new Uint8Array(n),
    W = 50,
    px = new Uint32Array(W * W);
  flags[n - 1] = SELECTED;
  xy[2 * n - 2] = 9;
  xy[2 * n - 1] = 9;
  paint(px, W, W, scene(xy, new Array(n).fill(0), { flags, dimming: true }));
  const alpha = Array.from(px, (p) => p >>> 24),
    at = (x, y) => alpha[(W - 1 - Math.floor(y * 5)) * W + Math.floor(x * 5)];
  assert.ok(at(5, 5) > 40 && at(5, 5) < 90, `${at(5, 5)}`);
  assert.ok(at(9, 9) > 200);
});

test("blend is the over operator, to two steps of 255", () => {
  for (let k = 0; k < 2000; k++) {
    const r = (m) => Math.floor(Math.random() * m),
      da = r(256),
      a = r(256),
      src = r(1 << 24),
      dst = ((da << 24) | r(1 << 24)) >>> 0,
      got = rgba(blend(dst, src, a));
    if (da === 0 || a === 255) {
      assert.deepEqual(got, [...rgba(src).slice(0, 3), a]);
      continue;
    }
    const A = a / 255,
      D = da / 255,
      O = A + D * (1 - A);
    assert.ok(Math.abs(got[3] - 255 * O) <= 1.01);
    if (O > 0.2)
      for (let c = 0; c < 3; c++)
        assert.ok(Math.abs(got[c] - (rgba(src)[c] * A + rgba(dst)[c] * D * (1 - A)) / O) <= 5, `${got} ${c}`);
  }
});

test("a disc has the area of a disc, at every sub-pixel place", () => {
  for (const r of [1, 1.7, 2.6, 4.2])
    for (const s of discStamps(r).stamps) {
      const area = s.cover.reduce((a, b) => a + b, 0) / 255;
      assert.ok(Math.abs(area / (Math.PI * r * r) - 1) < 0.12, `${r}: ${area}`);
    }
});

test("stamps are clipped, never wrapped to another row", () => {
  const W = 20,
    H = 10,
    set = discStamps(3);
  for (const [X, Y] of [
    [-2, 5],
    [21, 5],
    [10, -2],
    [10, 12],
    [0, 0],
    [19.9, 9.9],
    [-50, -50],
  ]) {
    const px = new Uint32Array(W * H);
    stampDisc(px, W, H, X, Y, set, 0xff, 255);
    for (let y = 0; y < H; y++)
      for (let x = 0; x < W; x++) if (px[y * W + x]) assert.ok(Math.hypot(x + 0.5 - X, y + 0.5 - Y) < 4.2);
  }
});

test("a painted point is where it should be, in its color, and NaN is nowhere", () => {
  const W = 100,
    H = 100,
    px = new Uint32Array(W * H);
  paint(px, W, H, scene([2, 2, 8, 5, NaN, 5], [0, 1, 0]));
  assert.deepEqual(rgba(px[80 * W + 20]).slice(0, 3), [255, 0, 0]);
  assert.deepEqual(rgba(px[50 * W + 80]).slice(0, 3), [0, 255, 0]);
  assert.equal(px[50 * W + 5], 0);
  assert.equal(px.reduce((n, p) => n + (p ? 1 : 0), 0) < 120, true);
});

test("labeled over colored over unlabeled, whatever the order of the points", () => {
  const at = [5, 5, 5, 5, 5, 5],
    W = 100,
    px = new Uint32Array(W * W);
  for (const [codes, flags, want] of [
    [
      [NONE, 0, NONE],
      [0, 0, 0],
      [255, 0, 0],
    ],
    [
      [1, NONE, 0],
      [LABELED, 0, 0],
      [0, 255, 0],
    ],
    [
      [0, 1, NONE],
      [0, 0, LABELED | PENDING],
      [255, 255, 255],
    ],
  ]) {
    paint(px, W, W, scene(at, codes, { flags: Uint8Array.from(flags) }));
    const got = rgba(px[50 * W + 50]); // a colored point lets a little of what is below through
    for (let c = 0; c < 3; c++) assert.ok(Math.abs(got[c] - want[c]) <= 16, `${got}`);
  }
});

test("what is not selected is dimmed, what is filtered is a trace, neither is gone", () => {
  const W = 100,
    px = new Uint32Array(W * W),
    alpha = (flags, dimming) => {
      paint(px, W, W, scene([5, 5], [0], { flags: Uint8Array.of(flags), dimming }));
      return px[50 * W + 50] >>> 24;
    };
  const full = alpha(0, false),
    dim = alpha(0, true),
    chosen = alpha(SELECTED, true),
    trace = alpha(HIDDEN, false);
  assert.ok(full === chosen && full > 200 && dim > 20 && dim < 90 && trace > 5 && trace < dim);
});

test("skipping empty and full layers changes nothing, and painting some points over the picture is painting them last", () => {
  const n = 400,
    rnd = Math.random,
    codes = Uint16Array.from({ length: n }, () => (rnd() < 0.4 ? NONE : rnd() < 0.5 ? 0 : 1)),
    flags = Uint8Array.from({ length: n }, () => [0, LABELED, SELECTED, HIDDEN][Math.floor(rnd() * 4)]);
  const xy = Array.from({ length: 2 * n }, () => rnd() * 10),
    a = new Uint32Array(1e4),
    b = new Uint32Array(1e4),
    s = scene(xy, codes, { flags, dimming: true });
  assert.deepEqual(
    s.tally.reduce((x, y) => x + y, 0),
    n,
  );
  paint(a, 100, 100, s);
  for (const layer of [0, 1, 2, 3])
    paint(b, 100, 100, {
      ...s,
      tally: [0, 1, 2, 3].map((l) => (l === layer ? s.tally[l] : 0)),
      some: Uint32Array.from([...Array(n).keys()]),
    });
  assert.deepEqual(a, b);
  const plain = scene(xy, codes),
    last = Uint8Array.from(plain.flags);
  paint(a, 100, 100, plain);
  last[7] = LABELED;
  const after = scene(xy, codes, { flags: last });
  paint(a, 100, 100, { ...after, some: Uint32Array.of(7) });
  paint(b, 100, 100, after);
  const X = Math.floor(xy[14] * 10),
    Y = Math.floor(100 - xy[15] * 10);
  assert.equal(a[Y * 100 + X], b[Y * 100 + X]);
  assert.equal(layerOf(HIDDEN | LABELED, 0, false), 0);
});

test("touching some points ends where rebuilding everything ends", () => {
  const n = 60,
    s = new PointState(),
    t = new PointState();
  for (const x of [s, t]) x.setPositions(new Float32Array(2 * n));
  const some = () => Uint32Array.from([...Array(n).keys()].filter(() => Math.random() < 0.1));
  for (let k = 0; k < 400; k++) {
    const at = some(),
      what = k % 5,
      label = Math.random() < 0.3 ? null : k % 7,
      ok = Math.random() < 0.7;
    for (const x of [s, t]) {
      if (what < 2) x.begin(k, at, label);
      else if (what === 2) x.settle([...x.pending.keys()][0], ok);
      else if (what === 3)
        x.patch(
          at,
          Uint16Array.from(at, () => k % 9),
          Uint8Array.from(at, () => k % 2),
        );
      else x.select(at);
    }
    t.rebuild();
    assert.deepEqual([s.flags, s.codes, s.layers, s.tally], [t.flags, t.codes, t.layers, t.tally]);
  }
});

test("radii shrink with the crowd and stay in bounds", () => {
  let last = 99;
  for (const n of [1, 100, 2000, 12000, 60000, 1e6]) {
    const r = radiusFor(n, 640 * 520);
    assert.ok(r <= last && r >= 0.55 && r <= 4.2);
    last = r;
  }
});

// ---- keys ----
const press = (key, more = {}) => ({
  key,
  code: "",
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  shiftKey: false,
  ...more,
});

test("the keys of the product do what it says", () => {
  const t = buildKeymap();
  for (const [e, want] of [
    [press("3"), "label:3"],
    [press("0"), "label:0"],
    [press("d"), "clear"],
    [press("Delete"), "clear"],
    [press("z", { ctrlKey: true }), "undo"],
    [press("Z", { ctrlKey: true, shiftKey: true }), "redo"],
    [press("y", { ctrlKey: true }), "redo"],
    [press("n"), "next"],
    [press("b"), "back"],
    [press("s"), "skip"],
    [press("Enter"), "accept"],
    [press("ArrowLeft"), "move:left"],
    [press("l"), "tool:lasso"],
    [press("v"), "tool:pointer"],
    [press("h"), "tool:pan"],
    [press("c"), "color"],
    [press("t"), "train"],
    [press("."), "stop"],
    [press("["), "snapshot:back"],
    [press("]"), "snapshot:forward"],
    [press("f"), "filter"],
    [press("r"), "reset"],
    [press("Escape"), "escape"],
    [press("/"), "classes"],
    [press("?", { shiftKey: true }), "help"],
  ])
    assert.equal(actionOf(e, t, false), want, e.key);
});

test("other people's shortcuts pass through", () => {
  const t = buildKeymap();
  for (const e of [
    press("s", { ctrlKey: true }),
    press("c", { ctrlKey: true }),
    press("v", { ctrlKey: true }),
    press("3", { ctrlKey: true }),
    press("F5"),
    press("ß"),
    press("Tab"),
    press("3", { altKey: true }),
    press("L", { shiftKey: true }),
  ])
    assert.equal(actionOf(e, t, false), null, keyName(e, false));
});

test("on a Mac the command key undoes and Ctrl does not", () => {
  const t = buildKeymap();
  assert.equal(actionOf(press("z", { metaKey: true }), t, true), "undo");
  assert.equal(actionOf(press("z", { ctrlKey: true }), t, true), null);
});

test("a keyboard whose digits need Shift is read by position", () => {
  const t = buildKeymap();
  assert.equal(actionOf(press("&", { code: "Digit1" }), t, false), "label:1");
  assert.equal(actionOf(press("é", { code: "Digit2" }), t, false), "label:2");
  assert.equal(actionOf(press("-", { code: "Digit6" }), t, false), "zoom:out");
  assert.equal(actionOf(press("!", { code: "Digit1", shiftKey: true }), t, false), null);
});

test("keys can be remapped, and rubbish in a remapping does nothing", () => {
  const t = buildKeymap({ undo: ["u"], "label:3": "q", clear: [], boo: ["F13"], next: [7, null], "label:x": ["F14"] });
  assert.equal(actionOf(press("u"), t, false), "undo");
  assert.equal(actionOf(press("z", { ctrlKey: true }), t, false), null);
  assert.equal(actionOf(press("q"), t, false), "label:3");
  for (const k of ["d", "F13", "n", "F14"]) assert.equal(actionOf(press(k), t, false), null);
  assert.equal(actionOf(press("n"), buildKeymap({ skip: ["n"] }), false), "skip");
});

test("the help lists every action, as bound now", () => {
  const all = helpRows({}, false)
    .map((r) => r.join(" "))
    .join("\n");
  for (const word of ["undo", "lasso", "train", "←", "Ctrl+z", "0–9"]) assert.ok(all.includes(word), word);
  assert.ok(helpRows({ undo: ["u"] }, false).some(([k, text]) => k === "u" && text === "undo"));
  assert.ok(Object.keys(DEFAULT_KEYS).length > 20);
  const grouped = KEY_GROUPS.flatMap(([, actions]) => actions);
  assert.deepEqual(Object.keys(KEY_HELP).sort(), [...grouped].sort(), "each action stands in one group");
  assert.ok(!all.includes("snapshot"), "a round is called a round");
});

test("the help is searched by words, in any order, in titles too", () => {
  const groups = helpGroups({}, false),
    found = (text) => searchHelp(groups, text).flatMap(([, rows]) => rows.map(([keys]) => keys));
  assert.deepEqual(found("round BEFORE"), ["["]);
  assert.deepEqual(found("train stop"), ["."]);
  assert.deepEqual(found("no such thing"), []);
  assert.deepEqual(searchHelp(groups, " "), groups);
});

// ---- state ----
test("what is nowhere is never selected, by whatever key or menu, until it has a place", () => {
  const s = new PointState();
  s.setPositions(Float32Array.of(0, 0, NaN, NaN, 1, 1));
  s.select(Uint32Array.of(0, 1, 2));
  assert.deepEqual([...s.selected], [0, 2]);
  s.setPositions(Float32Array.of(0, 0, 2, 2, 1, 1));
  s.select(Uint32Array.of(0, 1, 2));
  assert.deepEqual([...s.selected], [0, 1, 2]);
});

test("a selection that was dropped or replaced comes back, one after the other; leaving out one of many is neither", () => {
  const s = state(9),
    pick = (...rows) => s.select(Uint32Array.from(rows)),
    back = () => {
      const rows = s.recall();
      s.recalling = true;
      if (rows) s.select(rows);
      s.recalling = false;
      return rows && [...rows];
    };
  assert.equal(back(), null);
  pick(1, 2, 3);
  pick(1, 2); // left out on the sheet
  pick();
  assert.deepEqual(back(), [1, 2]);
  pick(4, 5, 6);
  pick(7); // one that was clicked on
  pick(8);
  assert.deepEqual(back(), [4, 5, 6]);
  assert.deepEqual(back(), [1, 2]);
  assert.deepEqual(back(), [4, 5, 6], "all come round");
  pick();
  pick(3);
  pick();
  assert.deepEqual(back(), [3], "one that was dropped");
});

const state = (n) => {
  const s = new PointState();
  s.setPositions(new Float32Array(2 * n));
  return s;
};

test("a label shows at once as unsaved, and Python's answer settles it or takes it back", () => {
  const s = state(5);
  s.begin(1, [1, 2], 3);
  assert.deepEqual([...s.codes], [NONE, 3, 3, NONE, NONE]);
  assert.ok(s.flags[1] & PENDING && !s.baseLabeled[1]);
  s.begin(2, [2], 4);
  s.settle(2, false);
  assert.deepEqual([...s.codes], [NONE, 3, 3, NONE, NONE]);
  s.settle(1, true);
  assert.ok(!(s.flags[1] & PENDING) && s.flags[1] & LABELED);
  assert.equal(s.settle(1, true), null);
  s.begin(3, [1], null);
  assert.equal(s.codes[1], NONE);
  s.settle(3, false);
  assert.equal(s.codes[1], 3);
});

test("an update from Python that is older than a key press does not take the key press back", () => {
  const s = state(3);
  s.begin(1, [0], 7);
  s.setBase(Uint16Array.of(NONE, 5, NONE), Uint8Array.of(0, 1, 0));
  assert.deepEqual([...s.codes], [7, 5, NONE]);
  s.patch(Uint32Array.of(2, 99), Uint16Array.of(6, 6), Uint8Array.of(1, 1));
  assert.deepEqual([...s.codes], [7, 5, 6]);
  s.settle(1, true);
  assert.deepEqual([...s.codes], [7, 5, 6]);
});

test("random gestures and answers end where a plain replay ends", () => {
  const n = 40,
    s = state(n),
    truth = new Array(n).fill(NONE),
    open = new Map();
  for (let k = 1; k <= 500; k++) {
    const some = [...Array(n).keys()].filter(() => Math.random() < 0.2),
      label = Math.random() < 0.2 ? null : Math.floor(Math.random() * 9);
    s.begin(k, Uint32Array.from(some), label);
    open.set(k, [some, label]);
    if (open.size > 4) {
      // Python answers in order
      const [g, [points, l]] = open.entries().next().value,
        ok = Math.random() < 0.8;
      s.settle(g, ok);
      open.delete(g);
      if (ok) for (const i of points) truth[i] = l ?? NONE;
    }
  }
  for (const [g, [points, l]] of [...open]) {
    s.settle(g, true);
    for (const i of points) truth[i] = l ?? NONE;
  }
  assert.deepEqual([...s.codes], truth);
  assert.deepEqual(
    [...s.flags].map((f) => !!(f & LABELED)),
    truth.map((c) => c !== NONE),
  );
});

test("when colors are not labels, a label marks a point without changing its color", () => {
  const s = state(2);
  s.byLabel = false;
  s.setBase(Uint16Array.of(4, 5), null);
  s.begin(1, [0], 9);
  s.settle(1, true);
  assert.deepEqual([[...s.codes], s.flags[0] & LABELED], [[4, 5], LABELED]);
});

test("one selected point dims nothing, several dim the rest, a filter hides and cannot be picked", () => {
  const s = state(4);
  s.select(Uint32Array.of(1));
  assert.equal(s.dimming, false);
  s.select(Uint32Array.of(1, 2, 77));
  assert.equal(s.dimming, true);
  assert.deepEqual([...s.selected], [1, 2]);
  s.setFilter(s.selected);
  assert.deepEqual([...s.skip].map(Boolean), [true, false, false, true]);
  s.setFilter(new Uint32Array(0));
  assert.equal(s.skip, null);
  assert.deepEqual(s.counts(2), [0, 0, 4]);
});

test("arrays of a wrong length are refused, another number of points starts over", () => {
  const s = state(4);
  s.setBase(new Uint16Array(9), new Uint8Array(2));
  assert.equal(s.codes.length, 4);
  s.select(Uint32Array.of(3));
  s.begin(1, [3], 1);
  s.setPositions(new Float32Array(4));
  assert.deepEqual([s.n, s.selected.length, s.pending.size], [2, 0, 0]);
});

test("no file of the layer writes HTML, evaluates text or leaves a global", () => {
  for (const f of [
    "point-layer.js",
    "map-view.mjs",
    "chrome.mjs",
    "figure-link.mjs",
    "state.mjs",
    "raster.mjs",
    "keymap.mjs",
    "geometry.mjs",
  ]) {
    const text = readFileSync(new URL(`../../ssvae_widgets/static/${f}`, import.meta.url), "utf8");
    for (const bad of ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "new Function", "document.write"])
      assert.ok(!text.includes(bad), `${f}: ${bad}`);
    assert.ok(!/\bwindow\.\w+\s*=[^=]/.test(text), f);
  }
});

test("a value is told no finer than it is known, and a year stays a year", () => {
  for (const [x, range, text] of [
    [2019.02, [2010, 2020], "2019"],
    [2013, [2013, 2024], "2013"],
    [0.8745, [0, 1], "0.87"],
    [499000, [0, 1e6], "500000"],
    [3, [3, 3], "3"],
    [0, [0, 0], "0"],
    [-12.31, [-20, 30], "-12.3"],
    [1e-9, [0, 2e-9], "1e-9"],
  ])
    assert.equal(tell(x, range), text);
});

test("predictions are shown in pale where nothing is labeled, and a label goes before them at once", () => {
  const s = new PointState();
  s.setPositions(new Float32Array(8));
  s.setBase(Uint16Array.of(2, NONE, NONE, NONE), Uint8Array.of(1, 0, 0, 0));
  s.setGuess(Uint16Array.of(4, 5, NONE, 11));
  assert.deepEqual([...s.shades], [2, PALE + 5, NONE, PALE + 11]);
  assert.deepEqual([...s.layers], [3, 2, 1, 2]);
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => s.colorOf(i)),
    [2, 1, NONE, 2],
  );
  s.begin(1, Uint32Array.of(1, 2), 0);
  assert.deepEqual([...s.shades], [2, 0, 0, PALE + 11]);
  s.settle(1, false);
  assert.deepEqual([...s.shades], [2, PALE + 5, NONE, PALE + 11]);
  s.begin(2, Uint32Array.of(0), null);
  assert.equal(s.shades[0], PALE + 4, "a label that is taken away leaves the prediction");
  s.patch(Uint32Array.of(2), null, null, Uint16Array.of(7));
  assert.equal(s.shades[2], PALE + 7);
  s.byLabel = false;
  s.setBase(Uint16Array.of(1, 1, NONE, 1), null);
  assert.deepEqual([...s.shades], [1, 1, NONE, 1], "other colorings stay what they are");
  s.byLabel = true;
  s.setGuess(new Uint16Array(3));
  assert.equal(s.shades[2], NONE, "predictions for other points are none");
  s.patch(Uint32Array.of(2), null, null, Uint16Array.of(9));
  assert.equal(s.shades[2], PALE + 9);
});

test("what is selected is outlined on any coloring, and what lies under its picture is not painted", () => {
  const px = new Uint32Array(400),
    accent = packColor("#0000ff"),
    at = (x, y) => rgba(px[y * 20 + x]),
    two = [3, 5, 7, 5];
  for (const code of [NONE, 0]) {
    const flags = Uint8Array.of(SELECTED, 0);
    paint(px, 20, 20, scene(two, [code, code], { flags, dimming: true, accent }));
    const ring = at(6 + 3, 10);
    assert.ok(ring[2] > 150 && ring[0] < 80, `an outline: ${ring}`);
    assert.ok(at(14 + 3, 10)[3] < 100, "none around the other");
  }
  paint(px, 20, 20, scene(two, [0, 0], { covered: Uint8Array.of(1, 0) }));
  assert.deepEqual([at(6, 10)[3], at(14, 10)[3] > 200], [0, true]);
  const tint = Uint32Array.from(["#ffe0e0", "#ffc0c0", "#ffa0a0", "#ff8080"], packColor);
  paint(px, 20, 20, scene(two, [PALE + 3, PALE], { tint }));
  assert.deepEqual(
    [at(6, 10).slice(0, 3), at(14, 10).slice(0, 3)],
    [
      [255, 128, 128],
      [255, 224, 224],
    ],
  );
  paint(px, 20, 20, scene(two, [0, 0], { thin: Uint8Array.of(51, 255) }));
  assert.ok(at(6, 10)[3] < 60 && at(14, 10)[3] > 200, "a crowd is painted thinly");
});
