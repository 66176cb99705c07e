import test from "node:test";
import assert from "node:assert/strict";
import { shadeCells } from "../../ssvae_widgets/static/density.mjs";

test("a cell is the more opaque the denser it is, and clear where nobody is", () => {
  assert.deepEqual(
    [...shadeCells(Uint8Array.of(0, 102, 255), "#102030", 0.5)],
    [16, 32, 48, 0, 16, 32, 48, 51, 16, 32, 48, 128],
  );
});
