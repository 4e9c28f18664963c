"""What a rule of a reader's own may do, and what it is told when it does what it may not."""

import copy
import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rules_table import PerUnitRFLO, SnAp1, network

import lrnnbook as lb

RNG = np.random.default_rng(1)
STUDENT, TEACHER = network(RNG, radius=0.5), network(RNG, n=4, radius=0.6)
MODE, TARGET = lb.Mode(0.8, 0.9, 0.4), lb.Mode(1.2, 0.7, -0.3)
R, DECAYS = RNG.standard_normal((2, 3)), np.array([0.5, -0.2, 0.7])
X, Y = RNG.standard_normal((4, 6, 2)), RNG.standard_normal((4, 2))


def calls(rule):
    """Everything that can be asked of a rule of networks."""
    return {
        "update": lambda: rule.update(STUDENT, TEACHER),
        "finite": lambda: rule.update(STUDENT, TEACHER, 5),
        "sampled": lambda: rule.sampled_update(STUDENT, X, Y),
        "train": lambda: lb.train(rule, STUDENT, TEACHER, 0.01, 3),
        "train on sequences": lambda: lb.train(rule, STUDENT, TEACHER, 0.01, 3, horizon=4, batch_size=2, seed=0),
        "train_flow": lambda: lb.train_flow(rule, STUDENT, TEACHER, [0.0, 0.1]),
    }


def mode_calls(rule):
    return {
        "mode_update": lambda: rule.mode_update(MODE, TARGET),
        "jacobian": lambda: lb.jacobian(rule, MODE, TARGET),
        "decay_rates": lambda: lb.decay_rates(rule, 1.0, TARGET),
        "integrate": lambda: lb.integrate(rule, MODE, TARGET, [0.0, 0.1]),
    }


def assert_refused(all_calls, message):
    for name, call in all_calls.items():
        with pytest.raises(ValueError, match=message):
            call()
            pytest.fail(f"{name} takes it")


def assert_same_answers(one, other):
    for asked, peer in zip(calls(one).values(), calls(other).values()):
        answer, expected = asked(), peer()
        if isinstance(answer, lb.History):
            answer, expected = ([h.student.A, h.student.W, h.student.B, h.losses] for h in (answer, expected))
        for part, of_peer in zip(answer, expected):
            assert_allclose(part, of_peer, rtol=1e-12, atol=1e-14)


# What sent returns


@pytest.mark.parametrize(
    "F, G, message",
    [
        ((2, 3), (3, 3), r"^sent: expected F of shape \(\.\.\., 3, 2\), got \(2, 3\) from Own"),
        ((3, 2), (3,), r"^sent: expected G of shape \(\.\.\., 3, 3\), got \(3,\) from Own"),
        ((3, 2), (3, 2), r"^sent: expected G of shape"),
        ((), (3, 3), r"^sent: expected F of shape .*got \(\)"),
    ],
)
def test_matrices_of_wrong_shapes_are_refused(F, G, message):
    class Own(lb.Rule):
        def sent(self, net):
            return np.ones(F), np.ones(G)

    assert_refused(calls(Own()), message)


def test_wrong_shapes_are_refused_for_modes_as_well():
    class Own(lb.Rule):
        def sent(self, net):
            return net.A.mT, 0.5

    assert_refused(mode_calls(Own()) | calls(Own()), r"^sent: expected G of shape .*got \(\) from Own")


@pytest.mark.parametrize(
    "sent, message",
    [
        (lambda net: None, "^sent: expected two matrices, F and G, got NoneType from Own"),
        (lambda net: (net.A.mT, net.W.mT, 1), "^sent: expected two matrices, F and G, got tuple from Own"),
        (lambda net: net.A.mT, "^sent: expected two matrices, F and G, got ndarray from Own"),
        (lambda net: (None, net.W.mT), r"^sent: expected F of shape .*got \(\) from Own"),
    ],
)
def test_what_is_no_pair_of_matrices_is_refused(sent, message):
    class Own(lb.Rule):
        def sent(self, net):
            return sent(net)

    assert_refused(calls(Own()) | mode_calls(Own()), message)


@pytest.mark.parametrize("name, F, G", [("F", np.inf, 1), ("G", 1, np.nan)])
def test_numbers_that_are_not_finite_are_refused(name, F, G):
    class Own(lb.Rule):
        def sent(self, net):
            return F * net.A.mT, G * net.W.mT

    assert_refused(calls(Own()), f"^sent: expected finite numbers in {name}, got NaN or infinity from Own")


SMOOTH = {
    "powers": lambda net: (net.A.mT**3 / (1 + net.W[..., :1, :1] ** 2), net.W.mT**2),
    "steep": lambda net: (np.tanh(50 * net.A.mT), np.exp(-net.W.mT)),
    "without weights": lambda net: (0 * net.A.mT + 1e200, 0 * net.W.mT + 1e-200),
    "of no worth at some": lambda net: (np.sqrt(1 - 5 * net.A.mT), net.W.mT),
}
NOT_SMOOTH = {
    "sign": lambda net: (np.sign(net.A).mT, net.W.mT),
    "abs": lambda net: (net.A.mT, np.abs(net.W).mT),
    "conjugate": lambda net: (np.conj(net.A).mT, net.W.mT),
    "real": lambda net: (net.A.mT, net.W.mT.real),
    "a little": lambda net: (net.A.mT + 0.01 * np.abs(net.A.mT), net.W.mT),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_the_jacobian_is_that_of_differences(name):
    class Own(lb.Rule):
        def sent(self, net):
            return SMOOTH[name](net)

    mode, target, h = lb.Mode(0.15, 0.9, 0.4), lb.Mode(0.2, 0.7, -0.3), 1e-6
    columns = []
    for step in h * np.eye(3):
        ends = (Own().mode_update(lb.Mode(*(np.array([*mode]) + sign * step)), target) for sign in (1, -1))
        columns.append((np.array([*next(ends)]) - np.array([*next(ends)])) / (2 * h))
    expected = -np.transpose(columns)
    assert_allclose(lb.jacobian(Own(), mode, target), expected, rtol=1e-5, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("name", NOT_SMOOTH)
def test_a_rule_that_is_not_analytic_is_refused_a_jacobian(name):
    class Own(lb.Rule):
        def sent(self, net):
            return NOT_SMOOTH[name](net)

    for _ in range(2):
        with pytest.raises(ValueError, match="^rule: expected one whose `sent` is analytic in the weights.*got Own"):
            lb.jacobian(Own(), MODE, TARGET)
    Own().mode_update(MODE, TARGET)


def test_each_class_is_looked_at_for_itself():
    class Fine(SnAp1):
        pass

    class Own(Fine):
        def sent(self, net):
            return NOT_SMOOTH["sign"](net)

    lb.jacobian(Fine(), MODE, TARGET)
    with pytest.raises(ValueError, match="analytic"):
        lb.jacobian(Own(), MODE, TARGET)


def test_a_rule_without_sent_is_none():
    with pytest.raises(TypeError, match="sent"):
        type("Own", (lb.Rule,), {})()


# What it brings


def test_arrays_that_are_missing_are_named():
    class Own(lb.Rule):
        arrays = {"R": "o n"}

        def sent(self, net):
            return self.R.mT, net.W.mT

    message = "^R: expected an array, as `arrays` of Own says, got none"
    assert_refused(calls(Own()) | mode_calls(Own()), message)


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"R": R.T, "decays": DECAYS}, r"^R: expected shape \(\.\.\., o, n\) with o = 2, n = 3.*got \(3, 2\)"),
        ({"R": R, "decays": DECAYS[:2]}, r"^decays: expected shape \(\.\.\., n\) with n = 3.*got \(2,\)"),
        ({"R": R, "decays": 0.5}, r"^decays: expected shape"),
        ({"R": R, "decays": 1j * DECAYS}, "^decays: expected real"),
        ({"R": [R] * 4, "decays": [DECAYS] * 3}, r"^batch axes: .*R has \(4,\), decays has \(3,\)"),
    ],
)
def test_arrays_of_wrong_axes_are_refused(arrays, message):
    assert_refused(calls(PerUnitRFLO(**arrays)), message)


@pytest.mark.parametrize("axes", ["o k", "on", "o, n"])
def test_axes_that_no_network_has_are_refused_where_the_class_is_made(axes):
    with pytest.raises(ValueError, match=f"^arrays: expected the axes of R among o, n and m, as in 'o n', got '{axes}' in Own"):
        type("Own", (SnAp1,), {"arrays": {"R": axes}})


@pytest.mark.parametrize("bad", [np.nan, "a", None])
def test_arrays_of_no_numbers_are_refused_where_they_are_made(bad):
    with pytest.raises(ValueError, match="^decays: expected"):
        PerUnitRFLO(R, bad)


def test_modes_take_one_number_each():
    one = PerUnitRFLO([0.5, 0.7], 0.3)
    assert lb.decay_rates(one, 1.0, TARGET).shape == (2, 2)
    for call in (lambda rule: rule.mode_update(MODE, TARGET).w, lambda rule: lb.jacobian(rule, MODE, TARGET)):
        assert_allclose(call(one), call(lb.RFLO([0.5, 0.7], 0.3)), rtol=1e-13)


def test_arrays_with_named_axes_are_so_many_modes():
    of_networks = PerUnitRFLO(R, DECAYS)
    assert of_networks.mode_update(MODE, TARGET).shape == (2, 3)
    with pytest.raises(ValueError, match=r"^batch axes: .*R has \(2, 3\)"):
        of_networks.mode_update(lb.Mode([0.1] * 4, 1.0, 0.5), TARGET)


# How it is made


class Plain(lb.Rule):
    """No dataclass, and an __init__ of its own."""

    arrays = {"R": "o n", "decays": "n"}

    def __init__(self, scale):
        self.R, self.decays, self.scale = scale * R, list(DECAYS), scale

    def sent(self, net):
        return self.R.mT, self.decays[..., None] * np.eye(net.n)


@dataclass(frozen=True, eq=False)
class Forgetful(PerUnitRFLO):
    """Its __post_init__ hides the one that converts and freezes."""

    def __post_init__(self):
        assert len(self.decays) == 3


@pytest.mark.parametrize("make", [lambda: Plain(1.0), lambda: Forgetful(R.tolist(), list(DECAYS)), lambda: Forgetful(R, DECAYS)])
def test_classes_of_other_makes_are_rules_as_well(make):
    assert_same_answers(make(), PerUnitRFLO(R, DECAYS))


def test_what_a_forgetful_rule_was_handed_is_not_shared():
    feedback = R.copy()
    rule = Forgetful(feedback, DECAYS)
    before = rule.update(STUDENT, TEACHER).W
    feedback[:] = 0
    assert_array_equal(rule.update(STUDENT, TEACHER).W, before)
    assert not rule.R.flags.writeable


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda rule: pickle.loads(pickle.dumps(rule))])
@pytest.mark.parametrize("make", [lambda: PerUnitRFLO(R, DECAYS), lambda: Plain(2.0), SnAp1, lambda: lb.TruncatedBPTT(3)])
def test_copies_and_pickles_are_the_rule_and_read_only(make, again):
    rule = make()
    twin = again(rule)
    assert type(twin) is type(rule) and twin is not rule
    assert twin.steps == rule.steps and getattr(twin, "scale", None) == getattr(rule, "scale", None)
    for name in rule.arrays:
        assert_array_equal(getattr(twin, name), getattr(rule, name))
        with pytest.raises(ValueError, match="read-only"):
            getattr(twin, name)[0] = 1
    assert_same_answers(twin, rule)


@pytest.mark.parametrize("two", [2, 2.0, np.int64(2)])
def test_steps_of_the_class_are_those_of_truncated_bptt(two):
    class TwoSteps(lb.Rule):
        steps = two

        def sent(self, net):
            return net.A.mT, net.W.mT

    assert_same_answers(TwoSteps(), lb.TruncatedBPTT(2))
    rule, peer = TwoSteps(), lb.TruncatedBPTT(2)
    assert_allclose(lb.jacobian(rule, MODE, TARGET), lb.jacobian(peer, MODE, TARGET), rtol=1e-13)
    assert_allclose(lb.decay_rates(rule, 1.0, TARGET), lb.decay_rates(peer, 1.0, TARGET), rtol=1e-13)


@pytest.mark.parametrize("steps", [0, -1, 1.5, np.nan, "two"])
def test_steps_that_are_no_number_of_lags_are_refused(steps):
    class Own(SnAp1):
        pass

    Own.steps = steps
    assert_refused(calls(Own()) | mode_calls(Own()), "^steps: expected a whole number of at least 1")


# Feedback that learns


@dataclass(frozen=True, eq=False)
class Following(PerUnitRFLO):
    """R follows the readout at the readout's rate, and the decays fall at the rate of W."""

    def next(self, net, update, rate):
        falls = 1 - np.mean(rate.W, axis=(-2, -1))[..., None]
        return replace(self, R=self.R + rate.A * (net.A - self.R), decays=falls * self.decays)


@pytest.mark.parametrize("batch", [(), (3,)])
def test_next_is_called_after_every_step_of_training(batch):
    rng = np.random.default_rng(2)
    students, feedback = network(rng, batch=batch, radius=0.5, scale=0.3), rng.standard_normal((*batch, 2, 3))
    history = lb.train(Following(feedback, DECAYS), students, TEACHER, 0.02, 25)
    net, at, decays = students, feedback, DECAYS
    for _ in range(25):
        update = PerUnitRFLO(at, decays).update(net, TEACHER)
        at, decays = at + 0.02 * (net.A - at), decays * (1 - 0.02)
        net = lb.LinearRNN(*(w - 0.02 * d for w, d in zip((net.A, net.W, net.B), update)))
    assert_allclose(history.student.W, net.W, rtol=1e-11, atol=1e-13)
    assert_allclose(history.rule.R, at, rtol=1e-11)
    assert_allclose(history.rule.decays, np.broadcast_to(decays, history.rule.decays.shape), rtol=1e-11)
    assert type(history.rule) is Following


def test_next_is_the_velocity_of_the_flow():
    """The decays fall as exp(-t); the rest is what small steps tend to."""
    rng = np.random.default_rng(3)
    student = network(rng, radius=0.5, scale=0.3)
    flow = lb.train_flow(Following(R, DECAYS), student, TEACHER, [0.0, 1.0], rtol=1e-9, atol=1e-11)
    assert_allclose(flow.rule.decays, np.exp(-1) * DECAYS, rtol=1e-7)
    gaps = []
    for rate in (0.02, 0.01):
        steps = lb.train(Following(R, DECAYS), student, TEACHER, rate, round(1 / rate))
        gaps.append([np.abs(steps.student.W - flow.student.W).max(), np.abs(steps.rule.R - flow.rule.R).max()])
    assert_allclose(gaps[1], 0.5 * np.array(gaps[0]), rtol=0.05)


def test_next_has_to_return_a_rule():
    class Forgets(PerUnitRFLO):
        def next(self, net, update, rate):
            self.decays * 0.9

    rule = Forgets(R, DECAYS)
    for call in (lambda: lb.train(rule, STUDENT, TEACHER, 0.01, 3), lambda: lb.train_flow(rule, STUDENT, TEACHER, [0.0, 1.0])):
        with pytest.raises(ValueError, match="^next of Forgets: expected a rule, got None"):
            call()


def test_a_rule_that_becomes_another_is_refused_an_optimiser():
    class Optimiser:
        init = update = staticmethod(lambda *_: None)

    with pytest.raises(ValueError, match="optimiser: expected none for Following"):
        lb.train(Following(R, DECAYS), STUDENT, TEACHER, steps=2, optimiser=Optimiser())
