/** The words of a picture on the contact sheet: a strip in their colors, with their names where there is room. */
import { clean, h } from "./dom.mjs";
import { classColor } from "./view-core.mjs";

/** CSS pixels of a tile from which on words are written out. */
const NAMED = 96;

/** Bring the strip of a tile up to date. @param {HTMLElement} node @param {number[] | null} there @param {string[]} names @param {string[]} palette @param {number} side of the tile */
export function tileWords(node, there, names, palette, side) {
  const key = JSON.stringify([there, side >= NAMED, (there || []).map((k) => [names[k], palette[k]])]),
    old = /** @type {HTMLElement | null} */ (node.querySelector(".ssvae-tile-words"));
  if (old?.dataset.key === key) return;
  old?.remove();
  if (!there) return;
  const part = (k) =>
    h("span", { style: classColor(palette, k) }, side >= NAMED ? h("span", { text: clean(names[k] ?? k, 24) }) : null);
  const none = h("span", { class: "ssvae-tile-none" }, side >= NAMED ? h("span", { text: "none" }) : null),
    strip = h(
      "span",
      { class: "ssvae-tile-words", "aria-hidden": "true" },
      ...(there.length ? there.map(part) : [none]),
    );
  strip.classList.toggle("ssvae-named", side >= NAMED);
  strip.dataset.key = key;
  node.append(strip);
}
