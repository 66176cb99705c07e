import { array, clean, count, h, icon } from "./dom.mjs";
import { onShow } from "./on-show.mjs";
import { keepRange, kept, meant } from "./sheet-range.mjs";
import { fold, marksOf, members, placesOf } from "./stacks.mjs";
import { tileWords } from "./tile-words.mjs";
import { classColor, follow, giveKeysBack, paintItem, scrolling, toMap, visibleRows } from "./view-core.mjs";

/** CSS pixels: the smallest side of a tile, the largest, and the first one. */
const [SMALLEST, LARGEST, FIRST] = [48, 256, 64];

/** Bytes of pictures that a sheet keeps. */
const KEPT = 1e8;

/** Pixels a side that are asked for, for tiles of so many CSS pixels: twice as many for small ones, for sharp screens. */
const resolution = (side) => (side <= 72 ? 144 : 256);

/** Sheets of this page so far: what their tiles are called. */
let sheets = 0;

/** The size that was chosen last, on any sheet of this browser. */
function chosenSize(side) {
  try {
    if (side) localStorage.setItem("ssvae-sheet-side", String(side));
    return Math.min(LARGEST, Math.max(SMALLEST, Number(localStorage.getItem("ssvae-sheet-side")) || FIRST));
  } catch {
    return side || FIRST; // a page that may not keep anything
  }
}

/** A virtual grid: only the tiles in sight exist, only the images in sight were asked for. */
function render({ model, el }) {
  el.classList.add("ssvae-view", "ssvae-sheet");
  el.setAttribute("role", "region");
  el.setAttribute("aria-label", "Contact sheet");
  const title = h("span", { class: "ssvae-sheet-title" });
  const sort = h("select", {
    class: "ssvae-select",
    "aria-label": "Sort by",
    onchange: () => {
      model.send({ type: "sort", by: sort.value });
      giveKeysBack(el);
    },
  });
  const size = h("input", {
    type: "range",
    min: SMALLEST,
    max: LARGEST,
    step: 8,
    value: chosenSize(),
    class: "ssvae-sheet-size",
    title: "Size of the pictures",
    "aria-label": "Size of the pictures",
    oninput: () => {
      chosenSize(size.value);
      layout();
    },
    onpointerup: () => giveKeysBack(el), // the arrow keys go on to be the slider's for those who came with Tab
  });
  const wide = h(
    "button",
    {
      type: "button",
      class: "ssvae-button ssvae-tool ssvae-larger",
      title: "Larger",
      "aria-label": "Larger or smaller sheet",
      onclick: () => {
        el.classList.toggle("ssvae-wide");
        layout();
      },
    },
    icon("expand"),
  );
  const close = h(
    "button",
    {
      type: "button",
      class: "ssvae-button ssvae-tool",
      title: "Close the sheet and drop the selection (u brings it back)",
      "aria-label": "Close the sheet",
      onclick: () => {
        model.send({ type: "close" });
        toMap(el, "drop");
      },
    },
    icon("close"),
  );
  const hint = h("div", { class: "ssvae-caption" }),
    name = `ssvae-sheet-${++sheets}`;
  const box = h("div", { class: "ssvae-sheet-box" });
  const space = h("div", {
    class: "ssvae-sheet-space",
    role: "listbox",
    "aria-multiselectable": "true",
    "aria-label":
      "Images of the selection; Space leaves one out or takes it in, Shift with arrows keeps only a range, Ctrl+A takes all in",
    tabindex: 0,
  });
  box.append(space);
  const yes = h("button", {
    type: "button",
    class: "ssvae-button ssvae-primary ssvae-yes",
    onclick: () => model.send({ type: "confirm", asked: model.get("question") }),
  });
  const no = h("button", {
    type: "button",
    class: "ssvae-button ssvae-no",
    text: "Cancel",
    onclick: () => model.send({ type: "cancel" }),
  });
  const question = h("span", {});
  const ask = h(
    "div",
    { class: "ssvae-ask", role: "alertdialog", "aria-label": "Confirm" },
    question,
    h("span", { class: "ssvae-ask-buttons" }, yes, no),
  );
  el.replaceChildren(h("div", { class: "ssvae-sheet-head" }, title, size, sort, wide, close), hint, ask, box);

  const { words } = onShow(model.get("of"));
  let serials = new Uint32Array(0),
    out = new Uint8Array(0),
    codes = new Int32Array(0),
    guesses = new Int32Array(0),
    marks = new Uint8Array(0),
    stacks = new Int32Array(0),
    open = new Set(), // stacks whose copies all stand here
    among = new Map(), // stack -> places of its pictures
    cells = [], // place of the picture in each cell
    sizes = [], // pictures that it stands for
    cursor = 0,
    anchor = 0, // place of the picture from which a range goes on
    sent = model.get("heard"), // number of the last picture that was left out or taken in here
    asked = new Map(); // serial -> pixels a side that were asked for
  let pictures = new Map(),
    tiles = new Map(),
    version = -1,
    columns = 1,
    roll = scrolling(0, 300),
    tile = FIRST,
    frame = 0;

  const layout = () => {
    ({ cells, sizes } = fold(serials.length, stacks, open));
    among = placesOf(stacks);
    cursor = Math.max(0, Math.min(cursor, cells.length - 1));
    const width = box.clientWidth - 2;
    if (width <= 0) return;
    tile = Math.min(width, chosenSize());
    columns = Math.max(1, Math.floor(width / tile));
    tile = Math.floor(width / columns);
    const seen = box.clientHeight || 300;
    roll = scrolling(Math.ceil(cells.length / columns) * tile, seen);
    space.style.height = `${roll.height}px`;
    for (const node of tiles.values()) node.remove();
    tiles.clear();
    show();
  };
  const later = () => {
    if (!frame)
      frame = requestAnimationFrame(() => {
        frame = 0;
        show();
      });
  };
  const place = (i) => {
    const at = cells[i],
      size = sizes[i],
      serial = serials[at],
      known = pictures.get(serial);
    let node = tiles.get(i);
    if (!node) {
      node = h("div", {
        class: "ssvae-tile",
        role: "option",
        id: `${name}-tile-${i}`,
        "data-serial": serial,
        "data-i": i,
      });
      node.style.left = `${(i % columns) * tile}px`;
      node.style.width = node.style.height = `${tile}px`;
      tiles.set(i, node);
      space.append(node);
    }
    node.style.top = `${Math.floor(i / columns) * tile + box.scrollTop - roll.lookedAt(box.scrollTop)}px`;
    let badge = node.querySelector(".ssvae-badge");
    if (known && node.firstChild?.picture !== known) {
      const s = known.shape,
        canvas = h("canvas", { "aria-hidden": "true" });
      canvas.picture = known;
      node.replaceChildren(canvas);
      if (s.length === 1) {
        canvas.style.width = canvas.style.height = `${tile - 8}px`;
        paintItem(canvas, array(known.data, Float32Array), s);
      } else {
        const scale = Math.min((tile - 8) / s[0], (tile - 8) / s[1]);
        canvas.style.width = `${Math.round(s[1] * scale)}px`;
        canvas.style.height = `${Math.round(s[0] * scale)}px`;
        canvas.classList.toggle("ssvae-pixelated", scale >= 1);
        paintItem(canvas, known.data, s);
      }
    }
    const classes = model.get("classes"),
      k = codes[at],
      g = guesses[at],
      unfolded = stacks[at] >= 0 && open.has(stacks[at]),
      { signs, words: flags } = marksOf(marks[at] || 0);
    if (size > 1 || unfolded || signs) {
      badge = node.querySelector(".ssvae-badge") || node.appendChild(h("span", { class: "ssvae-badge" }));
      badge.classList.toggle("ssvae-stack", size > 1 || unfolded);
      const text = `${signs}${size > 1 ? ` ×${size}` : unfolded ? " =" : ""}`.trim();
      if (badge.textContent !== text) badge.textContent = text;
      badge.title = size > 1 ? "Show all copies" : unfolded ? "Fold the copies" : flags;
    } else badge?.remove();
    const gone = members(at, size, stacks, among).every((j) => out[j] === 1);
    if (words.on) tileWords(node, words.there(serial), classes, model.get("palette"), tile);
    const own =
      k >= 0 && !words.on ? classColor(model.get("palette"), k) : { "--c": "transparent", "--c-dark": "transparent" };
    for (const [name, value] of Object.entries(own)) node.style.setProperty(name, value);
    node.classList.toggle("ssvae-out", gone);
    node.classList.toggle("ssvae-unfolded", unfolded);
    node.classList.toggle("ssvae-cursor", i === cursor);
    node.setAttribute("aria-selected", !gone);
    const label = words.on ? words.text(serial, classes) : k >= 0 ? `labeled ${clean(classes[k])}` : "unlabeled";
    const told = `#${serial}, ${label}${g >= 0 ? `, ${words.on ? "most likely" : "model says"} ${clean(classes[g])}` : ""}${gone ? ", left out" : ""}${size > 1 ? `, stands for ${size} copies: Enter shows them` : unfolded ? ", one of several copies: Enter folds them" : ""}${flags ? `, ${flags}` : ""}`;
    node.setAttribute("aria-label", told);
    node.title = told;
  };
  const show = () => {
    if (!model.get("shown")) return;
    const { first, last } = visibleRows(
      cells.length,
      columns,
      tile,
      roll.lookedAt(box.scrollTop),
      box.clientHeight || 300,
    );
    const from = first * columns,
      to = Math.min(cells.length, last * columns);
    for (const [i, node] of tiles)
      if (i < from || i >= to) {
        node.remove();
        tiles.delete(i);
      }
    for (let i = from; i < to; i++) place(i);
    const missing = [],
      pixels = resolution(tile);
    for (let i = from; i < to && missing.length < 512; i++)
      if (!(asked.get(serials[cells[i]]) >= pixels)) {
        missing.push(serials[cells[i]]);
        asked.set(serials[cells[i]], pixels);
      }
    if (missing.length) {
      const want = Uint32Array.from(missing);
      model.send({ type: "thumbnails", version, pixels }, undefined, [want.buffer]);
    }
    space.setAttribute("aria-activedescendant", tiles.get(cursor)?.id || "");
  };
  /** Left out or taken in at once, on the map too: the next key is about what is seen. */
  const toggle = (i) => {
    if (!(i >= 0 && i < cells.length)) return;
    const all = members(cells[i], sizes[i], stacks, among),
      leave = all.some((at) => out[at] !== 1);
    for (const at of all) {
      if ((out[at] === 1) === leave) continue;
      out[at] = leave ? 1 : 0;
      sent += 1;
      model.send({ type: "exclude", serial: serials[at], out: leave, n: sent });
      toMap(el, "exclude", { serial: serials[at], out: leave });
    }
    place(i);
    head();
  };
  /** The cell in which the range began: pictures move when stacks come, open or fold. */
  const begun = () => {
    const stack = stacks[anchor] ?? -1,
      itself = cells.indexOf(anchor),
      cell = itself >= 0 ? itself : cells.findIndex((at) => stack >= 0 && stacks[at] === stack);
    return Math.max(cell, 0);
  };
  /** Only a range of cells stays, or it stays too (`also`): at once, on the map as well. */
  const range = (from, to, also) => {
    if (!cells.length) return;
    out = keepRange(out, (cell) => members(cells[cell], sizes[cell], stacks, among), from, to, also);
    const rows = kept(serials, out);
    sent += 1;
    model.send({ type: "keep", n: sent }, undefined, [rows.slice().buffer]);
    toMap(el, "keep", rows);
    show();
    head();
  };
  /** A stack of copies is opened, or folded again. @returns {boolean} whether there is one here */
  const unfold = (i) => {
    const stack = stacks[cells[i]];
    if (!(stack >= 0) || (sizes[i] < 2 && !open.has(stack))) return false;
    if (!open.delete(stack)) open.add(stack);
    layout();
    return true;
  };
  /** Half of the pictures go when they take too much room; they are asked for again when they come into sight. */
  const forget = () => {
    let total = 0;
    for (const { data } of pictures.values()) total += data.length;
    if (total < KEPT) return;
    const seen = new Set([...tiles.keys()].map((i) => serials[cells[i]]));
    for (const [serial, { data }] of pictures) {
      if (seen.has(serial)) continue;
      pictures.delete(serial);
      asked.delete(serial);
      if ((total -= data.length) < KEPT / 2) break;
    }
  };
  const reveal = () => {
    const top = Math.floor(cursor / columns) * tile,
      now = roll.lookedAt(box.scrollTop);
    if (top < now) box.scrollTop = roll.scrollTop(top);
    else if (top + tile > now + box.clientHeight) box.scrollTop = roll.scrollTop(top + tile - box.clientHeight);
    show();
  };
  space.addEventListener("click", (event) => {
    const node = event.target.closest(".ssvae-tile");
    if (node) {
      const how = meant(event);
      space.focus({ preventScroll: true }); // arrow keys go on from here; all others are still the map's
      cursor = Number(node.dataset.i);
      if (how === "one") anchor = cells[cursor];
      if (how !== "one") range(begun(), cursor, how === "also");
      else if (event.target.closest(".ssvae-stack") && unfold(cursor)) return;
      else toggle(cursor);
      later();
    }
  });
  /** Its picture is on show, whatever is selected. */
  const look = (serial) => {
    onShow(model.get("of")).turn(serial);
    model.send({ type: "look", serial });
  };
  space.addEventListener("dblclick", (event) => {
    const node = event.target.closest(".ssvae-tile");
    if (!node) return;
    look(Number(node.dataset.serial)); // two clicks have selected since
    toMap(el, "original");
  });
  space.addEventListener("pointerover", (event) => {
    const node = event.target.closest(".ssvae-tile");
    if (node) look(Number(node.dataset.serial));
  });
  space.addEventListener("keydown", (event) => {
    const step = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -columns,
      ArrowDown: columns,
      Home: -cells.length,
      End: cells.length,
    }[event.key];
    const how = meant(event);
    if (step !== undefined) {
      cursor = Math.min(cells.length - 1, Math.max(0, cursor + step));
      if (how === "one") anchor = cells[cursor];
      else range(begun(), cursor, how === "also");
    } else if (event.key === " ") {
      if (how === "one") anchor = cells[cursor];
      if (how === "one") toggle(cursor);
      else range(begun(), cursor, how === "also");
    } else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) range(0, cells.length - 1, false);
    else if (event.key !== "Enter" || !unfold(cursor)) return;
    event.preventDefault();
    event.stopPropagation();
    reveal();
  });
  el.addEventListener("keydown", (event) => {
    if (!model.get("question")) return;
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      model.send({ type: "cancel" });
    }
  });
  box.addEventListener("scroll", later, { passive: true });
  /** From the picture in full size to the one before or after it here. */
  el.addEventListener("ssvae-turn", (event) => {
    const { serial, step } = /** @type {CustomEvent} */ (event).detail,
      from = cells.findIndex((at) => serials[at] === serial),
      to = cells[from + step];
    if (from < 0 || to === undefined) return;
    cursor = from + step;
    anchor = to;
    event.preventDefault();
    look(serials[to]);
    reveal();
  });
  el.addEventListener("ssvae-fold", () => model.send({ type: "close", keep: true }));

  const onMessage = (message, buffers) => {
    if (message?.type !== "thumbnails" || message.version !== version) return;
    const data = array(buffers[1]);
    let at = 0;
    array(buffers[0], Uint32Array).forEach((serial, j) => {
      const shape = message.shapes[j],
        bytes = shape.length === 1 ? 4 * shape[0] : shape[0] * shape[1] * shape[2];
      pictures.delete(serial); // the newest stand last
      pictures.set(serial, { shape, data: data.slice(at, (at += bytes)) });
    });
    forget();
    later();
  };
  model.on("msg:custom", onMessage);
  const watch = new ResizeObserver(() => layout());
  watch.observe(box);

  const stops = [
    onShow(model.get("of")).listen(() => words.on && later()),
    follow(model, ["serials", "version"], () => {
      if (model.get("version") !== version) {
        version = model.get("version");
        pictures = new Map();
        asked = new Map();
        sent = model.get("heard");
        cursor = anchor = 0;
        open = new Set();
        box.scrollTop = 0;
      }
      serials = array(model.get("serials"), Uint32Array);
      stacks = array(model.get("stacks"), Int32Array);
      layout();
    }),
    follow(model, ["stacks", "marks"], () => {
      stacks = array(model.get("stacks"), Int32Array);
      marks = array(model.get("marks"), Uint8Array);
      layout();
      head();
    }),
    follow(model, ["excluded", "heard", "codes", "guesses", "classes", "palette"], () => {
      const stale = model.get("heard") < sent && model.get("version") === version && out.length === serials.length;
      if (!stale) {
        out = array(model.get("excluded")); // else an answer to an earlier click, which knows nothing of the last one
        toMap(el, "heard");
      }
      codes = array(model.get("codes"), Int32Array);
      guesses = array(model.get("guesses"), Int32Array);
      show();
      head();
    }),
    follow(model, ["shown", "question", "answer", "sorts", "sort", "note"], () => {
      if (!model.get("shown") && !el.hidden) onShow(model.get("of")).turn(-1); // the pointer was on what is gone
      el.hidden = !model.get("shown");
      el.classList.toggle("ssvae-hidden", !model.get("shown"));
      const options = model.get("sorts").join("\u0000");
      if (sort.dataset.options !== options) {
        sort.dataset.options = options;
        sort.replaceChildren(...model.get("sorts").map((s) => h("option", { value: s, text: `by ${s}` })));
      }
      sort.value = model.get("sort");
      const asking = model.get("question");
      ask.hidden = !asking;
      question.textContent = clean(asking);
      yes.textContent = clean(model.get("answer")) || "Yes";
      if (asking && !ask.dataset.asking) yes.focus({ preventScroll: true });
      ask.dataset.asking = asking;
      head();
      layout();
    }),
  ];
  function head() {
    const left = out.reduce((n, v) => n + v, 0),
      kept = serials.length - left,
      folded = serials.length - cells.length;
    title.title = folded ? `${count(folded)} of them are copies and not shown: ×2 opens a stack` : "";
    title.textContent = left ? `${count(kept)} of ${count(serials.length)}` : `${count(serials.length)} images`;
    hint.textContent =
      clean(model.get("note")) ||
      (left
        ? `${count(left)} left out · a class key ${words.on ? "gives the rest its word, or takes it" : "labels the rest"}`
        : words.on
          ? "Click what does not belong, then a word's key"
          : "Click what does not belong, then press a class key");
    hint.title =
      "A click leaves an image out or takes it in, Shift-click keeps only a range, with Ctrl one more range; Ctrl+A: all in again";
    el.setAttribute("data-count", serials.length);
    el.setAttribute("data-excluded", left);
  }
  return () => {
    stops.forEach((f) => f());
    model.off("msg:custom", onMessage);
    watch.disconnect();
    if (frame) cancelAnimationFrame(frame);
  };
}

export default { render };
