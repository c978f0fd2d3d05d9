"""The files of a frame as pages show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qbcore.acting import current
from qbcore.errors import NotFound
from qbcore.models import WorkRow
from qbcore.permissions import may
from qbcore.renderlines import MOST_PATHS, PATHS


@dataclass(frozen=True, slots=True)
class OutputLine:
    """One file: size in bytes and time of its last change (seconds since 1970), None where nobody looked."""

    path: str
    size: int | None = None
    modified: int | None = None
    missing: bool = False


def outputs(job: int, pos: int) -> list[OutputLine]:
    """What the last report of the frame said of its files. Raises NotFound."""
    if not may(current(), "see", job=job):
        raise NotFound(f"There is no job {job} on this farm.")
    row = WorkRow.objects.filter(job_id=job, pos=pos).only("job_id", "pos", "result").first()
    return read(row.result) if row else []


def read(result: Any) -> list[OutputLine]:
    """The files in a resultpackage: as a worker wrote them, or as the program of a custom type named them."""
    if not isinstance(result, Mapping):
        return []
    facts = result.get("outputs")
    found = [line for one in facts if (line := _line(one))] if isinstance(facts, list) else []
    known = {line.path for line in found}
    given = result.get(PATHS) or ()
    names = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else ()
    paths = [one.strip() for one in names if isinstance(one, str) and one.strip()]
    return [*found, *(OutputLine(path) for path in dict.fromkeys(paths) if path not in known)][:MOST_PATHS]


def _line(fact: Any) -> OutputLine | None:
    if not isinstance(fact, Mapping) or not isinstance(fact.get("path"), str):
        return None
    size, modified = fact.get("size"), fact.get("modified")
    return OutputLine(
        fact["path"],
        size if isinstance(size, int) else None,
        modified if isinstance(modified, int) else None,
        bool(fact.get("missing")),
    )
