// How far the notebook is scrolled when an app comes onto the page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { scrollToShow } from "../../ssvae_widgets/static/fit-window.mjs";

const panel = { top: 90, bottom: 770 },
  app = (top, height = 656) => ({ top, bottom: top + height });

test("an app below its cell is scrolled until its end is in view", () => {
  assert.equal(scrollToShow(panel, app(176)), 68);
  assert.equal(scrollToShow(panel, app(500)), 392);
});

test("nothing moves where it is in view, or where somebody looks at something else", () => {
  assert.equal(scrollToShow(panel, app(108)), 0);
  assert.equal(scrollToShow(panel, app(60)), 0, "its beginning is above: somebody has scrolled");
  assert.equal(scrollToShow(panel, app(700)), 0, "of the app no more than an edge was in view");
});

test("what is higher than the panel begins at its upper edge", () => {
  assert.equal(scrollToShow(panel, app(176, 780)), 86);
});
