"""Fixtures of the tests that look at pages in a browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.stage import Stage, Visitor, a_browser, a_stage, what_is_missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HERE = Path(__file__).parent
TIMEOUT = 240
"""Seconds for a test: a browser starts slowly where many do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(TIMEOUT))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium. Where something is missing the test is skipped, or fails if PLEXSYNC_BROWSER is "required"."""
    missing = what_is_missing()
    if missing is not None and os.environ.get("PLEXSYNC_BROWSER") == "required":
        pytest.fail(missing, pytrace=False)
    if missing is not None:
        pytest.skip(missing)
    with a_browser() as started:
        yield started


@pytest.fixture
def site(browser: Browser, tmp_path: Path) -> Iterator[Stage]:
    """Both servers; Stash has pages, and runs the plugin itself. The library is empty."""
    with a_stage(tmp_path) as stage:
        yield stage


@pytest.fixture(name="open")
def visitor(browser: Browser, site: Stage) -> Iterator[Visitor]:
    """`open(path)` gives a page. The test fails on an error in it that the test did not expect."""
    opener = Visitor(browser, site)
    try:
        yield opener
    finally:
        opener.close()
    assert opener.problems == []
