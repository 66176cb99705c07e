import assert from "node:assert/strict";
import test from "node:test";
import { Decoder, fromHalf, meanWeights, percentile, smallest } from "../../ssvae_widgets/static/decoder.mjs";
import { nearestFew, nearestK } from "../../ssvae_widgets/static/geometry.mjs";
import { Spring, corner, words } from "../../ssvae_widgets/static/probe.mjs";

/** Numbers that look random and are always the same. */
function numbers(n, seed = 1) {
  const out = [];
  for (let i = 0; i < n; i++) out.push((seed = (seed * 16807) % 2147483647) / 2147483647);
  return out;
}

test("half precision is read as it is written", () => {
  const some = [0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x3555, 0x7c00];
  assert.deepEqual(
    [...fromHalf(Uint16Array.from(some))].map((v) => +v.toPrecision(6)),
    [0, 0, 1, -2, 65504, +(2 ** -24).toPrecision(6), 0.333252, Infinity],
  );
});

test("the smallest distances are those of a sort", () => {
  const d = numbers(500);
  d[7] = Infinity;
  d[8] = NaN;
  const sorted = d
    .map((v, i) => [v, i])
    .filter(([v]) => v < Infinity)
    .sort((a, b) => a[0] - b[0]);
  for (const k of [1, 5, 17]) {
    const found = smallest(d, k);
    assert.deepEqual(
      found.at,
      sorted.slice(0, k).map((s) => s[1]),
    );
    assert.deepEqual(
      found.d,
      sorted.slice(0, k).map((s) => s[0]),
    );
  }
  assert.deepEqual(smallest([2, 1], 5).at, [1, 0]);
});

test("a percentile counts the smaller ones, and half of the equal ones", () => {
  assert.equal(percentile([1, 2, 2, 3], 2), 0.5);
  assert.equal(percentile([1, 2, 2, 3], 0), 0);
  assert.equal(percentile([1, 2, 2, 3], 9), 1);
  assert.equal(percentile([], 9), 0);
});

test("weights sum to one and do not jump when a neighbor comes or goes", () => {
  assert.deepEqual(meanWeights([0, 0, 0]), [0.5, 0.5]);
  assert.deepEqual(meanWeights([1, 1, 1]), [0.5, 0.5]);
  const w = meanWeights([0.1, 0.5, 0.999999, 1]);
  assert.ok(Math.abs(w.reduce((a, b) => a + b, 0) - 1) < 1e-12 && w[2] < 1e-9 && w[0] > w[1]);
});

test("the nearest few are the nearest, however far, without those that are hidden", () => {
  const xy = Float32Array.from(numbers(400, 5)),
    v = { x0: 0, x1: 1, y0: 0, y1: 2, w: 300, h: 200 };
  xy[0] = NaN;
  assert.deepEqual(nearestFew(xy, v, 40, 90, 6), nearestK(xy, v, 40, 90, 6, 1e9));
  const skip = new Uint8Array(200);
  skip[nearestFew(xy, v, 40, 90, 1)[0]] = 1;
  assert.deepEqual(nearestFew(xy, v, 40, 90, 5, skip), nearestFew(xy, v, 40, 90, 6).slice(1));
});

test("words say what is data and what is a dream", () => {
  assert.match(words(0.995, 0.99), /far from every picture: a dream, not data/);
  assert.match(words(0.967, 0.99), /odder than 96 %/);
  assert.equal(words(0.3, 0.99), "among the pictures");
});

test("the card leaves the arrow free", () => {
  for (const ends of [
    [
      [10, 10],
      [300, 200],
    ],
    [
      [500, 20],
      [560, 380],
    ],
    [
      [20, 390],
      [580, 390],
    ],
  ]) {
    const [left, top] = corner(600, 400, 200, 150, ends);
    for (let k = 0; k <= 20; k++) {
      const x = ends[0][0] + ((ends[1][0] - ends[0][0]) * k) / 20,
        y = ends[0][1] + ((ends[1][1] - ends[0][1]) * k) / 20;
      assert.ok(!(x > left && x < left + 200 && y > top && y < top + 150), `${ends}`);
    }
  }
});

test("a key that is held is let go, one that is pressed shortly stays on until it is pressed again", () => {
  const said = [];
  const spring = new Spring((on) => said.push(on), 300);
  spring.down("x", false, 0);
  spring.up("y", 500);
  spring.up("X", 900); // Shift came meanwhile
  assert.deepEqual(said.splice(0), [true, false]);
  spring.down("x", false, 1000);
  spring.up("x", 1100);
  spring.down("x", true, 2000);
  assert.deepEqual(said.splice(0), [true, false]);
  spring.down("x", false, 3000);
  spring.up("", 3050, true); // the window has lost the keys
  assert.deepEqual(said, [true, false]);
});

test("where nobody draws, a place still has an oddness", () => {
  const positions = Float32Array.from({ length: 40 }, (_, i) => (i >> 1) % 5),
    gaps = Float32Array.of(0, 1, 2),
    parts = [
      { name: "positions", type: "f4", offset: 0, shape: [20, 2] },
      { name: "gaps", type: "f4", offset: 160, shape: [3] },
      { name: "usual", type: "f4", offset: 172, shape: [3] },
    ];
  const blob = new Uint8Array(
    [positions, gaps, Float32Array.of(0.1, 0.5, 0.9)].flatMap((a) => [...new Uint8Array(a.buffer)]),
  );
  const decoder = new Decoder({ parts, shape: [], latent: 0, near: 0, odd: 2, far: 0.99 }, blob);
  assert.ok(!decoder.draws && decoder.oddness(100, 100) > 0.9 && decoder.oddness(1, 1) < 0.5);
});
