/** What the training panel says of a run: pure, so that `node --test` can import it. */
import { clean, count } from "./dom.mjs";
import { duration } from "./view-core.mjs";

const SHORT = { "preparing the epoch": "getting ready" };

/** Whole seconds, `3 min 05 s`, `1 h 12 min`; never zero. */
export function about(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return "";
  return seconds < 60 ? `${Math.max(1, Math.ceil(seconds))}\u00a0s` : duration(seconds).replaceAll(" ", "\u00a0");
}

/** What is said while a program is compiled: how long it has been, and what is known of how long it will be. */
export function compiling(lasted, lastTime) {
  if (!(lastTime > 0)) return `compiling: ${about(lasted)}, never measured here`;
  return lasted < lastTime
    ? `compiling: ${about(lasted)} of about ${about(lastTime)}`
    : `compiling: ${about(lasted)}, last time ${about(lastTime)}`;
}

/** An estimate: seconds below a hundred, then whole minutes. */
function roughly(seconds) {
  if (seconds < 99.5) return `${Math.max(1, Math.round(seconds))}\u00a0s`;
  return seconds < 3570 ? `${Math.round(seconds / 60)}\u00a0min` : about(seconds);
}

/** What a choice of so many epochs will take, or an empty string where that is nothing to speak of or not known. */
export function price(epochs, each, least = 3, more = false) {
  return epochs >= 1 && each * epochs >= least
    ? `${count(epochs)} ${more ? "more" : epochs === 1 ? "epoch" : "epochs"}: about ${roughly(each * epochs)}`
    : "";
}

/**
 * The line below the buttons. `s` holds the traits of the controls, `age` the seconds since they came; where it is `narrow` the bar alone counts batches.
 * @returns {string}
 */
export function runWords(s, age = 0, wanted = s.epochs, narrow = false) {
  const each = s.seconds,
    lasted = s.lasted + age,
    quick = each > 0 && (each < 2 || (s.doing === "preparing the epoch" && lasted < 1));
  if (!s.running) {
    const said = clean(s.message) || (s.total ? `${count(s.total)} epochs trained` : "not trained yet");
    if (s.doing === "drawing the map") return `${said.split(",")[0]} · ${s.doing}`;
    const cost = price(wanted, each || s.ahead, 3, s.total > 0),
      both = [said, cost].filter(Boolean).join(" · ");
    return both.length <= 48 ? both : said; // two lines; the cost stands in the title
  }
  if (s.stopping) return "stopping";
  if (!s.doing && !s.batches && !s.epoch) return clean(s.message) || "starting";
  const now = Math.min(s.epoch + (s.epoch < s.target ? 1 : 0), s.target),
    left = s.left - age;
  const parts = [`epoch ${count(now)} of ${count(s.target)}`];
  if (s.doing === "compiling") return compiling(lasted, s.last_time);
  if (s.epoch >= s.target || (s.doing !== "training" && s.doing && !quick))
    parts.push(SHORT[s.doing] || s.doing || "drawing the map");
  else {
    parts.push(left > 0.5 ? `${roughly(left)} left` : "nearly done");
    if (!narrow)
      parts.push(quick || !s.batches ? `${duration(each)} each` : `batch ${count(s.batch)} of ${count(s.batches)}`);
  }
  return parts.join(" · ");
}
