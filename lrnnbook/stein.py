"""Sums over all lags by doubling: each step squares the matrix and doubles the number of lags."""

from typing import Any

import numpy as np

from .checks import broadcast_batch
from .powers import grown, krylov, reach, squares, strides  # noqa: F401 (examples and tests start from squares)


def gramian_factor(F, C):
    r"""Return a factor :math:`R` of the observability Gramian, :math:`R^\top R = \sum_k (F^k)^\top C^\top C F^k`.

    The Gramian :math:`Q` solves the Stein equation :math:`Q = F^\top Q F + C^\top C`. With :math:`R_j` for the
    first :math:`2^j` lags, :math:`R_{j+1}` is :math:`R_j` on top of :math:`R_j F^{2^j}`, and where this gets tall its
    triangular factor, which is of the same square. Keeping the factor instead of the Gramian means that no difference of large
    numbers is ever taken.

    Parameters
    ----------
    F : list of (..., n, n)
        The powers 1, 2, 4, ..., see :func:`squares`, to the machine epsilon.
    C : array (..., o, n)

    Returns
    -------
    array (..., r, n)
        With r at most 4n, or o where that is larger and there are no powers.

    Examples
    --------
    >>> (F,) = squares(np.finfo(float).eps, student=np.array([[0.6]]))
    >>> round(float((gramian_factor(F, np.array([[0.8]])) ** 2).sum()), 12)
    1.0
    """
    if grown(F):
        rows = krylov(np.swapaxes(F[0], -1, -2), np.swapaxes(C, -1, -2), reach(F))
        return np.linalg.qr(np.concatenate(list(np.moveaxis(np.swapaxes(rows, -1, -2), -3, 0)), axis=-2), mode="r")
    R = C
    for F_a in F:
        if R.shape[-2] > 2 * R.shape[-1]:
            R = np.linalg.qr(R, mode="r")
        R = np.concatenate([R, R @ F_a], axis=-2)
    return R


def gramian_factor_partial(F, C, lags, fading=False):
    r"""The same over the first lags only, of weight 1 each, or of the weight 1 - k/lags at lag k.

    With :math:`S_a` the square of the one and :math:`V_a = \sum_{k<a} (a - k)\, (F^k)^\top C^\top C F^k`, which is `lags` times
    that of the other,

    .. math:: S_{a+b} = S_a + (F^a)^\top S_b F^a, \qquad V_{a+b} = V_a + b\, S_a + (F^a)^\top V_b F^a,

    and the digits of `lags` are put together as in :func:`stein_partial`.

    Parameters
    ----------
    F : list of (..., n, n)
        The powers of :func:`squares`, to the machine epsilon or to `lags`.
    C : array (..., o, n)
    lags : int
    fading : bool

    Returns
    -------
    array (..., r, n)

    Examples
    --------
    >>> (F,) = squares(lags=3, student=np.array([[2.0]]))
    >>> R = gramian_factor_partial(F, np.array([[1.0]]), 3)
    >>> round(float((R**2).sum()), 12) == 1 + 4 + 16
    True
    """

    def stack(*parts):
        R = np.concatenate(parts, axis=-2)
        return np.linalg.qr(R, mode="r") if R.shape[-2] > 2 * R.shape[-1] else R

    def then(first, later, F_a):
        (S, V, a), (S_b, V_b, b) = first, later
        return stack(S, S_b @ F_a), stack(V, np.sqrt(b) * S, V_b @ F_a) if fading else S, a + b

    all_, left = (C, C, 1), lags
    some: Any = None
    for F_a, times in strides(F):
        left, digit = divmod(left, times)
        for _ in range(digit):
            some = all_ if some is None else then(all_, some, F_a)
        if not left:
            break
        first = all_
        for _ in range(times - 1):
            all_ = then(first, all_, F_a)
    else:  # at the end of the powers, or beyond it, where every further lag is zero
        S, V, a = all_
        some = S, stack(V, np.sqrt(lags - a) * S), lags
    return some[1] / np.sqrt(lags) if fading else some[0]


def stein(F, X, G):
    r"""The sum over all lags :math:`\sum_k F^k X G^k`, the solution of :math:`S = F S G + X`.

    With :math:`X_a` for the first a lags, :math:`X_{2a} = X_a + F^a X_a G^a`.

    Parameters
    ----------
    F, G : list of (..., p, p) and of (..., q, q)
        The powers 1, 2, 4, ..., see :func:`squares`.
    X : array (..., p, q)

    Returns
    -------
    array (..., p, q)

    Examples
    --------
    >>> F, G = squares(student=np.array([[0.5]]), teacher=np.array([[0.2]]))
    >>> stein(F, np.array([[0.9]]), G).round(12)
    array([[1.]])
    """
    if grown(F):
        return lag_by_lag(F, X, G, reach(F))
    for F_a, G_a in zip(F, G):
        X = X + F_a @ X @ G_a
    return X


def stein_by_rows(f, X, G):
    r"""The same, each row with a factor of its own on the left, of at most 1 in modulus: :math:`\sum_k \mathrm{diag}(f)^k X G^k`.

    Where only one side is sure to decay it has to do so to the machine epsilon: one power more than G holds.

    Parameters
    ----------
    f : array (..., p, 1)
    X : array (..., p, q)
    G : list of (..., q, q)
        The powers 1, 2, 4, ..., see :func:`squares`.

    Examples
    --------
    >>> F, G = squares(student=np.array([[0.5]]), teacher=np.array([[0.2]]))
    >>> stein_by_rows(F[0], np.array([[0.9]]), G).round(12)
    array([[1.]])
    """
    for G_a in [*G, *(G_a @ G_a for G_a in G[-1:])]:
        X, f = X + f * (X @ G_a), f * f
    return X


def lag_by_lag(F, X, G, lags):
    r"""The sum over the first lags, :math:`\sum_k F^k X G^k`, without squaring.

    Examples
    --------
    >>> lag_by_lag([np.array([[0.5]])], np.array([[1.0]]), [np.array([[2.0]])], 3)
    array([[3.]])
    """
    left, right = krylov(F[0], X, lags), krylov(np.swapaxes(G[0], -1, -2), np.eye(X.shape[-1]), lags)
    return np.einsum("...kpq,...krq->...pr", left, right, optimize=True)


def stein_partial(F, X, G, lags):
    r"""The sum over the first lags only, :math:`\sum_{k < \text{lags}} F^k X G^k`.

    The binary digits of `lags`, lowest first, are put together by :math:`X_{a+b} = X_a + F^a X_b G^a`, with a the
    power of two. Nothing is subtracted, so that a few lags keep all their digits.

    Parameters
    ----------
    F, G : list of (..., p, p) and of (..., q, q)
        The powers 1, 2, 4, ..., see :func:`squares`. Where `lags` is beyond them, the sum over all lags is returned,
        which is the same number.
    X : array (..., p, q)
    lags : int
        At least 1.

    Returns
    -------
    array (..., p, q)

    Examples
    --------
    >>> F, G = squares(student=np.array([[0.5]]), teacher=np.array([[0.5]]))
    >>> float(stein_partial(F, np.array([[1.0]]), G, 3)[0, 0]) == 1 + 1 / 4 + 1 / 16
    True
    """
    if grown(F):
        return lag_by_lag(F, X, G, min(lags, reach(F)))
    total = np.zeros(X.shape[-2:])
    for F_a, G_a in zip(F, G):
        lags, odd = divmod(lags, 2)
        if odd:
            total = X + F_a @ total @ G_a
        if not lags:
            return total
        X = X + F_a @ X @ G_a
    return X


def gramians(F, L, F_, L_):
    r"""A Gramian :math:`\sum_k F^k L L^\top F^{k\top}` and a cross Gramian :math:`\sum_k F_*^k L_* L^\top F^{k\top}`.

    As long as it is thin, the block of columns :math:`[L, FL, \dots, F^{a-1}L]` is doubled instead of its square.

    Parameters
    ----------
    F, F_ : list of (..., n, n) and of (..., n_, n_)
        The powers 1, 2, 4, ..., see :func:`squares`.
    L, L_ : array (..., n, m) and (..., n_, m)

    Returns
    -------
    array (..., n, n) and (..., n_, n)

    Examples
    --------
    >>> F, F_ = squares(student=np.array([[0.6]]), teacher=np.array([[0.5]]))
    >>> gramian, cross = gramians(F, np.array([[0.8]]), F_, np.array([[0.7]]))
    >>> gramian.round(12), cross.round(12)
    (array([[1.]]), array([[0.8]]))
    """
    if grown(F):
        lags = reach(F)
        L, L_ = (np.concatenate(list(np.moveaxis(krylov(X[0], X_L, lags), -3, 0)), axis=-1) for X, X_L in ((F, L), (F_, L_)))
        LT = np.swapaxes(L, -1, -2)
        return L @ LT, L_ @ LT
    thin = thin_doublings(F, L)
    L, L_ = columns(F[:thin], L), columns(F_[:thin], L_)
    LT, FT = L.mT, [F_a.mT for F_a in F[thin:]]
    return stein(F[thin:], L @ LT, FT), stein(F_[thin:], L_ @ LT, FT)


def thin_doublings(F, L):
    """How many of the powers F double the columns of L (..., n, m) before these are more than 2n.

    Examples
    --------
    >>> thin_doublings([np.eye(4)] * 9, np.ones((4, 1)))
    3
    """
    thin = 0
    while thin < len(F) and 2 ** (thin + 1) * L.shape[-1] <= 2 * L.shape[-2]:
        thin += 1
    return thin


def columns(F, L):
    """The first columns [L, F L, F^2 L, ...], twice as many with every power in F.

    Examples
    --------
    >>> columns([np.array([[0.5]]), np.array([[0.25]])], np.array([[1.0]]))
    array([[1.   , 0.5  , 0.25 , 0.125]])
    """
    if not F:
        return L
    done = L.shape[-1]
    columns = np.empty(broadcast_batch(F=F[0].shape[:-2], L=L.shape[:-2]) + (L.shape[-2], done << len(F)))
    columns[..., :done] = L
    for F_a in F:
        columns[..., done : 2 * done] = F_a @ columns[..., :done]
        done *= 2
    return columns
