"""The package against published ones: python-control for norms and Gramians, braintrace for online learning rules."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lrnnbook import LinearRNN, loss
from lrnnbook.rules import BPTT, RFLO, EProp
from lrnnbook.stein import gramians, squares


def random_network(rng, o, n, m, radius=0.85):
    W = rng.standard_normal((n, n))
    W *= radius / np.abs(np.linalg.eigvals(W)).max()
    return LinearRNN(rng.standard_normal((o, n)), W, rng.standard_normal((n, m)))


def joint_system(student, teacher):
    """C, F, G of the network whose output is the error."""
    n, n_ = student.n, teacher.n
    F = np.block([[student.W, np.zeros((n, n_))], [np.zeros((n_, n)), teacher.W]])
    return np.hstack([student.A, -teacher.A]), F, np.vstack([student.B, teacher.B])


@pytest.fixture
def control():
    return pytest.importorskip("control")


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_half_a_squared_h2_norm(control, seed):
    rng = np.random.default_rng(seed)
    student, teacher = random_network(rng, 2, 4, 3), random_network(rng, 2, 3, 3)
    C, F, G = joint_system(student, teacher)
    norm = control.norm(control.ss(F, G, C, 0, True), 2)
    assert_allclose(loss(student, teacher), norm**2 / 2, rtol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_from_the_two_gramians_of_the_joint_system(control, seed):
    """With F P F^T + G G^T = P and F^T Q F + C^T C = Q the gradient by F is Q F P, by G Q G, by C C P."""
    rng = np.random.default_rng(seed)
    n = 5
    student, teacher = random_network(rng, 2, n, 3), random_network(rng, 2, 3, 3)
    C, F, G = joint_system(student, teacher)
    P, Q = control.dlyap(F, G @ G.T), control.dlyap(F.T, C.T @ C)
    powers, powers_ = squares(student=student.W, teacher=teacher.W)
    ours = np.vstack(gramians(powers, student.B, powers_, teacher.B))
    assert_allclose(ours, P[:, :n], atol=1e-11 * np.abs(P).max())
    update = BPTT().update(student, teacher)
    for delta, expected in ((update.A, (C @ P)[:, :n]), (update.W, (Q @ F @ P)[:n, :n]), (update.B, (Q @ G)[:n])):
        assert_allclose(delta, expected, atol=1e-10 * np.abs(expected).max())


@pytest.fixture(scope="module")
def braintrace():
    """In double precision; warnings of packages that are not ours are theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = pytest.importorskip("braintrace")
        import brainstate
        import jax

        jax.config.update("jax_enable_x64", True)
        brainstate.environ.set(precision=64)
    return package


def online_update(braintrace, algorithm, student, leak, R, inputs, target, **options):
    """Delta W and Delta B of one sequence, by braintrace on h <- leak h + J h + B x with J = W - leak I."""
    import brainstate
    import jax
    import jax.numpy as jnp

    class Cell(brainstate.nn.Module):
        def __init__(self):
            super().__init__()
            self.J = brainstate.ParamState(jnp.asarray((student.W - leak * np.eye(student.n)).T))
            self.B = brainstate.ParamState(jnp.asarray(student.B.T))
            self.h = brainstate.HiddenState(jnp.zeros(student.n))

        def update(self, x):
            h = self.h.value
            self.h.value = leak * h + braintrace.matmul(h, self.J.value) + braintrace.matmul(x, self.B.value)
            return self.h.value

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cell, x = Cell(), jnp.asarray(inputs)
        learner = braintrace.compile(cell, getattr(braintrace, algorithm), x[0], **options)
        for x_t in x[:-1]:
            learner(x_t)

        def last_error():
            h = learner(x[-1])
            sent = jax.lax.stop_gradient((student.A @ h - target) @ R)  # feedback of our choice
            return jnp.sum(sent * h)

        gradient = brainstate.transform.grad(last_error, {"J": cell.J, "B": cell.B})()
    return np.asarray(gradient["J"]).T, np.asarray(gradient["B"]).T


@pytest.mark.parametrize(
    "algorithm, options, rule",
    [
        ("D_RTRL", {}, "RFLO"),
        ("EProp", {}, "RFLO"),
        ("OSTLRecurrent", {}, "e-prop"),
        ("SnAp", {"n": 1}, "e-prop"),
        ("SnAp", {"n": 4}, "BPTT"),
    ],
)
def test_braintrace_runs_the_same_rules(braintrace, algorithm, options, rule):
    rng, leak = np.random.default_rng(5), 0.6
    student, R = random_network(rng, 2, 4, 3), rng.standard_normal((2, 4))
    inputs, target = rng.standard_normal((6, 3)), rng.standard_normal(2)
    R = student.A if rule == "BPTT" else R
    ours = {"RFLO": RFLO(R, leak), "e-prop": EProp(R), "BPTT": BPTT()}[rule]
    update = ours.sampled_update(student, inputs[None], target[None])
    W, B = online_update(braintrace, algorithm, student, leak, R, inputs, target, **options)
    for delta, expected in ((update.W, W), (update.B, B)):
        assert_allclose(delta, expected, atol=1e-12 * np.abs(expected).max())
