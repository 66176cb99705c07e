"""The notebook that ssvae-view writes, in a real JupyterLab: look at a point, press a digit, find it in labels.csv;
with a checkpoint, train."""

import csv
import shutil
from pathlib import Path

import numpy as np
from waiting import until

from ssvae_widgets.cli.infer import infer
from ssvae_widgets.cli.train import train
from ssvae_widgets.cli.view import view
from ssvae_widgets.data.standard import load_digits


def test_click_look_label_without_a_model(open_notebook, tmp_path):
    images, truth = load_digits()
    images, truth = images[:200], truth[:200]
    probs = np.full((200, 10), 0.02, np.float32)
    probs[np.arange(200), truth] = 0.82
    rng = np.random.default_rng(0)
    place = rng.normal(size=(200, 2)) + 6 * np.stack([np.cos(truth * 0.63), np.sin(truth * 0.63)], 1)
    place[7] = [15, 15]  # alone, so that a click can only mean it
    np.savez(
        tmp_path / "out.npz",
        input=images,
        latent=place,
        tsne=place,
        reconstructed=images * 0.5,
        reconstruted=images * 0.5,
        labels=truth.astype(float),
        pred_classes=truth,
        pred_certainty=probs.max(1),
        pred_probs=probs,
    )
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
        "c => { const r = c.getBoundingClientRect(); return [r.left, r.top, r.width, r.height, c.dataset.domain] }"
    )
    x0, x1, y0, y1 = map(float, domain.split(","))
    page.mouse.click(left + (15 - x0) / (x1 - x0) * width, top + (y1 - 15) / (y1 - y0) * height)
    nb.until("app.map.selected.tolist() == [7]")
    page.keyboard.press("3")
    nb.until("int(app.session.codes[7]) == 3")
    page.wait_for_selector(".ssvae-status[data-saved=yes]")
    file = nb.folder / "labels.csv"
    until(file.exists, 60)
    with file.open(newline="") as f:
        assert list(csv.reader(f)) == [["Serial", "label"], ["7", "3"]]
    assert nb.python("app.session.point(7)['reconstruction'].max()") == 0.5

    # the four colorings
    assert {"label", "prediction", "truth", "certainty"} <= set(
        nb.python("list(__import__('ssvae_widgets.widgets.views', fromlist=['x']).color_columns(app.session))")
    )
    seen = {nb.python("app.map.color_by")}
    for _ in range(4):
        before = nb.python("app.map.color_by")
        page.keyboard.press("c")
        seen.add(nb.until(f"app.map.color_by != {before!r} and app.map.color_by"))
    assert {"label", "prediction", "truth", "certainty"} <= seen
    nb.screenshot("viewer")


def test_train_in_the_viewer_and_come_back(open_notebook, tmp_path, monkeypatch):
    """With --weights: label, press train, the map moves; the checkpoint is only read, and the next look goes on from
    what was learned."""
    monkeypatch.chdir(tmp_path)
    small = ["--encoder-type", "dense", "--hidden-dims", "32", "--latent-dim", "2", "--max-epochs", "2"]
    assert train(["--n", "200", "--weights", "ssvae.ckpt", "--quiet", *small]) == 0
    assert infer(["--n", "200", "--weights", "ssvae.ckpt", "--output", "out.npz", "--quiet"]) == 0
    assert view(["--latent", "out.npz", "--weights", "ssvae.ckpt", "--no-open", "--quiet"]) == 0
    checkpoint = Path("ssvae.ckpt").read_bytes()

    nb = open_notebook(tmp_path / "out_viewer.ipynb", name="viewer", run=False)
    for name in ("out.npz", "ssvae.ckpt"):
        shutil.copy2(tmp_path / name, nb.folder)
    nb.run_all()
    page = nb.page
    page.wait_for_selector(".ssvae-labeler .ssvae-points[data-domain]")
    nb.until("app.session.training.phase == 'idle' and app.session.training.total == 2")
    page.evaluate("() => document.querySelector('.ssvae-labeler').scrollIntoView({block: 'start'})")
    page.wait_for_timeout(400)

    # the point that is farthest from all others, so that a click can only mean it
    serial, x, y = nb.python(
        "(lambda xy: (lambda i: [i, *map(float, xy[i])])(int(((xy[:, None] - xy[None]) ** 2).sum(2).__add__(1e9 * "
        "__import__('numpy').eye(200)).min(1).argmax())))(app.session.xy)"
    )
    left, top, width, height, domain = page.locator(".ssvae-points").first.evaluate(
        "c => { const r = c.getBoundingClientRect(); return [r.left, r.top, r.width, r.height, c.dataset.domain] }"
    )
    x0, x1, y0, y1 = map(float, domain.split(","))
    page.mouse.click(left + (x - x0) / (x1 - x0) * width, top + (y1 - y) / (y1 - y0) * height)
    nb.until(f"app.map.selected.tolist() == [{serial}]")
    page.keyboard.press("8")
    nb.until(f"int(app.session.codes[{serial}]) == 8")
    before = np.array(nb.python("app.session.xy"))
    page.locator(".ssvae-train").first.click()
    nb.until("app.session.training.total == 12 and not app.session.training.running", timeout=300)
    nb.until(f"int(app.session.pred[{serial}]) == 8")
    after = np.array(nb.python("app.session.xy"))
    assert np.ptp(before, axis=0).min() > 0 and np.abs(after - before).max() > 0.05 * np.ptp(before)
    page.wait_for_function("d => document.querySelector('.ssvae-points').dataset.domain !== d", arg=domain)
    with (nb.folder / "labels.csv").open(newline="") as f:
        assert list(csv.reader(f)) == [["Serial", "label"], [str(serial), "8"]]
    nb.screenshot("viewer-training")

    # closed and opened again: from the newest round; ssvae.ckpt is as it was
    nb.execute("app.close()")
    nb.run_all()
    nb.until(
        "app.session.training.phase == 'idle' and app.session.training.total == 12 and app.session.model.epoch == 12"
    )
    assert nb.python(f"int(app.session.codes[{serial}])") == 8
    assert (nb.folder / "ssvae.ckpt").read_bytes() == checkpoint

    # what was learned becomes a checkpoint for ssvae-infer
    nb.execute("app.session.model.save('new.ckpt')")
    assert infer(["--n", "200", "--weights", str(nb.folder / "new.ckpt"), "--output", "new.npz", "--quiet"]) == 0
    with np.load("new.npz") as out:
        assert out["pred_classes"][serial] == 8
