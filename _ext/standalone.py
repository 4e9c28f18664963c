"""Beside the pages, `notebooks/`: every chapter as a notebook that runs as it is, with the package's wheel.

`standalone` makes it from the resolved page (as_markdown.py) and the outputs of its cells. All that is asked of a reader's
machine is Python: the first code cell installs what the chapter needs where it is missing. A heading, an exercise and a solution
begin a cell. Exercises have the tag `exercise`, all cells of a solution, code too, the tag `solution`, and both say whose they
are: `"exercise": "ex-modes-memory"` in their metadata. A student's edition is what is left without the cells tagged `solution`.
"""

import json
import re
import tomllib
from pathlib import Path

import nbformat
from as_markdown import NoMarkdown, Writer, image
from docutils import nodes
from executed import notebook
from figures import lightened
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from package import ROOT, build, wheel_name
from reading import is_element
from sphinx.util import logging
from sphinx_exercise.nodes import exercise_enumerable_node, exercise_node, solution_node

FOLDER = "notebooks"
PYTHON = "python-3.12"  # what Binder runs them with
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
SHOWN = re.compile(r"text/|image/")
logger = logging.getLogger(__name__)

INSTALL = '''\
# Installs the book's package, lrnnbook, and what else this notebook needs, where it is missing.
import importlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

NEEDED = {needed}
WHEEL = Path("{wheel}")  # the package; it lies beside this notebook on the book's site
PLACES = {places}


def install():
    said = []
    beside = [f" @ {{WHEEL.resolve().as_uri()}}"] if WHEEL.exists() else []
    for place in PLACES + beside:
        pip = [sys.executable, "-m", "pip", "--no-color", "install", "-q", f"lrnnbook{extra}{{place}}"]
        run = subprocess.run(pip, capture_output=True, text=True)
        importlib.invalidate_caches()
        if all(map(find_spec, NEEDED)):
            return
        said += [f"{{place[3:]}}: {{(run.stderr.strip() or 'restart the kernel').splitlines()[-1]}}."]
    raise ModuleNotFoundError(
        f"This notebook needs {{' and '.join(name for name in NEEDED if not find_spec(name))}}. "
        f"Put {{WHEEL}} into the folder of this notebook and run this cell again. You find the "
        "file beside this notebook on the book's site, and in the menu in which the page of the "
        "chapter offers the notebook; in Colab, drag it into the file panel at the left. "
        + " ".join(["Tried:", *said] if said else ["No other place is known to this copy."])
    )


if not all(map(find_spec, NEEDED)):
    install()'''

README = """# Chapters that run as they are

From the book *{title}*: a notebook a chapter, and `{wheel}`, the package that they use.
The first code cell of each installs the package where it is missing, so that any Jupyter, VS Code or Colab will do. To have all
at once: `pip install -r requirements.txt`, in this folder.
"""


class Cells:
    """The cells of a notebook, one after another; blocks of Markdown gather until something begins a new cell."""

    def __init__(self):
        self.made, self.gathered, self.metadata = [], [], {}

    def say(self, *blocks):
        self.gathered += blocks

    def flush(self):
        if self.gathered:
            self.made.append(new_markdown_cell("\n\n".join(self.gathered), metadata=self.metadata))
        self.gathered = []

    def begin(self, **metadata):
        """A new cell, with these metadata, as have those that follow it."""
        self.flush()
        self.metadata = metadata

    def code(self, cell):
        self.flush()
        self.made.append(cell)


class Chapter:
    """A resolved page on its way into cells."""

    def __init__(self, app, docname, executed):
        self.app, self.docname, self.executed = app, docname, executed
        self.writer, self.cells = Writer(app, docname), Cells()

    def walk(self, node, level=1):
        match node:
            case nodes.section():
                self.section(node, level)
            case nodes.container() if "cell_index" in node:
                self.cell(node)
            case exercise_node() | exercise_enumerable_node():
                self.exercise(node, level)
            case solution_node():
                self.solution(node)
            case _ if node.tagname == "fold" and node["kind"] == "starred":
                self.flow(node.children, level)
            case nodes.container() if "aims" in node["classes"]:
                self.cells.begin()
                self.cells.say(*self.writer.all(node.children))
                self.cells.begin()
            case _:
                self.cells.say(*self.writer.blocks(node))

    def flow(self, children, level):
        for child in children:
            self.walk(child, level)

    def section(self, node, level):
        title, *rest = node.children
        anchor = "" if level == 1 else "#" + node["ids"][0]
        number = ".".join(map(str, self.app.env.toc_secnumbers.get(self.docname, {}).get(anchor, ())))
        self.cells.begin()
        self.cells.say(f"{'#' * level} {number + '.' * (level == 1) if number else ''} ".rstrip() + " " + self.writer.line(title))
        if level == 1:
            self.cells.say(self.about(number))
            self.cells.begin()
            self.cells.code(code_cell(self.install(), hidden=True))
        self.flow(rest, level + 1)

    def about(self, number):
        name, page = self.app.config.html_title, self.writer.page()
        book = f"[{name}]({page})" if page else name
        where = f"Chapter {number} of" if number else "From"
        return f"*{where} {book}, as a notebook that runs as it is. Text under CC BY 4.0, code under the MIT licence.*"

    def install(self):
        wanted = further(cell.source for cell in self.executed.cells if cell.cell_type == "code")
        extra = "[book]" if wanted else ""
        return install_cell(self.app.config, ["lrnnbook", *wanted], extra)

    def cell(self, node):
        source = self.executed.cells[node["cell_index"]]
        hidden = any(re.fullmatch(r"(hide|remove)-(input|cell)", tag) for tag in source.metadata.get("tags", []))
        solved = dict(self.cells.metadata) if "solution" in self.cells.metadata.get("tags", []) else {}
        self.cells.code(code_cell(source.source, outputs(source), hidden=hidden or bool(solved), **solved))
        for figure in node.findall(nodes.figure):
            self.cells.say(*(block for caption in figure.findall(nodes.caption) for block in self.writer.blocks(caption)))
            for picture in figure.findall(nodes.image):
                self.cells.say(*self.writer.fold("The figure in words", [nodes.paragraph("", picture["alt"])]))

    def exercise(self, node, level):
        number = self.writer.number("exercise", node)
        title, *rest = node.children
        self.cells.begin(tags=["exercise"], exercise=node["label"])
        self.cells.say(f"{'#' * level} {f'Exercise {number}'.strip()} {self.writer.line(title)}".rstrip())
        self.cells.say(*self.writer.all(rest))
        self.cells.begin()

    def solution(self, node):
        """A fold; where there is code in it, a fold before and one after."""
        title, *rest = node.children
        says, folded = self.called(node["target_label"]), []
        self.cells.begin(tags=["solution"], exercise=node["target_label"])
        for child in [part for box in rest for part in box.children if isinstance(box, nodes.section)] or rest:
            if is_element(child, "cell_code"):
                says = self.unfold(says, folded)
                self.cell(child)
                folded = []
            else:
                folded.append(child)
        self.unfold(says, folded)
        self.cells.begin()

    def unfold(self, says, folded):
        if not folded:
            return says
        self.cells.say(*self.writer.fold(says, folded))
        self.cells.flush()
        return says.removesuffix(", continued") + ", continued"

    def called(self, label):
        """The words above a solution."""
        entry = self.app.env.sphinx_exercise_registry[label]
        numbers = self.app.env.toc_fignumbers.get(entry["docname"], {}).get("exercise", {}).get(label, ())
        return f"Solution to exercise {'.'.join(map(str, numbers))}".rstrip()

    def works(self):
        """The works that the chapter names, in full: the list at the end."""
        if self.writer.cited:
            self.cells.begin()
            cited = sorted(self.writer.cited.values(), key=lambda text: text.casefold())
            self.cells.say("## Works cited", "\n".join(f"- {self.writer.inline(nodes.Text(text))}" for text in cited))
        self.cells.flush()


def standalone(app, docname, doctree):
    """The notebook that stands alone, of a page that has cells."""
    chapter = Chapter(app, docname, notebook(app.env, docname))
    chapter.flow(doctree.children, 1)
    chapter.works()
    count = 0
    for i, cell in enumerate(chapter.cells.made):
        cell.id = f"cell-{i}"  # not by chance, so that the same book makes the same file
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = count
    return new_notebook(cells=chapter.cells.made, metadata=METADATA)


def code_cell(source, outputs=(), hidden=False, **metadata):
    """A code cell; hidden ones show their outputs, those of solutions hide them too. Colab has a word of its own for it."""
    if hidden:
        metadata |= {"jupyter": {"source_hidden": True}, "cellView": "form"}
    if metadata.get("tags") and outputs:
        metadata["jupyter"]["outputs_hidden"] = True
    return new_code_cell(source, outputs=list(outputs), metadata=metadata)


def outputs(cell):
    """What a cell put out, as far as any notebook shows it.

    From a notebook that it does not trust, as it trusts no downloaded one, JupyterLab shows no SVG, but pictures in HTML.
    """
    words = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
    for output in cell.outputs:
        if "data" in output:
            data = {kind: value for kind, value in output.data.items() if SHOWN.match(kind)}
            if svg := data.pop("image/svg+xml", None):
                data["text/html"] = image("image/svg+xml", lightened(svg).encode("utf-8"), words)
            output.data, output.metadata = nbformat.from_dict(data), nbformat.from_dict({})
        yield output


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def further(sources):
    """What chapters need beyond the package, as far as these pieces of code import it."""
    code = "\n".join(sources)
    names = [re.split(r"\W", wanted)[0] for wanted in project()["optional-dependencies"]["book"]]
    return [name for name in names if re.search(rf"^\s*(import|from) {name}\b", code, re.M)]


def install_cell(config, needed, extra=""):
    """The code of the first cell. It knows the places of this build's settings, and the wheel that lies beside the notebook."""
    places = []
    if config.standalone_published:
        places.append(f"=={project()['version']}")
    if address := config.html_theme_options.get("repository_url"):
        places.append(f" @ git+{address}@{config.html_theme_options['repository_branch']}")
    if config.book_site:
        places.append(f" @ {config.book_site}{FOLDER}/{wheel_name()}")
    return INSTALL.format(needed=json.dumps(needed), wheel=wheel_name(), places=json.dumps(places), extra=extra)


def has_cells(app, docname):
    return app.env.doc2path(docname).endswith(".ipynb")


def file_name(docname):
    return f"{FOLDER}/{docname.rpartition('/')[2]}.ipynb"


def write(app, doctree, docname):
    if app.builder.name != "html" or not has_cells(app, docname):
        return
    try:
        made = standalone(app, docname, doctree)
    except NoMarkdown as reason:
        logger.warning(str(reason), location=docname, type="standalone")
        return
    path = Path(app.outdir) / file_name(docname)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(made) + "\n", encoding="utf-8")


def accompany(app, exception):
    """Put beside the notebooks what makes their folder complete: the wheel, and what Binder and `pip install -r` read."""
    folder = Path(app.outdir) / FOLDER
    if exception or app.builder.name != "html" or not folder.is_dir():
        return
    build(folder)
    for name, text in {
        "requirements.txt": f"./{wheel_name()}[book]\n",
        "runtime.txt": f"{PYTHON}\n",
        "README.md": README.format(title=app.config.html_title, wheel=wheel_name()),
    }.items():
        (folder / name).write_text(text, encoding="utf-8")


def offer(app, pagename, templatename, context, doctree):
    """In the menu of downloads: the notebook that stands alone, in the place of the chapter's source, and the package."""
    if doctree is None or not has_cells(app, pagename):
        return
    for group in context["header_buttons"]:
        if group.get("label") == "download-buttons":
            (source,) = (button for button in group["buttons"] if button["label"] == "download-source-button")
            source |= {"url": context["pathto"](file_name(pagename), 1), "tooltip": "Download a notebook that runs as it is"}
            url, said = context["pathto"](f"{FOLDER}/{wheel_name()}", 1), "Download the package that the notebook needs"
            package = {"type": "link", "url": url, "text": ".whl", "tooltip": said, "icon": "fas fa-box"}
            group["buttons"].insert(group["buttons"].index(source) + 1, package)


def setup(app):
    app.add_config_value("standalone_published", False, "env", bool)
    app.connect("doctree-resolved", write, priority=950)  # after whatever else changes the page
    app.connect("html-page-context", offer, priority=502)  # after the theme has made its menus
    app.connect("build-finished", accompany)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
