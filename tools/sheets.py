"""What is handed out on paper: problem sheets without and with solutions, and the formula sheet.

They are pages like the slides, made of pieces of the book, and PDF where there is a Chromium to print them.
"""

import contextlib
import html
import os
import re
import shutil
from pathlib import Path

import yaml
from sealed import ROOT
from slides import SOURCES

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND"]
FOOT = (
    '<div style="width: 100%; font: 8px sans-serif; color: #555; padding: 0 18mm; display: flex; justify-content: space-between">'
    '<span class="title"></span><span><span class="pageNumber"></span> / <span class="totalPages"></span></span></div>'
)


def courses():
    """The courses, as `course/courses.yml` describes them."""
    return yaml.safe_load((ROOT / "course" / "courses.yml").read_text(encoding="utf-8"))


def problem_sheets(material):
    """Two pages a lecture: the exercises that it assigns, and the same with solutions."""
    made = []
    for number, session in enumerate(courses()["lectures"]["sessions"], 1):
        title = f"Problem sheet {number}: {session['title']}"
        for name, solved in ((f"sheet_{number}", False), (f"sheet_{number}_solutions", True)):
            parts = [f"<h1>{html.escape(title)}{', with solutions' if solved else ''}</h1>"]
            parts.append(f'<p class="about">{about(material.book, session)}</p>')
            for label in session["assigns"]:
                parts.append(material.taken(label))
                if solved:
                    parts.append(material.with_pictures(material.book.solution(label)))
            made.append(material.page(name, title, f"<main>{''.join(parts)}</main>", ["sheet.css"]))
    return made


def about(book, session):
    titles = [f"{number}, {html.escape(book.chapter_title(number))}" for number in session["chapters"]]
    return f"Numbers are those of the book. Chapters {'; '.join(titles)}."


def formula_sheet(material):
    text = (SOURCES / "formulas.md").read_text(encoding="utf-8")
    title = re.match(r"# (.+)", text)[1]
    return material.page("formulas", title, f'<main class="formulas">{material.rendered(text)}</main>', ["sheet.css"])


def chromium():
    return next(filter(None, [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES)]), None)


@contextlib.contextmanager
def printer():
    """What prints a page into a PDF beside it; None where there is no Chromium."""
    path = chromium()
    if path is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield lambda page: printed(browser, Path(page))
        browser.close()


def printed(browser, path):
    tab = browser.new_page()
    tab.goto(path.resolve().as_uri())
    tab.wait_for_selector("html.ready", timeout=60000)
    target = path.with_suffix(".pdf")
    tab.pdf(
        path=target,
        prefer_css_page_size=True,
        print_background=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOT,
        tagged=True,
    )
    tab.close()
    return target
