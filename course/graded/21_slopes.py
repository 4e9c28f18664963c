"""Backpropagation through units that saturate

The units are $h_t = \\tanh(W h_{t-1} + B x_{t-1})$, the output is $y_T = A h_T$. Write `tanh_bptt(A, W, B, inputs, target)`:
the gradient of $\\tfrac12 \\lVert e_T \\rVert^2$ by $A$, $W$ and $B$ for one sequence, as a tuple.
"""

import numpy as np

ABOUT = "def-lc-tanh"


def tanh_bptt(A, W, B, inputs, target):
    """The gradient (dA, dW, dB) of half the squared error of a network of tanh units."""
    states = [np.zeros(len(W))]
    for x in inputs:
        states.append(np.tanh(W @ states[-1] + B @ x))
    error = A @ states[-1] - target
    sent = A.T @ error
    dW, dB = np.zeros_like(W), np.zeros_like(B)
    for new, old, x in zip(states[:0:-1], states[-2::-1], inputs[::-1]):
        arrived = (1 - new**2) * sent
        dW, dB = dW + np.outer(arrived, old), dB + np.outer(arrived, x)
        sent = W.T @ arrived
    return np.outer(error, states[-1]), dW, dB


def visible(answer):
    one = np.ones((1, 1))
    _, _, dB = answer(one, 0 * one, one, one, np.zeros(1))
    assert np.allclose(dB, (1 - np.tanh(1) ** 2) * np.tanh(1)), "exercise 21.1 with r = a = u = 1"


def hidden(answer, rng):
    n, o, m, T = 3, 2, 2, 5
    shapes = ((o, n), (n, n), (n, m))
    weights = [rng.normal(size=shape) for shape in shapes]
    inputs, target = rng.normal(size=(T, m)), rng.normal(size=o)

    def half_squared_error(A, W, B):
        h = np.zeros(n)
        for x in inputs:
            h = np.tanh(W @ h + B @ x)
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
        states.append(np.tanh(W @ states[-1] + B @ x))
    error = A @ states[-1] - target
    sent = A.T @ error
    dW, dB = np.zeros_like(W), np.zeros_like(B)
    for old, x in zip(states[-2::-1], inputs[::-1]):
        dW, dB = dW + np.outer(sent, old), dB + np.outer(sent, x)  # without the slopes
        sent = W.T @ sent
    return np.outer(error, states[-1]), dW, dB
