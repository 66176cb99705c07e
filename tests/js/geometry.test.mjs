// The geometry of the point layer against brute force, on random views and points.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  boxSelect,
  combine,
  countInView,
  ease,
  insidePolygon,
  lassoSelect,
  lerp,
  nearestInDirection,
  nearestK,
  panBy,
  pickNearest,
  simplifyPath,
  toData,
  toPixel,
  zoomAround,
  zoomWithin,
} from "../../ssvae_widgets/static/geometry.mjs";

/** A small seeded generator, so that a failure comes back. */
function random(seed) {
  let s = seed >>> 0;
  return () => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = s;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
const cloud = (rnd, n, scale = 1) => Float32Array.from({ length: 2 * n }, () => (rnd() - 0.5) * 4 * scale);
const someView = (rnd) => {
  const x0 = -2 + rnd(),
    y0 = -2 + rnd();
  return {
    x0,
    x1: x0 + 0.5 + 3 * rnd(),
    y0,
    y1: y0 + 0.5 + 3 * rnd(),
    w: 200 + Math.floor(600 * rnd()),
    h: 150 + Math.floor(500 * rnd()),
  };
};
const pixels = (xy, v) => Array.from({ length: xy.length / 2 }, (_, i) => toPixel(v, xy[2 * i], xy[2 * i + 1]));

test("pixels and data are inverse, and y grows upwards", () => {
  const rnd = random(1);
  for (let k = 0; k < 200; k++) {
    const v = someView(rnd),
      px = rnd() * v.w,
      py = rnd() * v.h,
      [x, y] = toData(v, px, py),
      [qx, qy] = toPixel(v, x, y);
    assert.ok(Math.abs(qx - px) < 1e-9 * v.w && Math.abs(qy - py) < 1e-9 * v.h);
  }
  assert.deepEqual(toPixel({ x0: 0, x1: 2, y0: 0, y1: 1, w: 100, h: 50 }, 2, 1), [100, 0]);
});

test("pickNearest finds what a search over all points finds", () => {
  const rnd = random(2);
  for (let k = 0; k < 300; k++) {
    const v = someView(rnd),
      xy = cloud(rnd, 500),
      at = pixels(xy, v),
      px = rnd() * v.w,
      py = rnd() * v.h,
      radius = 2 + 30 * rnd();
    const skip = k % 3 ? null : Uint8Array.from({ length: 500 }, () => (rnd() < 0.5 ? 1 : 0));
    let best = -1,
      d = radius;
    at.forEach(([x, y], i) => {
      const e = Math.hypot(x - px, y - py);
      if (!(skip && skip[i]) && e <= d && (best < 0 || e < d)) {
        best = i;
        d = e;
      }
    });
    assert.equal(pickNearest(xy, v, px, py, radius, skip), best);
  }
});

test("pickNearest at the very place of a point is that point; NaN is nowhere", () => {
  const rnd = random(3),
    xy = cloud(rnd, 400),
    v = someView(rnd);
  xy[10] = NaN;
  xy[21] = NaN;
  for (let i = 0; i < 400; i++) {
    const [x, y] = toPixel(v, xy[2 * i], xy[2 * i + 1]),
      got = pickNearest(xy, v, x, y, 5);
    if (i === 5 || i === 10) assert.equal(got, -1);
    else assert.equal(got, i);
  }
});

test("nearestK is the sorted neighborhood", () => {
  const rnd = random(4);
  for (let k = 0; k < 60; k++) {
    const v = someView(rnd),
      xy = cloud(rnd, 300),
      at = pixels(xy, v),
      px = rnd() * v.w,
      py = rnd() * v.h;
    const want = at
      .map(([x, y], i) => [Math.hypot(x - px, y - py), i])
      .filter(([d]) => d <= 60)
      .sort((a, b) => a[0] - b[0])
      .slice(0, 12)
      .map((f) => f[1]);
    assert.deepEqual(nearestK(xy, v, px, py, 12, 60), want);
  }
});

test("lassoSelect equals the even-odd rule on every point, for wild self-crossing paths", () => {
  const rnd = random(5);
  for (let k = 0; k < 120; k++) {
    const v = someView(rnd),
      xy = cloud(rnd, 800),
      n = 3 + Math.floor(60 * rnd());
    const path = Array.from({ length: n }, () => [rnd() * v.w * 1.2 - 0.1 * v.w, rnd() * v.h * 1.2 - 0.1 * v.h]),
      poly = path.map((p) => toData(v, p[0], p[1]));
    const skip = k % 4 ? null : Uint8Array.from({ length: 800 }, () => (rnd() < 0.3 ? 1 : 0)),
      want = [];
    for (let i = 0; i < 800; i++) if (!(skip && skip[i]) && insidePolygon(poly, xy[2 * i], xy[2 * i + 1])) want.push(i);
    assert.deepEqual([...lassoSelect(xy, v, path, skip)], want);
  }
});

test("lassoSelect: a rectangle holds what boxSelect holds; degenerate paths hold nothing", () => {
  const rnd = random(6),
    v = someView(rnd),
    xy = cloud(rnd, 2000),
    a = [50.3, 40.2],
    b = [150.7, 120.9];
  assert.deepEqual([...lassoSelect(xy, v, [a, [b[0], a[1]], b, [a[0], b[1]]])], [...boxSelect(xy, v, b, a)]);
  for (const path of [
    [],
    [a],
    [a, b],
    [a, a, a],
    [
      [10, 20],
      [50, 20],
      [90, 20],
    ],
  ])
    assert.equal(lassoSelect(xy, v, path).length, 0);
});

test("insidePolygon agrees with a circle's equation", () => {
  const rnd = random(7),
    poly = Array.from({ length: 720 }, (_, k) => [Math.cos((k * Math.PI) / 360), Math.sin((k * Math.PI) / 360)]);
  for (let k = 0; k < 500; k++) {
    const x = 3 * rnd() - 1.5,
      y = 3 * rnd() - 1.5,
      r = Math.hypot(x, y);
    if (Math.abs(r - 1) > 1e-3) assert.equal(insidePolygon(poly, x, y), r < 1);
  }
});

test("boxSelect takes corners in any order", () => {
  const rnd = random(8);
  for (let k = 0; k < 50; k++) {
    const v = someView(rnd),
      xy = cloud(rnd, 400),
      at = pixels(xy, v),
      a = [rnd() * v.w, rnd() * v.h],
      b = [rnd() * v.w, rnd() * v.h],
      want = [];
    at.forEach(([x, y], i) => {
      if (
        x >= Math.min(a[0], b[0]) &&
        x <= Math.max(a[0], b[0]) &&
        y >= Math.min(a[1], b[1]) &&
        y <= Math.max(a[1], b[1])
      )
        want.push(i);
    });
    assert.deepEqual([...boxSelect(xy, v, a, b)], want);
  }
});

test("combine is set algebra", () => {
  const rnd = random(9),
    pick = () => Uint32Array.from(Array.from({ length: 50 }, (_, i) => i).filter(() => rnd() < 0.4));
  for (let k = 0; k < 200; k++) {
    const a = pick(),
      b = pick(),
      A = new Set(a),
      B = new Set(b),
      all = [...Array(50).keys()];
    assert.deepEqual(
      [...combine(a, b, "add", 50)],
      all.filter((i) => A.has(i) || B.has(i)),
    );
    assert.deepEqual(
      [...combine(a, b, "subtract", 50)],
      all.filter((i) => A.has(i) && !B.has(i)),
    );
    assert.deepEqual(
      [...combine(a, b, "toggle", 50)],
      all.filter((i) => A.has(i) !== B.has(i)),
    );
    assert.deepEqual([...combine(a, b, "replace", 50)], [...b]);
  }
});

test("nearestInDirection goes that way, prefers the cone, and takes the cheapest", () => {
  const rnd = random(10),
    sign = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] };
  for (let k = 0; k < 200; k++) {
    const v = someView(rnd),
      xy = cloud(rnd, 100),
      at = pixels(xy, v),
      from = [rnd() * v.w, rnd() * v.h],
      dir = ["left", "right", "up", "down"][k % 4],
      [sx, sy] = sign[dir];
    const seen = at
      .map(([x, y], i) => ({
        i,
        ahead: (x - from[0]) * sx + (y - from[1]) * sy,
        aside: Math.abs(sx ? y - from[1] : x - from[0]),
      }))
      .filter((p) => p.ahead > 1e-6);
    const cone = seen.filter((p) => p.aside <= p.ahead),
      pool = cone.length ? cone : seen;
    const want = pool.length ? pool.reduce((a, b) => (b.ahead + 2 * b.aside < a.ahead + 2 * a.aside ? b : a)).i : -1;
    assert.equal(nearestInDirection(xy, v, from, dir), want);
  }
});

test("zoom keeps the point under the pointer, pan moves it with the pointer", () => {
  const rnd = random(11);
  for (let k = 0; k < 100; k++) {
    const v = someView(rnd),
      p = [rnd() * v.w, rnd() * v.h],
      [x, y] = toData(v, ...p),
      z = zoomAround(v, ...p, 0.2 + 3 * rnd()),
      d = [100 * rnd() - 50, 100 * rnd() - 50];
    const a = toPixel(z, x, y),
      b = toPixel(panBy(v, ...d), x, y);
    assert.ok(Math.hypot(a[0] - p[0], a[1] - p[1]) < 1e-6 && Math.hypot(b[0] - p[0] - d[0], b[1] - p[1] - d[1]) < 1e-6);
  }
});

test("a zoom ends at its limits and stays where it is", () => {
  const home = [-3, 5, -2, 4];
  for (const [factor, share] of [
    [0.3, 1e-4],
    [3, 10],
  ]) {
    let v = { x0: -3, x1: 5, y0: -2, y1: 4, w: 800, h: 600 };
    const [x, y] = toData(v, 200, 450);
    for (let k = 0; k < 40; k++) v = zoomWithin(v, 200, 450, factor, home);
    assert.ok(Math.abs((v.x1 - v.x0) / (8 * share) - 1) < 1e-6, `${v.x1 - v.x0}`);
    const [px, py] = toPixel(v, x, y);
    assert.ok(Math.hypot(px - 200, py - 450) < 1e-3, `${[px, py]}`);
  }
});

test("small helpers", () => {
  assert.deepEqual(
    simplifyPath(
      [
        [0, 0],
        [0.5, 0],
        [1, 1],
        [3, 0],
        [3, 1],
      ],
      2,
    ),
    [
      [0, 0],
      [3, 0],
    ],
  );
  assert.deepEqual([ease(-1), ease(0), ease(0.5), ease(1), ease(2)], [0, 0, 0.5, 1, 1]);
  assert.deepEqual([...lerp(Float32Array.of(0, NaN), Float32Array.of(4, 2), 0.25, new Float32Array(2))], [1, 2]);
  const rnd = random(12),
    xy = cloud(rnd, 5000),
    v = someView(rnd);
  const want = Array.from({ length: 5000 }, (_, i) => i).filter(
    (i) => xy[2 * i] >= v.x0 && xy[2 * i] <= v.x1 && xy[2 * i + 1] >= v.y0 && xy[2 * i + 1] <= v.y1,
  ).length;
  assert.equal(countInView(xy, v), want);
});

test("a million points are picked in milliseconds and lassoed in tens of them", () => {
  const rnd = random(13),
    xy = cloud(rnd, 1_000_000),
    v = { x0: -2, x1: 2, y0: -2, y1: 2, w: 800, h: 600 };
  pickNearest(xy, v, 400, 300); // compiled once
  const best = (f) =>
    Math.min(
      ...[1, 2, 3].map(() => {
        const t = performance.now();
        f();
        return performance.now() - t;
      }),
    ); // of three: others may have the core
  const pick = best(() => pickNearest(xy, v, 410, 310)),
    path = Array.from({ length: 300 }, (_, k) => [400 + 250 * Math.cos(k / 47.7), 300 + 200 * Math.sin(k / 47.7)]);
  const got = lassoSelect(xy, v, path).length,
    lasso = best(() => lassoSelect(xy, v, path));
  // generous: a shared, busy machine; the point is the order of magnitude
  assert.ok(pick < 150, `pick ${pick}`);
  assert.ok(lasso < 1500, `lasso ${lasso}`);
  assert.ok(Math.abs(got / 1e6 - (Math.PI * 250 * 200) / (800 * 600)) < 0.01);
});
