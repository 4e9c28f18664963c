"""Modes: an aligned network is a set of independent scalar networks, three numbers each."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .checks import ReadOnly, as_array, as_horizon, as_instance, broadcast_batch, check_orthonormal, check_stable, finite
from .networks import LONG, LinearRNN, as_network, loss


@dataclass(frozen=True, eq=False)
class Mode(ReadOnly):
    r"""A scalar network :math:`h_{t+1} = w h_t + b x_t,\; y_{t+1} = a h_{t+1}`, or an array of them.

    Its impulse response is :math:`a b w^k`. The three are broadcast together, copied and made read-only; unpacking
    gives them in the order a, b, w.

    Parameters
    ----------
    a, b, w : array (...)
        Readout, input weight and recurrent weight.

    Raises
    ------
    ValueError
        Shapes that do not broadcast, or numbers that are not real and finite.

    Examples
    --------
    >>> a, b, w = Mode(a=1.0, b=[2.0, 3.0], w=0.5)
    >>> a * b
    array([2., 3.])
    """

    a: np.ndarray
    b: np.ndarray
    w: np.ndarray

    def __post_init__(self):
        values = {name: as_array(name, getattr(self, name), "", {}) for name in "abw"}
        shape = broadcast_batch(**{name: value.shape for name, value in values.items()})
        for name, value in values.items():
            value = np.broadcast_to(value, shape).copy()
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    def __iter__(self):
        return iter((self.a, self.b, self.w))

    @property
    def shape(self):
        """The common shape of a, b and w."""
        return self.a.shape


def as_mode(name, value):
    """Return `value`; raise ValueError unless it is a Mode.

    Examples
    --------
    >>> as_mode("target", Mode(1.0, 1.0, 0.5)).shape
    ()
    """
    return as_instance(name, value, Mode, "a Mode")


def mode_loss(mode, target, horizon=np.inf):
    r"""The loss of one mode, :math:`\tfrac12 \sum_{k<T} (a b w^k - a^* b^* w^{*k})^2`.

    In the limit of an infinite horizon this is

    .. math::

        & \tfrac12\left[\frac{a^2 b^2}{1-w^2} - \frac{2\,ab\,a^*b^*}{1-ww^*} + \frac{a^{*2}b^{*2}}{1-w^{*2}}\right] \\
        &= \frac{1}{2(1-w^2)}\left(ab - a^*b^*\frac{1-w^2}{1-ww^*}\right)^2
        + \frac{a^{*2}b^{*2}(w-w^*)^2}{2(1-w^{*2})(1-ww^*)^2}

    and the code uses the second form, whose terms cannot be negative: what a better readout would still remove at
    this w, and what only a better w would.

    Parameters
    ----------
    mode, target : Mode
        Of shapes that broadcast together.
    horizon : int or inf

    Returns
    -------
    array (...)

    Raises
    ------
    ValueError
        Shapes that do not broadcast, a horizon that is not a whole number of at least 1 or inf, or an infinite one
        with :math:`|w| \ge 1` on either side.

    Examples
    --------
    >>> float(mode_loss(Mode(1.0, 1.0, 0.5), Mode(2.0, 1.0, 0.5)))
    0.6666666666666666
    """
    horizon = as_horizon(horizon)
    broadcast_batch(mode=as_mode("mode", mode).shape, target=as_mode("target", target).shape)
    (a, b, w), (a_, b_, w_) = mode, target
    if LONG < horizon < np.inf:
        return loss(*(LinearRNN(*(part[..., None, None] for part in (a, w, b))) for a, b, w in (mode, target)), horizon)
    if horizon < np.inf:
        k = np.arange(horizon)
        with np.errstate(over="ignore", invalid="ignore"):
            gap = (a * b)[..., None] * w[..., None] ** k - (a_ * b_)[..., None] * w_[..., None] ** k
            return finite("horizon", 0.5 * (gap**2).sum(axis=-1))
    check_stable("mode", np.abs(w))
    check_stable("target", np.abs(w_))
    with np.errstate(over="ignore", invalid="ignore"):
        own, targets = (1 - w) * (1 + w), (1 - w_) * (1 + w_)
        readout = (a * b - a_ * b_ * own / (1 - w * w_)) ** 2 / own
        memory = (a_ * b_ * (w - w_)) ** 2 / (targets * (1 - w * w_) ** 2)
        return finite("horizon", 0.5 * (readout + memory))


def _directions(name, matrix, sizes, core):
    matrix = as_array(name, matrix, core, sizes)
    check_orthonormal(name, matrix)
    return matrix


def aligned_network(modes, U, V, P):
    r"""Build the network :math:`A = U \bar A P^\top,\; W = P \bar W P^\top,\; B = P \bar B V^\top`.

    The bars are diagonal matrices of the modes. Mode i uses column i of each of the three; further columns are left
    alone, and hidden directions without a mode have no weights.

    Parameters
    ----------
    modes : Mode
        Shape (..., k): k modes.
    U : array (..., o, at least k)
        Output directions, orthonormal columns.
    V : array (..., m, at least k)
        Input directions, orthonormal columns.
    P : array (..., n, at least k)
        Hidden directions, orthonormal columns.

    Returns
    -------
    LinearRNN

    Raises
    ------
    ValueError
        Columns that are not orthonormal or too few, or modes without an axis to count them.

    Examples
    --------
    >>> net = aligned_network(Mode([2.0, 1.0], 1.0, [0.5, 0.9]), U=np.eye(2), V=np.eye(2), P=np.eye(3))
    >>> net.impulse_response(2)[1]
    array([[1. , 0. ],
           [0. , 0.9]])
    """
    if not as_mode("modes", modes).shape or not modes.shape[-1]:
        raise ValueError(f"modes: expected shape (..., k) with k of at least 1, got {modes.shape}")
    k = modes.shape[-1]
    matrices = {}
    for name, matrix, rows in (("U", U, "o"), ("V", V, "m"), ("P", P, "n")):
        matrix = _directions(name, matrix, {}, f"{rows} columns")
        if matrix.shape[-1] < k:
            raise ValueError(f"{name}: expected at least {k} columns, one a mode, got {matrix.shape}")
        matrices[name] = matrix[..., :k]
    U, V, P = matrices.values()
    broadcast_batch(modes=modes.shape[:-1], **{name: matrix.shape[:-2] for name, matrix in matrices.items()})
    VT, PT = np.swapaxes(V, -1, -2), np.swapaxes(P, -1, -2)
    a, b, w = (value[..., None, :] for value in modes)
    return LinearRNN(A=(U * a) @ PT, W=(P * w) @ PT, B=(P * b) @ VT)


def read_modes(net, U, V):
    r"""Read three numbers a mode off any network, aligned or not.

    With :math:`u_i, v_i` column i of U and V, the hidden direction of mode i is where its input arrives,
    :math:`p_i = B v_i / \lVert B v_i \rVert`, and

    .. math:: a_i = u_i^\top A p_i, \qquad b_i = p_i^\top B v_i \ge 0, \qquad w_i = p_i^\top W p_i.

    For an aligned network these are its modes, up to the common sign of a and b.

    Parameters
    ----------
    net : LinearRNN
    U : array (..., o, k)
        Output directions, orthonormal columns.
    V : array (..., m, k)
        Input directions, orthonormal columns.

    Returns
    -------
    Mode
        Shape (..., k). A mode whose input does not arrive, :math:`B v_i = 0` to rounding, has a = b = w = 0.

    Raises
    ------
    ValueError
        Shapes that do not fit the network or each other, or columns that are not orthonormal.

    Examples
    --------
    >>> net = aligned_network(Mode([2.0, 1.0], 1.0, [0.5, 0.9]), U=np.eye(2), V=np.eye(2), P=np.eye(3))
    >>> read_modes(net, np.eye(2), np.eye(2)).w
    array([0.5, 0.9])
    """
    U, V, P = _hidden_directions(as_network("net", net), U, V)
    return Mode(
        a=np.einsum("...ok,...on,...nk->...k", U, net.A, P),
        b=np.einsum("...nk,...nm,...mk->...k", P, net.B, V),
        w=np.einsum("...ik,...ij,...jk->...k", P, net.W, P),
    )


class Alignment(NamedTuple):
    """What :func:`lrnnbook.alignment` returns; each entry has shape (..., k) and lies in [-1, 1]."""

    input_output: np.ndarray
    recurrent: np.ndarray
    feedback: np.ndarray | None


def alignment(net, U, V, R=None):
    r"""How close each mode is to being aligned, as three signed cosines.

    With :math:`p_i = B v_i / \lVert B v_i \rVert` the direction in which the input of mode i arrives,

    .. math::

        \text{input/output}_i &= \frac{u_i^\top A p_i}{\lVert A^\top u_i \rVert}, \\
        \text{recurrent}_i &= \frac{p_i^\top W p_i}{\max(\lVert W p_i \rVert, \lVert W^\top p_i \rVert)}, \\
        \text{feedback}_i &= \frac{u_i^\top R A^\top u_i}{\lVert R^\top u_i \rVert \lVert A^\top u_i \rVert}.

    The first is ±1 when the readout listens where the input arrives, the second when that direction is an
    eigenvector of both :math:`W` and :math:`W^\top` with an eigenvalue other than 0, the third when errors are sent
    back along the readout. The signs are those of ab, w and ra. A cosine with a vector that is zero to rounding has no
    direction to compare and counts as 0.

    If all are ±1 and the :math:`p_i` are orthogonal to each other, which they must be where the w differ, the network
    is aligned as far as U and V see it.

    Parameters
    ----------
    net : LinearRNN
    U : array (..., o, k)
        Output directions, orthonormal columns.
    V : array (..., m, k)
        Input directions, orthonormal columns.
    R : array (..., o, n), optional
        Feedback weights.

    Returns
    -------
    Alignment
        ``input_output``, ``recurrent`` and ``feedback``, each (..., k); ``feedback`` is None without R.

    Raises
    ------
    ValueError
        Shapes that do not fit the network or each other, or columns that are not orthonormal.

    Examples
    --------
    >>> net = aligned_network(Mode([2.0, 1.0], 1.0, [0.5, -0.9]), U=np.eye(2), V=np.eye(2), P=np.eye(3))
    >>> alignment(net, np.eye(2), np.eye(2)).recurrent
    array([ 1., -1.])
    """
    as_network("net", net)
    if R is not None:
        R = as_array("R", R, "o n", {"o": net.o, "n": net.n})
    U, V, P = _hidden_directions(net, U, V, R)
    AT, WT = np.swapaxes(net.A, -1, -2), np.swapaxes(net.W, -1, -2)
    read = _images(AT, U)
    onward, back = _cosine(_images(net.W, P), P), _cosine(_images(WT, P), P)
    return Alignment(
        input_output=_cosine(read, P),
        recurrent=np.where(np.abs(onward) < np.abs(back), onward, back),
        feedback=None if R is None else _cosine(_images(np.swapaxes(R, -1, -2), U), read),
    )


def _hidden_directions(net, U, V, R=None):
    sizes = {"o": net.o, "m": net.m}
    U = _directions("U", U, sizes, "o k")
    V = _directions("V", V, sizes, "m k")
    parts = {"net": net.batch_shape, "U": U.shape[:-2], "V": V.shape[:-2]}
    batch = broadcast_batch(**parts, **({} if R is None else {"R": R.shape[:-2]}))
    return tuple(np.broadcast_to(columns, batch + columns.shape[-2:]) for columns in (U, V, _images(net.B, V)))


def _images(matrix, columns):
    """Where a matrix takes unit columns, at length 1; at length 0 what is zero to the rounding of the matrix."""
    largest = np.abs(matrix).max(axis=(-2, -1), keepdims=True)
    # Divided by the largest entry first, so that no square leaves the range of floats.
    images = np.divide(matrix, largest, out=np.zeros_like(matrix), where=largest > 0) @ columns
    length = np.linalg.norm(images, axis=-2, keepdims=True)
    return np.divide(images, length, out=np.zeros_like(images), where=length > 1e-12)


def _cosine(x, y):
    return np.clip((x * y).sum(axis=-2), -1, 1)
