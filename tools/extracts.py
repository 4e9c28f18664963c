"""Pieces of the built book by their labels: statements, figures, equations, exercises and their solutions.

What teaching material shows is taken from the pages and not typed again, so it says what the book says. A piece is HTML, its
formulas as TeX for MathJax, without links and anchors, which lead nowhere outside the page.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bs4 import BeautifulSoup
from sealed import ROOT

SITE = ROOT / "_build" / "html"


class Missing(Exception):
    """A label that the book does not have."""


def balanced(page, start):
    """The element that opens at `start`, to its end."""
    name = re.compile(r"<(\w+)").match(page, start)[1]
    depth = 0
    for mark in re.compile(rf"<(/?){name}\b[^>]*>").finditer(page, start):
        depth += -1 if mark[1] else 1
        if depth == 0:
            return page[start : mark.end()]
    raise Missing(f"an element <{name}> that does not end")


def parsed(html):
    return BeautifulSoup(html, "html.parser")


def clean(html):
    """A piece without what only works on its page."""
    piece = parsed(html)
    for node in piece.select("a.headerlink, .verdict, button"):
        node.decompose()
    for node in piece.select("a"):
        node.unwrap()
    for node in piece.find_all(attrs={"id": True}):
        del node["id"]
    for node in piece.select("details"):
        node.unwrap()
    for node in piece.select("section"):  # which would be a slide
        node.name = "div"
    for node in piece.select("summary"):
        node.decompose()
    return piece


def words(node):
    return re.sub(r"\s+", " ", node.get_text()).strip()


@dataclass(frozen=True)
class Figure:
    """A figure of the book: its label, number, caption as TeX and words, alternative text, and file."""

    label: str
    chapter: int
    number: str
    caption: str
    alt: str
    path: Path

    @property
    def name(self):
        """A name that a reader can make sense of."""
        return f"{self.chapter:02}-{self.label.removeprefix('fig-')}"


class Book:
    """A built site, from which pieces are taken."""

    def __init__(self, site=SITE):
        self.site = Path(site)
        self.pages = {path.stem: path.read_text(encoding="utf-8") for path in sorted(self.site.glob("chapters/*.html"))}
        if not self.pages:
            raise Missing(f"{self.site} holds no chapters: run make book first")

    @cached_property
    def places(self):
        """Where each label's element opens: `{label: (page, start)}`."""
        found = {}
        for name, page in self.pages.items():
            for mark in re.finditer(r'<(?:div|figure|span|section|table)\b[^>]*\bid="([^"]+)"[^>]*>', page):
                found.setdefault(mark[1], (name, mark.start()))
        return found

    def raw(self, label):
        try:
            name, start = self.places[f"equation-{label}" if label.startswith("eq-") else label]
        except KeyError:
            raise Missing(f"the book has no label {label!r}") from None
        return balanced(self.pages[name], start)

    def piece(self, label):
        return clean(self.raw(label))

    def title(self, label):
        """The title of a statement or an exercise, `Exercise 3.1 (Compute: ...)`."""
        return words(self.piece(label).select_one(".admonition-title"))

    def solution(self, label):
        """The solution of an exercise."""
        name, _ = self.places[label]
        page = self.pages[name]
        mark = re.search(rf'<p class="admonition-title">Solution to ?<a[^>]*href="#{re.escape(label)}"', page)
        if not mark:
            raise Missing(f"{label} has no solution")
        return clean(balanced(page, page.rindex('<div class="solution', 0, mark.start())))

    def figure(self, label):
        name, _ = self.places[label] if label in self.places else self.raw(label)
        figure = parsed(self.raw(label)).find("figure")
        image, caption = figure.find("img"), figure.find("figcaption")
        for node in caption.select("a.headerlink"):
            node.decompose()
        number = caption.select_one(".caption-number").extract().get_text().strip()
        path = self.site / "_images" / Path(image["src"]).name
        return Figure(label, int(name[:2]), number, words(caption), image.get("alt", ""), path)

    @cached_property
    def figures(self):
        """All figures, in the order of the book."""
        labels = [label for label, (name, start) in self.places.items() if self.pages[name].startswith("<figure", start)]
        return [self.figure(label) for label in labels if label.startswith("fig-")]

    def chapter(self, number):
        """The name of the page of a chapter."""
        return next(name for name in self.pages if name.startswith(f"{number:02}_"))

    def chapter_title(self, number):
        heading = clean(balanced(self.pages[self.chapter(number)], self.pages[self.chapter(number)].index("<h1")))
        for node in heading.select(".section-number"):
            node.decompose()
        return words(heading)

    def questions(self, number):
        """The self-checks of a chapter, `[(question, answer, [(wrong answer, why), ...]), ...]`, with formulas in dollars."""
        page = self.pages[self.chapter(number)]
        found = []
        for mark in re.finditer(r'<div class="self-check[^>]*>', page):
            box = parsed(balanced(page, mark.start()))
            choices = {choice["value"]: dollars(choice.parent).partition(") ")[2] for choice in box.select("input[type=radio]")}
            said = [node for node in box.select(".verdict") if node["data-for"] not in ("right", "other", "none")]
            given = [choices.get(node["data-for"]) or f"{float(node['data-for']):g}" for node in said]
            wrong = [(value, dollars(node).removeprefix("Not yet. ")) for value, node in zip(given, said)]
            text = dollars(box.find("legend")).partition(". ")[2]
            found.append((text, dollars(box.select_one("details p")), wrong))
        return found


def dollars(node):
    """The words of a node, its formulas between dollars."""
    return re.sub(r"\\\((.*?)\\\)", r"$\1$", words(node), flags=re.S)
