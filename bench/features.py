"""What features of a frozen network cost and what they are worth: CPU milliseconds a picture, and accuracy from a few
labels against pixels.

    python bench/features.py [--quick] [--draws 5] [--pool 6000] [--test 3000]

Writes artifacts/bench/features.json. Labels are drawn from the pool, "balanced" (the same number of each class) or
"uniform" (at random); accuracy
is that on the test pictures: of all of them for Fashion-MNIST, the mean over classes for the blood cells (11 : 1 : 1).
The classifiers are the same
on both sides: logistic regression (C = 10) and the nearest labeled picture, on 128 prepared features or on 128
principal components of pixels.
Features are kept in artifacts/features, so that a second run is short. Data: $SSVAE_WIDGETS_DATA/fashion-mnist and
$SSVAE_WIDGETS_DATA/blood.
"""

import argparse
import io
import json
import os
import resource
import tarfile
import time
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "artifacts" / "bench" / "features.json"
CACHE = ROOT / "artifacts" / "features"
REACH = {96: 7.0, 128: 13.0}


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cost(size, n, repeats=5):
    """CPU milliseconds a picture, preparation included, and pictures a second, once compiled; the median of some
    repetitions."""
    import jax

    from ssvae_widgets.data.features import extract_features

    pictures = np.random.default_rng(0).integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)
    began = cpu()
    extract_features(pictures[:1], size=size, progress=False)
    compiled, spent, rate = cpu() - began, [], []
    for _ in range(repeats):
        began, wall = cpu(), time.perf_counter()
        extract_features(pictures, size=size, progress=False)
        spent.append(1e3 * (cpu() - began) / n)
        rate.append(n / (time.perf_counter() - wall))
    ms = float(np.median(spent))
    return dict(
        size=size,
        device=jax.devices()[0].device_kind,
        cpu_ms=ms,
        cpu_ms_all=spent,
        pictures_per_second=float(np.median(rate)),
        compile_cpu_s=compiled,
        reach=f"{REACH[size]:g} ms",
        ok=ms <= REACH[size],
    )


def fashion(pool, test):
    from ssvae_widgets.data.standard import read_idx

    folder = Path(os.environ["SSVAE_WIDGETS_DATA"], "fashion-mnist")
    x, y = (read_idx(folder / f"train-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    rows = np.random.default_rng(0).permutation(len(x))[: pool + test]  # the test images of the data set stay untouched
    return x[rows], y[rows].astype(int), min(pool, len(rows) - test)


def blood(pool, test):
    names, cells, truth = ("platelet", "red cell", "white cell"), [], []
    with tarfile.open(Path(os.environ["SSVAE_WIDGETS_DATA"], "blood", "cells.tar")) as tar:
        for m in tar.getmembers():
            if m.isfile() and m.name.lower().endswith(".jpg"):
                cells.append(Image.open(io.BytesIO(tar.extractfile(m).read())).convert("RGB"))
                truth.append(names.index(Path(m.name).parent.name))
    rows = np.random.default_rng(0).permutation(len(cells))[: pool + test]
    return [cells[i] for i in rows], np.array(truth)[rows], min(pool, round(0.7 * len(rows)))


def pixels(images, side=32):
    "Pixels of small pictures as vectors, 0–1."
    from ssvae_widgets.data.features import Pictures

    small = images if isinstance(images, np.ndarray) else Pictures(images).batch(range(len(images)), side)
    return small.reshape(len(small), -1).astype(np.float32) / 255


def components(x, dim=128):
    centered = x - x.mean(0)
    _, axes = np.linalg.eigh(centered.T @ centered)
    return centered @ axes[:, ::-1][:, :dim]


def draw(truth, kind, m, seed):
    rng, classes = np.random.default_rng(seed), np.unique(truth)
    if kind == "uniform":
        return rng.choice(len(truth), m, replace=False)
    return np.concatenate(
        [rng.choice(np.flatnonzero(truth == c), max(1, m // len(classes)), replace=False) for c in classes]
    )


def accuracy(z, truth, n, rows, by_class):
    "Of logistic regression and of the nearest labeled picture, on the pictures from `n` on."
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    out = []
    for model in (LogisticRegression(C=10, max_iter=500), KNeighborsClassifier(1)):
        known = np.unique(truth[rows])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = (
                np.full(len(truth) - n, known[0]) if len(known) == 1 else model.fit(z[rows], truth[rows]).predict(z[n:])
            )
        right = said == truth[n:]
        out.append(
            100
            * float(np.mean([right[truth[n:] == c].mean() for c in np.unique(truth[n:])]) if by_class else right.mean())
        )
    return out


def worth(name, load, args, sizes=(96, 128)):
    from ssvae_widgets.data.features import extract_features, prepare_features

    images, truth, n = load(args.pool, args.test)
    CACHE.mkdir(parents=True, exist_ok=True)
    sides = {"pixels": components(pixels(images))}
    for size in sizes:
        sides[f"features {size}"] = prepare_features(
            extract_features(images, size=size, cache=CACHE / f"{name}-{size}.features", progress=False)
        )[0]
    table = {}
    for kind in ("balanced", "uniform"):
        for m in (10, 50, 250):
            for side, z in sides.items():
                both = np.array(
                    [
                        accuracy(z, truth, n, draw(truth[:n], kind, m, seed), name == "blood")
                        for seed in range(args.draws)
                    ]
                )
                for model, column in zip(("logistic regression", "nearest labeled"), both.T):
                    table[f"{kind} {m}, {side}, {model}"] = dict(
                        mean=float(column.mean()), sd=float(column.std()), n=args.draws
                    )
            told = "  ".join(
                f"{side} {table[f'{kind} {m}, {side}, logistic regression']['mean']:5.1f}" for side in sides
            )
            print(f"{name}: {kind} {m:3d} labels, logistic regression: {told}", flush=True)
    return dict(
        pool=n, test=len(truth) - n, measure="mean over classes" if name == "blood" else "all pictures", accuracy=table
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few pictures, two draws")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--pool", type=int, default=6000)
    parser.add_argument("--test", type=int, default=3000)
    args = parser.parse_args()
    if args.quick:
        args.draws, args.pool, args.test = 2, 600, 400
    out = dict(cost=[], worth={})
    for size in REACH:
        out["cost"].append(cost(size, 64 if args.quick else 320))
        row = out["cost"][-1]
        print(
            f"{size} px: {row['cpu_ms']:.1f} CPU ms a picture (reach {row['reach']}), {row['pictures_per_second']:.0f} "
            f"pictures a second on {row['device']}, compiled in {row['compile_cpu_s']:.1f} CPU s",
            flush=True,
        )
    data = os.environ.get("SSVAE_WIDGETS_DATA")
    for name, load, file in (("fashion", fashion, "fashion-mnist"), ("blood", blood, "blood/cells.tar")):
        if data and Path(data, file).exists():
            out["worth"][name] = worth(name, load, args)
        else:
            print(f"{name}: left out, $SSVAE_WIDGETS_DATA/{file} is not there")
    if not args.quick:
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
