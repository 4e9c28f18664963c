"""What became of training: the record of a call, and two of them as one."""

from typing import Any, NamedTuple

import numpy as np

from .forms import Rule
from .networks import LinearRNN
from .runs import some_of


class History(NamedTuple):
    r"""What :func:`lrnnbook.train` and :func:`lrnnbook.train_flow` return; (...) are the batch axes of the runs.

    ``student`` holds the last weights. ``times`` (records,) is when the loss was recorded, in steps, or in units of
    :math:`1/\eta` steps for a flow, and ``losses`` (..., records) what it was. ``snapshots`` is the student at the
    chosen steps, on an axis in front of the others, or None. ``diverged_at`` (...) is when a run's weights no longer had
    a finite loss and update, and inf for a run that stayed; a diverged run is frozen, in all of these, at the last
    weights that had them. ``rule`` is the rule at the end, which is another than at the start if its feedback learns, and
    ``state`` what :func:`lrnnbook.train` needs to go on: the generator and the optimiser's state.

    It prints as a line: how many runs, how long, and how many diverged.
    """

    student: LinearRNN
    times: np.ndarray
    losses: np.ndarray
    snapshots: LinearRNN | None
    diverged_at: np.ndarray
    state: dict[str, Any] | None = None
    rule: Rule | None = None

    def __repr__(self) -> str:
        runs, diverged, last = np.size(self.diverged_at), np.isfinite(self.diverged_at).sum(), self.times[-1]
        until = f"{last} steps" if isinstance(last, np.integer) else f"time {last:g}"
        return f"History: {runs} {'run' if runs == 1 else 'runs'}, {until}, {diverged} diverged"

    def converged_at(self, below: float) -> np.ndarray:
        """The first recorded time at which the loss is below `below`: (...), inf where it never is.

        Examples
        --------
        >>> net = LinearRNN([[1.0]], [[0.5]], [[1.0]])
        >>> float(History(net, np.array([0, 10, 20]), np.array([3.0, 2.0, 1.0]), None, np.inf).converged_at(2.5))
        10.0
        """
        there = self.losses < below
        return np.where(there.any(axis=-1), self.times[there.argmax(axis=-1)], np.inf)[()]


def piece_of(history: History, shape: tuple[int, ...], part: np.ndarray) -> History:
    """The history of some of the runs, on one axis, as far as training goes on from it."""
    return history._replace(
        student=some_of(history.student, shape, part),
        losses=history.losses.reshape(-1, history.losses.shape[-1])[part],
        diverged_at=np.reshape(history.diverged_at, -1)[part],
        rule=history.rule and history.rule.for_runs(shape, part),
    )


def as_resumed(history: object, shape: tuple[int, ...]) -> History:
    """Return a history that :func:`train` can go on from; raise ValueError for another."""
    if not isinstance(history, History):
        raise ValueError(f"resume: expected a History, got {history!r}")
    if history.state is None:
        raise ValueError(
            "resume: expected a History of train without an optimiser over an executor, got one that does not hold its state"
        )
    if np.shape(history.diverged_at) != shape:
        raise ValueError(f"resume: expected a History with batch axes {shape}, got {np.shape(history.diverged_at)}")
    return history


def joined(before: History, after: History) -> History:
    """Two histories as one; the last record of the first stays if the second has it, too."""
    keep = before.times < before.times[-1]
    snapshots = [history.snapshots for history in (before, after) if history.snapshots is not None]
    if len(snapshots) == 2:
        snapshots = [LinearRNN(*(np.concatenate([getattr(net, name) for net in snapshots]) for name in "AWB"))]
    return after._replace(
        times=np.append(before.times[keep], after.times),
        losses=np.append(before.losses[..., keep], after.losses, axis=-1),
        snapshots=snapshots[0] if snapshots else None,
    )
