"""Plain statistics of pictures, against scipy and by hand; what stands out, and what does not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, laplace

from ssvae_widgets import LabelingSession
from ssvae_widgets.assess.quality import find_bad_pictures, picture_statistics
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
