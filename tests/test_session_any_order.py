"""Anything in any order, with real threads and broken disks: labels are what was said, the worker lives, and the
record repeats the model."""

import errno
import gc
import os
import shutil
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import ssvae_widgets.labels.log
import ssvae_widgets.session.rounds
from ssvae_widgets import LabelingSession, SSVAEConfig
from ssvae_widgets.session.pace import AutoTrain

N = 60
TINY = SSVAEConfig(
    encoder_type="dense",
    decoder_type="dense",
    hidden_dims=(8,),
    latent_dim=2,
    batch_size=32,
    augmentation="none",
    learning_rate=1e-3,
)
IMAGES = (np.random.default_rng(0).random((N, 4, 4)) * 0.3 + np.repeat([0.0, 0.3, 0.6], N // 3)[:, None, None]).astype(
    np.float32
)
rows = st.lists(st.integers(0, N - 1), min_size=1, max_size=4, unique=True)


class Broken(Exception):
    "What an injected fault raises."


class Session(LabelingSession):
    "A session that fails when told to."

    break_epoch = break_look = False

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        learn, look = self.network.labels_to_learn, self.network.look

        def labels_to_learn():
            if self.break_epoch:
                raise Broken("the epoch broke")
            return learn()

        def broken_look(*args, **kw):
            if self.break_look:
                raise Broken("the look broke")
            return look(*args, **kw)

        self.network.labels_to_learn, self.network.look = labels_to_learn, broken_look


class Machine(RuleBasedStateMachine):
    "The app as a person, a bad disk and a bad network would use it."

    @initialize()
    def begin(self):
        self.folder, self.full_disk, self.full_label_disk = Path(tempfile.mkdtemp()), False, False
        self.expected, self.undone = [np.full(N, -1)], []
        self.patch = pytest.MonkeyPatch()
        save, append = ssvae_widgets.session.rounds.save_checkpoint, ssvae_widgets.labels.log.append_bytes

        def full(active, function):
            def call(*args, **kw):
                if active():
                    raise OSError(errno.ENOSPC, "No space left on device")
                return function(*args, **kw)

            return call

        self.patch.setattr(ssvae_widgets.session.rounds, "save_checkpoint", full(lambda: self.full_disk, save))
        self.patch.setattr(ssvae_widgets.labels.log, "append_bytes", full(lambda: self.full_label_disk, append))
        self.open()
        for k in range(3):
            self.label([20 * k, 20 * k + 1], k)
        self.round([5], 0, 2, True)

    def open(self):
        self.session = Session(IMAGES, self.folder / "labels.csv", classes=3, config=TINY)
        self.heard = []
        self.session.subscribe(self.heard.append)
        self.session.subscribe(lambda event: 1 / 0)
        self.undone = [] if not self.session.store.can_redo else self.undone

    @rule(rows=rows, k=st.integers(0, 2))
    def label(self, rows, k):
        self.session.label(rows, k)
        self.said(rows, k)

    @rule(rows=rows)
    def clear(self, rows):
        rows = [i for i in rows if self.expected[-1][i] >= 0]
        if rows:
            self.session.clear(rows)
            self.said(rows, -1)

    def said(self, rows, code):
        now = self.expected[-1].copy()
        now[rows] = code
        self.expected, self.undone = [*self.expected, now], []

    @rule(rows=rows)
    def accept(self, rows):
        if self.session.probs is None:
            return
        self.session.accept(rows)
        codes = self.session.codes
        assert (codes[rows] >= 0).all()
        self.said(rows, codes[rows])

    @rule()
    def undo(self):
        gesture = self.session.undo()
        assert (gesture is None) == (len(self.expected) == 1)
        if gesture is not None:
            self.undone.append(self.expected.pop())

    @rule()
    def redo(self):
        gesture = self.session.redo()
        assert (gesture is None) == (not self.undone)
        if gesture is not None:
            self.expected.append(self.undone.pop())

    @rule(n=st.integers(1, 3))
    def train(self, n):
        self.session.train(n)

    @rule(rows=rows, k=st.integers(0, 2), n=st.integers(1, 2), patient=st.booleans())
    def round(self, rows, k, n, patient):
        "What people do most."
        self.label(rows, k)
        self.session.train(n)
        if patient:
            self.wait()

    @rule()
    def stop(self):
        self.session.stop()

    @rule()
    def wait(self):
        assert self.session.wait(300)

    @rule(what=st.sampled_from(["next", "skip", "back", "walk"]))
    def queue(self, what):
        getattr(self.session, what)()

    @rule(strategy=st.sampled_from(["auto", "start", "boundary", "suspects", "audit"]))
    def strategy(self, strategy):
        self.session.strategy = strategy

    @rule()
    def snapshot(self):
        self.session.snapshot()

    @rule(k=st.integers(0, 59))
    def goto(self, k):
        there = [k for k, kept in enumerate(self.session.rounds.restorable) if kept]
        if not there:
            return
        try:
            self.session.goto(there[k % len(there)])
        except (ValueError, IndexError):
            pass  # it has just left the ring

    @rule()
    def change_of_mind(self):
        "Two rounds, back to the first, and on from there."
        if self.full_disk or self.session.break_epoch or self.session.break_look:
            return
        for _ in range(2):
            self.session.train(1)
            self.wait()
        there = [k for k, kept in enumerate(self.session.rounds.restorable) if kept]
        if len(there) > 1:
            self.session.goto(there[-2])
        self.wait()
        self.session.train(1)

    @rule(labels=st.sampled_from([0, 1, 3]))
    def auto(self, labels):
        self.session.auto = AutoTrain(labels=labels, epochs=1)

    @rule(what=st.sampled_from(["break_epoch", "break_look"]), on=st.booleans())
    def fault(self, what, on):
        setattr(self.session, what, on)

    @rule(on=st.booleans())
    def disk(self, on):
        self.full_disk = on

    @rule(on=st.booleans())
    def label_disk(self, on):
        self.full_label_disk = on

    @precondition(lambda self: not self.full_label_disk)
    @rule()
    def reopen(self):
        self.session.store.flush()
        self.session.close(timeout=300)
        assert not self.session.jobs.alive
        self.open()

    @invariant()
    def labels_are_what_was_said(self):
        if hasattr(self, "session"):
            assert (self.session.codes == self.expected[-1]).all()

    def teardown(self):
        if not hasattr(self, "session"):
            return
        s = self.session
        s.auto, s.break_epoch, s.break_look, self.full_disk, self.full_label_disk = (
            AutoTrain(),
            False,
            False,
            False,
            False,
        )
        try:
            s.stop()
            assert s.wait(300) and s.training.phase == "idle" and s.training.target == 0
            s.train(1)
            assert s.wait(300) and s.training.phase == "idle", (s.training, s.message)
            if (s.codes >= 0).any():
                assert s.answer in s.sources and (s.answer != "network" or s.exams), "no network without evidence"
            assert s.training.total == s.model.epoch == len(s.history["loss"])
            strange = [
                e
                for e in self.heard
                if e["type"] == "error"
                and not isinstance(e["error"], (Broken, OSError))
                and "Broken" not in repr(e["error"])
            ]
            assert not strange, strange
            assert {type(e) for e in s.events.errors} == {ZeroDivisionError}
            assert s.store.flush() and s.store.saved
            self.repeats(s)
        finally:
            s.close(timeout=300)
            self.patch.undo()
        with LabelingSession(IMAGES, self.folder / "labels.csv", classes=3) as again:
            assert (again.codes == self.expected[-1]).all()
        assert not [t for t in threading.enumerate() if t.name == "ssvae-worker" and t.is_alive()] or gc.collect() >= 0
        shutil.rmtree(self.folder)

    def repeats(self, s):
        "The record gives the same parameters."
        repeated = s.replay()
        assert repeated.epoch == s.model.epoch
        for name, p in repeated.params.items():
            assert np.array_equal(np.asarray(p), np.asarray(s.model.params[name])), name


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=40 if os.environ.get("SSVAE_WIDGETS_FAULTS") == "full" else 4,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
