"""Images that look alike without a label: found, told, colored, offered first, and gone when one is labeled."""

import threading

import numpy as np
import pytest

from ssvae_widgets import LabelingSession, LatentLabeler

pytestmark = pytest.mark.usefixtures("no_first_map")


@pytest.fixture
def clouds():
    "Four clouds of 60 points; the last one is nobody's until it is labeled."
    rng = np.random.default_rng(0)
    return (rng.normal(size=(240, 8)) + 9 * np.repeat(np.eye(8)[:4], 60, 0)).astype(np.float32)


def label_three(session, each=12):
    for k in range(3):
        session.label(range(60 * k, 60 * k + 60, 60 // each), k)
    assert session.wait(60) and session.jobs.wait(60, late=True)


def test_a_cloud_without_a_label_is_found_and_offered_before_borders(clouds):
    with LabelingSession(clouds, None, classes=4) as session:
        assert session.unlabeled_groups == ()
        label_three(session)
        groups = session.unlabeled_groups
        assert groups and groups[0].rows.min() >= 180, "the cloud without a label first"
        assert groups[0].message == f"{groups[0].size:,} images look alike and none is labeled"
        first, second = session.suggest(4)[:2]
        assert first.serial == groups[0].typical and "no label among them" in first.reason
        assert session.suggest(4, skip=[first.serial])[0].serial != first.serial
        assert all(s.serial < 60 for s in session.suggest(4, within=range(60))), "only of the rows asked for"
        rows = [s.serial for s in session.suggest(20)]
        assert len(set(rows)) == len(rows) == 20
        typical = [group.typical for group in groups]
        for row in typical:
            session.label([row], row // 60)
        assert not {s.serial for s in session.suggest(4)} & set(typical), "at once, before they are looked for anew"
        assert session.jobs.wait(60, late=True) and session.unlabeled_groups == ()


def test_a_label_taken_back_brings_the_group_back(clouds):
    with LabelingSession(clouds, None, classes=4) as session:
        label_three(session)
        before = [group.rows.tolist() for group in session.unlabeled_groups]
        session.label(np.concatenate(before), 3)
        assert session.jobs.wait(60, late=True) and session.unlabeled_groups == ()
        session.undo()
        assert session.jobs.wait(60, late=True) and [g.rows.tolist() for g in session.unlabeled_groups] == before


def test_few_images_or_no_labels_are_not_spoken_of(clouds):
    with LabelingSession(clouds[:40], None, classes=4) as session:
        session.label([0, 1], 0)
        assert session.jobs.wait(60, late=True) and session.unlabeled_groups == ()
    with LabelingSession(clouds, None, classes=4) as session:
        session.label([0], 0)
        assert session.jobs.wait(60, late=True) and session.unlabeled_groups == ()


def test_the_app_tells_colors_and_selects_them(clouds):
    app = LatentLabeler(clouds, None, classes=4)
    standing = app.training.standing
    app.act({"type": "unlabeled"})
    assert "has a label" in app.status.message and standing.unlabeled == ""
    label_three(app.session)
    groups = app.session.unlabeled_groups
    assert app.flush() and standing.unlabeled == groups[0].message
    app.map.color_by = "unlabeled group"
    assert app.map.layer.color_by == "unlabeled group" and list(app.map.columns).index("unlabeled group") < 8
    for k in range(len(groups) + 1):  # from one to the next, and round again
        app.act({"type": "unlabeled"})
        assert app.selected.tolist() == groups[k % len(groups)].rows.tolist()
    app.act({"type": "label", "label": 3})
    app.session.label([group.typical for group in groups], 3)
    assert app.session.jobs.wait(60, late=True) and app.flush() and standing.unlabeled == ""
    app.close()
    with pytest.raises(ValueError, match="unlabeled group"):
        LatentLabeler(clouds, None, columns={"unlabeled group": np.zeros(240)})


def test_the_page_may_ask_for_them_only_without_fields(clouds):
    app = LatentLabeler(clouds, None, classes=4)
    standing = app.training.standing
    label_three(app.session)
    standing.receive(standing, {"type": "unlabeled", "serials": [1]}, [])
    assert app.selected.tolist() == app.session.unlabeled_groups[0].rows.tolist()
    standing.receive(standing, {"type": "train"}, [])
    assert standing.refused
    app.close()


def test_an_answer_is_doubted_where_a_class_without_a_label_may_be(clouds):
    rows = np.concatenate([range(0, 60, 6), [60, 120]])  # two classes met once: there may be more of that kind
    with LabelingSession(clouds, None, classes=4) as session:
        for row in rows:
            session.label([row], row // 60)
        assert session.wait(60) and session.jobs.wait(60, late=True)
        far, near, said = session.certainty[180:].mean(), session.certainty[:60].mean(), session.pred
        assert far < near - 0.1, (far, near)
        assert (said[:180] == np.repeat([0, 1, 2], 60)).mean() > 0.95, "what is said stays"
        assert np.allclose(session.probs.sum(1), 1, atol=1e-5)
        session.label([190, 200], 3)
        assert session.wait(60) and session.jobs.wait(60, late=True)
        assert session.certainty[180:].mean() > far + 0.1 and session.predictions.nearness is None


def test_the_first_proposals_are_of_groups_far_from_each_other(clouds):
    few = np.r_[np.arange(60), 60 + np.arange(8), 120 + np.arange(8)]  # two small clouds beside a large one
    with LabelingSession(clouds[few], None, classes=3) as session:
        kinds = few[[s.serial for s in session.suggest(10)]] // 60
        assert len(set(kinds[:4])) == 3, kinds


def test_a_group_is_gone_with_its_label_while_the_thread_of_the_jobs_is_busy(clouds):
    with LabelingSession(clouds, None, classes=4) as session:
        label_three(session)
        group, go = session.unlabeled_groups[0], threading.Event()
        session.jobs.ask("long", job=lambda: go.wait(30))
        session.label(group.rows, 3)
        assert not any(np.isin(group.rows, other.rows).any() for other in session.unlabeled_groups)
        go.set()


def test_a_merged_class_gets_no_probability_and_a_new_one_doubt(clouds):
    with LabelingSession(clouds, None, classes=["a", "b", "c", "d"]) as session:
        for row in (0, 6, 12, 18, 60, 120):
            session.label([row], row // 60)
        session.store.merge_classes("c", "b")
        assert session.wait(60)
        assert np.allclose(session.probs[:, 2], 0) and np.allclose(session.probs.sum(1), 1, atol=1e-5)
        before = session.certainty.mean()
        session.store.add_class("e")
        assert session.wait(60) and session.certainty.mean() < before
