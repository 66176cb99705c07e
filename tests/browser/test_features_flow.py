"""Color pictures in the app: one can label at once, and the map goes over to features while one does."""

import pytest
from test_labeler_flow import App

from ssvae_widgets.data.extractors import available

OPEN = """
import numpy as np
from PIL import Image, ImageDraw
from ssvae_widgets import LatentLabeler
rng = np.random.default_rng(0)
def cell(kind):
    "A round, a long or a spotted cell on a pale ground."
    picture = Image.new("RGB", (48, 48), tuple(int(v) for v in rng.integers(215, 245, 3)))
    pen, (x, y), r = ImageDraw.Draw(picture), rng.integers(20, 28, 2), rng.integers(9, 14)
    color = tuple(int(v) for v in rng.integers([150, 70, 90], [210, 110, 140]))
    a, b = (r, r) if kind != 1 else (1.6 * r, 0.6 * r)
    pen.ellipse([x - a, y - b, x + a, y + b], fill=color)
    if kind == 2:
        for dx, dy in rng.normal(0, r / 3, (5, 2)):
            pen.ellipse([x + dx - 2, y + dy - 2, x + dx + 2, y + dy + 2], fill=(90, 40, 120))
    return np.asarray(picture)
truth = np.arange(240) % 3
images = np.stack([cell(k) for k in truth])
app = LatentLabeler(images, labels="labels.csv", classes=["round", "long", "spotted"])
app
"""


@pytest.mark.skipif(not available(), reason="the weights of EfficientNet-Lite0 are not installed")
def test_the_map_goes_over_to_features_while_somebody_labels(open_notebook):
    nb = open_notebook([OPEN, "marker = 1"])
    app = App(nb, settled=False)
    [first] = app.alone(1)
    app.click(first)
    nb.until(f"app.map.selected.tolist() == [{first}]")
    app.page.keyboard.press("1")
    app.wait_saved(1)
    nb.until("app.session.frozen.xy is not None", timeout=240)
    nb.until("app.session.xy is app.session.frozen.xy", timeout=60)
    assert nb.python("app.session.learned_from") == "efficientnet-lite0"
    assert nb.python(f"int(app.session.codes[{first}])") == 1 and nb.python("app.error") in ("", None)
    nb.python("app.session.wait(60)")
    app.page.wait_for_timeout(1500)
    seen = nb.python("[[float(v) for v in f(app.session.xy, axis=0)] for f in (np.min, np.max)]")
    domain = app.page.locator(".ssvae-points").first.get_attribute("data-domain").split(",")
    x0, x1, y0, y1 = map(float, domain)
    assert x0 <= seen[0][0] and seen[1][0] <= x1 and y0 <= seen[0][1] and seen[1][1] <= y1, "the whole map is in view"
    assert max(seen[1][0] - seen[0][0], 1e-9) > 0.4 * (x1 - x0), "and fills it"
    nb.screenshot("features-map")
    app.click(first)
    app.page.keyboard.press("Control+z")
    app.wait_saved(2)
    assert nb.python("app.session.n_labeled") == 0
