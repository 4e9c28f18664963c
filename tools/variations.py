"""The ways in which this machine can compute: what another processor, another library or another rounding would do.

A variation is an environment for the kernel and, for a jitter, its seed.
"""

import os
import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

# What OpenBLAS calls its kernels, oldest first. A library has a few of them, and several names for one.
KERNELS = {
    "x86": """Prescott Core2 Penryn Dunnington Atom Nano Opteron Opteron_SSE3 Barcelona Bobcat Nehalem Bulldozer Piledriver
        Steamroller Excavator Sandybridge Haswell Zen SkylakeX Cooperlake SapphireRapids""".split(),
    "arm": """armv8 cortexa53 cortexa55 cortexa57 cortexa72 cortexa73 falkor thunderx thunderx2t99 thunderx3t110 tsv110 emag8180
        neoversen1 neoversev1 neoversen2 neoversev2 armv8sve a64fx armv9sme vortexm4""".split(),
}
PRODUCT = """
import numpy as np, scipy.linalg
x = np.arange(12.0 * 30).reshape(12, 30) % 7
exact = [[sum(int(p) * int(q) for p, q in zip(a, b)) for b in x] for a in x]
assert (x @ x.T == exact).all()
assert np.allclose(scipy.linalg.inv(x @ x.T + np.eye(12)) @ (x @ x.T + np.eye(12)), np.eye(12))
"""
FOUND = "import numpy as np; print(*np.show_config(mode='dicts').get('SIMD Extensions', {}).get('found', []))"


class Variation(NamedTuple):
    name: str
    environment: dict
    jitter: int | None = None


def here():
    """Every variation of this machine, and remarks on those that it lacks."""
    cores, features = kernels(), simd()
    found = [Variation(name, {"OPENBLAS_CORETYPE": name}) for name in cores]
    if features:
        found.append(Variation("no-simd", {"NPY_DISABLE_CPU_FEATURES": " ".join(features)}))
    if cores:
        found.append(Variation("threads-2", {"OPENBLAS_NUM_THREADS": "2"}))
    found += [Variation(f"jitter-{seed}", {}, seed) for seed in (1, 2, 3)]
    missing = [] if cores else ["NumPy has no OpenBLAS here that lets one choose: no kernels, no threads."]
    return found, missing + ([] if features else ["NumPy's own loops have no faster form here: nothing to switch off."])


def chosen(names, found):
    """The variations of these names; `oldest` is the oldest kernel, where there is any."""
    known = {variation.name: variation for variation in found}
    kernel = next((variation for variation in found if "OPENBLAS_CORETYPE" in variation.environment), None)
    unknown = [name for name in names if name not in known and name != "oldest"]
    if unknown:
        raise ValueError(f"variations: expected some of {' '.join(known)}, or oldest, got {' '.join(unknown)}")
    picked = [kernel if name == "oldest" else known[name] for name in names]
    return [variation for variation in picked if variation]


def plain(environment=os.environ):
    """An environment that chooses nothing: one thread, the processor's own kernels."""
    chosen = {"OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES"}
    return {key: value for key, value in environment.items() if key not in chosen} | {"OPENBLAS_NUM_THREADS": "1"}


def run(code, **environment):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=plain() | environment, capture_output=True, text=True, timeout=120)


def core(name):
    """What OpenBLAS says it computes with when told to use that kernel; None where it does not know it or fails."""
    child = run(PRODUCT, OPENBLAS_CORETYPE=name, OPENBLAS_VERBOSE="2")  # it says so on loading
    told = tuple(dict.fromkeys(re.findall(r"^Core: (.*)$", child.stderr, re.M)))
    return told if told and child.returncode == 0 and "not found" not in child.stderr else None


def kernels(names=None, core=core):
    """One name for each of the kernels that this processor can run, oldest first: its own, or else the first."""
    if names is None:
        names = KERNELS["arm" if platform.machine().lower() in ("arm64", "aarch64") else "x86"]
    found = {}
    with ThreadPoolExecutor(2) as pool:
        for name, told in zip(names, pool.map(core, names)):
            if told and (told not in found or name.lower() == told[0].lower()):
                found[told] = name
    return list(found.values())


def simd():
    """The names of the processor's features for which NumPy has loops of its own."""
    return run(FOUND).stdout.split()
