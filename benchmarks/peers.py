"""What the package is timed against: the same results in the styles one finds in public code."""

import os

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import torch
from scipy.integrate import solve_ivp

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
jax.config.update("jax_enable_x64", True)


def autograd_update(student, teacher, lags, stacked=False):
    """A function that returns the gradient of the loss by PyTorch, unrolled; the teacher's response is given to it."""
    weights = [torch.tensor(weight, requires_grad=True) for weight in (student.A, student.W, student.B)]
    goal = torch.tensor(np.moveaxis(teacher.impulse_response(lags), -3, 0))  # (lags, o, m)
    goal = goal.reshape(lags, *[1] * len(student.batch_shape), *goal.shape[1:])

    def by_the_lag(A, W, B):
        loss, h = 0, B
        for goal_k in goal:
            loss = loss + ((A @ h - goal_k) ** 2).sum() / 2
            h = W @ h
        return loss

    def by_doubling(A, W, B):
        return ((A @ stacked_states(W, B, lags) - goal) ** 2).sum() / 2

    loss = by_doubling if stacked else by_the_lag
    return lambda: [grad.numpy() for grad in torch.autograd.grad(loss(*weights), weights)]


def compiled_update(student, teacher, lags, stacked=False):
    """The same gradient by JAX, compiled: a scan over the lags, or their states stacked by doubling."""
    weights = [jnp.asarray(weight) for weight in (student.A, student.W, student.B)]
    gradient = jax.grad(lambda *weights: unrolled_loss(weights, teacher, lags, stacked), argnums=(0, 1, 2))
    for _ in student.batch_shape:
        gradient = jax.vmap(gradient)
    gradient = jax.jit(gradient)
    return lambda: [np.asarray(part) for part in jax.block_until_ready(gradient(*weights))]


def compiled_training(student, teacher, rate, steps, lags, stacked=False):
    """A function that trains students (runs,) by BPTT in JAX, all steps compiled as one: the last A, W, B, and all losses."""
    loss = jax.vmap(jax.value_and_grad(lambda weights: unrolled_loss(weights, teacher, lags, stacked)))

    def step(weights, _):
        value, gradient = loss(weights)
        return [weight - rate * delta for weight, delta in zip(weights, gradient)], value

    training = jax.jit(lambda weights: jax.lax.scan(step, weights, length=steps))
    start = [jnp.asarray(weight) for weight in (student.A, student.W, student.B)]
    return lambda: jax.tree.map(np.asarray, jax.block_until_ready(training(start)))


def unrolled_loss(weights, teacher, lags, stacked):
    """The loss over the first lags of one student in JAX, in a scan or with their states stacked by doubling."""
    A, W, B = weights
    goal = jnp.asarray(teacher.impulse_response(lags))
    if not stacked:

        def step(h, goal_k):
            return W @ h, ((A @ h - goal_k) ** 2).sum() / 2

        return jax.lax.scan(step, B, goal)[1].sum()
    blocks, power = B[None], W
    while len(blocks) < lags:
        blocks = jnp.concatenate([blocks, power @ blocks[: lags - len(blocks)]])
        power = power @ power
    return ((A @ blocks - goal) ** 2).sum() / 2


def rflo_by_outer_products(student, R, decay, inputs, targets):
    """RFLO with a matrix of eligibility traces, one sequence after the other, an outer product at each step."""
    A, W, B = student.A, student.W, student.B
    dA, dW, dB = np.zeros_like(A), np.zeros_like(W), np.zeros_like(B)
    for x, y in zip(inputs, targets):
        h, p, q, ones = np.zeros(len(W)), np.zeros_like(W), np.zeros_like(B), np.ones(len(W))
        for x_t in x:
            p = decay * p + np.outer(ones, h)
            q = decay * q + np.outer(ones, x_t)
            h = W @ h + B @ x_t
        e = A @ h - y
        dA += np.outer(e, h)
        dW += (R.T @ e)[:, None] * p
        dB += (R.T @ e)[:, None] * q
    return [total / len(inputs) for total in (dA, dW, dB)]


def mode_velocity(name, target, r, decay):
    """-Delta of one mode in plain Python numbers, for solve_ivp."""
    a_, b_, w_ = target
    c = a_ * b_

    def velocity(t, y):
        a, b, w = y.tolist()
        if not -1 < w < 1:
            return (np.nan, np.nan, np.nan)  # SciPy rejects the step, and gives up where its steps become too small
        phi, phi_ = 1 / (1 - w * w), 1 / (1 - w * w_)
        if name == "BPTT":
            f, psi, psi_ = a, phi, phi_
        elif name == "one-step tBPTT":
            f, psi, psi_ = a, 1, 1
        elif name == "RFLO":
            f, psi, psi_ = r, 1 / (1 - decay * w), 1 / (1 - decay * w_)
        else:
            f, psi, psi_ = r, phi, phi_
        now, goal = a * b * phi, c * phi_
        return (-b * (now - goal), -f * (a * b * psi - c * psi_), -f * b * (now * w * psi - goal * w_ * psi_))

    return velocity


def compiled_paths(name, starts, targets, r, decay, times, rtol, atol, edge=1e-4, at_once=30):
    """A function that follows all modes by diffrax, compiled: (count, len(times), 3), inf once a run is close to the edge.

    A compiled loop over many runs takes as many steps as the slowest of them, so that they go in groups.
    """

    def velocity(t, y, run):
        (a, b, w), ((a_, b_, w_), r, decay) = y, run
        c = a_ * b_
        phi, phi_ = 1 / (1 - w * w), 1 / (1 - w * w_)
        f = a if name in ("BPTT", "one-step tBPTT") else r
        if name == "one-step tBPTT":
            psi, psi_ = 1, 1
        elif name == "RFLO":
            psi, psi_ = 1 / (1 - decay * w), 1 / (1 - decay * w_)
        else:
            psi, psi_ = phi, phi_
        now, goal = a * b * phi, c * phi_
        speed = jnp.stack([-b * (now - goal), -f * (a * b * psi - c * psi_), -f * b * (now * w * psi - goal * w_ * psi_)])
        return jnp.where(jnp.abs(w) < 1, speed, jnp.nan)  # diffrax rejects the step

    def path(run):
        start, *run = run
        return diffrax.diffeqsolve(
            diffrax.ODETerm(velocity),
            diffrax.Dopri5(),
            t0=0,
            t1=times[-1],
            dt0=1e-3,
            y0=start,
            args=run,
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
            event=diffrax.Event(lambda t, y, args, **_: jnp.abs(y[2]) > 1 - edge),
            max_steps=100_000,
            throw=False,
        ).ys

    paths = jax.jit(lambda runs: jax.lax.map(path, runs, batch_size=at_once))
    runs = [jnp.asarray(part) for part in (starts, targets, r, decay)]
    return lambda: np.asarray(jax.block_until_ready(paths(runs)))


def scipy_path(velocity, start, times, **options):
    """(3, len(times)); NaN once a run has fallen over the edge."""
    run = solve_ivp(velocity, (0, times[-1]), start, t_eval=times, **options)
    return np.pad(run.y, ((0, 0), (0, len(times) - run.y.shape[1])), constant_values=np.nan)


def autograd_training(name, student, teacher, R, decay, rate, steps, record, lags, stacked=False):
    """Train a batch of students (runs,) in PyTorch, unrolled: the last A, W, B, and the losses (runs, records).

    A rule other than BPTT detaches the state where it does not go back. What RFLO and e-prop send back in place of the
    gradient multiplies the state less its detached self: zero, with a derivative of one.
    """
    weights = [torch.tensor(weight, requires_grad=True) for weight in (student.A, student.W, student.B)]
    goal, R = torch.tensor(teacher.impulse_response(lags))[:, None], torch.tensor(R)  # (lags, 1, o, m) and (runs, o, n)

    def diagonal(W):
        return torch.diagonal(W, dim1=-2, dim2=-1)[..., None].detach()

    def by_the_lag(A, W, B):
        keep = decay if name == "RFLO" else diagonal(W)
        errors, h = [], B
        for goal_k in goal:
            past = h.detach()
            if name == "BPTT":
                y, h = A @ h, W @ h
            elif name == "one-step tBPTT":
                y, h = A @ h, W @ past
            else:
                y, h = A @ past + R @ (h - past), W @ past + keep * (h - past)
            errors.append(y - goal_k)
        return torch.stack(errors)

    def by_doubling(A, W, B):
        if name == "BPTT":
            return A @ stacked_states(W, B, lags) - goal
        with torch.no_grad():
            past = stacked_states(W, B, lags - 1)
        h = torch.cat([B[None], W @ past])
        if name == "one-step tBPTT":
            return A @ h - goal
        now = h.detach()
        sent = faded(R @ (h - now), decay) if name == "RFLO" else R @ faded(h - now, diagonal(W))
        return A @ now + sent - goal

    def faded(x, keep):  # the sum over l of keep^l x[k - l]
        shift = 1
        while shift < lags:
            x = torch.cat([x[:shift], x[shift:] + keep**shift * x[:-shift]])
            shift *= 2
        return x

    errors, losses = by_doubling if stacked else by_the_lag, []
    for k in range(steps + 1):
        gap = errors(*weights)
        if k % record == 0 or k == steps:
            losses.append((gap.detach() ** 2).sum(dim=(0, -2, -1)) / 2)
        if k < steps:
            grads = torch.autograd.grad((gap**2).sum() / 2, weights)
            with torch.no_grad():
                for weight, grad in zip(weights, grads):
                    weight -= rate * grad
    return [weight.detach().numpy() for weight in weights], torch.stack(losses, dim=-1).numpy()


def stacked_states(W, B, lags):
    """W^k B for k = 0 .. lags - 1, by doubling, on an axis in front."""
    blocks, power = B[None], W
    while len(blocks) < lags:
        blocks = torch.cat([blocks, power @ blocks[: lags - len(blocks)]])
        power = power @ power
    return blocks
