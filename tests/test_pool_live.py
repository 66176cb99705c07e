"""An open session on a sample of a pool: proposals of the whole pool come to it, labels stay with their pictures."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from waiting import until

from ssvae_widgets import LabelingSession
from ssvae_widgets.errors import RowError
from ssvae_widgets.labels.store import LabelStore
from ssvae_widgets.pool import Pool, work
from ssvae_widgets.pool.rounds import fetch_thumbs
from ssvae_widgets.pool.sample import exchange
from ssvae_widgets.pool.seats import now_called
from ssvae_widgets.session.training import Training

N, MINE = 240, 60  # pictures of the pool, and of the sample


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    "Bright and dark pictures in four shards."
    folder, rng = tmp_path_factory.mktemp("live"), np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for i in range(N):
        a = rng.integers(0, 120, (8, 8)) + (120 if i % 2 else 0)
        Image.fromarray(a.astype(np.uint8)).save(folder / "pictures" / f"{'ba'[i % 2]}{i:03d}.png")
    how = dict(features=None, size=8, engine="here", shard_rows=60, progress=False)
    return Pool.create(folder / "pictures", folder / "pool", **how).folder


@pytest.fixture
def pool(made, tmp_path) -> Pool:
    shutil.copytree(made, tmp_path / "pool")
    return Pool.open(tmp_path / "pool", engine="here")


def begin(sample) -> LabelingSession:
    "A session with three labels of each kind."
    session = LabelingSession(sample, classes=["a", "b"])
    for kind in "ab":
        session.label([row for row in range(MINE) if session.names[row][0] == kind][:3], kind)
    return session


def picture(pool: Pool, name: str) -> np.ndarray:
    at = pool.find([name])[name]
    return pool.manifest.thumb.decode(fetch_thumbs(pool.folder, np.array(at[:1]), np.array(at[1:]))[0])


def test_proposals_of_the_whole_pool_come_into_an_open_session(pool):
    sample = pool.sample(MINE, seats=30)
    mine, seats = sample.ids[:MINE], range(MINE, MINE + 30)
    session, said = begin(sample), []
    session.subscribe(lambda event: event["type"] == "pool" and said.append(event["message"]))
    try:
        assert session.data.away == {*seats} and np.isnan(session.data.on_map(session.xy)[MINE:]).all()
        with pytest.raises(RowError, match="row 61 waits for a picture"):
            session.label([3, 61], "a")
        assert not {*session.neighbors(0, 20).tolist()} & {*seats} and not {*session.similar(0).tolist()} & {*seats}
        assert all(s.serial < MINE for s in session.suggest(40))
        session.whole.candidates = 20
        session.whole.ask()
        assert session.whole.wait(60) and session.whole.problem == "" and session.whole.share == 1
        assert any("50 % of 240 asked" in text for text in said) and "came to the map" in said[-1]
        came = sorted({*seats} - session.data.away)
        names = [session.names[row] for row in came]
        assert len(came) > 5 and not {*names} & {*mine} and len({*session.names}) == len(session.names)
        assert np.isfinite(session.data.on_map(session.xy)[came]).all()
        for row, name in zip(came, names):
            assert np.array_equal(session.pictures[row], picture(pool, name)), name
        assert np.array_equal(session.frozen.inputs.vectors[came], pool.sample(N).vectors[pool.sample(N).rows(names)])
        first = session.next()
        assert first.strategy == "pool" and "in the whole pool" in first.reason and first.serial in came
        name = session.names[first.serial]
        session.label(first.serial, name[0])
        session.wait()
        assert pool.labels.now[name] == name[0] and len(pool.labels) == 7
        session.undo()
        session.wait()
        assert name not in pool.labels.now
        session.redo()
        session.label(came, "b")
    finally:
        session.close()
    assert {n: pool.labels.now[n] for n in names} == dict.fromkeys(names, "b") and len(pool.labels) == 6 + len(came)
    session = LabelingSession(sample)  # its rows are others now: it is drawn anew
    try:
        labeled = {session.names[row] for row in np.flatnonzero(session.codes >= 0)}
        assert labeled == {*pool.labels.now} and session.store.path != sample.labels_path
    finally:
        session.close()
    assert len(pool.labels) == 6 + len(came)


def test_a_press_on_train_asks_the_pool_and_a_newer_one_takes_over(pool, monkeypatch):
    "Labeling goes on while a shard keeps everybody waiting; a kernel that ends in the middle leaves what has answered."
    go, asked, real = threading.Event(), [], work.WORK["score"]

    def slow(folder, shard, task):
        asked.append((task.number, shard))
        assert len(asked) % 4 != 3 or go.wait(60)
        return real(folder, shard, task)

    monkeypatch.setitem(work.WORK, "score", slow)
    monkeypatch.setattr(Training, "run", lambda self: self.activity.update(phase="idle", target=0))
    session = begin(pool.sample(MINE, seats=10))
    try:
        session.train(1)
        until(lambda: len(asked) == 3, 60)
        assert session.whole.message == "Whole pool: 50 % of 240 asked" and session.whole.busy
        session.label([50], "a")
        session.train(1)  # again: the round gives way after its shard
        go.set()
        assert session.whole.wait(60) and [number for number, _ in asked] == [1, 1, 1, 2, 2, 2, 2]
        assert session.whole.number == 2 and pool.round(1).share == 0.75 and pool.round().complete
        go.clear()
        asked.clear()
        session.train(1)
        until(lambda: len(asked) == 3, 60)
    finally:
        go.set()
        session.close()
    assert pool.round().number == 3 and not pool.round().complete
    session = LabelingSession(pool.sample(MINE, seats=10))
    try:
        assert session.whole.wait(60) and session.whole.number == 3 and pool.round().complete
        assert len(asked) == 4 and session.n_labeled == 7 and not session.data.away
    finally:
        session.close()


def test_a_label_is_of_who_sits_there_whoever_brings_it(pool):
    "Another notebook on the same sample, and one that was killed before it told the pool."
    sample = pool.sample(MINE, seats=5)
    drawn, session = [*sample.ids], begin(sample)
    session.whole.ask()
    assert session.whole.wait(60) and not session.data.away
    with LabelStore(sample.labels_path, len(drawn)) as other:  # it has not heard who has come
        other.set([MINE], "b")
        exchange(sample.folder, drawn, other, pool.labels)
        other.set([MINE + 1], "b")
    session.close()
    pool.take()
    names = now_called(sample.folder, drawn)[MINE : MINE + 2]
    assert {n: pool.labels.now[n] for n in names} == dict.fromkeys(names, "b") and not {*names} & {*drawn[:MINE]}
    assert len(pool.labels) == 8


def test_a_pool_that_cannot_be_asked_is_told_and_holds_nothing_up(pool, monkeypatch):
    def broken(folder, shard, task):
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(work.WORK, "score", broken)
    session = begin(pool.sample(MINE, seats=5))
    try:
        session.whole.ask()
        assert session.whole.wait(60) and "No space left" in session.whole.problem and "asked" in session.message
        session.label([40], "a")
        assert session.n_labeled == 7
    finally:
        session.close()
    session = LabelingSession(pool.sample(MINE), classes=["a", "b"])
    try:
        assert session.whole.message and session.whole.wait(60)  # it tries again
    finally:
        session.close()
