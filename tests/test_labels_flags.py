"""Flags and notes in the log of the labels: against a dictionary kept by hand, across restarts, compactions, two
stores, other data, and versions that know nothing of flags."""

import random

import numpy as np
import pytest

from ssvae_widgets import LabelStore
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.labels.beside import log_beside
from ssvae_widgets.labels.line import decode_line, encode_line, fault

pytestmark = pytest.mark.usefixtures("no_first_map")

NAMES = ("unsure", "exclude", "star")


def opened(path, n=12):
    return LabelStore(path, n, classes=["cat", "dog", "owl"], poll=60.0)


class ByHand:
    "Labels, flags and notes as a list of what was done, and how many of it count."

    def __init__(self):
        self.done, self.undone = [], []

    def do(self, *what):
        self.done.append(what)
        self.undone = []

    def state(self):
        codes, flags, notes = {}, set(), {}
        for kind, row, value in self.done:
            if kind == "label":
                codes[row] = value
            elif kind == "note":
                notes[row] = value
            elif kind == "flag":
                flags.add((value, row))
            else:
                flags.discard((value, row))
        return codes, flags, {row: text for row, text in notes.items() if text}


def state_of(store):
    codes = {int(row): int(store.codes[row]) for row in np.flatnonzero(store.codes >= 0)}
    return codes, {(name, row) for name, rows in store.flags.rows.items() for row in rows}, dict(store.flags.notes)


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_gestures_restarts_and_compactions(seed, tmp_path):
    rng, hand, path = random.Random(seed), ByHand(), tmp_path / "labels.csv"
    store = opened(path)
    for step in range(120):
        row, name = rng.randrange(12), rng.choice(NAMES)
        act = rng.choices(
            ["label", "flag", "clear", "note", "undo", "redo", "reopen", "compact"], [4, 4, 2, 2, 4, 2, 1, 1]
        )[0]
        _, flags, notes = hand.state()
        if act == "label":
            code = rng.randrange(3)
            store.set(row, code)
            hand.do("label", row, code)
        elif act in ("flag", "clear"):
            store.flag(row, name, on=act == "flag")
            if ((name, row) in flags) == (act == "clear"):  # else nothing changes, and nothing is written
                hand.do(act, row, name)
        elif act == "note":
            text = rng.choice([None, f"note {step}", "again"])
            store.note(row, text)
            if notes.get(row) != text:
                hand.do("note", row, text)
        elif act == "undo" and hand.done and store.can_undo:
            store.undo()
            hand.undone.append(hand.done.pop())
        elif act == "redo" and hand.undone and store.can_redo:
            store.redo()
            hand.done.append(hand.undone.pop())
        elif act == "reopen":
            store.close()
            store = opened(path)
        elif act == "compact":
            store.compact(keep=rng.choice([0, 3, 1000]))
        assert state_of(store) == hand.state(), (step, act)
    store.close()


def test_two_stores_keep_both_flags_of_a_picture(tmp_path):
    with opened(tmp_path / "labels.csv") as a, opened(tmp_path / "labels.csv") as b:
        heard = []
        b.observe(lambda event: heard.append((event.kind, len(event.serials))))
        a.flag(3, "star")
        b.flag(3, "unsure")  # b has not looked yet: it reads before it decides
        b.note(3, "from b")
        a.sync()
        assert a.flags.of(3) == b.flags.of(3) == ["unsure", "star"] and a.flags.notes == {3: "from b"}
        a.undo()  # its own star, not what b said later
        b.sync()
        assert a.flags.of(3) == b.flags.of(3) == ["unsure"] and heard
        assert [h["undone"] for h in b.flag_history(3)] == [True, False, False]


def test_an_undo_of_what_another_store_compacted_meanwhile(tmp_path):
    with opened(tmp_path / "labels.csv") as a, opened(tmp_path / "labels.csv") as b:
        starred, _ = a.flag([1, 2], "exclude"), a.flag(7, "star")
        undo = a.log.record("undo", target=starred.id)  # decided before
        b.set(5, "cat")
        b.compact(keep=0)
        a.log.commit(undo)
        b.sync()
        assert a.flags.rows == b.flags.rows == {"star": {7}} and a.codes[5] == b.codes[5] == 0
        a.log.commit(a.log.record("redo", target=starred.id))
        b.sync()
        assert a.flags.rows == b.flags.rows == {"exclude": {1, 2}, "star": {7}}
        line = decode_line(log_beside(a.path).read_bytes().splitlines()[-1])
        assert line["serials"] == line["labels"] == [], "a version without flags reads an undo that moves no label"
    with opened(tmp_path / "labels.csv") as again:
        assert again.flags.rows == {"exclude": {1, 2}, "star": {7}}
        assert len(again.flag_history(1)) == 1, "of the archive"


def test_flags_follow_their_pictures_to_other_data(tmp_path):
    path = tmp_path / "labels.csv"
    with opened(path) as store:
        store.set([0, 3], "dog")
        store.flag([0, 3, 11], "star")
        store.note(11, "last")
        store.note(3, "gone")
    mapping = [(row + 5) % 12 for row in range(12)]
    mapping[3] = -1
    with LabelStore.adopt(path, 12, mapping=mapping) as moved:
        assert moved.flags.rows == {"star": {5, 4}} and moved.flags.notes == {4: "last"}
        assert np.flatnonzero(moved.codes >= 0).tolist() == [5]


def test_a_copy_has_them(tmp_path):
    with opened(tmp_path / "a" / "labels.csv") as store:
        store.flag(2, "star")
        store.copy_to(tmp_path / "b.csv")
    with opened(tmp_path / "b.csv") as copy:
        assert copy.flags.rows == {"star": {2}}
        copy.flag(3, "star")
        assert LabelStore(None, 12).lacks(tmp_path / "b.csv") > 0


def without_flags(path):
    "As a version that knows nothing of flags compacts: the same lines, their snapshot without a word of flags."
    lines = log_beside(path).read_bytes().splitlines()
    head = decode_line(lines[0])
    assert head["op"] == "snapshot" and "flagged" in head
    kept = {k: v for k, v in head.items() if k not in ("flagged", "crc")}
    log_beside(path).write_bytes(b"".join([encode_line(kept), *(line + b"\n" for line in lines[1:])]))


def test_a_compaction_by_a_version_without_flags_loses_none(tmp_path):
    path = tmp_path / "labels.csv"
    with opened(path) as store:
        store.flag([1, 2, 3], "star")
        store.flag(3, "star", on=False)
        store.flag(7, "exclude")
        store.undo()
        store.note(9, "kept")
        store.set(0, "cat")
        store.compact(keep=0)
    without_flags(path)
    for _ in range(2):  # told anew once
        with opened(path) as store:
            assert store.flags.rows == {"star": {1, 2}} and store.flags.notes == {9: "kept"} and store.codes[0] == 0
            assert not store.can_undo or store.undo().op == "undo" and store.redo()
    lines = [decode_line(line) for line in log_beside(path).read_bytes().splitlines()]
    assert len([r for r in lines if r.get("source") == "recovery"]) == 2
    with opened(path) as store:
        store.flag(1, "star", on=False)
    with opened(path) as store:
        assert store.flags.rows == {"star": {2}}


def test_what_a_later_version_says_is_left_to_it(tmp_path):
    path = tmp_path / "labels.csv"
    with opened(path) as store:
        store.flag(1, "star")
        later = {"id": "z-1", "op": "set", "serials": [], "labels": [], "flags": {"v": 2, "where": [[1, "x"]]}}
        with open(store.log_path, "ab") as log:
            log.write(encode_line(later) + encode_line({**later, "id": "z-2", "flags": {"v": 1, "rows": ["x"]}}))
    with pytest.warns(UserWarning, match="1 line of labels.csv.log.jsonl makes no sense.*flags is"):
        store = opened(path)
    assert store.flags.rows == {"star": {1}}
    store.close()


@pytest.mark.parametrize("rows", [[12], [3, 10**6]])
def test_rows_that_there_are_not_change_nothing(rows, tmp_path):
    path = tmp_path / "labels.csv"
    opened(path).close()
    with opened(path) as store:
        store.set(1, "cat")
        log = store.log_path
    line = {"id": "z-1", "op": "set", "serials": [], "labels": [], "flags": {"v": 1, "rows": rows, "set": ["star"]}}
    assert fault(line) == ""
    with open(log, "ab") as file:
        file.write(encode_line(line))
    with pytest.warns(UserWarning, match="out of range"):
        store = opened(path)
    assert not store.flags and store.codes[1] == 0
    store.close()


def test_notes_are_text_of_people(tmp_path):
    with opened(tmp_path / "labels.csv") as store:
        for text in ("<img src=x onerror=1>", "two\nlines", "a\u202eb", "=cmd()", "\ud800"):
            store.note(4, text)
            assert store.flags.notes[4] == text.encode(errors="backslashreplace").decode()
        store.note(4, " \x00 ")
        assert store.flags.notes == {}
        for wrong in ("x" * 2001, 7, b"x"):
            with pytest.raises(ArgumentError, match="note"):
                store.note(4, wrong)
        with pytest.raises(ArgumentError, match="flag is 'stars'; expected one of unsure, exclude, star"):
            store.flag(4, "stars")
