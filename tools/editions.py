"""The chapters as notebooks for a class: for students without solutions and with a stub where something is to be computed, for
instructors with everything and with what goes wrong in the self-checks.

Both are made from the stand-alone notebooks that the book's build leaves in `notebooks/`, in which no directive is left: cells of
solutions are tagged `solution`, those of exercises `exercise`.
"""

import copy
import re
import shutil

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

TITLE = re.compile(r"Exercise\s+(\d+\.\d+)\s*\(?(Compute)?")


def tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])


def for_students(notebook, graded=()):
    """A copy without solutions, with a cell that fails as it stands after every exercise that asks for a computation.

    `graded` are the graded exercises of the chapter: their stubs and visible checks stand at the end.
    """
    made = copy.deepcopy(notebook)
    cells = []
    for cell in made.cells:
        if tagged(cell, "solution"):
            continue
        cells.append(cell)
        title = TITLE.search(cell.source) if tagged(cell, "exercise") else None
        if title and title[2]:
            stub = f'raise NotImplementedError("Exercise {title[1]}: your answer goes here")'
            cells.append(new_code_cell(stub, metadata={"tags": ["stub", "raises-exception"]}))
    for exercise in graded:
        cells.append(new_markdown_cell(f"## Graded: {exercise.title}\n\n{exercise.asked}"))
        cells.append(new_code_cell(exercise.stub, metadata={"tags": ["stub"]}))
        cells.append(new_code_cell(exercise.check("visible"), metadata={"tags": ["check", "raises-exception"]}))
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    made.cells = cells
    return made


def for_instructors(notebook, questions):
    """A copy with, at its end, where students stumble: the wrong answers to the self-checks and what lies behind them."""
    made = copy.deepcopy(notebook)
    parts = ["## Where students stumble\n\nThe self-checks of this chapter, and what a wrong answer tells you."]
    for number, (text, answer, wrong) in enumerate(questions, 1):
        listed = "\n".join(f"- *{given}*: {why}" for given, why in wrong)
        parts.append(f"**{number}. {text}**\n\nRight: {answer}\n\n{listed}")
    made.cells.append(new_markdown_cell("\n\n".join(parts), metadata={"tags": ["instructor"]}))
    return made


def write(site, folder, exercises, questions):
    """Both editions of every chapter, with what lies beside them for their first cell to install; how many there are."""
    sources = sorted((site / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    beside = [path for path in (site / "notebooks").glob("*") if path.suffix in (".whl", ".txt")]
    for path in sources:
        notebook, number = nbformat.read(path, as_version=4), int(path.name[:2])
        editions = {
            "student": for_students(notebook, [exercise for exercise in exercises if exercise.chapter == number]),
            "instructor": for_instructors(notebook, questions(number)),
        }
        for name, made in editions.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            nbformat.write(made, folder / name / path.name)
            for file in beside:
                shutil.copyfile(file, folder / name / file.name)
    return len(sources)
