r"""The learning rules: each is the one thing in which it differs, the two matrices of :math:`M_l^\top = G^l F`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .checks import as_count
from .forms import Rule
from .networks import LinearRNN
from .stein import gramians, stein_by_rows, stein_partial
from .updates import Update


@dataclass(frozen=True)
class BPTT(Rule):
    r"""Backpropagation through time: the gradient of the loss.

    .. math:: M_l^\top = (W^l)^\top A^\top, \qquad F = A^\top, \quad G = W^\top

    In the limit what is sent back in total are two observability Gramians,
    :math:`Y_1 = \sum_l (W^l)^\top A^\top A W^l` and :math:`Y_2 = -\sum_l (W^l)^\top A^\top A^* W^{*l}`. For modes

    .. math::

        \Delta b = a \left[\frac{ab}{1-w^2} - \frac{a^*b^*}{1-ww^*}\right], \qquad
        \Delta w = ab \left[\frac{ab\,w}{(1-w^2)^2} - \frac{a^*b^*w^*}{(1-ww^*)^2}\right].

    Examples
    --------
    >>> from lrnnbook import Mode
    >>> _, db, dw = BPTT().mode_update(Mode(2.0, 1.0, 0.5), Mode(1.0, 2.0, 0.5))
    >>> float(db), float(dw)
    (0.0, 0.0)
    """

    def sent(self, net: LinearRNN) -> tuple[np.ndarray, np.ndarray]:
        return net.A.mT, net.W.mT

    def _sent_in_total(self, sent, student, teacher, powers, powers_):
        if student.n > sent[1].shape[-1]:  # a source is part of it
            return super()._sent_in_total(sent, student, teacher, powers, powers_)
        # G's powers are those of W, transposed, and need not be taken again.
        back, back_ = ([W.mT for W in of_one] for of_one in (powers, powers_))
        Y, YT = gramians(back, student.A.mT, back_, teacher.A.mT)
        return Y, -YT.mT


@dataclass(frozen=True)
class TruncatedBPTT(Rule):
    r"""Truncated BPTT: the backward pass of BPTT, ended after `steps` steps (:math:`\tau` in the formulas).

    .. math:: M_l^\top = (W^l)^\top A^\top \;\text{ for } l < \tau, \qquad F = A^\top, \quad G = W^\top

    The states that these terms meet have still heard all of the past. One step, :math:`Y_1 = A^\top A` and
    :math:`Y_2 = -A^\top A^*`, sends nothing through the recurrent weights; from :math:`\tau = T` on the rule is BPTT.
    For modes

    .. math::

        \Delta b &= a \left[ab\,\frac{1-w^{2\tau}}{1-w^2} - a^*b^*\,\frac{1-(ww^*)^\tau}{1-ww^*}\right], \\
        \Delta w &= ab \left[ab\,w\,\frac{1-w^{2\tau}}{(1-w^2)^2} - a^*b^*w^*\,\frac{1-(ww^*)^\tau}{(1-ww^*)^2}\right].

    Parameters
    ----------
    steps : int
        At least 1.

    Raises
    ------
    ValueError
        `steps` below 1 or not whole.

    Examples
    --------
    >>> from lrnnbook import Mode
    >>> mode, target = Mode(1.0, 1.0, 0.5), Mode(1.0, 1.0, 0.9)
    >>> [round(float(rule.mode_update(mode, target).w), 3) for rule in (TruncatedBPTT(1), TruncatedBPTT(9), BPTT())]
    [-0.97, -2.084, -2.086]
    """

    steps: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "steps", as_count("steps", self.steps))

    def sent(self, net: LinearRNN) -> tuple[np.ndarray, np.ndarray]:
        return net.A.mT, net.W.mT

    def _sent_in_total(self, sent, student, teacher, powers, powers_):
        F, G = sent
        if self.steps == 1 or student.n > G.shape[-1]:  # a source is part of it
            return super()._sent_in_total(sent, student, teacher, powers, powers_)
        back = [W.mT for W in powers]
        return stein_partial(back, F @ student.A, powers, self.steps), -stein_partial(back, F @ teacher.A, powers_, self.steps)


@dataclass(frozen=True, eq=False)
class RFLO(Rule):
    r"""Random-feedback local online learning: fixed feedback weights R and one fixed decay :math:`\hat w`.

    .. math:: M_l^\top = \hat w^l R^\top, \qquad F = R^\top, \quad G = \hat w I

    In the limit the sum over lags is a resolvent, :math:`Y_1 = R^\top A (I - \hat w W)^{-1}` and
    :math:`Y_2 = -R^\top A^* (I - \hat w W^*)^{-1}`.

    On data nothing runs backwards. Each unit keeps a trace of what it has received, one number for every sender:
    :math:`p_t = \hat w p_{t-1} + h_{t-1}` of the states and :math:`q_t = \hat w q_{t-1} + x_{t-1}` of the inputs, with
    :math:`p_0 = 0` and :math:`q_0 = 0`, and

    .. math:: \Delta W = R^\top e_T\, p_T^\top, \qquad \Delta B = R^\top e_T\, q_T^\top.

    For modes, with feedback r,

    .. math::

        \Delta b &= r \left[\frac{ab}{1-\hat w w} - \frac{a^*b^*}{1-\hat w w^*}\right], \\
        \Delta w &= rb \left[\frac{ab\,w}{(1-w^2)(1-\hat w w)} - \frac{a^*b^*w^*}{(1-ww^*)(1-\hat w w^*)}\right].

    Parameters
    ----------
    R : array (..., o, n)
        Feedback: from output i to hidden unit j is ``R[..., i, j]``. For modes (...), one number a mode.
    decay : array (...)
        :math:`\hat w`, inside (-1, 1). Its axes are batch axes: four decays are four networks, not one of four units.

    Raises
    ------
    ValueError
        Numbers that are not real and finite, or a decay outside (-1, 1).

    Examples
    --------
    >>> from lrnnbook import LinearRNN
    >>> student, teacher = LinearRNN([[1.0]], [[0.5]], [[1.0]]), LinearRNN([[1.0]], [[0.0]], [[1.0]])
    >>> RFLO(R=[[1.0]], decay=0.5).update(student, teacher).W.round(6)
    array([[0.888889]])
    """

    R: np.ndarray
    decay: np.ndarray
    arrays = {"R": "o n", "decay": ""}

    if TYPE_CHECKING:

        def __init__(self, R: ArrayLike, decay: ArrayLike) -> None: ...

    def __post_init__(self) -> None:
        super().__post_init__()
        if not np.all(np.abs(self.decay) < 1):
            raise ValueError(f"decay: expected numbers between -1 and 1, ends excluded, got {self.decay}")

    def sent(self, net: LinearRNN) -> tuple[np.ndarray, np.ndarray]:
        decay = self.decay[..., None, None]
        return self.R.mT, decay if net.n == 1 else decay * np.eye(net.n)

    def _sent_in_total(self, sent, student, teacher, powers, powers_):
        def filtered(net):  # A (I - decay W)^-1
            return np.linalg.solve(np.eye(net.n) - self.decay[..., None, None] * net.W.mT, net.A.mT).mT

        return self.R.mT @ filtered(student), -self.R.mT @ filtered(teacher)

    def _run(self, student, x, y):
        WT, BT, decay = student.W.mT, student.B.mT, self.decay[..., None, None]
        h = p = np.zeros(x.shape[1:-1] + (student.n,))
        q = np.zeros(x.shape[1:])
        dA = dW = dB = 0
        for t, x_t in enumerate(x, start=1 - len(x) + len(y)):
            p = decay * p + h
            q = decay * q + x_t
            h = h @ WT + x_t @ BT
            if t > 0:  # this step has a target
                e = (h @ student.A.mT - y[t - 1]) / (len(y) * x.shape[-2])
                sent = e @ self.R
                dA, dW, dB = dA + e.mT @ h, dW + sent.mT @ p, dB + sent.mT @ q
        return Update(dA, dW, dB)


@dataclass(frozen=True, eq=False)
class EProp(Rule):
    r"""e-prop: fixed feedback weights R, and the current diagonal of W as the decay, one a unit.

    .. math:: M_l^\top = \mathrm{diag}(W)^l R^\top, \qquad F = R^\top, \quad G = \mathrm{diag}(W)

    The diagonal is that of the student at the time of the call. In the limit row i of :math:`Y_1` is row i of
    :math:`R^\top A` times :math:`(I - W_{ii} W)^{-1}`, and row i of :math:`Y_2` is row i of :math:`-R^\top A^*` times
    :math:`(I - W_{ii} W^*)^{-1}`. The sums converge where :math:`|W_{ii}| \rho(W)` and :math:`|W_{ii}| \rho(W^*)` are
    below 1 for every i; a diagonal entry can exceed the spectral radius, and 1.

    A network that runs the rule needs no backward pass: each synapse keeps a trace, since each unit forgets at its own
    pace, :math:`p_{ij} \leftarrow W_{ii} p_{ij} + h_{j,t-1}` and :math:`q_{ij} \leftarrow W_{ii} q_{ij} + x_{j,t-1}`, and

    .. math:: \Delta W_{ij} = (R^\top e_T)_i\, p_{ij}, \qquad \Delta B_{ij} = (R^\top e_T)_i\, q_{ij}.

    The diagonal of an aligned :math:`W = P \bar W P^\top` is that of its modes only where P is a signed permutation:
    hidden units are modes. There

    .. math::

        \Delta b = r \left[\frac{ab}{1-w^2} - \frac{a^*b^*}{1-ww^*}\right], \qquad
        \Delta w = rb \left[\frac{ab\,w}{(1-w^2)^2} - \frac{a^*b^*w^*}{(1-ww^*)^2}\right],

    and with any other P ``mode_update`` says nothing about it.

    Parameters
    ----------
    R : array (..., o, n)
        Feedback: from output i to hidden unit j is ``R[..., i, j]``. For modes (...), one number a mode.

    Raises
    ------
    ValueError
        Numbers that are not real and finite.

    Examples
    --------
    >>> from lrnnbook import LinearRNN
    >>> student, teacher = LinearRNN([[1.0]], [[0.5]], [[1.0]]), LinearRNN([[1.0]], [[0.0]], [[1.0]])
    >>> EProp(R=[[1.0]]).update(student, teacher).W.round(6)
    array([[0.888889]])
    """

    R: np.ndarray
    arrays = {"R": "o n"}

    if TYPE_CHECKING:

        def __init__(self, R: ArrayLike) -> None: ...

    def sent(self, net: LinearRNN) -> tuple[np.ndarray, np.ndarray]:
        return self.R.mT, net.W if net.n == 1 else net.W * np.eye(net.n)

    def _sent_in_total(self, sent, student, teacher, powers, powers_):
        F, G = sent
        decays = np.diagonal(G, axis1=-2, axis2=-1)[..., None]
        if np.abs(decays).max() > 1:  # then the other side has to decay the faster
            return super()._sent_in_total(sent, student, teacher, powers, powers_)
        return stein_by_rows(decays, F @ student.A, powers), -stein_by_rows(decays, F @ teacher.A, powers_)


@dataclass(frozen=True, eq=False)
class KolenPollack(RFLO):
    r"""RFLO whose feedback learns: the change of the readout is made to R as well, and a common decay brings the two together.

    .. math::

        \Delta A = \mathbb{E}[e_T h_T^\top] + \lambda A, \qquad
        R \leftarrow R - \eta \left(\Delta A + \lambda (R - A)\right)

    so that :math:`A - R` shrinks by :math:`1 - \eta\lambda` at every step, whatever the data, and at :math:`\lambda = 0` stays as
    it is. W and B learn as under RFLO.

    Only training moves R: :func:`lrnnbook.train` and :func:`lrnnbook.train_flow`, whose `History.rule` holds the last one.

    Parameters
    ----------
    R : array (..., o, n)
        The feedback at the start.
    decay : array (...)
        :math:`\hat w`, inside (-1, 1).
    weight_decay : array (...)
        :math:`\lambda`, not negative.

    Raises
    ------
    ValueError
        As for RFLO, or a weight decay below 0; and where the rule is asked for modes, whose feedback is fixed.

    Examples
    --------
    >>> from lrnnbook import LinearRNN
    >>> net = LinearRNN([[1.0]], [[0.5]], [[1.0]])
    >>> rule = KolenPollack(R=[[3.0]], decay=0.5, weight_decay=0.1)
    >>> update = rule.update(net, net)
    >>> update.A, rule.next(net, update, rate=Update(0.5, 0.5, 0.5)).R
    (array([[0.1]]), array([[2.85]]))
    """

    weight_decay: np.ndarray
    arrays = RFLO.arrays | {"weight_decay": ""}

    if TYPE_CHECKING:

        def __init__(self, R: ArrayLike, decay: ArrayLike, weight_decay: ArrayLike) -> None: ...

    def __post_init__(self) -> None:
        super().__post_init__()
        if np.any(self.weight_decay < 0):
            raise ValueError(f"weight_decay: expected numbers of at least 0, got {self.weight_decay}")

    def update(
        self,
        student: LinearRNN,
        teacher: LinearRNN,
        horizon: float = np.inf,
        every_step: bool = False,
        source: LinearRNN | None = None,
    ) -> Update[np.ndarray]:
        return self._decayed(student, super().update(student, teacher, horizon, every_step, source))

    def sampled_update(
        self, student: LinearRNN, inputs: ArrayLike, targets: ArrayLike, every_step: bool = False
    ) -> Update[np.ndarray]:
        return self._decayed(student, super().sampled_update(student, inputs, targets, every_step))

    def _decayed(self, student, update):
        return update._replace(A=update.A + self.weight_decay[..., None, None] * student.A)

    def next(self, net: LinearRNN, update: Update[np.ndarray], rate: Update[np.ndarray | float]) -> "KolenPollack":
        shrink = self.weight_decay[..., None, None] * (self.R - net.A)
        return self._with(R=self.R - rate.A * (update.A + shrink))

    def mode_sent(self, a: ArrayLike, w: ArrayLike, b: ArrayLike = 0.0) -> tuple[np.ndarray, np.ndarray]:
        raise ValueError(f"rule: expected one whose feedback is fixed, got {type(self).__name__}, which only training can run")
