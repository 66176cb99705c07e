"""Very many images answer through landmarks: nearly as all of them would, every label counts, and memory stays small.

What counts as very many is lowered, so that it is seen in seconds.
"""

import tracemalloc

import numpy as np
import pytest

from ssvae_widgets import LabelingSession
from ssvae_widgets.graph.landmarks import LandmarkAnswers, LandmarkPool
from ssvae_widgets.graph.neighbors import closer, nearest_among
from ssvae_widgets.graph.propagate import Propagator
from ssvae_widgets.session.graphs import Graphs

K, N = 4, 1200


def clouds(n=N, seed=0, apart=7.0):
    "Four clouds in eight dimensions, and whose each point is."
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(K), n // K))
    return (rng.normal(size=(n, 8)) + apart * np.eye(8)[truth]).astype(np.float32), truth


IMAGES, TRUTH = clouds()


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    monkeypatch.setattr(Graphs, "large", 1000)
    monkeypatch.setattr(Graphs, "n_landmarks", 200)


def settled(session):
    assert session.wait(60) and session.jobs.wait(60, late=True)
    return session


def label(session, n=5, classes=range(K)):
    "n labels of some classes, one gesture each class."
    for k in classes:
        session.label(np.flatnonzero(TRUTH == k)[:n], k)
    return settled(session)


def marks_of(session):
    return session.predictions.landmarks(session.predictions.space)


def test_the_nearest_of_a_pool_equal_brute_force():
    pool, z = clouds(300)[0], clouds(400, 1)[0]
    gap = np.linalg.norm(z[:, None] - pool, axis=2)
    np.testing.assert_allclose(nearest_among(pool, z, 4)[1], np.sort(gap, 1)[:, :4], atol=1e-3)
    index, distance = closer(nearest_among(pool[:250], z, 4), z, pool[250:], 250)
    np.testing.assert_allclose(distance, np.sort(gap, 1)[:, :4], atol=1e-3)
    np.testing.assert_allclose(gap[np.arange(400)[:, None], index], distance, atol=1e-3)
    assert nearest_among(pool[:3], z, 5)[0].shape == (400, 3), "no more than there are"


@pytest.mark.parametrize("blended", [False, True])
def test_landmarks_answer_as_all_points_do(blended):
    z, truth = clouds(2000, 3, apart=4.0)
    agree = []
    for seed in range(3):
        codes = np.full(len(z), -1)
        for k in range(K):
            codes[np.random.default_rng([seed, k]).choice(np.flatnonzero(truth == k), 4, replace=False)] = k
        probs = LandmarkAnswers(LandmarkPool(z, 400, seed=seed), K, blended).update(codes)
        whole = Propagator(z, K).update(codes)
        np.testing.assert_allclose(probs.sum(1), 1, atol=1e-4)
        agree.append((probs.argmax(1) == whole.argmax(1)).mean())
        assert (probs.argmax(1) == truth).mean() > (whole.argmax(1) == truth).mean() - 0.03
    assert np.mean(agree) > 0.93, agree


def test_a_session_says_that_it_answers_through_landmarks_and_every_label_is_one():
    with LabelingSession(IMAGES, None, classes=K) as session:
        assert "landmarks" not in repr(session)
        label(session)
        n = len(marks_of(session))
        assert 200 < n <= 220 and f"answers through {n} landmarks" in repr(session)
        assert f"neighbors of your labels through {n} landmarks" in session.why
        assert "landmarks" in session.standing.message
        assert (session.pred == TRUTH).mean() > 0.97
        rows = np.flatnonzero(marks_of(session).place < 0)[:3]
        for row in rows:
            session.label([row], int(TRUTH[row]))
            assert settled(session) and marks_of(session).place[row] >= 0
        assert len(marks_of(session)) == n + 3 and (session.pred[rows] == TRUTH[rows]).all()
        session.undo()
        assert settled(session).codes[rows[-1]] == -1 and (session.pred == TRUTH).mean() > 0.97


def test_few_images_have_no_landmarks():
    with LabelingSession(IMAGES[:900], None, classes=K) as session:
        session.label(np.flatnonzero(TRUTH[:900] == 0)[:5], 0)
        session.label(np.flatnonzero(TRUTH[:900] == 1)[:5], 1)
        assert marks_of(settled(session)) is None and "landmark" not in repr(session) + session.why


def test_a_label_far_from_all_landmarks_counts():
    images, truth = IMAGES.copy(), TRUTH.copy()
    pool = LandmarkPool(images, 200)
    out = np.flatnonzero(pool.including().place < 0)[:12]  # never a landmark by chance
    images[out] = 40 + np.random.default_rng(5).normal(size=(12, 8))
    answers, codes = LandmarkAnswers(LandmarkPool(images, 200), 5), np.full(N, -1)
    for k in range(K):
        codes[np.setdiff1d(np.flatnonzero(truth == k), out)[:4]] = k
    assert not (answers.update(codes)[out].argmax(1) == 4).any()
    assert (answers.marks.place[out] < 0).all()
    codes[out[0]] = 4
    said = answers.update(codes).argmax(1)
    assert (said[out] == 4).all() and (said[np.setdiff1d(np.arange(N), out)] != 4).all()
    codes[out[0]] = -1
    assert not (answers.update(codes).argmax(1) == 4).any(), "taken back"


def test_labels_left_out_are_judged_like_points_that_are_no_landmark():
    z, truth = clouds(3000, 2, apart=2.5)  # overlapping
    pool = LandmarkPool(z, 300)
    stated, real = [], []
    for seed in range(4):
        rows = np.random.default_rng(seed).choice(len(z), 80, replace=False)
        codes = np.full(len(z), -1)
        codes[rows] = truth[rows]
        whole, folds = LandmarkAnswers(pool, K), [LandmarkAnswers(pool, K) for _ in range(5)]
        probs = whole.update(codes)
        plain = pool.including().place < 0
        real.append((probs.argmax(1) == truth)[plain].mean())
        for k in range(5):
            out = rows[k::5]
            left = codes.copy()
            left[out] = -1
            stated += (folds[k].left_out(left, out, K).argmax(1) == truth[out]).tolist()
    assert abs(np.mean(stated) - np.mean(real)) < 0.06, (np.mean(stated), np.mean(real))


@pytest.mark.parametrize("strategy", ["auto", "start", "boundary", "density_margin", "entropy", "diverse", "audit"])
def test_every_strategy_proposes(strategy):
    with LabelingSession(IMAGES, None, classes=K) as session:
        label(session)
        found = [s.serial for s in session.suggest(12, strategy)]
        assert len(set(found)) == 12 and (session.codes[found] < 0).all()
        region = np.flatnonzero(TRUTH == 2)[50:70]  # hardly a landmark in it
        inside = [s.serial for s in session.suggest(12, strategy, within=region, skip=region[:3])]
        assert len(inside) == 12 and set(inside) <= set(region[3:].tolist())
        assert session.suggest(5, strategy, within=region[:3], skip=region[:3]) == []


def test_what_is_proposed_comes_to_an_end_only_with_the_images():
    with LabelingSession(IMAGES, None, classes=K) as session:
        left = np.random.default_rng(0).choice(N, 25, replace=False)
        for k in range(K):
            session.label(np.setdiff1d(np.flatnonzero(TRUTH == k), left), k)
        settled(session)
        seen = set()
        while (item := session.next()) is not None:
            seen.add(item.serial)
            session.label([item.serial], int(TRUTH[item.serial]))
            assert len(seen) <= 25
        assert seen == set(left.tolist())


def test_random_picks_are_drawn_from_all_images():
    with LabelingSession(IMAGES, None, classes=K) as session:
        label(session)
        picks = [s.serial for s in session.suggest(600, "audit")]
        share = (marks_of(session).place[picks] >= 0).mean()
        assert 0.1 < share < 0.25, "a sixth of the images are landmarks"


def test_a_group_without_a_label_is_counted_over_all_images():
    with LabelingSession(IMAGES, None, classes=K) as session:
        label(session, 12, range(3))
        groups = session.unlabeled_groups
        rows = np.concatenate([group.rows for group in groups])
        assert (TRUTH[rows] == 3).mean() > 0.95 and len(rows) > 250, "not only landmarks"
        assert groups[0].message.startswith(f"{groups[0].size:,} images")
        first = session.suggest(4)[0]
        assert TRUTH[first.serial] == 3 and f"{groups[0].size:,} images" in first.reason
        fresh = LabelingSession(IMAGES, None, classes=K)
        sizes = [int(s.reason.split()[2].replace(",", "")) for s in fresh.suggest(4, "start")]
        assert max(sizes) > 60 and sum(sizes) <= N, "of the images, not of the landmarks"
        fresh.close()


def test_suspects_are_found():
    with LabelingSession(IMAGES, None, classes=K) as session:
        label(session, 12)
        wrong = int(np.flatnonzero(TRUTH == 1)[40])
        session.label([wrong], 2)
        assert wrong in [s.serial for s in settled(session).suggest(5, "suspects")]


def test_classes_come_and_go():
    with LabelingSession(IMAGES, None, classes=["a", "b", "c", "d"]) as session:
        label(session)
        session.store.add_class("e")
        assert settled(session).probs.shape == (N, 5)
        session.store.merge_classes("d", "c")
        assert (settled(session).pred == np.where(TRUTH == 3, 2, TRUTH)).mean() > 0.97


def test_features_of_a_pretrained_network_answer_through_landmarks():
    images = np.zeros((N, 8, 8), np.float32)
    images[:, 0] = np.clip(IMAGES / 20 + 0.4, 0, 1)
    with LabelingSession(images, None, classes=K, features=IMAGES) as session:
        assert session.frozen.wait() and session.wait(60)
        label(session)
        assert session.learned_from == "vectors" and "landmarks" in session.why
        assert (session.pred == TRUTH).mean() > 0.97 and session.sources["graph"].accuracy > 0.9


def test_memory_does_not_grow_with_images_times_labels():
    z, truth = clouds(20_000, 4)
    pool, codes = LandmarkPool(z, 500), np.full(len(z), -1)
    rows = np.random.default_rng(0).choice(len(z), 300, replace=False)
    codes[rows] = truth[rows]
    answers = LandmarkAnswers(pool, K)
    answers.update(codes)
    tracemalloc.start()
    answers.update(np.where(np.arange(len(z)) == rows[0], -1, codes))
    answers.leave_one_out()
    left = codes.copy()
    left[rows[:60]] = -1
    answers.left_out(left, rows[:60], K)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300 * len(z), f"{peak / len(z):.0f} bytes an image"  # 300 labels would take 1,200
