"""Make the environment `.venv`: the exact versions of requirements.lock, and this tree's package.

It is made anew when the lock or pyproject.toml changes, when it was made in another place (it cannot be moved or copied), for
another Python, or not to its end. `--any` keeps one made with another Python than the one that runs this. A link is another
tree's environment and is used as it is. With a folder and further requirements it makes that environment.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ASK = "import sys; print(sys.version, sys.base_prefix)"


def python(folder):
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def foundation(interpreter):
    """The Python that an interpreter is or was made with; nothing where it does not run."""
    try:
        return subprocess.run([str(interpreter), "-I", "-c", ASK], capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def record(folder, requirements, made_with):
    """What an environment is made of."""
    files = hashlib.sha256(b"\0".join(path.read_bytes() for path in [*requirements, ROOT / "pyproject.toml"]))
    return "\n".join([str(folder), files.hexdigest(), made_with])


def install(folder, requirements):
    """Make it from nothing, whatever lies there, so that every hash of the lock is verified."""
    # What a shell or a home folder tells Python and pip about where to install is not meant for this.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_TARGET", "PIP_PREFIX"))}
    lock, *further = requirements
    pip = [str(python(folder)), "-m", "pip", "-qq", "install"]
    for command in (
        [sys.executable, "-I", "-m", "venv", "--clear", str(folder)],
        [*pip, "--require-hashes", "-r", str(lock)],
        *([*pip, "-r", str(path)] for path in further),
        [*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)],
    ):
        subprocess.run(command, env={**kept, "PIP_USER": "0"}, check=True)


def main(arguments):
    if sys.version_info < (3, 11):
        sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 book")
    names = [argument for argument in arguments if argument != "--any"]
    folder = ROOT / (names[0] if names else ".venv")
    requirements = [ROOT / name for name in ["requirements.lock", *names[1:]]]
    if folder.is_symlink():
        return
    stamp = folder / ".installed"
    there = foundation(python(folder))
    wanted = there if "--any" in arguments and there else foundation(sys.executable)
    found = stamp.read_text(encoding="utf-8") if stamp.is_file() else ""
    if there == wanted and found == record(folder, requirements, wanted):
        return
    print(f"Installing the exact versions of requirements.lock into {folder.name}: a minute or more, once", flush=True)
    try:
        install(folder, requirements)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{folder.name} could not be made: {' '.join(error.cmd)}")
    stamp.write_text(record(folder, requirements, foundation(python(folder))), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
