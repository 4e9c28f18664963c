"""Complex modes, held against literal sums over lags, automatic differentiation of real numbers, and real networks."""

import autograd
import numpy as np
import pytest
from numpy.testing import assert_allclose
from rules_table import NAMES, TABLE, of_modes, sent_to_mode

from lrnnbook import (
    BPTT,
    RFLO,
    EProp,
    LinearRNN,
    Mode,
    aligned_network,
    decay_rates,
    integrate,
    jacobian,
    loss,
    mode_loss,
    optimal_mode,
    read_modes,
)

CASES = {  # name, feedback, decay
    "RFLO of real numbers": ("RFLO", 1.2, 0.5),
    **{name: (name, 0.3 + 0.5j, 0.5 - 0.3j) for name in NAMES if name != "e-prop"},
    "e-prop": ("e-prop", 1 - 0.4j, None),
}
RULES = [of_modes(*case) for case in CASES.values()]
IDS = list(CASES)
every_rule = pytest.mark.parametrize("rule", RULES, ids=IDS)


def random_modes(rng, shape=(), radius=0.9):
    a, b, w = rng.standard_normal((3, *shape)) + 1j * rng.standard_normal((3, *shape))
    return Mode(a, b, radius * rng.uniform(size=shape) * w / np.abs(w))


def parts(mode):
    return np.array([*(np.real(part) for part in mode), *(np.imag(part) for part in mode)])


def from_parts(x):
    return Mode(*(x[i] + 1j * x[i + 3] for i in range(3)))


def literal_update(case, mode, target, lags=500):
    """The sums of the definition, one lag at a time."""
    a, b, w = (complex(part) for part in mode)
    a_, b_, w_ = (complex(part) for part in target)
    f, mu = (complex(part).conjugate() for part in sent_to_mode(case[0], a, w, *case[1:]))
    e = [(a * b * w**k - a_ * b_ * w_**k).real for k in range(2 * lags)]
    bc, wc, kept = b.conjugate(), w.conjugate(), range(int(min(TABLE[case[0]].steps, lags)))
    da = bc * sum(e[k] * wc**k for k in range(lags))
    db = f * sum(mu**l * e[l] for l in kept)
    dw = f * bc * sum(mu**l * wc**j * e[l + 1 + j] for l in kept for j in range(lags) if abs(mu) ** l * abs(w) ** j > 1e-18)
    return da, db, dw


@pytest.mark.parametrize("case", CASES.values(), ids=IDS)
def test_updates_are_the_sums_over_lags(case):
    rng = np.random.default_rng(1)
    mode, target = random_modes(rng, radius=0.8), random_modes(rng, radius=0.8)
    update = of_modes(*case).mode_update(mode, target)
    assert_allclose(list(update), literal_update(case, mode, target), rtol=1e-12, atol=1e-13)


def test_bptt_is_the_gradient_by_real_and_imaginary_part():
    rng = np.random.default_rng(2)
    mode, target = random_modes(rng), random_modes(rng)
    goal = np.real(target.a * target.b * target.w ** np.arange(600))

    def stationary(x):  # the powers of w by its own recursion, in real numbers
        p, q = x[0] * x[1] - x[3] * x[4], x[0] * x[4] + x[3] * x[1]
        total = 0.0
        for gap in goal:
            total = total + (p - gap) ** 2 / 2
            p, q = p * x[2] - q * x[5], p * x[5] + q * x[2]
        return total

    assert_allclose(mode_loss(mode, target), stationary(parts(mode)), rtol=1e-11)
    gradient = autograd.grad(stationary)(parts(mode))
    assert_allclose(parts(BPTT().mode_update(mode, target)), gradient, rtol=1e-9, atol=1e-11)


@every_rule
def test_real_numbers_in_complex_dress_learn_as_real_ones(rule):
    if rule.oscillates():
        pytest.skip("its feedback is complex")
    rng = np.random.default_rng(3)
    mode, target = (Mode(*rng.uniform(-0.9, 0.9, (3, 7))) for _ in range(2))
    dressed, dressed_target = (Mode(*(part + 0j for part in of)) for of in (mode, target))
    update = rule.mode_update(dressed, dressed_target)
    assert_allclose(parts(update)[:3], list(rule.mode_update(mode, target)), rtol=1e-13, atol=1e-14)
    assert_allclose(parts(update)[3:], 0, atol=1e-14)
    assert_allclose(mode_loss(dressed, dressed_target), mode_loss(mode, target), rtol=1e-10)


def test_eprop_with_the_readout_as_feedback_is_bptt():
    rng = np.random.default_rng(4)
    mode, target = random_modes(rng, (9,)), random_modes(rng, (9,))
    for one, other in zip(EProp(mode.a).mode_update(mode, target), BPTT().mode_update(mode, target)):
        assert_allclose(one, other, rtol=1e-13)


@every_rule
def test_jacobian_is_what_small_steps_measure(rule):
    rng = np.random.default_rng(5)
    mode, target = random_modes(rng, radius=0.7), random_modes(rng, radius=0.7)

    def velocity(x):
        return -parts(rule.mode_update(from_parts(x), target))

    x, h = parts(mode), 1e-5
    measured = np.array([(velocity(x + h * e) - velocity(x - h * e)) / (2 * h) for e in np.eye(6)]).T
    J = jacobian(rule, mode, target)
    assert J.shape == (6, 6) and np.isrealobj(J)
    assert_allclose(J, measured, atol=1e-7 * np.abs(J).max())


@every_rule
def test_rates_are_the_eigenvalues_but_for_two_zeros(rule):
    rng = np.random.default_rng(6)
    target, s = random_modes(rng, (5,), radius=0.8), rng.standard_normal(5) + 1j * rng.standard_normal(5)
    rates = decay_rates(rule, s, target)
    assert rates.shape == (5, 4)
    everything = np.linalg.eigvals(jacobian(rule, optimal_mode(s, target), target))
    for found, of_all in zip(rates, everything):
        of_all = of_all[np.argsort(np.abs(of_all))]
        assert np.abs(of_all[:2]).max() < 1e-6 * np.abs(of_all).max()
        assert_allclose(np.sort_complex(found), np.sort_complex(of_all[2:]), rtol=1e-6, atol=1e-9 * np.abs(of_all).max())


def test_at_a_solution_every_rule_rests():
    rng = np.random.default_rng(7)
    target = random_modes(rng, (4,))
    for rule in RULES:
        for delta in rule.mode_update(optimal_mode(1 - 2j, target), target):
            assert_allclose(delta, 0, atol=1e-13)


# Networks with blocks of two units


def random_directions(rng, *sizes):
    return (np.linalg.qr(rng.standard_normal((size, size)))[0] for size in sizes)


def test_the_loss_of_a_network_of_complex_modes_is_the_sum_of_theirs():
    rng = np.random.default_rng(8)
    U, V, P, P_ = random_directions(rng, 4, 3, 8, 7)
    modes, targets = random_modes(rng, (3,)), random_modes(rng, (3,))
    student, teacher = aligned_network(modes, U, V, P), aligned_network(targets, U, V, P_)
    for horizon in (1, 2, 7, np.inf):
        assert_allclose(loss(student, teacher, horizon), mode_loss(modes, targets, horizon).sum(), rtol=1e-11)
    k = np.arange(6)[:, None]
    response = (U[:, :3].T @ student.impulse_response(6) @ V[:, :3])[:, np.arange(3), np.arange(3)]
    assert_allclose(response, np.real(modes.a * modes.b * modes.w**k), atol=1e-14)


def test_complex_modes_are_read_off_a_network_made_of_them():
    rng = np.random.default_rng(9)
    U, V, P = random_directions(rng, 4, 3, 8)
    modes = random_modes(rng, (3,))
    read = read_modes(aligned_network(modes, U, V, P), U[:, :3], V[:, :3], dtype=complex)
    turned = np.where(modes.w.imag < 0, np.conj(modes.a * modes.b), modes.a * modes.b)
    assert_allclose(read.w, np.where(modes.w.imag < 0, np.conj(modes.w), modes.w), atol=1e-13)
    assert_allclose(read.a * read.b, turned, atol=1e-13)
    assert (read.b.real > 0).all() and np.abs(read.b.imag).max() == 0


def test_a_real_mode_read_as_complex_is_real():
    rng = np.random.default_rng(10)
    U, V, P = random_directions(rng, 2, 2, 5)
    net = aligned_network(Mode([2.0, -1.0], 1.0, [0.5, -0.9]), U, V, P)
    real, read = read_modes(net, U, V), read_modes(net, U, V, dtype=complex)
    assert_allclose(parts(read), [*real, *np.zeros((3, 2))], atol=1e-13)


def test_too_few_directions_for_complex_modes_are_refused():
    with pytest.raises(ValueError, match=r"^P: expected at least 4 columns, two a complex mode, got \(3, 3\)"):
        aligned_network(Mode([1j, 1.0], 1.0, 0.5), np.eye(2), np.eye(2), np.eye(3))


# The flow


def test_the_flow_follows_the_velocity():
    """SciPy's own integrator, on six real numbers."""
    from scipy.integrate import solve_ivp

    rng = np.random.default_rng(11)
    start, target = random_modes(rng, radius=0.5), random_modes(rng, radius=0.6)
    for rule in (BPTT(), RFLO(0.8 + 0.3j, 0.4j)):
        run = integrate(rule, start, target, [0.0, 1.0, 3.0], rtol=1e-10, atol=1e-12)
        peer = solve_ivp(
            lambda t, x: -parts(rule.mode_update(from_parts(x), target)), (0, 3), parts(start), "DOP853", [0.0, 1.0, 3.0],
            rtol=1e-11, atol=1e-13,
        )
        assert_allclose(parts((run.a, run.b, run.w)), peer.y, rtol=1e-7, atol=1e-8)


def test_a_decay_that_turns_with_the_target_solves_what_a_real_one_cannot():
    """Forty starts from small weights; the loss that is left, over that of silence."""
    rng = np.random.default_rng(12)
    start = Mode(*(0.3 * (rng.standard_normal(40) + 1j * rng.standard_normal(40)) for _ in range(3)))
    target = Mode(1 + 0.2j, 0.8 - 0.3j, 0.7 * np.exp(0.9j))
    silence = mode_loss(Mode(0.0, 0.0, 0.0), target)

    def solved(rule):
        run = integrate(rule, start, target, [0.0, 500.0])
        stayed = np.isinf(run.exit_time)
        left = mode_loss(Mode(*(part[stayed, -1] for part in run[:3])), target)
        return stayed.sum(), (left < 1e-8 * silence).sum()

    stayed, turning = solved(RFLO(0.8 + 0.3j, 0.5 * np.exp(0.9j)))
    assert turning >= 0.9 * stayed >= 30
    assert solved(RFLO(0.8 + 0.3j, 0.5))[1] == 0


def test_complex_modes_are_read_off_a_batch_as_off_each():
    rng = np.random.default_rng(11)
    U, V = (np.linalg.qr(rng.standard_normal((3, 3)))[0][:, :2] for _ in range(2))
    nets = LinearRNN(*(rng.standard_normal((4, *shape)) for shape in ((3, 6), (6, 6), (6, 3))))
    modes = read_modes(nets, U, V, dtype=complex)
    for i in range(4):
        one = read_modes(LinearRNN(nets.A[i], nets.W[i], nets.B[i]), U, V, dtype=complex)
        assert_allclose([part[i] for part in modes], list(one), rtol=1e-12)


def block(z):
    return np.array([[z.real, -z.imag], [z.imag, z.real]])


def across(s, r, c, w, decay):
    """Eigenvalues across the solutions of the real network of blocks, by differences of its updates."""
    goal = LinearRNN(block(c), block(w), np.eye(2))

    def velocity(x):
        a, b, v = x[:3] + 1j * x[3:]
        d = RFLO(block(r), decay).update(LinearRNN(block(a), block(v), block(b)), goal)
        return -np.array([*(part[0, 0] for part in (d.A, d.B, d.W)), *(part[1, 0] for part in (d.A, d.B, d.W))])

    at = np.array([s, c / s, w])
    at, h = np.concatenate([at.real, at.imag]), 1e-6 * np.eye(6)
    J = np.array([velocity(at + e) - velocity(at - e) for e in h]).T / 2e-6
    values = np.linalg.eigvals(J)
    return values[np.argsort(np.abs(values))[2:]]


def test_two_inequalities_decide_stability_with_complex_output():
    rng, stable = np.random.default_rng(15), 0
    for _ in range(40):
        s, r, c = rng.standard_normal((2, 3)).T @ [1, 1j]
        w, decay = 0.8 * np.sqrt(rng.uniform()) * np.exp(2j * np.pi * rng.uniform()), rng.uniform(-0.8, 0.8)
        q, b = np.conj(r) * s, abs(c / s) ** 2
        phi, psi = 1 / (1 - abs(w) ** 2), 1 / (1 - w * decay)
        tau = b * phi + q * psi + q * b * phi * psi * (phi + psi - 1)
        delta = q * b * phi**2 * psi**2 * (b + q)
        second = tau.real**2 * delta.real + tau.real * tau.imag * delta.imag - delta.imag**2
        leading = across(s, r, c, w, decay).real.max()
        if abs(leading) > 1e-4:
            assert (tau.real > 0 and second > 0) == (leading < 0)
        stable += leading < 0
    assert 5 < stable < 35
