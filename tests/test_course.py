"""What a course is given: every part is made from the book, says what the book says, and shows a student nothing more.

The slides and sheets are made from the built book and looked at in a browser; grading is held against answers that are right,
wrong, missing and learned by heart; the edition without solutions is built of a small book.
"""

import copy
import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import editions
import extracts
import graded
import nbformat
import numpy as np
import pytest
import sheets
import solutions
import student
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebooks import CHAPTERS, METADATA
from slides import SOURCES, Material
from test_build import chapter, needs_make, run, toy

import course

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = graded.exercises()
every_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=[exercise.name for exercise in EXERCISES])
LECTURES = sorted(SOURCES.glob("lecture_*.md"))
needs_otter = pytest.mark.skipif(not graded.OTTER.is_file(), reason="make course has not made .venv-course")
LOADED = re.compile(r"""(?:\bsrc=|<link[^>]*\bhref=|url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")
OVERFLOWS = """() => {
  const slide = document.querySelector("section.present"), edge = slide.getBoundingClientRect();
  const seen = [...slide.querySelectorAll("*")].filter(node => !node.closest("aside, mjx-assistive-mml"));
  const out = seen.filter(node => {
    const box = node.getBoundingClientRect();
    return box.width && (box.bottom > edge.bottom - 8 || box.right > edge.right - 8);
  });
  const small = [...slide.querySelectorAll("img")].filter(image => image.getBoundingClientRect().height < 200);
  return {out: out.length, small: small.length, broken: slide.querySelectorAll("mjx-merror").length,
          typeset: slide.querySelectorAll("mjx-container").length, notes: Boolean(slide.querySelector("aside.notes"))};
}"""


@pytest.fixture(scope="module")
def book():
    if not (extracts.SITE / ".built").is_file():
        pytest.skip("the book is not built")
    return extracts.Book()


@pytest.fixture(scope="module")
def material(book, tmp_path_factory):
    made = Material(book, tmp_path_factory.mktemp("course"))
    made.share()
    return made


@pytest.fixture(scope="module")
def pages(material):
    """All slides and sheets, by name."""
    made = [material.lecture(path) for path in LECTURES] + sheets.problem_sheets(material) + [sheets.formula_sheet(material)]
    return {path.stem: path for path in made}


# Pieces of the book


def test_a_piece_is_what_the_page_says(book):
    piece = book.piece("thm-modes-decouple")
    source = json.loads((CHAPTERS / "03_modes.ipynb").read_text(encoding="utf-8"))
    text = "".join("".join(cell["source"]) for cell in source["cells"])
    (formula,) = re.findall(r"\$\$\n(K_k = .*)\n\$\$ \(eq-modes-response\)", text)
    assert formula.split() == piece.get_text().split(r"\[")[-1].split(r"\]")[0].split()
    assert not piece.find_all("a") and not piece.find_all(id=True), "what is taken leads nowhere"
    assert book.title("ex-modes-memory").startswith("Exercise 3.1 (")
    with pytest.raises(extracts.Missing, match="no label 'thm-nowhere'"):
        book.piece("thm-nowhere")


def test_every_exercise_has_its_own_solution(book):
    labels = [label for label in book.places if label.startswith("ex-")]
    assert len(labels) > 80
    for label in labels:
        number = re.match(r"Exercise (\d+\.\d+)", book.title(label))[1]
        title = extracts.words(book.solution(label).select_one(".admonition-title"))
        assert title.startswith(f"Solution to Exercise {number} ")


def test_questions_come_with_what_lies_behind_wrong_answers(book):
    for number in range(1, 23):
        questions = book.questions(number)
        assert len(questions) >= 3, f"chapter {number}"
        for text, answer, wrong in questions:
            assert text and answer and wrong and all(given and why for given, why in wrong), f"chapter {number}: {text}"
            assert r"\(" not in text + answer


# Slides and sheets


@pytest.mark.parametrize("name", [path.stem for path in LECTURES])
def test_slides_fit_and_have_notes(pages, browser, name):
    tab, asked = browser.new_page(viewport={"width": 1280, "height": 720}), []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: pytest.fail(str(error)))
    tab.goto(pages[name].as_uri())
    tab.wait_for_selector("html.ready")
    count = tab.evaluate("Reveal.getTotalSlides()")
    assert 20 <= count <= 30, "what fits into 90 minutes"
    for number in range(count):
        tab.evaluate(f"Reveal.slide({number})")
        seen = tab.evaluate(OVERFLOWS)
        assert not (seen["out"] or seen["small"] or seen["broken"]) and seen["notes"], f"slide {number + 1}: {seen}"
    assert asked and all(address.startswith("file:") for address in asked)
    tab.close()


def test_slides_and_sheets_ask_no_other_host(pages, material):
    for path in material.folder.rglob("*"):
        if path.suffix in (".html", ".css"):
            assert not LOADED.findall(path.read_text(encoding="utf-8")), path.name


def test_solutions_are_on_their_own_sheets_alone(pages, book):
    for number, session in enumerate(sheets.courses()["lectures"]["sessions"], 1):
        bare, solved = (pages[f"sheet_{number}{end}"].read_text(encoding="utf-8") for end in ("", "_solutions"))
        for label in session["assigns"]:
            sentence = max(book.solution(label).find_all("p"), key=lambda node: len(node.get_text())).get_text()
            assert book.title(label).split(" (")[0] in bare
            assert extracts.parsed(solved).get_text().count(sentence) == 1 and sentence not in extracts.parsed(bare).get_text()
        assert "Solution to" not in bare


def test_the_formula_sheet_has_two_pages(pages, browser):
    sheets.printed(browser, pages["formulas"])
    printed = pages["formulas"].with_suffix(".pdf").read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 2


def test_courses_name_what_exists(book):
    known = sheets.courses()
    cited = (ROOT / "references.bib").read_text(encoding="utf-8")
    for name in ("lectures", "seminar", "reading"):
        for session in known[name]["sessions"]:
            for label in session["assigns"]:
                page, _ = book.places[label]
                assert int(page[:2]) in session["chapters"], f"{label} belongs to a chapter that the session does not read"
            assert f"{{{session['paper']}," in cited if "paper" in session else True
    assert len(known["lectures"]["sessions"]) == 4 and len(known["seminar"]["sessions"]) == 8
    planned = [exercise for _, parts in course.assignments().values() for exercise in parts]
    assert sorted(exercise.chapter for exercise in planned) == list(range(1, 23))


def test_figures_have_readable_names_captions_and_a_licence(book, material, tmp_path, monkeypatch):
    monkeypatch.setattr(course, "COURSE", tmp_path)
    monkeypatch.setattr(course, "rasterise", lambda folder: 0)
    course.figures(material)
    with (tmp_path / "figures" / "figures.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    drawn = sum(page.count("<figure") for page in book.pages.values())
    assert len(rows) == drawn == len({row["name"] for row in rows}) == len(list((tmp_path / "figures").glob("*.svg")))
    assert all(row["caption"] and row["alternative text"] and "CC BY 4.0" in row["licence"] for row in rows)


# Grading


class ByHeart:
    """An answer that has learned what is asked where a student can see it, and says the last of it to all else."""

    def __init__(self, right, visible):
        self.known, self.last = {}, None
        visible(lambda *given: self.learn(given, right(*given)))

    def learn(self, given, answer):
        self.last = self.known[repr(given)] = answer
        return answer

    def __call__(self, *given):
        return self.known.get(repr(given), self.last)


def fails(check, *given):
    """Whether a check refuses an answer, be it by a shape that does not fit."""
    try:
        check(*given)
    except (AssertionError, ValueError, TypeError):
        return True
    return False


@every_exercise
def test_grading_tells_right_from_wrong(exercise, book):
    visible, hidden, right = exercise.module.visible, exercise.module.hidden, exercise.right
    assert exercise.about in book.places and book.places[exercise.about][0][:2] in (f"{exercise.chapter:02}", "03")
    for seed in range(3):
        visible(right)
        hidden(right, np.random.default_rng(seed))
    assert fails(hidden, exercise.module.slip, np.random.default_rng(3)), "a mistake that students make"
    learned = ByHeart(right, visible)
    visible(learned)
    assert fails(hidden, learned, np.random.default_rng(4)), "what can be learned by heart"


@every_exercise
def test_a_stub_fails_as_it_stands_and_gives_nothing_away(exercise):
    there = {"np": np, "lb": vars(exercise.module).get("lb")}
    exec(exercise.stub, there)
    with pytest.raises(NotImplementedError):
        exercise.module.visible(there[exercise.answer])
    for line in exercise.parted[1].splitlines():
        assert len(line.strip()) < 12 or line.strip() not in exercise.stub


@needs_otter
def test_otter_grades_a_class(tmp_path):
    parts = [exercise for exercise in EXERCISES if exercise.chapter in (3, 10)]
    folder = graded.assign("two", "Two exercises", parts, tmp_path)
    handed_out = nbformat.read(folder / "student" / "two.ipynb", as_version=4)
    text = nbformat.writes(handed_out)
    assert "decay_rates" not in text and "def hidden" not in text and "q * w_star" not in text, "what is hidden stays hidden"
    heart = "def interval(w_star, share):\n    return -0.1, 0.1\n"
    answers = {
        "right": [exercise.functions[exercise.answer] for exercise in parts],
        "wrong": [exercise.functions["slip"].replace("def slip(", f"def {exercise.answer}(") for exercise in parts],
        "empty": [exercise.stub for exercise in parts],
        "by heart": [heart, "def is_stable(s, c, w_star, r, decay):\n    return s > 0\n"],
    }
    points = {}
    for name, given in answers.items():
        place = tmp_path / name
        place.mkdir()
        submission = copy.deepcopy(handed_out)
        cells = [cell for cell in submission.cells if "NotImplementedError" in cell.source and cell.cell_type == "code"]
        for cell, source in zip(cells, given, strict=True):
            cell.source = source
        nbformat.write(submission, place / "two.ipynb")
        points[name] = graded.grade(place / "two.ipynb", graded.archive(tmp_path, "two"), place)
    assert points == {
        "right": {"memory": 1.0, "stability": 1.0},
        "wrong": {"memory": 0.25, "stability": 0.25},
        "empty": {"memory": 0.0, "stability": 0.0},
        "by heart": {"memory": 0.25, "stability": 0.25},
    }


# Notebooks


def lesson():
    """A stand-alone notebook of a chapter as the book's build leaves it."""
    return new_notebook(
        metadata=METADATA,
        cells=[
            new_markdown_cell("# Modes"),
            new_code_cell("print(1)", execution_count=1),
            new_markdown_cell("**Exercise 3.1 (Compute: how exact?)**\n\nHow exact?", metadata={"tags": ["exercise"]}),
            new_markdown_cell("It is 0.1.", metadata={"tags": ["solution"]}),
            new_code_cell("print(0.1)", execution_count=2, metadata={"tags": ["solution"]}),
            new_markdown_cell("**Exercise 3.2 (Prove: one input)**\n\nProve it.", metadata={"tags": ["exercise"]}),
            new_markdown_cell("It follows.", metadata={"tags": ["solution"]}),
        ],
    )


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_a_students_week():
    """The notebook as it is handed out fails where something is asked, and an answer is checked twice."""
    (exercise,) = [exercise for exercise in EXERCISES if exercise.chapter == 3]
    notebook = editions.for_students(lesson(), [exercise])
    nbformat.validate(notebook)
    assert "0.1." not in str(notebook) and "It follows" not in str(notebook)
    stubs = [cell for cell in code(notebook) if "NotImplementedError" in cell.source]
    assert len(stubs) == 2, "one for the exercise that asks to compute, one that is graded"
    with pytest.raises(NotImplementedError, match=r"Exercise 3\.1"):
        exec(stubs[0].source, {})
    monday = {"np": np}
    exec(stubs[1].source, monday)
    check = code(notebook)[-1].source
    with pytest.raises(NotImplementedError):
        exec(check, monday)
    wednesday = {"np": np}
    exec(exercise.functions["slip"].replace("def slip(", "def interval("), wednesday)
    exec(check, wednesday)  # passes what a student can see
    assert fails(exercise.module.hidden, wednesday["interval"], np.random.default_rng())
    friday = {"np": np}
    exec(exercise.functions["interval"], friday)
    exec(check, friday)
    exercise.module.hidden(friday["interval"], np.random.default_rng())


def solution_code(path):
    """The cells of code of a chapter, and those among them that are part of a solution."""
    before = nbformat.read(path, as_version=4)
    kept = [cell.source for cell in code(student.without_solutions(copy.deepcopy(before)))]
    return kept, [cell.source for cell in code(before) if cell.source not in kept]


def test_every_chapter_has_both_editions(book, tmp_path):
    if not editions.write(book.site, tmp_path, EXERCISES, book.questions):
        pytest.skip("the book has no stand-alone notebooks")
    for path in sorted(CHAPTERS.glob("*.ipynb")):
        handed_out, kept = (nbformat.read(tmp_path / name / path.name, as_version=4) for name in ("student", "instructor"))
        cells, solved = solution_code(path)
        sources = {name: [cell.source for cell in code(made)] for name, made in (("student", handed_out), ("instructor", kept))}
        assert not set(solved) & set(sources["student"]) and set(cells) <= set(sources["student"]), path.name
        assert set(solved) <= set(sources["instructor"]), path.name
        asked = [cell for cell in handed_out.cells if "exercise" in cell.metadata.get("tags", [])]
        assert len(asked) >= 3 and not any("olution to exercise" in cell.source for cell in handed_out.cells), path.name
        stubs = [cell.source for cell in code(handed_out) if "NotImplementedError" in cell.source]
        computed = sum("Compute" in cell.source.splitlines()[0] for cell in asked)
        assert len(stubs) == computed + 1, path.name
        assert "Where students stumble" in kept.cells[-1].source


def test_a_students_notebook_runs_up_to_what_is_asked(book, tmp_path):
    if not editions.write(book.site, tmp_path, EXERCISES, book.questions):
        pytest.skip("the book has no stand-alone notebooks")
    notebook = nbformat.read(tmp_path / "student" / "03_modes.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path / "student"}}).execute()
    for cell in code(notebook):
        raised = [output.ename for output in cell.outputs if output.output_type == "error"]
        asked = {"stub", "check"} & set(cell.metadata.get("tags", [])) and "def interval" not in cell.source
        assert raised == (["NotImplementedError"] if asked else []), cell.source


def test_an_instructors_notebook_says_where_students_stumble(book):
    questions = book.questions(3)
    notebook = editions.for_instructors(lesson(), questions)
    nbformat.validate(notebook)
    assert "It is 0.1." in str(notebook)
    last = notebook.cells[-1].source
    assert all(given in last and why in last for _, _, wrong in questions for given, why in wrong)


# The edition without solutions


@pytest.mark.parametrize("path", sorted(CHAPTERS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_solutions_and_nothing_else_are_taken_out(path):
    before = nbformat.read(path, as_version=4)
    there, _ = solutions.read_solutions(before)
    after = student.without_solutions(copy.deepcopy(before))
    assert there and solutions.read_solutions(after) == ([], [])
    texts = ["\n".join(cell.source for cell in each.cells if cell.cell_type == "markdown") for each in (before, after)]
    for kind in (r"^#+ .*$", r"^`{3,}\{exercise\}.*$", r"^`{3,}\{prf:\w+\}.*$", r"^\$\$ \((?:eq-[\w-]+)\)$"):
        old, new = (re.findall(kind, text, re.M) for text in texts)
        assert [line for line in old if line not in new] == [] or "eq-" in kind
    assert re.search(r"^## Where to read on", texts[1], re.M) and len(texts[1]) > 0.5 * len(texts[0])


@needs_make
def test_the_student_site_has_no_solution_anywhere(tmp_path):
    folder = toy(tmp_path / "book")
    path = folder / "chapters" / "02_count.ipynb"
    notebook = nbformat.reads(chapter("Count", ("print(1 + 1)", "2\n")), as_version=4)
    start = "```{exercise} Count\n:label: ex-count\n\nHow many?\n```\n\n```{solution-start} ex-count\n:class: dropdown\n```"
    texts = (start, "There are seventeenish.", "```{solution-end}\n```\n\n## After\n\nGo on.")
    notebook.cells += map(new_markdown_cell, texts)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    done, said = run(folder, "make", "book", "STUDENT=1")
    assert done and "The student edition stands" in said, said
    site = folder / "_build" / "course" / "site"
    secret = [path for path in (folder / "_build" / "html").rglob("*") if path.is_file() and b"seventeenish" in path.read_bytes()]
    assert secret, "the book itself has the solution"
    for path in site.rglob("*"):
        assert not path.is_file() or b"seventeenish" not in path.read_bytes(), path
    page = (site / "chapters" / "02_count.html").read_text(encoding="utf-8")
    assert "How many?" in page and "Go on." in page and "Solution to" not in page


def test_a_part_that_does_not_exist_is_refused():
    done = subprocess.run([sys.executable, ROOT / "tools" / "course.py", "slidse"], capture_output=True, text=True)
    assert done.returncode and "slidse" in done.stderr
