"""Training whole networks step by step: one student or many at once."""

import copy
from collections.abc import Iterator
from concurrent.futures import Executor

import numpy as np
from numpy.typing import ArrayLike

from .checks import as_count, as_horizon, broadcast_batch
from .descent import Optimiser, as_descent
from .forms import Rule, as_rule, next_rule
from .history import History, as_resumed, joined
from .networks import LinearRNN, as_network
from .progress import bar_of
from .runs import Runs
from .sharing import share_out
from .tasks import as_task
from .updates import Update


def train(
    rule: Rule,
    student: LinearRNN,
    teacher: LinearRNN | tuple[ArrayLike, ArrayLike] | Iterator[tuple[ArrayLike, ArrayLike]],
    learning_rate: ArrayLike | Update[ArrayLike] | None = None,
    steps: int | None = None,
    *,
    optimiser: Optimiser | None = None,
    horizon: float = np.inf,
    every_step: bool = False,
    source: LinearRNN | None = None,
    batch_size: int | None = None,
    seed: int | np.random.Generator | None = None,
    shared_inputs: bool = False,
    record: int | None = None,
    snapshots: ArrayLike = (),
    progress: bool = False,
    resume: History | None = None,
    executor: Executor | None = None,
) -> History:
    r"""Train a student, or a batch of them, by a rule: :math:`\theta \leftarrow \theta - \eta\, \Delta\theta`.

    A run diverges when its weights no longer have a finite loss and update; at an infinite horizon this is where the
    spectral radius of :math:`W` reaches 1. It is frozen at its last valid weights, and the others go on.

    Parameters
    ----------
    rule : Rule
        What it brings may have batch axes: each run its own.
    student : LinearRNN
        The initial weights.
    teacher : LinearRNN, or (inputs, targets), or an iterator of such pairs
        One for all, or one a run. Inputs (..., batch, T, m) and targets (..., batch, o), or (..., batch, T, o) with `every_step`,
        take the place of a teacher: the same at every step, or a new pair for each. The loss is then that on the pair, half the
        mean squared error.
    learning_rate : array (...), or Update
        :math:`\eta`, positive. Its axes are batch axes: shape (8, 1) and twenty students are 160 runs. As an ``lb.Update`` it
        holds one for A, for W and for B, each of a shape that broadcasts with the weights: one a run is (runs, 1, 1), and 0
        freezes an entry.
    steps : int
        How many steps this call takes.
    optimiser : optional
        In place of a learning rate, anything with optax's ``init(params)`` and ``update(updates, state, params)``; what it
        returns is added to the weights. It is handed an ``lb.Update`` over all runs, in which those that have diverged have the
        gradient 0. optax's own work in the precision that JAX is set to.
    horizon : int or inf
        The number of steps T before the error is read.
    every_step : bool
        Whether the error is read at every step up to T, as in the sequence loss, and not only at T.
    source : LinearRNN, optional
        The input is the output of this network under white noise, instead of white noise, see :func:`lrnnbook.loss`.
    batch_size : int, optional
        Train on this many new sequences at each step; without it, on the expected update.
    seed : int or numpy.random.Generator, optional
        Where the sequences come from.
    shared_inputs : bool
        Whether all runs see the same sequences, or each its own.
    record : int, optional
        The loss is recorded every so many steps, and at the last; up to two hundred times unless told.
    snapshots : sequence of int
        Steps at which the weights are kept, from 0 to the last, in increasing order.
    progress : bool
        Whether to show a progress bar, with the median loss and the number of runs that have diverged.
    resume : History, optional
        What an earlier call returned. It goes on from there as if it had not stopped, for `steps` more, with that call's last
        weights, rule, generator and optimiser's state in place of those handed in; steps are counted from its start, and its
        records are kept. For the same run hand in the same arguments otherwise.
    executor : concurrent.futures.Executor, optional
        Share the runs out over it: processes, threads, or a cluster's. Each piece draws the sequences of all runs and keeps its
        own, so that the result is that of one process up to rounding.

    Returns
    -------
    History
        With the batch axes of student, teacher, rule and learning rate.

    Raises
    ------
    ValueError
        What the rule's :meth:`~lrnnbook.Rule.update` or :meth:`~lrnnbook.Rule.sampled_update` cannot take, a
        start of infinite loss among it; a learning rate that is not positive; counts that are not whole or too small; a
        batch size at an infinite horizon; an optimiser with a rule whose feedback learns; a history that does not fit.

    Examples
    --------
    >>> from lrnnbook import BPTT
    >>> student, teacher = LinearRNN([[0.5]], [[0.0]], [[0.5]]), LinearRNN([[1.0]], [[0.5]], [[1.0]])
    >>> history = train(BPTT(), student, teacher, learning_rate=[0.1, 2.0], steps=500)
    >>> history.student.W[0].round(6), history.diverged_at
    (array([[0.5]]), array([inf,  5.]))
    """
    rule, steps = as_rule(rule), as_count("steps", steps)
    as_network("student", student)
    task = as_task(student, teacher, as_horizon(horizon), every_step, batch_size, seed, shared_inputs, source)
    descent = as_descent(learning_rate, optimiser, student, rule)
    shape = broadcast_batch(student=student.batch_shape, **task.batches, learning_rate=descent.batch, **rule.batches(student))
    before = None if resume is None else as_resumed(resume, shape)
    start = 0 if before is None else int(before.times[-1])
    record = -(-steps // 200) if record is None else as_count("record", record)
    times = np.append(np.arange(start + -start % record, start + steps, record), start + steps)
    plan = start, steps, times, _chosen_steps(snapshots, start, start + steps)
    if executor is None:
        history = _train(rule, student, task, descent, shape, plan, before, progress)
    else:
        history = share_out(executor, _train, rule, student, task, descent, shape, plan, before, progress)
    return history if before is None else joined(before, history)


def _train(rule, student, task, descent, shape, plan, before=None, progress=False):
    """:func:`train`, its arguments checked: the records from the start of this call on."""
    start, steps, times, kept_at = plan
    if before is not None:
        rule, student = before.rule, before.student
        task.rng, descent.state = copy.deepcopy((before.state["generator"], before.state["optimiser"]))
    runs, losses, kept = Runs(rule, student, shape), [], []
    if before is not None:
        runs.diverged_at, runs.losses = before.diverged_at.ravel().copy(), before.losses[..., -1].ravel().copy()
        runs.live = np.flatnonzero(np.isinf(runs.diverged_at))
    state, times_set, last = [part[runs.live] for part in runs.state], set(times.tolist()), start + steps

    def look(rule, net, live):
        value = task.loss(net, shape, live) if k in times_set or task.is_far(net) else None
        return value, None if k == last and task.rng is not None else task.update(rule, net, shape, live)

    def frozen_loss(rule, net, live):
        return task.loss(net, shape, live)

    with bar_of(progress, total=steps, unit=" steps") as bar:
        for k in range(start, last + 1):
            if k < last:
                task.draw(shape)
            if k == start and before is None and runs.live.size:
                seen = look(*runs.part(state, runs.live), runs.live)  # raises where a start is not valid
            else:
                seen = runs.advance(look, frozen_loss, state, k)
            value, update = seen if seen is not None else ([], None)
            if k in times_set:
                losses.append(runs.all_losses(value))
                if progress and losses[-1].size:
                    diverged = np.isfinite(runs.diverged_at).sum()
                    bar.set_postfix(loss=f"{np.median(losses[-1]):.3g}", diverged=diverged, refresh=False)
            if k in kept_at:
                kept.append(runs.last()[0])
            if update is not None and k < last:
                with np.errstate(over="ignore", invalid="ignore"):
                    state = descent.step(runs, update)
                    if runs.learns:
                        state += _learned(runs, update, descent.of(shape, runs.live))
            bar.update(k < last)
    student, rule = runs.last()
    return History(
        student=student,
        times=times,
        losses=np.stack(losses, axis=-1).reshape(*shape, len(times)),
        snapshots=LinearRNN(*map(np.stack, zip(*((net.A, net.W, net.B) for net in kept)))) if kept else None,
        diverged_at=runs.diverged_at.reshape(shape)[()],
        state=copy.deepcopy({"generator": task.rng, "optimiser": descent.state}),
        rule=rule,
    )


def _learned(runs, update, rates):
    """What a rule that learns brings to the next step, of the live runs."""
    rule, net = runs.part([part[runs.live] for part in runs.state], runs.live)
    rule = next_rule(rule, net, update, rates)
    return [np.broadcast_to(getattr(rule, name), part[runs.live].shape) for name, part in zip(rule.arrays, runs.state[3:])]


def _chosen_steps(snapshots, start, end):
    chosen = np.asarray(snapshots)
    if chosen.size == 0:
        return []
    whole = chosen.dtype.kind in "iuf" and chosen.ndim == 1 and np.all(chosen == np.floor(chosen))
    if not whole or np.any(np.diff(chosen) <= 0) or chosen[0] < 0 or chosen[-1] > end:
        raise ValueError(f"snapshots: expected increasing whole numbers from 0 to {end}, got {snapshots!r}")
    return [int(k) for k in chosen if k >= start]
