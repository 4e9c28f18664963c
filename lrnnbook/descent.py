"""What becomes of an update: a step against it, by a learning rate or an optimiser."""

import copy
from typing import Any, Protocol

import numpy as np

from .checks import as_array, broadcast_batch, some
from .forms import Rule
from .updates import Update


class Optimiser(Protocol):
    """What optax calls a gradient transformation."""

    def init(self, params: Any, /) -> Any: ...

    def update(self, updates: Any, state: Any, params: Any, /) -> tuple[Any, Any]: ...


def as_descent(learning_rate, optimiser, student, rule):
    """The one of the two that was given."""
    if optimiser is None:
        if learning_rate is None:
            raise ValueError("learning_rate: expected real numbers, or an optimiser in its place, got None")
        return Descent(learning_rate, student)
    if learning_rate is not None:
        raise ValueError("learning_rate, optimiser: expected one of the two, got both")
    for method in ("init", "update"):
        if not callable(getattr(optimiser, method, None)):
            raise ValueError(f"optimiser: expected one with optax's init and update, got {optimiser!r}")
    if type(rule).next is not Rule.next:
        raise ValueError(f"optimiser: expected none for {type(rule).__name__}, whose feedback learns at a learning rate")
    return Optimised(optimiser)


class Descent:
    r""":math:`\theta \leftarrow \theta - \eta\,\Delta\theta`, each weight at its own rate."""

    state = None

    def __init__(self, learning_rate, student):
        weights = {"A": student.A, "W": student.W, "B": student.B}
        if not isinstance(learning_rate, Update):
            eta = as_array("learning_rate", learning_rate, "", {})
            if not np.all(eta > 0):
                raise ValueError(f"learning_rate: expected positive numbers, got {learning_rate!r}")
            self.rates = Update(*(eta[..., None, None] for _ in weights))
        else:
            self.rates = Update(*(self.entry(name, getattr(learning_rate, name), weights[name].shape[-2:]) for name in weights))
        self.batch = broadcast_batch(**{f"learning_rate.{name}": rate.shape[:-2] for name, rate in zip("AWB", self.rates)})

    @staticmethod
    def entry(name, rate, core):
        """The rate of one weight, whose last two axes are those of the weight or of size 1."""
        name = f"learning_rate.{name}"
        rate = as_array(name, rate, "", {})
        got, rate = rate.shape, rate.reshape((1,) * (2 - rate.ndim) + rate.shape)
        if any(size not in (1, full) for size, full in zip(rate.shape[-2:], core)):
            raise ValueError(
                f"{name}: expected a shape that broadcasts with {core}, behind batch axes, one a run as (runs, 1, 1), got {got}"
            )
        if np.any(rate < 0):
            raise ValueError(f"{name}: expected numbers of at least 0, got {rate.min()}")
        return rate

    def of(self, shape: tuple[int, ...], live: np.ndarray) -> Update[np.ndarray]:
        """The rates of some of the runs."""
        return Update(*(some(rate, shape, live, core=2) for rate in self.rates))

    def piece(self, shape, live):
        """The same of some of the runs, on one axis."""
        piece = copy.copy(self)
        piece.rates = self.of(shape, live)
        return piece

    def step(self, runs, update):
        """The weights of the live runs after the step."""
        rates = self.of(runs.shape, runs.live)
        return [weight[runs.live] - rate * delta for weight, rate, delta in zip(runs.state, rates, update)]


class Optimised:
    """optax's protocol, on the weights of all runs; those that have diverged are handed a gradient of 0."""

    batch = ()

    def __init__(self, optimiser):
        self.optimiser, self.state = optimiser, None

    def piece(self, shape, live):
        return copy.copy(self)

    def step(self, runs, update):
        def batched(parts):
            return Update(*(part.reshape(runs.shape + part.shape[1:]) for part in parts))

        gradients = [np.zeros_like(weight) for weight in runs.state[:3]]
        for gradient, delta in zip(gradients, update):
            gradient[runs.live] = delta
        params = batched([weight.copy() for weight in runs.state[:3]])
        if self.state is None:
            self.state = self.optimiser.init(params)
        changes, self.state = self.optimiser.update(batched(gradients), self.state, params)
        return [
            weight[runs.live] + np.asarray(change, dtype=float).reshape(weight.shape)[runs.live]
            for weight, change in zip(runs.state, changes)
        ]
