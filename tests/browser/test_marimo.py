"""The app in pieces on a page of marimo, which has anywidget and no bqplot: a click, a key, a label on the disk."""

import os
import socket
import subprocess
import sys
import time

import pytest

from ssvae_widgets import LabelStore

NOTEBOOK = """
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    from ssvae_widgets import LatentLabeler, load_digits
    from ssvae_widgets.widgets.pieces import pieces

    labeler = LatentLabeler(load_digits()[0][:60], {labels!r})
    mo.vstack(list(pieces(labeler).values()))
    return
"""


@pytest.mark.slow
@pytest.mark.browser
def test_pieces_in_marimo(tmp_path):
    pytest.importorskip("marimo", reason="marimo is not installed: pip install marimo runs this test")
    from playwright.sync_api import sync_playwright

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "nb.py").write_text(NOTEBOOK.format(labels=str(tmp_path / "labels.csv")))
    words = ["-m", "marimo", "run", str(tmp_path / "nb.py"), "--headless", "--no-token", "-p", str(port)]
    words = [sys.executable, *words]
    with open(tmp_path / "said.txt", "w") as said, sync_playwright() as play:
        server = subprocess.Popen(words, stdout=said, stderr=said)
        path = os.environ.get("SSVAE_WIDGETS_CHROMIUM", "/usr/bin/chromium")
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            for _ in range(300):
                with socket.socket() as s:
                    if s.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.2)
            page = browser.new_page(viewport=dict(width=1280, height=1000))
            page.goto(f"http://127.0.0.1:{port}")
            canvas = page.locator("canvas.ssvae-points")
            canvas.wait_for(timeout=90_000)
            box = canvas.bounding_box()
            for k in range(40):  # somewhere in the middle there is a point
                page.mouse.click(box["x"] + box["width"] * (0.3 + 0.01 * k), box["y"] + box["height"] / 2)
                page.wait_for_timeout(150)
                page.keyboard.press("3")
                page.wait_for_timeout(150)
                if (tmp_path / "labels.csv").exists():
                    break
            page.wait_for_timeout(1500)
            page.screenshot(path=tmp_path / "marimo.png")
        finally:
            browser.close()
            server.terminate()
            server.wait(20)
    with LabelStore(tmp_path / "labels.csv", 60) as store:
        assert store.n_labeled >= 1 and set(store.codes[store.codes >= 0]) == {3}
