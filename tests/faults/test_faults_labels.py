"""L1, L2, L3, L5 of the failure list: kill, fill, race. Each runs in a process of its own; see trials.py."""

import linecache
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from waiting import until

from ssvae_widgets.labels.store import LabelStore, OtherDataError

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs fork and Linux limits")


@linux
def test_kill_at_random_instants_loses_nothing(trials, count):
    r = trials("kill_labels", trials=count(12, 200), seed=int.from_bytes(os.urandom(4), "big"))
    assert r["kills"] == r["trials"] and r["lost"] == 0 and r["csv_bad"] == 0 and r["confirmed"] > r["trials"]


@linux
def test_kill_in_the_middle_of_every_system_call(trials, count):
    r = trials("kill_at_every_call", step=count(13, 1))
    assert r["lost"] == 0 and r["csv_bad"] == 0 and r["leftovers"] == 0 and r["kills"] >= count(8, 150)


@linux
@pytest.mark.parametrize(
    "kw",
    [
        dict(code=28),
        dict(code=5),
        dict(how="short"),
        dict(sticky=True, calls=["write", "fsync", "open", "replace"]),
        dict(sticky=True),
    ],
    ids=["full", "io", "short", "stays", "all"],
)
def test_every_system_call_may_fail(trials, count, kw):
    r = trials("fail_at_every_call", step=count(11, 1), **kw)
    assert r["lost"] == 0 and r["failures"] >= count(3, 35) and r["opens_refused"] <= 8


@linux
def test_disk_full_after_any_number_of_bytes(trials, count):
    r = trials("full_disk", step=count(401, 7))
    assert r["lost"] == 0 and r["not_healed"] == 0 and r["not_saved_shown"] == r["limits"] - 1 and r["confirmed"] > 0


@linux
@pytest.mark.parametrize("compact", [False, True], ids=["plain", "compacting"])
def test_processes_at_the_same_time_keep_the_union(trials, count, compact):
    r = trials("race_labels", per=count(120, 1000), writers=2, compact=compact)
    assert (
        r["lost"] == 0
        and r["views_agree"]
        and r["csv_agrees"]
        and r["converged_after_s"] < 5
        and r["confirmed"] == r["seq"] == 2 * count(120, 1000)
    )


@linux
def test_five_processes(trials, count):
    r = trials("race_labels", per=count(30, 300), writers=5, seed=3)
    assert r["lost"] == 0 and r["views_agree"] and r["csv_agrees"]


def test_saved_is_said_only_after_fsync(tmp_path, monkeypatch):
    "At the moment of the first fsync the line is in the file and the status is not `saved`."
    seen, real, store = [], os.fsync, LabelStore(tmp_path / "labels.csv", 9, classes=3, poll=3600)

    def fsync(fd):
        if store.log_path.exists() and os.fstat(fd).st_ino == store.log_path.stat().st_ino:
            seen.append((store.status, store.log_path.read_bytes().count(b'"set"')))
        return real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    for k in range(3):
        assert store.set(k, k).saved
        assert seen[-1] == ("saving", k + 1)
    store.close()


def test_a_failed_fsync_is_not_trusted_the_second_time(tmp_path, monkeypatch):
    "After an error, fsync may succeed although the data is gone: the line has to be written again."
    store, real, fail = LabelStore(tmp_path / "labels.csv", 9, classes=3, poll=3600), os.fsync, [True]
    store.set(0, 0)

    def fsync(fd):
        if fail and os.fstat(fd).st_ino == store.log_path.stat().st_ino:
            raise OSError(5, "I/O error")
        return real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    g = store.set(1, 1)
    assert not g.saved and store.status == "not saved" and "disk reported an error" in store.message
    fail.clear()
    before = store.log_path.stat().st_size
    assert store.set(2, 2).saved and store.saved and store.message.startswith("Saved again")
    added = store.log_path.read_bytes()[before:]
    assert added.count(b'"serials":[1]') == 1 and added.count(b'"serials":[2]') == 1
    store.close()
    with LabelStore(tmp_path / "labels.csv", 9) as again:
        assert again.codes[:3].tolist() == [0, 1, 2] and again.seq == 3


def as_nobody(code, folder):
    "Run code as a user without rights (root may write anywhere)."
    drop = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n" if os.getuid() == 0 else ""
    pre = (
        "import sys; sys.dont_write_bytecode = True\nfrom ssvae_widgets.labels.store import *\nfrom pathlib import "
        "Path\nimport numpy, ssvae_widgets.data.load\n" + drop
    )
    return subprocess.run(
        [sys.executable, "-c", pre + textwrap.dedent(code), str(folder)], capture_output=True, text=True, timeout=300
    )


@linux
def test_read_only_folder(tmp_path_factory):
    import shutil
    import tempfile

    base = Path(tempfile.mkdtemp())
    try:
        base.chmod(0o755)
        with LabelStore(base / "labels.csv", 9, classes=3) as store:
            store.set(4, 2)
        for f in base.iterdir():
            f.chmod(0o444)
        base.chmod(0o555)
        r = as_nobody(
            """
            import sys
            p = Path(sys.argv[1]) / "labels.csv"
            s = LabelStore(p, 9, classes=3)
            assert s.codes[4] == 2 and s.saved
            g = s.set(1, 1)
            assert not g.saved and s.status == "not saved" and "permission is missing" in s.message, s.message
            assert s.codes[1] == 1 and s.labels[1] == 1
            new = LabelStore(p.with_name("new.csv"), 9)
            assert not new.set(0, 1).saved and "permission is missing" in new.message
            print("fine")
            import os; os._exit(0)
            """,
            base,
        )
        assert r.stdout.strip() == "fine", r.stderr
        assert sorted(f.name for f in base.iterdir()) == ["labels.csv", "labels.csv.log.jsonl"]
    finally:
        base.chmod(0o755)
        shutil.rmtree(base)


def test_folder_goes_away_and_comes_back(tmp_path):
    folder = tmp_path / "drive"
    folder.mkdir()
    store = LabelStore(folder / "labels.csv", 50, classes=3, poll=0.02, export_after=0.02)
    store.set(range(10), 1)
    folder.rename(tmp_path / "unplugged")
    g = store.set(20, 2)
    assert (
        not g.saved
        and store.status == "not saved"
        and "folder does not exist" in store.message
        and store.codes[20] == 2
    )
    assert not folder.exists()  # not made again: it may be a drive
    (tmp_path / "unplugged").rename(folder)
    until(lambda: store.saved)
    assert store.message.startswith("Saved again")
    store.close()
    with LabelStore(folder / "labels.csv", 50) as again:
        assert again.n_labeled == 11 and again.codes[20] == 2


@pytest.mark.parametrize("what", ["folder", "log", "both", "cut", "older"])
def test_files_deleted_or_restored_while_open(tmp_path, what):
    "Whatever happens to the files, what this process knows is written again."
    import shutil

    folder = tmp_path / "a b ü"
    folder.mkdir()
    store = LabelStore(folder / "labels.csv", 50, classes=3, poll=0.02, export_after=0.02)
    store.set(range(5), 1)
    store.flush()
    old = store.log_path.read_bytes()
    store.set(range(5, 10), 2)
    store.set(0, 0)
    store.undo()
    store.flush()
    if what == "folder":
        folder.rename(tmp_path / "gone")
        folder.mkdir()
        shutil.rmtree(tmp_path / "gone")  # in one step: the store's worker must not write into it meanwhile
    if what in ("log", "both"):
        store.log_path.unlink()
    if what == "both":
        store.path.unlink()
    if what == "cut":
        os.truncate(store.log_path, len(old))
    if what == "older":
        (folder / "restored").write_bytes(old)
        os.replace(folder / "restored", store.log_path)
    assert store.set(30, 1).saved
    store.close()
    with LabelStore(folder / "labels.csv", 50) as again:
        assert again.codes[:10].tolist() == [1] * 5 + [2] * 5 and again.codes[30] == 1 and again.n_labeled == 11
        assert again.redo() is None and again.undo() is not None
        assert len(again.history(0)) == 2


def test_path_is_a_folder_and_links_are_followed(tmp_path):
    with pytest.raises(ValueError, match="is a folder; expected a file"):
        LabelStore(tmp_path, 3)
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "my läbels ☃.csv"
    target.write_text("Serial,label\n0,1\n")
    link = tmp_path / "link.csv"
    link.symlink_to(target)
    with LabelStore(link, 3, classes=2) as store:
        store.set(2, 0)
    assert link.is_symlink() and target.read_text() == "Serial,label\n0,1\n2,0\n"
    with LabelStore(target, 3) as store:
        assert store.n_labeled == 2
    (tmp_path / "file").write_text("x")
    inside = LabelStore(tmp_path / "file" / "labels.csv", 3)
    assert not inside.set(0, 0).saved and "a part of the path is a file" in inside.message
    with pytest.warns(UserWarning, match="not saved"):
        inside.close()


@pytest.mark.parametrize("damage", ["cut", "flip", "garbage", "nul"])
def test_damaged_lines_cost_only_themselves(tmp_path, damage):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 20, classes=5) as store:
        for k in range(10):
            store.set(k, k % 5)
    path.unlink()
    log = path.with_name("labels.csv.log.jsonl")
    lines = log.read_bytes().split(b"\n")
    if damage == "cut":
        lines[4] = lines[4][:30]
    if damage == "flip":
        lines[4] = lines[4].replace(b'"labels":[3]', b'"labels":[1]')
        assert b'"labels":[1]' in lines[4]
    if damage == "garbage":
        lines[4] = os.urandom(99).replace(b"\n", b"")
    if damage == "nul":
        lines[4] = b"\0" * 200
    log.write_bytes(b"\n".join(lines))
    with LabelStore(path, 20, classes=5) as store:
        expected = [k % 5 for k in range(10)]
        expected[3] = -1
        assert store.codes[:10].tolist() == expected and "1 damaged line" in store.message
        store.set(3, 3)
    with LabelStore(path, 20) as store:
        assert store.n_labeled == 10


@pytest.mark.parametrize("n", range(0, 400, 37))
def test_torn_last_line_is_ignored_and_does_not_swallow_the_next(tmp_path, n):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 20, classes=5) as store:
        store.set(1, 1)
        store.set(2, 2)
    log = path.with_name("labels.csv.log.jsonl")
    whole = b"".join(
        line for line in log.read_bytes().splitlines(keepends=True) if b'"op":"export"' not in line
    )  # the process ended before it closed
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    complete = last + n >= len(whole) - 1  # only the line end is missing: in flight, so it may count
    log.write_bytes(whole[: min(last + n, len(whole) - 1)])
    path.unlink()
    with LabelStore(path, 20, classes=5) as store:
        assert store.codes[1] == 1 and store.codes[2] == -1
        store.set(3, 3)
    with LabelStore(path, 20) as store:
        assert store.codes[1:4].tolist() == [1, 2 if complete else -1, 3]


@linux
def test_sigterm_flushes_and_ends(tmp_path):
    code = """
        import sys, os, time, signal
        s = LabelStore(Path(sys.argv[1]) / "labels.csv", 9, classes=3, poll=3600, export_after=3600)
        s.set(1, 2); print("ready", flush=True); time.sleep(300)
        """
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from pathlib import Path\nfrom ssvae_widgets.labels.store import *\n" + textwrap.dedent(code),
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as p:
        assert p.stdout.readline() == "ready\n"
        p.send_signal(signal.SIGTERM)
        assert p.wait(120) == -signal.SIGTERM
    assert (tmp_path / "labels.csv").read_text() == "Serial,label\n1,2\n"


@linux
def test_atexit_flushes_and_the_users_handler_stays(tmp_path):
    code = """
        import sys, os, signal
        mine = lambda *a: sys.exit(7)
        signal.signal(signal.SIGTERM, mine)
        s = LabelStore(Path(sys.argv[1]) / "labels.csv", 9, classes=3, poll=3600, export_after=3600)
        assert signal.getsignal(signal.SIGTERM) is mine
        s.set(1, 2); os.kill(os.getpid(), signal.SIGTERM)
        """
    r = subprocess.run(
        [
            sys.executable,
            "-c",
            "from pathlib import Path\nfrom ssvae_widgets.labels.store import *\n" + textwrap.dedent(code),
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert r.returncode == 7, r.stderr
    assert (tmp_path / "labels.csv").read_text() == "Serial,label\n1,2\n"


@linux
def test_sigterm_in_the_middle_of_gestures(tmp_path, count):
    "The signal waits for the end of the gesture; what was confirmed is in the exported file too."
    code = """
        import sys, os, time
        s = LabelStore(Path(sys.argv[1]) / "labels.csv", 20_000, classes=3, poll=3600, export_after=3600)
        for i in range(20_000): s.set(i, i % 3); os.write(1, b"%d\\n" % i)
        """
    for k in range(count(3, 30)):
        folder = tmp_path / str(k)
        folder.mkdir()
        with subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from pathlib import Path\nfrom ssvae_widgets.labels.store import *\n" + textwrap.dedent(code),
                str(folder),
            ],
            stdout=subprocess.PIPE,
        ) as p:
            p.stdout.readline()
            time.sleep(0.01 * k)
            p.send_signal(signal.SIGTERM)
            confirmed = p.stdout.read().split()
            assert p.wait(120) == -signal.SIGTERM
        last = int(confirmed[-1]) if confirmed else 0
        rows = (folder / "labels.csv").read_text().splitlines()[1:]
        assert rows[: last + 1] == [f"{i},{i % 3}" for i in range(last + 1)] and len(rows) <= last + 2


@linux
def test_fork_gets_names_and_a_worker_of_its_own(tmp_path):
    code = """
        import sys, os
        s = LabelStore(Path(sys.argv[1]) / "labels.csv", 99, classes=3)
        s.set(0, 0)
        pid = os.fork()
        k = 1 if pid else 2
        for i in range(20): assert s.set(20 * k + i, k).saved
        if not pid: s.close(); os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        s.sync(); assert s.n_labeled == 41, s.n_labeled
        s.close()
        """
    r = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            "from pathlib import Path\nfrom ssvae_widgets.labels.store import *\n" + textwrap.dedent(code),
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert r.returncode == 0, r.stderr
    with LabelStore(tmp_path / "labels.csv", 99) as s:
        assert s.n_labeled == 41


def test_interrupt_at_every_line(tmp_path, count):
    "KeyboardInterrupt anywhere in `set`: the label is there or not, nothing else changes, and the store goes on."
    import threading

    at, step = 1, count(17, 1)
    store = LabelStore(tmp_path / "labels.csv", 5000, classes=3, poll=3600)
    other = LabelStore(
        tmp_path / "labels.csv", 5000, classes=3, poll=3600
    )  # so that there are lines of others to read, too
    model = {}
    while True:
        left = [at]

        def tracer(frame, event, arg, left=left):
            if "ssvae_widgets" not in frame.f_code.co_filename:
                return None
            if event == "line" and not linecache.getline(frame.f_code.co_filename, frame.f_lineno).lstrip().startswith(
                "with "
            ):  # Python itself does not interrupt there
                left[0] -= 1
                if left[0] == 0:
                    raise KeyboardInterrupt
            return tracer

        row, interrupted = at % 5000, False
        if at % 4 == 0:
            other.set(4000 + at % 900, at % 3)
            model[4000 + at % 900] = at % 3
        sys.settrace(tracer)
        try:
            store.set([row, row // 2], at % 3)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            sys.settrace(None)
        later = {**model, row: at % 3, row // 2: at % 3}
        assert store.log.lock.acquire(timeout=60)
        store.log.lock.release()
        t = threading.Thread(target=store.sync, daemon=True)
        t.start()
        t.join(60)
        assert not t.is_alive()
        store.sync()
        store.flush()
        have = {int(i): int(store.codes[i]) for i in np.flatnonzero(store.codes >= 0)}
        assert have in ((later,) if not interrupted else (model, later)), at
        model = have
        assert store.saved
        if not interrupted:
            break
        at += step
    assert at > 50
    other.close()
    store.close()
    with LabelStore(tmp_path / "labels.csv", 5000) as again:
        assert {int(i): int(again.codes[i]) for i in np.flatnonzero(again.codes >= 0)} == model


def test_other_data_is_refused_with_a_way_forward(tmp_path):
    from ssvae_widgets.data.fingerprints import fingerprint

    x = np.random.default_rng(0).integers(0, 255, (30, 4, 4), np.uint8)
    path = tmp_path / "labels.csv"
    with LabelStore(path, 30, classes=3, fingerprint=fingerprint(x)) as s:
        s.set([0, 7, 29], [0, 1, 2])
    y = x.copy()
    y[0] += 1
    for other in (x[:20], x[::-1], y, x.astype(np.float32), x[:, :2]):
        with pytest.raises(OtherDataError, match=r"another data set|belongs to 30 images.*adopt"):
            LabelStore(path, len(other), fingerprint=fingerprint(other))
    assert LabelStore(path, 30, fingerprint=fingerprint(x)).close()
    mapping = np.arange(30)[::-1].copy()
    mapping[0] = -1
    with LabelStore.adopt(path, fingerprint=fingerprint(x[::-1]), mapping=mapping) as s:
        assert {int(i): int(s.codes[i]) for i in np.flatnonzero(s.codes >= 0)} == {
            22: 1,
            0: 2,
        } and "1 belong to images that are gone" in s.message
    with pytest.raises(OtherDataError):
        LabelStore(path, 30, fingerprint=fingerprint(x))
    with LabelStore(path, 30, fingerprint=fingerprint(x[::-1])) as s:
        assert s.n_labeled == 2
    assert (
        any(f.name.startswith("labels.csv.backup-") for f in tmp_path.iterdir())
        and len(list(tmp_path.glob("labels.csv.log.former-2*.jsonl"))) == 1
    )


def test_adopted_away_while_open(tmp_path):
    "A store whose file now belongs to other data keeps its labels in memory and says so."
    path = tmp_path / "labels.csv"
    a = LabelStore(path, 30, classes=3, poll=3600)
    a.set(1, 1)
    b = LabelStore.adopt(path, 40)
    g = a.set(2, 2)
    assert (
        not g.saved and a.status == "not saved" and "was carried over to other data" in a.message and a.n_labeled == 2
    )
    assert b.set(35, 1).saved
    b.flush()
    with pytest.warns(UserWarning, match="not saved"):
        a.close()
    assert path.read_text() == "Serial,label\n1,1\n35,1\n"
    b.close()
    with LabelStore(path, 40) as c:
        assert c.n_labeled == 2
