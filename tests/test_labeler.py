"""LatentLabeler without a browser: many threads, wrong intents, and nothing left after closing."""

import gc
import subprocess
import sys
import threading
import time
import weakref
from functools import reduce
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipywidgets.widgets.widget import _instances

from ssvae_widgets import LabelingSession, LatentLabeler, LatentMap, load_images
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.widgets.presenter import PAUSES


@pytest.fixture
def quiet(monkeypatch, no_first_map):
    "Sessions that make no model: these tests are about labels and views."
    monkeypatch.setattr(LabelingSession, "prepare", lambda self: None)


def data(n=120):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, n)
    return (rng.random((n, 6, 6)) * 0.3 + truth[:, None, None] * 0.3).astype(np.float32), truth


def test_nothing_is_left_after_closing(quiet):
    images, truth = data()
    before, seen = set(_instances), []
    for _ in range(5):
        app = LatentLabeler(images, None, truth)
        app.session.label([1, 2], 1)
        app.map.selected = [3, 4, 5]
        assert app.session.wait(300) and app.flush()
        seen.append(weakref.ref(app))
        app.close()
        app.presenter.queue.close(60)
        app.presenter.slow.close(60)
        del app
    gc.collect()
    assert set(_instances) == before
    assert [ref() for ref in seen] == [None] * 5


def test_a_burst_of_keys_is_acknowledged_once_each_in_few_messages(quiet, tmp_path, monkeypatch):
    images, truth = data()
    app = LatentLabeler(images, tmp_path / "labels.csv", truth)
    acknowledged, said, answers, messages = [], [], [], app.map.layer.send

    def send(content, buffers=None):
        if content["type"] == "ack":
            acknowledged.append((content["gestures"], app.labels.log_path.read_bytes().count(b'"op":"set"')))
        messages(content, buffers)

    monkeypatch.setattr(app.map.layer, "send", send)
    app.status.observe(lambda change: said.append(change["new"]), "message")
    app.session.subscribe(lambda event: answers.append(event) if event["type"] == "map" else None)
    began = time.monotonic()
    for k in range(200):
        app.act({"type": "label", "label": k % 3, "serials": np.array([k % 7]), "gesture": k})
    assert app.session.wait(300) and app.flush()
    seconds = time.monotonic() - began
    gestures = [g for group, _ in acknowledged for g in group]
    assert gestures == list(range(200)), "each once, in order"
    assert all(on_disk > max(group) for group, on_disk in acknowledged), "on disk before it is acknowledged"

    def most(pause):
        return 2 + 2 * seconds / pause  # once by the key and once by the painter in each pause

    assert (
        len(acknowledged) <= most(PAUSES["settled"])
        and len(said) <= len(acknowledged) + most(PAUSES["map"])
        and len(answers) <= most(0.1)
    )
    assert said[-1].startswith("#3 labeled") and app.labels.counts.sum() == 7
    app.close()


def test_labels_from_many_threads_are_all_shown(quiet, tmp_path):
    images, truth = data()
    app = LatentLabeler(images, tmp_path / "labels.csv", truth)

    def work(k):
        for i in range(k, 120, 4):
            app.act({"type": "label", "label": int(truth[i]), "serials": np.array([i]), "gesture": i})
            app.map.selected = [i]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert app.session.wait(300) and app.flush()
    assert app.error == "" and (app.session.codes == truth).all()
    assert (
        app.buttons.counts == np.bincount(truth).tolist()
        and app.status.n_labeled == 120
        and app.status.seq == app.session.seq
    )
    assert app.map.labeled.all() and (app.map.columns["label"].values == truth).all()
    app.close()
    app.close()


def test_a_sheet_that_loses_images_keeps_what_was_left_out(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    app.map.selected = np.arange(40)
    assert app.flush()
    rng = np.random.default_rng(1)
    gone = rng.permutation(40)[:15].tolist()
    for serial in gone:  # the painter repaints the selection all the while
        app.act({"type": "exclude", "serial": serial, "out": True})
        app.presenter.queue.ask("selection", "labels")
        if serial % 4 == 0:
            app.act({"type": "sort", "by": "number" if serial % 8 else "distance"})
    app.act({"type": "exclude", "serial": gone[0], "out": False})
    assert app.flush()
    kept = sorted(set(range(40)) - set(gone[1:]))
    assert sorted(app.sheet.kept.tolist()) == kept == app.selected.tolist()
    app.act({"type": "label", "label": 2})
    assert np.flatnonzero(app.session.codes == 2).tolist() == kept
    app.close()


def test_a_sheet_that_was_closed_stays_closed_until_something_else_is_selected(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    app.map.selected = np.arange(10)
    assert app.flush() and app.sheet.shown
    app.act({"type": "close", "keep": True})
    app.act({"type": "label", "label": 1})
    app.presenter.queue.ask("selection", "labels", "map")
    assert app.flush() and not app.sheet.shown and app.selected.tolist() == list(range(10))
    app.map.selected = []
    assert app.flush() and not app.sheet.shown
    app.map.selected = np.arange(10)
    assert app.flush() and app.sheet.shown
    app.close()


def test_intents_never_raise_and_wrong_ones_change_nothing(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    types = st.sampled_from(
        [
            "label",
            "clear",
            "accept",
            "undo",
            "redo",
            "train",
            "stop",
            "strategy",
            "next",
            "back",
            "skip",
            "select",
            "exclude",
            "sort",
            "close",
            "confirm",
            "cancel",
            "look",
            "nonsense",
            "__init__",
        ]
    )
    bad = st.fixed_dictionaries(
        {},
        optional={
            "label": st.sampled_from([-1, 3, 10**9, "x", None, 1.5]),
            "serials": st.sampled_from([np.array([-1]), np.array([120]), np.array([10**9])]),
            "serial": st.sampled_from([-1, 10**6, None]),
            "epochs": st.sampled_from([0, -1, "x"]),
            "strategy": st.just("hammer"),
            "by": st.just("luck"),
            "gesture": st.just(1),
        },
    )

    @settings(max_examples=150, deadline=None)
    @given(types, bad)
    def send(kind, fields):
        if kind == "train" and "epochs" not in fields:
            return
        app.act({"type": kind, **fields})

    send()
    assert app.flush()
    assert (app.session.codes == -1).all() and not app.session.training.running
    app.close()


def test_names_and_columns_must_fit(quiet):
    images, truth = data()
    with pytest.raises(TypeError, match="neither images nor a session"):
        LatentLabeler()
    with pytest.raises(ValueError, match="got 2 names, expected 120"):
        LatentLabeler(images, None, names=["a", "b"])
    with pytest.raises(ValueError, match="got 3 size, expected 120"):
        LatentLabeler(images, None, columns={"size": [1, 2, 3]})
    app = LatentLabeler(images, None, columns={"size": truth / 3}, names=[f"{i}.png" for i in range(120)])
    assert list(app.map.columns) == ["label", "cluster", "size"]
    app.map.selected = [7]
    assert app.flush() and app.preview.info["name"] == "7.png"
    app.close()


def test_accept_is_one_gesture_and_proposals_go_on(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    app.act({"type": "accept"})
    assert "Select points first" in app.status.message
    app.map.selected = [5]
    app.act({"type": "accept"})
    assert "two classes first" in app.status.message and app.status.level == "error"
    for k in range(3):
        app.session.label(np.flatnonzero(truth == k)[:3], k)
    assert app.session.wait(300) and app.flush()
    chosen = np.flatnonzero(app.session.codes < 0)[:20]
    app.map.selected = chosen
    said = app.session.pred[chosen]
    app.act({"type": "accept"})
    assert (app.session.codes[chosen] == said).all()
    app.act({"type": "undo"})
    assert (app.session.codes[chosen] == -1).all()

    app.act({"type": "next"})
    assert app.flush() and app.session.current is not None
    first = app.session.current.serial
    assert app.selected.tolist() == [first] and app.status.message == f"#{first}: {app.session.current.reason}"
    app.act({"type": "label", "label": 1})
    app.act(
        {"type": "label", "label": 2}
    )  # a second key before the next proposal stands: either way nothing is skipped
    assert app.session.wait(300) and app.flush() and app.session.current.serial != first
    app.act({"type": "back"})
    assert app.flush() and app.session.current.serial == first and app.preview.info["reason"]
    app.act({"type": "strategy", "strategy": "suspects"})
    assert app.flush() and app.actions.strategy == app.session.strategy == "suspects"
    app.close()


def test_rounds_show_the_past_and_labels_bring_the_present_back(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    app.act({"type": "snapshot", "step": -1})
    assert "no earlier round" in app.status.message
    old = app.session.xy
    app.session.snapshot()
    app.session.predictions.change(xy=old + 5)
    app.presenter.queue.ask("map")
    assert app.flush() and np.allclose(app.map.xy, old + 5)
    app.act({"type": "snapshot", "frame": 0})
    app.session.predictions.change(xy=old + 7)  # the map goes on moving, the round on show stays
    app.presenter.queue.ask("map")
    assert app.flush() and np.allclose(app.map.xy, old, atol=1e-3) and app.training.rounds.frame == 0
    app.act({"type": "goto", "frame": 0})
    assert "for looking only" in app.status.message and app.status.level == "error", "there are no weights yet"
    app.act({"type": "label", "label": 1, "serials": np.array([3])})
    assert app.flush() and np.allclose(app.map.xy, old + 7) and app.training.rounds.frame == 1
    app.act({"type": "snapshot", "step": 1})
    assert app.presenter.timeline.looking_at is None
    app.close()


def test_walk_and_trails_follow_what_a_round_changed(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    for kind in ("walk", "trails"):
        app.act({"type": kind})
        assert app.flush() and "train twice" in app.status.message
    s = app.session
    for k in range(3):
        s.label(np.flatnonzero(truth == k)[:2], k)
    assert s.wait(300)
    s.activity.update(total=1)
    s.snapshot()
    s.label([5, 6], 1)
    assert s.wait(300)
    moved = s.xy.copy()
    moved[[50, 51]] += 10 * np.ptp(moved)
    s.predictions.change(xy=moved, probs=s.probs[:, [1, 0, 2]])
    s.activity.update(total=2)
    s.snapshot()
    assert app.flush() and app.training.rounds.n_changes == len(s.changes.rows) > 2
    assert (
        s.changes.message.startswith("2 labels changed")
        and s.changes.message.endswith("2 points moved far")
        and s.changes.message in app.status.message
    )
    app.act({"type": "trails"})
    assert (
        app.presenter.timeline.trails.lines.x.shape == (2, 2)
        and np.allclose(app.presenter.timeline.trails.lines.x[:, 1], moved[s.changes.moved, 0])
        and app.training.rounds.trails
    )
    app.act({"type": "trails"})
    assert app.presenter.timeline.trails.lines.x.shape[0] == 0
    app.act({"type": "walk"})
    assert (
        app.flush()
        and app.selected.tolist() == [s.changes.rows[0]]
        and "before this round: " in app.preview.info["reason"]
    )
    app.act({"type": "label", "label": 0})  # a label on the way goes on walking
    assert app.flush() and app.selected.tolist() == [s.changes.rows[1]]
    app.close()


def test_training_by_itself_is_off_until_it_is_chosen(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    assert app.session.auto.labels == app.session.auto.idle == 0 and app.training.controls.choices[0] == "train by hand"
    app.act({"type": "auto", "choice": 1})
    assert app.session.auto.labels == 5 and "after 5 labels" in app.status.message
    app.act({"type": "auto", "choice": 0})
    assert app.session.auto.labels == app.session.auto.idle == 0
    app.close()


WRONG = [
    dict(height="tall"),
    dict(height=10),
    dict(columns=[1]),
    dict(columns={"label": [0] * 120}),
    dict(columns={3: [0] * 120}),
    dict(session=np.zeros((3, 4, 4))),
    dict(labels=5),
    dict(labels=np.zeros(120)),
    dict(classes="cat"),
    dict(classes=2.5),
    dict(classes=0),
    dict(classes=["a", "a"]),
    dict(truth=np.full(120, -1)),
    dict(truth=np.full(120, np.nan)),
    dict(truth=[7] * 120, classes=3),
    dict(truth=[0, 1]),
    dict(config={"latent_dim": 2}),
    dict(model=3),
    dict(model="missing.ckpt"),
    dict(epochs="x"),
    dict(epochs=0),
    dict(seed="x"),
    dict(names=["a"]),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda w: ",".join(f"{k}={str(v)[:20]}" for k, v in w.items()))
def test_wrong_arguments_are_said_at_once_and_leave_nothing_behind(wrong, quiet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, threads = set(_instances), threading.active_count()
    with pytest.raises((TypeError, ValueError, FileNotFoundError)) as error:
        LatentLabeler(**{"images": data()[0], **wrong})
    text = str(error.value)
    assert 20 < len(text) < 400 and "\n" not in text and not isinstance(error.value, AttributeError)
    assert set(_instances) == before and threading.active_count() <= threads and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "images, says",
    [
        (np.zeros((0, 6, 6)), "no images"),
        (np.where(np.arange(9)[:, None, None] == 4, np.inf, np.zeros((9, 6, 6))), "image 4"),
        ("photos", "photos does not exist; expected .* a folder of images"),
        (None, "neither"),
        ([np.zeros((4, 4)), np.zeros((5, 4))], "different sizes"),
        (np.zeros((9, 6, 6)) - 3, "pixel values"),
    ],
)
def test_images_that_cannot_be_used_are_said_at_once(images, says, quiet):
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=says):
        LatentLabeler(images, None)


def test_a_project_comes_back_with_names_columns_and_colors(quiet, tmp_path):
    images, truth = data()
    app = LatentLabeler(
        list(images),
        tmp_path / "labels.csv",
        truth,
        columns={"size": truth / 3},
        names=[f"<{i}>.png" for i in range(120)],
    )
    for k in range(3):
        app.session.label(np.flatnonzero(truth == k)[:3], k)
    assert app.session.wait(300) and app.flush()
    app.map.color_by = "certainty"
    app.map.layer.set_state({"pictures": False, "picture_size": 48, "axes": True, "regions": True})
    app.act({"type": "next"})
    assert app.flush()
    folder, codes, current = app.save(tmp_path / "project"), app.session.codes, app.session.current
    app.close()
    again = LatentLabeler.open(folder)
    assert (
        (again.session.codes == codes).all()
        and again.session.current == current
        and again.names[7] == "<7>.png"
        and list(again.extra) == ["size"]
    )
    assert (again.map.pictures, again.map.picture_size) == (False, 48) and again.map.axes and again.map.regions
    again.session.label(np.flatnonzero(codes < 0)[:1], 0)
    assert again.session.wait(300) and again.flush() and again.map.color_by == "certainty", (
        "the coloring comes back as soon as it can"
    )
    again.close()


def test_a_coloring_chosen_before_the_model_answers_stays(quiet, tmp_path):
    images, truth = data()
    app = LatentLabeler(images, tmp_path / "labels.csv", truth)
    for k in range(3):
        app.session.label(np.flatnonzero(truth == k)[:3], k)
    assert app.session.wait(300) and app.flush()
    app.map.color_by = "prediction"
    app.close()
    again = LatentLabeler(images, tmp_path / "labels.csv", truth)
    again.presenter.wanted_color = "prediction"  # the answer may have come already on a fast machine
    again.map.color_by = "truth"
    assert again.session.wait(300) and again.flush() and "prediction" in again.map.columns
    again.presenter.paint("map")
    assert again.map.color_by == "truth" == again.session.view["color_by"]
    again.close()


def test_a_coloring_chosen_in_the_moment_the_other_comes_back_stays(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    app.presenter.wanted_color = "truth"
    app.presenter.restore_color()  # the painter, after "cluster" was chosen and before that was heard
    app.presenter.keep_color({"new": "cluster"})
    assert app.map.color_by == "cluster" == app.session.view["color_by"]
    app.close()


def test_gestures_are_acknowledged_in_order_by_a_slow_painter(quiet, monkeypatch):
    images, truth = data()
    app, gestures, slow = LatentLabeler(images, None, truth), [], threading.Event()

    def later(done, **kw):
        if threading.current_thread().name == "ssvae-painter":
            slow.set(), time.sleep(0.2)
        gestures.extend(done)

    monkeypatch.setattr(app.map, "acknowledge", later)
    for k in range(3):
        app.act({"type": "label", "label": 1, "serials": np.array([k]), "gesture": k})
    if len(gestures) < 3:
        slow.wait(60)
    app.presenter.acks.told_at = 0.0  # so long ago that the next one is acknowledged at once
    app.act({"type": "label", "label": 1, "serials": np.array([3]), "gesture": 3})
    assert app.flush() and gestures == [0, 1, 2, 3]
    app.close()


def test_an_earlier_round_asked_for_while_the_map_is_painted_is_the_one_on_show(quiet, monkeypatch):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    old, painting, shown = app.session.xy, threading.Event(), threading.Event()
    app.session.snapshot()
    assert app.flush()
    set_positions = app.map.set_positions

    def slow(xy):
        if threading.current_thread().name == "ssvae-painter":
            painting.set()
            shown.wait(0.3)
        set_positions(xy)

    monkeypatch.setattr(app.map, "set_positions", slow)
    app.session.predictions.change(xy=old + 5)
    app.presenter.queue.ask("map")
    assert painting.wait(60)
    app.act({"type": "snapshot", "frame": 0})
    shown.set()
    assert app.flush() and app.presenter.timeline.looking_at == 0 and np.allclose(app.map.xy, old, atol=1e-3)
    app.close()


def test_points_that_move_while_the_app_is_put_together_are_shown_where_they_are(quiet, monkeypatch):
    "The map of the features may be there just after the map on the page was made of something else."
    from ssvae_widgets.widgets import labeler

    def slowly(session, *given, **more):
        views = make(session, *given, **more)
        session.predictions.draw(session.xy[:, ::-1] + 3)
        return views

    make = labeler.make_views
    monkeypatch.setattr(labeler, "make_views", slowly)
    app = LatentLabeler(np.random.default_rng(0).random((40, 4, 4), np.float32), None, features=None)
    assert app.flush() and np.allclose(app.map.xy, app.session.xy)
    app.close()


def test_a_class_that_is_added_reaches_every_view(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    for k in range(3):
        app.session.label(np.flatnonzero(truth == k)[:2], k)
    code = app.labels.add_class("<b>strange</b>")
    app.session.label([7], "<b>strange</b>")
    assert app.session.wait(300) and app.flush()
    assert code == 3 and app.buttons.classes[3] == app.preview.classes[3] == app.map.classes[3] == "<b>strange</b>"
    assert app.buttons.counts == [2, 2, 2, 1] and len(app.buttons.palette) == 4 and app.error == ""
    app.act({"type": "label", "label": 3, "serials": np.array([8])})
    assert app.session.codes[8] == 3
    app.close()


def test_a_question_is_about_what_is_still_on_the_sheet(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    app.ask_above = 10
    app.map.selected = np.arange(40)
    assert app.flush() and not app.buttons.can_clear, "nothing to remove"
    app.act({"type": "label", "label": 2})
    assert app.sheet.question == "Label 40 images as 2?" and app.session.n_labeled == 0
    app.act({"type": "exclude", "serial": 3, "out": True})
    assert app.sheet.question == "Label 39 images as 2?" and app.sheet.answer == "Label 39"
    app.act({"type": "confirm"})
    assert (
        np.flatnonzero(app.session.codes == 2).tolist() == [i for i in range(40) if i != 3] and app.sheet.question == ""
    )
    assert app.flush() and app.selected.tolist() == [3] and "was left out is next" in app.status.message
    app.map.selected = np.delete(np.arange(40), 3)
    assert app.flush() and app.buttons.can_clear
    app.act({"type": "clear"})
    assert app.session.n_labeled == 39 and app.sheet.question.startswith("Remove the labels of 39")
    app.act({"type": "label", "label": 1, "serials": app.selected, "gesture": 1})  # a key is an answer, too
    app.act({"type": "confirm"})
    assert app.sheet.question == "" and (app.session.codes == 1).sum() == 39
    app.act({"type": "clear"})
    for serial in app.sheet.rows.tolist():
        app.act({"type": "exclude", "serial": serial, "out": True})
    assert (
        app.commands.question.pending is None
        and app.sheet.question == ""
        and app.session.n_labeled == 39
        and app.error == ""
    )
    app.close()


def test_a_proposal_that_comes_late_takes_no_selection_away(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    app.act({"type": "back"})
    assert app.flush() and app.status.message == "There is no proposal before this one."
    gate, take = threading.Event(), app.session.next
    app.session.next = lambda: gate.wait(60) and take()
    app.map.selected = [5]
    app.act({"type": "next"})
    app.map.selected = [7]  # clicked while the proposal was looked for
    gate.set()
    assert app.flush() and app.selected.tolist() == [7] and app.session.current is not None
    serial = app.session.current.serial
    assert f"#{serial}, the diamond" in app.status.message
    app.act({"type": "label", "label": 1})
    assert app.flush() and app.session.codes[7] == 1 and app.session.codes[serial] < 0 and app.selected.tolist() == [7]
    app.act({"type": "next"})
    assert app.flush() and app.selected.tolist() == [serial] == [app.session.current.serial], "asked again: there it is"
    app.act({"type": "label", "label": 2})
    assert (
        app.flush()
        and app.session.codes[serial] == 2
        and app.selected.tolist() == [app.session.current.serial] != [serial]
    )
    app.ask_above = 7
    assert app.map.layer.confirm_above == 7 == app.ask_above and app.error == ""
    app.close()


def test_a_field_that_is_missing_is_an_argument_error_and_select_has_two_forms(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    app.map.selected = [3]
    missing = {
        "label": "label",
        "new_class": "name",
        "select": "serial",
        "exclude": "serial",
        "sort": "by",
        "look": "serial",
        "strategy": "strategy",
        "epochs": "epochs",
        "auto": "choice",
        "goto": "frame",
    }
    for kind, field in missing.items():
        with pytest.raises(ArgumentError, match=f"type {kind} without {field}"):
            app.commands.do({"type": kind})
    app.session.snapshot()
    with pytest.raises(ArgumentError, match="type snapshot without step"):
        app.commands.do({"type": "snapshot"})
    app.act({"type": "sort"})
    assert (
        app.status.level == "error"
        and app.status.message == "got an intent of type sort without by."
        and app.session.n_labeled == 0
    )
    app.commands.do({"type": "select", "op": "grow"})
    assert 3 in app.selected and len(app.selected) == 6
    app.commands.do({"type": "select", "serial": 9})
    assert app.selected.tolist() == [9]
    app.close()


def test_a_key_that_accepts_many_has_asked_already(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    for k in range(3):
        app.session.label(np.flatnonzero(truth == k)[:3], k)
    assert app.session.wait(60) and app.flush()
    app.ask_above, chosen = 5, np.flatnonzero(app.session.codes < 0)[:10]
    app.act({"type": "accept", "serials": chosen})
    assert (
        app.sheet.question.startswith("Accept the predictions of 10 images") and (app.session.codes[chosen] == -1).all()
    )
    app.act({"type": "accept", "serials": chosen, "gesture": 1})
    assert app.sheet.question == "" and (app.session.codes[chosen] >= 0).all()
    app.close()


def test_a_coloring_that_is_chosen_does_not_wait_for_the_painter(quiet):
    """The painter holds the lock of the presenter and waits for that of the layer; what a page chooses is heard the
    other way round."""
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    assert app.flush()
    painting, done = threading.Event(), []

    def paint():
        with app.presenter.lock:
            painting.set()
            with app.map.layer.lock:
                done.append("painted")

    painter = threading.Thread(target=paint, daemon=True)

    def choose():
        with app.map.layer.lock:
            painter.start()
            painting.wait(60)
            app.presenter.keep_color({"new": app.map.color_by})
            done.append("kept")

    chooser = threading.Thread(target=choose, daemon=True)
    chooser.start()
    chooser.join(30), painter.join(30)
    assert done == ["kept", "painted"]
    app.close()


def test_columns_are_checked_before_anything_is_opened(quiet, tmp_path):
    images, truth = data()
    app = LatentLabeler(images, tmp_path / "labels.csv", truth)
    for wrong in ({"cluster": truth}, {"label": truth}, {"size": [1, 2]}):
        with pytest.raises(ArgumentError):
            LatentLabeler(images, tmp_path / "labels.csv", truth, columns=wrong)
        with pytest.raises(ArgumentError):
            LatentLabeler(session=app.session, columns=wrong)
    assert not app.retired and not app.session.closed, "a cell with a mistake in it takes nothing over"
    app.close()


def test_all_suspects_are_found_when_they_are_asked_for(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    for k in range(3):
        app.session.label(np.flatnonzero(truth == k)[:15], k)
    odd = int(np.flatnonzero(truth == 0)[0])
    app.session.label(odd, 2)
    assert app.session.wait(60)
    app.map.handle({"type": "select", "op": "suspects"})
    assert app.flush()
    assert odd in app.selected and len(app.selected) < 10 and "wrong" in app.status.message, app.status.message
    app.close()


def test_colorings_keep_their_order_and_keys_can_be_chosen(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth, columns={"size": truth / 3}, keymap={"undo": "u"})
    assert app.map.layer.keymap == {"undo": ["u"]} and app.map.layer.columns == ["label", "truth", "cluster", "size"]
    for k in range(3):
        app.session.label(np.flatnonzero(truth == k)[:2], k)
    assert app.session.wait(60) and app.flush()
    assert app.map.layer.columns == ["label", "prediction", "truth", "certainty", "entropy", "cluster", "size"]
    app.close()


@pytest.mark.parametrize(
    "name, wrong, said",
    [
        ("error", 3, "error is 3"),
        ("error", None, "error is None"),
        ("ask_above", -1, "ask_above"),
        ("map.palette", "rainbow", "expected auto, okabe-ito"),
        ("map.palette", {"a": 1}, "expected auto, okabe-ito"),
        ("map.palette", [1, 2], "expected auto, okabe-ito"),
        ("map.palette", [], "expected auto, okabe-ito"),
        ("map.color_by", "nonsense", "expected one of label"),
        ("map.layer.keymap", {"unod": ["u"]}, "'unod', which is no action"),
        ("map.layer.keymap", {"label:x": ["u"]}, "'label:x', which is no action"),
        ("map.layer.keymap", {"move:up ": ["u"]}, "which is no action"),
    ],
)
def test_what_can_be_set_is_checked(quiet, name, wrong, said):
    app = LatentLabeler(data()[0], None)
    *path, last = name.split(".")
    owner = reduce(getattr, path, app)
    before = getattr(owner, last)
    with pytest.raises(ValueError, match=said):
        setattr(owner, last, wrong)
    assert getattr(owner, last) == before
    app.error = ""
    app.map.layer.keymap = {"label:12": "q", "tool:lasso": ["x"], "selectall": ["u"]}
    app.map.palette = ["#112233", "#445566"]
    app.close()


def test_what_a_filter_hides_is_not_selected(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    shown = np.arange(0, 120, 2)
    app.map.layer.set_state({"filter": shown.astype("<u4").tobytes(), "selected": np.array([4], "<u4").tobytes()})
    app.map.handle({"type": "select", "op": "grow"})
    assert 4 in app.map.selected and set(app.map.selected.tolist()) <= set(shown.tolist())
    app.map.focus(6)
    assert app.map.layer.filter, "it can be seen"
    app.map.focus(7)
    assert not app.map.layer.filter and app.map.selected.tolist() == [7]
    app.close()


def test_columns_mean_what_they_say_and_come_back(quiet, tmp_path):
    images, truth = data()
    site = np.array(["north", None, "south"], object)[truth]
    app = LatentLabeler(
        images,
        tmp_path / "labels.csv",
        classes=["cat", "dog", "owl"],
        columns={"site": site, "plate": truth, "year": truth + 2013},
    )
    columns = app.map.columns
    assert columns["plate"].names == ("0", "1", "2"), "plate 1 is no dog"
    assert columns["year"].kind == "values" and (columns["year"].low, columns["year"].high) == (2013, 2015)
    assert columns["site"].names == ("north", "south") and ((columns["site"].values < 0) == (truth == 1)).all()
    app.save(tmp_path / "project")
    app.close()
    again = LatentLabeler.open(tmp_path / "project")
    for name, column in again.map.columns.items():
        assert column.names == columns[name].names and (column.values == columns[name].values).all(), name
    again.close()


def test_a_closed_session_is_refused_at_the_door(quiet):
    images, truth = data()
    session = LabelingSession(images, None, truth=truth)
    session.close()
    before = set(_instances)
    with pytest.raises(
        ArgumentError, match=r"this session is closed, its labels are on disk: LatentLabeler\(images, labels\)"
    ):
        LatentLabeler(session=session)
    assert set(_instances) == before


@pytest.mark.parametrize(
    "wrong",
    [
        set(range(120)),
        (i for i in range(120)),
        [[1]] * 120,
        [[1], [1, 2]] * 60,
        "x" * 120,
        np.zeros((120, 2)),
        dict.fromkeys(range(120)),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_column_that_is_none_is_named(quiet, wrong):
    images, truth = data()
    with pytest.raises(
        ArgumentError,
        match="column 'site' is .*; expected one value for each point, as a list or an array of one dimension",
    ):
        LatentLabeler(images, None, columns={"size": truth, "site": wrong})
    with pytest.raises(ArgumentError, match="column 'site' is"):
        LatentMap(np.zeros((120, 2)), {"site": wrong})


def test_numbers_with_gaps_come_back_as_numbers(quiet, tmp_path):
    images, truth = data()
    given = [1, None, 2] * 40
    app = LatentLabeler(images, tmp_path / "labels.csv", truth, columns={"depth": given, "name": ["a", None, "b"] * 40})
    before = app.map.columns
    app.save(tmp_path / "project")
    app.close()
    again = LatentLabeler.open(tmp_path / "project")
    assert np.array_equal(again.extra["depth"], np.array(given, float), equal_nan=True)
    for name in ("depth", "name"):
        old, new = before[name], again.map.columns[name]
        assert (old.kind, old.names, old.low, old.high) == (new.kind, new.names, new.low, new.high)
        assert np.array_equal(old.values, new.values, equal_nan=True)
    assert again.map.columns["depth"].kind == "values" and np.isnan(again.map.columns["depth"].values[1])
    again.close()


def test_two_apps_on_one_session_end_it_with_the_last(quiet, tmp_path):
    images, truth = data()
    session = LabelingSession(images, tmp_path / "labels.csv", truth=truth)
    one, two = LatentLabeler(session=session), LatentLabeler(session=session)
    one.close()
    one.close()
    two.act({"type": "label", "label": 2, "serials": np.array([5])})
    assert two.error == "" and session.codes[5] == 2 and two.flush() and two.status.saved == "yes"
    two.close()
    assert session.jobs.closed
    with pytest.raises(ValueError):
        session.label([6], 1)


def test_a_cell_that_is_run_again_on_one_session_replaces_its_app_and_close_ends_the_session(quiet, tmp_path):
    images, truth = data()
    before = set(_instances)
    session = LabelingSession(images, tmp_path / "labels.csv", truth=truth)
    former = [LatentLabeler(session=session)]
    for _ in range(3):
        former.append(LatentLabeler(session=session))
    app = former.pop()
    for old in former:
        assert old.retired and old.children == (old.status,) and "replaced by a newer one" in old.status.message
        old.act({"type": "label", "label": 1, "serials": np.array([3])})
    assert session.n_labeled == 0 and not app.retired
    app.act({"type": "label", "label": 2, "serials": np.array([5])})
    assert app.flush() and app.error == "" and session.codes[5] == 2 and app.status.saved == "yes"
    former.pop().close()
    assert not session.closed
    app.close()
    assert session.closed, "nothing that is out of sight holds it"
    for old in former:
        old.close()
    assert set(_instances) == before


@pytest.mark.parametrize("part", ["begin", "prepare", "make_views"])
def test_an_app_that_cannot_be_made_leaves_the_session_and_the_app_before_it_as_they_were(
    quiet, tmp_path, monkeypatch, part
):
    import ssvae_widgets.widgets.labeler as labeler

    images, truth = data()
    session = LabelingSession(images, tmp_path / "labels.csv", truth=truth)
    app = LatentLabeler(session=session)
    assert app.flush()
    before, heard = set(_instances), []
    monkeypatch.setattr(
        LabelingSession, "subscribe", lambda self, f: heard.append(f) or self.activity.events.subscribe(f)
    )
    with monkeypatch.context() as broken:
        owner = {"begin": labeler.Presenter, "prepare": LabelingSession, "make_views": labeler}[part]
        broken.setattr(owner, part, lambda *args, **kw: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            LatentLabeler(session=session)
    assert set(_instances) == before and not session.closed and not app.retired
    if heard:
        heard = [weakref.ref(heard.pop().__self__)]
    session.label([4], 1)
    assert app.flush() and app.map.labeled[4] and app.error == "" and session.events.errors == []
    gc.collect()
    assert [ref() for ref in heard] in ([], [None]), "it hears nothing any more"
    app.close()
    assert session.closed


def test_names_reach_the_preview_and_must_fit(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)
    assert app.names is None
    app.map.selected = [7]
    assert app.flush() and app.preview.info["name"] == ""
    app.names = [f"{i}.png" for i in range(120)]
    assert app.flush() and app.preview.info["name"] == "7.png" and app.names[3] == "3.png"
    with pytest.raises(ArgumentError, match="got 2 names, expected 120"):
        app.names = ["a", "b"]
    assert app.names[3] == "3.png"
    app.error = "said by a script"
    assert app.error == app.status.error == "said by a script"
    app.error = ""
    app.close()


def test_an_app_that_is_replaced_while_a_key_arrives_says_so(quiet, monkeypatch):
    images, truth = data()
    session, newer, due = LabelingSession(images, None, truth=truth), LabelingSession(images, None, truth=truth), []
    app = LatentLabeler(session=session)

    class Late:
        "Not replaced when it is asked; replaced in the moment after."

        def __get__(self, owner, cls):
            was = vars(owner).get("retired", False)
            if due:
                due.pop()(newer)
            return was

        def __set__(self, owner, value):
            vars(owner)["retired"] = value

    monkeypatch.setattr(LatentLabeler, "retired", Late())
    due.append(app.retire)
    app.act({"type": "next"})
    assert not due and app.status.message == "This app was replaced by a newer one on the same labels: go on there."
    with pytest.raises(AttributeError, match="replaced by a newer one"):
        app.commands.do({"type": "next"})
    app.close()
    assert not newer.closed
    session.close(), newer.close()


def test_the_module_of_the_app_is_imported_as_any_other():
    """A method that is patched onto a class leaves its name in the module: `__getattr__` there would be asked for
    every import."""
    import ssvae_widgets.widgets.labeler as labeler
    import ssvae_widgets.widgets.latent_map as latent_map

    for module in (labeler, latent_map):
        assert not {"__getattr__", "__dir__"} & set(vars(module))
    assert (
        subprocess.run([sys.executable, "-c", "from ssvae_widgets.widgets.labeler import LatentLabeler"]).returncode
        == 0
    )


@pytest.mark.parametrize(
    "serials", [[1.5], [True], "abc", [10**400], [None], {"a": 1}, [[0]], [-1], [0, True], [float("nan")]]
)
def test_rows_of_a_script_are_checked_like_those_of_a_page(quiet, serials):
    app = LatentLabeler(np.zeros((9, 4, 4), np.uint8), None)
    for kind in ("label", "accept", "clear"):
        app.act({"type": kind, "label": 0, "serials": serials, "said": 0})
        assert "RowError" in app.error and app.session.n_labeled == 0
        app.error = ""
    app.close()


def test_a_class_by_name_and_a_choice_that_is_none(quiet):
    app = LatentLabeler(np.zeros((9, 4, 4), np.uint8), None, classes=["a", "b"])
    app.act({"type": "label", "label": "b", "serials": [2, 4]})
    assert (
        app.flush()
        and not app.error
        and app.status.message.startswith("2 images labeled b")
        and app.session.counts.tolist() == [0, 2]
    )
    before = app.session.auto
    for intent in ({"type": "auto", "choice": -1}, {"type": "auto", "choice": 99}, {"type": "epochs", "epochs": "x"}):
        app.error = ""
        app.act(intent)
        assert "ArgumentError" in app.error and app.session.auto == before
    app.close()


@pytest.mark.parametrize("names", [set("abcdefghi"), dict.fromkeys(range(9), "a"), (n for n in "abcdefghi")])
def test_names_without_an_order_are_refused(quiet, names):
    with pytest.raises(ArgumentError, match="names"):
        LatentLabeler(np.zeros((9, 4, 4), np.uint8), None, names=names)


def test_a_column_of_numbers_beyond_all_is_named(quiet):
    with pytest.raises(ArgumentError, match="a whole number of about 401 digits"):
        LatentLabeler(np.zeros((9, 4, 4), np.uint8), None, columns={"x": [10**400] * 9})


def test_features_belong_to_the_session_that_is_given():
    images = np.random.default_rng(0).integers(0, 255, (20, 6, 6, 3)).astype(np.uint8)
    with LabelingSession(images, None, classes=2, features=None) as session:
        for features in (None, "efficientnet-lite0", np.zeros((20, 3))):
            with pytest.raises(TypeError, match="features belong to the session"):
                LatentLabeler(session=session, features=features)
        assert not session.closed
    app = LatentLabeler(images, None, classes=2, features=np.random.default_rng(1).random((20, 3)))
    app.session.frozen.wait()
    assert app.session.wait(60) and app.session.learned_from == "vectors"
    app.close()


def test_a_picture_in_full_size_comes_from_its_file_and_says_when_it_is_gone(tmp_path):
    from PIL import Image

    rng, sent = np.random.default_rng(0), []
    for k in range(6):
        Image.fromarray(rng.integers(0, 255, (300, 400, 3), dtype=np.uint8)).save(tmp_path / f"{k}.png")
    app = LatentLabeler(load_images(tmp_path, size=(32, 32)), None, classes=2, features=None)
    app.preview.send = lambda told, buffers: sent.append((told, buffers))
    app.act({"type": "original", "serial": 4})
    assert app.flush() and (sent[0][0]["full"], sent[0][0]["mime"], sent[0][0]["serial"]) == (
        [400, 300],
        "image/png",
        4,
    )
    there = np.asarray(Image.open(BytesIO(sent[0][1][0])))
    assert np.array_equal(there, np.asarray(Image.open(tmp_path / app.session.names[4]))), "every pixel"
    (tmp_path / app.session.names[2]).unlink()
    app.act({"type": "original", "serial": 2})
    assert app.flush() and app.session.names[2] in sent[1][0]["problem"] and sent[1][1] == [] and app.error == ""
    app.preview.receive(app.preview, {"type": "original", "serial": 6}, [])
    assert app.flush() and len(sent) == 2 and app.preview.refused
    app.close()


def test_what_was_left_out_is_next_and_keeps_what_has_its_label(quiet):
    images, truth = data()
    app = LatentLabeler(images, None, truth)

    def lasso(*out):
        app.map.selected = np.arange(20)
        assert app.flush()
        for serial in out:
            app.act({"type": "exclude", "serial": serial, "out": True})
        app.act({"type": "label", "label": 1})
        assert app.flush()

    lasso(4, 7)
    assert set(app.sheet.rows) == {4, 7} == set(app.selected.tolist())
    app.act({"type": "label", "label": 1, "gesture": 5})
    assert app.session.n_labeled == 18 and "Left out when the others became 1" in app.status.error
    app.act({"type": "undo"})
    assert app.flush() and app.session.n_labeled == 0
    assert app.selected.tolist() == [i for i in range(20) if i not in (4, 7)], "what lost its label is selected"
    lasso(4, 7)
    app.act({"type": "label", "label": 2})
    assert np.flatnonzero(app.session.codes == 2).tolist() == [4, 7] and (app.session.codes == 1).sum() == 18
    app.session.clear([9])
    lasso(4, 7, 9)
    assert app.selected.tolist() == [9], "those with a label are not asked about"
    for _ in range(2):  # the second time it is meant
        app.act({"type": "label", "label": 1})
    assert app.session.codes[9] == 1
    app.act({"type": "similar", "serials": np.array([0])})
    assert app.flush()
    out = int(app.sheet.rows[3])
    app.act({"type": "exclude", "serial": out, "out": True})
    app.act({"type": "label", "label": 3, "sure": True})
    assert app.flush() and out in app.sheet.rows and out not in app.sheet.kept, "unlike: the next question hears of it"
    app.close()
