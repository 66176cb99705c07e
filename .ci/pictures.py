"""Take the pictures of the app in nbs/images again, in a real JupyterLab and a real Chromium; then look at each.

Reads MNIST from $SSVAE_WIDGETS_DATA. Pictures have 256 colors, so that they stay small.
"""

import argparse
import importlib.util
import io
import tempfile
from pathlib import Path

import nbformat
import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "nbs" / "images"
spec = importlib.util.spec_from_file_location("browser_tools", ROOT / "tests" / "browser" / "conftest.py")
tools = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tools)

DIGITS = """
import numpy as np
from ssvae_widgets import LatentLabeler, load_mnist
images, truth = load_mnist(n=2000)
app = LatentLabeler(images, labels=None, classes=10, features=None)
session = app.session
app
"""
CELLS = """
from pathlib import Path
import numpy as np
from ssvae_widgets import LatentLabeler, write_cells
if not Path("cells").exists():
    answers = write_cells("cells", 1500)
app = LatentLabeler("cells", labels="labels.csv", classes=sorted(set(answers.values())))
session = app.session
truth = [app.session.classes.index(answers[name]) for name in app.session.names]
app
"""
WORDS = """
import numpy as np
from ssvae_widgets import LatentLabeler, load_mnist
from ssvae_widgets.data.image_set import ImageSet
digits, kind = load_mnist(n=4000)
keep = np.flatnonzero(kind < 6)
left, right = np.random.default_rng(0).choice(keep, (2, 1200))
pictures = np.concatenate([digits[left], digits[right]], 2)
truth = [sorted({int(kind[a]), int(kind[b])}) for a, b in zip(left, right)]
files = [f"{k:04}.png" for k in range(1200)]
app = LatentLabeler(ImageSet(pictures, names=files), labels="words.csv", multilabel=True, features=None,
                    classes=["zero", "one", "two", "three", "four", "five"])
session = app.session
app
"""
ANSWER = """
for _ in range({n}):
    item = session.next()
    if item is None:
        break
    session.label(item.serial, int(truth[item.serial]))
session.wait(120)
"""


def few_colors(image: Image.Image) -> Image.Image:
    "In 256 colors: the most frequent ones and those of classes as they are, and some for photographs."
    colors, where, n = np.unique(np.reshape(image, (-1, 3)), axis=0, return_inverse=True, return_counts=True)
    vivid = np.ptp(colors.astype(int), axis=1) > 60  # classes that a selection has dimmed are left in small dots
    most, bright = np.argsort(-n)[:80], np.argsort(-n * vivid)[:64]
    table = np.concatenate([colors[most], colors[bright], np.reshape(image.quantize(112).getpalette()[:336], (-1, 3))])
    far = (((some[:, None].astype(int) - table) ** 2).sum(-1) for some in np.array_split(colors, 64))
    nearest = np.concatenate([d.argmin(1) for d in far])[where.ravel()].reshape(image.height, image.width)
    small = Image.fromarray(nearest.astype(np.uint8))
    small.putpalette(table.astype(np.uint8).tobytes())
    return small


class Studio:
    "One JupyterLab, one browser, one notebook at a time."

    def __init__(self, lab, browser):
        self.lab, self.browser = lab, browser

    def open(self, cell, height=880, width=1346):
        folder = Path(tempfile.mkdtemp(dir=self.lab.root))
        nb = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "python3"}})
        nb.cells = [nbformat.v4.new_code_cell(cell)]
        nbformat.write(nb, folder / "app.ipynb")
        page = self.browser.new_context(viewport={"width": width, "height": height}).new_page()
        page.set_default_timeout(120_000)
        path = (folder / "app.ipynb").relative_to(self.lab.root).as_posix()
        page.goto(f"{self.lab.url}/lab/tree/{path}?reset", wait_until="domcontentloaded")
        book = tools.Notebook(self.lab, page, path)
        book.ready()
        page.evaluate("() => { if (!window.jupyterapp.shell.leftCollapsed) window.jupyterapp.shell.collapseLeft(); }")
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:hide-all-cell-code')")
        book.run_all()
        page.wait_for_selector("canvas.ssvae-points[data-painted]")
        book.execute("session.wait(300); session.frozen.wait()", 600)
        if page.get_by_text("Got it").count():
            page.get_by_text("Got it").click()
        return book

    def press(self, book, *keys, wait=1500):
        book.page.evaluate("() => document.querySelector('.ssvae-labeler').focus({ preventScroll: true })")
        for key in keys:
            book.page.keyboard.press(key)
        book.page.mouse.move(5, 400)
        book.page.wait_for_timeout(wait)

    def take(self, book, name, wait=2500):
        book.page.wait_for_timeout(wait)
        shot = book.page.locator(".ssvae-labeler").screenshot()
        image = Image.open(io.BytesIO(shot)).convert("RGB")
        few_colors(image).save(IMAGES / f"{name}.png", optimize=True)
        print(name, image.size, (IMAGES / f"{name}.png").stat().st_size)


def digits(studio):
    book = studio.open(DIGITS)
    book.execute(ANSWER.format(n=40), 300)
    book.execute("session.train(8); session.wait(300)", 600)
    book.execute(ANSWER.format(n=20), 300)
    book.execute("session.train(8); session.wait(300); app.flush(60)", 600)
    studio.press(book, "n")
    studio.take(book, "labeler_next")
    studio.press(book, "Escape")
    book.execute("app.map.selected = [int(np.flatnonzero(session.codes == 8)[0])]")
    studio.press(book)
    studio.take(book, "label_and_train")


def cells(studio):
    book = studio.open(CELLS)
    book.execute(ANSWER.format(n=36), 300)
    book.execute("session.train(6); session.wait(300); app.flush(60)", 600)
    book.execute("session.jobs.wait(30, late=True)", 300)  # what is checked on labels left out
    studio.press(book, "n")
    studio.take(book, "labeler")
    book.theme("dark")
    studio.take(book, "labeler_dark")
    book.execute("app.map.selected = [next(r for r in range(1500) if session.classes[truth[r]] == 'lymphocyte')]")
    studio.press(book, "q", wait=3000)
    studio.take(book, "sheet_dark")
    book.theme("light")
    studio.take(book, "labeler_sheet")


def words(studio):
    book = studio.open(WORDS)
    book.execute("for r in range(160):\n    session.answer_sets(r, truth[r])\nsession.wait(120)", 300)
    book.execute("app.map.selected = [next(r for r in range(160) if truth[r] == [3, 5])]\napp.flush(60)")
    studio.press(book)
    studio.take(book, "words")
    book.theme("dark")
    studio.take(book, "words_dark")
    book.theme("light")


PARTS = {"digits": digits, "cells": cells, "words": words}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    wanted = parser.parse_args().parts
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        lab = tools.Lab(Path(folder))
        browser = play.chromium.launch(executable_path=tools.chromium_path(), headless=True, args=tools.CHROMIUM_ARGS)
        try:
            for part in wanted or PARTS:
                PARTS[part](Studio(lab, browser))
        finally:
            browser.close()
            lab.stop()


if __name__ == "__main__":
    main()
