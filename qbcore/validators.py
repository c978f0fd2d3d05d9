"""Is this job well-formed? Asked by scripts before they submit or store one; answers yes or no, changes nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from qbcore.constants import STATUS_NUMBERS

_INTS = (
    "id", "pid", "pgrp", "priority", "cpus", "max_cpus", "todo", "localorder", "globalorder", "timesubmit",
    "timestart", "timecomplete", "lastupdate", "timeout", "timelimit", "agenda_timeout", "agendatimeout",
    "agenda_timelimit", "retrywork", "retrysubjob", "retrywork_delay",
)  # fmt: skip
_TEXTS = (
    "label", "user", "domain", "account", "kind", "notes", "cluster", "restrictions", "requirements", "reservations",
    "hosts", "omithosts", "groups", "omitgroups", "hostorder", "reason", "flagsstring", "cwd", "mailaddress",
    "dependency", "p_agenda", "prod_show", "prod_shot", "prod_seq", "prod_client", "prod_dept", "prod_custom1",
    "prod_custom2", "prod_custom3", "prod_custom4", "prod_custom5",
)  # fmt: skip
_ITEM_INTS = ("count", "retry", "timestart", "timecomplete", "lastupdate")

_Check = Callable[[Any], bool]


class JobTallyValidator(dict[str, Any]):
    """A job's todotally or cpustally, which counts subjobs or work by status."""

    @staticmethod
    def validate(tally_dict: Any) -> bool:
        """Whether this is a dict of which every count is an integer from 0."""
        return isinstance(tally_dict, Mapping) and all(
            isinstance(status, str) and _is_int(count) and count >= 0 for status, count in tally_dict.items()
        )


class JobValidator:
    """A job as a script builds it or as jobinfo gives it: only the prototype must be there, the rest must fit."""

    @staticmethod
    def validate(
        job: Any,
        agenda: bool = False,  # noqa: FBT001, FBT002 -- the API's own signature
        subjobs: bool = False,  # noqa: FBT001, FBT002
        verbose: bool = False,  # noqa: FBT001, FBT002
    ) -> bool:
        """Whether the job is well-formed; looks no further than the first invalid field and, if verbose, names it."""
        wrong = next(_invalid(job, with_agenda=agenda, with_subjobs=subjobs), None)
        if verbose and wrong is not None:
            sys.stdout.write(f"{wrong}\n")
        return wrong is None


def _invalid(job: Any, *, with_agenda: bool, with_subjobs: bool) -> Iterator[str]:
    """The names of invalid fields, found one at a time."""
    if not isinstance(job, Mapping):
        yield "job"
        return
    if not (isinstance(job.get("prototype"), str) and job["prototype"].strip()):
        yield "prototype"
    yield from _misfits(job, _JOB_FIELDS)
    if with_agenda:
        yield from _invalid_items(job, "agenda", _WORK_FIELDS)
    if with_subjobs:
        yield from _invalid_items(job, "subjobs", _SUBJOB_FIELDS)


def _invalid_items(job: Mapping[str, Any], key: str, fields: Mapping[str, _Check]) -> Iterator[str]:
    items = job.get(key)
    if not isinstance(items, (list, tuple)):
        yield key
        return
    for position, item in enumerate(items):
        if not isinstance(item, Mapping):
            yield f"{key}[{position}]"
        elif key == "agenda" and "name" not in item:
            yield f"{key}[{position}].name"
        else:
            yield from (f"{key}[{position}].{name}" for name in _misfits(item, fields))


def _misfits(thing: Mapping[str, Any], fields: Mapping[str, _Check]) -> Iterator[str]:
    return (name for name, fits in fields.items() if name in thing and not fits(thing[name]))


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    """An int, or one that arrived as text."""
    if not isinstance(value, str):
        return _is_int(value)
    digits = value.strip().lstrip("-")
    return digits.isascii() and digits.isdigit()


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_name(value: Any) -> bool:
    return _is_int(value) or isinstance(value, (str, float))


def _is_dict(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_status(value: Any) -> bool:
    return isinstance(value, str) and value in STATUS_NUMBERS


def _is_flags(value: Any) -> bool:
    return _is_int(value) or isinstance(value, str)


_JOB_FIELDS: dict[str, _Check] = {
    "name": _is_name,
    "status": _is_status,
    "flags": _is_flags,
    **dict.fromkeys(_INTS, _is_number),
    **dict.fromkeys(_TEXTS, _is_text),
    **dict.fromkeys(("package", "env"), _is_dict),
    **dict.fromkeys(("cpustally", "todotally"), JobTallyValidator.validate),
    **dict.fromkeys(("agenda", "subjobs", "callbacks"), _is_list),
}
_WORK_FIELDS: dict[str, _Check] = {
    "name": _is_name,
    "status": _is_status,
    "package": _is_dict,
    **dict.fromkeys(("id", *_ITEM_INTS), _is_number),
}
_SUBJOB_FIELDS: dict[str, _Check] = {
    "id": _is_name,
    "status": _is_status,
    **dict.fromkeys(("pid", *_ITEM_INTS), _is_number),
}
