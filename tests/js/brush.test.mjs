import assert from "node:assert/strict";
import { test } from "node:test";
import { binAt, draggedBins, sender, shareOf, toggled } from "../../ssvae_widgets/static/brush.mjs";

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

/** A model whose Python answers when it is told to. */
function python() {
  const sent = [];
  let heard = 0;
  return { sent, send: (message) => sent.push(message), get: () => heard, answer: (k) => (heard = sent[k].n) };
}

test("one message is on its way, of each column the last one waits, and a busy column is left alone", () => {
  const model = python(),
    out = sender(model);
  out.ask("plate", { places: [0] });
  out.ask("plate", { places: [0, 1] });
  out.ask("area", { places: [2, 3] });
  out.ask("plate", { places: [0, 1, 2] });
  assert.equal(model.sent.length, 1);
  model.answer(0);
  out.heard();
  assert.deepEqual(model.sent[1].places, [0, 1, 2]);
  assert.ok(out.busy("plate") && out.busy("area") && !out.busy("day"));
  model.answer(1);
  out.heard();
  assert.ok(!out.busy("plate") && out.busy("area"));
  model.answer(2);
  out.heard();
  assert.ok(!out.busy("area") && model.sent.length === 3);
  out.end();
});

test("without an answer the last brush is sent all the same, and Python is believed", async () => {
  const model = python();
  let givenUp = 0;
  const out = sender(model, () => givenUp++, 5);
  out.ask("area", { places: [1, 2] });
  out.ask("area", { places: [1, 9] });
  for (let k = 0; k < 500 && givenUp < 2; k++) await new Promise((done) => setTimeout(done, 10)); // a busy machine
  assert.deepEqual(
    model.sent.map((m) => m.places),
    [
      [1, 2],
      [1, 9],
    ],
  );
  assert.ok(!out.busy("area") && givenUp === 2);
  out.ask("area", { places: [] });
  out.ask("area", { places: [3, 3] });
  out.drop();
  model.answer(2);
  out.heard();
  assert.equal(model.sent.length, 3);
  out.end();
});
