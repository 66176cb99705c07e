"""Three views of one file, any order of gestures, compactions at the worst moments: against a model that knows
nothing of logs."""

import os
import random
import threading

import numpy as np
import pytest

from ssvae_widgets import LabelStore
from ssvae_widgets.labels.log import LogFile

FULL = os.environ.get("SSVAE_WIDGETS_FAULTS") == "full"
N = 40


class Model:
    "Gestures in the order in which they were acknowledged, each switched on or off."

    def __init__(self, classes):
        self.gestures, self.names0 = [], {c: c for c in classes}

    def add(self, who, id, **what):
        self.gestures.append({"who": who, "id": id, "on": True, **what})
        for g in self.gestures:
            if g["who"] == who and not g["on"]:
                g["redo"] = False

    def newest(self, who, on):
        "What undo takes back, or redo brings back: redo in the order of the undos."
        if on:
            return next((g for g in reversed(self.gestures) if g["who"] == who and g["on"]), None)
        return max(
            (g for g in self.gestures if g["who"] == who and not g["on"] and g.get("redo")),
            key=lambda g: g["redo"],
            default=None,
        )

    def names(self):
        names = dict(self.names0)
        for g in self.gestures:
            if g["on"] and "rename" in g:
                names[g["rename"][0]] = g["rename"][1]
        seen, out = set(), {}
        for uid, name in names.items():
            k, free = 1, name
            while free in seen:
                k += 1
                free = f"{name} ({k})"
            seen.add(free)
            out[uid] = free
        return out

    def labels(self):
        holder = {}

        def top(uid):
            while uid in holder:
                uid = holder[uid]
            return uid

        rows = {}
        for g in self.gestures:
            if not g["on"]:
                continue
            if "merge" in g:
                a, b = map(top, g["merge"])
                if a != b:
                    holder[a] = b
            if "rows" in g:
                for r in g["rows"]:
                    rows[r] = g["label"]
        names = self.names()
        return {r: names[top(uid)] for r, uid in rows.items() if uid is not None}


def have(store):
    return {int(r): store.classes[store.codes[r]] for r in np.flatnonzero(store.codes >= 0)}


def log_ids(store):
    return {r["id"] for r, _ in store.log.records}


@pytest.mark.parametrize("seed", range(30 if FULL else 3))
def test_three_views_agree_with_a_model(tmp_path, monkeypatch, seed):
    rng = random.Random(seed)
    classes = ["a", "b", "c", "d"]
    path, model, free = tmp_path / "labels.csv", Model(classes), [f"n{k}" for k in range(400)]
    stores = [LabelStore(path, N, classes=classes, poll=3600) for _ in range(3)]
    stores[0].set([0], "a")
    model.add(0, "first", rows=[0], label="a")
    real, busy, races = LogFile.append, [], [0]

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

    monkeypatch.setattr(LogFile, "append", append)
    undone = 0
    for step in range(3400 if FULL else 350):
        who = rng.randrange(3)
        s, what = stores[who], rng.random()
        s.sync()
        names = model.names()
        if what < 0.45:
            rows, uid = rng.sample(range(N), rng.randint(1, 4)), rng.choice([*classes, None])
            g = s.set(rows, None if uid is None else names[uid])
            model.add(who, g.id, rows=rows, label=uid)
        elif what < 0.70:
            want, g = model.newest(who, True), s.undo()
            if g is None:
                assert want is None or want["id"] not in log_ids(s), (seed, step)
            else:
                want["on"], undone = False, undone + 1
                want["redo"] = undone
        elif what < 0.82:
            want, g = model.newest(who, False), s.redo()
            if g is None:
                assert want is None or want["id"] not in log_ids(s), (seed, step)
            else:
                want["on"], want["redo"] = True, False
        elif what < 0.90:
            uid, name = (
                rng.choice(classes),
                free.pop() if rng.random() < 0.5 or len(free) > 390 else rng.choice(["a", "b", "c", "d", "n399"]),
            )
            if name in names.values():
                continue
            g = s.rename_class(names[uid], name)
            model.add(who, g.id, rename=(uid, name))
        elif what < 0.93:
            a, b = rng.sample(classes, 2)
            try:
                g = s.merge_classes(names[a], names[b])
            except ValueError:
                continue
            model.add(who, g.id, merge=(a, b))
        else:
            s.compact(keep=rng.choice([0, 2, 5, 20]))
        for other in stores:
            other.sync()
        for k, other in enumerate(stores):
            assert have(other) == model.labels(), (seed, step, who, k, round(what, 2))
    assert races[0] > 5 and undone > 20
    for s in stores:
        s.close()
    with LabelStore(path, N) as again:
        assert have(again) == model.labels()


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
