import { clean, count, h, icon } from "./dom.mjs";
import { follow, giveKeysBack } from "./view-core.mjs";
import { binAt, draggedBins, sender, shareOf, toggled } from "./brush.mjs";

/**
 * The columns of a data set beside the map: bars to click, histograms to brush with the mouse or two sliders, words to search.
 * Cards are made once and brought up to date, so that a slider or a field that has the keys keeps them.
 */

/** One bar for all images, one in it for those that pass, a mark for those that are selected. @param {string} cls */
const bar = (cls) => h("i", { class: cls, "aria-hidden": "true" });

/** Head of a card: the name, what is asked, and an end to it. */
function head(name, clear) {
  const note = h("span", { class: "ssvae-facet-note" }),
    end = h(
      "button",
      {
        type: "button",
        class: "ssvae-facet-end",
        hidden: true,
        title: "No filter on this column",
        "aria-label": `No filter on ${name}`,
        onclick: clear,
      },
      icon("close"),
    );
  return { el: h("div", { class: "ssvae-facet-head" }, h("h4", { text: clean(name, 80) }), note, end), note, end };
}

/** A bar for each name; a click asks for it, too, or no more. */
function categories(card, ask) {
  const list = h("div", { class: "ssvae-facet-bars" });
  let places = [];
  const press = () =>
    rows.forEach((row, k) => {
      row.button.setAttribute("aria-pressed", String(places.includes(k)));
      row.button.dataset.off = String(places.length > 0 && !places.includes(k));
    });
  const choose = (now) => {
    places = now;
    press();
    ask({ places });
  };
  const rows = card.names.map((name, place) => {
    const total = bar("ssvae-bar-all"),
      now = bar("ssvae-bar-now"),
      marked = bar("ssvae-bar-marked"),
      said = h("span", { class: "ssvae-facet-count" });
    const button = h(
      "button",
      {
        type: "button",
        class: "ssvae-facet-bar",
        "aria-pressed": "false",
        onclick: () => choose(toggled(places, place)),
      },
      h("span", { class: "ssvae-facet-name", text: clean(name, 80), title: clean(name) }),
      said,
      h("span", { class: "ssvae-facet-track" }, total, now, marked),
    );
    list.append(button);
    return { button, total, now, marked, said, name };
  });
  return {
    el: list,
    none: () => choose([]),
    update(c, free) {
      if (free) places = c.places;
      press();
      const most = Math.max(1, ...c.total);
      rows.forEach((row, k) => {
        row.total.style.width = shareOf(c.total[k], most);
        row.now.style.width = shareOf(c.now[k], most);
        row.marked.style.width = shareOf(c.marked[k] || 0, most);
        row.said.textContent = count(c.now[k]);
        const selected = c.marked.length ? `, ${count(c.marked[k])} selected` : "";
        row.button.title = `${count(c.now[k])} of ${count(c.total[k])}${selected}`;
        row.button.setAttribute(
          "aria-label",
          `${clean(row.name, 80)}: ${count(c.now[k])} of ${count(c.total[k])} images${selected}`,
        );
      });
    },
  };
}

/** Bins to brush: a drag, or the two sliders below them. */
function histogram(card, ask, name) {
  const n = card.total.length,
    columns = card.total.map(() => {
      const all = bar("ssvae-bin-all"),
        now = bar("ssvae-bin-now"),
        marked = bar("ssvae-bin-marked");
      return { el: h("span", { class: "ssvae-bin" }, all, now, marked), all, now, marked };
    }),
    brush = h("span", { class: "ssvae-brush", hidden: true, "aria-hidden": "true" }),
    plot = h("div", { class: "ssvae-plot", role: "img" }, ...columns.map((c) => c.el), brush),
    slider = (which) =>
      h("input", {
        type: "range",
        class: "ssvae-slide",
        min: 0,
        max: Math.max(0, n - 1),
        step: 1,
        "aria-label": `${clean(name, 80)} ${which}`,
        oninput: () => slide(which),
      }),
    from = slider("from"),
    to = slider("to"),
    ends = h("div", { class: "ssvae-ends" }, h("span"), h("span"));
  let shown = card,
    start = -1,
    chosen = card.places, // the first and the last bin, as they were asked for last
    before = chosen; // of a drag
  const put = (places) => {
    chosen = places;
    brush.hidden = !places.length;
    const [a, b] = places.length ? places : [0, n - 1];
    brush.style.left = shareOf(a, n);
    brush.style.width = shareOf(b + 1 - a, n);
    from.value = a;
    to.value = b;
    from.setAttribute("aria-valuetext", shown.names[a]);
    to.setAttribute("aria-valuetext", shown.names[b + 1]);
    columns.forEach((c, k) => (c.el.dataset.off = String(places.length > 0 && (k < a || k > b))));
    ends.firstChild.textContent = clean(shown.names[a], 24);
    ends.lastChild.textContent = clean(shown.names[b + 1], 24);
    ends.dataset.on = String(places.length > 0);
  };
  const slide = (which) => {
    let a = Number(from.value),
      b = Number(to.value);
    if (a > b) [a, b] = which === "from" ? [a, a] : [b, b];
    const places = a === 0 && b === n - 1 ? [] : [a, b];
    choose(places);
  };
  const choose = (places) => {
    put(places);
    ask({ places });
  };
  const at = (e) => {
    const r = plot.getBoundingClientRect();
    return binAt(e.clientX - r.left, r.width, n);
  };
  plot.addEventListener("pointerdown", (e) => {
    if (e.button) return;
    e.preventDefault();
    start = at(e);
    before = chosen;
    plot.setPointerCapture(e.pointerId);
    put([start, start]);
  });
  plot.addEventListener("pointermove", (e) => {
    if (start < 0) return;
    const places = draggedBins(start, at(e));
    if (places.join() !== chosen.join() || places.join() !== before.join()) choose(places);
  });
  const up = (e) => {
    if (start < 0) return;
    const places = draggedBins(start, at(e)),
      same = places.join() === before.join();
    start = -1;
    if (e.type === "pointercancel") return choose(before);
    choose(same && places[0] === places[1] ? [] : places); // once more on the same bin: no more
  };
  plot.addEventListener("pointerup", up);
  plot.addEventListener("pointercancel", up);
  return {
    el: h("div", { class: "ssvae-histogram" }, plot, h("div", { class: "ssvae-slides" }, from, to), ends),
    none: () => choose([]),
    update(c, free) {
      shown = c;
      const most = Math.max(1, ...c.total);
      columns.forEach((column, k) => {
        column.all.style.height = shareOf(c.total[k], most);
        column.now.style.height = shareOf(c.now[k], most);
        column.marked.style.height = shareOf(c.marked[k] || 0, most);
        column.el.title = `${c.names[k]} – ${c.names[k + 1]}: ${count(c.now[k])} of ${count(c.total[k])}`;
      });
      const none = c.none ? `, ${count(c.none)} without a value` : "";
      plot.setAttribute("aria-label", `Histogram of ${clean(name, 80)}, ${c.names[0]} to ${c.names[n]}${none}`);
      if (start < 0) put(free ? c.places : chosen);
    },
    note: (c) => (c.none ? `${count(c.none)} without` : ""),
  };
}

/** Words of free text. */
function search(card, ask, name) {
  let timer = 0;
  const find = (text) => {
    clearTimeout(timer);
    timer = 0;
    ask({ text: text.slice(0, 900) });
  };
  const none = () => find((field.value = ""));
  const field = h("input", {
    type: "search",
    class: "ssvae-input ssvae-facet-search",
    placeholder: `Search ${count(card.different)} texts`,
    "aria-label": `Search in ${clean(name, 80)}`,
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(() => find(field.value), 120);
    },
    onkeydown: (e) => {
      if (e.key !== "Escape" || !field.value) return;
      e.stopPropagation();
      e.preventDefault();
      none();
    },
  });
  return {
    el: field,
    none,
    update(c, free) {
      if (free && !timer && document.activeElement !== field) field.value = c.text;
    },
    note: (c) => (c.on ? `${count(c.found)} found` : ""),
  };
}

function render({ model, el }) {
  el.classList.add("ssvae-view", "ssvae-facets");
  const out = sender(model, () => show()),
    cards = new Map(),
    list = h("div", { class: "ssvae-facet-list" }),
    id = `ssvae-facets-${model.get("key")}`;
  let mouse = false; // who came with Tab stays where he is
  const hand = (e) => (mouse = e.type === "pointerdown");
  for (const type of ["pointerdown", "keydown"]) el.addEventListener(type, hand, true);
  const back = () => mouse && giveKeysBack(el);
  const press = (ask) => {
    if (ask === "clear") out.drop();
    model.send({ type: "facets", ask });
    back();
  };
  const dot = h("span", { class: "ssvae-facet-dot" }),
    toggle = h(
      "button",
      {
        type: "button",
        class: "ssvae-facet-toggle",
        "aria-controls": id,
        title: "Columns: count, filter, search",
        onclick: () => press(model.get("unfolded") ? "fold" : "open"),
      },
      icon("columns"),
      h("span", { text: "Columns" }),
      dot,
    );
  const said = h("p", { class: "ssvae-facet-said", role: "status" }),
    select = h("button", { type: "button", class: "ssvae-button", onclick: () => press("select") }),
    clear = h("button", { type: "button", class: "ssvae-button", text: "Clear", onclick: () => press("clear") }),
    inside = h("input", {
      type: "checkbox",
      onchange: () => press(inside.checked ? "inside" : "everywhere"),
    }),
    foot = h(
      "div",
      { class: "ssvae-facet-foot" },
      said,
      h("div", { class: "ssvae-facet-row" }, select, clear),
      h(
        "label",
        {
          class: "ssvae-facet-inside",
          title:
            "Random picks rest meanwhile: they would say nothing about all images. Training and accuracy are always about all.",
        },
        inside,
        h("span", { text: "What next? only among these" }),
      ),
    ),
    body = h("div", { class: "ssvae-facet-body", id, role: "region", "aria-label": "Columns" }, list, foot);
  el.replaceChildren(toggle, body);

  const make = (card) => {
    const ask = (what) => out.ask(card.name, what),
      kinds = { category: categories, text: search },
      top = head(card.name, () => {
        part.none();
        back();
      }),
      part = (kinds[card.kind] || histogram)(card, ask, card.name),
      box = h(
        "section",
        { class: "ssvae-facet", "data-kind": card.kind, "aria-label": clean(card.name, 80) },
        top.el,
        part.el,
      );
    return {
      box,
      made: JSON.stringify([card.kind, card.names]),
      update(c) {
        top.end.hidden = !c.on;
        top.note.textContent = part.note ? part.note(c) : "";
        box.classList.toggle("ssvae-facet-on", c.on);
        part.update(c, !out.busy(c.name)); // while its last message is not answered, a column is as the page has it
      },
    };
  };
  const show = () => {
    const now = model.get("cards");
    for (const name of [...cards.keys()])
      if (!now.some((c) => c.name === name)) (cards.get(name).box.remove(), cards.delete(name));
    now.forEach((c, k) => {
      let card = cards.get(c.name);
      if (card?.made !== JSON.stringify([c.kind, c.names])) {
        card?.box.remove();
        cards.set(c.name, (card = make(c)));
      }
      if (list.children[k] !== card.box) list.insertBefore(card.box, list.children[k] || null);
      card.update(c);
    });
  };
  const end = follow(model, ["columns", "unfolded", "cards", "said", "passing", "inside", "heard"], () => {
    const open = model.get("unfolded"),
      on = model.get("said") !== "";
    el.classList.toggle("ssvae-hidden", !model.get("columns").length);
    el.classList.toggle("ssvae-unfolded", open);
    toggle.setAttribute("aria-expanded", String(open));
    body.hidden = !open;
    dot.textContent = on ? count(model.get("passing")) : "";
    dot.title = clean(model.get("said"), 400);
    dot.hidden = !on;
    foot.hidden = !on;
    said.textContent = clean(model.get("said"), 400);
    select.textContent = `Select ${model.get("passing") === 1 ? "it" : `these ${count(model.get("passing"))}`}`;
    select.disabled = !model.get("passing");
    inside.checked = model.get("inside");
    out.heard();
    if (open) show();
  });
  return () => {
    end();
    out.end();
  };
}

export default { render };
