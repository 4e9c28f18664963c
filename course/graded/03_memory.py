"""How exact must a memory be?

A target mode has $a^* b^* = 1$ and memory $w^*$. A student with memory $w$ has the best readout for it. Write `interval(w_star,
share)`: the smallest and the largest $w$ for which this student leaves at most the share `share` of the loss of silence.
"""

import numpy as np

import lrnnbook as lb

ABOUT = "ex-modes-memory"


def interval(w_star, share):
    """The ends (low, high) of the memories that leave at most `share` of the loss of silence."""
    q = np.sqrt(share)
    return (w_star - q) / (1 - q * w_star), (w_star + q) / (1 + q * w_star)


def visible(answer):
    assert np.allclose(answer(0.0, 0.01), (-0.1, 0.1)), "for a target without memory and one per cent the ends are -0.1 and 0.1"


def hidden(answer, rng):
    for _ in range(20):
        w_star, share = rng.uniform(-0.95, 0.95), rng.uniform(0.001, 0.5)
        target = lb.Mode(1.0, 1.0, w_star)
        low, high = answer(w_star, share)
        assert -1 < low < w_star < high < 1, f"w* = {w_star:.2f}: low, w*, high are not in this order within (-1, 1)"
        for w in (low, high):
            strength = (1 - w**2) / (1 - w * w_star)
            left = lb.mode_loss(lb.Mode(strength, 1.0, w), target) / lb.mode_loss(lb.Mode(0.0, 1.0, w), target)
            assert np.isclose(left, share), (
                f"w* = {w_star:.2f}: at w = {w:.3f} the best readout leaves {left:.4f}, not {share:.4f}"
            )


def slip(w_star, share):
    return w_star - np.sqrt(share), w_star + np.sqrt(share)  # the tolerance of a target without memory
