"""An open session on a sample of a pool: proposals of the whole pool come to it, labels stay with their pictures."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from waiting import until

from ssvae_widgets import LabelingSession, LatentLabeler
from ssvae_widgets.errors import ArgumentError, RowError
from ssvae_widgets.labels.store import LabelStore
from ssvae_widgets.pool import Pool, work
from ssvae_widgets.pool.remarks import to_remark
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
    session, said = begin(pool.sample(MINE, seats=5)), []
    session.subscribe(lambda _: said.append(session.message))
    try:
        session.whole.ask()
        assert session.whole.wait(60) and "No space left" in session.whole.problem
        until(lambda: any("asked" in message for message in said))  # others may speak behind it
        session.label([40], "a")
        assert session.n_labeled == 7
    finally:
        session.close()
    session = LabelingSession(pool.sample(MINE), classes=["a", "b"])
    try:
        until(lambda: session.whole.message)  # it tries again
        assert session.whole.wait(60)
    finally:
        session.close()


def test_what_is_said_of_pictures_is_found_by_name_in_a_sample_of_another_size(pool):
    "Flags, notes and labels; undo does not reach what another sample did, and says so."
    first = begin(pool.sample(MINE, seats=5))
    star, odd, hidden = (first.names[row] for row in (40, 41, 42))
    try:
        first.flag([40, 41], "star")
        first.note([41], "a hair on it")
        first.flag([42], "exclude")
        first.flag([43], "star")
        first.undo()
    finally:
        first.close()
    assert len(pool.labels.remarks) == 3 and pool.labels.excluded == {hidden}
    session = LabelingSession(pool.sample(20, seats=5))
    try:
        row, flags = session.names.index, session.flags
        assert flags.having("star").tolist() == sorted([row(star), row(odd)]) and session.n_labeled == 6
        assert flags.notes == {row(odd): "a hair on it"} and flags.of(row(hidden)) == ["exclude"]
        assert session.undo() is None and len(pool.labels) == 6, "an undo once took all labels of the pool back"
        session.flag([row(star)], "star", on=False)
        session.label(row(hidden), "a")
        session.whole.ask()
        assert session.whole.wait(60) and session.whole.problem == ""
        assert hidden not in pool.proposals(240) and row(hidden) not in [s.serial for s in session.suggest(20)]
    finally:
        session.close()
    assert hidden in pool.labels.now and hidden not in pool.labels.counting
    with LabelingSession(pool.sample(MINE, seats=5)) as again:  # the first sample, or one like it
        row = again.names.index
        assert again.flags.of(row(star)) == [] and again.flags.of(row(odd)) == ["star"]
        assert {again.names[r] for r in np.flatnonzero(again.store.codes >= 0)} == {*pool.labels.now}


def test_a_killed_notebook_leaves_its_flags_to_the_pool(pool):
    sample = pool.sample(MINE, seats=5)
    with LabelStore(sample.labels_path, len(sample)) as store:
        exchange(sample.folder, sample.ids, store, pool.labels)
        store.flag([3], "unsure")
    assert not len(pool.labels.remarks)
    agreed, size = sample.folder / "synced.json", (sample.folder / "labels.csv.log.jsonl").stat().st_size
    agreed.write_text(json.dumps({"labels": {}, "log": size}))  # as an earlier version has left it
    pool.take()
    assert pool.labels.remarks.now == {sample.ids[3]: to_remark(["unsure"])}


def test_a_class_of_an_older_log_that_is_spelled_otherwise_stays_what_it_is(pool, monkeypatch):
    sample, old = pool.sample(MINE), "cat\u200b"
    with monkeypatch.context() as earlier, LabelStore(sample.labels_path, MINE, ["dog"]) as store:
        earlier.setattr("ssvae_widgets.labels.gestures.clean_name", str)  # as it was taken then
        store.add_class(old)
        store.set([0, 1], 1)
    with LabelStore(sample.labels_path, MINE) as store:
        assert store.classes == ["dog", old]
        ids = now_called(sample.folder, sample.ids)
        pool.labels.set(dict.fromkeys(ids[:3], old))
        assert exchange(sample.folder, sample.ids, store, pool.labels)[1] == 1  # the third label
        size = pool.labels.path.stat().st_size
        exchange(sample.folder, sample.ids, store, pool.labels)
        assert store.codes[:3].tolist() == [1, 1, 1] and store.classes == ["dog", old]
        assert pool.labels.path.stat().st_size == size, "nothing is said again and again"


def test_a_pool_takes_no_sets(pool):
    sample = pool.sample(MINE)
    with pytest.raises(ArgumentError, match="one class for each picture"):
        LabelingSession(sample, multilabel=True)
    with LabelingSession(sample.images, multilabel=True, features=sample.vectors, classes=["a", "b"]) as apart:
        assert apart.multilabel  # as it says
    with LabelStore(sample.labels_path, len(sample), ["a", "b"]) as store:
        store.answering.mark([0], "a")
    with pytest.raises(ArgumentError, match="one class for each picture"):
        LabelingSession(sample)


def test_the_density_of_the_whole_pool_lies_under_the_points(pool):
    app = LatentLabeler(pool.sample(MINE, seats=10), classes=["a", "b"])
    try:
        session, layer = app.session, app.map.layer
        assert app.flush() and layer.density["words"] == (
            "Shade: how dense these 60 pictures lie; Train asks all 240 of the pool"
        )
        for kind in "ab":
            session.label([row for row in range(MINE) if session.names[row][0] == kind][:3], kind)
        session.whole.ask()
        assert session.whole.wait(60)
        until(lambda: app.flush() and "all 240 pictures of the pool, each near" in layer.density["words"])
        made = layer.density["of"]
        session.predictions.draw(session.xy[:, ::-1].copy())  # points have moved
        until(lambda: app.flush() and layer.density["of"] > made)
        assert len(layer.density["shade"]) == 256 * 256
        layer.set_state({"shade": False, "density": {"rows": 1}})
        assert layer.density["rows"] == 256 and session.view["shade"] is False
    finally:
        app.close()
    whole = pool.round()
    app = LatentLabeler(pool.sample(20, seats=5))  # its map is that of the round
    try:
        until(lambda: app.flush() and "where round 1 places them" in app.map.layer.density["words"])
        told = app.map.layer.density
        assert told["extent"] == list(whole.extent)
        shade = np.frombuffer(told["shade"], np.uint8).reshape(256, 256)
        there = whole.density.reshape(256, 2, 256, 2).sum((1, 3)) > 0
        assert shade[there].min() > 0 and shade[there].mean() > 2 * shade.mean()
        app.act({"type": "undo"})
        assert "came with the pool" in app.presenter.last_action and app.session.n_labeled == 6
    finally:
        app.close()
