"""The box in which a chapter says what it is for, what it needs, how long it takes and what its symbols mean.

`{aims}` holds what a reader can do afterwards; its option `needs` lists the sections to have read, `03_modes#aligned-networks`
for one. Minutes are counted (reading.py), symbols are found, and explained by the notation page (letters.py). A section that
does not exist, a letter that the notation page does not know, and a long proof without its sentence are warnings.
"""

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from folds import complaints, fold
from letters import NOTATION, letters_of, read_notation
from reading import is_apart, is_long, is_starred, minutes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

logger = logging.getLogger(__name__)


def chapters(env):
    """What is known of each chapter: `{docname: {"needs": [...], "core": minutes, "all": minutes, "letters": [...]}}`."""
    if not hasattr(env, "chapters"):
        env.chapters = {}
    return env.chapters


class aims(nodes.General, nodes.Element):
    """Stands for the box until all pages are read; its children are the author's words."""


class Aims(SphinxDirective):
    has_content = True
    option_spec = {"needs": directives.unchanged}

    def run(self):
        if not self.content:
            raise self.error("aims: expected what a reader can do afterwards, got nothing")
        node = aims()
        self.set_source_info(node)
        self.state.nested_parse(StringList(list(self.content), self.env.docname), self.content_offset, node)
        chapters(self.env)[self.env.docname] = {"needs": self.options.get("needs", "").split()}
        return [node]


def is_beyond_core(node):
    """Starred sections, and of long proofs all but the first sentence."""
    return is_starred(node) or (is_long(node.parent and node.parent.parent) and node.parent[0] is not node)


def measure(app, doctree):
    env, docname = app.env, app.env.docname
    if docname == NOTATION:
        env.notation = read_notation(doctree)
    if docname in chapters(env):
        whole = minutes(doctree)
        core = minutes(doctree, is_beyond_core)
        first = letters_of(doctree, lambda node: is_apart(node) or is_beyond_core(node))
        letters = list(dict.fromkeys(first + letters_of(doctree)))
        chapters(env)[docname] |= {"core": core, "all": whole, "letters": letters, "first": len(first)}
        for complaint in complaints(doctree):
            logger.warning(f"{docname}: {complaint}", location=docname, type="form")


def number_of(env, docname, anchor=""):
    return ".".join(map(str, env.toc_secnumbers.get(docname, {}).get(anchor, ())))


def needed(env, docname):
    """The sections that a chapter needs, as `(docname, anchor, title)`; None for the title of one that does not exist."""
    for need in chapters(env)[docname]["needs"]:
        name, _, anchor = need.partition("#")
        doc = f"chapters/{name}"
        entries = env.tocs[doc].findall(nodes.reference) if doc in env.tocs else []
        titles = {entry["anchorname"]: entry.astext() for entry in entries}
        yield doc, f"#{anchor}" if anchor else "", titles.get(f"#{anchor}" if anchor else "")


def check(app, env):
    notation = getattr(env, "notation", None)
    for docname, known in chapters(env).items():
        for doc, anchor, title in needed(env, docname):
            if title is None:
                logger.warning(f"{docname} needs a section that does not exist: {doc}{anchor}", location=docname, type="form")
        if notation is None:
            continue
        chapter = chapter_number(env, docname)
        for letter in sorted(known["letters"]):
            if notation.row(letter, chapter) is None:
                logger.warning(f"{docname}: the notation page does not say what {letter!r} means", location=docname, type="form")


def chapter_number(env, docname):
    return (env.toc_secnumbers.get(docname, {}).get("") or (None,))[0]


def fill(app, doctree, docname):
    for node in list(doctree.findall(aims)):
        box = nodes.container("", *node.children, classes=["aims"])
        box += [*before(app, docname), *times(app.env, docname), *symbols(app, docname)]
        node.replace_self(box)


def before(app, docname):
    items = []
    for doc, anchor, title in needed(app.env, docname):
        if title is None:
            continue
        text = f"{number_of(app.env, doc, anchor)} {title}".strip()
        link = make_refnode(app.builder, docname, doc, anchor.removeprefix("#"), nodes.Text(text))
        items.append(nodes.list_item("", nodes.paragraph("", "", link)))
    if items:
        yield nodes.paragraph("", "", nodes.strong("", "Before it you need"))
        yield nodes.bullet_list("", *items)


def times(env, docname):
    known = chapters(env)[docname]
    core, whole = rounded(known["core"]), rounded(known["all"])
    words = f" Core {core} minutes; with starred sections and all proofs {whole}. Exercises come on top. "
    if core == whole:
        words = f" Core {core} minutes, and little more with all proofs. Exercises come on top. "
    yield nodes.paragraph("", "", nodes.strong("", "Time."), nodes.Text(words))


def rounded(count):
    return max(5, 5 * round(count / 5))


def symbols(app, docname):
    notation, known = getattr(app.env, "notation", None), chapters(app.env)[docname]
    if notation is None:
        return
    anchors = [notation.row(letter, chapter_number(app.env, docname)) for letter in known["letters"]]
    first = list(dict.fromkeys(anchor for anchor in anchors[: known["first"]] if anchor))
    then = [anchor for anchor in dict.fromkeys(anchors) if anchor and anchor not in first]
    parts = [meanings(app, docname, first)]
    if then:
        head = nodes.paragraph("", "", nodes.emphasis("", "Only in proofs, starred sections and exercises:"))
        parts += [head, meanings(app, docname, then)]
    yield fold("", *parts, kind="symbols", says=f"Symbols ({len(first)} in the core)")


def meanings(app, docname, anchors):
    items = []
    for anchor in anchors:
        symbol, meaning = app.env.notation.rows[anchor]
        uri = app.builder.get_relative_uri(docname, NOTATION) + "#" + anchor
        said = nodes.reference("", "", *plain(meaning), internal=True, refuri=uri)
        meant = nodes.definition("", nodes.paragraph("", "", said))
        items.append(nodes.definition_list_item("", nodes.term("", "", *plain(symbol)), meant))
    return nodes.definition_list("", *items, classes=["symbols"])


def plain(entry):
    """The words and formulas of a cell, without links: they become part of one."""
    for child in entry.deepcopy().findall(lambda node: isinstance(node, (nodes.math, nodes.Text))):
        if not isinstance(child.parent, nodes.math):
            yield child.deepcopy() if isinstance(child, nodes.math) else nodes.Text(child)


def purge(app, env, docname):
    chapters(env).pop(docname, None)


def merge(app, env, docnames, other):
    chapters(env).update({name: known for name, known in chapters(other).items() if name in docnames})
    if NOTATION in docnames:
        env.notation = other.notation


def outdated(app, env, added, changed, removed):
    return set(chapters(env)) if NOTATION in added | changed else set()


def setup(app):
    app.add_node(aims)
    app.add_directive("aims", Aims)
    app.connect("doctree-read", measure)
    app.connect("doctree-resolved", fill)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-get-outdated", outdated)
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}
