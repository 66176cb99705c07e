// Which points show their pictures, and where: never two over each other, the same while one pans, more and never fewer while one zooms in.
import assert from "node:assert/strict";
import { test } from "node:test";
import { panBy, zoomAround } from "../../ssvae_widgets/static/geometry.mjs";
import {
  ALL,
  Pictures,
  Recent,
  Sprites,
  cellsFor,
  choose,
  chooseAll,
  early,
  fitting,
  middle,
  rank,
} from "../../ssvae_widgets/static/map-pictures.mjs";
import { HIDDEN, LABELED, SELECTED, TINTS, mixed, thinOut } from "../../ssvae_widgets/static/raster.mjs";

let seed = 1;
const random = () => ((seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff) / 0x7fffffff) * 0.9999;
const cloud = (n) => Float32Array.from({ length: 2 * n }, () => random() + random() + random() - 1.5);
const home = [-1.5, 1.5, -1.5, 1.5],
  window_ = { x0: -1.5, x1: 1.5, y0: -1.5, y1: 1.5, w: 800, h: 500 },
  image = { w: 4, h: 4, c: 1, data: new Uint8Array(16) };
class ImageData_ {
  constructor(data, w, h) {
    Object.assign(this, { data, width: w, height: h });
  }
}
globalThis.ImageData ??= /** @type {any} */ (ImageData_);
const canvas = (w, h) => ({ w, h, put: 0, getContext: () => ({ putImageData: () => 0 }) });
const pencil = () => new Proxy({}, { get: (o, k) => o[k] ?? (() => 0), set: (o, k, v) => ((o[k] = v), true) });
/** What a view shows: row -> [x, y, half width, half height]. */
const shown = (p, xy, flags, v, side, proposal = -1) => {
  p.layOut(xy, flags, v, home, side, proposal);
  p.draw(pencil(), xy, v, {
    side,
    dpr: 1,
    traveling: false,
    image: () => image,
    frame: () => ["#000000", 2, 1, "", 0],
  });
  return new Map(p.drawn.map((d) => [d[0], d.slice(1)]));
};
const apart = (boxes) => {
  const all = [...boxes.values()];
  for (let i = 0; i < all.length; i++)
    for (let j = 0; j < i; j++) {
      const [ax, ay, aw, ah] = all[i],
        [bx, by, bw, bh] = all[j];
      if (Math.abs(ax - bx) < aw + bw - 1e-6 && Math.abs(ay - by) < ah + bh - 1e-6) return false;
    }
  return true;
};

test("no picture covers another, and each lies over its point", () => {
  const xy = cloud(20000),
    flags = new Uint8Array(20000);
  for (const side of [16, 32, 71]) {
    const p = new Pictures(canvas);
    for (const zoom of [1, 0.71, 0.3, 0.06]) {
      const v = zoomAround(window_, 371, 222, zoom),
        boxes = shown(p, xy, flags, v, side);
      assert.ok(boxes.size > 8 && apart(boxes), `${side} ${zoom}`);
      for (const d of p.drawn) assert.ok(d[5], `row ${d[0]} is not under its picture`);
    }
  }
});

test("while one pans, what stays in the window stays what it is", () => {
  const xy = cloud(30000),
    flags = new Uint8Array(30000),
    p = new Pictures(canvas);
  let v = zoomAround(window_, 400, 250, 0.2),
    before = shown(p, xy, flags, v, 32);
  for (let k = 0; k < 60; k++) {
    const dx = 40 * Math.cos(k / 9),
      dy = 25 * Math.sin(k / 5);
    v = panBy(v, dx, dy);
    const now = shown(p, xy, flags, v, 32);
    for (const [row, [x, y]] of before) {
      if (x + dx < 40 || x + dx > 760 || y + dy < 40 || y + dy > 460) continue;
      assert.ok(now.has(row), `row ${row} is gone after ${k} steps`);
      assert.ok(
        Math.abs(now.get(row)[0] - x - dx) <= 1 && Math.abs(now.get(row)[1] - y - dy) <= 1,
        "it moved with the plane",
      );
    }
    before = now;
  }
});

test("while one zooms in, pictures come and none goes", () => {
  const xy = cloud(8000),
    flags = new Uint8Array(8000),
    p = new Pictures(canvas);
  let before = new Map();
  for (let zoom = 1; zoom > 0.02; zoom *= 0.83) {
    const v = zoomAround(window_, 400, 250, zoom),
      now = shown(p, xy, flags, v, 32);
    for (const row of before.keys()) {
      const x = ((xy[2 * row] - v.x0) / (v.x1 - v.x0)) * 800,
        y = 500 - ((xy[2 * row + 1] - v.y0) / (v.y1 - v.y0)) * 500;
      if (x > 40 && x < 760 && y > 40 && y < 460) assert.ok(now.has(row), `row ${row} at ${zoom}`);
    }
    before = now;
  }
});

test("selected goes before proposed, before labeled, before the rest; what is hidden shows nothing", () => {
  const near = Float32Array.from({ length: 2 * (ALL + 1) }, (_, k) => 0.2 + 1e-4 * (k % 7)),
    flags = new Uint8Array(ALL + 1),
    cells = cellsFor(window_, home, 32),
    part = { x0: -1.5, x1: 1.5, y0: -1.5, y1: 1.5 },
    who = (proposal = -1) => choose(near, flags, cells, proposal, part).map((p) => p.row);
  assert.equal(who().length, 1);
  flags[7] = LABELED;
  assert.deepEqual(who(), [7]);
  assert.deepEqual(who(11), [11]);
  flags[13] = SELECTED;
  assert.deepEqual(who(11), [13]);
  flags.fill(HIDDEN);
  assert.deepEqual(who(11), []);
  assert.ok(new Set(Array.from({ length: 5000 }, (_, i) => rank(i, 0, -1))).size > 4990);
});

test("what was asked for before the map was there is what it shows, whatever its size", () => {
  const xy = cloud(12_000),
    flags = new Uint8Array(12_000),
    rows = early(xy),
    before = new Uint8Array(12_000);
  for (const i of rows) before[i] = 1;
  assert.ok(rows.length > 60 && rows.length <= 192);
  for (const [w, h] of [
    [520, 400],
    [800, 500],
    [1100, 800],
  ]) {
    const v = { ...window_, w, h },
      part = { x0: -1.5, x1: 1.5, y0: -1.5, y1: 1.5 },
      shown = choose(xy, flags, cellsFor(v, home, 44), -1, part, before).map((p) => p.row);
    assert.ok(shown.filter((i) => before[i]).length > 0.4 * shown.length, `${w}`);
    assert.equal(new Set(shown).size, shown.length);
  }
  assert.equal(early(cloud(ALL)).length, ALL);
  assert.equal(early(new Float32Array(4000)).length, 0);
});

test("a few hundred all find a place, where there is room, at their own where that is free", () => {
  const spread = Float32Array.from({ length: 2 * 300 }, () => 3 * random() - 1.5),
    flags = new Uint8Array(300),
    side = fitting(spread, flags, home, 800, 500),
    all = chooseAll(spread, flags, 800 / 3, 500 / 3, side);
  assert.ok(side >= 20 && all.length >= 290, `${all.length} at ${side}`);
  assert.ok(all.every((p) => Math.hypot(p.dx, p.dy) <= 4 * side));
  const rest = [-1.6, 1.6, -1.6, 1.6],
    [kx, ky] = [800 / 3.2, 500 / 3.2];
  for (const size of [side, 1.5 * side, 2 * side]) {
    const held = chooseAll(spread, flags, kx, ky, size, rest);
    assert.ok(held.length > 60);
    for (const q of held.filter((q) => q.dx || q.dy)) {
      const [x, y] = [(spread[2 * q.row] - rest[0]) * kx + q.dx, (rest[3] - spread[2 * q.row + 1]) * ky + q.dy];
      assert.ok(Math.min(x, 800 - x, y, 500 - y) >= size / 2 - 1e-3, "none is moved out of the view at rest");
    }
  }
  const near = chooseAll(spread, flags, (4 * 800) / 3, (4 * 500) / 3, 32);
  assert.ok(near.length === 300 && near.filter((p) => !p.dx && !p.dy).length > 240, "closer, at their own places");
  const p = new Pictures(canvas);
  assert.ok(apart(shown(p, spread, flags, window_, side)));
  const same = new Float32Array(600);
  assert.ok(chooseAll(same, flags, 1, 1, 20).length < 60, "those on one spot do not spread over the map");
  const lost = Float32Array.from(spread, (x, k) => (k < 20 ? NaN : x));
  assert.ok(chooseAll(lost, flags, 800 / 3, 500 / 3, side).every((q) => q.row >= 10));
});

test("a picture is found under the pointer, and what is missing is asked for from the middle on", () => {
  const xy = cloud(9000),
    flags = new Uint8Array(9000),
    p = new Pictures(canvas),
    boxes = shown(p, xy, flags, window_, 32);
  for (const [row, [x, y, w]] of [...boxes].slice(0, 30)) {
    assert.equal(p.hit(x + w - 1, y), row);
    assert.equal(p.box(row)[0], row);
  }
  assert.equal(p.hit(-50, -50), -1);
  const missing = p.draw(pencil(), xy, window_, {
    side: 32,
    dpr: 1,
    traveling: false,
    image: () => null,
    frame: () => [],
  });
  assert.equal(missing.length, boxes.size);
  const far = missing.map((row) => {
    const [x, y] = middle(
      window_,
      xy,
      p.cells,
      p.placed.find((q) => q.row === row),
      16,
    );
    return Math.hypot(x - 400, y - 250);
  });
  assert.deepEqual(
    far,
    [...far].sort((a, b) => a - b),
  );
});

test("sprites and bytes that were used longest ago give way", () => {
  const s = new Sprites(canvas, 8, 2); // two canvases of four pictures each
  const at = (row) => s.at(row, image).slice(1).join();
  const first = Array.from({ length: 8 }, (_, i) => at(i));
  assert.equal(new Set(first.slice(0, 4)).size, 4);
  assert.equal(at(0), first[0]);
  assert.equal(at(8), first[1], "row 1 was used longest ago");
  assert.equal(s.slots.has(1), false);
  s.at(0, { ...image, w: 2, h: 2 });
  assert.equal(s.slots.size, 1, "pictures of another size begin anew");
  const r = new Recent(40);
  for (let i = 0; i < 2; i++) r.set(i, image);
  r.get(0);
  r.set(2, image);
  assert.deepEqual([...r.keys()], [0, 2]);
  assert.equal(r.bytes, 32);
  r.set(2, { ...image, data: new Uint8Array(100) });
  assert.deepEqual([...r.keys()], [2], "one that is larger than all room stays alone");
});

test("crowds get less opaque the denser they are, and cover more all the same", () => {
  const n = 6000,
    xy = new Float32Array(2 * n).map((_, k) =>
      k < 2 * 4000 ? 0.1 + 0.02 * random() : k < 2 * 5900 ? 0.5 + 0.1 * random() : random(),
    ),
    flags = new Uint8Array(n),
    v = { x0: 0, x1: 1, y0: 0, y1: 1, w: 600, h: 600 },
    out = thinOut(xy, v, 1.5, flags, new Uint8Array(n));
  const mean = (a, b) => out.slice(a, b).reduce((s, x) => s + x, 0) / (b - a);
  const [crowd, some, alone] = [mean(0, 4000), mean(4000, 5900), mean(5950, 6000)];
  assert.ok(crowd < some && some < alone && crowd >= 5, [crowd, some, alone].join());
  const covers = (alpha, k) => 1 - (1 - alpha / 255) ** k;
  assert.ok(
    covers(crowd, 4000 * ((Math.PI * 1.5 ** 2) / 12 ** 2)) > covers(some, 1900 * ((Math.PI * 1.5 ** 2) / 60 ** 2)),
  );
  flags.fill(HIDDEN, 0, 4000);
  assert.ok(thinOut(xy, v, 1.5, flags, out)[4500] >= some - 40, "what is hidden is no crowd");
  assert.equal(mixed("#ffffff", "#000000", 0.5), "#808080");
  assert.deepEqual([...TINTS], [...TINTS].sort());
});
