"""What a reader would type leads first to the section about it, from a disk, and what is shown is prose."""

import re
from urllib.parse import quote

import pytest
from test_site import AXE, SITE, axe_source

# For each question the section that answers it, as a reader who knows the book would say.
ANSWERS = {
    "feedback alignment": "chapters/13_alignment_emerges.html#under-rflo-the-readout-turns-towards-the-feedback",  # proves it
    "Lyapunov": "chapters/02_student_and_teacher.html#an-infinite-sum-is-one-linear-equation",  # the discrete Lyapunov equation
    "eligibility trace": "chapters/06_rflo.html#two-replacements",  # defines it
    "vanishing gradient": "chapters/04_bptt.html#how-long-is-long-enough",  # how fast the gradient fades with the lag
    "plateau": "chapters/09_stationary_points.html#how-long-is-the-plateau",
    "effective rank": "chapters/14_low_rank.html#counting-directions",  # defines it
    "Kolen-Pollack": "chapters/22_learned_feedback.html#feedback-that-learns",
    "leaky": "chapters/06_rflo.html#from-a-leaky-neuron-to-this-book-s-decay",
    "why does RFLO fail": "chapters/15_twenty_students.html#two-ways-to-fail",
    "conserved": "chapters/10_stability.html#leaves-what-rflo-conserves",
}


@pytest.fixture(scope="module")
def tab(browser):
    """The page of the search, opened from the disk; `tab.errors` are its errors and what it asks of other hosts."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.errors = []
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.on("request", lambda request: request.url.startswith("file:") or tab.errors.append(request.url))
    return tab


def ask(tab, query):
    """The hits for a query, which is typed where the page is open already: `[(address, what is shown)]`."""
    if "/search.html?q=" in tab.url:
        tab.fill("form.search-page input", query)
        tab.press("form.search-page input", "Enter")
        tab.wait_for_function("query => new URLSearchParams(location.search).get('q') === query", arg=query)
    else:
        tab.goto(f"{(SITE / 'search.html').as_uri()}?q={quote(query)}")
        tab.wait_for_function("document.getElementById('search-count').textContent")
    listed = tab.locator("#search-hits li").all()
    return [(item.locator("a").get_attribute("href"), item.inner_text()) for item in listed]


@pytest.mark.parametrize("query", ANSWERS)
def test_a_question_leads_first_to_the_section_about_it(tab, query):
    hits = ask(tab, query)
    assert hits[0][0] == ANSWERS[query]
    assert not any(re.search(r"\\|\$|\^\{", text) for _, text in hits), "TeX is shown"
    assert not any(re.search(r"^\d+\.\d+ |\bFig\.$", text.splitlines()[-1]) for _, text in hits), "a sentence is cut at Fig."
    for address, _ in hits:
        page, anchor = address.split("#")
        assert f'id="{anchor}"' in (SITE / page).read_text(encoding="utf-8")
    assert tab.locator("#search-hits li:first-child mark").count() or tab.locator("#search-hits li:first-child a").count()
    assert tab.errors == []


def test_a_word_is_found_in_its_other_forms_and_marked(tab):
    for query in ("conserved", "conserves", "CONSERVED"):
        assert ask(tab, query)[0][0] == ANSWERS["conserved"]
        marks = tab.locator("#search-hits mark").all_inner_texts()
        assert marks and all(mark.lower().startswith("conserv") for mark in marks)


@pytest.mark.parametrize(
    "query, page",
    [("BPTT", "04_bptt"), ("truncated BPTT", "05_truncated_bptt"), ("RFLO", "06_rflo"), ("e-prop", "07_eprop"),
     ("eprop", "07_eprop"), ("low rank", "14_low_rank"), ("backpropagation through time", "04_bptt")],
)  # fmt: skip
def test_a_name_leads_to_its_chapter(tab, query, page):
    (address, text), *_ = ask(tab, query)
    assert re.fullmatch(rf"chapters/{page}\.html#.*", address) and re.match(r"\d+\. ", text), (address, text)


def test_a_hit_in_a_folded_section_opens_it(tab):
    address, text = ask(tab, "participation ratio")[0]
    assert "★" in text
    tab.locator("#search-hits li:first-child a").click()
    fold = tab.locator(f"section[id='{address.split('#')[1]}'] > details.starred")
    fold.wait_for()
    tab.wait_for_function("node => node.open", arg=fold.element_handle())


def test_nothing_found_and_nothing_asked_are_said(tab):
    assert ask(tab, "xylophone") == [] and "No section speaks of \u201cxylophone\u201d" in tab.inner_text("#search-count")
    assert ask(tab, "why does the") == []
    tab.goto((SITE / "search.html").as_uri())
    assert tab.locator("#search-hits li").count() == 0


def test_what_is_typed_is_text(tab):
    assert ask(tab, "<img src=x onerror=alert(1)>") == [] or tab.locator("#search-hits img").count() == 0
    assert tab.locator("article img").count() == 0 and tab.errors == []


def test_by_keyboard_from_a_chapter_to_the_section(tab):
    """The theme's field leads to the search, and a hit to a section that is open."""
    tab.goto((SITE / "chapters/03_modes.html").as_uri())
    tab.keyboard.press("Control+k")
    tab.keyboard.type("from a leaky neuron")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#search-hits li")
    assert "search.html?q=from" in tab.url
    for _ in range(40):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.matches('#search-hits li:first-child a')"):
            break
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**/{ANSWERS['leaky']}")
    section = tab.locator("#from-a-leaky-neuron-to-this-book-s-decay")
    section.locator("h2").wait_for(state="visible")
    tab.wait_for_function("node => node.getBoundingClientRect().top < innerHeight", arg=section.element_handle())


def test_results_change_as_one_types_and_the_address_keeps_the_question(tab):
    ask(tab, "plateau")
    tab.fill("form.search-page input", "effective rank")
    tab.wait_for_function("document.querySelector('#search-hits a').getAttribute('href').includes('14_low_rank')")
    assert tab.url.endswith("?q=effective%20rank")


def test_hits_that_are_shown_stay_under_the_pointer(tab):
    """A click whose link is replaced between press and release is lost: nothing is drawn anew after Enter."""
    ask(tab, "plateau")
    stays = """async () => {
        const form = document.querySelector("form.search-page");
        form.elements.q.value = "conserved";
        form.elements.q.dispatchEvent(new Event("input", { bubbles: true }));
        form.requestSubmit();
        const first = document.querySelector("#search-hits li");
        await new Promise(resolve => setTimeout(resolve, 400));
        return first.isConnected;
    }"""
    assert tab.evaluate(stays)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_of_hits_is_accessible_and_fits_a_phone(browser, scheme):
    phone = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    ask(phone, "conserved")
    phone.evaluate(axe_source())
    assert phone.evaluate(AXE) == []
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.close()


def test_the_index_is_small_and_there_is_no_other():
    assert (SITE / "_static" / "search" / "sections.js").stat().st_size < 1.5e6
    assert not (SITE / "searchindex.js").exists()
    assert not any("searchtools.js" in page.read_text(encoding="utf-8") for page in SITE.rglob("*.html"))
