import { clean, count, h, icon } from "./dom.mjs";
import { ClassBar, press } from "./class-bar.mjs";
import { follow, giveKeysBack } from "./view-core.mjs";
import { onShow } from "./on-show.mjs";
import { fillWindow } from "./fit-window.mjs";
import { takeAway } from "./take-away.mjs";

function classButtons(model, el) {
  const bar = new ClassBar(model, el);
  return () => bar.end();
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
      title: "Show the point worth labeling next (n)",
      onclick: () => press(model, el, "next"),
    },
    h("span", { text: "What next?" }),
    h("kbd", { text: "n" }),
  );
  let filled = null; // the app, once it has filled the window
  const fill = h(
    "button",
    {
      type: "button",
      class: "ssvae-button ssvae-tool ssvae-fill",
      title: "Fill the window, or go back into the notebook",
      "aria-label": "Fill the window",
      onclick: () => {
        filled = /** @type {HTMLElement | null} */ (el.closest(".ssvae-labeler"));
        if (filled) fillWindow(filled);
        giveKeysBack(el);
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
    if (filled?.classList.contains("ssvae-full")) fillWindow(filled); // a newer app has taken over: nothing is left to leave with
  };
}

/** Milliseconds for which a label in doubt is spoken of. */
const DOUBTED = 12_000;

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
  const look = h(
    "button",
    {
      type: "button",
      class: "ssvae-button ssvae-look",
      title: "Look at this label again; another class key changes it (z)",
      hidden: true,
      onclick: () => model.send({ type: "doubt" }),
    },
    h("span", { text: "Look at it" }),
    h("kbd", { text: "z" }),
  );
  keys.append(
    h("span", { class: "ssvae-keys-on", text: "keys active" }),
    h("span", { class: "ssvae-keys-off", text: "click the map to use keys" }),
  );
  const box = h("span", { class: "ssvae-saved-box" }, dot, saved),
    said = h("span", { class: "ssvae-said" }, message, look);
  el.replaceChildren(box, h("span", { class: "ssvae-done-box" }, meter, done), said, keys);
  // Why a key was not used is said before everything else, for a moment.
  const show = onShow(model.get("of"));
  let note = "",
    timer = 0,
    doubt = "",
    doubting = 0;
  const write = () => {
    el.setAttribute("data-refused", note ? "yes" : "no");
    const first = show.gone || note || (model.get("level") === "error" ? "" : doubt);
    message.textContent = first || clean(model.get("message"));
    message.title = first || clean(model.get("message"), 1000);
    look.hidden = !doubt || first !== doubt;
  };
  // What the other labels say against the newest one is said for a moment, too, never asked, and not told a new view.
  let told = model.get("doubt");
  const endDoubt = follow(model, ["doubt"], () => {
    doubt = model.get("doubt") === told ? "" : clean(model.get("doubt"));
    told = "";
    clearTimeout(doubting);
    if (doubt)
      doubting = setTimeout(() => {
        doubt = "";
        write();
      }, DOUBTED);
    write();
  });
  const unlisten = show.listen(() => {
    el.closest(".ssvae-labeler")?.classList.toggle("ssvae-gone", Boolean(show.gone));
    if (show.gone) {
      el.setAttribute("data-level", "error");
      return write();
    }
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
        ? "in memory only"
        : state === "yes"
          ? when
            ? `all saved · ${when}`
            : "all saved"
          : state === "saving"
            ? "saving …"
            : `NOT SAVED${problem ? `: ${problem}` : ""}`;
      saved.title = problem;
      done.textContent = `${count(labeled)} of ${count(total)} labeled${selected ? ` · ${count(selected)} selected` : ""}`;
      meter.firstChild.style.width = `${total ? Math.max(labeled ? 2 : 0, (100 * labeled) / total) : 0}%`;
      write();
    },
  );
  return () => {
    end();
    endDoubt();
    unlisten();
    clearTimeout(timer);
    clearTimeout(doubting);
  };
}

function render({ model, el }) {
  el.classList.add("ssvae-view");
  return { actions, classes: classButtons, status }[model.get("part")](model, el);
}

export default { render };
