import assert from "node:assert/strict";
import test from "node:test";
import { OnShow } from "../../ssvae_widgets/static/on-show.mjs";

const card = (serial, strategy = "boundary") => ({ serial, strategy, prediction: 1, reason: "why" });
const deal = (show, order, more = {}) =>
  show.deal(
    {
      cards: [card(more.current ?? -1), ...order.map((i) => card(i))],
      order,
      current: -1,
      heard: 0,
      answer: null,
      ...more,
    },
    [],
  );
/** A page with one preview, which draws whenever something changes, on proposal 5 with 6 and 7 held. */
function page() {
  const show = new OnShow(100),
    python = { info: { serial: 5, prediction: 1 } };
  show.views = 1;
  show.listen(() => {
    const got = show.pick(python.info, []);
    if (got) show.drew(got.info);
  });
  const { move } = show.ask();
  assert.equal(deal(show, [6, 7], { current: 5, heard: move, answer: move }), 5);
  show.select([5], "next");
  return { show, python };
}
const open = () => true;

test("the next picture is on show as soon as the page goes there, whatever Python still says about the one before", () => {
  const { show } = page();
  assert.equal(show.refusal([5]), "");
  assert.equal(show.next(open), 6);
  assert.deepEqual(show.go(6), { to: 6, move: 102 });
  show.select([6], "next");
  assert.equal(show.drawn, 6);
  assert.equal(show.next(open), 7);
});

test("nothing is on show while a page waits, and no key is taken", () => {
  const { show } = page();
  show.go(6);
  show.select([6], "next");
  show.go(7);
  show.select([7], "next");
  assert.equal(show.next(open), -1);
  const { move } = show.ask();
  assert.equal(show.drawn, -1);
  assert.match(show.refusal([7]), /not here yet/);
  assert.equal(
    deal(show, [9], { current: 8, heard: move - 1, answer: null }),
    -1,
    "what another asked for is not gone to",
  );
  assert.ok(show.waiting);
  assert.equal(deal(show, [9], { current: 8, heard: move, answer: move }), 8);
  show.select([8], "next");
  assert.equal(show.refusal([8]), "");
});

test("somebody who selects a point waits no more, and is not taken away from it", () => {
  const { show } = page();
  const { move } = show.ask();
  show.select([40], "click");
  assert.equal(show.refusal([40]), "", "it was clicked");
  assert.equal(deal(show, [], { current: 8, heard: move, answer: move }), -1);
  assert.equal(show.at, 8, "the next press of n goes there");
});

test("proposals that Python deals late are not shown twice", () => {
  const { show } = page();
  const first = show.go(6);
  show.go(7);
  deal(show, [7, 9], { current: 6, heard: first.move }); // dealt before Python heard of 7
  assert.equal(show.at, 7);
  assert.equal(show.next(open), 9);
  assert.equal(
    show.next((i) => i !== 9),
    -1,
    "labeled meanwhile",
  );
});

test("an undo goes back to the proposal it takes the answer from, and those after it come next again", () => {
  const { show } = page();
  show.go(6);
  const { move } = show.go(7);
  deal(show, [8, 9], { current: 7, heard: move, answer: null });
  deal(show, [7, 8, 9], { current: 6, heard: move, answer: null });
  assert.deepEqual([show.at, show.before(), show.next(open)], [6, 5, 7]);
  deal(show, [6, 7, 8], { current: 5, heard: move, answer: null });
  assert.deepEqual([show.at, show.before(), show.next(open)], [5, -1, 6]);
});

test("a key is not about the picture under the pointer", () => {
  const { show, python } = page();
  python.info = { serial: 33, prediction: 2 };
  show.hover(33);
  assert.equal(show.drawn, 33);
  assert.match(show.refusal([5]), /#33, under the pointer/);
  show.hover(-1);
  assert.deepEqual([show.drawn, show.refusal([5])], [5, ""]);
});

test("a key for several points is not about another one under the pointer", () => {
  const { show, python } = page();
  show.select([5, 6, 7], "lasso");
  assert.equal(show.stray([5, 6, 7]), "");
  python.info = { serial: 33, prediction: 2 };
  show.hover(33);
  assert.match(show.stray([5, 6, 7]), /#33, under the pointer: press again for the 3/);
  assert.equal(show.stray([5, 33]), "", "one of them is on show");
  show.hover(-1);
  assert.equal(show.stray([5, 6, 7]), "");
});

test("Enter accepts what is predicted only where that can be read", () => {
  const { show, python } = page();
  assert.equal(show.unsaid([5]), "");
  show.select([50], "click");
  assert.equal(show.refusal([50]), "", "a class key is about the point that was clicked");
  assert.match(show.unsaid([50]), /prediction of #50 is not here yet/);
  show.thumb = () => ({ w: 1, h: 1, c: 1, label: -1, data: new Uint8Array(1) });
  show.tell();
  assert.equal(show.drawn, 50);
  assert.match(show.unsaid([50]), /prediction of #50 is not here yet/, "its picture is, what is said of it is not");
  python.info = { serial: 50, prediction: -1 };
  show.tell();
  assert.match(show.unsaid([50]), /Nothing is predicted yet/);
  python.info = { serial: 50, prediction: 3 };
  show.tell();
  assert.deepEqual([show.unsaid([50]), show.said], ["", 3]);
  assert.equal(show.unsaid([1, 2, 3]), "", "the map shows what is predicted of many");
});

test("a point chosen by an arrow key waits for its picture; a thumbnail is one", () => {
  const { show } = page();
  show.select([50], "key");
  assert.match(show.refusal([50]), /#50 is not here yet/);
  show.thumb = (i) => i === 50 && { w: 1, h: 1, c: 1, label: -1, data: new Uint8Array(1) };
  show.tell();
  assert.equal(show.refusal([50]), "");
  assert.equal(show.refusal([1, 2, 3]), "", "many are on show on the map");
});

test("any run of answers, undos, clicks and late deals labels only what is drawn", () => {
  let seed = 7;
  const random = (n) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * n);
  };
  const { show, python } = page();
  const labeled = new Set(),
    answered = [],
    isOpen = (i) => !labeled.has(i);
  let fresh = 100,
    heard = 100,
    given = 0,
    late = [];
  for (let k = 0; k < 20000; k++) {
    const what = random(8),
      sel = show.selected;
    if (what < 4) {
      // a class key
      const drawn = show.drawn;
      if (show.refusal(sel) || sel.length !== 1) continue;
      assert.ok(sel[0] === drawn || sel[0] === show.pointed);
      labeled.add(sel[0]);
      given++;
      if (sel[0] !== show.at) continue;
      answered.push(show.at);
      const to = show.next(isOpen);
      const told = to >= 0 ? show.go(to) : show.ask();
      late.push([told, to < 0]);
      if (to >= 0) show.select([to], "next");
    } else if (what === 4) {
      const i = answered.pop();
      if (i !== undefined) late.push([null, i]);
    } else if (what === 5) {
      python.info = { serial: random(200) };
      show.tell();
    } else if (what === 6) show.select([random(200)], random(2) ? "click" : "key");
    else
      while (late.length && random(3)) {
        // Python comes round
        const [told, waits] = late.shift();
        if (!told) {
          // an undo: it takes away an answer, and shows what had it
          labeled.delete(waits);
          show.select([waits], "python");
          deal(show, [fresh++, fresh++], { current: waits, heard, answer: null });
          continue;
        }
        heard = told.move;
        const order = [fresh++, fresh++, fresh++];
        const to = deal(show, order, { current: waits ? fresh++ : told.to, heard, answer: waits ? heard : null });
        if (to >= 0) show.select([to], "next");
      }
  }
  assert.ok(given > 600, String(given));
});

test("while a picture is open in full size keys are about it, once it is seen", () => {
  const show = new OnShow(0);
  show.views = 1;
  show.select([3, 5, 7], "lasso");
  show.turn(5);
  show.drew({ serial: 5 });
  assert.deepEqual([...show.about([3, 5, 7])], [3, 5, 7]);
  show.light = { there: -1 };
  assert.deepEqual([...show.about([3, 5, 7])], [5]);
  assert.match(show.refusal([5]), /not here yet/);
  show.light = { there: 5 };
  assert.equal(show.refusal([5]), "");
  show.hover(7); // the pointer is over the dialog
  assert.deepEqual([...show.about([3, 5, 7])], [5]);
  show.turn(7);
  assert.match(show.refusal([7]), /#7 is not here yet/);
  show.select([3, 5, 7], "python");
  assert.match(show.refusal(show.about([3, 5, 7])), /more than this picture/);
  show.light = null;
  assert.equal(show.refusal([3, 5, 7]), "");
});

test("a key that was pressed before the picture came onto the screen is not about it", () => {
  const show = new OnShow(0),
    frames = [];
  globalThis.requestAnimationFrame = (f) => frames.push(f);
  show.views = 1;
  show.select([3], "next");
  show.drew({ serial: 3 });
  show.pressed = performance.now();
  assert.match(show.refusal([3]), /came after the key/);
  frames.forEach((f) => f());
  assert.match(show.refusal([3]), /came after the key/); // the page heard it late
  show.pressed = performance.now() + 1;
  assert.equal(show.refusal([3]), "");
  show.drew({ serial: 3 }); // what is said of it has come
  assert.equal(show.refusal([3]), "");
  delete globalThis.requestAnimationFrame;
});
