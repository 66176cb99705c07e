"""Classes that are added, renamed, merged, deleted, moved and colored among labels, against a plain dictionary: any
order, undo, restarts, compaction, two writers; what the log says is read once more by a few lines of their own."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.labels.shared_log import SharedLog
from ssvae_widgets.labels.store import LabelStore
from ssvae_widgets.session.labeled_images import LabeledImages

N = 10
IMAGES = np.zeros((N, 2, 2), np.float32)
ROWS = st.lists(st.integers(0, N - 1), min_size=1, max_size=4)
PICK = st.integers(0, 1000)
NAMES = st.sampled_from(["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"])
COLORS = st.sampled_from(["#b01060", "#00a0a0", "#102030", "#c8c8c8"])
FIRST = ["cat", "dog"]


class State:
    "Everything that people see: labels, and of each class in use its name and color, in order. A class is its code."

    def __init__(self, labels, names, colors, order):
        self.labels, self.names, self.colors, self.order = dict(labels), dict(names), dict(colors), list(order)

    def copy(self):
        return State(self.labels, self.names, self.colors, self.order)


class Classes(RuleBasedStateMachine):
    "Each gesture changes a copy of the state; undo and redo go back and forth among the copies."

    @initialize(first=st.sampled_from([FIRST, None]))
    def start(self, first):
        self.folder = Path(tempfile.mkdtemp())
        self.path, self.first = self.folder / "labels.csv", first
        self.store = self.open()
        if first is None:
            self.store.declare(None)
        codes = range(self.store.n_classes)
        self.now = State({}, dict(enumerate(self.store.classes)), dict(enumerate(self.store.colors)), codes)
        self.past, self.future = [], []

    def open(self):
        return LabelStore(self.path, N, self.first, poll=3600, first=True)

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    def did(self) -> State:
        self.past.append(self.now)
        self.future.clear()
        self.now = self.now.copy()
        return self.now

    def pick(self, k):
        return self.now.order[k % len(self.now.order)]

    some = precondition(lambda self: self.now.order)
    several = precondition(lambda self: len(self.now.order) > 1)

    @some
    @rule(rows=ROWS, k=PICK, by_name=st.booleans())
    def label(self, rows, k, by_name):
        code = self.pick(k)
        self.store.set(rows, self.now.names[code] if by_name else code)
        self.did().labels.update(dict.fromkeys(rows, code))

    @rule(rows=ROWS)
    def clear(self, rows):
        self.store.clear(rows)
        now = self.did()
        for row in rows:
            now.labels.pop(row, None)

    @rule(name=NAMES)
    def add(self, name):
        if name in [self.now.names[k] for k in self.now.order]:
            with pytest.raises(ArgumentError, match="already"):
                self.store.add_class(name, undoable=True)
            return
        known = self.store.n_classes
        code = self.store.add_class(name, undoable=True)
        assert code == known or code not in self.now.order, "a new code, or that of a class that was gone"
        now = self.did()
        now.names[code], now.colors[code] = name, self.store.colors[code]
        now.order = [k for k in self.store.shown if k in now.order or k == code]
        assert [k for k in now.order if k != code] == self.past[-1].order

    @some
    @rule(k=PICK, name=NAMES)
    def rename(self, k, name):
        code = self.pick(k)
        if name in [self.now.names[k] for k in self.now.order]:
            with pytest.raises(ArgumentError, match="already"):
                self.store.rename_class(code, name)
            return
        self.store.rename_class(code, name)
        self.did().names[code] = name

    @several
    @rule(k=PICK, other=PICK)
    def merge(self, k, other):
        code, into = self.pick(k), self.pick(other)
        if code == into:
            return
        self.store.merge_classes(self.now.names[code], into)
        now = self.did()
        now.labels = {row: into if held == code else held for row, held in now.labels.items()}
        now.order.remove(code)

    @some
    @rule(k=PICK)
    def delete(self, k):
        code = self.pick(k)
        gesture = self.store.delete_class(self.now.names[code])
        now = self.did()
        assert gesture.serials.tolist() == sorted(row for row, held in now.labels.items() if held == code)
        now.labels = {row: held for row, held in now.labels.items() if held != code}
        now.order.remove(code)
        with pytest.raises(ArgumentError, match="was deleted"):
            self.store.delete_class(code)

    @several
    @rule(k=PICK, other=PICK)
    def delete_while_another_merges(self, k, other):
        "Decided before it heard of the deletion, written after it: the class is deleted and merged."
        code, into = self.pick(k), self.pick(other)
        if code == into:
            return
        uids = self.store.log.view.uids
        late = self.store.log.record("merge", **{"from": uids[code], "into": uids[into]})
        self.delete(self.now.order.index(code))
        assert self.store.log.commit(late).saved
        self.did()

    @rule(k=PICK, into=PICK)
    def change_one_that_is_gone(self, k, into):
        gone = sorted({*range(self.store.n_classes)} - {*self.now.order})
        if not gone:
            return
        code, into, seq = gone[k % len(gone)], into % self.store.n_classes, self.store.seq
        changes, table = self.store.changes, self.store.log.replay.table
        place = table.place[self.store.log.view.uids[code]]
        merged = place in table.into and place not in table.deleted  # such a one may let go of its name
        for gesture in (
            *(() if merged else (lambda: changes.rename_class(code, "yak"),)),
            lambda: changes.delete_class(code),
            lambda: changes.recolor_class(code, "#123456"),
            lambda: changes.merge_classes(code, into),
            lambda: changes.merge_classes(into, code),
        ):
            with pytest.raises(ArgumentError, match="was deleted|is part of|already the same"):
                gesture()
        assert self.store.seq == seq

    @rule()
    def what_a_session_takes_for_a_label(self):
        "A class in use, one that became such a class, or an error: nothing that is gone comes back by a label."
        data = LabeledImages(IMAGES, self.store).open()
        for code, name in enumerate(data.classes):
            for label in (code, name):
                try:
                    meant = data.code(label)
                except ArgumentError as error:
                    assert "was deleted" in str(error) and code not in self.now.order
                else:
                    assert self.store.merged.get(meant, meant) in self.now.order
                    assert meant == code

    @several
    @rule(seed=PICK)
    def reorder(self, seed):
        order = np.random.default_rng(seed).permutation(self.now.order).tolist()
        if order != self.now.order:
            self.store.reorder_classes([self.now.names[k] for k in order])
            self.did().order = order

    @some
    @rule(k=PICK, color=COLORS)
    def recolor(self, k, color):
        code = self.pick(k)
        if color != self.now.colors[code]:
            self.store.recolor_class(code, color.upper())
            self.did().colors[code] = color

    @rule()
    def undo(self):
        assert (self.store.undo() is None) == (not self.past)
        if self.past:
            self.future.append(self.now)
            self.now = self.past.pop()

    @rule()
    def redo(self):
        assert (self.store.redo() is None) == (not self.future)
        if self.future:
            self.past.append(self.now)
            self.now = self.future.pop()

    @rule(killed=st.booleans())
    def restart(self, killed):
        if killed:
            self.store.log.close()  # only what was confirmed is there
            self.store.ticker.wake()
        else:
            self.store.close()
        self.store = self.open()

    @rule(keep=st.integers(0, 4))
    def compact(self, keep):
        self.store.compact(keep=keep)
        replay = self.store.log.replay
        done, undone = sum(e.active for e in replay.done.values()), sum(not e.active for e in replay.redone.values())
        self.past, self.future = self.past[len(self.past) - done :], self.future[len(self.future) - undone :]

    @invariant()
    def is_what_the_dictionary_says(self):
        if not hasattr(self, "now"):
            return
        store, now = self.store, self.now
        assert {row: k for row, k in enumerate(store.codes.tolist()) if k >= 0} == now.labels
        assert store.shown == now.order
        assert [store.classes[k] for k in store.shown] == [now.names[k] for k in now.order]
        assert [store.colors[k] for k in store.shown] == [now.colors[k] for k in now.order]
        assert len({*store.classes}) == store.n_classes

    @precondition(lambda self: self.now.labels)
    @rule()
    def the_file_has_names(self):
        self.store.flush()
        lines = self.path.read_text().splitlines()[1:]
        assert dict(line.split(",") for line in lines) == {
            str(r): self.now.names[k] for r, k in self.now.labels.items()
        }


Classes.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
    derandomize=True,
)
TestClasses = Classes.TestCase


def read_log(path: Path) -> tuple[dict, dict, list]:
    """Labels by name of class, name and color of each class that was chosen, and their order, from the lines alone:
    what counts is every gesture that is not undone, in the order of the log."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    off = set()
    for line in lines:
        if line["op"] in ("undo", "redo"):
            (off.add if line["op"] == "undo" else off.discard)(line["target"])
    labels, names, gone, into, order, born, chosen = {}, {}, set(), {}, [], [], {}
    for line in lines:
        on = line["id"] not in off
        for uid, name in line.get("classes", ()) if line["op"] in ("log", "class") else ():
            uid = str(uid)
            born += [uid] * (uid not in born)
            if on:
                names[uid] = name
                gone.discard(uid)
            elif line.get("added") and uid not in names:
                gone.add(uid)
        if not on:
            continue
        if line["op"] == "set":
            labels.update(zip(line["serials"], line["labels"]))
            gone |= set(map(str, line.get("deletes", ())))
        if line["op"] == "merge":
            into[str(line["from"])] = str(line["into"])
        if "order" in line:
            order = list(map(str, line["order"]))
        chosen |= {str(uid): color for uid, color in line.get("colors", ())}

    def held(uid):
        return held(into[uid]) if uid in into else uid

    labels = {row: held(str(uid)) for row, uid in labels.items() if uid is not None}
    shown = [u for u in dict.fromkeys([*order, *born]) if u not in into and (u not in gone or u in labels.values())]
    return labels, chosen, shown


@pytest.mark.parametrize("seed", range(3))
def test_two_writers_and_what_the_lines_say(tmp_path, seed):
    "Two processes' worth of gestures and undos in any order: both stores, and a third, say what the lines say."
    rng, path = np.random.default_rng(seed), tmp_path / "labels.csv"
    with LabelStore(path, N, FIRST, poll=3600) as a, LabelStore(path, N, FIRST, poll=3600) as b:
        for step in range(120):
            s = (a, b)[rng.integers(2)]
            s.sync()
            pick = (lambda s=s: s.shown[rng.integers(len(s.shown))]) if s.shown else None
            kind = rng.choice("label label label clear add rename merge delete reorder recolor undo undo redo".split())
            try:
                if kind == "clear":
                    s.clear(rng.integers(N, size=2))
                elif kind == "add":
                    s.add_class("ant bee cow dog elk".split()[rng.integers(5)], undoable=True)
                elif kind in ("undo", "redo"):
                    getattr(s, kind)()
                elif pick is None:
                    continue
                elif kind == "label":
                    s.set(rng.integers(N, size=2), pick())
                elif kind == "rename":
                    s.rename_class(pick(), f"name {step}")
                elif kind == "merge":
                    s.merge_classes(pick(), pick())
                elif kind == "delete" and rng.random() < 0.6:
                    s.delete_class(pick())
                elif kind == "reorder":
                    s.reorder_classes(rng.permutation(s.shown).tolist())
                elif kind == "recolor":
                    s.recolor_class(pick(), f"#{rng.integers(1 << 24):06x}")
            except ArgumentError:
                pass  # a name that is taken, two that are one already
        a.sync(), b.sync()
        labels, chosen, shown = read_log(path.with_name("labels.csv.log.jsonl"))
        with LabelStore(path, N, poll=3600) as c:
            for s in (a, b, c):
                uids, codes = s.log.view.uids, s.codes.tolist()
                assert {row: uids[k] for row, k in enumerate(codes) if k >= 0} == labels
                assert {uids[k]: color for k, color in s.log.view.chosen.items()} == chosen
                assert [uids[k] for k in s.shown] == shown
            before = c.codes.copy(), c.shown, c.classes, c.colors
        a.compact(keep=5)
        b.sync()
        with LabelStore(path, N, poll=3600) as c:
            assert (c.codes == before[0]).all() and (c.shown, c.classes, c.colors) == before[1:]
            assert (b.codes == before[0]).all() and [b.log.view.uids[k] for k in b.shown] == shown


def test_a_label_beside_a_deletion_is_kept(tmp_path):
    "One process deletes a class while another, which cannot write, labels with it: nothing that was said is lost."
    path = tmp_path / "labels.csv"
    with LabelStore(path, 5, FIRST, poll=3600) as a, LabelStore(path, 5, FIRST, poll=3600) as b:
        a.set([0, 1], "cat")
        late = b.log.record("set", serials=[2], labels=["cat"], previous=[None], source="key")
        a.delete_class("cat")
        b.log.commit(late)  # decided before it heard
        a.sync()
        for store in (a, b):
            assert store.codes.tolist() == [-1, -1, 0, -1, -1] and store.shown == [0, 1]
        assert [entry["label"] for entry in a.history(0)] == ["cat", None]


@pytest.mark.parametrize("name", ["cat", "eel"])
def test_undo_of_a_deletion_that_is_compacted_in_the_same_moment(tmp_path, monkeypatch, name):
    "The class comes back with its labels, whether it had some or none; what became of the others stays."
    path = tmp_path / "labels.csv"
    with LabelStore(path, 5, ["cat", "dog", "eel"], poll=3600) as a, LabelStore(path, 5, poll=3600) as b:
        a.set([0, 1], "cat")
        a.recolor_class("eel", "#b01060")
        a.delete_class(name)
        b.set(4, "dog")
        real, done = SharedLog.commit, []

        def commit(self, record):
            if self is a.log and not done:
                done.append(b.compact(keep=0))
                b.reorder_classes(b.shown[::-1])
            return real(self, record)

        monkeypatch.setattr(SharedLog, "commit", commit)
        assert a.undo().saved and done[0] is not None
        b.sync()
        b.rename_class("dog", "hound")
        b.compact(keep=0)
        a.sync()
        with LabelStore(path, 5, poll=3600) as c:
            for store in (a, b, c):
                assert sorted(store.classes[k] for k in store.shown) == ["cat", "eel", "hound"]
                assert store.codes.tolist() == [0, 0, -1, -1, 1] and store.colors[2] == "#b01060"
                assert store.shown[:2] == [2, 1] if name == "cat" else store.shown[:2] == [1, 0]


def test_names_and_colors_that_are_none():
    with LabelStore(None, 3, FIRST) as store:
        for wrong, why in (
            ("", "0 characters"),
            ("   ", "0 characters|no visible"),
            ("x" * 501, "501 characters"),
            ("dog", "already a class 'dog'"),
            (" dog\n", "already a class 'dog'"),
            (None, "NoneType"),
            ("\ud800", "half a character"),
            ("\u200b", "no visible character"),
        ):
            with pytest.raises(ArgumentError, match=why):
                store.rename_class("cat", wrong)
            with pytest.raises(ArgumentError, match=why):
                store.add_class(wrong)
        store.add_class("e\u0301tang")
        with pytest.raises(ArgumentError, match="already"):
            store.add_class("\u00e9tang")  # the same letters, composed
        for color in ("red", "#12345", "", None, 7, "#gggggg", "url(x)"):
            with pytest.raises(ArgumentError, match="expected red, green and blue"):
                store.recolor_class("cat", color)
        for order, why in ((["cat"], "expected each of cat, dog"), (["cat"] * 3, "each of"), ("cat", "expected all")):
            with pytest.raises(ArgumentError, match=why):
                store.reorder_classes(order)
        for call in (
            store.delete_class,
            lambda k: store.merge_classes(k, "dog"),
            lambda k: store.recolor_class(k, "#abc"),
        ):
            for wrong in ("cow", 17, -1, None):
                with pytest.raises(ArgumentError, match="no class"):
                    call(wrong)
        assert store.seq == 1, "nothing of it was written"


def test_the_name_of_a_class_that_is_gone_is_free(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 4, FIRST, poll=3600) as store:
        store.set([0], "cat"), store.set([1], "dog")
        cat = store.colors[0]
        store.delete_class("cat")
        store.rename_class("dog", "cat")
        assert [store.classes[k] for k in store.shown] == ["cat"] and store.codes.tolist() == [-1, 1, -1, -1]
        store.flush()
        assert path.read_text().splitlines() == ["Serial,label", "1,cat"]
        store.rename_class("cat", "hound")
        assert store.add_class("cat") == 0 and store.colors[0] == cat, "its own code and color"
        store.merge_classes("hound", "cat")
        assert store.add_class("hound") == 2, "a class that was merged is another one"
    with LabelStore(path, 4, FIRST, poll=3600, first=True) as store:
        assert [store.classes[k] for k in store.shown] == ["cat", "hound"] and store.in_order


def test_a_color_belongs_to_a_class_for_ever(tmp_path):
    path, seen = tmp_path / "labels.csv", {}
    with LabelStore(path, 3, ["class 0"], poll=3600) as store:
        for k in range(1, 30):
            store.add_class(f"class {k}", undoable=True)
            if k == 12:
                store.recolor_class("class 3", store.colors[5])
                seen["class 3"] = store.colors[5]
            if k == 15:
                store.delete_class("class 2")
            for name, color in zip(store.classes, store.colors):
                assert seen.setdefault(name, color) == color
        store.reorder_classes(store.shown[::-1])
        store.compact(keep=0)
        assert dict(zip(store.classes, store.colors)) == seen
    with LabelStore(path, 3, poll=3600) as store:
        assert dict(zip(store.classes, store.colors)) == seen


def test_logs_of_former_versions_and_names_they_left_free(tmp_path):
    "What a script kept with a label under a name that means something now stays what it was."
    path = tmp_path / "labels.csv"
    with LabelStore(path, 4, FIRST, poll=3600) as store:
        store.set([0, 1], "cat", deleted=["cat", "dog"], order=[3, 1], colors="red")
        store.set(2, "dog")
        log = path.with_name("labels.csv.log.jsonl").read_text()
        assert all(key not in log for key in ('"deletes"', '"added"'))
        assert store.shown == [0, 1] and store.history(1)[-1]["deleted"] == "dog"
        with pytest.raises(ArgumentError, match="deletes"):
            store.set(0, "cat", deletes=["dog"])
        store.compact(keep=0)
        assert store.shown == [0, 1] and store.codes.tolist() == [0, 0, 1, -1]


def deleted_and_merged(path, how):
    "A store in which cat was both deleted and merged into dog, which has the label of row 0."
    with LabelStore(path, 9, FIRST, poll=3600) as a, LabelStore(path, 9, poll=3600) as b:
        a.set([0], "dog")
        if how == "redo":
            a.merge_classes("cat", "dog"), a.undo()
            b.delete_class("cat")
            a.redo()
        else:
            late = b.log.record("merge", **{"from": "cat", "into": "dog"})
            a.delete_class("cat")
            b.log.commit(late)  # decided before it heard
        b.sync()
    return LabelStore(path, 9, poll=3600)


@pytest.mark.parametrize("how", ["redo", "crossing"])
def test_a_class_both_deleted_and_merged_is_another_one_when_it_is_added_again(tmp_path, how):
    path = tmp_path / "labels.csv"
    with deleted_and_merged(path, how) as store:
        assert store.shown == [1] and store.merged == {0: 1}
        for gesture in (
            store.delete_class,
            lambda k: store.rename_class(k, "eel"),
            lambda k: store.merge_classes(k, 1),
        ):
            with pytest.raises(ArgumentError, match="is part of 'dog'|already the same class"):
                gesture(0)
        code = store.add_class("cat", undoable=True)
        assert code == 2 and store.shown == [1, 2]
        store.set([6], "cat")
        assert store.codes[[0, 6]].tolist() == [1, 2]
        store.compact(keep=0)
    with LabelStore(path, 9, poll=3600) as store:
        assert store.codes[[0, 6]].tolist() == [1, 2] and [store.classes[k] for k in store.shown] == ["dog", "cat"]


def test_a_class_that_is_gone_is_neither_renamed_nor_merged(tmp_path):
    with LabelStore(tmp_path / "labels.csv", 4, ["cat", "dog", "eel"], poll=3600) as store:
        store.set([0], "cat")
        store.delete_class("dog")
        seq = store.seq
        for gesture in (
            lambda: store.rename_class("dog", "hound"),
            lambda: store.merge_classes("dog", "cat"),
            lambda: store.merge_classes("cat", "dog"),
        ):
            with pytest.raises(ArgumentError, match="the class 'dog' was deleted"):
                gesture()
        assert store.seq == seq and store.shown == [0, 2] and store.codes[0] == 0
