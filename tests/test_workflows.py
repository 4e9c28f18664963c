"""Publishing: the workflows run the same two commands as a reader, and a fork's book points at the fork."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=[path.name for path in WORKFLOWS])


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@every_workflow
def test_is_a_workflow(path):
    workflow = load(path)
    assert {"name", "jobs", "permissions"} <= set(workflow)
    assert workflow["permissions"] == {"contents": "read"}, "a job that needs more says so itself"
    for name, job in workflow["jobs"].items():
        assert re.fullmatch(r"ubuntu-\d\d\.\d\d", job["runs-on"]), name
        assert set([job["needs"]] if "needs" in job else []) <= set(workflow["jobs"]), name
        assert all(("uses" in step) != ("run" in step) for step in job["steps"]), name


@every_workflow
def test_actions_are_pinned_by_major_version(path):
    for step in steps(load(path)):
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]), step["uses"]


@every_workflow
def test_commands_are_the_two_that_a_reader_runs(path):
    assert [step["run"] for step in steps(load(path)) if "run" in step] == ["make book", "make test"]


def test_the_book_is_built_on_every_python_that_it_promises():
    workflow = load(ROOT / ".github" / "workflows" / "book.yml")
    triggers = workflow[True]  # YAML 1.1 reads the key "on" so
    assert {"push", "pull_request", "schedule"} <= set(triggers)
    job = workflow["jobs"]["book"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert {"BOOK_REPOSITORY", "BOOK_BRANCH"} <= set(job["env"])


def test_binder_gets_what_the_package_needs():
    wanted = (ROOT / ".binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    promised = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    needed = re.findall(r'"([^"]+)"', re.search(r"^dependencies = \[(.*?)\]", promised, re.M | re.S)[1])
    assert set(needed) <= set(wanted)
    lowest = re.search(r'requires-python = ">=3\.(\d+)"', promised)[1]
    assert int((ROOT / ".binder" / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-3.")) >= int(lowest)
    assert os.access(ROOT / ".binder" / "postBuild", os.X_OK)


# The repository's address, in a book of one page

CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "_ext")!r})
extensions = ["myst_nb", "address"]
html_theme = "sphinx_book_theme"
html_theme_options = {{}}
nb_execution_mode = "off"
root_doc = "chapters/01_page"
"""
NOTEBOOK = """{"cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# A page"]}], "metadata":
{"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}"""


def addresses(folder, **environment):
    """Build a book of one page; return the addresses of other hosts that it names."""
    (folder / "chapters").mkdir()
    (folder / "chapters" / "01_page.ipynb").write_text(NOTEBOOK, encoding="utf-8")
    (folder / "conf.py").write_text(CONF, encoding="utf-8")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("BOOK_")}
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(folder), str(folder / "html")]
    run = subprocess.run(command, env=clean | environment, capture_output=True, text=True)
    if run.returncode:
        return run.stderr
    page = (folder / "html" / "chapters" / "01_page.html").read_text(encoding="utf-8")
    return re.findall(r'<a href="(https?:[^"]+)"', page)


def test_a_fork_points_at_the_fork(tmp_path):
    found = addresses(tmp_path, BOOK_REPOSITORY="https://github.com/example/fork", BOOK_BRANCH="dev")
    assert sorted(set(found)) == [
        "https://colab.research.google.com/github/example/fork/blob/dev/chapters/01_page.ipynb",
        "https://github.com/example/fork",
        "https://mybinder.org/v2/gh/example/fork/dev?urlpath=lab/tree/chapters/01_page.ipynb",
    ]


def test_another_forge_has_no_colab(tmp_path):
    found = addresses(tmp_path, BOOK_REPOSITORY="https://gitlab.com/example/fork/", BOOK_BRANCH="")
    assert sorted(set(found)) == [
        "https://gitlab.com/example/fork",
        "https://mybinder.org/v2/gl/example%2Ffork/main?urlpath=lab/tree/chapters/01_page.ipynb",
    ]


def test_no_address_is_invented(tmp_path):
    assert addresses(tmp_path) == []


def test_what_is_no_address_is_an_error(tmp_path):
    assert "BOOK_REPOSITORY: got 'example/fork'" in addresses(tmp_path, BOOK_REPOSITORY="example/fork")
