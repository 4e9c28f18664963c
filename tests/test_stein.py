"""The doubling sums against literal ones, and against SciPy's solver of the Stein equation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.linalg import matrix_power
from scipy.linalg import solve_discrete_lyapunov

from lrnnbook import stein
from lrnnbook.powers import krylov_columns
from lrnnbook.stein import krylov, squares


def gramian_factor(W, C):
    (powers,) = squares(np.finfo(float).eps, student=W)
    return stein.gramian_factor(powers, C)


properties = settings(max_examples=50, deadline=None)
entries = st.floats(-1, 1, allow_subnormal=False)


@st.composite
def pairs(draw, radius=None):
    """W (..., n, n) and X (..., n, m), their batch axes broadcasting; with a radius, W's is at most that."""
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3)).input_shapes
    W = draw(hnp.arrays(float, shapes[0] + (n, n), elements=entries))
    X = draw(hnp.arrays(float, shapes[1] + (n, m), elements=entries))
    if radius is not None:
        W = W * radius / np.maximum(radius, np.abs(np.linalg.eigvals(W)).max(axis=-1))[..., None, None]
    return W, X


@properties
@given(pairs(), st.integers(1, 20))
def test_krylov_is_the_stack_of_powers(pair, count):
    W, X = pair
    expected = np.stack([matrix_power(W, k) @ X for k in range(count)], axis=-3)
    # Entries are sums of products of numbers of modulus at most 1: at most n^k of them.
    scale = float(W.shape[-1]) ** np.arange(count)[:, None, None]
    blocks = krylov(W, X, count)
    assert blocks.shape == expected.shape
    assert np.all(np.abs(blocks - expected) <= 1e-13 * scale)


def test_krylov_is_exact_on_integers():
    rng = np.random.default_rng(1)
    W, X = rng.integers(-2, 3, size=(3, 3)), rng.integers(-2, 3, size=(3, 2))
    exact, expected = X.astype(object), []
    for _ in range(13):
        expected.append(exact)
        exact = W.astype(object) @ exact
    np.testing.assert_array_equal(krylov(W.astype(float), X.astype(float), 13), np.array(expected, dtype=float))


@properties
@given(pairs(radius=0.9))
def test_the_factor_squares_to_the_gramian(pair):
    W, CT = pair
    batch = np.broadcast_shapes(W.shape[:-2], CT.shape[:-2])
    W, C = (np.broadcast_to(X, batch + X.shape[-2:]) for X in (W, np.swapaxes(CT, -1, -2)))
    R = gramian_factor(W, C)
    assert R.shape[-2] <= max(4 * W.shape[-1], C.shape[-2])
    Q = np.swapaxes(R, -1, -2) @ R
    for index in np.ndindex(batch):
        expected = solve_discrete_lyapunov(W[index].T, C[index].T @ C[index])
        np.testing.assert_allclose(Q[index], expected, rtol=0, atol=1e-11 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("w", [0.9999, -0.9999, 0.999999])
def test_slow_decay_keeps_its_digits(w):
    R = gramian_factor(np.array([[w]]), np.array([[1.0]]))
    # (1 - w) is exact in floats here, (1 + w) is rounded once.
    expected = 1 / ((1 - abs(w)) * (1 + abs(w)))
    # A relative change of eps in w moves the sum by 2 eps w^2 / (1 - w^2), and each squaring rounds once.
    assert (R**2).sum() == pytest.approx(expected, rel=40 * np.finfo(float).eps * expected)


def test_a_delay_line_is_summed_to_its_end():
    n = 7
    R = gramian_factor(np.diag(np.ones(n - 1), 1), np.eye(n)[:1])
    np.testing.assert_allclose(R.T @ R, np.eye(n), atol=1e-15)


@pytest.mark.parametrize("w", [0.0, 0.5])
@pytest.mark.parametrize("scale", [2.0**-70, 2.0**70])
def test_the_gramian_does_not_depend_on_the_scale_of_the_coordinates(scale, w):
    W, C = np.array([[0.0, 1.0, 0.0], [0.0, w, 1.0], [0.0, 0.0, 0.0]]), np.array([[1.0, 0.0, 0.0]])
    d = scale ** np.arange(3.0)
    Q, scaled = (R.T @ R for R in (gramian_factor(W, C), gramian_factor(W * d / d[:, None], C * d)))
    np.testing.assert_allclose(scaled / d / d[:, None], Q, rtol=1e-12, atol=1e-15)


def test_large_transient_growth_is_summed():
    # Radius 0.5 and a norm of 1e4: the terms grow by 12 orders of magnitude before they decay.
    W = np.array([[0.5, 1e4, 0.0, 0.0], [0.0, 0.5, 1e4, 0.0], [0.0, 0.0, 0.5, 1e4], [0.0, 0.0, 0.0, 0.5]])
    C = np.array([[1.0, 0.0, 0.0, 0.0]])
    rows = np.concatenate([C @ matrix_power(W, k) for k in range(120)])
    R = gramian_factor(W, C)
    lengths = np.sqrt((rows**2).sum(axis=0))
    np.testing.assert_allclose(R.T @ R / np.outer(lengths, lengths), rows.T @ rows / np.outer(lengths, lengths), atol=1e-13)


@pytest.mark.parametrize("lags", [3, 5, 12, 40])
def test_a_few_lags_of_powers_that_grow_are_the_literal_sum(lags):
    F, G = np.array([[0.5, 1e3], [0.0, 0.4]]), np.array([[0.3, 0.0], [7.0, -0.6]])
    X = np.array([[1.0, 2.0], [-3.0, 0.5]])
    powers, powers_ = squares(lags=lags, student=F, teacher=G)
    literal = sum(matrix_power(F, k) @ X @ matrix_power(G, k) for k in range(lags))
    np.testing.assert_allclose(stein.stein_partial(powers, X, powers_, lags), literal, rtol=1e-11)


@pytest.mark.parametrize("scale", [0.7, 3.0], ids=["squared", "too tall to square"])
@pytest.mark.parametrize("n", [1, 3, 60])
def test_krylov_side_by_side_is_the_powers_one_by_one(n, scale):
    """Small matrices square their strides further than large ones, and tall ones not at all."""
    rng = np.random.default_rng(n)
    W = scale * rng.standard_normal((4, n, n)) / np.sqrt(n)
    X = rng.standard_normal((4, n, 2))
    for count in (1, 2, 5, 16, 33):
        expected, block = [], X
        for _ in range(count):
            expected.append(block)
            block = W @ block
        expected = np.concatenate(expected, axis=-1)
        assert np.abs(krylov_columns(W, X, count) - expected).max() <= 1e-12 * np.abs(expected).max()


def test_a_factor_a_row_is_a_diagonal_matrix():
    rng = np.random.default_rng(7)
    f, X, W = np.array([[1.0], [-1.0], [0.3], [0.0]]), rng.standard_normal((5, 4, 3)), rng.standard_normal((5, 3, 3))
    W = 0.9 * W / np.abs(np.linalg.eigvals(W)).max(axis=-1)[:, None, None]
    (G,) = squares(student=W)
    rows = stein.stein_by_rows(f, X, G)
    for i in range(4):  # row i of the sum is X_i (I - f_i W)^-1
        expected = np.linalg.solve(np.swapaxes(np.eye(3) - f[i, 0] * W, -1, -2), X[:, i, :, None])[..., 0]
        assert np.abs(rows[:, i] - expected).max() < 1e-10


def test_gramians_of_a_batch_whose_powers_grow_are_those_of_each():
    rng = np.random.default_rng(14)
    W = np.array([[0.5, 1e3], [0.0, 0.5]]) * np.array([1.0, 0.8, -0.9])[:, None, None]
    L, L_ = rng.standard_normal((3, 2, 1)), rng.standard_normal((3, 2, 1))
    F, F_ = squares(student=W, teacher=W.mT)
    assert stein.grown(F)
    both = stein.gramians(F, L, F_, L_)
    for i in range(3):
        one, one_ = squares(student=W[i], teacher=W[i].T)
        for whole, part in zip(both, stein.gramians(one, L[i], one_, L_[i])):
            np.testing.assert_allclose(whole[i], part, rtol=1e-10)
