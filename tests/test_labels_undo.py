"""Undo takes back one's own gestures and those of sessions that have ended, never what somebody else is doing, whatever
is compacted, deleted or forked meanwhile."""

import os
import subprocess
import sys

import pytest
from stores import named

from ssvae_widgets import LabelStore
from ssvae_widgets.labels import archive
from ssvae_widgets.labels.shared_log import SharedLog


def test_undo_takes_back_nothing_of_somebody_at_work(tmp_path):
    path = tmp_path / "labels.csv"
    anna = LabelStore(path, 20)
    anna.set(3, 1)
    with LabelStore(path, 20) as ben:
        assert not ben.can_undo and ben.undo() is None and ben.codes[3] == 1
        ben.set(4, 2)
        assert ben.undo() is not None and ben.undo() is None
    assert anna.undo() is not None and anna.redo() is not None
    anna.close()
    with LabelStore(path, 20) as later:
        assert later.undo() is not None and later.codes[3] == -1


def test_undo_of_a_killed_session_is_possible_when_nobody_else_lives(tmp_path):
    path = tmp_path / "labels.csv"
    code = (
        "import os, sys; from ssvae_widgets import LabelStore; "
        "s = LabelStore(sys.argv[1], 20); s.set(3, 1); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, path]).returncode == -9
    with LabelStore(path, 20) as s, LabelStore(path, 20) as second:
        assert second.undo() is None
        assert s.undo() is not None and s.codes[3] == -1


def test_a_fork_is_somebody_else(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 20) as s:
        s.set(3, 1)
        pid = os.fork()
        if pid == 0:
            s.set(4, 1)
            os._exit(0)
        os.waitpid(pid, 0)
        s.sync()
        assert s.undo() is not None and s.codes[3] == -1 and s.codes[4] == 1 and s.undo() is None


def test_a_fork_takes_nothing_back_of_its_parent(tmp_path):
    with LabelStore(tmp_path / "labels.csv", 10, 3) as s:
        s.set(1, 1)
        s.set(2, 2)
        read, write = os.pipe()
        if not (child := os.fork()):
            gesture = s.undo()
            s.set(3, 0)
            mine = s.undo()
            os.write(write, b"none" if gesture is None and mine.serials.tolist() == [3] else b"some")
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(read, 4) == b"none"
        s.sync()
        assert s.n_labeled == 2 and s.undo().serials.tolist() == [2]


@pytest.mark.parametrize("what", ["set", "class", "merge"])
def test_undo_through_a_compaction_in_the_same_moment(tmp_path, monkeypatch, what):
    path = tmp_path / "labels.csv"
    a, b = (LabelStore(path, 50, classes=["x", "y"], poll=3600) for _ in range(2))
    a.set([1, 2], "x")
    if what == "set":
        a.set([1], "y")
    if what == "class":
        a.rename_class("x", "z")
    if what == "merge":
        a.merge_classes("x", "y")
    for k in range(10):
        b.set(20 + k, "y")
    real, done = SharedLog.commit, []

    def commit(self, record):
        if self is a.log and not done:
            done.append(b.compact(keep=0))
        return real(self, record)

    monkeypatch.setattr(SharedLog, "commit", commit)
    assert a.undo().saved and done[0] is not None
    for s in (a, b):
        s.sync()
        assert s.codes[1] == 0 and s.codes[2] == 0 and s.classes == ["x", "y"] and not s.merged
    a.close(), b.close()
    with LabelStore(path, 50) as s:
        assert named(s) == {1: "x", 2: "x", **{20 + k: "y" for k in range(10)}} and s.history(1)[-1]["undone"] == (
            what == "set"
        )


@pytest.mark.parametrize("who", ["oneself", "somebody else"])
@pytest.mark.parametrize("op", ["undo", "redo"])
def test_undo_while_the_snapshot_is_made_counts(tmp_path, monkeypatch, op, who):
    path = tmp_path / "labels.csv"
    a, b = (LabelStore(path, 50, classes=["x", "y"], poll=3600) for _ in range(2))
    a.set(1, "x")
    a.set(2, "y")
    if op == "redo":
        a.undo()
    b.sync()
    real, done = archive.snapshot_of, []

    def snapshot_of(replay):
        made = real(replay)
        done.append(a.undo() if op == "undo" else a.redo())
        done.append(a.set(3, "x"))
        return made

    monkeypatch.setattr(archive, "snapshot_of", snapshot_of)
    assert (a if who == "oneself" else b).compact(keep=0) is not None and all(g.saved for g in done)
    right = {1: "x", 3: "x"} if op == "undo" else {1: "x", 2: "y", 3: "x"}
    for s in (a, b):
        s.sync()
        assert named(s) == right and s.history(2)[-1]["undone"] == (op == "undo")
    a.close(), b.close()
    with LabelStore(path, 50) as s:
        assert named(s) == right and s.history(2)[-1]["undone"] == (op == "undo")


def test_undo_of_earlier_sessions_survives_a_deleted_log(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 100, 3) as s:
        s.set(1, 1)
    with LabelStore(path, 100) as s:
        s.log_path.unlink()
        s.set(2, 2)
        assert s.undo().serials.tolist() == [2] and s.undo().serials.tolist() == [1]


def test_an_undo_that_cannot_be_is_none_whatever_others_do_meanwhile(tmp_path, monkeypatch):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 100, 3) as s, LabelStore(path, 100) as other:
        s.set(1, 1)
        monkeypatch.setattr(s.log, "catch_up", lambda: None)
        other.compact(keep=0).unlink()  # its target is gone
        other.set(2, 2)
        assert s.undo() is None and s.codes[1] == 1 and s.codes[2] == 2
