"""Print the built book as one PDF, `_build/html/downloads/lrnnbook.pdf`: `make pdf`.

The articles, as the EPUB has them, are put behind each other in one document, and links between pages lead within it. Chromium
typesets it once and prints it twice: where its places landed first is what the contents say in the second print.
"""

import io
import os
import re
import sys
from urllib.parse import urldefrag

import pikepdf
from bs4 import BeautifulSoup
from downloads import FOLDER, offer
from epub import SITE, article, contents
from playwright.sync_api import sync_playwright
from sealed import ROOT, seal

ASSEMBLED = SITE / "_book.html"  # beside the pages, so that their pictures and styles are where they say
PDF = FOLDER / "lrnnbook.pdf"
STYLE = ROOT / "tools" / "pdf.css"
AUTHOR = "The lrnnbook authors"
# Pieces of code that have no colour of their own: each would be an entry in the list of what a screen reader meets.
PLAIN = ", ".join(f".highlight span.{kind}" for kind in ("n", "o", "p", "w", "nn", "nb", "fm", "nf", "nc"))
# To a screen reader a formula is a picture with its TeX for a name. Its letters, which a style sheet writes, would not be there.
NAMED = """() => { for (const {math, typesetRoot} of MathJax.startup.document.math) {
  typesetRoot.querySelector("mjx-assistive-mml")?.remove();
  const name = document.createElement("img");
  name.src = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
  name.alt = math.trim();
  name.className = "name";
  typesetRoot.prepend(name);
} }"""
NUMBERED = """numbers => { for (const link of document.querySelectorAll("nav.listing a"))
  link.nextElementSibling.textContent = numbers[link.getAttribute("href").slice(1)]; }"""
PAPER = {
    "format": "A4",
    "margin": dict.fromkeys(("top", "bottom", "left", "right"), "18mm"),
    "print_background": True,
    "display_header_footer": True,
    "header_template": "<span></span>",
    "footer_template": '<div style="width: 100%; font-size: 8pt; text-align: center"><span class="pageNumber"></span></div>',
    "tagged": True,
}


def anchor(page, fragment=""):
    """The name in the one document of a place on a page."""
    return f"{page}--{fragment}" if fragment else page


def section(page, pages):
    """An article as a part of the one document: all folds open, and links within it."""
    body = article(page, pages)
    for fold in body.select("details"):
        fold["open"] = ""
    for node in body.select(PLAIN):
        node.unwrap()
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
    for node in body.select("a:has(> .math:only-child)"):  # would be a link for each letter of the formula
        node.unwrap()
    for node in body.select(".dropdown"):  # which a script of the theme would fold
        node["class"].remove("dropdown")
    body.name, body["class"], body["id"] = "section", ["page"], anchor(page)
    return body


def title_of(head):
    return re.sub(r"\\[()]", "", " ".join(head.get_text().split()))


def entries(groups, sections):
    """The contents: `(level, title, anchor)`, level 0 for a part, 1 for a page and 2 for a section of a numbered chapter."""
    for caption, pages in groups:
        if caption:
            yield 0, caption, pages[0]
        for page in pages:
            for head in sections[page].select("h1, h2"):
                if head.name == "h1":
                    yield 1, title_of(head), page
                elif title_of(head)[:1].isdigit():
                    yield 2, title_of(head), head.find_parent(id=True)["id"]


def assembled(sections, listed):
    """The document of these articles and entries, with room for the numbers of pages in its contents."""
    front = BeautifulSoup((SITE / "index.html").read_text(encoding="utf-8"), "html.parser")
    styles = "".join(map(str, front.select("link[rel=stylesheet]")))
    maths, mathjax = (front.select_one(f'script[src*="{name}"]') for name in ("maths.js", "mathjax/"))
    linked = (f'<a href="#{place}">{title}</a><span></span>' if level else title for level, title, place in listed)
    lines = "".join(f'<li class="level-{level}">{words}</li>' for (level, *_), words in zip(listed, linked))
    title = front.select_one("title").get_text(strip=True).split(" — ")[0]
    return f"""<!doctype html>
<html lang="en" data-theme="light" data-mode="light"><head><meta charset="utf-8"><title>{title}</title>
{styles}<link rel="stylesheet" href="{STYLE.as_uri()}">{maths}{mathjax}</head><body>
<section class="cover"><p class="title">{title}</p><p>{AUTHOR}</p><p>Text and figures: CC BY 4.0. Code: MIT.</p></section>
<nav class="listing"><p class="title">Contents</p><ol>{lines}</ol></nav>
<main class="bd-content"><div class="bd-article">{"".join(map(str, sections.values()))}</div></main></body></html>"""


def places(pdf):
    """The page, from 1, on which each place stands that a link leads to."""
    number = {page.objgen: i for i, page in enumerate(pdf.pages, 1)}
    return {name[1:]: number[where[0].objgen] for name, where in pdf.Root.Dests.items()}


def bookmark(pdf, listed):
    """The contents as bookmarks. Chromium would make some, but it says parts of a long heading twice."""
    with pdf.open_outline() as outline:
        above = [(-1, outline.root)]
        for level, title, place in listed:
            item = pikepdf.OutlineItem(title, pdf.Root.Dests[f"/{place}"])
            while above[-1][0] >= level:
                above.pop()
            above[-1][1].append(item)
            above.append((level, item.children))


def printed(browser, groups, path):
    """Print the pages of these groups to a path, and return how many sheets there are."""
    pages = [page for _, group in groups for page in group]
    sections = {page: section(page, pages) for page in pages}
    listed = list(entries(groups, sections))
    ASSEMBLED.write_text(assembled(sections, listed), encoding="utf-8")
    tab = browser.new_page()
    try:
        tab.set_default_timeout(600_000)
        tab.goto(ASSEMBLED.as_uri())
        tab.evaluate("MathJax.startup.promise.then(() => document.fonts.ready).then(() => true)")
        tab.evaluate(NAMED)
        with pikepdf.open(io.BytesIO(tab.pdf(**PAPER))) as first:
            tab.evaluate(NUMBERED, places(first))
        second = tab.pdf(**PAPER)
    finally:
        tab.close()
        ASSEMBLED.unlink()
    with pikepdf.open(io.BytesIO(second)) as pdf:
        bookmark(pdf, listed)
        pdf.docinfo.Author = AUTHOR
        with pdf.open_metadata() as metadata:
            metadata.load_from_docinfo(pdf.docinfo)
        pdf.save(path, object_stream_mode=pikepdf.ObjectStreamMode.generate, recompress_flate=True, linearize=True)
        return len(pdf.pages)


def main():
    seal()
    if not (SITE / "index.html").is_file():
        sys.exit("no book is built: run make book first")
    sys.path.insert(0, str(ROOT / "tests"))
    from chromium import ARGUMENTS, CHROMIUM

    if CHROMIUM is None:
        sys.exit("the PDF needs Chromium: apt-get install chromium, or set CHROMIUM to the path of one")
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        count = printed(browser, contents(), PDF)
        browser.close()
    offer(SITE)
    print(f"{PDF.relative_to(ROOT)}: {count} pages, {PDF.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
