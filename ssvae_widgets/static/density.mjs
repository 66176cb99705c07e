/** How dense a whole pool lies, as a soft shade under the points of its sample. The grid comes from Python; `shadeCells` is pure, `Density` paints it and has its line in the legend. */
import { packColor } from "./on-dark.mjs";
import { cellsToPixels } from "./regions.mjs";
import { clean, h, typed } from "./dom.mjs";

/** How opaque the densest cell is, on a light page and on a dark one. @type {Record<string, number>} */
const DEEPEST_SHADE = { light: 0.22, dark: 0.3 };

/**
 * One color whose opacity says how dense a cell is.
 * @param {ArrayLike<number>} shade 0..255 @param {string} ink "#rrggbb" @param {number} most opacity of 255, 0..1
 * @returns {Uint8ClampedArray<ArrayBuffer>} RGBA
 */
export function shadeCells(shade, ink, most) {
  const rgb = packColor(ink),
    out = new Uint8ClampedArray(4 * shade.length);
  for (let i = 0; i < shade.length; i++) out.set([rgb & 255, (rgb >> 8) & 255, rgb >> 16, most * shade[i]], 4 * i);
  return out;
}

/** The newest density of a map. */
export class Density {
  /** @param {(width: number, height: number) => HTMLCanvasElement} canvas makes one @param {() => void} toggle the line was clicked */
  constructor(canvas, toggle) {
    this.make = canvas;
    /** @type {any} */
    this.grid = null;
    this.on = false; // whether it is to be painted
    this.words = "";
    this.painted = "";
    /** @type {HTMLCanvasElement | null} */
    this.image = null;
    this.said = h("span");
    this.key = h(
      "button",
      { class: "ssvae-m-density", type: "button", hidden: true, title: "Show or hide the shade", onclick: toggle },
      h("span", { class: "ssvae-m-shades", "aria-hidden": "true" }),
      this.said,
    );
  }

  /** Take over what Python has sent; nothing, or what does not fit together, is no density. @param {any} told @param {boolean} wanted */
  read(told, wanted) {
    const { rows, columns, extent, words } = told || {},
      shade = typed(told?.shade, Uint8Array);
    this.words = clean(words || "", 300);
    this.grid =
      rows > 1 && columns > 1 && extent?.length === 4 && shade.length === rows * columns
        ? { rows, columns, extent, shade }
        : null;
    this.painted = "";
    this.on = wanted && !!this.grid;
    this.said.textContent = this.words;
    this.key.hidden = !this.words;
    this.key.setAttribute("aria-pressed", String(wanted));
  }

  /**
   * Paint the part that is looked at.
   * @param {CanvasRenderingContext2D} g of a clear canvas @param {{view: any, dpr: number, theme: string, ink: string}} look
   */
  draw(g, { view, dpr, theme, ink }) {
    const { rows, columns, extent, shade } = this.grid;
    if (this.painted !== theme + ink) {
      this.painted = theme + ink;
      this.image ||= this.make(columns, rows);
      this.image.width = columns;
      this.image.height = rows;
      const made = new ImageData(shadeCells(shade, ink, DEEPEST_SHADE[theme]), columns, rows);
      this.image.getContext("2d").putImageData(made, 0, 0);
    }
    g.setTransform(...cellsToPixels(extent, rows, columns, view, dpr));
    g.drawImage(this.image, 0, 0);
    g.setTransform(1, 0, 0, 1, 0, 0);
  }
}
