// What a page knows of pictures with several words: gestures on top of what Python told, and three states.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NONE } from "../../ssvae_widgets/static/raster.mjs";
import { PointState } from "../../ssvae_widgets/static/state.mjs";
import { helpRows } from "../../ssvae_widgets/static/keymap.mjs";
import { shownBars } from "../../ssvae_widgets/static/preview-words.mjs";
import { Words, knownAfter } from "../../ssvae_widgets/static/words.mjs";

const bytes = (...rows) => new DataView(Uint32Array.from(rows).buffer);
const NAMES = ["cat", "dog", "bird"];

/** Four pictures: cat and dog, none of these, only "not dog" was said, nobody has said anything; buttons in the order 2, 0, 1. */
function some(seq = 3) {
  const w = new Words();
  const kinds = [
    [[0, 1], [2]],
    [[], [2, 0, 1]],
    [[], [1]],
  ];
  w.read({ seq, kinds, rows: bytes(0, 1, 2), ids: bytes(0, 1, 2) }, [2, 0, 1]);
  return w;
}

test("what is known is told in the order of the buttons", () => {
  const w = some();
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => w.text(i, NAMES)),
    ["cat, dog", "none of these", "not all was said", "unlabeled"],
  );
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => w.color(i)),
    [0, NONE, NONE, null],
  );
  assert.deepEqual(w.counts(4, 3), [1, 1, 0, 1, 2]);
  assert.deepEqual(
    [0, 2, -1, -2].map((k) => w.having(4, k)),
    [[0], [], [3], [1, 2]],
  );
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => w.whole(i)),
    [true, true, false, false],
  );
  const single = new Words();
  single.read({}, [0, 1]);
  assert.equal(single.on, false);
});

test("a key toggles: to all first, then away from all, whatever Python has told meanwhile", () => {
  const w = some(),
    all = Uint32Array.of(0, 3);
  assert.deepEqual([w.state(all, 0), w.state(all, 2), w.state(all.slice(0, 1), 0)], ["mixed", "false", "true"]);
  w.begin(7, all, { label: 0, on: true });
  assert.equal(w.state(all, 0), "true");
  assert.equal(w.text(3, NAMES), "cat");
  w.begin(8, all, { label: 0, on: false });
  assert.deepEqual([w.text(0, NAMES), w.text(3, NAMES)], ["dog", "none of these"]);
  w.settle(8, false); // it could not be kept
  assert.equal(w.text(3, NAMES), "cat");
  w.settle(7, true, 5);
  assert.equal(w.text(3, NAMES), "cat", "kept, and not told of yet");
  w.read({ seq: 4, kinds: [], rows: bytes(), ids: bytes() }, w.order); // painted before
  assert.equal(w.text(3, NAMES), "cat");
  w.read({ seq: 5, kinds: [[[1], [0, 2]]], rows: bytes(3), ids: bytes(0) }, w.order);
  assert.equal(w.text(3, NAMES), "dog", "what Python says then");
});

test("each gesture leaves what it says", () => {
  const order = [0, 1, 2];
  assert.deepEqual(knownAfter(null, { label: 1, on: true }, order), [[1], [0, 2]]);
  assert.deepEqual(knownAfter(null, { label: 1, on: false }, order), [[], [1]]);
  assert.deepEqual(knownAfter([[0], [1]], { label: 1, on: true }, order), [[0, 1], [2]]);
  assert.deepEqual(knownAfter([[0], []], { whole: true }, order), [[0], [1, 2]]);
  assert.equal(knownAfter(null, { whole: true }, order), null);
  assert.deepEqual(knownAfter(null, { words: [] }, order), [[], [0, 1, 2]]);
  assert.equal(knownAfter([[0], []], { clear: true }, order), null);
});

test("a point is painted in its own first word until Python answers, and none of these is no prediction", () => {
  const w = some(),
    s = new PointState();
  s.setPositions(new Float32Array(8));
  s.setBase(Uint16Array.of(0, NONE, NONE, NONE), Uint8Array.of(1, 1, 1, 0));
  s.setGuess(Uint16Array.of(NONE, 9, NONE, 9)); // class 2 is predicted of the second and the last
  assert.equal(s.shades[1], NONE, "somebody said that it has none");
  assert.notEqual(s.shades[3], NONE);
  const both = Uint32Array.of(0, 3);
  w.begin(1, both, { label: 2, on: true });
  s.begin(1, both, (i) => w.color(i), 2);
  assert.deepEqual([...s.codes], [2, NONE, NONE, 2]);
  assert.deepEqual(s.settle(1, true).label, 2);
  assert.deepEqual([...s.baseCodes], [2, NONE, NONE, 2]);
});

test("bars are few, and what was said or is likely is among them", () => {
  const probs = Array.from({ length: 20 }, (_, k) => [k, 0.9 - k / 22]);
  const shown = shownBars(probs, [17]);
  assert.ok(shown.some(([k]) => k === 17));
  assert.ok(probs.filter(([, p]) => p >= 0.5).every((pair) => shown.includes(pair)));
  assert.equal(shownBars(probs.slice(0, 3), []).length, 3);
});

test("the help speaks of words only where there are several", () => {
  const say = (several) => helpRows({}, false, several).map(([, text]) => text);
  assert.ok(say(true).some((text) => text.startsWith("none of these words")));
  assert.ok(!say(false).some((text) => text.startsWith("none of these words")));
});
