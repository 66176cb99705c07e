"""Side files never keep labels from opening: a damaged one is put aside and said, the project itself ends in one
clear error."""

import json
import os
import random
import shutil
import zlib

import numpy as np
import pytest

from ssvae_widgets import LabelingSession, LabelStore, LatentLabeler, SSVAEConfig
from ssvae_widgets.errors import DataError, InTheWayError
from ssvae_widgets.io.checkpoint import load_checkpoint, save_checkpoint
from ssvae_widgets.session.project import ProjectError

pytestmark = pytest.mark.usefixtures("no_first_map")

N = 24
IMAGES = np.random.default_rng(0).random((N, 4, 4)).astype(np.float32)
TRUTH = np.arange(N) % 2
CONFIG = SSVAEConfig.preset("ancestor").replace(
    encoder_type="dense", decoder_type="dense", latent_dim=2, hidden_dims=(4,), batch_size=16
)
FULL = os.environ.get("SSVAE_WIDGETS_FAULTS") == "full"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    "A trained session, closed, and the project that was saved of it with columns and names."
    folder = tmp_path_factory.mktemp("saved")
    app = LatentLabeler(
        IMAGES,
        folder / "labels.csv",
        TRUTH,
        classes=["a", "b"],
        config=CONFIG,
        names=[f"{i}.png" for i in range(N)],
        columns={"size": np.arange(N) / N},
    )
    app.session.label([1, 2], "a")
    app.session.label([3], "b")
    app.session.next(), app.session.skip()
    for _ in range(2):
        app.session.train(1)
        assert app.session.wait(300)
    app.map.color_by = "truth"
    assert app.flush()
    app.save(folder / "project")
    app.close()
    return folder


def check(s):
    assert s.n_labeled == 3 and s.codes[[1, 2, 3]].tolist() == [0, 0, 1] and s.store.can_undo
    for k in range(len(s.rounds)):
        try:
            assert s.rounds[k].xy.shape == (N, 2)
        except ValueError:
            pass
    s.label([9], "b"), s.undo()


def damages(data: bytes, rng: random.Random):
    "What disks, editors and interrupted copies do to a file."
    yield "empty", b""
    yield "cut", data[: len(data) // 2]
    yield "one byte less", data[:-1]
    yield "zeros", bytes(len(data))
    yield "zeros at the end", data[: len(data) * 2 // 3] + bytes(len(data) // 3)
    yield "garbage", rng.randbytes(max(len(data), 50))
    yield "not UTF-8", b"\xff\xfe" + data
    yield "deep", b"[" * 20_000
    yield "huge number", b"9" * 5000
    yield "no object", b"[1, 2]\n"
    yield "null", b"null\n"
    for _ in range(40 if FULL else 4):
        flipped = bytearray(data)
        flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        yield "flipped", bytes(flipped)


@pytest.mark.parametrize(
    "name",
    [
        "record.jsonl",
        "state.json",
        "round-000000.frame",
        "round-000002.frame",
        "round-000001.ckpt",
        "round-000002.ckpt",
    ],
)
def test_a_live_session_folder(saved, tmp_path, name):
    rng = random.Random(zlib.crc32(name.encode()))
    data = (saved / "labels.csv.session" / name).read_bytes()
    for k, (what, bad) in enumerate(damages(data, rng)):
        there = tmp_path / str(k)
        shutil.copytree(saved / "labels.csv.session", there / "labels.csv.session")
        for p in saved.glob("labels.csv*"):
            p.is_file() and shutil.copy(p, there)
        file = there / "labels.csv.session" / name
        file.write_bytes(bad)
        with LabelingSession(IMAGES, there / "labels.csv", config=CONFIG) as s:
            check(s)
            assert s.folder.mine and len(s.rounds) >= (2 if name.endswith("frame") else 3), what
            assert s.training.total == 2 or name.endswith(("000002.ckpt", "000002.frame")), (what, s.message)
            if name.endswith("frame"):
                assert s.training.total == 2, "the weights are there, whatever the frame says"
            s.record.life(), s.record.knows(1)
            s.snapshot()
            if name == "state.json" and what not in ("flipped", "one byte less"):
                assert (
                    "queue of the last time" in s.message and len(list(file.parent.glob("state.json.damaged-*"))) == 1
                ), what
            if name == "record.jsonl" and what in ("garbage", "not UTF-8"):
                assert s.record.damaged == 0 or "record of the training" in s.message
        with LabelingSession(IMAGES, there / "labels.csv", config=CONFIG) as s:
            check(s)
        shutil.rmtree(there)


@pytest.mark.parametrize("name", ["project.json", "images.npy", "truth.npy", "columns.npz"])
def test_a_project(saved, tmp_path, name):
    rng = random.Random(zlib.crc32(name.encode()))
    data = (saved / "project" / name).read_bytes()
    for k, (what, bad) in enumerate(damages(data, rng)):
        there = tmp_path / str(k)
        shutil.copytree(saved / "project", there)
        (there / name).write_bytes(bad)
        try:
            app = LatentLabeler.open(there)
        except (ProjectError, ValueError) as error:
            assert name in ("project.json", "images.npy"), (what, error)
            assert len(str(error)) < 500 and "\n" not in str(error)
            with LabelStore(there / "labels.csv", N) as store:
                assert store.n_labeled == 3
            continue
        check(app.session)
        assert app.names is None or app.names[3] == "3.png" or what == "flipped"
        if name == "truth.npy" and app.session.truth is None or name == "columns.npz" and app.names is None:
            assert "left out" in app.status.message and list(there.glob(f"{name}.damaged-*")), (
                what,
                app.status.message,
            )
        else:
            assert what in ("flipped", "zeros", "zeros at the end") or name in ("project.json", "images.npy")
        app.close()
        shutil.rmtree(there)


STATES = [
    {"queue": {"skipped": [1e400]}},
    {"queue": {"skipped": "abc"}},
    {"queue": {"waiting": [{"serial": 1}]}},
    {"queue": [1]},
    {"queue": {"visited": [{"serial": None, "reason": "", "strategy": ""}]}},
    {"audits": {"x": 1}},
    {"audits": [1]},
    {"audits": {"1": None}},
    {"standings": [{}]},
    {"standings": 5},
    {"standings": [dict.fromkeys(["seq", "epochs", "labels", "value", "low", "high", "asked", "right", "truth"], "x")]},
    {"view": {"color_by": [1]}},
    {"view": {"color_by": {"a": 1}}},
    {"view": 3},
    {"view": {"color_by": 5}},
    {"log": 5},
    {"log": ["x"]},
    {"view": {"color_by": float("nan")}},
]


@pytest.mark.parametrize("state", STATES, ids=lambda s: str(s)[:40])
def test_an_odd_state(saved, tmp_path, state):

    shutil.copytree(saved / "labels.csv.session", tmp_path / "labels.csv.session")
    for p in saved.glob("labels.csv*"):
        p.is_file() and shutil.copy(p, tmp_path)
    file = tmp_path / "labels.csv.session" / "state.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **state}))
    app = LatentLabeler(IMAGES, tmp_path / "labels.csv", config=CONFIG)
    assert app.session.wait(300) and app.flush() and app.error == "", app.error
    check(app.session)
    assert len(app.session.rounds) == 3 and app.session.training.total == 2
    if "color_by" not in str(state) or isinstance(state["view"]["color_by"], (list, dict)):
        assert "cannot be read" in app.status.message
    app.close()


FACTS = [
    dict(number="../../x"),
    dict(number=1.5),
    dict(number=-7),
    dict(number=7),
    dict(number=10**40),
    dict(epochs=True),
    dict(epochs=-1),
    dict(seq=None),
    dict(metrics=[]),
    dict(time=float("nan")),
    dict(time=1e999),
    dict(labels=2.5),
    dict(answer=None),
    dict(n_items="24"),
]
ARRAYS = dict(
    short=lambda a: {**a, "xy": a["xy"][:3]},
    flat=lambda a: {**a, "pred": a["pred"][:, None]},
    none=lambda a: {},
    inf=lambda a: {**a, "high": a["high"] * np.inf},
    text=lambda a: {**a, "xy": "x"},
    kind=lambda a: {**a, "certainty": a["certainty"].astype(float)},
)


@pytest.mark.parametrize("bad", [*FACTS, *ARRAYS], ids=str)
def test_a_frame_that_says_nonsense(saved, tmp_path, bad):
    shutil.copytree(saved / "labels.csv.session", tmp_path / "labels.csv.session")
    for p in saved.glob("labels.csv*"):
        p.is_file() and shutil.copy(p, tmp_path)
    file = tmp_path / "labels.csv.session" / "round-000002.frame"
    arrays, facts = load_checkpoint(file)
    try:
        save_checkpoint(
            file,
            ARRAYS[bad](arrays) if isinstance(bad, str) else arrays,
            facts if isinstance(bad, str) else {**facts, **bad},
        )
    except ValueError:
        pytest.skip("cannot even be written")
    with LabelingSession(IMAGES, tmp_path / "labels.csv", config=CONFIG) as s:
        check(s)
        assert s.training.total == 2 and np.isfinite(s.xy).all() and s.xy.shape == (N, 2)
        if isinstance(bad, dict):
            assert [f["number"] for f in s.rounds.facts] == [0, 1]
        if isinstance(bad, dict) and "n_items" not in bad:
            assert (
                "cannot be shown" in s.message and not file.exists() and len(list(file.parent.glob("*.damaged-*"))) == 1
            )
        s.snapshot()
        assert s.rounds.facts[-1]["number"] == 3, "never the number of a round whose weights are there"
    assert not list(tmp_path.glob("*.other-labels-*")), "the folder is ours, whatever one file in it says"


EVIDENCE = {
    "a huge epoch": {"exams": {"1": [10**30, {"network": 1}, [0.5, 0.5]]}},
    "an epoch below 0": {"exams": {"1": [-1, {"network": 1}, [0.5, 0.5]]}},
    "a huge class": {"exams": {"1": [1, {"graph": 10**30}, [0.5, 0.5]]}},
    "no number": {"exams": {"1": [1, {"network": 1}, [float("nan"), 1]]}},
    "no share": {"exams": {"1": [1, {"network": 1}, [-5, 6]]}},
    "text": {"exams": {"1": [1, {}, "12"]}},
    "a huge pick": {"blind": {"1": [10**30, {"graph": 0}]}},
    "no pick": {"blind": {"1": 5}},
    "a list": {"exams": []},
    "true": {"blind": {"1": [True, {}]}},
}


@pytest.mark.parametrize("what", EVIDENCE)
def test_odd_evidence(saved, tmp_path, what):
    there = live(saved, tmp_path)
    change(there / "state.json", evidence=EVIDENCE[what])
    with LabelingSession(IMAGES, tmp_path / "labels.csv", config=CONFIG) as s:
        assert s.wait(60) and "evidence of the last time cannot be read" in s.message
        check(s)
        assert s.wait(60) and not s.exams and not s.blind and s.sources["network"].n == 0 and "failed" not in s.message


QUEUES = {
    "half a character": {"current": {"serial": 3, "reason": "\ud800", "strategy": "start"}},
    "half a row": {"waiting": [{"serial": 1.7, "reason": "", "strategy": "start"}]},
    "true": {"skipped": [True]},
    "text": {"skipped": ["5"]},
}


@pytest.mark.parametrize("what", QUEUES)
def test_odd_queues(saved, tmp_path, what):
    change(
        live(saved, tmp_path) / "state.json",
        queue=QUEUES[what],
        audits={"3": 2**80},
        standings=[
            {
                "seq": 1,
                "epochs": 1,
                "labels": 3,
                "value": 0.5,
                "low": 0,
                "high": 1,
                "asked": 0,
                "right": 0,
                "truth": None,
                "why": "\ud800",
            }
        ],
    )
    with LabelingSession(IMAGES, tmp_path / "labels.csv", config=CONFIG) as s:
        check(s)
        for part in ("queue", "random picks", "curve"):
            assert f"The {part} of the last time cannot be read" in s.message
        assert (
            s.current is None
            and not s.queue.skipped
            and not s.audits
            and all("\ud800" not in standing.why for standing in s.standings)
        )


def live(saved, there):
    shutil.copytree(saved / "labels.csv.session", there / "labels.csv.session")
    for p in saved.glob("labels.csv*"):
        p.is_file() and shutil.copy(p, there)
    return there / "labels.csv.session"


def change(file, **facts):
    file.write_text(json.dumps({**json.loads(file.read_text()), **facts}))


ODD = {
    "folder": lambda p: (p.mkdir(), (p / "mine.txt").write_text("mine")),
    "pipe": lambda p: os.mkfifo(p),
    "link to nothing": lambda p: p.symlink_to("nothing"),
    "link to itself": lambda p: p.symlink_to(p.name),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize(
    "name", ["record.jsonl", "state.json", "round-000002.frame", "round-000002.ckpt", "unfinished.ckpt"]
)
def test_something_else_where_a_file_belongs(saved, tmp_path, name, kind):
    if kind == "pipe" and not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    there = live(saved, tmp_path)
    (there / name).unlink(missing_ok=True)
    ODD[kind](there / name)
    with LabelingSession(IMAGES, tmp_path / "labels.csv", config=CONFIG) as s:
        check(s)
        assert s.folder.mine and s.training.total == (1 if name == "round-000002.ckpt" else 2), s.message
        s.snapshots.moment("ended") if s.model is not None else s.snapshot()
        s.save(tmp_path / "p")
        s.record.add("round", number=99)
    if name in ("record.jsonl", "state.json"):
        assert (there / name).is_file() and not (there / name).is_symlink()
        if kind == "folder":
            assert [p.read_text() for p in there.glob(f"{name}.damaged-*/mine.txt")] == ["mine"]
    for again in (tmp_path / "labels.csv", tmp_path / "p" / "labels.csv"):
        with LabelingSession(IMAGES, again, config=CONFIG) as s:
            check(s)


def test_rounds_that_are_not_taken_up_are_spoken_of(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (40, 6, 6), np.uint8)
    path = tmp_path / "labels.csv"
    folder = path.with_name("labels.csv.session")
    folder.write_text("no folder")
    with LabelingSession(images, path, classes=["a", "b"]) as s:
        assert "was no folder" in s.message
        s.label([0, 1], "a"), s.label([2, 3], "b")
        for _ in range(2):
            s.train(1)
            assert s.wait(300)
        assert s.training.total == 2
    newest = max(folder.glob("round-*.ckpt"))
    newest.unlink()
    newest.mkdir()
    with LabelingSession(images, path) as s:
        assert s.training.total == 1 and "after 2 epochs are not there any more; those after 1 are taken" in s.message
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({**state, "log": "0000-1"}))
    with LabelingSession(images, path) as s:
        assert s.training.total == 0 and "belong to other labels" in s.message
    assert any(tmp_path.glob("labels.csv.session*/round-*.ckpt"))  # they stay on the disk


DESCRIPTIONS = {
    "empty": b"",
    "an object": b"{}",
    "a list": b"[]",
    "deep": b"[" * 20_000,
    "text": b"x",
    "missing": None,
    "a folder": "folder",
    "no number of images": b'{"format": 1, "images": {}}',
}


@pytest.mark.parametrize("what", DESCRIPTIONS)
def test_a_damaged_save_beside_a_whole_project_is_put_aside(saved, tmp_path, what):
    from ssvae_widgets.session.project import SAVED

    project, bad = tmp_path / "project", DESCRIPTIONS[what]
    shutil.copytree(saved / "project", project)
    before = {p.name: p.read_bytes() for p in project.iterdir() if p.is_file()}
    left = project / SAVED
    (left / "labels").mkdir(parents=True)
    (left / "contents.json").write_text('{"session": []}')
    shutil.copy(project / "labels.csv.log.jsonl", left / "labels")
    if bad == "folder":
        (left / "project.json").mkdir()
    elif bad is not None:
        (left / "project.json").write_bytes(bad)
    with LabelingSession.open(project, config=CONFIG) as s:
        check(s)
        assert "what it left is damaged" in s.message and s.training.total == 2
    assert not left.exists() and len(list(project.glob(f"{SAVED}.damaged-*"))) == 1
    assert all(
        (project / name).read_bytes() == content
        for name, content in before.items()
        if name in ("images.npy", "project.json", "truth.npy")
    )
    with LabelingSession.open(project, config=CONFIG) as s:
        assert s.message == ""


def test_an_interrupted_save_whose_description_is_in_place_already_is_finished(saved, tmp_path):
    "The description is moved last: a save without it is one that was nearly done."
    from ssvae_widgets.session.project import SAVED

    project = tmp_path / "project"
    shutil.copytree(saved / "project", project)
    (project / SAVED).mkdir()
    (project / SAVED / "contents.json").write_text('{"session": null}')
    with LabelingSession.open(project, config=CONFIG) as s:
        check(s)
    assert not list(project.glob(f"{SAVED}*"))


@pytest.mark.parametrize("name", ["project.json", "images.npy", "truth.npy", "columns.npz", "contents.json"])
def test_a_pipe_or_a_device_where_a_file_of_a_project_belongs_keeps_nobody_waiting(saved, tmp_path, name):
    import subprocess
    import sys

    for kind in ("pipe", "device"):
        project = tmp_path / kind
        shutil.copytree(saved / "project", project)
        file = project / name
        if name == "contents.json":
            file = project / ".project-saved" / name
            file.parent.mkdir()
        file.unlink(missing_ok=True)
        os.mkfifo(file) if kind == "pipe" else file.symlink_to("/dev/zero")
        code = (
            "from ssvae_widgets import LabelingSession\n"
            f"try: s = LabelingSession.open({str(project)!r}); print(s.n_labeled, s.message)\n"
            "except (ValueError, OSError) as error: print(type(error).__name__, error)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
        said = done.stdout.strip().splitlines()
        assert done.returncode == 0 and len(said) == 1, done.stderr[-500:]
        assert said[0].startswith("ProjectError" if name in ("project.json", "images.npy") else "3"), said


def test_going_back_to_an_earlier_round_is_no_loss(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelingSession(IMAGES, path, classes=["a", "b"], config=CONFIG) as s:
        for n in (2, 3):
            s.train(n)
            assert s.wait(300)
        s.goto(1)
        assert s.wait(300) and [f["epochs"] for f in s.rounds.facts] == [0, 2, 5, 2]
    with LabelingSession(IMAGES, path, config=CONFIG) as s:
        assert s.training.total == 2 and s.message == ""
    max((tmp_path / "labels.csv.session").glob("round-*.ckpt")).unlink()
    with LabelingSession(IMAGES, path, config=CONFIG) as s:
        assert (
            s.training.total == 5
            and s.message == "Weights after 2 epochs are not there any more; those after 5 are taken."
        )
    for p in (tmp_path / "labels.csv.session").glob("round-*.ckpt"):
        p.unlink()
    with LabelingSession(IMAGES, path, config=CONFIG) as s:
        assert (
            s.training.total == 0
            and s.message == "Weights after 2 epochs are not there any more; the network begins anew."
        )


@pytest.mark.parametrize("what", ["other labels", "no folder"])
def test_what_lay_in_the_way_of_the_folder_is_kept_and_said(tmp_path, what):
    "Also when the folder is taken after the opening, before the first thing that goes into it."
    path, said = tmp_path / "labels.csv", []
    folder = tmp_path / "labels.csv.session"
    if what == "other labels":
        folder.mkdir()
        (folder / "state.json").write_text('{"log": "0000-1"}')
    with LabelingSession(IMAGES, path, classes=["a", "b"], config=CONFIG) as s:
        assert ("belong to other labels" in s.message) == (what == "other labels")
        if what == "no folder":
            folder.write_text("mine")
        s.subscribe(lambda e: said.append(e.get("message", "")))
        s.next()
        s.state.write(), s.state.write()
        assert s.folder.mine
        [kept] = [p for p in tmp_path.glob("labels.csv.session*") if p != folder]
        rest = {
            "other labels": "The rounds of other labels are",
            "no folder": "labels.csv.session was no folder, and rounds and queue are kept in one of that name: "
            "what was there is",
        }
        assert [m for m in said if "kept as" in m] == [f"{rest[what]} kept as {kept.name}."]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_in_a_project_and_an_export_keep_nobody_waiting(tmp_path):
    with LabelingSession(np.zeros((9, 4, 4), np.uint8), None, classes=["a", "b"], features=None) as session:
        session.label([0, 1], "a")
        session.save(tmp_path / "project")
        session.export(tmp_path / "out", ["labels"])
        (tmp_path / "out" / "export.json").unlink()
        (tmp_path / "out" / "export.json").symlink_to("/dev/zero")
        with pytest.raises(InTheWayError, match="was not exported from here"):
            session.export(tmp_path / "out", ["labels"])
        (tmp_path / "taken").symlink_to("nowhere")
        with pytest.raises(OSError, match="Nothing more could be written to .*: use another path"):
            session.export(tmp_path / "taken", ["labels"])
    log = tmp_path / "project" / "labels.csv.log.jsonl"
    log.unlink()
    os.mkfifo(log)
    with pytest.raises(DataError, match="is a named pipe"):
        LabelingSession.open(tmp_path / "project")
