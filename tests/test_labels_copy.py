"A second home for labels: the whole history goes along, and nothing that lies there is lost."

import json

import numpy as np
import pytest

from ssvae_widgets.data.fingerprints import fingerprint
from ssvae_widgets.labels.csv_table import LabelFileError
from ssvae_widgets.labels.store import LabelStore, OtherDataError
from ssvae_widgets.session.session import LabelingSession

IMAGES = np.random.default_rng(0).random((40, 4, 4)).astype(np.float32)


def store_at(path, **kw):
    return LabelStore(path, 40, ["cat", "dog"], fingerprint(IMAGES), **kw)


@pytest.mark.parametrize("name", ["labels.csv", "mine [1].csv", "my labels"])
def test_history_and_archives_go_along(tmp_path, name):
    there = tmp_path / "there"
    there.mkdir()
    with store_at(tmp_path / name) as store:
        for k in range(30):
            store.set(k % 7, k % 2)
        store.compact(keep=5)
        for k in range(30):
            store.set(k % 11, k % 2)
        store.compact(keep=5)
        store.undo()
        store.copy_to(there / "labels.csv")
        codes, history = store.codes, store.history(3)
    with store_at(there / "labels.csv") as copied:
        assert (copied.codes == codes).all() and copied.can_undo and copied.can_redo
        assert [(h["seq"], h["label"]) for h in copied.history(3)] == [(h["seq"], h["label"]) for h in history] and len(
            history
        ) > 5
        copied.set(20, "cat")
        copied.compact(keep=2)
        assert len(copied.history(3)) == len(history)


def test_a_link_to_a_log_elsewhere_is_followed(tmp_path):
    real, here, there = tmp_path / "real", tmp_path / "here", tmp_path / "there"
    for folder in (real, here, there):
        folder.mkdir()
    (here / "labels.csv.log.jsonl").symlink_to(real / "a.jsonl")
    with store_at(here / "labels.csv") as store:
        for k in range(20):
            store.set(k, "cat")
        store.compact(keep=3)
        store.copy_to(there / "labels.csv")
    with store_at(there / "labels.csv") as copied:
        assert copied.n_labeled == 20 and len(copied.history(2)) == 1


def test_again_and_again(tmp_path):
    (tmp_path / "there").mkdir()
    with store_at(None) as store:
        for k in range(3):
            store.set(k, "dog")
            store.copy_to(tmp_path / "there" / "labels.csv")
            assert store.lacks(tmp_path / "there" / "labels.csv") == 0
    with store_at(tmp_path / "there" / "labels.csv") as copied:
        assert copied.n_labeled == 3


@pytest.mark.parametrize("what", ["a label", "an edited spreadsheet", "a spreadsheet without a log", "another store"])
def test_labels_that_lie_there_are_not_replaced(tmp_path, what):
    there = tmp_path / "there"
    there.mkdir()
    target = there / "labels.csv"
    with store_at(tmp_path / "labels.csv") as store:
        store.set([1, 2], "cat")
        if what in ("a label", "an edited spreadsheet"):
            store.copy_to(target)
        if what == "a label":
            with store_at(target) as other:
                other.set(9, "dog")
        elif what == "another store":
            with store_at(target) as other:
                other.set([1, 2], "cat")
        elif what == "an edited spreadsheet":
            target.write_text(target.read_text() + "9,1\n")
        else:
            target.write_text("serial,label\n9,dog\n")
        with pytest.raises(LabelFileError, match="open those labels instead"):
            store.copy_to(target)
        assert store.lacks(target) > 0
    with store_at(target) as kept:
        assert kept.codes[9] == 1 or what == "another store" and kept.n_labeled == 2


def test_what_was_labeled_there_while_it_is_replaced_comes_back(tmp_path):
    target = tmp_path / "there.csv"
    with store_at(tmp_path / "labels.csv") as store:
        store.set([1, 2], "cat")
        store.copy_to(target)
        with store_at(target) as open_there:
            said, lacks = [], LabelStore.lacks

            def late(self, path):
                n = lacks(self, path)
                said.append(open_there.set(9, "dog").saved)
                return n

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(LabelStore, "lacks", late)
                store.copy_to(target)
            open_there.sync()
            assert said == [True] and open_there.codes[9] == 1 and open_there.flush()
    with store_at(target) as again:
        assert again.codes[9] == 1 and again.codes[1] == 0


def test_labels_of_other_data_are_refused(tmp_path):
    with LabelStore(tmp_path / "there.csv", 40, None, fingerprint(IMAGES + 1)) as other:
        other.set(3, 1)
    with store_at(None) as store, pytest.raises(OtherDataError, match="another data set"):
        store.copy_to(tmp_path / "there.csv")


def test_labels_the_disk_refused_are_copied_too(tmp_path, monkeypatch):
    import ssvae_widgets.labels.log as log

    (tmp_path / "there").mkdir()
    with store_at(tmp_path / "labels.csv") as store:
        store.set(1, "cat")

        def full(fd, data):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(log, "append_bytes", full)
        assert not store.set(2, "dog").saved
        store.copy_to(tmp_path / "there" / "labels.csv")
        monkeypatch.undo()
    with store_at(tmp_path / "there" / "labels.csv") as copied:
        assert copied.codes[2] == 1


def test_a_drive_without_locks(tmp_path, monkeypatch):
    import filelock

    monkeypatch.setattr(
        filelock.FileLock,
        "acquire",
        lambda *a, **kw: (_ for _ in ()).throw(NotImplementedError("FileSystem does not appear to support flock")),
    )
    (tmp_path / "there").mkdir()
    with store_at(tmp_path / "labels.csv") as store:
        for k in range(9):
            store.set(k, "cat")
        store.compact(keep=2)
        store.copy_to(tmp_path / "there" / "labels.csv")
    with store_at(tmp_path / "there" / "labels.csv") as copied:
        assert copied.n_labeled == 9


def test_a_project_folder_with_labels_of_its_own_is_left_alone(tmp_path):
    with LabelingSession(IMAGES, classes=["cat", "dog"]) as session:
        session.label([1, 2], 0)
        session.save(tmp_path / "project")
    with LabelingSession.open(tmp_path / "project") as other:
        other.label(9, 1)
    with LabelingSession(1 - IMAGES, classes=["cat", "dog"]) as stranger, pytest.raises(OtherDataError):
        stranger.save(tmp_path / "project")
    with LabelingSession(IMAGES, classes=["cat", "dog"]) as session:
        session.label(3, 0)
        before = {
            p: p.read_bytes() for p in (tmp_path / "project").iterdir() if p.is_file() and p.suffix not in (".lock",)
        }
        with pytest.raises(FileExistsError, match="that this session does not have: open it"):
            session.save(tmp_path / "project")
    for path, data in before.items():
        assert path.read_bytes() == data, path
    with LabelingSession.open(tmp_path / "project") as again:
        assert again.codes[9] == 1 and again.codes[1] == 0
        assert json.loads((again.save(tmp_path / "project") / "project.json").read_text())["classes"] == ["cat", "dog"]
