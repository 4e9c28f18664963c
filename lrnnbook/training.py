"""Training whole networks: one student or many at once, by descent or along the flow, and what became of each."""

import sys
from math import prod
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from .checks import as_array, as_count, as_horizon, some
from .flow import MOST_STEPS, PACE, check_pace, check_times, fill_record, next_step, rk45_step
from .networks import LinearRNN, as_network, check_pair, loss, simulate
from .rules import as_rule


class History(NamedTuple):
    r"""What :func:`lrnnbook.train` and :func:`lrnnbook.train_flow` return; (...) are the batch axes of the runs.

    ``student`` holds the last weights. ``times`` (records,) is when the loss was recorded, in steps, or in units of
    :math:`1/\eta` steps for a flow, and ``losses`` (..., records) what it was. ``snapshots`` is the student at the
    chosen steps, on an axis in front of the others, or None. ``diverged_at`` (...) is when a run's weights no longer had
    a finite loss and update, and inf for a run that stayed; a diverged run is frozen, in all of these, at the last
    weights that had them.
    """

    student: LinearRNN
    times: np.ndarray
    losses: np.ndarray
    snapshots: LinearRNN | None
    diverged_at: np.ndarray

    def converged_at(self, below):
        """The first recorded time at which the loss is below `below`: (...), inf where it never is.

        Examples
        --------
        >>> net = LinearRNN([[1.0]], [[0.5]], [[1.0]])
        >>> float(History(net, np.array([0, 10, 20]), np.array([3.0, 2.0, 1.0]), None, np.inf).converged_at(2.5))
        10.0
        """
        there = self.losses < below
        return np.where(there.any(axis=-1), self.times[there.argmax(axis=-1)], np.inf)[()]


def train(
    rule,
    student,
    teacher,
    learning_rate,
    steps,
    *,
    horizon=np.inf,
    every_step=False,
    batch_size=None,
    seed=None,
    shared_inputs=False,
    record=None,
    snapshots=(),
    progress=False,
):
    r"""Train a student, or a batch of them, by a rule: :math:`\theta \leftarrow \theta - \eta\, \Delta\theta`.

    A run diverges when its weights no longer have a finite loss and update; at an infinite horizon this is where the
    spectral radius of :math:`W` reaches 1. It is frozen at its last valid weights, and the others go on.

    Parameters
    ----------
    rule : BPTT, TruncatedBPTT, RFLO or EProp
        Feedback and decay may have batch axes: each run its own.
    student : LinearRNN
        The initial weights. To go on with a run, hand in ``history.student``.
    teacher : LinearRNN
        One for all, or one a run.
    learning_rate : array (...)
        :math:`\eta`, positive. Its axes are batch axes: shape (8, 1) and twenty students are 160 runs.
    steps : int
    horizon : int or inf
        The number of steps T before the error is read.
    every_step : bool
        Whether the error is read at every step up to T, as in the sequence loss, and not only at T.
    batch_size : int, optional
        Train on this many new sequences of white noise at each step; without it, on the expected update.
    seed : int or numpy.random.Generator, optional
        Where the sequences come from. A run that goes on from another takes the same generator, which has moved on.
    shared_inputs : bool
        Whether all runs see the same sequences, or each its own.
    record : int, optional
        The loss is recorded every so many steps, and at the last; up to two hundred times unless told.
    snapshots : sequence of int
        Steps at which the weights are kept, from 0 to `steps`, in increasing order.
    progress : bool
        Whether to show a progress bar, with the median loss and the number of runs that have diverged.

    Returns
    -------
    History
        With the batch axes of student, teacher, rule and learning rate.

    Raises
    ------
    ValueError
        What the rule's :meth:`~lrnnbook.rules.Rule.update` or :meth:`~lrnnbook.rules.Rule.sampled_update` cannot take, a
        start of infinite loss among it; a learning rate that is not positive; counts that are not whole or too small; a
        batch size at an infinite horizon.

    Examples
    --------
    >>> from lrnnbook import BPTT
    >>> student, teacher = LinearRNN([[0.5]], [[0.0]], [[0.5]]), LinearRNN([[1.0]], [[0.5]], [[1.0]])
    >>> history = train(BPTT(), student, teacher, learning_rate=[0.1, 2.0], steps=500)
    >>> history.student.W[0].round(6), history.diverged_at
    (array([[0.5]]), array([inf,  5.]))
    """
    as_rule(rule)
    steps, eta = as_count("steps", steps), as_array("learning_rate", learning_rate, "", {})
    if not np.all(eta > 0):
        raise ValueError(f"learning_rate: expected positive numbers, got {learning_rate!r}")
    record = -(-steps // 200) if record is None else as_count("record", record)
    kept_at = _chosen_steps(snapshots, steps)
    horizon, shape = as_horizon(horizon), check_pair(student, teacher, learning_rate=eta.shape, **rule._batches(as_network("student", student)))
    if batch_size is not None:
        batch_size = as_count("batch_size", batch_size)
        if horizon == np.inf:
            raise ValueError("horizon: training on sequences needs a finite number of steps, got inf")
    rng = _generator(seed)
    times = np.append(np.arange(0, steps, record), steps)
    runs, losses, kept = _Runs(rule, student, teacher, shape, horizon, every_step), [], []

    def look(rule, net, teacher, live):
        # Away from the edge |w| = 1 it is the loss that leaves the range of floats first.
        far = horizon < np.inf or max(np.abs(net.A).max(), np.abs(net.B).max()) > 1e50
        value = loss(net, teacher, horizon, every_step) if far or k in times else None
        if batch_size is None:
            return value, rule.update(net, teacher, horizon, every_step)
        if k == steps:
            return value, None
        x = some(sequences, shape, live, core=3)
        y = simulate(teacher, x)
        return value, rule.sampled_update(net, x, y if every_step else y[..., -1, :], every_step)

    weights = runs.weights
    with _bar(progress, total=steps, unit=" steps") as bar:
        for k in range(steps + 1):
            if batch_size is not None and k < steps:
                sequences = rng.standard_normal((() if shared_inputs else shape) + (batch_size, horizon, student.m))
            value, delta = runs.advance(look, weights, k)
            if k in times:
                losses.append(runs.all_losses(value))
                if progress and losses[-1].size:
                    diverged = np.isfinite(runs.diverged_at).sum()
                    bar.set_postfix(loss=f"{np.median(losses[-1]):.3g}", diverged=diverged, refresh=False)
            if k in kept_at:
                kept.append(runs.network())
            if delta is not None and k < steps:
                rate = some(eta, shape, runs.live, core=0)[..., None, None]
                with np.errstate(over="ignore", invalid="ignore"):
                    weights = [weight[runs.live] - rate * change for weight, change in zip(runs.weights, delta)]
            bar.update(k < steps)
    snapshots = LinearRNN(*map(np.stack, zip(*((net.A, net.W, net.B) for net in kept)))) if kept else None
    losses = np.stack(losses, axis=-1).reshape(*shape, len(times))
    return History(runs.network(), times, losses, snapshots, runs.diverged_at.reshape(shape)[()])


def train_flow(
    rule, student, teacher, times, *, horizon=np.inf, every_step=False, rtol=1e-6, atol=1e-9, progress=False
):
    r"""Follow the gradient flow, or a rule's: :math:`\frac{d}{dt}(A, W, B) = -\Delta(A, W, B)`.

    It is :func:`lrnnbook.train` with a vanishing learning rate. Each run takes its own steps of the explicit Runge-Kutta
    pair of Dormand and Prince, as in :func:`lrnnbook.integrate`. A run diverges where its steps become smaller than
    :math:`10^{-12}` of the last time.

    Parameters
    ----------
    rule, student, teacher, horizon, every_step, progress
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
        What the rule's :meth:`~lrnnbook.rules.Rule.update` cannot take, a start of infinite loss among it; times that are
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
    as_rule(rule)
    times, horizon = check_times(times, rtol, atol), as_horizon(horizon)
    shape = check_pair(student, teacher, **rule._batches(as_network("student", student)))
    runs, end = _Runs(rule, student, teacher, shape, horizon, every_step), times[-1]
    run = runs.live  # those on their way

    def look(rule, net, teacher, live):
        return rule.update(net, teacher, horizon, every_step)

    def deltas(y):
        """The update at y (numbers, runs), in the same form; NaN for a run that has none."""
        out, there = np.full_like(y, np.nan), np.flatnonzero(np.isfinite(y).all(axis=0))
        good, update = runs.attempt(look, _unpack(y[:, there], runs.weights), run[there])
        if good.any():
            out[:, there[good]] = _pack(update)
        return out

    look(*runs.part(runs.weights, run))  # raises where a start has no update
    y = _pack(runs.weights)
    record = np.repeat(y.T[:, None], times.size, axis=1)  # (runs, times, numbers)
    run = run[: run.size if end > 0 else 0]
    y, due = y[:, run], np.zeros(run.size, dtype=int)  # which of `times` comes next
    before = np.zeros(len(record))
    t, h, size_before, delta = np.zeros(run.size), np.full(run.size, 1e-3), np.ones(run.size), np.empty((7, *y.shape))
    with _bar(progress, total=float(end), bar_format=FLOW_BAR) as bar, np.errstate(all="ignore"):
        delta[0] = deltas(y)
        for step in range(MOST_STEPS):
            if not run.size:
                break
            if step % PACE == PACE - 1:
                before[run] = check_pace(t, before[run], end)
            final = h >= end - t
            h = np.where(final, end - t, h)
            t_new = np.where(final, end, t + h)
            y_new, error = rk45_step(deltas, y, delta, h)
            size = np.sqrt(np.mean((error / (atol + rtol * np.maximum(np.abs(y), np.abs(y_new)))) ** 2, axis=0))
            good = size < 1
            passing = np.flatnonzero(good & (times[due] <= t_new))
            if passing.size:
                due[passing] = fill_record(record, times, due, run, t, h, t_new, y, delta, passing)
            h, size_before = next_step(h, size, size_before, good)
            t, y = np.where(good, t_new, t), np.where(good, y_new, y)
            np.copyto(delta[0], delta[6], where=good)
            left = (h < 1e-12 * end) & (t < end)
            for i in np.flatnonzero(left):
                runs.diverged_at[run[i]], record[run[i], due[i] :] = t[i], y[:, i]
            stay = ~left & (t < end)
            if not stay.all():
                run, due, t, h, size_before, y, delta = (
                    part.compress(stay, axis=-1) for part in (run, due, t, h, size_before, y, delta)
                )
            bar.update(float(t.min(initial=end)) - bar.n)
    if run.size:
        raise RuntimeError(f"a run needs more than {MOST_STEPS} steps: after them it is at time {t.min():.6g}")
    path = _unpack(np.moveaxis(record, 1, 0).reshape(times.size * len(record), record.shape[-1]).T, runs.weights)
    snapshots = LinearRNN(*(weight.reshape(times.shape + shape + weight.shape[1:]) for weight in path))
    student = LinearRNN(snapshots.A[-1], snapshots.W[-1], snapshots.B[-1])
    losses = np.moveaxis(loss(snapshots, teacher, horizon, every_step), 0, -1)
    return History(student, times, losses, snapshots, runs.diverged_at.reshape(shape)[()])


FLOW_BAR = "{l_bar}{bar}| time {n:.4g} of {total:.4g} [{elapsed}<{remaining}]"


class _Runs:
    """Training runs on one axis: the last weights known to be valid, which runs are live, and when the others diverged."""

    def __init__(self, rule, student, teacher, shape, horizon, every_step):
        self.rule, self.teacher, self.shape, self.loss_at = rule, teacher, shape, (horizon, every_step)
        self.weights = [
            np.broadcast_to(weight, shape + weight.shape[-2:]).reshape(prod(shape), *weight.shape[-2:]).copy()
            for weight in (student.A, student.W, student.B)
        ]
        self.live = np.arange(len(self.weights[0]))
        self.diverged_at, self.losses = np.full(self.live.size, np.inf), np.empty(self.live.size)
        self.at, self.peers = None, None

    def part(self, weights, live):
        """What a function of some of the runs is called with: their rule, their networks, their teacher, and which they are."""
        if live is not self.at:
            A, W, B = (some(weight, self.shape, live, 2) for weight in (self.teacher.A, self.teacher.W, self.teacher.B))
            self.at, self.peers = live, (self.rule.for_runs(self.shape, live), LinearRNN(A, W, B))
        rule, teacher = self.peers
        return rule, LinearRNN(*weights), teacher, live

    def attempt(self, function, weights, live):
        """Call the function on the runs on which it raises no ValueError: a mask of which these are, and what it returns.

        A run on which it does is found by halving.
        """
        try:
            return np.ones(live.size, dtype=bool), function(*self.part(weights, live)) if live.size else None
        except ValueError:
            if live.size == 1:
                return np.zeros(1, dtype=bool), None
        half = live.size // 2
        halves = (slice(half), slice(half, None))
        good = np.concatenate([self.attempt(function, [w[part] for w in weights], live[part])[0] for part in halves])
        live = live[good]
        return good, function(*self.part([weight[good] for weight in weights], live)) if live.size else None

    def advance(self, look, weights, k):
        """Keep the weights after k steps where `look` can be had of them, freeze the other runs, and return what it saw."""
        if not self.live.size:
            return [], None
        if k == 0:
            return look(*self.part(weights, self.live))  # raises where a start is not valid
        good, seen = self.attempt(look, weights, self.live)
        if not good.all():
            bad, self.live = self.live[~good], self.live[good]
            self.diverged_at[bad] = k
            _, net, teacher, _ = self.part([weight[bad] for weight in self.weights], bad)
            self.losses[bad] = loss(net, teacher, *self.loss_at)
            weights = [weight[good] for weight in weights]
        for valid, weight in zip(self.weights, weights):
            valid[self.live] = weight
        return seen or ([], None)

    def all_losses(self, latest):
        """The losses of all runs, of which `latest` are those of the live ones."""
        self.losses[self.live] = latest
        return self.losses.copy()

    def network(self):
        """All runs as one batch, each at its last valid weights."""
        return LinearRNN(*(weight.reshape(self.shape + weight.shape[1:]) for weight in self.weights))


def _pack(weights):
    """(runs, ., .) of A, W and B -> (numbers, runs)."""
    return np.concatenate([weight.reshape(len(weight), prod(weight.shape[1:])) for weight in weights], axis=1).T


def _unpack(y, like):
    """The other way: weights of the shapes of those they are to be like, but for the number of runs."""
    parts = np.split(y.T, np.cumsum([prod(weight.shape[1:]) for weight in like])[:-1], axis=1)
    return [part.reshape(len(part), *weight.shape[1:]) for part, weight in zip(parts, like)]


def _generator(seed):
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ValueError(
            f"seed: expected a whole number of at least 0, a Generator or None, got {seed!r}"
        ) from None


def _bar(progress, **options):
    """A progress bar: a line that renews itself on a terminal, and a line a minute in a log."""
    there = sys.stderr is not None
    terminal = there and getattr(sys.stderr, "isatty", lambda: False)()
    return tqdm(disable=not (progress and there), mininterval=0.1 if terminal else 60, **options)


def _chosen_steps(snapshots, steps):
    chosen = np.asarray(snapshots)
    if chosen.size == 0:
        return []
    whole = chosen.dtype.kind in "iuf" and chosen.ndim == 1 and np.all(chosen == np.floor(chosen))
    if not whole or np.any(np.diff(chosen) <= 0) or chosen[0] < 0 or chosen[-1] > steps:
        raise ValueError(f"snapshots: expected increasing whole numbers from 0 to {steps}, got {snapshots!r}")
    return [int(k) for k in chosen]
