"""Sessions on images that can have several classes: what follows from an answer, saved and opened again, the other kind
of labels refused, and nothing of the sessions on single labels changed."""

import csv
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from ssvae_widgets import LabelingSession
from ssvae_widgets.assess.copies import Stack
from ssvae_widgets.assess.metrics import wilson_interval
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.session import label_sets
from ssvae_widgets.session.export import offers

pytestmark = pytest.mark.usefixtures("no_first_map")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 6)).astype(np.float32)
TRUTH = (X[:, :3] > [0, 0.4, 0.9]).astype(np.int8)
NAMES = ["right", "top", "far"]


def opened(labels=None, **kw):
    return LabelingSession(X, labels, **{"classes": NAMES, "multilabel": True, **kw})


def told(s, rows):
    for row in rows:
        s.answer_sets(int(row), np.flatnonzero(TRUTH[row]))
    assert s.wait(60)


def test_answers_make_probabilities_a_report_and_proposals(tmp_path):
    with opened(tmp_path / "labels.csv") as s:
        assert s.probs is None and s.why == "" and s.next().strategy in ("start", "audit")
        told(s, range(90))
        right = ((s.probs >= 0.5) == TRUTH)[90:]
        assert s.source == "sets" and right.mean() > 0.85 and "macro F1" in s.why
        report = s.sets_report
        assert report.n == 90 and [c.yes for c in report.classes] == TRUTH[:90].sum(0).tolist()
        low, high = wilson_interval(int(right.all(1).sum()), 150)  # of images that nobody answered
        assert report.exact_low < high and low < report.exact_high, "what was told agrees with it"
        seen = [s.next() for _ in range(10)]
        assert {item.serial for item in seen}.isdisjoint(range(90))
        assert {item.strategy for item in seen} == {"boundary", "audit"}
        assert s.counts.tolist() == TRUTH[:90].sum(0).tolist() and s.n_labeled == 90 and (s.codes == -1).all()


def test_each_press_is_one_undo(tmp_path):
    with opened(tmp_path / "labels.csv") as s:
        s.label([3, 4], "top")
        s.mark(3, "far")
        s.mark([3, 4], "top", on=None)  # all have it: away with it
        assert s.classes_of(3) == ["far"] and s.classes_of(4) == [] and s.classes_of(5) is None
        s.undo()
        assert s.classes_of(3) == ["top", "far"] and s.classes_of(4) == ["top"]
        s.clear(4)
        assert s.classes_of(4) is None
        [s.undo() for _ in range(3)]
        assert s.n_labeled == 0 and s.undo() is None and s.redo().serials.tolist() == [3, 4]
        s.flag(3, "exclude")
        assert s.data.n_labeled == 1 and s.n_labeled == 2


def test_classes_come_merge_and_go(tmp_path):
    with opened(tmp_path / "labels.csv") as s:
        told(s, range(60))
        s.add_class("new")
        s.mark(0, "new")
        assert s.wait(60) and s.probs.shape == (240, 4)
        assert (s.targets[1:, 3] == -1).all(), "who was not asked has not said no"
        s.merge_classes("far", "right")
        assert s.wait(60) and (s.probs[:, 2] == 0).all()
        assert s.targets[:60, 0].tolist() == (TRUTH[:60, 0] | TRUTH[:60, 2]).tolist()
        s.undo()
        s.delete_class("top")
        assert s.wait(60) and (s.probs[:, 1] == 0).all()
        s.undo()
        assert (s.targets[:60, :3] == TRUTH[:60]).all()


def test_the_log_says_of_which_kind_it_is(tmp_path):
    path = tmp_path / "labels.csv"
    with opened(path) as s:
        told(s, range(20))
        s.save(tmp_path / "project")
    with LabelingSession(X, path) as s:
        assert s.multilabel and s.wait(60) and s.source == "sets"
    with LabelingSession.open(tmp_path / "project") as s:
        assert s.multilabel and (s.targets[:20] == TRUTH[:20]).all()
    with pytest.raises(ArgumentError, match="These labels are sets"):
        LabelingSession(X, path, multilabel=False)
    with LabelingSession(X, path) as s:  # whoever was refused has left nothing locked
        assert s.n_labeled == 20
    table = (tmp_path / "labels.csv.sets.csv").read_text().splitlines()
    assert table[0] == "serial,labels,is right,is top,is far" and len(table) == 21
    cells = [line.split(",") for line in table[1:]]
    assert [[int(v) for v in c[2:]] for c in cells] == TRUTH[:20].tolist()
    assert [c[1] for c in cells] == [";".join(n for n, t in zip(NAMES, row) if t) for row in TRUTH[:20]]


def test_single_labels_become_sets_only_when_asked(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelingSession(X, path, classes=NAMES) as s:
        s.label([1, 2], "top")
        s.label(5, "far")
        assert not s.multilabel
        with pytest.raises(ArgumentError, match="multilabel=True"):
            s.mark(1, "top")
    with pytest.raises(ArgumentError, match="3 labels of one class.*multilabel='convert'"):
        LabelingSession(X, path, multilabel=True)
    with pytest.raises(ArgumentError, match="expected True, False, None or 'convert'"):
        LabelingSession(X, path, multilabel="yes")
    with LabelingSession(X, path, multilabel="convert") as s:
        assert s.classes_of(1) == ["top"] and s.classes_of(5) == ["far"] and s.n_labeled == 3
        s.mark(1, "far")
    with LabelingSession(X, path, multilabel="convert") as s:  # again: nothing is converted twice
        assert s.classes_of(1) == ["top", "far"]
        s.undo()
        s.undo()
        assert s.n_labeled == 0 and s.store.codes[[1, 2, 5]].tolist() == [1, 1, 2]


def test_accepted_answers_and_groups(tmp_path):
    plates = np.arange(240) // 8
    with opened(tmp_path / "labels.csv", groups=plates) as s:
        told(s, range(80))
        s.accept(range(100, 110))
        want = [[n for n, p in zip(NAMES, row) if p >= 0.5] for row in s.probs[100:110]]
        assert [s.classes_of(row) for row in range(100, 110)] == want
        assert s.wait(60) and s.sets_report.n == 80 and s.sets_report.groups
        assert "on new groups" in s.sets_report.message


def test_converted_labels_stay_whose_they_were_and_undo_makes_them_single_again(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelingSession(X, path, classes=NAMES, annotator="bot") as s:
        s.label(range(20), "top", source="agent")
        s.store.set(range(20, 40), "far", accepted=True)
        s.store.annotator = "eva"
        s.label(range(40, 45), "far")
    with LabelingSession(X, path, multilabel="convert", annotator="tom") as s:
        ask = s.store.answering
        assert ask.given("agent").tolist() == [*range(20)] and ask.given("accepted").tolist() == [*range(20, 40)]
        assert [*ask.last("annotator").values()] == ["bot"] * 40 + ["eva"] * 5
        assert s.wait(60) and s.sets_report.n == 5
        s.store.compact(keep=0)
        s.mark(25, "top")
        assert 25 in ask.given("accepted") and s.undo() is not None
    with LabelingSession(X, path) as s:
        assert s.multilabel and len(s.store.answering.given("accepted")) == 20
    path = tmp_path / "more.csv"
    with LabelingSession(X, path, classes=NAMES) as s:
        s.label([1, 2], "top")
    with LabelingSession(X, path, multilabel="convert") as s:
        s.undo()
        s.store.compact(keep=0)
    with LabelingSession(X, path) as s:
        assert not s.multilabel and s.n_labeled == 2


def test_conversion_of_nothing_opens(tmp_path):
    for row in range(5):
        Image.fromarray(np.full((8, 8), 40 * row, np.uint8)).save(tmp_path / f"{row}.png")
    with LabelingSession(tmp_path, tmp_path / "labels.csv", multilabel="convert", features=None) as s:
        assert s.n_labeled == 0 and s.classes == []
        s.add_class("new")
        with pytest.raises(ArgumentError, match="A table of 0 and 1 becomes that with"):
            s.answer_sets([1, 2], np.array([[1], [0]]))
        s.store.set([3], "new")
        assert s.wait(60) and "1 label of one class waits for an answer" in s.why


def test_answers_of_pictures_that_went_come_back_with_them(tmp_path):
    photos, path = tmp_path / "photos", tmp_path / "labels.csv"
    photos.mkdir()
    for row in range(12):
        Image.fromarray(RNG.integers(0, 256, (8, 8)).astype(np.uint8)).save(photos / f"p{row:02d}.png")
    with LabelingSession(photos, path, classes=["a", "b"], multilabel=True, annotator="eva", features=None) as s:
        s.answer_sets([3, 10], ["a", "b"])
        s.store.answering.answer([4], [], accepted=True)
        s.mark(5, "b", on=False)
    for row in (3, 4, 5):
        (photos / f"p{row:02d}.png").rename(tmp_path / f"p{row:02d}.png")
    with LabelingSession(photos, path, annotator="tom", features=None) as s:
        assert s.multilabel and s.n_labeled == 1 and "3 answers wait for theirs to come back" in s.store.message
        assert "0 labels and 1 answers were carried over" in s.store.message
    for row in (3, 4, 5):
        (tmp_path / f"p{row:02d}.png").rename(photos / f"p{row:02d}.png")
    for _ in range(2):
        with LabelingSession(photos, path, annotator="tom", features=None) as s:
            assert s.n_labeled == 4 and s.classes_of(3) == s.classes_of(10) == ["a", "b"]
            assert s.classes_of(4) == [] and s.targets[5].tolist() == [-1, 0]
            assert s.store.answering.given("accepted").tolist() == [4]
            assert {*s.store.answering.last("annotator").values()} == {"eva"}
            assert len(s.store.answering.history(3)) <= 2


def test_random_picks_judge_also_where_the_prediction_was_accepted():
    with opened() as s:
        ask, wrong = s.store.answering, range(0, 40, 4)
        for row in range(40):
            facts = {} if row in wrong else {"accepted": True}
            ask.answer([row], [np.flatnonzero(TRUTH[row])], strategy="audit", **facts)
        assert s.wait(60) and s.sets_report.n == 40 and s.sets_report.drawn
        ask.answer(range(40, 60), [np.flatnonzero(t) for t in TRUTH[40:60]], strategy="audit", agent=True)
        assert s.wait(60) and s.sets_report.n == 40


def test_copies_of_an_answered_picture_are_no_test_of_it():
    with opened() as s:
        s.data.same.replace([Stack(np.array([k, k + 1]), k, 0.0) for k in range(0, 120, 2)])
        units = s.sets.units()
        assert (units[:120:2] == units[1:120:2]).all() and len({*units}) == 180
        s.answer_sets(range(120), [np.flatnonzero(t) for t in np.repeat(TRUTH[:60], 2, 0)])
        assert s.wait(60) and s.sets_report.n == 60
        s.data.of_group = np.arange(240) // 3  # a stack across two groups joins them
        joined = s.sets.units()
        assert len({*joined[:6]}) == 1 and joined[6] != joined[0]


def test_training_draws_the_map_and_leaves_the_answers(tmp_path):
    with opened(tmp_path / "labels.csv") as s:
        told(s, range(40))
        before = s.probs.copy()
        s.train(1)
        assert s.wait(300) and s.training.total == 1 and s.source == "sets"
        np.testing.assert_array_equal(s.probs, before)


def test_other_programs_get_all_classes_of_a_picture(tmp_path):
    images = (np.random.default_rng(1).random((40, 8, 8)) * 255).astype(np.uint8)
    truth = (images.reshape(40, -1)[:, :2] > 128).astype(int)
    names = ["a", "b;c"]
    with LabelingSession(images, None, classes=names, multilabel=True, annotator="ann", features=None) as s:
        for row in range(20):
            s.answer_sets(row, np.flatnonzero(truth[row]))
        assert s.wait(60)
        folders = next(offer for offer in offers(s) if offer.name == "folders")
        assert folders.text.startswith(f"by_class: {truth[:20].any(1).sum()} labeled")
        s.export(tmp_path, ["labels", "predictions", "folders", "huggingface", "coco", "cvat", "label-studio"])
        with pytest.raises(ArgumentError, match="nothing is trained yet"):
            s.export(tmp_path, ["script"])
        s.export(tmp_path, ["card"])
        said = s.probs >= 0.5
    sets = [[n for n, t in zip(names, row) if t] for row in truth[:20]]
    with open(tmp_path / "labels.csv", newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [[int(r["is a"]), int(r["is b;c"])] for r in rows] == truth[:20].tolist()
    assert [r["labels"].replace("\\;", "/").split(";") if r["labels"] else [] for r in rows] == [
        [n.replace(";", "/") for n in some] for some in sets
    ]
    with open(tmp_path / "predictions.csv", newline="") as file:
        lines = [*csv.DictReader(file)]
        assert [r["answered"] for r in lines] == ["1"] * 20 + ["0"] * 20
        assert [r["prediction"] for r in lines] == [
            ";".join(n.replace(";", "\\;") for n, p in zip(names, row) if p) for row in said
        ]
    index = (tmp_path / "by_class" / "index.csv").read_text().splitlines()[1:]
    assert len(index) == truth[:20].sum(), "a picture lies in the folder of each of its classes"
    coco = json.loads((tmp_path / "coco.json").read_text())
    pairs = {(a["image_id"] - 1, names[a["category_id"] - 1]) for a in coco["annotations"]}
    assert pairs == {(row, n) for row, some in enumerate(sets) for n in some} and len(coco["images"]) == 40
    assert {a["annotator"] for a in coco["annotations"]} == {"ann"}
    tags = ElementTree.parse(tmp_path / "cvat.xml").findall("image")
    assert [[t.get("label") for t in image.findall("tag")] for image in tags] == sets
    tasks = json.loads((tmp_path / "label_studio.json").read_text())
    assert [t["annotations"][0]["result"][0]["value"]["choices"] for t in tasks[:20]] == sets
    table = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "huggingface.parquet")
    assert table["label"].to_pylist() == [[names.index(n) for n in some] for some in sets] + [None] * 20
    assert table["annotator"].to_pylist() == ["ann"] * 20 + [None] * 20


def test_of_very_many_answers_heads_speak_alone(monkeypatch):
    monkeypatch.setattr(label_sets, "MOST_AROUND", 30)
    rng = np.random.default_rng(0)
    points = rng.normal(size=(200, 6)).astype(np.float32)
    truth = points[:, :2] > 0
    with LabelingSession(points, classes=["a", "b"], multilabel=True) as s:
        s.answer_sets(range(30), [np.flatnonzero(row).tolist() for row in truth[:30]])
        assert s.wait(60) and s.sets.around and "graph and linear heads" in s.why
        s.answer_sets(range(30, 90), [np.flatnonzero(row).tolist() for row in truth[30:90]])
        assert s.wait(60) and not s.sets.around and "graph" not in s.why and "linear heads" in s.why
        right = ((s.probs >= 0.5) == truth)[90:].mean()
        assert right > 0.85 and s.sets_report.n == 90


def test_a_word_that_nobody_has_said_is_not_predicted():
    rng = np.random.default_rng(0)
    images = rng.random((60, 5, 5)).astype(np.float32)
    with LabelingSession(images, classes=["a", "b"], multilabel=True, features=None) as session:
        session.answer_sets(range(20), [[0, 1] if i % 4 else [0] for i in range(20)])
        assert session.wait(60)
        session.add_class("later")
        assert session.wait(60)
        assert session.probs[:, 0].min() > 0.5 and session.probs[:, 2].max() == 0
        session.accept([50])
        assert "later" not in session.classes_of(50)
