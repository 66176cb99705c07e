// The pure half of the views, against brute force or closed forms.
import assert from "node:assert/strict";
import { test } from "node:test";
import { array, clean, count, rgba } from "../../ssvae_widgets/static/dom.mjs";
import {
  bars,
  classHex,
  digitKey,
  duration,
  fit,
  scrolling,
  visibleRows,
  classColor,
} from "../../ssvae_widgets/static/view-core.mjs";

test("clean drops what reorders or ends text and keeps everything else", () => {
  assert.equal(clean("a\u0000b\u202Ec\u2066d\u200Fe"), "abcde");
  assert.equal(clean("<img src=x onerror=alert(1)>"), "<img src=x onerror=alert(1)>");
  assert.equal(clean("日本 🐈 é\tx\ny"), "日本 🐈 é\tx\ny");
  assert.equal(clean("x".repeat(500)).length, 300);
  assert.equal(clean(null), "null");
});

test("array copies the bytes of a view, whatever its alignment", () => {
  const buffer = new ArrayBuffer(11),
    all = new Uint8Array(buffer);
  all.set([9, 9, 9, 1, 0, 0, 0, 2, 0, 0, 0]);
  const got = array(new DataView(buffer, 3, 8), Uint32Array);
  assert.deepEqual([...got], [1, 2]);
  all[3] = 77;
  assert.deepEqual([...got], [1, 2]);
  assert.deepEqual([...array(new DataView(buffer, 3, 7), Uint32Array)], [77]);
  assert.deepEqual([...array(buffer.slice(4, 8), Uint32Array)], [...array(new DataView(buffer, 4, 4), Uint32Array)]);
  const whole = array(buffer);
  new Uint8Array(buffer)[0] ^= 1;
  assert.notEqual(whole[0], new Uint8Array(buffer)[0]);
  assert.equal(array(null).length, 0);
});

test("rgba spreads gray and keeps color and transparency", () => {
  assert.deepEqual([...rgba([7, 200], 1, 2, 1)], [7, 7, 7, 255, 200, 200, 200, 255]);
  assert.deepEqual([...rgba([1, 2, 3], 1, 1, 3)], [1, 2, 3, 255]);
  assert.deepEqual([...rgba([1, 2, 3, 4], 1, 1, 4)], [1, 2, 3, 4]);
});

test("two channels are drawn green and magenta, so that none is hidden", () => {
  assert.deepEqual([...rgba([0, 255, 0, 0, 255, 0], 1, 3, 2)], [255, 0, 255, 255, 0, 0, 0, 255, 0, 255, 0, 255]);
});

test("bars stand on one zero line inside the box", () => {
  const values = [2, -1, 0, 1],
    boxes = bars(values, 40, 30),
    zero = 20;
  assert.equal(boxes.length, 4);
  boxes.forEach(([x, y, w, h], k) => {
    assert.ok(x >= 0 && x + w <= 40 && y >= 0 && y + h <= 30);
    assert.ok(Math.abs((values[k] >= 0 ? zero - y : y + h - zero) - Math.abs(values[k]) * 10) < 1e-9);
  });
  const many = Array.from({ length: 1000 }, (_, i) => Math.sin(i)),
    few = bars(many, 50, 10);
  assert.equal(few.length, 50);
  assert.deepEqual(
    bars([0, 0], 10, 10).map((b) => b[3]),
    [0, 0],
  );
  assert.ok(bars([NaN, 1, Infinity], 10, 10).flat().every(Number.isFinite));
});

test("fit enlarges by whole pixels and shrinks to the box", () => {
  for (const [h, w] of [
    [8, 8],
    [28, 28],
    [31, 17],
    [96, 80],
    [144, 144],
    [600, 400],
    [1, 1000],
  ]) {
    const f = fit(h, w, 144);
    assert.ok(f.width <= 144 && f.height <= 144 && f.width >= 1 && f.height >= 1);
    if (f.pixelated) {
      assert.equal(f.width % w, 0);
      assert.equal(f.height % h, 0);
      assert.ok((f.width / w + 1) * Math.max(h, w) > 144);
    } else assert.ok(Math.max(f.width, f.height) === 144);
  }
});

test("visibleRows holds every row in sight and not many more", () => {
  for (const [total, columns, tile, top, height] of [
    [1797, 6, 50, 0, 300],
    [1797, 6, 50, 4321, 300],
    [5, 6, 50, 0, 300],
    [0, 6, 50, 0, 300],
    [10000, 7, 33, 47000, 250],
  ]) {
    const { rows, first, last } = visibleRows(total, columns, tile, top, height);
    assert.equal(rows, Math.ceil(total / columns));
    for (let r = 0; r < rows; r++) {
      const seen = (r + 1) * tile > top && r * tile < top + height;
      if (seen) assert.ok(r >= first && r < last);
      if (r >= first && r < last) assert.ok((r + 3) * tile > top - tile && (r - 3) * tile < top + height + tile);
    }
    assert.ok(first >= 0 && last <= rows && first <= last);
  }
});

test("a grid that no browser could scroll over is reached from its first row to its last", () => {
  const small = scrolling(9000, 300, 10000);
  assert.deepEqual([small.height, small.lookedAt(1234), small.scrollTop(1234)], [9000, 1234, 1234]);
  const huge = scrolling(1e6, 300, 10000);
  assert.equal(huge.height, 10000);
  assert.equal(huge.lookedAt(0), 0);
  assert.ok(Math.abs(huge.lookedAt(10000 - 300) - (1e6 - 300)) < 1e-6, "the end of the bar is the end of the grid");
  for (const at of [0, 5, 123456, 999700]) assert.ok(Math.abs(huge.lookedAt(huge.scrollTop(at)) - at) < 1e-6);
  assert.equal(scrolling(0, 300).height, 0);
  assert.equal(scrolling(1e9, 4e7, 1e7).lookedAt(7), 7);
});

test("words for people", () => {
  assert.deepEqual([0.34, 12.4, 125, 4320, NaN, -1].map(duration), [
    "0.3 s",
    "12 s",
    "2 min 05 s",
    "1 h 12 min",
    "",
    "",
  ]);
  assert.equal(count(1234567), "1,234,567");
  assert.deepEqual([0, 9, 10, -1].map(digitKey), ["0", "9", "", ""]);
});

test("only #rrggbb reaches a style", () => {
  assert.equal(classHex(["#112233"], 0), "#112233");
  assert.equal(classHex(["#112233"], 4), "#112233");
  assert.equal(classHex(["url(x)"], 0), "#9a9a9a");
  assert.equal(classHex([], 3), "#9a9a9a");
  assert.equal(classHex(["#112233"], -1), "#9a9a9a");
});

test("a dark page has its own shade of a class color", () => {
  assert.deepEqual(classColor(["#3f2ca1", "#fac700"], 1), { "--c": "#fac700", "--c-dark": "#fac700" });
  const { "--c": light, "--c-dark": dark } = classColor(["#3f2ca1"], 0);
  assert.ok(light === "#3f2ca1" && dark !== light && /^#[0-9a-f]{6}$/.test(dark));
});
