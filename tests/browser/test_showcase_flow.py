"""The showcase in a real JupyterLab: run it, click, label, train, and look at the files and at Python, not only at
the page."""

import csv
import io

import numpy as np
import pytest
from PIL import Image
from waiting import until

from ssvae_widgets.palettes import FIRST_TEN

TRAINED = "app.session.training.phase == 'idle' and not app.session.jobs.busy"


def place(page, xy) -> tuple[float, float]:
    "Where a point of the map is on the screen, from the canvas' `data-domain` and its rectangle."
    x0, x1, y0, y1, left, top, width, height = page.evaluate("""() => {
        const c = document.querySelector('.ssvae-points'), r = c.getBoundingClientRect();
        return [...c.dataset.domain.split(',').map(Number), r.left, r.top, r.width, r.height]; }""")
    return left + (xy[0] - x0) / (x1 - x0) * width, top + (y1 - xy[1]) / (y1 - y0) * height


def pixel(page, at) -> np.ndarray:
    "The mean color of the 3 × 3 pixels around a place on the screen."
    shot = page.screenshot(clip={"x": round(at[0]) - 1, "y": round(at[1]) - 1, "width": 3, "height": 3})
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), float).reshape(-1, 3).mean(0)


def lonely(nb) -> int:
    "An unlabeled point that has the most empty space around it, so that a click can mean only this one."
    nb.execute(
        "import numpy as _np; from sklearn.neighbors import NearestNeighbors as _N\n"
        "_xy = _np.asarray(app.session.xy); _d = _N(n_neighbors=2).fit(_xy).kneighbors(_xy)[0][:, 1]\n"
        "_in = _np.abs(_xy - _np.median(_xy, 0)).max(1) < 0.8 * _np.abs(_xy - _np.median(_xy, 0)).max()\n"
        "_d[(app.session.codes >= 0) | ~_in] = 0"
    )
    return nb.python("int(_d.argmax())")


@pytest.fixture
def showcase(open_notebook, root, monkeypatch):
    nb = open_notebook(root / "nbs" / "tutorials" / "showcase.ipynb", name="showcase", timeout=600, height=1100)
    nb.page.wait_for_selector(".ssvae-points[data-domain]")
    nb.page.locator(".ssvae-labeler").scroll_into_view_if_needed()
    nb.until(TRAINED, timeout=300)
    nb.execute("app.map.pictures = False")  # these flows look at the colors of dots
    nb.page.wait_for_timeout(800)
    return nb


def test_click_label_train(showcase):
    nb, page = showcase, showcase.page
    target = lonely(nb)
    at = place(page, nb.python(f"app.session.xy[{target}]"))
    nb.screenshot("showcase_start")

    # click: this very point is selected, in Python too
    page.mouse.click(*at)
    nb.until(f"[int(i) for i in app.map.selected] == [{target}]")
    page.mouse.move(5, 5)  # away, so that no hover ring covers the point
    page.wait_for_timeout(300)
    before = pixel(page, at)

    # key: the label is acknowledged, on disk, and the point has another color
    seq = nb.python("app.labels.seq")
    page.keyboard.press("3")
    page.wait_for_selector(f".ssvae-status[data-saved='yes'][data-seq='{seq + 1}']")
    assert nb.python(f"int(app.session.codes[{target}])") == 3
    color = np.array([int(FIRST_TEN[3][i : i + 2], 16) for i in (1, 3, 5)], float)
    until(lambda: np.abs(pixel(page, at) - color).max() < 40)
    nb.screenshot("showcase_labeled")
    assert 40 < np.abs(before - color).max(), f"{before} was class 3 already: {color}"
    nb.execute("app.labels.flush()")
    with open(nb.python("str(app.labels.path.resolve())"), newline="") as f:
        rows = {row["Serial"]: row["label"] for row in csv.DictReader(f)}
    assert rows[str(target)] == "3"

    # JupyterLab must not take the keys: no deleted cell, no restarted kernel
    cells = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")
    nb.execute("alive = 42")
    for keys in ("dd", "00"):
        for key in keys:
            page.keyboard.press(key)
    page.wait_for_timeout(500)
    assert page.locator(".jp-Dialog").count() == 0
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length") == cells
    assert nb.python("alive") == 42
    nb.until(f"int(app.session.codes[{target}]) == 0")  # the second key pair was a label: class 0

    # train: the loss is measured, the points move
    xy = np.array(nb.python("app.session.xy"))
    epochs = nb.python("app.session.training.total")
    page.locator(".ssvae-train").click()
    nb.until(f"app.session.training.total > {epochs}", timeout=300)
    nb.screenshot("showcase_training")
    nb.until(TRAINED, timeout=300)
    losses = nb.python("app.session.history['loss']")
    assert len(losses) >= 2 and len(set(losses)) > 1
    moved = np.abs(np.array(nb.python("app.session.xy")) - xy).max(1)
    assert np.median(moved) > 1e-3
    page.wait_for_timeout(1000)
    nb.screenshot("showcase_trained")
    nb.theme("dark")
    nb.screenshot("showcase_trained_dark")
