"""More like these: the order against distances computed otherwise, and the key in the app."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from ssvae_widgets import LabelingSession, LatentLabeler
from ssvae_widgets.assess.similar import MOST, nearest_distance, relevance
from ssvae_widgets.errors import ArgumentError, RowError

RNG = np.random.default_rng(0)
CLOUDS = np.concatenate([RNG.normal(center, 1.0, (100, 8)) for center in (0, 8, 16)]).astype(np.float32)


def test_distances_are_those_of_scipy_also_in_blocks_and_for_many_examples():
    rows = RNG.choice(300, 7, replace=False)
    want = cdist(CLOUDS, CLOUDS[rows]).min(1)
    assert np.allclose(nearest_distance(CLOUDS, rows, block=13), want, atol=1e-3)
    many = np.arange(300)
    got = nearest_distance(np.r_[CLOUDS, CLOUDS], np.arange(MOST + 20))
    assert not got[: MOST + 20].any(), "every example leads, also those that are not compared with"
    assert np.isfinite(got).all() and (got[many] <= cdist(CLOUDS, CLOUDS).max(1)).all()


def test_counterexamples_move_what_is_near_them_behind_what_is_not():
    order = np.argsort(-relevance(CLOUDS, np.array([0, 150])), kind="stable")
    assert set(order[:200] // 100) == {0, 1}
    without = np.argsort(-relevance(CLOUDS, np.array([0, 150]), np.array([120])), kind="stable")
    assert (without[:101] // 100 == 0).mean() > 0.95 and without[-1] == 120


def test_a_session_finds_what_is_alike():
    with LabelingSession(CLOUDS, None, classes=3) as s:
        assert s.similar(210)[0] == 210 and set(s.similar([210, 220], n=90) // 100) == {2}
        assert len(s.similar(3)) == 300 and 120 not in s.similar([0, 150], unlike=[120], n=250)
        for wrong in ([], 300, [-1], "a"):
            with pytest.raises((ArgumentError, RowError, TypeError)):
                s.similar(wrong)


def test_the_key_asks_again_without_what_was_left_out():
    app = LatentLabeler(CLOUDS, labels=None, classes=3)
    try:
        app.act({"type": "similar"})
        assert "Select an image first" in app.status.message
        app.map.selected = [5]
        app.act({"type": "similar"})
        assert app.flush() and app.sheet.sort == "similarity"
        assert app.sheet.rows.tolist() == app.session.similar(5, n=60).tolist()
        assert app.selected.tolist() == sorted(app.sheet.rows.tolist()), "a class key labels all of them"
        out = app.sheet.rows[3:5].tolist()
        for row in out:
            app.act({"type": "exclude", "serial": row, "out": True})
        app.act({"type": "similar"})
        assert app.flush() and not set(out) & set(app.sheet.rows.tolist()) and len(app.sheet.rows) == 60
        app.act({"type": "similar"})
        assert app.flush() and len(app.sheet.rows) == 180
        others = np.setdiff1d(np.arange(300), app.sheet.rows)[:3]
        app.map.selected = others.tolist()  # something else: the usual order again
        assert app.flush() and app.sheet.sort == "distance" and "similarity" not in app.sheet.sorts
    finally:
        app.close()
