"""What next?, in a hurry: a key never labels an image that was not on show when it was pressed, and the next picture comes with the key."""

import json
import time

import numpy as np
import pytest
from test_labeler_flow import OPEN, App

# What a camera over the shoulder would see: at each key the picture on show before it acts; how long the next one takes; what is said.
WATCH = """() => {
    const root = document.querySelector('.ssvae-labeler'), preview = root.querySelector('.ssvae-preview'), status = root.querySelector('.ssvae-status');
    const seen = window.seen = { keys: [], took: [], frames: [] };
    const now = () => preview.dataset.serial === undefined ? -1 : Number(preview.dataset.serial);
    let pressed = null, frame = 0;
    const count = () => { frame++; requestAnimationFrame(count); };
    count();
    window.addEventListener('keydown', (e) => {
        if (!/^[0-9]$/.test(e.key)) return;
        pressed = { at: performance.now(), frame, from: now() };
        const entry = [now(), e.key, null];
        seen.keys.push(entry);
    }, true);
    root.addEventListener('keydown', (e) => { if (/^[0-9]$/.test(e.key)) seen.keys.at(-1)[2] = status.dataset.refused === 'yes'; });  // after the map has acted
    new MutationObserver(() => {
        if (pressed && now() !== pressed.from && now() >= 0) { seen.took.push(performance.now() - pressed.at); seen.frames.push(frame - pressed.frame); pressed = null; }
    }).observe(preview, { attributes: true, attributeFilter: ['data-serial'] });
}"""
SLOW = {
    "idle": "",
    "fsync": "import os, time; _sync = os.fsync; os.fsync = lambda fd: (time.sleep(0.15), _sync(fd))[1]",
    "proposals": "import time; _suggest = app.session.suggest; app.session.suggest = lambda *a, **k: (time.sleep(1.0), _suggest(*a, **k))[1]",
    "kernel": "import time; _act = app.act; app.map._handlers[:] = [lambda intent: (time.sleep(0.3), _act(intent))]",
}


def log_of(nb) -> list[tuple[int, str]]:
    "Labels in the order in which they were given."
    lines = map(json.loads, (nb.folder / "labels.csv.log.jsonl").read_text().splitlines())
    return [(r["serials"][0], str(r["labels"][0])) for r in lines if r["op"] == "set"]


def begin(nb, app):
    "The first proposal is on show, and the next ones are held."
    nb.until("app.session.wait(60)")  # the first model is prepared
    app.page.locator(".ssvae-labeler").first.press("n")
    nb.until("app.session.current is not None and app.map.selected.tolist() == [app.session.current.serial]")
    app.page.wait_for_function("n => document.querySelector('.ssvae-preview').dataset.serial === String(n)", arg=nb.python("app.session.current.serial"))
    app.page.evaluate(WATCH)


def hurry(page, keys: str, every: float):
    "Real key presses, one in `every` seconds."
    due = time.monotonic()
    for key in keys:
        page.keyboard.press(key)
        due += every
        time.sleep(max(0, due - time.monotonic()))


def judge(nb, app, keys: str) -> dict:
    "Every key labeled what was on show when it was pressed, or was refused aloud."
    nb.until("app.flush(0.1)", timeout=120)
    seen = app.page.evaluate("() => window.seen")
    assert "".join(k[1] for k in seen["keys"]) == keys
    given = [(serial, key) for serial, key, refused in seen["keys"] if not refused]
    end = time.monotonic() + 120
    while len(log_of(nb)) < len(given) and time.monotonic() < end:
        time.sleep(0.2)
    assert log_of(nb) == given, "what was on show, in order; none lost, none elsewhere"
    assert all(serial >= 0 for serial, _ in given)
    assert all(serial == -1 for serial, _, refused in seen["keys"] if refused), "refused while nothing is on show only"
    assert len({serial for serial, _ in given}) == len(given), "each image once"
    return {"given": len(given), "refused": len(keys) - len(given), "p95 ms": round(float(np.percentile(seen["took"], 95)), 1), "frames": int(np.percentile(seen["frames"], 95))}


@pytest.mark.parametrize("slow", SLOW)
def test_200_keys_in_a_hurry_label_what_was_on_show(open_notebook, slow):
    nb = open_notebook([OPEN])
    app = App(nb)
    begin(nb, app)
    if SLOW[slow]:
        nb.execute(SLOW[slow])
    keys = "".join(str(k) for k in np.random.default_rng(0).integers(0, 10, 200))
    hurry(app.page, keys, 0.06)
    found = judge(nb, app, keys)
    print(slow, found)
    assert found["given"] >= 10, found
    if slow == "idle":
        nb.screenshot("what-next")
