"""The label store against a plain dictionary: any sequence of gestures, restarts, imports and spreadsheets."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ssvae_widgets.data.names import clean_name
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.labels.store import LabelStore

N = 12
rows = st.lists(st.integers(0, N - 1), min_size=1, max_size=5)


def kept(name: str) -> str:
    "A name as it is kept; empty where it is refused."
    try:
        return clean_name(name)
    except ArgumentError:
        return ""


names = st.text(min_size=1, max_size=6).map(kept).filter(bool)


class Labels(RuleBasedStateMachine):
    "A dictionary row -> class name, with two stacks of its former states, is all that the store has to be."

    @initialize(classes=st.sampled_from([3, ["cat", "dog", "=x()"], ["0", "1", "nan"]]))
    def start(self, classes):
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "labels.csv"
        self.classes, self.used = classes, set()  # the script that opens the store never changes its list
        self.store = self.open()
        self.names = list(self.store.classes)
        self.now, self.past, self.future, self.ever, self.seq = {}, [], [], [], 0

    def open(self):
        return LabelStore(self.path, N, self.classes, poll=3600)

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    def did(self):
        self.past.append((dict(self.now), list(self.names)))
        self.future.clear()

    @rule(
        rows=rows, k=st.integers(0, 40), by_name=st.booleans(), source=st.sampled_from(["key", "lasso", "queue", "api"])
    )
    def set(self, rows, k, by_name, source):
        k %= len(self.names)
        self.did()
        g = self.store.set(rows, self.names[k] if by_name else k, source=source, model_step=k, certainty=float("nan"))
        assert g.saved
        for r in rows:
            self.now[r] = k

    @rule(rows=rows, ks=st.lists(st.integers(-1, 40), min_size=5, max_size=5))
    def set_each(self, rows, ks):
        ks = [k % len(self.names) if k >= 0 else -1 for k in ks[: len(rows)]]
        self.did()
        self.store.set(rows, ks)
        for r, k in zip(rows, ks):
            self.now.pop(r, None) if k < 0 else self.now.__setitem__(r, k)

    @rule(rows=rows)
    def clear(self, rows):
        self.did()
        self.store.clear(rows)
        for r in rows:
            self.now.pop(r, None)

    @rule()
    def undo(self):
        g = self.store.undo()
        assert (g is None) == (not self.past)
        if self.past:
            self.future.append((self.now, self.names))
            self.now, self.names = self.past.pop()

    @rule()
    def redo(self):
        g = self.store.redo()
        assert (g is None) == (not self.future)
        if self.future:
            self.past.append((self.now, self.names))
            self.now, self.names = self.future.pop()

    @rule(name=names)
    def rename(self, name):
        name = name.strip()
        if name in self.names:
            return
        self.did()
        self.used.add(self.names[0])
        self.store.rename_class(0, name)
        self.names = [name, *self.names[1:]]

    @precondition(lambda self: not self.past and not self.future)
    @rule(name=names)
    def add(self, name):
        if name.strip() in self.names or name.strip() in self.used:
            return
        assert self.store.add_class(name) == len(self.names)
        self.names.append(name.strip())

    @rule()
    def restart(self):
        self.store.close()
        self.store = self.open()

    @rule()
    def killed(self):
        "Without closing: only what was confirmed is there."
        self.store.log.close()
        self.store.ticker.wake()
        self.store = self.open()

    @rule(keep=st.integers(0, 4))
    def compact(self, keep):
        steps = len(self.past), len(self.future)
        self.store.compact(keep=keep)
        # undo reaches back as far as gestures were kept
        kept = self.store.log.replay.done.values()
        self.past = self.past[len(self.past) - len([e for e in kept if e.active]) :] if len(kept) else []
        self.future = (
            self.future[len(self.future) - len([e for e in self.store.log.replay.redone.values() if not e.active]) :]
            if self.store.log.replay.redone
            else []
        )
        assert len(self.past) >= min(keep, steps[0]) - steps[1] - 2 * keep

    @rule(
        edits=st.dictionaries(st.integers(0, N - 1), st.integers(-1, 40), min_size=1, max_size=3),
        style=st.sampled_from(["plain", "excel", "utf16", "blank"]),
    )
    def spreadsheet(self, edits, style):
        "Edit cells of the exported file; the rows that differ from now become one gesture."
        self.store.flush()
        from ssvae_widgets.labels.csv_table import guard_cell

        table = {**self.now, **{r: k % len(self.names) if k >= 0 else -1 for r, k in edits.items()}}
        if any(("\n" in n or '"' in n) for n in self.names):
            return
        cell = {k: '"' + guard_cell(n) + '"' for k, n in enumerate(self.names)} | {-1: ""}
        sep = ";" if style == "excel" else ","
        text = f"Serial{sep}label\r\n" + "".join(
            f"{r}{'.0' if style == 'blank' else ''}{sep}{cell[k]}\r\n"
            for r, k in sorted(table.items(), reverse=style == "blank")
        )
        before = {r: k for r, k in self.now.items()}
        after = {r: k for r, k in table.items() if k >= 0}
        self.path.write_bytes(
            text.encode("utf-16" if style == "utf16" else "utf-8-sig" if style == "excel" else "utf-8")
        )
        os.utime(self.path, (1e9, 1e9))  # not a moment ago, so nobody waits for its writer to finish
        self.store.flush()
        have = self.have()
        if have == after and after != before:
            self.did()
            self.now = after
        else:  # as in an earlier state: all of it, an old export, or what gives way in a sheet that was opened then
            taken, over = ({r for r in range(N) if have.get(r) != other.get(r)} for other in (before, after))
            assert all(have.get(r) == after.get(r) for r in taken)
            assert all(any(state.get(r) == after.get(r) for state in self.ever) for r in over)
            if taken:
                self.did()
                self.now = have

    def have(self):
        return {int(r): int(self.store.codes[r]) for r in np.flatnonzero(self.store.codes >= 0)}

    @invariant()
    def same(self):
        if not hasattr(self, "store"):
            return
        assert self.have() == self.now and self.store.classes == self.names and self.store.saved
        assert self.store.counts.tolist() == [sum(v == k for v in self.now.values()) for k in range(len(self.names))]
        self.ever.append(dict(self.now))
        assert self.store.seq >= self.seq
        self.seq = self.store.seq
        assert (np.isnan(self.store.labels) == (self.store.codes < 0)).all()


Labels.TestCase.settings = settings(
    max_examples=400 if os.environ.get("SSVAE_WIDGETS_FAULTS") == "full" else 25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)  # shrinking restarts the store thousands of times
TestLabels = Labels.TestCase
