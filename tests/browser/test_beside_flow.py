"""Two rounds side by side: the same image is ringed in both, what changed is seen alone, a click shows it."""

import re

from waiting import until

CELL = """
import numpy as np
from ssvae_widgets import LatentLabeler, load_images
d = load_images("digits")
truth = np.asarray(d.truth)
app = LatentLabeler(d.images, classes=10)
for k in range(10):
    app.session.label(np.flatnonzero(truth == k)[:1], k)
app.session.train(1)
assert app.session.wait(300)
for k in range(10):
    app.session.label(np.flatnonzero(truth == k)[1:5], k)
app.session.train(2)
assert app.session.wait(300) and app.flush(60)

def moved():
    then, now = app.session.rounds[1].pred.copy(), app.session.predictions.view.pred.copy()
    for k in range(10):
        then[np.flatnonzero(truth == k)[:1]] = now[np.flatnonzero(truth == k)[:5]] = k
    return int((then != now).sum())

app
"""
COLORED = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 === 3 && v).length"


def test_an_earlier_round_stands_beside_the_map_of_now(open_notebook):
    nb = open_notebook([CELL], name="beside", width=1280, height=800)
    page, wrong = nb.page, []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.wait_for_selector("canvas.ssvae-points[data-painted]", timeout=120_000)
    slider = page.locator(".ssvae-rounds .ssvae-slider")
    slider.focus()
    page.keyboard.press("ArrowLeft")  # is the slider's, and not a step to the cell above
    nb.until("app.presenter.timeline.looking_at == 2")
    page.keyboard.press("ArrowRight")
    nb.until("app.presenter.timeline.looking_at is None")
    assert slider.evaluate("e => e === document.activeElement")
    opener = page.locator(".ssvae-beside-open")
    opener.click()
    dialog = page.locator("dialog.ssvae-beside")
    until(lambda: dialog.get_attribute("data-shown") == "1")
    then, now = dialog.locator("figcaption").all_inner_texts()
    assert then == "Round 2 · 1 epoch · 10 labels" and now == "Now · 3 epochs · 50 labels"
    assert len(dialog.locator("option").all()) == 3
    left, right = dialog.locator(".ssvae-beside-stage").all()
    assert all(c.evaluate(COLORED) > 2000 for c in dialog.locator("canvas").all())
    said = dialog.locator(".ssvae-beside-said")
    moved = int(re.match(r"Another answer for ([\d,]+) of 1,797 points\.", said.inner_text())[1].replace(",", ""))
    assert moved == nb.python("moved()") > 0
    nb.screenshot("beside-light")
    box = right.bounding_box()
    for step in range(400):  # over the cloud until a point is under the pointer
        x, y = (0.2 + 0.6 * (step * part % 1) for part in (0.618, 0.755))
        page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
        if said.inner_text().startswith("Image"):
            break
    row = int(re.match(r"Image ([\d,]+): .+ → .+\. Click", said.inner_text())[1].replace(",", ""))
    assert all(mark.is_visible() for mark in dialog.locator(".ssvae-beside-mark").all())
    dialog.get_by_text("Only what changed").click()
    nb.screenshot("beside-changed")
    dialog.locator("select").select_option("0")
    until(lambda: dialog.get_attribute("data-shown") == "0")
    assert dialog.locator("figcaption").first.inner_text().startswith("Round 1 · 0 epochs")
    page.keyboard.press("3")  # no key of the map does anything here
    page.keyboard.press("Escape")
    until(lambda: not dialog.is_visible())
    nb.theme("dark")
    opener.click()
    until(lambda: dialog.is_visible() and dialog.get_attribute("data-theme") == "dark")
    nb.screenshot("beside-dark")
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
    until(lambda: said.inner_text().startswith(f"Image {row:,}: "))
    page.mouse.down()
    page.mouse.up()
    until(lambda: not dialog.is_visible())
    nb.until(f"app.map.selected.tolist() == [{row}]")
    assert nb.python("app.session.n_labeled") == 50 and wrong == []
