"""Sums over all lags by doubling: each step squares the matrix and doubles the number of lags."""

import numpy as np


def krylov(W, X, count):
    r"""Stack :math:`X, WX, W^2X, \dots, W^{count-1}X`.

    Parameters
    ----------
    W : (..., n, n)
    X : (..., n, m)
    count : int
        Number of powers, at least 1.

    Returns
    -------
    (..., count, n, m)
        Entry ``[..., k, :, :]`` is :math:`W^k X`.

    Examples
    --------
    >>> krylov(np.array([[2.0]]), np.array([[3.0]]), 4).ravel()
    array([ 3.,  6., 12., 24.])
    """
    blocks, power = X[..., None, :, :], W[..., None, :, :]
    while blocks.shape[-3] < count:
        later = power @ blocks[..., : count - blocks.shape[-3], :, :]
        batch = np.broadcast_shapes(blocks.shape[:-3], later.shape[:-3])
        blocks = np.concatenate([np.broadcast_to(part, batch + part.shape[-3:]) for part in (blocks, later)], axis=-3)
        power = power @ power
    return blocks


def gramian_factor(W, C):
    r"""Return a factor :math:`R` of the observability Gramian, :math:`R^\top R = \sum_k (W^k)^\top C^\top C W^k`.

    The Gramian :math:`Q` solves the Stein equation :math:`Q = W^\top Q W + C^\top C`. With :math:`R_j` for the
    first :math:`2^j` lags, :math:`R_{j+1}` is the triangular factor of :math:`R_j` on top of
    :math:`R_j W^{2^j}`; what is left out after step j is :math:`(W^{2^j})^\top Q W^{2^j}`. Keeping the factor
    instead of the Gramian means that no difference of large numbers is ever taken.

    Parameters
    ----------
    W : (..., n, n)
        Spectral radius below 1; the caller checks.
    C : (..., o, n)
        Same batch axes as W.

    Returns
    -------
    (..., r, n)
        With r at most n, or o where that is larger and one lag is enough.

    Examples
    --------
    >>> gramian_factor(np.array([[0.6]]), np.array([[0.8]])) ** 2
    array([[1.]])
    """
    R, power = C, W
    while np.abs(power).sum(axis=-1).max(initial=0) > np.finfo(float).eps:
        R = np.linalg.qr(np.concatenate([R, R @ power], axis=-2), mode="r")
        power = power @ power
    return R
