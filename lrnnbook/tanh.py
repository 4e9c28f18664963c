"""Units that saturate: the same networks and rules with a hyperbolic tangent, on sampled sequences."""

import numpy as np
from numpy.typing import ArrayLike

from .checks import as_array, broadcast_batch
from .forms import Rule, as_rule
from .networks import LinearRNN, as_network
from .rules import RFLO
from .updates import Update


def tanh_simulate(net: LinearRNN, inputs: ArrayLike) -> np.ndarray:
    r"""Run :math:`h_{t+1} = \tanh(W h_t + B x_t)`, :math:`y_t = A h_t`, from :math:`h_0 = 0`.

    Parameters
    ----------
    net : LinearRNN
        The weights, with batch axes (...).
    inputs : array (..., N, T, m)
        Input :math:`x_t` of N sequences, t = 0, ..., T - 1. Batch axes broadcast with those of the network.

    Returns
    -------
    array (..., N, T, o)
        Outputs :math:`y_1, \dots, y_T`.

    Raises
    ------
    ValueError
        Something that is no network, inputs that are not finite, or shapes that do not fit.

    Examples
    --------
    >>> net = LinearRNN([[2.0]], [[0.0]], [[1.0]])
    >>> tanh_simulate(net, [[[0.0], [100.0]]]).ravel()
    array([0., 2.])
    """
    net = as_network("net", net)
    x = _sequences(net, inputs)
    return np.stack([h @ net.A.mT for h in _states(net, x)[1:]], axis=-2)


def tanh_update(
    rule: Rule, net: LinearRNN, inputs: ArrayLike, targets: ArrayLike, every_step: bool = False, sloped: bool | None = None
) -> Update[np.ndarray]:
    r"""The update of a rule for a network of tanh units, averaged over sequences.

    With F and G of the rule and :math:`D_t = \operatorname{diag}(1 - h_t^2)`, the slopes of the units at step t, the error
    :math:`e_T = A h_T - y^*_T` is sent back by

    .. math::

        s_T = F e_T, \qquad s_{t-1} = G D_t s_t, \qquad
        \Delta W = \sum_{t=1}^{T} D_t s_t\, h_{t-1}^\top, \quad
        \Delta B = \sum_{t=1}^{T} D_t s_t\, x_{t-1}^\top, \quad \Delta A = e_T h_T^\top .

    For BPTT this is the gradient of :math:`\tfrac12 \lVert e_T \rVert^2`. RFLO's decay belongs to the synapse and not to the
    unit: there :math:`s_{t-1} = G s_t`, and only the slope of the receiving unit is left. While all units are nearly
    linear it is ``rule.sampled_update``.

    Parameters
    ----------
    rule : Rule
    net : LinearRNN
        The weights, with batch axes (...).
    inputs : array (..., N, T, m)
    targets : array (..., N, o), with every_step (..., N, T, o)
        :math:`y^*_T`, or :math:`y^*_1, \dots, y^*_T`.
    every_step : bool
        An error at every step; their updates are averaged.
    sloped : bool, optional
        Whether what is carried passes the slopes on its way; by default unless the rule is RFLO.

    Returns
    -------
    Update
        :math:`\Delta A` (..., o, n), :math:`\Delta W` (..., n, n), :math:`\Delta B` (..., n, m).

    Raises
    ------
    ValueError
        As :func:`tanh_simulate`, targets or a rule that do not fit the network, a rule whose feedback learns, or weights at
        which the update leaves the range of floats.

    Examples
    --------
    >>> from lrnnbook import BPTT
    >>> net = LinearRNN([[1.0]], [[0.0]], [[1.0]])
    >>> tanh_update(BPTT(), net, [[[0.5]]], [[0.0]]).B.round(4)
    array([[0.1817]])
    """
    rule, net = as_rule(rule), as_network("net", net)
    x = _sequences(net, inputs)
    goals = as_array("targets", targets, "N T o" if every_step else "N o", {"N": x.shape[-3], "T": x.shape[-2], "o": net.o})
    if type(rule).next is not Rule.next:
        raise ValueError(f"rule: expected one whose feedback is fixed, got {type(rule).__name__}")
    F, G = rule._sent(net, finite=True)
    batches = {"inputs": x.shape[:-3], "targets": goals.shape[: -3 if every_step else -2], "rule": F.shape[:-2]}
    broadcast_batch(net=net.batch_shape, **batches)
    through = not isinstance(rule, RFLO) if sloped is None else sloped
    with np.errstate(over="ignore", invalid="ignore"):
        update = _backward(net, F, G, rule.steps, x, goals, every_step, through)
    if not all(np.isfinite(part).all() for part in update):
        raise ValueError("net: expected weights at which the update is within the range of floats, got some beyond it")
    return update


def _backward(net, F, G, steps, x, goals, every_step, through):
    h, T = _states(net, x), x.shape[-2]
    arrived, errors, sent = [], [], []  # what is on its way, each with the number of steps that it has come
    for t in range(T, 0, -1):
        if every_step or t == T:
            errors.append(h[t] @ net.A.mT - (goals[..., t - 1, :] if every_step else goals))
            sent.append((errors[-1] @ F.mT, 0))
        if steps == np.inf:  # then nobody asks how far
            sent = [(sum(s for s, _ in sent), 0)]
        slope = 1 - h[t] ** 2
        arrived.append(slope * sum(s for s, _ in sent))
        sent = [((slope * s if through else s) @ G.mT, age + 1) for s, age in sent if age + 1 < steps]
    read = h[: T - len(errors) : -1]
    dA = sum(e.mT @ state for e, state in zip(errors, read))
    dW = sum(d.mT @ state for d, state in zip(arrived, h[T - 1 :: -1]))
    dB = sum(d.mT @ x[..., t, :] for d, t in zip(arrived, range(T - 1, -1, -1)))
    return Update(*(part / (x.shape[-3] * len(errors)) for part in (dA, dW, dB)))


def _states(net, x):
    """h_0, ..., h_T, each (..., N, n)."""
    h = [np.zeros((*broadcast_batch(net=net.batch_shape, inputs=x.shape[:-3]), x.shape[-3], net.n))]
    for t in range(x.shape[-2]):
        h.append(np.tanh(h[-1] @ net.W.mT + x[..., t, :] @ net.B.mT))
    return h


def _sequences(net, inputs):
    x = as_array("inputs", inputs, "N T m", {"m": net.m})
    broadcast_batch(net=net.batch_shape, inputs=x.shape[:-3])
    return x
