"""A few rounds of random faults, always the same; `make soak` plays many new ones. What a round is: rounds.py."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

import pytest

from tests.faults import troubles
from tests.faults.rounds import SECONDS, TROUBLES, Round
from tests.faults.stack import Stack
from tests.servers import Postgres, Redis

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
SEEDS = (324, 395, 651)  # chosen so that every kind of trouble comes


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres, redis_server: Redis) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("faults") / "farm", postgres_server, redis_server, SEEDS[0])
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_whatever_dies(stack: Stack, seed: int) -> None:
    Round(stack, seed, lambda line: print(line, file=sys.stderr)).play()  # noqa: T201


def test_these_rounds_know_every_trouble() -> None:
    drawn = [one.kind for seed in SEEDS for one in troubles.draw(random.Random(seed), SECONDS, TROUBLES)]
    assert set(drawn) == {*troubles.KINDS, *troubles.LONG}
