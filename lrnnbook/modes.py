"""Modes: an aligned network is a set of independent scalar networks, three numbers each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .checks import ReadOnly, as_array, as_horizon, as_instance, broadcast_batch, check_orthonormal, check_stable, finite
from .losses import loss
from .networks import LinearRNN, as_network
from .powers import LONG


@dataclass(frozen=True, eq=False)
class Mode(ReadOnly):
    r"""A scalar network :math:`h_{t+1} = w h_t + b x_t,\; y_{t+1} = a h_{t+1}`, or an array of them.

    Its impulse response is :math:`a b w^k`. The three are broadcast together, copied and made read-only; unpacking
    gives them in the order a, b, w.

    Complex numbers make a mode that oscillates, with the impulse response :math:`\operatorname{Re}(a b w^k)`: two hidden
    units whose recurrent weights turn and shrink their state, see :func:`lrnnbook.aligned_network`. If one of the three
    is complex, all are.

    Parameters
    ----------
    a, b, w : array (...)
        Readout, input weight and recurrent weight.

    Raises
    ------
    ValueError
        Shapes that do not broadcast, or numbers that are not finite.

    Examples
    --------
    >>> a, b, w = Mode(a=1.0, b=[2.0, 3.0], w=0.5)
    >>> a * b
    array([2., 3.])
    """

    a: np.ndarray
    b: np.ndarray
    w: np.ndarray

    if TYPE_CHECKING:

        def __init__(self, a: ArrayLike, b: ArrayLike, w: ArrayLike) -> None: ...

    def __post_init__(self) -> None:
        values = {name: as_array(name, getattr(self, name), "", {}, complex_too=True) for name in "abw"}
        dtype = np.result_type(*values.values())
        shape = broadcast_batch(**{name: value.shape for name, value in values.items()})
        for name, value in values.items():
            value = np.broadcast_to(value, shape).astype(dtype)
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.a, self.b, self.w))

    @property
    def shape(self) -> tuple[int, ...]:
        """The common shape of a, b and w."""
        return self.a.shape


def as_mode(name: str, value: object) -> Mode:
    """Return `value`; raise ValueError unless it is a Mode.

    Examples
    --------
    >>> as_mode("target", Mode(1.0, 1.0, 0.5)).shape
    ()
    """
    return as_instance(name, value, Mode, "a Mode")


def mode_loss(mode: Mode, target: Mode, horizon: float = np.inf) -> np.ndarray:
    r"""The loss of one mode, :math:`\tfrac12 \sum_{k<T} (a b w^k - a^* b^* w^{*k})^2`.

    Of complex modes, whose response is :math:`\operatorname{Re}(a b w^k)`, it is the loss of the networks of two units that
    have it. In the limit of an infinite horizon the loss of real modes is

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
    if horizon == np.inf:
        check_stable("mode", np.abs(mode.w), "modes")
        check_stable("target", np.abs(target.w), "modes")
    if np.iscomplexobj(mode.a) or np.iscomplexobj(target.a):
        return loss(_two_units(mode), _two_units(target), horizon)
    (a, b, w), (a_, b_, w_) = mode, target
    if LONG < horizon < np.inf:
        return loss(_one_unit(mode), _one_unit(target), horizon)
    if horizon < np.inf:
        k = np.arange(horizon)
        with np.errstate(over="ignore", invalid="ignore"):
            gap = (a * b)[..., None] * w[..., None] ** k - (a_ * b_)[..., None] * w_[..., None] ** k
            return finite("horizon", 0.5 * (gap**2).sum(axis=-1))
    with np.errstate(over="ignore", invalid="ignore"):
        own, targets = (1 - w) * (1 + w), (1 - w_) * (1 + w_)
        readout = (a * b - a_ * b_ * own / (1 - w * w_)) ** 2 / own
        memory = (a_ * b_ * (w - w_)) ** 2 / (targets * (1 - w * w_) ** 2)
        return finite("horizon", 0.5 * (readout + memory))


def _one_unit(mode: Mode) -> LinearRNN:
    """Real modes as networks, one each."""
    return LinearRNN(*(part[..., None, None] for part in (mode.a, mode.w, mode.b)))


def _two_units(mode: Mode) -> LinearRNN:
    """Complex modes as networks, one each."""
    return aligned_network(Mode(*(part[..., None] + 0j for part in mode)), U=np.eye(1), V=np.eye(1), P=np.eye(2))


def _directions(name: str, value: ArrayLike, sizes: dict[str, int], core: str) -> np.ndarray:
    matrix = as_array(name, value, core, sizes)
    check_orthonormal(name, matrix)
    return matrix


def aligned_network(modes: Mode, U: ArrayLike, V: ArrayLike, P: ArrayLike) -> LinearRNN:
    r"""Build the network :math:`A = U \bar A P^\top,\; W = P \bar W P^\top,\; B = P \bar B V^\top`.

    The bars are diagonal matrices of the modes. Mode i uses column i of each of the three; further columns are left
    alone, and hidden directions without a mode have no weights.

    A complex mode takes two columns of P, 2i and 2i + 1 for mode i, for the real and the imaginary part of its state.
    There the bars hold

    .. math::

        \bar A: \begin{pmatrix} \operatorname{Re} a & -\operatorname{Im} a \end{pmatrix}, \qquad
        \bar W: \begin{pmatrix} \operatorname{Re} w & -\operatorname{Im} w \\
            \operatorname{Im} w & \operatorname{Re} w \end{pmatrix}, \qquad
        \bar B: \begin{pmatrix} \operatorname{Re} b \\ \operatorname{Im} b \end{pmatrix},

    so that the network answers with the responses :math:`\operatorname{Re}(a b w^k)` of its modes, and its loss is the sum
    of theirs. Only that: trained as a real network, such a block does not stay one.

    Parameters
    ----------
    modes : Mode
        Shape (..., k): k modes.
    U : array (..., o, at least k)
        Output directions, orthonormal columns.
    V : array (..., m, at least k)
        Input directions, orthonormal columns.
    P : array (..., n, at least k, or 2k for complex modes)
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
    k, oscillate = modes.shape[-1], np.iscomplexobj(modes.a)
    matrices = {}
    for name, matrix, rows, each in (("U", U, "o", 1), ("V", V, "m", 1), ("P", P, "n", 2 if oscillate else 1)):
        matrix = _directions(name, matrix, {}, f"{rows} columns")
        if matrix.shape[-1] < each * k:
            count = "one a mode" if each == 1 else "two a complex mode"
            raise ValueError(f"{name}: expected at least {each * k} columns, {count}, got {matrix.shape}")
        matrices[name] = matrix[..., : each * k]
    U, V, P = matrices.values()
    broadcast_batch(modes=modes.shape[:-1], **{name: matrix.shape[:-2] for name, matrix in matrices.items()})
    a, b, w = (value[..., None, :] for value in modes)
    if not oscillate:
        return LinearRNN(A=(U * a) @ P.mT, W=(P * w) @ P.mT, B=(P * b) @ V.mT)
    Re, Im = P[..., ::2], P[..., 1::2]
    return LinearRNN(
        A=U @ (Re * a.real - Im * a.imag).mT,
        W=(Re * w.real + Im * w.imag) @ Re.mT + (Im * w.real - Re * w.imag) @ Im.mT,
        B=(Re * b.real + Im * b.imag) @ V.mT,
    )


def read_modes(net: LinearRNN, U: ArrayLike, V: ArrayLike, dtype: DTypeLike = float) -> Mode:
    r"""Read three numbers a mode off any network, aligned or not.

    With :math:`u_i, v_i` column i of U and V, the hidden direction of mode i is where its input arrives,
    :math:`p_i = B v_i / \lVert B v_i \rVert`, and

    .. math:: a_i = u_i^\top A p_i, \qquad b_i = p_i^\top B v_i \ge 0, \qquad w_i = p_i^\top W p_i.

    For an aligned network these are its modes, up to the common sign of a and b.

    Read as complex, a mode has a second hidden direction :math:`p_i'`, that of :math:`W p_i - w_i p_i`: where the first
    turns. Its numbers are :math:`a_i = u_i^\top A (p_i - \mathrm{i} p_i')`, :math:`b_i` as before and
    :math:`w_i = (p_i + \mathrm{i} p_i')^\top W p_i`, with :math:`\operatorname{Im} w_i \ge 0`. For a network made of complex
    modes they are these, up to a common phase of a and b and to the conjugate of all three, which no response tells apart.

    Parameters
    ----------
    net : LinearRNN
    U : array (..., o, k)
        Output directions, orthonormal columns.
    V : array (..., m, k)
        Input directions, orthonormal columns.
    dtype : type
        ``complex`` reads modes that may oscillate.

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
    >>> net = aligned_network(Mode([2.0], [1.0], [0.6 + 0.3j]), U=np.eye(1), V=np.eye(1), P=np.eye(2))
    >>> read_modes(net, np.eye(1), np.eye(1), dtype=complex).w
    array([0.6+0.3j])
    """
    U, V, P = _hidden_directions(as_network("net", net), U, V)
    a = np.einsum("...ok,...on,...nk->...k", U, net.A, P)
    b = np.einsum("...nk,...nm,...mk->...k", P, net.B, V)
    w = np.einsum("...ik,...ij,...jk->...k", P, net.W, P)
    if np.dtype(dtype).kind != "c":
        return Mode(a, b, w)
    turned = net.W @ P - P * w[..., None, :]
    length = np.linalg.norm(turned, axis=-2, keepdims=True)
    second = np.divide(turned, length, out=np.zeros_like(turned), where=length > 1e-12 * np.abs(net.W).max(initial=0))
    return Mode(
        a=a - 1j * np.einsum("...ok,...on,...nk->...k", U, net.A, second),
        b=b,
        w=w + 1j * np.einsum("...ik,...ij,...jk->...k", second, net.W, P),
    )


class Alignment(NamedTuple):
    """What :func:`lrnnbook.alignment` returns; each entry has shape (..., k) and lies in [-1, 1]."""

    input_output: np.ndarray
    recurrent: np.ndarray
    feedback: np.ndarray | None


def alignment(net: LinearRNN, U: ArrayLike, V: ArrayLike, R: ArrayLike | None = None) -> Alignment:
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


def _hidden_directions(
    net: LinearRNN, U: ArrayLike, V: ArrayLike, R: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    sizes = {"o": net.o, "m": net.m}
    U = _directions("U", U, sizes, "o k")
    V = _directions("V", V, sizes, "m k")
    parts = {"net": net.batch_shape, "U": U.shape[:-2], "V": V.shape[:-2]}
    batch = broadcast_batch(**parts, **({} if R is None else {"R": R.shape[:-2]}))
    U, V, P = (np.broadcast_to(columns, batch + columns.shape[-2:]) for columns in (U, V, _images(net.B, V)))
    return U, V, P


def _images(matrix: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Where a matrix takes unit columns, at length 1; at length 0 what is zero to the rounding of the matrix."""
    largest = np.abs(matrix).max(axis=(-2, -1), keepdims=True)
    # Divided by the largest entry first, so that no square leaves the range of floats.
    images = np.divide(matrix, largest, out=np.zeros_like(matrix), where=largest > 0) @ columns
    length = np.linalg.norm(images, axis=-2, keepdims=True)
    return np.divide(images, length, out=np.zeros_like(images), where=length > 1e-12)


def _cosine(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.clip((x * y).sum(axis=-2), -1, 1)
