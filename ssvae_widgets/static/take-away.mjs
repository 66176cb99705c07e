/** The list behind *Take away*: what there is, where to, and what was written. */
import { clean, h } from "./dom.mjs";
import { GONE } from "./kernel-watch.mjs";

const PATIENCE = 30; // seconds until it is said that no answer has come

/**
 * A dialog inside `root`, closed at first; `send` has something written, or tells what there is.
 * @param {Element} root @param {any} model of the action bar: `offers`, `place`, `taken`
 * @param {() => void} closed
 */
export function takeAway(root, model, closed) {
  let n = model.get("taken").n || 0; // what was taken away before is not of interest
  const list = h("div", { class: "ssvae-offers", role: "group", "aria-label": "What to take away" });
  const folder = h("input", {
    type: "text",
    class: "ssvae-input ssvae-place",
    "aria-label": "Folder",
    maxlength: 1000,
  });
  const said = h("div", { class: "ssvae-taken", role: "status", tabindex: "0" });
  const write = h("button", {
    type: "button",
    class: "ssvae-button ssvae-primary",
    text: "Write",
    onclick: () => ask(),
  });
  const done = h("button", { type: "button", class: "ssvae-button", text: "Close", onclick: () => dialog.close() });
  const files = h("ul", { class: "ssvae-files" }),
    there = h("details", { hidden: true }, h("summary", { text: "What lies beside the labels, and why" }), files);
  const dialog = h(
    "dialog",
    { class: "ssvae-dialog", "aria-label": "Take away", "data-lm-suppress-shortcuts": "true" },
    h("h3", { text: "Take away" }),
    list,
    h("label", { class: "ssvae-field" }, h("span", { text: "Folder" }), folder),
    said,
    there,
    h("div", { class: "ssvae-dialog-foot" }, write, done),
  );
  root.append(dialog);

  let early = false; // it was to be written before it was known what there is
  const known = () => {
    const there = list.childElementCount > 0 && folder.value.trim() !== "";
    if (early && there && dialog.open) ask();
    early = early && !there;
  };
  const chosen = () => [...list.querySelectorAll("input:checked")].map((box) => box.value);
  let clock,
    busy = false; // it is being written
  const trouble = (text) => said.replaceChildren(h("p", { class: "ssvae-problem", text }));
  const gone = () => root.classList.contains("ssvae-gone");
  function ask() {
    if (gone()) return trouble(GONE);
    const empty = !folder.value.trim();
    early = !list.childElementCount || (empty && !model.get("place"));
    if (early) return;
    if (empty) return folder.focus();
    if (busy) return;
    if (!chosen().length) return trouble("Tick what you want to take away.");
    busy = true;
    write.disabled = true;
    said.replaceChildren(h("p", { text: "Writing …" }));
    model.send({ type: "export", folder: folder.value.trim(), what: chosen() });
    wait(PATIENCE);
  }
  /** Nobody waits for ever: the kernel may be busy for long, or gone. */
  function wait(seconds) {
    clearInterval(clock);
    clock = setInterval(() => {
      if (gone()) {
        clearInterval(clock);
        busy = false;
        ready();
        trouble(GONE);
      } else if (--seconds === 0)
        said.append(
          h("p", {
            text: `No answer for ${PATIENCE} s: the kernel is busy. It writes as soon as it can; you may close this.`,
          }),
        );
    }, 1000);
  }
  const ready = () => {
    write.disabled = busy || (list.childElementCount > 0 && !chosen().length); // what there is may not be known yet
  };
  const offers = () => {
    const before = new Map([...list.querySelectorAll("input:not(:disabled)")].map((box) => [box.value, box.checked]));
    list.replaceChildren(
      ...model.get("offers").map(({ name, text, why_not: why, usual = true }) => {
        const box = h("input", { type: "checkbox", value: name, onchange: ready, disabled: Boolean(why) });
        box.checked = !why && (before.get(name) ?? (usual && name !== "project"));
        return h("label", { class: "ssvae-offer" }, box, h("span", { text: why ? `${text} (${why})` : text }));
      }),
    );
    ready();
    known();
  };
  const beside = () => {
    files.replaceChildren(
      ...model.get("beside").map(([name, what]) => h("li", {}, h("b", { text: clean(name) }), `: ${clean(what)}`)),
    );
    there.hidden = !files.childElementCount;
  };
  const place = () => {
    if (!folder.value) folder.value = model.get("place");
    known();
  };
  const taken = () => {
    const { n: now = 0, lines = [], problem = "" } = model.get("taken");
    if (now === n) return;
    n = now;
    clearInterval(clock);
    busy = false;
    ready();
    said.replaceChildren(
      ...(problem
        ? [h("p", { class: "ssvae-problem", text: clean(problem, 1000) })]
        : [h("p", { text: "Written:" }), h("ul", {}, ...lines.map((line) => h("li", { text: clean(line, 600) })))]),
    );
  };
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation(); // no key is for the map
    if (event.key === "Enter" && event.target === folder) ask();
    if (event.key !== "Escape") return;
    event.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
  });
  dialog.addEventListener("close", closed);
  const heard = { offers, place, beside, taken };
  for (const [name, f] of Object.entries(heard)) model.on(`change:${name}`, f);
  return {
    open() {
      early = false;
      if (gone()) trouble(GONE);
      else said.replaceChildren();
      offers();
      place();
      beside();
      model.send({ type: "export" });
      dialog.showModal();
    },
    remove() {
      clearInterval(clock);
      for (const [name, f] of Object.entries(heard)) model.off(`change:${name}`, f);
      dialog.remove();
    },
  };
}
