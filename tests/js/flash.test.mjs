import assert from "node:assert/strict";
import test from "node:test";
import { FLASH, Flashes, flashShape } from "../../ssvae_widgets/static/flash.mjs";

const canvas = () => {
  const drawn = [];
  return {
    drawn,
    beginPath() {},
    stroke() {
      drawn.push([this.strokeStyle, this.at, this.globalAlpha]);
    },
    arc(x, y, r) {
      this.at = [x, y, r];
    },
  };
};
const place = (i) => [10 * i, 5];

test("a flash grows, fades and ends", () => {
  const f = new Flashes();
  f.land([3], "#ff0000", 1000);
  const sizes = [],
    opacity = [];
  for (const age of [0, 150, 300, FLASH - 1]) {
    const g = canvas();
    assert.equal(f.draw(g, place, 8, 1000 + age, false), true);
    assert.deepEqual(g.drawn[0][1].slice(0, 2), [30, 5]);
    assert.equal(g.drawn[0][0], "#ff0000");
    sizes.push(g.drawn[0][1][2]);
    opacity.push(g.drawn[0][2]);
    assert.equal(g.globalAlpha, 1);
  }
  assert.deepEqual(
    sizes,
    [...sizes].sort((a, b) => a - b),
  );
  assert.ok(sizes[3] > sizes[0] + 8 && opacity[3] < 0.05);
  const g = canvas();
  assert.equal(f.draw(g, place, 8, 1000 + FLASH, false), false);
  assert.equal(g.drawn.length, 0);
});

test("without motion it stands still", () => {
  assert.deepEqual(flashShape(0, true), flashShape(FLASH - 1, true));
  assert.equal(flashShape(FLASH, true).alpha, 0);
});

test("of thousands only some flash", () => {
  const f = new Flashes(150);
  f.land(
    Uint32Array.from({ length: 5000 }, (_, i) => i),
    "#00ff00",
    0,
  );
  assert.ok(f.now.length > 100 && f.now.length <= 150);
  f.land([], "#00ff00", 0);
});
