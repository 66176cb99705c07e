/** What the preview shows of a picture that can have several words: chips, a bar for each word, gestures. */
import { clean, h } from "./dom.mjs";
import { classColor } from "./view-core.mjs";

/** Bars that are shown at once; the words that somebody gave are always among them. */
const MOST_BARS = 6;

/** Which of the probabilities are shown: those that are there or likely first, then the next ones. @param {[number, number][]} probs the most probable first @param {number[]} there */
export function shownBars(probs, there, most = MOST_BARS) {
  const must = probs.filter(([k, p]) => p >= 0.5 || there.includes(k)),
    rest = probs.filter((pair) => !must.includes(pair)).slice(0, Math.max(0, most - must.length));
  return probs.filter((pair) => must.includes(pair) || rest.includes(pair));
}

const swatchOf = (palette, k) =>
  h("span", { class: "ssvae-swatch", style: classColor(palette, k), "aria-hidden": "true" });

/** The words of a picture as chips. @param {import("./words.mjs").Words} words @param {number} serial @param {string[]} names @param {string[]} palette */
export function wordChips(words, serial, names, palette) {
  const there = words.there(serial),
    text = words.text(serial, names);
  const chips = there?.length
    ? there.map((k) =>
        h("span", { class: "ssvae-chip", title: clean(names[k]) }, swatchOf(palette, k), h("span", { text: names[k] })),
      )
    : [h("span", { class: "ssvae-chip ssvae-chip-none" }, h("span", { text }))];
  return h("div", { class: "ssvae-words", role: "group", "aria-label": `Words: ${text}` }, ...chips);
}

/** A bar for each word, with a mark for what somebody said. */
export function wordBars(info, words, names, palette) {
  const { probs = [] } = info.words || {},
    known = words.of(info.serial),
    there = known?.[0] || [],
    shown = shownBars(probs, there),
    left = probs.length - shown.length;
  if (!shown.length)
    return h("div", {
      class: "ssvae-caption",
      text: info.coming ? "…" : "Answer a few pictures and the prediction appears here.",
    });
  const rows = shown.map(([k, p]) => {
    const said = there.includes(k) ? "yes" : known?.[1].includes(k) ? "no" : "",
      percent = Math.round(1000 * p) / 10,
      words = said ? `, somebody said ${said}` : "";
    return h(
      "div",
      {
        class: `ssvae-prob${p >= 0.5 ? " ssvae-prob-top" : ""}`,
        role: "listitem",
        "data-said": said,
        "aria-label": `${clean(names[k])} ${percent} percent${words}`,
      },
      h("span", { class: "ssvae-prob-said", "aria-hidden": "true", text: said === "yes" ? "✓" : "" }),
      h("span", { class: "ssvae-prob-name", text: names[k], title: clean(names[k]) }),
      h(
        "span",
        { class: "ssvae-prob-track" },
        h("span", { class: "ssvae-prob-fill", style: { width: `${percent}%`, ...classColor(palette, k) } }),
      ),
      h("span", { class: "ssvae-prob-value", text: p.toFixed(2) }),
    );
  });
  const source = info.source || "predicted",
    rest = left ? `${left} more, less likely` : "",
    each = "each word by itself, need not sum to one";
  return h(
    "div",
    { class: "ssvae-probs ssvae-word-bars", role: "list", "aria-label": `${source}, ${each}` },
    h("div", {
      class: "ssvae-caption",
      text: `predicted · ${each}`,
      title: `${source}: each word has a probability of its own, so they need not sum to one; from 0.50 on a word is predicted.`,
    }),
    ...rows,
    rest ? h("div", { class: "ssvae-caption ssvae-more-words", text: rest }) : null,
  );
}

/** What was said of it before, the newest first. */
export function wordHistory(info) {
  const past = (info.words?.history || []).map((e) =>
    h("li", {}, h("span", { text: clean(e.text, 80) }), h("span", { class: "ssvae-when", text: e.when })),
  );
  return past.length
    ? h("div", { class: "ssvae-history" }, h("div", { class: "ssvae-caption", text: "history" }), h("ul", {}, ...past))
    : null;
}
