import assert from "node:assert/strict";
import test from "node:test";
import { keepRange, kept, meant } from "../../ssvae_widgets/static/sheet-range.mjs";

const keys = { shiftKey: false, ctrlKey: false, metaKey: false };

test("Shift is a range, Ctrl or Cmd one, both one more range", () => {
  assert.equal(meant(keys), "one");
  assert.equal(meant({ ...keys, ctrlKey: true }), "one");
  assert.equal(meant({ ...keys, shiftKey: true }), "only");
  assert.equal(meant({ ...keys, shiftKey: true, metaKey: true }), "also");
});

test("a range goes both ways, takes whole stacks, and is added or stands alone", () => {
  const held = (cell) => [[0], [1, 5], [2], [3], [4]][cell];
  assert.deepEqual([...keepRange(new Uint8Array(6), held, 1, 2, false)], [1, 0, 0, 1, 1, 0]);
  assert.deepEqual([...keepRange(new Uint8Array(6), held, 2, 1, false)], [1, 0, 0, 1, 1, 0]);
  assert.deepEqual([...keepRange(Uint8Array.of(0, 1, 1, 1, 1, 1), held, 3, 4, true)], [0, 1, 1, 0, 0, 1]);
  assert.deepEqual([...kept(Uint32Array.of(9, 100, 20), Uint8Array.of(0, 0, 1))], [9, 100]);
});
