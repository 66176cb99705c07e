"""What comes with training without any wiring, and that every epoch has one row and the weights that belong to it."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ssvae_widgets import SSVAE, InteractiveTrainer, SSVAEConfig, TrainingCallback, default_callbacks
from ssvae_widgets.io.checkpoint import load_checkpoint
from ssvae_widgets.model.callbacks import BestCheckpoint, ConsoleLogger, CSVExporter, LastCheckpoint

TINY = SSVAEConfig(
    latent_dim=2,
    encoder_type="dense",
    hidden_dims=(8,),
    batch_size=16,
    augmentation="none",
    use_contrastive=False,
    graph_epochs=0,
    max_epochs=4,
    patience=0,
)
IMAGES = (np.random.default_rng(0).random((40, 6, 6)) * 255).astype(np.uint8)
LABELS = np.where(np.arange(40) < 10, np.arange(40) % 3, -1)


def model(cls=SSVAE):
    return cls((6, 6), TINY, 3)


def epochs(path: Path) -> list[int]:
    with path.open(newline="") as f:
        return [int(row["epoch"]) for row in csv.DictReader(f)]


def test_fit_leaves_table_history_and_curves(tmp_path, capsys):
    history = model().fit(IMAGES, LABELS, weights_path=tmp_path / "a" / "b.ckpt")
    assert {p.name for p in (tmp_path / "a").iterdir()} == {"b.ckpt", "b_history.csv", "b_loss.png"}
    assert epochs(tmp_path / "a" / "b_history.csv") == history["epoch"] == [1, 2, 3, 4]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["epoch", "loss"] and [int(line.split()[0]) for line in lines[1:]] == [1, 2, 3, 4]
    with (tmp_path / "a" / "b_history.csv").open(newline="") as f:
        assert [float(r["loss"]) for r in csv.DictReader(f)] == history["loss"]


def test_silence_replacing_and_adding(tmp_path, capsys):
    seen = []

    class Mine(TrainingCallback):
        def on_epoch_end(self, trainer, epoch, metrics):
            seen.append(epoch)

    model().fit(IMAGES, LABELS, weights_path=tmp_path / "m.ckpt", callbacks=None)
    assert [p.name for p in tmp_path.iterdir()] == ["m.ckpt"] and capsys.readouterr().out == ""
    model().fit(IMAGES, LABELS, weights_path=tmp_path / "m.ckpt", defaults=[Mine()])
    assert [p.name for p in tmp_path.iterdir()] == ["m.ckpt"] and capsys.readouterr().out == "" and seen == [1, 2, 3, 4]
    model().fit(IMAGES, LABELS, callbacks=[Mine()])
    assert len(seen) == 8 and "recon" in capsys.readouterr().out and [p.name for p in tmp_path.iterdir()] == ["m.ckpt"]

    class Quiet(SSVAE):
        def default_callbacks(self, weights_path=None):
            return [Mine(), *default_callbacks(weights_path, display=False)]

    model(Quiet).fit(IMAGES, LABELS, weights_path=tmp_path / "q.ckpt")
    assert (
        len(seen) == 12 and capsys.readouterr().out == "" and (tmp_path / "q_loss.png").read_bytes()[:4] == b"\x89PNG"
    )


def test_the_trainer_shows_and_can_be_silenced(capsys):
    InteractiveTrainer(model()).train_epochs(2, IMAGES, LABELS)
    assert len(capsys.readouterr().out.splitlines()) == 3
    for trainer in (InteractiveTrainer(model(), callbacks=None), InteractiveTrainer(model(), defaults=[])):
        trainer.train_epochs(2, IMAGES, LABELS)
        assert capsys.readouterr().out == ""
    InteractiveTrainer(model()).train_epochs(2, IMAGES, LABELS, callbacks=None)
    assert capsys.readouterr().out == ""


def test_a_long_run_is_about_ten_lines(capsys):
    log = ConsoleLogger(every=None)
    log.on_train_start(type("Trainer", (), dict(target=200)))
    for i in range(1, 201):
        log.on_epoch_end(None, i, dict(epoch=i, loss=1.0))
    assert len(capsys.readouterr().out.splitlines()) == 11


class Interrupt(TrainingCallback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, trainer, epoch, metrics):
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("place", range(4))
def test_an_interrupt_between_any_two_callbacks(place, tmp_path):
    "Weights and rows end at the same epoch, wherever Ctrl-C came."
    weights = tmp_path / "m.ckpt"
    made = [LastCheckpoint(weights), *default_callbacks(weights, display=False)]
    with pytest.raises(KeyboardInterrupt):
        InteractiveTrainer(model(), defaults=[*made[:place], Interrupt(3), *made[place:]]).train_epochs(
            6, IMAGES, LABELS
        )
    assert load_checkpoint(weights)[1]["epoch"] == 3 and epochs(tmp_path / "m_history.csv") == [1, 2, 3]


def test_an_interrupt_before_the_best_weights_are_kept(tmp_path):
    vae, best = model(), BestCheckpoint(tmp_path / "best.ckpt", "loss", mode="max")
    best.improved = lambda epoch, metrics: setattr(best, "judged", epoch) or True
    with pytest.raises(KeyboardInterrupt):
        InteractiveTrainer(vae, defaults=[Interrupt(2), best]).train_epochs(6, IMAGES, LABELS)
    assert load_checkpoint(tmp_path / "best.ckpt")[1]["epoch"] == 2


@pytest.mark.parametrize("kept, rows", [(2, 5), (3, 2), (3, 0), (4, 4)])
def test_a_history_that_does_not_fit_the_weights_is_repaired(kept, rows, tmp_path):
    "A killed run leaves more or fewer rows than its weights have epochs: going on leaves one row an epoch."
    weights, table = tmp_path / "m.ckpt", tmp_path / "m_history.csv"
    trainer = InteractiveTrainer(model(), defaults=[CSVExporter(table)])
    trainer.train_epochs(kept, IMAGES, LABELS)
    trainer.save_checkpoint(weights)
    lines = table.read_text().splitlines(keepends=True)
    table.write_text(
        "".join(
            (lines + [line.replace(str(kept), str(kept + i), 1) for i, line in enumerate(lines[-1:] * 3, 1)])[
                : rows + 1
            ]
        )
        + "7,0."
    )
    vae = SSVAE.from_checkpoint(weights)
    InteractiveTrainer(
        vae, defaults=[LastCheckpoint(weights), *default_callbacks(weights, display=False)]
    ).train_epochs(2, IMAGES, LABELS)
    assert epochs(table) == list(range(1, kept + 3)) and load_checkpoint(weights)[1]["epoch"] == kept + 2


KILLED = """
import os, random, signal, sys, threading
import numpy as np
sys.path.insert(0, {tests!r})
from test_default_callbacks import IMAGES, LABELS, LastCheckpoint, default_callbacks, InteractiveTrainer, SSVAE, model
path = {path!r}
vae = SSVAE.from_checkpoint(path) if os.path.exists(path) else model()
calls, last, count = [LastCheckpoint(path, share=1.0), *default_callbacks(path, display=False)], int(sys.argv[1]), [0]
import ssvae_widgets.io.files as files
for name in ("write_all", "fsync_file", "fsync_folder"):
    def wrap(*args, real=getattr(files, name)):
        count[0] += 1
        if count[0] == last: os.kill(os.getpid(), signal.SIGKILL)
        return real(*args)
    setattr(files, name, wrap)
InteractiveTrainer(vae, defaults=calls).train_epochs(4, IMAGES, LABELS)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs SIGKILL")
def test_killed_while_writing_then_resumed(tmp_path):
    "SIGKILL at some writes of checkpoint and history; the next run leaves exactly one row an epoch."
    weights, table = tmp_path / "m.ckpt", tmp_path / "m_history.csv"
    for last in (4, 9, 14):
        done = subprocess.run(
            [sys.executable, "-c", KILLED.format(tests=str(Path(__file__).parent), path=str(weights)), str(last)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == -9, done.stderr
    vae = SSVAE.from_checkpoint(weights) if weights.exists() else model()
    InteractiveTrainer(
        vae, defaults=[LastCheckpoint(weights), *default_callbacks(weights, display=False)]
    ).train_epochs(2, IMAGES, LABELS)
    assert epochs(table) == list(range(1, vae.epoch + 1)) and load_checkpoint(weights)[1]["epoch"] == vae.epoch
    assert not list(tmp_path.glob(".*.tmp"))


# ------------------------------------------------------------------ what must not be replaced, and interrupts on the
# way out
class Half:
    def on_epoch_end(self, trainer, epoch, metrics):
        pass


@pytest.mark.parametrize(
    "wrong",
    [
        TrainingCallback(),
        [TrainingCallback],
        TrainingCallback,
        ["table"],
        "table",
        [Half()],
        [print],
        False,
        3,
        {"a": TrainingCallback()},
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_is_no_callback_is_refused_before_the_first_epoch(wrong, tmp_path):
    from ssvae_widgets.errors import ArgumentError

    for door in (
        lambda c: model().fit(IMAGES, callbacks=c, weights_path=tmp_path / "m.ckpt"),
        lambda c: model().fit(IMAGES, defaults=c, weights_path=tmp_path / "m.ckpt"),
        lambda c: InteractiveTrainer(model(), callbacks=c),
        lambda c: InteractiveTrainer(model(), defaults=c),
        lambda c: InteractiveTrainer(model()).train_epochs(1, IMAGES, callbacks=c),
    ):
        with pytest.raises(ArgumentError, match="expected (a list of callbacks|a TrainingCallback|an object of it)"):
            door(wrong)
    assert not list(tmp_path.iterdir())


def test_weights_and_histories_replace_only_their_like(tmp_path):
    "A slip of the keyboard costs no labels."
    labels = tmp_path / "labels.csv"
    labels.write_text("Serial,label\n0,1\n")
    vae = model()
    for door in (
        lambda: vae.fit(IMAGES, weights_path=labels),
        lambda: vae.save(labels),
        lambda: vae.fit(IMAGES, weights_path=labels, callbacks=None),
        lambda: vae.fit(IMAGES, callbacks=[CSVExporter(labels)]),
        lambda: InteractiveTrainer(vae).save_checkpoint(labels),
    ):
        with pytest.raises(
            ValueError, match="labels.csv exists and is no (checkpoint|history of a training), so it is kept"
        ):
            door()
    assert (
        vae.epoch == 0
        and labels.read_text() == "Serial,label\n0,1\n"
        and [p.name for p in tmp_path.iterdir()] == ["labels.csv"]
    )
    (tmp_path / "empty.ckpt").touch()
    for _ in range(2):
        vae.fit(IMAGES, weights_path=tmp_path / "empty.ckpt", defaults=[])
    assert load_checkpoint(tmp_path / "empty.ckpt")[1]["epoch"] > 4


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes here")
def test_no_file_takes_the_place_of_a_pipe_or_a_folder(tmp_path):
    import os
    import stat

    from ssvae_widgets.io.files import atomic_write

    os.mkfifo(tmp_path / "m.ckpt")
    (tmp_path / "folder").mkdir()
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("m.ckpt", "folder", "null"):
        with pytest.raises(ValueError, match="could not be written"):
            model().fit(IMAGES, weights_path=tmp_path / name)
        with pytest.raises(OSError):
            atomic_write(tmp_path / name, b"x")
    (tmp_path / "m.ckpt").unlink()
    os.mkfifo(tmp_path / "m_history.csv")
    with pytest.raises(ValueError, match="named pipe"):
        model().fit(IMAGES, weights_path=tmp_path / "m.ckpt")
    assert (
        stat.S_ISFIFO(os.stat(tmp_path / "m_history.csv").st_mode)
        and stat.S_ISCHR(os.stat("/dev/null").st_mode)
        and sorted(p.name for p in tmp_path.iterdir()) == ["folder", "m_history.csv", "null"]
    )


def test_a_picture_of_the_loss_is_one(tmp_path):
    from ssvae_widgets.model.callbacks import LossCurvePlotter

    with pytest.raises(ValueError, match="ends in one of .png"):
        LossCurvePlotter(tmp_path / "loss.ckpt")


class InterruptedTwice(TrainingCallback):
    "Ctrl-C while training, and once more while what is missing is written."

    def on_epoch_end(self, trainer, epoch, metrics):
        if epoch == 3:
            raise KeyboardInterrupt

    def on_train_end(self, trainer, history):
        import signal

        signal.raise_signal(signal.SIGINT)


def test_an_impatient_second_interrupt(tmp_path):
    "Rows and weights end at the same epoch also when Ctrl-C is pressed twice."
    weights = tmp_path / "m.ckpt"
    last = LastCheckpoint(weights, share=1e-9)  # writes once while training, the rest at the end
    with pytest.raises(KeyboardInterrupt):
        InteractiveTrainer(
            model(), defaults=[InterruptedTwice(), last, *default_callbacks(weights, display=False)]
        ).train_epochs(6, IMAGES, LABELS)
    assert (
        load_checkpoint(weights)[1]["epoch"] == 3
        and epochs(tmp_path / "m_history.csv") == [1, 2, 3]
        and (tmp_path / "m_loss.png").exists()
    )


class Seen(TrainingCallback):
    "What a process that is killed after an epoch would leave: the epoch of the weights, and the last row."

    def __init__(self, weights: Path, history: Path):
        self.weights, self.history, self.left = weights, history, []

    def on_epoch_end(self, trainer, epoch, metrics):
        self.left.append((load_checkpoint(self.weights)[1]["epoch"], epochs(self.history)[-1]))


def test_rows_wait_for_the_weights_of_their_epoch(tmp_path):
    "Weights are written once and then not again before the end; the history has no row that they have not learned."
    weights, history = tmp_path / "m.ckpt", tmp_path / "m_history.csv"
    last = LastCheckpoint(weights, share=1e-9)
    seen = Seen(weights, history)
    InteractiveTrainer(model(), defaults=[last, CSVExporter(history, whole=True, after=last), seen]).train_epochs(
        4, IMAGES, LABELS
    )
    assert seen.left == [(1, 1)] * 4 and epochs(history) == [1, 2, 3, 4] and load_checkpoint(weights)[1]["epoch"] == 4


def test_no_row_for_weights_that_could_not_be_written(tmp_path, monkeypatch):
    "A disk that has room for rows but not for weights: the history ends with the weights that there are."
    weights, history, written = tmp_path / "m.ckpt", tmp_path / "m_history.csv", []
    save = InteractiveTrainer.save_checkpoint

    def once(self, path):
        if written:
            raise OSError(28, "No space left on device")
        written.append(path)
        save(self, path)

    monkeypatch.setattr(InteractiveTrainer, "save_checkpoint", once)
    last = LastCheckpoint(weights, share=1e-9)
    with pytest.raises(OSError, match="No space"):
        InteractiveTrainer(model(), defaults=[last, CSVExporter(history, whole=True, after=last)]).train_epochs(
            4, IMAGES, LABELS
        )
    assert load_checkpoint(weights)[1]["epoch"] == 1 and epochs(history) == [1]


def test_resume_lets_rows_wait(tmp_path, monkeypatch):
    from ssvae_widgets.cli.train import train

    words = [
        "--n",
        "60",
        "--weights",
        str(tmp_path / "m.ckpt"),
        "--max-epochs",
        "2",
        "--encoder-type",
        "dense",
        "--hidden-dims",
        "8",
        "--latent-dim",
        "2",
        "--quiet",
    ]
    assert train(words) == 0
    made = []
    start = CSVExporter.on_train_start
    monkeypatch.setattr(
        CSVExporter, "on_train_start", lambda self, trainer: (made.append(self), start(self, trainer))[1]
    )
    assert train([*words, "--resume"]) == 0
    assert made and made[0].after is not None and made[0].after.path == str(tmp_path / "m.ckpt")
    assert epochs(tmp_path / "m_history.csv") == [1, 2, 3, 4] and load_checkpoint(tmp_path / "m.ckpt")[1]["epoch"] == 4


def test_weights_with_a_dot_in_their_name_have_a_history_each(tmp_path):
    told = {name: default_callbacks(tmp_path / name, display=False) for name in ("lr_0.001", "lr_0.003", "b.ckpt")}
    paths = {name: [Path(one.path).name for one in some] for name, some in told.items()}
    assert paths == {
        "lr_0.001": ["lr_0.001_history.csv", "lr_0.001_loss.png"],
        "lr_0.003": ["lr_0.003_history.csv", "lr_0.003_loss.png"],
        "b.ckpt": ["b_history.csv", "b_loss.png"],
    }
