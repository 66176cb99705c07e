"""Names that are hard to hold: of files nearly as long as a file system allows, and of classes that other programs
read as nothing."""

import json
import os
import threading
import time
import unicodedata
import warnings

import numpy as np
import pandas as pd
import pytest
from stores import named, open_store

import ssvae_widgets.labels.past as past
from ssvae_widgets import LabelingSession, LabelStore
from ssvae_widgets.errors import ClosedError, SSVAEWidgetsError
from ssvae_widgets.io.files import temporary_name
from ssvae_widgets.labels.beside import generation, log_beside, unfinished
from ssvae_widgets.labels.csv_table import LabelFileError
from ssvae_widgets.labels.exchange import export_labels, import_labels


@pytest.mark.parametrize(
    "stem", ["n" * 226, "n" * 241, "ß" * 113, "🐈" * 57], ids=["226", "241", "two bytes", "four bytes"]
)
def test_a_long_file_name_keeps_everything(tmp_path, stem):
    path = tmp_path / f"{stem}.csv"
    with LabelStore(path, 30, classes=["a", "b"], poll=3600) as s:
        for k in range(10):
            s.set(k, k % 2)
        s.flush()
        assert s.compact(keep=2).exists()
        path.write_text("Serial,label\n0,b\n" + "\n".join(path.read_text().splitlines()[2:]) + "\n")
        assert s.flush() and s.codes[0] == 1
    with LabelStore(path, 30) as s:
        assert named(s) == {0: "b", **{k: "ab"[k % 2] for k in range(1, 10)}} and len(s.history(0)) == 2
    with LabelStore.adopt(path, 40, mapping=np.arange(30) + 10) as s:
        assert s.n_labeled == 10 and s.codes[10] == 1
    assert all(len(os.fsencode(p.name)) <= 255 for p in tmp_path.iterdir())
    kept = [p for p in tmp_path.iterdir() if ".backup-" in p.name]
    assert (
        any(p.read_text().startswith("Serial,label\n0,b\n1,b\n") for p in kept)
        and sum("former-" in p.name for p in tmp_path.iterdir()) == 1
    )


def test_a_name_too_long_for_its_log_is_refused_at_once(tmp_path):
    path = tmp_path / ("n" * 246 + ".csv")
    path.write_text("Serial,label\n1,a\n")
    with pytest.raises(LabelFileError, match="the name is too long: use a shorter one"):
        LabelStore(path, 30)
    assert os.listdir(tmp_path) == [path.name] and path.read_text() == "Serial,label\n1,a\n"


@pytest.mark.parametrize("length", [20, 70, 200])
def test_a_log_that_a_killed_process_was_writing_is_found_and_swept(tmp_path, length, monkeypatch):
    path, other = tmp_path / f"{'n' * (length - 4)}.csv", tmp_path / f"{'m' * (length - 4)}.csv"
    with monkeypatch.context() as m:
        m.setattr(os, "getpid", lambda: 2**22 + 1)  # of nobody
        begun, theirs = generation(log_beside(path)), generation(log_beside(other))
        left, stays = temporary_name(begun), temporary_name(theirs)
    left.touch(), stays.touch(), temporary_name(path).touch()
    assert unfinished(log_beside(path)) == [begun] and unfinished(log_beside(other)) == [theirs]
    for _ in range(2):  # at the second opening there is a log
        with LabelStore(path, 9, classes=2) as s:
            s.set(1, 1)
    assert not left.exists() and stays.exists()


@pytest.mark.parametrize("name", ["nan", "None", "null", "N/A"])
def test_ones_own_export_of_a_class_called_nothing(tmp_path, name):
    """Without its log nothing can tell it from a file that has a word for no label: it is told, and naming the
    classes reads it whole."""
    with LabelStore(tmp_path / "labels.csv", 20, classes=["cat", name]) as s:
        s.set([3, 7], [0, 1])
        s.set(9, name)
    (tmp_path / "other.csv").write_bytes((tmp_path / "labels.csv").read_bytes())
    with LabelStore(tmp_path / "other.csv", 20) as s:
        assert named(s) == {3: "cat"} and f"{name!r} was read as no label" in s.message
    with LabelStore(tmp_path / "other.csv", 20, classes=["cat", name]) as s:
        assert named(s) == {3: "cat", 7: name, 9: name}


def test_a_word_for_no_label_in_a_file_of_others_is_told(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("Serial,label\n0,cat\n1,nan\n2,dog\n")
    with LabelStore(path, 3) as s:
        assert named(s) == {0: "cat", 2: "dog"} and "'nan' was read as no label" in s.message
    with LabelStore(path, 3, classes=["cat", "dog", "nan"]) as s:
        assert named(s) == {0: "cat", 1: "nan", 2: "dog"} and not s.message


@pytest.mark.parametrize(
    ("cells", "codes"),
    [
        (["3", "3.0", "1.0"], [3, 3, 1]),
        (["3.00e+00", "1", "0.0"], [3, 1, 0]),
        (["3.0", "1e0", "1"], [3, 1, 1]),
        (["1e3", "3", "2.0"], [-1, 3, 2]),
    ],
)
def test_numbers_spelled_in_different_ways_are_codes(tmp_path, cells, codes):
    "Where digits may have been rounded away the line is refused, with the reason; the others stay numbers."
    (tmp_path / "labels.csv").write_text("Serial,label\n" + "".join(f"{k},{c}\n" for k, c in enumerate(cells)))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with LabelStore(tmp_path / "labels.csv", 9) as s:
            assert s.classes == ["0", "1", "2", "3"] and s.codes[:3].tolist() == codes
    assert ["its digits may have been rounded away" in str(w.message) for w in said] == [True] * (-1 in codes)


def test_a_closed_store_says_so_in_the_family_of_errors(tmp_path):
    s = LabelStore(tmp_path / "labels.csv", 9, classes=3)
    s.close()
    for call in (
        lambda: s.set(0, 1),
        lambda: s.clear(0),
        s.undo,
        s.redo,
        s.sync,
        lambda: s.add_class("x"),
        lambda: s.rename_class(0, "y"),
        lambda: s.merge_classes(0, 1),
        s.declare,
        s.compact,
    ):
        with pytest.raises(ClosedError, match="this label store is closed; open a new one") as raised:
            call()
        assert isinstance(raised.value, SSVAEWidgetsError)


@pytest.mark.parametrize("edit", ["older export", "older export by hand"])
def test_a_file_put_there_while_the_store_was_closed_is_told(tmp_path, edit):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 20, classes=["a", "b"]) as s:
        s.set([1, 2], "a")
        s.flush()
        old = path.read_bytes()
        s.set(2, "b")
    data = old if edit == "older export" else old.replace(b"\n", b"\r\n")
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with LabelStore(path, 20) as s:
            kept = [p for p in tmp_path.iterdir() if ".backup-" in p.name]
            assert named(s) == {1: "a", 2: "b"} and "put back to an earlier state" in s.message
            if edit == "older export":
                assert not kept  # to the byte what the log can write again
            else:
                assert [p.read_bytes() for p in kept] == [data] and kept[0].name in s.message


def test_an_export_that_came_before_a_kill_is_silent(tmp_path):
    path = tmp_path / "labels.csv"
    s = LabelStore(path, 20, classes=["a", "b"], poll=3600)
    s.set(1, "a")
    s.flush()
    s.set(2, "b")
    s.log.close()
    s.ticker.wake()  # as a kill leaves it
    with LabelStore(path, 20) as again:
        assert named(again) == {1: "a", 2: "b"} and not again.message
    assert not [p for p in tmp_path.iterdir() if ".backup-" in p.name]


def test_what_to_do_about_classes_born_elsewhere(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 20, classes=["a", "b"]) as s:
        s.set(1, "a")
    path.write_text("Serial,label\n1,a\n5,cow\n")
    with pytest.warns(
        UserWarning, match=r"To take labels of new classes from it: import_labels\(store, 'labels.csv.backup-"
    ):
        s = LabelStore(path, 20, classes=["a", "b"])
    s.close()


# ---- files of others


IMAGES = ["a.png", "b.png", "c.png", "d.png"]


@pytest.mark.parametrize("column", ["serial", "id"])
def test_a_file_name_beside_a_wrong_number_decides_and_is_told(tmp_path, column):
    (tmp_path / "in.csv").write_text(f"{column},filename,label\n3,a.png,cat\n1,b.png,dog\n")
    s = LabelStore(None, 4, classes=["cat", "dog"])
    with pytest.warns(
        UserWarning, match=r"1 row \(the first is row 1\) names one image by its id and another by its file name"
    ):
        import_labels(s, tmp_path / "in.csv", images=IMAGES)
    assert named(s) == {0: "cat", 1: "dog"}


def test_an_id_of_another_program_beside_a_file_name_is_no_contradiction(tmp_path):
    s = LabelStore(None, 4, classes=["cat", "dog"])
    for ids in (["900", "4", "-1", "901"], ["9f1c-4e", "77aa-01", "1e9", "x_1"]):
        (tmp_path / "in.csv").write_text(
            "id,filename,label\n" + "".join(f"{i},{image},dog\n" for i, image in zip(ids, IMAGES))
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            import_labels(s, tmp_path / "in.csv", images=IMAGES)
        assert named(s) == dict.fromkeys(range(4), "dog")
        s.undo()
    (tmp_path / "in.csv").write_text("id,filename,label\n900,a.png,dog\n3,b.png,cat\n")
    with pytest.warns(UserWarning, match=r"1 row \(the first is row 2\) names one image"):
        import_labels(s, tmp_path / "in.csv", images=IMAGES)


@pytest.mark.parametrize(
    "name, text",
    [
        ("in.csv", "filename,label,label\na.png,cat,dog\n"),
        ("in.csv", "filename,label,class\na.png,cat,dog\n"),
        ("in.jsonl", '{"image": "a.png", "label": "cat", "class": "dog"}\n'),
    ],
)
def test_two_columns_with_labels_are_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    s = LabelStore(None, 4, classes=["cat", "dog"])
    with pytest.raises(LabelFileError, match="expected one.* with labels"):
        import_labels(s, tmp_path / name, images=IMAGES)
    assert s.n_labeled == 0


def test_label_studio_files_that_are_none_or_hold_no_choice(tmp_path):
    s = LabelStore(None, 4, classes=["cat", "dog"])
    result = {"type": "choices", "value": {"choices": []}}
    (tmp_path / "empty.json").write_text(
        json.dumps([{"data": {"image": "a.png"}, "annotations": [{"result": [result]}]}])
    )
    import_labels(s, tmp_path / "empty.json", images=IMAGES)
    assert s.n_labeled == 0
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(LabelFileError, match="it is no list of tasks"):
        import_labels(s, tmp_path / "other.json", images=IMAGES)


def test_one_number_in_three_spellings_is_one_new_class(tmp_path):
    (tmp_path / "in.csv").write_text("Serial,label\n0,3\n1,3.0\n2,3e0\n3,1\n")
    for classes in (["cat"], None):
        s = LabelStore(None, 4, classes=classes)
        import_labels(s, tmp_path / "in.csv", new_classes=True)
        assert named(s) == {0: "3", 1: "3", 2: "3", 3: "1"}


@pytest.mark.parametrize("format", ["csv", "hf"])
@pytest.mark.parametrize("names", [["1e1", "2e1"], ["1e3", "7"], ["1e99", "3.5e7"]])
def test_names_that_look_like_rounded_numbers_go_out_and_come_back(tmp_path, names, format):
    with LabelStore(tmp_path / "labels.csv", 4, classes=names) as s:
        s.set([0, 2], names[0])
        s.set(1, names[1])
        export_labels(s, tmp_path / "out.csv", format, images=IMAGES)
    for classes in (None, names, ["cat"]):
        fresh = LabelStore(None, 4, classes=classes)
        import_labels(fresh, tmp_path / "out.csv", images=IMAGES, new_classes=True)
        assert named(fresh) == {0: names[0], 1: names[1], 2: names[0]}
        assert {*fresh.classes} == {*names, *(["cat"] if classes == ["cat"] else [])}


def test_a_number_is_no_class_whose_name_has_an_exponent_and_the_other_way_round(tmp_path):
    for classes, word in ((["1e3", "x"], "1000"), (["1000", "x"], "1e3"), (["3e0", "x"], "3")):
        (tmp_path / "in.csv").write_text(f"Serial,label\n0,{word}\n")
        s = LabelStore(None, 4, classes=classes)
        with pytest.raises(LabelFileError, match=f"label '{word}' is no class"):
            import_labels(s, tmp_path / "in.csv")
        import_labels(s, tmp_path / "in.csv", new_classes=True)
        assert named(s) == {0: word} and s.classes == [*classes, word]
    (tmp_path / "in.csv").write_text("Serial,label\n0,1.20e+01\n1,12.0\n")  # to the last digit
    s = LabelStore(None, 4, classes=["12", "x"])
    import_labels(s, tmp_path / "in.csv")
    assert named(s) == {0: "12", 1: "12"}


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


def test_names_as_bytes_are_names(tmp_path):
    with LabelStore(None, 10, classes=np.array([b"cat", b"dog"])) as s:
        s.set([1, 2], np.array([b"dog", b"cat"]))
        s.set(3, b"dog")
        assert s.codes[1:4].tolist() == [1, 0, 1]


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


def test_two_classes_never_carry_one_name(tmp_path):
    path = tmp_path / "labels.csv"
    a, b = open_store(path, classes=["cat", "dog"]), open_store(path, classes=["cat", "dog"])
    a.set(0, "cat")
    a.set(1, "dog")
    a.rename_class("cat", "X")
    with pytest.raises(ValueError, match="already a class 'X'"):
        b.rename_class("dog", "X")
    a.undo()
    a.rename_class("cat", "feline")
    a.add_class("cat")
    a.set([2, 3], "cat")
    a.undo()
    a.undo()
    assert a.classes == ["cat", "dog", "cat (2)"]
    b.sync()
    assert b.classes == a.classes
    a.redo()
    a.close()
    b.close()


def test_numbers_as_names_survive_a_spreadsheet(tmp_path):
    for names, cells in ((["01", "02", "03"], "123"), (["1.0", "2.0", "3.0"], "123")):
        path = tmp_path / names[0] / "labels.csv"
        path.parent.mkdir()
        with LabelStore(path, 9, classes=names) as s:
            s.set([0, 1, 2], names)
        path.write_text("Serial,label\n" + "".join(f"{i},{c}\n" for i, c in enumerate(cells)) + "5,2\n")
        with LabelStore(path, 9, classes=names) as s:
            assert s.codes[[0, 1, 2, 5]].tolist() == [0, 1, 2, 1]


def test_a_number_that_two_classes_share_is_refused(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 9, classes=["7", "07"]) as s:
        s.set([0, 1], ["7", "07"])
    path.write_text("Serial,label\n0,7\n1,7\n")
    with pytest.warns(UserWarning, match="could be '7' or '07'"), LabelStore(path, 9) as s:
        assert s.codes[:2].tolist() == [0, 1]


def test_names_can_be_seen():
    with pytest.raises(ValueError, match="no visible character"):
        LabelStore(None, 3, classes=["\u200b", "b"])
    store = LabelStore(None, 3, classes=["caf\u00e9"])
    with pytest.raises(ValueError, match="already"):
        store.add_class("cafe\u0301")


def test_ten_thousand_classes_open_at_once():
    start = time.process_time()
    assert LabelStore(None, 100, classes=10_000).n_classes == 10_000 and time.process_time() - start < 1


def test_no_key_press_waits_while_unknown_words_are_told_apart(tmp_path, monkeypatch):
    telling, go_on, real = threading.Event(), threading.Event(), past.with_known_words

    def slow(cells, ever):
        telling.set()
        assert go_on.wait(60)
        return real(cells, ever)

    monkeypatch.setattr(past, "with_known_words", slow)
    path = tmp_path / "labels.csv"
    with LabelStore(path, 100, classes=["a", "b"], poll=3600, export_after=3600) as s:
        s.set([1, 2], "a")
        s.flush()
        path.write_text("Serial,label\n1,b\n2,a\n7,cow\n" + "".join(f"{k},word{k}\n" for k in range(10, 90)))
        edit = threading.Thread(target=s.flush)
        edit.start()
        assert telling.wait(60)
        assert s.set(5, "b").saved and s.add_class("cow") == 2  # a word of the file becomes a class meanwhile
        go_on.set()
        edit.join(60)
        assert named(s) == {1: "b", 2: "a", 5: "b", 7: "cow"} and len(s.problems) == 80
        assert str(s.problems[0]) == "line 5: label 'word10' is no class"


@pytest.mark.parametrize("compacted", [False, True])
def test_a_class_called_nothing_that_has_another_name_now_is_still_one_in_an_old_sheet(tmp_path, compacted):
    """`nan` in a sheet from before the class was renamed empties no cell: nothing was edited, nothing is imported."""
    path = tmp_path / "labels.csv"
    with LabelStore(path, 30, classes=["nan", "None", "q"], poll=3600) as s:
        s.set(range(30), [k % 3 for k in range(30)])
        s.flush()
        sheet = path.read_bytes().replace(b",", b";").replace(b"\n", b"\r\n")
        s.set([0, 3], "q")
        s.rename_class("nan", "new")
        if compacted:
            s.compact(keep=0)
        s.set([7, 8], "new")
        now = named(s)
        s.flush()
        path.write_bytes(sheet)
        s.flush()
        assert named(s) == now
    path.write_bytes(sheet)
    with LabelStore(path, 30, poll=3600) as s:
        assert named(s) == now


@pytest.mark.parametrize(
    ("images", "named_there", "row"),
    [
        (["a.png", "a.png", "b.png"], "a.png", None),
        (["x/a.png", "y/a.png", "b.png"], "a.png", None),
        (["x/a.png", "x\\a.png", "b.png"], "./x/a.png", None),
        (["x/a.png", "y/a.png", "a.png"], "a.png", 2),
        (["x/a.png", "y/a.png", "a.png"], "y/a.png", 1),
    ],
)
def test_a_file_name_of_several_images_is_refused(tmp_path, images, named_there, row):
    (tmp_path / "f.csv").write_text(f"filename,label\n{named_there},cat\n")
    with LabelStore(None, 3, classes=["cat", "dog"]) as s:
        if row is None:
            with pytest.raises(LabelFileError, match="or several end in that name"):
                import_labels(s, tmp_path / "f.csv", images=images)
        else:
            import_labels(s, tmp_path / "f.csv", images=images)
        assert named(s) == ({} if row is None else {row: "cat"})


def test_a_label_with_a_comma_that_is_not_quoted_is_no_shorter_label(tmp_path):
    classes, path = ["large", "large, red"], tmp_path / "labels.csv"
    path.write_text('Serial,label\n0,large, red\n1,"large, red"\n2,large,,\n')
    with pytest.warns(UserWarning, match="line 2: it has 3 cells, the header 2: a text with ',' in it belongs in quot"):
        s = LabelStore(path, 9, classes=classes)
    with s:
        assert named(s) == {1: "large, red", 2: "large"}
    (tmp_path / "f.csv").write_text("filename,label\na.png,large, red\n")
    with LabelStore(None, 1, classes=classes) as s, pytest.raises(LabelFileError, match="belongs in quotation marks"):
        import_labels(s, tmp_path / "f.csv", images=["a.png"])


@pytest.mark.parametrize(
    ("choices", "said"), [([["cat"], None], "cat"), ([["dog"], ["cat"]], "cat"), ([None], None), ([["cat", "dog"]], 0)]
)
def test_label_studio_tasks_skipped_or_with_two_choices(tmp_path, choices, said):
    def annotation(some):
        result = [{"type": "choices", "value": {"choices": some}}] if some else []
        return {"result": result, "was_cancelled": some is None}

    task = {"data": {"serial": 1}, "annotations": [*map(annotation, choices)]}
    (tmp_path / "t.json").write_text(json.dumps([task]))
    with LabelStore(None, 3, classes=["cat", "dog"]) as s:
        if said == 0:
            with pytest.raises(LabelFileError, match="choices cat, dog; expected one"):
                import_labels(s, tmp_path / "t.json")
        else:
            import_labels(s, tmp_path / "t.json")
            assert named(s) == ({} if said is None else {1: said})
