"""Plain Markdown of what a page shows: every reference, number and citation as the page has it, no directive and no role.

It is written from the resolved document, so that the numbers are the page's own. What has a title in a box on the page is a
quotation, what is folded there is in `<details>`. A formula in a list or a quotation is on one line: not every notebook reads
it otherwise.
"""

import base64
import html
import mimetypes
import re
from pathlib import Path
from urllib.parse import urljoin

from docutils import nodes

SMALL = 200_000  # bytes: pictures that are put into the notebook
MARKS = re.compile(r"([\\`*<$]|_(?!\w)|(?<!\w)_)")  # what Markdown would read as more than itself
NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")
LISTED = re.compile(r"^([-+#>])(?=\s|$)")


class NoMarkdown(Exception):
    """Something on a page for which there is no Markdown here."""


class Writer:
    """The Markdown of one page. `cited` collects the works it names, `{address: reference in full}`."""

    def __init__(self, app, docname):
        self.app, self.docname, self.site = app, docname, app.config.book_site
        self.numbers = app.env.toc_fignumbers.get(docname, {})
        self.cited = {}
        self.within = 0  # how many lists and quotations surround what is being written

    def number(self, kind, node):
        ids = node["ids"] or [""]
        return ".".join(map(str, self.numbers.get(kind, {}).get(ids[0], ())))

    def address(self, reference):
        """Where a link of the page leads, for a reader who is not on the page; nothing where the site's address is not known."""
        target = reference.get("refuri") or "#" + reference.get("refid", "")
        if not reference.get("internal") and not reference.get("refid"):
            return target
        return self.site and urljoin(self.page(), target)

    def page(self):
        return self.site and self.site + self.app.builder.get_target_uri(self.docname)

    # What stands in a line

    def line(self, node):
        """The children of a node, in a line."""
        return "".join(map(self.inline, node.children)).strip()

    def inline(self, node):
        match node:
            case nodes.Text():
                return MARKS.sub(r"\\\1", re.sub(r"\s+", " ", node)).replace(r"\<", "&lt;")
            case nodes.math():
                return f"${' '.join(node.astext().split())}$"
            case nodes.literal() if all(isinstance(child, nodes.Text) for child in node):
                return code(node.astext())
            case nodes.emphasis():
                return f"*{self.line(node)}*"
            case nodes.strong():
                return f"**{self.line(node)}**"
            case nodes.reference():
                return self.link(node)
            case nodes.image():
                return self.picture(node)
            case nodes.target() | nodes.comment():
                return ""
            case nodes.inline() | nodes.literal():
                return "".join(map(self.inline, node.children))
        raise NoMarkdown(f"no Markdown for {node.tagname} in a line: {node.astext()[:80]!r}")

    def link(self, node):
        before, text, after = re.fullmatch(r"(\s*)(.*?)(\s*)", "".join(map(self.inline, node.children)), re.S).groups()
        if "reftitle" in node:
            self.cited[node["refuri"]] = node["reftitle"]
        address = self.address(node)
        return before + (f"[{text}]({address})" if address else text) + after

    def picture(self, node):
        """A picture in the notebook itself, or a link to a large one."""
        path = Path(self.app.srcdir) / node["uri"]
        words = node.get("alt", "")
        if path.stat().st_size <= SMALL:
            return image(mimetypes.guess_type(path.name)[0], path.read_bytes(), words)
        address = f"{self.site or '../'}{self.app.builder.imagedir}/{self.app.builder.images[node['uri']]}"
        return element(address, words)

    # What stands on lines of its own

    def all(self, children):
        return [block for child in children for block in self.blocks(child)]

    def blocks(self, node):
        """The blocks of Markdown that a node makes, between which there is an empty line."""
        match node:
            case nodes.paragraph():
                return self.paragraph(node)
            case nodes.math_block():
                return [self.formula(node)]
            case nodes.bullet_list():
                return self.listed(node, lambda i: "- ")
            case nodes.enumerated_list():
                return self.listed(node, lambda i: f"{i + node.get('start', 1)}. ")
            case nodes.definition_list():
                return ["\n".join(f"- {self.line(term)}: {self.meaning(said)}" for term, said in map(self.pair, node))]
            case nodes.literal_block():
                return [f"```{node.get('language', '')}\n{node.astext()}\n```"]
            case nodes.block_quote():
                return self.quoted(node.children)
            case nodes.table():
                return self.table(node)
            case nodes.figure():
                return self.all(node.children)
            case nodes.caption():
                return self.caption(node.parent, self.line(node))
            case nodes.image():
                return [self.picture(node)]
            case nodes.target() | nodes.comment():
                return []
            case nodes.raw():
                return [self.live()]
        match node.tagname:
            case "proof_node":
                return self.proof(node)
            case "fold":
                return self.fold(node["says"], node.children)
            case "panel":
                return self.panel(node)
            case "admonition":
                return self.boxed(self.line(node[0]), node.children[1:])
            case "section" | "container" | "legend" | "compound":
                return self.all(node.children)
        if "realtype" in node:  # a theorem, a definition, a remark
            number = self.number(node["countertype"], node) if "countertype" in node else ""
            title = " ".join(filter(None, [node["realtype"].title(), number, self.line(node[0])]))
            return self.boxed(title, node.children[1:])
        raise NoMarkdown(f"no Markdown for {node.tagname}: {node.astext()[:80]!r}")

    def paragraph(self, node):
        text = self.line(node)
        text = NUMBERED.sub(r"\1\\\2", LISTED.sub(r"\\\1", text))
        return [text] if text else []

    def formula(self, node):
        tex = node.astext().strip()
        if r"\\" in re.sub(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", "", tex, flags=re.S):
            tex = rf"\begin{{split}}{tex}\end{{split}}"
        if number := self.number("displaymath", node):
            tex += rf" \tag{{{number}}}"
        if not self.within:
            return f"$$\n{tex}\n$$"
        if re.search(r"(?<!\\)%", tex):
            raise NoMarkdown(f"a remark in a formula that has to stand on one line: {tex[:80]!r}")
        return f"$${' '.join(tex.split())}$$"

    def listed(self, node, mark):
        self.within += 1
        items = [self.all(item.children) for item in node]
        self.within -= 1
        between = "\n\n" if any(len(item) > 1 for item in items) else "\n"
        return [between.join(hung(mark(i), "\n\n".join(item)) for i, item in enumerate(items))]

    def pair(self, item):
        term, *_, said = item.children
        return term, said

    def meaning(self, said):
        return " ".join(self.line(paragraph) for paragraph in said)

    def quoted(self, children, *before):
        self.within += 1
        text = "\n\n".join([*before, *self.all(children)])
        self.within -= 1
        return ["\n".join(f"> {line}".rstrip() for line in text.split("\n"))]

    def boxed(self, title, children):
        return self.quoted(children, f"**{title}**")

    def fold(self, says, children):
        return [f"<details><summary>{says}</summary>", *self.all(children), "</details>"]

    def proof(self, node):
        first, *rest = self.all(node[0].children)
        return [re.sub(r"^Proof\.", "*Proof.*", first), *rest]

    def panel(self, node):
        title, *rest = node.children
        return [f"**{self.line(title)}**", *self.all(rest), self.live(f"#panel-{node['name']}")]

    def live(self, anchor=""):
        """What is said of something that moves on the page."""
        words = "This panel is live on the book's page"
        return f"*[{words}]({self.page()}{anchor}).*" if self.site else f"*{words}.*"

    def table(self, node):
        rows = []
        for row in node.findall(nodes.row):
            rows.append([" ".join(self.line(paragraph) for paragraph in entry).replace(r"\|", r"\Vert ") for entry in row])
        head, *body = ([cell.replace("|", r"\vert ") for cell in row] for row in rows)
        return ["\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *body])]

    def caption(self, figure, text):
        number = self.number("figure", figure)
        return [f"**{self.app.config.numfig_format['figure'] % number}** {text}" if number else text]


def image(kind, content, words):
    """A picture as HTML that holds it."""
    return element(f"data:{kind};base64,{base64.b64encode(content).decode()}", words)


def element(address, words):
    return f'<img alt="{html.escape(" ".join(words.split()))}" src="{address}">'


def code(text):
    """Code in a line, between as many backticks as it takes."""
    ticks = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " if "`" in (text[:1], text[-1:]) else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def hung(mark, text):
    """An item of a list: its mark, and all further lines below its first letter."""
    return mark + text.replace("\n", "\n" + " " * len(mark)).replace("\n" + " " * len(mark) + "\n", "\n\n")
