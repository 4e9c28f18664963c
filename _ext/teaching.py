"""What the pages on teaching make of the chapters: courses with their minutes, the graded exercises, and a glossary.

`{course} lectures` is one of the courses of `course/courses.yml`. The role `{core-minutes}` gives the minutes for the cores of
the chapters that it names, `{core-minutes}`1 2 3``, by the formula of reading.py. `{graded}` lists the graded exercises, and
`{terms}` every term that a chapter sets in bold, where it first does, with the sentence that says what it is. Its content is a
list of definitions for terms whose sentence needs its surroundings; its option `without` names bold words that are no terms.
"""

import re
from pathlib import Path

import yaml
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from graded import exercises
from opening import chapter_number, chapters, rounded
from reading import is_apart
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.nodes import make_refnode

logger = logging.getLogger(__name__)
COURSES = "course/courses.yml"
WORDS = 4  # that a term may have
SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z])")
STUB = 70  # characters, up to which a displayed formula is shown in a glossary


class minutes(nodes.General, nodes.Inline, nodes.Element):
    """Stands for the minutes of some chapters until all pages are read."""


class CoreMinutes(SphinxRole):
    def run(self):
        return [minutes(numbers=[int(number) for number in self.text.split()])], []


class terms(nodes.General, nodes.Element):
    """Stands for the glossary until all pages are read."""


class Terms(SphinxDirective):
    has_content = True
    option_spec = {"without": directives.unchanged}

    def run(self):
        self.env.get_domain("math").data["has_equations"][self.env.docname] = True  # which are not there yet
        without = [word.strip() for word in self.options.get("without", "").split(",")]
        node = terms(without=without)
        self.set_source_info(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


class Written(SphinxDirective):
    """A directive whose content is Markdown that it writes itself."""

    def parsed(self, lines):
        box = nodes.container()
        self.state.nested_parse(StringList(lines, self.env.docname), self.content_offset, box)
        return box.children


class Course(Written):
    required_arguments = 1

    def run(self):
        self.env.note_dependency(COURSES)
        known = yaml.safe_load((Path(self.env.srcdir) / COURSES).read_text(encoding="utf-8"))
        name = self.arguments[0]
        if "sessions" not in known.get(name, {}):
            raise self.error(f"course: expected one of {', '.join(known)} with sessions, got {name!r}")
        lines = [known[name]["about"], ""]
        for number, session in enumerate(known[name]["sessions"], 1):
            lines += [f"**{number}. {session['title']}**", ": " + self.before(session), ""]
            lines += [f"  *In the session.* {session['does']}", "", "  *Afterwards.* " + self.after(session), ""]
        return self.parsed(lines)

    def before(self, session):
        files = {number: name for name in self.env.found_docs if (number := number_in_name(name))}
        links = [f"[{number}](/{files[number]}.ipynb)" for number in session["chapters"]]
        listed = f"chapter {links[0]}" if len(links) == 1 else f"chapters {', '.join(links[:-1])} and {links[-1]}"
        paper = f", and {{cite:t}}`{session['paper']}`" if "paper" in session else ""
        numbers = " ".join(map(str, session["chapters"]))
        return f"*Before it.* The core of {listed}, {{core-minutes}}`{numbers}`{paper}."

    def after(self, session):
        listed = ", ".join(f"{{numref}}`{label}`" for label in session["assigns"])
        graded = session.get("graded", [])
        more = f"; graded: chapter{'s' * (len(graded) > 1)} {', '.join(map(str, graded))}" if graded else ""
        return f"{listed}{more}."


class Graded(Written):
    def run(self):
        lines = ["| chapter | graded exercise | to write | about |", "| --- | --- | --- | --- |"]
        for exercise in exercises():
            self.env.note_dependency(str(exercise.path))
            role = "numref" if exercise.about.startswith("ex-") else "prf:ref"
            lines.append(f"| {exercise.chapter} | {exercise.title} | `{exercise.answer}` | {{{role}}}`{exercise.about}` |")
        return self.parsed(lines)


def number_in_name(docname):
    found = re.match(r"chapters/(\d+)_", docname)
    return int(found[1]) if found else None


def collect(app, doctree):
    """Note the terms of a chapter: `{term: (the sentence, the anchor)}`."""
    env, docname = app.env, app.env.docname
    if not number_in_name(docname):
        return
    found = known_terms(env).setdefault(docname, {})
    for strong in doctree.findall(nodes.strong):
        text = strong.astext().strip()
        paragraph = strong.parent
        if not isinstance(paragraph, nodes.paragraph) or text.endswith((".", ":")) or len(text.split()) > WORDS:
            continue
        above = list(ancestors(strong))
        if text.lower() in found or any(is_no_text(node) for node in above):
            continue
        # The content of each box has an id of its own, the same on all of them, which accessible.py takes away.
        anchor = next((name for node in above for name in node.get("ids", ()) if not name.endswith("-content")), "")
        found[text.lower()] = strong.deepcopy(), sentence(paragraph, strong), anchor


def is_no_text(node):
    """Whether a node is an exercise, a table, or what a cell shows, such as a claim or a question."""
    shown = isinstance(node, nodes.container) and {"cell", "self-check"} & set(node["classes"])
    return shown or is_apart(node) or isinstance(node, (nodes.caption, nodes.table))


def ancestors(node):
    while node.parent is not None:
        node = node.parent
        yield node


def sentence(paragraph, strong):
    """The words and formulas of the sentence that holds `strong`, with the formula that it leads to."""
    parts = [[]]
    held = 0
    for child in paragraph.children:
        if child is strong:
            held = len(parts) - 1
        if isinstance(child, nodes.Text):
            first, *rest = SENTENCE.split(child)
            parts[-1].append(nodes.Text(first))
            parts.extend([nodes.Text(each)] for each in rest)
        elif isinstance(child, (nodes.strong, nodes.emphasis, nodes.math, nodes.literal)):
            parts[-1].append(child.deepcopy())
        elif child.tagname != "pending_xref" or "cite" not in str(child.get("refdomain", "")):
            parts[-1].append(nodes.Text(child.astext()))
    kept = parts[held]
    following = paragraph.next_node(siblings=True, descend=False)
    if held == len(parts) - 1 and isinstance(following, nodes.math_block) and not paragraph.astext().rstrip().endswith("."):
        tex = following.astext().strip()
        formula = [nodes.Text(" "), nodes.math("", tex)] if len(tex) <= STUB and r"\\" not in tex else [nodes.Text(" …")]
        kept = [*kept, *formula]
    return kept


def known_terms(env):
    if not hasattr(env, "terms"):
        env.terms = {}
    return env.terms


def fill(app, doctree, docname):
    for node in list(doctree.findall(minutes)):
        known = {chapter_number(app.env, name): found for name, found in chapters(app.env).items()}
        absent = [number for number in node["numbers"] if number not in known]
        if absent:
            logger.warning(f"{docname}: core-minutes of chapters that do not exist: {absent}", location=docname, type="form")
        total = sum(rounded(known[number]["core"]) for number in node["numbers"] if number in known)
        node.replace_self(nodes.Text(f"{total} minutes"))
    for node in list(doctree.findall(terms)):
        node.replace_self(glossary(app, docname, node))


def glossary(app, docname, node):
    entries, written = {}, {}
    for item in node.findall(nodes.definition_list_item):
        written[item[0].astext().lower()] = item[1][0].children
    for doc, found in sorted(known_terms(app.env).items()):
        for term, (strong, meaning, anchor) in found.items():
            if term not in node["without"]:
                entries.setdefault(term, (doc, strong, written.pop(term, meaning), anchor))
    for term in [*written, *(set(node["without"]) - {term for found in known_terms(app.env).values() for term in found})]:
        logger.warning(f"{docname}: no chapter sets {term!r} in bold", location=docname, type="form")
    items = []
    for _, (doc, strong, meaning, anchor) in sorted(entries.items(), key=lambda entry: entry[0].lstrip("$\\")):
        said = nodes.paragraph("", "", *(part.deepcopy() for part in meaning), nodes.Text(" "))
        number = ".".join(map(str, app.env.toc_secnumbers.get(doc, {}).get("", ())))
        said += make_refnode(app.builder, docname, doc, anchor, nodes.Text(f"Chapter {number}"))
        items.append(nodes.definition_list_item("", nodes.term("", "", *strong.deepcopy().children), nodes.definition("", said)))
    return nodes.definition_list("", *items, classes=["glossary"])


def purge(app, env, docname):
    known_terms(env).pop(docname, None)


def merge(app, env, docnames, other):
    known_terms(env).update({name: found for name, found in known_terms(other).items() if name in docnames})


def outdated(app, env, added, changed, removed):
    return {docname for docname in env.found_docs if docname.startswith("teaching/")} if added | changed | removed else set()


def setup(app):
    app.add_node(minutes)
    app.add_node(terms)
    app.add_role("core-minutes", CoreMinutes())
    for name, directive in (("course", Course), ("graded", Graded), ("terms", Terms)):
        app.add_directive(name, directive)
    app.connect("doctree-read", collect)
    app.connect("doctree-resolved", fill)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
