"""A page with the engine, the kit and the panels, and no site around them, for the tests that compare them with the package."""

import json
from pathlib import Path

import numpy as np
from chromium import ARGUMENTS, CHROMIUM

LAB = Path(__file__).resolve().parent.parent / "lab"
PANELS = sorted(path.stem for path in (LAB / "panels").glob("*.js"))


def plain(value):
    """What JSON can hold of arrays and numbers."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def asked(questions):
    """The answers of the browser to many questions, each a pair: a function of JavaScript, and its one argument."""
    from playwright.sync_api import sync_playwright

    scripts = [LAB / "engine.js", LAB / "kit.js", *(LAB / "panels" / f"{name}.js" for name in PANELS)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        tab = browser.new_page()
        for script in scripts:
            tab.add_script_tag(path=script)
        ask = "given => JSON.stringify((CODE)(given))"
        answers = [json.loads(tab.evaluate(ask.replace("CODE", code), plain(given))) for code, given in questions]
        browser.close()
    return answers
