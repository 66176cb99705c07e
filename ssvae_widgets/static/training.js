import { clean, count, duration, follow, h } from "./view-core.mjs";

/** A slider through the rounds that were shown; its right end is now. */
function rounds(model, el) {
  el.classList.add("ssvae-rounds");
  const slider = h("input", { type: "range", min: 0, step: 1, class: "ssvae-slider", "aria-label": "Round on show", title: "Earlier rounds ([ and ])" });
  const text = h("span", { class: "ssvae-caption" });
  slider.addEventListener("input", () => model.send({ type: "snapshot", frame: Number(slider.value) }));
  el.replaceChildren(slider, text);
  return follow(model, ["count", "frame", "note"], () => {
    el.classList.toggle("ssvae-hidden", model.get("count") < 1);
    slider.max = model.get("count");
    slider.value = model.get("frame");
    slider.setAttribute("aria-valuetext", clean(model.get("note")));
    text.textContent = clean(model.get("note"));
    text.title = clean(model.get("note"));
  });
}

function controls(model, el) {
  el.classList.add("ssvae-training");
  el.setAttribute("role", "region");
  el.setAttribute("aria-label", "Training");
  const field = h("input", { type: "number", min: 1, max: model.get("most"), step: 1, class: "ssvae-input ssvae-epochs", "aria-label": "Epochs to train" });
  const wanted = () => { const n = Math.round(Number(field.value)); return Number.isFinite(n) && n >= 1 && n <= model.get("most") ? n : null; };
  const train = h("button", { type: "button", class: "ssvae-button ssvae-primary ssvae-train", title: "Train (t)", onclick: () => { const n = wanted(); if (n) model.send({ type: "train", epochs: n }); else { field.setAttribute("aria-invalid", "true"); field.focus(); } } }, h("span"));
  const stop = h("button", { type: "button", class: "ssvae-button ssvae-stop", title: "Stop after this epoch and keep everything (.)", onclick: () => model.send({ type: "stop" }) }, h("span", { text: "Stop" }));
  field.addEventListener("input", () => field.removeAttribute("aria-invalid"));
  field.addEventListener("change", () => { const n = wanted(); if (n) model.send({ type: "epochs", epochs: n }); }); // so that the key trains as many
  field.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); event.stopPropagation(); train.click(); } });
  const bar = h("div", { class: "ssvae-progress", role: "progressbar", "aria-valuemin": 0, "aria-label": "Training progress" }, h("span"));
  const facts = h("div", { class: "ssvae-facts" }), key = h("div", { class: "ssvae-curve-key" });
  el.replaceChildren(
    h("div", { class: "ssvae-train-row" }, h("label", { class: "ssvae-field" }, h("span", { text: "Epochs" }), field), train, stop),
    bar, facts, key);
  const clear = follow(model, ["epochs"], () => { if (document.activeElement !== field) field.value = model.get("epochs"); });
  const cleanup = follow(model, ["running", "epoch", "target", "seconds", "message", "loss", "accuracy", "total", "stopping"], () => {
    const running = model.get("running"), epoch = model.get("epoch"), target = model.get("target"), each = model.get("seconds");
    el.setAttribute("data-running", running);
    train.firstChild.textContent = running ? "Train more" : "Train";
    stop.disabled = !running || model.get("stopping");
    stop.firstChild.textContent = model.get("stopping") ? "Stopping …" : "Stop";
    bar.hidden = !running;
    bar.setAttribute("aria-valuemax", target);
    bar.setAttribute("aria-valuenow", epoch);
    bar.firstChild.style.width = `${target ? (100 * epoch) / target : 0}%`;
    const left = each > 0 && running ? (target - epoch) * each : NaN;
    facts.textContent = running
      ? [`epoch ${count(epoch)} of ${count(target)}`, each > 0 ? `${duration(each)} each` : "compiling …", Number.isFinite(left) ? `${duration(left)} left` : ""].filter(Boolean).join(" · ")
      : [clean(model.get("message")) || (model.get("total") ? `${count(model.get("total"))} epochs trained` : "not trained yet"), each > 0 && model.get("total") ? `${duration(each)} each` : ""].filter(Boolean).join(" · ");
    const loss = model.get("loss"), accuracy = model.get("accuracy");
    key.hidden = loss === null && accuracy === null;
    key.replaceChildren(
      h("span", { class: "ssvae-key-loss", text: loss === null ? "loss" : `loss ${Number(loss).toPrecision(3)}` }),
      h("span", { class: "ssvae-key-accuracy", text: accuracy === null ? "accuracy on labels" : `accuracy on labels ${Number(accuracy).toFixed(2)}` }));
  });
  return () => { clear(); cleanup(); };
}

function render({ model, el }) {
  el.classList.add("ssvae-view");
  return { controls, rounds }[model.get("part")](model, el);
}

export default { render };
