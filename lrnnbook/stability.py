"""Where learning stops and how it arrives: the optimal manifold, the Jacobian of the flow, and its rates."""

import numpy as np
from numpy.typing import ArrayLike

from .checks import as_array, broadcast_batch
from .forms import Rule, as_rule
from .mode_sums import geometric, geometric_slope, mode_sums, pair
from .modes import Mode, as_mode


def optimal_mode(s: ArrayLike, target: Mode) -> Mode:
    r"""The point :math:`(a, b, w) = (s, a^* b^*/s, w^*)` of the optimal manifold.

    Parameters
    ----------
    s : array (...)
        Not 0; broadcasts with the target.
    target : Mode

    Returns
    -------
    Mode

    Raises
    ------
    ValueError
        s is 0 or not finite, or so small that b is not, or the shapes do not broadcast.

    Examples
    --------
    >>> a, b, w = optimal_mode(2.0, Mode(1.0, 1.0, 0.5))
    >>> float(a), float(b), float(w)
    (2.0, 0.5, 0.5)
    """
    s = as_array("s", s, "", {}, complex_too=True)
    if np.any(s == 0):
        raise ValueError("s: expected numbers other than 0, which no point of the optimal manifold has")
    broadcast_batch(s=s.shape, target=as_mode("target", target).shape)
    with np.errstate(over="ignore"):
        b = target.a * target.b / s
    if not np.isfinite(b).all():
        raise ValueError(f"s: expected numbers at which a* b* / s is within the range of floats, got {s}")
    return Mode(a=s, b=b, w=target.w)


def jacobian(rule: Rule, mode: Mode, target: Mode) -> np.ndarray:
    r"""The Jacobian of the flow :math:`\frac{d}{dt}(a, b, w) = -\Delta(a, b, w)`.

    The velocity is analytic, so that with a tiny :math:`\epsilon` its derivative along a unit vector e is
    :math:`\operatorname{Im} \Delta(x + i\epsilon e) / \epsilon` to all digits: no difference is taken. If anything is
    complex, the derivatives are Cauchy integrals over small circles.

    Parameters
    ----------
    rule : Rule
        As for modes.
    mode, target : Mode
        Of shapes that broadcast together and with the rule.

    Returns
    -------
    array (..., 3, 3)
        Entry ``[..., i, j]`` is the derivative of the velocity of the i-th of (a, b, w) by the j-th. If anything is
        complex (..., 6, 6), in the order (Re a, Re b, Re w, Im a, Im b, Im w).

    Raises
    ------
    ValueError
        Shapes that do not broadcast, :math:`|w| \ge 1` or :math:`|w^*| \ge 1`, a mode at which the Jacobian leaves the
        range of floats, or a rule whose `sent` is not analytic in the weights.

    Examples
    --------
    >>> from lrnnbook import BPTT
    >>> jacobian(BPTT(), Mode(1.0, 1.0, 0.0), Mode(1.0, 1.0, 0.0)).tolist()
    [[-1.0, -1.0, 0.0], [-1.0, -1.0, 0.0], [0.0, 0.0, -1.0]]
    """
    shape = as_rule(rule).check_modes(mode=mode, target=target)
    with np.errstate(over="ignore", invalid="ignore"):
        _check_analytic(rule)
        if rule.oscillates(mode, target):
            rows = _complex_jacobian(rule, mode, target)
        else:
            columns = (slopes(lambda *at: rule.mode_deltas(*at, *target), tuple(mode), i, STEP) for i in range(3))
            rows = zip(*columns)
    entries = np.stack([np.stack([np.broadcast_to(entry, shape) for entry in row], axis=-1) for row in rows], axis=-2)
    if not np.isfinite(entries).all():
        raise ValueError("mode: expected one at which the Jacobian is within the range of floats, got one beyond it")
    return 0.0 - entries


def _check_analytic(rule):
    """Raise ValueError where what a rule sends differs along the imaginary axis by other than i times as along the real one.

    Once a class, at one point and in one direction, neither of which is special.
    """
    if "_analytic" in vars(type(rule)):
        return
    at, step = np.array([0.7311, 0.4173, 0.6187]), np.array([0.83e-6, 0.51e-6, -0.67e-6])
    sent, real, imag = (np.stack(np.broadcast_arrays(*rule.mode_sent(*x))) for x in (at, at + step, at + 1j * step))
    real, imag = real - sent, (imag - sent) / 1j
    if np.any(np.abs(real - imag) > 1e-3 * (np.abs(real) + np.abs(imag)) + 1e-12 * np.abs(sent)):
        raise ValueError(
            f"rule: expected one whose `sent` is analytic in the weights, without abs, sign, real part or conjugate, for "
            f"derivatives to be taken through it, got {type(rule).__name__}"
        )
    type(rule)._analytic = True


def _complex_jacobian(rule, mode, target):
    """The derivatives of the real parts, then of the imaginary ones, by the real parts and then by the imaginary ones.

    The velocity is analytic in a, b, w and their conjugates, taken as six numbers.
    """

    def deltas(a, b, w, a_conj, b_conj, w_conj):
        f, mu = map(np.conj, rule.mode_sent(*map(np.conj, (a_conj, w_conj, b_conj))))
        gaps = [(a * b / 2, w), (a_conj * b_conj / 2, w_conj), *pair(-target.a * target.b, target.w)]
        return mode_sums(f, mu, b_conj, w_conj, gaps, rule.steps)

    a, b, w = mode
    room = 0.1 * (1 + np.abs(a)), 0.1 * (1 + np.abs(b)), 0.1 * (1 - np.abs(w))
    circle = CIRCLE.reshape((-1,) + (1,) * len(rule.check_modes(mode=mode, target=target)))
    by = [slopes(deltas, (a, b, w, *map(np.conj, mode)), i, room[i % 3] * circle) for i in range(6)]
    real = [[one + other for one, other in zip(by[i], by[i + 3])] for i in range(3)]
    imag = [[1j * (one - other) for one, other in zip(by[i], by[i + 3])] for i in range(3)]
    rows = list(zip(*real, *imag))
    return [[part.real for part in row] for row in rows] + [[part.imag for part in row] for row in rows]


STEP = 1e-40j
CIRCLE = np.exp(2j * np.pi * np.arange(16) / 16)


def slopes(function, at, i, steps):
    r"""The derivatives of analytic functions by their i-th argument.

    With the step :math:`\epsilon i` from real arguments it is the imaginary part of what the step brings, divided by
    :math:`\epsilon`, and no digit is lost to a difference. From complex ones it is Cauchy's integral over a small circle.
    """
    values = function(*at[:i], at[i] + steps, *at[i + 1 :])
    if np.ndim(steps) == 0:
        return [np.imag(value) / steps.imag for value in values]
    return [(value / steps).mean(axis=0) for value in values]


def decay_rates(rule: Rule, s: ArrayLike, target: Mode) -> np.ndarray:
    r"""The two eigenvalues of the flow across the optimal manifold, at :math:`(s, a^*b^*/s, w^*)`.

    The third eigenvalue is 0, along the manifold. In the coordinates :math:`(ab, w)`, which do not change along it,
    the flow has a 2 by 2 Jacobian with, in the symbols of :meth:`lrnnbook.Rule.mode_update` at :math:`w = w^*`,
    :math:`\varphi = 1/(1-w^{*2})`, :math:`b = a^*b^*/s` and :math:`d = \partial_w(\psi - \psi_*)`,

    .. math::

        -\operatorname{tr} &= b^2\varphi + fs\,\psi + f b\,a^*b^*\varphi\,(\varphi\psi + w^* d), \\
        \det &= f b\,a^*b^*\varphi^2 \left[b^2 (\psi + w^* d) + fs\,\psi^2\right].

    For RFLO :math:`\psi + w^*d = \psi^2 = (1-\hat w w^*)^{-2}`, so that the determinant has the sign of
    :math:`rs\,(rs + (a^*b^*/s)^2)`.

    Parameters
    ----------
    rule : Rule
        As for modes.
    s : array (...)
        Not 0; broadcasts with target and rule.
    target : Mode

    Returns
    -------
    array (..., 2)
        The one with the larger real part first, and of a complex pair the one above the axis. Complex if any is. If
        the target, s or anything of the rule is complex, there are four of them.

    Raises
    ------
    ValueError
        As :func:`lrnnbook.optimal_mode` and :func:`lrnnbook.jacobian`, or an s at which the rates leave the range of
        floats.

    Examples
    --------
    >>> from lrnnbook import BPTT
    >>> decay_rates(BPTT(), 1.0, Mode(1.0, 1.0, 0.0))
    array([-1., -2.])
    """
    mode = optimal_mode(s, target)
    as_rule(rule).check_modes(target=target, mode=mode)
    a, b, w = mode
    f, mu = rule.mode_sent(a, w, b)
    with np.errstate(over="ignore", invalid="ignore"):
        if rule.oscillates(mode):
            across = _across(f, mu, a, b, w, rule.steps)
            rates = np.linalg.eigvals(across) if np.isfinite(across).all() else np.array(np.nan)
        else:
            rates = _pair_of_rates(f, mu, a, b, w, rule.steps)
    if not np.isfinite(rates).all():
        raise ValueError("s: expected numbers at which the rates are within the range of floats, got one beyond it")
    order = np.lexsort((-rates.imag, -rates.real), axis=-1)
    return np.take_along_axis(rates, order, axis=-1)


def _pair_of_rates(f, mu, s, b, w, steps):
    p, phi, psi = s * b, 1 / (1 - w * w), geometric(mu, w, steps)
    d = geometric_slope(mu, w, steps)
    trace = -(b**2 * phi + f * s * psi + f * b * p * phi * (phi * psi + w * d))
    det = f * b * p * phi**2 * (b**2 * (psi + w * d) + f * s * psi**2)
    # Divided by the trace first, so that no square leaves the range of floats.
    size = np.where(trace == 0, 1, np.abs(trace))
    root = size * np.emath.sqrt((trace / size) ** 2 - 4 * (det / size) / size)
    # The root of larger modulus has no cancellation; the other follows from the product of the two.
    far = (trace + np.where(trace < 0, -1, 1) * root) / 2
    near = np.divide(det, far, out=np.zeros_like(far), where=far != 0)
    return np.stack([np.where(np.imag(root) == 0, near, np.conj(far)), far], axis=-1)


def _across(f, mu, s, b, w, steps):
    """The flow of (Re ab, Re w, Im ab, Im w) at a solution: (..., 4, 4)."""
    f, mu, b_conj, w_conj, p = *(np.conj(part) for part in (f, mu, b, w)), s * b

    def flow(p, v):
        """The velocity of (ab, w), by that of the pair (p, v) in the gaps: (..., 2, 2)."""
        phi, psi, slope = 1 / (1 - w_conj * v), geometric(mu, v, steps), geometric_slope(mu, v, steps)
        da, db, dw = b_conj * phi, f * psi, f * b_conj * v * phi * psi  # by p
        da_, db_ = b_conj * p * w_conj * phi**2, f * p * slope  # by v
        dw_ = f * b_conj * p * phi * (psi + v * slope + v * psi * w_conj * phi)
        rows = (b * da + s * db, b * da_ + s * db_), (dw, dw_)
        return -np.stack([np.stack(np.broadcast_arrays(*row), axis=-1) for row in rows], axis=-2)

    direct, conjugate = flow(p / 2, w), flow(np.conj(p) / 2, w_conj)
    direct[..., :, 0] /= 2
    conjugate[..., :, 0] /= 2
    by_real, by_imag = direct + conjugate, 1j * (direct - conjugate)
    return np.block([[by_real.real, by_imag.real], [by_real.imag, by_imag.imag]])
