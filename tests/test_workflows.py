"""Publishing: the workflows run a reader's commands, on the machines and versions promised; a fork's book points at the fork."""

import html
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "_ext"))
from address import launchers  # noqa: E402

PROMISED = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=[path.name for path in WORKFLOWS])


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def commands(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def machines(job):
    """The machines that a job runs on, with what else its matrix says of each."""
    matrix = job.get("strategy", {}).get("matrix", {})
    lists = {key: value for key, value in matrix.items() if key != "include"}
    every = [dict(zip(lists, values)) for values in itertools.product(*lists.values())] if lists else []
    every += matrix.get("include", []) or ([] if every else [{}])
    return [{"os": job["runs-on"]} | machine for machine in every]


@every_workflow
def test_is_a_workflow(path):
    workflow = load(path)
    assert {"name", "jobs", "permissions"} <= set(workflow)
    assert workflow["permissions"] == {"contents": "read"}, "a job that needs more says so itself"
    for name, job in workflow["jobs"].items():
        for machine in machines(job):
            assert re.fullmatch(r"(ubuntu-\d\d\.\d\d(-arm)?|macos-\d\d|windows-\d{4})", machine["os"]), name
        assert set([job["needs"]] if "needs" in job else []) <= set(workflow["jobs"]), name
        assert all(("uses" in step) != ("run" in step) for step in job["steps"]), name


@every_workflow
def test_actions_are_pinned_by_major_version(path):
    for step in steps(load(path)):
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]), step["uses"]


BOOK = load(ROOT / ".github" / "workflows" / "book.yml")
JOBS = BOOK["jobs"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_commands_are_the_two_that_a_reader_runs():
    for machine in machines(JOBS["book"]):
        run = [step["run"] for step in JOBS["book"]["steps"] if "run" in step and "if" not in step]
        assert run == ["make book", "make test"], machine
    browser, _, course = (step for step in JOBS["book"]["steps"] if "run" in step and "if" in step)
    assert course["run"] == "make course"
    assert "playwright install" in browser["run"] and browser["if"] == "matrix.os == 'ubuntu-24.04-arm'"


def test_the_epub_is_bound_before_it_is_tested_and_where_it_is_published():
    steps = JOBS["book"]["steps"]
    bound, tested, uploaded = (next(i for i, step in enumerate(steps) if says in step.get("run", step.get("uses"))) for says in
                               ("make epub\n", "make test", "actions/upload-pages-artifact"))
    assert bound < tested < uploaded and steps[bound]["if"] == steps[uploaded]["if"]
    local = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert local.index("make book") < local.index("make epub") < local.index("make test")


def test_the_book_is_built_on_every_python_and_machine_that_it_promises():
    triggers = BOOK[True]  # YAML 1.1 reads the key "on" so
    assert {"push", "pull_request", "schedule"} <= set(triggers)
    built = {(machine["os"], machine["python"]) for machine in machines(JOBS["book"]) if not machine.get("unseen")}
    assert {("ubuntu-24.04", python) for python in ("3.11", "3.12", "3.13")} <= built
    assert {machine for machine, _ in built} == {"ubuntu-24.04", "ubuntu-24.04-arm", "macos-15"}
    assert {"BOOK_REPOSITORY", "BOOK_BRANCH"} <= set(JOBS["book"]["env"])
    assert JOBS["book"]["continue-on-error"] == "${{ matrix.unseen == true }}"


def test_chapters_are_executed_as_on_other_machines():
    assert commands(JOBS["everywhere"]) == ["make everywhere"]
    local = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    (chosen,) = (line for line in local if line.startswith("make everywhere"))
    assert len(re.search(r'VARIATIONS="([^"]+)"', chosen)[1].split()) >= 3
    assert local.index("make book") < local.index("make test")


def test_code_is_checked_as_contributors_are_asked_to():
    assert commands(JOBS["lint"]) == ["make lint"] and "make lint" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "`make lint`" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_windows_runs_the_tests_of_the_package_by_the_commands_of_the_readme():
    install, test = commands(JOBS["windows"])
    assert install.replace("python ", "python3 ") in README.splitlines()
    test, chosen = test.replace("Scripts", "bin").replace(" -q ", " ").rsplit(" ", 1)
    assert chosen == "$PACKAGE_TESTS" and any(line.startswith(test) for line in README.splitlines())


def test_both_ends_of_the_promised_ranges_are_tested_on_a_schedule():
    job = JOBS["ranges"]
    assert job["if"] == "github.event_name == 'schedule'"
    ends = {machine["resolution"]: machine["python"] for machine in machines(job)}
    assert set(ends) == {"lowest-direct", "highest"}
    assert ends["lowest-direct"] == re.search(r'requires-python = ">=(3\.\d+)"', PROMISED)[1]
    install, test = commands(job)[-2:]
    assert "--resolution ${{ matrix.resolution }}" in install and "-r requirements.txt" in install and '-e ".[book]"' in install
    assert test.endswith("--nbval chapters $PACKAGE_TESTS")


def test_tests_of_the_book_are_not_among_those_of_the_package():
    ignored = set(re.findall(r"--ignore=(\S+)", BOOK["env"]["PACKAGE_TESTS"]))
    book = r'"_build"|^(from|import) (chromium|epub|everywhere|notebooks|playwright|test_site|yaml)\b'
    paths = (ROOT / "tests").glob("test_*.py")
    assert ignored == {f"tests/{path.name}" for path in paths if re.search(book, path.read_text(encoding="utf-8"), re.M)}


def test_what_is_promised_is_said_alike():
    """The package's ranges, and those of what chapters need beyond it, are in requirements.txt too."""
    ranges = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    for named in ("dependencies", "book"):
        assert set(needed(named)) <= set(ranges), named


def needed(named):
    return re.findall(r'"([^"]+)"', re.search(rf"^{named} = \[(.*?)\]", PROMISED, re.M | re.S)[1])


def test_chapters_import_what_the_extra_brings():
    """Beyond the standard library, a chapter needs the package, what the package needs, and the extra."""
    promised = {re.split(r"\W", requirement)[0] for named in ("dependencies", "book") for requirement in needed(named)}
    for path in (ROOT / "chapters").glob("*.ipynb"):
        code = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
        imported = set(re.findall(r"^\s*(?:import|from)\s+(\w+)", code, re.M)) - set(sys.stdlib_module_names)
        assert imported <= promised | {"lrnnbook"}, path.name


def test_binder_gets_what_the_chapters_need():
    wanted = (ROOT / ".binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert {*needed("dependencies"), *needed("book")} <= set(wanted)
    lowest = re.search(r'requires-python = ">=3\.(\d+)"', PROMISED)[1]
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
ISSUE = "title=Issue%20on%20page%20%2Fchapters/01_page.html&body=Your%20issue%20content%20here."
NOTEBOOK = """{"cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source":
["# A page\\n", "\\n", "```{install}\\n", "```"]}], "metadata":
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
    said = html.unescape(re.sub("<[^>]+>", "", page))
    known = environment.get("BOOK_REPOSITORY", "").rstrip("/")
    assert f'pip install "lrnnbook[book] @ git+{known or "ADDRESS"}"' in said
    assert ("built without one" in said) == (not known)
    return [html.unescape(address) for address in re.findall(r'<a href="(https?:[^"]+)"', page)]


def test_a_fork_points_at_the_fork(tmp_path):
    found = addresses(tmp_path, BOOK_REPOSITORY="https://github.com/example/fork", BOOK_BRANCH="dev")
    assert sorted(set(found)) == [
        "https://colab.research.google.com/github/example/fork/blob/notebooks/01_page.ipynb",
        "https://github.com/example/fork",
        "https://github.com/example/fork/edit/dev/chapters/01_page.ipynb",
        f"https://github.com/example/fork/issues/new?{ISSUE}",
        "https://mybinder.org/v2/gh/example/fork/notebooks?urlpath=lab/tree/01_page.ipynb",
    ]


def test_another_forge_has_no_colab(tmp_path):
    chosen = {"BOOK_BRANCH": "", "BOOK_NOTEBOOKS_BRANCH": "pages"}
    found = addresses(tmp_path, BOOK_REPOSITORY="https://gitlab.com/example/fork/", **chosen)
    assert {address for address in found if "issues" not in address} == {
        "https://gitlab.com/example/fork",
        "https://gitlab.com/example/fork/-/edit/main/chapters/01_page.ipynb",
        "https://mybinder.org/v2/gl/example%2Ffork/pages?urlpath=lab/tree/01_page.ipynb",
    }


def test_a_forge_of_ones_own_is_launched_by_its_address_once_there_is_a_branch():
    address = "https://gitlab.example.org/some/fork"
    ((name, _, url),) = launchers(address, "pages", "01_page.ipynb")
    whole = "https%3A%2F%2Fgitlab.example.org%2Fsome%2Ffork"
    assert (name, url) == ("Binder", f"https://mybinder.org/v2/git/{whole}/pages?urlpath=lab/tree/01_page.ipynb")
    assert not list(launchers(address, "", "01_page.ipynb"))


def test_no_address_is_invented(tmp_path):
    assert addresses(tmp_path) == []


def test_what_is_no_address_is_an_error(tmp_path):
    assert "BOOK_REPOSITORY: got 'example/fork'" in addresses(tmp_path, BOOK_REPOSITORY="example/fork")


def test_what_is_no_site_is_an_error(tmp_path):
    assert "BOOK_SITE: got 'example.org'" in addresses(tmp_path, BOOK_SITE="example.org")


def test_the_branch_of_the_launch_buttons_is_the_one_that_is_published():
    job = JOBS["notebooks"]
    assert job["needs"] == "book" and job["if"] == JOBS["publish"]["if"] and job["permissions"] == {"contents": "write"}
    (given,) = (step["with"] for step in JOBS["book"]["steps"] if "upload-artifact" in step.get("uses", ""))
    (taken,) = (step["with"] for step in job["steps"] if "download-artifact" in step.get("uses", ""))
    assert given == {"name": taken["name"], "path": "_build/html/notebooks"}
    empty, push = commands(job)
    assert empty == "git switch --orphan notebooks" and push.splitlines()[-1] == "git push --force origin notebooks"


def test_conda_gets_what_the_chapters_need():
    found = load(ROOT / "environment.yml")["dependencies"]
    lowest = re.search(r'requires-python = "(>=3\.\d+)"', PROMISED)[1]
    assert {f"python{lowest}", *needed("dependencies"), *needed("book")} <= set(map(str, found))
    assert found[-1] == {"pip": ["--no-deps -e ."]}


def test_jupyterlab_is_pinned():
    lines = (ROOT / "requirements-lab.txt").read_text(encoding="utf-8").split()
    assert [line.split("==")[0] for line in lines] == ["jupyterlab", "jupyterlab-myst"] and all("==" in line for line in lines)
