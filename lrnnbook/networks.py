"""Linear recurrent networks: what they compute, and how far a student is from its teacher."""

from dataclasses import dataclass

import numpy as np

from .checks import ReadOnly, as_array, as_count, as_horizon, as_instance, broadcast_batch, finite
from .stein import (
    columns,
    each,
    gramian_factor,
    gramian_factor_partial,
    grown,
    jitter,
    krylov,
    reach,
    squares,
    strides,
    thin_doublings,
    too_non_normal,
)

LONG, MOST_LAGS = 1000, 20_000  # lags that a finite sum takes one by one, more are doubled; and where these would not do


@dataclass(frozen=True, eq=False)
class LinearRNN(ReadOnly):
    r"""A linear recurrent network, or a batch of them.

    .. math:: h_{t+1} = W h_t + B x_t, \qquad y_{t+1} = A h_{t+1}, \qquad h_0 = 0

    The weights are copied, kept as float arrays and made read-only. Leading axes of the three are batch axes and
    broadcast together.

    Parameters
    ----------
    A : array (..., o, n)
        Readout: output i from hidden unit j is ``A[..., i, j]``.
    W : array (..., n, n)
        Recurrent weights, to unit i from unit j.
    B : array (..., n, m)
        Input weights, to unit i from input j.

    Raises
    ------
    ValueError
        Shapes that do not fit each other, an empty axis, or numbers that are not real and finite.

    Examples
    --------
    >>> net = LinearRNN(A=[[1.0, 0.0]], W=[[0.5, 1.0], [0.0, 0.5]], B=[[0.0], [1.0]])
    >>> net
    LinearRNN(o=1, n=2, m=1)
    """

    A: np.ndarray
    W: np.ndarray
    B: np.ndarray

    def __post_init__(self):
        sizes = {}
        for name, core in (("A", "o n"), ("W", "n n"), ("B", "n m")):
            weights = as_array(name, getattr(self, name), core, sizes)
            weights.setflags(write=False)
            object.__setattr__(self, name, weights)
        self.batch_shape  # raises where the batch axes do not fit

    def __repr__(self):
        batch = f", batch={self.batch_shape}" if self.batch_shape else ""
        return f"LinearRNN(o={self.o}, n={self.n}, m={self.m}{batch})"

    @property
    def o(self):
        """Number of outputs."""
        return self.A.shape[-2]

    @property
    def n(self):
        """Number of hidden units."""
        return self.A.shape[-1]

    @property
    def m(self):
        """Number of inputs."""
        return self.B.shape[-1]

    @property
    def batch_shape(self):
        """The common shape of the leading axes; ``()`` for a single network."""
        return broadcast_batch(A=self.A.shape[:-2], W=self.W.shape[:-2], B=self.B.shape[:-2])

    def spectral_radius(self):
        r"""The largest modulus of an eigenvalue of :math:`W`, shape (...).

        It is worth what eigenvalues in floats are: exact for a :math:`W` whose last bits are other ones. Those of a strongly
        non-normal :math:`W` move far for it, by :math:`\varepsilon^{1/n}` in a chain of n units in rotated coordinates. Whether
        sums over all lags converge is decided by the powers of :math:`W` themselves.

        Examples
        --------
        >>> float(LinearRNN([[1.0]], [[-0.5]], [[1.0]]).spectral_radius())
        0.5
        """
        radius = np.abs(np.linalg.eigvals(self.W)).max(axis=-1)
        return np.broadcast_to(radius, self.batch_shape)[()]

    def impulse_response(self, lags):
        r"""The output k + 1 steps after a unit pulse, :math:`K_k = A W^k B` for k = 0 .. lags - 1.

        Parameters
        ----------
        lags : int
            How many, at least 1.

        Returns
        -------
        array (..., lags, o, m)
            Entry ``[..., k, i, j]``: output i at time t + k + 1 from input j at time t.

        Raises
        ------
        ValueError
            `lags` below 1 or not whole, or an unstable network whose response leaves the range of floats.

        Examples
        --------
        >>> LinearRNN([[2.0]], [[0.5]], [[1.0]]).impulse_response(4).ravel()
        array([2.  , 1.  , 0.5 , 0.25])
        """
        lags = as_count("lags", lags)
        if lags * self.o * self.m > 2**31:
            raise ValueError(f"lags: expected so few that the response fits into memory, got {lags}")
        response = self._response(lags)
        if not np.isfinite(response).all():
            raise ValueError(
                f"lags: expected a number at which the impulse response is still finite, got {lags} "
                f"with a spectral radius of {np.max(self.spectral_radius()):.6g}"
            )
        return response

    def _response(self, lags):
        with np.errstate(over="ignore", invalid="ignore"):
            return self.A[..., None, :, :] @ krylov(self.W, self.B, lags)

    def transfer(self, z):
        r"""The transfer function :math:`\sum_k A W^k B z^k = A (I - z W)^{-1} B`.

        Parameters
        ----------
        z : array (...)
            Real or complex, inside the disc :math:`|z| < 1/\rho(W)` where the sum converges. Its axes broadcast
            with the batch axes of the network.

        Returns
        -------
        array (..., o, m)
            Complex where z is.

        Raises
        ------
        ValueError
            A z that is not finite, or outside that disc.

        Examples
        --------
        >>> LinearRNN([[2.0]], [[0.5]], [[1.0]]).transfer(0.8)
        array([[3.33333333]])
        """
        z = np.asarray(z)
        if z.dtype.kind not in "biufc" or not np.isfinite(z).all():
            raise ValueError(f"z: expected finite numbers, got {z}")
        z = z.astype(complex if z.dtype.kind == "c" else float)
        broadcast_batch(z=z.shape, network=self.batch_shape)
        with np.errstate(over="ignore"):
            reach = np.abs(z) * self.spectral_radius()
        if not np.all(reach < 1):
            self._check_disc(z, reach)
        with np.errstate(over="ignore", invalid="ignore"):
            H, inner = self._transfer(z)
            if not np.isfinite(H).all():
                raise ValueError(f"z: expected numbers at which the transfer function is within the range of floats, got {z}")
            if _most(inner) > 1e6 * _most(self.B):  # then rounding can have grown as well
                moved, _ = LinearRNN(self.A, jitter(self.W), self.B)._transfer(z)
                if not np.all(_largest(moved - H) <= 1e-6 * _largest(self.A) * _largest(inner)):
                    raise too_non_normal("network", "a transfer function that is lost when their last bits change")
        return H

    def _transfer(self, z):
        inner = np.linalg.solve(np.eye(self.n) - z[..., None, None] * self.W, self.B)
        return self.A @ inner, inner

    def _check_disc(self, z, reach):
        """Eigenvalues of strongly non-normal matrices can be far off: where they say no, the powers decide."""
        with np.errstate(over="ignore"):
            W = np.abs(z)[..., None, None] * self.W
        try:
            squares(np.finfo(float).eps, network=W[reach >= 1] if np.ndim(reach) else W)
        except ValueError:
            raise ValueError(
                f"z: the sum converges where |z| times the spectral radius is below 1, got {np.max(reach):.6g}"
            ) from None


def as_network(name, value):
    """Return `value`; raise ValueError unless it is a LinearRNN.

    Examples
    --------
    >>> as_network("net", LinearRNN([[1.0]], [[0.0]], [[1.0]]))
    LinearRNN(o=1, n=1, m=1)
    """
    return as_instance(name, value, LinearRNN, "a LinearRNN")


def check_pair(student, teacher, **batches):
    """Return the common batch shape of student, teacher and what else is named; raise ValueError if o or m differ.

    Examples
    --------
    >>> net = LinearRNN([[1.0]], [[0.0]], [[1.0]])
    >>> check_pair(net, net, R=(20,))
    (20,)
    """
    as_network("student", student), as_network("teacher", teacher)
    for axis in "om":
        if getattr(student, axis) != getattr(teacher, axis):
            raise ValueError(
                f"student: expected the teacher's {axis} = {getattr(teacher, axis)}, got {getattr(student, axis)}"
            )
    return broadcast_batch(student=student.batch_shape, teacher=teacher.batch_shape, **batches)


def lag_weights(horizon, every_step, lags=None):
    """The share of the steps 1 .. T whose error has heard of lag k, ``1 - k/T``; at the final step alone every lag is in.

    Examples
    --------
    >>> lag_weights(4, every_step=True)
    array([1.  , 0.75, 0.5 , 0.25])
    """
    k = np.arange(horizon if lags is None else lags)
    return 1 - k / horizon if every_step else np.ones(k.size)


def loss(student, teacher, horizon=np.inf, every_step=False):
    r"""The loss of a student under white-noise input, at the final step or averaged over every step.

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
    horizon, batch = as_horizon(horizon), check_pair(student, teacher)
    compute = _loss_lag_by_lag if horizon <= LONG else _loss_by_doubling
    with np.errstate(over="ignore", invalid="ignore"):
        value, far = compute(student, teacher, batch, horizon, every_step)
        if far and np.isfinite(value).all():
            check_settled(
                lambda *pair: [compute(*pair, batch, horizon, every_step)[0][..., None, None] ** p for p in (1, 0.5)],
                student,
                teacher,
                most=(1e-6, 1e-4),
            )
        return finite("horizon", value)


def _loss_lag_by_lag(student, teacher, batch, horizon, every_step, lags=None):
    lags = lags or horizon
    h, h_ = krylov(student.W, student.B, lags), krylov(teacher.W, teacher.B, lags)
    gap = student.A[..., None, :, :] @ h - teacher.A[..., None, :, :] @ h_
    by_lag = (gap**2).sum(axis=(-2, -1)) * lag_weights(horizon, every_step, lags)
    return 0.5 * by_lag.sum(axis=-1), far_from(h) or far_from(h_)


def _loss_by_doubling(student, teacher, batch, horizon, every_step):
    powers, powers_ = squares(np.finfo(float).eps, horizon, student=student.W, teacher=teacher.W)
    far = grown(powers) or horizon < np.inf and any(times > 2 for _, times in strides(powers))
    if far and reach(powers) <= MOST_LAGS:
        return _loss_lag_by_lag(student, teacher, batch, horizon, every_step, min(horizon, reach(powers)))
    both = lambda W, W_: _both(batch, W, W_)
    F = each(both, powers, powers_) if far else [*map(both, powers, powers_)]
    C = np.concatenate([np.broadcast_to(A, batch + A.shape[-2:]) for A in (student.A, -teacher.A)], axis=-1)
    B = np.concatenate([np.broadcast_to(B, batch + B.shape[-2:]) for B in (student.B, teacher.B)], axis=-2)
    if horizon < np.inf:
        root = gramian_factor_partial(F, C, horizon, every_step) @ B
    else:
        thin = thin_doublings(F, B)
        root = gramian_factor(F[thin:], C) @ columns(F[:thin], B)
    return 0.5 * (root**2).sum(axis=(-2, -1)), far


def far_from(blocks):
    """Whether the blocks [X, W X, W^2 X, ...] grow far, in the mean over all: then rounding can have grown as well.

    Examples
    --------
    >>> far_from(np.array([[[1.0]], [[1e6]]]))
    True
    """
    start, square = blocks[..., 0, :, :], np.vdot(blocks, blocks)
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
    >>> check_settled(lambda student, teacher: [student.W - teacher.W], net, net)
    """
    answer = compute(student, teacher)
    own = compute(student, LinearRNN(0 * teacher.A, teacher.W, teacher.B))
    sizes = [_largest(part) + _largest(whole - part) for whole, part in zip(answer, own)]
    for name, pair in (("student", (_jitter(student), teacher)), ("teacher", (student, _jitter(teacher)))):
        try:
            changes = [_largest(moved - whole) for moved, whole in zip(compute(*pair), answer)]
        except ValueError:
            raise too_non_normal(name, "an answer that is lost when their last bits change") from None
        for change, size, share in zip(changes, sizes, most):
            if not np.all(change <= share * size):
                share = np.max(change / np.where(size > 0, size, 1))
                raise too_non_normal(name, f"an answer that moves by {share:.1g} of its size when their last bits change")


def _jitter(net):
    return LinearRNN(net.A, jitter(net.W), net.B)


def _most(array):
    return np.abs(array).max(initial=0)


def _largest(matrix):
    return np.abs(matrix).max(axis=(-2, -1))


def _both(batch, W, W_):
    """One matrix with the two on its diagonal."""
    n, both = W.shape[-1], W.shape[-1] + W_.shape[-1]
    block = np.zeros(batch + (both, both))
    block[..., :n, :n], block[..., n:, n:] = W, W_
    return block


def simulate(net, inputs):
    r"""Run a network on given inputs: :math:`h_{t+1} = W h_t + B x_t`, :math:`y_{t+1} = A h_{t+1}`, :math:`h_0 = 0`.

    Parameters
    ----------
    net : LinearRNN
    inputs : array (..., batch, T, m)
        Entry ``[..., t, :]`` is :math:`x_t`, t = 0 .. T - 1. Axes before the last three broadcast with the batch
        axes of the network: each network runs on every sequence.

    Returns
    -------
    array (..., batch, T, o)
        Entry ``[..., t, :]`` is :math:`y_{t+1}`: the outputs start at :math:`y_1`.

    Raises
    ------
    ValueError
        Inputs of another shape, not finite, or an unstable network whose outputs leave the range of floats.

    Examples
    --------
    >>> simulate(LinearRNN([[2.0]], [[0.5]], [[1.0]]), [[[1.0], [0.0], [0.0]]]).ravel()
    array([2. , 1. , 0.5])
    """
    x = as_array("inputs", inputs, "batch T m", {"m": as_network("net", net).m})
    broadcast_batch(net=net.batch_shape, inputs=x.shape[:-3])
    A, W, B = (np.swapaxes(weights, -1, -2) for weights in (net.A, net.W, net.B))
    with np.errstate(over="ignore", invalid="ignore"):
        drive = np.moveaxis(x @ B[..., None, :, :], -2, 0)  # B x_t, time first
        h, states = np.zeros((1, net.n)), []
        for t in range(len(drive)):
            h = h @ W + drive[t]
            states.append(h)
        y = np.stack(states, axis=-2) @ A[..., None, :, :]
    if not np.isfinite(y).all():
        raise ValueError(
            f"inputs: expected sequences on which the outputs stay finite, got T = {x.shape[-2]} "
            f"with a spectral radius of {np.max(net.spectral_radius()):.6g}"
        )
    return y
