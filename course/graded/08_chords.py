"""One curve, every rule

A rule sends back $f \\mu^l$ to a mode. Write `mode_update(f, mu, student, target)`: the three updates $(\\Delta a, \\Delta b,
\\Delta w)$ in the limit of a long past, for `student` $= (a, b, w)$ and `target` $= (a^*, b^*, w^*)$. Use the transfer function
of the gap. Mind the case $\\mu = w$.
"""

import numpy as np

ABOUT = "thm-eq-chords"


def mode_update(f, mu, student, target):
    """The updates (da, db, dw) of a rule with feedback f and decay mu."""
    (a, b, w), (a_star, b_star, w_star) = student, target
    c = a_star * b_star

    def G(z):
        return a * b / (1 - w * z) - c / (1 - w_star * z)

    if mu == w:
        slope = a * b * w / (1 - w * w) ** 2 - c * w_star / (1 - w_star * w) ** 2
    else:
        slope = (G(w) - G(mu)) / (w - mu)
    return b * G(w), f * G(mu), f * b * slope


def visible(answer):
    da, db, dw = answer(1.0, 0.8, (1.0, 1.0, 0.5), (1.0, 1.0, 0.8))
    assert np.isclose(da, 1 / 0.75 - 1 / 0.6), "exercise 8.1: G(0.5) = 1/0.75 - 1/0.6"
    assert np.isclose(db, 1 / 0.6 - 1 / 0.36), "exercise 8.1: G(0.8) = 1/0.6 - 1/0.36"


def hidden(answer, rng):
    lags = np.arange(400)
    for case in range(12):
        student, target = (tuple(rng.uniform(-0.8, 0.8, 3)) for _ in range(2))
        (a, b, w), (a_star, b_star, w_star) = student, target
        f, mu = rng.uniform(-1, 1), (w if case % 3 == 0 else rng.uniform(-0.8, 0.8))
        gap = a * b * w**lags - a_star * b_star * w_star**lags
        sent = f * mu**lags
        dw = sum(b * sent[l] * w**j * gap[l + 1 + j] for l in range(120) for j in range(120))
        for name, got, literal in zip("abw", answer(f, mu, student, target), (b * w**lags @ gap, sent @ gap, dw)):
            assert np.isclose(got, literal, atol=1e-8), (
                f"d{name} at w = {w:.2f}, mu = {mu:.2f}: the sum over lags gives {literal:.5f}"
            )


def slip(f, mu, student, target):
    (a, b, w), (a_star, b_star, w_star) = student, target
    c = a_star * b_star
    value = [a * b / (1 - w * z) - c / (1 - w_star * z) for z in (w, mu)]
    tangent = a * b * w / (1 - w * w) ** 2 - c * w_star / (1 - w_star * w) ** 2  # for every rule
    return b * value[0], f * value[1], f * b * tangent
