"""Several people answer images that can have several classes: each is heard alone, by a simulation of the words;
kappas by scikit-learn; disputes, the vote and asking again in a session."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from ssvae_widgets import LabelingSession, LabelStore
from ssvae_widgets.assess.set_agreement import set_agreement, set_consensus
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.labels.voices import answered_by_people, set_voices
from ssvae_widgets.session.agent import AgentDoor
from ssvae_widgets.widgets.words import told_codes, told_targets

NAMES = ["cat", "dog", "owl"]


@pytest.mark.parametrize("seed", range(3))
def test_everybody_is_heard_alone(seed, tmp_path):
    "A simulation with dictionaries: what a gesture says, and what it turns from unknown into no, is its speaker's."
    rng, path = np.random.default_rng(seed), tmp_path / "labels.csv"
    done = []  # gestures that count: who, kind, rows, what, fact

    def simulated():
        state, said, people = {}, {}, set()
        for who, kind, rows, what, fact in done:
            for row in rows:
                if kind == "answer":
                    cells = {k: int(k in what) for k in range(3)}
                elif kind == "clear":
                    cells = dict.fromkeys(range(3), -1)
                else:
                    k, on, begins = what
                    fresh = all(state.get((row, j), -1) < 0 for j in range(3))
                    cells = (dict.fromkeys(range(3), 0) if begins and fresh else {}) | {k: int(on)}
                if kind != "mark":
                    people.discard(row)
                if kind != "clear" and fact != "agent":
                    people.add(row)
                for k, value in cells.items():
                    state[row, k] = value
                    if fact != "agent":
                        said.setdefault(who, {})[row, k] = -1 if fact == "accepted" else value
        return state, said, people

    store = LabelStore(path, 8, classes=NAMES)
    for step in range(40):
        if step % 3:
            set_voices(store.past)  # what was heard so far goes on
        who, rows = str(rng.choice(["ann", "bob"])), sorted({*rng.integers(0, 8, rng.integers(1, 4)).tolist()})
        store.annotator, ask, before = who, store.answering, store.seq
        fact = str(rng.choice(["", "", "", "accepted", "agent"]))
        told = {fact: True} if fact else {}
        kind = str(rng.choice(["answer", "mark", "clear", "undo", "compact"], p=[0.4, 0.35, 0.1, 0.1, 0.05]))
        if kind == "answer":
            what = sorted({*rng.integers(0, 3, rng.integers(0, 3)).tolist()})
            gesture = ask.answer(rows, what, **told)
        elif kind == "mark":
            what = int(rng.integers(3)), bool(rng.integers(2))
            what = (*what, what[1] or bool(ask.answered[rows].all()))
            gesture = ask.mark(rows, *what[:2], **told)
        elif kind == "clear":
            what, fact, gesture = None, "", ask.clear(rows)
        elif kind == "undo":
            if done:
                store.undo(), done.pop()
        else:
            store.compact(keep=2)
        if kind in ("answer", "mark", "clear") and store.seq > before:
            done.append((who, kind, gesture.serials.tolist(), what, fact))
    state, said, people = simulated()
    people = {row for row in people if any(state.get((row, k), -1) >= 0 for k in range(3))}
    for row in range(8):
        for k in range(3):
            assert store.answering.targets[row, k] == state.get((row, k), -1)
    heard = set_voices(store.past)
    for who in ("ann", "bob"):
        want = np.array([[said.get(who, {}).get((row, k), -1) for k in range(3)] for row in range(8)])
        assert (heard.get(who, np.full((8, 3), -1)) == want).all(), who
    assert answered_by_people(store.past) == people
    store.close()


@pytest.mark.parametrize("seed", range(4))
def test_each_class_has_the_kappa_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-1, 2, (2, 80, 3))
    b[:50] = a[:50]
    found = set_agreement({"ann": a, "bob": b}, dict(enumerate(NAMES)))
    kappas = []
    for k, name in enumerate(NAMES):
        both = (a[:, k] >= 0) & (b[:, k] >= 0)
        kappas.append(cohen_kappa_score(a[both, k], b[both, k]))
        assert found.words[name].pairs["ann", "bob"][2] == pytest.approx(kappas[-1])
    both = (a >= 0) & (b >= 0)
    differ = [row for row in range(80) if any(both[row, k] and a[row, k] != b[row, k] for k in range(3))]
    n, alike, kappa = found.pairs["ann", "bob"]
    assert n == found.shared == both.any(1).sum() and kappa == pytest.approx(np.mean(kappas))
    assert sorted(found.disputed.tolist()) == differ and alike == pytest.approx(1 - len(differ) / n)
    times = [sum(both[row, k] and a[row, k] != b[row, k] for k in range(3)) for row in found.disputed]
    assert times == sorted(times, reverse=True), "the most divided first"
    votes, _ = set_consensus({"ann": a, "bob": b, "eve": a}, 3)
    assert (votes == np.where(a >= 0, a, -1)).all(), "two of three, or nobody but one"


def test_a_class_that_nobody_saw_has_no_say():
    "All say no to the third class: no credit for that; nobody in common, nothing to say."
    a = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], np.int8)
    b = np.array([[0, 1, 0], [0, 1, 0], [1, 1, 0]], np.int8)
    found = set_agreement({"ann": a, "bob": b}, dict(enumerate(NAMES)))
    assert found.kappa == pytest.approx(np.mean([found.words[name].kappa for name in NAMES[:2]]))
    assert "lowest" in found.message and found.disputed.tolist() == [0]
    assert set_agreement({}, {0: "cat"}).message == set_agreement({"ann": a}, {0: "cat"}).message
    assert "two people" in set_agreement({"ann": a}, {0: "cat"}).message


def test_two_people_on_one_data_set_of_sets(tmp_path):
    rng = np.random.default_rng(0)
    x, path = rng.normal(size=(60, 4)).astype(np.float32), tmp_path / "labels.csv"
    with LabelingSession(x, path, classes=NAMES, multilabel=True, features=None, annotator="ann") as s:
        s.answer_sets(range(10), ["cat"])
        s.annotator, s.strategy = "bob", "again"
        asked = []
        for _ in range(5):
            item = s.next()
            asked.append(item.serial)
            s.answer_sets(item.serial, ["cat", "dog"] if len(asked) < 3 else ["cat"])  # the same again is a word
        assert len({*asked}) == 5 and max(asked) < 10
        found = s.agreement()
        assert found.counts == {"ann": 10, "bob": 5} and found.shared == 5 and found.pairs["ann", "bob"][:2] == (5, 0.6)
        assert {item.serial for item in s.disputes()} == {*asked[:2]}
        s.strategy = "disputes"
        assert s.next().reason == "dog? ann: no, bob: yes"
        s.annotator = "kim"
        s.mark(asked[0], "dog", False)
        s.mark(asked[1], "dog")
        assert s.settle() is None, "as Kim said last"
        s.annotator = "bob"
        s.mark(asked[0], "dog")
        assert s.settle().serials.tolist() == [asked[0]] and s.classes_of(asked[0]) == ["cat"]
        s.undo()
        assert s.classes_of(asked[0]) == ["cat", "dog"], "one undo"
        card = s.export(tmp_path / "out", ["card"])[0].path.read_text()
        assert "people differ on 2 of 5 images" in card
    with LabelingSession(x, path, features=None) as again:
        assert again.agreement().counts == {"ann": 10, "bob": 5, "kim": 2}


def test_an_agent_takes_nothing_back_from_under_a_person(tmp_path):
    "A press says one thing of an answer that was there: what it stands on stays, and nothing comes back into it."
    x, path = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32), tmp_path / "labels.csv"
    with LabelingSession(x, path, classes=list("ABC"), multilabel=True, features=None, annotator="robot") as session:
        door, ann = AgentDoor(session), LabelStore(path, 20)
        ann.annotator = "ann"
        door.answer([7], ["A"]), door.answer([5, 8], ["C"]), door.undo()
        ann.answering.mark([5], "B")
        with pytest.raises(ArgumentError, match=r"to redo: a person has answered 1 of its images \(rows 5\)"):
            door.redo()
        door.answer([6, 8], ["A", "C"])
        ann.answering.mark([6], "B")
        with pytest.raises(ArgumentError, match=r"to undo: a person has answered 1 of its images \(rows 6\)"):
            door.undo()
        assert session.targets[[5, 6]].tolist() == [[0, 1, 0], [1, 1, 1]]
        assert session.said_by()["ann"][[5, 6]].tolist() == [[0, 1, 0], [-1, 1, -1]]
        ann.undo()
        door.undo(), door.redo(), door.undo(), door.undo()
        assert not (session.targets[[6, 7, 8]] >= 0).any(), "without her press it is the agent's alone"
        ann.answering.answer([1], ["A"]), ann.answering.clear([1])
        door.mark([1], "B"), door.mark([1], "C")
        assert door.known(1)["by"] == "an agent" and 1 in session.data.by_agents, "she took her word away"
        ann.close()


def test_a_vote_on_images_of_which_different_classes_are_known_is_one_gesture(tmp_path):
    "One line and one undo, and what nobody has said stays open; read again, compacted and heard as well."
    path = tmp_path / "labels.csv"
    x = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    with LabelingSession(x, path, classes=list("ABC"), multilabel=True, features=None) as s:
        for who, names in (("ann", ["A"]), ("bob", ["A"]), ("eve", ["B"])):
            s.annotator = who
            s.answer_sets(1, names)
        s.add_class("D")
        for who, names in (("ann", ["D"]), ("bob", ["D"]), ("eve", ["B"])):
            s.annotator = who
            s.answer_sets(0, names)
        before, said, lines = s.targets.copy(), s.said_by(), len(s.store.log.records)
        gesture = s.settle()
        assert gesture.serials.tolist() == [0, 1] and len(s.store.log.records) == lines + 1 and s.settle() is None
        assert s.targets[:2].tolist() == [[0, 0, 0, 1], [1, 0, 0, -1]]
        s.undo()
        assert (s.targets == before).all()
        s.store.redo()
        assert all((s.said_by()[who] == table).all() for who, table in said.items()), "nobody's word"
        after = s.targets.copy()
    with LabelStore(path, 12) as again:
        assert (again.answering.targets == after).all()
        again.compact(keep=1)
        assert (again.answering.targets == after).all()


def test_nothing_is_hidden_that_nobody_else_has_answered():
    "A class that is added makes no answer somebody else's."
    with LabelingSession(np.eye(12), classes=NAMES, multilabel=True, features=None, annotator="bob") as s:
        s.answer_sets(range(10), ["cat"])
        s.add_class("hen")
        assert not s.annotators.veiled().any() and not s.annotators.to_ask_again(20)
        s.annotator = "ann"
        assert s.annotators.veiled().sum() == len(s.annotators.to_ask_again(20)) == 10
        s.mark(3, "hen")
        assert s.annotators.veiled()[3], "her answer is not whole yet"
        s.annotator = "bob"
        assert np.flatnonzero(s.annotators.veiled()).tolist() == [3], "of this one Ann said more than Bob"


def test_a_class_may_come_while_one_looks(monkeypatch):
    "Another thread adds a class whenever what people said has been read."
    with LabelingSession(np.eye(12), classes=NAMES, multilabel=True, features=None, annotator="ann") as s:
        s.answer_sets([0, 1], ["dog"])
        s.annotator, s.strategy = "bob", "again"
        s.answer_sets(1, ["cat"])
        heard = s.annotators.said_by

        def said_by():
            said = heard()
            s.add_class(f"class {len(s.classes)}")
            return said

        monkeypatch.setattr(s.annotators, "said_by", said_by)
        for _ in range(2):
            assert s.annotators.veiled()[0] and told_targets(s)[:2, :3].tolist() == [[-1] * 3, [1, 0, 0]]
            assert told_codes(s)[:2].tolist() == [-1, 0]
        assert len(s.classes) > 6
