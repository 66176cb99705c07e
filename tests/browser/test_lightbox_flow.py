"""A picture in full size over the page: by click and by key, zoomed, answered by a digit, closed by Escape."""

from test_labeler_flow import App

OPEN = """
import numpy as np
from pathlib import Path
from PIL import Image, ImageDraw
from ssvae_widgets import LatentLabeler, load_images
Path("photos").mkdir(exist_ok=True)
rng = np.random.default_rng(0)
for k in range(40):
    picture = Image.new("RGB", (1600, 1200), tuple(int(v) for v in rng.integers(120, 240, 3)))
    pen = ImageDraw.Draw(picture)
    for x, y, r in rng.integers([0, 0, 20], [1600, 1200, 160], (30, 3)).tolist():
        pen.ellipse([x - r, y - r, x + r, y + r], fill=tuple(int(v) for v in rng.integers(0, 255, 3)))
    picture.save(f"photos/view {k:02}.jpg")
app = LatentLabeler(load_images("photos"), labels="labels.csv", classes=["near", "far"], features=None)
app
"""


def test_a_photograph_opens_in_full_size_and_keys_go_on(open_notebook):
    nb = open_notebook([OPEN, "marker = 1"])
    app = App(nb)
    page = app.page
    first, second = app.alone(2)
    app.click(first)
    nb.until(f"app.map.selected.tolist() == [{first}]")
    page.locator(f".ssvae-preview[data-serial='{first}'] .ssvae-open").click()
    light = page.locator("dialog.ssvae-light[open]")
    light.wait_for()
    image = light.locator("img.ssvae-light-image:visible")
    image.wait_for()
    size = "i => [i.naturalWidth, i.naturalHeight]"
    assert image.evaluate(size) == [1600, 1200]
    assert "1,600 × 1,200 pixels" in light.inner_text() and f"#{first} · view" in light.inner_text()
    box, stage = image.bounding_box(), light.locator(".ssvae-light-stage").bounding_box()
    assert box["width"] <= stage["width"] + 1 and box["height"] <= stage["height"] + 1, "all of it is in view"
    nb.screenshot("lightbox")
    frame, window = light.bounding_box(), page.viewport_size
    assert frame["x"] >= 20 and frame["y"] >= 20, "beside it the page is seen, and a click there closes it"
    assert abs(2 * frame["x"] + frame["width"] - window["width"]) <= 2, "in the middle"
    page.mouse.move(stage["x"] + 200, stage["y"] + 200)
    page.mouse.wheel(0, -400)
    page.wait_for_function(
        "w => document.querySelector('.ssvae-light-image').getBoundingClientRect().width > w", arg=box["width"]
    )
    page.keyboard.press("1")  # a digit labels what is on show
    nb.until(f"int(app.session.codes[{first}]) == 1")
    page.wait_for_function("() => document.querySelector('.ssvae-light .ssvae-chip').textContent === 'far'")
    page.keyboard.press("Escape")
    light.wait_for(state="hidden")
    assert nb.python("app.map.selected.tolist()") == [first], "Escape closes the picture, the selection stays"
    app.click(second)
    nb.until(f"app.map.selected.tolist() == [{second}]")
    page.locator(f".ssvae-preview[data-serial='{second}']").wait_for()
    page.keyboard.press("o")
    page.locator(f"dialog.ssvae-light[open][data-serial='{second}'] img:visible").wait_for()
    page.keyboard.press("d")
    page.keyboard.press("Escape")
    light.wait_for(state="hidden")
    page.keyboard.press("0")  # the keys are the map's again
    nb.until(f"int(app.session.codes[{second}]) == 0")
    nb.python(f"Path('photos', app.session.names[{first}]).unlink()")
    app.click(first)
    page.locator(f".ssvae-preview[data-serial='{first}']").wait_for()
    page.keyboard.press("o")
    page.wait_for_function(
        "() => /not|gone|no file|No such/.test(document.querySelector('.ssvae-light-facts').textContent)"
    )
    nb.screenshot("lightbox-gone")
    page.keyboard.press("Escape")
    light.wait_for(state="hidden")
    page.keyboard.press("o")
    light.wait_for()
    light.locator("button", has_text="100 %").click()
    assert page.evaluate("() => document.activeElement.matches('dialog.ssvae-light')"), "Enter is for the picture"
    page.keyboard.press("?")
    page.locator(".ssvae-m-card").wait_for()
    assert light.count() == 0, "the help is not behind the picture"
    page.keyboard.press("Escape")
    page.locator(".ssvae-m-card").wait_for(state="hidden")
    third = app.alone(3)[2]
    page.mouse.move(*app.place(third))
    page.locator(f".ssvae-preview[data-serial='{third}']").wait_for()
    app.page.keyboard.press("o")
    page.locator(f"dialog.ssvae-light[open][data-serial='{third}'] img:visible").wait_for()
    page.wait_for_timeout(800)
    assert page.locator("dialog.ssvae-light[open]").get_attribute("data-serial") == str(third), "it stays"
    page.keyboard.press("Escape")
    assert nb.python("app.error") in ("", None)


def test_keys_are_about_the_picture_in_full_size(open_notebook):
    "Whatever is selected behind it: nobody sees that."
    nb = open_notebook([OPEN])
    app = App(nb)
    page = app.page
    light = page.locator("dialog.ssvae-light[open]")

    def seen(serial):
        page.locator(f"dialog.ssvae-light[open][data-serial='{serial}'] img:visible").wait_for()

    rows = [3, 9, 14, 20, 31]
    nb.execute(f"app.map.selected = np.array({rows})")
    tiles = page.locator(".ssvae-sheet .ssvae-tile")
    tiles.locator("canvas").nth(4).wait_for()
    order = [int(tiles.nth(i).get_attribute("data-serial")) for i in range(5)]
    tiles.nth(1).dblclick()  # two clicks leave it out and take it in again
    seen(order[1])
    page.keyboard.press("1")
    nb.until(f"int(app.session.codes[{order[1]}]) == 1")
    page.keyboard.press("ArrowRight")  # the next one of the sheet
    seen(order[2])
    page.keyboard.press("0")
    nb.until(f"int(app.session.codes[{order[2]}]) == 0")
    page.wait_for_function("() => document.querySelector('.ssvae-light .ssvae-chip').textContent === 'near'")
    page.keyboard.press("k")
    nb.until(f"app.session.data.excluded == {{{order[2]}}}")
    page.keyboard.press("k")
    nb.until("not app.session.data.excluded")
    choices = page.get_by_role("group", name="Classes").locator(".ssvae-light-key")
    assert choices.all_inner_texts() == ["0\nnear", "1\nfar"]
    assert [c.get_attribute("aria-pressed") for c in choices.all()] == ["true", "false"]
    choices.nth(1).click()  # about this picture alone, too
    nb.until(f"int(app.session.codes[{order[2]}]) == 1")
    page.wait_for_function("() => document.querySelector('.ssvae-light .ssvae-chip').textContent === 'far'")
    assert nb.python("app.session.n_labeled") == 2
    page.keyboard.press("0")
    nb.until(f"int(app.session.codes[{order[2]}]) == 0")
    page.keyboard.press("ArrowLeft")
    seen(order[1])
    nb.screenshot("lightbox-of-a-sheet")
    page.keyboard.press("Escape")
    light.wait_for(state="hidden")
    assert nb.python("app.map.selected.tolist()") == rows, "the sheet is as it was"
    assert nb.python("app.session.n_labeled") == 2
    page.mouse.move(5, 5)
    tiles.nth(1).hover()  # once more the same one
    page.keyboard.press("o")
    seen(order[1])
    page.keyboard.press("Escape")
    tiles.nth(3).hover()
    page.keyboard.press("o")
    seen(order[3])
    # a key that comes before the picture is not used, and says so where it is seen
    nb.execute(
        "import time; _original = app.commands.original; "
        "app.commands.original = lambda i: (time.sleep(1.5), _original(i))"
    )
    page.keyboard.press("ArrowRight")
    page.keyboard.press("1")
    page.wait_for_function("() => /not here yet/.test(document.querySelector('.ssvae-light-note').textContent)")
    seen(order[4])
    page.keyboard.press("1")
    nb.until(f"int(app.session.codes[{order[4]}]) == 1")
    assert page.locator(".ssvae-light-note").inner_text() == ""
    assert nb.python("app.session.n_labeled") == 3
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")  # the sheet
    page.locator(".ssvae-sheet").first.wait_for(state="hidden")
    # the picture of another point than the selected one
    here, there = app.alone(2)
    app.click(here)
    page.locator(f".ssvae-preview[data-serial='{here}']").wait_for()
    page.mouse.move(*app.place(there), steps=5)
    page.locator(f".ssvae-preview[data-serial='{there}']").wait_for()
    page.keyboard.press("o")
    seen(there)
    before = nb.python("app.session.codes.tolist()")
    page.keyboard.press("0")
    nb.until("app.flush(0.2)")
    before[there] = 0
    nb.until(f"app.session.codes.tolist() == {before}")
