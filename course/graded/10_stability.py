"""Which solutions hold under RFLO

Write `is_stable(s, c, w_star, r, decay)`: whether the solution $(s, c/s, w^*)$ is stable under RFLO with feedback $r$, that is,
whether both eigenvalues across the manifold of solutions have negative real part. The sign of $rs$ alone does not decide.
"""

import numpy as np

import lrnnbook as lb

ABOUT = "thm-stab-rflo"


def is_stable(s, c, w_star, r, decay):
    """Whether the solution with readout s is stable under RFLO."""
    b = c / s
    phi, chi, xi = 1 / (1 - w_star**2), 1 / (1 - decay * w_star), r * s / b**2
    trace = -(b**2) * (phi + xi * chi * (1 + b**2 * phi * (phi + chi - 1)))
    determinant = xi * (1 + xi)  # up to a positive factor
    return bool(trace < 0 and determinant > 0)


def visible(answer):
    assert answer(1.0, 1.0, 0.8, 1.0, 0.5), "feedback and readout of one sign: stable"
    assert not answer(-1.0, 1.0, 0.8, 1.0, 0.5), "at s = -1 and r = 1 the solution is not stable"


def hidden(answer, rng):
    cases = [(rng.uniform(0.2, 3) * rng.choice([-1, 1]), rng.uniform(0.02, 1), rng.uniform(-0.5, 0.8)) for _ in range(20)]
    for _ in range(20):  # weak feedback of the wrong sign, near where the determinant vanishes: on the arc and beyond
        r = rng.uniform(0.01, 0.06)
        cases.append((-((1 / r) ** (1 / 3)) * rng.uniform(1.01, 1.4), r, rng.uniform(-0.3, 0.3)))
    for s, r, decay in cases:
        w_star = rng.uniform(0.5, 0.9)
        rates = lb.decay_rates(lb.RFLO(r, decay), s, lb.Mode(1.0, 1.0, w_star))
        if np.abs(rates.real).min() > 1e-6:
            stable = bool(np.all(rates.real < 0))
            got = answer(s, 1.0, w_star, r, decay)
            where = f"s = {s:.2f}, w* = {w_star:.2f}, r = {r:.3f}, decay {decay:.2f}"
            assert bool(got) == stable, f"{where}: the eigenvalues are {np.round(rates, 4)}"


def slip(s, c, w_star, r, decay):
    return r * s > 0  # the sign rule
