"""Between the points of a map: what regions, the atlas and a film cost, and how honest they are.

    python bench/generative.py [regions] [honest] [atlas] [--quick]

Adds to artifacts/bench/generative.json. "regions": milliseconds for class and certainty of every place of clouds of
points, bytes on the wire, and how long after an answer a map of so many points has the new ones. "honest": half of the
points are left out; at their places the answers of the points around (the regions) are compared with what the network
says of its own drawings there: share that is right, expected calibration error, and how much of the left-out half is
spoken of; and how far a picture drawn at the place of a point is from the point's own reconstruction, by the mean of
near latents and by the learned way back. "atlas": milliseconds for 24 columns, and the size of a film. Data:
$SSVAE_WIDGETS_DATA/mnist, without it the small digits alone.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

OUT = Path(__file__).resolve().parents[1] / "artifacts" / "bench" / "generative.json"


def median_ms(times, f, *args):
    took = []
    for _ in range(times):
        start = time.perf_counter()
        f(*args)
        took.append(1000 * (time.perf_counter() - start))
    return round(statistics.median(took), 1)


def cloud(n, classes, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, classes, n)
    xy = rng.normal(0, 30, (classes, 2))[codes] + rng.normal(0, 6, (n, 2))
    return xy.astype(np.float32), codes, rng.random(n)


def regions(args):
    "Time and size by the number of points."
    from ssvae_widgets import LatentMap
    from ssvae_widgets.graph.regions import find_regions
    from ssvae_widgets.widgets.map_regions import pack_regions

    rows = []
    for n, classes in ((600, 8), (12_000, 10), (12_000, 200), (60_000, 10), (1_000_000, 10)):
        if args.quick and n > 60_000:
            continue
        xy, codes, sure = cloud(n, classes)
        find_regions(xy, codes, sure)
        row = dict(points=n, classes=classes, find_ms=median_ms(9, find_regions, xy, codes, sure))
        found = find_regions(xy, codes, sure)
        packed = pack_regions(found)
        row |= dict(pack_ms=median_ms(9, pack_regions, found))
        row |= dict(bytes=len(packed["codes"]) + len(packed["certainty"]))
        if n <= 60_000:
            map, waits = LatentMap(xy, codes, classes=classes, regions=True), []
            map.ground.wait(60)
            for k in range(5):
                time.sleep(0.3)  # a person answers
                before, start = map.layer.areas, time.perf_counter()
                map.set_predictions((codes + k) % classes, certainty=sure)
                while map.layer.areas is before:
                    time.sleep(0.001)
                waits.append(1000 * (time.perf_counter() - start))
            map.close()
            row["after_answer_ms"] = round(statistics.median(waits), 1)
        rows.append(row)
        print(row, flush=True)
    return rows


def sets(args):
    "Name -> images and truth."
    from ssvae_widgets import load_digits, load_mnist

    found = {"digits": load_digits()}
    if os.environ.get("SSVAE_WIDGETS_DATA") and not args.quick:
        images, truth = load_mnist()
        found["mnist"] = images[:12_000], truth[:12_000]
    return found


def trained(images, truth, epochs):
    "A model with five labels of each class."
    from ssvae_widgets import SSVAE, SSVAEConfig

    rng, labels = np.random.default_rng(0), np.full(len(truth), np.nan)
    for k in range(10):
        labels[rng.choice(np.flatnonzero(truth == k), 5, replace=False)] = k
    model = SSVAE(images.shape[1:], SSVAEConfig(max_epochs=epochs))
    model.fit(images, labels, callbacks=None)
    return model, model.embed(images)


def calibration(sure, right):
    "Expected calibration error in ten bins."
    bins = np.minimum((10 * sure).astype(int), 9)
    each = [(bins == k) for k in range(10) if (bins == k).any()]
    return float(sum(abs(sure[b].mean() - right[b].mean()) * b.mean() for b in each))


def judged(codes, sure, truth):
    right = codes == truth
    told = dict(right=100 * right.mean(), calibration_error=calibration(sure, right))
    return {k: round(float(v), 4) for k, v in told.items()}


def off(pictures, own):
    "Mean squared difference."
    return round(float(np.square(pictures - own).mean()), 5)


def honest(args):
    "Who is right at places of points that were left out."
    from ssvae_widgets.graph.regions import find_regions
    from ssvae_widgets.model.decode_map import map_decoder

    told = {}
    for name, (images, truth) in sets(args).items():
        model, made = trained(np.asarray(images), truth, 15 if name == "digits" else 10)
        snapshot, order = model.snapshot(), np.random.default_rng(2).permutation(len(truth))
        seen, out = order[: len(order) // 2], order[len(order) // 2 :]
        found = find_regions(made.xy[seen], made.probs[seen].argmax(1), made.probs[seen].max(1))
        codes, sure = found.at(made.xy[out])
        draw = map_decoder(snapshot, made.xy[seen], made.z[seen])
        some = out[:2000]
        said = snapshot.classify(draw(made.xy[some]))
        whole, own = map_decoder(snapshot, made.xy, made.z, most=len(truth)), snapshot.decode(made.z[some])
        told[name] = dict(
            regions=judged(codes[codes >= 0], sure[codes >= 0], truth[out][codes >= 0])
            | {"spoken": float((codes >= 0).mean())},
            network_on_drawings=judged(said.argmax(1), said.max(1), truth[some]),
            own_answers=judged(made.probs[out].argmax(1), made.probs[out].max(1), truth[out]),
            in_place=dict(
                near_mean=off(whole(made.xy[some]), own), way_back=off(snapshot.decode_map(made.xy[some]), own)
            ),
            left_out=dict(near_mean=off(draw(made.xy[some]), own)),
        )
        print(name, told[name], flush=True)
    return told


def atlas(args):
    "What an atlas and a film take."
    from ssvae_widgets import LabelingSession, load_digits
    from ssvae_widgets.widgets.film import write_film

    told = {}
    for name, (images, truth) in sets(args).items():
        model, made = trained(np.asarray(images), truth, 2)
        took = median_ms(3, model.atlas, images, 24, made)
        told[name] = dict(atlas_ms=took, pictures=int(np.prod(model.atlas(images, 24, made).near.shape)))
    images, truth = load_digits()
    with LabelingSession(images, None, classes=10) as s, tempfile.TemporaryDirectory() as folder:
        for k in range(10):
            s.label(np.flatnonzero(truth == k)[:3], k)
        for _ in range(3):
            s.train(2)
            s.wait(300)
        start = time.perf_counter()
        path = write_film(s, Path(folder) / "film.html")
        took = round(1000 * (time.perf_counter() - start), 1)
        told["film"] = dict(rounds=len(s.rounds), ms=took, bytes=path.stat().st_size)
    print(told, flush=True)
    return told


def main():
    parts = {"regions": regions, "honest": honest, "atlas": atlas}
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", nargs="*", choices=[*parts, []], help="nothing: all of it")
    p.add_argument("--quick", action="store_true", help="small sets only")
    args = p.parse_args()
    results = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name in args.what or parts:
        results[name] = parts[name](args)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
