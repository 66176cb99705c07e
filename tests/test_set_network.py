"""Networks that learn sets of classes: what is unknown is left out, checkpoints and replay, old ones as before, a
session that trains one and shows it only where it is better; and validation parts that share no group."""

import csv
import json

import numpy as np
import pytest

from ssvae_widgets import SSVAE, LabelingSession, SSVAEConfig
from ssvae_widgets.cli.infer import infer
from ssvae_widgets.cli.set_file import is_set_file, read_set_file
from ssvae_widgets.cli.train import train
from ssvae_widgets.errors import ArgumentError, DataError
from ssvae_widgets.io.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from ssvae_widgets.model.data_source import DataSource
from ssvae_widgets.model.trainer import InteractiveTrainer

RNG = np.random.default_rng(0)
TRUTH = (RNG.random((160, 3)) < [0.5, 0.4, 0.3]).astype(np.int8)
X = (TRUTH @ RNG.normal(size=(3, 8)) * 2 + 0.3 * RNG.normal(size=(160, 8))).astype(np.float32)
QUICK = dict(hidden_dims=(32,), use_contrastive=False, patience=0, batch_size=64, learning_rate=1e-2, ema_decay=0.9)
TINY = SSVAEConfig(max_epochs=30, **QUICK)
PLATES = np.repeat(np.arange(20), 8)


def answers(n=80):
    known = np.full(TRUTH.shape, np.nan)
    known[:n] = TRUTH[:n]
    known[:20, 2] = np.nan  # answered before there was a third class
    return known


@pytest.fixture(scope="module")
def fitted():
    model = SSVAE(8, TINY, classes=["a", "b", "c"])
    return model, model.fit(X, answers(), callbacks=None)


def test_a_network_learns_sets(fitted):
    model, history = fitted
    assert model.config.multilabel and history["macro_f1"][-1] == 1 and "accuracy" not in history
    assert history["bce"][-1] < history["bce"][0] / 2 and "classification_loss" not in history
    probs = model.predict_proba(X)
    assert ((probs >= 0.5) == TRUTH)[80:].mean() > 0.9 and np.abs(probs.sum(1) - 1).max() > 0.5
    _, _, sets, each = model.predict(X[:9])
    assert sets.dtype == bool and (sets == (probs[:9] >= 0.5)).all() and np.abs(each - probs[:9]).max() < 1e-5
    assert np.abs(model.snapshot().classify(X[:9]) - probs[:9]).max() < 1e-5


def test_what_nobody_has_said_teaches_nothing(fitted):
    model, history = fitted
    told = [[None if v != v else bool(v) for v in row] for row in answers()]  # unknown in another way
    again = SSVAE(8, TINY, classes=["a", "b", "c"])
    again.fit(X, told, callbacks=None)
    assert (np.asarray(again.params.vector) == np.asarray(model.params.vector)).all()
    one = answers()
    one[:, 1] = np.nan  # of the second class nobody says anything
    silent = SSVAE(8, TINY.replace(max_epochs=1), classes=["a", "b", "c"])
    silent.fit(X, one, callbacks=None)
    assert (silent.predict_proba(X)[:, 1] == 0).all(), "what was never taught is never said"


def test_checkpoints_say_of_which_kind_they_are(fitted, tmp_path):
    model, _ = fitted
    model.save(tmp_path / "sets.ckpt")
    again = SSVAE.from_checkpoint(tmp_path / "sets.ckpt")
    assert again.config.multilabel and (again.predict_proba(X) == model.predict_proba(X)).all()
    single = SSVAE(8, TINY.replace(max_epochs=1), classes=3)
    single.fit(X, TRUTH.argmax(1), callbacks=None)
    with pytest.raises(CheckpointError, match="learned sets of classes"):
        single.load_model_weights(tmp_path / "sets.ckpt")
    with pytest.raises(DataError, match="goes over"):
        single.fit(X, answers(), callbacks=None)
    with pytest.raises(DataError, match="can have several classes"):
        again.fit(X, TRUTH.argmax(1), callbacks=None)
    single.save(tmp_path / "single.ckpt")
    arrays, meta = load_checkpoint(tmp_path / "single.ckpt")
    del meta["config"]["multilabel"]  # as versions before sets have written it
    save_checkpoint(tmp_path / "old.ckpt", arrays, meta)
    old = SSVAE.from_checkpoint(tmp_path / "old.ckpt")
    assert not old.config.multilabel and (old.predict_proba(X) == single.predict_proba(X)).all()
    single.use_sets()  # somebody goes over to sets: what was learned of the images stays
    assert (np.asarray(single.params.vector) == np.asarray(old.params.vector)).all() and not single.progress.taught
    with pytest.raises(ValueError, match="pseudo-labels"):
        TINY.replace(multilabel=True, consistency_weight=1.0)


def test_more_classes_than_slots_and_images_from_disk(tmp_path):
    np.save(tmp_path / "x.npy", X)
    config = TINY.replace(multilabel=True, hold_out_labels=True, val_split=0.2)
    source = DataSource(np.load(tmp_path / "x.npy", mmap_mode="r"), config, piece_bytes=2000)
    model = SSVAE(8, config, classes=["a", "b", "c"])
    wide = np.concatenate([answers()] * 3, 1)  # nine: the head is widened
    history = model.run_epochs(source, wide, 1)
    assert source.streamed and model.n_classes == 9 and model.predict_proba(X).shape == (160, 9)
    assert np.isfinite(history["bce"][0]) and np.isfinite(history["val_bce"][0])


def opened(labels=None, **kw):
    return LabelingSession(X, labels, **{"classes": ["a", "b", "c"], "multilabel": True, "config": TINY, **kw})


def told(s, rows):
    s.answer_sets(list(rows), [np.flatnonzero(t) for t in TRUTH[rows]])
    assert s.wait(60)


def test_a_session_trains_on_sets_and_can_repeat_it(tmp_path):
    with opened(tmp_path / "labels.csv", groups=PLATES) as s:
        told(s, range(72))
        s.train(4)
        assert s.wait(120) and s.model.config.multilabel and s.unheard == 0
        assert not {*PLATES[s.trainer.vae.data_source(X, s.trainer.groups).val_rows]} & {
            *PLATES[s.trainer.vae.data_source(X, s.trainer.groups).train_rows]
        }
        exams, ever = s.evidence.examination.exams, s.evidence.examination.ever
        assert len(exams) == 32 and ever.sum() == 72, "half of the plates were asked for before they were heard"
        told(s, range(72, 88))
        assert s.unheard == 16 and len(s.evidence.examination.exams) == 48
        network = s.sets.network
        assert network.lead[2] == 6 and not network.shown, "six plates are six pieces of evidence: too few"
        s.show_source("network")
        assert s.wait(60) and s.source == "sets" and "the trained network" in s.why
        assert ((s.probs >= 0.5) == TRUTH)[88:].mean() > 0.7 and s.sets_report.n == 48
        s.show_source(None)
        s.merge_classes("c", "a")
        s.undo()
        s.train(1)
        assert s.wait(120)
        again = s.replay()
        assert (np.asarray(again.params.vector) == np.asarray(s.model.params.vector)).all()
        assert {"card", "script", "model"} <= {w.name for w in s.export(tmp_path / "out", ["card", "script", "model"])}
        assert "| c | " in (tmp_path / "out" / "model_card.md").read_text()
    with opened(tmp_path / "labels.csv", groups=PLATES) as s:  # goes on
        s.prepare()
        assert s.wait(120) and s.model.epoch == 5 and len(s.evidence.examination.exams) == 48


def test_a_network_goes_over_to_sets_with_its_labels(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelingSession(X, path, classes=["a", "b", "c"], config=TINY) as s:
        for code in range(3):
            s.label(np.flatnonzero(TRUTH.argmax(1) == code)[:10], code)
        s.train(1)
        assert s.wait(120)
        before = np.asarray(s.model.params.vector).copy()
    with opened(path, multilabel="convert") as s:
        s.prepare()
        assert s.wait(120) and s.model.config.multilabel and s.model.epoch == 1
        assert (np.asarray(s.model.params.vector) == before).all() and not s.model.progress.taught


def test_groups_stay_on_one_side():
    trainer = InteractiveTrainer(SSVAE(8, TINY.replace(val_split=0.3)), callbacks=None, groups=PLATES)
    source = trainer.vae.data_source(X, trainer.groups)
    assert len(source.val_rows) == 48 and not {*PLATES[source.val_rows]} & {*PLATES[source.train_rows]}
    with pytest.raises(ArgumentError, match="one group only"):
        SSVAE(8, TINY).fit(X, groups=["plate"] * 160, callbacks=None)
    with pytest.raises(ArgumentError, match="expected 160, one for each image"):
        SSVAE(8, TINY).fit(X, groups=["plate"] * 5, callbacks=None)
    with LabelingSession(X, None, config=TINY, groups=["plate"] * 160) as s:  # it trains, and holds nothing out
        s.prepare()
        assert s.wait(120) and s.model.config.val_split == 0


def test_commands_learn_and_tell_sets(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    with opened("labels.csv") as s:
        told(s, range(60))
    words = ["--data", "x.npy", "--weights", "w.ckpt", "--json"]
    fast = ["--hidden-dims", "32", "--max-epochs", "2", "--no-use-contrastive"]
    text = (tmp_path / "labels.csv.sets.csv").read_text(encoding="utf-8-sig")
    (tmp_path / "excel.txt").write_bytes(text.replace(",", "\t").encode("utf-16"))  # saved as Unicode text
    for table in ("excel.txt", "labels.csv.sets.csv"):
        assert train([*words, "--labels", table, *fast]) == 0
        assert json.loads(capsys.readouterr().out)["labels"] == 60
    assert infer([*words, "--labels", "labels.csv", "--output", "o.npz", "--embedding", "map"]) == 0
    report = json.loads(capsys.readouterr().out)
    with np.load("o.npz") as file:
        out = dict(file)
    assert report["accuracy"] is None and 0 <= report["macro_f1"] <= 1
    assert (out["pred_sets"] == (out["pred_probs"] >= 0.5)).all() and out["class_names"].tolist() == ["a", "b", "c"]
    assert (out["labels"][:60] == TRUTH[:60]).all() and np.isnan(out["labels"][60:]).all()
    (tmp_path / "one.csv").write_text("Serial,label\n0,a\n")
    assert infer([*words, "--labels", "one.csv", "--output", "o.npz"]) == 2
    assert "several classes" in capsys.readouterr().err


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_table_of_sets_whose_classes_have_bars_in_their_names(tmp_path, mark):
    "What separates the cells is seen by the columns that have to be there, not by what is there most often."
    names = ["Animalia|Chordata|Aves", "Animalia|Chordata|Pisces", "small; grey", "a\tb"]
    with open(tmp_path / "sets.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, delimiter=mark)
        table.writerow(["serial", "labels", *(f"is {name}" for name in names)])
        table.writerows([[k, "", *(int(j == k) for j in range(4))] for k in range(4)])
    assert is_set_file(tmp_path / "sets.csv")
    targets, classes = read_set_file(tmp_path / "sets.csv", 4)
    assert classes == names and (targets == np.eye(4)).all()
