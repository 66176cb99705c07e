"Saving is one step: killed or refused anywhere, the folder holds the earlier save or the new one, whole."

import hashlib
import json
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from sessions import frame_of

import ssvae_widgets.session.project
from ssvae_widgets import SSVAE, LabelingSession, LabelStore, LatentLabeler, SSVAEConfig
from ssvae_widgets.data.image_set import ImageSet
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.session.project import SAVED, ProjectError, read_project
from ssvae_widgets.session.rounds import add_round

N = 30
IMAGES = np.random.default_rng(0).random((N, 4, 4)).astype(np.float32)
CONFIG = SSVAEConfig.preset("ancestor").replace(
    encoder_type="dense", decoder_type="dense", latent_dim=2, hidden_dims=(4,), batch_size=16
)
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs fork and Linux limits")


def with_round(s, k: int, weights: bytes):
    "A round whose weights are known bytes."
    frame = frame_of(s, k)
    s.files.claim()
    add_round(s.rounds, frame, lambda path: path.write_bytes(weights))
    s.record.add("round", number=frame.number)


def content(folder: Path) -> tuple:
    "What a project holds, read without opening a session for its rounds: labels, columns, weights, frames, queue."
    project = read_project(folder)
    with LabelStore(folder / "labels.csv", N, poll=3600) as store:
        labels = tuple(store.codes.tolist()), store.seq
    assert np.array_equal(project["images"], IMAGES)
    columns = (folder / "columns.npz").read_bytes() if (folder / "columns.npz").exists() else b""
    rounds = tuple(
        (p.name, hashlib.sha256(p.read_bytes()).hexdigest())
        for p in sorted((folder / "labels.csv.session").glob("round-*"))
    )
    record = (folder / "labels.csv.session" / "record.jsonl").read_text().count('"round"')
    return labels, columns, rounds, record, project["epochs"]


def two_saves(tmp_path):
    "A project as it was saved first, a session that differs in everything, and what each of them holds."
    old = LabelingSession(IMAGES, tmp_path / "labels.csv", classes=["a", "b"], epochs=3)
    old.label([1, 2], "a")
    with_round(old, 1, b"old weights")
    project = tmp_path / "project"
    old.save(project, more={"columns.npz": b"old columns"})
    (project / "notes of mine.txt").write_text("mine")
    before = content(project)
    old.label([3], "b")
    old.undo()
    old.label([4, 5], "b")
    with_round(old, 2, b"new weights")
    with_round(old, 3, b"newer weights")
    old.epochs = 5
    old.save(tmp_path / "reference", more={"columns.npz": b"new columns"})
    after = content(tmp_path / "reference")
    assert all(a != b for a, b in zip(before, after))
    return project, old, before, after


CALLS = ("open", "write", "fsync", "replace", "rename", "link", "unlink", "mkdir", "rmdir", "chmod")


def killed_at(at: int, work, begun=lambda: True) -> bool:
    """Fork, and end the child at system call number `at` since it has begun, in the middle of it if it is a write;
    False: it came to its end."""
    pid = os.fork()
    if pid == 0:
        try:
            count = [0]

            def wrap(name, real):
                def call(*a, **kw):
                    count[0] += begun()
                    if count[0] == at and begun():
                        if name == "write":
                            real(a[0], bytes(a[1])[: len(a[1]) // 2])
                        os.kill(os.getpid(), signal.SIGKILL)
                    return real(*a, **kw)

                return call

            for name in CALLS:
                setattr(os, name, wrap(name, getattr(os, name)))
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(9)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)


@linux
def test_killed_at_every_call_leaves_the_old_project_or_the_new_one(tmp_path):
    project, session, before, after = two_saves(tmp_path)
    session.close()
    step, at, seen = 1 if os.environ.get("SSVAE_WIDGETS_FAULTS") == "full" else 7, 1, []
    while True:
        there = tmp_path / f"k{at}"
        shutil.copytree(project, there / "project")
        for path in tmp_path.glob("labels.csv*"):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, there / path.name)

        killing = [False]

        def work(there=there, killing=killing):
            s = LabelingSession(IMAGES, there / "labels.csv", classes=["a", "b"], epochs=5)
            s.folder.claim()
            killing[0] = True
            s.save(there / "project", more={"columns.npz": b"new columns"})

        killed = killed_at(at, work, lambda killing=killing: killing[0])
        found = content(there / "project")
        assert found in (before, after), f"killed at call {at}: " + str(
            [f == b or f == a for f, b, a in zip(found, before, after)]
        )
        assert (there / "project" / "notes of mine.txt").read_text() == "mine"
        assert not (there / "project" / SAVED).exists()
        seen.append(found == after)
        shutil.rmtree(there)
        if not killed:
            break
        at += step
    assert seen[-1] and not seen[0] and at > 60 and seen == sorted(seen), "old until one moment, new from there on"


@linux
def test_killed_while_an_interrupted_save_is_finished(tmp_path):
    "The second kill comes while the next one who opens the folder moves the files into place."
    project, session, _, after = two_saves(tmp_path)

    with pytest.MonkeyPatch.context() as m:
        m.setattr(ssvae_widgets.session.project, "finish", lambda folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            session.save(project, more={"columns.npz": b"new columns"})
    assert (project / SAVED).is_dir()
    session.close()
    at = 1
    while True:
        there = tmp_path / f"k{at}"
        shutil.copytree(project, there)
        killed = killed_at(at, lambda there=there: read_project(there))
        assert content(there) == after, at
        assert not (there / SAVED).exists()
        shutil.rmtree(there)
        if not killed:
            break
        at += 1 if os.environ.get("SSVAE_WIDGETS_FAULTS") == "full" else 3
    assert at > 10


@linux
def test_a_full_disk_leaves_the_old_project(tmp_path):
    project, session, before, after = two_saves(tmp_path)
    old, hook = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    files = sorted(p.name for p in project.iterdir())
    try:
        for limit in (0, 1, 40, 150, 700, 1300):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
            try:
                with pytest.raises((OSError, ValueError), match="could not be"):
                    session.save(project, more={"columns.npz": b"new columns"})
                with pytest.raises((OSError, ValueError), match="could not be"):
                    session.save(tmp_path / "fresh")
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, old)
            assert content(project) == before and not (tmp_path / "fresh").exists(), limit
            assert sorted(p.name for p in project.iterdir()) == files
    finally:
        signal.signal(signal.SIGXFSZ, hook)
    session.save(project, more={"columns.npz": b"new columns"})
    assert content(project) == after
    session.close()


def test_labels_given_in_the_project_after_an_interrupted_save_stay(tmp_path, monkeypatch):
    project, session, _, _ = two_saves(tmp_path)
    with monkeypatch.context() as m:
        m.setattr(ssvae_widgets.session.project, "finish", lambda folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            session.save(project)
    session.close()
    with LabelStore(project / "labels.csv", N) as store:
        store.set([20], "b")
    with LabelingSession.open(project) as s:
        assert s.codes[20] == 1 and s.codes[4] == -1 and s.n_labeled == 3 and "interrupted" in s.message
    [kept] = project.glob(".project-saved.interrupted-*")
    assert (kept / "labels" / "labels.csv").read_text().count("\n") == 5
    with LabelingSession.open(project) as s:
        assert s.n_labeled == 3 and "interrupted" not in s.message


def test_saving_a_project_into_itself_keeps_everything(tmp_path):
    project, session, _, after = two_saves(tmp_path)
    session.close()
    shutil.rmtree(project)
    shutil.copytree(tmp_path / "reference", project)
    with LabelingSession.open(project) as s:
        s.label([9], "b")
        s.save(project)
        s.label([10], "a")
        assert (
            sorted(p.name for p in project.iterdir() if p.name.startswith(".") and not p.name.endswith(".live")) == []
        )
    with LabelingSession.open(project) as s:
        assert s.codes[[9, 10]].tolist() == [1, 0] and len(s.rounds) == 3 and s.n_labeled == 6
    assert content(project)[1:4] == after[1:4]


def test_a_model_that_was_given_and_not_looked_at_is_saved(tmp_path):
    import jax

    given = SSVAE((4, 4), CONFIG.replace(max_epochs=2), classes=["a", "b"])
    given.fit(IMAGES, np.r_[0.0, 1.0, np.full(N - 2, np.nan)])
    with LabelingSession(IMAGES, None, classes=["a", "b"], model=given) as s:
        s.save(tmp_path / "p")
    with LabelingSession.open(tmp_path / "p") as s:
        s.prepare()
        assert s.wait(300) and s.training.total == given.epoch
        same = jax.tree_util.tree_map(
            lambda a, b: np.array_equal(np.asarray(a), np.asarray(b)), s.model.params, given.params
        )
        assert all(jax.tree_util.tree_leaves(same))


def test_folders_that_are_not_projects_are_refused(tmp_path):
    with LabelingSession(IMAGES, None, classes=["a", "b"]) as s:
        (tmp_path / "file").write_text("x")
        with pytest.raises(FileExistsError, match="is a file"):
            s.save(tmp_path / "file")
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "x").write_text("x")
        with pytest.raises(FileExistsError, match="not empty"):
            s.save(tmp_path / "full")
        assert [p.name for p in (tmp_path / "full").iterdir()] == ["x"]
        s.save(tmp_path / "a" / "b" / "c")
    with LabelingSession.open(tmp_path / "a" / "b" / "c") as s:
        assert s.n_items == N


def test_a_project_of_the_first_release_opens(tmp_path):
    "Its description had no number of images."
    with LabelingSession(IMAGES, None, classes=["a", "b"]) as s:
        s.label([3], "b")
        s.save(tmp_path / "p")
    file = tmp_path / "p" / "project.json"
    facts = json.loads(file.read_text())
    del facts["n_items"]
    file.write_text(json.dumps(facts))
    with LabelingSession.open(tmp_path / "p") as s:
        assert s.codes[3] == 1
    file.write_text("{")
    with pytest.raises(ProjectError, match="damaged"):
        LabelingSession.open(tmp_path / "p")


def test_saving_again_after_an_interrupted_save_keeps_labels_given_since(tmp_path, monkeypatch):
    "The second save finds what the first has left, and labels that somebody gave in the project in between."
    project, session, _, _ = two_saves(tmp_path)
    with monkeypatch.context() as m:
        m.setattr(ssvae_widgets.session.project, "finish", lambda folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            session.save(project)
    with LabelStore(project / "labels.csv", N) as store:
        store.set([20], "b")
    with pytest.raises(FileExistsError, match="1 change of labels that this session does not have"):
        session.save(project)
    session.close()
    with LabelingSession.open(project) as s:
        assert s.codes[20] == 1 and s.n_labeled == 3


LEFT = {
    "nothing": None,
    "text": "{",
    "a list": "[]",
    "no list": '{"session": 5}',
    "no key": "{}",
    "numbers": '{"session": [5]}',
    "a way out": '{"session": ["../../x.y"]}',
    "a file": 0,
}


@pytest.mark.parametrize("left", LEFT)
def test_what_an_interrupted_save_left_is_damaged(tmp_path, left):
    for name in ("a", "b"):
        with LabelingSession(IMAGES, None, classes=["a", "b"]) as s:
            s.label([3], "b")
            project = s.save(tmp_path / name)
            if LEFT[left] == 0:
                (project / SAVED).write_text("x")
            else:
                (project / SAVED).mkdir()
            if LEFT[left]:
                (project / SAVED / "contents.json").write_text(LEFT[left])
            if name == "a":
                s.save(project)
        with LabelingSession.open(project) as o:
            assert o.codes[3] == 1 and ("damaged" in o.message or name == "a")
        assert len(list(project.glob(f"{SAVED}.damaged-*"))) == 1 and not (project / SAVED).exists()


@pytest.mark.parametrize("name", ["images.npy", "truth.npy", "columns.npz"])
def test_a_folder_where_a_file_belongs_steps_aside(tmp_path, name):
    with LabelingSession(IMAGES, None, classes=["a", "b"], truth=np.arange(N) % 2) as s:
        project = s.save(tmp_path / "p", more={"columns.npz": b"columns"})
        (project / name).unlink()
        (project / name).mkdir()
        (project / name / "mine.txt").write_text("mine")
        s.save(project, more={"columns.npz": b"columns"})
    [kept] = project.glob(f"{name}.in-the-way-*")
    assert (kept / "mine.txt").read_text() == "mine" and (project / name).is_file()
    with LabelingSession.open(project) as s:
        assert s.message == ""


@pytest.mark.parametrize(
    "folder", [None, "", " ", 5, True, b"p", ["p"], "s3://bucket/p", "file:///tmp/p", "a\0b", "\ud800"], ids=repr
)
def test_what_is_no_path_is_refused(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    with LabelingSession(IMAGES, None, classes=["a", "b"]) as s, pytest.raises(ArgumentError, match="^folder is "):
        s.save(folder)
    assert not list(tmp_path.iterdir())


def test_links_and_the_session_folder_itself(tmp_path):
    with LabelingSession(IMAGES, tmp_path / "labels.csv", classes=["a", "b"]) as s:
        s.label([1], "a")
        with_round(s, 1, b"weights")
        (tmp_path / "gone").symlink_to(tmp_path / "nothing")
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        for link in ("gone", "loop"):
            with pytest.raises(FileExistsError, match="link to something that is not there"):
                s.save(tmp_path / link)
        for inside in (s.folder.path, s.folder.path / "project"):
            with pytest.raises(FileExistsError, match="keeps its rounds|not empty"):
                s.save(inside)
        (tmp_path / "folder").mkdir()
        (tmp_path / "there").symlink_to(tmp_path / "folder")
        s.save(tmp_path / "there"), s.save(tmp_path / "there")
    assert content(tmp_path / "folder")[0][0][1] == 0 and len(content(tmp_path / "folder")[2]) == 2
    with pytest.raises(RuntimeError, match="closed"):
        s.save(tmp_path)


def test_what_cannot_be_written_or_read_is_said_in_one_sentence(tmp_path, monkeypatch):
    with LabelingSession(IMAGES, tmp_path / "labels.csv", classes=["a", "b"]) as s:
        s.label([1], "a")
        (tmp_path / "file").write_text("x")
        for folder in (tmp_path / "file" / "p", tmp_path / ("x" * 300)):
            with pytest.raises(OSError, match="could not be saved in .* unchanged"):
                s.save(folder)
        with_round(s, 1, b"weights")
        unread = s.rounds.path(0, "frame")
        real = os.access
        monkeypatch.setattr(os, "access", lambda path, how: Path(path) != unread and real(path, how))
        project = s.save(tmp_path / "p")
        assert (
            not (project / "labels.csv.session" / unread.name).exists()
            and (project / "labels.csv.session" / "round-000000.ckpt").exists()
        )


def test_a_project_keeps_the_names_of_its_pictures(tmp_path):
    "Also where an app is opened on what a session has saved, and where a session saves over an app's project."
    names = [f"{i:02}.png" for i in range(N)]
    with LabelingSession(ImageSet(IMAGES, names=names), None, classes=["a", "b"], config=CONFIG) as s:
        s.label([3], "a")
        s.save(tmp_path / "project")
    with LabelingSession.open(tmp_path / "project") as s:
        assert s.names == names and s.codes[3] == 0
    app = LatentLabeler.open(tmp_path / "project")
    assert list(app.names) == names
    app.extra["size"] = np.arange(N)
    app.save(tmp_path / "project")
    app.close()
    with LabelingSession.open(tmp_path / "project") as s:
        s.save(tmp_path / "project")
    app = LatentLabeler.open(tmp_path / "project")
    assert list(app.names) == names and list(app.extra["size"]) == list(range(N))
    app.close()
