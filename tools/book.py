"""Build the book into `_build/html`, unless the last build had the same sources.

Sources are compared by what they say, not by their times, so that a restored file counts as the change that it is.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from execute import bring_up_to_date
from notebooks import conflict
from sealed import ROOT, seal

BUILD = ROOT / "_build"
BUILT = BUILD / "html" / ".built"
PACKAGE = BUILD / ".jupyter_cache" / ".package"
# What the results of all chapters depend on, beside their own code.
ALL_CHAPTERS = (
    "lrnnbook/",
    "benchmarks/results.json",
    "requirements.lock",
    "pyproject.toml",
    "tools/notebooks.py",
    "tools/sealed.py",
)

ADDRESSES = ("BOOK_REPOSITORY", "BOOK_BRANCH", "BOOK_NOTEBOOKS_BRANCH", "BOOK_SITE")  # what _ext/address.py reads


def sources():
    """Every file of the tree that a page may show, by its name."""
    found = {}
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if not re.match(r"\.|_build$|tests$|__pycache__$|.*\.egg-info$", name)]
        found |= {(path := Path(folder, name)).relative_to(ROOT).as_posix(): path for name in files if name[0] != "."}
    return found


def digest(paths, *more):
    """One line that differs when any of the files does."""
    total = hashlib.sha256(repr(more).encode())
    for name, path in sorted(paths.items()):
        total.update(f"\0{name}\0".encode() + path.read_bytes())
    return total.hexdigest()


def says(path, line):
    return path.is_file() and path.read_text(encoding="utf-8") == line


def site():
    """Have the pages built; the warnings come last, each with its chapter, cell and line."""
    jupyter_book = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", jupyter_book, "build", str(ROOT), "-W", "-n", "--keep-going"]
    run = subprocess.run(command, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    print(re.sub(r"\.ipynb:(\d+)(\d{4}):", in_its_cell, run.stderr), end="", file=sys.stderr)
    return run.returncode == 0


def in_its_cell(at):
    """MyST-NB's line number, which counts 10000 lines a cell and starts at 2, in words."""
    return f".ipynb, cell {at[1]}, line {max(1, int(at[2]) - 1)}:"


def main():
    seal()
    files = sources()
    book = digest(files, sys.version, *map(os.environ.get, ADDRESSES))
    if says(BUILT, book):
        return
    print("Building the book: chapters that changed are executed, a few seconds each", flush=True)
    for stale in (BUILD / "html", BUILD / ".doctrees"):
        shutil.rmtree(stale, ignore_errors=True)
    package = digest({name: path for name, path in files.items() if name.startswith(ALL_CHAPTERS)}, sys.version)
    if not says(PACKAGE, package):
        shutil.rmtree(PACKAGE.parent, ignore_errors=True)
        PACKAGE.parent.mkdir(parents=True)
        PACKAGE.write_text(package, encoding="utf-8")
    faults = [f"{name}: {mark}" for name, path in files.items() if (mark := conflict(path))]
    faults = faults or [str(failure) for failure in bring_up_to_date().values()]
    if faults or not site():
        shutil.rmtree(BUILD / "html", ignore_errors=True)
        sys.exit("\n".join([*faults, "The book does not stand."]))
    BUILT.write_text(book, encoding="utf-8")


if __name__ == "__main__":
    main()
