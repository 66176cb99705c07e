/** An earlier round beside the map of now, in a dialog over the app: the same point is marked in both, and what changed between them can be seen alone. */
import { Moments, paintGround, paintPoints, resized, themeOf } from "./moments.mjs";
import { NONE } from "./raster.mjs";
import { clean, count, h, icon } from "./dom.mjs";
import { pickNearest, toPixel } from "./geometry.mjs";

const NEAR = 14; // pixels

/** What was and is said of a point. @param {Moments} m @param {number} i @param {number} k */
export function saidOf(m, i, k) {
  const [given, pred, sure] = [m.labels[k][i], m.pred[k][i], m.sure[k][i]],
    name = (code) => clean(m.info.classes[code] ?? `class ${code}`, 40);
  if (given !== NONE) return `labeled ${name(given)}`;
  return pred === NONE ? "not predicted" : `${name(pred)} (${Math.round((100 * sure) / 254)} %)`;
}

/** Whether another class was or is said of each point. @param {Moments} m @returns {Uint8Array} */
export function changedBetween(m) {
  const said = (i, k) => (m.labels[k][i] === NONE ? m.pred[k][i] : m.labels[k][i]);
  return Uint8Array.from(m.pred[0], (_, i) => Number(said(i, 0) !== said(i, 1)));
}

/** The next point that changed, or the one before; round and round. @param {Uint8Array} changed @param {number} at −1: none @param {number} step 1 or −1 */
export function nextChanged(changed, at, step) {
  const n = changed.length;
  for (let k = 1, i = at < 0 && step < 0 ? n : at; k <= n; k++) {
    i = (i + step + n) % n;
    if (changed[i]) return i;
  }
  return -1;
}

/**
 * The dialog, closed at first. `ask(k)` has round `k` and the map of now sent, which arrive at `got`; `choose(row)` shows a picture in the app.
 * @param {Element} root of the app @param {(k: number) => void} ask @param {(row: number) => void} choose
 */
export function beside(root, ask, choose) {
  const check = (text, on) => {
    const box = h("input", { type: "checkbox", checked: on });
    return [box, h("label", { class: "ssvae-beside-check" }, box, h("span", { text }))];
  };
  const which = h("select", { class: "ssvae-input", "aria-label": "Round on the left" }),
    [only, onlyField] = check("Only what changed", false),
    [regions, regionsField] = check("Regions", true),
    close = h(
      "button",
      {
        type: "button",
        class: "ssvae-button ssvae-small",
        title: "Close (Esc)",
        "aria-label": "Close",
        onclick: () => dialog.close(),
      },
      icon("close"),
    ),
    key = h("div", { class: "ssvae-beside-key", role: "group", "aria-label": "Classes" }),
    said = h("div", { class: "ssvae-beside-said", role: "status" }),
    panes = ["Then", "Now"].map((title) => {
      const ground = h("canvas", { "aria-hidden": "true" }),
        points = h("canvas", { role: "img", "aria-label": title }),
        mark = h("span", { class: "ssvae-beside-mark", hidden: true }),
        stage = h(
          "div",
          {
            class: "ssvae-beside-stage",
            tabindex: 0,
            role: "group",
            "aria-label": `${title}: arrow keys go to the next point that changed, Enter shows its picture`,
          },
          ground,
          points,
          mark,
        ),
        caption = h("figcaption", { class: "ssvae-beside-caption", text: title });
      return { ground, points, mark, stage, caption, el: h("figure", { class: "ssvae-beside-pane" }, caption, stage) };
    });
  const dialog = h(
    "dialog",
    {
      class: "ssvae-beside",
      tabindex: "-1",
      "aria-label": "Two rounds side by side",
      "data-lm-suppress-shortcuts": "true",
    },
    h(
      "div",
      { class: "ssvae-beside-bar" },
      h("strong", { text: "Side by side" }),
      which,
      h("span", { class: "ssvae-beside-gap" }),
      onlyField,
      regionsField,
      close,
    ),
    h("div", { class: "ssvae-beside-panes" }, ...panes.map((pane) => pane.el)),
    key,
    said,
  );
  root.append(dialog);
  /** @type {Moments | null} */
  let m = null;
  let rows = new Uint32Array(0), // which images its points are
    /** @type {Uint8Array} */
    changed = new Uint8Array(0),
    at = -1,
    asked = 0,
    known = [], // titles of the rounds
    word = "…"; // while there is nothing to see

  const size = (pane) => [pane.stage.clientWidth, pane.stage.clientHeight];
  function draw() {
    asked = 0;
    if (!m || !dialog.open) return;
    const dark = !!root.querySelector('.ssvae-map[data-theme="dark"]'),
      dpr = devicePixelRatio || 1;
    dialog.dataset.theme = dark ? "dark" : "light";
    const theme = themeOf(dialog, m.info.colors, dark);
    key.replaceChildren(
      ...m.info.classes.map((name, k) => h("span", {}, h("i", { style: { "--c": theme.hex[k] } }), clean(name, 40))),
    );
    panes.forEach((pane, k) => {
      const [w, hh] = size(pane),
        view = m.view(w, hh);
      for (const canvas of [pane.ground, pane.points]) resized(canvas, w, hh, dpr);
      pane.ground.hidden = !regions.checked;
      if (regions.checked) paintGround(pane.ground, m, k, view, dpr, theme);
      m.shade(k, only.checked ? (i) => !changed[i] : null);
      paintPoints(pane.points, m, m.places[k], view, dpr, theme);
    });
    mark(at);
    dialog.dataset.shown = String(m.info.frame);
  }
  const soon = () => {
    if (!asked) asked = requestAnimationFrame(draw);
  };
  /** Ring the point in both, and say what was and is said of it. */
  function mark(i) {
    at = i;
    panes.forEach((pane, k) => {
      const [w, hh] = size(pane),
        [x, y] = i < 0 ? [NaN, NaN] : toPixel(m.view(w, hh), m.places[k][2 * i], m.places[k][2 * i + 1]);
      pane.mark.hidden = !(x === x && y === y);
      if (!pane.mark.hidden) pane.mark.style.transform = `translate(${x}px, ${y}px)`;
    });
    const n = changed.reduce((sum, v) => sum + v, 0),
      of = m ? changed.length : 0,
      all = m && of < m.info.total ? `, a sample of ${count(m.info.total)}` : "";
    said.textContent =
      i >= 0
        ? `Image ${count(rows[i])}: ${saidOf(m, i, 0)} → ${saidOf(m, i, 1)}. Click or press Enter to see it.`
        : m
          ? `Another answer for ${count(n)} of ${count(of)} points${all}. Point at one to find it in both.`
          : word;
  }
  /** Nothing is on show: what was is not of the round that is chosen now. */
  function forget(text, titles = ["Then", "Now"]) {
    [m, word, changed] = [null, text, new Uint8Array(0)];
    panes.forEach((pane, k) => {
      for (const canvas of [pane.ground, pane.points]) canvas.width = canvas.height = 0;
      pane.caption.textContent = titles[k];
      pane.points.setAttribute("aria-label", titles[k]);
      pane.mark.hidden = true;
    });
    key.replaceChildren();
    delete dialog.dataset.shown;
    at = -1;
    said.textContent = word;
  }
  function fetch() {
    forget("…", [`Round ${Number(which.value) + 1} is being drawn …`, "Now …"]);
    ask(Number(which.value));
  }
  const fill = (titles) => {
    known = titles;
    which.replaceChildren(...titles.map((title, i) => h("option", { value: i, text: `${i + 1} · ${clean(title)}` })));
  };
  const see = () => {
    if (at < 0) return;
    const row = rows[at];
    dialog.close();
    choose(row);
  };
  panes.forEach((pane, k) => {
    pane.stage.addEventListener("pointermove", (e) => {
      if (!m) return;
      const box = pane.stage.getBoundingClientRect(),
        view = m.view(box.width, box.height),
        i = pickNearest(m.places[k], view, e.clientX - box.left, e.clientY - box.top, NEAR);
      if (i !== at) mark(i);
    });
    pane.stage.addEventListener("pointerleave", () => m && mark(-1));
    pane.stage.addEventListener("click", see);
    pane.stage.addEventListener("keydown", (e) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
      if (!m || e.ctrlKey || e.metaKey || e.altKey || (step === undefined && e.key !== "Enter")) return;
      e.preventDefault();
      if (step === undefined) see();
      else mark(nextChanged(changed, at, step));
    });
  });
  which.addEventListener("change", fetch);
  for (const box of [only, regions]) box.addEventListener("change", soon);
  dialog.addEventListener("keydown", (e) => {
    e.stopPropagation(); // the keys of the map are not for this
    if (e.key !== "Escape") return;
    e.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("click", (e) => e.target === dialog && dialog.close());
  const sized = new ResizeObserver(soon);
  panes.forEach((pane) => sized.observe(pane.stage));

  return {
    dialog,
    /** Open it on round `k` of those with these titles. */
    open(k, titles) {
      fill(titles);
      which.value = String(k);
      if (!dialog.open) dialog.showModal();
      which.focus();
      fetch();
    },
    /** Rounds came, or went, while it is open: the chosen one is followed, as far as there is one of its title. */
    rounds(titles) {
      if (!dialog.open || (titles.length === known.length && known.every((title, i) => title === titles[i]))) return;
      const was = which.value === "" ? -1 : Number(which.value),
        now = known.every((title, i) => title === titles[i]) ? was : titles.indexOf(known[was]);
      fill(titles);
      which.value = String(now); // −1: none of them
      if (now < 0) forget("This round is not there any more. Choose another one.");
      else if (now !== was) fetch();
    },
    /** The answer of Python: two moments and which points they are. */
    got(info, [blob]) {
      if (!dialog.open || which.value !== String(info.frame)) return;
      if (info.wrong) return forget(clean(info.wrong, 300));
      const arrays = Object.fromEntries(
        info.parts.map(({ name, at: from, bytes }) => [
          name,
          new Uint8Array(blob.buffer, blob.byteOffset + from, bytes),
        ]),
      );
      m = new Moments(info, arrays);
      rows = new Uint32Array(arrays.rows.slice().buffer);
      changed = changedBetween(m);
      panes.forEach((pane, i) => {
        pane.caption.textContent = clean(info.frames[i], 100);
        pane.points.setAttribute("aria-label", clean(`The map: ${info.frames[i]}`, 120));
      });
      at = -1;
      soon();
    },
    remove() {
      sized.disconnect();
      dialog.close();
      dialog.remove();
    },
  };
}
