"""What is taken away: values read back by other means, names that people give, and what is in the way stays."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssvae_widgets import LabelingSession, LatentLabeler
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.session.export import as_file_name, kept_apart

pytestmark = pytest.mark.usefixtures("no_first_map")


@pytest.fixture
def files(tmp_path):
    "Twelve small photographs in two folders that share file names."
    rng = np.random.default_rng(0)
    for k in range(12):
        place = tmp_path / "photos" / "ab"[k % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (20, 24, 3), np.uint8)).save(place / f"{k // 2}.png")
    return sorted(map(str, (tmp_path / "photos").rglob("*.png")))


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_files_come_back_as_they_were(files, tmp_path):
    classes = ["red / white?", "CON", "con", "=1+1"]
    with LabelingSession(files, tmp_path / "labels.csv", classes=classes, features=None) as s:
        for row, code in enumerate([0, 1, 2, 3, 0, 0]):
            s.label(row, code)
        assert s.wait(60)
        written = s.export(tmp_path / "out")
        assert [w.name for w in written] == ["labels", "predictions", "folders", "project"], "there is no model yet"
        labels = rows_of(tmp_path / "out" / "labels.csv")
        assert [(r["id"], r["image"]) for r in labels] == [(str(k), s.names[k]) for k in range(6)]
        assert [r["label"] for r in labels] == ["red / white?", "CON", "con", "'=1+1", "red / white?", "red / white?"]
        told = rows_of(tmp_path / "out" / "predictions.csv")
        assert [r["prediction"].lstrip("'") for r in told] == [classes[k] for k in s.pred]
        assert np.allclose([float(r["p(CON)"]) for r in told], s.probs[:, 1], atol=6e-5)
        by_class = sorted(
            p.relative_to(tmp_path / "out/by_class").as_posix() for p in (tmp_path / "out").rglob("*.png")
        )
        assert by_class == [
            "=1+1/3.png",
            "_CON/1.png",
            "_con-2/2.png",
            "red _ white_/0.png",
            "red _ white_/4.png",
            "red _ white_/5.png",
        ]
        for row in range(6):
            want = Path(files[row]).read_bytes()
            assert want in [p.read_bytes() for p in (tmp_path / "out/by_class").rglob("*.png")]
        with LabelingSession.open(tmp_path / "out/project") as again:
            assert (again.codes == s.codes).all() and list(again.classes) == classes


def test_the_same_export_again_takes_the_place_of_the_former(files, tmp_path):
    with LabelingSession(files, None, classes=["a", "b"], features=None) as s:
        s.label([0, 1], 0)
        s.export(tmp_path / "out", ["folders", "labels"])
        s.label([0], 1)
        s.export(tmp_path / "out", "folders")
        told = rows_of(tmp_path / "out/by_class/index.csv")
        assert [(r["file"].split("/")[0], r["label"]) for r in told] == [("a", "a"), ("b", "b")]
        assert sorted(p.parent.name for p in (tmp_path / "out").rglob("*.png")) == ["a", "b"]
        assert sorted(os.listdir(tmp_path / "out")) == ["by_class", "export.json", "labels.csv"], "nothing is left over"
        assert json.loads((tmp_path / "out/export.json").read_text())["files"] == ["by_class", "labels.csv"]


def test_an_export_that_was_killed_is_taken_up_again(tmp_path, monkeypatch):
    "At whichever step it ends, the next one finds what is its own, and what somebody put there meanwhile stays."

    class Killed(BaseException):
        pass

    def export(most=None):
        steps, real, folder = [], os.replace, tmp_path / f"out-{most}"

        def replace(old, new):
            real(old, new)
            if folder in Path(new).parents:  # what else is written meanwhile is not its business
                steps.append(new)
                if len(steps) == most:
                    raise Killed

        monkeypatch.setattr(os, "replace", replace)
        try:
            s.export(folder, ["labels", "folders", "flags", "project"])
        except Killed:
            pass
        monkeypatch.setattr(os, "replace", real)
        return len(steps)

    images = np.random.default_rng(0).random((12, 4, 4)).astype(np.float32)
    with LabelingSession(images, tmp_path / "labels.csv", classes=["a", "b"]) as s:
        s.label(range(6), "a")
        s.flag([1], "star")
        begun = 0
        for step in range(1, export() + 1):
            export(step)
            out = tmp_path / f"out-{step}"
            note = out / "export.json"
            begun += note.exists() and "begun" in json.loads(note.read_text())
            assert len(s.export(out, ["labels", "folders", "flags", "project"])) == 4
            assert json.loads((out / "export.json").read_text())["files"] == [
                "by_class",
                "flags.csv",
                "labels.csv",
                "project",
            ]
        assert begun >= 3
        (tmp_path / "out-1" / "labels.csv").unlink()
        note = {"files": [], "begun": {"labels.csv": [1, 1], "flags.csv": 3}}
        (tmp_path / "out-1" / "export.json").write_text(json.dumps(note))
        (tmp_path / "out-1" / "labels.csv").write_text("mine")
        with pytest.raises(FileExistsError, match="not exported from here"):
            s.export(tmp_path / "out-1", ["labels"])


def test_what_lies_in_the_way_stays(files, tmp_path):
    with LabelingSession(files, tmp_path / "labels.csv", classes=["a", "b"], features=None) as s:
        s.label([0, 1], 0)
        before = sorted(os.listdir(tmp_path))
        with pytest.raises(FileExistsError, match="labels.csv that was not exported from here"):
            s.export(tmp_path)
        (tmp_path / "file").write_text("x")
        with pytest.raises(FileExistsError, match="is a file"):
            s.export(tmp_path / "file")
        for what, why in (("model", "nothing is trained yet"), (["labels", "all"], "expected some of labels")):
            with pytest.raises(ArgumentError, match=why):
                s.export(tmp_path / "new", what)
        assert sorted(os.listdir(tmp_path)) == sorted([*before, "file"])
        (tmp_path / "forged").mkdir()
        (tmp_path / "forged" / "export.json").write_text('{"files": ["../labels.csv", "labels.csv"]}')
        s.export(tmp_path / "forged", "labels")  # only names of an export are believed
        assert len(rows_of(tmp_path / "forged" / "labels.csv")) == 2


def test_a_folder_of_classes_that_somebody_changed_stays(files, tmp_path):
    with LabelingSession(files, None, classes=["a", "b"], features=None) as s:
        s.label([0, 1], 0)
        s.export(tmp_path / "out", "folders")
        one = next((tmp_path / "out/by_class").rglob("*.png"))
        (tmp_path / "out/by_class/b").mkdir()
        one.rename(tmp_path / "out/by_class/b" / one.name)  # sorted by hand
        with pytest.raises(FileExistsError, match="changed by hand"):
            s.export(tmp_path / "out", "folders")
        assert (tmp_path / "out/by_class/b" / one.name).exists()


def test_predictions_of_the_moment_a_class_is_new_or_gone(tmp_path):
    points = np.repeat(np.eye(3, 5, dtype=np.float32) * 9, 20, axis=0) + np.random.default_rng(0).random((60, 5))
    with LabelingSession(points, None, classes=["a", "b"]) as s:
        s.label(0, 0)
        s.label(20, 1)
        assert s.wait(60)
        s.jobs.close()  # no further answer: what is on show knows two classes
        s.store.add_class("c")
        told = rows_of(s.export(tmp_path / "out", "predictions")[0].path)
        assert set(told[0]) >= {"p(a)", "p(b)", "p(c)"} and told[0]["p(c)"] == "0.0"


def test_an_app_adds_its_page_and_its_names(tmp_path):
    names = [f"plate/{k}" for k in range(9)]
    app = LatentLabeler(np.random.default_rng(0).random((9, 5)), labels=None, classes=2, names=names)
    app.session.label(3, 1)
    written = app.export(tmp_path / "out", ["labels", "page"])
    assert [w.path.name for w in written] == ["labels.csv", "map.html"]
    assert rows_of(tmp_path / "out" / "labels.csv")[0]["image"] == "plate/3"
    with pytest.raises(ArgumentError, match="vectors, no pictures"):
        app.export(tmp_path / "out", "folders")
    app.close()


@pytest.mark.parametrize(
    "name", ["..", "a/b", "x\x00y", "nul", "COM1.txt", " ", "é" * 300, "漢" * 100, "a:b", "trailing."]
)
def test_every_name_becomes_one_of_a_file(name, tmp_path):
    got = as_file_name(name)
    (tmp_path / got).mkdir()
    assert os.listdir(tmp_path) == [got] and got not in ("nul", "con") and len(got.encode()) <= 201
    assert kept_apart([got, got.upper(), got])[0] == got and len({*kept_apart([got, got, got])}) == 3


def test_nothing_is_no_export(files, tmp_path):
    with LabelingSession(files, None) as s:
        with pytest.raises(ArgumentError, match="what is empty"):
            s.export(tmp_path / "out", [])
    assert not (tmp_path / "out").exists()


def test_excluded_pictures_are_in_no_folder_and_a_class_may_be_called_like_the_index(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (6, 8, 8), np.uint8)
    with LabelingSession(images, None, classes=["cat", "index.csv"]) as s:
        s.label([0, 1, 2], "cat")
        s.label([3, 4], "index.csv")
        s.flag([1, 4], "exclude")
        s.export(tmp_path / "out", ["folders"])
    place = tmp_path / "out" / "by_class"
    assert len(rows_of(place / "index.csv")) == 3
    assert sorted(p.parent.name for p in place.rglob("*.png")) == ["cat", "cat", "index-2.csv"]


def test_predictions_of_pictures_whose_names_are_no_text(tmp_path):
    with LabelingSession(np.eye(9, 4, dtype=np.float32), None, classes=["a", "b"], features=None) as session:
        session.label([0, 1], "a"), session.label([2], "b")
        assert session.wait(60)
        names = [os.fsdecode(b"%d\xff.png" % k) for k in range(9)]
        (written,) = session.export(tmp_path / "out", ["predictions"], names=names)
        assert written.path.read_text().splitlines()[3].startswith("2,2\\udcff.png,b,")
