"""The drawn cells: seeded, of six kinds in stated shares, worth learning; files of one's own are never replaced."""

import numpy as np
import pytest
from PIL import Image

from ssvae_widgets import load_images, make_cells, write_cells
from ssvae_widgets.data.cells import CELL_KINDS, Canvas, blob, draw_cell
from ssvae_widgets.errors import ArgumentError, DataError


@pytest.fixture(scope="module")
def cells():
    return make_cells(600)


def test_the_same_seed_draws_the_same_pictures(cells):
    images, truth = cells
    assert images.shape == (600, 64, 64, 3) and images.dtype == np.uint8 and truth.dtype == np.int64
    fewer, kinds = make_cells(20)
    assert np.array_equal(fewer, images[:20]) and np.array_equal(kinds, truth[:20])
    other, kinds = make_cells(600, seed=1, size=16)
    assert other.shape == (600, 16, 16, 3) and not np.array_equal(kinds, truth)
    assert len({image.tobytes() for image in images}) == 600  # no picture twice


def test_shares_are_those_that_are_stated(cells):
    shares = np.bincount(cells[1], minlength=6) / 600
    for share, (kind, stated) in zip(shares, CELL_KINDS.items()):
        assert abs(share - stated) < 4 * np.sqrt(stated * (1 - stated) / 600), kind  # binomial
    assert min(CELL_KINDS.values()) < 0.05 and list(CELL_KINDS) == sorted(CELL_KINDS)


def test_a_picture_looks_alike_at_any_size():
    small, large = (draw_cell("lymphocyte", np.random.default_rng(3), size) for size in (32, 128))
    again = np.asarray(Image.fromarray(large).resize((32, 32), Image.Resampling.BOX))
    lighter = (small.astype(float) - again).mean((0, 1))
    assert np.abs(lighter).max() < 12  # noise and clouds are drawn anew, the cell is the same
    assert np.corrcoef(small.ravel(), again.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("radius, stretch", [(0.1, 1.0), (0.3, 1.0), (0.25, 1.4)])
def test_a_disc_has_the_area_of_a_disc(radius, stretch):
    canvas = Canvas(np.random.default_rng(0), 200)
    mask = blob(canvas, (0.05, -0.02), radius, stretch, wobble=0)
    assert mask.mean() == pytest.approx(np.pi * radius**2, rel=0.03)
    assert (mask * canvas.x).sum() / mask.sum() == pytest.approx(0.05, abs=2e-3)
    assert (mask * canvas.y).sum() / mask.sum() == pytest.approx(-0.02, abs=2e-3)


def test_pixels_help_and_are_not_enough(cells):
    "Far better than guessing, far from done: logistic regression on principal components, 50 labels, five draws."
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression

    images, truth = cells
    x, right = PCA(64, random_state=0).fit_transform(images.reshape(600, -1) / 255), []
    for seed in range(5):
        rows = np.random.default_rng(seed).permutation(600)
        model = LogisticRegression(C=10, max_iter=3000).fit(x[rows[:50]], truth[rows[:50]])
        right.append((model.predict(x[rows[50:]]) == truth[rows[50:]]).mean())
    assert 0.4 < np.mean(right) < 0.8, right


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_a_folder_says_what_its_files_are(tmp_path, ending):
    told = write_cells(tmp_path / "cells", 40, ending=ending)
    found = load_images(tmp_path / "cells")
    assert found.names == list(told) and found.truth is None and len(found) == 40
    assert [*told.values()] == [[*CELL_KINDS][k] for k in make_cells(40)[1]]
    sizes = {found.original(i).shape for i in range(40)}
    assert len(sizes) > 5 and 48 <= min(sizes)[0] and max(sizes)[0] <= 80  # mixed sizes
    assert write_cells(tmp_path / "cells", 40, ending=ending) == told  # again: nothing to do


def test_sub_folders_are_the_kinds(tmp_path):
    told = write_cells(tmp_path, 60, subfolders=True)
    found = load_images(tmp_path)
    assert set(found.names) == set(told) and found.class_names == sorted(set(told.values()))
    assert [found.class_names[k] for k in found.truth] == [told[name] for name in found.names]


def test_files_of_ones_own_are_never_replaced(tmp_path):
    (tmp_path / "cell_0003.jpg").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"cell_0003.jpg is there already and is another file"):
        write_cells(tmp_path, 5)
    assert (tmp_path / "cell_0003.jpg").read_bytes() == b"mine"
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "cell_0000.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    with pytest.raises(DataError, match="another file"):
        write_cells(tmp_path / "link", 1)
    assert not (tmp_path / "elsewhere.jpg").exists()


@pytest.mark.parametrize(
    "wrong, said",
    [(dict(n=0), "n is 0"), (dict(seed=-1), "seed is -1"), (dict(size=3), "size is 3"), (dict(n=2.5), "n is 2.5")],
)
def test_what_cannot_be_drawn_is_said(wrong, said, tmp_path):
    for call in (make_cells, lambda **k: write_cells(tmp_path / "new", **k)):
        with pytest.raises(ArgumentError, match=said):
            call(**wrong)
    assert not (tmp_path / "new").exists()
    with pytest.raises(ArgumentError, match="expected '.jpg' or '.png'"):
        write_cells(tmp_path / "new", 3, ending=".tif")


def test_cells_are_a_data_set_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = load_images("cells", n=30)
    images, truth = make_cells(30)
    assert np.array_equal(found.images, images) and np.array_equal(found.truth, truth)
    assert found.class_names == [*CELL_KINDS] and len(load_images("cells")) == 1000
    write_cells(tmp_path / "cells", 4)
    assert load_images("cells").names == [f"cell_000{i}.jpg" for i in range(4)]  # a folder of that name wins
