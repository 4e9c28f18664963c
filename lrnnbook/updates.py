"""What a rule subtracts from the weights."""

from typing import NamedTuple

import numpy as np


class Update(NamedTuple):
    r"""What a rule subtracts, times the learning rate, from the weights of the same name; of the weights' shapes."""

    A: np.ndarray
    W: np.ndarray
    B: np.ndarray


def filled(update, student, batch):
    """Repeat the deltas along the batch axes that they do not depend on."""
    shapes = (batch + weights.shape[-2:] for weights in (student.A, student.W, student.B))
    return Update(*(
        delta if delta.shape == shape else np.broadcast_to(delta, shape).copy() for delta, shape in zip(update, shapes)
    ))
