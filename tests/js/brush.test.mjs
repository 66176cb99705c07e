import assert from "node:assert/strict";
import { test } from "node:test";
import { binAt, draggedBins, shareOf, toggled } from "../../ssvae_widgets/static/brush.mjs";

test("a pixel lies in a bin, and outside in the nearest one", () => {
  assert.deepEqual(
    [-5, 0, 24, 25, 99, 140].map((x) => binAt(x, 100, 4)),
    [0, 0, 0, 1, 3, 3],
  );
  assert.equal(binAt(3, 0, 4), 3);
});

test("a drag to the left is the same as one to the right", () => {
  assert.deepEqual(draggedBins(7, 2), [2, 7]);
  assert.deepEqual(draggedBins(2, 7), [2, 7]);
});

test("a bar is asked for, and no more", () => {
  assert.deepEqual(toggled([1, 4], 2), [1, 2, 4]);
  assert.deepEqual(toggled([1, 2, 4], 2), [1, 4]);
});

test("one of a million is seen", () => {
  assert.equal(shareOf(0, 10), "0");
  assert.equal(shareOf(5, 10), "max(1px, 50.00%)");
});
