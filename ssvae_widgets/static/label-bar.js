import { clean, count, h, icon } from "./dom.mjs";
import { colour, digitKey, follow, giveKeysBack, toMap } from "./view-core.mjs";
import { onShow } from "./on-show.mjs";
import { fillWindow } from "./fit-window.mjs";
import { takeAway } from "./take-away.mjs";

/** What a button means is done by the map; where there is none, or it is too much to do without a question, Python hears of it. */
function press(model, el, type, label) {
  const { done, buffers } = toMap(el, type, label);
  if (!done) model.send(label === undefined ? { type } : { type, label }, undefined, buffers);
}

/** Undo, redo, and the one button for people who do not know where to start. */
function actions(model, el) {
  el.classList.add("ssvae-actions");
  el.setAttribute("role", "toolbar");
  el.setAttribute("aria-label", "Actions");
  const button = (name, label, type) =>
    h(
      "button",
      {
        type: "button",
        class: "ssvae-button ssvae-tool",
        title: label,
        "aria-label": label,
        "data-action": type,
        onclick: () => press(model, el, type),
      },
      icon(name),
    );
  const undo = button("undo", "Undo (Ctrl+Z)", "undo"),
    redo = button("redo", "Redo (Ctrl+Shift+Z)", "redo");
  const strategy = h("select", {
    class: "ssvae-select ssvae-strategy",
    "aria-label": "How the next point is chosen",
    title: "How the next point is chosen",
    onchange: () => {
      model.send({ type: "strategy", strategy: strategy.value });
      giveKeysBack(el);
    },
  });
  const next = h(
    "button",
    {
      type: "button",
      class: "ssvae-button ssvae-next",
      title: "Show the point worth labelling next (n)",
      onclick: () => press(model, el, "next"),
    },
    h("span", { text: "What next?" }),
    h("kbd", { text: "n" }),
  );
  const fill = h(
    "button",
    {
      type: "button",
      class: "ssvae-button ssvae-tool ssvae-fill",
      title: "Fill the window, or go back into the notebook",
      "aria-label": "Fill the window",
      "aria-pressed": "false",
      onclick: () => {
        const app = /** @type {HTMLElement | null} */ (el.closest(".ssvae-labeler"));
        if (app) fill.setAttribute("aria-pressed", String(fillWindow(app)));
      },
    },
    icon("window"),
  );
  let list = null;
  const take = h(
    "button",
    {
      type: "button",
      class: "ssvae-button ssvae-tool ssvae-take",
      title: "Take away: labels, predictions, pictures by class, model, project, page",
      "aria-label": "Take away",
      onclick: () => {
        list ??= takeAway(el.closest(".ssvae-labeler") || el, model, () => giveKeysBack(el));
        list.open();
      },
    },
    icon("take"),
  );
  el.replaceChildren(
    h("div", { class: "ssvae-group", role: "group", "aria-label": "History" }, undo, redo),
    take,
    fill,
    h("span", { class: "ssvae-gap" }),
    h("div", { class: "ssvae-group" }, strategy, next),
  );
  const end = follow(model, ["can_undo", "can_redo", "strategy", "strategies"], () => {
    undo.disabled = !model.get("can_undo");
    redo.disabled = !model.get("can_redo");
    const options = model.get("strategies");
    if (strategy.dataset.options !== options.join()) {
      strategy.dataset.options = options.join();
      strategy.replaceChildren(...options.map((o) => h("option", { value: o, text: o.replace(/_/g, " ") })));
    }
    strategy.value = model.get("strategy");
    strategy.hidden = !options.length;
  });
  return () => {
    end();
    list?.remove();
  };
}

/** One button per class: colour, key, name, how many so far. */
function classButtons(model, el) {
  el.classList.add("ssvae-classes");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Classes");
  const grid = h("div", { class: "ssvae-class-grid" });
  // The search belongs to the map; its key opens it from here.
  const find = () =>
    el
      .closest("[tabindex]")
      ?.dispatchEvent(new KeyboardEvent("keydown", { key: "/", code: "Slash", bubbles: true, cancelable: true }));
  const more = h(
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
  const clear = h(
    "button",
    {
      type: "button",
      class: "ssvae-button ssvae-clear",
      "data-action": "clear",
      title: "Remove the label (d)",
      onclick: () => press(model, el, "clear"),
    },
    h("span", { text: "Remove label" }),
    h("kbd", { text: "d" }),
  );
  const accept = h(
    "button",
    {
      type: "button",
      class: "ssvae-button ssvae-accept",
      "data-action": "accept",
      title: "Label the selection as predicted (Enter)",
      onclick: () => press(model, el, "accept"),
    },
    h("span", { text: "Accept prediction" }),
    h("kbd", { text: "⏎" }),
  );
  const head = h("div", { class: "ssvae-caption" });
  // A name for a class that does not exist yet, in place of the row's head while it is typed.
  const name = h("input", {
    type: "text",
    class: "ssvae-input ssvae-new-name",
    placeholder: "Name of the new class",
    "aria-label": "Name of the new class",
    maxlength: 80,
  });
  const field = h("div", { class: "ssvae-new-field", hidden: true }, name);
  const add = h(
    "button",
    {
      type: "button",
      class: "ssvae-button ssvae-add",
      title: "Add a class",
      "aria-label": "Add a class",
      "aria-expanded": "false",
      onclick: () => open(field.hidden),
    },
    icon("plus"),
  );
  const open = (yes) => {
    field.hidden = !yes;
    head.hidden = yes;
    name.value = "";
    add.setAttribute("aria-expanded", yes);
    if (yes) name.focus();
    else giveKeysBack(el);
  };
  name.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") open(false);
    if (event.key !== "Enter") return;
    event.preventDefault();
    const wanted = name.value.trim(),
      taken = model.get("classes").includes(wanted);
    name.setCustomValidity(taken ? "There is a class of this name" : "");
    if (taken) return name.reportValidity();
    if (wanted) model.send({ type: "new_class", name: wanted });
    open(false);
  });
  name.addEventListener("input", () => name.setCustomValidity(""));
  el.replaceChildren(
    h("div", { class: "ssvae-class-head" }, head, field, more, add),
    grid,
    h("div", { class: "ssvae-class-foot" }, clear, accept),
  );
  let buttons = [];
  const build = () => {
    const classes = model.get("classes"),
      palette = model.get("palette");
    const longest = classes.reduce((n, name) => Math.max(n, String(name).length), 0);
    const keyed = classes.some((name, k) => digitKey(k) && digitKey(k) !== String(name)); // keys stand beside the names
    grid.style.setProperty("--columns", longest <= 2 ? (keyed ? 3 : 5) : longest <= 16 ? 2 : 1);
    grid.classList.toggle("ssvae-short", longest <= 2);
    more.hidden = classes.length <= 10;
    buttons = classes.map((name, k) =>
      h(
        "button",
        {
          type: "button",
          class: "ssvae-class",
          "data-class": k,
          style: { "--c": colour(palette, k) },
          onclick: () => press(model, el, "label", k),
        },
        h("span", { class: "ssvae-swatch", "aria-hidden": "true" }),
        digitKey(k) && digitKey(k) !== String(name) ? h("kbd", { text: digitKey(k) }) : null,
        h("span", { class: "ssvae-class-name", text: name }),
        h("span", { class: "ssvae-count" }),
      ),
    );
    grid.replaceChildren(...buttons);
    paint();
  };
  const paint = () => {
    const counts = model.get("counts"),
      active = model.get("active"),
      guess = model.get("guess"),
      classes = model.get("classes"),
      n = model.get("n_selected");
    buttons.forEach((button, k) => {
      const many = counts[k] || 0;
      button.setAttribute("data-count", many);
      button.lastChild.textContent = count(many);
      button.classList.toggle("ssvae-on", k === active);
      button.classList.toggle("ssvae-guess", k === guess && k !== active);
      button.setAttribute("aria-pressed", k === active);
      const name = clean(classes[k]);
      button.setAttribute("aria-label", `${name}, ${many} labeled${k === guess ? ", the model's guess" : ""}`);
      button.title = `${name}: ${count(many)} labeled${digitKey(k) ? ` · key ${digitKey(k)}` : ""}${k === guess ? " · the model's guess" : ""}`;
    });
    const seen = buttons[active >= 0 ? active : guess];
    if (seen && n) {
      const top = seen.offsetTop,
        below = top + seen.offsetHeight - grid.clientHeight;
      if (top < grid.scrollTop) grid.scrollTop = top - 4;
      else if (below > grid.scrollTop) grid.scrollTop = below + 4;
    }
    head.textContent =
      n > 1
        ? `Label ${count(n)} selected as`
        : n === 1
          ? "Label the selected point as"
          : "Select points, then press a key";
    clear.disabled = !n;
    accept.disabled = !n || !model.get("can_accept");
  };
  const stop = [
    follow(model, ["classes", "palette"], build),
    follow(model, ["counts", "active", "guess", "n_selected", "can_accept"], paint),
  ];
  return () => stop.forEach((f) => f());
}

/** Saved or not, how much is done, what just happened. Always there. */
function status(model, el) {
  el.classList.add("ssvae-status");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Status");
  const dot = h("span", { class: "ssvae-dot", "aria-hidden": "true" }),
    saved = h("span", { class: "ssvae-saved" });
  const done = h("span", { class: "ssvae-done" }),
    meter = h("span", { class: "ssvae-meter", "aria-hidden": "true" }, h("span", {}));
  const message = h("span", { class: "ssvae-message", role: "status" }),
    keys = h("span", { class: "ssvae-keys" });
  keys.append(
    h("span", { class: "ssvae-keys-on", text: "keys active" }),
    h("span", { class: "ssvae-keys-off", text: "click the map to use keys" }),
  );
  const box = h("span", { class: "ssvae-saved-box" }, dot, saved);
  el.replaceChildren(box, h("span", { class: "ssvae-done-box" }, meter, done), message, keys);
  // Why a key was not used is said before everything else, for a moment.
  const show = onShow(model.get("of"));
  let note = "",
    timer = 0;
  const write = () => {
    el.setAttribute("data-refused", note ? "yes" : "no");
    message.textContent = note || clean(model.get("message"));
    message.title = note || clean(model.get("message"), 1000);
  };
  const unlisten = show.listen(() => {
    if (show.note === note) return;
    note = show.note;
    clearTimeout(timer);
    if (note)
      timer = setTimeout(() => {
        show.say("");
      }, 4000);
    write();
  });
  const end = follow(
    model,
    ["saved", "seq", "when", "problem", "in_memory", "n_labeled", "n_items", "n_selected", "message", "level", "ended"],
    () => {
      const state = model.get("saved"),
        total = model.get("n_items"),
        labeled = model.get("n_labeled"),
        selected = model.get("n_selected");
      el.setAttribute("data-saved", state);
      box.setAttribute("aria-live", state === "no" ? "assertive" : "off"); // every label is spoken once, by the map; only trouble interrupts
      el.setAttribute("data-seq", model.get("seq"));
      el.classList.toggle("ssvae-in-memory", model.get("in_memory"));
      el.classList.toggle("ssvae-ended", model.get("ended"));
      el.setAttribute("data-level", model.get("level"));
      const when = model.get("when"),
        problem = clean(model.get("problem"));
      saved.textContent = model.get("in_memory")
        ? `in memory only · ${count(model.get("seq"))}`
        : state === "yes"
          ? `saved ${count(model.get("seq"))}${when ? ` · ${when}` : ""}`
          : state === "saving"
            ? "saving …"
            : `NOT SAVED${problem ? `: ${problem}` : ""}`;
      done.textContent = `${count(labeled)} of ${count(total)} labeled${selected ? ` · ${count(selected)} selected` : ""}`;
      meter.firstChild.style.width = `${total ? Math.max(labeled ? 2 : 0, (100 * labeled) / total) : 0}%`;
      write();
    },
  );
  return () => {
    end();
    unlisten();
    clearTimeout(timer);
  };
}

function render({ model, el }) {
  el.classList.add("ssvae-view");
  return { actions, classes: classButtons, status }[model.get("part")](model, el);
}

export default { render };
