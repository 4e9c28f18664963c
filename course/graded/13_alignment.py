"""Do input and output meet?

Write `input_output(A, B, u, v)`: the measure of input/output alignment of a mode with output direction $u$ and input direction
$v$, the cosine of the angle between $A^\\top u$ and $B v$.
"""

import numpy as np

import lrnnbook as lb

ABOUT = "prop-modes-measures"


def input_output(A, B, u, v):
    """The cosine between the direction that the readout listens to and the one that the input drives."""
    heard, driven = A.T @ u, B @ v
    return heard @ driven / (np.linalg.norm(heard) * np.linalg.norm(driven))


def visible(answer):
    A, B = np.array([[2.0, 0.0]]), np.array([[3.0], [3.0]])
    assert np.isclose(answer(A, B, np.ones(1), np.ones(1)), np.sqrt(0.5)), "the angle is 45 degrees here"


def hidden(answer, rng):
    for _ in range(5):
        o, m, n = rng.integers(2, 6, 3)
        net = lb.random_network(rng, int(n), int(o), int(m))
        u, v = (np.linalg.qr(rng.normal(size=(size, 1)))[0] for size in (o, m))
        expected = lb.alignment(net, u, v).input_output[0]
        assert np.isclose(answer(net.A, net.B, u[:, 0], v[:, 0]), expected), f"{o} outputs, {m} inputs: expected {expected:.4f}"


def slip(A, B, u, v):
    return u @ A @ B @ v / (np.linalg.norm(A) * np.linalg.norm(B))  # the size of all rows and columns
