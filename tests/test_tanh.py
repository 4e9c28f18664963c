"""Units that saturate, held against automatic differentiation, traces carried forward, and the linear package."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from lrnnbook import (
    BPTT,
    RFLO,
    EProp,
    KolenPollack,
    LinearRNN,
    Rule,
    TruncatedBPTT,
    random_network,
    simulate,
    tanh_simulate,
    tanh_update,
)

RNG = np.random.default_rng(0)
NET = LinearRNN(RNG.standard_normal((2, 4)), RNG.standard_normal((4, 4)), RNG.standard_normal((4, 3)))
X, R = RNG.standard_normal((5, 7, 3)), RNG.standard_normal((2, 4))
GOALS = RNG.standard_normal((5, 7, 2))


def loss(A, W, B, every_step):
    h, total = np.zeros((5, 4)), 0.0
    for t in range(7):
        h = anp.tanh(anp.dot(h, W.T) + anp.dot(X[:, t], B.T))
        if every_step or t == 6:
            total = total + anp.sum((anp.dot(h, A.T) - GOALS[:, t]) ** 2) / 2
    return total / 5 / (7 if every_step else 1)


@pytest.mark.parametrize("every_step", [False, True])
def test_bptt_is_the_gradient(every_step):
    update = tanh_update(BPTT(), NET, X, GOALS if every_step else GOALS[:, -1], every_step)
    gradient = autograd.grad(lambda weights: loss(*weights, every_step))((NET.A, NET.W, NET.B))
    for ours, theirs in zip(update, gradient):
        assert_allclose(ours, theirs, rtol=1e-10, atol=1e-13)


def traced(decay_of, through):
    """A local rule with a trace for each connection, one sequence and one step at a time, an error at every step."""
    dW, dB = np.zeros((4, 4)), np.zeros((4, 3))
    for x, goals in zip(X, GOALS):
        h, p, q = np.zeros(4), np.zeros((4, 4)), np.zeros((4, 3))
        for t in range(7):
            new = np.tanh(NET.W @ h + NET.B @ x[t])
            slope = (1 - new**2)[:, None]
            if through:
                p, q = slope * (decay_of * p + h), slope * (decay_of * q + x[t])
            else:
                p, q = decay_of * p + slope * h, decay_of * q + slope * x[t]
            h = new
            sent = (R.T @ (NET.A @ h - goals[t]))[:, None]
            dW, dB = dW + sent * p, dB + sent * q
    return dW / 35, dB / 35


@pytest.mark.parametrize(
    "rule, decay, through", [(RFLO(R, 0.6), 0.6, False), (EProp(R), np.diag(NET.W)[:, None], True)], ids=["RFLO", "e-prop"]
)
def test_local_rules_are_their_traces(rule, decay, through):
    update = tanh_update(rule, NET, X, GOALS, every_step=True)
    for ours, theirs in zip(update[1:], traced(decay, through)):
        assert_allclose(ours, theirs, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("rule", [BPTT(), TruncatedBPTT(2), RFLO(R, 0.6), EProp(R)], ids=["BPTT", "two steps", "RFLO", "e-prop"])
def test_small_inputs_leave_the_linear_network(rule, every_step):
    teacher = random_network(np.random.default_rng(1), 3, 2, 3)
    net = LinearRNN(NET.A, 0.4 * NET.W, NET.B)
    size = 1e-5
    y = simulate(teacher, size * X)
    goals = y if every_step else y[:, -1]
    ours, theirs = tanh_update(rule, net, size * X, goals, every_step), rule.sampled_update(net, size * X, goals, every_step)
    for one, other in zip(ours, theirs):
        assert_allclose(one / size**2, other / size**2, rtol=1e-7, atol=1e-8)
    assert_allclose(tanh_simulate(net, size * X), simulate(net, size * X), rtol=1e-7, atol=1e-15)


def test_truncation_of_the_whole_length_is_bptt_and_one_step_sends_once():
    whole = tanh_update(BPTT(), NET, X, GOALS, every_step=True)
    for ours, theirs in zip(tanh_update(TruncatedBPTT(7), NET, X, GOALS, every_step=True), whole):
        assert_allclose(ours, theirs, rtol=1e-10)
    one = tanh_update(TruncatedBPTT(1), NET, X, GOALS[:, -1])
    same = tanh_update(RFLO(NET.A, 0.0), NET, X, GOALS[:, -1])
    for ours, theirs in zip(one, same):
        assert_allclose(ours, theirs, rtol=1e-10)


def test_a_batch_is_a_loop():
    nets = LinearRNN(*(RNG.standard_normal((3, *part.shape)) for part in (NET.A, NET.W, NET.B)))
    inputs, back = RNG.standard_normal((3, 5, 7, 3)), RNG.standard_normal((3, 2, 4))
    whole = tanh_update(RFLO(back, 0.5), nets, inputs, GOALS[:, -1])
    shared = tanh_simulate(nets, X)
    for i in range(3):
        one = LinearRNN(nets.A[i], nets.W[i], nets.B[i])
        for ours, theirs in zip(whole, tanh_update(RFLO(back[i], 0.5), one, inputs[i], GOALS[:, -1])):
            assert_allclose(ours[i], theirs, rtol=1e-12)
        assert_allclose(shared[i], tanh_simulate(one, X), rtol=1e-12)


THREE = LinearRNN(np.ones((3, 2, 4)), NET.W, NET.B)


class Odd(Rule):
    def sent(self, net):
        return net.A, net.W


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: tanh_update("RFLO", NET, X, GOALS[:, -1]), "rule: expected a rule"),
        (lambda: tanh_update(BPTT(), "net", X, GOALS[:, -1]), "net: expected a LinearRNN"),
        (lambda: tanh_update(BPTT(), NET, X[..., :2], GOALS[:, -1]), r"inputs: expected shape \(\.\.\., N, T, m\) with m = 3"),
        (lambda: tanh_update(BPTT(), NET, X, GOALS), r"targets: expected shape \(\.\.\., N, o\)"),
        (lambda: tanh_update(BPTT(), NET, X, GOALS[:, -1], every_step=True), r"targets: expected shape \(\.\.\., N, T, o\)"),
        (lambda: tanh_update(Odd(), NET, X, GOALS[:, -1]), r"sent: expected F of shape \(\.\.\., 4, 2\)"),
        (lambda: tanh_update(KolenPollack(R, 0.5, 0.1), NET, X, GOALS[:, -1]), "rule: expected one whose feedback is fixed"),
        (
            lambda: tanh_update(RFLO(np.ones((5, 2, 4)), 0.5), THREE, X, GOALS[:, -1]),
            r"batch axes: .*net has \(3,\).*rule has \(5,\)",
        ),
        (lambda: tanh_update(BPTT(), LinearRNN(1e200 * NET.A, NET.W, NET.B), X, GOALS[:, -1]), "net: .*range of floats"),
        (lambda: tanh_simulate(NET, X * np.nan), "inputs: expected finite numbers"),
        (lambda: tanh_simulate(NET, X[:, :0]), "inputs: .*no empty axis"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
