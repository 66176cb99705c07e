"""Regions under the points of a map: they follow the answers, the classes and the rounds, and nobody waits for them."""

import threading
import time

import numpy as np
import pytest
from sessions import TRUTH, frame_of, session

from ssvae_widgets import LatentLabeler, LatentMap
from ssvae_widgets.graph.regions import find_regions
from ssvae_widgets.session.rounds import add_round


def grid(areas: dict, name: str) -> np.ndarray:
    return np.frombuffer(areas[name], {"codes": "<u2", "certainty": "u1"}[name]).reshape(areas["rows"], -1)


def codes(map) -> set:
    return {*np.unique(grid(map.layer.areas, "codes")).tolist()} - {65535}


@pytest.fixture
def app(no_first_map):
    s = session()
    app = LatentLabeler(session=s)
    for k in range(10):
        s.label(np.flatnonzero(TRUTH == k)[:2], k)
    assert s.wait(60) and app.flush()
    yield app
    app.close()
    s.close()


def test_they_are_those_of_the_answers_on_show_and_made_while_they_are_looked_at(app):
    map, s = app.map, app.session
    assert not map.layer.areas and not map.ground.jobs.alive  # nobody asked for them
    map.layer.set_state({"regions": True})
    assert map.regions and app.flush()
    areas, wanted = map.layer.areas, find_regions(s.xy, s.pred, s.certainty)
    known = wanted.codes >= 0
    assert (grid(areas, "codes")[known] == wanted.codes[known]).all() and (grid(areas, "codes")[~known] == 65535).all()
    np.testing.assert_allclose(grid(areas, "certainty")[known] / 254, wanted.certainty[known], atol=0.003)
    assert areas["words"].startswith("Regions: ") and np.allclose(areas["extent"], wanted.extent)
    before = areas["of"]
    s.label(np.flatnonzero(TRUTH == 3), 3)
    assert s.wait(60) and app.flush() and map.layer.areas["of"] > before
    before = map.layer.areas
    map.ground.ask()
    assert app.flush() and map.layer.areas is before  # nothing was new
    map.layer.set_state({"regions": False, "areas": {"rows": 1e9}})
    assert map.layer.areas is before and not map.regions  # a page asks for regions and makes none
    assert s.view["regions"] is False


def test_they_follow_what_becomes_of_classes(app):
    map, s = app.map, app.session
    map.regions = True
    assert app.flush() and {1, 7} <= codes(map)
    s.merge_classes(7, 1)
    assert s.wait(60) and app.flush() and 7 not in codes(map) and 1 in codes(map)
    s.rename_class(0, "null")
    assert s.wait(60, late=True) and app.flush() and "null" in map.layer.areas["words"]  # who answers is settled, too
    before = map.layer.areas["codes"]
    s.recolor_class(1, "#123456")
    assert s.wait(60) and app.flush() and map.layer.class_colors[1] == "#123456"
    assert map.layer.areas["codes"] == before  # the page has the colors
    s.delete_class(4)
    assert s.wait(60) and app.flush() and 4 not in codes(map)


def test_a_round_of_then_has_the_regions_of_then(app):
    map, s = app.map, app.session
    map.regions = True
    frame = frame_of(s, 3)
    frame.pred[:] = 5
    frame.certainty[:] = 0.75
    add_round(s.rounds, frame)
    assert app.flush()
    now = map.layer.areas
    app.presenter.timeline.show(0)
    assert app.flush() and codes(map) == {5}
    sure = grid(map.layer.areas, "certainty")
    assert {*np.unique(sure[sure < 255])} <= {190, 191} and map.layer.areas["extent"] != now["extent"]
    app.presenter.timeline.present()
    assert app.flush() and map.layer.areas["codes"] == now["codes"]


def test_a_label_does_not_wait_for_them_and_the_newest_wins(app, monkeypatch):
    map, s, go, made = app.map, app.session, threading.Event(), []

    def slow(xy, said, sure):
        assert threading.current_thread().name == "ssvae-regions"
        made.append(np.array(said))
        go.wait(30)
        return find_regions(xy, said, sure)

    monkeypatch.setattr("ssvae_widgets.widgets.map_regions.find_regions", slow)
    map.regions = True
    for k in range(10):
        start = time.perf_counter()
        s.label(np.flatnonzero(TRUTH == k)[2:9], k)
        assert time.perf_counter() - start < 1
    assert s.wait(60)
    go.set()
    assert app.flush() and len(made) < 8 and (made[-1] == s.pred).all()


def test_a_map_alone_has_them_too_and_says_when_there_are_none():
    ones = np.where(TRUTH == 1, 1, 0)
    map = LatentMap(np.random.default_rng(0).normal(size=(200, 2)) + 9 * ones[:, None], ones, regions=True)
    assert map.ground.wait(30) and codes(map) == {0, 1}
    map.set_predictions(np.full(len(TRUTH), -1), certainty=np.full(len(TRUTH), np.nan))
    assert map.ground.wait(30) and not codes(map) and "nothing is predicted" in map.layer.areas["words"]
    map.close()
    map.ground.ask()
    assert not map.ground.jobs.busy
    values = LatentMap(np.random.default_rng(0).normal(size=(50, 2)), np.linspace(0, 1, 50), regions=True)
    assert values.ground.wait(30) and "codes" not in values.layer.areas  # no classes at all
    values.close()
