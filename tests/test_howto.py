"""The code on the how-to pages runs as a reader would run it, block after block, and prints what stands below it.

A block that starts with "# name.py" is a file that the page asks for. One that starts with the import of a package that the book
does without is run where there is that package.
"""

import contextlib
import importlib.util
import io
import re
import sys
import types
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "reference").glob("*.md"))
BLOCK = re.compile(r"```python\n(.*?)```(?:\s*```text\n(.*?)```)?", re.S)


def run_page(text, names):
    """Pairs of what the page says that a block prints and what it prints."""
    for code, said in BLOCK.findall(text):
        if optional := re.match(r"(?:import|from) (torch|jax|dask)\b", code):
            if importlib.util.find_spec(optional[1]) is None:
                continue
        if module := re.match(r"# (\w+\.py)\n", code):
            Path(module[1]).write_text(code, encoding="utf-8")
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "page", "exec"), names)
        yield said, printed.getvalue()


@pytest.fixture
def namespace(tmp_path, monkeypatch):
    """That of a script in an empty folder, from which the modules written there can be imported."""
    module = types.ModuleType("__main__")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    matplotlib.use("Agg")
    with matplotlib.rc_context():
        yield vars(module)
    plt.close("all")
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_runs_and_prints_what_the_page_shows(page, namespace):
    text = page.read_text(encoding="utf-8")
    assert text.count("```python") == len(BLOCK.findall(text)) > 0
    for said, printed in run_page(text, namespace):
        assert printed == said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_are_in_the_contents_and_their_figures_exist(page):
    assert f"file: reference/{page.stem}\n" in (ROOT / "_toc.yml").read_text(encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    for path, options in re.findall(r"```\{figure\} (\S+)\n((?::.*\n)*)", text):
        assert (page.parent / path).exists(), path
        assert re.search(r"^:alt: .{30}", options, re.M), f"{path} has no alternative text"


def test_output_that_differs_is_noticed():
    (pair,) = run_page("```python\nprint(1)\n```\n\n```text\n2\n```\n", {})
    assert pair == ("2\n", "1\n")
