"""What a session learns from: pixels first, features when they are there, and back, without a label being touched."""

import gc
import os
import threading
import time
import weakref

import numpy as np
import pytest
from waiting import until

from ssvae_widgets.data.extractors import available
from ssvae_widgets.data.standard import load_digits
from ssvae_widgets.errors import ArgumentError, ClosedError
from ssvae_widgets.model import map_head
from ssvae_widgets.session.session import LabelingSession


def pictures(n: int = 60, side: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    "Noise whose blue says which of two kinds it is."
    kind = np.arange(n) % 2
    images = np.random.default_rng(seed).integers(0, 250, (n, side, side, 3)).astype(np.uint8)
    images[kind == 1, :, :, 2] //= 4
    return images, kind


def mean_color(batch):
    return batch.reshape(len(batch), -1, 3).mean(1)


def held_back():
    "`mean_color` that waits for an event, and the event."
    go = threading.Event()

    def slow(batch):
        assert go.wait(60)
        return mean_color(batch)

    return slow, go


def settle(session: LabelingSession) -> None:
    "Until features, their map and what follows from them are there."
    assert session.wait(120)
    session.frozen.wait()
    session.frozen.wait_for_map()
    assert session.wait(120)


def test_digits_and_vectors_are_learned_from_as_they_are():
    for images in (load_digits()[0][:200], np.random.default_rng(0).random((50, 6))):
        with LabelingSession(images, classes=2) as session:
            settle(session)
            assert (session.learned_from, session.frozen.prepared, session.message) == ("pixels", None, "")


@pytest.mark.skipif(not available(), reason="the weights of EfficientNet-Lite0 are not installed")
def test_color_pictures_are_learned_from_by_features_that_are_kept(tmp_path, monkeypatch):
    images, kind = pictures(side=24)
    with LabelingSession(images, tmp_path / "labels.csv", classes=2) as session:
        settle(session)
        first = np.array(session.frozen.prepared)
        assert session.learned_from == "efficientnet-lite0"
        assert session.xy.shape == (60, 2) and session.features is session.frozen.prepared
        place = session.frozen.xy
    assert (tmp_path / "labels.csv.features").is_file()
    fit = map_head.fit_map
    once = lambda *given, **more: fit(*given, **more) if more.get("steps") == 0 else pytest.fail("drawn again")  # noqa: E731
    monkeypatch.setattr("ssvae_widgets.model.map_head.fit_map", once)  # a program may be made ready
    with LabelingSession(images.copy(), tmp_path / "labels.csv", classes=2) as again:
        settle(again)
        assert np.allclose(again.frozen.prepared, first, atol=1e-5) and np.array_equal(again.frozen.xy, place)


@pytest.mark.parametrize("lies", ["text", "newer", "pipe", "device", "nested"])
def test_what_lies_in_the_place_of_the_features_is_left_alone(tmp_path, lies):
    images, kind = pictures()
    place = tmp_path / "labels.csv.features"
    content = {
        "text": b"my notes",
        "newer": b"SSVAE-FEATURES 2\n" + bytes(5000),
        "nested": b"SSVAE-FEATURES 1\n" + b"[" * 4079,
    }
    if lies == "pipe":
        os.mkfifo(place)
    elif lies == "device":
        place.symlink_to("/dev/zero")
    else:
        place.write_bytes(content[lies])
    with LabelingSession(images, tmp_path / "labels.csv", classes=2, features=mean_color) as session:
        settle(session)
        assert session.frozen.prepared.shape == (60, 3) and session.frozen.problem == ""
        assert session.label(1, 0).saved
        if lies != "nested":  # its beginning is ours: it is made anew
            assert "kept in memory only" in session.message
    if lies in ("text", "newer"):
        assert place.read_bytes() == content[lies]


@pytest.mark.filterwarnings("ignore:The pixel values go no higher")
def test_features_are_of_the_pictures_as_they_are_shown(tmp_path):
    images = np.random.default_rng(0).integers(0, 17, (40, 8, 8, 3)).astype(np.float32)
    with LabelingSession(images, tmp_path / "labels.csv", classes=2, features=mean_color) as session:
        settle(session)
        shown = session.data.pictures[:].astype(np.float32)
        space = session.frozen.space
        assert shown.max() == 255
        assert np.allclose(session.frozen.prepared, space.prepare(mean_color(shown)), atol=1e-3)


def test_a_cell_that_is_run_again_and_again_leaves_nothing_behind(tmp_path):
    images, kind = pictures()
    former = []
    for i in range(8):
        session = LabelingSession(images, tmp_path / "labels.csv", classes=2, features=mean_color)
        session.label(i, int(kind[i]))
        session.prepare()
        session.frozen.wait()
        former.append(weakref.ref(session))
    threads = [t.name for t in threading.enumerate()]
    assert threads.count("ssvae-features") <= 2 and threads.count("ssvae-warm-up") <= 2, threads
    settle(session)
    assert session.n_labeled == 8

    def forgotten():
        gc.collect()
        return not any(ref() for ref in former[:-1])

    until(forgotten)
    session.close()


def test_after_a_restart_no_answer_of_the_pixels_comes_first(tmp_path):
    "It would be another one, and hundreds of predictions would change though no label did."
    images, kind = pictures()
    for again in (False, True):
        with LabelingSession(images, tmp_path / "labels.csv", classes=2, features=mean_color) as session:
            spaces = []
            session.subscribe(
                lambda e, s=session, spaces=spaces: s.probs is None or spaces.append(s.predictions.space.shape[1])
            )
            if again:  # whoever waits gets the answer, and of the source that was on show
                assert session.wait(60) and session.answer == "linear" and session.probs is not None
            settle(session)
            if not again:
                assert session.message.endswith("The map is drawn anew by them, no longer by pixels; labels stay.")
                for row in range(8):
                    session.label(row, int(kind[row]))
                settle(session)
                session.show_source("linear")
                settle(session)
                before = session.pred.tolist()
    assert spaces and {*spaces} == {3} and session.pred.tolist() == before


def test_labels_are_given_and_answered_while_features_are_made():
    images, kind = pictures()
    slow, go = held_back()
    with LabelingSession(images, classes=2, features=slow) as session:
        for row in range(4):
            session.label(row, int(kind[row]))
        assert session.wait(60)
        assert (session.n_labeled, session.answer, session.learned_from) == (4, "graph", "pixels")
        go.set()
        settle(session)
        assert (session.n_labeled, session.features.shape) == (4, (60, 3))
        assert (session.pred == kind).all() and not session.events.errors


def test_going_over_and_back_touches_no_label(tmp_path):
    images, kind = pictures()
    with LabelingSession(images, tmp_path / "labels.csv", classes=2, features=None) as session:
        session.label([0, 2], 0)
        session.label([1, 3], 1)
        codes, seq = session.codes, session.seq
        session.train(2)
        assert session.wait(300)
        for features, name in ((mean_color, mean_color.__module__), (None, "pixels")):
            session.use_features(features)
            settle(session)
            assert session.learned_from.startswith(name)
            assert (session.codes == codes).all() and session.seq == seq
            assert session.training.total == 0 and session.probs.shape == (60, 2)
            session.train(1)
            assert session.wait(300)
            assert session.training.total == 1 and not session.events.errors
        assert [f["epochs"] for f in session.rounds.facts] == [0, 2, 0, 1, 0, 1]


def test_a_network_of_features_draws_pictures_and_goes_on_after_a_restart(tmp_path):
    images, kind = pictures()
    given = dict(classes=2, features=mean_color(images))
    with LabelingSession(images, tmp_path / "labels.csv", **given) as session:
        session.label([0, 2], 0)
        session.label([1, 3], 1)
        session.train(3)
        settle(session)
        assert session.training.total == 3, session.message
        assert session.model.feature_space == session.frozen.space
        assert session.reconstruct(5).shape == images[5].shape
        pred, xy = session.pred, session.xy
        repeated = session.replay()
        assert all((np.asarray(p) == np.asarray(session.model.params[k])).all() for k, p in repeated.params.items())
    with LabelingSession(images, tmp_path / "labels.csv", **given) as again:
        settle(again)
        again.prepare()
        assert again.wait(120)
        assert (
            again.training.total == 3 and (again.pred == pred).all() and np.abs(again.xy - xy).max() < 0.05 * np.ptp(xy)
        )
        again.goto(1)
        assert again.wait(120)
        again.train(1)
        assert again.wait(120) and again.training.total == 4
    with LabelingSession(images, tmp_path / "labels.csv", classes=2, features=None) as pixels:
        assert "something else" in pixels.message and pixels.training.total == 0 and pixels.n_labeled == 4


def test_training_waits_for_features_that_are_being_made():
    images, kind = pictures()
    slow, go = held_back()
    with LabelingSession(images, classes=2, features=slow) as session:
        session.label([0, 1], 0)
        session.train(1)
        time.sleep(0.3)
        assert session.training.running and session.training.total == 0
        go.set()
        settle(session)
        assert session.training.total == 1 and session.model.feature_space is not None


def test_stopped_while_features_are_made_the_network_still_learns_from_them():
    images, kind = pictures()
    slow, go = held_back()
    with LabelingSession(images, classes=2, features=slow) as session:
        session.label([0, 1], 0)
        session.train(3)
        until(lambda: session.training.message == "Looking at the pictures first")
        session.stop()
        assert session.wait(60)
        assert (session.training.phase, session.training.total, session.model) == ("idle", 0, None)
        go.set()
        settle(session)
        session.train(1)
        assert session.wait(300)
        assert session.training.total == 1 and session.model.feature_space is not None


def test_features_of_before_change_nothing_once_others_are_asked_for():
    images, kind = pictures()
    with LabelingSession(images, classes=2, features=mean_color) as session:
        settle(session)
        former = session.frozen
        session.use_features(None)
        assert session.wait(60)
        xy = session.xy
        former.made(former)
        former.drawn(former)
        assert session.learned_from == "pixels" and session.xy is xy
    with pytest.raises(ClosedError):
        session.use_features(mean_color)


def test_a_network_that_fails_leaves_the_pixels():
    def broken(batch):
        raise RuntimeError("out of memory")

    images, kind = pictures()
    with LabelingSession(images, classes=2, features=broken) as session:
        session.label([0, 1], 0)
        settle(session)
        assert "out of memory" in session.frozen.problem and session.learned_from == "pixels"
        session.train(1)
        assert session.wait(300) and session.training.total == 1


def test_what_was_asked_to_be_prepared_is_when_there_are_no_features():
    go = threading.Event()

    def fails(batch):
        assert go.wait(60)
        raise RuntimeError("no such luck")

    images, _ = pictures()
    with LabelingSession(images, classes=2, features=fails) as session:
        session.prepare()
        assert session.network.trainer is None, "it is not known yet what is learned from"
        go.set()
        until(lambda: session.network.trainer is not None)
        assert session.learned_from == "pixels"


def test_closing_does_not_wait_for_all_pictures(tmp_path):
    images, kind = pictures(2000)

    def slow(batch):
        time.sleep(0.3)
        return mean_color(batch)

    session = LabelingSession(images, tmp_path / "labels.csv", classes=2, features=slow)
    session.label(0, 1)
    began = time.monotonic()
    session.close()
    assert time.monotonic() - began < 8 and not session.frozen.making


def test_the_same_cell_again_makes_no_features_again(tmp_path):
    images, kind = pictures()
    seen = []

    def counted(batch):
        seen.append(len(batch))
        return mean_color(batch)

    first = LabelingSession(images, tmp_path / "labels.csv", classes=2, features=counted)
    settle(first)
    n = len(seen)
    with LabelingSession(images, tmp_path / "labels.csv", classes=2, features=counted) as second:
        settle(second)
        assert len(seen) == n and second.features is first.frozen.prepared


@pytest.mark.parametrize("wrong", ["no-such-network", np.zeros((3, 5)), 7, "photo.onnx", np.full((60, 4), np.nan)])
def test_features_that_cannot_be_used_are_refused_before_anything_opens(tmp_path, wrong):
    with pytest.raises((ArgumentError, OSError, ImportError)):
        LabelingSession(pictures()[0], tmp_path / "labels.csv", classes=2, features=wrong)
    assert not list(tmp_path.iterdir())


def test_a_viewed_file_keeps_its_own_map_and_answers(tmp_path):
    from ssvae_widgets.cli.viewer import StoredSession, read_latent

    images, kind = pictures(side=24)
    xy = np.random.default_rng(0).random((60, 2)).astype(np.float32)
    np.savez(tmp_path / "out.npz", input=images, tsne=xy, latent=xy, pred_classes=kind, pred_certainty=np.full(60, 0.9))
    with StoredSession(read_latent(tmp_path / "out.npz"), tmp_path / "labels.csv") as session:
        session.label(0, 1)
        settle(session)
        assert (session.xy == xy).all() and (session.pred == kind).all() and session.learned_from == "pixels"
    assert not (tmp_path / "labels.csv.features").exists()


@pytest.mark.parametrize("given", ["pixels", "vectors", "file", "function"])
def test_a_project_knows_what_was_learned_from(tmp_path, given):
    images, kind = pictures(side=16)
    vectors = np.random.default_rng(0).normal(size=(len(images), 6)).astype(np.float32)
    np.save(tmp_path / "mine.npy", vectors)
    features = dict(pixels=None, vectors=vectors, file=tmp_path / "mine.npy", function=mean_color)[given]
    with LabelingSession(images, None, classes=2, features=features) as session:
        settle(session)
        session.label([1, 2], 1)
        session.save(tmp_path / "project")
        known = session.frozen.prepared
    (tmp_path / "mine.npy").unlink()
    with LabelingSession.open(tmp_path / "project") as again:
        told = again.message
        settle(again)
        assert again.codes.tolist() == session.codes.tolist() and again.n_labeled == 2
        if given == "function":
            assert "mean_color" in told and "features=" in told
        else:
            assert "not at hand" not in told
            same = again.frozen.prepared is None if known is None else np.allclose(again.frozen.prepared, known)
            assert same and again.learned_from == ("pixels" if given == "pixels" else "vectors")
        again.save(tmp_path / "project")  # must not forget a function that is not at hand
    with LabelingSession.open(tmp_path / "project") as once_more:
        assert ("mean_color" in once_more.message) == (given == "function")
    with LabelingSession.open(tmp_path / "project", features=mean_color) as other:
        assert "not at hand" not in other.message
        settle(other)
        assert other.learned_from.endswith("mean_color")


def test_a_project_is_saved_though_the_file_of_its_vectors_was_moved(tmp_path):
    images, kind = pictures(side=16)
    np.save(tmp_path / "mine.npy", np.eye(len(images), 5))
    with LabelingSession(images, None, classes=2, features=tmp_path / "mine.npy") as session:
        settle(session)
        session.label([1, 2], 1)
        (tmp_path / "mine.npy").rename(tmp_path / "moved.npy")
        session.save(tmp_path / "project")
    with LabelingSession.open(tmp_path / "project") as again:
        assert again.n_labeled == 2 and "mine.npy" in again.message


def test_a_project_whose_features_are_damaged_opens_with_all_labels(tmp_path):
    images, kind = pictures(side=16)
    with LabelingSession(images, None, classes=2, features=np.eye(len(images), 5)) as session:
        session.label([1, 2], 1)
        session.save(tmp_path / "project")
    (tmp_path / "project" / "features.npy").write_bytes(b"\x93NUMPY")
    with LabelingSession.open(tmp_path / "project") as again:
        assert again.n_labeled == 2 and "not at hand" in again.message


def test_a_round_of_other_features_is_to_look_at_only():
    images, kind = pictures(side=16)
    with LabelingSession(images, None, classes=2, features=None, epochs=1) as session:
        session.label([1, 2, 3], 1)
        session.train(1)
        settle(session)
        session.use_features(mean_color)
        settle(session)
        session.train(1)
        settle(session)
        old = session.files.rounds.restorable.index(True)
        before = session.training.total, session.probs.copy()
        session.goto(old)
        assert session.wait(60)
        assert "learned from pixels" in session.message and "nothing was changed" in session.message
        assert session.training.total == before[0] and np.array_equal(session.probs, before[1])
        session.goto(len(session.files.rounds) - 1)
        assert session.wait(60) and "Back at 1 epoch" in session.training.message
