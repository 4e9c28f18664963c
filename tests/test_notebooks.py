"""Chapters are committed in one form (tools/notebooks.py brings them into it) and hold what every chapter promises."""

import copy
import re

import nbformat
import pytest
from notebooks import CHAPTERS, METADATA, clean, every_notebook, problems
from solutions import code_that_is_not_run, read_solutions

PATHS = every_notebook()
STATEMENTS = ("prf:theorem", "prf:proposition", "prf:lemma")
every = pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
NUMBERED = [path for path in PATHS if path.is_relative_to(CHAPTERS)]
every_chapter = pytest.mark.parametrize("path", NUMBERED, ids=[path.stem for path in NUMBERED])


def load(path):
    return nbformat.read(path, as_version=4)


def prose(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def directives(text, name):
    """The argument and the options of each directive of that name: `[(argument, {option: value})]`."""
    found = []
    fence = rf"^\s*(?:`{{3,}}|:{{3,}})\{{{re.escape(name)}\}}[ \t]*(.*)\n((?:\s*:[\w-]+:.*\n)*)"
    for match in re.finditer(fence, text + "\n", re.M):
        options = dict(re.findall(r"^\s*:([\w-]+):[ \t]*(.*)$", match[2], re.M))
        found.append((match[1].strip(), options))
    return found


def test_there_are_chapters():
    assert PATHS


@every
def test_is_in_the_committed_form(path):
    assert problems(load(path)) == [], "make refresh brings it there"


@every
def test_is_written_as_make_refresh_writes_it(path):
    assert (nbformat.writes(load(path)).rstrip("\n") + "\n").encode() == path.read_bytes()


@every_chapter
def test_exercises_have_solutions(path):
    notebook = load(path)
    asked = [options.get("label") for _, options in directives(prose(notebook), "exercise")]
    solutions, wrong = read_solutions(notebook)
    assert wrong == []
    assert len(asked) >= 3
    assert len(set(asked)) == len(asked), "two exercises share a label"
    assert sorted(solution.label for solution in solutions) == sorted(asked)
    for solution in solutions:
        assert solution.options.get("class") == "dropdown", f"{solution.label} is not folded away"
        assert not any(token.type == "heading_open" for token in solution.tokens), f"{solution.label} has a heading inside"


@every
def test_code_in_solutions_is_run(path):
    """Code in a solution is a cell, between a start and an end: executed with the chapter, its output compared."""
    for solution in read_solutions(load(path))[0]:
        code = list(code_that_is_not_run(solution.tokens))
        assert not code, f"{solution.label}: no cell runs this:\n{code[0]}"


@every_chapter
def test_states_a_numbered_result(path):
    text = prose(load(path))
    stated = [options for name in STATEMENTS for _, options in directives(text, name)]
    assert any("label" in options and "nonumber" not in options for options in stated)


@every
def test_code_cells_fit_on_a_screen(path):
    for cell in code_cells(load(path)):
        assert len(cell.source.splitlines()) <= 40, cell.source


@every
def test_figures_are_named_captioned_described_and_mentioned(path):
    notebook = load(path)
    for cell in code_cells(notebook):
        if "plt.show()" not in cell.source:
            continue
        here = f"the cell that starts {cell.source[:60]!r}"
        meta = cell.metadata.get("mystnb", {})
        figure, alt = meta.get("figure", {}), meta.get("image", {}).get("alt", "")
        assert figure.get("caption", "").strip(), f"{here} has no caption"
        assert len(alt.split()) >= 5, f"{here} has no alternative text that says what is seen"
        named = rf"{{numref}}`(?:[^`]*<)?{re.escape(figure.get('name', ''))}>?`"
        assert figure.get("name") and re.search(named, prose(notebook)), f"{here}: the text has no {{numref}} to it"


# What each rule is for, broken once


def output(kind, **content):
    return nbformat.v4.new_output(kind, **content)


@pytest.fixture
def notebook():
    """A notebook in the committed form: a cell of text, a calculation, a figure."""
    cells = [
        nbformat.v4.new_markdown_cell("# A title"),
        nbformat.v4.new_code_cell(
            "6 * 7", execution_count=1, outputs=[output("execute_result", execution_count=1, data={"text/plain": "42"})]
        ),
        nbformat.v4.new_code_cell(
            "plt.show()", execution_count=2, outputs=[output("display_data", data={"text/plain": "<Figure>"})]
        ),
    ]
    return nbformat.v4.new_notebook(cells=cells, metadata=copy.deepcopy(METADATA))


def image(notebook):
    notebook.cells[2].outputs[0].data["image/svg+xml"] = "<svg/>"


def claimed(notebook):
    notebook.cells[1].outputs[0].data["application/vnd.lrnnbook.claim+json"] = {"number": 7, "measured": 1e-16}


def unexecuted(notebook):
    notebook.cells[1].update(execution_count=None, outputs=[])


def failing(notebook):
    notebook.cells[1].outputs = [output("error", ename="ValueError", evalue="no", traceback=[])]


def miscounted(notebook):
    notebook.cells[2].execution_count = 7


def warning(notebook):
    notebook.cells[1].outputs.append(output("stream", name="stderr", text="a warning"))


def printed(text):
    def change(notebook):
        notebook.cells[1].outputs.append(output("stream", name="stdout", text=text))

    return change


def recorded(notebook):
    notebook.cells[1].metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}


def unreasoned(notebook):
    notebook.cells[1].metadata["exact_cancellation"] = " "


def another_kernel(notebook):
    notebook.metadata["kernelspec"]["name"] = "my-env"


def empty_cell(notebook):
    notebook.cells.append(nbformat.v4.new_code_cell("", execution_count=3))


def path_in_source(notebook):
    notebook.cells[1].source = 'open("/home/me/data.csv")'


def test_the_committed_form_has_no_problems(notebook):
    assert problems(notebook) == []


@pytest.mark.parametrize(
    "change, says",
    [
        (image, "an image"),
        (claimed, "measured numbers among its outputs"),
        (unexecuted, "not executed"),
        (failing, "fails with ValueError"),
        (miscounted, "counted 7, expected 2"),
        (warning, "stderr"),
        (printed("saved at 2026-01-02 03:04:05"), "a timestamp"),
        (printed("/home/me/data.csv"), "a machine's path among its outputs"),
        (printed(r"C:\Users\me\data.csv"), "a machine's path among its outputs"),
        (path_in_source, "a machine's path in its source"),
        (recorded, "metadata ['execution']"),
        (unreasoned, "exact_cancellation without a reason"),
        (another_kernel, "metadata are not the book's"),
        (empty_cell, "an empty code cell"),
    ],
)
def test_each_problem_is_found(notebook, change, says):
    change(notebook)
    found = problems(notebook)
    assert len(found) == 1 and says in found[0], found


@pytest.mark.parametrize("change", [image, claimed, miscounted, recorded, another_kernel])
def test_clean_mends_what_it_can_and_then_changes_nothing(notebook, change):
    change(notebook)
    clean(notebook)
    assert problems(notebook) == []
    once = copy.deepcopy(notebook)
    assert clean(notebook) == once


def test_clean_keeps_the_reason_for_an_exact_cancellation(notebook):
    notebook.cells[1].metadata["exact_cancellation"] = "six times seven"
    assert problems(clean(notebook)) == [] and notebook.cells[1].metadata == {"exact_cancellation": "six times seven"}


def test_clean_keeps_the_text_beside_an_image(notebook):
    image(notebook)
    assert clean(notebook).cells[2].outputs[0].data == {"text/plain": "<Figure>"}


def test_directives_are_found():
    text = "```{exercise} Compute\n:label: ex-a\n\nText\n```\n\n:::{solution} ex-a\n:class: dropdown\n:::"
    assert directives(text, "exercise") == [("Compute", {"label": "ex-a"})]
    assert directives(text, "solution") == [("ex-a", {"class": "dropdown"})]
    assert directives(text, "prf:lemma") == []


START = "```{solution-start} ex-a\n:class: dropdown\n```"
END = "```{solution-end}\n```"


def solved(*texts):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text) for text in texts])


def test_solutions_are_found_in_both_forms():
    whole = ":::{solution} ex-b\n:class: dropdown\n\nText.\n:::"
    solutions, wrong = read_solutions(solved(f"Before.\n\n{START}", "It is 42.", f"{END}\n\n{whole}"))
    assert wrong == []
    assert [(solution.label, solution.options) for solution in solutions] == [
        ("ex-a", {"class": "dropdown"}),
        ("ex-b", {"class": "dropdown"}),
    ]
    texts = ["".join(token.content for token in solution.tokens if token.type == "inline") for solution in solutions]
    assert "It is 42." in texts[0] and "Text." in texts[1] and "Before." not in texts[0]


@pytest.mark.parametrize(
    "texts, says",
    [
        ((START, "Text."), "does not end"),
        (("Text.", END), "has not started"),
        ((START, START, END), "before ex-a has ended"),
        ((START.replace("down\n", "down\n\nText.\n"), END), "belongs below"),
    ],
)
def test_what_is_wrong_with_starts_and_ends_is_said(texts, says):
    _, wrong = read_solutions(solved(*texts))
    assert len(wrong) == 1 and says in wrong[0], wrong


@pytest.mark.parametrize(
    "fence",
    [
        "```python\nx\n```",
        "~~~ipython3\nx\n~~~",
        "```{code-block} python\nx\n```",
        "```{code-cell}\nx\n```",
        "```\nrates = lb.decay_rates(rule, w, target)\n```",
        "```text\nprint(1)\n```",
        "```\n>>> 1 + 1\n```",
        "```\nfor k in range(3):\n    total += k\n```",
        "1. First:\n\n   ```\n   import numpy as np\n   ```",
        "Text.\n\n    A[0] = 1.0\n",
        "````{admonition} Note\n```py\nx\n```\n````",
    ],
)
def test_code_that_no_cell_runs_is_found(fence):
    for texts in [(START, fence, END), (f"`````{{solution}} ex-a\n:class: dropdown\n\n{fence}\n`````",)]:
        (solution,), wrong = read_solutions(solved(*texts))
        assert wrong == [] and len(list(code_that_is_not_run(solution.tokens))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Call `lb.loss(net, teacher)`.",
        "$$\nx = f(y)\n$$",
        "```{math}\n:label: eq-x\nx = f(y)\n```",
        "```\nstep  loss\n   1  0.25\n```",
    ],
)
def test_formulas_and_names_are_no_code(text):
    (solution,), _ = read_solutions(solved(START, text, END))
    assert list(code_that_is_not_run(solution.tokens)) == []
