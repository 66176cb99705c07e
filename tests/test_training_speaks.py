"""What a run says of itself, that it can be stopped at any moment, and what more labels would buy."""

import threading
import time

import numpy as np
import pytest
from waiting import until

from ssvae_widgets.config import SSVAEConfig
from ssvae_widgets.data.image_set import ImageSet
from ssvae_widgets.data.standard import load_digits
from ssvae_widgets.model import loop, measured
from ssvae_widgets.session.session import LabelingSession

PLAIN = SSVAEConfig(
    encoder_type="dense", hidden_dims=(16,), latent_dim=2, batch_size=64, consistency_weight=0.0, augmentation="none"
)
WIDE = PLAIN.replace(latent_dim=8)

DIGITS, TRUTH = load_digits()
MANY = np.tile(DIGITS, (12, 1, 1))
DENSE = SSVAEConfig(encoder_type="dense", hidden_dims=(96, 48), graph_epochs=0)


@pytest.fixture
def statuses():
    return []


def session(images, statuses, labels=None, **more):
    s = LabelingSession(images, labels, classes=10, features=None, **{"config": DENSE, **more})
    s.subscribe(lambda event: statuses.append(event["status"]) if event["type"] == "training" else None)
    return s


def test_a_long_epoch_tells_batches_and_what_is_left_and_moves_the_map(statuses, monkeypatch):
    from ssvae_widgets.session import pace

    monkeypatch.setattr(pace, "EARLY", 0.0)
    _call = loop.PROGRAMS.call

    def slow(function, static, args):
        if function is loop.train_epoch:
            time.sleep(1.2)
        return _call(function, static, args)

    with session(MANY, statuses) as s:
        s.prepare()
        until(lambda: s.trainer and not s.trainer.compiling and not s.network.warming.is_alive(), 120)
        monkeypatch.setattr(loop.PROGRAMS, "call", slow)
        maps = []
        s.subscribe(lambda event: maps.append(s.training.epoch) if event["type"] == "map" else None)
        s.train(1)
        assert s.wait(120)
        first = [t for t in statuses if t.epoch == 0 and t.batches and t.total == 0]
        assert [t.batch for t in first] == sorted(t.batch for t in first) and first[-1].batches >= 2 * first[0].batch
        assert all(t.eta > 0 or t.batch == t.batches for t in first)
        assert all(t.doing in ("training", "drawing the map", "") for t in first)
        pieces = first[0].batches / first[0].batch
        assert 1.2 * pieces < first[0].seconds < 9 * pieces  # an epoch, by its first piece
        assert 0 in maps, "the map moves inside the first epoch"
    doings = [t.doing for t in statuses]
    assert doings[-1] == "" and statuses[-1].phase == "idle" and statuses[-1].batches == 0
    last = max(k for k, d in enumerate(doings) if d == "drawing the map")
    assert statuses[last].epoch == 1, "the last frame is named while it is drawn"


def test_a_stop_does_not_wait_for_the_compiler(statuses, monkeypatch):
    gate, compiling = threading.Event(), threading.Event()
    _get = measured.PROGRAMS.get

    def stuck(function, static, args):
        if function is loop.train_epoch:
            compiling.set()
            gate.wait(60)
        return _get(function, static, args)

    monkeypatch.setattr(measured, "MEASURED", measured.Measured())  # nothing is known from earlier runs
    monkeypatch.setattr(measured.PROGRAMS, "get", stuck)
    with session(DIGITS[:300], statuses, config=DENSE.replace(hidden_dims=(41, 23))) as s:
        s.train(3)
        assert compiling.wait(60)
        until(lambda: s.training.doing == "compiling", 60)
        assert s.training.last_time == 0, "nobody has measured it: no number is made up"
        began = time.monotonic()
        s.stop()
        assert not s.training.running and time.monotonic() - began < 1
        assert s.training.message == "Stopped before the first epoch" and not s.history
        assert s.label([3], "3") is not None or s.n_labeled == 1, "labels go on meanwhile"
        gate.set()
        s.train(1)  # the program is there, or will be: the next run uses it
        assert s.wait(120) and s.training.total == 1 and s.training.message == "Trained 1 epoch"


def test_a_stop_does_not_wait_for_the_map_and_a_new_run_may_begin_meanwhile(statuses):
    with session(DIGITS[:300], statuses) as s:
        s.train(1)
        assert s.wait(120)
        gate, drawing = threading.Event(), threading.Event()
        embed = s.model.embed

        def slow(*how):
            drawing.set()
            gate.wait(60)
            return embed(*how)

        s.model.embed = slow
        s.train(50)
        assert drawing.wait(60)
        s.stop()
        assert not s.training.running and s.training.message.startswith("Stopped")
        ended = s.training.total
        s.train(2)
        gate.set()
        assert s.wait(120)
        assert s.training.message == "Trained 2 epochs" and s.training.epoch == 2
        assert ended <= s.training.total - 2 <= ended + 1 and len(s.history["loss"]) == s.training.total


def test_before_a_run_stands_what_an_epoch_takes_and_where_that_is_from(statuses):
    with session(DIGITS, statuses, config=DENSE.replace(hidden_dims=(37, 29))) as s:
        s.prepare()
        until(lambda: s.training.ahead > 0, 120)
        assert "measured" in s.training.ahead_from and "batch" in s.training.ahead_from
        assert s.training.total == 0 and not s.model.trained, "the measured piece is thrown away"


def label(s, rows):
    "A gesture for each class."
    for code in np.unique(TRUTH[rows]):
        s.label(rows[TRUTH[rows] == code], str(code))


def test_the_outlook_is_silent_with_few_labels_and_stays_within_the_answers_that_change():
    rng = np.random.default_rng(0)
    order = rng.permutation(len(DIGITS))
    with session(DIGITS, []) as s:
        s.network.prepare = lambda: None
        label(s, order[:30])
        until(lambda: 25 <= s.outlook.labels <= 30, 60)
        assert not s.outlook.known and "not known yet" in s.outlook.message
        label(s, order[30:140])
        until(lambda: s.outlook.labels >= 130, 60)  # of copies among the digits one is counted
        assert s.outlook.known and -0.1 < s.outlook.low <= 0 <= s.outlook.high < 0.1
        before = (s.pred == TRUTH).mean()
        label(s, order[140:160])
        assert s.wait(60)
        told = s.outlook
        assert told.low <= (s.pred == TRUTH).mean() - before <= told.high + 0.01


def test_a_folder_without_classes_is_trained_and_says_so():
    files = ImageSet(np.random.default_rng(0).random((40, 8, 8)), names=[f"{k}.png" for k in range(40)])
    with LabelingSession(files, None, config=PLAIN, features=None) as s:
        s.subscribe(lambda event: problems.append(event) if event["type"] == "error" else None)
        problems = []
        assert s.n_classes == 0 and s.accuracy.n == 0
        s.train(1)
        assert s.wait(120) and s.training.message == "Trained 1 epoch" and not problems


def test_an_opened_model_goes_on_from_the_map_that_is_on_show(tmp_path):
    images = np.random.default_rng(0).random((60, 8, 8), np.float32)
    with LabelingSession(images, None, classes=2, config=WIDE) as s:
        s.train(1)
        assert s.wait(120)
        s.model.save(tmp_path / "m.ckpt")
    with LabelingSession(images, None, classes=2, model=tmp_path / "m.ckpt") as s:
        s.prepare()
        assert s.wait(120) and s.model.map_head is not None
        seen = s.predictions.view.xy
        np.testing.assert_array_equal(s.model.map.shown, seen)
        s.train(1)
        assert s.wait(120)
        now = s.predictions.view.xy
        assert np.corrcoef((now - now.mean(0)).ravel(), (seen - seen.mean(0)).ravel())[0, 1] > 0.5
        assert 0.9 < now.std() / seen.std() < 1.1


def test_a_look_that_fails_draws_no_map_for_ever(monkeypatch):
    with LabelingSession(np.random.default_rng(0).random((40, 8, 8)), None, classes=2, config=PLAIN) as s:
        s.prepare()
        assert s.wait(120)
        monkeypatch.setattr(type(s.model), "features", lambda *a: (_ for _ in ()).throw(MemoryError("no room, none")))
        s.train(1)
        until(lambda: not s.training.running and "no room, none" in s.training.message)
        assert s.training.doing == ""
        monkeypatch.undo()
        s.train(1)
        assert s.wait(120) and s.training.message == "Trained 1 epoch"


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": {"piece": 1%s}}' % ("0" * 400), "[1]", "\udcff", ""])
def test_damaged_measurements_are_none(tmp_path, text):
    path = tmp_path / "measured.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    kept = measured.Measured(path)
    assert np.isnan(kept.get("a", "piece"))
    kept.note("a", "piece", 0.5)
    assert measured.Measured(path).get("a", "piece") == 0.5
    path.write_text('{"a": {"piece": 9.0}}')  # of another process, older than what was measured here
    kept.note("b", "piece", 1.0)
    assert kept.get("a", "piece") == 0.5
