"""Logs and label files that are deleted, put back, overwritten in place, copied or begun anew while somebody works:
nothing acknowledged is lost or changed."""

import os
import shutil
import time
import warnings

import pytest
from stores import named
from waiting import until

from ssvae_widgets import LabelStore
from ssvae_widgets.labels.csv_table import LabelFileError
from ssvae_widgets.labels.exchange import import_labels
from ssvae_widgets.labels.line import encode_line

MARK = b"\xef\xbb\xbf"  # an editor may put it at the beginning


@pytest.fixture
def here(tmp_path):
    path = tmp_path / "labels.csv"
    return path, path.with_name("labels.csv.log.jsonl")


def store(path, n=10, classes=("a", "b"), poll=60.0):
    return LabelStore(path, n, classes, poll=poll)  # looks for others when it is asked to


def after_reopening(path, n=10, **kw):
    with LabelStore(path, n, **kw) as s:
        return named(s)


@pytest.mark.parametrize("gone", ["deleted", "put back"])
def test_what_a_process_behind_compacts_does_not_have_is_written_again(here, gone):
    path, log = here
    with store(path) as a, store(path) as b:
        a.set([0, 1], "a")
        b.sync()
        older = log.read_bytes()
        assert a.set(2, "b").saved and a.undo().saved and a.set(3, "b").saved
        if gone == "deleted":
            log.unlink()
        else:
            (path.parent / "older").write_bytes(older)
            os.replace(path.parent / "older", log)
        b.compact(keep=0)
        a.sync()
        b.sync()
        assert named(a) == named(b) == {0: "a", 1: "a", 3: "b"} and a.saved
    assert after_reopening(path) == {0: "a", 1: "a", 3: "b"}


def test_a_log_overwritten_in_place_is_noticed(here):
    path, log = here
    there = path.parent / "there"
    there.mkdir()
    with store(path, 50) as s:
        s.set(0, "a")
        s.flush()
        shutil.copy(log, there)
        with store(there / "labels.csv", 50) as o:
            for row in range(20, 30):
                o.set(row, "b")
        s.set(1, "b")
        s.set(2, "a")
        shutil.copyfile(there / log.name, log)  # keeps the file, replaces what is in it
        s.set(3, "a")
        want = {0: "a", 1: "b", 2: "a", 3: "a", **{row: "b" for row in range(20, 30)}}
        assert named(s) == want and s.saved
    assert after_reopening(path, 50) == want


def test_a_log_from_before_a_compaction_is_put_back(here):
    path, log = here
    with store(path) as s:
        s.set([0, 1], "a")
        s.flush()
        older = log.read_bytes()
        s.set(0, "b")
        s.clear(1)
        s.set(2, "b")
        s.compact(keep=0)
        (path.parent / "older").write_bytes(older)
        os.replace(path.parent / "older", log)
        s.sync()
        assert named(s) == {0: "b", 2: "b"}
    assert after_reopening(path) == {0: "b", 2: "b"}


def test_restoring_an_export_takes_back_no_import_of_another_file_of_that_name(here):
    path, _ = here
    other = path.parent / "other" / "labels.csv"
    other.parent.mkdir()
    other.write_text("Serial,label\n0,b\n1,b\n")
    with store(path) as s:
        s.set([0, 1, 2], "a")
        s.flush()
        older = path.read_bytes()
        import_labels(s, other)
        s.flush()
        path.write_bytes(older)
        os.utime(path, (1e9, 1e9))
        s.flush()
        assert named(s) == {0: "b", 1: "b", 2: "a"} and "put back to an earlier state" in s.message


def test_a_mark_of_an_editor_changes_nothing(here):
    path, log = here
    with store(path) as s:
        s.set([0, 1, 2, 3], "a")
        s.compact(keep=0)
    path.unlink()
    log.unlink()  # begun anew: the archives of before stay beside
    with store(path) as s:
        s.set(9, "b")
    log.write_bytes(MARK + log.read_bytes())
    assert after_reopening(path) == {9: "b"}
    with pytest.raises(LabelFileError, match="10 images"):
        LabelStore(path, 20)


def test_a_damaged_first_line_brings_back_only_what_it_stood_for(here):
    path, log = here
    with store(path) as s:
        s.set([0, 1], "a")
        s.compact(keep=0)
    path.unlink()
    log.unlink()
    with store(path) as s:
        s.set(9, "b")
    text = log.read_bytes()
    log.write_bytes(text[:60] + b"#" + text[61:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = after_reopening(path)
        except LabelFileError:
            found = {9: "b"}  # refused, and untouched
    assert found == {9: "b"}


def test_numbers_as_names_are_compared_exactly(here):
    path, _ = here
    file = path.parent / "in.csv"
    file.write_text("Serial,label\n0,9007199254740993\n1,9007199254740992\n")
    with LabelStore(None, 10) as s:
        import_labels(s, file, new_classes=True)
        assert named(s) == {0: "9007199254740993", 1: "9007199254740992"}
    with store(path, classes=["9007199254740993", "x"]) as s:
        s.set(0, 0)
        s.flush()
        with pytest.raises(LabelFileError, match="9007199254740992"):
            import_labels(s, file)
        path.write_bytes(file.read_bytes())
        os.utime(path, (1e9, 1e9))
        s.flush()
        assert named(s) == {0: "9007199254740993"} and "refused" in s.message


def test_a_name_with_a_leading_zero_is_what_it_says(here):
    path, log = here
    with LabelStore(path, 10) as s:
        s.add_classes(["1", "01", "x"])
        s.set([0, 1, 2], ["1", "01", "x"])
    log.unlink()
    with pytest.warns(UserWarning, match="'1' could be"):
        assert after_reopening(path) == {1: "01", 2: "x"}  # 1 may be what a spreadsheet made of 01


def test_a_sign_that_somebody_cleaned_up_is_put_up_again(here):
    path, _ = here
    with store(path, poll=0.05) as s:
        s.set(0, "a")
        for sign in path.parent.glob(".*"):
            sign.unlink()
        until(lambda: [*path.parent.glob(".*.live")], 10)
        with LabelStore(path, 10) as other:
            assert other.undo() is None


def test_strange_words_are_looked_up_once_however_often_classes_were_renamed(here, monkeypatch):
    from ssvae_widgets.labels import csv_table

    path, _ = here
    with store(path, 5_000) as s:
        s.set(range(100), "a")
        for k in range(30):
            s.rename_class(1, f"b{k}")
        s.flush()
        asked, real = [], csv_table.spellings
        monkeypatch.setattr(csv_table, "spellings", lambda text: asked.append(text) or real(text))
        path.write_text("Serial,label\n" + "".join(f"{row},w{row}\n" for row in range(4_000)))
        os.utime(path, (1e9, 1e9))
        s.flush()
        assert "4000 lines refused" in s.message and len(asked) < 5 * 4_000 and s.n_labeled == 100


def test_a_copy_under_another_name_keeps_its_history_when_it_is_copied_again(here):
    path, _ = here
    second, third = path.parent / "two" / "other.csv", path.parent / "three" / "third.csv"
    second.parent.mkdir()
    third.parent.mkdir()
    with store(path) as s:
        s.set(0, "a")
        s.compact(keep=0)
        s.set(2, "a")
        s.copy_to(second)
    with LabelStore(second, 10) as s:
        s.copy_to(third)
    with LabelStore(third, 10) as s:
        assert len(s.history(0)) == 1 and named(s) == {0: "a", 2: "a"}


def test_a_former_log_cannot_ask_for_memory(here):
    path, log = here
    (path.parent / "old.jsonl").write_bytes(
        encode_line({"id": "s1", "op": "set", "serials": [999_999_999], "labels": ["a"]})
    )
    log.write_bytes(
        encode_line(
            {
                "id": "h",
                "op": "snapshot",
                "format": 1,
                "seq": 0,
                "n_items": 10,
                "serials": [],
                "labels": [],
                "classes": [["a", "a"]],
                "former_log": "old.jsonl",
                "former_items": 10**9,
                "covered": 0,
            }
        )
    )
    with pytest.raises(LabelFileError, match="row 999,999,999"):
        LabelStore(path, 10)


def test_facts_by_the_thousand_are_refused(here):
    path, log = here
    log.write_bytes(
        encode_line(
            {
                "id": "h",
                "op": "snapshot",
                "format": 1,
                "seq": 0,
                "n_items": 10,
                "serials": [],
                "labels": [],
                "classes": [],
                "facts": {f"f{i}": [0] for i in range(40_000)},
            }
        )
    )
    with pytest.raises(LabelFileError, match="at most 1,000 names"):
        LabelStore(path, 10)


def test_an_export_is_recognized_also_when_the_log_was_written_anew_in_another_order(here, monkeypatch):
    from ssvae_widgets.labels.log import LogFile

    path, log = here
    full, append = {*()}, LogFile.append

    def refuse(self, lines):
        if self.path in full:
            raise OSError(28, "No space left on device")
        return append(self, lines)

    monkeypatch.setattr(LogFile, "append", refuse)
    with store(path, 4, ["a", "b", "c"]) as a, store(path, 4, None) as b:
        a.set([1, 0], ["a", "c"])
        b.set(2, "c")
        b.flush()
        log.unlink()
        full.add(log)
        a.clear(1)
        a.set(1, "a")
        a.undo()
        full.clear()
        for s in (a, b, a, b):
            s.log.retry.due = 0
            s.sync()
        assert named(a) == named(b) == {0: "c", 2: "c"}
    assert after_reopening(path, 4) == {0: "c", 2: "c"}


def test_exports_are_recognized_by_their_marks_through_compactions(here):
    path, log = here
    with store(path) as s:
        files = []
        for row in range(5):
            s.set(row, "a")
            s.flush()
            files.append(path.read_bytes())
        s.set([0, 1], "b")
        s.compact(keep=0).unlink()  # the states of before are gone, their marks are not
    for data in files:
        path.write_bytes(data)
        with store(path) as s:
            s.flush()
            assert named(s) == {0: "b", 1: "b", 2: "a", 3: "a", 4: "a"} and not [*path.parent.glob("*.backup-*")]


def test_names_given_at_the_opening_reach_the_log_before_the_export_that_has_them(here):
    path, _ = here
    with LabelStore(path, 10, 2) as s:
        s.set([0, 1], 0)
        s.set(2, 1)
    LabelStore(path, 10, ["cat", "dog"]).close()
    with LabelStore(path, 10) as s:
        assert s.classes == ["cat", "dog"] and named(s) == {0: "cat", 1: "cat", 2: "dog"} and not s.message
    with store(path, classes=["cat", "dog"]) as a, LabelStore(path, 10, ["cat", "dog"], poll=0.05):
        a.set(5, "dog")
        a.flush()
    assert path.read_text().split()[1:] == ["0,cat", "1,cat", "2,dog", "5,dog"] and not [
        *path.parent.glob("*.backup-*")
    ]


@pytest.mark.parametrize("what", ["renames", "undone merges"])
def test_a_log_of_many_names_beside_a_long_edited_file_opens_in_a_moment(here, what):
    """Two thousand changes of names, 1,000 classes, 100,000 rows: looking up every text again for each of them took
    12 s, rows by rows for each merge as long."""
    path, n, names = here[0], 100_000, [f"c{k}" for k in range(1_000)]
    lines = [
        {"id": "h", "op": "log", "format": 1, "n_items": n, "classes": [[name, name] for name in names]},
        {"id": "s", "op": "set", "serials": [*range(n)], "labels": [names[k % 1_000] for k in range(n)]},
    ]
    for k in range(2_000 if what == "renames" else 1_000):
        if what == "renames":
            lines.append({"id": f"g{k}", "op": "class", "classes": [[names[k % 1_000], f"n{k}"]]})
        else:
            lines.append({"id": f"g{k}", "op": "merge", "from": "c0", "into": names[1 + k % 999]})
            lines.append({"id": f"u{k}", "op": "undo", "target": f"g{k}"})
    here[1].write_bytes(b"".join(map(encode_line, lines)))
    path.write_text("Serial,label\n" + "".join(f"{k},c{(k + (k % 7 == 0)) % 1_000}\n" for k in range(n)))
    start = time.process_time()
    with LabelStore(path, n, poll=3600) as s:
        assert time.process_time() - start < 5
        assert f"{len(range(0, n, 7))} labels taken over" in s.message
        assert s.codes[[6, 7, 8]].tolist() == [6, 8, 8]


@pytest.mark.parametrize("exported", [True, False])
def test_folders_that_swap_their_names_keep_their_labels_apart(tmp_path, exported):
    places = [tmp_path / "a", tmp_path / "b"]
    for place in places:
        place.mkdir()
    a, b = (store(place / "labels.csv", 20) for place in places)
    a.set([0, 1, 2], "a"), b.set([1, 2, 3], "b")
    for s in (a, b) if exported else ():
        s.flush()

    def swap():
        places[0].rename(tmp_path / "c"), places[1].rename(places[0]), (tmp_path / "c").rename(places[1])

    swap()
    a.sync()
    assert "holds other labels than those that were open here" in a.message and named(a) == dict.fromkeys(range(3), "a")
    assert not a.set(9, "a").saved and not b.set(10, "b").saved and not a.flush()
    assert after_reopening(places[0] / "labels.csv", 20) == dict.fromkeys([1, 2, 3], "b")
    swap()
    time.sleep(0.3)
    assert a.flush() and b.flush() and a.close() and b.close()
    assert after_reopening(places[0] / "labels.csv", 20) == dict.fromkeys([0, 1, 2, 9], "a")
    assert after_reopening(places[1] / "labels.csv", 20) == dict.fromkeys([1, 2, 3, 10], "b")


def test_a_log_that_another_process_began_from_our_export_is_no_strange_one(here):
    path, log = here
    with store(path) as s:
        s.set([0, 1], "a")
        s.flush()
        log.unlink()
        with store(path) as other:
            other.set(2, "b")
        s.sync()
        assert s.set(3, "b").saved and named(s) == {0: "a", 1: "a", 2: "b", 3: "b"}
    assert after_reopening(path) == {0: "a", 1: "a", 2: "b", 3: "b"}


@pytest.mark.parametrize("kw", [{}, {"classes": ["dog", "cat"]}])
def test_classes_without_labels_survive_a_deleted_log_whose_archive_is_there(here, kw):
    path, log = here
    with store(path, classes=["dog", "cat", "rare", "gone"]) as s:
        s.set([0, 1], "dog"), s.set(2, "cat"), s.merge_classes("gone", "cat"), s.rename_class("rare", "very rare")
        s.compact(keep=0)
        s.add_class("late"), s.set(5, "late")
    log.unlink()
    for _ in range(2):  # also before the new log is written
        with LabelStore(path, 10, **kw) as s:
            assert s.classes == ["dog", "cat", "very rare", "late"] and s.codes.tolist()[:6] == [0, 0, 1, -1, -1, 3]
            assert not s.message
    with LabelStore(path, 10, **kw) as s:
        s.set(6, "very rare")
    assert after_reopening(path) == {0: "dog", 1: "dog", 2: "cat", 5: "late", 6: "very rare"}
    log.unlink(), path.unlink()  # somebody begins anew
    with LabelStore(path, 10, **kw) as s:
        assert s.classes == kw.get("classes", []) and not s.n_labeled


def test_an_archive_of_other_images_or_one_that_cannot_be_read_says_nothing(here):
    path, log = here
    with store(path, 10) as s:
        s.set(0, "a")
        s.compact(keep=0)
    log.unlink()
    with LabelStore(path, 11) as s:
        assert s.classes == ["a"] and named(s) == {0: "a"}
    for archive in path.parent.glob("labels.csv.log.2*"):
        archive.write_bytes(b"\0" * 100)
    with LabelStore(path, 10) as s:
        assert s.classes == ["a"] and named(s) == {0: "a"}


@pytest.mark.parametrize("ours", [True, False], ids=["as we write it", "as a spreadsheet does"])
def test_an_edit_that_was_undone_before_a_kill_is_not_taken_over_again(ours, tmp_path):
    path = tmp_path / "labels.csv"
    for rows in ("1,a\n", "1,b\n"):
        with LabelStore(path, 9, ["a", "b"], poll=3600) as store:
            store.set([2], "a")
        path.write_bytes(("Serial,label\n" + rows + "2,a\n").replace("\n", "\n" if ours else "\r\n").encode())
    killed = LabelStore(path, 9, poll=3600)
    assert killed.codes[1] == 1 and killed.undo().saved and killed.codes[1] == 0
    killed.log.close()  # before the file was written again
    killed.ticker.wake()
    with LabelStore(path, 9) as store:
        assert store.codes[1] == 0 and store.codes[2] == 0
    assert "1,a" in path.read_text()
