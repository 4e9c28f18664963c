"""How many steps for one per cent?

A mode with memory $w$ learns a target that is silent, $a^* b^* = 0$. Write `steps_needed(w, share)`: the smallest whole number
$\\tau \\ge 1$ of steps with which truncated BPTT loses at most the share `share` of the update of $b$.
"""

import numpy as np

import lrnnbook as lb

ABOUT = "ex-tb-percent"


def steps_needed(w, share):
    """The smallest number of steps that loses at most `share` of the update of b."""
    tau = 1
    while abs(w) ** (2 * tau) > share:
        tau += 1
    return tau


def visible(answer):
    assert answer(0.5, 0.01) == 4, "0.25 ** 3 is above one per cent, 0.25 ** 4 below"


def hidden(answer, rng):
    silent = lb.Mode(0.0, 1.0, 0.3)
    for _ in range(10):
        w, share = rng.uniform(0.3, 0.98) * rng.choice([-1, 1]), rng.uniform(0.001, 0.2)
        student = lb.Mode(rng.uniform(0.5, 2), rng.uniform(0.5, 2), w)
        whole = lb.BPTT().mode_update(student, silent).b
        tau = answer(w, share)
        lost = [1 - lb.TruncatedBPTT(steps=steps).mode_update(student, silent).b / whole for steps in (tau, max(tau - 1, 1))]
        assert lost[0] <= share * (1 + 1e-9), f"w = {w:.3f}: {tau} steps lose {lost[0]:.4f}, more than {share:.4f}"
        assert tau == 1 or lost[1] > share, f"w = {w:.3f}: {tau - 1} steps would do"


def slip(w, share):
    return max(1, int(np.ceil(np.log(share) / np.log(abs(w)))))  # w to the tau
