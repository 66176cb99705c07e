"""Every command on input that is wrong, odd or hostile: an exit code, one sentence, no traceback, and nothing half
written."""

import io
import json
import os
import pickle
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from waiting import until

from ssvae_widgets.cli.experiments import collect_runs, experiment, label_sets
from ssvae_widgets.cli.infer import infer
from ssvae_widgets.cli.label import label
from ssvae_widgets.cli.pool import pool
from ssvae_widgets.cli.train import train
from ssvae_widgets.cli.view import view
from ssvae_widgets.data.standard import load_digits
from ssvae_widgets.experiments import experiment_data
from ssvae_widgets.io.checkpoint import MAGIC, load_checkpoint, save_checkpoint

TINY = ["--encoder-type", "dense", "--hidden-dims", "8", "--latent-dim", "2", "--max-epochs", "1", "--quiet"]
COMMANDS = {
    "ssvae-train": train,
    "ssvae-infer": infer,
    "ssvae-view": view,
    "ssvae-label": label,
    "ssvae-label-sets": label_sets,
    "ssvae-experiment": experiment,
    "ssvae-collect": collect_runs,
    "ssvae-pool": pool,
}


def refused(capfd, name: str, *words) -> str:
    "Run a command that must fail; gives its one sentence."
    capfd.readouterr()
    code = COMMANDS[name]([str(w) for w in words])
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if not line.startswith(f"{name}: note: ")]
    assert code in (1, 2), (code, out, err)
    assert len(lines) == 1 and lines[0].startswith(f"{name}: ") and len(lines[0]) > len(name) + 12, err
    assert "Traceback" not in err and out == "", (out, err)
    return lines[0]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    "A folder with a trained model of the digits and the file that ssvae-infer makes of it."
    folder = tmp_path_factory.mktemp("model")
    assert train(["--n", "200", "--labels", "truth", "--weights", str(folder / "ssvae.ckpt"), *TINY]) == 0
    assert (
        infer(["--n", "200", "--weights", str(folder / "ssvae.ckpt"), "--output", str(folder / "out.npz"), "--quiet"])
        == 0
    )
    return folder


# ------------------------------------------------------------------ D1: images
def npy(a, **kw) -> bytes:
    file = io.BytesIO()
    np.save(file, a, **kw)
    return file.getvalue()


def npz(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def bomb() -> bytes:
    "A .npz whose array claims a terabyte."
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (125000, 1000, 1000), }"
    header += b" " * (118 - len(header) - 1) + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("images.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    return file.getvalue()


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("evil-was-here",))


X = np.linspace(0, 1, 20 * 64).reshape(20, 8, 8)
BAD_IMAGES = {
    "nan.npy": npy(np.where(X > 0.5, np.nan, X)),
    "inf.npy": npy(np.where(X > 0.99, np.inf, X)),
    "none.npy": npy(X[:0]),
    "flat.npy": npy(X[:, :0]),
    "line.npy": npy(X[0, 0]),
    "five.npy": npy(X.reshape(5, 2, 2, 8, 8)),
    "text.npy": npy(np.full((20, 8, 8), "x")),
    "range.npy": npy(X * 1000 - 500),
    "complex.npy": npy(X * 1j),
    "object.npy": npy(np.array([Evil()] * 20, object), allow_pickle=True),
    "cut.npy": npy(X)[:-9],
    "empty.npy": b"",
    "words.npy": b"these are words",
    "channels.npy": npy(np.zeros((6, 3, 8, 8))),
    "object.npz": npz(images=np.array([Evil()] * 20, object)),
    "bomb.npz": bomb(),
    "keys.npz": npz(a=X, b=X),
    "nothing.npz": npz(),
    "words.npz": b"PK\x03\x04 words",
    "train-images-idx3-ubyte": b"\0\0\x08\x03\0\0\0\x09\0\0\0\x08\0\0\0\x08ab",
    "notes.txt": b"hello",
    "pickle.pkl": pickle.dumps([1, 2]),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_images_that_cannot_be_used(name, model, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / name
    file.write_bytes(BAD_IMAGES[name])
    refused(capfd, "ssvae-train", "--data", file, "--weights", tmp_path / "new.ckpt", *TINY)
    refused(
        capfd,
        "ssvae-infer",
        "--data",
        file,
        "--weights",
        model / "ssvae.ckpt",
        "--output",
        tmp_path / "out.npz",
        "--quiet",
    )
    refused(capfd, "ssvae-label-sets", "--data", file, "--output", tmp_path / "sets", "--budgets", "5")
    refused(
        capfd, "ssvae-experiment", "label-efficiency", "--data", file, "--output", tmp_path / "runs", "--budgets", "5"
    )
    refused(capfd, "ssvae-view", "--latent", file, "--no-open")
    left = {p.name for p in tmp_path.iterdir()} - {name}
    assert not left & {"evil-was-here", "new.ckpt", "out.npz"} and not any(n.endswith(".tmp") for n in left), left


FOLDERS = {
    "missing": None,
    "bare": {},
    "words": {"a.png": b"this is no picture"},
    "cut": {"a.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"},
}


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_that_cannot_be_used(name, tmp_path, capfd):
    folder = tmp_path / name
    for file, content in (FOLDERS[name] or {}).items():
        folder.mkdir(exist_ok=True)
        (folder / file).write_bytes(content)
    if FOLDERS[name] == {}:
        folder.mkdir()
    for command, words in (
        ("ssvae-train", ["--weights", tmp_path / "new.ckpt", *TINY]),
        ("ssvae-label-sets", ["--output", tmp_path / "sets"]),
        ("ssvae-experiment", ["label-efficiency", "--output", tmp_path / "runs"]),
    ):
        assert name in refused(
            capfd,
            command,
            *(words[:1] if command == "ssvae-experiment" else []),
            "--data",
            folder,
            *(words[1:] if command == "ssvae-experiment" else words),
        )


def odd_images() -> dict:
    rng = np.random.default_rng(0)
    color = rng.integers(0, 256, (30, 9, 7, 3), np.uint8)
    return {
        "one": X[:1],
        "two": X[:2],
        "constant": np.zeros((20, 8, 8)),
        "bytes": (X * 255).astype(np.uint8),
        "to 255": X * 255.0,
        "color": color,
        "odd size": rng.random((20, 5, 11)),
        "fortran": np.asfortranarray(rng.random((20, 8, 8))),
        "vectors": rng.normal(size=(40, 6)),
        "booleans": X > 0.5,
    }


@pytest.mark.parametrize("name", odd_images())
def test_odd_images_work(name, tmp_path, capfd):
    "A read-only memory map of anything unusual but meaningful goes through training, inference and the viewer's check."
    file = tmp_path / "x.npy"
    np.save(file, odd_images()[name])
    words = ["--data", str(file), "--weights", str(tmp_path / "m.ckpt")]
    assert train([*words, *TINY]) == 0, capfd.readouterr().err
    assert infer([*words, "--output", str(tmp_path / "out.npz"), "--quiet"]) == 0, capfd.readouterr().err
    assert view(["--latent", str(tmp_path / "out.npz"), "--no-open", "--quiet"]) == 0, capfd.readouterr().err
    with np.load(tmp_path / "out.npz") as out:
        assert (
            out["tsne"].shape == (len(np.load(file)), 2)
            and np.isfinite(out["latent"]).all()
            and out["reconstructed"].shape == np.load(file).shape
        )


# ------------------------------------------------------------------ D2: labels
BAD_LABELS = {
    "empty": b"",
    "binary": bytes(range(256)) * 4,
    "no header": b"3,1\n4,2\n",
    "class 10": b"Serial,label\n3,10\n",
    "class -2": b"Serial,label\n3,-2\n",
    "a name": b"Serial,label\n3,seven\n",
    "half": b"Serial,label\n3,1.5\n",
    "beyond": b"Serial,label\n5000,1\n",
    "negative": b"Serial,label\n-4,1\n",
    "no number": b"Serial,label\nx,1\n",
    "two answers": b"Serial,label\n3,1\n3,2\n",
    "other columns": b"name,kind\n3,1\n",
    "pickle": pickle.dumps({3: 1}),
    "zip": b"PK\x03\x04...",
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_labels_that_cannot_be_used(name, model, tmp_path, capfd):
    file = tmp_path / "labels.csv"
    file.write_bytes(BAD_LABELS[name])
    for command, words in (
        ("ssvae-train", ["--n", "200", "--weights", tmp_path / "new.ckpt", *TINY]),
        ("ssvae-train", ["--n", "200", "--weights", model / "ssvae.ckpt", "--resume", *TINY]),
        ("ssvae-infer", ["--n", "200", "--weights", model / "ssvae.ckpt", "--output", tmp_path / "out.npz"]),
        ("ssvae-view", ["--latent", model / "out.npz", "--no-open"]),
    ):
        assert "labels.csv" in refused(capfd, command, "--labels", file, *words)
    assert file.read_bytes() == BAD_LABELS[name] and {p.name for p in tmp_path.iterdir()} == {"labels.csv"}


def odd_labels(n: int = 60) -> dict:
    _, t = load_digits()
    return {
        "zero": {},
        "one": {5: 3},
        "one class": {i: 3 for i in range(10)},
        "one of each": {int(np.flatnonzero(t == k)[0]): k for k in range(10)},
        "all": {i: int(t[i]) for i in range(n)},
    }


@pytest.mark.parametrize("name", odd_labels())
def test_odd_labels_work(name, tmp_path, capfd):
    file = tmp_path / "labels.csv"
    file.write_text("Serial,label\n" + "".join(f"{i},{k}\n" for i, k in odd_labels()[name].items()))
    words = ["--n", "60", "--labels", str(file), "--weights", str(tmp_path / "m.ckpt")]
    assert train([*words, *TINY]) == 0, capfd.readouterr().err
    assert infer([*words, "--output", str(tmp_path / "out.npz"), "--quiet"]) == 0, capfd.readouterr().err


@pytest.mark.parametrize("k", [2, 300])
def test_many_and_named_classes(k, tmp_path, capfd):
    "Names in the file are the classes; a class that appears later is added on --resume."
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((k + 5, 6, 6)))
    file = tmp_path / "labels.csv"
    file.write_text("Serial,label\n" + "".join(f"{i},kind {i:03d}\n" for i in range(k)))
    words = ["--data", str(tmp_path / "x.npy"), "--labels", str(file), "--weights", str(tmp_path / "m.ckpt")]
    assert train([*words, *TINY]) == 0, capfd.readouterr().err
    with file.open("a") as f:
        f.write(f"{k},zz new\n")
    assert train([*words, "--resume", *TINY]) == 0, capfd.readouterr().err
    assert infer([*words, "--output", str(tmp_path / "out.npz"), "--quiet"]) == 0, capfd.readouterr().err
    with np.load(tmp_path / "out.npz") as out:
        assert out["class_names"].tolist() == [*(f"kind {i:03d}" for i in range(k)), "zz new"] and out[
            "pred_probs"
        ].shape == (k + 5, k + 1)


# ------------------------------------------------------------------ C4: checkpoints
def bad_checkpoints(good: bytes, folder: Path) -> dict[str, bytes]:
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 4
    made = {}
    arrays, meta = load_checkpoint(folder / "ssvae.ckpt")
    for name, (a, m) in {
        "nan": ({**arrays, "params": {k: np.full_like(v, np.nan) for k, v in arrays["params"].items()}}, meta),
        "other kind": ({"a": np.zeros(3)}, {"kind": "other"}),
        "huge": (arrays, {**meta, "config": {**meta["config"], "hidden_dims": [9]}}),
        "no config": (arrays, {k: v for k, v in meta.items() if k != "config"}),
    }.items():
        save_checkpoint(folder / "tmp.ckpt", a, m)
        made[name] = (folder / "tmp.ckpt").read_bytes()
    (folder / "tmp.ckpt").unlink()
    return {
        **made,
        "empty": b"",
        "text": b"weights",
        "cut": good[:-100],
        "header only": good[:40],
        "flipped": bytes(flipped),
        "pickle": pickle.dumps(Evil()),
        "zip": npz(a=X),
        "version 9": good[:8] + (9).to_bytes(4, "little") + good[12:],
        "claims": MAGIC + (1).to_bytes(4, "little") + (1 << 60).to_bytes(8, "little") * 2 + bytes(32),
    }


NAMES = [
    "nan",
    "other kind",
    "huge",
    "no config",
    "empty",
    "text",
    "cut",
    "header only",
    "flipped",
    "pickle",
    "zip",
    "version 9",
    "claims",
]


@pytest.mark.parametrize("name", NAMES)
def test_checkpoints_that_cannot_be_used(name, model, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = bad_checkpoints((model / "ssvae.ckpt").read_bytes(), model)
    assert list(made) == NAMES
    file = tmp_path / "bad.ckpt"
    file.write_bytes(made[name])
    refused(capfd, "ssvae-infer", "--n", "200", "--weights", file, "--output", tmp_path / "out.npz")
    refused(capfd, "ssvae-train", "--n", "200", "--weights", file, "--resume", *TINY)
    refused(
        capfd,
        "ssvae-view",
        "--latent",
        model / "out.npz",
        "--labels",
        tmp_path / "l.csv",
        "--weights",
        file,
        "--no-open",
    )
    assert file.read_bytes() == made[name] and {p.name for p in tmp_path.iterdir()} == {"bad.ckpt"}


def test_checkpoint_of_other_images(model, tmp_path, capfd):
    np.save(tmp_path / "x.npy", X[:, :7])
    for command in ("ssvae-infer", "ssvae-train"):
        more = ["--resume", *TINY] if command == "ssvae-train" else ["--output", tmp_path / "out.npz"]
        assert "(8, 8" in refused(
            capfd, command, "--data", tmp_path / "x.npy", "--weights", model / "ssvae.ckpt", *more
        )


# ------------------------------------------------------------------ words
WRONG = [
    ("ssvae-train", "--learning-rate", "-1"),
    ("ssvae-train", "--learning-rate", "fast"),
    ("ssvae-train", "--no-such-flag"),
    ("ssvae-train", "--config", "/no/such.toml"),
    ("ssvae-train", "--preset", "none"),
    ("ssvae-train", "--n", "0"),
    ("ssvae-train", "--encoder-type", "none", "--n", "20"),
    ("ssvae-train", "--resume", "--weights", "/no/such.ckpt"),
    ("ssvae-train", "--labels", "/no/such.csv"),
    ("ssvae-train", "--weights", "/dev/null/x.ckpt", "--n", "20"),
    ("ssvae-infer", "--split", "test"),
    ("ssvae-infer", "--weights", "/no/such.ckpt"),
    ("ssvae-infer", "--perplexity", "0"),
    ("ssvae-infer", "--embedding", "pca"),
    ("ssvae-view", "--latent", "/no/such.npz"),
    ("ssvae-label",),
    ("ssvae-label", "/no/such/folder"),
    ("ssvae-label", "digits", "--project", "digits"),
    ("ssvae-label", "--project", "/no/such"),
    ("ssvae-label", "digits", "--port", "0"),
    ("ssvae-label", "digits", "--labels", "/"),
    ("ssvae-label", "digits", "--labels", "notes.txt"),
    ("ssvae-label", "digits", "--labels", "/dev/null/l.csv"),
    ("ssvae-label", "no.png", "digits.png"),
    ("ssvae-label-sets", "--budgets", "0"),
    ("ssvae-label-sets", "--kinds", "best"),
    ("ssvae-experiment", "other"),
    ("ssvae-experiment", "label-efficiency", "--workers", "0"),
    ("ssvae-experiment", "label-efficiency", "--test", "1"),
    ("ssvae-experiment", "repeat", "/no/such.jsonl"),
    ("ssvae-experiment", "label-efficiency", "--architectures", "none"),
    ("ssvae-collect", "/no/such/folder"),
]


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_words(words, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(capfd, *words)
    assert not list(tmp_path.rglob("*.ckpt")) and not list(tmp_path.rglob("*.csv"))


@pytest.mark.parametrize(
    "toml",
    ["latent_dim = ", "hue = 3", "latent_dim = 'wide'", "latent_dim = 0", "[model]\nlatent_dim = 4", "\xff\xfe"],
    ids=repr,
)
def test_wrong_config_files(toml, tmp_path, capfd):
    (tmp_path / "c.toml").write_bytes(toml.encode("latin-1"))
    refused(capfd, "ssvae-train", "--config", tmp_path / "c.toml", "--weights", tmp_path / "new.ckpt", "--n", "20")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_a_manual_page_and_comes_at_once(name):
    "Examples, files and exit codes; jax is not imported for it."
    script = Path(sys.executable).with_name(name)
    done = subprocess.run(
        [str(script), "--help"], capture_output=True, text=True, env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    )
    assert done.returncode == 0
    for part in (f"usage: {name}", "examples:\n", "files:\n", "exit codes:\n", f"  {name}"):
        assert part in done.stdout, part
    assert not {line.split("|")[-1].strip() for line in done.stderr.splitlines()} & {
        "jax",
        "pandas",
        "matplotlib",
        "sklearn",
    }
    complete = subprocess.run([str(script), "--print-completion", "bash"], capture_output=True, text=True)
    assert complete.returncode == 0 and "--json" in complete.stdout
    assert subprocess.run(["bash", "-n"], input=complete.stdout, text=True).returncode == 0


def test_every_field_has_its_flag(tmp_path, capfd):
    import dataclasses

    from ssvae_widgets.cli.train import train_parser
    from ssvae_widgets.config import SSVAEConfig

    text = train_parser().format_help()
    for f in dataclasses.fields(SSVAEConfig):
        assert "--" + f.name.replace("_", "-") in text


def test_json_is_one_object(tmp_path, capfd):
    assert train(["--n", "60", "--json", "--weights", str(tmp_path / "m.ckpt"), *TINY[:-1]]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["images"] == 60 and report["epochs"] == 1
    for wrong in (["--n", "0"], ["--no-such-flag"], ["--max-epochs", "many"]):
        assert train([*wrong, "--json"]) == 2
        out, err = capfd.readouterr()
        report = json.loads(out)
        assert report["exit_code"] == 2 and err == f"ssvae-train: {report['error']}\n"


def test_json_holds_no_words_for_people(model, tmp_path, capfd):
    capfd.readouterr()
    assert (
        infer(["--n", "200", "--weights", str(model / "ssvae.ckpt"), "--output", str(tmp_path / "out.npz"), "--json"])
        == 0
    )
    report = json.loads(capfd.readouterr().out)
    assert set(report) == {"output", "images", "latent_dim", "embedding", "accuracy"} and 0 <= report["accuracy"] <= 1
    assert view(["--latent", str(tmp_path / "out.npz"), "--no-open", "--json"]) == 0
    assert set(json.loads(capfd.readouterr().out)) == {"notebook", "new", "images", "labels"}


def test_folder_of_mixed_pictures_with_a_broken_one(tmp_path, capfd):
    """Colors, sizes and formats that differ; one file is no picture: refused with the flag that helps, then left
    out with a short note."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("moss", "rust"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(6):
            Image.fromarray(rng.integers(0, 256, (*rng.integers(8, 20, 2), 3), np.uint8)).save(
                tmp_path / "photos" / name / f"{i}.{'png' if i % 2 else 'jpg'}"
            )
    (tmp_path / "photos" / "moss" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    (tmp_path / "photos" / "rust" / "Thumbs.db").write_bytes(b"x")
    words = ["--data", str(tmp_path / "photos"), "--weights", str(tmp_path / "m.ckpt")]
    sentence = refused(capfd, "ssvae-train", *words, *TINY)
    assert "bad.png" in sentence and "--skip-unreadable" in sentence and "errors=" not in sentence
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as in a process of its own
        assert train([*words, "--labels", "truth", "--skip-unreadable", *TINY]) == 0
    note = capfd.readouterr().err
    assert (
        note.startswith("ssvae-train: note: 1 pictures were skipped")
        and "bad.png" in note
        and "errors=" not in note
        and len(note.splitlines()) == 1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert infer([*words, "--skip-unreadable", "--output", str(tmp_path / "out.npz"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["images"] == 12
    with np.load(tmp_path / "out.npz") as out:
        assert out["class_names"].tolist() == ["moss", "rust"] and out["input"].shape[3] == 3


def interrupt(words: list, history: Path, lines: int) -> str:
    "Start a command, press Ctrl-C when its history has some lines; what it said on standard error."
    import signal
    import time

    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell that runs tests in the background has it ignored, and so would have the command
    process = subprocess.Popen([str(w) for w in words], stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    try:
        end = time.monotonic() + 240
        while (
            (not history.exists() or len(history.read_text().splitlines()) < lines)
            and process.poll() is None
            and time.monotonic() < end
        ):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, err
    return err


COMPILING = """
import os, signal, sys, threading
from ssvae_widgets.cli.common import make_parser, run_command

def work(args):
    import jax, jax.numpy as jnp

    def layers(x):
        for k in range(120):
            x = jnp.sort(jnp.sin(x @ x + k), axis=0)
        return x

    lowered = jax.jit(layers).lower(jnp.ones((16, 16)))
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    lowered.compile()

sys.exit(run_command(make_parser("probe", "Compile.", [], {}), work))
"""


def test_a_compilation_that_is_interrupted_crashes_nothing():
    done = subprocess.run([sys.executable, "-c", COMPILING], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (130, "probe: interrupted\n")


CLEANING = """
import gc, signal, sys, time
from ssvae_widgets.cli.common import make_parser, run_command

struck = []

def _xla_gc_callback(*facts):  # JAX has one of this name: what is raised in it is printed and forgotten
    if not struck:
        struck.append(signal.raise_signal(getattr(signal, sys.argv[1])))

def work(args):
    gc.callbacks.append(_xla_gc_callback)
    gc.collect()
    time.sleep(30)

sys.exit(run_command(make_parser("probe", "Clean up.", [], {}), work, []))
"""


@pytest.mark.parametrize("name, code", [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_that_falls_into_cleaning_up_ends_the_run_all_the_same(name, code):
    done = subprocess.run([sys.executable, "-c", CLEANING, name], capture_output=True, text=True, timeout=120)
    assert done.returncode == code and "Exception ignored" not in done.stderr, done


def test_interrupted_run_can_be_resumed(tmp_path):
    """Ctrl-C: exit code 130; the weights of a first run are its best epoch, those of --resume every finished one;
    --resume goes on from both."""
    weights, history = tmp_path / "m.ckpt", tmp_path / "m_history.csv"
    words = [Path(sys.executable).with_name("ssvae-train"), "--n", "300", "--weights", weights, *TINY]
    assert interrupt([*words, "--max-epochs", "100000", "--patience", "0"], history, 6) == "ssvae-train: interrupted\n"
    _, meta = load_checkpoint(weights)
    first = meta["epoch"]
    assert 1 <= first <= len(history.read_text().splitlines()) - 1

    assert interrupt([*words, "--resume", "--max-epochs", "100000"], history, first + 6) == "ssvae-train: interrupted\n"
    _, meta = load_checkpoint(weights)
    epochs = [line.split(",")[0] for line in history.read_text().splitlines()[1:]]
    assert meta["epoch"] >= first + 5 and epochs == [str(i + 1) for i in range(meta["epoch"])], (
        "weights and rows end at the same epoch"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM there")
def test_a_batch_system_ends_a_run(tmp_path):
    """SIGTERM is Ctrl-C with another exit code; SIGKILL loses the last moment, and --resume puts the history in step
    with the weights."""
    import signal
    import time

    weights, history = tmp_path / "m.ckpt", tmp_path / "m_history.csv"
    assert train(["--n", "300", "--weights", str(weights), *TINY]) == 0
    words = [
        str(Path(sys.executable).with_name("ssvae-train")),
        "--n",
        "300",
        "--weights",
        str(weights),
        *TINY,
        "--resume",
        "--max-epochs",
    ]
    for number, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        first = len(history.read_text().splitlines())
        process = subprocess.Popen([*words, "100000"], stderr=subprocess.PIPE, text=True)
        try:
            end = time.monotonic() + 240
            while (
                len(history.read_text().splitlines()) < first + 4 and process.poll() is None and time.monotonic() < end
            ):
                time.sleep(0.02)
            process.send_signal(number)
            _, err = process.communicate(timeout=120)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == code and "Traceback" not in err, err
        if code == 143:
            assert (
                err == "ssvae-train: ended by the system\n"
                and load_checkpoint(weights)[1]["epoch"] == len(history.read_text().splitlines()) - 1 >= first + 2
            )
    kept = load_checkpoint(weights)[1]["epoch"]
    assert train(["--n", "300", "--weights", str(weights), "--resume", *TINY]) == 0
    assert load_checkpoint(weights)[1]["epoch"] == kept + 1
    assert [line.split(",")[0] for line in history.read_text().splitlines()[1:]] == [
        str(i + 1) for i in range(kept + 1)
    ]


def test_two_workers_give_what_one_gives(tmp_path):
    "The same records from one process and from two, each on its own core."
    words = [
        "label-efficiency",
        "--n",
        "300",
        "--budgets",
        "10",
        "30",
        "--architectures",
        "dense",
        "--draws",
        "2",
        "--epochs",
        "1",
        "2",
        "--hidden-dims",
        "16",
        "--latent-dim",
        "4",
        "--quiet",
    ]
    assert experiment([*words, "--output", str(tmp_path / "one")]) == 0
    script = str(Path(sys.executable).with_name("ssvae-experiment"))
    done = subprocess.run(
        [script, *words, "--workers", "2", "--output", str(tmp_path / "two")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    one, two = (
        [json.loads(p.read_text()) for p in sorted((tmp_path / name / "runs").iterdir())] for name in ("one", "two")
    )
    assert len(one) == 4
    for a, b in zip(one, two):
        assert (a["key"], a["labels"], a["right"]) == (b["key"], b["labels"], b["right"])


# ------------------------------------------------------------------ what a user's day brings
def shell(line: str, folder: Path, **env) -> subprocess.CompletedProcess:
    "A command line in a folder, with the commands of this environment."
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path, **env},
    )


def test_a_reader_that_leaves_is_no_traceback(tmp_path):
    "`| true`, a full or a closed output: one sentence at most, and what was made stays."
    words = " ".join(["ssvae-train --n 40", *TINY[:-1]])
    for end in ("--json | true", "--json > /dev/full", "2>&1 | true", "> /dev/full 2>&1", "2>&-", "--json >&-"):
        done = shell(f"{words} {end}", tmp_path)
        assert (
            done.returncode in (0, 1)
            and "Traceback" not in done.stderr
            and "Exception" not in done.stderr
            and "NoneType" not in done.stderr
        ), (end, done)
        assert len(done.stderr.splitlines()) <= 1, (end, done.stderr)
    assert (tmp_path / "artifacts" / "checkpoints" / "ssvae.ckpt").exists()
    for words in ("ssvae-train --help | true", "ssvae-train --print-completion bash | true"):
        assert "Traceback" not in shell(words, tmp_path).stderr


def test_names_that_the_terminal_cannot_show(tmp_path):
    "An ASCII terminal gets an escape instead of an error after the work."
    done = shell(
        f"ssvae-train --n 40 {' '.join(TINY[:-1])} --weights größe/m.ckpt && ssvae-infer --help",
        tmp_path,
        PYTHONIOENCODING="ascii",
    )
    assert done.returncode == 0 and r"gr\xf6\xdfe/m.ckpt: 40 images" in done.stdout, done


def test_home_and_empty_paths(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert train(["--n", "40", "--weights=~/m.ckpt", *TINY]) == 0
    assert (tmp_path / "home" / "m.ckpt").exists() and not (tmp_path / "~").exists()
    for words in (
        ["ssvae-train", "--labels", ""],
        ["ssvae-train", "--config", ""],
        ["ssvae-train", "--weights", ""],
        ["ssvae-train", "--data", ""],
        ["ssvae-infer", "--output", ""],
        ["ssvae-view", "--latent", ""],
        ["ssvae-collect", ""],
    ):
        assert "is empty; give a path" in refused(capfd, *words)


def test_files_of_another_kind_are_not_replaced(model, tmp_path, capfd):
    "A wrong name after --weights or --output costs nobody labels or a model."
    labels, weights = tmp_path / "labels.csv", tmp_path / "m.ckpt"
    labels.write_text("Serial,label\n0,1\n")
    weights.write_bytes((model / "ssvae.ckpt").read_bytes())
    assert "no checkpoint, so it is kept" in refused(
        capfd, "ssvae-train", "--n", "40", "--labels", labels, "--weights", labels, *TINY
    )
    assert "no .npz file, so it is kept" in refused(
        capfd, "ssvae-infer", "--n", "40", "--weights", weights, "--output", weights
    )
    assert "is a folder" in refused(capfd, "ssvae-infer", "--n", "40", "--weights", weights, "--output", tmp_path)
    assert "is a folder" in refused(capfd, "ssvae-train", "--n", "40", "--weights", tmp_path, *TINY)
    assert "no plain file" in refused(capfd, "ssvae-infer", "--n", "40", "--weights", weights, "--output", "/dev/null")
    assert "is a folder" in refused(
        capfd, "ssvae-view", "--latent", model / "out.npz", "--no-open", "--notebook", tmp_path
    )
    assert labels.read_text() == "Serial,label\n0,1\n" and weights.read_bytes() == (model / "ssvae.ckpt").read_bytes()


@pytest.mark.parametrize("error", [28, 13], ids=["full", "no permission"])
def test_the_system_is_quoted_in_words(error, model, tmp_path, capfd, monkeypatch):
    "The file that a person knows, what is wrong with it, what to do; no number and no temporary name."
    import ssvae_widgets.io.files as files

    def fail(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(files, "write_all", fail)
    said = refused(
        capfd, "ssvae-infer", "--n", "200", "--weights", model / "ssvae.ckpt", "--output", tmp_path / "out.npz"
    )
    assert (
        "out.npz" in said
        and "Errno" not in said
        and ".tmp" not in said
        and {28: "free some space", 13: "change the permissions"}[error] in said
    )
    assert not list(tmp_path.iterdir())


def test_resume_says_what_it_does_not_take(model, tmp_path, capfd):
    "Fields that differ are named; epochs of a file count."
    weights, toml = tmp_path / "m.ckpt", tmp_path / "c.toml"
    weights.write_bytes((model / "ssvae.ckpt").read_bytes())
    toml.write_text("max_epochs = 2\nlearning_rate = 0.5\nlatent_dim = 2\n")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert (
            train(
                [
                    "--n",
                    "200",
                    "--weights",
                    str(weights),
                    "--resume",
                    "--config",
                    str(toml),
                    "--batch-size",
                    "7",
                    "--json",
                ]
            )
            == 0
        )
    out, err = capfd.readouterr()
    assert json.loads(out)["epochs"] == 2
    assert (
        "learning_rate" in err
        and "batch_size" in err
        and "latent_dim" not in err
        and "--resume goes on with its configuration" in err
        and len(err.splitlines()) == 1
    )


@pytest.mark.parametrize(
    "toml",
    ['use_contrastive = "no"', "encoder_type = ['dense']", "hold_out_labels = 1", "random_seed = 99999999999999999999"],
    ids=repr,
)
def test_values_of_another_type(toml, tmp_path, capfd):
    (tmp_path / "c.toml").write_text(toml)
    assert "SSVAEConfig." in refused(
        capfd, "ssvae-train", "--config", tmp_path / "c.toml", "--weights", tmp_path / "new.ckpt", "--n", "20"
    )


def test_shape_errors_name_the_flags(model, tmp_path, capfd):
    from PIL import Image

    (tmp_path / "p").mkdir()
    for i in range(3):
        Image.new("RGB", (9, 7), (i, 99, 0)).save(tmp_path / "p" / f"{i}.png")
    assert "--size 8 8 --no-color" in refused(
        capfd,
        "ssvae-infer",
        "--data",
        tmp_path / "p",
        "--weights",
        model / "ssvae.ckpt",
        "--output",
        tmp_path / "o.npz",
    )


@pytest.mark.parametrize(
    "change",
    [
        dict(class_names=np.array("a")),
        dict(class_names=np.array(["a", "a"])),
        dict(pred_classes=np.full(200, -3)),
        dict(pred_probs=np.zeros(200)),
        dict(labels=np.full(200, "a")),
        dict(input=np.zeros((200, 2, 2, 2, 2))),
    ],
    ids=lambda c: next(iter(c)),
)
def test_odd_files_are_no_viewer(change, model, tmp_path, capfd):
    with np.load(model / "out.npz") as a:
        np.savez(tmp_path / "odd.npz", **{**a, **change})
    assert next(iter(change)) in refused(
        capfd, "ssvae-view", "--latent", tmp_path / "odd.npz", "--no-open"
    ) and not list(tmp_path.glob("*.ipynb"))


@pytest.mark.parametrize(
    "words",
    [
        ("ssvae-view", "--port", "70000"),
        ("ssvae-label-sets", "--seed", "-1"),
        ("ssvae-infer", "--seed", "-1"),
        ("ssvae-infer", "--perplexity", "nan"),
        ("ssvae-experiment", "label-efficiency", "results"),
    ],
    ids=" ".join,
)
def test_more_wrong_words(words, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(capfd, *words)
    assert not list(tmp_path.iterdir())


def test_experiments_do_not_mix_what_differs(tmp_path, capfd, monkeypatch):
    """Other settings in one folder: rows told apart. Other images under the same name: refused. Damaged and foreign
    records: left out."""
    monkeypatch.chdir(tmp_path)
    rng, t = np.random.default_rng(0), np.arange(60) % 3
    np.savez("x.npz", images=rng.random((60, 6, 6)), truth=t)
    words = [
        "label-efficiency",
        "--data",
        "x.npz",
        "--budgets",
        "6",
        "--architectures",
        "dense",
        "--draws",
        "1",
        "--epochs",
        "1",
        "1",
        "--latent-dim",
        "2",
        "--quiet",
        "--output",
        "runs",
    ]
    for width in ("8", "9"):
        assert experiment([*words, "--hidden-dims", width]) == 0
    (tmp_path / "runs" / "runs" / "foreign.json").write_text('{"key": 3, "run": {}, "accuracy": null}')
    assert collect_runs(["runs", "--output", "all.csv", "--quiet"]) == 0
    assert {line.split(",")[2] for line in Path("all_summary.csv").read_text().splitlines()[1:]} == {
        "dense hidden_dims=[8]",
        "dense hidden_dims=[9]",
    }
    assert "other images" not in capfd.readouterr().err
    np.savez("x.npz", images=rng.random((60, 6, 6)), truth=t)
    experiment_data.cache_clear()  # as in a process of its own
    assert "has changed since" in refused(capfd, "ssvae-experiment", *words, "--hidden-dims", "8")
    Path("bad.jsonl").write_text('{"key": 3, "run": 4, "accuracy": 1}\n[]\n')
    assert "holds 0 runs" in refused(capfd, "ssvae-experiment", "repeat", "bad.jsonl")
    assert "ends in .csv" in refused(capfd, "ssvae-collect", "runs", "--output", "all.png")


def test_interrupted_workers_say_nothing(tmp_path):
    "Ctrl-C in a terminal reaches every process: one word, no traceback of a worker, finished runs stay."
    import signal

    words = [
        "label-efficiency",
        "--n",
        "300",
        "--budgets",
        "10",
        "20",
        "--architectures",
        "dense",
        "--draws",
        "40",
        "--epochs",
        "1",
        "1",
        "--hidden-dims",
        "8",
        "--latent-dim",
        "2",
        "--quiet",
        "--workers",
        "2",
    ]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [Path(sys.executable).with_name("ssvae-experiment"), *words, "--output", tmp_path / "runs"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, before)
    try:
        until(lambda: list(tmp_path.glob("runs/runs/*.json")) or process.poll() is not None, 240, every=0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130 and err == "ssvae-experiment: interrupted\n", err
    for path in tmp_path.glob("runs/runs/*.json"):
        assert json.loads(path.read_text())["tested"] == 60


def test_a_full_disk_leaves_the_history(model, tmp_path, capfd, monkeypatch):
    "The history of a model that goes on is replaced as a whole or not at all."
    import ssvae_widgets.io.files as files

    for name in ("ssvae.ckpt", "ssvae_history.csv"):
        (tmp_path / name).write_bytes((model / name).read_bytes())

    def fail(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(files, "write_all", fail)
    assert "the disk is full" in refused(
        capfd, "ssvae-train", "--n", "200", "--weights", tmp_path / "ssvae.ckpt", "--resume", *TINY
    )
    for name in ("ssvae.ckpt", "ssvae_history.csv"):
        assert (tmp_path / name).read_bytes() == (model / name).read_bytes()


# ------------------------------------------------------------------ files of others are kept
@pytest.mark.parametrize(
    "what", ["the data themselves", "the data under another name", "another archive", "the labels"]
)
def test_infer_replaces_nothing_but_a_result(model, tmp_path, capfd, what):
    images, truth = load_digits()
    own, target = tmp_path / "own.npz", tmp_path / "own.npz"
    np.savez(own, images=images[:50], truth=truth[:50])
    if what == "the data under another name":
        target = tmp_path / "link.npz"
        target.symlink_to(own)
    if what == "another archive":
        target = tmp_path / "other.npz"
        target.write_bytes(npz(mine=np.arange(3)))
    labels = tmp_path / "labels.csv"
    labels.write_text("Serial,label\n3,3\n")
    words = [
        "--weights",
        model / "ssvae.ckpt",
        "--data",
        own,
        "--output",
        labels if what == "the labels" else target,
        "--labels",
        labels,
    ]
    before = {p: p.read_bytes() for p in (own, target, labels)}
    assert "kept" in refused(capfd, "ssvae-infer", *words)
    assert {p: p.read_bytes() for p in before} == before


def test_infer_replaces_its_own_result(model, tmp_path):
    target = tmp_path / "out.npz"
    target.write_bytes((model / "out.npz").read_bytes())
    assert infer(["--n", "50", "--weights", str(model / "ssvae.ckpt"), "--output", str(target), "--quiet"]) == 0
    with np.load(target) as a:
        assert len(a["input"]) == 50


@pytest.mark.parametrize("kind, says", [("loop", "leads to itself"), ("dangling", "folder that does not exist")])
def test_weights_that_cannot_be_written_are_refused_before_the_work(tmp_path, capfd, kind, says):
    weights = tmp_path / "w.ckpt"
    weights.symlink_to(weights if kind == "loop" else tmp_path / "gone" / "w.ckpt")
    assert says in refused(capfd, "ssvae-train", "--n", 50, "--weights", weights, *TINY)
    assert weights.is_symlink() and not (tmp_path / "gone").exists()


@pytest.mark.parametrize("content", ["text", "picture", "folder"])
def test_a_picture_of_somebody_else_is_kept(tmp_path, capfd, content):
    from PIL import Image

    picture = tmp_path / "w_loss.png"
    if content == "folder":
        picture.mkdir()
    elif content == "text":
        picture.write_text("notes")
    else:
        Image.new("L", (5, 5)).save(picture)
    before = None if content == "folder" else picture.read_bytes()
    sentence = refused(capfd, "ssvae-train", "--n", 50, "--weights", tmp_path / "w.ckpt", *TINY)
    assert "w_loss.png" in sentence and not (tmp_path / "w.ckpt").exists()
    if before is not None:
        assert picture.read_bytes() == before


def test_a_recipe_that_is_nested_too_deeply_is_named(tmp_path, capfd):
    recipe = tmp_path / "deep.toml"
    recipe.write_text("a = " + "[" * 5000 + "]" * 5000)
    assert "deep.toml" in refused(
        capfd, "ssvae-train", "--n", 50, "--config", recipe, "--weights", tmp_path / "w.ckpt", *TINY
    )
