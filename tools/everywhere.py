"""Execute chapters as other machines would, and say what comes out differently.

`make everywhere` executes every chapter under every variation of `tools/variations.py` and compares its texts with the
committed ones, as nbval does, and the numbers of its claims with their bounds. `make everywhere CHAPTER=14 VARIATIONS="oldest
jitter-1"` does less. What has been executed is kept in _build/everywhere until chapter or package change.
"""

import argparse
import copy
import hashlib
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from notebooks import CHAPTERS, EXACT, ROOT, time_limit
from outputs import broken, claims, differing, texts
from sealed import seal
from variations import chosen, here, plain

JITTER = Path(__file__).with_name("jitter.py")
TIMEOUT = time_limit()
LINES = 40  # of a cell, in the summary


class Chapter(NamedTuple):
    """A notebook as it stood at the beginning: it may be edited while it is executed."""

    name: str
    folder: Path
    notebook: nbformat.NotebookNode


def load(path):
    return Chapter(path.stem, path.parent, nbformat.read(path, as_version=4))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def executed(chapter, variation):
    """What each code cell says and claims under a variation; a cell that fails does not stop those after it."""
    notebook = copy.deepcopy(chapter.notebook)

    async def disturb(notebook):
        code = f"__import__('runpy').run_path({str(JITTER)!r})['start']({variation.jitter})"
        reply = await client.kc.execute(code, silent=True, reply=True, timeout=TIMEOUT)
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"the jitter does not start: {reply['content']['evalue']}")

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=TIMEOUT,
        allow_errors=True,
        resources={"metadata": {"path": chapter.folder}},
        on_notebook_start=disturb if variation.jitter is not None else None,
    )
    start = time.perf_counter()
    client.execute(env=plain() | variation.environment)
    cells = code_cells(notebook)
    return {
        "texts": [texts(cell) for cell in cells],
        "claims": [claims(cell) for cell in cells],
        "seconds": time.perf_counter() - start,
    }


def attempt(chapter, variation):
    """What `executed` returns; for a kernel that dies or hangs, why."""
    try:
        return executed(chapter, variation)
    except (CellTimeoutError, DeadKernelError, RuntimeError) as error:
        return {"failed": f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"}


class Store:
    """What has been executed, a file each, good as long as all that it depends on."""

    def __init__(self, folder=ROOT / "_build" / "everywhere"):
        files = [*sorted(ROOT.glob("lrnnbook/**/*.py")), ROOT / "benchmarks" / "results.json", ROOT / "requirements.lock", JITTER]
        self.folder, self.basis = folder, [sys.version, *(file.read_text(encoding="utf-8") for file in files)]

    def key(self, chapter, variation):
        code = [cell.source for cell in code_cells(chapter.notebook)]
        return hashlib.sha256(json.dumps([*self.basis, code, variation]).encode()).hexdigest()

    def file(self, chapter, variation):
        return self.folder / f"{chapter.name}.{variation.name}.json"

    def get(self, chapter, variation):
        file = self.file(chapter, variation)
        kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return kept["result"] if kept.get("key") == self.key(chapter, variation) else None

    def put(self, chapter, variation, result):
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.file(chapter, variation)
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps({"key": self.key(chapter, variation), "result": result}), encoding="utf-8")
        partial.replace(file)


def findings(chapter, variation, result):
    """What is not as committed: `[(number of the code cell, its first line, the lines that differ)]`."""
    if "failed" in result:
        return [(0, result["failed"], [])]
    found = []
    for number, cell in enumerate(code_cells(chapter.notebook), 1):
        lines = differing(texts(cell), result["texts"][number - 1])
        if variation.jitter is not None and EXACT in cell.metadata:
            lines = []
        lines += [f"! out of its bounds: {claim}" for claim in result["claims"][number - 1] if broken(claim)]
        if lines:
            found.append((number, cell.source.partition("\n")[0], lines))
    return found


def everywhere(chapters, variations, store):
    """Execute what is not stored, two at a time, a line each; return the results, `{(chapter's, variation's name): result}`."""
    wanted = [(chapter, variation) for variation in variations for chapter in chapters]
    results = {(chapter.name, variation.name): store.get(chapter, variation) for chapter, variation in wanted}
    missing = [pair for pair in wanted if results[pair[0].name, pair[1].name] is None]
    print(f"{len(wanted) - len(missing)} of {len(wanted)} executions are kept from before", flush=True)
    with ProcessPoolExecutor(2) as pool:
        runs = {pool.submit(attempt, *pair): pair for pair in missing}
        for run in as_completed(runs):
            chapter, variation = runs[run]
            result = results[chapter.name, variation.name] = run.result()
            if "failed" not in result:
                store.put(chapter, variation, result)
            count = len(findings(chapter, variation, result))
            outcome = result.get("failed") or (f"{count} cells differ" if count else "as committed")
            seconds = f", {result['seconds']:.0f} s" if "seconds" in result else ""
            print(f"{chapter.name}, {variation.name}: {outcome}{seconds}", flush=True)
    return results


def margins(results):
    """Each claim's smallest and largest number over the variations, and its bounds, a line each."""
    measured = {}
    for (name, _), result in results.items():
        for claim in (claim for cell in result.get("claims", []) for claim in cell):
            bounds = [f"{bound.replace('_', ' ')} {claim[bound]:g}" for bound in ("at_least", "at_most") if bound in claim]
            named = f"{name}, claim {claim['number']}, {claim['what']}, {' and '.join(bounds)}"
            measured.setdefault(named, []).append(claim["measured"])
    return [f"{named}: {min(numbers):.4g} to {max(numbers):.4g}" for named, numbers in sorted(measured.items())]


def chosen_paths(names):
    """The notebooks of these names: paths, or numbers of chapters such as 14; all of them without a name."""
    every = sorted(CHAPTERS.glob("*.ipynb"))
    paths = []
    for name in names:
        fits = [path for path in every if path.stem == name or path.stem.partition("_")[0] == name.zfill(2)]
        paths += fits or [Path(name)]
        if not paths[-1].is_file():
            raise ValueError(f"chapters: expected a number or a notebook, got {name}")
    return paths or every


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", help="numbers or notebooks; all unless named")
    parser.add_argument("--variations", default="", help="names, such as 'oldest no-simd jitter-1'; all unless named")
    options = parser.parse_args()
    seal()
    known, remarks = here()
    try:
        chapters = [load(path) for path in chosen_paths(options.chapters)]
        variations = chosen(options.variations.split(), known) if options.variations else known
    except ValueError as error:
        parser.error(str(error))
    print(f"{len(chapters)} chapters under {', '.join(variation.name for variation in variations)}", flush=True)
    print(*remarks, sep="\n", end="\n" * bool(remarks), flush=True)
    results = everywhere(chapters, variations, Store())
    numbers, count = margins(results), 0
    if numbers:
        print("\nNumbers of claims over these variations:", *numbers, sep="\n")
    for chapter in chapters:
        for variation in variations:
            for number, source, lines in findings(chapter, variation, results[chapter.name, variation.name]):
                count += 1
                lines[LINES:] = [f"and {len(lines) - LINES} lines more"] if len(lines) > LINES else []
                print(f"\n{chapter.name}, cell {number}, {variation.name}: {source}", *lines, sep="\n    ")
    print(f"\n{count} cells are not as committed." if count else "\nEverything is as committed.")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
