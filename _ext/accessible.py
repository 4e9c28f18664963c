"""Mend two pieces of markup that assistive technology stumbles over, in the text of every page."""

MENDED = {
    # docutils calls the bibliography a list and its entries by a role since withdrawn, so that the list seems empty.
    'role="doc-biblioentry"': 'role="listitem"',
    # MyST-NB hides the visible "Show code cell source" from voice control behind another name.
    '<summary aria-label="Toggle hidden content">': "<summary>",
}


def mend(app, pagename, templatename, context, doctree):
    for found, mended in MENDED.items():
        if "body" in context:
            context["body"] = context["body"].replace(found, mended)


def setup(app):
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
