"""Certainty from labels left out: what few of them can say, and what they cannot."""

import numpy as np
import pytest

from ssvae_widgets.assess.evidence import Temper, fit_temper, trust
from ssvae_widgets.assess.groups import doubt_missing, missing_share
from ssvae_widgets.assess.metrics import matching_temperature


def sure(codes, certainty, n_classes=5):
    "Probabilities of which each has this certainty."
    probs = np.full((len(codes), n_classes), (1 - certainty) / (n_classes - 1))
    probs[np.arange(len(codes)), codes] = certainty
    return probs


def claimed(temper, probs):
    return float(temper(probs).max(1).mean())


@pytest.mark.parametrize("n, right", [(9, 9), (9, 5), (40, 30), (200, 110)])
def test_certainty_moves_from_the_claim_to_the_share_that_was_found(n, right):
    given = np.arange(n) % 4
    said = np.where(np.arange(n) < right, given, 4)
    probs = sure(said, 0.9)
    temper = fit_temper(probs, given, 0.8)
    assert claimed(temper, probs) == pytest.approx(min((right + 10 * 0.9) / (n + 10), 0.9 if n < 20 else 1), abs=0.01)
    assert (temper(probs).argmax(1) == said).all()


def test_a_few_labels_make_an_answer_less_certain_but_not_more():
    given = np.arange(12) % 4
    modest = sure(given, 0.5)
    assert claimed(fit_temper(modest, given, 0.8), modest) == pytest.approx(0.5, abs=0.01)
    more = np.arange(60) % 4
    assert claimed(fit_temper(sure(more, 0.5), more, 0.8), sure(more, 0.5)) > 0.85


def test_a_label_that_is_alone_in_its_class_is_not_asked():
    given, alone = np.repeat([0, 1, 2], 10), np.r_[np.repeat([0, 1, 2], 10), 3]
    probs = np.r_[sure(given, 0.9), sure([0], 0.9)]
    probs[-1, 3] = 0  # nobody else had heard of class 3
    without = claimed(fit_temper(probs[:-1], given, 0.9), probs)
    assert claimed(fit_temper(probs, alone, 0.9), probs) == pytest.approx(without, abs=0.01)


def test_where_no_label_can_be_asked_the_claim_falls_to_what_is_trusted():
    given = np.arange(5)
    probs = sure([1, 2, 3, 4, 0], 0.9)  # each left out in turn: always wrong, and that says nothing
    assert claimed(fit_temper(probs, given, 0.8), probs) == pytest.approx(0.8 * 0.9 + 0.2 / 5, abs=0.01)
    assert fit_temper(probs[:0], given[:0], 0.8) == Temper(share=0.8)
    assert trust(10, 0) < trust(50, 0) < 1


def test_the_mean_certainty_is_matched_within_the_temperatures_looked_at():
    probs = np.random.default_rng(0).dirichlet(np.ones(6) / 2, 300)
    for wanted in (0.3, 0.6, 0.8):
        assert claimed(Temper(matching_temperature(probs, wanted)), probs) == pytest.approx(wanted, abs=1e-3)
    assert matching_temperature(probs, 0.999, least=1.0) == pytest.approx(1, abs=1e-3)
    assert matching_temperature(probs, 0.0) == pytest.approx(8, abs=1e-3)


@pytest.mark.parametrize("counts", [[4, 1, 1, 0, 0], [9, 9, 9, 9, 0], [1, 1, 1, 0, 0]])
def test_doubt_grows_with_the_distance_and_is_the_missing_share_in_the_mean(counts):
    near = np.random.default_rng(1).normal(size=400)
    probs, flat = sure(np.zeros(400, int), 0.9), 1 / 5
    doubt = (0.9 - doubt_missing(probs, near, np.array(counts)).max(1)) / (0.9 - flat)
    assert doubt.mean() == pytest.approx(missing_share(counts), abs=0.01)
    assert (np.diff(doubt[np.argsort(-near)]) >= -1e-6).all() and doubt[near.argmax()] < 0.01
    assert doubt.max() > 0.9 and (doubt_missing(probs, near, np.array(counts)).argmax(1) == 0).all()


def test_points_that_no_label_reaches_are_doubted_alike():
    near = np.r_[np.linspace(0, -3, 60), np.full(40, -27.6)]
    doubted = doubt_missing(sure(np.zeros(100, int), 0.9), near, np.array([5, 1, 0, 0, 0])).max(1)
    assert np.ptp(doubted[60:]) < 1e-6 and doubted[60] < doubted[59]
