"""Panels: what a reader can move. `{panel} NAME` shows `lab/panels/NAME.md`; the browser runs `lab/panels/NAME.js` in it.

The text is a title, a question to answer before touching anything, the still with its alternative text, and what happens,
which is folded. Print, and a page without scripts, have the still. `tools/stills.py` draws it.
"""

import re
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from folds import fold
from sphinx.util.docutils import SphinxDirective
from sphinx.util.fileutil import copy_asset

FOLDER = Path(__file__).resolve().parent.parent / "lab"
STILL = r"!\[[^\]]+\]\(/lab/stills/[\w-]+\.png\)"
FORM = re.compile(rf"# (?P<title>[^\n]+)\n(?P<question>.+?)\n(?P<still>{STILL})\n(?P<answer>.+)", re.S)


class panel(nodes.General, nodes.Element):
    """A panel: its text, around the still that the browser replaces."""


def visit_panel(self, node):
    self.body.append(self.starttag(node, "div", CLASS="panel", ids=[f"panel-{node['name']}"], **{"data-panel": node["name"]}))


def depart_panel(self, node):
    self.body.append("</div>\n")


class Panel(SphinxDirective):
    required_arguments = 1

    def run(self):
        name = self.arguments[0]
        text = FOLDER / "panels" / f"{name}.md"
        if not text.is_file() or not text.with_suffix(".js").is_file():
            raise self.error(f"panel: expected the name of one in lab/panels, got {name!r}")
        self.env.note_dependency(str(text))
        parts = FORM.fullmatch(text.read_text(encoding="utf-8"))
        if parts is None:
            raise self.error(f"{text.name}: expected a title, a question, the still with its alternative text, and what happens")
        title = nodes.paragraph("", "", nodes.Text(parts["title"]), classes=["panel-title"])
        question = nodes.container("", *self.parsed(parts["question"], text), classes=["panel-question"])
        still = nodes.container("", *self.parsed(parts["still"], text), classes=["panel-still"])
        answer = fold("", *self.parsed(parts["answer"], text), kind="happens", says="What happens")
        return [panel("", title, question, still, answer, name=name)]

    def parsed(self, words, path):
        parent = nodes.Element()
        self.state.nested_parse(StringList(words.strip().splitlines(), str(path)), self.content_offset, parent)
        return parent.children


def add_scripts(app, pagename, templatename, context, doctree):
    if doctree is not None and next(doctree.findall(panel), None):
        app.add_css_file("lab/kit.css")
        app.add_js_file("lab/load.js", loading_method="defer")


def copy_lab(app, exception):
    if exception is None and app.builder.format == "html":
        target = Path(app.outdir) / "_static" / "lab"
        for path in [*FOLDER.glob("*.js"), *FOLDER.glob("*.css")]:
            copy_asset(path, target)
        for path in (FOLDER / "panels").glob("*.js"):
            copy_asset(path, target / "panels")


def setup(app):
    app.add_node(panel, html=(visit_panel, depart_panel))
    app.add_directive("panel", Panel)
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", copy_lab)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
