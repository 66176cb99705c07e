"""One machine and up to a million images: processor seconds and memory of every stage of a session.

    export SSVAE_WIDGETS_DATA=…      # folder that holds mnist/
    nice -n 10 python bench/scale.py [--sizes N ...] [--kinds images vectors] [--against PATH] [--epoch] [--quick]

Each row is a process of its own that opens a session on MNIST: beyond 60,000 rows the digits are shifted by up to two
pixels with noise on top. Images come as a memmapped .npy of 28×28 bytes, vectors as (n, 64) projections. Cost is
counted in processor seconds of the whole process, memory as its largest resident set and as the largest part of it
that is no file (mapped pages can be given back). `--against` measures another checkout with the same script.
Writes artifacts/bench/scale.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "artifacts" / "bench" / "scale.json"
SIZES, QUICK = (60_000, 1_000_000), (6_000,)
REACH = {  # processor seconds: up to 60,000 images, up to a million
    "first_answer": (10, 60),
    "one_label": (0.5, 1),
    "suggest_auto": (1, 3),
    "suggest_boundary": (1, 3),
    "suggest_start": (1, 3),
}


def make_data(folder: Path, n: int) -> tuple[Path, Path, Path]:
    "Files with images, vectors and classes of so many rows, written once."
    from ssvae_widgets import load_mnist

    files = tuple(folder / f"{kind}-{n}.npy" for kind in ("images", "vectors", "classes"))
    if all(f.exists() for f in files):
        return files
    folder.mkdir(parents=True, exist_ok=True)
    pool, truth = load_mnist(n=min(n, 60_000))
    pool = np.asarray(pool)
    pool = pool if pool.dtype == np.uint8 else np.rint(pool * 255).astype(np.uint8)
    rng = np.random.default_rng(0)
    way = rng.normal(size=(784, 64)).astype(np.float32) / 28
    images = np.lib.format.open_memmap(files[0], "w+", np.uint8, (n, 28, 28))
    vectors = np.lib.format.open_memmap(files[1], "w+", np.float32, (n, 64))
    for i in range(0, n, 10_000):
        rows = np.arange(i, min(i + 10_000, n)) % len(pool)
        some = pool[rows]
        if i >= len(pool):
            shift = rng.integers(-2, 3, 2)
            some = np.clip(np.roll(some, shift, (1, 2)) + rng.normal(0, 8, some.shape), 0, 255).astype(np.uint8)
        images[i : i + len(some)] = some
        vectors[i : i + len(some)] = (some.reshape(len(some), -1) / np.float32(255)) @ way
    np.save(files[2], np.resize(truth, n))
    return files


class Meter:
    "Processor seconds and memory between two moments."

    def __init__(self):
        self.rows: dict[str, dict[str, float]] = {}
        self._high, self._on = 0.0, True
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while self._on:
            self._high = max(self._high, _status("RssAnon"))
            time.sleep(0.05)

    def begin(self):
        self._high = _status("RssAnon")
        Path("/proc/self/clear_refs").write_text("5")  # the kernel's own high water mark begins anew
        self.began = time.process_time(), time.perf_counter()

    def end(self, name: str, cpu: float | None = None, **more) -> None:
        "One row; `cpu` is the clock when it was over, now by default."
        cpu = (time.process_time() if cpu is None else cpu) - self.began[0]
        wall = time.perf_counter() - self.began[1]
        row = dict(cpu_s=cpu, wall_s=wall, peak_mb=_status("VmHWM"), own_mb=max(self._high, _status("RssAnon")), **more)
        self.rows[name] = {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
        print(f"  {name:18} " + "  ".join(f"{k} {v}" for k, v in self.rows[name].items()), file=sys.stderr, flush=True)


def _status(name: str) -> float:
    "A line of the process's status, in MB."
    line = next(r for r in Path("/proc/self/status").read_text().splitlines() if r.startswith(name + ":"))
    return int(line.split()[1]) / 1024


def answered(session, act, timeout: float = 3600) -> float:
    "Do something, wait for the predictions that heard it; the processor clock at that moment."
    heard = threading.Event()
    clock = []

    def listen(event):
        if event["type"] == "map" and session.predictions.answered >= wanted[0] >= 0:
            clock.append(time.process_time())
            heard.set()

    wanted = [-1]
    forget = session.subscribe(listen)
    act()
    wanted[0] = session.seq
    if session.predictions.answered >= wanted[0]:  # before anybody listened
        clock.append(time.process_time())
    elif not heard.wait(timeout):
        raise TimeoutError("no answer")
    forget()
    return clock[0]


def on_jobs(session, work) -> None:
    "Do something on the session's own thread."
    failed = []

    def run():
        try:
            work()
        except BaseException as error:
            failed.append(error)

    session.jobs.ask("bench", job=run)
    session.wait()
    if failed:
        raise failed[0]


def right(session, truth) -> float:
    "Share of right predictions."
    return float((session.pred == truth).mean())


def draw(truth, n: int, seed: int) -> np.ndarray:
    "Rows of n labels, the same number of each class."
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.choice(np.flatnonzero(truth == c), n // 10, replace=False) for c in range(10)])


def stages(images, truth, folder: Path, epoch: bool) -> dict:
    "All stages of one session."
    meter = Meter()
    meter.begin()
    from ssvae_widgets import LabelingSession, SSVAEConfig

    config = SSVAEConfig(encoder_type="dense", decoder_type="dense")
    session = LabelingSession(images, folder / "labels.csv", classes=10, features=None, config=config)
    meter.end("open", map_spread=float(np.ptp(session.xy, 0).min()))
    meter.begin()
    session.learned.wait_for_map()  # it is drawn beside whatever people do; here it would count for the first answer
    meter.end("first_map")
    rows, more = draw(truth, 50, 0), draw(truth, 250, 1)

    def calm():
        "Nothing waits that would count for the next stage."
        session.wait()
        [session.jobs.forget(name) for name in ("standing", "groups")]

    def label(some):
        some = np.asarray(some)
        for code in np.unique(truth[some]):
            session.label(some[truth[some] == code], int(code))

    meter.begin()
    at = answered(session, lambda: label(rows[::5]))
    meter.end("first_answer", at, right=right(session, truth))
    session.wait()
    meter.end("first_settled", right=right(session, truth))
    label(rows)
    calm()
    costs = []
    for row in more[:3]:
        meter.begin()
        costs.append(answered(session, lambda row=row: label([row])) - meter.began[0])
        calm()
    meter.begin()
    meter.end("one_label", meter.began[0] + float(np.median(costs)), right_50=right(session, truth))
    calm()
    for name in ("auto", "start", "boundary", "suspects", "audit"):
        meter.begin()
        found = session.suggest(10, name)
        meter.end(f"suggest_{name}", found=len(found))
    meter.begin()
    session.next()
    meter.end("next")
    meter.begin()
    on_jobs(session, lambda: list(session.evidence.leave_out(session.codes)))
    meter.end("leave_out", stated=float(session.sources["graph"].accuracy))
    meter.begin()
    on_jobs(session, session.groups.find)
    meter.end("groups", found=len(session.unlabeled_groups))
    meter.begin()
    on_jobs(session, session.groups.find)
    meter.end("groups_again")
    calm()
    meter.begin()
    at = answered(session, lambda: label(more))
    meter.end("labels_250", at)
    session.wait()
    meter.end("settled_250", right=right(session, truth), stated=float(session.accuracy.accuracy))
    calm()
    meter.begin()
    [session.neighbors(int(row)) for row in rows[:5]]
    meter.end("neighbors_5")
    meter.begin()
    _ = session.accuracy, session.certainty, session.entropy, session.counts
    meter.end("statistics")
    meter.begin()
    session.snapshot()
    frame = sum(f.stat().st_size for f in folder.rglob("*.frame"))
    meter.end("round", bytes_a_point=frame / len(truth))
    meter.begin()
    answered(session, session.undo)
    meter.end("undo")
    if epoch:
        calm()
        meter.begin()
        session.train(1)
        calm()
        meter.end("epoch", right=right(session, truth))
    said = repr(session)
    session.close()
    return dict(stages=meter.rows, said=said, images=len(truth))


def measure(data: Path, kind: str, n: int, checkout: Path, epoch: bool) -> dict:
    "One row, in a process of its own."
    command = [sys.executable, str(Path(__file__).resolve()), "--data", str(data), "--one", kind, str(n)]
    command += ["--epoch"] * epoch
    environment = {**os.environ, "PYTHONPATH": str(checkout), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def judge(row: dict, n: int) -> dict:
    "What should be reached, and whether it is."
    costs = {name: row["stages"][name]["cpu_s"] for name in REACH}
    most = {name: limits[n > 60_000] for name, limits in REACH.items()}
    peak = max(stage["peak_mb"] for stage in row["stages"].values())
    missed = [name for name in REACH if costs[name] > most[name]] + ["memory"] * (peak > 4096)
    return dict(reach=dict(most, peak_mb=4096), peak_mb=peak, missed=missed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=None, help="numbers of images")
    parser.add_argument("--kinds", nargs="+", choices=("images", "vectors"), default=["images", "vectors"])
    parser.add_argument("--against", type=Path, help="another checkout to measure beside this one")
    parser.add_argument("--only-against", action="store_true", help="measure only the other checkout")
    parser.add_argument("--epoch", action="store_true", help="also train one epoch")
    parser.add_argument("--quick", action="store_true", help="6,000 rows, for a look")
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "scale", help="where the files are")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "N"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        kind, n = args.one[0], int(args.one[1])
        images = np.load(args.data / f"{kind}-{n}.npy", mmap_mode="r")
        truth = np.load(args.data / f"classes-{n}.npy")
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(stages(images, truth, Path(folder), args.epoch)))
        return
    checkouts = {} if args.only_against else {"this": ROOT}
    if args.against:
        checkouts["other"] = args.against.resolve()
    for n in args.sizes or (QUICK if args.quick else SIZES):
        make_data(args.data, n)
        for kind in args.kinds:
            for who, checkout in checkouts.items():
                print(f"{who} {kind} {n:,}", file=sys.stderr, flush=True)
                row = measure(args.data, kind, n, checkout, args.epoch)
                found = json.loads(OUT.read_text()) if OUT.exists() else {}
                found[f"{who} {kind} {n}"] = row | judge(row, n)
                OUT.parent.mkdir(parents=True, exist_ok=True)
                OUT.write_text(json.dumps(found, indent=1) + "\n")
                print(f"missed: {', '.join(found[f'{who} {kind} {n}']['missed']) or 'nothing'}", flush=True)


if __name__ == "__main__":
    main()
