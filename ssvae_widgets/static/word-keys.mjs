/** What keys mean where pictures can have several words: painted at once, then told to Python. */

/** Paint a gesture; what Python is told of it. @param {import("./shared-map.mjs").Shared} shared @param {any} change as `Words.begin` takes it @param {number | null} flash the word that flashes when it is kept */
function paintWords(shared, change, flash = null) {
  const serials = shared.about,
    gesture = ++shared.gesture;
  shared.words.begin(gesture, serials, change);
  const color = change.clear ? null : (i) => shared.words.color(i);
  shared.touched(serials, shared.state.begin(gesture, serials, color, flash));
  shared.show.say("");
  shared.show.tell();
  return { gesture, source: shared.source === "lasso" || shared.source === "box" ? shared.source : "key" };
}

/** The word of a key to all that are selected, or away from them where all have it; the picture stays on show. */
export function toggleWord(shared, label) {
  const { words, show } = shared,
    serials = shared.about,
    on = words.state(serials, label) !== "true",
    facts = paintWords(shared, { label, on }, on ? label : null);
  shared.intent("label", { ...facts, label, on }, serials);
}

/** Nobody has said anything of them then. */
export function clearWords(shared) {
  const facts = paintWords(shared, { clear: true });
  shared.intent("clear", facts, shared.about);
}

/** None of the words, and that is the whole answer. */
export function noneOfThese(shared) {
  const serials = shared.about,
    facts = paintWords(shared, { words: [] });
  if (serials.length === 1) return shared.answer("none", facts, serials);
  shared.intent("none", facts, serials);
}

/**
 * That is all: an answer is whole, or the prediction on show is the answer; then the next proposal. @returns {string} why
 * nothing was done; empty when it was
 */
export function confirmWords(shared) {
  const { show, words } = shared,
    serials = shared.about,
    i = serials[0];
  if (serials.length !== 1) shared.intent("accept", {}, serials);
  else if (words.whole(i))
    shared.propose("next"); // nothing is left to be said
  else if (words.of(i)) shared.answer("accept", paintWords(shared, { whole: true }), serials);
  else if (show.drawn === i && show.suggested) {
    const said = show.suggested;
    shared.answer("accept", { ...paintWords(shared, { words: said }), words: said }, serials);
  } else if (show.drawn === i && show.coming) return `The prediction of #${i} is not here yet: the key was not used`;
  else return "Nothing is predicted yet: a class key gives a word, a comma says none of these";
  return "";
}
