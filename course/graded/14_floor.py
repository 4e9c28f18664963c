"""The floor of a single mode

The teacher's response is $K^*_k = \\sum_i c_i \\lambda_i^k$, given by the arrays `strengths` ($c_i$) and `memories`
($\\lambda_i$). A student can become a single mode and no more. Write `floor(strengths, memories)`: the least loss that it can
have, to three digits.
"""

import numpy as np

ABOUT = "ex-lr-hand"


def floor(strengths, memories):
    """The least loss of a single mode against a teacher of several."""
    c, memory = np.asarray(strengths), np.asarray(memories)
    whole = np.sum(np.outer(c, c) / (1 - np.outer(memory, memory)))
    w = np.tanh(np.linspace(-6, 6, 24001))
    seen = (c[:, None] / (1 - memory[:, None] * w)).sum(axis=0)  # the teacher's transfer function
    return (whole - np.max((1 - w**2) * seen**2)) / 2


def visible(answer):
    assert np.isclose(answer([2.0], [0.5]), 0, atol=1e-6), "a teacher that is a single mode can be reached"


def hidden(answer, rng):
    lags = np.arange(300)
    for _ in range(3):
        strengths, memories = rng.uniform(-1, 1, 3), rng.uniform(-0.9, 0.9, 3)
        response = strengths @ memories[:, None] ** lags
        losses = []
        for w in np.linspace(-0.995, 0.995, 1991):
            shape = w**lags
            best = shape @ response / (shape @ shape)
            losses.append(np.sum((best * shape - response) ** 2) / 2)
        got = answer(strengths, memories)
        assert np.isclose(got, min(losses), rtol=2e-3, atol=1e-5), (
            f"a search over memories finds {min(losses):.5f}, not {got:.5f}"
        )


def slip(strengths, memories):
    c, memory = np.asarray(strengths), np.asarray(memories)
    strongest = np.argmax(np.abs(c))
    rest, kept = np.delete(c, strongest), np.delete(memory, strongest)
    return np.sum(np.outer(rest, rest) / (1 - np.outer(kept, kept))) / 2  # the strongest mode alone, as it is
