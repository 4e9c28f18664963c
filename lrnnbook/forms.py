r"""What every learning rule has in common, written once: a rule says what it sends back, and the rest follows.

At horizon T the error :math:`e_T` is sent back over l steps by :math:`M_l^\top = G^l F` and meets there what the
network held at that time:

.. math::

    \Delta A = \mathbb{E}[e_T h_T^\top], \qquad
    \Delta W = \sum_{l=0}^{T-1} G^l F\, \mathbb{E}[e_T h_{T-1-l}^\top], \qquad
    \Delta B = \sum_{l=0}^{T-1} G^l F\, \mathbb{E}[e_T x_{T-1-l}^\top].

Every rule is used as :math:`\theta \leftarrow \theta - \eta\, \Delta\theta`.

In the code a trailing underscore is the teacher's star: ``A_`` is :math:`A^*`, ``Pi_`` is :math:`\Pi_{21}` and ``Y_`` is
:math:`Y_2`.
"""

import math
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike

from .arrays import WithArrays
from .checks import as_array, as_count, as_horizon, as_instance, broadcast_batch, check_stable
from .mode_sums import mode_sums, pair
from .modes import Mode, as_mode
from .networks import LinearRNN, as_network, check_pair
from .passes import backward
from .sums import coloured, expected, sent_in_total
from .updates import Update, filled


class Rule(WithArrays, ABC):
    r"""A learning rule is two matrices: what it sends back over l steps is :math:`M_l^\top = G^l F`.

    A rule of one's own is a subclass that returns the two from its method `sent`, and names in `arrays` what it brings.
    Everything else follows: expected and sampled updates, modes, Jacobian, rates, training, flows.

    Attributes
    ----------
    arrays : dict
        The arrays that the rule brings, by name, with their trailing axes: ``{"R": "o n", "decays": "n"}``. The sizes
        o, n and m are the student's; axes before the named ones are batch axes. They are converted, checked and made
        read-only. For modes they come without their named axes, one number a mode, which may be complex.
    steps : int or float
        Infinite unless the rule says otherwise. Only lags below it are sent back.

    Examples
    --------
    RFLO in which every unit has a decay of its own:

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, eq=False)
    ... class PerUnitRFLO(Rule):
    ...     R: np.ndarray
    ...     decays: np.ndarray
    ...     arrays = {"R": "o n", "decays": "n"}
    ...     def sent(self, net):
    ...         return self.R.mT, self.decays[..., None] * np.eye(net.n)
    >>> net = LinearRNN([[1.0, 0.5]], np.diag([0.5, 0.8]), [[1.0], [1.0]])
    >>> PerUnitRFLO([[1.0, 1.0]], [0.1, 0.9]).update(net, net).W
    array([[0., 0.],
           [0., 0.]])
    """

    steps: float = math.inf

    @abstractmethod
    def sent(self, net: LinearRNN) -> tuple[np.ndarray, np.ndarray]:
        r"""The two matrices of :math:`M_l^\top = G^l F` at the weights of `net`.

        They are analytic in the weights, so that derivatives can be taken through them: they may transpose but never
        conjugate, and take no absolute value, sign or maximum. :func:`lrnnbook.jacobian` refuses a rule where it notices.

        Parameters
        ----------
        net : LinearRNN

        Returns
        -------
        F : array (..., n, o)
        G : array (..., n, n)
        """

    def next(self, net: LinearRNN, update: Update[np.ndarray], rate: Update[np.ndarray | float]) -> "Rule":
        r"""The rule at the next step: itself, unless its feedback learns.

        Parameters
        ----------
        net : LinearRNN
            Where the update was taken.
        update : Update
        rate : Update
            The learning rate of each weight, of shapes that broadcast with the weights.

        Returns
        -------
        Rule
        """
        return self

    def _check_in(self) -> None:
        super()._check_in()
        if self.steps != math.inf:
            object.__setattr__(self, "steps", as_count("steps", self.steps))

    def _sent(self, net: LinearRNN, finite: bool = True) -> tuple[np.ndarray, np.ndarray]:
        sent, by = self.sent(net), type(self).__name__
        try:
            F, G = sent
        except (TypeError, ValueError):
            raise ValueError(f"sent: expected two matrices, F and G, got {type(sent).__name__} from {by}") from None
        for name, matrix, core in (("F", F, (net.n, net.o)), ("G", G, (net.n, net.n))):
            if np.shape(matrix)[-2:] != core:
                raise ValueError(f"sent: expected {name} of shape (..., {core[0]}, {core[1]}), got {np.shape(matrix)} from {by}")
            if finite and not np.isfinite(matrix).all():
                raise ValueError(f"sent: expected finite numbers in {name}, got NaN or infinity from {by}")
        return F, G

    # Expected updates

    def update(
        self,
        student: LinearRNN,
        teacher: LinearRNN,
        horizon: float = np.inf,
        every_step: bool = False,
        source: LinearRNN | None = None,
    ) -> Update[np.ndarray]:
        r"""The expected update over white-noise or coloured input.

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
        :math:`Y_1 = \sum_l G^l F A W^l` and :math:`Y_2 = -\sum_l G^l F A^* W^{*l}`.

        With `every_step` the error is read at every step up to T, and the update is the mean of those at the horizons
        1 to T. It is linear in the gaps, and the gap at lag k is in it from horizon k + 1 on, so that the sums stay as
        they are with :math:`(1 - k/T) D_k` for :math:`D_k`. The limit is the same.

        With a source both networks are those of :func:`lrnnbook.loss`, whose state is their own, h, with the source's, g, and
        which hear white noise. The sums are theirs, and what they meet is then a column of h, or :math:`x = A_s g`.

        Parameters
        ----------
        student, teacher : LinearRNN
            With the same o and m; their n may differ, and their batch axes broadcast.
        horizon : int or inf
            The number of steps T before the error is read. A finite one holds :math:`T^2 o m` numbers a network.
        every_step : bool
            Whether the error is read at every step up to T, as in the sequence loss, and not only at T.
        source : LinearRNN, optional
            The network whose output the input is, see :func:`lrnnbook.loss`; without it the input is white.

        Returns
        -------
        Update
            Of the shapes of the student's weights, with the batch axes of student, teacher, rule and source.

        Raises
        ------
        ValueError
            o or m differ, feedback that does not fit the student, batch axes that do not broadcast, a horizon that is
            not a whole number of at least 1 or inf, an infinite one with a spectral radius of 1 or more on either
            side, or one at which the update leaves the range of floats.

        Examples
        --------
        >>> from lrnnbook import BPTT
        >>> student, teacher = LinearRNN([[1.0]], [[0.5]], [[1.0]]), LinearRNN([[1.0]], [[0.0]], [[1.0]])
        >>> BPTT().update(student, teacher).W.round(6)
        array([[0.888889]])
        """
        horizon, brought = as_horizon(horizon), self.batches(as_network("student", student))
        batch = check_pair(student, teacher, source=source, **brought)
        with np.errstate(over="ignore", invalid="ignore"):
            sent = self._sent(student)
            if source is None:
                update = expected(self, sent, student, teacher, horizon, every_step)
            else:
                update = coloured(self, sent, student, teacher, horizon, every_step, source)
        if not all(np.isfinite(delta).all() for delta in update):
            raise ValueError(
                f"horizon: expected one at which the update is still finite, got {horizon} with a spectral radius "
                f"of {max(np.max(net.spectral_radius()) for net in (student, teacher)):.6g}"
            )
        return filled(update, student, batch)

    def _sent_in_total(self, sent, student, teacher, powers, powers_):
        """Y_1 and Y_2: (..., n, n) and (..., n, n of the teacher)."""
        return sent_in_total(self.steps, sent, student, teacher)

    # On data

    def sampled_update(
        self, student: LinearRNN, inputs: ArrayLike, targets: ArrayLike, every_step: bool = False
    ) -> Update[np.ndarray]:
        r"""The update from data, as a network would run the rule: no teacher weights, no closed forms.

        The network runs on each sequence and the error :math:`e_T = y_T - y^*_T` is read at its end. A backward pass
        :math:`\delta_T = F e_T`, :math:`\delta_{t-1} = G \delta_t` gives, averaged over the sequences,

        .. math:: \Delta W = \sum_{t=1}^{T} \delta_t h_{t-1}^\top, \qquad \Delta B = \sum_{t=1}^{T} \delta_t x_{t-1}^\top.

        Its expectation over white-noise input is :meth:`update` at horizon T.

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
        >>> from lrnnbook import BPTT
        >>> student = LinearRNN([[1.0]], [[0.5]], [[1.0]])
        >>> BPTT().sampled_update(student, inputs=[[[1.0], [0.0]]], targets=[[0.0]])
        Update(A=array([[0.25]]), W=array([[0.5]]), B=array([[0.25]]))
        """
        sizes = {"o": as_network("student", student).o, "m": student.m}
        x, brought = as_array("inputs", inputs, "batch T m", sizes), self.batches(student)
        y = as_array("targets", targets, "batch T o" if every_step else "batch o", sizes)
        mine = (student.batch_shape, x.shape[:-3], *brought.values())
        if not every_step and y.shape[-3:-1] == x.shape[-3:-1] and y.ndim - 2 > max(map(len, mine)):
            raise ValueError(
                "targets: expected the last outputs, (..., batch, o), with batch axes that student, rule or inputs have as "
                f"well, got {y.shape}, which may be all outputs (batch, T, o), for every_step=True"
            )
        y = y if every_step else y[..., None, :]
        batch = broadcast_batch(student=student.batch_shape, inputs=x.shape[:-3], targets=y.shape[:-3], **brought)
        # Time first: x[t] is (..., batch, m), and y[-1] (..., batch, o) the targets of the last step.
        x, y = (np.moveaxis(np.broadcast_to(part, batch + part.shape[-3:]), -2, 0) for part in (x, y))
        with np.errstate(over="ignore", invalid="ignore"):
            update = self._run(student, x, y)
        if not all(np.isfinite(delta).all() for delta in update):
            raise ValueError(
                f"inputs: expected sequences on which the update stays finite, got T = {len(x)} "
                f"with a spectral radius of {np.max(student.spectral_radius()):.6g}"
            )
        return filled(update, student, batch)

    def _run(self, student, x, y):
        """The sampled update; x[t] is x_t of all samples, (..., batch, m), and y the targets of the last or of all steps."""
        return backward(*self._sent(student), self.steps, student, x, y)

    # Modes

    def mode_update(self, mode: Mode, target: Mode) -> Mode:
        r"""The update of aligned networks, mode by mode, at an infinite horizon.

        With feedback f and decay :math:`\mu`, the F and G of one unit, and the sums
        :math:`\psi = \sum_l (\mu w)^l` and :math:`\psi_* = \sum_l (\mu w^*)^l` over the lags that the rule keeps,

        .. math::

            \Delta a &= b \left[\frac{ab}{1-w^2} - \frac{a^*b^*}{1-ww^*}\right], \qquad
            \Delta b = f \left[ab\,\psi - a^*b^*\psi_*\right], \\
            \Delta w &= f b \left[\frac{ab\,w\,\psi}{1-w^2} - \frac{a^*b^*w^*\psi_*}{1-ww^*}\right].

        If anything is complex, the mode answers with :math:`\operatorname{Re}(ab\,w^k)`, and :math:`\Delta` is the
        derivative by the real part plus i times that by the imaginary part. With :math:`e_k` the gap at lag k and a bar
        for the conjugate,

        .. math::

            \Delta a = \bar b \sum_k e_k \bar w^k, \qquad
            \Delta b = \bar f \sum_l \bar\mu^l e_l, \qquad
            \Delta w = \bar f \bar b \sum_l \bar\mu^l \sum_j \bar w^j e_{l+1+j}.

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
            Shapes that do not broadcast, :math:`|w| \ge 1` or :math:`|w^*| \ge 1`, or a mode at which the update leaves
            the range of floats.

        Examples
        --------
        >>> from lrnnbook import RFLO
        >>> da, db, dw = RFLO(R=2.0, decay=0.5).mode_update(Mode(1.0, 1.0, 0.0), Mode(1.0, 2.0, 0.5))
        >>> round(float(db), 6)
        -3.333333
        """
        self.check_modes(mode=mode, target=target)
        with np.errstate(over="ignore", invalid="ignore"):
            deltas = (self.oscillating_deltas if self.oscillates(mode, target) else self.mode_deltas)(*mode, *target)
        if not all(np.isfinite(delta).all() for delta in deltas):
            raise ValueError("mode: expected one at which the update is within the range of floats, got one beyond it")
        return Mode(*deltas)

    def check_modes(self, **modes: Mode) -> tuple[int, ...]:
        """Return the common shape of the named modes and the rule; raise ValueError if there is none, or for |w| >= 1."""
        shape = broadcast_batch(**{name: as_mode(name, mode).shape for name, mode in modes.items()}, **self.mode_batches())
        for name, mode in modes.items():
            check_stable(name, np.abs(mode.w), "modes")
        return shape

    def mode_deltas(
        self, a: np.ndarray, b: np.ndarray, w: np.ndarray, a_: np.ndarray, b_: np.ndarray, w_: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """:meth:`mode_update` on bare arrays, unchecked; analytic in all of them."""
        f, mu = self.mode_sent(a, w, b)
        return mode_sums(f, mu, b, w, [(a * b, w), (-a_ * b_, w_)], self.steps)

    def oscillating_deltas(
        self, a: np.ndarray, b: np.ndarray, w: np.ndarray, a_: np.ndarray, b_: np.ndarray, w_: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """The same of complex modes, whose gaps are real parts."""
        f, mu = self.mode_sent(a, w, b)
        gaps = [*pair(a * b, w), *pair(-a_ * b_, w_)]
        return mode_sums(np.conj(f), np.conj(mu), np.conj(b), np.conj(w), gaps, self.steps)

    def oscillates(self, *modes: Mode) -> bool:
        """Whether any number of the modes or of the rule is complex."""
        return any(map(np.iscomplexobj, [mode.a for mode in modes] + [getattr(self, name) for name in self.arrays]))

    def mode_sent(self, a: ArrayLike, w: ArrayLike, b: ArrayLike = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Feedback f and decay mu of what is sent back to a mode: F and G of a network of one unit."""
        unit = LinearRNN.unchecked(*(np.asarray(value)[..., None, None] for value in (a, w, b)))
        F, G = self._of_units._sent(unit, finite=False)
        return F[..., 0, 0], G[..., 0, 0]


def as_rule(value: object) -> Rule:
    """Return `value`; raise ValueError unless it is a rule, and not the class of one.

    Examples
    --------
    >>> as_rule("BPTT")
    Traceback (most recent call last):
    ...
    ValueError: rule: expected a rule, such as BPTT(), got 'BPTT'
    """
    return as_instance("rule", value, Rule, "a rule, such as BPTT()")  # type: ignore[type-abstract]


def next_rule(rule: Rule, net: LinearRNN, update: Update[np.ndarray], rate: Update[np.ndarray | float]) -> Rule:
    """The rule at the next step; ValueError unless its `next` returns one."""
    return as_instance(f"next of {type(rule).__name__}", rule.next(net, update, rate), Rule, "a rule")  # type: ignore[type-abstract]
