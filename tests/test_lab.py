"""The engine of the panels, in a browser, against the package: the same random states, the same numbers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from chromium import need_chromium
from lab_page import asked
from peers_of_panels import PerUnitRFLO, trained

import lrnnbook as lb

RULES = """const rules = ({R, decay, decays}) => [lab.rules.BPTT(), lab.rules.TruncatedBPTT(), lab.rules.TruncatedBPTT(3),
  lab.rules.RFLO(R, decay), lab.rules.EProp(R), lab.rules.PerUnitRFLO(R, decays)];"""
TARGET = lb.Mode(1.0, 0.8, 0.7)
TIMES = [0.0, 0.1, 0.5, 1.0, 2.5, 6.0]
TIGHT = {"rel": 1e-8, "abs": 1e-8}


def rules(R, decay, decays):
    return [lb.BPTT(), lb.TruncatedBPTT(), lb.TruncatedBPTT(3), lb.RFLO(R, decay), lb.EProp(R), PerUnitRFLO(R, decays)]


def spoken(net):
    return {"A": net.A, "W": net.W, "B": net.B}


def networks(seed, n, n_, o, m):
    rng = np.random.default_rng(seed)
    student, teacher = (lb.random_network(rng, size, o, m, radius=radius) for size, radius in ((n, 0.8), (n_, 0.9)))
    return student, teacher, {"R": rng.normal(size=(o, n)), "decay": rng.uniform(-0.9, 0.9), "decays": rng.uniform(-0.9, 0.9, n)}


CASES = [networks(*case) for case in ((0, 1, 1, 1, 1), (1, 4, 2, 2, 1), (2, 12, 3, 2, 3), (3, 2, 5, 1, 2))]
rng = np.random.default_rng(4)
MODES = [([*rng.normal(size=2), rng.uniform(-0.9, 0.9)], rng.normal(), rng.uniform(-0.9, 0.9)) for _ in range(8)]
MATRICES = [rng.normal(size=shape) for shape in ((1, 1), (2, 2), (5, 5), (12, 12), (7, 3), (2, 6))] + [
    np.zeros((3, 3)),
    np.ones((4, 4)),
    np.roll(np.eye(5), 1, axis=0),
    np.diag([0.5, 0.5, -0.5]),
]


def of_mode(r, decay):
    return rules(np.array([[r]]), decay, np.array([decay]))[:5]


def questions():
    for student, teacher, brought in CASES:
        given = {"student": spoken(student), "teacher": spoken(teacher), **brought}
        yield f"given => {{ {RULES} return rules(given).map(rule => lab.update(rule, given.student, given.teacher)); }}", given
        yield "given => [lab.loss(given.student, given.teacher), lab.impulseResponse(given.student, 30)]", given
    for mode, r, decay in MODES:
        given = {"mode": mode, "target": list(TARGET), "R": [[r]], "decay": decay, "decays": [decay], "times": TIMES}
        yield (
            f"""given => {{ {RULES} return rules(given).slice(0, 5).map(rule => ({{
              update: lab.modeUpdate(rule, given.mode, given.target), jacobian: lab.jacobian(rule, given.mode, given.target),
              loss: lab.modeLoss(given.mode, given.target),
              flow: lab.flow(rule, given.mode, given.target, given.times)}})); }}""",
            given,
        )
    for X in MATRICES:
        square = X.shape[0] == X.shape[1]
        yield f"X => ({{svd: lab.svd(X), rank: lab.effectiveRank(X), eigenvalues: {'lab.eigenvalues(X)' if square else 0}}})", X
    student, teacher, brought = CASES[2]
    given = {"student": spoken(student), "teacher": spoken(teacher), **brought}
    for options in ({"rate": 0.001}, {"rate": 0.001, "adam": True}, {"rate": 0.001, "weightDecay": 0.1}):
        for rule in ("RFLO(given.R, given.decay)", "KolenPollack(given.R, given.decay, 0.3)"):
            yield (
                f"""given => {{ let at = {{net: given.student, rule: lab.rules.{rule}}};
                  for (let i = 0; i < 20; i++) at = lab.trainingStep(at, given.teacher, given.options); return at.net; }}""",
                {**given, "options": options},
            )
    yield (
        "given => [lab.update(lab.rules.BPTT(), given, given), lab.loss(given, given), lab.stein([[2]], [[1]], [[1]])]",
        {"A": [[1]], "W": [[1.1]], "B": [[1]]},
    )
    yield "seed => { const r = lab.random(seed); return Array.from({length: 4000}, () => [r.uniform(), r.normal()]); }", 7


@pytest.fixture(scope="module")
def answers():
    need_chromium()
    with ThreadPoolExecutor(1) as pool:  # a thread of its own: other tests hold a Playwright in this one
        return iter(pool.submit(asked, list(questions())).result())


def test_engine(answers):
    for student, teacher, brought in CASES:
        for rule, found in zip(rules(**brought), next(answers)):
            for name, entry in zip("AWB", rule.update(student, teacher)):
                assert np.array(found[name]) == pytest.approx(entry, **TIGHT), (rule, name)
        loss, response = next(answers)
        assert loss == pytest.approx(lb.loss(student, teacher), rel=1e-9)
        assert np.array(response) == pytest.approx(student.impulse_response(30), **TIGHT)
    for mode, r, decay in MODES:
        for rule, found in zip(of_mode(r, decay), next(answers)):
            of = lb.RFLO(r, decay) if isinstance(rule, lb.RFLO) else lb.EProp(r) if isinstance(rule, lb.EProp) else rule
            start = lb.Mode(*mode)
            assert found["update"] == pytest.approx([*map(float, of.mode_update(start, TARGET))], rel=1e-9, abs=1e-9)
            assert np.array(found["jacobian"]) == pytest.approx(lb.jacobian(of, start, TARGET), **TIGHT)
            assert found["loss"] == pytest.approx(lb.mode_loss(start, TARGET), rel=1e-9)
            expected = lb.integrate(of, start, TARGET, TIMES, rtol=1e-11, atol=1e-13)
            exit_time = np.inf if found["flow"]["exit"] is None else found["flow"]["exit"]
            assert exit_time == pytest.approx(expected.exit_time, abs=1e-6)
            for i, state in enumerate(found["flow"]["states"]):
                at = [float(part[i]) for part in expected[:3]]
                assert np.isnan(at[0]) if state is None else state == pytest.approx(at, **TIGHT)
    for X in MATRICES:
        found = next(answers)
        U, s, V = (np.array(found["svd"][part]) for part in "UsV")
        assert s == pytest.approx(np.linalg.svd(X, compute_uv=False), abs=1e-12 * (1 + np.abs(X).max()))
        assert U * s @ V.T == pytest.approx(X, abs=1e-12)
        assert found["rank"] == pytest.approx(lb.effective_rank(X), abs=1e-9)
        if X.shape[0] == X.shape[1]:
            eigenvalues, expected = np.array(found["eigenvalues"]) @ [1, 1j], np.linalg.eigvals(X)
            assert np.sort_complex(eigenvalues.round(9)) == pytest.approx(np.sort_complex(expected.round(9)), abs=1e-8)
    student, teacher, brought = CASES[2]
    for options in ({}, {"adam": True}, {"weight_decay": 0.1}):
        for rule in (lb.RFLO(brought["R"], brought["decay"]), lb.KolenPollack(brought["R"], brought["decay"], 0.3)):
            expected, found = trained(rule, student, teacher, **options), next(answers)
            for name, entry in zip("AWB", (expected.A, expected.W, expected.B)):
                assert np.array(found[name]) == pytest.approx(entry, **TIGHT), (rule, options)
    assert next(answers) == [None, None, None]  # what does not converge
    uniform, normal = np.transpose(next(answers))
    assert 0 <= uniform.min() and uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 5 / np.sqrt(12 * 4000) and abs(normal.mean()) < 5 / np.sqrt(4000)
    assert abs(normal.std() - 1) < 5 / np.sqrt(2 * 4000)
