/** One picture in full size over the page: the wheel zooms, a drag pans, Escape closes; keys of the map go on to work. */
import { clean, count, h, icon } from "./dom.mjs";

/** The scale at which a picture fits into a box; small ones are enlarged by whole numbers. */
export function fitScale(width, height, boxWidth, boxHeight) {
  const scale = Math.min(boxWidth / width, boxHeight / height);
  return scale > 2 ? Math.floor(scale) : scale;
}

/**
 * Zoom by a factor around a point (relative to the middle of the box), between `low` and `high`.
 * @param {number[]} at scale, x, y
 * @returns {number[]} the same afterwards
 */
export function zoomAt([scale, x, y], factor, px, py, low, high) {
  const next = Math.max(low, Math.min(high, scale * factor)),
    f = next / scale;
  return [next, px - (px - x) * f, py - (py - y) * f];
}

/**
 * A dialog inside `root`, closed at first. `ask(serial)` has the picture sent, which arrives at `got`; `give(code)` hears of the class
 * that was chosen below it.
 * @param {Element} root @param {(serial: number) => void} ask @param {() => void} closed @param {(code: number) => void} give
 */
export function lightbox(root, ask, closed = () => {}, give = () => {}) {
  const image = h("img", { class: "ssvae-light-image", draggable: "false", alt: "" });
  const stage = h("div", { class: "ssvae-light-stage" }, image);
  const title = h("span", { class: "ssvae-light-title" }),
    label = h("span", { class: "ssvae-chip" }),
    facts = h("span", { class: "ssvae-light-facts", role: "status" }),
    note = h("span", { class: "ssvae-light-note", role: "status" });
  const button = (text, name, does, ...inside) =>
    h(
      "button",
      {
        type: "button",
        class: "ssvae-button ssvae-small",
        title: name,
        "aria-label": name,
        onclick: () => {
          does();
          if (dialog.open) dialog.focus({ preventScroll: true }); // Enter is for the picture, not for the button again
        },
      },
      ...(inside.length ? inside : [text]),
    );
  const bar = h(
    "div",
    { class: "ssvae-light-bar" },
    title,
    label,
    facts,
    note,
    button("Fit", "The whole picture", () => view(fitted())),
    button("100 %", "One pixel of the picture for one of the screen", () => view([1 / devicePixelRatio, 0, 0])),
    button("", "Close (Esc)", () => close(), icon("close")),
  );
  const keys = h("div", { class: "ssvae-light-keys", role: "group", "aria-label": "Classes" });
  /** A class with its key, and whether the picture is of it. */
  const choice = ({ code, key, name, style, on }) =>
    h(
      "button",
      {
        type: "button",
        class: "ssvae-light-key",
        style,
        title: key ? `${name} · key ${key}` : name,
        "aria-pressed": String(on),
        onclick: () => {
          give(code);
          if (dialog.open) dialog.focus({ preventScroll: true });
        },
      },
      h("kbd", { text: key }),
      h("span", { text: name }),
    );
  const dialog = h(
    "dialog",
    {
      class: "ssvae-light",
      tabindex: "-1",
      "aria-label": "Picture in full size",
      "data-lm-suppress-shortcuts": "true",
    },
    bar,
    stage,
    keys,
  );
  root.append(dialog);
  let serial = -1,
    natural = [0, 0],
    url = "",
    at = [1, 0, 0],
    dragged = null;

  const fitted = () => [fitScale(natural[0], natural[1], stage.clientWidth, stage.clientHeight), 0, 0];
  const low = () => Math.min(0.5 * fitted()[0], 1),
    high = () => Math.max(32, 2 * fitted()[0]);
  function view(next) {
    at = next;
    image.style.transform = `translate(-50%, -50%) translate(${at[1]}px, ${at[2]}px) scale(${at[0]})`;
    image.classList.toggle("ssvae-pixelated", at[0] * devicePixelRatio >= 2);
  }
  function forget() {
    if (url) URL.revokeObjectURL(url);
    url = "";
    image.hidden = true;
    image.removeAttribute("src");
  }
  function close() {
    if (dialog.open) dialog.close();
  }
  dialog.addEventListener("close", () => {
    forget();
    serial = -1;
    note.textContent = "";
    closed();
  });
  dialog.addEventListener("click", (e) => {
    if (e.target === dialog) close(); // beside it
  });
  dialog.addEventListener("keydown", (e) => {
    if (e.key !== "Escape") return;
    e.preventDefault(); // the selection stays
    e.stopPropagation();
    close();
  });
  image.addEventListener("load", () => {
    image.hidden = false;
    view(fitted());
  });
  /** Zoom around the pointer. */
  const zoom = (e, factor) => {
    const r = stage.getBoundingClientRect();
    const [px, py] = [e.clientX - r.left - r.width / 2, e.clientY - r.top - r.height / 2];
    view(zoomAt(at, factor, px, py, low(), high()));
  };
  stage.addEventListener(
    "wheel",
    (e) => {
      e.preventDefault();
      zoom(e, Math.exp(-Math.max(-240, Math.min(240, e.deltaY * (e.deltaMode === 1 ? 16 : 1))) * 0.002));
    },
    { passive: false },
  );
  stage.addEventListener("pointerdown", (e) => {
    dragged = [e.clientX - at[1], e.clientY - at[2]];
    stage.setPointerCapture?.(e.pointerId);
    dialog.focus({ preventScroll: true });
  });
  stage.addEventListener("pointermove", (e) => {
    if (dragged) view([at[0], e.clientX - dragged[0], e.clientY - dragged[1]]);
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => (dragged = null));
  stage.addEventListener("dblclick", (e) => {
    const fit = fitted();
    if (Math.abs(at[0] - fit[0]) > 1e-9) view(fit);
    else zoom(e, 4);
  });

  return {
    dialog,
    get open() {
      return dialog.open;
    },
    /** The item whose picture is seen; -1: it has not come. */
    get there() {
      return dialog.open && !image.hidden ? serial : -1;
    },
    close,
    /** Why a key was not used: the line that says it stands behind the dialog. @param {string} text */
    say(text) {
      note.textContent = text;
    },
    /** Show the picture of an item, and the classes that have keys; nothing new is asked for when it is there. */
    show(next, name, chip, classes) {
      const told = JSON.stringify(classes);
      if (told !== keys.dataset.told) {
        if (keys.contains(document.activeElement)) dialog.focus({ preventScroll: true });
        keys.replaceChildren(...classes.map(choice));
        keys.hidden = !classes.length;
        keys.dataset.told = told;
      }
      title.textContent = clean(name ? `#${next} · ${name}` : `#${next}`);
      label.textContent = clean(chip, 60);
      if (!dialog.open) {
        dialog.showModal();
        dialog.focus({ preventScroll: true });
      }
      if (next === serial) return;
      serial = next;
      forget();
      facts.textContent = "…";
      dialog.dataset.serial = String(next);
      ask(next);
    },
    /** The answer of Python: { serial, mime, width, height, full, problem } and the bytes of the file. */
    got(message, data) {
      if (!dialog.open || message.serial !== serial) return;
      forget();
      if (message.problem) {
        facts.textContent = clean(message.problem, 400);
        return;
      }
      natural = [message.width, message.height];
      const [width, height] = message.full;
      const smaller = width === natural[0] ? "" : `, shown at ${count(natural[0])} × ${count(natural[1])}`;
      facts.textContent = `${count(width)} × ${count(height)} pixels${smaller}`;
      image.alt = title.textContent;
      image.width = natural[0];
      image.height = natural[1];
      url = URL.createObjectURL(new Blob([data], { type: message.mime }));
      image.src = url;
    },
    remove() {
      close();
      dialog.remove();
    },
  };
}
