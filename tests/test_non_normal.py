"""Stable weights whose powers grow far before they decay: exact sums in whole numbers, and long doubles.

Rotated chains Q (lambda I + c S) Q^T with S the shift, and examples 4.1 and 4.2 of DTLEX (Kressner, Mehrmann and Penzl, A
collection of benchmark examples for discrete-time Lyapunov equations, SLICOT Working Note 1999-7).
"""

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lrnnbook import BPTT, RFLO, EProp, LinearRNN, TruncatedBPTT, loss
from lrnnbook.losses import check_settled
from lrnnbook.stein import gramian_factor, gramians, krylov, squares, stein, stein_partial

EPS = np.finfo(float).eps


def chain(n, decay, c, seed=0):
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]
    return Q @ (decay * np.eye(n) + c * np.eye(n, k=1)) @ Q.T


def dtlex(core, s):
    """H_2 S H_1 core H_1 S^-1 H_2, with S the powers of s and H_1, H_2 reflections at (1, 1, 1, ...) and (1, -1, 1, ...)."""
    n = len(core)
    H_1, H_2 = (np.eye(n) - 2 / n * np.outer(f, f) for f in (np.ones(n), (-1.0) ** np.arange(n)))
    S = s ** np.arange(n)
    return H_2 @ ((H_1 @ core @ H_1) * S[:, None] / S) @ H_2


def dtlex_1(n, r, s):
    powers = r ** np.arange(n)
    return dtlex(np.diag((powers - 1) / (powers + 1)), s)


def dtlex_2(n, decay, s):
    return dtlex(decay * np.eye(n) + np.eye(n, k=1), s)


def team(W, seed=1):
    rng, n = np.random.default_rng(seed), len(W)
    student = LinearRNN(rng.standard_normal((2, n)), W, rng.standard_normal((n, 2)))
    teacher = LinearRNN(rng.standard_normal((2, 1)), [[0.5]], rng.standard_normal((1, 2)))
    return student, teacher, rng.standard_normal((2, n))


def whole(X, digits=80):
    """Entries as integers of 2^-digits each, of floats exactly if they are not too small."""
    return np.array([[int(Fraction(float(x)) * 2**digits) for x in row] for row in X], dtype=object)


def rational_loss(student, teacher, lags, digits=400):
    """A loop in whole numbers of 2^-digits, rounded down once a step; exact but for 2^-digits."""
    A, W, B, A_, W_, B_ = (whole(X, digits) for net in (student, teacher) for X in (net.A, net.W, net.B))
    total = 0
    for _ in range(lags):
        gap = (A @ B - A_ @ B_) >> digits
        total += int((gap * gap).sum())
        B, B_ = (W @ B) >> digits, (W_ @ B_) >> digits
    return float(Fraction(total, 2 ** (2 * digits + 1)))


def rational_gramian(W, L, lags=400, digits=400):
    W, h = whole(W, digits), whole(L, digits)
    total = np.zeros_like(W)
    for _ in range(lags):
        total, h = total + ((h @ h.T) >> digits), (W @ h) >> digits
    return np.array(total / 2**digits, dtype=float)


def long_double_update(name, student, teacher, R, lags, decay=0.4):
    """The double sum over lags as it stands, with eleven bits more than ours."""
    A, W, B, A_, W_, B_, R = (
        X.astype(np.longdouble) for X in (student.A, student.W, student.B, teacher.A, teacher.W, teacher.B, R)
    )
    h, h_, sent = [B], [B_], [A.T if "BPTT" in name else R.T]
    back = {"RFLO": decay * np.eye(len(W)), "e-prop": np.diag(np.diag(W))}.get(name, W.T)
    for _ in range(lags - 1):
        h, h_, sent = h + [W @ h[-1]], h_ + [W_ @ h_[-1]], sent + [back @ sent[-1]]
    D = [A @ x - A_ @ y for x, y in zip(h, h_)]
    dA = sum(d @ x.T for d, x in zip(D, h))
    dW, dB = 0, 0
    for l, M in enumerate(sent[:3] if name == "three-step tBPTT" else sent):
        dB = dB + M @ D[l]
        if l < lags - 1:
            dW = dW + M @ np.einsum("kom,knm->on", D[l + 1 :], h[: lags - 1 - l])
    return dA, dW, dB


def rules(R):
    return {"BPTT": BPTT(), "three-step tBPTT": TruncatedBPTT(3), "RFLO": RFLO(R, 0.4), "e-prop": EProp(R)}


CHAINS = [(30, 0.5, 0.95), (40, 0.5, 0.8), (20, 0.7, 0.6)]
MATRICES = [chain(*numbers) for numbers in CHAINS] + [dtlex_1(10, 1.5, 3.0), dtlex_2(10, 0.9, 1.5), dtlex_2(10, -0.5, 1.5)]
NAMED = pytest.mark.parametrize("W", MATRICES, ids=[f"chain {numbers}" for numbers in CHAINS] + ["4.1", "4.2", "4.2 -"])


@NAMED
def test_the_loss_of_strongly_non_normal_networks(W):
    student, teacher, _ = team(W)
    expected = rational_loss(student, teacher, 400)
    assert loss(student, teacher) == pytest.approx(expected, rel=1e-6)
    assert loss(student, teacher, 400) == pytest.approx(expected, rel=1e-6)
    assert loss(student, teacher, 10**6) == pytest.approx(expected, rel=1e-6)
    # At the teacher itself, and a change of 1e-9 away from it.
    near = LinearRNN(student.A * (1 + 1e-9), student.W, student.B)
    assert 0 <= loss(student, student) < 1e-12 * expected
    silent = LinearRNN(0 * student.A, student.W, student.B)
    assert loss(near, student) == pytest.approx(1e-18 * loss(student, silent), rel=1e-2)


@NAMED
def test_the_impulse_response_on_both_sides_of_the_hump(W):
    student, _, _ = team(W)
    x, expected = whole(student.B, 300), []
    A, wide = whole(student.A, 300), whole(W, 300)
    for _ in range(300):
        expected.append(np.array(((A @ x) >> 300), dtype=object) / 2.0**300)
        x = (wide @ x) >> 300
    expected = np.array(expected, dtype=float)
    # The last bits of W move the tails of the chains, by how much depends on the processor that has rotated them.
    assert_allclose(student.impulse_response(300), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert_allclose(krylov(W, student.B, 33)[:33], krylov(W, student.B, 300)[:33], rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", ["BPTT", "three-step tBPTT", "RFLO", "e-prop"])
@pytest.mark.parametrize("W", [chain(30, 0.5, 0.95), chain(16, 0.5, 0.9), dtlex_1(10, 1.5, 2.0)], ids=["30", "16", "4.1"])
@pytest.mark.parametrize("horizon", [np.inf, 200])
def test_an_update_is_right_or_refused(name, W, horizon):
    student, teacher, R = team(W)
    lags = 400 if horizon == np.inf else horizon
    try:
        update = rules(R)[name].update(student, teacher, horizon)
    except ValueError as error:
        assert "too non-normal" in str(error) or "|W_ii|" in str(error)
        assert len(W) > 16 or name == "e-prop"  # the derivative of the loss of the longest chain has four digits
    else:
        for delta, expected in zip(update, long_double_update(name, student, teacher, R, lags)):
            expected = expected.astype(float)
            assert_allclose(delta, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_one_bad_member_in_a_batch():
    W = np.stack([0.5 * np.eye(30), chain(30, 0.5, 0.95), 0.9 * np.linalg.qr(chain(30, 0.5, 0.95))[0]])
    rng = np.random.default_rng(2)
    students = LinearRNN(rng.standard_normal((2, 30)), W, rng.standard_normal((30, 2)))
    teacher, R = LinearRNN([[1.0], [0.5]], [[0.7]], [[1.0, -1.0]]), rng.standard_normal((2, 30))
    values, update = loss(students, teacher), RFLO(R, 0.3).update(students, teacher)
    for i in range(3):
        one = LinearRNN(students.A, W[i], students.B)
        assert values[i] == pytest.approx(rational_loss(one, teacher, 500), rel=1e-8)
        for delta, expected in zip(update, RFLO(R, 0.3).update(one, teacher)):
            assert_allclose(delta[i], expected, rtol=0, atol=1e-9 * np.abs(expected).max())


@NAMED
def test_the_sums_over_lags(W):
    peak = max(np.linalg.norm(np.linalg.matrix_power(W, k)) for k in range(1, 60))
    assert peak > 10 * np.sqrt(len(W)), "its powers hardly grow"
    F, G = squares(EPS, F=W, G=np.array([[0.5]]))
    L, L_ = np.random.default_rng(3).standard_normal((len(W), 1)), np.ones((1, 1))
    P, P_ = gramians(F, L, G, L_)
    expected = rational_gramian(W, L)
    assert_allclose(P, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    assert_allclose(P_ @ (np.eye(len(W)) - 0.5 * W.T), L_ @ L.T, atol=1e-9 * np.abs(P_).max())
    # Whatever the digits of the number of lags, and with the powers transposed.
    X = L @ L_
    terms = krylov(W, L, 150)[..., 0] * 0.5 ** np.arange(150)[:, None]
    size = np.abs(terms).max()
    for lags in (1, 2, 7, 8, 33, 100, 149):
        part = stein_partial(F, X, G, lags)
        assert_allclose(part[:, 0], terms[:lags].sum(axis=0), rtol=0, atol=1e-9 * size)
    back = stein([F_a.T for F_a in F], L @ L_, G)
    assert_allclose((np.eye(len(W)) - 0.5 * W.T) @ back, L, atol=1e-9 * np.abs(back).max())
    R = gramian_factor(F, L.T)
    Q = rational_gramian(W.T, L)
    assert_allclose(R.T @ R, Q, rtol=0, atol=1e-6 * np.abs(Q).max())


@pytest.mark.parametrize("s", [7.0, 10.0])
def test_what_rounding_decides_is_refused(s):
    student, teacher, R = team(dtlex_1(10, 1.5, s))
    for call in (
        lambda: loss(student, teacher),
        lambda: loss(student, teacher, 64),
        lambda: loss(student, teacher, 10**5),
        lambda: BPTT().update(student, teacher),
    ):
        with pytest.raises(ValueError, match="^student: too non-normal: expected .*, got "):
            call()
    with pytest.raises(ValueError, match="^teacher: too non-normal"):
        loss(teacher, student)


def test_errors_do_not_contradict_themselves():
    zero = LinearRNN([[0.0]], [[0.0]], [[0.0]])
    with pytest.raises(ValueError, match="^student: .*below 1, got 1 - 1e-11, which is too close to 1"):
        loss(LinearRNN([[1.0]], [[1 - 1e-11]], [[1.0]]), zero)
    steep = LinearRNN(np.ones((1, 4)), np.diag([1e300] * 3, 1), np.ones((4, 1)))
    with pytest.raises(ValueError, match="^student: too non-normal: .* spectral radius of 0$"):
        loss(steep, zero)


def test_transfer_where_the_powers_grow():
    student, _, _ = team(chain(20, 0.0, 1.0))
    for z in (0.5, -1.2, 1.5j):  # a polynomial of degree 19
        expected = sum(K * z**k for k, K in enumerate(student.impulse_response(20)))
        assert_allclose(student.transfer(z), expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    student, _, _ = team(chain(40, 0.0, 1.0))
    with pytest.raises(ValueError, match="too non-normal"):  # a perturbed pole is near
        student.transfer(0.9 / student.spectral_radius())


def test_radius_close_to_one_keeps_six_digits():
    zero = LinearRNN([[0.0]], [[0.0]], [[0.0]])
    for gap in (1e-4, 1e-6, 1e-8, 1e-10):
        w = 1 - gap
        expected = Fraction(1, 2) / (1 - Fraction(w) ** 2)
        assert loss(LinearRNN([[1.0]], [[w]], [[1.0]]), zero) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("which", ["student", "teacher"])
def test_the_one_whose_last_bits_decide_is_named_with_its_share(which):
    net = LinearRNN(np.ones((1, 2)), np.full((2, 2), 0.3), np.ones((2, 1)))

    def compute(student, teacher):
        W = {"student": student, "teacher": teacher}[which].W
        return [np.stack([0 * W, W - 0.3 + 1e-12])]  # the first is of no size, and has no share

    with pytest.raises(ValueError, match=rf"^{which}: .* moves by \de-05 of its size"):
        check_settled(compute, net, net)
