"""Regions in a real page: a switch, a soft tint under the points in the color of the class, nothing far from points."""

import numpy as np
from test_map import Map
from waiting import until

from ssvae_widgets.session.rounds import Frame
from ssvae_widgets.widgets.film import film_html

CLOUD = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
PRED, SURE = np.arange(400) % 2, np.full(400, 0.9)

CELL = """
import numpy as np
from ssvae_widgets import LatentMap
rng = np.random.default_rng(0)
truth = np.repeat([0, 1], 1500)
xy = np.array([[0.0, 0], [12, 0]])[truth] + rng.normal(size=(3000, 2))
m = LatentMap(xy, {"label": np.full(3000, -1), "certainty": rng.random(3000)}, classes=["a", "b"], height=420,
              palette=["#0000ff", "#ff0000"])
m.set_predictions(truth, certainty=np.full(3000, 0.99))
m
"""


class Ground(Map):
    def tint(self, x, y):
        "Red, green, blue and opacity of the regions at a place of the map."
        x0, x1, y0, y1 = self.domain
        return self.page.evaluate(
            """([fx, fy]) => { const e = document.querySelector('canvas.ssvae-ground');
                return [...e.getContext('2d').getImageData(fx * e.width, fy * e.height, 1, 1).data]; }""",
            [(x - x0) / (x1 - x0), (y1 - y) / (y1 - y0)],
        )

    def of(self):
        return self.page.locator("canvas.ssvae-ground").get_attribute("data-of")


def test_regions_are_switched_on_follow_answers_and_view_and_are_calm(open_notebook):
    nb = open_notebook([CELL], name="regions", width=1280, height=800)
    m, page = Ground(nb), nb.page
    ground, switch = page.locator("canvas.ssvae-ground"), page.locator(".ssvae-m-tool.ssvae-m-regions")
    assert not ground.is_visible() and switch.get_attribute("aria-pressed") == "false"
    switch.click()
    nb.until("m.regions")
    until(lambda: m.of() == "1")
    assert switch.get_attribute("aria-pressed") == "true" and page.locator(".ssvae-m-areas").is_visible()
    assert "a 5" in ground.get_attribute("aria-label") and "above certainty 0.9" in ground.get_attribute("aria-label")
    left, right, middle = m.tint(0.2, 0.3), m.tint(12.2, 0.3), m.tint(6, 2)
    assert left[2] > 240 and left[0] < 10 and 30 < left[3] < 70, "a soft tint of the class"
    assert right[0] > 240 and right[2] < 10 and middle[3] == 0, "and nothing where there are no points"
    page.mouse.move(*(m.box[0] + 300, m.box[1] + 200))
    page.locator(".ssvae-map").first.focus()
    m.wheel(-240)
    assert m.tint(0.2, 0.3)[2] > 240, "it goes with the view"
    nb.execute("m.set_predictions(1 - truth, certainty=np.full(3000, 0.99))")
    until(lambda: m.of() == "2")
    assert m.tint(0.2, 0.3)[0] > 240, "after the answer"
    nb.execute("m.palette = ['#0000ff', '#00aa00']")
    until(lambda: m.tint(0.2, 0.3)[:2] == [0, 170])
    nb.execute("m.set_positions(m.xy[::-1])")
    until(lambda: m.of() == "3")
    until(lambda: m.tint(0.2, 0.3)[2] > 240)
    page.locator(".ssvae-m-color").select_option("certainty")
    nb.until("m.color_by == 'certainty'")
    until(lambda: m.tint(0.2, 0.3)[3] == 0)  # no colors of classes under those of values; lines alone
    page.locator(".ssvae-m-color").select_option("label")
    until(lambda: m.tint(0.2, 0.3)[3] > 30)
    light = m.tint(0.2, 0.3)
    nb.theme("dark")
    until(lambda: m.tint(0.2, 0.3)[3] > light[3])
    nb.screenshot("regions-dark")
    switch.click()
    nb.until("not m.regions")
    until(lambda: not ground.is_visible())
    nb.execute(
        "from ssvae_widgets.pool.density import Density\nfrom ssvae_widgets.widgets.map_density import pack_density"
    )
    nb.execute("grid = np.zeros((40, 60))\ngrid[20, 15] = 50\nwhole = pack_density(Density(grid, (-6, 18, -8, 8)))")
    nb.execute("m.layer.density = whole | {'words': 'Shade: all of the pool', 'of': 1}")
    line = page.locator(".ssvae-m-density")
    until(lambda: ground.is_visible() and ground.get_attribute("data-dense") == "1")
    assert 20 < m.tint(0.2, 0.2)[3] < 80 and m.tint(12.2, 0.3)[3] == 0, (
        "a soft shade where the pool is, and nowhere else"
    )
    assert line.inner_text() == "Shade: all of the pool" == ground.get_attribute("aria-label")
    line.click()
    nb.until("not m.layer.shade")
    until(lambda: not ground.is_visible())
    assert line.get_attribute("aria-pressed") == "false"
    assert np.isfinite(m.domain).all()


def test_a_film_plays_without_kernel_and_network(browser, tmp_path):
    frames = [
        Frame(k, k, -1, 0, "graph", 0.0, {}, np.float32([[k, 0], [0, 1]])[np.arange(400) % 2] + CLOUD, PRED, SURE, SURE)
        for k in (0, 30)
    ]
    (tmp_path / "film.html").write_text(
        film_html(frames, ["<img src=x onerror=alert(1)>", "b"], ["#0000ff", "#ff0000"])
    )
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce", offline=True)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on("request", lambda request: request.url.startswith("file:") or wrong.append(request.url))
    page.goto((tmp_path / "film.html").as_uri())
    points, said = page.locator("canvas.ssvae-points"), page.locator(".ssvae-film-said")
    page.wait_for_selector("canvas[data-at='0.00']")  # motion is not wanted: it waits
    assert said.inner_text().startswith("1 of 2") and page.locator("img").count() == 0
    before = points.evaluate("c => c.toDataURL()")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("canvas[data-at='1.00']")
    assert said.inner_text().startswith("2 of 2") and points.evaluate("c => c.toDataURL()") != before
    assert (
        page.locator("canvas.ssvae-ground")
        .nth(1)
        .evaluate("c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v)")
    )
    page.get_by_text("Play again").click()
    until(lambda: points.evaluate("c => Number(c.dataset.at)") > 0.3)  # no string is code in the page
    page.keyboard.press("Home")
    page.wait_for_selector("canvas[data-at='0.00']")
    assert points.evaluate("c => c.toDataURL()") == before and wrong == []
    context.close()
