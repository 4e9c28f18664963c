"""The mode equations in time: one start or ten thousand, each at its own pace, to the edge of the stable world."""

from typing import NamedTuple

import numpy as np
from scipy.integrate import RK45

from .checks import as_array, as_fraction
from .rules import as_rule

MOST_STEPS, PACE = 10**6, 1000


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

    Each run takes its own steps of the explicit Runge-Kutta pair of Dormand and Prince, and all runs take theirs in the
    same array operations. A run that reaches :math:`|w| = 1`, where the loss is infinite, ends there and the others go
    on: it is followed to within :math:`10^{-12}` of the last time, and what is left is extrapolated by the law
    :math:`1 - |w| \propto \sqrt{t_\text{exit} - t}`. Near a target at which learning is fast, the number of steps grows
    with the largest rate, for BPTT :math:`(a^*b^*)^2 / (1 - w^{*2})^3`, times the last time.

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
        Shapes that do not broadcast, a start or target with :math:`|w| \ge 1`, a start at which the update leaves the
        range of floats, times that are negative, decreasing or not one-dimensional, or tolerances outside (0, 1).
    RuntimeError
        A run that needs more than a million steps, as soon as its pace shows it.

    Examples
    --------
    >>> from lrnnbook import BPTT, Mode
    >>> run = integrate(BPTT(), Mode(0.1, 0.1, 0.0), Mode(1.0, 1.0, 0.5), times=[0.0, 100.0])
    >>> run.a.round(4), run.w.round(4)
    (array([0.1, 1. ]), array([0. , 0.5]))
    """
    times = check_times(times, rtol, atol)
    shape = as_rule(rule).check_modes(start=start, target=target)

    y, goal = (np.array([np.broadcast_to(part, shape).ravel() for part in mode]) for mode in (start, target))
    runs, end = y.shape[1], times[-1]
    record, exit_time = np.full((runs, times.size, 3), np.nan), np.full(runs, np.inf)
    record[:, times == 0] = y.T[:, None]

    run = np.arange(runs if end > 0 else 0)  # those on their way; what follows is theirs, and shrinks with them
    due = np.zeros(run.size, dtype=int)  # which of `times` comes next
    t, h, size_before, ours = np.zeros(run.size), np.full(run.size, 1e-3), np.ones(run.size), rule.for_modes(shape, run)
    gap, before = 1 - np.abs(y[2, run]), np.zeros(runs)
    delta = np.empty((7, 3, run.size))  # at the seven stages of a step
    with np.errstate(all="ignore"):  # a step across the edge divides by zero, and is rejected
        delta[0] = ours.mode_deltas(*y, *goal) if run.size else 0
        if not np.isfinite(delta[0]).all():
            raise ValueError("start: expected one at which the update is within the range of floats")
        for step in range(MOST_STEPS):
            if not run.size:
                break
            if step % PACE == PACE - 1:
                before[run] = check_pace(t, before[run], end)
            final = h >= end - t
            h = np.where(final, end - t, h)
            t_new = np.where(final, end, t + h)
            y_new, error = rk45_step(lambda y: ours.mode_deltas(*y, *goal), y, delta, h)
            allowed = atol + rtol * np.maximum(np.abs(y), np.abs(y_new))
            allowed[2] = np.minimum(allowed[2], 1e-3 * gap)  # or a step could jump across the edge and back
            size = np.sqrt(np.mean((error / allowed) ** 2, axis=0))
            good = (size < 1) & (np.abs(y_new[2]) < 1)
            passing = np.flatnonzero(good & (times[due] <= t_new))
            if passing.size:
                due[passing] = fill_record(record, times, due, run, t, h, t_new, y, delta, passing)

            h, size_before = next_step(h, size, size_before, good)
            t, y = np.where(good, t_new, t), np.where(good, y_new, y)
            np.copyto(delta[0], delta[6], where=good)

            gap = 1 - np.abs(y[2])
            time_left = gap / (-2 * delta[0, 2] * np.sign(y[2]))  # until |w| = 1, by the square-root law
            left = (time_left > 0) & (time_left < 1e-12 * end) & (gap < 1e-3 * (1 - np.abs(goal[2]))) & (t < end)
            exit_time[run[left]] = (t + time_left)[left]
            stay = ~left & (t < end)
            if not stay.all():
                run, due, t, h, size_before, gap, y, goal, delta = (
                    part.compress(stay, axis=-1) for part in (run, due, t, h, size_before, gap, y, goal, delta)
                )
                ours = rule.for_modes(shape, run)
    if run.size:
        raise RuntimeError(f"a run needs more than {MOST_STEPS} steps: after them it is at time {t.min():.6g}")
    paths = (record[..., i].reshape(shape + times.shape) for i in range(3))
    return Trajectory(*paths, exit_time.reshape(shape)[()])


def check_times(times, rtol, atol):
    """Return `times` as an array; raise ValueError for times or tolerances that :func:`integrate` cannot take.

    Examples
    --------
    >>> check_times([0, 1], rtol=1e-8, atol=1e-10)
    array([0., 1.])
    """
    times = as_array("times", times, "times", {})
    if times.ndim > 1 or times[0] < 0 or np.any(np.diff(times) < 0):
        got = np.array2string(times, threshold=8)
        raise ValueError(f"times: expected one axis of numbers that are not negative and do not decrease, got {got}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        as_fraction(name, value)
    return times


def check_pace(t, before, end):
    """Return t; raise RuntimeError where a run that was at `before` some steps ago will by far not reach the end.

    Examples
    --------
    >>> check_pace(np.array([0.5]), np.array([0.0]), end=1.0)
    array([0.5])
    """
    if np.any(PACE * (end - t) > 1e4 * MOST_STEPS * (t - before)):
        raise RuntimeError(
            f"a run needs more than {MOST_STEPS} steps: {PACE} steps took it to time {t.min():.3g} of {end:.6g}"
        )
    return t


def rk45_step(deltas, y, delta, h):
    """One step h of the pair for dy/dt = -deltas(y), from delta[0]: fills in delta[1:], returns where it leads and its error.

    y is (numbers, runs), delta (7, numbers, runs) and h (runs,).
    """
    flat = delta.reshape(7, -1)
    for s in range(1, 6):
        delta[s] = deltas(y - h * (RK45.A[s, :s] @ flat[:s]).reshape(y.shape))
    y_new = y - h * (RK45.B @ flat[:6]).reshape(y.shape)
    delta[6] = deltas(y_new)
    return y_new, h * (RK45.E @ flat).reshape(y.shape)


def next_step(h, size, size_before, good):
    """The next step after one whose error was `size` times the allowed, and the size to remember; all arrays (runs,)."""
    # A step that follows the last two errors (a PI controller) hardly ever has to be taken again.
    grow = np.where(np.isfinite(size), 0.9 * size**-0.14 * size_before**0.08, 0)
    h = h * np.where(good, np.clip(grow, 0.2, 5), np.clip(grow, 0.1, 0.5))
    return h, np.where(good, np.maximum(size, 1e-4), size_before)


def fill_record(record, times, due, run, t, h, t_new, y, delta, which):
    """Fill in the times that the runs `which` have just passed, by the pair's own interpolant; return what is due."""
    now_due = np.searchsorted(times, t_new[which], side="right")
    count = now_due - due[which]
    i = np.repeat(which, count)
    k = np.arange(i.size) - np.repeat(np.cumsum(count) - now_due, count)
    weights = RK45.P @ ((times[k] - t[i]) / h[i]) ** np.arange(1, 5)[:, None]
    slope = np.einsum("sn,sin->ni", weights, delta.take(i, axis=2))
    record[run[i], k] = y.T[i] - h[i, None] * slope
    return now_due
