"""A reader's program, of which `make lint` checks that every public name has its types; `test_types.py` runs it."""

from typing import assert_type

import numpy as np

import lrnnbook as lb

rng = np.random.default_rng(0)
teacher = lb.LinearRNN(A=[[1.0]], W=[[0.5]], B=[[1.0]])
student = lb.random_network(rng, n=2, batch=(3,))
rule = lb.RFLO(R=rng.normal(size=(3, 1, 2)), decay=0.5)

assert_type(student.W, np.ndarray)
assert_type(student[0], lb.LinearRNN)
assert_type(student.batch_shape, tuple[int, ...])
assert_type(student.impulse_response(4), np.ndarray)
assert_type(student.transfer(0.5), np.ndarray)
assert_type(lb.leaky_network([[1.0]], [[0.5]], [[2.0]], tau_m=4.0), lb.LinearRNN)
assert_type(lb.loss(student, teacher, horizon=10, source=teacher), np.ndarray)
assert_type(lb.simulate(teacher, [[[1.0], [0.0]]]), np.ndarray)

update = rule.update(student, teacher, every_step=True)
assert_type(update, lb.Update[np.ndarray])
assert_type(lb.tanh_simulate(teacher, [[[1.0], [0.0]]]), np.ndarray)
assert_type(lb.tanh_update(lb.BPTT(), teacher, [[[1.0], [0.0]]], [[0.0]]).W, np.ndarray)
assert_type(lb.BPTT().sampled_update(teacher, [[[1.0], [0.0]]], [[0.0]]).W, np.ndarray)
rules: list[lb.Rule] = [rule, lb.BPTT(), lb.TruncatedBPTT(2), lb.EProp([[1.0]]), lb.KolenPollack([[1.0]], 0.5, 0.1)]

mode, target = lb.Mode(0.1, 0.1, 0.0), lb.Mode(a=1.0, b=[1.0, 2.0], w=0.5)
a, b, w = mode
assert_type(w, np.ndarray)
assert_type(lb.mode_loss(mode, target), np.ndarray)
assert_type(lb.BPTT().mode_update(mode, target), lb.Mode)
assert_type(lb.optimal_mode(2.0, target), lb.Mode)
assert_type(lb.jacobian(lb.BPTT(), mode, target), np.ndarray)
assert_type(lb.decay_rates(lb.BPTT(), 1.0, target), np.ndarray)
assert_type(lb.integrate(lb.BPTT(), mode, target, times=[0.0, 1.0]), lb.Trajectory)

net = lb.aligned_network(target, U=np.eye(2), V=np.eye(2), P=np.eye(3))
assert_type(net, lb.LinearRNN)
assert_type(lb.read_modes(net, np.eye(2), np.eye(2), dtype=complex), lb.Mode)
cosines = lb.alignment(net, np.eye(2), np.eye(2))
assert_type(cosines, lb.Alignment)
assert_type(cosines.feedback, np.ndarray | None)

history = lb.train(rule, student, teacher, learning_rate=[0.1, 0.1, 0.2], steps=3, snapshots=[0, 3])
assert_type(history, lb.History)
assert_type(history.losses, np.ndarray)
lb.train(rule, student, teacher, lb.Update(0.1, 0.0, 0.1), 3, resume=history)
assert_type(lb.train_flow(rule, student, teacher, times=[0.0, 1.0]).converged_at(0.1), np.ndarray)
assert_type(lb.change_rank(student.W, np.zeros((2, 2)), rtol=1e-8), np.ndarray)
assert_type(lb.effective_rank(student.W), np.ndarray)
found = lb.identify_rule([student, student[::-1]])
assert_type(found, lb.Identified)
assert_type(found.residuals["RFLO"], np.ndarray)
lb.claim(7, "rank of the change", measured=lb.change_rank(teacher.W, [[0.0]]), at_most=1, because="one output")
assert_type(lb.question("What?", 1, "So.", {2: "Twice."}), lb.Question)
lb.use_style()
print(lb.STYLES["RFLO"]["color"], lb.TARGET["color"])
