"""Bind the built book as an EPUB, `_build/html/downloads/lrnnbook.epub`: `make epub`.

Each page's article becomes a document: formulas in MathML, proofs and starred sections open, solutions and answers at the end of
their chapter, panels as their stills. Code that the site folds stays folded where a reading system can, and is open elsewhere.
"""

import datetime
import html
import os
import re
import sys
import tomllib
import uuid
import zipfile
from pathlib import Path
from urllib.parse import urldefrag

import yaml
from bs4 import BeautifulSoup
from cover import cover
from downloads import FOLDER, offer
from mathml import translated
from playwright.sync_api import sync_playwright
from pygments.formatters import HtmlFormatter
from sealed import ROOT, seal

SITE = ROOT / "_build" / "html"
EPUB = FOLDER / "lrnnbook.epub"
DROPPED = """script, .headerlink, .toctree-wrapper, .open-folds, .verdict, form button, form [role=status], svg, #downloads,
    details.in-full > summary, details.starred > summary, label:has(input[type=text])"""
LONG = 35  # characters of a formula in the text that may be wider than a phone
TYPES = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}
CONTAINER = """<?xml version="1.0" encoding="utf-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="EPUB/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>
"""
XHTML = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="en" xml:lang="en">
<head><title>{title}</title><link rel="stylesheet" type="text/css" href="{style}"/></head>
<body>{body}</body>
</html>
"""
OPF = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" xml:lang="en">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">urn:uuid:{identifier}</dc:identifier>
<dc:title>{title}</dc:title><dc:creator>{author}</dc:creator><dc:language>en</dc:language>
<dc:description>{description}</dc:description><dc:rights>Text and figures: CC BY 4.0. Code: MIT.</dc:rights>
<meta property="dcterms:modified">{modified}</meta>
<meta property="schema:accessMode">textual</meta><meta property="schema:accessMode">visual</meta>
<meta property="schema:accessModeSufficient">textual</meta>
<meta property="schema:accessibilityFeature">alternativeText</meta><meta property="schema:accessibilityFeature">MathML</meta>
<meta property="schema:accessibilityFeature">structuralNavigation</meta>
<meta property="schema:accessibilityFeature">tableOfContents</meta>
<meta property="schema:accessibilityHazard">none</meta>
<meta property="schema:accessibilitySummary">Every figure has an alternative text, and every formula is MathML.</meta>
</metadata>
<manifest>{manifest}</manifest>
<spine>{spine}</spine>
</package>
"""


def contents():
    """The parts of the book, each with its caption, or None, and its pages in order; the first page is the landing page."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    groups = [(None, [toc["root"]])]
    for part in toc["parts"]:
        files = [entry["file"] for entry in part["chapters"]]
        if part.get("numbered"):
            groups[-1][1].extend(files)
        else:
            groups.append((part.get("caption"), files))
    return groups


def article(page, pages):
    """The article of a page, as it is to be read in a book of these pages."""
    soup = BeautifulSoup((SITE / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
    body = soup.select_one("article.bd-article")
    for node in body.select(DROPPED):
        node.decompose()
    for node in body.select("img"):
        del node["loading"]
    for node in body.select("p:has(> ul)"):  # Napoleon's lists of what is returned
        node.name = "div"
    for node in body.select("a[href]"):
        node["href"] = link(page, node["href"], pages)
        if not node["href"]:
            node.unwrap()
    unfold(soup, body)
    for node in body.select("form"):
        ask(soup, node)
    to_the_end(soup, body)
    body.name, body.attrs = "main", {}
    return body


def link(page, href, pages):
    """Where a link of a page leads in the book; outside of the site as it was, to what the book leaves out nowhere."""
    path, fragment = urldefrag(href)
    if "://" in href or href.startswith("mailto:") or not path:
        return href
    target = os.path.normpath(os.path.join(os.path.dirname(page), path)).removesuffix(".html")
    return path.removesuffix(".html") + ".xhtml" + f"#{fragment}" * bool(fragment) if target in pages else None


def unfold(soup, body):
    """Open what is folded, under its words; code alone stays folded."""
    for fold in body.select("details"):
        summary = fold.find("summary", recursive=False)
        if "hide" in fold["class"]:
            summary.string = "Code"
            continue
        fold.name = "div"
        if summary:
            summary.name, summary["class"] = "p", ["admonition-title"]


def ask(soup, form):
    """A question that checks itself as a question: its choices are a list."""
    form.name, form.attrs = "div", {"id": form["id"]}
    form.fieldset.legend.name = "p"
    choices = form.select("label")
    if choices:
        listed = soup.new_tag("ol", attrs={"class": "choices"})
        for choice in choices:
            choice.input.decompose()
            choice.name = "li"
            listed.append(choice.extract())
        form.fieldset.append(listed)
    form.fieldset.unwrap()


def to_the_end(soup, body):
    """Answers and solutions behind everything else, each under a heading; the exercise says where its solution is."""
    for title, found in (("Answers", body.select("div.answer")), ("Solutions", body.select("div.solution"))):
        if not found:
            continue
        end = soup.new_tag("section", attrs={"id": f"the-{title.lower()}"})
        heading = soup.new_tag("h2")
        heading.string = title
        end.append(heading)
        for node in found:
            asked = node.select_one(".admonition-title a")
            if asked and (exercise := body.find(id=asked["href"].lstrip("#"))):
                way = soup.new_tag("a", href=f"#{node['id']}")
                way.string = "Solution"
                exercise.append(soup.new_tag("p"))
                exercise.contents[-1].append(way)
            end.append(node.extract())
        body.append(end)


def take_formulas(body, formulas):
    """Put a mark in the place of each formula, and note the formula, a pair of its TeX and whether it is displayed."""
    for node in body.select(".math"):
        tex = node.find(string=re.compile(r"^\s*\\[(\[]"), recursive=False)
        key = tex.strip()[2:-2].strip(), node.name == "div"
        if not key[1] and len(key[0]) > LONG:
            node["class"].append("long")
        tex.replace_with(f"\ue000{formulas.setdefault(key, len(formulas))}\ue001")


def plain(heading):
    """A heading for the contents."""
    return " ".join(heading.get_text().split())


def navigation(groups, bodies):
    """The table of contents: parts, chapters, sections."""

    def entry(page):
        body = bodies[page]
        listed = (h for h in body.select("h2") if (at := h.find_parent("section")) and at.get("id"))
        inside = "".join(f'<li><a href="{page}.xhtml#{h.find_parent("section")["id"]}">{plain(h)}</a></li>' for h in listed)
        return f'<a href="{page}.xhtml">{plain(body.h1)}</a>' + f"<ol>{inside}</ol>" * bool(inside)

    found = []
    for caption, pages in groups:
        entries = {page: entry(page) for page in pages}
        if caption is None:
            found += [f"<li>{words}</li>" for words in entries.values()]
        else:
            found.append(f"<li><span>{caption}</span><ol>{''.join(f'<li>{words}</li>' for words in entries.values())}</ol></li>")
    first = groups[0][1][0]
    return f"""<nav epub:type="toc" id="toc"><h1>Contents</h1><ol>{"".join(found)}</ol></nav>
<nav epub:type="landmarks" hidden="hidden"><ol><li><a epub:type="cover" href="cover.xhtml">Cover</a></li>
<li><a epub:type="toc" href="nav.xhtml#toc">Contents</a></li>
<li><a epub:type="bodymatter" href="{first}.xhtml">The book</a></li></ol></nav>"""


def bound(browser, groups, path):
    """Write the EPUB of these parts."""
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    title, author = html.escape(settings["title"]), html.escape(settings["author"])
    pages = [page for _, group in groups for page in group]
    formulas: dict[tuple[str, bool], int] = {}
    bodies = {page: article(page, pages) for page in pages}
    for body in bodies.values():
        take_formulas(body, formulas)
    mathml = translated(browser, SITE, list(formulas))

    def document(name, heading, body):
        style = os.path.relpath("book.css", os.path.dirname(name) or ".")
        text = XHTML.format(title=heading, style=style, body=body)
        return re.sub("\ue000(\\d+)\ue001", lambda mark: mathml[int(mark[1])], text)

    picture, says = cover(settings["title"], settings["author"])
    files = {"book.css": css(), "cover.png": picture}
    image = f'<div class="cover"><img src="cover.png" alt="{html.escape(says)}"/></div>'
    files["cover.xhtml"] = document("cover.xhtml", title, image)
    files["nav.xhtml"] = document("nav.xhtml", title, navigation(groups, bodies))
    for page, body in bodies.items():
        heading = re.sub("\ue000.*?\ue001", "", html.escape(plain(body.h1)))
        files[f"{page}.xhtml"] = document(f"{page}.xhtml", heading, body.decode(formatter="minimal"))
        for image in body.select("img"):
            name = os.path.normpath(os.path.join(os.path.dirname(page), image["src"]))
            files[name] = (SITE / name).read_bytes()
    order = ["cover.xhtml", "nav.xhtml", *(f"{page}.xhtml" for page in pages)]
    package = OPF.format(
        identifier=uuid.uuid5(uuid.NAMESPACE_URL, f"{project['name']} {project['version']}"),
        title=title,
        author=author,
        description=html.escape(project["description"]),
        modified=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        manifest="\n".join(item(name, content) for name, content in files.items()),
        spine="\n".join(f'<itemref idref="{identifier(name)}"/>' for name in order),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("EPUB/book.opf", package)
        for name, content in files.items():
            archive.writestr(f"EPUB/{name}", content)
    return len(formulas)


def css():
    code = HtmlFormatter(style="a11y-high-contrast-light").get_style_defs(".highlight")
    kept = [line for line in code.splitlines() if line.startswith(".highlight .")]
    return (ROOT / "tools" / "epub.css").read_text(encoding="utf-8") + "\n".join(kept) + "\n"


def identifier(name):
    return "f-" + re.sub(r"\W", "-", name)


def item(name, content):
    """A file's line in the manifest."""
    suffix = Path(name).suffix
    kind = TYPES.get(suffix) or {".css": "text/css", ".xhtml": "application/xhtml+xml"}[suffix]
    says = {"nav.xhtml": ["nav"], "cover.png": ["cover-image"]}.get(name, [])
    says = says + ["mathml"] * (suffix == ".xhtml" and "<math" in content)
    properties = f' properties="{" ".join(says)}"' if says else ""
    return f'<item id="{identifier(name)}" href="{name}" media-type="{kind}"{properties}/>'


def main():
    seal()
    if not (SITE / "index.html").is_file():
        sys.exit("no book is built: run make book first")
    sys.path.insert(0, str(ROOT / "tests"))
    from chromium import ARGUMENTS, CHROMIUM

    if CHROMIUM is None:
        sys.exit("the EPUB needs Chromium: apt-get install chromium, or set CHROMIUM to the path of one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        count = bound(browser, contents(), EPUB)
        browser.close()
    offer(SITE)
    print(f"{EPUB.relative_to(ROOT)}: {count} different formulas, {EPUB.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
