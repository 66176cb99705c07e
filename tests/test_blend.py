"""The blended answer: never below logistic regression, whatever the labels look like; corners that must not crash."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ssvae_widgets.data.standard import load_digits
from ssvae_widgets.graph.blend import Blend, estimate_shares, linear_part


@pytest.fixture(scope="module")
def digits():
    images, truth = load_digits(binarize=False)
    return images.reshape(len(images), -1), truth.astype(int)


def recall(said, truth):
    return np.mean([(said[truth == c] == c).mean() for c in np.unique(truth)])


@pytest.mark.parametrize("labels", [20, 50, 250])
@pytest.mark.parametrize("pool", ["balanced", "uniform", "skewed"])
def test_never_below_logistic_regression(digits, pool, labels):
    z, truth = digits
    if pool == "skewed":
        share = np.geomspace(170, 8, 10).astype(int)
        rows = np.concatenate([np.flatnonzero(truth == c)[: share[c]] for c in range(10)])
        z, truth = z[rows], truth[rows]
    both, ahead = Blend(z, 10), []
    for seed in range(5):
        rng, codes = np.random.default_rng(seed), np.full(len(z), -1)
        rows = rng.choice(len(z), labels, replace=False)
        if pool == "balanced":
            each = [rng.choice(np.flatnonzero(truth == c), labels // 10, replace=False) for c in range(10)]
            rows = np.concatenate(each)
        codes[rows] = truth[rows]
        rest = codes < 0
        plain = LogisticRegression(C=10, max_iter=500).fit(both.seen(z[rows]), truth[rows]).predict(both.seen(z[rest]))
        ahead.append(recall(both.update(codes).argmax(1)[rest], truth[rest]) - recall(plain, truth[rest]))
    assert np.mean(ahead) > 0 and min(ahead) > -0.03


def test_shares_do_not_follow_the_counts_of_labels():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [900, 60, 60])
    z = rng.normal(size=(1020, 8)) + 4 * np.eye(8)[truth]
    codes = np.full(1020, -1)
    for c in range(3):
        codes[np.flatnonzero(truth == c)[:6]] = c
    both = Blend(z, 3)
    probs = both.update(codes)
    np.testing.assert_allclose(estimate_shares(probs), np.bincount(truth) / 1020, atol=0.02)
    assert recall(probs.argmax(1), truth) > 0.98


def test_a_label_stays_what_it_is(digits):
    z, truth = digits
    codes = np.where(np.arange(len(z)) % 30 == 0, truth, -1)
    labeled = codes >= 0
    assert (Blend(z, 10).update(codes).argmax(1)[labeled] == codes[labeled]).mean() > 0.97


def test_the_linear_part_grows_with_labels_and_with_leaks():
    few, many = np.repeat([0, 1], 2), np.repeat([0, 1], 200)
    assert linear_part(few, 0.01) < linear_part(few, 0.1) < 0.5 < linear_part(many, 0.01) < 1


@pytest.mark.parametrize("n", [2, 3, 12])
def test_tiny_data(n):
    z = np.arange(2 * n).reshape(n, 2)
    codes = np.full(n, -1)
    codes[[0, n - 1]] = [0, 1]
    both = Blend(z, 3)
    probs = both.update(codes)
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
    assert not probs[:, 2].any() and both.predict(z[:1]).shape == (1, 3)


def test_classes_may_be_added_and_labels_taken_back(digits):
    z, truth = digits
    codes = np.where(np.arange(len(z)) % 50 == 0, truth, -1)
    both = Blend(z, 10)
    first = both.update(codes)
    assert both.update(codes, n_classes=11).shape == (len(z), 11)
    both.update(np.where(np.arange(len(z)) % 20 == 0, truth, -1))
    assert (both.update(codes, n_classes=10).argmax(1) == first.argmax(1)).mean() > 0.97
    np.testing.assert_allclose(both.update(np.full(len(z), -1)), 0.1)
