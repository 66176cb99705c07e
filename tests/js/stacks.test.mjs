import assert from "node:assert/strict";
import test from "node:test";
import { fold, marksOf, members, placesOf } from "../../ssvae_widgets/static/stacks.mjs";

test("each stack is one cell, at the place of its first picture", () => {
  const stacks = [-1, 4, -1, 4, 7, 4];
  assert.deepEqual(fold(6, stacks, new Set()), { cells: [0, 1, 2, 4], sizes: [1, 3, 1, 1] });
  assert.deepEqual(members(1, 3, stacks, placesOf(stacks)), [1, 3, 5]);
  assert.deepEqual(members(4, 1, stacks, placesOf(stacks)), [4]);
});

test("an open stack shows all of its pictures; sizes always add up", () => {
  const stacks = [4, 4, 7, 7, -1];
  assert.deepEqual(fold(5, stacks, new Set([4])), { cells: [0, 1, 2, 4], sizes: [1, 1, 2, 1] });
  for (const open of [[], [4], [7], [4, 7]])
    assert.equal(
      fold(5, stacks, new Set(open)).sizes.reduce((a, b) => a + b, 0),
      5,
    );
  assert.deepEqual(fold(3, [], new Set()), { cells: [0, 1, 2], sizes: [1, 1, 1] });
});

test("flags have a sign and words", () => {
  assert.deepEqual(marksOf(0), { signs: "", words: "" });
  assert.deepEqual(marksOf(6), { signs: "⊘★", words: "excluded, starred" });
});
