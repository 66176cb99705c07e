"""A user of the ancestor, with nothing but the documentation: train, infer, view, label, train more, through the real
commands.

The commands are read from README, so they are what a person types. MNIST takes part where SSVAE_WIDGETS_DATA names it;
SSVAE_WIDGETS_ACCEPTANCE_N=12000 runs it at its documented size.
"""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ssvae_widgets.data.load import load_images
from ssvae_widgets.io.checkpoint import load_checkpoint

BIN = Path(sys.executable).parent
COLUMNS = [
    "epoch",
    "loss",
    "val_loss",
    "reconstruction_loss",
    "val_reconstruction_loss",
    "kl_loss",
    "val_kl_loss",
    "classification_loss",
    "val_classification_loss",
]
KEYS = {
    "input",
    "latent",
    "tsne",
    "reconstruted",
    "reconstructed",
    "labels",
    "pred_classes",
    "pred_certainty",
    "pred_probs",
}


def commands(block: str) -> list[str]:
    return [re.sub(r"\s+#.*", "", line) for line in block.splitlines()]


def story(root) -> list[str]:
    "The commands that README shows under *From the shell*; the page it leads on to tells the same."
    shown = commands(re.search(r"## From the shell\n\n```sh\n(.*?)```", (root / "README.md").read_text(), re.S)[1])
    cells = json.loads((root / "nbs" / "how_to" / "from_the_shell.ipynb").read_text())["cells"]
    text = next(
        "".join(c["source"])
        for c in cells
        if c["cell_type"] == "markdown" and "".join(c["source"]).startswith("## Train, infer, view")
    )
    assert commands(re.search(r"```sh\n(.*?)```", text, re.S)[1]) == shown
    return shown


def run(line: str, cwd) -> str:
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(line, shell=True, cwd=cwd, env=env, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def history(folder) -> list[dict]:
    with (folder / "artifacts" / "checkpoints" / "ssvae_history.csv").open(newline="") as f:
        return list(csv.DictReader(f))


def result(folder) -> dict:
    with np.load(folder / "data" / "output_latent.npz") as stored:
        return {k: stored[k] for k in stored.files}


def mnist() -> str:
    n = os.environ.get("SSVAE_WIDGETS_ACCEPTANCE_N", "1500")
    return f"--data mnist --n {n}"


HAVE_MNIST = (Path(os.environ.get("SSVAE_WIDGETS_DATA", "/nowhere")) / "mnist").is_dir()


@pytest.mark.parametrize(
    "data",
    [
        "--data digits",
        pytest.param(
            mnist(), marks=pytest.mark.skipif(not HAVE_MNIST, reason="SSVAE_WIDGETS_DATA names no folder with mnist/")
        ),
    ],
)
def test_train_infer_view_label_train_more(root, tmp_path, data):
    words = [line.replace("--data digits", data) for line in story(root)]
    assert [w.split()[0] for w in words] == ["ssvae-train", "ssvae-infer", "ssvae-view", "ssvae-train", "ssvae-infer"]
    truth = load_images(data.split()[1], n=int(data.split()[3]) if "--n" in data else None).truth

    run(words[0], tmp_path)
    checkpoints = tmp_path / "artifacts" / "checkpoints"
    assert {p.name for p in checkpoints.iterdir()} == {"ssvae.ckpt", "ssvae_history.csv", "ssvae_loss.png"}
    assert list(history(tmp_path)[0])[:9] == COLUMNS
    before = len(history(tmp_path))

    run(words[1], tmp_path)
    first = result(tmp_path)
    assert KEYS <= first.keys() and all(len(first[k]) == len(truth) for k in KEYS)
    assert (
        first["tsne"].shape == (len(truth), 2)
        and first["latent"].shape[1] > 2
        and json.loads(str(first["embedding_settings"]))["method"] == "tsne"
    )
    assert set(np.unique(first["input"])) == {0.0, 1.0} and (first["reconstructed"] == first["reconstruted"]).all()

    run(words[2] + " --no-open", tmp_path)  # JupyterLab itself: tests/browser/test_viewer_flow.py
    told = label_in_the_viewer(tmp_path / "data", truth)
    with (tmp_path / "data" / "labels.csv").open(newline="") as f:
        rows = list(csv.reader(f))
    assert rows[0] == ["Serial", "label"] and {int(s): int(k) for s, k in rows[1:]} == told

    run(words[3], tmp_path)
    epochs = [int(r["epoch"]) for r in history(tmp_path)]
    # the best weights of the first run are what the second goes on from
    assert epochs == list(range(1, len(epochs) + 1)) and 15 < len(epochs) <= before + 15
    _, meta = load_checkpoint(checkpoints / "ssvae.ckpt")
    assert meta["epoch"] == len(epochs)

    run(words[4], tmp_path)
    second = result(tmp_path)
    asked = np.setdiff1d(np.arange(len(truth)), list(told))
    right = [(r["pred_classes"][asked] == truth[asked]).mean() for r in (first, second)]
    print(f"{data}: {len(told)} labels, {right[0]:.1%} before, {right[1]:.1%} after")
    assert right[1] > max(0.6, right[0] + 0.3)
    assert (
        abs(second["pred_probs"].sum(1) - 1).max() < 1e-4
        and 0 <= second["pred_certainty"].min()
        and second["pred_certainty"].max() <= 1
    )


def label_in_the_viewer(folder: Path, truth) -> dict[int, int]:
    "Run the notebook's own code and press keys: five of each class."
    cells = json.loads((folder / "output_latent_viewer.ipynb").read_text())["cells"]
    code = "".join(next(c["source"] for c in cells if c["cell_type"] == "code"))
    told = {int(i): k for k in range(10) for i in np.flatnonzero(truth == k)[:5]}
    here, space = os.getcwd(), {}
    os.chdir(folder)
    try:
        exec(compile(code.rsplit("\n", 1)[0], "viewer", "exec"), space)
        app = space["app"]
        assert app.session.point(0)["reconstruction"].shape == app.session.point(0)["image"].shape
        for gesture, (serial, label) in enumerate(told.items()):
            app.act(
                dict(type="label", serials=np.array([serial], np.uint32), label=label, source="key", gesture=gesture)
            )
        assert not app.error and app.session.n_labeled == len(told)
        app.close()
    finally:
        os.chdir(here)
    return told
