"""Serve MathJax from the book itself: the script, its fonts, and every part that its menu may ask for."""

import importlib.util
from pathlib import Path

from sphinx.util.fileutil import copy_asset

PARTS = (
    "tex-chtml.js",
    "output/chtml/fonts/woff-v2",
    "output/svg.js",
    "output/svg/fonts",
    "input/tex/extensions",
    "input/mml.js",
    "input/mml/entities.js",
    "a11y",
)
SPEECH = "sre/mathmaps"


def copy_mathjax(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    package = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
    source, target = package / "static" / "mathjax", Path(app.outdir) / "_static" / "mathjax"
    for part in PARTS:
        folder = target / part if (source / part).is_dir() else (target / part).parent
        copy_asset(source / part, folder)
    (target / "sre").mkdir(exist_ok=True)
    for path in (source / SPEECH).glob("*.json"):
        (target / "sre" / f"{path.stem}.js").write_text(as_script(path), encoding="utf-8")


def as_script(path):
    """Speech rules as a script for _static/maths.js, which a page that lies on a disk can load."""
    return f"(window.speechRules ??= {{}}).{path.stem} = {path.read_text(encoding='utf-8')};\n"


def setup(app):
    app.config.mathjax_path = "mathjax/tex-chtml.js"
    app.config.mathjax_options = {"defer": "defer"}  # after _static/maths.js
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
