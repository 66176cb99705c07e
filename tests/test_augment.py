"""Which distortions fit is found in the pictures: digits stay, landscapes are mirrored, cells are turned any way."""

import io
import os
import tarfile
import time

import jax
import numpy as np
import pytest
from PIL import Image

from ssvae_widgets import SSVAE, InteractiveTrainer, SSVAEConfig, load_digits, make_cells
from ssvae_widgets.data.arrays import ByteImages
from ssvae_widgets.data.standard import read_idx
from ssvae_widgets.model.augment import (
    Augmentation,
    augment,
    distort,
    farther,
    find_augmentation,
    guess_augmentation,
    light_varies,
    thumbnails,
)

DATA = os.environ.get("SSVAE_WIDGETS_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SSVAE_WIDGETS_DATA is not set")


def landscapes(n=300, side=48):
    "Sky above, ground below, things on it: a left and a right that are alike, an up and a down that are not."
    rng, out = np.random.default_rng(0), []
    for _ in range(n):
        horizon = int(rng.uniform(0.4, 0.7) * side)
        picture = np.empty((side, side, 3))
        picture[:] = np.array([0.5, 0.7, 0.95]) * rng.uniform(0.7, 1.1)
        picture[horizon:] = np.array([0.35, 0.5, 0.25]) * rng.uniform(0.6, 1.2)
        for _ in range(rng.integers(1, 5)):
            left, foot = rng.integers(0, side), horizon + rng.integers(0, 8)
            picture[max(0, foot - rng.integers(5, 25)) : foot, left : left + rng.integers(3, 14)] = rng.uniform(
                0.1, 0.9, 3
            )
        out.append(255 * np.clip(picture + rng.normal(0, 0.03, picture.shape), 0, 1))
    return np.asarray(out, np.uint8)


def leaves(n=200, side=24):
    "Yellow and green discs on paper that is always alike: the color is the class."
    rng, at = np.random.default_rng(0), np.linspace(-1, 1, side)
    inside = (at[:, None] ** 2 + at**2 < 0.4)[..., None]
    color = np.where(np.arange(n)[:, None] % 2, (70, 140, 60), (200, 180, 60))[:, None, None] + rng.normal(
        0, 9, (n, 1, 1, 3)
    )
    return np.clip(np.where(inside, color, 240) + rng.normal(0, 4, (n, side, side, 3)), 0, 255).astype(np.uint8)


def gray(x):
    return x.mean(-1).astype(np.uint8)


@pytest.fixture(scope="module")
def cells():
    return make_cells(300)[0]


@pytest.mark.parametrize(
    "change", [lambda x: x, gray, lambda x: x[:60], lambda x: x[:, ::4, ::4]], ids="color gray few small".split()
)
def test_cells_are_turned_any_way_and_lit_anew(cells, change):
    guess = guess_augmentation(change(cells))
    assert guess.name == "microscopy+light" and "turned any way" in guess.why and "light differs" in guess.why


@pytest.mark.parametrize("change", [lambda x: x, gray, lambda x: x[:60]], ids="color gray few".split())
def test_landscapes_are_mirrored_and_stay_upright(change):
    guess = guess_augmentation(change(landscapes()))
    assert guess.name == "natural+light" and "never turned far" in guess.why
    recipe = find_augmentation(guess.name)
    assert recipe.flip and not recipe.quarter_turns and recipe.light > 0 and recipe.rotation <= 10


def test_digits_are_neither_mirrored_nor_turned():
    digits = load_digits(binarize=False)[0]
    framed = np.pad(digits, ((0, 0), (3, 3), (3, 3)))
    for x, name in ((framed, "digits"), (1 - framed, "digits"), (digits, "gentle"), (load_digits()[0], "gentle")):
        guess = guess_augmentation(x)
        recipe = find_augmentation(guess.name)
        assert guess.name == name and not recipe.flip and not recipe.quarter_turns and not recipe.light


def test_color_that_belongs_to_the_things_is_left_alone():
    guess = guess_augmentation(leaves())
    assert guess.name == "microscopy" and light_varies(thumbnails(leaves())) < 0.02


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((500, 8, 8)),
        np.full((500, 8, 8, 3), 7, np.uint8),
        np.random.default_rng(0).random((39, 12, 12)),
        np.random.default_rng(0).random((1, 5, 9, 3)),
    ],
    ids="black plain few one".split(),
)
def test_what_shows_nothing_is_treated_gently(x):
    guess = guess_augmentation(x)
    assert guess.name in ("gentle", "digits") and not find_augmentation(guess.name).flip
    assert guess.why.startswith("Too few pictures")


def test_a_lamp_that_always_stands_on_one_side_forbids_mirroring(cells):
    lit = (cells * np.linspace(0.6, 1, 64)[:, None]).astype(np.uint8)
    assert guess_augmentation(lit).name == "gentle+light"
    small = thumbnails(lit)
    assert farther(small, lambda x: x[:, :, ::-1])[0] > 0.5
    assert farther(small, lambda x: x[:, ::-1])[0] < 0.05  # above and below are alike


def test_oblong_pictures_are_not_turned(cells):
    guess = guess_augmentation(cells[:, :48])
    assert guess.name == "natural+light" and "turned over" not in guess.why


def test_vectors_and_pictures_of_every_kind_of_array(cells, tmp_path):
    assert guess_augmentation(np.zeros((50, 7))).name == "vectors"
    np.save(tmp_path / "x.npy", cells)
    kinds = (np.load(tmp_path / "x.npy", mmap_mode="r"), ByteImages(cells / np.float32(255), (0, 1)), cells / 255)
    assert {guess_augmentation(x) for x in kinds} == {guess_augmentation(cells)}


def test_thumbnails_are_means():
    x = np.random.default_rng(0).random((70, 24, 36, 2)).astype(np.float32)
    means = x.reshape(70, 12, 2, 12, 3, 2).mean((2, 4))
    np.testing.assert_allclose(thumbnails(x), (means - means.min()) / np.ptp(means), atol=1e-5)
    assert thumbnails(np.ones((5, 3, 40))).shape == (5, 3, 12, 1)
    assert thumbnails(np.arange(2000.0).reshape(1000, 1, 2), sample=100).shape == (100, 1, 2, 1)


def test_what_is_measured_is_the_distance_to_the_three_nearest():
    "Against a plain loop."
    small = np.random.default_rng(1).random((60, 4, 4, 1)).astype(np.float32)
    rows = np.random.default_rng(0).permutation(60)

    def unit(x):
        x = x.ravel() - x.mean()
        return x / np.linalg.norm(x)

    def near(x):
        return np.mean(sorted(np.linalg.norm(unit(x) - unit(small[j])) for j in rows[::2])[:3])

    logs = [np.log(near(small[i][:, ::-1]) / near(small[i])) for i in rows[1::2]]
    share, error = farther(small, lambda x: x[:, :, ::-1])
    assert share == pytest.approx(np.exp(np.mean(logs)) - 1, abs=1e-4)
    assert error == pytest.approx(np.std(logs) / np.sqrt(30), abs=1e-4)


def test_it_costs_little(cells):
    large = np.repeat(np.repeat(cells, 4, 1), 4, 2)  # 256 pixels a side, 59 MB
    start = time.process_time()
    assert guess_augmentation(large).name == "microscopy+light"
    assert time.process_time() - start < 2  # 0.4 s on a quiet core


def test_light_changes_every_picture_and_no_shape():
    x = np.random.default_rng(0).uniform(0.3, 0.6, (200, 6, 6, 3)).astype(np.float32)
    seen = np.asarray(distort(Augmentation(light=0.15), jax.random.key(0), x))
    assert (seen == np.asarray(distort(Augmentation(light=0.15), jax.random.key(0), x))).all()
    assert seen.min() >= 0 and seen.max() <= 1
    together = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(x, seen)]
    ratio = seen.mean((1, 2, 3)) / x.mean((1, 2, 3))
    assert min(together) > 0.7 and 0.8 < ratio.min() < 0.9 and 1.1 < ratio.max() < 1.2
    one = np.asarray(distort(Augmentation(light=0.15), jax.random.key(0), x[..., :1]))
    assert one.shape == (200, 6, 6, 1) and not np.allclose(one, x[..., :1])
    vectors = np.ones((4, 9), np.float32)
    assert (np.asarray(distort(Augmentation(light=0.15), jax.random.key(0), vectors)) == vectors).all()


def test_light_goes_with_every_name():
    for name in ("gentle", "digits", "natural"):
        assert find_augmentation(f"{name}+light") == find_augmentation(name)._replace(light=0.15)
    with pytest.raises(ValueError, match="No augmentation is called 'foggy'"):
        find_augmentation("foggy+light")
    with pytest.raises(ValueError, match=r"No augmentation is called 'gentle\+rain'"):
        augment("gentle+rain", jax.random.key(0), np.zeros((1, 4, 4, 1)))


def test_a_model_says_what_it_chose(cells):
    config = SSVAEConfig(encoder_type="dense", hidden_dims=(8,), latent_dim=2, batch_size=64)
    vae = SSVAE((16, 16, 3), config, classes=2)
    InteractiveTrainer(vae).train_epochs(1, cells[:, ::4, ::4])
    assert vae.progress.augmentation == "microscopy+light" and "turned any way" in vae.augmentation_reason


@needs_data
def test_clothes_are_not_turned_and_shoes_forbid_mirroring():
    folder = os.path.join(DATA, "fashion-mnist")
    images = read_idx(os.path.join(folder, "train-images-idx3-ubyte.gz"))[:5000]
    truth = read_idx(os.path.join(folder, "train-labels-idx1-ubyte.gz"))[:5000]
    recipe = find_augmentation(guess_augmentation(images).name)
    assert not recipe.flip and not recipe.quarter_turns  # all shoes point to the left
    without = guess_augmentation(images[np.isin(truth, (0, 2, 3, 4, 6))])  # shirts, pullovers, dresses, coats
    assert without.name == "natural" and find_augmentation(without.name).flip


@needs_data
def test_blood_cells_under_a_microscope_are_turned():
    with tarfile.open(os.path.join(DATA, "blood", "cells.tar")) as tar:
        members = [m for m in tar.getmembers() if m.name.endswith(".jpg")]
        files = [tar.extractfile(members[i]).read() for i in np.random.default_rng(0).permutation(len(members))[:400]]
    images = np.stack([np.asarray(Image.open(io.BytesIO(f)).convert("RGB").resize((48, 48))) for f in files])
    for x in (images, gray(images)):
        assert guess_augmentation(x).name == "microscopy+light"
