"""A pool survives its workers, its driver, its shards and its growth; labels are by name; what is merged is exact."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ssvae_widgets.cli.common import UsageError
from ssvae_widgets.cli.pool import read_label_table
from ssvae_widgets.errors import ArgumentError, DataError
from ssvae_widgets.labels.store import LabelStore
from ssvae_widgets.pool import Pool, StalledError, WorkerError
from ssvae_widgets.pool.engines import ENGINES
from ssvae_widgets.pool.functions import NO_CLASS, Thumb, embed
from ssvae_widgets.pool.id_log import to_line
from ssvae_widgets.pool.labels import PoolLabels
from ssvae_widgets.pool.learner import Learner, deep_map
from ssvae_widgets.pool.reduce import merge_smallest, merge_summaries, smallest, summarize
from ssvae_widgets.pool.sample import exchange, recover_labels, sample_folder
from ssvae_widgets.pool.shards import KINDS, read_arrays, read_table, shard_path, small_rows
from ssvae_widgets.pool.work import Task, extractor_of

N, ROWS = 120, 20

HOOKS = """
import os, signal, time
from pathlib import Path
from ssvae_widgets.pool.work import pixels

def look(batch):
    mark = Path(os.environ.get("POOL_DIE_ONCE", "/nowhere"))
    if mark.exists() or os.environ.get("POOL_DIE"):
        mark.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(os.environ.get("POOL_SLEEP", 0)))
    return pixels(batch)
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    "JPEG files in two folders, one file that is none, one that is cut short."
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    (folder / "b").mkdir()
    for i in range(N - 2):
        a = np.kron(rng.integers(0, 255, (4, 4, 3)), np.ones((8, 10, 1))).astype(np.uint8)
        Image.fromarray(a).save(folder / ("b" if i % 2 else ".") / f"{i:03d}.jpg")
    (folder / "none.jpg").write_bytes(b"no picture")
    (folder / "cut.jpg").write_bytes((folder / "000.jpg").read_bytes()[:100])
    return folder


@pytest.fixture(scope="module")
def bare(pictures, tmp_path_factory) -> Path:
    "A pool whose shards are still to be embedded, by a function that kills its process, hangs or dawdles on demand."
    place = tmp_path_factory.mktemp("bare")
    (place / "pool_hooks.py").write_text(HOOKS)
    sys.path.insert(0, str(place))
    how = dict(size=6, engine="here", shard_rows=ROWS, embed=False, progress=False)
    yield Pool.create(pictures, place / "pool", features="pool_hooks:look", **how).folder
    sys.path.remove(str(place))


def copied(folder: Path, to: Path) -> Pool:
    shutil.copytree(folder, to)
    return Pool.open(to)


@pytest.fixture(scope="module")
def plain(bare, tmp_path_factory) -> Pool:
    "What every engine has to arrive at."
    pool = copied(bare, tmp_path_factory.mktemp("plain") / "pool")
    pool.embed("here", progress=False)
    return pool


def content(pool: Pool) -> dict[str, bytes]:
    "Every file of the shards."
    files = [p for kind in ("items", *KINDS) for p in (pool.folder / kind).iterdir() if not p.name.startswith(".")]
    return {p.relative_to(pool.folder).as_posix(): p.read_bytes() for p in files}


def names(pool: Pool) -> list[str]:
    return [
        i
        for s in pool.manifest.shards
        for i in read_table(shard_path(pool.folder, "small", s.number))["id"].to_pylist()
    ]


def test_bad_pictures_are_rows_with_a_reason(plain):
    assert {i for i, _ in plain.unreadable()} == {"none.jpg", "cut.jpg"} and all(r for _, r in plain.unreadable())
    assert sorted(names(plain)) == sorted({*names(plain)}) and len(names(plain)) == N == len(plain)
    missing = sum(
        (~small_rows(read_table(shard_path(plain.folder, "small", s.number)))[1]).sum() for s in plain.manifest.shards
    )
    assert missing == 2 and not {"none.jpg", "cut.jpg"} & {i for i, _, _ in plain.draw(N)}


def test_a_pool_has_no_pickle(plain):
    "Each file is Parquet, JSON or plain arrays."
    for path in plain.folder.rglob("*"):
        if path.is_file() and path.name != ".lock":
            head = path.read_bytes()[:4]
            assert head in (b"PAR1", b"PK\x03\x04") or path.suffix in (".json", ".jsonl", ".csv"), path
            if head[:2] == b"PK":
                with np.load(path, allow_pickle=False) as arrays:
                    assert all(arrays[k].dtype.kind != "O" for k in arrays.files)


def test_a_worker_that_is_killed_costs_nothing(plain, bare, tmp_path, monkeypatch):
    mark = tmp_path / "mark"
    monkeypatch.setenv("POOL_DIE_ONCE", str(mark))
    mark.touch()
    pool = copied(bare, tmp_path / "pool")
    done = pool.embed("local", workers=1, progress=False)
    assert not mark.exists() and done.done == done.total == len(pool.manifest.shards) and done.rows == N
    assert content(pool) == content(plain)


def test_a_shard_that_kills_every_worker_is_named(bare, tmp_path, monkeypatch):
    monkeypatch.setenv("POOL_DIE", "1")
    with pytest.raises(WorkerError, match="Shard 3: 3 workers died over it"):
        copied(bare, tmp_path / "pool").embed("local", shards=[3], progress=False)


def test_a_worker_that_hangs_is_no_wait_without_end(bare, tmp_path, monkeypatch):
    monkeypatch.setenv("POOL_SLEEP", "120")
    start = time.monotonic()
    with pytest.raises(StalledError, match="No new shard for 2 s"):
        copied(bare, tmp_path / "pool").embed("local", workers=1, patience=2, progress=False)
    assert time.monotonic() - start < 20


@pytest.mark.faults
def test_a_driver_that_is_killed_is_started_again(plain, bare, tmp_path):
    "And does the rest, while its orphaned worker ends by itself."
    pool = copied(bare, tmp_path / "pool")
    env = os.environ | {"POOL_SLEEP": "0.3", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    code = f"from ssvae_widgets.pool import Pool; Pool.open({str(pool.folder)!r}).embed('local', progress=False)"
    driver = subprocess.Popen([sys.executable, "-c", code], env=env)
    end = time.monotonic() + 60
    while len([*pool.folder.glob("thumbs/*.parquet")]) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    there = len([*pool.folder.glob("thumbs/*.parquet")])
    assert 2 <= there < len(pool.manifest.shards)
    done = pool.embed("here", progress=False)
    assert done.done == done.total and 0 < done.here <= done.total - there
    assert content(pool) == content(plain)


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_an_engine_that_is_not_installed_says_what_to_install(bare, tmp_path, monkeypatch, engine):
    "Where they are, `test_pool_cluster` kills their workers and machines."
    monkeypatch.setitem(sys.modules, {"dask": "distributed", "ray": "ray"}[engine], None)
    with pytest.raises(ImportError, match=r"ssvae_widgets\[cluster\]"):
        copied(bare, tmp_path / "pool").embed(engine, progress=False)


WITHOUT = """
import sys
sys.modules |= dict.fromkeys(["ray", "dask", "distributed", "pyarrow", "fsspec"])  # as if they were not installed
import numpy as np
import ssvae_widgets
app = ssvae_widgets.LatentLabeler(np.random.default_rng(0).integers(0, 255, (20, 6, 6), np.uint8), None, features=None)
app.session.label([1], 1)
assert app.flush() and app.session.n_labeled == 1
app.close()
try:
    from ssvae_widgets.pool import Pool
    Pool.open("pool")
except ImportError as e:
    print(e)
"""


def test_the_app_needs_none_of_it():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "pip install 'ssvae_widgets[pool]'" in done.stdout, done.stderr[-2000:]


def test_an_array_of_jobs_gives_the_same_bytes(plain, bare, tmp_path):
    pool = copied(bare, tmp_path / "pool")
    for s in pool.manifest.shards:
        assert pool.embed("here", shards=[s.number], progress=False).here == 1
    assert content(pool) == content(plain)
    with pytest.raises(ArgumentError, match="there is no shard 99"):
        pool.embed("here", shards=[99])


def test_all_engines_are_known_by_name():
    assert set(ENGINES) == {"here", "local", "dask", "ray"}


floats = st.one_of(st.sampled_from([0.0, 0.25, 0.5, float("nan")]), st.floats(0, 1, width=32))


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(floats, max_size=12), max_size=6), st.integers(0, 15))
def test_the_best_of_shards_are_the_best_of_all(shards, k):
    "Also with shards that are empty, full of NaN, or all alike."
    parts = [(n, r := smallest(np.array(m, np.float32), k), np.array(m, np.float32)[r]) for n, m in enumerate(shards)]
    got = [*zip(*(a.tolist() for a in merge_smallest(parts, k)))]
    every = [(np.float32(m), n, i) for n, row in enumerate(shards) for i, m in enumerate(row) if m == m]
    assert got == [(n, i, float(m)) for m, n, i in sorted(every)[:k]]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 5), st.integers(0, 10**6))
def test_sums_of_shards_are_sums_of_all(cuts, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 60))
    said = {"class": rng.integers(0, 3, n).astype(np.uint16), "margin": rng.random(n).astype(np.float32)}
    said["xy"] = rng.normal(size=(n, 2)).astype(np.float32)
    said["class"][rng.random(n) < 0.2] = NO_CLASS
    edges = [0, *sorted(rng.integers(0, n + 1, cuts).tolist()), n]
    frame = (-1, 1, -1, 1)
    parts = {
        s: summarize({k: v[a:b] for k, v in said.items()}, s, 1, 5, 3, frame)
        for s, (a, b) in enumerate(zip(edges, edges[1:]))
    }
    whole, one = merge_summaries(parts, 5, 3), merge_summaries({0: summarize(said, 0, 1, 5, 3, frame)}, 5, 3)
    assert np.array_equal(whole["counts"], one["counts"]) and np.array_equal(whole["density"], one["density"])
    assert whole["rows"] == n and np.array_equal(whole["top"][2], one["top"][2])
    held = [said["class"][edges[s] + r] for s, r in whole["audit"].tolist()]
    assert sorted(held) == sorted({*said["class"].tolist()} - {NO_CLASS})


@pytest.fixture
def labeled(plain, tmp_path) -> Pool:
    "A copy of the pool with labels by the mean of the red channel."
    pool = copied(plain.folder, tmp_path / "copy")
    chosen = [i for i, _, _ in pool.draw(30)]
    pool.label({i: ("odd", "even")[n % 2] for n, i in enumerate(chosen)})
    return pool


def test_labels_survive_growth_new_shards_and_lost_ones(labeled, pictures, tmp_path):
    pool, before = labeled, labeled.labels.now
    more = tmp_path / "more"
    more.mkdir()
    for i in range(5):
        Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(more / f"later{i}.jpg")
    assert pool.grow(more, "here", progress=False) == 5 and len(pool) == N + 5
    pool.label("later3.jpg", "odd")
    before = before | {"later3.jpg": "odd"}
    pool.reshard(37)
    assert Pool.open(pool.folder).labels.now == before and sorted(names(pool)) == sorted({*names(pool)})
    assert len(names(pool)) == N + 5
    lost = pool.manifest.shards[0].number
    gone = {*read_table(shard_path(pool.folder, "small", lost))["id"].to_pylist()}
    for kind in KINDS:
        shard_path(pool.folder, kind, lost).unlink()
    assert pool.status()["missing"] == [lost] and Pool.open(pool.folder).labels.now == before
    assert {*before} & gone and not {i for i, _, _ in pool.draw(N)} & gone
    assert pool.embed("here", progress=False).here == 1 and pool.status()["missing"] == []
    assert pool.labels.now == before and {i for i, _, _ in pool.draw(N)} & gone


def test_a_round_counts_when_all_shards_are_there(labeled):
    pool = labeled
    with pytest.raises(DataError, match="no learner yet"):
        pool.score(engine="here", progress=False)
    pool.train(n=100)
    first = pool.manifest.shards[0]
    part = pool.score(engine="here", shards=[first.number], progress=False)
    assert part.share == first.rows / N and "scored" in repr(part) and pool.proposals() == {}
    assert not (pool.folder / "top").exists()
    whole = pool.score(engine="local", workers=1, progress=False)  # a kernel that was started anew goes on
    assert whole.complete and whole.counts.sum() == N - 2 and len(pool.proposals(7)) == 7
    assert not {*pool.proposals(50)} & {*pool.labels.now}
    table = read_table(pool.folder / "top" / "1.parquet")
    assert table["id"].to_pylist() == whole.candidates["id"] and all(table["reason"].to_pylist())
    place = pool.folder / "learner" / "1"
    again = Learner(read_arrays(place / "learner.npz"), deep_map(read_arrays(place / "map.npz")))
    pool.reshard(70)  # what is said does not depend on how shards are cut
    two = pool.score(again, engine="here", progress=False)
    assert two.number == 2 and np.array_equal(whole.counts, two.counts) and np.array_equal(whole.density, two.density)
    assert whole.candidates["id"] == two.candidates["id"]
    np.testing.assert_allclose(whole.candidates["margin"], two.candidates["margin"], atol=1e-6)  # rounding aside
    assert sorted(whole.candidates["id"]) == sorted(two.candidates["id"])


def test_the_same_cell(plain, tmp_path):
    "A session on a pool gives its labels by name, takes those of others, and goes on with a larger sample."
    from ssvae_widgets import LabelingSession
    from ssvae_widgets.widgets.labeler import session_for

    pool = copied(plain.folder, tmp_path / "pool")
    pool.label({"000.jpg": "cat", "b/001.jpg": "dog"})
    sample = pool.sample(40)
    with pytest.raises(ArgumentError, match="leave labels= and features= out"):
        LabelingSession(sample, "mine.csv")
    session = LabelingSession(sample)
    try:
        assert {session.names[r] for r in np.flatnonzero(session.codes >= 0)} == {"000.jpg", "b/001.jpg"}
        free = np.flatnonzero(session.codes < 0)
        session.label(free[:3], "cat")
        session.add_class("cow")
        session.label(free[3:5], "cow")
        session.undo()
        session.label(free[3:4], "cow")
        session.wait()
        said = {session.names[r]: session.classes[session.codes[r]] for r in np.flatnonzero(session.codes >= 0)}
        assert pool.labels.now == said and list(said.values()).count("cow") == 1 and len(said) == 6
        assert session.frozen.wait() and session.frozen.inputs.vectors is sample.vectors
    finally:
        session.close()
    pool.train(n=60)
    pool.score(engine="here", progress=False)
    session = session_for(pool.sample(40, candidates=30))  # as `LatentLabeler` opens it
    try:
        drawn, outside = session.sample, [n for n in session.names if n not in sample.ids]
        assert outside and drawn.candidates and session.n_labeled == 6
        assert session.frozen.wait_for_map(60) and np.array_equal(session.frozen.xy, drawn.xy)
        session.label(session.names.index(outside[0]), "dog")
        assert pool.take() <= 1 and pool.labels.now[outside[0]] == "dog"  # beside the open session
        session.label(session.names.index(outside[1]), "cat")
    finally:
        session.close()
    assert pool.labels.now[outside[1]] == "cat" and {*outside[:2]} <= {*pool.sample(40).ids}
    assert not pool.take() and pool.labels.now[outside[0]] == "dog"


def test_the_log_takes_two_notebooks_and_a_torn_line(tmp_path):
    one, two = PoolLabels(tmp_path), PoolLabels(tmp_path)
    one.set({"a": "x"})
    two.set({"b": "y", "a": "z"})
    with open(one.path, "ab") as f:
        f.write(b'{"id":"c","label"')
    one.set({"d": None, "e": "x"})
    assert one.now == two.now == PoolLabels(tmp_path).now == {"a": "z", "b": "y", "e": "x"}
    assert (tmp_path / "labels.csv").read_text() == "id,label\na,z\nb,y\ne,x\n"


@pytest.fixture
def shared(tmp_path):
    "A sample of six pictures, its store and the labels of the pool; and how to bring both together."
    ids, labels = [f"{i}.png" for i in range(6)], PoolLabels(tmp_path)
    folder = sample_folder(tmp_path, ids)
    with LabelStore(folder / "labels.csv", 6, ["cat", "dog"]) as store:
        yield ids, labels, store, lambda: exchange(folder, ids, store, labels)


def said(ids, store) -> dict[str, str]:
    return {ids[row]: store.classes[store.codes[row]] for row in np.flatnonzero(store.codes >= 0)}


def test_a_label_given_while_labels_are_exchanged_stays(shared, monkeypatch):
    "Also where the pool has just said something else of the picture."
    ids, labels, store, bring = shared
    labels.set({"1.png": "dog"})
    give = PoolLabels.set

    def meanwhile(self, *given, **more):
        store.set([0, 1], "cat")
        return give(self, *given, **more)

    with monkeypatch.context() as m:
        m.setattr(PoolLabels, "set", meanwhile)
        assert bring() == (0, 0)
    assert said(ids, store) == {"0.png": "cat", "1.png": "cat"} and labels.now == {"1.png": "dog"}
    assert bring() == (2, 0) and labels.now == said(ids, store) == {"0.png": "cat", "1.png": "cat"}
    seq = store.seq
    assert bring() == (0, 0) and store.seq == seq


def test_a_class_that_is_gone_from_the_session_is_what_became_of_it(shared):
    ids, labels, store, bring = shared
    store.set([0], "cat")
    bring()
    store.merge_classes("cat", "dog")
    labels.set({"3.png": "cat"})
    assert bring() == (2, 1) and labels.now == said(ids, store) == {"0.png": "dog", "3.png": "dog"}
    seq = store.seq
    assert bring() == (0, 0) and store.seq == seq
    store.rename_class("dog", "hound")
    labels.set({"4.png": "dog"})
    assert bring() == (3, 1) and labels.now == said(ids, store) == dict.fromkeys(["0.png", "3.png", "4.png"], "hound")
    store.delete_class("hound")
    assert bring() == (3, 0) and labels.now == {}
    labels.set({"5.png": "hound"})  # somebody else still has it
    assert bring() == (0, 1) and bring() == (0, 0) and labels.now == said(ids, store) == {"5.png": "hound"}


def test_a_class_has_one_spelling(shared, tmp_path):
    "Of a call, of a CSV, and of a log that was written before."
    ids, labels, store, bring = shared
    store.set([0], "cat")
    old = {"1.png": " cat ", "2.png": "a\nb", "3.png": "cafe\u0301", "4.png": "\u200b"}
    labels.path.write_bytes(b"".join(to_line({"id": i, "label": v, "when": 1.0}) for i, v in old.items()))
    assert bring() == (1, 3) and bring() == (0, 0)
    assert said(ids, store) == {"0.png": "cat", "1.png": "cat", "2.png": "a b", "3.png": "café"}
    assert labels.now == said(ids, store) | {"4.png": "\u200b"}
    assert labels.set({"1.png": "\tcat", "5.png": " dog"}) == 1 and labels.now["5.png"] == "dog"
    with pytest.raises(ArgumentError, match="no visible character"):
        labels.set({"5.png": "\u200b"})
    table = tmp_path / "given.csv"
    table.write_text("id,label\n0.png, dog \n1.png,  \n")
    assert read_label_table(str(table)) == {"0.png": "dog", "1.png": None}
    for mark, encoding in ((";", "utf-8-sig"), ("\t", "utf-16"), (",", "utf-16-le")):  # as spreadsheets save it
        table.write_bytes(f"id{mark}label\r\n0.png{mark}Möwe\r\n1.png{mark}\r\n".encode(encoding))
        assert read_label_table(str(table)) == {"0.png": "Möwe", "1.png": None}, encoding
    table.write_bytes("id,label\n0.png,Möwe\n".encode("cp1252"))
    with pytest.raises(UsageError, match="is not in Unicode: save it as “CSV UTF-8”"):
        read_label_table(str(table))


def test_the_newer_label_counts_however_late_it_comes(tmp_path):
    ids = ["a.png", "b.png", "c.png"]
    labels, folder = PoolLabels(tmp_path), sample_folder(tmp_path, ids)
    with LabelStore(folder / "labels.csv", 3, ["cat", "dog"]) as store:
        exchange(folder, ids, store, labels)
        store.set([0, 2], "cat")
        time.sleep(0.01)
        labels.set({"a.png": "dog", "b.png": "dog"})
        time.sleep(0.01)
        store.set([1], "cat")
        store.add_class("cow")  # says nothing of a picture
    assert recover_labels(tmp_path, labels) == 2  # the notebook was killed
    assert labels.now == {"a.png": "dog", "b.png": "cat", "c.png": "cat"} and recover_labels(tmp_path, labels) == 0
    times = labels.times(ids)
    assert times["c.png"] < times["a.png"] < times["b.png"]
    with LabelStore(folder / "labels.csv", 3) as store:
        assert said(ids, store) == labels.now


def test_another_process_behind_one_s_own_line_is_no_broken_disk(tmp_path, monkeypatch):
    import ssvae_widgets.pool.id_log as module

    one, two, add = PoolLabels(tmp_path), PoolLabels(tmp_path), module.append_bytes

    def first(fd, data):
        add(fd, data)
        monkeypatch.setattr(module, "append_bytes", add)
        two.set({"a": "theirs"})

    monkeypatch.setattr(module, "append_bytes", first)
    assert one.set({"a": "mine", "b": "mine"}) == 2
    assert one.now == two.now == {"a": "theirs", "b": "mine"}
    assert (tmp_path / "labels.csv").read_text() == "id,label\na,theirs\nb,mine\n"
    monkeypatch.setattr(module, "append_bytes", lambda fd, data: None)
    with pytest.raises(OSError, match="does not hold what was written"):
        one.set({"c": "mine"})


def test_training_holds_no_label_up(plain, tmp_path):
    "The thread of the session's jobs is busy for as long as it trains."
    from ssvae_widgets import LabelingSession

    pool, busy = copied(plain.folder, tmp_path / "pool"), threading.Event()
    session = LabelingSession(pool.sample(20), classes=["cat", "dog"])
    try:
        session.jobs.ask("training", job=lambda: busy.wait(20))
        session.label([3], "cat")
        end = time.monotonic() + 10
        while not len(pool.labels) and time.monotonic() < end:
            time.sleep(0.02)
        assert session.jobs.busy and pool.labels.now == {session.names[3]: "cat"}
    finally:
        busy.set()
        session.close()


def test_an_extractor_that_fails_on_everything_is_an_error():
    from ssvae_widgets.data.extractors import function_extractor

    broken = function_extractor(lambda batch: 1 / 0, 8, "broken", "1")
    with pytest.raises(ValueError, match="broken fails on every picture"):
        embed({"id": ["a", "b"], "picture": [np.zeros((8, 8), np.uint8)] * 2}, broken, thumb=Thumb(8, False, "PNG"))


def test_a_source_that_is_away_is_no_shard_of_reasons(bare, pictures, tmp_path):
    pool = copied(bare, tmp_path / "pool")
    away = pictures.with_name("away")
    pictures.rename(away)
    try:
        with pytest.raises(DataError, match="is the source there"):
            pool.embed("here", progress=False)
    finally:
        away.rename(pictures)
    assert pool.status()["embedded"] == 0 and pool.embed("here", shards=[0], progress=False).unreadable <= 2


def test_a_function_of_a_notebook_works_in_its_process(pictures, tmp_path):
    def brightness(batch):
        return batch.mean((1, 2))

    how = dict(size=6, shard_rows=ROWS, progress=False)
    with pytest.raises(ArgumentError, match="workers cannot import"):
        Pool.create(pictures, tmp_path / "pool", brightness, "local", **how)
    pool = Pool.create(pictures, tmp_path / "pool", brightness, "here", **how)
    assert pool.status()["missing"] == [] and pool.sample(10).vectors.shape == (10, 3)
    shard_path(pool.folder, "small", 2).unlink()
    with pytest.raises(ValueError, match="function of a notebook: give it"):
        pool.embed("here", progress=False)
    assert pool.embed("here", features=brightness, progress=False).here == 1


def test_another_source_is_not_mistaken_for_the_first(plain, tmp_path):
    with pytest.raises(ArgumentError, match="takes in more pictures"):
        Pool.create(tmp_path, plain.folder, features="pool_hooks:look", size=6, engine="here", progress=False)


def test_another_extractor_is_refused(plain, pictures):
    with pytest.raises(ArgumentError, match="pool of other features"):
        Pool.create(pictures, plain.folder, features=None, engine="here", progress=False)
    with pytest.raises(ValueError, match="expected"):
        extractor_of("no-such-network")
    assert Task("embed").words() == {"kind": "embed", "number": 0, "batch": 256}


def test_addresses_go_through_fsspec(pictures, tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in [*pictures.glob("*.jpg")][:12]:
        memory.pipe(f"/lab/{path.name}", path.read_bytes())
    pool = Pool.create("memory://lab/*.jpg", tmp_path / "pool", features=None, size=6, engine="here", progress=False)
    assert len(pool) == 12 and all(i.startswith("memory://") for i in names(pool))
    memory.pipe("/lab/late.jpg", (pictures / "000.jpg").read_bytes())
    real, left = fsspec.open, [2]

    def busy(*where, **how):  # storage that has enough for a moment
        left[0] -= 1
        if left[0] >= 0:
            raise OSError("503 Slow Down")
        return real(*where, **how)

    monkeypatch.setattr(fsspec, "open", busy)
    monkeypatch.setattr("ssvae_widgets.pool.source.WAITS", (0.0, 0.0))
    assert pool.grow("memory://lab/*.jpg", "here", progress=False) == 1
    assert left[0] < 0 and not any("late" in name for name, _ in pool.unreadable())
    with pytest.raises(ArgumentError, match="give the new list"):
        pool.grow()
    for wrong in (lambda: Pool.open("s3://lab/pool"), lambda: Pool.create("memory://lab/*.jpg", "s3://lab/pool")):
        with pytest.raises(ArgumentError, match="a folder of a file system that all workers see"):
            wrong()
