"""Machines are lost in the middle: with Ray and Dask every picture is there once, and nobody waits for ever.

The short form runs wherever the engines are installed; `make test-cluster` installs them and runs all of it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from waiting import until

from ssvae_widgets.pool import Pool
from ssvae_widgets.pool.engines import module_paths
from ssvae_widgets.pool.shards import KINDS, read_table, shard_path

SHARDS, ROWS = 10, 6
WAIT = 120.0  # seconds without a new shard: an error

HOOKS = """
import os, signal, time
from pathlib import Path
from ssvae_widgets.pool.work import pixels

def look(batch):
    mark = Path(os.environ.get("POOL_DIE_ONCE", "/nowhere"))
    if mark.exists():
        mark.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(os.environ.get("POOL_SLEEP", 0)))
    return pixels(batch)
"""


def needs(package: str):
    "A mark: skipped with a sentence where a package is not installed."
    there = importlib.util.find_spec(package) is not None
    return pytest.mark.skipif(not there, reason=f"{package} is not installed: make test-cluster brings it")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    "Pictures, and a function that dies or dawdles on demand, where workers find it."
    folder, rng = tmp_path_factory.mktemp("cluster"), np.random.default_rng(0)
    (folder / "cluster_hooks.py").write_text(HOOKS)
    (folder / "pictures").mkdir()
    for i in range(SHARDS * ROWS - 1):
        Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / "pictures" / f"{i:03d}.png")
    (folder / "pictures" / "bad.png").write_bytes(b"no picture")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def listed(place: Path, folder: Path) -> Pool:
    "A pool of which no shard is embedded."
    how = dict(size=6, engine="here", shard_rows=ROWS, embed=False, progress=False)
    return Pool.create(place / "pictures", folder, features="cluster_hooks:look", **how)


def content(pool: Pool) -> dict[str, bytes]:
    files = [p for kind in KINDS for p in (pool.folder / kind).iterdir() if not p.name.startswith(".")]
    return {p.relative_to(pool.folder).as_posix(): p.read_bytes() for p in files}


@pytest.fixture(scope="module")
def plain(place, tmp_path_factory) -> dict[str, bytes]:
    "What every way has to arrive at."
    pool = listed(place, tmp_path_factory.mktemp("plain") / "pool")
    pool.embed("here", progress=False)
    return content(pool)


def check(pool: Pool, plain: dict[str, bytes]) -> None:
    "Every row once, the same bytes."
    tables = [read_table(shard_path(pool.folder, "small", s.number)) for s in pool.manifest.shards]
    names = [i for t in tables for i in t["id"].to_pylist()]
    assert len(names) == len({*names}) == SHARDS * ROWS and content(pool) == plain


def done(pool: Pool) -> int:
    return len([p for p in (pool.folder / "thumbs").glob("*.parquet") if not p.name.startswith(".")])


class Run(threading.Thread):
    "Embedding in the background; how it ended, and the longest wait for a shard."

    def __init__(self, pool: Pool, engine: str, **how):
        super().__init__(daemon=True)
        self.pool, self.engine, self.how = pool, engine, {"workers": 2, "patience": WAIT} | how
        self.ended, self.error, self.at, self.longest = None, None, time.monotonic(), 0.0

    def told(self, _) -> None:
        now = time.monotonic()
        self.longest, self.at = max(self.longest, now - self.at), now

    def run(self) -> None:
        try:
            self.ended = self.pool.embed(self.engine, progress=self.told, **self.how)
        except BaseException as e:
            self.error = e
        self.told(None)

    def result(self):
        self.join(600)
        assert not self.is_alive() and self.longest < WAIT + 10
        if self.error is not None:
            raise self.error
        return self.ended


@pytest.fixture
def slowly(place, monkeypatch):
    "What workers inherit: where modules are, and a shard takes half a second."
    monkeypatch.setenv("PYTHONPATH", module_paths())
    monkeypatch.setenv("POOL_SLEEP", "0.5")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")


@contextlib.contextmanager
def quiet():
    "Libraries of clusters leave sockets and files to the garbage collector."
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def two_nodes(slowly, monkeypatch):
    "A Ray cluster of two machines on this one, of one processor each."
    monkeypatch.setenv("RAY_DEDUP_LOGS", "0")
    with quiet():
        import ray
        from ray.cluster_utils import Cluster

        own = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=own)
        second = cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
        ray.init(cluster.address, log_to_driver=False, logging_level="error")
        try:
            yield cluster, second
        finally:
            ray.shutdown()
            cluster.shutdown()


pytestmark = pytest.mark.filterwarnings("ignore")  # of the engines, which are not ours


@needs("ray")
def test_ray_loses_an_actor_and_then_a_machine(place, plain, two_nodes, tmp_path, monkeypatch):
    "No other machine comes in its place."
    cluster, second = two_nodes
    pool = listed(place, tmp_path / "pool")
    run = Run(pool, "ray")
    run.start()
    until(lambda: done(pool) >= 2 or run.error, 120)
    kill_an_actor()
    until(lambda: done(pool) >= 5 or run.error, 120)
    cluster.remove_node(second, allow_graceful=False)
    assert run.result().done == SHARDS
    check(pool, plain)


def kill_an_actor() -> None:
    "SIGKILL to one process that embeds."
    import psutil

    found = [p for p in psutil.process_iter(["cmdline"]) if "MapWorker" in " ".join(p.info["cmdline"] or [])]
    mine = [p for p in found if os.getpid() in [q.pid for q in p.parents()]]
    assert mine, "there is no actor to kill"
    mine[0].kill()


@pytest.mark.cluster
@needs("ray")
def test_ray_gets_another_machine_for_the_lost_one(place, plain, two_nodes, tmp_path):
    cluster, second = two_nodes
    pool = listed(place, tmp_path / "pool")
    run = Run(pool, "ray")
    run.start()
    until(lambda: done(pool) >= 3 or run.error, 120)
    cluster.remove_node(second, allow_graceful=False)
    time.sleep(3)
    cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
    assert run.result().done == SHARDS
    check(pool, plain)


@pytest.mark.cluster
@needs("ray")
def test_ray_loses_its_driver(place, plain, slowly, tmp_path, monkeypatch):
    "Started again it does the rest."
    pool = listed(place, tmp_path / "pool")
    code = (
        f"from ssvae_widgets.pool import Pool; Pool.open({str(pool.folder)!r}).embed('ray', workers=2, progress=False)"
    )
    driver = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    until(lambda: done(pool) >= 3 or driver.poll() is not None, 120)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    there = done(pool)
    assert 3 <= there < SHARDS
    code = subprocess.run([sys.executable, "-c", code], timeout=240).returncode
    with contextlib.suppress(ProcessLookupError):
        os.killpg(driver.pid, signal.SIGKILL)
    assert code == 0
    check(pool, plain)


@contextlib.contextmanager
def dask_machines(folder: Path, workers: int = 2):
    "A scheduler and workers as processes, as a cluster has them."
    env = os.environ | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s"}
    address = folder / "scheduler.json"
    dask, none = [sys.executable, "-m", "distributed.cli.dask_worker"], dict(stdout=-3, stderr=-3, env=env)
    lead = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard", "--port", "0"]
    scheduler = subprocess.Popen([*lead, "--host", "127.0.0.1", "--scheduler-file", str(address)], **none)
    more = [
        "--no-dashboard",
        "--nthreads",
        "1",
        "--no-nanny",
        "--scheduler-file",
        str(address),
        "--death-timeout",
        "20",
    ]
    crew = [
        subprocess.Popen([*dask, *more, "--local-directory", str(folder / f"w{i}")], **none) for i in range(workers)
    ]
    try:
        import json

        until(address.exists, 60)
        yield json.loads(address.read_text())["address"], scheduler, crew
    finally:
        for process in (*crew, scheduler):
            process.kill()
            process.wait()


@needs("distributed")
def test_dask_loses_a_worker_and_then_its_scheduler(place, plain, slowly, tmp_path):
    "The worker costs nothing; without a scheduler it ends with an error, and the next run does the rest."
    pool = listed(place, tmp_path / "pool")
    with dask_machines(tmp_path) as (address, scheduler, crew):
        run = Run(pool, address)
        run.start()
        until(lambda: done(pool) >= 2 or run.error, 60)
        crew[0].kill()
        until(lambda: done(pool) >= 5 or run.error, 60)
        assert run.error is None
        scheduler.kill()
        with pytest.raises(Exception) as told:
            run.result()
    assert 5 <= done(pool) < SHARDS, told
    assert pool.embed("here", progress=False).done == SHARDS
    check(pool, plain)


@pytest.mark.cluster
@needs("distributed")
def test_dask_loses_its_driver(place, plain, slowly, tmp_path):
    pool = listed(place, tmp_path / "pool")
    with dask_machines(tmp_path) as (address, _, _):
        code = (
            f"from ssvae_widgets.pool import Pool; Pool.open({str(pool.folder)!r}).embed({address!r}, progress=False)"
        )
        driver = subprocess.Popen([sys.executable, "-c", code])
        until(lambda: done(pool) >= 3 or driver.poll() is not None, 60)
        driver.kill()
        driver.wait()
        assert 3 <= done(pool) < SHARDS
        assert pool.embed(address, progress=False).done == SHARDS
    check(pool, plain)
