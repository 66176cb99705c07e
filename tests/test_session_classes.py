"""The classes of a session: those of the log, of the caller and of what is known, in which order, and merged ones."""

import time

import numpy as np
import pytest
from sessions import CONFIG, IMAGES, NAMES, TRUTH, session, trained
from waiting import until

from ssvae_widgets import LabelingSession, LabelStore
from ssvae_widgets.assess.evidence import Exam
from ssvae_widgets.data.image_set import ImageSet
from ssvae_widgets.errors import ArgumentError

pytestmark = pytest.mark.usefixtures("no_first_map")


def test_classes_keep_the_order_of_the_log(tmp_path):
    path = tmp_path / "labels.csv"
    with session(path, classes=["dog", "cat"]) as s:
        s.label([1, 2], "cat")
    with pytest.raises(ValueError, match="in the order dog, cat; give classes= in this order"):
        session(path, classes=["cat", "dog"])
    with pytest.raises(ValueError, match="order dog, cat"):
        session(path, classes=["bird", "dog", "cat"])
    with session(path) as s:
        assert s.classes == ["dog", "cat"], "what the labels have, not ten digits"
    with session(path, truth=NAMES) as s:
        assert s.classes == ["dog", "cat"] and s.truth.tolist() == [("dog", "cat").index(n) for n in NAMES]
    with session(path, truth=[*NAMES[:-1], "bird"]) as s:
        assert s.classes == ["dog", "cat", "bird"]
    with session(path, classes=["dog", "cat", "bird"]) as s:
        assert s.classes[:2] == ["dog", "cat"] and s.codes[1] == 1
    with LabelStore(path, len(IMAGES), ["cat", "dog"]) as store, pytest.raises(ValueError, match="order dog, cat"):
        session(store)


def test_truth_in_the_codes_of_a_given_store():
    store = LabelStore(None, len(IMAGES), classes=["dog", "cat"])
    with session(store, truth=NAMES) as s:
        assert s.truth.tolist() == [("dog", "cat").index(n) for n in NAMES]
    with pytest.raises(ValueError, match="bird"):
        session(LabelStore(None, len(IMAGES), classes=["dog", "cat"]), truth=["bird", *NAMES[1:]])


@pytest.mark.parametrize("kind", ["fresh", "digits known", "three known"])
def test_numbers_get_ten_classes_unless_there_are_others(tmp_path, kind):
    if kind != "fresh":
        with session(tmp_path / "l.csv", **({} if kind == "digits known" else dict(classes=3))) as s:
            s.label(1, 2)
    with session(tmp_path / "l.csv") as s:
        assert s.n_classes == (3 if kind == "three known" else 10)
    with session(tmp_path / "l.csv", truth=TRUTH) as s:
        assert s.n_classes == 10 and (s.truth == TRUTH).all()


@pytest.mark.parametrize("multilabel", [None, True])
def test_a_merge_is_no_label_that_changed_something(multilabel, tmp_path):
    with session(tmp_path / "labels.csv", classes=["a", "b", "c"], multilabel=multilabel) as s:
        s.label(range(0, 30), "a")
        s.label(range(30, 60), "b")
        s.label(range(60, 90), "c")
        trained(s)
        s.merge_classes("a", "b")
        s.label([90, 91], "c")
        trained(s)
        assert s.changes.labels == 2
        s.undo()
        s.undo()  # the merge
        trained(s)
        assert s.changes.labels == 2
    with session(tmp_path / "labels.csv") as s:
        s.merge_classes("a", "b")
        trained(s)
        assert s.changes.labels == 0 and "label" not in s.changes.message.split(":")[0]


def test_merged_classes_count_as_what_they_became():
    with session(truth=TRUTH) as s:
        for k in range(40):
            s.label(k, int(TRUTH[k]))
        trained(s, 3)
        until(lambda: s.standing.epochs == 3 and s.standing.seq == s.seq)
        before = s.standing.truth
        s.store.merge_classes(8, 3)
        assert s.wait(300) and s.store.merged == {8: 3} and not (s.pred == 8).any()
        until(lambda: s.standing.seq == s.seq)
        assert s.standing.truth >= before - 0.05, "3 for an 8 is right now"
        trained(s)
        assert not (s.pred == 8).any() and np.allclose(s.probs.sum(1), 1, atol=1e-3)


def test_classes_in_another_order_are_refused_and_change_nothing(tmp_path):
    path = tmp_path / "labels.csv"
    with session(path, classes=["cat", "dog"]) as s:
        s.label([1], "cat"), s.label([2], "dog")
    before = {p: p.read_bytes() for p in (path, tmp_path / "labels.csv.log.jsonl")}
    for classes in (["dog", "cat"], ["dog"], ["dog", "cat", "cow"]):
        with pytest.raises(ArgumentError, match="in the order cat, dog.*; give classes= in this order"):
            session(path, classes=classes)
    assert {p: p.read_bytes() for p in before} == before
    with session(path, classes=["cat", "dog", "cow"]) as s:
        assert s.classes == ["cat", "dog", "cow"] and s.codes[[1, 2]].tolist() == [0, 1]


def test_classes_without_an_order_and_columns_of_ids_are_refused(tmp_path):
    for classes in ({"cat", "dog"}, frozenset({"cat", "dog"})):
        with pytest.raises(ArgumentError, match="a (frozen)?set of 2, which has no order; expected a list"):
            session(tmp_path / "l.csv", classes=classes)
    began = time.monotonic()
    for ids in (np.r_[TRUTH[:-1], 999_999], [f"id {k}" for k in range(len(TRUTH))]):
        if isinstance(ids, list):
            with session(None, truth=ids) as s:
                assert s.n_classes == len(TRUTH)
        else:
            with pytest.raises(
                ArgumentError,
                match="truth holds the class 999999, which makes 1,000,000 of them; expected at most 10,000",
            ):
                session(tmp_path / "l.csv", truth=ids)
    assert time.monotonic() - began < 10 and not (tmp_path / "l.csv").exists()
    with session(None, truth=np.r_[TRUTH[:-1], 9_999]) as s:
        assert s.n_classes == 10_000


POINTS = np.repeat(np.eye(3, 5, dtype=np.float32) * 9, 20, axis=0) + np.random.default_rng(0).random((60, 5))


def test_no_answer_is_of_a_class_that_is_gone():
    with LabelingSession(POINTS, None, classes=["cat", "dog", "eel"]) as s:
        s.label(0, 0)
        s.label(20, 1)
        s.label(40, 2)
        assert s.wait(60) and (s.pred[:20] == 0).all()
        s.activity.update(phase="training")  # no new answer comes while it trains
        s.delete_class("cat")
        until(lambda: not (s.pred == 0).any())
        s.accept([5])
        assert s.codes[5] in (1, 2) and list(s.class_order) == [1, 2]
        s.activity.update(phase="idle")
        s.delete_class("dog")  # one class alone says nothing
        until(lambda: s.probs is None)
        with pytest.raises(ArgumentError):
            s.accept([5])
        s.delete_class("eel")
        s.add_class("cow"), s.add_class("hen")
        assert s.wait(60) and s.probs is None, "nobody has said anything of a cow or a hen"


def test_answers_of_a_class_that_is_gone_count_neither_as_right_nor_as_wrong():
    with LabelingSession(POINTS, None, classes=["cat", "dog", "eel"]) as s:
        s.label(range(20, 40), "dog")
        s.label([50, 51], "eel")
        assert s.wait(60)
        rows = range(20, 40)
        s.evidence.examination.exams = {  # before a cat: half of the dogs right; without cats: all
            row: Exam(0, dict(graph=1, linear=0, network=row % 2), (0.6, 0.4, 0.0) if row % 2 else (0.1, 0.9, 0.0))
            for row in rows
        }
        s.evidence.blind = {row: (22, dict(graph=row % 2, linear=2)) for row in rows}
        s.evidence.audits = {row: row % 2 for row in rows}
        half = s.evidence.judge(s.codes)[0]
        assert half["network"].accuracy == half["graph"].accuracy == 0.5 and half["linear"].accuracy == 0
        s.delete_class("cat")
        assert s.wait(60)
        now, pairs = s.evidence.judge(s.codes)
        assert now["network"].accuracy == 1 and now["network"].n == 20
        assert now["graph"].accuracy == 1 and now["graph"].n == 10, "the ten that said dog"
        assert len(pairs["graph", "network"][0]) == 20
        until(lambda: s.standing.seq == s.seq)
        assert s.standing.asked == 10


def test_classes_without_a_label_are_doubted_through_landmarks():
    with LabelingSession(POINTS, None, classes=3) as s:
        s.predictions.graphs.large, s.predictions.graphs.n_landmarks = 30, 20
        s.label(0, 0)
        s.label(20, 1)
        assert s.wait(60)
        s.predictions.ask("linear")  # before any graph has been asked in this space
        assert len(s.predictions.nearness) == 60


def test_a_label_of_a_merged_class_brings_no_deleted_one_back():
    with session(classes=["cat", "dog", "eel"]) as s:
        s.merge_classes("cat", "dog"), s.delete_class("dog")
        before = s.seq
        for call in (lambda: s.label([3], "cat"), lambda: s.label([3], 0), lambda: s.accept([3], said=0)):
            with pytest.raises(ArgumentError, match="The class .dog. was deleted; bring it back"):
                call()
        assert s.seq == before and s.class_order == [2]
        s.undo(), s.label([3], "cat")
        assert s.codes[3] == 1


def test_a_model_that_began_without_classes_hears_the_name_of_the_only_one(tmp_path):
    files = ImageSet(IMAGES, names=[f"{k}.png" for k in range(len(IMAGES))])
    with LabelingSession(files, None, config=CONFIG) as s:
        s.prepare()
        assert s.wait(300) and s.model.class_names is None
        s.add_class("cat")
        assert s.wait(300) and s.model.class_names == ["cat"]
        s.rename_class("cat", "kitten")
        assert s.wait(300) and s.model.class_names == ["kitten"]
        trained(s, 1)
        assert s.replay().class_names == ["kitten"], "the name is in the record"
        s.add_class("dog")
        assert s.wait(300) and s.model.class_names == ["kitten", "dog"]


def opened(path, truth=NAMES, **kw):
    "Classes in use, and the truth as names of now."
    with session(path, truth=truth, **kw) as s:
        return (
            [s.classes[k] for k in s.class_order],
            [None if k < 0 else s.classes[k] for k in s.truth],
            s.codes.tolist(),
        )


def test_truth_by_names_stays_with_its_classes_whatever_they_are_called(tmp_path):
    path, now = tmp_path / "labels.csv", {"cat": "cat", "dog": "dog"}
    with session(path, truth=NAMES) as s:
        first = s.truth.tolist()
        s.label([1], "cat")
    for change, names in (
        (lambda s: s.rename_class("cat", "kitten"), {"cat": "kitten"}),
        (lambda s: s.rename_class("kitten", "felid"), {"cat": "felid"}),
        (lambda s: s.add_class("cat"), {}),
        (lambda s: (s.rename_class("cat", "dog 2"), s.rename_class("dog", "cat")), {"dog": "cat"}),
        (lambda s: s.rename_class("dog 2", "dog"), {}),
        (lambda s: (s.rename_class("felid", "1"), s.rename_class("cat", "2"), s.rename_class("dog", "3")), None),
    ):
        with session(path, truth=NAMES) as s:
            change(s)
            classes = s.classes
        now = {"cat": "1", "dog": "2"} if names is None else now | names
        in_use, truth, codes = opened(path)
        assert in_use == classes and truth == [now[n] for n in NAMES] and codes[1] == first[NAMES.index("cat")]
    assert opened(path, truth=[*NAMES[:-1], "bird"])[1][-1] == "bird"


def test_folders_named_as_classes_were_stay_what_they_are(tmp_path):
    files = ImageSet(IMAGES, names=[f"{k}.png" for k in range(len(IMAGES))], truth=NAMES)
    path = tmp_path / "labels.csv"
    with LabelingSession(files, path, config=CONFIG) as s:
        first = s.truth.tolist()
        s.rename_class("cat", "kitten"), s.add_class("cat")
        s.label([5], "cat"), s.delete_class("dog")
    with LabelingSession(files, path, config=CONFIG) as s:
        assert s.truth.tolist() == first and [s.classes[k] for k in s.class_order] == ["kitten", "cat"]
        assert s.codes[5] == 2 and s.store.in_order


def test_truth_by_names_beside_a_list_of_classes_means_the_classes_of_the_list(tmp_path):
    path = tmp_path / "labels.csv"
    with session(path, classes=["dog", "cat"], truth=NAMES) as s:
        first = s.truth.tolist()
        s.rename_class("cat", "felid"), s.add_class("cat")
    for classes, code in ((["dog", "cat"], 1), (["dog", "felid", "cat"], 2)):
        with session(path, classes=classes, truth=NAMES) as s:
            assert s.truth.tolist() == [code if k == 1 else 0 for k in first]
    with LabelStore(path, len(IMAGES)) as store:
        with session(store, truth=NAMES) as s:
            assert s.truth.tolist() == first
        with pytest.raises(ArgumentError, match="bird"):
            session(store, truth=["bird", *NAMES[1:]])
    with session(path, truth=TRUTH % 2) as s:
        assert s.truth.tolist() == (TRUTH % 2).tolist(), "numbers are codes"
