"""The book without solutions, for a class: `make book STUDENT=1` writes it to `_build/course/site`.

Solutions are taken out of the chapters before anything is built, so that they are in no page, no source, no download and
no index of words. The chapters' results come from the cache that the book itself was built from, and nothing is executed anew.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from book import BUILD, PACKAGE, sources
from execute import cached
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from notebooks import every_notebook, read
from sealed import ROOT, seal

TREE = BUILD / "student"
SITE = BUILD / "course" / "site"
START = re.compile(r"^(`{3,}|:{3,})\{solution-start\}.*?^\1[ \t]*$\n?", re.M | re.S)
END = re.compile(r"^(`{3,}|:{3,})\{solution-end\}.*?^\1[ \t]*$\n?", re.M | re.S)
WHOLE = re.compile(r"^(`{3,}|:{3,})\{solution\}.*?^\1[ \t]*$\n?", re.M | re.S)


def without_solutions(notebook):
    """Take the solutions out of a notebook, in place, in both the forms that a chapter may give them."""
    kept, inside = [], False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source, inside = outside(WHOLE.sub("", cell.source), inside)
            if not cell.source:
                continue
        elif inside:
            continue
        kept.append(cell)
    if inside:
        raise ValueError("a solution that does not end")
    notebook.cells = kept
    return notebook


def outside(text, inside):
    """What of a text is outside of solutions, and whether one is open at its end."""
    kept = []
    while mark := (END if inside else START).search(text):
        if not inside:
            kept.append(text[: mark.start()])
        text, inside = text[mark.end() :], not inside
    if not inside:
        kept.append(text)
    return re.sub(r"\n{3,}", "\n\n", "".join(kept)).strip(), inside


def copy_tree():
    """The sources of the book in a folder of their own, the chapters without solutions and with their results cached."""
    shutil.rmtree(TREE, ignore_errors=True)
    tests = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "tests").glob("*.py")}
    for name, path in (sources() | tests).items():
        target = TREE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    folder = TREE / PACKAGE.parent.relative_to(ROOT)
    folder.mkdir(parents=True)
    shutil.copyfile(PACKAGE, folder / PACKAGE.name)
    book, own = get_cache(PACKAGE.parent), get_cache(folder)
    for path in every_notebook():
        if not cached(book, path):
            raise SystemExit(f"{path.name} has no results: run make book first")
        _, executed = book.merge_match_into_notebook(read(path))
        target = TREE / path.relative_to(ROOT)
        nbformat.write(without_solutions(executed), target)
        own.cache_notebook_bundle(CacheBundleIn(executed, str(target)), check_validity=False, overwrite=True)


def main():
    seal()
    copy_tree()
    run = subprocess.run([sys.executable, "-I", str(TREE / "tools" / "sealed.py"), str(TREE / "tools" / "book.py")])
    if run.returncode:
        sys.exit("The student edition does not stand.")
    shutil.rmtree(SITE, ignore_errors=True)
    SITE.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(TREE / Path("_build/html"), SITE)
    shutil.rmtree(TREE)
    print("The student edition stands. Open _build/course/site/index.html in a browser.")


if __name__ == "__main__":
    main()
