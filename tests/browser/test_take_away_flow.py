"""Take away, in the page: what there is, where to, what was written; what is in the way is said and stays."""

import json
from pathlib import Path

from test_labeler_flow import OPEN, App
from waiting import until


def test_more_of_a_kind_are_found_and_all_is_taken_away(open_notebook):
    nb = open_notebook([OPEN], width=1280, height=800)
    app = App(nb)
    page = app.page
    more_like_one_are_found(nb, app)
    nb.execute("app.session.label([3, 5], 7); app.session.label(8, 2); app.session.wait()")
    page.locator(".ssvae-take").click()
    dialog = page.locator(".ssvae-dialog")
    dialog.locator(".ssvae-offer").first.wait_for()
    told = dialog.locator(".ssvae-offer").all_text_contents()
    assert told[0] == "labels.csv: 3 labels with the names of their pictures"
    assert told[3].endswith("(nothing is trained yet)") and dialog.locator("input[value=model]").is_disabled()
    assert dialog.locator(".ssvae-place").input_value() == "labels-export"
    dialog.locator("input[value=labels]").focus()
    page.keyboard.press("7")  # no key is for the map now
    nb.screenshot("take-away")
    dialog.locator("input[value=predictions]").uncheck()
    dialog.get_by_text("Write", exact=True).click()
    until(lambda: dialog.locator(".ssvae-taken li").count() == 3)
    page.set_viewport_size({"width": 1024, "height": 560})  # a low window scrolls the list, not the buttons
    page.wait_for_function(
        """() => { const box = document.querySelector('.ssvae-dialog').getBoundingClientRect();
            return [...document.querySelectorAll('.ssvae-dialog-foot button')].every((b) =>
                b.getBoundingClientRect().bottom <= box.bottom) }"""
    )
    nb.screenshot("take-away-low")
    page.set_viewport_size({"width": 1280, "height": 800})
    folder = Path(nb.python("str(app.session.store.path.parent / 'labels-export')"))
    assert sorted(p.name for p in folder.iterdir()) == ["by_class", "export.json", "labels.csv", "map.html"]
    assert sorted(p.relative_to(folder / "by_class").as_posix() for p in folder.rglob("*.png")) == [
        "2/image-8.png",
        "7/image-3.png",
        "7/image-5.png",
    ]
    assert json.loads((folder / "export.json").read_text())["labeled"] == 3
    # into the folder of the labels themselves: refused, and nothing is replaced
    before = (folder.parent / "labels.csv").read_bytes()
    dialog.locator(".ssvae-place").fill(".")
    page.keyboard.press("Enter")
    dialog.locator(".ssvae-problem").wait_for()
    assert "not exported from here" in dialog.locator(".ssvae-problem").text_content()
    nb.screenshot("take-away-refused")
    page.keyboard.press("Escape")
    assert (folder.parent / "labels.csv").read_bytes() == before and not dialog.is_visible()
    assert nb.python("app.session.n_labeled") == 3, "no key was for the map"


def more_like_one_are_found(nb, app):
    """`q`: the sheet shows what looks like the selected digit, nearest first; what is left out counts against the
    next answer."""
    page, seven = app.page, int(nb.python("int(np.flatnonzero(truth == 7)[0])"))
    app.click(app.alone(1)[0])
    nb.until("len(app.map.selected) == 1")
    page.mouse.move(5, 5)  # else the point under it may be shown again, once the map has come to rest
    nb.execute(f"app.map.selected = [{seven}]")
    page.wait_for_selector(f".ssvae-preview[data-serial='{seven}']")  # the page has heard of it
    app.page.locator(".ssvae-labeler").first.press("q")
    page.wait_for_function("() => document.querySelectorAll('.ssvae-tile canvas').length > 8")
    tiles = page.locator(".ssvae-tile")
    assert int(tiles.first.get_attribute("data-serial")) == seven
    assert nb.python("(truth[app.sheet.rows] == 7).mean()") > 0.8
    nb.screenshot("similar")
    out = int(tiles.nth(4).get_attribute("data-serial"))
    tiles.nth(4).click()
    page.locator(".ssvae-labeler").first.press("q")
    nb.until(f"app.sheet.shown and {out} not in app.sheet.rows and len(app.sheet.rows) == 60")
    page.locator(".ssvae-labeler").first.press("Escape")  # closes the sheet
    page.locator(".ssvae-sheet").wait_for(state="hidden")
    page.locator(".ssvae-labeler").first.press("Escape")
    nb.until("len(app.map.selected) == 0")
