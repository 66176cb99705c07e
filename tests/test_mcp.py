"""A program that labels: what it does is told apart, judges nothing and changes nothing of a person's; the protocol
over a real process."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from waiting import until

from ssvae_widgets import LabelingSession, LabelStore, SSVAEConfig, load_digits
from ssvae_widgets.cli.mcp import mcp, tools_of
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.session.agent import AgentDoor
from ssvae_widgets.session.queue import Suggestion

pytestmark = pytest.mark.usefixtures("no_first_map")

CONFIG = SSVAEConfig(encoder_type="dense", hidden_dims=(32,), latent_dim=2)
COMMAND = [sys.executable, "-c", "import sys; from ssvae_widgets.cli.mcp import mcp; sys.exit(mcp())"]


@pytest.fixture(scope="module")
def digits():
    images, truth = load_digits(binarize=False)
    return images[:300], truth[:300]


def lines(path):
    return [json.loads(line) for line in (path.parent / f"{path.name}.log.jsonl").read_text().splitlines()]


def test_an_agent_never_judges(digits):
    "The accuracy with an agent's labels is that of the people's alone, however the agent answered."
    images, truth = digits
    mine, theirs = np.arange(60), np.arange(60, 160)
    with LabelingSession(images, truth=truth, config=CONFIG) as session:
        for k in range(10):
            session.label(mine[truth[mine] == k], k, source="key")
        door = AgentDoor(session)
        for k in range(10):  # always wrong
            door.label(theirs[(truth[theirs] + 1) % 10 == k].tolist(), str(k))
        until(lambda: session.standing is not None and session.standing.labels == 160)
        found = session.accuracy
        rows, probs = session.evidence.left_out[session.source]
        own = np.isin(rows, mine)
        assert (found.n, own.sum()) == (60, 60)
        assert found.value == pytest.approx((probs[own].argmax(1) == truth[rows[own]]).mean())
        assert session.standing.n == 60 and f"{found.n} of your own labels" in door.accuracy()["message"]
        assert set(session.data.no_judges) == set(theirs)
        session.label(int(theirs[0]), int(truth[theirs[0]]), source="key")  # a person says it again: now it judges
        until(lambda: session.accuracy.n == 61)


def test_an_agent_takes_no_exam(digits):
    "A random pick answered by an agent is none, and one that a person answered counts no more when an agent does."
    images, truth = digits
    with LabelingSession(images, truth=truth, config=CONFIG) as session:
        for k in range(10):
            session.label(np.flatnonzero(truth == k)[:2], k)
        assert session.wait(60)
        door, rows = AgentDoor(session), [200, 201, *range(210, 222)]
        for row in rows[2:]:
            session.queue.show(Suggestion(row, "picked at random", "audit"))
            session.label(row, int(truth[row]), source="queue")
        for row in rows[:2]:
            session.queue.show(Suggestion(row, "picked at random", "audit"))
            door.label([row], str(truth[row]))
        assert set(session.audits) == set(rows[2:]) and session.wait(60)
        until(lambda: session.standing.labels == 34)
        assert session.accuracy.how == "blind test" and session.accuracy.n == 12 and session.standing.asked == 12
        session.queue.show(Suggestion(5, "", "start"))
        door.label([210], str((truth[210] + 1) % 10), replace=True)
        until(lambda: session.standing.seq == session.seq)
        assert session.accuracy.n == 11 and session.standing.asked == 11


def test_every_line_says_who(digits, tmp_path):
    images, truth = digits
    with LabelingSession(images, tmp_path / "labels.csv", truth=truth, annotator="robot") as session:
        door = AgentDoor(session, tmp_path / "out")
        door.label([1, 2], "3")
        door.undo(), door.redo()
        door.add_class("other"), door.rename_class("other", "strange")
        door.flag([4], "star"), door.note([4], "odd"), door.clear([2])
        door.export(["labels", "flags"])
        assert not session.said_by(), "no person has said anything"
        told = session.store.to_pandas()
        assert (told["source"] == "agent").all() and (told["annotator"] == "robot").all()
    written = lines(tmp_path / "labels.csv")
    acts = [line for line in written if line["op"] in ("set", "undo", "redo", "class", "merge")]
    acts = [line for line in acts if line.get("annotator") or line["op"] != "class"]  # the classes it begins with
    assert len(acts) == 8 and {(line["source"], line["annotator"]) for line in acts} == {("agent", "robot")}
    store = LabelStore(tmp_path / "labels.csv", 300)
    assert store.rows_with("agent").tolist() == [1]
    store.close()


def test_what_a_person_said_stays(digits, tmp_path):
    "Refused whole, also after the log was opened anew; undo stops before a person's gesture."
    images, truth = digits
    with LabelingSession(images, tmp_path / "labels.csv", truth=truth) as session:
        session.label([1, 2], 3, source="key")
        session.flag(5, "exclude", source="key")
        session.flag([2, 7], "star", source="key")
        session.flag(2, "exclude", source="key")
        session.note(6, "mine", source="key")
    with LabelingSession(images, tmp_path / "labels.csv", truth=truth, annotator="robot") as session:
        door, before = AgentDoor(session), session.seq
        for refused in (
            lambda: door.label([1, 9], "4"),
            lambda: door.clear([2]),
            lambda: door.rename_class("3", "three"),
            lambda: door.flag([1], "exclude"),
            lambda: door.flag([7], "star", on=False),
            lambda: door.flag([5], "exclude", on=False),
            lambda: door.note([6], "yours"),
            door.undo,
            door.redo,
        ):
            with pytest.raises(ArgumentError):
                refused()
        assert session.seq == before and session.codes[9] == -1
        door.label([1, 9], "4", replace=True)
        assert session.codes[[1, 9]].tolist() == [4, 4]
        door.undo()
        assert session.codes[[1, 9]].tolist() == [3, -1]
        door.flag([5], "star"), door.flag([5], "star", on=False)  # of no weight: nobody is asked
        with pytest.raises(ArgumentError, match="No folder"):
            door.export(["labels"])


def test_a_label_of_another_process_stays(digits, tmp_path):
    "Looked up on what everybody has written, though the session has not heard of it yet."
    with LabelingSession(digits[0], tmp_path / "labels.csv", classes=["a", "b"], features=None) as session:
        door = AgentDoor(session)
        door.label([299], "b"), door.clear([299])
        other = LabelStore(tmp_path / "labels.csv", 300)
        for row in range(20):
            other.set([row], "a"), other.flag([100 + row], "star")
            with pytest.raises(ArgumentError, match="A person has"):
                door.label([row], "b")
            with pytest.raises(ArgumentError, match="A person has"):
                door.flag([100 + row], "star", on=False)
        assert (session.codes[:20] == 0).all() and not len(session.data.by_agents)
        other.close()


def test_a_person_in_the_same_session_stays_a_person(digits):
    with LabelingSession(digits[0], classes=["a", "b"], features=None) as session:
        door = AgentDoor(session)
        door.add_class("c"), session.rename_class("a", "x"), session.add_class("d"), session.undo()
        told = [r.get("source") for r, _ in session.store.log.records if r["op"] in ("class", "undo")]
        assert told[-4:] == ["agent", None, None, None]
        with pytest.raises(ArgumentError, match="a person's, and stays"):
            door.undo()
        session.undo(), session.label(3, "c"), session.undo(), session.label(3, "a")
        other = session.store.log.replay.next_undo()
        assert other.record["source"] == "api" and session.classes[:2] == ["a", "b"]


def test_flags_and_notes_on_rows_that_moved_are_a_persons(digits, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for k in range(12):
        Image.fromarray((digits[0][k] * 255).astype(np.uint8).squeeze()).save(folder / f"p{k:02d}.png")
    with LabelingSession(folder, tmp_path / "l.csv", features=None) as session:
        session.flag(4, "exclude"), session.note(6, "mine")
    Image.fromarray((digits[0][50] * 255).astype(np.uint8).squeeze()).save(folder / "a.png")
    with LabelingSession(folder, tmp_path / "l.csv", features=None) as session:
        door = AgentDoor(session)
        assert session.data.excluded == {5} and session.flags.notes == {7: "mine"}
        for refused in (lambda: door.flag([5], "exclude", on=False), lambda: door.note([7], "yours")):
            with pytest.raises(ArgumentError):
                refused()


def test_sets_through_the_door(tmp_path):
    "An agent's answers teach and never judge; what a person answered stays, whole; a vote has no place for programs."
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5)).astype(np.float32)
    truth = (x[:, :2] > [0, 0.5]).astype(int)
    sets = [[name for name, there in zip("ab", row) if there] for row in truth]
    path = tmp_path / "l.csv"
    with LabelingSession(x, path, classes=["a", "b"], multilabel=True, features=None, annotator="robot") as session:
        session.annotator = "eva"
        session.answer_sets(range(40), sets[:40], source="key")
        session.annotator = "robot"
        door = AgentDoor(session, tmp_path / "out")
        for row in range(40, 100):  # always wrong
            door.answer([row], [name for name in "ab" if name not in sets[row]])
        told = door.accuracy()
        assert (told["n"], told["labels_by_people"], told["labels_by_agents"]) == (40, 40, 60)
        assert session.sets_report.n == 40 and "60 answers" not in told["message"] and "of agents" in str(told)
        assert session.agreement().counts == {"eva": 40} and not session.disputes()
        before = session.seq
        for refused in (
            lambda: door.answer([3, 150], ["a"]),
            lambda: door.mark([3], "b"),
            lambda: door.clear([3]),
            lambda: door.rename_class("a", "x"),
            lambda: door.flag([3], "exclude"),
            lambda: door.answer([150], ["a", "cow"]),
            lambda: door.answer([150], "a"),
        ):
            with pytest.raises(ArgumentError):
                refused()
        assert session.seq == before
        door.mark([3], "b", on=not truth[3, 1], replace=True)
        assert door.known(3)["by"] == "a person and an agent"
        with pytest.raises(ArgumentError):
            door.clear([3])  # still a person's
        door.undo()
        assert session.classes_of(3) == sets[3] and door.known(3)["by"] == "a person"
        assert door.known(50)["by"] == "an agent" and door.history(50)[-1]["annotator"] == "robot"
        session.annotator = "eva"
        session.mark(50, "a", None, source="key")  # a person adds to what the agent said: a person's from now on
        session.annotator = "robot"
        with pytest.raises(ArgumentError, match="A person has answered"):
            door.answer([50], [])
        [guess] = door.predictions([150])
        assert guess["prediction"] == {"a": pytest.approx(session.probs[150, 0], abs=1e-4)} | {
            "b": pytest.approx(session.probs[150, 1], abs=1e-4)
        }
        assert len(door.suggest(5)) == 5 and door.known(3)["labels"] == sets[3]
        told = {w["part"]: w["path"] for w in door.export(["labels", "card"])}
        card = Path(told["card"]).read_text()
        assert "| robot, a program: its labels judge nothing | 59 |" in card and "| eva | 41 |" in card
        door.add_class("c")
        session.mark(199, "c", source="key")
        with pytest.raises(ArgumentError):
            door.undo()


def test_which_kind_the_command_serves(tmp_path):
    "The tools of sets where labels are sets; labels of the other kind end it with a sentence, and nothing is touched."
    pytest.importorskip("mcp")
    np.save(tmp_path / "d.npy", load_digits(binarize=False)[0][:60])
    with LabelingSession(tmp_path / "d.npy", tmp_path / "s.csv", multilabel=True, features=None) as session:
        session.answer_sets([3, 4], [[0, 1], []])
        assert {"answer", "mark"} <= set(tools_of(AgentDoor(session))) and "label" not in tools_of(AgentDoor(session))
    with LabelingSession(tmp_path / "d.npy", tmp_path / "d.csv", features=None) as session:
        session.label(3, 1)
        assert "label" in tools_of(AgentDoor(session)) and "answer" not in tools_of(AgentDoor(session))
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    words = [str(tmp_path / "d.npy"), "--labels", str(tmp_path / "d.csv"), "--multilabel", "--features", "none"]
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        assert mcp(words) != 0
    assert "label of one class" in err.getvalue() and "Traceback" not in err.getvalue(), err.getvalue()
    assert {file: file.read_bytes() for file in before} == before


def test_exports_tell_programs_apart(digits, tmp_path):
    with LabelingSession(digits[0], classes=["a", "b"], features=None, annotator="eva") as session:
        session.label([0, 1], "a")
        session.annotator = "robot"
        AgentDoor(session).label([2], "b")
        told = {w.name: w.path for w in session.export(tmp_path / "out", ["cvat", "coco", "label-studio", "card"])}
    assert told["cvat"].read_text().count('source="manual"') == 2 and told["cvat"].read_text().count('"auto"') == 1
    coco = json.loads(told["coco"].read_text())["annotations"]
    assert [(a["annotator"], a.get("source")) for a in coco] == [("eva", None)] * 2 + [("robot", "agent")]
    task = json.loads(told["label-studio"].read_text())[2]
    assert task["annotations"] == [] and task["predictions"][-1]["model_version"] == "robot"
    card = told["card"].read_text()
    assert "| eva | 2 |" in card and "| robot, a program: its labels judge nothing | 1 |" in card


def test_pictures_are_limited(tmp_path):
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (70, 120, 160, 3), dtype=np.uint8)
    with LabelingSession(photos, features=None) as session:
        door = AgentDoor(session)
        seen = door.look(list(range(70)))
        sizes = [Image.open(io.BytesIO(data)).size for data in seen.pictures]
        assert len(seen.pictures) == 2 and all(len(data) <= 1_000_000 for data in seen.pictures)
        assert max(map(max, sizes)) <= 1024 and [told["row"] for told in seen.told] == [*range(70)]
        [large] = door.look([3], large=True).pictures
        assert len(large) <= 1_000_000 and Image.open(io.BytesIO(large)).size == (640, 480)
        for rows in ([], list(range(9)), [70], [0.5]):
            with pytest.raises(ValueError):
                door.look(rows, large=True)


async def flow(client, folder):
    "What an agent does, by the protocol alone."

    async def ask(tool, **given):
        answer = await client.call_tool(tool, given)
        text = answer.content[0].text
        assert not answer.is_error, text
        return json.loads(text), answer.content[1:]

    async def refused(tool, **given):
        answer = await client.call_tool(tool, given)
        assert answer.is_error
        return answer.content[0].text

    told, _ = await ask("status")
    assert told["images"] == 500 and told["labeled"] == 0
    for k in range(10):
        await ask("add_class", name=f"digit {k}")
    seen, pictures = await ask("look", rows=[3, 4])
    assert [p.mime_type for p in pictures] == ["image/png"] and [s["row"] for s in seen] == [3, 4]
    truth = [f"digit {k}" for k in load_digits()[1]]
    proposed, _ = await ask("suggest", n=30)
    assert len(proposed) == 30 and all(p["reason"] for p in proposed)
    for p in proposed:
        await ask("label", rows=[p["row"]], label=truth[p["row"]])
    assert "no class" in await refused("label", rows=[9], label="cow")
    assert "out of range" in await refused("label", rows=[500], label="digit 1")
    assert "row" in await refused("label", row=[9], rows=[9], label="digit 1")
    assert (await ask("undo"))[0]["labeled"] == 29 and (await ask("redo"))[0]["labeled"] == 30
    await ask("train", epochs=2)
    for _ in range(600):
        training = (await ask("status"))[0]["training"]
        if training["phase"] == "idle" and training["epochs_in_all"] == 2:
            break
        time.sleep(0.2)
    assert training["epochs_in_all"] == 2
    accuracy, _ = await ask("accuracy")
    assert accuracy["n"] == 0 and accuracy["labels_by_agents"] == 30
    said, _ = await ask("predictions", rows=list(range(500)))
    right = [next(iter(p["prediction"])) == truth[p["row"]] for p in said]
    assert sum(right) > 300
    assert len((await ask("similar", rows=[3], n=4))[0]) == 4
    written, _ = await ask("export", what=["labels", "predictions"])
    assert {w["path"] for w in written} == {str(folder / "labels.csv"), str(folder / "predictions.csv")}
    assert "expected some of" in await refused("export", what=["/etc"])


def test_over_a_real_process(tmp_path):
    anyio, mcp = pytest.importorskip("anyio"), pytest.importorskip("mcp")
    np.save(tmp_path / "d.npy", load_digits(binarize=False)[0][:500])
    words = [tmp_path / "d.npy", "--labels", tmp_path / "d.csv", "--out", tmp_path / "out", "--annotator", "robot"]
    words = [*COMMAND[1:], *map(str, words)]
    program = mcp.StdioServerParameters(command=COMMAND[0], args=words, env=dict(os.environ))

    async def run():
        async with mcp.Client(mcp.stdio_client(program)) as client:  # mcp 2.0 asks for the stream
            await flow(client, tmp_path / "out")

    anyio.run(run)
    table = pd.read_csv(tmp_path / "out" / "labels.csv")
    assert len(table) == 30 and len(pd.read_csv(tmp_path / "out" / "predictions.csv")) == 500
    written = lines(tmp_path / "d.csv")
    assert {w.get("annotator") for w in written if w["op"] in ("set", "undo", "redo")} == {"robot"}
    assert not list(tmp_path.glob(".*.live*")), "the session was closed: no sign is left"


@pytest.mark.parametrize("end", ["input", "signal"])
def test_it_ends_cleanly(tmp_path, end):
    pytest.importorskip("mcp")
    words = [*COMMAND, "digits", "--labels", str(tmp_path / "d.csv")]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process = subprocess.Popen(words, **pipes, text=True)
    client = dict(protocolVersion="2025-06-18", capabilities={}, clientInfo=dict(name="t", version="0"))

    def ask(number, method, **params):
        line = dict(jsonrpc="2.0", id=number, method=method, params=params)
        process.stdin.write(json.dumps(line) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    assert ask(1, "initialize", **client)["result"]["serverInfo"]["name"] == "ssvae_widgets"
    process.stdin.write(json.dumps(dict(jsonrpc="2.0", method="notifications/initialized")) + "\n")
    answer = ask(2, "tools/call", name="label", arguments=dict(rows=[5, 6], label="5"))
    assert json.loads(answer["result"]["content"][0]["text"])["saved"] == "saved"
    if end == "signal":
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    out, err = process.communicate(timeout=30)
    assert process.returncode == (0 if end == "input" else 143), err
    assert out == "" and "Traceback" not in err and "labels are kept in" in err
    assert pd.read_csv(tmp_path / "d.csv")["Serial"].tolist() == [5, 6], "written when it ended"
    with LabelStore(tmp_path / "d.csv", 1797) as store:
        assert store.n_labeled == 2 and store.rows_with("agent").tolist() == [5, 6]
