"""Training whole networks along the flow: one student or many, each at its own pace."""

import numpy as np
from numpy.typing import ArrayLike

from .adaptive import check_times, follow
from .checks import as_horizon
from .forms import Rule, as_rule, next_rule
from .history import History
from .networks import LinearRNN, as_network, check_pair
from .progress import bar_of
from .runs import Runs, pack, unpack
from .tasks import as_task
from .updates import Update


def train_flow(
    rule: Rule,
    student: LinearRNN,
    teacher: LinearRNN,
    times: ArrayLike,
    *,
    horizon: float = np.inf,
    every_step: bool = False,
    source: LinearRNN | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    progress: bool = False,
) -> History:
    r"""Follow the gradient flow, or a rule's: :math:`\frac{d}{dt}(A, W, B) = -\Delta(A, W, B)`.

    It is :func:`lrnnbook.train` with a vanishing learning rate. Each run takes its own steps of the explicit Runge-Kutta
    pair of Dormand and Prince, as in :func:`lrnnbook.integrate`. A run diverges where its steps become smaller than
    :math:`10^{-12}` of the last time.

    Parameters
    ----------
    rule, student, teacher, horizon, every_step, source, progress
        As in :func:`lrnnbook.train`.
    times : (records,)
        When to record loss and weights, in units of :math:`1/\eta` steps, not decreasing; the start is at time 0.
    rtol, atol : float
        One step's error in the weights stays below ``atol + rtol * abs(value)``, in the root mean square.

    Returns
    -------
    History
        With snapshots at all times.

    Raises
    ------
    ValueError
        What the rule's :meth:`~lrnnbook.Rule.update` cannot take, a start of infinite loss among it; times that are
        negative, decreasing or not one-dimensional; tolerances outside (0, 1).
    RuntimeError
        A run that needs more than a million steps.

    Examples
    --------
    >>> from lrnnbook import BPTT
    >>> student, teacher = LinearRNN([[0.5]], [[0.0]], [[0.5]]), LinearRNN([[1.0]], [[0.5]], [[1.0]])
    >>> train_flow(BPTT(), student, teacher, times=[0.0, 50.0]).snapshots.W.round(4).ravel()
    array([0. , 0.5])
    """
    rule, times, horizon = as_rule(rule), check_times(times, rtol, atol), as_horizon(horizon)
    shape = check_pair(student, teacher, source=source, **rule.batches(as_network("student", student)))
    runs, task = Runs(rule, student, shape), as_task(student, teacher, horizon, every_step, None, None, False, source)

    def look(rule, net, live):
        update = task.update(rule, net, shape, live)
        if not runs.learns:
            return update
        # What a step of rate 1 would take from the rule is the rule's own velocity.
        after = next_rule(rule, net, update, Update(*np.ones((3, 1, 1))))
        return [*update, *(getattr(rule, name) - getattr(after, name) for name in rule.arrays)]

    def frozen_loss(rule, net, live):
        return task.loss(net, shape, live)

    def deltas(y, run):
        """The update at y (numbers, runs), in the same form; NaN for a run that has none."""
        out, there = np.full_like(y, np.nan), np.flatnonzero(np.isfinite(y).all(axis=0))
        good, update = runs.attempt(look, unpack(y[:, there], runs.state), run if there.size == run.size else run[there])
        if good.any():
            out[:, there[good]] = pack(update)
        return out

    def anywhere(y, y_new, tolerance):
        return tolerance, True

    def left(t, h, y, velocity, run):
        return h < 1e-12 * times[-1], t

    look(*runs.part(runs.state, runs.live), runs.live)  # raises where a start has no update
    with bar_of(progress, total=float(times[-1]), bar_format=FLOW_BAR) as bar:
        record, diverged_at, last = follow(
            deltas, pack(runs.state), times, rtol, atol, anywhere, left, progress=lambda t: bar.update(float(t) - bar.n)
        )
    record = np.where(np.isnan(record), last[:, None], record)  # a run that diverged is frozen
    path = unpack(np.moveaxis(record, 1, 0).reshape(times.size * len(record), record.shape[-1]).T, runs.state)
    losses = np.empty((times.size, runs.live.size))
    for k in range(times.size):
        there, value = runs.attempt(frozen_loss, [part.reshape(times.size, -1, *part.shape[1:])[k] for part in path], runs.live)
        losses[k] = losses[max(k - 1, 0)]  # next to the edge, where a frozen run may have no loss to all digits
        if there.any():
            losses[k, there] = value
    path = [part.reshape(times.shape + shape + part.shape[1:]) for part in path]
    snapshots = LinearRNN(*path[:3])
    student = LinearRNN(*(weight[-1] for weight in path[:3]))
    if runs.learns:
        rule = rule._with(**{name: part[-1] for name, part in zip(rule.arrays, path[3:])})
    losses = losses.T.reshape(*shape, times.size)
    return History(student, times, losses, snapshots, diverged_at.reshape(shape)[()], rule=rule)


FLOW_BAR = "{l_bar}{bar}| time {n:.4g} of {total:.4g} [{elapsed}<{remaining}]"
