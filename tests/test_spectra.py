"""The change of weights: ranks that are known by construction, entropies by SciPy, and what must not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from lrnnbook import change_rank, effective_rank

properties = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 2**32 - 1)
EPS = np.finfo(float).eps


def orthogonal(rng, n):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def with_singular_values(rng, p, q, values):
    return orthogonal(rng, p)[:, : len(values)] * np.asarray(values) @ orthogonal(rng, q)[:, : len(values)].T


@st.composite
def low_rank(draw):
    """A matrix, and its rank; nonzero singular values between 0.1 and 10."""
    p, q = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    rank, rng = draw(st.integers(0, min(p, q))), np.random.default_rng(draw(seeds))
    return with_singular_values(rng, p, q, rng.uniform(0.1, 10, rank)) if rank else np.zeros((p, q)), rank, rng


# The rank of a change


@given(low_rank())
@properties
def test_a_change_of_known_rank(drawn):
    change, rank, rng = drawn
    before = rng.standard_normal(change.shape)
    assert change_rank(before, before + change) == rank
    assert change_rank(before + change, before) == rank
    assert change_rank(np.zeros_like(change), change) == rank


@given(low_rank(), st.integers(-300, 300))
@properties
def test_the_rank_does_not_depend_on_units(drawn, exponent):
    change, rank, rng = drawn
    before, units = rng.standard_normal(change.shape), 10.0**exponent
    assert change_rank(units * before, units * (before + change)) == rank


@given(low_rank())
@properties
def test_the_rank_does_not_depend_on_the_basis(drawn):
    change, rank, rng = drawn
    left, right = (orthogonal(rng, size) for size in change.shape)
    before = rng.standard_normal(change.shape)
    assert change_rank(left @ before @ right, left @ (before + change) @ right) == rank
    assert change_rank(before.T, (before + change).T) == rank


def test_no_change_has_rank_zero():
    some = np.random.default_rng(0).standard_normal((4, 4))
    for weights in (np.zeros((3, 2)), np.ones((2, 5)), some, [[1e300]], [[5e-324]]):
        rank = change_rank(weights, weights)
        assert rank == 0 and np.shape(rank) == () and np.asarray(rank).dtype.kind == "i"


@given(st.integers(1, 40), st.integers(1, 40), st.floats(-200, 200), seeds)
@properties
def test_rounding_is_not_rank(p, q, exponent, seed):
    """Every weight moved to the next float, up or down at random: a full matrix of rounding errors."""
    rng = np.random.default_rng(seed)
    before = 10.0**exponent * rng.standard_normal((p, q))
    after = np.nextafter(before, before + rng.choice([-1, 1], (p, q)) * np.inf)
    assert np.all(after != before)
    assert change_rank(before, after) == 0


@pytest.mark.parametrize("size", [1e-8, 1e-10, 1e-12])
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_a_small_change_of_large_weights_drowns_in_no_rounding(size, scale):
    """What is left of a change of rank one and of norm `size` beside weights of size 1 has full rank, at 1e-16."""
    rng = np.random.default_rng(1)
    before = rng.standard_normal((20, 20))
    change = size * with_singular_values(rng, 20, 20, [1.0])
    after = before + change
    values = np.linalg.svd(after - before, compute_uv=False)
    if size < 1e-9:
        assert (values > 1e-10 * values[0]).sum() == 20, "without rounding this test shows nothing"
    assert change_rank(scale * before, scale * after) == 1


def test_the_rounding_allowed_for_follows_size_and_shape():
    """No more than it says: the epsilon, times the largest weight of the two, times the longer side."""
    for p, q in ((1, 3), (3, 3), (2, 50), (50, 2)):
        before, after = np.full((p, q), 1.0), np.full((p, q), 1.0)
        before[-1, -1] = after[-1, -1] = -4.0
        before[0, 0], after[0, 0] = 0.0, 1.1 * max(p, q) * EPS * 4.0
        assert change_rank(before, after) == 1
        after[0, 0] /= 1.2
        assert change_rank(before, after) == 0
    large, small = np.diag([1000.0, 0.0]), np.diag([0.0, 1e-13])  # below 2 eps 1000, whichever of them comes first
    assert change_rank(large, small, rtol=1e-20) == change_rank(small, large, rtol=1e-20) == 1
    assert change_rank(large, 10 * small, rtol=1e-20) == change_rank(10 * small, large, rtol=1e-20) == 2
    assert change_rank(np.diag([0.0, 1e-13]), np.diag([1000.0, 1e-13])) == 1
    assert change_rank(np.diag([0.0, 0.0]), np.diag([1000.0, 1e-6])) == 2


@pytest.mark.parametrize("ratio", [1e-3, 1e-6, 1e-9])
def test_the_tolerance_is_relative_to_the_largest(ratio):
    rng = np.random.default_rng(2)
    before = np.zeros((6, 5))
    for scale in (1e-30, 1.0, 1e30):
        after = scale * with_singular_values(rng, 6, 5, [1.0, 1.0, ratio])
        assert change_rank(before, after) == 3
        assert change_rank(before, after, rtol=ratio / 2) == 3
        assert change_rank(before, after, rtol=ratio * 2) == 2


def test_the_default_tolerance():
    values = [1.0, 2e-10, 0.5e-10]
    assert change_rank(np.zeros((3, 3)), np.diag(values)) == 2


def test_a_batch_of_ranks_is_a_loop():
    rng = np.random.default_rng(3)
    before, after = rng.standard_normal((4, 1, 5, 3)), np.empty((4, 6, 5, 3))
    expected = rng.integers(0, 4, (4, 6))
    for i, j in np.ndindex(4, 6):
        scale = 10.0 ** rng.integers(-6, 7)  # each judged by its own largest
        values = scale * rng.uniform(0.5, 1, expected[i, j])
        after[i, j] = before[i, 0] + with_singular_values(rng, 5, 3, values)
    ranks = change_rank(before, after)
    assert ranks.shape == (4, 6)
    assert_array_equal(ranks, expected)
    assert_array_equal(change_rank(before[0, 0], after[0]), expected[0])
    assert_array_equal(change_rank(after[0], before[0, 0]), expected[0])
    big = np.stack([np.full((2, 2), 1e12), np.zeros((2, 2))])  # its rounding is nobody else's
    assert_array_equal(change_rank(big, big + [[[1e-3, 0], [0, 0]], [[1e-3, 0], [0, 1e-9]]]), [1, 2])


# The effective rank


@given(low_rank())
@properties
def test_the_effective_rank_is_the_exponential_of_the_entropy(drawn):
    matrix, rank, _ = drawn
    value = effective_rank(matrix)
    assert np.shape(value) == ()
    if rank == 0:
        assert value == 0
        return
    expected = np.exp(stats.entropy(np.linalg.svd(matrix)[1][:rank]))
    assert value == pytest.approx(expected, rel=1e-10)
    assert 1 - 1e-12 <= value <= rank + 1e-10


@given(low_rank(), st.integers(-300, 300), st.booleans())
@properties
def test_the_effective_rank_does_not_depend_on_basis_and_units(drawn, exponent, negative):
    matrix, _, rng = drawn
    left, right = (orthogonal(rng, size) for size in matrix.shape)
    units = (-1.0 if negative else 1.0) * 10.0**exponent
    expected = effective_rank(matrix)
    assert effective_rank(units * matrix) == pytest.approx(expected, rel=1e-10)
    assert effective_rank(left @ matrix @ right) == pytest.approx(expected, rel=1e-10)
    assert effective_rank(matrix.T) == pytest.approx(expected, rel=1e-10)
    padded = np.pad(matrix, ((0, 3), (2, 0)))
    assert effective_rank(padded) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 30])
def test_known_effective_ranks(n):
    rng = np.random.default_rng(4)
    assert effective_rank(np.eye(n)) == pytest.approx(n, rel=1e-13)
    assert effective_rank(orthogonal(rng, n)) == pytest.approx(n, rel=1e-12)
    assert effective_rank(np.outer(rng.standard_normal(n), rng.standard_normal(4))) == pytest.approx(1, abs=1e-12)
    assert effective_rank(np.zeros((n, 3))) == 0
    # One value of 1/2 and n of 1/(2n): an entropy of log 2 + log(n)/2.
    values = np.array([n, *[1.0] * n])
    assert effective_rank(np.diag(values)) == pytest.approx(2 * np.sqrt(n), rel=1e-13)


def test_it_weighs_what_the_rank_counts():
    sizes = 10.0 ** -np.arange(0, 13)
    values = np.array([effective_rank(np.diag([1.0, size])) for size in sizes])
    assert values[0] == pytest.approx(2) and np.all(np.diff(values) < 0) and values[-1] == pytest.approx(1, abs=1e-10)
    assert_allclose(values - 1, np.expm1([stats.entropy([1.0, size]) for size in sizes]), rtol=1e-3)
    assert_array_equal([change_rank(np.zeros((2, 2)), np.diag([1.0, size])) for size in sizes[:10]], 2)


def test_the_ends_of_the_range_of_floats():
    """The largest singular value of the first is no float."""
    assert effective_rank(np.full((3, 3), 1.5e308)) == pytest.approx(1)
    assert effective_rank(1.5e308 * np.eye(3)) == pytest.approx(3)
    assert effective_rank(5e-324 * np.eye(3)) == pytest.approx(3)


def test_a_batch_of_effective_ranks_is_a_loop():
    rng = np.random.default_rng(5)
    matrices = rng.standard_normal((2, 3, 4, 5))
    matrices[0, 1] = 0
    matrices[1, 2] *= 1e200
    matrices[1, 0] = np.outer(matrices[1, 0, :, 0], matrices[1, 0, 0])
    values = effective_rank(matrices)
    assert values.shape == (2, 3) and values[0, 1] == 0
    for index in np.ndindex(2, 3):
        assert_allclose(values[index], effective_rank(matrices[index]), rtol=1e-13)
    assert values[1, 0] == pytest.approx(1) and values[0, 0] > 2


def test_empty_batches_have_no_ranks():
    none = np.ones((0, 2, 3))
    assert change_rank(none, none).shape == effective_rank(none).shape == (0,)
    assert change_rank(none, np.ones((2, 3))).shape == (0,)


# Bad input


X = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: change_rank(X, X.T), r"^after: expected shape \(\.\.\., p, q\) with p = 2, q = 3 .*got \(3, 2\)$"),
        (lambda: change_rank(X, X[:1]), r"^after: expected shape .*got \(1, 3\)$"),
        (lambda: change_rank(X[0], X), r"^before: expected shape .*got \(3,\)$"),
        (lambda: change_rank(X, 1.0), r"^after: expected shape .*got \(\)$"),
        (lambda: change_rank(X[:0], X[:0]), "^before: .*no empty axis"),
        (lambda: change_rank(X * np.nan, X), "^before: expected finite numbers"),
        (lambda: change_rank(X, X * np.inf), "^after: expected finite numbers"),
        (lambda: change_rank(X, 1j * X), "^after: expected real numbers"),
        (lambda: change_rank([["a"]], [[1]]), "^before: expected real numbers"),
        (lambda: change_rank([X] * 2, [X] * 3), r"^batch axes: .*before has \(2,\), after has \(3,\)$"),
        *(
            (lambda rtol=rtol: change_rank(X, X, rtol), f"^rtol: expected .*got {rtol}$")
            for rtol in (0, 1, -1e-10, 2.0, np.nan)
        ),
        (lambda: effective_rank(X[0]), r"^matrix: expected shape \(\.\.\., p, q\) .*got \(3,\)$"),
        (lambda: effective_rank(3.0), r"^matrix: expected shape .*got \(\)$"),
        (lambda: effective_rank(X[:, :0]), "^matrix: .*no empty axis"),
        (lambda: effective_rank(X * np.nan), "^matrix: expected finite numbers"),
        (lambda: effective_rank(X * np.inf), "^matrix: expected finite numbers"),
        (lambda: effective_rank(1j * X), "^matrix: expected real numbers"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_change_that_leaves_the_range_of_floats_is_refused_or_ranked():
    """1.5e308 - (-1.5e308) is no float; the rank of the change is 1 all the same."""
    before, after = np.diag([1.5e308, 0.0]), np.diag([-1.5e308, 0.0])
    try:
        rank = change_rank(before, after)
    except ValueError as error:
        assert str(error).startswith(("before", "after"))
    else:
        assert rank == 1


def test_nothing_handed_in_is_changed():
    before, after = np.zeros((2, 2)), np.eye(2)
    change_rank(before, after), effective_rank(after)
    assert_array_equal(before, 0)
    assert_array_equal(after, np.eye(2))
