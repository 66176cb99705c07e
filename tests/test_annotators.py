"""Who said it: names in every line and export, agreement against scikit-learn and a published table, disputes, a vote,
asking again."""

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from ssvae_widgets import LabelingSession, LabelStore, LatentLabeler, load_digits
from ssvae_widgets.assess.agreement import agreement, cohen_kappa, consensus, fleiss_kappa, votes_of
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.labels.beside import log_beside
from ssvae_widgets.labels.history import History
from ssvae_widgets.widgets.beside import beside_message

pytestmark = pytest.mark.usefixtures("no_first_map")


@pytest.mark.parametrize("seed", range(5))
def test_cohen_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-1, 4, 60), rng.integers(-1, 4, 60)
    b[:30] = a[:30]
    both = (a >= 0) & (b >= 0)
    assert cohen_kappa(a, b) == pytest.approx(cohen_kappa_score(a[both], b[both]))
    found = agreement({"a": a, "b": b}, 4)
    n, alike, kappa = found.pairs["a", "b"]
    assert (n, alike) == (both.sum(), pytest.approx((a == b)[both].mean())) and kappa == cohen_kappa(a, b)


def test_fleiss_of_everybody_on_everything_by_the_definition():
    "P̄ as the share of pairs of people who say the same, one by one."
    rng = np.random.default_rng(0)
    said = {k: rng.integers(0, 3, 25) for k in "abcd"}
    votes = votes_of(said, 3)
    people = list(said.values())
    pairs = [(x == y) for i, x in enumerate(people) for y in people[i + 1 :]]
    seen, share = np.mean(pairs), np.bincount(np.concatenate(people), minlength=3) / 100
    assert fleiss_kappa(votes) == pytest.approx((seen - (share**2).sum()) / (1 - (share**2).sum()))
    some = {k: np.where(rng.random(25) < 0.4, -1, codes) for k, codes in said.items()}
    each = []
    for row in range(25):
        here = [codes[row] for codes in some.values() if codes[row] >= 0]
        if len(here) > 1:
            each.append(np.mean([x == y for i, x in enumerate(here) for y in here[i + 1 :]]))
    counted = votes_of(some, 3)[votes_of(some, 3).sum(1) > 1]
    share = counted.sum(0) / counted.sum()
    got = fleiss_kappa(votes_of(some, 3))
    assert got == pytest.approx((np.mean(each) - (share**2).sum()) / (1 - (share**2).sum()))


def test_a_vote_by_counting():
    rng = np.random.default_rng(1)
    said = {k: rng.integers(-1, 3, 200) for k in "abcde"}
    codes, share = consensus(said, 3, least=3)
    for row in range(200):
        here = [int(c[row]) for c in said.values() if c[row] >= 0]
        counts = sorted(((here.count(k), k) for k in set(here)), reverse=True)
        clear = len(here) >= 3 and (len(counts) == 1 or counts[0][0] > counts[1][0])
        assert codes[row] == (counts[0][1] if clear else -1)
        assert not clear or share[row] == counts[0][0] / len(here)


def test_the_last_word_of_each_person_survives_the_others(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 6, classes=["cat", "dog", "owl"]) as s:
        s.set(0, "owl")
        s.annotator = "ann"
        s.set([0, 1, 2], "cat")
        s.set(2, "owl")
        for gesture in (
            lambda: s.set(3, "owl"),
            s.undo,
            lambda: s.flag(4, "star"),
            lambda: setattr(s, "annotator", "bob"),
            lambda: s.set([1, 2], "dog"),
            lambda: s.clear(2),
            lambda: s.merge_classes("owl", "dog"),
            s.undo,
            s.redo,
            lambda: s.compact(keep=2),
        ):
            gesture()
            anew = History(s.log).said_by()
            assert {who: codes.tolist() for who, codes in s.said_by().items()} == {
                who: codes.tolist() for who, codes in anew.items()
            }, "what was heard so far goes on"
    with LabelStore(path, 6) as s:
        said = {who: codes.tolist() for who, codes in s.said_by().items()}
        assert said == {"": [1, -1, -1, -1, -1, -1], "ann": [0, 0, 1, -1, -1, -1], "bob": [-1, 1, -1, -1, -1, -1]}
        assert s.annotator is None and [h.get("annotator") for h in s.history(0)] == [None, "ann"]
    lines = [json.loads(line) for line in log_beside(path).read_bytes().splitlines()]
    assert [r["annotator"] for r in lines if r["op"] == "merge"] == ["bob"]


@pytest.fixture(scope="module")
def digits():
    images, truth = load_digits(binarize=False)
    return images[:300], truth[:300]


def test_two_people_on_one_data_set(digits, tmp_path):
    images, truth = digits
    path = tmp_path / "labels.csv"
    with LabelingSession(images, path, features=None, annotator="ann") as s:
        for row in range(20):
            s.label(row, int(truth[row]))
        s.annotator = "bob"
        s.strategy = "again"
        asked = []
        for _ in range(8):
            item = s.next()
            assert item.strategy == "again" and "label" not in item.reason.split("somebody")[0]
            asked.append(item.serial)
            wrong = len(asked) <= 2
            s.label(item.serial, int((truth[item.serial] + wrong) % 10))
        assert len(set(asked)) == 8 and max(asked) < 20
        found = s.agreement()
        assert found.counts == {"ann": 20, "bob": 8} and found.pairs["ann", "bob"][:2] == (8, 0.75)
        assert {item.serial for item in s.disputes()} == set(asked[:2])
        s.strategy = "disputes"
        first = s.next()
        assert first.serial in asked[:2] and first.reason.startswith(f"ann: {truth[first.serial]}, bob: ")
        s.annotator = "kim"
        s.label(asked[0], int(truth[asked[0]]))
        s.annotator = "bob"
        s.label(asked[0], int(truth[asked[0]] + 1) % 10)  # again: his last word counts, once
        assert s.settle().serials.tolist() == [asked[0]] and s.codes[asked[0]] == truth[asked[0]]
        assert s.store.history(asked[0])[-1]["source"] == "vote" and s.settle() is None
        s.undo()
        assert s.codes[asked[0]] != truth[asked[0]], "one gesture, one undo"
        told = s.export(tmp_path / "out", ["card", "coco", "label-studio"])
        card = told[0].path.read_text()
        assert "| ann | 20 |" in card and "| bob | 8 |" in card and "people differ on 2 of 8 images" in card
        coco = {a["image_id"] - 1: a["annotator"] for a in json.loads(told[1].path.read_text())["annotations"]}
        assert coco == {row: "bob" if row in asked else "ann" for row in range(20)}
        tasks = json.loads(told[2].path.read_text())
        assert [t["data"].get("annotator") for t in tasks[:20]] == [coco[row] for row in range(20)]
    with LabelingSession(images, path, features=None) as again:
        assert again.annotator is None and again.agreement().counts == {"ann": 20, "bob": 8, "kim": 1}


def test_programs_are_no_people(digits):
    "No vote, no dispute, no agreement; what a person of the same name said stays said."
    with LabelingSession(digits[0], classes=["a", "b"], features=None) as s:
        for who in ("m1", "m2"):
            s.annotator = who
            s.label([0, 1], "b", source="agent")
        s.annotator = "eva"
        s.label([0, 2], "a")
        s.label([2], "b", source="agent")
        assert {who: np.flatnonzero(codes >= 0).tolist() for who, codes in s.said_by().items()} == {"eva": [0, 2]}
        assert not len(s.agreement().disputed) and s.settle() is None and s.settle(least=1).serials.tolist() == [2]
        s.annotator = "tom"
        assert {item.serial for item in s.annotators.to_ask_again()} == {0, 2}, "1 is no person's"


def test_a_vote_goes_for_the_copies_too(digits):
    images = digits[0][:40].copy()
    images[[10, 20, 30]] = images[0]
    with LabelingSession(images, classes=["a", "b"], features=None, annotator="eva") as s:
        s.duplicates.find(near=False)
        s.duplicates.cover = True
        s.label(0, "a")
        assert s.codes[[0, 10, 20, 30]].tolist() == [0] * 4
        s.duplicates.cover = False
        for who in ("tom", "zoe", "eva"):
            s.annotator = who
            s.label(0, "a" if who == "eva" else "b")
        s.duplicates.cover = True
        assert len(s.annotators.to_ask_again()) == 0
        s.settle()
        assert s.codes[[0, 10, 20, 30]].tolist() == [1] * 4
        assert s.store.history(20)[-1]["share"] == pytest.approx(2 / 3, abs=1e-4)
        s.undo()
        assert s.codes[[0, 10, 20, 30]].tolist() == [0] * 4, "one gesture, one undo"


@pytest.mark.parametrize("name", ["", "  ", "a\nb\x00", "x" * 81, 7, b"ann"])
def test_names_of_people_are_text(name, digits):
    with pytest.raises(ArgumentError, match="annotator is .*; expected a name of 1 to 80 characters"):
        LabelingSession(digits[0], annotator=name)
    store = LabelStore(None, 3)
    with pytest.raises(ArgumentError, match="annotator"):
        store.annotator = name


def test_an_app_passes_the_name_on(tmp_path):
    app = LatentLabeler(np.random.default_rng(0).random((9, 5)), labels=None, classes=2, annotator="<b>ann</b>")
    app.session.label(3, 1)
    assert app.session.store.history(3)[0]["annotator"] == "<b>ann</b>"
    assert "<b>" not in app.export(tmp_path / "out", "card")[0].path.read_text()
    table = app.session.export(tmp_path / "out", "labels")[0].path
    assert next(csv.DictReader(table.read_text().splitlines()))["label"] == "1"
    app.close()


def shown_of(app, row):
    "Everything that the page is told of one picture: map, sheet, preview and card."
    app.map.selected = [row, row + 1]
    assert app.flush(20)
    sheet = [np.frombuffer(raw, "<i4")[app.sheet.rows == row][0] for raw in (app.sheet.codes, app.sheet.guesses)]
    app.map.selected = [row]
    assert app.flush(20)
    info = app.preview.info
    told = [info["label"], info["prediction"], len(info["probs"]), len(info["history"])]
    pred = app.map.columns["prediction"].values[row]
    return [int(app.map.columns["label"].values[row]), int(pred), *map(int, sheet), *told, app.buttons.active]


def test_who_is_asked_again_does_not_see_the_answer(digits):
    images, truth = digits
    app = LatentLabeler(images, labels=None, features=None, annotator="ann", classes=10)
    for row in range(20):
        app.session.label(row, int(truth[row]))
    assert app.session.wait(60) and {"again", "disputes"} <= {*app.actions.strategies}
    seen = shown_of(app, 4)
    assert truth[4] in seen and seen[0] == truth[4]
    app.session.annotator = "bob"
    app.commands.do({"type": "strategy", "strategy": "again"})
    assert app.proposals.wait(20) and app.flush(20)
    assert shown_of(app, 4) == [-1, -1, -1, -1, -1, -1, 0, 0, -1]
    app.commands.do({"type": "accept", "serials": [4]})
    assert "say what you see" in app.status.message and app.session.codes[4] == truth[4]
    app.commands.do({"type": "label", "serials": [4], "label": 1})
    assert app.session.wait(60) and shown_of(app, 4)[0] == 1, "what he said himself he sees"
    app.commands.do({"type": "label", "serials": [5], "label": int(truth[5])})
    assert app.session.wait(60) and app.session.pred[5] >= 0
    assert shown_of(app, 5)[:2] == [truth[5], app.session.pred[5]], "and the prediction, which is the old one"
    app.commands.do({"type": "strategy", "strategy": "auto"})
    assert shown_of(app, 6)[0] == truth[6]
    app.close()


def test_an_earlier_round_hides_what_is_asked_again():
    x = np.random.default_rng(0).normal(size=(40, 4)) + 8 * (np.arange(40)[:, None] % 2)
    app = LatentLabeler(x, labels=None, features=None, annotator="ann", classes=2)
    s = app.session
    for row in range(6):
        s.label(row, row % 2)
    assert s.wait(60)
    s.snapshot()

    def told():
        message, block = beside_message(s, 0)
        part = {p["name"]: block[p["at"] : p["at"] + p["bytes"]] for p in message["parts"]}
        beside = [np.frombuffer(part[name], "<u2").reshape(2, 40)[:, :6] for name in ("pred", "labels")]
        return app.map.columns["prediction"].values[:6], np.stack(beside)

    app.commands.do({"type": "snapshot", "frame": 0})
    seen, beside = told()
    assert (seen == s.pred[:6]).all() and (seen >= 0).all() and (beside < 65535).all()
    s.annotator = "bob"
    app.commands.do({"type": "strategy", "strategy": "again"})
    assert app.flush(20) and app.presenter.timeline.looking_at is None
    app.commands.do({"type": "snapshot", "frame": 0})
    seen, beside = told()
    assert app.presenter.timeline.looking_at == 0 and (seen == -1).all() and (beside == 65535).all()
    assert (app.map.columns["prediction"].values[6:] >= 0).all(), "and nothing else"
    app.close()


def test_who_is_asked_again_for_words_begins_with_none():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 6, 6)).astype(np.uint8)
    app = LatentLabeler(images, labels=None, features=None, annotator="ann", classes=["a", "b"], multilabel=True)
    s = app.session
    s.answer_sets(range(10), ["a"])
    s.annotator, s.strategy = "bob", "again"

    def words():
        app.flush(20)
        told = app.map.layer.words
        rows, ids = (np.frombuffer(told[k], "<u4").tolist() for k in ("rows", "ids"))
        return {row: told["kinds"][k][0] for row, k in zip(rows, ids)}

    app.commands.do({"type": "label", "serials": [3], "label": 1})
    assert words() == {3: [1]} and s.classes_of(3) == ["a", "b"], "his own word and nothing else"
    app.commands.do({"type": "accept", "serials": [3]})  # that is all
    assert words() == {3: [1]} and s.classes_of(3) == ["b"]
    app.commands.do({"type": "label", "serials": [4], "label": 0})
    app.commands.do({"type": "accept", "serials": [4]})
    assert s.agreement().pairs["ann", "bob"][:2] == (2, 0.5) and s.agreement().counts["bob"] == 2
    s.strategy = "auto"
    app.presenter.queue.ask("labels")
    assert len(words()) == 10
    app.close()
