import assert from "node:assert/strict";
import test from "node:test";
import { GONE, watchKernel } from "../../ssvae_widgets/static/kernel-watch.mjs";
import { OnShow } from "../../ssvae_widgets/static/on-show.mjs";

class Signal {
  all = new Set();
  connect(f) {
    this.all.add(f);
  }
  disconnect(f) {
    this.all.delete(f);
  }
  emit(x) {
    for (const f of [...this.all]) f(this, x);
  }
}
function page() {
  const kernel = { statusChanged: new Signal(), disposed: new Signal() },
    events = {};
  const own = {
    comm_live: true,
    comm: { jsServicesComm: { _kernel: kernel } },
    on: (name, f) => (events[name] = f),
    off: (name) => delete events[name],
  };
  return { kernel, events, own, model: { widget_manager: { get_model: async () => own } } };
}
const soon = () => new Promise((r) => setTimeout(r, 0));

test("restart, death, shut-down and a closed comm are told once", async () => {
  for (const kill of [
    (p) => p.kernel.statusChanged.emit("restarting"),
    (p) => p.kernel.statusChanged.emit("dead"),
    (p) => p.kernel.disposed.emit(),
    (p) => ((p.own.comm_live = false), p.events.comm_live_update()),
  ]) {
    const p = page();
    let n = 0;
    watchKernel(p.model, "x", () => n++);
    await soon();
    p.kernel.statusChanged.emit("busy");
    p.kernel.statusChanged.emit("idle");
    assert.equal(n, 0);
    kill(p);
    p.kernel.statusChanged.emit("dead");
    assert.equal(n, 1);
    assert.deepEqual([p.kernel.statusChanged.all.size, p.kernel.disposed.all.size], [0, 0]);
  }
});

test("who stopped watching hears nothing, nor does a page without a manager", async () => {
  const p = page();
  const stop = watchKernel(p.model, "x", () => assert.fail());
  await soon();
  stop();
  p.kernel.statusChanged.emit("dead");
  watchKernel({}, "x", () => assert.fail());
  await soon();
});

test("a key is refused with the reason", () => {
  const show = new OnShow(1);
  show.select(Uint32Array.of(3), "key");
  show.leave(GONE);
  assert.equal(show.refusal(Uint32Array.of(3)), GONE);
});
