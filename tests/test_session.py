"""The session under real threads: nothing is lost, nothing hangs, and Python can end at any moment."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from waiting import until

from ssvae_widgets import LabelingSession, SSVAEConfig, load_digits
from ssvae_widgets.model.compile_cache import PROGRAMS
from ssvae_widgets.model.step import train_epoch

SMALL = SSVAEConfig(encoder_type="dense", hidden_dims=(32, 16), latent_dim=2, batch_size=64, consistency_weight=0.0)


@pytest.fixture(scope="module")
def digits():
    return load_digits()


@pytest.fixture
def session(digits, tmp_path):
    images, truth = digits
    with LabelingSession(images[:600], labels=tmp_path / "labels.csv", truth=truth[:600], config=SMALL) as s:
        yield s


def test_labels_made_while_training_are_kept_and_used(session):
    session.train(100_000)
    until(lambda: session.training.epoch >= 1)
    for i in range(100):
        session.label(i, int(session.truth[i]), source="key")
    assert session.training.running, "labeling did not wait for training"
    assert (session.codes[:100] == session.truth[:100]).all()
    seen = session.training.epoch
    until(lambda: session.training.epoch > seen + 2)
    session.stop()
    assert session.wait(300)
    assert session.examination.seq == session.seq
    assert session.training.metrics["accuracy"] > 0


def test_many_threads_label_undo_and_train(session):
    rng, errors = np.random.default_rng(0), []

    def work(seed):
        r = np.random.default_rng(seed)
        try:
            for _ in range(30):
                match r.integers(6):
                    case 0:
                        session.undo()
                    case 1:
                        session.clear(r.integers(0, 600, 3))
                    case 2:
                        session.train(1)
                    case 3:
                        session.stop()
                    case 4:
                        session.suggest(2)
                    case _:
                        session.label(r.integers(0, 600, 5), int(r.integers(10)))
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=work, args=(k,)) for k in rng.integers(0, 1000, 4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert not errors and not any(t.is_alive() for t in threads)
    session.stop()
    assert session.wait(300)
    assert session.training.phase == "idle" and not session.events.errors
    assert session.n_labeled == (session.codes >= 0).sum() == session.counts.sum()
    assert session.training.total == len(session.history.get("loss", []))


def test_a_failing_run_says_so_and_leaves_labels_and_worker_alone(session, monkeypatch):
    session.prepare()
    session.wait(300)
    heard = []
    session.subscribe(heard.append)
    session.label(3, 1)
    monkeypatch.setattr(
        session.trainer,
        "train_epochs",
        lambda *a, **k: (_ for _ in ()).throw(FloatingPointError("the loss is not finite")),
    )
    session.train(2)
    assert session.wait(300)
    assert [e["message"] for e in heard if e["type"] == "error"] == ["Training failed: the loss is not finite"]
    assert session.training.phase == "idle" and session.codes[3] == 1
    monkeypatch.undo()
    session.train(1)
    assert session.wait(300) and session.training.epoch == 1


def test_a_second_session_on_the_same_file_sees_the_labels(digits, tmp_path):
    images, _ = digits
    with (
        LabelingSession(images[:50], labels=tmp_path / "l.csv") as one,
        LabelingSession(images[:50], labels=tmp_path / "l.csv") as two,
    ):
        one.label([1, 2], 3)
        until(lambda: (two.codes[[1, 2]] == 3).all())
        two.label(4, 5)
        until(lambda: one.codes[4] == 5)


def test_reopening_with_a_checkpoint_goes_on_from_it(session, tmp_path):
    session.train(2)
    session.wait(300)
    session.model.save(tmp_path / "m.ckpt")
    with LabelingSession(session.images, labels=None, model=tmp_path / "m.ckpt") as again:
        again.prepare()
        assert again.wait(300)
        assert again.answer == "network" and again.model.epoch == 2
        np.testing.assert_allclose(again.probs, session.model.predict_proba(session.images), atol=1e-5)


LONG = SSVAEConfig(encoder_type="conv", latent_dim=2, batch_size=16, consistency_weight=0.0)


def test_a_long_epoch_stops_within_two_seconds_and_keeps_what_it_learned(digits, monkeypatch):
    begun, call = [], PROGRAMS.call
    monkeypatch.setattr(PROGRAMS, "call", lambda program, *a: (begun.append(program), call(program, *a))[1])
    images = np.tile(digits[0], (6, 1, 1))
    with LabelingSession(images, None, config=LONG) as s:
        s.train(1)
        assert s.wait(200)
        step, weights = s.model.step, {k: np.asarray(v).copy() for k, v in s.model.params.items()}

        def pieces():
            return begun.count(train_epoch)

        before = pieces()
        s.train(50)
        until(lambda: pieces() >= before + 2)  # one is done
        began, before = time.monotonic(), pieces()
        s.stop()
        until(lambda: not s.trainer.training)
        assert time.monotonic() - began < 2 or pieces() <= before + 1, (
            "a machine on which a piece takes longer ends with the piece that has begun"
        )
        assert s.wait(300) and s.training.phase == "idle"
        assert s.model.step > step and any((np.asarray(v) != weights[k]).any() for k, v in s.model.params.items())
        assert s.training.total == s.model.epoch == len(s.history["loss"])
        assert s.model.step % step == 0 or (s.history["share"][-1] < 1 and "of it" in s.training.message)
        repeated = s.replay()
        assert all(np.array_equal(np.asarray(p), np.asarray(s.model.params[k])) for k, p in repeated.params.items())


def test_features_of_the_network_make_the_graph_after_a_run(session):
    session.train(1)
    assert session.wait(300)
    np.testing.assert_allclose(session.features, session.model.features(session.images), atol=1e-5)
    with session.predictions.propagator(session.features) as graph:
        first = graph
    with session.predictions.propagator(session.predictions.pixels) as graph:
        assert graph is not first


def test_train_pressed_while_the_last_frame_is_drawn_is_not_lost(session, monkeypatch):
    session.prepare()
    assert session.wait(120)
    look, late = session.network.look, []

    def slow(*args, **kw):
        if kw.get("final") and len(late) < 3:
            late.append(session.training.phase)
            if len(late) == 2:
                session.stop()
            session.train(2)
        return look(*args, **kw)

    monkeypatch.setattr(session.network, "look", slow)
    session.train(1)
    assert session.wait(300)
    assert session.training.phase == "idle" and session.training.total == 1 + 3 * 2 and late[0] == "training"


def test_thirty_rounds_keep_memory_and_disk_level(digits, tmp_path):
    images = digits[0][:300]
    with LabelingSession(images, tmp_path / "labels.csv", config=SMALL) as s:
        sizes = []
        for k in range(30):
            s.label(k, int(digits[1][k]))
            s.train(1)
            assert s.wait(300)
            s.jobs.forget("state")  # or its file is replaced while we look
            sizes.append(sum(p.stat().st_size for p in s.folder.path.iterdir()))
        assert len(s.rounds) == 31 and sum(s.rounds.restorable) == 3 and not s.rounds.held
        frames = [p.stat().st_size for p in s.folder.path.glob("*.frame")]
        assert max(frames) < 7 * 300 + 1500 and sizes[-1] - sizes[4] < 26 * (max(frames) + 2000), (
            "after the ring is full only frames, and a line for each epoch, are added"
        )


def test_a_second_session_in_the_same_process_goes_on_with_the_rounds_of_the_first(digits, tmp_path):
    images = digits[0][:100]
    with LabelingSession(images, tmp_path / "l.csv", config=SMALL) as one:
        one.train(1)
        assert one.wait(300)
        with LabelingSession(images, tmp_path / "l.csv", config=SMALL) as two:
            two.train(1)
            assert two.wait(300)
            assert two.folder.mine and not one.folder.mine and [f["epochs"] for f in two.rounds.facts] == [0, 1, 2]
    assert len(list((tmp_path / "l.csv.session").glob("*.frame"))) == 3 and not list(tmp_path.glob("*.beside-*"))


def test_labels_begun_anew_do_not_find_the_old_rounds(digits, tmp_path):
    images = digits[0][:100]
    with LabelingSession(images, tmp_path / "l.csv", config=SMALL) as s:
        s.label(3, 1)
        s.train(1)
        assert s.wait(300)
    for p in tmp_path.glob("l.csv*"):
        if p.is_file():
            p.unlink()
    with LabelingSession(images, tmp_path / "l.csv", config=SMALL) as s:
        assert len(s.rounds) == 0 and s.resume.number is None
        s.label(4, 1)
        s.train(1)
        assert s.wait(300)
    aside = [p for p in tmp_path.iterdir() if p.name.startswith("l.csv.session.")]
    assert len(aside) == 1 and list(aside[0].glob("*.ckpt")), "the old folder is put aside, not destroyed"


def test_another_configuration_begins_anew_and_damaged_rounds_do_not_stop_a_session(digits, tmp_path):
    images = digits[0][:100]
    with LabelingSession(images, tmp_path / "l.csv", config=SMALL) as s:
        s.train(1)
        assert s.wait(300)
    with LabelingSession(images, tmp_path / "l.csv", config=SMALL.replace(hidden_dims=(8,))) as s:
        assert s.resume.number is None and "another configuration" in s.message
        s.prepare()
        assert s.wait(300) and not s.model.trained
    for p in (tmp_path / "l.csv.session").glob("*.*"):
        p.write_bytes(p.read_bytes()[: p.stat().st_size // 2])
    with LabelingSession(images, tmp_path / "l.csv", config=SMALL) as s:
        s.train(1)
        assert s.wait(300) and s.training.total == 1 and len(s.rounds) == 2


def test_a_kernel_that_is_killed_goes_on_from_its_last_round(tmp_path):
    """SIGKILL in the middle of a run: the labels are all there, the model is that of the last round, and the record
    repeats it."""
    code = f"""
import os, signal, time
from ssvae_widgets import LabelingSession, SSVAEConfig, load_digits
images, truth = load_digits()
config = SSVAEConfig(encoder_type='dense', hidden_dims=(16,), latent_dim=2, augmentation='none')
s = LabelingSession(images[:300], {str(tmp_path / "l.csv")!r}, config=config)
for i in range(20): s.label(i, int(truth[i]))
s.train(2); s.wait()
s.train(100000)
while s.training.epoch < 2 and s.training.running: time.sleep(0.01)
assert s.training.running, s.message
s.label(20, int(truth[20]))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.returncode == -9, done.stderr[-2000:]
    images, truth = load_digits()
    with LabelingSession(images[:300], tmp_path / "l.csv") as s:
        assert s.n_labeled == 21 and (s.codes[:21] == truth[:21]).all()
        s.prepare()
        assert s.wait(300) and s.model.epoch == s.training.total == 2
        s.train(1)
        assert s.wait(300) and s.training.total == 3
        repeated = s.replay()
        assert all(np.array_equal(np.asarray(p), np.asarray(s.model.params[k])) for k, p in repeated.params.items())


def test_a_standing_does_not_flatter(digits):
    "The estimate must not come from features that were trained on the labels it leaves out."
    images, truth = digits
    with LabelingSession(images, None, truth=truth, config=SMALL) as s:
        for i in np.random.default_rng(3).permutation(len(images))[:60]:
            s.label(int(i), int(truth[i]))
        s.train(15)
        assert s.wait(120)
        until(lambda: s.standing is not None and s.standing.epochs == 15)
        assert s.standing.low - 0.1 < s.standing.truth < s.standing.high + 0.1, s.standing


def test_going_back_to_weights_that_newer_rounds_have_just_replaced(digits):
    with LabelingSession(digits[0][:200], classes=10, config=SMALL) as session:
        session.label(np.arange(6), 0)
        session.train(1)
        assert session.wait(300)
        session.train(1)
        assert session.wait(300)
        heard, before, go = [], session.training.total, threading.Event()
        session.subscribe(heard.append)
        session.jobs.ask("something long", job=go.wait)
        session.goto(1)
        for path in session.rounds.folder.glob("round-*.ckpt"):
            path.unlink()
        go.set()
        assert session.wait(300)
        assert (
            session.training.total == before
            and "replaced by newer rounds" in session.message
            and "nothing was changed" in session.message
        )
        assert not [e for e in heard if e["type"] == "error"]
