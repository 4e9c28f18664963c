r"""The expected update of any rule: sums over the lags of what it sends back, l, and over those of what that meets, j.

:class:`lrnnbook.Rule` has the formulas. With a source, student and teacher are those of :func:`lrnnbook.sources.series`.
"""

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .losses import check_settled, far_from, lag_weights
from .powers import LONG, MOST_LAGS, grown, krylov, krylov_columns, reach, squares, too_non_normal
from .sources import series, start_response
from .stein import gramians, stein, stein_partial
from .updates import Update

MOST_AT_ONCE = 2**23  # numbers that a sum lag by lag holds


def expected(rule, sent, student, teacher, T, every_step):
    """The update over white-noise input."""
    if T == np.inf:
        return _limit(rule, sent, student, teacher)
    if T <= LONG:
        return _finite(rule, sent, student, teacher, T, every_step)
    # Cut where all is over, if it is.
    try:
        lags = _reach(student, teacher)
    except ValueError:
        lags = np.inf
    if lags > MOST_LAGS and lags <= T and not every_step:
        return _limit(rule, sent, student, teacher)
    if min(lags, T) > MOST_LAGS:
        raise ValueError(f"horizon: expected at most {MOST_LAGS}, or powers of both W that die out within as many lags, got {T}")
    return _finite(rule, sent, student, teacher, T, every_step, min(lags, T))


def coloured(rule, sent, student, teacher, T, every_step, source):
    """The update over what a source makes of white noise."""
    n, heard = student.n, source.A.mT
    student, teacher = series(student, source), series(teacher, source)
    dA, dW, _ = expected(rule, sent, student, teacher, T, every_step)
    if T < np.inf:  # and what the source's state at time 0 adds
        if T > MOST_LAGS:
            raise ValueError(f"horizon: expected at most {MOST_LAGS}, or infinity, with a source, got {T}")
        lags = min(rule.steps, T)
        z, c = start_response(student, teacher, source, T)
        if every_step:
            dA = dA + sum_of_products(c[..., 1:, :, :], z[..., 1:, :, :].mT) / T
            padded = np.concatenate([c, np.zeros_like(c)], axis=-3)
            ahead = padded[..., np.arange(lags)[:, None] + 1 + np.arange(T), :, :]  # c[l + 1 + s], which is zero beyond T
            met = sum_of_products(ahead, z[..., None, :T, :, :].mT) / T
        else:
            dA = dA + c[..., -1, :, :] @ z[..., -1, :, :].mT
            met = c[..., -1:, :, :] @ z[..., T - 1 - np.arange(lags), :, :].mT
        F, G = sent
        dW = dW + sum_of_products(krylov(G, F, lags), met)
    return Update(A=dA[..., :n], W=dW[..., :n], B=dW[..., n:] @ heard)


def _finite(rule, sent, student, teacher, T, every_step, lags=None, check=True):
    N = T if lags is None else lags  # from lag N on all is zero
    h, h_ = krylov_columns(student.W, student.B, N), krylov_columns(teacher.W, teacher.B, N)  # [W^k B], k = 0 .. N - 1
    o, m = student.o, student.m
    D = student.A @ h - teacher.A @ h_
    if every_step:
        D = np.repeat(lag_weights(T, every_step, N), m) * D
    (F, G), lags = sent, min(rule.steps, N)
    M = krylov_columns(G, F, lags)  # [M_l^T], l = 0 .. lags - 1
    # ahead[l, :, j] = D[l + 1 + j], which is zero from lag N on: h_0 = 0.
    padded, dW = np.concatenate([D, np.zeros_like(D)], axis=-1), 0
    at_once = max(1, MOST_AT_ONCE // max(1, D.size))
    for l in range(0, lags, at_once):
        ahead = windows(padded[..., (l + 1) * m :], m, min(at_once, lags - l), N * m)
        dW = dW + M[..., l * o : (l + at_once) * o] @ (ahead @ h.mT)  # which meets E[e_T h_{T-1-l}^T]
    error_x = windows(D, m, lags, m)  # E[e_T x_{T-1-l}^T]
    update = Update(A=D @ h.mT, W=dW, B=M @ error_x)
    if check and (far_from(h, m) or far_from(h_, m) or far_from(M, o)):
        if all(np.isfinite(delta).all() for delta in update):
            check_settled(
                lambda student, teacher: _finite(rule, sent, student, teacher, T, every_step, N, False), student, teacher
            )
    return update


def _limit(rule, sent, student, teacher):
    A, W, B = student.A, student.W, student.B
    A_, W_, B_ = teacher.A, teacher.W, teacher.B
    powers, powers_ = squares(student=W, teacher=W_)
    if grown(powers):  # products of large Gramians cancel, while the sums lag by lag keep their digits
        lags = _reach(student, teacher)
        if lags > MOST_LAGS:
            raise too_non_normal("student", f"powers that have grown and take {lags} lags to decay")
        return _finite(rule, sent, student, teacher, lags, every_step=False)
    Pi, Pi_ = gramians(powers, B, powers_, B_)
    Y, Y_ = rule._sent_in_total(sent, student, teacher, powers, powers_)
    return Update(A=A @ Pi - A_ @ Pi_, W=Y @ W @ Pi + Y_ @ W_ @ Pi_, B=Y @ B + Y_ @ B_)


def sent_in_total(steps, sent, student, teacher):
    """Y_1 and Y_2: (..., n, n) and (..., n, n of the teacher)."""
    F, G = sent
    FA, FA_ = F @ student.A, F @ teacher.A
    if steps == 1:
        return FA, -FA_
    c = 1.0 if steps < math.inf else common_scale(G, student, teacher)
    back, powers, powers_ = squares(
        lags=steps, **{"what the rule sends back": G / c}, student=c * student.W, teacher=c * teacher.W
    )
    if steps < math.inf:
        return stein_partial(back, FA, powers, steps), -stein_partial(back, FA_, powers_, steps)
    return stein(back, FA, powers), -stein(back, FA_, powers_)


def common_scale(G, student, teacher):
    """With (G/c)^l X (cW)^l for G^l X W^l a G that does not decay by itself is no harm, as long as the product does."""
    if np.abs(G).sum(axis=-1).max(initial=0) < 1:
        return 1.0
    radius = np.abs(np.linalg.eigvals(G)).max(axis=-1)
    if not np.any(radius >= 1):
        return 1.0
    other = np.maximum(student.spectral_radius(), teacher.spectral_radius())
    if not np.all(radius * other < 1):
        raise ValueError(
            f"student: an infinite horizon needs the spectral radius of the rule's G (for e-prop the largest |W_ii|) "
            f"times that of either network below 1, got {np.max(radius * other):.6g}"
        )
    return np.sqrt(radius / np.maximum(other, 1e-8))[..., None, None]


def _reach(student, teacher):
    """After how many lags nothing is left to add."""
    return reach(squares(np.finfo(float).eps, student=student.W, teacher=teacher.W)[0])


def windows(X, shift, count, width):
    """Columns of X (..., p, q) from 0, shift, 2 shift, ... on, `width` of them, below each other: (..., count * p, width).

    Examples
    --------
    >>> windows(np.array([[1.0, 2.0, 3.0]]), 1, 2, 2)
    array([[1., 2.],
           [2., 3.]])
    """
    *batch, down, across = X.strides
    shape = X.shape[:-2] + (count, X.shape[-2], width)
    view = as_strided(X, shape, (*batch, shift * across, down, across), writeable=False)
    return view.reshape(X.shape[:-2] + (count * X.shape[-2], width))


def sum_of_products(X, Y):
    """The sum over k of X_k Y_k: (..., k, p, q), (..., k, q, r) -> (..., p, r)."""
    X, inner = np.moveaxis(X, -3, -2), Y.shape[-3] * Y.shape[-2]
    return X.reshape(X.shape[:-2] + (inner,)) @ Y.reshape(Y.shape[:-3] + (inner, Y.shape[-1]))
