"""What every figure of the book relies on, and what importing the package may ask for."""

import ast
import io
import re
import sys
import tomllib
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import lrnnbook as lb

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def style():
    with mpl.rc_context():
        lb.use_style()
        yield


def test_rules_are_told_apart_by_colour_and_without_it():
    styles = [*lb.STYLES.values(), lb.TARGET]
    lines = [Figure().subplots().plot([0, 1], **style)[0] for style in styles]
    assert len({to_hex(line.get_color()) for line in lines}) == len(lines)
    assert len({str(line._dash_pattern) for line in lines}) == len(lines)
    assert len({line.get_marker() for line in lines}) == len(lines)


def svg():
    figure, buffer = Figure(), io.BytesIO()
    figure.subplots().plot([0, 1], **lb.STYLES["RFLO"])
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue().decode()


def test_figures_are_opaque_white_and_the_same_every_time():
    first = svg()
    background = re.search(r'<g id="patch_1">\s*<path [^>]*style="([^"]*)"', first).group(1)
    assert "fill: #ffffff" in background and "opacity" not in background
    assert svg() == first


def test_importing_the_package_asks_only_for_what_it_declares():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    allowed = {re.split(r"[<>=!~ \[]", name)[0].replace("-", "_") for name in declared} | {"lrnnbook", *sys.stdlib_module_names}
    for path in (ROOT / "lrnnbook").glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in names:
                assert name.split(".")[0] in allowed, f"{path.name} imports {name}, which pyproject.toml does not declare"
