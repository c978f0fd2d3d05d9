"""Read and write the ids that scripts use: job `250`, subjob `250.0`, work `250:NAME` or `250:25-29`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from qbcore.errors import BadId

LARGEST_ID = 2**63 - 1

_JOB = re.compile(r"\s*0*([0-9]{1,19})(?:\.0*([0-9]{1,19}))?\s*")
_WORK = re.compile(r"\s*0*([0-9]{1,19})\s*:(.+)", re.DOTALL)
_JOB_LIST = re.compile(r"[\s0-9.]+(?:,[\s0-9.]+)+")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # no database stores these in a text
_DEEPEST = 8

_JOB_HINT = "Write a job id such as 250, or a subjob id such as '250.0'."
_WORK_HINT = "Write 'job:name', such as '250:5' or '250:25-29'."


@dataclass(frozen=True, order=True)
class JobId:
    """A job: a number from 1 to 2**63 - 1."""

    job: int

    def __post_init__(self) -> None:
        _check_number(self.job, 1)

    def __str__(self) -> str:
        return str(self.job)


@dataclass(frozen=True, order=True)
class SubjobId:
    """A subjob of a job, counted from 0."""

    job: int
    sub: int

    def __post_init__(self) -> None:
        _check_number(self.job, 1)
        _check_number(self.sub, 0)

    def __str__(self) -> str:
        return f"{self.job}.{self.sub}"


@dataclass(frozen=True, order=True)
class WorkId:
    """Work of a job by name. The name is kept as written: only who knows the agenda can tell a name from a range."""

    job: int
    name: str

    def __post_init__(self) -> None:
        _check_number(self.job, 1, _WORK_HINT)
        if not self.name or _UNSTORABLE.search(self.name):
            raise BadId(f"{_shown(self.name)} cannot be the name of a work item", hint=_WORK_HINT)

    def __str__(self) -> str:
        return f"{self.job}:{self.name}"


def parse_job_or_subjob(x: object) -> JobId | SubjobId:
    """The id in an int, a text, a Job or a Subjob. Raises BadId."""
    if isinstance(x, (JobId, SubjobId)):
        return x
    if isinstance(x, Mapping):
        return _of_mapping(x)
    if isinstance(x, int) and not isinstance(x, bool):
        return JobId(x)
    found = _JOB.fullmatch(x) if isinstance(x, str) else None
    if not found:
        raise BadId(f"{_shown(x)} is not the id of a job or subjob", hint=_JOB_HINT)
    job, sub = found.groups()
    return JobId(int(job)) if sub is None else SubjobId(int(job), int(sub))


def parse_work(x: object) -> WorkId:
    """The id in a text 'job:name' or in a Work that knows its job (keys jobid, name). Raises BadId."""
    if isinstance(x, WorkId):
        return x
    if isinstance(x, Mapping):
        return _of_work(x)
    found = _WORK.fullmatch(x) if isinstance(x, str) else None
    if not found:
        raise BadId(f"{_shown(x)} is not the id of a work item", hint=_WORK_HINT)
    return WorkId(int(found[1]), found[2])


def parse_logged(x: object) -> JobId | SubjobId | WorkId:
    """The id of whatever has a log: a job, a subjob or a work item. Raises BadId."""
    is_work = isinstance(x, WorkId) or (isinstance(x, str) and ":" in x) or getattr(x, "KIND", "") == "work"
    return parse_work(x) if is_work else parse_job_or_subjob(x)


def flatten(ids: object) -> list[object]:
    """One flat list out of nested lists, comma lists of job ids, and single ids, in order.

    Nothing is parsed yet. A text with a colon is never split: a comma belongs to the name of the work.
    """
    flat: list[object] = []
    _flatten(ids, flat, 0)
    return flat


def _flatten(ids: object, flat: list[object], depth: int) -> None:
    if depth > _DEEPEST:
        raise BadId("the list of ids holds lists inside lists without end", hint="Give one flat list.")
    if isinstance(ids, str):
        flat.extend(ids.split(",") if _JOB_LIST.fullmatch(ids) else [ids])
    elif isinstance(ids, Iterable) and not isinstance(ids, (Mapping, bytes)):
        for inner in ids:
            _flatten(inner, flat, depth + 1)
    else:
        flat.append(ids)


def _of_mapping(row: Mapping[str, Any]) -> JobId | SubjobId:
    kind = getattr(row, "KIND", "")
    own = row.get("id")
    if kind not in ("", "job", "subjob") or isinstance(own, Mapping):
        raise BadId(f"a {kind or 'dict'} is neither a job nor a subjob", hint=_JOB_HINT)
    # A plain dict that names a parent but no prototype is a subjob; read as a job, its number would hit another's.
    is_subjob = kind == "subjob" or (not kind and "pid" in row and "prototype" not in row)
    if is_subjob and not (isinstance(own, str) and "." in own):
        return _subjob_of(row.get("pid"), own)
    return parse_job_or_subjob(own)


def _subjob_of(parent: object, own: object) -> SubjobId:
    found = parse_job_or_subjob(f"{parent}.{own}")
    if not isinstance(found, SubjobId):
        raise BadId(f"{_shown(own)} is not the id of a subjob", hint=_JOB_HINT)
    return found


def _of_work(row: Mapping[str, Any]) -> WorkId:
    kind = getattr(row, "KIND", "")
    job = row.get("jobid")
    name = row.get("name", row.get("agenda"))
    if kind not in ("", "work") or job is None or name is None:
        raise BadId(f"{_shown(row)} does not name a work item: it needs jobid and name", hint=_WORK_HINT)
    return parse_work(f"{job}:{name}")


def _check_number(number: int, least: int, hint: str = _JOB_HINT) -> None:
    if not least <= number <= LARGEST_ID:
        raise BadId(f"{_shown(number)} is not an id: ids are numbers from {least} to {LARGEST_ID}", hint=hint)


def _shown(x: object) -> str:
    """What was given, short enough for a sentence and safe for huge or self-referring values."""
    if isinstance(x, int) and abs(x) > LARGEST_ID:
        return "this number"
    if isinstance(x, (str, int, float)) or x is None:
        return repr(x[:60]) if isinstance(x, str) else repr(x)
    return f"a {type(x).__name__}"
