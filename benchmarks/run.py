"""Time the package against its peers in one run, one thread each: `make bench`.

Prints a table, and writes it to results.md and, for chapters that quote a number, to results.json. Times are processor
time, so that other work on the machine counts little; each is the best of several, ours and the peers' in turn.
"""

import os

for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import datetime
import json
import platform
import time
from pathlib import Path

import diffrax
import jax
import numpy as np
import scipy
import torch
from numpy.testing import assert_allclose
from peers import (
    autograd_training,
    autograd_update,
    compiled_paths,
    compiled_training,
    compiled_update,
    mode_velocity,
    rflo_by_outer_products,
    scipy_path,
)

from lrnnbook import BPTT, RFLO, EProp, LinearRNN, Mode, TruncatedBPTT, integrate, loss, train

HERE = Path(__file__).parent
LAGS = 150
TOLERANCE = {"rtol": 1e-8, "atol": 1e-10}


def seconds(function):
    before = time.process_time()
    function()
    return time.process_time() - before


def race(ours, *peers, repeats=7, at_least=0.02):
    """Seconds a call, the best of `repeats`, of ours and of each peer; they take turns."""
    calls = [max(1, round(at_least / max(seconds(function), 1e-6))) for function in (ours, *peers)]
    best = [np.inf] * len(calls)
    for _ in range(repeats):
        for i, function in enumerate((ours, *peers)):
            best[i] = min(best[i], seconds(lambda: [function() for _ in range(calls[i])]) / calls[i])
    return best


def network(rng, o, n, m, batch=(), radius=0.9):
    W = rng.standard_normal(batch + (n, n))
    W *= radius / np.abs(np.linalg.eigvals(W)).max(axis=-1)[..., None, None]
    return LinearRNN(rng.standard_normal(batch + (o, n)), W, rng.standard_normal(batch + (n, m)))


def expected_update(n, o, m, batch):
    """BPTT at an infinite horizon against PyTorch and compiled JAX unrolled to so many lags that they agree."""
    rng = np.random.default_rng(1)
    student, teacher = network(rng, o, n, m, batch), network(rng, o, 4, m)
    peers = [make(student, teacher, LAGS, way) for make in (autograd_update, compiled_update) for way in (False, True)]
    update = BPTT().update(student, teacher)
    for peer in peers:
        for delta, expected in zip(update, peer()):
            assert_allclose(delta, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    ours, *theirs = race(lambda: BPTT().update(student, teacher), *peers)
    what = f"expected BPTT update, n = {n}, o = m = {o}, " + (f"batch {batch[0]}" if batch else "one student")
    ways = ("in a loop", "stacked by doubling")
    names = [f"{who}, {LAGS} lags {way}" for who in ("PyTorch autograd", "compiled JAX") for way in ways]
    return [(what, name, ours, cost) for name, cost in zip(names, theirs)]


def sampled_update(samples, n=20, o=1, m=1, T=100):
    """RFLO's update from data against one outer product a step and sequence."""
    rng = np.random.default_rng(2)
    student, R, decay = network(rng, o, n, m), rng.standard_normal((o, n)), 0.7
    inputs, targets = rng.standard_normal((samples, T, m)), rng.standard_normal((samples, o))
    rule = RFLO(R, decay)

    def ours():
        return rule.sampled_update(student, inputs, targets)

    def peer():
        return rflo_by_outer_products(student, R, decay, inputs, targets)

    for delta, expected in zip(ours(), peer()):
        assert_allclose(delta, expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    what = f"sampled RFLO update, n = {n}, T = {T}, batch {samples}"
    return [(what, "NumPy, an outer product a step and sequence", *race(ours, peer, repeats=5))]


def trajectories(name, count=10_000, sample=100, rounds=5):
    """Many runs of the mode equations against diffrax, compiled, and a loop of solve_ivp over a random sample, scaled up."""
    rng = np.random.default_rng(3)
    start = Mode(*rng.uniform(-1, 1, (2, count)), rng.uniform(-0.9, 0.9, count))
    target = Mode(*rng.uniform(0.5, 1.5, (2, count)), rng.uniform(-0.8, 0.8, count))
    r, decay, times = rng.standard_normal(count), rng.uniform(-0.8, 0.8, count), np.linspace(0, 50, 101)
    rules = {"BPTT": BPTT(), "one-step tBPTT": TruncatedBPTT(), "RFLO": RFLO(r, decay), "e-prop": EProp(r)}
    rule = rules[name]
    starts, targets = np.array([*start]).T.tolist(), np.array([*target]).T.tolist()
    chosen = rng.choice(count, sample, replace=False).tolist()
    velocities = [mode_velocity(name, targets[i], float(r[i]), float(decay[i])) for i in chosen]

    def loop(part, method="RK45", **options):
        options = options or TOLERANCE
        return np.array([scipy_path(velocities[k], starts[chosen[k]], times, method=method, **options) for k in part])

    run = integrate(rule, start, target, times, **TOLERANCE)
    stayed = np.flatnonzero(run.exit_time[chosen] == np.inf)
    exact = loop(stayed, "LSODA", rtol=1e-12, atol=1e-13)
    path = np.moveaxis(np.array(run[:3]), 0, 1)[chosen][stayed]
    errors = [np.abs(one - exact).max(axis=(1, 2)) for one in (path, loop(stayed))]
    print(
        f"{name}: {np.isfinite(run.exit_time).sum()} of {count} runs fall over the edge; error of the {stayed.size} "
        "others in the sample, median and largest: "
        + ", ".join(f"{who} {np.median(e):.1e} {e.max():.1e}" for who, e in zip(("ours", "SciPy's"), errors))
    )
    assert np.median(errors[0]) <= 2 * np.median(errors[1]) and errors[0].max() < 1e-5
    compiled = compiled_paths(name, np.array(starts), np.array(targets), r, decay, times, **TOLERANCE)
    stayed, paths = run.exit_time == np.inf, np.moveaxis(np.array(run[:3]), 0, -1)
    gap = np.abs(compiled() - paths)[stayed].max(axis=(1, 2))
    print(f"{name}: {stayed.sum()} runs stay, and differ from diffrax's by {np.median(gap):.1e} (median) and {gap.max():.1e}")
    assert np.median(gap) < 1e-6

    ours, with_diffrax, theirs, part = np.inf, np.inf, 0, sample // rounds
    for k in range(rounds):
        ours = min(ours, seconds(lambda: integrate(rule, start, target, times, **TOLERANCE)))
        with_diffrax = min(with_diffrax, seconds(compiled))
        theirs += min(seconds(lambda: loop(range(k * part, (k + 1) * part))) for _ in range(2))
    return [
        (
            f"{count:,} trajectories of {name}, 101 times to 50",
            f"loop of solve_ivp RK45 ({sample} random ones, scaled)",
            ours,
            theirs * count / sample,
        ),
        (f"{count:,} paths of {name}, 101 times to 50", "diffrax Dopri5, compiled, 30 at once", ours, with_diffrax),
    ]


def compiled_steps(rate=0.01, steps=600, rounds=3):
    """Twenty students of twenty units under BPTT against JAX, which compiles all steps as one; both return the losses on the way.

    JAX takes as many lags as in the race of a single step, and every loss, of which `train` takes one in three unless told.
    """
    rng = np.random.default_rng(5)
    student, teacher = network(rng, 1, 20, 1, (20,), radius=0.5), network(rng, 1, 4, 1)
    student = LinearRNN(0.1 * student.A, student.W, 0.1 * student.B)
    teacher = LinearRNN(teacher.A / np.sqrt(2 * loss(student, teacher).mean()), teacher.W, teacher.B)

    def ours():
        return train(BPTT(), student, teacher, rate, steps)

    peers = [compiled_training(student, teacher, rate, steps, LAGS, stacked) for stacked in (False, True)]
    history = ours()
    assert np.isinf(history.diverged_at).all()
    for peer in peers:
        weights, _ = peer()
        for mine, theirs in zip((history.student.A, history.student.W, history.student.B), weights):
            assert_allclose(mine, theirs, rtol=0, atol=1e-7 * np.abs(theirs).max())
    first, *_, last = history.losses.mean(axis=0)
    print(f"twenty students of twenty units: mean loss from {first:.2g} to {last:.2g}")
    best, *of_peers = race(ours, *peers, repeats=rounds)
    what = f"BPTT, twenty students, n = 20, {steps} steps of training"
    ways = ("in a scan", "stacked by doubling")
    return [(what, f"compiled JAX, {LAGS} lags {way}", best, cost) for way, cost in zip(ways, of_peers)]


def four_rules(rate=0.1, steps=600, timed=60, fewest=80, rounds=3):
    """Chapter 15's experiment, twenty students under four rules, against a training loop in PyTorch.

    PyTorch trains over a finite number of lags: the fewest, in tens, that end at the same weights to 1e-6, which one
    has to know beforehand, or as many as in the race of a single update. Its time is that of the first steps, scaled:
    all steps of an unrolled network cost the same. Ours is that of whole runs.
    """
    rng = np.random.default_rng(15)
    memories, n, decay = np.array([0.9, 0.6, 0.3, -0.5]), 10, 0.5
    c = 1 / np.sqrt(np.sum(1 / (1 - np.outer(memories, memories))))
    teacher = LinearRNN(np.full((1, 4), c), np.diag(memories), np.ones((4, 1)))
    student = LinearRNN(*(0.1 * rng.standard_normal((20, *shape)) for shape in ((1, n), (n, n), (n, 1))))
    R = rng.standard_normal((20, 1, n)) / np.sqrt(n)
    rules = {"BPTT": BPTT(), "one-step tBPTT": TruncatedBPTT(), "RFLO": RFLO(R, decay), "e-prop": EProp(R)}
    record = max(1, steps // 200)  # as `train` has it unless told

    def package(name, steps=steps):
        return train(rules[name], student, teacher, rate, steps, record=record)

    def pytorch(name, lags, stacked, steps=timed):
        return autograd_training(name, student, teacher, R, decay, rate, steps, record, lags, stacked)

    def error(name, lags, stacked, steps):
        """The largest difference of a weight or a recorded loss, over the runs that have not diverged."""
        ours, (weights, losses) = package(name, steps), pytorch(name, lags, stacked, steps)
        stayed = ours.diverged_at == np.inf
        pairs = zip((ours.student.A, ours.student.W, ours.student.B, ours.losses), (*weights, losses))
        return max(np.abs(left - right)[stayed].max() for left, right in pairs), stayed.sum()

    styles = [(lags, stacked) for lags in (fewest, LAGS) for stacked in (False, True)]
    ours, theirs = 0, np.zeros(len(styles))
    for name in rules:
        at_end, stayed = error(name, fewest, True, steps)
        assert at_end < 1e-6 and all(error(name, *style, timed)[0] < 1e-6 for style in styles)
        best, of_peers = np.inf, np.full(len(styles), np.inf)
        for _ in range(rounds):
            best = min(best, seconds(lambda: package(name)))
            of_peers = np.minimum(of_peers, [seconds(lambda: pytorch(name, *style)) for style in styles])
        of_peers *= steps / timed
        print(
            f"{name}: {stayed} of 20 runs stay, and end at PyTorch's weights to {at_end:.0e}; {show(best)} against "
            + ", ".join(f"{show(cost)} ({lags}{' stacked' * way})" for cost, (lags, way) in zip(of_peers, styles))
        )
        ours, theirs = ours + best, theirs + of_peers
    what = f"four rules, twenty students, {steps} steps of training"
    peer = "PyTorch autograd, {} lags {} ({} steps, scaled)"
    ways = ("in a loop", "stacked by doubling")
    return [(what, peer.format(lags, ways[way], timed), ours, cost) for cost, (lags, way) in zip(theirs, styles)]


def growth():
    """How the cost grows: the exponent fitted to the upper half of a range of sizes."""
    rng = np.random.default_rng(4)

    def update(n=20, batch=20):
        student, teacher = network(rng, 1, n, 1, (batch,)), network(rng, 1, 4, 1)
        return lambda: BPTT().update(student, teacher)

    def sampled(n=20, T=100, batch=100):
        student, rule = network(rng, 1, n, 1), RFLO(rng.standard_normal((1, n)), 0.7)
        inputs, targets = rng.standard_normal((batch, T, 1)), rng.standard_normal((batch, 1))
        return lambda: rule.sampled_update(student, inputs, targets)

    rows = []
    for what, make, axis, sizes in (
        ("expected BPTT update", update, "n", (16, 32, 64, 128, 256)),
        ("expected BPTT update", update, "batch", (1, 8, 64, 512, 4096)),
        ("sampled RFLO update", sampled, "n", (16, 32, 64, 128, 256, 512)),
        ("sampled RFLO update", sampled, "T", (25, 100, 400, 1600)),
        ("sampled RFLO update", sampled, "batch", (1, 16, 256, 4096)),
    ):
        cost = [race(make(**{axis: size}), repeats=3)[0] for size in sizes]
        upper = len(sizes) // 2
        exponent = np.polyfit(np.log(sizes[upper:]), np.log(cost[upper:]), 1)[0]
        rows.append((what, axis, sizes, cost, exponent))
    return rows


def machine():
    try:
        models = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    except OSError:
        models = []
    return {
        "date": datetime.date.today().isoformat(),
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "torch": torch.__version__,
        "jax": jax.__version__,
        "diffrax": diffrax.__version__,
    }


def show(value):
    """Three figures of a time in seconds."""
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def report(about, races, costs):
    lines = [
        "# Benchmark",
        "",
        f"{about['date']}, {about['processor']} with {about['cores']} cores, Python {about['python']}, "
        f"NumPy {about['numpy']}, SciPy {about['scipy']}, PyTorch {about['torch']}, "
        f"JAX {about['jax']}, diffrax {about['diffrax']}. One thread each, processor time,",
        "best of several calls, taken in turns. Made by `make bench`.",
        "",
        "| what | ours | peer | theirs | ratio |",
        "| :-- | --: | :-- | --: | --: |",
        *(
            f"| {what} | {show(ours)} | {peer} | {show(theirs)} | {theirs / ours:.1f} |"
            for what, peer, ours, theirs in races
        ),
        "",
        "How the cost grows; the exponent is fitted to the upper half of the sizes.",
        "",
        "| what | axis | sizes | cost | exponent |",
        "| :-- | :-- | :-- | :-- | --: |",
        *(
            f"| {what} | {axis} | {', '.join(map(str, sizes))} | {', '.join(map(show, cost))} | {exponent:.2f} |"
            for what, axis, sizes, cost, exponent in costs
        ),
    ]
    return "\n".join(lines) + "\n"


def main():
    races = [
        *expected_update(n=20, o=1, m=1, batch=(20,)),
        *expected_update(n=128, o=4, m=4, batch=()),
        *(row for n in (4, 20, 64, 128, 256) for row in expected_update(n, 1, 1, batch=())),
        *(row for n, batch in ((4, 25), (4, 200), (20, 200)) for row in expected_update(n, 1, 1, batch=(batch,))),
        *(row for samples in (1, 10, 100, 1000) for row in sampled_update(samples)),
        *(row for name in ("BPTT", "one-step tBPTT", "RFLO", "e-prop") for row in trajectories(name)),
        *four_rules(),
        *compiled_steps(),
    ]
    about, costs = machine(), growth()
    text = report(about, races, costs)
    print("\n" + text)
    (HERE / "results.md").write_text(text, encoding="utf-8")
    stored = {
        "about": about,
        "races": [dict(zip(("what", "peer", "ours", "theirs"), row)) for row in races],
        "growth": [dict(zip(("what", "axis", "sizes", "seconds", "exponent"), row)) for row in costs],
    }
    (HERE / "results.json").write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
