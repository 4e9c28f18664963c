"""Pages that have moved: at the old address a page sends the reader on, to the same place on the page.

`moved_pages` of the configuration names them: old document, new document.
"""

from pathlib import Path

from sphinx.errors import ConfigError
from sphinx.util.osutil import relative_uri

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>This page has moved</title>
<meta name="robots" content="noindex">
<script>location.replace("{address}" + location.hash)</script>
<noscript><meta http-equiv="refresh" content="0; url={address}"></noscript>
<link rel="canonical" href="{address}">
</head>
<body><main id="main-content"><h1>This page has moved</h1><p><a href="{address}">It is here now.</a></p></main></body>
</html>
"""


def leave_word(app, exception):
    if exception or app.builder.name != "html":
        return
    for old, new in app.config.moved_pages.items():
        if new not in app.env.found_docs:  # a part of the book
            continue
        if old in app.env.found_docs:
            raise ConfigError(f"moved_pages: expected an address that is free, got {old}, which is a page")
        path = Path(app.builder.get_outfilename(old))
        path.parent.mkdir(parents=True, exist_ok=True)
        address = relative_uri(app.builder.get_target_uri(old), app.builder.get_target_uri(new))
        path.write_text(PAGE.format(address=address), encoding="utf-8")


def setup(app):
    app.add_config_value("moved_pages", {}, "html", dict)
    app.connect("build-finished", leave_word)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
