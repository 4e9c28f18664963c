"""The panels as a reader meets them, on the page that has all: by keyboard, by finger, on a phone, on paper and from disk."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from chromium import ARGUMENTS, CHROMIUM, need_chromium, served
from lab_page import PANELS

SITE = Path(__file__).resolve().parent.parent / "_build" / "html"
PAGE = "reference/laboratory.html"
VALUE = "node => node.type === 'checkbox' ? node.checked : node.value"


def opened(browser, address, errors, **options):
    tab = browser.new_page(**options)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.route("**/mathjax/**", lambda route: route.abort())
    tab.goto(address)
    return tab


def shown(tab, name):
    panel = tab.locator(f"[data-panel={name}]")
    panel.scroll_into_view_if_needed()
    panel.locator(".panel-live").wait_for()
    return panel


def settled(tab):
    """After a frame or two the panel has answered."""
    tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))")


def played(tab, name):
    """One panel on a laptop."""
    panel, found = shown(tab, name), {}
    found["named"] = panel.locator(".views > svg[aria-label]").count() == panel.locator(".views > svg").count()
    found["words"] = len(panel.locator(".said").inner_text().split())
    found["silent"] = []
    for i in range(panel.locator(".controls :is(input, select)").count()):
        control = panel.locator(".controls :is(input, select)").nth(i)
        control.focus()
        value = control.evaluate(VALUE)
        for key in ("Space", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):
            if control.evaluate(VALUE) == value and (key != "Space" or value in (True, False)):
                tab.keyboard.press(key)
                settled(tab)
        if control.evaluate(VALUE) == value:
            found["silent"].append(control.get_attribute("name"))
    handles = panel.locator(".handle")
    found["stuck"] = []
    for i in range(handles.count()):
        was = handles.nth(i).get_attribute("aria-valuetext")
        handles.nth(i).focus()
        tab.keyboard.press("ArrowLeft")
        tab.keyboard.press("Shift+ArrowUp")
        settled(tab)
        if handles.nth(i).get_attribute("aria-valuetext") == was:
            found["stuck"].append(handles.nth(i).get_attribute("aria-label"))
    panel.get_by_role("button", name="Link to this").press("Enter")
    found["link"], found["state"] = panel.locator("input.link").input_value(), panel.evaluate("root => root.panel.state")
    panel.locator("summary", has_text="The numbers").press("Enter")
    settled(tab)
    found["rows"] = panel.locator(".numbers tbody tr").count()
    drawn = re.sub(r'href="data[^"]*"', "", panel.inner_html())
    found["not numbers"] = re.findall(r"NaN|undefined|Infinity", drawn)
    play = panel.get_by_role("button", name="Play")
    if play.count():
        time = panel.locator("input[name=time]")
        time.focus()
        tab.keyboard.press("Home")
        play.press("Enter")
        tab.wait_for_function(f"Number(document.querySelector('[data-panel={name}] input[name=time]').value) > 0")
        found["pause"] = panel.locator(".buttons button").first.inner_text()
        panel.locator(".buttons button").first.press("Space")
        settled(tab)
        at = time.input_value()
        tab.wait_for_timeout(120)
        found["stays"] = time.input_value() == at
    panel.get_by_role("button", name="Reset").press("Enter")
    settled(tab)
    found["reset"] = panel.evaluate("root => JSON.stringify(root.panel.state) === JSON.stringify(root.panel.start)")
    tab.emulate_media(media="print")
    found["paper"] = panel.locator(".panel-still img").is_visible() and not panel.locator(".panel-live").is_visible()
    tab.emulate_media(media="screen")
    return found


def rounded(state):
    return {key: float(f"{value:.5g}") if isinstance(value, float) else value for key, value in state.items()}


def visit():
    from playwright.sync_api import sync_playwright

    errors, seen = [], {}
    with served(SITE) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        tab = opened(browser, f"{address}{PAGE}", errors, reduced_motion="no-preference")
        for name in PANELS:
            seen[name] = played(tab, name)
        tab.close()
        queries = "&".join(filter(None, (urlsplit(found["link"]).query for found in seen.values())))
        tab = opened(browser, f"{address}{PAGE}?{queries}", errors)
        for name in PANELS:
            state = shown(tab, name).evaluate("root => root.panel.state")
            seen[name]["restored"] = rounded(state) == rounded(seen[name]["state"])
        tab.close()
        phone = {"viewport": {"width": 390, "height": 844}, "reduced_motion": "reduce", "has_touch": True}
        tab = opened(browser, f"{address}{PAGE}", errors, **phone)
        for name in PANELS:
            panel = shown(tab, name)
            box = panel.bounding_box()
            seen[name]["right edge"] = box["x"] + box["width"]
            seen[name]["wide"] = panel.evaluate("root => root.scrollWidth > root.clientWidth + 1")
            step = panel.get_by_role("button", name="Step forward")
            if step.count():
                panel.locator("input[name=time]").press("Home")
                step.tap()
                settled(tab)
                seen[name]["step"] = float(panel.locator("input[name=time]").input_value())
        tab.close()
        tab = opened(browser, (SITE / PAGE).as_uri(), errors)
        shown(tab, PANELS[-1])
        tab.close()
        browser.close()
    return errors, seen


@pytest.fixture(scope="module")
def seen():
    need_chromium()
    if not (SITE / PAGE).is_file():
        pytest.fail(f"no {PAGE}: run make book first")
    with ThreadPoolExecutor(1) as pool:  # a thread of its own: other tests hold a Playwright in this one
        return pool.submit(visit).result()


def test_no_panel_raises_an_error(seen):
    assert seen[0] == []


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_answers_keys_and_words(seen, name):
    found = seen[1][name]
    assert found["silent"] == [] and found["stuck"] == []
    assert found["named"] and found["words"] > 8 and found["rows"] > 0 and found["not numbers"] == []
    assert found["reset"] and found["restored"]
    assert found.get("pause", "Pause") == "Pause" and found.get("stays", True)


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_fits_a_phone_and_paper(seen, name):
    found = seen[1][name]
    assert found["right edge"] <= 390 and not found["wide"]
    assert found["paper"]
    assert found.get("step", 1) > 0
