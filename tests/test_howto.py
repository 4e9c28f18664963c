"""The code on the how-to pages runs as a reader would run it, block after block, and prints what stands below it.

A block that starts with "# name.py" is a file that the page asks for; one with a part for `__main__` is then run, as a program of
its own. A block that imports a package that the book does without is run where there is that package.
"""

import contextlib
import importlib.util
import io
import os
import re
import subprocess
import sys
import types
from concurrent.futures import Future
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "reference").glob("*.md"))
WITH_CODE = [page for page in PAGES if "```python\n" in page.read_text(encoding="utf-8")]
WITH_THE_PACKAGE = os.environ | {"PYTHONPATH": str(ROOT)}
BLOCK = re.compile(r"```python\n(.*?)```(?:\s*```text\n(.*?)```)?", re.S)


def run_page(text, names):
    """Pairs of what the page says that a block prints and what it prints."""
    for code, said in BLOCK.findall(text):
        if optional := re.search(r"^(?:import|from) (torch|jax|dask)\b", code, re.M):
            if importlib.util.find_spec(optional[1]) is None:
                continue
        if module := re.match(r"# (\w+\.py)\n", code):
            Path(module[1]).write_text(code, encoding="utf-8")
            if "__main__" in code:
                program = [sys.executable, "-W", "error", module[1]]
                done = subprocess.run(program, env=WITH_THE_PACKAGE, capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
                yield said, done.stdout
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
    plt.close("all")
    with matplotlib.rc_context():
        yield vars(module)
    plt.close("all")
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
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


class Chunks:
    """An executor that does at once what it is asked for."""

    def submit(self, job, chunk):
        future = Future()
        try:
            future.set_result(job(chunk))
        except ArithmeticError as error:
            future.set_exception(error)
        return future


def test_a_chunk_that_fails_costs_no_other(namespace):
    text = (ROOT / "reference" / "many_students.md").read_text(encoding="utf-8")
    (code,) = (code for code, _ in BLOCK.findall(text) if code.startswith("# sweep.py"))
    exec(code, namespace)

    def job(chunk):
        asked.append(chunk)
        return 10 / (chunk % 3)

    asked = []
    with pytest.raises(RuntimeError, match=r"chunks \[0, 3\] failed: ZeroDivisionError") as failure:
        namespace["sweep"](Chunks(), job, range(5), "results")
    assert isinstance(failure.value.__cause__, ZeroDivisionError)
    assert sorted(path.name for path in Path("results").iterdir()) == ["00001.pickle", "00002.pickle", "00004.pickle"]
    files = namespace["sweep"](Chunks(), lambda chunk: asked.append(chunk) or 0, range(5), "results")
    assert asked == [0, 1, 2, 3, 4, 0, 3] and [namespace["load"](path) for path in files] == [0, 10, 5, 0, 10]


def test_output_that_differs_is_noticed():
    (pair,) = run_page("```python\nprint(1)\n```\n\n```text\n2\n```\n", {})
    assert pair == ("2\n", "1\n")
