"""One browser's page as the hub knows it: what it shows, and what it has not been sent yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from farm.feeds import FEEDS
from qbcore.acting import Actor
from qbcore.errors import Invalid

Patch = dict[str, Any]
Message = dict[str, Any]
New = dict[str, int]
MOST_KEYS = 5000
MOST_WAITING = 64
LONGEST_KEY = 40
LISTS = frozenset({"job", "run", "host"})


@dataclass(frozen=True, slots=True)
class Watch:
    """What a page says that it shows: per kind its rows with the version it has of each, and the grid of one job.

    `newest` names, for a list, the largest id that existed when it was painted.
    """

    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    work: int = 0
    work_version: str = ""
    newest: Mapping[str, int] = field(default_factory=dict)


def read(told: Any) -> Watch:
    """A page's message as a Watch. Kinds take one id, a list of ids, or ids with versions. Raises Invalid."""
    if not isinstance(told, dict):
        raise Invalid("watch is an object of kinds", field="watch")
    rows = {kind: _keys(kind, told[kind]) for kind in FEEDS if kind in told}
    if sum(map(len, rows.values())) > MOST_KEYS:
        raise Invalid(f"a page watches at most {MOST_KEYS:,} rows", field="watch")
    work = told.get("work") or {}
    work = work if isinstance(work, dict) else {"id": work}
    newest = told.get("newest") or {}
    if not isinstance(newest, dict) or not all(isinstance(number, int) for number in newest.values()):
        raise Invalid("newest is an object of numbers", field="newest")
    return Watch(
        rows=rows,
        work=_number(work.get("id", 0), "work"),
        work_version=str(work.get("v", ""))[:LONGEST_KEY],
        newest={kind: number for kind, number in newest.items() if kind in LISTS},
    )


def _number(told: Any, name: str) -> int:
    if isinstance(told, bool) or not isinstance(told, int) or told < 0:
        raise Invalid(f"{told!r} is no id", field=name)
    return told


def _keys(kind: str, told: Any) -> dict[str, str]:
    found = told if isinstance(told, dict) else dict.fromkeys(told if isinstance(told, list) else [told], "")
    return {_key(kind, key): str(version)[:LONGEST_KEY] for key, version in found.items()}


def _key(kind: str, told: Any) -> str:
    key = str(told)
    if len(key) > LONGEST_KEY or not all(part.isdecimal() for part in key.split(".", 1)):
        raise Invalid(f"{told!r} is no id", field=kind)
    return key


@dataclass(eq=False, slots=True)
class Screen:
    """`waiting` holds, per row, the version that the page says it has, until it was compared.

    `wake` says that there is something to send, `close` ends the connection with a code. Only the loop touches it.
    """

    actor: Actor
    session: str
    wake: Callable[[], None]
    close: Callable[[int], None]
    watch: Watch = field(default_factory=Watch)
    waiting: dict[tuple[str, str], str] = field(default_factory=dict)
    work_waiting: str | None = None
    told_new: dict[str, int] = field(default_factory=dict)
    outbox: list[Message] = field(default_factory=list)
    seq: int = 0

    def put(self, patches: list[Patch], *, at: float, new: Mapping[str, New] | None = None) -> None:
        """Queues a message. A page that does not keep up loses all of them and is told to fetch again."""
        self.seq += 1
        message: Message = {"seq": self.seq, "at": round(at, 3), "patches": patches}
        if new:
            message["new"] = dict(new)
        if len(self.outbox) >= MOST_WAITING:
            self.outbox = [{"seq": self.seq, "at": round(at, 3), "refetch": True}]
        else:
            self.outbox.append(message)
        self.wake()

    def take(self) -> list[Message]:
        taken, self.outbox = self.outbox, []
        return taken
