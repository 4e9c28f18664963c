"""What a page says of itself to search engines and to those who share it: a description, a card, and a map of the site.

Cards and maps need full addresses, so they are there where the address of the site is known, `BOOK_SITE` (address.py).
"""

import html
import re
from pathlib import Path

from docutils import nodes
from search import plain

from lab import panel as panel_of_a_page

LITTLE, ENOUGH = 100, 160  # characters of a description that says something, and that are shown
PICTURE = "waiting"  # the panel whose still is on the card of a page without one


def description(doctree):
    """The first sentences of a page, formulas in letters."""
    said = ""
    for paragraph in doctree.findall(nodes.paragraph):
        if not isinstance(paragraph.parent, (nodes.section, nodes.document)) or len(paragraph.astext()) < 20:
            continue
        copy = paragraph.deepcopy()
        for formula in list(copy.findall(nodes.math)):
            formula.replace_self(nodes.Text(plain(formula.astext())))
        for sentence in re.split(r"(?<=[.?!])(?<!Fig\.)\s+", " ".join(copy.astext().split())):
            more = f"{said} {sentence}".strip()
            if len(more) > ENOUGH:
                return said if len(said) >= LITTLE else more[: ENOUGH - 1].rsplit(" ", 1)[0] + "…"
            said = more
    return said


def describe(app, pagename, templatename, context, doctree):
    if doctree is None:
        return
    title = re.sub(r"<[^>]*>", "", context["title"])
    says = description(doctree) or f"{title} of the book {app.config.html_title}."
    tags = [("name", "description", says), ("property", "og:title", title), ("property", "og:description", says)]
    tags += [("property", "og:type", "article"), ("property", "og:site_name", app.config.html_title)]
    if site := app.config.book_site:
        panel = next((node["name"] for node in doctree.findall(panel_of_a_page)), PICTURE)
        picture = f"{site}_images/{panel}.png"
        tags += [("property", "og:url", site + app.builder.get_target_uri(pagename)), ("property", "og:image", picture)]
        tags += [("name", "twitter:card", "summary_large_image")]
    made = "".join(f'<meta {kind}="{name}" content="{html.escape(text)}" />\n' for kind, name, text in tags if text)
    context["metatags"] = context.get("metatags", "") + made


def map_the_site(app, exception):
    if exception or app.builder.name != "html" or not (site := app.config.book_site):
        return
    addresses = [html.escape(site + app.builder.get_target_uri(page)) for page in sorted(app.env.found_docs)]
    places = "".join(f"<url><loc>{address}</loc></url>\n" for address in addresses)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{places}</urlset>\n'
    (Path(app.outdir) / "sitemap.xml").write_text(text, encoding="utf-8")


def use_site(app, config):
    config.html_baseurl = config.book_site  # the canonical address of each page


def setup(app):
    app.connect("config-inited", use_site, priority=800)  # after address.py
    app.connect("html-page-context", describe)
    app.connect("build-finished", map_the_site)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
