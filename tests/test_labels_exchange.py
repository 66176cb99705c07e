"""One reader for labels: commands and imports take a file as the app does, nothing that is a class is lost, and what
is dropped is told."""

import json
import os
import subprocess
import sys
import unicodedata
import warnings
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from stores import named

from ssvae_widgets import LabelStore
from ssvae_widgets.cli.arguments import read_label_file
from ssvae_widgets.cli.common import UsageError
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.labels.csv_table import LabelFileError
from ssvae_widgets.labels.exchange import by_name, export_labels, import_labels

NASTY = [
    "none",
    "NA",
    "null",
    "nan",
    "N/A",
    "#N/A",
    "-1",
    "scratch",
    "1.0",
    "TRUE",
    "007",
    "a,b",
    '"q"',
    "=1+1",
    "Ünï",
    "猫",
    "'s",
    "x;y",
]


def table(*rows, head="Serial,label", end="\n") -> bytes:
    return end.join([head, *rows, ""]).encode()


# ------------------------------------------------------------------ the commands read what the app reads
ALIKE = {
    "floats": table("0,3.0", "4,7.0"),
    "gap": table("0,3.0", "1,", "4,7.0"),
    "missing words": table("0,3", "1,nan", "2,-1", "3,None", "4,7", "5,N/A", "6,<NA>"),
    "names": table("0,rust", "4,moss", "5,NaN"),
    "semicolon": table("0;3,0", "4;7,0", head="Serial;label"),
    "bom and crlf": b"\xef\xbb\xbf" + table("0,3", "4,7", end="\r\n"),
    "utf-16": table("0,3", "4,7").decode().encode("utf-16"),
    "spaces": table(" 0 , 3 ", "4.0, 7 "),
    "index": table("0,0,3.0", "1,4,7.0", head=",Serial,label"),
    "mixed": table("0,3", "4,rust"),
    "leading zeros": table("0,03", "4,07"),
    "once twice": table("0,3", "0,3.0", "4,7"),
}


@pytest.mark.parametrize("name", ALIKE)
def test_commands_read_a_file_as_the_app_does(name, tmp_path):
    for folder in ("app", "command"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "labels.csv").write_bytes(ALIKE[name])
    with LabelStore(tmp_path / "app" / "labels.csv", 10) as store:
        codes, classes = store.codes, store.classes
    with pytest.warns(UserWarning, match="'NaN' was read as no label") if name == "names" else nullcontext():
        ours, names = read_label_file(tmp_path / "command" / "labels.csv", 10)
    assert ours.tolist() == codes.tolist() and (ours >= 0).sum() == 2
    assert names == (None if classes == [str(k) for k in range(len(classes))] else classes)
    assert (
        os.listdir(tmp_path / "command") == ["labels.csv"]
        and (tmp_path / "command" / "labels.csv").read_bytes() == ALIKE[name]
    )


def test_numbers_are_the_classes_of_these_numbers(tmp_path):
    (tmp_path / "l.csv").write_bytes(ALIKE["missing words"])
    codes, names = read_label_file(tmp_path / "l.csv", 10)
    assert codes.tolist() == [3, -1, -1, -1, 7, -1, -1, -1, -1, -1] and names is None
    codes, names = read_label_file(tmp_path / "l.csv", 10, [str(k) for k in range(10)])
    assert codes.tolist() == [3, -1, -1, -1, 7, -1, -1, -1, -1, -1] and names == [str(k) for k in range(10)]


def test_the_log_beside_the_file_is_the_truth(tmp_path):
    """Renamed and merged classes, an export that is behind, a file that is gone: the log knows; a new edit in the
    file counts."""
    path = tmp_path / "labels.csv"
    with LabelStore(path, 6, classes=["cat", "dog", "cow"]) as s:
        s.set([0, 1, 2], ["cat", "dog", "cow"])
        s.rename_class("cat", "tiger")
        s.merge_classes("cow", "dog")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert read_label_file(path, 6)[0].tolist() == [0, 1, 1, -1, -1, -1]
    assert read_label_file(path, 6)[1][:2] == ["tiger", "dog"]
    assert read_label_file(path, 6, ["dog", "tiger"])[0].tolist() == [1, 0, 0, -1, -1, -1]  # in the order of the caller
    path.write_bytes(path.read_bytes() + b"5,tiger\n")
    assert read_label_file(path, 6)[0].tolist() == [0, 1, 1, -1, -1, 0]
    path.unlink()
    assert read_label_file(path, 6)[0].tolist() == [0, 1, 1, -1, -1, -1]
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        k: v for k, v in before.items() if k != "labels.csv"
    }


def test_labels_behind_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    with LabelStore(tmp_path / "real" / "labels.csv", 4, classes=["cat", "dog"]) as s:
        s.set(0, "dog")
        s.rename_class("dog", "wolf")
    (tmp_path / "here.csv").symlink_to(tmp_path / "real" / "labels.csv")
    assert read_label_file(tmp_path / "here.csv", 4)[1] == ["cat", "wolf"]


@pytest.mark.parametrize(
    "data, reason",
    [
        (table("0,3", "99,1"), "line 3.*99"),
        (table("0,3", "x,1"), "line 3.*'x'"),
        (table("0,1", "0,2"), "different labels"),
        (table("0,1.5", "1,2") + b"-4,1\n", "line"),
        (b"", "empty"),
        (table("1,2", head="a,b"), "header"),
    ],
)
def test_refusals_name_file_and_line(data, reason, tmp_path):
    (tmp_path / "my labels.csv").write_bytes(data)
    with pytest.raises(UsageError, match=reason) as e:
        read_label_file(tmp_path / "my labels.csv", 10)
    assert "my labels.csv" in str(e.value) and "/tmp/tmp" not in str(e.value).replace(str(tmp_path), "")


def test_names_that_are_written_in_another_way(tmp_path):
    "A folder name of macOS and the same name typed are one class, under the name that was given."
    given = [unicodedata.normalize("NFD", "Käfer"), "Moos"]
    (tmp_path / "l.csv").write_text("Serial,label\n0,Käfer\n1,Moos\n", encoding="utf-8")
    codes, names = read_label_file(tmp_path / "l.csv", 3, given)
    assert codes.tolist() == [0, 1, -1] and names == given


def test_files_and_labels_for_a_command(tmp_path):
    (tmp_path / "l.csv").write_text("filename,label\nb.png,cat\nsub/a.png,dog\n")
    codes, names = read_label_file(tmp_path / "l.csv", 3, names=["sub/a.png", "sub/b.png", "c.png"])
    assert codes.tolist() == [1, 0, -1] and names == ["cat", "dog"]
    with pytest.raises(UsageError, match="file names of the images are not known"):
        read_label_file(tmp_path / "l.csv", 3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize(
    "flag, command",
    [
        ("--labels", "ssvae-train"),
        ("--data", "ssvae-train"),
        ("--config", "ssvae-train"),
        ("--weights", "ssvae-infer"),
        ("--latent", "ssvae-view"),
        ("--labels", "ssvae-view"),
    ],
)
def test_pipes_are_refused_at_once(flag, command, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    done = subprocess.run(
        [os.path.join(os.path.dirname(sys.executable), command), flag, "pipe.csv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2 and "pipe.csv is no plain file" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_pipe_beside_the_labels(tmp_path):
    (tmp_path / "labels.csv").write_bytes(table("0,3"))
    os.mkfifo(tmp_path / "labels.csv.log.jsonl")
    with pytest.raises(UsageError, match="pipe"):
        read_label_file(tmp_path / "labels.csv", 4)


# ------------------------------------------------------------------ imports
@pytest.mark.parametrize("file", ["x.csv", "x.parquet", "x.jsonl", "x.json", "hf.csv", "hf.parquet", "hf.jsonl"])
@pytest.mark.parametrize("declared", [True, False])
def test_no_class_is_lost_on_the_way(file, declared, tmp_path):
    how = {"format": "hf"} if file.startswith("hf") else {}
    source = LabelStore(None, 40, classes=NASTY)
    for i, name in enumerate(NASTY):
        source.set([i], name)
    export_labels(source, tmp_path / file, **how)
    target = LabelStore(None, 40, classes=NASTY[::-1] if declared else ["scratch"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        import_labels(target, tmp_path / file, new_classes=not declared, **how)
    assert [target.classes[c] for c in target.codes[: len(NASTY)]] == NASTY and target.n_labeled == len(NASTY)


def test_what_is_dropped_is_told(tmp_path):
    (tmp_path / "x.csv").write_bytes(table("0,3.0", "1,nan", "2,-1", "3,nan", "4,7"))
    store = LabelStore(None, 6, classes=10)
    with pytest.warns(UserWarning, match=r"'nan' \(2 rows\), '-1' \(1 row\) were read as no label"):
        import_labels(store, tmp_path / "x.csv", new_classes=True)
    assert store.codes.tolist() == [3, -1, -1, -1, 7, -1]
    (tmp_path / "y.csv").write_bytes(table("0,cat", "1,none"))
    store = LabelStore(None, 6, classes=["cat"])
    with pytest.warns(UserWarning, match="'none'"):
        import_labels(store, tmp_path / "y.csv")
    assert store.codes.tolist() == [0, -1, -1, -1, -1, -1]
    import_labels(store, tmp_path / "y.csv", new_classes=True)
    assert store.classes == ["cat", "none"] and store.codes.tolist() == [0, 1, -1, -1, -1, -1]


@pytest.mark.parametrize(
    "head", ["image,label", "filename,label", "file,class", "Image;Label", "FILE_NAME\tlabel", "path,label,split"]
)
def test_by_file_name(head, tmp_path):
    mark = next(c for c in ";\t," if c in head)
    more = mark + "train" if "split" in head else ""
    (tmp_path / "l.csv").write_text(f"{head}\nimg2.png{mark}cat{more}\n.\\a\\img0.png{mark}dog{more}\n\n")
    store = LabelStore(None, 5, classes=["x"])
    import_labels(store, tmp_path / "l.csv", images=[f"a/img{i}.png" for i in range(5)], new_classes=True)
    assert [store.classes[c] if c >= 0 else None for c in store.codes] == ["dog", None, "cat", None, None]


@pytest.mark.parametrize(
    "images, reason",
    [
        (None, "pass images="),
        (["a/1.png", "b/1.png"], "several end in that name"),
        (["2.png", "3.png"], "no image '1.png'"),
    ],
)
def test_a_name_that_is_none(images, reason, tmp_path):
    (tmp_path / "l.csv").write_text("filename,label\n1.png,x\n")
    store = LabelStore(None, 2, classes=["x"])
    with pytest.raises(LabelFileError, match=f"row 1: .*{reason}"):
        import_labels(store, tmp_path / "l.csv", images=images)
    assert store.n_labeled == 0


def test_numbers_of_other_tools(tmp_path):
    (tmp_path / "x.jsonl").write_text(
        '{"id": 0, "label": 3}\n{"id": 1, "label": -1}\n{"id": 2, "label": null}\n{"id": 3, "label": NaN}\n'
    )
    store = LabelStore(None, 4, classes=5)
    import_labels(store, tmp_path / "x.jsonl")
    assert store.codes.tolist() == [3, -1, -1, -1]
    assert np.isnan(store.labels[1])


# ---- imports read what the app reads, and many new classes cost no more than one


def imported(tmp_path, text, classes=None, end=".csv", **kw):
    file = tmp_path / f"given{end}"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with LabelStore(None, 10, classes) as s:
        import_labels(s, file, **kw)
        return {int(r): s.classes[s.codes[r]] for r in np.flatnonzero(s.codes >= 0)}, s.classes


def test_a_comma_is_a_decimal_point_where_semicolons_separate(tmp_path):
    assert imported(tmp_path, "Serial;label\n0;3,0\n1;1\n", 4)[0] == {0: "3", 1: "1"}
    assert imported(tmp_path, "Serial;label\n0;3,0\n", ["3,0", "b"])[0] == {0: "3,0"}  # a class of that very name


def test_a_file_with_nothing_but_missing_values_brings_no_class(tmp_path):
    with pytest.warns(UserWarning, match="read as no label"):
        assert imported(tmp_path, "Serial,label\n0,nan\n1,None\n", new_classes=True) == ({}, [])


def test_thousands_of_new_classes_come_in_one_gesture(tmp_path):
    file = tmp_path / "given.csv"
    file.write_text("Serial,label\n0,9999\n")
    with LabelStore(None, 10) as s:
        import_labels(s, file, new_classes=True)
        assert s.n_classes == 10_000 and s.codes[0] == 9_999 and s.seq == 2
        file.write_text("Serial,label\n0,another\n")
        with pytest.raises(ValueError, match="10,001 classes; expected at most 10,000"):
            import_labels(s, file, new_classes=True)
    with LabelStore(None, 10) as s:
        file.write_text("Serial,label\n0,99999\n")
        with pytest.raises(ValueError, match="label 99999: a number stands for a class below 10,000"):
            import_labels(s, file, new_classes=True)
        assert s.n_classes == 0


def test_a_label_that_is_refused_invents_no_classes(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("Serial,label\n0,2\n1,20000\n")
    with pytest.warns(UserWarning, match="20000"), LabelStore(path, 10) as s:
        assert s.classes == ["0", "1", "2"] and s.codes[0] == 2 and s.codes[1] == -1


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("first", ["", "sep=;\n", '"sep=;"\n', "\n\n"])
def test_csv_by_name_in_every_dress(tmp_path, ends, first):
    text = (first + "filename;label\na.png;cat\nb.png;dog\n").replace("\n", ends)
    assert imported(tmp_path, text, new_classes=True, images=["b.png", "a.png"])[0] == {0: "dog", 1: "cat"}


def test_a_row_without_a_label_cell_and_a_name_that_cannot_be_are_said_with_the_file(tmp_path):
    with pytest.raises(ValueError, match="given.csv.*'b.png' has no cell for the label"):
        imported(tmp_path, "filename,label\na.png,cat\nb.png\n", new_classes=True, images=["a.png", "b.png"])
    with pytest.raises(ValueError, match="given.csv: class name .* has 600 characters.*Nothing was imported"):
        imported(tmp_path, f"Serial,label\n0,{'x' * 600}\n", new_classes=True)


def test_several_classes_are_added_all_or_none():
    with LabelStore(None, 10, ["a"]) as s:
        assert s.add_classes(["b", " c "]) == [1, 2] and s.classes == ["a", "b", "c"] and s.add_classes([]) == []
        for bad in (["d", "a"], ["d", "d"], ["d", ""], ["d", 5]):
            with pytest.raises(ValueError):
                s.add_classes(bad)
        assert s.classes == ["a", "b", "c"]
        assert repr(s.set(range(10), "a")) == "Gesture('set', 10 images, saved)"


@pytest.mark.parametrize(
    "row, why",
    [
        ({"id": 0, "label": 2.5}, "float"),
        ({"id": 0, "label": True}, "bool"),
        ({"id": 0, "label": ["a"]}, "list"),
        ({"id": True, "label": "a"}, "id True"),
        ({"id": "1_0", "label": "a"}, "1_0"),
        ({"id": 1e400, "label": "a"}, "inf"),
        ({"id": 0, "label": 1e400}, "inf"),
        ({"id": 0, "label": {}}, "dict"),
    ],
)
def test_import_does_not_guess(tmp_path, row, why):
    store = LabelStore(None, 20, classes=["a", "1", "2"])
    (tmp_path / "x.jsonl").write_text(json.dumps(row).replace("Infinity", "1e400"))
    with pytest.raises(LabelFileError, match=why):
        import_labels(store, tmp_path / "x.jsonl", new_classes=True)
    assert store.n_labeled == 0 and store.n_classes == 3


def test_imported_numbers_are_class_numbers(tmp_path):
    store = LabelStore(None, 20)
    (tmp_path / "x.jsonl").write_text('{"id":0,"label":7}\n{"id":1,"label":10}\n{"id":2,"label":2}\n')
    import_labels(store, tmp_path / "x.jsonl", new_classes=True)
    assert store.labels[:3].tolist() == [7, 10, 2]


def test_any_file_name_travels(tmp_path):
    store = LabelStore(None, 2, classes=["a"])
    store.set([0, 1], 0)
    names = [os.fsdecode(b"\xff.png"), "b\u2028c.png"]
    for end in (".jsonl", ".parquet", ".json"):
        export_labels(store, tmp_path / f"x{end}", images=names)
        other = LabelStore(None, 2, classes=["a"])
        import_labels(other, tmp_path / f"x{end}", images=names)
        assert other.codes.tolist() == [0, 0]


@pytest.mark.parametrize("classes", [2.0, "ab", b"ab", True, 0, 10_001, [], ["a", "a"], {"a": 1}, object()])
def test_classes_of_a_store_that_cannot_be(classes):
    with pytest.raises(ArgumentError, match="class"):
        LabelStore(None, 10, classes)


def test_names_that_begin_with_guards(tmp_path):
    store = LabelStore(None, 4, ["'q", "''q", "=x"])
    store.set(range(3), [0, 1, 2])
    export_labels(store, tmp_path / "out.csv")
    there = LabelStore(None, 4, store.classes)
    import_labels(there, tmp_path / "out.csv")
    assert there.codes.tolist() == [0, 1, 2, -1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
def test_the_columns_are_known_wherever_the_beginning_of_a_file_ends(encoding, tmp_path):
    "A command looks at the first 4 kB, which may end within a letter."
    letters, mark = "größe" if encoding == "cp1252" else "東京😀", "\ufeff" if encoding == "utf-16-be" else ""
    for column, by_files in (("filename", True), ("serial", False)):
        text = f"{mark}{column},label\n" + "".join(f"{letters}{k}.png,a\n" for k in range(99))
        assert {by_name(text.encode(encoding)[:end]) for end in range(200, 400)} == {by_files}
    names = [f"{'x' * (k == 0)}{letters}{k}.png" for k in range(500)]
    for _ in range(4 if encoding != "cp1252" else 0):
        names[0] = "x" + names[0]
        rows = "".join(f"{name},a\n" for name in names)
        (tmp_path / "t.csv").write_bytes(f"{mark}filename,label\n{rows}".encode(encoding))
        codes, classes = read_label_file(str(tmp_path / "t.csv"), 500, None, names)
        assert (codes == 0).all() and classes == ["a"]


@pytest.mark.parametrize("end", ["csv", "jsonl", "parquet"])
def test_several_columns_that_name_the_image(tmp_path, end):
    "Whichever is known here is taken, in any order; two that name two images are refused, and nothing is imported."
    names = ["a/1.png", "a/2.png", "b/3.png"]

    def take(rows):
        table, path = pd.DataFrame(rows), tmp_path / f"t.{end}"
        write = {"csv": "to_csv", "parquet": "to_parquet"}.get(end)
        getattr(table, write)(path, index=False) if write else table.to_json(path, orient="records", lines=True)
        with LabelStore(None, 3) as store:
            import_labels(store, path, images=names, new_classes=True)
            return named(store)

    for first, second in (("filename", "path"), ("path", "filename"), ("image", "file")):
        rows = [
            {first: "a/1.png", second: "/mnt/x/none.png", "label": "cat"},
            {first: "?", second: "3.png", "label": "dog"},
            {first: "a/2.png", second: "a/2.png", "label": "cat"},
        ]
        assert take(rows) == {0: "cat", 2: "dog", 1: "cat"}
        with pytest.raises(LabelFileError, match="row 1: two columns name two images, 'a/1.png' and 'b/3.png'"):
            take([{first: "a/1.png", second: "b/3.png", "label": "cat"}])


def test_what_was_dropped_is_said_also_beside_refused_lines(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("Serial,label\n0,cat\n1,none\n77,cat\n")
    with pytest.warns(UserWarning, match="1 line refused"), LabelStore(path, 5) as store:
        assert "'none' was read as no label" in store.message and "1 line refused" in store.message
