"""On paper: the PDF is tagged, its contents and links lead where they say, nothing is cut off; one page prints as well.

Three pages are printed here. Where `make pdf` has printed the whole book, that is held as well.
"""

import re
from itertools import takewhile

import pikepdf
import pytest
from bs4 import BeautifulSoup
from epub import SITE, contents
from pdf import AUTHOR, PDF, assembled, places, printed, section

PAGES = ["index", "chapters/10_stability", "reference/notation"]
GROUPS = [(None, PAGES[:2]), ("Reference", PAGES[2:])]
# What stands out of its box in print, and what scrolls there.
CUT = """() => [...document.querySelectorAll("article.bd-article pre, article.bd-article .math, article.bd-article table")]
  .filter(node => node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).overflowX !== "visible"
    || node.getBoundingClientRect().right > innerWidth + 1).map(node => node.textContent.slice(0, 60))"""
ORDER = """() => [...document.querySelectorAll("article h2, article :is(div.exercise, div.solution, details.answer)")].map(node =>
  ["answer", "solution", "exercise"].find(kind => node.classList.contains(kind)) ?? node.textContent.replace("#", ""))"""


@pytest.fixture(scope="module")
def three(browser, tmp_path_factory):
    path = tmp_path_factory.mktemp("pdf") / "three.pdf"
    printed(browser, GROUPS, path)
    return path, GROUPS


@pytest.fixture(scope="module", params=["three pages", "whole book"])
def book(request):
    """An open PDF, and the pages of which it is made."""
    if request.param == "three pages":
        path, groups = request.getfixturevalue("three")
    elif PDF.is_file():
        path, groups = PDF, contents()
    else:
        pytest.skip("make pdf has not been run")
    with pikepdf.open(path) as pdf:
        yield pdf, groups, path


def entries(outline, level=0):
    for item in outline:
        yield level, item.title
        yield from entries(item.children, level + 1)


def test_says_what_it_is_to_a_screen_reader(book):
    pdf, _, path = book
    assert pdf.Root.MarkInfo.Marked and pdf.Root.Lang == "en"
    assert pdf.docinfo.Title == "Learning without backpropagation through time" and pdf.docinfo.Author == AUTHOR
    assert path.stat().st_size < 15e6


def test_bookmarks_are_chapters_with_their_numbers_and_sections(book):
    pdf, groups, _ = book
    with pdf.open_outline() as outline:
        found = list(entries(outline.root))
    for page in [page for _, group in groups for page in group]:
        soup = BeautifulSoup((SITE / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
        heads = [re.sub(r"[#\uf0c1]$|\\[()]", "", head.get_text()).strip() for head in soup.select("article h1, article h2")]
        start = [title for _, title in found].index(heads[0])
        inside = takewhile(lambda entry: entry[0] > found[start][0], found[start + 1 :])
        assert [title for _, title in inside] == [head for head in heads[1:] if head[0].isdigit()], page


def test_contents_and_links_lead_where_they_say(book):
    """A link within the book has a place; pages start in their order, each on a sheet of its own."""
    pdf, groups, _ = book
    found = places(pdf)
    wanted = {str(link.Dest)[1:] for page in pdf.pages for link in page.get("/Annots", []) if "/Dest" in link}
    assert wanted and wanted <= set(found)
    starts = [found[page] for _, group in groups for page in group]
    assert starts == sorted(set(starts))


def test_formulas_have_their_tex_as_a_name_and_figures_their_words(book):
    pdf, _, _ = book
    tags = (thing for thing in pdf.objects if isinstance(thing, pikepdf.Dictionary) and thing.get("/S") == "/Figure")
    named = [str(tag.Alt) for tag in tags if "/Alt" in tag]
    assert any("\\" in words for words in named) and sum("\\" not in words and len(words) > 40 for words in named) >= 5
    assert not any(words.strip() == "" for words in named)


def test_what_is_drawn_is_drawn_and_no_picture(book):
    """Shadows would be pictures, the half of the file; figures are lines, but for panels and maps of colours."""
    pdf, _, _ = book
    pictures = [thing for thing in pdf.objects if isinstance(thing, pikepdf.Stream) and thing.get("/Subtype") == "/Image"]
    assert sum(len(picture.read_raw_bytes()) for picture in pictures) < 4e6
    assert not any(picture.get("/ColorSpace") == "/DeviceGray" and picture.get("/Filter") == "/DCTDecode" for picture in pictures)


def test_solutions_come_last_and_everything_is_open():
    pages = [page for page in PAGES if page.startswith("chapters/")]
    for page in pages:
        body = section(page, PAGES)
        assert not body.select("details:not([open])")
        kinds = ["solution" if "solution" in node["class"] else "exercise" for node in body.select("div.exercise, div.solution")]
        assert kinds == sorted(kinds) and kinds.count("solution") == kinds.count("exercise") >= 3
    ids = re.findall(r' id="([^"]+)"', assembled({page: section(page, PAGES) for page in PAGES}, []))
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("page", ["chapters/10_stability.html", "chapters/21_low_rank_or_wrong_credit.html"])
def test_one_page_prints_as_it_does_in_the_book(browser, page):
    tab = browser.new_page(viewport={"width": 660, "height": 900})
    tab.goto((SITE / page).as_uri())
    before = tab.evaluate("document.querySelector('article.bd-article').textContent")
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    heading = tab.locator("article h1")
    assert heading.is_visible() and re.match(r"\d+\. ", heading.inner_text())
    assert not tab.locator("#jb-print-docs-body").is_visible()
    assert tab.evaluate(CUT) == []
    order = tab.evaluate(ORDER)
    assert order.index("Answers") > max(i for i, kind in enumerate(order) if kind == "exercise")
    assert set(order[order.index("Answers") + 1 : order.index("Solutions")]) == {"answer"}
    assert set(order[order.index("Solutions") + 1 :]) == {"solution"}
    assert "solution" not in order[: order.index("Solutions")]
    assert tab.locator("article details:not([open])").count() == 0
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.evaluate("document.querySelector('article.bd-article').textContent") == before
    assert "Solutions" not in tab.evaluate(ORDER) and tab.locator("article details:not([open])").count() > 0
    tab.close()
