"""One search, over sections: `_static/search/sections.js` holds the words of each, and `_static/search.js` ranks them.

The index is a classic script, which a page that lies on a disk can load, and is read when somebody searches. Words are those of
the page as it is shown, formulas in the letters that they show. Sphinx's own search, whose hits are pages, is switched off.
"""

import json
import re
from pathlib import Path

import lxml.html
from pylatexenc.latex2text import LatexNodes2Text
from sphinx.search.en import SearchEnglish

INDEX = "search/sections.js"
LEFT_OUT = """pre, script, style, noscript, nav, form button, .headerlink, .eqno, .toctree-wrapper, .aims, .open-folds, .verdict,
    details > summary"""
TITLES = "h1 h2 h3 h4 h5 h6".split()
LONG = 30  # characters of a formula that a line of a hit has room for
TEX = LatexNodes2Text(math_mode="text")


def plain(tex):
    r"""A formula in letters; a long one is left out.

    >>> plain(r"\hat w^* \le 1")
    'ŵ* ≤ 1'
    """
    text = re.sub(r"\^([*⊤′†])", r"\1", TEX.latex_to_text(re.sub(r"\\(le|ge|ne|in|to|approx)(?![A-Za-z])", r"\\\1{} ", tex)))
    text = " ".join(text.split())
    return text if len(text) <= LONG and "\\" not in text else "…"


def shown(page):
    """The article of a page as a tree, its formulas in letters, without code and what else is no prose."""
    article = lxml.html.parse(str(page), lxml.html.HTMLParser(encoding="utf-8")).getroot().cssselect("article.bd-article")[0]
    for node in article.cssselect(LEFT_OUT):
        node.drop_tree()
    for node in article.cssselect(".math"):
        tex = node.text_content().strip()[2:-2]
        for child in list(node):
            node.remove(child)
        node.text = plain(tex) if node.tag == "span" else " … "
    return article


def words(node):
    return " ".join(node.text_content().split())


def sections(article):
    """Of each section `(depth, anchor, title, words in bold, paragraphs)`, without those of the sections in it."""
    for section in article.iter("section"):
        heads = [child for child in section if child.tag in TITLES]
        if not heads:
            continue
        said, bold = [], []
        parts = [child for child in section if child.tag not in TITLES]
        while parts:
            node = parts.pop(0)
            if node.tag == "section" or not isinstance(node.tag, str):
                continue
            if node.tag in ("div", "details", "figure", "blockquote", "ul", "ol", "dl", "table", "tbody", "thead") and len(node):
                parts[:0] = list(node)
                continue
            if text := words(node):
                said.append(text)
                bold += [words(strong) for strong in node.iter("strong", "dfn")]
                bold += [text] * ("admonition-title" in node.get("class", "") or node.tag == "dt")
        depth = sum(1 for _ in section.iterancestors("section"))
        yield depth, section.get("id"), words(heads[0]), " ".join(bold), said


def write(app, exception):
    if exception or app.builder.name != "html":
        return
    pages, entries = [], []
    for docname in sorted(app.env.found_docs, key=order(app)):
        article = shown(app.builder.get_outfilename(docname))
        for depth, anchor, title, bold, said in sections(article):
            if not entries or pages[-1][0] != app.builder.get_target_uri(docname):
                pages.append([app.builder.get_target_uri(docname), title])
            entries.append([len(pages) - 1, depth, anchor, title, bold, said])
    path = Path(app.outdir) / "_static" / INDEX
    path.parent.mkdir(exist_ok=True)
    index = {"pages": pages, "sections": entries, "stop": sorted(SearchEnglish.stopwords)}
    said = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    path.write_text(f"{SearchEnglish.js_stemmer_code}\nwindow.searchIndex = {said};\n", encoding="utf-8")


def order(app):
    """Pages as the contents have them."""
    listed = [app.config.root_doc]
    for docname in listed:
        listed += [page for page in app.env.toctree_includes.get(docname, []) if page not in listed]
    return {page: i for i, page in enumerate(listed)}.get


def switch_off(app):
    if app.builder.format == "html":
        app.builder.search = False


def add_page(app):
    if app.builder.name == "html":
        yield "search", {"title": "Search"}, "search.html"


def setup(app):
    app.connect("builder-inited", switch_off)
    app.connect("html-collect-pages", add_page)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
