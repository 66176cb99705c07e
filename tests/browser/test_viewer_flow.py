"""The notebook that ssvae-view writes, in a real JupyterLab: look at a point, press a digit, find it in labels.csv."""

import csv
import time

import numpy as np

from ssvae_widgets.cli_view import view
from ssvae_widgets.data import load_digits


def test_click_look_label_without_a_model(open_notebook, tmp_path):
    images, truth = load_digits()
    images, truth = images[:200], truth[:200]
    probs = np.full((200, 10), 0.02, np.float32)
    probs[np.arange(200), truth] = 0.82
    rng = np.random.default_rng(0)
    place = rng.normal(size=(200, 2)) + 6 * np.stack([np.cos(truth * 0.63), np.sin(truth * 0.63)], 1)
    place[7] = [15, 15]  # alone, so that a click can only mean it
    np.savez(tmp_path / "out.npz", input=images, latent=place, tsne=place, reconstructed=images * 0.5, reconstruted=images * 0.5, labels=truth.astype(float),
             pred_classes=truth, pred_certainty=probs.max(1), pred_probs=probs)
    assert view(["--latent", str(tmp_path / "out.npz"), "--no-open", "--quiet"]) == 0

    nb = open_notebook(tmp_path / "out_viewer.ipynb", name="viewer", run=False)
    (nb.folder / "out.npz").write_bytes((tmp_path / "out.npz").read_bytes())
    nb.run_all()
    page = nb.page
    page.wait_for_selector(".ssvae-labeler .ssvae-points[data-domain]")
    page.evaluate("() => document.querySelector('.ssvae-labeler').scrollIntoView({block: 'start'})")
    page.wait_for_timeout(400)
    assert not page.locator(".ssvae-train").first.is_visible()

    left, top, width, height, domain = page.locator(".ssvae-points").first.evaluate(
        "c => { const r = c.getBoundingClientRect(); return [r.left, r.top, r.width, r.height, c.dataset.domain] }")
    x0, x1, y0, y1 = map(float, domain.split(","))
    page.mouse.click(left + (15 - x0) / (x1 - x0) * width, top + (y1 - 15) / (y1 - y0) * height)
    nb.until("app.map.selected.tolist() == [7]")
    page.keyboard.press("3")
    nb.until("int(app.session.codes[7]) == 3")
    page.wait_for_selector(".ssvae-status[data-saved=yes]")
    file, end = nb.folder / "labels.csv", time.monotonic() + 10
    while not file.exists() and time.monotonic() < end: time.sleep(0.05)
    with file.open(newline="") as f: assert list(csv.reader(f)) == [["Serial", "label"], ["7", "3"]]
    assert nb.python("app.session.point(7)['reconstruction'].max()") == 0.5

    # the four colourings
    assert {"label", "prediction", "truth", "certainty"} <= set(nb.python("list(__import__('ssvae_widgets.widgets.labeler', fromlist=['x']).color_columns(app.session))"))
    seen = {nb.python("app.map.color_by")}
    for _ in range(4):
        page.keyboard.press("c")
        page.wait_for_timeout(250)
        seen.add(nb.python("app.map.color_by"))
    assert {"label", "prediction", "truth", "certainty"} <= seen
    nb.screenshot("viewer")
