"""A claim and the number that holds it: checked where it is made, and collected on the book's page of claims."""

import math
import sys

MIME = "application/vnd.lrnnbook.claim+json"


def claim(number, what, measured, at_most=None, at_least=None):
    """Hold a measured number against its bound, and show that it keeps it.

    In a notebook the line that it shows carries the numbers along, and the page *The map* lists them. The line itself
    leaves the measured number out, since what is measured to rounding differs from machine to machine.

    Parameters
    ----------
    number : int
        Which of the ten claims.
    what : str
        What was measured, in words; formulas between dollars.
    measured : float
    at_most, at_least : float
        The bound; one of the two, or both for an interval.

    Raises
    ------
    ValueError
        A number other than 1 to 10, no bound, or numbers that are not finite.
    AssertionError
        A measured number outside its bounds.

    Examples
    --------
    >>> claim(7, "rank of the change under RFLO", measured=1, at_most=1)
    Claim 7 holds: rank of the change under RFLO, at most 1.
    """
    if number not in range(1, 11):
        raise ValueError(f"number: expected one of the ten claims, 1 to 10, got {number!r}")
    bounds = {name: float(bound) for name, bound in (("at_least", at_least), ("at_most", at_most)) if bound is not None}
    if not bounds:
        raise ValueError("at_most, at_least: expected a bound, got neither")
    for name, value in {"measured": measured, **bounds}.items():
        if not math.isfinite(value):
            raise ValueError(f"{name}: expected a finite number, got {value}")
    if not bounds.get("at_least", -math.inf) <= measured <= bounds.get("at_most", math.inf):
        raise AssertionError(f"claim {number}: {what}: measured {measured}, outside of {bounds}")
    said = " and ".join(f"{name.replace('_', ' ')} {bound:g}" for name, bound in bounds.items())
    line = f"Claim {number} holds: {what}, {said}."
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        from IPython.display import display

        numbers = {"number": number, "what": what, "measured": float(measured), **bounds}
        display({"text/plain": line, "text/markdown": line, MIME: numbers}, raw=True)
    else:
        print(line)
