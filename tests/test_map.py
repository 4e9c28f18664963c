"""Claims: a number is held against its bound where it is measured, and the map lists all ten with verdicts and numbers.

Books of two pages, one with a claim and one with its place on the map, show what is collected and what is complained of.
"""

import math
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import nbformat
import numpy as np
import pytest
from notebooks import METADATA

import lrnnbook as lb
from lrnnbook.book.claims import MIME, as_markdown, line

ROOT = Path(__file__).resolve().parent.parent
MAP = ROOT / "_build" / "html" / "reference" / "map.html"
sys.path.insert(0, str(ROOT / "_ext"))
import claims  # noqa: E402

# lb.claim


@pytest.mark.parametrize(
    "bounds, said",
    [
        ({"at_most": 1e-10}, "at most 1e-10"),
        ({"at_least": 0}, "at least 0"),
        ({"at_least": -1, "at_most": 1}, "at least -1 and at most 1"),
    ],
)
def test_a_claim_that_holds_says_so_without_the_number(capsys, bounds, said):
    lb.claim(7, "what was measured", 3e-17, **bounds)
    assert capsys.readouterr().out == f"Claim 7 holds: what was measured, {said}.\n"


@pytest.mark.parametrize("bounds", [{"at_most": 2}, {"at_least": 2}, {"at_least": 2, "at_most": 2}])
def test_a_number_may_equal_its_bound(capsys, bounds):
    lb.claim(7, "the rank", 2, **bounds)
    assert capsys.readouterr().out.startswith("Claim 7 holds: the rank, at ")


def test_the_reason_of_a_bound_is_left_to_the_map(capsys):
    lb.claim(7, "the rank", 1, at_most=1, because="one output")
    assert capsys.readouterr().out == "Claim 7 holds: the rank, at most 1.\n"


def test_a_result_of_the_book_has_a_label(capsys):
    lb.claim("B12", "starts that miss", 40, at_least=40)
    assert capsys.readouterr().out == "Result B12 holds: starts that miss, at least 40.\n"


def test_whole_numbers_of_numpy_are_numbers(capsys):
    lb.claim(np.int64(7), "the rank", np.float64(1), at_most=np.int64(1))
    assert capsys.readouterr().out == "Claim 7 holds: the rank, at most 1.\n"


@pytest.mark.parametrize(
    "measured, bounds", [(2, {"at_most": 1}), (0, {"at_least": 1}), (2, {"at_least": 0, "at_most": 1})]
)
def test_a_claim_that_does_not_hold_is_an_error(measured, bounds):
    with pytest.raises(AssertionError, match=f"claim 3: the rank: measured {measured}"):
        lb.claim(3, "the rank", measured, **bounds)


@pytest.mark.parametrize(
    "number, measured, bounds, says",
    [
        (0, 1, {"at_most": 1}, "number: .* got 0"),
        (11, 1, {"at_most": 1}, "number: .* got 11"),
        (True, 1, {"at_most": 1}, "number: .* got True"),
        (np.True_, 1, {"at_most": 1}, "number: .* got "),
        (3.0, 1, {"at_most": 1}, "number: .* got 3.0"),
        ("3", 1, {"at_most": 1}, "number: .* got '3'"),
        ([3], 1, {"at_most": 1}, r"number: .* got \[3\]"),
        ("B0", 1, {"at_most": 1}, "number: .* or of the book's results, 'B1', 'B2', ..., got 'B0'"),
        ("b1", 1, {"at_most": 1}, "number: .* got 'b1'"),
        ("B1\n", 1, {"at_most": 1}, r"number: .* got 'B1\\n'"),
        (1, 1, {}, "at_most, at_least: "),
        (1, math.nan, {"at_most": 1}, "measured: .* got nan"),
        (1, math.inf, {"at_least": 1}, "measured: .* got inf"),
        (1, 1, {"at_most": math.nan}, "at_most: .* got nan"),
        (1, np.full(2, math.nan), {"at_most": 1}, "measured: .* got "),
        (1, "small", {"at_most": 1}, "measured: .* got small"),
    ],
)
def test_bad_arguments_are_named(number, measured, bounds, says):
    with pytest.raises(ValueError, match=says):
        lb.claim(number, "what", measured, **bounds)


# The line as Markdown


@pytest.mark.parametrize(
    "text",
    ["|r a*b*| and a*b*", "_K_ or `K`", "w_1 < w_2 <b>", "[a](b) and ![c](d)", "5 ~~of~~ 10 &amp; more", r"a \* b",
     "a lone $ sign", "{ref}`x` and {{y}}", "a > b, 3 - 2 + 1, (1.) # x | y"],
)
def test_what_is_no_formula_appears_as_it_is_typed(text):
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    written = as_markdown("Claim 1 holds: " + text + ", at most 1.")
    html = MarkdownIt("gfm-like", {"linkify": False}).use(dollarmath_plugin).render(written)
    assert unescape(html) == f"<p>Claim 1 holds: {text}, at most 1.</p>\n"


def test_formulas_stay_formulas():
    assert as_markdown("rank of $W_K - W_0^*$, a*") == r"rank of $W_K - W_0^*$, a\*"


# What the map shows of a number


@pytest.mark.parametrize(
    "value, text",
    [
        (3.14159e-15, "3.1e-15"),
        (0.0, "0"),
        (13.0, "13"),
        (0.98765, "0.99"),
        (0.01999, "0.020"),
        (9.96, "10"),
        (19.53, "20"),
        (1234.5, "1234"),
        (2e9, "2.0e+09"),
        (-0.0145, "-0.015"),
    ],
)
def test_numbers_have_two_digits(value, text):
    assert claims.shown({"measured": value, "at_least": -math.inf}) == text


@pytest.mark.parametrize(
    "value, bounds, text",
    [
        (0.9949, {"at_least": 0.9945}, "0.995"),
        (1.00049, {"at_most": 1.0005}, "1.0"),
        (2.0004, {"at_least": 2.0003}, "2.0004"),
        (1234.5, {"at_most": 1234.5}, "1234"),
        (1235.5, {"at_most": 1235.5}, "1235.5"),
        (0.1 + 0.2, {"at_least": 0.1 + 0.2}, "0.30000000000000004"),
        (-0.0, {"at_most": 0.0}, "0"),
    ],
)
def test_a_number_within_its_bounds_is_shown_within(value, bounds, text):
    assert claims.shown({"measured": value, **bounds}) == text


def test_bounds_are_said_in_words():
    assert claims.bound({"at_most": 1e-10}) == "at most 1e-10"
    assert claims.bound({"at_least": 2.0}) == "at least 2"
    assert claims.bound({"at_least": 0.9, "at_most": 1.1}) == "0.9 to 1.1"


def test_formulas_are_told_from_words():
    found = [(type(part).__name__, part.astext()) for part in claims.spoken("rank of $W_K - W_0$, all")]
    assert found == [("Text", "rank of "), ("math", "W_K - W_0"), ("Text", ", all")]


# What is complained of


@pytest.fixture
def pages():
    """Ten claims in order."""
    stated = {n: {"verdict": "holds exactly", "number": ""} for n in claims.CLAIMS}
    measured = [{"number": n, "what": "what", "measured": 0.0, "at_most": 1.0} for n in claims.CLAIMS]
    return {
        "chapters/01": {"stated": stated, "listed": set(), "measured": measured},
        "map": {"stated": {}, "listed": set(claims.CLAIMS), "measured": []},
    }


def test_ten_claims_in_order_are_fine(pages):
    assert list(claims.complaints(pages)) == []


def test_results_of_the_book_are_held_to_the_same(pages):
    chapter, table = pages["chapters/01"], pages["map"]
    chapter["stated"]["B1"] = {"verdict": "proved", "number": "wh"}
    assert list(claims.complaints(pages)) == ["claim B1: no number holds it", "claim B1: not on the map"]
    chapter["measured"].append({"number": "B1", "what": "what", "measured": 0.0, "at_most": 1.0})
    table["listed"].update({"B1", "B2"})
    assert list(claims.complaints(pages)) == ["claim B2: no chapter states it", "claim B2: no number holds it"]


def test_a_book_without_a_map_need_not_hold_them(pages):
    del pages["map"]
    pages["chapters/01"]["stated"] = {3: {"verdict": "holds", "number": ""}}
    assert list(claims.complaints(pages)) == []


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda pages: pages["chapters/01"]["stated"].pop(4), "claim 4: no chapter states it"),
        (lambda pages: pages["chapters/01"]["stated"][8].update(number="that"), "claim 8: no number begins with 'that'"),
        (lambda pages: pages["map"]["stated"].update({5: {"number": ""}}), "claim 5: stated in chapters/01 and in map"),
        (lambda pages: pages["chapters/01"]["measured"].pop(), "claim 10: no number holds it"),
        (lambda pages: pages["chapters/01"]["measured"][6].update(measured=2.0), "claim 7: what: measured 2.0, at most 1"),
        (lambda pages: pages["map"]["listed"].remove(1), "claim 1: not on the map"),
    ],
)
def test_each_fault_is_named(pages, change, says):
    change(pages)
    assert list(claims.complaints(pages)) == [says]


# A book of a chapter and a map

CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "_ext")!r})
extensions = ["myst_nb", "sphinx_proof", "claims"]
nb_execution_mode = "off"
nitpicky = True
root_doc = "reference/map"
exclude_patterns = ["out"]
"""
STATED = """# A chapter

```{prf:theorem}
:label: thm-one
One.
```

```{claim} 1
:proved: thm-one
:held: tests/test_one.py
:verdict: holds, loosely
The rank is *at most* $o$, by {prf:ref}`thm-one`.
```
"""
LISTED = """# The map

```{toctree}
/chapter
```

```{glance} claims
```

```{glance} results
```

## 1. One

```{evidence} 1
```
"""


def book(folder, stated=STATED, listed=LISTED, measured=({"measured": 3e-15, "at_most": 1e-10},)):
    """Build the book; return what was warned of and the two pages."""
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "tests" / "test_one.py").touch()
    (folder / "conf.py").write_text(CONF, encoding="utf-8")
    (folder / "reference").mkdir(exist_ok=True)
    (folder / "reference" / "map.md").write_text(listed, encoding="utf-8")
    outputs = [
        nbformat.v4.new_output(
            "display_data", {"text/plain": line(entry), "text/markdown": as_markdown(line(entry)), MIME: entry}
        )
        for entry in ({"number": 1, "what": "the rank $o$", **entry} for entry in measured)
    ]
    cells = [nbformat.v4.new_markdown_cell(stated), nbformat.v4.new_code_cell("1", execution_count=1, outputs=outputs)]
    for i, cell in enumerate(cells):
        cell.id = str(i)
    text = nbformat.writes(nbformat.v4.new_notebook(cells=cells, metadata=METADATA))
    (folder / "chapter.ipynb").write_text(text, encoding="utf-8")
    out = folder / "out" / "html"
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(folder), str(out)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stderr, *((out / f"{page}.html").read_text(encoding="utf-8") for page in ("chapter", "reference/map"))


def without_tags(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def test_the_map_repeats_statement_and_number_and_follows_the_chapter(tmp_path):
    warned, chapter, page = book(tmp_path)
    assert not re.search(r"claim 1:", warned) and "label" not in warned and "mime" not in warned, warned
    for n in claims.CLAIMS[1:]:
        assert f"claim {n}: no chapter states it" in warned and f"claim {n}: not on the map" in warned
    assert 'id="claim-1"' in chapter and 'href="reference/map.html#map-claim-1"' in chapter
    assert MIME not in chapter and "Claim 1 holds: the rank \\(o\\): 3.0e-15, at most 1e-10." in without_tags(chapter)
    text = without_tags(page)
    assert "The rank is at most" in text and "3.0e-15 at most 1e-10" in text and "tests/test_one.py" in text
    assert page.count('href="../chapter.html#thm-one"') == 2  # where it is proved, and in the statement
    assert 'id="map-claim-1"' in page and 'href="../chapter.html#claim-1"' in page

    entry = {"measured": 0.25, "at_least": 0.1, "because": "rounding of $n$ numbers"}
    _, _, page = book(tmp_path, STATED.replace("at most", "below"), measured=[entry])
    text = without_tags(page)
    assert "The rank is below" in text and "0.25 at least 0.1 rounding of" in text and "1e-10" not in text


def test_a_result_has_its_place_too(tmp_path):
    stated, listed = STATED.replace("{claim} 1", "{claim} B3"), LISTED.replace("{evidence} 1", "{evidence} B3")
    warned, chapter, page = book(tmp_path, stated, listed, [{"number": "B3", "measured": 3.0, "at_most": 4}])
    assert "B3" not in warned
    assert 'id="claim-B3"' in chapter and 'href="reference/map.html#map-claim-B3"' in chapter
    assert "Result B3 holds: the rank \\(o\\): 3, at most 4." in without_tags(chapter)
    assert 'id="map-claim-B3"' in page and "3 at most 4" in without_tags(page)


def glances(page):
    """The rows of the tables of verdicts, as text and as HTML."""
    tables = re.findall(r'<table class="[^"]*\bglance\b[^"]*">.*?</table>', page, re.S)
    rows = [re.findall(r"<tr.*?</tr>", table, re.S)[1:] for table in tables]
    return [[(without_tags(row).strip(), row) for row in table] for table in rows]


def test_the_map_opens_with_verdicts(tmp_path):
    measured = [{"what": "another number", "measured": 5.0, "at_least": 4}, {"measured": 3e-15, "at_most": 1e-10}]
    _, chapter, page = book(tmp_path, measured=measured)
    (((text, row),),) = glances(page)
    assert text == "1. One holds, loosely another number: 5, at least 4. A chapter"
    assert 'href="#map-claim-1"' in row and 'href="../chapter.html#claim-1"' in row
    assert "Claim 1: holds, loosely" in without_tags(chapter) and "What the book finds: holds, loosely" in without_tags(page)

    chosen = STATED.replace("loosely\n", "exactly\n:number: the rank\n")
    _, _, page = book(tmp_path, chosen, measured=measured)
    (((text, _),),) = glances(page)
    assert "holds, exactly the rank" in text and "3.0e-15, at most 1e-10." in text

    warned, _, _ = book(tmp_path, chosen.replace("number: the rank", "number: a rank"), measured=measured)
    assert "claim 1: no number begins with 'a rank'" in warned


def test_the_map_says_what_has_changed_in_a_claim(tmp_path):
    for entry, expected in (("Claims 1 and 2", True), ("Claim 2", False), ("Chapter 1", False)):
        log = f"# Changelog\n\n## 1.1.0 (2026-03-04)\n\n* {entry}: *now* for\n  $o$ only.\n"
        (tmp_path / "CHANGELOG.md").write_text(log, encoding="utf-8")
        _, _, page = book(tmp_path)
        assert ("Changed in 1.1.0: now for" in without_tags(page)) == expected


def test_lines_of_one_cell_become_one_list_with_their_numbers(tmp_path):
    bounds = {"at_least": 0.1, "at_most": 1}
    measured = [{"what": "|r a*b*|", "measured": 0.5, **bounds}, {"what": "$x^*$", "measured": 0.25, **bounds}]
    measured.append({**measured[0], "measured": 0.75})  # the line says the same, the number differs
    _, chapter, _ = book(tmp_path, measured=measured)
    shown = re.findall(r'<ul class="claims[^"]*">(.*?)</ul>', chapter, re.S)
    assert len(shown) == 1
    assert [without_tags(item).strip() for item in re.findall(r"<li>(.*?)</li>", shown[0], re.S)] == [
        "Claim 1 holds: |r a*b*|: 0.50, 0.1 to 1.",
        r"\(x^*\): 0.25, 0.1 to 1.",
        "|r a*b*|: 0.75, 0.1 to 1.",
    ]
    assert shown[0].count('href="reference/map.html#map-claim-1"') == 1
    assert chapter.count("|r a") == 2  # nothing is left of the lines without numbers


def test_faults_are_warned_of(tmp_path):
    faulty = {
        "{claim} 11\n:proved: thm-one\n": "1 to 10, or of the results, B1, B2, ..., got '11'",
        "{claim} 1\n": "claim 1: expected a statement, and in :proved:",
        "{claim} 2\n:proved: thm-one\n:held: tests/test_two.py\n:verdict: holds\n": "claim 2: there is no tests/test_two.py",
        "{claim} 3\n:proved: thm-two\n:verdict: holds\n": "thm-two",
        "{claim} 4\n:proved: thm-one\n": "claim 4: expected one to three words in :verdict:, got ''",
        "{claim} 5\n:proved: thm-one\n:verdict: holds on the whole\n": "got 'holds on the whole'",
    }
    chapter = "# A chapter\n\n" + "\n\n".join(f"```{head}Words.\n```" for head in faulty)
    warned = book(tmp_path, chapter, measured=[])[0]
    for says in [*faulty.values(), "claim 1: no chapter states it", "claim 1: no number holds it", "claim 2: not on the map"]:
        assert says in warned


# The built book


def test_the_map_lists_ten_claims_with_their_numbers():
    if not MAP.is_file():
        pytest.fail("run make book first")
    page = MAP.read_text(encoding="utf-8")
    for n in claims.CLAIMS:
        entry = re.search(rf'<div class="evidence[^"]*" id="map-claim-{n}">(.*?)</section>', page, re.S)
        assert entry, f"claim {n} is not on the map"
        heads, cells = (len(re.findall(rf"<{tag}\b", entry[1])) for tag in ("th", "td"))
        assert heads in (3, 4) and cells >= heads and cells % heads == 0, f"claim {n} has no number"
        assert re.search(r'href="\.\./chapters/[^"]+#claim-\d+"', entry[1]), f"claim {n} does not say where it is measured"


def test_the_map_has_a_verdict_for_each_claim_and_result_at_a_glance():
    page = MAP.read_text(encoding="utf-8")
    listed = re.findall(r'<div class="evidence[^"]*" id="map-claim-(\w+)">', page)
    own, books = glances(page)
    assert len(own) == 10 and len(own) + len(books) == len(listed)
    for label, (text, row) in zip(listed, own + books):
        assert f'href="#map-claim-{label}"' in row and re.search(rf'href="\.\./chapters/[^"]+#claim-{label}"', row), text
        assert re.search(r"\d, (at least|at most|[\d.e-]+ to) .*chapter \d+$", text), text
        verdict = without_tags(re.findall(r"<td.*?</td>", row, re.S)[1]).strip()
        assert 1 <= len(verdict.split()) <= 3
        assert label[0] != "B" or set(verdict.split()) <= {"proved", "and", "measured"}, verdict
