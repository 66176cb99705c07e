"""What an app on a laptop shows is big enough and whole: the picture fills its column, no text is cut off without a
way to read it, and one number says how much is labeled."""

import re

from test_labeler_flow import App

OPEN = """
import numpy as np
from ssvae_widgets import LatentLabeler, make_cells
pictures, _ = make_cells(300, seed=2)
app = LatentLabeler(pictures, labels="labels.csv", classes=["round cell", "lobed cell with a long name"])
app
"""
CUT_OFF = """() => {  // texts of which something that does not scroll hides a part, and no title says the whole
    const app = document.querySelector('.ssvae-labeler'), range = document.createRange();
    const words = document.createTreeWalker(app, NodeFilter.SHOW_TEXT), cut = [];
    for (let text = words.nextNode(); text; text = words.nextNode()) {
        const at = text.parentElement;
        range.selectNodeContents(text);
        const r = range.getBoundingClientRect();
        if (!text.data.trim() || r.width < 3 || at.closest('svg, option, [title]') || !at.checkVisibility(
            { opacityProperty: true, visibilityProperty: true })) continue;
        for (let box = at; box !== app.parentElement; box = box.parentElement) {
            const b = box.getBoundingClientRect(), over = getComputedStyle(box).overflowX;
            if (over === 'auto' || over === 'scroll' || b.width < 3) break;
            if (over !== 'visible' && (r.right > b.right + 1 || r.left < b.left - 1)) {
                cut.push(`${box.className}: ${text.data.trim().slice(0, 60)}`);
                break;
            }
        }
    }
    return cut }"""


IN_VIEW = """() => { const app = document.querySelector('.ssvae-labeler').getBoundingClientRect(),
    panel = document.querySelector('.jp-WindowedPanel-outer').getBoundingClientRect();
    return app.top >= panel.top && app.bottom <= panel.bottom }"""


def test_an_app_comes_into_view_when_its_cell_is_run_and_not_when_the_page_is_loaded_again(open_notebook):
    nb = open_notebook([OPEN, "marker = 1"], name="in-view", run=False, width=1280, height=800)
    page, painted = nb.page, ".ssvae-labeler canvas.ssvae-points[data-painted]"
    page.locator(".jp-Cell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    page.wait_for_selector(painted, timeout=120_000)
    page.wait_for_function(IN_VIEW)
    nb.save()
    nb.reload()
    page.wait_for_selector(painted, timeout=120_000)
    page.wait_for_timeout(1500)
    assert page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollTop") == 0
    page.locator(".ssvae-labeler").first.press("Escape")
    scrolled = page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollTop")
    page.keyboard.press(" ")  # is not for the notebook, which would scroll the app away
    page.wait_for_timeout(300)
    assert page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollTop") == scrolled


def test_a_laptop_shows_big_pictures_and_whole_texts(open_notebook):
    nb = open_notebook([OPEN], name="sizes", width=1280, height=800)
    app, page = App(nb), nb.page
    root = page.locator(".ssvae-labeler").first
    here = app.alone(1)[0]
    app.click(here)
    page.wait_for_selector(f".ssvae-preview[data-serial='{here}']")
    for size in ((1280, 800), (1024, 768), (1440, 900)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.wait_for_timeout(600)
        share = page.evaluate(
            """() => { const column = document.querySelector('.ssvae-preview'), c = column.querySelector('canvas');
                return c.getBoundingClientRect().width / column.clientWidth; }"""
        )
        assert share > 0.6, (size, share)
        assert not (cut := page.evaluate(CUT_OFF)), (size, cut)
    # gestures and labels are counted once: what is saved is what is labeled
    page.keyboard.press("0")
    nb.until(f"app.session.codes[{here}] == 0")
    page.keyboard.press("1")
    nb.until(f"app.session.codes[{here}] == 1")
    app.wait_saved(2)
    said = " ".join(root.inner_text().split())
    assert re.findall(r"(\d+) of 300 labeled", said) == ["1"] and not re.search(r"saved \d+(?!\d*:)", said), said
