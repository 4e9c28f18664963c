"""Where RFLO can go

One output, one input, $n$ units. The leaf of a start $(A_0, W_0, B_0)$ under RFLO with feedback row $R$ and decay $\\hat w$ is
given by the numbers in $z = (z_w, z_b)$. Write `on_leaf(A0, W0, B0, R, decay, z)`: the student $(A, W, B)$ that $z$, of shape
$(n + 1)$, leads to. `A0` and `R` have shape $(1, n)$, `B0` has $(n, 1)$.
"""

import numpy as np

ABOUT = "thm-re-leaf"


def on_leaf(A0, W0, B0, R, decay, z):
    """The student (A, W, B) on the leaf of the start."""
    z = np.asarray(z)
    W, B = W0 + R.T @ z[None, :-1], B0 + R.T * z[-1]
    column = A0.T + (W0 - decay * np.eye(len(W0))) @ z[:-1, None] + B0 * z[-1] + z @ z / 2 * R.T
    return column.T, W, B


def visible(answer):
    one = np.ones((1, 1))
    A, W, B = answer(one, 0.5 * one, one, one, 0.5, np.zeros(2))
    assert np.allclose([A, W, B], [one, 0.5 * one, one]), "z = 0 is the start"


def hidden(answer, rng):
    n = 4
    A0, W0, B0, R = (rng.normal(size=shape) for shape in ((1, n), (n, n), (n, 1), (1, n)))
    decay, z = rng.uniform(-0.9, 0.9), rng.normal(size=n + 1)

    def conserved(A, W, B):
        shifted = W - decay * np.eye(n)
        return R.T @ A + A.T @ R - shifted @ shifted.T - B @ B.T

    A, W, B = answer(A0, W0, B0, R, decay, z)
    assert np.allclose(W - W0, R.T @ z[None, :n]) and np.allclose(B - B0, R.T * z[n]), "W and B move along R by z_w and z_b"
    assert np.allclose(conserved(A, W, B), conserved(A0, W0, B0)), "the conserved matrix of RFLO has changed"


def slip(A0, W0, B0, R, decay, z):
    column = A0.T + (W0 - decay * np.eye(len(W0))) @ z[:-1, None] + B0 * z[-1]  # the first step alone
    return column.T, W0 + R.T @ z[None, :-1], B0 + R.T * z[-1]
