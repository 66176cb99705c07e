"""The commands read pictures as the library does, and a model's pictures as those that it was trained on."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from ssvae_widgets import SSVAE, load_images, write_cells
from ssvae_widgets.cli.arguments import add_data_flags, read_images, reading_options, reading_record, trained_reading
from ssvae_widgets.cli.common import UsageError
from ssvae_widgets.cli.experiments import experiment, label_sets
from ssvae_widgets.cli.infer import infer
from ssvae_widgets.cli.train import train
from ssvae_widgets.io.checkpoint import load_checkpoint, save_checkpoint

TINY = (
    "--features none --encoder-type dense --hidden-dims 8 --latent-dim 2 --batch-size 8 --max-epochs 1 --quiet".split()
)
pytestmark = pytest.mark.filterwarnings("always::UserWarning")  # notes of the commands


def parsed(*words):
    parser = argparse.ArgumentParser()
    add_data_flags(parser)
    return parser.parse_args([str(w) for w in words])


@pytest.fixture(scope="module")
def stacks(tmp_path_factory):
    "Three channels of 12 bits, two pages each, in folders `train/dim` and `train/lit`."
    folder, rng = tmp_path_factory.mktemp("data") / "stacks", np.random.default_rng(0)
    for i in range(8):
        at = folder / "train" / ("dim", "lit")[i % 2]
        at.mkdir(parents=True, exist_ok=True)
        pages = rng.integers(0, 4096, (2, 10, 12, 3)).astype(np.uint16)
        with tifffile.TiffWriter(at / f"{i}.tif") as file:
            for page in pages:
                file.write(page, photometric="minisblack", planarconfig="contig")
    return folder


@pytest.mark.parametrize(
    "words, options",
    [
        ("", {}),
        ("--channels 1", dict(channels=[1])),
        ("--channels 2 0", dict(channels=[2, 0])),
        ("--channels 0=blue 2=#ffaa00", dict(channels={0: "blue", 2: "#ffaa00"})),
        ("--percentiles 2 98", dict(percentiles=(2, 98))),
        ("--value-range 0 4095", dict(value_range=(0, 4095))),
        ("--value-range -5 5.5", dict(value_range=(-5, 5.5))),
        ("--pages all", dict(pages="all")),
        ("--pages 2", dict(pages=2)),
        ("--class-level 1", dict(class_level=1)),
        ("--class-level -1", dict(class_level=-1)),
        ("--class-level none", dict(class_level=None)),
        ("--size 6 8 --fit crop --no-color", dict(size=(6, 8), fit="crop", color=False)),
        ("--color --skip-unreadable", dict(color=True, errors="skip")),
    ],
)
def test_a_flag_is_the_option_of_the_same_name(words, options, stacks):
    args = parsed("--data", stacks, *words.split())
    assert reading_options(args) == options
    here, there = read_images(args), load_images(stacks, **options)
    assert np.array_equal(here.images, there.images) and here.names == there.names
    assert here.class_names == there.class_names and here.source.scales == there.source.scales


@pytest.mark.parametrize(
    "words, says",
    [
        ("--channels red", "--channels red: give numbers"),
        ("--channels 0=red 1", "a color to all of them or to none"),
        ("--channels 9", "channels"),
        ("--channels 0=nocolor", "the color 'nocolor'"),
        ("--percentiles 99 1", "--percentiles is 99 1; give black first"),
        ("--percentiles 0 101", "--percentiles is 0 101"),
        ("--value-range 7 7", "--value-range is 7 7"),
        ("--value-range nan 7", "--value-range is nan 7"),
        ("--value-range 0 9 --percentiles 1 99", "give one of them"),
        ("--pages none", "pages is 'none'"),
        ("--pages 0", "pages is 0"),
        ("--class-level deep", "--class-level is deep"),
        ("--size 0 3", "--size is 0 3"),
    ],
)
def test_what_makes_no_sense_is_said_by_its_flag(words, says, stacks):
    with pytest.raises(UsageError, match=says.replace("(", r"\(")):
        read_images(parsed("--data", stacks, *words.split(" ")))


def test_the_cache_is_found_again(stacks, tmp_path):
    words = ("--data", stacks, "--cache", tmp_path / "kept.npy", "--class-level", 1, "--pages", "all")
    first = read_images(parsed(*words))
    assert (tmp_path / "kept.npy").exists() and isinstance(first.images, np.memmap)
    assert np.array_equal(read_images(parsed(*words)).images, first.images) and len(first) == 16


@pytest.fixture(scope="module")
def trained(stacks, tmp_path_factory):
    weights = tmp_path_factory.mktemp("weights") / "w.ckpt"
    words = ["--data", stacks, "--channels", "0=blue", "2=red", "--size", 8, 8, "--class-level", 1, "--labels", "truth"]
    assert train([*map(str, words), "--weights", str(weights), *TINY]) == 0
    return weights


def written(words, output: Path) -> np.ndarray:
    assert infer([*map(str, words), "--output", str(output), "--quiet"]) == 0
    with np.load(output) as out:
        return out["input"]


def test_infer_reads_as_training_did(stacks, trained, tmp_path, capfd):
    found = load_images(stacks, channels={0: "blue", 2: "red"}, size=(8, 8), class_level=1)
    record = SSVAE.from_checkpoint(trained).reading
    low, high = found.source.scales[2].low, found.source.scales[2].high
    assert record["value_range"] == [[a, b] for a, b in zip(low, high)] and len(record["value_range"]) == 2
    assert record["size"] == [8, 8] and record["channels"] == [[0, "blue"], [2, "red"]] and record["pages"] == "first"
    assert np.array_equal(written(["--data", stacks, "--weights", trained], tmp_path / "same.npz"), found.images)
    other = tmp_path / "other"  # darker pictures, larger ones
    other.mkdir()
    values = np.random.default_rng(1).integers(0, 400, (12, 16, 16, 3)).astype(np.uint16)
    for i, page in enumerate(values):
        tifffile.imwrite(other / f"{i:02d}.tif", page, photometric="minisblack", planarconfig="contig")
    seen = written(["--data", other, "--weights", trained], tmp_path / "other.npz")
    want = load_images(other, channels={0: "blue", 2: "red"}, size=(8, 8), value_range=record["value_range"])
    assert np.array_equal(seen, want.images) and seen.max() < 40  # dark pictures stay dark
    assert "read in another way" not in capfd.readouterr().err


def test_flags_win_over_what_the_weights_say_and_it_is_told(stacks, trained, tmp_path, capfd):
    words = ["--data", stacks, "--weights", trained, "--percentiles", 5, 95, "--fit", "pad"]
    seen = written(words, tmp_path / "o.npz")
    want = load_images(stacks, channels={0: "blue", 2: "red"}, size=(8, 8), percentiles=(5, 95), class_level=None)
    assert np.array_equal(seen, want.images)
    said = capfd.readouterr().err
    assert said.count("read in another way") == 1 and "--percentiles:" in said and "--fit" not in said
    assert infer(["--data", str(stacks), "--weights", str(trained), "--size", "9", "9"]) == 2
    assert "trained on items of shape (8, 8, 3)" in capfd.readouterr().err


def test_resume_reads_as_before_and_keeps_the_record(stacks, trained, tmp_path, capfd):
    weights = tmp_path / "w.ckpt"
    weights.write_bytes(trained.read_bytes())
    before = SSVAE.from_checkpoint(weights).reading
    words = ["--data", str(stacks), "--weights", str(weights), "--resume", "--max-epochs", "1", "--quiet"]
    assert train(words) == 0
    again = SSVAE.from_checkpoint(weights)
    assert again.reading == before and again.epoch == 2


def test_data_without_files_leave_no_record(tmp_path):
    weights = tmp_path / "w.ckpt"
    assert train(["--data", "digits", "--n", "40", "--weights", str(weights), *TINY]) == 0
    assert SSVAE.from_checkpoint(weights).reading is None and trained_reading(str(weights)) == {}
    assert trained_reading(str(tmp_path / "none.ckpt")) == {}
    assert reading_record(load_images("digits", n=3)) is None


def test_a_model_of_pictures_still_reads_arrays_and_names(stacks, trained, tmp_path):
    images = load_images(stacks, channels={0: "blue", 2: "red"}, size=(8, 8), class_level=None).images
    np.save(tmp_path / "x.npy", images)
    assert np.array_equal(written(["--data", tmp_path / "x.npy", "--weights", trained], tmp_path / "o.npz"), images)


@pytest.mark.parametrize(
    "odd",
    [7, {"size": "large"}, {"size": [0, 3]}, {"channels": [1]}, {"value_range": [[3, 1]]}, {"pages": []}, {"fit": 3}],
)
def test_a_damaged_record_is_said(odd, trained, stacks, tmp_path, capfd):
    arrays, meta = load_checkpoint(trained)
    save_checkpoint(tmp_path / "odd.ckpt", arrays, {**meta, "reading": odd})
    assert infer(["--data", str(stacks), "--weights", str(tmp_path / "odd.ckpt")]) in (1, 2)
    said = capfd.readouterr().err
    assert "damaged" in said and "Traceback" not in said


def test_label_sets_read_with_the_flags_and_experiments_refuse_them(stacks, tmp_path, capfd):
    out = tmp_path / "sets"
    words = ["--data", str(stacks), "--class-level", "1", "--channels", "1", "--budgets", "4", "--draws", "1"]
    assert label_sets([*words, "--kinds", "random", "--output", str(out), "--quiet"]) == 0
    told = json.loads((out / "label_sets.json").read_text())
    assert told["class_names"] == ["dim", "lit"] and told["fingerprint"]["shape"] == [10, 12]
    assert experiment(["label-efficiency", "--data", str(stacks), "--pages", "all", "--output", str(out)]) == 2
    assert "reads the data as they are" in capfd.readouterr().err


def test_drawn_cells_by_name(tmp_path, capfd):
    weights = str(tmp_path / "w.ckpt")
    assert train(["--data", "cells", "--n", "24", "--labels", "truth", "--weights", weights, *TINY]) == 0
    assert (
        infer(["--data", "cells", "--n", "10", "--weights", weights, "--output", str(tmp_path / "o.npz"), "--quiet"])
        == 0
    )
    with np.load(tmp_path / "o.npz") as out:
        assert out["input"].shape == (10, 64, 64, 3) and out["class_names"].tolist()[1] == "erythrocyte"
    write_cells(tmp_path / "files", 12)
    words = ["--data", tmp_path / "files", "--weights", weights, "--size", 64, 64]
    assert written(words, tmp_path / "f.npz").shape == (12, 64, 64, 3)
