/** The view at rest: all points, and at the edges room for the pictures that lie there. Pure; tested in node. */

/** The smallest and largest of each coordinate; what is no number is left out. @param {Float32Array} xy @returns {number[]} x0, x1, y0, y1 */
export function extent(xy) {
  const out = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < xy.length; i++) {
    const a = 2 * (i & 1),
      v = xy[i];
    if (v < out[a] && v > -Infinity) out[a] = v;
    if (v > out[a + 1] && v < Infinity) out[a + 1] = v;
  }
  return out;
}

/**
 * The home of the points, wider where a picture over the outermost one would be cut off by the frame.
 * @param {number[]} home x0, x1, y0, y1 @param {number[]} ends the points' `extent` @param {number} w of the plot area, CSS pixels @param {number} h
 * @param {number} side of a picture, CSS pixels; 0: there are none
 */
export function restView(home, ends, w, h, side) {
  const axis = (low, high, first, last, size) => {
    const margin = Math.min(side + 4, size / 4), // it lies over its point, but not always with its middle
      scale = (last - first) / (size - 2 * margin);
    if (!side || !(size > 0) || !(scale > 0)) return [low, high];
    return [Math.min(low, first - margin * scale), Math.max(high, last + margin * scale)];
  };
  const [x0, x1] = axis(home[0], home[1], ends[0], ends[1], w),
    [y0, y1] = axis(home[2], home[3], ends[2], ends[3], h);
  return { x0, x1, y0, y1 };
}

/** Whether two views are the same but for rounding. @param {number[]} a x0, x1, y0, y1 @param {number[] | undefined} b */
export function sameView(a, b) {
  const near = (i, span) => Math.abs(a[i] - b[i]) <= 1e-6 * Math.abs(span);
  return b?.length === 4 && [0, 1, 2, 3].every((i) => near(i, i < 2 ? b[1] - b[0] : b[3] - b[2]));
}
