"""The map head: alignment against a closed form, both array modules, corners."""

import numpy as np
import pytest

from ssvae_widgets.model.map_head import align, fit_map, init_map, map_decode, map_encode


@pytest.fixture(scope="module")
def z():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(200, 8)) + 8 * np.eye(8)[np.arange(200) % 3]).astype(np.float32)


@pytest.mark.parametrize("mirror", [1, -1])
@pytest.mark.parametrize("angle", [0.3, 2.0, -3.0])
def test_alignment_undoes_any_rigid_motion(z, mirror, angle):
    head = init_map(z)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle) * mirror, np.cos(angle) * mirror]])
    goal = map_encode(head, z, np) @ turn + [3, -20]
    moved = align(head, z[:50], goal[:50])
    np.testing.assert_allclose(map_encode(moved, z, np), goal, atol=1e-3)
    np.testing.assert_allclose(map_decode(moved, goal, np), map_decode(head, map_encode(head, z, np), np), atol=1e-3)


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
