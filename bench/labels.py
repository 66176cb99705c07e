"""What labels are worth: accuracy of the default recipe per label and per CPU second; writes artifacts/bench/labels.json and labels.png.

    export SSVAE_WIDGETS_DATA=…            # folder that holds mnist/
    python bench/labels.py                 # everything: an hour on two quiet cores
    python bench/labels.py graph recipe    # some parts; results are merged into the file
    python bench/labels.py recipe --draws 2 --epochs 8 12

12,000 MNIST training images, of which some are labeled, and 10,000 test images. Settings were chosen on training images 12,000 to 17,000; the test images are used here, once.
One network is pretrained without labels and shared by the draws; the CPU seconds of a row include that pretraining, its compilation and everything after it.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "artifacts" / "bench" / "labels.json"
PARTS = ("graph", "acquire", "issues", "recipe", "bought", "interactive", "map", "digits", "large")
N = 12_000


def cpu():
    return time.process_time()


def spread(values):
    return dict(mean=round(float(np.mean(values)), 2), sd=round(float(np.std(values)), 2), values=[round(float(v), 2) for v in values])


def draw(truth, kind, m, seed):
    "Codes with m labels, the same number of each class or uniformly at random."
    rng, codes = np.random.default_rng(seed), np.full(len(truth), -1)
    classes = np.unique(truth)
    if kind == "balanced":
        rows = np.concatenate([rng.choice(np.flatnonzero(truth == c), m // len(classes), replace=False) for c in classes])
    else:
        rows = rng.choice(len(truth), m, replace=False)
    codes[rows] = truth[rows]
    return codes


class Bench:
    "Data and one pretrained network, shared by all parts."

    def __init__(self, args):
        from ssvae_widgets.data import load_mnist

        self.args, self.n = args, N
        self.x, self.t = load_mnist("train", N)
        self.xt, self.tt = load_mnist("test")
        self._pretrained = None

    def model(self):
        "A fresh copy of the pretrained network, and the CPU seconds that pretraining took."
        from ssvae_widgets.config import SSVAEConfig
        from ssvae_widgets.model import SSVAE
        from ssvae_widgets.trainer import InteractiveTrainer

        if self._pretrained is None:
            start = cpu()
            vae = SSVAE(self.x.shape[1:], SSVAEConfig(), classes=10)
            InteractiveTrainer(vae).train_epochs(self.args.epochs[0], self.x)
            seconds = cpu() - start
            path = Path(tempfile.mkdtemp()) / "pretrained.ckpt"
            vae.save(path)
            self._pretrained = path, seconds
        path, seconds = self._pretrained
        return SSVAE.from_checkpoint(path), seconds

    def features(self, vae, x):
        "What the recipe's graph is built on."
        from ssvae_widgets.guide import all_unit_features
        from ssvae_widgets.run import Feed

        feed = Feed(x, vae.config)
        return all_unit_features(vae.spec, vae.params, feed.rows, np.arange(len(x)), vae.shift, vae.scale)

    def learn(self, codes, epochs=None):
        "Train with labels from the pretrained network: test accuracy, calibration error and CPU seconds."
        from ssvae_widgets.metrics import ece
        from ssvae_widgets.trainer import InteractiveTrainer

        vae, before = self.model()
        start = cpu()
        InteractiveTrainer(vae).train_epochs(epochs or self.args.epochs[1], self.x, codes)
        seconds = before + cpu() - start
        probs = vae.predict_proba(self.xt)
        return vae, 100 * (probs.argmax(1) == self.tt).mean(), ece(probs, self.tt), seconds


# ------------------------------------------------------------------ parts
def graph(b):
    "Propagation and classical methods on the pretrained features, no training with labels; on the 12,000."
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.semi_supervised import LabelSpreading

    from ssvae_widgets.propagate import Propagator

    vae, seconds = b.model()
    f = b.features(vae, b.x)
    propagator, result = Propagator(f, 10), dict(pretraining_cpu_seconds=round(seconds, 1))
    for kind, m in (("balanced", 50), ("uniform", 50), ("balanced", 10), ("uniform", 10), ("balanced", 100)):
        rows = {}
        for s in range(b.args.draws):
            codes = draw(b.t, kind, m, s)
            lab = codes >= 0
            rows.setdefault("poisson", []).append(100 * (propagator.update(codes).argmax(1) == b.t).mean())
            rows.setdefault("1-nn", []).append(100 * (KNeighborsClassifier(1).fit(f[lab], codes[lab]).predict(f) == b.t).mean())
            rows.setdefault("logistic", []).append(100 * (LogisticRegression(max_iter=500).fit(f[lab], codes[lab]).predict(f) == b.t).mean())
            if s < 3 and m == 50:
                spreading = LabelSpreading(kernel="knn", n_neighbors=10, alpha=0.99, max_iter=1000, tol=1e-3).fit(f, codes)
                rows.setdefault("spreading", []).append(100 * (spreading.transduction_ == b.t).mean())
        result[f"{kind} {m}"] = {k: spread(v) for k, v in rows.items()}
    codes, times = draw(b.t, "balanced", 50, 0), []
    for i in np.random.default_rng(0).choice(np.flatnonzero(codes < 0), 7, replace=False):
        codes[i] = b.t[i]
        start = time.perf_counter()
        propagator.update(codes)
        times.append(time.perf_counter() - start)
    result["one more label, seconds"] = round(float(np.median(times)), 3)
    return result


def acquire(b):
    "Labels bought ten at a time and propagated: coverage of the first ten, accuracy by round; on the 12,000."
    from ssvae_widgets.acquire import suggest
    from ssvae_widgets.neighbors import nearest_neighbors
    from ssvae_widgets.propagate import knn_graph, poisson

    vae, _ = b.model()
    f = b.features(vae, b.x)
    near = nearest_neighbors(f)
    g, result = knn_graph(f, neighbors=near), {}
    for strategy in ("auto", "audit"):
        covered, curve = [], []
        for s in range(b.args.draws):
            codes, probs, line = np.full(b.n, -1), None, []
            for r in range(5):
                picks = suggest(10, strategy, codes=codes, z=f, probs=probs, neighbors=near, rng=s).indices
                codes[picks] = b.t[picks]
                if r == 0: covered.append(len(set(b.t[picks])))
                probs = poisson(g, codes, 10)
                line.append(100 * (probs.argmax(1) == b.t).mean())
            curve.append(line)
            if strategy == "auto": b.bought = [*getattr(b, "bought", []), codes]
        result[strategy] = dict(classes_in_first_10=spread(covered), **{f"{10 * r + 10} labels": spread([c[r] for c in curve]) for r in range(5)})
    return result


def issues(b):
    "One in ten of a hundred labels wrong: how many are among the first fifteen suspects."
    from ssvae_widgets.acquire import find_label_issues

    vae, _ = b.model()
    f, found = b.features(vae, b.x), []
    for s in range(b.args.draws):
        rng, codes = np.random.default_rng(s), draw(b.t, "uniform", 100, s)
        bad = rng.choice(np.flatnonzero(codes >= 0), 10, replace=False)
        codes[bad] = (codes[bad] + rng.integers(1, 10, 10)) % 10
        found.append(len(set(find_label_issues(codes, z=f, n=15).indices) & set(bad)))
    return dict(found_of_10=spread(found))


def recipe(b):
    "The default recipe from label draws; test accuracy."
    result = {}
    for kind, m, draws in (("balanced", 50, b.args.draws), ("uniform", 50, b.args.draws), ("balanced", 10, 2), ("balanced", 100, 2), ("balanced", 250, 2)):
        runs = [b.learn(draw(b.t, kind, m, s))[1:] for s in range(min(draws, b.args.draws))]
        result[f"{kind} {m}"] = dict(accuracy=spread([r[0] for r in runs]), ece=spread([r[1] for r in runs]), cpu_seconds=spread([r[2] for r in runs]))
        print(f"{kind} {m}", result[f"{kind} {m}"], flush=True)
    return result


def bought(b):
    "The default recipe on fifty labels that `suggest` asked for."
    if not hasattr(b, "bought"): acquire(b)
    runs = [b.learn(codes)[1:] for codes in b.bought[: b.args.draws]]
    return dict(accuracy=spread([r[0] for r in runs]), cpu_seconds=spread([r[2] for r in runs]))


def interactive(b):
    "From 20 to 30 labels and three more epochs, against all epochs again from the pretrained network."
    from ssvae_widgets.trainer import InteractiveTrainer

    few, more = draw(b.t, "balanced", 20, 0), draw(b.t, "balanced", 20, 0)
    extra = draw(b.t, "balanced", 10, 1)
    more[extra >= 0] = extra[extra >= 0]
    vae = b.learn(few)[0]
    accuracy = lambda v: 100 * (v.predict_proba(b.xt).argmax(1) == b.tt).mean()  # noqa: E731
    before, start = accuracy(vae), cpu()
    InteractiveTrainer(vae).train_epochs(3, b.x, more)
    seconds = cpu() - start
    _, scratch, _, all_seconds = b.learn(more)
    return dict(twenty=round(before, 2), three_more_epochs=round(accuracy(vae), 2), from_scratch=round(scratch, 2),
                cpu_seconds=round(seconds, 1), cpu_seconds_from_scratch=round(all_seconds, 1))


def map_quality(b):
    "The map of a model that has seen no label: neighbours, trustworthiness, image error through the map."
    from sklearn.neighbors import KNeighborsClassifier

    from ssvae_widgets.metrics import map_trustworthiness

    vae, _ = b.model()
    start = cpu()
    train = vae.embed(b.x)
    seconds = cpu() - start
    test = vae.embed(b.xt)
    snapshot = vae.snapshot()
    error = float(np.mean((snapshot.decode_map(test.xy[:2000]) - b.xt[:2000]) ** 2))
    fit = lambda a, c: round(100 * float((KNeighborsClassifier(10).fit(a, b.t).predict(c) == b.tt).mean()), 2)  # noqa: E731
    return dict(knn_test_map=fit(train.xy, test.xy), knn_test_latent=fit(train.z, test.z), trustworthiness=round(map_trustworthiness(train.z, train.xy), 4),
                image_error=round(error, 4), image_error_latent=round(float(np.mean((snapshot.decode(test.z[:2000]) - b.xt[:2000]) ** 2)), 4),
                cpu_seconds=round(seconds, 1))


def digits(b):
    "The embedded 8 × 8 digits, half of them held out."
    from ssvae_widgets.config import SSVAEConfig
    from ssvae_widgets.data import load_digits
    from ssvae_widgets.model import SSVAE
    from ssvae_widgets.trainer import InteractiveTrainer

    x, t = load_digits()
    order, accuracy, seconds = np.random.default_rng(0).permutation(len(x)), [], []
    seen, held = order[: len(x) // 2], order[len(x) // 2 :]
    for s in range(b.args.draws):
        start = cpu()
        vae = SSVAE(x.shape[1:], SSVAEConfig(random_seed=s), classes=10)
        trainer = InteractiveTrainer(vae)
        trainer.train_epochs(150, x[seen])
        trainer.train_epochs(150, x[seen], draw(t[seen], "balanced", 50, s))
        seconds.append(cpu() - start)
        accuracy.append(100 * (vae.predict_proba(x[held]).argmax(1) == t[held]).mean())
    return dict(accuracy=spread(accuracy), cpu_seconds=spread(seconds))


def large(b):
    "All 60,000 training images, 50 balanced labels: the same number of optimizer steps as a multiple of the small run's epochs."
    from ssvae_widgets.data import load_mnist

    big = Bench.__new__(Bench)
    big.args, big.n, big.xt, big.tt, big._pretrained = b.args, 60_000, b.xt, b.tt, None
    big.x, big.t = load_mnist("train")
    _, accuracy, error, seconds = big.learn(draw(big.t, "balanced", 50, 0))
    return dict(accuracy=round(accuracy, 2), ece=round(error, 4), cpu_seconds=round(seconds, 1))


def picture(result):
    "One plot: accuracy against the number of labels."
    from ssvae_widgets.plots import Figure

    fig = Figure(figsize=(6, 4), layout="constrained", facecolor="white")
    ax = fig.add_subplot()
    for name, key, color in (("suggested, propagated", "auto", "#0072b2"), ("random, propagated", "audit", "#999999")):
        if key in result.get("acquire", {}):
            part = [result["acquire"][key][f"{m} labels"] for m in range(10, 60, 10)]
            ax.errorbar(range(10, 60, 10), [p["mean"] for p in part], [p["sd"] for p in part], color=color, marker="o", capsize=3, label=name)
    for kind, color in (("balanced", "#d55e00"), ("uniform", "#e69f00")):
        rows = {int(k.split()[1]): v["accuracy"] for k, v in result.get("recipe", {}).items() if k.startswith(kind)}
        if rows:
            ax.errorbar(list(rows), [v["mean"] for v in rows.values()], [v["sd"] for v in rows.values()], color=color, marker="s", ls="--", capsize=3,
                        label=f"{kind} labels, trained (test)")
    if "bought" in result:
        v = result["bought"]["accuracy"]
        ax.errorbar([50], [v["mean"]], [v["sd"]], color="#009e73", marker="D", capsize=3, ls="", label="suggested, trained (test)")
    ax.set(xlabel="labels", ylabel="accuracy, %", title="MNIST, 12,000 images: what labels are worth", xscale="log", ylim=(40, 100))
    ax.set_xticks([10, 20, 50, 100, 250], [10, 20, 50, 100, 250])
    ax.minorticks_off()
    if ax.get_legend_handles_labels()[0]: ax.legend(frameon=False, fontsize=8, loc="lower right")
    fig.savefig(OUT.with_suffix(".png"), dpi=130)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--epochs", type=int, nargs=2, default=(12, 20), help="without and with labels")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown: parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    bench = Bench(args)
    result = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name in args.parts or PARTS:
        start = time.perf_counter()
        part = {"map": map_quality}.get(name) or globals()[name]
        result[name] = dict(part(bench), draws=args.draws, epochs=list(args.epochs))
        print(f"{name} ({time.perf_counter() - start:.0f} s): {json.dumps(result[name])}", flush=True)
        result["machine"] = dict(python=platform.python_version(), processor=platform.processor() or platform.machine())
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps(result, indent=1) + "\n")
        picture(result)


if __name__ == "__main__":
    main()
