"""Name the rule

Two snapshots of a network's weights, before and after some training. Write `name_it(before, after)`, each a tuple $(A, W, B)$,
which returns "BPTT" or "one step": the rule whose conserved matrix has changed less, relative to the change of $W W^\\top + B
B^\\top$.
"""

import numpy as np

import lrnnbook as lb

ABOUT = "ex-wh-hand"


def name_it(before, after):
    """The name of the rule that moved the weights."""

    def laws(A, W, B):
        moved = W @ W.T + B @ B.T
        return {"BPTT": moved - A.T @ A - W.T @ W, "one step": moved - A.T @ A}

    start, end = laws(*before), laws(*after)
    return min(start, key=lambda rule: np.linalg.norm(end[rule] - start[rule]))


def visible(answer):
    zero = np.zeros((2, 2))
    assert answer((zero, zero, zero), (np.eye(2), np.eye(2), zero)) == "one step", (
        "A'A and WW' grow alike, W'W stays uncompensated"
    )


def hidden(answer, rng):
    rules = {"BPTT": lb.BPTT(), "one step": lb.TruncatedBPTT(steps=1)}
    for name in rng.permutation(["BPTT", "one step"] * 3):
        student, teacher = lb.random_network(rng, 4, 2, 2, radius=0.7), lb.random_network(rng, 3, 2, 2, radius=0.8)
        end = lb.train(rules[name], student, teacher, 2e-3, 100).student
        got = answer((student.A, student.W, student.B), (end.A, end.W, end.B))
        assert got == name, f"a student that was trained by {name} was taken for one of {got}"


def slip(before, after):
    A, W, B = after
    A0, W0, B0 = before
    change = {"one step": W @ W.T + B @ B.T - A.T @ A - (W0 @ W0.T + B0 @ B0.T - A0.T @ A0)}
    change["BPTT"] = change["one step"] + W.T @ W - W0.T @ W0  # the sign of the last term
    return min(change, key=lambda rule: np.linalg.norm(change[rule]))
