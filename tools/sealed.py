"""The surroundings in which the book is executed and tested: the same, whatever a reader's shell and home folder hold.

Python, Jupyter, IPython and matplotlib take modules, kernels, settings and folders from the environment. Here they find
this tree's package, the kernel of the Python that runs, and folders in `_build`. What OpenBLAS and NumPy are told stays.

`python tools/sealed.py ARGUMENTS` is `python ARGUMENTS` in these surroundings.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OWN = ROOT / "_build" / ".own"
FOREIGN = ("PYTHON", "JUPYTER", "IPYTHON", "MPL", "MATPLOTLIB", "PYDEVD", "PYTEST", "SPHINX", "DOCUTILS", "TQDM", "FORCE_COLOR")
SEAL = "BOOK_SEALED"


def surroundings(**more):
    """The environment of a sealed process, with `more` in it; within such a process, what it has itself."""
    if os.environ.get(SEAL) == str(ROOT):
        return os.environ | more
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(FOREIGN)}
    own = {
        SEAL: ROOT,
        "PYTHONPATH": ROOT,
        "PYTHONNOUSERSITE": 1,
        "PYTHONUTF8": 1,
        "JUPYTER_PREFER_ENV_PATH": 1,
        "JUPYTER_CONFIG_DIR": OWN / "jupyter",
        "JUPYTER_DATA_DIR": OWN / "jupyter",
        "JUPYTER_RUNTIME_DIR": OWN / "jupyter" / "runtime",
        "IPYTHONDIR": OWN / "ipython",
        "MPLCONFIGDIR": OWN / "matplotlib",
        "XDG_CONFIG_HOME": OWN / "config",
        "XDG_CACHE_HOME": OWN / "cache",
    }
    # One thread a process: two chapters and two test workers run side by side.
    return {"OPENBLAS_NUM_THREADS": "1"} | kept | {name: str(value) for name, value in own.items()} | more


def seal():
    """Seal this process and those that it starts; where its modules come from was settled when it began."""
    sealed = surroundings()
    os.environ.clear()
    os.environ.update(sealed)
    for name in ("IPYTHONDIR", "MPLCONFIGDIR", "JUPYTER_RUNTIME_DIR"):
        Path(sealed[name]).mkdir(parents=True, exist_ok=True)
    import matplotlib.font_manager  # noqa: F401  (lists the fonts once, and says so here and not in a cell)


if __name__ == "__main__":
    sys.exit(subprocess.call([sys.executable, *sys.argv[1:]], env=surroundings()))
