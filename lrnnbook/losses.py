"""How far a student is from its teacher."""

from functools import partial

import numpy as np

from .checks import as_horizon, finite, largest
from .networks import LinearRNN, check_pair
from .powers import LONG, MOST_LAGS, each, grown, jitter, krylov_columns, reach, squares, strides, too_non_normal
from .sources import series, start_response
from .stein import columns, gramian_factor, gramian_factor_partial, thin_doublings


def lag_weights(horizon, every_step, lags=None):
    """The share of the steps 1 .. T whose error has heard of lag k, ``1 - k/T``; at the final step alone every lag is in.

    Examples
    --------
    >>> lag_weights(4, every_step=True)
    array([1.  , 0.75, 0.5 , 0.25])
    """
    k = np.arange(horizon if lags is None else lags)
    return 1 - k / horizon if every_step else np.ones(k.size)


def loss(
    student: LinearRNN, teacher: LinearRNN, horizon: float = np.inf, every_step: bool = False, source: LinearRNN | None = None
) -> np.ndarray:
    r"""The loss of a student under white-noise or coloured input, at the final step or averaged over every step.

    .. math:: L_T = \tfrac12 \mathbb{E} \lVert y_T - y^*_T \rVert^2
                  = \tfrac12 \sum_{k=0}^{T-1} \lVert A W^k B - A^* W^{*k} B^* \rVert_F^2

    The sequence loss :math:`\frac{1}{2T} \sum_{t=1}^T \mathbb{E} \lVert y_t - y^*_t \rVert^2` is the mean of
    :math:`L_1, \dots, L_T`: each lag k counts from step k + 1 on, so its term has the weight :math:`1 - k/T`. Both have
    the same limit.

    A finite horizon of up to a thousand lags takes the sum. Otherwise the error is the output of one network that holds both,
    and the sum over its lags is the observability Gramian of that network, in factored form, so that the loss is never
    negative: close to zero its square root is off by little more than a change of the last bits of the weights would make it.
    Where weights are so strongly non-normal that such a change moves the loss by a millionth of the losses that the two
    would have alone, or its root by a ten-thousandth, it is refused.

    Parameters
    ----------
    student, teacher : LinearRNN
        With the same o and m; their n may differ, and their batch axes broadcast.
    horizon : int or inf
        The number of steps T before the error is read.
    every_step : bool
        Whether the error is read at every step up to T, and not only at T.
    source : LinearRNN, optional
        Coloured input: :math:`x_t` is the output of this network at time t. It has run on white noise since long before, so
        that the input is stationary, while student and teacher start at :math:`h_0 = 0`. It has as many outputs as the student
        has inputs, and a spectral radius below 1. Without it the input is white.

    Returns
    -------
    array (...)
        In squared units of the output.

    Raises
    ------
    ValueError
        o or m differ, batch axes do not broadcast, a horizon that is not a whole number of at least 1 or inf, an
        infinite one with a spectral radius of 1 or more on either side, or weights that are too non-normal.

    Examples
    --------
    >>> student, teacher = LinearRNN([[1.0]], [[0.0]], [[1.0]]), LinearRNN([[1.0]], [[0.5]], [[1.0]])
    >>> [round(float(loss(student, teacher, horizon)), 6) for horizon in (1, 2, np.inf)]
    [0.0, 0.125, 0.166667]
    """
    horizon, batch = as_horizon(horizon), check_pair(student, teacher, source=source)
    if source is not None:
        student, teacher = series(student, source), series(teacher, source)
        unheard = 0 if horizon == np.inf else _loss_of_the_start(student, teacher, source, horizon, every_step)
        return loss(student, teacher, horizon, every_step) + unheard
    compute = _loss_lag_by_lag if horizon <= LONG else _loss_by_doubling
    with np.errstate(over="ignore", invalid="ignore"):
        value, far = compute(student, teacher, batch, horizon, every_step)
        if far and np.isfinite(value).all():
            check_settled(
                lambda student, teacher: [
                    compute(student, teacher, batch, horizon, every_step)[0][..., None, None] ** p for p in (1, 0.5)
                ],
                student,
                teacher,
                most=(1e-6, 1e-4),
            )
        return finite("horizon", value)


def _loss_lag_by_lag(student, teacher, batch, horizon, every_step, lags=None):
    lags = lags or horizon
    h, h_ = krylov_columns(student.W, student.B, lags), krylov_columns(teacher.W, teacher.B, lags)
    gap, m = student.A @ h - teacher.A @ h_, student.m
    by_lag = (gap**2).sum(axis=-2) * np.repeat(lag_weights(horizon, every_step, lags), m)
    return 0.5 * by_lag.sum(axis=-1), far_from(h, m) or far_from(h_, m)


def _loss_by_doubling(student, teacher, batch, horizon, every_step):
    powers, powers_ = squares(np.finfo(float).eps, horizon, student=student.W, teacher=teacher.W)
    far = grown(powers) or horizon < np.inf and any(times > 2 for _, times in strides(powers))
    if far and reach(powers) <= MOST_LAGS:
        return _loss_lag_by_lag(student, teacher, batch, horizon, every_step, min(horizon, reach(powers)))
    both = partial(_both, batch)
    F = each(both, powers, powers_) if far else [*map(both, powers, powers_)]
    C = np.concatenate([np.broadcast_to(A, batch + A.shape[-2:]) for A in (student.A, -teacher.A)], axis=-1)
    B = np.concatenate([np.broadcast_to(B, batch + B.shape[-2:]) for B in (student.B, teacher.B)], axis=-2)
    if horizon < np.inf:
        root = gramian_factor_partial(F, C, horizon, every_step) @ B
    else:
        thin = thin_doublings(F, B)
        root = gramian_factor(F[thin:], C) @ columns(F[:thin], B)
    return 0.5 * (root**2).sum(axis=(-2, -1)), far


def far_from(blocks: np.ndarray, m: int) -> bool:
    """Whether the blocks [X, W X, W^2 X, ...] of m columns grow far, in the mean over all: then rounding can have grown as well.

    Examples
    --------
    >>> far_from(np.array([[1.0, 1e6]]), 1)
    True
    """
    start, square = blocks[..., :m], np.vdot(blocks, blocks)
    return bool(square * start.size > 1e8 * np.vdot(start, start) * blocks.size)


def check_settled(compute, student, teacher, most=(1e-6, 1e-6, 1e-6)):
    """Raise ValueError where the last bits of the weights decide the answer, which rounding has changed by as much then.

    For strongly non-normal weights this is so although they are stable.

    Parameters
    ----------
    compute : callable
        From student and teacher to a sequence of arrays (..., p, q), linear in the difference of the two responses, or its norm.
    student, teacher : LinearRNN
    most : tuple
        By how much of its size each array may move.

    Examples
    --------
    >>> net = LinearRNN([[1.0]], [[0.5]], [[1.0]])
    >>> check_settled(lambda student, teacher: [student.A @ student.W - teacher.A @ teacher.W], net, net)
    """
    answer = compute(student, teacher)
    own = compute(student, LinearRNN(0 * teacher.A, teacher.W, teacher.B))
    sizes = [largest(part) + largest(whole - part) for whole, part in zip(answer, own)]
    for name, pair in (("student", (_jitter(student), teacher)), ("teacher", (student, _jitter(teacher)))):
        try:
            changes = [largest(moved - whole) for moved, whole in zip(compute(*pair), answer)]
        except ValueError:
            raise too_non_normal(name, "an answer that is lost when their last bits change") from None
        for change, size, share in zip(changes, sizes, most):
            if not np.all(change <= share * size):
                share = np.max(change / np.where(size > 0, size, 1))
                raise too_non_normal(name, f"an answer that moves by {share:.1g} of its size when their last bits change")


def _jitter(net):
    return LinearRNN(net.A, jitter(net.W), net.B)


def _both(batch, W, W_):
    """One matrix with the two on its diagonal."""
    n, both = W.shape[-1], W.shape[-1] + W_.shape[-1]
    block = np.zeros(batch + (both, both))
    block[..., :n, :n], block[..., n:, n:] = W, W_
    return block


def _loss_of_the_start(student, teacher, source, horizon, every_step):
    if horizon > MOST_LAGS:
        raise ValueError(f"horizon: expected at most {MOST_LAGS} steps, or infinitely many, with a source, got {horizon}")
    with np.errstate(over="ignore", invalid="ignore"):
        _, c = start_response(student, teacher, source, horizon)
        c = c[..., 1:, :, :] if every_step else c[..., -1:, :, :]
        return finite("horizon", 0.5 * (c**2).sum(axis=(-2, -1)).mean(axis=-1))
