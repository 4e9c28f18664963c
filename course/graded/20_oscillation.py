"""The loss of an oscillation

The gap between two damped oscillations is $c\\, w^k - c^* w^{*k}$ with complex $c, w, c^*, w^*$. Write `oscillation_loss(c, w,
c_star, w_star)`: half the sum over $k \\ge 0$ of its squared modulus, in closed form. It is a real number.
"""

import numpy as np

ABOUT = "thm-os-formula"


def oscillation_loss(c, w, c_star, w_star):
    """Half the sum of the squared moduli of c w^k - c* w*^k."""
    both = np.conj(c) * c_star / (1 - np.conj(w) * w_star)
    return (abs(c) ** 2 / (1 - abs(w) ** 2) - 2 * np.real(both) + abs(c_star) ** 2 / (1 - abs(w_star) ** 2)) / 2


def visible(answer):
    assert np.isclose(answer(1.0, 0.5, 1.0, 0.5), 0), "no gap, no loss"
    assert np.isclose(answer(1.0, 0.5, 0.0, 0.3), 1 / 1.5), "a silent target"


def hidden(answer, rng):
    lags = np.arange(400)
    for _ in range(10):
        c, c_star = rng.normal(size=2) + 1j * rng.normal(size=2)
        w, w_star = rng.uniform(0.2, 0.9, 2) * np.exp(1j * rng.uniform(-np.pi, np.pi, 2))
        expected = np.sum(np.abs(c * w**lags - c_star * w_star**lags) ** 2) / 2
        got = answer(c, w, c_star, w_star)
        assert np.isrealobj(got), "the loss is a real number"
        assert np.isclose(got, expected), f"the sum over lags gives {expected:.4f}"


def slip(c, w, c_star, w_star):
    both = c * c_star / (1 - w * w_star)  # without the conjugates
    return np.real(abs(c) ** 2 / (1 - abs(w) ** 2) - 2 * both + abs(c_star) ** 2 / (1 - abs(w_star) ** 2)) / 2
