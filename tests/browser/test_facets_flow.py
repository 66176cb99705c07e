"""Columns of a table beside the map: a bar, a brush, sliders, a search, and labels inside of what passes."""

from test_labeler_flow import App

OPEN = """
import numpy as np, pandas as pd
from ssvae_widgets import LatentLabeler, write_cells
kinds = write_cells("cells", 300)
rng = np.random.default_rng(0)
table = pd.DataFrame({"file": [f"cells/{name}" for name in kinds]})
table["plate"] = rng.choice(["north", "south", "west", None], 300, p=[0.4, 0.3, 0.2, 0.1])
table["day"] = pd.Timestamp("2026-03-01") + pd.to_timedelta(rng.integers(0, 30, 300), "D")
table["area"] = rng.normal(200, 40, 300).round(1)
table["remark"] = [f"field {k}{' blurred' if k % 7 == 0 else ''}" for k in range(300)]
app = LatentLabeler(table, classes=["a", "b"], features=None)
app
"""
ROWS = "app.session.facets.rows.tolist()"


def test_columns_are_clicked_brushed_searched_and_labeled(open_notebook):
    nb = open_notebook([OPEN, "marker = 1"], width=1280, height=800)
    page = App(nb).page
    panel = page.locator(".ssvae-facets").first
    assert panel.bounding_box()["width"] < 40 and not panel.locator(".ssvae-facet").count()
    nb.screenshot("facets-folded")
    panel.locator(".ssvae-facet-toggle").click()
    panel.locator(".ssvae-facet-bar").first.wait_for()

    panel.get_by_role("button", name="south").click()
    nb.until(f"{ROWS} == table.index[table['plate'] == 'south'].tolist()")
    plot = panel.locator(".ssvae-facet[aria-label=area] .ssvae-plot").bounding_box()
    page.mouse.move(plot["x"] + 0.3 * plot["width"], plot["y"] + 20)
    page.mouse.down()
    page.mouse.move(plot["x"] + 0.5 * plot["width"], plot["y"] + 25, steps=5)
    page.mouse.move(plot["x"] + 0.8 * plot["width"], plot["y"] + 25, steps=5)
    page.mouse.up()
    page.wait_for_timeout(800)  # the last bins of the drag
    kept = nb.until("[*map(float, (lambda f: (f.low, f.high))(app.session.facets.filters['area']))]")
    wanted = f"table.index[(table['plate'] == 'south') & table['area'].between({kept[0]}, {kept[1]})].tolist()"
    nb.until(f"{ROWS} == {wanted} and len({ROWS}) < (table['plate'] == 'south').sum()")
    assert page.locator(".ssvae-facet-said").inner_text().startswith(f"{len(nb.python(ROWS))} of 300 images: plate is")

    slider = panel.get_by_role("slider", name="area from")
    slider.focus()
    before = slider.input_value()
    page.keyboard.press("ArrowRight")
    nb.until(f"app.session.facets.filters['area'].low > {kept[0]}")
    assert int(slider.input_value()) == int(before) + 1
    field = panel.get_by_label("Search in remark")
    field.click()
    page.keyboard.type("BLUR", delay=30)
    nb.until(f"0 < len({ROWS}) and all('blurred' in table['remark'][r] for r in {ROWS})")
    page.wait_for_timeout(500)
    nb.screenshot("facets-light")
    page.keyboard.press("Escape")
    nb.until("'remark' not in app.session.facets.filters")

    panel.get_by_label("What next? only among these").check()
    nb.until("app.session.facets.inside")
    page.keyboard.press("n")
    row = nb.until("len(app.selected) == 1 and [int(app.selected[0])]")[0]
    assert row in nb.python(ROWS)
    page.locator(".ssvae-preview canvas:visible").first.wait_for()
    page.wait_for_timeout(400)
    page.keyboard.press("1")
    nb.until(f"app.session.codes[{row}] == 1")
    nb.theme("dark")
    panel.get_by_role("button", name="Select these").click()
    nb.until(f"app.selected.tolist() == {ROWS}")
    page.wait_for_timeout(800)
    nb.screenshot("facets-dark")

    panel.get_by_role("button", name="Clear").click()
    nb.until("not app.session.facets.filters and not app.map.layer.filter")
    panel.get_by_role("button", name="west").click()
    nb.until("len(app.session.facets.rows) < 300")
    for _ in range(6):  # one thing at a time: the sheet, the selection, the filter
        if nb.python("bool(app.session.facets.filters)"):
            page.keyboard.press("Escape")
            page.wait_for_timeout(400)
    nb.until("not app.session.facets.filters and not app.map.layer.filter")
    assert nb.python("app.error") in ("", None) and nb.python("app.facets.panel.refused") == []
    for width in (1000, 1024, 1100):  # map, side and open panel at once would need more
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(600)
        box = {part: page.locator(part).first.bounding_box() for part in (".ssvae-map", ".ssvae-side", ".ssvae-facets")}
        map, side = box[".ssvae-map"], box[".ssvae-side"]
        assert map["x"] + map["width"] <= side["x"] + 1 or map["y"] + map["height"] <= side["y"] + 1, (width, box)
        assert box[".ssvae-facets"]["width"] > 200, width
