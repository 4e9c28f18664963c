"""How fast: the exact statements of the chapter on rates, against eigenvalues of 3 by 3 Jacobians, searches, training."""

import numpy as np
import pytest
import sympy as sp
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from lrnnbook import BPTT, RFLO, EProp, Mode, TruncatedBPTT, decay_rates, integrate, mode_loss, optimal_mode

N = 400


def draw(seed=1, low=0.0, size=N):
    """Targets and solutions: c of both signs, s over four decades; decays with the sign of w* where low is 0."""
    rng = np.random.default_rng(seed)
    w = rng.uniform(0.05, 0.95, size) * rng.choice([-1, 1], size)
    c = 10 ** rng.uniform(-1.3, 1.3, size) * rng.choice([-1, 1], size)
    s = np.sqrt(np.abs(c)) * 10 ** rng.uniform(-1.5, 1.5, size)
    r = np.sqrt(np.abs(c)) * 10 ** rng.uniform(-1, 1, size)
    return c, w, s, r, rng.uniform(low, 0.95, size) * np.sign(w)


def rates(rule, s, c, w):
    """Slow and fast rate, from the package's reduced problem."""
    pair = -decay_rates(rule, s, Mode(c, 1.0, w))
    assert np.isrealobj(pair)
    return pair[..., 0], pair[..., 1]


def slow(rule, s, c, w):
    return rates(rule, s, c, w)[0]


def numbers(rule, s, w):
    """beta and h from plain sums over lags."""
    f, mu, *_ = rule.mode_sent(s, w)
    lag = np.arange(min(rule.steps, 4000))[:, None]
    terms = (mu * w) ** lag
    return f * s * terms.sum(0), ((lag + 1) * terms).sum(0) / terms.sum(0)


def roots(alpha, beta, h, phi):
    total = alpha + beta + alpha * beta * (phi + h - 1)
    product = alpha * beta * (h * alpha + phi * beta)
    fast = (total + np.sqrt(total**2 - 4 * product)) / 2
    return product / fast, fast


RULES = {
    "BPTT": lambda r, decay: BPTT(),
    "one step": lambda r, decay: TruncatedBPTT(1),
    "four steps": lambda r, decay: TruncatedBPTT(4),
    "RFLO": RFLO,
    "e-prop": lambda r, decay: EProp(r),
}


@pytest.mark.parametrize("name", RULES)
def test_two_numbers_give_both_rates(name):
    """Against the eigenvalues of the full 3 by 3 Jacobian, taken by the complex step from the mode equations."""
    c, w, s, r, decay = draw()
    s = np.sqrt(np.abs(c)) * 10 ** (np.log10(s / np.sqrt(np.abs(c))) / 2)  # milder, for the eigenvalue solver
    rule, target = RULES[name](r, decay), Mode(c, 1.0, w)
    point = np.array([*optimal_mode(s, target)])
    J = np.empty((N, 3, 3))
    for j, step in enumerate(1e-30j * np.eye(3)):
        J[:, :, j] = np.transpose(rule.mode_deltas(*(point + step[:, None]), *target)).imag / 1e-30
    eigenvalues = np.sort(np.linalg.eigvals(J).real, axis=1)
    phi = 1 / (1 - w**2)
    pair = np.transpose(roots((c / s) ** 2 * phi, *numbers(rule, s, w), phi))
    assert_allclose(eigenvalues[:, 1:], pair, rtol=1e-4)
    assert_allclose(np.transpose(rates(rule, s, c, w)), pair, rtol=1e-6)


@pytest.mark.parametrize("name", RULES)
def test_bounds(name):
    c, w, s, r, decay = draw(2)
    rule, phi = RULES[name](r, decay), 1 / (1 - w**2)
    beta, h = numbers(rule, s, w)
    alpha = (c / s) ** 2 * phi
    assert np.all(slow(rule, s, c, w) <= alpha * beta * np.maximum(phi, h) * (1 + 1e-9))


def test_more_input_is_faster_and_more_reach_where_the_readout_is():
    rng = np.random.default_rng(3)
    alpha, beta = 10 ** rng.uniform(-2, 2, (2, 5000))
    phi, h = 1 + 10 ** rng.uniform(-2, 1.5, (2, 5000))
    before = roots(alpha, beta, h, phi)[0]
    assert np.all(roots(alpha, beta * 1.001, h, phi)[0] > before)
    change = roots(alpha, beta, h * 1.0001, phi)[0] - before
    clear = np.abs(before / alpha - 1) > 1e-3
    assert np.all((change * (alpha - before))[clear] > 0)


def test_bptt_is_slowest_where_the_weights_are_balanced():
    for c, w, *_ in zip(*draw(4, size=40)):
        k = np.geomspace(1, 1e3, 2000)
        s = np.sqrt(abs(c)) * k
        one, two = rates(BPTT(), s, c, w)
        assert_allclose(one, slow(BPTT(), abs(c) / s, c, w), rtol=1e-7)  # s <-> c/s
        phi = 1 / (1 - w**2)
        assert np.all(np.diff(two) > 0) and np.all(np.diff(one) > -1e-9 * one[1:]) and one[-1] > one[0]
        assert np.all(one < c**2 * phi**3)
        gamma = abs(c) * phi**2
        sigma = 2 + gamma * (1 + w**2)
        assert_allclose(one[0], abs(c) * phi / 2 * (sigma - np.sqrt(sigma**2 - 8 * gamma)), rtol=1e-7)
    assert_allclose(slow(BPTT(), 1e5, 1.0, 0.6), 0.64**-3, rtol=1e-6)


def test_one_step_is_slowest_where_its_rate_is_twice_s_squared():
    for c, w, *_ in zip(*draw(5, size=40)):
        phi, size = 1 / (1 - w**2), abs(c)
        k = brentq(lambda k: 2 * k * (phi - k**2) - size * phi**2 * (1 - k**2), 0, 1, xtol=1e-14)
        s = np.sqrt(size * k)
        least = slow(TruncatedBPTT(1), s, c, w)
        assert_allclose(least, 2 * s**2, rtol=1e-7)
        assert np.all(slow(TruncatedBPTT(1), np.sqrt(size) * np.geomspace(1e-3, 1e3, 4001), c, w) > least * (1 - 1e-9))
    assert_allclose(slow(TruncatedBPTT(1), [1e-5, 1e5], 1.0, 0.6), [1 / 0.64, 1 / 0.64**2], rtol=1e-6)


def test_the_condition_for_the_slowest_point_of_one_step():
    k, phi, c = sp.symbols("k phi c", positive=True)
    total, product = c * (phi / k + k) + c**2 * phi**2, c**3 * phi**2 * (k + 1 / k)
    X = c**2 * phi**2 * (1 - k**2) / (phi - k**2)
    factor = c**3 * phi**2 * (phi - 1) / (phi - k**2) ** 2
    claimed = factor * (2 * k * (phi - k**2) - c * phi**2 * (1 - k**2))
    assert sp.simplify(X**2 - total * X + product - claimed) == 0


@pytest.mark.parametrize("tau", [1, 2, 5])
def test_difference_to_truncation_is_exact(tau):
    c, w, s, *_ = draw(6)
    v, phi, b2 = w**2, 1 / (1 - w**2), (c / s) ** 2
    full = slow(BPTT(), s, c, w)
    cut, fast = rates(TruncatedBPTT(tau), s, c, w)
    numerator = c**2 * phi**2 * (b2 * (tau + phi) + s**2 * phi * (2 - v**tau))
    numerator = numerator - (s**2 + c**2 * phi * (2 * phi + tau - 1)) * full
    assert_allclose(full - cut, v**tau * phi * numerator / (fast - full), rtol=1e-4, atol=1e-8 * np.abs(full).max())


@pytest.mark.parametrize("tau", [1, 2])
@pytest.mark.parametrize("c, s", [(1.0, 2.0), (3.0, 3**0.5), (4.0, (8 + 48**0.5) ** 0.5)])
def test_order_of_the_difference_in_the_memory(tau, c, s):
    w = np.array([0.02, 0.01])
    gap = slow(BPTT(), s, c, w) - slow(TruncatedBPTT(tau), s, c, w)
    b2 = c**2 / s**2
    u = b2 + s**2
    if c == 4:  # u = c^2
        order, limit = 2 * tau - 1, -(s**2) * c**2 / (c**2 + abs(c) * b2**0.5) if tau == 1 else -(s**2) * tau / 2
    elif u > c**2:
        order, limit = 2 * tau, c**2 * (s**2 + (tau + 1) * (b2 - c**2)) / (u - c**2)
    else:
        order, limit = 2 * tau, -(s**2) * (u + (tau - 1) * c**2) / (c**2 - u)
    assert abs(np.log2(gap[0] / gap[1]) - order) < 0.06
    assert_allclose(gap[1] / w[1] ** order, limit, rtol=0.03)


def test_rflo_at_the_two_ends_of_the_manifold():
    c, w, r, decay = -0.7, 0.8, 0.4, 0.3
    phi, chi = 1 / (1 - w**2), 1 / (1 - decay * w)
    ends = slow(RFLO(r, decay), np.array([1e-6, 1e6]), c, w) * [1e-6, 1e6] / (r * c**2 * phi * chi)
    assert_allclose(ends, [chi, phi], rtol=1e-4)


def test_rflo_overtakes_bptt_at_a_threshold_of_the_feedback():
    c, w, s, r, decay = draw(7)
    r = s * 10 ** np.linspace(-4, 6, 501)[:, None]
    ahead = slow(RFLO(r, decay), s, c, w) > slow(BPTT(), s, c, w)
    assert np.all(np.diff(ahead.astype(int), axis=0) >= 0) and not ahead[0].any() and ahead[-1].all()


def test_with_the_right_decay_the_threshold_is_the_readout():
    c, w, s, *_ = draw(8)
    same = slow(BPTT(), s, c, w)
    for rule in (RFLO(s, w), EProp(s)):
        assert_allclose(slow(rule, s, c, w), same, rtol=1e-7)
    assert np.all(slow(RFLO(1.001 * s, w), s, c, w) > same) and np.all(slow(RFLO(0.999 * s, w), s, c, w) < same)
    assert_allclose(slow(RFLO(s, 0.0), s, c, w), slow(TruncatedBPTT(1), s, c, w), rtol=1e-7)


@pytest.mark.parametrize("s, power", [(1e-5, 2), (1e5, 1)])
def test_threshold_at_the_two_ends(s, power):
    c, w, decay = 1.3, 0.7, 0.2
    same = slow(BPTT(), s, c, w)
    threshold = brentq(lambda k: slow(RFLO(k * s, decay), s, c, w) / same - 1, 0.1, 10)
    assert_allclose(threshold, ((1 - decay * w) / (1 - w**2)) ** power, rtol=1e-4)


def test_a_single_crossing_is_not_a_law():
    s, c, w = np.geomspace(1e-3, 1e3, 6001), 1.0, 0.9
    ahead = slow(RFLO(4.0, 0.5), s, c, w) > slow(BPTT(), s, c, w)
    at = s[1:][np.diff(ahead)]
    assert_allclose(at, [0.1155, 0.676, 2.150], rtol=5e-3)


def test_one_step_is_less_stiff_exactly_above_a_readout():
    c, w, s, *_ = draw(9, size=5000)
    one, two = rates(TruncatedBPTT(1), s, c, w)
    full, fast = rates(BPTT(), s, c, w)
    clear = np.abs(s**2 / (1 - w**2) - 1) > 1e-3
    assert np.all(((two / one < fast / full) == (s**2 > 1 - w**2))[clear])


def test_least_stiffness_of_bptt():
    w, c = 0.6, 3.0
    s = np.geomspace(1e-2, 1e2, 100_001)
    one, two = rates(BPTT(), s, c, w)
    assert_allclose((two / one).min(), (w + np.sqrt(1 + w**2)) ** 2, rtol=1e-5)


def test_best_decay_and_best_feedback_at_a_free_learning_rate():
    decays = np.linspace(0, 0.999, 10_000)
    for c, w, s, r, best in (
        (1.0, 0.6, 1.0, 0.5, (1 - 0.5**0.5) / 0.6),
        (-2.0, 0.9, 0.5, 0.6, (1 - 0.3**0.5) / 0.9),
        (1.0, 0.6, 1.0, 2.0, 0.0),
        (1.0, 0.6, 1.0, 0.1, 0.999),
    ):
        one, two = rates(RFLO(r, decays), s, c, w)
        assert abs(decays[(two / one).argmin()] - best) < 1e-3
    c, w, s, decay = 1.0, 0.9, 1.0, 0.5
    phi, chi = 1 / (1 - w**2), 1 / (1 - decay * w)
    alpha = c**2 / s**2 * phi
    feedback = np.geomspace(0.01, 10, 100_001)
    one, two = rates(RFLO(feedback, decay), s, c, w)
    best = alpha / ((1 + alpha * (phi + chi - 1)) * chi - 2 * phi) / s
    assert_allclose(feedback[(two / one).argmin()], best, rtol=2e-3)


def test_the_slow_rate_predicts_the_time():
    """From 1e-2 to 1e-8 of the initial loss, along the nonlinear flow."""
    s, target, times = np.array([0.3, 1.0, 3.0]), Mode(1.0, 1.0, 0.6), np.linspace(0, 15, 3001)
    solved = optimal_mode(s, target)
    for rule in (BPTT(), TruncatedBPTT(1), RFLO(1.0, 0.5)):
        run = integrate(rule, Mode(solved.a, solved.b, solved.w + 0.02), target, times, rtol=1e-8, atol=1e-12)
        loss = mode_loss(Mode(run.a, run.b, run.w), target)
        late, early = (times[np.argmax(loss < share * loss[:, :1], axis=1)] for share in (1e-8, 1e-2))
        assert_allclose(late - early, np.log(1e6) / (2 * slow(rule, s, 1.0, 0.6)), rtol=0.03)
