"""Everything that a course needs, in `_build/course/`, from the built book and the small sources in `course/`.

`make course` writes slides, problem sheets, a formula sheet, notebooks for students and instructors, graded assignments, all
figures, and the site without solutions. `python tools/course.py slides sheets` makes those parts alone.
"""

import argparse
import csv
import shutil
import sys

import editions
import graded
import student
from extracts import Book, Missing
from sealed import ROOT, seal
from sheets import chromium, courses, formula_sheet, printer, problem_sheets
from slides import SOURCES, Material

COURSE = ROOT / "_build" / "course"
LICENCE = "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/, the lrnnbook authors"
README = """# The figures of the book

{count} figures, named by chapter and label. `figures.csv` holds their captions, with formulas as TeX, and alternative texts.

Licence: {licence}.
"""
PARTS = ("slides", "sheets", "notebooks", "graded", "figures", "site")


def slides(material):
    made = [material.lecture(path) for path in sorted(SOURCES.glob("lecture_*.md"))]
    return f"{len(made)} lectures"


def sheets(material):
    pages = [*problem_sheets(material), formula_sheet(material)]
    with printer() as print_page:
        if print_page is None:
            return f"{len(pages)} pages; no Chromium to print them, so no PDF"
        for page in pages:
            print_page(page)
    return f"{len(pages)} pages, each as PDF too"


def notebooks(material):
    folder = COURSE / "notebooks"
    shutil.rmtree(folder, ignore_errors=True)
    count = editions.write(material.book.site, folder, graded.exercises(), material.book.questions)
    return f"{count} chapters, for students and for instructors" if count else "left out: the book has no stand-alone notebooks"


def assignments():
    """The assignments: `{name: (title, exercises)}`, one a lecture and one of what the lectures leave out."""
    every, known = {exercise.chapter: exercise for exercise in graded.exercises()}, courses()
    planned = {
        session["slides"]: (session["title"], [every[number] for number in session["graded"]])
        for session in known["lectures"]["sessions"]
    }
    further = known["further"]
    return planned | {"further": (further["title"], [every[number] for number in further["graded"]])}


def assigned(material):
    if not graded.OTTER.is_file():
        return f"left out: there is no {graded.OTTER.relative_to(ROOT)}; make course makes it"
    folder = COURSE / "graded"
    shutil.rmtree(folder, ignore_errors=True)
    for name, (title, parts) in assignments().items():
        graded.assign(name, title, parts, folder)
    return f"{len(assignments())} assignments"


def figures(material):
    """All figures of the book under readable names, as they are and as PNG, with a list of captions."""
    folder = COURSE / "figures"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    every = material.book.figures
    for figure in every:
        shutil.copyfile(figure.path, folder / f"{figure.name}{figure.path.suffix}")
    with (folder / "figures.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "number", "label", "chapter", "caption", "alternative text", "licence"])
        for figure in every:
            rows.writerow([figure.name, figure.number, figure.label, figure.chapter, figure.caption, figure.alt, LICENCE])
    (folder / "README.md").write_text(README.format(count=len(every), licence=LICENCE), encoding="utf-8")
    return f"{len(every)} figures, {rasterise(folder)} of them drawn as PNG"


def rasterise(folder):
    """PNG at twice the size of each SVG, where there is a Chromium to draw them."""
    path, drawn = chromium(), 0
    if path is None:
        return drawn
    from playwright.sync_api import sync_playwright
    from sheets import ARGUMENTS

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        tab = browser.new_page(device_scale_factor=2)
        for source in sorted(folder.glob("*.svg")):
            picture = source.read_text(encoding="utf-8")
            tab.set_content(f"<style>body {{ margin: 0; background: #fff }} svg {{ display: block }}</style>{picture}")
            tab.locator("svg").first.screenshot(path=source.with_suffix(".png"))
            drawn += 1
        browser.close()
    return drawn


def site(material):
    student.main()
    return "the book without solutions"


MAKERS = dict(zip(PARTS, (slides, sheets, notebooks, assigned, figures, site)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all unless named")
    parts = parser.parse_args().parts or PARTS
    seal()
    COURSE.mkdir(parents=True, exist_ok=True)
    try:
        material = Material(Book(), COURSE)
        material.share()
        for part in parts:
            print(f"{part}: {MAKERS[part](material)}", flush=True)
    except Missing as missing:
        sys.exit(f"The course does not stand: {missing}")


if __name__ == "__main__":
    main()
