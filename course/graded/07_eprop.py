"""e-prop, forward

Write `eprop(A, W, B, R, inputs, target)`: the update of e-prop for one sequence of inputs of shape $(T, m)$ and a target of
shape $(o)$, as a tuple $(\\Delta A, \\Delta W, \\Delta B)$. Each connection keeps a trace, which fades as its receiving unit
does.
"""

import numpy as np

ABOUT = "thm-eprop-online"


def eprop(A, W, B, R, inputs, target):
    """The update (dA, dW, dB) of e-prop at the end of one sequence."""
    h, p, q = np.zeros(len(W)), np.zeros_like(W), np.zeros_like(B)
    own = np.diag(W)[:, None]
    for x in inputs:
        p, q = own * p + h, own * q + x
        h = W @ h + B @ x
    error = A @ h - target
    signal = (R.T @ error)[:, None]
    return np.outer(error, h), signal * p, signal * q


def visible(answer):
    one = np.ones((1, 1))
    _, dW, dB = answer(one, 0.5 * one, one, one, np.ones((2, 1)), np.zeros(1))
    assert np.allclose(dB, 1.5 * 1.5), "one unit: the trace of the input is 1.5, and so is the error"
    assert np.allclose(dW, 1.5), "one unit: the trace of the state is 1"


def hidden(answer, rng):
    n, o, m, T = 5, 2, 3, 7
    A, W, B, R = (rng.normal(size=shape) / 2 for shape in ((o, n), (n, n), (n, m), (o, n)))
    inputs, target = rng.normal(size=(T, m)), rng.normal(size=o)
    states = [np.zeros(n)]
    for x in inputs:
        states.append(W @ states[-1] + B @ x)
    error = A @ states[T] - target
    powers = [np.diag(np.diag(W) ** (T - t)) for t in range(1, T + 1)]
    expected = {
        "dA": np.outer(error, states[T]),
        "dW": sum(power @ np.outer(R.T @ error, states[t]) for t, power in enumerate(powers)),
        "dB": sum(power @ np.outer(R.T @ error, inputs[t]) for t, power in enumerate(powers)),
    }
    for (name, literal), got in zip(expected.items(), answer(A, W, B, R, inputs, target)):
        assert np.allclose(got, literal), (
            f"{name}: the literal sum gives something else; does the trace fade as its receiver does?"
        )


def slip(A, W, B, R, inputs, target):
    h, p, q = np.zeros(len(W)), np.zeros_like(W), np.zeros_like(B)
    for x in inputs:
        p, q = np.diag(W) * p + h, np.diag(W)[:, None] * q + x  # as the sender does
        h = W @ h + B @ x
    error = A @ h - target
    signal = (R.T @ error)[:, None]
    return np.outer(error, h), signal * p, signal * q
