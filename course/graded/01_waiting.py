"""The plateau of a mode that remembers

Near silence, $a = b = 0$, the weights $a$ and $b$ of a mode with a fixed memory $w$ grow exponentially: for $a^* b^* > 0$ at
the rate $a^* b^* / (1 - w w^*)$ under BPTT and at the rate $a^* b^* / \\sqrt{1 - w w^*}$ under one-step truncated BPTT.

Write `growth_and_wait(c, w, w_star, rule, factor)`, with $c = a^* b^*$ and the `rule` "BPTT" or "one step". It returns a pair:
this rate, and how much longer the plateau lasts, in units of $1/\\eta$ steps, if the start is `factor` times smaller.
"""

import numpy as np

import lrnnbook as lb

ABOUT = "ex-cast-rate"


def growth_and_wait(c, w, w_star, rule, factor):
    """The rate of growth near silence, and the extra time on the plateau from weights `factor` times smaller."""
    gap = 1 - w * w_star
    rate = c / (gap if rule == "BPTT" else np.sqrt(gap))
    return rate, np.log(factor) / rate


def visible(answer):
    rate, wait = answer(1.0, 0.5, 0.8, "BPTT", 10.0)
    assert np.isclose(rate, 1 / 0.6), "the rate of BPTT at c = 1, w = 0.5, w* = 0.8 is 1/0.6"
    assert np.isclose(wait, 0.6 * np.log(10)), "a start ten times smaller costs ln(10) divided by the rate"


def hidden(answer, rng):
    for rule, known in {"BPTT": lb.BPTT(), "one step": lb.TruncatedBPTT(steps=1)}.items():
        for _ in range(10):
            c, w, w_star = rng.uniform(0.2, 2), rng.uniform(-0.9, 0.9), rng.uniform(-0.9, 0.9)
            factor, tiny = rng.uniform(2, 1000), 1e-6
            target = lb.Mode(c, 1.0, w_star)
            columns = [known.mode_update(lb.Mode(*start, w), target) for start in ((tiny, 0.0), (0.0, tiny))]
            linear = -np.array([[column.a for column in columns], [column.b for column in columns]]) / tiny
            measured = np.linalg.eigvals(linear).real.max()
            rate, wait = answer(c, w, w_star, rule, factor)
            assert np.isclose(rate, measured, rtol=1e-4), f"{rule}: a run grows at another rate at w = {w:.2f}, w* = {w_star:.2f}"
            assert np.isclose(wait, np.log(factor) / measured, rtol=1e-4), f"{rule}: the plateau grows by another time"


def slip(c, w, w_star, rule, factor):
    return c, np.log(factor) / c  # the rate of a mode without memory
