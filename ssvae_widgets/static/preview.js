import { array, clean, count, h } from "./dom.mjs";
import { lightbox } from "./lightbox.mjs";
import { classColor, digitKey, fit, follow, giveKeysBack, paintItem, toMap } from "./view-core.mjs";
import { fitWindow } from "./fit-window.mjs";
import { knowsSteps, onShow } from "./on-show.mjs";
import { wordBars, wordChips, wordHistory } from "./preview-words.mjs";

/** What to do first, while nothing is shown. @param {number} many classes @param {boolean} several a picture can have more than one */
const firstSteps = (many, several) => [
  ["click", "look at a picture"],
  many
    ? [many > 1 ? `0 – ${Math.min(many, 10) - 1}` : "0", several ? "give it words" : "give it a class"]
    : ["/", "name a first class; its key is 0"],
  ...(many && several ? [["⏎", "that is all, go on"]] : []),
  ["n", "ask what to label next"],
];

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  el.classList.add("ssvae-view", "ssvae-preview");
  const show = onShow(model.get("of"));
  let shown = {},
    shapes = [], // of the pictures on show
    drawn = false, // whether there is a model that draws; without one the picture has the room for itself
    light = null;
  /** Both pictures as large as their room allows, whole pixels for small ones. @param {HTMLElement} pair */
  const place = (pair) => {
    const { width, height } = pair.getBoundingClientRect();
    if (width < 2) return;
    const many = pair.children.length,
      caption = 20,
      beside = Math.min((width - 10 * (many - 1)) / many, height - caption),
      stacked = Math.min(width, (height - 4 * (many - 1)) / many - caption);
    pair.classList.toggle("ssvae-stacked", many > 1 && stacked > beside);
    const box = Math.max(24, Math.max(beside, stacked) - 2);
    pair.querySelectorAll("canvas").forEach((canvas, k) => {
      const own = shapes[k],
        shape = shapes[0], // the drawing stands as large as what it is of
        size = shape.length === 1 ? { width: box, height: box, pixelated: false } : fit(shape[0], shape[1], box);
      canvas.style.width = `${size.width}px`;
      canvas.style.height = `${size.height}px`;
      canvas.classList.toggle("ssvae-pixelated", size.pixelated && own?.[0] === shape[0]);
    });
  };
  const resize = new ResizeObserver(() => {
    const pair = /** @type {HTMLElement | null} */ (el.querySelector(".ssvae-pair"));
    if (pair) place(pair);
  });
  /** The picture on show in full size, over the page; false where there is none. */
  const open = () => {
    const info = shown.info;
    if (!(info?.serial >= 0) || info.original?.shape.length === 1 || !el.isConnected) return false;
    light ??= lightbox(
      el.closest("[tabindex]") ?? el,
      (serial) => model.send({ type: "original", serial }),
      () => {
        show.light = null;
        if (document.activeElement === document.body) giveKeysBack(el); // not from a card that opened meanwhile
      },
      (code) => toMap(el, "label", code),
    );
    if (!light.open) show.say(""); // what was refused before says nothing of this picture
    show.light = light; // before it opens: the pointer leaves the map then
    const { words } = show,
      names = model.get("classes"),
      its = words.on
        ? words.there(info.serial) || []
        : info.label >= 0 && info.label < names.length
          ? [info.label]
          : [],
      said = words.on ? words.text(info.serial, names) : names[its[0]];
    const withKeys = words.order.slice(0, 10).map((code, at) => ({
      code,
      key: digitKey(at),
      name: clean(names[code], 40),
      style: classColor(model.get("palette"), code),
      on: its.includes(code),
    }));
    light.show(info.serial, info.name, said || "unlabeled", withKeys);
    return true;
  };
  const received = (message, buffers) => message?.type === "original" && light?.got(message, buffers[0]);
  const draw = (anew = true) => {
    const got = show.pick(model.get("info"), model.get("pixels"));
    const { words } = show;
    if (!got || (!anew && got.info === shown.info && words.version === shown.version)) return;
    shown = { ...got, version: words.version };
    const { info, pixels: data } = got;
    show.drew(info);
    if (light?.open) queueMicrotask(() => (info?.serial >= 0 ? open() : show.waiting || light.close()));
    el.setAttribute("role", "region");
    el.setAttribute("aria-label", "Preview");
    if (!info || info.serial === undefined) {
      const known = knowsSteps(),
        rows = firstSteps(show.words.order.length, show.words.on).flatMap(([key, does]) => [
          h("span", {}, h("kbd", { text: key })),
          h("span", { text: does }),
        ]);
      const away = h("button", {
        type: "button",
        class: "ssvae-button ssvae-got-it",
        text: "Got it",
        onclick: () => {
          knowsSteps(true);
          draw();
          giveKeysBack(el);
        },
      });
      el.replaceChildren(
        h(
          "div",
          { class: "ssvae-empty" },
          h("p", { text: info?.hint || "Point at the map to see an image." }),
          known ? null : h("div", { class: "ssvae-first" }, ...rows),
          h("p", { class: "ssvae-all-keys" }, h("kbd", { text: "?" }), " shows all keys"),
          known ? null : away,
        ),
      );
      el.removeAttribute("data-serial");
      return;
    }
    if (words.on ? words.of(info.serial) : info.label >= 0) knowsSteps(true);
    el.setAttribute("data-serial", info.serial);
    el.setAttribute("data-kind", info.kind || "selected");
    const classes = model.get("classes"),
      palette = model.get("palette");
    const name = (k) => (k >= 0 && k < classes.length ? classes[k] : "–");

    const picture = (entry, box, label, extra = {}) => {
      const canvas = h("canvas", { role: "img", "aria-label": clean(label), ...extra });
      const shape = entry.shape;
      const bytes = array(data).subarray(entry.offset, entry.offset + entry.bytes);
      if (shape.length === 1) {
        canvas.style.width = `${box}px`;
        canvas.style.height = `${box}px`;
        queueMicrotask(() => paintItem(canvas, array(bytes, Float32Array), shape));
      } else {
        const size = fit(shape[0], shape[1], box);
        canvas.style.width = `${size.width}px`;
        canvas.style.height = `${size.height}px`;
        canvas.classList.toggle("ssvae-pixelated", size.pixelated);
        paintItem(canvas, bytes, shape);
      }
      return canvas;
    };
    const opener = (entry, caption, canvas) =>
      caption !== "original" || entry.shape.length === 1
        ? canvas
        : h(
            "button",
            {
              type: "button",
              class: "ssvae-open",
              title: "Open in full size (o)",
              "aria-label": "Open the picture in full size",
              onclick: open,
            },
            canvas,
          );
    const figure = (entry, caption) =>
      h(
        "figure",
        { class: "ssvae-figure" },
        entry
          ? opener(entry, caption, picture(entry, model.get("box"), `${caption} of item ${info.serial}`))
          : h("div", { class: "ssvae-nothing", text: "…" }),
        h("figcaption", { text: caption }),
      );

    const swatch = (k) => h("span", { class: "ssvae-swatch", style: classColor(palette, k), "aria-hidden": "true" });
    const title = h(
      "div",
      { class: "ssvae-preview-title" },
      h("span", { class: "ssvae-serial", text: `#${info.serial}` }),
      info.name ? h("span", { class: "ssvae-name", text: info.name, title: clean(info.name) }) : null,
      words.on
        ? null
        : h(
            "span",
            { class: "ssvae-chip" + (info.label >= 0 ? "" : " ssvae-chip-none") },
            info.label >= 0 ? swatch(info.label) : null,
            h("span", { text: info.label >= 0 ? name(info.label) : "unlabeled" }),
          ),
    );
    const flags = (info.flags || []).map((flag) =>
      h("span", { class: "ssvae-flag", "data-flag": flag, text: flag === "exclude" ? "excluded" : flag }),
    );
    const copies = info.copies
      ? h("button", {
          type: "button",
          class: "ssvae-flag ssvae-copies",
          text: `${count(info.copies)} ${info.copies > 1 ? "copies" : "copy"}`,
          title: "Select this picture and its copies",
          onclick: () => model.send({ type: "copies", serial: info.serial }),
        })
      : null;
    const covers = model.get("covers"),
      cover =
        copies && "on" in covers
          ? h("button", {
              type: "button",
              class: "ssvae-flag ssvae-cover",
              "aria-pressed": String(covers.on),
              text: covers.on ? "✓ labels cover copies" : "label copies too",
              title: `A label goes to all copies of its picture, with one undo · ${clean(covers.text, 200)}`,
              onclick: () => model.send({ type: "cover", on: !covers.on }),
            })
          : null;
    const remarks =
      flags.length || info.written || copies
        ? h(
            "div",
            { class: "ssvae-remarks" },
            copies,
            cover,
            ...flags,
            info.written ? h("span", { class: "ssvae-written", text: clean(info.written, 2000) }) : null,
          )
        : null;

    if (!info.coming || info.reconstruction) drawn = Boolean(info.reconstruction);
    const pair = h(
      "div",
      { class: "ssvae-pair" },
      figure(info.original, "original"),
      drawn ? figure(info.reconstruction, "reconstruction") : null,
    );
    shapes = [info.original, info.reconstruction].map((entry) => entry?.shape);

    const probs = (info.probs || []).map(([k, p]) => {
      const percent = Math.round(1000 * p) / 10;
      return h(
        "div",
        {
          class: "ssvae-prob" + (k === info.prediction ? " ssvae-prob-top" : ""),
          role: "listitem",
          "aria-label": `${clean(name(k))} ${percent} percent`,
        },
        h("span", { class: "ssvae-prob-name", text: name(k), title: clean(name(k)) }),
        h(
          "span",
          { class: "ssvae-prob-track" },
          h("span", { class: "ssvae-prob-fill", style: { width: `${percent}%`, ...classColor(palette, k) } }),
        ),
        h("span", { class: "ssvae-prob-value", text: p.toFixed(2) }),
      );
    });
    const probabilities = words.on
      ? wordBars(info, words, classes, palette)
      : probs.length
        ? h(
            "div",
            { class: "ssvae-probs", role: "list", "aria-label": info.source || "Prediction" },
            h("div", { class: "ssvae-caption", text: info.source || "prediction" }),
            ...probs,
          )
        : h("div", {
            class: "ssvae-caption",
            text: info.coming ? "…" : "A prediction needs two classes and a few labels.",
          });

    const said = (n) => (words.on ? words.text(n.serial, classes) : n.label >= 0 ? clean(name(n.label)) : "unlabeled"),
      first = (n) => (words.on ? (words.there(n.serial)?.[0] ?? -1) : n.label);
    const near = (info.neighbors || []).map((n) =>
      h(
        "button",
        {
          type: "button",
          class: "ssvae-neighbor",
          style: classColor(palette, first(n)),
          "data-serial": n.serial,
          title: `#${n.serial} · ${said(n)}`,
          "aria-label": `Neighbor ${n.serial}, ${said(n)}`,
          onclick: () => {
            if (!toMap(el, "choose", n.serial).done) model.send({ type: "select", serial: n.serial });
          },
        },
        picture(n, model.get("small"), `item ${n.serial}`, { "aria-hidden": "true" }),
      ),
    );
    const neighbors = near.length
      ? h(
          "div",
          { class: "ssvae-near" },
          h("div", { class: "ssvae-caption", text: "nearest neighbors" }),
          h("div", { class: "ssvae-strip" }, ...near),
        )
      : null;

    const past = (info.history || []).map((e) =>
      h(
        "li",
        {},
        e.label >= 0 ? swatch(e.label) : null,
        h("span", { text: e.label >= 0 ? name(e.label) : "label removed" }),
        h("span", { class: "ssvae-when", text: e.when }),
      ),
    );
    const history = words.on
      ? wordHistory(info)
      : past.length
        ? h(
            "div",
            { class: "ssvae-history" },
            h("div", { class: "ssvae-caption", text: `history${past.length > 1 ? ` · ${count(past.length)}` : ""}` }),
            h("ul", {}, ...past),
          )
        : null;

    el.replaceChildren(
      title,
      ...(words.on ? [wordChips(words, info.serial, classes, palette)] : []),
      ...(info.reason ? [h("div", { class: "ssvae-reason", text: info.reason })] : []),
      ...(remarks ? [remarks] : []),
      pair,
      probabilities,
      ...(neighbors ? [neighbors] : []),
      ...(history ? [history] : []),
    );
    resize.disconnect();
    resize.observe(pair);
    place(pair);
  };
  show.views += 1;
  show.openers.add(open);
  model.on("msg:custom", received);
  const unfit = fitWindow(el, model);
  const stops = [
    follow(model, ["info", "pixels", "classes", "palette", "box", "covers"], draw),
    show.listen(() => {
      draw(false);
      light?.say(show.note);
    }),
  ];
  return () => {
    show.views -= 1;
    show.openers.delete(open);
    model.off("msg:custom", received);
    light?.remove();
    resize.disconnect();
    unfit();
    stops.forEach((f) => f());
  };
}

export default { render };
