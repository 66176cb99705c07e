import test from "node:test";
import assert from "node:assert/strict";
import { SILENT, cellsToPixels, contours, tintCells } from "../../ssvae_widgets/static/regions.mjs";
import { NONE } from "../../ssvae_widgets/static/raster.mjs";

const grid = (rows, columns, f) =>
  Uint8Array.from({ length: rows * columns }, (_, i) => f(i % columns, Math.floor(i / columns)));

test("a hill has one closed line around it, where the hill is as high as the line", () => {
  const hill = (x, y) => Math.max(0, 254 - 20 * Math.hypot(x - 10, y - 8)),
    lines = contours(grid(18, 21, hill), 18, 21, 0.5);
  assert.equal(lines.length, 1);
  const [line] = lines;
  assert.deepEqual(line.slice(0, 2), line.slice(-2));
  for (let k = 0; k < line.length; k += 2)
    assert.ok(Math.abs(Math.hypot(line[k] - 10.5, line[k + 1] - 8.5) - 6.35) < 0.15);
});

test("a slope has one open line, which ends where nothing is said", () => {
  const lines = contours(
    grid(6, 11, (x, y) => (y === 5 ? SILENT : 25 * x)),
    6,
    11,
    0.5,
  );
  assert.equal(lines.length, 1);
  assert.equal(lines[0].length, 10); // five rows speak
  for (let k = 0; k < 10; k += 2) assert.ok(Math.abs(lines[0][k] - (127 / 25 + 0.5)) < 1e-9);
  assert.deepEqual(lines[0].filter((_, k) => k % 2).sort(), [0.5, 1.5, 2.5, 3.5, 4.5]);
});

test("two tops with a saddle between them are apart above it and one below it, and every crossing is used once", () => {
  const tops = (x, y) =>
      254 * Math.min(1, Math.exp(-((x - 6) ** 2 + (y - 8) ** 2) / 9) + Math.exp(-((x - 14) ** 2 + (y - 8) ** 2) / 9)),
    field = grid(17, 21, tops);
  assert.equal(contours(field, 17, 21, 0.9).length, 2);
  assert.equal(contours(field, 17, 21, 0.1).length, 1);
  const noise = grid(40, 40, (x, y) => (x * 7919 + y * 104729 + x * y * 31) % 255);
  let pieces = 0;
  for (let r = 0; r < 39; r++)
    for (let c = 0; c < 39; c++) {
      const four = [noise[r * 40 + c], noise[r * 40 + c + 1], noise[r * 40 + c + 41], noise[r * 40 + c + 40]],
        up = four.map((v) => v >= 127);
      if (!four.includes(SILENT)) pieces += up.filter((v, k) => v !== up[(k + 1) % 4]).length / 2;
    }
  const lines = contours(noise, 40, 40, 0.5);
  assert.equal(
    lines.reduce((n, line) => n + line.length / 2 - 1, 0),
    pieces,
  );
});

test("nothing is drawn of a flat grid, of a silent one and of a single row", () => {
  assert.deepEqual(
    contours(
      grid(5, 5, () => 200),
      5,
      5,
      0.5,
    ),
    [],
  );
  assert.deepEqual(
    contours(
      grid(5, 5, () => SILENT),
      5,
      5,
      0.5,
    ),
    [],
  );
  assert.deepEqual(
    contours(
      grid(1, 5, (x) => 60 * x),
      1,
      5,
      0.5,
    ),
    [],
  );
});

test("a tint is the color of the class, more of it where it is sure, and clear where nothing is said", () => {
  const half = (f) => grid(9, 20, (x) => (x < 10 ? f[0] : f[1])),
    codes = Uint16Array.from(half([0, 1])),
    out = tintCells(codes, half([0, 254]), 9, 20, ["#102030", "#ff0000"], [0.1, 0.5]),
    at = (x) => [...out.slice(4 * (80 + x), 4 * (80 + x) + 4)];
  assert.deepEqual(at(2), [16, 32, 48, 26]);
  assert.deepEqual(at(17), [255, 0, 0, 128]);
  assert.ok(at(10)[0] > 200 && at(10)[1] > 0 && at(10)[3] < 128); // a soft border
  codes.fill(NONE, 0, 90);
  const gap = tintCells(codes, half([0, 254]), 9, 20, ["#102030", "#ff0000"], [0.1, 0.5]);
  assert.equal(gap[4 * 42 + 3], 0);
  assert.equal(tintCells([0], [254], 1, 1, [], [0.1, 0.5])[3], 0);
  assert.deepEqual([...tintCells([3], [127], 1, 1, ["#102030", "#ff0000"], [0, 1]).slice(0, 3)], [255, 0, 0]); // more classes than colors
});

test("the grid lies where its corner of the plane is seen", () => {
  const [a, b, c, d, e, f] = cellsToPixels([0, 10, 0, 20], 4, 5, { x0: -10, x1: 10, y0: 0, y1: 20, w: 200, h: 100 }, 2);
  const at = (x, y) => [a * x + c * y + e, b * x + d * y + f];
  assert.deepEqual(at(0, 0), [200, 200]); // lower left of the grid, in device pixels
  assert.deepEqual(at(5, 4), [400, 0]);
});
