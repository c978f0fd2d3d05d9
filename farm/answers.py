"""What the API answers, as JSON Schema: the result of each function by the surface's hints, and what can go wrong."""

from __future__ import annotations

import inspect
from typing import Any

from farm.kinds import NAMED, NULL, Schema, any_of, ref
from qbcore import constants, jobspec, submission, surface
from qbcore.commands import PROTOTYPES

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
THING: Schema = {"type": "object"}
STATUS: Schema = {"enum": sorted(constants.STATUS_NUMBERS)}
_COUNTS: Schema = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}


def rows(name: str) -> Schema:
    return {"type": "array", "items": ref(name)}


def record(fields: dict[str, Schema]) -> Schema:
    """An object with these fields and maybe others."""
    return {"type": "object", "required": sorted(fields), "properties": fields}


def fields_of(schema: Schema, *names: str) -> dict[str, Schema]:
    return dict.fromkeys(names, schema)


TEXTUAL: Schema = any_of({"type": ["string", "number"]}, {"type": "array", "items": {"type": ["string", "number"]}})
COUNTED: Schema = any_of(WHOLE, {"type": "string", "pattern": "[0-9]"})
_FIELDS: dict[str, Schema] = (
    fields_of(TEXTUAL, *jobspec.TEXTS, *jobspec.PRODUCTION) | fields_of(COUNTED, *jobspec.NUMBERS) | {"env": THING}
)
_ITEM = any_of({"type": ["string", "integer"]}, {"type": "object", "required": ["name"]})


def or_null(schema: Schema) -> Schema:
    return any_of(schema, NULL)


COMPONENTS: dict[str, Schema] = {
    **NAMED,
    "NewJob": {
        "type": "object",
        "required": ["prototype"],
        "properties": {key: any_of(schema, NULL, {"const": ""}) for key, schema in _FIELDS.items()}
        | {
            "prototype": any_of({"enum": list(PROTOTYPES)}, {"type": "string", "minLength": 1}),
            "package": or_null(THING),
            "env": or_null(THING),
            "agenda": or_null({"type": "array", "items": _ITEM}),
            "status": {"type": ["string", "integer", "null"]},
            "flags": {"type": ["string", "integer", "null"]},
        },
    },
    "Changes": {
        "type": "object",
        "properties": {key: _FIELDS.get(key, {}) for key in submission.MODIFIABLE},
        "additionalProperties": False,
    },
    "Job": record(
        fields_of(WHOLE, "id", "pid", "pgrp", "flags", "priority", "cpus", "todo", "retrywork", "retrysubjob")
        | fields_of(WHOLE, "timesubmit", "timestart", "timecomplete", "lastupdate", "timelimit", "agenda_timelimit")
        | fields_of(TEXT, "name", "label", "user", "prototype", "cluster", "restrictions", "requirements")
        | fields_of(TEXT, "reservations", "hosts", "groups", "reason", "flagsstring", "dependency", "cwd")
        | fields_of(STATUS, "status", "subjobstatus", "agendastatus")
        | fields_of(THING, "package", "env")
        | fields_of(_COUNTS, "cpustally", "todotally")
    ),
    "Work": record(fields_of(TEXT, "name", "host") | fields_of(WHOLE, "id", "subid") | {"status": STATUS}),
    "Host": record(fields_of(TEXT, "name", "state", "address", "resources", "cluster") | {"id": WHOLE}),
    "History": record(
        fields_of(TEXT, "comment", "stamp") | fields_of(WHOLE, "timestamp", "jobid", "subid", "workid")
    ),
    "Log": record({"data": TEXT} | fields_of(WHOLE, "jobid", "subid", "fullsize")),
    "LogNews": record(
        fields_of(TEXT, "id", "next") | {"over": {"type": "boolean"}, "parts": {"type": "array", "items": THING}}
    ),
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": record(fields_of(TEXT, "code", "message"))},
    },
}  # fmt: skip

_LOGS = ("stdout", "stderr", "log")
_TEXTS: Schema = {"type": "array", "items": TEXT}
_OF_ONE = dict.fromkeys(_LOGS, rows("Log")) | {
    "log": {"type": "array", "items": any_of(ref("Log"), ref("LogNews"))},
    "hist": rows("History"),
    "ping": THING,
    "validatejob": _TEXTS,
}
"""Where the surface says less, or makes something else of what comes over the wire."""
_BY_HINT: dict[str, Schema] = {
    "SubmitResult": rows("Job"),
    "list[Job]": rows("Job"),
    "Job": ref("Job"),
    "list[Host]": rows("Host"),
    "list[Work]": rows("Work"),
    "Work": THING,
    "list[str]": _TEXTS,
    "list[int]": {"type": "array", "items": WHOLE},
    "list[dict[str, Any]]": {"type": "array", "items": THING},
    "dict[str, Any]": THING,
    "int": WHOLE,
    "bool": {"type": "boolean"},
    "str": TEXT,
}


def result_of(name: str) -> Schema:
    """By the hint of the surface's function."""
    hint: Any = inspect.signature(getattr(surface, name)).return_annotation
    return _OF_ONE[name] if name in _OF_ONE else _BY_HINT[hint]


FAILURES = {
    400: "An argument is wrong, or asks for what is not honoured; `field` and `hint` name it and the cure.",
    401: "No valid token came with the request.",
    403: "The token's owner or its scopes do not allow this.",
    404: "There is no such thing.",
    405: "This address takes POST only.",
    409: "Somebody else was faster.",
    413: "The body is larger than 64 MB.",
    500: "The farm is broken; its log says why.",
    503: "The farm cannot reach its database now.",
}
