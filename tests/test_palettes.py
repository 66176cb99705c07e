"""The colors of classes, measured with formulas written down a second time: CIEDE2000, CIELAB, and what people see
who lack the red or the green cones.

CIEDE2000: G. Sharma, W. Wu, E. N. Dalal, "The CIEDE2000 color-difference formula", Color Research and Application
30 (2005), whose test data are checked here. Simulation: G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, "A
physiologically-based model for simulation of color vision deficiency", IEEE TVCG 15 (2009), matrices for severity 1,
which act on linear RGB. A page with a dark theme lightens what has less than 3 to 1 against it (`onDark` in
`static/on-dark.mjs`).
"""

import re
import shutil
import subprocess
import time
from itertools import combinations
from math import atan2, cos, degrees, exp, hypot, radians, sin, sqrt

import numpy as np
import pytest

from ssvae_widgets.palettes import FIRST_TEN, UNLABELED, color_distance, glasbey, palette, too_near

PROTAN = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
DEUTAN = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
EYES = {"all cones": np.eye(3), "no red cones": PROTAN, "no green cones": DEUTAN}


def linear(hexa: str) -> np.ndarray:
    rgb = np.array([int(hexa[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def seen_by(hexa: str, eyes) -> np.ndarray:
    "Linear RGB of a color as a person sees it."
    return np.clip(np.asarray(eyes) @ linear(hexa), 0, 1)


def lab(rgb: np.ndarray) -> tuple[float, float, float]:
    "CIE 1976 L*a*b* of linear sRGB under D65 (IEC 61966-2-1)."
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.array(matrix) @ rgb / np.array([0.9505, 1.0, 1.089])
    f = [t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in (x, y, z)]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def ciede2000(one, two) -> float:
    "The formula step by step, in degrees, as in the paper's section 2."
    (l1, a1, b1), (l2, a2, b2) = one, two
    mean = (hypot(a1, b1) + hypot(a2, b2)) / 2
    g = 0.5 * (1 - sqrt(mean**7 / (mean**7 + 25**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = hypot(a1, b1), hypot(a2, b2)
    h1, h2 = degrees(atan2(b1, a1)) % 360, degrees(atan2(b2, a2)) % 360
    if c1 * c2 == 0:
        dh, hue = 0, h1 + h2
    else:
        dh = h2 - h1 - 360 * (h2 - h1 > 180) + 360 * (h2 - h1 < -180)
        apart = abs(h1 - h2) > 180
        hue = (h1 + h2 + (360 if h1 + h2 < 360 else -360) * apart) / 2
    dl, dc, dh = l2 - l1, c2 - c1, 2 * sqrt(c1 * c2) * sin(radians(dh / 2))
    l, c = (l1 + l2) / 2, (c1 + c2) / 2
    t = 1 - 0.17 * cos(radians(hue - 30)) + 0.24 * cos(radians(2 * hue))
    t += 0.32 * cos(radians(3 * hue + 6)) - 0.2 * cos(radians(4 * hue - 63))
    turn = -sin(radians(60 * exp(-(((hue - 275) / 25) ** 2)))) * 2 * sqrt(c**7 / (c**7 + 25**7))
    sl, sc, sh = 1 + 0.015 * (l - 50) ** 2 / sqrt(20 + (l - 50) ** 2), 1 + 0.045 * c, 1 + 0.015 * c * t
    return sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + turn * dc * dh / sc / sh)


def luminance(hexa: str) -> float:
    return float(linear(hexa) @ [0.2126, 0.7152, 0.0722])


def on_dark(hexa: str) -> str:
    "A color as the dark page shows it."
    rgb, t = [int(hexa[i : i + 2], 16) for i in (1, 3, 5)], 0.0
    while True:
        mix = "#" + "".join(f"{int(v * (1 - t) + 255 * t + 0.5):02x}" for v in rgb)
        if (luminance(mix) + 0.05) / (luminance("#212121") + 0.05) >= 3:
            return mix if t else hexa
        t += 0.04


def grays(root) -> list[str]:
    "What has no label: on a light page, on a dark one."
    css = (root / "ssvae_widgets" / "static" / "point-layer.css").read_text()
    found = re.findall(r"--ssvae-none: (#[0-9a-f]{6});", css)
    assert len(found) == 2
    return found


def worlds(root):
    "Colors of the first ten and of what has no label, by theme."
    light, dark = grays(root)
    return {"light": (palette(10), [light, UNLABELED]), "dark": ([*map(on_dark, palette(10))], [dark])}


def test_the_formula_gives_the_published_differences():
    "Pairs 1, 7, 17, 20, 25 and 34 of the paper's table 1."
    for one, two, expected in (
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (58, 24, 15), 19.4535),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ):
        assert round(ciede2000(one, two), 4) == expected


def test_distances_of_python_and_of_the_page(root):
    rng = np.random.default_rng(0)
    pairs = [[f"#{k:06x}" for k in rng.integers(1 << 24, size=2)] for _ in range(200)]
    pairs += [["#000000", "#ffffff"], ["#808080", "#818181"], ["#ff0000", "#ff0000"], ["#0000ff", "#808080"]]
    ours = [color_distance(*pair) for pair in pairs]
    here = [ciede2000(lab(linear(a)), lab(linear(b))) for a, b in pairs]
    np.testing.assert_allclose(ours, here, atol=0.02)
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js 18 or newer (Debian: apt-get install nodejs)")
    module = (root / "ssvae_widgets" / "static" / "color-distance.mjs").as_uri()
    code = f"import {{ colorDistance }} from '{module}'; console.log({pairs}.map((p) => colorDistance(...p)).join())"
    done = subprocess.run([node, "--input-type=module", "-e", code], capture_output=True, text=True, check=True)
    np.testing.assert_allclose([float(v) for v in done.stdout.split(",")], ours, atol=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_class_is_gray_and_each_is_told_from_the_others_and_from_no_label(root, theme):
    colors, none = worlds(root)[theme]
    labs = {color: lab(linear(color)) for color in (*colors, *none)}
    assert min(hypot(*labs[color][1:]) for color in colors) >= 25, "chroma"
    for a, b in [*combinations(colors, 2), *((a, b) for a in colors for b in none)]:
        assert ciede2000(labs[a], labs[b]) >= 15, (a, b)
        assert np.linalg.norm(np.subtract(labs[a], labs[b])) >= 20, (a, b)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("eyes", ["no red cones", "no green cones"])
def test_the_same_for_people_who_lack_cones(root, theme, eyes):
    "As far apart as the first ten are for others; people with all cones were asked above."
    colors, none = worlds(root)[theme]
    labs = {color: lab(seen_by(color, EYES[eyes])) for color in (*colors, none[0])}
    for a, b in [*combinations(colors, 2), *((a, none[0]) for a in colors)]:
        assert ciede2000(labs[a], labs[b]) >= 15, (a, b)


def test_more_classes_change_no_color(root):
    whole = palette(200)
    assert whole[:10] == list(FIRST_TEN) and len({*whole}) == 200
    assert all(palette(n) == whole[:n] for n in (0, 1, 2, 8, 9, 10, 11, 12, 64, 65))
    assert glasbey(5, FIRST_TEN) == tuple(whole[10:15])
    for color in whole[10:40]:
        for gray in (UNLABELED, *grays(root)):
            assert ciede2000(lab(linear(color)), lab(linear(gray))) >= 10


def test_what_is_too_near():
    assert too_near("#909498", [], "#8f979f") and not too_near("#909498", [], None)
    assert too_near(FIRST_TEN[0], [FIRST_TEN[0]]) and not too_near(FIRST_TEN[0], FIRST_TEN[1:])


def test_a_hundred_thousand_classes_have_colors_at_once():
    several, start = palette(1000), time.process_time()
    many = palette(100_000)
    assert time.process_time() - start < 10  # 30 s where each further color is searched for among none
    assert len(many) == 100_000 and many[:1000] == several and len({*many[50_000:60_000]}) > 3000
