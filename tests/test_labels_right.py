"""Labels never become wrong without anybody's doing, whatever reads, renames, compacts or restores them; hostile
logs open fast or not at all."""

import itertools
import json
import os
import stat
import struct
import subprocess
import sys
import textwrap
import threading
import time
import unicodedata

import numpy as np
import pandas as pd
import pytest

import ssvae_widgets.labels.archive as archive
import ssvae_widgets.labels.store as labels_module
from ssvae_widgets import LabelingSession, LabelStore
from ssvae_widgets.labels.csv_table import LabelFileError, read_cells
from ssvae_widgets.labels.line import decode_line, encode_line
from ssvae_widgets.labels.shared_log import SharedLog

moments = itertools.count()


def named(store):
    return {int(r): store.classes[store.codes[r]] for r in np.flatnonzero(store.codes >= 0)}


def imports(store):
    return [e for e in store.to_pandas().to_dict("records") if e["source"] == "import"] if store.seq else []


def swap(store, a, b):
    "Two classes exchange their names."
    code_a, code_b = store.classes.index(a), store.classes.index(b)
    store.rename_class(code_a, f"for a moment {next(moments)}")
    store.rename_class(code_b, a)
    store.rename_class(code_a, b)


# ---- exports of another time


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("change", ["swap", "reuse", "merge", "merge and reuse", "undo of a swap"])
def test_a_late_export_changes_nothing(tmp_path, change, compacted):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 100, classes=["a", "b", "c"]) as s:
        s.set(range(30), "a")
        s.set(range(30, 60), "b")
        s.flush()
        late = path.read_bytes()
        if change == "swap":
            swap(s, "a", "b")
        if change == "reuse":
            s.rename_class("a", "old")
            s.rename_class("b", "a")
        if change == "merge":
            s.merge_classes("a", "b")
        if change == "merge and reuse":
            s.merge_classes("a", "b")
            s.rename_class("a", "gone")
            s.rename_class("c", "a")
            s.set(70, "a")
        if change == "undo of a swap":
            swap(s, "a", "b")
            [s.undo() for _ in range(3)]
        s.set(80, "c" if "c" in s.classes else "a")
        if compacted:
            s.compact(keep=0)
        right = s.codes.copy()
        s.flush()
        path.write_bytes(late)
        os.utime(path, (1e9, 1e9))
        s.flush()
        assert (s.codes == right).all() and not imports(s)
    with LabelStore(path, 100) as s:
        assert not imports(s)
    path.write_bytes(late)
    with LabelStore(path, 100) as s:  # also when it is found at the start
        s.flush()
        assert (
            not imports(s) and not [*tmp_path.glob("*.backup-*")] and s.n_labeled == 61 + (change == "merge and reuse")
        )


def test_an_edited_late_export_is_read_with_the_names_of_its_time(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 100, classes=["a", "b"]) as s:
        s.set(range(30), "a")
        s.set(range(30, 60), "b")
        s.flush()
        late = path.read_text()
        swap(s, "a", "b")
        s.set(90, "a")
        s.flush()
        path.write_text(late.replace("\n5,a\n", "\n5,b\n").replace("\n59,b\n", "\n59,b\n70,a\n"))
        os.utime(path, (1e9, 1e9))
        s.flush()
        want = {**{r: "b" for r in range(30)}, **{r: "a" for r in range(30, 60)}, 90: "a"}  # the names of now
        want[5], want[70] = "a", "b"  # what was called b then, and a then
        assert named(s) == want
        s.undo()
        del want[70]
        assert named(s) == {**want, 5: "b"}


def test_restored_backups_and_every_earlier_export_say_nothing(tmp_path):
    "Random gestures, renames and swaps; each file that was ever exported comes back at the end."
    rng, path, files = np.random.default_rng(1), tmp_path / "labels.csv", []
    with LabelStore(path, 60, classes=["a", "b", "c"]) as s:
        for k in range(120):
            if k % 10 == 9:
                swap(s, *rng.permutation(s.classes)[:2])
            elif k % 31 == 30:
                s.compact(keep=5)
            elif rng.random() < 0.15:
                s.undo()
            else:
                s.set(rng.permutation(60)[:3], rng.choice(s.classes))
            s.flush()
            files.append(path.read_bytes())
        right, seq = s.codes.copy(), s.seq
        for data in {*files}:
            path.write_bytes(data)
            os.utime(path, (1e9, 1e9))
            assert s.flush()
        assert (s.codes == right).all() and s.seq == seq
        assert path.read_bytes() == files[-1] and not [*tmp_path.glob("*.backup-*")]


def test_processes_that_swap_and_export_import_nothing(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 400, classes=["a", "b", "c"]) as s:
        s.set(range(100), "a")
        s.set(range(100, 200), "b")
    child = textwrap.dedent("""
        import random, sys, time
        from ssvae_widgets import LabelStore
        path, k = sys.argv[1], int(sys.argv[2])
        rng, end = random.Random(k), time.monotonic() + 4
        with LabelStore(path, 400, export_after=0.01 * k, poll=0.02) as s:
            while time.monotonic() < end:
                s.set(200 + 50 * k + rng.randrange(50), 2)
                if k == 0:
                    for code, name in ((0, "x"), (1, "y"), (0, "b"), (1, "a"), (0, "x"), (1, "b"), (0, "a")):
                        s.rename_class(code, name)
                time.sleep(0.02)
    """)
    running = [subprocess.Popen([sys.executable, "-c", child, str(path), str(k)]) for k in range(4)]
    assert [p.wait(120) for p in running] == [0] * 4
    with LabelStore(path, 400) as s:
        assert (
            not imports(s)
            and (s.codes[:100] == 0).all()
            and (s.codes[100:200] == 1).all()
            and not [*tmp_path.glob("*.backup-*")]
        )


# ---- undo


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


# ---- lines beside a new log


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
        end = time.monotonic() + 60
        while not [*tmp_path.glob("labels.csv.log.2*.jsonl")] and time.monotonic() < end:
            time.sleep(0.05)
        assert (
            len(path.with_name("labels.csv.log.jsonl").read_bytes().splitlines()) < 150
        )  # some of them have become a snapshot
        assert s.rows_with("accepted").tolist() == [5] and len(s.history(60)) == 2 and len(s.to_pandas()) == 151
        other.sync()
        assert (other.codes == s.codes).all() and s.seq == other.seq == 151
        s.undo()
        assert s.history(99)[-1]["undone"]
        right = s.codes.copy()
    with LabelStore(path, 200) as s:
        assert (s.codes == right).all() and s.rows_with("accepted").tolist() == [5] and len(s.to_pandas()) == 151


# ---- access


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o640])
def test_permissions_stay(tmp_path, mode):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 50, classes=3) as s:
        for k in range(20):
            s.set(k, k % 3)
        s.flush()
        for file in (path, s.log_path):
            os.chmod(file, mode)
        s.compact(keep=2)
        s.set(30, 1)
        s.flush()
        path.write_text(path.read_text() + "40,1\n")
        os.utime(path, (1e9, 1e9))
        s.flush()
        assert s.codes[40] == 1
        path.unlink()
        s.set(31, 2)
        s.flush()
    LabelStore.adopt(path, 60).close()
    with LabelStore(path, 60) as s:
        s.set(55, 1)
    found = {
        p.name: stat.S_IMODE(p.stat().st_mode)
        for p in tmp_path.iterdir()
        if p.suffix in (".csv", ".jsonl") or ".backup-" in p.name
    }
    assert len(found) >= 5 and {*found.values()} == {mode}, {k: oct(v) for k, v in found.items()}


# ---- names


@pytest.mark.parametrize("name", ["café", " cat ", "a\tb", "Å"])
def test_one_spelling_of_a_name(tmp_path, name):
    clean, other = unicodedata.normalize("NFC", name.replace("\t", " ")).strip(), unicodedata.normalize("NFD", name)
    with LabelStore(tmp_path / "labels.csv", 9, classes=[other, "dog"]) as s:
        assert s.classes == [clean, "dog"]
        for k, spelling in enumerate((name, other, np.str_(other), clean)):
            s.set(k, spelling)
        assert s.counts.tolist() == [4, 0]
        with pytest.raises(ValueError, match="already"):
            s.add_class(other)
    with LabelStore(tmp_path / "labels.csv", 9, classes=[clean]) as s:
        assert s.classes == [clean, "dog"]
    x = np.arange(6 * 64, dtype=np.uint8).reshape(6, 8, 8)
    for kw in (
        {"truth": [name, other, "dog", clean, None, "dog"]},
        {"truth": [name, other, "dog", clean, None, "dog"], "classes": [other, "dog"]},
    ):
        with LabelingSession(x, None, **kw) as session:
            assert sorted(session.classes) == sorted([clean, "dog"])
            assert [session.classes[t] if t >= 0 else None for t in session.truth] == [
                clean,
                clean,
                "dog",
                clean,
                None,
                "dog",
            ]


def test_missing_is_no_class():
    frame = pd.DataFrame({"label": ["cat", np.nan, "dog", None, "cat"]})
    with LabelStore(None, 5, classes=frame.label.unique()) as s:
        assert s.classes == ["cat", "dog"]
        s.set(range(5), frame.label.to_numpy())
        assert s.codes.tolist() == [0, -1, 1, -1, 0]
        s.set(0, pd.NA)
        assert s.codes[0] == -1
    with LabelStore(None, 5, classes=pd.Series([3.0, np.nan, 7.0]).unique()) as s:
        assert s.classes == ["3", "7"]
    with LabelStore(None, 5, classes=["nan", "none", "NA"]) as s:
        s.set([0, 1, 2], ["nan", "none", "NA"])
        assert s.codes[:3].tolist() == [0, 1, 2]


# ---- the door


@pytest.mark.parametrize(
    "address", ["s3://bucket/labels.csv", "https://x.org/labels.csv", "gs://a/b.csv", "file:///tmp/labels.csv"]
)
def test_addresses_are_refused(tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="address"):
        LabelStore(address, 5)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["labels.csv", "labels.csv.log.jsonl"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_pipes_and_devices_are_refused_at_once(tmp_path, name, kind):
    if kind == "pipe":
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).symlink_to("/dev/zero")
    said = []

    def opens():
        try:
            LabelStore(tmp_path / "labels.csv", 5)
        except Exception as e:
            said.append(e)

    thread = threading.Thread(target=opens, daemon=True)
    thread.start()
    thread.join(30)
    assert said and isinstance(said[0], ValueError) and kind in str(said[0])


@pytest.mark.parametrize(
    "rows", [[-1], [99], ["x"], [1.5], [True, False], np.zeros((2, 2), int), 10**400, [10**400], None, "3", {}]
)
def test_a_wrong_row_is_one_error_everywhere(rows):
    from ssvae_widgets.errors import RowError

    with LabelStore(None, 5, classes=2) as s:
        for does in (lambda: s.set(rows, 1), lambda: s.clear(rows)):
            with pytest.raises(RowError, match="serials"):
                does()
        s.set(np.array([True, False, False, True, False]), 1)
        assert s.codes.tolist() == [1, -1, -1, 1, -1]


def test_pickling_names_the_way_forward(tmp_path):
    import copy
    import pickle

    with LabelStore(tmp_path / "labels.csv", 5) as s:
        for does in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="open it where it is needed"):
                does(s)


# ---- time


@pytest.mark.parametrize("line", ['1,"', '1"x,"', '1,"a""', '"1,2', '1,2"', '""1,"'])
def test_unclosed_quotes_cost_linear_time(line):
    def work(n):
        start = time.process_time()
        read_cells(b"Serial,label\n" + f"{line}\n".encode() * n, 100)
        return time.process_time() - start

    work(1000)
    assert min(work(16_000) for _ in range(3)) < 8 * max(min(work(4_000) for _ in range(3)), 2e-3)


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


# ---- edits by hand that look like something older


def save_by_hand(store, path, text):
    path.write_text(text)
    os.utime(path, (1e9, 1e9 + next(moments)))
    store.flush()


def forget_exports(path):
    "A log as it was written before it named the files that were exported."
    log = path.with_name(path.name + ".log.jsonl")
    records = [record for record in map(decode_line, log.read_bytes().splitlines()) if record["op"] != "export"]
    log.write_bytes(
        b"".join(encode_line({k: v for k, v in record.items() if k not in ("exports", "crc")}) for record in records)
    )


def test_a_late_export_after_a_swap_whose_archive_is_gone_is_refused(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 100, classes=["a", "b", "c"]) as s:
        s.set(range(30), "a")
        s.set(range(30, 60), "b")
        s.set(60, "c")
        s.flush()
        late = path.read_text()
        swap(s, "a", "b")
        s.set(80, "c")
        s.compact(keep=0).unlink()
    forget_exports(path)
    with LabelStore(path, 100) as s:
        right = named(s)
        save_by_hand(s, path, late)
        assert named(s) == right and not imports(s)
        assert "another class before" in s.message and s.message.count("backup") == 1
        save_by_hand(
            s, path, path.read_text().replace("\n5,b\n", "\n5,c\n").replace("\n40,a\n", "\n40,b\n")
        )  # real edits are still understood, also to such names
        assert named(s) == {**right, 5: "c", 40: "b"}


def test_an_export_from_further_back_than_can_be_told_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 100, classes=["a", "b", "c"]) as s:
        s.set(range(30), "a")
        s.set(range(30, 60), "b")
        s.flush()
        old = path.read_text()
        swap(s, "a", "b")
        for k in range(40):
            s.rename_class("c", f"c{k}")
            s.rename_class(f"c{k}", "c")
    forget_exports(path)
    monkeypatch.setattr("ssvae_widgets.labels.past.FAR", 1_000)
    with LabelStore(path, 100) as s:
        right = named(s)
        save_by_hand(s, path, old)
        assert (
            not s.past.namings(s.log.replay).whole
            and named(s) == right
            and not imports(s)
            and "another class before" in s.message
        )


def test_a_correction_of_the_own_edit_counts(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 100, classes=["a", "b"]) as s:
        s.set(range(10), "a")
        s.flush()
        first = path.read_text()
        save_by_hand(s, path, first.replace("\n5,a\n", "\n5,b\n"))
        assert named(s)[5] == "b"
        save_by_hand(s, path, first)  # at once, byte by byte as it was
        assert named(s)[5] == "a" and "was edited" in s.message
        save_by_hand(s, path, first.replace("\n5,a\n", "\n5,b\n").replace("\n6,a\n", "\n6,b\n"))
        save_by_hand(
            s, path, first.replace("\n7,a\n", "\n7,b\n").replace("\n5,a\n", "\n5,b\n")
        )  # back in one row, on in another
        assert [named(s)[k] for k in (5, 6, 7)] == ["b", "a", "b"]


def test_what_an_edited_old_file_says_otherwise_is_told(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 100, classes=["a", "b"]) as s:
        s.set(range(10), "a")
        s.flush()
        old = path.read_text()
        s.set([3, 4, 50, 51], "b")
        s.flush()
        save_by_hand(s, path, old.replace("\n5,a\n", "\n5,b\n"))
        assert [named(s)[k] for k in (3, 4, 5)] == ["b", "b", "b"] and "2 older labels in it give way" in s.message
        save_by_hand(s, path, old)
        assert (
            named(s)[3] == "b" and "put back to an earlier state" in s.message
        )  # within seconds, too: nobody else could have written it


def test_an_export_by_somebody_slow_is_no_news(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 100, classes=["a", "b"]) as s, LabelStore(path, 100) as other:
        s.set(range(10), "a")
        s.flush()
        other.sync()
        old = path.read_text()
        save_by_hand(s, path, old.replace("\n5,a\n", "\n5,b\n"))
        save_by_hand(s, path, old)
        assert named(s)[5] == "b" and "earlier state" not in s.message and len(imports(s)) == 1


# ---- what was noted with labels


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


# ---- privacy, and whose gestures they are


def test_copies_and_logs_written_again_stay_private(tmp_path):
    path, copy = tmp_path / "labels.csv", tmp_path / "there" / "labels.csv"
    path.write_text("Serial,label\n1,1\n")
    path.chmod(0o600)
    copy.parent.mkdir()

    def mode(p):
        return stat.S_IMODE(p.stat().st_mode)

    with LabelStore(path, 100, 3) as s:
        s.set(2, 2)
        s.flush()
        assert {mode(s.log_path), mode(path)} == {0o600}
        s.compact(keep=0)
        s.copy_to(copy)
        s.log_path.unlink()
        s.set(3, 1)
        s.flush()
        assert mode(s.log_path) == 0o600 and s.saved
        path.unlink()
        s.log_path.unlink()  # nothing to take them from
        s.set(4, 1)
        s.flush()
    for p in (*tmp_path.glob("labels.csv*"), *copy.parent.glob("labels.csv*")):
        assert p.name.endswith(".lock") or mode(p) == 0o600, p


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


def test_names_as_bytes_are_names(tmp_path):
    with LabelStore(None, 10, classes=np.array([b"cat", b"dog"])) as s:
        s.set([1, 2], np.array([b"dog", b"cat"]))
        s.set(3, b"dog")
        assert s.codes[1:4].tolist() == [1, 0, 1]


def test_the_sign_of_another_user_can_be_read_only(tmp_path, monkeypatch):
    from ssvae_widgets.io.presence import Presence

    first, real = Presence(tmp_path / "sign"), os.open

    def refused(path, flags, *mode, **kw):
        if flags & os.O_RDWR and str(path).endswith("sign"):
            raise PermissionError(13, "denied", str(path))
        return real(path, flags, *mode, **kw)

    monkeypatch.setattr(os, "open", refused)
    second = Presence(tmp_path / "sign")
    assert first.alone and not second.alone and not first.still_alone()
    second.leave()
    assert first.still_alone() and first.still_alone()
    first.leave()
    assert not (tmp_path / "sign").exists() and not first.still_alone()


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


def test_a_class_list_means_the_names_in_use_before_those_of_the_past(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 10, classes=["a", "b"]) as s:
        s.rename_class("a", "c")
        s.rename_class("b", "a")
        s.set(1, "c")
        s.set(2, "a")
    with LabelStore(path, 10, classes=["a", "b"]) as s:  # "b" was a name of the class that is called a now
        assert s.classes[:2] == ["a", "b"] and named(s) == {1: "c", 2: "a"} and s.classes.count("a") == 1


def test_names_of_two_classes_that_met_stay_apart_after_a_compaction(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 10, classes=["a", "b"]) as s, LabelStore(path, 10) as other:
        s.set(1, "a")
        s.set(2, "b")
        other.sync()
        other.log.catch_up = lambda: None  # both choose the same name in the same moment
        s.rename_class("a", "x")
        other.rename_class("b", "x")
        del other.log.catch_up
        s.sync()
        other.sync()
        assert s.classes == other.classes == ["x", "x (2)"]
        s.compact(keep=0)
        s.rename_class("x", "y")
        other.sync()
        assert s.classes == other.classes == ["y", "x"] and named(s) == {1: "y", 2: "x"}


@pytest.mark.parametrize("compose", ["NFC", "NFD"])
def test_a_name_in_a_cell_is_the_class_in_every_spelling(tmp_path, compose):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 10, classes=["Möwe", "+plus"]) as s:
        s.set(1, "Möwe")
        s.flush()
        save_by_hand(s, path, path.read_text() + unicodedata.normalize(compose, "2, Möwe \n") + "3,'+plus\n")
        assert named(s) == {1: "Möwe", 2: "Möwe", 3: "+plus"} and not s.problems


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


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="access lists are kept in another way here")
def test_access_lists_handed_down_by_the_folder_give_nobody_more(tmp_path):
    def entry(tag, rights, who=0xFFFFFFFF):
        return struct.pack("<HHI", tag, rights, who)

    default = struct.pack("<I", 2) + entry(1, 7) + entry(2, 6, 12345) + entry(4, 5) + entry(16, 7) + entry(32, 0)
    path = tmp_path / "labels.csv"
    with LabelStore(path, 10, 3) as s:
        s.set(1, 1)
        s.flush()
        s.log_path.chmod(0o600)
        path.chmod(0o600)
        try:
            os.setxattr(tmp_path, "system.posix_acl_default", default)
        except OSError:
            pytest.skip("no access lists on this drive")
        s.set(2, 2)
        s.compact(keep=0)
        s.flush()
        for file in (path, s.log_path):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            with pytest.raises(OSError):
                os.getxattr(file, "system.posix_acl_access")


# ---- sheets that were open for a while


def edited(store, text, old="", new=""):
    "A person saves a sheet; the store looks."
    store.path.write_text(text.replace(old, new) if old else text)
    os.utime(store.path, (1e9, 1e9 + next(moments)))
    store.flush()


@pytest.mark.parametrize("corrected", [2, 30])
def test_a_sheet_opened_before_corrections_does_not_revert_them(tmp_path, corrected):
    with LabelStore(tmp_path / "labels.csv", 300, classes=["cat", "dog", "emu"], poll=3600) as s:
        s.set(range(200), "cat")
        s.flush()
        sheet = s.path.read_text()
        for row in range(corrected):
            s.set(row, "dog")
        s.flush()
        edited(s, sheet, "\n199,cat", "\n199,emu")
        assert named(s) == {
            **dict.fromkeys(range(corrected), "dog"),
            **dict.fromkeys(range(corrected, 199), "cat"),
            199: "emu",
        }
        assert f"{corrected} older labels in it give way" in s.message


def test_a_sheet_from_before_an_undone_merge_merges_nothing(tmp_path):
    with LabelStore(tmp_path / "labels.csv", 300, classes=["cat", "dog", "emu"], poll=3600) as s:
        s.set(range(100), "cat")
        s.set(range(100, 102), "dog")
        s.merge_classes("dog", "cat")
        s.flush()
        sheet = s.path.read_text()
        s.undo()
        s.flush()
        edited(s, sheet + "200,emu\n")
        assert named(s) == {**dict.fromkeys(range(100), "cat"), 100: "dog", 101: "dog", 200: "emu"}


@pytest.mark.parametrize("rows", [[2], [0, 2], [0, 1, 2]])
@pytest.mark.parametrize("closed", [False, True])
def test_emptied_cells_clear_labels_though_the_file_was_like_that_before(tmp_path, closed, rows):
    given, path = ["cat", "dog", "emu"], tmp_path / "labels.csv"
    s = LabelStore(path, 9, classes=given, poll=3600)
    for row in range(3):
        s.set(row, given[row])
    s.flush()
    if closed:
        s.close()
    text = "Serial,label\n" + "".join(f"{r},{'' if r in rows else given[r]}\n" for r in range(3))
    if closed:
        path.write_text(text)
        os.utime(path, (1e9, 1e9))
        s = LabelStore(path, 9, classes=given, poll=3600)
    else:
        edited(s, text)
    assert named(s) == {r: given[r] for r in range(3) if r not in rows}
    s.undo()
    assert named(s) == dict(enumerate(given))
    s.close()


def test_a_sheet_of_all_rows_with_empty_cells_clears_nothing_that_is_newer(tmp_path):
    with LabelStore(tmp_path / "labels.csv", 9, classes=["cat", "dog"], poll=3600) as s:
        s.set(range(3), "cat")
        s.flush()
        s.set([5, 6], "dog")
        s.flush()
        edited(s, "Serial,label\n" + "".join(f"{r},{'dog' if r == 1 else 'cat' if r < 3 else ''}\n" for r in range(9)))
        assert named(s) == {0: "cat", 1: "dog", 2: "cat", 5: "dog", 6: "dog"}


def test_a_deleted_line_does_not_change_what_other_edits_mean(tmp_path):
    with LabelStore(tmp_path / "labels.csv", 9, classes=["cat", "dog", "emu"], poll=3600) as s:
        s.set(range(5), "cat")
        s.set(3, "dog")
        s.flush()
        edited(s, "Serial,label\n0,cat\n1,emu\n3,cat\n")
        assert named(s) == {0: "cat", 1: "emu", 2: "cat", 3: "cat", 4: "cat"}
