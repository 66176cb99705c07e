import assert from "node:assert/strict";
import test from "node:test";

import { PlainLink, fitHome } from "../../ssvae_widgets/static/plain-link.mjs";

test("home fits whole, in the middle, with one unit for both axes", () => {
  for (const [w, h] of [
    [800, 400],
    [300, 600],
  ]) {
    const v = fitHome([-2, 4, 1, 3], w, h);
    assert.ok(v.x0 <= -2 && v.x1 >= 4 && v.y0 <= 1 && v.y1 >= 3);
    assert.ok(Math.abs((v.x1 - v.x0) / w - (v.y1 - v.y0) / h) < 1e-12);
    assert.deepEqual([(v.x0 + v.x1) / 2, (v.y0 + v.y1) / 2], [1, 2]);
  }
  const none = fitHome([0, 0, 0, 0], 0, 0);
  assert.ok(Number.isFinite(none.x0 + none.x1 + none.y0 + none.y1));
});

test("a domain that was set stays, and is told once", () => {
  const el = { style: {}, append() {}, remove() {}, clientWidth: 200, clientHeight: 100 };
  globalThis.document = { createElement: () => el };
  globalThis.ResizeObserver = class {
    observe() {}
    disconnect() {}
  };
  const link = new PlainLink({ append() {} }, [0, 1, 0, 1]);
  let told = 0;
  link.listen(
    () => 0,
    () => told++,
  );
  assert.equal(link.domain.w, 200);
  link.setDomain({ x0: 3, x1: 5, y0: 6, y1: 7 });
  assert.deepEqual(link.domain, { x0: 3, x1: 5, y0: 6, y1: 7, w: 200, h: 100 });
  assert.equal(told, 1);
  link.close();
});
