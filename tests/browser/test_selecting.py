"""Selecting by meaning: a class, below a certainty, suspects, neighbors; groups, new classes, large sheets; labels
that come from Python are spoken."""

import numpy as np
from test_labeler_flow import OPEN, App, wait_rows
from test_map import LABELS, Map, cloud
from waiting import until


def test_menu_of_selections(open_notebook):
    nb = open_notebook([cloud() + LABELS], name="menu")
    m, page = Map(nb), nb.page
    menu = page.locator(".ssvae-m-select")
    menu.select_option("select:uncertain")
    nb.until("np.array_equal(m.selected, np.flatnonzero(m.columns['certainty'].values < 0.5))")
    told = f"{nb.python('len(m.selected)'):,} selected"  # the page turns around what it has heard of
    page.wait_for_function("t => document.querySelector('.ssvae-m-tally').textContent.includes(t)", arg=told)
    menu.select_option("select:invert")
    nb.until("np.array_equal(m.selected, np.flatnonzero(m.columns['certainty'].values >= 0.5))")
    nb.execute("m.set_suspects([5, 9, 200])")
    menu.select_option("select:suspects")
    nb.until("m.selected.tolist() == [5, 9, 200]")
    menu.select_option("select:grow")
    nb.until("len(m.selected) > 10 and {5, 9, 200} <= set(m.selected.tolist())")
    chosen = np.array(nb.python("m.selected.tolist()"))
    near = set(np.argsort(np.square(m.xy - m.xy[9]).sum(1))[:6].tolist())
    assert near <= set(chosen.tolist())
    nb.execute("m.color_by = 'truth'; m.selected = [3]")
    page.wait_for_function("() => document.querySelector('.ssvae-m-live').textContent.startsWith('#3 ')")
    menu.select_option("select:class")
    nb.until("np.array_equal(m.selected, np.flatnonzero(truth == truth[3]))")
    assert page.evaluate("() => document.activeElement.classList.contains('ssvae-map')")
    menu.select_option("select:unlabeled")
    nb.until("len(m.selected) == n")


def test_a_threshold_on_the_legend_selects_below_it(open_notebook):
    nb = open_notebook([cloud() + LABELS], name="ramp")
    m, page = Map(nb), nb.page
    nb.execute("m.color_by = 'certainty'")
    ramp = page.locator("input.ssvae-m-ramp")
    ramp.wait_for()
    ramp.fill("300")
    nb.until("np.array_equal(m.selected, np.flatnonzero(m.columns['certainty'].values < 0.3))")
    assert page.locator(".ssvae-m-below").inner_text() == "below 0.3"
    before = nb.python("m.layer.refused")
    nb.execute(
        "for bad in ('0.5', None, float('nan'), True): m.layer.receive(m.layer, {'type': 'intent', 'intent': "
        "{'type': 'select', 'op': 'below', 'value': bad}}, [])"
    )
    assert nb.python("m.layer.refused") == before + 4
    del m


def test_a_label_from_python_is_spoken_and_shown(open_notebook):
    nb = open_notebook([cloud() + LABELS], name="spoken")
    m, page = Map(nb), nb.page
    i = int(m.visible()[40])
    m.click(i)
    page.wait_for_function(
        "i => document.querySelector('.ssvae-m-live').textContent.startsWith(`#${i} · unlabeled`)", arg=i
    )
    nb.execute(f"codes[{i}] = 6; m.set_codes(codes.copy(), 'label'); m.set_labeled(codes >= 0)")
    page.wait_for_function("i => document.querySelector('.ssvae-m-live').textContent === `#${i} · 6, labeled`", arg=i)


def test_a_sample_is_shown_first_and_everything_a_moment_later(open_notebook):
    nb = open_notebook(
        [
            "import numpy as np\nfrom ssvae_widgets import LatentMap",
            """
rng = np.random.default_rng(0)
n = 400_000
xy = rng.normal(size=(n, 2))
m = LatentMap(xy, colors=(xy[:, 0] > 0).astype(int), classes=['left', 'right'], height=420)
m.selected = [7, 399_999]
m""",
        ],
        name="many",
    )
    nb.page.wait_for_function("() => document.querySelector('canvas.ssvae-points')?.dataset.points === '400000'")
    m, page = Map(nb), nb.page
    assert len(nb.python("m.layer.sample.hex()")) == 2 * 8 * -(-400_000 // 7)
    until(lambda: "2 selected" in (tally := page.locator(".ssvae-m-tally").inner_text()) and "400,000" in tally)
    page.wait_for_function(
        "() => document.querySelector(\".ssvae-m-chip[data-code='1'] .ssvae-m-count\").textContent.replace(',', '') > "
        "150000"
    )
    far = int(np.argmax(np.square(m.xy).sum(1)))
    m.click(far)
    nb.until(f"m.selected.tolist() == [{far}]")
    nb.execute("m.set_codes(np.zeros(n, int)); m.set_labeled([5])")
    page.wait_for_function(
        "() => document.querySelector(\".ssvae-m-chip[data-code='0'] .ssvae-m-count\").textContent === '400,000'"
    )
    nb.save()
    nb.reload()
    page.wait_for_function(
        "() => document.querySelector('canvas.ssvae-points')?.dataset.points === '400000'", timeout=60_000
    )


def test_a_million_points_in_the_whole_app(open_notebook):
    nb = open_notebook(
        [
            "import numpy as np\nfrom ssvae_widgets import LabelingSession, LatentLabeler\nLabelingSession.prepare = "
            "lambda self: None",
            """
rng = np.random.default_rng(0)
session = LabelingSession(rng.normal(size=(1_000_000, 3)).astype(np.float32), "labels.csv", classes=10)
session.instant = False  # a graph of a million points takes minutes; labels do not wait for it
app = LatentLabeler(session=session)
app""",
        ],
        name="million",
    )
    page = nb.page
    page.wait_for_function(
        "() => document.querySelector('canvas.ssvae-points')?.dataset.points === '1000000'", timeout=300_000
    )
    app = App(nb)
    far = nb.python("int(np.argmax(np.square(session.xy).sum(1)))")
    app.click(far)
    nb.until(f"app.map.selected.tolist() == [{far}]")
    page.keyboard.press("7")
    wait_rows(nb.folder, {far: "7"})
    assert nb.python(f"int(session.codes[{far}])") == 7 and nb.python("session.n_labeled") == 1
    page.wait_for_function("() => document.querySelector('.ssvae-status').dataset.saved === 'yes'")
    page.wait_for_function("() => document.querySelector(\".ssvae-class[data-class='7']\").dataset.count === '1'")


def test_new_class_groups_and_a_sheet_of_everything(open_notebook):
    nb = open_notebook([OPEN])
    app, page = App(nb), nb.page
    page.locator(".ssvae-add").click()
    page.keyboard.type("dd3 owl")
    page.keyboard.press("Enter")
    nb.until("app.session.classes[-1] == 'dd3 owl' and app.map.classes[-1] == 'dd3 owl'")
    assert nb.python("app.session.n_labeled") == 0
    assert page.evaluate("() => document.activeElement.classList.contains('ssvae-labeler')")
    serial = app.alone(1)[0]
    app.click(serial)
    nb.until(f"app.map.selected.tolist() == [{serial}]")
    page.locator(".ssvae-class[data-class='10']").click()
    nb.until(f"app.session.codes[{serial}] == 10")
    page.locator(".ssvae-m-color").select_option("cluster")
    nb.until("app.map.color_by == 'cluster' and (app.map.columns['cluster'].values >= 0).all()")
    page.wait_for_function("() => document.querySelectorAll('.ssvae-m-chip').length >= 20")
    page.locator(".ssvae-m-chip[data-code='0']").click()
    nb.until("np.array_equal(app.map.selected, np.flatnonzero(app.map.columns['cluster'].values == 0))")
    page.locator(".ssvae-labeler").first.press("Control+a")
    page.wait_for_function("() => document.querySelector('.ssvae-sheet').dataset.count === '1797'")
    page.locator(".ssvae-tile canvas").first.wait_for()
    assert page.locator(".ssvae-tile").count() < 200
    page.evaluate("() => { const b = document.querySelector('.ssvae-sheet-box'); b.scrollTop = b.scrollHeight; }")
    nb.until("app.session.duplicates.looked == 'near'")
    folded = nb.python("sum(stack.size - 1 for stack in app.session.duplicates.stacks)")  # equal digits are one cell
    page.wait_for_function(f"() => document.querySelector(\".ssvae-tile[data-i='{1796 - folded}'] canvas\")")
    assert folded > 10 and page.locator(f".ssvae-tile[data-i='{1797 - folded}']").count() == 0
    assert page.locator(".ssvae-tile").count() < 200
    page.locator(".ssvae-sheet select").select_option("number")
    nb.until("app.sheet.rows.tolist() == list(range(1797))")
    nb.screenshot("labeler-clusters")
