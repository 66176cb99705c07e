"""Groups of look-alikes without a label: found, offered first, and doubted."""

import numpy as np
import pytest

from ssvae_widgets.assess.acquire import suggest
from ssvae_widgets.assess.groups import doubt_missing, look_alikes, missing_share, reach, unlabeled_groups
from ssvae_widgets.data.standard import load_digits
from ssvae_widgets.graph.neighbors import nearest_neighbors
from ssvae_widgets.graph.propagate import knn_graph


@pytest.fixture(scope="module")
def digits():
    images, truth = load_digits(binarize=False)
    z = images.reshape(len(images), -1)
    near = nearest_neighbors(z)
    return z, truth.astype(int), near, look_alikes(z, neighbors=near)


def some(truth, classes, seed=0):
    rng, codes = np.random.default_rng(seed), np.full(len(truth), -1)
    for c in classes:
        codes[rng.choice(np.flatnonzero(truth == c), 2, replace=False)] = c
    return codes


def test_missing_classes_are_among_the_first_groups(digits):
    z, truth, near, groups = digits
    found, pure = [], []
    for seed in range(6):
        known = np.random.default_rng(seed).permutation(10)[:6]
        codes = some(truth, known, seed)
        first = unlabeled_groups(codes, z=z, neighbors=near, groups=groups)[:5]
        found.append(len({truth[g.typical] for g in first} - set(known.tolist())))
        pure += [np.bincount(truth[g.rows]).max() / g.size for g in first]
        assert all((codes[g.rows] < 0).all() and g.size >= 0.02 * len(z) and g.typical in g.rows for g in first)
    assert np.mean(found) >= 3 and np.mean(pure) > 0.85


def test_what_next_offers_them_after_random_labels(digits):
    z, truth, near, _ = digits
    new = []
    for seed in range(6):
        known = np.random.default_rng(seed).permutation(10)[:6]
        offered = suggest(10, codes=some(truth, known, seed), z=z, neighbors=near, rng=seed)
        new.append(len(set(truth[offered.indices[:5]].tolist()) - set(known.tolist())))
        assert "points that look alike, no label among them" in offered.reasons[0]
    assert np.mean(new) >= 2.5


def test_doubt_is_where_the_missing_classes_are(digits):
    z, truth, near, _ = digits
    codes = some(truth, range(6))
    counts = np.bincount(codes[codes >= 0], minlength=10)
    probs = np.where(np.arange(10) == np.minimum(truth, 5)[:, None], 0.91, 0.01)
    doubted = doubt_missing(probs, reach(knn_graph(z, neighbors=near), codes), counts)
    np.testing.assert_allclose(doubted.sum(1), 1, atol=1e-5)
    assert (doubted.argmax(1) == probs.argmax(1)).all()
    assert doubted.max(1)[truth > 5].mean() < doubted.max(1)[truth <= 5].mean() < 0.91
    assert doubt_missing(probs, np.zeros(len(z)), np.full(10, 2)) is probs


@pytest.mark.parametrize("counts, share", [([3, 1, 0], 1 / 3), ([9, 9, 0], 1 / 19), ([1, 2], 0), ([0, 0], 0)])
def test_missing_share(counts, share):
    assert missing_share(np.array(counts)) == pytest.approx(share)


@pytest.mark.parametrize("n", [2, 5, 31])
def test_few_points(n):
    z, codes = np.random.default_rng(0).normal(size=(n, 3)), np.full(n, -1)
    codes[0] = 0
    assert len(look_alikes(z)) == n
    assert all(g.size >= 2 for g in unlabeled_groups(codes, z=z))
