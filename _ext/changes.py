"""What has changed: the changelog, read for the pages that say so.

An entry of CHANGELOG.md that opens with what it is about, `Chapter 8:`, `Chapters 9, 14 and 15:`, `Chapters 18 to 22:`,
`Claim 7:`, `Results B1 to B13:` or `Erratum, chapter 3:`, is repeated where readers of that chapter or claim look. `{changes}
chapters` lists the chapters with their changes, `{changes} errata` the errors that a release had, with the release in which they
are right. The map shows what is said of a claim (claims.py).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.errors import ConfigError
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

FILE = "CHANGELOG.md"
HEADING = re.compile(r"(\d+\.\d+\.\d+) \((\d{4}-\d{2}-\d{2}|unreleased|never released)\)")
OPENING = re.compile(r"(?:(Erratum, chapter|Chapters?)|(?:Claims?|Results?)) ([B\d][^:]*): (.+)", re.S)
NAMED = re.compile(r"(B?)(\d+)(?: to B?(\d+))?")


@dataclass(frozen=True)
class Entry:
    version: str
    state: str  # the date of the release, unreleased, or never released
    kind: str  # chapter, claim, erratum, or nothing
    about: tuple  # numbers of chapters or claims, labels of results
    text: str

    @property
    def release(self):
        return self.version if self.state[0].isdigit() else f"{self.version} ({self.state})"


def entries(text):
    """What a changelog says, in its order."""
    found = []
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        heading, _, body = section.partition("\n")
        release = HEADING.fullmatch(heading)
        if not release:
            raise ValueError(f"{FILE}: expected a heading like '1.0.0 (2026-01-31)', or (unreleased), got {heading!r}")
        for item in re.split(r"^\* ", body, flags=re.M)[1:]:
            said = " ".join(item.split())
            opening = OPENING.fullmatch(said)
            kind = {None: "claim", "Erratum, chapter": "erratum"}.get(opening[1], "chapter") if opening else ""
            about = tuple(named(opening[2])) if opening else ()
            found.append(Entry(*release.groups(), kind, about, opening[3] if opening else said))
    return found


def named(text):
    """The numbers and labels of `9, 14 and 15`, `18 to 22` or `B1 to B3`."""
    for part in re.split(r", | and ", text):
        one = NAMED.fullmatch(part)
        if not one:
            raise ValueError(f"{FILE}: expected numbers like '9, 14 and 15', '18 to 22' or 'B1 to B3', got {text!r}")
        for number in range(int(one[2]), int(one[3] or one[2]) + 1):
            yield f"B{number}" if one[1] else number


def read(env):
    """The entries of the book's changelog; none where there is none."""
    path = Path(env.srcdir) / FILE
    if not path.is_file():
        return []
    env.note_dependency(str(path))
    try:
        return entries(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(str(error)) from error


class Changes(SphinxDirective):
    required_arguments = 1

    def run(self):
        kinds = {"chapters": self.chapters, "errata": self.errata}
        if self.arguments[0] not in kinds:
            raise self.error(f"changes: expected chapters or errata, got {self.arguments[0]!r}")
        return kinds[self.arguments[0]](read(self.env))

    def errata(self, every):
        if not any(entry.state[0].isdigit() for entry in every):
            return self.parsed("No version of the book has been released yet, so that none has had an error to list here.")
        found = [entry for entry in every if entry.kind == "erratum"]
        if not found:
            return self.parsed("None has been found yet.")
        return self.listed(found, lambda entry: f"chapter {entry.about[0]}, right in {entry.release}: {entry.text}")

    def chapters(self, every):
        parts = []
        docs = {int(found[1]): doc for doc in self.env.found_docs if (found := re.match(r"chapters/(\d+)", doc))}
        for number in sorted({number for entry in every if entry.kind == "chapter" for number in entry.about}):
            if number not in docs:
                raise self.error(f"{FILE}: there is no chapter {number}")
            part = nodes.paragraph("", "", changed(number=number, docname=docs[number]))
            about = [entry for entry in every if entry.kind == "chapter" and number in entry.about]
            parts += [part, *self.listed(about, lambda entry: f"{entry.release}: {entry.text}")]
        return parts

    def listed(self, found, say):
        return self.parsed(*(f"* {say(entry)}" for entry in found))

    def parsed(self, *lines):
        node = nodes.container()
        self.state.nested_parse(StringList(list(lines), self.env.docname), self.content_offset, node)
        return node.children


class changed(nodes.Inline, nodes.Element):
    """Stands for a chapter's number and title until all pages are read."""


def name_chapters(app, doctree, docname):
    for node in list(doctree.findall(changed)):
        title = nodes.Text(f"Chapter {node['number']}, {app.env.titles[node['docname']].astext()}")
        node.replace_self(nodes.strong("", "", make_refnode(app.builder, docname, node["docname"], "", title)))


def setup(app):
    app.add_node(changed)
    app.add_directive("changes", Changes)
    app.connect("doctree-resolved", name_chapters)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
