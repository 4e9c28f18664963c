"""A claim and the number that holds it: checked where it is made, and collected on the book's page of claims."""

import math
import re
import sys
from numbers import Integral
from typing import Any, SupportsFloat

MIME = "application/vnd.lrnnbook.claim+json"
RESULT = re.compile(r"B[1-9]\d*")
FORMULA = re.compile(r"\$([^$]+)\$")


def claim(
    number: int | str,
    what: str,
    measured: SupportsFloat,
    at_most: SupportsFloat | None = None,
    at_least: SupportsFloat | None = None,
    because: str | None = None,
) -> None:
    """Hold a measured number against its bound, and show that it keeps it.

    In a notebook the line that it shows carries the numbers along, for the book's pages and its map. The line itself
    leaves the measured number out, since what is measured to rounding differs from machine to machine.

    Parameters
    ----------
    number : int or str
        Which of the paper's ten claims, or the label of one of the book's own results, ``"B1"``, ``"B2"``, ....
    what : str
        What was measured, in words; formulas between dollars. Everything else appears as it is typed.
    measured : float
    at_most, at_least : float
        The bound, which a number may equal; one of the two, or both for an interval.
    because : str, optional
        Where the bound comes from, in a few words and formulas: ``"rounding"``, ``"$\\sqrt{n}$ deviations"``. Only the
        map shows it.

    Raises
    ------
    ValueError
        A number other than 1 to 10 that is no such label either, no bound, or numbers that are not finite.
    AssertionError
        A measured number outside its bounds.

    Examples
    --------
    >>> claim(7, "rank of the change under RFLO", measured=1, at_most=1, because="one output")
    Claim 7 holds: rank of the change under RFLO, at most 1.
    """
    entry: dict[str, Any] = {"number": as_label(number), "what": what, "measured": as_finite("measured", measured)}
    bounds = {"at_least": at_least, "at_most": at_most}
    bounds = {name: as_finite(name, bound) for name, bound in bounds.items() if bound is not None}
    if not bounds:
        raise ValueError("at_most, at_least: expected a bound, got neither")
    if not bounds.get("at_least", -math.inf) <= entry["measured"] <= bounds.get("at_most", math.inf):
        raise AssertionError(f"claim {number}: {what}: measured {measured}, outside of {bounds}")
    entry |= bounds
    if because is not None:
        entry["because"] = because
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        from IPython.display import display

        said = {"text/plain": line(entry), "text/markdown": as_markdown(line(entry))}
        display({**said, MIME: entry}, raw=True)
    else:
        print(line(entry))


def as_label(number: object) -> int | str:
    """Return the number of a claim, or the label of a result; raise ValueError unless it is one.

    >>> as_label(7), as_label(10), as_label("B12")
    (7, 10, 'B12')
    """
    if isinstance(number, Integral) and not isinstance(number, bool) and number in range(1, 11):
        return int(number)
    if isinstance(number, str) and RESULT.fullmatch(number):
        return str(number)
    raise ValueError(
        f"number: expected one of the ten claims, 1 to 10, or of the book's results, 'B1', 'B2', ..., got {number!r}"
    )


def as_finite(name: str, value: SupportsFloat) -> float:
    """Return `value` as a float; raise ValueError unless it is one finite number."""
    try:
        finite = float(value)
    except (TypeError, ValueError):
        finite = math.nan
    if not math.isfinite(finite):
        raise ValueError(f"{name}: expected a finite number, got {value}")
    return finite


def line(entry: dict[str, Any]) -> str:
    """What is said of a claim that holds, without the measured number.

    >>> line({"number": 1, "what": "error", "measured": 2e-16, "at_most": 1e-12})
    'Claim 1 holds: error, at most 1e-12.'
    """
    bounds = [f"{name.replace('_', ' ')} {entry[name]:g}" for name in ("at_least", "at_most") if name in entry]
    kind = "Result" if isinstance(entry["number"], str) else "Claim"
    return f"{kind} {entry['number']} holds: {entry['what']}, {' and '.join(bounds)}."


def as_markdown(text: str) -> str:
    """The text as Markdown in which formulas stay formulas and everything else appears as it is.

    >>> print(as_markdown("share of |r a*b*| over $c^*$"))
    share of |r a\\*b\\*| over $c^*$
    """
    parts = FORMULA.split(text)
    return "".join(f"${part}$" if i % 2 else re.sub(r"([\\`*_\[\]<~&$])", r"\\\1", part) for i, part in enumerate(parts))
