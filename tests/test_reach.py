"""What RFLO can reach: leaves against runs of the package, solutions and leaves against ranks of their tangents."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lrnnbook import BPTT, RFLO, LinearRNN, random_network, train_flow

DECAY = 0.3


def draw(seed, n, o, m):
    rng = np.random.default_rng(seed)
    return random_network(rng, n, o, m, radius=0.5), rng.standard_normal((o, n)), rng


def move(net, R, Z, S):
    """What the element (Z, S) of the group makes of a student."""
    n = net.n
    C = np.hstack([net.W - DECAY * np.eye(n), net.B])
    moved = C + R.T @ Z
    return LinearRNN(net.A + Z @ C.T + S.T @ R, moved[:, :n] + DECAY * np.eye(n), moved[:, n:])


def element(rng, o, size):
    Z, K = rng.standard_normal((o, size)), rng.standard_normal((o, o))
    return Z, Z @ Z.T / 2 + K - K.T


def flat(net):
    return np.concatenate([net.A.ravel(), net.W.ravel(), net.B.ravel()])


sizes = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3)).filter(lambda s: s[0] >= s[1])


@given(sizes, st.integers(0, 10**6))
def test_moves_form_a_group_and_keep_what_is_conserved(size, seed):
    net, R, rng = draw(seed, *size)
    n, o, m = size
    (Z, S), (Z_, S_) = element(rng, o, n + m), element(rng, o, n + m)
    twice = move(move(net, R, Z, S), R, Z_, S_)
    assert_allclose(flat(twice), flat(move(net, R, Z + Z_, S + S_ + Z @ Z_.T)), atol=1e-10)
    assert_allclose(flat(move(move(net, R, Z, S), R, -Z, S.T)), flat(net), atol=1e-10)

    def conserved(net):
        V = net.W - DECAY * np.eye(n)
        return R.T @ net.A + net.A.T @ R - V @ V.T - net.B @ net.B.T

    assert_allclose(conserved(twice), conserved(net), atol=1e-8)


@pytest.mark.parametrize("o, m", [(1, 1), (2, 1), (2, 3)])
def test_the_flow_is_a_move(o, m):
    net, R, rng = draw(1, 4, o, m)
    net = LinearRNN(net.A / 3, net.W, net.B / 3)
    end = train_flow(RFLO(R, DECAY), net, random_network(rng, 3, o, m, radius=0.7), [0.0, 0.7], rtol=1e-10, atol=1e-12).student
    change = np.hstack([end.W - net.W, end.B - net.B])
    Z = np.linalg.lstsq(R.T, change, rcond=None)[0]
    C = np.hstack([net.W - DECAY * np.eye(4), net.B])
    S = np.linalg.lstsq(R.T, (end.A - net.A).T - C @ Z.T, rcond=None)[0]
    assert np.linalg.norm(Z) > 0.1
    assert_allclose(S + S.T, Z @ Z.T, atol=1e-7)
    assert_allclose(flat(move(net, R, Z, S)), flat(end), atol=1e-7)
    assert (o > 1) == (np.abs(S - S.T).max() > 1e-4)  # the area that the path has gone round


def tangents(n, order, o, m, hidden, seed):
    """At a random solution with idle units, on the side named: directions of the solutions, and of the leaf."""
    g = np.random.default_rng(seed).standard_normal
    p = n - order
    reached, heard = (hidden == "output") * 1.0, (hidden == "input") * 1.0
    A = np.hstack([g((o, order)), heard * g((o, p))])
    B = np.vstack([g((order, m)), reached * g((p, m))])
    W = np.block([[g((order, order)), heard * g((order, p))], [reached * g((p, order)), g((p, p))]])
    R = g((o, n))

    def pack(A, W, B):
        return np.concatenate([A.ravel(), W.ravel(), B.ravel()])

    along, leaf = [], []
    for X in np.eye(n * n).reshape(-1, n, n):
        along.append(pack(-A @ X, X @ W - W @ X, X @ B))
    for i in range(order, n):
        for j in range(n):
            X = np.zeros((n, n))
            X[(i, j) if reached else (j, i)] = 1
            along.append(pack(0 * A, X, 0 * B))
        for j in range(m if reached else o):
            Y, V = 0 * A, 0 * B
            (V if reached else Y)[(i, j) if reached else (j, i)] = 1
            along.append(pack(Y, 0 * W, V))
    C = np.hstack([W - DECAY * np.eye(n), B])
    for Z in np.eye(o * (n + m)).reshape(-1, o, n + m):
        leaf.append(pack(Z @ C.T, (R.T @ Z)[:, :n], (R.T @ Z)[:, n:]))
    for i, j in zip(*np.triu_indices(o, 1)):
        S = np.zeros((o, o))
        S[i, j], S[j, i] = 1, -1
        leaf.append(pack(S.T @ R, 0 * W, 0 * B))
    return np.array(along), np.array(leaf)


@pytest.mark.parametrize("n, order, o, m", [(4, 2, 1, 1), (5, 3, 1, 3), (4, 3, 3, 1), (5, 3, 2, 2), (5, 4, 2, 3), (3, 3, 2, 2)])
def test_dimensions_of_solutions_and_leaf(n, order, o, m):
    found = []
    for hidden in ("output", "input"):
        along, leaf = tangents(n, order, o, m, hidden, seed=2)
        found.append(np.linalg.matrix_rank(along, tol=1e-9))
        assert np.linalg.matrix_rank(leaf, tol=1e-9) == o * (n + m) + o * (o - 1) // 2
        if 2 * o * (n + m) + o * (o - 1) < 2 * (n * min(m, o) + order * max(m, o)):  # the theorem's condition
            assert np.linalg.matrix_rank(np.vstack([along, leaf]), tol=1e-9) < along.shape[1]
    assert found == [n**2 + (n - order) * m, n**2 + (n - order) * o]


def test_the_error_at_rest_has_the_shape_that_decay_and_teacher_give():
    poles = np.array([0.6, -0.4])
    teacher = LinearRNN([[1.0, 0.7]], np.diag(poles), [[1.0], [1.0]])
    net, R, _ = draw(9, 2, 1, 1)
    net = LinearRNN(0.3 * net.A, net.W, 0.3 * net.B)
    end = train_flow(RFLO(R, DECAY), net, teacher, [0.0, 3000.0], rtol=1e-6, atol=1e-9).student
    z = np.exp(-1j * np.linspace(0, np.pi, 20))
    gap = np.abs(end.transfer(z) - teacher.transfer(z))[:, 0, 0]
    shape = np.abs(z - DECAY) / np.abs((1 - poles[0] * z) * (1 - poles[1] * z))
    assert gap.max() > 1e-4
    assert_allclose(gap / shape, (gap / shape).mean(), rtol=1e-3)


@pytest.mark.parametrize("n", [1, 2, 4, 6])
def test_the_gradient_confined_to_the_feedback_asks_what_the_gradient_asks(n):
    rng = np.random.default_rng(n)
    net, R = random_network(rng, n, radius=0.7), rng.standard_normal((1, n))
    teachers = random_network(rng, 14, radius=0.8, batch=(60,))
    update = BPTT().update(net, teachers)
    onto = R.T @ R / (R @ R.T)
    whole = np.hstack([part.reshape(60, -1) for part in update])
    confined = np.hstack([part.reshape(60, -1) for part in (update.A, onto @ update.W, onto @ update.B)])

    def rank(asked):
        size = np.linalg.svd(asked - asked.mean(axis=0), compute_uv=False)
        return np.sum(size > 1e-9 * size[0])

    assert rank(whole) == rank(confined) == rank(np.hstack([whole, confined])) == 2 * n
