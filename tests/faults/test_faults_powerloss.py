"""L17: the power fails at any moment, and no label, round, record, checkpoint or project that was said to be saved
is lost."""

import json
import shutil
import sys

import numpy as np
import pytest
from powerloss import Recording, build, states
from sessions import frame_of

from ssvae_widgets import LabelingSession, LabelStore
from ssvae_widgets.io.checkpoint import load_checkpoint, save_checkpoint
from ssvae_widgets.session.journal import Journal
from ssvae_widgets.session.project import read_project
from ssvae_widgets.session.rounds import Rounds, add_round

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
N = 12
IMAGES = np.random.default_rng(0).random((N, 3, 3)).astype(np.float32)


def crash_everywhere(recording, tmp_path, check, step):
    "Rebuild every state at every `step`-th moment; `check(folder, calls)` says what is wrong, or nothing."
    seen, bad = set(), []
    for upto in range(1, len(recording.ops) + 1, step):
        for what, found in states(recording.ops, upto, recording.root):
            key = hash((upto, tuple(sorted(found.items(), key=lambda kv: kv[0]))))
            if key in seen:
                continue
            seen.add(key)
            there = build(found, recording.root, tmp_path / f"s{len(seen)}")
            try:
                said = check(there, upto)
            except Exception as error:
                said = repr(error)
            if said:
                bad.append((upto, recording.ops[upto - 1][:1], what, said))
            shutil.rmtree(there)
    assert not bad, bad[:10]
    return len(seen)


def one_of(acks, upto, found):
    "Whether this is what was said to be saved last, or what came right after."
    past = [content for n, content in acks if n <= upto]
    following = [content for n, content in acks if n > upto][:1]
    return "" if found in [*past[-1:], *following] else f"{found} is neither {past[-1:]} nor {following}"


@linux
def test_labels(tmp_path, count):
    root = tmp_path / "w"
    root.mkdir()
    acks = [(0, ([-1] * N, {}, {}))]

    def all_of(store):
        return store.codes.tolist(), store.flags.rows, store.flags.notes

    with Recording(root) as rec:
        s = LabelStore(root / "labels.csv", N, classes=3, poll=3600)

        def ack():
            acks.append((len(rec.ops), all_of(s)))

        s.set([0], 1)
        ack()
        s.set([1, 2], 2)
        ack()
        s.undo()
        ack()
        s.redo()
        ack()
        s.flush()
        s.set([5], 0)
        ack()
        s.flag([2, 7], "star")
        ack()
        s.note(7, "why?")
        ack()
        s.compact(keep=1)
        ack()
        s.set([6], 1)
        ack()
        s.flag(7, "star", on=False)
        ack()
        s.close()

    def check(there, upto):
        with LabelStore(there / "labels.csv", N, classes=3, poll=3600) as store:
            return one_of(acks, upto, all_of(store))

    assert crash_everywhere(rec, tmp_path, check, count(3, 1)) > count(50, 150)


@linux
def test_checkpoint(tmp_path, count):
    root = tmp_path / "w"
    root.mkdir()
    acks = [(0, None)]
    with Recording(root) as rec:
        for k in range(3):
            save_checkpoint(root / "m.ckpt", {"w": np.full(50, k)}, {"k": k})
            acks.append((len(rec.ops), k))

    def check(there, upto):
        found = None
        if (there / "m.ckpt").exists():
            arrays, meta = load_checkpoint(there / "m.ckpt")
            found = meta["k"] if (arrays["w"] == meta["k"]).all() else "torn"
        return one_of(acks, upto, found)

    assert crash_everywhere(rec, tmp_path, check, 1) > 30


def add(s, k):
    frame = frame_of(s, k)
    add_round(s.rounds, frame, lambda path: save_checkpoint(path, {"w": np.full(9, k)}, {"epoch": k}))
    s.record.add("round", number=frame.number)


def rounds_in(folder):
    "Frames, weights and recorded rounds, each of which must be whole."
    rounds = Rounds(folder, N)
    frames = [rounds[k].epochs for k in range(len(rounds))]
    weights = [int(load_checkpoint(rounds.path(k, "ckpt"))[0]["w"][0]) for k in rounds.weights()]
    return frames, weights, [e["number"] for e in Journal(folder / "record.jsonl").events if e["event"] == "round"]


@linux
def test_session_folder(tmp_path, count):
    root = tmp_path / "w"
    root.mkdir()
    acks = [(0, [])]
    with Recording(root) as rec:
        s = LabelingSession(IMAGES, root / "labels.csv", classes=3)
        s.instant = False
        s.label([0], 1)
        s.files.claim()
        for k in (1, 2, 3):
            add(s, k)
            s.keep_view(k=k)
            s.state.write()
            acks.append((len(rec.ops), [*range(1, k + 1)]))
        s.close()

    def check(there, upto):
        known = [content for n, content in acks if n <= upto][-1]
        folder = there / "labels.csv.session"
        frames, weights, recorded = rounds_in(folder) if folder.is_dir() else ([], [], [])
        state = json.loads((folder / "state.json").read_text()) if (folder / "state.json").exists() else {}
        if not (set(known) <= set(frames) and set(known) <= set(weights) and {k - 1 for k in known} <= set(recorded)):
            return f"{known} was kept, {frames}, {weights}, {recorded} is there"
        if known and state["view"]["k"] < known[-1]:
            return f"an older state: {state['view']}"
        with LabelingSession(IMAGES, there / "labels.csv", classes=3) as again:
            return (
                ""
                if not known or (again.n_labeled == 1 and {f["epochs"] for f in again.rounds.facts} >= set(known))
                else f"{again!r}"
            )

    assert crash_everywhere(rec, tmp_path, check, count(9, 1)) > count(20, 200)


@linux
def test_project(tmp_path, count):
    home, root = tmp_path / "home", tmp_path / "w"
    root.mkdir(), home.mkdir()
    acks = [(0, None)]

    def found_in(project):
        if not (project / "project.json").exists() and not (project / ".project-saved").exists():
            return None
        epochs = read_project(project)["epochs"]
        with LabelStore(project / "labels.csv", N, poll=3600) as store:
            codes = store.codes.tolist()
        return epochs, codes, (project / "columns.npz").read_bytes(), rounds_in(project / "labels.csv.session")

    with LabelingSession(IMAGES, home / "labels.csv", classes=3) as s:
        s.instant = False
        s.files.claim()
        with Recording(root) as rec:
            for k in (1, 2):
                s.label([k], k)
                add(s, k)
                s.epochs = k
                s.save(root / "project", more={"columns.npz": b"columns %d" % k})
                acks.append(
                    (
                        len(rec.ops),
                        (k, s.codes.tolist(), b"columns %d" % k, ([*range(1, k + 1)], [*range(1, k + 1)], [*range(k)])),
                    )
                )
    assert crash_everywhere(
        rec, tmp_path, lambda there, upto: one_of(acks, upto, found_in(there / "project")), count(9, 1)
    ) > count(40, 400)
