"""The mode equations in time: one start or ten thousand, each at its own pace, to the edge of the stable world."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .adaptive import check_times, follow
from .forms import Rule, as_rule
from .modes import Mode


class Trajectory(NamedTuple):
    r"""What :func:`lrnnbook.integrate` returns.

    ``a``, ``b`` and ``w`` have shape (..., len(times)), are complex if anything was, and are NaN once a run has left
    :math:`|w| < 1`; ``exit_time`` has shape (...) and is inf for a run that stayed.
    """

    a: np.ndarray
    b: np.ndarray
    w: np.ndarray
    exit_time: np.ndarray


def integrate(rule: Rule, start: Mode, target: Mode, times: ArrayLike, rtol: float = 1e-8, atol: float = 1e-10) -> Trajectory:
    r"""Follow :math:`\frac{d}{dt}(a, b, w) = -\Delta(a, b, w)` from one start or many.

    Each run takes its own steps of the explicit Runge-Kutta pair of Dormand and Prince, and all runs take theirs in the
    same array operations. A run that reaches :math:`|w| = 1`, where the loss is infinite, ends there and the others go
    on: it is followed to within :math:`10^{-12}` of the last time, and what is left is extrapolated by the law
    :math:`1 - |w| \propto \sqrt{t_\text{exit} - t}`. Near a target at which learning is fast, the number of steps grows
    with the largest rate, for BPTT :math:`(a^*b^*)^2 / (1 - w^{*2})^3`, times the last time.

    Parameters
    ----------
    rule : Rule
        The rules of modes take scalars, or arrays that broadcast with the starts: ``RFLO(R=r, decay=w_hat)``.
    start, target : Mode
        Real or complex. They broadcast together and with the rule; the common shape is the (...) below.
    times : (len(times),)
        When to record, in units of :math:`1/\eta` steps, not decreasing; the start is at time 0.
    rtol, atol : float
        One step's error in a, b, w stays below ``atol + rtol * abs(value)``, in the root mean square of the three.

    Returns
    -------
    Trajectory
        ``a, b, w`` (..., len(times)) and ``exit_time`` (...).

    Raises
    ------
    ValueError
        Shapes that do not broadcast, a start or target with :math:`|w| \ge 1`, a start at which the update leaves the
        range of floats, times that are negative, decreasing or not one-dimensional, or tolerances outside (0, 1).
    RuntimeError
        A run that needs more than a million steps.

    Examples
    --------
    >>> from lrnnbook import BPTT, Mode
    >>> run = integrate(BPTT(), Mode(0.1, 0.1, 0.0), Mode(1.0, 1.0, 0.5), times=[0.0, 100.0])
    >>> run.a.round(4), run.w.round(4)
    (array([0.1, 1. ]), array([0. , 0.5]))
    """
    times = check_times(times, rtol, atol)
    shape = as_rule(rule).check_modes(start=start, target=target)

    oscillating = rule.oscillates(start, target)
    y, goal = (np.array([np.broadcast_to(part, shape).ravel() for part in mode]) for mode in (start, target))
    ours = Subset(lambda run: (rule.for_modes(shape, run), goal[:, run]))

    def deltas(y, run):
        rule, goal = ours(run)
        return (rule.oscillating_deltas if oscillating else rule.mode_deltas)(*y, *goal)

    def allowed(y, y_new, tolerance):
        tolerance[2] = np.minimum(tolerance[2], 1e-3 * (1 - np.abs(y[2])))  # or a step could jump across the edge and back
        return tolerance, np.abs(y_new[2]) < 1

    def left(t, h, y, velocity, run):
        gap, outward = 1 - np.abs(y[2]), (np.conj(np.sign(y[2])) * velocity[2]).real
        time_left = gap / (2 * outward)  # until |w| = 1, by the square-root law
        near = gap < 1e-3 * (1 - np.abs(ours(run)[1][2]))
        return (time_left > 0) & (time_left < 1e-12 * times[-1]) & near, t + time_left

    record, exit_time, _ = follow(deltas, y + 0j if oscillating else y, times, rtol, atol, allowed, left)
    a, b, w = (record[..., i].reshape(shape + times.shape) for i in range(3))
    return Trajectory(a, b, w, exit_time.reshape(shape)[()])


class Subset:
    """A function of the runs that are on their way, computed again only when these are others."""

    def __init__(self, function):
        self.function, self.run = function, None

    def __call__(self, run):
        if run is not self.run:
            self.run, self.value = run, self.function(run)
        return self.value
