"""The graded exercises of `course/graded/`, one file a chapter, as assignments for Otter-Grader.

A file's docstring is a title and what is asked. Its first function is the right answer: a student gets its first lines and a
body that raises NotImplementedError. `visible(answer)` is a check that students have, `hidden(answer, rng)` one that they do not:
it draws its numbers anew each time it is run, and compares with something that shares no code with the answer. `slip` is a
mistake that students make, for the tests of the book.
"""

import ast
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell
from sealed import ROOT

FOLDER = ROOT / "course" / "graded"
OTTER = ROOT / ".venv-course" / ("Scripts/otter.exe" if sys.platform == "win32" else "bin/otter")
DRAWN = "np.random.default_rng()"  # an instructor who wants the same numbers for everybody puts a secret number in the brackets
MISSING = 'raise NotImplementedError("your answer goes here")'
HANDED_OUT = (
    "Replace each line that raises `NotImplementedError`. The cell below each answer runs the check that you can see; the others "
    "are run when the notebook is graded, with numbers that are drawn then."
)
CONFIG = """# ASSIGNMENT CONFIG
export_cell: false
check_all_cell: true
show_question_points: true
"""


@dataclass(frozen=True)
class Exercise:
    """One graded exercise: the module, and its source."""

    path: Path

    @cached_property
    def module(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"graded_{self.path.stem}", self.path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    @property
    def chapter(self):
        return int(self.path.stem[:2])

    @property
    def name(self):
        return self.path.stem[3:]

    @property
    def title(self):
        return self.module.__doc__.splitlines()[0]

    @property
    def asked(self):
        return self.module.__doc__.partition("\n")[2].strip()

    @property
    def about(self):
        """The label of the exercise or theorem of the book that it grades."""
        return self.module.ABOUT

    @cached_property
    def functions(self):
        """The functions of the file, in its order: `{name: source}`."""
        source = self.path.read_text(encoding="utf-8")
        tree = ast.parse(source)
        return {node.name: ast.get_source_segment(source, node) for node in tree.body if isinstance(node, ast.FunctionDef)}

    @property
    def answer(self):
        return next(iter(self.functions))

    @property
    def right(self):
        return getattr(self.module, self.answer)

    @cached_property
    def parted(self):
        """The right answer in two: its first lines with the docstring, and its body."""
        source = self.functions[self.answer]
        node = ast.parse(source).body[0]
        last = node.body[0].end_lineno
        lines = source.splitlines()
        return "\n".join(lines[:last]), "\n".join(lines[last:])

    @property
    def stub(self):
        return f"{self.parted[0]}\n    {MISSING}\n"

    def check(self, kind):
        """The code of a check, `visible` or `hidden`, that a notebook runs."""
        arguments = self.answer if kind == "visible" else f"{self.answer}, {DRAWN}"
        return f"{self.functions[kind]}\n\n{kind}({arguments})"

    def cells(self):
        """The exercise in Otter's master format."""
        head, body = self.parted
        prompt = ['""" # BEGIN PROMPT', MISSING, '""" # END PROMPT', "# BEGIN SOLUTION NO PROMPT"]
        solution = "\n".join([head, *(f"    {line}" for line in prompt), body, "    # END SOLUTION"])
        return [
            new_raw_cell(f"# BEGIN QUESTION\nname: {self.name}\npoints: [1, 3]"),
            new_markdown_cell(f"## {self.title}\n\n{self.asked}"),
            new_raw_cell("# BEGIN SOLUTION"),
            new_code_cell(solution),
            new_raw_cell("# END SOLUTION"),
            new_raw_cell("# BEGIN TESTS"),
            new_code_cell(self.check("visible")),
            new_code_cell(f"# HIDDEN\n{self.check('hidden')}"),
            new_raw_cell("# END TESTS"),
            new_raw_cell("# END QUESTION"),
        ]


def exercises():
    return [Exercise(path) for path in sorted(FOLDER.glob("[0-9][0-9]_*.py"))]


def master(title, parts):
    """One assignment of several exercises in Otter's master format."""
    words = f"# {title}\n\n{HANDED_OUT}"
    imports = "import lrnnbook as lb\nimport numpy as np"
    start = [new_raw_cell(CONFIG), new_markdown_cell(words), new_code_cell(imports)]
    notebook = new_notebook(cells=[*start, *(cell for part in parts for cell in part.cells())])
    notebook.metadata = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}}
    return notebook


def assign(name, title, parts, folder):
    """Have Otter make `student/` and `autograder/` of an assignment in a folder of its own."""
    source = Path(folder) / name / f"{name}.ipynb"
    source.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(master(title, parts), source)
    run = subprocess.run([OTTER, "assign", "--no-pdfs", source.name, "."], cwd=source.parent, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"otter assign {name}: {run.stderr.strip()[-400:]}")
    (made,) = source.parent.glob("autograder/*.zip")
    made.rename(archive(folder, name))  # without the time in its name
    source.unlink()
    return source.parent


def archive(folder, name):
    return Path(folder) / name / "autograder" / f"{name}-autograder.zip"


def grade(submission, autograder, folder):
    """Grade a notebook; `{name of the question: share of its points}`."""
    command = [OTTER, "run", "-a", str(autograder), "-o", str(folder), "--no-logo", str(submission)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    results = Path(folder) / "results.json"
    if run.returncode or not results.is_file():
        raise RuntimeError(f"otter run: {(run.stderr or run.stdout).strip()[-400:]}")
    found = {}
    for test in json.loads(results.read_text(encoding="utf-8"))["tests"]:
        if "max_score" in test and test["max_score"]:
            question = test["name"].split(" - ")[0].split(" ")[0]
            score, most = found.get(question, (0, 0))
            found[question] = score + test["score"], most + test["max_score"]
    return {question: score / most for question, (score, most) in found.items()}
