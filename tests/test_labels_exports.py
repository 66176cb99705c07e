"""`labels.csv` between two hands: exports of another time are no edits, edits by hand are understood, and sheets that
were open for a while take nothing back."""

import os
import subprocess
import sys
import textwrap
import time
import unicodedata

import numpy as np
import pytest
from stores import imports, moments, named, open_store, swap
from waiting import until

import ssvae_widgets.labels.csv_mirror as csv_mirror
from ssvae_widgets import LabelStore
from ssvae_widgets.labels.line import decode_line, encode_line

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


# ---- names in cells


@pytest.mark.parametrize("compose", ["NFC", "NFD"])
def test_a_name_in_a_cell_is_the_class_in_every_spelling(tmp_path, compose):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 10, classes=["Möwe", "+plus"]) as s:
        s.set(1, "Möwe")
        s.flush()
        save_by_hand(s, path, path.read_text() + unicodedata.normalize(compose, "2, Möwe \n") + "3,'+plus\n")
        assert named(s) == {1: "Möwe", 2: "Möwe", 3: "+plus"} and not s.problems


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


# ---- edits in the moment of an export


def test_a_slow_writer_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_mirror, "PATIENCE", 600)
    store = LabelStore(tmp_path / "labels.csv", 200, classes=12, poll=0.05, export_after=0.05)
    store.set(0, 1)
    store.flush()
    with open(store.path, "w") as f:
        f.write("Serial,label\n0,1\n" + "".join(f"{i},11\n" for i in range(1, 50)) + "50,1")
        f.flush()
        time.sleep(1.0)
        assert store.codes[50] == -1, "half a line was taken for a label"
        f.write("1\n" + "".join(f"{i},2\n" for i in range(51, 100)))
    until(lambda: store.n_labeled == 100)
    assert store.codes[50] == 11 and store.close()


def test_going_back_by_hand_is_answered_and_kept(tmp_path):
    store = LabelStore(tmp_path / "labels.csv", 9, classes=["cat", "dog"], poll=0.05, export_after=0.02)
    store.set(3, "cat")
    store.set(3, "dog")
    store.flush()
    store.path.write_bytes(store.path.read_bytes().replace(b"3,dog", b"3,cat").replace(b"\n", b"\r\n"))
    until(lambda: "put back to an earlier state" in store.message)
    assert store.codes[3] == 1 and any(b"3,cat" in p.read_bytes() for p in tmp_path.glob("labels.csv.backup-*"))
    store.close()


def test_an_edit_in_the_moment_of_the_export_is_kept_on_a_full_disk(tmp_path, monkeypatch):
    store = open_store(tmp_path / "labels.csv", 9)
    store.set(0, 0)
    store.flush()
    store.set(1, 1)
    real = csv_mirror.atomic_write

    def full(target, data, **kw):
        if target == store.path:
            target.write_bytes(b"Serial,label\n0,0\n5,2\n")
            return real(target, data, **kw)
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(
        os, "link", (lambda link: lambda a, b: (a.write_bytes(b"Serial,label\n0,0\n5,2\n"), link(a, b))[1])(os.link)
    )
    monkeypatch.setattr(csv_mirror, "atomic_write", full)
    store.flush()
    monkeypatch.undo()
    assert any(b"5,2" in p.read_bytes() for p in tmp_path.glob("labels.csv.backup-*")) and store.close()
