"""A card shows what a reference leads to, to the pointer and to the keyboard, on this page and on others, from a disk."""

import pytest
from test_site import AXE, SITE, axe_source

PAGE = "chapters/10_stability.html"
CARD = "#preview-card"
REFERENCES = {  # what leads there, and what of it is shown
    "theorem": ("article p a[href='#thm-stab-rflo']", "Theorem 10.2"),
    "figure": ("article p a[href='#fig-stab-opening']", "Fig. 10.1"),
    "formula": ("article p a[href='#equation-eq-stab-form']", "(10.1)"),
    "formula on another page": ("article p a[href='03_modes.html#equation-eq-modes-loss']", "(3.5)"),
    "work cited": ("article p a[href*='bibliography.html#cite-']", "20"),
}


@pytest.fixture(scope="module")
def tab(browser):
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.errors = []
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.on("request", lambda request: request.url.startswith(("file:", "data:")) or tab.errors.append(request.url))
    tab.goto((SITE / PAGE).as_uri())
    tab.evaluate("MathJax.startup.promise.then(() => true)")
    return tab


@pytest.fixture(autouse=True)
def away(tab):
    tab.mouse.move(2, 2)
    tab.keyboard.press("Escape")


@pytest.mark.parametrize("kind", REFERENCES)
def test_the_pointer_is_shown_what_a_reference_leads_to(tab, kind):
    where, shown = REFERENCES[kind]
    link = tab.locator(where).first
    link.hover()
    card = tab.locator(CARD)
    card.wait_for(state="visible")
    assert shown in " ".join(card.inner_text().split()) or shown in card.text_content()
    assert link.get_attribute("aria-describedby") == "preview-card"
    if kind != "work cited":
        card.locator("mjx-container").first.wait_for(state="attached")
    assert "\\(" not in card.inner_text() and card.locator("a, [id]").count() == 0
    box = card.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 1280 and box["y"] >= 0 and box["y"] + box["height"] <= 801
    for image in card.locator("img").all():
        tab.wait_for_function("image => image.naturalWidth > 0", arg=image.element_handle())
    assert tab.errors == []


def test_the_pointer_may_move_into_the_card_and_escape_closes_it(tab):
    link, card = tab.locator(REFERENCES["theorem"][0]).first, tab.locator(CARD)
    link.hover()
    card.wait_for(state="visible")
    card.hover(position={"x": 30, "y": 30})
    tab.wait_for_timeout(400)
    assert card.is_visible()
    tab.keyboard.press("Escape")
    assert not card.is_visible() and link.get_attribute("aria-describedby") is None
    link.hover()
    card.wait_for(state="visible")
    tab.mouse.move(2, 2)
    card.wait_for(state="hidden")


def test_the_keyboard_is_shown_it_too(tab):
    link = tab.locator(REFERENCES["theorem"][0]).first
    link.evaluate("""node => {
      const before = document.createElement("button");
      before.id = "before";
      node.before(before);
      before.focus();
    }""")
    tab.keyboard.press("Tab")
    tab.locator(CARD).wait_for(state="visible")
    assert "Theorem 10.2" in " ".join(tab.inner_text(CARD).split())
    tab.keyboard.press("Shift+Tab")
    tab.locator(CARD).wait_for(state="hidden")
    tab.evaluate("document.getElementById('before').remove()")


def test_no_card_for_what_is_no_piece_of_a_page(tab):
    tab.locator("article a.reference.internal[href='09_stationary_points.html#three-conditions']").first.hover()
    tab.wait_for_timeout(400)
    assert not tab.locator(CARD).is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_card_is_accessible(tab, scheme):
    tab.emulate_media(color_scheme=scheme)
    tab.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
    tab.locator(REFERENCES["theorem"][0]).first.hover()
    tab.locator(CARD).wait_for(state="visible")
    tab.evaluate(axe_source())
    assert tab.evaluate(AXE.replace("axe.run({", "axe.run('#preview-card', {")) == []


def test_nothing_of_it_is_printed(tab):
    tab.emulate_media(media="print")
    tab.locator(REFERENCES["theorem"][0]).first.hover()
    tab.wait_for_timeout(300)
    assert not tab.locator(CARD).is_visible()
    tab.emulate_media(media="screen")


def test_every_numbered_piece_of_a_page_can_be_shown():
    said = (SITE / "_static" / "previews" / "chapters.10_stability.html.js").read_text(encoding="utf-8")
    page = (SITE / PAGE).read_text(encoding="utf-8")
    for kind in ("thm", "prop", "fig", "equation-eq"):
        assert f'"{kind}-stab-' in said
    assert page.count('class="eqno"') <= said.count("equation-eq-stab-") * 2
