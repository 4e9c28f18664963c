"""What a reference leads to, for _static/preview.js, which shows it where the pointer or the keyboard rests on the reference.

For each page `_static/previews/` has its theorems, exercises, figures, numbered formulas and the works that it lists, as a
classic script, which a page that lies on a disk can load.
"""

import json
import os
from pathlib import Path

import lxml.html

FOLDER = "previews"
SHOWN = "div.proof[id]:not(.argument), div.exercise[id], figure[id], div.math[id], div.citation[id]"
LEFT_OUT = "script, noscript, .headerlink, .toggle-button, button, form"


def pieces(page, docname):
    """The HTML of what can be shown of a page, by its anchor; addresses of pictures are those from the first page."""
    article = lxml.html.parse(str(page), lxml.html.HTMLParser(encoding="utf-8")).getroot().cssselect("article.bd-article")[0]
    for node in article.cssselect(LEFT_OUT):
        node.drop_tree()
    for node in article.cssselect("img[src]"):
        node.set("src", os.path.normpath(os.path.join(os.path.dirname(docname), node.get("src"))))
        node.attrib.pop("loading", None)
    found = article.cssselect(SHOWN)
    anchors = [node.get("id") for node in found]
    for node in article.cssselect("[id]"):
        del node.attrib["id"]
    for node in [link for piece in found for link in piece.cssselect("a")]:
        node.drop_tag()
    return {anchor: lxml.html.tostring(node, encoding="unicode", with_tail=False) for anchor, node in zip(anchors, found)}


def write(app, exception):
    if exception or app.builder.name != "html":
        return
    folder = Path(app.outdir) / "_static" / FOLDER
    folder.mkdir(exist_ok=True)
    for docname in app.env.found_docs:
        if found := pieces(app.builder.get_outfilename(docname), docname):
            uri = app.builder.get_target_uri(docname)
            said = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
            script = f"(window.previews ??= {{}})[{json.dumps(uri)}] = {said};\n"
            (folder / f"{uri.replace('/', '.')}.js").write_text(script, encoding="utf-8")


def setup(app):
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
