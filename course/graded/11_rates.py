"""How fast, without memory

A target without memory, $w^* = 0$, and a solution with readout $s$ and input weight $c/s$. Write `rates(s, c, f)`: the two
rates at which the error goes, the slow one first, under a rule with feedback $f$ ($f = s$ for BPTT and its truncations, $f = r$
for RFLO with $rs > 0$).
"""

import numpy as np

import lrnnbook as lb

ABOUT = "ex-rates-flat"


def rates(s, c, f):
    """The two rates (slow, fast) at the solution with readout s of a target without memory."""
    b = c / s
    return tuple(sorted((b**2 + f * s, b**2 * f * s)))


def visible(answer):
    assert np.allclose(answer(1.0, 1.0, 1.0), (1, 2)), "BPTT at a = b = 1: the rates are 1 and 2"


def hidden(answer, rng):
    for _ in range(10):
        s, c, r = rng.uniform(0.3, 3), rng.uniform(0.3, 2), rng.uniform(0.1, 3)
        target = lb.Mode(c, 1.0, 0.0)
        for name, rule, f in (("BPTT", lb.BPTT(), s), ("RFLO", lb.RFLO(r, rng.uniform(-0.9, 0.9)), r)):
            expected = np.sort(-lb.decay_rates(rule, s, target).real)
            assert np.allclose(answer(s, c, f), expected), f"{name} at s = {s:.2f}, c = {c:.2f}: the eigenvalues give {expected}"


def slip(s, c, f):
    return tuple(sorted(((c / s) ** 2, f * s)))  # as if the readout and the input weight did not see each other
