"""What effective rank sees

Write `effective_rank(matrix)`: the exponential of the entropy of the singular values as shares of their sum. Shares that are
zero count nothing.
"""

import numpy as np

import lrnnbook as lb

ABOUT = "ex-tw-rank"


def effective_rank(matrix):
    """The exponential of the entropy of the singular values."""
    values = np.linalg.svd(matrix, compute_uv=False)
    shares = values[values > 0] / values.sum()
    return np.exp(-np.sum(shares * np.log(shares)))


def visible(answer):
    assert np.isclose(answer(np.eye(4)), 4), "four equal directions"
    assert np.isclose(answer(np.diag([1.0, 0.0])), 1), "one direction; the logarithm of 0 is not a number"


def hidden(answer, rng):
    for shape in ((3, 3), (5, 2), (4, 7)):
        matrix = rng.normal(size=shape) * rng.uniform(0.1, 10)
        expected = lb.effective_rank(matrix)
        assert np.isclose(answer(matrix), expected), f"a random matrix of shape {shape} has effective rank {expected:.4f}"
    rotated = np.linalg.qr(rng.normal(size=(3, 3)))[0] @ np.diag([1.0, 0.3, 0.05])
    assert np.isclose(answer(rotated), 1.97, atol=0.01), "exercise 15.1, in other axes: 1.97"


def slip(matrix):
    values = np.linalg.svd(matrix, compute_uv=False) ** 2  # shares of the variance
    shares = values[values > 0] / values.sum()
    return np.exp(-np.sum(shares * np.log(shares)))
