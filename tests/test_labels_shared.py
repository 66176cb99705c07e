"""Three views of one file, every kind of gesture in any order, restarts, compactions at the worst moments: against a
model that knows nothing of logs, snapshots and archives."""

import os
import random
import threading

import numpy as np
import pytest

from ssvae_widgets import LabelStore
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.labels.log import LogFile
from ssvae_widgets.labels.shared_log import SharedLog

FULL = os.environ.get("SSVAE_WIDGETS_FAULTS") == "full"
N = 30
CLASSES = ["a", "b", "c", "d"]


class Model:
    "Lines in the order in which they were acknowledged, each switched on or off; what they say is told anew each time."

    def __init__(self):
        self.said, self.undone = [], 0

    def add(self, who, record):
        for one in self.said:
            if one["who"] == who:
                one["redo"] = 0
        self.said.append({"who": who, "record": record, "on": True, "redo": 0})

    def switch(self, one, on):
        self.undone += 1
        one["on"], one["redo"] = on, 0 if on else self.undone

    def undo(self, who):
        return next((one for one in reversed(self.said) if one["who"] == who and one["on"]), None)

    def redo(self, who):
        mine = [one for one in self.said if one["who"] == who and one["redo"]]
        return max(mine, key=lambda one: one["redo"], default=None)

    def state(self):
        born, names, gone, into, order, colors = [*CLASSES], dict(zip(CLASSES, CLASSES)), set(), {}, [], {}
        labels, flags, notes, sets = {}, set(), {}, {}

        def held(uid):
            while uid in into:
                uid = into[uid]
            return uid

        for one in self.said:
            r, on = one["record"], one["on"]
            for uid, name in r.get("classes", ()):
                born += [uid] * (uid not in born)
                if on:
                    names[uid] = name
                    gone.discard(uid)
                elif r.get("added") and uid not in names:
                    gone.add(uid)
            if not on:
                continue
            if r["op"] == "merge" and held(r["from"]) != held(r["into"]):
                into[held(r["from"])] = held(r["into"])
                gone.discard(held(r["into"]))
            order = r.get("order", order)
            colors |= dict(map(tuple, r.get("colors", ())))
            labels |= dict(zip(r.get("serials", ()), r.get("labels", ())))
            gone |= {*r.get("deletes", ())}
            told = r.get("flags", {})
            for row in told.get("rows", ()):
                flags |= {(name, row) for name in told.get("set", ())}
                flags -= {(name, row) for name in told.get("clear", ())}
                if "note" in told:
                    notes[row] = told["note"]
            self.tell_sets(r.get("sets", {}), sets)
        named = self.told_apart({uid: names.get(uid, uid) for uid in sorted(born, key=gone.union(into).__contains__)})
        labels = {row: held(uid) for row, uid in labels.items() if uid is not None}
        wanted = {uid for (_, uid), yes in sets.items() if yes}
        shown = [
            uid
            for uid in dict.fromkeys([*order, *born])
            if uid not in into and (uid not in gone or uid in labels.values() or uid in wanted)
        ]
        targets = {}
        for (row, uid), yes in sets.items():
            now = held(uid)
            if (yes or now == uid) and (now in shown or now not in gone):
                targets[row, now] = targets.get((row, now), False) or yes
        notes = {row: text for row, text in notes.items() if text}
        return labels, [(uid, named[uid]) for uid in shown], colors, flags, notes, targets

    @staticmethod
    def told_apart(names):
        "Of two classes that ended up with one name, by an undo or by two people, the later one has a number."
        taken = set()
        for uid, name in names.items():
            numbered = (f"{name} ({k})" for k in range(2, 10_000))
            names[uid] = name if name not in taken else next(one for one in numbered if one not in taken)
            taken.add(names[uid])
        return names

    @staticmethod
    def tell_sets(told, sets):
        if told.get("clear"):
            for key in [key for key in sets if key[0] in told["rows"]]:
                del sets[key]
        for k, row in enumerate(told.get("rows", ())):
            for place, uid in enumerate(told.get("of", ())):
                if "each" not in told:
                    sets.setdefault((row, uid), False)
                elif place not in told.get("open", [[]] * len(told["rows"]))[k]:
                    sets[row, uid] = place in told["each"][k]
            sets |= {(row, uid): True for uid in told.get("yes", ())}
            sets |= {(row, uid): False for uid in told.get("no", ())}
        for uid in told.get("forget", ()):
            for key in [key for key in sets if key[1] == uid]:
                del sets[key]


def state_of(store):
    view = store.log.view
    labels = {int(r): view.uids[view.codes[r]] for r in np.flatnonzero(view.codes >= 0)}
    shown = [(view.uids[k], view.names[k]) for k in view.shown]
    colors = {view.uids[k]: color for k, color in view.chosen.items()}
    flags = {(name, row) for name, rows in view.flags.rows.items() for row in rows}
    targets = {(int(r), view.uids[k]): bool(view.targets[r, k]) for r, k in np.argwhere(view.targets >= 0)}
    return labels, shown, colors, flags, dict(view.flags.notes), targets


def gesture(store, rng, step):  # of any kind
    rows, shown, ask = rng.sample(range(N), rng.randint(1, 4)), store.shown, store.answering
    pick = rng.choice(shown) if shown else None
    kinds = {
        "set": lambda: store.set(rows, pick),
        "each": lambda: store.set(rows, [rng.choice([*shown, None]) for _ in rows]),
        "clear": lambda: store.clear(rows),
        "add": lambda: store.add_class(rng.choice([f"n{step}", "e", "f", "g"]), undoable=True),
        "rename": lambda: store.rename_class(pick, rng.choice([f"r{step}", *"abcdefg"])),
        "merge": lambda: store.merge_classes(pick, rng.choice(shown)),
        "delete": lambda: store.delete_class(pick),
        "reorder": lambda: store.reorder_classes(rng.sample(shown, len(shown))),
        "recolor": lambda: store.recolor_class(pick, f"#{rng.randrange(1 << 24):06x}"),
        "flag": lambda: store.flag(rows, rng.choice(["unsure", "exclude", "star"]), rng.random() < 0.6),
        "note": lambda: store.note(rows, rng.choice([None, f"note {step}"])),
        "mark": lambda: ask.mark(rows, pick, rng.choice([True, True, False, None])),
        "answer": lambda: ask.answer(rows, [[k for k in shown if rng.random() < 0.4] for _ in rows]),
        "forget": lambda: ask.clear(rows),
    }
    often = [9, 4, 3, 3, 4, 3, 1.5, 2, 2, 4, 3, 4, 3, 1]
    kind = rng.choices([*kinds], often)[0]
    if pick is not None or kind in ("clear", "add", "flag", "note", "forget"):
        kinds[kind]()
    return kind


@pytest.mark.parametrize("seed", range(30 if FULL else 2))
def test_three_views_and_every_kind(tmp_path, monkeypatch, seed):
    rng, model, path = random.Random(seed), Model(), tmp_path / "labels.csv"
    stores = [LabelStore(path, N, classes=CLASSES, poll=3600) for _ in range(3)]
    real, commit, busy, races, told = LogFile.append, SharedLog.commit, [], [0], []

    def append(self, lines):
        "Between a decision and its line, or between a line and its acknowledgement, another process compacts."
        mine = next((k for k, s in enumerate(stores) if s.log.file is self), None)
        early = rng.random() < 0.5

        def other():
            others = [s for k, s in enumerate(stores) if k != mine and not s.closed]
            if busy or mine is None or not others or rng.random() > 0.15:
                return
            busy.append(1)
            try:
                rng.choice(others).compact(keep=rng.choice([0, 1, 3, 10]))
            finally:
                busy.pop()
            races[0] += 1

        if early:
            other()
        real(self, lines)
        if not early:
            other()

    def heard(self, record):
        done = commit(self, record)
        told.append(record)
        return done

    monkeypatch.setattr(LogFile, "append", append)
    monkeypatch.setattr(SharedLog, "commit", heard)
    stores[0].set([0], "a")
    model.add(0, told.pop())
    for step in range(1000 if FULL else 100):
        who = rng.randrange(3)
        s, what = stores[who], rng.random()
        s.sync()
        told.clear()
        if what < 0.55:
            try:
                what = gesture(s, rng, step)
            except ArgumentError:
                what = "refused"  # a name that is taken, two classes that are one
            for record in told:
                model.add(who, record)
        elif what < 0.85:
            want = model.undo(who) if what < 0.72 else model.redo(who)
            done = s.undo() if what < 0.72 else s.redo()
            if done is not None:
                model.switch(want, what >= 0.72)
            else:
                assert want is None or want["record"]["id"] not in {r["id"] for r, _ in s.log.records}, (seed, step)
        elif what < 0.9:
            s.close()
            stores[who] = LabelStore(path, N, poll=3600)
            for one in model.said:
                one["who"] = 3 + step if one["who"] == who else one["who"]
        else:
            s.compact(keep=rng.choice([0, 2, 5, 20]))
        expected = model.state()
        for k, other in enumerate(stores):
            other.sync()
            for name, a, b in zip("labels shown colors flags notes targets".split(), state_of(other), expected):
                assert a == b, (seed, step, who, k, what, name)
    assert races[0] > 2
    for s in stores:
        s.close()
    with LabelStore(path, N) as again:
        assert state_of(again) == model.state()


def test_merged_classes_are_read_while_others_merge():
    "Whoever reads holds no lock; what is read belongs to one moment."
    s, faults, done, reads = LabelStore(None, 50, classes=400), [], threading.Event(), []

    def read():
        try:
            while not done.is_set():
                view, retired = s.log.view, s.retired
                merged = view.merged
                assert (
                    retired == sorted(retired)
                    and view.retired == sorted(merged)
                    and not {*merged.values()} & {*merged}
                    and {*merged} <= {*range(view.n_classes)}
                )
                reads.append(len(merged))
        except Exception as e:
            faults.append(e)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(3):
            for k in range(399):
                s.merge_classes(k, k + 1)
            assert s.merged == dict.fromkeys(range(399), 399)
            for _ in range(399):
                s.undo()
            assert s.merged == {} and s.retired == []
    finally:
        done.set()
    reader.join(60)
    assert not faults and len({*reads}) > 10
