import { clean, count, h, svg } from "./dom.mjs";
import { beside } from "./beside.mjs";
import { price, runWords } from "./training-words.mjs";
import { follow, giveKeysBack, toMap } from "./view-core.mjs";

/** A slider through the rounds that were kept; its right end is now. Below: what the last round did. */
function rounds(model, el) {
  el.classList.add("ssvae-rounds");
  const dots = h("div", { class: "ssvae-dots", "aria-hidden": "true" });
  const slider = h("input", {
    type: "range",
    min: 0,
    step: 1,
    class: "ssvae-slider",
    "aria-label": "Round on show",
    title: "Earlier rounds ([ and ])",
  });
  const text = h("span", { class: "ssvae-caption ssvae-round-note" });
  const said = h("span", { class: "ssvae-caption ssvae-changes" });
  const button = (label, key, cls, title, intent) =>
    h(
      "button",
      { type: "button", class: `ssvae-button ssvae-small ${cls}`, title, onclick: () => model.send(intent()) },
      h("span", { text: label }),
      key ? h("kbd", { text: key }) : null,
    );
  const walk = button("Walk", "w", "ssvae-walk", "Walk through the points that the last round changed (w)", () => ({
    type: "walk",
  }));
  const trails = button("Trails", "a", "ssvae-trails", "Draw where the points came from (a)", () => ({
    type: "trails",
  }));
  const back = button(
    "Go back here",
    "",
    "ssvae-goto",
    "Go on from the weights of this round; labels stay as they are",
    () => ({ type: "goto", frame: model.get("frame") }),
  );
  /** @type {ReturnType<typeof beside> | null} */
  let pair = null;
  const compare = h(
    "button",
    {
      type: "button",
      class: "ssvae-button ssvae-small ssvae-beside-open",
      title: "This round, or the last one, beside the map of now",
      onclick: () => {
        pair ||= beside(
          el.closest(".ssvae-labeler") || el,
          (k) => model.send({ type: "beside", frame: k }),
          (row) => toMap(el, "choose", row),
        );
        const [n, k] = [model.get("count"), model.get("frame")];
        pair.open(k < n ? k : Math.max(0, n - 2), model.get("titles")); // the last one is now, but for labels
      },
    },
    h("span", { text: "Side by side" }),
  );
  const received = (message, buffers) => message.type === "beside" && pair?.got(message, buffers);
  model.on("msg:custom", received);
  const below = h("div", { class: "ssvae-round-row" }, said, walk, trails, compare, back);
  slider.addEventListener("input", () => model.send({ type: "snapshot", frame: Number(slider.value) }));
  el.replaceChildren(
    h("div", { class: "ssvae-round-row" }, h("div", { class: "ssvae-track" }, dots, slider), text),
    below,
  );
  const cleanup = follow(model, ["count", "frame", "note", "kept", "titles", "changes", "n_changes", "trails"], () => {
    const n = model.get("count"),
      k = model.get("frame"),
      kept = model.get("kept"),
      past = k < n;
    el.classList.toggle("ssvae-hidden", n < 1);
    slider.max = n;
    slider.value = k;
    slider.setAttribute("aria-valuetext", clean(model.get("note")));
    dots.replaceChildren(
      ...(n > 40
        ? []
        : Array.from({ length: n + 1 }, (_, i) =>
            h("span", {
              class: `ssvae-dot-round${i === n || kept[i] ? " ssvae-kept" : ""}`,
              style: { left: `${(100 * i) / n}%` },
            }),
          )),
    );
    text.textContent = text.title = clean(model.get("note"));
    const message = past
      ? kept[k]
        ? "an earlier round; labels are those of today"
        : "an earlier round, kept for looking"
      : clean(model.get("changes"));
    said.textContent = said.title = message;
    pair?.rounds(model.get("titles"));
    walk.hidden = trails.hidden = past || !model.get("n_changes");
    back.hidden = !past || !kept[k];
    below.hidden = n < 1;
    trails.setAttribute("aria-pressed", model.get("trails"));
    trails.classList.toggle("ssvae-on", model.get("trails"));
  });
  return () => {
    model.off("msg:custom", received);
    pair?.remove();
    cleanup();
  };
}

/** How well it is going: a sentence and a curve against the number of labels; below, images that look alike without a label. */
function standing(model, el) {
  el.classList.add("ssvae-standing");
  const text = h("span", { class: "ssvae-caption ssvae-standing-text" });
  const W = 84,
    H = 26;
  const spark = svg("svg", { width: W, height: H, viewBox: `0 0 ${W} ${H}`, class: "ssvae-spark", role: "img" });
  const unlabeled = h("button", {
    type: "button",
    class: "ssvae-unlabeled",
    title: "Select them: a class that has no label yet may be among them",
    onclick: () => model.send({ type: "unlabeled" }),
  });
  const outlook = h("span", { class: "ssvae-caption ssvae-outlook" });
  const pool = h("span", { class: "ssvae-caption ssvae-pool" });
  el.replaceChildren(text, spark, outlook, unlabeled, pool);
  const path = (cls, d) => svg("path", { class: cls, d });
  return follow(model, ["message", "detail", "curve", "unlabeled", "outlook", "pool"], () => {
    const message = clean(model.get("message"), 400),
      curve = model.get("curve");
    unlabeled.textContent = clean(model.get("unlabeled"));
    unlabeled.hidden = !unlabeled.textContent;
    el.classList.toggle("ssvae-gap", !unlabeled.hidden);
    pool.textContent = pool.title = clean(model.get("pool"), 200);
    pool.hidden = !pool.textContent;
    el.classList.toggle("ssvae-hidden", !message && unlabeled.hidden && pool.hidden);
    text.textContent = message;
    outlook.textContent = outlook.title = clean(model.get("outlook"), 200);
    outlook.hidden = !outlook.textContent;
    el.title = [message, outlook.textContent, clean(model.get("detail"), 700)].filter(Boolean).join("\n");
    spark.style.display = curve.length > 1 ? "" : "none";
    if (curve.length < 2) return;
    const first = curve[0][0],
      last = curve[curve.length - 1][0];
    const floor = Math.max(0, Math.min(0.9, ...curve.map((c) => c[2])) - 0.02);
    const at = (labels, share) =>
      `${(2 + ((W - 4) * (labels - first)) / Math.max(1, last - first)).toFixed(1)} ${(H - 2 - ((H - 4) * (share - floor)) / (1 - floor)).toFixed(1)}`;
    const line = (i, rows = curve) =>
      rows
        .filter((c) => c[i] !== null)
        .map((c, k) => `${k ? "L" : "M"}${at(c[0], c[i])}`)
        .join("");
    spark.setAttribute(
      "aria-label",
      `Accuracy from ${count(first)} to ${count(last)} labels: now ${Math.round(100 * curve[curve.length - 1][1])} percent`,
    );
    spark.replaceChildren(
      path("ssvae-spark-band", `${line(3)}${line(2, [...curve].reverse()).replace("M", "L")}Z`),
      path("ssvae-spark-truth", line(4)),
      path("ssvae-spark-line", line(1)),
    );
  });
}

function controls(model, el) {
  el.classList.add("ssvae-training");
  el.setAttribute("role", "region");
  el.setAttribute("aria-label", "Training");
  const field = h("input", {
    type: "number",
    min: 1,
    max: model.get("most"),
    step: 1,
    class: "ssvae-input ssvae-epochs",
    "aria-label": "Epochs to train",
  });
  const wanted = () => {
    const n = Math.round(Number(field.value));
    return Number.isFinite(n) && n >= 1 && n <= model.get("most") ? n : null;
  };
  const train = h(
    "button",
    {
      type: "button",
      class: "ssvae-button ssvae-primary ssvae-train",
      title: "Train (t)",
      onclick: () => {
        const n = wanted();
        if (n) model.send({ type: "train", epochs: n });
        else {
          field.setAttribute("aria-invalid", "true");
          field.focus();
        }
      },
    },
    h("span"),
  );
  const stop = h(
    "button",
    {
      type: "button",
      class: "ssvae-button ssvae-stop",
      title: "Stop within two seconds and keep everything (.)",
      onclick: () => model.send({ type: "stop" }),
    },
    h("span", { text: "Stop" }),
  );
  const auto = h("select", {
    class: "ssvae-select ssvae-auto",
    "aria-label": "When training starts by itself",
    title: "When training starts by itself",
    onchange: () => {
      model.send({ type: "auto", choice: auto.selectedIndex });
      giveKeysBack(el);
    },
  });
  field.addEventListener("input", () => field.removeAttribute("aria-invalid"));
  field.addEventListener("change", () => {
    const n = wanted();
    if (n) model.send({ type: "epochs", epochs: n });
  }); // so that the key trains as many
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      event.stopPropagation();
      train.click();
    }
  });
  const bar = h(
    "div",
    { class: "ssvae-progress", role: "progressbar", "aria-valuemin": 0, "aria-label": "Training progress" },
    h("span"),
  );
  const facts = h("span", { class: "ssvae-facts" }),
    key = h("div", { class: "ssvae-curve-key" });
  el.replaceChildren(
    h(
      "div",
      { class: "ssvae-train-row" },
      h("label", { class: "ssvae-field" }, h("span", { text: "Epochs" }), field),
      train,
      stop,
    ),
    bar,
    h("div", { class: "ssvae-train-row" }, facts, auto),
    key,
  );
  const clear = follow(model, ["epochs"], () => {
    if (document.activeElement !== field) field.value = model.get("epochs");
  });
  const choose = follow(model, ["choices", "choice"], () => {
    auto.replaceChildren(...model.get("choices").map((text) => h("option", { text })));
    auto.selectedIndex = model.get("choice");
    auto.hidden = model.get("choices").length < 2;
  });
  const names = ["running", "epoch", "target", "seconds", "message", "total", "stopping", "epochs", "doing", "lasted"];
  names.push("last_time", "batch", "batches", "left", "ahead");
  let came = performance.now();
  const say = () => {
    const s = Object.fromEntries(names.map((name) => [name, model.get(name)]));
    const age = (performance.now() - came) / 1000;
    facts.textContent = runWords(s, age, wanted() ?? NaN, facts.clientWidth > 0 && facts.clientWidth < 140);
    const cost = s.running ? [] : [price(wanted() ?? NaN, s.seconds || s.ahead), clean(model.get("ahead_from"))];
    facts.title = [runWords(s, age, NaN), ...cost].filter(Boolean).join("\n");
  };
  field.addEventListener("input", say);
  const clock = setInterval(() => {
    if (model.get("running")) say();
  }, 1000);
  const cleanup = follow(model, [...names, "loss", "accuracy", "ahead_from"], () => {
    const running = model.get("running"),
      target = model.get("target"),
      within = model.get("batches") ? model.get("batch") / model.get("batches") : 0,
      done = Math.min(model.get("epoch") + within, target);
    came = performance.now();
    el.setAttribute("data-running", running);
    train.firstChild.textContent = running ? "Train more" : "Train";
    stop.disabled = !running || model.get("stopping");
    stop.firstChild.textContent = model.get("stopping") ? "Stopping …" : "Stop";
    bar.style.visibility = running ? "" : "hidden"; // keeps its place: nothing below it jumps when a run begins
    bar.setAttribute("aria-valuemax", target);
    bar.setAttribute("aria-valuenow", done.toFixed(2));
    bar.firstChild.style.width = `${target ? (100 * done) / target : 0}%`;
    say();
    const loss = model.get("loss"),
      accuracy = model.get("accuracy");
    key.style.visibility = loss === null && accuracy === null ? "hidden" : ""; // keeps its place
    key.replaceChildren(
      h("span", { class: "ssvae-key-loss", text: loss === null ? "loss" : `loss ${Number(loss).toPrecision(3)}` }),
      h("span", {
        class: "ssvae-key-accuracy",
        title: "On labels that it has learned from: how good the predictions are stands beside the chart",
        text: accuracy === null ? "training accuracy" : `training accuracy ${Number(accuracy).toFixed(2)}`,
      }),
    );
  });
  return () => {
    clearInterval(clock);
    clear();
    choose();
    cleanup();
  };
}

function render({ model, el }) {
  el.classList.add("ssvae-view");
  return { controls, rounds, standing }[model.get("part")](model, el);
}

export default { render };
