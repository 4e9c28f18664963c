"""The flow of the mode equations against SciPy's integrators on velocities written out here, and against exact laws."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from rules_table import NAMES, of_modes
from scipy.integrate import solve_ivp

from lrnnbook import BPTT, RFLO, EProp, Mode, integrate, optimal_mode

RULES = {name: of_modes(name, 0.7) for name in NAMES}
FALLING = {"RFLO": RFLO(R=-0.7, decay=0.4), "e-prop": EProp(R=-0.7)}  # they push the start (1, 1, 0.5) over the edge
TARGET = Mode(1.2, 0.8, 0.6)


def velocity(rule, target):
    """The right-hand side in plain floats, from the sums over lags."""
    a_, b_, w_ = (float(part) for part in target)
    c = a_ * b_

    def sums(w, mu):  # of (mu w)^l over the lags kept
        return 1 / (1 - mu * w) if rule.steps == np.inf else sum((mu * w) ** k for k in range(rule.steps))

    def f(_, y):
        a, b, w = y
        sent = float(rule.R) if hasattr(rule, "R") else a
        mu = next((float(getattr(rule, name)) for name in ("decay", "decays") if hasattr(rule, name)), w)
        now, goal = a * b / (1 - w * w), c / (1 - w * w_)
        return [
            -b * (now - goal),
            -sent * (a * b * sums(w, mu) - c * sums(w_, mu)),
            -sent * b * (now * w * sums(w, mu) - goal * w_ * sums(w_, mu)),
        ]

    return f


def reference(rule, start, target, times, method="DOP853", rtol=1e-12):
    y = np.array([float(part) for part in start])
    run = solve_ivp(velocity(rule, target), (0, times[-1]), y, method, t_eval=times, rtol=rtol, atol=rtol / 100)
    assert run.success
    return run.y


def reference_exit(rule, start, target):
    """(a, b, t) followed in w instead of time: dt/dw vanishes at the edge, and nothing is singular there."""
    a, b, w = (float(part) for part in start)
    f = velocity(rule, target)
    side = np.sign(f(0, (a, b, w))[2])

    def g(w, y):
        a_t, b_t, w_t = f(0, (y[0], y[1], w))
        return [a_t / w_t, b_t / w_t, 1 / w_t]

    edge = side * (1 - 1e-9)  # from there on t grows by less than 1e-17
    return solve_ivp(g, (w, edge), [a, b, 0], "DOP853", rtol=1e-12, atol=1e-14).y[2, -1]


def stacked(run):
    return np.stack([run.a, run.b, run.w])


@pytest.mark.parametrize("name", RULES)
def test_the_path_is_that_of_an_independent_integration(name):
    times, rng = np.array([0, 0.003, 0.7, 1.0, 5.5, 40.0]), np.random.default_rng(3)
    for _ in range(4):
        start = Mode(*rng.uniform(0.2, 1.2, 2), rng.uniform(-0.5, 0.5))
        run = integrate(RULES[name], start, TARGET, times)
        assert run.exit_time == np.inf
        assert_allclose(stacked(run), reference(RULES[name], start, TARGET, times), rtol=0, atol=3e-7)


@pytest.mark.parametrize("name", ["BPTT", "RFLO"])
def test_the_error_follows_the_tolerance(name):
    times, start = np.linspace(0, 20, 41), Mode(0.3, 0.5, -0.4)
    expected, errors = reference(RULES[name], start, TARGET, times), []
    for rtol in (1e-4, 1e-6, 1e-8, 1e-10):
        run = integrate(RULES[name], start, TARGET, times, rtol=rtol, atol=rtol / 10)
        errors.append(np.abs(stacked(run) - expected).max())
        assert errors[-1] < 20 * rtol
    assert errors[-1] < 1e-4 * errors[0]


@pytest.mark.parametrize("name", ["BPTT", "RFLO", "e-prop"])
def test_a_stiff_target(name):
    times, start, target = np.array([0.001, 0.01, 0.05]), Mode(0.8, 0.9, 0.95), Mode(1.0, 1.0, 0.99)
    run = integrate(RULES[name], start, target, times)
    assert_allclose(stacked(run), reference(RULES[name], start, target, times, "Radau", 1e-9), rtol=0, atol=1e-6)


def test_the_first_steps_against_a_taylor_series_in_thirty_digits():
    target, start, t = (1.2, 0.8, 0.6), (0.3, 0.5, -0.4), 0.25
    with mpmath.workdps(30):
        solution = mpmath.odefun(lambda x, y: velocity(BPTT(), target)(x, y), 0, [mpmath.mpf(x) for x in start])
        expected = [float(part) for part in solution(t)]
    run = integrate(BPTT(), Mode(*start), Mode(*target), [t], rtol=1e-11, atol=1e-12)
    assert_allclose(stacked(run)[:, 0], expected, rtol=0, atol=1e-10)


def test_with_one_factor_zero_the_flow_is_known():
    """With b = 0 and c = 0 nothing moves; with w = w* = 0 and a = b BPTT is logistic in ab."""
    times, p = np.linspace(0, 4, 9), 0.1
    still = integrate(BPTT(), Mode(0.7, 0.0, 0.3), Mode(0.0, 1.0, 0.5), times)
    assert_array_equal(stacked(still), np.repeat([[0.7], [0.0], [0.3]], times.size, axis=1))
    run = integrate(BPTT(), Mode(np.sqrt(p), np.sqrt(p), 0.0), Mode(1.0, 1.0, 0.0), times)
    assert_allclose(run.a * run.b, 1 / (1 + (1 / p - 1) * np.exp(-2 * times)), rtol=1e-7)
    assert_array_equal(run.w, 0)


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(float, (3, 6), elements=st.floats(-0.8, 0.8)), st.floats(-0.7, 0.7))
def test_bptt_keeps_a_squared_minus_b_squared(starts, w_):
    run = integrate(BPTT(), Mode(*starts), Mode(1.0, 1.0, w_), [0.0, 1.0, 10.0])
    kept = run.a**2 - run.b**2
    assert_allclose(kept, np.repeat(kept[:, :1], 3, axis=1), rtol=0, atol=1e-6)
    assert np.all(run.exit_time == np.inf)


@pytest.mark.parametrize("name", RULES)
def test_optimal_points_stay(name):
    s = np.array([0.5, 1.0, 2.0])  # r s > 0: stable for every rule here
    mode = optimal_mode(s, TARGET)
    run = integrate(RULES[name], mode, TARGET, [0.0, 1.0, 30.0])
    for part, expected in zip(run, mode):
        assert_allclose(part, np.repeat(expected[:, None], 3, axis=1), rtol=0, atol=1e-7)


def test_the_saddle_of_bptt_stays():
    run = integrate(BPTT(), Mode(0.0, 0.0, [0.3, -0.9]), TARGET, [50.0])
    assert_array_equal(stacked(run)[:2], 0)
    assert_array_equal(run.w[:, 0], [0.3, -0.9])


@pytest.mark.parametrize("name", FALLING)
@pytest.mark.parametrize("start", [(1.0, 1.0, 0.5), (0.4, 1.5, -0.8), (1.0, 1.0, 1 - 1e-6), (-2.0, -3.0, 0.9)])
def test_a_run_over_the_edge_ends_when_it_gets_there(name, start):
    rule = {"RFLO": RFLO(R=-0.7 * np.sign(start[0]), decay=0.4), "e-prop": EProp(R=-0.7 * np.sign(start[0]))}[name]
    start, target = Mode(*start), Mode(0.1, 0.2, 0.3)
    expected = reference_exit(rule, start, target)
    times = np.array([0, 0.5, 0.99, 0.999, 1.001, 1.01, 2]) * expected
    run = integrate(rule, start, target, times)
    accuracy = max(1e-6, 1e-10 / (1 - abs(start.w)))  # a step's error in w, beside the gap to be crossed
    assert run.exit_time == pytest.approx(expected, rel=accuracy, abs=0)
    for part in run[:3]:
        assert_array_equal(np.isnan(part), times > expected)
    assert np.all(np.abs(run.w[:4]) < 1)
    assert_allclose(stacked(run)[:, :4], reference(rule, start, target, times[:4]), rtol=0, atol=2e-6)


@pytest.mark.parametrize("name, power", [("RFLO", 2), ("e-prop", 3)])
def test_the_law_at_the_edge(name, power):
    start, target = Mode(1.0, 1.0, 0.5), Mode(0.1, 0.2, 0.3)
    exit_time = integrate(FALLING[name], start, target, [100.0]).exit_time
    rest = np.array([1e-4, 1e-5, 1e-6])
    gap = 1 - integrate(FALLING[name], start, target, exit_time - rest, rtol=1e-11, atol=1e-13).w
    assert_allclose(np.diff(np.log(gap)) / np.diff(np.log(rest)), 1 / power, rtol=0.02)


def test_runs_that_fall_do_not_disturb_the_others():
    r, start, times = np.array([-0.7, 0.7, -0.7, 0.3]), Mode(1.0, 1.0, [0.5, 0.5, 0.8, -0.2]), np.linspace(0, 30, 31)
    target = Mode(0.5, 0.4, 0.3)
    together = integrate(RFLO(r, 0.4), start, target, times)
    assert_array_equal(np.isfinite(together.exit_time), [True, False, True, False])
    for i in range(4):
        alone = integrate(RFLO(r[i], 0.4), Mode(1.0, 1.0, start.w[i]), target, times)
        assert alone.exit_time == together.exit_time[i] or alone.exit_time == pytest.approx(together.exit_time[i], 1e-9)
        assert_allclose(stacked(together)[:, i], stacked(alone), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", RULES)
def test_a_batch_is_a_loop(name):
    rng, times = np.random.default_rng(5), np.array([0.0, 1.0, 3.0])
    starts, targets = rng.uniform(0.2, 0.8, (3, 2, 3)), rng.uniform(0.2, 0.8, (3, 3))
    run = integrate(RULES[name], Mode(*starts), Mode(*targets), times)
    assert run.a.shape == run.b.shape == run.w.shape == (2, 3, 3) and run.exit_time.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        one = integrate(RULES[name], Mode(*starts[:, i, j]), Mode(*targets[:, j]), times)
        assert_allclose(stacked(run)[:, i, j], stacked(one), rtol=0, atol=1e-12)


def test_start_target_and_rule_broadcast():
    r, decay = np.array([0.5, 1.5])[:, None, None], np.array([-0.3, 0.0, 0.6])[:, None]
    w = np.array([0.1, 0.2, 0.3, 0.4])
    run = integrate(RFLO(r, decay), Mode(0.5, 0.5, w), TARGET, [2.0])
    assert run.w.shape == (2, 3, 4, 1) and run.exit_time.shape == (2, 3, 4)
    one = integrate(RFLO(1.5, -0.3), Mode(0.5, 0.5, 0.3), TARGET, [2.0])
    assert_allclose(run.w[1, 0, 2], one.w, rtol=0, atol=1e-12)


def test_shapes_of_a_single_run_and_of_none():
    run = integrate(BPTT(), Mode(0.5, 0.5, 0.1), TARGET, [0.0, 1.0])
    assert run.a.shape == (2,) and np.shape(run.exit_time) == () and run.exit_time == np.inf
    for rule in (BPTT(), RFLO(np.ones(0), 0.2)):
        none = integrate(rule, Mode(np.ones(0), 0.5, 0.1), TARGET, [0.0, 1.0])
        assert none.a.shape == (0, 2) and none.exit_time.shape == (0,)


def test_times_at_the_start_repeated_and_alone():
    start = Mode(0.5, [0.4, 0.5], 0.1)
    zero = integrate(BPTT(), start, TARGET, [0.0])
    assert_array_equal(stacked(zero)[..., 0], np.stack([*start]))
    assert_array_equal(zero.exit_time, np.inf)
    full = integrate(BPTT(), start, TARGET, [0, 0, 1, 1, 1, 2, 7, 7])
    assert_array_equal(stacked(full)[..., [0, 2, 3, 6]], stacked(full)[..., [1, 3, 4, 7]])
    alone = integrate(BPTT(), start, TARGET, [7.0])
    assert_allclose(alone.w[:, 0], full.w[:, -1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("end", [1e-300, 1e-17, 0.001, 0.1 + 0.2, 1 / 3, 1e3 / 7])
def test_a_run_ends_exactly_at_the_last_time(end):
    run = integrate(BPTT(), Mode(0.5, 0.4, 0.1), Mode(0.5, 0.5, 0.5), [end / 3, np.nextafter(end, 0), end])
    assert np.isfinite(stacked(run)).all()
    assert_allclose(stacked(run)[:, 1], stacked(run)[:, 2], rtol=0, atol=1e-14)


def test_what_is_recorded_does_not_change_the_steps():
    start, end = Mode(0.3, 0.5, -0.4), 20.0
    few, many = (integrate(BPTT(), start, TARGET, np.linspace(0, end, n)) for n in (3, 2001))
    assert_array_equal(stacked(few), stacked(many)[:, ::1000])


def test_fast_starts_are_followed_from_the_first_instant():
    start, target, times = Mode(50.0, 20.0, 0.2), Mode(1.0, 1.0, 0.5), np.array([1e-7, 1e-5, 1e-3])
    run = integrate(BPTT(), start, target, times)
    assert_allclose(stacked(run), reference(BPTT(), start, target, times, "Radau", 1e-9), rtol=1e-6, atol=1e-6)


def test_mirror_images():
    """(a, b, w) -> (-a, -b, w) with -r, and w -> -w with -w* and -decay, are symmetries."""
    start, target, times = Mode(0.4, 0.7, 0.2), Mode(1.1, 0.9, 0.5), np.linspace(0, 9, 5)
    run = stacked(integrate(RFLO(0.6, 0.3), start, target, times))
    other = stacked(integrate(RFLO(-0.6, 0.3), Mode(-0.4, -0.7, 0.2), target, times))
    assert_array_equal(other, run * [[-1], [-1], [1]])
    other = stacked(integrate(RFLO(0.6, -0.3), Mode(0.4, 0.7, -0.2), Mode(1.1, 0.9, -0.5), times))
    assert_array_equal(other, run * [[1], [1], [-1]])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"times": []}, "times"),
        ({"times": 1.0}, "times"),
        ({"times": [[1.0]]}, "times"),
        ({"times": [-1.0, 1.0]}, "times"),
        ({"times": [2.0, 1.0]}, "times"),
        ({"times": [1.0, np.inf]}, "times"),
        ({"rtol": 0}, "rtol"),
        ({"rtol": np.nan}, "rtol"),
        ({"atol": 1}, "atol"),
        ({"start": Mode(1.0, 1.0, 1.0)}, "start"),
        ({"start": Mode(1e200, 1e200, 0.5)}, "start"),
        ({"target": Mode(1.0, 1.0, [0.5, -1.2])}, "target"),
        ({"start": Mode(np.ones(2), 1.0, 0.0), "target": Mode(np.ones(3), 1.0, 0.0)}, "batch axes"),
        ({"rule": RFLO(np.ones(2), np.zeros(3))}, "batch axes"),
    ],
)
def test_bad_input(change, message):
    arguments = {"rule": BPTT(), "start": Mode(0.5, 0.5, 0.0), "target": TARGET, "times": [1.0]} | change
    with pytest.raises(ValueError, match=f"^{message}"):
        integrate(**arguments)


def test_a_run_that_is_too_stiff_is_given_up(monkeypatch):
    monkeypatch.setattr("lrnnbook.adaptive.MOST_STEPS", 500)
    with pytest.raises(RuntimeError, match="more than 500 steps"):
        integrate(BPTT(), Mode(0.8, 0.9, 0.5), Mode(1.0, 1.0, [0.3, 0.99]), [1.0])


def test_a_fast_run_towards_its_target_is_not_taken_for_one_over_the_edge():
    """At the start w would be at 1 after 1e-16, were its velocity to last; it is the steps that are too many."""
    with pytest.raises(RuntimeError, match="more than"):
        integrate(BPTT(), Mode(1e4, 1e4, 0.0), Mode(1e4, 1e4, 0.5), [1.0])
