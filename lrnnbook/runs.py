"""Training runs on one axis: what moves, which runs are live, and when the others diverged."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .checks import some
from .forms import Rule
from .networks import LinearRNN


class Runs:
    """The last state of every run that is known to be valid: A, W and B, and what the rule brings if that learns as well."""

    def __init__(self, rule: Rule, student: LinearRNN, shape: tuple[int, ...]) -> None:
        self.rule, self.shape, self.learns = rule, shape, type(rule).next is not Rule.next
        parts = [(weight, 2) for weight in (student.A, student.W, student.B)]
        if self.learns:
            parts += [(getattr(rule, name), len(axes.split())) for name, axes in rule.arrays.items()]
        self.state: list[np.ndarray] = []
        for array, core in parts:
            ends = array.shape[array.ndim - core :]
            self.state.append(np.broadcast_to(array, shape + ends).reshape(prod(shape), *ends).copy())
        self.live = np.arange(prod(shape))
        self.diverged_at, self.losses = np.full(self.live.size, np.inf), np.full(self.live.size, np.nan)
        self.at: np.ndarray | None = None
        self.rule_at = rule

    def part(self, state: list[np.ndarray], live: np.ndarray) -> tuple[Rule, LinearRNN]:
        """The rule and the networks of some of the runs, in a state that may be no longer valid: then ValueError."""
        if live is not self.at:
            self.at, self.rule_at = live, self.rule.for_runs(self.shape, live)
        if not all(np.isfinite(part).all() for part in state):
            raise ValueError("weights: expected finite numbers")
        rule = self.rule_at
        if self.learns:
            rule = rule._with(**dict(zip(rule.arrays, state[3:])))
        return rule, LinearRNN.unchecked(*state[:3])

    def attempt(self, function: Callable[..., Any], state: list[np.ndarray], live: np.ndarray) -> tuple[np.ndarray, Any]:
        """Call ``function(rule, net, live)`` on the runs on which it raises no ValueError: a mask of these, and what it returns.

        A run on which it does is found by halving.
        """
        try:
            return np.ones(live.size, dtype=bool), function(*self.part(state, live), live) if live.size else None
        except ValueError:
            if live.size == 1:
                return np.zeros(1, dtype=bool), None
        half = live.size // 2
        halves = (slice(half), slice(half, None))
        good = np.concatenate([self.attempt(function, [p[part] for p in state], live[part])[0] for part in halves])
        live = live[good]
        return good, function(*self.part([part[good] for part in state], live), live) if live.size else None

    def advance(self, look: Callable[..., Any], loss: Callable[..., np.ndarray], state: list[np.ndarray], k: int) -> Any:
        """Keep the state after k steps where `look` can be had of it, freeze the other runs, and return what it saw."""
        if not self.live.size:
            return None
        good, seen = self.attempt(look, state, self.live)
        if not good.all():
            bad, self.live = self.live[~good], self.live[good]
            self.diverged_at[bad] = k
            # Next to the edge there may be an update but no loss to all digits: then the last one stays.
            there, last = self.attempt(loss, [part[bad] for part in self.state], bad)
            if there.any():
                self.losses[bad[there]] = last
            state = [part[good] for part in state]
        for valid, part in zip(self.state, state):
            valid[self.live] = part
        return seen

    def all_losses(self, latest: ArrayLike) -> np.ndarray:
        """The losses of all runs, of which `latest` are those of the live ones."""
        self.losses[self.live] = latest
        return self.losses.copy()

    def last(self) -> tuple[LinearRNN, Rule]:
        """All runs as one batch, each at its last valid state: the network and the rule."""
        batched = [part.reshape(self.shape + part.shape[1:]) for part in self.state]
        rule = self.rule._with(**dict(zip(self.rule.arrays, batched[3:]))) if self.learns else self.rule
        return LinearRNN(*batched[:3]), rule


def pack(state: list[np.ndarray]) -> np.ndarray:
    """(runs, ...) of each part -> (numbers, runs)."""
    return np.concatenate([part.reshape(len(part), prod(part.shape[1:])) for part in state], axis=1).T


def unpack(y: np.ndarray, like: list[np.ndarray]) -> list[np.ndarray]:
    """The other way: parts of the shapes of those they are to be like, but for the number of runs."""
    parts = np.split(y.T, np.cumsum([prod(part.shape[1:]) for part in like])[:-1], axis=1)
    return [part.reshape(len(part), *of.shape[1:]) for part, of in zip(parts, like)]


def some_of(net: LinearRNN, shape: tuple[int, ...], part: np.ndarray) -> LinearRNN:
    """The networks of some of the runs; weights that all runs share stay as they are."""
    return LinearRNN.unchecked(*(some(weight, shape, part, core=2) for weight in (net.A, net.W, net.B)))
