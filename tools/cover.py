"""The cover of the EPUB: the loss of one mode under four rules, which wait and then learn."""

import io
import textwrap

import numpy as np
from matplotlib.figure import Figure

import lrnnbook as lb


def cover(title, author):
    """A portrait picture, as the bytes of a PNG, and its alternative text."""
    figure = Figure(figsize=(6, 8), facecolor="#14213d", layout="none")
    figure.text(0.1, 0.92, textwrap.fill(title, 20), color="white", size=36, weight="bold", va="top", linespacing=1.25)
    figure.text(0.1, 0.07, author, color="white", size=18)
    axes = figure.add_axes((0, 0.16, 1, 0.34))
    axes.axis("off")
    times, goal = np.linspace(0, 9, 500), lb.Mode(1.0, 1.0, 0.8)
    rules = {"BPTT": lb.BPTT(), "one-step tBPTT": lb.TruncatedBPTT(steps=1), "RFLO": lb.RFLO(1.0, 0.5), "e-prop": lb.EProp(1.0)}
    bright = {"BPTT": "#56B4E9", "one-step tBPTT": "#F0E442", "RFLO": "#FF8C42", "e-prop": "#4FD1A5"}
    for name, rule in rules.items():
        run = lb.integrate(rule, lb.Mode(0.01, 0.01, 0.0), goal, times)
        style = {**lb.STYLES[name], "color": bright[name], "marker": ""}
        axes.plot(times, lb.mode_loss(lb.Mode(run.a, run.b, run.w), goal), linewidth=4, **style)
    made = io.BytesIO()
    figure.savefig(made, format="png", dpi=200)
    return made.getvalue(), f"{title}. {author}. Four curves stay level, each for a time of its own, and then fall."
