"""Speed of the latent map in a real JupyterLab and a headless Chromium; writes artifacts/bench/widget.json.

    python bench/widget.py                       # everything but the long storm
    python bench/widget.py compare --sizes 12000 60000
    python bench/widget.py storm --keys 10000    # 10,000 labels by key, then undo all

jupyter-scatter, embedding-atlas, bqplot-gl's ScatterGL and bqplot's own Scatter run in the same browser, one after the
other, on the same points; install those that are wanted with
`pip install jupyter-scatter embedding-atlas bqplot-gl`. embedding-atlas 0.26 asks its questions of DuckDB in the kernel
and works offline, but its map is drawn by WebGPU with `shader-f16` alone, which Chromium's software rendering lacks:
there it shows its table and a sentence, both of which are in the figures. `--hardware` lets the browser use a graphics
card. "Painted" is seen from outside, in the same way for all: the picture on the
screen, taken again and again, until it shows the new
color or the new place. One such look costs 30–90 ms, which every figure of `compare` therefore contains. On a shared
machine the ratios count.
A latent map of more than 250,000 points shows an even sample of 65,000 first (`first_paint_ms`) and every point a
moment later (`all_painted_ms`).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import platform
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import nbformat
import numpy as np
import websocket
from PIL import Image
from playwright.sync_api import TimeoutError, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "artifacts" / "bench" / "widget.json"
PARTS = ("compare", "keys", "next", "disk", "lasso", "sheet", "pan", "pictures", "cycles", "storm")
spec = importlib.util.spec_from_file_location("browser_tools", ROOT / "tests" / "browser" / "conftest.py")
tools = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tools)

DATA = """
import numpy as np, time, ipywidgets
n = {n}
rng = np.random.default_rng(0)
left = np.c_[rng.uniform(0.05, 0.42, n), rng.uniform(0.05, 0.95, n)]
right = left + [0.53, 0]
for a in (left, right): a[0], a[1] = (0, 0), (1, 1)
"""
# each: imports, make and show, recolor all, move all. Colors start red and become blue.
LIBRARIES = {
    "latent map": (
        "from ssvae_widgets import LatentMap",
        "w = LatentMap(left, colors=np.zeros(n, int), classes=2, palette=['#ff0000', '#0000ff'], height=480, "
        "legend=False)\nw",
        "w.set_codes(np.ones(n, int))",
        "w.set_positions(right, animate=False)",
    ),
    "latent map, traveling": (
        "from ssvae_widgets import LatentMap",
        "w = LatentMap(left, colors=np.zeros(n, int), classes=2, palette=['#ff0000', '#0000ff'], height=480, "
        "legend=False)\nw",
        "w.set_codes(np.ones(n, int))",
        "w.set_positions(right)",
    ),
    "jupyter-scatter": (
        "import jscatter, pandas as pd",
        "df = pd.DataFrame({'x': left[:, 0], 'y': left[:, 1], 'x2': right[:, 0], 'c': pd.Categorical(['a'] * n, "
        "['a', 'b']), 'd': pd.Categorical(['b'] * n, ['a', 'b'])})\n"
        "w = jscatter.Scatter(data=df, x='x', y='y', height=480, color_by='c', "
        "color_map={'a': '#ff0000', 'b': '#0000ff'})\nw.show()",
        "w.color(by='d', map={'a': '#ff0000', 'b': '#0000ff'})",
        "w.x('x2')",
    ),
    "bqplot-gl ScatterGL": (
        "import bqplot as bq\nfrom bqplot_gl import ScatterGL",
        "s = dict(x=bq.LinearScale(min=0, max=1), y=bq.LinearScale(min=0, max=1), "
        "color=bq.ColorScale(colors=['red', 'blue'], min=0, max=1))\n"
        "k = ScatterGL(x=left[:, 0], y=left[:, 1], color=np.zeros(n), scales=s, default_size=4)\n"
        "w = bq.Figure(marks=[k], axes=[bq.Axis(scale=s['x'])], layout=ipywidgets.Layout(width='800px', "
        "height='480px'))\nw",
        "k.color = np.ones(n)",
        "k.x = right[:, 0]",
    ),
    "bqplot Scatter": (
        "import bqplot as bq",
        "s = dict(x=bq.LinearScale(min=0, max=1), y=bq.LinearScale(min=0, max=1), "
        "color=bq.ColorScale(colors=['red', 'blue'], min=0, max=1))\n"
        "k = bq.Scatter(x=left[:, 0], y=left[:, 1], color=np.zeros(n), scales=s, default_size=4)\n"
        "w = bq.Figure(marks=[k], axes=[bq.Axis(scale=s['x'])], layout=ipywidgets.Layout(width='800px', "
        "height='480px'))\nw",
        "k.color = np.ones(n)",
        "k.x = right[:, 0]",
    ),
}
PEERS = {"jupyter-scatter": "jscatter", "bqplot-gl ScatterGL": "bqplot_gl"}  # left out where they are not installed
ATLAS = (
    "import pandas as pd\nfrom embedding_atlas.widget import EmbeddingAtlasWidget",
    "w = EmbeddingAtlasWidget(pd.DataFrame({'x': left[:, 0], 'y': left[:, 1]}), x='x', y='y')\nw",
)
NO_MAP = "WebGPU is unavailable"
OURS = """
import numpy as np, time
from ssvae_widgets import LatentMap
n = {n}
rng = np.random.default_rng(0)
xy = rng.normal(size=(n, 2))
m = LatentMap(xy, colors=np.full(n, -1), classes=10, height=480, confirm_above=0)
codes, seen = np.full(n, -1), []
{host}
m
"""
PICTURED = OURS.replace(
    "confirm_above=0)", "confirm_above=0, images=rng.integers(0, 255, (n, 12, 12), dtype=np.uint8))"
)
PLAIN = """
def hear(i):
    if "gesture" in i:
        codes[i["serials"]] = i.get("label", -1)
        m.set_codes(codes.copy(), "label"); m.set_labeled(codes >= 0); m.acknowledge(i["gesture"])
m.on_intent(hear)
"""
STORE = """
import tempfile, pathlib
from ssvae_widgets import LabelStore
folder = pathlib.Path(tempfile.mkdtemp())
store = LabelStore(folder / "labels.csv", n, classes=[str(i) for i in range(10)])
def hear(i):
    if "gesture" in i:
        store.set(i["serials"], i["label"], source="key"); seen.append(time.time())
        show(); m.acknowledge(i["gesture"], message=f"saved {store.seq}")
def show():
    m.set_codes(store.codes, "label"); m.set_labeled(store.codes >= 0)
m.on_intent(hear)
"""


class Bench:
    def __init__(self, lab, browser):
        self.lab, self.browser, self.live = lab, browser, []

    def open(self, cells, timeout=300):
        folder = self.lab.root / f"b{time.monotonic_ns()}"
        folder.mkdir()
        nb = nbformat.v4.new_notebook(
            metadata={"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}}
        )
        nb.cells = [nbformat.v4.new_code_cell(c) for c in cells]
        nbformat.write(nb, folder / "b.ipynb")
        context = self.browser.new_context(viewport={"width": 1000, "height": 900})
        page = context.new_page()
        relative = f"{folder.name}/b.ipynb"
        page.goto(f"{self.lab.url}/lab/tree/{relative}?reset", wait_until="domcontentloaded")
        book = tools.Notebook(self.lab, page, relative)
        book.ready()
        page.evaluate("() => { if (!window.jupyterapp.shell.leftCollapsed) window.jupyterapp.shell.collapseLeft(); }")
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:hide-all-cell-code')")
        for attempt in range(6):  # a kernel that is slow to start looks dead to a second client
            try:
                book.connect()
                break
            except RuntimeError:
                if attempt == 5:
                    raise
                time.sleep(2)
        self.live.append(book)
        return book

    def close_all(self):
        for book in list(self.live):
            self.close(book)

    def close(self, book):
        self.live.remove(book)
        book.page.context.close()
        for s in self.lab.api("sessions"):
            if s["path"] == book.path:
                urllib.request.urlopen(
                    urllib.request.Request(f"{self.lab.url}/api/sessions/{s['id']}", method="DELETE"), timeout=20
                ).close()
        book.disconnect()

    def run_cell(self, book, k):
        book.page.evaluate(
            """k => { const nb = window.jupyterapp.shell.currentWidget.content;
                nb.activeCellIndex = k;
                nb.deselectAll();
                window.jupyterapp.commands.execute('notebook:run-cell'); }""",
            k,
        )


def look(page, box):
    "What the output shows: red, blue and, of both, the share in the right half."
    a = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=box))).convert("RGB")).astype(int)
    red, blue = (a[..., 0] > a[..., 2] + 40), (a[..., 2] > a[..., 0] + 40)
    points = red | blue
    return int(red.sum()), int(blue.sum()), float(points[:, a.shape[1] // 2 :].sum() / max(1, points.sum()))


def wait_picture(page, box, good, start, timeout=120):
    while time.perf_counter() - start < timeout:
        if good(*look(page, box)):
            return (time.perf_counter() - start) * 1000
    return float("nan")


def compare(bench, sizes, repeats):
    out = {}
    for n in sizes:
        for name, (imports, make, recolor, move) in LIBRARIES.items():
            if name == "bqplot Scatter" and n > 12_000 or not importlib.util.find_spec(PEERS.get(name, "bqplot")):
                continue
            print(f"compare {n:>9,} {name}", end=" ", flush=True)
            first, every, recolors, moves = [], [], [], []
            try:
                for _ in range(repeats):
                    book = bench.open([DATA.format(n=n) + imports + "\nready = 1", make])
                    page = book.page
                    bench.run_cell(book, 0)
                    book.until("'ready' in globals()", timeout=120)
                    page.wait_for_timeout(1500)
                    box = {"x": 150, "y": 180, "width": 780, "height": 460}
                    start = time.perf_counter()
                    bench.run_cell(book, 1)
                    first.append(wait_picture(page, box, lambda r, b, s: r > 200 and b < 0.05 * r and s < 0.1, start))
                    if name.startswith("latent map"):
                        page.wait_for_function(
                            "n => document.querySelector('canvas.ssvae-points')?.dataset.points === String(n)",
                            arg=n,
                            timeout=60_000,
                            polling=20,
                        )
                        every.append((time.perf_counter() - start) * 1000)
                    page.wait_for_timeout(2500 if n > 500_000 else 1200)
                    for code, good, times in (
                        (recolor, lambda r, b, s: b > 200 and r < 0.02 * b, recolors),
                        (move, lambda r, b, s: s > 0.97, moves),
                    ):
                        start = time.perf_counter()
                        book.execute(code, timeout=200)
                        times.append(wait_picture(page, box, good, start))
                        page.wait_for_timeout(1200)
                    bench.close(book)
                out[f"{name}/{n}"] = {
                    "first_paint_ms": statistics.median(first),
                    "recolor_ms": statistics.median(recolors),
                    "move_ms": statistics.median(moves),
                    "repeats": repeats,
                    **({"all_painted_ms": statistics.median(every)} if every else {}),
                }
                print({k: round(v) for k, v in out[f"{name}/{n}"].items()})
            except Exception as e:  # a library that cannot do it is a result too
                out[f"{name}/{n}"] = {"error": f"{type(e).__name__}: {str(e)[:200]}"}
                print("failed:", str(e)[:200])
            bench.close_all()
        if importlib.util.find_spec("embedding_atlas"):
            try:
                out[f"embedding-atlas/{n}"] = atlas(bench, n, repeats)
            except Exception as e:
                out[f"embedding-atlas/{n}"] = {"error": f"{type(e).__name__}: {str(e)[:200]}"}
                bench.close_all()
    return out


def atlas(bench, n, repeats):
    "Until embedding-atlas says how many points it has, and until its map is there, or what it says instead."
    told, painted, why = [], [], None
    for _ in range(repeats):
        book = bench.open([DATA.format(n=n) + ATLAS[0] + "\nready = 1", ATLAS[1]])
        page, box = book.page, {"x": 150, "y": 220, "width": 780, "height": 420}
        bench.run_cell(book, 0)
        book.until("'ready' in globals()", timeout=120)
        page.wait_for_timeout(1500)
        start = time.perf_counter()
        bench.run_cell(book, 1)
        page.get_by_text(f"{n:,} points").first.wait_for(timeout=120_000)
        told.append((time.perf_counter() - start) * 1000)
        sentence = page.get_by_text(NO_MAP)
        took = wait_picture(page, box, lambda r, b, s, said=sentence: b > 2000 or said.count(), start, timeout=60)
        if sentence.count():
            why = sentence.first.inner_text()
        else:
            painted.append(took)
        bench.close(book)
    first = {"first_paint_ms": statistics.median(painted)} if painted else {"first_paint_ms": None, "map": why}
    got = {"first_table_ms": statistics.median(told), **first, "repeats": repeats}
    print(f"compare {n:>9,} embedding-atlas", got, flush=True)
    return got


WATCH = """() => {
  const c = document.querySelector('canvas.ssvae-points');
  const times = { key: [], painted: [], up: [], said: [], frames: 0 };
  window.times = times;
  addEventListener('keydown', e => times.key.push(e.timeStamp), true);
  addEventListener('pointerup', e => times.up.push(performance.timeOrigin + e.timeStamp), true);
  let domain = c.dataset.domain;
  new MutationObserver(() => {
    times.painted.push(performance.now());
    if (c.dataset.domain !== domain) { domain = c.dataset.domain; times.frames++; }
  }).observe(c, { attributes: true, attributeFilter: ['data-painted', 'data-domain'] });
  new MutationObserver(() => times.said.push(performance.now())).observe(
    document.querySelector('.ssvae-m-map-status'), { childList: true, characterData: true, subtree: true }); }"""


SINCE = """() => {
  window.since = {};
  new MutationObserver(() => {
    const t = performance.now(), c = document.querySelector('canvas.ssvae-points[data-domain]');
    if (c && Number(c.dataset.points) > 0) window.since.map ??= t;
    if (Number(document.querySelector('canvas.ssvae-shots')?.dataset.pictures) > 0) window.since.pictures ??= t;
  }).observe(document.body, { attributes: true, childList: true, subtree: true,
    attributeFilter: ['data-domain', 'data-pictures'] }); }"""


def start_ours(bench, n, host, what=OURS):
    book = bench.open([what.format(n=n, host=host)])
    book.page.evaluate(SINCE)
    bench.run_cell(book, 0)
    book.page.wait_for_selector("canvas.ssvae-points[data-painted]", timeout=120_000)
    book.page.wait_for_timeout(1500)
    book.page.evaluate(WATCH)
    return book


def place(book, i):
    return tuple(
        book.page.evaluate(
            """([x, y]) => {
        const c = document.querySelector('canvas.ssvae-points'), r = c.getBoundingClientRect();
        const [a, b, d, e] = c.dataset.domain.split(',').map(Number);
        return [r.left + (x - a) / (b - a) * r.width, r.bottom - (y - d) / (e - d) * r.height]; }""",
            book.python(f"xy[{i}].tolist()"),
        )
    )


def summary(values):
    v = np.sort(np.asarray(values, float))
    return (
        {
            "p50_ms": float(np.quantile(v, 0.5)),
            "p95_ms": float(np.quantile(v, 0.95)),
            "max_ms": float(v[-1]),
            "n": len(v),
        }
        if len(v)
        else {"n": 0}
    )


def keys(bench, sizes, presses=60):
    "Key → repainted, with the selection on one point and the kernel idle."
    out = {}
    for n in sizes:
        book = start_ours(bench, n, PLAIN)
        book.execute("m.focus(int(np.argmin((xy ** 2).sum(1))))")
        book.page.evaluate("() => document.querySelector('.ssvae-map').focus()")
        times = []
        for k in range(presses):
            book.page.wait_for_timeout(250)
            book.page.evaluate("() => { window.times.key = []; window.times.painted = []; }")
            book.page.keyboard.press(str(k % 10))
            book.page.wait_for_function("() => window.times.painted.some(t => t > window.times.key[0])")
            t = book.page.evaluate(
                "() => [window.times.key[0], window.times.painted.find(t => t > window.times.key[0])]"
            )
            times.append(t[1] - t[0])
        out[str(n)] = summary(times)
        print("keys", n, out[str(n)])
        bench.close(book)
    return out


LABELER = """
import numpy as np
from ssvae_widgets import LatentLabeler, load_mnist
images, truth = load_mnist(n={n})
app = LatentLabeler(images, labels=None, classes=10, features=None)
app
"""
# At each digit key: how long until the preview shows another picture, and in how many frames; of that, how long the key
# waited before any code of the page heard it, and how long it took from there: a busy machine, and a slow page.
SWITCH = """() => {
  const root = document.querySelector('.ssvae-labeler'), preview = root.querySelector('.ssvae-preview');
  const seen = window.switched = { ms: [], waited: [], own: [], frames: [] };
  const now = () => Number(preview.dataset.serial ?? -1);
  let pressed = null, frame = 0;
  const count = () => { frame++; requestAnimationFrame(count); };
  count();
  window.addEventListener('keydown', (e) => {
    if (/^[0-9]$/.test(e.key)) pressed = { at: e.timeStamp, heard: performance.now(), frame, from: now() }; }, true);
  new MutationObserver(() => {
    if (!pressed || now() === pressed.from || now() < 0) return;
    const { at, heard } = pressed, t = performance.now();
    seen.ms.push(t - at); seen.waited.push(heard - at); seen.own.push(t - heard);
    seen.frames.push(frame - pressed.frame); pressed = null;
  }).observe(preview, { attributes: true, attributeFilter: ['data-serial'] }); }"""


def following(bench, n=12_000, presses=60):
    "Key to next picture at the page: *What next* answered by digits, with an idle kernel and with one that trains."
    out = {}
    for state in ("idle", "training"):
        book = bench.open([LABELER.format(n=n)])
        bench.run_cell(book, 0)
        page = book.page
        page.wait_for_selector("canvas.ssvae-points[data-painted]", timeout=120_000)
        book.until("'app' in globals() and app.session.wait(0.1)", timeout=120)
        root = page.locator(".ssvae-labeler").first
        root.press("n")
        page.wait_for_function("() => Number(document.querySelector('.ssvae-preview').dataset.serial ?? -1) >= 0")
        if state == "training":
            book.execute("app.session.train(500)")
            book.until("app.session.training.doing == 'training'", timeout=300)
        page.evaluate(SWITCH)
        refused = 0  # keys that came before their picture was on the screen: said aloud, and pressed again
        while (done := page.evaluate("() => window.switched.ms.length")) < presses:
            pressed = time.perf_counter()
            root.press(str(done % 10))
            try:
                page.wait_for_function("k => window.switched.ms.length > k", arg=done, timeout=2_000)
            except TimeoutError:
                refused += 1
                if refused > presses:
                    raise
            page.wait_for_timeout(max(0, 250 - 1000 * (time.perf_counter() - pressed)))
        seen = page.evaluate("() => window.switched")
        parts = {name: {q: summary(seen[name])[q] for q in ("p50_ms", "p95_ms")} for name in ("waited", "own")}
        frames = {"same_frame": float(np.mean(np.array(seen["frames"]) == 0)), "frames_max": max(seen["frames"])}
        out[f"{state}/{n}"] = summary(seen["ms"]) | frames | parts | {"refused": refused}
        print(f"next {state:>9}", json.dumps(out[f"{state}/{n}"], default=float), flush=True)
        bench.close(book)
    return out


def disk(bench, n=60_000, presses=80):
    "Key → label in the log on disk (fsync done), kernel idle; the page and Python read the same clock."
    book = start_ours(bench, n, STORE)
    book.execute("m.focus(int(np.argmin((xy ** 2).sum(1))))")
    book.page.evaluate("() => document.querySelector('.ssvae-map').focus()")
    sent = []
    for k in range(presses):
        book.page.wait_for_timeout(200)
        book.page.evaluate("() => { window.times.key = []; window.times.said = []; }")
        book.page.keyboard.press(str(k % 10))
        book.page.wait_for_function("() => window.times.said.length > 0")
        sent.append(
            book.page.evaluate(
                "() => [performance.timeOrigin + window.times.key[0], window.times.said[0] - window.times.key[0]]"
            )
        )
    seen = book.python("seen")
    out = {
        "key_to_disk": summary([1000 * b - a[0] for a, b in zip(sent, seen)]),
        "key_to_page_says_saved": summary([a[1] for a in sent]),
    }
    print("disk", out)
    bench.close(book)
    return out


def lasso(bench, n=60_000, times=12):
    "Pointer up → Python has the indices of about 20,000 points."
    book = start_ours(bench, n, "m.observe(lambda c: seen.append((time.time(), len(c['new']))), 'selected')")
    page = book.page
    cx, cy = page.evaluate(
        "() => { const r = document.querySelector('canvas.ssvae-points').getBoundingClientRect(); return [r.left + "
        "r.width / 2, r.top + r.height / 2]; }"
    )
    page.mouse.click(cx, cy)
    page.keyboard.press("l")
    took, counts = [], []
    for k in range(times):
        page.wait_for_timeout(500)
        before = book.python("len(seen)")
        page.evaluate("() => { window.times.up = []; }")
        rx, ry = 92 + k % 3, 62 + k % 2
        page.mouse.move(cx + rx, cy)
        page.mouse.down()
        for a in np.linspace(0, 2 * np.pi, 40):
            page.mouse.move(cx + rx * np.cos(a), cy + ry * np.sin(a))
        page.mouse.up()
        when, count = book.until(f"len(seen) > {before} and seen[-1]", timeout=20)
        took.append(1000 * when - page.evaluate("() => window.times.up[0]"))
        counts.append(count)
    out = {**summary(took), "points": int(np.median(counts))}
    print("lasso", out)
    bench.close(book)
    return out


# Pointer up until every picture of the sheet that is in sight is painted.
SHEET = """() => {
  const space = document.querySelector('.ssvae-sheet-space'), seen = window.sheet = { up: 0, ms: 0, tiles: 0 };
  addEventListener('pointerup', (e) => Object.assign(seen, { up: e.timeStamp, ms: 0 }), true);
  new MutationObserver(() => {
    const tiles = [...space.querySelectorAll('.ssvae-tile')];
    if (!seen.up || seen.ms || !tiles.length || !tiles.every((t) => t.querySelector('canvas'))) return;
    Object.assign(seen, { ms: performance.now() - seen.up, tiles: tiles.length, side: tiles[0].offsetWidth });
  }).observe(space, { childList: true, subtree: true }); }"""


def sheet(bench, n=12_000, times=10, many=200, side=128):
    "Pointer up of a lasso around 200 digits until the contact sheet shows them, 128 pixels a picture, the app idle."
    book = bench.open([LABELER.format(n=n)])
    page = book.page
    bench.run_cell(book, 0)
    page.wait_for_selector("canvas.ssvae-points[data-painted]", timeout=120_000)
    book.until("'app' in globals() and app.session.wait(0.1)", timeout=240)
    page.wait_for_timeout(3000)
    book.execute("m = app.map; m.selected = [0, 1]")
    slider = page.locator(".ssvae-sheet input[type=range]")
    slider.wait_for(timeout=20_000)
    slider.evaluate("(e, px) => { e.value = px; e.dispatchEvent(new Event('input', { bubbles: true })); }", side)
    page.evaluate(SHEET)
    page.locator(".ssvae-labeler").first.press("l")
    took, counts, last = [], [], {}
    for k in range(times):
        book.execute(
            "xy = np.asarray(m.xy)\n"
            f"near = np.argsort(((xy - xy[{997 * k % n}]) ** 2).sum(1))[: {many}]\n"
            "low, high = xy[near].min(0), xy[near].max(0)"
        )
        corners = page.evaluate(
            """([low, high]) => {
            const c = document.querySelector('canvas.ssvae-points'), r = c.getBoundingClientRect();
            const [a, b, d, e] = c.dataset.domain.split(',').map(Number);
            return [low, high].map(([x, y]) =>
                [r.left + (x - a) / (b - a) * r.width, r.bottom - (y - d) / (e - d) * r.height]); }""",
            book.python("[low.tolist(), high.tolist()]"),
        )
        (x0, y1), (x1, y0) = corners
        page.evaluate("() => { window.sheet.up = 0; }")
        page.mouse.move(x0, y0)
        page.mouse.down()
        for x, y in ((x1, y0), (x1, y1), (x0, y1), (x0, y0)):
            page.mouse.move(x, y, steps=4)
        page.mouse.up()
        page.wait_for_function("() => window.sheet.ms > 0", timeout=30_000)
        last = page.evaluate("() => window.sheet")
        took.append(last["ms"])
        counts.append(len(book.python("[int(i) for i in m.selected]")))
        page.wait_for_timeout(600)
    out = {**summary(took), "pictures": int(np.median(counts)), "in_sight": last["tiles"], "side": last["side"]}
    print("sheet", out, flush=True)
    bench.close(book)
    return out


def pictures(bench, sizes):
    "From the map to its first pictures, and frames a second of dragging with pictures on it."
    return pan(bench, sizes, what=PICTURED)


def drag(page, canvas, counter, seconds):
    "Drag a map around by its middle: frames that a counter on the page has seen in a second, and moves of the pointer."
    r = canvas.bounding_box()
    x, y = r["x"] + r["width"] / 2, r["y"] + r["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 8, y + 8)
    page.wait_for_timeout(500)
    page.evaluate(f"() => {{ window.{counter}.frames = 0; }}")
    start, k = time.perf_counter(), 0
    while (now := time.perf_counter()) - start < seconds:
        k += 1
        page.mouse.move(x + 80 * np.cos(k / 9), y + 60 * np.sin(k / 7))
    frames = page.evaluate(f"() => window.{counter}.frames")
    page.mouse.up()
    return {"frames_per_s": frames / (now - start), "pointer_moves_per_s": k / (now - start)}


# Frames in which anything was drawn with WebGL: at most as many reached the screen.
DRAWN = """() => {
  const seen = window.drawn = { frames: 0 }; let dirty = false;
  for (const C of [WebGLRenderingContext, WebGL2RenderingContext]) for (const name of ['drawArrays', 'drawElements']) {
    const draw = C.prototype[name];
    C.prototype[name] = function (...a) { dirty = true; return draw.apply(this, a); }; }
  const count = () => { if (dirty) seen.frames++; dirty = false; requestAnimationFrame(count); };
  count(); }"""


def pan_scatter(bench, n, seconds=3.0):
    "The same of jupyter-scatter, which pans with the left button too."
    imports, make, *_ = LIBRARIES["jupyter-scatter"]
    book = bench.open([DATA.format(n=n) + imports + "\n" + make])
    page = book.page
    page.evaluate(DRAWN)
    bench.run_cell(book, 0)
    canvas = page.locator(".jp-OutputArea canvas").first
    canvas.wait_for(timeout=120_000)
    page.wait_for_function("() => window.drawn.frames > 0", timeout=120_000)
    page.wait_for_timeout(3000)
    got = drag(page, canvas, "drawn", seconds)
    bench.close(book)
    return got


def pan(bench, sizes, seconds=3.0, what=OURS):
    "Frames with a new domain in a second of dragging."
    out = {}
    if what is OURS and importlib.util.find_spec("jscatter"):
        for n in sizes:
            out[f"jupyter-scatter/{n}"] = pan_scatter(bench, n, seconds)
            print("pan jupyter-scatter", n, out[f"jupyter-scatter/{n}"], flush=True)
    for n in sizes:
        book = start_ours(bench, n, PLAIN, what)
        page = book.page
        out[str(n)] = drag(page, page.locator("canvas.ssvae-points"), "times", seconds)
        since = page.evaluate("() => window.since")
        if what is PICTURED and "pictures" in since:
            out[str(n)] |= {
                "first_pictures_after_map_ms": since["pictures"] - since["map"],
                "pictures": int(page.locator("canvas.ssvae-shots").get_attribute("data-pictures")),
            }
        print("pan", n, out[str(n)])
        bench.close(book)
    return out


CYCLES = {
    "same map shown and cleared": ("", "out.append_display_data(m)", "out.outputs = ()"),
    "an IntSlider made, shown and closed": (
        "",
        "t = ipywidgets.IntSlider()\nout.append_display_data(t)",
        "t.close()\nout.outputs = ()",
    ),
    "new map made, shown and closed": (
        "",
        "t = LatentMap(xy, height=300)\nout.append_display_data(t)",
        "t.close()\nout.outputs = ()",
    ),
    "bqplot figure alone, same shown and cleared": (
        "import bqplot as bq\ns = dict(x=bq.LinearScale(), y=bq.LinearScale())\nf = "
        "bq.Figure(marks=[bq.Scatter(x=[1.], y=[1.], scales=s) for _ in range(4)], axes=[bq.Axis(scale=s['x']), "
        "bq.Axis(scale=s['y'], orientation='vertical')])",
        "out.append_display_data(f)",
        "out.outputs = ()",
    ),
}


def cycles(bench, count=200):
    """Show and close again and again: heap and nodes of the page, live widgets in Python. An IntSlider shows what
    JupyterLab itself keeps, bqplot alone what it keeps of every view."""
    out = {}
    for name, (more, show, close) in CYCLES.items():
        book = bench.open(
            [
                "import ipywidgets\nimport ipywidgets.widgets.widget as base\nimport numpy as np\nfrom IPython.display "
                "import display\nfrom ssvae_widgets import LatentMap\n"
                "xy = np.random.default_rng(0).normal(size=(2000, 2))\nm, out = LatentMap(xy, height=300), "
                "ipywidgets.Output()\ndisplay(out)\n" + more,
                show,
                close,
            ]
        )
        page, seen = (
            book.page,
            ".svg-figure .plotarea_events"
            if "bqplot" in name
            else ".widget-slider"
            if "Slider" in name
            else "canvas.ssvae-points[data-painted]",
        )
        bench.run_cell(book, 0)
        cdp, rows = page.context.new_cdp_session(page), []
        for k in range(count):
            bench.run_cell(book, 1)
            page.wait_for_function(
                "s => !!document.querySelector(s)", arg=seen, timeout=60_000
            )  # wait_for_selector would hold the element
            bench.run_cell(book, 2)
            page.wait_for_function("s => !document.querySelector(s)", arg=seen, timeout=60_000)
            if k % max(1, count // 8) == 0 or k == count - 1:
                for _ in range(2):
                    cdp.send("HeapProfiler.collectGarbage")
                rows.append(
                    {
                        "cycle": k,
                        "heap_MB": round(cdp.send("Runtime.getHeapUsage")["usedSize"] / 1e6, 1),
                        "dom_nodes": cdp.send("Memory.getDOMCounters")["nodes"],
                        "python_widgets": book.python("len(base._instances)"),
                    }
                )
        out[name] = rows
        print("cycles", name, rows[0], rows[len(rows) // 2], rows[-1], flush=True)
        bench.close(book)
    return {"count": count, "grows_by": {name: settled(rows) for name, rows in out.items()}, **out}


def settled(rows):
    "Megabytes of heap and nodes a cycle over the second half."
    half = rows[len(rows) // 2 :]
    span = half[-1]["cycle"] - half[0]["cycle"]
    return {
        "heap_MB_a_cycle": (half[-1]["heap_MB"] - half[0]["heap_MB"]) / span,
        "nodes_a_cycle": (half[-1]["dom_nodes"] - half[0]["dom_nodes"]) / span,
        "python_widgets": half[-1]["python_widgets"] - half[0]["python_widgets"],
    }


APP = """
import numpy as np, pathlib, tempfile
from ssvae_widgets import LatentLabeler
folder = pathlib.Path(tempfile.mkdtemp())
images = np.random.default_rng(0).random(({n}, 8, 8)).astype("float32")
app = LatentLabeler(images, labels=folder / "labels.csv", classes=10)
m, store = app.map, app.labels
app
"""


class Keyboard:
    "Real key events as a keyboard sends them: one after another, without waiting for the page."

    def __init__(self, port, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as r:
            url = next(t["webSocketDebuggerUrl"] for t in json.load(r) if t["type"] == "page" and path in t["url"])
        self.socket, self.sent, self.heard = websocket.create_connection(url, suppress_origin=True), 0, 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        with contextlib.suppress(Exception):
            while True:
                self.heard = json.loads(self.socket.recv()).get("id", self.heard)

    def press(self, key, code, number, modifiers=0):
        for kind in ("rawKeyDown" if modifiers else "keyDown", "keyUp"):
            self.sent += 1
            text = {"text": key} if kind == "keyDown" else {}
            self.socket.send(
                json.dumps(
                    {
                        "id": self.sent,
                        "method": "Input.dispatchKeyEvent",
                        "params": {
                            "type": kind,
                            "key": key,
                            "code": code,
                            "windowsVirtualKeyCode": number,
                            "modifiers": modifiers,
                            **text,
                        },
                    }
                )
            )


def storm(bench, port, total, n=12_000, seconds_per_key=0.01):
    "Labels by key at 100 a second in the whole app, then undo them all as fast: every one in the log, none twice."
    book = bench.open([APP.format(n=n)])
    page = book.page
    bench.run_cell(book, 0)
    page.wait_for_selector("canvas.ssvae-points[data-painted]", timeout=120_000)
    book.execute("app.flush(); m.focus(int(np.argmin((m.xy ** 2).sum(1))))")
    page.evaluate("() => document.querySelector('.ssvae-labeler').focus()")
    log, rng, keyboard = Path(book.python("str(store.log_path)")), np.random.default_rng(1), Keyboard(port, book.path)

    def type_all(press, op):
        start = time.perf_counter()
        for k in range(total):
            press(k)
            ahead = start + (k + 1) * seconds_per_key - time.perf_counter()
            if ahead > 0:
                time.sleep(ahead)
        while keyboard.heard < keyboard.sent and time.perf_counter() - start < 1800:
            time.sleep(0.02)
        typed = time.perf_counter() - start
        while (
            not log.exists() or log.read_bytes().count(op) < total
        ):  # the file itself is asked, not a kernel that is busy
            if time.perf_counter() - start > 1800:
                break
            time.sleep(0.05)
        return typed, time.perf_counter() - start

    digits = rng.integers(0, 10, total)
    typed, kept = type_all(
        lambda k: keyboard.press(str(digits[k]), f"Digit{digits[k]}", 48 + int(digits[k])), b'"op":"set"'
    )
    undo_typed, undone = type_all(lambda k: keyboard.press("z", "KeyZ", 90, modifiers=2), b'"op":"undo"')
    page.wait_for_timeout(3000)
    book.connect()  # the old client's queue has overflowed with messages to the page
    records = [json.loads(line) for line in log.read_text().splitlines()]
    sets = [r for r in records if r.get("op") == "set"]
    logged = [int(r["labels"][0]) if isinstance(r["labels"], list) else int(r["labels"]) for r in sets]
    out = {
        "keys": total,
        "typed_s": typed,
        "all_on_disk_s": kept,
        "in_log": len(sets),
        "out_of_place": sum(a != b for a, b in zip(logged, digits.tolist())),
        "ids_unique": len({r["id"] for r in records}) == len(records),
        "undo_typed_s": undo_typed,
        "all_undone_s": undone,
        "undo_lines": sum(r.get("op") == "undo" for r in records),
        "left_after_undo": book.python("int((store.codes >= 0).sum())"),
        "page_says": page.locator(".ssvae-status").get_attribute("data-seq"),
    }
    print("storm", out)
    bench.close(book)
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; all but storm by default")
    p.add_argument("--sizes", type=int, nargs="+", default=[12_000, 60_000, 1_000_000])
    p.add_argument("--repeats", type=int, default=3)
    p.add_argument("--keys", type=int, default=10_000)
    p.add_argument("--cycles", type=int, default=200)
    p.add_argument("--hardware", action="store_true", help="let the browser use a graphics card")
    a = p.parse_args()
    if unknown := set(a.parts) - set(PARTS):
        p.error(f"unknown part {', '.join(unknown)}")
    parts, root, results = a.parts or PARTS[:-1], Path(tempfile.mkdtemp(prefix="bench")), {}
    todo = {
        "compare": lambda b: compare(b, a.sizes, a.repeats),
        "keys": lambda b: keys(b, a.sizes),
        "next": following,
        "disk": disk,
        "lasso": lasso,
        "sheet": sheet,
        "pan": lambda b: pan(b, a.sizes),
        "pictures": lambda b: pictures(b, a.sizes),
        "cycles": lambda b: cycles(b, a.cycles),
        "storm": lambda b: storm(b, port, a.keys),
    }
    lab = tools.Lab(root)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    try:
        with sync_playwright() as play:
            for part in parts:  # each with a fresh browser: a library that hangs takes only its own part with it
                browser = play.chromium.launch(
                    executable_path=tools.chromium_path(),
                    headless=True,
                    args=[*graphics(a.hardware), f"--remote-debugging-port={port}"],
                )
                bench = Bench(lab, browser)
                results[part] = todo[part](bench)
                save(results, browser.version, a.hardware)
                browser.close()
    finally:
        lab.stop()
        shutil.rmtree(root, ignore_errors=True)


def graphics(hardware):
    "Chromium's arguments with software rendering, or with what the machine has."
    if hardware:
        return [x for x in tools.CHROMIUM_ARGS if x != "--disable-gpu"] + ["--enable-unsafe-webgpu"]
    return [*tools.CHROMIUM_ARGS, "--enable-unsafe-swiftshader"]


def save(results, version, hardware):
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as of

    versions = {}
    for name in (
        "ipywidgets",
        "bqplot",
        "bqplot-gl",
        "jupyter-scatter",
        "embedding-atlas",
        "anywidget",
        "jupyterlab",
        "ipykernel",
        "numpy",
    ):
        try:
            versions[name] = of(name)
        except PackageNotFoundError:
            versions[name] = None
    old = json.loads(OUT.read_text()) if OUT.exists() else {}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(
        json.dumps(
            {
                **old,
                **results,
                "machine": {
                    "cores": os.cpu_count(),
                    "python": platform.python_version(),
                    "chromium": version,
                    "gpu": "as the machine has" if hardware else "none, software rendering",
                    "load": os.getloadavg()[0],  # when it ended; more than its cores: others worked here too
                },
                "versions": versions,
            },
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
