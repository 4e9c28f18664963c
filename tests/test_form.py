"""Every chapter has the form that the book promises, so that it can be finished: a box, a bounded core, folds that open.

The first tests try the parts of which the form is made (in `_ext`) on small things. The others hold the built book against it.
"""

import re
import sys
from pathlib import Path

import pytest
from chromium import served
from docutils import nodes
from hypothesis import given
from hypothesis import strategies as st
from test_site import PAGES, SITE

import lrnnbook as lb

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "_ext"))
import reading  # noqa: E402
from letters import letters, read_notation  # noqa: E402
from sphinx_exercise.nodes import exercise_enumerable_node  # noqa: E402
from sphinx_proof.nodes import proof_node  # noqa: E402

CHAPTERS = [page for page in PAGES if page.startswith("chapters/")]
SHORT = ["chapters/01_learning_through_time.html", "chapters/22_learned_feedback.html"]
every_chapter = pytest.mark.parametrize("page", CHAPTERS)


# Minutes


def paragraph(words):
    return nodes.paragraph("", " ".join(["word"] * words))


def test_minutes_of_words_formulas_and_figures():
    assert reading.minutes(paragraph(260)) == pytest.approx(2)
    both = nodes.section("", nodes.title("", "A title"), nodes.math_block("", "x"), nodes.paragraph("", "", nodes.math("", "x")))
    assert reading.minutes(both) == pytest.approx(2 / 130 + 1 / 3 + 2 / 130)
    assert reading.minutes(nodes.figure("", nodes.image(), nodes.caption("", "So it is"))) == pytest.approx(0.5 + 3 / 130)


def test_a_proof_takes_twice_as_long_and_an_exercise_does_not_count():
    assert reading.minutes(proof_node("", nodes.admonition("", paragraph(130)))) == pytest.approx(2)
    assert reading.minutes(nodes.section("", exercise_enumerable_node("", paragraph(130)))) == 0


def test_of_code_only_what_is_shown_counts():
    def cell(*classes):
        source = nodes.container("", nodes.literal_block("", "x = 1"), nb_element="cell_code_source")
        output = nodes.container("", paragraph(130), nodes.figure(), nb_element="cell_code_output")
        return nodes.container("", source, output, nb_element="cell_code", classes=list(classes))

    assert reading.minutes(cell("cell")) == 1  # the code and the figure; what is printed is part of it
    assert reading.minutes(cell("cell", "tag_hide-input")) == reading.minutes(cell("cell", "tag_remove-input")) == 0.5


@given(st.lists(st.integers(1, 200), min_size=1, max_size=5))
def test_minutes_add_up(counts):
    parts = [paragraph(count) for count in counts]
    assert reading.minutes(nodes.section("", *parts)) == pytest.approx(sum(counts) / 130)


@pytest.mark.parametrize("words, rows, long", [(80, 0, False), (95, 0, True), (30, 1, False), (30, 5, True)])
def test_a_proof_is_long_from_six_lines_on(words, rows, long):
    formula = [nodes.math_block("", r"x \\ " * (rows - 1) + "x")] if rows else []
    assert reading.is_long(proof_node("", nodes.admonition("", paragraph(words), *formula))) is long


# Letters


@pytest.mark.parametrize(
    "tex, found",
    [
        (r"\Delta W = \hat w^l R^\top e_T", ["Delta", "W", "hat w", "l", "R", "e", "T"]),
        (r"\tfrac{d}{dt} \bar W, \quad \int_0^t f\,ds", ["t", "W", "f", "s"]),
        (r"\operatorname{diag}(\mathcal N) \text{ and so } \mathrm{tr}\, M", ["mathcal N", "M"]),
        (r"e^{-\lambda t} \psi_*", ["lambda", "t", "psi"]),
        (r"\widehat{w} + \hat{\mu}", ["hat w", "hat mu"]),
        (r"c\, d + \varphi d", ["c", "d", "varphi"]),
    ],
)
def test_letters_of_a_formula(tex, found):
    assert letters(tex) == found


def table(head, *rows):
    def cells(texts):
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *spoken(text))) for text in texts))

    def spoken(text):
        return [nodes.math("", part) if i % 2 else nodes.Text(part) for i, part in enumerate(text.split("$")) if part]

    return nodes.table("", nodes.tgroup("", nodes.thead("", cells(head)), nodes.tbody("", *map(cells, rows))))


def test_a_chapters_own_meaning_comes_before_the_general_one():
    general = table(["symbol", "meaning", "shape"], ["$K_k$", "impulse response", "$(o, m)$"], ["$K$, $s$", "later", ""])
    own = table(["chapter", "symbol", "meaning"], ["10, 11", "$K$", "number of a leaf"])
    notation = read_notation(nodes.section("", general, own))

    def meaning(letter, chapter):
        anchor = notation.row(letter, chapter)
        return anchor and notation.rows[anchor][1].astext()

    assert [meaning("K", chapter) for chapter in (2, 10, 11)] == ["impulse response", "number of a leaf", "number of a leaf"]
    assert meaning("s", 10) == "later" and meaning("k", 2) is None and meaning("o", 2) is None
    anchors = [anchor for row in own.findall(nodes.row) for anchor in row["ids"]]
    assert set(anchors) == {notation.row("K", 10), notation.row("K", 11)}


# Questions


@pytest.fixture
def memory():
    return lb.question("How long?", 6.0, "Because.", {7: "One too many.", -6: "The sign."}, within=0.05)


@pytest.mark.parametrize(
    "answer, said",
    [
        (6, "Right. Because."),
        (6.29, "Right. Because."),
        (6.31, "Not yet."),
        (7.2, "Not yet. One too many."),
        (-6, "Not yet. The sign."),
    ],
)
def test_a_number_is_checked(memory, answer, said, capsys):
    capsys.readouterr()
    memory.check(answer)
    assert capsys.readouterr().out == said + "\n"


def test_one_of_several_is_checked(capsys):
    asked = lb.question("Which?", "the cat", "It has fur.", {"an ant": "Six legs.", "a wren": "It flies."})
    assert capsys.readouterr().out == "Which?\n(a) a wren\n(b) an ant\n(c) the cat\n"
    for answer, said in (("c", "Right. It has fur."), ("(A)", "Not yet. It flies."), ("an ant", "Not yet. Six legs.")):
        asked.check(answer)
        assert capsys.readouterr().out == said + "\n"
    with pytest.raises(ValueError, match="answer: expected one of the letters a, b, c .*got 'd'"):
        asked.check("d")


@pytest.mark.parametrize(
    "change, says",
    [
        ({"text": " "}, "text: expected words"),
        ({"why": ""}, "why: expected words"),
        ({"answer": float("nan")}, "answer: expected a finite number"),
        ({"answer": "yes", "wrong": {"yes": "no"}}, "wrong: expected at most seven other texts"),
        ({"answer": "yes", "wrong": {1: "no"}}, "wrong: expected at most seven other texts"),
        ({"wrong": {}}, "wrong: expected wrong answers"),
        ({"wrong": {2: " "}}, "wrong: expected wrong answers"),
        ({"wrong": {1.01: "close"}}, "wrong: 1.01 is within 0.02 of the answer, 1"),
        ({"within": -1}, "within: expected a relative error of at least 0"),
    ],
)
def test_a_question_that_cannot_be_checked_is_refused(change, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        lb.question(**{"text": "What?", "answer": 1.0, "why": "So.", "wrong": {2: "Twice."}} | change)


def test_what_is_no_number_is_refused(memory):
    with pytest.raises(ValueError, match="answer: expected a finite number, got soon"):
        memory.check("soon")


# The built book


def read(page):
    return (SITE / page).read_text(encoding="utf-8")


@every_chapter
def test_a_chapter_opens_with_its_figure_and_its_box(page):
    text = read(page)
    box = text.find('<div class="aims')
    assert box > 0 and text.count('<div class="aims') == 1
    first = text[text.index("</h1>") : box]
    in_sight = re.sub(r"<details.*?</details>", "", first, flags=re.S)
    words = re.sub(r"<[^>]+>", " ", in_sight).split()
    assert len(words) < 500, "the box is not far down"
    assert "<figure" in first, "the opening figure comes first"
    assert re.search(r"Afterwards you (can|will)", text[box : box + 400])
    for shown in re.findall(r'<div class="cell docutils container">', first):
        raise AssertionError(f"code that is not folded stands before the box: {shown}")


@every_chapter
def test_the_core_of_a_chapter_can_be_read_in_one_sitting(page):
    told = re.search(r"Core (\d+) minutes(?:, and little more|; with starred sections and all proofs (\d+))", read(page))
    core, whole = told.groups()
    core, whole = int(core), int(whole or core)
    assert core <= 40 and core <= whole
    assert core >= (15 if page in SHORT else 25)


@every_chapter
def test_a_chapter_needs_only_what_comes_before_it(page):
    box = read(page).split('<div class="aims', 1)[1].split("Time.", 1)[0]
    needed = re.findall(r'href="([^"#]+)(?:#[^"]*)?"', box)
    assert bool(needed) == (page != CHAPTERS[0])
    for address in needed:
        assert re.fullmatch(r"\d\d_\w+\.html", address) and address < page.removeprefix("chapters/"), address


@every_chapter
def test_a_chapter_asks_three_to_five_questions_and_explains_wrong_answers(page):
    forms = re.findall(r'<form class="question".*?</form>', read(page), re.S)
    assert 3 <= len(forms) <= 5
    for form in forms:
        explained = re.findall(r'class="verdict" data-for="(?!right|other|none)', form)
        assert explained and ("data-right" in form) != ("data-answer" in form)
        assert len(re.findall(r"data-right", form)) <= 1
    assert read(page).count('<details class="fold answer">') == len(forms)


@every_chapter
def test_no_line_of_a_claim_is_without_its_number(page):
    assert not re.search(r"<pre[^>]*>(?:<[^>]*>|\s)*Claim \d+ holds", read(page))


@every_chapter
def test_some_exercises_need_the_core_alone(page):
    head = r'<p class="admonition-title"><span class="caption-number">Exercise [\d.]+ ?</span>(.*?)</p>'
    titles = re.findall(head, read(page), re.S)
    assert len(titles) >= 3
    assert sum("★" not in title for title in titles) >= 2, titles


# What the browser shows: long proofs are folded, whatever is folded can be reached by keyboard, and on paper all is open.

FOLDS = """() => {
  const proofs = [...document.querySelectorAll("div.argument")];
  const line = parseFloat(getComputedStyle(document.querySelector("#main-content p")).lineHeight);
  const height = node => node.getBoundingClientRect().height;
  const shown = node => node.checkVisibility({visibilityProperty: true, contentVisibilityAuto: true});
  return {
    tall: proofs.filter(proof => height(proof) > 16 * line).map(proof => proof.textContent.trim().slice(0, 80)),
    folded: document.querySelectorAll("details.fold").length,
    closed: document.querySelectorAll("details:is(.starred, .in-full):not([open])").length,
    unreached: [...document.querySelectorAll("details.fold > summary")].filter(node => shown(node) && node.tabIndex < 0).length,
    starred: [...document.querySelectorAll("section > h2, section > h3")].filter(head => head.textContent.includes("★")).length,
    inside: document.querySelectorAll("details.starred").length,
  };
}"""
APART = "form, [hidden], mjx-container, .toggle, summary, button, svg, .headerlink, .cell details"
OPEN = f"""() => [...document.querySelectorAll("details.fold *")]
  .filter(node => !node.checkVisibility() && !node.closest("{APART}"))
  .map(node => node.outerHTML.slice(0, 80))"""


@pytest.fixture
def tab(browser):
    """A function that opens a page, in a browser that knows nothing yet."""
    with served(SITE) as address:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.route("**/mathjax/**", lambda route: route.abort())  # typesetting takes seconds a page, and folds do not need it
        yield lambda name: page.goto(address + name) and page
        context.close()


@every_chapter
def test_long_proofs_and_starred_sections_are_folded_and_open_on_paper(tab, page):
    shown = tab(page)
    seen = shown.evaluate(FOLDS)
    assert seen["tall"] == [] and seen["unreached"] == 0
    assert seen["closed"] > 0 and seen["starred"] == seen["inside"]
    shown.emulate_media(media="print")
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown.evaluate(OPEN) == []
    shown.evaluate("dispatchEvent(new Event('afterprint'))")
    shown.emulate_media(media="screen")
    assert shown.evaluate(FOLDS)["closed"] == seen["closed"]


def test_one_button_opens_all_and_is_remembered(tab):
    shown = tab("chapters/10_stability.html")
    button = shown.locator(".open-folds")
    assert button.text_content() == "Open all proofs and starred sections"
    button.focus()
    shown.keyboard.press("Enter")
    assert shown.evaluate(FOLDS)["closed"] == 0 and button.text_content().startswith("Close")
    shown = tab("chapters/03_modes.html")
    assert shown.evaluate(FOLDS)["closed"] == 0
    shown.locator(".open-folds").press("Enter")
    shown = tab("chapters/10_stability.html")
    assert shown.evaluate(FOLDS)["closed"] > 0


def test_a_link_into_a_fold_opens_it(tab):
    shown = tab("chapters/10_stability.html#prop-stab-spiral")
    assert shown.evaluate("document.getElementById('prop-stab-spiral').checkVisibility()")


def test_a_question_answered_by_keyboard(tab):
    shown = tab("chapters/10_stability.html")
    form = shown.locator("form.question[data-answer]").first
    said = form.locator("[role=status]")
    form.locator("input").focus()
    for typed, starts in (("soon", "This is not a number"), ("4.25", "Not yet."), ("1e9", "Not yet."), ("2/2", "Right.")):
        form.locator("input").fill(typed)
        assert said.inner_text() == ""
        shown.keyboard.press("Enter")
        assert said.inner_text().startswith(starts), typed
    assert shown.locator(".self-check details.answer").first.get_attribute("open") is not None

    form = shown.locator("form.question:not([data-answer])").first
    right = int(form.locator("input[data-right]").get_attribute("value"))
    form.locator("input").first.focus()
    shown.keyboard.press("Space")
    for _ in range(right):
        shown.keyboard.press("ArrowDown")
    shown.keyboard.press("Enter")
    assert form.locator("[role=status]").inner_text().startswith("Right.")


PARTS = [page for page in PAGES if page.startswith("parts/")]


def test_the_parts_list_every_chapter_with_what_it_needs():
    listed = [address for page in PARTS for address in re.findall(r'<li class="inside"><a href="\.\./([^"]+)"', read(page))]
    assert sorted(listed) == sorted(CHAPTERS)
    curves = sum(read(page).count("<path d=") for page in PARTS)
    needs = sum(len(set(re.findall(r"needs ([\d, and]+)", read(page)))) for page in PARTS)
    assert curves >= needs > 10


def test_pages_that_moved_send_the_reader_on(tab):
    for old in ("map", "notation", "api", "bibliography"):
        shown = tab(f"{old}.html#top")
        shown.wait_for_url(f"**/reference/{old}.html#top")
