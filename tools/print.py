"""Print the built book as one PDF, `_build/html/downloads/lrnnbook.pdf`: `make pdf`.

The articles, as the EPUB has them, are put behind each other in one document, and links between pages lead within it. Chromium
typesets and prints it twice: the outline of the first print has the page numbers that the contents of the second one show.
"""

import os
import sys
from urllib.parse import urldefrag

from bs4 import BeautifulSoup
from downloads import FOLDER, offer
from epub import SITE, article, contents
from playwright.sync_api import sync_playwright
from pypdf import PdfReader
from sealed import ROOT, seal

ASSEMBLED = SITE / "_book.html"  # beside the pages, so that their pictures and styles are where they say
PDF = FOLDER / "lrnnbook.pdf"
STYLE = ROOT / "tools" / "print.css"
FOOT = '<div style="width: 100%; font-size: 8pt; text-align: center"><span class="pageNumber"></span></div>'
# A formula is one thing to a screen reader, with its TeX as its name, and not one for every letter: half of the file otherwise.
AS_PICTURES = """() => { for (const {math, typesetRoot} of MathJax.startup.document.math) {
  typesetRoot.querySelector("mjx-assistive-mml")?.remove();
  typesetRoot.setAttribute("role", "img");
  typesetRoot.setAttribute("aria-label", math);
} }"""
MARGIN = dict.fromkeys(("top", "bottom", "left", "right"), "18mm")


def anchor(page, fragment=""):
    """The name in the one document of a place on a page."""
    return f"{page}--{fragment}" if fragment else page


def section(page, pages):
    """An article as a part of the one document."""
    body = article(page, pages)
    for fold in body.select("details"):
        fold["open"] = ""
    for node in body.select("img[src]"):
        node["src"] = os.path.normpath(os.path.join(os.path.dirname(page), node["src"]))
    for node in body.select("[id]"):
        node["id"] = anchor(page, node["id"])
    for node in body.select("a[href]"):
        path, fragment = urldefrag(node["href"])
        if not path:
            node["href"] = f"#{anchor(page, fragment)}"
        elif path.endswith(".xhtml"):
            target = os.path.normpath(os.path.join(os.path.dirname(page), path.removesuffix(".xhtml")))
            node["href"] = f"#{anchor(target, fragment)}"
    for node in body.select(".dropdown"):  # which a script of the theme would fold
        node["class"].remove("dropdown")
    body.name, body["class"], body["id"] = "section", ["page"], anchor(page)
    return body


def title_of(head):
    return " ".join(head.get_text(" ", strip=True).split())


def entries(groups, sections):
    """The contents: `(level, title, anchor)`, level 0 for a part, 1 for a page and 2 for a section of a numbered chapter."""
    for caption, pages in groups:
        if caption:
            yield 0, caption, None
        for page in pages:
            for head in sections[page].select("h1, h2"):
                if head.name == "h1":
                    yield 1, title_of(head), page
                elif title_of(head)[:1].isdigit():
                    yield 2, title_of(head), head.find_parent(id=True)["id"]


def assembled(groups, sections, numbers):
    """The document; `numbers` are the pages of places, where these are known."""
    front = BeautifulSoup((SITE / "index.html").read_text(encoding="utf-8"), "html.parser")
    styles = "".join(map(str, front.select("link[rel=stylesheet]")))
    maths, mathjax = (front.select_one(f'script[src*="{name}"]') for name in ("maths.js", "mathjax/"))
    listed = []
    for level, title, place in entries(groups, sections):
        linked = f'<a href="#{place}">{title}</a><span>{numbers.get(title, "")}</span>' if place else title
        listed.append(f'<li class="level-{level}">{linked}</li>')
    title = front.select_one("title").get_text(strip=True).split(" — ")[0]
    whole = "".join(str(sections[page]) for _, pages in groups for page in pages)
    return f"""<!doctype html><html lang="en" data-theme="light" data-mode="light"><head><meta charset="utf-8"><title>{title}</title>
{styles}<link rel="stylesheet" href="{STYLE.as_uri()}">{maths}{mathjax}</head><body>
<section class="cover"><p class="title">{title}</p><p>The lrnnbook authors</p></section>
<nav class="contents"><p class="title">Contents</p><ol>{"".join(listed)}</ol></nav>
<main class="bd-content"><div class="bd-article">{whole}</div></main></body></html>"""


def outlined(reader):
    """The page on which each heading stands, by its words."""
    found = {}

    def walk(outline):
        for entry in outline:
            if isinstance(entry, list):
                walk(entry)
            else:
                found.setdefault(" ".join(entry.title.split()), reader.get_destination_page_number(entry) + 1)

    walk(reader.outline)
    return found


def printed(browser, document):
    ASSEMBLED.write_text(document, encoding="utf-8")
    tab = browser.new_page()
    tab.set_default_timeout(600_000)
    tab.goto(ASSEMBLED.as_uri())
    tab.evaluate("MathJax.startup.promise.then(() => document.fonts.ready).then(() => true)")
    tab.evaluate(AS_PICTURES)
    how = {"format": "A4", "margin": MARGIN, "print_background": True, "display_header_footer": True, "tagged": True, "outline": True}
    tab.pdf(path=PDF, header_template="<span></span>", footer_template=FOOT, **how)
    tab.close()
    return PdfReader(PDF)


def main():
    seal()
    if not (SITE / "index.html").is_file():
        sys.exit("no book is built: run make book first")
    sys.path.insert(0, str(ROOT / "tests"))
    from chromium import ARGUMENTS, CHROMIUM

    if CHROMIUM is None:
        sys.exit("the PDF needs Chromium: apt-get install chromium, or set CHROMIUM to the path of one")
    FOLDER.mkdir(exist_ok=True)
    groups = contents()
    pages = [page for _, group in groups for page in group]
    sections = {page: section(page, pages) for page in pages}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        first = printed(browser, assembled(groups, sections, {}))
        reader = printed(browser, assembled(groups, sections, outlined(first)))
        browser.close()
    ASSEMBLED.unlink()
    offer(SITE)
    print(f"{PDF.relative_to(ROOT)}: {len(reader.pages)} pages, {PDF.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
