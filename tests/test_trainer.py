"""Running: exact continuation, stopping, interrupting, diverging, labels that arrive, data larger than memory."""

from __future__ import annotations

import signal
import threading
import time

import numpy as np
import pytest

from ssvae_widgets.config import SSVAEConfig
from ssvae_widgets.model import compile_cache
from ssvae_widgets.model.callbacks import (
    BestCheckpoint,
    ConsoleLogger,
    CSVExporter,
    EarlyStopping,
    LossCurvePlotter,
    ProgressBar,
    TrainingCallback,
)
from ssvae_widgets.model.data_source import DataSource, EpochPlan, Labels, split_labels, split_rows
from ssvae_widgets.model.few_labels import choose_terms
from ssvae_widgets.model.loop import TrainingDiverged
from ssvae_widgets.model.losses import Weights
from ssvae_widgets.model.ssvae import SSVAE
from ssvae_widgets.model.step import count_compilations
from ssvae_widgets.model.trainer import InteractiveTrainer

TINY = SSVAEConfig(
    latent_dim=2,
    encoder_type="dense",
    hidden_dims=(16,),
    batch_size=16,
    labeled_batch_size=8,
    augmentation="none",
    use_contrastive=False,
    graph_epochs=0,
    learning_rate=1e-3,
)


def problem(n=64, shape=(6, 6), seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    images = np.zeros((n, *shape), np.uint8)
    images[np.arange(n), truth] = 255
    images ^= (rng.random(images.shape) < 0.05).astype(np.uint8) * 255
    labels = np.where(np.arange(n) < 12, truth, -1)
    return images, labels, truth


IMAGES, LABELS, TRUTH = problem()


def trainer(config=TINY, classes=3, shape=(6, 6), **kw):
    return InteractiveTrainer(SSVAE(shape, config, classes), **kw)


def same(a: SSVAE, b: SSVAE):
    pairs = [(a.progress.state, b.progress.state)]
    import jax

    return all(np.array_equal(np.asarray(x), np.asarray(y)) for p in pairs for x, y in zip(*map(jax.tree.leaves, p)))


class After(TrainingCallback):
    "Run a function after every epoch."

    def __init__(self, do):
        self.do = do

    def on_epoch_end(self, trainer, epoch, metrics):
        self.do(trainer, epoch, metrics)


# ------------------------------------------------------------------ exact continuation
@pytest.mark.parametrize(
    "changes, shape",
    [
        ({}, (6, 6)),
        (dict(augmentation="gentle", use_contrastive=True, schedule="cosine", max_epochs=8, kl_warmup=5.0), (6, 6)),
        (dict(encoder_type="conv", conv_channels=(4,), conv_features=16, decoder_type="conv"), (6, 6)),
        (dict(dropout_rate=0.3, ema_decay=0.0), (36,)),
    ],
)
def test_ten_epochs_are_four_and_six(changes, shape, tmp_path):
    config = TINY.replace(**changes)
    images = IMAGES if len(shape) == 2 else IMAGES.reshape(64, 36).astype(np.float32)
    whole, parts = trainer(config, shape=shape), trainer(config, shape=shape)
    whole.train_epochs(10, images, LABELS)
    parts.train_epochs(4, images, LABELS)
    parts.save_checkpoint(tmp_path / "four.ckpt")
    resumed = InteractiveTrainer(SSVAE.from_checkpoint(tmp_path / "four.ckpt"))
    other = trainer(config, shape=shape)
    other.load_checkpoint(tmp_path / "four.ckpt")
    for t in (parts, resumed, other):
        t.train_epochs(6, images, LABELS)
        assert same(t.vae, whole.vae) and t.epoch == 10
        np.testing.assert_equal(t.history, whole.history)


def test_the_seed_decides():
    runs = [trainer(TINY.replace(random_seed=s)) for s in (0, 0, 1)]
    for t in runs:
        t.train_epochs(2, IMAGES, LABELS)
    assert same(runs[0].vae, runs[1].vae) and not same(runs[0].vae, runs[2].vae)


# ------------------------------------------------------------------ splits and labels
def test_the_split_never_moves():
    t, splits = trainer(TINY.replace(val_split=0.25)), []
    original = DataSource.__init__

    def spy(self, *a, **k):
        original(self, *a, **k)
        splits.append(self.val_rows)

    DataSource.__init__ = spy
    try:
        for labels in (None, LABELS, TRUTH):
            t.train_epochs(1, IMAGES, labels)
    finally:
        DataSource.__init__ = original
    assert all((s == splits[0]).all() and len(s) == 16 for s in splits)


def test_held_out_labels_judge_and_do_not_train():
    val = split_rows(64, 0.25, 0)[1]
    only_val = np.full(64, -1)
    only_val[val] = TRUTH[val]
    t = trainer(TINY.replace(val_split=0.25, hold_out_labels=True))
    history = t.train_epochs(2, IMAGES, only_val)
    assert all(v > 0 for v in history["val_classification_loss"]) and history["classification_loss"] == [0.0, 0.0]
    t = trainer(TINY.replace(val_split=0.25))
    history = t.train_epochs(2, IMAGES, only_val)
    assert np.isnan(history["val_classification_loss"]).all() and history["classification_loss"][0] > 0


def test_labels_are_read_before_every_epoch():
    current, asked = LABELS.copy(), []

    def labels():
        asked.append(int((current >= 0).sum()))
        return current

    def more(t, epoch, metrics):
        current[:] = np.where(np.arange(64) < 12 + 5 * epoch, TRUTH, -1)

    trainer().train_epochs(3, IMAGES, labels, callbacks=[After(more)])
    assert asked == [12, 17, 22]


def test_one_more_label_and_one_more_epoch_compile_nothing():
    t = trainer()
    t.train_epochs(1, IMAGES, LABELS)
    with count_compilations() as compiled:
        for n in (13, 14, 40, 64):
            t.train_epochs(1, IMAGES, np.where(np.arange(64) < n, TRUTH, -1))
        t.vae.config = t.vae.config.replace(label_weight=3.0, learning_rate=5e-4)
        t.train_epochs(2, IMAGES, LABELS)
    assert compiled.count == 0


def test_a_new_class_compiles_nothing_while_it_fits():
    t = trainer(classes=["a", "b"])
    t.train_epochs(1, IMAGES, np.where(LABELS < 2, LABELS, -1))
    with count_compilations() as compiled:
        t.train_epochs(1, IMAGES, LABELS)
    assert compiled.count == 0 and t.vae.n_classes == 3 and t.vae.class_names == ["a", "b", "2"]


def test_labels_of_all_forms():
    names = np.array([None, "x", "y", "z"], object)[np.where(LABELS < 0, 0, LABELS + 1)]
    floats = np.where(LABELS < 0, np.nan, LABELS)
    runs = [trainer(classes=None) for _ in range(3)]
    for t, labels in zip(runs, (LABELS, floats, names)):
        t.train_epochs(2, IMAGES, labels)
    assert (
        same(runs[0].vae, runs[1].vae) and same(runs[0].vae, runs[2].vae) and runs[2].vae.class_names == ["x", "y", "z"]
    )
    asked = trainer(classes=None)
    asked.train_epochs(2, IMAGES, lambda: floats)
    assert same(runs[0].vae, asked.vae)


@pytest.mark.parametrize(
    "labels", [None, np.full(64, -1), np.where(np.arange(64) == 5, 1, -1), np.where(np.arange(64) < 9, 0, -1), TRUTH]
)
def test_no_label_one_label_one_class_all_labeled(labels):
    t = trainer(TINY.replace(augmentation="gentle"))
    history = t.train_epochs(3, IMAGES, labels)
    assert np.isfinite(history["loss"]).all() and t.epoch == 3


@pytest.mark.parametrize("n_classes", [1, 2, 300])
def test_any_number_of_classes(n_classes):
    images, labels, _ = problem(n=320)
    labels = np.arange(320) % n_classes
    t = trainer(classes=n_classes)
    t.train_epochs(1, images, labels)
    assert t.vae.predict_proba(images[:2]).shape == (2, n_classes)


@pytest.mark.parametrize(
    "labels, message",
    [
        (np.full(63, -1), "63"),
        (np.full(64, 7), "7"),
        (np.full(64, 0.5), "0.5"),
        (np.full(64, -2), "-2"),
    ],
)
def test_labels_that_make_no_sense_are_refused(labels, message):
    t = trainer()
    with pytest.raises(ValueError, match=message):
        t.train_epochs(1, IMAGES, labels)
    assert t.epoch == 0 and not t.training


def test_split_functions():
    assert split_labels(np.full(5, -1), np.array([1]), True)[2:] == (0, 0)
    labels = split_labels(np.array([0, 5, -1]), np.array([1]), True)
    assert (
        isinstance(labels, Labels)
        and labels.n_classes == 6
        and labels.train.tolist() == [0, -1, -1]
        and labels.val.tolist() == [-1, 5, -1]
    )


# ------------------------------------------------------------------ stopping
def test_stop_from_another_thread_keeps_what_ran():
    t = trainer()
    t.train_epochs(1, IMAGES, LABELS)
    runner = threading.Thread(target=t.train_epochs, args=(100_000, IMAGES, LABELS))
    runner.start()
    while t.epoch < 4:
        time.sleep(0.005)
    assert t.training
    with pytest.raises(RuntimeError, match="already running"):
        t.train_epochs(1, IMAGES)
    with pytest.raises(RuntimeError, match="stop"):
        t.load_checkpoint("nowhere.ckpt")
    t.stop()
    runner.join(300)
    n = t.epoch
    assert not runner.is_alive() and not t.training and 4 <= n < 100_000 and len(t.history["loss"]) == n
    plain = trainer()
    plain.train_epochs(n, IMAGES, LABELS)
    assert same(plain.vae, t.vae)  # stopping left a whole number of epochs
    t.train_epochs(1, IMAGES, LABELS)
    assert t.epoch == n + 1  # and the next call runs


def test_stop_before_training_does_not_count():
    t = trainer()
    t.stop()
    t.train_epochs(2, IMAGES)
    assert t.epoch == 2


@pytest.mark.parametrize("how", ["stop", "interrupt"])
def test_an_epoch_that_never_began_teaches_nothing(how, monkeypatch):
    "What the graph said for it would be heard by the epochs after an undo, of which no record tells."
    runs, other = [], LABELS.copy()
    other[20] = 0
    for disturbed in (False, True):
        t = trainer(TINY.replace(graph_epochs=2))
        t.train_epochs(3, IMAGES, LABELS)
        before = t.vae.progress

        def labels(t=t):
            t.stop()
            return other

        if disturbed and how == "stop":
            assert t.train_epochs(1, IMAGES, labels)["loss"] == [] and t.vae.progress is before
        elif disturbed:
            with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                patch.setattr(
                    "ssvae_widgets.model.loop.wait_for_program", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
                )
                t.train_epochs(1, IMAGES, other)
            assert t.vae.progress is before
        t.train_epochs(1, IMAGES, LABELS)
        runs.append(t.vae)
    assert same(*runs)


def test_a_fit_that_is_interrupted_while_it_compiles_leaves_everything_as_it_was(tmp_path, monkeypatch):
    path, vae = tmp_path / "m.ckpt", SSVAE((6, 6), TINY.replace(max_epochs=2), 3)
    vae.fit(IMAGES, LABELS, path, callbacks=[])
    before, files = vae.progress, {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("ssvae_widgets.model.loop.wait_for_program", interrupted)
        vae.fit(IMAGES, LABELS, path)
    assert vae.progress.epoch == 2 and same(vae, SSVAE.from_checkpoint(path)) and vae.progress.rows == before.rows
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == files
    assert len(vae.fit(IMAGES, LABELS, callbacks=None)["loss"]) == 2


@pytest.mark.parametrize("when", ["callback", "labels", "any moment"])
def test_interrupt_keeps_the_last_finished_epoch(when):
    t = trainer()
    t.train_epochs(1, IMAGES, LABELS)

    def interrupt(*_):
        if t.epoch == 3:
            raise KeyboardInterrupt

    def labels():
        if when == "labels" and t.epoch == 3:
            raise KeyboardInterrupt
        return LABELS

    callbacks = [After(interrupt)] if when == "callback" else []
    if when == "any moment":
        old = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    try:
        with pytest.raises(KeyboardInterrupt):
            if when == "any moment":
                signal.setitimer(signal.ITIMER_REAL, 0.15)
            t.train_epochs(1_000_000, IMAGES, labels, callbacks=callbacks)
    finally:
        if when == "any moment":
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)
    n = t.epoch
    assert len(t.history["loss"]) == n and (when == "any moment" or n == 3) and not t.training
    t.train_epochs(2, IMAGES, LABELS)
    plain = trainer()
    plain.train_epochs(n + 2, IMAGES, LABELS)
    assert same(plain.vae, t.vae)


def test_an_error_in_a_callback_ends_the_run_with_its_epoch_kept():
    ended = []

    class Ends(TrainingCallback):
        def on_train_end(self, trainer, history):
            ended.append(len(history["loss"]))

    def fail(t, epoch, metrics):
        if epoch == 2:
            raise OSError("disk full")

    t = trainer(callbacks=[Ends()])
    with pytest.raises(OSError, match="disk full"):
        t.train_epochs(5, IMAGES, callbacks=[After(fail)])
    assert t.epoch == 2 and ended == [2] and not t.training

    class BadEnd(TrainingCallback):
        def on_train_end(self, trainer, history):
            raise ValueError("at the end")

    with pytest.raises(ValueError, match="at the end"):
        t.train_epochs(1, IMAGES, callbacks=[BadEnd()])
    assert t.epoch == 3 and ended == [2, 1]


def test_a_diverging_loss_rolls_back_and_explains():
    t = trainer()
    t.train_epochs(2, IMAGES, LABELS)
    before, labels = t.vae.progress, LABELS.copy()
    t.vae.config = t.vae.config.replace(learning_rate=9.0, grad_clip_norm=5.0)
    object.__setattr__(t.vae.config, "learning_rate", 1e30)
    with pytest.raises(TrainingDiverged, match=r"epoch 3.*end of epoch 2.*learning rate of 1e\+29"):
        t.train_epochs(5, IMAGES, LABELS)
    assert t.vae.progress is before and (labels == LABELS).all()
    t.vae.config = TINY
    t.train_epochs(1, IMAGES, LABELS)
    assert t.epoch == 3 and np.isfinite(t.history["loss"]).all()


# ------------------------------------------------------------------ callbacks with a real trainer
def test_early_stopping_without_labels_watches_something_that_moves():
    class Flat(EarlyStopping):
        seen: list = []

        def on_epoch_end(self, trainer, epoch, metrics):
            self.seen.append(metrics["val_loss"])
            super().on_epoch_end(trainer, epoch, metrics)

    t = trainer(TINY.replace(learning_rate=3e-3))
    flat = Flat(patience=3)
    t.train_epochs(12, IMAGES, None, callbacks=[flat])
    assert t.epoch == 12 and flat.best_epoch > 6 and len(set(flat.seen)) == 12


def test_every_callback_in_one_run(tmp_path, capsys):
    t = trainer(TINY.replace(val_split=0.25))
    callbacks = [
        ConsoleLogger(),
        ProgressBar(),
        CSVExporter(tmp_path / "a" / "h.csv"),
        LossCurvePlotter(tmp_path / "b" / "l.png", every=2),
        BestCheckpoint(tmp_path / "best.ckpt"),
        EarlyStopping(1, "loss", mode="max"),
    ]
    history = t.train_epochs(9, IMAGES, LABELS, callbacks=callbacks)
    assert len(history["loss"]) < 9  # a falling loss is no maximum
    rows = (tmp_path / "a" / "h.csv").read_text().splitlines()
    assert len(rows) == 1 + len(history["loss"]) and rows[0].startswith(
        "epoch,loss,val_loss,reconstruction_loss,val_reconstruction_loss"
    )
    assert (tmp_path / "b" / "l.png").read_bytes()[:4] == b"\x89PNG"
    best = SSVAE.from_checkpoint(tmp_path / "best.ckpt")
    assert best.epoch == int(np.argmin(history["val_loss"])) + 1 and "recon" in capsys.readouterr().out


def test_watching_needs_a_known_metric_and_mode():
    with pytest.raises(ValueError, match="mode"):
        EarlyStopping(mode="up")
    with pytest.raises(ValueError, match="nothing_loss"):
        trainer().train_epochs(1, IMAGES, callbacks=[EarlyStopping(monitor="nothing_loss")])


# ------------------------------------------------------------------ warm-up and caches
def test_warm_up_leaves_nothing_to_compile():
    t = trainer(TINY.replace(hidden_dims=(11,)))
    t.warm_up(IMAGES, wait=True)
    with count_compilations() as compiled:
        t.train_epochs(1, IMAGES)
        t.train_epochs(1, IMAGES, LABELS)
        t.get_map(IMAGES)
    assert compiled.count == 0 and t.epoch == 2


def test_warm_up_knows_what_comes_after_the_first_steps():
    t = trainer(TINY.replace(hidden_dims=(12,), use_contrastive=True, graph_epochs=2, pretrain_steps=8))
    t.warm_up(IMAGES, wait=True)
    first = choose_terms(t.vae.progress, t.vae.config, 12)
    with count_compilations() as compiled:
        t.train_epochs(4, IMAGES, LABELS)
    assert compiled.count == 0 and first.contrastive and not choose_terms(t.vae.progress, t.vae.config, 12).contrastive


def test_training_waits_for_a_running_warm_up():
    t = trainer(TINY.replace(hidden_dims=(13,)))
    thread = t.warm_up(IMAGES)
    assert t.warm_up(IMAGES) is thread or not thread.is_alive()
    t.train_epochs(1, IMAGES, LABELS)
    thread.join()
    assert t.epoch == 1


def test_a_warm_up_that_nobody_needs_ends_with_the_program_it_compiles(monkeypatch):
    import ssvae_widgets.model.trainer as module

    began, gate, compiled = threading.Event(), threading.Event(), []
    monkeypatch.setattr(module, "compile_epoch", lambda *a: (compiled.append(a), began.set(), gate.wait(60)))
    monkeypatch.setattr(module, "compile_reading", lambda vae: compiled.append(vae))
    t = trainer()
    thread = t.warm_up(IMAGES)
    assert began.wait(60)
    t.stop_warming()
    assert thread.is_alive(), "it is not waited for"
    gate.set()
    thread.join(60)
    assert not thread.is_alive() and len(compiled) == 1
    t.warm_up(IMAGES, wait=True)
    assert len(compiled) == 3, "asked again, it compiles everything"


def test_warm_up_with_useless_data_is_silent_and_training_reports_it():
    t = trainer()
    t.warm_up(np.full((4, 6, 6), np.nan), wait=True)
    with pytest.raises(ValueError, match="NaN"):
        t.train_epochs(1, np.full((4, 6, 6), np.nan))


def test_a_failing_compilation_is_not_remembered():
    import jax

    made, calls = compile_cache.Programs(), []

    @jax.jit
    def fails_once(x):
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError("once")
        return x + 1

    with pytest.raises(ZeroDivisionError):
        made.call(fails_once, {}, (np.ones(2, np.float32),))
    assert made.call(fails_once, {}, (np.ones(2, np.float32),)).tolist() == [2, 2]


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SSVAE_WIDGETS_COMPILE_CACHE", str(tmp_path / "c"))
    assert compile_cache.compilation_cache_folder() == tmp_path / "c"
    for value in ("0", "off", "No", "FALSE"):
        monkeypatch.setenv("SSVAE_WIDGETS_COMPILE_CACHE", value)
        assert compile_cache.compilation_cache_folder() is None
    for value in ("1", ""):
        monkeypatch.setenv("SSVAE_WIDGETS_COMPILE_CACHE", value)
        assert compile_cache.compilation_cache_folder().name == "compiled"


def test_cache_is_switched_on_once_and_a_bad_folder_is_no_error(monkeypatch, tmp_path):
    import jax

    before = {
        n: getattr(jax.config, n)
        for n in (
            "jax_compilation_cache_dir",
            "jax_persistent_cache_min_compile_time_secs",
            "jax_persistent_cache_min_entry_size_bytes",
        )
    }
    try:
        jax.config.update("jax_compilation_cache_dir", None)
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("SSVAE_WIDGETS_COMPILE_CACHE", str(tmp_path / "file" / "under"))
        assert compile_cache.enable_compilation_cache() is None
        monkeypatch.setenv("SSVAE_WIDGETS_COMPILE_CACHE", "off")
        assert compile_cache.enable_compilation_cache() is None
        monkeypatch.setenv("SSVAE_WIDGETS_COMPILE_CACHE", str(tmp_path / "good"))
        assert compile_cache.enable_compilation_cache() == tmp_path / "good" and (tmp_path / "good").is_dir()
        monkeypatch.setenv("SSVAE_WIDGETS_COMPILE_CACHE", str(tmp_path / "other"))
        assert compile_cache.enable_compilation_cache() == tmp_path / "good"  # what is set is respected
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


# ------------------------------------------------------------------ larger than memory
def memmap(tmp_path, images):
    path = tmp_path / "images.npy"
    np.save(path, images)
    return np.load(path, mmap_mode="r")


def plan_for(labels: Labels, soft=None) -> EpochPlan:
    "What a source reads of a plan: labels and numbers that it passes on."
    return EpochPlan(
        None,
        None,
        None,
        None,
        None,
        labels,
        np.zeros(8, np.float32),
        np.zeros(8, np.float32),
        np.float32(0),
        np.float32(1),
        soft,
    )


def test_a_streamed_epoch_visits_every_training_row_once(tmp_path):
    images, labels, _ = problem(n=1500)
    images[:, 0, 0], images[:, 0, 1] = np.arange(1500) // 256, np.arange(1500) % 256  # every image knows its row
    feed = DataSource(memmap(tmp_path, images), TINY, piece_bytes=400 * 36)
    assert feed.streamed and feed.pieces == 4
    labels = split_labels(labels, feed.val_rows, False)
    orders = []
    for epoch in (0, 0, 1):
        pieces = list(feed.epoch_pieces(epoch, plan_for(labels)))
        assert len({p.images.shape for p in pieces}) == 1
        seen = np.concatenate([p.images[p.train_index][:, 0, :2, 0].astype(int) @ [256, 1] for p in pieces])
        assert set(seen) == set(feed.train_rows) and len(seen) - len(feed.train_rows) < feed.pieces
        first = pieces[0]
        at = first.images[first.labeled_index[: int(first.n_labeled)]][:, 0, :2, 0].astype(int) @ [256, 1]
        assert (at == np.flatnonzero(labels.train >= 0)).all() and (
            first.codes[first.labeled_index[:12]] == labels.train[:12]
        ).all()
        orders.append(seen)
    assert (orders[0] == orders[1]).all() and (orders[0] != orders[2]).any()


@pytest.mark.parametrize("streamed", [False, True])
def test_an_epoch_of_very_many_images_takes_other_ones_each_time(tmp_path, monkeypatch, streamed):
    from ssvae_widgets.model import data_source

    images, labels, _ = problem(n=1500)
    monkeypatch.setattr(data_source, "EPOCH_ROWS", 300)
    images[:, 0, 0], images[:, 0, 1] = np.arange(1500) // 256, np.arange(1500) % 256  # every image knows its row
    source = memmap(tmp_path, images) if streamed else images
    feed = DataSource(source, TINY, piece_bytes=100 * 36)
    assert feed.streamed == streamed
    plan = plan_for(split_labels(labels, feed.val_rows, False))

    def rows(epoch):
        pieces = feed.epoch_pieces(epoch, plan)
        return np.concatenate([np.asarray(p.images)[p.train_index][:, 0, :2, 0].astype(int) @ [256, 1] for p in pieces])

    first, again, other = rows(0), rows(0), rows(1)
    assert 300 <= len(first) < 300 + TINY.batch_size and np.isin(first, feed.train_rows).all()
    assert (first == again).all() and len(set(first)) >= 300 and len(set(first) & set(other)) < 200
    vae = trainer(TINY)
    vae.train_epochs(2, source, labels)
    assert vae.vae.progress.state.epoch == 2 and 38 <= vae.vae.step <= 42  # of 300 images, 16 a step


def test_streamed_training_learns_continues_and_compiles_once(tmp_path, monkeypatch):
    from ssvae_widgets.model import data_source

    images, _, truth = problem(n=1500)
    labels = np.where(np.arange(1500) < 60, truth, -1)
    source = memmap(tmp_path, images)
    monkeypatch.setattr(data_source, "PIECE_BYTES", 400 * 36)
    whole, parts = trainer(TINY.replace(learning_rate=3e-3)), trainer(TINY.replace(learning_rate=3e-3))
    whole.train_epochs(3, source, labels)
    with count_compilations() as compiled:
        whole.train_epochs(3, source, labels)
    parts.train_epochs(2, source, labels)
    parts.train_epochs(4, source, labels)
    assert compiled.count == 0 and same(whole.vae, parts.vae)
    assert np.isfinite(whole.history["val_loss"]).all() and whole.history["val_loss"][-1] < whole.history["val_loss"][0]
    assert (whole.vae.predict(source)[2] == truth).mean() > 0.9
    assert whole.vae.progress.state.epoch == 6
    warm = trainer(TINY.replace(hidden_dims=(9,)))
    warm.warm_up(source, wait=True)
    with count_compilations() as compiled:
        warm.train_epochs(1, source, labels)
    assert compiled.count == 0


def test_many_labels_in_a_stream_are_drawn_anew(tmp_path, monkeypatch):
    from ssvae_widgets.model import data_source

    images, _, truth = problem(n=300)
    monkeypatch.setattr(data_source, "LABELED_ROWS", 16)
    feed = DataSource(memmap(tmp_path, images), TINY, piece_bytes=100 * 36)
    labels = split_labels(truth, feed.val_rows, False)
    plan = plan_for(labels, np.eye(8, dtype=np.float32)[truth])
    a, b = (next(feed.epoch_pieces(e, plan)) for e in (0, 1))
    assert (
        int(a.n_labeled) == 16
        and len(a.images) == feed.piece_rows + 16
        and not np.array_equal(a.images[-16:], b.images[-16:])
    )
    assert (a.soft.argmax(1) == a.codes).all()


def test_weights_have_defaults():
    assert Weights()._replace(kl=2).kl == 2


def test_number_of_epochs_is_checked():
    for wrong in (-1, 2.5, "3"):
        with pytest.raises(ValueError, match="num_epochs"):
            trainer().train_epochs(wrong, IMAGES)
    assert trainer().train_epochs(0, IMAGES)["loss"] == []
