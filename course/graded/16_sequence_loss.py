"""An error at every step

The gaps $D_0, D_1, \\dots$ between the impulse responses of student and teacher are given as an array of shape $(\\ge T, o,
m)$. Write `sequence_loss(gaps, T)`: the mean over the steps $1, \\dots, T$ of the loss at that step, under white input. Use one
sum over lags, with a weight for each lag.
"""

import numpy as np

ABOUT = "thm-es-average"


def sequence_loss(gaps, T):
    """The mean of the losses at the steps 1 to T."""
    weights = 1 - np.arange(T) / T
    return np.sum(weights * np.sum(np.asarray(gaps)[:T] ** 2, axis=(1, 2))) / 2


def visible(answer):
    assert np.isclose(answer(np.ones((2, 1, 1)), 2), 0.75), "the losses at steps 1 and 2 are 0.5 and 1"


def hidden(answer, rng):
    for T in (1, 3, 10):
        gaps = rng.normal(size=(12, 2, 3))
        expected = np.mean([np.sum(gaps[:t] ** 2) / 2 for t in range(1, T + 1)])
        assert np.isclose(answer(gaps, T), expected), f"T = {T}: the mean of the losses is {expected:.4f}"


def slip(gaps, T):
    return np.sum(np.asarray(gaps)[:T] ** 2) / 2  # the loss at the last step
