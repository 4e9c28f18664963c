"""RFLO, forward

Write `rflo(A, W, B, R, decay, inputs, target)`: the update of RFLO for one sequence of inputs of shape $(T, m)$ and a target of
shape $(o)$, as a tuple $(\\Delta A, \\Delta W, \\Delta B)$. Keep no past states: carry the traces forward.
"""

import numpy as np

ABOUT = "def-rflo"


def rflo(A, W, B, R, decay, inputs, target):
    """The update (dA, dW, dB) of RFLO at the end of one sequence."""
    h, p, q = np.zeros(len(W)), np.zeros(len(W)), np.zeros(B.shape[1])
    for x in inputs:
        p, q = decay * p + h, decay * q + x
        h = W @ h + B @ x
    error = A @ h - target
    return np.outer(error, h), np.outer(R.T @ error, p), np.outer(R.T @ error, q)


def visible(answer):
    one = np.ones((1, 1))
    dA, dW, dB = answer(one, 0 * one, one, 2 * one, 0.5, np.ones((3, 1)), np.zeros(1))
    assert np.allclose(dA, 1) and np.allclose(dB, 2 * 1.75), "constant input: the input's trace is 1 + 0.5 + 0.25"
    assert np.allclose(dW, 2 * 1.5), "the state's trace has seen the states 0, 1, 1 and not the last one"


def hidden(answer, rng):
    n, o, m, T = 5, 2, 3, 8
    A, W, B, R = (rng.normal(size=shape) / 2 for shape in ((o, n), (n, n), (n, m), (o, n)))
    decay, inputs, target = rng.uniform(-0.9, 0.9), rng.normal(size=(T, m)), rng.normal(size=o)
    states = [np.zeros(n)]
    for x in inputs:
        states.append(W @ states[-1] + B @ x)
    error = A @ states[T] - target
    sent = [decay ** (T - t) * R.T @ error for t in range(1, T + 1)]
    expected = {
        "dA": np.outer(error, states[T]),
        "dW": sum(np.outer(sent[t - 1], states[t - 1]) for t in range(1, T + 1)),
        "dB": sum(np.outer(sent[t - 1], inputs[t - 1]) for t in range(1, T + 1)),
    }
    for (name, literal), got in zip(expected.items(), answer(A, W, B, R, decay, inputs, target)):
        assert np.allclose(got, literal), (
            f"{name}: the literal sum over the past gives something else; are the traces a step late?"
        )


def slip(A, W, B, R, decay, inputs, target):
    h, p, q = np.zeros(len(W)), np.zeros(len(W)), np.zeros(B.shape[1])
    for x in inputs:
        h = W @ h + B @ x
        p, q = decay * p + h, decay * q + x  # after the state has moved on
    error = A @ h - target
    return np.outer(error, h), np.outer(R.T @ error, p), np.outer(R.T @ error, q)
