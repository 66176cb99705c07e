"""A session as a data set of FiftyOne: with the real package where it and its database are, else with a stand-in that
keeps what it is given."""

import importlib.util
import os
import sys
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from ssvae_widgets import LabelingSession, load_digits
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.session import fiftyone as door


class Kept(dict):
    __getattr__ = dict.__getitem__


class Dataset:
    there: dict = {}

    def __init__(self, name, persistent=False):
        self.name, self.samples, Dataset.there[name] = name, [], self

    def add_samples(self, samples, progress=None):
        self.samples += samples

    def save(self):
        pass

    def __iter__(self):
        return iter(self.samples)


@pytest.fixture(params=["real", "stand-in"])
def fiftyone(request, monkeypatch):
    if request.param == "real":
        if importlib.util.find_spec("fiftyone") is None or not os.environ.get("FIFTYONE_DATABASE_URI"):
            pytest.skip("fiftyone and FIFTYONE_DATABASE_URI, a database of it, run this test")
        import fiftyone

        yield fiftyone
        for name in ("ours",):
            if fiftyone.dataset_exists(name):
                fiftyone.delete_dataset(name)
        return
    module = ModuleType("fiftyone")
    Dataset.there = {}
    module.Dataset, module.dataset_exists = Dataset, lambda name: name in Dataset.there
    module.Classification = module.Sample = lambda **told: Kept(told)
    monkeypatch.setitem(sys.modules, "fiftyone", module)
    monkeypatch.setattr(door, "missing", lambda *_: "")
    yield module


def test_everything_said_is_there(fiftyone, tmp_path):
    images, truth = load_digits(binarize=False)
    images, truth = images[:40], truth[:40]
    with LabelingSession(images, truth=truth, annotator="ann") as session:
        session.duplicates.find()  # now, not in the middle of what follows
        for k in range(10):
            session.label(np.flatnonzero(truth == k)[:2], k)
        session.label(30, 3, source="agent")
        session.flag([5, 6], "star"), session.flag(7, "exclude"), session.note(6, "odd")
        assert session.wait(60, late=True)
        made = door.to_fiftyone(session, "ours", tmp_path / "pictures")
        with pytest.raises(ArgumentError, match="already"):
            door.to_fiftyone(session, "ours", tmp_path / "pictures")
        rows = {sample["row"]: sample for sample in made}
        assert sorted(rows) == [r for r in range(40) if r != 7]
        for row, sample in rows.items():
            code = session.codes[row]
            said = sample["ground_truth"] if code >= 0 else None
            if said is not None:
                source = "agent" if row == 30 else "person"
                assert (said["label"], said["annotator"], said["source"]) == (str(code), "ann", source)
            assert sample["prediction"]["label"] == str(session.pred[row])
            assert sample["prediction"]["confidence"] == pytest.approx(session.certainty[row], abs=1e-6)
            assert list(sample["tags"]) == (["star"] if row in (5, 6) else [])
            assert (np.asarray(Image.open(sample["filepath"])) == session.pictures[row]).all()
        assert rows[6]["note"] == "odd" and made.default_classes == [str(k) for k in range(10)]


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(door, "missing", lambda *_: "it needs the package fiftyone")
    with LabelingSession(np.zeros((4, 5, 5))) as session, pytest.raises(ArgumentError, match="package fiftyone"):
        door.to_fiftyone(session, "x", "unused")
