"""Copies in the app: one cell a stack, opened and left out as one; the preview says how many, and whether a label
covers them; flags on the sheet; pictures that stand out."""

APP = """
import numpy as np
from PIL import Image
from ssvae_widgets import LatentLabeler
rng = np.random.default_rng(0)
grow = lambda x, size: np.asarray(Image.fromarray(x).resize(size, Image.BICUBIC))
images = np.stack([grow(rng.integers(0, 256, (5, 5, 3)).astype(np.uint8), (40, 40)) for _ in range(24)])
copies = [images[3], grow(grow(images[3], (28, 28)), (40, 40)), (images[7] * 0.9).astype(np.uint8)]
images = np.concatenate([images, np.stack(copies)])
images[12] //= 5
app = LatentLabeler(images, None, classes=["cat", "dog"], features=None)
app.session.duplicates.find()
app
"""


def test_a_stack_is_one_cell(open_notebook):
    nb = open_notebook([APP], width=1280, height=800)
    page = nb.page
    nb.until("app.flush(5) and 'copies' in app.map.columns")
    nb.execute("app.session.flag([5], 'star'); app.session.flag([6], 'exclude'); app.map.selected = list(range(27))")
    page.wait_for_selector(".ssvae-badge.ssvae-stack")
    assert page.locator(".ssvae-tile").count() == 24
    stack = page.locator(".ssvae-tile:has(.ssvae-stack)", has_text="×3")
    assert "stands for 3 copies" in stack.get_attribute("aria-label")
    starred = page.locator("[data-serial='5']")
    assert starred.text_content() == "★" and "starred" in starred.get_attribute("aria-label")
    nb.screenshot("copies-folded")
    stack.click(position={"x": 12, "y": 40})  # all three are left out at once, and come back
    nb.until("len(app.map.selected) == 24")
    stack.click(position={"x": 12, "y": 40})
    nb.until("len(app.map.selected) == 27")
    stack.locator(".ssvae-stack").click()
    page.wait_for_function("() => document.querySelectorAll('.ssvae-unfolded').length === 3")
    nb.screenshot("copies-open")
    ranges_as_in_file_managers(nb)
    nb.execute("app.map.selected = []; app.map.focus(3)")
    chip = page.locator(".ssvae-copies")
    chip.wait_for()
    assert chip.text_content() == "2 copies"
    cover = page.locator(".ssvae-cover")
    assert cover.get_attribute("aria-pressed") == "false"
    cover.click()
    nb.until("app.session.duplicates.cover")
    page.wait_for_selector(".ssvae-cover[aria-pressed='true']")
    nb.screenshot("copies-cover")
    chip.click()
    nb.until("sorted(app.map.selected) == [3, 24, 25]")
    nb.execute("app.map.selected = [7]; app.map.color_by = 'copies'")
    page.wait_for_selector(".ssvae-preview[data-serial='7']")  # a key before it would be refused
    page.locator(".ssvae-labeler").first.press("1")
    nb.until("np.flatnonzero(app.session.codes == 1).tolist() == [7, 26]")
    page.locator(".ssvae-labeler").first.press("Control+z")
    nb.until("app.session.n_labeled == 0")
    nb.screenshot("copies-coloring")
    page.locator(".ssvae-m-select").select_option("select:review")  # pictures that stand out come onto the sheet
    nb.until("app.sheet.sort == 'worst first' and [*app.sheet.rows][:1] == [12] and 'brightness' in app.map.columns")
    nb.execute("app.map.selected = [12]")
    page.wait_for_selector(".ssvae-reason:has-text('darker than')")
    page.locator(".ssvae-m-color").select_option("brightness")
    nb.until("app.map.color_by == 'brightness'")
    nb.screenshot("stand-out")


def ranges_as_in_file_managers(nb):
    "Shift keeps a range, with Ctrl one more, by mouse and keys; the sheet has the arrow keys, the map all others."
    page, tile = nb.page, lambda i: nb.page.locator(f".ssvae-tile[data-i='{i}']")
    page.locator(".ssvae-sheet select").select_option("number")  # from here on cell k is picture k, but for copies
    page.wait_for_selector(".ssvae-tile[data-i='11'][data-serial='11']")

    def kept(first, last):
        nb.until(f"app.map.selected.tolist() == sorted(app.sheet.kept.tolist()) == [*range({first}, {last + 1})]")

    tile(11).click()
    nb.until("len(app.map.selected) == 26")
    tile(14).click(modifiers=["Shift"])
    kept(11, 14)
    tile(17).click(modifiers=["Shift", "Control"])
    kept(11, 17)
    for key, last in (("Shift+ArrowLeft", 16), ("Shift+ArrowRight", 17), ("Control+Shift+ArrowRight", 18)):
        page.keyboard.press(key)
        kept(11, last)
    nb.screenshot("sheet-range")
    page.keyboard.press("1")
    nb.until("(app.session.codes == 1).sum() == 8 and len(app.map.selected) == 19")  # what was left out is next
    page.keyboard.press("Control+z")
    nb.until("app.session.n_labeled == 0 and len(app.map.selected) == 8")
