"""The mode equations in time: one start or ten thousand, each at its own pace, to the edge of the stable world."""

from typing import NamedTuple

import numpy as np
from scipy.integrate import RK45

from .checks import as_array, broadcast_batch, check_stable


class Trajectory(NamedTuple):
    r"""What :func:`lrnnbook.integrate` returns.

    ``a``, ``b`` and ``w`` have shape (..., len(times)) and are NaN once a run has left :math:`|w| < 1`; ``exit_time``
    has shape (...) and is inf for a run that stayed.
    """

    a: np.ndarray
    b: np.ndarray
    w: np.ndarray
    exit_time: np.ndarray


def integrate(rule, start, target, times, rtol=1e-8, atol=1e-10):
    r"""Follow :math:`\frac{d}{dt}(a, b, w) = -\Delta(a, b, w)` from one start or many.

    Each run takes its own steps of the Runge-Kutta pair of Dormand and Prince, and all runs take theirs in the same
    array operations. A run that reaches :math:`|w| = 1`, where the loss is infinite, ends there and the others go on;
    near the edge :math:`1 - |w| \propto \sqrt{t_\text{exit} - t}`, and the last stretch is extrapolated by this law.

    Parameters
    ----------
    rule : BPTT, TruncatedBPTT, RFLO or EProp
        The rules of modes take scalars, or arrays that broadcast with the starts: ``RFLO(R=r, decay=w_hat)``.
    start, target : Mode
        They broadcast together and with the rule; the common shape is the (...) below.
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
        Shapes that do not broadcast, a start or target with :math:`|w| \ge 1`, times that are negative, decreasing or
        not one-dimensional, or tolerances outside (0, 1).

    Examples
    --------
    >>> from lrnnbook import BPTT, Mode
    >>> run = integrate(BPTT(), Mode(0.1, 0.1, 0.0), Mode(1.0, 1.0, 0.5), times=[0.0, 100.0])
    >>> run.a.round(4), run.w.round(4)
    (array([0.1, 1. ]), array([0. , 0.5]))
    """
    times = as_array("times", times, "times", {})
    if times.ndim > 1 or times[0] < 0 or np.any(np.diff(times) < 0):
        raise ValueError("times: expected one axis of numbers that are not negative and do not decrease")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not 0 < value < 1:
            raise ValueError(f"{name}: expected a number between 0 and 1, got {value!r}")
    shape = broadcast_batch(start=start.shape, target=target.shape, **rule.mode_batches())
    check_stable("start", np.abs(start.w))
    check_stable("target", np.abs(target.w))

    y, goal = (np.array([np.broadcast_to(part, shape).ravel() for part in mode]) for mode in (start, target))
    run = np.arange(y.shape[1])  # which runs are still on their way
    record = np.full((3, run.size, times.size), np.nan)
    due = np.full(run.size, np.count_nonzero(times == 0))  # which of `times` comes next, for each run
    record[:, :, times == 0] = y[:, :, None]
    exit_time = np.full(run.size, np.inf)
    on_the_way = rule.for_modes(shape, run)
    t, h = np.zeros(run.size), np.full(run.size, 1e-3)
    slope = -np.array(on_the_way.mode_deltas(*y, *goal))
    with np.errstate(all="ignore"):  # a step across the edge divides by zero, and is rejected
        while run.size and due.min(initial=times.size) < times.size:
            h = np.minimum(h, times[-1] - t)
            later, stages, error = _step(lambda y: -np.array(on_the_way.mode_deltas(*y, *goal)), y, slope, h)
            size = np.sqrt(np.mean((error / (atol + rtol * np.maximum(np.abs(y), np.abs(later)))) ** 2, axis=0))
            good = (size < 1) & (np.abs(later[2]) < 1)
            _record(record, due, times, run, t, h, y, stages, good)
            t, y, slope = np.where(good, t + h, t), np.where(good, later, y), np.where(good, stages[6], slope)
            t[good & (due[run] == times.size)] = times[-1]
            grow = np.where(np.isfinite(size), 0.9 * size**-0.2, 0.2)
            h = h * np.where(good, np.clip(grow, 0.2, 5), np.clip(grow, 0.1, 0.5))

            outward = slope[2] * np.sign(y[2])
            left_over = (1 - np.abs(y[2])) / (2 * outward)  # until |w| = 1, by the square-root law
            left = (outward > 0) & (1 - np.abs(y[2]) < 1e-3) & (left_over < 1e-10)
            exit_time[run[left]] = (t + left_over)[left]
            stay = ~left & (due[run] < times.size)
            if not stay.all():
                run, t, h, y, goal, slope = run[stay], t[stay], h[stay], y[:, stay], goal[:, stay], slope[:, stay]
                on_the_way = rule.for_modes(shape, run)
            if np.any(h < 1e-15 * np.maximum(t, 1)):
                raise RuntimeError(f"a step size fell to {h.min():.1g} at time {t[h.argmin()]:.6g}, inside |w| < 1")
    return Trajectory(*(part.reshape(shape + times.shape) for part in record), exit_time.reshape(shape)[()])


def _step(velocity, y, slope, h):
    """One step of the pair: where it leads, the slopes at its seven stages, and its error."""
    stages = np.empty((7, *y.shape))
    stages[0] = slope
    for s in range(1, 6):
        stages[s] = velocity(y + h * np.tensordot(RK45.A[s, :s], stages[:s], 1))
    later = y + h * np.tensordot(RK45.B, stages[:6], 1)
    stages[6] = velocity(later)
    return later, stages, h * np.tensordot(RK45.E, stages, 1)


def _record(record, due, times, run, t, h, y, stages, good):
    """Fill in the times inside the accepted steps, by the pair's own interpolant, and move `due` on."""
    passed = np.searchsorted(times, t + h * (1 + 4e-16), side="right")
    count = np.where(good, np.maximum(passed - due[run], 0), 0)
    step = np.repeat(np.arange(run.size), count)
    if step.size:
        first = np.repeat(np.cumsum(count) - count, count)
        which = due[run][step] + np.arange(step.size) - first
        theta = np.clip((times[which] - t[step]) / h[step], 0, 1)
        weights = RK45.P @ theta ** np.arange(1, 5)[:, None]
        record[:, run[step], which] = y[:, step] + h[step] * np.einsum("sn,sin->in", weights, stages[:, :, step])
        due[run] += count
