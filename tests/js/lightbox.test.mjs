import assert from "node:assert/strict";
import { test } from "node:test";
import { fitScale, zoomAt } from "../../ssvae_widgets/static/lightbox.mjs";

test("a picture fits, small ones by whole numbers", () => {
  assert.equal(fitScale(4000, 3000, 1000, 600), 0.2);
  assert.equal(fitScale(28, 28, 1000, 600), 21);
  assert.equal(fitScale(700, 500, 1000, 600), 1.2);
});

test("the point under the wheel stays where it is, within the limits", () => {
  const [scale, x, y] = zoomAt([0.5, 10, -20], 2, 100, 50, 0.1, 8);
  assert.deepEqual([scale, x, y], [1, 100 - (100 - 10) * 2, 50 - (50 + 20) * 2]);
  assert.deepEqual(zoomAt([8, 3, 4], 2, 100, 50, 0.1, 8), [8, 3, 4]);
  assert.equal(zoomAt([0.2, 0, 0], 0.01, 0, 0, 0.1, 8)[0], 0.1);
});
