"""The claims: a box in the chapter that makes one good, and *The map*, which collects the boxes and their numbers.

In a chapter, `{claim} 7` with the options `proved` (labels of theorems), `seen` (labels of figures) and `held` (a test)
states claim 7 as the book proves it; `{claim} B2` states the second of the book's own results. `verdict` says in at most three
words what became of it, `number` with which words the one number begins that stands for all; without it, the first does. On the
map, `{evidence} 7` repeats the statement and lists every number that a cell of the book holds against a bound with
`lb.claim(7, ...)`, and what the changelog says of the claim; `{glance} claims` and `{glance} results` are tables of the verdicts.
In the chapter the lines that the cell shows get their numbers, in one block. The numbers are those of the execution that the
pages show. On a book with a map, a claim without a statement, a number or a place on the map is a warning, and `make book` fails
on warnings.
"""

from pathlib import Path

import changes
import executed
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.addnodes import pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

from lrnnbook.book.claims import FORMULA, MIME, RESULT, line

CLAIMS = range(1, 11)
MAP = "reference/map"
logger = logging.getLogger(__name__)


def records(env):
    """What each page says of claims: `{docname: {"stated": {n: {"verdict", "number"}}, "listed": {n}, "measured": [...]}}`."""
    if not hasattr(env, "claims"):
        env.claims = {}
    return env.claims


def record(env, docname):
    return records(env).setdefault(docname, {"stated": {}, "listed": set(), "measured": []})


class ClaimDirective(SphinxDirective):
    """What the two directives share: the number, and an anchor that `{ref}` knows."""

    required_arguments = 1

    def number(self):
        label = self.arguments[0]
        if label not in map(str, CLAIMS) and not RESULT.fullmatch(label):
            raise self.error(f"{self.name}: expected one of the claims, 1 to 10, or of the results, B1, B2, ..., got {label!r}")
        return label if RESULT.fullmatch(label) else int(label)

    def anchor(self, node, label, title):
        node["ids"].append(label)
        self.env.get_domain("std").note_hyperlink_target(label, self.env.docname, label, title)
        self.set_source_info(node)

    def parsed(self, node, *lines):
        self.state.nested_parse(StringList(list(lines), self.env.docname), self.content_offset, node)
        return node


class Claim(ClaimDirective):
    """The box in a chapter."""

    has_content = True
    option_spec = dict.fromkeys(("proved", "seen", "held", "verdict", "number"), directives.unchanged)

    def run(self):
        n = self.number()
        proved, seen, held, verdict = (self.options.get(option, "").split() for option in ("proved", "seen", "held", "verdict"))
        if not proved or not self.content:
            raise self.error(f"claim {n}: expected a statement, and in :proved: the label of its theorem")
        if not 1 <= len(verdict) <= 3:
            raise self.error(f"claim {n}: expected one to three words in :verdict:, got {' '.join(verdict)!r}")
        for path in held:
            if not (Path(self.env.srcdir) / path).is_file():
                raise self.error(f"claim {n}: there is no {path}")
        verdict, chosen = " ".join(verdict), self.options.get("number", "")
        record(self.env, self.env.docname)["stated"][n] = {"verdict": verdict, "number": chosen}

        where = "Proved: " + listed("prf:ref", proved) + ("; seen: " + listed("numref", seen) if seen else "")
        where = nodes.inline("", "", *self.parsed(nodes.container(), where + ".")[0].children)
        last = nodes.paragraph("", "", where, nodes.Text(" Held by the numbers below"), *tested(held), nodes.Text("."))
        if MAP in self.env.found_docs:
            whole = "All of the book's own results are on " if isinstance(n, str) else "All ten claims are on "
            last += [nodes.Text(f" {whole}"), to_map(self.env, n, "the map"), nodes.Text(".")]

        box = nodes.admonition("", nodes.title("", f"{named(n)}: {verdict}"), classes=["claim"], held=held)
        self.anchor(box, f"claim-{n}", named(n))
        self.parsed(box, *self.content).append(last)
        return [box]


def named(n):
    return f"Result {n}" if isinstance(n, str) else f"Claim {n}"


def to_map(env, n, text):
    """A link to a claim's place on the map; on a book without one, the text alone."""
    text = nodes.inline("", text)
    if MAP not in env.found_docs:
        return text
    target = {"refdomain": "std", "reftype": "ref", "reftarget": f"map-claim-{n}", "refexplicit": True}
    return pending_xref("", text, refdoc=env.docname, **target)


def listed(role, labels):
    *most, last = (f"{{{role}}}`{label}`" for label in labels)
    return ", ".join(most) + " and " + last if most else last


def tested(paths):
    return [node for path in paths for node in (nodes.Text(" and by "), nodes.literal("", path))]


class evidence(nodes.General, nodes.Element):
    """Stands for what the map says of one claim until all pages are read; its children are what has changed."""


class Evidence(ClaimDirective):
    """The place on the map."""

    def run(self):
        n = self.number()
        record(self.env, self.env.docname)["listed"].add(n)
        node = evidence(number=n)
        self.anchor(node, f"map-claim-{n}", f"{named(n)} on the map")
        for entry in changes.read(self.env):
            if entry.kind == "claim" and n in entry.about:
                self.parsed(node, f"Changed in {entry.release}: {entry.text}")
        return [node]


class glance(nodes.General, nodes.Element):
    """Stands for a table of verdicts until all pages are read."""


class Glance(SphinxDirective):
    """The verdicts, with one number each."""

    required_arguments = 1

    def run(self):
        kinds = {"claims": int, "results": str}
        if self.arguments[0] not in kinds:
            raise self.error(f"glance: expected claims or results, got {self.arguments[0]!r}")
        return [glance(kind=kinds[self.arguments[0]])]


class Collect(SphinxPostTransform):
    """Put the statement and the numbers in their place on the map, before references are resolved."""

    default_priority = 3

    def run(self, **kwargs):
        for node in list(self.document.findall(glance)):
            node.replace_self(self.verdicts(node["kind"]))
        for node in list(self.document.findall(evidence)):
            parts = self.statement(node["number"]) + self.numbers(node["number"]) + node.children
            node.replace_self(nodes.container("", *parts, ids=node["ids"], classes=["evidence"]))

    def verdicts(self, kind):
        """A row for each claim of a kind that is on this page: its title there, the verdict, one number, the chapter."""
        pages, here, rows = records(self.env), self.env.docname, []
        for place in self.document.findall(evidence):
            n = place["number"]
            for docname in sorted(name for name, found in pages.items() if n in found["stated"] and isinstance(n, kind)):
                title = make_refnode(self.app.builder, here, here, f"map-claim-{n}", nodes.Text(place.parent[0].astext()))
                verdict = nodes.Text(pages[docname]["stated"][n]["verdict"])
                number = [part for one in chosen(pages, n)[:1] for part in told(one)]
                rows.append([[title], [verdict], number, [self.link(docname, n, short=True)]])
        head = ["Claim" if kind is int else "Result", "Verdict", "A number that holds it", "Where"]
        return [table(head, rows, "glance")] if rows else []

    def statement(self, n):
        parts = []
        for docname, found in sorted(records(self.env).items()):
            if n not in found["stated"]:
                continue
            for box in self.env.get_doctree(docname).findall(nodes.admonition):
                if f"claim-{n}" in box["ids"]:
                    parts.append(self.copy(box, docname, n))
        return parts

    def copy(self, box, docname, n):
        _, *statement, last = box.deepcopy().children
        held = [nodes.Text(" Held by the numbers below, from "), self.link(docname, n), *tested(box["held"]), nodes.Text(".")]
        last = nodes.paragraph("", "", last[0], *held)
        title = f"What the book finds: {records(self.env)[docname]['stated'][n]['verdict']}"
        copied = nodes.admonition("", nodes.title("", title), *statement, last, classes=["claim"])
        for node in copied.findall(nodes.Element):
            node["ids"], node["names"] = [], []
            if "refdoc" in node:
                node["refdoc"] = self.env.docname
        return copied

    def link(self, docname, n, short=False):
        title = self.env.titles[docname].astext()
        section = ".".join(map(str, self.env.toc_secnumbers.get(docname, {}).get("", ())))
        text = nodes.Text((f"chapter {section}" if short else f"chapter {section}, {title}") if section else title)
        return make_refnode(self.app.builder, self.env.docname, docname, f"claim-{n}", text)

    def numbers(self, n):
        rows = measurements(records(self.env), n)
        if not rows:
            return []
        head = ["What was measured", "Measured", "Bound", "From"]
        cells = [[entry["what"], shown(entry), bound(entry), entry.get("because", "")] for entry in rows]
        columns = 4 if any(reason for *_, reason in cells) else 3
        return [table(head[:columns], [[spoken(text) for text in texts[:columns]] for texts in cells])]


def measurements(pages, n):
    return [entry for _, found in sorted(pages.items()) for entry in found["measured"] if entry["number"] == n]


def chosen(pages, n):
    """The measurements of a claim whose words begin as its statement says."""
    begins = next((found["stated"][n]["number"] for found in pages.values() if n in found["stated"]), "")
    return [entry for entry in measurements(pages, n) if entry["what"].startswith(begins)]


def table(head, rows, *classes):
    """Rows of cells, each a list of inline nodes."""
    specs = [nodes.colspec() for _ in head]
    body = nodes.tbody("", *map(row, rows))
    head = nodes.thead("", row([[nodes.Text(text)] for text in head]))
    return nodes.table("", nodes.tgroup("", *specs, head, body, cols=len(specs)), classes=[*classes])


def row(cells):
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells))


def spoken(text):
    """The words and, between dollars, the formulas of a text."""
    return [nodes.math("", part) if i % 2 else nodes.Text(part) for i, part in enumerate(FORMULA.split(text)) if part]


def shown(entry):
    """The measured number with two digits, or with as many as it takes to be seen within its bounds."""
    value = entry["measured"] + 0.0  # no minus before a zero
    return next(text for digits in range(2, 18) if kept(entry, float(text := rounded(value, digits))))


def rounded(value, digits):
    """Counts, and numbers with that many digits before the point, as whole numbers."""
    whole = (value.is_integer() or abs(value) >= 10 ** (digits - 1) - 0.05) and abs(value) < 1e6
    return f"{value:.0f}" if whole else f"{value:#.{digits}g}"


def kept(entry, value):
    return entry.get("at_least", value) <= value <= entry.get("at_most", value)


def bound(entry):
    low, high = entry.get("at_least"), entry.get("at_most")
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    return f"at least {low:g}" if high is None else f"at most {high:g}"


def numbered(found):
    return {entry["number"] for entry in found["measured"]}


def complaints(pages):
    """What keeps the claims from being made good, given the pages' records; nothing on a book without a map."""
    if not any(found["listed"] for found in pages.values()):
        return
    results = {
        n for found in pages.values() for n in [*found["stated"], *found["listed"], *numbered(found)] if isinstance(n, str)
    }
    for n in (*CLAIMS, *sorted(results, key=lambda label: int(label[1:]))):
        stated = [docname for docname, found in pages.items() if n in found["stated"]]
        measured = measurements(pages, n)
        if not stated:
            yield f"claim {n}: no chapter states it"
        if len(stated) > 1:
            yield f"claim {n}: stated in {' and in '.join(sorted(stated))}"
        if not measured:
            yield f"claim {n}: no number holds it"
        elif stated and not chosen(pages, n):
            yield f"claim {n}: no number begins with {pages[stated[0]]['stated'][n]['number']!r}"
        for entry in measured:
            if not kept(entry, entry["measured"]):
                yield f"claim {n}: {entry['what']}: measured {entry['measured']}, {bound(entry)}"
        if not any(n in found["listed"] for found in pages.values()):
            yield f"claim {n}: not on the map"


def check(app, env):
    for complaint in complaints(records(env)):
        logger.warning(complaint, location=MAP, type="claims")


def measure(app, doctree):
    """Note the numbers of the page that was just read and show them on it."""
    measured = [dict(entry) for entry in executed.data(app.env, MIME)]
    record(app.env, app.env.docname)["measured"] = measured
    show(app.env, doctree, measured)


def show(env, doctree, measured):
    """Put the numbers into the lines that claims left on the page; lines that follow each other become one list."""
    measured = list(measured)
    for output, said in executed.places(doctree):
        for entry in [entry for entry in measured if line(entry) == said][:1]:
            del measured[: measured.index(entry) + 1]
            before = output.parent[max(output.parent.index(output) - 1, 0)]
            if before.get("claim") == entry["number"]:
                before.append(nodes.list_item("", nodes.paragraph("", "", *told(entry))))
                output.parent.remove(output)
            else:
                head = [to_map(env, entry["number"], named(entry["number"])), nodes.Text(" holds: ")]
                first = nodes.list_item("", nodes.paragraph("", "", *head, *told(entry)))
                output.replace_self(nodes.bullet_list("", first, classes=["claims"], claim=entry["number"]))


def told(entry):
    """What was measured, the number and its bound."""
    return [*spoken(entry["what"]), nodes.Text(": "), nodes.strong("", shown(entry)), nodes.Text(f", {bound(entry)}.")]


def purge(app, env, docname):
    records(env).pop(docname, None)


def merge(app, env, docnames, other):
    records(env).update({name: found for name, found in records(other).items() if name in docnames})


def outdated(app, env, added, changed, removed):
    """The map is written anew whenever any page is."""
    return {docname for docname, found in records(env).items() if found["listed"]} if added | changed | removed else set()


def pass_over(app, config):
    config.suppress_warnings = [*config.suppress_warnings, "mystnb.unknown_mime_type"]  # its text/plain is what is shown


def setup(app):
    app.add_node(evidence)
    app.add_node(glance)
    app.add_directive("claim", Claim)
    app.add_directive("evidence", Evidence)
    app.add_directive("glance", Glance)
    app.add_post_transform(Collect)
    app.connect("config-inited", pass_over)
    app.connect("doctree-read", measure)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-get-outdated", outdated)
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 4}
