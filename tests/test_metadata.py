"""What pages say of themselves: a description in words, a card, and, where the site's address is known, its map."""

import re
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup, SoupStrainer
from metadata import PICTURE, map_the_site
from test_site import PAGES, ROOT, SITE


@pytest.fixture(scope="module")
def heads():
    """The metadata of each page that has an article, by its name."""
    found = {}
    for page in PAGES:
        head = BeautifulSoup((SITE / page).read_text(encoding="utf-8"), "html.parser", parse_only=SoupStrainer("meta"))
        found[page] = {tag.get("name") or tag.get("property"): tag["content"] for tag in head.select("meta[content]")}
    return found


def test_every_page_describes_itself_in_words(heads):
    pages = [page for page in heads if page not in ("search.html", "genindex.html")]
    said = {page: heads[page].get("description", "") for page in pages}
    assert {page: words for page, words in said.items() if not 40 <= len(words) <= 160} == {}
    assert not any(re.search(r"\\|\$|\b(Fig|Eq)\.$", words) for words in said.values())
    assert len(set(said.values())) == len(pages)


def test_a_shared_page_has_a_title_and_no_picture_of_an_unknown_address(heads):
    for page, head in heads.items():
        if "description" in head:
            assert head["og:title"] and head["og:description"] == head["description"], page
        assert "og:image" not in head or head["og:image"].startswith("https://"), page


def test_the_picture_on_each_card_is_on_the_site():
    panels = {path.stem for path in (ROOT / "lab" / "panels").glob("*.js")} | {PICTURE}
    assert [name for name in sorted(panels) if not (SITE / "_images" / f"{name}.png").is_file()] == []


def test_the_map_of_the_site_has_every_page(tmp_path):
    app = SimpleNamespace(
        builder=SimpleNamespace(name="html", get_target_uri=lambda page: f"{page}.html"),
        config=SimpleNamespace(book_site="https://example.org/a&b/"),
        env=SimpleNamespace(found_docs={"index", "chapters/one"}),
        outdir=tmp_path,
    )
    map_the_site(app, None)
    listed = ElementTree.parse(tmp_path / "sitemap.xml").getroot()
    assert [place[0].text for place in listed] == ["https://example.org/a&b/chapters/one.html", "https://example.org/a&b/index.html"]


def test_without_an_address_there_is_no_map(tmp_path):
    config = SimpleNamespace(book_site="")
    map_the_site(SimpleNamespace(builder=SimpleNamespace(name="html"), config=config, outdir=tmp_path), None)
    assert list(tmp_path.iterdir()) == []
