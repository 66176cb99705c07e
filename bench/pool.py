"""A round over many rows: processor time a row, memory, and what the engines of one machine add.

    nice -n 10 python bench/pool.py [--rows N] [--shard-rows N] [--folder F] [--pictures N]

Rows are small vectors of random bytes, which compress as badly as anything. They are scored shard by shard in one
process of its own, as a worker would, with ten classes and a map; its time and its largest memory are those of the
whole process, less what it has after importing. Then the summaries are merged. `--pictures` embeds so many generated
JPEG files with the pixels of each, once here and once by two local processes, and compares the files. Processor
seconds, not wall time. Writes artifacts/bench/pool.json.
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
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "artifacts" / "bench" / "pool.json"
CLASSES = 10
REACH = {"score_us_a_row": 4.0, "score_peak_mb": 1000.0}


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


def apart(what: str, folder: Path) -> dict:
    "Run a stage in a process of its own."
    words = [sys.executable, __file__, "--stage", what, "--folder", str(folder)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True, env=env).stdout)


def embed(folder: Path, n: int) -> dict:
    "Generated pictures by this process and by two others: the same bytes?"
    from PIL import Image

    from ssvae_widgets.pool import Pool
    from ssvae_widgets.pool.shards import KINDS

    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for i in range(n):
        a = np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8)
        Image.fromarray(a).save(folder / "pictures" / f"{i:05d}.jpg")
    files = []
    for engine in ("here", "local"):
        how = dict(features=None, engine=engine, shard_rows=max(1, n // 20), workers=2, progress=False)
        pool = Pool.create(folder / "pictures", folder / engine, **how)
        files.append({p.relative_to(pool.folder): p.read_bytes() for k in KINDS for p in (pool.folder / k).iterdir()})
    return dict(pictures=n, same_bytes=files[0] == files[1])


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--rows", type=int, default=10_000_000)
    p.add_argument("--shard-rows", type=int, default=100_000)
    p.add_argument("--folder", type=Path, help="where the rows go (default: a temporary folder)")
    p.add_argument("--pictures", type=int, default=2_000)
    p.add_argument("--stage", choices=("score", "merge"), help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.stage:
        print(json.dumps({"score": score, "merge": merge}[args.stage](args.folder)))
        return
    folder = args.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        make_rows(folder / "rows", args.rows, args.shard_rows)
        disk = sum(f.stat().st_size for f in (folder / "rows" / "small").iterdir())
        found = dict(rows=args.rows, shard_rows=args.shard_rows, small_mb=disk / 1e6)
        found |= {"score": apart("score", folder / "rows"), "merge": apart("merge", folder / "rows")}
        if args.pictures:
            found["embed"] = embed(folder, args.pictures)
    finally:
        if args.folder is None:
            shutil.rmtree(folder)
    found["reach"] = REACH
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
