"""Training whole networks, held against literal loops, automatic differentiation, SciPy's integrators and exact laws."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
import rules_table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from rules_table import BY_UNIT, NAMES, READ_THE_DIAGONAL, decays_of, of_modes
from scipy.integrate import solve_ivp

from lrnnbook import (
    BPTT,
    RFLO,
    EProp,
    History,
    LinearRNN,
    Mode,
    TruncatedBPTT,
    aligned_network,
    change_rank,
    integrate,
    loss,
    simulate,
    train,
    train_flow,
)

SETTINGS = [(np.inf, False), (6, False), (6, True)]  # horizon, every_step
seeds = st.integers(0, 2**32 - 1)


def make(name, R, decay=0.4):
    return rules_table.make(name, R, decay)


def network(rng, o=2, n=3, m=2, radius=0.6, batch=(), scale=0.5):
    return rules_table.network(rng, o, n, m, radius, batch, scale)


def team(seed, batch=(), **sizes):
    """A student or a batch of them, a teacher with one hidden unit more, feedback."""
    rng = np.random.default_rng(seed)
    student = network(rng, batch=batch, **sizes)
    teacher = network(rng, o=student.o, n=student.n + 1, m=student.m)
    return student, teacher, rng.standard_normal((student.o, student.n))


def weights_of(net):
    return net.A, net.W, net.B


def one_of(net, index):
    return LinearRNN(*(np.broadcast_to(X, net.batch_shape + X.shape[-2:])[index] for X in weights_of(net)))


def stack(nets):
    return LinearRNN(*(np.stack(X) for X in zip(*map(weights_of, nets))))


def step(net, update, rate):
    return LinearRNN(*(weights - rate * delta for weights, delta in zip(weights_of(net), update)))


def assert_same_net(one, other, tolerance=1e-10):
    for name, X, Y in zip("AWB", weights_of(one), weights_of(other)):
        assert X.shape == Y.shape, name
        assert_allclose(X, Y, rtol=0, atol=tolerance, err_msg=name)


def assert_same_history(one, other, tolerance=0.0):
    assert_same_net(one.student, other.student, tolerance)
    assert_array_equal(one.times, other.times)
    assert_allclose(one.losses, other.losses, rtol=tolerance, atol=0)
    assert_array_equal(one.diverged_at, other.diverged_at)
    assert (one.snapshots is None) == (other.snapshots is None)
    if one.snapshots is not None:
        assert_same_net(one.snapshots, other.snapshots, tolerance)


# One run, step by step


@pytest.mark.parametrize("horizon, every_step", SETTINGS)
@pytest.mark.parametrize("name", NAMES)
def test_training_is_a_loop_over_the_update(name, horizon, every_step):
    student, teacher, R = team(1)
    rule, nets = make(name, R), [student]
    for _ in range(12):
        nets.append(step(nets[-1], rule.update(nets[-1], teacher, horizon, every_step), 0.1))
    history = train(
        rule, student, teacher, 0.1, 12, horizon=horizon, every_step=every_step, record=5, snapshots=[0, 1, 7, 12]
    )
    assert type(history) is History
    assert_same_net(history.student, nets[12], 1e-13)
    assert_same_net(history.snapshots, stack(nets[k] for k in (0, 1, 7, 12)), 1e-13)
    assert_array_equal(history.times, [0, 5, 10, 12])
    expected = [loss(nets[k], teacher, horizon, every_step) for k in history.times.astype(int)]
    assert_allclose(history.losses, expected, rtol=1e-12)
    assert history.diverged_at == np.inf and np.shape(history.diverged_at) == ()
    assert np.abs(history.student.W - student.W).max() > 1e-3


def unrolled_loss(weights, teacher, T, every_step, array=np.array):
    """One pulse after another, the network run on each, the error read at the last step or at every one."""
    A, W, B = weights
    total = 0.0
    for s in range(T):
        for i in range(teacher.m):
            h, h_ = 0 * B[:, i], np.zeros(teacher.n)
            for t in range(T):
                h, h_ = W @ h, teacher.W @ h_
                if t == s:
                    h, h_ = h + B[:, i], h_ + teacher.B[:, i]
                if every_step or t == T - 1:
                    total = total + ((A @ h - array(teacher.A @ h_)) ** 2).sum() / (2 * T if every_step else 2)
    return total


@pytest.mark.parametrize("every_step", [False, True])
def test_bptt_at_a_finite_horizon_is_descent_by_automatic_differentiation(every_step):
    student, teacher, _ = team(2)
    gradient = autograd.value_and_grad(unrolled_loss)
    weights, losses = weights_of(student), []
    for _ in range(20):
        value, grads = gradient(weights, teacher, 5, every_step)
        losses.append(value)
        weights = tuple(X - 0.1 * grad for X, grad in zip(weights, grads))
    history = train(BPTT(), student, teacher, 0.1, 20, horizon=5, every_step=every_step, record=1)
    assert_same_net(history.student, LinearRNN(*weights))
    assert_allclose(history.losses[:-1], losses, rtol=1e-10)
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("every_step", [False, True])
def test_bptt_at_a_finite_horizon_is_descent_by_pytorch(every_step):
    torch = pytest.importorskip("torch")
    student, teacher, _ = team(3)
    weights = [torch.tensor(X, requires_grad=True) for X in weights_of(student)]
    optimizer, losses = torch.optim.SGD(weights, lr=0.1), []
    for _ in range(20):
        optimizer.zero_grad()
        value = unrolled_loss(weights, teacher, 5, every_step, torch.tensor)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    history = train(BPTT(), student, teacher, 0.1, 20, horizon=5, every_step=every_step, record=1)
    assert_same_net(history.student, LinearRNN(*(X.detach().numpy() for X in weights)))
    assert_allclose(history.losses[:-1], losses, rtol=1e-10)


def test_bptt_at_an_infinite_horizon_is_descent_on_the_stationary_loss():
    student, teacher, _ = team(4)

    def stationary(weights):  # the Stein equation of the joint system, by vectorisation
        A, W, B = weights
        n, N = student.n, student.n + teacher.n
        F = anp.concatenate(
            [anp.concatenate([W, np.zeros((n, N - n))], 1), anp.concatenate([np.zeros((N - n, n)), teacher.W], 1)], 0
        )
        G, C = anp.concatenate([B, teacher.B], 0), anp.concatenate([A, -teacher.A], 1)
        Q = anp.linalg.solve(np.eye(N * N) - anp.kron(F, F), anp.reshape(G @ G.T, -1))
        return anp.trace(C @ anp.reshape(Q, (N, N)) @ C.T) / 2

    weights = weights_of(student)
    for _ in range(20):
        weights = tuple(X - 0.1 * grad for X, grad in zip(weights, autograd.grad(stationary)(weights)))
    history = train(BPTT(), student, teacher, 0.1, 20)
    assert_same_net(history.student, LinearRNN(*weights))
    assert history.losses[-1] == pytest.approx(stationary(weights), rel=1e-10)


def test_a_small_rate_takes_bptt_to_its_teacher():
    student, teacher = LinearRNN([[0.5]], [[0.0]], [[0.5]]), LinearRNN([[1.0]], [[0.5]], [[1.0]])
    history = train(BPTT(), student, teacher, 0.1, 600)
    assert history.student.W.item() == pytest.approx(0.5, abs=1e-6)
    assert history.losses[-1] < 1e-12
    assert np.all(np.diff(history.losses) <= 1e-15)


# What is recorded


@pytest.mark.parametrize(
    "steps, record, times",
    [
        (1, None, [0, 1]),
        (7, None, range(8)),
        (7, 3, [0, 3, 6, 7]),
        (6, 3, [0, 3, 6]),
        (5, 5, [0, 5]),
        (5, 9, [0, 5]),
        (400, None, range(0, 401, 2)),
        (401, None, [*range(0, 401, 3), 401]),
        (5.0, 2.0, [0, 2, 4, 5]),
    ],
)
def test_the_loss_is_recorded_when_it_should_be(steps, record, times):
    student, teacher, _ = team(5)
    history = train(BPTT(), student, teacher, 1e-3, steps, horizon=2, record=record)
    assert_array_equal(history.times, list(times))
    assert history.losses.shape == (len(list(times)),)
    whole = train(BPTT(), student, teacher, 1e-3, int(steps), horizon=2, record=record and int(record))
    assert_same_history(whole, history)


@pytest.mark.parametrize("steps", [399, 600, 1234])
def test_up_to_two_hundred_records(steps):
    student, teacher = LinearRNN([[0.5]], [[0.1]], [[0.5]]), LinearRNN([[1.0]], [[0.5]], [[1.0]])
    times = train(BPTT(), student, teacher, 1e-5, steps, horizon=1).times
    assert 100 < times.size <= 201
    assert times[0] == 0 and times[-1] == steps and len(set(np.diff(times)[:-1])) == 1


def test_recording_changes_nothing():
    student, teacher, R = team(6, batch=(3,))
    histories = [
        train(RFLO(R, 0.4), student, teacher, 0.1, 30, horizon=5, batch_size=4, seed=1, record=record, snapshots=kept)
        for record, kept in ((1, range(31)), (30, ()), (7, [30]))
    ]
    for other in histories[1:]:
        assert_same_net(other.student, histories[0].student, 0)
        assert_array_equal(other.losses[..., -1], histories[0].losses[..., -1])
    assert histories[1].snapshots is None
    assert histories[0].snapshots.batch_shape == (31, 3) and histories[2].snapshots.batch_shape == (1, 3)
    assert_same_net(one_of(histories[0].snapshots, 0), student, 0)
    assert_same_net(one_of(histories[0].snapshots, 30), histories[0].student, 0)
    assert_allclose(histories[0].losses, np.moveaxis(loss(histories[0].snapshots, teacher, 5), 0, -1), rtol=1e-12)


def test_converged_at_is_the_first_recorded_time_below():
    student, teacher, _ = team(7, batch=(2, 3))
    history = train(BPTT(), student, teacher, [[0.01], [0.1]], 300, record=7)
    assert history.losses.shape == (2, 3, 44)
    for below in (0, *np.quantile(history.losses, [0.1, 0.5, 0.9]), np.inf):
        at = history.converged_at(below)
        assert at.shape == (2, 3)
        for i, j in np.ndindex(2, 3):
            there = [time for time, value in zip(history.times, history.losses[i, j]) if value < below]
            assert at[i, j] == (there[0] if there else np.inf)
    one = train(BPTT(), one_of(student, (0, 0)), teacher, 0.01, 5)
    assert np.shape(one.converged_at(np.inf)) == () and one.converged_at(np.inf) == 0 and one.converged_at(0) == np.inf
    bump = History(None, np.arange(4), np.array([[3.0, 1.0, 2.0, 0.5], [1.0, 1.0, 1.0, 1.0]]), None, None)
    assert_array_equal(bump.converged_at(1.5), [1, 0])
    assert_array_equal(bump.converged_at(1.0), [3, np.inf])  # below, not at


def test_nothing_handed_in_is_changed_and_nothing_is_shared():
    student, teacher, R = team(8)
    before = [X.copy() for X in weights_of(student)]
    rate = np.array([0.1, 0.2])
    history = train(BPTT(), student, teacher, rate, 5, snapshots=[0, 3])
    for X, kept in zip(weights_of(student), before):
        assert_array_equal(X, kept)
    assert_array_equal(rate, [0.1, 0.2])
    assert not np.array_equal(history.snapshots.W[0], history.snapshots.W[1])


# A batch is a loop


@pytest.mark.parametrize("horizon, every_step", SETTINGS)
@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_a_loop(name, horizon, every_step):
    """Rates (2, 1, 1), teachers (2, 1), students and feedback (3,): 12 runs in one call."""
    rng = np.random.default_rng(9)
    students, teachers = network(rng, batch=(3,), radius=0.5), network(rng, n=4, batch=(2, 1))
    R, decay, rates = rng.standard_normal((3, 2, 3)), np.array([0.3, -0.5, 0.0]), np.array([0.02, 0.1])
    options = {"horizon": horizon, "every_step": every_step, "record": 4, "snapshots": [3, 10]}
    history = train(make(name, R, decay), students, teachers, rates[:, None, None], 10, **options)
    assert history.student.batch_shape == history.diverged_at.shape == (2, 2, 3)
    assert history.losses.shape == (2, 2, 3, 4) and history.snapshots.batch_shape == (2, 2, 2, 3)
    for i, j, k in np.ndindex(2, 2, 3):
        rule, student, teacher = make(name, R[k], decay[k]), one_of(students, k), one_of(teachers, (j, 0))
        one = train(rule, student, teacher, rates[i], 10, **options)
        assert_same_net(one_of(history.student, (i, j, k)), one.student, 1e-12)
        assert_same_net(one_of(history.snapshots, (slice(None), i, j, k)), one.snapshots, 1e-12)
        assert_allclose(history.losses[i, j, k], one.losses, rtol=1e-10)
        assert history.diverged_at[i, j, k] == one.diverged_at


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_trained_on_shared_sequences_is_a_loop(name):
    students, teacher, _ = team(10, batch=(2, 3))
    R, rates = np.random.default_rng(11).standard_normal((3, 2, 3)), np.array([[0.05], [0.1]])
    options = {"horizon": 5, "batch_size": 4, "shared_inputs": True, "seed": 3, "snapshots": [5]}
    for every_step in (False, True):
        history = train(make(name, R), students, teacher, rates, 10, every_step=every_step, **options)
        for i, j in np.ndindex(2, 3):
            one = train(
                make(name, R[j]), one_of(students, (i, j)), teacher, rates[i, 0], 10, every_step=every_step, **options
            )
            assert_same_net(one_of(history.student, (i, j)), one.student, 1e-12)
            assert_same_net(one_of(history.snapshots, (slice(None), i, j)), one.snapshots, 1e-12)
            assert_allclose(history.losses[i, j], one.losses, rtol=1e-10)


@pytest.mark.parametrize("which", ["A", "W", "B", "teacher", "R", "decay", "rate"])
def test_any_one_of_them_may_carry_the_batch(which):

    student, teacher, R = team(12)
    weights, decay, rate = dict(zip("AWB", weights_of(student))), 0.4, 0.1
    factors = np.array([0.5, 1.0, 0.8])
    if which in weights:
        weights[which] = factors[:, None, None] * weights[which]
    teachers = LinearRNN(teacher.A, factors[:, None, None] * teacher.W, teacher.B) if which == "teacher" else teacher
    Rs = factors[:, None, None] * R if which == "R" else R
    decays, rates = (factors * value if which == key else value for key, value in (("decay", 0.4), ("rate", 0.1)))
    for batch_size, horizon in ((None, np.inf), (2, 4)):
        options = {"horizon": horizon, "batch_size": batch_size, "shared_inputs": True, "seed": 0, "snapshots": [0, 6]}
        history = train(RFLO(Rs, decays), LinearRNN(**weights), teachers, rates, 6, **options)
        assert history.student.A.shape == (3, 2, 3) and history.snapshots.W.shape == (2, 3, 3, 3)
        for i, factor in enumerate(factors):
            one = train(
                RFLO(factor * R if which == "R" else R, factor * decay if which == "decay" else decay),
                one_of(LinearRNN(**weights), i) if which in weights else student,
                one_of(teachers, i) if which == "teacher" else teacher,
                factor * rate if which == "rate" else rate,
                6,
                **options,
            )
            assert_same_net(one_of(history.student, i), one.student, 1e-12)
            assert_allclose(history.losses[i], one.losses, rtol=1e-10)


def test_an_empty_batch_has_no_runs():
    student, teacher, _ = team(13)
    none = LinearRNN(np.ones((0, 2, 3)), student.W, student.B)
    history = train(BPTT(), none, teacher, 0.1, 3, snapshots=[0])
    assert history.losses.shape == (0, 4) and history.diverged_at.shape == (0,) and history.student.batch_shape == (0,)
    flow = train_flow(BPTT(), none, teacher, [0.0, 1.0])
    assert flow.losses.shape == (0, 2) and flow.diverged_at.shape == (0,) and flow.snapshots.batch_shape == (2, 0)


# Going on, and chance


@pytest.mark.parametrize("horizon, every_step", SETTINGS)
@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_goes_on_is_the_run_uninterrupted(name, horizon, every_step):
    students, teacher, R = team(14, batch=(4,))
    options = {"horizon": horizon, "every_step": every_step, "record": 1}
    whole = train(make(name, R), students, teacher, 0.01, 30, **options)
    first = train(make(name, R), students, teacher, 0.01, 11, **options)
    then = train(make(name, R), first.student, teacher, 0.01, 19, **options)
    assert np.isinf(whole.diverged_at).all()
    assert_same_net(then.student, whole.student, 0)
    assert_allclose(np.append(first.losses[:, :-1], then.losses, axis=-1), whole.losses, rtol=1e-14)


@pytest.mark.parametrize("shared_inputs", [False, True])
@pytest.mark.parametrize("every_step", [False, True])
def test_a_sampled_run_goes_on_with_its_generator(every_step, shared_inputs):
    students, teacher, R = team(15, batch=(4,))
    rule = RFLO(R, 0.4)
    options = {"horizon": 5, "every_step": every_step, "batch_size": 2, "shared_inputs": shared_inputs}
    whole = train(rule, students, teacher, 0.1, 30, seed=np.random.default_rng(5), record=1, **options)
    rng = np.random.default_rng(5)
    first = train(rule, students, teacher, 0.1, 11, seed=rng, record=1, **options)
    then = train(rule, first.student, teacher, 0.1, 19, seed=rng, record=1, **options)
    assert_same_net(then.student, whole.student, 0)
    assert_allclose(np.append(first.losses[:, :-1], then.losses, axis=-1), whole.losses, rtol=1e-14)
    again = train(rule, first.student, teacher, 0.1, 19, seed=np.random.default_rng(5), **options)
    assert np.abs(again.student.W - whole.student.W).max() > 1e-3


def test_the_same_seed_gives_the_same_run_and_another_another():
    students, teacher, R = team(16, batch=(2,))
    runs = [
        train(EProp(R), students, teacher, 0.1, 20, horizon=4, batch_size=3, seed=seed)
        for seed in (7, 7, np.random.default_rng(7), 8, None, None)
    ]
    for same in runs[1:3]:
        assert_same_history(same, runs[0])
    for one, other in ((0, 3), (0, 4), (4, 5)):
        assert np.abs(runs[one].student.W - runs[other].student.W).max() > 1e-3
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    train(EProp(R), students, teacher, 0.1, 2, horizon=4, batch_size=3, seed=1)
    assert_array_equal(np.random.get_state()[1], before)


def test_the_seed_does_not_matter_to_an_expected_update():
    student, teacher, _ = team(17)
    rng = np.random.default_rng(0)
    one, other = (train(BPTT(), student, teacher, 0.1, 5, seed=seed) for seed in (1, rng))
    assert_same_history(one, other)
    assert rng.standard_normal() == np.random.default_rng(0).standard_normal(), "sequences drawn and thrown away"


def test_shared_inputs_are_shared_and_others_are_not():
    student, teacher, R = team(18)
    twins = stack([student] * 3)
    options = {"horizon": 4, "batch_size": 2, "seed": 2}
    shared = train(RFLO(R, 0.4), twins, teacher, 0.1, 10, shared_inputs=True, **options).student.W
    own = train(RFLO(R, 0.4), twins, teacher, 0.1, 10, **options).student.W
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert_allclose(shared[i], shared[j], rtol=0, atol=1e-14)
        assert np.abs(own[i] - own[j]).max() > 1e-3


N_RUNS = 4000


def total_change(name, steps, batch_size, every_step, seed, rate=1e-7):
    """The change of 4000 copies over steps that hardly move the weights, divided by the rate: (runs, numbers)."""
    student, teacher, R = team(19)
    crowd = np.full(N_RUNS, rate)
    options = {"horizon": 4, "every_step": every_step, "batch_size": batch_size, "seed": seed, "record": steps}
    after = train(make(name, R), student, teacher, crowd, steps, **options).student
    changes = [(X - X_after) / rate for X, X_after in zip(weights_of(student), weights_of(after))]
    expected = make(name, R).update(student, teacher, 4, every_step)
    return np.concatenate([x.reshape(N_RUNS, -1) for x in changes], 1), np.concatenate([x.ravel() for x in expected])


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_sampled_step_has_the_mean_of_the_expected_one(name, every_step):
    """Of 21 numbers none is 5 standard errors off (chance below 1 in 50 000)."""
    change, expected = total_change(name, 1, 2, every_step, seed=20)
    z = (change.mean(axis=0) - expected) / (change.std(axis=0, ddof=1) / np.sqrt(N_RUNS))
    assert np.abs(z).max() < 5
    assert np.abs(expected / change.std(axis=0)).max() * np.sqrt(N_RUNS) > 10, "zero would do as well"


def test_sequences_are_new_at_each_step_and_as_many_as_asked():
    """Variances: three new steps add up; four sequences instead of one are a quarter."""
    spread = {key: total_change("BPTT", *key, False, seed=21)[0].var(axis=0) for key in ((1, 1), (3, 1), (1, 4))}
    # The same sequences again would give 9, or the variance of one; tails are heavy, and these ratios good to 10 %.
    assert_allclose(spread[3, 1] / spread[1, 1], 3, rtol=0.4)
    assert_allclose(spread[1, 4] / spread[1, 1], 1 / 4, rtol=0.4)
    assert np.median(spread[3, 1] / spread[1, 1]) == pytest.approx(3, rel=0.1)
    assert np.median(spread[1, 4] / spread[1, 1]) == pytest.approx(1 / 4, rel=0.1)


def test_training_on_sequences_steps_along_the_sampled_updates():
    """One step, from what the rule makes of the very sequences: drawn again from a generator of the same seed."""
    student, teacher, _ = team(22)
    x = np.random.default_rng(23).standard_normal((3, 5, 2))
    for every_step in (False, True):
        y = simulate(teacher, x)
        update = BPTT().sampled_update(student, x, y if every_step else y[:, -1], every_step)
        options = {"horizon": 5, "every_step": every_step, "batch_size": 3, "seed": 23}
        history = train(BPTT(), student, teacher, 0.1, 1, **options)
        assert_same_net(history.student, step(student, update, 0.1), 1e-14)
        assert history.losses[-1] == pytest.approx(loss(history.student, teacher, 5, every_step), rel=1e-12)


# The theorem on ranks


@settings(max_examples=20, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 4), st.integers(1, 4)),
    st.floats(-0.9, 0.9),
    st.sampled_from([(np.inf, False), (1, False), (4, False), (4, True), (9, True)]),
    st.booleans(),
    seeds,
)
def test_rflo_changes_the_weights_by_rank_o(sizes, decay, setting, sampled, seed):
    o, n, m, n_teacher = sizes
    rng, (horizon, every_step) = np.random.default_rng(seed), setting
    student, teacher = network(rng, o, n, m, 0.5, batch=(3,)), network(rng, o, n_teacher, m, 0.5, scale=1.0)
    rule, sampled = RFLO(rng.standard_normal((3, o, n)), decay), sampled and horizon < np.inf
    options = {"horizon": horizon, "every_step": every_step, "batch_size": 2 if sampled else None, "seed": 1}
    after = train(rule, student, teacher, 0.01, 8, **options).student
    assert np.all(change_rank(student.W, after.W) <= o)
    assert np.all(change_rank(student.B, after.B) <= o)
    Q = np.linalg.qr(np.swapaxes(rule.R, -1, -2))[0]  # the rows of R: nothing changes outside
    for X, X_after in ((student.W, after.W), (student.B, after.B)):
        outside = X_after - X - Q @ (np.swapaxes(Q, -1, -2) @ (X_after - X))
        assert np.abs(outside).max() < 1e-12 * max(1, np.abs(X_after).max())


def test_the_bound_is_reached_and_bptt_is_above_it():
    students, teacher, R = team(24, batch=(5,), n=8)
    after = train(RFLO(R, 0.4), students, teacher, 0.05, 40).student
    assert_array_equal(change_rank(students.W, after.W), 2)
    assert_array_equal(change_rank(students.B, after.B), 2)
    for rule in (BPTT(), TruncatedBPTT(3), EProp(R)):
        assert np.all(change_rank(students.W, train(rule, students, teacher, 0.05, 40).student.W) > 2)
    after = train(EProp(R), students, teacher, 0.05, 1).student
    assert np.all(change_rank(students.W, after.W) > 2)  # e-prop in a single step: every unit has its own decay
    flow = train_flow(RFLO(R, 0.4), students, teacher, [1.0, 4.0], rtol=1e-8)
    assert_array_equal(change_rank(students.W, flow.snapshots.W), 2)


# Aligned students learn mode by mode


MODES = Mode([0.5, 0.7, 0.4], [0.6, 0.4, 0.9], [0.3, -0.2, 0.5])
TARGETS = Mode([1.3, 0.8, 1.1], [0.9, 1.2, 0.7], [0.7, -0.4, 0.2])
FEEDBACK = np.array([0.8, 1.2, 0.6])


def aligned(name):
    rng = np.random.default_rng(25)
    U, V, P, P_ = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (4, 5, 6, 7))
    if name in BY_UNIT:  # hidden units are modes
        P = np.eye(6)[[4, 0, 5, 2, 1, 3]] * rng.choice([-1.0, 1.0], 6)
    R = U[:, :3] * FEEDBACK @ P[:, :3].T
    decay = decays_of(0.4, 6) @ np.abs(P[:, :3]) if name == "per-unit RFLO" else 0.4
    student, teacher = aligned_network(MODES, U, V, P), aligned_network(TARGETS, U, V, P_)
    return student, teacher, make(name, R), of_modes(name, FEEDBACK, decay), (U, V, P)


def assert_modes(nets, bases, modes):
    """The rotated weights are diagonal, and their diagonals a, w and b, (modes, times)."""
    U, V, P = bases
    for rotated, diagonal in ((U.T @ nets.A @ P, modes.a), (P.T @ nets.W @ P, modes.w), (P.T @ nets.B @ V, modes.b)):
        expected = np.zeros(rotated.shape)
        expected[:, range(3), range(3)] = diagonal.T
        assert_allclose(rotated, expected, rtol=0, atol=2e-7)


@pytest.mark.parametrize("name", NAMES)
def test_the_flow_of_an_aligned_student_is_that_of_its_modes(name):
    student, teacher, rule, of_modes_alone, bases = aligned(name)
    times = [0.0, 0.5, 3.0]
    flow = train_flow(rule, student, teacher, times, rtol=1e-8, atol=1e-10)
    modes = integrate(of_modes_alone, MODES, TARGETS, times)
    assert np.all(np.abs(modes.w[:, -1] - MODES.w) > 0.02), "nothing was learned"
    assert_modes(flow.snapshots, bases, modes)


@pytest.mark.parametrize("name", NAMES)
def test_training_an_aligned_student_is_training_its_modes(name):
    """At any learning rate: the update is that of the modes, so each step keeps the network aligned."""
    student, teacher, rule, of_modes_alone, bases = aligned(name)
    history = train(rule, student, teacher, 0.1, 50, snapshots=range(0, 51, 10))
    (a, b, w), path = MODES, []
    for k in range(51):
        if k % 10 == 0:
            path.append((a, b, w))
        da, db, dw = of_modes_alone.mode_update(Mode(a, b, w), TARGETS)
        a, b, w = a - 0.1 * da, b - 0.1 * db, w - 0.1 * dw
    assert_modes(history.snapshots, bases, Mode(*(np.stack(parts, axis=-1) for parts in zip(*path))))


# The flow


def unpacked(y, net):
    A, W, B = np.split(y, np.cumsum([net.A.size, net.W.size]))
    return LinearRNN(A.reshape(net.A.shape), W.reshape(net.W.shape), B.reshape(net.B.shape))


def reference_flow(rule, student, teacher, times, horizon=np.inf, every_step=False):
    def velocity(_, y):
        return -np.concatenate([d.ravel() for d in rule.update(unpacked(y, student), teacher, horizon, every_step)])

    start = np.concatenate([X.ravel() for X in weights_of(student)])
    once, where = np.unique(times, return_inverse=True)
    run = solve_ivp(velocity, (0, times[-1]), start, "DOP853", t_eval=once, rtol=1e-10, atol=1e-11)
    assert run.success
    return stack(unpacked(y, student) for y in run.y.T[where])


@pytest.mark.parametrize(
    "name, horizon, every_step", [*((name, np.inf, False) for name in NAMES), ("BPTT", 4, True), ("RFLO", 4, False)]
)
def test_the_flow_is_that_of_an_independent_integration(name, horizon, every_step):
    student, teacher, R = team(26)
    times = np.array([0.0, 0.003, 0.5, 0.5, 1.0])
    options = {"horizon": horizon, "every_step": every_step}
    expected = reference_flow(make(name, R), student, teacher, times, **options)
    flow = train_flow(make(name, R), student, teacher, times, rtol=1e-8, atol=1e-10, **options)
    assert_same_net(flow.snapshots, expected, 1e-6)
    assert_same_net(flow.student, one_of(flow.snapshots, -1), 0)
    assert_same_net(one_of(flow.snapshots, 0), student, 0)
    assert_array_equal(flow.times, times)
    assert flow.losses.shape == (5,) and flow.diverged_at == np.inf and np.shape(flow.diverged_at) == ()
    assert_allclose(flow.losses, [loss(one_of(flow.snapshots, i), teacher, **options) for i in range(5)], rtol=1e-12)
    assert np.abs(flow.student.W - student.W).max() > 0.01


def test_the_error_follows_the_tolerance():
    student, teacher, R = team(27)
    expected, errors = reference_flow(RFLO(R, 0.4), student, teacher, np.array([1.0, 3.0])), []
    for options in ({"rtol": 1e-4, "atol": 1e-5}, {}, {"rtol": 1e-8, "atol": 1e-9}):
        flow = train_flow(RFLO(R, 0.4), student, teacher, [1.0, 3.0], **options)
        errors.append(np.abs(flow.snapshots.W - expected.W).max())
        assert errors[-1] < 20 * options.get("rtol", 1e-6)
    assert errors[0] > 10 * errors[1] > 100 * errors[2] > 0


@pytest.mark.parametrize("name, horizon, every_step", [("BPTT", np.inf, False), ("BPTT", 4, True), ("RFLO", 4, False)])
def test_training_tends_to_the_flow_as_the_rate_to_zero(name, horizon, every_step):
    student, teacher, R = team(28)
    options = {"horizon": horizon, "every_step": every_step}
    limit = train_flow(make(name, R), student, teacher, [2.0], rtol=1e-8, atol=1e-10, **options).student
    gaps = []
    for rate in (0.04, 0.02, 0.01):
        end = train(make(name, R), student, teacher, rate, round(2 / rate), record=10**6, **options).student
        gaps.append(np.abs(end.W - limit.W).max())
    assert gaps[0] > 1e-5
    assert_allclose(np.array(gaps[:-1]) / gaps[1:], 2, rtol=0.1)


@pytest.mark.parametrize("horizon, every_step", SETTINGS)
def test_the_flow_of_bptt_keeps_the_balance(horizon, every_step):
    student, teacher, R = team(29, batch=(3,))

    def balance(net):
        AT, WT, BT = (np.swapaxes(X, -1, -2) for X in weights_of(net))
        return AT @ net.A - net.B @ BT + WT @ net.W - net.W @ WT

    options = {"horizon": horizon, "every_step": every_step, "rtol": 1e-7, "atol": 1e-9}
    flow = train_flow(BPTT(), student, teacher, [0.5, 3.0], **options)
    assert_allclose(balance(flow.snapshots), np.stack([balance(student)] * 2), rtol=0, atol=1e-5)
    assert np.abs(flow.student.W - student.W).max() > 0.05
    other = train_flow(RFLO(R, 0.4), student, teacher, [1.0], **options).student
    assert np.abs(balance(other) - balance(student)).max() > 0.01, "any flow keeps it"


@pytest.mark.parametrize("decay, horizon, every_step", [(0.6, np.inf, False), (-0.5, 6, False), (0.3, 6, True)])
def test_the_flow_of_rflo_keeps_its_own(decay, horizon, every_step):
    student, teacher, R = team(30, batch=(3,))

    def kept(net):
        AT, BT, off = np.swapaxes(net.A, -1, -2), np.swapaxes(net.B, -1, -2), net.W - decay * np.eye(net.n)
        return R.T @ net.A + AT @ R - off @ np.swapaxes(off, -1, -2) - net.B @ BT

    options = {"horizon": horizon, "every_step": every_step, "rtol": 1e-7, "atol": 1e-9}
    flow = train_flow(RFLO(R, decay), student, teacher, [0.1, 0.4], **options)
    assert_allclose(kept(flow.snapshots), np.stack([kept(student)] * 2), rtol=0, atol=1e-5)
    assert np.abs(flow.student.W - student.W).max() > 0.05
    other = train_flow(BPTT(), student, teacher, [1.0], **options).student
    assert np.abs(kept(other) - kept(student)).max() > 0.01, "any flow keeps it"


@pytest.mark.parametrize(
    "name, horizon, every_step", [("BPTT", 6, True), ("RFLO", np.inf, False), ("e-prop", 6, False)]
)
def test_a_batch_of_flows_is_a_loop(name, horizon, every_step):
    rng = np.random.default_rng(31)
    students, teachers = network(rng, batch=(3,), radius=0.5), network(rng, n=4, batch=(2, 1))
    R, decay, times = rng.standard_normal((3, 2, 3)), np.array([0.3, -0.5, 0.0]), [0.0, 0.2, 0.5]
    options = {"horizon": horizon, "every_step": every_step}
    flow = train_flow(make(name, R, decay), students, teachers, times, **options)
    assert flow.student.batch_shape == flow.diverged_at.shape == (2, 3)
    assert flow.losses.shape == (2, 3, 3) and flow.snapshots.batch_shape == (3, 2, 3)
    for j, k in np.ndindex(2, 3):
        one = train_flow(make(name, R[k], decay[k]), one_of(students, k), one_of(teachers, (j, 0)), times, **options)
        assert_same_net(one_of(flow.snapshots, (slice(None), j, k)), one.snapshots, 1e-9)
        assert_allclose(flow.losses[j, k], one.losses, rtol=1e-8)
        assert flow.diverged_at[j, k] == pytest.approx(one.diverged_at, rel=1e-6)


def test_times_at_the_start_repeated_and_alone():
    student, teacher, _ = team(32, batch=(2,))
    zero = train_flow(BPTT(), student, teacher, [0.0])
    assert_same_net(zero.student, student, 0)
    assert_array_equal(zero.losses[:, 0], loss(student, teacher))
    full = train_flow(BPTT(), student, teacher, [0, 0, 1, 1, 1, 3, 7, 7])
    assert_array_equal(full.snapshots.W[[0, 2, 3, 6]], full.snapshots.W[[1, 3, 4, 7]])
    alone = train_flow(BPTT(), student, teacher, [7.0])
    assert_allclose(alone.student.W, full.student.W, rtol=0, atol=1e-12)


def test_each_flow_goes_at_its_own_pace():
    """A fast run beside a slow one does not change it; and both are as good as alone."""
    students, teacher, _ = team(33, batch=(2,))
    students = LinearRNN(students.A * np.array([8.0, 1.0])[:, None, None], students.W, students.B)
    flow = train_flow(BPTT(), students, teacher, [0.5, 2.0])
    alone = train_flow(BPTT(), one_of(students, 1), teacher, [0.5, 2.0])
    assert_allclose(flow.snapshots.W[:, 1], alone.snapshots.W, rtol=0, atol=1e-12)


# Runs that diverge


@pytest.mark.parametrize("record", [1, 7, 40])
@pytest.mark.parametrize("horizon, every_step", SETTINGS)
@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_diverges_is_frozen_at_its_last_valid_weights(name, horizon, every_step, record):
    student, teacher, R = team(34)
    rule, options = make(name, R), {"horizon": horizon, "every_step": every_step}
    nets = [student]  # those that have a loss and an update
    while len(nets) <= 40:
        after = step(nets[-1], rule.update(nets[-1], teacher, **options), 8.0)
        try:
            loss(after, teacher, **options), rule.update(after, teacher, **options)
        except ValueError:
            break
        nets.append(after)
    assert len(nets) <= 40, "this run does not diverge"
    history = train(rule, student, teacher, 8.0, 40, record=record, snapshots=range(41), **options)
    assert history.diverged_at == len(nets)
    losses = history.losses[history.times >= len(nets) - 1]
    assert losses.size and np.all(losses == losses[0])
    assert losses[0] == pytest.approx(loss(nets[-1], teacher, **options), rel=1e-6)
    assert_same_net(one_of(history.snapshots, 40), history.student, 0)
    for k in range(41):
        expected = nets[min(k, len(nets) - 1)]
        assert_same_net(one_of(history.snapshots, k), expected, 1e-9 * max(1, np.abs(expected.W).max()))
    assert np.isfinite(history.losses).all()
    if horizon == np.inf:
        assert history.student.spectral_radius() < 1
        if name not in READ_THE_DIAGONAL:
            assert after.spectral_radius() >= 1 or not np.isfinite(after.W).all()


@pytest.mark.parametrize(
    "horizon, every_step, batch_size", [(np.inf, False, None), (40, True, None), (5, False, 3), (20, True, 3)]
)
@pytest.mark.parametrize("name", NAMES)
def test_runs_that_diverge_do_not_disturb_the_others(name, horizon, every_step, batch_size):
    students, teacher, _ = team(35, batch=(6,))
    R = np.random.default_rng(36).standard_normal((6, 2, 3))
    options = {"horizon": horizon, "every_step": every_step, "batch_size": batch_size, "seed": 1, "record": 5}
    calm, wild = np.full(6, 0.02), np.array([0.02, 1e6, 0.02, 30.0, 1e100, 0.02])
    expected = train(make(name, R), students, teacher, calm, 30, snapshots=[0, 15, 30], **options)
    history = train(make(name, R), students, teacher, wild, 30, snapshots=[0, 15, 30], **options)
    stay = [0, 2, 5]
    assert np.isinf(expected.diverged_at).all()
    assert_array_equal(np.isfinite(history.diverged_at), wild > 0.02)
    assert_same_net(one_of(history.student, stay), one_of(expected.student, stay), 1e-12)
    assert_same_net(
        one_of(history.snapshots, (slice(None), stay)), one_of(expected.snapshots, (slice(None), stay)), 1e-12
    )
    assert_allclose(history.losses[stay], expected.losses[stay], rtol=1e-10)
    assert np.isfinite(history.losses).all() and np.isfinite(history.student.W).all()
    loss(history.student, teacher, horizon, every_step)  # all are valid
    make(name, R).update(history.student, teacher, horizon, every_step)


@pytest.mark.parametrize("batch_size", [None, 3])
@pytest.mark.parametrize("horizon", [np.inf, 50])
def test_all_runs_diverge(horizon, batch_size):
    horizon = 50 if batch_size else horizon
    students, teacher, R = team(37, batch=(2, 2))
    options = {"horizon": horizon, "batch_size": batch_size, "seed": 0, "record": 10}
    for rule in (BPTT(), RFLO(R, 0.4)):
        history = train(rule, students, teacher, [1e4, 1e8], 100, snapshots=[0, 50, 100], **options)
        assert np.all(history.diverged_at < 20) and np.all(history.diverged_at >= 1)
        assert history.losses.shape == (2, 2, 11) and np.isfinite(history.losses).all()
        assert_array_equal(history.snapshots.W[1], history.student.W)
        assert_array_equal(history.snapshots.W[2], history.student.W)
        assert_allclose(history.losses[..., -1], loss(history.student, teacher, horizon), rtol=1e-12)


@pytest.mark.parametrize(
    "options", [{}, {"horizon": 5}, {"horizon": 5, "batch_size": 2, "seed": 0, "shared_inputs": True}]
)
def test_a_step_out_of_the_range_of_floats_is_a_divergence_and_no_warning(options):
    student = LinearRNN([[5.0, 1.0]], [[0.5, 0.1], [0.0, 0.2]], [[3.0], [1.0]])
    teacher = LinearRNN([[0.1]], [[0.3]], [[0.2]])
    history = train(BPTT(), student, teacher, [1e308, 1e-4], 3, **options)
    assert_array_equal(history.diverged_at, [1, np.inf])
    assert_same_net(one_of(history.student, 0), student, 0)
    assert_same_net(one_of(history.student, 1), train(BPTT(), student, teacher, 1e-4, 3, **options).student, 1e-12)


def test_the_edge_is_found_to_the_step():
    """One unit, w driven by hand: the first step that leaves |w| < 1 is the one that is named."""
    student, teacher = LinearRNN([[1.0]], [[0.5]], [[1.0]]), LinearRNN([[0.1]], [[0.3]], [[0.2]])
    rule, w, a, b, r, k = RFLO([[-0.7]], 0.4), 0.5, 1.0, 1.0, -0.7, 0
    while abs(w) < 1:
        last = w
        now, goal = a * b / (1 - w * w), 0.02 / (1 - 0.3 * w)
        da, psi, psi_ = b * (now - goal), 1 / (1 - 0.4 * w), 1 / (1 - 0.4 * 0.3)
        db, dw = r * (a * b * psi - 0.02 * psi_), r * b * (now * w * psi - goal * 0.3 * psi_)
        a, b, w, k = a - 0.01 * da, b - 0.01 * db, w - 0.01 * dw, k + 1
    for record in (1, 10**6):
        history = train(rule, student, teacher, 0.01, 500, record=record)
        assert history.diverged_at == k > 5
        assert history.student.W.item() == pytest.approx(last, rel=1e-9)
    # The last step may be the one that leaves.
    at_the_end, before = train(rule, student, teacher, 0.01, k), train(rule, student, teacher, 0.01, k - 1)
    assert at_the_end.diverged_at == k and before.diverged_at == np.inf
    assert_same_net(at_the_end.student, before.student, 0)
    assert at_the_end.losses[-1] == before.losses[-1]


def test_eprop_diverges_where_its_sum_does():
    """A diagonal entry above 1 at a spectral radius below it: the loss is finite, the update is not."""
    W = np.array([[1.3, -1.5], [0.9, -1.05]])
    student = LinearRNN([[1.0, 0.5]], W, [[0.4], [0.7]])
    assert student.spectral_radius() < 0.3
    teacher, R = LinearRNN([[0.1]], [[0.7]], [[0.1]]), np.array([[-0.3, 0.0]])
    history = train(EProp(R), student, teacher, 0.05, 1000, record=1)
    assert 1 < history.diverged_at < 1000
    after = step(history.student, EProp(R).update(history.student, teacher), 0.05)
    assert np.isfinite(loss(after, teacher)), "it is the loss that diverged"
    with pytest.raises(ValueError, match=r"\|W_ii\|"):
        EProp(R).update(after, teacher)
    assert np.isfinite(history.losses).all()
    # The step that leaves may be the last, or stand beside a run that stays.
    k = int(history.diverged_at)
    assert train(EProp(R), student, teacher, 0.05, k - 1).diverged_at == np.inf
    both = train(EProp(np.stack([R, 0 * R])), student, teacher, 0.05, k)
    assert_array_equal(both.diverged_at, [k, np.inf])
    assert_same_net(one_of(both.student, 0), history.student, 1e-12)
    train(EProp(R), one_of(both.student, 0), teacher, 1e-6, 1)  # and what is handed back can be trained on


def test_a_finite_horizon_diverges_where_floats_end():
    student, teacher = LinearRNN([[1.0]], [[0.9]], [[1.0]]), LinearRNN([[0.5]], [[0.5]], [[1.0]])
    for options in ({}, {"batch_size": 2, "seed": 0}):
        for every_step in (False, True):
            history = train(BPTT(), student, teacher, 5.0, 50, horizon=60, every_step=every_step, record=1, **options)
            assert history.diverged_at < 20
            assert np.isfinite(history.losses).all()
            assert np.all(np.diff(history.losses[history.times >= history.diverged_at]) == 0)


@pytest.mark.parametrize("record", [1, 100])
def test_a_loss_beyond_the_floats_is_a_divergence_though_the_update_is_not(record):
    """After one step w = 1e115: the gap at lag 1 is 1e155 and the updates up to 1e270, but its square is no float."""
    student, teacher = LinearRNN([[1e40]], [[0.0]], [[1.0]]), LinearRNN([[1e40]], [[1e75]], [[1.0]])
    rule, options = RFLO([[1.0]], 0.0), {"horizon": 2}
    after = step(student, rule.update(student, teacher, 2), 1.0)
    assert after.W.item() == pytest.approx(1e115) and np.isfinite(rule.update(after, teacher, 2).A).all()
    with pytest.raises(ValueError, match="^horizon"):
        loss(after, teacher, 2)
    history = train(rule, student, teacher, 1.0, 3, record=record, **options)
    assert history.diverged_at == 1 and history.student.W == 0
    assert_array_equal(history.losses, loss(student, teacher, 2))


def test_beyond_the_circle_a_finite_horizon_goes_on():
    student, teacher = LinearRNN([[1.0]], [[1.1]], [[1.0]]), LinearRNN([[1.0]], [[0.5]], [[1.0]])
    history = train(BPTT(), student, teacher, 0.002, 200, horizon=5)
    assert history.diverged_at == np.inf and history.losses[-1] < 0.5 * history.losses[0]
    student, teacher = LinearRNN([[1.0]], [[0.9]], [[1.0]]), LinearRNN([[1.0]], [[1.2]], [[1.0]])
    outwards = train(BPTT(), student, teacher, 0.01, 200, horizon=5)
    assert outwards.diverged_at == np.inf and outwards.student.spectral_radius() > 1


def test_a_run_goes_on_beside_one_that_has_diverged():
    students, teacher, R = team(38, batch=(3,))
    rates, options = np.array([0.005, 1e6, 0.002]), {"horizon": 5, "batch_size": 2, "record": 1}
    whole = train(RFLO(R, 0.4), students, teacher, rates, 30, seed=np.random.default_rng(5), **options)
    rng = np.random.default_rng(5)
    first = train(RFLO(R, 0.4), students, teacher, rates, 17, seed=rng, **options)
    then = train(RFLO(R, 0.4), first.student, teacher, rates, 13, seed=rng, **options)
    assert np.isfinite(first.diverged_at[1])
    for i in (0, 2):
        assert whole.diverged_at[i] == np.inf
        assert_allclose(then.student.W[i], whole.student.W[i], rtol=0, atol=1e-12)
    assert then.diverged_at[1] < 13


# Flows that end


def falling(*which):
    """Students of one unit, whose modes are known to leave; all but number 1, which stays."""
    target, which = Mode(0.1, 0.2, 0.3), list(which)
    starts = Mode(*np.array([[1.0, 1.0, -2.0], [1.0, 1.0, -3.0], [0.5, 0.5, 0.9]])[:, which])
    r = np.array([-0.7, 0.7, 0.7])[which]
    students = LinearRNN(*(np.reshape(x, (-1, 1, 1)) for x in (starts.a, starts.w, starts.b)))
    return students, LinearRNN([[0.1]], [[0.3]], [[0.2]]), r, starts, target


def test_a_flow_over_the_edge_ends_and_the_others_go_on():
    students, teacher, r, starts, target = falling(0, 1, 2)
    times = np.linspace(0, 2, 41)
    expected = integrate(RFLO(r, 0.4), starts, target, times)
    assert_array_equal(np.isfinite(expected.exit_time), [True, False, True])
    flow = train_flow(RFLO(r[:, None, None], 0.4), students, teacher, times, rtol=1e-7, atol=1e-9)
    assert_array_equal(np.isfinite(flow.diverged_at), np.isfinite(expected.exit_time))
    assert_allclose(flow.diverged_at, expected.exit_time, rtol=1e-5)
    w = np.moveaxis(flow.snapshots.W[..., 0, 0], 0, -1)
    for i in range(3):
        before = times < min(expected.exit_time[i], 1e9) - 1e-3
        assert_allclose(w[i, before], expected.w[i, before], rtol=0, atol=1e-5)
        after = times > flow.diverged_at[i]
        assert_array_equal(w[i, after], flow.student.W[i].item())
        assert flow.student.spectral_radius()[i] > 0.999 or i == 1  # as far as it got
    assert np.isfinite(flow.losses).all() and np.all(flow.student.spectral_radius() < 1)
    loss(flow.snapshots, teacher)  # all are valid
    alone = train_flow(RFLO([[0.7]], 0.4), one_of(students, 1), teacher, times, rtol=1e-7, atol=1e-9)
    assert_allclose(alone.losses, flow.losses[1], rtol=1e-9)


def test_times_crowded_at_the_edge():
    """What is recorded between two steps next to the edge is still inside it."""
    students, teacher, r, _, _ = falling(0, 1, 2)
    rule = RFLO(r[:, None, None], 0.4)
    ends = train_flow(rule, students, teacher, [0.5]).diverged_at[[0, 2]]
    near = 1 + np.linspace(-1, 1, 41) * 10.0 ** -np.arange(1, 12)[:, None]
    times = np.unique(np.multiply.outer(ends, near))
    flow = train_flow(rule, students, teacher, times)
    assert np.isfinite(flow.losses).all()
    assert np.all(flow.snapshots.spectral_radius() < 1)


def test_a_flow_that_starts_at_the_edge():
    students = LinearRNN(np.ones((3, 1, 1)), np.array([0.999999, -0.999999, 0.2]).reshape(3, 1, 1), [[1.0]])
    teacher = LinearRNN([[0.1]], [[0.3]], [[0.2]])
    flow = train_flow(RFLO([[-0.7]], 0.4), students, teacher, [0.1])
    exits = integrate(RFLO(-0.7, 0.4), Mode(1.0, 1.0, students.W.ravel()), Mode(0.1, 0.2, 0.3), [0.1]).exit_time
    assert_array_equal(np.isfinite(flow.diverged_at), np.isfinite(exits))
    assert np.all(flow.student.spectral_radius() < 1)


def test_all_flows_end():
    students, teacher, r, _, _ = falling(0, 2)
    flow = train_flow(RFLO(r[:, None, None], 0.4), students, teacher, [0.0, 5.0, 100.0])
    assert np.isfinite(flow.diverged_at).all() and np.isfinite(flow.losses).all()
    assert_array_equal(flow.snapshots.W[2], flow.student.W)
    assert np.all(flow.student.spectral_radius() > 0.999)


@pytest.mark.parametrize("every_step", [False, True])
def test_beyond_the_circle_a_flow_at_a_finite_horizon_goes_on(every_step):
    """Wrong feedback, and no edge to fall over: the readout is silenced instead."""
    student, teacher = LinearRNN([[1.0]], [[0.9]], [[1.0]]), LinearRNN([[0.1]], [[0.3]], [[0.2]])
    rule = RFLO([[-2.0]], 0.4)
    times, options = np.array([0.0, 0.1, 1.0]), {"horizon": 3, "every_step": every_step}
    flow = train_flow(rule, student, teacher, times, rtol=1e-8, **options)
    assert flow.diverged_at == np.inf and flow.student.spectral_radius() > 1
    assert_same_net(flow.snapshots, reference_flow(rule, student, teacher, times, **options), 1e-6)


# Bad input


NET = network(np.random.default_rng(40))
UNSTABLE = network(np.random.default_rng(41), radius=1.3)
OTHER = network(np.random.default_rng(42), o=3)
ANOTHER = network(np.random.default_rng(43), m=1)
THREE, TWO = network(np.random.default_rng(44), batch=(3,)), network(np.random.default_rng(45), batch=(2,))
R = np.ones((2, 3))


def call_train(rule=BPTT(), student=NET, teacher=NET, learning_rate=0.1, steps=5, **options):
    return lambda: train(rule, student, teacher, learning_rate, steps, **options)


def call_flow(rule=BPTT(), student=NET, teacher=NET, times=(0.0, 1.0), **options):
    return lambda: train_flow(rule, student, teacher, times, **options)


STEEP = LinearRNN([[1.0, 0.5]], [[1.3, -1.5], [0.9, -1.05]], [[0.4], [0.7]])  # spectral radius 0.25
SLOW = {"student": STEEP, "teacher": LinearRNN([[1.0]], [[0.9]], [[1.0]])}


def each(call, name, said, *values):
    """A call for every bad value of one argument, and the start of the message."""
    return [(call(**{name: value}), f"^{name}: {said}") for value in values]


SAMPLED = {"horizon": 4, "batch_size": 2}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        *each(call_train, "learning_rate", "expected positive", 0, -0.1, [0.1, 0.0], [[1e-3], [-1]]),
        *each(call_train, "learning_rate", "expected finite", np.nan, np.inf, [0.1, np.nan]),
        *each(call_train, "learning_rate", "expected real", None, "fast", 1j, [0.1, "x"]),
        (call_train(learning_rate=[0.1, 0.2], student=THREE), r"^batch axes: .*learning_rate has \(2,\)"),
        *each(call_train, "steps", "expected a whole number of at least 1", 0, -1, 2.5, None, True, np.nan),
        *each(call_train, "record", "expected a whole number of at least 1", 0, -2, 1.5, "5"),
        *((call_train(batch_size=size, horizon=4), "^batch_size: expected a whole number") for size in (0, -1, 1.5, "2")),
        (call_train(batch_size=2), "^(horizon|batch_size): .*inf"),
        *each(call_train, "snapshots", "", [6], [-1], [0, -1], [0.5], [2, 1], [1, 1], [0, 6], [1, 1e9], [np.nan]),
        *each(call_train, "snapshots", "", [[0, 1]], ["a"], 3, None, [True], [0, 1j]),
        *each(call_train, "horizon", "expected a whole number", 0, 2.5, -1, np.nan, None),
        (call_train(student=UNSTABLE), r"^student: an infinite .* spectral radius below 1, got 1\.3$"),
        (call_train(teacher=UNSTABLE), r"^teacher: an infinite .* spectral radius below 1, got 1\.3$"),
        (call_train(student=stack([NET, UNSTABLE])), r"^student: an infinite .*got 1\.3: 1 of 2 networks .* index 1$"),
        (call_train(teacher=stack([NET, UNSTABLE])), r"^teacher: an infinite .*got 1\.3: 1 of 2 networks .* index 1$"),
        (call_train(student=OTHER), "^student: expected the teacher's o = 2, got 3$"),
        (call_train(teacher=ANOTHER), "^student: expected the teacher's m = 1, got 2$"),
        (call_train(student=OTHER, **SAMPLED), "^student: expected the teacher's o = 2, got 3$"),
        (call_train(teacher=ANOTHER, **SAMPLED), "^student: expected the teacher's m = 1, got 2$"),
        (call_train(student=THREE, teacher=TWO), r"^batch axes: .*student has \(3,\), teacher has \(2,\)"),
        (call_train(RFLO(R.T, 0.1)), r"^R: expected shape .*got \(3, 2\)$"),
        (call_train(EProp([R, R]), student=THREE), r"^batch axes: .*R has \(2,\)"),
        (call_train(RFLO(R, [0.1, 0.2]), student=THREE), r"^batch axes: .*decay has \(2,\)"),
        (call_train(EProp(R[:1]), **SAMPLED), r"^R: expected shape"),
        (call_train(student=LinearRNN(NET.A, 1e5 * NET.W, NET.B), horizon=60), "^horizon: "),
        (call_train(student=LinearRNN(NET.A, 1e200 * NET.W, NET.B), horizon=9, batch_size=2), "^(horizon|inputs): "),
        (call_train(student=LinearRNN(1e200 * NET.A, NET.W, NET.B)), "^horizon: "),
        *each(call_flow, "times", "", [], [-1.0], [1.0, 0.5], [[0.0, 1.0]], 1.0, [np.nan], [0, np.inf], None, ["a"], [1j]),
        *each(call_flow, "rtol", "expected a number between 0 and 1", 0, 1, -1e-6, 2.0, np.nan),
        *each(call_flow, "atol", "expected a number between 0 and 1", 0, 1, -1e-6, 2.0, np.nan),
        *each(call_flow, "horizon", "expected a whole number", 0, 2.5, -1, np.nan, None),
        (call_flow(student=UNSTABLE), r"^student: an infinite .*got 1\.3$"),
        (call_flow(student=UNSTABLE, times=[0.0]), r"^student: an infinite .*got 1\.3$"),
        (call_flow(teacher=UNSTABLE), r"^teacher: an infinite .*got 1\.3$"),
        (call_flow(student=stack([NET, UNSTABLE])), r"^student: an infinite .*got 1\.3: 1 of 2 networks .* index 1$"),
        (call_train(EProp([[1.0, 1.0]]), **SLOW), r"^student: an infinite horizon .*\|W_ii\|.*got 1\.17"),
        (call_flow(EProp([[1.0, 1.0]]), **SLOW), r"^student: an infinite horizon .*\|W_ii\|.*got 1\.17"),
        (call_flow(student=OTHER), "^student: expected the teacher's o = 2, got 3$"),
        (call_flow(teacher=ANOTHER), "^student: expected the teacher's m = 1, got 2$"),
        (call_flow(student=THREE, teacher=TWO), r"^batch axes: .*student has \(3,\), teacher has \(2,\)"),
        (call_flow(RFLO(R.T, 0.1)), r"^R: expected shape .*got \(3, 2\)$"),
        (call_flow(EProp([R, R]), student=THREE), r"^batch axes: .*R has \(2,\)"),
        (call_flow(student=LinearRNN(NET.A, 1e5 * NET.W, NET.B), horizon=60), "^horizon: "),
        (call_flow(student=LinearRNN(1e200 * NET.A, NET.W, NET.B)), "^horizon: "),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("seed", [-1, "a", 0.5])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises((ValueError, TypeError)):
        train(BPTT(), NET, NET, 0.1, 2, seed=seed, **SAMPLED)


def test_options_go_by_name():
    with pytest.raises(TypeError):
        train(BPTT(), NET, NET, 0.1, 2, 5)
    with pytest.raises(TypeError):
        train_flow(BPTT(), NET, NET, [1.0], 5)


def test_progress_shows_and_changes_nothing(capsys):
    quiet = train(BPTT(), NET, THREE, 0.1, 5)
    assert capsys.readouterr() == ("", "")
    assert_same_history(train(BPTT(), NET, THREE, 0.1, 5, progress=True), quiet)
    shown = capsys.readouterr()
    assert "5/5" in shown.err and "loss" in shown.err and shown.out == ""
    flow = train_flow(BPTT(), NET, THREE, [0.0, 1.0])
    assert capsys.readouterr() == ("", "")
    assert_same_history(train_flow(BPTT(), NET, THREE, [0.0, 1.0], progress=True), flow)
    assert capsys.readouterr().err


def test_progress_shows_the_median_loss_and_how_many_have_diverged(capsys):
    student, teacher = LinearRNN([[0.5]], [[0.0]], [[0.5]]), LinearRNN([[1.0]], [[0.5]], [[1.0]])
    history = train(BPTT(), student, teacher, [0.1, 0.2, 2.0], 20, progress=True)
    assert f"diverged=1, loss={np.median(history.losses[:, -1]):.3g}" in capsys.readouterr().err


def test_the_loss_is_taken_where_it_is_recorded_alone(monkeypatch):
    taken = []
    monkeypatch.setattr("lrnnbook.tasks.loss", lambda *args, **options: taken.append(args) or loss(*args, **options))
    history = train(BPTT(), NET, THREE, 0.01, 50, record=25)
    assert len(taken) == history.times.size == 3
