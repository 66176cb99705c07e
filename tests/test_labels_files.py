"""`labels.csv` as people and spreadsheets write it (L6, L7), other formats, names, clocks, classes."""

import csv
import io
import json
import os
import random
import threading
import time
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from stores import named, open_store
from waiting import until

from ssvae_widgets import LabelStore
from ssvae_widgets.cli.arguments import read_label_file
from ssvae_widgets.labels.csv_table import LabelFileError, guard_cell, parse_csv, read_cells, render_csv, unguard_cell
from ssvae_widgets.labels.exchange import export_labels, import_labels, label_studio_config, label_table

DIGITS = {str(k): k for k in range(10)}.get
GOOD = {3: 3, 5: 1}


@pytest.mark.parametrize(
    "text",
    [
        "Serial,label\n3,3\n5,1\n",
        "Serial,label\n3,3\n5,1",
        "\ufeffSerial,label\r\n3,3\r\n5,1\r\n",
        "serial;LABEL\n3;3\n5;1\n",
        "Serial\tlabel\n3\t3\n5\t1\n",
        "label,Serial\n3,3\n1,5\n",
        "Serial,label\n3.0,3.0\n5.00,1\n",
        "Serial;label\n3,0;3,0\n5;1\n",
        'Serial,label\n" 3 ", 3 \n"5","1"\n',
        "index,Serial,label,comment\n0,3,3,x\n1,5,1,\n",
        "Serial,label\n3,3\n3,3\n5,1\n",
        "sep=;\nSerial;label\n3;3\n5;1\n",
        "Serial,label\n\n3,3\n\n5,1\n\n",
        "Serial,label\r3,3\r5,1\r",
        "Serial|label\n3|3\n5|1\n",
        " Serial , label \n3,3\n5,1\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_unambiguous_files_are_read(text, encoding):
    if encoding == "cp1252" and "\ufeff" in text:
        pytest.skip("no mark in this encoding")
    rows = parse_csv(text.encode(encoding), 10, DIGITS)
    assert dict(zip(rows.serials.tolist(), rows.codes.tolist())) == GOOD and not rows.problems


@pytest.mark.parametrize("encoding", ["shift-jis", "mac-roman", "cp1251", "cp1252"])
def test_a_file_without_unicode_is_kept_and_its_doubtful_letters_are_said(tmp_path, encoding):
    "Which letters its bytes stand for nobody can tell, and the next export replaces them."
    text = {"shift-jis": "猫", "cp1251": "кот"}.get(encoding, "Möwe")
    path = tmp_path / "labels.csv"
    before = f"Serial,label\n3,{text}\n".encode(encoding)
    path.write_bytes(before)
    with pytest.warns(UserWarning, match="is not in Unicode and was read as Windows-1252 .* save it as “CSV UTF-8”"):
        with LabelStore(path, 10) as store:
            seen = text.encode(encoding).decode("cp1252")
            assert store.n_labeled == 1 and repr(seen) in store.message
    assert [kept.read_bytes() for kept in tmp_path.glob("labels.csv.backup-*")] == [before]
    for plain in ("Serial,label\n3,cat\n".encode(encoding), f"Serial,label\n3,{text}\n".encode()):
        (tmp_path / "plain.csv").write_bytes(plain)
        with LabelStore(tmp_path / "plain.csv", 10) as store:
            assert store.n_labeled == 1 and not store.message
        for made in tmp_path.glob("plain.csv*"):
            made.unlink()


def test_doubtful_letters_are_said_of_an_edit_and_an_import(tmp_path):
    path = tmp_path / "labels.csv"
    with open_store(path, 10, ["Möwe", "Spatz"]) as store:
        store.set([1], "Spatz")
    path.write_bytes("Serial,label\n1,Spatz\n2,Möwe\n".encode("cp1252"))
    with pytest.warns(UserWarning, match="1 label taken over.*not in Unicode"), open_store(path, 10) as store:
        assert named(store) == {1: "Spatz", 2: "Möwe"}
    (tmp_path / "x.csv").write_bytes("Serial,label\n2,Möwe\n".encode("mac-roman"))
    with pytest.warns(UserWarning, match="not in Unicode"), open_store(tmp_path / "l.csv", 10) as store:
        import_labels(store, tmp_path / "x.csv", new_classes=True)


def test_doubtful_letters_are_said_where_files_are_named_and_of_a_command(tmp_path):
    "In a table of file names the name of a picture may be the doubtful one, too."
    names = [f"鳥{k}.png".encode("shift-jis").decode("cp1252") for k in range(3)]
    named_files = tmp_path / "names.csv"
    named_files.write_bytes("filename,label\n鳥1.png,cat\n".encode("shift-jis"))
    with pytest.warns(UserWarning, match="not in Unicode"), LabelStore(None, 3) as store:
        import_labels(store, named_files, images=names, new_classes=True)
        assert named(store) == {1: "cat"}
    with pytest.warns(UserWarning, match="not in Unicode"):
        assert read_label_file(str(named_files), 3, names=names)[0].tolist() == [-1, 0, -1]
    (tmp_path / "rows.csv").write_bytes("Serial,label\n2,кот\n".encode("cp1251"))
    with pytest.warns(UserWarning, match="not in Unicode"):
        assert read_label_file(str(tmp_path / "rows.csv"), 3)[0].tolist() == [-1, -1, 0]
    (tmp_path / "rows.csv").write_bytes("Serial,label\n2,кот\n".encode())
    assert read_label_file(str(tmp_path / "rows.csv"), 3)[1] == ["кот"]  # a warning would be an error


@pytest.mark.parametrize("blank", ["", " ", "NaN", "nan", "None", "null", "NA", "N/A", "<NA>", "-1", "#N/A"])
def test_explicitly_unlabeled(blank):
    rows = parse_csv(f"Serial,label\n3,{blank}\n".encode(), 10, DIGITS)
    assert rows.codes.tolist() == [-1] and not rows.problems


@pytest.mark.parametrize(
    "row, reason",
    [
        ("10,1", "out of range"),
        ("-1,1", "no row number"),
        ("2.5,1", "no row number"),
        ("1e3,1", "no row number"),
        ("x,1", "no row number"),
        (",1", "no row number"),
        ("1,2.5", "no class"),
        ("1,12", "no class"),
        ("1,cat", "no class"),
        ("1", "1 cells"),
        ("99999999999999999999,1", "no row number"),
        ("1,1e0", "no class"),
        ("٣,1", "no row number"),
        ("0x1,1", "no row number"),
        ("1_0,1", "no row number"),
    ],
)
def test_ambiguous_rows_are_refused_with_line_and_reason(row, reason):
    rows = parse_csv(f"Serial,label\n3,3\n{row}\n5,1\n".encode(), 10, DIGITS)
    assert dict(zip(rows.serials.tolist(), rows.codes.tolist())) == GOOD
    assert len(rows.problems) == 1 and rows.problems[0].line == 3 and reason in rows.problems[0].reason


def test_conflicting_duplicates_are_all_refused():
    rows = parse_csv(b"Serial,label\n3,3\n4,1\n4,2\n5,1\n4,1\n", 10, DIGITS)
    assert dict(zip(rows.serials.tolist(), rows.codes.tolist())) == GOOD and [p.line for p in rows.problems] == [
        3,
        4,
        6,
    ]
    assert "lines 3, 4, 6" in rows.problems[0].reason


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"\0" * 100, "empty"),
        (b"PK\3\4xxxx", "workbook"),
        (bytes(range(256)) * 4, "not a text file"),
        (b"\x80\x04\x95abc", "pickle"),
        (b"Serial,value\n1,2\n", "columns Serial and label"),
        (b"Serial,label,label\n1,2,3\n", "columns"),
        (b"42144.0,9\n", "columns"),
        (b'{"a": 1}', "columns"),
        (b"\1\2\3" * 999, "not a text file"),
    ],
)
def test_files_that_are_no_label_files(data, reason):
    with pytest.raises(LabelFileError, match=reason) as e:
        parse_csv(data, 10, DIGITS, "my.csv")
    assert str(e.value).startswith("my.csv") and len(str(e.value)) < 300


def test_a_gigabyte_is_not_read(tmp_path):
    path = tmp_path / "labels.csv"
    with open(path, "wb") as f:
        f.truncate(1 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(LabelFileError, match="1,073,741,824 bytes"):
            LabelStore(path, 100)
        assert tracemalloc.get_traced_memory()[1] < 50e6 and path.stat().st_size == 1 << 30
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"Serial;value\n1;2\n", random.Random(0).randbytes(500)])
def test_opening_on_an_unusable_file_refuses_and_leaves_it(tmp_path, data):
    path = tmp_path / "labels.csv"
    path.write_bytes(data)
    with pytest.raises(LabelFileError, match=r"^labels.csv"):
        LabelStore(path, 100)
    assert path.read_bytes() == data and len(list(tmp_path.iterdir())) == 1


def test_old_ancestor_file_loads_as_it_is(tmp_path):
    path = tmp_path / "labels.csv"
    text = "Serial,label\n42144.0,9\n7.0,3.0\n12,NaN\n"
    path.write_text(text)
    with LabelStore(path, 60000) as s:
        assert s.codes[42144] == 9 and s.codes[7] == 3 and s.codes[12] == -1 and s.n_labeled == 2 and s.n_classes == 10
        assert not s.can_undo and s.saved
    assert path.read_text() == text and len(list(tmp_path.iterdir())) == 1  # looking at it writes nothing
    with LabelStore(path, 60000, classes=10) as s:
        s.set(0, 0)
    assert path.read_text() == "Serial,label\n0,0\n7,3\n42144,9\n"
    with LabelStore(path, 60000) as s:
        s.undo()
        assert s.n_labeled == 2 and s.undo() is None


def test_refused_rows_at_the_start_are_told_and_kept(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("Serial,label\n3,cat\n4,cow\n77,dog\n")
    with pytest.warns(
        UserWarning,
        match=r"2 lines refused: labels.csv, line 3: label 'cow' is no class; line 4: Serial 77 is out of range",
    ):
        s = LabelStore(path, 10, classes=["cat", "dog"])
    assert s.n_labeled == 1 and [p.line for p in s.problems] == [3, 4]
    s.set(0, "dog")
    s.close()
    (backup,) = tmp_path.glob("labels.csv.backup-*")
    assert "77,dog" in backup.read_text() and path.read_text() == "Serial,label\n0,dog\n3,cat\n"


def test_names_in_a_file_become_classes(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("Serial,label\n3,dog\n4,cat\n5,\n")
    with LabelStore(path, 10) as s:
        assert s.classes == ["cat", "dog"] and s.codes[[3, 4, 5]].tolist() == [1, 0, -1]


def edit(path, f):
    time.sleep(0.05)
    path.write_text(f(path.read_text()))


def opened(tmp_path, **kw):
    s = LabelStore(tmp_path / "labels.csv", 1000, classes=["cat", "dog", "cow"], poll=0.02, export_after=0.02, **kw)
    s.set(range(10), "cat")
    s.set(range(10, 20), "dog")
    s.flush()
    return s


def test_edits_of_an_open_file_are_merged_backed_up_and_undoable(tmp_path):
    s = opened(tmp_path)
    seen = []
    s.observe(seen.append)
    edit(s.path, lambda t: t.replace("3,cat", "3,cow").replace("12,dog", "12,") + "500,cow\n")
    until(lambda: s.codes[500] == 2 and "taken over" in s.message)  # the labels are there a moment before the sentence
    assert (
        s.codes[3] == 2
        and s.codes[12] == -1
        and s.n_labeled == 20
        and "3 labels taken over" in s.message
        and s.history(3)[-1]["source"] == "import"
    )
    until(lambda: any(e.kind == "labels" and not e.own and set(e.serials.tolist()) == {3, 12, 500} for e in seen))
    assert any("500,cow" in f.read_text() for f in tmp_path.glob("labels.csv.backup-*"))
    s.undo()
    assert s.codes[3] == 0 and s.codes[12] == 1 and s.codes[500] == -1
    s.close()
    assert "500" not in s.path.read_text()


def test_a_spreadsheet_that_was_open_for_long_does_not_take_back_newer_labels(tmp_path):
    s = opened(tmp_path)
    old = s.path.read_text()  # opened in a spreadsheet now
    s.set(range(100, 200), "cow")
    s.set(5, "dog")
    s.flush()
    s.path.write_text(
        old.replace("7,cat", "7,cow").replace("11,dog\n", "")
    )  # saved there later: one edit, one row deleted
    until(lambda: s.codes[7] == 2 and "taken over" in s.message)
    assert (
        (s.codes[100:200] == 2).all()
        and s.codes[5] == 1
        and s.codes[11] == 1
        and "1 label taken over" in s.message
        and "are kept" in s.message
    )
    until(lambda: "150,cow" in s.path.read_text())
    s.close()


def test_both_changed_the_file_wins_and_the_history_keeps_both(tmp_path):
    s = opened(tmp_path)
    old = s.path.read_text()
    s.set([4, 6, 30], "dog")
    s.flush()
    s.path.write_text(old.replace("4,cat\n", "4,cow\n", 1))
    until(lambda: s.codes[4] == 2 and "taken over" in s.message)
    assert [h["label"] for h in s.history(4)] == ["cat", "dog", "cow"] and "1 of them over newer ones" in s.message
    assert s.codes[6] == 1 and s.codes[30] == 1  # newer than the file, and not edited there
    s.undo()
    assert s.codes[4] == 1
    s.close()


def test_edited_while_closed(tmp_path):
    s = opened(tmp_path)
    s.close()
    edit(s.path, lambda t: t.replace("3,cat", "3,cow"))
    with LabelStore(s.path, 1000) as s:
        assert s.codes[3] == 2 and s.n_labeled == 20 and s.can_undo and len(s.history(3)) == 2
    with LabelStore(s.path, 1000) as s:
        assert s.codes[3] == 2 and len(s.history(3)) == 2


@pytest.mark.filterwarnings("ignore:labels.csv")
@pytest.mark.parametrize(
    "data",
    [b"", b"PK\3\4 a workbook", b"\xff\xfe\0", b"Serial,label\n", b"serial\n1\n", random.Random(1).randbytes(300)],
)
def test_a_file_replaced_by_something_else(tmp_path, data):
    s = opened(tmp_path)
    time.sleep(0.05)
    s.path.write_bytes(data)
    until(lambda: s.path.read_bytes().count(b"\n") == 21)
    assert (
        s.n_labeled == 20
        and any(f.read_bytes() == data for f in tmp_path.glob("labels.csv.backup-*"))
        or data == b"Serial,label\n"
    )
    s.close()


@pytest.mark.filterwarnings("ignore:labels.csv")
def test_a_deleted_file_comes_back(tmp_path):
    s = opened(tmp_path)
    s.path.unlink()
    until(lambda: s.path.exists())
    assert s.path.read_text().count("\n") == 21
    s.close()


def test_bad_rows_in_an_edit_are_told(tmp_path):
    s = opened(tmp_path)
    edit(s.path, lambda t: t.replace("3,cat", "3,unicorn").replace("4,cat", "4,cow"))
    until(lambda: "refused" in s.message)
    assert (
        "1 line refused: labels.csv, line 5: label 'unicorn' is no class" in s.message
        and s.codes[3] == 0
        and s.codes[4] == 2
        and len(s.problems) == 1
    )
    s.close()


def test_callbacks_run_outside_the_locks(tmp_path):
    "A callback may wait for another thread that labels."
    import threading

    s = LabelStore(tmp_path / "labels.csv", 10, classes=3)

    asked = []

    def ask(e):
        if len(asked) > 5 or e.kind == "status":
            return
        asked.append(e)
        t = threading.Thread(target=s.set, args=(5, 1))
        t.start()
        t.join(5)
        assert not t.is_alive()

    s.observe(ask)
    for f in (
        lambda: s.set(0, 0),
        s.undo,
        s.redo,
        lambda: s.add_class("x"),
        lambda: s.rename_class(0, "y"),
        lambda: s.merge_classes(1, 2),
        s.sync,
        s.flush,
        s.compact,
    ):
        asked.clear()
        f()
    assert s.codes[5] == 2
    assert s.close()


def test_what_follows_a_gesture_is_known_when_it_returns(tmp_path):
    "Also when another thread tells the observers at that moment."
    import threading

    with (
        LabelStore(tmp_path / "labels.csv", 10, classes=3, poll=0.02) as s,
        LabelStore(tmp_path / "labels.csv", 10, poll=3600) as other,
    ):
        telling, seen, go_on = threading.Event(), [], threading.Event()

        def slow(e):
            if not e.own and e.kind == "labels":
                telling.set()
                go_on.wait(60)
            seen.append(e.serials.tolist())

        s.observe(slow)
        s.observers.patience = 60
        other.set(1, 1)
        assert telling.wait(60)
        threading.Timer(0.1, go_on.set).start()
        s.set(2, 2)
        assert [rows for rows in seen if rows] == [[1], [2]]


def test_history_looks_into_archives(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 50, classes=3) as s:
        for k in range(30):
            s.set(k % 10, k % 3)
        whole = s.to_pandas()
        s.compact(keep=5)
        s.set(3, 0)
        s.compact(keep=5)
        assert [h["seq"] for h in s.history(3)] == [4, 14, 24, 31] and len(s.to_pandas()) == 31
        s.set(3, 1)
        assert [h["seq"] for h in s.history(3)] == [4, 14, 24, 31, 32]
        assert s.to_pandas()["gesture"].tolist()[:30] == whole["gesture"].tolist()
    with LabelStore(path, 50) as s:
        assert len(s.history(3)) == 5 and s.compact(keep=100) is None
    archives = sorted(tmp_path.glob("labels.csv.log.2*"))
    assert (
        len(archives) == 3 and sum(f.samefile(tmp_path / "labels.csv.log.jsonl") for f in archives) == 1
    )  # two archives, and the log under its own name
    for f in archives:
        f.unlink()  # the archives are lost: labels and undo are not
    with LabelStore(path, 50) as s:
        assert s.n_labeled == 10 and [h["seq"] for h in s.history(3)][-1] == 32 and s.undo() is not None


def test_a_restored_log_from_before_a_compaction(tmp_path):
    s = LabelStore(tmp_path / "labels.csv", 50, classes=3, poll=3600)
    s.set(0, 1)
    old = s.log_path.read_bytes()
    s.set([1, 2, 3], 2)
    s.compact(keep=0)
    s.set(4, 0)
    (tmp_path / "restored").write_bytes(old)
    (tmp_path / "restored").replace(s.log_path)
    assert s.set(5, 1).saved
    expected = [1, 2, 2, 2, 0, 1]
    assert s.codes[:6].tolist() == expected
    s.close()
    with LabelStore(tmp_path / "labels.csv", 50) as s:
        assert s.codes[:6].tolist() == expected


def test_views_opened_together_with_other_class_orders(tmp_path):
    "A code means the same class all the time, whoever writes the first line."
    a, b = (
        LabelStore(tmp_path / "labels.csv", 9, ["cat", "dog"], poll=3600),
        LabelStore(tmp_path / "labels.csv", 9, ["dog", "cat", "cow"], poll=3600),
    )
    a.set(0, "cat")
    b.set(1, "cat")
    b.set(2, 0)
    b.set(3, 2)
    a.sync()
    assert (
        a.classes == ["cat", "dog", "cow"]
        and b.classes == ["dog", "cat", "cow"]
        and a.codes[:4].tolist() == [0, 0, 1, 2]
        and b.codes[:4].tolist() == [1, 1, 0, 2]
    )
    a.close()
    b.close()
    with LabelStore(tmp_path / "labels.csv", 9) as s:
        assert [s.classes[c] for c in s.codes[:4]] == ["cat", "cat", "dog", "cow"]


def test_ids_never_repeat(tmp_path):
    with (
        LabelStore(tmp_path / "labels.csv", 50, classes=3) as a,
        LabelStore(tmp_path / "labels.csv", 50, classes=3) as b,
    ):
        ids = [s.set(k % 50, k % 3).id for k in range(200) for s in (a, b)]
    assert len(set(ids)) == 400


@pytest.mark.parametrize(
    "name",
    [
        "=cmd()",
        "+1",
        "-1",
        "@x",
        "\ttab",
        "'quoted",
        "''x",
        "a,b",
        'say "hi"',
        "é猫🐈",
        "<img src=x onerror=alert(1)>",
        "</script>",
        "\u202ertl",
        "nan",
        "None",
        "0",
        "3.0",
        " lead",
        "＝x",
        "line\nbreak",
        "nul\0",
    ],
)
def test_names_of_any_text_survive_everywhere(tmp_path, name):
    clean = LabelStore(None, 1, classes=[name]).classes[0]
    with LabelStore(tmp_path / "labels.csv", 5, classes=[name, "other"]) as s:
        s.set([0, 2], 0)
        s.set(1, "other")
    text = s.path.read_text()
    cells = [r[1] for r in csv.reader(io.StringIO(text))][1:]
    assert (
        not any(c.startswith(("=", "+", "-", "@", "\t", "\r", "＝")) for c in cells) and unguard_cell(cells[0]) == clean
    )
    with LabelStore(tmp_path / "labels.csv", 5) as s:
        assert s.classes == [clean, "other"] and s.codes.tolist() == [0, 1, 0, -1, -1]
    s.log_path.unlink()  # the csv alone, as after mailing it to somebody
    with LabelStore(s.path, 5, classes=[name, "other"]) as s:
        assert s.codes.tolist() == [0, 1, 0, -1, -1]
        for end, kw in (
            (".csv", {}),
            (".parquet", {}),
            (".jsonl", {}),
            (".json", {}),
            (".csv", dict(format="hf")),
            (".parquet", dict(format="hf")),
            (".jsonl", dict(format="hf")),
        ):
            other = LabelStore(None, 5, classes=[name, "other"])
            g = import_labels(other, export_labels(s, tmp_path / f"x{end}", **kw), **kw)
            assert (other.codes == s.codes).all() and len(g.serials) == 3
            other.undo()
            assert other.n_labeled == 0
    import xml.etree.ElementTree as ET

    if "\u202e" not in name:
        assert ET.fromstring(label_studio_config([clean])).find(".//Choice").get("value") == clean


@pytest.mark.parametrize("bad", ["", "  ", "\0", "x" * 501, "\ud800", 3.5])
def test_impossible_names(bad):
    with pytest.raises(ValueError, match="class name"):
        LabelStore(None, 5, classes=[bad, "b"])
    s = LabelStore(None, 5, classes=["a"])
    with pytest.raises(ValueError, match="class name"):
        s.add_class(bad)


def test_three_hundred_classes_and_a_new_one_mid_session(tmp_path):
    names = [f"species {k}" for k in range(300)]
    with LabelStore(tmp_path / "labels.csv", 500, classes=names) as s:
        s.set(range(300), range(300))
        assert s.counts.tolist() == [1] * 300
        assert s.add_class("new") == 300
        s.set(400, "new")
        s.merge_classes("species 7", "new")
        assert s.codes[7] == 300 and s.retired == [7] and s.counts[300] == 2
        s.set(401, 7)
        assert s.codes[401] == 300  # the old key leads to the class it was merged into
        s.undo()
        s.undo()
        assert s.codes[7] == 7 and s.retired == []
        s.rename_class("species 9", "nine")
        assert s.classes[9] == "nine"
    with LabelStore(tmp_path / "labels.csv", 500, classes=names) as s:  # the script still has the old list
        assert s.classes[9] == "nine" and s.n_classes == 301 and s.codes[9] == 9 and s.codes[400] == 300
        with pytest.raises(ValueError, match="already a class 'nine'"):
            s.add_class("nine")
        with pytest.raises(ValueError, match="already the same class"):
            s.merge_classes(1, 1)
        with pytest.raises(ValueError, match="no class 'zebra'"):
            s.set(0, "zebra")


def test_reordered_class_lists_mean_the_same_names(tmp_path):
    with LabelStore(tmp_path / "labels.csv", 5, classes=["a", "b"]) as s:
        s.set(0, "a")
        s.set(1, "b")
    with LabelStore(tmp_path / "labels.csv", 5, classes=["b", "c"]) as s:
        assert s.classes == ["b", "c", "a"] and s.codes.tolist() == [2, 0, -1, -1, -1]
        s.set(2, 1)
    with LabelStore(tmp_path / "labels.csv", 5) as s:
        assert s.classes == ["a", "b", "c"] and s.codes.tolist() == [0, 1, 2, -1, -1]


def test_numbers_become_names(tmp_path):
    (tmp_path / "labels.csv").write_text("Serial,label\n0,1\n1,0\n")
    with LabelStore(tmp_path / "labels.csv", 5, classes=["cat", "dog"]) as s:
        assert s.n_labeled == 2 and s.codes[:2].tolist() == [1, 0]
    with LabelStore(tmp_path / "other.csv", 5, classes=2) as s:
        s.set(0, 1)
    with LabelStore(tmp_path / "other.csv", 5, classes=["cat", "dog"]) as s:
        assert s.classes == ["cat", "dog"] and s.codes[0] == 1
    with LabelStore(tmp_path / "open.csv", 5) as s:
        s.set(0, 12)
        assert s.n_classes == 13


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.set(-1, 0),
        lambda s: s.set(10, 0),
        lambda s: s.set(1.5, 0),
        lambda s: s.set("1", 0),
        lambda s: s.set([[1]], 0),
        lambda s: s.set(1e12, 0),
        lambda s: s.set(float("nan"), 0),
        lambda s: s.set(0, 3),
        lambda s: s.set(0, -2),
        lambda s: s.set(0, 1.5),
        lambda s: s.set(0, True),
        lambda s: s.set(0, "x"),
        lambda s: s.set([0, 1], [0]),
        lambda s: s.set(0, float("inf")),
        lambda s: s.set([0, 1], [0, "x"]),
        lambda s: s.set(None, 0),
        lambda s: s.set(0, 10**400),
        lambda s: s.set(0, {}),
        lambda s: s.set(0, b"cat"),
    ],
)
def test_impossible_gestures_are_refused_and_change_nothing(call):
    s = LabelStore(None, 10, classes=3)
    with pytest.raises(ValueError):
        call(s)
    assert s.seq == 0 and s.n_labeled == 0


def test_provenance_is_kept_and_reserved_names_are_not_given_away(tmp_path):
    with LabelStore(tmp_path / "labels.csv", 10, classes=3) as s:
        s.set(
            [4, 2],
            [1, 2],
            source="queue",
            model_step=np.int64(12),
            certainty=np.array([0.5, np.nan]),
            note={"why": ("a", 1)},
        )
        with pytest.raises(TypeError, match="previous cannot be given"):
            s.set(0, 0, previous=3)
        with pytest.raises(TypeError, match="cannot be kept"):
            s.set(0, 0, thing=object())
        (h,) = s.history(2)
        assert (
            h["certainty"] is None
            and h["model_step"] == 12
            and h["note"] == {"why": ["a", 1]}
            and h["label"] == "2"
            and h["previous"] is None
            and h["source"] == "queue"
        )
        assert s.history(4)[0]["certainty"] == 0.5
        s.set(2, 0)
        s.clear(2)
        assert [(x["previous"], x["label"]) for x in s.history(2)] == [(None, "2"), ("2", "0"), ("0", None)]
        table = s.to_pandas()
        assert len(table) == 4 and table["serial"].tolist() == [4, 2, 2, 2] and table["time"].is_monotonic_increasing
    for line in s.log_path.read_text().splitlines():
        json.loads(line)


def test_clock_going_backwards_changes_nothing(tmp_path, monkeypatch):
    from datetime import UTC, datetime

    from ssvae_widgets.labels import beside

    ticks = iter(range(1000, 0, -1))

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2000 + next(ticks), 1, 1, tzinfo=UTC)

    monkeypatch.setattr(beside, "datetime", Clock)
    monkeypatch.setattr(time, "time", lambda: -1e6)
    with LabelStore(tmp_path / "labels.csv", 10, classes=3) as s:
        for k in range(3):
            s.set(0, k)
        s.undo()
    with LabelStore(tmp_path / "labels.csv", 10) as s:
        assert s.codes[0] == 1
        s.undo()
        assert s.codes[0] == 0
        s.redo()
        s.redo()
        assert s.codes[0] == 2 and s.redo() is None


def test_two_views_undo_only_their_own(tmp_path):
    a = LabelStore(tmp_path / "labels.csv", 10, classes=3, poll=0.02)
    a.set(0, 0)
    b = LabelStore(tmp_path / "labels.csv", 10, classes=3, poll=0.02)
    a.set(1, 1)
    b.sync()
    b.set(2, 2)
    b.set(1, 0)
    a.sync()
    assert a.codes[:3].tolist() == [0, 0, 2]
    a.undo()
    b.sync()  # takes back 1 -> 1, under which b's newer label on the same row stays
    assert (a.codes == b.codes).all() and b.codes[:3].tolist() == [0, 0, 2]
    b.undo()
    assert b.codes[1] == -1
    b.undo()
    assert b.codes[2] == -1
    assert b.undo() is None and b.codes[0] == 0  # what was there when b was opened is a's, and a is at work
    until(lambda: (a.codes == b.codes).all())
    a.close()
    b.close()
    with LabelStore(tmp_path / "labels.csv", 10) as c:
        c.undo()
        assert c.codes[0] == -1  # both have gone


def test_observers_hear_everything_in_order_and_may_fail_or_label(tmp_path, caplog):
    s = LabelStore(tmp_path / "labels.csv", 10, classes=3)
    seen = []

    def answer(e):
        seen.append((e.kind, e.seq))
        if e.kind == "labels" and 9 not in e.serials:
            s.set(9, 0)

    stop = s.observe(answer)
    s.observe(lambda e: 1 / 0)
    s.set(0, 1)
    assert s.codes[9] == 0 and seen == [("labels", 1), ("labels", 2)] and "a label observer failed" in caplog.text
    stop()
    s.set(1, 1)
    assert len(seen) == 2
    assert (
        s.changed_since(0).tolist() == [0, 1, 9]
        and s.changed_since(2).tolist() == [1]
        and s.changed_since(s.seq).tolist() == []
    )
    s.close()
    s.close()
    with pytest.raises(ValueError, match="closed"):
        s.set(0, 0)


def test_views_are_finished_arrays():
    s = LabelStore(None, 10, classes=3)
    codes = s.codes
    s.set(0, 1)
    assert (
        codes[0] == -1
        and s.codes[0] == 1
        and not s.codes.flags.writeable
        and s.labels.dtype == np.float64
        and s.codes.dtype == np.int32
    )
    assert LabelStore(None, 0).n_labeled == 0


def test_threads_label_together(tmp_path):
    import threading

    s = LabelStore(tmp_path / "labels.csv", 1000, classes=5, poll=0.01, export_after=0.01)
    threads = [threading.Thread(target=lambda k=k: [s.set(100 * k + i, k % 5) for i in range(50)]) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert s.n_labeled == 300 and s.seq == 300 and s.close()
    assert len(s.path.read_text().splitlines()) == 301


def test_label_table_and_refused_imports(tmp_path):
    s = LabelStore(None, 4, classes=["a", "b"])
    s.set([0, 1], ["a", "b"], source="lasso")
    t = label_table(s, images=["p.png", "q.png", "r.png", "s.png"], unlabeled=True)
    assert (
        t["image"].tolist() == ["p.png", "q.png", "r.png", "s.png"]
        and t["label"].tolist()[:2] == ["a", "b"]
        and t["source"].tolist()[0] == "lasso"
    )
    (tmp_path / "x.jsonl").write_text('{"image": "r.png", "label": "b"}\n')
    import_labels(s, tmp_path / "x.jsonl", images=["p.png", "q.png", "r.png", "s.png"])
    assert s.codes[2] == 1
    for name, text, reason in (
        ("x.jsonl", '{"id": 1.5, "label": "a"}', "row 1: id 1.5"),
        ("x.jsonl", "[1]", "row 1"),
        ("x.json", "{}", ""),
        ("x.json", '[{"id": 1}]', "cannot be read"),
        ("x.parquet", "no", "cannot be read"),
        ("x.csv", "Serial,label\n9,a\n", "line 2"),
        ("x.jsonl", '{"id": 0, "label": "z"}', "not known here"),
        ("x.txt", "", "format"),
    ):
        (tmp_path / name).write_text(text)
        before = s.codes
        if name == "x.json" and text == "{}":
            continue
        with pytest.raises(ValueError, match=reason):
            import_labels(s, tmp_path / name)
        assert (s.codes == before).all()
    t = pd.read_parquet(export_labels(s, tmp_path / "y.parquet"))
    assert (
        t.attrs["classes"] == ["a", "b"]
        and render_csv([0], [0], ["=a"]) == b"Serial,label\n0,'=a\n"
        and guard_cell("=a") == "'=a"
    )


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


@pytest.mark.parametrize("line", ['1,"', '1"x,"', '1,"a""', '"1,2', '1,2"', '""1,"'])
def test_unclosed_quotes_cost_linear_time(line):
    def work(n):
        start = time.process_time()
        read_cells(b"Serial,label\n" + f"{line}\n".encode() * n, 100)
        return time.process_time() - start

    work(1000)
    assert min(work(16_000) for _ in range(3)) < 8 * max(min(work(4_000) for _ in range(3)), 2e-3)


def test_a_formula_behind_a_separator_is_neutralised(tmp_path):
    with LabelStore(tmp_path / "labels.csv", 5, classes=["a;=cmd()", "b"]) as s:
        s.set(0, 0)
    assert b";=" not in (tmp_path / "labels.csv").read_bytes()
    with LabelStore(tmp_path / "labels.csv", 5) as s:
        assert s.classes[s.codes[0]] == "a;=cmd()"
    for name in ("a;=1", "a;'=1", "x,y;-2", "a;b", ";", "a;; +"):
        assert unguard_cell(guard_cell(name)) == name
    assert parse_csv(render_csv([0], [0], ["a;'=1"]), 5, {"a;'=1": 3}.get).codes.tolist() == [3]


def test_an_unclosed_quotation_mark_costs_one_line():
    rows = parse_csv(b'Serial,label\n1,1\n2,"3\n3,3\n4,4\n', 10, DIGITS)
    assert rows.serials.tolist() == [1, 3, 4] and [str(p) for p in rows.problems] == [
        "line 3: a quotation mark is not closed"
    ]
    rows = parse_csv(b"Serial,label\n1,1\n2," + b"x" * 140_000 + b"\n3,3\n", 10, DIGITS)
    assert rows.serials.tolist() == [1, 3] and [p.line for p in rows.problems] == [3]
    rows = parse_csv(b'Serial,note,label\n1,"two\nlines",1\n2,x,2\n3,"y",9 9\n', 10, DIGITS)
    assert rows.serials.tolist() == [1, 2] and [p.line for p in rows.problems] == [5]


def test_a_mark_in_a_remark_swallows_no_label():
    "A row inside a cell that is not closed properly is refused, not left out without a word."
    rows = parse_csv(b'Serial,label,note\n1,1,"wide\n2,2,"thin\n3,3,ok\n', 10, DIGITS)
    assert rows.serials.tolist() == [3] and [p.line for p in rows.problems] == [2, 3]
    rows = parse_csv(b'Serial,label,note\n1,1,"a ""b""\nc"\n2,2,"d\n\ne"\n', 10, DIGITS)
    assert rows.serials.tolist() == [1, 2] and not rows.problems


def test_import_is_light():
    import subprocess
    import sys

    heavy = {"jax", "pandas", "ipywidgets", "matplotlib", "sklearn", "scipy", "flax"}
    code = f"import sys; import ssvae_widgets.labels.store; bad = {heavy} & set(sys.modules); assert not bad, bad"
    r = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_in_the_place_of_an_open_one(tmp_path, kind):
    "It is said, nobody waits, and labels go on."
    path = tmp_path / "labels.csv"
    with LabelStore(path, 9, ["a", "b"], poll=3600) as store:
        store.set([0, 1], "a")
        store.flush()
        path.unlink()
        {"pipe": os.mkfifo, "folder": os.mkdir, "device": lambda p: os.symlink("/dev/zero", p)}[kind](path)
        assert store.set(2, "b").saved and not store.flush() and "is behind" in store.message
        store.csv.due = 0.0
        store.tick()
    path.rmdir() if kind == "folder" else path.unlink()
    with LabelStore(path, 9) as again:
        assert again.codes.tolist() == [0, 0, 1] + 6 * [-1]


def test_lines_deleted_while_the_store_was_closed_are_told(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 9, ["a", "b"], poll=3600) as store:
        store.set([0, 1, 2], "a")
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([head, *lines[2:]]) + "\n")
    with LabelStore(path, 9, poll=3600) as store:
        assert store.n_labeled == 3 and "2 labels that labels.csv lacks are kept" in store.message


def test_a_run_hears_which_words_were_read_as_no_label(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("Serial,label\n0,none\n1,cat\n2,nan\n3,\n4,-1\n")
    with pytest.warns(UserWarning, match="'nan', 'none' were read as no label; if it is a class"):
        codes, names = read_label_file(str(file), 6)
    assert codes.tolist() == [-1, 0, -1, -1, -1, -1] and names == ["cat"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_label_file(str(file), 6, ["cat", "nan", "none"])[0].tolist() == [2, 0, 1, -1, -1, -1]
        file.write_text("Serial,label\n1,cat\n3,\n4,-1\n")
        assert read_label_file(str(file), 6)[0].tolist() == [-1, 0, -1, -1, -1, -1]
