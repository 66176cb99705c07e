"""Copies of pictures: found by what a brute-force comparison finds, covered by labels as a person may expect, and no
flattery of accuracy."""

import numpy as np
import pytest
from PIL import Image

from ssvae_widgets import LabelingSession
from ssvae_widgets.assess.copies import FAR, distinct, equal_bytes, find_copies, misfit, small_pictures
from ssvae_widgets.errors import ArgumentError

pytestmark = pytest.mark.usefixtures("no_first_map")


def drawn(n: int, seed: int = 0, size: int = 40, channels: int = 3) -> np.ndarray:
    "Different smooth pictures."
    rng = np.random.default_rng(seed)
    shape = (6, 6, channels) if channels > 1 else (6, 6)
    coarse = [rng.integers(0, 256, shape).astype(np.uint8) for _ in range(n)]
    return np.stack([np.asarray(Image.fromarray(x).resize((size, size), Image.BICUBIC)) for x in coarse])


def again(x: np.ndarray, by: float = 0.7) -> np.ndarray:
    "Resized and back."
    picture = Image.fromarray(x)
    small = picture.resize([round(side * by) for side in picture.size], Image.BILINEAR)
    return np.asarray(small.resize(picture.size, Image.BILINEAR))


def rows(stacks) -> list[list[int]]:
    return [stack.rows.tolist() for stack in stacks]


def best_correlation(a: np.ndarray, b: np.ndarray) -> float:
    "Of two small pictures, over nine places, by numpy's own correlation."
    inner = a[1:-1, 1:-1].ravel()
    h, w = a.shape[0] - 2, a.shape[1] - 2
    return max(np.corrcoef(inner, b[y : y + h, x : x + w].ravel())[0, 1] for y in range(3) for x in range(3))


def test_misfit_is_the_best_correlation():
    small = small_pictures(drawn(8))
    pairs = [(i, j) for i in range(8) for j in range(8)]
    a, b = np.array(pairs).T
    expected = [np.sqrt(max(0, 2 - 2 * best_correlation(small[i], small[j]))) for i, j in pairs]
    assert np.allclose(misfit(small[a], small[b]), expected, atol=2e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_made_copies_are_found_and_nothing_else(channels):
    images = drawn(120, 1, channels=channels)
    copies = {5: again(images[5]), 9: (images[9] * 0.9).astype(np.uint8), 20: np.roll(images[20], 1, 0), 33: images[33]}
    everything = np.concatenate([images, np.stack([*copies.values()])])
    found = find_copies(everything)
    assert rows(found) == [[row, 120 + k] for k, row in enumerate(copies)]
    assert [stack.exact for stack in found] == [False, False, False, True]
    small = small_pictures(everything)
    close = {
        (i, j)
        for i in range(124)
        for j in range(i)
        if misfit(small[[i]], small[[j]])[0] < FAR  # every pair there is
    }
    assert close == {(120 + k, row) for k, row in enumerate(copies)}
    floats = find_copies((everything / 255).astype(np.float32))
    assert rows(floats) == rows(found)


def test_order_and_place_do_not_matter():
    images = np.concatenate([drawn(60, 2), drawn(60, 2)[[3, 3, 8]]])
    order = np.random.default_rng(0).permutation(63)
    there = [sorted(order[row].tolist()) for row in map(np.array, rows(find_copies(images[order])))]
    assert sorted(there) == rows(find_copies(images)) == [[3, 60, 61], [8, 62]]


def test_a_continuum_is_no_stack():
    y, x = np.mgrid[:40, :40]
    film = np.stack([(120 + 100 * np.sin((x + 0.3 * k) / 4) * np.cos(y / 6)).astype(np.uint8) for k in range(40)])
    stacks, small = find_copies(film), small_pictures(film)
    for stack in stacks:
        middle = np.full(stack.size, stack.first)
        assert misfit(small[middle], small[stack.rows]).max() <= FAR
    assert misfit(small[[0]], small[[-1]])[0] > FAR
    assert not any({0, 39} <= set(stack.rows.tolist()) for stack in stacks)


def test_alike_by_night_or_blank_is_no_copy():
    images = drawn(40, 3)
    dark = (images[4] * 0.3).astype(np.uint8)
    blank = [np.full_like(images[0], level) for level in (0, 0, 90, 91)]
    noise = np.random.default_rng(0).integers(0, 3, images[0].shape).astype(np.uint8)
    blank.append(blank[2] + noise)
    assert rows(find_copies(np.concatenate([images, dark[None], np.stack(blank)]))) == [[41, 42]]


def test_vectors_and_tiny_sets():
    vectors = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    assert rows(find_copies(vectors[[0, 1, 0, 2]])) == [[0, 2]]
    assert rows(find_copies(vectors[[0, 1, 0, 2]], near=False)) == [[0, 2]]
    assert find_copies(drawn(1)) == [] and find_copies(drawn(2)) == []
    assert rows(find_copies(drawn(1)[[0, 0]])) == [[0, 1]]
    assert equal_bytes(np.array([[0.0], [-0.0], [0.0]])).tolist() == [0, 1, 0]
    with pytest.raises(ArgumentError, match="far"):
        find_copies(vectors, far=2)
    with pytest.raises(ArgumentError, match="shape"):
        find_copies(np.zeros(5))


def test_distinct_against_a_loop():
    rng = np.random.default_rng(0)
    for _ in range(50):
        codes, of, late = rng.integers(-1, 3, 30), rng.integers(-1, 6, 30), rng.random(30) < 0.5
        kept = np.full(30, -1)
        for row in [*np.flatnonzero(~late), *np.flatnonzero(late)]:
            if codes[row] >= 0 and (of[row] < 0 or not ((of == of[row]) & (kept >= 0)).any()):
                kept[row] = codes[row]
        assert distinct(codes, of, late).tolist() == kept.tolist()


@pytest.fixture
def session():
    images = drawn(60, 4, size=24)
    images = np.concatenate([images, images[[2, 2, 7]], again(images[11], 0.8)[None]])
    with LabelingSession(images, classes=["cat", "dog"], features=None) as session:
        session.duplicates.find()
        assert rows(session.duplicates.stacks) == [[2, 60, 61], [7, 62], [11, 63]]
        yield session


def test_a_label_covers_nothing_unless_it_is_wanted(session):
    session.label(2, "cat")
    assert session.n_labeled == 1
    session.duplicates.cover = True
    gesture = session.label(7, "dog", source="key")
    assert sorted(gesture.serials.tolist()) == [7, 62]
    assert [session.store.history(row)[-1]["source"] for row in (7, 62)] == ["key", "copy of row 7"]
    session.undo()
    assert np.flatnonzero(session.codes >= 0).tolist() == [2]
    session.redo()
    assert session.codes[[7, 62]].tolist() == [1, 1]
    with pytest.raises(ArgumentError, match="cover"):
        session.duplicates.cover = "yes"


def test_what_a_person_said_stays(session):
    session.duplicates.cover = True
    session.label(60, "dog")  # and its copies
    assert session.codes[[2, 60, 61]].tolist() == [1, 1, 1]
    session.label(60, "cat")  # corrected: the copies follow
    assert session.codes[[2, 60, 61]].tolist() == [0, 0, 0]
    session.label(2, "dog")  # a person says something else of the copy itself
    assert session.codes[[2, 60, 61]].tolist() == [1, 0, 0]
    session.label(61, "dog")
    session.label(60, "cat")
    assert session.codes[[2, 60, 61]].tolist() == [1, 0, 1]
    session.flag(62, "exclude")
    session.label(7, "cat")
    assert session.codes[62] == -1
    session.label([11, 63], ["cat", "dog"][0])
    assert session.store.rows_with("copied").size == 0
    session.clear(11)
    assert session.codes[[11, 63]].tolist() == [-1, 0]


def test_clearing_takes_the_copies_along_in_one_gesture(session):
    session.duplicates.cover = True
    session.label(2, "cat")
    session.clear(2)
    assert (session.codes < 0).all()
    session.undo()
    assert session.codes[[2, 60, 61]].tolist() == [0, 0, 0]


def test_provenance_in_tables_and_in_nobodys_word(session):
    from ssvae_widgets.labels.exchange import label_table

    session.duplicates.cover = True
    session.annotator = "ann"
    session.label(2, "cat")
    table = label_table(session.store).set_index("id")
    assert table.source.tolist() == ["api", "copy of row 2", "copy of row 2"]
    assert np.flatnonzero(session.said_by()["ann"] >= 0).tolist() == [2]
    history = session.store.to_pandas()
    assert history.set_index("serial").copy_of.dropna().to_dict() == {60: 2, 61: 2}
    told = session.duplicates.table()
    assert told.label.dropna().tolist() == ["cat"] * 3 and told.id.tolist() == [2, 60, 61, 7, 62, 11, 63]


def test_labels_of_copies_survive_a_reopening(tmp_path):
    images = drawn(30, 5, size=24)
    images = np.concatenate([images, images[[2]]])
    for cover in (True, False):
        with LabelingSession(images, tmp_path / "labels.csv", classes=["cat", "dog"], features=None) as session:
            session.duplicates.find()
            session.duplicates.cover = cover
            if cover:
                session.label(2, 0)
            else:
                assert session.codes[[2, 30]].tolist() == [0, 0]
                assert session.store.history(30)[-1]["source"] == "copy of row 2"
                session.undo()
                assert session.n_labeled == 0


def test_the_switch_and_the_filters_are_kept(tmp_path):
    "With the labels, and in a project; columns that come later are filtered when they come."
    images = np.concatenate([np.random.default_rng(0).integers(0, 256, (30, 8, 8)).astype(np.uint8)] * 2)
    with LabelingSession(images, tmp_path / "l.csv", classes=["a", "b"], features=None) as s:
        s.duplicates.find(near=False)
        s.facets.add({"plate": ["A", "B", None] * 20, "size": np.arange(60.0)})
        s.duplicates.cover = True
        s.facets.pick("plate", ["A", None])
        s.facets.between("size", high=30)
        s.facets.keep_inside(True)
        passing = s.facets.mask
        s.label(0, "a")
        s.save(tmp_path / "project")
    for reopen in (
        lambda: LabelingSession(images, tmp_path / "l.csv", features=None),
        lambda: LabelingSession.open(tmp_path / "project"),
    ):
        with reopen() as s:
            assert s.duplicates.cover and s.facets.inside
            s.facets.add({"plate": ["A", "B", None] * 20, "size": np.arange(60.0)})
            assert (s.facets.mask == passing).all() and "filter of last time" in s.message
            s.facets.clear()
            s.duplicates.cover = False
    with LabelingSession(images, tmp_path / "l.csv", features=None) as s:
        assert not s.duplicates.cover and s.facets.to_dict()["filters"] == {}


def test_of_each_picture_one_is_proposed(session):
    asked = [s.serial for s in session.suggest(64)]
    assert sorted(asked) == sorted(set(range(64)) - {60, 61, 62, 63})
    session.label(60, "cat")
    asked = {s.serial for s in session.suggest(64)}
    assert not asked & {2, 60, 61, 62, 63}


def test_copies_do_not_flatter_accuracy():
    "Labels that nobody can learn, each picture three times: as many right as by chance, not nearly all."
    images, rng = drawn(43, 6, size=24), np.random.default_rng(0)
    truth = np.tile(rng.permutation(43) % 2, 3)
    with LabelingSession(np.concatenate([images] * 3), classes=["a", "b"], features=None) as session:
        session.duplicates.cover = False
        for code in (0, 1):
            session.label(np.flatnonzero(truth == code), code)
        assert session.wait(60, late=True)
        assert session.duplicates.looked == "near", "found by itself"
        honest = session.accuracy
        session.data.same.replace([])
        for _ in session.evidence.leave_out(session.data.distinct):
            pass
        flattered = session.accuracy
    assert honest.n == 43 and flattered.n == 129
    assert flattered.value > 0.9 > 0.75 > honest.value


def test_the_network_is_not_examined_with_copies_of_what_it_heard(session):
    session.label([2, 7, 11], "cat")
    exam = session.examination
    exam.ever[[2]] = True
    codes = session.data.codes
    assert exam.fresh_rows(codes).tolist() == [7, 11]
    session.label([60, 62], "cat")
    assert exam.fresh_rows(session.data.codes).tolist() == [7, 11], "60 is a copy of 2, 62 of 7"
    session.evidence.asked_at_random(63, 0)
    assert 63 not in session.audits
    session.evidence.asked_at_random(40, 0)
    assert 40 in session.audits


def twice(n: int = 40) -> np.ndarray:
    "Dark and bright pictures, each with a copy `n` rows on."
    base = np.random.default_rng(0).integers(0, 60, (n, 8, 8)).astype(np.uint8)
    base[n // 2 :] += 150
    return np.concatenate([base, base])


def test_copies_of_what_a_program_said_are_no_words_of_a_person():
    with LabelingSession(twice(), classes=["a", "b"], features=None, annotator="eva") as s:
        s.duplicates.find(near=False)
        s.label(range(40, 60), "a", source="agent")
        s.label(range(60, 80), "b", source="agent")
        assert s.duplicates.label_copies().serials.tolist() == list(range(40))
        assert s.wait(60, late=True) and s.accuracy.n == 0
        assert len(s.data.by_agents) == 80 and set(s.store.rows_with("copied").tolist()) == set(range(40))
        assert s.data.no_judges.tolist() == list(range(80))


def test_a_copied_label_follows_its_picture_and_never_judges():
    with LabelingSession(twice(), classes=["a", "b"], features=None) as s:
        s.duplicates.find(near=False)
        s.duplicates.cover = True
        s.label(0, "a")
        s.duplicates.cover = False  # no new ones, but what came along still follows
        s.label(0, "b")
        s.label(1, "a")
        assert s.codes[[0, 40, 1, 41]].tolist() == [1, 1, 0, -1]
        s.flag(0, "exclude")
        assert 40 in s.data.no_judges and 40 not in s.examination.fresh_rows(s.data.codes)


def test_an_agent_changes_no_copy_that_a_person_labeled():
    with LabelingSession(twice(), classes=["a", "b"], features=None) as s:
        s.duplicates.find(near=False)
        s.duplicates.cover = True
        s.label(0, "a")  # 40 comes along
        s.label(1, "a", source="agent")
        s.label(2, "a")
        s.label(42, "a")
        assert s.codes[[0, 40, 1, 41, 2, 42]].tolist() == [0] * 6
        s.label([0, 1, 2], "b", source="agent")  # asked for 0 and 2 as well
        assert s.codes[[0, 1, 2]].tolist() == [1] * 3 and s.codes[[40, 41, 42]].tolist() == [0, 1, 0]
        s.clear([0, 1], source="agent")
        assert s.codes[[0, 40, 1, 41]].tolist() == [-1, 0, -1, -1]
        s.label(1, "b", source="agent")
        s.label(1, "a")  # a person's word goes over that of a program, copies included
        assert s.codes[[1, 41]].tolist() == [0, 0] and s.store.rows_with("copied").tolist() == [40, 41]


def test_a_copy_that_a_person_cleared_stays_clear():
    with LabelingSession(twice(), classes=["a", "b"], features=None) as s:
        s.duplicates.find(near=False)
        s.duplicates.cover = True
        s.label(0, "a")
        s.clear(40)
        s.label(0, "b")
        assert s.codes[[0, 40]].tolist() == [1, -1]
        for _ in range(3):
            s.undo()
        s.label(0, "b")  # nobody has cleared it in this history
        assert s.codes[[0, 40]].tolist() == [1, 1]


def test_a_copy_that_was_cleared_along_is_covered_again():
    with LabelingSession(twice(), classes=["a", "b"], features=None) as s:
        s.duplicates.find(near=False)
        s.duplicates.cover = True
        s.label(0, "a")
        s.clear(0)
        assert s.codes[[0, 40]].tolist() == [-1, -1]
        s.label(0, "b")
        assert s.codes[[0, 40]].tolist() == [1, 1]


def test_an_excluded_picture_hides_no_copy_from_proposals():
    with LabelingSession(twice(), classes=["a", "b"], features=None) as s:
        s.duplicates.find(near=False)
        s.flag(0, "exclude")
        proposed = {item.serial for item in s.proposals.suggest(80, "start")}
        assert 40 in proposed and 0 not in proposed and 41 not in proposed


def test_sets_of_classes_cover_no_copies():
    with LabelingSession(twice(), classes=["a", "b"], features=None, multilabel=True) as s:
        s.duplicates.find(near=False)
        with pytest.raises(ArgumentError, match="several classes"):
            s.duplicates.label_copies()
        with pytest.raises(ArgumentError, match="several classes"):
            s.duplicates.cover = True
