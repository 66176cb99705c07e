"""Other places than a live JupyterLab cell: Notebook 7, saved, converted and untrusted notebooks, pages of their
own."""

import importlib.util
import json
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from conftest import Notebook
from test_map import LABELS, Map, click_random_points, cloud


def write(lab, name, cells):
    "A notebook in the server's folder: its path and its place in the server."
    folder = lab.root / f"{name}-{time.monotonic_ns()}"
    folder.mkdir()
    nb = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}}
    )
    nb.cells = [nbformat.v4.new_code_cell(c) for c in cells]
    nbformat.write(nb, folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb", f"{folder.name}/{name}.ipynb"


def test_notebook_7(lab, browser):
    if importlib.util.find_spec("notebook") is None:
        pytest.skip("needs Notebook 7: pip install notebook")
    _, place = write(lab, "seven", [cloud() + LABELS, "1 + 1"])
    page = browser.new_context(viewport={"width": 1300, "height": 1000}).new_page()
    page.set_default_timeout(60_000)
    nb = Notebook(lab, page, place)
    try:
        page.goto(f"{lab.url}/notebooks/{place}", wait_until="domcontentloaded")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        nb.kernel_id()
        page.wait_for_function(
            """() => /Idle|Connected|idle/.test(
                   document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status || 'idle')"""
        )
        page.locator(".jp-Notebook .cm-content").first.click()
        page.keyboard.press("Shift+Enter")
        m = Map(nb)
        assert click_random_points(nb, m, 10, 1) == []
        i = int(m.visible()[33])
        m.click(i)
        page.keyboard.press("3")
        nb.until("len(log) == 1")
        assert nb.python("[log[0]['serials'], log[0]['label']]") == [[i], 3]
        cells = page.locator(".jp-Notebook .jp-Cell").count()
        for key in ("d", "d", "0", "0", "a", "b", "m", "x", "Escape"):
            page.keyboard.press(key)
        page.wait_for_timeout(400)
        assert page.locator(".jp-Notebook .jp-Cell").count() == cells and page.locator(".jp-Dialog").count() == 0
        assert page.evaluate("() => document.activeElement.classList.contains('ssvae-map')")
    finally:
        nb.disconnect()
        page.context.close()
        end_sessions(lab)


PICTURES = """() => [...document.querySelectorAll('img')].filter(
    i => i.src.startsWith('data:image/png') && i.complete && i.naturalWidth > 300
         && i.getBoundingClientRect().height > 100).length"""


def end_sessions(lab):
    for s in lab.api("sessions"):
        urllib.request.urlopen(
            urllib.request.Request(f"{lab.url}/api/sessions/{s['id']}", method="DELETE"), timeout=60
        ).close()


def test_saved_untrusted_and_converted_notebooks_show_a_picture(open_notebook, lab):
    nb = open_notebook([cloud(colors="truth") + "m"], name="saved")
    page = nb.page
    Map(nb)
    nb.save()
    file = nb.folder / "saved.ipynb"
    beside, output = (o["data"] for o in json.loads(file.read_text())["cells"][0]["outputs"])
    assert {"application/vnd.jupyter.widget-view+json", "image/png"} <= set(output) and "<script>" in "".join(
        beside["text/html"]
    )
    assert (
        page.evaluate("() => document.querySelector('.jp-RenderedHTML').getBoundingClientRect().height") == 0
    )  # nothing to see beside the live map
    # Converted: no kernel and no widget state
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", "--log-level", "ERROR", str(file)], check=True, timeout=600
    )
    still = page.context.new_page()
    still.goto((nb.folder / "saved.html").as_uri())
    still.wait_for_function(PICTURES)
    assert "Error displaying widget" not in still.inner_text("body")
    # Untrusted: somebody else's notebook, not run here
    other = json.loads(file.read_text())
    other["metadata"]["came"] = "by mail"
    (nb.folder / "mailed.ipynb").write_text(json.dumps(other))
    still.goto(f"{lab.url}/lab/tree/{nb.folder.name}/mailed.ipynb?reset", wait_until="domcontentloaded")
    still.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.content?.widgets?.length", timeout=60_000)
    still.wait_for_function(PICTURES)
    assert still.locator("canvas.ssvae-points").count() == 0
    # Trusted, as it was run here, but its kernel has ended
    end_sessions(lab)
    still.goto(f"{lab.url}/lab/tree/{nb.folder.name}/saved.ipynb?reset", wait_until="domcontentloaded")
    still.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.content?.widgets?.length", timeout=60_000)
    assert still.evaluate("() => window.jupyterapp.shell.currentWidget.content.model.cells.get(0).trusted")
    still.wait_for_function(PICTURES, timeout=60_000)
    assert "Error displaying widget" not in still.inner_text("body") and "run the cell again" in still.inner_text(
        ".jp-Notebook"
    )


def test_the_app_writes_a_page_of_its_own(open_notebook):
    nb = open_notebook(
        [
            """
import numpy as np
from ssvae_widgets import LatentLabeler, load_digits
images, truth = load_digits()
app = LatentLabeler(images, labels=None, truth=truth)
app.session.label(np.flatnonzero(truth == 4)[:7], 4)
app.flush()
page = app.to_html("app.html")
"""
        ],
        name="page",
    )
    page, asked = nb.page.context.new_page(), []
    page.on("request", lambda r: asked.append(r.url))
    page.goto((nb.folder / "app.html").as_uri())
    page.wait_for_selector("canvas[data-domain]")
    box = page.locator("canvas.ssvae-points").bounding_box()
    for k in range(60):  # until the pointer meets a point
        page.mouse.move(
            box["x"] + box["width"] * (0.3 + 0.4 * (k % 10) / 10),
            box["y"] + box["height"] * (0.3 + 0.4 * (k // 10) / 6),
        )
        page.wait_for_timeout(30)
        if page.locator(".ssvae-m-tip").is_visible():
            break
    page.wait_for_function(
        "() => { const c = document.querySelector('.ssvae-m-thumb'); return !c.hidden && c.width === 8 && c.height === "
        "8; }"
    )
    assert "1,797 points" in page.inner_text("main")
    page.locator("main select").select_option(label="label")
    assert page.locator(".ssvae-m-chip[data-code='4'] .ssvae-m-count").inner_text() == "7"
    assert [u for u in asked if not u.startswith("file:")] == []
