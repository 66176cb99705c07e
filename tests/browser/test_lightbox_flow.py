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
