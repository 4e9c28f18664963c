"""What the chapters on the dynamics claim of whole runs: aligned networks, points of rest, landings and detours."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lrnnbook import (
    BPTT,
    RFLO,
    EProp,
    LinearRNN,
    Mode,
    TruncatedBPTT,
    aligned_network,
    integrate,
    jacobian,
    loss,
    mode_loss,
)


def directions(rng, rows, count):
    return np.linalg.qr(rng.standard_normal((rows, count)))[0]


def descend(rule, net, teacher, eta, steps):
    for _ in range(steps):
        update = rule.update(net, teacher)
        net = LinearRNN(*(weights - eta * delta for weights, delta in zip((net.A, net.W, net.B), update, strict=True)))
    return net


# Aligned networks


@pytest.mark.parametrize("name", ["BPTT", "one-step tBPTT", "RFLO"])
def test_training_an_aligned_network_falls_on_the_mode_flow_to_first_order(name):
    rng = np.random.default_rng(1)
    U, V, P, P_teacher = (directions(rng, rows, 2) for rows in (3, 4, 6, 5))
    start, target, r = Mode([0.4, -0.5], [0.6, 0.5], [0.1, -0.2]), Mode([1.0, -1.2], 0.9, [0.7, 0.4]), [0.8, -1.1]
    of_modes = {"BPTT": BPTT(), "one-step tBPTT": TruncatedBPTT(1), "RFLO": RFLO(r, 0.5)}[name]
    of_networks = RFLO((U * r) @ P.T, 0.5) if name == "RFLO" else of_modes
    flow = integrate(of_modes, start, target, times=[2.0])
    net, teacher = aligned_network(start, U, V, P), aligned_network(target, U, V, P_teacher)
    gaps = []
    for eta in (0.02, 0.01):
        end = descend(of_networks, net, teacher, eta, round(2 / eta))
        A, W, B = U.T @ end.A @ P, P.T @ end.W @ P, P.T @ end.B @ V
        assert_allclose([A, W, B], [np.diag(np.diag(M)) for M in (A, W, B)], atol=1e-12)  # still aligned
        trained = np.stack([A.diagonal(), B.diagonal(), W.diagonal()])
        gaps.append(np.abs(trained - np.stack(flow[:3])[..., 0]).max())
    assert gaps[1] < 0.02
    assert_allclose(gaps[0] / gaps[1], 2, rtol=0.1)


def test_eprop_keeps_an_aligned_network_aligned_only_in_special_bases():
    rng = np.random.default_rng(2)
    U, V, P_teacher = (directions(rng, rows, 3) for rows in (3, 3, 4))
    mode, target = Mode([1.0, 0.5, -0.7], 0.8, [0.6, -0.3, 0.2]), Mode(1.0, [1.0, 0.7, 0.5], [0.8, 0.5, -0.4])
    signed = np.eye(5)[:, [3, 0, 4]] * [1, -1, 1]
    for P, kept in ((signed, True), (directions(rng, 5, 3), False)):
        net, teacher = aligned_network(mode, U, V, P), aligned_network(target, U, V, P_teacher)
        delta = P.T @ EProp(U @ P.T).update(net, teacher).W @ P
        off = np.abs(delta - np.diag(np.diag(delta))).max()
        assert (off < 1e-12) == kept and (kept or off > 1e-3)


# One formula for all rules


WEIGHT = st.floats(-2, 2)
MEMORY = st.floats(-0.9, 0.9)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["BPTT", "one-step tBPTT", "RFLO", "e-prop"]), *[WEIGHT] * 4, *[MEMORY] * 3)
def test_updates_are_values_and_chords_of_one_function(name, a, b, c, r, w, w_, decay):
    f, mu, rule = {
        "BPTT": (a, w, BPTT()),
        "one-step tBPTT": (a, 0.0, TruncatedBPTT(1)),
        "RFLO": (r, decay, RFLO(r, decay)),
        "e-prop": (r, w, EProp(r)),
    }[name]

    def G(z):
        return a * b / (1 - w * z) - c / (1 - w_ * z)

    da, db, dw = rule.mode_update(Mode(a, b, w), Mode(c, 1.0, w_))
    assert_allclose(da, b * G(w), atol=1e-9)
    assert_allclose(db, f * G(mu), atol=1e-9)
    assert_allclose((w - mu) * dw, f * b * (G(w) - G(mu)), atol=1e-9)  # f b times the chord, times its width
    assert_allclose(f * da, b * db + (w - mu) * dw, atol=1e-8)  # hence what each rule conserves


# Points of rest


def test_the_identity_that_leaves_only_the_optimum():
    p, c, w, w_, psi, psi_ = sp.symbols("p c w w_* psi psi_*")
    phi, phi_ = 1 / (1 - w**2), 1 / (1 - w * w_)
    S, Q = p * psi - c * psi_, p * w * phi * psi - c * w_ * phi_ * psi_
    assert sp.simplify((1 - w * w_) * Q - w_ * S - p * phi * psi * (w - w_)) == 0


def test_the_fork_of_rflo_is_closed():
    c, w, w_, decay = sp.symbols("c w w_* d")
    p = c * (1 - w**2) / (1 - w * w_)  # Z = 0
    S = p / (1 - decay * w) - c / (1 - decay * w_)
    assert sp.simplify(S.subs(w, decay)) == 0 and sp.simplify(S.subs(w, w_)) == 0
    Q = p * w / ((1 - w**2) * (1 - decay * w)) - c * w_ / ((1 - w * w_) * (1 - decay * w_))
    closed = c * (decay - w_) / ((1 - decay**2) * (1 - decay * w_) ** 2)
    assert sp.simplify(Q.subs(w, decay) - closed) == 0


@pytest.mark.parametrize("name", ["BPTT", "one-step tBPTT", "four-step tBPTT", "RFLO"])
def test_a_search_from_random_starts_finds_no_other_point_of_rest(name):
    rng = np.random.default_rng(3)
    rule = {
        "BPTT": BPTT(), "one-step tBPTT": TruncatedBPTT(1), "four-step tBPTT": TruncatedBPTT(4), "RFLO": RFLO(0.7, -0.4)
    }[name]
    target, x = Mode(1.3, 0.8, 0.6), rng.uniform(-1, 1, (500, 3)) * [2, 2, 0.9]
    for _ in range(200):  # damped Newton, all starts at once
        delta = np.stack([*rule.mode_update(Mode(*x.T), target)], axis=-1)
        J = -jacobian(rule, Mode(*x.T), target)
        normal = np.swapaxes(J, -1, -2) @ J + 1e-6 * np.eye(3)
        step = np.linalg.solve(normal, np.swapaxes(J, -1, -2) @ delta[..., None])[..., 0]
        x = x - step / np.maximum(1, np.linalg.norm(step, axis=-1) / 0.2)[:, None]
        x[:, 2] = np.clip(x[:, 2], -0.999, 0.999)
    rest = np.abs(np.stack([*rule.mode_update(Mode(*x.T), target)])).max(axis=0) < 1e-10
    a, b, w = x[rest].T
    optimal = (np.abs(a * b - 1.04) < 1e-6) & (np.abs(w - 0.6) < 1e-6)
    silent = np.maximum(np.abs(a), np.abs(b)) < 1e-6
    assert rest.sum() > 50
    assert np.all(optimal | silent) and optimal.any()
    assert silent.any() == (name != "RFLO")


def test_the_loss_of_a_silent_student():
    rng = np.random.default_rng(4)
    target = Mode([1.3, -0.5], [0.8, 1.0], [0.6, -0.7])
    U, V, P = (directions(rng, rows, 2) for rows in (3, 3, 4))
    silent = aligned_network(Mode([0.0, 0.0], 0.0, [0.3, -0.9]), U, V, P)
    expected = ((target.a * target.b) ** 2 / (2 * (1 - target.w**2))).sum()
    assert_allclose(loss(silent, aligned_network(target, U, V, P)), expected, rtol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 5, np.inf])
def test_the_silent_line_is_made_of_saddles(steps):
    rng = np.random.default_rng(7)
    c, w, w_ = rng.uniform(-2, 2, 300), *rng.uniform(-0.95, 0.95, (2, 300))
    rule, kept = (BPTT(), 1) if steps == np.inf else (TruncatedBPTT(steps), 1 - (w * w_) ** steps)
    growth = np.abs(c) * np.sqrt(kept) / (1 - w * w_)
    line, target = Mode(0.0, 0.0, w), Mode(c, 1.0, w_)
    assert not np.any([*rule.mode_update(line, target)])
    values = np.sort(np.linalg.eigvals(jacobian(rule, line, target)).real, axis=-1)
    assert_allclose(values, np.stack([-growth, 0 * growth, growth], axis=-1), atol=1e-12)


@pytest.mark.parametrize("name", ["BPTT", "one-step tBPTT", "RFLO"])
def test_the_wait_is_logarithmic_at_the_rate_of_the_saddle(name):
    rule = {"BPTT": BPTT(), "one-step tBPTT": TruncatedBPTT(1), "RFLO": RFLO(1.0, 0.5)}[name]
    w0, target, times = np.array([-0.8, 0.0, 0.8]), Mode(1.0, 1.0, 0.8), np.linspace(0, 40, 8001)
    size = np.array([1e-5, 1e-8])[:, None]
    run = integrate(rule, Mode(size, size, w0), target, times, atol=1e-15)
    half = 0.5 / (2 * (1 - 0.8**2))
    wait = times[np.argmax(mode_loss(Mode(run.a, run.b, run.w), target) < half, axis=-1)]
    expected = {"BPTT": 1 - 0.8 * w0, "one-step tBPTT": np.sqrt(1 - 0.8 * w0), "RFLO": 0 * w0}[name]
    assert_allclose((wait[1] - wait[0]) / np.log(1e3), expected, atol=3e-3)


# Where runs go


def test_bptt_lands_where_its_start_says():
    rng = np.random.default_rng(5)
    a, b, w = rng.uniform(-1, 1, (3, 200)) * [[1.5], [1.5], [0.8]]
    run = integrate(BPTT(), Mode(a, b, w), Mode(1.0, 1.0, 0.5), times=[200.0])
    d = a**2 - b**2
    landing = np.sign(a + b) * np.sqrt((d + np.sqrt(d**2 + 4)) / 2)
    assert np.isinf(run.exit_time).all()
    assert_allclose(run.a[:, 0], landing, rtol=1e-5)


def test_rflo_takes_the_detour_to_the_opposite_branch_and_lands_on_its_leaf():
    start, target, times = Mode(1.0, 1.0, 0.6), Mode(1.0, 1.0, 0.8), np.linspace(0, 40, 8001)
    near, far = integrate(BPTT(), start, target, times), integrate(RFLO(-1.0, 0.5), start, target, times)
    for run, side in ((near, 1), (far, -1)):
        assert mode_loss(Mode(run.a[-1], run.b[-1], run.w[-1]), target) < 1e-10
        assert np.sign(run.a[-1]) == side
    length = [np.sqrt((np.diff(np.stack(run[:3]))**2).sum(axis=0)).sum() for run in (near, far)]
    assert length[1] > 10 * length[0]
    K = 2 * -1.0 - 1 - (0.6 - 0.5) ** 2 + (0.8 - 0.5) ** 2  # of the start, and of no other solution with r s > 0
    assert_allclose(-2 * far.a[-1] - 1 / far.a[-1] ** 2, K, rtol=1e-6)


def test_one_way_doors():
    rng = np.random.default_rng(6)
    start, r = Mode(*(rng.uniform(-1, 1, (3, 400)) * [[2], [2], [0.8]])), rng.choice([-1.0, 1.0], 400)
    run = integrate(RFLO(r, 0.4), start, Mode(1.2, 0.9, 0.7), np.linspace(0, 20, 4001))
    ra, rb = r[:, None] * run.a, r[:, None] * run.b
    with np.errstate(invalid="ignore"):
        quadrant = np.select([(ra > 0) & (rb > 0), (ra < 0) & (rb > 0), (ra < 0) & (rb < 0), (ra > 0) & (rb < 0)], [1, 2, 3, 4])
    passages = {(int(q), int(n)) for q, n in zip(quadrant[:, :-1].ravel(), quadrant[:, 1:].ravel()) if q and n and q != n}
    assert passages <= {(3, 2), (2, 1), (4, 1), (4, 3)} and passages
    fell = np.isfinite(run.exit_time)
    assert fell.any() and not fell[quadrant[:, 0] == 1].any()
