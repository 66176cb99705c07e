"""File names are identities: a picture that is added to the folder, removed, moved or replaced changes no other label,
and nothing that was acknowledged is lost, whenever it is cut off."""

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ssvae_widgets import LabelingSession, LatentLabeler, load_images
from ssvae_widgets.data.fingerprints import fingerprint
from ssvae_widgets.errors import SSVAEWidgetsError
from ssvae_widgets.labels import picture_names
from ssvae_widgets.labels.picture_names import Pictures, names_beside, new_rows, read_record
from ssvae_widgets.labels.rejoin import OtherDataError
from ssvae_widgets.labels.store import LabelStore

pytestmark = pytest.mark.usefixtures("no_first_map")

CLASSES = ["cat", "dog"]


def draw(folder, name, seed=None):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(abs(hash(name)) if seed is None else seed).integers(0, 256, (12, 12)).astype(np.uint8)
    Image.fromarray(x).save(folder / name)


@pytest.fixture
def idle(monkeypatch):
    "No model is made in the background."
    monkeypatch.setattr(LabelingSession, "prepare", lambda self: None)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for i in range(12):
        draw(folder, f"{i:02}.png", i)
    return folder


def opened(photos, classes=CLASSES, **options):
    found = load_images(photos, class_level=None, **options)
    return LabelingSession(found, photos.parent / "labels.csv", classes=classes)


def by_name(session):
    names = session.data.names
    return {names[i]: session.classes[session.codes[i]] for i in np.flatnonzero(session.codes >= 0)}


def label(photos):
    with opened(photos) as s:
        s.label([1, 3, 5], "cat")
        s.label([7, 9], "dog")
        return by_name(s)


def rename(folder, *pairs):
    "All at once: (old name, new name)."
    held = [((folder / old).read_bytes(), new) for old, new in pairs]
    for old, _ in pairs:
        (folder / old).unlink()
    for data, new in held:
        (folder / new).write_bytes(data)


def by_content(session):
    images, codes = session.images, session.codes
    return {images[i].tobytes(): session.classes[codes[i]] for i in np.flatnonzero(codes >= 0)}


RENAMED = {
    "two swap names": lambda f: rename(f, ("01.png", "02.png"), ("02.png", "01.png")),
    "two of other classes swap names": lambda f: rename(f, ("01.png", "07.png"), ("07.png", "01.png")),
    "three in a ring": lambda f: rename(f, ("01.png", "02.png"), ("02.png", "07.png"), ("07.png", "01.png")),
    "numbered anew behind one": lambda f: rename(f, *[(f"{i:02}.png", f"{i + 1:02}.png") for i in range(8, 12)]),
    "all numbered anew": lambda f: rename(f, *[(f"{i:02}.png", f"{i + 1:02}.png") for i in range(12)]),
    "in the other order": lambda f: rename(f, *[(f"{i:02}.png", f"{11 - i:02}.png") for i in range(12)]),
    "a new one under an old name": lambda f: (rename(f, ("01.png", "old.png")), draw(f, "01.png", 100)),
    "a copy of one that has a label": lambda f: shutil.copy(f / "01.png", f / "00copy.png"),
    "one takes the name of one that went": lambda f: rename(f, ("01.png", "new.png"), ("02.png", "01.png")),
}


@pytest.mark.parametrize("change", RENAMED)
def test_labels_follow_what_a_picture_shows(change, photos, idle):
    label(photos)
    with opened(photos) as s:
        want = by_content(s)
    RENAMED[change](photos)
    for _ in range(2):
        with opened(photos) as s:
            assert by_content(s) == want


def test_pictures_that_swap_names_outside_of_the_sample_of_the_fingerprint(tmp_path, idle, monkeypatch):
    folder = tmp_path / "photos"
    for i in range(600):
        draw(folder, f"{i:03}.png", i)
    looked_at = {*np.linspace(0, 599, 256).astype(int).tolist()}
    one, other = [i for i in range(600) if i not in looked_at][:2]
    with opened(folder) as s:
        s.label([one], "cat")
        s.label([other], "dog")
        s.store.compact()
        want = by_content(s)
    rename(folder, (f"{one:03}.png", f"{other:03}.png"), (f"{other:03}.png", f"{one:03}.png"))
    with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
        m.setattr("ssvae_widgets.session.labeled_images.remember", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        opened(folder)  # carried over, and cut off before it was written down
    for _ in range(2):
        with opened(folder) as s:
            assert by_content(s) == want


def without(photos, *names):
    "What the files held; the session without them is closed again."
    held = [(photos / name).read_bytes() for name in names]
    for name in names:
        (photos / name).unlink()
    opened(photos).close()
    return held


def test_another_picture_under_the_name_of_one_that_is_gone_gets_no_label(photos, idle):
    label(photos)
    (held,) = without(photos, "01.png")
    draw(photos, "01.png", 300)
    with opened(photos) as s:
        assert "01.png" not in by_name(s)
    (photos / "found.png").write_bytes(held)
    with opened(photos) as s:
        assert by_name(s)["found.png"] == "cat" and "01.png" not in by_name(s)


def test_pictures_that_went_under_one_name_wait_each(photos, idle):
    label(photos)
    (first,) = without(photos, "01.png")
    draw(photos, "01.png", 300)
    with opened(photos) as s:
        s.label([1], "dog")
    (second,) = without(photos, "01.png")
    (photos / "a.png").write_bytes(first)
    (photos / "b.png").write_bytes(second)
    with opened(photos) as s:
        assert (by_name(s)["a.png"], by_name(s)["b.png"]) == ("cat", "dog")


def test_copies_with_different_labels_wait_until_it_is_clear(photos, idle):
    label(photos)
    shutil.copy(photos / "01.png", photos / "01b.png")
    with opened(photos) as s:
        s.label([s.data.names.index("01b.png")], "dog")
    held, _ = without(photos, "01.png", "01b.png")
    (photos / "zz.png").write_bytes(held)
    with opened(photos) as s:
        assert "zz.png" not in by_name(s)
    rename(photos, ("zz.png", "01.png"))
    (photos / "01b.png").write_bytes(held)
    with opened(photos) as s:
        assert (by_name(s)["01.png"], by_name(s)["01b.png"]) == ("cat", "dog")


def test_a_label_that_waits_is_one_of_its_class_whatever_it_is_called(photos, idle):
    label(photos)
    cat, dog = without(photos, "01.png", "07.png")
    with opened(photos) as s:
        for old, new in (("cat", "x"), ("dog", "cat"), ("x", "dog")):
            s.store.rename_class(old, new)
    (photos / "01.png").write_bytes(cat)
    with opened(photos, classes=None) as s:
        assert by_name(s)["01.png"] == "dog"
        s.store.merge_classes("cat", "dog")
    (photos / "07.png").write_bytes(dog)
    with opened(photos, classes=None) as s:
        assert by_name(s)["07.png"] == "dog"


@pytest.mark.parametrize("damage", ["half", "nested", "newer", "pipe", "folder"])
def test_a_record_in_which_labels_wait_is_kept_when_it_cannot_be_read(damage, photos, tmp_path, idle):
    want = label(photos)
    without(photos, "01.png")
    place = names_beside(tmp_path / "labels.csv")
    whole = place.read_bytes()
    place.unlink()
    if damage == "pipe":
        os.mkfifo(place)
    elif damage == "folder":
        place.mkdir()
    else:
        newer = whole.replace(b'"format": 1', b'"format": 2')
        place.write_bytes({"half": whole[: len(whole) // 2], "nested": b"[" * 200_000, "newer": newer}[damage])
    with opened(photos) as s:
        assert by_name(s) == {k: v for k, v in want.items() if k != "01.png"}
        assert "labels.csv.names.json is kept as" in s.store.message
    assert list(tmp_path.glob("labels.csv.names.json.damaged-*"))
    assert read_record(tmp_path / "labels.csv").sets


def test_a_picture_that_is_labeled_elsewhere_at_the_last_moment_waits_too(photos, tmp_path, idle, monkeypatch):
    want = label(photos)
    other = LabelStore(tmp_path / "labels.csv", fingerprint=fingerprint(load_images(photos).images))
    held, adopt = (photos / "11.png").read_bytes(), LabelStore.adopt
    (photos / "11.png").unlink()
    with monkeypatch.context() as m:
        m.setattr(LabelStore, "adopt", lambda *a, **kw: (other.set([11], "dog"), adopt(*a, **kw))[1])
        with opened(photos) as s:
            assert by_name(s) == want
    other.close()
    (photos / "11.png").write_bytes(held)
    with opened(photos) as s:
        assert by_name(s) == {**want, "11.png": "dog"}


def test_a_disk_that_is_full_carries_nothing_over_and_says_so(photos, idle, monkeypatch):
    want = label(photos)
    draw(photos, "000.png", 300)

    def full(*a):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as m, pytest.raises(SSVAEWidgetsError, match="nothing was lost"):
        m.setattr(picture_names, "write_record", full)
        opened(photos)
    with opened(photos) as s:
        assert by_name(s) == want


CHANGES = {
    "added in front": lambda f: draw(f, "00a.png", 100),
    "added behind": lambda f: draw(f, "zz.png", 100),
    "removed, without a label": lambda f: (f / "00.png").unlink(),
    "removed in the middle": lambda f: (f / "06.png").unlink(),
    "replaced": lambda f: draw(f, "04.png", 999),
    "replaced, with a label": lambda f: draw(f, "03.png", 999),
    "added and removed": lambda f: (draw(f, "a/b.png", 100), (f / "02.png").unlink()),
    "as many as before": lambda f: ((f / "11.png").unlink(), draw(f, "000.png", 100)),
    "only another size": lambda f: None,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_folder_keeps_all_labels(change, photos, idle):
    want = label(photos)
    CHANGES[change](photos)
    with opened(photos, size=(8, 8) if change.startswith("only") else None) as s:
        assert by_name(s) == want and "known by their names" in s.store.message
        s.label([0], "dog")
        want[s.data.names[0]] = "dog"
    with opened(photos, size=(8, 8) if change.startswith("only") else None) as s:
        assert by_name(s) == want and "known by their names" not in s.store.message
    former = list(photos.parent.glob("labels.csv.log.former-*"))
    assert len(former) == 1  # the former log is kept


def test_moved_and_renamed_pictures_are_found_by_their_content(photos, idle):
    want = label(photos)
    (photos / "animals").mkdir()
    for old, new in (("01.png", "animals/first.png"), ("07.png", "x.png")):
        (photos / old).rename(photos / new)
        want[new] = want.pop(old)
    with opened(photos) as s:
        assert by_name(s) == want


def test_labels_of_pictures_that_are_gone_come_back_with_them(photos, tmp_path, idle):
    want = label(photos)
    aside = tmp_path / "aside"
    shutil.copytree(photos, aside)
    for name in ("01.png", "07.png", "08.png"):
        (photos / name).unlink()
    with opened(photos) as s:
        assert by_name(s) == {k: v for k, v in want.items() if k not in ("01.png", "07.png")}
        assert "2 labels wait for theirs to come back" in s.store.message
        s.label([0], "dog")
        want["00.png"] = "dog"
    with opened(photos):
        pass
    shutil.copy(aside / "01.png", photos / "01.png")
    with opened(photos) as s:
        assert by_name(s) == {k: v for k, v in want.items() if k != "07.png"}
        s.clear([1])  # an answer of now is not overwritten later
        del want["01.png"]
    shutil.copy(aside / "07.png", photos / "07.png")
    with opened(photos) as s:
        assert by_name(s) == want
    assert read_record(tmp_path / "labels.csv").gone == {}


def test_what_is_nobodys_own_word_stays_that_when_its_picture_comes_back(photos, tmp_path, idle):
    label(photos)
    with opened(photos) as s:
        rows = {name: row for row, name in enumerate(s.names)}
        s.clear([rows[name] for name in ("02.png", "03.png", "04.png")])
        s.label(rows["02.png"], "dog", source="agent")
        s.store.set([rows["03.png"]], 0, source="key", accepted=True)
        s.label(rows["04.png"], "dog")
    kept = {name: (photos / name).read_bytes() for name in ("02.png", "03.png", "04.png")}
    for name in kept:
        (photos / name).unlink()
    with opened(photos):
        pass
    for name, data in kept.items():
        (photos / name).write_bytes(data)
    with opened(photos) as s:
        rows = {name: row for row, name in enumerate(s.names)}
        assert s.data.by_agents.tolist() == [rows["02.png"]]
        assert s.data.no_judges.tolist() == [rows["02.png"], rows["03.png"]] and s.codes[rows["04.png"]] == 1


def test_another_folder_with_the_same_names_is_refused(photos, tmp_path, idle):
    want = label(photos)
    before = (tmp_path / "labels.csv.log.jsonl").read_bytes()
    other = tmp_path / "other"
    for i in range(13):
        draw(other, f"{i:02}.png", 1000 + i)
    with pytest.raises(SSVAEWidgetsError, match=r"belongs to 12 images; here are 13"):
        LabelingSession(load_images(other), tmp_path / "labels.csv", classes=CLASSES)
    assert (tmp_path / "labels.csv.log.jsonl").read_bytes() == before
    with opened(photos) as s:
        assert by_name(s) == want


def test_labels_of_before_names_were_written_down_are_learned_when_opened(photos, tmp_path, idle):
    want = label(photos)
    names_beside(tmp_path / "labels.csv").unlink()
    with opened(photos) as s:
        assert by_name(s) == want
    draw(photos, "000.png", 100)
    with opened(photos) as s:
        assert by_name(s) == want


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"sets": [1], "gone": {}}', b'{"sets": [], "gone": []}', b"\xff"]
)
def test_a_damaged_record_is_refused_as_before_and_hurts_nothing(damage, photos, tmp_path, idle):
    want = label(photos)
    names_beside(tmp_path / "labels.csv").write_bytes(damage)
    with opened(photos) as s:
        assert by_name(s) == want
    names_beside(tmp_path / "labels.csv").write_bytes(damage)
    draw(photos, "000.png", 100)
    with pytest.raises(SSVAEWidgetsError, match="LabelStore.adopt"):
        opened(photos)


@pytest.mark.parametrize("place", ["before the record", "before adopting", "after adopting", "before remembering"])
def test_cut_off_anywhere_and_opened_again(place, photos, idle, monkeypatch):
    "Whichever step is the last one that is done, the next opening ends with every label at its picture."
    want = label(photos)
    draw(photos, "000.png", 100)
    gone = photos / "05.png"
    kept = gone.read_bytes()
    gone.unlink()

    def die(*a, **kw):
        raise KeyboardInterrupt

    with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
        if place == "before the record":
            m.setattr(picture_names, "write_record", die)
        elif place == "before adopting":
            m.setattr(LabelStore, "adopt", die)
        elif place == "after adopting":
            real = LabelStore.adopt
            m.setattr(LabelStore, "adopt", lambda *a, **kw: (real(*a, **kw).close(), die()))
        else:
            m.setattr("ssvae_widgets.session.labeled_images.remember", die)
        opened(photos)
    for round_ in range(2):
        with opened(photos) as s:
            assert by_name(s) == {k: v for k, v in want.items() if k != "05.png"}, round_
    gone.write_bytes(kept)
    with opened(photos) as s:
        assert by_name(s) == want


def test_cut_off_and_the_folder_as_it_was(photos, idle, monkeypatch):
    want = label(photos)
    kept = (photos / "05.png").read_bytes()
    (photos / "05.png").unlink()
    with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
        m.setattr(LabelStore, "adopt", lambda *a, **kw: (_ for _ in ()).throw(KeyboardInterrupt))
        opened(photos)
    (photos / "05.png").write_bytes(kept)
    with opened(photos) as s:
        assert by_name(s) == want
        s.clear([5])
    with opened(photos) as s:
        assert "05.png" not in by_name(s)


def test_what_another_session_labels_meanwhile_is_not_lost(photos, tmp_path, idle):
    "An app on the former folder goes on for a moment: what it acknowledged is carried over, or it is told."
    label(photos)
    first = LabelStore(tmp_path / "labels.csv", fingerprint=fingerprint(load_images(photos).images))
    draw(photos, "000.png", 100)
    with opened(photos) as s:
        try:
            told = first.set([11], "dog")
            saved = told.saved
        except SSVAEWidgetsError:
            saved = False
        with warnings.catch_warnings():
            warnings.simplefilter("default" if saved else "ignore")  # it says that it is not saved
            first.close()
    with opened(photos) as s:
        assert not saved or by_name(s)["11.png"] == "dog"


def test_sessions_without_names_write_nothing_beside(tmp_path, idle):
    x = np.random.default_rng(0).integers(0, 256, (6, 8, 8)).astype(np.uint8)
    LabelingSession(x, tmp_path / "labels.csv", classes=CLASSES).close()
    assert not names_beside(tmp_path / "labels.csv").exists()


def test_a_full_disk_takes_no_label(photos, tmp_path, idle, monkeypatch):
    want = label(photos)
    names_beside(tmp_path / "labels.csv").unlink()

    def full(*a):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(picture_names, "write_record", full)
        with opened(photos) as s:
            assert by_name(s) == want and "cannot be written down" in s.store.message


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_picture_gets_the_row_of_another(data):
    "A label goes to the content that it was given to, or to one that nobody has seen before under the same name."
    letters = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)
    old, new = data.draw(letters), data.draw(letters)
    hold = st.sampled_from(["", "1", "2", "3", "4", "5"])
    a = Pictures(old, [data.draw(hold) for _ in old])
    b = Pictures(new, [data.draw(hold) for _ in new])
    rows = new_rows(a, b)
    if rows is None:
        return
    placed = rows[rows >= 0]
    assert len({*placed}) == len(placed)
    pairs = {*zip(b.names, b.digests)}
    for name, held, row in zip(a.names, a.digests, rows):
        if held and (name, held) in pairs:
            assert row == b.names.index(name)
        elif held and a.digests.count(held) == b.digests.count(held) == 1:
            assert row == b.digests.index(held)
        elif row >= 0 and b.digests[row] != held:
            assert name == b.names[row] and b.digests[row] not in {*a.digests} - {""}


def test_training_goes_on_after_the_folder_changed(photos, tmp_path):
    from ssvae_widgets import SSVAEConfig

    config = SSVAEConfig.preset("ancestor").replace(latent_dim=2, batch_size=8)
    found = load_images(photos)
    with LabelingSession(found, tmp_path / "labels.csv", classes=CLASSES, config=config) as s:
        s.label([1], "cat")
        s.label([3], "dog")
        s.train(1)
        assert s.wait(120)
    draw(photos, "000.png", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with LabelingSession(load_images(photos), tmp_path / "labels.csv", classes=CLASSES, config=config) as s:
            assert by_name(s) == {"01.png": "cat", "03.png": "dog"}
            s.train(1)
            assert s.wait(120) and s.training.total >= 1 and len(s.codes) == 13


def test_labels_of_other_pictures_are_not_taken(photos, tmp_path, monkeypatch):
    "Each of two folders has labels of its own, and a file that was made for the one is refused for the other."
    had, other = label(photos), tmp_path / "other"
    for i in (1, 20, 21, 22):  # one of them a copy
        draw(other, f"new {i}.png", i)

    def there():
        return {p.name: p.read_bytes() for p in tmp_path.glob("labels.csv*") if p.is_file() and p.suffix != ".lock"}

    before = there()
    with pytest.raises(OtherDataError, match="of 12 that it knows 1 are here, and of 5 with a label or flag 1"):
        opened(other).close()
    assert there() == before
    with opened(photos) as s:
        assert by_name(s) == had
    monkeypatch.chdir(tmp_path)
    for folder, place, n in (("other", "other_labels.csv", 0), ("photos", "labels.csv", 5)):  # the latter from before
        app = LatentLabeler(folder)
        assert (Path(app.session.store.path).name, app.session.n_labeled) == (place, n)
        app.close()


@pytest.mark.parametrize("gone", [[1, 3, 5], [1, 3, 5, 7, 9]])
def test_who_removes_what_is_labeled_is_not_refused(photos, gone):
    label(photos)
    for i in gone:
        os.remove(photos / f"{i:02}.png")
    with opened(photos) as s:
        assert by_name(s) == {f"{i:02}.png": "dog" for i in (7, 9) if i not in gone}


def test_flags_alone_are_not_taken_to_other_pictures(photos, tmp_path):
    with opened(photos) as s:
        s.flag([2, 4, 6], "exclude")
    for i in (2, 20, 21, 22):
        draw(tmp_path / "other", f"new {i}.png", i)
    with pytest.raises(OtherDataError, match="of 3 with a label or flag 1"):
        opened(tmp_path / "other").close()
    with opened(photos) as s:
        assert s.data.excluded == {2, 4, 6}


OPENS = """
import sys, time
from pathlib import Path
from ssvae_widgets import LabelingSession, load_images
me = sys.argv[1]
for trial in sorted(Path(sys.argv[2]).iterdir()):
    images = load_images(trial / "photos")
    (trial / f"ready{me}").touch()
    while not all((trial / f"ready{k}").exists() for k in "01"):
        pass
    LabelingSession(images, trial / "labels.csv", features=None).close()
"""


def test_two_processes_that_open_a_changed_folder_at_once_carry_the_labels_over_once(tmp_path):
    "One picture is gone and one is new: carried over twice, the labels would be one row off, on as many pictures."
    for trial in range(6):
        folder = tmp_path / f"{trial}" / "photos"
        for k in range(12):
            draw(folder, f"{k:02}.png", k)
        with LabelingSession(load_images(folder), tmp_path / f"{trial}" / "labels.csv", features=None) as s:
            for row in range(12):
                s.label(row, s.add_class(f"class {row:02}"))
        (folder / "05.png").unlink()
        draw(folder, "00b.png", 99)
    both = [subprocess.Popen([sys.executable, "-c", OPENS, me, tmp_path]) for me in "01"]
    assert [one.wait(120) for one in both] == [0, 0]
    for trial in range(6):
        folder = tmp_path / f"{trial}"
        with LabelingSession(folder / "photos", folder / "labels.csv", features=None) as s:
            said = {name: s.classes[k] if k >= 0 else None for name, k in zip(s.names, s.codes)}
        assert said.pop("00b.png") is None
        assert said == {f"{k:02}.png": f"class {k:02}" for k in range(12) if k != 5}, trial
