"""Which rule learned this? What each rule conserves, fitted to snapshots of the weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .checks import ReadOnly, as_instance, most
from .networks import LinearRNN

CANNOT_TELL = "cannot tell"
FITS, APART = 0.2, 0.5  # the largest residual that names a rule, and how far it is below the second
ALONE = 0.005  # the largest that names one where a law was not tested
IMITATED = 0.1  # below this one-step truncation explains the weights, and RFLO can imitate it
STILL = 0.01  # two snapshots closer than this share of the whole change count as one


@dataclass(frozen=True, eq=False, repr=False)
class Identified(ReadOnly):
    r"""What :func:`identify_rule` found; (...) are the batch axes of the runs.

    ``rule`` (...) is a name, as in ``lb.STYLES``, or ``"cannot tell"``. ``feedback`` (..., o, n) and ``decay`` (...) are
    :math:`R` and :math:`\hat w` with their standard errors ``feedback_error`` and ``decay_error``: NaN where the rule has none
    and where the snapshots do not determine them. ``residuals`` has for each rule what is left of its law (...), relative to
    the change of the weights: NaN where the law would fit any weights. ``freedom`` has for each rule the number of
    equations beyond unknowns (...), 0 for such a law. ``ratio`` (...) is the smallest residual over the second.

    It prints as a line.
    """

    rule: str | np.ndarray
    feedback: np.ndarray
    decay: np.ndarray
    feedback_error: np.ndarray
    decay_error: np.ndarray
    residuals: dict[str, np.ndarray]
    freedom: dict[str, np.ndarray]
    ratio: np.ndarray

    def __post_init__(self) -> None:
        self.__setstate__(vars(self))

    def __repr__(self) -> str:
        if np.ndim(self.rule):
            names, counts = np.unique(self.rule, return_counts=True)
            return f"Identified: {np.size(self.rule)} runs, " + ", ".join(f"{n} {name}" for name, n in zip(names, counts))
        left = ", ".join(
            f"{name} {'not tested' if np.isnan(value) else format(value, '.2g')}" for name, value in self.residuals.items()
        )
        decay = "" if np.isnan(self.decay) else f", decay {self.decay:.3g} +- {self.decay_error:.1g}"
        return f"Identified: {self.rule}{decay}; residuals: {left}"


def identify_rule(snapshots: LinearRNN | Sequence[LinearRNN]) -> Identified:
    r"""Tell from snapshots of the weights which of the four rules moved them, with what feedback and decay.

    In small steps, at one rate for all weights and without momentum, each rule conserves what no other does, whatever the
    task and its inputs:

    .. math::

        \text{BPTT:} \quad & A^\top A + W^\top W - W W^\top - B B^\top \\
        \text{one-step tBPTT:} \quad & A^\top A - W W^\top - B B^\top \\
        \text{e-prop, every } i: \quad
            & 2 (R^\top A)_{ii} - \textstyle\sum_{k \ne i} W_{ik}^2 - \textstyle\sum_k B_{ik}^2 \\
        \text{RFLO:} \quad & R^\top A + A^\top R - (W - \hat w I)(W - \hat w I)^\top - B B^\top

    In each the unknowns R and :math:`\hat w` are linear, and fitted by least squares together with the conserved value. The
    residual is the root mean square of what is left, over the equations beyond unknowns, relative to that of the change of
    :math:`W W^\top + B B^\top` (of e-prop's sums). The smallest names the rule, if it is below 0.2 and below half of the
    second; below 0.005 if a law was not tested because it has as many unknowns as equations. RFLO is not named where
    one-step truncation leaves less than 0.1: with a feedback near A it can imitate it. Nor is e-prop, unless its
    law leaves less than half of what it leaves with the readouts of the units exchanged: some R fits most smooth changes.

    With k snapshots there are :math:`(k - 1)\, n (n + 1) / 2` equations, for RFLO's :math:`n o + 1` unknowns, and for
    e-prop k - 1 a unit, for o unknowns: it takes k = o + 2 to test. Snapshots closer together than a hundredth of the whole
    change count as one. Two never show one-step truncation, which then obeys RFLO's law as well, at
    :math:`R = (A_0 + A_K) / 2` and :math:`\hat w = 0`; and with o > 1 they leave RFLO's feedback open.

    Parameters
    ----------
    snapshots : LinearRNN or sequence of LinearRNN
        The weights at two times or more, in any order: on the first axis, as in ``History.snapshots``, with batch axes of runs
        (...) behind it; or one network a time.

    Returns
    -------
    Identified
        Its standard errors are those of least squares: they take what is left to be independent from entry to entry.

    Raises
    ------
    ValueError
        No networks, or of different shapes, fewer than two snapshots, or weights of which at most the readout
        moved; among other runs such a one is marked instead.

    Examples
    --------
    >>> from lrnnbook import RFLO, random_network, train
    >>> rng = np.random.default_rng(0)
    >>> student, teacher = random_network(rng, n=5, radius=0.5), random_network(rng, n=5)
    >>> rule = RFLO(R=rng.standard_normal((1, 5)), decay=0.6)
    >>> found = identify_rule(train(rule, student, teacher, 0.001, 1000, snapshots=[0, 500, 1000]).snapshots)
    >>> found.rule, float(found.decay.round(2)), bool(np.allclose(found.feedback, rule.R, atol=0.02))
    ('RFLO', 0.6, True)
    """
    A, W, B = _stacked(snapshots)
    steps = _steps(A, W, B)
    W2, B2 = W @ W.mT, B @ B.mT
    moved = _packed(W2 + B2)
    own = (_diagonal(W2 + B2) - _diagonal(W) ** 2)[..., None]
    laws = {
        "BPTT": _fit(_packed(W2 + B2 - W.mT @ W - A.mT @ A), None, moved, steps),
        "one-step tBPTT": _fit(_packed(W2 + B2 - A.mT @ A), None, moved, steps),
        "e-prop": _of_all_units(own, A, steps),
        "RFLO": _fit(moved, _feedback_and_decay(A, W), moved, steps),
    }
    exchanged = _of_all_units(own, np.roll(A, 1, axis=-1), steps).residual if A.shape[-1] > 1 else np.inf
    rule, ratio = _named({name: law.residual for name, law in laws.items()}, exchanged)
    eprop, rflo = laws["e-prop"], laws["RFLO"]
    found = []
    for by_eprop, by_rflo in ((eprop.unknowns, rflo.unknowns), (eprop.errors, rflo.errors)):
        feedback = np.where((rule == "RFLO")[..., None], by_rflo[..., :-1], np.nan).reshape(*rule.shape, *A.shape[-2:])
        feedback = np.where((rule == "e-prop")[..., None, None], by_eprop.mT, feedback)
        found += [feedback, np.where(rule == "RFLO", by_rflo[..., -1], np.nan)[()]]
    return Identified(
        rule=rule if rule.ndim else str(rule),
        feedback=found[0],
        decay=found[1],
        feedback_error=found[2],
        decay_error=found[3],
        residuals={name: law.residual[()] for name, law in laws.items()},
        freedom={name: law.freedom[()] for name, law in laws.items()},
        ratio=ratio[()],
    )


class _Fit(NamedTuple):
    """A law fitted: its unknowns (..., u) with their errors, the sums of squares (...), equations, and those beyond unknowns."""

    unknowns: np.ndarray
    errors: np.ndarray
    left: np.ndarray
    changed: np.ndarray
    equations: np.ndarray
    freedom: np.ndarray

    @property
    def residual(self) -> np.ndarray:
        """The root mean square of what is left over that of the change."""
        tested = (self.freedom > 0) & (self.changed > 0)
        mean_left, mean = self.left / np.where(tested, self.freedom, 1), self.changed / np.maximum(self.equations, 1)
        return np.sqrt(np.where(tested, mean_left, np.nan) / np.where(tested, mean, 1))


def _fit(values, factors, changes, steps):
    """Least squares: values (k, ..., e) = a constant (..., e) + factors (k, ..., e, u) times unknowns (..., u)."""
    equations = steps * values.shape[-1]
    left, changed = (np.moveaxis(_around_mean(part), 0, -2).reshape(*steps.shape, -1) for part in (values, changes))
    unknowns = errors = np.zeros((*steps.shape, 0))
    rank = 0
    if factors is not None:
        factors = np.moveaxis(_around_mean(factors), 0, -3).reshape(*left.shape, -1)
        U, s, V = np.linalg.svd(factors, full_matrices=False)
        kept = s > 1e-9 * s[..., :1]
        rank = kept.sum(axis=-1)
        inverse = np.divide(1, s, out=np.zeros_like(s), where=kept)[..., None]
        unknowns = V.mT @ (inverse * (U.mT @ left[..., None]))
        left = left - (factors @ unknowns)[..., 0]
        open_ = 1 - (V**2 * kept[..., None]).sum(axis=-2) > 1e-9  # has a share in what the equations do not determine
        variance = (left**2).sum(axis=-1) / np.maximum(equations - rank, 1)
        errors = np.sqrt(variance[..., None] * ((V * inverse) ** 2).sum(axis=-2))
        unknowns, errors = np.where(open_, np.nan, unknowns[..., 0]), np.where(open_, np.nan, errors)
        errors = np.where((equations > rank)[..., None], errors, np.nan)
    return _Fit(unknowns, errors, (left**2).sum(axis=-1), (changed**2).sum(axis=-1), equations, np.maximum(equations - rank, 0))


def _of_all_units(own, A, steps):
    """e-prop's law, fitted unit by unit; its unknowns are (..., n, o)."""
    fit = _fit(own, 2 * A.mT[..., None, :], own, np.broadcast_to(steps[..., None], own.shape[1:-1]))
    sums = [part.sum(axis=-1) for part in (fit.left, fit.changed, fit.equations, fit.freedom)]
    return _Fit(fit.unknowns, fit.errors, *sums)


def _named(residuals, exchanged):
    """The rule's name (...) and the smallest residual over the second."""
    table = np.stack(list(residuals.values()))
    known = np.where(np.isnan(table), np.inf, table)
    best, second = np.sort(known, axis=0)[:2]
    ratio = np.divide(best, second, out=np.full(best.shape, np.nan), where=np.isfinite(second) & (second > 0))
    names = np.array(list(residuals))[known.argmin(axis=0)]
    sure = (ratio < APART) & (best < np.where(np.isnan(table).any(axis=0), ALONE, FITS))
    sure &= (names != "RFLO") | (residuals["one-step tBPTT"] > IMITATED)
    sure &= (names != "e-prop") | (best < APART * exchanged)
    return np.where(sure, names, CANNOT_TELL), ratio


def _feedback_and_decay(A, W):
    """What R and the decay are multiplied with: (k, ..., e, o n + 1)."""
    single = np.einsum("ij,...pk->...pijk", np.eye(A.shape[-1]), A)  # R^T A where R is 1 at (p, i) and 0 elsewhere
    by_feedback = _packed(single + single.mT)
    by_feedback = by_feedback.reshape(*by_feedback.shape[:-3], -1, by_feedback.shape[-1])
    return np.concatenate([by_feedback, _packed(W + W.mT)[..., None, :]], axis=-2).mT


def _packed(symmetric):
    """The upper triangle (..., e), with the weights that keep sums of squares and equal the errors' sizes."""
    i, j = np.triu_indices(symmetric.shape[-1])
    return symmetric[..., i, j] * np.where(i == j, 1, np.sqrt(2))


def _diagonal(matrix):
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def _around_mean(array):
    return array - array.mean(axis=0)


def _stacked(snapshots):
    """A, W and B with the times on their first axis, all of one batch shape."""
    if isinstance(snapshots, LinearRNN):
        times, net = (*snapshots.batch_shape, 1)[0], snapshots
    else:
        try:
            nets = [as_instance("snapshots", net, LinearRNN, "LinearRNNs") for net in snapshots]
        except TypeError:
            raise ValueError(f"snapshots: expected a LinearRNN or a sequence of them, got {snapshots!r}") from None
        if len({tuple(getattr(net, name).shape for name in "AWB") for net in nets}) > 1:
            raise ValueError(f"snapshots: expected networks of one shape, got {', '.join(map(repr, nets))}")
        times = len(nets)
        if nets:
            net = LinearRNN(*(np.stack([getattr(net, name) for net in nets]) for name in "AWB"))
    if times < 2:
        raise ValueError(f"snapshots: expected at least two, the times on the first axis, got {repr(net) if times else 'none'}")
    weights = [np.broadcast_to(part, net.batch_shape + part.shape[-2:]) for part in (net.A, net.W, net.B)]
    if not most(net.A) + most(net.W) + most(net.B) < 1e60:
        raise ValueError("snapshots: expected weights below 1e60, whose powers are within the range of floats")
    return weights


def _steps(A, W, B):
    """How many snapshots a run has beyond the first (...), without those that are where an earlier one is."""

    def flat(*parts):
        return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], axis=-1)

    def apart(points):
        return np.stack([np.linalg.norm(points - point, axis=-1) for point in points])

    gaps = apart(flat(A, W, B))
    whole = gaps.max(axis=(0, 1))
    rests = np.zeros(whole.shape, bool)
    for moved, what in ((whole, "weights"), (apart(flat(W, B)).max(axis=(0, 1)), "W or B")):
        rests |= moved <= 1e-13 * np.abs(flat(A, W, B)).max(axis=(0, -1))
        if rests.all():
            raise ValueError(f"snapshots: expected {what} that change, got the same {what} in all")
    nearest = np.stack([gaps[k, :k].min(axis=0) for k in range(1, len(gaps))])
    return np.where(rests, 0, (nearest > STILL * whole).sum(axis=0))
