"""Coloured input: loss and updates under a source, against covariances that are stepped forward and automatic differentiation."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from rules_table import NAMES, TABLE, make, matrices

from lrnnbook import BPTT, RFLO, LinearRNN, loss, random_network, simulate, train, train_flow
from lrnnbook.sources import draw_inputs

TEAM = np.random.default_rng(1)
STUDENT = random_network(TEAM, 3, o=2, m=2, radius=0.7)
TEACHER = random_network(TEAM, 4, o=2, m=2, radius=0.6)
SOURCE = random_network(TEAM, 3, o=2, m=1, radius=0.8)
R = TEAM.standard_normal((2, 3))
RULES = {name: make(name, R, 0.4) for name in NAMES}
every_rule = pytest.mark.parametrize("name", NAMES)


def covariances(student, teacher, source, T):
    """P_t = E[z_t z_t^T] of z = (h, h*, g), t = 0 .. T, stepped forward from a source that has settled."""
    n, n_, s = student.n, teacher.n, source.n
    settled = np.linalg.solve(np.eye(s * s) - np.kron(source.W, source.W), (source.B @ source.B.T).ravel()).reshape(s, s)
    F = np.zeros((n + n_ + s,) * 2)
    F[:n, :n], F[:n, n + n_ :] = student.W, student.B @ source.A
    F[n : n + n_, n : n + n_], F[n : n + n_, n + n_ :] = teacher.W, teacher.B @ source.A
    F[n + n_ :, n + n_ :] = source.W
    G = np.concatenate([np.zeros((n + n_, source.m)), source.B])
    P = np.zeros_like(F)
    P[n + n_ :, n + n_ :] = settled
    C = np.concatenate([student.A, -teacher.A, np.zeros((student.o, s))], axis=1)
    all_ = [P]
    for _ in range(T):
        P = F @ P @ F.T + G @ G.T
        all_.append(P)
    return C, F, all_


def literal_update(name, student, teacher, source, T):
    """The sums of the definition, each expectation read off a covariance: E[e_T z_t^T] = C F^(T-t) P_t."""
    C, F, P = covariances(student, teacher, source, T)
    n = student.n
    back, G = matrices(name, student, R, 0.4)
    dA, dW, dB = C @ P[T][:, :n], np.zeros((n, n)), np.zeros((n, student.m))
    for lag in range(min(T, int(min(TABLE[name].steps, T)))):
        t = T - 1 - lag
        met = C @ np.linalg.matrix_power(F, lag + 1) @ P[t]
        dW += np.linalg.matrix_power(G, lag) @ back @ met[:, :n]
        dB += np.linalg.matrix_power(G, lag) @ back @ met[:, -source.n :] @ source.A.T
    return dA, dW, dB


@pytest.mark.parametrize("T", [1, 2, 5, 12])
def test_loss_at_finite_horizons(T):
    C, _, P = covariances(STUDENT, TEACHER, SOURCE, T)
    losses = [np.trace(C @ p @ C.T) / 2 for p in P]
    assert_allclose(loss(STUDENT, TEACHER, T, source=SOURCE), losses[T], rtol=1e-12)
    assert_allclose(loss(STUDENT, TEACHER, T, every_step=True, source=SOURCE), np.mean(losses[1:]), rtol=1e-12)


def test_loss_in_the_limit():
    C, _, P = covariances(STUDENT, TEACHER, SOURCE, 300)
    assert_allclose(loss(STUDENT, TEACHER, source=SOURCE), np.trace(C @ P[-1] @ C.T) / 2, rtol=1e-12)


@pytest.mark.parametrize("T", [1, 2, 5, 12])
@every_rule
def test_updates_at_finite_horizons(name, T):
    rule = RULES[name]
    literal = [literal_update(name, STUDENT, TEACHER, SOURCE, t) for t in range(1, T + 1)]
    for one, other in zip(rule.update(STUDENT, TEACHER, T, source=SOURCE), literal[-1]):
        assert_allclose(one, other, rtol=1e-11, atol=1e-12)
    for one, *others in zip(rule.update(STUDENT, TEACHER, T, True, SOURCE), *literal):
        assert_allclose(one, np.mean(others, axis=0), rtol=1e-11, atol=1e-12)


@every_rule
def test_updates_in_the_limit(name):
    literal = literal_update(name, STUDENT, TEACHER, SOURCE, 250)
    for one, other in zip(RULES[name].update(STUDENT, TEACHER, source=SOURCE), literal):
        assert_allclose(one, other, rtol=1e-10, atol=1e-11)


def test_bptt_is_the_gradient_of_the_loss():
    T, n = 6, STUDENT.n

    def finite(weights):
        A, W, B = weights
        s, n_ = SOURCE.n, TEACHER.n
        settled = np.linalg.solve(np.eye(s * s) - np.kron(SOURCE.W, SOURCE.W), (SOURCE.B @ SOURCE.B.T).ravel()).reshape(s, s)
        zero = np.zeros
        F = anp.concatenate([
            anp.concatenate([W, zero((n, n_)), anp.dot(B, SOURCE.A)], 1),
            np.concatenate([zero((n_, n)), TEACHER.W, TEACHER.B @ SOURCE.A], 1),
            np.concatenate([zero((s, n + n_)), SOURCE.W], 1),
        ], 0)
        G = np.concatenate([zero((n + n_, SOURCE.m)), SOURCE.B])
        P = np.zeros((n + n_ + s,) * 2)
        P[n + n_ :, n + n_ :] = settled
        C = anp.concatenate([A, -TEACHER.A, zero((STUDENT.o, s))], 1)
        for _ in range(T):
            P = anp.dot(anp.dot(F, P), F.T) + G @ G.T
        return anp.trace(anp.dot(anp.dot(C, P), C.T)) / 2

    gradient = autograd.grad(finite)((STUDENT.A, STUDENT.W, STUDENT.B))
    for one, other in zip(BPTT().update(STUDENT, TEACHER, T, source=SOURCE), gradient):
        assert_allclose(one, other, rtol=1e-10, atol=1e-11)


def test_a_source_without_memory_is_white_noise():
    white = LinearRNN(np.eye(2), np.zeros((2, 2)), np.eye(2))
    for rule in RULES.values():
        for T in (1, 4, np.inf):
            for one, other in zip(rule.update(STUDENT, TEACHER, T, source=white), rule.update(STUDENT, TEACHER, T)):
                assert_allclose(one, other, rtol=1e-12, atol=1e-13)


def test_batches_of_sources():
    sources = random_network(np.random.default_rng(2), 3, o=2, m=2, batch=(4,))
    updates = RULES["RFLO"].update(STUDENT, TEACHER, source=sources)
    assert updates.W.shape == (4, 3, 3)
    third = LinearRNN(sources.A[2], sources.W[2], sources.B[2])
    assert_allclose(updates.W[2], RULES["RFLO"].update(STUDENT, TEACHER, source=third).W, rtol=1e-12)


def test_sequences_have_the_covariance_of_the_source():
    """10 000 sequences: no entry of E[x_s x_t^T] is five standard errors off."""
    x = draw_inputs(np.random.default_rng(3), (10_000, 4), 2, SOURCE)
    s = SOURCE.n
    settled = np.linalg.solve(np.eye(s * s) - np.kron(SOURCE.W, SOURCE.W), (SOURCE.B @ SOURCE.B.T).ravel()).reshape(s, s)
    for gap in range(4):
        products = x[:, gap, :, None] * x[:, 0, None, :]
        expected = SOURCE.A @ np.linalg.matrix_power(SOURCE.W, gap) @ settled @ SOURCE.A.T
        z = (products.mean(0) - expected) / (products.std(0) / 100)
        assert np.abs(z).max() < 5


def test_training_and_flow_hear_the_source():
    start = LinearRNN(0.3 * STUDENT.A, 0.3 * STUDENT.W, 0.3 * STUDENT.B)
    history = train(BPTT(), start, TEACHER, 0.02, 30, source=SOURCE, record=1)
    net = start
    for value in history.losses:
        assert_allclose(value, loss(net, TEACHER, source=SOURCE), rtol=1e-10)
        net = LinearRNN(*(w - 0.02 * d for w, d in zip((net.A, net.W, net.B), BPTT().update(net, TEACHER, source=SOURCE))))
    fine = train(BPTT(), start, TEACHER, 0.0005, 1200, source=SOURCE)
    flow = train_flow(BPTT(), start, TEACHER, [0.0, 0.6], source=SOURCE)
    assert_allclose(flow.losses[-1], fine.losses[-1], rtol=2e-3)
    sampled = train(BPTT(), start, TEACHER, 0.02, 200, horizon=20, batch_size=20, seed=1, source=SOURCE)
    assert sampled.losses[-1] < 0.5 * sampled.losses[0]
    assert_allclose(sampled.losses[0], loss(start, TEACHER, 20, source=SOURCE), rtol=1e-12)


@pytest.mark.parametrize(
    "source, message",
    [
        (random_network(np.random.default_rng(4), 3, o=1), "source: expected as many outputs as the student's m = 2, got o = 1"),
        (LinearRNN(np.eye(2), 1.1 * np.eye(2), np.eye(2)), r"source: .* needs a spectral radius below 1, got 1\.1"),
        ("pink", "source: expected a LinearRNN, got 'pink'"),
    ],
)
def test_bad_sources(source, message):
    for call in (
        lambda: loss(STUDENT, TEACHER, 5, source=source),
        lambda: BPTT().update(STUDENT, TEACHER, 5, source=source),
        lambda: loss(STUDENT, TEACHER, source=source),
        lambda: train(BPTT(), STUDENT, TEACHER, 0.1, 3, source=source),
        lambda: train(BPTT(), STUDENT, TEACHER, 0.1, 3, horizon=4, batch_size=2, source=source),
        lambda: train_flow(BPTT(), STUDENT, TEACHER, [0.0, 1.0], source=source),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_one_source_and_many_sequences_reach_the_same_mean():
    """The sampled update's mean over 4000 sequences is the expected update, to five standard errors."""
    T, N = 5, 4000
    x = draw_inputs(np.random.default_rng(5), (N, 1, T), 2, SOURCE)
    rule = RFLO(R, 0.4)
    each = rule.sampled_update(STUDENT, x, simulate(TEACHER, x)[..., -1, :])
    for deltas, mean in zip(each, rule.update(STUDENT, TEACHER, T, source=SOURCE)):
        assert (np.abs(deltas.mean(0) - mean) < 5 * deltas.std(0) / np.sqrt(N)).all()
