"""Draw the stills of the panels, `lab/stills/NAME.png`: what print and a page without scripts show in their place.

All of them, or those named: python tools/stills.py waiting flow. It needs Chromium, as the tests of the site do.
"""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
LAB = ROOT / "lab"
sys.path.insert(0, str(ROOT / "tests"))
from chromium import ARGUMENTS, CHROMIUM  # noqa: E402

# The theme's colours, of which the kit takes a few.
PAGE = """<!doctype html><html data-theme="light"><style>
:root { --pst-color-text-base: #222; --pst-color-background: white; --pst-color-border: #ccc; }
body { width: 660px; margin: 0; font: 16px sans-serif; } .drawn { padding: 4px; background: white; }
.panel { border: 0 !important; padding: 0 !important; margin: 0 !important; }
.panel-live > :is(.said, .controls, .buttons, .numbers, .heard) { display: none !important; }
</style><div class="drawn"><div class="panel" data-panel="NAME"></div></div></html>"""


def drawn(browser, name):
    """The panel as it starts, as the bytes of a PNG of at most 256 colours."""
    tab = browser.new_page(device_scale_factor=2, reduced_motion="reduce", color_scheme="light")
    tab.set_content(PAGE.replace("NAME", name))
    tab.add_style_tag(path=LAB / "kit.css")
    for script in ("engine", "kit", f"panels/{name}"):
        tab.add_script_tag(path=LAB / f"{script}.js")
    tab.wait_for_selector(".is-live")
    tab.evaluate("document.querySelector('.panel').panel.set(lab.panels[NAME].still ?? {})".replace("NAME", repr(name)))
    tab.wait_for_timeout(1500)
    picture = Image.open(io.BytesIO(tab.locator(".drawn").screenshot()))
    tab.close()
    made = io.BytesIO()
    picture.convert("RGB").quantize(256).save(made, "PNG", optimize=True)
    return made.getvalue()


def main(names):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for name in names or sorted(path.stem for path in (LAB / "panels").glob("*.js")):
            (LAB / "stills" / f"{name}.png").write_bytes(drawn(browser, name))
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
