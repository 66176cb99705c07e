/** Toolbar, legend, dialogs and tooltip of the map. Text enters only through textContent. */
import { clean, count, drawImage, h, icon } from "./dom.mjs";
import { helpGroups, searchHelp } from "./keymap.mjs";

/** A value as text, no finer than 256 steps of its range can tell: a year stays a year. */
export function tell(x, [low, high]) {
  const k = Math.floor(Math.log10(high - low || Math.abs(high) || 1)) - 2,
    step = 10 ** Math.abs(k);
  return (
    k > 0 ? Math.round(x / step) * step : Number((Math.round(x * step) / step).toFixed(Math.min(20, -k)))
  ).toString();
}

const TOOLS = [
  ["pointer", "Pointer: click selects, drag pans (v)"],
  ["lasso", "Lasso: Shift adds, Alt subtracts (l)"],
  ["box", "Box: Shift adds, Alt subtracts (m)"],
  ["pan", "Pan (h)"],
  ["decode", "What the model would draw here; drag: what lies between (hold x)"],
];
const OPS = [
  ["select:all", "All points shown"],
  ["select:unlabeled", "All unlabeled"],
  ["select:class", "Same color as the selection"],
  ["select:invert", "Invert (i)"],
  ["select:grow", "Grow to neighbors (g)"],
  ["select:uncertain", "Certainty below 0.5"],
  ["select:suspects", "All suspects"],
  ["select:review", "Pictures that stand out"],
];

/** The row of controls above the figure. `act(name, arg)` receives what was chosen. */
export function toolbar(act) {
  const buttons = new Map(
    TOOLS.map(([name, title]) => {
      const b = h(
        "button",
        {
          type: "button",
          class: "ssvae-m-tool",
          "data-tool": name,
          title,
          "aria-label": title,
          "aria-pressed": "false",
        },
        icon(name, "ssvae-m-icon"),
      );
      b.addEventListener("click", () => act("tool", name));
      return [name, b];
    }),
  );
  const reset = h(
    "button",
    { type: "button", class: "ssvae-m-tool", title: "Reset the view (r)", "aria-label": "Reset the view (r)" },
    icon("reset", "ssvae-m-icon"),
  );
  reset.addEventListener("click", () => act("reset"));
  const toggle = (name, title) => {
    const b = h(
      "button",
      { type: "button", class: `ssvae-m-tool ssvae-m-${name}`, title, "aria-label": title, "aria-pressed": "false" },
      icon(name, "ssvae-m-icon"),
    );
    b.addEventListener("click", () => act(name));
    return b;
  };
  const axes = toggle("axes", "Axes"),
    regions = toggle("regions", "Regions: what is predicted between the points, and how certain"),
    pictures = toggle("pictures", "Pictures instead of dots"),
    size = h("input", {
      type: "range",
      class: "ssvae-m-size",
      min: 16,
      max: 96,
      step: 2,
      title: "Size of the pictures",
      "aria-label": "Size of the pictures",
    }),
    pictured = h("div", { class: "ssvae-m-group ssvae-m-pictured", hidden: true }, pictures, size);
  size.addEventListener("input", () => act("picture-size", Number(size.value)));
  const color = h("select", { class: "ssvae-m-color", "aria-label": "Color by" });
  color.addEventListener("change", () => act("color", color.value));
  const colorBox = h("label", { class: "ssvae-m-field" }, h("span", {}, "Color"), color);
  const select = h(
    "select",
    { class: "ssvae-m-select", "aria-label": "Select points" },
    h("option", { value: "" }, "Select…"),
  );
  for (const [value, text] of OPS) select.append(h("option", { value }, text));
  select.addEventListener("change", () => {
    const op = select.value;
    select.value = "";
    if (op) act("select", op.slice(7));
  });
  const tally = h("span", { class: "ssvae-m-tally" });
  const help = h(
    "button",
    { type: "button", class: "ssvae-m-tool ssvae-m-help-button", title: "Keys (?)", "aria-label": "Keys (?)" },
    "?",
  );
  help.addEventListener("click", () => act("help"));
  const el = h(
    "div",
    { class: "ssvae-m-toolbar", role: "toolbar", "aria-label": "Map tools" },
    h("div", { class: "ssvae-m-group" }, ...buttons.values(), reset, axes, regions),
    pictured,
    colorBox,
    select,
    h("span", { class: "ssvae-m-gap" }),
    tally,
    help,
  );
  return {
    el,
    tool(name) {
      for (const [k, b] of buttons) b.setAttribute("aria-pressed", String(k === name));
    },
    /** @param {boolean} there whether there is somebody who draws */
    decode(there) {
      buttons.get("decode").hidden = !there;
    },
    axes(on) {
      axes.setAttribute("aria-pressed", String(!!on));
    },
    regions(on) {
      regions.setAttribute("aria-pressed", String(!!on));
    },
    /** @param {boolean} on whether a picture can have several words */
    several(on) {
      const option = [...select.options].find((o) => o.value === "select:uncertain");
      option.textContent = on ? "A word in doubt (certainty below 0.75)" : "Certainty below 0.5";
    },
    /** @param {boolean} there are pictures at all @param {boolean} on @param {number} side in CSS pixels, 0 while none are shown */
    pictures(there, on, side) {
      select.querySelector('[value="select:review"]').hidden = !there;
      if (side && document.activeElement !== size) size.value = String(Math.round(side));
      if (pictured.hidden !== there && size.disabled !== on) return;
      pictured.hidden = !there;
      pictures.setAttribute("aria-pressed", String(on));
      size.disabled = !on;
    },
    columns(names, current) {
      color.replaceChildren(...names.map((c) => h("option", { value: c, selected: c === current }, clean(c, 60))));
      color.value = current;
      colorBox.hidden = names.length < 2;
    },
    /** Where there is no room, the first numbers are left out. */
    tally(n, selected, filtered) {
      const told = [`${count(n)} point${n === 1 ? "" : "s"}`];
      if (filtered !== null) told.push(`${count(filtered)} shown`);
      if (selected) told.push(`${count(selected)} selected`);
      const parts = told.map((text, k) => {
        const last = k === told.length - 1;
        return h(selected && last ? "b" : "span", {}, last ? text : `${text}\u00a0·\u00a0`);
      });
      tally.replaceChildren(...parts);
    },
  };
}

/** What the regions under the points mean. */
export function areasKey() {
  const line = (name) => h("span", { class: `ssvae-m-level ssvae-m-${name}`, "aria-hidden": "true" });
  return h(
    "div",
    { class: "ssvae-m-areas", hidden: true },
    h("span", {}, "Regions: class predicted by the points around · certainty"),
    h("span", { class: "ssvae-m-of-level" }, line("sure"), "0.9"),
    h("span", { class: "ssvae-m-of-level" }, line("even"), "0.5 · nothing far from points"),
  );
}

/** The legend below the figure: one button for each class with its count, or a ramp for values on which a threshold can be picked. */
export function legend(act, pick = true) {
  const el = h("div", { class: "ssvae-m-legend", role: "group", "aria-label": "Legend" }),
    note = h("span", { class: "ssvae-m-scale ssvae-m-note-of-words", "data-code": "" });
  let key = "";
  return {
    el,
    /** What the colors mean, where that is not plain. @param {string} text */
    note(text) {
      note.textContent = text;
      note.title = text.startsWith("color: first")
        ? "A point has the color of its first word, in the order of the buttons; a word is counted wherever it is"
        : "";
      if (text && !note.isConnected) el.append(note);
      else if (!text) note.remove();
    },
    /** @param {boolean} several whether points can have several classes: counts end with those of none of them */
    classes(names, colors, counts, none, nothing = "unlabeled", order = names.map((_, i) => i), several = false) {
      const shown = order
        .concat(names.map((_, i) => i).filter((i) => counts?.[i] > 0 && !order.includes(i)))
        .map((i) => [names[i], i])
        .filter(([, i]) => names.length <= 40 || !counts || counts[i] > 0)
        .slice(0, 60);
      const now = JSON.stringify([names, colors, none, nothing, shown.map((s) => s[1]), several]);
      if (now !== key) {
        key = now;
        el.classList.toggle(
          "ssvae-m-short",
          names.every((n) => String(n).length < 3),
        );
        el.replaceChildren(
          ...shown.map(([name, i]) => chip(name, colors[i % colors.length], i)),
          ...(several ? [chip("none of these", none, -2)] : []),
          chip(nothing, none, -1),
          ...(note.textContent ? [note] : []),
        );
      }
      for (const c of el.children) {
        if (c === note) continue;
        const k = Number(c.dataset.code),
          m = counts ? (k < 0 ? counts[names.length - 1 - k] : counts[k]) : NaN;
        c.lastChild.textContent = counts ? count(m || 0) : "…";
        c.classList.toggle("ssvae-m-zero", m === 0);
        c.hidden = k < 0 && m === 0;
      }
    },
    values(name, colors, range) {
      const now = JSON.stringify([name, colors[0], range]);
      if (now === key) return;
      key = now;
      const ramp = !pick
          ? h("span", { class: "ssvae-m-ramp", "aria-hidden": "true" })
          : h("input", {
              type: "range",
              class: "ssvae-m-ramp",
              min: 0,
              max: 1000,
              value: 1000,
              "aria-label": `Select everything with a ${clean(name, 60)} below`,
              title: "Drag to select everything below",
            }),
        stops = [0, 0.2, 0.4, 0.6, 0.8, 1];
      const chosen = h("span", { class: "ssvae-m-scale ssvae-m-below" }),
        at = () => range[0] + ((range[1] - range[0]) * ramp.value) / 1000;
      ramp.addEventListener("input", () => {
        chosen.textContent = `below ${tell(at(), range)}`;
      });
      ramp.addEventListener("change", () => act("select-below", at()));
      ramp.style.background = `linear-gradient(90deg, ${stops.map((s) => colors[Math.round(s * (colors.length - 1))]).join(",")})`;
      const [lo, hi] = range,
        f = (x) => tell(x, range);
      el.replaceChildren(
        h("span", { class: "ssvae-m-scale" }, clean(name, 60)),
        h("span", { class: "ssvae-m-scale" }, f(lo)),
        ramp,
        h("span", { class: "ssvae-m-scale" }, f(hi)),
        chosen,
        ...(note.textContent ? [note] : []),
      );
    },
  };
  function chip(name, color, code) {
    const swatch = h("span", { class: "ssvae-m-swatch", "aria-hidden": "true" });
    swatch.style.background = color;
    const b = h(
      "button",
      {
        type: "button",
        class: "ssvae-m-chip",
        "data-code": code,
        title: `Select all of ${clean(name, 80)} (Shift adds)`,
      },
      swatch,
      h("span", { class: "ssvae-m-name" }, clean(name, 24)),
      h("span", { class: "ssvae-m-count" }),
    );
    b.addEventListener("click", (e) =>
      act("select-code", { code, mode: e.shiftKey ? "add" : e.altKey ? "subtract" : "replace" }),
    );
    return b;
  }
}

/** A small modal card inside the map; closes on Escape, on a click outside, and gives the focus back. */
function card(root, label, ...content) {
  const box = h(
    "div",
    { class: "ssvae-m-card", role: "dialog", "aria-modal": "true", "aria-label": label, tabindex: "-1" },
    ...content,
  );
  const veil = h("div", { class: "ssvae-m-veil" }, box);
  const close = () => {
    veil.remove();
    root.focus({ preventScroll: true });
  };
  veil.addEventListener("pointerdown", (e) => {
    e.stopPropagation();
    if (e.target === veil) close();
  });
  veil.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.key === "Escape") {
      e.preventDefault();
      close();
    }
  });
  root.append(veil);
  box.focus({ preventScroll: true });
  return { box, close };
}

/** Whether the pointer is on an element, its padding too. @param {HTMLElement} box @param {PointerEvent} e */
function within(box, e) {
  const r = box.getBoundingClientRect();
  return e.clientX >= r.left && e.clientX <= r.right && e.clientY >= r.top && e.clientY <= r.bottom;
}

/** The list of keys: over the page, so that it is in view wherever the map stands; grouped, and searched as one types. */
export function showHelp(root, overrides, several = false) {
  const groups = helpGroups(overrides, undefined, several),
    list = h("div", { class: "ssvae-m-keys", role: "group", "aria-label": "All keys", tabindex: "0" }),
    none = h("p", { class: "ssvae-m-no-key", role: "status" });
  const search = h("input", {
    type: "search",
    class: "ssvae-m-search",
    placeholder: "Search: lasso, undo, round …",
    "aria-label": "Search the keys",
  });
  const done = h("button", { type: "button", class: "ssvae-m-button" }, "Close");
  const box = h(
    "dialog",
    { class: "ssvae-m-card ssvae-m-help", role: "dialog", "aria-label": "Keys", "data-lm-suppress-shortcuts": "true" },
    h("div", { class: "ssvae-m-help-head" }, h("h3", {}, "Keys"), search, done),
    list,
    none,
  );
  const fill = () => {
    const found = searchHelp(groups, search.value);
    list.replaceChildren(
      ...found.map(([title, rows]) =>
        h(
          "section",
          { class: "ssvae-m-key-group" },
          h("h4", {}, title),
          ...rows.map(([k, text]) => h("div", { class: "ssvae-m-key-row" }, h("kbd", {}, k), h("span", {}, text))),
        ),
      ),
    );
    none.textContent = found.length ? "" : "No key does that.";
  };
  search.addEventListener("input", fill);
  box.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.key !== "Escape" && (e.key !== "?" || search.value)) return;
    e.preventDefault();
    box.close();
  });
  box.addEventListener("pointerdown", (e) => {
    e.stopPropagation();
    if (e.target === box && !within(box, e)) box.close(); // beside it
  });
  box.addEventListener("close", () => {
    box.remove();
    root.focus({ preventScroll: true });
  });
  done.addEventListener("click", () => box.close());
  fill();
  root.append(box);
  box.showModal();
  search.focus({ preventScroll: true });
}

/** A part of a file name; `choose(text)` gets it. */
export function showNames(root, choose) {
  const input = h("input", {
    type: "search",
    class: "ssvae-m-search",
    placeholder: "Part of a file name…",
    "aria-label": "Part of a file name",
  });
  const c = card(
    root,
    "Find pictures by name",
    input,
    h("div", { class: "ssvae-m-note" }, "Enter selects the pictures that have it; q then finds more like them."),
  );
  input.addEventListener("keydown", (e) => {
    if (e.key !== "Enter" || e.isComposing || !input.value.trim()) return;
    e.preventDefault();
    c.close();
    choose(input.value.trim());
  });
  input.focus({ preventScroll: true });
}

/** A note of `n` pictures that reads `text` now; `keep(text)` gets the new one. */
export function showNote(root, text, n, keep) {
  const input = h("textarea", {
    class: "ssvae-m-search ssvae-m-written",
    rows: 4,
    maxlength: 1000,
    placeholder: "What is worth remembering?",
    "aria-label": n === 1 ? "Note" : `Note of ${n} pictures`,
  });
  input.value = text;
  const c = card(
    root,
    "Note",
    input,
    h("div", {
      class: "ssvae-m-note",
      text:
        n > 1
          ? `Enter keeps it with all ${count(n)} pictures, in place of notes that they have; Shift+Enter begins a line.`
          : "Enter keeps it, Shift+Enter begins a line, empty removes it.",
    }),
  );
  input.addEventListener("keydown", (e) => {
    if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
    e.preventDefault();
    c.close();
    if (input.value !== text) keep(input.value.trim()); // Enter alone takes nothing away
  });
  input.focus({ preventScroll: true });
}

/** Search the class names; `choose(index)` gets the one taken, `add(name)`, where there is one, the name of a class that is not there yet. */
export function showClasses(root, names, colors, choose, add = null) {
  const input = h("input", {
    type: "search",
    class: "ssvae-m-search",
    placeholder: names.length || !add ? "Class name…" : "Type a name: first class",
    "aria-label": "Class name",
  });
  const list = h("div", { class: "ssvae-m-options", role: "listbox", "aria-label": "Classes" });
  const c = card(root, "Find a class", input, list);
  let at = 0,
    shown = [];
  const paint = () => {
    const q = input.value.trim().toLowerCase();
    shown = names
      .map((n, i) => [clean(n, 60), i])
      .filter(([n, i]) => !q || n.toLowerCase().includes(q) || String(i) === q)
      .slice(0, 100);
    const name = input.value.trim().normalize("NFC"),
      fresh = Boolean(add && name && !names.some((n) => clean(n, 60).toLowerCase() === name.toLowerCase()));
    at = Math.max(0, Math.min(at, shown.length - (fresh ? 0 : 1)));
    list.replaceChildren(
      ...shown.map(([n, i], k) => {
        const dot = h("span", { class: "ssvae-m-swatch", "aria-hidden": "true" });
        dot.style.background = colors[i % colors.length];
        const o = h(
          "div",
          { class: "ssvae-m-option", role: "option", "aria-selected": String(k === at), "data-class": i },
          dot,
          n,
        );
        o.addEventListener("click", () => {
          c.close();
          choose(i);
        });
        return o;
      }),
    );
    if (fresh) {
      const o = h(
        "div",
        { class: "ssvae-m-option ssvae-m-new", role: "option", "aria-selected": String(at === shown.length) },
        `Add the class “${clean(name, 60)}”`,
      );
      o.addEventListener("click", () => {
        c.close();
        add(name);
      });
      list.append(o);
    }
    list.children[at]?.scrollIntoView({ block: "nearest" });
  };
  input.addEventListener("input", () => {
    at = 0;
    paint();
  });
  input.addEventListener("keydown", (e) => {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      at += e.key === "ArrowDown" ? 1 : -1;
      paint();
    } else if (e.key === "Enter" && !e.isComposing) {
      e.preventDefault();
      const taken = list.querySelector('[aria-selected="true"]');
      taken?.click();
    }
  });
  paint();
  input.focus({ preventScroll: true });
}

/** The thumbnail and line of text that follow the pointer. */
export function tooltip(root) {
  const canvas = h("canvas", { class: "ssvae-m-thumb", width: 1, height: 1 }),
    text = h("span", { class: "ssvae-m-tip-text" });
  const el = h("div", { class: "ssvae-m-tip", "aria-hidden": "true", hidden: true }, canvas, text);
  root.append(el);
  return {
    el,
    /** @param {{w: number, h: number, c: number, data: Uint8Array}|null} image gray, gray with alpha ignored, or RGB(A) bytes */
    show(x, y, line, image) {
      text.textContent = line;
      canvas.hidden = !image;
      if (image) drawImage(canvas, image.data, [image.h, image.w, image.c]);
      el.hidden = false;
      const r = root.getBoundingClientRect(),
        w = el.offsetWidth,
        hh = el.offsetHeight;
      const left = x - r.left + 16 + w > r.width ? x - r.left - w - 12 : x - r.left + 16;
      const top = Math.max(0, Math.min(y - r.top + 14, r.height - hh));
      el.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
    },
    hide() {
      el.hidden = true;
    },
  };
}
