"""The built site asks nobody for anything, lands every link, renders every equation and reads well for everyone.

The first tests read the HTML; the rest open every page in headless Chromium over a local server, once, on a phone and on
a laptop, in light and in dark, and hold what was seen. `make book` first; this part alone: `pytest tests/test_site.py`.
"""

import functools
import io
import json
import re
import shutil
import sys
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import numpy as np
import pytest
from chromium import served
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "_ext"))
from figures import lightened  # noqa: E402

SITE = ROOT / "_build" / "html"
WEIGHT = 700_000  # bytes: a chapter's page and its figures, without MathJax, the theme's shared files and the search index


def pages_of(site):
    """The pages of a site, as paths relative to it; what lies in _static and _sources is none, nor is what leads elsewhere."""
    found = (path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    pages = sorted(page for page in found if not page.startswith("_"))
    return [page for page in pages if 'http-equiv="refresh"' not in (site / page).read_text(encoding="utf-8")]


PAGES = pages_of(SITE)
every_page = pytest.mark.parametrize("page", PAGES)
every_chapter = pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("chapters/")])


def test_the_book_is_built():
    assert PAGES, f"nothing in {SITE}: run make book first"
    sources = [path.stem for path in (ROOT / "chapters").glob("*.ipynb")]
    assert sources, "no chapters"
    missing = [name for name in sources if f"chapters/{name}.html" not in PAGES]
    assert not missing, f"chapters without a page: {missing}; not in _toc.yml, or make book is to be run"


# What the HTML alone tells


class Reader(HTMLParser):
    """What a page names: its anchors, what it links to, what it loads, and its images."""

    LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
    LOADS |= {"embed": "src", "object": "data"}
    HINTS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest"}

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.loads, self.images, self.styles = {"", "top"}, [], [], [], []
        self.ids = []
        self.in_style = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        have = dict(attributes)
        self.in_style = tag == "style"
        self.anchors |= {have[key] for key in ("id", "name") if have.get(key)}
        self.styles.append(have.get("style") or "")
        self.ids += [have["id"]] if "id" in have else []
        if tag in ("a", "area") and "href" in have:
            self.links.append(have["href"] or "")
        if tag == "link" and self.HINTS & set((have.get("rel") or "").split()):
            self.loads.append(have["href"])
        if have.get(self.LOADS.get(tag)):
            self.loads.append(have[self.LOADS[tag]])
        self.loads += [part.split()[0] for part in (have.get("srcset") or "").split(",") if part.strip()]
        if tag == "img":
            self.images.append((have.get("src") or "", have.get("alt")))

    handle_startendtag = handle_starttag

    def handle_data(self, data):
        if self.in_style:
            self.styles.append(data)

    def handle_endtag(self, tag):
        self.in_style = False


@functools.cache
def read(path):
    return Reader(path.read_text(encoding="utf-8"))


def third_parties(text):
    """The addresses of other hosts that a style sheet names."""
    return re.findall(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""", text)


def is_foreign(address):
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in ("http", "https")


def foreign_loads(site, page):
    reader = read(site / page)
    return [address for address in reader.loads if is_foreign(address)] + third_parties("\n".join(reader.styles))


def lost_links(site, page):
    """The links within the site, and the files that a page loads, that do not land."""
    reader, lost = read(site / page), []
    for address in reader.links + reader.loads:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        path = unquote(parts.path)
        target = (site / page).parent / path if not path.startswith("/") else site / path[1:]
        target = target / "index.html" if path.endswith("/") else target if path else site / page
        if not target.is_file() or not target.resolve().is_relative_to(site.resolve()):
            lost.append(f"{address}: no such file")
        elif target.suffix == ".html" and unquote(parts.fragment) not in read(target).anchors:
            lost.append(f"{address}: no such anchor")
    return lost


def mute_images(site, page):
    """The images whose alternative text is missing, empty, or the name of a file."""
    mute = []
    for source, text in read(site / page).images:
        words = (text or "").strip()
        if not words or re.fullmatch(r"\S*[0-9a-f]{16,}\S*|\S+\.(svg|png|jpe?g|gif|webp)", words):
            mute.append(f"{source}: {text!r}")
    return mute


def repeated_ids(site, page):
    """The ids that more than one element of a page has."""
    return sorted(name for name, times in Counter(read(site / page).ids).items() if times > 1)


@every_page
def test_loads_nothing_from_another_host(page):
    assert foreign_loads(SITE, page) == []


def test_style_sheets_name_no_other_host():
    found = {path.name: third_parties(path.read_text(encoding="utf-8")) for path in SITE.rglob("*.css")}
    assert not any(found.values()), found


@every_page
def test_every_link_and_anchor_lands(page):
    assert lost_links(SITE, page) == []


@every_page
def test_every_image_says_what_it_shows(page):
    assert mute_images(SITE, page) == []


@every_page
def test_no_two_elements_have_one_id(page):
    assert repeated_ids(SITE, page) == []


def test_a_lighter_figure_is_the_same_picture():
    figure = Figure()
    axes = figure.subplots()
    axes.plot(np.linspace(-1, 1, 200), np.random.default_rng(0).normal(size=200), "o-", label="$\\psi_*$")
    axes.imshow(np.eye(3))
    axes.legend()
    figure.savefig(heavy := io.StringIO(), format="svg")
    heavy = heavy.getvalue()
    light = lightened(heavy)
    assert len(light) < 0.9 * len(heavy) and lightened(light) == light

    def drawn(svg):
        nodes = [node for node in ElementTree.fromstring(svg).iter() if node.tag.startswith("{http://www.w3.org/2000/svg}")]
        for node in nodes:
            if node.tag.endswith("}g"):
                node.attrib.pop("id", None)
        return [node for node in nodes if not node.tag.endswith("metadata")]

    number = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
    assert len(drawn(light)) == len(drawn(heavy))
    for old, new in zip(drawn(heavy), drawn(light)):
        assert (old.tag, old.attrib.keys()) == (new.tag, new.attrib.keys())
        for name in old.attrib:
            if name not in ("d", "x", "y"):
                assert old.get(name) == new.get(name)
                continue
            assert "".join(number.sub("", old.get(name)).split()) == "".join(number.sub("", new.get(name)).split())
            moved = np.subtract(*([float(each) for each in number.findall(node.get(name))] for node in (old, new)))
            assert np.abs(moved).max(initial=0) < 0.0051


# What a browser tells


@dataclass
class Visit:
    """What was seen on one page."""

    requests: list = field(default_factory=list)  # failed, or to another host
    errors: list = field(default_factory=list)  # of the console and of scripts
    maths: list = field(default_factory=list)
    wide: list = field(default_factory=list)
    stops: list = field(default_factory=list)  # of the keyboard, in the main part
    unreached: list = field(default_factory=list)  # formulas that scroll and are no stop
    violations: list = field(default_factory=list)
    weight: int = 0


# Equations that are not one rendered formula; formulas with an error or an unknown command; TeX left as text.
MATHS = r"""async () => {
  if (document.querySelector(".math") && !window.MathJax?.startup) return ["MathJax did not load"];
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
  const found = [], say = (what, node) => found.push(`${what}: ${node.textContent.trim().slice(0, 80)}`);
  for (const node of document.querySelectorAll(".math"))
    if (node.querySelectorAll("mjx-container").length !== 1) say("not rendered", node);
  for (const node of document.querySelectorAll("mjx-container")) {
    if (node.querySelector('mjx-merror, [data-mml-node="merror"], merror')) say("error", node);
    if (node.querySelector('mtext[mathcolor="red"]')) say("unknown command", node);
    if (/\(\?\?\?\)/.test(node.textContent)) say("unknown reference", node);
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode())
    if (!walker.currentNode.parentElement.closest("pre, code, script, style, noscript, mjx-container"))
      if (/\\[()\[\]]|\\begin\{|\$[^$\s][^$\n]*\$/.test(walker.currentNode.data)) say("left as text", walker.currentNode);
  return found;
}"""

# What reaches beyond the window, and is not inside something that scrolls sideways (or is there for a screen reader only), and
# formulas that run over their number.
WIDE = """() => {
  const found = [], page = document.scrollingElement;
  if (page.scrollWidth > innerWidth) found.push(`the page: ${page.scrollWidth} pixels`);
  for (const node of document.querySelectorAll("#main-content *")) {
    const box = node.getBoundingClientRect();
    if (box.width === 0 || box.right <= innerWidth + 1 && box.left >= -1) continue;
    if (!node.checkVisibility({visibilityProperty: true}) || node.closest("mjx-assistive-mml, .visually-hidden")) continue;
    let holder = node.parentElement;
    while (holder && getComputedStyle(holder).overflowX === "visible") holder = holder.parentElement;
    if (!holder || !/auto|scroll/.test(getComputedStyle(holder).overflowX))
      found.push(`${node.outerHTML.slice(0, 90)}: ${Math.round(box.left)} to ${Math.round(box.right)}`);
  }
  for (const number of document.querySelectorAll(".eqno")) {
    const formula = number.parentElement.querySelector("mjx-container");
    if (number.checkVisibility() && formula?.getBoundingClientRect().right > number.getBoundingClientRect().left + 1)
      found.push(`over its number: ${number.textContent}`);
  }
  return found;
}"""

# Where the keyboard stops in the main part, and the formulas that scroll: each of these, and no other formula, is a stop.
STOPS = """() => [...document.querySelectorAll("#main-content *")]
  .filter(node => node.tabIndex >= 0 && node.checkVisibility({visibilityProperty: true}))
  .map(node => (node.matches(".math, .math *") ? "formula: " : "") + node.outerHTML.slice(0, 90))"""
UNREACHED = """() => [...document.querySelectorAll("span.math, div.math mjx-container")]
  .filter(node => (node.scrollWidth > node.clientWidth) !== (node.tabIndex >= 0))
  .map(node => `${node.clientWidth} of ${node.scrollWidth}: ${node.textContent.trim().slice(0, 60)}`)"""

# MathJax and Pygments mark everything up alike, in so many elements that axe-core needs seconds a page: of the equations
# ten stay, of the others a box with a name, and of each kind of token in code one.
THIN = """() => {
  const boxes = [...document.querySelectorAll("mjx-container")].slice(10).map(node => {
    const {width, height} = node.firstElementChild.getBoundingClientRect(), box = document.createElement("span");
    box.role = "img";
    box.ariaLabel = "formula";
    box.style.cssText = `display: inline-block; vertical-align: middle; width: ${width}px; height: ${height}px`;
    return [node, box];
  });
  boxes.forEach(([node, box]) => node.replaceChildren(box));
  const kinds = new Set();
  for (const node of document.querySelectorAll("pre span[class]:not(:has(*))")) {
    const kind = node.className + (node.closest(".cell_output") ? " output" : "");
    if (kinds.has(kind)) node.replaceWith(...node.childNodes);
    kinds.add(kind);
  }
}"""

# Two views show all of a page in both schemes; the theme's frame, the same around every page, is seen in all four on one.
VIEWS = ((390, "light"), (1280, "dark"), (390, "dark"), (1280, "light"))

# Wait, two seconds at most, until the theme has taken up the reader's colour scheme.
SETTLE = """async scheme => {
  const theme = () => document.documentElement.dataset.theme;
  for (let i = 0; i < 40 && theme() !== scheme; i++) await new Promise(done => setTimeout(done, 50));
  return theme();
}"""

# Every rule that is on by default, and the one of WCAG 2.1 A that axe-core still calls experimental.
AXE = """async () => {
  const rules = {"label-content-name-mismatch": {enabled: true}};
  const {violations} = await axe.run({preload: false, resultTypes: ["violations"], rules});
  return violations.map(v => `${v.id} (${v.impact}): ` + v.nodes.map(n => n.target.join(" ")).slice(0, 4).join("; "));
}"""


def axe_source():
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


class Visitor:
    """One browser at the address of a site; each page is opened once."""

    def __init__(self, browser, address):
        self.seen, self.axe, self.address = {}, axe_source(), address
        self.context = browser.new_context(reduced_motion="reduce")

    def __call__(self, page):
        if page not in self.seen:
            self.seen[page] = self.visit(page)
        return self.seen[page]

    def visit(self, page):
        visit, answers = Visit(), []
        tab = self.context.new_page()
        tab.set_viewport_size({"width": 390, "height": 844})
        tab.emulate_media(color_scheme="light")
        tab.on("response", lambda answer: answers.append(answer))
        tab.on("requestfailed", lambda request: visit.requests.append(f"failed: {request.url}"))
        tab.on("request", lambda request: self.note_host(visit, request.url))
        tab.on("pageerror", lambda error: visit.errors.append(str(error)))
        tab.on("console", lambda message: message.type == "error" and visit.errors.append(message.text))
        tab.goto(self.address + page)
        visit.maths = tab.evaluate(MATHS)
        tab.wait_for_timeout(350)  # the theme lets the keyboard reach what scrolls, 0.3 s after the last change
        visit.weight = sum(len(answer.body()) for answer in answers if self.is_own(answer))
        visit.requests += [f"{answer.status}: {answer.url}" for answer in answers if answer.status >= 400]
        visit.wide = tab.evaluate(WIDE)
        visit.stops, visit.unreached = tab.evaluate(STOPS), tab.evaluate(UNREACHED)
        tab.evaluate(self.axe)
        tab.evaluate(THIN)
        for width, scheme in VIEWS if page == "index.html" else VIEWS[:2]:
            tab.set_viewport_size({"width": width, "height": 844})
            tab.emulate_media(color_scheme=scheme)
            if tab.evaluate(SETTLE, scheme) != scheme:
                visit.violations.append(f"{width} {scheme}: the page ignores the reader's colour scheme")
            visit.violations += [f"{width} {scheme}: {violation}" for violation in tab.evaluate(AXE)]
        tab.close()
        return visit

    def note_host(self, visit, address):
        if not address.startswith((self.address, "data:", "blob:")):
            visit.requests.append(f"another host: {address}")

    def is_own(self, answer):
        path = answer.url.removeprefix(self.address)
        return answer.status == 200 and not path.startswith("_static/")


@pytest.fixture(scope="session")
def visit(browser):
    with served(SITE) as address:
        visitor = Visitor(browser, address)
        yield visitor
        visitor.context.close()


@every_page
def test_every_request_is_answered_by_the_site_itself(visit, page):
    assert visit(page).requests == []


@every_page
def test_console_shows_no_error(visit, page):
    assert visit(page).errors == []


@every_page
def test_every_equation_is_rendered(visit, page):
    assert visit(page).maths == []


@every_page
def test_nothing_is_wider_than_a_phone(visit, page):
    assert visit(page).wide == []


@every_page
def test_no_barrier_that_axe_knows(visit, page):
    assert visit(page).violations == []


@every_page
def test_keyboard_stops_at_the_formulas_that_scroll(visit, page):
    assert visit(page).unreached == []


@every_chapter
def test_keyboard_is_soon_through_a_chapter(visit, page):
    formulas = [stop for stop in visit(page).stops if stop.startswith("formula")]
    assert len(visit(page).stops) < 320 and len(formulas) < 100


@every_chapter
def test_weight(visit, page):
    assert visit(page).weight < WEIGHT


# MathJax under every stored setting, and its explorer

# The menu's own choices, [[variable, [value, ...]], ...]: of a checkbox both, of a slider its ends.
CHOICES = """() => {
  const menu = MathJax.startup.document.menu, found = new Map();
  const note = (key, ...values) => found.set(key, [...new Set([...(found.get(key) ?? []), ...values])]);
  const walk = items => {
    for (const item of items) {
      if (item.submenu) walk(item.submenu.items);
      const values = /radio/.test(item.role) ? [item.id] : /checkbox/.test(item.role) ? [true, false] : ["0", "1"];
      if (item.variable) note(item.variable.name, ...values);
    }
  };
  walk(menu.menu.items);
  note("locale", ...MathJax._.a11y.sre.Sre.locales.keys());
  note("scale", "0.5", "1.5");
  return [[...found], Object.keys(menu.settings), [...menu.menu.pool.pool.keys?.() ?? Object.keys(menu.menu.pool.pool)]];
}"""
KEY = "MathJax-Menu-Settings"
STORE = f"""settings => settings === null ? localStorage.removeItem("{KEY}") : localStorage.setItem("{KEY}", settings)"""
READY = "() => window.MathJax?._?.ui?.menu.Menu.Menu.loading === 0 && document.querySelector('.explore-formulas')"
# The formulas of the page, those that are shown, and how: by which renderer, as something to explore, with words.
SHOWN = """() => {
  const all = [...document.querySelectorAll(".math")].map(node => node.querySelectorAll("mjx-container"));
  const one = all.filter(found => found.length === 1).map(([node]) => node);
  const shown = node => node.querySelector("mjx-math, svg > g")?.getBoundingClientRect().width > 0 || !node.checkVisibility();
  return {
    all: all.length,
    shown: one.filter(shown).length,
    svg: one.filter(node => node.getAttribute("jax") === "SVG").length,
    explored: one.filter(node => node.matches("[role=application][aria-label]") && node.tabIndex === 0).length,
  };
}"""


def formulas_on(page):
    return len(re.findall(r'class="math\b', (SITE / page).read_text(encoding="utf-8")))


@pytest.fixture(scope="module", params=["http", "file"])
def formulas(browser, request):
    """A tab on the page with the fewest formulas, served and from the disk, and a function that loads it under settings."""
    page = min(filter(formulas_on, PAGES), key=formulas_on)
    context = browser.new_context()
    tab = context.new_page()
    tab.set_default_timeout(60_000)

    def load(settings=None):
        tab.evaluate(STORE, settings)
        tab.reload()
        tab.wait_for_function(READY)
        return tab.evaluate(SHOWN)

    with served(SITE) as address:
        tab.goto((address if request.param == "http" else SITE.as_uri() + "/") + page)
        yield tab, load
    context.close()


def test_formulas_under_every_choice_of_the_menu(formulas):
    tab, load = formulas
    load('{"explorer": true}')
    choices, settings, variables = tab.evaluate(CHOICES)
    choices = dict(choices)
    assert set(choices) == set(settings) | set(variables), "a variable of the menu is not tried"
    assert len(choices["locale"]) == 12 and len(choices["speechRules"]) == 6 and choices["renderer"] == ["CHTML", "SVG"]
    alone = [{name: value} for name in ("explorer", "collapsible", "renderer", "assistiveMml") for value in choices.pop(name)]
    most = max(map(len, choices.values()))
    together = [{name: values[i % len(values)] for name, values in choices.items()} for i in range(most)]
    explored = [{**chosen, "explorer": True, "collapsible": i % 2 == 1} for i, chosen in enumerate(together)]
    drawn = [{"explorer": True, "collapsible": True, "renderer": "SVG"}]
    for chosen in alone + explored + drawn:
        seen = load(json.dumps(chosen))
        assert seen["all"] == seen["shown"] > 0, chosen
        assert seen["svg"] == (seen["all"] if chosen.get("renderer") == "SVG" else 0), chosen
        if len(chosen) == 1:
            assert seen["explored"] == (seen["all"] if chosen == {"explorer": True} else 0), chosen


@pytest.mark.parametrize(
    "settings",
    [
        "no JSON", "null", "[1]", '"CHTML"', '{"renderer": "NativeMML"}', '{"scale": "none"}', '{"scale": 0}',
        '{"explorer": true, "locale": "tlh"}', '{"explorer": true, "speechRules": "none"}',
        '{"enrich": true, "overflow": "Scroll"}',
    ],
)  # fmt: skip
def test_formulas_under_settings_that_another_site_left(formulas, settings):
    seen = formulas[1](settings)
    assert seen["all"] == seen["shown"] > 0


@pytest.mark.parametrize("settings", ['{"explorer": true}', '{"collapsible": true}', '{"renderer": "SVG"}'])
def test_formulas_where_a_part_of_mathjax_does_not_arrive(formulas, settings):
    tab, load = formulas
    for lost in ("**/a11y/*.js", "**/sre/*.js", "**/output/svg.js", "**/input/mml.js"):
        tab.route(lost, lambda route: route.abort())
        seen = load(settings)
        tab.unroute(lost)
        assert seen["all"] == seen["shown"] > 0, lost


def test_explorer_by_keyboard(formulas):
    tab, load = formulas
    assert load()["explored"] == 0
    button = tab.get_by_role("button", name="Explore formulas")
    assert button.get_attribute("aria-pressed") == "false"
    button.focus()
    tab.keyboard.press("Enter")
    tab.wait_for_function(f"() => {{ const seen = ({SHOWN})(); return seen.explored === seen.all; }}")
    assert button.get_attribute("aria-pressed") == "true"

    tab.reload()
    tab.wait_for_function(READY)
    seen = tab.evaluate(SHOWN)
    assert seen["explored"] == seen["all"] and button.get_attribute("aria-pressed") == "true"
    tab.evaluate(axe_source())
    assert tab.evaluate(AXE) == []
    button.focus()
    for _ in range(100):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.matches('mjx-container:has(mjx-mo)')"):  # which has parts to go to
            break
    spoken = []
    for key in ("Enter", "ArrowDown", "ArrowRight"):
        tab.keyboard.press(key)
        tab.wait_for_timeout(200)
        spoken.append(tab.evaluate("[...document.querySelectorAll('.MJX_LiveRegion')].map(node => node.textContent).join('')"))
    assert all(spoken) and len(set(spoken)) > 1, spoken
    tab.keyboard.press("Escape")

    button.focus()
    tab.keyboard.press("Enter")
    tab.wait_for_function("() => !document.querySelector('mjx-container[role=application]')")
    assert button.get_attribute("aria-pressed") == "false"
    tab.wait_for_timeout(500)
    assert tab.evaluate(UNREACHED) == []


# These tests can fail: one page with every fault, and each of them is seen

FAULTY = """<!doctype html><html lang="en" data-theme="light"><head><title>Faulty</title>
<style>body { background: url(https://style.example/a.png) } .wide { width: 900px; color: #999; background: #aaa }</style>
<script src="https://script.example/a.js"></script><script>undefinedFunction()</script>
<script>window.MathJax = {"options": {"processHtmlClass": "math", "ignoreHtmlClass": "document"}}</script>
<script src="_static/mathjax/tex-chtml.js"></script></head><body class="document"><main id="main-content"><h1>Faults</h1>
<a href="nowhere.html">lost</a> <a href="index.html#nowhere">lost</a> <a href="index.html#there" id="there">there</a>
<img src="a.svg"><img src="b.svg" alt=""><img src="c.svg" alt="d0763edaa9d9bd2a9516280e9044d885.svg">
<img src="d.svg" alt="a falling curve">
<span class="math">\\(\\frac{1}\\)</span> <span class="math">\\(\\nosuchcommand x\\)</span> <span class="math">x</span>
<span class="math">\\(fine\\)</span> <p>left \\(x\\) and $x$</p>
<div class="wide">wide</div> <div style="overflow: hidden"><div class="wide">cut off</div></div>
<p id="twice"></p><p id="twice"></p>
<div style="overflow: auto" tabindex="0"><div style="width: 900px">scrolls</div></div></main></body></html>
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    site = tmp_path_factory.mktemp("faulty")
    (site / "index.html").write_text(FAULTY, encoding="utf-8")
    (site / "d.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', encoding="utf-8")
    return site


def test_faults_in_html_are_seen(faulty):
    assert foreign_loads(faulty, "index.html") == ["https://script.example/a.js", "https://style.example/a.png"]
    lost = " ".join(lost_links(faulty, "index.html"))
    for fault in ("nowhere.html: no such file", "index.html#nowhere: no such anchor", "a.svg: no such file"):
        assert fault in lost
    assert repeated_ids(faulty, "index.html") == ["twice"]
    assert "#there" not in lost and "d.svg" not in lost
    assert [line.split(":")[0] for line in mute_images(faulty, "index.html")] == ["a.svg", "b.svg", "c.svg"]


def test_faults_in_the_browser_are_seen(browser, faulty):
    mathjax = SITE / "_static" / "mathjax"
    if not mathjax.is_dir():
        pytest.fail("run make book first")
    shutil.copytree(mathjax, faulty / "_static" / "mathjax", dirs_exist_ok=True)
    with served(faulty) as address:
        visitor = Visitor(browser, address)
        seen = visitor("index.html")
        visitor.context.close()
    for fault in ("another host: https://script.example", "another host: https://style.example", "404: "):
        assert any(line.startswith(fault) for line in seen.requests), fault
    assert any("undefinedFunction" in line for line in seen.errors)
    assert [line.split(":")[0] for line in seen.maths] == ["not rendered", "error", "unknown command", "left as text"]
    assert [line.split(":")[0][:18] for line in seen.wide] == ["the page", '<div class="wide">', '<div class="wide">']
    for rule in ("image-alt", "color-contrast", "colour scheme"):
        assert any(rule in line for line in seen.violations), rule
