"""`python -m tests.faults --rounds 200`: rounds of random faults on the production stack, one seed after the other."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from pathlib import Path

from tests import servers
from tests.faults.rounds import Round
from tests.faults.stack import Stack


def main(arguments: list[str]) -> int:
    """Plays the rounds; 1 when something was lost in one of them. The seeds of those are told at the end."""
    parser = argparse.ArgumentParser("python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of the first round")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--keep-going", action="store_true", help="go on after a round that failed")
    parser.add_argument("--per-stack", type=int, default=25, help="rounds before the stack is made anew")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, servers.end)  # what was started and mounted is put away then, too
    seeds = list(range(options.seed, options.seed + options.rounds))
    failed: list[int] = []
    while seeds and (options.keep_going or not failed):
        some, seeds = seeds[: options.per_stack], seeds[options.per_stack :]
        failed += play(some, keep_going=options.keep_going)
    say(f"{options.rounds} rounds from seed {options.seed}; failed: {failed or 'none'}")
    return 1 if failed else 0


def play(seeds: list[int], *, keep_going: bool) -> list[int]:
    """The rounds of these seeds; those that failed. A failed one ends its stack: it may be in a bad way."""
    failed: list[int] = []
    while seeds and (keep_going or not failed):
        with servers.postgres() as postgres, servers.redis() as redis, servers.folder("qbfarm-faults-") as folder:
            bad = _some(Path(folder), postgres, redis, seeds)
        if bad is None:
            break
        failed.append(bad)
        seeds = seeds[seeds.index(bad) + 1 :]
    return failed


def _some(folder: Path, postgres: servers.Postgres, redis: servers.Redis, seeds: list[int]) -> int | None:
    """Rounds until one fails; its seed."""
    stack = Stack(folder / "farm", postgres, redis, seeds[0])
    try:
        stack.start()
        for seed in seeds:
            began = time.monotonic()
            try:
                Round(stack, seed, say).play()
            except AssertionError as lost:
                say(f"FAILED {lost}")
                return seed
            say(f"seed {seed} took {time.monotonic() - began:.1f} s")
    finally:
        stack.stop()
    return None


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
