"""python docs/pictures_page.py PAGE WHAT PICTURE [dark]: a page of explain, coloured by the best unit for WHAT."""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

page, what, picture, scheme = [*sys.argv[1:], "light"][:4]
with sync_playwright() as running:
    browser = running.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    view = browser.new_page(viewport={"width": 1060, "height": 1080}, color_scheme=scheme)
    view.goto(Path(page).resolve().as_uri())
    view.locator("#text").evaluate(
        "text => { text.style.maxHeight = '24rem'; }"
    )  # the plot is to be seen too
    view.locator("#ranking label", has_text=what).first.click()
    view.locator("#activation").wait_for()
    view.screenshot(path=picture)
    browser.close()
