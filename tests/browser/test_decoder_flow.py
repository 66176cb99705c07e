"""Between the points with a real mouse and a held key, in the app and in a page that has no kernel and no network: the
pixels on the screen are those of Python."""

import numpy as np

HOSTILE = "</script><img src=x onerror=alert(1)>"
CELL = f"""
from ssvae_widgets import LatentLabeler, SSVAEConfig, load_digits
images, truth = load_digits()
small = SSVAEConfig(encoder_type="dense", hidden_dims=(64, 32), latent_dim=8)
app = LatentLabeler(images[:400], None, truth[:400], classes=[{HOSTILE!r}, *"123456789"], config=small)
app.session.label([3, 13, 23], truth[3])
app.session.train(4)
assert app.session.wait(200) and app.flush()
app
"""
PIXELS = """() => { const c = document.querySelector('.ssvae-p-picture'), shown = c.getContext('2d');
  const bytes = [...shown.getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 0);
  return [[...document.querySelector('.ssvae-p-card').drawn.values], bytes]; }"""


PAINTED = """() => { const c = document.querySelector('canvas.ssvae-ground');
  return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v > 0); }"""


class OnMap:
    "A map on a page, app or file, and where its places are."

    def __init__(self, page):
        self.page = page
        self.box = page.locator("canvas.ssvae-points").first.bounding_box()
        self.domain = [float(v) for v in page.get_attribute("canvas.ssvae-points", "data-domain").split(",")]

    def at(self, place):
        (x0, x1, y0, y1), b = self.domain, self.box
        x, y = (float(v) for v in place)
        return b["x"] + (x - x0) / (x1 - x0) * b["width"], b["y"] + (1 - (y - y0) / (y1 - y0)) * b["height"]

    def within(self, right, down):
        return self.box["x"] + right * self.box["width"], self.box["y"] + down * self.box["height"]

    def go(self, place) -> np.ndarray:
        "Move there; where the card says it is, in the plane."
        shown = self.page.get_attribute(".ssvae-p-card", "data-shown") or ""
        self.page.mouse.move(*place)
        self.page.wait_for_function(
            "was => (document.querySelector('.ssvae-p-card').dataset.shown || '') !== was", arg=shown
        )
        return np.array([float(v) for v in self.page.get_attribute(".ssvae-p-card", "data-at").split(",")])

    def pixels(self) -> np.ndarray:
        "What was drawn, after a look whether that is what the screen shows."
        drawn, shown = self.page.evaluate(PIXELS)
        np.testing.assert_allclose(np.array(drawn) * 255, shown, atol=0.501)
        return np.array(drawn)

    def word(self) -> str:
        return self.page.locator(".ssvae-p-word").inner_text()


def test_a_held_key_shows_what_the_model_would_draw(open_notebook):
    nb = open_notebook([CELL], name="decoder", width=1280, height=800)
    page = nb.page
    nb.until("app.map.layer.decoder.get('kind') == 'page'")
    m = OnMap(page)
    page.mouse.click(*m.within(0.02, 0.98))
    page.keyboard.down("x")
    page.wait_for_timeout(500)
    m.go(m.within(0.45, 0.5))
    page.wait_for_function("() => document.querySelector('.ssvae-p-caption').textContent.startsWith('what the model')")
    places = [m.go(p) for p in (m.at(nb.python("app.session.xy[7]")), m.within(0.4, 0.62))]
    got = m.pixels()
    want = np.array(nb.python(f"app.session.decoding.now().decoder([{places[-1].tolist()}])[0]")).ravel()
    np.testing.assert_allclose(got, want, atol=1e-3)
    assert page.locator(".ssvae-p-tile:visible").count() == 6
    m.go(m.within(0.995, 0.005))
    assert "a dream, not data" in m.word() and page.locator(".ssvae-p-card.ssvae-p-far").count() == 1
    nb.screenshot("decoder-dream")
    drag(page, m)
    assert "ssvae-p-far" not in (page.get_attribute("canvas.ssvae-points", "class") or "")
    page.keyboard.up("x")
    page.mouse.move(*m.within(0.1, 0.1), steps=3)
    nb.until("app.map.tool == 'pointer'")
    assert page.locator(".ssvae-p-card").is_hidden()
    page.keyboard.press("x")  # a short press stays; a click takes the nearest pictures
    page.mouse.click(*m.at(nb.python("app.session.xy[7]")))
    assert 7 in nb.until("app.map.tool == 'decode' and len(app.selected) == 9 and app.selected.tolist()")
    page.keyboard.press("Escape")
    nb.until("app.map.tool == 'pointer'")

    nb.execute("page = app.to_html('map.html')")
    places = [nb.python("app.session.xy[7].tolist()"), nb.python("app.session.xy.mean(0).tolist()")]
    check_offline(nb, places, m)
    check_touch(nb)


def check_touch(nb):
    "With a finger: a tap draws and stays, a drag plays the way, nothing is selected."
    size = {"width": 1024, "height": 768}
    context = nb.page.context.browser.new_context(viewport=size, has_touch=True, offline=True)
    page = context.new_page()
    page.goto((nb.folder / "map.html").as_uri())
    page.wait_for_selector("main[data-ready]", timeout=20_000)
    m, touch = OnMap(page), context.new_cdp_session(page)
    page.locator(".ssvae-m-between").tap()
    page.touchscreen.tap(*m.within(0.5, 0.5))
    page.wait_for_selector(".ssvae-p-card[data-at]", timeout=10_000)
    page.wait_for_timeout(300)
    assert page.locator(".ssvae-p-card").is_visible()
    for kind, at in (("touchStart", 0.3), ("touchMove", 0.5), ("touchMove", 0.7)):
        x, y = m.within(at, at)
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("() => document.querySelector('.ssvae-p-card').dataset.film === 'played'", timeout=20_000)
    context.close()


def drag(page, m):
    "From one place to another: the way is played, and stays to be looked at."
    page.mouse.move(*m.within(0.3, 0.3))
    page.mouse.down()
    page.mouse.move(*m.within(0.7, 0.7), steps=4)
    page.mouse.up()
    page.wait_for_function("() => document.querySelector('.ssvae-p-card').dataset.film === 'played'", timeout=20_000)
    assert page.locator(".ssvae-p-film canvas").count() == 9


def check_offline(nb, places, m):
    "The same in a file, with the network off."
    context = nb.page.context.browser.new_context(viewport={"width": 1280, "height": 800}, offline=True)
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda r: asked.append(r.url))
    page.on("dialog", lambda d: (said.append(d.message), d.dismiss()))
    page.on("pageerror", lambda e: said.append(str(e)))
    page.goto((nb.folder / "map.html").as_uri())
    page.wait_for_selector("main[data-ready]", timeout=20_000)
    m = OnMap(page)
    page.get_by_role("checkbox", name="Regions").check()
    page.wait_for_function(PAINTED)
    page.mouse.move(*m.within(0.5, 0.5))
    page.keyboard.down("x")
    for place in [m.at(p) for p in places] + [m.within(0.98, 0.02)]:
        there = m.go(place)
        want = np.array(nb.python(f"app.session.decoding.now().decoder([{there.tolist()}])[0]")).ravel()
        np.testing.assert_allclose(m.pixels(), want, atol=1e-3)
    assert "a dream, not data" in m.word()
    nb_picture = page.locator(".ssvae-p-tile canvas:visible").count()
    assert nb_picture == 6, "the nearest pictures stand beside it"
    drag(page, m)
    page.keyboard.up("x")
    page.mouse.move(*m.within(0.1, 0.1), steps=3)
    assert page.locator(".ssvae-p-card").is_hidden()
    assert HOSTILE.split(">")[0] in page.locator(".ssvae-m-legend").inner_text() and not said
    assert page.locator("img").count() == 0 and [u for u in asked if not u.startswith(("file:", "data:"))] == []
    context.close()
