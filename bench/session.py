"""The session under load: does labeling wait for training, does stopping wait for an epoch, do rounds stay small?

    python bench/session.py [--quick] [--only NAME ...] [--no-browser]

Writes artifacts/bench/session.json. Every row has what was measured, what the peer of the comparison was, and what
should be reached.
Images are MNIST where it is there ($SSVAE_WIDGETS_DATA), else digits tiled to the same number of items.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "artifacts" / "bench" / "session.json"


def data(n):
    "n images of 28×28 with labels."
    from ssvae_widgets import load_digits, load_mnist

    try:
        return (*load_mnist(n=n), "mnist")
    except Exception:
        images, truth = load_digits()
        big = np.kron(images, np.ones((1, 3, 3), np.float32))
        big = np.pad(big, ((0, 0), (2, 2), (2, 2)))
        at = np.arange(n) % len(big)
        return big[at], truth[at], "digits, tiled"


def until(condition, timeout=600):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.002)


def quantile(values, q):
    return float(np.quantile(values, q)) if len(values) else float("nan")


def label_times(session, truth, n, pause):
    "Seconds from calling `label` to its return, log fsynced."
    out, rows = [], np.random.default_rng(session.seq).permutation(session.n_items)[:n]
    for i in rows:
        began = time.perf_counter()
        gesture = session.label(int(i), int(truth[i]), source="key")
        out.append(time.perf_counter() - began)
        assert gesture.saved
        time.sleep(pause)
    return out


def acknowledge(args):
    "Labels while training 60,000 images against labels with nothing running, in turns."
    from ssvae_widgets import LabelingSession

    n = 6_000 if args.quick else 60_000
    images, truth, source = data(n)
    with tempfile.TemporaryDirectory() as folder, LabelingSession(images, Path(folder, "labels.csv"), truth=truth) as s:
        s.instant = False  # the graph's answer comes after the label, on the worker
        s.prepare()
        until(lambda: s.network.warming is not None)
        s.network.warming.join()
        idle, busy = [], []
        for _ in range(2 if args.quick else 3):
            idle += label_times(s, truth, 60, 0.02)
            s.train(1000)
            until(lambda: s.trainer.training)
            time.sleep(3)
            busy += label_times(s, truth, 60, 0.02)
            s.stop()
            s.wait()
        made = s.n_labeled
    row = dict(
        idle_p95_ms=1e3 * quantile(idle, 0.95),
        busy_p95_ms=1e3 * quantile(busy, 0.95),
        idle_ms=1e3 * quantile(idle, 0.5),
        busy_ms=1e3 * quantile(busy, 0.5),
        labels=made,
        images=n,
        source=source,
    )
    return row | dict(
        ratio=row["busy_p95_ms"] / row["idle_p95_ms"],
        reach="p95 at most twice idle and 100 ms",
        ok=row["busy_p95_ms"] <= min(2 * row["idle_p95_ms"], 100),
    )


def streaming(args):
    "Processor seconds of the same epochs with the map streaming and without, in turns."
    from ssvae_widgets import LabelingSession

    n = 3_000 if args.quick else 12_000
    images, truth, source = data(n)
    with LabelingSession(images, None, truth=truth) as s:
        s.instant = False
        s.label(np.arange(50), 0)
        for i in range(50):
            s.label(i, int(truth[i]))
        s.train(4)
        s.wait()
        look, frames, spent, counting = s.network.look, [], {"with": [], "without": []}, [0.0]

        def counted(*a, **kw):
            if kw.get("final"):
                return look(*a, **kw)
            if counting[0] is None:
                return None
            began = time.perf_counter()
            look(*a, **kw)
            counting[0] += time.perf_counter() - began
            frames.append(began)
            return None

        s.network.look = counted
        for _ in range(2 if args.quick else 4):
            for kind in ("with", "without"):
                counting[0] = 0.0 if kind == "with" else None
                began = time.perf_counter()
                start = s.training.total
                s.train(6)
                until(lambda start=start: s.training.total >= start + 6)
                spent[kind].append(time.perf_counter() - began)
                if kind == "with":
                    shown = counting[0]
                s.wait()
    row = dict(
        with_s=float(np.median(spent["with"])),
        without_s=float(np.median(spent["without"])),
        drawing_share=shown / spent["with"][-1],
        frames=len(frames),
        images=n,
        source=source,
    )
    return row | dict(
        slower=row["with_s"] / row["without_s"] - 1,
        reach="training at most 10 % slower",
        ok=row["with_s"] / row["without_s"] <= 1.1,
    )


def loop(args):
    "Label 10, train 1 epoch, see it: from the last label to the new map, against an epoch of the trainer alone."
    from ssvae_widgets import InteractiveTrainer, LabelingSession

    n = 3_000 if args.quick else 12_000
    images, truth, source = data(n)
    rng, over, totals, epochs = np.random.default_rng(0), [], [], []
    with LabelingSession(images, None, truth=truth) as s:
        s.train(2)
        s.wait()
        trainer = InteractiveTrainer(s.model, callbacks=None)
        for _ in range(2 if args.quick else 5):
            for i in rng.integers(0, n, 10):
                s.label(int(i), int(truth[i]))
            s.wait()
            seen, frame = s.training.total, s.xy
            began = time.perf_counter()
            s.label(int(rng.integers(n)), 3)
            s.train(1)
            until(lambda seen=seen, frame=frame: s.training.total > seen and s.xy is not frame)
            totals.append(time.perf_counter() - began)
            s.wait()
            began = time.perf_counter()
            trainer.train_epochs(1, images, s.store.labels)
            epochs.append(time.perf_counter() - began)
            over.append(totals[-1] - epochs[-1])
    return dict(
        seen_s=float(np.median(totals)),
        epoch_s=float(np.median(epochs)),
        over_s=float(np.median(over)),
        images=n,
        source=source,
        reach="epoch time and a second",
        ok=float(np.median(over)) <= 1,
    )


def stopping(args):
    "From stop to stopped, at random moments of long epochs; the rest (last frame, round) comes after."
    from ssvae_widgets import LabelingSession

    n = 6_000 if args.quick else 60_000
    images, truth, source = data(n)
    rng, times, ended = np.random.default_rng(0), [], []
    with LabelingSession(images, None, truth=truth) as s:
        for i in range(20):
            s.label(i, int(truth[i]))
        s.train(1)
        s.wait()
        epoch = s.training.seconds
        for _ in range(3 if args.quick else 6):
            s.train(100)
            until(lambda: s.trainer.training)
            time.sleep(float(rng.uniform(0.5, 1.5)) * min(epoch, 10))
            began = time.perf_counter()
            s.stop()
            until(lambda: not s.trainer.training)
            times.append(time.perf_counter() - began)
            s.wait()
            ended.append(time.perf_counter() - began)
    return dict(
        median_s=float(np.median(times)),
        worst_s=max(times),
        idle_again_s=float(np.median(ended)),
        epoch_s=epoch,
        images=n,
        source=source,
        reach="an epoch or 2 s, whichever is shorter",
        ok=max(times) <= min(2, epoch),
    )


def rounds(args):
    "Thirty rounds of label and train: memory. Thirty rounds of 60,000 points with the default model's weights: disk."
    import psutil

    from ssvae_widgets import SSVAE, LabelingSession, SSVAEConfig
    from ssvae_widgets.session.rounds import Frame, Rounds, add_round

    n, many = (1_500, 12) if args.quick else (6_000, 30)
    images, truth, source = data(n)
    config = SSVAEConfig(
        encoder_type="dense", hidden_dims=(64, 32), graph_epochs=0
    )  # what is measured is what a round leaves behind
    here, memory = psutil.Process(), []
    with (
        tempfile.TemporaryDirectory() as folder,
        LabelingSession(images, Path(folder, "labels.csv"), truth=truth, config=config) as s,
    ):
        for k in range(many):
            for i in range(10 * k, 10 * k + 10):
                s.label(i, int(truth[i]))
            s.train(1)
            s.wait()
            memory.append(here.memory_info().rss / 2**20)
    half = memory[len(memory) // 2 :]
    slope = float(np.polyfit(np.arange(len(half)), half, 1)[0])
    rng, model, points = np.random.default_rng(0), SSVAE((28, 28), classes=10), 60_000
    with tempfile.TemporaryDirectory() as folder:
        kept, written = Rounds(Path(folder), points), []
        for k in range(30):
            began = time.perf_counter()
            share = rng.random(points).astype(np.float32)
            add_round(
                kept,
                Frame(
                    k,
                    k,
                    k,
                    10 * k,
                    "network",
                    time.time(),
                    {},
                    rng.normal(size=(points, 2)).astype(np.float32),
                    rng.integers(0, 10, points),
                    share,
                    share,
                ),
                model.save,
            )
            written.append(time.perf_counter() - began)
        size = {kind: sum(p.stat().st_size for p in Path(folder).glob(f"*.{kind}")) / 1e6 for kind in ("frame", "ckpt")}
    each = sum(size.values()) / 30
    return dict(
        disk_mb_a_round=each,
        frame_mb=size["frame"] / 30,
        ring_of_weights_mb=size["ckpt"],
        write_s=float(np.median(written)),
        points=points,
        memory_mb=[memory[4], memory[-1]],
        slope_mb_a_round=slope,
        images_trained=n,
        rounds=30,
        source=source,
        reach="1.2 MB a round on disk at 60,000 images, memory level (under 1 MB a round)",
        ok=each <= 1.2 and slope < 1,
    )


def keys(args):
    "From key to repainted point in a real browser, idle and while training, in turns."
    sys.path.insert(0, str(ROOT / "tests" / "browser"))
    import conftest
    import nbformat
    from playwright.sync_api import sync_playwright

    n = 3_000 if args.quick else 12_000
    root = Path(tempfile.mkdtemp())
    lab = conftest.Lab(root)
    cell = f"""import sys; sys.path.insert(0, {str(ROOT / "bench")!r})
from session import data
import numpy as np
from ssvae_widgets import LatentLabeler
images, truth, _ = data({n})
app = LatentLabeler(images, labels="labels.csv", truth=truth)
app"""
    key = """async () => {
      const root = document.querySelector('.ssvae-labeler'), canvas = root.querySelector('.ssvae-points');
      const before = canvas.dataset.painted, key = String(Math.floor(Math.random() * 10));
      const start = performance.now();
      root.dispatchEvent(new KeyboardEvent('keydown', { key, code: 'Digit1', bubbles: true, cancelable: true }));
      while (canvas.dataset.painted === before && performance.now() - start < 5000)
        await new Promise(requestAnimationFrame);
      return performance.now() - start; }"""
    try:
        with sync_playwright() as p:
            browser = p.chromium.launch(
                executable_path=conftest.chromium_path(), headless=True, args=conftest.CHROMIUM_ARGS
            )
            folder = lab.root / "bench"
            folder.mkdir()
            nbformat.write(
                nbformat.v4.new_notebook(
                    metadata={"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}},
                    cells=[nbformat.v4.new_code_cell(cell)],
                ),
                folder / "b.ipynb",
            )
            page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
            page.goto(f"{lab.url}/lab/tree/bench/b.ipynb?reset", wait_until="domcontentloaded")
            nb = conftest.Notebook(lab, page, "bench/b.ipynb")
            nb.ready()
            nb.run_all()
            page.wait_for_selector(".ssvae-labeler .ssvae-points[data-domain]")
            nb.until("app.session.wait(0.1) and not app.session.network.warming.is_alive()", timeout=300)
            idle, busy = [], []

            def press(out):
                for serial in np.random.default_rng(len(out)).integers(0, n, 30).tolist():
                    nb.execute(f"app.map.selected = [{serial}]")
                    page.wait_for_timeout(150)
                    out.append(page.evaluate(key))

            for _ in range(2):
                nb.until("app.session.wait(0.1)", timeout=120)
                press(idle)
                nb.execute("app.session.train(1000)")
                nb.until("app.session.training.epoch >= 1", timeout=300)
                press(busy)
                nb.execute("app.session.stop()")
                nb.until("app.session.wait(0.1)", timeout=120)
            labeled = nb.python("app.session.n_labeled")
            browser.close()
    finally:
        lab.stop()
    row = dict(
        idle_ms=quantile(idle, 0.5),
        busy_ms=quantile(busy, 0.5),
        idle_p95_ms=quantile(idle, 0.95),
        busy_p95_ms=quantile(busy, 0.95),
        labeled=labeled,
        images=n,
    )
    return row | dict(
        ratio=row["busy_p95_ms"] / row["idle_p95_ms"],
        reach="p95 at most 2.5 times idle",
        ok=row["busy_p95_ms"] <= 2.5 * row["idle_p95_ms"],
    )


ROWS = dict(acknowledge=acknowledge, keys=keys, streaming=streaming, loop=loop, stopping=stopping, rounds=rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller data, for a look")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--no-browser", action="store_true")
    args = parser.parse_args()
    for name in args.only:
        if name == "keys" and args.no_browser:
            continue
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        row = ROWS[name](args)
        found = json.loads(OUT.read_text()) if OUT.exists() else {}
        found[name] = row | dict(machine=dict(cores=os.cpu_count(), load_before=load, quick=args.quick))
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps(found, indent=1) + "\n")
        print(
            f"{'reached' if row['ok'] else 'NOT reached':11} {name}: "
            + ", ".join(
                f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items() if k not in ("ok",)
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
