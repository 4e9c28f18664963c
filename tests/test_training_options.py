"""What a reader brings to training: rates of one's own, optimisers, data, feedback that learns, resuming, executors."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lrnnbook import (
    BPTT,
    RFLO,
    EProp,
    KolenPollack,
    LinearRNN,
    Mode,
    Update,
    decay_rates,
    integrate,
    leaky_network,
    loss,
    random_network,
    simulate,
    train,
    train_flow,
)

RNG = np.random.default_rng(1)
TEACHER = random_network(RNG, 3, o=2, m=2, radius=0.7)
STUDENTS = LinearRNN(*(0.2 * RNG.standard_normal((5, *shape)) for shape in ((2, 4), (4, 4), (4, 2))))
ONE = LinearRNN(STUDENTS.A[0], STUDENTS.W[0], STUDENTS.B[0])
R = RNG.standard_normal((5, 2, 4)) / 2


def weights(net):
    return net.A, net.W, net.B


def assert_same(net, other, **tolerance):
    for one, two in zip(weights(net), weights(other)):
        assert_allclose(one, two, **({"rtol": 0, "atol": 0} | tolerance))


def assert_same_history(one, other, **tolerance):
    assert_same(one.student, other.student, **tolerance)
    assert_array_equal(one.times, other.times)
    assert_allclose(one.losses, other.losses, **({"rtol": 0, "atol": 0} | tolerance))
    assert_array_equal(one.diverged_at, other.diverged_at)
    assert (one.snapshots is None) == (other.snapshots is None)
    if one.snapshots is not None:
        assert_same(one.snapshots, other.snapshots, **tolerance)


# Rates


def test_rates_of_matrices_and_entries():
    mask = (np.random.default_rng(2).random((4, 4)) < 0.5).astype(float)
    rates = Update(A=0.1, W=0.05 * mask, B=0.0)
    history = train(RFLO(R, 0.3), STUDENTS, TEACHER, rates, 20, record=1)
    net = STUDENTS
    for value in history.losses.T:
        assert_allclose(value, loss(net, TEACHER), rtol=1e-12)
        update = RFLO(R, 0.3).update(net, TEACHER)
        net = LinearRNN(net.A - 0.1 * update.A, net.W - 0.05 * mask * update.W, net.B)
    assert_array_equal(history.student.B, STUDENTS.B)
    assert_array_equal(history.student.W[:, mask == 0], STUDENTS.W[:, mask == 0])


def test_rates_one_a_run_are_the_plain_learning_rates():
    eta = np.linspace(0.01, 0.1, 5)
    one = train(BPTT(), STUDENTS, TEACHER, eta, 15)
    other = train(BPTT(), STUDENTS, TEACHER, Update(*(eta[:, None, None],) * 3), 15)
    assert_same_history(one, other)
    many = train(BPTT(), ONE, TEACHER, Update(0.1, eta[:, None, None], 0.1), 15)
    assert many.student.W.shape == (5, 4, 4)


@pytest.mark.parametrize(
    "rates, message",
    [
        (Update(-0.1, 0.1, 0.1), r"learning_rate\.A: expected numbers of at least 0, got -0\.1"),
        (Update(0.1, np.ones((3, 4)), 0.1), r"learning_rate\.W: expected a shape that broadcasts with \(4, 4\).*got \(3, 4\)"),
        (Update(np.ones(20), 0.1, 0.1), r"learning_rate\.A: .*one a run as \(runs, 1, 1\), got \(20,\)"),
        (Update(0.1, 0.1, "a"), r"learning_rate\.B: expected real numbers"),
        (Update(np.ones((2, 1, 1)), 0.1, 0.1), r"batch axes"),
        (0.0, "learning_rate: expected positive"),
    ],
)
def test_bad_rates(rates, message):
    with pytest.raises(ValueError, match=message):
        train(BPTT(), STUDENTS, TEACHER, rates, 3)


# Optimisers


class Momentum:
    """Heavy ball, by optax's protocol."""

    def init(self, params):
        return Update(*(np.zeros_like(part) for part in params))

    def update(self, updates, state, params):
        state = Update(*(0.9 * velocity + gradient for velocity, gradient in zip(state, updates)))
        return Update(*(-0.02 * velocity for velocity in state)), state


def test_an_optimiser_is_followed_literally():
    history = train(BPTT(), STUDENTS, TEACHER, steps=30, optimiser=Momentum(), record=1)
    net, velocity = STUDENTS, [0, 0, 0]
    for value in history.losses.T:
        assert_allclose(value, loss(net, TEACHER), rtol=1e-11)
        velocity = [0.9 * v + g for v, g in zip(velocity, BPTT().update(net, TEACHER))]
        net = LinearRNN(*(w - 0.02 * v for w, v in zip(weights(net), velocity)))


def test_optax_itself_works():
    optax = pytest.importorskip("optax")
    history = train(BPTT(), STUDENTS, TEACHER, steps=50, optimiser=optax.adam(0.01))
    assert (history.losses[:, -1] < history.losses[:, 0]).all()


def test_an_optimiser_gets_no_gradient_of_a_run_that_has_diverged():
    seen = []

    class Spy(Momentum):
        def update(self, updates, state, params):
            seen.append([np.abs(part).max(axis=(-2, -1)) for part in updates])
            return super().update(updates, state, params)

    wild = LinearRNN(STUDENTS.A, STUDENTS.W, STUDENTS.B * np.array([1, 1, 1, 1, 40.0])[:, None, None])
    history = train(BPTT(), wild, TEACHER, steps=40, optimiser=Spy())
    assert np.isfinite(history.diverged_at).tolist() == [False] * 4 + [True]
    assert all(part[4] == 0 for part in seen[-1]) and all((part[:4] > 0).all() for part in seen[-1])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"learning_rate": 0.1, "optimiser": Momentum()}, "learning_rate, optimiser: expected one of the two, got both"),
        ({}, "learning_rate: expected real numbers, or an optimiser"),
        ({"optimiser": 0.1}, r"optimiser: expected one with optax's init and update, got 0\.1"),
    ],
)
def test_one_of_rate_and_optimiser(options, message):
    with pytest.raises(ValueError, match=message):
        train(BPTT(), STUDENTS, TEACHER, steps=3, **options)


# Data


@pytest.mark.parametrize("every_step", [False, True])
def test_data_in_place_of_a_teacher(every_step):
    x = np.random.default_rng(3).standard_normal((6, 7, 2))
    y = simulate(TEACHER, x)
    y = y if every_step else y[:, -1]
    history = train(BPTT(), STUDENTS, (x, y), 0.05, 12, every_step=every_step, record=1)
    net = STUDENTS
    for value in history.losses.T:
        e = simulate(net, x) - y if every_step else simulate(net, x)[..., -1, :] - y
        assert_allclose(value, 0.5 * (e**2).sum(-1).mean((-2, -1) if every_step else -1), rtol=1e-12)
        update = BPTT().sampled_update(net, x, y, every_step)
        net = LinearRNN(*(w - 0.05 * d for w, d in zip(weights(net), update)))


def test_an_iterator_is_asked_once_a_step():
    def pairs(seed):
        rng = np.random.default_rng(seed)
        while True:
            x = rng.standard_normal((4, 6, 2))
            asked.append(1)
            yield x, simulate(TEACHER, x)[:, -1]

    asked = []
    whole = train(RFLO(R, 0.2), STUDENTS, pairs(4), 0.05, 11)
    assert len(asked) == 11
    stream = pairs(4)
    first = train(RFLO(R, 0.2), STUDENTS, stream, 0.05, 5)
    then = train(RFLO(R, 0.2), STUDENTS, stream, 0.05, 6, resume=first)
    assert_same(then.student, whole.student)
    with pytest.raises(ValueError, match="teacher: expected an iterator of a pair for every step, got one that has ended"):
        train(RFLO(R, 0.2), STUDENTS, iter([(np.ones((4, 6, 2)), np.ones((4, 2)))]), 0.05, 3)


@pytest.mark.parametrize(
    "teacher, options, message",
    [
        ((np.ones((4, 6, 3)), np.ones((4, 2))), {}, r"inputs: expected shape .*m = 2"),
        ((np.ones((4, 6, 2)), np.ones((3, 2))), {}, r"targets: expected shape .*batch = 4"),
        ((np.ones((4, 6, 2)),), {}, "teacher: expected a network, or inputs and targets"),
        ((np.ones((4, 6, 2)), np.ones((4, 2))), {"horizon": 5}, "horizon: expected none where the teacher is data"),
        ((np.ones((4, 6, 2)), np.ones((4, 2))), {"batch_size": 5}, "batch_size: expected none where the teacher is data"),
        ("data", {}, r"teacher: expected a LinearRNN, or a pair .* of an iterable, pass iter\(\.\.\.\), got 'data'"),
        (range(3), {}, r"teacher: expected a LinearRNN, or a pair .* of an iterable, pass iter\(\.\.\.\), got range"),
    ],
)
def test_bad_data(teacher, options, message):
    with pytest.raises(ValueError, match=message):
        train(BPTT(), STUDENTS, teacher, 0.1, 3, **options)


# Feedback that learns


def test_kolen_pollack_step_by_step():
    rule = KolenPollack(R, decay=0.3, weight_decay=0.2)
    history = train(rule, STUDENTS, TEACHER, 0.05, 25)
    net, feedback = STUDENTS, R
    for _ in range(25):
        update = RFLO(feedback, 0.3).update(net, TEACHER)
        dA = update.A + 0.2 * net.A
        feedback = feedback - 0.05 * (dA + 0.2 * (feedback - net.A))
        net = LinearRNN(net.A - 0.05 * dA, net.W - 0.05 * update.W, net.B - 0.05 * update.B)
    assert_same(history.student, net, rtol=1e-11, atol=1e-13)
    assert_allclose(history.rule.R, feedback, rtol=1e-11, atol=1e-13)
    gap = (history.student.A - history.rule.R) / (STUDENTS.A - R)
    assert_allclose(gap, (1 - 0.05 * 0.2) ** 25, rtol=1e-10)
    assert rule.R is not history.rule.R and np.array_equal(rule.R, R)


def test_kolen_pollack_along_the_flow():
    rule = KolenPollack(R, decay=0.3, weight_decay=0.2)
    history = train_flow(rule, STUDENTS, TEACHER, [0.0, 2.0], rtol=1e-9, atol=1e-11)
    assert_allclose(history.student.A - history.rule.R, np.exp(-0.2 * 2) * (STUDENTS.A - R), rtol=1e-7)
    fine = train(rule, STUDENTS, TEACHER, 0.001, 2000)
    assert_same(history.student, fine.student, atol=5e-3)
    often = train_flow(rule, STUDENTS, TEACHER, [0.0, 0.5, 1.0, 2.0], rtol=1e-9, atol=1e-11)
    assert_allclose(often.rule.R, history.rule.R, rtol=1e-7)


def test_without_weight_decay_the_difference_stays():
    history = train(KolenPollack(R, 0.3, weight_decay=0.0), STUDENTS, TEACHER, 0.05, 40)
    assert_allclose(history.student.A - history.rule.R, STUDENTS.A - R, atol=1e-13)


def test_feedback_that_learns_is_for_training_alone():
    rule, mode = KolenPollack(1.0, 0.3, 0.1), Mode(1.0, 1.0, 0.5)
    for call in (
        lambda: integrate(rule, mode, mode, [0.0, 1.0]),
        lambda: decay_rates(rule, 1.0, mode),
        lambda: rule.mode_update(mode, mode),
    ):
        with pytest.raises(ValueError, match="rule: expected one whose feedback is fixed, got KolenPollack"):
            call()
    with pytest.raises(ValueError, match="optimiser: expected none for KolenPollack"):
        train(KolenPollack(R, 0.3, 0.1), STUDENTS, TEACHER, steps=3, optimiser=Momentum())
    with pytest.raises(ValueError, match="weight_decay: expected numbers of at least 0"):
        KolenPollack(R, 0.3, -0.1)


def test_other_rules_stay_what_they_are():
    rule = EProp(R)
    assert train(rule, STUDENTS, TEACHER, 0.05, 3).rule is rule
    assert rule.next(STUDENTS, None, None) is rule


# What is left of it


def test_a_history_prints_as_a_line():
    history = train(EProp(R), STUDENTS, TEACHER, np.array([0.05, 0.05, 3.0, 0.05, 4.0]), 30)
    diverged = np.isfinite(history.diverged_at).sum()
    assert repr(history) == str(history) == f"History: 5 runs, 30 steps, {diverged} diverged" and 0 < diverged < 5
    assert repr(train(BPTT(), ONE, TEACHER, 0.05, 7)) == "History: 1 run, 7 steps, 0 diverged"
    assert repr(train_flow(BPTT(), ONE, TEACHER, [0.0, 1.5])) == "History: 1 run, time 1.5, 0 diverged"


@pytest.mark.parametrize("every_step", [False, True])
def test_a_run_that_leaves_the_range_of_floats_does_so_without_a_warning(every_step):
    """Which pytest takes for errors."""
    source = LinearRNN(np.eye(2), 0.7 * np.eye(2), np.eye(2))
    for rule, options in ((BPTT(), {}), (RFLO(R, 0.3), {}), (RFLO(R, 0.3), {"batch_size": 2, "seed": 0})):
        for eta in (30.0, 1e60):
            options = {"horizon": 5, "every_step": every_step, "source": source, "record": 1} | options
            assert np.isfinite(train(rule, STUDENTS, TEACHER, eta, 12, **options).diverged_at).all()


# Going on


PLANS = {
    "expected": (BPTT(), {"learning_rate": 0.05}),
    "one that diverges": (EProp(R), {"learning_rate": np.array([0.05, 0.05, 3.0, 0.05, 4.0])}),
    "sampled": (RFLO(R, 0.3), {"learning_rate": 0.05, "horizon": 6, "batch_size": 3, "seed": 7}),
    "momentum": (BPTT(), {"optimiser": Momentum()}),
    "learned feedback": (KolenPollack(R, 0.3, 0.1), {"learning_rate": 0.05}),
}
every_plan = pytest.mark.parametrize("plan", PLANS)


@every_plan
def test_a_run_resumed_is_the_run_uninterrupted(plan):
    rule, options = PLANS[plan]
    options = {"steps": 30, "record": 4, "snapshots": [0, 11, 12, 30]} | options
    whole = train(rule, STUDENTS, TEACHER, **options)
    first = train(rule, STUDENTS, TEACHER, **(options | {"steps": 11, "snapshots": [0, 11]}))
    first = pickle.loads(pickle.dumps(first))
    before = copy.deepcopy(first)
    then = train(rule, STUDENTS, TEACHER, **(options | {"steps": 19, "snapshots": [12, 30]}), resume=first)
    assert_same_history(then, whole)
    assert_same_history(first, before)
    if plan == "learned feedback":
        assert_array_equal(then.rule.R, whole.rule.R)
    if plan == "one that diverges":
        assert np.isfinite(whole.diverged_at).any() and np.isinf(whole.diverged_at).any()
    again = train(rule, STUDENTS, TEACHER, **(options | {"steps": 19, "snapshots": [12, 30]}), resume=first)
    assert_same_history(again, whole)


def test_a_run_may_diverge_where_it_is_resumed():
    rule, options = PLANS["one that diverges"]
    whole = train(rule, STUDENTS, TEACHER, **options, steps=30)
    when = int(whole.diverged_at.min())
    for stop in (when - 1, when, when + 1):
        first = train(rule, STUDENTS, TEACHER, **options, steps=stop)
        then = train(rule, STUDENTS, TEACHER, **options, steps=30 - stop, resume=first)
        assert_array_equal(then.diverged_at, whole.diverged_at)


@pytest.mark.parametrize(
    "resume, message",
    [
        ("a file", "resume: expected a History, got 'a file'"),
        (train_flow(BPTT(), STUDENTS, TEACHER, [0.0, 1.0]), "resume: expected a History of train"),
        (train(BPTT(), ONE, TEACHER, 0.1, 3), r"resume: expected a History with batch axes \(5,\), got \(\)"),
    ],
)
def test_histories_that_do_not_fit(resume, message):
    with pytest.raises(ValueError, match=message):
        train(BPTT(), STUDENTS, TEACHER, 0.1, 3, resume=resume)


# Executors


@every_plan
def test_runs_shared_out_are_the_runs_together(plan):
    rule, options = PLANS[plan]
    options = {"steps": 12, "record": 4, "snapshots": [0, 12]} | options
    whole = train(rule, STUDENTS, TEACHER, **options)
    with ThreadPoolExecutor(3) as pool:
        shared = train(rule, STUDENTS, TEACHER, **options, executor=pool)
    assert_same_history(shared, whole, rtol=1e-12, atol=1e-14)
    if plan == "learned feedback":
        assert_allclose(shared.rule.R, whole.rule.R, rtol=1e-12)


def test_processes_go_on_where_others_stopped():
    rule, options = PLANS["sampled"]
    whole = train(rule, STUDENTS, TEACHER, steps=20, record=5, **options)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        first = train(rule, STUDENTS, TEACHER, steps=10, record=5, executor=pool, **options)
        then = train(rule, STUDENTS, TEACHER, steps=10, record=5, executor=pool, resume=first, **options)
    assert_same_history(then, whole, rtol=1e-12, atol=1e-14)


def test_what_has_diverged_stays_where_it_was_when_threads_go_on():
    student, teacher = LinearRNN([[0.5]], [[0.0]], [[0.5]]), LinearRNN([[1.0]], [[0.5]], [[1.0]])
    options = {"learning_rate": [0.1, 2.0, 0.2], "record": 5}
    whole = train(BPTT(), student, teacher, steps=20, **options)
    assert np.isfinite(whole.diverged_at).tolist() == [False, True, False]
    with ThreadPoolExecutor(2) as pool:
        first = train(BPTT(), student, teacher, steps=10, executor=pool, **options)
        then = train(BPTT(), student, teacher, steps=10, executor=pool, resume=first, **options)
    assert_same_history(then, whole, rtol=1e-12, atol=1e-14)


def test_a_grid_of_runs_is_shared_out_and_goes_on():
    eta = np.array([[0.01], [0.1]])
    whole = train(RFLO(R, 0.3), STUDENTS, TEACHER, eta, 8)
    with ThreadPoolExecutor(4) as pool:
        shared = train(RFLO(R, 0.3), STUDENTS, TEACHER, eta, 5, executor=pool)
        assert shared.losses.shape == (2, 5, 6)
        shared = train(RFLO(R, 0.3), STUDENTS, TEACHER, eta, 3, executor=pool, resume=shared)
    assert_same_history(shared, whole, rtol=1e-12, atol=1e-14)


class Desk:
    """The least that an executor can be: it takes calls, and its answers are no futures of the standard library."""

    def submit(self, call, *arguments):
        answer = call(*arguments)
        return type("Answer", (), {"result": lambda self: answer})()


@pytest.mark.parametrize("runs", [1, 5])
def test_an_executor_of_ones_own(runs):
    rule, options = PLANS["sampled"]
    students = LinearRNN(*(part[:runs] for part in (STUDENTS.A, STUDENTS.W, STUDENTS.B)))
    rule = rule.for_runs((5,), np.arange(runs))
    whole = train(rule, students, TEACHER, steps=6, **options)
    assert_same_history(train(rule, students, TEACHER, steps=6, executor=Desk(), **options), whole, rtol=1e-12, atol=1e-14)


def test_a_cluster_of_dask():
    distributed = pytest.importorskip("distributed")
    rule, options = PLANS["sampled"]
    whole = train(rule, STUDENTS, TEACHER, steps=10, **options)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            shared = train(rule, STUDENTS, TEACHER, steps=10, executor=client.get_executor(), **options)
    assert_same_history(shared, whole, rtol=1e-12, atol=1e-14)


def test_bad_executors():
    with pytest.raises(ValueError, match="executor: expected one of concurrent.futures"):
        train(BPTT(), STUDENTS, TEACHER, 0.1, 3, executor=2)
    refused = pytest.raises(ValueError, match="executor: expected none where the teacher is an iterator")
    with ThreadPoolExecutor(1) as pool, refused:
        train(BPTT(), STUDENTS, iter([(np.ones((4, 6, 2)), np.ones((4, 2)))]), 0.1, 1, executor=pool)


# Networks from elsewhere, and of other makes


def test_leaky_networks():
    rng = np.random.default_rng(8)
    A, J, K, tau = rng.standard_normal((2, 4)), rng.standard_normal((4, 4)), rng.standard_normal((4, 3)), 5.0
    net = leaky_network(A, J, K, tau)
    h, x = np.zeros(4), rng.standard_normal((1, 9, 3))
    for t, y in enumerate(simulate(net, x)[0]):
        h = (1 - 1 / tau) * h + (J @ h + K @ x[0, t]) / tau
        assert_allclose(y, A @ h, rtol=1e-12)
    assert leaky_network(A, J, K, [2.0, 5.0]).batch_shape == (2,)
    with pytest.raises(ValueError, match=r"tau_m: expected at least 1 step, got 0\.5"):
        leaky_network(A, J, K, 0.5)
    with pytest.raises(ValueError, match=r"J has \(2,\), K has \(3,\)"):
        leaky_network(A, np.stack([J, J]), np.stack([K, K, K]), tau)


def test_random_networks_have_the_radius_asked_for():
    net = random_network(np.random.default_rng(9), 6, o=2, m=3, radius=0.4, batch=(7, 2))
    assert net.batch_shape == (7, 2) and (net.o, net.n, net.m) == (2, 6, 3)
    assert_allclose(net.spectral_radius(), 0.4, rtol=1e-12)
    rng = np.random.default_rng(0)
    for arguments, message in [(("rng", 3), "rng"), ((rng, 0), "n"), ((rng, 3, 1, 1, -1.0), "radius")]:
        with pytest.raises(ValueError, match=f"^{message}: expected"):
            random_network(*arguments)


def test_weights_come_from_torch_and_go_back():
    torch = pytest.importorskip("torch")
    layers = [torch.randn(shape, dtype=torch.float64) for shape in ((2, 4), (4, 4), (4, 2))]
    net = LinearRNN(*layers)
    for layer, weight in zip(layers, weights(net)):
        assert torch.equal(torch.tensor(weight), layer)


def test_weights_come_from_jax_and_go_back():
    jnp = pytest.importorskip("jax.numpy")
    net = LinearRNN(*(jnp.ones(shape) for shape in ((2, 4), (4, 4), (4, 2))))
    assert (jnp.asarray(net.W) == 1).all()


def test_a_run_that_ends_next_to_the_edge_keeps_its_last_loss():
    """Its last weights have an update, but powers that die out too slowly for a loss to all digits."""
    memories, rng = np.array([0.9, 0.6, 0.3, -0.5]), np.random.default_rng(2)
    c = 1 / np.sqrt(np.sum(1 / (1 - np.outer(memories, memories))))
    teacher = LinearRNN(np.full((1, 4), c), np.diag(memories), np.ones((4, 1)))
    A, W, B, R = (rng.standard_normal((5, 20, *shape))[0, 1] for shape in ((1, 10), (10, 10), (10, 1), (1, 10)))
    history = train_flow(EProp(R / np.sqrt(10)), LinearRNN(A, 0.1 * W, B), teacher, [0.0, 1.5, 3.0], rtol=1e-3, atol=1e-6)
    assert 1.5 < history.diverged_at < 3 and 1 - 1e-6 < history.student.spectral_radius() < 1
    assert np.isfinite(history.losses).all()
    assert_allclose(history.losses[1], loss(LinearRNN(*(w[1] for w in weights(history.snapshots))), teacher), rtol=1e-12)
