/** Regions under the points of a map: a soft tint of the class that the points around say, and thin lines of equal certainty. The grid comes from Python; what is worked out here is pure, `Areas` paints it. */
import { packColor } from "./on-dark.mjs";
import { NONE } from "./raster.mjs";
import { typed } from "./dom.mjs";

/** A certainty that nothing is said of; the others are steps of 1/254. */
export const SILENT = 255;
/** Certainties that a line is drawn for, the surest first, and whether it is broken. @type {[number, boolean][]} */
export const LEVELS = [
  [0.9, false],
  [0.5, true],
];

/**
 * Lines along which a grid of certainties has one value (marching squares), between the middles of its cells. They end where nothing is said.
 * @param {ArrayLike<number>} field 0..254, or SILENT, row after row @param {number} rows @param {number} columns @param {number} level in 0..1
 * @returns {number[][]} x, y, x, y, … of each line in cells; one that is closed ends where it began
 */
export function contours(field, rows, columns, level) {
  const value = level * 254,
    links = new Int32Array(4 * rows * columns).fill(-1), // each border between two cells meets at most two pieces of line
    starts = [];
  const join = (a, b) => {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ]) {
      if (links[2 * from] < 0) {
        links[2 * from] = to;
        starts.push(from);
      } else links[2 * from + 1] = to;
    }
  };
  for (let r = 0; r + 1 < rows; r++)
    for (let c = 0; c + 1 < columns; c++) {
      const at = r * columns + c,
        one = field[at],
        two = field[at + 1],
        three = field[at + columns + 1],
        four = field[at + columns];
      if (one === SILENT || two === SILENT || three === SILENT || four === SILENT) continue;
      const high = Number(one >= value) + Number(two >= value) + Number(three >= value) + Number(four >= value);
      if (high === 0 || high === 4) continue;
      const above = [one >= value, two >= value, three >= value, four >= value],
        edges = [2 * at, 2 * (at + 1) + 1, 2 * (at + columns), 2 * at + 1], // below, right, above, left
        cut = [0, 1, 2, 3].filter((k) => above[k] !== above[(k + 1) % 4]).map((k) => edges[k]);
      if (cut.length === 2) join(cut[0], cut[1]);
      else if (cut.length === 4) {
        const middle = (one + two + three + four) / 4 >= value;
        if (middle === above[0]) {
          join(cut[0], cut[1]);
          join(cut[2], cut[3]);
        } else {
          join(cut[3], cut[0]);
          join(cut[1], cut[2]);
        }
      }
    }
  const place = (edge) => {
    const at = edge >> 1,
      [dx, dy] = edge & 1 ? [0, 1] : [1, 0],
      a = field[at],
      t = (value - a) / (field[at + dx + dy * columns] - a);
    return [(at % columns) + 0.5 + t * dx, Math.floor(at / columns) + 0.5 + t * dy];
  };
  const seen = new Uint8Array(2 * rows * columns),
    lines = [];
  const walk = (start) => {
    const line = [];
    let at = start;
    while (at >= 0 && !seen[at]) {
      seen[at] = 1;
      line.push(...place(at));
      const [a, b] = [links[2 * at], links[2 * at + 1]],
        last = at;
      at = a >= 0 && !seen[a] ? a : b >= 0 && !seen[b] ? b : -1;
      if (at < 0 && line.length > 4 && (a === start || b === start) && last !== start) line.push(line[0], line[1]);
    }
    lines.push(line);
  };
  for (const open of [true, false])
    for (const start of starts) if (!seen[start] && links[2 * start + 1] < 0 === open) walk(start);
  return lines;
}

/** Four values a cell, each with a little of the cells around: down, then across, by 1 2 1. */
function soften(values, rows, columns) {
  const along = (from, step, n, each, m) => {
    const out = new Float32Array(from.length);
    for (let j = 0; j < m; j++)
      for (let k = 0; k < n; k++) {
        const at = j * each + k * step,
          before = k ? at - step : at,
          after = k + 1 < n ? at + step : at;
        for (let c = 0; c < 4; c++)
          out[4 * at + c] = (from[4 * before + c] + 2 * from[4 * at + c] + from[4 * after + c]) / 4;
      }
    return out;
  };
  return along(along(values, columns, rows, 1, columns), 1, columns, columns, rows);
}

/**
 * The tint of each cell: its class in a little of its color, more where it is surer, with soft edges; clear where nothing is said.
 * @param {ArrayLike<number>} codes NONE: nothing is said @param {ArrayLike<number>} certainty 0..254 @param {number} rows @param {number} columns
 * @param {string[]} colors "#rrggbb" by code @param {[number, number]} opacity of a doubtful and of a certain one, 0..1
 * @returns {Uint8ClampedArray<ArrayBuffer>} RGBA
 */
export function tintCells(codes, certainty, rows, columns, colors, [low, high]) {
  let light = new Float32Array(4 * codes.length);
  const packed = colors.map(packColor),
    out = new Uint8ClampedArray(light.length);
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] === NONE || certainty[i] === SILENT || !packed.length) continue;
    const c = packed[codes[i] % packed.length],
      a = low + ((high - low) * certainty[i]) / 254;
    light.set([(c & 255) * a, ((c >> 8) & 255) * a, (c >> 16) * a, a], 4 * i);
  }
  for (let pass = 0; pass < 2; pass++) light = soften(light, rows, columns);
  for (let i = 0; i < out.length; i += 4) {
    const a = light[i + 3];
    for (let c = 0; c < 3; c++) out[i + c] = a ? light[i + c] / a : 0;
    out[i + 3] = 255 * a;
  }
  return out;
}

/** How opaque tints are on a light page and on a dark one. @type {Record<string, [number, number]>} */
const TINT = { light: [0.04, 0.2], dark: [0.06, 0.26] };

/** Where a grid lies on the canvas. @returns {[number, number, number, number, number, number]} of `setTransform`: from cells to device pixels */
export function cellsToPixels([x0, x1, y0, y1], rows, columns, view, dpr) {
  const kx = (dpr * view.w) / (view.x1 - view.x0),
    ky = (dpr * view.h) / (view.y1 - view.y0);
  return [(kx * (x1 - x0)) / columns, 0, 0, (-ky * (y1 - y0)) / rows, kx * (x0 - view.x0), ky * (view.y1 - y0)];
}

/** A line as a path with rounded corners: through the middles of its pieces. */
function smooth(path, line) {
  const n = line.length / 2,
    closed = n > 3 && line[0] === line[2 * n - 2] && line[1] === line[2 * n - 1],
    mid = (k) => [(line[2 * k] + line[2 * k + 2]) / 2, (line[2 * k + 1] + line[2 * k + 3]) / 2];
  if (n < 2) return;
  const [x, y] = closed ? mid(0) : [line[0], line[1]];
  path.moveTo(x, y);
  for (let k = closed ? 1 : 0; k + 1 < n; k++) {
    const [mx, my] = mid(k);
    path.quadraticCurveTo(line[2 * k], line[2 * k + 1], mx, my);
  }
  if (closed) path.quadraticCurveTo(line[0], line[1], x, y);
  else path.lineTo(line[2 * n - 2], line[2 * n - 1]);
}

/** The newest regions of a map, and their painting. */
export class Areas {
  /** @param {(width: number, height: number) => HTMLCanvasElement} canvas makes one */
  constructor(canvas) {
    this.make = canvas;
    /** @type {any} */
    this.grid = null;
    this.tinted = "";
    /** @type {HTMLCanvasElement | null} */
    this.image = null;
  }

  /** Take over what Python has sent; nothing, or what does not fit together, is no regions. */
  read(areas) {
    const { rows, columns, extent } = areas || {};
    this.grid = null;
    this.tinted = "";
    if (!(rows > 1 && columns > 1 && extent?.length === 4)) return;
    const codes = typed(areas.codes, Uint16Array),
      certainty = typed(areas.certainty, Uint8Array);
    if (codes.length !== rows * columns || certainty.length !== codes.length) return;
    const lines = LEVELS.map(([level, broken]) => {
      const path = new Path2D();
      for (const line of contours(certainty, rows, columns, level)) smooth(path, line);
      return { path, broken };
    });
    this.grid = { rows, columns, extent, codes, certainty, lines };
  }

  /**
   * Paint the part that is looked at.
   * @param {CanvasRenderingContext2D} g of a clear canvas @param {{view: any, dpr: number, colors: string[], theme: string, line: string}} look `colors` of the classes, none: lines alone
   */
  draw(g, { view, dpr, colors, theme, line }) {
    const { grid } = this;
    if (!grid) return;
    const { rows, columns } = grid,
      to = cellsToPixels(grid.extent, rows, columns, view, dpr),
      key = [theme, ...colors].join();
    if (colors.length && this.tinted !== key) {
      this.tinted = key;
      this.image ||= this.make(columns, rows);
      this.image.width = columns;
      this.image.height = rows;
      const made = new ImageData(
        tintCells(grid.codes, grid.certainty, rows, columns, colors, TINT[theme]),
        columns,
        rows,
      );
      this.image.getContext("2d").putImageData(made, 0, 0);
    }
    g.setTransform(...to);
    if (colors.length) g.drawImage(this.image, 0, 0);
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.strokeStyle = line;
    g.lineJoin = "round";
    for (const { path, broken } of grid.lines) {
      const placed = new Path2D();
      placed.addPath(path, new DOMMatrix(to));
      g.lineWidth = (broken ? 0.9 : 0.8) * dpr;
      g.globalAlpha = broken ? 0.55 : 0.35;
      g.setLineDash(broken ? [4 * dpr, 4 * dpr] : []);
      g.stroke(placed);
    }
    g.globalAlpha = 1;
    g.setLineDash([]);
  }
}
