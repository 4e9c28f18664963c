"""Where the error comes from: a teacher in expectation, a teacher on sequences, or data."""

import copy
from collections.abc import Iterator
from math import inf, log

import numpy as np

from .checks import as_array, as_count, as_instance, finite, some
from .losses import loss
from .networks import LinearRNN, check_pair, simulate
from .runs import some_of
from .sources import draw_inputs


def as_task(student, teacher, horizon, every_step, batch_size, seed, shared_inputs, source):
    """The task that the arguments of :func:`lrnnbook.train` describe."""
    rng = as_generator(seed)
    if isinstance(teacher, (tuple, list)) or isinstance(teacher, Iterator):
        for name, value, default in (("batch_size", batch_size, None), ("source", source, None), ("horizon", horizon, inf)):
            if value != default:
                raise ValueError(f"{name}: expected none where the teacher is data, which has its own, got {value!r}")
        return Data(student, teacher, every_step)
    what = "a LinearRNN, or a pair (inputs, targets) or an iterator of pairs; of an iterable, pass iter(...)"
    as_instance("teacher", teacher, LinearRNN, what)
    if batch_size is None:
        return Expected(student, teacher, horizon, every_step, source)
    if horizon == inf:
        raise ValueError("horizon: training on sequences needs a finite number of steps, got inf")
    return Sampled(student, teacher, horizon, every_step, source, as_count("batch_size", batch_size), rng, shared_inputs)


def as_generator(seed):
    """Return a Generator; raise ValueError for a seed that makes none."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ValueError(f"seed: expected a whole number of at least 0, a Generator or None, got {seed!r}") from None


class Expected:
    """The expected update: nothing is drawn."""

    rng = None

    def __init__(self, student, teacher, horizon, every_step, source=None):
        check_pair(student, teacher, source=source)
        self.student, self.teacher, self.source, self.options = student, teacher, source, (horizon, every_step)
        self.at = None

    @property
    def batches(self):
        batches = {"teacher": self.teacher.batch_shape}
        return batches if self.source is None else batches | {"source": self.source.batch_shape}

    def draw(self, shape):
        """Whatever the next step needs."""

    def peers(self, shape, live):
        """Teacher and source of some of the runs."""
        if live is not self.at:
            self.at, self.found = live, [net if net is None else some_of(net, shape, live) for net in (self.teacher, self.source)]
        return self.found

    def is_far(self, net):
        """Whether the loss may be about to leave the range of floats, as it does before the update."""
        return is_far(net, self.options[0])

    def loss(self, net, shape, live):
        teacher, source = self.peers(shape, live)
        return loss(net, teacher, *self.options, source=source)

    def update(self, rule, net, shape, live):
        teacher, source = self.peers(shape, live)
        return rule.update(net, teacher, *self.options, source=source)

    def piece(self, shape, live):
        """The same task of some of the runs, on one axis."""
        piece = copy.copy(self)
        piece.at, (piece.teacher, piece.source) = None, self.peers(shape, live)
        return piece


class Sampled(Expected):
    """The update on new sequences at every step; the loss is still the expected one."""

    def __init__(self, student, teacher, horizon, every_step, source, batch_size, rng, shared_inputs):
        super().__init__(student, teacher, horizon, every_step, source)
        self.batch_size, self.rng, self.shared_inputs = batch_size, rng, shared_inputs
        self.among, self.all_sources = None, self.source

    def draw(self, shape):
        # A piece draws what all runs would, and keeps its own: so it sees what it would have seen among them.
        shape, live = (shape, None) if self.among is None else self.among
        T, _ = self.options
        x = draw_inputs(self.rng, (() if self.shared_inputs else shape) + (self.batch_size, T), self.student.m, self.all_sources)
        self.x = x if live is None else some(x, shape, live, core=3)

    def piece(self, shape, live):
        piece = super().piece(shape, live)
        piece.among, piece.rng = (shape, live), copy.deepcopy(self.rng)
        return piece

    def update(self, rule, net, shape, live):
        teacher, _ = self.peers(shape, live)
        x, (_, every_step) = some(self.x, shape, live, core=3), self.options
        y = simulate(teacher, x)
        return rule.sampled_update(net, x, y if every_step else y[..., -1, :], every_step)


class Data:
    """Inputs and targets in place of a teacher, the same at every step or a new pair from an iterator."""

    rng = None

    def __init__(self, student, teacher, every_step):
        self.student, self.every_step = student, every_step
        self.pairs = teacher if isinstance(teacher, Iterator) else None
        self.first = self.check(next(teacher, None) if self.pairs else teacher)
        self.x, self.y = self.first

    @property
    def batches(self):
        return {"inputs": self.x.shape[:-3], "targets": self.y.shape[: self.y.ndim - (3 if self.every_step else 2)]}

    def check(self, pair):
        """Inputs and targets as arrays; ValueError for a pair that does not fit the student."""
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError(f"teacher: expected a network, or inputs and targets, or an iterator of such pairs, got {pair!r}")
        sizes = {"o": self.student.o, "m": self.student.m}
        x = as_array("inputs", pair[0], "batch T m", sizes)
        return x, as_array("targets", pair[1], "batch T o" if self.every_step else "batch o", sizes)

    def draw(self, shape):
        if self.pairs is None:
            return
        pair, self.first = self.first, None
        if pair is None:
            pair = next(self.pairs, None)
            if pair is None:
                raise ValueError("teacher: expected an iterator of a pair for every step, got one that has ended")
            pair = self.check(pair)
        self.x, self.y = pair

    def is_far(self, net):
        return is_far(net, self.x.shape[-2])

    def peers(self, shape, live):
        return some(self.x, shape, live, core=3), some(self.y, shape, live, core=3 if self.every_step else 2)

    def loss(self, net, shape, live):
        x, y = self.peers(shape, live)
        outputs = simulate(net, x)
        e = outputs - y if self.every_step else outputs[..., -1, :] - y
        with np.errstate(over="ignore"):
            value = 0.5 * (e**2).sum(axis=-1).mean(axis=(-2, -1) if self.every_step else -1)
        return np.broadcast_to(finite("targets", value), live.shape)

    def update(self, rule, net, shape, live):
        return rule.sampled_update(net, *self.peers(shape, live), self.every_step)

    def piece(self, shape, live):
        if self.pairs is not None:
            raise ValueError("executor: expected none where the teacher is an iterator, which cannot be shared out")
        piece = copy.copy(self)
        piece.x, piece.y = self.peers(shape, live)
        return piece


def is_far(net: LinearRNN, horizon: float) -> bool:
    """Whether squares of A W^k B, k up to the horizon, can leave the range of floats.

    >>> is_far(LinearRNN([[1.0]], [[2.0]], [[1.0]]), 10), is_far(LinearRNN([[1.0]], [[2.0]], [[1.0]]), 1000)
    (False, True)
    >>> is_far(LinearRNN(np.ones((0, 1, 1)), [[1.0]], [[1.0]]), 10), bool(is_far(LinearRNN([[-1e60]], [[0.5]], [[1.0]]), 10))
    (False, True)
    """
    if not net.W.size:
        return False
    largest = max(np.abs(net.A).max(initial=0), np.abs(net.B).max(initial=0))
    growth = 0 if horizon == inf else horizon * log(max(1, np.abs(net.W).sum(axis=-1).max()))
    return largest > 1e50 or growth > 100
