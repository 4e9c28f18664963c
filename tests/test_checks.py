"""Every bad input is a ValueError that names the argument, what was expected and what was found."""

import datetime
import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

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
@given(sizes_of_axes, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3), st.sampled_from(["o n", "n n", "n m", ""]))
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
    with pytest.raises(ValueError, match="^student: .*radius below 1, got (1|1.5|1.25|nan)$"):
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


def test_an_empty_batch_of_directions_passes():
    check_orthonormal("U", np.ones((0, 3, 2)))


def test_directions_whose_products_overflow_are_refused():
    for matrix in ([[1e200, 1e200], [1e200, -1e200]], [[1e300, 0.0], [0.0, 1.0]]):
        with pytest.raises(ValueError, match="^U: expected orthonormal columns"):
            check_orthonormal("U", np.array(matrix))
