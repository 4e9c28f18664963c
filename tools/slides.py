"""Slides from Markdown: one file a lecture, whose figures and statements are taken from the built book by label.

A line `---` separates slides, `Note:` opens what only the speaker sees. A line `{{ label }}` stands for a figure, a statement, an
equation or an exercise of the book; `{{ label: 1, 3 }}` for items 1 and 3 of its list, `{{ label: head }}` for what comes before
the list. A title may end in `{dense}`, for smaller type. Reveal.js comes from the package sphinx-revealjs, MathJax from the book.
"""

import html
import importlib.util
import re
import shutil
from pathlib import Path

from extracts import Missing, parsed
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from sealed import ROOT

SOURCES = ROOT / "course"
REVEAL = ("dist/reset.css", "dist/reveal.css", "dist/reveal.js", "plugin/notes/notes.js", "LICENSE")
TAKE = re.compile(r"^\{\{\s*([\w-]+)\s*(?::\s*([\w, -]+?))?\s*\}\}$", re.M)
WIDE = 1.7  # width by height, from which on a figure stands below the words and not beside them

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
{links}
<script>window.MathJax = {{
  tex: {{inlineMath: [["\\\\(", "\\\\)"]], displayMath: [["\\\\[", "\\\\]"]]}},
  chtml: {{matchFontHeight: false, displayAlign: "{align}"}},
  options: {{enableMenu: false}},
  startup: {{pageReady: () => MathJax.startup.defaultPageReady().then(() => {{ {then} }})}}
}};</script>
<script defer src="shared/mathjax/tex-chtml.js"></script>
</head>
<body>
{body}
</body>
</html>
"""
START = (
    'Reveal.initialize({width: 1280, height: 720, margin: 0, center: false, hash: true, slideNumber: "c/t", transition: "none", '
    'plugins: [RevealNotes]}).then(() => document.documentElement.classList.add("ready"));'
)


def tex(content, options):
    content = html.escape(content.strip(), quote=False)
    return rf"\[{content}\]" if options["display_mode"] else rf"\({content}\)"


READER = MarkdownIt("commonmark", {"html": True}).enable("table").use(dollarmath_plugin, renderer=tex, double_inline=True)


class Material:
    """Pages made of Markdown and pieces of the book, in one folder with what they show."""

    def __init__(self, book, folder):
        self.book, self.folder = book, Path(folder)

    def taken(self, label, part=None):
        """A piece of the book as HTML; its pictures are copied beside the pages."""
        if label.startswith("fig-"):
            return self.figure(label)
        if label.startswith("panel-"):
            return self.panel(label)
        piece = self.book.piece(label)
        if part:
            select(piece, label, part)
        return self.with_pictures(piece)

    def with_pictures(self, piece):
        for image in piece.find_all("img"):
            image["src"] = self.picture(self.book.site / "_images" / Path(image["src"]).name)
        return str(piece)

    def picture(self, path, name=None):
        target = self.folder / "shared" / "figures" / (f"{name}{path.suffix}" if name else path.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        return target.relative_to(self.folder).as_posix()

    def figure(self, label):
        figure = self.book.figure(label)
        source = self.picture(figure.path, figure.name)
        shape = "wide" if ratio(figure.path) >= WIDE else "tall"
        image = f'<img src="{source}" alt="{html.escape(figure.alt)}">'
        return f'<figure class="{shape}">{image}<figcaption>{figure.number} of the book</figcaption></figure>'

    def panel(self, label):
        """The still of a panel, and the way to the panel in the book that goes with the course."""
        still = parsed(self.book.raw(label)).select_one(".panel-still img, noscript img")
        source = self.picture(self.book.site / "_images" / f"{label.removeprefix('panel-')}.png")
        page, _ = self.book.places[label]
        way = f'<a href="site/chapters/{page}.html#{label}">Move it in chapter {int(page[:2])} of the book</a>'
        return (
            f'<figure class="wide"><img src="{source}" alt="{html.escape(still["alt"])}"><figcaption>{way}</figcaption></figure>'
        )

    def rendered(self, text):
        """Markdown as HTML, with the pieces that it asks for."""
        pieces = []

        def hold(mark):
            pieces.append(self.taken(mark[1], mark[2]))
            return f"\n<div>piece {len(pieces) - 1}</div>\n"

        made = READER.render(TAKE.sub(hold, text))
        made = re.sub(r'(<span class="math inline">[^<]*</span>[,.;:?!)]+)', r'<span class="together">\1</span>', made)
        return re.sub(r"<div>piece (\d+)</div>", lambda mark: pieces[int(mark[1])], made)

    def share(self):
        """Put MathJax and the style sheets where the pages look for them."""
        shared = self.folder / "shared"
        shared.mkdir(parents=True, exist_ok=True)
        mathjax = self.book.site / "_static" / "mathjax"
        for part in ("tex-chtml.js", "output/chtml", "input/tex/extensions"):
            source, target = mathjax / part, shared / "mathjax" / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(source, target)
        for path in SOURCES.glob("*.css"):
            shutil.copyfile(path, shared / path.name)
        (shared / "reveal").mkdir(exist_ok=True)
        reveal = Path(importlib.util.find_spec("sphinx_revealjs").origin).parent / "_static" / "revealjs"
        for part in REVEAL:
            shutil.copyfile(reveal / part, shared / "reveal" / Path(part).name)

    def page(self, name, title, body, sheets, scripts=(), then="document.documentElement.classList.add('ready')", align="left"):
        links = [f'<link rel="stylesheet" href="shared/{sheet}">' for sheet in sheets]
        links += [f'<script defer src="shared/{script}"></script>' for script in scripts]
        text = PAGE.format(title=html.escape(title), links="\n".join(links), body=body, then=then, align=align)
        path = self.folder / f"{name}.html"
        path.write_text(text, encoding="utf-8")
        return path

    def lecture(self, source):
        """The slides of one Markdown file."""
        slides = re.split(r"^---$", Path(source).read_text(encoding="utf-8"), flags=re.M)
        title = re.match(r"\s*# (.+)", slides[0])[1]
        body = "\n".join(self.slide(text) for text in slides)
        body = f'<main class="reveal"><div class="slides">\n{body}\n</div></main>'
        sheets = ("reveal/reset.css", "reveal/reveal.css", "slides.css")
        return self.page(Path(source).stem, title, body, sheets, ("reveal/reveal.js", "reveal/notes.js"), START, "center")

    def slide(self, text):
        seen, _, said = text.partition("\nNote:")
        heading, dense = re.subn(r"^(#+ .*?)\s*\{dense\}$", r"\1", seen, count=1, flags=re.M)
        made = self.rendered(heading)
        kinds = ["dense"] * dense + (["opening"] if seen.lstrip().startswith("# ") else [])
        if '<figure class="tall"' in made and parsed(made).find(["p", "ul", "ol", "div", "table"], recursive=False):
            kinds.append("beside")
        made = re.sub(r"(<h\d>.*?</h\d>)(.*)", r'\1<div class="content">\2</div>', made, count=1, flags=re.S)
        notes = f'<aside class="notes">{READER.render(said.strip())}</aside>' if said.strip() else ""
        return f'<section class="{" ".join(kinds)}">{made}{notes}</section>'


def select(piece, label, part):
    """Keep the items of a statement's list that `part` names, or with `head` what comes before them.

    A displayed formula ends a list of HTML, and the next one goes on counting.
    """
    body = piece.select_one("[class$=-content]") or piece
    wanted = [] if part == "head" else [int(number) for number in part.split(",")]
    last = 0
    for node in body.find_all(True, recursive=False):
        if node.name != "ol":
            if last and last not in wanted:
                node.decompose()
            continue
        last = int(node.get("start", 1)) - 1
        for point in node.find_all("li", recursive=False):
            last += 1
            point["value"] = last
            if last not in wanted:
                point.decompose()
    if not last or max(wanted, default=1) > last:
        raise Missing(f"{label} has {last} items, not {part}")


def ratio(path):
    """Width by height of a picture."""
    if path.suffix == ".svg":
        _, _, width, height = re.search(r'viewBox="([^"]+)"', path.read_text(encoding="utf-8"))[1].split()
        return float(width) / float(height)
    from PIL import Image

    with Image.open(path) as image:
        return image.width / image.height
