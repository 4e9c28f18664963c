"""The book's figure style, and the one colour, line and marker that each rule has everywhere."""

import sys
from typing import Any

import matplotlib as mpl

# Okabe and Ito's colours, told apart by colour-blind readers; the dashes tell them apart in grey.
STYLES: dict[str, dict[str, Any]] = {
    "BPTT": {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    "one-step tBPTT": {"color": "#E69F00", "linestyle": "--", "marker": "s"},
    "e-prop": {"color": "#009E73", "linestyle": "-.", "marker": "^"},
    "RFLO": {"color": "#D55E00", "linestyle": (0, (4, 1, 1, 1, 1, 1)), "marker": "D"},
}

TARGET: dict[str, Any] = {"color": "#444444", "linestyle": ":"}


def use_style() -> None:
    """Set matplotlib up as the book's figures are: vector lines, legible on a phone, opaque white.

    Examples
    --------
    >>> use_style()
    >>> STYLES["RFLO"]["color"]
    '#D55E00'
    """
    if "IPython" in sys.modules:  # in a notebook
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg")
    mpl.rcParams.update(
        {
            "figure.figsize": (6.4, 3.6),
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "lines.linewidth": 2,
            "legend.frameon": False,
            "svg.hashsalt": "lrnnbook",
        }
    )
