"""Several classes for one image, in the log of the labels: against a dictionary kept by hand, across restarts,
compactions, two stores, two processes, other data, and versions that know nothing of sets."""

import random
import subprocess
import sys

import numpy as np
import pytest

from ssvae_widgets import LabelStore
from ssvae_widgets.errors import ArgumentError, RowError
from ssvae_widgets.labels.beside import log_beside
from ssvae_widgets.labels.line import decode_line, encode_line, fault

pytestmark = pytest.mark.usefixtures("no_first_map")

CLASSES = ["cat", "dog", "owl"]


def opened(path, n=12):
    return LabelStore(path, n, classes=CLASSES, poll=60.0)


class ByHand:
    "What was done as a list, and how much of it counts; told anew, image by image and class by class, each time."

    def __init__(self):
        self.done, self.undone = [], []

    def do(self, *what):
        self.done.append(what)
        self.undone = []

    def state(self):
        known, merged, deleted, names = {}, {}, set(), list(CLASSES)

        def holder(name):
            while name in merged:
                name = merged[name]
            return name

        for kind, *what in self.done:
            shown = [name for name in names if name not in merged and name not in deleted]
            if kind == "mark":
                row, name, on = what
                answered = any(k[0] == row for k in self.table(known, holder, shown))
                if on or answered:
                    for other in shown:
                        known.setdefault((row, other), False)
                parts = [n for n in names if holder(n) == name and known.get((row, n))]
                for one in [name] if on else {name, *parts}:
                    known[row, one] = on
            elif kind == "answer":
                row, some = what
                for name in [n for n in names if n in shown or (n in merged and known.get((row, n)))]:
                    known[row, name] = name in some
            elif kind == "clear":
                known = {k: v for k, v in known.items() if k[0] != what[0]}
            elif kind == "add":
                names.append(what[0])
            elif kind == "merge":
                merged[what[0]] = what[1]
            elif kind == "delete":
                deleted.add(what[0])
                known = {k: v for k, v in known.items() if holder(k[1]) != what[0]}
        shown = [name for name in names if name not in merged and name not in deleted]
        return self.table(known, holder, shown), shown

    @staticmethod
    def table(known, holder, shown):
        "Of merged classes one that is there is enough; a no is that of the class which they became."
        table = {}
        for (row, name), yes in known.items():
            now = holder(name)
            if now in shown and (yes or name == now):
                table[row, now] = table.get((row, now), False) or yes
        return table


def state_of(store):
    targets, names = store.answering.targets, store.classes
    shown = [names[k] for k in store.shown]
    return {(int(r), names[k]): bool(targets[r, k]) for r, k in np.argwhere(targets >= 0)}, shown


@pytest.mark.parametrize("seed", range(8))
def test_any_order_of_gestures_restarts_and_compactions(seed, tmp_path):
    rng, hand, path = random.Random(seed), ByHand(), tmp_path / "labels.csv"
    store = opened(path, 6)
    for step in range(120):
        table, shown = hand.state()
        row, name = rng.randrange(6), rng.choice(shown)
        act = rng.choices(
            ["mark", "off", "answer", "clear", "undo", "redo", "add", "merge", "delete", "reopen", "compact"],
            [8, 3, 3, 1, 6, 3, 0.6, 0.4, 0.3, 1, 1],
        )[0]
        ask = store.answering
        if act in ("mark", "off"):
            on = act == "mark"
            ask.mark(row, name, on)
            if table.get((row, name)) is not on:  # else it is known, and nothing is written
                hand.do("mark", row, name, on)
        elif act == "answer":
            some = [n for n in shown if rng.random() < 0.5]
            ask.answer([row], [some])
            if {n: table.get((row, n)) for n in shown} != {n: n in some for n in shown}:
                hand.do("answer", row, some)
        elif act == "clear":
            ask.clear(row)
            if any(k[0] == row for k in table):
                hand.do("clear", row)
        elif act == "undo" and hand.done and store.can_undo:
            store.undo()
            hand.undone.append(hand.done.pop())
        elif act == "redo" and hand.undone and store.can_redo:
            store.redo()
            hand.done.append(hand.undone.pop())
        elif act == "add":
            store.add_class(f"new {step}", undoable=True)
            hand.do("add", f"new {step}")
        elif act in ("merge", "delete") and len(shown) > 2:
            other = rng.choice([n for n in shown if n != name])
            store.merge_classes(name, other) if act == "merge" else store.delete_class(name)
            hand.do(act, name, other)
        elif act == "reopen":
            store.close()
            store = opened(path, 6)
        elif act == "compact":
            store.compact(keep=rng.choice([0, 3, 1000]))
        table, shown = state_of(store)
        assert (table, {*shown}) == (hand.state()[0], {*hand.state()[1]}), (step, act, row, name)
        assert (store.codes == -1).all()
    store.close()


def test_two_stores_keep_both_classes_of_a_picture(tmp_path):
    with opened(tmp_path / "labels.csv") as a, opened(tmp_path / "labels.csv") as b:
        heard = []
        b.observe(lambda event: heard.append((event.kind, event.serials.tolist())))
        a.answering.mark(3, "cat")
        b.answering.mark(3, "owl")  # b has not looked yet: it reads before it decides
        a.sync()
        both = {(3, "cat"): True, (3, "dog"): False, (3, "owl"): True}
        assert state_of(a)[0] == state_of(b)[0] == both and ("labels", [3]) in heard
        a.undo()  # its own cat, not what b said later
        b.sync()
        assert state_of(a)[0] == state_of(b)[0] == {**both, (3, "cat"): False}
        said = [(h["yes"], h["undone"]) for h in b.answering.history(3)]
        assert said == [(["cat"], True), (["owl"], False)]


WORKER = """
import sys
from ssvae_widgets import LabelStore
path, name = sys.argv[1:]
with LabelStore(path, 12, classes=["cat", "dog", "owl"], poll=60.0) as store:
    for row in range(12):
        store.answering.mark(row, name)
        if row % 3 == 0:
            store.undo()
"""


def test_two_processes_label_the_same_pictures_at_once(tmp_path):
    path = tmp_path / "labels.csv"
    opened(path).close()
    both = [subprocess.Popen([sys.executable, "-c", WORKER, str(path), name]) for name in ("cat", "owl")]
    assert [p.wait(60) for p in both] == [0, 0]
    with opened(path) as store:
        want = {(row, name): name != "dog" for row in range(12) if row % 3 for name in CLASSES}
        assert state_of(store)[0] == want


def test_an_undo_of_what_another_store_compacted_meanwhile(tmp_path):
    with opened(tmp_path / "labels.csv") as a, opened(tmp_path / "labels.csv") as b:
        marked, _ = a.answering.mark([1, 2], "cat"), a.answering.mark(7, "dog")
        undo = a.log.record("undo", target=marked.id)  # decided before
        b.set(5, "cat")
        b.compact(keep=0)
        a.log.commit(undo)
        b.sync()
        dog = {(7, "cat"): False, (7, "dog"): True, (7, "owl"): False}
        assert state_of(a)[0] == state_of(b)[0] == dog and a.codes[5] == b.codes[5] == 0
        a.log.commit(a.log.record("redo", target=marked.id))
        b.sync()
        assert state_of(a)[0] == state_of(b)[0] and (b.answering.targets[[1, 2], 0] == 1).all()
        line = decode_line(log_beside(a.path).read_bytes().splitlines()[-1])
        assert line["serials"] == line["labels"] == [], "a version without sets reads an undo that moves no label"
    with opened(tmp_path / "labels.csv") as again:
        assert (again.answering.targets[[1, 2], 0] == 1).all() and len(again.answering.history(1)) == 1


def test_sets_follow_their_pictures_to_other_data(tmp_path):
    path = tmp_path / "labels.csv"
    with opened(path) as store:
        store.answering.answer([0, 3, 11], [["cat", "dog"], ["owl"], []])
    mapping = [(row + 5) % 12 for row in range(12)]
    mapping[3] = -1
    with LabelStore.adopt(path, 12, mapping=mapping) as moved:
        assert moved.answering.targets[[5, 4]].tolist() == [[1, 1, 0], [0, 0, 0]]
        assert np.flatnonzero(moved.answering.answered).tolist() == [4, 5]
    with opened(tmp_path / "b.csv") as store:
        store.answering.mark(2, "cat")
        store.copy_to(tmp_path / "copy.csv")
    with opened(tmp_path / "copy.csv") as copy:
        assert copy.answering.targets[2].tolist() == [1, 0, 0]


def test_who_answered_and_how_goes_along_to_other_rows(tmp_path):
    path = tmp_path / "labels.csv"
    with opened(path) as store:
        store.annotator = "eva"
        store.answering.answer([0, 1, 2], ["cat"], accepted=True)
        store.answering.answer([3], ["dog"], strategy="audit")
        store.answering.answer([4], ["dog"], agent=True)
        times = store.answering.last("time")
        for _ in range(2):
            store.compact(keep=0)
            assert store.answering.given("accepted").tolist() == [0, 1, 2]
    mapping = [-1, *range(2, 12), 0]
    with LabelStore.adopt(path, 12, mapping=mapping) as moved:
        ask = moved.answering
        assert ask.given("accepted").tolist() == [2, 3] and ask.given("agent").tolist() == [5]
        assert ask.given("strategy", "audit").tolist() == [4] and ask.given("annotator", "eva").tolist() == [2, 3, 4, 5]
        assert ask.last("time") == {row + 1: time for row, time in times.items() if row}
        ask.answer(2, ["dog"])
    with opened(path) as store:
        assert store.answering.given("accepted").tolist() == [3]


def without_sets(path):
    "As a version that knows nothing of sets compacts: the same lines, their snapshot without a word of sets."
    lines = log_beside(path).read_bytes().splitlines()
    head = decode_line(lines[0])
    assert head["op"] == "snapshot" and "answered" in head
    kept = {k: v for k, v in head.items() if k not in ("answered", "crc")}
    log_beside(path).write_bytes(b"".join([encode_line(kept), *(line + b"\n" for line in lines[1:])]))


def test_a_compaction_by_a_version_without_sets_loses_none(tmp_path):
    path = tmp_path / "labels.csv"
    with opened(path) as store:
        store.answering.answer([1, 2, 3], [["cat", "dog"], [], ["cat", "dog"]])
        store.answering.mark(7, "owl", on=False)
        store.answering.mark(8, "owl")
        store.undo()
        store.set(0, "cat")
        before = state_of(store)
        store.compact(keep=0)
    without_sets(path)
    for _ in range(2):  # told anew once
        with opened(path) as store:
            assert state_of(store) == before and store.codes[0] == 0
    lines = [decode_line(line) for line in log_beside(path).read_bytes().splitlines()]
    assert len([r for r in lines if r.get("source") == "recovery"]) == 3  # kinds of answers
    with opened(path) as store:
        store.answering.mark(1, "cat", on=False)
    with opened(path) as store:
        assert store.answering.targets[[1, 3]].tolist() == [[0, 1, 0], [1, 1, 0]]


def test_an_older_version_reads_gestures_without_effect(tmp_path):
    "As released: a `set` of no rows. What it relies on is all there, and nothing in it labels an image."
    path = tmp_path / "labels.csv"
    with opened(path) as store:
        store.answering.answer([1, 2], ["cat"])
        store.answering.clear(1)
        store.answering.mark(3, "dog")
        lines = [decode_line(line) for line in store.log_path.read_bytes().splitlines()]
    spoke = [r for r in lines if "sets" in r]
    assert len(spoke) == 3 and all(
        r["op"] == "set" and r["serials"] == r["labels"] == r["previous"] == [] for r in spoke
    )


def test_what_a_later_version_says_is_left_to_it(tmp_path):
    path = tmp_path / "labels.csv"
    with opened(path) as store:
        store.answering.mark(1, "cat")
        later = {"id": "z-1", "op": "set", "serials": [], "labels": [], "sets": {"v": 2, "where": [[1, "x"]]}}
        with open(store.log_path, "ab") as log:
            log.write(encode_line(later) + encode_line({**later, "id": "z-2", "sets": {"v": 1, "rows": ["x"]}}))
    with pytest.warns(UserWarning, match="1 line of labels.csv.log.jsonl makes no sense.*sets is"):
        store = opened(path)
    assert store.answering.targets[1].tolist() == [1, 0, 0]
    store.close()


def test_rows_that_there_are_not_change_nothing(tmp_path):
    path = tmp_path / "labels.csv"
    with opened(path) as store:
        log = store.log_path
    line = {"id": "z-1", "op": "set", "serials": [], "labels": [], "sets": {"v": 1, "rows": [12], "yes": ["cat"]}}
    assert fault(line) == ""
    with open(log, "ab") as file:
        file.write(encode_line(line))
    with pytest.warns(UserWarning, match="out of range"):
        store = opened(path)
    assert not store.answering.sets
    store.close()


def test_wrong_wishes_say_what_is_wrong_and_write_nothing(tmp_path):
    with opened(tmp_path / "labels.csv") as store:
        ask, seq = store.answering, store.seq
        for error, match, call in (
            (ArgumentError, "no class 'cow'", lambda: ask.mark(1, "cow")),
            (ArgumentError, "expected a code or a name", lambda: ask.mark(1, None)),
            (ArgumentError, "2 answers for 3 images", lambda: ask.answer([1, 2, 3], [["cat"], []])),
            (ArgumentError, "labels is 'cat'; expected classes", lambda: ask.answer([1], "cat")),
            (RowError, "12", lambda: ask.mark(12, "cat")),
        ):
            with pytest.raises(error, match=match):
                call()
        assert store.seq == seq and ask.answer([1, 1], [["cat"], ["dog"]]).serials.tolist() == [1]
        assert ask.targets[1].tolist() == [0, 1, 0]  # of a row given twice the later answer counts


def test_a_merge_makes_no_of_nothing_that_nobody_said(tmp_path):
    with opened(tmp_path / "labels.csv", 6) as store:
        first, second = store.classes[:2]
        store.answering.answer([0], [[second]])
        store.add_class("later")
        store.merge_classes(first, "later")
        table, _ = state_of(store)
        assert table[0, second] and (0, "later") not in table, "of the later one nobody has said anything"
