"""Backpropagation through time

Write `bptt(A, W, B, inputs, target)`: the gradient of $\\tfrac12 \\lVert e_T \\rVert^2$ by $A$, $W$ and $B$ for one sequence of
inputs of shape $(T, m)$ and a target of shape $(o)$, as a tuple. Use NumPy alone, and one pass forward and one backward.
"""

import numpy as np

ABOUT = "thm-bptt-unrolled"


def bptt(A, W, B, inputs, target):
    """The gradient (dA, dW, dB) of half the squared error at the end of one sequence."""
    states = [np.zeros(len(W))]
    for x in inputs:
        states.append(W @ states[-1] + B @ x)
    error = A @ states[-1] - target
    sent = A.T @ error
    dW, dB = np.zeros_like(W), np.zeros_like(B)
    for h, x in zip(states[-2::-1], inputs[::-1]):
        dW, dB = dW + np.outer(sent, h), dB + np.outer(sent, x)
        sent = W.T @ sent
    return np.outer(error, states[-1]), dW, dB


def visible(answer):
    dA, dW, dB = answer(*(np.array([[w]]) for w in (2.0, 0.5, 1.0)), np.array([[1.0], [1.0], [2.0]]), np.array([1.5]))
    assert np.allclose(dA, 4 * 2.75), "exercise 4.1: the error is 4 and h_3 is 2.75"
    assert np.allclose(dW, 16), "exercise 4.1: the gradient by w is 16"


def hidden(answer, rng):
    n, o, m, T = 4, 2, 3, 6
    shapes = ((o, n), (n, n), (n, m))
    weights = [rng.normal(size=shape) / 2 for shape in shapes]
    inputs, target = rng.normal(size=(T, m)), rng.normal(size=o)

    def half_squared_error(A, W, B):
        h = np.zeros(n)
        for x in inputs:
            h = W @ h + B @ x
        return np.sum((A @ h - target) ** 2) / 2

    for i, (name, got) in enumerate(zip("AWB", answer(*weights, inputs, target))):
        for place in np.ndindex(shapes[i]):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [weight.copy() for weight in weights]
                moved[i][place] += step
                ends.append(half_squared_error(*moved))
            slope = (ends[0] - ends[1]) / 2e-5
            assert np.isclose(got[place], slope, rtol=1e-4, atol=1e-6), (
                f"d{name}{list(place)}: central differences give {slope:.4f}"
            )


def slip(A, W, B, inputs, target):
    states = [np.zeros(len(W))]
    for x in inputs:
        states.append(W @ states[-1] + B @ x)
    error = A @ states[-1] - target
    sent = A.T @ error
    dW, dB = np.zeros_like(W), np.zeros_like(B)
    for h, x in zip(states[-2::-1], inputs[::-1]):
        sent = W.T @ sent  # one step early
        dW, dB = dW + np.outer(sent, h), dB + np.outer(sent, x)
    return np.outer(error, states[-1]), dW, dB
