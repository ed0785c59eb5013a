"""Pytest plugin for page tests: headless Chromium. Pages must not load files or write to the console."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from charrnn.inspection.page import render

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")
    if not CHROMIUM:
        pytest.skip("no Chromium on the PATH: apt-get install chromium")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """show(data, width=..., scheme=...) opens the page of `data`; teardown checks that it stayed quiet."""
    heard, asked, pages = list[str](), list[str](), list[Any]()

    def opened(data: dict[str, Any], width: int = 1280, scheme: str = "light") -> Any:
        file = tmp_path / f"page{len(pages)}.html"
        file.write_text(render(data), encoding="utf-8")
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.set_default_timeout(10_000)
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        pages.append(page)
        return page

    yield opened
    files = [page.url for page in pages]
    for page in pages:
        page.close()
    assert heard == []
    assert asked == files, "a page asked for more than itself"
