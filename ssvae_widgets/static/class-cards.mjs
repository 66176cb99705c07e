/** Small cards above the classes: what can be done with one, its colors, and what is asked before labels change. One is open at a time. */
import { h } from "./dom.mjs";
import { hexColor, tooNear } from "./color-distance.mjs";

/** Arrow keys go from one button of a card to the next. */
function roving(card, selector) {
  card.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const items = [...card.querySelectorAll(selector)],
      at = items.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    items[(at + step + items.length) % items.length].focus();
  });
  return card;
}

/** A card of deeds, each of which closes it. @param {string} title @param {[(() => void), ...(Node | null)[]][]} items deed and what its button shows */
function menu(title, items) {
  const card = h("div", { class: "ssvae-card ssvae-menu", role: "menu", "aria-label": title });
  const item = ([does, ...shown], i) => {
    const chosen = () => {
      card.remove();
      does();
    };
    const looks = { class: "ssvae-menu-item", role: "menuitem", "data-first": i === 0 };
    return h("button", { type: "button", ...looks, onclick: chosen }, ...shown);
  };
  card.append(...items.map(item));
  return roving(card, ".ssvae-menu-item");
}

/** What can be done with a class. @param {string} name @param {[string, string, () => void][]} items words, key, deed */
export function menuCard(name, items) {
  return menu(
    name,
    items.map(([text, key, does]) => [does, h("span", { text }), key ? h("kbd", { text: key }) : null]),
  );
}

/** The other classes, to merge into. @param {string} title @param {[string, string, () => void][]} others name, color, deed */
export function mergeCard(title, others) {
  const swatch = (color) => h("span", { class: "ssvae-swatch", style: { "--c": color }, "aria-hidden": "true" });
  const card = menu(
    title,
    others.map(([name, color, does]) => [does, swatch(color), h("span", { text: name })]),
  );
  card.prepend(h("div", { class: "ssvae-caption", text: title }));
  return card;
}

/** A question before labels change; Enter is yes, Escape is no. @param {string} question @param {string} answer @param {(yes: boolean) => void} done */
export function askFirst(question, answer, done) {
  const button = (text, yes) =>
    h("button", {
      type: "button",
      class: `ssvae-button${yes ? " ssvae-yes" : ""}`,
      "data-first": yes,
      text,
      onclick: () => done(yes),
    });
  const words = h("div", { class: "ssvae-class-question", text: question });
  const card = h("div", { class: "ssvae-card ssvae-ask", role: "alertdialog", "aria-label": question }, words);
  card.append(h("div", { class: "ssvae-card-foot" }, button(answer, true), button("Cancel", false)));
  return roving(card, "button");
}

/** Colors for a class: some to choose from, and any other in a field; says what a color is easily mixed up with. */
export function colorCard(name, now, swatches, others, done) {
  const card = h("div", { class: "ssvae-card ssvae-colors", role: "dialog", "aria-label": `Color of ${name}` });
  const note = h("div", { class: "ssvae-color-note", role: "status" });
  const grays = /** @type {[string, string][]} */ (["#8f979f", "#7d8590"].map((gray) => ["unlabeled", gray]));
  const warn = (color) => {
    const alike = color ? [...new Set(tooNear(color, [...others, ...grays]))] : [];
    note.textContent = alike.length ? `Hard to tell from ${alike.slice(0, 3).join(", ")}` : "";
    return alike;
  };
  const grid = h("div", { class: "ssvae-color-grid", role: "group", "aria-label": "Colors" });
  grid.append(
    ...[now, ...swatches.filter((color) => color !== now)].map((color, i) => {
      const alike = i ? tooNear(color, [...others, ...grays]) : [];
      return h("button", {
        type: "button",
        class: `ssvae-color${alike.length ? " ssvae-alike" : ""}`,
        style: { "--c": color },
        "data-color": color,
        "data-first": i === 0,
        "aria-pressed": String(i === 0),
        "aria-label": `${color}${alike.length ? `, hard to tell from ${alike.slice(0, 3).join(", ")}` : ""}`,
        title: `${color}${alike.length ? ` · hard to tell from ${alike.slice(0, 3).join(", ")}` : ""}`,
        onclick: () => done(color),
        onfocus: () => warn(i ? color : ""),
      });
    }),
  );
  const field = h("input", {
    type: "text",
    class: "ssvae-input ssvae-color-field",
    "aria-label": "Any color, such as #b01060",
    placeholder: "#b01060",
    maxlength: 9,
    spellcheck: "false",
  });
  const shown = h("span", { class: "ssvae-swatch", style: { "--c": now }, "aria-hidden": "true" });
  field.value = now;
  field.addEventListener("input", () => {
    const color = hexColor(field.value);
    if (color) shown.style.setProperty("--c", color);
    warn(color);
    field.setCustomValidity("");
  });
  const take = () => {
    const color = hexColor(field.value);
    if (color) return done(color);
    field.setCustomValidity("Red, green and blue, such as #b01060");
    field.reportValidity();
  };
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    take();
  });
  const use = h("button", { type: "button", class: "ssvae-button", text: "Use", onclick: take });
  card.append(
    h("div", { class: "ssvae-caption", text: `Color of ${name}` }),
    roving(grid, ".ssvae-color"),
    h("div", { class: "ssvae-card-foot" }, shown, field, use),
    note,
  );
  return card;
}
