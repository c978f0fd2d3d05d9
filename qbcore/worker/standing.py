"""What this worker tells of its host: measured once, and what its configuration file says, which may be read again."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qbcore.remote.address import Address
from qbcore.worker import config
from qbcore.worker.facts import facts
from qbcore.worker.state import Stopped

log = logging.getLogger(__name__)


class Standing:
    """Raises Stopped when the configuration file cannot be used."""

    def __init__(self, address: Address, slots: int, jobtypes: Iterable[str], file: Path | None) -> None:
        self._measured = facts(address, slots, jobtypes)
        self._file = file
        self._said = config.read(file) if file else {}

    @property
    def rereads(self) -> bool:
        """Whether there is a file to read again."""
        return self._file is not None

    def facts(self) -> dict[str, Any]:
        """The facts of a hello: docs/worker.md."""
        return {**self._measured, **self._said}

    def read_again(self) -> dict[str, Any] | None:
        """The facts if the file says something else now; a file that cannot be used is told in the log and not used."""
        if self._file is None:
            return None
        try:
            said = config.read(self._file)
        except Stopped as wrong:
            log.error("what %s said before still holds: %s", self._file, wrong)
            return None
        changed, self._said = said != self._said, said
        log.info("%s was read again%s", self._file, "" if changed else ", nothing has changed")
        return self.facts() if changed else None
