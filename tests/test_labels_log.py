"""The log of the labels: which data it belongs to, carried over, compacted, on a disk that refuses, with lines that
make no sense."""

import contextlib
import json
import os
import stat
import threading
import time

import numpy as np
import pytest
from stores import named, open_store
from waiting import until

import ssvae_widgets.labels.archive as archive
import ssvae_widgets.labels.beside as beside
import ssvae_widgets.labels.csv_mirror as csv_mirror
import ssvae_widgets.labels.store as labels_module
from ssvae_widgets import LabelStore
from ssvae_widgets.data.fingerprints import fingerprint
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.io.files import atomic_write
from ssvae_widgets.labels.csv_table import LabelFileError
from ssvae_widgets.labels.line import decode_line, encode_line
from ssvae_widgets.labels.store import OtherDataError


def flip_bit_in_first_line(path):
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)


# ---- which data the labels belong to


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 255, (30, 4, 4), np.uint8)


def test_a_fingerprint_that_came_later_counts(tmp_path, images):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 30, classes=3) as s:
        s.set(0, 1)
    with LabelStore(path, 30, fingerprint=fingerprint(images)) as s:
        s.set(1, 1)
    with pytest.raises(OtherDataError):
        LabelStore(path, 30, fingerprint=fingerprint(images[::-1].copy()))


def test_a_damaged_first_line_does_not_let_other_data_in(tmp_path, images):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 30, classes=3, fingerprint=fingerprint(images)) as s:
        s.set(range(10), 1)
    flip_bit_in_first_line(tmp_path / "labels.csv.log.jsonl")
    with pytest.raises(OtherDataError):
        LabelStore(path, 30, classes=3, fingerprint=fingerprint(images[::-1].copy()))
    with pytest.raises(OtherDataError):
        LabelStore(path, 31, classes=3)
    with LabelStore(path, 30, fingerprint=fingerprint(images)) as s:
        assert s.n_labeled == 10


def test_a_newer_format_is_refused(tmp_path):
    from ssvae_widgets.labels.line import encode_line

    (tmp_path / "labels.csv.log.jsonl").write_bytes(
        encode_line({"id": "a", "op": "log", "format": 99, "n_items": 9, "fingerprint": None, "classes": [[0, "0"]]})
    )
    with pytest.raises(LabelFileError, match="newer version"):
        LabelStore(tmp_path / "labels.csv", 9)


# ---- carrying over


def test_adopt_moves_a_csv_without_log(tmp_path):
    (tmp_path / "labels.csv").write_text("Serial,label\n0,0\n1,2\n")
    with LabelStore.adopt(tmp_path / "labels.csv", 30, classes=3, mapping=np.arange(20) + 10) as s:
        assert {int(i): int(s.codes[i]) for i in np.flatnonzero(s.codes >= 0)} == {10: 0, 11: 2}


def test_adopt_takes_edits_along(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 30, classes=3) as s:
        s.set([0, 1, 2], 1)
    path.write_text(path.read_text().replace("1,1", "1,2") + "9,2\n")
    with LabelStore.adopt(path, 40) as s:
        assert s.codes[[0, 1, 2, 9]].tolist() == [1, 2, 1, 2]
    assert any(p.name.startswith("labels.csv.backup-") for p in tmp_path.iterdir())


def test_adopt_says_what_it_needs(tmp_path):
    with LabelStore(tmp_path / "labels.csv", 30, classes=3) as s:
        s.set(0, 1)
    with pytest.raises(ValueError, match="give n_items or fingerprint"):
        LabelStore.adopt(tmp_path / "labels.csv")


def test_a_store_open_on_the_former_data_does_not_push_its_rows_back(tmp_path):
    path = tmp_path / "labels.csv"
    a = open_store(path)
    a.set([0, 1, 2], 1)
    b = LabelStore.adopt(path, 30, mapping=np.arange(30)[::-1].copy())
    assert np.flatnonzero(b.codes >= 0).tolist() == [27, 28, 29]
    assert not a.set(6, 0).saved and "carried over" in a.message
    b.sync()
    assert np.flatnonzero(b.codes >= 0).tolist() == [27, 28, 29]
    b.close()
    with pytest.warns(UserWarning, match="not saved"):
        a.close()


def test_a_gesture_during_adopt_is_kept(tmp_path, monkeypatch):
    path, real = tmp_path / "labels.csv", archive.atomic_write
    a = open_store(path)
    a.set(0, 1)
    told = []

    def late(target, data, **kw):
        if str(target).endswith(".log.jsonl") and not told:
            told.append(a.set(5, 2).saved)
        return real(target, data, **kw)

    monkeypatch.setattr(archive, "atomic_write", late)
    with LabelStore.adopt(path, 40, mapping=np.arange(30) + 10) as b:
        assert told == [True] and {int(i): int(b.codes[i]) for i in np.flatnonzero(b.codes >= 0)} == {10: 1, 15: 2}
    a.log.close()


# ---- compaction


def test_two_compactions_without_any_lock_lose_nothing(tmp_path, monkeypatch):
    path, real, acked = tmp_path / "labels.csv", archive.install, []
    monkeypatch.setattr(archive, "only_one", lambda *_: contextlib.nullcontext())
    a, b = open_store(path, 100), open_store(path, 100)
    for k in range(20):
        a.set(k, 1)
    b.sync()

    def install(fresh, log):
        if not acked:
            acked.append(None)
            b.compact(keep=2)
            with open_store(path, 100) as c:
                acked.append(c.set(77, 2).saved)
        return real(fresh, log)

    monkeypatch.setattr(archive, "install", install)
    a.compact(keep=3)
    b.close()
    a.close()
    with LabelStore(path, 100) as s:
        assert acked[1] and s.codes[77] == 2 and s.n_labeled == 21 and s.codes[:20].tolist() == [1] * 20


def test_a_damaged_snapshot_is_made_good_from_the_archive(tmp_path):
    with LabelStore(tmp_path / "labels.csv", 30, classes=3) as s:
        for k in range(10):
            s.set(k, 1)
        s.set(0, 2)
        s.compact(keep=0)
        s.set(20, 1)
        s.set(1, 0)
    flip_bit_in_first_line(tmp_path / "labels.csv.log.jsonl")
    (tmp_path / "labels.csv").unlink()
    with pytest.warns(UserWarning, match="first line .* was damaged"), LabelStore(tmp_path / "labels.csv", 30) as s:
        assert s.n_labeled == 11 and s.codes[[0, 1, 2, 20]].tolist() == [2, 0, 1, 1]
    assert any(".log.damaged-" in p.name for p in tmp_path.iterdir())
    with LabelStore(tmp_path / "labels.csv", 30) as s:
        assert s.n_labeled == 11 and len(s.history(0)) == 2


def test_a_linked_log_compacts_where_it_lies(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "log.jsonl").write_bytes(b"")
    (tmp_path / "labels.csv.log.jsonl").symlink_to(tmp_path / "real" / "log.jsonl")
    with LabelStore(tmp_path / "labels.csv", 30, classes=3) as s:
        for k in range(20):
            s.set(k % 5, k % 3)
        archive = s.compact(keep=2)
        assert archive.parent.name == "real" and len(s.history(0)) == 4 and len(s.to_pandas()) == 20
    assert (tmp_path / "labels.csv.log.jsonl").is_symlink()


def test_a_compaction_keeps_as_many_gestures_as_it_says(tmp_path):
    "Lines about exports are none: every process that ends writes one."
    for k in range(10):
        with LabelStore(tmp_path / "labels.csv", 30, classes=3) as s:
            s.set(k, 1)
    with LabelStore(tmp_path / "labels.csv", 30) as s:
        lines = [json.loads(line)["op"] for line in (tmp_path / "labels.csv.log.jsonl").read_text().splitlines()]
        assert lines.count("export") >= 8, "or nothing is tested"
        s.compact(keep=5)
        for _ in range(5):
            assert s.undo()
        assert s.codes.tolist() == [1] * 5 + [-1] * 25


def test_changed_since_the_beginning_after_compaction(tmp_path):
    with LabelStore(tmp_path / "labels.csv", 30, classes=3) as s:
        for k in range(10):
            s.set(k, 1)
        s.compact(keep=0)
        s.set(20, 1)
    with LabelStore(tmp_path / "labels.csv", 30) as s:
        assert s.changed_since(0).tolist() == [*range(10), 20]


def test_an_interrupted_compaction_reads_everything_again(tmp_path, monkeypatch):
    for module, place in (
        (archive, "install"),
        (archive, "generation"),
        (archive, "atomic_write"),
        (archive, "second_name"),
        (beside, "generation"),
    ):
        path = tmp_path / f"{module.__name__} {place}" / "labels.csv"
        path.parent.mkdir()
        with open_store(path) as s:
            for k in range(10):
                s.set(k, 1)
            with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
                m.setattr(module, place, lambda *_, **kw: (_ for _ in ()).throw(KeyboardInterrupt))
                s.compact(keep=2)
            assert s.set(20, 2).saved
        with LabelStore(path, 30) as s:
            assert s.n_labeled == 11


# ---- marks of exports


def test_a_log_is_closed_once(tmp_path):
    s = open_store(tmp_path / "labels.csv")
    s.set(1, 1)
    s.close()
    closed = s.log_path.read_bytes()
    assert closed.count(b'"op":"export"') == 1
    s.log.close(tidy=True)
    assert s.log_path.read_bytes() == closed and s.log.file.fd is None
    s.log_path.unlink()
    s.log.close(tidy=True)
    assert not s.log_path.exists()


@pytest.mark.parametrize("way", ["refused", "interrupted", "dropped"])
def test_a_line_that_comes_to_nothing_takes_no_marks_along(tmp_path, way, monkeypatch):
    with open_store(tmp_path / "labels.csv") as s:
        s.set(1, 1)
        s.flush()
        [mark] = s.log.exports
        if way == "refused":
            with pytest.raises(TypeError):
                s.log.commit(s.log.record("set", serials=[2], labels=[1], why=object()))
        elif way == "interrupted":
            with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
                m.setattr(
                    "ssvae_widgets.labels.shared_log.encode_line", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
                )
                s.set(2, 1)
        else:
            gesture = s.log.commit(s.log.record("undo", target="of nobody"))
            assert gesture.id in s.log.dropped
        assert s.log.exports == [mark] and s.codes[2] == -1
        s.set(3, 1)
        assert decode_line(s.log_path.read_bytes().splitlines()[-1])["exports"] == [mark] and not s.log.exports


@pytest.mark.parametrize("odd", [3, "a", {"a": 1}, [1], None, True])
def test_what_a_former_version_kept_under_the_name_of_the_marks_costs_no_label(tmp_path, odd):
    with open_store(tmp_path / "labels.csv") as s:
        s.set(1, 1)
        s.set(2, 2)
    log = tmp_path / "labels.csv.log.jsonl"
    records = [decode_line(line) for line in log.read_bytes().splitlines()]
    for r in records:
        r.pop("crc", None)
        if r["op"] == "set":
            r["exports"] = odd
    log.write_bytes(b"".join(map(encode_line, records)))
    with open_store(tmp_path / "labels.csv") as s:
        assert s.codes[[1, 2]].tolist() == [1, 2] and not s.message
        s.set(3, 0)
        s.compact(keep=0)
    with open_store(tmp_path / "labels.csv") as s:
        assert s.codes[[1, 2, 3]].tolist() == [1, 2, 0]


# ---- the disk


def test_the_folder_knows_the_log_before_anything_is_confirmed(tmp_path, monkeypatch):
    "Also when an earlier process made the file, and when the first try failed."
    calls, real, fail = [], os.fsync, []

    def fsync(fd):
        folder = stat.S_ISDIR(os.fstat(fd).st_mode)
        calls.append("folder" if folder else "file")
        if folder and fail:
            fail.pop()
            raise OSError(5, "I/O error")
        return real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    for name, before in (("new", None), ("left", b"")):
        (tmp_path / name).mkdir()
        if before is not None:
            (tmp_path / name / "labels.csv.log.jsonl").write_bytes(before)
        store = open_store(tmp_path / name / "labels.csv")
        calls.clear()
        assert store.set(0, 0).saved and calls == ["folder", "file"]
        calls.clear()
        assert store.set(1, 0).saved and calls == ["file"]
        store.close()
    (tmp_path / "failing").mkdir()
    store = open_store(tmp_path / "failing" / "labels.csv")
    fail.append(1)
    calls.clear()
    assert not store.set(0, 0).saved and calls == ["folder"]
    assert store.set(1, 1).saved and calls[:3] == ["folder", "folder", "file"]
    store.close()


def test_atomic_write_waits_for_file_and_folder(tmp_path, monkeypatch):
    order, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda fd: (order.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"), fsync(fd))[1]
    )
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("replace"), replace(a, b))[1])
    atomic_write(tmp_path / "x", b"data")
    assert order == ["file", "replace", "folder"]


def test_a_disk_that_never_confirms_is_not_filled(tmp_path, monkeypatch):
    store, real = LabelStore(tmp_path / "labels.csv", 60_000, classes=3, poll=0.02), os.fsync
    store.set(0, 0)
    log = store.log_path.stat().st_ino

    def fsync(fd):
        if os.fstat(fd).st_ino == log:
            raise OSError(5, "I/O error")
        return real(fd)

    with monkeypatch.context() as m:
        m.setattr(os, "fsync", fsync)
        store.set(range(5000), 1, source="lasso")
        until(lambda: store.log.retry.failing is not None)
        size = store.log_path.stat().st_size
        for k in range(30):
            assert not store.set(k, 2).saved
        assert store.log_path.stat().st_size < size + 150_000 and store.status == "not saved"
        store.log.retry.due = 0.0
    until(lambda: store.saved)
    assert store.codes[:31].tolist() == [2] * 30 + [1] and store.close()


def test_what_was_written_is_read_back_before_it_counts(tmp_path, monkeypatch):
    "A file system that takes bytes and forgets them must not be believed."
    store = open_store(tmp_path / "labels.csv")
    store.set(0, 0)
    monkeypatch.setattr(store.log.file, "append", lambda lines: None)
    g = store.set(1, 1)
    assert not g.saved and "the disk reported an error" in store.message
    monkeypatch.undo()
    assert store.set(2, 2).saved and store.close()
    with LabelStore(tmp_path / "labels.csv", 30) as s:
        assert s.codes[:3].tolist() == [0, 1, 2]


def test_a_log_that_moves_away_while_it_is_written(tmp_path, monkeypatch):
    "Bytes in a file without a name would be confirmed and lost."
    path = tmp_path / "labels.csv"
    store = open_store(path)
    store.set(0, 0)
    real, once = store.log.file.append, [1]

    def append(lines):
        real(lines)
        if once:
            once.pop()
            os.replace(store.log_path, tmp_path / "elsewhere")

    monkeypatch.setattr(store.log.file, "append", append)
    assert store.set(1, 1).saved and store.close()
    with LabelStore(path, 30) as s:
        assert s.codes[:2].tolist() == [0, 1]


# ---- history


def test_previous_is_what_another_notebook_said(tmp_path):
    a, b = open_store(tmp_path / "labels.csv"), open_store(tmp_path / "labels.csv")
    a.set(0, 1)
    b.set(0, 2)
    assert [(h["previous"], h["label"]) for h in b.history(0)] == [(None, "1"), ("1", "2")]
    a.close()
    b.close()


def test_provenance_follows_its_row():
    store = LabelStore(None, 9, classes=3)
    store.set([5, 6, 5], [0, 1, 2], certainty=[0.1, 0.2, 0.3])
    assert [h["certainty"] for h in store.history(5)] == [0.3] and [h["certainty"] for h in store.history(6)] == [0.2]


def test_opening_is_linear_in_gestures(tmp_path):
    "5,000 gestures over 60,000 images took seconds while every line made a new view."

    def opening(n):
        path = tmp_path / f"{n}.csv"
        with LabelStore(path, n, classes=10) as s:
            s.log.save, save = (lambda: None), s.log.save
            for k in range(5000):
                s.log.unsaved.append(
                    s.log.record("set", serials=[k * 7 % n], labels=[k % 10], previous=[None], source="api")
                )
            s.log.save = save
            s.log.save()
        start = time.process_time()
        with LabelStore(path, n) as s:
            opened = time.process_time() - start
            assert s.seq == 5000
        return opened

    few, many = opening(60), opening(60_000)
    assert many < 2 or many < 4 * few, (few, many)


# ---- compaction by others, by itself, and in the same moment


@pytest.mark.parametrize("op", ["set", "undo"])
@pytest.mark.parametrize("way", ["compact", "adopt"])
def test_killed_right_after_the_swap(tmp_path, way, op):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 30, classes=3) as s:
        s.set([7], 0)
    pid = os.fork()
    if pid == 0:
        b, real = LabelStore(path, 30, poll=3600), archive.atomic_write
        b.set([8], 2)

        def write(target, data, **kw):
            data = data if isinstance(data, bytes) else list(data)
            if ".log." in str(target) and not str(target).endswith(".csv"):
                assert (b.set([9], 1) if op == "set" else b.undo()).saved
            done = real(target, data, **kw)
            if way == "adopt" and target.name == "labels.csv.log.jsonl":
                os.kill(os.getpid(), 9)
            return done

        def install(fresh, log, real=archive.install):
            real(fresh, log)
            os.kill(os.getpid(), 9)

        archive.atomic_write, archive.install = write, install
        if way == "compact":
            with LabelStore(path, 30, poll=3600) as a:
                a.compact(keep=0)
        else:
            LabelStore.adopt(path, 40, mapping=np.arange(30) + 10)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 9
    move = 10 if way == "adopt" else 0
    want = {7 + move: 0, 8 + move: 2, 9 + move: 1} if op == "set" else {7 + move: 0}
    with LabelStore(path, 30 + move, poll=3600) as s:
        assert {int(r): int(s.codes[r]) for r in np.flatnonzero(s.codes >= 0)} == want
    with LabelStore(path, 30 + move) as s:
        assert {int(r): int(s.codes[r]) for r in np.flatnonzero(s.codes >= 0)} == want


def test_a_long_log_starts_anew_by_itself_and_nobody_notices(tmp_path, monkeypatch):
    monkeypatch.setattr(labels_module, "AUTO_COMPACT", 60)
    monkeypatch.setattr(labels_module, "KEPT", 20)
    path = tmp_path / "labels.csv"
    with LabelStore(path, 200, classes=3, poll=0.02) as s, LabelStore(path, 200, poll=0.02) as other:
        s.set(5, 1, accepted=True)
        for k in range(150):
            s.set(k % 100 + 50, k % 3)
        until(lambda: [*tmp_path.glob("labels.csv.log.2*.jsonl")], 60)
        lines = path.with_name("labels.csv.log.jsonl").read_bytes().splitlines()
        assert len(lines) < 150, "some of them have become a snapshot"
        assert s.rows_with("accepted").tolist() == [5] and len(s.history(60)) == 2 and len(s.to_pandas()) == 151
        other.sync()
        assert (other.codes == s.codes).all() and s.seq == other.seq == 151
        s.undo()
        assert s.history(99)[-1]["undone"]
        right = s.codes.copy()
    with LabelStore(path, 200) as s:
        assert (s.codes == right).all() and s.rows_with("accepted").tolist() == [5] and len(s.to_pandas()) == 151


@pytest.mark.parametrize("each", [False, True])
def test_facts_through_a_compaction_in_the_same_moment(tmp_path, monkeypatch, each):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 100, classes=["a", "b"]) as s, LabelStore(path, 100) as other:
        s.set([1, 2], "a", accepted=True)
        s.set([2, 3, 4], "a", accepted=[False, True, False] if each else True)
        assert s.rows_with("accepted").tolist() == ([1, 3] if each else [1, 2, 3, 4])
        monkeypatch.setattr(s.log, "catch_up", lambda: None)  # has not seen it yet
        other.compact(keep=0)
        assert s.undo().saved
        monkeypatch.undo()
        for store in (s, other):
            store.sync()
            assert store.rows_with("accepted").tolist() == [1, 2] and named(store) == {1: "a", 2: "a"}
        other.compact(keep=0)
    with LabelStore(path, 100) as s:
        assert s.rows_with("accepted").tolist() == [1, 2]


# ---- a full disk, hostile lines


def test_adopting_on_a_full_disk_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 10, 3) as s:
        s.set([1, 2], 1)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    real = archive.atomic_write

    def full(file, data, **kw):
        if str(file).endswith(".log.jsonl"):
            raise OSError(28, "No space left on device")
        return real(file, data, **kw)

    monkeypatch.setattr(archive, "atomic_write", full)
    with pytest.raises(LabelFileError, match="disk is full.*nothing was lost"):
        LabelStore.adopt(path, 5, mapping=np.r_[np.arange(5), -np.ones(5, int)])
    monkeypatch.undo()
    after = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert {**after, **before} == after  # what is new is the former log, by a second name
    with LabelStore(path, 10) as s:
        assert s.codes[[1, 2]].tolist() == [1, 1]


def test_hostile_logs_open_in_a_moment(tmp_path):
    many = {"id": "c", "op": "class", "classes": [[f"u{k}", "x"] for k in range(20_000)]}
    logs = {
        "one name": [many],
        "numbered": [
            {"id": "c", "op": "class", "classes": [[f"u{k}", "x" if k % 2 else f"x ({k // 2})"] for k in range(20_000)]}
        ],
        "chain": [{"id": f"m{k}", "op": "merge", "from": f"c{k}", "into": f"c{k + 1}"} for k in range(3000)],
        "chain from its end": [
            {"id": f"m{k}", "op": "merge", "from": f"c{3000 - k}", "into": f"c{3001 - k}"} for k in range(3000)
        ],
        "merges of many": [
            many,
            *({"id": f"d{k}", "op": "merge", "from": f"u{k}", "into": f"u{k + 1}"} for k in range(1000)),
        ],
        "heads": [{"id": f"l{k}", "op": "log", "classes": [[f"w{k}", "w"]]} for k in range(3000)],
    }
    for name, lines in logs.items():
        path = tmp_path / name / "labels.csv"
        path.parent.mkdir()
        head = {"id": "h", "op": "log", "format": 1, "n_items": 9, "fingerprint": None, "classes": [["a", "a"]]}
        last = {"id": "s", "op": "set", "serials": [1], "labels": ["a"], "previous": [None]}
        path.with_name("labels.csv.log.jsonl").write_bytes(b"".join(map(encode_line, [head, *lines, last])))
        start = time.process_time()
        with LabelStore(path, 9) as s:
            assert s.codes[1] == 0 and len({*s.classes}) == s.n_classes
        assert time.process_time() - start < 20, name  # a third of a second; minutes before
    with LabelStore(tmp_path / "chain" / "labels.csv", 9) as s:
        assert {*s.merged.values()} == {s.classes.index("c3000")}


def test_lines_that_make_no_sense_are_passed_over(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 9, classes=["a"]) as s:
        s.set(1, "a")
    odd = [
        {"id": ["x"], "op": "set", "serials": [1], "labels": ["a"]},
        {"id": "y", "op": "undo", "target": ["q"]},
        {"id": "w", "op": "merge", "from": None, "into": {}},
        {"id": "v", "op": "class", "classes": [["a"]]},
        {"id": "t", "op": "set", "serials": [1, 2], "labels": [None]},
        {"id": "r", "op": "set", "serials": [True], "labels": [None]},
        {"id": "p", "op": "undo", "target": "nobody", "on": 3, "after": {}},
        {"id": "o", "op": "set", "serials": [10**30], "labels": [None]},
        {"id": "n", "op": "set", "serials": {"1": 1}, "labels": [None]},
    ]
    with open(path.with_name("labels.csv.log.jsonl"), "ab") as f:
        for record in odd:
            f.write(encode_line(record))
        f.write(json.dumps({"id": "z", "op": "set"}).encode() + b"\n")
    with pytest.warns(UserWarning, match="9 lines of .* make no sense and were left out"):
        s = LabelStore(path, 9)
    with s:
        assert named(s) == {1: "a"} and s.set(2, "a").saved


def test_a_key_press_does_not_wait_for_a_long_file(tmp_path, monkeypatch):
    "While somebody's file is read, labels are acknowledged."
    store = LabelStore(tmp_path / "labels.csv", 100, classes=3, poll=0.02)
    store.set(0, 0)
    store.flush()
    reading, go_on, real = threading.Event(), threading.Event(), csv_mirror.read_cells

    def slow(*args):
        reading.set()
        assert go_on.wait(60)
        return real(*args)

    monkeypatch.setattr(csv_mirror, "read_cells", slow)
    store.path.write_text(store.path.read_text() + "5,2\n")
    assert reading.wait(60)
    start = time.monotonic()
    assert store.set(1, 1).saved and time.monotonic() - start < 30
    go_on.set()
    until(lambda: store.codes[5] == 2)
    assert store.codes[1] == 1 and store.close()


@pytest.mark.parametrize(
    "labels", [[1, True], [0, False], [["a"], ["b"]], [["a"], ["b", "c"]], [{}, 1], np.zeros((2, 2))]
)
def test_labels_that_are_no_classes_are_refused_whatever_stands_beside_them(labels):
    with LabelStore(None, 5, classes=["a", "b"]) as s:
        with pytest.raises(ArgumentError, match="is no class"):
            s.set([0, 1], labels)
        assert s.n_labeled == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda path: LabelStore(path, 10**13),
        lambda path: LabelStore(path, 10**400),
        lambda path: LabelStore(path, fingerprint={"x": 1}),
        lambda path: LabelStore(path, 3, poll="0.2"),
        lambda path: LabelStore(path, 3, poll=float("nan")),
        lambda path: LabelStore(path, 3, poll=0),
        lambda path: LabelStore(path, 3, export_after=None),
        lambda path: LabelStore.adopt(None, 3),
        lambda path: LabelStore.adopt(path, fingerprint={"x": 1}),
    ],
)
def test_a_store_that_cannot_be_says_why(tmp_path, call):
    with pytest.raises(ArgumentError, match="expected"):
        call(tmp_path / "labels.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.set(0, 10**400),
        lambda s: s.add_classes("xyz"),
        lambda s: s.add_classes({"x", "y"}),
        lambda s: s.add_classes(None),
        lambda s: s.observe(None),
        lambda s: s.rows_with(["accepted"]),
        lambda s: s.changed_since(None),
        lambda s: s.compact(-1),
        lambda s: s.compact("all"),
        lambda s: s.flush(-1),
        lambda s: s.flush(None),
        lambda s: s.copy_to(None),
        lambda s: s.lacks(None),
    ],
)
def test_what_a_store_cannot_do_is_said(tmp_path, call):
    with LabelStore(tmp_path / "labels.csv", 5, classes=["a", "b"]) as s:
        s.set(0, 1)
        with pytest.raises(ArgumentError, match="^(?!.{300})"):
            call(s)
        assert s.classes == ["a", "b"] and s.codes.tolist() == [1, -1, -1, -1, -1]


def test_what_can_be_undone_is_asked_while_others_label():
    with LabelStore(None, 50, classes=3) as s:
        done, wrong = threading.Event(), []

        def ask():
            try:
                while not done.is_set():
                    assert s.can_undo in (True, False) and s.can_redo in (True, False)
            except Exception as error:
                wrong.append(error)

        asker = threading.Thread(target=ask)
        asker.start()
        for k in range(300):
            s.set(k % 50, k % 3)
            for _ in range(k % 4):
                s.undo()
            s.redo()
        done.set()
        asker.join(60)
        assert not wrong


def test_a_flush_that_waited_for_the_end_opens_nothing_again(tmp_path):
    "Its lines are unsaved because the disk refused them; the store is closed while a flush waits for the lock."
    store = LabelStore(tmp_path / "labels.csv", 9, classes=3, poll=3600)
    store.set(0, 0)
    said = []
    with store.csv.lock:
        waiting = threading.Thread(target=lambda: said.append(store.flush()))
        waiting.start()
        time.sleep(0.2)
        with store.log.lock:
            store.log.unsaved.append(store.log.record("set", serials=[1], labels=[1]))
            store.log.close()
    waiting.join(60)
    assert said == [True] and store.log.file.fd is None and store.log.presence is None
    assert len(store.log.unsaved) == 1


def test_what_was_undone_does_not_count_among_what_a_compaction_keeps(tmp_path):
    with LabelStore(tmp_path / "labels.csv", 30, classes=3) as s:
        for k in range(6):
            s.set(k, 1)
        s.rename_class(2, "three")
        for k in range(10, 14):
            s.set(k, 0)
            s.undo()
        s.compact(keep=3)
        assert s.undo() and s.undo() and s.undo() and s.classes[2] == "2" and s.n_labeled == 4


def test_a_gesture_names_its_own_rows_whatever_another_process_writes_meanwhile(tmp_path):
    "An app says what was undone by these rows."
    with LabelStore(tmp_path / "labels.csv", 30, classes=3) as mine:
        with LabelStore(tmp_path / "labels.csv", 30) as other:
            for k in range(5):
                other.set(20 + k, 2)
                assert mine.set(k, 1).serials.tolist() == [k]
                other.set(20 + k, 0)
                assert mine.undo().serials.tolist() == [k]
            assert mine.n_labeled == 5


def test_a_long_log_of_undone_gestures_becomes_short(tmp_path):
    with LabelStore(tmp_path / "labels.csv", 30, classes=3) as s:
        for k in range(30):
            s.set(10, k % 3)
            s.undo()
        s.set(0, 1)  # fewer are left than are kept
        assert s.compact(keep=10) is not None
        assert len((tmp_path / "labels.csv.log.jsonl").read_text().splitlines()) <= 12
        assert s.undo() and s.n_labeled == 0
