"""One contract for every strategy, over shapes of data that users have."""

import numpy as np
import pytest

from ssvae_widgets.assess import acquire
from ssvae_widgets.assess.acquire import STRATEGIES, find_label_issues, from_skactiveml, suggest, wrong_labels
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.session.session import LabelingSession


def world(n=300, n_classes=4, labeled=20, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n)
    z = rng.normal(size=(n, 6)) + 5 * np.eye(6)[truth % 6]
    probs, codes = rng.dirichlet(np.ones(n_classes), n), np.full(n, -1)
    rows = rng.choice(n, labeled, replace=False)
    codes[rows] = truth[rows]
    return z, truth, probs, codes


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
@pytest.mark.parametrize(
    "case",
    [
        dict(),
        dict(n_classes=2),
        dict(labeled=0),
        dict(labeled=299),
        dict(n=30, labeled=5),
        dict(n=4, labeled=1),
        dict(n_classes=1),
    ],
)
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
    learned = np.where(codes[:, None] >= 0, np.eye(4)[codes], 0.25)  # a model that repeats every label
    suspects = find_label_issues(codes, z=z, probs=learned)
    assert len(set(suspects.indices) & set(bad)) >= 5 and len(suspects) < 20, "still found, and not every label is one"


def accused(n, overlap, wrong=8, seed=0):
    "Issues among n labels of four clouds that overlap more or less; so many labels are changed."
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, 600)
    z = rng.normal(size=(600, 6)) * overlap + 4 * np.eye(6)[truth]
    codes, rows = np.full(600, -1), rng.choice(600, n, replace=False)
    codes[rows] = truth[rows]
    bad = rows[:wrong]
    codes[bad] = (codes[bad] + 1 + rng.integers(0, 3, wrong)) % 4
    return find_label_issues(codes, z=z), set(bad.tolist()), codes, z


def test_an_accusation_has_evidence_and_states_what_it_is_worth():
    issues, bad, _, _ = accused(120, 1.0)
    assert len(set(issues.indices) & bad) >= 6 and len(set(issues.indices) - bad) <= 1
    assert (issues.scores > 0.5).all() and 0.6 < issues.precision < 1
    assert issues.precision == pytest.approx((issues.scores.sum() + 1) / (len(issues) + 2))
    assert all(reason.endswith(f"wrong with {score:.2f}") for _, score, reason in issues)


def test_where_classes_overlap_a_contradiction_is_no_evidence():
    right = found = 0
    for seed in range(5):
        issues, bad, codes, z = accused(120, 3.0, seed=seed)
        right, found = right + len(set(issues.indices) & bad), found + len(issues)
        others = find_label_issues(codes, z=z, n=120)
        assert len(others) > 100, "the most doubtful ones are there for those who ask for them"
        assert others.precision < 0.2 and (np.diff(others.scores) <= 0).all()
    assert found < 25 and right >= 0.5 * found, "half of the labels are contradicted, few are accused"


def test_right_labels_are_not_accused():
    assert sum(len(accused(120, 1.0, 0, seed)[0]) for seed in range(5)) <= 1
    nobody = find_label_issues(np.full(9, -1), z=np.eye(9))
    assert not len(nobody) and np.isnan(nobody.precision)


def test_the_only_label_of_a_class_is_not_accused():
    z, truth, _, _ = world(n=400, labeled=0)
    codes = np.full(400, -1)
    codes[:60] = np.where(truth[:60] == 3, 0, truth[:60])
    z[:60][truth[:60] == 3] = z[truth == 0][0]  # no label in the fourth cloud but one
    codes[70] = 3
    assert 70 not in find_label_issues(codes, z=z).indices
    assert wrong_labels(np.full((4, 3), 1 / 3), np.array([0, 0, 1, 2]))[2:].tolist() == [0, 0]


def test_an_adapted_strategy_that_returns_its_utilities():
    class First:
        def query(self, X, y, candidates, batch_size, return_utilities):
            return candidates[:batch_size], np.ones((batch_size, len(X)))

    z, _, _, codes = world()
    assert (
        suggest(3, from_skactiveml(First()), codes=codes, z=z).indices.tolist()
        == np.flatnonzero(codes < 0)[:3].tolist()
    )


def test_strategies_of_scikit_activeml_itself():
    pool = pytest.importorskip("skactiveml.pool")
    z, _, _, codes = world()
    for query in (pool.RandomSampling(random_state=0), pool.CoreSet(random_state=0), pool.TypiClust(random_state=0)):
        found = suggest(5, from_skactiveml(query), codes=codes, z=z)
        assert len(set(found.indices)) == 5 and (codes[found.indices] < 0).all() and np.isfinite(found.scores).all()
        assert type(query).__name__ in found.reasons[0]


def test_several_opinions_are_compared_by_mutual_information():
    z, _, _, codes = world()
    rng = np.random.default_rng(2)
    draws = rng.dirichlet(np.ones(4), (5, 300))
    found = suggest(3, "disagreement", codes=codes, z=z, probs=draws[0], others=draws[1:])
    mean = draws.mean(0)
    information = (draws * np.log(draws / mean)).sum(-1).mean(0)  # mean divergence from the mean opinion
    assert found.indices[0] == np.flatnonzero(codes < 0)[information[codes < 0].argmax()]
    np.testing.assert_allclose(found.scores, information[found.indices], rtol=1e-6)
    assert found.reasons[0].startswith("5 opinions")
    with pytest.raises(ValueError, match="others has 299 rows"):
        suggest(3, "disagreement", codes=codes, probs=draws[0], others=draws[1:, :299])


@pytest.mark.parametrize("strategy", ["margin", "density_margin"])
def test_one_class_is_not_weighed_against_a_class_that_does_not_exist(strategy):
    z, _, _, codes = world(n_classes=1)
    reason = suggest(1, strategy, codes=codes, z=z, probs=np.ones((300, 1)), classes=["cat"]).reasons[0]
    assert "cat is the only class so far" in reason and "between" not in reason


def test_a_group_of_one_is_called_what_it_is():
    z = np.concatenate([np.random.default_rng(0).normal(size=(30, 3)), [[90.0, 0, 0]]])
    reasons = dict(zip(*(lambda s: (s.indices.tolist(), s.reasons))(suggest(31, "cover", codes=np.full(31, -1), z=z))))
    assert reasons[30] == "unlike every other point" and not any("1 points" in r for r in reasons.values())


def test_a_strategy_of_ones_own_is_asked_for_by_a_session():
    def last(pool, n, rng):
        rows = pool.candidates[::-1][:n]
        return rows, np.ones(len(rows)), ["it comes last"] * len(rows)

    acquire.register_strategy("last", last)
    try:
        with LabelingSession(np.random.default_rng(0).random((12, 4)), None, classes=2) as session:
            session.strategy = "last"
            assert (session.next().serial, session.next().reason) == (11, "it comes last")
            with pytest.raises(ArgumentError, match="choose one of auto, start, .*, last"):
                session.strategy = "luck"
    finally:
        del acquire.STRATEGIES["last"]


def test_groups_of_many_points_are_those_of_a_sample():
    rng = np.random.default_rng(0)
    cloud = rng.permutation(np.repeat(np.arange(6), 3500))
    z = (rng.normal(size=(21_000, 6)) + 12 * np.eye(6)[cloud]).astype(np.float32)
    codes = np.where((cloud < 2) & (rng.random(21_000) < 0.003), cloud, -1)
    found = suggest(8, "cover", codes=codes, z=z, rng=1)
    assert {2, 3, 4, 5} <= set(cloud[found.indices]) and (codes[found.indices] < 0).all()
    counted = [int(r.split("about ")[1].split(" ")[0].replace(",", "")) for r in found.reasons if "no label" in r]
    assert counted and max(counted) <= 4000 and sum(counted) > 7000, "of all points, not of the sample"
    many = np.where(rng.random(21_000) < 0.8, cloud, -1)  # more labels than points of a sample
    again = suggest(3, "cover", codes=many, z=z, neighbors=None, rng=1)
    assert len(again) == 3 and (many[again.indices] < 0).all()
