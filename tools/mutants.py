"""Whether the tests would notice: small faults are put into the package, one at a time, and its tests are run on each.

`make mutants SAMPLE=200 SEED=1` draws so many of all mutants, prints the share that the tests kill and each that lived. A
mutant is applied in a copy of the tree, never in the tree. The tests of the mutated file come first, then the others from
the quickest on, up to the first failure. What was found is kept in _build/mutants: a killed mutant until its file changes,
one that lived until package or tests do. Those that change nothing that is promised are listed in tools/without_effect.txt,
a reason behind each, and are counted apart.
"""

import argparse
import ast
import copy
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from sealed import ROOT

JUDGED = "tools/without_effect.txt"  # mutants that no test of what is promised can notice, each with the reason
HEAVY = """pytest hypothesis nbval.plugin nbclient IPython numpy scipy.integrate scipy.linalg scipy.stats sympy mpmath
    matplotlib.pyplot""".split()
APART = """test_build test_everywhere test_form test_howto test_map test_mutants test_notebooks test_packaging test_lab
    test_panels test_readme test_site test_types test_workflows""".split()
PATIENCE, GRACE = 5, 30  # tests hang after so many times the seconds that they take without a mutant, and so many more

COMPARISONS = {
    ast.Lt: [ast.LtE, ast.GtE], ast.LtE: [ast.Lt, ast.Gt], ast.Gt: [ast.GtE, ast.LtE], ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is], ast.In: [ast.NotIn], ast.NotIn: [ast.In],
}  # fmt: skip
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Pow: ast.Mult}
PARTS = ("T", "mT", "real", "imag")  # attributes that can be left out: a transpose, a part of a number


class Mutant(NamedTuple):
    path: str  # of the file, in the tree
    line: int
    before: str
    after: str
    text: str  # of the file with the fault
    around: str = ""  # the line of code, where the fault is a part of it

    @property
    def key(self):
        return hashlib.sha256(f"{self.path}\n{self.text}".encode()).hexdigest()

    @property
    def change(self):
        return f"{self.before}  ->  {self.after}" + (f"  in  {self.around}" if self.around else "")

    def __str__(self):
        return f"{self.path}:{self.line}: {self.change}"


def mutants(path, source):
    """Every mutant of a file, in the order of its lines."""
    whole, lines, starts = source.encode(), source.splitlines(), [0]
    for line in whole.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = {}
    for node in nodes(ast.parse(source)):
        place = node.test if isinstance(node, (ast.If, ast.While)) else node
        first, last = starts[place.lineno - 1] + place.col_offset, starts[place.end_lineno - 1] + place.end_col_offset
        for after in alternatives(node):
            new = f"({after})" if isinstance(place, ast.expr) else after
            text = whole[:first].decode() + new + whole[last:].decode()
            before, line = " ".join(whole[first:last].decode().split()), lines[place.lineno - 1].strip()
            mutant = Mutant(path, place.lineno, before, after, text, line if before in line and before != line else "")
            found.setdefault(mutant.key, mutant)
    return list(found.values())


def nodes(node):
    """The nodes below that are what the program does: no docstring, annotation, message or text."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "ctx", "op", "ops") or name == "exc":
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if isinstance(child, (ast.expr, ast.stmt)):
                yield child
            yield from nodes(child)


def changed(node, **fields):
    node = copy.copy(node)
    for name, value in fields.items():
        setattr(node, name, value)
    return ast.unparse(node)


def alternatives(node):
    """What may stand in a node's place, as source."""
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for other in COMPARISONS[type(op)]:
                yield changed(node, ops=[*node.ops[:i], other(), *node.ops[i + 1 :]])
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in ARITHMETIC:
        yield changed(node, op=ARITHMETIC[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield changed(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        for value in node.values:
            yield ast.unparse(value)
    elif isinstance(node, ast.UnaryOp):
        yield ast.unparse(node.operand)
    elif isinstance(node, ast.Constant):
        yield from map(repr, other_constants(node.value))
    elif isinstance(node, ast.IfExp):
        yield changed(node, body=node.orelse, orelse=node.body)
    elif isinstance(node, (ast.If, ast.While)):
        yield ast.unparse(ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, (ast.Raise, ast.Continue, ast.Break)):
        yield "pass"
    elif isinstance(node, ast.Expr):
        yield "pass"
    elif isinstance(node, ast.Attribute) and node.attr in PARTS and isinstance(node.ctx, ast.Load):
        yield ast.unparse(node.value)
    elif isinstance(node, ast.Call):
        for i in range(len(node.keywords)):
            yield changed(node, keywords=[*node.keywords[:i], *node.keywords[i + 1 :]])
        if node.args and not isinstance(node.args[0], ast.Starred):
            yield ast.unparse(node.args[0])
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call):
            yield ast.unparse(node.func.value)  # f(x).max() to f(x)


def other_constants(value):
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [2 * value, value / 2, -value]
    return []


def every_mutant(root=ROOT):
    paths = sorted(path for path in root.glob("lrnnbook/**/*.py") if path.name != "__init__.py")
    return [mutant for path in paths for mutant in mutants(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))]


def sample(all_mutants, size, seed):
    """So many at random; a larger sample of the same seed holds the smaller one."""
    return sorted(all_mutants, key=lambda mutant: hashlib.sha256(f"{seed} {mutant.key}".encode()).digest())[:size]


def judged(text):
    """`{"path: change": reason}` of a list of mutants, each a line with its reason on the next, indented."""
    entries = [entry.split("\n", 1) for entry in text.strip().split("\n\n") if entry]
    bad = [entry[0] for entry in entries if len(entry) < 2 or not entry[1].strip()]
    if bad:
        raise SystemExit(f"{JUDGED}: expected a reason below each mutant, got none below {bad[0]!r}")
    return {what.strip(): " ".join(why.split()) for what, why in entries}


class Recorder:
    """A plugin of pytest: the quickest tests first, those that took too long left out; keeps seconds and the first failure."""

    def __init__(self, seconds, slowest):
        self.known, self.slowest, self.seconds, self.failed = seconds, slowest, {}, None

    def pytest_collection_modifyitems(self, config, items):
        late = [item for item in items if self.known.get(item.nodeid, 0) > self.slowest]
        config.hook.pytest_deselected(items=late)
        items[:] = sorted((item for item in items if item not in late), key=lambda item: self.known.get(item.nodeid, 0))

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_collectreport(self, report):
        if report.failed:
            self.failed = self.failed or report.nodeid or "collection"


def run_pytest(tree, paths, seconds, slowest, pipe):
    """In a process of its own: what pytest says of these paths of a tree."""
    import pytest

    os.chdir(tree)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they take longer to load than many tests to run
    sys.path.insert(0, str(tree))
    sys.dont_write_bytecode = True
    recorder = Recorder(seconds, slowest)
    with open(Path(tree) / "log", "w", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *paths], plugins=[recorder])
    pipe.send((int(code), recorder.failed, recorder.seconds))


class Trials:
    """A copy of the tree, as it stands now, in which mutants are tried, one at a time."""

    def __init__(self, root, folder, tests, slowest):
        self.folder, self.slowest, self.seconds = Path(folder), slowest, {}
        self.tests = tests or sorted(f"tests/{path.name}" for path in root.glob("tests/test_*.py") if path.stem not in APART)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(HEAVY)
        for name, copied in (("lrnnbook", "package"), ("tests", "tests"), ("tools", "tools")):
            shutil.copytree(root / name, self.folder / copied, ignore=shutil.ignore_patterns("__pycache__"))
        for path in root.iterdir():
            if path.is_file():
                shutil.copy(path, self.folder)

    def run(self, paths):
        """pytest's code, the first test that failed, the seconds of each; None where it hangs or dies."""
        ours, theirs = self.context.Pipe(duplex=False)
        process = self.context.Process(target=run_pytest, args=(self.folder, paths, self.seconds, self.slowest, theirs))
        process.start()
        theirs.close()
        try:
            return ours.recv() if ours.poll(self.patience(paths)) else None
        except EOFError:
            return None
        finally:
            process.kill()
            process.join()

    def apply(self, mutant=None):
        shutil.rmtree(self.folder / "lrnnbook", ignore_errors=True)
        shutil.copytree(self.folder / "package", self.folder / "lrnnbook")
        if mutant is not None:
            (self.folder / mutant.path).write_text(mutant.text, encoding="utf-8")

    def measure(self):
        """Run the tests on the package as it is, where they must pass; return their seconds."""
        self.apply()
        result = self.run(["lrnnbook", *self.tests])
        if result is None or result[0] != 0:
            raise SystemExit("the tests fail without any mutant:\n" + (self.folder / "log").read_text(encoding="utf-8"))
        return result[2]

    def patience(self, paths):
        """After how many seconds tests hang: many times what they take the package as it is, once that is known."""
        own = [took for test, took in self.seconds.items() if took <= self.slowest and test.startswith(tuple(paths))]
        return PATIENCE * sum(own) + GRACE if self.seconds else None

    def killer(self, mutant):
        """The test that kills a mutant, or None."""
        self.apply(mutant)
        own = [mutant.path, *(test for test in self.tests if Path(test).stem == f"test_{Path(mutant.path).stem}")]
        for paths in (own, ["lrnnbook", *(test for test in self.tests if test not in own)]):
            result = self.run(paths)
            if result is None or result[0] not in (0, 5):  # 5: a file without tests
                name = "no end" if result is None else result[1] or "pytest itself"
                if "::" not in name:  # it may be the surroundings that fail
                    self.apply()
                    again = self.run(own)
                    if again is None or again[0] not in (0, 5):
                        raise SystemExit(f"the tests no longer run without a mutant: {', '.join(own)}")
                return name
        return None


class Store:
    """What was found, a line each, and the seconds that the tests take."""

    def __init__(self, folder, root=ROOT):
        self.folder = folder
        files = sorted([*root.glob("lrnnbook/**/*.py"), *(file for file in root.glob("tests/*.py") if file.stem not in APART)])
        self.basis = hashlib.sha256("".join(file.read_text(encoding="utf-8") for file in files).encode()).hexdigest()
        file = folder / "results.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        self.found = {entry["key"]: entry for entry in map(json.loads, lines)}

    def get(self, mutant):
        entry = self.found.get(mutant.key)
        return entry if entry and (entry["killed_by"] or entry["basis"] == self.basis) else None

    def seconds(self, tester):
        """Of each test on the package as it is; measured where that has changed."""
        file = self.folder / "seconds.json"
        kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if (kept.get("basis"), kept.get("tests")) != (self.basis, tester.tests):
            kept = {"basis": self.basis, "tests": tester.tests, "seconds": tester.measure()}
            self.folder.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(kept), encoding="utf-8")
        return kept["seconds"]

    def put(self, mutant, killed_by):
        entry = {"key": mutant.key, "killed_by": killed_by, "basis": self.basis, "what": str(mutant)}
        self.found[mutant.key] = entry
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "results.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def main(arguments=None, root=ROOT):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slowest", type=float, default=float("inf"), help="leave out tests that take more seconds than this")
    parser.add_argument("tests", nargs="*", help="files; all of the package unless named")
    options = parser.parse_args(arguments)
    drawn, store = sample(every_mutant(root), options.sample, options.seed), Store(root / "_build" / "mutants", root)
    missing = [mutant for mutant in drawn if store.get(mutant) is None]
    print(f"{len(drawn)} mutants, {len(drawn) - len(missing)} of them known from before", flush=True)
    if missing:
        with tempfile.TemporaryDirectory() as folder:
            tester = Trials(root, folder, options.tests, options.slowest)
            tester.seconds = store.seconds(tester)
            for number, mutant in enumerate(missing, 1):
                store.put(mutant, tester.killer(mutant))
                print(f"{number} of {len(missing)}, {store.get(mutant)['killed_by'] or 'LIVED'}: {mutant}", flush=True)
    lived = [mutant for mutant in drawn if not store.get(mutant)["killed_by"]]
    file = root / JUDGED
    reasons = judged(file.read_text(encoding="utf-8")) if file.exists() else {}
    apart = [mutant for mutant in lived if f"{mutant.path}: {mutant.change}" in reasons]
    noticed = [mutant for mutant in lived if mutant not in apart]
    if apart:
        print(f"\n{len(apart)} of {len(drawn)} change nothing that is promised ({JUDGED}).")
    whole, dead = len(drawn) - len(apart), len(drawn) - len(lived)
    print(f"\n{dead} of {whole} killed. These lived:" if noticed else f"\nAll {whole} killed.")
    print(*map(str, noticed), sep="\n")


if __name__ == "__main__":
    main()
