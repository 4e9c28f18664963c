"""A relative error of a few units in the last place in every update, velocity and loss of the package.

Some other machine rounds like that. A number of the book that moves with it is no result.
"""

import dataclasses
import functools
import re
import sys

import numpy as np

UNIT = np.finfo(float).eps
METHODS = re.compile(r"(sampled_|mode_)?update|\w+_deltas")  # of a rule: its updates and velocities
FUNCTIONS = ("loss", "mode_loss")


def start(seed):
    """Disturb the package of this process from now on, at random from the seed."""
    import lrnnbook
    from lrnnbook.rules import Rule

    rng = np.random.default_rng(seed)
    for cls in family(Rule):
        for name, method in list(vars(cls).items()):
            if METHODS.fullmatch(name):
                setattr(cls, name, disturbing(method, rng))
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "lrnnbook"]
    for name in FUNCTIONS:
        exact = getattr(lrnnbook, name)
        inexact = disturbing(exact, rng)
        for module in modules:
            for alias in [alias for alias, value in vars(module).items() if value is exact]:
                setattr(module, alias, inexact)


def family(cls):
    yield cls
    for child in cls.__subclasses__():
        yield from family(child)


def disturbing(function, rng):
    @functools.wraps(function)
    def inexact(*args, **kwargs):
        return disturbed(function(*args, **kwargs), rng)

    return inexact


def disturbed(value, rng):
    """The value with an error in each of its numbers: an array, a tuple of arrays or a dataclass of arrays."""
    if isinstance(value, tuple):
        parts = [disturbed(part, rng) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return dataclasses.replace(value, **{name: disturbed(getattr(value, name), rng) for name in names})
    if np.asarray(value).dtype.kind not in "fc":
        return value
    error = rng.uniform(-3, 3, np.shape(value))
    return value * (1 + UNIT * (error + np.copysign(1, error)))  # never none
