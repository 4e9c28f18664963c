"""What it takes to correct the book: a changelog that pages read, forms for reports, one version, licences in full."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "_ext"))
import changes  # noqa: E402

PAGE = ROOT / "_build" / "html" / "reference" / "errata.html"
# Of legalcode/by_4.0.txt as Creative Commons publishes it.
CC_BY = "9ba9550ad48438d0836ddab3da480b3b69ffa0aac7b7878b5a0039e7ab429411"


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def plain(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html)).strip()


# The changelog

LOG = """# Changelog

## 1.1.0 (2026-03-04)

* Erratum, chapter 1: 2 is *even*.
* Chapters 1 and 2: a figure,
  on two lines.
* Claims 1 to 3: for $o$ only.
* Chapter heads are shorter.

## 1.0.0 (2026-01-02)

* Result B2: new.
"""


def test_entries_say_what_they_are_about():
    found = [(entry.release, entry.kind, entry.about, entry.text) for entry in changes.entries(LOG)]
    assert found == [
        ("1.1.0", "erratum", (1,), "2 is *even*."),
        ("1.1.0", "chapter", (1, 2), "a figure, on two lines."),
        ("1.1.0", "claim", (1, 2, 3), "for $o$ only."),
        ("1.1.0", "", (), "Chapter heads are shorter."),
        ("1.0.0", "claim", ("B2",), "new."),
    ]
    assert changes.entries("## 2.0.0 (unreleased)\n\n* New.\n")[0].release == "2.0.0 (unreleased)"


@pytest.mark.parametrize(
    "log, says",
    [
        ("## 1.1.0\n", "expected a heading like '1.0.0 .2026-01-31.'.* got '1.1.0'"),
        ("## 1.1.0 (soon)\n", ".* got '1.1.0 .soon.'"),
        ("## 1.1.0 (unreleased)\n\n* Chapters 1-3: all.\n", "expected numbers like .* got '1-3'"),
    ],
)
def test_a_changelog_that_cannot_be_read_is_an_error(log, says):
    with pytest.raises(ValueError, match=f"CHANGELOG.md: {says}"):
        changes.entries(log)


def test_the_changelog_names_chapters_and_claims_that_exist():
    numbers = {int(path.name[:2]) for path in (ROOT / "chapters").glob("*.ipynb")}
    results = set(re.findall(r"\{evidence\} (\w+)", read("reference/map.md")))
    for entry in changes.entries(read("CHANGELOG.md")):
        assert set(entry.about) <= numbers if entry.kind != "claim" else set(map(str, entry.about)) <= results, entry
        assert "#" not in entry.text and not re.match(r"(chapter|claim|result|erratum)s?,? \w+:", entry.text, re.I), entry


CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "_ext")!r})
extensions = ["myst_parser", "changes"]
root_doc = "errata"
exclude_patterns = ["out", "CHANGELOG.md"]
"""
ERRATA = """# Errata

```{toctree}
chapters/01_one
chapters/02_two
```

## Found

```{changes} errata
```

## Changed

```{changes} chapters
```
"""


def errata(folder, log):
    """Build a book of two chapters and their errata; return what was warned of, and the two lists as text."""
    (folder / "chapters").mkdir(exist_ok=True)
    for name in ("01_one", "02_two"):
        (folder / "chapters" / f"{name}.md").write_text(f"# The title of {name[3:]}\n", encoding="utf-8")
    for name, text in {"conf.py": CONF, "errata.md": ERRATA, "CHANGELOG.md": log}.items():
        (folder / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(folder), str(folder / "out")]
    run = subprocess.run(command, capture_output=True, text=True)
    page = (folder / "out" / "errata.html").read_text(encoding="utf-8") if not run.returncode else ""
    found, changed = (re.search(rf'<section id="{name}">(.*?)</section>|$', page, re.S)[0] for name in ("found", "changed"))
    return run.stderr, plain(found), plain(changed)


def test_the_errata_page_follows_the_changelog(tmp_path):
    warned, found, changed = errata(tmp_path, LOG)
    assert not warned
    assert "chapter 1, right in 1.1.0: 2 is even." in found
    one, two = changed.split("Chapter 2, The title of two")
    assert "Chapter 1, The title of one" in one and "1.1.0: a figure, on two lines." in one and "1.1.0: a figure" in two
    assert "even" not in changed and "for" not in changed

    _, found, _ = errata(tmp_path, LOG.replace("* Erratum, chapter 1: 2 is *even*.\n", ""))
    assert "None has been found yet." in found

    _, found, _ = errata(tmp_path, re.sub(r"\(\d.*\)", "(unreleased)", LOG))
    assert "No version of the book has been released yet" in found

    warned, *_ = errata(tmp_path, LOG.replace("Chapters 1 and 2", "Chapter 3"))
    assert "CHANGELOG.md: there is no chapter 3" in warned
    warned, *_ = errata(tmp_path, LOG.replace("(2026-03-04)", ""))
    assert "CHANGELOG.md: expected a heading" in warned


def test_the_built_errata_page_lists_the_chapters_of_the_changelog():
    if not PAGE.is_file():
        pytest.fail("run make book first")
    entries = changes.entries(read("CHANGELOG.md"))
    named = {number for entry in entries if entry.kind == "chapter" for number in entry.about}
    linked = re.findall(r'<strong><a [^>]*href="\.\./chapters/(\d+)_', PAGE.read_text(encoding="utf-8"))
    assert sorted(named) == list(map(int, linked))


# One version


def test_the_version_is_the_same_everywhere():
    version = re.search(r'^version = "(.+)"$', read("pyproject.toml"), re.M)[1]
    citation, zenodo = yaml.safe_load(read("CITATION.cff")), json.loads(read(".zenodo.json"))
    newest = changes.entries(read("CHANGELOG.md"))[0]
    assert citation["version"] == zenodo["version"] == newest.version == version
    assert citation.get("date-released", "unreleased") == newest.state, "the day of a release stands in both or in neither"
    assert citation["title"] == zenodo["title"] and "doi" not in citation
    (paper,) = citation["references"]
    entry = re.search(r"@inproceedings\{williams2026,(.*?)\n\}", read("references.bib"), re.S)[1]
    pages = f"{paper['start']}--{paper['end']}"
    for value in (paper["title"], paper["volume"], pages, paper["url"], paper["collection-title"]):
        assert f"{{{value}}}" in entry, value


RELEASE = yaml.safe_load(read(".github/workflows/release.yml"))


@pytest.mark.parametrize(
    "tag, heading, passes",
    [
        ("v1.0.0", "1.0.0 (2026-01-31)", True),
        ("v1.0.0", "1.0.0 (unreleased)", False),
        ("v1.0.1", "1.0.0 (2026-01-31)", False),
        ("v1.0.1", "1.0.1 (2026-01-31)", False),
    ],
)
def test_only_the_version_with_its_day_is_released(tmp_path, tag, heading, passes):
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.0.0"\n', encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {heading}\n\n* New.\n", encoding="utf-8")
    (guard,) = (step["run"] for step in RELEASE["jobs"]["build"]["steps"] if "tag is the version" in step.get("name", ""))
    run = subprocess.run(["bash", "-e", "-c", guard], cwd=tmp_path, env={"GITHUB_REF_NAME": tag, "PATH": "/usr/bin:/bin"})
    assert (run.returncode == 0) == passes


def test_a_release_is_built_and_tested_and_pypi_is_off():
    jobs = RELEASE["jobs"]
    commands = [step["run"] for step in jobs["build"]["steps"] if "run" in step]
    made = [command for command in commands if command.startswith("make ")]
    assert made == ["make book", "make test", "make pdf", "make epub", "make dist"]
    assert RELEASE[True] == {"push": {"tags": ["v*"]}}
    assert jobs["attach"]["needs"] == "build" and jobs["pypi"]["needs"] == "attach"
    assert jobs["pypi"]["if"] == "vars.PYPI == 'yes'" and "`PYPI`" in read("CONTRIBUTING.md")
    assert not any("secrets." in read(f".github/workflows/{name}.yml") for name in ("book", "release"))


# Reports and licences


def test_forms_ask_for_what_a_correction_needs():
    paths = (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")
    forms = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths}
    assert set(forms) == {"error", "question", "bug", "config"}
    del forms["config"]
    for name, form in forms.items():
        assert {"name", "description", "body"} <= set(form), name
        assert len({item["id"] for item in form["body"]}) == len(form["body"])
        assert all(item["type"] in ("input", "textarea") and item["attributes"]["label"] for item in form["body"])
    needed = [item["id"] for item in forms["error"]["body"] if item.get("validations", {}).get("required")]
    assert needed == ["chapter", "sentence", "why"]
    assert forms["error"]["name"] in read("reference/errata.md")


def test_no_address_is_promised():
    for name in ("README.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "reference/errata.md"):
        assert "no e-mail address" in read(name) and not re.search(r"\w@\w+\.\w", read(name)), name


def test_the_licence_of_the_text_is_there_word_by_word():
    (text,) = re.findall(r"```text\n(.*?)```", read("LICENSE-TEXT.md"), re.S)
    assert hashlib.sha256(text.encode()).hexdigest() == CC_BY
