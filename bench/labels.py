"""What labels are worth: accuracy of the default recipe per label and per CPU second; writes
artifacts/bench/labels.json and labels.png.

    export SSVAE_WIDGETS_DATA=…            # folder that holds mnist/
    python bench/labels.py                 # everything: an hour on two quiet cores
    python bench/labels.py graph recipe    # some parts; results are merged into the file
    python bench/labels.py recipe --draws 2 --keep /tmp/nets

12,000 MNIST training images (gray, unless --binarize), of which some are labeled, and 10,000 test images. Settings
were chosen on training images 12,000 to 17,000; the test images are used here, once.
One network is pretrained without labels and shared by the draws; it is used as it was after 10 epochs ("short") and
after 40 ("long"). The CPU seconds of a row include that pretraining, its compilation and
everything after it.
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
PLANES = ROOT / "nbs" / "images" / "two_dimensions.png"
PARTS = ("graph", "acquire", "issues", "recipe", "bought", "interactive", "map", "digits", "seeds", "large", "planes")
N = 12_000
EPOCHS = dict(short=(10, 8), long=(40, 12))  # without and with labels
ROWS = (
    ("balanced", 50, "short", 9),
    ("balanced", 50, "long", 9),
    ("uniform", 50, "long", 9),
    ("uniform", 10, "short", 9),
    ("balanced", 10, "short", 3),
    ("balanced", 100, "long", 2),
    ("balanced", 250, "long", 2),
)  # labels, network, draws at most


def cpu():
    return time.process_time()


def spread(values):
    return dict(
        mean=round(float(np.mean(values)), 3),
        sd=round(float(np.std(values)), 3),
        n=len(values),
        values=[round(float(v), 3) for v in values],
    )


def draw(truth, kind, m, seed):
    "Codes with m labels, the same number of each class or uniformly at random."
    rng, codes = np.random.default_rng(seed), np.full(len(truth), -1)
    classes = np.unique(truth)
    if kind == "balanced":
        rows = np.concatenate(
            [rng.choice(np.flatnonzero(truth == c), m // len(classes), replace=False) for c in classes]
        )
    else:
        rows = rng.choice(len(truth), m, replace=False)
    codes[rows] = truth[rows]
    return codes


class Bench:
    "Data and one pretrained network, shared by all parts."

    def __init__(self, args, n=N):
        from ssvae_widgets.data.standard import load_mnist

        self.args, self.n, self.picked = args, n, []
        self.x, self.t = load_mnist("train", n, binarize=args.binarize)
        self.xt, self.tt = load_mnist("test", binarize=args.binarize)
        self.folder = Path(args.keep or tempfile.mkdtemp())
        self.folder.mkdir(parents=True, exist_ok=True)

    def model(self, length="long"):
        "A fresh copy of the pretrained network, and the CPU seconds that pretraining took."
        from ssvae_widgets.config import SSVAEConfig
        from ssvae_widgets.model.ssvae import SSVAE
        from ssvae_widgets.model.trainer import InteractiveTrainer

        path = self.folder / f"{self.n}_{'binary' if self.args.binarize else 'gray'}_{length}.ckpt"
        if not path.exists():
            before = 0.0
            if length == "long":
                vae, before = self.model("short")
            else:
                vae = SSVAE(self.x.shape[1:], SSVAEConfig(), classes=10)
            start = cpu()
            InteractiveTrainer(vae, callbacks=None).train_epochs(EPOCHS[length][0] - vae.epoch, self.x)
            path.with_suffix(".seconds").write_text(str(before + cpu() - start))
            vae.save(path)
        return SSVAE.from_checkpoint(path), float(path.with_suffix(".seconds").read_text())

    def learn(self, codes, length="long"):
        "Train with labels from the pretrained network: test accuracy, calibration error and CPU seconds."
        from ssvae_widgets.assess.metrics import ece
        from ssvae_widgets.model.trainer import InteractiveTrainer

        vae, before = self.model(length)
        start = cpu()
        InteractiveTrainer(vae, callbacks=None).train_epochs(EPOCHS[length][1], self.x, codes)
        seconds = before + cpu() - start
        probs = vae.predict_proba(self.xt)
        return vae, 100 * (probs.argmax(1) == self.tt).mean(), ece(probs, self.tt), seconds

    def possible(self, codes):
        "Share of the test images whose class has a label: what a classifier can reach at most."
        return 100 * np.isin(self.tt, np.unique(codes[codes >= 0])).mean()


# ------------------------------------------------------------------ parts
def graph(b):
    "Propagation and classical methods on the pretrained features, no training with labels; on the 12,000."
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.semi_supervised import LabelSpreading

    from ssvae_widgets.assess.metrics import ece
    from ssvae_widgets.graph.blend import Blend
    from ssvae_widgets.graph.propagate import Propagator

    vae, seconds = b.model()
    f = vae.features(b.x)
    propagator, both = Propagator(f, 10), Blend(f, 10)
    result = dict(pretraining_cpu_seconds=round(seconds, 1))
    for kind, m in (("balanced", 50), ("uniform", 50), ("balanced", 10), ("uniform", 10), ("balanced", 100)):
        rows = {}
        for s in range(b.args.draws):
            codes = draw(b.t, kind, m, s)
            lab = codes >= 0
            rows.setdefault("poisson", []).append(100 * (propagator.update(codes).argmax(1) == b.t).mean())
            probs = both.update(codes)
            rows.setdefault("blend", []).append(100 * (probs.argmax(1) == b.t).mean())
            rows.setdefault("blend, calibration error", []).append(ece(probs[~lab], b.t[~lab]))
            rows.setdefault("1-nn", []).append(
                100 * (KNeighborsClassifier(1).fit(f[lab], codes[lab]).predict(f) == b.t).mean()
            )
            rows.setdefault("logistic", []).append(
                100 * (LogisticRegression(max_iter=500).fit(f[lab], codes[lab]).predict(f) == b.t).mean()
            )
            if s < 3 and m == 50:
                spreading = LabelSpreading(kernel="knn", n_neighbors=10, alpha=0.99, max_iter=1000, tol=1e-3).fit(
                    f, codes
                )
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
    from ssvae_widgets.assess.acquire import suggest
    from ssvae_widgets.graph.neighbors import nearest_neighbors
    from ssvae_widgets.graph.propagate import knn_graph, poisson

    vae, _ = b.model()
    f = vae.features(b.x)
    near = nearest_neighbors(f)
    g, result = knn_graph(f, neighbors=near), {}
    for strategy in ("auto", "audit"):
        covered, curve = [], []
        for s in range(b.args.draws):
            codes, probs, line = np.full(b.n, -1), None, []
            for r in range(5):
                picks = suggest(10, strategy, codes=codes, z=f, probs=probs, neighbors=near, rng=s).indices
                codes[picks] = b.t[picks]
                if r == 0:
                    covered.append(len(set(b.t[picks])))
                probs = poisson(g, codes, 10)
                line.append(100 * (probs.argmax(1) == b.t).mean())
            curve.append(line)
            if strategy == "auto":
                b.picked.append(codes)
        result[strategy] = dict(
            classes_in_first_10=spread(covered),
            **{f"{10 * r + 10} labels": spread([c[r] for c in curve]) for r in range(5)},
        )
    return result


def issues(b):
    "One in ten of a hundred labels wrong: how many are among the first fifteen suspects."
    from ssvae_widgets.assess.acquire import find_label_issues

    f, found = b.model()[0].features(b.x), []
    for s in range(b.args.draws):
        rng, codes = np.random.default_rng(s), draw(b.t, "uniform", 100, s)
        bad = rng.choice(np.flatnonzero(codes >= 0), 10, replace=False)
        codes[bad] = (codes[bad] + rng.integers(1, 10, 10)) % 10
        found.append(len(set(find_label_issues(codes, z=f, n=15).indices) & set(bad)))
    return dict(found_of_10=spread(found))


def recipe(b):
    "The default recipe from label draws; test accuracy."
    result = {}
    for kind, m, length, most in ROWS:
        codes = [draw(b.t, kind, m, s) for s in range(min(most, b.args.draws))]
        runs = [b.learn(c, length)[1:] for c in codes]
        row = dict(
            accuracy=spread([r[0] for r in runs]),
            ece=spread([r[1] for r in runs]),
            cpu_seconds=spread([r[2] for r in runs]),
        )
        if kind == "uniform":
            row["possible"] = spread([b.possible(c) for c in codes])
        result[f"{kind} {m} {length}"] = row
        print(f"{kind} {m} {length}", json.dumps(row), flush=True)
        b.save("recipe", result)
    return result


def bought(b):
    "The default recipe on fifty labels that `suggest` asked for."
    if not b.picked:
        acquire(b)
    runs = [b.learn(codes)[1:] for codes in b.picked[: b.args.draws]]
    return dict(accuracy=spread([r[0] for r in runs]), cpu_seconds=spread([r[2] for r in runs]))


def interactive(b):
    "From 20 to 30 labels and three more epochs, against everything again from the first step."
    from ssvae_widgets.model.trainer import InteractiveTrainer

    result = {}
    for s in range(min(2, b.args.draws)):
        few, more, extra = (
            draw(b.t, "balanced", 20, s),
            draw(b.t, "balanced", 20, s),
            draw(b.t, "balanced", 10, 100 + s),
        )
        more[extra >= 0] = extra[extra >= 0]
        vae = b.learn(few)[0]
        accuracy = lambda v: 100 * (v.predict_proba(b.xt).argmax(1) == b.tt).mean()  # noqa: E731
        before, start = accuracy(vae), cpu()
        InteractiveTrainer(vae, callbacks=None).train_epochs(3, b.x, more)
        seconds = cpu() - start
        _, scratch, _, all_seconds = b.learn(more)
        for k, v in dict(
            twenty=before,
            three_more_epochs=accuracy(vae),
            from_scratch=scratch,
            cpu_seconds=seconds,
            cpu_seconds_from_scratch=all_seconds,
        ).items():
            result.setdefault(k, []).append(v)
    return {k: spread(v) for k, v in result.items()}


def map_quality(b):
    "The map of a model that has seen no label: neighbors, trustworthiness, image error through the map."
    from sklearn.neighbors import KNeighborsClassifier

    from ssvae_widgets.assess.metrics import map_trustworthiness

    result = {}
    for length in EPOCHS:
        vae, _ = b.model(length)
        start = cpu()
        train = vae.embed(b.x)
        seconds = cpu() - start
        test, snapshot = vae.embed(b.xt), vae.snapshot()
        fit = lambda a, c: round(100 * float((KNeighborsClassifier(10).fit(a, b.t).predict(c) == b.tt).mean()), 2)  # noqa: E731
        error = lambda images: round(float(np.mean((images - b.xt[:2000]) ** 2)), 4)  # noqa: E731
        result[length] = dict(
            knn_test_map=fit(train.xy, test.xy),
            knn_test_latent=fit(train.z, test.z),
            trustworthiness=round(map_trustworthiness(train.z, train.xy), 4),
            image_error=error(snapshot.decode_map(test.xy[:2000])),
            image_error_latent=error(snapshot.decode(test.z[:2000])),
            cpu_seconds=round(seconds, 1),
        )
    return result


def digits(b):
    "The embedded 8 × 8 digits, gray, half of them held out: 400 epochs of seven steps without labels, 100 with 50."
    from ssvae_widgets.config import SSVAEConfig
    from ssvae_widgets.data.standard import load_digits
    from ssvae_widgets.model.ssvae import SSVAE
    from ssvae_widgets.model.trainer import InteractiveTrainer

    x, t = load_digits(binarize=False)
    order, rows = np.random.default_rng(0).permutation(len(x)), {}
    seen, held = order[: len(x) // 2], order[len(x) // 2 :]
    for kind in ("balanced",):
        for s in range(b.args.draws):
            start = cpu()
            vae = SSVAE(x.shape[1:], SSVAEConfig(random_seed=s), classes=10)
            trainer = InteractiveTrainer(vae, callbacks=None)
            trainer.train_epochs(400, x[seen])
            trainer.train_epochs(100, x[seen], draw(t[seen], kind, 50, s))
            seconds = cpu() - start
            for k, v in (
                (f"{kind} accuracy", 100 * (vae.predict_proba(x[held]).argmax(1) == t[held]).mean()),
                (f"{kind} cpu_seconds", seconds),
            ):
                rows.setdefault(k, []).append(v)
    return {k: spread(v) for k, v in rows.items()}


def seeds(b):
    "Other initial weights and other labels at once: the short run, 50 balanced labels, from scratch."
    from ssvae_widgets.config import SSVAEConfig
    from ssvae_widgets.model.ssvae import SSVAE
    from ssvae_widgets.model.trainer import InteractiveTrainer

    rows = dict(accuracy=[], cpu_seconds=[])
    for seed in range(1, 1 + b.args.draws):
        start = cpu()
        vae = SSVAE(b.x.shape[1:], SSVAEConfig(random_seed=seed), classes=10)
        trainer = InteractiveTrainer(vae, callbacks=None)
        trainer.train_epochs(EPOCHS["short"][0], b.x)
        trainer.train_epochs(EPOCHS["short"][1], b.x, draw(b.t, "balanced", 50, 100 + seed))
        rows["cpu_seconds"].append(cpu() - start)
        rows["accuracy"].append(100 * (vae.predict_proba(b.xt).argmax(1) == b.tt).mean())
    return {k: spread(v) for k, v in rows.items()}


def large(b):
    "All 60,000 training images, 50 balanced labels, as many epochs as the short run."
    big = Bench(b.args, 60_000)
    _, accuracy, error, seconds = big.learn(draw(big.t, "balanced", 50, 0), "short")
    _, small, _, small_seconds = b.learn(draw(b.t, "balanced", 50, 0), "short")
    return dict(
        accuracy=round(accuracy, 2),
        ece=round(error, 4),
        cpu_seconds=round(seconds, 1),
        accuracy_12000=round(small, 2),
        cpu_seconds_12000=round(small_seconds, 1),
    )


def planes(b):
    "The picture of the tutorial: a latent of two numbers, principal components of sixteen, and the map head."
    from ssvae_widgets.assess.metrics import knn_purity
    from ssvae_widgets.config import SSVAEConfig
    from ssvae_widgets.model.ssvae import SSVAE
    from ssvae_widgets.model.trainer import InteractiveTrainer
    from ssvae_widgets.palettes import palette
    from ssvae_widgets.plots import Figure

    narrow = SSVAE(
        b.x.shape[1:], SSVAEConfig(latent_dim=2, use_contrastive=False, recon_weight=1.0, kl_weight=1.0), classes=10
    )
    InteractiveTrainer(narrow, callbacks=None).train_epochs(20, b.x)
    wide = b.model()[0].embed(b.x)
    pca = (wide.z - wide.z.mean(0)) @ np.linalg.svd(wide.z - wide.z.mean(0), full_matrices=False)[2][:2].T
    shown = {
        "a latent of two numbers": narrow.encode(b.x),
        "principal components of sixteen": pca,
        "sixteen, drawn by the map head": wide.xy,
    }
    fig, result, colors = Figure(figsize=(9, 3.3), layout="constrained", facecolor="white"), {}, np.array(palette(10))
    for ax, (name, xy) in zip(fig.subplots(1, 3), shown.items()):
        result[name] = round(100 * knn_purity(xy, b.t), 1)
        ax.scatter(*xy.T, s=0.7, c=colors[b.t], linewidths=0, antialiased=False)  # ten colors stay ten
        ax.set_title(f"{name}\nneighbors agree: {result[name]:.0f} %", fontsize=10)
        ax.set(xticks=[], yticks=[])
    fig.savefig(PLANES, dpi=100, pil_kwargs=dict(optimize=True))
    from PIL import Image

    Image.open(PLANES).convert("RGB").quantize(64).save(PLANES, optimize=True)
    return result


def picture(result):
    "One plot: accuracy against the number of labels."
    from ssvae_widgets.plots import Figure

    fig = Figure(figsize=(6, 4), layout="constrained", facecolor="white")
    ax = fig.add_subplot()
    for name, key, color in (("suggested, propagated", "auto", "#0072b2"), ("random, propagated", "audit", "#999999")):
        if key in result.get("acquire", {}):
            part = [result["acquire"][key][f"{m} labels"] for m in range(10, 60, 10)]
            ax.errorbar(
                range(10, 60, 10),
                [p["mean"] for p in part],
                [p["sd"] for p in part],
                color=color,
                marker="o",
                capsize=3,
                label=name,
            )
    for kind, color in (("balanced", "#d55e00"), ("uniform", "#e69f00")):
        rows = {}
        for k, v in result.get("recipe", {}).items():
            if k.startswith(kind) and (k.endswith("long") or k.endswith("10 short")):
                rows[int(k.split()[1])] = v["accuracy"]
        rows = dict(sorted(rows.items()))
        if rows:
            ax.errorbar(
                list(rows),
                [v["mean"] for v in rows.values()],
                [v["sd"] for v in rows.values()],
                color=color,
                marker="s",
                ls="--",
                capsize=3,
                label=f"{kind} labels, trained (test)",
            )
    for name, marker in (("blend", "o"), ("1-nn", "v"), ("logistic", "^"), ("spreading", "x")):
        part = result.get("graph", {}).get("balanced 50", {}).get(name)
        if part:
            ax.errorbar(
                [50],
                [part["mean"]],
                [part["sd"]],
                color="#666666",
                marker=marker,
                capsize=3,
                ls="",
                label=f"balanced, {name} on the same features",
            )
    if "bought" in result:
        v = result["bought"]["accuracy"]
        ax.errorbar(
            [50],
            [v["mean"]],
            [v["sd"]],
            color="#009e73",
            marker="D",
            capsize=3,
            ls="",
            label="suggested, trained (test)",
        )
    ax.set(
        xlabel="labels",
        ylabel="accuracy, %",
        title="MNIST, 12,000 images: what labels are worth",
        xscale="log",
        ylim=(40, 100),
    )
    ax.set_xticks([10, 20, 50, 100, 250], [10, 20, 50, 100, 250])
    ax.minorticks_off()
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize=7, loc="lower right")
    fig.savefig(OUT.with_suffix(".png"), dpi=130)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument(
        "--binarize",
        action="store_true",
        help="threshold the images at one half, as the library does unless told otherwise",
    )
    parser.add_argument("--keep", help="folder where pretrained networks are kept between calls")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    bench = Bench(args)
    out = OUT.with_name("labels_binary.json") if args.binarize else OUT

    def save(name, part):
        result = json.loads(out.read_text()) if out.exists() else {}
        result[name] = dict(part, draws=args.draws, images="binarized" if args.binarize else "gray")
        result["epochs"] = dict(EPOCHS)
        result["machine"] = dict(python=platform.python_version(), processor=platform.processor() or platform.machine())
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n")
        if not args.binarize:
            picture(result)

    bench.save = save
    for name in args.parts or PARTS:
        start = time.perf_counter()
        part = {"map": map_quality}.get(name) or globals()[name]
        result = part(bench)
        save(name, result)
        print(f"{name} ({time.perf_counter() - start:.0f} s): {json.dumps(result)}", flush=True)


if __name__ == "__main__":
    main()
