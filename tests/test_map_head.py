"""The map head: alignment against a closed form, both array modules, corners."""

import numpy as np
import pytest

from ssvae_widgets.model.map_head import align, fit_map, init_map, map_decode, map_encode


@pytest.fixture(scope="module")
def z():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(200, 8)) + 8 * np.eye(8)[np.arange(200) % 3]).astype(np.float32)


@pytest.mark.parametrize("mirror", [1, -1])
@pytest.mark.parametrize("angle, scale", [(0.3, 1.0), (2.0, 7.0), (-3.0, 0.05)])
def test_alignment_undoes_any_similarity(z, mirror, angle, scale):
    head = init_map(z)
    turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle) * mirror, np.cos(angle) * mirror]])
    goal = map_encode(head, z, np) @ turn + [3, -20]
    moved = align(head, z[:50], goal[:50])
    np.testing.assert_allclose(map_encode(moved, z, np), goal, atol=1e-3)
    np.testing.assert_allclose(map_decode(moved, goal, np), map_decode(head, map_encode(head, z, np), np), atol=1e-3)


def test_rounds_share_one_scale_and_do_not_shrink(z):
    "Twenty maps that agree only half with the one before; the factor that fits best would halve the width each time."
    rng, head = np.random.default_rng(0), init_map(z)
    xy = 3 * map_encode(head, z, np)
    wide = first = np.sqrt(((xy - xy.mean(0)) ** 2).mean())
    for _ in range(20):
        noisy = xy + rng.normal(0, wide, xy.shape)
        xy = map_encode(align(head, z, noisy), z, np)
        assert abs(np.sqrt(((xy - xy.mean(0)) ** 2).mean()) / np.sqrt(((noisy - noisy.mean(0)) ** 2).mean()) - 1) < 1e-4
        wide = np.sqrt(((xy - xy.mean(0)) ** 2).mean())
    assert wide > first


def test_a_head_that_only_turns_decodes_as_it_always_did(z):
    "Heads of earlier versions: to the last bit."
    head, angle = init_map(z), np.float32(0.7)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)
    head = head | dict(rotation=turn, shift=np.float32([3, 4]))
    straight = head | dict(rotation=np.eye(2, dtype=np.float32), shift=np.zeros(2, np.float32))
    xy = map_encode(head, z, np)
    np.testing.assert_array_equal(map_decode(head, xy, np), map_decode(straight, (xy - head["shift"]) @ turn.T, np))


def test_a_map_without_width_stays_as_it_is(z):
    head = init_map(z)
    for goal in (np.zeros((len(z), 2)), np.full((len(z), 2), 7.0)):
        moved = align(head, z, goal)
        assert np.isfinite(map_encode(moved, z, np)).all() and np.isfinite(map_decode(moved, goal, np)).all()


def test_numpy_and_jax_agree(z):
    head = fit_map(z, steps=30)
    np.testing.assert_allclose(map_encode(head, z, np), map_encode(head, z), atol=1e-2)


def test_fit_separates_clouds_and_is_reproducible(z):
    head = fit_map(z, steps=400)
    xy = map_encode(head, z, np)
    centers = np.stack([xy[c::3].mean(0) for c in range(3)])
    nearest = np.linalg.norm(xy[:, None] - centers, axis=2).argmin(1)
    assert (nearest == np.arange(200) % 3).mean() > 0.95
    np.testing.assert_array_equal(map_encode(fit_map(z, steps=400), z, np), xy)


def test_continuing_keeps_the_frame(z):
    head = fit_map(z, steps=400)
    xy = map_encode(head, z, np)
    after = map_encode(fit_map(z, previous=head, xy=xy, steps=50), z, np)
    assert np.median(np.linalg.norm(after - xy, axis=1)) < 0.3 * xy.std()


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_tiny_data(z, n):
    assert np.isfinite(map_encode(fit_map(z[:n], steps=3), z[:n], np)).all()
