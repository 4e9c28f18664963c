"""Mend the markup that assistive technology and links stumble over, in the text of every page."""

import re

MENDED = {
    # docutils calls the bibliography a list and its entries by a role since withdrawn, so that the list seems empty.
    'role="doc-biblioentry"': 'role="listitem"',
    # MyST-NB hides the visible "Show code cell source" from voice control behind another name.
    '<summary aria-label="Toggle hidden content">': "<summary>",
    # sphinx-proof names every proof alike; the style sheet needs to know it from the theorems, which are .proof too.
    '<div class="proof admonition" id="proof">': '<div class="proof argument admonition">',
}
# sphinx-proof and sphinx-exercise give what is inside each box the same id.
INSIDE = re.compile(r'(<section\b[^>]*) id="(?:proof|exercise|solution)-content"')


def mend(app, pagename, templatename, context, doctree):
    if "body" not in context:
        return
    for found, mended in MENDED.items():
        context["body"] = context["body"].replace(found, mended)
    context["body"] = INSIDE.sub(r"\1", context["body"])


def setup(app):
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
