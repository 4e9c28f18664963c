"""Linear recurrent networks: what they are and what they compute."""

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .checks import ReadOnly, as_array, as_count, as_instance, broadcast_batch, largest, most, some
from .powers import jitter, krylov, squares, too_non_normal


@dataclass(frozen=True, eq=False)
class LinearRNN(ReadOnly):
    r"""A linear recurrent network, or a batch of them.

    .. math:: h_{t+1} = W h_t + B x_t, \qquad y_{t+1} = A h_{t+1}, \qquad h_0 = 0

    The weights are copied, kept as float arrays and made read-only. Leading axes of the three are batch axes and
    broadcast together. Of a batch, ``net[3]`` is one network, and ``net[:3]`` are three.

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
    IndexError
        Of ``net[...]``, where there is no such network.

    Examples
    --------
    >>> net = LinearRNN(A=[[1.0, 0.0]], W=[[0.5, 1.0], [0.0, 0.5]], B=[[0.0], [1.0]])
    >>> net
    LinearRNN(o=1, n=2, m=1)
    >>> students = LinearRNN(net.A, [0.1 * net.W, 0.9 * net.W], net.B)
    >>> students, students[1]
    (LinearRNN(o=1, n=2, m=1, batch=(2,)), LinearRNN(o=1, n=2, m=1))
    """

    A: np.ndarray
    W: np.ndarray
    B: np.ndarray

    if TYPE_CHECKING:

        def __init__(self, A: ArrayLike, W: ArrayLike, B: ArrayLike) -> None: ...

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        for name, core in (("A", "o n"), ("W", "n n"), ("B", "n m")):
            weights = as_array(name, getattr(self, name), core, sizes, known_from="A")
            weights.setflags(write=False)
            object.__setattr__(self, name, weights)
        _ = self.batch_shape  # raises where the batch axes do not fit

    @classmethod
    def unchecked(cls, A: np.ndarray, W: np.ndarray, B: np.ndarray) -> "LinearRNN":
        """A network of weights that are known to fit, complex ones among them, neither checked nor copied.

        Examples
        --------
        >>> LinearRNN.unchecked(*(np.array([[value]]) for value in (1.0, 0.5, 1.0)))
        LinearRNN(o=1, n=1, m=1)
        """
        net = object.__new__(cls)
        for name, weights in zip("AWB", (A, W, B)):
            object.__setattr__(net, name, weights)
        return net

    def __repr__(self) -> str:
        batch = f", batch={self.batch_shape}" if self.batch_shape else ""
        return f"LinearRNN(o={self.o}, n={self.n}, m={self.m}{batch})"

    __iter__ = None  # or three networks would unpack as A, W, B

    def __getitem__(self, index: Any) -> "LinearRNN":
        batch = self.batch_shape
        which = np.arange(prod(batch)).reshape(batch)[index]
        return LinearRNN(*(some(weights, batch, which, core=2) for weights in (self.A, self.W, self.B)))

    @property
    def o(self) -> int:
        """Number of outputs."""
        return self.A.shape[-2]

    @property
    def n(self) -> int:
        """Number of hidden units."""
        return self.A.shape[-1]

    @property
    def m(self) -> int:
        """Number of inputs."""
        return self.B.shape[-1]

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The common shape of the leading axes; ``()`` for a single network."""
        return broadcast_batch(A=self.A.shape[:-2], W=self.W.shape[:-2], B=self.B.shape[:-2])

    def spectral_radius(self) -> np.ndarray:
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

    def impulse_response(self, lags: int) -> np.ndarray:
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

    def transfer(self, z: ArrayLike) -> np.ndarray:
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
            if most(inner) > 1e6 * most(self.B):  # then rounding can have grown as well
                moved, _ = LinearRNN(self.A, jitter(self.W), self.B)._transfer(z)
                if not np.all(largest(moved - H) <= 1e-6 * largest(self.A) * largest(inner)):
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


def as_network(name: str, value: object) -> LinearRNN:
    """Return `value`; raise ValueError unless it is a LinearRNN.

    Examples
    --------
    >>> as_network("net", LinearRNN([[1.0]], [[0.0]], [[1.0]]))
    LinearRNN(o=1, n=1, m=1)
    """
    return as_instance(name, value, LinearRNN, "a LinearRNN")


def check_pair(
    student: LinearRNN, teacher: LinearRNN, source: LinearRNN | None = None, **batches: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the common batch shape of student, teacher, source and what else is named; raise ValueError if o or m differ.

    Examples
    --------
    >>> net = LinearRNN([[1.0]], [[0.0]], [[1.0]])
    >>> check_pair(net, net, R=(20,))
    (20,)
    """
    as_network("student", student), as_network("teacher", teacher)
    for axis in "om":
        if getattr(student, axis) != getattr(teacher, axis):
            raise ValueError(f"student: expected the teacher's {axis} = {getattr(teacher, axis)}, got {getattr(student, axis)}")
    if source is not None:
        if as_network("source", source).o != student.m:
            raise ValueError(f"source: expected as many outputs as the student's m = {student.m}, got o = {source.o}")
        squares(np.finfo(float).eps, source=source.W)  # raises where it never settles
        batches["source"] = source.batch_shape
    return broadcast_batch(student=student.batch_shape, teacher=teacher.batch_shape, **batches)


def leaky_network(A: ArrayLike, J: ArrayLike, K: ArrayLike, tau_m: ArrayLike) -> LinearRNN:
    r"""A leaky network :math:`h_{t+1} = (1 - 1/\tau_m) h_t + (J h_t + K x_t)/\tau_m` as a :class:`LinearRNN`.

    .. math:: W = \left(1 - \frac{1}{\tau_m}\right) I + \frac{J}{\tau_m}, \qquad B = \frac{K}{\tau_m}

    The eligibility trace that goes with it decays by :math:`\hat w = 1 - 1/\tau_m`.

    Parameters
    ----------
    A : array (..., o, n)
        Readout.
    J : array (..., n, n)
        Recurrent weights, to unit i from unit j.
    K : array (..., n, m)
        Input weights.
    tau_m : array (...)
        Time constant of the membrane, in steps, at least 1.

    Returns
    -------
    LinearRNN

    Raises
    ------
    ValueError
        Shapes that do not fit each other, numbers that are not real and finite, or a time constant below 1.

    Examples
    --------
    >>> leaky_network(A=[[1.0]], J=[[0.5]], K=[[2.0]], tau_m=4.0).W
    array([[0.875]])
    """
    sizes: dict[str, int] = {}
    A, J, K = (
        as_array(name, value, core, sizes, known_from="A") for name, value, core in zip("AJK", (A, J, K), ("o n", "n n", "n m"))
    )
    tau_m = as_array("tau_m", tau_m, "", {})
    if not np.all(tau_m >= 1):
        raise ValueError(f"tau_m: expected at least 1 step, got {tau_m.min():g}")
    broadcast_batch(A=A.shape[:-2], J=J.shape[:-2], K=K.shape[:-2], tau_m=tau_m.shape)
    share = 1 / tau_m[..., None, None]
    return LinearRNN(A, (1 - share) * np.eye(A.shape[-1]) + share * J, share * K)


def random_network(
    rng: np.random.Generator, n: int, o: int = 1, m: int = 1, radius: float = 0.9, batch: int | tuple[int, ...] = ()
) -> LinearRNN:
    r"""A network, or a batch of them, of Gaussian weights, with W scaled to a given spectral radius.

    The entries of A have variance 1/n, those of B variance 1.

    Parameters
    ----------
    rng : numpy.random.Generator
    n, o, m : int
        Numbers of hidden units, outputs and inputs.
    radius : float
        The spectral radius :math:`\rho(W)`, not negative.
    batch : tuple of int
        Batch axes.

    Returns
    -------
    LinearRNN

    Raises
    ------
    ValueError
        A size that is not a whole number of at least 1, a radius that is negative or not finite, or no Generator.

    Examples
    --------
    >>> net = random_network(np.random.default_rng(0), n=5, o=2, batch=(20,))
    >>> net, bool(np.allclose(net.spectral_radius(), 0.9))
    (LinearRNN(o=2, n=5, m=1, batch=(20,)), True)
    """
    as_instance("rng", rng, np.random.Generator, "a numpy.random.Generator")
    n, o, m = as_count("n", n), as_count("o", o), as_count("m", m)
    rho = as_array("radius", radius, "", {})
    if rho.ndim or rho < 0:
        raise ValueError(f"radius: expected one number of at least 0, got {rho}")
    axes: Any = (batch,) if np.ndim(batch) == 0 else batch
    A, W, B = (rng.standard_normal((*axes, *shape)) for shape in ((o, n), (n, n), (n, m)))
    return LinearRNN(A / np.sqrt(n), W * (rho / np.abs(np.linalg.eigvals(W)).max(axis=-1))[..., None, None], B)


def simulate(net: LinearRNN, inputs: ArrayLike) -> np.ndarray:
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
