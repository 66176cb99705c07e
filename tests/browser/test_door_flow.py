"""From a folder to exported labels: the command opens the app, and everything after that is done by keys alone."""

import csv
import os
import re
import signal
import subprocess
import sys

import pytest
from waiting import until

from ssvae_widgets import write_cells

COMMAND = "import sys; from ssvae_widgets.cli.label import label; sys.exit(label())"
FOCUS = "() => Boolean(document.activeElement.closest('.ssvae-labeler'))"


@pytest.fixture
def opened(tmp_path):
    "The command on a folder of 40 pictures: the address that it says, and the folder."
    write_cells(tmp_path / "photos", 40)
    env = {**os.environ, **{f"JUPYTER_{k}_DIR": str(tmp_path / "jupyter" / k) for k in ("RUNTIME", "CONFIG", "DATA")}}
    env["JUPYTERLAB_WORKSPACES_DIR"] = str(tmp_path / "jupyter" / "workspaces")
    words = [sys.executable, "-c", COMMAND, "photos/", "--no-browser"]
    with subprocess.Popen(
        words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as p:
        said = []
        for line in p.stdout:
            said.append(line)
            if found := re.search(r"The app is at (http\S+)", line):
                break
        else:
            pytest.fail("".join(said))
        try:
            yield found[1], tmp_path
            p.send_signal(signal.SIGINT)
            assert p.wait(60) == 130
        finally:
            p.kill()


def test_from_a_folder_to_exported_labels_by_keys_alone(opened, browser):
    url, folder = opened
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(60_000)
    page.goto(url, wait_until="domcontentloaded")
    page.wait_for_selector(".ssvae-labeler .ssvae-points[data-domain]")  # nothing was pressed
    page.wait_for_selector(".ssvae-new-name")
    assert page.locator(".ssvae-class").count() == 0, "no class is invented"
    assert page.locator(".ssvae-train").bounding_box()["y"] < 800, "the app is in view"
    press, write = page.keyboard.press, page.keyboard.type

    # one Tab, and the keys are the app's; the help is in view, and is searched
    page.wait_for_function("() => document.activeElement.closest('.jp-Notebook')")
    for _ in range(3):
        if not page.evaluate(FOCUS):
            press("Tab")
    assert page.evaluate(FOCUS)
    press("?")
    box = page.locator("dialog.ssvae-m-help").bounding_box()
    assert box["x"] >= 0 and box["y"] >= 0 and box["x"] + box["width"] <= 1280 and box["y"] + box["height"] <= 800
    assert page.locator(".ssvae-m-key-group").count() > 4
    write("file name")
    page.wait_for_function("() => document.querySelectorAll('.ssvae-m-key-row').length === 2")  # p, and take away
    press("Escape")
    assert page.evaluate(FOCUS)

    # what next?, a first class, its key
    press("n")
    page.wait_for_selector(".ssvae-preview[data-serial]")
    answered = set()
    for k, name in enumerate(("round", "lobed")):
        press("/")
        write(name)
        press("Enter")
        page.wait_for_function("n => document.querySelectorAll('.ssvae-class').length === n", arg=k + 1)
        serial = page.locator(".ssvae-preview").get_attribute("data-serial")
        answered.add(int(serial))
        press(str(k))
        page.wait_for_function("s => document.querySelector('.ssvae-preview').dataset.serial !== s", arg=serial)

    # by name: ten pictures on the sheet; Esc closes the sheet, then drops the selection, and u brings it back
    def selected(n):
        page.wait_for_function(
            "t => document.querySelector('.ssvae-status').textContent.includes(t)", arg=f"{n} selected"
        )

    sheet = page.locator(".ssvae-sheet")
    press("p")
    write("cell_001")
    press("Enter")
    selected(10)
    sheet.wait_for()
    assert "10 images" in sheet.inner_text()
    press("Escape")
    sheet.wait_for(state="hidden")
    selected(10)
    press("Escape")
    page.wait_for_function("() => !document.querySelector('.ssvae-status').textContent.includes('selected')")
    press("u")
    selected(10)
    sheet.wait_for()
    press("1")
    n = len(answered | set(range(10, 20)))  # which pictures were proposed depends on what was ready then
    page.wait_for_function(
        "t => document.querySelector('.ssvae-status').textContent.includes(t)", arg=f"{n} of 40 labeled"
    )

    # taken away, with file names; the hints are gone, and stay away
    press("e")
    page.locator("dialog[open] .ssvae-place").wait_for()
    press("Enter")
    page.locator(".ssvae-taken li").first.wait_for()
    press("Escape")
    table = folder / "photos_labels-export" / "labels.csv"
    until(table.exists, 30)
    rows = [*csv.DictReader(table.read_text().splitlines())]
    names = [next(v for v in row.values() if v.endswith(".jpg")) for row in rows]
    assert len(rows) == n and {f"cell_{k:04}.jpg" for k in range(10, 20)} <= set(names)
    for _ in range(3):
        press("Escape")
    page.locator(".ssvae-empty").wait_for()
    assert page.locator(".ssvae-first").count() == 0
    page.context.close()
    assert (folder / "photos_labels.ipynb").exists() and (folder / "photos_labels.csv").exists()
