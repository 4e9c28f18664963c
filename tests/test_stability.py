"""Stability, held against what shares no code with it: SymPy, the complex step, NumPy's eigenvalues, trajectories."""

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from rules_table import BRING_FEEDBACK, TABLE, of_modes
from scipy.integrate import solve_ivp

from lrnnbook import BPTT, RFLO, EProp, LinearRNN, Mode, TruncatedBPTT, decay_rates, integrate, jacobian, optimal_mode
from lrnnbook.mode_sums import geometric, geometric_slope

CLOSED = ["BPTT", "one-step tBPTT", "four-step tBPTT", "RFLO", "e-prop"]
SAME_FOR_MODES = {"per-unit RFLO": "RFLO", "SnAp-1": "BPTT"}
NAMES = [*CLOSED, *SAME_FOR_MODES]
WEIGHT = st.floats(-2, 2)
AWAY = st.floats(0.2, 3) | st.floats(-3, -0.2)  # from zero
RECURRENT = st.floats(-0.95, 0.95)


def complex_step(rule, mode, target):
    """The derivative of the velocity by a, b, w from the undifferentiated update."""
    columns = []
    for step in 1e-40j * np.eye(3):
        z = [value + h for value, h in zip(mode, step)]
        columns.append(-np.array(rule.mode_deltas(*z, *target)).imag / 1e-40)
    return np.moveaxis(np.array(columns), (0, 1), (-1, -2))


def sample(seed, count, low=-0.95, spread=1.0):
    """s, r, a*, w*, decay of many solutions."""
    rng = np.random.default_rng(seed)
    s, r, c = spread * rng.standard_normal((3, count))
    w, decay = rng.uniform(low, 0.95, (2, count))
    return s, r, c, w, decay


# The algebra, by SymPy: updates as the paper writes them, differentiated, and then put on the optimal manifold.

a, b, w, c, w_, r, hat, s, q, x = sp.symbols("a b w c w_ r hat s q x")
OPTIMUM = {a: s, b: c / s, w: w_}
phi = 1 / (1 - w_**2)
b2 = (c / s) ** 2


def paper_updates(name):
    delta_a = a * b**2 / (1 - w**2) - c * b / (1 - w * w_)
    if name == "RFLO":
        delta_b = r * (a * b / (1 - hat * w) - c / (1 - hat * w_))
        delta_w = r * b * (a * b * w / (1 - w**2) / (1 - hat * w) - c * w_ / (1 - w * w_) / (1 - hat * w_))
        return delta_a, delta_b, delta_w
    tau = {"one-step tBPTT": 1, "four-step tBPTT": 4}.get(name)
    kept, kept_ = (1 - w ** (2 * tau), 1 - (w * w_) ** tau) if tau else (1, 1)
    f = r if name == "e-prop" else a
    delta_b = f * (a * b * kept / (1 - w**2) - c * kept_ / (1 - w * w_))
    delta_w = f * b * (a * b * w * kept / (1 - w**2) ** 2 - c * w_ * kept_ / (1 - w * w_) ** 2)
    return delta_a, delta_b, delta_w


def formulas(name):
    """f s, psi, w* d of the chapter."""
    y = {"RFLO": hat * w_}.get(name, w_**2)
    lags = {"one-step tBPTT": 1, "four-step tBPTT": 4}.get(name)
    if lags:
        psi, wd = sum(y**k for k in range(lags)), sum(k * y**k for k in range(lags))
    else:
        psi, wd = 1 / (1 - y), y / (1 - y) ** 2
    return (r if name in ("RFLO", "e-prop") else s) * s, psi, wd


@pytest.fixture(scope="module")
def symbolic():
    found = {}
    for name in CLOSED:
        velocity = -sp.Matrix(paper_updates(name))
        found[name] = velocity.jacobian([a, b, w]).subs(OPTIMUM).applyfunc(sp.factor)
    return found


@pytest.mark.parametrize("name", CLOSED)
def test_sympy_trace_determinant_and_zero_mode(name, symbolic):
    J, (q_, psi, wd) = symbolic[name], formulas(name)
    tangent = sp.Matrix([1, -c / s**2, 0])
    assert (J * tangent).applyfunc(sp.simplify) == sp.zeros(3, 1)
    trace = -(b2 * phi + q_ * psi + q_ * b2 * phi * (phi * psi + wd))
    det = q_ * b2 * phi**2 * (b2 * (psi + wd) + q_ * psi**2)
    minors = sum(J.extract(keep, keep).det() for keep in ([0, 1], [0, 2], [1, 2]))
    assert sp.simplify(J.trace() - trace) == 0
    assert sp.simplify(minors - det) == 0


@pytest.mark.parametrize("name", CLOSED)
def test_sympy_reduced_matrix_and_jacobian(name, symbolic):
    J, (q_, psi, wd) = symbolic[name], formulas(name)
    f, d, beta = q_ / s, wd / w_, c / s
    DF = sp.Matrix([[phi, c * w_ * phi**2], [psi, c * d], [w_ * phi * psi, c * phi * (phi * psi + wd)]])
    Y, Gamma = sp.Matrix([[beta, s, 0], [0, 0, 1]]), sp.diag(beta, f, f * beta)
    assert (J + Gamma * DF * Y).applyfunc(sp.simplify) == sp.zeros(3, 3)
    M = -Y * Gamma * DF
    product = q_ * b2 * phi * psi * (b2 * w_**2 * phi**2 + q_ * wd)
    assert sp.simplify(M[0, 1] * M[1, 0] - product) == 0


def test_sympy_rflo_theorem():
    chi, xi, u = 1 / (1 - hat * w_), r * s**3 / c**2, b2 * phi
    g = phi + chi - 1
    q_, psi, wd = formulas("RFLO")
    trace = -(b2 * phi + q_ * psi + q_ * b2 * phi * (phi * psi + wd))
    det = q_ * b2 * phi**2 * (b2 * (psi + wd) + q_ * psi**2)
    assert sp.simplify(trace + b2 * (phi + xi * chi * (1 + b2 * phi * g))) == 0
    assert sp.simplify(det - b2**3 * phi**2 * chi**2 * xi * (1 + xi)) == 0
    assert sp.simplify(1 / chi - 1 / phi - w_ * (w_ - hat)) == 0
    # The discriminant of the characteristic polynomial, in x = xi chi / phi, and its own discriminant.
    lead, half = (1 + u * g) ** 2 - 4 * u * phi, 1 + u * g - 2 * u * chi
    quadratic = lead * x**2 + 2 * half * x + 1
    assert sp.simplify(trace**2 - 4 * det - u**2 * quadratic.subs(x, xi * chi / phi)) == 0
    assert sp.simplify(half**2 - lead - 4 * u * phi * chi * (w_ * (w_ - hat) - u * w_**2)) == 0


def test_sympy_bptt_one_step_and_eprop():
    u, q_ = b2 + s**2, r * s
    H = sp.Matrix([[phi, c * w_ * phi**2], [c * w_ * phi**2, c**2 * phi**3 * (1 + w_**2)]])
    for name, minus_trace, det in (
        ("BPTT", phi * u + c**2 * phi**3 * (1 + w_**2), c**2 * phi**4 * u),
        ("one-step tBPTT", b2 * phi + s**2 + c**2 * phi**2, c**2 * phi**2 * u),
        ("e-prop", phi * (b2 + q_) + q_ * b2 * phi**3 * (1 + w_**2), q_ * b2 * phi**4 * (b2 + q_)),
    ):
        fs, psi, wd = formulas(name)
        assert sp.simplify(b2 * phi + fs * psi + fs * b2 * phi * (phi * psi + wd) - minus_trace) == 0
        assert sp.simplify(fs * b2 * phi**2 * (b2 * (psi + wd) + fs * psi**2) - det) == 0
    eprop = sp.diag(b2 + q_, r / s) * H
    assert sp.simplify(eprop.trace() - (phi * (b2 + q_) + q_ * b2 * phi**3 * (1 + w_**2))) == 0
    assert sp.simplify(eprop.det() - q_ * b2 * phi**4 * (b2 + q_)) == 0


# The package against derivatives and eigenvalues that share no algebra with it.


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), *[WEIGHT] * 5, *[RECURRENT] * 3)
def test_jacobian_is_the_complex_step(name, a, b, a_, b_, r, w, w_, decay):
    rule, mode, target = of_modes(name, r, decay), Mode(a, b, w), Mode(a_, b_, w_)
    J, expected = jacobian(rule, mode, target), complex_step(of_modes(name, r, decay), mode, target)
    assert J.shape == (3, 3) and J.dtype == float
    assert_allclose(J, expected, rtol=1e-9, atol=1e-9 * max(1, np.abs(expected).max()))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), AWAY, AWAY, AWAY, RECURRENT, RECURRENT)
def test_rates_are_the_eigenvalues_without_the_zero(name, s, c, r, w_, decay):
    rule, target = of_modes(name, r, decay), Mode(c, 1.0, w_)
    rates = decay_rates(rule, s, target)
    assert rates.shape == (2,) and rates[0].real >= rates[1].real - 1e-12 * abs(rates[1])
    values = np.linalg.eigvals(complex_step(rule, optimal_mode(s, target), target))
    scale = np.abs(values).max()
    assert np.abs(values).min() < 1e-9 * scale
    across = values[np.argsort(np.abs(values))[1:]]
    assert_allclose(rates.sum(), across.sum(), rtol=1e-7, atol=1e-9 * scale)
    assert_allclose(rates.prod(), across.prod(), rtol=1e-6, atol=1e-9 * scale**2)


@pytest.mark.parametrize("name", NAMES)
def test_rates_keep_small_eigenvalues(name):
    # Far out on the manifold the two differ by many orders of magnitude; NumPy's 3 by 3 problem would lose the small.
    rates = decay_rates(of_modes(name, 1.0, 0.5), 1e6, Mode(1.0, 1.0, 0.5))
    q_, psi, wd = (sp.lambdify((s, r, w_, hat), value)(1e6, 1.0, 0.5, 0.5) for value in formulas(SAME_FOR_MODES.get(name, name)))
    small = -1e-12 * q_ * (4 / 3) ** 2 * (1e-12 * (psi + wd) + q_ * psi**2) / (q_ * psi)
    assert_allclose(rates[0], small, rtol=1e-5)


# Close to the edge and to the ends of the floats, in sixty digits.


def exact_jacobian(name, mode, target, r, decay):
    """Central differences of the paper's sums; with steps of 1e-25 in sixty digits they are exact as far as floats go."""
    with mpmath.workdps(60):
        *start, a_, b_, w_, r, decay = (mpmath.mpf(float(x)) for x in (*mode, *target, r, decay))

        def velocity(a, b, w):
            f, mu = r if name in BRING_FEEDBACK else a, decay if name in ("RFLO", "per-unit RFLO") else w

            def kept(z):
                steps = TABLE[name].steps
                return 1 / (1 - z) if steps == np.inf else sum(z**lag for lag in range(steps))

            now, goal = a * b / (1 - w * w), a_ * b_ / (1 - w * w_)
            sent, wanted = kept(mu * w), kept(mu * w_)
            return -b * (now - goal), -f * (a * b * sent - a_ * b_ * wanted), -f * b * (now * w * sent - goal * w_ * wanted)

        step, columns = mpmath.mpf(10) ** -25, []
        for j in range(3):
            ahead, behind = ([x + sign * step * (i == j) for i, x in enumerate(start)] for sign in (1, -1))
            columns.append([float((p - q) / (2 * step)) for p, q in zip(velocity(*ahead), velocity(*behind))])
        return np.array(columns).T


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("start", [(1.0, 1.0, 1.0), (0.5, 2.1, 0.5)])
@pytest.mark.parametrize("name", [*NAMES, "two-step tBPTT", "fifty-step tBPTT"])
def test_the_jacobian_next_to_the_edge(name, start, gap):
    """1 - w^2 carries the rounding of w^2, a quarter of epsilon, and enters up to the third power; twice that is allowed."""
    mode, target = Mode(*start[:2], 1 - start[2] * gap), Mode(1.0, 1.0, 1 - gap)
    J, expected = jacobian(of_modes(name, 0.7, 0.4), mode, target), exact_jacobian(name, mode, target, 0.7, 0.4)
    rounding = 2 * 3 * np.finfo(float).eps / 4 / (1 - max(mode.w, target.w) ** 2)
    assert_allclose(J, expected, rtol=0, atol=(rounding + 1e-14) * np.abs(expected).max())


@pytest.mark.parametrize("lags", [1, 2, 3, 50, 10**6])
@pytest.mark.parametrize("gap", [1e-3, 1e-8, 1e-12, 0.0])
def test_geometric_sums_and_their_slopes_next_to_one(lags, gap):
    y = 1 - gap
    with mpmath.workdps(60):
        z = mpmath.mpf(y)
        if z == 1:
            total, slope = mpmath.mpf(lags), mpmath.mpf(lags * (lags - 1) // 2)
        else:
            total = (1 - z**lags) / (1 - z)
            slope = total / (1 - z) - lags * z ** (lags - 1) / (1 - z)
    # A power of y is off by as many roundings as it has factors.
    assert_allclose([geometric(1.0, y, lags), geometric_slope(1.0, y, lags)], [float(total), float(slope)], rtol=lags * 1e-15)


@pytest.mark.parametrize("s", [1e100, -1e100, 1e-100])
def test_rates_of_very_different_size(s):
    """The product of the two is phi^4 c^2 (b^2 + s^2), and far out the larger is -phi times the larger of s^2 and b^2."""
    rates = decay_rates(BPTT(), s, Mode(1.0, 1.0, 0.5))
    assert_allclose(rates, [-((4 / 3) ** 3), -(4 / 3) * 1e200], rtol=1e-12)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: decay_rates(BPTT(), 1e155, GOOD), "s: expected numbers at which the rates are within the range"),
        (lambda: decay_rates(BPTT(), 1e160 + 1e160j, GOOD), "s: expected numbers at which the rates are within the range"),
        (lambda: decay_rates(EProp(1.0), 1e-110, GOOD), "s: expected numbers at which the rates are within the range"),
        (lambda: optimal_mode(5e-324, GOOD), r"s: expected numbers at which a\* b\* / s is within the range"),
        (lambda: jacobian(BPTT(), Mode(1e200, 1e200, 0.5), GOOD), "mode: expected one at which the Jacobian is within the range"),
        (lambda: jacobian(BPTT(), Mode(1e200 + 1j, 1e200, 0.5), GOOD), "mode: expected one at which the Jacobian is within"),
        (lambda: BPTT().mode_update(Mode(1e200, 1e200, 0.5), GOOD), "mode: expected one at which the update is within the range"),
    ],
)
def test_beyond_the_floats_is_an_error_of_the_argument(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()


# Shapes, batches, errors.


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_a_loop(name):
    rng = np.random.default_rng(1)
    a, b, w = rng.uniform(-0.9, 0.9, (3, 4, 1))
    a_, b_, w_ = rng.uniform(0.2, 0.9, (3, 3))
    r, decay = rng.uniform(0.2, 0.9, (2, 3))
    rule, mode, target = of_modes(name, r, decay), Mode(a, b, w), Mode(a_, b_, w_)
    J, point, rates = jacobian(rule, mode, target), optimal_mode(a, target), decay_rates(rule, a, target)
    assert J.shape == (4, 3, 3, 3) and point.shape == (4, 3) and rates.shape == (4, 3, 2)
    for i in range(4):
        for j in range(3):
            one_rule, one_target = of_modes(name, r[j], decay[j]), Mode(a_[j], b_[j], w_[j])
            assert_allclose(J[i, j], jacobian(one_rule, Mode(a[i, 0], b[i, 0], w[i, 0]), one_target), rtol=1e-12)
            assert_allclose([value[i, j] for value in point], [*optimal_mode(a[i, 0], one_target)], rtol=1e-14)
            assert_allclose(rates[i, j], decay_rates(one_rule, a[i, 0], one_target), rtol=1e-12)


def test_empty_batches_and_rules_that_bring_axes():
    target, nothing = Mode(1.0, 1.0, 0.5), np.empty(0)
    assert jacobian(BPTT(), Mode(nothing, nothing, nothing), target).shape == (0, 3, 3)
    assert decay_rates(BPTT(), nothing, target).shape == (0, 2)
    assert decay_rates(RFLO(np.ones((5, 1)), np.zeros(4)), 1.0, target).shape == (5, 4, 2)
    assert jacobian(EProp(np.ones(3)), Mode(1.0, 1.0, 0.5), target).shape == (3, 3, 3)


def test_arguments_keep_their_values():
    s, r = np.array([1.0, -2.0]), np.array([0.5, 1.0])
    decay_rates(RFLO(r, 0.5), s, Mode(1.0, 1.0, 0.5))
    assert s.tolist() == [1.0, -2.0] and r.tolist() == [0.5, 1.0]


GOOD = Mode(1.0, 1.0, 0.5)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: optimal_mode(0.0, GOOD), "s: "),
        (lambda: optimal_mode([1.0, 0.0], GOOD), "s: "),
        (lambda: optimal_mode(np.nan, GOOD), "s: "),
        (lambda: optimal_mode("1", GOOD), "s: "),
        (lambda: optimal_mode([1.0, 2.0], Mode(1.0, 1.0, [0.1, 0.2, 0.3])), r"s has \(2,\)"),
        (lambda: decay_rates(BPTT(), 0.0, GOOD), "s: "),
        (lambda: decay_rates(BPTT(), np.inf, GOOD), "s: "),
        (lambda: decay_rates(BPTT(), 1.0, Mode(1.0, 1.0, 1.0)), "target: "),
        (lambda: decay_rates(BPTT(), 1.0, Mode(1.0, 1.0, [0.5, -1.5])), "target: "),
        (lambda: decay_rates(RFLO([1.0, 2.0], 0.5), [1.0, 2.0, 3.0], GOOD), r"R has \(2,\)"),
        (lambda: decay_rates(RFLO(1.0, [0.1, 0.2]), [1.0, 2.0, 3.0], GOOD), r"decay has \(2,\)"),
        (lambda: jacobian(BPTT(), Mode(1.0, 1.0, 1.0), GOOD), "mode: "),
        (lambda: jacobian(BPTT(), GOOD, Mode(1.0, 1.0, -1.0)), "target: "),
        (lambda: jacobian(BPTT(), Mode(1.0, 1.0, [0.1, 0.2]), Mode(1.0, 1.0, [0.1, 0.2, 0.3])), r"mode has \(2,\)"),
        (lambda: jacobian(EProp([1.0, 2.0]), Mode(1.0, 1.0, [0.1] * 3), GOOD), r"R has \(2,\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# The theorems of the chapter, sampled.


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 30, np.inf])
def test_bptt_and_truncated_bptt_hold_every_solution(steps):
    s, _, c, w_, _ = sample(2, 20_000)
    rates = decay_rates(BPTT() if steps == np.inf else TruncatedBPTT(steps), s, Mode(c, 1.0, w_))
    assert np.isrealobj(rates) and np.all(rates < 0)


@pytest.mark.parametrize("low, spread", [(-0.95, 1.0), (0.0, 1.0), (-0.95, 0.4), (-0.95, 3.0)])
def test_rflo_regions(low, spread):
    s, r, c, w_, decay = sample(3, 50_000, low, spread)
    rates = decay_rates(RFLO(r, decay), s, Mode(c, 1.0, w_))
    b2, xi, phi, chi = c**2 / s**2, r * s**3 / c**2, 1 / (1 - w_**2), 1 / (1 - decay * w_)
    g = phi + chi - 1
    window = (xi < -1) & (-xi * chi * (1 + b2 * phi * g) < phi)
    stable, saddle = rates.real[:, 0] < 0, rates.real.prod(axis=1) < 0
    assert np.array_equal(stable, (xi > 0) | window)
    assert np.array_equal(saddle, (-1 < xi) & (xi < 0))
    assert np.all(rates.real[(xi < -1) & ~window] > 0)
    b2_0 = w_ * (w_ - decay) / g
    assert np.all(b2_0 < 0.81) and np.all(b2_0[decay * w_ >= 0] <= 0.25)
    assert np.all(b2[window] < b2_0[window])
    assert np.all(np.abs(r * c)[window] < np.minimum(0.73, b2_0[window] ** 1.5))
    assert np.all(np.abs(r * c)[window & (decay * w_ >= 0)] < 1 / 8)
    # Complex eigenvalues: only where the proposition allows them, and for r s > 0 never visibly so.
    spiral = rates.imag[:, 0] != 0
    assert np.all((b2 * phi < 1 - decay / w_)[spiral])
    right = spiral & (xi > 0)
    assert np.all((decay * w_ < 0)[right])
    assert np.all(3 * rates.imag[right] ** 2 < rates.real[right] ** 2)
    # The eigenvalues are those of NumPy, on a part of the sample.
    few = slice(0, 500)
    part = Mode(c[few], 1.0, w_[few])
    values = np.linalg.eigvals(jacobian(RFLO(r[few], decay[few]), optimal_mode(s[few], part), part)).real
    scale = np.abs(values).max(axis=1, keepdims=True)
    assert_allclose(values.max(axis=1).clip(0), rates.real[few].max(axis=1).clip(0), atol=1e-6 * scale.max())


def test_eprop_obeys_the_sign_rule():
    s, r, c, w_, _ = sample(4, 50_000)
    rates = decay_rates(EProp(r), s, Mode(c, 1.0, w_))
    ratio = r * s**3 / c**2
    scale = np.abs(rates).max(axis=1, keepdims=True)
    assert np.all(np.abs(rates.imag) < 1e-6 * scale)  # a double eigenvalue may come out as a pair
    assert np.array_equal(np.all(rates.real < 0, axis=1), ratio > 0)
    assert np.array_equal(np.all(rates.real > 0, axis=1), ratio < -1)


# The counterexample to the sign rule, and what RFLO conserves.

COUNTER = {"rule": RFLO(0.05, 0.0), "target": Mode(1.0, 1.0, 0.8)}


def test_a_stable_solution_against_the_sign():
    rates = decay_rates(COUNTER["rule"], [-2.6, -2.75, -2.9, -3.2], COUNTER["target"])
    assert_allclose(rates.real.max(axis=1), [0.0177, -0.0092, -0.0261, 0.0046], atol=1e-4)
    assert np.all(rates.imag[:2] == 0) and np.all(np.abs(rates.imag[2:]) > 0.05)
    # An independent integrator finds its way back to it.
    start = [-2.95, -1 / 2.95, 0.801]

    def velocity(t, y):
        return [-float(value) for value in COUNTER["rule"].mode_deltas(*y, 1.0, 1.0, 0.8)]

    end = solve_ivp(velocity, (0, 1500), start, method="DOP853", rtol=1e-10, atol=1e-12).y[:, -1]
    run = integrate(COUNTER["rule"], Mode(*start), COUNTER["target"], [0.0, 1500.0])
    assert end[0] < 0 and abs(end[0] * end[1] - 1) < 1e-6 and abs(end[2] - 0.8) < 1e-6
    assert_allclose([run.a[-1], run.b[-1], run.w[-1]], end, atol=1e-5)
    invariant = 0.1 * np.array([start[0], end[0]]) - [start[1] ** 2 + start[2] ** 2, end[1] ** 2 + end[2] ** 2]
    assert_allclose(invariant[0], invariant[1], atol=1e-9)


def test_a_closed_orbit():
    s, w = -3.2, 0.8 + np.array([0.001, 0.014])
    leaf = 0.1 * s - 1 / s**2 - 0.64
    start = Mode((leaf + 1 / s**2 + w**2) / 0.1, 1 / s, w)
    run = integrate(COUNTER["rule"], start, COUNTER["target"], np.linspace(0, 4000, 4001))
    late = run.w[:, -400:]
    assert np.all(np.isinf(run.exit_time))
    assert_allclose(late.min(axis=1), 0.7749, atol=3e-4)
    assert_allclose(late.max(axis=1), 0.8144, atol=3e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 5, np.inf]), st.floats(-0.9, 0.9))
def test_rflo_balance_holds_for_every_network(seed, horizon, decay):
    rng = np.random.default_rng(seed)
    o, n, m = rng.integers(1, 5, 3)
    W, W_ = rng.standard_normal((n, n)), rng.standard_normal((3, 3))
    W, W_ = (0.7 * X / max(np.abs(np.linalg.eigvals(X)).max(), 0.1) for X in (W, W_))
    student = LinearRNN(rng.standard_normal((o, n)), W, rng.standard_normal((n, m)))
    teacher = LinearRNN(rng.standard_normal((o, 3)), W_, rng.standard_normal((3, m)))
    R, shifted = rng.standard_normal((o, n)), W - decay * np.eye(n)
    single = rng.standard_normal((1, 6, m)), rng.standard_normal((1, o))
    for delta in (RFLO(R, decay).update(student, teacher, horizon), RFLO(R, decay).sampled_update(student, *single)):
        right = delta.W @ shifted.T + delta.B @ student.B.T
        assert_allclose(R.T @ delta.A, right, atol=1e-9 * max(1, np.abs(right).max()))
    delta = TruncatedBPTT(1).update(student, teacher, horizon)
    right = delta.W @ W.T + delta.B @ student.B.T
    assert_allclose(student.A.T @ delta.A, right, atol=1e-9 * max(1, np.abs(right).max()))


@settings(max_examples=60, deadline=None)
@given(*[WEIGHT] * 3, AWAY, *[RECURRENT] * 3)
def test_the_gradients_of_the_invariants_are_orthogonal_to_the_flow(a, b, c, r, w, w_, decay):
    mode, target = Mode(a, b, w), Mode(c, 1.0, w_)
    for rule, gradient in (
        (RFLO(r, decay), (2 * r, -2 * b, -2 * (w - decay))),
        (EProp(r), (2 * r, -2 * b, 0)),
        (BPTT(), (2 * a, -2 * b, 0)),
        (TruncatedBPTT(1), (2 * a, -2 * b, -2 * w)),
    ):
        terms = [slope * value for slope, value in zip(gradient, rule.mode_update(mode, target))]
        assert abs(sum(terms)) <= 1e-9 * max(1, *map(abs, terms))


def test_solutions_of_a_leaf():
    s, r, c, *_ = sample(5, 2000)
    away = np.abs(c) > 0.1
    s, r, c = s[away], r[away], c[away]
    for s_i, r_i, c_i in zip(s[:300], r[:300], c[:300]):
        K = 2 * r_i * s_i - (c_i / s_i) ** 2
        roots = np.roots([2 * r_i, -K, 0, -(c_i**2)])
        real = roots[np.abs(roots.imag) < 1e-6 * np.abs(roots)].real
        fold = -3 * np.abs(r_i * c_i) ** (2 / 3)
        assert (r_i * real > 0).sum() == 1
        if abs(K - fold) > 1e-3 * abs(fold):
            assert (r_i * real < 0).sum() == (2 if K < fold else 0)


@pytest.mark.parametrize("lags", [1, 2, 3, 4, 5, 6, 7, 8, 13, 37])
@pytest.mark.parametrize("x, y", [(0.9, -0.7), (0.6, 0.8), (1.0, 1.0), (0.5 + 0.4j, 0.7 - 0.6j)])
def test_a_geometric_sum_and_its_slope_are_the_literal_ones(x, y, lags):
    assert geometric(x, y, lags) == pytest.approx(sum((x * y) ** lag for lag in range(lags)), rel=1e-13)
    slope = sum(lag * x**lag * y ** (lag - 1) for lag in range(1, lags))
    assert geometric_slope(x, y, lags) == pytest.approx(slope, rel=1e-13, abs=1e-15)
