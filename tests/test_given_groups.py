"""Groups that somebody gave (plates, patients): accuracy is that on new ones, on data where random splits flatter."""

import numpy as np
import pytest

from ssvae_widgets import LabelingSession, LatentLabeler, SSVAEConfig
from ssvae_widgets.assess.evidence import assign_folds, assign_group_folds, independent, judged
from ssvae_widgets.errors import ArgumentError


def plates(n=30, each=20, seed=0):
    """Vectors whose plate is easier to see than their class, and plates on which one class is frequent: knowing the
    plate answers most questions, and nothing about the next plate."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(n), each)
    usual = rng.integers(0, 3, n)
    truth = np.where(rng.random(n * each) < 0.9, usual[group], rng.integers(0, 3, n * each))
    look = rng.normal(size=(n, 10)) * 4
    x = look[group] + rng.normal(size=(n * each, 10)) * 0.5
    x[:, :3] += 1.5 * np.eye(3)[truth]
    return x.astype(np.float32), truth, np.array([f"plate {k}" for k in group], object)


def labeled(groups, truth, x, rows, **how):
    s = LabelingSession(x, truth=truth, classes=3, groups=groups, config=SSVAEConfig(latent_dim=2), **how)
    for row in rows:
        s.label(row, int(truth[row]))
    assert s.wait(120, late=True)
    return s


def test_random_splits_flatter_and_groups_tell_the_truth():
    x, truth, groups = plates()
    rows = np.flatnonzero(np.arange(600) % 20 < 8)[: 15 * 8]  # eight of each of the first 15 plates
    with labeled(groups, truth, x, rows) as s, labeled(None, truth, x, rows) as plain:
        new = np.flatnonzero(np.arange(600) >= 300)
        real = float((s.pred[new] == truth[new]).mean())  # on plates without any label
        flattering, honest = plain.sources["graph"], s.sources["graph"]
        assert flattering.accuracy > real + 0.2, "labels left out at random promise too much"
        assert honest.low <= real <= honest.high and honest.high - honest.low > 0.2, "fifteen plates tell little"
        gap = s.group_gap
        assert gap.differ and gap.known.accuracy == pytest.approx(flattering.accuracy, abs=0.08)
        assert gap.new == honest
        assert f"{honest.accuracy:.0%} on new groups, not the {gap.known.accuracy:.0%}" in s.why
        assert "on new groups" in s.standing.why and plain.group_gap is None and "groups" not in plain.why


def test_no_warning_where_groups_mean_nothing():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 400)
    x = (np.eye(3, 8)[truth] * 3 + rng.normal(size=(400, 8)) * 0.8).astype(np.float32)
    with labeled(rng.integers(0, 20, 400), truth, x, range(100)) as s:
        assert not s.group_gap.differ and s.why.endswith("on new groups") and s.group_gap.new.n == 100


def test_folds_of_groups_are_whole_and_even():
    rng = np.random.default_rng(3)
    groups, codes = rng.integers(0, 40, 500), np.where(rng.random(500) < 0.5, rng.integers(0, 4, 500), -1)
    fold = assign_group_folds(codes, groups)
    assert ((fold >= 0) == (codes >= 0)).all()
    assert all(len(np.unique(fold[(groups == g) & (codes >= 0)])) <= 1 for g in range(40))
    sizes = np.bincount(fold[fold >= 0], minlength=5)
    assert sizes.max() - sizes.min() < 20
    alone = assign_group_folds(codes, np.arange(500))
    assert np.ptp(np.bincount(alone[alone >= 0])) <= 2 and np.ptp(np.bincount(assign_folds(codes)[codes >= 0])) <= 2


def test_an_interval_of_groups_covers_what_it_claims():
    "Of simulated studies with correlated answers, about 95 in 100 intervals hold the true share."
    rng, held, naive = np.random.default_rng(0), 0, 0
    group = np.repeat(np.arange(40), 10)
    for _ in range(300):
        share = rng.beta(2, 1, 40)  # of each group; 2/3 on average
        right = rng.random(400) < share[group]
        s, plain = judged(right, groups=group), judged(right)
        held += s.low <= 2 / 3 <= s.high
        naive += plain.low <= 2 / 3 <= plain.high
        assert 40 <= independent(right, group) <= 400
    assert held >= 0.92 * 300 > naive


def test_batches_and_random_picks_respect_groups():
    x, truth, groups = plates(n=12)
    with labeled(groups, truth, x, range(0, 240, 24)) as s:
        places = [s.next().serial for _ in range(8)]
        assert len({groups[row] for row in places}) >= 6
        s.strategy = "audit"
        known = {groups[row] for row in np.flatnonzero(s.codes >= 0)}
        for _ in range(30):
            item = s.next()
            s.label(item.serial, int(truth[item.serial]))
        assert {groups[row] for row in s.blind} <= set(groups) - known, "a pick of a known group is no blind test"


def test_the_network_is_examined_on_groups_that_it_has_not_heard():
    x, truth, groups = plates(n=12)
    with labeled(groups, truth, x, range(0, 240, 2), epochs=2) as s:
        s.train()
        assert s.wait(180, late=True)
        heard = {groups[row] for row in np.flatnonzero(s.examination.taught >= 0)}
        assert s.exams and len({groups[row] for row in s.exams}) <= 6 and heard
        s.label(1, int(truth[1]))  # of a plate that the network knows
        s.train(1)
        assert s.wait(180, late=True) and 1 not in s.exams


@pytest.mark.parametrize(
    "groups, why", [(["a"] * 9, "got 9 groups, expected 240"), ("plate", "for groups"), ([[1]] * 240, "groups")]
)
def test_what_is_no_group_of_each_image_is_refused(groups, why):
    x, _, _ = plates(n=12)
    with pytest.raises(ArgumentError, match=why):
        LabelingSession(x, groups=groups)


def test_one_group_tells_nothing_of_new_ones():
    x, truth, _ = plates(n=12)
    with labeled(["the only one"] * 240, truth, x, range(40)) as s:
        assert s.accuracy.n == 0 and s.group_gap is None


def test_an_app_passes_groups_on():
    x, truth, groups = plates(n=12)
    app = LatentLabeler(x, labels=None, classes=3, groups=groups)
    assert app.session.data.of_group.tolist() == np.repeat(np.arange(12), 20).tolist()
    app.close()


def test_a_saved_project_keeps_its_groups(tmp_path):
    x, truth, groups = plates(6, 10)
    with labeled(groups, truth, x, range(0, 60, 3)) as s:
        s.save(tmp_path / "kept")
        kept, said = s.data.of_group, s.standing.message
    with LabelingSession.open(tmp_path / "kept") as again:
        assert again.wait(120, late=True) and (again.data.of_group == kept).all()
        assert "new groups" in said and "new groups" in again.standing.message
    (tmp_path / "kept" / "groups.npy").write_bytes(b"nothing")
    with LabelingSession.open(tmp_path / "kept") as damaged:
        assert damaged.data.of_group is None and (damaged.codes >= 0).sum() == 20, "labels open all the same"
        assert "Groups" in damaged.message
    with LabelingSession.open(tmp_path / "kept", groups=groups) as given:
        assert (given.data.of_group == kept).all()
