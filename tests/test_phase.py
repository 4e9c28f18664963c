"""The interactive panel of the chapter on detours: its integrator against the package, its controls in the browser."""

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from chromium import ARGUMENTS, CHROMIUM, need_chromium, served

import lrnnbook as lb

ROOT = Path(__file__).resolve().parent.parent
MODULE = ROOT / "_static" / "phase.mjs"
PAGE = ROOT / "_build" / "html" / "chapters" / "12_detours.html"
NODE = shutil.which("node")
TARGET = lb.Mode(1.0, 1.0, 0.8)
TIMES = [0.0, 0.1, 0.5, 1.0, 2.5, 6.0]
STARTS = [(1.0, 1.0, 0.6), (-0.5, 1.5, -0.8), (2.0, -2.0, 0.9), (0.05, 0.0, 0.0), (-2.0, -1.0, 0.3)]
RULES = [("bptt()", lb.BPTT())] + [
    (f"rflo({r}, {decay})", lb.RFLO(r, decay)) for r, decay in ((1.0, 0.5), (-1.0, 0.5), (-1.0, 0.8), (2.0, -0.9), (-0.5, 0.0))
]
RUN = """const {phase} = globalThis, starts = %s, times = %s;
JSON.stringify([%s].map(velocity => starts.map(start => {
  const {states, exit} = phase.integrate(velocity, start, times);
  return {states, exit: Number.isFinite(exit) ? exit : null, losses: states.map(y => y && phase.loss(y))};
})))""" % (json.dumps(STARTS), json.dumps(TIMES), ", ".join(f"phase.{name}" for name, _ in RULES))


@pytest.mark.skipif(NODE is None, reason="no node found")
def test_integrator_equals_the_package():
    code = f"await import({json.dumps(MODULE.as_uri())});\n{RUN.replace('JSON.stringify', 'console.log(JSON.stringify', 1)})"
    answer = subprocess.run([NODE, "--input-type=module", "-e", code], capture_output=True, text=True, check=True, timeout=60)
    hold(json.loads(answer.stdout))


def hold(answers):
    start = lb.Mode(*np.transpose(STARTS))
    fallen = 0
    for (name, rule), runs in zip(RULES, answers):
        expected = lb.integrate(rule, start, TARGET, TIMES, rtol=1e-10, atol=1e-12)
        for i, run in enumerate(runs):
            exit_time = np.inf if run["exit"] is None else run["exit"]
            assert exit_time == pytest.approx(expected.exit_time[i], abs=1e-6), (name, STARTS[i])
            fallen += np.isfinite(exit_time)
            for j, (state, loss) in enumerate(zip(run["states"], run["losses"])):
                mode = [part[i, j] for part in expected[:3]]
                if state is None:
                    assert np.isnan(mode[2]), (name, STARTS[i], TIMES[j])
                    continue
                assert state == pytest.approx(mode, abs=1e-6), (name, STARTS[i], TIMES[j])
                assert loss == pytest.approx(lb.mode_loss(lb.Mode(*mode), TARGET), rel=1e-4, abs=1e-6)
    assert fallen > 3  # the comparison has seen the edge


def visit():
    """What the panel does on a laptop that moves, and on a phone that does not; and what its integrator finds."""
    from playwright.sync_api import sync_playwright

    seen = {"errors": []}
    with served(PAGE.parent.parent) as site, sync_playwright() as playwright:
        address = f"{site}chapters/{PAGE.name}"
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)

        def open_page(url, **options):
            tab = browser.new_page(**options)
            tab.on("pageerror", lambda error: seen["errors"].append(str(error)))
            tab.goto(url)
            tab.locator(".phase").scroll_into_view_if_needed()
            time = tab.locator(".phase input[name=time]")
            return tab, time, lambda: float(time.input_value()), tab.locator(".phase button").first, tab.locator(".phase .said")

        tab, time, now, play, said = open_page(address, reduced_motion="no-preference")
        seen["answers"] = json.loads(tab.evaluate(f"() => {{ {RUN.replace('JSON.stringify', 'return JSON.stringify', 1)} }}"))
        seen["at rest"] = now(), play.inner_text()
        play.focus()
        tab.keyboard.press("Enter")
        seen["playing"] = play.inner_text()
        tab.wait_for_function("Number(document.querySelector('.phase input[name=time]').value) > 0.2")
        tab.keyboard.press("Space")
        seen["paused"] = play.inner_text()
        before = now()
        tab.wait_for_timeout(150)
        seen["stays"] = now() == before > 0.2
        time.focus()
        tab.keyboard.press("End")
        seen["end"] = now(), said.inner_text()
        tab.locator(".phase input[name=r]").focus()
        tab.keyboard.press("End")
        seen["positive feedback"] = said.inner_text()
        tab.get_by_role("button", name="Reset").focus()
        tab.keyboard.press("Enter")
        seen["reset"] = now(), float(tab.locator(".phase input[name=r]").input_value())
        seen["names"] = tab.evaluate("[...document.querySelectorAll('.phase svg')].map(svg => svg.getAttribute('aria-label'))")
        tab.close()

        tab, _, now, play, _ = open_page(address, reduced_motion="reduce", viewport={"width": 390, "height": 844})
        seen["still"] = play.inner_text()
        play.click()
        moved = now()
        tab.wait_for_timeout(150)
        seen["one step"] = moved, now()
        box = tab.locator(".phase").bounding_box()
        seen["right edge"] = box["x"] + box["width"]
        tab.close()

        tab, _, now, play, _ = open_page(PAGE.as_uri(), reduced_motion="reduce")
        play.click()
        seen["from disk"] = now()
        browser.close()
    return seen


@pytest.fixture(scope="module")
def seen():
    need_chromium()
    if not PAGE.is_file():
        pytest.fail(f"no {PAGE}: run make book first")
    with ThreadPoolExecutor(1) as pool:  # a thread of its own: the other tests of the site hold a Playwright in this one
        return pool.submit(visit).result()


def test_browser_finds_what_the_package_finds(seen):
    hold(seen["answers"])


def test_plays_and_pauses_by_keyboard(seen):
    assert seen["errors"] == []
    assert seen["at rest"] == (0, "Play")
    assert (seen["playing"], seen["paused"], seen["stays"]) == ("Pause", "Play", True)


def test_sliders_answer_the_keyboard(seen):
    time, said = seen["end"]
    assert time == 6 and "BPTT (solid) is at (1.00, 1.00, 0.80)" in said and "RFLO (dashed) is at (−0.50, −1.98, 0.80)" in said
    assert "RFLO (dashed) is at (0.9" in seen["positive feedback"] or "RFLO (dashed) is at (1.0" in seen["positive feedback"]
    assert seen["reset"] == (0, -1)
    assert len(seen["names"]) == 2 and all(seen["names"])


def test_does_not_move_for_readers_who_ask_for_that(seen):
    assert seen["still"] == "Step forward"
    first, later = seen["one step"]
    assert first == later == 0.25


def test_fits_a_phone(seen):
    assert seen["right edge"] <= 390


def test_works_from_disk(seen):
    assert seen["from disk"] == 0.25
