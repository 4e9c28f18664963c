"""One table of rules, each with its two matrices written out, and the networks that the general tests run over.

Two of the rules are a reader's own: they hold what :class:`lrnnbook.Rule` makes of `sent` to what every rule is held to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np
from numpy.linalg import matrix_power

import lrnnbook as lb


@dataclass(frozen=True, eq=False)
class PerUnitRFLO(lb.Rule):              # a rule of one's own: RFLO in which every unit has its own decay
    R: np.ndarray
    decays: np.ndarray
    arrays = {"R": "o n", "decays": "n"}  # axes of each, behind any batch axes
    def sent(self, net):
        return self.R.mT, self.decays[..., None] * np.eye(net.n)


class SnAp1(lb.Rule):
    def sent(self, net):
        return net.A.mT, net.W * np.eye(net.n)


def decays_of(decay, n):
    """A decay for each of n units, none larger than the one given; of one unit it is that."""
    return np.asarray(decay)[..., None] * np.linspace(1, -0.5, n)


class Entry(NamedTuple):
    """A rule from feedback and decay, and F and G at the weights A and W of one network, as the book writes them."""

    rule: Callable
    F: Callable
    G: Callable
    steps: float = inf


def truncated(steps):
    return Entry(lambda R, decay: lb.TruncatedBPTT(steps), lambda A, R: A.T, lambda W, decay: W.T, steps)


TABLE = {
    "BPTT": Entry(lambda R, decay: lb.BPTT(), lambda A, R: A.T, lambda W, decay: W.T),
    "one-step tBPTT": truncated(1),
    "two-step tBPTT": truncated(2),
    "three-step tBPTT": truncated(3),
    "four-step tBPTT": truncated(4),
    "fifty-step tBPTT": truncated(50),
    "RFLO": Entry(lb.RFLO, lambda A, R: R.T, lambda W, decay: decay * np.eye(len(W))),
    "e-prop": Entry(lambda R, decay: lb.EProp(R), lambda A, R: R.T, lambda W, decay: np.diag(np.diag(W))),
    "per-unit RFLO": Entry(PerUnitRFLO, lambda A, R: R.T, lambda W, decay: np.diag(decays_of(decay, len(W)))),
    "SnAp-1": Entry(lambda R, decay: SnAp1(), lambda A, R: A.T, lambda W, decay: np.diag(np.diag(W))),
}
NAMES = ["BPTT", "one-step tBPTT", "three-step tBPTT", "RFLO", "e-prop", "per-unit RFLO", "SnAp-1"]
BRING_FEEDBACK = {"RFLO", "e-prop", "per-unit RFLO"}
READ_THE_DIAGONAL = {"e-prop", "SnAp-1"}
BY_UNIT = READ_THE_DIAGONAL | {"per-unit RFLO"}  # a mode's decay is its own only where hidden units are modes


def make(name, R, decay=-0.4):
    """The rule of that name for networks; R is (..., o, n), the decay (...)."""
    return TABLE[name].rule(R, decays_of(decay, np.shape(R)[-1]) if name == "per-unit RFLO" else decay)


def of_modes(name, r, decay=-0.4):
    """The rule of that name for modes, with one feedback and one decay a mode."""
    return TABLE[name].rule(r, decay)


def matrices(name, net, R, decay=-0.4):
    """F and G of one network."""
    return TABLE[name].F(net.A, np.asarray(R)), TABLE[name].G(net.W, decay)


def sent_back(name, net, R, lag, decay=-0.4):
    """M_l^T = G^l F, and 0 beyond the lags that the rule keeps."""
    F, G = matrices(name, net, R, decay)
    return matrix_power(G, lag) @ F if lag < TABLE[name].steps else np.zeros_like(F)


def sent_to_mode(name, a, w, r, decay):
    """f and mu, the same of one unit."""
    F = TABLE[name].F(np.array([[a]]), np.array([[r]]))
    return F.item(), TABLE[name].G(np.array([[w]]), decay).item()


def network(rng, o=2, n=3, m=2, radius=0.8, batch=(), scale=1.0):
    """Gaussian weights, W brought to a spectral radius, A and B to a scale."""
    W = rng.standard_normal(batch + (n, n))
    W *= radius / np.abs(np.linalg.eigvals(W)).max(axis=-1)[..., None, None]
    return lb.LinearRNN(scale * rng.standard_normal(batch + (o, n)), W, scale * rng.standard_normal(batch + (n, m)))
