"""What each panel computes, in a browser, against the package on random states."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from chromium import need_chromium
from lab_page import PANELS, asked
from peers_of_panels import PerUnitRFLO, trained
from scipy.optimize import least_squares, minimize

import lrnnbook as lb

TIGHT = {"rel": 1e-8, "abs": 1e-8}


def waiting(rng):
    """Losses of the four rules over time; and the time at which a loss is half of that at zero, where interpolation allows."""
    given = {"size": 10 ** rng.uniform(-4, 0), "feedback": rng.uniform(0.3, 2)}
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


def rules_of_modes(given):
    r, decay = given["r"], given["decay"]
    return {"BPTT": lb.BPTT(), "one-step tBPTT": lb.TruncatedBPTT(), "e-prop": lb.EProp(r), "RFLO": lb.RFLO(r, decay)}


def trained_or_none(rule, start, teacher, found, **options):
    """The network after some steps; None if it has left the stable ones, where the panel has to stop too."""
    try:
        return trained(rule, start, teacher, **options)
    except ValueError as error:
        assert "spectral radius" in str(error) and found["at"] is None
        return None


LAWS = {
    "BPTT": lambda a, b, w, r, decay: a**2 - b**2,
    "one-step tBPTT": lambda a, b, w, r, decay: a**2 - b**2 - w**2,
    "e-prop": lambda a, b, w, r, decay: r * a - b**2 / 2,
    "RFLO": lambda a, b, w, r, decay: r * a - (b**2 + (w - decay) ** 2) / 2,
}


def flow(rng):
    """Two rules from one start: runs and exits, that each stays on its leaf, and which solutions hold the rule."""
    names = rng.choice(list(LAWS), 2, replace=False)
    given = {"rule": names[0], "other": names[1], "decay": rng.uniform(-0.9, 0.9), "r": rng.uniform(-2, 2)}
    given |= {key: rng.uniform(-1, 1) * size for key, size in {"a": 2, "b": 2, "w": 0.9, "a_": 1.5, "b_": 1.5, "w_": 0.8}.items()}
    of = rules_of_modes(given)
    start, target = lb.Mode(given["a"], given["b"], given["w"]), lb.Mode(given["a_"], given["b_"], given["w_"])

    def hold(found):
        assert [run["name"] for run in found["runs"]] == list(names)
        for name, run in zip(names, found["runs"]):
            expected = lb.integrate(of[name], start, target, np.linspace(0, 8, 201), rtol=1e-11, atol=1e-13)
            assert (np.inf if run["exit"] is None else run["exit"]) == pytest.approx(expected.exit_time, abs=1e-6)
            states = np.array([state or [np.nan] * 3 for state in run["states"]])
            assert states == pytest.approx(np.transpose(expected[:3]), nan_ok=True, **TIGHT)
            kept = LAWS[name](*np.transpose([state for state in run["states"] if state]), given["r"], given["decay"])
            assert kept == pytest.approx(run["law"], abs=1e-6 * (1 + abs(run["law"])))
            for w, curve in zip([-0.9, -0.6, -0.3, 0, 0.3, 0.6, 0.9], run["leaf"]):
                a, b = np.transpose(curve)
                kept = LAWS[name](a, b, w, given["r"], given["decay"])
                assert kept == pytest.approx(run["law"], abs=1e-9 * (1 + abs(run["law"])))
            points = [point for point in run["branch"] if point]
            a, b, w = np.transpose([point["at"] for point in points])
            assert a * b == pytest.approx(target.a * target.b)
            rates = lb.decay_rates(of[name], a, lb.Mode(*map(np.array, target)))
            clear = np.abs(np.real(rates)).min(axis=-1) > 1e-6
            assert (np.array([point["held"] for point in points]) == (np.real(rates) < 0).all(axis=-1))[clear].all()

    return given, hold


def stable(rng):
    """The kind of every solution of the map, the two rates at one, and the run."""
    name = rng.choice(["BPTT", "one-step tBPTT", "e-prop", "RFLO"])
    given = {"rule": name, "r": 10 ** rng.uniform(-2, 0), "decay": rng.uniform(-0.9, 0.9), "c": rng.uniform(0.2, 2)}
    given |= {"s": rng.choice([-1, 1]) * rng.uniform(1, 8), "w": rng.uniform(-0.9, 0.9), "away": rng.uniform(-0.1, 0.1)}
    of = rules_of_modes(given)
    s, w = (np.arange(160) + 0.5) / 10 - 8, 0.97 - (np.arange(97)[:, None] + 0.5) * 1.94 / 97

    def hold(found):
        rates = np.real(lb.decay_rates(of[name], s, lb.Mode(given["c"], 1.0, w)))
        kinds = np.array(found["map"], dtype=float)
        clear = np.abs(rates).min(axis=-1) > 1e-9 * np.abs(rates).max(axis=-1)
        assert (kinds == (rates > 0).sum(axis=-1))[clear].all()
        pair = np.array(found["pair"]) @ [1, 1j]
        at = lb.decay_rates(of[name], given["s"], lb.Mode(given["c"], 1.0, given["w"]))
        assert np.sort_complex(pair) == pytest.approx(np.sort_complex(at), **TIGHT)
        target = lb.Mode(given["s"], given["c"] / given["s"], given["w"])
        start = lb.Mode(*(x * (1 + given["away"]) for x in target))
        expected = lb.integrate(of[name], start, target, found["times"], rtol=1e-10, atol=1e-12)
        states = np.array([state or [np.nan] * 3 for state in found["run"]["states"]])
        assert states == pytest.approx(np.transpose(expected[:3]), abs=1e-6, nan_ok=True)

    return given, hold


def rank(rng):
    """Some steps of training under each rule and optimiser, and the spectrum of the change."""
    teacher = lb.LinearRNN(
        A=[[1, 0.5, -0.5], [-0.5, 1, 0.5]], W=np.diag([0.8, 0.5, -0.6]), B=[[1, 0], [0, 1], [0.7, -0.7]]
    )
    of = {
        "BPTT": lambda R, decays: lb.BPTT(),
        "e-prop": lambda R, decays: lb.EProp(R),
        "RFLO": lambda R, decays: lb.RFLO(R, 0.5),
        "RFLO, each unit with its own decay": PerUnitRFLO,
        "RFLO whose feedback learns": lambda R, decays: lb.KolenPollack(R, 0.5, 0.05),
    }
    given = {"rule": rng.choice(list(of)), "adam": rng.random() < 0.5, "decay": rng.random() < 0.5}

    def hold(found):
        start = lb.LinearRNN(*(found["start"][name] for name in "AWB"))
        rule = of[given["rule"]](np.array(found["R"]), np.array(found["decays"]))
        options = {"rate": 0.005 if given["adam"] else 0.02, "weight_decay": 0.02 if given["decay"] else 0.0}
        net = trained_or_none(rule, start, teacher, found, steps=40, adam=bool(given["adam"]), **options)
        if net is None:
            return
        (*_, last) = found["seen"]
        assert len(found["seen"]) == 9
        for name, entry in zip("AWB", (net.A, net.W, net.B)):
            assert np.array(last["net"][name]) == pytest.approx(entry, **TIGHT)
        assert last["values"] == pytest.approx(np.linalg.svd(net.W - start.W, compute_uv=False), **TIGHT)
        assert last["loss"] == pytest.approx(lb.loss(net, teacher), rel=1e-7)

    return given | {"time": 40, "seed": int(rng.integers(1, 1000))}, hold


def trace(rng):
    """The updates from one sequence with an error of 1 at its end, and that a trace times feedback is the same."""
    given = {"input": "noise", "pulse": 3, "seed": int(rng.integers(1, 1000))}
    given |= {"a": rng.normal(), "w": rng.uniform(-0.9, 0.9), "r": rng.normal(), "decay": rng.uniform(-0.9, 0.9)}

    def hold(found):
        student = lb.LinearRNN([[given["a"]]], [[given["w"]]], [[1.0]])
        inputs = np.array(found["x"])[None, :, None]
        targets = lb.simulate(student, inputs)[:, -1] - 1.0
        for (name, rule), seen in zip(rules_of_modes(given).items(), found["rules"]):
            rule = type(rule)([[given["r"]]], *([given["decay"]] if name == "RFLO" else [])) if "R" in rule.arrays else rule
            update = rule.sampled_update(student, inputs, targets)
            assert seen["name"] == name and [seen["W"], seen["B"]] == pytest.approx([update.W.item(), update.B.item()], **TIGHT)
            first = given["r"] if name in ("RFLO", "e-prop") else given["a"]
            assert first * seen["trace"][-1] == pytest.approx(seen["W"], **TIGHT)

    return given, hold


def which_rule(rng):
    """The student, and what is left of each law, with the name that the package gives."""
    given = {"seed": int(rng.integers(1, 31)), "time": int(rng.integers(2, 11)) * 50, "noise": 0}

    def hold(found):
        nets = [lb.LinearRNN(*(net[name] for name in "AWB")) for net in found["snapshots"]]
        expected, verdict = lb.identify_rule(nets), found["verdict"]
        assert verdict["name"] == expected.rule
        for name, residual in expected.residuals.items():
            left = np.nan if verdict["left"][name] is None else verdict["left"][name]
            assert left == pytest.approx(residual, rel=1e-6, abs=1e-9, nan_ok=True)
        rule = {"BPTT": lb.BPTT(), "one-step tBPTT": lb.TruncatedBPTT(), "e-prop": lb.EProp(found["R"])}
        rule = (rule | {"RFLO": lb.RFLO(found["R"], 0.6)})[found["hidden"]]
        net = trained(rule, nets[0], lb.LinearRNN(*(found["teacher"][name] for name in "AWB")), rate=0.02, steps=50)
        for name in "AWB":
            assert getattr(nets[1], name) == pytest.approx(getattr(net, name), **TIGHT)

    return given, hold


def alignment(rng):
    """The modes and cosines of the student as it was turned, and after some learning; and which turn changes nothing."""
    given = {key: float(rng.uniform(-90, 90)) for key in "uvpq"}
    given["rule"] = rng.choice(["BPTT", "one-step tBPTT", "e-prop", "RFLO"])
    modes = lb.Mode(np.array([1, 0.8]), np.ones(2), np.array([0.85, -0.4]))
    eye, R = np.eye(2), 0.8 * np.eye(2)

    def turned(degrees):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        return np.array([[c, -s], [s, c]])

    def hold(found):
        teacher = lb.aligned_network(modes, eye, eye, eye)
        U, V, P, Q = (turned(x) for x in (given["u"], given["v"], given["p"], given["p"] + given["q"]))
        net = lb.LinearRNN(lb.aligned_network(modes, U, V, P).A, Q * modes.w @ Q.T, P * modes.b @ V.T)
        of = {"BPTT": lb.BPTT(), "one-step tBPTT": lb.TruncatedBPTT(), "e-prop": lb.EProp(R), "RFLO": lb.RFLO(R, 0.4)}
        for seen in (found["seen"][0], found["seen"][-1]):
            for name in "AWB":
                assert np.array(seen["net"][name]) == pytest.approx(getattr(net, name), **TIGHT)
            read, cosines = lb.read_modes(net, eye, eye), lb.alignment(net, eye, eye)
            found_modes = np.array([[mode[name] for name in "abw"] for mode in seen["modes"]])
            assert found_modes == pytest.approx(np.transpose([*read]), **TIGHT)
            assert np.array(seen["cosines"]) == pytest.approx(np.transpose(np.array(cosines[:2])), **TIGHT)
            assert seen["loss"] == pytest.approx(lb.loss(net, teacher), rel=1e-7, abs=1e-12)
            if seen is found["seen"][0]:
                net = trained_or_none(of[given["rule"]], net, teacher, found, rate=0.02, steps=20)
            if net is None:
                return

    return given | {"time": 20}, hold


def what_the_loss_sees(rng):
    """Response, transfer function and loss of the changed student; its own weights are built here anew."""
    given = {"turn": rng.uniform(-180, 180), "stretch": rng.uniform(0.3, 4), "pole": rng.uniform(-0.9, 0.9)}
    given |= {"unheard": bool(rng.random() < 0.5), "deaf": bool(rng.random() < 0.5)}

    def hold(found):
        net = lb.LinearRNN(*(found["net"][name] for name in "AWB"))
        two = lb.LinearRNN([[1, 0.6]], np.diag([given["pole"], -0.5]), [[1], [1]])  # the function, without what does not matter
        teacher = lb.LinearRNN([[1, 0.6]], np.diag([0.85, -0.5]), [[1], [1]])
        assert net.n == 2 + given["unheard"] + given["deaf"]
        assert not np.allclose(net.W[:2, :2], two.W, atol=1e-3)
        assert found["response"] == pytest.approx(two.impulse_response(20).ravel(), **TIGHT)
        assert net.impulse_response(20) == pytest.approx(two.impulse_response(20), **TIGHT)
        circle = np.exp(1j * np.linspace(0, np.pi, 121))
        assert found["gain"] == pytest.approx(np.abs(two.transfer(circle)).ravel(), **TIGHT)
        assert found["loss"] == pytest.approx(lb.loss(two, teacher), **TIGHT)

    return given, hold


def poles_and_zeros(rng):
    """Training, poles and zeros, and the best fits with one pole and two by another search."""
    given = {"rule": rng.choice(["BPTT", "one-step tBPTT", "e-prop", "RFLO"]), "units": int(rng.integers(1, 5)), "size": 0.1}
    teacher = lb.LinearRNN([[1, 1, 0.5]], np.diag([0.8, -0.7, 0.2]), np.ones((3, 1)))
    silence = lb.loss(lb.LinearRNN([[0]], [[0]], [[0]]), teacher)

    def fitted(count):
        def left(recurrence):  # its roots, which may be a pair, are the poles
            poles = np.roots([1, *-recurrence]).astype(complex)
            if np.abs(poles).max() >= 1:
                return silence
            heard = teacher.transfer(poles.conj()).ravel()
            gains = np.linalg.lstsq(1 / (1 - np.outer(poles.conj(), poles)), heard, rcond=None)[0]
            return silence - (heard.conj() @ gains).real / 2

        starts = np.random.default_rng(0).uniform(-0.9, 0.9, (12, count))
        return min(minimize(left, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).fun for start in starts)

    def hold(found):
        start = lb.LinearRNN(*(found["seen"][0]["net"][name] for name in "AWB"))
        R = found["R"]
        of = {"BPTT": lb.BPTT(), "one-step tBPTT": lb.TruncatedBPTT(), "e-prop": lb.EProp(R), "RFLO": lb.RFLO(R, 0.2)}
        net = trained_or_none(of[given["rule"]], start, teacher, found, rate=0.02, steps=45)
        if net is None:
            return
        (*_, last) = found["seen"]
        for name in "AWB":
            assert np.array(last["net"][name]) == pytest.approx(getattr(net, name), **TIGHT)
        assert last["loss"] == pytest.approx(lb.loss(net, teacher), rel=1e-7)
        poles = np.array(last["poles"]) @ [1, 1j]
        expected = np.linalg.eigvals(net.W)
        assert np.sort_complex(poles.round(7)) == pytest.approx(np.sort_complex(expected.round(7)), abs=1e-6)
        for zero in np.array(last["zeros"]).reshape(-1, 2) @ [1, 1j]:  # what is sent in at a zero does not come out
            answer = net.A @ np.linalg.solve(zero * np.eye(net.n) - net.W, net.B)
            assert abs(answer.item()) < 1e-6 * np.linalg.norm(np.linalg.solve(zero * np.eye(net.n) - net.W, net.B))
        assert len(last["zeros"]) == given["units"] - 1
        assert [fit["loss"] for fit in found["fits"]] == pytest.approx([fitted(1), fitted(2)], **TIGHT)

    return given | {"time": 45, "seed": int(rng.integers(1, 1000))}, hold


# A function a panel: a random state, and what holds for its solution.
STATES = [waiting, what_the_loss_sees, poles_and_zeros, alignment, trace, flow, stable, which_rule, rank]


def cases():
    return [(of.__name__.replace("_", "-"), *of(np.random.default_rng([7, seed]))) for of in STATES for seed in range(3)]


@pytest.fixture(scope="module")
def solved():
    need_chromium()
    known = cases()
    with ThreadPoolExecutor(1) as pool:  # a thread of its own: other tests hold a Playwright in this one
        solve = """state => { const panel = lab.panels[NAME], found = panel.solve(state);
          panel.grow?.(found, state.time, () => true); found.verdict = panel.verdict?.(state, found); return found; }"""
        questions = [(solve.replace("NAME", repr(name)), state) for name, state, _ in known]
        return [(name, hold, answer) for (name, _, hold), answer in zip(known, pool.submit(asked, questions).result())]


@pytest.mark.parametrize("panel", PANELS)
def test_panel_computes_what_the_package_computes(solved, panel):
    mine = [(hold, answer) for name, hold, answer in solved if name == panel]
    assert mine, f"no comparison of the panel {panel}"
    for hold, answer in mine:
        hold(answer)


@pytest.fixture(scope="module")
def small_students():
    """Students of three units from weights of size 1e-5 through all steps of the panel of poles and zeros, a rule each."""
    need_chromium()
    train = """state => { const panel = lab.panels['poles-and-zeros'], run = panel.solve(state);
      panel.grow(run, 3000, () => true); return run; }"""
    questions = [(train, {"rule": name, "units": 3, "size": 1e-5, "seed": 1}) for name in LAWS]
    with ThreadPoolExecutor(1) as pool:
        return dict(zip(LAWS, pool.submit(asked, questions).result()))


@pytest.mark.parametrize("name", LAWS)
def test_where_small_students_rest(small_students, name):
    """BPTT on two stairs, one-step truncation and RFLO for good where a single unit of theirs does, e-prop not at one pole."""
    found, teacher = small_students[name], lb.LinearRNN([[1, 1, 0.5]], np.diag([0.8, -0.7, 0.2]), np.ones((3, 1)))
    rules = {"BPTT": lb.BPTT(), "one-step tBPTT": lb.TruncatedBPTT(), "e-prop": lb.EProp([[1.0]]), "RFLO": lb.RFLO([[1.0]], 0.2)}

    def unit(a, w):
        return lb.LinearRNN([[a]], [[w]], [[1.0]])

    def pushed(weights):
        return np.ravel(rules[name].update(unit(*weights), teacher))

    rest = least_squares(pushed, [1.5, 0.3], bounds=([0.1, -0.9], [5, 0.9]), xtol=1e-15, ftol=1e-15, gtol=1e-15)
    assert pushed(rest.x) == pytest.approx(0, abs=1e-7)
    assert found["stop"]["pole"] == pytest.approx(rest.x[1], abs=1e-7)
    assert found["stop"]["loss"] == pytest.approx(lb.loss(unit(*rest.x), teacher), **TIGHT)

    losses = np.array([entry["loss"] for entry in found["seen"]])
    heights = [found["fits"][0]["loss"], found["fits"][1]["loss"], found["stop"]["loss"]]
    best, second, own = 15 * (np.abs(losses[:, None] / heights - 1) < 0.03).sum(axis=0)  # steps near each
    if name == "BPTT":
        assert 50 <= best < 500 and second >= 500
    elif name == "e-prop":
        assert best < 50
    else:
        assert best == 0 and own >= 2500
