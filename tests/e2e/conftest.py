"""Farms of real processes for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import EmbeddedFarm


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
