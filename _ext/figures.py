"""Send figures in fewer bytes: coordinates to a hundredth of a point, and no markup that draws nothing."""

import re
from pathlib import Path

PLACES = re.compile(r'(?<= )(?:d|x|y)="[^"]*"')
DECIMALS = re.compile(r"-?\d+\.\d{3,}")
SPACE = re.compile(r"\s*([MLQCz ])\s*")  # around the commands of a path, or longer than it need be
NOTHING = re.compile(r'<metadata>.*?</metadata>|<!--.*?-->|(?<=<g) id="[^"]*"(?=>)', re.S)


def rounded(number):
    return f"{round(float(number[0]), 2) + 0:g}"


def lightened(svg):
    """The picture that matplotlib has written, in fewer bytes; any other as it is."""
    if "<dc:title>Matplotlib" not in svg:
        return svg
    svg = PLACES.sub(lambda place: SPACE.sub(r"\1", DECIMALS.sub(rounded, place[0])), svg)
    return re.sub(r">\s+<", "><", NOTHING.sub("", svg))


def lighten(app, exception):
    if exception is None and app.builder.format == "html":
        for path in (Path(app.outdir) / app.builder.imagedir).glob("*.svg"):
            path.write_text(lightened(path.read_text(encoding="utf-8")), encoding="utf-8")


def setup(app):
    app.connect("build-finished", lighten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
