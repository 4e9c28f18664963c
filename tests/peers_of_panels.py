"""What the panels have and the package leaves to its readers: a rule, and optimisers written out."""

import numpy as np

import lrnnbook as lb


class PerUnitRFLO(lb.Rule):
    arrays = {"R": "o n", "decays": "n"}

    def __init__(self, R, decays):
        self.R, self.decays = R, decays
        self.__post_init__()

    def sent(self, net):
        return self.R.mT, self.decays[..., None] * np.eye(net.n)


def trained(rule, net, teacher, rate=0.001, steps=20, adam=False, weight_decay=0.0):
    """Steps written out, with Adam as its authors give it."""
    m = v = [0.0, 0.0, 0.0]
    for t in range(1, steps + 1):
        update = rule.update(net, teacher)
        change = list(update)
        if adam:
            m = [0.9 * old + 0.1 * g for old, g in zip(m, change)]
            v = [0.999 * old + 0.001 * g**2 for old, g in zip(v, change)]
            change = [a / (1 - 0.9**t) / (np.sqrt(b / (1 - 0.999**t)) + 1e-8) for a, b in zip(m, v)]
        weights = [x - rate * (d + weight_decay * x) for x, d in zip((net.A, net.W, net.B), change)]
        rule = rule.next(net, update, lb.Update(rate, rate, rate)) if isinstance(rule, lb.KolenPollack) else rule
        net = lb.LinearRNN(*weights)
    return net
