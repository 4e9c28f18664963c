"""Where BPTT lands

Write `landing(a0, b0, c)`: the readout $s$ of the solution $(s, c/s, w^*)$ that BPTT reaches from a start with readout $a_0$
and input weight $b_0$, $a_0 + b_0 \\neq 0$, for $c = a^* b^* > 0$.
"""

import numpy as np

import lrnnbook as lb

ABOUT = "thm-sp-landing"


def landing(a0, b0, c):
    """The readout of the solution that BPTT reaches."""
    balance = a0**2 - b0**2
    return np.sign(a0 + b0) * np.sqrt((balance + np.sqrt(balance**2 + 4 * c**2)) / 2)


def visible(answer):
    assert np.isclose(answer(0.1, 0.1, 1.0), 1.0), "from a = b BPTT reaches a = b"


def hidden(answer, rng):
    for case in range(4):
        a0, b0, c = *rng.uniform(-1.5, 1.5, 2), rng.uniform(0.5, 1.5)
        if abs(a0 + b0) < 0.2 or case == 0:
            a0, b0 = -abs(a0) - 0.2, abs(a0)
        start, target = lb.Mode(a0, b0, rng.uniform(-0.3, 0.6)), lb.Mode(1.0, c, rng.uniform(0.3, 0.6))
        end = lb.integrate(lb.BPTT(), start, target, [0, 200.0]).a[-1]
        got = answer(a0, b0, c)
        assert np.isclose(got, end, atol=1e-3), f"from a = {a0:.2f}, b = {b0:.2f} the flow ends at s = {end:.4f}, not {got:.4f}"


def slip(a0, b0, c):
    balance = a0**2 - b0**2
    return np.sqrt((balance + np.sqrt(balance**2 + 4 * c**2)) / 2)  # always the branch s > 0
