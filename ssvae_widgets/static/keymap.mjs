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
  "move:left": ["ArrowLeft"],
  "move:right": ["ArrowRight"],
  "move:up": ["ArrowUp"],
  "move:down": ["ArrowDown"],
  "tool:lasso": ["l"],
  "tool:box": ["m"],
  "tool:pointer": ["v"],
  "tool:pan": ["h"],
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
};

export const KEY_HELP = {
  label: "give class k to the selection (digit = class)",
  clear: "remove the label",
  undo: "undo",
  redo: "redo",
  next: "next suggestion",
  back: "back",
  skip: "skip",
  accept: "accept the model's prediction",
  move: "nearest unlabeled point that way",
  "tool:lasso": "lasso (Shift adds, Alt subtracts)",
  "tool:box": "box (Shift adds, Alt subtracts)",
  "tool:pointer": "pointer",
  "tool:pan": "pan",
  original: "open the picture in full size (Esc closes)",
  color: "next colouring",
  train: "train",
  stop: "stop training",
  "snapshot:back": "previous snapshot",
  "snapshot:forward": "next snapshot",
  filter: "show only the selection, or all again",
  reset: "reset the view",
  escape: "clear the selection",
  classes: "find a class by name",
  help: "these keys",
  "zoom:in": "zoom in",
  "zoom:out": "zoom out",
  selectall: "select all points shown",
  invert: "invert the selection",
  walk: "walk through what the last round changed",
  trails: "trails of the points that moved",
  grow: "grow the selection to its neighbours",
  similar: "more like these, nearest first; again: without what was left out",
};

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

/** Rows of [keys, meaning] for the help, with the keys as they are bound now. */
export function helpRows(overrides = {}, mac = isMac()) {
  const table = buildKeymap(overrides),
    byAction = new Map(),
    rows = [["0–9", KEY_HELP.label]];
  for (const [k, a] of table) byAction.set(a, [...(byAction.get(a) || []), k]);
  const show = (k) =>
    k
      .replace("Mod", mac ? "⌘" : "Ctrl")
      .replace("Escape", "Esc")
      .replace(/^Arrow.*/, (a) => ({ ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" })[a]);
  const arrows = ["move:left", "move:right", "move:up", "move:down"].flatMap((a) => byAction.get(a) || []);
  for (const [action, text] of Object.entries(KEY_HELP)) {
    if (action === "label") continue;
    const keys = action === "move" ? arrows : byAction.get(action) || [];
    if (keys.length) rows.push([keys.map(show).join("  "), text]);
  }
  rows.push(["F2  Del  c  Alt+←→", "on the button of a class: rename, delete, colour, move it"]);
  return rows;
}
