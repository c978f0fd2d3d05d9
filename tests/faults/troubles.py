"""What is done to the stack in a round, drawn from a seed before it begins."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.e2e.programs import Program
from tests.faults.proxy import Weather
from tests.faults.stack import LEASE, WORKERS, Stack, revive

HOUR, DAY = 3600, 86400  # seconds


@dataclass(frozen=True)
class Trouble:
    """Something breaks at `at` and is mended after `lasts`, both in seconds of the round."""

    at: float
    lasts: float
    kind: str
    target: str

    def __str__(self) -> str:
        return f"{self.at:5.1f} {self.kind} {self.target} for {self.lasts:.1f}"


@dataclass(frozen=True)
class Kind:
    """How often it is drawn, to what it is done, for how long at most, and how."""

    weight: int
    targets: tuple[str, ...]
    longest: float
    begin: Callable[[Stack, str], None]
    end: Callable[[Stack, str], None]


def program(stack: Stack, name: str) -> Program:
    return next(one for one in stack.programs if one.name == name)


def kill(stack: Stack, name: str) -> None:
    one = program(stack, name)
    if one.alive:
        one.kill()


def freeze(stack: Stack, name: str) -> None:
    one = program(stack, name)
    if one.alive:
        one.signal(signal.SIGSTOP)


def wake(stack: Stack, name: str) -> None:
    revive(program(stack, name))


def weather(**how: float) -> Callable[[Stack, str], None]:
    def begin(stack: Stack, name: str) -> None:
        stack.proxies[name].weather = Weather(**how)  # type: ignore[arg-type]

    return begin


def cut(stack: Stack, name: str) -> None:
    stack.proxies[name].cut()


def fine(stack: Stack, name: str) -> None:
    stack.proxies[name].weather = Weather()


def stop_postgres(stack: Stack, _: str) -> None:
    """Without a checkpoint, as after a crash."""
    stack.postgres.stop(signal.SIGQUIT)


def start_postgres(stack: Stack, _: str) -> None:
    if stack.postgres.process is None:
        stack.postgres.start()


def stop_redis(stack: Stack, _: str) -> None:
    stack.redis.kill()


def start_redis(stack: Stack, _: str) -> None:
    if stack.redis.process is None:
        stack.redis.start()


def clock(ahead: int) -> Callable[[Stack, str], None]:
    return lambda stack, name: stack.set_clock(name, ahead)


def nothing(stack: Stack, _: str) -> None:
    """It passes by itself."""


def freeze_all(stack: Stack, names: str) -> None:
    for name in TOGETHER[names]:
        freeze(stack, name)


def wake_all(stack: Stack, names: str) -> None:
    for name in TOGETHER[names]:
        wake(stack, name)


RENDERS = tuple(f"render{number}" for number in range(WORKERS))
WEBS = ("web0", "web1")
SERVING = (*WEBS, "celery", "housekeeping", "housekeeping2")
TOGETHER = {"supervisor": SERVING, "webs": WEBS}
KINDS = {
    "kill": Kind(6, SERVING, 3.0, kill, wake),
    "kill-worker": Kind(5, RENDERS, LEASE * 1.5, kill, wake),
    "freeze": Kind(4, SERVING, 4.0, freeze, wake),
    "freeze-worker": Kind(4, RENDERS, LEASE * 1.5, freeze, wake),
    "cut": Kind(3, RENDERS, LEASE * 1.5, cut, fine),
    "slow": Kind(3, RENDERS, 6.0, weather(slow=0.5), fine),
    "lossy": Kind(4, RENDERS, 6.0, weather(lossy=0.4), fine),
    "echo": Kind(4, RENDERS, 6.0, weather(echo=0.5, slow=0.2), fine),
    "disk-full": Kind(3, RENDERS, 4.0, Stack.fill_disk, Stack.free_disk),
    "postgres": Kind(4, ("postgres",), 2.0, stop_postgres, start_postgres),
    "redis": Kind(3, ("redis",), 3.0, stop_redis, start_redis),
    "flushall": Kind(2, ("redis",), 0.1, lambda stack, _: stack.flush_redis(), nothing),
    "clock-ahead": Kind(1, RENDERS, 8.0, clock(HOUR), clock(0)),
    "clock-behind": Kind(1, RENDERS, 8.0, clock(-HOUR), clock(0)),
    "clock-days-ahead": Kind(1, RENDERS, 8.0, clock(3 * DAY), clock(0)),
    "clock-days-behind": Kind(1, RENDERS, 8.0, clock(-3 * DAY), clock(0)),
}
LONG = {
    "silence": Kind(0, ("supervisor",), LEASE * 3, freeze_all, wake_all),
    "deafness": Kind(0, ("webs",), LEASE * 3, freeze_all, wake_all),
}
"""All of the supervisor is away for three leases, or what hosts speak to: one round in eight each, as it takes long."""


def draw(rng: random.Random, seconds: float, count: int) -> list[Trouble]:
    """So many troubles in the order of their beginnings; no target has two at a time."""
    found: list[Trouble] = []
    for name, kind in LONG.items():
        if not found and rng.random() < 1 / 8:
            found.append(Trouble(rng.uniform(1, seconds / 2), kind.longest, name, kind.targets[0]))
    names = list(KINDS)
    for name in rng.choices(names, [KINDS[name].weight for name in names], k=count):
        kind = KINDS[name]
        lasts = rng.uniform(0.1, kind.longest) if rng.random() < 0.8 else kind.longest
        one = Trouble(rng.uniform(0.5, seconds), lasts, name, rng.choice(kind.targets))
        if not any(_clash(one, other) for other in found):
            found.append(one)
    return sorted(found, key=lambda one: one.at)


def _clash(one: Trouble, other: Trouble) -> bool:
    same = set(_parts(one.target)) & set(_parts(other.target))
    return bool(same) and one.at < other.at + other.lasts and other.at < one.at + one.lasts


def _parts(target: str) -> tuple[str, ...]:
    return TOGETHER.get(target, (target,))


def steps(troubles: list[Trouble]) -> Iterator[tuple[float, str, Callable[[Stack], None]]]:
    """Beginnings and ends: when, what to say, what to do."""
    for one in troubles:
        kind = (LONG | KINDS)[one.kind]
        yield one.at, f"{one.kind} {one.target}", _bound(kind.begin, one.target)
        yield one.at + one.lasts, f"{one.kind} {one.target} is over", _bound(kind.end, one.target)


def _bound(do: Callable[[Stack, str], None], target: str) -> Callable[[Stack], None]:
    return lambda stack: do(stack, target)
