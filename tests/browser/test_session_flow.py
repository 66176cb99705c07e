"""The loop in a real browser: labels without a pause while it trains, back and forth in time, and everything there
after a restart."""

import json

from test_labeler_flow import App

OPEN = """
import numpy as np
from ssvae_widgets import LatentLabeler, SSVAEConfig, load_digits
images, truth = load_digits()
config = SSVAEConfig(encoder_type="dense", hidden_dims=(64, 32), latent_dim=2, batch_size=64)
app = LatentLabeler(images, labels="labels.csv", truth=truth, config=config, height=600)
app
"""


def log_of(nb) -> list[dict]:
    "The gestures in the label log."
    return [
        r for r in map(json.loads, (nb.folder / "labels.csv.log.jsonl").read_text().splitlines()) if r["op"] == "set"
    ]


def test_labeling_through_training_loses_nothing_and_time_can_be_traveled(open_notebook):
    nb = open_notebook([OPEN])
    app = App(nb)
    page, root = app.page, app.page.locator(".ssvae-labeler").first
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    nb.execute("app.training.controls.epochs = 10_000")
    root.press("n")
    nb.until("app.session.current is not None")
    first = place_of_the_map(page)
    assert page.locator(".ssvae-clear").is_disabled(), "a proposal has no label yet"
    root.press("t")
    nb.until("app.session.training.epoch >= 1", timeout=300)
    # forty keys on forty proposals, as fast as they come, while it trains
    pressed = []
    for _ in range(40):
        serial = nb.python("app.session.current.serial")
        page.wait_for_function("n => document.querySelector('.ssvae-preview').dataset.serial === String(n)", arg=serial)
        digit = str(nb.python(f"int(truth[{serial}])"))
        root.press(digit)
        pressed.append((serial, digit))
        nb.until(f"app.session.current.serial != {serial}", every=0.02)
    assert nb.python("app.session.training.running"), nb.python("str(app.session.training)")
    app.wait_saved(40)
    assert [(r["serials"], str(r["labels"][0])) for r in log_of(nb)] == [([serial], digit) for serial, digit in pressed]
    assert nb.python("[int(app.session.codes[i]) for i in " + str([s for s, _ in pressed]) + "]") == [
        int(d) for _, d in pressed
    ]
    nb.until("app.session.examination.seq == 40", timeout=300)  # labels made during an epoch are heard by the next
    root.press(".")
    nb.until("not app.session.training.running", timeout=300)
    page.wait_for_selector(".ssvae-rounds:not(.ssvae-hidden)")
    assert place_of_the_map(page) == first, "the map stays where it is when the first round appears"
    # a second round with some more labels; what changed
    for _ in range(5):
        serial = nb.python("app.session.current.serial")
        page.wait_for_function("n => document.querySelector('.ssvae-preview').dataset.serial === String(n)", arg=serial)
        root.press(str(nb.python(f"int(truth[{serial}])")))
        nb.until(f"app.session.current.serial != {serial}", every=0.02)
    nb.execute("app.training.controls.epochs = 3")
    root.press("t")
    nb.until("len(app.session.rounds) == 3 and not app.session.training.running", timeout=300)
    page.wait_for_selector(".ssvae-changes")
    assert "changed" in page.locator(".ssvae-changes").text_content()
    page.wait_for_function(
        "() => document.querySelector('.ssvae-standing-text').textContent.includes('of your own labels')"
    )
    if nb.python("len(app.session.changes.rows)"):
        root.press("w")
        nb.until(
            "app.session.current.strategy == 'changed' "
            "and app.map.selected.tolist() == [int(app.session.changes.rows[0])]"
        )
        root.press("a")
        nb.until("app.training.rounds.trails and len(app.presenter.timeline.trails.lines.x) > 0")
        nb.screenshot("session-changes")
        root.press("a")
        nb.until("not app.training.rounds.trails")
    neighbors_are_in_sight(page)
    # back in time, and go on from there
    root.press("[")  # the newest round is on show already
    nb.until("app.presenter.timeline.looking_at == 1")
    nb.screenshot("session-round")
    labels = nb.python("app.session.seq")
    page.locator(".ssvae-goto").click()
    nb.until("len(app.session.rounds) == 4 and app.session.wait(0.1)", timeout=300)
    assert nb.python(
        "(app.session.model.epoch == app.session.rounds.facts[1]['epochs'] == app.session.training.total, "
        "app.session.seq, app.presenter.timeline.looking_at)"
    ) == [True, labels, None]
    # a restart finds it all
    nb.execute("app.map.color_by = 'certainty'; import json")
    nb.until("json.loads((app.session.folder.path / 'state.json').read_text())['view'].get('color_by') == 'certainty'")
    epochs, current = nb.python("[app.session.training.total, app.session.current.serial]")
    nb.disconnect()
    page.evaluate("() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()")
    page.wait_for_timeout(1500)
    nb.run_all()
    app = App(nb)
    nb.until("app.session.training.total > 0 and app.session.wait(0.1)", timeout=300)
    assert nb.python(
        "[app.session.n_labeled, app.session.training.total, app.session.current.serial, len(app.session.rounds)]"
    ) == [45, epochs, current, 4]
    nb.until("app.map.color_by == 'certainty'")
    page.wait_for_function("() => document.querySelectorAll('.ssvae-dot-round').length === 5")
    assert not errors, errors


def place_of_the_map(page) -> dict:
    "Of its points, in pixels of the page."
    return page.locator("canvas.ssvae-points").first.bounding_box()


def neighbors_are_in_sight(page):
    """With curves, timeline and standing on show, the neighbors of the selected point are not cut off at a height of
    600."""
    page.wait_for_selector(".ssvae-strip")
    # once the panels below have found their height
    page.wait_for_function("""() => {
        const place = s => document.querySelector(s)?.getBoundingClientRect();
        const strip = place(".ssvae-strip"), box = place(".ssvae-preview");
        return strip && box && strip.height > 0 && strip.bottom <= box.bottom + 1; }""")
