// The view at rest: node --test tests/js
import assert from "node:assert/strict";
import test from "node:test";
import { extent, restView, sameView } from "../../ssvae_widgets/static/rest-view.mjs";

test("the extent of points leaves out what is no number", () => {
  assert.deepEqual(extent(Float32Array.of(1, -2, NaN, 5, 3, Infinity)), [1, 3, -2, 5]);
});

test("a picture over the outermost point is inside of the frame, and nothing is narrower than home", () => {
  const home = [-1.04, 1.04, -2.08, 2.08],
    ends = [-1, 1, -2, 2];
  for (const [w, h, side] of [
    [750, 420, 32],
    [300, 200, 96],
    [1400, 900, 16],
  ]) {
    const v = restView(home, ends, w, h, side),
      x = (a) => ((a - v.x0) / (v.x1 - v.x0)) * w,
      y = (a) => ((a - v.y0) / (v.y1 - v.y0)) * h;
    const room = Math.min(side, h / 4, w / 4) - 1e-6;
    assert.ok(x(-1) >= room && x(1) <= w - room && y(-2) >= room && y(2) <= h - room);
    assert.ok(v.x0 <= home[0] && v.x1 >= home[1] && v.y0 <= home[2] && v.y1 >= home[3]);
  }
});

test("without pictures, points or room the view is home", () => {
  const home = [0, 1, 0, 1],
    rest = { x0: 0, x1: 1, y0: 0, y1: 1 };
  assert.deepEqual(restView(home, [0, 1, 0, 1], 400, 300, 0), rest);
  assert.deepEqual(restView(home, [0.5, 0.5, 0.5, 0.5], 400, 300, 40), rest);
  assert.deepEqual(restView(home, [Infinity, -Infinity, Infinity, -Infinity], 400, 300, 40), rest);
  assert.deepEqual(restView(home, [0, 1, 0, 1], 0, 0, 40), rest);
});

test("views are compared to a millionth of their span", () => {
  assert.ok(sameView([0, 1e6, 0, 1], [0.5, 1e6, 0, 1]));
  assert.ok(!sameView([0, 1, 0, 1], [0, 1.001, 0, 1]));
  assert.ok(!sameView([0, 1, 0, 1], undefined));
});
