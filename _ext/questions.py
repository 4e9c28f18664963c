"""Self-checks: what `lb.question` leaves on a page becomes a form, which `_static/questions.js` checks without a server.

Everything that can be said of an answer is on the page, typeset and hidden, so that the script only has to show it. Without
the script the question, the choices and, in a fold, the answer remain.
"""

import html

import executed
from claims import rounded, spoken
from docutils import nodes
from folds import fold
from sphinx.util import logging

from lrnnbook.book.questions import MIME

logger = logging.getLogger(__name__)
LETTERS = "abcdefgh"  # as in a notebook


class tag(nodes.General, nodes.Element):
    """An element of HTML: its name, and its attributes as they are written."""


def visit(self, node):
    self.body.append(f"<{node['name']}{node['said']}>")


def depart(self, node):
    if node["name"] != "input":
        self.body.append(f"</{node['name']}>")


def element(name, /, *children, **attributes):
    said = "".join(f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"' for key, value in attributes.items())
    return tag("", *children, name=name, said=said)


def words(text):
    """The words and formulas of a text, for where a line of them is wanted."""
    return [element("span", *spoken(text))]


def form(number, entry):
    label = element("legend", element("strong", nodes.Text(f"{number}. ")), *words(entry["text"]))
    name = f"question-{number}"
    if entry["choices"]:
        asked = [choice(name, i, text, entry) for i, text in enumerate(entry["choices"])]
        given = {entry["choices"].index(text): why for text, why in entry["wrong"]}
        answer = entry["answer"]
    else:
        field = element("input", type="text", inputmode="decimal", autocomplete="off", name=name)
        asked = [element("label", nodes.Text("Your answer "), field)]
        given = dict(entry["wrong"])
        answer = rounded(entry["answer"], 3)
    verdicts = [
        verdict("right", "Right."),
        *(verdict(value, "Not yet. ", words(why)) for value, why in given.items()),
        verdict("other", "Not yet. ", [nodes.Text("Try again, or open the answer.")]),
        verdict("none", "This is not a number or a fraction."),
    ]
    numbers = {} if entry["choices"] else {"data_answer": repr(entry["answer"]), "data_within": repr(entry["within"])}
    check = element("button", nodes.Text("Check"), type="submit", class_="btn btn-sm btn-primary", hidden="hidden")
    status = element("div", *verdicts, role="status", aria_live="polite")
    why = nodes.paragraph("", "", nodes.strong("", "", *spoken(answer.rstrip("."))), nodes.Text(". "), *spoken(entry["why"]))
    fields = element("fieldset", label, *asked)
    box = element("form", fields, check, status, class_="question", id=name, **numbers)
    return nodes.container("", box, fold("", why, kind="answer", says=f"Answer to question {number}"), classes=["self-check"])


def verdict(given, head, why=()):
    """What is said of an answer, hidden until it is given."""
    return element("p", element("strong", nodes.Text(head)), *why, class_="verdict", data_for=given, hidden="hidden")


def choice(name, i, text, entry):
    right = {"data_right": "yes"} if text == entry["answer"] else {}
    return element("label", element("input", type="radio", name=name, value=i, **right), *words(f" ({LETTERS[i]}) {text}"))


def ask(app, doctree):
    """Put a form in the place of each question that the page's cells have asked."""
    entries = executed.data(app.env, MIME)
    for number, entry in enumerate(entries, 1):
        for place, text in executed.places(doctree):
            if place.parent is not None and text.startswith(entry["text"]):
                place.replace_self(form(number, entry))
                break
        else:
            logger.warning(f"{app.env.docname}: question {number} has no place on the page", type="form")


def setup(app):
    app.add_node(tag, html=(visit, depart))
    app.connect("doctree-read", ask)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
