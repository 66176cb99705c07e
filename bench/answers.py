"""What a few labels are worth on frozen features: the blended answer against its peers on the same features.

    python bench/answers.py [--quick] [--draws 5] [--only fashion]

Writes artifacts/bench/answers.json and answers.png. Labels are drawn from the pool, "balanced" (the same number of each
class) or "uniform" (at random); a score is that on the unlabeled pictures of the pool and on test pictures: of all of
them for Fashion-MNIST (12,000 + 10,000 training images), the mean over classes for the blood cells (11 : 1 : 1) and for
a pool of clothes with shares from 40 to 0.4. "ahead" is the difference to logistic regression, draw by draw. The
calibration error is that of the pool; that of the blend as a session shows it: with the certainty that labels left out
support, and with the doubt about classes without labels. Of the rarest clothes only one or two pictures are left when
25 of each class are labeled, and one of them moves the mean over classes by ten points: "many" is the mean over classes
of which ten or more are left. Settings were chosen on these very pictures; the test images of Fashion-MNIST are not
touched. Features are kept in artifacts/features. Data:
$SSVAE_WIDGETS_DATA/fashion-mnist and $SSVAE_WIDGETS_DATA/blood.
"""

import argparse
import json
import time
import warnings

import numpy as np
from features import CACHE, ROOT, blood, fashion

OUT = ROOT / "artifacts" / "bench" / "answers.json"
COUNTS = (10, 50, 100, 250)
SLOW = ("label spreading", "self-training")  # on many pictures only with fifty labels, two draws


class Pool:
    "Prepared features of a pool and of test pictures, and the neighbors within the pool."

    def __init__(self, z, truth, n, by_class):
        from ssvae_widgets.graph.neighbors import nearest_neighbors

        self.z, self.new, self.truth, self.real = z[:n], z[n:], truth[:n], truth[n:]
        self.by_class, self.n_classes = by_class, int(truth.max()) + 1
        self.near, self.made = nearest_neighbors(self.z), []

    def score(self, said, truth, least=1):
        right, classes = said == truth, np.flatnonzero(np.bincount(truth) >= least)
        return 100 * float(np.mean([right[truth == c].mean() for c in classes] if self.by_class else right))

    def blends(self):
        "One blend for all labels, and one for each fold."
        from ssvae_widgets.graph.blend import Blend

        if not self.made:
            self.made = [Blend(self.z, self.n_classes, neighbors=self.near) for _ in range(6)]
        return self.made[0], self.made[1:]


def pools(args):
    "Name -> pool; the features are made once."
    from ssvae_widgets.data.features import extract_features, prepare_features

    CACHE.mkdir(parents=True, exist_ok=True)
    found, few = {}, args.quick
    for name, load, pool, test in (
        ("blood", blood, 600 if few else 4886, 0),
        ("fashion", fashion, *((600, 400) if few else (12_000, 10_000))),
    ):
        if args.only and not any(only.startswith(name) for only in args.only):
            continue
        images, truth, n = load(pool, test)
        n = round(0.7 * len(truth)) if name == "blood" else n
        cache = CACHE / f"{name}-answers{'-quick' if few else ''}.features"
        features = np.array(extract_features(images, size=96, cache=cache, progress=False))
        found[name] = Pool(prepare_features(features[:])[0], truth, n, name == "blood")
        if name == "fashion":
            rows = np.concatenate([skewed(truth[:n], 3000 * n // 12_000), np.arange(n, len(truth))])
            z, cut = prepare_features(features[rows])[0], len(rows) - (len(truth) - n)
            found["fashion 40:0.4"] = Pool(z, truth[rows], cut, True)
    return {name: p for name, p in found.items() if not args.only or name in args.only}


def skewed(truth, n):
    "Rows of a pool in which the classes have shares from 40 to 0.4."
    share = np.geomspace(40, 0.4, 10)
    counts = np.maximum((share / share.sum() * n).astype(int), 3)
    order = (3, 1, 4, 8, 0, 9, 5, 2, 7, 6)
    rows = np.concatenate([np.flatnonzero(truth == c)[:k] for c, k in zip(order, counts)])
    return np.random.default_rng(0).permutation(rows)


def draw(truth, kind, m, seed):
    "Rows to label; of a class with fewer members all but one, at most half of a pool."
    rng, classes = np.random.default_rng(seed), np.unique(truth)
    if kind == "uniform":
        return rng.choice(len(truth), min(m, len(truth) // 2), replace=False)
    members = [np.flatnonzero(truth == c) for c in classes]
    return np.concatenate([rng.choice(r, max(1, min(m // len(classes), len(r) - 1)), replace=False) for r in members])


# ----------------------------------------------------------------- methods: (pool, codes) -> (of the pool, of new ones)
def blend(pool, codes):
    from ssvae_widgets.assess.groups import doubt_missing, reach

    both, folds = pool.blends()
    start = time.process_time()
    probs = both.update(codes)
    blend.seconds = time.process_time() - start
    counts = np.bincount(codes[codes >= 0], minlength=pool.n_classes)
    shown = certainty(folds, codes, counts)(probs)
    return doubt_missing(shown, reach(both.graph, codes), counts), both.predict(pool.new)


def certainty(folds, codes, counts):
    "What labels left out support, as in a session."
    from ssvae_widgets.assess.evidence import assign_folds, fit_temper, trust

    fold, rows = assign_folds(codes), np.flatnonzero(codes >= 0)
    said = np.zeros((len(rows), len(counts)), np.float32)
    for k, graph in enumerate(folds):
        out = fold[rows] == k
        if out.any():
            said[out] = graph.update(np.where(fold == k, -1, codes))[rows[out]]
    return fit_temper(said, codes[rows], trust(len(rows), int((counts == 0).sum())))


def by(model):
    "A method from a classifier that learns from the labels alone."

    def method(pool, codes):
        labeled = codes >= 0
        probs = [np.zeros((len(z), pool.n_classes)) for z in (pool.z, pool.new)]
        known = np.unique(codes[labeled])
        fitted = model().fit(pool.z[labeled], codes[labeled]) if len(known) > 1 else None
        for said, z in zip(probs, (pool.z, pool.new)):
            said[:, known] = 1 if fitted is None else fitted.predict_proba(z)
        return probs

    return method


def propagation(pool, codes):
    from ssvae_widgets.graph.propagate import knn_graph, poisson

    probs = poisson(knn_graph(pool.z, neighbors=pool.near), codes, pool.n_classes)
    return probs, None


def spreading(pool, codes):
    from sklearn.semi_supervised import LabelSpreading

    fitted = LabelSpreading(kernel="knn", n_neighbors=10, alpha=0.95, max_iter=100).fit(pool.z, codes)
    probs = np.zeros((len(pool.z), pool.n_classes))
    probs[:, fitted.classes_] = fitted.label_distributions_
    return probs, None


def self_training(pool, codes):
    from sklearn.semi_supervised import SelfTrainingClassifier

    fitted = SelfTrainingClassifier(logistic(), criterion="k_best", k_best=len(pool.z) // 10).fit(pool.z, codes)
    said = [np.zeros((len(z), pool.n_classes)) for z in (pool.z, pool.new)]
    for probs, z in zip(said, (pool.z, pool.new)):
        probs[:, fitted.classes_] = fitted.predict_proba(z)
    return said


def logistic():
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10, max_iter=500)


def nearest():
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(1)


METHODS = {
    "logistic regression": by(logistic),
    "blend": blend,
    "propagation": propagation,
    "1-NN": by(nearest),
    "label spreading": spreading,
    "self-training": self_training,
}


# ------------------------------------------------------------------ the table
def measure(pool, method, codes):
    "Scores of the pool and of new pictures, calibration error, CPU seconds; nothing where a method gives up."
    from ssvae_widgets.assess.metrics import ece

    start, rest = time.process_time(), codes < 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            probs, new = method(pool, codes)
        except ValueError:
            return dict.fromkeys(("pool", "many", "new", "ece", "cpu"), np.nan)
    seconds = getattr(method, "seconds", time.process_time() - start)
    return dict(
        pool=pool.score(probs.argmax(1)[rest], pool.truth[rest]),
        many=pool.score(probs.argmax(1)[rest], pool.truth[rest], 10),
        new=np.nan if new is None else pool.score(new.argmax(1), pool.real),
        ece=ece(probs[rest], pool.truth[rest]),
        cpu=seconds,
    )


def told(values):
    values = np.array(values, float)
    return dict(mean=float(values.mean()), sd=float(values.std()), least=float(values.min()))


def table(name, pool, args):
    rows = {}
    for kind in ("balanced", "uniform"):
        for m in COUNTS:
            slow = len(pool.z) > 5000
            runs = {method: [] for method in METHODS if m == 50 or not slow or method not in SLOW}
            for seed in range(args.draws):
                labeled, codes = draw(pool.truth, kind, m, seed), np.full(len(pool.truth), -1)
                codes[labeled] = pool.truth[labeled]
                for method in [method for method in runs if not slow or seed < 2 or method not in SLOW]:
                    runs[method].append(measure(pool, METHODS[method], codes))
            row = rows[f"{kind} {m}"] = {}
            for method, found in runs.items():
                row[method] = {key: told([run[key] for run in found]) for key in found[0]}
                for side in ("pool", "many", "new"):
                    pairs = zip(found, runs["logistic regression"])
                    row[method][f"ahead, {side}"] = told([run[side] - plain[side] for run, plain in pairs])
            line = "  ".join(f"{method} {v['pool']['mean']:.1f}" for method, v in row.items())
            both = row["blend"]
            print(
                f"{name}, {kind} {m}: pool: {line} | blend: new {both['new']['mean']:.1f}, ahead of logistic "
                f"regression {both['ahead, pool']['mean']:+.1f} (least {both['ahead, pool']['least']:+.1f}), many "
                f"{both['ahead, many']['mean']:+.1f} (least {both['ahead, many']['least']:+.1f}), new "
                f"{both['ahead, new']['mean']:+.1f} (least {both['ahead, new']['least']:+.1f}), ECE "
                f"{both['ece']['mean']:.3f}, {both['cpu']['mean']:.2f} CPU s",
                flush=True,
            )
    return dict(pool=len(pool.z), new=len(pool.new), by_class=pool.by_class, draws=args.draws, rows=rows)


def picture(result):
    from ssvae_widgets.plots import Figure

    fig = Figure(figsize=(4 * len(result), 6), layout="constrained", facecolor="white")
    axes = fig.subplots(2, len(result), squeeze=False, sharex=True)
    for column, (name, part) in zip(axes.T, result.items()):
        for ax, kind in zip(column, ("balanced", "uniform")):
            for method in METHODS:
                found = {m: part["rows"][f"{kind} {m}"].get(method, {}).get("pool") for m in COUNTS}
                counts, found = [m for m in COUNTS if found[m]], [found[m] for m in COUNTS if found[m]]
                ax.errorbar(counts, [f["mean"] for f in found], [f["sd"] for f in found], capsize=2, label=method)
            ax.set(
                title=f"{name}, {kind} labels", xscale="log", ylabel="recall, %" if part["by_class"] else "accuracy, %"
            )
            ax.set_xticks(COUNTS, COUNTS)
            ax.minorticks_off()
    axes[0, 0].legend(frameon=False, fontsize=7)
    fig.savefig(OUT.with_suffix(".png"), dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few pictures, two draws; nothing is written")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=["blood", "fashion", "fashion 40:0.4"], help="these pools")
    args = parser.parse_args()
    args.draws = 2 if args.quick else args.draws
    result = json.loads(OUT.read_text()) if OUT.exists() and args.only and not args.quick else {}
    for name, pool in pools(args).items():
        result[name] = table(name, pool, args)
        if not args.quick:
            OUT.parent.mkdir(parents=True, exist_ok=True)
            OUT.write_text(json.dumps(result, indent=1) + "\n")
            picture(result)


if __name__ == "__main__":
    main()
