"""The updates of one mode: geometric sums over the lags, real or complex."""

import math
from functools import reduce
from operator import add

import numpy as np


def mode_sums(f, mu, b, w, gaps, steps):
    r"""The updates of a mode whose gap at lag k is :math:`e_k = \sum_i p_i v_i^k`, given the pairs (p, v).

    .. math::

        \Delta a = b \sum_k e_k w^k, \qquad \Delta b = f \sum_l \mu^l e_l, \qquad
        \Delta w = f b \sum_l \mu^l \sum_j w^j e_{l+1+j}

    The four arguments before the gaps are conjugated by the caller where they are complex.
    """
    parts = []
    for p, v in gaps:
        heard, psi = p / (1 - w * v), geometric(mu, v, steps)
        parts.append((heard, p * psi, heard * v * psi))
    da, db, dw = (reduce(add, part) for part in zip(*parts))
    return b * da, f * db, f * b * dw


def pair(p, v):
    """The two real-valued halves of Re(p v^k), as pairs whose sum it is."""
    return (p / 2, v), (np.conj(p) / 2, np.conj(v))


def geometric(x, y, lags=math.inf):
    """The sum of (x y)^l over l below `lags`, by doubling: nothing cancels close to 1.

    Examples
    --------
    >>> [float(geometric(0.5, 1.0, lags)) for lags in (1, 3, math.inf)], float(geometric(1.0, 1.0, 5))
    ([1.0, 1.75, 2.0], 5.0)
    """
    if lags == math.inf:
        return 1 / (1 - x * y)
    z = power = x * y
    total = np.ones_like(z)
    for digit in bin(lags)[3:]:  # the digits of lags below the highest
        total, power = total * (1 + power), power * power
        if digit == "1":
            total, power = 1 + z * total, z * power
    return total


def geometric_slope(x, y, lags=math.inf):
    """The derivative by y of :func:`geometric`, in the same way.

    Examples
    --------
    >>> float(geometric_slope(0.5, 1.0)), float(geometric_slope(0.5, 1.0, 3)), float(geometric_slope(0.5, 1.0, 1))
    (2.0, 1.0, 0.0)
    """
    if lags == math.inf:
        return x / (1 - x * y) ** 2
    z = power = x * y
    total, slope, power_slope = np.ones_like(z), np.zeros_like(z), x
    for digit in bin(lags)[3:]:
        slope, total = slope * (1 + power) + total * power_slope, total * (1 + power)
        power_slope, power = 2 * power * power_slope, power * power
        if digit == "1":
            slope, total = x * total + z * slope, 1 + z * total
            power_slope, power = x * power + z * power_slope, z * power
    return slope
