"""Training shared out: the runs in pieces, each by another process or machine."""

import os
from concurrent.futures import Future, as_completed
from math import prod

import numpy as np

from .forms import Rule
from .history import History, piece_of
from .networks import LinearRNN
from .progress import bar_of
from .runs import some_of


def share_out(executor, train_piece, rule, student, task, descent, shape, plan, before, progress):
    """The history of all runs, trained by an executor in as many pieces as it has workers."""
    if not callable(getattr(executor, "submit", None)):
        raise ValueError(f"executor: expected one of concurrent.futures or the like, got {executor!r}")
    runs = prod(shape)
    count = getattr(executor, "_max_workers", None) or os.cpu_count() or 1
    parts = [part for part in np.array_split(np.arange(runs), min(count, max(runs, 1))) if part.size or not runs]
    pieces = [
        executor.submit(
            train_piece,
            rule.for_runs(shape, part),
            some_of(student, shape, part),
            task.piece(shape, part),
            descent.piece(shape, part),
            (part.size,),
            plan,
            None if before is None else piece_of(before, shape, part),
        )
        for part in parts
    ]
    with bar_of(progress, total=len(pieces), unit=" pieces") as bar:
        for _ in as_completed(pieces) if all(isinstance(piece, Future) for piece in pieces) else pieces:
            bar.update()
    done = [piece.result() for piece in pieces]

    def whole(arrays, axis=0):
        joined = np.concatenate(arrays, axis=axis)
        return joined.reshape(joined.shape[:axis] + shape + joined.shape[axis + 1 :])

    def network(nets, axis=0):
        return LinearRNN(*(whole([getattr(net, name) for net in nets], axis) for name in "AWB"))

    snapshots = None if done[0].snapshots is None else network([piece.snapshots for piece in done], axis=1)
    if type(rule).next is not Rule.next:
        rule = rule._with(**{name: whole([getattr(piece.rule, name) for piece in done]) for name in rule.arrays})
    if task.rng is not None:  # every piece has drawn what all runs would
        task.rng.bit_generator.state = done[0].state["generator"].bit_generator.state
    state = done[0].state if done[0].state["optimiser"] is None else None
    diverged_at = whole([piece.diverged_at for piece in done])[()]
    losses = whole([piece.losses for piece in done])
    return History(network([piece.student for piece in done]), done[0].times, losses, snapshots, diverged_at, state, rule)
