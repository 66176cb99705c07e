"""LatentLabeler in a real JupyterLab: real mouse and key events, and what Python and the files say afterwards."""

import csv
import json
import os
import re
from pathlib import Path

import pytest
from waiting import until

ROOT = Path(__file__).resolve().parents[2]

OPEN = """
import numpy as np
from ssvae_widgets import LatentLabeler, load_digits
images, truth = load_digits()
app = LatentLabeler(images, labels="labels.csv", truth=truth)
app
"""


def rows(folder: Path) -> dict[int, str]:
    "What labels.csv says: serial -> label."
    file = folder / "labels.csv"
    if not file.exists():
        return {}
    with file.open(newline="") as f:
        return {int(r["Serial"]): r["label"] for r in csv.DictReader(f)}


def wait_rows(folder: Path, expected: dict[int, str], timeout: float = 60):
    "labels.csv is written right after the log: wait until it says this."
    until(lambda: rows(folder) == expected, timeout)


class App:
    "The app on the page and its Python side."

    def __init__(self, nb, settled: bool = True):
        self.nb, self.page = nb, nb.page
        self.page.wait_for_selector(".ssvae-labeler .ssvae-points[data-domain]")
        if settled:  # a click can only mean a point that stays where it is
            nb.python("[app.session.learned.wait_for_map(120), app.flush(60)]", timeout=240)
        self.page.locator(".ssvae-labeler").first.scroll_into_view_if_needed()
        self.page.evaluate("() => document.querySelector('.ssvae-labeler').scrollIntoView({block: 'start'})")
        self.page.wait_for_timeout(300)

    def place(self, serial: int) -> tuple[float, float]:
        "Where a point is on the page: its picture, where it shows one."
        shown = self.page.evaluate(
            """serial => { const c = document.querySelector('canvas.ssvae-shots');
                const r = c.getBoundingClientRect(), d = (c.drawn || []).find(d => d[0] === serial);
                return d ? [r.left + d[1], r.top + d[2]] : null; }""",
            serial,
        )
        if shown:
            return tuple(shown)
        x, y = self.nb.python(f"[float(v) for v in app.session.xy[{serial}]]")
        box = self.page.locator(".ssvae-points").first.evaluate(
            "c => { const r = c.getBoundingClientRect(); return [r.left, r.top, r.width, r.height, c.dataset.domain] }"
        )
        left, top, width, height, domain = box
        x0, x1, y0, y1 = map(float, domain.split(","))
        return left + (x - x0) / (x1 - x0) * width, top + (y1 - y) / (y1 - y0) * height

    def alone(self, n: int = 1) -> list[int]:
        "Points with nothing else near them, so that a click can only mean them; first those whose picture shows."
        far = self.nb.python(
            "(lambda xy: [int(i) for i in np.argsort(-np.sort(np.square((xy[:, None] - xy[None]) / np.ptp(xy, "
            "axis=0)).sum(-1) + np.eye(len(xy)) * 9, axis=1)[:, 0])"
            f"if all(abs((xy[i] - xy.min(0)) / np.ptp(xy, axis=0) - .5) < .48)][:{10 * n}])(app.session.xy)"
        )
        shown = self.page.evaluate("() => (document.querySelector('canvas.ssvae-shots')?.drawn || []).map(d => d[0])")
        return sorted(far, key=lambda i: i not in shown)[:n]  # a neighbor's picture may cover a point that has none

    def click(self, serial: int, **options):
        x, y = self.place(serial)
        self.page.mouse.click(x, y, **options)

    def status(self) -> dict:
        return self.page.locator(".ssvae-status").first.evaluate(
            "e => ({saved: e.dataset.saved, seq: Number(e.dataset.seq), text: e.textContent})"
        )

    def wait_saved(self, seq: int):
        self.page.wait_for_function(
            "n => { const e = document.querySelector('.ssvae-status'); return e.dataset.saved === 'yes' && "
            "Number(e.dataset.seq) >= n }",
            arg=seq,
        )

    def wait_count(self, k: int, count: int):
        self.page.wait_for_function(
            "([k, n]) => document.querySelector(`.ssvae-class[data-class='${k}']`).dataset.count === String(n)",
            arg=[k, count],
        )

    def lasso(self, x0, y0, x1, y1):
        "Drag a rectangle-shaped lasso through page coordinates."
        self.page.locator(".ssvae-labeler").first.press("l")
        self.page.mouse.move(x0, y0)
        self.page.mouse.down()
        for x, y in ((x1, y0), (x1, y1), (x0, y1), (x0, y0)):
            self.page.mouse.move(x, y, steps=6)
        self.page.mouse.up()


def test_click_label_undo_redo(open_notebook):
    nb = open_notebook([OPEN, "marker = 1"])
    app = App(nb)
    first, second = app.alone(2)
    app.click(first)
    nb.until(f"app.map.selected.tolist() == [{first}]")
    app.page.wait_for_selector(f".ssvae-preview[data-serial='{first}']")
    app.page.keyboard.press("3")
    app.wait_saved(1)
    assert nb.python(f"int(app.session.codes[{first}])") == 3
    app.wait_count(3, 1)
    wait_rows(nb.folder, {first: "3"})

    app.click(second)
    nb.until(f"app.map.selected.tolist() == [{second}]")
    app.page.locator(".ssvae-class[data-class='7']").click()
    app.wait_saved(2)
    assert nb.python("[int(c) for c in app.session.codes[app.session.codes >= 0]]") == [
        int(c) for _, c in sorted([(first, 3), (second, 7)])
    ]

    app.page.keyboard.press("Control+z")
    app.wait_saved(3)
    assert nb.python(f"int(app.session.codes[{second}])") == -1
    app.page.keyboard.press("Control+Shift+z")
    app.wait_saved(4)
    assert nb.python(f"int(app.session.codes[{second}])") == 7
    app.page.locator("[data-action='undo']").click()
    app.wait_saved(5)
    nb.until("(app.session.codes >= 0).sum() == 1")
    app.wait_count(7, 0)
    nb.screenshot("labeler-click")
    keys_stay_with_whom_they_belong(nb, app)


def keys_stay_with_whom_they_belong(nb, app):
    "Keys of the app do nothing to JupyterLab, keys in a field do nothing to the app."
    app.page.locator(".ssvae-labeler").first.focus()
    for keys in ("d", "d", "0", "0", "a", "b", "m", "x", "Escape"):
        app.page.keyboard.press(keys)
    app.page.wait_for_timeout(500)
    assert app.page.locator(".jp-Dialog").count() == 0
    assert app.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length") == 2
    assert nb.python("marker") == 1
    app.page.locator(".ssvae-labeler").first.press("v")
    first = app.alone(1)[0]
    app.click(first)
    nb.until(f"app.map.selected.tolist() == [{first}]")
    seq = nb.python("app.session.seq")
    field = app.page.locator(".ssvae-epochs")
    field.click()
    field.fill("")
    app.page.keyboard.type("37")
    assert field.input_value() == "37"
    assert nb.python("app.session.seq") == seq


def test_lasso_sheet_exclude_label_is_one_undo(open_notebook):
    nb = open_notebook([OPEN])
    app = App(nb)
    box = app.page.locator(".ssvae-points").first.bounding_box()
    cx, cy = box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5
    app.lasso(cx - 60, cy - 45, cx + 60, cy + 45)
    n = nb.until("len(app.map.selected) > 5 and len(app.map.selected)")
    caught = nb.python("app.map.selected.tolist()")
    sheet = app.page.locator(".ssvae-sheet")
    sheet.wait_for()
    assert sheet.get_attribute("data-count") == str(len(caught))
    assert nb.python("sorted(app.sheet.rows.tolist())") == caught, n
    tiles = sheet.locator(".ssvae-tile canvas")
    tiles.first.wait_for()
    gone = []
    for k in (0, 3):
        tile = sheet.locator(f".ssvae-tile[data-i='{k}']")
        gone.append(int(tile.get_attribute("data-serial")))
        tile.click()
    app.page.wait_for_function("() => document.querySelector('.ssvae-sheet').dataset.excluded === '2'")
    nb.until(f"len(app.map.selected) == {len(caught) - 2}")
    nb.screenshot("labeler-sheet")
    app.page.keyboard.press("5")
    app.wait_saved(1)
    kept = sorted(set(caught) - set(gone))
    assert nb.python("np.flatnonzero(app.session.codes == 5).tolist()") == kept
    assert nb.python("(app.session.codes >= 0).sum()") == len(kept)
    wait_rows(nb.folder, dict.fromkeys(kept, "5"))
    app.page.keyboard.press("Control+z")
    app.wait_saved(2)
    assert nb.python("(app.session.codes >= 0).sum()") == 0
    app.page.locator(".ssvae-sheet [aria-label='Close the sheet']").click()
    nb.until("not app.sheet.shown and len(app.map.selected) == 0")


def test_fast_typing_loses_nothing(open_notebook):
    nb = open_notebook([OPEN])
    app = App(nb)
    nb.execute("session = app.session; session.instant = False")
    points = nb.python("np.random.default_rng(0).permutation(len(images))[:50].tolist()")
    app.click(app.alone(1)[0])
    nb.until("len(app.map.selected) == 1")
    app.page.mouse.move(5, 5)  # nothing is hovered
    nb.until("app.map.hovered == -1")
    # Select from Python, type on the page, as fast as both can
    wanted = {}
    for k, serial in enumerate(points):
        nb.execute(f"app.map.selected = np.array([{serial}], np.uint32)")
        nb.until(f"app.map.selected.tolist() == [{serial}]")
        app.page.wait_for_selector(f".ssvae-preview[data-serial='{serial}']")
        app.page.keyboard.press(str(k % 10))
        wanted[serial] = str(k % 10)
    app.wait_saved(50)
    assert nb.python("{int(i): str(int(app.session.codes[i])) for i in np.flatnonzero(app.session.codes >= 0)}") == {
        str(k): v for k, v in wanted.items()
    }
    # One point, fifty keys without waiting: every key is in the log, in order
    before = nb.python("app.session.seq")
    app.page.evaluate(
        """keys => { const root = document.querySelector('.ssvae-labeler'); root.focus();
                     for (const key of keys) root.dispatchEvent(new KeyboardEvent(
                         'keydown', {key, code: 'Digit' + key, bubbles: true, cancelable: true})); }""",
        [str(k % 10) for k in range(1, 51)],
    )
    app.wait_saved(before + 50)
    wait_rows(nb.folder, {**{k: v for k, v in wanted.items()}, points[-1]: "0"})
    log = (nb.folder / "labels.csv.log.jsonl").read_text().splitlines()
    typed = [record["labels"] for record in map(json.loads, log) if record["op"] == "set"]
    assert typed == [[k % 10] for k in range(50)] + [[k % 10] for k in range(1, 51)]


GONE = "The kernel is gone. Labels that were saved are on disk: run the cell again to go on."


def says_that_the_kernel_is_gone(page):
    "The page says so at once, a key paints nothing and is answered, and the list of what to take away does not wait."
    told = "said => document.querySelector('.ssvae-status .ssvae-message')?.textContent === said"
    page.wait_for_function(told, arg=GONE, timeout=20_000)
    page.locator("dialog[open] button:has-text('Write')").click()
    page.wait_for_function(
        "said => document.querySelector('dialog[open] .ssvae-taken').textContent === said", arg=GONE, timeout=5_000
    )
    page.keyboard.press("Escape")
    counts = "() => [...document.querySelectorAll('.ssvae-class')].map(e => e.dataset.count).join()"
    before = page.evaluate(counts)
    for key in "5", "n", "Control+z", "t":
        page.locator(".ssvae-labeler").first.press(key)
    page.wait_for_timeout(300)
    assert page.evaluate(counts) == before and page.evaluate(told, GONE)
    assert page.locator("canvas.ssvae-points").first.bounding_box()["height"] > 150, "the map keeps its size"
    icon = "() => getComputedStyle(document.querySelector('.ssvae-labeler'), '::before').display"
    assert page.evaluate(icon) == "none", "no broken links over the app"


def test_second_view_reload_and_restart(open_notebook):
    nb = open_notebook([OPEN, "app"])
    app = App(nb)
    page = app.page
    page.wait_for_function("() => document.querySelectorAll('.ssvae-points[data-domain]').length === 2")
    serial = app.alone(1)[0]
    app.click(serial)
    nb.until(f"app.map.selected.tolist() == [{serial}]")
    page.keyboard.press("4")
    app.wait_saved(1)
    page.wait_for_function(
        "() => [...document.querySelectorAll(\".ssvae-class[data-class='4']\")].map(e => e.dataset.count).join() "
        "=== '1,1'"
    )
    page.wait_for_function(
        "() => [...document.querySelectorAll('.ssvae-status')].map(e => e.dataset.saved + e.dataset.seq).join() "
        "=== 'yes1,yes1'"
    )
    nb.save()
    nb.reload()
    nb.execute("app")  # the kernel is still there
    assert nb.python(f"int(app.session.codes[{serial}])") == 4
    nb.run_all()
    app = App(nb)
    app.wait_saved(1)
    app.wait_count(4, 1)
    assert app.status()["seq"] == 1
    nb.disconnect()
    page.locator("button[aria-label='Take away']").first.click()
    page.locator("dialog[open] .ssvae-place").fill("taken")
    page.evaluate("() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()")
    says_that_the_kernel_is_gone(page)
    nb.screenshot("kernel-gone")
    page.wait_for_timeout(1500)
    nb.run_all()
    app = App(nb)
    assert nb.python("np.flatnonzero(app.session.codes >= 0).tolist()") == [serial]
    page.wait_for_function("() => document.querySelector(\".ssvae-class[data-class='4']\")?.dataset.count === '1'")
    page.locator(".ssvae-labeler").first.focus()
    page.keyboard.press("Control+z")
    nb.until("(app.session.codes >= 0).sum() == 0")


def test_labeling_while_training_with_proposals(open_notebook):
    nb = open_notebook([OPEN])
    app = App(nb)
    page, root = app.page, app.page.locator(".ssvae-labeler").first
    field = page.locator(".ssvae-epochs")
    field.fill("9000")
    root.press("n")
    nb.until("app.session.current is not None and app.map.selected.tolist() == [app.session.current.serial]")
    page.locator(".ssvae-train").click()
    page.wait_for_function("() => document.querySelector('.ssvae-training').dataset.running === 'true'")
    nb.until("app.session.training.epoch >= 1", timeout=300)
    wanted = {}
    for _ in range(8):
        serial = nb.python("app.session.current.serial")
        page.wait_for_selector(f".ssvae-preview[data-serial='{serial}'] .ssvae-reason")
        wanted[str(serial)] = nb.python(f"int(truth[{serial}])")
        root.press(str(wanted[str(serial)]))
        nb.until(
            f"app.session.current.serial != {serial} and app.map.selected.tolist() == [app.session.current.serial]"
        )
    assert nb.python("app.session.training.running"), nb.python(
        "(str(app.session.training), app.session.message, app.error, app.training.controls.epochs)"
    )
    assert nb.python("{int(i): int(app.session.codes[i]) for i in np.flatnonzero(app.session.codes >= 0)}") == wanted
    skipped = nb.python("app.session.current.serial")
    root.press("s")
    nb.until(f"app.session.current.serial != {skipped}")
    nb.screenshot("labeler-training")
    nb.until(
        "app.session.examination.seq == app.session.seq and len(app.session.history['loss']) >= 2", timeout=300
    )  # what no epoch has heard would be answered from the graph
    page.locator(".ssvae-stop").click()
    nb.until("not app.session.training.running", timeout=300)
    page.wait_for_function("() => document.querySelector('.ssvae-training').dataset.running === 'false'")
    assert nb.python("len(app.training.loss_line.y) >= 2 and np.isfinite(app.training.loss_line.y).all()")
    nb.until("app.session.source in app.session.sources")  # a stopped run is idle at once; what it says comes after
    assert nb.python("app.error") == ""
    assert page.locator(".ssvae-curves .line").count() >= 1
    # Back to the round before the training, and to the present with a label
    nb.until("app.training.rounds.count == 2")
    root.press("[")  # moves at once: what is on show is the newest round
    nb.until("app.presenter.timeline.looking_at == 0 and np.allclose(app.map.xy, app.session.rounds[0].xy)")
    page.wait_for_function("() => document.querySelector('.ssvae-slider').value === '0'")
    before = page.locator(".ssvae-points").first.get_attribute("data-painted")
    page.wait_for_function("v => document.querySelector('.ssvae-points').dataset.moving !== 'yes'", arg=before)
    nb.screenshot("labeler-round")
    page.locator(".ssvae-slider").fill("2")
    nb.until("app.presenter.timeline.looking_at is None and np.allclose(app.map.xy, app.session.xy)")


def test_a_full_disk_is_said_and_nothing_is_lost(open_notebook):
    nb = open_notebook([OPEN])
    app = App(nb)
    first, second = app.alone(2)
    app.click(first)
    nb.until(f"app.map.selected.tolist() == [{first}]")
    app.page.keyboard.press("1")
    app.wait_saved(1)
    nb.execute(
        "import os, resource; limits = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize('labels.csv.log.jsonl'), limits[1]))"
    )
    try:
        app.click(second)
        nb.until(f"app.map.selected.tolist() == [{second}]")
        app.page.keyboard.press("2")
        app.page.wait_for_function("() => document.querySelector('.ssvae-status').dataset.saved === 'no'")
        assert "NOT SAVED" in app.status()["text"]
        assert nb.python(f"int(app.session.codes[{second}])") == 2
        nb.screenshot("labeler-not-saved")
    finally:
        nb.execute("resource.setrlimit(resource.RLIMIT_FSIZE, limits)")
    app.page.keyboard.press("3")
    app.wait_saved(2)
    wait_rows(nb.folder, {first: "1", second: "3"})


HOSTILE = [
    "<img src=x onerror=window.hacked=1>",
    "</script><script>window.hacked=1</script>",
    "\u202eevil",
    "🐈" * 20,
    "=cmd()",
    "a\x00b",
    "'\"><svg onload=window.hacked=1>",
    "x" * 400,
]


def test_hostile_names_do_nothing(open_notebook):
    nb = open_notebook(
        [
            f"""
import numpy as np
from ssvae_widgets import LatentLabeler, load_digits
images, truth = load_digits()
classes = {HOSTILE!r}
names = [classes[i % len(classes)] for i in range(len(images))]
app = LatentLabeler(images, labels="labels.csv", classes=[c.replace(chr(0), "") for c in classes], names=names)
app
"""
        ]
    )
    app = App(nb)
    serial = app.alone(1)[0]
    for k in (0, 1, 6):
        app.click(serial)
        nb.until("len(app.map.selected) == 1")
        app.page.keyboard.press(str(k))
        app.wait_saved(1)
        app.page.wait_for_timeout(200)
    x, y = app.place(app.alone(2)[1])
    app.page.mouse.move(x, y)
    app.page.wait_for_timeout(500)
    app.page.locator(".ssvae-labeler").first.press("/")
    app.page.wait_for_timeout(300)
    app.page.keyboard.press("Escape")
    assert app.page.evaluate("() => window.hacked") is None
    assert app.page.locator(".ssvae-labeler img, .ssvae-labeler script").count() == 0
    names = app.page.locator(".ssvae-class-name").all_text_contents()
    assert names[0] == HOSTILE[0] and not any("\u202e" in name for name in names)
    nb.screenshot("labeler-hostile")


def axe_source() -> str:
    "The axe-core script, installed by npm for the tests."
    named = os.environ.get("SSVAE_WIDGETS_AXE")
    for file in filter(None, (named, ROOT / "node_modules" / "axe-core" / "axe.min.js")):
        if Path(file).exists():
            return Path(file).read_text()
    why = (
        "no axe-core found: run `npm install --no-save axe-core` in the repository or point SSVAE_WIDGETS_AXE at "
        "axe.min.js"
    )
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def test_accessible(open_notebook):
    source = axe_source()
    nb = open_notebook([OPEN])
    app = App(nb)
    app.page.evaluate(source)
    app.click(app.alone(1)[0])
    app.page.wait_for_selector(".ssvae-preview[data-serial]")
    nb.execute("app.map.regions = True")
    app.page.locator(".ssvae-m-areas").wait_for()
    bad = []

    def problems(what):
        found = app.page.evaluate(
            """() => {
                const said = n => [n.any[0], n.all[0], n.none[0]].map(check => check?.message).find(Boolean) || '';
                const one = (v, n) => v.id + ': ' + n.target.join(' ') + ' ' + said(n);
                return axe.run('.ssvae-labeler', {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa']})
                    .then(r => r.violations.flatMap(v => v.nodes.map(n => one(v, n)))); }"""
        )
        return [f"{what}: {p}" for p in found]

    for theme in ("light", "dark"):
        nb.theme(theme)
        nb.execute("app.map.selected = [7]")
        app.page.wait_for_selector(".ssvae-preview[data-serial='7']")
        bad += problems(f"{theme}, point selected")
        nb.execute("app.map.selected = np.arange(60, dtype=np.uint32)")
        app.page.wait_for_selector(".ssvae-sheet .ssvae-tile canvas")
        bad += problems(f"{theme}, sheet open")
        for key, what in (("?", "help open"), ("/", "classes searched"), ("p", "names searched"), ("e", "take away")):
            app.page.locator(".ssvae-labeler").first.press(key)
            app.page.locator(".ssvae-labeler :is([role=dialog], dialog[open])").first.wait_for()
            bad += problems(f"{theme}, {what}")
            app.page.keyboard.press("Escape")
            app.page.wait_for_function(
                "() => !document.querySelector('.ssvae-labeler :is(.ssvae-m-veil, dialog[open])')"
            )
        nb.execute("app.map.selected = []")
        app.page.wait_for_selector(".ssvae-empty")
        bad += problems(f"{theme}, nothing selected")
        bad += problems_of_what_opens(nb, theme, problems)
    assert not bad, "\n".join(bad)
    nb.execute("app.session.label([7], 0)\napp.map.selected = [7]")
    nb.until("app.flush(1) and 0 in app.session.codes[[7]]")
    app.page.wait_for_timeout(500)  # what is only there for a label has become active
    every_control_has_a_name_and_can_be_reached(app)


def problems_of_what_opens(nb, theme, problems) -> list[str]:
    "The picture in full size, the cards of a class, and training."
    page, bad = nb.page, []
    nb.execute("app.map.selected = [7]")
    page.wait_for_selector(".ssvae-preview[data-serial='7']")
    page.locator(".ssvae-labeler").first.press("o")
    page.wait_for_selector(".ssvae-light[open]")
    bad += problems(f"{theme}, picture in full size")
    page.keyboard.press("Escape")
    page.wait_for_selector(".ssvae-light[open]", state="detached")
    for choice in ("", "Color", "Merge into"):
        page.locator(".ssvae-class-more").first.click()
        page.wait_for_selector(".ssvae-card")
        if choice:
            page.locator(f".ssvae-menu-item:has-text('{choice}')").first.click()
        bad += problems(f"{theme}, card {choice or 'of a class'}")
        page.keyboard.press("Escape")
        page.wait_for_selector(".ssvae-card", state="detached")
    nb.execute("app.session.train(2000)")
    nb.until("app.session.training.running", timeout=120)
    page.wait_for_timeout(500)
    bad += problems(f"{theme}, training")
    nb.execute("app.session.stop()")
    nb.until("not app.session.training.running", timeout=120)
    return bad


def reached_by_tab(app) -> set[str]:
    app.page.locator(".ssvae-labeler").first.focus()
    reached = set()
    for _ in range(80):
        app.page.keyboard.press("Tab")
        here = app.page.evaluate(
            "() => { const e = document.activeElement; return e.closest('.ssvae-labeler') ? "
            "(e.getAttribute('aria-label') || e.textContent || e.title || e.tagName) : null }"
        )
        if here is None:
            break
        reached.add(re.sub(r"\s+", " ", here).strip())
    return reached


def every_control_has_a_name_and_can_be_reached(app):
    "Tab visits every control, and each says what it is."
    names = ("What next?", "Train", "Epochs to train", "How the next point is chosen", "Remove label")
    for _ in range(3):  # what is painted anew meanwhile may take the focus along
        reached = reached_by_tab(app)
        if all(any(name in r for r in reached) for name in names):
            break
    for name in names:
        assert any(name in r for r in reached), (name, sorted(reached))
    assert "" not in reached


def test_keys_stay_when_what_had_them_goes_away(open_notebook):
    nb = open_notebook([OPEN, "1 + 1"])
    app, page = App(nb), nb.page
    here = "() => document.activeElement.classList.contains('ssvae-labeler')"
    serial = app.alone(1)[0]
    app.click(serial)
    page.keyboard.press("3")
    nb.until(f"app.session.codes[{serial}] == 3")
    page.wait_for_function("() => !document.querySelector('.ssvae-actions button').disabled")
    page.locator(
        ".ssvae-actions button"
    ).first.click()  # undo: after it there is nothing to undo, and the button cannot keep the focus
    nb.until(f"app.session.codes[{serial}] == -1")
    page.wait_for_function(here)
    page.keyboard.press("4")
    nb.until(f"app.session.codes[{serial}] == 4")
    nb.execute("app.map.selected = [1, 2, 3, 4, 5, 6]")
    page.locator(".ssvae-tile canvas").nth(2).click()
    nb.until("len(app.sheet.kept) == 5")
    nb.execute("app.map.selected = [7]")  # closes the sheet that was clicked
    page.wait_for_function("() => document.querySelector('.ssvae-sheet').hidden")
    page.wait_for_function(here)
    page.wait_for_selector(".ssvae-preview[data-serial='7']")  # a key is for what is on show
    page.keyboard.press("5")
    nb.until("app.session.codes[7] == 5")
