"""The first minute: what is compiled before the map moves, and how long that takes; writes artifacts/bench/start.json.

    python bench/start.py                       # some minutes on two cores
    python bench/start.py --quick               # one run of each instead of three
    python bench/start.py --against ../older    # the same with another checkout, in turns

Every figure is of a process of its own, on the embedded digits with all defaults. "compile" is the first epoch minus
the second, in CPU seconds, without labels and when the first labels come, with no cache on disk. "session" counts the
programs that XLA was asked for in a session of: label, train, label, train, add a class, train. "start" is the clock
on the wall from `LabelingSession(digits)`, with "train" pressed at once, to the first move of the map and to ten
epochs done: with an empty cache on disk, and again in a second process; beside it the processor seconds until then,
which count on a busy machine. "showcase" runs the showcase notebook as `make showcase` does, with an empty cache.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "artifacts" / "bench" / "start.json"
PARTS = ("compile", "session", "start", "showcase")

COUNTED = """
import json, time
import jax
programs = []
def heard(name, seconds, **what):
    if name == "/jax/core/compile/jaxpr_to_mlir_module_duration" and "exported_now" not in what.get("fun_name", ""):
        programs.append(what.get("fun_name", "?"))
jax.monitoring.register_event_duration_secs_listener(heard)
import numpy as np
from ssvae_widgets import LabelingSession, SSVAE, InteractiveTrainer, load_digits
images, truth = load_digits()
"""

COMPILE = """
trainer = InteractiveTrainer(SSVAE((8, 8), classes=10), callbacks=None)
few = np.where(np.arange(len(images)) < 50, truth, -1)
def seconds(labels):
    began = time.process_time()
    trainer.train_epochs(1, images, labels)
    return time.process_time() - began
none, none_again, first, again = seconds(None), seconds(None), seconds(few), seconds(few)
print(json.dumps(dict(
    without_labels=none - none_again, more_with_labels=first - again, epoch_cpu_seconds=none_again,
    epoch_with_labels_cpu_seconds=again,
)))
"""

SESSION = """
SSVAE((8, 8))  # what makes the seeds is compiled once a process
programs.clear()
with LabelingSession(images, classes=[str(k) for k in range(9)]) as s:
    rows = np.flatnonzero(truth < 9)[:60]
    def train(labels):
        for row in labels:
            s.label(int(row), int(truth[row]))
        s.train(3)
        assert s.wait(600), s.message
    s.prepare()
    train(rows[:20])
    train(rows[20:40])
    s.store.add_class("9")
    train(np.flatnonzero(truth == 9)[:5])
    if s.network.warming is not None:
        s.network.warming.join()
    s.wait(600)
    print(json.dumps(dict(programs=len(programs), names=programs, epochs=s.training.total)))
"""

START = """
began, cpu = time.perf_counter(), time.process_time()
with LabelingSession(images, truth=truth) as s:
    at_first, moved = s.predictions.view.xy, None
    s.train(10)
    while s.training.running:
        if moved is None and s.training.epoch and s.predictions.view.xy is not at_first:
            moved, moved_cpu = time.perf_counter() - began, time.process_time() - cpu
        time.sleep(0.003)
    done, done_cpu = time.perf_counter() - began, time.process_time() - cpu
    assert s.training.total == 10, s.message
    s.network.warming.join()
print(json.dumps(dict(
    map_moves=moved, ten_epochs=done, map_moves_cpu_seconds=moved_cpu, ten_epochs_cpu_seconds=done_cpu,
    programs=len(programs),
)))
"""


def run(checkout, body, cache):
    "What a process of its own prints."
    env = {**os.environ, "PYTHONPATH": str(checkout), "SSVAE_WIDGETS_COMPILE_CACHE": str(cache), "JAX_PLATFORMS": "cpu"}
    code = f"import sys; sys.path.insert(0, {str(checkout)!r})\n" + COUNTED + body
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def showcase(checkout, cache):
    "Seconds of the showcase notebook, on the wall and of processors."
    env = {**os.environ, "PYTHONPATH": str(checkout), "SSVAE_WIDGETS_COMPILE_CACHE": str(cache), "JAX_PLATFORMS": "cpu"}
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, ".ci/showcase.py"], capture_output=True, text=True, env=env, cwd=checkout, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-1000:] + done.stderr[-2000:])
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return dict(seconds=wall, cpu_seconds=after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime)


def measure(part, checkout):
    "One run of a part."
    if part == "showcase":
        with tempfile.TemporaryDirectory() as cache:
            return showcase(checkout, cache)
    if part == "compile":
        return run(checkout, COMPILE, "off")
    if part == "session":
        return run(checkout, SESSION, "off")
    with tempfile.TemporaryDirectory() as cache:
        return {f"{name}_cache": run(checkout, START, cache) for name in ("empty", "warm")}


def median(runs):
    "The median of every number; anything else as it was the first time."
    first = runs[0]
    if isinstance(first, dict):
        return {k: median([r[k] for r in runs]) for k in first}
    return round(statistics.median(runs), 3) if isinstance(first, (int, float)) else first


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"what to measure: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="one run of each instead of three")
    parser.add_argument("--against", metavar="PATH", type=Path, help="another checkout, measured in turns")
    parser.add_argument("--output", type=Path, default=OUT, help="JSON file; parts not measured keep their values")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    checkouts = {"here": ROOT} | ({"against": args.against.resolve()} if args.against else {})
    report = json.loads(args.output.read_text()) if args.output.exists() else {}
    for part in args.parts:
        runs = {name: [] for name in checkouts}
        for _ in range(1 if args.quick or part == "session" else 3):
            for name, checkout in checkouts.items():
                runs[name].append(measure(part, checkout))
        report[part] = {name: median(those) for name, those in runs.items()}
        report[part]["machine"] = dict(
            cores=os.cpu_count(), load=os.getloadavg()[0], python=platform.python_version(), quick=args.quick
        )
        print(json.dumps({part: report[part]}, indent=1), flush=True)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
