"""What colour does to a loss

The input is $x_t = g x_{t-1} + \\epsilon_t$ with white $\\epsilon$ of variance 1. The gaps $D_k$ between two networks with one
input and one output are given as an array that has faded to nothing at its end. Write `coloured_loss(gaps, g)`: the loss in the
limit of a long past.
"""

import numpy as np

ABOUT = "ex-rd-colour"


def coloured_loss(gaps, g):
    """Half the variance of the error under input with the memory g."""
    gaps = np.asarray(gaps, dtype=float)
    lags = np.arange(len(gaps))
    correlation = g ** np.abs(lags[:, None] - lags) / (1 - g**2)
    return gaps @ correlation @ gaps / 2


def visible(answer):
    assert np.isclose(answer([1.0, 0.5], 0.0), 0.625), "white input: half the sum of squares"


def hidden(answer, rng):
    for _ in range(5):
        g, gaps = rng.uniform(0.3, 0.8) * rng.choice([-1, 1]), rng.normal(size=30) * 0.7 ** np.arange(30)
        response = np.convolve(gaps, g ** np.arange(400))[:400]  # from the noise to the error
        expected = np.sum(response**2) / 2
        assert np.isclose(answer(gaps, g), expected), f"g = {g:.2f}: the response to the noise gives {expected:.4f}"


def slip(gaps, g):
    return np.sum(np.asarray(gaps) ** 2) / (1 - g**2) / 2  # white input of the same variance
