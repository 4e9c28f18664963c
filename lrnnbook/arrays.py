"""What a rule brings: arrays that it names, read-only, of all runs or of some."""

from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from .checks import as_array, check_axes, some
from .networks import LinearRNN


class WithArrays:
    """Holds the attributes that `arrays` names, each with its trailing axes; axes before these are batch axes."""

    arrays: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, axes in cls.arrays.items():
            if not set(axes.split()) <= set("onm"):
                raise ValueError(
                    f"arrays: expected the axes of {name} among o, n and m, as in 'o n', got {axes!r} in {cls.__name__}"
                )

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, _frozen(name, value) if name in self.arrays else value)
        self.__dict__.pop("_of_units", None)

    def __post_init__(self) -> None:  # a dataclass fills in its fields past __setattr__
        self._check_in()

    def _check_in(self) -> None:
        """Convert and freeze what has not been, as where a subclass has an `__init__` or a `__post_init__` of its own."""
        for name in self.arrays:
            value = getattr(self, name, None)
            if value is None:
                raise ValueError(f"{name}: expected an array, as `arrays` of {type(self).__name__} says, got none")
            if type(value) is not np.ndarray or value.flags.writeable:
                object.__setattr__(self, name, _frozen(name, value))

    def __setstate__(self, state: dict[str, Any]) -> None:  # a copy or a pickle is read-only as well
        for name, value in state.items():
            object.__setattr__(self, name, _frozen(name, value) if name in self.arrays else value)

    def _with(self, **arrays: np.ndarray) -> Self:
        """A copy with other arrays, known to fit."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, **{name: _read_only(array.view()) for name, array in arrays.items()})
        other.__dict__.pop("_of_units", None)
        return other

    def batches(self, net: LinearRNN) -> dict[str, tuple[int, ...]]:
        """The batch axes of what the rule brings, by name; ValueError for an array that does not fit the network."""
        self._check_in()
        sizes = {"o": net.o, "n": net.n, "m": net.m}
        for name in self.arrays:
            if np.iscomplexobj(getattr(self, name)):
                raise ValueError(f"{name}: expected real numbers for a network, got {getattr(self, name)!r}")
        return {name: check_axes(name, getattr(self, name).shape, axes, sizes) for name, axes in self.arrays.items()}

    def for_runs(self, shape: tuple[int, ...], index: np.ndarray) -> Self:
        """The rule of some of a batch of networks.

        Parameters
        ----------
        shape : tuple of int
            The batch axes of the networks. What the rule brings broadcasts with them; an array without batch axes stays.
        index : array (k,) of int
            Which networks, when those axes are flattened.

        Returns
        -------
        Rule
            Of the same class, for networks with one batch axis, (k,).

        Examples
        --------
        >>> from lrnnbook import RFLO
        >>> RFLO(R=[[[1.0]], [[2.0]], [[3.0]]], decay=0.5).for_runs((3,), [2, 0]).R.ravel()
        array([3., 1.])
        """
        return self._with(
            **{name: some(getattr(self, name), shape, index, core=len(axes.split())) for name, axes in self.arrays.items()}
        )

    def mode_batches(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the arrays of a rule of modes, by name."""
        self._check_in()
        return {name: np.shape(getattr(self, name)) for name in self.arrays}

    def for_modes(self, shape: tuple[int, ...], index: np.ndarray) -> Self:
        """The rule of some of a batch of modes, those at `index` when `shape` is flattened."""
        return self._with(**{name: np.broadcast_to(getattr(self, name), shape).ravel()[index] for name in self.arrays})

    @cached_property
    def _of_units(self) -> Self:
        """A rule of modes as one of networks of one unit each."""
        return self._with(
            **{name: getattr(self, name)[(..., *(None,) * len(axes.split()))] for name, axes in self.arrays.items()}
        )


def _frozen(name: str, value: ArrayLike) -> np.ndarray:
    return _read_only(as_array(name, value, "", {}, complex_too=True))


def _read_only(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
