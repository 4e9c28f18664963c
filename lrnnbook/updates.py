"""What a rule subtracts from the weights."""

from typing import NamedTuple

import numpy as np


class Update(NamedTuple):
    r"""What a rule subtracts, times the learning rate, from the weights of the same name; of the weights' shapes."""

    A: np.ndarray
    W: np.ndarray
    B: np.ndarray
