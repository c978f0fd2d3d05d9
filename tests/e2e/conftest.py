"""Farms of real processes for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.farms import Farm
from tests.e2e.processes import EmbeddedFarm
from tests.e2e.screens import FLAGS, Screen


@pytest.fixture
def make_farm(tmp_path: Path) -> Iterator[Callable[..., EmbeddedFarm]]:
    """Makes embedded farms, not yet started; all are ended with the test."""
    made: list[EmbeddedFarm] = []

    def make(**env: str) -> EmbeddedFarm:
        made.append(EmbeddedFarm(tmp_path / f"farm{len(made)}", **env))
        return made[-1]

    yield make
    for farm in made:
        farm.stop()


@pytest.fixture
def farm(make_farm: Callable[..., EmbeddedFarm]) -> EmbeddedFarm:
    """An embedded farm that is ready."""
    one = make_farm()
    one.start()
    return one


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedFarm]:
    """A farm that the tests of one file share, since none of them ends it."""
    one = EmbeddedFarm(tmp_path_factory.mktemp("calm"))
    try:
        one.start()
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """Debian's Chromium without a window. Not for the session: Playwright's event loop would be in others' way."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def screen_on(browser: Browser) -> Iterator[Callable[..., Screen]]:
    """Opens signed-in windows; at the end no browser may have complained."""
    made: list[Screen] = []

    def make(farm: Farm, **options: Any) -> Screen:
        made.append(Screen(browser, farm, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
    assert [problem for one in made for problem in one.problems] == []
