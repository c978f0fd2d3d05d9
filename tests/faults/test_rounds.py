"""A few rounds of random faults, always the same; `make soak` plays many new ones. What a round is: rounds.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.faults.rounds import Round
from tests.faults.stack import Stack
from tests.servers import Postgres, Redis

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
SEEDS = (7, 21, 42)


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
