"""Networks, their loss and their simulation against literal loops, python-control, exact numbers and sampled data."""

import dataclasses
import re

import control
import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.linalg import matrix_power
from numpy.testing import assert_allclose, assert_array_equal
from rules_table import network

from lrnnbook import LinearRNN, loss, simulate

properties = settings(max_examples=30, deadline=None)
entries = st.floats(-1, 1, allow_subnormal=False)
side = st.integers(1, 4)
batches = hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=2, max_side=3)


@st.composite
def networks(draw, o=side, n=side, m=side, batch=None, radius=0.9):
    """A network whose A, W and B have batch axes of their own that broadcast; spectral radius at most `radius`."""
    o, n, m = (draw(size) if isinstance(size, st.SearchStrategy) else size for size in (o, n, m))
    shapes = [batch] * 3 if batch is not None else draw(batches).input_shapes
    A, W, B = (
        draw(hnp.arrays(float, shape + core, elements=entries)) for shape, core in zip(shapes, ((o, n), (n, n), (n, m)))
    )
    own = np.abs(np.linalg.eigvals(W)).max(axis=-1)[..., None, None]
    return LinearRNN(A, W * radius / np.maximum(own, radius), B)


@st.composite
def teams(draw, batch=()):
    """A student and a teacher with o and m in common and any n."""
    o, m = draw(side), draw(side)
    return tuple(draw(networks(o=o, m=m, batch=batch)) for _ in range(2))


def a_network(seed, *sizes, **options):
    return network(np.random.default_rng(seed), *sizes, **options)


def singles(net):
    """The networks of a batch one by one, each with its index."""
    A, W, B = (np.broadcast_to(X, net.batch_shape + X.shape[-2:]) for X in (net.A, net.W, net.B))
    return [(index, LinearRNN(A[index], W[index], B[index])) for index in np.ndindex(net.batch_shape)]


def response(net, k):
    return net.A @ matrix_power(net.W, k) @ net.B


def literal_loss(student, teacher, horizon):
    total, states = 0.0, [student.B, teacher.B]
    for _ in range(horizon):
        gap = student.A @ states[0] - teacher.A @ states[1]
        total += 0.5 * np.vdot(gap, gap)
        states = [student.W @ states[0], teacher.W @ states[1]]
    return total


def exact_loss(student, teacher):
    """The infinite sum in 60 digits: the Stein equation of the pair as one linear system in Kronecker form."""
    with mpmath.workdps(60):
        n, N = student.n, student.n + teacher.n
        W = mpmath.zeros(N)
        for net, start in ((student, 0), (teacher, n)):
            for i in range(net.n):
                for j in range(net.n):
                    W[start + i, start + j] = mpmath.mpf(net.W[i, j])
        A = [[mpmath.mpf(a) for a in student.A[i]] + [-mpmath.mpf(a) for a in teacher.A[i]] for i in range(student.o)]
        B = [[mpmath.mpf(b) for b in row] for row in [*student.B, *teacher.B]]
        system, right = mpmath.eye(N * N), mpmath.zeros(N * N, 1)
        for i in range(N):
            for j in range(N):
                right[i * N + j] = sum(B[i][l] * B[j][l] for l in range(student.m))
                for p in range(N):
                    for q in range(N):
                        system[i * N + j, p * N + q] -= W[i, p] * W[j, q]
        Q = mpmath.lu_solve(system, right)
        return float(sum(row[i] * Q[i * N + j] * row[j] for row in A for i in range(N) for j in range(N)) / 2)


# The network itself


def test_weights_are_copied_and_read_only():
    given_ = [np.ones((1, 2)), np.eye(2), np.ones((2, 1))]
    net = LinearRNN(*given_)
    for name, weights in zip("AWB", given_):
        kept = getattr(net, name)
        assert kept.dtype == np.float64
        before = kept.copy()
        weights[...] = 7.0
        np.testing.assert_array_equal(kept, before)
        with pytest.raises(ValueError, match="read-only"):
            kept[0, 0] = 1.0
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(net, name, weights)


@pytest.mark.parametrize("kind", [list, np.int64, np.float32, bool])
def test_lists_integers_and_booleans_are_weights(kind):
    A, W, B = [[1, 0]], [[0, 1], [0, 0]], [[0], [1]]
    net = LinearRNN(A, W, B) if kind is list else LinearRNN(*(np.array(X, dtype=kind) for X in (A, W, B)))
    np.testing.assert_array_equal(net.impulse_response(3).ravel(), [0.0, 1.0, 0.0])


@given(networks())
@properties
def test_sizes_are_read_off_the_shapes(net):
    assert net.A.shape[-2:] == (net.o, net.n)
    assert net.W.shape[-2:] == (net.n, net.n)
    assert net.B.shape[-2:] == (net.n, net.m)
    assert net.batch_shape == np.broadcast(net.A[..., 0, 0], net.W[..., 0, 0], net.B[..., 0, 0]).shape


def test_repr_says_the_sizes():
    assert repr(a_network(0, o=1, n=3, m=2)) == "LinearRNN(o=1, n=3, m=2)"
    assert repr(a_network(0, o=1, n=3, m=2, batch=(20,))) == "LinearRNN(o=1, n=3, m=2, batch=(20,))"


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        (((2,), (2, 2), (2, 1)), "A: expected shape (..., o, n)"),
        (((1, 2), (2, 3), (2, 1)), "W: expected shape (..., n, n) with n = 2"),
        (((1, 2), (3, 3), (3, 1)), "W: expected shape (..., n, n) with n = 2"),
        (((1, 2), (2, 2), (1, 2)), "B: expected shape (..., n, m) with n = 2"),
        (((0, 2), (2, 2), (2, 1)), "A: expected shape (..., o, n)"),
        (((1, 2), (2, 2), (2, 0)), "B: expected shape (..., n, m) with n = 2"),
    ],
)
def test_weights_of_wrong_shape_are_refused_by_name(shapes, said):
    with pytest.raises(ValueError) as error:
        LinearRNN(*(np.ones(shape) for shape in shapes))
    text = str(error.value)
    assert text.startswith(said) and text.endswith(f"got {shapes['AWB'.index(text[0])]}")


def test_batches_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"A has \(2,\), W has \(3,\), B has \(\)"):
        LinearRNN(np.ones((2, 1, 2)), np.ones((3, 2, 2)), np.ones((2, 1)))


@pytest.mark.parametrize("name", "AWB")
@pytest.mark.parametrize("value", [np.nan, np.inf, 1j])
def test_weights_that_are_not_finite_reals_are_refused_by_name(name, value):
    weights = {"A": [[1]], "W": [[0]], "B": [[1]]}
    weights[name] = [[value]]
    with pytest.raises(ValueError, match=f"^{name}: "):
        LinearRNN(**weights)


@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi])
def test_spectral_radius_of_known_eigenvalues(angle):
    # A rotation scaled to radius 0.95 beside 0.3 and -0.6, in oblique coordinates.
    D = np.zeros((4, 4))
    D[:2, :2] = 0.95 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    D[2, 2], D[3, 3] = 0.3, -0.6
    S = np.eye(4) + np.triu(np.ones((4, 4)), 1)
    net = LinearRNN(np.ones((1, 4)), S @ D @ np.linalg.inv(S), np.ones((4, 1)))
    assert net.spectral_radius() == pytest.approx(0.95, rel=1e-13)


def test_spectral_radius_has_the_batch_shape():
    net = LinearRNN(np.ones((5, 1, 1, 1)), [[[0.5]], [[-0.7]]], [[1.0]])
    np.testing.assert_allclose(net.spectral_radius(), np.tile([0.5, 0.7], (5, 1)), rtol=1e-15)


# Impulse response and transfer function


@given(networks(radius=1.1), st.integers(1, 12))
@properties
def test_impulse_response_is_the_literal_product_of_powers(net, lags):
    K = net.impulse_response(lags)
    assert K.shape == net.batch_shape + (lags, net.o, net.m)
    for index, one in singles(net):
        for k in range(lags):
            # Sums of at most n^(k+2) products of numbers of modulus at most 1.
            atol = 1e-14 * float(net.n) ** (k + 2)
            np.testing.assert_allclose(K[index][k], response(one, k), rtol=0, atol=atol)


def test_impulse_response_is_what_a_pulse_sent_through_the_network_gives():
    net = a_network(3, o=3, n=4, m=2)
    K = net.impulse_response(6)
    for j in range(net.m):
        h, x = np.zeros(net.n), np.eye(net.m)[j]
        for k in range(6):
            h = net.W @ h + net.B @ x
            np.testing.assert_allclose(K[k][:, j], net.A @ h, rtol=1e-12, atol=1e-14)
            x = np.zeros(net.m)


@pytest.mark.parametrize("lags", [0, -1, 2.5, True, "3", np.nan, np.inf, None])
def test_lags_that_are_no_count_are_refused(lags):
    with pytest.raises(ValueError, match="^lags: expected a whole number of at least 1, got "):
        a_network(0).impulse_response(lags)


@given(networks(), st.complex_numbers(max_magnitude=1.0, allow_subnormal=False), st.booleans())
@properties
def test_transfer_is_the_power_series(net, z, real):
    z = z.real if real else z
    H = net.transfer(z)
    assert np.iscomplexobj(H) == (not real)
    assert H.shape == net.batch_shape + (net.o, net.m)
    for index, one in singles(net):
        series, term = 0, one.B.astype(complex)
        for _ in range(300):
            series, term = series + one.A @ term, z * one.W @ term
        np.testing.assert_allclose(H[index], series, rtol=0, atol=1e-11 * max(1, np.abs(series).max()))


@pytest.mark.parametrize("z", [0.9, -1.2, 0.3 + 0.8j, 1e-3j])
def test_transfer_agrees_with_python_control(z):
    net = a_network(4, o=3, n=4, m=2)
    # Engineers' z is the inverse of ours, and their output is read one step earlier.
    system = control.ss(net.W, net.B, net.A, 0, True)
    np.testing.assert_allclose(net.transfer(z), system(1 / z) / z, rtol=1e-12)


def test_transfer_of_arrays_of_z_broadcasts_with_the_batch():
    net, z = a_network(5, batch=(3,)), np.array([[0.5], [-0.5j]])
    H = net.transfer(z)
    assert H.shape == (2, 3, net.o, net.m)
    for i in range(2):
        for index, one in singles(net):
            np.testing.assert_allclose(H[(i, *index)], one.transfer(z[i, 0]), rtol=1e-13)
    np.testing.assert_array_equal(net.transfer(0), net.A @ net.B)


@pytest.mark.parametrize("z", [2.0, -2.0, 2.5, 2j, [0.1, 3.0], 1e308])
def test_outside_the_disc_and_on_the_pole_there_is_no_sum(z):
    with pytest.raises(ValueError, match=r"^z: .*converges"):
        LinearRNN([[1.0]], [[0.5]], [[1.0]]).transfer(z)
    with pytest.raises(ValueError, match=r"^z: .*converges"):
        LinearRNN([[1.0]], [[-50.0]], [[1.0]]).transfer(z)


def test_a_refused_z_is_reported_against_its_own_network():
    net = LinearRNN([[1.0]], [[[0.5]], [[2.0]]], [[1.0]])
    net.transfer([1.9, 0.1])
    with pytest.raises(ValueError, match=r"^z: .*converges"):
        net.transfer([0.1, 0.6])


@pytest.mark.parametrize("z", [np.nan, np.inf, "1", None, [0.1, None], 1j * np.nan])
def test_z_that_is_no_finite_number_is_refused(z):
    with pytest.raises(ValueError, match="^z: expected finite numbers"):
        a_network(0).transfer(z)


def test_z_of_any_precision_is_taken():
    net = a_network(0)
    for kind in (np.float16, np.float32, np.longdouble, np.complex64, np.clongdouble):
        np.testing.assert_array_equal(net.transfer(kind(0.5)), net.transfer(0.5))


def test_z_that_does_not_broadcast_is_refused():
    with pytest.raises(ValueError, match=r"z has \(2,\), network has \(3,\)"):
        a_network(5, batch=(3,)).transfer([0.1, 0.2])


# The loss


@given(teams(), st.integers(1, 12))
@properties
def test_finite_loss_is_the_literal_sum_of_squares(team, horizon):
    value = loss(*team, horizon)
    assert np.ndim(value) == 0
    assert value == pytest.approx(literal_loss(*team, horizon), rel=1e-12, abs=1e-28 * 4.0 ** (2 * horizon))


@given(teams())
@properties
def test_infinite_loss_is_the_long_sum(team):
    # The radius is at most 0.9, so that what 300 lags leave out is below 1e-20 of it.
    assert loss(*team) == pytest.approx(literal_loss(*team, 300), rel=1e-10, abs=1e-24)


@given(side, side, side, side, st.integers(0, 999), st.floats(0.1, 0.95))
@properties
def test_infinite_loss_is_half_the_squared_h2_norm_of_the_difference(o, n, n_teacher, m, seed, radius):
    student, teacher = a_network(seed, o, n, m, radius), a_network(seed + 1000, o, n_teacher, m)
    for name, W, B, A in (
        ("single", student.W, student.B, student.A),
        (
            "difference",
            np.block([[student.W, np.zeros((student.n, teacher.n))], [np.zeros((teacher.n, student.n)), teacher.W]]),
            np.vstack([student.B, teacher.B]),
            np.hstack([student.A, -teacher.A]),
        ),
    ):
        h2 = control.norm(control.ss(W, B, A, 0, True), 2, print_warning=False)
        assume(np.isfinite(h2))  # python-control gives up where rounding makes its Gramian indefinite
        silent = LinearRNN(np.zeros_like(teacher.A), teacher.W, teacher.B)
        value = loss(student, silent if name == "single" else teacher)
        # Its Gramian takes differences of numbers of this size.
        scale = np.linalg.norm(A, 2) ** 2 * np.linalg.norm(control.dlyap(W, B @ B.T), 2)
        assert value == pytest.approx(h2**2 / 2, rel=1e-9, abs=1e-12 * scale)


@pytest.mark.parametrize("n_teacher", [1, 2, 5])
def test_h2_norm_of_generic_students_smaller_and_larger_than_their_teacher(n_teacher):
    student, teacher = a_network(6, o=2, n=3, m=4), a_network(7, o=2, n=n_teacher, m=4)
    systems = [control.ss(net.W, net.B, net.A, 0, True) for net in (student, teacher)]
    h2 = control.norm(systems[0] - systems[1], 2)
    assert loss(student, teacher) == pytest.approx(h2**2 / 2, rel=1e-11)


@given(teams())
@properties
def test_parseval(team):
    # 512 points: what is folded over from beyond lag 512 is below 0.9^512.
    z = np.exp(2j * np.pi * np.arange(512) / 512)
    gap = team[0].transfer(z) - team[1].transfer(z)
    mean = (np.abs(gap) ** 2).sum(axis=(-2, -1)).mean()
    assert loss(*team) == pytest.approx(mean / 2, rel=1e-9, abs=1e-20)


@given(st.data())
@properties
def test_a_batch_of_losses_is_a_loop(data):
    o, m = data.draw(side), data.draw(side)
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=6, max_dims=2, max_side=3)).input_shapes
    team = []
    for three in (shapes[:3], shapes[3:]):
        n = data.draw(side)
        A, W, B = (
            data.draw(hnp.arrays(float, shape + core, elements=entries))
            for shape, core in zip(three, ((o, n), (n, n), (n, m)))
        )
        team.append(LinearRNN(A, 0.9 / n * W, B))
    batch = np.broadcast_shapes(*shapes)
    wide = [{name: np.broadcast_to(getattr(net, name), batch + getattr(net, name).shape[-2:]) for name in "AWB"} for net in team]
    for horizon in (1, 2, 5, np.inf):
        values = loss(*team, horizon)
        assert np.shape(values) == batch
        for index in np.ndindex(batch):
            one = [LinearRNN(**{name: X[index] for name, X in weights.items()}) for weights in wide]
            assert values[index] == pytest.approx(literal_loss(*one, int(min(horizon, 300))), rel=1e-9, abs=1e-24)


@pytest.mark.parametrize("which", "AWB")
@pytest.mark.parametrize("horizon", [1, 2, 7, np.inf])
def test_twenty_students_that_differ_in_one_matrix_and_one_teacher(which, horizon):
    one, teacher = a_network(8), a_network(9, n=2)
    weights = {"A": one.A, "W": one.W, "B": one.B}
    weights[which] = weights[which] * np.linspace(-1, 1, 20)[:, None, None]
    students = LinearRNN(**weights)
    steps = 300 if horizon == np.inf else horizon
    expected = [literal_loss(student, teacher, steps) for _, student in singles(students)]
    np.testing.assert_allclose(loss(students, teacher, horizon), expected, rtol=1e-11)
    np.testing.assert_allclose(loss(teacher, students, horizon), expected, rtol=1e-11)
    assert students.impulse_response(1).shape == (20, 1, 2, 2)
    assert students.transfer(0.5).shape == (20, 2, 2)
    assert students.spectral_radius().shape == (20,)


def test_an_empty_batch_has_no_losses():
    for which in "AWB":
        weights = {"A": np.ones((1, 2)), "W": np.eye(2) / 2, "B": np.ones((2, 1))}
        weights[which] = np.broadcast_to(weights[which], (0,) + weights[which].shape)
        none, one = LinearRNN(**weights), LinearRNN([[1.0]], [[0.5]], [[1.0]])
        assert loss(none, one).shape == loss(one, none, 3).shape == none.spectral_radius().shape == (0,)
        assert none.impulse_response(1).shape == (0, 1, 1, 1)
        assert none.transfer(0.5).shape == (0, 1, 1)
        assert simulate(none, np.ones((2, 3, 1))).shape == (0, 2, 3, 1)


@given(st.data())
@properties
def test_the_loss_does_not_depend_on_the_coordinates_of_the_hidden_layer(data):
    student, teacher = data.draw(teams())
    # Powers of two and a permutation change no digit of the weights, however far apart the scales.
    d = 2.0 ** np.array(data.draw(st.lists(st.integers(-60, 60), min_size=student.n, max_size=student.n)))
    order = data.draw(st.permutations(range(student.n)))
    W, A, B = (student.W * d / d[:, None])[order][:, order], (student.A * d)[:, order], (student.B / d[:, None])[order]
    moved = LinearRNN(A, W, B)
    assume(moved.spectral_radius() < 0.95)  # eigenvalues, unlike the loss, may suffer from bad scales
    expected = literal_loss(student, teacher, 300)
    assert loss(moved, teacher) == pytest.approx(expected, rel=1e-9, abs=1e-24)
    assert loss(moved, student) <= 1e-24 * max(1, np.abs(literal_loss(student, teacher, 300)))


def test_badly_scaled_coordinates_hide_nothing():
    student = LinearRNN([[1.0, 0.0]], [[0.0, 2.0**-70], [0.0, 0.0]], [[0.0], [2.0**70]])
    silent = LinearRNN([[0.0]], [[0.0]], [[0.0]])
    assert loss(student, silent) == 0.5  # its impulse response is 0, 1, 0, 0, ...


@given(teams())
@properties
def test_the_loss_is_never_negative_and_symmetric(team):
    for horizon in (1, 7, np.inf):
        value = loss(*team, horizon)
        assert value >= 0
        assert loss(*team[::-1], horizon) == pytest.approx(value, rel=1e-10, abs=1e-24)


@pytest.mark.parametrize("seed", range(4))
def test_near_zero_the_loss_keeps_the_digits_that_the_weights_have(seed):
    teacher, step = a_network(seed, n=2), a_network(seed + 50, n=2)
    student = LinearRNN(teacher.A + 1e-9 * step.A, teacher.W + 1e-9 * step.W, teacher.B + 1e-9 * step.B)
    expected = exact_loss(student, teacher)
    assert 1e-19 < expected < 1e-14
    # A Gramian, or the expanded square, would be off by 1e-16 and more: one per cent and more. Relative to a
    # perturbation of 1e-9 the weights have seven digits; a few are lost to the sum.
    assert loss(student, teacher) == pytest.approx(expected, rel=1e-5)
    assert loss(student, teacher, 300) == pytest.approx(expected, rel=1e-5)
    silent = LinearRNN(0 * teacher.A, teacher.W, teacher.B)
    assert 0 <= loss(teacher, teacher) < 1e-29 * loss(teacher, silent)  # eps^2 is 5e-32


@pytest.mark.parametrize("radius", [0.9999, -0.9999, 0.999999])
def test_spectral_radius_close_to_one(radius):
    student = LinearRNN([[1.0, 0.5]], [[radius, 1.0], [0.0, 0.9]], [[1.0], [1.0]])
    teacher = LinearRNN([[1.0]], [[0.99 * radius]], [[2.0]])
    # A relative change of eps in the radius moves the sum by 2 eps / (1 - radius).
    assert loss(student, teacher) == pytest.approx(exact_loss(student, teacher), rel=100 * 2.3e-16 / (1 - abs(radius)))


@pytest.mark.parametrize("growth", [1e2, 1e5])
def test_highly_non_normal_networks(growth):
    W = 0.5 * np.eye(3) + growth * np.diag([1.0, 1.0], 1)
    student = LinearRNN([[1.0, 0.0, 0.0]], W, [[0.0], [0.0], [1.0]])
    teacher = LinearRNN([[1.0]], [[0.9]], [[1.0]])
    assert loss(student, teacher) == pytest.approx(exact_loss(student, teacher), rel=1e-12)
    # One large entry changed in its tenth digit.
    W = W.copy()
    W[0, 1] *= 1 + 1e-9
    near = LinearRNN(student.A, W, student.B)
    assert loss(near, student) == pytest.approx(exact_loss(near, student), rel=1e-5)


def test_losses_add_up_to_half_the_mean_squared_error_of_samples():
    student, teacher = a_network(10, o=2, n=3, m=2, radius=0.95), a_network(11, o=2, n=4, m=2, radius=0.95)
    T, samples = 4, 40_000
    x = np.random.default_rng(1).normal(size=(samples, T, 2))
    error = simulate(student, x)[:, -1] - simulate(teacher, x)[:, -1]
    halves = 0.5 * (error**2).sum(axis=-1)
    standard_error = halves.std(ddof=1) / np.sqrt(samples)
    assert standard_error < 0.01 * halves.mean()
    # |z| > 4 happens by chance once in 16 000 seeds.
    assert abs(halves.mean() - loss(student, teacher, T)) < 4 * standard_error
    # The bound would see a horizon that is one step too long or too short.
    for wrong in (T - 1, T + 1):
        assert abs(halves.mean() - loss(student, teacher, wrong)) > 8 * standard_error


@given(teams(), st.integers(1, 9))
@properties
def test_the_sequence_loss_is_the_mean_over_the_horizons(team, T):
    expected = np.mean([literal_loss(*team, t) for t in range(1, T + 1)])
    assert loss(*team, T, every_step=True) == pytest.approx(expected, rel=1e-10, abs=1e-28)
    assert loss(*team, T, every_step=True) == pytest.approx(
        np.mean([loss(*team, t) for t in range(1, T + 1)]), rel=1e-10, abs=1e-28
    )


def test_the_sequence_loss_of_a_batch_and_of_unstable_networks():
    students, teacher = a_network(30, radius=1.2, batch=(4, 1)), a_network(31, n=2, batch=(3,))
    values = loss(students, teacher, 6, every_step=True)
    assert values.shape == (4, 3)
    for (i, _), student in singles(students):
        for (j,), other in singles(teacher):
            expected = np.mean([literal_loss(student, other, t) for t in range(1, 7)])
            assert values[i, j] == pytest.approx(expected, rel=1e-11)


def test_in_the_limit_the_sequence_loss_is_the_loss():
    student, teacher = a_network(32), a_network(33, n=2)
    limit = loss(student, teacher)
    assert loss(student, teacher, every_step=True) == limit
    # The first steps have seen less: their part falls like 1/T.
    gaps = [limit - loss(student, teacher, T, every_step=True) for T in (200, 400)]
    assert gaps[0] > 1e-3 * limit
    assert gaps[1] / gaps[0] == pytest.approx(0.5, rel=1e-9)


def test_sequence_losses_add_up_to_half_the_mean_squared_error_of_samples():
    student, teacher = a_network(34, o=2, n=3, m=2, radius=0.95), a_network(35, o=2, n=4, m=2, radius=0.95)
    T, samples = 5, 40_000
    x = np.random.default_rng(2).normal(size=(samples, T, 2))
    halves = 0.5 * ((simulate(student, x) - simulate(teacher, x)) ** 2).sum(axis=-1).mean(axis=-1)
    standard_error = halves.std(ddof=1) / np.sqrt(samples)
    # |z| > 4 happens by chance once in 16 000 seeds.
    assert abs(halves.mean() - loss(student, teacher, T, every_step=True)) < 4 * standard_error
    # The bound would see the last step alone, or another number of steps.
    for wrong in (
        loss(student, teacher, T),
        loss(student, teacher, T - 1, every_step=True),
        loss(student, teacher, T + 1, every_step=True),
    ):
        assert abs(halves.mean() - wrong) > 8 * standard_error


def test_what_the_sequence_loss_refuses():
    big, small = LinearRNN([[1.0]], [[10.0]], [[1.0]]), LinearRNN([[1.0]], [[0.1]], [[1.0]])
    for horizon in (200, 400):  # at 200 the impulse response is finite and its square is not
        with pytest.raises(ValueError, match="^horizon: "):
            loss(big, small, horizon, every_step=True)
    with pytest.raises(ValueError, match="^student: .*spectral radius below 1, got 10$"):
        loss(big, small, every_step=True)
    with pytest.raises(ValueError, match="^horizon: expected a whole number"):
        loss(small, small, 0, every_step=True)


def test_an_invisible_unstable_mode_is_refused_at_an_infinite_horizon_only():
    hidden = LinearRNN([[1.0, 1.0]], [[0.5, 0.0], [0.0, 2.0]], [[1.0], [0.0]])
    deaf = LinearRNN([[1.0, 0.0]], [[0.5, 0.0], [0.0, 2.0]], [[1.0], [1.0]])
    seen, zero = LinearRNN([[1.0]], [[0.5]], [[1.0]]), LinearRNN([[0.0]], [[0.0]], [[0.0]])
    for net in (hidden, deaf):
        with pytest.raises(ValueError, match="^student: .*spectral radius below 1, got 2$"):
            loss(net, seen)
        with pytest.raises(ValueError, match="^teacher: .*spectral radius below 1, got 2$"):
            loss(seen, net)
        assert loss(net, seen, 20) == 0
        assert loss(net, zero, 2) == 0.5 * (1 + 0.25)


def test_a_radius_of_exactly_one_is_refused():
    for w in (1.0, -1.0):
        with pytest.raises(ValueError, match="^student: .*got 1$"):
            loss(LinearRNN([[1.0]], [[w]], [[1.0]]), LinearRNN([[1.0]], [[0.0]], [[1.0]]))


def test_rotations_that_rounding_puts_inside_the_circle_are_refused_or_given_a_number():
    zero = LinearRNN([[0.0]], [[0.0]], [[0.0]])
    refused = 0
    for angle in np.linspace(0.01, 3.13, 100):
        c, s = np.cos(angle), np.sin(angle)
        try:
            value = loss(LinearRNN([[1.0, 0.0]], [[c, -s], [s, c]], [[1.0], [0.0]]), zero)
        except ValueError:
            refused += 1
        else:
            assert value > 1e10
    assert refused > 30  # LAPACK puts a part of them on the circle or outside


def test_an_unstable_network_has_an_exact_loss_at_a_finite_horizon():
    student, teacher = LinearRNN([[1.0]], [[2.0]], [[1.0]]), LinearRNN([[1.0]], [[-1.0]], [[3.0]])
    assert loss(student, teacher, 10) == sum((2**k - 3 * (-1) ** k) ** 2 for k in range(10)) / 2


@pytest.mark.parametrize("horizon", [200, 400])
def test_overflow_at_a_finite_horizon_is_an_error_and_not_a_nan(horizon):
    # At 200 the impulse response is finite and its square is not; at 400 neither is.
    big, small = LinearRNN([[1.0]], [[10.0]], [[1.0]]), LinearRNN([[1.0]], [[0.1]], [[1.0]])
    for team in ((big, small), (small, big), (big, big)):
        if horizon == 200 and team == (big, big):
            assert loss(*team, horizon) == 0
            continue
        with pytest.raises(ValueError, match="^(horizon|student|teacher)"):
            loss(*team, horizon)


def test_overflow_at_an_infinite_horizon_is_an_error_and_not_a_nan():
    small = LinearRNN([[1.0]], [[0.1]], [[1.0]])
    large = LinearRNN([[1e200]], [[0.5]], [[1.0]])
    steep = LinearRNN(np.ones((1, 4)), np.diag([1e300] * 3, 1), np.ones((4, 1)))
    for student in (large, steep):
        with pytest.raises(ValueError, match="^(horizon|student)"):
            loss(student, small)


def test_overflow_of_the_impulse_response_is_an_error():
    net = LinearRNN([[1.0]], [[10.0]], [[1.0]])
    assert net.impulse_response(300)[-1].item() == pytest.approx(1e299, rel=1e-12)
    with pytest.raises(ValueError, match="^lags: .*400 with a spectral radius of 10"):
        net.impulse_response(400)


def test_student_and_teacher_of_other_sizes_are_refused():
    for sizes, said in (({"o": 3}, "o = 2, got 3"), ({"m": 1}, "m = 2, got 1")):
        with pytest.raises(ValueError, match=f"^student: expected the teacher's {said}$"):
            loss(a_network(0, **sizes), a_network(1))
    with pytest.raises(ValueError, match=r"student has \(2,\), teacher has \(3,\)"):
        loss(a_network(0, batch=(2,)), a_network(1, batch=(3,)))


@pytest.mark.parametrize("horizon", [0, -1, 2.5, True, "3", np.nan, -np.inf, None])
def test_horizons_that_are_no_count_are_refused(horizon):
    with pytest.raises(ValueError, match="^horizon: expected a whole number of at least 1, or infinity, got "):
        loss(a_network(0), a_network(1), horizon)


# Simulation


@given(networks(), st.integers(1, 3), st.integers(1, 6), st.integers(0, 2**32 - 1))
@properties
def test_simulation_is_the_convolution_with_the_impulse_response(net, sequences, T, seed):
    x = np.random.default_rng(seed).normal(size=(sequences, T, net.m))
    y = simulate(net, x)
    assert y.shape == net.batch_shape + (sequences, T, net.o)
    for index, one in singles(net):
        for s in range(sequences):
            for t in range(T):
                # y_{t+1} is the sum over k of K_k x_{t-k}.
                expected = sum(response(one, k) @ x[s, t - k] for k in range(t + 1))
                np.testing.assert_allclose(y[index][s, t], expected, rtol=0, atol=1e-12 * 4.0**T)


def test_inputs_may_differ_from_network_to_network():
    net, rng = a_network(12, batch=(3,)), np.random.default_rng(2)
    x = rng.normal(size=(5, 1, 4, 6, net.m))
    y = simulate(net, x)
    assert y.shape == (5, 3, 4, 6, net.o)
    for i in range(5):
        for index, one in singles(net):
            np.testing.assert_allclose(y[(i, *index)], simulate(one, x[i, 0]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("which", "AWB")
@pytest.mark.parametrize("sequences", [1, 5, 20])
def test_twenty_networks_run_on_every_sequence(which, sequences):
    one = a_network(13)
    weights = {"A": one.A, "W": one.W, "B": one.B}
    weights[which] = weights[which] * np.linspace(-1, 1, 20)[:, None, None]
    nets, x = LinearRNN(**weights), np.random.default_rng(3).normal(size=(sequences, 4, 2))
    y = simulate(nets, x)
    assert y.shape == (20, sequences, 4, 2)
    for index, net in singles(nets):
        np.testing.assert_allclose(y[index], simulate(net, x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [(3,), (4, 2), (1, 4, 3), (1, 0, 2)])
def test_inputs_of_wrong_shape_are_refused(shape):
    got = re.escape(f"got {shape}")
    with pytest.raises(ValueError, match=rf"^inputs: expected shape \(\.\.\., batch, T, m\) with m = 2 .*{got}"):
        simulate(a_network(0), np.ones(shape))


def test_inputs_whose_batch_does_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"net has \(3,\), inputs has \(2,\)"):
        simulate(a_network(0, batch=(3,)), np.ones((2, 1, 4, 2)))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1j])
def test_inputs_that_are_not_finite_reals_are_refused(value):
    with pytest.raises(ValueError, match="^inputs: expected (finite|real) numbers"):
        simulate(LinearRNN([[1.0]], [[0.5]], [[1.0]]), [[[1.0], [value]]])


def test_overflow_of_a_simulation_is_an_error():
    net = LinearRNN([[1.0]], [[10.0]], [[1.0]])
    assert simulate(net, np.ones((1, 3, 1))).ravel().tolist() == [1.0, 11.0, 111.0]
    with pytest.raises(ValueError, match="^inputs: .*T = 400 with a spectral radius of 10"):
        simulate(net, np.ones((1, 400, 1)))


# Some of a batch


def test_an_index_is_one_of_the_batch_axes():
    rng = np.random.default_rng(12)
    A, W, B = rng.standard_normal((4, 1, 2, 5)), 0.3 * rng.standard_normal((3, 5, 5)), rng.standard_normal((5, 2))
    nets, teacher = LinearRNN(A, W, B), network(rng)
    assert nets.batch_shape == (4, 3)
    whole = loss(nets, teacher)
    for index in [(2, 1), 3, -1, slice(1, 3), (..., 0), [0, 2], (slice(None), [2, 0]), whole > np.median(whole)]:
        part = nets[index]
        assert part.batch_shape == whole[index].shape
        assert_allclose(loss(part, teacher), whole[index], rtol=1e-12)
    one = nets[2, 1]
    for part, expected in ((one.A, A[2, 0]), (one.W, W[1]), (one.B, B)):
        assert_array_equal(part, expected)
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 1
    for call in (lambda: nets[4], lambda: nets[0, 0, 0], lambda: one[0]):
        with pytest.raises(IndexError):
            call()


def test_three_networks_do_not_unpack_as_weights():
    with pytest.raises(TypeError, match="not iterable"):
        A, W, B = LinearRNN(*np.ones((3, 3, 1, 1)))
