"""What a pool is made of: names stay and are told apart, changed sources are noticed, answers have one learner."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ssvae_widgets.cli.pool import pool as main
from ssvae_widgets.errors import ArgumentError, DataError
from ssvae_widgets.pool import Pool
from ssvae_widgets.pool.building import ids_of
from ssvae_widgets.pool.learner import Learner, deep_map
from ssvae_widgets.pool.rounds import fetch_thumbs, put_learner
from ssvae_widgets.pool.shards import read_arrays, read_table, shard_path

MAKE = dict(features=None, engine="here", progress=False)


def draw(folder: Path, names, low: int = 0) -> Path:
    "Pictures of different grays."
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        pixels = np.random.default_rng(low + i).integers(0, 100, (8, 8)) + (low + 5 * i) % 150
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
    return folder


def draw_table(path: Path, n: int, gray: int) -> Path:
    "A Parquet file of nearly even pictures, a little brighter from row to row."
    rows = []
    for i in range(n):
        out = io.BytesIO()
        a = np.random.default_rng(i).integers(0, 3, (8, 8)) + gray + i
        Image.fromarray(a.astype(np.uint8)).save(out, "PNG")
        rows.append(out.getvalue())
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": rows}), path, row_group_size=4)
    return path


def names(pool: Pool) -> list[str]:
    return [i for s in pool.manifest.shards for i in ids_of(pool.folder, s.number).to_pylist()]


def gray(pool: Pool, name: str) -> float:
    shard, row = pool.find([name])[name]
    return float(pool.manifest.thumb.decode(fetch_thumbs(pool.folder, np.array([shard]), np.array([row]))[0]).mean())


NAMES = [f"{i:02}.png" for i in range(12)]


def test_a_name_of_two_sources_is_refused(tmp_path):
    pool = Pool.create(draw(tmp_path / "a", NAMES), tmp_path / "pool", shard_rows=5, **MAKE)
    other = draw(tmp_path / "b", NAMES[:2] + ["new.png"], 200)
    with pytest.raises(DataError, match="picture '00.png' of .*a, and .*b has one of this name.*whole paths"):
        pool.grow(other, "here", progress=False)
    assert len(pool) == 12 and len(pool.manifest.sources) == 1
    files = [str(p) for p in sorted(other.iterdir())]
    assert pool.grow(files, "here", progress=False) == 3 and gray(pool, str(other / "01.png")) > gray(pool, "01.png")
    assert pool.grow(files + [str(tmp_path / "a" / "00.png")], "here", progress=False) == 1
    x = np.random.default_rng(0).integers(0, 255, (9, 8, 8), dtype=np.uint8)
    (tmp_path / "sub").mkdir()
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "sub" / "x.npy", 255 - x)
    pool = Pool.create(tmp_path / "x.npy", tmp_path / "array", **MAKE)
    with pytest.raises(DataError, match="picture 'x#0'"):
        pool.grow(tmp_path / "sub" / "x.npy", "here", progress=False)


def test_rows_of_parquet_files_keep_their_names(tmp_path):
    for file, level in (("a", 0), ("c", 100)):
        draw_table(tmp_path / "q" / f"{file}.parquet", 10, level)
    pool = Pool.create(tmp_path / "q", tmp_path / "pool", **MAKE)
    assert names(pool) == [f"{f}.parquet#{i}" for f in "ac" for i in range(10)]
    assert gray(pool, "c.parquet#5") == pytest.approx(106, abs=1)
    draw_table(tmp_path / "q" / "b.parquet", 5, 200)
    assert pool.grow(None, "here", progress=False) == 5 and len(pool) == 25 and len(pool.manifest.sources) == 1
    assert gray(pool, "b.parquet#4") == pytest.approx(205, abs=1) and gray(pool, "c.parquet#5") < 110
    again = Pool.create(tmp_path / "q", tmp_path / "again", **MAKE)
    assert sorted(names(again)) == sorted(names(pool)) and gray(again, "c.parquet#5") == gray(pool, "c.parquet#5")


def test_the_number_of_a_living_shard_is_given_once(tmp_path):
    pool = Pool.create(draw(tmp_path / "a", NAMES), tmp_path / "pool", shard_rows=4, **MAKE)
    (pool.folder / "items" / "000002.parquet").unlink()
    draw(tmp_path / "a", ["n0.png", "n1.png"], 50)
    assert pool.grow(None, "here", progress=False) == 2
    assert [s.number for s in pool.manifest.shards] == [0, 1, 2, 3] and {*pool.find(["n0.png"])} == {"n0.png"}
    assert len({i for i, _, _ in pool.draw(50)}) == 14


def test_another_source_of_any_kind_is_noticed(tmp_path):
    draw_table(tmp_path / "q" / "a.parquet", 9, 0)
    draw_table(tmp_path / "other" / "z.parquet", 9, 0)
    folder = draw(tmp_path / "a", NAMES)
    files = [str(p) for p in sorted(folder.iterdir())]
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (9, 8, 8), dtype=np.uint8))
    for n, (one, two) in enumerate(
        [(tmp_path / "q", tmp_path / "other"), (folder, files), (files, files[:5]), (tmp_path / "x.npy", folder)]
    ):
        Pool.create(one, tmp_path / f"pool{n}", **MAKE)
        assert len(Pool.create(one, tmp_path / f"pool{n}", **MAKE)) in (9, 12)
        with pytest.raises(ArgumentError, match="takes in more pictures"):
            Pool.create(two, tmp_path / f"pool{n}", **MAKE)
    array = Pool.open(tmp_path / "pool3")
    np.save(tmp_path / "x.npy", np.zeros((5, 8, 8), np.uint8))
    with pytest.raises(ArgumentError, match="has 5 rows now, and had 9"):
        Pool.create(tmp_path / "x.npy", array.folder, **MAKE)
    (array.folder / "small" / "000000.parquet").unlink()
    with pytest.raises(DataError, match="5 rows now.*replaced"):
        array.embed("here", progress=False)
    table = Pool.open(tmp_path / "pool0")
    draw_table(tmp_path / "q" / "a.parquet", 6, 0)
    (table.folder / "small" / "000000.parquet").unlink()
    with pytest.raises(DataError, match="6 rows now.*replaced"):
        table.embed("here", progress=False)


def test_a_path_means_the_same_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(draw(tmp_path / "a", NAMES))
    pool = Pool.create(["00.png", "./00.png", *NAMES[1:6]], tmp_path / "pool", embed=False, **MAKE)
    assert sorted(names(pool)) == [str(tmp_path / "a" / n) for n in NAMES[:6]]
    monkeypatch.chdir("/")
    assert pool.embed("here", progress=False).unreadable == 0


def test_a_name_that_is_no_text_is_told(tmp_path):
    folder = draw(tmp_path / "a", NAMES)
    try:
        os.link(folder / "00.png", os.fsencode(folder) + b"/bad\xff.png")
    except OSError:
        pytest.skip("this disk takes no such name")
    with pytest.raises(DataError, match="is not UTF-8"):
        Pool.create(folder, tmp_path / "pool", **MAKE)


@pytest.fixture
def pool(tmp_path) -> Pool:
    "A dozen pictures in three shards, half of them labeled."
    pool = Pool.create(draw(tmp_path / "a", NAMES), tmp_path / "pool", shard_rows=4, **MAKE)
    pool.label({name: "ab"[i % 2] for i, name in enumerate(NAMES[:6])})
    return pool


def test_answers_are_of_one_learner(pool):
    assert pool.train() == 1
    first = pool.score(engine="here", progress=False)
    assert first.complete and pool.status()["scored"] == 1
    before = answers(pool, 1)
    shutil.rmtree(pool.folder / "learner")
    pool.label({name: "ba"[i % 2] for i, name in enumerate(NAMES[:6])})
    assert pool.train() == 1 and pool.status()["scored"] == 0 and pool.round().share == 0
    second = pool.score(engine="here", progress=False)
    flipped = [1 - c for c in before]
    assert answers(pool, 1) == flipped and second.counts.tolist() == first.counts.tolist()[::-1]
    names = read_table(pool.folder / "top" / "1.parquet")
    assert names["class"].to_pylist() == second.candidates["class"].tolist()


def answers(pool: Pool, number: int) -> list[int]:
    tables = [read_table(shard_path(pool.folder, f"answers/{number}", s.number)) for s in pool.manifest.shards]
    return [c for t in tables for c in t["class"].to_pylist()]


def test_two_who_train_at_once_get_two_numbers(pool):
    from concurrent.futures import ThreadPoolExecutor

    pool.train()
    place = pool.folder / "learner" / "1"
    learner = Learner(read_arrays(place / "learner.npz"), deep_map(read_arrays(place / "map.npz")))
    with ThreadPoolExecutor(8) as hands:
        numbers = [*hands.map(lambda _: put_learner(pool.folder, learner), range(16))]
    assert sorted(numbers) == [*range(2, 18)]


def test_labels_that_teach_nothing_are_told(pool, tmp_path, capsys):
    (pool.folder.parent / "a" / "bad.png").write_bytes(b"no picture")
    assert pool.grow(None, "here", progress=False) == 1
    pool.label("bad.png", "c")  # a class that only an unreadable picture has
    with pytest.warns(UserWarning, match="2 of 3 names are not in the pool, such as 'no0.png'"):
        assert pool.label({"no0.png": "x", "no1.png": "y", NAMES[7]: "a"}) == 3
    assert pool.labels.now["no0.png"] == "x"  # kept: a shard may be lost for a while
    told = pool.status()
    assert told["labels"] == 10 and told["labels_in_the_pool"] == 8
    assert main(["train", str(pool.folder), "--n", "50"]) == 0
    assert "learned from 7 of 10 labels" in capsys.readouterr().out and pool.learned_from == 7
    assert pool.round().classes == ["a", "b"]
    alone = Pool.create(tmp_path / "a", tmp_path / "alone", **MAKE)
    with pytest.raises(DataError, match="there are no labels"):
        alone.train()
    with pytest.warns(UserWarning, match="1 of 1"):
        alone.label("no.png", "x")
    with pytest.raises(DataError, match="none of the 1 labels is of a picture that is embedded and readable"):
        alone.train()
    for wrong in (lambda: pool.train(0), lambda: pool.train(-5), lambda: pool.train(candidates=-3)):
        with pytest.raises(ArgumentError, match="expected a whole number"):
            wrong()
    for wrong in (lambda: pool.draw(0), lambda: pool.sample(5, -1), lambda: pool.proposals(-1)):
        with pytest.raises(ArgumentError, match="expected a whole number"):
            wrong()


def test_a_fault_of_storage_passes(pool, tmp_path, monkeypatch):
    import ssvae_widgets.io.files as files
    import ssvae_widgets.pool.source as source

    real, left = files.read_plain, [10**6]

    def flaky(where):
        if str(where).endswith("03.png") and left[0] > 0:
            left[0] -= 1
            raise OSError(5, "Input/output error")
        return real(where)

    monkeypatch.setattr(files, "read_plain", flaky)
    monkeypatch.setattr(source, "WAITS", (0.0, 0.0))
    shard = pool.find(["03.png"])["03.png"][0]
    shard_path(pool.folder, "small", shard).unlink()
    with pytest.raises(OSError, match="03.png cannot be fetched .*Input/output error.*call this again"):
        pool.embed("here", progress=False)
    assert pool.status()["missing"] == [shard]
    left[0] = 2  # it passes at the third try
    assert pool.embed("here", progress=False).unreadable == 0 and left[0] == 0
    shard_path(pool.folder, "small", shard).unlink()
    (tmp_path / "a" / "03.png").unlink()
    assert pool.embed("here", progress=False).unreadable == 1 and "03.png" in dict(pool.unreadable())
    shard_path(pool.folder, "small", shard).unlink()
    shard_path(pool.folder, "items", shard).unlink()
    with pytest.raises(DataError, match="is lost.*backup"):
        pool.embed("here", progress=False)
