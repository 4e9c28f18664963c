"""A kernel with two numbers

A student has $w = 0$ and horizon $T = 1$, so that only the gap $D_0 = ab - c$ counts. Write `kernel(a, b, r)`: the number
$\\Theta$ in $\\dot D_0 = -\\Theta D_0$ under RFLO with feedback $r$, when $a$ and $b$ both learn.
"""

import numpy as np

import lrnnbook as lb

ABOUT = "ex-lf-two"


def kernel(a, b, r):
    """The rate at which the gap at lag 0 goes; negative where it grows."""
    return b**2 + r * a


def visible(answer):
    assert np.isclose(answer(-3.0, 1.0, 1.0), -2), "exercise 22.1: at a = -3, b = r = 1 the loss rises"


def hidden(answer, rng):
    for _ in range(10):
        a, b, r, c = rng.normal(size=4)
        student, teacher = (lb.LinearRNN([[weight]], [[0.0]], [[other]]) for weight, other in ((a, b), (c, 1.0)))
        update = lb.RFLO([[r]], 0.0).update(student, teacher, horizon=1)
        rate = (update.A.item() * b + a * update.B.item()) / (a * b - c)
        assert np.isclose(answer(a, b, r), rate), f"a = {a:.2f}, b = {b:.2f}, r = {r:.2f}: the update gives {rate:.4f}"


def slip(a, b, r):
    return b**2 + a**2  # the gradient's
