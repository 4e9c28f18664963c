"""One driver for all flows: every run takes its own steps, and all take theirs in the same array operations."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import RK45

from .checks import as_array, as_fraction

MOST_STEPS, PACE = 10**6, 1000


def follow(
    deltas: Callable[[np.ndarray, np.ndarray], np.ndarray],
    y: np.ndarray,
    times: np.ndarray,
    rtol: float,
    atol: float,
    allowed: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray | bool]],
    left: Callable[..., tuple[np.ndarray, np.ndarray]],
    progress: Callable[[float], object] = lambda t: None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Follow :math:`\frac{dy}{dt} = -\Delta(y)` by the explicit Runge-Kutta pair of Dormand and Prince.

    Parameters
    ----------
    deltas : callable
        ``deltas(y, run)``: the update (numbers, len(run)) at y, of the runs by number. The same array `run` means the same
        runs as at the last call. NaN rejects a step.
    y : array (numbers, runs)
        The start, real or complex.
    times : array (records,)
        When to record, not decreasing, see :func:`check_times`.
    rtol, atol : float
    allowed : callable
        ``allowed(y, y_new, tolerance)``: what the error of one step has to stay below, given ``atol + rtol * abs(value)``, and
        whether the step may lead to `y_new` at all.
    left : callable
        ``left(t, h, y, velocity, run)``: a mask of the runs that end here, and when each of them does.
    progress : callable
        Called with the time that all runs have reached.

    Returns
    -------
    record : array (runs, records, numbers)
        NaN from where a run ended.
    ended_at : array (runs,)
        inf for a run that did not.
    last : array (runs, numbers)
        Where each was last.

    Raises
    ------
    ValueError
        A start at which the update is not finite.
    RuntimeError
        A run that needs more than a million steps.

    Examples
    --------
    >>> stays = lambda t, h, y, velocity, run: (np.zeros(run.size, dtype=bool), t)
    >>> anywhere = lambda y, y_new, tolerance: (tolerance, True)
    >>> record, _, _ = follow(lambda y, run: y, np.array([[1.0, 2.0]]), np.array([0.0, 1.0]), 1e-9, 1e-9, anywhere, stays)
    >>> record[..., 0].round(6)
    array([[1.      , 0.367879],
           [2.      , 0.735759]])
    """
    runs, end = y.shape[1], times[-1]
    record, ended_at, last = np.full((runs, times.size, len(y)), np.nan, dtype=y.dtype), np.full(runs, np.inf), y.T.copy()
    record[:, times == 0] = y.T[:, None]

    run = np.arange(runs if end > 0 else 0)  # those on their way; what follows is theirs, and shrinks with them
    y, due = y[:, run], np.zeros(run.size, dtype=int)  # which of `times` comes next
    t, h, size_before, before = np.zeros(run.size), np.full(run.size, 1e-3), np.ones(run.size), np.zeros(runs)
    delta = np.empty((7, *y.shape), dtype=y.dtype)  # at the seven stages of a step
    with np.errstate(all="ignore"):  # a step to where there is no update is rejected
        delta[0] = deltas(y, run) if run.size else 0
        if not np.isfinite(delta[0]).all():
            raise ValueError("start: expected one at which the update is within the range of floats")
        for step in range(MOST_STEPS):
            if not run.size:
                break
            if step % PACE == PACE - 1:
                before[run] = _check_pace(t, before[run], end)
            final = h >= end - t
            h = np.where(final, end - t, h)
            t_new = np.where(final, end, t + h)
            y_new, error = rk45_step(lambda y: deltas(y, run), y, delta, h)
            tolerance, inside = allowed(y, y_new, atol + rtol * np.maximum(np.abs(y), np.abs(y_new)))
            size = np.sqrt(np.mean((np.abs(error) / tolerance) ** 2, axis=0))
            good = (size < 1) & inside
            passing = np.flatnonzero(good & (times[due] <= t_new))
            if passing.size:
                due[passing] = fill_record(record, times, due, run, t, h, t_new, y, delta, passing)

            h, size_before = next_step(h, size, size_before, good)
            t, y = np.where(good, t_new, t), np.where(good, y_new, y)
            np.copyto(delta[0], delta[6], where=good)

            ends, when = left(t, h, y, -delta[0], run)
            ends &= t < end
            ended_at[run[ends]] = when[ends]
            stay = ~ends & (t < end)
            if not stay.all():
                last[run[~stay]] = y[:, ~stay].T
                run, due, t, h, size_before, y, delta = (
                    part.compress(stay, axis=-1) for part in (run, due, t, h, size_before, y, delta)
                )
            progress(t.min(initial=end))
    if run.size:
        raise RuntimeError(f"a run needs more than {MOST_STEPS} steps: after them it is at time {t.min():.6g}")
    return record, ended_at, last


def _check_pace(t, before, end):
    """Return t; raise RuntimeError where a run that was at `before` some steps ago will by far not reach the end.

    Examples
    --------
    >>> _check_pace(np.array([0.5]), np.array([0.0]), end=1.0)
    array([0.5])
    """
    if np.any(PACE * (end - t) > 1e4 * MOST_STEPS * (t - before)):
        raise RuntimeError(f"a run needs more than {MOST_STEPS} steps: {PACE} steps took it to time {t.min():.3g} of {end:.6g}")
    return t


def check_times(times: ArrayLike, rtol: float, atol: float) -> np.ndarray:
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
