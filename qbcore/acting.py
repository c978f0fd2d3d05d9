"""Who is asking. One contextvar, set by the page, the API, a bulk run or a command; the doors read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, or the farm itself. `job` binds an attempt's token to its own job; `run` names a bulk run.

    `scopes` are those of the token that came: they narrow what the role may do; none: all of it."""

    name: str
    role: str
    job: int | None = None
    attempt: int | None = None
    run: int | None = None
    why: str = ""
    scopes: frozenset[str] = frozenset()

    @property
    def machine(self) -> bool:
        """Acts without a person behind it."""
        return self.role == "farm"


FARM = Actor("farm", "farm")
_current: ContextVar[Actor] = ContextVar("actor", default=FARM)


def current() -> Actor:
    return _current.get()


@contextmanager
def acting_as(actor: Actor) -> Iterator[Actor]:
    token = _current.set(actor)
    try:
        yield actor
    finally:
        _current.reset(token)
