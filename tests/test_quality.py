"""Plain statistics of pictures, against scipy and by hand; what stands out, and what does not."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, laplace

from ssvae_widgets import LabelingSession, LatentLabeler
from ssvae_widgets.assess.quality import find_bad_pictures, picture_statistics, remarks_on, size_statistics
from ssvae_widgets.errors import DataError


def usual(n: int = 200, seed: int = 0) -> np.ndarray:
    x = gaussian_filter(np.random.default_rng(seed).normal(size=(n, 24, 24)), (0, 1, 1))
    return (128 + 110 * x / np.abs(x).max()).astype(np.uint8)


def test_statistics_by_scipy():
    images = usual(5)
    told = picture_statistics(images, block=2)
    for k, x in enumerate(images.astype(float)):
        expected = x.mean(), x.std(), laplace(x)[1:-1, 1:-1].var() / x.var()
        assert np.allclose([told[name][k] for name in ("brightness", "contrast", "sharpness")], expected, rtol=1e-4)
    color = np.repeat(images[..., None], 3, 3)
    assert np.allclose(picture_statistics(color)["brightness"], told["brightness"])


def test_each_fault_is_named_with_its_share():
    images = usual()
    images[3] //= 6
    images[9] = 128
    images[20] = 255 - (255 - images[20]) // 8
    images[50] = gaussian_filter(images[50], 4)
    told = {remark.row: remark for remark in find_bad_pictures(images)}
    assert told.keys() == {3, 9, 20, 50}
    assert told[3].reason == "darker than 99.5 % of the images"  # 199 of 200
    assert told[20].what == "brighter"
    scores = [remark.score for remark in find_bad_pictures(images)]
    assert scores == sorted(scores, reverse=True) and min(scores) >= 1


@pytest.mark.parametrize("images", [usual(), usual() // 4, np.full((50, 8, 8), 9, np.uint8), usual(10)])
def test_nothing_stands_out(images):
    assert find_bad_pictures(images) == []


def test_vectors_have_no_quality():
    with pytest.raises(DataError, match="pictures"):
        picture_statistics(np.zeros((30, 4)))


def test_a_session_lists_them_until_they_are_excluded():
    images = usual()
    images[3] //= 6
    with LabelingSession(images, classes=2, features=None) as session:
        assert [(item.serial, item.strategy) for item in session.review()] == [(3, "quality")]
        session.label(3, 1)
        session.strategy = "quality"  # asks for labeled ones, too
        assert session.next() is not None and session.proposals.queue.current.serial == 3
        assert session.proposals.queue.current.reason.startswith("darker than 99.5 %")
        session.flag(3, "exclude")
        assert session.review() == []


def test_odd_sizes_by_hand():
    "Twice the sides, a strip, and sizes that vary as they do anyway."
    rng = np.random.default_rng(0)
    sizes = np.stack([rng.integers(90, 111, 100), rng.integers(90, 111, 100)], 1)
    assert remarks_on(size_statistics(sizes)) == []
    sizes[3], sizes[7], sizes[9] = (200, 200), (50, 200), (60, 62)
    told = {remark.row: remark for remark in remarks_on(size_statistics(sizes))}
    assert {row: remark.what for row, remark in told.items()} == {
        3: "of more pixels",
        7: "wider in shape",
        9: "of fewer pixels",
    }
    assert told[3].share == pytest.approx(0.99) and told[3].reason == "of more pixels than 99.0 % of the images"


def test_sizes_come_from_the_files_and_color_the_map(tmp_path):
    images = usual(40)
    images[5] //= 6
    for k, x in enumerate(images):
        Image.fromarray(x).resize((96, 96) if k == 8 else (24, 24)).save(tmp_path / f"{k:02d}.png")
    app = LatentLabeler(tmp_path, labels=None, features=None)
    s, map = app.session, app.map
    assert s.data.found.sizes[[7, 8]].tolist() == [[24, 24], [96, 96]]
    assert "brightness" not in map.columns and s.quality.reason(5) == "", "nobody has asked, nothing was read"
    app.commands.do({"type": "review"})
    assert app.flush(20)
    assert {"brightness", "contrast", "sharpness", "pixels of the file", "far from all others"} < {*map.columns}
    assert "width / height" not in map.columns, "all are square"
    assert map.columns["pixels of the file"].values[[7, 8]].tolist() == [576, 9216]
    away = np.sort(np.linalg.norm(s.features[:, None] - s.features[None], axis=2), 1)[:, 10]
    assert np.allclose(map.columns["far from all others"].values, away / np.median(away), rtol=1e-3)
    assert sorted(app.sheet.rows.tolist()) == sorted(map.selected.tolist()) and {5, 8} <= {*map.selected.tolist()}
    assert app.sheet.rows.tolist() == [item.serial for item in s.review()], "the farthest out first"
    assert app.sheet.sort == "worst first" and s.quality.reason(5).startswith("darker than")
    app.session.flag([5, 8], "exclude")
    map.selected = []
    app.commands.do({"type": "review"})
    assert app.flush(20) and not {5, 8} & {*map.selected.tolist()}
    app.close()


def test_shares_are_those_of_a_plain_count():
    rng = np.random.default_rng(0)
    values = np.round(rng.normal(size=400), 2)  # with equal ones
    values[:6] = 40, 40, -40, -41, 60, -60
    remarks = {r.row: r.share for r in remarks_on({"brightness": values})}
    assert {0, 2, 4, 5} <= remarks.keys()
    for row, share in remarks.items():
        assert share == np.mean(values < values[row] if values[row] > 0 else values > values[row])
