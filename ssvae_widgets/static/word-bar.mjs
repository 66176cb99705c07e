/** The class buttons where a picture can have several words: check boxes with three states, and what Enter would say. */
import { clean, count } from "./dom.mjs";
import { digitKey } from "./view-core.mjs";
import { inWords } from "./words.mjs";

/** What is said of each state, for those who hear it. */
const STATES = { true: "on", mixed: "on some of the selection", false: "off" };

/** Bring the buttons up to date. @param {import("./class-bar.mjs").ClassBar} bar */
export function paintWordBar(bar) {
  const { model, page: show, order } = bar,
    { words } = show,
    selected = show.selected,
    n = selected.length,
    counts = model.get("counts"),
    names = model.get("classes"),
    tally = words.tally(selected),
    one = n === 1 ? selected[0] : -1,
    answered = one >= 0 && words.of(one) !== null,
    likely = one >= 0 && !answered && show.drawn === one ? show.suggested || [] : [];
  order.forEach((k, at) => {
    const button = bar.buttons.get(k);
    if (!button) return;
    const many = counts[k] || 0,
      name = bar.name(k),
      key = digitKey(at),
      state = words.state(selected, k, tally),
      guess = likely.includes(k);
    button.setAttribute("data-count", many);
    button.lastChild.textContent = count(many);
    button.classList.toggle("ssvae-on", state !== "false");
    button.classList.toggle("ssvae-guess", guess);
    button.setAttribute("aria-pressed", state);
    const pictures = `${count(many)} picture${many === 1 ? "" : "s"}`,
      here = n ? `, ${STATES[state]}` : "";
    button.setAttribute("aria-label", `${name}, ${pictures}${here}${guess ? ", predicted" : ""}`);
    button.title = `${name}: ${pictures}${n ? ` · ${STATES[state]}` : ""}${key ? ` · key ${key}` : ""}${guess ? " · predicted" : ""}`;
  });
  bar.head.textContent =
    n > 1
      ? `Words of ${count(n)} selected`
      : n === 1
        ? "Words of the selected picture"
        : "Select points, then press a key";
  bar.clear.disabled = !model.get("can_clear");
  bar.none.disabled = !n || !order.length;
  bar.none.hidden = false;
  bar.clear.firstChild.textContent = "Remove";
  bar.clear.title = "Remove the answer: nobody has said anything then (d)";
  bar.clear.setAttribute("aria-label", "Remove the answer (d)");
  const can = n > 1 ? model.get("can_accept") : answered || (one >= 0 && show.drawn === one && !!show.suggested);
  bar.accept.disabled = !n || !can;
  const [text, title] =
    n > 1
      ? ["Accept", "Of those without an answer, the predicted words are the answer (Enter)"]
      : answered
        ? ["That is all", `Its words are ${inWords(words.there(one), names, 9)}: go on (Enter)`]
        : can
          ? [
              likely.length ? "Accept" : "Accept none",
              `The predicted words are the answer: ${inWords(likely, names, 9)}; then the next (Enter)`,
            ]
          : ["Accept", "Nothing is predicted yet (Enter)"];
  bar.accept.firstChild.textContent = clean(text, 60);
  bar.accept.title = clean(title, 300);
}
