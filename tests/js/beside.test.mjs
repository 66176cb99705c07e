import assert from "node:assert/strict";
import test from "node:test";
import { changedBetween, nextChanged } from "../../ssvae_widgets/static/beside.mjs";
import { NONE } from "../../ssvae_widgets/static/raster.mjs";

test("the arrow keys go round the points that changed", () => {
  const changed = Uint8Array.from([0, 1, 0, 0, 1]);
  assert.deepEqual([nextChanged(changed, -1, 1), nextChanged(changed, 1, 1), nextChanged(changed, 4, 1)], [1, 4, 1]);
  assert.deepEqual([nextChanged(changed, -1, -1), nextChanged(changed, 4, -1), nextChanged(changed, 1, -1)], [4, 1, 4]);
  assert.equal(nextChanged(new Uint8Array(3), 0, 1), -1);
  assert.equal(nextChanged(new Uint8Array(0), -1, 1), -1);
  assert.equal(nextChanged(Uint8Array.from([0, 1]), 1, 1), 1);
});

test("a label is what is said of a point, else the prediction", () => {
  const m = { labels: [Uint16Array.from([NONE, 1, NONE]), Uint16Array.from([NONE, NONE, 2])] };
  m.pred = [Uint16Array.from([0, 0, 2]), Uint16Array.from([1, 1, 0])];
  assert.deepEqual([...changedBetween(m)], [1, 0, 0]);
});
