"One answer to a wrong row, label, number or code, whichever door it comes to; and rows of every right kind."

import functools

import numpy as np
import pandas as pd
import pytest

from ssvae_widgets import LabelingSession, LabelStore, LatentLabeler
from ssvae_widgets.assess.acquire import find_label_issues, suggest
from ssvae_widgets.errors import ArgumentError, RowError
from ssvae_widgets.graph.propagate import Propagator, knn_graph, poisson

pytestmark = pytest.mark.usefixtures("no_first_map")


class Broken:
    def __iter__(self):
        raise ZeroDivisionError


WRONG_ROWS = [
    -1,
    [-1],
    True,
    np.True_,
    1.5,
    float("nan"),
    np.inf,
    24,
    10**400,
    -(10**400),
    "1",
    b"\x01",
    bytearray(b"\x01"),
    None,
    {},
    pd.NA,
    [1, True],
    [1, None],
    [[1]],
    ["1"],
    np.ones(23, bool),
    [True] * 25,
    np.zeros((2, 2), int),
    pd.Series([1, pd.NA], dtype="Int64"),
    pd.Series([True] * 23 + [pd.NA], dtype="boolean"),
    np.array([1 + 0j]),
    np.ma.array([1, 2], mask=[0, 1]),
    slice(2),
    range(10**12),
    Broken(),
]


@pytest.mark.parametrize("rows", WRONG_ROWS, ids=lambda v: f"{type(v).__name__} {str(v)[:20]}")
def test_wrong_rows_have_one_answer_everywhere(rows):
    images = np.random.default_rng(0).random((24, 4, 4)).astype(np.float32)
    with LabelingSession(images, None, classes=["a", "b"]) as s:
        s.label([0, 1], "a"), s.label([2], "b")
        assert s.wait(60)
        app = LatentLabeler(session=s)
        probs = np.full((24, 2), 0.5)
        doors = [
            lambda: s.label(rows, "a"),
            lambda: s.clear(rows),
            lambda: s.accept(rows),
            lambda: s.store.set(rows, "a"),
            lambda: s.suggest(2, skip=rows),
            lambda: suggest(2, "margin", codes=s.codes, probs=probs, skip=rows),
            lambda: s.point(rows),
            lambda: s.neighbors(rows),
            lambda: s.reconstruct(rows),
            lambda: app.map.focus(rows),
            lambda: app.sheet.fill(rows),
            lambda: app.sheet.reorder(rows),
            lambda: app.sheet.exclude(rows),
            lambda: app.preview.show(rows, images[0]),
        ]
        if rows is not None:
            doors += [
                lambda: setattr(app.map, "selected", rows),
                lambda: app.map.set_suggested(rows),
                lambda: s.suggest(2, within=rows),
            ]
        before = s.codes
        for door in doors:
            with pytest.raises(RowError):
                door()
        assert (s.codes == before).all() and s.seq == 2
        app.close()


@pytest.mark.parametrize(
    "kind",
    [
        "i1",
        "i2",
        "i4",
        "i8",
        "u1",
        "u2",
        "u4",
        "u8",
        "f2",
        "f4",
        "f8",
        ">i4",
        "O",
        "Int64",
        "UInt8",
        "Float64",
        "boolean",
        "index",
        "set",
        "keys",
        "generator",
        "mask",
        "masks",
    ],
)
def test_right_rows_of_every_kind(kind):
    images = np.random.default_rng(0).random((24, 4, 4)).astype(np.float32)
    rows = {
        "index": lambda: pd.Index([1, 3]),
        "set": lambda: {1, 3},
        "keys": lambda: {1: 0, 3: 0}.keys(),
        "generator": lambda: (i for i in (1, 3)),
        "mask": lambda: np.isin(np.arange(24), [1, 3]),
        "masks": lambda: [i in (1, 3) for i in range(24)],
        "boolean": lambda: pd.Series(np.isin(np.arange(24), [1, 3]), dtype="boolean"),
    }.get(
        kind, lambda: pd.Series([1, 3], dtype=kind) if kind[0].isupper() and len(kind) > 1 else np.array([1, 3], kind)
    )
    with LabelingSession(images, None, classes=["a", "b"]) as s:
        s.label(rows(), "b")
        assert np.flatnonzero(s.codes == 1).tolist() == [1, 3]
        s.suggest(3, within=rows()), s.suggest(3, skip=rows())
        assert suggest(24, "audit", codes=np.full(24, -1), within=rows()).indices.tolist() in ([1, 3], [3, 1])
        s.store.clear(rows())
        assert s.n_labeled == 0


@pytest.mark.parametrize(
    "label",
    [
        "zz",
        True,
        np.True_,
        1.5,
        2,
        -1,
        None,
        float("nan"),
        pd.NA,
        10**400,
        [0, 1],
        np.array([0, 1]),
        pd.Series([1]),
        b"a",
        {},
        "\ud800",
    ],
    ids=repr,
)
def test_what_is_no_class_is_an_argument_error(label):
    with LabelingSession(np.zeros((5, 4)), None, classes=["a", "b"]) as s:
        with pytest.raises(ArgumentError, match=r"no class|There is no class"):
            s.label([2], label)
        if label is not None:
            with pytest.raises(ArgumentError):
                s.accept([0, 1, 2], said=label)
        assert s.n_labeled == 0 and s.seq == 0


def test_class_names_are_looked_up_as_they_are_kept():
    with LabelingSession(np.zeros((5, 4)), None, classes=["é", "b"]) as s:
        for row, name in enumerate(["e\u0301", " é ", np.array("é"), np.int8(0), np.float32(0)]):
            s.label([row], name)
        assert (s.codes == 0).all()


def test_numbers_of_things_are_whole(tmp_path):
    with LabelingSession(np.random.default_rng(0).random((12, 4)), None, classes=["a", "b"]) as s:
        for n in ("1", None, True, 1.5, -1, float("nan"), [1]):
            for door, given in (
                (s.suggest, (n,)),
                (s.neighbors, (0, n)),
                (s.upcoming, (n,)),
                (s.point, (0, n)),
                (functools.partial(suggest, codes=s.codes), (n, "audit")),
            ):
                with pytest.raises(ArgumentError, match="whole number"):
                    door(*given)
        assert len(s.neighbors(0, 3.0)) == 3 and len(s.neighbors(0, 10**15)) == 11
        s.snapshot()
        for k in ("0", None, True, 1.5, 1, -2, 10**400, [0]):
            with pytest.raises(RowError):
                s.goto(k)


@pytest.mark.parametrize(
    "codes",
    [
        None,
        "x",
        [[0] * 12],
        np.zeros(12),
        np.full(12, np.nan),
        np.full(12, -2),
        np.zeros(12, bool),
        pd.Series([0] * 11 + [pd.NA], dtype="Int64"),
        np.ma.array(np.zeros(12, int), mask=np.ones(12, bool)),
        np.full(12, 10**20, dtype=object),
    ],
    ids=lambda v: f"{type(v).__name__} {str(v)[:12]}",
)
def test_odd_codes_are_an_argument_error_everywhere(codes):
    z = np.random.default_rng(0).random((12, 4)).astype(np.float32)
    for door in (
        lambda: poisson(knn_graph(z), codes, 2),
        lambda: Propagator(z, 2).update(codes),
        lambda: suggest(2, "audit", codes=codes),
        lambda: find_label_issues(codes, z=z),
    ):
        with pytest.raises(ArgumentError, match="^codes "):
            door()


def test_wrong_labels_and_counts_of_a_store_are_of_the_family():
    import jax.numpy as jnp

    with LabelStore(None, 10, ["a", "b"]) as s:
        for label in (5, -2, 0.5, True, "c", object(), [1, 2, 3], b"\xff"):
            with pytest.raises(ArgumentError):
                s.set([1, 2], label)
        s.set([2], jnp.array(1))
        s.set([2], np.float32(0))
        s.set(2, "b")
        assert (
            [h["label"] for h in s.history(2)] == ["b", "a", "b"]
            and [h["label"] for h in s.history(2, 2)] == ["a", "b"]
            and s.history(2, 0) == []
        )
        for last in ("1", 1.5, -1, True):
            with pytest.raises(ArgumentError, match="last"):
                s.history(2, last)
