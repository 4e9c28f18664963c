"""What depends on what in a part of the book, drawn from the boxes of its chapters (opening.py).

`{dependencies} 9 12` lists chapters 9 to 12 and, before them, the earlier ones that they need, each with a curve to every chapter
that needs it.
"""

import html

from docutils import nodes
from opening import chapter_number, chapters, rounded
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)
ROW, LEFT = 3.2, 6.0  # rem: the height of a row, the room for curves


class dependencies(nodes.General, nodes.Element):
    """Stands for the drawing until all pages are read."""


class Dependencies(SphinxDirective):
    required_arguments = 2

    def run(self):
        if not all(argument.isdecimal() for argument in self.arguments):
            raise self.error(f"dependencies: expected the numbers of the first and the last chapter, got {self.arguments}")
        first, last = map(int, self.arguments)
        return [dependencies(first=first, last=last)]


def needs(env):
    """`{number: (docname, numbers that it needs)}` of all chapters with a box."""
    numbers = {docname: chapter_number(env, docname) for docname in chapters(env)}
    known = {number: docname for docname, number in numbers.items()}
    of = {f"chapters/{need.partition('#')[0]}" for docname in numbers for need in chapters(env)[docname]["needs"]}
    of = {docname: chapter_number(env, docname) for docname in of | set(numbers)}
    found = {}
    for number, docname in known.items():
        wanted = {of[f"chapters/{need.partition('#')[0]}"] for need in chapters(env)[docname]["needs"]}
        found[number] = docname, sorted(wanted - {None, number})
    return found


def draw(app, doctree, docname):
    for node in list(doctree.findall(dependencies)):
        every = needs(app.env)
        part = [number for number in range(node["first"], node["last"] + 1) if number in every]
        if not part:
            logger.warning(f"{docname}: no chapters {node['first']} to {node['last']}", location=docname, type="form")
        before = sorted({need for number in part for need in every[number][1]} - set(part))
        rows = [number for number in (*before, *part) if number in every]
        node.replace_self(nodes.raw("", picture(app, docname, every, rows, part), format="html"))


def picture(app, docname, every, rows, part):
    place = {number: (i + 0.5) * ROW for i, number in enumerate(rows)}
    curves, dots, items = [], [], []
    for number in rows:
        dots.append(f'<circle cx="{LEFT - 0.5}" cy="{place[number]}" r="0.25"/>')
        here, wanted = every[number]
        if number in part:
            for need in wanted:
                if need in place:
                    top, bottom = place[need], place[number]
                    reach = LEFT - 0.5 - min(LEFT - 0.8, 0.8 + 0.55 * (bottom - top) / ROW)
                    curve = f"M{LEFT - 0.5} {top:g} C{reach:.2f} {top:g} {reach:.2f} {bottom:g} {LEFT - 0.5} {bottom:g}"
                    curves.append(f'<path d="{curve}"/>')
        items.append(item(app, docname, number, here, wanted, number in part))
    height = ROW * len(rows)
    svg = f'<svg aria-hidden="true" viewBox="0 0 {LEFT} {height:g}" style="width: {LEFT}rem; height: {height:g}rem">'
    return f'<div class="dependencies">{svg}{"".join(curves)}{"".join(dots)}</svg><ul>{"".join(items)}</ul></div>'


def item(app, docname, number, here, wanted, inside):
    title = html.escape(app.env.titles[here].astext())
    uri = app.builder.get_relative_uri(docname, here)
    names = " and ".join(filter(None, [", ".join(map(str, wanted[:-1])), *map(str, wanted[-1:])]))
    said = [f"needs {names}" if wanted else "needs no other"] * inside
    known = chapters(app.env)[here]
    said += [f"core {rounded(known['core'])} minutes"] if inside else ["from an earlier part"]
    kind = "inside" if inside else "before"
    return f'<li class="{kind}"><a href="{uri}">{number}. {title}</a><span>{", ".join(said)}</span></li>'


def outdated(app, env, added, changed, removed):
    return {docname for docname in env.found_docs if docname.startswith("parts/")} if added | changed | removed else set()


def setup(app):
    app.add_node(dependencies)
    app.add_directive("dependencies", Dependencies)
    app.connect("doctree-resolved", draw)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
