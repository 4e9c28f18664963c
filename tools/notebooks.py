"""The form in which chapters are committed, and the command that brings them into it.

`python tools/notebooks.py` executes every chapter and writes it back in that form; name chapters to do only those.
An unchanged chapter keeps its bytes.
"""

import argparse
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nbformat
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from sealed import ROOT, seal, surroundings

CHAPTERS = ROOT / "chapters"
TEACHING = ROOT / "teaching"
CONFIG = ROOT / "_config.yml"

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
EXACT = "exact_cancellation"  # why a cell of digits that cancel exactly may be spared the jitter of tools/everywhere.py
CELL_METADATA = {"tags", "mystnb", "jupyter", EXACT}
CLAIM = "application/vnd.lrnnbook.claim+json"
# Pictures, and what comes with measured numbers, which another machine rounds differently.
UNCOMMITTED = re.compile(r"image/|application/vnd\.lrnnbook\.")
MACHINE_PATH = re.compile(r"(?:/(?:home|root|Users|tmp|work|var/folders)/|[A-Z]:\\+Users\\|site-packages|ipykernel_\d)")
# A date with a time of day, as a log or an execution record writes it.
TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")


def clean(notebook):
    """Bring an executed notebook into the committed form, in place: text outputs only, cells counted 1 .. n."""
    notebook.metadata = nbformat.from_dict(METADATA)
    count = 0
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in CELL_METADATA})
        if cell.cell_type != "code":
            cell.pop("attachments", None)
            continue
        count += 1
        cell.execution_count = count
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
            if "data" in output:
                data, told = output.data, output.metadata
                output.data = nbformat.from_dict({k: v for k, v in data.items() if not UNCOMMITTED.match(k)})
                output.metadata = nbformat.from_dict({k: v for k, v in told.items() if k in output.data or k == "scrapbook"})
    return notebook


def problems(notebook):
    """List what keeps a notebook from the committed form; an empty list means that it is in it."""
    found = [] if notebook.metadata == METADATA else ["its metadata are not the book's"]
    count = 0
    for number, cell in enumerate(notebook.cells, 1):
        count += cell.cell_type == "code"
        found += [f"cell {number}: {problem}" for problem in cell_problems(cell, count)]
    return found


def cell_problems(cell, count):
    """Say what is wrong with one cell, by now the `count`-th with code."""
    extra = set(cell.metadata) - CELL_METADATA
    if extra:
        yield f"metadata {sorted(extra)}"
    reason = cell.metadata.get(EXACT, "-")
    if not isinstance(reason, str) or not reason.strip():
        yield f"{EXACT} without a reason"
    if MACHINE_PATH.search(cell.source):
        yield "a machine's path in its source"
    if cell.cell_type != "code":
        return
    if not cell.source.strip():
        yield "an empty code cell"
    if cell.execution_count is None:
        yield "not executed"
    elif cell.execution_count != count:
        yield f"counted {cell.execution_count}, expected {count}"
    for output in cell.outputs:
        if output.output_type == "error":
            yield f"fails with {output.ename}"
        if output.get("name") == "stderr":
            yield "writes to stderr"
        for kind in filter(UNCOMMITTED.match, output.get("data", {})):
            yield "an image among its outputs" if kind.startswith("image/") else f"measured numbers among its outputs: {kind}"
        text = str(output.get("text", "")) + str(output.get("data", ""))
        if MACHINE_PATH.search(text):
            yield "a machine's path among its outputs"
        if TIMESTAMP.search(text):
            yield "a timestamp among its outputs"


class Failure(Exception):
    """Why a chapter cannot be executed, in a few lines that name it."""


def every_notebook():
    """The chapters in their order, and what else of the book is a notebook."""
    return sorted([*CHAPTERS.glob("*.ipynb"), *TEACHING.glob("*.ipynb")])


def time_limit():
    """The seconds that a cell may take, here, in a build and in the tests."""
    return yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["execute"]["timeout"]


def read(path):
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises whatever the JSON or the schema makes it stumble on
        raise Failure(f"{path.name}: not a notebook: {conflict(path) or first_line(error)}") from None


def conflict(path):
    """Where a file holds the mark of a merge conflict, if it does."""
    text = path.read_bytes()
    mark = re.search(rb"^(<{7}|>{7}) ", text, re.M)
    return mark and f"line {len(text[: mark.end()].splitlines())} is the mark of a merge conflict"


def first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def without_figure(notebook):
    """The first code cell, counted from 1, that shows a figure and has none among its outputs."""
    for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1):
        kinds = [kind for output in cell.outputs for kind in output.get("data", {})]
        if "plt.show()" in cell.source and not any(kind.startswith("image/") for kind in kinds):
            return count


def execute(path, **environment):
    """The notebook, executed in the book's surroundings with `environment` in them, and the seconds it took.

    A `Failure` where it cannot be: a cell raises or takes too long, the kernel dies, a figure does not appear.
    """
    notebook = read(path)
    counts = {id(cell): count for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1)}
    reached = ["before the first cell"]
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=time_limit(),
        record_timing=False,
        coalesce_streams=True,  # else the bytes depend on how fast a cell prints
        resources={"metadata": {"path": path.parent}},
        on_cell_execute=lambda cell, cell_index: reached.append(f"code cell {counts[id(cell)]}"),
    )
    start = time.perf_counter()
    try:
        client.execute(env=surroundings(**environment))
    except Exception as error:
        raise Failure(f"{path.name}, {reached[-1]}: {reason(error)}") from None
    if count := without_figure(notebook):
        raise Failure(f"{path.name}, code cell {count}: plt.show() showed no figure")
    return notebook, time.perf_counter() - start


def reason(error):
    """What went wrong in a cell; for one that raised, with the lines that led there, one a function."""
    if isinstance(error, CellTimeoutError):
        return f"takes longer than {time_limit()} s, the limit in {CONFIG.name}"
    if isinstance(error, DeadKernelError):
        return "the kernel died"
    if isinstance(error, CellExecutionError):
        trace = re.sub(r"\x1b\[[\d;]*m", "", error.traceback)
        return "\n    ".join([f"{error.ename}: {error.evalue}", *re.findall(r"^-+> *\d+ .*", trace, re.M)[:4]])
    return f"{type(error).__name__}: {first_line(error)}"


def refresh(path):
    """Execute and clean one chapter; return the seconds it took and whether its bytes changed."""
    before = path.read_bytes()
    notebook, seconds = execute(path)
    after = (nbformat.writes(clean(notebook)).rstrip("\n") + "\n").encode("utf-8")
    if after != before:
        path.write_bytes(after)
    return seconds, after != before


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="*", type=Path, help="notebooks; all of the book unless named")
    paths = parser.parse_args().chapters or every_notebook()
    seal()
    failures = []
    with ProcessPoolExecutor(2) as pool:
        runs = [(path, pool.submit(refresh, path)) for path in paths]
        for path, run in runs:
            try:
                seconds, changed = run.result()
            except Failure as failure:
                failures.append(str(failure))
                continue
            print(f"{path.name}: {seconds:.1f} s, {'refreshed' if changed else 'unchanged'}", flush=True)
    return "\n".join(failures) or None


if __name__ == "__main__":
    sys.exit(main())
