"""Mend the markup that assistive technology and links stumble over, in the text of every page."""

import re

MENDED = {
    # docutils calls the bibliography a list and its entries by a role since withdrawn, so that the list seems empty.
    'role="doc-biblioentry"': 'role="listitem"',
    # MyST-NB hides the visible "Show code cell source" from voice control behind another name.
    '<summary aria-label="Toggle hidden content">': "<summary>",
    # sphinx-proof names every proof alike; the style sheet needs to know it from the theorems, which are .proof too.
    '<div class="proof admonition" id="proof">': '<div class="proof argument admonition">',
    # It and sphinx-exercise give what is inside each box the same id.
    r'(<section\b[^>]*) id="(?:proof|exercise|solution)-content"': r"\1",
    # The space before a link is no part of it.
    r'(<p class="admonition-title">Solution to)(<a\b[^>]*>) ': r"\1 \2",
}


def mend(app, pagename, templatename, context, doctree):
    for found, mended in MENDED.items():
        if "body" in context:
            context["body"] = re.sub(found, mended, context["body"])


def setup(app):
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
