"""Starred sections and long proofs are folded on the screen, and open in print.

Of a starred section the first paragraph stays in sight, which says what it finds, of a long proof its first paragraph, one
sentence that says why.
"""

from docutils import nodes
from reading import is_long, is_starred, minutes


class fold(nodes.General, nodes.Element):
    """What is folded, under the words `says`."""


def visit(self, node):
    self.body.append(f'<details class="fold {node["kind"]}"><summary>{node["says"]}</summary>\n')


def depart(self, node):
    self.body.append("</details>\n")


def folded(kind, says, children, needed=None):
    needed = sum(map(minutes, children)) if needed is None else needed
    whole = max(1, round(needed))
    return fold("", *children, kind=kind, says=f"{says}, {whole} minute{'s' * (whole > 1)}")


def fold_up(app, doctree, docname):
    if app.builder.format != "html" or docname not in getattr(app.env, "chapters", {}):
        return
    for proof in list(doctree.findall(is_long)):
        (box,) = proof.children
        why, *rest = box.children
        box.children = [why]
        box += folded("in-full", "The proof in full", rest, 2 * sum(map(minutes, rest)))
    for section in list(doctree.findall(is_starred)):
        title, *rest = section.children
        seen = 1 if rest and isinstance(rest[0], nodes.paragraph) else 0
        section.children = [title, *rest[:seen]]
        section += folded("starred", "Read this section", rest[seen:])


def complaints(doctree):
    """Folds whose first paragraph is missing, or goes on in what is folded."""
    for section in doctree.findall(is_starred):
        first = section[1].astext().rstrip() if len(section) > 1 and isinstance(section[1], nodes.paragraph) else ""
        if len(section) < 3 or not 5 <= len(first.split()) <= 90 or not first.endswith((".", "?", ")")):
            yield f"a starred section has to open with a paragraph that says what it finds: {section[0].astext()!r}"
    for proof in doctree.findall(is_long):
        (box,) = proof.children
        why = box[0].astext() if isinstance(box[0], nodes.paragraph) else ""
        words = why.removeprefix("Proof. ").split()
        if len(box.children) < 2 or not 5 <= len(words) <= 60 or not why.rstrip().endswith((".", "?")):
            yield f"a long proof has to open with one sentence, a paragraph of its own, that says why: {' '.join(words)[:80]!r}"


def setup(app):
    app.add_node(fold, html=(visit, depart), latex=(lambda *_: None, lambda *_: None), text=(lambda *_: None, lambda *_: None))
    app.connect("doctree-resolved", fold_up, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
