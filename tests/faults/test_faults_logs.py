"""C of the failure list: logs of labels with a right checksum whose content is odd or made to do harm.

They open with all that is good, and say what was left out, or are refused in one sentence; in a time that the length
of the file explains.
"""

import copy
import json
import shutil
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from ssvae_widgets.errors import SSVAEWidgetsError
from ssvae_widgets.labels.exchange import label_table
from ssvae_widgets.labels.line import MAX_DEPTH, decode_line, decode_lines, encode_line, fault
from ssvae_widgets.labels.snapshot import where_to_cut
from ssvae_widgets.labels.store import LabelFileError, LabelStore

N = 30
SAFE = range(20, 30)  # rows that the lines before the damage label, and nobody else touches
HEAD = {"id": "h", "op": "log", "format": 1, "n_items": N, "fingerprint": None, "classes": [["a", "a"], ["b", "b"]]}
FINGERPRINT = {"n_items": N, "shape": [2, 2], "dtype": "uint8", "sample_hash": "0" * 32, "full_hash": None}


def deep(n):
    value = 1
    for _ in range(n):
        value = [value]
    return value


ODD = [
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    9_999,
    99_999,
    2**31,
    2**63,
    10**30,
    10**400,
    0.5,
    -0.0,
    float("nan"),
    float("inf"),
    "",
    "x",
    "a",
    "7",
    "99999",
    "\ud800",
    "1" * 700,
    "\0",
    "..",
    "labels.csv",
    "h",
    [],
    [1],
    [[]],
    [["a"]],
    [["a", 5]],
    [["\ud800", "x"]],
    [["a", "\ud800"]],
    [[5, "c"]],
    ["x"],
    {},
    {"a": 1},
    {"a": [1]},
    {"1": "a"},
    deep(50),
    deep(150),
    deep(300),
    [None] * 3,
    [True],
    [0, 1, 2],
    ["a", "b", 3],
]


def line(record: dict) -> bytes:
    "As `encode_line`, with whatever JSON can carry."
    import zlib

    body = json.dumps(record, separators=(",", ":")).encode()[:-1]
    return body + b',"crc":"%08x"}\n' % zlib.crc32(body)


def opened(path, n=N, quiet=True, **kw):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if quiet else "error")
        return LabelStore(path, n, poll=3600, export_after=3600, **kw)


def write(folder: Path, *records) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "labels.csv.log.jsonl").write_bytes(b"".join(map(line, records)))
    return folder / "labels.csv"


def gesture(op, n, **kw):
    return {"id": f"g{n}", "op": op, **kw, "time": "2026-01-01T00:00:00.000000Z", "session": "s"}


def sets(n, row, label, **kw):
    return gesture("set", n, serials=[row], labels=[label], previous=[None], source="key", **kw)


# ---- heads


@pytest.mark.parametrize(
    "key, value",
    [
        ("classes", 5),
        ("classes", ["x"]),
        ("classes", [["a", 5]]),
        ("classes", [["a", "\ud800"]]),
        ("classes", [["\ud800", "a"]]),
        ("n_items", "30"),
        ("n_items", -1),
        ("format", "x"),
        ("format", 0.5),
        ("format", []),
        ("adopted", 5),
        ("lineage", 5),
        ("covered", "x"),
        ("facts", 5),
        ("facts", {"x": [[]]}),
        ("former", []),
        ("former", {"x": {}}),
        ("merged", [["a"]]),
        ("fingerprint", "x"),
        ("fingerprint", {"n_items": 30}),
        ("archive", 5),
        ("archive", "x"),
        ("former_items", 10**12),
        ("n_items", 10**12),
        ("moved", [[0, 0]]),
        ("moved", [[5, 0, 1], [0, 0, 1]]),
        ("id", 5),
        ("id", None),
        ("extra", deep(150)),
    ],
)
def test_an_unsound_head_is_refused_in_one_sentence(tmp_path, key, value):
    path = write(tmp_path, {**HEAD, key: value}, sets(1, 3, "a"))
    before = (tmp_path / "labels.csv.log.jsonl").read_bytes()
    for _ in range(2):
        with pytest.raises(
            LabelFileError,
            match=r"labels\.csv\.log\.jsonl cannot be used as a log of labels: line 1, .*Bring back a copy",
        ) as e:
            opened(path)
        assert "\n" not in str(e.value) and len(str(e.value)) < 600
    assert (tmp_path / "labels.csv.log.jsonl").read_bytes() == before
    with pytest.raises(LabelFileError, match="line 1"):
        LabelStore.adopt(path, N, mapping=np.arange(N))


def test_an_unsound_snapshot_is_made_good_from_its_archive(tmp_path):
    with opened(tmp_path / "labels.csv", classes=["a", "b"]) as s:
        for k in range(9):
            s.set(k, k % 2)
        s.compact(keep=0)
        s.set(20, 1)
    log = tmp_path / "labels.csv.log.jsonl"
    first, *rest = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(line({**decode_line(first), "labels": 5}) + b"".join(rest))
    with pytest.warns(UserWarning, match="first line .* was damaged"):
        s = LabelStore(tmp_path / "labels.csv", N)
    with s:
        assert s.codes[:9].tolist() == [k % 2 for k in range(9)] and s.codes[20] == 1


def test_a_newer_format_anywhere_is_refused(tmp_path):
    path = write(tmp_path, HEAD, sets(1, 3, "a"), {"id": "new", "op": "log", "format": 10**30, "classes": 5})
    with pytest.raises(LabelFileError, match=r"newer version .*whole number of about 31 digits"):
        opened(path)


def test_an_unsound_second_head_is_left_out(tmp_path):
    path = write(
        tmp_path,
        HEAD,
        sets(1, 3, "a"),
        {**HEAD, "id": "h2", "classes": 5},
        {**HEAD, "id": "h3", "classes": [["c", "c"]]},
        sets(2, 4, "c"),
    )
    with opened(path) as s:
        assert (
            s.codes[[3, 4]].tolist() == [0, 2]
            and s.classes == ["a", "b", "c"]
            and "1 line of" in s.message
            and "line 3 (log): classes is 5; expected pairs" in s.message
        )
        s.set(5, "b")
        s.compact(keep=0)
    with opened(path, quiet=False) as s:
        assert s.codes[[3, 4, 5]].tolist() == [0, 2, 1]


@pytest.mark.parametrize("first", [[], [{"id": "d", "op": "data", "n_items": N, "fingerprint": FINGERPRINT}]])
def test_a_log_without_a_head_can_be_compacted(tmp_path, first):
    path = write(tmp_path, *first, *(sets(k, k, "a") for k in range(9)))
    with opened(path, quiet=False) as s:
        s.set(11, "a")
        assert s.compact(keep=2) is not None
        s.set(9, "a")
        assert s.compact(keep=1) is not None and (s.codes[:10] == 0).all()
        s.undo()
        s.set(10, "a")
    with opened(path, quiet=False) as s:
        assert (s.codes[:9] == 0).all() and s.codes[9] == -1 and s.codes[10] == 0 and len(s.history(3)) == 1
    if first:
        with pytest.raises(LabelFileError, match="another data set"):
            opened(path, fingerprint={**FINGERPRINT, "sample_hash": "1" * 32})


# ---- lines


def test_a_label_without_previous_is_a_label(tmp_path):
    bare = {k: v for k, v in sets(1, 3, "b").items() if k != "previous"}
    with opened(write(tmp_path, HEAD, bare), quiet=False) as s:
        assert s.codes[3] == 1 and s.history(3)[0]["label"] == "b" and s.history(3)[0]["previous"] is None
        assert s.to_pandas()["previous"].tolist() == [None] and label_table(s)["label"].tolist() == ["b"]


@pytest.mark.parametrize(
    "odd, why",
    [
        (dict(sets(2, 3, "b"), serials="x"), "serials is 'x'; expected row numbers"),
        (dict(sets(2, 3, "b"), serials=[True]), "expected row numbers"),
        (dict(sets(2, 3, "b"), serials=[-1]), "expected row numbers"),
        (sets(2, 10**30, "b"), "out of range; there are 30 images"),
        (sets(2, 30, "b"), "row 30 is out of range"),
        (sets(2, 3, "99999"), "label 99999 is no class"),
        (sets(2, 3, 99_999), "a number that stands for a class is below 10000"),
        (sets(2, 3, 100_000), "expected 1 classes or null"),
        (sets(2, 3, "\ud800"), "classes or null"),
        (sets(2, 3, ""), "classes or null"),
        (dict(sets(2, 3, "b"), previous=5), "previous is 5"),
        (sets(2, 3, "b", note=deep(MAX_DEPTH + 1)), "more than 100 deep"),
        (dict(sets(2, 3, "b"), serials=[0] * 40, labels=["b"] * 40, previous=None), "it has 40 rows"),
        (gesture("undo", 2), "target is missing"),
        (gesture("undo", 2, target=["g1"]), "target is"),
        (gesture("undo", 2, target="g1", on=3), "on is 3"),
        (gesture("class", 2, classes=[["b"]]), "expected pairs"),
        (gesture("merge", 2, **{"from": None, "into": "a"}), "from is None"),
        (gesture("data", 2, fingerprint=[1]), "fingerprint is"),
        (dict(sets(2, 3, "b"), id=5), "it has no id"),
    ],
)
def test_an_odd_line_costs_itself_and_is_told(tmp_path, odd, why):
    path = write(tmp_path, HEAD, sets(1, 3, "a"), odd, sets(3, 4, "b"))
    with pytest.warns(UserWarning, match="makes no sense and was left out"):
        s = LabelStore(path, N, poll=3600)
    with s:
        assert s.codes[[3, 4]].tolist() == [0, 1] and s.n_classes == 2 and why in s.message and "\n" not in s.message
        assert len(s.to_pandas()) == 2 and s.set(5, "a").saved and s.compact(keep=0)
    with opened(path, quiet=False) as s:
        assert s.codes[[3, 4, 5]].tolist() == [0, 1, 0]


def test_an_odd_line_of_another_process_is_told(tmp_path):
    path = write(tmp_path, HEAD, sets(1, 3, "a"))
    with opened(path, quiet=False) as s:
        with open(s.log_path, "ab") as f:
            f.write(line(dict(sets(2, 4, "b"), labels=5)) + line(sets(3, 5, "b")))
        s.sync()
        assert s.codes[[3, 4, 5]].tolist() == [0, -1, 1] and "labels is 5" in s.message


def test_kept_facts_cannot_pretend(tmp_path):
    path = write(
        tmp_path,
        HEAD,
        {
            **sets(1, 3, "a"),
            "label": "zebra",
            "serial": 9,
            "on": "x",
            "after": 1,
            "note": float("nan"),
            "file": "\udcff.csv",
        },
    )
    with opened(path, quiet=False) as s:
        assert s.history(3)[0]["label"] == "a" and s.history(3)[0]["serial"] == 3
        assert (
            s.set(4, "b", on="monday").saved
            and len(s.to_pandas()) == 2
            and s.compact(keep=1)
            and s.undo()
            and s.codes[4] == -1
        )
    with opened(path, quiet=False) as s:
        assert s.codes[[3, 4]].tolist() == [0, -1]


def test_carrying_over_takes_no_more_room_than_there_are_images(tmp_path):
    path = write(tmp_path, {**HEAD, "n_items": 10**9}, sets(1, 3, "a"))
    with pytest.raises(LabelFileError, match="belongs to 1000000000 images, far more than the 30 here"):
        LabelStore.adopt(path, N)
    with pytest.raises(ValueError, match="mapping has 30 entries; the labels belong to 1000000000 images"):
        LabelStore.adopt(path, N, mapping=np.arange(N))
    bare = write(tmp_path / "bare", {k: v for k, v in HEAD.items() if k != "n_items"}, sets(1, 3, "a"))
    with LabelStore.adopt(bare, 40, mapping=np.arange(N) + 10, poll=3600) as s:
        assert s.codes[13] == 0 and s.n_labeled == 1
    late = {
        "id": "s",
        "op": "snapshot",
        "format": 1,
        "seq": 0,
        "n_items": N,
        "classes": [["a", "a"]],
        "serials": [],
        "labels": [],
        "former_log": "f.jsonl",
        "former_items": 10**9,
        "moved": [[0, 5, 10**9]],
        "covered": 0,
    }
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "f.jsonl").write_bytes(line(sets(1, 3, "a")))
    with opened(write(tmp_path / "late", late), quiet=False) as s:
        assert s.codes[8] == 0 and s.n_labeled == 1


def test_facts_of_no_row_and_merges_with_names(tmp_path):
    head = {
        "id": "s",
        "op": "snapshot",
        "format": 1,
        "seq": 0,
        "n_items": N,
        "classes": [["a", "a"], ["b", "b"]],
        "serials": [3],
        "labels": ["a"],
        "facts": {"accepted": [3, 30, 10**30]},
    }
    with opened(
        write(tmp_path, head, gesture("merge", 1, **{"from": "a", "into": "b"}, classes=5), sets(2, 4, "a")),
        quiet=False,
    ) as s:
        assert (
            s.rows_with("accepted").tolist() == [3]
            and s.codes[[3, 4]].tolist() == [1, 1]
            and s.changed_since(0).tolist() == [3, 4]
            and s.compact(keep=0)
        )
    with opened(tmp_path / "labels.csv", quiet=False) as s:
        assert s.rows_with("accepted").tolist() == [3]


def test_a_fingerprint_that_is_none():
    with pytest.raises(ValueError, match="fingerprint is a dict with the keys 'n_items'; expected what"):
        LabelStore(None, fingerprint={"n_items": 3})


def test_a_number_as_text_and_as_number_is_one_class(tmp_path):
    path = write(tmp_path, HEAD, gesture("set", 1, serials=[0, 1], labels=[7, "7"], previous=[None, None]))
    with opened(path, quiet=False) as s:
        assert s.codes[0] == s.codes[1] == s.classes.index("7")


def test_lines_cannot_reach_into_one_another():
    "A line that is two records and two lines that are one are as many as there are lines."

    def raw(body):
        import zlib

        return body + b',"crc":"%08x"}' % zlib.crc32(body)

    good = encode_line({"id": "g", "op": "set", "serials": [1], "labels": ["a"]}).rstrip()
    lines = [
        raw(b'{"id":"a","op":"x"},{"id":"b","op":"x"},{"id":"c","op":"x"'),
        raw(b'{"id":"d","op":"x","y":[{"s":"}"'),
        good,
        raw(b'{"z":"{"}],"op":"x"'),
    ]
    assert decode_lines(lines) == [None, None, decode_line(good), None]


def test_archives_in_a_circle(tmp_path):
    snapshot = {
        "id": "s",
        "op": "snapshot",
        "format": 1,
        "seq": 3,
        "n_items": N,
        "classes": [["a", "a"]],
        "serials": [1],
        "labels": ["a"],
        "archive": "labels.csv.log.20260101T000000000000-0000.jsonl",
        "covered": 10**6,
    }
    path = write(tmp_path, snapshot, sets(4, 2, "a"))
    (tmp_path / snapshot["archive"]).write_bytes(line({**snapshot, "id": "t"}) + line(sets(1, 1, "a")))
    with opened(path, quiet=False) as s:
        assert len(s.history(1)) == 1
        s.log.unsaved.append(s.log.record("set", serials=[3], labels=["a"], previous=[None]))
        s.log.file.close()
        s.sync()
        assert s.codes[[1, 2, 3]].tolist() == [0, 0, 0]


# ---- time


def lasso(n):
    return gesture("set", n, serials=list(range(N)), labels=["a"] * N, previous=[None] * N)


SHAPES = {
    "chained undos": lambda n: [sets(0, 1, "a"), *(gesture("undo", k, target=f"g{k - 1}") for k in range(1, n))],
    "undone oldest first": lambda n: [
        *(sets(k, k % N, "a") for k in range(n // 2)),
        *(gesture("undo", n + k, target=f"g{k}") for k in range(n // 2)),
    ],
    "undone below many": lambda n: [
        *(sets(k, 1, "ab"[k % 2]) for k in range(n // 3)),
        *(gesture("undo", n + k, target=f"g{k}") for k in range(n // 3)),
        *(gesture("undo" if k % 2 else "redo", 2 * n + k, target="g0") for k in range(n // 3)),
    ],
    "names toggled": lambda n: [
        *(gesture("class", k, classes=[["a", f"n{k}"]]) for k in range(n // 2)),
        *(gesture("redo" if k % 2 else "undo", n + k, target=f"g{k // 2}") for k in range(n // 2)),
    ],
    "merges toggled": lambda n: [
        *(gesture("merge", k, **{"from": f"c{k}", "into": f"c{k + 1}"}) for k in range(n // 2)),
        lasso(n),
        *(gesture("redo" if k % 2 else "undo", n + 1 + k, target=f"g{k // 2}") for k in range(n // 2)),
    ],
    "renamed": lambda n: [gesture("class", k, classes=[["a", f"n{k}"]]) for k in range(n)],
    "new classes": lambda n: [sets(k, k % N, f"c{k}") for k in range(n)],
    "new numbers": lambda n: [sets(k, k % N, min(k, 9_999)) for k in range(n)],
    "heads": lambda n: [{**HEAD, "id": f"h{k}", "classes": [[f"c{k}", f"c{k}"]]} for k in range(n)],
    "odd": lambda n: [dict(sets(k, 1, "a"), labels=5) for k in range(n)],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_twenty_thousand_lines_of_any_shape_open_at_once(tmp_path, shape, count):
    path = write(tmp_path, HEAD, sets("first", 25, "b"), *SHAPES[shape](20_000))
    start = time.process_time()
    s = opened(path)
    spent = time.process_time() - start
    with s:
        assert spent < 4, spent  # a third of a second; minutes before
        assert s.history(25)[0]["gesture"] == "gfirst"
        if shape in ("renamed", "names toggled"):
            path.write_text("Serial,label\n25,b\n3,b\n")  # from somewhere else: looked for among all earlier states
        start = time.process_time()
        assert s.flush() and (s.n_labeled > 1 or shape not in ("renamed", "names toggled"))
        s.undo()
        s.redo()
        s.compact()
        assert time.process_time() - start < 12
        codes = s.codes.copy()
    with opened(path) as s:
        assert np.array_equal(s.codes, codes)


def test_values_of_the_shapes(tmp_path):
    "Small ones of the same shapes, and what they mean."

    def labels(shape, n=12):
        with opened(write(tmp_path / shape, HEAD, *SHAPES[shape](n))) as s:
            return {k: s.classes[c] for k, c in enumerate(s.codes.tolist()) if c >= 0}, s.classes

    assert labels("chained undos")[0] == {}  # only undoing g0 counts: an undo is no gesture that can be undone
    assert labels("undone oldest first")[0] == {}
    assert labels("undone below many") == ({}, ["a", "b"])
    assert labels("undone below many", 15)[0] == {1: "a"}
    assert labels("renamed")[1] == ["n11", "b"]
    assert labels("names toggled")[1] == ["n5", "b"]
    assert labels("new numbers")[0] == {k: str(k) for k in range(12)}


@pytest.mark.parametrize("trial", range(20))
def test_where_to_cut_is_what_it_was(trial):
    "Against the definition, repeated until nothing changes."
    rng = np.random.default_rng(trial)
    records = [
        gesture(
            "undo", k, target=f"g{rng.integers(max(k, 1))}", **({"on": "s", "after": 0} if rng.random() < 0.05 else {})
        )
        if rng.random() < 0.3
        else sets(k, 1, "a")
        for k in range(60)
    ]
    place = {r["id"]: i for i, r in enumerate(records)}
    undone = {r["target"] for r in records if r["op"] == "undo"}
    left = [i for i, r in enumerate(records) if r["op"] == "set" and r["id"] not in undone]
    for keep in range(0, 70, 3):
        cut = min([max(0, len(records) - keep), *(left[-keep:] if keep else ())])
        while targets := [place[r["target"]] for r in records[cut:] if place.get(r.get("target"), cut) < cut]:
            cut = min(targets)
        cut = max([cut, *(i + 1 for i, r in enumerate(records) if "on" in r)])
        while broken := [i for i in range(cut, len(records)) if place.get(records[i].get("target"), cut) < cut]:
            cut = max(broken) + 1
        assert where_to_cut(records, keep) == cut


def test_many_lines_and_one_by_one_are_the_same():
    "A log read whole and a log followed line by line lead to the same labels, classes and past."
    from ssvae_widgets.labels.past import Namings
    from ssvae_widgets.labels.replay import Replay

    for trial in range(60):
        rng = np.random.default_rng(trial)
        a, b = Replay(8), Replay(8)
        names, records = [*"abcd"], [{**HEAD, "n_items": 8}]
        for n in range(120):
            what = rng.integers(10)
            if what < 4:
                records.append(
                    gesture(
                        "set",
                        n,
                        serials=(rows := rng.permutation(8)[: rng.integers(1, 4)].tolist()),
                        labels=rng.choice([*names, 3, None], len(rows)).tolist(),
                    )
                )
            elif what < 5:
                records.append(gesture("class", n, classes=[[str(rng.choice(names)), str(rng.choice(names))]]))
            elif what < 6:
                records.append(gesture("merge", n, **{"from": str(rng.choice(names)), "into": str(rng.choice(names))}))
            else:
                records.append(gesture("undo" if what < 8 else "redo", n, target=f"g{rng.integers(n + 1)}"))
        a.apply_all((record, True) for record in records)
        state, shown = np.full(8, -1, np.int32), []
        for r in records:
            before = b.codes.copy()
            rows = b.apply(r)
            assert {*np.flatnonzero(before != b.codes).tolist()} == {*rows.tolist()}
            shown.append((b.seq, rows))
        for _, rows, then, now in a.changes:
            assert np.array_equal(state[rows], then)
            state[rows] = now
        assert (
            np.array_equal(state, a.raw)
            and np.array_equal(a.codes, b.codes)
            and a.table.names == b.table.names
            and a.table.lookup() == b.table.lookup()
            and a.table.uids == b.table.uids
        )
        one, other = Namings(a).all(), Namings(b)
        for seq in range(0, a.seq, 7):
            moved = {row for s, rows in shown if s > seq for row in rows.tolist()}
            merged = {*Namings(a).regrouped(seq).tolist()} | {
                row for s, rows, _, _ in a.changes if s > seq for row in rows.tolist()
            }
            assert moved <= merged
        assert [(n.since, n.names, dict(n.former), n.holders.tolist()) for n in one] == [
            (n.since, n.names, dict(n.former), n.holders.tolist()) for n in other.all()
        ]


# ---- fuzz


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    "Folders with valid logs that have every kind of line."
    out = []
    for kind in ("plain", "compacted", "adopted"):
        folder = tmp_path_factory.mktemp(kind)
        path = folder / "labels.csv"
        with opened(path, classes=["a", "b", "safe"], fingerprint=None) as s:
            s.set(list(SAFE), "safe", source="lasso", accepted=True)
            s.set(0, "a", certainty=0.5)
            s.set([1, 2, 3], ["b", "a", None], certainty=[0.1, 0.2, 0.3])
            s.set(4, "b", note={"x": [1, {"y": 2}]})
            if kind == "compacted":
                s.compact(keep=2)
            if kind == "adopted":
                s.close()
                s = LabelStore.adopt(path, N, mapping=np.arange(N), poll=3600)
            s.undo()
            s.redo()
            s.rename_class("a", "A")
            s.undo()
            s.redo()
            k = s.add_class("7")
            s.set([5, 6], k)
            s.merge_classes("b", "A")
            s.clear(1)
            s.undo()
            if kind == "compacted":
                s.log.commit(
                    s.log.record("undo", target="nobody", on=s.log.replay.on, after=0, serials=[0], labels=["b"])
                )
                s.log.commit(
                    s.log.record(
                        "redo",
                        target="nobody",
                        on=s.log.replay.on,
                        after=1,
                        classes=[["a", "a"], ["b", "b"], ["safe", "safe"]],
                        former={"A": "a"},
                        merged=[],
                    )
                )
            s.close()
        with opened(path, fingerprint=FINGERPRINT) as s:
            s.set(7, "safe" if kind == "x" else "A")
            s.undo()
        records = [decode_line(b) for b in (folder / "labels.csv.log.jsonl").read_bytes().splitlines()]
        assert all(fault(r) == "" for r in records)
        safe = next(i for i, r in enumerate(records) if {*SAFE} <= {*r.get("serials", ())})
        out.append((folder, records, safe))
    return out


def places(tree, at=()):
    yield at
    for k, v in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(v, (*at, k))


def harmed(records: list[dict], rng, low: int) -> list[dict]:
    "A copy with one to four things done to lines from `low` on."
    records = copy.deepcopy(records)
    for _ in range(rng.integers(1, 5)):
        if len(records) <= low:
            break
        i, what = int(rng.integers(low, len(records))), rng.integers(12)
        if what == 0:
            records.insert(int(rng.integers(low, len(records) + 1)), copy.deepcopy(records[rng.integers(len(records))]))
        elif what == 1:
            records.append(records.pop(i))
        elif what == 2:
            records[i]["op"] = str(
                rng.choice(
                    ["set", "undo", "redo", "class", "merge", "data", "log", "snapshot", "fly", "apply", "entry", ""]
                )
            )
        elif what == 3:
            del records[i]
        elif what == 4:
            records.insert(i, {**copy.deepcopy(records[rng.integers(len(records))]), "id": f"new{rng.integers(99)}"})
        elif what == 5:
            records[i][
                str(
                    rng.choice(
                        [
                            "on",
                            "after",
                            "target",
                            "classes",
                            "archive",
                            "covered",
                            "lineage",
                            "adopted",
                            "facts",
                            "undoable",
                            "former_log",
                            "moved",
                            "label",
                            "seq",
                        ]
                    )
                )
            ] = copy.deepcopy(ODD[rng.integers(len(ODD))])
        else:
            inside = [p for p in places(records[i]) if p]
            if not inside:
                continue
            *way, key = inside[rng.integers(len(inside))]
            box = records[i]
            for k in way:
                box = box[k]
            if what == 6:
                box.pop(key)
            elif what == 7 and isinstance(box, dict):
                box[f"{key}x"] = box.pop(key)
            else:
                box[key] = copy.deepcopy(ODD[rng.integers(len(ODD))])
    return records


def use(path: Path, safe: bool, fingerprint) -> bool:  # whether it opened
    "Everything that a person would do with it; whatever goes wrong is a sentence."

    def is_safe(s):
        return not safe or all(
            s.log.replay.table.uids[p] == "safe" if p >= 0 else False for p in s.log.replay.raw[list(SAFE)].tolist()
        )

    try:
        s = opened(path, fingerprint=fingerprint)
    except SSVAEWidgetsError as e:
        assert "labels.csv" in str(e) and "\n" not in str(e) and len(str(e)) < 700, str(e)
        return False
    with s:
        assert (
            is_safe(s)
            and "\n" not in s.message
            and len(s.message) < 2_000
            and len(s.codes) == N
            and s.n_classes < 10_010
        )
        s.labels, s.counts, s.merged, s.changed_since(1), s.rows_with("accepted"), repr(s)
        for row in (0, 5, 25):
            s.history(row)
        s.to_pandas(), label_table(s)
        assert s.set(8, 0).saved if s.n_classes else True
        s.undo(), s.undo(), s.redo()
        try:
            s.compact(keep=3)
        except LabelFileError as e:
            raise AssertionError(str(e)) from e
        assert s.flush() and s.saved and is_safe(s) and (not s.n_classes or s.set(9, 0).saved)
        labels = {k: s.log.replay.table.uids[p] for k, p in enumerate(s.log.replay.codes.tolist()) if p >= 0}
    with opened(path, fingerprint=fingerprint) as s:
        assert is_safe(s) and labels == {
            k: s.log.replay.table.uids[p] for k, p in enumerate(s.log.replay.codes.tolist()) if p >= 0
        }
    return True


def fuzz(whole, tmp_path, count, seed):
    "How many of `count` harmed logs opened."
    n = 0
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        folder, records, safe = whole[i % len(whole)]
        low = safe + 1 if rng.random() < 0.8 else 0
        here = tmp_path / "x"
        shutil.copytree(folder, here)
        if rng.random() < 0.7:
            (here / "labels.csv").unlink()
        (here / "labels.csv.log.jsonl").write_bytes(b"".join(map(line, harmed(records, rng, low))))
        start = time.process_time()
        try:
            n += use(here / "labels.csv", low > 0, FINGERPRINT if rng.random() < 0.3 else None)
        except Exception as e:
            raise AssertionError(f"log {i} of seed {seed}: {type(e).__name__}: {e}") from e
        assert time.process_time() - start < 5, (seed, i)
        shutil.rmtree(here)
    return n


def test_harmed_logs_open_or_say_why(whole, tmp_path, count):
    n = count(240, 20_000)
    assert fuzz(whole, tmp_path, n, 0) > n // 2
