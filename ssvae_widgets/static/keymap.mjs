/**
 * Keys to actions. Pure; tested in node. A binding is written like "Mod+Shift+z": Mod is Ctrl, or Cmd on a Mac.
 * Digits are not listed: "label:<digit>" is built in and can be rebound like everything else.
 */
export const DEFAULT_KEYS = {
  clear: ["d", "Delete", "Backspace"],
  undo: ["Mod+z"],
  redo: ["Mod+Shift+z", "Mod+y"],
  next: ["n"],
  back: ["b"],
  skip: ["s"],
  accept: ["Enter"],
  none: [","],
  "move:left": ["ArrowLeft"],
  "move:right": ["ArrowRight"],
  "move:up": ["ArrowUp"],
  "move:down": ["ArrowDown"],
  "tool:lasso": ["l"],
  "tool:box": ["m"],
  "tool:pointer": ["v"],
  "tool:pan": ["h"],
  "tool:decode": ["x"],
  original: ["o"],
  color: ["c"],
  train: ["t"],
  stop: ["."],
  "snapshot:back": ["["],
  "snapshot:forward": ["]"],
  filter: ["f"],
  reset: ["r"],
  escape: ["Escape"],
  classes: ["/"],
  help: ["?"],
  "zoom:in": ["+", "="],
  "zoom:out": ["-", "_"],
  selectall: ["Mod+a"],
  invert: ["i"],
  walk: ["w"],
  trails: ["a"],
  grow: ["g"],
  similar: ["q"],
  find: ["p"],
  reselect: ["u"],
  take: ["e"],
  doubt: ["z"],
  "flag:unsure": ["y"],
  "flag:exclude": ["k"],
  "flag:star": ["*"],
  note: ["j"],
};

export const KEY_HELP = {
  label: "give the class with this key to the selection",
  clear: "remove the label",
  undo: "undo",
  redo: "redo",
  next: "what next? the next suggestion",
  back: "the suggestion before",
  skip: "skip this suggestion: it is proposed no more",
  accept: "accept the prediction",
  none: "none of these words, where a picture can have several",
  move: "the nearest unlabeled point that way",
  "tool:lasso": "lasso: draw around points (Shift adds, Alt subtracts)",
  "tool:box": "box (Shift adds, Alt subtracts)",
  "tool:pointer": "pointer: click selects, drag pans",
  "tool:pan": "pan: drag moves the map",
  "tool:decode": "hold (or press, and press again): what the model would draw here; drag: what lies between",
  original: "open the picture in full size",
  color: "next coloring",
  train: "train",
  stop: "stop training",
  "snapshot:back": "the round before",
  "snapshot:forward": "the round after",
  filter: "show only the selection, or all again",
  reset: "show the whole map again",
  escape: "close what is open, one thing at a time; then drop the selection",
  classes: "find a class by name, or add one",
  help: "these keys",
  "zoom:in": "zoom in",
  "zoom:out": "zoom out",
  selectall: "select all points shown",
  invert: "invert the selection",
  walk: "walk through what the last round changed",
  trails: "trails of the points that moved",
  grow: "grow the selection to its neighbors",
  similar: "more like these, nearest first; again: without what was left out",
  find: "find pictures by a part of their file name",
  reselect: "bring back the selection before; again: the one before that",
  take: "take away: labels with file names, pictures, the model …",
  doubt: "look again at the label that the others contradict",
  "flag:unsure": "unsure, or no longer",
  "flag:exclude": "keep out (exclude), or back in",
  "flag:star": "a star, or none",
  note: "write a note",
};

/** The same where a picture can have several words. @type {Record<string, string>} */
const WORD_HELP = {
  label: "give the word with this key, or take it where all selected have it",
  accept: "that is all; or, without a word yet, accept the prediction: then the next",
  none: "none of these words, and that is all",
  clear: "remove the answer",
};

/** What belongs together in the help. An action that stands nowhere comes last. @type {any[]} */
export const KEY_GROUPS = [
  ["Label", ["label", "accept", "none", "clear", "undo", "redo", "doubt", "classes"]],
  ["What next", ["next", "skip", "back", "walk"]],
  ["Select", ["tool:lasso", "tool:box", "move", "grow", "selectall", "invert", "reselect", "escape"]],
  ["Flag", ["flag:unsure", "flag:exclude", "flag:star", "note"]],
  ["Find and look", ["tool:decode", "similar", "find", "original", "filter", "color"]],
  ["Map", ["tool:pointer", "tool:pan", "zoom:in", "zoom:out", "reset", "trails"]],
  ["Train", ["train", "stop", "snapshot:back", "snapshot:forward"]],
  ["Everything else", ["take", "help"]],
];

/** Where the contact sheet has the keys; a mouse does the same. */
const ON_SHEET = [
  ["Space", "on the contact sheet: leave one out or take it in (or click it)"],
  ["Shift+←→↑↓", "keep only a range (or Shift-click); with Ctrl one more range"],
  ["Ctrl+A", "take all in again"],
];

const isMac = () => typeof navigator !== "undefined" && /Mac|iPhone|iPad/.test(navigator.platform || "");

/** One written form for a key event or a binding. Shift is kept only where it is not already in the character ("?" needs none). */
export function keyName(e, mac = isMac()) {
  const key =
    e.key === " "
      ? "Space"
      : e.key.length === 1 && (e.ctrlKey || e.metaKey || e.shiftKey)
        ? e.key.toLowerCase()
        : e.key;
  const mod = mac ? e.metaKey : e.ctrlKey,
    other = mac ? e.ctrlKey : e.metaKey;
  const letter = /^[a-z]$/.test(key) || key.length > 1;
  return (
    (mod ? "Mod+" : "") +
    (other ? "Meta+" : "") +
    (e.altKey ? "Alt+" : "") +
    (e.shiftKey && letter ? "Shift+" : "") +
    key
  );
}

/** The table from key to action. `overrides` replaces the keys of an action; unknown actions and non-strings are left out. */
export function buildKeymap(overrides = {}) {
  const table = new Map(),
    merged = { ...DEFAULT_KEYS };
  for (const [action, keys] of Object.entries(overrides || {})) {
    if (action in DEFAULT_KEYS || /^label:\d+$/.test(action))
      merged[action] = [keys].flat().filter((k) => typeof k === "string");
  }
  for (const [action, keys] of Object.entries(merged)) for (const k of keys) table.set(k, action);
  for (const action of Object.keys(overrides || {}))
    for (const k of action in merged ? merged[action] : []) table.set(k, action);
  return table;
}

/**
 * The action of a key event, or null. A digit is "label:<digit>" unless bound to something else; keyboards whose digit row needs
 * Shift (AZERTY) are read by position when the character itself means nothing here.
 */
export function actionOf(e, table, mac = isMac()) {
  const name = keyName(e, mac),
    bound = table.get(name);
  if (bound) return bound;
  if (e.ctrlKey || e.metaKey || e.altKey) return null;
  if (/^[0-9]$/.test(e.key)) return `label:${e.key}`;
  const place = /^(?:Digit|Numpad)([0-9])$/.exec(e.code || "");
  return place && !e.shiftKey && !/^[a-z?/.[\]+=_-]$/i.test(e.key) && e.key.length === 1 ? `label:${place[1]}` : null;
}

/** The help: groups of [title, rows of [keys, meaning]], with the keys as they are bound now. @returns {any[]} */
export function helpGroups(overrides = {}, mac = isMac(), several = false) {
  const help = several ? { ...KEY_HELP, ...WORD_HELP } : { ...KEY_HELP, none: "" };
  const table = buildKeymap(overrides),
    byAction = new Map(),
    known = new Set(KEY_GROUPS.flatMap(([, actions]) => actions)),
    rest = Object.keys(KEY_HELP).filter((action) => !known.has(action));
  for (const [k, a] of table) byAction.set(a, [...(byAction.get(a) || []), k]);
  const show = (k) =>
    k
      .replace("Mod", mac ? "⌘" : "Ctrl")
      .replace("Escape", "Esc")
      .replace(/^Arrow.*/, (a) => ({ ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" })[a]);
  const arrows = ["move:left", "move:right", "move:up", "move:down"].flatMap((a) => byAction.get(a) || []);
  const keysOf = (action) => (action === "move" ? arrows : byAction.get(action) || []).map(show).join("  ");
  const groups = KEY_GROUPS.map(([title, actions], at) => {
    const all = at === KEY_GROUPS.length - 1 ? [...actions, ...rest] : actions,
      rows = all
        .filter((action) => help[action])
        .map((action) => [action === "label" ? "0–9" : keysOf(action), help[action]]);
    if (title === "Label")
      rows.push(["F2  Del  c  Alt+←→", "on the button of a class: rename, delete, color, move it"]);
    if (title === "Select")
      rows.push(...ON_SHEET.map(([keys, meaning]) => [keys.replaceAll("Ctrl", show("Mod")), meaning]));
    return [title, rows.filter(([keys]) => keys)];
  });
  return groups.filter(([, rows]) => rows.length);
}

/** Rows of [keys, meaning] of all groups. */
export function helpRows(overrides = {}, mac = isMac(), several = false) {
  return helpGroups(overrides, mac, several).flatMap(([, rows]) => rows);
}

/** The groups with only those rows in which every word of a text occurs. @param {any[]} groups of `helpGroups` @param {string} text */
export function searchHelp(groups, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean),
    fits = (title, row) => words.every((w) => `${title} ${row.join(" ")}`.toLowerCase().includes(w));
  return groups
    .map(([title, rows]) => [title, rows.filter((row) => fits(title, row))])
    .filter(([, rows]) => rows.length);
}
