"""One contract for every strategy, over shapes of data that users have."""

import numpy as np
import pytest

from ssvae_widgets.acquire import STRATEGIES, find_label_issues, from_skactiveml, suggest


def world(n=300, n_classes=4, labeled=20, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n)
    z = rng.normal(size=(n, 6)) + 5 * np.eye(6)[truth % 6]
    probs, codes = rng.dirichlet(np.ones(n_classes), n), np.full(n, -1)
    rows = rng.choice(n, labeled, replace=False)
    codes[rows] = truth[rows]
    return z, truth, probs, codes


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
@pytest.mark.parametrize("case", [dict(), dict(n_classes=2), dict(labeled=0), dict(labeled=299), dict(n=30, labeled=5), dict(n=4, labeled=1), dict(n_classes=1)])
@pytest.mark.parametrize("wanted", [1, 10])
def test_contract(strategy, case, wanted):
    z, _, probs, codes = world(**case)
    others = np.roll(probs, 1, axis=0)
    a, b = (suggest(wanted, strategy, codes=codes, z=z, probs=probs, others=others, skip=[0], rng=3) for _ in range(2))
    free = np.setdiff1d(np.flatnonzero(codes < 0), [0])
    assert a.indices.tolist() == b.indices.tolist()
    assert len(a) == len(set(a.indices.tolist())) == min(wanted, len(free)) == len(a.reasons) == len(a.scores)
    assert np.isin(a.indices, free).all() and np.isfinite(a.scores).all()


def test_within_takes_masks_and_rows():
    z, _, probs, codes = world()
    mask = np.arange(300) < 50
    for within in (mask, np.flatnonzero(mask)):
        assert (suggest(9, "margin", codes=codes, z=z, probs=probs, within=within).indices < 50).all()


def test_margin_takes_the_smallest_margin_first():
    _, _, probs, codes = world()
    top = np.sort(probs, 1)
    free = np.flatnonzero(codes < 0)
    assert suggest(1, "margin", codes=codes, probs=probs).indices[0] == free[(top[free, -1] - top[free, -2]).argmin()]


def test_a_batch_has_no_near_copies():
    z, _, probs, codes = world()
    copies = np.concatenate([z, np.repeat(z[:1], 60, 0) + 1e-6 * np.random.default_rng(0).normal(size=(60, 6))])
    unsure = np.concatenate([probs, np.full((60, 4), 0.25)])
    picks = suggest(10, "margin", codes=np.concatenate([codes, np.full(60, -1)]), z=copies, probs=unsure).indices
    assert (picks >= 300).sum() <= 2


def test_cover_reaches_every_cloud_before_any_twice():
    rng = np.random.default_rng(1)
    cloud = np.repeat(np.arange(5), [200, 100, 60, 40, 30])
    z = rng.normal(size=(430, 5)) + 12 * np.eye(5)[cloud]
    assert len(set(cloud[suggest(5, "cover", codes=np.full(430, -1), z=z).indices])) == 5


def test_flipped_labels_are_the_first_suspects():
    z, truth, _, _ = world(n=400, labeled=0)
    rng, codes = np.random.default_rng(5), np.full(400, -1)
    rows = rng.choice(400, 60, replace=False)
    codes[rows] = truth[rows]
    bad = rows[:6]
    codes[bad] = (codes[bad] + 1) % 4
    issues = find_label_issues(codes, z=z, n=9)
    assert len(set(issues.indices) & set(bad)) >= 5
    assert issues.reasons[0].startswith("your label")


def test_an_adapted_strategy_that_returns_its_utilities():
    class First:
        def query(self, X, y, candidates, batch_size, return_utilities):
            return candidates[:batch_size], np.ones((batch_size, len(X)))

    z, _, _, codes = world()
    assert suggest(3, from_skactiveml(First()), codes=codes, z=z).indices.tolist() == np.flatnonzero(codes < 0)[:3].tolist()
