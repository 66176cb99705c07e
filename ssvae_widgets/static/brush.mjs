/** What a brush over bins means; pure, so that `node --test` can import it. */

/** The bin under a pixel; outside, the first or the last one. @param {number} x @param {number} width @param {number} n */
export function binAt(x, width, n) {
  return Math.max(0, Math.min(n - 1, Math.floor((x / Math.max(1, width)) * n)));
}

/** The first and the last bin of a drag. @param {number} a @param {number} b */
export function draggedBins(a, b) {
  return a <= b ? [a, b] : [b, a];
}

/** Places with one more, or without it. @param {number[]} places @param {number} place */
export function toggled(places, place) {
  return places.includes(place) ? places.filter((p) => p !== place) : [...places, place].sort((a, b) => a - b);
}

/** A share as CSS takes it; what is there at all can be seen. @param {number} part @param {number} whole */
export function shareOf(part, whole) {
  return part > 0 ? `max(1px, ${((100 * part) / whole).toFixed(2)}%)` : "0";
}
