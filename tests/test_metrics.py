"""Intervals, calibration and oddness against closed forms and made-up worlds whose answer is known."""

import numpy as np
import pytest

from ssvae_widgets.assess.metrics import (
    accuracy_estimate,
    apply_temperature,
    ece,
    ood_score,
    temperature,
    wilson_interval,
)


@pytest.mark.parametrize("right, total", [(0, 5), (5, 5), (45, 50), (1, 1000)])
def test_wilson_interval_is_scipys(right, total):
    from scipy.stats import binomtest

    expected = binomtest(right, total).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(wilson_interval(right, total), (expected.low, expected.high), atol=1e-12)


def test_the_estimate_rests_on_random_picks_once_there_are_enough():
    given, predicted = np.zeros(40, int), np.r_[np.zeros(30, int), np.ones(10, int)]
    chosen = accuracy_estimate(predicted, given)
    assert (chosen.value, chosen.n) == (0.75, 40) and chosen.low < 0.75 < chosen.high and "left out" in chosen.message
    fair = accuracy_estimate(predicted, given, at_random=np.arange(40) >= 28)
    assert fair.n == 12 and fair.value == pytest.approx(2 / 12) and "random picks" in fair.message
    assert accuracy_estimate(predicted, given, at_random=np.arange(40) >= 35).n == 40, (
        "five picks are too few to rest on"
    )
    assert accuracy_estimate([], []).n == 0


def softmax(x):
    return np.exp(x) / np.exp(x).sum(1, keepdims=True)


@pytest.mark.parametrize("true_temperature", [0.5, 2.0, 4.0])
def test_a_known_temperature_is_found_and_undone(true_temperature):
    rng = np.random.default_rng(0)
    logits = 3 * rng.normal(size=(4000, 3))
    given = np.array([rng.choice(3, p=p) for p in softmax(logits)])
    wrong = softmax(logits * true_temperature)  # as certain as a model that needs this temperature
    found, message = temperature(wrong, given)
    assert found == pytest.approx(true_temperature, rel=0.1) and "4000 labels" in message
    assert ece(apply_temperature(wrong, found), given) < 0.03 < ece(wrong, given)


def test_few_labels_are_not_calibrated():
    probs = np.full((19, 2), 0.5)
    assert temperature(probs, np.zeros(19, int)) == (1.0, "too few labels to calibrate: 19 of 20")
    assert temperature(np.full((20, 2), 0.5), np.zeros(20, int))[1].startswith("calibrated")


def test_ece_of_two_groups():
    probs = np.r_[np.tile([0.9, 0.1], (10, 1)), np.tile([0.4, 0.6], (10, 1))]
    truth = np.r_[np.zeros(5, int), np.ones(5, int), np.ones(10, int)]  # half right at 0.9, all right at 0.6
    assert ece(probs, truth) == pytest.approx((0.4 + 0.4) / 2)


def test_odd_images_score_highest_whichever_way_they_are_odd():
    rng = np.random.default_rng(0)
    errors, distances = rng.random(200), rng.random((200, 10))
    errors[3], distances[7] = 9, 9  # badly drawn; far from everybody
    assert set(np.argsort(ood_score(errors, distances))[-2:]) == {3, 7}
    strange = ood_score(np.array([0.0, 50.0]), np.array([[0.0] * 10, [0.0] * 10]), reference=(errors, distances))
    assert strange[0] < 0.05 and strange[1] == 1


def test_one_sign_of_oddness_is_enough_where_there_is_no_other():
    distances = np.random.default_rng(1).random((200, 10))
    alone = ood_score(None, distances)
    assert alone.argmax() == distances.mean(1).argmax() and 0 <= alone.min() < 0.01 and alone.max() > 0.99
    np.testing.assert_allclose(ood_score(None, distances.mean(1)), alone)
    constant = ood_score(np.zeros(200), distances)
    order = np.argsort(alone)[100:]
    assert (np.diff(constant[order]) >= 0).all() and np.ptp(constant[order]) > 0.4, (
        "errors that are all the same hide nothing"
    )
