// What the keys of the map send: the page's own `key` and `act` on a map that is on no page. tests/test_javascript.py reads what this prints.
import { DEFAULT_KEYS, KEY_HELP, actionOf, buildKeymap } from "../../ssvae_widgets/static/keymap.mjs";
import { MapView } from "../../ssvae_widgets/static/map-view.mjs";
import { Shared } from "../../ssvae_widgets/static/shared-map.mjs";

const mac = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform || "");
const nothing = { closest: () => null };
const element = { focus() {}, classList: { add() {}, remove() {}, toggle() {} }, dataset: {}, textContent: "" };
const bytes = (a) => new DataView(a.buffer);

/** A key event for a binding such as "Mod+Shift+z". */
function press(binding) {
  const key = binding.split("+").at(-1) || "+",
    has = (name) => binding.startsWith(name) || binding.includes(`+${name}`);
  const mod = has("Mod+"),
    held = { ctrlKey: mod && !mac, metaKey: mod && mac, altKey: false, shiftKey: has("Shift+"), repeat: false };
  return { key, code: "", ...held, target: nothing, preventDefault() {}, stopPropagation() {} };
}

/** What Python is sent when a key is pressed on four points of which the first is selected; `shown`: a preview shows it, with a prediction. */
async function sent(binding, shown) {
  const messages = [];
  const traits = {
    key: `${binding} ${shown}`,
    positions: bytes(Float32Array.of(0, 0, 1, 0, 0, 1, 1, 1)),
    sample: bytes(new Float32Array(0)),
    codes: bytes(new Uint16Array(4).fill(65535)),
    labeled: bytes(new Uint8Array(4)),
    selected: bytes(Uint32Array.of(0)),
    by_label: true,
    listening: true,
    dialogs: false,
    confirm_above: 200,
    classes: ["a", "b"],
    columns: ["label", "truth"],
    color_by: "label",
    tool: "pointer",
    kind: "classes",
    range: [0, 1],
    categories: ["a", "b"],
    home: [0, 1, 0, 1],
  };
  const model = {
    get: (name) => traits[name],
    set: (name, value) => (traits[name] = value),
    save_changes() {},
    on() {},
    send: (content, _, buffers = []) => messages.push({ content, buffers: buffers.map((b) => [...new Uint8Array(b)]) }),
  };
  const common = new Shared(model);
  await new Promise((done) => setTimeout(done, 0)); // until then it holds back what it sends
  messages.length = 0; // what it asked for by itself
  if (shown) {
    common.show.views = 1;
    common.show.drew({ serial: 0, prediction: 1 });
  }
  const view = Object.create(MapView.prototype);
  const domain = { x0: 0, x1: 1, y0: 0, y1: 1, left: 0, top: 0, w: 100, h: 100 };
  Object.assign(view, { model, s: common, keys: buildKeymap(), link: { domain, setDomain() {} } });
  Object.assign(view, { root: element, live: element, map: element, alive: true, hover: -1 });
  view.key(press(binding));
  return messages;
}

const keys = { "label:0": ["0"], ...DEFAULT_KEYS },
  rows = [];
for (const [action, bindings] of Object.entries(keys))
  for (const binding of bindings) {
    const found = actionOf(press(binding), buildKeymap());
    for (const shown of [false, true])
      rows.push({ action, found, binding, shown, messages: await sent(binding, shown) });
  }
const explained = (action) => action in KEY_HELP || action.split(":")[0] in KEY_HELP;
console.log(JSON.stringify({ rows, unexplained: Object.keys(keys).filter((action) => !explained(action)) }));
