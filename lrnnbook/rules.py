r"""The learning rules: what each sends back, and the three forms in which it can be run.

The rules differ in one thing. At horizon T the error :math:`e_T` is sent back over l steps by a matrix
:math:`M_l^\top`, and meets there what the network held at that time:

.. math::

    \Delta A = \mathbb{E}[e_T h_T^\top], \qquad
    \Delta W = \sum_{l=0}^{T-1} M_l^\top\, \mathbb{E}[e_T h_{T-1-l}^\top], \qquad
    \Delta B = \sum_{l=0}^{T-1} M_l^\top\, \mathbb{E}[e_T x_{T-1-l}^\top].

BPTT sends back :math:`(W^l)^\top A^\top` and is the gradient; truncated BPTT only the first of these; RFLO
:math:`\hat w^l R^\top` and e-prop :math:`\mathrm{diag}(W)^l R^\top`. Every rule is used as
:math:`\theta \leftarrow \theta - \eta\, \Delta\theta`.

In the code a trailing underscore is the teacher's star: ``A_`` is :math:`A^*`, ``Pi_`` is :math:`\Pi_{21}` and ``Y_`` is
:math:`Y_2`.
"""

from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

import numpy as np

from .checks import ReadOnly, as_array, as_count, as_horizon, as_instance, broadcast_batch, check_stable, some
from .modes import Mode, as_mode
from .networks import LONG, MOST_LAGS, as_network, check_pair, check_settled, far_from, lag_weights
from .stein import gramians, grown, krylov, reach, squares, stein_partial, strides, too_non_normal

MOST_AT_ONCE = 2**23  # numbers that a sum lag by lag holds


class Update(NamedTuple):
    r"""What a rule subtracts, times the learning rate, from the weights of the same name; of the weights' shapes."""

    A: np.ndarray
    W: np.ndarray
    B: np.ndarray


class Rule(ReadOnly):
    """What the rules share. A rule says what it sends back, per lag and in total, and how it runs on data and modes."""

    def update(self, student, teacher, horizon=np.inf, every_step=False):
        r"""The expected update over white-noise input.

        With :math:`K_k` the impulse response and :math:`D_k = K_k - K^*_k`, the expectations are

        .. math::

            \mathbb{E}[e_T x_{T-1-l}^\top] &= D_l, \\
            \mathbb{E}[e_T h_{T-1-l}^\top] &= \sum_{j=0}^{T-2-l} D_{l+1+j} (W^j B)^\top, \\
            \mathbb{E}[e_T h_T^\top] &= \sum_{j=0}^{T-1} D_j (W^j B)^\top

        and a finite horizon takes these sums as they stand. In the limit they are

        .. math::

            \Delta A &= A \Pi_{11} - A^* \Pi_{21}, \\
            \Delta W &= Y_1 W \Pi_{11} + Y_2 W^* \Pi_{21}, \\
            \Delta B &= Y_1 B + Y_2 B^*,

        with the Gramians :math:`\Pi_{11} = \sum_k W^k B B^\top W^{k\top}` and
        :math:`\Pi_{21} = \sum_k W^{*k} B^* B^\top W^{k\top}`, and with what the rule sends back in total,
        :math:`Y_1 = \sum_l M_l^\top A W^l` and :math:`Y_2 = -\sum_l M_l^\top A^* W^{*l}`.

        With `every_step` the error is read at every step up to T, and the update is the mean of those at the horizons
        1 to T. It is linear in the gaps, and the gap at lag k is in it from horizon k + 1 on, so that the sums stay as
        they are with :math:`(1 - k/T) D_k` for :math:`D_k`. The limit is the same.

        Parameters
        ----------
        student, teacher : LinearRNN
            With the same o and m; their n may differ, and their batch axes broadcast.
        horizon : int or inf
            The number of steps T before the error is read. Of a finite one up to twenty thousand lags are summed, or as
            many as it takes the powers of both W to die out.
        every_step : bool
            Whether the error is read at every step up to T, as in the sequence loss, and not only at T.

        Returns
        -------
        Update
            Of the shapes of the student's weights, with the batch axes of student, teacher and rule.

        Raises
        ------
        ValueError
            o or m differ, feedback that does not fit the student, batch axes that do not broadcast, a horizon that is
            not a whole number of at least 1 or inf, an infinite one with a spectral radius of 1 or more on either
            side, one at which the update leaves the range of floats, one of too many lags, or weights so strongly
            non-normal that their last bits decide the update.

        Examples
        --------
        >>> from lrnnbook import LinearRNN
        >>> student, teacher = LinearRNN([[1.0]], [[0.5]], [[1.0]]), LinearRNN([[1.0]], [[0.0]], [[1.0]])
        >>> BPTT().update(student, teacher).W.round(6)
        array([[0.888889]])
        """
        horizon, batch = as_horizon(horizon), check_pair(student, teacher, **self._batches(as_network("student", student)))
        with np.errstate(over="ignore", invalid="ignore"):
            if horizon == np.inf:
                update = self._limit(student, teacher)
            elif horizon > LONG:
                update = self._long(student, teacher, horizon, every_step)
            else:
                update = self._finite(student, teacher, horizon, every_step)
        if not all(np.isfinite(delta).all() for delta in update):
            raise ValueError(
                f"horizon: expected one at which the update is still finite, got {horizon} with a spectral radius "
                f"of {max(np.max(net.spectral_radius()) for net in (student, teacher)):.6g}"
            )
        return _fill(update, student, batch)

    def _finite(self, student, teacher, T, every_step, lags=None, check=True):
        N = T if lags is None else lags  # from lag N on all is zero
        h, h_ = krylov(student.W, student.B, N), krylov(teacher.W, teacher.B, N)  # W^k B, k = 0 .. N - 1
        D = student.A[..., None, :, :] @ h - teacher.A[..., None, :, :] @ h_
        D = lag_weights(T, every_step, N)[:, None, None] * D
        sent = self._sent(student, N)  # M_l^T, l = 0 .. N - 1 or fewer
        lags = sent.shape[-3]
        # ahead[l, j] = D[l + 1 + j], which is zero from lag N on: h_0 = 0.
        padded, dW = np.concatenate([D, np.zeros_like(D)], axis=-3), 0
        some = max(1, MOST_AT_ONCE // (N * max(1, prod(D.shape[:-3])) * student.o * student.m))
        for l in range(0, lags, some):
            part = sent[..., l : l + some, :, :]
            ahead = padded[..., np.arange(l, l + part.shape[-3])[:, None] + 1 + np.arange(N), :, :]
            error_h = _sum_of_products(ahead, _T(h)[..., None, :, :, :])  # E[e_T h_{T-1-l}^T]
            dW = dW + _sum_of_products(part, error_h)
        error_x = D[..., :lags, :, :]  # E[e_T x_{T-1-l}^T]
        update = Update(A=_sum_of_products(D, _T(h)), W=dW, B=_sum_of_products(sent, error_x))
        if check and (far_from(h) or far_from(h_) or far_from(sent)):
            if all(np.isfinite(delta).all() for delta in update):
                check_settled(lambda *pair: self._finite(*pair, T, every_step, N, check=False), student, teacher)
        return update

    def _long(self, student, teacher, T, every_step):
        """A horizon of many lags, cut where all is over."""
        try:
            lags = self._reach(student, teacher)
        except ValueError:
            lags = np.inf
        if lags > MOST_LAGS and lags <= T and not every_step:
            return self._limit(student, teacher)
        lags = min(lags, T)
        if lags > MOST_LAGS:
            raise ValueError(
                f"horizon: expected at most {MOST_LAGS}, or powers of both W that die out within as many lags, got {T}"
            )
        return self._finite(student, teacher, T, every_step, lags)

    def _reach(self, student, teacher):
        """After how many lags nothing is left to add."""
        return reach(squares(np.finfo(float).eps, student=student.W, teacher=teacher.W)[0])

    def _limit(self, student, teacher):
        A, W, B = student.A, student.W, student.B
        A_, W_, B_ = teacher.A, teacher.W, teacher.B
        powers, powers_ = squares(student=W, teacher=W_)
        if grown(powers):  # products of large Gramians cancel, while the sums lag by lag keep their digits
            lags = self._reach(student, teacher)
            if lags > MOST_LAGS:
                raise too_non_normal("student", f"powers that have grown and take {lags} lags to decay")
            return self._finite(student, teacher, lags, every_step=False)
        Pi, Pi_ = gramians(powers, B, powers_, B_)
        Y, Y_ = self._sent_in_total(student, teacher, powers, powers_)
        return Update(A=A @ Pi - A_ @ Pi_, W=Y @ W @ Pi + Y_ @ W_ @ Pi_, B=Y @ B + Y_ @ B_)

    def sampled_update(self, student, inputs, targets, every_step=False):
        r"""The update from data, as a network would run the rule: no teacher weights, no closed forms.

        The network runs on each sequence, the error :math:`e_T = y_T - y^*_T` is read at its end, and the update is
        averaged over the sequences. Its expectation over white-noise input is :meth:`update` at horizon T.

        With `every_step` the errors :math:`e_1, \dots, e_T` are all read, each is sent back from its own step as
        :math:`e_T` is from the last, and the update is averaged over the steps as well.

        Parameters
        ----------
        student : LinearRNN
        inputs : array (..., batch, T, m)
            Entry ``[..., t, :]`` is :math:`x_t`, t = 0 .. T - 1. Axes before the last three broadcast with the batch
            axes of student and rule: each network runs on every sequence.
        targets : array (..., batch, o), or (..., batch, T, o) with `every_step`
            The teacher's last output :math:`y^*_T` on each sequence, or all its outputs :math:`y^*_1, \dots, y^*_T`.
        every_step : bool
            Whether the error is read at every step, and not only at the last.

        Returns
        -------
        Update
            Of the shapes of the student's weights, with the broadcast batch axes.

        Raises
        ------
        ValueError
            Arrays that do not fit the student or each other, feedback that does not fit the student, or sequences on
            which an unstable network leaves the range of floats.

        Examples
        --------
        >>> from lrnnbook import LinearRNN
        >>> student = LinearRNN([[1.0]], [[0.5]], [[1.0]])
        >>> BPTT().sampled_update(student, inputs=[[[1.0], [0.0]]], targets=[[0.0]])
        Update(A=array([[0.25]]), W=array([[0.5]]), B=array([[0.25]]))
        """
        sizes = {"o": as_network("student", student).o, "m": student.m}
        x = as_array("inputs", inputs, "batch T m", sizes)
        y = as_array("targets", targets, "batch T o" if every_step else "batch o", sizes)
        mine = (student.batch_shape, x.shape[:-3], *self._batches(student).values())
        if not every_step and y.shape[-3:-1] == x.shape[-3:-1] and y.ndim - 2 > max(map(len, mine)):
            raise ValueError(
                "targets: expected the last outputs, (..., batch, o), with batch axes that student, rule or inputs have as "
                f"well, got {y.shape}, which may be all outputs (batch, T, o), for every_step=True"
            )
        y = y if every_step else y[..., None, :]
        batch = broadcast_batch(
            student=student.batch_shape, inputs=x.shape[:-3], targets=y.shape[:-3], **self._batches(student)
        )
        # Time first: x[t] is (..., batch, m), and y[-1] (..., batch, o) the targets of the last step.
        x, y = (np.moveaxis(np.broadcast_to(part, batch + part.shape[-3:]), -2, 0) for part in (x, y))
        with np.errstate(over="ignore", invalid="ignore"):
            update = self._run(student, x, y)
        if not all(np.isfinite(delta).all() for delta in update):
            raise ValueError(
                f"inputs: expected sequences on which the update stays finite, got T = {len(x)} "
                f"with a spectral radius of {np.max(student.spectral_radius()):.6g}"
            )
        return _fill(update, student, batch)

    def mode_update(self, mode, target):
        r"""The update of aligned networks, mode by mode, at an infinite horizon.

        For all rules :math:`\Delta a = \dfrac{a b^2}{1-w^2} - \dfrac{a^* b^* b}{1-ww^*}`; for :math:`\Delta b` and
        :math:`\Delta w` see the rule.

        Parameters
        ----------
        mode, target : Mode
            Of shapes that broadcast together, and with feedback and decay of the rule, which are scalars or arrays
            of one number a mode here.

        Returns
        -------
        Mode
            Holds :math:`\Delta a, \Delta b, \Delta w`.

        Raises
        ------
        ValueError
            Shapes that do not broadcast, or :math:`|w| \ge 1` or :math:`|w^*| \ge 1`.

        Examples
        --------
        >>> da, db, dw = RFLO(R=2.0, decay=0.5).mode_update(Mode(1.0, 1.0, 0.0), Mode(1.0, 2.0, 0.5))
        >>> round(float(db), 6)
        -3.333333
        """
        self.check_modes(mode=mode, target=target)
        return Mode(*self.mode_deltas(*mode, *target))

    def check_modes(self, **modes):
        """Return the common shape of the named modes and the rule; raise ValueError if there is none, or for |w| >= 1."""
        shape = broadcast_batch(**{name: as_mode(name, mode).shape for name, mode in modes.items()}, **self.mode_batches())
        for name, mode in modes.items():
            check_stable(name, np.abs(mode.w))
        return shape

    def mode_deltas(self, a, b, w, a_, b_, w_):
        """:meth:`mode_update` on bare arrays, unchecked: a rule sends back f mu^l to a mode, over the lags it keeps."""
        (f, mu, *_), p, c = self.mode_sent(a, w), a * b, a_ * b_
        psi, psi_ = self.mode_sum(mu * w), self.mode_sum(mu * w_)  # sent back
        now, goal = p / (1 - w**2), c / (1 - w * w_)  # remembered
        da = b * (now - goal)
        db = f * (p * psi - c * psi_)
        dw = f * b * (now * w * psi - goal * w_ * psi_)
        return da, db, dw

    def mode_sent(self, a, w):
        """Feedback f and decay mu of what is sent back to a mode, and their derivatives by a and by w."""
        raise NotImplementedError

    def mode_sum(self, x):
        """The sum of x^l over the lags l that the rule keeps."""
        return 1 / (1 - x)

    def mode_sum_slope(self, x):
        """The derivative of :meth:`mode_sum`."""
        return 1 / (1 - x) ** 2

    def mode_batches(self):
        """Shapes of the arrays of a rule of modes, by name."""
        return {}

    def for_modes(self, shape, index):
        """The rule of some of a batch of modes, those at `index` when `shape` is flattened."""
        arrays = {name: np.broadcast_to(getattr(self, name), shape).ravel()[index] for name in self.mode_batches()}
        return replace(self, **arrays)

    def for_runs(self, shape, index):
        """The rule of some of a batch of networks, those at `index` when the batch axes `shape` are flattened."""
        cores = {"R": 2, "decay": 0}
        return replace(self, **{
            name: some(getattr(self, name), shape, index, cores[name]) for name in self.mode_batches()
        })

    def _batches(self, student):
        """Batch axes that the rule brings along, by name."""
        return {}

    def _sent(self, student, lags):
        """M_l^T for l = 0 .. lags - 1, or fewer where the rest is zero: (..., lags, n, o)."""
        raise NotImplementedError

    def _sent_in_total(self, student, teacher, powers, powers_):
        """Y_1 and Y_2: (..., n, n) and (..., n, n of the teacher)."""
        raise NotImplementedError

    def _run(self, student, x, y):
        """The sampled update; x[t] is x_t of all samples, (..., batch, m), and y the targets of the last or of all steps."""
        raise NotImplementedError


def as_rule(value):
    """Return `value`; raise ValueError unless it is a rule, and not the class of one.

    Examples
    --------
    >>> as_rule(BPTT())
    BPTT()
    """
    return as_instance("rule", value, Rule, "a rule, such as BPTT()")


@dataclass(frozen=True)
class BPTT(Rule):
    r"""Backpropagation through time: the gradient of the loss.

    It sends back :math:`M_l^\top = (W^l)^\top A^\top`. In the limit what is sent back in total are two observability
    Gramians, :math:`Y_1 = \sum_l (W^l)^\top A^\top A W^l` and :math:`Y_2 = -\sum_l (W^l)^\top A^\top A^* W^{*l}`.

    On data, a forward pass that stores all states and a backward pass :math:`\delta_T = A^\top e_T`,
    :math:`\delta_{t-1} = W^\top \delta_t`, plus :math:`A^\top e_{t-1}` where every step counts, give

    .. math:: \Delta W = \sum_{t=1}^{T} \delta_t h_{t-1}^\top, \qquad \Delta B = \sum_{t=1}^{T} \delta_t x_{t-1}^\top.

    For modes

    .. math::

        \Delta b = a \left[\frac{ab}{1-w^2} - \frac{a^*b^*}{1-ww^*}\right], \qquad
        \Delta w = ab \left[\frac{ab\,w}{(1-w^2)^2} - \frac{a^*b^*w^*}{(1-ww^*)^2}\right].

    Examples
    --------
    >>> _, db, dw = BPTT().mode_update(Mode(2.0, 1.0, 0.5), Mode(1.0, 2.0, 0.5))
    >>> float(db), float(dw)
    (0.0, 0.0)
    """

    def _sent(self, student, lags):
        return krylov(_T(student.W), _T(student.A), lags)

    def _sent_in_total(self, student, teacher, powers, powers_):
        Y, YT = gramians([_T(W) for W in powers], _T(student.A), [_T(W_) for W_ in powers_], _T(teacher.A))
        return Y, -_T(YT)

    def _run(self, student, x, y):
        h, e = _forward_pass(student, x, y)
        T, sent = len(x), e @ student.A
        delta, dW, dB = np.zeros(h.shape[1:]), 0, 0
        for t in range(T, 0, -1):
            delta = delta @ student.W  # delta_t in rows, a sequence each
            if t > T - len(sent):
                delta = delta + sent[t - T - 1]
            dW = dW + _T(delta) @ h[t - 1]
            dB = dB + _T(delta) @ x[t - 1]
        return Update(A=_products(e, h[-len(y) :]), W=dW, B=dB)

    def mode_sent(self, a, w):
        return a, w, 1, 1


@dataclass(frozen=True)
class TruncatedBPTT(Rule):
    r"""Truncated BPTT: the backward pass of BPTT, ended after `steps` steps (:math:`\tau` in the formulas).

    It sends back :math:`M_l^\top = (W^l)^\top A^\top` for :math:`l < \tau` and nothing beyond, so that the sums over t
    run from :math:`T - \tau + 1` to T; in the limit
    :math:`Y_1 = \sum_{l<\tau} (W^l)^\top A^\top A W^l` and :math:`Y_2 = -\sum_{l<\tau} (W^l)^\top A^\top A^* W^{*l}`. The states that these terms meet have still heard all of the past. One step,
    :math:`Y_1 = A^\top A` and :math:`Y_2 = -A^\top A^*`, sends nothing through the recurrent weights; from
    :math:`\tau = T` on the rule is BPTT.

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
    >>> mode, target = Mode(1.0, 1.0, 0.5), Mode(1.0, 1.0, 0.9)
    >>> [round(float(rule.mode_update(mode, target).w), 3) for rule in (TruncatedBPTT(1), TruncatedBPTT(9), BPTT())]
    [-0.97, -2.084, -2.086]
    """

    steps: int = 1

    def __post_init__(self):
        object.__setattr__(self, "steps", as_count("steps", self.steps))

    def _sent(self, student, lags):
        return krylov(_T(student.W), _T(student.A), min(self.steps, lags))

    def _sent_in_total(self, student, teacher, powers, powers_):
        AT, back = _T(student.A), [_T(W) for W in powers]
        Y = stein_partial(back, AT @ student.A, powers, self.steps)
        Y_ = stein_partial(back, AT @ teacher.A, powers_, self.steps)
        return Y, -Y_

    def _run(self, student, x, y):
        h, e = _forward_pass(student, x, y)
        sent, dW, dB = e @ student.A, 0, 0
        for t in range(len(x), max(len(x) - self.steps, 0), -1):
            # The errors have come to the steps up to t; the earliest are through when they arrive at step 0.
            sent = sent[-t:]
            dW = dW + _products(sent, h[t - len(sent) : t])
            dB = dB + _products(sent, x[t - len(sent) : t])
            sent = sent @ student.W
        return Update(A=_products(e, h[-len(y) :]), W=dW, B=dB)

    def mode_sent(self, a, w):
        return a, w, 1, 1

    def mode_sum(self, x):
        return (1 - x**self.steps) / (1 - x)

    def mode_sum_slope(self, x):
        return (self.mode_sum(x) - self.steps * x ** (self.steps - 1)) / (1 - x)


@dataclass(frozen=True, eq=False)
class RFLO(Rule):
    r"""Random-feedback local online learning: fixed feedback weights R and one fixed decay :math:`\hat w`.

    It sends back :math:`M_l^\top = \hat w^l R^\top`. In the limit the sum over lags is a resolvent,
    :math:`Y_1 = R^\top A (I - \hat w W)^{-1}` and :math:`Y_2 = -R^\top A^* (I - \hat w W^*)^{-1}`.

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
        Feedback: from output i to hidden unit j is ``R[..., i, j]``. For ``mode_update`` (...), one number a mode.
    decay : array (...)
        :math:`\hat w`, inside (-1, 1). One a network: ``RFLO(R, [0, 0.3, 0.6, 0.9])`` is four rules, with a decay each, and
        gives four updates, for a student of four units as well.

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

    def __post_init__(self):
        _freeze(self, "R", "decay")
        if not np.all(np.abs(self.decay) < 1):
            raise ValueError(f"decay: expected numbers between -1 and 1, ends excluded, got {self.decay}")

    def _batches(self, student):
        return {"R": _feedback(self.R, student).shape[:-2], "decay": self.decay.shape}

    def _sent(self, student, lags):
        decays = self.decay[..., None] ** np.arange(lags)
        return decays[..., None, None] * _T(self.R)[..., None, :, :]

    def _sent_in_total(self, student, teacher, powers, powers_):
        def filtered(net):  # A (I - decay W)^-1
            return _T(np.linalg.solve(np.eye(net.n) - self.decay[..., None, None] * _T(net.W), _T(net.A)))

        return _T(self.R) @ filtered(student), -_T(self.R) @ filtered(teacher)

    def _run(self, student, x, y):
        WT, BT, decay = _T(student.W), _T(student.B), self.decay[..., None, None]
        h = p = np.zeros(x.shape[1:-1] + (student.n,))
        q = np.zeros(x.shape[1:])
        dA = dW = dB = 0
        for t, x_t in enumerate(x, start=1 - len(x) + len(y)):
            p = decay * p + h
            q = decay * q + x_t
            h = h @ WT + x_t @ BT
            if t > 0:  # this step has a target
                e = (h @ _T(student.A) - y[t - 1]) / len(y)
                sent = e @ self.R
                dA, dW, dB = dA + _mean_outer(e, h), dW + _mean_outer(sent, p), dB + _mean_outer(sent, q)
        return Update(dA, dW, dB)

    def mode_sent(self, a, w):
        return self.R, self.decay, 0, 0

    def mode_batches(self):
        return {"R": self.R.shape, "decay": self.decay.shape}


@dataclass(frozen=True, eq=False)
class EProp(Rule):
    r"""e-prop: fixed feedback weights R, and the current diagonal of W as the decay, one a unit.

    It sends back :math:`M_l^\top = \mathrm{diag}(W)^l R^\top`, with the diagonal of the student at the time of the call.
    In the limit row i of :math:`Y_1` is row i of :math:`R^\top A` times :math:`(I - W_{ii} W)^{-1}`, and row i of
    :math:`Y_2` is row i of :math:`-R^\top A^*` times :math:`(I - W_{ii} W^*)^{-1}`. The sums converge where
    :math:`|W_{ii}| \rho(W)` and :math:`|W_{ii}| \rho(W^*)` are below 1 for every i; a diagonal entry can exceed the
    spectral radius, and 1.

    On data nothing runs backwards. Each synapse keeps a trace, since each unit forgets at its own pace:
    :math:`p_{ij} \leftarrow W_{ii} p_{ij} + h_{j,t-1}` and :math:`q_{ij} \leftarrow W_{ii} q_{ij} + x_{j,t-1}`, and

    .. math:: \Delta W_{ij} = (R^\top e_T)_i\, p_{ij}, \qquad \Delta B_{ij} = (R^\top e_T)_i\, q_{ij}.

    The diagonal of an aligned :math:`W = P \bar W P^\top` is that of its modes only where P is a signed permutation:
    hidden units are modes. There

    .. math::

        \Delta b = r \left[\frac{ab}{1-w^2} - \frac{a^*b^*}{1-ww^*}\right], \qquad
        \Delta w = rb \left[\frac{ab\,w}{(1-w^2)^2} - \frac{a^*b^*w^*}{(1-ww^*)^2}\right],

    and with any other P e-prop mixes the modes and ``mode_update`` says nothing about it.

    Parameters
    ----------
    R : array (..., o, n)
        Feedback: from output i to hidden unit j is ``R[..., i, j]``. For ``mode_update`` (...), one number a mode.

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

    def __post_init__(self):
        _freeze(self, "R")

    def _batches(self, student):
        return {"R": _feedback(self.R, student).shape[:-2]}

    def _sent(self, student, lags):
        decays = _diagonal(student.W)[..., None, :] ** np.arange(lags)[:, None]
        return decays[..., None] * _T(self.R)[..., None, :, :]

    def _reach(self, student, teacher):
        c = self._scale(student, teacher)
        return reach(squares(np.finfo(float).eps, student=c * student.W, teacher=c * teacher.W)[0])

    def _scale(self, student, teacher):
        """The largest decay above 1, or 1; raise ValueError where the sums diverge."""
        c = np.maximum(1, np.abs(_diagonal(student.W)).max(axis=-1))[..., None, None]
        radius = np.maximum(student.spectral_radius(), teacher.spectral_radius()) if np.any(c > 1) else 0
        if not np.all(c[..., 0, 0] * radius < 1):
            raise ValueError(
                "student: an infinite horizon needs the largest |W_ii| times either spectral radius below 1 for "
                f"e-prop, got {np.max(c[..., 0, 0] * radius):.6g}"
            )
        return c

    def _sent_in_total(self, student, teacher, powers, powers_):
        # With D_W = diag(W), the sum of D_W^l X W^l is that of (D_W / c)^l X (c W)^l; with c the largest decay above 1,
        # only one of the two can grow.
        decay = _diagonal(student.W)[..., None]
        c = self._scale(student, teacher)
        if np.any(c > 1):
            powers, powers_ = squares(np.finfo(float).eps, student=c * student.W, teacher=c * teacher.W)
        else:  # one squaring more, since the decay may not help
            powers, powers_ = (
                [*F, F[-1] @ F[-1]] if F else [net.W] for F, net in ((powers, student), (powers_, teacher))
            )
        Y, Y_, decay = _T(self.R) @ student.A, -_T(self.R) @ teacher.A, decay / c
        for W, W_, times in strides(powers, powers_):  # as in stein; the decay scales rows
            first, first_ = Y, Y_
            for _ in range(times - 1):
                Y, Y_ = first + decay * (Y @ W), first_ + decay * (Y_ @ W_)
            decay = decay**times
        return Y, Y_

    def _run(self, student, x, y):
        WT, BT, decay = _T(student.W), _T(student.B), _diagonal(student.W)[..., None, :, None]
        h = np.zeros(x.shape[1:-1] + (student.n,))
        p = np.zeros(h.shape + (student.n,))
        q = np.zeros(h.shape + (student.m,))
        dA = dW = dB = 0
        for t, x_t in enumerate(x, start=1 - len(x) + len(y)):
            p = decay * p + h[..., None, :]
            q = decay * q + x_t[..., None, :]
            h = h @ WT + x_t @ BT
            if t > 0:  # this step has a target
                e = (h @ _T(student.A) - y[t - 1]) / len(y)
                sent = (e @ self.R)[..., None]
                dA, dW, dB = dA + _mean_outer(e, h), dW + (sent * p).mean(axis=-3), dB + (sent * q).mean(axis=-3)
        return Update(dA, dW, dB)

    def mode_sent(self, a, w):
        return self.R, w, 0, 1

    def mode_batches(self):
        return {"R": self.R.shape}


def _forward_pass(student, x, y):
    """All states h_0 .. h_T, and the errors of the steps that have a target, each with its share of the mean."""
    WT, BT = _T(student.W), _T(student.B)
    h = [np.zeros(x.shape[1:-1] + (student.n,))]
    for x_t in x:
        h.append(h[-1] @ WT + x_t @ BT)
    h = np.stack(h)
    return h, (h[-len(y) :] @ _T(student.A) - y) / (len(y) * y.shape[-2])


def _products(left, right):
    """The sum over steps and samples of left right^T: (steps, ..., samples, p), (steps, ..., samples, q) -> (..., p, q)."""
    return (_T(left) @ right).sum(axis=0)


def _mean_outer(left, right):
    """The mean over samples of left right^T: (..., samples, p), (..., samples, q) -> (..., p, q)."""
    return _T(left) @ right / left.shape[-2]


def _sum_of_products(X, Y):
    """The sum over k of X_k Y_k: (..., k, p, q), (..., k, q, r) -> (..., p, r)."""
    X, inner = np.moveaxis(X, -3, -2), Y.shape[-3] * Y.shape[-2]
    return X.reshape(X.shape[:-2] + (inner,)) @ Y.reshape(Y.shape[:-3] + (inner, Y.shape[-1]))


def _fill(update, student, batch):
    """Repeat the deltas along the batch axes that they do not depend on."""
    shapes = (batch + weights.shape[-2:] for weights in (student.A, student.W, student.B))
    return Update(*(
        delta if delta.shape == shape else np.broadcast_to(delta, shape).copy() for delta, shape in zip(update, shapes)
    ))


def _freeze(rule, *names):
    for name in names:
        value = as_array(name, getattr(rule, name), "", {})
        value.setflags(write=False)
        object.__setattr__(rule, name, value)


def _feedback(R, student):
    return as_array("R", R, "o n", {"o": student.o, "n": student.n})


def _diagonal(W):
    return np.diagonal(W, axis1=-2, axis2=-1)


def _T(matrix):
    return np.swapaxes(matrix, -1, -2)
