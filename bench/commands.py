"""ssvae-train as a whole process on 12,000 MNIST images with 50 labels, against the ancestor's loop; writes
artifacts/bench/commands.json.

    export SSVAE_WIDGETS_DATA=…      # folder that holds mnist/
    taskset -c 0 python bench/commands.py

The ancestor's loop cannot be run here. It was measured beside eager PyTorch on one core: 0.613 s an epoch where
PyTorch took 0.513, 7 s to build and 10 s more for the
first epoch. So its time is that of the PyTorch peer of bench/train.py times 0.613 / 0.513. Seconds are processor
seconds on one thread; every command runs twice, the second counts
(compiled programs come from the cache folder, as they do for a user from the second time on).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "artifacts" / "bench" / "commands.json"
BIN = Path(sys.executable).parent
ONE = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}
LOOP, BUILD = 0.613 / 0.513, 17.0 / 0.513  # of the ancestor, in epochs of the PyTorch peer


def command(folder: str, *words: str) -> tuple[float, dict]:
    "Processor seconds of a command, and its report."
    before = os.times()
    done = subprocess.run(
        [BIN / words[0], *words[1:], "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, **ONE},
        check=True,
    )
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system, json.loads(
        done.stdout
    )


def peer(images, labels, rounds: int) -> float:
    "Median processor seconds of an epoch of eager PyTorch."
    import torch

    sys.path.insert(0, str(ROOT / "bench"))
    from train import TorchTrainer, config

    torch.set_num_threads(1)
    trainer, times = TorchTrainer(config("dense"), images, labels), []
    for _ in range(rounds + 1):
        start = time.process_time()
        trainer.epoch()
        times.append(time.process_time() - start)
    return statistics.median(times[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, help="epochs of the peer")
    args = parser.parse_args()
    import numpy as np

    from ssvae_widgets.data.standard import load_mnist

    images, _ = load_mnist(n=12_000)
    labels, rows = np.full(len(images), -1), []
    with tempfile.TemporaryDirectory() as folder:
        command(
            folder,
            "ssvae-label-sets",
            "--data",
            "mnist",
            "--n",
            "12000",
            "--budgets",
            "50",
            "--kinds",
            "balanced",
            "--draws",
            "1",
            "--output",
            "sets",
        )
        for line in Path(folder, "sets", "balanced_50_0.csv").read_text().split()[1:]:
            serial, label = line.split(",")
            labels[int(serial)] = int(label)
        epoch = peer((images * 255).astype(np.uint8), labels, args.rounds)
        data = ("--data", "mnist", "--n", "12000", "--labels", "sets/balanced_50_0.csv", "--patience", "0")
        for name, epochs, flags in (
            ("ancestor", 10, ("--preset", "ancestor")),
            ("ancestor", 30, ("--preset", "ancestor")),
            ("dense", 8, ("--encoder-type", "dense")),
        ):
            words = ("ssvae-train", *data, *flags, "--max-epochs", str(epochs))
            command(folder, *words)
            seconds, _ = command(folder, *words)
            _, seen = command(
                folder, "ssvae-infer", "--data", "mnist", "--split", "test", "--embedding", "map", "--output", "out.npz"
            )
            loop = epoch * LOOP * epochs
            rows.append(
                dict(
                    recipe=name,
                    epochs=epochs,
                    cpu_seconds=round(seconds, 2),
                    ancestor_loop=round(loop, 2),
                    ancestor_with_start=round(loop + epoch * BUILD, 2),
                    faster=round((loop + epoch * BUILD) / seconds, 2),
                    test_accuracy=round(seen["accuracy"], 4),
                )
            )
            print(json.dumps(rows[-1]), flush=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(dict(torch_epoch_cpu_seconds=round(epoch, 4), runs=rows), indent=1) + "\n")


if __name__ == "__main__":
    main()
