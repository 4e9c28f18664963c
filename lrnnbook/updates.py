"""What a rule subtracts from the weights."""

from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

Part = TypeVar("Part", covariant=True)


class Update(NamedTuple, Generic[Part]):
    r"""What a rule subtracts, times the learning rate, from the weights of the same name; of the weights' shapes.

    With a number or an array for each of the three it also holds learning rates, see :func:`lrnnbook.train`.

    Examples
    --------
    >>> Update(A=0.1, W=0.01, B=0.0).W
    0.01
    """

    A: Part
    W: Part
    B: Part


def filled(update: Update[np.ndarray], student: Any, batch: tuple[int, ...]) -> Update[np.ndarray]:
    """Repeat the deltas along the batch axes that they do not depend on."""
    shapes = (batch + weights.shape[-2:] for weights in (student.A, student.W, student.B))
    return Update(
        *(delta if delta.shape == shape else np.broadcast_to(delta, shape).copy() for delta, shape in zip(update, shapes))
    )
