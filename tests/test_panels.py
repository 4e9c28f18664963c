"""What each panel computes, in a browser, against the package on random states."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from chromium import need_chromium
from lab_page import PANELS, asked

import lrnnbook as lb

TIGHT = {"rel": 1e-8, "abs": 1e-8}


def waiting(rng):
    """Losses of the four rules over time; and the time at which a loss is half of that at zero, where interpolation allows."""
    given = {"size": 10 ** rng.uniform(-4, 0), "feedback": rng.uniform(0.1, 2)}
    target = lb.Mode(1.0, 1.0, 0.8)
    times = np.linspace(0, 12, 161)

    def hold(found):
        rules = [lb.BPTT(), lb.TruncatedBPTT(), lb.EProp(given["feedback"]), lb.RFLO(given["feedback"], 0.5)]
        for rule, run in zip(rules, found["runs"]):
            start = lb.Mode(given["size"], given["size"], 0.0)
            expected = lb.integrate(rule, start, target, times, rtol=1e-11, atol=1e-13)
            assert np.array(run["losses"]) == pytest.approx(lb.mode_loss(lb.Mode(*expected[:3]), target), **TIGHT)
            finer = np.linspace(0, 12, 4001)
            expected = lb.integrate(rule, start, target, finer)
            left = lb.mode_loss(lb.Mode(*expected[:3]), target) < lb.mode_loss(lb.Mode(0.0, 0.0, 0.0), target) / 2
            assert run["wait"] == pytest.approx(finer[left.argmax()], abs=0.01)

    return given, hold


STATES = [waiting]  # a function a panel: a random state, and what holds for its solution


def cases():
    return [(of.__name__.replace("_", "-"), *of(np.random.default_rng([7, seed]))) for of in STATES for seed in range(3)]


@pytest.fixture(scope="module")
def solved():
    need_chromium()
    known = cases()
    with ThreadPoolExecutor(1) as pool:  # a thread of its own: other tests hold a Playwright in this one
        questions = [(f"state => lab.panels[{name!r}].solve(state)", state) for name, state, _ in known]
        return [(name, hold, answer) for (name, _, hold), answer in zip(known, pool.submit(asked, questions).result())]


@pytest.mark.parametrize("panel", PANELS)
def test_panel_computes_what_the_package_computes(solved, panel):
    mine = [(hold, answer) for name, hold, answer in solved if name == panel]
    assert mine, f"no comparison of the panel {panel}"
    for hold, answer in mine:
        hold(answer)
