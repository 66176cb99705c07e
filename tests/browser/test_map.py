"""The latent map in a real JupyterLab: what is clicked is what Python selects, at any zoom, size and pixel ratio."""

import math

import numpy as np
import pytest
from waiting import until

CLOUD = """
import numpy as np
from ssvae_widgets import LatentMap
rng = np.random.default_rng(0)
n = {n}
truth = rng.integers(0, 10, n)
xy = (rng.normal(size=(10, 2)) * 4)[truth] + rng.normal(size=(n, 2))
images = (truth[:, None, None] * 25 + rng.integers(0, 20, (n, 8, 8))).astype(np.uint8)
m = LatentMap(xy, {colors}, images=images, classes=10, height={height}, pictures={pictures})
"""
LABELS = """
codes, log = np.full(n, -1), []
def hear(intent):
    log.append({**intent, "serials": intent.get("serials", np.empty(0)).tolist()})
    if intent["type"] in ("label", "clear"):
        codes[intent["serials"]] = intent.get("label", -1)
        m.set_codes(codes.copy(), "label"); m.set_labeled(codes >= 0)
        m.acknowledge(intent["gesture"], seq=len(log), message=f"saved {len(log)}")
m.on_intent(hear)
m
"""


def cloud(
    n=3000,
    height=420,
    colors="colors={'label': np.full(n, -1), 'truth': truth, 'certainty': rng.random(n)}",
    pictures=False,
):
    return CLOUD.format(n=n, height=height, colors=colors, pictures=pictures)


class Map:
    "The map on a page, in numbers: where its points are on screen."

    def __init__(self, nb, which=0):
        self.nb, self.page, self.which = nb, nb.page, which
        self.points = nb.page.locator("canvas.ssvae-points").nth(which)
        self.page.wait_for_function(
            "k => document.querySelectorAll('canvas.ssvae-points[data-domain]').length > k", arg=which
        )
        self.xy = np.array(nb.python("m.xy"), np.float32).astype(float)

    @property
    def domain(self):
        return [float(v) for v in self.points.get_attribute("data-domain").split(",")]

    @property
    def box(self):
        return self.points.evaluate(
            "e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; }"
        )

    def pixels(self):
        (x0, x1, y0, y1), (left, top, w, h) = self.domain, self.box
        return np.c_[left + (self.xy[:, 0] - x0) / (x1 - x0) * w, top + h - (self.xy[:, 1] - y0) / (y1 - y0) * h]

    def at(self, i):
        return tuple(self.pixels()[i])

    def visible(self, margin=6):
        p, (left, top, w, h) = self.pixels(), self.box
        return np.flatnonzero(
            (p[:, 0] > left + margin)
            & (p[:, 0] < left + w - margin)
            & (p[:, 1] > top + margin)
            & (p[:, 1] < top + h - margin)
        )

    def settle(self):
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('canvas.ssvae-points')].every(c => c.dataset.moving !== 'yes')"
        )
        before = None
        while (now := (self.domain, self.box)) != before:
            before = now
            self.page.wait_for_timeout(150)

    def wheel(self, way):
        "Turn the wheel and wait for the map to follow."
        before = self.points.get_attribute("data-domain")
        self.page.mouse.wheel(0, way)
        self.page.wait_for_function(
            "([k, before]) => document.querySelectorAll('canvas.ssvae-points')[k].dataset.domain !== before",
            arg=[self.which, before],
        )

    def click(self, i, **how):
        self.page.mouse.click(*self.at(i), **how)

    def color(self, i, size=1):
        "The painted color in the middle of point i: red, green, blue, alpha."
        x, y = self.at(i)
        return self.points.evaluate(
            """(e, [x, y]) => { const r = e.getBoundingClientRect(), k = e.width / r.width;
                const column = Math.floor((x - r.left) * k), row = Math.floor((y - r.top) * k);
                return [...e.getContext('2d').getImageData(column, row, 1, 1).data]; }""",
            [x, y],
        )

    def drag(self, path, modifier=None):
        if modifier:
            self.page.keyboard.down(modifier)
        self.page.mouse.move(*path[0])
        self.page.mouse.down()
        for p in path[1:]:
            self.page.mouse.move(*p)
        self.page.mouse.up()
        if modifier:
            self.page.keyboard.up(modifier)

    def circle(self, cx, cy, r, steps=40):
        return [
            (cx + r * math.cos(2 * math.pi * k / steps), cy + r * math.sin(2 * math.pi * k / steps))
            for k in range(steps + 1)
        ]

    def inside(self, path):
        p, poly = self.pixels(), np.array(path)
        inside = np.zeros(len(p), bool)
        for (xj, yj), (xk, yk) in zip(poly, np.roll(poly, 1, 0)):
            with np.errstate(divide="ignore", invalid="ignore"):
                inside ^= ((yj > p[:, 1]) != (yk > p[:, 1])) & (p[:, 0] < (xk - xj) * (p[:, 1] - yj) / (yk - yj) + xj)
        return np.flatnonzero(inside)


def click_random_points(nb, m, count, seed):
    "Click points no other point is near, and compare with what Python has selected."
    rng, wrong = np.random.default_rng(seed), []
    pixels = m.pixels()
    alone = [i for i in m.visible() if np.sort(np.hypot(*(pixels - pixels[i]).T))[1] > 1.5]
    chosen = rng.choice(alone, count, replace=len(alone) < count)
    for i in chosen:
        m.page.mouse.click(*pixels[i])
        got = m.page.evaluate("() => document.querySelector('.ssvae-m-live').textContent")
        if not got.startswith(f"#{i} "):
            wrong.append((int(i), got))
    nb.until(f"m.selected.tolist() == [{chosen[-1]}]")
    return wrong


@pytest.mark.parametrize("scale", [1, 1.5, 2])
def test_the_clicked_point_is_the_selected_point(open_notebook, scale):
    nb = open_notebook([cloud() + "m"], name=f"click{scale}", scale=scale)
    m, page = Map(nb), nb.page
    assert click_random_points(nb, m, 70, 1) == []
    page.mouse.move(*m.at(m.visible()[5]))
    for _ in range(3):
        m.wheel(-200)
    m.settle()
    assert m.domain[1] - m.domain[0] < 0.7 * np.ptp(m.xy[:, 0])
    assert click_random_points(nb, m, 50, 2) == []
    left, top, w, h = m.box
    m.drag(
        [(left + w / 2, top + h / 2), (left + w / 2 + 40, top + h / 2 + 20), (left + w / 2 + 90, top + h / 2 - 35)]
    )  # pan
    m.settle()
    assert click_random_points(nb, m, 40, 3) == []
    page.set_viewport_size({"width": 1000, "height": 800})  # resize
    page.wait_for_timeout(900)
    until(lambda: m.box[2] < w)
    page.evaluate("() => document.querySelector('canvas.ssvae-points').scrollIntoView({block: 'center'})")
    m.settle()  # no part of it lies under the bar at the foot of the page
    assert click_random_points(nb, m, 40, 4) == []
    assert nb.python("m.domain") == pytest.approx(m.domain, rel=1e-9)


def test_keys_label_at_once_and_do_not_leak(open_notebook):
    nb = open_notebook([cloud() + LABELS, "1 + 1"], name="keys")
    m, page = Map(nb), nb.page
    cells = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
    i = int(m.visible()[10])
    m.click(i)
    before = m.color(i)
    page.keyboard.press("3")
    nb.until("len(log) == 1")
    assert (
        nb.python("log[0]['serials']") == [i]
        and nb.python("log[0]['label']") == 3
        and nb.python("log[0]['source']") == "key"
    )
    nb.until("m.status == 'saved 1'")
    until(lambda: "saved 1" in page.locator(".ssvae-m-map-status").inner_text())
    hexes = nb.python("m.layer.lut")
    want = [int(hexes[3][k : k + 2], 16) for k in (1, 3, 5)]
    until(lambda: (got := m.color(i)) != before and all(abs(a - b) <= 3 for a, b in zip(got, want)))
    count = page.evaluate(cells)
    for key in ["d", "d", "0", "0", "a", "b", "m", "x", "y", "Escape", "z", "Shift+L", "Enter"]:
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert page.evaluate(cells) == count and page.locator(".jp-Dialog").count() == 0
    nb.until("len(log) >= 5")
    assert [e["type"] for e in nb.python("log")][:5] == ["label", "clear", "clear", "label", "label"]
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.content.mode") == "command"
    assert page.evaluate("() => document.activeElement.classList.contains('ssvae-map')")


def test_keys_leave_inputs_alone(open_notebook):
    nb = open_notebook(
        [
            cloud() + LABELS,
            "import ipywidgets\ntext = ipywidgets.Text()\nbox = ipywidgets.VBox([m, text]); "
            "box.add_class('ssvae-labeler')\nbox",
        ],
        name="inputs",
    )
    m, page = Map(nb, 1), nb.page
    m.click(int(m.visible()[3]))
    field = page.locator(".ssvae-labeler input[type=text]")
    field.click()
    page.keyboard.type("3dd0")
    field.press("Enter")
    nb.until("text.value == '3dd0'")
    assert nb.python("log") == []


def test_fast_typing_loses_nothing(open_notebook):
    nb = open_notebook([cloud() + LABELS], name="typing")
    m, page = Map(nb), nb.page
    rng = np.random.default_rng(5)
    pixels, want = m.pixels(), {}
    alone = [i for i in m.visible() if np.sort(np.hypot(*(pixels - pixels[i]).T))[1] > 2]
    order = rng.choice(alone, 50, replace=False)
    for i in order:
        page.mouse.click(*pixels[i])
        digit = int(rng.integers(0, 10))
        page.keyboard.press(str(digit))
        want[int(i)] = digit
    nb.until("len(log) >= 50")
    assert [(e["serials"], e["label"]) for e in nb.python("log")] == [([int(i)], want[int(i)]) for i in order]
    nb.until("m.labeled.sum() == 50")


def test_keys_are_heard_in_order_while_a_cell_that_touched_the_map_runs(open_notebook):
    nb = open_notebook([cloud() + LABELS], name="order")
    m, page = Map(nb), nb.page
    i = int(m.visible()[10])
    nb.execute(f"m.focus({i})")
    page.evaluate("() => document.querySelector('.ssvae-map').focus()")
    page.wait_for_function("i => document.querySelector('.ssvae-m-live').textContent.startsWith(`#${i} `)", arg=i)
    nb.client.execute(
        "import time; m.status = 'busy'; end = time.monotonic() + 100\nwhile len(log) < 40 and time.monotonic() < end: "
        "time.sleep(0.05)\ntime.sleep(1); m.status",
        store_history=False,
    )
    page.wait_for_function("() => document.querySelector('.ssvae-m-map-status').textContent === 'busy'")
    digits = np.random.default_rng(2).integers(0, 10, 40).tolist()
    for d in digits:
        page.keyboard.press(str(d))
    page.wait_for_function(
        "() => document.querySelector('.ssvae-m-map-status').textContent === 'saved 40'"
    )  # the cell runs until it has seen them all
    assert [e["label"] for e in nb.python("log")] == digits


def test_lasso_and_box_add_subtract(open_notebook):
    nb = open_notebook([cloud() + LABELS], name="lasso")
    m, page = Map(nb), nb.page
    left, top, w, h = m.box
    page.mouse.click(left + 3, top + 3)  # focus, on nothing
    page.keyboard.press("l")
    nb.until("m.tool == 'lasso'")
    a, b = m.circle(left + w * 0.45, top + h * 0.5, 90), m.circle(left + w * 0.55, top + h * 0.5, 90)
    m.drag(a)
    A, B = set(m.inside(a).tolist()), set(m.inside(b).tolist())

    def close(got, want):
        return len(set(got) ^ want) <= max(3, len(want) // 50)  # the pointer stops on whole pixels

    assert len(A) > 30 and close(nb.until("m.selected.tolist()"), A)
    m.drag(b, "Shift")
    nb.until(f"len(m.selected) > {len(A)}")
    until(lambda: close(nb.python("m.selected"), A | B))
    m.drag(b, "Alt")
    nb.until(f"len(m.selected) <= {len(A)}")
    assert close(nb.python("m.selected"), A - B)
    page.keyboard.press("m")
    nb.until("m.tool == 'box'")
    m.drag([(left + 50, top + 50), (left + 90, top + 90), (left + 350, top + 250)])
    p = m.pixels()
    inside = (p[:, 0] >= left + 50) & (p[:, 0] <= left + 350) & (p[:, 1] >= top + 50) & (p[:, 1] <= top + 250)
    until(lambda: close(nb.python("m.selected"), set(np.flatnonzero(inside).tolist())))


def test_a_large_label_asks_once_and_is_one_gesture(open_notebook):
    nb = open_notebook([cloud() + LABELS], name="ask")
    m, page = Map(nb), nb.page
    left, top, w, h = m.box
    page.mouse.click(left + 3, top + 3)
    page.keyboard.press("Control+a")
    nb.until("len(m.selected) == n")
    page.keyboard.press("4")
    page.wait_for_timeout(200)
    until(lambda: "3,000 points" in page.locator(".ssvae-m-live").inner_text())
    assert nb.python("log") == []
    page.keyboard.press("4")
    nb.until("len(log) == 1")
    page.wait_for_timeout(300)
    nb.until("(codes == 4).all()")
    assert nb.python("len(log)") == 1


def test_a_refused_label_is_taken_back_and_said(open_notebook):
    refuse = """
def refuse(intent):
    if "gesture" in intent:
        m.acknowledge(intent["gesture"], ok=False, message="NOT SAVED: disk full")
m.on_intent(refuse)
m
"""
    nb = open_notebook([cloud() + refuse], name="refused")
    m, page = Map(nb), nb.page
    i = int(m.visible()[20])
    m.click(i)
    before = m.color(i)
    page.keyboard.press("5")
    page.wait_for_function("() => document.querySelector('.ssvae-m-map-status').textContent.includes('NOT SAVED')")
    page.wait_for_timeout(200)
    until(lambda: m.color(i) == before)
    assert nb.python("m.labeled.sum()") == 0


def test_two_views_stay_in_step(open_notebook):
    nb = open_notebook([cloud(height=260) + LABELS, "m"], name="views", height=1300)
    a, b, page = Map(nb, 0), Map(nb, 1), nb.page
    i = int(a.visible()[30])
    a.click(i)
    page.keyboard.press("2")
    nb.until("len(log) == 1")
    page.wait_for_timeout(300)
    until(lambda: a.color(i) == b.color(i))
    j = int(b.visible()[77])
    b.click(j)
    nb.until(f"m.selected.tolist() == [{j}]")
    until(
        lambda: (
            (lives := page.locator(".ssvae-m-live").all_inner_texts())[0] == lives[1] and lives[0].startswith(f"#{j} ")
        )
    )
    b.wheel(-500)
    a.settle()
    until(lambda: a.domain == pytest.approx(b.domain))
    nb.execute("m.set_positions(xy[:, ::-1])")
    page.wait_for_timeout(900)
    a.settle()
    a.xy = b.xy = a.xy[:, ::-1]
    shared = np.intersect1d(a.visible(), b.visible())
    assert shared.size
    until(lambda: all(a.color(int(k)) == b.color(int(k)) for k in shared[:20]))


def test_moves_travel_and_reduced_motion_cuts(open_notebook):
    nb = open_notebook([cloud() + LABELS], name="moves")
    m, page = Map(nb), nb.page
    page.evaluate(
        "() => { const c = document.querySelector('canvas.ssvae-points'); window.moves = 0; "
        "new MutationObserver(() => { if (c.dataset.moving === 'yes') window.moves++; }).observe(c, { attributes: true "
        "}); }"
    )
    nb.execute("m.selected = [4, 5]; m.set_positions(3 * xy)")
    page.wait_for_function("() => window.moves >= 2")
    m.settle()
    m.xy = np.array(nb.python("m.xy"), np.float32).astype(float)
    until(lambda: m.domain == pytest.approx(nb.python("m.domain")))
    assert nb.python("m.selected") == [4, 5]
    assert len(m.visible()) == 3000
    assert click_random_points(nb, m, 10, 6) == []
    page.emulate_media(reduced_motion="reduce")
    page.evaluate("() => { window.moves = 0; }")
    before = m.domain
    nb.execute("m.set_positions(xy)")
    until(lambda: m.domain != before)
    page.wait_for_timeout(1000)
    assert page.evaluate("() => window.moves") == 0


def test_keyboard_alone(open_notebook):
    nb = open_notebook([cloud() + LABELS], name="keyboard")
    m, page = Map(nb), nb.page
    page.evaluate("() => document.querySelector('.ssvae-map').focus()")
    page.keyboard.press("ArrowRight")
    first = nb.until("m.selected.tolist()")[0]
    page.keyboard.press("1")
    nb.until("len(log) == 1")
    page.keyboard.press("ArrowUp")
    second = nb.until(f"m.selected.tolist() != [{first}] and m.selected.tolist()")[0]
    assert m.at(second)[1] < m.at(first)[1]
    page.keyboard.press("ArrowDown")  # back to the nearest unlabeled one below; the labeled one is skipped
    page.wait_for_timeout(300)
    assert nb.python("m.selected.tolist()") != [first]
    page.keyboard.press("c")
    nb.until("m.color_by == 'truth'")
    page.keyboard.press("f")
    page.wait_for_timeout(200)
    until(lambda: page.locator(".ssvae-m-tally").inner_text().count("shown") == 1)
    page.keyboard.press("f")
    page.keyboard.press("Escape")
    nb.until("m.selected.size == 0")
    before = m.domain
    for key in ("+", "+"):
        page.keyboard.press(key)
    until(lambda: m.domain[1] - m.domain[0] < before[1] - before[0])
    page.keyboard.press("r")
    page.wait_for_function(
        "d => document.querySelector('canvas.ssvae-points').dataset.domain.split(',').every((v, k) => Math.abs(v - "
        "d[k]) < 1e-6)",
        arg=before,
    )
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keys").is_visible()
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0 and page.evaluate(
        "() => document.activeElement.classList.contains('ssvae-map')"
    )


def test_hover_shows_the_image_of_the_point(open_notebook):
    nb = open_notebook([cloud() + "m"], name="hover")
    m, page = Map(nb), nb.page
    i = int(m.visible()[123])
    page.evaluate("() => addEventListener('pointermove', e => { window.pointer = [e.clientX, e.clientY]; }, true)")
    page.mouse.move(*m.at(i))
    page.wait_for_selector(".ssvae-tip, .ssvae-m-tip")
    page.wait_for_function(
        "() => { const c = document.querySelector('.ssvae-m-thumb'); return !c.hidden && c.width === 8; }"
    )
    nb.until(f"m.hovered == {i}")
    shown = page.evaluate(
        "() => { const c = document.querySelector('.ssvae-m-thumb'), d = c.getContext('2d').getImageData(0, 0, 8, "
        "8).data; return [...d].filter((_, k) => k % 4 === 0); }"
    )
    assert shown == np.array(nb.python(f"m.images[{i}]")).ravel().tolist()
    nb.execute("m.set_positions(xy[:, ::-1])")  # a line beside the pointer does not name a point that has left
    m.settle()
    m.xy = m.xy[:, ::-1]
    assert np.hypot(*np.subtract(m.at(i), page.evaluate("() => window.pointer"))) > 20
    until(lambda: nb.python("m.hovered") != i)
    page.wait_for_timeout(300)
    tip = page.locator(".ssvae-m-tip")
    assert not tip.is_visible() or tip.inner_text().startswith(f"#{nb.python('m.hovered')} ")
    left, top, w, h = m.box
    page.mouse.move(left + w + 30, top - 60)
    nb.until("m.hovered == -1")
    assert not page.locator(".ssvae-m-tip").is_visible()


class Pictures:
    "The pictures on a map, in numbers: whose stand where on the screen."

    def __init__(self, m):
        self.map, self.page = m, m.page
        self.canvas = m.page.locator("canvas.ssvae-shots").nth(m.which)
        self.page.wait_for_function(
            "k => document.querySelectorAll('canvas.ssvae-shots')[k].dataset.pictures > 20", arg=m.which
        )

    @property
    def boxes(self):
        "{row: (x, y, half width, half height)}"
        left, top, *_ = self.map.box
        return {d[0]: (left + d[1], top + d[2], d[3], d[4]) for d in self.canvas.evaluate("e => e.drawn")}

    def settle(self):
        "Until nothing new comes."
        self.map.settle()
        before = None
        while (now := self.boxes) != before:
            before = now
            self.page.wait_for_timeout(250)
        return now

    def inside(self, boxes, margin=45):
        left, top, w, h = self.map.box
        return {
            i: (x, y)
            for i, (x, y, *_) in boxes.items()
            if left + margin < x < left + w - margin and top + margin < y < top + h - margin
        }

    def color(self, x, y):
        return self.canvas.evaluate(
            """(e, [x, y]) => { const r = e.getBoundingClientRect(), k = e.width / r.width;
                return [...e.getContext('2d').getImageData((x - r.left) * k | 0, (y - r.top) * k | 0, 1, 1).data]; }""",
            [x, y],
        )


def covered(boxes):
    "Pairs of pictures of which one lies over another."
    a = np.array(list(boxes.values()))
    near = np.abs(a[:, None, :2] - a[None, :, :2]) < a[:, None, 2:] + a[None, :, 2:] - 1e-6
    return int(near.all(-1).sum() - len(a)) // 2


def test_pictures_stand_instead_of_dots(open_notebook):
    nb = open_notebook([cloud(n=4000, pictures=True) + LABELS], name="pictures", scale=2)
    m, page = Map(nb), nb.page
    pictures = Pictures(m)
    boxes = pictures.settle()
    assert len(boxes) > 60 and covered(boxes) == 0
    pixels = m.pixels()
    assert all(np.abs(pixels[i] - (x, y)).max() <= half + 3 for i, (x, y, half, _) in boxes.items()), "over its point"
    some = list(pictures.inside(boxes).items())[:12]
    means = {i: np.mean(nb.python(f"images[{i}]")) for i, _ in some}
    assert all(abs(pictures.color(x, y)[0] - means[i]) < 25 for i, (x, y) in some), "each shows its own image"

    i, (x, y) = some[3]
    half = boxes[i][2]
    page.mouse.click(x + half - 4, y - half + 4)  # the corner of a picture: what is clicked is what is selected
    nb.until(f"m.selected.tolist() == [{i}]")
    page.keyboard.press("3")
    nb.until("len(log) == 1 and m.status == 'saved 1'")
    assert nb.python("log[0]['serials']") == [i]
    page.keyboard.press("Escape")
    page.mouse.move(*m.box[:2])
    want = [int(nb.python("m.layer.lut[3]")[k : k + 2], 16) for k in (1, 3, 5)]
    until(lambda: pictures.color(x - boxes[i][2] + 1.2, y)[:3] == want)  # a frame in the color of the label

    j, (x, y) = some[5]
    page.mouse.move(x, y)
    nb.until(f"m.hovered == {j}")
    page.wait_for_function("j => document.querySelector('.ssvae-m-tip-text').textContent.startsWith(`#${j} `)", arg=j)
    before = pictures.settle()
    for _ in range(3):
        m.wheel(-150)
    now = pictures.settle()
    assert covered(now) == 0
    pixels, kept = m.pixels(), pictures.inside(now)
    left, top, w, h = m.box
    seen = [k for k in before if left + 60 < pixels[k][0] < left + w - 60 and top + 60 < pixels[k][1] < top + h - 60]
    assert seen and set(seen) <= set(now) and len(kept) > len(seen), "closer, more pictures, and none goes"
    m.drag([(left + w / 2, top + h / 2), (left + w / 2 + 30, top + h / 2 + 10), (left + w / 2 + 70, top + h / 2 + 40)])
    panned = pictures.settle()
    moved = {k: (x + 70, y + 40) for k, (x, y) in kept.items()}
    moved = {k: p for k, p in moved.items() if left + 60 < p[0] < left + w - 60 and top + 60 < p[1] < top + h - 60}
    assert len(moved) > 10 and set(moved) <= set(panned), "none flickers"
    assert all(np.abs(np.subtract(panned[k][:2], p)).max() <= 1.5 for k, p in moved.items())

    page.locator(".ssvae-m-size").fill("64")
    nb.until("m.picture_size == 64")
    until(lambda: all(30 <= half <= 36 for *_, half, _ in pictures.boxes.values()) and covered(pictures.boxes) == 0)
    page.locator(".ssvae-m-tool.ssvae-m-pictures").click()
    nb.until("not m.pictures")
    page.wait_for_function("() => document.querySelector('canvas.ssvae-shots').dataset.pictures === '0'")
    assert click_random_points(nb, m, 10, 7) == []
    nb.execute("m.set_predictions(truth, certainty=np.where(np.arange(n) % 2, 1.0, 0.2))")
    nb.until("len(m.marks.names.text) == 10")
    until(lambda: page.locator(".ssvae-map svg text.label").count() == 10)
    lut, truth, labeled = nb.python("m.layer.lut"), nb.python("truth"), nb.python("np.flatnonzero(m.labeled)")
    pixels = m.pixels()
    alone = [i for i in m.visible() if i not in labeled and np.sort(np.hypot(*(pixels - pixels[i]).T))[1] > 9]
    assert len(alone) > 5
    for i in alone[:12]:
        full = [int(lut[truth[i]][k : k + 2], 16) for k in (1, 3, 5)]
        tint = [255 + (v - 255) * (0.8 if i % 2 else 0.3) for v in full]
        assert np.abs(np.subtract(m.color(int(i))[:3], tint)).max() <= 3, "pale, and paler where less certain"
    page.locator(".ssvae-m-tool.ssvae-m-axes").click()
    nb.until("m.axes and m.figure.fig_margin['left'] == 34")
    until(lambda: page.locator(".ssvae-map .axis").first.is_visible())
    page.locator(".ssvae-m-tool.ssvae-m-pictures").click()
    nb.until("m.pictures")
    pictures = Pictures(m)
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.shutdown().then(() => null)"
    )
    m.click(int(m.visible()[0]))
    m.wheel(200)  # without a kernel: what has come stays
    page.wait_for_function("() => document.querySelector('canvas.ssvae-shots').dataset.pictures > 20")


def test_many_classes_by_name_and_by_legend(open_notebook):
    cell = cloud(colors="colors={'label': np.full(n, -1), 'kind': truth}").replace(
        "classes=10", "classes=[f'kind {i}' for i in range(24)]"
    )
    nb = open_notebook([cell + LABELS], name="many")
    m, page = Map(nb), nb.page
    i = int(m.visible()[44])
    m.click(i)
    page.keyboard.press("/")
    page.keyboard.type("d 17")
    assert page.locator(".ssvae-m-option").all_inner_texts() == ["kind 17"]
    page.keyboard.press("Enter")
    nb.until("len(log) == 1")
    assert nb.python("[log[0]['serials'], log[0]['label']]") == [[i], 17]
    assert page.evaluate("() => document.activeElement.classList.contains('ssvae-map')")
    page.wait_for_timeout(300)
    until(lambda: page.locator(".ssvae-m-chip[data-code='17'] .ssvae-m-count").inner_text() == "1")
    page.locator(".ssvae-m-color").select_option("kind")
    nb.until("m.color_by == 'kind'")
    page.locator(".ssvae-m-chip[data-code='3']").click()
    nb.until("np.array_equal(m.selected, np.flatnonzero(truth == 3))")
    page.locator(".ssvae-m-chip[data-code='5']").click(modifiers=["Shift"])
    nb.until("np.array_equal(m.selected, np.flatnonzero((truth == 3) | (truth == 5)))")
    until(lambda: page.locator(".ssvae-map svg text", has_text="kind 3").count() == 1)
    page.locator(".ssvae-m-select").select_option("select:invert")
    nb.until("np.array_equal(m.selected, np.flatnonzero((truth != 3) & (truth != 5)))")


def test_browser_zoom_changes_the_pixel_ratio_under_way(open_notebook):
    nb = open_notebook([cloud() + "m"], name="zoom")
    m, page = Map(nb), nb.page
    cdp = page.context.new_cdp_session(page)
    for ratio in (1.25, 2, 0.8):
        cdp.send(
            "Emulation.setDeviceMetricsOverride",
            {"width": 1400, "height": 1000, "deviceScaleFactor": ratio, "mobile": False},
        )
        m.page.mouse.move(*m.at(int(m.visible()[0])))  # the emulation itself tells the page nothing
        page.wait_for_function(
            "r => { const c = document.querySelector('canvas.ssvae-points'); return Math.abs(c.width / "
            "parseFloat(c.style.width) - r) < 0.01; }",
            arg=ratio,
        )
        page.wait_for_timeout(200)
        assert click_random_points(nb, m, 8, int(10 * ratio)) == []
        i = int(m.visible()[60])
        until(lambda i=i: m.color(i)[3] > 100)


def test_reload_finds_everything_again(open_notebook):
    nb = open_notebook([cloud() + LABELS], name="reload")
    m, page = Map(nb), nb.page
    i = int(m.visible()[12])
    m.click(i)
    page.keyboard.press("6")
    nb.until("len(log) == 1")
    page.wait_for_function("() => document.querySelector('.ssvae-m-map-status').textContent === 'saved 1'")
    nb.execute("m.color_by = 'truth'")
    page.wait_for_function("() => document.querySelector('.ssvae-m-color').value === 'truth'")
    page.wait_for_timeout(500)
    before = m.color(i)
    nb.save()
    nb.reload()
    page.wait_for_selector("canvas.ssvae-points[data-domain]", timeout=60_000)
    page.wait_for_timeout(800)
    m = Map(nb)
    until(lambda: m.color(i) == before and page.locator(".ssvae-m-live").inner_text().startswith(f"#{i} "))
    m.settle()
    page.keyboard.press("Escape")
    m.click(i)
    page.keyboard.press("7")
    nb.until("len(log) == 2")
    assert nb.python("log[1]['label']") == 7


def test_color_images_and_saved_pictures(open_notebook):
    cell = cloud().replace(
        "images=images", "images=np.repeat(images[..., None], 3, -1) * np.array([1, 0, 0], np.uint8)"
    )
    nb = open_notebook([cell + "page = m.to_html('map.html')\nm"], name="color")
    m, page = Map(nb), nb.page
    page.mouse.move(*m.at(int(m.visible()[123])))
    page.wait_for_function(
        "() => { const c = document.querySelector('.ssvae-m-thumb'); return !c.hidden && c.width === 8; }"
    )
    shown = page.evaluate(
        "() => [...document.querySelector('.ssvae-m-thumb').getContext('2d').getImageData(0, 0, 8, 8).data]"
    )
    assert max(shown[0::4]) > 0 and max(shown[1::4]) == 0
    nb.save()
    assert '"image/png": "iVBOR' in (nb.folder / "color.ipynb").read_text()
    still = page.context.new_page()
    asked = []
    still.on("request", lambda r: asked.append(r.url))
    still.goto((nb.folder / "map.html").as_uri())
    still.wait_for_selector("canvas[data-domain]")
    box = still.locator("canvas.ssvae-points").bounding_box()
    still.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    still.wait_for_timeout(300)
    assert [u for u in asked if not u.startswith("file:")] == []
    assert "3,000 points" in still.locator("main").inner_text()


HOSTILE = [
    "<img src=x onerror=window.__hit=1>",
    "</script><script>window.__hit=1</script>",
    "\u202egnp.exe",
    "null\x00byte",
    "🐈 cat",
    "\"'`${1}",
    "javascript:alert(1)",
    "a" * 500,
]


def test_hostile_names_do_nothing(open_notebook):
    cell = cloud(colors="colors={'label': truth % 8, '<b>x</b>': truth}").replace(
        "classes=10", f"classes={HOSTILE!r} + ['nine', 'ten', 'eleven', 'twelve'], title={HOSTILE[0]!r}"
    )
    nb = open_notebook([cell + "m.status = m.classes[0]\nm"], name="hostile")
    m, page = Map(nb), nb.page
    i = int(m.visible()[50])
    page.mouse.move(*m.at(i))
    m.click(i)
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    page.wait_for_timeout(400)
    assert page.evaluate("() => window.__hit") is None
    assert page.locator(".ssvae-map img, .ssvae-map script, .ssvae-map b:has-text('x')").count() == 0
    assert "<img src=x" in page.locator(".ssvae-m-legend, .ssvae-m-map-status").all_inner_texts()[1]
    for text in page.locator(".ssvae-m-chip").all_inner_texts():
        assert "\u202e" not in text and "\x00" not in text


def test_messages_out_of_range_reach_nobody(open_notebook):
    nb = open_notebook([cloud() + LABELS], name="range")
    m = Map(nb)
    m.click(int(m.visible()[0]))
    nb.until("m.selected.size == 1")
    bad = """
before, hits = m.layer.refused, len(log)
no_class = {"type": "intent", "intent": {"type": "label", "label": 99, "gesture": 1}}
no_point = {"type": "intent", "intent": {"type": "label", "label": 1, "gesture": 1}}
for content, buffers in [(no_class, [b"\\0\\0\\0\\0"]), (no_point, [b"\\xff" * 4]), ("x", [])]:
    m.layer._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": buffers})
state = {"positions": None, "hovered": 1e12, "tool": 5}
m.layer._handle_msg({"content": {"data": {"method": "update", "state": state, "buffer_paths": []}}, "buffers": []})
"""
    nb.execute(bad)
    assert nb.python("[m.layer.refused - before, len(log) - hits, m.layer.n_items, m.hovered]")[:3] == [6, 0, 3000]


def test_dark_theme_tabs_and_hidden_cells(open_notebook):
    cell = (
        cloud()
        + LABELS.replace("\nm\n", "\n")
        + "import ipywidgets\ntabs = ipywidgets.Tab([ipywidgets.HTML('first'), m]); tabs.titles = ['a', 'b']\ntabs"
    )
    nb = open_notebook([cell, *["print('x\\n' * 60)"] * 3], name="tabs")
    page = nb.page
    page.locator(".lm-TabBar-tabLabel", has_text="b").last.click()
    m = Map(nb)
    page.wait_for_timeout(800)
    until(lambda: m.box[2] > 400)
    m.settle()
    assert click_random_points(nb, m, 5, 8) == []
    nb.theme("dark")
    assert page.locator(".ssvae-map").get_attribute("data-theme") == "dark"
    i = int(m.visible()[9])
    m.click(i)
    for k in range(2):  # scroll away and back: the windowed notebook may detach the cell
        page.evaluate(
            "k => { const nb = window.jupyterapp.shell.currentWidget.content; nb.activeCellIndex = k ? 0 : 3; "
            "nb.scrollToItem(k ? 0 : 3); }",
            k,
        )
        page.wait_for_timeout(700)
    page.locator("canvas.ssvae-points").scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    m.settle()
    assert click_random_points(nb, m, 5, 9) == []
    nb.theme("light")


def test_closing_leaves_nothing(open_notebook):
    nb = open_notebook([cloud(n=500) + "m"], name="close")
    Map(nb)
    nb.execute(
        "from ipywidgets.widgets.widget import _instances as live\nk0 = len(live)\nfor _ in range(20): "
        "LatentMap(xy).close()"
    )
    assert nb.python("len(live) - k0") == 0
    nb.execute("m.close()")
    nb.page.wait_for_function("() => document.querySelectorAll('canvas.ssvae-points').length === 0")
