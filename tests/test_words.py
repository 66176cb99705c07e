"""The app where a picture can have several words, without a browser: what keys do, what the page is told, and what is
refused or asked first."""

import numpy as np
import pytest

from ssvae_widgets import LabelingSession, LatentLabeler
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.widgets.page import page_regions
from ssvae_widgets.widgets.words import first_word, pack_words

NAMES = ["right", "top", "far"]
X = np.random.default_rng(0).random((90, 6, 6)).astype(np.float32)
TRUTH = X[:, 0, :3] > [0.5, 0.6, 0.8]


@pytest.fixture(autouse=True)
def quiet(monkeypatch, no_first_map):
    "Sessions that make no model: these tests are about answers and views."
    monkeypatch.setattr(LabelingSession, "prepare", lambda self: None)


def opened(labels=None, **kw):
    return LatentLabeler(X, labels, **{"classes": NAMES, "multilabel": True, "features": None, **kw})


def told(app) -> dict[int, tuple]:
    "What the page knows: row -> words that are there, words that are not."
    words = app.map.layer.words
    rows, ids = (np.frombuffer(words[name], "<u4").tolist() for name in ("rows", "ids"))
    return {row: tuple(map(tuple, words["kinds"][k])) for row, k in zip(rows, ids)}


def settled(app):
    assert app.session.wait(60) and app.flush(60) and app.error == "", app.error


def test_keys_toggle_complete_and_deny_each_one_undo(tmp_path):
    app = opened(tmp_path / "labels.csv")
    s = app.session
    app.map.selected = [3]
    app.act({"type": "label", "label": 0})
    app.act({"type": "label", "label": 2})
    assert s.classes_of(3) == ["right", "far"] and app.selected.tolist() == [3], "a toggle stays on the picture"
    app.act({"type": "label", "label": 0})
    assert s.classes_of(3) == ["far"]
    app.map.selected = [3, 4, 5]
    app.act({"type": "label", "label": 2})
    assert [s.classes_of(row) for row in (3, 4, 5)] == [["far"]] * 3, "where some have it, it goes to the others"
    app.act({"type": "label", "label": 2})
    assert [s.classes_of(row) for row in (3, 4, 5)] == [[]] * 3
    app.act({"type": "label", "label": 1, "serials": [4, 5], "on": False})  # as a page says it: nothing to be done
    app.act({"type": "none", "serials": [7, 8]})
    assert s.classes_of(7) == [] and s.classes_of(9) is None
    settled(app)
    assert told(app)[7] == ((), (0, 1, 2)) and 9 not in told(app) and app.status.n_labeled == 5
    assert app.buttons.counts == [0, 0, 0] and app.map.labeled[[3, 7]].all() and not app.map.labeled[9]
    for left in (3, 3, 1):
        app.act({"type": "undo"})
        assert s.n_labeled == left
    assert s.classes_of(3) == ["far"]
    s.add_class("new")
    app.act({"type": "accept", "serials": [3]})
    assert s.targets[3].tolist() == [0, 0, 1, 0], "that is all: what nobody had spoken of is no"
    settled(app)
    app.close()
    lines = (tmp_path / "labels.csv.log.jsonl").read_text().splitlines()
    assert sum('"sets"' in line for line in lines) == 7, "a line for each gesture that said something"


def test_enter_accepts_what_was_on_show_and_goes_on():
    app = opened()
    s = app.session
    app.act({"type": "accept", "serials": [1]})
    assert "no predictions to accept yet" in app.status.message and s.n_labeled == 0
    app.status.error = ""
    s.answer_sets(range(40), [np.flatnonzero(t) for t in TRUTH[:40]])
    settled(app)
    app.act({"type": "next"})
    settled(app)
    first = s.current.serial
    assert app.selected.tolist() == [first] and app.preview.info["serial"] == first
    words = app.preview.info["words"]
    assert sorted(k for k, _ in words["probs"]) == [0, 1, 2]
    assert words["predicted"] == [k for k in range(3) if s.probs[first, k] >= 0.5]
    app.act({"type": "label", "label": 1, "serials": [first]})
    settled(app)
    assert s.current.serial == first
    app.act({"type": "accept", "serials": [first]})
    settled(app)
    second = s.current.serial
    assert second != first and s.store.answering.given("accepted").size == 0, "what a person said is no acceptance"
    app.act({"type": "accept", "serials": [second], "words": [0, 2], "gesture": 7, "move": 1})  # of a moment ago
    settled(app)
    assert s.classes_of(second) == ["right", "far"] and s.store.answering.given("accepted").tolist() == [second]
    assert s.current.serial not in (first, second)
    before = s.classes_of(0)
    app.act({"type": "accept", "serials": [0, 60, 61]})
    assert s.classes_of(0) == before and "prediction of 2 images accepted; 1 had an answer" in app.status.message
    assert "macro F1" in app.training.standing.message and "need" not in app.training.standing.message
    app.close()


def test_many_at_once_are_asked_about():
    app = opened()
    app.ask_above = 10
    app.map.selected = np.arange(30)
    settled(app)
    for intent, question in (
        ({"type": "label", "label": 1}, "Give top to 30 images?"),
        ({"type": "none"}, "Say of 30 images that they have none of these words?"),
        ({"type": "clear"}, "Remove the answers of 30 images?"),
    ):
        app.act(intent)
        assert app.sheet.question == question and app.session.n_labeled == 0
        app.act({"type": "cancel"})
    app.act({"type": "label", "label": 1})
    app.act({"type": "confirm", "asked": "Give top to 30 images?"})
    assert app.session.n_labeled == 30 and app.session.classes_of(29) == ["top"]
    app.act({"type": "label", "label": 1})
    assert app.sheet.question == "Take top from 30 images?"
    app.act({"type": "confirm"})
    app.session.add_class("later")  # of which nothing was said
    app.act({"type": "accept"})
    assert app.sheet.question == "Say of 30 images that this is all?" and app.session.targets[0, 3] == -1
    app.act({"type": "confirm"})
    assert (app.session.targets[:30, 3] == 0).all()
    assert app.session.classes_of(29) == []
    settled(app)
    app.close()


def test_each_word_has_a_coloring_and_a_point_the_color_of_its_first(tmp_path):
    app = opened(columns={"has far": np.arange(90.0)})
    s, map = app.session, app.map
    s.answer_sets(range(40), [np.flatnonzero(t) for t in TRUTH[:40]])
    settled(app)
    first = [next((k for k in range(3) if t[k]), -1) for t in TRUTH[:40]]
    assert map.columns["label"].values[:40].tolist() == first and (map.columns["label"].values[40:] == -1).all()
    assert map.columns["number of words"].values[:40].tolist() == TRUTH[:40].sum(1).tolist()
    assert map.columns["has far"].values[5] == 5, "somebody's own column stays"
    assert np.isnan(map.columns["has top"].values).all(), "made when somebody looks"
    map.color_by = "has top"
    values = map.columns["has top"].values
    assert values[:40].tolist() == TRUTH[:40, 1].tolist() and np.allclose(values[40:], s.probs[40:, 1])
    map.regions = True
    settled(app)
    assert "top has 0.5 and more on" in map.layer.areas["words"]
    told = page_regions(map)
    assert told["of"] == "has top" and told["words"] == map.layer.areas["words"], "the page has them too"
    s.rename_class("top", "roof")
    settled(app)
    assert "has roof" in map.columns and "has top" not in map.columns and map.color_by == "label"
    assert "one word at a time" in map.layer.areas["words"] and "codes" not in map.layer.areas
    s.reorder_classes(["far", "roof", "right"])
    settled(app)
    expected = first_word(TRUTH[:40], [2, 1, 0])
    assert map.columns["label"].values[:40].tolist() == expected.tolist()
    pale = map.layer.guess and np.frombuffer(map.layer.guess, "<u2")
    none = np.flatnonzero(~TRUTH[:40].any(1))
    assert none.size and (pale[none] == 65535).all(), "what has none of the words is not painted as a prediction"
    assert page_regions(map) is None, "of no one word"
    page = app.to_html(tmp_path / "map.html").read_text()
    assert '"none of these"' in page and '"has roof"' in page and '"unlabeled"' in page
    app.close()


def test_the_page_is_told_each_answer_once():
    targets = np.array([[1, 0, -1], [1, 0, -1], [-1, -1, -1], [0, 0, 0], [-1, -1, 1]], np.int8)
    packed = pack_words(targets, [1, 0])
    rows, ids = (np.frombuffer(packed[name], "<u4").tolist() for name in ("rows", "ids"))
    assert rows == [0, 1, 3], "the third word is not on show"
    assert [packed["kinds"][k] for k in ids] == [[[0], [1]], [[0], [1]], [[], [1, 0]]] and len(packed["kinds"]) == 2


def test_which_kind_it_is_stays_known(tmp_path):
    path = tmp_path / "labels.csv"
    with opened(tmp_path / "empty.csv").session as s:
        s.save(tmp_path / "project")
    again = LatentLabeler.open(tmp_path / "project")
    assert again.session.multilabel, "though nothing was answered"
    again.close()
    single = opened(path, multilabel=None)
    assert not single.session.multilabel and single.map.layer.words == {}
    single.act({"type": "none", "serials": [1]})
    assert "each picture has one class" in single.status.message
    single.act({"type": "label", "label": 2, "serials": [4]})
    single.close()
    with pytest.raises(ArgumentError, match="1 label of one class.*multilabel='convert'"):
        opened(path)
    old = opened(path, multilabel="convert")
    assert old.session.classes_of(4) == ["far"]
    new = LatentLabeler(X, path, features=None)  # the cell, run again
    assert new.session.multilabel and "replaced by a newer one" in old.status.message
    assert told(new) == {4: ((2,), (0, 1))}
    with pytest.raises(TypeError, match="multilabel"):
        LatentLabeler(session=new.session, multilabel=True)
    new.close()


def test_suspects_are_answers_that_the_others_speak_against():
    app = opened()
    s = app.session
    assert app.actions.strategies == ["auto", "suspects", "audit", "quality"]
    x = np.random.default_rng(1).normal(size=(90, 4)).astype(np.float32)
    plain = LabelingSession(x, None, classes=["right"], multilabel=True, features=None)
    plain.answer_sets(range(80), [[0] if row[0] > 0 else [] for row in x[:80]])
    wrong = int(x[:80, 0].argmax())
    plain.mark(wrong, "right", on=False)
    assert plain.wait(60)
    assert plain.suggest(3, "suspects")[0].serial == wrong
    plain.close()
    app.act({"type": "suspects"})
    settled(app)
    assert "No label looks wrong" in app.status.message and s.n_labeled == 0
    app.close()
