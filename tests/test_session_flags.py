"""Flags in a session: what is excluded is neither learned from nor proposed nor judged, and is told to nobody."""

import csv

import numpy as np
import pytest

from ssvae_widgets import LabelingSession, SSVAEConfig, load_digits
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.session.journal import LabelTimeline
from ssvae_widgets.session.told import records_of


@pytest.fixture(scope="module")
def digits():
    images, truth = load_digits(binarize=False)
    return images[:400], truth[:400]


def labeled(images, truth, rows, **how):
    s = LabelingSession(
        images,
        truth=truth,
        features=None,
        config=SSVAEConfig(encoder_type="dense", hidden_dims=(16,), latent_dim=2),
        **how,
    )
    for row in rows:
        s.label(row, int(truth[row]))
    assert s.wait(60, late=True)
    return s


def test_excluded_labels_count_as_if_never_given(digits):
    images, truth = digits
    rows, wrong = range(40), [50, 51, 52, 53]
    with labeled(images, truth, rows) as clean, labeled(images, truth, rows) as s:
        s.label(wrong, 0)
        assert s.wait(60, late=True) and not np.array_equal(s.pred, clean.pred)
        s.flag(wrong, "exclude")
        assert s.wait(60, late=True)
        assert np.allclose(s.probs, clean.probs, atol=1e-5) and s.sources["graph"] == clean.sources["graph"]
        assert (s.codes[wrong] == 0).all() and s.n_labeled == 44, "the labels themselves stay"
        s.train(1)
        assert s.wait(120, late=True)
        taught = s.examination.taught
        assert (taught[wrong] == -1).all() and (taught >= 0).sum() == 40, "what the network has heard"
        timeline = LabelTimeline(s.store)
        assert (timeline.at(s.seq)[wrong] == -1).all() and (timeline.at(s.seq - 1)[wrong] == 0).all()
        s.undo()
        assert s.wait(60, late=True) and s.data.n_labeled == 44 and s.unheard == 4


def test_what_is_excluded_is_not_proposed_and_not_judged(digits):
    images, truth = digits
    with labeled(images, truth, range(40)) as s:
        first = s.next()
        ahead = [item.serial for item in s.upcoming(5)]
        assert ahead
        s.flag([first.serial, *ahead, *range(100, 350)], "exclude")
        for strategy in ("auto", "start", "boundary", "audit"):
            proposed = {item.serial for item in s.suggest(300, strategy)}
            assert proposed and not proposed & s.data.excluded
        assert s.next().serial not in s.data.excluded
        before = s.accuracy.n
        s.flag(range(10), "exclude")
        assert s.wait(60, late=True) and before == 40 and s.accuracy.n == 30
        assert not any(set(group.rows) & s.data.excluded for group in s.unlabeled_groups)


def test_flags_are_told_and_the_excluded_are_not(digits, tmp_path):
    images, truth = digits
    with labeled(images, truth, range(12), labels=tmp_path / "labels.csv") as s:
        with pytest.raises(ArgumentError, match="flags cannot be exported: no picture has a flag or a note"):
            s.export(tmp_path / "out", "flags")
        s.flag([3, 4], "star")
        s.flag(4, "exclude")
        s.note([4, 9], '=1+1, "or not"')
        assert [w.name for w in s.export(tmp_path / "out", ["flags", "card"])] == ["flags", "card"]
        with open(tmp_path / "out/flags.csv", newline="") as file:
            told = list(csv.DictReader(file))
        assert [(r["id"], r["image"], r["flags"]) for r in told] == [
            ("3", "image-3", "star"),
            ("4", "image-4", "exclude star"),
            ("9", "image-9", ""),
        ]
        assert told[1]["note"] == '\'=1+1, "or not"'
        records = records_of(s)
        assert len(records) == 399 and 4 not in records.rows and records.names[4] == "image-5"
        assert records.label[4] == str(truth[5])
        card = (tmp_path / "out/model_card.md").read_text()
        assert "1 images were excluded by hand" in card and "labeling 11 of 400" in card
        s.save(tmp_path / "project")
        with LabelingSession.open(tmp_path / "project") as again:
            assert again.flags == s.flags and again.data.n_labeled == 11


def test_another_session_hears_of_it(digits, tmp_path):
    images, truth = digits
    with labeled(images, truth, range(20), labels=tmp_path / "labels.csv") as s:
        s.flag(3, "exclude", on=None)
        assert s.data.excluded == {3}
        s.flag(3, "exclude", on=None)
        assert s.data.excluded == frozenset()
        s.flag(3, "unsure", on=None)
    with LabelingSession(images, tmp_path / "labels.csv", features=None) as again:
        assert again.flags.of(3) == ["unsure"] and [h["undone"] for h in again.store.flag_history(3)] == [False] * 3
        again.undo()
        assert not again.flags
