import { colour, count, digitKey, follow, h, icon, searchClasses } from "./view-core.mjs";

/** The keys, as a dialog over the app. */
function help(model, el, dismiss) {
  const rows = model.get("shortcuts").map(([keys, what]) =>
    h("div", { class: "ssvae-help-row" },
      h("dt", {}, ...keys.map((k) => h("kbd", { text: k }))), h("dd", { text: what })));
  const close = h("button", { type: "button", class: "ssvae-button ssvae-tool", "aria-label": "Close", title: "Close (Esc)", onclick: dismiss }, icon("close"));
  return [h("div", { class: "ssvae-dialog ssvae-help", role: "dialog", "aria-modal": "true", "aria-label": "Keys", tabindex: -1 },
    h("div", { class: "ssvae-dialog-head" }, h("h2", { text: "Keys" }), close), h("dl", {}, ...rows)), close];
}

/** Type a few letters of a class name, press Enter. */
function palette(model, el, dismiss) {
  const classes = model.get("classes"), colours = model.get("palette"), counts = model.get("counts");
  let found = [], at = 0;
  const list = h("ul", { role: "listbox", class: "ssvae-found", id: "ssvae-found", "aria-label": "Classes" });
  const choose = (k) => { model.send({ type: "label", label: k }); dismiss(); };
  const input = h("input", {
    type: "text", class: "ssvae-input", role: "combobox", "aria-expanded": "true", "aria-controls": "ssvae-found", "aria-label": "Search the classes", placeholder: "class name …", autocomplete: "off", spellcheck: "false",
    oninput: () => { at = 0; draw(); },
  });
  const draw = () => {
    found = searchClasses(classes, input.value).slice(0, 200);
    at = Math.max(0, Math.min(at, found.length - 1));
    list.replaceChildren(...found.map((k, i) =>
      h("li", { role: "option", id: `ssvae-found-${k}`, "aria-selected": i === at, class: i === at ? "ssvae-at" : "", "data-class": k, onclick: () => choose(k) },
        h("span", { class: "ssvae-swatch", style: { "--c": colour(colours, k) }, "aria-hidden": "true" }),
        h("span", { class: "ssvae-class-name", text: classes[k] }), digitKey(k) ? h("kbd", { text: digitKey(k) }) : null,
        h("span", { class: "ssvae-count", text: count(counts[k] || 0) }))));
    if (!found.length) list.append(h("li", { class: "ssvae-none", text: "no class has these letters" }));
    input.setAttribute("aria-activedescendant", found.length ? `ssvae-found-${found[at]}` : "");
    list.querySelector(".ssvae-at")?.scrollIntoView({ block: "nearest" });
  };
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") at += 1;
    else if (event.key === "ArrowUp") at -= 1;
    else if (event.key === "Enter") { event.preventDefault(); event.stopPropagation(); if (found.length) choose(found[at]); return; }
    else return;
    event.preventDefault(); event.stopPropagation();
    draw();
  });
  const n = model.get("n_selected");
  const box = h("div", { class: "ssvae-dialog ssvae-palette", role: "dialog", "aria-modal": "true", "aria-label": "Find a class", tabindex: -1 },
    h("div", { class: "ssvae-caption", text: n ? `Label ${count(n)} selected as …` : "Select points first, then choose a class" }), input, list);
  draw();
  return [box, input];
}

function render({ model, el }) {
  el.classList.add("ssvae-view", "ssvae-overlay");
  let before = null;
  const dismiss = () => model.send({ type: "dismiss" });
  el.addEventListener("pointerdown", (event) => { if (event.target === el) dismiss(); });
  el.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") { event.preventDefault(); dismiss(); }
    if (event.key === "Tab") {
      const all = [...el.querySelectorAll("button, input, [tabindex='0']")];
      if (!all.length) return;
      const i = all.indexOf(document.activeElement), next = all[(i + (event.shiftKey ? all.length - 1 : 1)) % all.length];
      event.preventDefault(); next.focus();
    }
  });
  return follow(model, ["showing"], () => {
    const open = model.get("showing");
    el.classList.toggle("ssvae-hidden", !open);
    if (!open) {
      const had = el.contains(document.activeElement);
      el.replaceChildren();
      if (had) (before?.isConnected ? before : el.closest("[tabindex]"))?.focus({ preventScroll: true });
      before = null;
      return;
    }
    before = document.activeElement;
    const [box, first] = (open === "help" ? help : palette)(model, el, dismiss);
    el.replaceChildren(box);
    if (el.getClientRects().length) first.focus({ preventScroll: true });
  });
}

export default { render };
