"""Rounds as a film: places, answers, labels and regions of then, in one page that asks for nothing."""

import base64
import json
import re
import zlib

import numpy as np
import pytest
from sessions import TRUTH, frame_of, session

from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.graph.regions import extent_of, find_regions
from ssvae_widgets.plots import plot_rounds
from ssvae_widgets.session.rounds import add_round
from ssvae_widgets.widgets.film import CELLS, recording, write_film


def read(path) -> tuple[dict, dict[str, np.ndarray]]:
    page = path.read_text()
    info = json.loads(re.search(r'id="info">(.*?)</script>', page)[1])
    raw = dict(re.findall(r'octet-stream" id="(\w+)">(.*?)</script>', page))
    kinds = {"sure": "u1", "certainty": "u1"}
    k = len(info["frames"])
    return info, {
        name: np.frombuffer(zlib.decompress(base64.b64decode(text)), kinds.get(name, "<u2")).reshape(k, -1)
        for name, text in raw.items()
    }


def test_a_film_shows_what_there_was_in_each_round(tmp_path):
    with session() as s:
        with pytest.raises(ArgumentError, match="no round to show"):
            write_film(s, tmp_path / "none.html")
        for k in range(3):
            s.label([k, k + 10], int(TRUTH[k]))
            frame = frame_of(s, k)
            frame.pred[:] = k
            frame.certainty[:] = 0.5 + k / 10
            frame.xy[:] += np.random.default_rng(k).normal(size=frame.xy.shape)
            add_round(s.rounds, frame)
        s.rename_class(2, "</script><b>&")
        info, arrays = read(write_film(s, tmp_path / "film.html"))
        frames = [s.rounds[k] for k in range(3)]
    assert "</script><b>" not in (tmp_path / "film.html").read_text() and info["classes"][2] == "</script><b>&"
    assert info["frames"] == [f"{k + 1} of 3 · {k} epoch{'s' * (k != 1)} · {2 * k + 2} labels" for k in range(3)]
    assert [{*row.tolist()} for row in arrays["pred"]] == [{0}, {1}, {2}]
    assert ((arrays["labels"] != 65535).sum(1) == [2, 4, 6]).all() and (arrays["sure"][1] == 152).all()
    extent = extent_of(np.concatenate([f.xy for f in frames]))
    assert np.allclose(info["extent"], extent)
    then = find_regions(frames[1].xy, frames[1].pred, frames[1].certainty, extent, (CELLS, CELLS))
    assert (arrays["codes"][1].astype(int) == np.where(then.codes < 0, 65535, then.codes).ravel()).all()
    x = extent[0] + arrays["xy"][2].reshape(-1, 2)[:, 0] / 65534 * (extent[1] - extent[0])
    np.testing.assert_allclose(x, frames[2].xy[:, 0], atol=1e-3)
    assert [ax.get_title() for ax in plot_rounds(frames[:2]).axes] == ["0 epochs · 2 labels", "1 epoch · 4 labels"]


def test_a_run_is_recorded_epoch_by_epoch(tmp_path):
    with session() as s:
        for k in range(3):
            s.label(np.flatnonzero(TRUTH == k)[:3], k)
        assert s.wait(60)
        with recording(s) as frames:
            s.train(3)
            assert s.wait(300)
        n = len(frames)
        s.label(50, 1)
        assert s.wait(60) and len(frames) == n  # nobody looks any more
        assert n >= 4 and [f.epochs for f in frames] == sorted(f.epochs for f in frames) and frames[-1].epochs == 3
        assert not np.array_equal(frames[0].xy, frames[-1].xy)
        info, _ = read(write_film(s, tmp_path / "run.html", frames))
        assert len(info["frames"]) == n and "9 labels" in info["frames"][0]
