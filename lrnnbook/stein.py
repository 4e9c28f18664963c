"""Sums over all lags by doubling: each step squares the matrix and doubles the number of lags."""

import numpy as np

from .checks import check_stable


def krylov(W, X, count):
    r"""Stack :math:`X, WX, W^2X, \dots, W^{count-1}X`.

    Parameters
    ----------
    W : array (..., n, n)
    X : array (..., n, m)
    count : int
        Number of powers, at least 1.

    Returns
    -------
    array (..., count, n, m)
        Entry ``[..., k, :, :]`` is :math:`W^k X`.

    Examples
    --------
    >>> krylov(np.array([[2.0]]), np.array([[3.0]]), 4).ravel()
    array([ 3.,  6., 12., 24.])
    """
    batch = np.broadcast_shapes(W.shape[:-2], X.shape[:-2])
    blocks, power = np.broadcast_to(X, batch + X.shape[-2:])[..., None, :, :], W[..., None, :, :]
    while blocks.shape[-3] < count:
        later = power @ blocks[..., : count - blocks.shape[-3], :, :]
        blocks = np.concatenate([blocks, later], axis=-3)
        power = power @ power
    return blocks


def gramian_factor(F, C):
    r"""Return a factor :math:`R` of the observability Gramian, :math:`R^\top R = \sum_k (F^k)^\top C^\top C F^k`.

    The Gramian :math:`Q` solves the Stein equation :math:`Q = F^\top Q F + C^\top C`. With :math:`R_j` for the
    first :math:`2^j` lags, :math:`R_{j+1}` is :math:`R_j` on top of :math:`R_j F^{2^j}`, and where this gets tall its
    triangular factor, which is of the same square; what is left out after step j is
    :math:`(F^{2^j})^\top Q F^{2^j}`. Keeping the factor instead of the Gramian means that no difference of large
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
    R = C
    for F_a in F:
        if R.shape[-2] > 2 * R.shape[-1]:
            R = np.linalg.qr(R, mode="r")
        R = np.concatenate([R, R @ F_a], axis=-2)
    return R


def squares(tolerance=np.sqrt(np.finfo(float).eps), **matrices):
    r"""The powers :math:`W, W^2, W^4, W^8, \dots` of each matrix, as many as a sum over all lags needs.

    The lists end where the next powers together are sure to have a norm below `tolerance`. They get there if and only
    if the spectral radii are below 1, since :math:`\rho(W)^k \le \lVert W^k \rVert`: arriving is the proof that the
    sums converge, and costs no eigenvalues. They hold at least n lags: a chain of n units hands a pulse on for that
    long, however small its weights.

    Parameters
    ----------
    tolerance : float
        Below 1. The default is enough for sums :math:`\sum_k F^k X G^k` in which both sides decay; where only one
        does, ask for the machine epsilon.
    **matrices : (..., n, n)
        By the name that an error is to carry. Batch axes and n may differ.

    Returns
    -------
    list of lists
        One a matrix, all of the same length; entry j is the power :math:`2^j`.

    Raises
    ------
    ValueError
        A spectral radius of 1 or more, or one so close to 1 that :math:`2^{40}` lags are not enough.

    Examples
    --------
    >>> (powers,) = squares(student=np.array([[0.1]]))
    >>> [round(float(power[0, 0]), 8) for power in powers]
    [0.1, 0.01, 0.0001]
    """
    powers, latest = [[] for _ in matrices], list(matrices.values())
    n = max(W.shape[-1] for W in latest)
    with np.errstate(over="ignore", invalid="ignore"):
        for doublings in range(40):
            norm = np.sqrt(sum(np.vdot(power, power) for power in latest))  # Frobenius, of all at once
            if norm <= tolerance and 2**doublings >= n:
                return powers
            for of_one, power in zip(powers, latest):
                of_one.append(power)
            if norm**2 <= tolerance and 2 ** (doublings + 1) >= n:  # the norm of the next power is below it, too
                return powers
            if not np.isfinite(norm):
                break
            latest = [power @ power for power in latest]
    radii = {name: np.abs(np.linalg.eigvals(W)).max() for name, W in matrices.items()}
    of = dict(zip(matrices, latest))
    for name, radius in radii.items():
        check_stable(name, radius)
    name = max(radii, key=lambda name: np.nan_to_num(np.abs(of[name]), nan=np.inf).max())
    raise ValueError(
        f"{name}: an infinite horizon needs a spectral radius whose powers die out in floats, got {radii[name]:.12g}"
    )


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
    for F_a, G_a in zip(F, G):
        X = X + F_a @ X @ G_a
    return X


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
    thin = thin_doublings(F, L)
    L, L_ = columns(F[:thin], L), columns(F_[:thin], L_)
    LT, FT = np.swapaxes(L, -1, -2), [np.swapaxes(F_a, -1, -2) for F_a in F[thin:]]
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
    columns = np.empty(np.broadcast_shapes(F[0].shape[:-2], L.shape[:-2]) + (L.shape[-2], done << len(F)))
    columns[..., :done] = L
    for F_a in F:
        columns[..., done : 2 * done] = F_a @ columns[..., :done]
        done *= 2
    return columns
