"""Which rule learned this: the laws held against literal sums, the answers against students whose rule is known."""

import functools
import pickle
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import lrnnbook as lb

NAMES = list(lb.STYLES)


def make(name, R, decay):
    return {"BPTT": lb.BPTT(), "one-step tBPTT": lb.TruncatedBPTT(1), "e-prop": lb.EProp(R), "RFLO": lb.RFLO(R, decay)}[name]


def drawn(seed, o=1, n=6, runs=100):
    rng = np.random.default_rng(seed)
    start, teacher = (lb.random_network(rng, n=n, o=o, m=o, radius=radius, batch=(runs,)) for radius in (0.5, 0.8))
    student = lb.LinearRNN(0.7 * start.A, start.W, 0.7 * start.B)
    return student, teacher, rng.standard_normal((runs, o, n)) / np.sqrt(n), rng.uniform(-0.8, 0.9, runs)


@functools.cache
def trained(name, draw, o=1, k=4, rate=0.002, steps=1500, runs=100, optimiser=None, **options):
    """Snapshots, feedback and decay of the runs that did not diverge."""
    student, teacher, R, decay = drawn(draw, o, runs=runs)
    options |= {"learning_rate": rate} if optimiser is None else {"optimiser": optimiser}
    snapshots = np.linspace(0, steps, k).astype(int)
    rule = make(name, R, decay)
    history = lb.train(rule, student, teacher, steps=steps, snapshots=snapshots, record=steps, **options)
    stayed = np.isinf(history.diverged_at)
    return history.snapshots[:, stayed], R[stayed], decay[stayed]


def told(found, name):
    """The shares of the runs whose rule was named, and of those given another name."""
    return np.mean(found.rule == name), np.mean((found.rule != name) & (found.rule != "cannot tell"))


def conserved(name, A, W, B, R, decay):
    """The conserved quantity of one network, entry by entry."""
    n, o, m = len(W), len(A), B.shape[1]
    if name == "e-prop":
        return np.array(
            [
                2 * sum(R[p, i] * A[p, i] for p in range(o))
                - sum(W[i, k] ** 2 for k in range(n) if k != i)
                - sum(B[i, k] ** 2 for k in range(m))
                for i in range(n)
            ]
        )
    V = W - decay * np.eye(n) if name == "RFLO" else W
    return np.array(
        [
            [
                sum(A[p, i] * A[p, j] if name != "RFLO" else R[p, i] * A[p, j] + A[p, i] * R[p, j] for p in range(o))
                + sum(W[k, i] * W[k, j] for k in range(n) if name == "BPTT")
                - sum(V[i, k] * V[j, k] for k in range(n))
                - sum(B[i, k] * B[j, k] for k in range(m))
                for j in range(n)
            ]
            for i in range(n)
        ]
    )


# The laws


@pytest.mark.parametrize("how", ["limit", "horizon", "every step", "sampled"])
@pytest.mark.parametrize("name", NAMES)
def test_no_update_changes_what_its_rule_conserves(name, how):
    """The quantities are quadratic, so a central difference is the derivative; those of other rules do change."""
    student, teacher, R, decay = drawn(11, o=2, n=4, runs=1)
    student, teacher, R, decay = student[0], teacher[0], R[0], decay[0]
    rule, rng = make(name, R, decay), np.random.default_rng(12)
    if how == "sampled":
        inputs = rng.standard_normal((5, 7, 2))
        update = rule.sampled_update(student, inputs, rng.standard_normal((5, 2)))
    else:
        update = rule.update(student, teacher, *{"limit": (), "horizon": (5,), "every step": (5, True)}[how])

    def change(law):
        sides = (
            conserved(law, student.A + e * update.A, student.W + e * update.W, student.B + e * update.B, R, decay)
            for e in (1, -1)
        )
        return np.abs(np.subtract(*sides)).max()

    assert change(name) < 1e-12 * max(map(change, NAMES))
    assert all(change(law) > 1e-3 * max(map(change, NAMES)) for law in NAMES if law != name)


@pytest.mark.parametrize("name", NAMES)
def test_the_drift_of_finite_steps_is_their_squares_and_bounds_the_residual(name):
    """A step of size eta changes a quadratic law by eta^2 times its quadratic part in the update, and nothing else."""
    student, teacher, R, decay = drawn(13, n=4, runs=1)
    rule, steps, rate = make(name, R, decay), 60, 0.02
    nets = lb.train(rule, student, teacher, rate, steps, snapshots=range(steps + 1)).snapshots[:, 0]
    none = 0 * R[0]
    laws = [conserved(name, *weights, R[0], decay[0]) for weights in zip(nets.A, nets.W, nets.B)]
    squares = [conserved(name, *change, none, 0.0) for change in zip(*(np.diff(w, axis=0) for w in (nets.A, nets.W, nets.B)))]
    assert_allclose(np.array(laws) - laws[0], np.cumsum([0 * squares[0], *squares], axis=0), rtol=0, atol=1e-13)

    found = lb.identify_rule(nets)
    moved = np.array([W @ W.T + B @ B.T for W, B in zip(nets.W, nets.B)])
    if name == "e-prop":
        moved = np.array([np.diag(m) - np.diag(W) ** 2 for m, W in zip(moved, nets.W)])
    spread = [np.sqrt(((part - np.mean(part, axis=0)) ** 2).sum()) for part in (np.array(laws), moved)]
    counted = (found.freedom[name] + {"e-prop": 4, "RFLO": 5}.get(name, 0)) / found.freedom[name]
    assert found.residuals[name] <= spread[0] / spread[1] * np.sqrt(counted) * (1 + 1e-6) + 1e-12
    if name in ("BPTT", "one-step tBPTT"):  # nothing was fitted
        assert_allclose(found.residuals[name], spread[0] / spread[1], rtol=1e-9)


# The answers


@pytest.mark.parametrize("o", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_a_hundred_students_and_what_taught_them(name, o):
    snapshots, R, decay = trained(name, draw=102, o=2) if o == 2 else trained(name, draw=101)
    found = lb.identify_rule(snapshots)
    right, wrong = told(found, name)
    assert len(R) > 70 and right >= 0.9 and wrong <= 0.02
    named = found.rule == name
    if name in ("BPTT", "one-step tBPTT"):
        assert np.isnan(found.feedback[named]).all() and np.isnan(found.decay[named]).all()
        return
    known = named & np.isfinite(found.feedback).all(axis=(1, 2))
    assert known.sum() >= 0.95 * named.sum()
    off = np.abs(found.feedback[known] - R[known])
    assert np.median(off) < 0.01 and np.mean(off < 0.05) > 0.9
    if name == "RFLO":
        assert np.median(np.abs(found.decay - decay)[named]) < 0.01
        assert np.mean(np.abs(found.decay - decay)[named] < 0.05) > 0.9
    else:
        assert np.isnan(found.decay).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_flow_leaves_nothing(name):
    student, teacher, R, decay = drawn(14, runs=3)
    nets = [student]
    for _ in range(3):
        nets.append(lb.train_flow(make(name, R, decay), nets[-1], teacher, times=[0.0, 1.0]).student)
    found = lb.identify_rule(nets)
    assert_array_equal(found.rule, name)
    assert np.all(found.residuals[name] < 1e-4) and np.all(found.ratio < 0.05)
    if name in ("e-prop", "RFLO"):
        assert_allclose(found.feedback, R, atol=0.01)
    if name == "RFLO":
        assert_allclose(found.decay, decay, atol=0.01)


class Momentum(NamedTuple):
    rate: float
    kept: float

    def init(self, params):
        return lb.Update(*(np.zeros_like(part) for part in params))

    def update(self, updates, state, params):
        state = lb.Update(*(self.kept * old - self.rate * new for old, new in zip(state, updates)))
        return state, state


@pytest.mark.parametrize(
    ("options", "least"),
    [
        ({"optimiser": Momentum(0.0002, 0.9)}, 0.4),
        ({"horizon": 12, "batch_size": 10, "seed": 3}, 0.85),
        ({"horizon": 12, "every_step": True, "rate": 0.0005}, 0.85),
    ],
    ids=["momentum", "minibatches", "sequence loss"],
)
@pytest.mark.parametrize("name", NAMES)
def test_disguises(name, options, least):
    snapshots, *_ = trained(name, draw=21, runs=40, **options)
    right, wrong = told(lb.identify_rule(snapshots), name)
    assert right >= least and wrong <= 0.05, (right, wrong)


@pytest.mark.parametrize("name", NAMES)
def test_noise_makes_it_say_that_it_cannot_tell_before_it_is_wrong(name):
    snapshots, *_ = trained(name, draw=101)
    rng, shares = np.random.default_rng(23), []
    for noise in (0.0, 0.03, 0.3):
        weights = (snapshots.A, snapshots.W, snapshots.B)
        sizes = [noise * np.sqrt(((w[-1] - w[0]) ** 2).mean(axis=(-2, -1), keepdims=True)) for w in weights]
        noisy = lb.LinearRNN(*(w + size * rng.standard_normal(w.shape) for w, size in zip(weights, sizes)))
        shares.append(told(lb.identify_rule(noisy), name))
    right, wrong = np.transpose(shares)
    assert right[0] > right[1] >= right[2] and right[2] < 0.1 and np.all(wrong <= 0.08)


def test_the_standard_errors_are_the_spread():
    """Noise on the value of RFLO's law alone, from a student whose readout and W do not feel it: B is large and moves little."""
    snapshots, R, decay = trained("RFLO", draw=24, runs=1, k=12)
    nets, rng, draws = snapshots[:, 0], np.random.default_rng(25), []
    for _ in range(200):
        noisy = lb.LinearRNN(nets.A, nets.W + 1e-3 * rng.standard_normal(nets.W.shape), nets.B)
        found = lb.identify_rule(noisy)
        draws.append((*found.feedback[0], found.decay, *found.feedback_error[0], found.decay_error))
    values, errors = np.split(np.array(draws), 2, axis=1)
    known = np.isfinite(values).all(axis=1)
    assert known.sum() > 100
    ratio = np.median(errors[known], axis=0) / values[known].std(axis=0)
    assert np.all((ratio > 0.3) & (ratio < 3))


# What the data cannot tell


def test_with_two_snapshots_one_step_truncation_obeys_the_law_of_rflo():
    snapshots = trained("one-step tBPTT", draw=101)[0][[0, 3]]
    found = lb.identify_rule(snapshots)
    assert_array_equal(found.rule, "cannot tell")
    before, after = snapshots[0, 0], snapshots[1, 0]
    mean = (before.A + after.A) / 2
    change = [conserved("RFLO", net.A, net.W, net.B, mean, 0.0) for net in (before, after)]
    one = [conserved("one-step tBPTT", net.A, net.W, net.B, mean, 0.0) for net in (before, after)]
    assert_allclose(np.subtract(*change), np.subtract(*one), atol=1e-14)


@pytest.mark.parametrize("name", ["BPTT", "e-prop", "RFLO"])
def test_two_snapshots_of_the_others(name):
    snapshots = trained(name, draw=101)[0][[0, 3]]
    found = lb.identify_rule(snapshots)
    right, wrong = told(found, name)
    assert wrong <= 0.02 and (right == 0 if name == "e-prop" else right > 0.9)
    assert np.isnan(found.residuals["e-prop"]).all()
    assert "e-prop not tested" in repr(lb.identify_rule(snapshots[:, 0]))


@pytest.mark.parametrize("o", [1, 2, 3])
@pytest.mark.parametrize("k", [2, 3, 4, 6])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_equations_and_unknowns_are_counted(k, n, o):
    """Of weights that no rule made. RFLO at two snapshots: R = S (A_1 - A_0) does nothing if S is antisymmetric."""
    rng = np.random.default_rng(k + 10 * n + 100 * o)
    nets = lb.random_network(rng, n=n, o=o, m=2, batch=(k,))
    found, pairs = lb.identify_rule(nets), n * (n + 1) // 2
    assert found.freedom["BPTT"] == found.freedom["one-step tBPTT"] == (k - 1) * pairs
    assert found.freedom["e-prop"] == n * max(k - 1 - o, 0)
    idle = min(o, n) * (min(o, n) - 1) // 2 if k == 2 and o <= n else None
    if idle is not None:
        assert found.freedom["RFLO"] == max((k - 1) * pairs - (n * o + 1 - idle), 0)
    for name in NAMES:
        assert np.isnan(found.residuals[name]) == (found.freedom[name] == 0)
    assert found.rule == "cannot tell" or n == 1


def test_two_outputs_and_two_snapshots_give_the_decay_and_no_feedback():
    snapshots, _, decay = trained("RFLO", draw=102, o=2)
    found = lb.identify_rule(snapshots[[0, 3]])
    named = found.rule == "RFLO"
    assert named.mean() > 0.8
    assert np.isnan(found.feedback).mean() > 0.99, "but where both readouts of a unit have hardly changed"
    assert_array_equal(np.isnan(found.feedback), np.isnan(found.feedback_error))
    assert np.median(np.abs(found.decay - decay)[named]) < 0.01


def test_snapshots_of_a_student_at_rest_do_not_count():
    nets = trained("BPTT", draw=101)[0][:, 0]
    twice = lb.LinearRNN(*(np.concatenate([w, w[-1:] + 1e-9, w[-1:], w[:1]]) for w in (nets.A, nets.W, nets.B)))
    once, found = lb.identify_rule(nets), lb.identify_rule(twice)
    assert found.freedom == once.freedom and found.rule == once.rule


def test_a_run_at_rest_does_not_spoil_the_others():
    snapshots = trained("RFLO", draw=101)[0][:, :3]
    at = np.arange(len(snapshots.A))[:, None, None, None] * (np.arange(snapshots.batch_shape[1]) != 1)[:, None, None]
    held = lb.LinearRNN(*(np.take_along_axis(w, at, axis=0) for w in (snapshots.A, snapshots.W, snapshots.B)))
    found, free = lb.identify_rule(held), lb.identify_rule(snapshots)
    assert found.rule[0] == free.rule[0] == "RFLO" and found.rule[1] == "cannot tell"
    assert all(found.freedom[name][1] == 0 and np.isnan(found.residuals[name][1]) for name in NAMES)
    readout = lb.LinearRNN(snapshots.A, held.W, held.B)
    assert lb.identify_rule(readout).rule[1] == "cannot tell"


def test_another_way_to_train_is_none_of_the_four():
    rng = np.random.default_rng(35)
    walk = lb.LinearRNN(*(np.cumsum(0.1 * rng.standard_normal((4, 50, *shape)), axis=0) for shape in ((1, 6), (6, 6), (6, 1))))
    assert np.mean(lb.identify_rule(walk).rule == "cannot tell") > 0.95


# What comes in and goes out


def test_batches_lists_and_order():
    snapshots = trained("RFLO", draw=101)[0][:, :4]
    found = lb.identify_rule(snapshots)
    again = lb.identify_rule([snapshots[k] for k in (2, 0, 3, 1)])
    for run in range(snapshots.batch_shape[1]):
        alone = lb.identify_rule(snapshots[:, run])
        assert type(alone.rule) is str and alone.rule == found.rule[run] == again.rule[run]
        for field in ("feedback", "decay", "feedback_error", "decay_error", "ratio"):
            assert_allclose(getattr(found, field)[run], getattr(alone, field), rtol=1e-6)
            assert_allclose(getattr(again, field)[run], getattr(alone, field), rtol=1e-6)
        assert {name: value[run] for name, value in found.freedom.items()} == alone.freedom
    assert repr(found) == f"Identified: {snapshots.batch_shape[1]} runs, {snapshots.batch_shape[1]} RFLO"
    assert repr(alone).startswith("Identified: RFLO, decay ") and "\n" not in repr(alone)
    copy = pickle.loads(pickle.dumps(found))
    assert_array_equal(copy.feedback, found.feedback)
    assert not copy.feedback.flags.writeable and not found.feedback.flags.writeable


NET = lb.random_network(np.random.default_rng(50), n=3, batch=(2,))
BAD = {
    "a number": (3.0, "expected a LinearRNN or a sequence of them, got 3.0"),
    "no networks": ([NET[0], "W"], "expected LinearRNNs, got 'W'"),
    "none": ([], "expected at least two, .* got none"),
    "one": ([NET[0]], r"at least two, the times on the first axis, got LinearRNN\(o=1, n=3, m=1, batch=\(1,\)\)"),
    "no times": (NET[0], "at least two"),
    "two shapes": ([NET[0], lb.random_network(np.random.default_rng(0), n=4)], "of one shape, got .*n=3.*n=4"),
    "no change": ([NET[0], NET[0]], "expected weights that change, got the same weights in all"),
    "readout alone": ([NET[0], lb.LinearRNN(2 * NET.A[0], NET.W[0], NET.B[0])], "expected W or B that change"),
    "huge": ([NET[0], lb.LinearRNN(1e80 * NET.A[0], NET.W[0], NET.B[0])], "below 1e60"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    snapshots, message = BAD[case]
    with pytest.raises(ValueError, match="^snapshots: .*" + message):
        lb.identify_rule(snapshots)


def test_nan_is_no_weight():
    with pytest.raises(ValueError, match="expected finite numbers, got NaN"):
        lb.identify_rule(lb.LinearRNN(NET.A * [[[1.0]], [[np.nan]]], NET.W, NET.B))


@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 5))
def test_what_eprop_conserves_holds_on_any_data(seed, o, T):
    rng = np.random.default_rng(seed)
    net, R = lb.random_network(rng, n=4, o=o, m=2, radius=1.3), rng.standard_normal((o, 4))
    inputs, targets = rng.standard_normal((3, T, 2)), rng.standard_normal((3, o))
    d = lb.EProp(R).sampled_update(net, inputs, targets)
    off = 1 - np.eye(4)
    right = (off * d.W * net.W).sum(axis=1) + (d.B * net.B).sum(axis=1)
    assert_allclose(np.diag(R.T @ d.A), right, atol=1e-9 * (1 + np.abs(right).max()))


def test_weights_that_all_runs_share_need_no_batch_axes():
    rng = np.random.default_rng(12)
    A, W = rng.standard_normal((3, 5, 1, 4)), rng.standard_normal((3, 5, 4, 4))
    B = rng.standard_normal((4, 2))
    found = lb.identify_rule(lb.LinearRNN(A, W, B))
    whole = lb.identify_rule(lb.LinearRNN(A, W, np.broadcast_to(B, (3, 5, 4, 2))))
    for name, left in whole.residuals.items():
        assert_array_equal(found.residuals[name], left)


def test_a_run_of_which_only_the_readout_moved_is_marked_among_others():
    rng = np.random.default_rng(13)
    A, W, B = (rng.standard_normal((3, 2, *shape)) for shape in ((1, 4), (4, 4), (4, 2)))
    W[:, 0], B[:, 0] = W[:1, 0], B[:1, 0]
    found = lb.identify_rule(lb.LinearRNN(A, W, B))
    assert found.rule[0] == "cannot tell" and found.freedom["BPTT"].tolist() == [0, 20]
