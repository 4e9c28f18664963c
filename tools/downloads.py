"""What a reader can take along: files beside the pages, and the line of the landing page that offers those which are there."""

import re

from sealed import ROOT

FOLDER = ROOT / "_build" / "html" / "downloads"
KINDS = {"lrnnbook.pdf": "PDF", "lrnnbook.epub": "EPUB"}
PLACE = re.compile(r'<p id="downloads"[^>]*>.*?</p>', re.S)


def offer(site):
    """Say on the landing page which files there are; `make book` builds none, and says nothing."""
    landing = site / "index.html"
    found = [
        f'<a href="downloads/{name}">{kind}</a> ({(site / "downloads" / name).stat().st_size / 1e6:.0f} MB)'
        for name, kind in KINDS.items()
        if (site / "downloads" / name).is_file()
    ]
    text = landing.read_text(encoding="utf-8")
    if PLACE.search(text) is None:
        raise ValueError(f'{landing}: expected a place for the downloads, <p id="downloads">')
    says = f"The whole book to take along: {' or '.join(found)}."
    line = f'<p id="downloads">{says}</p>' if found else '<p id="downloads" hidden></p>'
    landing.write_text(PLACE.sub(line, text), encoding="utf-8")
