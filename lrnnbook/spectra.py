"""The change of weights: how many directions it has, counted and weighed."""

import numpy as np
from numpy.typing import ArrayLike

from .checks import as_array, as_fraction, broadcast_batch


def change_rank(before: ArrayLike, after: ArrayLike, rtol: float = 1e-10) -> np.ndarray:
    r"""The numerical rank of a change of weights, :math:`W_K - W_0`.

    It counts the singular values above `rtol` times the largest. What rounding alone can leave in a difference of such
    weights, the machine epsilon times the largest of them and the longer side of the matrix, never counts.

    Parameters
    ----------
    before, after : array (..., p, q)
        Weights before and after; their batch axes broadcast.
    rtol : float
        Between 0 and 1.

    Returns
    -------
    int array (...)
        0 where nothing changed.

    Raises
    ------
    ValueError
        Shapes that do not fit each other, numbers that are not finite, or `rtol` outside (0, 1).

    Examples
    --------
    >>> before = np.eye(3)
    >>> int(change_rank(before, before + np.outer([1.0, 2.0, 3.0], [1.0, 0.0, 1.0])))
    1
    """
    sizes: dict[str, int] = {}
    before, after = as_array("before", before, "p q", sizes), as_array("after", after, "p q", sizes)
    broadcast_batch(before=before.shape[:-2], after=after.shape[:-2])
    rtol = as_fraction("rtol", rtol)
    largest = np.maximum(*(np.abs(weights).max(axis=(-2, -1), keepdims=True) for weights in (before, after)))
    unit = np.where(largest > 0, largest, 1)  # divided by first, so that the difference is within the range of floats
    values = np.linalg.svd(after / unit - before / unit, compute_uv=False)
    rounding = max(sizes.values()) * np.finfo(float).eps
    return (values > np.maximum(rtol * values[..., :1], rounding)).sum(axis=-1)


def effective_rank(matrix: ArrayLike) -> np.ndarray:
    r"""The effective rank: how many singular values a matrix has, each counted by its share.

    .. math:: \exp\Big(-\sum_i p_i \log p_i\Big), \qquad p_i = \frac{\sigma_i}{\sum_j \sigma_j}

    It lies between 1 and the rank, and equals the rank where all singular values other than 0 are the same.

    Parameters
    ----------
    matrix : array (..., p, q)

    Returns
    -------
    array (...)
        0 for a matrix of zeros.

    Raises
    ------
    ValueError
        Fewer than two axes, an empty one, or numbers that are not real and finite.

    Examples
    --------
    >>> float(effective_rank(np.eye(3)).round(12)), float(effective_rank(np.ones((3, 3))).round(12))
    (3.0, 1.0)
    """
    matrix = as_array("matrix", matrix, "p q", {})
    largest = np.abs(matrix).max(axis=(-2, -1), keepdims=True)
    values = np.linalg.svd(np.divide(matrix, largest, out=np.zeros_like(matrix), where=largest > 0), compute_uv=False)
    total = values.sum(axis=-1)
    share = np.divide(values, total[..., None], out=np.zeros_like(values), where=total[..., None] > 0)
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(axis=-1)
    return np.where(total > 0, np.exp(entropy), 0.0)[()]
