"""Checks of what a caller hands in: every bad input is a ValueError that names the argument."""

import math
import operator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

Some = TypeVar("Some")
Numbers = TypeVar("Numbers", np.ndarray, float)


def as_array(
    name: str, value: ArrayLike, core: str, sizes: dict[str, int], complex_too: bool = False, known_from: str = ""
) -> np.ndarray:
    """Return `value` as a finite float array of shape ``(..., *core)``.

    Parameters
    ----------
    name : str
        The argument's name, for the error.
    value : array_like
        Real numbers.
    core : str
        The trailing axes by name, such as ``"o n"``. Axes before them are batch axes.
    sizes : dict
        Axis name to size. A name met for the first time is added; one met before must agree.
    complex_too : bool
        Whether complex numbers are kept as such, and not refused.
    known_from : str
        The argument that the sizes come from, for the error.

    Raises
    ------
    ValueError
        Not real numbers, NaN or infinity, too few axes, an empty axis, or a size that disagrees.

    Examples
    --------
    >>> sizes = {}
    >>> as_array("A", [[1.0, 2.0, 3.0]], "o n", sizes).shape, sizes == {"o": 1, "n": 3}
    ((1, 3), True)
    """
    axes = core.split()
    expected = "(" + ", ".join(["...", *axes]) + ")"
    flaw = "" if type(value) is np.ndarray else _flaw(value)
    if flaw:
        raise ValueError(f"{name}: expected real numbers of shape {expected}, got {flaw}")
    try:
        raw = np.asarray(value)
        if raw.dtype.kind not in ("biufc" if complex_too else "biuf"):
            raise TypeError
        with np.errstate(over="ignore"):
            array = np.array(raw, dtype=complex if raw.dtype.kind == "c" else float)
    except (TypeError, ValueError, RuntimeError):
        kind = "real numbers, or complex ones," if complex_too else "real numbers"
        raise ValueError(f"{name}: expected {kind} of shape {expected}, got {value!r}") from None
    seen = dict(sizes)
    check_axes(name, array.shape, core, seen, known_from)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    sizes.update(seen)
    return array


def check_axes(name: str, shape: tuple[int, ...], core: str, sizes: dict[str, int], known_from: str = "") -> tuple[int, ...]:
    """Return the batch axes of a shape ``(..., *core)``; raise ValueError where the other axes do not fit.

    See :func:`as_array` for the arguments.

    Examples
    --------
    >>> check_axes("A", (20, 1, 3), "o n", {"n": 3})
    (20,)
    """
    axes, seen = core.split(), dict(sizes)
    fits = len(shape) >= len(axes)
    for axis, size in zip(reversed(axes), reversed(shape)):
        fits = fits and size > 0 and seen.setdefault(axis, size) == size
    if not fits:
        expected = "(" + ", ".join(["...", *axes]) + ")"
        known = ", ".join(f"{axis} = {sizes[axis]}" for axis in dict.fromkeys(axes) if axis in sizes)
        known = f" with {known}" + (f", from {known_from}," if known_from else "") if known else ""
        raise ValueError(f"{name}: expected shape {expected}{known} and no empty axis among the named, got {shape}")
    sizes.update(seen)
    return shape[: len(shape) - len(axes)]


def _flaw(value: Any) -> str:
    """What NumPy would pass over in silence, or refuse without the reason."""
    if isinstance(value, (list, tuple)):
        return next(filter(None, map(_flaw, value)), "")
    if np.ma.is_masked(value):
        return "masked entries"
    if getattr(value, "requires_grad", False) is True:
        return "a tensor that requires grad, and would lose it: detach it first"
    if str(getattr(value, "dtype", "")).endswith("bfloat16"):
        return "bfloat16, which NumPy does not have: call .float() first, in JAX .astype(float)"
    columns: Any = getattr(value, "dtypes", getattr(value, "dtype", None))
    nullable = [str(kind) for kind in (columns if np.ndim(columns) else [columns]) if hasattr(kind, "na_value")]
    if nullable:
        return f"a table or column of nullable {nullable[0]}, whose holes are no numbers: fill them, then .astype(float)"
    return ""


def as_instance(name: str, value: object, kind: type[Some], what: str) -> Some:
    """Return `value`; raise ValueError unless it is one of a class.

    Examples
    --------
    >>> as_instance("name", "BPTT", str, "a text")
    'BPTT'
    """
    if not isinstance(value, kind):
        got = f"the class {value.__name__}" if isinstance(value, type) else repr(value)
        raise ValueError(f"{name}: expected {what}, got {got}")
    return value


def as_fraction(name: str, value: float) -> float:
    """Return `value` as a float; raise ValueError unless it is a number between 0 and 1, ends excluded.

    Examples
    --------
    >>> as_fraction("rtol", 0.5)
    0.5
    """
    number = np.asarray(value)
    if number.ndim or number.dtype.kind not in "iuf" or not 0 < number < 1:
        raise ValueError(f"{name}: expected a number between 0 and 1, got {value!r}")
    return float(number)


class ReadOnly:
    """Of arrays that a caller cannot change, in copies and pickles as well."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, name, value)


def broadcast_batch(**batches: tuple[int, ...]) -> tuple[int, ...]:
    """Return the common batch shape of the named ones, such as ``A=(20,), W=()``.

    Raises ValueError where they do not broadcast together.

    Examples
    --------
    >>> broadcast_batch(A=(20, 1), W=(3,))
    (20, 3)
    """
    shapes = set(batches.values())
    shapes.discard(())
    if len(shapes) < 2:
        return shapes.pop() if shapes else ()
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        found = ", ".join(f"{name} has {shape}" for name, shape in batches.items())
        raise ValueError(f"batch axes: expected shapes that broadcast together, got {found}") from None


def some(array: np.ndarray, shape: tuple[int, ...], index: Any, core: int) -> np.ndarray:
    """The entries at `index` of an array's batch axes, broadcast to `shape` and flattened; one without them as it is.

    `core` is the number of axes that are not batch axes.

    Examples
    --------
    >>> some(np.array([[1.0], [2.0], [3.0]]), (3,), [0, 2], core=1)
    array([[1.],
           [3.]])
    """
    cut = array.ndim - core
    if not cut:
        return array
    return np.broadcast_to(array, shape + array.shape[cut:]).reshape((-1,) + array.shape[cut:])[index]


def as_count(name: str, value: Any) -> int:
    """Return `value` as an int of at least 1; raise ValueError for anything else.

    Examples
    --------
    >>> as_count("lags", 3)
    3
    """
    try:
        count = 0 if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        count = int(value) if isinstance(value, (float, np.floating)) and float(value).is_integer() else 0
    if count < 1:
        raise ValueError(f"{name}: expected a whole number of at least 1, got {value!r}")
    return count


def as_horizon(value: Any) -> int | float:
    """Return a horizon: an int of at least 1, or ``math.inf``; raise ValueError for anything else.

    Examples
    --------
    >>> as_horizon(np.inf), as_horizon(10)
    (inf, 10)
    """
    if (type(value) is float or np.ndim(value) == 0 and np.asarray(value).dtype.kind == "f") and value == math.inf:
        return math.inf
    try:
        return as_count("horizon", value)
    except ValueError:
        raise ValueError(f"horizon: expected a whole number of at least 1, or infinity, got {value!r}") from None


def check_stable(name: str, radius: np.ndarray, what: str = "networks") -> None:
    """Raise ValueError unless every spectral radius is below 1; of several it says how many are not, and the first.

    Examples
    --------
    >>> check_stable("student", np.array([0.2, 0.9]))
    """
    unstable = ~(np.asarray(radius) < 1)
    if unstable.any():
        said = f"{name}: an infinite horizon needs a spectral radius below 1, got {np.max(radius):.6g}"
        if unstable.size > 1:
            count, first = unstable.sum(), tuple(map(int, np.argwhere(unstable)[0]))
            said += f": {count} of {unstable.size} {what} {'is' if count == 1 else 'are'} unstable, the first at index "
            said += str(first[0] if len(first) == 1 else first)
        raise ValueError(said)


def check_orthonormal(name: str, matrix: np.ndarray) -> None:
    """Raise ValueError unless the columns of `matrix` (..., rows, columns) are orthonormal.

    Examples
    --------
    >>> check_orthonormal("U", np.eye(3)[:, :2])
    """
    with np.errstate(over="ignore", invalid="ignore"):
        gap = np.abs(np.swapaxes(matrix, -1, -2) @ matrix - np.eye(matrix.shape[-1])).max(initial=0)
    if not gap <= 1e-8:
        raise ValueError(f"{name}: expected orthonormal columns, got columns whose inner products are off by {gap:.2g}")


def finite(name: str, value: Numbers) -> Numbers:
    """Return `value`; raise ValueError where it has left the range of floats.

    Examples
    --------
    >>> finite("horizon", 2.0)
    2.0
    """
    if not np.isfinite(value).all():
        raise ValueError(f"{name}: expected one at which the loss is within the range of floats, got one beyond it")
    return value


def most(array: np.ndarray) -> float:
    """The largest modulus of all; 0 of none."""
    return np.abs(array).max(initial=0)


def largest(matrix: np.ndarray) -> np.ndarray:
    """The largest modulus in each matrix (..., p, q)."""
    return np.abs(matrix).max(axis=(-2, -1))
