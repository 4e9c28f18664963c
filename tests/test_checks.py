"""Every bad input is a ValueError that names the argument, what was expected and what was found."""

import copy
import datetime
import math
import pickle
import re
import sys
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lrnnbook import (
    BPTT,
    RFLO,
    EProp,
    LinearRNN,
    Mode,
    aligned_network,
    alignment,
    decay_rates,
    integrate,
    leaky_network,
    loss,
    mode_loss,
    read_modes,
    simulate,
    train,
    train_flow,
)
from lrnnbook.checks import as_array, as_count, as_horizon, broadcast_batch, check_orthonormal, check_stable

properties = settings(max_examples=40, deadline=None)


@pytest.mark.parametrize(
    "value",
    [
        [[1, 0, 2]],
        ((1, 0, 2),),
        np.array([[1, 0, 2]], dtype=np.int8),
        np.array([[1, 0, 2]], dtype=np.float32),
        np.asfortranarray([[1.0, 0.0, 2.0]]),
        [[1, False, np.float16(2)]],
    ],
    ids=["list", "tuple", "int8", "float32", "fortran", "mixed"],
)
def test_every_kind_of_real_number_becomes_a_float_array(value):
    array = as_array("A", value, "o n", {})
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, [[1.0, 0.0, 2.0]])


def test_booleans_count_as_zero_and_one():
    np.testing.assert_array_equal(as_array("A", [[True, False]], "o n", {}), [[1.0, 0.0]])


def test_the_callers_array_is_copied():
    value = np.ones((2, 3))
    array = as_array("A", value, "o n", {})
    array[0, 0] = 7.0
    assert value[0, 0] == 1.0


@pytest.mark.parametrize(
    "value",
    [
        [[1j]],
        np.array([[1.0 + 0j]]),
        np.array([[np.complex128(1 + 2j)]], dtype=object),
        None,
        "A",
        [["1.5"]],
        [[b"1"]],
        [[None]],
        [[1.0, 2.0], [3.0]],
        {"A": 1},
        np.array([["2020-01-01"]], dtype="datetime64[D]"),
        [[datetime.timedelta(1)]],
        [[10**400]],
        np.array([[lambda: 1.0]]),
    ],
    ids="complex zero-imaginary boxed-complex none text numerals bytes holes ragged dict date timedelta huge function".split(),
)
def test_what_is_not_a_real_number_is_refused(value):
    with pytest.raises(ValueError, match=r"^A: expected real numbers of shape \(\.\.\., o, n\), got "):
        as_array("A", value, "o n", {})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.longdouble("1e400")])
def test_numbers_that_are_not_finite_are_refused(value):
    if np.isfinite(value) and np.finfo(np.longdouble).max <= np.finfo(float).max:
        pytest.skip("long doubles are doubles here")
    with pytest.raises(ValueError, match="^A: expected finite numbers, got NaN or infinity"):
        as_array("A", np.array([[1.0, value]]), "o n", {})


sizes_of_axes = st.fixed_dictionaries({axis: st.integers(1, 4) for axis in "onm"})


@properties
@given(
    sizes_of_axes, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3), st.sampled_from(["o n", "n n", "n m", ""])
)
def test_fitting_shapes_pass_and_teach_the_sizes(sizes, batch, core):
    axes = core.split()
    shape = batch + tuple(sizes[axis] for axis in axes)
    known = {}
    assert as_array("X", np.zeros(shape), core, known).shape == shape
    assert known == {axis: sizes[axis] for axis in axes}


@properties
@given(sizes_of_axes, st.sampled_from(["o n", "n n", "n m"]), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
def test_a_shape_passes_exactly_when_its_last_axes_are_the_known_sizes(sizes, core, shape):
    wanted = tuple(sizes[axis] for axis in core.split())
    before = dict(sizes)
    if shape[-2:] == wanted:
        assert as_array("X", np.zeros(shape), core, sizes).shape == shape
    else:
        with pytest.raises(ValueError) as error:
            as_array("X", np.zeros(shape), core, sizes)
        text = str(error.value)
        assert text.startswith(f"X: expected shape (..., {core.replace(' ', ', ')}) with ")
        assert text.endswith(f"got {shape}")
        for axis in core.split():
            assert f"{axis} = {before[axis]}" in text
    assert sizes == before


def test_a_refused_array_teaches_no_sizes():
    sizes = {}
    for value in (np.ones((2, 3)), [[math.nan]], np.ones((0, 0))):
        with pytest.raises(ValueError, match="^W: "):
            as_array("W", value, "n n", sizes)
    assert sizes == {}


@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (3, 0, 2)])
def test_an_empty_named_axis_is_refused_and_an_empty_batch_is_not(shape):
    with pytest.raises(ValueError, match=re.escape(f"got {shape}")):
        as_array("A", np.ones(shape), "o n", {})
    assert as_array("A", np.ones((0, 2, 2)), "o n", {}).shape == (0, 2, 2)


@properties
@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0))
def test_batches_broadcast(shapes):
    names = dict(zip("AWB", shapes.input_shapes))
    assert broadcast_batch(**names) == shapes.result_shape


def test_batches_that_do_not_broadcast_are_told_apart_by_name():
    with pytest.raises(ValueError, match=r"^batch axes: .* A has \(2,\), W has \(3,\), B has \(\)$"):
        broadcast_batch(A=(2,), W=(3,), B=())


@pytest.mark.parametrize("value", [1, 7, np.int16(7), np.uint8(7), 7.0, np.float32(7), np.array(7)])
def test_whole_numbers_count(value):
    for count in (as_count("lags", value), as_horizon(value)):
        assert type(count) is int and count == int(value)


NO_COUNT = [0, -1, 2.5, True, np.True_, "3", b"3", math.nan, -math.inf, None, [3], np.array([3]), 3 + 0j, Fraction(7, 2), 0.0]


@pytest.mark.parametrize("value", [*NO_COUNT, math.inf], ids=repr)
def test_what_is_no_count_is_refused(value):
    with pytest.raises(ValueError) as error:
        as_count("lags", value)
    assert str(error.value) == f"lags: expected a whole number of at least 1, got {value!r}"


@pytest.mark.parametrize("value", NO_COUNT, ids=repr)
def test_what_is_no_horizon_is_refused(value):
    with pytest.raises(ValueError) as error:
        as_horizon(value)
    assert str(error.value) == f"horizon: expected a whole number of at least 1, or infinity, got {value!r}"


@pytest.mark.parametrize("value", [math.inf, np.inf, np.float32(np.inf)])
def test_infinity_is_a_horizon(value):
    assert as_horizon(value) == math.inf


@pytest.mark.parametrize("radius", [1.0, 1.5, np.array([0.2, 1.25]), np.array([[0.5], [np.nan]])], ids=str)
def test_one_unstable_network_in_a_batch_is_enough_to_refuse(radius):
    with pytest.raises(ValueError, match="^student: .*radius below 1, got (1|1.5|1.25|nan)(: 1 of 2 networks .*)?$"):
        check_stable("student", radius)


def test_stable_networks_pass():
    check_stable("student", np.array([0.0, np.nextafter(1.0, 0.0)]))
    check_stable("student", np.zeros(0))


@properties
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1), st.floats(1e-6, 10.0))
def test_orthonormal_columns_pass_and_others_do_not(rows, columns, seed, slip):
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.normal(size=(2, rows, min(rows, columns))))[0]
    check_orthonormal("U", q)
    bent = q.copy()
    bent[1, :, 0] *= 1 + slip
    with pytest.raises(ValueError, match="^U: expected orthonormal columns"):
        check_orthonormal("U", bent)
    wide = np.concatenate([q, q[..., :1]], axis=-1)
    with pytest.raises(ValueError, match="^U: expected orthonormal columns.*off by 1$"):
        check_orthonormal("U", wide)
    with pytest.raises(ValueError, match="^U: expected orthonormal columns.*off by 0.75$"):
        check_orthonormal("U", q / 2)


def test_an_empty_batch_of_directions_passes():
    check_orthonormal("U", np.ones((0, 3, 2)))


def test_directions_whose_products_overflow_are_refused():
    for matrix in ([[1e200, 1e200], [1e200, -1e200]], [[1e300, 0.0], [0.0, 1.0]]):
        with pytest.raises(ValueError, match="^U: expected orthonormal columns"):
            check_orthonormal("U", np.array(matrix))


def test_what_numpy_would_pass_over_is_refused():
    masked = np.ma.array([[1.0, 2.0]], mask=[[False, True]])
    for value in (masked, [masked[0]], [[masked[0, 1], 1.0]]):
        with pytest.raises(ValueError, match="^A: expected real numbers .*, got masked entries$"):
            as_array("A", value, "o n", {})
    np.testing.assert_array_equal(as_array("A", np.ma.array([[1.0, 2.0]]), "o n", {}), [[1.0, 2.0]])

    class Tensor:
        requires_grad = True

        def __array__(self, *_, **__):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    for value in (Tensor(), [[Tensor(), 1.0]]):
        with pytest.raises(ValueError, match="^A: .*requires grad"):
            as_array("A", value, "o n", {})


def test_tables():
    pandas = pytest.importorskip("pandas")
    np.testing.assert_array_equal(as_array("A", pandas.DataFrame([[1.0, 2.0]]), "o n", {}), [[1.0, 2.0]])
    for value in (pandas.DataFrame([[1.0, 2.0]], dtype="Float64"), pandas.Series([1.0, None], dtype="Float64")):
        with pytest.raises(ValueError, match="^A: .*nullable Float64"):
            as_array("A", value, "n", {})


def test_infinity_in_an_array_without_axes_is_a_horizon():
    assert as_horizon(np.array(np.inf)) == math.inf
    with pytest.raises(ValueError, match="^horizon: "):
        as_horizon(np.array([np.inf]))


NET, MODE = LinearRNN([[1.0, 0.5]], [[0.5, 0.1], [0.0, 0.3]], [[1.0], [0.4]]), Mode(1.0, 1.0, 0.5)


@pytest.mark.parametrize("thing", [NET, MODE, RFLO([[1.0, 2.0]], 0.3), EProp([[1.0, 2.0]])], ids=repr)
def test_copies_and_pickles_cannot_be_changed_either(thing):
    for twin in (pickle.loads(pickle.dumps(thing)), copy.deepcopy(thing), copy.copy(thing)):
        for name, value in vars(thing).items():
            np.testing.assert_array_equal(getattr(twin, name), value)
            with pytest.raises(ValueError, match="read-only"):
                getattr(twin, name)[...] = 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: train(BPTT, NET, NET, 0.1, 3), "rule: expected a rule, .*, got the class BPTT"),
        (lambda: train_flow(BPTT, NET, NET, [1.0]), "rule: .*the class BPTT"),
        (lambda: integrate(BPTT, MODE, MODE, [1.0]), "rule: .*the class BPTT"),
        (lambda: integrate(BPTT(), (1, 1, 0), MODE, [1.0]), r"start: expected a Mode, got \(1, 1, 0\)"),
        (lambda: train(BPTT(), 3, NET, 0.1, 3), "student: expected a LinearRNN, got 3"),
        (lambda: train(BPTT(), NET, NET, 0.1, 3, seed="a"), "seed: .*got 'a'"),
        (lambda: train(BPTT(), NET, NET, 0.1, 3, seed=-1), "seed: .*got -1"),
        (lambda: train_flow(BPTT(), NET, NET, [1.0], rtol="a"), "rtol: expected a number between 0 and 1, got 'a'"),
        (lambda: loss(NET, (1, 2, 3)), r"teacher: expected a LinearRNN, got \(1, 2, 3\)"),
        (lambda: BPTT().update(NET, LinearRNN), "teacher: .*the class LinearRNN"),
        (lambda: RFLO([[1, 1]], 0.2).update((1, 2), NET), "student: expected a LinearRNN"),
        (lambda: simulate(3, [[[1.0]]]), "net: expected a LinearRNN, got 3"),
        (lambda: alignment(3, np.eye(1), np.eye(1)), "net: expected a LinearRNN"),
        (lambda: read_modes(3, np.eye(1), np.eye(1)), "net: expected a LinearRNN"),
        (lambda: aligned_network((1, 2, 3), *[np.eye(2)] * 3), "modes: expected a Mode"),
        (lambda: mode_loss(1, MODE), "mode: expected a Mode, got 1"),
        (lambda: BPTT().mode_update(MODE, 2), "target: expected a Mode, got 2"),
        (lambda: BPTT().sampled_update(NET, np.ones((5, 5, 1)), np.ones((5, 5, 1))), "targets: .*every_step"),
        (lambda: BPTT().update(NET, LinearRNN([[1.0]], [[1e200]], [[1.0]]), 5), "horizon: "),
        (lambda: LinearRNN([[1e300]], [[0.5]], [[1e300]]).transfer(0.5), "z: .*range of floats"),
        (lambda: NET.impulse_response(10**12), "lags: "),
    ],
)
def test_arguments_of_the_wrong_kind_are_named(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()


def test_the_bound_of_orthonormality():
    for slip, fits in ((0.9e-8, True), (1.1e-8, False)):
        bent = np.array([[np.sqrt(1 + slip)], [0.0]])
        if fits:
            check_orthonormal("U", bent)
        else:
            with pytest.raises(ValueError, match="^U: "):
                check_orthonormal("U", bent)


def test_the_default_tolerances():
    target = Mode(1.0, 0.5, 0.9)
    assert integrate(BPTT(), MODE, target, [7.0]).w == integrate(BPTT(), MODE, target, [7.0], rtol=1e-8, atol=1e-10).w
    one, other = (train_flow(BPTT(), NET, LinearRNN([[1.0]], [[0.7]], [[1.0]]), [2.0], **tolerances) for tolerances in
                  ({}, {"rtol": 1e-6, "atol": 1e-9}))
    np.testing.assert_array_equal(one.student.W, other.student.W)


def test_long_horizons_are_quick():
    teacher = LinearRNN([[1.0]], [[0.7]], [[1.0]])
    assert loss(NET, teacher, 10**8) == pytest.approx(loss(NET, teacher), rel=1e-13)
    sum_k = sum(k * ((NET.A @ np.linalg.matrix_power(NET.W, k) @ NET.B).item() - 0.7**k) ** 2 for k in range(200)) / 2
    assert loss(NET, teacher, 2000, True) == pytest.approx(loss(NET, teacher) - sum_k / 2000, rel=1e-12)
    integrator = LinearRNN([[1.0]], [[1.0]], [[1.0]])
    silent = LinearRNN([[0.0]], [[0.0]], [[0.0]])
    for T in (1001, 4096, 10**8 + 7):
        assert loss(integrator, silent, T) == pytest.approx(T / 2, rel=1e-12)
        assert loss(integrator, silent, T, every_step=True) == pytest.approx((T + 1) / 4, rel=1e-12)
    for T in (1500, 10**8):
        for delta, expected in zip(BPTT().update(NET, teacher, T), BPTT().update(NET, teacher)):
            np.testing.assert_allclose(delta, expected, rtol=1e-11)
    assert mode_loss(MODE, Mode(1.0, 1.0, 0.9), 10**8) == pytest.approx(mode_loss(MODE, Mode(1.0, 1.0, 0.9)), rel=1e-13)
    with pytest.raises(ValueError, match="^horizon: expected at most"):
        BPTT().update(integrator, teacher, 10**6)


def test_an_empty_batch_has_updates_of_no_networks():
    none = LinearRNN(np.ones((0, 1, 2)), NET.W, NET.B)
    for T in (3, 2000, np.inf):
        assert [delta.shape for delta in BPTT().update(none, NET, T)] == [(0, 1, 2), (0, 2, 2), (0, 2, 1)]


def test_a_run_that_is_far_too_stiff_is_given_up_soon():
    start = time.process_time()
    with pytest.raises(RuntimeError, match="more than 1000000 steps"):
        integrate(BPTT(), Mode(1e50, 1.0, 0.5), MODE, [1.0])
    assert time.process_time() - start < 5


def test_progress_without_a_terminal(monkeypatch, capsys):
    train(BPTT(), NET, NET, 1e-3, 3000, horizon=2, progress=True)
    assert capsys.readouterr().err.count("\r") < 10
    monkeypatch.setattr(sys, "stderr", None)
    train(BPTT(), NET, NET, 1e-3, 3, progress=True)
    train_flow(BPTT(), NET, NET, [0.1], progress=True)


def test_the_tolerance_of_a_flow_has_its_sign():
    student = LinearRNN([[0.5, 0.0]], np.diag([0.1, 1e-3]), [[0.5], [0.0]])
    history = train_flow(BPTT(), student, LinearRNN([[1.0]], [[0.5]], [[1.0]]), [0.0, 5.0])
    assert history.diverged_at == np.inf and history.times[-1] == 5


def test_a_start_close_to_the_edge():
    start, target, times = Mode(0.5, 0.5, 1 - 1e-3), Mode(1.0, 1.0, 0.5), [0.0, 1e-6, 1e-5]
    rough = integrate(BPTT(), start, target, times, rtol=0.9, atol=0.9)
    fine = integrate(BPTT(), start, target, times, rtol=1e-12, atol=1e-13)
    # However rough, one step's error stays below a thousandth of the way to the edge.
    np.testing.assert_allclose(rough.w, fine.w, rtol=0, atol=1e-5)
    assert abs(fine.w[-1] - fine.w[0]) > 1e-4


def test_the_rate_above_the_axis_comes_first():
    pair = decay_rates(RFLO(R=1.0, decay=0.0), -1.8, Mode(1.0, 1.0, 0.5))
    assert pair[0].imag > 0 > pair[1].imag and pair[0] == pair[1].conjugate()


@pytest.mark.parametrize(
    "radius, said",
    [
        (1.2, r"got 1\.2$"),
        ([1.2], r"got 1\.2$"),
        ([0.5, 0.9, 1.5, 0.1], r"got 1\.5: 1 of 4 networks is unstable, the first at index 2$"),
        ([[0.5, 0.9], [1.5, 1.1]], r"got 1\.5: 2 of 4 networks are unstable, the first at index \(1, 0\)$"),
    ],
)
def test_unstable_networks_are_counted(radius, said):
    with pytest.raises(ValueError, match=said):
        check_stable("student", np.array(radius))


def test_a_batch_says_which_of_it_is_unstable():
    student = LinearRNN(np.ones((1, 2)), np.array([0.1, 0.5, 1.3])[:, None, None] * np.eye(2), np.ones((2, 1)))
    with pytest.raises(ValueError, match=r"^student: .*got 1\.3: 1 of 3 networks is unstable, the first at index 2$"):
        loss(student, LinearRNN([[1.0]], [[0.5]], [[1.0]]))
    with pytest.raises(ValueError, match="^mode: .*: 2 of 3 modes are unstable, the first at index 1$"):
        BPTT().mode_update(Mode(1.0, 1.0, [0.5, 1.0, -2.0]), Mode(1.0, 1.0, 0.5))


@pytest.mark.parametrize("make", [LinearRNN, lambda A, W, B: leaky_network(A, W, B, 2.0)])
def test_sizes_are_said_to_be_those_of_the_readout(make):
    with pytest.raises(ValueError, match=r"^[WJ]: expected shape \(\.\.\., n, n\) with n = 2, from A, and .*got \(8, 8\)"):
        make(np.ones((8, 2)), np.ones((8, 8)), np.ones((8, 2)))


def test_numbers_that_numpy_does_not_have():
    class Brain:
        dtype = "torch.bfloat16"

    with pytest.raises(ValueError, match=r"^A: expected real numbers .*got bfloat16, .*\.float\(\)"):
        LinearRNN(Brain(), [[0.5]], [[1.0]])


def test_a_bfloat16_tensor():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"bfloat16, .*\.float\(\)"):
        LinearRNN(torch.ones((1, 1), dtype=torch.bfloat16), [[0.5]], [[1.0]])
