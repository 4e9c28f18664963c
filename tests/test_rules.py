"""The learning rules, held against what shares no code with them: loops, automatic differentiation, RTRL, SymPy."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.linalg import matrix_power
from numpy.testing import assert_allclose
from rules_table import BRING_FEEDBACK, BY_UNIT, NAMES, TABLE, decays_of, make, matrices, network, of_modes, sent_back

from lrnnbook import LinearRNN, Mode, aligned_network, loss, simulate
from lrnnbook.rules import BPTT, RFLO, EProp, KolenPollack, TruncatedBPTT, Update
from lrnnbook.stein import gramians, squares, stein, stein_partial

SIZES = [(2, 3, 4, 3), (2, 4, 3, 2), (1, 2, 5, 1), (3, 5, 2, 1)]  # o, n, n of the teacher, m


def random_network(rng, o, n, m, radius=0.8, batch=()):
    return network(rng, o, n, m, radius, batch)


def random_pair(seed, o, n, n_teacher, m, radius=0.8):
    rng = np.random.default_rng(seed)
    student, teacher = random_network(rng, o, n, m, radius), random_network(rng, o, n_teacher, m, 0.7)
    return student, teacher, rng.standard_normal((o, n))


def literal_update(name, student, teacher, R, T):
    """The double sum over t and over the time s at which an input came, x_s = x_0 .. x_{T-1}, and nothing else."""
    A, W, B = student.A, student.W, student.B
    A_, W_, B_ = teacher.A, teacher.W, teacher.B

    def error(s):  # e_T = sum over s of error(s) x_s
        return A @ matrix_power(W, T - 1 - s) @ B - A_ @ matrix_power(W_, T - 1 - s) @ B_

    def state(t, s):  # h_t = sum over s < t of state(t, s) x_s
        return matrix_power(W, t - 1 - s) @ B

    dA, dW, dB = np.zeros_like(A), np.zeros_like(W), np.zeros_like(B)
    for s in range(T):
        dA += error(s) @ state(T, s).T
    for t in range(1, T + 1):
        M = sent_back(name, student, R, T - t)
        dB += M @ error(t - 1)
        for s in range(t - 1):
            dW += M @ error(s) @ state(t - 1, s).T
    return Update(dA, dW, dB)


def assert_same(update, expected, tolerance=1e-11):
    assert type(update) is Update
    for name, one, other in zip("AWB", update, expected):
        assert one.shape == np.shape(other), name
        assert_allclose(one, other, rtol=0, atol=tolerance * max(1, np.abs(other).max()), err_msg=name)


def orthogonal_design(rng, T, m):
    """Inputs (T m, T, m) whose empirical second moment is the identity: white noise without noise."""
    Q = np.linalg.qr(rng.standard_normal((T * m, T * m)))[0]
    return np.sqrt(T * m) * Q.reshape(T * m, T, m)


# The expected update, at finite horizons


@pytest.mark.parametrize("T", [1, 2, 3, 8])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_finite_update_is_the_literal_double_sum(name, sizes, T):
    student, teacher, R = random_pair(1, *sizes)
    assert_same(make(name, R).update(student, teacher, T), literal_update(name, student, teacher, R, T))


@pytest.mark.parametrize("name", NAMES)
def test_a_finite_horizon_takes_unstable_networks(name):
    student, teacher, R = random_pair(2, 2, 3, 4, 2, radius=1.4)
    assert_same(make(name, R).update(student, teacher, 9), literal_update(name, student, teacher, R, 9))


def expected_loss(weights, teacher, T, every_step=False):
    """Automatic differentiation sees this: a loop over time on one pulse after another."""
    A, W, B = weights
    total = 0.0
    for s in range(T):
        for i in range(B.shape[1]):
            h, h_ = anp.zeros(W.shape[0]), np.zeros(teacher.n)
            for t in range(T):
                x = np.eye(B.shape[1])[i] * (t == s)
                h, h_ = W @ h + B @ x, teacher.W @ h_ + teacher.B @ x
                if every_step or t == T - 1:
                    total = total + anp.sum((A @ h - teacher.A @ h_) ** 2) / 2
    return total / T if every_step else total


@pytest.mark.parametrize("T", [1, 2, 7])
@pytest.mark.parametrize("sizes", SIZES)
def test_bptt_is_the_gradient_of_the_expected_loss(sizes, T):
    student, teacher, _ = random_pair(3, *sizes)
    weights = (student.A, student.W, student.B)
    assert_allclose(expected_loss(weights, teacher, T), loss(student, teacher, T), rtol=1e-12)
    assert_same(BPTT().update(student, teacher, T), autograd.grad(expected_loss)(weights, teacher, T))


@pytest.mark.parametrize("sizes", SIZES)
def test_bptt_is_the_gradient_of_the_stationary_loss(sizes):
    student, teacher, _ = random_pair(4, *sizes)

    def stationary(weights):  # the Stein equation of the joint system, by vectorisation
        A, W, B = weights
        n, n_ = student.n, teacher.n
        F = anp.concatenate(
            [anp.concatenate([W, np.zeros((n, n_))], 1), anp.concatenate([np.zeros((n_, n)), teacher.W], 1)], 0
        )
        G, C = anp.concatenate([B, teacher.B], 0), anp.concatenate([A, -teacher.A], 1)
        P = anp.linalg.solve(np.eye((n + n_) ** 2) - anp.kron(F, F), anp.reshape(G @ G.T, -1))
        return anp.trace(C @ anp.reshape(P, (n + n_, n + n_)) @ C.T) / 2

    weights = (student.A, student.W, student.B)
    assert_allclose(stationary(weights), loss(student, teacher), rtol=1e-10)
    assert_same(BPTT().update(student, teacher), autograd.grad(stationary)(weights), 1e-10)


# The limit of an infinite horizon


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_the_finite_sum_tends_to_the_limit_geometrically(name, sizes):
    student, teacher, R = random_pair(5, *sizes)
    rule = make(name, R)
    limit = rule.update(student, teacher)
    size = max(np.abs(delta).max() for delta in limit)
    # What is sent back decays at most like this, what it meets like 0.8: the slower of the two pairs wins.
    decay = np.abs(np.linalg.eigvals(matrices(name, student, R)[1])).max()
    rate = 0.8 * max(decay, 0.8)
    horizons = (10, 20, 40, 80, 160, 320)
    gaps = [
        max(np.abs(one - other).max() for one, other in zip(rule.update(student, teacher, T), limit)) / size
        for T in horizons
    ]
    assert gaps[0] > 1e-6, "the first horizon is already the limit: this test shows nothing"
    for T, gap in zip(horizons, gaps):
        assert gap < 10 * T * rate**T + 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_at_the_teacher_every_rule_rests(name):
    student, _, R = random_pair(6, 2, 5, 3, 2)
    for horizon in (6, np.inf):
        update = make(name, R).update(student, student, horizon)
        assert max(np.abs(delta).max() for delta in update) < 1e-12


def test_slow_students_keep_their_digits():
    """Spectral radius 0.9999: a hundred thousand lags, against the closed form of one mode."""
    student, teacher = LinearRNN([[0.3]], [[0.9999]], [[0.7]]), LinearRNN([[1.1]], [[-0.999]], [[0.4]])
    mode, target = Mode(0.3, 0.7, 0.9999), Mode(1.1, 0.4, -0.999)
    for name in NAMES:
        dA, dW, dB = (float(delta[0, 0]) for delta in make(name, [[0.6]]).update(student, teacher))
        assert_allclose([dA, dB, dW], list(of_modes(name, 0.6).mode_update(mode, target)), rtol=1e-10)


@pytest.mark.parametrize("W", [[[1.2, -1.5], [0.9, -1.1]], [[-1.2, -1.5], [0.8, 0.9]]])
def test_eprop_with_a_diagonal_above_one(W):
    W = np.array(W)  # spectral radius 0.17, and 0.35
    rng = np.random.default_rng(7)
    student = LinearRNN(rng.standard_normal((1, 2)), W, rng.standard_normal((2, 1)))
    teacher, R = random_network(rng, 1, 3, 1, 0.7), rng.standard_normal((1, 2))
    assert_same(EProp(R).update(student, teacher), EProp(R).update(student, teacher, 250))
    assert_same(EProp(R).update(student, teacher, 8), literal_update("e-prop", student, teacher, R, 8))
    far = random_network(rng, 1, 3, 1, 0.9)
    with pytest.raises(ValueError, match=r"student.*\|W_ii\|.*got 1\.08"):
        EProp(R).update(student, far)
    both = LinearRNN(student.A, np.stack([W, W / 10]), student.B)
    one = EProp(R).update(LinearRNN(student.A, W / 10, student.B), teacher)
    assert_allclose(EProp(R).update(both, teacher).W[1], one.W, atol=1e-13)


# The sampled update


@pytest.mark.parametrize("T", [1, 2, 3, 6])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_sampled_update_on_an_orthogonal_design_is_the_expected_update(name, sizes, T):
    student, teacher, R = random_pair(8, *sizes)
    inputs = orthogonal_design(np.random.default_rng(9), T, student.m)
    second_moment = np.einsum("bsi,btj->sitj", inputs, inputs) / len(inputs)
    assert_allclose(second_moment.reshape(T * student.m, -1), np.eye(T * student.m), atol=1e-13)
    targets = simulate(teacher, inputs)[:, -1]
    rule = make(name, R)
    assert_same(rule.sampled_update(student, inputs, targets), rule.update(student, teacher, T))


@pytest.mark.parametrize("name", NAMES)
def test_sampled_update_has_the_expected_mean(name):
    """5000 sequences, each its own update; no entry's mean is 5 standard errors off (chance below 1 in 10 000)."""
    student, teacher, R = random_pair(10, 2, 3, 4, 2)
    rng, T, N = np.random.default_rng(11), 6, 5000
    inputs = rng.standard_normal((N, 1, T, 2))
    rule = make(name, R)
    each = rule.sampled_update(student, inputs, simulate(teacher, inputs)[..., -1, :])
    assert each.W.shape == (N, 3, 3)
    for deltas, mean in zip(each, rule.update(student, teacher, T)):
        z = (deltas.mean(axis=0) - mean) / (deltas.std(axis=0, ddof=1) / np.sqrt(N))
        assert np.abs(z).max() < 5
    together = rule.sampled_update(student, inputs[:, 0], simulate(teacher, inputs[:, 0])[:, -1])
    assert_same(together, Update(*(deltas.mean(axis=0) for deltas in each)))


@pytest.mark.parametrize("sizes", SIZES)
def test_sampled_bptt_is_the_gradient_of_the_sampled_loss(sizes):
    student, _, _ = random_pair(12, *sizes)
    rng = np.random.default_rng(13)
    inputs, targets = rng.standard_normal((5, 7, student.m)), rng.standard_normal((5, student.o))

    def sampled_loss(weights):
        A, W, B = weights
        h = np.zeros((5, student.n))
        for t in range(7):
            h = anp.dot(h, W.T) + anp.dot(inputs[:, t], B.T)
        return anp.sum((anp.dot(h, A.T) - targets) ** 2) / (2 * 5)

    gradient = autograd.grad(sampled_loss)((student.A, student.W, student.B))
    assert_same(BPTT().sampled_update(student, inputs, targets), gradient)


def rtrl(student, R, inputs, targets, jacobian):
    """Real-time recurrent learning, dense: influence[i, p, q] = d h_i / d W_pq (or B_pq), one sequence at a time."""
    A, W, B = student.A, student.W, student.B
    I, dA, dW, dB = np.eye(student.n), 0, 0, 0
    for x, y in zip(inputs, targets):
        h = np.zeros(student.n)
        of_W, of_B = np.zeros((student.n,) * 3), np.zeros((student.n, student.n, student.m))
        for x_t in x:
            of_W = np.tensordot(jacobian, of_W, 1) + np.einsum("ip,q->ipq", I, h)
            of_B = np.tensordot(jacobian, of_B, 1) + np.einsum("ip,q->ipq", I, x_t)
            h = W @ h + B @ x_t
        e = A @ h - y
        dA, dW, dB = dA + np.outer(e, h), dW + np.tensordot(e @ R, of_W, 1), dB + np.tensordot(e @ R, of_B, 1)
    return Update(*(delta / len(inputs) for delta in (dA, dW, dB)))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", [name for name in NAMES if TABLE[name].steps == np.inf])
def test_rtrl_with_its_jacobian_replaced(name, sizes):
    student, _, R = random_pair(14, *sizes)
    F, G = matrices(name, student, R)
    rng = np.random.default_rng(15)
    inputs, targets = rng.standard_normal((4, 6, student.m)), rng.standard_normal((4, student.o))
    expected = rtrl(student, F.T, inputs, targets, G.T)
    assert_same(make(name, R).sampled_update(student, inputs, targets), expected)


# The error at every step

EVERY = [*NAMES, "two-step tBPTT", "fifty-step tBPTT"]


def mean_of(updates):
    return Update(*(np.mean(deltas, axis=0) for deltas in zip(*updates)))


@pytest.mark.parametrize("T", [1, 2, 3, 8])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", EVERY)
def test_the_update_of_every_step_is_the_mean_over_the_horizons(name, sizes, T):
    student, teacher, R = random_pair(30, *sizes)
    update = make(name, R).update(student, teacher, T, every_step=True)
    assert_same(update, mean_of(literal_update(name, student, teacher, R, t) for t in range(1, T + 1)))
    assert_same(update, mean_of(make(name, R).update(student, teacher, t) for t in range(1, T + 1)))
    if T > 2:
        assert np.abs(update.W - make(name, R).update(student, teacher, T).W).max() > 1e-3, "the same as the last alone"


@pytest.mark.parametrize("name", EVERY)
def test_every_step_of_an_unstable_network(name):
    student, teacher, R = random_pair(31, 2, 3, 4, 2, radius=1.4)
    update = make(name, R).update(student, teacher, 9, every_step=True)
    assert_same(update, mean_of(literal_update(name, student, teacher, R, t) for t in range(1, 10)))


@pytest.mark.parametrize("T", [1, 2, 7])
@pytest.mark.parametrize("sizes", SIZES)
def test_bptt_of_every_step_is_the_gradient_of_the_sequence_loss(sizes, T):
    student, teacher, _ = random_pair(32, *sizes)
    weights = (student.A, student.W, student.B)
    assert_allclose(expected_loss(weights, teacher, T, True), loss(student, teacher, T, every_step=True), rtol=1e-12)
    gradient = autograd.grad(expected_loss)(weights, teacher, T, True)
    assert_same(BPTT().update(student, teacher, T, every_step=True), gradient)


@pytest.mark.parametrize("name", EVERY)
def test_in_the_limit_every_step_and_the_last_agree(name):
    student, teacher, R = random_pair(33, 2, 3, 4, 2)
    limit = make(name, R).update(student, teacher)
    assert_same(make(name, R).update(student, teacher, every_step=True), limit, 0)
    # The transient is shared by T steps: its part falls like 1/T, while the last step's falls geometrically.
    gaps = [np.abs(make(name, R).update(student, teacher, T, every_step=True).W - limit.W).max() for T in (150, 300)]
    assert gaps[0] > 1e-4
    assert gaps[1] / gaps[0] == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize("T", [1, 2, 3, 6])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", EVERY)
def test_sampled_every_step_is_the_mean_of_what_the_prefixes_send_back(name, sizes, T):
    student, _, R = random_pair(34, *sizes)
    rng, rule = np.random.default_rng(35), make(name, R)
    inputs, targets = rng.standard_normal((5, T, student.m)), rng.standard_normal((5, T, student.o))
    prefixes = (rule.sampled_update(student, inputs[:, :t], targets[:, t - 1]) for t in range(1, T + 1))
    assert_same(rule.sampled_update(student, inputs, targets, every_step=True), mean_of(prefixes))


def literal_sampled_update(name, student, R, inputs, targets):
    """Every sequence, every error e_t, every lag l, and nothing else: M_l^T e_t meets h_{t-1-l} and x_{t-1-l}."""
    A, W, B = student.A, student.W, student.B
    dA, dW, dB = np.zeros_like(A), np.zeros_like(W), np.zeros_like(B)
    for x, y in zip(inputs, targets):
        h = [np.zeros(student.n)]
        for t, (x_t, y_t) in enumerate(zip(x, y), start=1):
            h.append(W @ h[-1] + B @ x_t)
            e = A @ h[t] - y_t
            dA += np.outer(e, h[t])
            for lag in range(t):
                sent = sent_back(name, student, R, lag) @ e
                dW += np.outer(sent, h[t - 1 - lag])
                dB += np.outer(sent, x[t - 1 - lag])
    return Update(*(delta / targets[..., 0].size for delta in (dA, dW, dB)))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", EVERY)
def test_sampled_every_step_is_the_literal_sum_over_steps_and_lags(name, sizes):
    student, _, R = random_pair(36, *sizes)
    rng = np.random.default_rng(37)
    inputs, targets = rng.standard_normal((3, 6, student.m)), rng.standard_normal((3, 6, student.o))
    update = make(name, R).sampled_update(student, inputs, targets, every_step=True)
    assert_same(update, literal_sampled_update(name, student, R, inputs, targets))


@pytest.mark.parametrize("sizes", SIZES)
def test_sampled_bptt_of_every_step_is_the_gradient_of_the_sampled_sequence_loss(sizes):
    student, _, _ = random_pair(38, *sizes)
    rng = np.random.default_rng(39)
    inputs, targets = rng.standard_normal((5, 7, student.m)), rng.standard_normal((5, 7, student.o))

    def sampled_loss(weights):
        A, W, B = weights
        h, total = np.zeros((5, student.n)), 0.0
        for t in range(7):
            h = anp.dot(h, W.T) + anp.dot(inputs[:, t], B.T)
            total = total + anp.sum((anp.dot(h, A.T) - targets[:, t]) ** 2)
        return total / (2 * 5 * 7)

    gradient = autograd.grad(sampled_loss)((student.A, student.W, student.B))
    assert_same(BPTT().sampled_update(student, inputs, targets, every_step=True), gradient)


@pytest.mark.parametrize("T", [1, 2, 6])
@pytest.mark.parametrize("name", EVERY)
def test_sampled_every_step_on_an_orthogonal_design_is_the_expected_update(name, T):
    student, teacher, R = random_pair(40, 2, 3, 4, 3)
    inputs, rule = orthogonal_design(np.random.default_rng(41), T, 3), make(name, R)
    update = rule.sampled_update(student, inputs, simulate(teacher, inputs), every_step=True)
    assert_same(update, rule.update(student, teacher, T, every_step=True))


@pytest.mark.parametrize("name", NAMES)
def test_sampled_every_step_has_the_expected_mean(name):
    """5000 sequences, each its own update; no entry's mean is 5 standard errors off (chance below 1 in 10 000)."""
    student, teacher, R = random_pair(42, 2, 3, 4, 2)
    rng, T, N = np.random.default_rng(43), 6, 5000
    inputs, rule = rng.standard_normal((N, 1, T, 2)), make(name, R)
    each = rule.sampled_update(student, inputs, simulate(teacher, inputs), every_step=True)
    assert each.W.shape == (N, 3, 3)

    def furthest(expected):  # in standard errors
        return max(
            np.abs((deltas.mean(axis=0) - mean) / (deltas.std(axis=0, ddof=1) / np.sqrt(N))).max()
            for deltas, mean in zip(each, expected)
        )

    assert furthest(rule.update(student, teacher, T, every_step=True)) < 5
    assert furthest(rule.update(student, teacher, T)) > 8, "the last step's would do as well"


@settings(deadline=None, max_examples=30)
@given(st.tuples(*[st.integers(1, 4)] * 4), st.sampled_from(EVERY), st.integers(1, 5), st.integers(0, 10**6))
def test_a_batch_of_every_step_is_a_loop(sizes, name, T, seed):
    o, n, n_, m = sizes
    rng = np.random.default_rng(seed)
    student = random_network(rng, o, n, m, 0.6, batch=(3,))
    teacher = random_network(rng, o, n_, m, 0.6, batch=(2, 1))
    R, decay = rng.standard_normal((2, 3, o, n)), rng.uniform(-0.9, 0.9, 3)
    update = make(name, R, decay).update(student, teacher, T, every_step=True)
    inputs, targets = rng.standard_normal((3, 5, T, m)), rng.standard_normal((2, 1, 5, T, o))
    sampled = make(name, R, decay).sampled_update(student, inputs, targets, every_step=True)
    for i, j in np.ndindex(2, 3):
        one = LinearRNN(student.A[j], student.W[j], student.B[j])
        other = LinearRNN(teacher.A[i, 0], teacher.W[i, 0], teacher.B[i, 0])
        rule = make(name, R[i, j], decay[j])
        assert_same(Update(*(d[i, j] for d in update)), rule.update(one, other, T, every_step=True))
        expected = rule.sampled_update(one, inputs[j], targets[i, 0], every_step=True)
        assert_same(Update(*(d[i, j] for d in sampled)), expected)


@settings(deadline=None, max_examples=30)
@given(
    st.tuples(*[st.integers(1, 4)] * 3), st.floats(-0.95, 0.95), st.integers(1, 6), st.booleans(), st.integers(0, 10**6)
)
def test_rflo_changes_readout_and_recurrence_in_step_on_any_data(sizes, decay, T, every_step, seed):
    """h_t = (W - decay) p_t + B q_t, so that R^T dA = dW (W - decay)^T + dB B^T, whatever the sequences are."""
    o, n, m = sizes
    rng = np.random.default_rng(seed)
    net, R = random_network(rng, o, n, m, 0.8), rng.standard_normal((o, n))
    inputs, targets = rng.standard_normal((3, T, m)), rng.standard_normal((3, T, o) if every_step else (3, o))
    update = RFLO(R, decay).sampled_update(net, inputs, targets, every_step)
    right = update.W @ (net.W - decay * np.eye(n)).T + update.B @ net.B.T
    assert_allclose(R.T @ update.A, right, rtol=0, atol=1e-9 * max(1, np.abs(right).max()))


# Where one rule is another, to rounding


def all_forms(rule, student, teacher):
    rng = np.random.default_rng(16)
    inputs = rng.standard_normal((4, 5, student.m))
    yield rule.update(student, teacher, 1)
    yield rule.update(student, teacher, 7)
    yield rule.update(student, teacher)
    yield rule.sampled_update(student, inputs, rng.standard_normal((4, student.o)))
    yield rule.update(student, teacher, 7, every_step=True)
    yield rule.sampled_update(student, inputs, rng.standard_normal((4, 5, student.o)), every_step=True)


@pytest.mark.parametrize("sizes", SIZES)
def test_exact_reductions(sizes):
    student, teacher, _ = random_pair(17, *sizes)
    A, B = student.A, student.B
    scalar = LinearRNN(A, -0.6 * np.eye(student.n), B)
    diagonal = LinearRNN(A, np.diag(np.linspace(-0.8, 0.9, student.n)), B)
    for one, other, net in [
        (RFLO(A, 0.0), TruncatedBPTT(1), student),
        (RFLO(A, -0.6), BPTT(), scalar),
        (EProp(A), BPTT(), scalar),
        (EProp(A), BPTT(), diagonal),
        (TruncatedBPTT(10**9), BPTT(), student),
    ]:
        for update, expected in zip(all_forms(one, net, teacher), all_forms(other, net, teacher)):
            assert_same(update, expected)
    for T in (1, 2, 5, 8):
        full = BPTT().update(student, teacher, T)
        assert_same(TruncatedBPTT(T).update(student, teacher, T), full)
        if T > 2:  # a term short is something else
            assert np.abs(TruncatedBPTT(T - 2).update(student, teacher, T).W - full.W).max() > 1e-6


def test_truncation_tends_to_bptt_as_the_spectral_radius_to_the_power_of_twice_tau():
    student, teacher, _ = random_pair(18, 2, 4, 3, 2)
    full = BPTT().update(student, teacher)
    gaps = [np.abs(TruncatedBPTT(tau).update(student, teacher).W - full.W).max() for tau in range(1, 90)]
    assert all(gap < 1e3 * 0.8 ** (2 * tau) + 1e-12 for tau, gap in enumerate(gaps, 1))
    assert gaps[0] > 0.1 and gaps[-1] < 1e-12


@pytest.mark.parametrize("tau", [1, 2, 3, 4, 5, 6, 7, 12, 1000])
def test_truncation_at_any_number_of_steps(tau):
    student, teacher, _ = random_pair(19, 2, 4, 3, 2)
    assert_same(TruncatedBPTT(tau).update(student, teacher), TruncatedBPTT(tau).update(student, teacher, 200))


def test_the_change_of_the_weights_has_rank_o():
    """RFLO changes W and B in the row space of R only."""
    student, teacher, R = random_pair(20, 2, 5, 3, 3)
    outside = np.eye(5) - np.linalg.pinv(R) @ R
    for update in list(all_forms(RFLO(R, 0.7), student, teacher))[1:]:  # at horizon 1 W has no effect yet
        assert np.abs(outside @ update.W).max() < 1e-12 < np.abs(update.W).max()
        assert np.abs(outside @ update.B).max() < 1e-12 < np.abs(update.B).max()


# Modes


def orthogonal(rng, n):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


@pytest.mark.parametrize("name", NAMES)
def test_aligned_networks_learn_mode_by_mode(name):
    """o = 4, m = 5, n = 6, k = 3: in the rotated basis the update is diagonal, and its diagonal is mode_update."""
    rng, k = np.random.default_rng(21), 3
    modes = Mode([0.7, -1.2, 0.4], [0.9, 0.5, -1.1], [0.85, -0.3, 0.6])
    target = Mode([1.3, 0.8, 2.0], [0.6, 1.4, 0.7], [0.4, 0.9, -0.7])
    U, V, P, P_ = (orthogonal(rng, n) for n in (4, 5, 6, 7))
    if name in BY_UNIT:  # hidden units are modes
        P = np.eye(6)[[4, 0, 5, 2, 1, 3]] * rng.choice([-1.0, 1.0], 6)
    r = np.array([0.5, -0.9, 1.6])
    R = U[:, :k] * r @ P[:, :k].T
    student, teacher = aligned_network(modes, U, V, P), aligned_network(target, U, V, P_)
    update = make(name, R).update(student, teacher)
    decay = decays_of(-0.4, 6) @ np.abs(P[:, :k]) if name == "per-unit RFLO" else -0.4
    da, db, dw = of_modes(name, r, decay).mode_update(modes, target)
    for rotated, diagonal in ((U.T @ update.A @ P, da), (P.T @ update.W @ P, dw), (P.T @ update.B @ V, db)):
        expected = np.zeros(rotated.shape)
        expected[range(k), range(k)] = diagonal
        assert_allclose(rotated, expected, atol=1e-13)


def test_eprop_mixes_modes_in_any_other_basis():
    rng = np.random.default_rng(22)
    modes, target = Mode([0.7, -1.2], [0.9, 0.5], [0.85, -0.3]), Mode([1.3, 0.8], [0.6, 1.4], [0.4, 0.9])
    P = orthogonal(rng, 2)
    student, teacher = aligned_network(modes, np.eye(2), np.eye(2), P), aligned_network(target, *[np.eye(2)] * 3)
    assert abs((P.T @ EProp(P.T).update(student, teacher).W @ P)[0, 1]) > 0.01


def test_closed_forms_by_sympy():
    """Both geometric sums of every rule, over the lags and over the past, done again with symbols."""
    a, b, w, a_, b_, w_, r, decay = sp.symbols("a b w a_* b_* w_* r d")
    tau, lag, past = sp.symbols("tau l j", positive=True, integer=True)

    def geometric(term, index, terms=None):
        ratio = sp.powsimp(sp.simplify(term.subs(index, index + 1) / term))
        assert not ratio.has(index)
        return term.subs(index, 0) * (1 - (0 if terms is None else ratio**terms)) / (1 - ratio)

    def updates(sent, terms=None):
        db = dw = 0
        for sign, gain, root in ((1, a * b, w), (-1, a_ * b_, w_)):
            db += sign * geometric(sent * gain * root**lag, lag, terms)
            heard = geometric(gain * root ** (lag + 1 + past) * w**past * b, past)
            dw += sign * geometric(sp.powsimp(sent * heard), lag, terms)
        return db, dw

    rng = np.random.default_rng(22)
    symbols = [a, b, w, a_, b_, w_, r, decay]
    for _ in range(20):
        values = [sp.Rational(int(k), 16) for k in rng.integers(-15, 16, len(symbols))]
        numbers = {symbol: float(value) for symbol, value in zip(symbols, values)}
        mode, target = (Mode(*(numbers[part] for part in parts)) for parts in ((a, b, w), (a_, b_, w_)))
        for rule, sums in [
            (BPTT(), updates(a * w**lag)),
            (TruncatedBPTT(steps=4), updates(a * w**lag, 4)),
            (RFLO(numbers[r], numbers[decay]), updates(r * decay**lag)),
            (EProp(numbers[r]), updates(r * w**lag)),
        ]:
            exact = [expression.subs(dict(zip(symbols, values))) for expression in sums]
            if any(value.has(sp.nan, sp.zoo) for value in exact):
                continue  # a term that is 0 has no ratio
            closed = list(rule.mode_update(mode, target))[1:]
            assert_allclose(closed, [float(value) for value in exact], rtol=1e-12, atol=1e-13)


def test_mode_updates_broadcast_and_reduce():
    rng = np.random.default_rng(23)
    mode = Mode(*rng.uniform(-0.9, 0.9, (3, 20, 1)))
    target = Mode(*rng.uniform(-0.9, 0.9, (3, 4)))
    for rule in (BPTT(), TruncatedBPTT(3), RFLO(rng.standard_normal((5, 1, 1)), rng.uniform(-1, 1, 4)), EProp(0.3)):
        shape = (5, 20, 4) if isinstance(rule, RFLO) else (20, 4)
        assert rule.mode_update(mode, target).shape == shape
    for one, other in [
        (TruncatedBPTT(2000), BPTT()),
        (RFLO(mode.a, mode.w), BPTT()),
        (EProp(mode.a), BPTT()),
        (RFLO(mode.a, 0.0), TruncatedBPTT(1)),
    ]:
        assert_allclose(list(one.mode_update(mode, target)), list(other.mode_update(mode, target)), rtol=0, atol=1e-11)


# Shapes: a batch is a loop


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(*[st.integers(1, 4)] * 4), st.sampled_from(NAMES), st.sampled_from([1, 3, np.inf]), st.integers(0, 10**6)
)
def test_a_batch_is_a_loop(sizes, name, horizon, seed):
    o, n, n_, m = sizes
    rng = np.random.default_rng(seed)
    student = random_network(rng, o, n, m, 0.6, batch=(3,))
    teacher = random_network(rng, o, n_, m, 0.6, batch=(2, 1))
    R, decay = rng.standard_normal((2, 3, o, n)), rng.uniform(-0.9, 0.9, 3)
    student = LinearRNN(student.A, student.W / max(1, np.abs(np.diagonal(student.W, 0, -2, -1)).max()), student.B)
    update = make(name, R, decay).update(student, teacher, horizon)
    inputs, targets = rng.standard_normal((3, 5, 4, m)), rng.standard_normal((2, 1, 5, o))
    sampled = make(name, R, decay).sampled_update(student, inputs, targets)
    assert [delta.shape for delta in update] == [(2, 3, o, n), (2, 3, n, n), (2, 3, n, m)]
    for i in range(2):
        for j in range(3):
            one = LinearRNN(student.A[j], student.W[j], student.B[j])
            other = LinearRNN(teacher.A[i, 0], teacher.W[i, 0], teacher.B[i, 0])
            rule = make(name, R[i, j], decay[j])
            assert_same(Update(*(d[i, j] for d in update)), rule.update(one, other, horizon))
            assert_same(
                Update(*(d[i, j] for d in sampled)), rule.sampled_update(one, inputs[j], targets[i, 0])
            )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("horizon", [1, 4, np.inf])
def test_weights_of_different_batches(name, horizon):
    """Only B, only W or only R has a batch axis: every delta has it."""
    student, teacher, R = random_pair(24, 2, 3, 4, 2, radius=0.5)
    expected = make(name, R).update(student, teacher, horizon)
    two = lambda weights: np.stack([weights, weights])  # noqa: E731
    for batched in (
        make(name, R).update(LinearRNN(student.A, student.W, two(student.B)), teacher, horizon),
        make(name, R).update(LinearRNN(student.A, two(student.W), student.B), teacher, horizon),
        make(name, R).update(LinearRNN(two(student.A), student.W, student.B), teacher, horizon),
        make(name, R).update(student, LinearRNN(teacher.A, two(teacher.W), teacher.B), horizon),
        make(name, two(R)).update(two_of(student), teacher, horizon),
    ):
        for delta, one in zip(batched, expected):
            assert delta.shape == (2,) + one.shape and delta.flags.writeable
            assert_allclose(delta, two(one), atol=1e-12)
    if name in BRING_FEEDBACK:
        assert make(name, two(R)).update(student, teacher, horizon).A.shape == (2, 2, 3)


def two_of(net):
    return LinearRNN(*(np.stack([weights, weights]) for weights in (net.A, net.W, net.B)))


# Sums over all lags


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(1, 40), st.floats(0, 0.97),
    st.integers(0, 10**6),
)
def test_sums_over_lags(p, q, m, lags, radius, seed):
    rng = np.random.default_rng(seed)
    F, G = random_network(rng, 1, p, m, radius), random_network(rng, 1, q, m, 0.5)
    X, many = rng.standard_normal((p, q)), range(2000)
    f, g = squares(F=F.W, G=G.W)
    terms, term = [], X
    for _ in many:
        terms.append(term)
        term = F.W @ term @ G.W
    size = np.abs(terms).sum()
    assert_allclose(stein(f, X, g), sum(terms), atol=1e-13 * size)
    assert_allclose(stein_partial(f, X, g, lags), sum(terms[:lags]), atol=1e-13 * size)
    P, P_ = gramians(f, F.B, g, G.B)
    assert_allclose(P, F.W @ P @ F.W.T + F.B @ F.B.T, atol=1e-11 * np.abs(P).max())
    assert_allclose(P_, G.W @ P_ @ F.W.T + G.B @ F.B.T, atol=1e-11 * max(np.abs(P_).max(), np.abs(P).max()))


def test_eprop_asks_for_powers_that_vanish():
    """Only one side of its sum decays: a diagonal entry of 1 at a spectral radius of 0.22 and a teacher's 0.5."""
    W = np.array([[1.0, -1.0], [0.9, -0.85]])
    student = LinearRNN([[1.0, 1.0]], W, [[1.0], [0.5]])
    teacher, R = LinearRNN([[1.0]], [[0.5]], [[1.0]]), np.array([[0.3, 0.7]])
    Y = np.stack([(R.T @ student.A)[i] @ np.linalg.inv(np.eye(2) - W[i, i] * W) for i in range(2)])
    Y_ = -np.stack([(R.T @ teacher.A)[i] @ np.linalg.inv(np.eye(1) - W[i, i] * teacher.W) for i in range(2)])
    assert_allclose(EProp(R).update(student, teacher).B, Y @ student.B + Y_ @ teacher.B, rtol=1e-13)


# Bad input


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 6), st.sampled_from(NAMES), st.sampled_from([1.0, 1 + 1e-9, 1.001, 1.3, 50.0, 1e80]),
    st.booleans(), st.booleans(), st.integers(0, 10**6),
)
def test_an_unstable_network_is_never_given_a_number(n, name, radius, skewed, unstable_teacher, seed):
    rng = np.random.default_rng(seed)
    W = np.triu(rng.standard_normal((n, n)), 1) * (5 if skewed else 0.5)  # eigenvalues known exactly
    W[range(n), range(n)] = rng.uniform(-0.6, 0.6, n)
    W[0, 0] = radius
    unstable = LinearRNN(rng.standard_normal((2, n)), W, rng.standard_normal((n, 2)))
    fine = random_network(rng, 2, n, 2, 0.3)
    pair = (fine, unstable) if unstable_teacher else (unstable, fine)
    with pytest.raises(ValueError, match="teacher: an infinite" if unstable_teacher else "student: an infinite"):
        make(name, rng.standard_normal((2, n))).update(*pair)
    batch = LinearRNN(fine.A, np.stack([fine.W, W, 0 * W]), fine.B)
    with pytest.raises(ValueError, match="an infinite horizon needs a spectral radius"):
        make(name, rng.standard_normal((2, n))).update(batch, fine)


@pytest.mark.parametrize("radius", [1.0, 1 + 1e-12, 1.001, 2.0])
def test_a_rotation_is_not_stable(radius):
    W = radius * np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    with pytest.raises(ValueError, match="student: an infinite horizon needs a spectral radius"):
        BPTT().update(LinearRNN([[1.0, 0.0]], W, [[0.0], [1.0]]), LinearRNN([[1.0]], [[0.0]], [[1.0]]))


@pytest.mark.parametrize("name", NAMES)
def test_a_chain_of_tiny_weights_is_heard_to_its_end(name):
    """K_2 = 1 by way of weights of 1e-21 and a readout of 1e42: the units of the hidden states do not matter."""
    W = np.array([[0.0, 1e-21, 0.0], [0.0, 0.0, 1e-21], [0.0, 0.0, 0.0]])
    student, teacher = LinearRNN([[1e42, 0.0, 0.0]], W, [[0.0], [0.0], [1.0]]), LinearRNN([[1.0]], [[0.0]], [[1.0]])
    rule = make(name, np.array([[0.3, 0.5, -0.7]]))
    for delta, expected in zip(rule.update(student, teacher), rule.update(student, teacher, 80)):
        assert_allclose(delta, expected, rtol=1e-12)


def test_a_stable_matrix_with_large_powers_is_served():
    W = np.array([[0.5, 1e6], [0.0, 0.6]])
    student, teacher = LinearRNN([[1.0, 0.0]], W, [[0.0], [1e-6]]), LinearRNN([[1.0]], [[0.5]], [[1.0]])
    assert_same(BPTT().update(student, teacher), BPTT().update(student, teacher, 200), 1e-9)


NET = random_network(np.random.default_rng(25), 2, 3, 4)
MORE_OUTPUTS = random_network(np.random.default_rng(26), 3, 3, 4)
LESS_INPUTS = random_network(np.random.default_rng(27), 2, 3, 1)
UNSTABLE = random_network(np.random.default_rng(28), 2, 3, 4, radius=1.3)
R = np.ones((2, 3))
X, Y, Y_EVERY = np.ones((5, 6, 4)), np.ones((5, 2)), np.ones((5, 6, 2))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: RFLO([["a"]], 0.5), "R: expected real numbers"),
        (lambda: RFLO(R * np.nan, 0.5), "R: expected finite numbers"),
        (lambda: EProp(1j * R).update(NET, NET), "R: expected real numbers"),
        (lambda: EProp([[np.inf]]), "R: expected finite numbers"),
        (lambda: RFLO(R, 1.0), r"decay: expected numbers between -1 and 1.*got 1\.0"),
        (lambda: RFLO(R, [0.2, -1.5]), r"decay: expected numbers between -1 and 1.*-1\.5"),
        (lambda: RFLO(R, np.nan), "decay: expected finite numbers"),
        (lambda: TruncatedBPTT(0), "steps: expected a whole number of at least 1, got 0"),
        (lambda: TruncatedBPTT(1.5), r"steps: .* got 1\.5"),
        (lambda: TruncatedBPTT(np.inf), "steps: .* got inf"),
        (lambda: TruncatedBPTT(True), "steps: .* got True"),
        (lambda: RFLO(R.T, 0.5).update(NET, NET), r"R: expected shape .*o = 2, n = 3.*got \(3, 2\)"),
        (lambda: EProp(R[:1]).update(NET, NET, 3), r"R: expected shape .*got \(1, 3\)"),
        (lambda: EProp(0.5).sampled_update(NET, X, Y), r"R: expected shape .*got \(\)"),
        (lambda: RFLO(R[0], 0.5).sampled_update(NET, X, Y), r"R: expected shape .*got \(3,\)"),
        (lambda: RFLO(R, [0.1, 0.2]).update(LinearRNN(NET.A, NET.W, [NET.B] * 3), NET), "batch axes: .*decay"),
        (lambda: RFLO([R] * 2, 0.1).sampled_update(NET, [X] * 3, Y), "batch axes: .*inputs.*R"),
        (lambda: BPTT().sampled_update(NET, [X] * 3, [Y] * 2), "batch axes: .*targets"),
        (lambda: BPTT().sampled_update(NET, X[..., :3], Y), r"inputs: expected shape .*m = 4.*got \(5, 6, 3\)"),
        (lambda: BPTT().sampled_update(NET, X[0], Y), r"inputs: expected shape"),
        (lambda: BPTT().sampled_update(NET, X[:, :0], Y), "inputs: .*no empty axis"),
        (lambda: BPTT().sampled_update(NET, X * np.nan, Y), "inputs: expected finite"),
        (lambda: BPTT().sampled_update(NET, X, Y[:4]), r"targets: expected shape .*batch = 5.*got \(4, 2\)"),
        (lambda: BPTT().sampled_update(NET, X, Y[:, :1]), r"targets: expected shape .*o = 2"),
        (lambda: BPTT().sampled_update(NET, X, Y, every_step=True), r"targets: .*\.\.\., batch, T, o.*got \(5, 2\)"),
        (lambda: BPTT().sampled_update(NET, X, Y_EVERY), r"targets: expected shape .*batch = 5.*got \(5, 6, 2\)"),
        (lambda: BPTT().sampled_update(NET, X, Y_EVERY[:, 1:], every_step=True), r"targets: .*T = 6.*got \(5, 5, 2\)"),
        (lambda: EProp(R).sampled_update(NET, X, Y_EVERY[1:], True), r"targets: .*batch = 5.*got \(4, 6, 2\)"),
        (lambda: EProp(R).sampled_update(NET, X, Y_EVERY * np.nan, True), "targets: expected finite"),
        (lambda: BPTT().sampled_update(NET, [X] * 3, [Y_EVERY] * 2, True), "batch axes: .*targets"),
        (lambda: BPTT().update(UNSTABLE, NET, every_step=True), "student: an infinite .* spectral radius below 1"),
        (lambda: BPTT().update(LinearRNN(NET.A, 1e5 * NET.W, NET.B), NET, 60, True), "horizon: .*still finite, got 60"),
        (lambda: BPTT().update(NET, MORE_OUTPUTS), "student: expected the teacher's o = 3, got 2"),
        (lambda: BPTT().update(NET, LESS_INPUTS, 4), "student: expected the teacher's m = 1, got 4"),
        (lambda: BPTT().update(UNSTABLE, NET), r"student: an infinite .* spectral radius below 1, got 1\.3"),
        (lambda: RFLO(R, 0.1).update(NET, UNSTABLE), r"teacher: an infinite .* spectral radius below 1, got 1\.3"),
        (lambda: BPTT().update(NET, NET, 0), "horizon: expected a whole number"),
        (lambda: BPTT().update(NET, NET, 2.5), "horizon: expected a whole number"),
        (lambda: BPTT().update(NET, NET, np.nan), "horizon: expected a whole number"),
        (lambda: BPTT().update(LinearRNN(NET.A, 1e5 * NET.W, NET.B), NET, 60), "horizon: .*still finite, got 60"),
        (lambda: BPTT().update(LinearRNN(1e200 * NET.A, NET.W, NET.B), NET), "horizon: .*still finite, got inf"),
        (lambda: BPTT().sampled_update(LinearRNN(NET.A, 1e200 * NET.W, NET.B), X, Y), "inputs: .*finite, got T = 6"),
        (lambda: RFLO(R, 0.1).sampled_update(LinearRNN(NET.A, 1e200 * NET.W, NET.B), X, Y), "inputs: .*finite"),
        (lambda: BPTT().mode_update(Mode(1, 1, -1.0), Mode(1, 1, 0)), "mode: .*got 1"),
        (lambda: RFLO(1, 0.9).mode_update(Mode(1, 1, 1.05), Mode(1, 1, 0)), r"mode: .*got 1\.05"),
        (lambda: EProp(1).mode_update(Mode(1, 1, 0), Mode(1, 1, [0, 1.2])), r"target: .*got 1\.2"),
        (lambda: RFLO([1, 2], 0.9).mode_update(Mode([1] * 3, 1, 0), Mode(1, 1, 0)), "batch axes: .*R"),
        (lambda: RFLO(1, [0.1, 0.2]).mode_update(Mode([1] * 3, 1, 0), Mode(1, 1, 0)), "batch axes: .*decay"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_rules_are_frozen_and_keep_their_own_copy():
    mine = np.ones((2, 3))
    rule = RFLO(mine, 0.5)
    mine[:] = 7
    assert rule.R.max() == 1
    for change in (lambda: setattr(rule, "decay", 0.1), lambda: rule.R.__setitem__((0, 0), 2)):
        with pytest.raises((AttributeError, ValueError)):
            change()
    assert BPTT() == BPTT() and TruncatedBPTT(2.0) == TruncatedBPTT(2) != TruncatedBPTT(3)


@pytest.mark.parametrize(
    "make", [lambda: RFLO(np.eye(2), 0.5), lambda: EProp(np.eye(2)), lambda: KolenPollack(np.eye(2), 0.5, 0.1)]
)
def test_a_rule_that_holds_arrays_is_frozen_and_equals_itself_alone(make):
    one, other = make(), make()
    assert one == one and one != other and len({one, other}) == 2
    with pytest.raises(AttributeError):
        one.R = other.R
