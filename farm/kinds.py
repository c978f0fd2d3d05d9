"""What an argument of the API may be on the wire: one table from the surface's type hints to JSON Schema.

The same schemas stand in the OpenAPI document and are checked before a door is asked, so neither can say more than the
other. What lies inside a job is judged by the doors, which know the fields and their cures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qbcore.ids import LARGEST_ID, parse_job_or_subjob, parse_logged, parse_work

Schema = dict[str, Any]


def any_of(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


@dataclass(frozen=True, slots=True)
class Kind:
    """`schema` is checked here and documented; `detail`, where the doors check more, is documented in its place."""

    wanted: str
    schema: Schema
    detail: Schema | None = None
    whole: bool = False
    """Number texts and whole floats become numbers."""
    name: str = ""
    """What the document calls it."""
    parse: Callable[[object], object] | None = None
    """For ids: reads each of them, or raises BadId."""

    @property
    def told(self) -> Schema:
        return self.detail or (ref(self.name) if self.name else self.schema)


NULL: Schema = {"type": "null"}
OBJECT: Schema = {"type": "object"}
STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer", "minimum": -LARGEST_ID - 1, "maximum": LARGEST_ID}
NUMBER: Schema = {"type": "number"}
DIGITS: Schema = {"type": "string", "pattern": "^-?[0-9]{1,18}$"}
NAME: Schema = any_of(STRING, NUMBER)
_JOB = r"0*[0-9]{1,19}(\.0*[0-9]{1,19})?"
IDS: dict[str, Schema] = {
    "Id": any_of(
        {"type": "integer", "minimum": 1, "maximum": LARGEST_ID},
        {"type": "string", "pattern": rf"^\s*{_JOB}\s*(,\s*{_JOB}\s*)*$"},
        {"type": "object", "required": ["id"]},
        {"type": "array", "items": ref("Id")},
    ),
    "WorkId": any_of(
        {"type": "string", "pattern": r"^\s*0*[0-9]{1,19}\s*:[\s\S]"},
        {"type": "object", "required": ["jobid"]},
        {"type": "array", "items": ref("WorkId")},
    ),
}
SOME_TEXT: Schema = any_of(STRING, NUMBER, {"type": "array", "items": NAME}, NULL)

KINDS: dict[str, Kind] = {
    "Any": Kind("any value", {}),
    "Id": Kind("an id", {}, ref("Id"), parse=parse_job_or_subjob),
    "Id | None": Kind("an id", {}, any_of(ref("Id"), NULL), parse=parse_job_or_subjob),
    "Text": Kind("a text, or a list of texts", SOME_TEXT, name="Text"),
    "Time": Kind("a time in unix seconds", any_of(NUMBER, STRING, NULL), name="Time"),
    "bool": Kind(
        "true or false", any_of({"type": "boolean"}, {"type": "integer", "minimum": 0, "maximum": 1}, NULL), name="Flag"
    ),
    "int": Kind("a whole number", any_of(INTEGER, DIGITS), whole=True, name="Whole"),
    "int | None": Kind("a whole number", any_of(INTEGER, DIGITS, NULL), whole=True, name="WholeOrNull"),
    "float": Kind("a number", NUMBER),
    "float | None": Kind("a number", any_of(NUMBER, NULL)),
    "str": Kind("a text", STRING),
    "str | None": Kind("a text", any_of(STRING, NULL)),
    "Sequence[str]": Kind("a list of names", any_of(STRING, {"type": "array", "items": STRING}, NULL), name="Names"),
    "Mapping[str, Any]": Kind("a dictionary", OBJECT),
    "Mapping[str, Any] | None": Kind("a dictionary", any_of(OBJECT, NULL), name="Filters"),
    "Mapping[str, Any] | str": Kind("a dictionary, or a text", any_of(OBJECT, STRING)),
}
NAMED = {kind.name: kind.schema for kind in KINDS.values() if kind.name} | IDS
WORK = Kind("the id of a work item", {}, ref("WorkId"), parse=parse_work)
LOGGED = Kind("an id", {}, any_of(ref("Id"), ref("WorkId")), parse=parse_logged)
JOBS = Kind(
    "a job, or a list of jobs",
    any_of(OBJECT, {"type": "array"}),
    any_of(ref("NewJob"), {"type": "array", "items": ref("NewJob")}),
)
CALLBACKS = Kind("a callback, or a list of callbacks", any_of(OBJECT, {"type": "array", "items": OBJECT}))
CHANGES = Kind("a dictionary: modify takes the parameters first, modify({...}, 250)", OBJECT, ref("Changes"))

OF_ANY = {"workid": WORK, "extraWorkids": WORK}
OF_ONE: dict[tuple[str, str], Kind] = {
    ("submit", "jobs"): JOBS,
    ("submitcallback", "callback"): CALLBACKS,
    ("modify", "modifyParamDict"): CHANGES,
    ("log", "jobid"): LOGGED,
    ("log", "extraJobids"): LOGGED,
    ("jobinfo", "id"): KINDS["Id | None"],
    ("jobinfo", "filters"): KINDS["Mapping[str, Any] | None"],
    ("hostinfo", "filters"): KINDS["Mapping[str, Any] | None"],
    ("workerinfo", "filters"): KINDS["Mapping[str, Any] | None"],
}
"""Arguments (of one function, and of any) whose hint in the surface says less than is known here."""

_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "object": (Mapping,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float),
    "integer": (int, float),
}


def fits(schema: Schema, value: Any) -> bool:
    """Whether a value is what a schema of this file says."""
    if "anyOf" in schema:
        return any(fits(one, value) for one in schema["anyOf"])
    return _is(schema.get("type", ""), value) and _within(schema, value)


def _is(name: str, value: Any) -> bool:
    if not name:
        return True
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _within(schema: Schema, value: Any) -> bool:
    if "minimum" in schema and not schema["minimum"] <= value <= schema["maximum"]:
        return False
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return False
    return all(fits(schema["items"], one) for one in value) if "items" in schema else True
