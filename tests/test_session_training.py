"""Training in a session: rounds, going back, training by itself, kills in long runs, and what is proposed and answered
meanwhile."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from sessions import CONFIG, IMAGES, TRUTH, Hold, session, trained
from waiting import until

from ssvae_widgets import LabelingSession, LabelStore
from ssvae_widgets.config import SSVAEConfig
from ssvae_widgets.errors import ArgumentError, ClosedError
from ssvae_widgets.model.compile_cache import PROGRAMS
from ssvae_widgets.model.ssvae import SSVAE
from ssvae_widgets.model.step import count_compilations
from ssvae_widgets.session import predictions as answers
from ssvae_widgets.session.pace import AutoTrain


def test_a_project_that_is_open_twice_keeps_its_rounds(tmp_path):
    with session(classes=10) as s:
        trained(s)
        s.save(tmp_path / "p")
    one = LabelingSession.open(tmp_path / "p")
    two = LabelingSession.open(tmp_path / "p")
    assert len(two.rounds) == len(one.rounds) == 2 and two.training.total == 1 and "took over" in two.message
    two.save(tmp_path / "p"), one.close(), two.close()
    with LabelingSession.open(tmp_path / "p") as again:
        assert len(again.rounds) == 2 and again.training.total == 1


def test_labels_of_another_name_in_the_project_folder_take_their_rounds_along(tmp_path):
    with session(tmp_path / "mine.csv") as s:
        s.label([1, 2], 3)
        s.next(), s.skip()
        skipped = s.queue.skipped
        trained(s)
        s.save(tmp_path)
    with LabelingSession.open(tmp_path) as again:
        assert len(again.rounds) == 2 and again.queue.skipped == skipped and again.training.total == 1


def test_stop_and_train_at_any_moment_end_idle():
    with session() as s:
        for _ in range(8):
            s.train(1)
            while s.training.target:
                s.stop()
            assert s.wait(300) and s.training.phase == "idle"
        assert trained(s).training.total >= 1


@pytest.mark.parametrize("what", ["weights", "frame", "folder"])
def test_damaged_rounds_do_not_end_training(tmp_path, what):
    with session(tmp_path / "l.csv") as s:
        s.label([1, 2], 3)
        trained(trained(s))
        if what != "weights":
            until(lambda: s.standing.epochs == 2 and s.standing.seq == s.seq)
            s.jobs.forget("state")  # nobody writes there while we destroy it
            for p in (tmp_path / "l.csv.session").glob("*.frame"):
                p.write_bytes(b"") if what == "frame" else p.unlink()
            if what == "folder":
                for p in (tmp_path / "l.csv.session").iterdir():
                    p.unlink()
                (tmp_path / "l.csv.session").rmdir()
            n = len(s.rounds)
            assert len(trained(s).rounds) == n + 1 and s.rounds[n].epochs == 3 and not s.rounds.problem
    if what == "weights":
        newest = max((tmp_path / "l.csv.session").glob("*.ckpt"))
        data = bytearray(newest.read_bytes())
        data[-100] ^= 255
        newest.write_bytes(data)
        with session(tmp_path / "l.csv") as s:
            said = []
            s.subscribe(lambda e: said.append(e.get("message", "")))
            trained(s)
            assert s.training.total == 2 and any("older ones are taken" in m for m in said), (
                "one epoch less was known, one more was trained"
            )


def test_training_after_going_back_trains_from_there():
    with session() as s:
        trained(trained(s, 2))
        s.train(300)
        s.goto(1)
        s.train(2)
        assert s.wait(300) and s.training.total == 4 and s.model.epoch == 4
        with Hold(s):
            s.goto(-1)
            s.train(5)
            s.stop()
        assert s.wait(300) and s.training.total == 4, "stop takes back what waits"
        with pytest.raises(IndexError, match="There is no round 100; there are"):
            s.goto(99)


def test_accepted_predictions_are_not_judged():
    from ssvae_widgets.assess.accuracy import measure_accuracy

    class Voices:
        def leave_one_out(self):
            return np.flatnonzero(codes >= 0), np.eye(2)[codes[codes >= 0]]

    codes = np.r_[np.tile([0, 1], 10), np.full(20, -1)]
    assert measure_accuracy(Voices(), codes, codes, None, {}, 1, 1).value > 0.9
    assert np.isnan(measure_accuracy(Voices(), codes, codes, None, {}, 1, 1, accepted=np.arange(12)).value), (
        "eight are left"
    )
    with session() as s:
        for k in range(20):
            s.label(k, int(TRUTH[k]))
        assert s.wait(300) and s.probs is not None
        s.accept(np.arange(20, 60))
        s.label(30, int(TRUTH[30]))
        s.accept(70), s.undo()
        assert s.store.rows_with("accepted").tolist() == [*range(20, 30), *range(31, 60)]


@pytest.mark.parametrize("multilabel", [False, True])
def test_labels_of_a_run_are_answered_before_it_ends(multilabel):
    "The first labels of a session that trains already: nobody waits for the end of the run."
    with session(multilabel=multilabel) as s:
        s.train(100_000)
        until(lambda: s.training.epoch >= 1)
        assert s.source == "none"
        for k in range(12):
            s.answer_sets(k, [int(TRUTH[k])]) if multilabel else s.label(k, int(TRUTH[k]))
        until(lambda: s.source == ("sets" if multilabel else "graph"))
        assert s.training.running and s.probs.shape == (s.n_items, s.n_classes)
        s.stop()


def test_a_run_goes_on_when_its_labels_cannot_be_answered(monkeypatch):
    with session() as s:
        s.train(100_000)
        until(lambda: s.training.epoch >= 1)
        monkeypatch.setattr(answers.Predictions, "ask", lambda *a: 1 / 0)
        s.label(0, 1)
        until(lambda: "failed" in s.message)
        done = s.training.epoch
        until(lambda: s.training.epoch > done + 2)
        assert s.training.running
        s.stop()


def test_labels_that_rain_in_delay_no_epoch():
    """Outside of a run an answer waits for a gap between labels, up to a second; a run asks again before the next
    epoch."""
    with session() as s:
        s.train(100_000)
        until(lambda: s.training.epoch >= 1)
        row, seen, changed = 0, s.training.epoch, []
        while len(changed) < 20:
            s.label(row % 200, int(TRUTH[row % 200]))
            row += 1
            time.sleep(0.03)
            if s.training.epoch != seen:
                seen = s.training.epoch
                changed.append(time.monotonic())
        assert min(np.diff(changed)) < 0.9  # every one takes a second, where each waits
        s.stop()


def test_automatic_training_counts_items_and_can_be_switched_off():
    with session() as s:
        s.auto = AutoTrain(labels=10, epochs=1)
        for _ in range(6):
            s.label(3, 1)
            s.undo()
        assert s.wait(300) and s.training.total == 0
        for k in range(5):
            s.label(np.arange(10 * k, 10 * k + 10), k)
        assert s.wait(300) and s.training.total >= 1
        total = s.training.total
        with Hold(s):
            s.auto = AutoTrain(idle=0.3)
            s.label(150, 2)
            s.auto = AutoTrain()
        assert s.jobs.wait(300, late=True) and s.training.total == total
        for wrong in (5, True, None, "20", AutoTrain):
            with pytest.raises(ArgumentError, match="AutoTrain"):
                s.auto = wrong
        assert s.auto == AutoTrain()


def test_suspects_with_a_class_of_this_moment_and_rows_to_choose_from():
    with session() as s:
        for k in range(40):
            s.label(k, int(TRUTH[k]) if k % 4 else int(TRUTH[k] + 1) % 10)
        trained(s)
        s.store.add_class("new")
        found = [f.serial for f in s.suggest(8, "suspects")]
        assert found and s.suggest(8, "suspects", within=found[1:3])[0].serial in found[1:3]
        assert not {f.serial for f in s.suggest(40, "suspects", skip=found)} & set(found)


def test_what_waits_does_not_outlive_a_round():
    with session() as s:
        for k in range(20):
            s.label(k, int(TRUTH[k]))
        s.next()
        assert s.queue.waiting
        trained(s)
        assert not s.queue.waiting


def test_labels_of_an_earlier_day_are_answered_at_once(tmp_path):
    with session(tmp_path / "l.csv") as s:
        s.label([1, 2], 1), s.label([3, 4], 2)
    with session(tmp_path / "l.csv") as s:
        assert s.wait(300) and s.answer == "graph"
        s.accept(100)


def test_labels_of_others_while_a_session_is_made_are_answered(monkeypatch):
    store, features = LabelStore(None, len(IMAGES), classes=10), answers.pixel_features

    def slow(*a, **kw):
        store.set([1, 2], 1)
        time.sleep(0.2)
        return features(*a, **kw)

    monkeypatch.setattr(answers, "pixel_features", slow)
    with session(store) as s:
        assert s.wait(300) and s.message == "" and s.answer == "graph"


def test_a_record_with_missing_lines_is_completed_or_refused(tmp_path):
    from ssvae_widgets.session.journal import Journal

    record = Journal(tmp_path / "no" / "record.jsonl")
    record.add("start", seed=0)
    record.add("epoch", epoch=1)
    (tmp_path / "no").mkdir()
    record.add("epoch", epoch=2)
    assert [e.get("epoch") for e in Journal(record.path).events] == [None, 1, 2]
    with session() as s:
        trained(s, 3)
        s.record.events = [e for e in s.record.events if e.get("epoch") != 2]
        with pytest.raises(ValueError, match="lines are missing"):
            s.replay()


def test_a_record_of_another_version_is_repeated_with_a_warning(tmp_path):
    with session(tmp_path / "l.csv") as s:
        s.label(0, 1)
        trained(s, 2)
    file = tmp_path / "l.csv.session" / "record.jsonl"
    file.write_text(file.read_text().replace('"recipe"', '"of_later"'))  # as it was before
    with session(tmp_path / "l.csv") as s, pytest.warns(UserWarning, match="not to the same weights"):
        assert s.replay().epoch == s.training.total == 2


def test_a_folder_that_was_let_go_is_not_taken_back(tmp_path):
    with session(tmp_path / "l.csv") as s:
        s.label(1, 1)
        s.state.write()
        assert s.folder.mine
    s.state.write()  # of a job that outlived the closing
    assert not s.folder.mine
    with session(tmp_path / "l.csv") as again:
        assert again.folder.mine


def test_the_worker_does_not_wait_for_itself():
    with session() as s:
        heard = []

        def impatient(event):
            if event["type"] == "map":
                try:
                    s.wait(1)
                except RuntimeError as e:
                    heard.append(str(e))

        s.subscribe(impatient)
        trained(s)
        assert heard and "callback" in heard[0]


def test_a_kernel_killed_in_a_long_run_keeps_queue_and_weights(tmp_path):
    code = f"""
import os, signal, time
from ssvae_widgets import LabelingSession, SSVAEConfig, load_digits
images, truth = load_digits()
config = SSVAEConfig(
    encoder_type='dense', hidden_dims=(16,), latent_dim=2, batch_size=64, consistency_weight=0.0, augmentation='none'
)
s = LabelingSession(images[:200], {str(tmp_path / "l.csv")!r}, config=config)
for i in range(15): s.label(i, int(truth[i]))
s.train(100000)
while s.training.epoch < 3: time.sleep(0.01)
s.strategy = 'audit'
for _ in range(4): s.skip(); s.next(); time.sleep(0.4)
s.snapshots.weights_time -= 100
now = s.training.epoch
while not s.folder.path.joinpath('unfinished.ckpt').exists(): time.sleep(0.01)
now = s.training.epoch
while s.training.epoch < now + 3: time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=200, env={**os.environ, "XLA_FLAGS": ""}
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    with session(tmp_path / "l.csv") as s:
        assert s.n_labeled == 15 and s.training.total >= 3 and s.queue.skipped
        trained(s)
        assert not (tmp_path / "l.csv.session" / "unfinished.ckpt").exists()
        repeated = s.replay()
        assert all(np.array_equal(np.asarray(p), np.asarray(s.model.params[k])) for k, p in repeated.params.items())


def test_one_image_can_be_labeled_and_is_not_trained_on():
    with LabelingSession(np.ones((1, 6, 6), np.float32), None, classes=["a", "b"]) as s:
        assert s.label(0, "a").saved and s.wait(60) and s.codes.tolist() == [0]
        with pytest.raises(ValueError, match="one image only; training needs two or more"):
            s.train()


def test_two_folders_that_swap_their_names_stay_apart(tmp_path):
    "Images of two folders, as many in each: what is labeled and trained in one must not reach the other."
    here, there = tmp_path / "a", tmp_path / "b"
    with LabelingSession(1 - IMAGES, there / "labels.csv", config=CONFIG, classes=10) as other:
        other.label([7, 8], 3)
        trained(other)
    before = {p.relative_to(there): p.read_bytes() for p in there.rglob("*") if p.is_file()}
    with (
        pytest.warns(UserWarning, match="closed with labels that are not saved: .*another data set"),
        session(here / "labels.csv", classes=10) as s,
    ):
        s.label([1, 2], 1)
        trained(s)
        for old, new in ((here, tmp_path / "c"), (there, here), (tmp_path / "c", there)):
            old.rename(new)
        gesture = s.label([3], 2)
        assert not gesture.saved and s.store.status == "not saved" and "another data set" in s.store.message
        trained(s)
        s.next(), s.keep_view(color_by="truth")
        assert "replaced by another one" in s.message and s.codes[[1, 2, 3]].tolist() == [1, 1, 2] and not s.folder.mine
    after = {p.relative_to(here): p.read_bytes() for p in here.rglob("*") if p.is_file()}
    assert after == before
    with LabelingSession(1 - IMAGES, here / "labels.csv", config=CONFIG) as other:
        assert np.flatnonzero(other.codes >= 0).tolist() == [7, 8] and other.training.total == 1
    with session(there / "labels.csv") as s:
        assert s.codes[[1, 2]].tolist() == [1, 1] and s.training.total == 1 and len(s.rounds) == 2


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("epochs", 0),
        ("epochs", "10"),
        ("epochs", 10**400),
        ("look_share", 0),
        ("look_share", "x"),
        ("look_share", float("nan")),
    ],
)
def test_what_can_be_set_is_checked_when_it_is_set(name, wrong):
    with LabelingSession(np.zeros((9, 4, 4), np.uint8), None) as s:
        before = getattr(s, name)
        with pytest.raises(ArgumentError, match=f"{name} is"):
            setattr(s, name, wrong)
        assert getattr(s, name) == before


def test_a_proposal_and_a_callback_that_are_none_are_said():
    with LabelingSession(np.zeros((9, 4, 4), np.uint8), None) as s:
        with pytest.raises(ArgumentError, match="item is 3; expected a Suggestion"):
            s.go_to(3)
        with pytest.raises(ArgumentError, match="callback is None"):
            s.subscribe(None)


def test_going_back_after_the_end_is_refused_as_training_is(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (40, 6, 6), np.uint8)
    config = SSVAEConfig(latent_dim=2, hidden_dims=(8,), encoder_type="dense", decoder_type="dense")
    with LabelingSession(images, tmp_path / "labels.csv", config=config) as s:
        s.label(range(9), 1)
        s.train(1)
        assert s.wait(300)
        with LabelingSession(images, tmp_path / "labels.csv", config=config):
            with pytest.raises(ClosedError):
                s.goto(-1)
    with pytest.raises(ClosedError):
        s.goto(-1)


def test_labels_and_classes_compile_nothing_new():
    SSVAE((8, 8))  # JAX compiles what makes its seeds, once a process
    PROGRAMS.clear()  # the map of an earlier session would do for this one
    with count_compilations() as compiled, LabelingSession(IMAGES, classes=["0", "1"]) as s:
        rows = np.flatnonzero(TRUTH < 2)
        s.prepare()
        trained(s)  # nobody has labeled
        for some in (rows[:1], rows[1:8]):
            for row in some:
                s.label(int(row), int(TRUTH[row]))
            trained(s)
        s.label(int(np.flatnonzero(TRUTH == 2)[0]), s.store.add_class("2"))
        trained(s)
        s.network.warming.join()
        assert s.learned.wait_for_map(300) and s.learned.first_map.xy is not None  # by the program of the later maps
    assert compiled.count == 3, "the epochs, what reads them, the map"
    assert s.training.total == 4 and s.model.n_classes == 3
