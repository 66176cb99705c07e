"""The session under real threads: nothing is lost, nothing hangs, and Python can end at any moment."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from ssvae_widgets import LabelingSession, SSVAEConfig, load_digits

SMALL = SSVAEConfig(encoder_type="dense", hidden_dims=(32, 16), latent_dim=2, batch_size=64, consistency_weight=0.0)


@pytest.fixture(scope="module")
def digits():
    return load_digits()


@pytest.fixture
def session(digits, tmp_path):
    images, truth = digits
    with LabelingSession(images[:600], labels=tmp_path / "labels.csv", truth=truth[:600], config=SMALL) as s:
        yield s


def until(condition, timeout=60):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.005)


@pytest.mark.parametrize("ending", ["", "s.wait()", "s.close(timeout=0)", "s.wait(); s.train(50)", "s.train(3); s.close()"])
def test_python_ends_cleanly_at_any_moment(ending):
    "A thread that compiles or trains when the interpreter ends must neither abort nor hang it."
    code = ("from ssvae_widgets import LabelingSession, SSVAEConfig, load_digits\n"
            "s = LabelingSession(load_digits()[0][:300], config=SSVAEConfig(encoder_type='dense', hidden_dims=(16,), latent_dim=2))\n"
            f"s.prepare()\n{ending}\nprint('end')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "end"), done.stderr[-2000:]


def test_labels_made_while_training_are_kept_and_used(session):
    session.train(400)
    until(lambda: session.training.epoch >= 1)
    for i in range(100):
        session.label(i, int(session.truth[i]), source="key")
    assert session.training.running, "labelling did not wait for training"
    assert (session.codes[:100] == session.truth[:100]).all()
    seen = session.training.epoch
    until(lambda: session.training.epoch > seen + 2)
    session.stop()
    assert session.wait(60)
    assert session._learned == session.seq
    assert session.training.metrics["accuracy"] > 0


def test_many_threads_label_undo_and_train(session):
    rng, errors = np.random.default_rng(0), []

    def work(seed):
        r = np.random.default_rng(seed)
        try:
            for _ in range(30):
                match r.integers(6):
                    case 0: session.undo()
                    case 1: session.clear(r.integers(0, 600, 3))
                    case 2: session.train(1)
                    case 3: session.stop()
                    case 4: session.suggest(2)
                    case _: session.label(r.integers(0, 600, 5), int(r.integers(10)))
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=work, args=(k,)) for k in rng.integers(0, 1000, 4)]
    for t in threads: t.start()
    for t in threads: t.join(120)
    assert not errors and not any(t.is_alive() for t in threads)
    session.stop()
    assert session.wait(60)
    assert session.training.phase == "idle" and not session.events.errors
    assert session.n_labeled == (session.codes >= 0).sum() == session.counts.sum()
    assert session.training.total == len(session.history.get("loss", []))


def test_a_failing_run_says_so_and_leaves_labels_and_worker_alone(session, monkeypatch):
    session.prepare()
    session.wait(60)
    heard = []
    session.subscribe(heard.append)
    session.label(3, 1)
    monkeypatch.setattr(session.trainer, "train_epochs", lambda *a, **k: (_ for _ in ()).throw(FloatingPointError("the loss is not finite")))
    session.train(2)
    assert session.wait(60)
    assert [e["message"] for e in heard if e["type"] == "error"] == ["Training failed: the loss is not finite"]
    assert session.training.phase == "idle" and session.codes[3] == 1
    monkeypatch.undo()
    session.train(1)
    assert session.wait(60) and session.training.epoch == 1


def test_a_second_session_on_the_same_file_sees_the_labels(digits, tmp_path):
    images, _ = digits
    with LabelingSession(images[:50], labels=tmp_path / "l.csv") as one, LabelingSession(images[:50], labels=tmp_path / "l.csv") as two:
        one.label([1, 2], 3)
        until(lambda: (two.codes[[1, 2]] == 3).all(), 5)
        two.label(4, 5)
        until(lambda: one.codes[4] == 5, 5)


def test_reopening_with_a_checkpoint_goes_on_from_it(session, tmp_path):
    session.train(2)
    session.wait(60)
    session.model.save(tmp_path / "m.ckpt")
    with LabelingSession(session.images, labels=None, model=tmp_path / "m.ckpt") as again:
        again.prepare()
        assert again.wait(60)
        assert again.answer == "network" and again.model.epoch == 2
        np.testing.assert_allclose(again.probs, session.model.predict_proba(session.images), atol=1e-5)
