/** The classes beside the map: a button for each, which labels; names, colors and order are changed where they stand. */
import { array, clean, count, drawImage, h, icon } from "./dom.mjs";
import { askFirst, colorCard, mergeCard, menuCard } from "./class-cards.mjs";
import { classColor, classHex, digitKey, follow, giveKeysBack, toMap } from "./view-core.mjs";
import { onShow } from "./on-show.mjs";
import { paintWordBar } from "./word-bar.mjs";

/** What a button means is done by the map; where there is none, or it is too much to do without a question, Python hears of it. */
export function press(model, el, type, label) {
  const { done, buffers } = toMap(el, type, label);
  if (!done) model.send(label === undefined ? { type } : { type, label }, undefined, buffers);
}

/** A text field for the name of a class; `done(name)` on Enter, `done("")` on Escape and, with `leaves`, when something else is clicked; it stays open when that returns false. */
export function nameField(value, label, done, leaves = false) {
  const input = h("input", { type: "text", class: "ssvae-input", "aria-label": label, maxlength: 80 });
  let open = true;
  const end = (name) => {
    if (!open) return;
    open = false; // taking the field away leaves it
    open = done(name) === false;
  };
  input.value = value;
  for (const kind of ["keydown", "keyup", "click", "dblclick", "pointerdown"])
    input.addEventListener(kind, (event) => event.stopPropagation());
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") end("");
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    end(input.value.trim().normalize("NFC"));
  });
  if (leaves) input.addEventListener("blur", () => end(""));
  return input;
}

/** The place of a class among those on show after a key. @param {string} key @param {number} at @param {number} n @param {number} columns */
export function stepTo(key, at, n, columns) {
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -n, End: n }[key] || 0;
  const to = at + by;
  return key === "Home" || key === "End" ? Math.max(0, Math.min(n - 1, to)) : to >= 0 && to < n ? to : at;
}

/** A list with the item at one place moved to another. @template T @param {T[]} list @param {number} from @param {number} to */
export function moved(list, from, to) {
  const rest = list.filter((_, i) => i !== from);
  return [...rest.slice(0, to), list[from], ...rest.slice(to)];
}

/** One button per class: color, key, name, how many so far; and what can be done with the class. */
export class ClassBar {
  constructor(model, el) {
    this.model = model;
    this.el = el;
    this.page = onShow(model.get("of"));
    this.buttons = new Map(); // code -> button
    this.card = null; // menu, colors or a question that is open
    el.classList.add("ssvae-classes");
    el.setAttribute("role", "group");
    el.setAttribute("aria-label", "Classes");
    this.grid = h("div", { class: "ssvae-class-grid", role: "group", "aria-label": "Classes and their keys" });
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.byMouse = false; // how a card or a field was opened: whoever came by mouse gets the map's keys back
    this.el.addEventListener("pointerdown", () => (this.byMouse = true));
    this.grid.addEventListener("keydown", (event) => {
      if (event.target.closest?.(".ssvae-class")) this.byMouse = false;
    });
    this.head = h("div", { class: "ssvae-caption" });
    this.box = h("div", { class: "ssvae-class-cards" });
    this.field = h("div", { class: "ssvae-new-field", hidden: true });
    this.build();
    this.stop = [
      follow(model, ["classes", "palette", "order"], () => this.draw()),
      follow(model, ["counts", "active", "guess", "n_selected", "can_accept", "can_clear"], () => this.paint()),
      follow(model, ["members", "member_pixels"], () => this.pictures()),
      this.page.listen(() => this.page.words.on && this.paint()),
    ];
  }

  get order() {
    return this.model.get("order");
  }

  name(code) {
    return clean(this.model.get("classes")[code] ?? "");
  }

  // ---- what stands there ----
  build() {
    const button = (cls, action, title, text, key) =>
      h(
        "button",
        {
          type: "button",
          class: `ssvae-button ${cls}`,
          "data-action": action,
          title,
          onclick: () => press(this.model, this.el, action),
        },
        h("span", { text }),
        h("kbd", { text: key }),
      );
    // The search belongs to the map; its key opens it from here.
    const find = () =>
      this.el
        .closest("[tabindex]")
        ?.dispatchEvent(new KeyboardEvent("keydown", { key: "/", code: "Slash", bubbles: true, cancelable: true }));
    this.more = h(
      "button",
      {
        type: "button",
        class: "ssvae-button ssvae-find",
        title: "Search the classes (/)",
        "aria-label": "Find a class (/)",
        onclick: find,
      },
      h("span", { text: "Find" }),
      h("kbd", { text: "/" }),
    );
    this.clear = button("ssvae-clear", "clear", "Remove the label (d)", "Remove label", "d");
    this.accept = button(
      "ssvae-accept",
      "accept",
      "Label the selection as predicted (Enter)",
      "Accept prediction",
      "⏎",
    );
    this.none = button("ssvae-none", "none", "None of these words, and that is the whole answer (,)", "None", ",");
    this.none.setAttribute("aria-label", "None of these words (,)");
    this.none.hidden = true; // until pictures can have several words
    this.add = h(
      "button",
      {
        type: "button",
        class: "ssvae-button ssvae-add",
        title: "Add a class",
        "aria-label": "Add a class",
        "aria-expanded": "false",
        onclick: () => this.openField(this.field.hidden),
      },
      icon("plus"),
    );
    this.el.replaceChildren(
      h("div", { class: "ssvae-class-head" }, this.head, this.field, this.more, this.add),
      this.box,
      this.grid,
      h("div", { class: "ssvae-class-foot" }, this.clear, this.none, this.accept),
    );
  }

  /** As many buttons beside each other as their names have room for; a few names are never cut. @param {string[]} names */
  arrange(names) {
    const longest = names.reduce((n, name) => Math.max(n, name.length), 0),
      keyed = names.some((name, at) => digitKey(at) && digitKey(at) !== name), // keys stand beside the names
      fits = names.length > 5 ? 16 : this.page.words.on ? 8 : 11; // letters in half the width
    this.columns = longest <= 2 ? (keyed ? 3 : 5) : longest <= fits ? 2 : 1;
    this.grid.style.setProperty("--columns", String(this.columns));
    this.grid.classList.toggle("ssvae-short", longest <= 2);
  }

  draw() {
    const { model, grid, order } = this,
      had = /** @type {HTMLElement | null | undefined} */ (document.activeElement?.closest?.(".ssvae-class")),
      code = had && grid.contains(had) ? had.dataset.class : null;
    const names = order.map((k) => this.name(k));
    this.arrange(names);
    this.more.hidden = order.length <= 10;
    this.close(false);
    this.buttons = new Map(order.map((k, at) => [k, this.button(k, at, names[at])]));
    grid.replaceChildren(
      ...[...this.buttons].map(([k, button]) => h("div", { class: "ssvae-class-item" }, button, this.opener(k))),
    );
    grid.hidden = !order.length;
    if (!order.length) {
      if (this.field.hidden || !this.field.firstChild) this.openField(true, false);
    } else if (!this.field.hidden && !this.field.contains(document.activeElement)) this.openField(false, false);
    if (code !== null && !this.byMouse) this.buttons.get(Number(code))?.focus();
    this.paint();
    this.pictures();
  }

  button(code, at, name) {
    const key = digitKey(at);
    const button = h(
      "button",
      {
        type: "button",
        class: "ssvae-class",
        "data-class": code,
        style: classColor(this.model.get("palette"), code),
        onclick: (event) => {
          if (event.detail < 2) this.unselected = !this.model.get("n_selected");
          press(this.model, this.el, "label", code);
        },
        oncontextmenu: (event) => {
          event.preventDefault();
          event.stopPropagation();
          this.menu(code);
        },
        ondblclick: () => this.unselected && this.rename(code), // else both clicks were labels
        onpointerdown: (event) => this.drag(event, code),
      },
      h("span", { class: "ssvae-swatch", "aria-hidden": "true" }),
      h("canvas", { class: "ssvae-member", "aria-hidden": "true", hidden: true }),
      key && key !== name ? h("kbd", { text: key }) : null,
      h("span", { class: "ssvae-class-name", text: name }),
      h("span", { class: "ssvae-count" }),
    );
    return button;
  }

  opener(code) {
    return h("button", {
      type: "button",
      class: "ssvae-class-more",
      tabindex: -1,
      title: "Rename, color, move, merge, delete",
      "aria-label": `Change ${this.name(code)}`,
      "aria-haspopup": "menu",
      text: "⋯",
      onclick: () => this.menu(code),
    });
  }

  paint() {
    const { model, grid } = this;
    const several = this.page.words.on;
    if (this.el.classList.toggle("ssvae-several", several) !== this.several) {
      this.several = several;
      this.arrange(this.order.map((k) => this.name(k)));
    }
    if (several) return paintWordBar(this);
    const counts = model.get("counts"),
      active = model.get("active"),
      guess = model.get("guess"),
      n = model.get("n_selected");
    this.order.forEach((k, at) => {
      const button = this.buttons.get(k);
      if (!button) return;
      const many = counts[k] || 0,
        name = this.name(k),
        key = digitKey(at);
      button.setAttribute("data-count", many);
      button.lastChild.textContent = count(many);
      button.classList.toggle("ssvae-on", k === active);
      button.classList.toggle("ssvae-guess", k === guess && k !== active);
      button.setAttribute("aria-pressed", k === active);
      button.setAttribute("aria-label", `${name}, ${many} labeled${k === guess ? ", the model's guess" : ""}`);
      button.title = `${name}: ${count(many)} labeled${key ? ` · key ${key}` : ""}${k === guess ? " · the model's guess" : ""}`;
    });
    const seen = this.buttons.get(active >= 0 ? active : guess);
    if (seen && n) {
      const top = seen.parentElement.offsetTop,
        below = top + seen.offsetHeight - grid.clientHeight;
      if (top < grid.scrollTop) grid.scrollTop = top - 4;
      else if (below > grid.scrollTop) grid.scrollTop = below + 4;
    }
    this.head.textContent =
      n > 1
        ? `Label ${count(n)} selected as`
        : n === 1
          ? "Label the selected point as"
          : "Select points, then press a key";
    this.clear.disabled = !model.get("can_clear");
    this.accept.disabled = !n || !model.get("can_accept");
  }

  /** A typical member of each class beside its name. */
  pictures() {
    const { rows = [] } = this.model.get("members") || {},
      data = array(this.model.get("member_pixels"));
    for (const button of this.buttons.values()) button.querySelector("canvas").hidden = true;
    for (const { code, offset, bytes, shape } of rows) {
      const canvas = this.buttons.get(code)?.querySelector("canvas");
      if (!canvas || offset + bytes > data.length) continue;
      drawImage(canvas, data.subarray(offset, offset + bytes), shape);
      canvas.hidden = false;
    }
  }

  // ---- a new class ----
  openField(yes, focus = true) {
    this.field.hidden = !yes;
    this.head.hidden = yes;
    this.add.setAttribute("aria-expanded", yes);
    this.add.hidden = yes && !this.order.length;
    if (!yes) {
      if (focus) giveKeysBack(this.el);
      return;
    }
    const first = !this.order.length;
    const again = () => {
      const input = nameField("", first ? "Name of the first class" : "Name of the new class", (name) => {
        if (name) {
          if (this.taken(name)) return false;
          this.model.send({ type: "new_class", name });
        }
        if (this.order.length) return this.openField(false);
        again();
        giveKeysBack(this.el);
      });
      input.classList.add("ssvae-new-name");
      input.placeholder = first ? "Type a name: first class" : "Name of the new class";
      this.field.replaceChildren(input);
      return input;
    };
    const input = again();
    if (focus) input.focus();
  }

  /** Whether another class has this name; then it is said at the field. */
  taken(name) {
    if (!this.order.some((k) => this.model.get("classes")[k] === name)) return false;
    this.note(`There is a class ${clean(name, 40)} already`);
    return true;
  }

  /** A sentence that stands above the classes for a moment. */
  note(text) {
    clearTimeout(this.noteTimer);
    const line = h("div", { class: "ssvae-class-note", role: "status", text });
    this.box.querySelector(".ssvae-class-note")?.remove();
    this.box.prepend(line);
    this.noteTimer = setTimeout(() => line.remove(), 4000);
  }

  // ---- what can be done with a class ----
  key(event) {
    const button = event.target.closest?.(".ssvae-class");
    if (!button || !button.matches(":focus-visible")) return; // after a click the keys are the map's
    const code = Number(button.dataset.class),
      at = this.order.indexOf(code),
      plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey;
    const to = stepTo(event.key, at, this.order.length, this.columns);
    const does =
      event.altKey && !event.ctrlKey && /^Arrow/.test(event.key)
        ? () => this.reorder(at, to)
        : plain && /^(Arrow|Home$|End$)/.test(event.key)
          ? () => this.buttons.get(this.order[to])?.focus()
          : plain && event.key === "F2"
            ? () => this.rename(code)
            : plain && (event.key === "Delete" || event.key === "Backspace")
              ? () => this.remove(code)
              : plain && event.key === "c"
                ? () => this.colors(code)
                : null;
    if (!does) return;
    event.preventDefault();
    event.stopPropagation();
    does();
  }

  reorder(from, to) {
    if (from !== to) this.model.send({ type: "reorder_classes", order: moved(this.order, from, to) });
  }

  rename(code) {
    const button = this.buttons.get(code);
    if (!button) return;
    this.close(false);
    const item = button.parentElement;
    const input = nameField(
      this.model.get("classes")[code],
      `New name of ${this.name(code)}`,
      (name) => {
        item.classList.remove("ssvae-renaming");
        input.remove();
        const other = this.order.find((k) => k !== code && this.model.get("classes")[k] === name);
        if (other !== undefined) return this.merge(code, other);
        if (name && name !== this.model.get("classes")[code])
          this.model.send({ type: "rename_class", label: code, name });
        this.back(code);
      },
      true,
    );
    item.classList.add("ssvae-renaming");
    item.append(input);
    input.focus();
    input.select();
  }

  merge(code, into) {
    const many = this.model.get("counts")[code] || 0,
      labels = `${count(many)} label${many === 1 ? "" : "s"}`;
    this.ask(code, `Merge ${labels} of ${this.name(code)} into ${this.name(into)}?`, "Merge", {
      type: "merge_classes",
      label: code,
      into,
      labels: many,
    });
  }

  remove(code) {
    const many = this.model.get("counts")[code] || 0;
    const what = this.page.words.on
      ? `${count(many)} picture${many === 1 ? " loses" : "s lose"} this word; the history keeps it.`
      : many
        ? `${count(many)} image${many === 1 ? " becomes" : "s become"} unlabeled; the history keeps the label${many === 1 ? "" : "s"}.`
        : "It has no labels.";
    this.ask(code, `Delete ${this.name(code)}? ${what}`, "Delete", { type: "delete_class", label: code, labels: many });
  }

  colors(code) {
    const others = /** @type {[string, string][]} */ (
      this.order.filter((k) => k !== code).map((k) => [this.name(k), classHex(this.model.get("palette"), k)])
    );
    this.show(
      colorCard(
        this.name(code),
        classHex(this.model.get("palette"), code),
        this.model.get("swatches"),
        others,
        (color) => {
          this.close();
          this.model.send({ type: "recolor_class", label: code, color });
          this.back(code);
        },
      ),
      code,
    );
  }

  menu(code) {
    const at = this.order.indexOf(code),
      n = this.order.length;
    const all = [
      ["Rename", "F2", () => this.rename(code)],
      ["Color …", "c", () => this.colors(code)],
      at > 0 && ["Move up", "Alt+←", () => this.reorder(at, at - 1)],
      at < n - 1 && ["Move down", "Alt+→", () => this.reorder(at, at + 1)],
      n > 1 && ["Merge into …", "", () => this.mergeInto(code)],
      ["Delete", "Del", () => this.remove(code)],
    ];
    const items = /** @type {[string, string, () => void][]} */ (all.filter(Boolean));
    this.show(menuCard(this.name(code), items), code);
  }

  mergeInto(code) {
    const others = /** @type {[string, string, () => void][]} */ (
      this.order
        .filter((k) => k !== code)
        .map((k) => [this.name(k), classHex(this.model.get("palette"), k), () => this.merge(code, k)])
    );
    this.show(mergeCard(`Merge ${this.name(code)} into`, others), code);
  }

  ask(code, question, answer, message) {
    this.show(
      askFirst(question, answer, (yes) => {
        this.close();
        if (yes) this.model.send(message);
        this.back(code);
      }),
      code,
    );
  }

  show(card, code) {
    this.close(false);
    this.card = card;
    card.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.close();
      this.back(code);
    });
    this.box.append(card);
    card.scrollIntoView({ block: "nearest" });
    card.querySelector("[data-first]")?.focus();
  }

  close(all = true) {
    this.card?.remove();
    this.card = null;
    if (all) this.box.querySelector(".ssvae-class-note")?.remove();
  }

  /** Who came by keyboard stays in the grid; a click gives the keys back to the map. */
  back(code) {
    const button = this.buttons.get(code);
    if (button && !this.byMouse) button.focus();
    else giveKeysBack(this.el);
  }

  // ---- another order by dragging ----
  drag(event, code) {
    if (event.button !== 0 || this.order.length < 2) return;
    const from = [event.clientX, event.clientY],
      item = this.buttons.get(code).parentElement;
    let over = -1;
    const move = (e) => {
      if (over < 0 && Math.hypot(e.clientX - from[0], e.clientY - from[1]) < 8) return;
      item.classList.add("ssvae-dragged");
      const target = this.grid.ownerDocument.elementFromPoint(e.clientX, e.clientY)?.closest?.(".ssvae-class-item"),
        to = target && this.grid.contains(target) ? [...this.grid.children].indexOf(target) : over;
      for (const other of this.grid.children) other.classList.remove("ssvae-drop");
      over = to;
      if (over >= 0) this.grid.children[over]?.classList.add("ssvae-drop");
    };
    const end = (e) => {
      removeEventListener("pointermove", move, true);
      removeEventListener("pointerup", end, true);
      removeEventListener("pointercancel", end, true);
      item.classList.remove("ssvae-dragged");
      for (const other of this.grid.children) other.classList.remove("ssvae-drop");
      const at = this.order.indexOf(code);
      if (over < 0) return;
      addEventListener("click", swallow, { capture: true, once: true }); // it was no press
      setTimeout(() => removeEventListener("click", swallow, true), 0);
      if (e.type === "pointerup") this.reorder(at, over);
    };
    const swallow = (e) => {
      e.stopPropagation();
      e.preventDefault();
    };
    addEventListener("pointermove", move, true);
    addEventListener("pointerup", end, true);
    addEventListener("pointercancel", end, true);
  }

  end() {
    clearTimeout(this.noteTimer);
    for (const f of this.stop) f();
  }
}
