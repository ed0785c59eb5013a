"""python docs/pictures_page.py PAGE WHAT PICTURE [dark]: a page, colored by the best unit for WHAT.

`pngquant --ext .png --force PICTURE` then makes it small.
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

page, what, picture, scheme = [*sys.argv[1:], "light"][:4]
with sync_playwright() as running:
    browser = running.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    view = browser.new_page(viewport={"width": 1100, "height": 1260}, color_scheme=scheme)
    view.goto(Path(page).resolve().as_uri())
    view.locator("#text").evaluate("text => { text.style.maxHeight = '31rem'; }")
    view.locator("#ranking label", has_text=what).first.click()
    view.locator("#activation").wait_for()
    for key in ("PageDown", "PageDown", "PageDown", "End"):
        view.locator("#text").press(key)
    view.screenshot(path=picture)
    browser.close()
