"""Machines are lost in the middle: with Ray and Dask every picture is there once, and nobody waits for ever.

The short form runs wherever the engines are installed; `make test-cluster` installs them and runs all of it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
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

pytestmark = pytest.mark.filterwarnings("ignore")  # of the engines, which are not ours

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
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), module_paths()]))
    monkeypatch.setenv("POOL_SLEEP", "0.5")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")


def lost_machine(folder: str, replaced: bool) -> None:
    """In a process of its own: Ray on two machines of one processor each, which are processes here. An actor is
    killed, then a machine; another one comes in its place, or none."""
    import ray
    from ray.cluster_utils import Cluster

    soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
    head = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False, "_system_config": soon}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
    ray.init(cluster.address, log_to_driver=False, logging_level="error")
    pool = Pool.open(folder)
    run = Run(pool, "ray")
    run.start()
    until(lambda: done(pool) >= 2 or run.error, 120)
    kill_an_actor()
    until(lambda: done(pool) >= 4 or run.error, 120)
    cluster.remove_node(second, allow_graceful=False)
    if replaced:
        time.sleep(2)
        cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
    found = run.result()
    ray.shutdown()
    cluster.shutdown()
    print(json.dumps({"done": found.done, "longest": run.longest}))


def kill_an_actor() -> None:
    "SIGKILL to one process that embeds."
    import psutil

    mine = psutil.Process().children(recursive=True)
    actors = [p for p in mine if "MapWorker" in " ".join(p.cmdline())]
    assert actors, "there is no actor to kill"
    actors[0].kill()


def apart(what: str, timeout: float = 300) -> dict:
    "Run a scenario in a process of its own, with all that it begins; what it says last."
    code = f"from test_pool_cluster import *; {what}"
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, start_new_session=True) as process:
        try:
            said, cried = process.communicate(timeout=timeout)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, cried.decode(errors="replace")[-3000:]
    return json.loads(said.decode().splitlines()[-1])


@needs("ray")
@pytest.mark.parametrize("another", [False, pytest.param(True, marks=pytest.mark.cluster)], ids=["none", "another"])
def test_ray_loses_an_actor_and_then_a_machine(place, plain, slowly, tmp_path, another):
    "No other machine comes in its place, or one does."
    pool = listed(place, tmp_path / "pool")
    told = apart(f"lost_machine({str(pool.folder)!r}, {another})")
    assert told["done"] == SHARDS and told["longest"] < WAIT
    check(pool, plain)


@pytest.mark.cluster
@needs("ray")
def test_ray_loses_its_driver(place, plain, slowly, tmp_path):
    "Started again it does the rest."
    pool = listed(place, tmp_path / "pool")
    driver = subprocess.Popen(driving(pool, "ray"), start_new_session=True)
    until(lambda: done(pool) >= 3 or driver.poll() is not None, 120)
    driver.kill()
    driver.wait()
    there = done(pool)
    assert 3 <= there < SHARDS
    try:
        subprocess.run(driving(pool, "ray"), timeout=300, check=True)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(driver.pid, signal.SIGKILL)
    check(pool, plain)


def driving(pool: Pool, engine: str) -> list[str]:
    "A command that embeds a pool."
    work = f"Pool.open({str(pool.folder)!r}).embed({engine!r}, workers=2, progress=False)"
    return [sys.executable, "-c", f"from ssvae_widgets.pool import Pool; {work}"]


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
        until(lambda: address.exists() and address.read_text().rstrip().endswith("}"), 60)
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
        driver = subprocess.Popen(driving(pool, address))
        until(lambda: done(pool) >= 3 or driver.poll() is not None, 60)
        driver.kill()
        driver.wait()
        assert 3 <= done(pool) < SHARDS
        assert pool.embed(address, progress=False).done == SHARDS
    check(pool, plain)
