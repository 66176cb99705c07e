"""A saved project and its classes: whatever is done to them while it is open, it opens again, with the labels, the
truth and the names that it had."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ssvae_widgets import LabelingSession, LabelStore, LatentLabeler
from ssvae_widgets.data.image_set import ImageSet
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.session.project import read_project

N = 8
IMAGES = np.random.default_rng(0).random((N, 4, 4)).astype(np.float32)
TRUTH = ["cat", "dog"] * (N // 2)


def new(labels=None, **kw):
    return LabelingSession(IMAGES, labels, **{"classes": ["cat", "dog"], "truth": TRUTH, "features": None, **kw})


def seen(s):
    "What must be the same after opening again."
    return s.classes, s.class_order, s.class_colors, s.codes.tolist(), s.truth.tolist()


def forget_identities(folder):
    "As earlier versions wrote the description."
    facts = json.loads((folder / "project.json").read_text())
    del facts["identities"]
    (folder / "project.json").write_text(json.dumps(facts))


CHANGES = {
    "a new class takes the saved name": (
        lambda s: s.rename_class("cat", "kitten"),
        lambda s: (s.rename_class("kitten", "lion"), s.add_class("kitten")),
    ),
    "the name beside a merged one is given up": (
        lambda s: (s.merge_classes("cat", "dog"), s.add_class("cat")),
        lambda s: s.rename_class("cat", "lion"),
    ),
    "renamed, and never saved again": (lambda s: None, lambda s: s.rename_class("cat", "kitten")),
    "deleted, and the name taken": (lambda s: s.delete_class("cat"), lambda s: s.rename_class("dog", "cat")),
}


@pytest.mark.parametrize("earlier", [False, True], ids=["saved now", "saved by an earlier version"])
@pytest.mark.parametrize("what", CHANGES)
def test_a_project_opens_after_its_classes_were_changed(tmp_path, what, earlier):
    before, after = CHANGES[what]
    with new() as s:
        s.label([1, 3], "dog"), s.label([0], "cat")
        before(s)
        s.save(tmp_path / "p")
    if earlier:
        forget_identities(tmp_path / "p")
    with LabelingSession.open(tmp_path / "p") as s:
        after(s)
        as_left = seen(s)
    for _ in range(2):
        with LabelingSession.open(tmp_path / "p") as s:
            assert seen(s) == as_left and s.truth.tolist() == [0, 1] * 4
            s.save(tmp_path / "p")


def test_names_that_changed_places_in_a_project(tmp_path):
    with new() as s:
        s.rename_class("cat", "lion"), s.label([0], "lion")
        s.save(tmp_path / "p")
    with LabelingSession.open(tmp_path / "p") as s:
        s.rename_class("lion", "x"), s.rename_class("dog", "lion"), s.rename_class("x", "dog")
        as_left = seen(s)
    with LabelingSession.open(tmp_path / "p") as s:
        assert seen(s) == as_left and s.classes == ["dog", "lion"] and s.codes[0] == 0


def test_truth_of_a_project_is_not_given_to_classes_of_another_log(tmp_path):
    "A log that was made anew has the classes in other places: that is said, as before."
    for earlier in (False, True):
        folder = tmp_path / f"p{earlier}"
        with new() as s:
            s.save(folder)
        if earlier:
            forget_identities(folder)
        for file in folder.glob("labels.csv*"):
            if file.is_file():
                file.unlink()
        with LabelStore(folder / "labels.csv", N, ["dog", "cat"]) as store:
            store.set([0], "cat")
        with pytest.raises(ArgumentError, match="in the order dog, cat"):
            LabelingSession.open(folder)


@pytest.mark.parametrize("names", [["5", "3"], ["1", "0"]])
def test_classes_named_by_numbers_keep_their_truth(tmp_path, names):
    with new(classes=names, truth=names * (N // 2)) as s:
        s.label([0], "3" if "3" in names else "0")
        s.save(tmp_path / "p")
        as_saved = seen(s)
    with LabelingSession.open(tmp_path / "p") as s:
        assert seen(s) == as_saved and s.classes == names


def test_a_project_without_classes_opens_without(tmp_path):
    names = [f"{k}.png" for k in range(N)]
    with LabelingSession(ImageSet(IMAGES, names=names), None, features=None) as s:
        s.save(tmp_path / "p")
    assert read_project(tmp_path / "p")["classes"] is None
    with LabelingSession.open(tmp_path / "p") as s:
        assert s.classes == [] and list(s.names) == names
    app = LatentLabeler.open(tmp_path / "p")
    assert app.session.classes == [] and list(app.names) == names
    app.session.add_class("cat"), app.session.label([2], "cat")
    app.close()
    with LabelingSession.open(tmp_path / "p") as s:
        assert s.classes == ["cat"] and s.codes[2] == 0 and list(s.names) == names


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["rename", "rename", "add", "merge", "delete", "label", "undo", "save", "open", "open"]),
        st.integers(0, 99),
        st.sampled_from(["cat", "dog", "eel", "fox"]),
    ),
    min_size=6,
    max_size=14,
)


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(steps=STEPS)
def test_a_project_whose_classes_change_in_any_order(tmp_path_factory, steps):
    "Each class is its code: names, labels and truth after every opening are those of a dictionary."
    folder = tmp_path_factory.mktemp("any") / "p"
    with new() as s:
        s.rename_class("cat", "fox")
        s.save(folder)
    s = LabelingSession.open(folder)
    names, labels, past = {0: "fox", 1: "dog"}, {}, [({0: "cat", 1: "dog"}, {})]
    try:
        for kind, k, name in [*steps, ("open", 0, "")]:
            code, taken = [*names][k % len(names)] if names else None, name in names.values()
            before = dict(names), dict(labels)
            if kind == "open":
                s.close()
                s = LabelingSession.open(folder)
                assert {c: s.classes[c] for c in s.class_order} == names and s.truth.tolist() == [0, 1] * 4
                assert {r: c for r, c in enumerate(s.codes.tolist()) if c >= 0} == labels
            elif kind == "save":
                s.save(folder)
            elif kind == "undo":
                assert (s.undo() is None) == (not past)
                names, labels = past.pop() if past else before
            elif kind == "add" and not taken:
                names[s.add_class(name)] = name
            elif code is None or kind == "add":
                continue
            elif kind == "rename" and not taken:
                s.rename_class(code, name)
                names[code] = name
            elif kind == "label":
                s.label([k % N], code)
                labels[k % N] = code
            elif kind == "delete" or (kind == "merge" and len(names) > 1):
                into = next((c for c in names if c != code), None)
                s.delete_class(code) if kind == "delete" else s.merge_classes(code, into)
                labels = {r: into if c == code else c for r, c in labels.items() if kind == "merge" or c != code}
                del names[code]
            else:
                continue
            if kind not in ("open", "save", "undo"):
                past.append(before)
    finally:
        s.close()
