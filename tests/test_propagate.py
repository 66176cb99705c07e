"""Propagation against dense linear algebra and brute force; corners that must not crash."""

import numpy as np
import pytest
import scipy.sparse as sp

from ssvae_widgets.graph.neighbors import nearest_neighbors
from ssvae_widgets.graph.propagate import Propagator, cut_share, knn_graph, poisson, solve_flow


@pytest.fixture(scope="module")
def blobs():
    "Three clouds of unequal size in five dimensions."
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [300, 150, 60])
    return rng.normal(size=(510, 5)) + 6 * np.eye(5)[truth], truth


def test_neighbors_equal_brute_force(blobs):
    z = blobs[0]
    index, distance = nearest_neighbors(z, 7)
    gap = np.linalg.norm(z[:, None] - z[None], axis=2)
    np.fill_diagonal(gap, np.inf)
    np.testing.assert_allclose(distance, np.sort(gap, 1)[:, :7], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(gap[np.arange(len(z))[:, None], index], distance, rtol=1e-3, atol=1e-3)


def test_graph_is_symmetric_and_self_tuned(blobs):
    index, distance = nearest_neighbors(blobs[0], 10)
    dense = np.zeros((510, 510))
    for i in range(510):
        dense[i, index[i]] = np.exp(-4 * distance[i] ** 2 / distance[i, -1] ** 2)
    np.testing.assert_allclose(knn_graph(blobs[0]).toarray(), (dense + dense.T) / 2, atol=1e-6)


def test_solution_equals_dense_solver(blobs):
    graph = knn_graph(blobs[0])
    sources = np.random.default_rng(1).normal(size=(510, 3)).astype(np.float32)
    dense = np.diag(1.001 * np.asarray(graph.sum(1)).ravel()) - graph.toarray()
    exact = np.linalg.solve(dense.astype(float), sources)
    np.testing.assert_allclose(solve_flow(graph, sources, tolerance=1e-6), exact, atol=2e-2 * np.abs(exact).max())


def test_cut_counts_links_between_classes():
    graph = sp.csr_matrix(np.array([[0, 1, 0], [1, 0, 3], [0, 3, 0]], np.float32))
    assert cut_share(graph, np.array([0, 0, 1])) == pytest.approx(6 / 8)
    assert cut_share(graph, np.array([0, 0, 0])) == 0


def test_one_label_each_finds_separated_clouds(blobs):
    z, truth = blobs
    codes = np.full(510, -1)
    codes[[0, 300, 450]] = [0, 1, 2]
    probs = poisson(knn_graph(z), codes, 3)
    assert (probs.argmax(1) == truth).mean() > 0.97
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)


def test_renaming_classes_renames_the_answer(blobs):
    z, truth = blobs
    codes = np.where(np.arange(510) % 37 == 0, truth, -1)
    graph, swap = knn_graph(z), np.array([2, 0, 1])
    renamed = np.where(codes >= 0, swap[codes], -1)
    np.testing.assert_allclose(poisson(graph, renamed, 3)[:, swap], poisson(graph, codes, 3), atol=1e-4)


@pytest.mark.parametrize("order", ["forward", "backward", "bulk"])
def test_updates_equal_a_fresh_answer(blobs, order):
    z, truth = blobs
    rows = np.arange(0, 510, 17)
    propagator, codes = Propagator(z, 3), np.full(510, -1)
    for part in [rows] if order == "bulk" else np.array_split(rows if order == "forward" else rows[::-1], 6):
        codes[part] = truth[part]
        probs = propagator.update(codes)
    fresh = poisson(propagator.graph, codes, 3)
    assert (probs.argmax(1) == fresh.argmax(1)).mean() > 0.995
    np.testing.assert_allclose(probs, fresh, atol=0.05)


def test_labels_can_be_taken_back(blobs):
    z, truth = blobs
    propagator = Propagator(z, 3)
    codes = np.where(np.arange(510) % 51 == 0, truth, -1)
    first = propagator.update(codes)
    propagator.update(np.where(np.arange(510) % 17 == 0, truth, -1))
    np.testing.assert_allclose(propagator.update(codes), first, atol=0.05)
    np.testing.assert_allclose(propagator.update(np.full(510, -1)), 1 / 3, atol=1e-6)


def test_a_given_prior_shapes_the_shares():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(600, 2))  # one cloud: nothing but the prior says where the border runs
    codes = np.full(600, -1)
    codes[[z[:, 0].argmin(), z[:, 0].argmax()]] = [0, 1]
    share = {p: (poisson(knn_graph(z), codes, 2, prior=[p, 1 - p]).argmax(1) == 0).mean() for p in (0.3, 0.7)}
    assert share[0.3] < 0.4 < 0.6 < share[0.7]


def test_leave_one_out_does_not_see_the_label(blobs):
    z, truth = blobs
    codes = np.where(np.arange(510) % 17 == 0, truth, -1)
    a, b = Propagator(z, 3), Propagator(z, 3)
    a.update(codes)
    rows, voice = a.leave_one_out()
    flipped = codes.copy()
    flipped[rows[4]] = (codes[rows[4]] + 1) % 3
    b.update(flipped)
    assert b.leave_one_out()[1][4].argmax() == voice[4].argmax() == truth[rows[4]]


@pytest.mark.parametrize("n", [2, 3, 12])
def test_tiny_data(n):
    codes = np.full(n, -1)
    codes[0] = 0
    assert Propagator(np.arange(2 * n).reshape(n, 2), 2).update(codes).shape == (n, 2)


def test_a_graph_laid_out_anew_answers_the_same():
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 3, 6000)
    z = (rng.normal(size=(6000, 4)) + 4 * np.eye(4)[truth]).astype(np.float32)
    codes = np.where(np.arange(6000) % 400 == 0, truth, -1)
    graph = knn_graph(z)
    laid, plain = Propagator(z, 3), Propagator(z, 3, graph=graph)
    np.testing.assert_allclose(laid.update(codes), poisson(graph, codes, 3), atol=0.02)
    np.testing.assert_allclose(laid.flow(codes), plain.flow(codes), atol=1e-3 * plain.flow(codes).max())
    assert (laid.codes == codes).all()
    (rows, said), (same, also) = laid.leave_one_out(), plain.leave_one_out()
    assert (rows == same).all() and (rows == np.flatnonzero(codes >= 0)).all()
    np.testing.assert_allclose(said, also, atol=0.02)


def test_a_class_beyond_its_band_is_found_out():
    "Where the band holds something back, both answers are compared; where it does not, they are the same."
    rng = np.random.default_rng(5)
    truth = np.repeat([0, 1, 2], [900, 60, 40])
    z = rng.normal(size=(1000, 4)) + 8 * np.eye(4)[truth]
    codes = np.full(1000, -1)
    codes[[0, 900, 960]] = [0, 1, 2]
    assert (poisson(knn_graph(z), codes, 3).argmax(1) == truth).mean() > 0.99
