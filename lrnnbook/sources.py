"""Coloured input: a network whose output is what student and teacher hear."""

import numpy as np

from .checks import broadcast_batch
from .networks import LinearRNN
from .powers import krylov, squares
from .stein import gramian_factor


def series(net, source):
    """A network that hears a source, as one network that hears what the source does: its state is (h, g), g the source's.

    Examples
    --------
    >>> half = LinearRNN([[1.0]], [[0.5]], [[1.0]])
    >>> series(half, half).W
    array([[0.5, 1. ],
           [0. , 0.5]])
    """
    batch = broadcast_batch(net=net.batch_shape, source=source.batch_shape)
    n, both = net.n, net.n + source.n
    A, W, B = np.zeros(batch + (net.o, both)), np.zeros(batch + (both, both)), np.zeros(batch + (both, source.m))
    A[..., :n] = net.A
    W[..., :n, :n], W[..., :n, n:], W[..., n:, n:] = net.W, net.B @ source.A, source.W
    B[..., n:, :] = source.B
    return LinearRNN.unchecked(A, W, B)


def start_factor(source):
    r"""A factor S (..., n, r) of the stationary covariance of a source's state, :math:`S S^\top = \sum_k W^k B B^\top W^{k\top}`.

    Examples
    --------
    >>> S = start_factor(LinearRNN([[1.0]], [[0.6]], [[0.8]]))
    >>> (S @ S.mT).round(12)
    array([[1.]])
    """
    (powers,) = squares(np.finfo(float).eps, source=source.W)
    return gramian_factor([power.mT for power in powers], source.B.mT).mT


def start_response(student, teacher, source, horizon):
    """What is left of the source's state at time 0 in the states of :func:`series` and in the error.

    That is z_t, (..., T + 1, n, r), and c_t, (..., T + 1, o, r), for t = 0 .. T.
    """
    S = start_factor(source)
    z, z_ = (
        krylov(net.W, np.concatenate([np.zeros(S.shape[:-2] + (net.n - source.n, S.shape[-1])), S], axis=-2), horizon + 1)
        for net in (student, teacher)
    )
    return z, student.A[..., None, :, :] @ z - teacher.A[..., None, :, :] @ z_


def draw_inputs(rng, shape, m, source=None):
    """Sequences (*shape, m) of white noise, or of what a source makes of it; the last axis of `shape` is time.

    Examples
    --------
    >>> draw_inputs(np.random.default_rng(0), (5, 7), 2).shape
    (5, 7, 2)
    """
    if source is None:
        return rng.standard_normal(shape + (m,))
    S = start_factor(source)
    g = rng.standard_normal(shape[:-1] + (S.shape[-1],)) @ S.mT
    x = np.empty(shape + (m,))
    for t in range(shape[-1]):
        x[..., t, :] = g @ source.A.mT
        g = g @ source.W.mT + rng.standard_normal(shape[:-1] + (source.m,)) @ source.B.mT
    return x
