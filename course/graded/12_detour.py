"""How long is a detour?

Write `detour(rule, start, target, times)`: the length of the path in $(a, b, w)$ that a mode takes under a rule, divided by the
straight distance between its ends. `start` and `target` are `lb.Mode`, and `times` an array fine enough to follow the path. Use
`lb.integrate`.
"""

import numpy as np

import lrnnbook as lb

ABOUT = "ex-det-short"


def detour(rule, start, target, times):
    """The length of a path over the distance of its ends."""
    run = lb.integrate(rule, start, target, times)
    path = np.stack([run.a, run.b, run.w], axis=-1)
    length = np.linalg.norm(np.diff(path, axis=0), axis=-1).sum()
    return length / np.linalg.norm(path[-1] - path[0])


def visible(answer):
    straight = answer(lb.BPTT(), lb.Mode(1.0, 1.0, 0.0), lb.Mode(0.5, 0.5, 0.0), np.linspace(0, 5, 201))
    assert np.isclose(straight, 1.0, atol=1e-3), "a = b and no memory: the path is straight"


def hidden(answer, rng):
    from scipy.integrate import solve_ivp

    target = lb.Mode(1.0, 1.0, rng.uniform(0.5, 0.8))
    start = lb.Mode(*rng.uniform(0.8, 1.2, 2), rng.uniform(0.0, 0.1))
    r, decay = -rng.uniform(0.8, 1.2), rng.uniform(0.2, 0.5)

    def flow(_, x):
        a, b, w = x
        value = {z: a * b / (1 - w * z) - 1 / (1 - target.w * z) for z in (w, decay)}
        return [-b * value[w], -r * value[decay], -r * b * (value[w] - value[decay]) / (w - decay)]

    times = np.linspace(0, 0.6, 601)
    path = solve_ivp(flow, (0, 0.6), [start.a, start.b, start.w], t_eval=times, rtol=1e-9, atol=1e-11).y.T
    expected = np.linalg.norm(np.diff(path, axis=0), axis=1).sum() / np.linalg.norm(path[-1] - path[0])
    got = answer(lb.RFLO(r, decay), start, target, times)
    assert np.isclose(got, expected, rtol=1e-3), (
        f"RFLO with r = {r:.2f}: the path is {expected:.4f} times the distance, not {got:.4f}"
    )


def slip(rule, start, target, times):
    run = lb.integrate(rule, start, target, times)
    path = np.stack([run.a, run.b, run.w], axis=-1)
    goal = np.array([target.a, target.b, target.w])
    return np.linalg.norm(np.diff(path, axis=0), axis=-1).sum() / np.linalg.norm(goal - path[0])  # not where the path ends
