"""Modes against SymPy's exact sums, scalar loops and the networks that are built from them."""

import dataclasses

import numpy as np
import pytest
import sympy
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lrnnbook import LinearRNN, Mode, aligned_network, alignment, loss, mode_loss, read_modes

properties = settings(max_examples=40, deadline=None)
entries = st.floats(-2, 2, allow_subnormal=False)
decays = st.floats(-0.9, 0.9, allow_subnormal=False)
eighths = st.integers(-16, 16).map(lambda i: i / 8)  # zero or well away from it
small_eighths = st.integers(-7, 7).map(lambda i: i / 8)


def rotation(seed, rows, columns=None, batch=()):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=batch + (rows, rows)))[0][..., : columns or rows]


def literal_loss(mode, target, horizon):
    (a, b, w), (a_, b_, w_) = (map(float, m) for m in (mode, target))
    return sum(0.5 * (a * b * w**k - a_ * b_ * w_**k) ** 2 for k in range(horizon))


@st.composite
def bases(draw):
    """k modes, their targets, and orthonormal columns U (o, >= k), V (m, >= k) and P (n, >= k)."""
    k = draw(st.integers(1, 3))
    modes = []
    for _ in range(2):
        a, b, w = (draw(hnp.arrays(float, k, elements=part)) for part in (eighths, eighths, small_eighths))
        modes.append(Mode(a, b, w))
    matrices = []
    for _ in "UVP":
        rows = draw(st.integers(k, k + 2))
        matrices.append(rotation(draw(st.integers(0, 999)), rows, draw(st.integers(k, rows))))
    return *modes, *matrices


@st.composite
def any_network(draw):
    """A network with nothing special about it, or with zeros and repeated entries, directions for it, and feedback."""
    o, n, m = (draw(st.integers(1, 4)) for _ in "onm")
    k = draw(st.integers(1, min(o, m)))
    kinds = [entries, st.sampled_from([0.0, 1.0, -0.3]), st.floats(-1e-150, 1e150), st.floats(-1e-300, 1e-300)]
    values = draw(st.sampled_from(kinds))
    A, W, B, R = (draw(hnp.arrays(float, shape, elements=values)) for shape in ((o, n), (n, n), (n, m), (o, n)))
    U, V = (rotation(draw(st.integers(0, 999)), rows, k) for rows in (o, m))
    return LinearRNN(A, W, B), U, V, R


# Modes


def test_modes_broadcast_unpack_in_order_and_cannot_be_changed():
    a, b = np.array([[1.0], [2.0]]), np.array([3, 4, 5])
    mode = Mode(a, b, w=0.5)
    assert mode.shape == (2, 3)
    kept_a, kept_b, kept_w = mode
    np.testing.assert_array_equal(kept_a, [[1, 1, 1], [2, 2, 2]])
    np.testing.assert_array_equal(kept_b, [[3, 4, 5], [3, 4, 5]])
    np.testing.assert_array_equal(kept_w, np.full((2, 3), 0.5))
    a[...] = 9.0
    assert kept_a[0, 0] == 1.0
    for value in mode:
        assert value.dtype == np.float64
        with pytest.raises(ValueError, match="read-only"):
            value[0, 0] = 7.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        mode.a = a


@pytest.mark.parametrize("kind", [int, bool, np.float32, list])
def test_scalars_of_any_kind_are_modes(kind):
    mode = Mode([1], [1], [0]) if kind is list else Mode(kind(1), kind(1), kind(0))
    assert mode.shape == ((1,) if kind is list else ())
    assert float(mode_loss(mode, Mode(0, 1, 0)).item()) == 0.5


@pytest.mark.parametrize("name", "abw")
@pytest.mark.parametrize("value", [np.nan, np.inf, complex(0, np.nan), None, "1", [[1.0], [1.0, 2.0]]])
def test_modes_of_no_finite_reals_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected (finite|real) numbers"):
        Mode(**({"a": 1.0, "b": 1.0, "w": 0.5} | {name: value}))


def test_modes_that_do_not_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"a has \(2,\), b has \(3,\), w has \(\)"):
        Mode([1.0, 2.0], [1.0, 2.0, 3.0], 0.5)
    with pytest.raises(ValueError, match=r"mode has \(2,\), target has \(3,\)"):
        mode_loss(Mode([1.0] * 2, 1.0, 0.5), Mode([1.0] * 3, 1.0, 0.5))


# The loss of a mode


def test_the_two_forms_of_the_loss_are_one():
    c, d, w, v = sympy.symbols("c d w v", real=True)  # c = ab, d = a*b*, v = w*
    expanded = (c**2 / (1 - w**2) - 2 * c * d / (1 - w * v) + d**2 / (1 - v**2)) / 2
    squares = (c - d * (1 - w**2) / (1 - w * v)) ** 2 / (2 * (1 - w**2)) + (d * (w - v)) ** 2 / (
        2 * (1 - v**2) * (1 - w * v) ** 2
    )
    assert sympy.simplify(expanded - squares) == 0
    # The second square is what the best readout leaves.
    best = sympy.solve(sympy.diff(expanded, c), c)
    assert len(best) == 1
    assert sympy.simplify(expanded.subs(c, best[0]) - squares.subs(c, best[0])) == 0
    assert sympy.simplify(squares.subs(c, best[0]) - (d * (w - v)) ** 2 / (2 * (1 - v**2) * (1 - w * v) ** 2)) == 0


@pytest.mark.parametrize(
    "numbers",
    [
        ("1", "1", "1/2", "2", "1", "1/2"),
        ("3/4", "-5/4", "7/8", "1/2", "3", "-1/4"),
        ("1", "2", "0", "-1", "1", "15/16"),
        ("0", "1", "-1/2", "1", "1", "1/2"),
        ("1", "-1", "-31/32", "1", "-1", "-63/64"),
        ("1", "1", "1/2", "0", "7", "0"),
    ],
)
def test_loss_is_the_exact_sum_of_the_series(numbers):
    a, b, w, a_, b_, w_ = map(sympy.Rational, numbers)
    k = sympy.Symbol("k", integer=True, nonnegative=True)
    # Term by term, because SymPy sums x^k; 0^0 is 1 in both.
    power = lambda x: sympy.summation(x**k, (k, 0, sympy.oo)) if x else sympy.Integer(1)  # noqa: E731
    exact = ((a * b) ** 2 * power(w**2) - 2 * a * b * a_ * b_ * power(w * w_) + (a_ * b_) ** 2 * power(w_**2)) / 2
    assert exact.is_Rational
    mode, target = Mode(float(a), float(b), float(w)), Mode(float(a_), float(b_), float(w_))
    assert float(mode_loss(mode, target)) == pytest.approx(float(exact), rel=1e-13)
    # A finite horizon is the sum of so many terms.
    finite = sum((a * b * w**j - a_ * b_ * w_**j) ** 2 for j in range(5)) / 2
    assert float(mode_loss(mode, target, 5)) == pytest.approx(float(finite), rel=1e-13)


@properties
@given(hnp.mutually_broadcastable_shapes(num_shapes=6, max_dims=2, max_side=3, min_side=0), st.data())
def test_loss_of_arrays_of_modes_is_a_loop(shapes, data):
    parts = [
        data.draw(hnp.arrays(float, shape, elements=decays if i % 3 == 2 else entries))
        for i, shape in enumerate(shapes.input_shapes)
    ]
    mode, target = Mode(*parts[:3]), Mode(*parts[3:])
    wide = [np.broadcast_to(part, shapes.result_shape) for part in parts]
    for horizon in (1, 6, np.inf):
        values = mode_loss(mode, target, horizon)
        assert np.shape(values) == shapes.result_shape
        for index in np.ndindex(shapes.result_shape):
            numbers = [part[index] for part in wide]
            expected = literal_loss(numbers[:3], numbers[3:], int(min(horizon, 300)))
            assert values[index] == pytest.approx(expected, rel=1e-9, abs=1e-24)
            assert values[index] >= 0


@properties
@given(entries, entries, decays, entries, entries, decays)
def test_a_mode_is_a_network_of_one_unit(a, b, w, a_, b_, w_):
    student, teacher = LinearRNN([[a]], [[w]], [[b]]), LinearRNN([[a_]], [[w_]], [[b_]])
    for horizon in (1, 7, np.inf):
        value = mode_loss(Mode(a, b, w), Mode(a_, b_, w_), horizon)
        assert value == pytest.approx(loss(student, teacher, horizon), rel=1e-9, abs=1e-24)


@pytest.mark.parametrize("w", [0.5, -0.5, 0.9999, -0.9999, 1 - 2.0**-40])
@pytest.mark.parametrize("slip", [2.0**-30, -(2.0**-45)])
def test_near_the_target_and_near_the_circle_the_loss_keeps_its_digits(w, slip):
    mode, target = Mode(1.0 + slip, 1.0, w), Mode(1.0, 1.0, w)
    exact = sympy.Rational(slip) ** 2 / (2 * (1 - sympy.Rational(w) ** 2))
    # 1 - w w* carries the rounding of one product, relative to what is left of 1; it stands in the square.
    gap = float(1 - sympy.Rational(w) ** 2)
    bound = 8 * 2.3e-16 * (1 / gap + 1 / abs(slip))
    assert float(mode_loss(mode, target)) == pytest.approx(float(exact), rel=bound)


def test_a_mode_that_only_decays_too_slowly():
    # Same gain, decay off by d: the loss is d^2 times the sum of k^2 w^(2k-2) / 2, to first order in d.
    w, d = 0.5, 1e-9
    k = np.arange(1, 200)
    expected = 0.5 * d**2 * (k**2 * w ** (2.0 * k - 2)).sum()
    assert float(mode_loss(Mode(1.0, 1.0, w + d), Mode(1.0, 1.0, w))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("w", [1.0, -1.0, 1.5, [0.5, 1.25]])
def test_modes_on_or_outside_the_circle_have_a_finite_horizon_only(w):
    for team, name in (((Mode(0.0, 1.0, w), Mode(1.0, 1.0, 0.5)), "mode"), ((Mode(1.0, 1.0, 0.5), Mode(0.0, 1.0, w)), "target")):
        with pytest.raises(ValueError, match=f"^{name}: .*radius below 1, got 1"):
            mode_loss(*team)
        np.testing.assert_array_equal(mode_loss(*team, 2), np.full(np.shape(w), 0.5 * 1.25))


def test_overflow_is_an_error_and_not_a_nan():
    big, small = Mode(1.0, 1.0, 10.0), Mode(1.0, 1.0, 0.1)
    for horizon in (200, 400):
        for team in ((big, small), (small, big)):
            with pytest.raises(ValueError, match="^(horizon|mode|target)"):
                mode_loss(*team, horizon)
    with pytest.raises(ValueError, match="^(horizon|mode|target)"):
        mode_loss(big, big, 400)
    with pytest.raises(ValueError, match="^(horizon|mode|target)"):
        mode_loss(Mode(1e200, 1.0, 0.5), small)
    with pytest.raises(ValueError, match="^(horizon|mode|target)"):
        mode_loss(Mode(1e200, 1e200, 0.5), small)


@pytest.mark.parametrize("horizon", [0, -1, 2.5, True, "3", np.nan, None])
def test_horizons_that_are_no_count_are_refused(horizon):
    with pytest.raises(ValueError, match="^horizon: "):
        mode_loss(Mode(1, 1, 0), Mode(1, 1, 0), horizon)


# Networks built from modes


@properties
@given(bases())
def test_an_aligned_network_is_the_sum_of_its_modes(drawn):
    modes, _, U, V, P = drawn
    net = aligned_network(modes, U, V, P)
    assert (net.o, net.n, net.m) == (U.shape[0], P.shape[0], V.shape[0])
    A, W, B = np.zeros((net.o, net.n)), np.zeros((net.n, net.n)), np.zeros((net.n, net.m))
    for i, (a, b, w) in enumerate(zip(*modes)):
        A += a * np.outer(U[:, i], P[:, i])
        W += w * np.outer(P[:, i], P[:, i])
        B += b * np.outer(P[:, i], V[:, i])
    for built, expected in ((net.A, A), (net.W, W), (net.B, B)):
        np.testing.assert_allclose(built, expected, atol=1e-14)


@properties
@given(bases(), st.integers(0, 999))
def test_the_loss_between_aligned_networks_is_the_sum_over_modes(drawn, seed):
    modes, targets, U, V, P = drawn
    k = modes.shape[0]
    # The student and its teacher have U and V in common and hidden directions of their own, also in number.
    student, teacher = aligned_network(modes, U, V, P), aligned_network(targets, U, V, rotation(seed, k + 1))
    for horizon in (1, 6, np.inf):
        total = mode_loss(modes, targets, horizon).sum()
        # The bases are orthonormal to 1e-15, and the sums of squares are of this size.
        scale = sum(mode_loss(m, Mode(0, 0, 0)).sum() for m in (modes, targets))
        assert loss(student, teacher, horizon) == pytest.approx(total, rel=1e-9, abs=1e-25 + 1e-14 * scale)


def test_batches_of_aligned_networks_are_loops():
    rng = np.random.default_rng(4)
    modes = Mode(rng.normal(size=(4, 2)), rng.normal(size=2), rng.uniform(-0.9, 0.9, size=(3, 1, 2)))
    U, V, P = rotation(1, 3), rotation(2, 2), rotation(3, 5, batch=(4,))
    nets = aligned_network(modes, U, V, P)
    assert nets.batch_shape == (3, 4)
    for i in range(3):
        for j in range(4):
            one = aligned_network(Mode(*(value[i, j] for value in modes)), U, V, P[j])
            A, W, B = (np.broadcast_to(X, (3, 4) + X.shape[-2:])[i, j] for X in (nets.A, nets.W, nets.B))
            for built, expected in ((A, one.A), (W, one.W), (B, one.B)):
                np.testing.assert_allclose(built, expected, atol=1e-15)
    assert aligned_network(Mode(np.ones((0, 2)), 1.0, 0.5), np.eye(2), np.eye(2), np.eye(2)).batch_shape == (0,)


@pytest.mark.parametrize("name", "UVP")
def test_directions_of_no_use_are_refused_by_name(name):
    modes, good = Mode([1.0, 2.0], 1.0, 0.5), {"U": np.eye(2), "V": np.eye(3), "P": np.eye(4)}
    for bad, said in (
        (np.eye(2)[:, :1], "expected at least 2 columns, one a mode, got "),
        (np.eye(3) * 1.001, "expected orthonormal columns, got columns whose inner products are off by 0.002"),
        (np.ones(3), r"expected shape \(\.\.\., ., columns\)"),
        (np.eye(3) * 1j, "expected real numbers"),
        (np.full((2, 2), np.nan), "expected finite numbers"),
    ):
        with pytest.raises(ValueError, match=f"^{name}: {said}"):
            aligned_network(modes, **(good | {name: bad}))
    with pytest.raises(ValueError, match=rf"modes has \(3,\).*{name} has \(2,\)"):
        aligned_network(Mode(np.ones((3, 2)), 1.0, 0.5), **(good | {name: np.broadcast_to(np.eye(2), (2, 2, 2))}))


@pytest.mark.parametrize("modes", [Mode(1.0, 1.0, 0.5), Mode([], [], []), Mode(np.ones((2, 0)), 1.0, 0.5)])
def test_modes_that_cannot_be_counted_are_refused(modes):
    with pytest.raises(ValueError, match=r"^modes: expected shape \(\.\.\., k\) with k of at least 1, got "):
        aligned_network(modes, np.eye(2), np.eye(2), np.eye(2))


# Reading modes and alignment off a network


@properties
@given(bases())
def test_reading_inverts_building_up_to_the_common_sign(drawn):
    modes, _, U, V, P = drawn
    k = modes.shape[0]
    assume(np.all(modes.b))  # a direction is read off an input that arrives
    a, b, w = read_modes(aligned_network(modes, U, V, P), U[:, :k], V[:, :k])
    np.testing.assert_allclose(a, modes.a * np.sign(modes.b), atol=1e-12)
    np.testing.assert_allclose(b, np.abs(modes.b), atol=1e-12)
    np.testing.assert_allclose(w, modes.w, atol=1e-12)


def test_a_mode_whose_input_does_not_arrive_reads_as_zero():
    net = aligned_network(Mode([2.0, 3.0], [0.0, 1.0], [0.5, 0.9]), np.eye(2), np.eye(2), np.eye(2))
    np.testing.assert_array_equal([*read_modes(net, np.eye(2), np.eye(2))], [[0.0, 3.0], [0.0, 1.0], [0.0, 0.9]])


def test_what_is_read_off_an_unaligned_network():
    # B v = (3, 4), so that p = (3, 4) / 5; worked out by hand. W is not symmetric and A not along p.
    net = LinearRNN([[1.0, 0.0], [5.0, 10.0]], [[0.0, 0.5], [0.0, 0.25]], [[3.0, 7.0], [4.0, -7.0]])
    U, V, R = [[0.0], [1.0]], [[1.0], [0.0]], [[9.0, 9.0], [0.0, -2.0]]
    a, b, w = read_modes(net, U, V)
    np.testing.assert_allclose([a, b, w], [[11.0], [5.0], [(12 * 0.5 + 16 * 0.25) / 25]], rtol=1e-15)
    measured = alignment(net, U, V, R)
    np.testing.assert_allclose(measured.input_output, 11 / np.hypot(5, 10), rtol=1e-14)
    # W p = (0.4, 0.2), W^T p = (0, 0.5): the longer of the two counts.
    np.testing.assert_allclose(measured.recurrent, 0.4 / 0.5, rtol=1e-14)
    np.testing.assert_allclose(alignment(LinearRNN(net.A, net.W.T, net.B), U, V).recurrent, 0.4 / 0.5, rtol=1e-14)
    np.testing.assert_allclose(measured.feedback, -20 / (2 * np.hypot(5, 10)), rtol=1e-14)


@properties
@given(bases(), st.integers(0, 999))
def test_aligned_networks_have_the_signs_of_their_modes(drawn, seed):
    modes, others, U, V, P = drawn
    k = modes.shape[0]
    net = aligned_network(modes, U, V, P)
    R = aligned_network(Mode(others.a, 1.0, 0.0), U, V, P).A
    measured = alignment(net, U[:, :k], V[:, :k], R)
    heard = modes.b != 0
    np.testing.assert_allclose(measured.input_output, np.sign(modes.a * modes.b), atol=1e-10)
    np.testing.assert_allclose(measured.recurrent, np.sign(modes.w) * heard, atol=1e-10)
    np.testing.assert_allclose(measured.feedback, np.sign(modes.a * others.a), atol=1e-10)


@settings(max_examples=150, deadline=None)
@given(any_network())
@example((LinearRNN([[1.0, 1.0]], np.eye(2) / 2, [[2.6e-162], [2.6e-162]]), np.eye(1), np.eye(1), np.ones((1, 2))))
@example((LinearRNN([[1e200, 1.0]], np.eye(2) / 2, [[1e200], [0.0]]), np.eye(1), np.eye(1), np.ones((1, 2))))
def test_every_measure_is_a_cosine(drawn):
    net, U, V, R = drawn
    for values in alignment(net, U, V, R):
        assert values.shape == (U.shape[-1],)
        assert np.all(np.abs(values) <= 1)  # and not 1 + 2e-16, of which arccos is NaN


def test_rounding_does_not_carry_a_cosine_past_one():
    rng = np.random.default_rng(5)
    p = rng.normal(size=(2000, 3, 1))
    aligned = LinearRNN(np.swapaxes(p, -1, -2), p @ np.swapaxes(p, -1, -2), p)
    for values in alignment(aligned, [[1.0]], [[1.0]], np.swapaxes(p, -1, -2)):
        assert values.shape == (2000, 1)
        assert values.max() <= 1
        np.testing.assert_allclose(values, 1, atol=1e-14)


@pytest.mark.parametrize("size", [1e-200, 1e-160, 1e160])
def test_a_cosine_does_not_depend_on_the_size_of_what_is_compared(size):
    net, R = LinearRNN([[1.0, 2.0]], [[0.5, 0.1], [0.0, 0.3]], [[1.0], [1.0]]), np.array([[2.0, 1.0]])
    scaled = LinearRNN(net.A * size, net.W * size, net.B * size)
    for values, expected in zip(alignment(scaled, [[1.0]], [[1.0]], R * size), alignment(net, [[1.0]], [[1.0]], R)):
        np.testing.assert_allclose(values, expected, rtol=1e-13)


def test_a_cosine_with_nothing_is_zero():
    # Mode 0: no input arrives. Mode 1: nothing is read. Mode 2: nothing is kept and nothing fed back.
    net = aligned_network(Mode([1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.5, 0.5, 0.0]), *[np.eye(3)] * 3)
    measured = alignment(net, np.eye(3), np.eye(3), np.diag([1.0, 1.0, 0.0]))
    np.testing.assert_array_equal(measured.input_output, [0.0, 0.0, 1.0])
    np.testing.assert_array_equal(measured.recurrent, [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(measured.feedback, [1.0, 0.0, 0.0])


@pytest.mark.parametrize("seed", range(5))
def test_a_mode_that_is_not_there_is_zero_in_any_basis(seed):
    # Two modes in a network with room for four. In rotated bases the other two are rounding, not zeros, and the
    # direction of rounding is none.
    U, V, P = (rotation(seed + shift, 4) for shift in (10, 20, 30))
    net = aligned_network(Mode([2.0, -1.0], 1.0, [0.5, 0.9]), U, V, P)
    R = aligned_network(Mode([1.0, 1.0], 1.0, 0.0), U, V, P).A
    for values, expected in zip(alignment(net, U, V, R), ([1.0, -1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [1.0, -1.0, 0.0, 0.0])):
        np.testing.assert_allclose(values, expected, atol=1e-12)
    for value, expected in zip(read_modes(net, U, V), ([2.0, -1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.5, 0.9, 0.0, 0.0])):
        np.testing.assert_allclose(value, expected, atol=1e-12)


def test_feedback_is_measured_only_where_there_is_some():
    net = LinearRNN(np.eye(2), np.eye(2) / 2, np.eye(2))
    assert alignment(net, np.eye(2), np.eye(2)).feedback is None
    assert alignment(net, np.eye(2), np.eye(2), np.eye(2)).feedback is not None


@pytest.mark.parametrize("which", ["A", "W", "B", "U", "V", "R"])
def test_measures_of_twenty_are_a_loop_whichever_carries_the_batch(which):
    rng = np.random.default_rng(6)
    parts = {name: rng.normal(size=size) for name, size in {"A": (3, 4), "W": (4, 4), "B": (4, 2), "R": (3, 4)}.items()}
    parts |= {"U": rotation(7, 3, 2), "V": rotation(8, 2)}
    parts[which] = rotation(9, *parts[which].shape, batch=(20,)) if which in "UV" else rng.normal(size=(20, *parts[which].shape))
    wide = {name: np.broadcast_to(part, (20,) + part.shape[-2:]) for name, part in parts.items()}
    nets = LinearRNN(parts["A"], parts["W"], parts["B"])
    measured, modes = alignment(nets, parts["U"], parts["V"], parts["R"]), read_modes(nets, parts["U"], parts["V"])
    assert [values.shape for values in measured] == [(20, 2)] * 3
    assert modes.shape == ((2,) if which == "R" else (20, 2))
    for i in range(20):
        one = {name: part[i] for name, part in wide.items()}
        net = LinearRNN(one["A"], one["W"], one["B"])
        for values, expected in zip(measured, alignment(net, one["U"], one["V"], one["R"])):
            np.testing.assert_allclose(values[i], expected, atol=1e-14)
        for value, expected in zip(modes, read_modes(net, one["U"], one["V"])):
            np.testing.assert_allclose(np.broadcast_to(value, (20, 2))[i], expected, atol=1e-13)


def test_an_empty_batch_has_no_measures():
    net = LinearRNN(np.ones((0, 2, 2)), np.eye(2) / 2, np.eye(2))
    assert [values.shape for values in alignment(net, np.eye(2), np.eye(2), np.eye(2))] == [(0, 2)] * 3
    assert read_modes(net, np.eye(2), np.eye(2)).shape == (0, 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"U": np.eye(3)}, r"U: expected shape \(\.\.\., o, k\) with o = 2"),
        ({"V": np.eye(2)}, r"V: expected shape \(\.\.\., m, k\) with m = 3, k = 2"),
        ({"V": np.eye(3)}, r"V: expected shape \(\.\.\., m, k\) with m = 3, k = 2"),
        ({"U": np.eye(2) * 1.01}, "U: expected orthonormal columns"),
        ({"V": np.eye(3)[:, :2] + 0.01}, "V: expected orthonormal columns"),
        ({"R": np.eye(2)}, r"R: expected shape \(\.\.\., o, n\) with o = 2, n = 4"),
        ({"R": np.full((2, 4), np.nan)}, "R: expected finite numbers"),
        ({"R": np.ones((5, 2, 4))}, r"batch axes: .*net has \(3,\).*R has \(5,\)"),
        ({"U": np.broadcast_to(np.eye(2), (5, 2, 2))}, r"batch axes: .*net has \(3,\).*U has \(5,\)"),
    ],
)
def test_directions_that_do_not_fit_the_network_are_refused_by_name(change, said):
    net = LinearRNN(np.ones((3, 2, 4)), np.eye(4) / 2, np.ones((4, 3)))
    arguments = {"U": np.eye(2), "V": np.eye(3)[:, :2]} | change
    with pytest.raises(ValueError, match=f"^{said}"):
        alignment(net, **arguments)
    if "R" not in change:
        with pytest.raises(ValueError, match=f"^{said}"):
            read_modes(net, **arguments)
