import assert from "node:assert/strict";
import test from "node:test";
import * as words from "../../ssvae_widgets/static/training-words.mjs";

// A number and its unit stay in one line: here plain spaces do.
const plain = (text) => text.replaceAll("\u00a0", " ");
const about = (s) => plain(words.about(s));
const compiling = (a, b) => plain(words.compiling(a, b));
const price = (n, s) => plain(words.price(n, s));
const runWords = (...s) => plain(words.runWords(...s));

const idle = {
  running: false,
  stopping: false,
  epoch: 0,
  target: 0,
  total: 0,
  seconds: 0,
  message: "",
  epochs: 10,
  doing: "",
  lasted: 0,
  last_time: 0,
  batch: 0,
  batches: 0,
  left: 0,
  ahead: 0,
};
const run = { ...idle, running: true, target: 10, doing: "training" };

test("compiling says how long it has been, and of how long it will be only what was measured", () => {
  assert.equal(compiling(4, 0), "compiling: 4 s, never measured here");
  assert.equal(compiling(4, 12), "compiling: 4 s of about 12 s");
  assert.equal(compiling(14, 12), "compiling: 14 s, last time 12 s");
  assert.equal(runWords({ ...run, doing: "compiling", lasted: 3, last_time: 12 }, 2), "compiling: 5 s of about 12 s");
});

test("within a long epoch there are batches and what is left, which counts down between two words", () => {
  const s = { ...run, seconds: 20, batch: 36, batches: 450, left: 199.2 };
  assert.equal(runWords(s), "epoch 1 of 10 · 3 min left · batch 36 of 450");
  assert.equal(runWords(s, 0, 10, true), "epoch 1 of 10 · 3 min left");
  assert.equal(runWords(s, 120), "epoch 1 of 10 · 79 s left · batch 36 of 450");
  assert.equal(runWords({ ...s, seconds: 0.3, epoch: 6, left: 1.2 }), "epoch 7 of 10 · 1 s left · 0.3 s each");
});

test("what takes time is named, and nothing counts down to zero while it lasts", () => {
  const over = { ...run, epoch: 10, seconds: 20, doing: "drawing the map", left: 0 };
  for (let age = 0; age < 60; age += 7) assert.equal(runWords(over, age), "epoch 10 of 10 · drawing the map");
  const late = { ...run, epoch: 9, seconds: 20, batch: 440, batches: 450, left: 1 };
  assert.equal(runWords(late, 30), "epoch 10 of 10 · nearly done · batch 440 of 450");
  const soon = { ...run, epoch: 1, seconds: 20, doing: "preparing the epoch", left: 160 };
  assert.equal(runWords(soon), "epoch 2 of 10 · 3 min left · 20 s each"); // a moment between two epochs
  assert.equal(runWords(soon, 2), "epoch 2 of 10 · getting ready");
  assert.equal(runWords({ ...run, stopping: true }), "stopping");
  assert.equal(runWords({ ...run, doing: "", message: "Preparing the model" }), "Preparing the model");
});

test("before a run stands what it will take, when that is known and not next to nothing", () => {
  assert.equal(runWords(idle), "not trained yet");
  assert.equal(runWords({ ...idle, ahead: 25 }), "not trained yet · 10 epochs: about 4 min");
  assert.equal(runWords({ ...idle, ahead: 25 }, 0, 1), "not trained yet · 1 epoch: about 25 s");
  assert.equal(runWords({ ...idle, ahead: 0.1 }), "not trained yet");
  assert.equal(price(NaN, 25), "");
  const stopped = { ...idle, total: 1, message: "Stopped in epoch 1, after 8% of it", ahead: 25 };
  assert.equal(runWords({ ...stopped, doing: "drawing the map" }), "Stopped in epoch 1 · drawing the map");
  assert.equal(runWords(stopped), "Stopped in epoch 1, after 8% of it", "no more than two lines");
  assert.match(
    runWords({ ...stopped, message: "Trained 10 epochs", seconds: 30 }),
    /^Trained 10 epochs · 10 more: about 5 min$/,
  );
});

test("whole seconds, never zero", () => {
  assert.deepEqual([0, 0.2, 3.1, 59.5, 65].map(about), ["1 s", "1 s", "4 s", "60 s", "1 min 05 s"]);
});
