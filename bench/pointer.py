"""Between the points: from the pointer to the decoder's picture, in a real JupyterLab, while nothing happens and while
it trains; what a page without a kernel weighs. Writes artifacts/bench/pointer.json.

    python bench/pointer.py                     # 12,000 digits, the page draws
    python bench/pointer.py --conv              # the same with a convolutional decoder
    python bench/pointer.py --kernel            # a decoder of one's own: the kernel draws

A time runs from the pointer's event to the frame that shows the picture, both told by the page. Software rendering, one
core shared by kernel, server and browser where there is no other: ratios count.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "artifacts" / "bench" / "pointer.json"
spec = importlib.util.spec_from_file_location("bench_widget", ROOT / "bench" / "widget.py")
widget = importlib.util.module_from_spec(spec)
spec.loader.exec_module(widget)

APP = """
import numpy as np, resource, time
from pathlib import Path
from ssvae_widgets import LatentLabeler, SSVAEConfig, load_mnist
{own}
images, digits = load_mnist(n={n})
app = LatentLabeler(images, None, digits, config={config})
for k in range(10):
    app.session.label(np.flatnonzero(digits == k)[:5], k)
app.session.train(2)
assert app.session.wait(600) and app.flush(60)
app
"""
OWN = """
from ssvae_widgets.model.networks import ConvDecoder, register
@register("decoder", "own")
class OwnDecoder(ConvDecoder):
    pass
"""
WATCH = """() => {
  const card = document.querySelector('.ssvae-p-card'), times = (window.times = []);
  let moved = 0;
  addEventListener('pointermove', (e) => { moved = e.timeStamp; }, true);
  new MutationObserver(() => {
    const from = moved;
    requestAnimationFrame(() => setTimeout(() => times.push(performance.now() - from)));
  }).observe(card, { attributes: true, attributeFilter: ['data-shown'] }); }"""
MEMORY = "int(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmRSS'))) / 1000"


def follow(page, moves: int) -> dict:
    "Move the pointer all over the map; how long each picture took."
    box = page.locator("canvas.ssvae-points").first.bounding_box()
    page.evaluate("() => { window.times.length = 0; }")
    for k in range(moves):
        x, y = (0.05 + 0.9 * ((k * step) % 1) for step in (0.6180339887, 0.7548776662))
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.wait_for_timeout(90)
    page.wait_for_timeout(500)
    return {**widget.summary(page.evaluate("window.times")), "pictures": len(page.evaluate("window.times"))}


def pointer(bench, n: int, kind: str, moves: int) -> dict:
    decoder = {"page": "dense", "conv": "conv", "kernel": "own"}[kind]
    config = f"SSVAEConfig(decoder_type={decoder!r})"
    book = bench.open([APP.format(n=n, config=config, own=OWN if kind == "kernel" else "")])
    page = book.page
    bench.run_cell(book, 0)
    page.wait_for_selector("canvas.ssvae-points[data-painted]", timeout=600_000)
    book.until("app.map.layer.decoder.get('kind') in ('page', 'kernel')", timeout=600)
    before = book.python(MEMORY)
    page.evaluate("() => document.querySelector('.ssvae-labeler').scrollIntoView()")
    page.locator("[data-tool=decode]").click()
    page.wait_for_timeout(2500)
    page.evaluate(WATCH)
    out = {"who": book.python("app.map.layer.decoder['kind']"), "idle": follow(page, moves)}
    book.execute("app.session.train(200)")
    book.until("app.session.training.epoch > 0", timeout=120)
    out["training"] = follow(page, moves)
    out["epochs_meanwhile"] = book.python("app.session.training.epoch")
    book.execute("app.session.stop(); app.session.wait(60); app.flush(60)")
    out["kernel_mb_more"] = round(book.python(MEMORY) - before, 1)
    out["page_heap_mb"] = round(page.evaluate("performance.memory.usedJSHeapSize") / 1e6, 1)
    book.execute("start = time.perf_counter(); file = app.to_html('map.html'); took = time.perf_counter() - start")
    out["html_mb"] = round(book.python("file.stat().st_size") / 1e6, 2)
    out["html_seconds"] = round(book.python("took"), 2)
    out["html"] = alone(page.context.browser, book.folder / "map.html", moves)
    bench.close(book)
    return out


def alone(browser, file: Path, moves: int) -> dict:
    "The page without a kernel and without a network."
    context = browser.new_context(viewport={"width": 1280, "height": 800}, offline=True)
    page, start = context.new_page(), time.perf_counter()
    page.goto(file.as_uri())
    page.wait_for_selector("main[data-ready]", timeout=60_000)
    ready = time.perf_counter() - start
    page.mouse.move(640, 400)
    page.keyboard.down("x")
    page.evaluate(WATCH)
    out = {"ready_seconds": round(ready, 2), "pointer": follow(page, moves)}
    out["heap_mb"] = round(page.evaluate("performance.memory.usedJSHeapSize") / 1e6, 1)
    context.close()
    return out


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=12_000, help="images")
    parser.add_argument("--moves", type=int, default=100, help="of the pointer")
    parser.add_argument("--conv", action="store_true", help="a convolutional decoder")
    parser.add_argument("--kernel", action="store_true", help="a decoder that the page cannot run")
    args = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp())
    lab = widget.tools.Lab(folder)
    try:
        with sync_playwright() as play:
            path = widget.tools.chromium_path()
            browser = play.chromium.launch(executable_path=path, args=widget.tools.CHROMIUM_ARGS)
            bench = widget.Bench(lab, browser)
            kind = "kernel" if args.kernel else "conv" if args.conv else "page"
            name = f"{kind}/{args.n}"
            result = {name: pointer(bench, args.n, kind, args.moves)}
            browser.close()
    finally:
        lab.stop()
        shutil.rmtree(folder, ignore_errors=True)
    old = json.loads(OUT.read_text()) if OUT.exists() else {}
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "gpu": "none, software rendering"}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({**old, **result, "machine": machine}, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
