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

/**
 * Messages of facets to Python, one on its way at a time; of those that come meanwhile the last of each column waits. One that is not answered in `patience`
 * milliseconds is given up: the next one goes, and `givenUp` shows what Python has.
 * @param {any} model @param {() => void} givenUp @param {number} patience
 */
export function sender(model, givenUp = () => {}, patience = 2000) {
  let n = Math.floor(Math.random() * 2 ** 20),
    sent = 0,
    about = "",
    timer;
  const waiting = new Map();
  const go = () => {
    if (sent || !waiting.size) return;
    const [[column, what]] = waiting;
    waiting.delete(column);
    [sent, about] = [++n, column];
    timer = setTimeout(() => {
      over();
      givenUp();
    }, patience);
    model.send({ type: "facet", column, ...what, n });
  };
  const over = () => {
    clearTimeout(timer);
    sent = 0;
    go();
  };
  return {
    ask(column, what) {
      waiting.set(column, what);
      go();
    },
    heard() {
      if (sent && model.get("heard") === sent) over();
    },
    /** Whether something about a column is on its way or waits. */
    busy: (column) => (sent > 0 && about === column) || waiting.has(column),
    /** What waits is not wanted any more. */
    drop: () => waiting.clear(),
    end: () => clearTimeout(timer),
  };
}
