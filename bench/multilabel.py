"""Several classes for one picture: what graph and linear heads together are worth against logistic regression of each
class on the same features, whether the F1 that a session tells is true, and whether the network is any better.

    python bench/multilabel.py [--quick] [--draws 5] [--part answers|networks]

Writes artifacts/bench/multilabel.json. Pictures of two: digits side by side (MNIST, "which digits are here", 10
classes), blood cells side by side (drawn by the package, six kinds, features of its pretrained network), and a
generated set (vectors that are sums of what their classes add, bent). Each with classes about equally frequent, and
with some of them rare. Answers are drawn at random from the pool; macro F1 and the share of pictures whose whole set is
right are those of all others. `told` is the macro F1 that the answers say of themselves, `held` how often the true one
lies in the interval told. Data: $SSVAE_WIDGETS_DATA/mnist.

`networks`: whole sessions, 50 or 200 random answers, one run of training. On separated and overlapping vectors, on
cells (features of the pretrained network) and on digits (pixels): graph and heads, the network as it would be shown
(calibrated on its exams), logistic regression of each class on the features that graph and heads answer from, and how
often the session put the network on show: [macro F1, mean average precision, 100 times log loss], of all others.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from ssvae_widgets import LabelingSession
from ssvae_widgets.assess.sets import mean_ap, report_sets
from ssvae_widgets.graph.propagate import knn_graph
from ssvae_widgets.graph.set_blend import fit_mixture, head_scores, judge_mixture
from ssvae_widgets.graph.set_flow import SetFlow
from ssvae_widgets.session.predictions import pixel_features

OUT = Path(__file__).resolve().parents[1] / "artifacts" / "bench" / "multilabel.json"


def pairs(images, truth, n, rare, rng):
    "Pictures of two, side by side, and which classes they have; rare: each class half as frequent as the one before."
    k = int(truth.max()) + 1
    share = 0.75 ** np.arange(k) if rare else np.ones(k)
    weights = (share / np.bincount(truth, minlength=k))[truth]
    two = rng.choice(len(images), (2, n), p=weights / weights.sum())
    targets = np.zeros((n, k), np.int8)
    for one in two:
        targets[np.arange(n), truth[one]] = 1
    return np.concatenate([images[two[0]], images[two[1]]], 2), targets


def digit_pairs(n, rare, rng):
    from ssvae_widgets.data.standard import read_idx

    folder = Path(os.environ["SSVAE_WIDGETS_DATA"], "mnist")
    x, y = (read_idx(folder / f"t10k-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    return pairs(x, y.astype(int), n, rare, rng)


def digits(n, rare, rng):
    images, targets = digit_pairs(n, rare, rng)
    return pixel_features(images), targets


def cell_pairs(n, rare, rng):
    from ssvae_widgets.data.cells import make_cells

    made = make_cells(n)
    return pairs(np.asarray(made[0]), np.asarray(made[1]).astype(int), n, rare, rng)


def cells(n, rare, rng):
    from ssvae_widgets.data.features import extract_features, prepare_features

    images, targets = cell_pairs(n, rare, rng)
    return prepare_features(extract_features(images, progress=False)[:])[0], targets


def generated(n, rare, rng, noise=1.0):
    share = 0.5 ** np.arange(1, 7) if rare else np.full(6, 0.3)
    targets = (rng.random((n, 6)) < share).astype(np.int8)
    x = 1.2 * targets @ rng.normal(size=(6, 16)) + noise * rng.normal(size=(n, 16))
    return np.tanh(0.3 * x @ rng.normal(size=(16, 16))).astype(np.float32), targets


def ours(graph, z, known, parts):
    "Probabilities of all, by some of the two sources; what their answers say of themselves; seconds."
    began = time.perf_counter()
    rows = np.flatnonzero((known >= 0).any(1))
    scores, alone = [], []
    if "graph" in parts:
        flow = SetFlow(graph)
        scores.append(flow.update(known))
        around, left = flow.left_out()
        alone.append(left[np.argsort(around)])
    if "heads" in parts:
        head, left = head_scores(z, known)
        scores.append(head)
        alone.append(left[rows])
    probs = fit_mixture(np.stack(alone), known[rows])(np.stack(scores))
    told = report_sets(judge_mixture(np.stack(alone), known[rows]), known[rows], [*map(str, range(known.shape[1]))])
    return probs, told, time.perf_counter() - began


def regressions(z, known, C):
    "Logistic regression of each class."
    rows = np.flatnonzero((known >= 0).any(1))
    middle = z[rows].mean(0)
    scale = 4 / np.sqrt(np.square(z[rows] - middle).sum(1).mean())
    probs = np.zeros(known.shape)
    for k in range(known.shape[1]):
        y = known[rows, k]
        if len(np.unique(y)) < 2:
            probs[:, k] = y[0]
            continue
        model = LogisticRegression(C=C, max_iter=500).fit((z[rows] - middle) * scale, y)
        probs[:, k] = model.predict_proba((z - middle) * scale)[:, 1]
    return probs


def measure(z, targets, m, draws):
    "Means over the draws."
    graph, found = knn_graph(z), {}
    for seed in range(draws):
        rows = np.random.default_rng(seed).choice(len(z), m, replace=False)
        rest = np.setdiff1d(np.arange(len(z)), rows)
        known = np.full_like(targets, -1)
        known[rows] = targets[rows]
        both, told, seconds = ours(graph, z, known, ("graph", "heads"))
        ways = {"ours": both, "graph": ours(graph, z, known, ("graph",))[0]}
        ways |= {"heads": ours(graph, z, known, ("heads",))[0]}
        ways |= {f"logistic regression, C = {C}": regressions(z, known, C) for C in (1, 10)}
        for name, probs in ways.items():
            said = probs[rest] >= 0.5
            f1 = f1_score(targets[rest], said, average="macro", zero_division=0)
            found.setdefault(name, []).append([100 * f1, 100 * (said == targets[rest]).all(1).mean()])
        fit = [k for k, c in enumerate(told.classes) if c.f1 == c.f1]  # the classes that it speaks of
        if fit:
            true = f1_score(targets[rest][:, fit], both[rest][:, fit] >= 0.5, average="macro", zero_division=0)
            row = [100 * told.macro_f1, 100 * true, told.low <= true <= told.high]
            found.setdefault("told", []).append(row)
        found.setdefault("seconds", []).append([seconds])
    table = {name: np.mean(values, 0).round(3).tolist() for name, values in found.items()}
    table["told"] = dict(zip(("told", "true", "held"), table.get("told", [])))
    return table


def in_session(images, known, epochs):
    "Probabilities by source, the features that graph and heads answer from, and whether the network is on show."
    rows, found = np.flatnonzero((known >= 0).any(1)), {}
    classes = [f"word {k}" for k in range(known.shape[1])]
    with LabelingSession(images, None, classes=classes, multilabel=True) as s:
        s.answer_sets(rows, [np.flatnonzero(known[row] == 1) for row in rows])
        s.wait(600)
        began = time.perf_counter()
        s.train(epochs)
        s.wait(3600)
        seconds = time.perf_counter() - began
        s.show_source(None)
        s.wait(600)
        shown = s.sets.by_network
        for name in ("graph", "network"):
            s.show_source(name)
            s.wait(600)
            found[name] = s.probs.copy()
        return found, np.asarray(s.predictions.space), shown, seconds


def score(probs, targets):
    f1 = f1_score(targets, probs >= 0.5, average="macro", zero_division=0)
    loss = -np.log(np.clip(np.where(targets == 1, probs, 1 - probs), 1e-3, 1)).mean()
    return [100 * f1, 100 * mean_ap(probs, targets), 100 * loss]


def networks(images, targets, m, draws, epochs):
    "Means over the draws."
    found, shown, seconds = {}, 0, 0.0
    for seed in range(draws):
        rows = np.random.default_rng(seed).choice(len(images), m, replace=False)
        rest = np.setdiff1d(np.arange(len(images)), rows)
        known = np.full_like(targets, -1)
        known[rows] = targets[rows]
        ways, z, on_show, took = in_session(images, known, epochs)
        ways |= {f"logistic regression, C = {C}": regressions(z, known, C) for C in (1, 10)}
        shown, seconds = shown + on_show, seconds + took
        ways["on show"] = ways["network" if on_show else "graph"]
        for name, probs in ways.items():
            found.setdefault(name, []).append(score(probs[rest], targets[rest]))
    table = {name: np.mean(values, 0).round(2).tolist() for name, values in found.items()}
    return table | {"network on show": f"{shown} of {draws}", "seconds of training": round(seconds / draws, 1)}


SESSIONS = {
    "separated": (lambda n, rare, rng: generated(n, rare, rng, 0.4), 2000, 30),
    "overlapping": (lambda n, rare, rng: generated(n, rare, rng, 1.5), 2000, 30),
    "cells": (cell_pairs, 1000, 30),
    "digits": (digit_pairs, 1500, 20),
}  # pictures or vectors, how many, epochs


def all_networks(quick, draws, only):
    found = {}
    for name in only or SESSIONS:
        load, n, epochs = SESSIONS[name]
        for kind in ("balanced", "rare"):
            images, targets = load(200 if quick else n, kind == "rare", np.random.default_rng(0))
            found[f"{name}, {kind}"] = tables = {}
            for m in (50,) if quick else (50, 200):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    tables[str(m)] = networks(images, targets, m, 1 if quick else draws, 4 if quick else epochs)
                print(name, kind, m, tables[str(m)], flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--part", choices=("answers", "networks"), default="answers")
    parser.add_argument("--only", nargs="*", choices=[*SESSIONS], help="sets of --part networks")
    args = parser.parse_args()
    if args.part == "networks":
        found = all_networks(args.quick, args.draws, args.only)
        if not args.quick:
            kept = json.loads(OUT.read_text())
            kept["networks"] = {**kept.get("networks", {}), "draws": args.draws, **found}
            OUT.write_text(json.dumps(kept, indent=1) + "\n")
        return
    found = {}
    for name, load, n in (("digits", digits, 4000), ("cells", cells, 1500), ("generated", generated, 3000)):
        for kind in ("balanced", "rare"):
            z, targets = load(400 if args.quick else n, kind == "rare", np.random.default_rng(0))
            found[f"{name}, {kind}"] = tables = {"share of each class": targets.mean(0).round(3).tolist()}
            for m in (30,) if args.quick else (30, 100, 300):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    tables[str(m)] = measure(z, targets, m, 1 if args.quick else args.draws)
                print(name, kind, m, tables[str(m)], flush=True)
    if not args.quick:
        told = {"what": "[macro F1, whole sets right], percent, of pictures without an answer; means of the draws"}
        kept = {"networks": json.loads(OUT.read_text()).get("networks", {})} if OUT.exists() else {}
        OUT.write_text(json.dumps({**told, "draws": args.draws, **found, **kept}, indent=1) + "\n")


if __name__ == "__main__":
    main()
