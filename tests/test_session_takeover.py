"The cell run again, and the same labels open in another process: everything trained is found again."

import copy
import gc
import pickle
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import psutil
import pytest
from filelock import FileLock
from PIL import Image
from waiting import until

from ssvae_widgets import LabelingSession, LabelStore, LatentLabeler, SSVAEConfig
from ssvae_widgets.errors import ClosedError, DataError

N = 60
IMAGES = np.random.default_rng(0).standard_normal((N, 6)).astype(np.float32)
CONFIG = SSVAEConfig.preset("ancestor").replace(
    encoder_type="dense", decoder_type="dense", latent_dim=2, hidden_dims=(8,), batch_size=32
)


def session(path, **kw):
    return LabelingSession(IMAGES, path, classes=["a", "b"], config=CONFIG, **kw)


def params(s):
    return {k: np.asarray(v) for k, v in s.model.params.items()}


def trained(s, n=1):
    s.train(n)
    assert s.wait(300) and s.training.phase == "idle", s.message
    return s


def test_a_run_in_progress_is_stopped_and_what_it_learned_is_here(tmp_path):
    old = session(tmp_path / "l.csv")
    old.label([0, 1], "a")
    old.train(100_000)
    while old.training.epoch < 2:
        time.sleep(0.01)
    new = session(tmp_path / "l.csv")
    total = old.training.total
    assert (
        total >= 2
        and not old.jobs.alive
        and new.training.total == total
        and f"stopped after {total} epochs" in new.message
    )
    assert new.folder.mine and len(new.rounds) == len(old.rounds) and new.n_labeled == 2
    before = params(old)
    new.prepare()
    assert new.wait(300) and all(np.array_equal(before[k], v) for k, v in params(new).items())
    with pytest.raises(RuntimeError, match="replaced by a newer one"):
        old.train(1)
    old.label([7], "b")
    assert new.codes[7] == 1 and new.store.can_undo
    new.undo()
    assert old.codes[7] == -1
    old.close()
    new.label([8], "b")
    new.close()
    with session(tmp_path / "l.csv") as s:
        assert s.training.total == total and s.n_labeled == 3
    assert not list(tmp_path.glob("*.beside-*"))


def test_other_data_other_labels_and_memory_are_left_alone(tmp_path):
    with (
        session(tmp_path / "a.csv") as one,
        session(tmp_path / "b.csv") as two,
        session(None) as three,
        session(None) as four,
    ):
        one.label([0], "a")
        with pytest.raises(ValueError):
            LabelingSession(IMAGES[:50], tmp_path / "a.csv")
        with pytest.raises(ValueError):
            LabelingSession(IMAGES + 1, tmp_path / "a.csv", classes=["b", "a"])
        assert not any(s.closed for s in (one, two, three, four))
        one.label([1], "b")
        assert one.n_labeled == 2


def test_pictures_came_and_went_between_two_runs_of_the_cell(tmp_path):
    "The former session ends: its rows are others now, and what is trained from now on is found again."
    folder = tmp_path / "photos"
    folder.mkdir()
    for k, x in enumerate(np.random.default_rng(1).integers(0, 256, (30, 8, 8), dtype=np.uint8)):
        Image.fromarray(x).save(folder / f"{k:02}.png")

    def opened():
        return LabelingSession(folder, tmp_path / "l.csv", config=CONFIG, features=None)

    def by_name(s):
        return {s.names[row]: s.classes[s.codes[row]] for row in np.flatnonzero(s.codes >= 0)}

    old = opened()
    old.add_class("a"), old.add_class("b")
    old.label([7, 8], "a"), old.label([9], "b")
    trained(old, 2)
    (folder / "00.png").rename(folder / "zz.png")
    Image.fromarray(np.full((8, 8), 9, np.uint8)).save(folder / "05a.png")
    (folder / "12.png").unlink()
    new = opened()
    assert old.closed and old.replaced and by_name(new) == {"07.png": "a", "08.png": "a", "09.png": "b"}
    with pytest.raises(ClosedError):
        old.label([20], "b")  # another picture by now
    assert by_name(new) == {"07.png": "a", "08.png": "a", "09.png": "b"}
    total = trained(new, 1).training.total
    new.close()
    with opened() as s:
        assert s.training.total == total > 0 and len(by_name(s)) == 3


@pytest.mark.parametrize(
    "wrong",
    [dict(classes=["b", "a"]), dict(multilabel=True)],
    ids=str,
)
def test_what_cannot_be_opened_takes_nothing_over_though_pictures_moved(tmp_path, wrong):
    folder = tmp_path / "photos"
    folder.mkdir()
    for k, x in enumerate(np.random.default_rng(1).integers(0, 256, (30, 8, 8), dtype=np.uint8)):
        Image.fromarray(x).save(folder / f"{k:02}.png")
    given = dict(config=CONFIG, features=None)
    with LabelingSession(folder, tmp_path / "l.csv", classes=["a", "b"], **given) as old:
        old.label([7, 8], "a")
        (folder / "00.png").rename(folder / "zz.png")
        old.store.sync()
        head = (tmp_path / "l.csv.log.jsonl").read_bytes().splitlines()[0]
        with pytest.raises(ValueError):
            LabelingSession(folder, tmp_path / "l.csv", **given, **wrong)
        assert (tmp_path / "l.csv.log.jsonl").read_bytes().splitlines()[0] == head, "nothing was carried over"
        assert not old.closed
        old.label([9], "b")
        assert old.n_labeled == 3
    with LabelingSession(folder, tmp_path / "l.csv", classes=["a", "b"], **given) as s:
        assert {s.names[row]: s.codes[row] for row in np.flatnonzero(s.codes >= 0)} == {
            "07.png": 0,
            "08.png": 0,
            "09.png": 1,
        }


def test_a_folder_of_other_pictures_takes_nothing_over(tmp_path):
    "A few of its pictures are known, most labels are about others: refused, and the session before goes on."
    pictures = np.random.default_rng(1).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    for name, rows in (("one", range(12)), ("other", [0, 1, *range(12, 32)])):
        (tmp_path / name).mkdir()
        for k in rows:
            Image.fromarray(pictures[k]).save(tmp_path / name / f"{k:02}.png")
    with LabelingSession(tmp_path / "one", tmp_path / "l.csv", config=CONFIG, features=None) as one:
        one.add_class("a")
        one.label(range(2, 12), "a")
        with pytest.raises(DataError, match="made for other pictures"):
            LabelingSession(tmp_path / "other", tmp_path / "l.csv", config=CONFIG, features=None)
        assert not one.closed
        one.label(0, "a")
        assert one.n_labeled == 11


def test_trained_while_the_rounds_of_the_former_pictures_are_held(tmp_path):
    "Another process has the pictures as they were; what is trained here is found again, as was promised."
    folder = tmp_path / "photos"
    folder.mkdir()
    for k, x in enumerate(np.random.default_rng(1).integers(0, 256, (30, 8, 8), dtype=np.uint8)):
        Image.fromarray(x).save(folder / f"{k:02}.png")

    def opened():
        return LabelingSession(folder, tmp_path / "l.csv", config=CONFIG, features=None)

    with opened() as s:
        s.add_class("a"), s.add_class("b")
        s.label([7, 8], "a"), s.label([9], "b")
        trained(s, 2)
    with FileLock(tmp_path / "l.csv.session" / "lock"):  # as the other process does
        Image.fromarray(np.full((8, 8), 9, np.uint8)).save(folder / "05a.png")
        with opened() as s:
            total, seen = trained(s, 1).training.total, len(s.rounds)
            assert ".beside-" in s.folder.path.name and "joined with the others" in s.folder.problem
        with opened() as s:
            assert "belong to other labels" in s.message
    for _ in range(2):
        with opened() as s:
            assert s.training.total == total and len(s.rounds) == seen and s.n_labeled == 3
    assert not [*tmp_path.glob("*.beside-*")] and [*tmp_path.glob("l.csv.session.other-labels-*")]


def test_a_store_that_somebody_gave_stays_open(tmp_path):
    store = LabelStore(tmp_path / "l.csv", N, classes=["a", "b"])
    one = session_of(store)
    two = session_of(store)
    assert one.closed and not store.closed and two.store is store
    two.label([3], "a")
    three = session(tmp_path / "l.csv")
    assert two.closed and not store.closed
    three.label([4], "a")
    store.sync()
    assert store.codes[[3, 4]].tolist() == [0, 0]
    three.close(), store.close()


def session_of(store):
    return LabelingSession(IMAGES, store, config=CONFIG)


def test_twenty_reruns_keep_threads_and_memory_level(tmp_path):
    app = LatentLabeler(IMAGES, tmp_path / "l.csv", classes=["a", "b"], config=CONFIG)
    first, process = app, psutil.Process()
    app.session.label([0], "a")
    trained(app.session)
    for k in range(20):
        app = LatentLabeler(IMAGES, tmp_path / "l.csv", classes=["a", "b"], config=CONFIG)
        app.session.label([k + 1], "b")
        if k == 4:
            gc.collect()
            threads, memory, files = threading.active_count(), process.memory_info().rss, process.num_fds()
    gc.collect()
    time.sleep(1.5)  # painters end by themselves a second after the last thing they painted
    assert app.session.n_labeled == 21 and app.session.training.total == 1
    assert (
        threading.active_count() <= threads + 4
        and process.num_fds() <= files + 6
        and process.memory_info().rss - memory < 120e6
    )
    assert (
        "replaced by a newer one" in first.status.message
        and first.children == (first.status,)
        and first.session is app.session
    )
    first.close()
    assert not app.session.closed
    assert "took over" in app.status.message
    app.close()


def other_process(code, path):
    "A second kernel; it says what it found and then waits for a line."
    head = f"""
    import sys, time, json, numpy as np
    sys.path.insert(0, {str(__file__).rsplit("/", 1)[0]!r})
    from test_session_takeover import *
    from pathlib import Path
    path = Path({str(path)!r})
    def say(*a): print(*a, flush=True)
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("ending", ["close", "kill"])
def test_trained_in_two_processes_everything_is_found_again(tmp_path, ending):
    path = tmp_path / "l.csv"
    owner = other_process(
        """
        s = session(path); s.label([0, 1], "a"); trained(s, 1); say(len(s.rounds)); sys.stdin.readline(); s.close()
        """,
        path,
    )
    assert owner.stdout.readline() == "2\n"
    here = session(path)
    assert here.training.total == 1 and len(here.rounds) == 2 and here.n_labeled == 2
    assert "open in another session" in here.message and here.folder.path.name in here.message
    trained(here, 2)
    mine, [beside] = params(here), tmp_path.glob("*.beside-*")
    assert here.folder.path == beside and (beside / "round-000002.ckpt").is_file()
    if ending == "close":
        owner.communicate("\n"), here.close()
    else:
        here.close()
        owner.kill()
        owner.communicate()
    with session(path) as s:
        assert (
            s.training.total == 3
            and [f["epochs"] for f in s.rounds.facts] == [0, 1, 3]
            and "another session had trained" in s.message
        )
        s.prepare()
        assert s.wait(300) and all(np.array_equal(mine[k], v) for k, v in params(s).items())
        assert not list(tmp_path.glob("*.beside-*"))
        trained(s, 1)
        repeated = s.replay()
        assert all(np.array_equal(np.asarray(p), params(s)[k]) for k, p in repeated.params.items())
    with session(path) as s:
        assert s.training.total == 4 and s.message == ""


def test_both_trained_the_newer_weights_win_and_the_others_stay(tmp_path):
    path = tmp_path / "l.csv"
    owner = other_process(
        """
        s = session(path); s.label([0, 1], "a"); trained(s, 1); say("ready")
        sys.stdin.readline(); trained(s, 4); say("done"); s.close()
        """,
        path,
    )
    owner.stdout.readline()
    here = trained(session(path), 2)
    here.close()
    owner.communicate("\n")
    with session(path) as s:
        epochs = [f["epochs"] for f in s.rounds.facts]
        assert epochs == [0, 1, 5, 3, 5] and s.training.total == 5
        assert [e for e, there in zip(epochs, s.rounds.restorable) if there][-3:] == [5, 3, 5]
        trained(s, 1)
        repeated = s.replay()
        assert repeated.epoch == s.model.epoch == 6 and all(
            np.array_equal(np.asarray(p), params(s)[k]) for k, p in repeated.params.items()
        )


def test_a_second_process_that_trains_nothing_leaves_nothing(tmp_path):
    with session(tmp_path / "l.csv") as s:
        s.label([0], "a")
        s.snapshot()
        code = "s = session(path); say(s.n_labeled, len(s.rounds), s.folder.mine); s.close()"
        out, _ = other_process(code, tmp_path / "l.csv").communicate()
        assert out == "1 1 True\n" and not list(tmp_path.glob("*.beside-*"))


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
def test_copies_and_pickles_say_the_way_forward(tmp_path, way):
    app = LatentLabeler(IMAGES, tmp_path / "l.csv", classes=["a", "b"])
    with pytest.raises(TypeError, match=r"session\.save\(folder\) .* LabelingSession\.open"):
        way(app.session)
    with pytest.raises(TypeError, match=r"app\.save\(folder\) .* LatentLabeler\.open"):
        way(app)
    for thing in (app, app.session):
        assert len(repr(thing)) < 120 and "\n" not in repr(thing) + str(thing)
    app.close()


@pytest.mark.parametrize(
    "wrong",
    [
        dict(classes=["b", "a"]),
        dict(classes=["x", "y"]),
        dict(classes=3),
        dict(truth=["a", "zebra"] * 30),
        dict(classes=[]),
    ],
    ids=str,
)
def test_what_cannot_be_opened_takes_nothing_over(tmp_path, wrong):
    with session(tmp_path / "l.csv") as old:
        old.label([0], "a")
        old.train(100_000)
        while old.training.epoch < 1:
            time.sleep(0.01)
        with pytest.raises(ValueError, match="class"):
            LabelingSession(IMAGES, tmp_path / "l.csv", **{"classes": ["a", "b"], "config": CONFIG, **wrong})
        assert not old.closed and old.training.running and old.store.can_undo
        old.store.sync()
        assert old.classes == ["a", "b"]
        old.label([1], "b")
        assert old.n_labeled == 2


@pytest.mark.parametrize("wrong", [dict(classes=3), dict(classes=["a", "b", "c"], truth=["a", "zebra"] * 30)], ids=str)
def test_a_refused_opening_adds_no_class_however_long_it_takes(tmp_path, monkeypatch, wrong):
    """Meanwhile labels.csv is exported, and a line of the log names that export: the classes of a session that was
    refused must not go with it."""
    real = LabelStore.in_order.fget
    with session(tmp_path / "l.csv") as old:
        monkeypatch.setattr(LabelStore, "in_order", property(lambda self: self.flush() and real(self)))
        old.label([0], "a")
        with pytest.raises(ValueError, match="class"):
            LabelingSession(IMAGES, tmp_path / "l.csv", config=CONFIG, **wrong)
        old.store.sync()
        assert old.classes == ["a", "b"] and '"0"' not in (tmp_path / "l.csv.log.jsonl").read_text()


@pytest.mark.parametrize(
    "wrong",
    [
        dict(keymap=5),
        dict(keymap={"undo": 5}),
        dict(keymap={5: ["u"]}),
        dict(keymap={"undo": ["u", ""]}),
        dict(keymap={"Undo": ["u"]}),
        dict(height=5),
        dict(columns={"x": np.zeros((N, 3))}),
        dict(columns={"label": np.zeros(N)}),
        dict(names=["x"]),
        dict(epochs=0),
        dict(model=7),
        dict(seed=-1),
    ],
    ids=str,
)
def test_an_app_with_a_wrong_argument_takes_nothing_over(tmp_path, wrong):
    given = dict(classes=["a", "b"], config=CONFIG)
    app = LatentLabeler(IMAGES, tmp_path / "l.csv", **given)
    with pytest.raises(ValueError):
        LatentLabeler(IMAGES, tmp_path / "l.csv", **{**given, **wrong})
    assert not app.retired and not app.session.closed
    app.close()


def test_an_app_that_cannot_be_shown_closes_its_session(tmp_path, monkeypatch):
    given = dict(classes=["a", "b"], config=CONFIG)
    opened = []
    with monkeypatch.context() as m:
        m.setattr("ssvae_widgets.widgets.labeler.make_views", lambda session, *a, **k: opened.append(session) or 1 / 0)
        with pytest.raises(ZeroDivisionError):
            LatentLabeler(IMAGES, tmp_path / "l.csv", **given)
        with session(None) as own, pytest.raises(ZeroDivisionError):
            LatentLabeler(session=own)
        assert opened[0].closed and opened[1] is own
    app = LatentLabeler(IMAGES, tmp_path / "l.csv", **given)
    assert "took over" not in app.status.message
    app.close()


def test_run_again_while_it_is_closed_elsewhere(tmp_path):
    "Another thread closes the former one in this moment: the new one waits for what was learned."
    old = session(tmp_path / "l.csv")
    old.label([0], "a")
    old.train(100_000)
    until(lambda: old.training.epoch >= 1)
    closing = threading.Thread(target=old.close)
    closing.start()
    until(lambda: old.closed, every=0.001)
    with session(tmp_path / "l.csv") as new:
        closing.join()
        assert new.training.total == old.training.total >= 1 and new.folder.mine and new.message == ""
    assert not list(tmp_path.glob("*.beside-*"))


def test_opened_by_several_threads_at_once_one_is_left(tmp_path):
    made = []
    threads = [threading.Thread(target=lambda: made.append(session(tmp_path / "l.csv"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    [left] = [s for s in made if not s.closed]
    assert len(made) == 4 and all(s.replaced for s in made if s is not left)
    left.label([0], "a"), left.snapshot()
    assert left.folder.mine
    left.close()


def test_a_former_session_that_fails_at_its_end_is_followed_all_the_same(tmp_path):
    old = trained(session(tmp_path / "l.csv"))
    old.label([0], "a")
    old.state.write = lambda: 1 / 0
    with session(tmp_path / "l.csv") as new:
        assert (
            new.training.total == 1
            and new.folder.mine
            and new.n_labeled == 1
            and "could not be closed in order: division by zero" in new.message
        )


@pytest.mark.parametrize("way", ["l.csv", "./l.csv", "up/../l.csv", "link.csv", "linked/l.csv"])
def test_the_same_file_by_other_names(tmp_path, monkeypatch, way):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "up").mkdir()
    old = trained(session(tmp_path / "l.csv"))
    (tmp_path / "link.csv").symlink_to(tmp_path / "l.csv")
    (tmp_path / "linked").symlink_to(tmp_path)
    with session(way) as new:
        assert old.closed and old.replaced and new.training.total == 1 and new.folder.mine


def test_an_app_that_was_replaced_says_so_whatever_is_asked_of_it(tmp_path):
    given = dict(classes=["a", "b"], config=CONFIG)
    old, new = (LatentLabeler(IMAGES, tmp_path / "l.csv", **given) for _ in range(2))
    former = old.session
    for ask in (
        lambda: old.save(tmp_path / "p"),
        lambda: old.to_html(tmp_path / "x.html"),
        lambda: old.selected,
        lambda: old.map,
        lambda: old.ask_above,
        lambda: old.names,
    ):
        with pytest.raises(RuntimeError, match="replaced by a newer one on the same labels: go on there"):
            ask()
    assert not hasattr(old, "training") and not (tmp_path / "p").exists()
    old.act({"type": "label", "label": 1, "serials": [3]})
    assert (
        new.session is former
        and new.session.n_labeled == 0
        and "replaced" in old.status.message
        and old.status.level == "error"
    )
    assert old.flush(5) and "image/png" not in old._repr_mimebundle_() and repr(old) == repr(new)
    old.close()
    assert not new.session.closed
    new.close()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(new, "nothing")  # noqa: B009
    one = session(tmp_path / "l.csv")
    with session(tmp_path / "l.csv"), pytest.raises(RuntimeError, match="replaced by a newer one .* save there"):
        one.save(tmp_path / "p")


CHANGES = {
    "label": lambda s: s.label([1], "a"),
    "clear": lambda s: s.clear([1]),
    "accept": lambda s: s.accept([1], said=1),
    "undo": lambda s: s.undo(),
    "redo": lambda s: s.redo(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_closed_labels_are_refused_with_the_error_that_is_promised(tmp_path, change):
    one = session(tmp_path / "l.csv")
    two = session(tmp_path / "l.csv")
    two.close()
    with pytest.raises(ClosedError, match="This session is closed: open a new one"):
        CHANGES[change](one)
    with pytest.raises(ClosedError, match="This session is closed: open a new one"):
        CHANGES[change](two)
    store = LabelStore(None, N, classes=["a", "b"])
    with session_of(store) as s:
        store.close()  # by its owner
        with pytest.raises(ClosedError, match="This session is closed: open a new one"):
            CHANGES[change](s)


def test_a_label_counts_until_the_labels_are_closed(tmp_path):
    s = session(tmp_path / "l.csv")
    close = s.jobs.close
    s.jobs.close = lambda timeout: (s.label([5], "b"), close(timeout))
    s.close()
    with pytest.raises(ClosedError):
        s.label([6], "b")
    with session(tmp_path / "l.csv") as again:
        assert again.codes[[5, 6]].tolist() == [1, -1]


@pytest.mark.parametrize(
    "where",
    [
        "ssvae_widgets.session.resume.Resume.find",
        "ssvae_widgets.session.folder.SessionFolder.others",
        "atexit.register",
    ],
)
@pytest.mark.parametrize("given", ["path", "store"])
def test_an_opening_that_is_interrupted_leaves_nothing_locked(tmp_path, monkeypatch, where, given):
    "Although the traceback, which the kernel keeps, still holds the session."
    with session(tmp_path / "l.csv") as s:
        s.label([0], "a")
        trained(s)
    store = LabelStore(tmp_path / "l.csv", N, classes=["a", "b"]) if given == "store" else None
    threads = threading.active_count()

    def interrupted(*a, **kw):
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(where, interrupted)
        with pytest.raises(KeyboardInterrupt) as kept:
            session_of(store) if store else session(tmp_path / "l.csv")
    assert threading.active_count() <= threads
    with session_of(store) if store else session(tmp_path / "l.csv") as s:
        assert s.folder.mine and s.training.total == 1 and s.message == "" and s.codes[0] == 0
        if store:
            assert not store.closed and store.n_labeled == 1
    assert kept is not None and not list(tmp_path.glob("*.beside-*"))


@pytest.mark.parametrize("closed", [True, False], ids=["opened again", "cell run again"])
def test_the_same_pictures_in_other_numbers_keep_labels_and_training(closed, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 6, 6)).astype(np.uint8)
    tiny = SSVAEConfig(encoder_type="dense", hidden_dims=(8,), latent_dim=2, batch_size=32, augmentation="none")
    old = LabelingSession(images, tmp_path / "labels.csv", classes=["a", "b"], config=tiny, features=None)
    old.label([1, 2], "a")
    old.train(1)
    assert old.wait(300)
    if closed:
        old.close()
    for again in (images / 255, images[..., None].astype(np.int64), (images / 255).astype(np.float32)):
        with LabelingSession(again, tmp_path / "labels.csv", config=tiny, features=None) as s:
            assert s.n_labeled == 2 and s.training.total == 1
    with pytest.raises(DataError, match="another data set"):
        LabelingSession(images[::-1] / 255, tmp_path / "labels.csv", features=None)


def test_the_cell_runs_again_after_a_picture_came_into_a_folder_of_classes(tmp_path):
    "What the folders say is about the rows of now, the labels are still in those of before."
    folder, given = tmp_path / "photos", dict(config=CONFIG, features=None)
    for k, x in enumerate(np.random.default_rng(1).integers(0, 256, (13, 8, 8), dtype=np.uint8)):
        place = folder / ("cat" if k % 2 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).save(tmp_path / "new.png" if k == 12 else place / f"{k:02}.png")
    with LabelingSession(folder, tmp_path / "l.csv", **given) as old:
        rows = {name: row for row, name in enumerate(old.names)}
        old.label(rows["cat/05.png"], "cat"), old.label(rows["dog/04.png"], "dog")
        (tmp_path / "new.png").rename(folder / "cat" / "00.png")
        with LabelingSession(folder, tmp_path / "l.csv", **given) as new:
            assert old.closed and new.n_items == 13
            said = {new.names[row]: new.classes[new.codes[row]] for row in np.flatnonzero(new.codes >= 0)}
            assert said == {"cat/05.png": "cat", "dog/04.png": "dog"}
