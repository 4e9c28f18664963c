"""The update from data: one pass forward through the states, one backward with what the rule sends."""

import numpy as np

from .updates import Update


def backward(F, G, steps, student, x, y):
    """The sampled update; x[t] is x_t of all samples, (..., batch, m), and y the targets of the last or of all steps."""
    h, e = forward_pass(student, x, y)
    T = len(x)
    sent = e @ F.mT  # delta in rows, a sequence each, where an error starts
    if steps < T:
        dW = dB = 0
        for t in range(T, T - steps, -1):
            # The errors have come to the steps up to t; the earliest are through when they arrive at step 0.
            sent = sent[-t:]
            dW = dW + products(sent, h[t - len(sent) : t])
            dB = dB + products(sent, x[t - len(sent) : t])
            sent = sent @ G.mT
    else:
        delta = np.empty(h[1:].shape)
        delta[-1] = sent[-1]
        for t in range(T - 1, 0, -1):  # delta[t - 1] is delta_t
            delta[t - 1] = delta[t] @ G.mT
            if t > T - len(sent):
                delta[t - 1] += sent[t - T - 1]
        dW, dB = products(delta, h[:-1]), products(delta, x)
    return Update(A=products(e, h[-len(y) :]), W=dW, B=dB)


def forward_pass(student, x, y):
    """All states h_0 .. h_T, and the errors of the steps that have a target, each with its share of the mean."""
    drive, WT = x @ student.B.mT, student.W.mT
    h = np.zeros((len(x) + 1, *drive.shape[1:-1], student.n))
    for t, driven in enumerate(drive):
        h[t + 1] = h[t] @ WT + driven
    return h, (h[-len(y) :] @ student.A.mT - y) / (len(y) * y.shape[-2])


def products(left, right):
    """The sum over steps and samples of left right^T: (steps, ..., samples, p), (steps, ..., samples, q) -> (..., p, q)."""
    return (left.mT @ right).sum(axis=0)
