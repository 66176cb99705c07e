"""A round over many rows: processor time a row, memory, and what the engines of one machine add.

    export SSVAE_WIDGETS_DATA=…      # folder that holds mnist/
    nice -n 10 python bench/pool.py [--rows N] [--shard-rows N] [--folder F] [--pictures N] [--digits N]

Rows are small vectors of random bytes, which compress as badly as anything. They are scored shard by shard in one
process of its own, as a worker would, with ten classes and a map; its time and its largest memory are those of the
whole process, less what it has after importing. Then the summaries are merged. `--pictures` embeds so many generated
JPEG files with the pixels of each: in one process, in two, as an array of jobs, and with Dask and a Ray cluster of two
nodes where they are installed; the files are compared, and what an engine adds is the processor time of everything
that it has begun, its own processes included, less that of the one process. `--digits` opens the app on a sample of so
many digits in ten shards, labels, and asks all of them. Processor seconds, not wall time.
Writes artifacts/bench/pool.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "artifacts" / "bench" / "pool.json"
CLASSES = 10
REACH = {
    "score_us_a_row": 4.0,
    "score_peak_mb": 1000.0,
    "one_label_cpu": 1.0,
    "round_cpu": 180.0,
    "app_peak_mb": 4096.0,
}


def make_rows(folder: Path, rows: int, shard_rows: int) -> None:
    "A pool of random small vectors, and a learner for it."
    from ssvae_widgets.graph.blend import Head
    from ssvae_widgets.model.map_head import init_map
    from ssvae_widgets.pool.functions import SmallSpace, Thumb, head_arrays, map_arrays
    from ssvae_widgets.pool.learner import HIDDEN, Learner
    from ssvae_widgets.pool.rounds import put_learner
    from ssvae_widgets.pool.shards import Manifest, Shard, shard_path, write_arrays, write_manifest, write_table

    rng, shards = np.random.default_rng(0), []
    space = SmallSpace(np.zeros(64, np.float32), np.eye(64, dtype=np.float32), np.full(64, 1 / 127, np.float32))
    for number, at in enumerate(range(0, rows, shard_rows)):
        n = min(shard_rows, rows - at)
        ids = [f"photos/{i:010d}.jpg" for i in range(at, at + n)]
        small = rng.integers(-127, 128, (n, 64), dtype=np.int8)
        write_table(shard_path(folder, "small", number), {"id": ids, "small": small})
        write_table(shard_path(folder, "thumbs", number), {"id": ids, "thumb": [b""] * n}, group=1024)
        write_table(shard_path(folder, "features", number), {"id": ids[:1]})
        shards.append(Shard(number, n))
    write_arrays(folder / "space.npz", space._asdict())
    write_manifest(folder, Manifest(tuple(shards), ({"kind": "addresses"},), None, None, Thumb(), {"name": "random"}))
    weights = rng.normal(size=(64, CLASSES)).astype(np.float32)
    head = Head(weights, np.zeros(CLASSES, np.float32), np.arange(CLASSES), CLASSES)
    drawn = init_map(rng.normal(size=(100, 64)), HIDDEN)
    arrays = head_arrays(space, head, np.zeros(64, np.float32), 1.0)
    arrays |= {f"map_{k}": v for k, v in map_arrays(space, drawn).items()}
    arrays |= {"classes": np.array([str(c) for c in range(CLASSES)]), "extent": np.array([-30.0, 30, -30, 30])}
    put_learner(folder, Learner(arrays, drawn))


def cpu() -> float:
    "Processor seconds of this process so far."
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak() -> float:
    "Largest resident set in MB since this program began; what the shell before it had does not count."
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def score(folder: Path) -> dict:
    "In a process of its own: every shard of round 1."
    from ssvae_widgets.pool.shards import read_manifest
    from ssvae_widgets.pool.work import Task, do_shard

    shards, task = read_manifest(folder).shards, Task("score", 1)
    start, before, halfway = cpu(), peak(), 0.0
    for i, shard in enumerate(shards):
        do_shard(folder, shard.number, task)
        if i == len(shards) // 2:
            halfway = peak()
    rows = sum(s.rows for s in shards)
    used = cpu() - start
    return dict(cpu=used, us_a_row=1e6 * used / rows, peak_mb=peak(), peak_at_half_mb=halfway, imported_mb=before)


def merge(folder: Path) -> dict:
    "In a process of its own: what all shards say together."
    from ssvae_widgets.pool.rounds import finish_round
    from ssvae_widgets.pool.shards import read_space

    start = cpu()
    found = finish_round(folder, 1, read_space(folder))
    assert found.complete
    return dict(cpu=cpu() - start, peak_mb=peak(), candidates=len(found.candidates["id"]), exact=found.exact)


def apart(what: str, folder: Path, *more: str) -> dict:
    "Run a stage in a process of its own."
    words = [sys.executable, __file__, "--stage", what, "--folder", str(folder), "--words", *more]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": paths}
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=env)
    return json.loads(done.stdout.splitlines()[-1])


def million(folder: Path, rows: int) -> dict:
    "In a process of its own: the app on a sample of ten shards of digits, one label, a round, a proposal on the map."
    from ssvae_widgets import LatentLabeler
    from ssvae_widgets.pool import Pool

    truth, before = np.load(folder / "classes.npy", mmap_mode="r"), tree_cpu()
    pool = Pool.create(
        folder / "images.npy", folder / "pool", features=None, shard_rows=rows // 10, workers=2, progress=False
    )
    found, mark = dict(rows=len(pool), shards=len(pool.manifest.shards), embed_cpu=tree_cpu() - before), tree_cpu()

    def lap(name: str) -> None:
        nonlocal mark
        now = tree_cpu()
        found[name], mark = now - mark, now

    app = LatentLabeler(pool.sample(50_000), classes=[str(c) for c in range(CLASSES)])
    session = app.session
    session.frozen.wait_for_map()
    session.wait()
    app.flush()
    lap("open_cpu")
    known = np.array([truth[int(name.rpartition("#")[2])] for name in session.names])
    here = np.setdiff1d(np.arange(len(known)), [*session.data.away])
    rng = np.random.default_rng(0)
    for c in range(CLASSES):
        session.label(rng.choice(here[known[here] == c], 5, replace=False), str(c))
    session.wait()
    app.flush()
    lap("first_labels_cpu")
    free, costs = here[session.codes[here] < 0], []
    for row in free[:5]:
        session.label([row], str(known[row]))
        session.wait()
        lap("one_label_cpu")
        costs.append(found["one_label_cpu"])
    found["one_label_cpu"] = float(np.median(costs))
    away, start = session.data.away, time.perf_counter()
    session.whole.ask()
    assert session.whole.wait(3600) and not session.whole.problem, session.whole.problem
    app.flush()
    lap("round_cpu")
    came = sorted(away - session.data.away)
    shown = np.isfinite(np.frombuffer(app.map.layer.positions, "<f4").reshape(-1, 2)[came]).all()
    said, found["round_wall"] = pool.round(), time.perf_counter() - start
    right = [
        str(truth[int(i.rpartition("#")[2])]) == said.classes[c]
        for i, c in zip(said.candidates["id"], said.candidates["class"])
    ]
    found |= dict(
        came=len(came), all_on_the_map=bool(shown), first=str(session.next()), candidates_right=float(np.mean(right))
    )
    name = session.names[session.current.serial]
    session.label([session.current.serial], str(truth[int(name.rpartition("#")[2])]))
    session.wait()
    found |= dict(labeled_in_the_pool=name in pool.labels.now, peak_mb=peak())
    app.close()
    return found


def make_digits(folder: Path, rows: int) -> None:
    "Digits of MNIST, shifted with noise from the second time on."
    from ssvae_widgets import load_mnist

    some, truth = load_mnist(n=min(rows, 60_000))
    some = np.asarray(some)
    some = some if some.dtype == np.uint8 else np.rint(some * 255).astype(np.uint8)
    rng = np.random.default_rng(0)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (rows, 28, 28))
    for i in range(0, rows, 10_000):
        part = some[np.arange(i, min(i + 10_000, rows)) % len(some)]
        if i >= len(some):
            part = np.roll(part, rng.integers(-2, 3, 2), (1, 2)) + rng.normal(0, 8, part.shape)
        images[i : i + len(part)] = np.clip(part, 0, 255)
    images.flush()
    np.save(folder / "classes.npy", np.asarray(truth)[np.arange(rows) % len(some)].astype(np.uint8))


def tree_cpu() -> float:
    "Processor seconds of this process and of all that it has begun, also of what has ended."
    import psutil

    total, me = 0.0, psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            used = process.cpu_times()
            total += used.user + used.system + used.children_user + used.children_system
        except psutil.Error:
            continue
    return total


def draw_pictures(folder: Path, n: int) -> None:
    "JPEG files of colored squares, 128 × 96."
    from PIL import Image

    rng = np.random.default_rng(0)
    folder.mkdir()
    for i in range(n):
        a = np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8)
        Image.fromarray(a).save(folder / f"{i:05d}.jpg")


def engine(folder: Path, name: str) -> dict:
    "In a process of its own: embed the pictures with one engine."
    from ssvae_widgets.pool import Pool

    n = len([*(folder / "pictures").iterdir()])
    make = dict(features=None, shard_rows=max(1, n // 20), progress=False)
    pool = Pool.create(folder / "pictures", folder / name, engine="here", embed=False, **make)
    before, start, cluster = tree_cpu(), time.perf_counter(), None
    if name == "array":
        run = "import sys; from ssvae_widgets.cli.pool import pool; sys.exit(pool())"
        command = [sys.executable, "-c", run, "create", str(pool.folder), "--quiet", "--shard"]
        for s in pool.manifest.shards[::2]:  # two shards for each job
            more = [str(k) for k in (s.number, s.number + 1) if k < len(pool.manifest.shards)]
            subprocess.run([*command, *more], check=True)
    elif name == "ray":
        import ray
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 1, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(num_cpus=1)
        ray.init(cluster.address, log_to_driver=False, logging_level="error")
    ready = time.perf_counter() - start
    if name != "array":
        pool.embed(name, workers=2, progress=False)
    found = dict(cpu=tree_cpu() - before, wall=time.perf_counter() - start, start_wall=ready)
    if cluster is not None:
        ray.shutdown()
        cluster.shutdown()
    return found


def files_of(folder: Path) -> dict[str, bytes]:
    from ssvae_widgets.pool.shards import KINDS

    return {p.relative_to(folder).as_posix(): p.read_bytes() for k in KINDS for p in (folder / k).iterdir()}


def engines(folder: Path, n: int) -> dict:
    "Generated pictures by every engine that is installed: the same bytes, and what each adds."
    from importlib.util import find_spec

    draw_pictures(folder / "pictures", n)
    found: dict = {"pictures": n}
    packages = {"here": "numpy", "local": "numpy", "array": "numpy", "dask": "distributed", "ray": "ray"}
    for name in [name for name, package in packages.items() if find_spec(package)]:
        found[name] = apart("engine", folder, name)
        found[name]["same_bytes"] = files_of(folder / name) == files_of(folder / "here")
        found[name]["added_cpu"] = found[name]["cpu"] - found["here"]["cpu"]
    return found


STAGES = {
    "score": lambda args: score(args.folder),
    "merge": lambda args: merge(args.folder),
    "engine": lambda args: engine(args.folder, args.words[0]),
    "million": lambda args: million(args.folder, int(args.words[0])),
}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--rows", type=int, default=10_000_000, help="small vectors to score; 0: none")
    p.add_argument("--shard-rows", type=int, default=100_000)
    p.add_argument("--folder", type=Path, help="where the rows go (default: a temporary folder)")
    p.add_argument("--pictures", type=int, default=5_000, help="JPEG files for every engine; 0: none")
    p.add_argument("--digits", type=int, default=1_000_000, help="rows of ten shards for the app; 0: none")
    p.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    p.add_argument("--words", nargs="*", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.stage:
        print(json.dumps(STAGES[args.stage](args)))
        return
    folder = args.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    found = json.loads(OUT.read_text()) if OUT.exists() else {}

    def keep(**more) -> None:
        found.update(more, reach=REACH)
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps(found, indent=1))
        print(json.dumps(more, indent=1), flush=True)

    try:
        if args.pictures:
            keep(engines=engines(folder, args.pictures))
        if args.digits:
            make_digits(folder, args.digits)
            keep(million=apart("million", folder, str(args.digits)))
            shutil.rmtree(folder / "pool")
        if args.rows:
            make_rows(folder / "rows", args.rows, args.shard_rows)
            disk = sum(f.stat().st_size for f in (folder / "rows" / "small").iterdir())
            keep(rows=args.rows, shard_rows=args.shard_rows, small_mb=disk / 1e6)
            keep(score=apart("score", folder / "rows"))
            keep(merge=apart("merge", folder / "rows"))
    finally:
        if args.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
