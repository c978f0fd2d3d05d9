"""Programs of custom job types: which files their items wrote, which the supervisor tells since they told it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from qbcore.worker.accounts import Account
from qbcore.worker.outputs import Outputs


@dataclass
class Program:
    """One that was started: by its attempt, in which folder, and as whom if not as the worker.

    `told`: the last of its items whose files are known here.
    """

    attempt: int
    cwd: str
    account: Account | None
    outputs: Outputs
    told: int = 0

    def take(self, items: Mapping[str, Any]) -> None:
        """Files by item; relative ones lie in the program's folder."""
        for item in sorted(map(int, items)):
            if item > self.told:
                self.told = item
                self.outputs.show(item, [str(path) for path in items[str(item)]], self.account, self.cwd)


def shown(programs: Iterable[Program | None]) -> dict[str, int]:
    """The request's part: of which program's items it asks for files, and from which item on."""
    return {str(one.attempt): one.told for one in programs if one and one.outputs.shows}


def take(programs: Iterable[Program | None], answer: Mapping[str, Any]) -> None:
    """What the supervisor says that their items wrote."""
    told = answer.get("wrote") or {}
    for one in programs if told else ():
        if one and (items := told.get(str(one.attempt))):
            one.take(items)
