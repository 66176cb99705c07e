"""Trials that fork, kill and count; run by the tests as `python trials.py NAME FOLDER JSON` and useful by hand."""

import json
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np
from faultlib import CALLS, Injector

from ssvae_widgets.io.checkpoint import load_checkpoint, save_checkpoint
from ssvae_widgets.labels.csv_table import parse_csv
from ssvae_widgets.labels.store import LabelStore

N, K = 2000, 10


class Model:
    "What labels should be: a dictionary, and two stacks of its former states."

    def __init__(self):
        self.now, self.past, self.future = {}, [], []

    def apply(self, op):
        kind, *rest = op
        if kind == "set":
            self.past.append(dict(self.now))
            self.future.clear()
            for s in rest[0]:
                if rest[1] is None:
                    self.now.pop(s, None)
                else:
                    self.now[s] = rest[1]
        elif kind == "undo" and self.past:
            self.future.append(self.now)
            self.now = self.past.pop()
        elif kind == "redo" and self.future:
            self.past.append(self.now)
            self.now = self.future.pop()

    def copy(self):
        m = Model()
        m.now, m.past, m.future = dict(self.now), [dict(p) for p in self.past[-3:]], [dict(p) for p in self.future[-3:]]
        return m


def labels_of(store):
    return {int(i): int(store.codes[i]) for i in np.flatnonzero(store.codes >= 0)}


def random_op(rng):
    r = rng.random()
    if r < 0.6:
        return ["set", [rng.randrange(N)], rng.randrange(K)]
    if r < 0.7:
        return ["set", rng.sample(range(N), 400), rng.randrange(K)]
    if r < 0.8:
        return ["set", rng.sample(range(N), 3), None]
    return ["undo"] if r < 0.92 else ["redo"]


def do(store, op):
    if op[0] == "set":
        return store.set(op[1], op[2], source="key")
    return store.undo() if op[0] == "undo" else store.redo()


def fork(child):
    "Run `child(write)` in a fork; `write` sends lines to the parent."
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        code = 1
        try:
            child(lambda x: os.write(w, (json.dumps(x) + "\n").encode()))
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(w)
    return pid, r


def lines(fd):
    with os.fdopen(fd, "rb") as f:
        return [json.loads(x) for x in f.read().split(b"\n")[:-1]]


def kill_labels(folder, trials=20, seed=0):
    "SIGKILL at a random instant while labeling with a busy export; every confirmed gesture must be there."
    rng = random.Random(seed)
    path, model = folder / "labels.csv", Model()
    out = {"trials": 0, "kills": 0, "confirmed": 0, "lost": 0, "torn": 0, "csv_bad": 0, "in_flight_kept": 0}
    for trial in range(trials):
        if trial % 10 == 0:
            for f in folder.iterdir():
                f.unlink()
            model = Model()

        s = rng.random()

        def victim(say, s=s):
            r = random.Random(s)
            store = LabelStore(path, N, classes=K, poll=0.002, export_after=0.001)
            say("ready")
            while True:
                op = random_op(r)
                say(["try", op])
                g = do(store, op)
                if g is None or g.saved:
                    say("ok")

        pid, fd = fork(victim)
        wait = rng.uniform(0, 0.12) if trial % 2 else rng.uniform(0, 0.02)
        head = b""
        while head.count(b"\n") < 1 + 8 * (trial % 2):
            head += os.read(fd, 1)  # every other one has confirmed four gestures
        time.sleep(wait)
        os.kill(pid, signal.SIGKILL)
        said = [json.loads(x) for x in head.splitlines()[1:]] + lines(fd)
        _, status = os.waitpid(pid, 0)
        out["trials"] += 1
        out["kills"] += os.WIFSIGNALED(status)
        pending = None
        for x in said:
            if x == "ok":
                model.apply(pending)
                pending = None
                out["confirmed"] += 1
            else:
                pending = x[1]
        later = model.copy()
        if pending:
            later.apply(pending)
        if path.exists():  # the export is whole, whichever it is
            found = parse_csv(path.read_bytes(), N, {str(k): k for k in range(K)}.get)
            out["csv_bad"] += bool(found.problems) or not path.read_bytes().endswith(b"\n")
        with LabelStore(path, N, classes=K, poll=3600) as store:
            have = labels_of(store)
            out["torn"] += len(store.log.file.damaged) if store.log.file.fd is not None else 0
        if have != model.now:
            if have == later.now:
                model.apply(pending)
                out["in_flight_kept"] += 1
            else:
                out["lost"] += 1
                print("LOST", trial, len(set(model.now.items()) - set(have.items())), pending, file=sys.stderr)
        elif pending and later.now == model.now:  # cannot tell whether it counted: start over
            for f in folder.iterdir():
                f.unlink()
            model = Model()
    return out


def scenario(path, say, model, heal=None):
    "Open, label, lasso, undo, edit classes, compact, flush: everything that touches the disk, in a fixed order."
    store = LabelStore(path, N, classes=K, poll=3600)
    store.ticker.wake()
    for op in (
        ["set", [1], 3],
        ["set", [2], 4],
        ["set", list(range(10, 40)), 5],
        ["undo"],
        ["redo"],
        ["set", [1], None],
    ):
        say(["try", op])
        g = do(store, op)
        model.apply(op)
        assert g is not None and labels_of(store) == model.now, op  # in memory at once, saved or not
        if g.saved:
            say("ok")
        else:
            say("no")
            assert store.status == "not saved" and store.message.startswith("Not saved"), store.message
    store.flush()
    try:
        store.compact(keep=2)
    except ValueError:
        pass
    op = ["set", [7], 1]
    say(["try", op])
    g = do(store, op)
    model.apply(op)
    if g.saved:
        say("ok")
    store.flush()
    if heal:
        heal()
        assert store.flush(), store.message
        assert store.saved and labels_of(store) == model.now
    store.close()
    return store


def fail_at_every_call(folder, how="error", sticky=False, step=1, code=28, calls=CALLS):
    """Make system call number N fail, for every N; labels stay in memory, `not saved` is shown, and after healing
    everything is on the disk."""
    out = {"calls": 0, "failures": 0, "opens_refused": 0, "lost": 0, "kinds": {}}
    at = 1
    while True:
        path = folder / f"run{at}" / "labels.csv"
        path.parent.mkdir()
        old = {} if at % 3 else {100: 2}  # sometimes there is an old file
        if old:
            path.write_text("Serial,label\n100,2.0\n")
        model = Model()
        model.now = dict(old)
        inj = Injector(at, how, code, sticky, calls)
        try:
            with inj:
                scenario(path, lambda x: None, model, inj.heal)
        except ValueError as e:  # LabelFileError: opening was refused with a sentence
            out["opens_refused"] += 1
            assert str(e).endswith("."), e
            model = None
        if inj.hit:
            out["failures"] += 1
            out["kinds"][inj.where] = out["kinds"].get(inj.where, 0) + 1
        with LabelStore(path, N, classes=K, poll=3600) as store:
            if model is not None and labels_of(store) != model.now:
                out["lost"] += 1
                print("LOST at", at, inj.where, file=sys.stderr)
        if inj.n < at:
            break
        out["calls"] = at
        at += step
    return out


def kill_at_every_call(folder, step=1):
    "SIGKILL at system call number N (in the middle of it, if it is a write), for every N."
    out = {"calls": 0, "kills": 0, "lost": 0, "csv_bad": 0, "leftovers": 0}
    at = 1
    while True:
        path = folder / f"kill{at}" / "labels.csv"
        path.parent.mkdir()
        path.write_text("Serial,label\n100,2.0\n")

        def victim(say, at=at, path=path):
            model = Model()
            model.now = {100: 2}
            with Injector(at, "kill"):
                scenario(path, say, model)

        pid, fd = fork(victim)
        said = lines(fd)
        _, status = os.waitpid(pid, 0)
        killed = os.WIFSIGNALED(status)
        assert killed or os.WEXITSTATUS(status) == 0, (at, status)
        model, pending = Model(), None
        model.now = {100: 2}
        for x in said:
            if x == "ok":
                model.apply(pending)
                pending = None
            else:
                pending = x[1]
        later = model.copy()
        if pending:
            later.apply(pending)
        out["csv_bad"] += not path.exists() or bool(
            parse_csv(path.read_bytes(), N, {str(k): k for k in range(K)}.get).problems
        )
        with LabelStore(path, N, classes=K, poll=3600) as store:
            if labels_of(store) not in (model.now, later.now):
                out["lost"] += 1
                print("LOST at", at, labels_of(store), model.now, file=sys.stderr)
            store.set(5, 1)
        out["leftovers"] += sum(f.name.endswith((".tmp", ".held")) for f in path.parent.iterdir())
        if not killed:
            break
        out["calls"] = at
        out["kills"] += 1
        at += step
    return out


def full_disk(folder, step=37):
    "RLIMIT_FSIZE: the disk is full after every number of bytes; then there is room again."
    out = {"limits": 0, "not_saved_shown": 0, "confirmed": 0, "lost": 0, "not_healed": 0}
    limit = 0
    while True:
        path = folder / f"full{limit}" / "labels.csv"
        path.parent.mkdir()

        def victim(say, limit=limit, path=path):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            store = LabelStore(path, N, classes=K, poll=3600)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            refused = 0
            for i in range(12):
                g = store.set([i] if i % 4 else list(range(i, i + 30)), i % K)
                refused += not g.saved
                assert g.saved == (store.status == "saved") and store.codes[i] == i % K
                if g.saved:
                    say(["ok", i])
                else:
                    assert (
                        "not saved" == store.status
                        and "size limit" in store.message
                        or "full" in store.message
                        or "may not grow" in store.message
                    ), store.message
            store.flush()
            say(["refused", refused])
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            say(["healed", store.flush() and store.saved])
            if refused:
                assert store.message.startswith("Saved again"), store.message
            os._exit(0)

        pid, fd = fork(victim)
        said = lines(fd)
        _, status = os.waitpid(pid, 0)
        assert status == 0, (limit, status)
        refused = dict(x for x in said if x[0] != "ok")
        out["limits"] += 1
        out["confirmed"] += sum(x[0] == "ok" for x in said)
        out["not_saved_shown"] += refused["refused"] > 0
        out["not_healed"] += not refused["healed"]
        expected = {}
        for i in range(12):
            expected.update({s: i % K for s in ([i] if i % 4 else range(i, i + 30))})
        with LabelStore(path, N, classes=K, poll=3600) as store:
            out["lost"] += labels_of(store) != expected
        if not refused["refused"]:
            break
        limit += step
    return out


def race_labels(folder, per=100, writers=2, compact=False, seed=0):
    "Several processes label at the same time, also the same rows; the union is kept and all views agree."
    path = folder / "labels.csv"

    def writer(say, k):
        store = LabelStore(path, N * 10, classes=K, poll=0.05)
        rng = random.Random(seed * 100 + k)
        say(["start", k])
        for i in range(per):
            row = 1000 * (k + 1) + i % 1000 if i % 5 else rng.randrange(50)  # every fifth on common rows
            g = store.set(row, rng.randrange(K))
            assert g.saved, g.message
            say(["ok", g.id, row, int(store.codes[row])])
        done, want = time.monotonic(), per * writers
        while store.seq < want and time.monotonic() - done < 60:
            time.sleep(0.01)
        say(["end", store.seq, time.time()])
        store.flush()
        say(["view", labels_of(store)])
        store.close()

    began, procs = time.time(), [fork(lambda say, k=k: writer(say, k)) for k in range(writers)]
    compactions = 0
    while compact and time.time() - began < 300:
        alive = [
            p for p, _ in procs if Path(f"/proc/{p}").exists() and b") Z" not in Path(f"/proc/{p}/stat").read_bytes()
        ]
        if not alive:
            break
        if path.with_name("labels.csv.log.jsonl").exists():
            with LabelStore(path, N * 10, classes=K, poll=3600) as store:
                compactions += store.compact(keep=20) is not None
        time.sleep(0.05)
    said = [lines(fd) for _, fd in procs]
    for pid, _ in procs:
        assert os.waitpid(pid, 0)[1] == 0
    views = [dict((int(k), v) for k, v in x[-1][1].items()) for x in said]
    ends = [x[-2][2] for x in said]
    with LabelStore(path, N * 10, classes=K, poll=3600) as store:
        ids = set(store.past.whole().entries)
        confirmed = [x for w in said for x in w if x[0] == "ok"]
        final = labels_of(store)
        csv = parse_csv(path.read_bytes(), N * 10, {str(k): k for k in range(K)}.get)
    return {
        "writers": writers,
        "confirmed": len(confirmed),
        "lost": sum(x[1] not in ids for x in confirmed),
        "views_agree": all(v == final for v in views),
        "seq": store.seq,
        "csv_agrees": dict(zip(csv.serials.tolist(), csv.codes.tolist())) == final,
        "converged_after_s": round(max(ends) - min(ends), 3),
        "seconds": round(time.time() - began, 2),
        "compactions": compactions,
    }


def kill_checkpoint(folder, trials=20, seed=0, mb=2):
    "SIGKILL while a checkpoint is replaced in a hot loop: the file is always one that was completely written."
    rng, path = random.Random(seed), folder / "model.ckpt"
    save_checkpoint(path, {"w": np.zeros(mb << 18, np.float32)}, {"step": 0})
    out = {"trials": 0, "kills": 0, "corrupt": 0, "went_back": 0, "leftovers": 0}
    for _ in range(trials):
        start = load_checkpoint(path)[1]["step"]

        def victim(say, start=start):
            say("ready")
            for step in range(start + 1, start + 10_000):
                save_checkpoint(path, {"w": np.full(mb << 18, step, np.float32)}, {"step": step})
                say(step)

        pid, fd = fork(victim)
        os.read(fd, 8)
        time.sleep(rng.uniform(0, 0.06))
        os.kill(pid, signal.SIGKILL)
        confirmed = [x for x in lines(fd) if isinstance(x, int)]
        out["trials"] += 1
        out["kills"] += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        try:
            arrays, meta = load_checkpoint(path)
        except ValueError as e:
            out["corrupt"] += 1
            print(e, file=sys.stderr)
            continue
        out["corrupt"] += bool((arrays["w"] != meta["step"]).any())
        out["went_back"] += meta["step"] < max([start, *confirmed])
    save_checkpoint(path, {}, {"step": 1 << 30})
    out["leftovers"] = len(list(folder.iterdir())) - 1
    return out


def fail_checkpoint_at_every_call(folder, how="error"):
    "System call number N fails while a checkpoint is replaced: the old one stays, the error is a sentence."
    path, out, at = folder / "model.ckpt", {"calls": 0, "failures": 0, "damaged": 0}, 1
    while True:
        save_checkpoint(path, {"w": np.zeros(9)}, {"step": 0})
        with Injector(at, how) as inj:
            try:
                save_checkpoint(path, {"w": np.ones(9)}, {"step": 1})
                failed = False
            except ValueError as e:
                failed = True
                assert "could not be written" in str(e)
        arrays, meta = load_checkpoint(path)
        out["damaged"] += bool((arrays["w"] != meta["step"]).any()) or len(
            [f for f in folder.iterdir() if f.suffix == ".tmp"]
        ) > (inj.where == "unlink")
        out["failures"] += failed
        if inj.n < at:
            break
        out["calls"] = at
        at += 1
    return out


if __name__ == "__main__":
    name, folder, kw = (
        sys.argv[1],
        Path(sys.argv[2]) / sys.argv[1],
        json.loads(sys.argv[3] if len(sys.argv) > 3 else "{}"),
    )
    folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps(globals()[name](folder, **kw)))
