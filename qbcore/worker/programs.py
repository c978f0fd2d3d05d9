"""Programs of custom job types: which files their items wrote, which the supervisor tells since they told it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qbcore.worker.accounts import Account
from qbcore.worker.outputs import Outputs

KNOWN = 64
"""Items that are remembered: more than the supervisor tells at once."""


@dataclass
class Program:
    """One that was started: by its attempt, in which folder, and as whom if not as the worker.

    `told`: the last of its items whose files are known here; `known`: all of those that may be told again.
    """

    attempt: int
    cwd: str
    account: Account | None
    outputs: Outputs
    told: int = 0
    known: deque[int] = field(default_factory=lambda: deque(maxlen=KNOWN))

    def take(self, items: Mapping[str, Any]) -> None:
        """Files by item, in the order in which they came; relative ones lie in the program's folder."""
        for item, paths in ((int(name), paths) for name, paths in items.items()):
            if item not in self.known:
                self.told = item
                self.known.append(item)
                self.outputs.show(item, [str(path) for path in paths], self.account, self.cwd)


def shown(programs: Iterable[Program | None]) -> dict[str, int]:
    """The request's part: of which program's items it asks for files, and from which item on."""
    return {str(one.attempt): one.told for one in programs if one and one.outputs.shows}


def take(programs: Iterable[Program | None], answer: Mapping[str, Any]) -> None:
    """What the supervisor says that their items wrote."""
    told = answer.get("wrote") or {}
    for one in programs if told else ():
        if one and (items := told.get(str(one.attempt))):
            one.take(items)
