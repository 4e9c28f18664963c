"""The notebooks beside the pages run as they are, say what the pages say, with the pages' numbers, and show no directive.

`make book` first. The last test makes an environment that has nothing of this tree and runs three of them there.
"""

import copy
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import environment
import nbformat
import pytest
from bs4 import BeautifulSoup, SoupStrainer
from docutils import nodes
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "_ext"))
from as_markdown import NoMarkdown, Writer, code  # noqa: E402
from standalone import INSTALL, further  # noqa: E402

SITE = ROOT / "_build" / "html"
NOTEBOOKS = sorted((SITE / "notebooks").glob("*.ipynb"))
SOURCES = {path.stem: path for folder in ("chapters", "teaching") for path in (ROOT / folder).glob("*.ipynb")}
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
RENDER = MarkdownIt("commonmark", {"html": True}).enable("table").render
FORMULA = re.compile(r"\$\$.+?\$\$|(?<!\\)\$.+?(?<!\\)\$", re.S)
# What MyST reads as more than text: directives, roles, targets, labels of formulas, attributes, options, references by label.
RAW = re.compile(
    r"^[>\s]*(`{3,}|:{3,}|~{3,})\s*\{|\{[\w:+.-]+\}`|^\([\w-]+\)=\s*$|\{[.#][\w-]+[^}]*\}|^:[\w-]+:(\s|$)"
    r"|\]\((?!https?://)[^)]*\)|^%\s|\[\^",
    re.M,
)
LABEL = re.compile(r"\$\$ *\([\w-]+\)")


def cells(path, kind):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def text(path):
    return "\n\n".join(cell.source for cell in cells(path, "markdown"))


def shown_as(path):
    """The page's file."""
    return (SITE / SOURCES[path.stem].relative_to(ROOT)).with_suffix(".html")


@functools.cache
def page(path):
    """The page of a notebook, without its code and pictures."""
    shown = shown_as(path).read_text(encoding="utf-8")
    shown = re.sub(r"<pre>.*?</pre>", "", shown, flags=re.S)
    return BeautifulSoup(shown, "html.parser", parse_only=SoupStrainer("article"))


def words(text):
    return re.sub(r"[\W_]+", " ", text).strip()


def test_every_page_with_code_has_one():
    assert [path.stem for path in NOTEBOOKS] == sorted(SOURCES)


@every_notebook
def test_nothing_is_left_raw(path):
    assert not LABEL.search(text(path))
    said = [FORMULA.sub("", cell.source) for cell in cells(path, "markdown")]
    for cell in cells(path, "code"):
        said += [text for output in cell.outputs for text in [output.get("text", ""), *output.get("data", {}).values()]]
        assert set(cell.metadata) <= {"tags", "exercise", "jupyter", "cellView"}, "a caption in metadata would be raw"
    found = [match[0] for part in said if not part.startswith("<img") for match in [RAW.search(part)] if match]
    assert found == []


@pytest.mark.parametrize("raw", ["```{note}", "> :::{prf:proof}", "see {eq}`eq-a`", "(sec-a)=", "[](#sec-a)", ":alt: x", "a{#b}"])
def test_what_is_raw_would_be_found(raw):
    assert RAW.search(raw)


def test_a_label_of_a_formula_would_be_found():
    assert LABEL.search("$$\na\n$$ (eq-a)") and not RAW.search("Nothing (at all) is `raw` here: $x_{t}$.")


@every_notebook
def test_it_is_a_notebook_of_decent_size_that_says_where_it_comes_from(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < 2_000_000
    first, install = notebook.cells[:2]
    number = path.stem[:2].lstrip("0")
    title, where = (f"# {number}. ", f"*Chapter {number} of Learning") if number.isdigit() else ("# ", "*From Learning")
    assert first.source.startswith(title) and where in first.source
    assert install.cell_type == "code" and install.source.startswith("# Installs")
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


@every_notebook
def test_numbers_are_those_of_the_page(path):
    """Of theorems and their kind, exercises, figures, sections and displayed formulas, in their order on the page."""
    said, shown = text(path), page(path)
    boxes = [span.get_text().strip() for span in shown.select(".proof > p.admonition-title > .caption-number")]
    assert re.findall(r"^> \*\*((?!Claim|Result)[A-Z][a-z]+ [\d.]*\d)", said, re.M) == boxes
    exercises = [span.get_text().strip() for span in shown.select(".exercise > p.admonition-title > .caption-number")]
    assert re.findall(r"^#+ (Exercise [\d.]+)", said, re.M) == exercises
    figures = [span.get_text().strip() for span in shown.select("figcaption .caption-number")]
    assert re.findall(r"^\*\*(Fig\. [\d.]+)\*\*", said, re.M) == figures
    tags = [span.get_text().strip("()#\uf0c1 ") for span in shown.select(".eqno")]
    assert re.findall(r"\\tag\{([\d.]+)\}", said) == tags
    titles = [words(title.get_text().removesuffix("#")) for title in shown.select("h1, h2, h3, h4")]
    heads = [words(FORMULA.sub("", head)) for head in re.findall(r"^#+ (?!Exercise|Works cited)(.*)", said, re.M)]
    assert len(heads) == len(titles) and all(head.split()[0] == title.split()[0] for head, title in zip(heads, titles))


@every_notebook
def test_it_says_all_that_the_page_says(path):
    """Paragraph by paragraph, without formulas and without what code puts out."""
    shown = copy.copy(page(path))
    for apart in shown.select(".math, .cell, .self-check, .headerlink, .claims, .print-only, script, noscript"):
        apart.replace_with(" ")
    rendered = BeautifulSoup(RENDER(FORMULA.sub(" ", text(path))), "html.parser").get_text(" ")
    said = words(re.sub(r"\s+", " ", rendered))
    lost = []
    for paragraph in shown.select("section p, section td, section figcaption, section dd"):
        # A title with its number, and the sign of a link, are put otherwise.
        if "admonition-title" in paragraph.get("class", []) or paragraph.find_parent(class_="panel"):
            continue
        wanted = words(paragraph.get_text(" "))
        if wanted and wanted not in said and wanted.removeprefix("Proof ") not in said:
            lost.append(wanted)
    assert lost == []
    assert len(shown.select("section p")) > 20


@every_notebook
def test_references_are_resolved_and_works_given_in_full(path):
    said = text(path)
    cited = {link["title"] for link in page(path).select("a[href*='#cite-'][title]")}
    listed = re.findall(r"^- (.*)", said.partition("## Works cited")[2], re.M)
    assert {words(work.replace("&lt;", "<")) for work in listed} == {words(work) for work in cited}
    assert len(listed) >= bool(cited)


@every_notebook
def test_exercises_and_solutions_can_be_told_apart(path):
    """What is left without the cells tagged `solution` is a student's edition, and no solution stands in it."""
    notebook = nbformat.read(path, as_version=4)
    tagged = {tag: [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])] for tag in ("exercise", "solution")}
    labels = [cell.metadata.exercise for cell in tagged["exercise"]]
    source = "\n".join(cell.source for cell in nbformat.read(SOURCES[path.stem], as_version=4).cells)
    assert labels == re.findall(r"^:label: (ex-[\w-]+)", source, re.M)
    assert {cell.metadata.exercise for cell in tagged["solution"]} == set(labels)
    for cell in tagged["solution"]:
        if cell.cell_type == "markdown":
            assert cell.source.startswith(("<details><summary>Solution to exercise ", "**Fig"))
        else:
            assert cell.metadata.jupyter.source_hidden and (cell.metadata.jupyter.outputs_hidden or not cell.outputs)
    rest = "\n".join(cell.source for cell in notebook.cells if cell not in tagged["solution"])
    assert "Solution to" not in rest and rest.count("<details>") == rest.count("</details>")
    gated = re.findall(r"\{solution-start\} (ex-[\w-]+)", source)
    assert {cell.metadata.exercise for cell in tagged["solution"] if cell.cell_type == "code"} <= set(gated)


@every_notebook
def test_code_and_outputs_are_those_of_the_chapter(path):
    """Figures are there as pictures with their words; what cells say is what the chapter's cells say."""
    mine = cells(path, "code")[1:]
    theirs = cells(SOURCES[path.stem], "code")
    assert [cell.source for cell in mine] == [cell.source for cell in theirs]
    for cell, committed in zip(mine, theirs):
        assert streams(cell) == streams(committed)
        pictures = [output.data["text/html"] for output in cell.outputs if "text/html" in output.get("data", {})]
        assert len(pictures) == ("plt.show()" in cell.source)
        assert all(re.match(r'<img alt="\w[^"]{20,}" src="data:image/svg\+xml;base64,', picture) for picture in pictures)


def streams(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def test_the_menu_offers_the_notebook_and_the_package():
    for path in NOTEBOOKS:
        shown = shown_as(path).read_text(encoding="utf-8")
        links = re.findall(r'href="(\.\./notebooks/[^"]+)"', shown)
        assert f"../notebooks/{path.name}" in links and any(link.endswith(".whl") for link in links)
        assert all((shown_as(path).parent / link).is_file() for link in links)


def test_the_folder_is_complete():
    """It is what a branch for Binder and Colab holds."""
    (wheel,) = (SITE / "notebooks").glob("*.whl")
    own = {path.relative_to(ROOT).as_posix() for path in (ROOT / "lrnnbook").rglob("*.py")}
    assert own <= set(zipfile.ZipFile(wheel).namelist())
    assert (SITE / "notebooks" / "requirements.txt").read_text() == f"./{wheel.name}[book]\n"
    assert (SITE / "notebooks" / "runtime.txt").read_text() == (ROOT / ".binder" / "runtime.txt").read_text()


# The Markdown of single pieces


class App:
    class config:
        book_site = ""
        numfig_format = {"figure": "Fig. %s"}

    class env:
        toc_fignumbers = {"page": {"displaymath": {"eq": (2, 1)}}}


WRITER = Writer(App, "page")


def paragraph(*children):
    return nodes.paragraph("", "", *children)


@pytest.mark.parametrize(
    "written",
    ["a*b* and _c_", "5 $ or 6 $", "1. not a list", "- nor this", "# nor this", "`a` < b", "snake_case", "\\[ x \\]", "> a"],
)
def test_words_are_not_read_as_marks(written):
    (block,) = WRITER.blocks(paragraph(nodes.Text(written)))
    assert BeautifulSoup(RENDER(block), "html.parser").get_text().strip() == written
    assert len(re.findall(r"(?<!\\)\$", block)) == 0


@pytest.mark.parametrize("written", ["a", "a `b` c", "`", "``a"])
def test_code_in_a_line(written):
    assert BeautifulSoup(RENDER(code(written)), "html.parser").code.get_text() == written


def test_formulas_in_lists_and_boxes_are_on_one_line_and_keep_their_number():
    formula = nodes.math_block("", "a\n= b", ids=["eq"])
    assert WRITER.blocks(formula) == ["$$\na\n= b \\tag{2.1}\n$$"]
    (box,) = WRITER.boxed("T", [formula])
    assert box == "> **T**\n>\n> $$a = b \\tag{2.1}$$"
    item = nodes.list_item("", paragraph(nodes.Text("x")), formula)
    assert WRITER.blocks(nodes.enumerated_list("", item)) == ["1. x\n\n   $$a = b \\tag{2.1}$$"]
    with pytest.raises(NoMarkdown, match="remark"):
        Writer(App, "page").boxed("T", [nodes.math_block("", "a % why\n= b")])


def test_rows_of_a_formula_are_kept():
    assert WRITER.formula(nodes.math_block("", r"a \\ b")) == "$$\n\\begin{split}a \\\\ b\\end{split}\n$$"
    assert "split" not in WRITER.formula(nodes.math_block("", r"\begin{cases} a \\ b \end{cases}"))


def test_bars_do_not_end_a_cell_of_a_table():
    def row(*cells):
        return nodes.row("", *(nodes.entry("", paragraph(cell)) for cell in cells))

    body = nodes.tbody("", row(nodes.math("", r"|x|"), nodes.math("", r"\|y\|")))
    (block,) = WRITER.blocks(nodes.table("", nodes.tgroup("", nodes.thead("", row(nodes.Text("a"), nodes.Text("b"))), body)))
    assert len(BeautifulSoup(RENDER(block), "html.parser").select("tbody td")) == 2 and r"\Vert y" in block


def test_what_has_no_markdown_is_an_error():
    with pytest.raises(NoMarkdown, match="sidebar"):
        WRITER.blocks(nodes.sidebar("", paragraph(nodes.Text("x"))))


# The first cell


@pytest.mark.parametrize("source, wanted", [("import statsmodels", 1), ("from statsmodels.a import b", 1), ("import a", 0)])
def test_only_what_a_chapter_imports_is_installed(source, wanted):
    assert further(["import numpy", source]) == ["statsmodels"] * wanted


def first_cell(folder, places=(), needed=("no_such_package",)):
    source = INSTALL.format(needed=json.dumps(needed), wheel="no.whl", places=json.dumps(places), extra="")
    run = subprocess.run([sys.executable, "-c", source], cwd=folder, capture_output=True, text=True, timeout=120)
    return run.returncode, run.stderr


def test_where_all_is_there_the_first_cell_does_nothing(tmp_path):
    assert first_cell(tmp_path, needed=("json",)) == (0, "")


def test_where_no_place_is_known_it_says_what_to_do(tmp_path):
    status, said = first_cell(tmp_path)
    assert status and "Put no.whl into the folder of this notebook" in said and "No other place is known" in said


def test_a_place_that_fails_is_named_with_its_reason(tmp_path):
    place = f" @ {(tmp_path / 'lrnnbook-1-py3-none-any.whl').as_uri()}"
    status, said = first_cell(tmp_path, [place])
    assert status and f"Tried: {place[3:]}: ERROR" in said and "No such file" in said


# Three of them in an environment of their own

THREE = ("01_learning_through_time", "03_modes", "17_real_data")  # quick ones; 17 needs a package of the extra


def foreign():
    """The environment of a reader: nothing of this tree, no git, and what pip has been told about the package index."""
    names = [name for name in os.environ if name in ("PATH", "HOME", "LANG", "SYSTEMROOT") or name.startswith("PIP_")]
    kept = {name: os.environ[name] for name in names}
    return kept | {"GIT_ALLOW_PROTOCOL": "none", "PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "MPLBACKEND": "agg"}


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A folder with the notebooks and the wheel of the site, and a Python that has a kernel and nothing of the book."""
    home, folder = tmp_path_factory.mktemp("reader") / "environment", tmp_path_factory.mktemp("downloads")
    for path in (SITE / "notebooks").iterdir():
        if path.stem in THREE or path.suffix == ".whl":
            shutil.copy(path, folder)
    venv.create(home, with_pip=True)
    python = environment.python(home)
    pip = [str(python), "-m", "pip", "install", "-qq", "--retries", "1", "ipykernel", "nbclient"]
    run = subprocess.run(pip, env=foreign(), capture_output=True, text=True)
    if run.returncode:
        reason = f"the package index cannot be reached: {run.stderr.strip().splitlines()[-1]}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return python, folder


def test_three_run_where_nothing_of_this_tree_is(reader):
    python, folder = reader
    run = subprocess.run([python, "-I", "-c", "import lrnnbook"], cwd=folder, env=foreign(), capture_output=True, text=True)
    assert "No module named 'lrnnbook'" in run.stderr
    names = [f"{name}.ipynb" for name in THREE]
    told = {name: [streams(cell) for cell in cells(folder / name, "code")] for name in names}
    execute = [python.parent / "jupyter-execute", "--inplace", "--timeout=300", *names]
    run = subprocess.run(execute, cwd=folder, env=foreign(), capture_output=True, text=True, timeout=400)
    assert run.returncode == 0, run.stderr
    for name in names:
        assert [streams(cell) for cell in cells(folder / name, "code")] == told[name]
    where = "import lrnnbook, statsmodels; print(lrnnbook.__file__)"
    run = subprocess.run([python, "-I", "-c", where], cwd=folder, env=foreign(), capture_output=True, text=True)
    assert Path(run.stdout.strip()).is_relative_to(python.parent.parent), run.stderr
