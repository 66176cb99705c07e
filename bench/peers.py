"""What is offered next, the map, suspects and strangers, each beside what others do on the same frozen features.

    python bench/peers.py [next] [map] [shown] [issues] [strangers] [--quick] [--draws 5] [--limit 200]

Writes artifacts/bench/peers.json and peers.png; parts that are not named keep their figures. Settings
were chosen on these very pictures; the test images of Fashion-MNIST are not touched.

- next: labels until every class is found, in batches of ten, on pools of clothes with shares from 40 to 0.4, one pool
  for each draw and the same for all; those that have not found all after `limit` labels count as `limit`. "what next"
  is `suggest` as it is, "app" the rule of a session (cover, later margin, every fifth at random); peers are random
  picks and strategies of scikit-activeml.
- map: 12,000 clothes; purity of the ten nearest neighbors, trustworthiness, CPU seconds, beside UMAP.
- shown: what a session shows of digits and of 6,000 MNIST pictures, learned from by pixels: the plane of two
  components, the first map, and the map after 2, 10 and 30 epochs with five labels of each class; purity of the ten
  nearest neighbors and trustworthiness in pixels, UMAP of the same pixels beside them.
- issues: one label in twenty changed; how many are accused, how many of these rightly (precision) and of the changed
  ones (recall), what `precision` stated; before is every label that the others contradict.
- strangers: digits and blood cells among clothes; share of pairs in which the stranger scores higher (AUROC).

Peers are optional: `pip install scikit-activeml umap-learn`. Data: $SSVAE_WIDGETS_DATA/fashion-mnist, mnist and blood.
"""

import argparse
import itertools
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
from answers import draw, skewed, told
from features import CACHE, ROOT, blood, fashion

OUT = ROOT / "artifacts" / "bench" / "peers.json"


def absent(package, what):
    print(f"{package} is not installed, so {what} is left out: pip install {package}", flush=True)


def vectors(name, images, quick):
    "Vectors of pictures as the extractor gives them, made once."
    from ssvae_widgets.data.features import extract_features

    CACHE.mkdir(parents=True, exist_ok=True)
    cache = CACHE / f"{name}-{'peers-quick' if quick else 'answers'}.features"
    return np.array(extract_features(images, size=96, cache=cache, progress=False))


def clothes(args):
    images, truth, n = fashion(*((1200, 300) if args.quick else (12_000, 10_000)))
    return images, vectors("fashion", images, args.quick), truth, n


def cells(args):
    images, truth, _ = blood(600 if args.quick else 4886, 0)
    return images, vectors("blood", images, args.quick), truth, round(0.7 * len(truth))


# ------------------------------------------------------------------ next
def offered(strategy):
    "A strategy of ours: (pool, codes, rng) -> rows."

    def rows(z, near, codes, n_classes, rng):
        from ssvae_widgets.assess.acquire import suggest
        from ssvae_widgets.graph.blend import Blend

        if rows.pool is not z:
            rows.pool, rows.graph = z, Blend(z, n_classes, neighbors=near)
        labeled = (codes >= 0).sum()
        probs = rows.graph.update(codes) if labeled and strategy != "audit" else None
        name, some = strategy, []
        if strategy == "app":
            name = "even_margin" if labeled >= 2 * n_classes else "cover"
            some = list(suggest(2, "audit", codes=codes, rng=rng).indices)
        want = 10 - len(some)
        return [*some, *suggest(want, name, codes=codes, z=z, probs=probs, neighbors=near, skip=some, rng=rng).indices]

    rows.pool = None
    return rows


def of_scikit_activeml(strategy):
    def rows(z, near, codes, n_classes, rng):
        from skactiveml.classifier import SklearnClassifier
        from skactiveml.pool import TypiClust, UncertaintySampling
        from sklearn.linear_model import LogisticRegression

        left, y = np.flatnonzero(codes < 0), np.where(codes >= 0, codes, np.nan)
        if strategy == "TypiClust":
            return TypiClust(random_state=int(rng.integers(2**31))).query(z, y, candidates=left, batch_size=10)
        if len(np.unique(codes[codes >= 0])) < 2:
            return rng.choice(left, 10, replace=False)
        model = SklearnClassifier(LogisticRegression(C=10, max_iter=300), classes=np.arange(n_classes))
        query = UncertaintySampling(method="margin_sampling", random_state=int(rng.integers(2**31)))
        return query.query(z, y, clf=model, candidates=left, batch_size=10)

    return rows


def until_all(pick, z, near, truth, seed, limit):
    "Labels until every class is found, and classes found after each batch."
    codes, rng, found = np.full(len(truth), -1), np.random.default_rng(seed), []
    n_classes = int(truth.max()) + 1
    while len(found) < limit // 10 and (not found or found[-1] < n_classes):
        rows = np.asarray(pick(z, near, codes, n_classes, rng), int)
        codes[rows] = truth[rows]
        found.append(len(np.unique(codes[codes >= 0])))
    return 10 * len(found), [*found, *[found[-1]] * (limit // 10 - len(found))]


def next_part(args):
    from ssvae_widgets.data.features import prepare_features
    from ssvae_widgets.graph.neighbors import nearest_neighbors

    ways = {"what next": offered("auto"), "app": offered("app"), "random": offered("audit")}
    try:
        import skactiveml  # noqa: F401

        ways |= {name: of_scikit_activeml(name) for name in ("TypiClust", "margin sampling")}
    except ImportError:
        absent("scikit-activeml", "what its strategies find")
    _, f, truth, n = clothes(args)
    needed, found = {name: [] for name in ways}, {name: [] for name in ways}
    for seed in range(args.draws):
        order = np.random.default_rng(100 + seed).permutation(n)
        rows = order[skewed(truth[order], 400 if args.quick else 3000)]
        z = prepare_features(f[rows])[0]
        near = nearest_neighbors(z)
        for name, pick in ways.items():
            labels, line = until_all(pick, z, near, truth[rows], seed, args.limit)
            needed[name].append(labels)
            found[name].append(line)
        print(f"next, draw {seed}: " + "  ".join(f"{name} {v[-1]}" for name, v in needed.items()), flush=True)
    return {
        name: dict(
            labels=told(needed[name]),
            all_found=float(np.mean([line[-1] == 10 for line in found[name]])),
            fewer=told(np.array(v) - needed["what next"]),
            runs=v,
            limit=args.limit,
            found=np.mean(found[name], 0).tolist(),
        )
        for name, v in needed.items()
    }


# ------------------------------------------------------------------ map
def map_part(args):
    from ssvae_widgets.assess.metrics import knn_purity, map_trustworthiness
    from ssvae_widgets.data.features import prepare_features
    from ssvae_widgets.model.map_head import fit_map, map_encode

    def ours(z, seed):
        return np.asarray(map_encode(fit_map(z, seed=seed), z, np))

    ways = {"map head": ours}
    try:
        import umap

        ways["UMAP"] = lambda z, seed: umap.UMAP(random_state=seed, n_jobs=1).fit_transform(z)
    except ImportError:
        absent("umap-learn", "its map")
    _, f, truth, n = clothes(args)
    z, result = prepare_features(f[:n])[0], {}
    for name, way in ways.items():
        way(z[:500], 0)  # compiled once
        rows = []
        for seed in range(min(args.draws, args.maps if name == "UMAP" else 3)):
            start = time.process_time()
            xy = way(z, seed)
            seconds = time.process_time() - start
            rows.append((100 * knn_purity(xy, truth[:n]), map_trustworthiness(z, xy), seconds))
        result[name] = {key: told(v) for key, v in zip(("purity", "trustworthiness", "cpu_seconds"), zip(*rows))}
        print("map:", name, {key: round(v["mean"], 3) for key, v in result[name].items()}, flush=True)
    return result


# ------------------------------------------------------------------ shown
def shown_part(args):
    from ssvae_widgets import LabelingSession, load_images
    from ssvae_widgets.assess.metrics import knn_purity, map_trustworthiness

    result = {}
    for name, most in (("digits", 1797), ("mnist", 600 if args.quick else 6000)):
        found = load_images(name)
        images, truth = found.images[:most], np.asarray(found.truth)[:most]
        flat, maps = images.reshape(len(images), -1).astype(np.float32), {}
        with LabelingSession(images, classes=10) as session:
            maps["two components"] = session.predictions.pixels[:, :2]
            session.learned.wait_for_map(600)
            maps["first map"] = session.xy.copy()
            for code in range(10):
                session.label(np.flatnonzero(truth == code)[:5], code)
            for total in (2,) if args.quick else (2, 10, 30):
                session.train(total - session.training.total)
                session.wait(3600)
                maps[f"{total} epochs"] = session.xy.copy()
        try:
            import umap

            maps["UMAP"] = umap.UMAP(random_state=0, n_jobs=1).fit_transform(flat)
        except ImportError:
            absent("umap-learn", "its map")
        result[name] = {
            way: dict(purity=100 * knn_purity(xy, truth), trustworthiness=float(map_trustworthiness(flat, xy)))
            for way, xy in maps.items()
        }
        for way, v in result[name].items():
            print(f"shown: {name}, {way}:", {key: round(value, 3) for key, value in v.items()}, flush=True)
    return result


# ------------------------------------------------------------------ issues
class Heard:
    "A propagator that has been asked already."

    def __init__(self, graph, codes):
        self.n_classes = graph.n_classes
        graph.update(codes)
        self.rows, self.others = graph.leave_one_out()

    def update(self, codes, n_classes):
        pass

    def leave_one_out(self):
        return self.rows, self.others

    def contradicted(self, codes):
        "Every label that the others contradict: how it was before accusations were weighed."
        return self.rows[self.others.argmax(1) != codes[self.rows]]


def issues_part(args):
    from features import pixels

    from ssvae_widgets.assess.acquire import find_label_issues
    from ssvae_widgets.data.features import prepare_features
    from ssvae_widgets.graph.propagate import Propagator
    from ssvae_widgets.session.predictions import pixel_features

    result = {}
    for data, load in (("fashion", clothes), ("blood", cells)):
        images, f, truth, n = load(args)
        flat = images[:n] if data == "fashion" else pixels(images)[:n]
        spaces = dict(features=prepare_features(f[:n])[0], pixels=pixel_features(flat))
        truth, n_classes = truth[:n], int(truth.max()) + 1
        for (space, z), (m, share) in itertools.product(spaces.items(), ((100, 0.05), (250, 0.05), (250, 0.0))):
            graph, before, after, stated = Propagator(z, n_classes), [], [], []
            for seed in range(args.draws):
                rng, rows = np.random.default_rng(seed), draw(truth, "uniform", m, seed)
                codes = np.full(n, -1)
                codes[rows] = truth[rows]
                bad = rng.choice(rows, round(share * m), replace=False)
                codes[bad] = (codes[bad] + rng.integers(1, n_classes, len(bad))) % n_classes
                heard = Heard(graph, codes)
                found = find_label_issues(codes, propagator=heard)
                for kept, accused in ((before, heard.contradicted(codes)), (after, found.indices)):
                    kept.append((len(accused), len(set(accused) & set(bad)), len(bad)))
                stated.append(found.precision * len(found) if len(found) else 0.0)
            row = {}
            for name, kept in (("before", before), ("after", after)):
                accused, right, wrong = np.sum(kept, 0)
                row[name] = dict(
                    accused=accused / args.draws,
                    precision=right / accused if accused else None,
                    recall=right / wrong if wrong else None,
                )
            row["after"]["stated"] = sum(stated) / accused if accused else None
            result[f"{data}, {space}, {m} labels, {share:.0%} wrong"] = row
            print(f"issues: {data}, {space}, {m} labels, {share:.0%} wrong:", shown(row), flush=True)
    return result


def shown(row):
    return {k: {n: None if v is None else round(float(v), 2) for n, v in part.items()} for k, part in row.items()}


# ------------------------------------------------------------------ strangers
def strangers_part(args):
    from sklearn.metrics import roc_auc_score
    from sklearn.neighbors import NearestNeighbors

    from ssvae_widgets.assess.groups import reach
    from ssvae_widgets.assess.metrics import ood_score
    from ssvae_widgets.data.features import prepare_features
    from ssvae_widgets.data.standard import read_idx
    from ssvae_widgets.graph.neighbors import nearest_neighbors
    from ssvae_widgets.graph.propagate import knn_graph

    _, f, truth, n = clothes(args)
    pool, test = f[: n // 2], f[n // 2 : n // 2 + 2000]
    digits = read_idx(Path(os.environ["SSVAE_WIDGETS_DATA"], "mnist", "train-images-idx3-ubyte.gz"))[
        : 1200 // 4 if args.quick else 1200
    ]
    result = {}
    for name, odd in (("digits", vectors("digits", digits, args.quick)), ("blood cells", cells(args)[1][:1200])):
        z, pca = prepare_features(pool)
        new, known = np.concatenate([test, odd]), nearest_neighbors(z)[1]
        far = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(z).kneighbors(pca(new))[0]
        strange = np.arange(len(new)) >= len(test)
        after = ood_score(pca.residual(new), far, (pca.residual(pool), known))
        result[f"new {name}"] = dict(
            distance=roc_auc_score(strange, far.mean(1)),
            residual=roc_auc_score(strange, pca.residual(new)),
            score=roc_auc_score(strange, after),
            false_alarms=float((after[~strange] > 0.95).mean()),
        )
        for share in (0.002, 0.02, 0.2):
            both = np.concatenate([pool, odd[: round(share * len(pool))]])
            z, pca = prepare_features(both)
            strange, near, rows = np.arange(len(both)) >= len(pool), nearest_neighbors(z), []
            for seed in range(args.draws):
                codes = np.full(len(z), -1)
                labeled = np.random.default_rng(seed).choice(len(pool), 50, replace=False)
                codes[labeled] = truth[labeled]
                rows.append(-reach(knn_graph(z, neighbors=near), codes))
            residual = pca.residual(both)
            result[f"{strange.mean():.1%} {name} in the pool"] = dict(
                distance=roc_auc_score(strange, near[1].mean(1)),
                residual=roc_auc_score(strange, residual),
                reach=np.mean([roc_auc_score(strange, r) for r in rows]),
                score=np.mean([roc_auc_score(strange, ood_score(residual, r)) for r in rows]),
            )
    for name, row in result.items():
        print("strangers:", name, {k: round(float(v), 3) for k, v in row.items()}, flush=True)
    return result


# ------------------------------------------------------------------ all
def picture(result):
    from ssvae_widgets.plots import Figure

    fig = Figure(figsize=(11, 3.6), layout="constrained", facecolor="white")
    first, second = fig.subplots(1, 2)
    for name, part in result.get("next", {}).items():
        counts = 10 * np.arange(1, len(part["found"]) + 1)
        first.plot(counts, part["found"], marker=".", label=f"{name}: {part['labels']['mean']:.0f}")
    limit = next((part["limit"] for part in result.get("next", {}).values()), 0)
    first.set(title="clothes, shares from 40 to 0.4", xlabel="labels", ylabel="classes found")
    first.legend(
        frameon=False, fontsize=7, title=f"labels until all are found,\n{limit} where they are not", title_fontsize=7
    )
    rows = [(name, row) for name, row in result.get("issues", {}).items() if "5%" in name]
    place = np.arange(len(rows))
    for shift, (side, key) in enumerate((("before", "precision"), ("after", "precision"), ("after", "recall"))):
        height = [row[side][key] or 0 for _, row in rows]
        second.bar(place + 0.27 * (shift - 1), height, 0.25, label=f"{key}, {side}")
    second.set_xticks(place, [name.replace(", 5% wrong", "").replace(", ", "\n") for name, _ in rows], fontsize=7)
    second.set(title="one label in twenty is wrong: the accused", ylim=(0, 1.2))
    second.legend(frameon=False, fontsize=7, ncols=3, loc="upper center")
    fig.savefig(OUT.with_suffix(".png"), dpi=110)


PARTS = {"next": next_part, "map": map_part, "shown": shown_part, "issues": issues_part, "strangers": strangers_part}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument("--quick", action="store_true", help="few pictures, two draws; nothing is written")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--maps", type=int, default=3, help="maps by UMAP at most")
    parser.add_argument("--limit", type=int, default=200, help="labels bought at most")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    args.draws = 2 if args.quick else args.draws
    result = json.loads(OUT.read_text()) if OUT.exists() and not args.quick else {}
    for name in args.parts or PARTS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result[name] = PARTS[name](args)
        if not args.quick:
            OUT.parent.mkdir(parents=True, exist_ok=True)
            OUT.write_text(json.dumps(result, indent=1, default=float) + "\n")
            picture(result)


if __name__ == "__main__":
    main()
