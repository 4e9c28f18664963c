"""Execute chapters as other machines would, and say what comes out differently.

`make everywhere` executes every chapter under every variation of `tools/variations.py` and compares its texts with the committed ones, as
nbval does, and the numbers of its claims with their bounds. `make everywhere CHAPTER=14 VARIATIONS="oldest jitter-1"` does less.
What has been executed is kept in _build/everywhere and not executed again until chapter or package change.
"""

import argparse
import hashlib
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from notebooks import CHAPTERS, EXACT, ROOT
from outputs import broken, claims, differing, texts
from variations import chosen, here, plain

STORE = ROOT / "_build" / "everywhere"
JITTER = Path(__file__).with_name("jitter.py")
TIMEOUT = 300  # seconds a cell


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def executed(path, variation):
    """What each code cell says and claims under a variation; a cell that fails does not stop those after it."""
    notebook = nbformat.read(path, as_version=4)

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
        resources={"metadata": {"path": path.parent}},
        on_notebook_start=disturb if variation.jitter is not None else None,
    )
    start = time.perf_counter()
    client.execute(env=plain() | variation.environment)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return {
        "texts": [texts(cell) for cell in cells],
        "claims": [claims(cell) for cell in cells],
        "seconds": time.perf_counter() - start,
    }


def key(path, variation):
    """A hash of all that an execution depends on."""
    package = [*sorted(ROOT.glob("lrnnbook/*.py")), ROOT / "benchmarks" / "results.json", ROOT / "requirements.lock", JITTER]
    code = [cell.source for cell in code_cells(path)]
    parts = [sys.version, json.dumps(code), json.dumps(variation), *(file.read_text(encoding="utf-8") for file in package)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def stored(path, variation, store):
    """An execution that is still good, or None."""
    file = store / f"{path.stem}.{variation.name}.json"
    result = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return result if result.get("key") == key(path, variation) else None


def keep(result, path, variation, store):
    store.mkdir(parents=True, exist_ok=True)
    partial = store / f"{path.stem}.{variation.name}.partial"
    partial.write_text(json.dumps(result), encoding="utf-8")
    partial.replace(partial.with_suffix(".json"))


def findings(path, variation, result):
    """What is not as committed: `[(number of the code cell, its first line, the lines that differ)]`."""
    found = []
    for number, cell in enumerate(code_cells(path), 1):
        lines = differing(texts(cell), result["texts"][number - 1])
        if variation.jitter is not None and EXACT in cell.metadata:
            lines = []
        lines += [f"! out of its bounds: {claim}" for claim in result["claims"][number - 1] if broken(claim)]
        if lines:
            found.append((number, cell.source.partition("\n")[0], lines))
    return found


def attempt(path, variation):
    """What `executed` returns, with its key; for a kernel that dies or hangs, why."""
    try:
        return executed(path, variation) | {"key": key(path, variation)}
    except (CellTimeoutError, DeadKernelError, RuntimeError) as error:
        return {"failed": f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"}


def everywhere(paths, variations, store=STORE):
    """Execute what is not stored, two at a time, a line each; return all findings, with chapter and variation."""
    wanted = [(path, variation) for variation in variations for path in paths]
    results = {(path.stem, variation.name): stored(path, variation, store) for path, variation in wanted}
    missing = [pair for pair in wanted if results[pair[0].stem, pair[1].name] is None]
    print(f"{len(wanted) - len(missing)} of {len(wanted)} executions are kept from before", flush=True)
    with ProcessPoolExecutor(2) as pool:
        runs = {pool.submit(attempt, *pair): pair for pair in missing}
        for run in as_completed(runs):
            path, variation = runs[run]
            result = results[path.stem, variation.name] = run.result()
            if "failed" in result:
                print(f"{path.stem}, {variation.name}: {result['failed']}", flush=True)
                continue
            keep(result, path, variation, store)
            count = len(findings(path, variation, result))
            outcome = f"{count} cells differ" if count else "as committed"
            print(f"{path.stem}, {variation.name}: {outcome}, {result['seconds']:.0f} s", flush=True)
    found = []
    for path, variation in wanted:
        result = results[path.stem, variation.name]
        if "failed" in result:
            found.append((path.stem, variation.name, 0, result["failed"], []))
        else:
            found += [(path.stem, variation.name, *finding) for finding in findings(path, variation, result)]
    return found


def margins(paths, variations, store=STORE):
    """Each claim's smallest and largest number over the variations, and its bounds, a line each."""
    lines = []
    for path in paths:
        measured = {}
        for result in filter(None, (stored(path, variation, store) for variation in variations)):
            for claim in (claim for cell in result["claims"] for claim in cell):
                bounds = [f"{name.replace('_', ' ')} {claim[name]:g}" for name in ("at_least", "at_most") if name in claim]
                named = f"{path.stem}, claim {claim['number']}, {claim['what']}, {' and '.join(bounds)}"
                measured.setdefault(named, []).append(claim["measured"])
        lines += [f"{named}: {min(numbers):.4g} to {max(numbers):.4g}" for named, numbers in measured.items()]
    return lines


def chapters(names):
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
    known, remarks = here()
    try:
        paths = chapters(options.chapters)
        variations = chosen(options.variations.split(), known) if options.variations else known
    except ValueError as error:
        parser.error(str(error))
    print(f"{len(paths)} chapters under {', '.join(variation.name for variation in variations)}", *remarks, sep="\n", flush=True)
    found = everywhere(paths, variations)
    numbers = margins(paths, variations)
    if numbers:
        print("\nNumbers of claims over these variations:", *numbers, sep="\n")
    for chapter, variation, number, source, lines in found:
        print(f"\n{chapter}, cell {number}, {variation}: {source}", *lines, sep="\n    ")
    print(f"\n{len(found)} cells are not as committed." if found else "\nEverything is as committed.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
