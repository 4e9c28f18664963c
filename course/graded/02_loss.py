"""The loss of a network at a horizon

Write `loss_at(student, teacher, T)`, the loss at horizon $T$ of two networks under white input. Each is a tuple $(A, W, B)$ of
arrays, and they may have different numbers of hidden units. Use the impulse responses, and only NumPy.
"""

import numpy as np

import lrnnbook as lb

ABOUT = "thm-st-loss"


def loss_at(student, teacher, T):
    """The loss of `student` = (A, W, B) against `teacher` = (A, W, B) at horizon T."""
    total = 0.0
    (A, W, B), (A_star, W_star, B_star) = student, teacher
    for _ in range(T):
        total += np.sum((A @ B - A_star @ B_star) ** 2) / 2
        B, B_star = W @ B, W_star @ B_star
    return total


def visible(answer):
    one = np.ones((1, 1))
    assert np.isclose(answer((one, 0.5 * one, one), (one, 0 * one, one), 2), 0.125), "K = 1, 0.5 against 1, 0: half of 0.25"


def hidden(answer, rng):
    for T in (1, 2, 7):
        o, m = rng.integers(1, 4, 2)
        student, teacher = (lb.random_network(rng, n, int(o), int(m)) for n in (4, 3))
        got = answer((student.A, student.W, student.B), (teacher.A, teacher.W, teacher.B), T)
        inputs = np.eye(T * m).reshape(T * m, T, m)  # every unit pulse at every step: their squared errors add up
        errors = lb.simulate(student, inputs)[..., -1, :] - lb.simulate(teacher, inputs)[..., -1, :]
        assert np.isclose(got, np.sum(errors**2) / 2), f"T = {T}, {m} inputs, {o} outputs: the pulses give another loss"


def slip(student, teacher, T):
    (A, W, B), (A_star, W_star, B_star) = student, teacher
    powers = range(1, T + 1)  # the first lag is 0
    return sum(
        np.sum((A @ np.linalg.matrix_power(W, k) @ B - A_star @ np.linalg.matrix_power(W_star, k) @ B_star) ** 2) / 2
        for k in powers
    )
