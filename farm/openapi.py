"""The API's description, made from what the farm really serves: the doors, the surface's hints and its docstrings.

Every call is one POST with `args` and `kwargs`, so the document says exactly which of them go together: a parameter is
given by its place or by its name, never twice.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from farm.answers import COMPONENTS, FAILURES, result_of
from farm.api import read_only
from farm.arguments import Parameter, kind_of, public
from farm.kinds import Schema, any_of, ref
from farm.rendering import page
from qbcore import surface
from qbcore.qb import EXPOSED
from qbcore.queries import VERSION

ABOUT = (
    "Each function of the qb module is one operation. The arguments are sent as a list and as an object, like those of "
    "the Python function: by place or by name. Version 1 only grows: functions, arguments and fields may be added."
)
LONGEST_KEY: Schema = {"type": "string", "maxLength": 200}


@read_only
def document(request: HttpRequest) -> HttpResponse:
    """OpenAPI 3.1; needs no token, as it holds nothing of the farm's."""
    return JsonResponse({**described(), "servers": [{"url": request.build_absolute_uri("/").rstrip("/")}]})


@read_only
def docs(request: HttpRequest) -> HttpResponse:
    """The same for people."""
    functions = [{"name": name, "signature": written(name), "told": said(name)} for name in sorted(EXPOSED)]
    return page(request, "api/docs.html", {"functions": functions, "version": VERSION, "about": ABOUT})


@cache
def described() -> dict[str, Any]:
    paths: dict[str, Any] = {f"/api/v1/{name}": {"post": _operation(name)} for name in sorted(EXPOSED)}
    ping = paths["/api/v1/ping"]["post"]
    paths["/api/v1/ping"]["get"] = {**ping, "operationId": "ping_get"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Render farm", "version": VERSION, "description": ABOUT},
        "paths": paths,
        "components": {
            "schemas": COMPONENTS,
            "responses": {str(status): _answer(what, ref("Error")) for status, what in FAILURES.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "A personal token."}},
        },
        "security": [{"token": []}],
    }


def said(name: str) -> str:
    """The docstring of the surface's function, without what only its maintainers need."""
    return inspect.cleandoc(getattr(surface, name).__doc__ or "").partition("Source:")[0].strip()


def written(name: str) -> str:
    """The surface's signature; its hints are texts, whose quotes say nothing to a reader."""
    return name + re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(getattr(surface, name))))


def _operation(name: str) -> dict[str, Any]:
    summary, _, rest = said(name).partition("\n")
    answers: dict[str, Any] = {str(status): {"$ref": f"#/components/responses/{status}"} for status in FAILURES}
    answers["200"] = _answer("What the function returns.", _wrapped(result_of(name)))
    found: dict[str, Any] = {"operationId": name, "summary": summary, "description": rest.strip(), "responses": answers}
    if name == "ping":
        kept = {status: answers[status] for status in ("200", "405", "500", "503")}
        return {**found, "security": [], "responses": kept}
    if name == "submit":
        key = {"name": "Idempotency-Key", "in": "header", "required": False, "schema": LONGEST_KEY}
        found["parameters"] = [
            {**key, "description": "A call that is repeated with its key answers the first one's jobs."}
        ]
    schema = body(name)
    needed = all("required" in way for way in schema.get("anyOf", [schema]))
    return {**found, "requestBody": {"required": needed, "content": {"application/json": {"schema": schema}}}}


def _answer(what: str, schema: Schema) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": schema}}}


def _wrapped(result: Schema) -> Schema:
    return {"type": "object", "required": ["result"], "properties": {"result": result}, "additionalProperties": False}


def body(name: str) -> Schema:
    """Exactly the bodies whose arguments bind: one alternative for each count of arguments given by their place."""
    parameters = list(public(EXPOSED[name]).parameters.values())
    placed = [one for one in parameters if one.kind is Parameter.POSITIONAL_OR_KEYWORD]
    ways = [_way(name, parameters, placed, count) for count in range(len(placed) + 1)]
    return ways[0] if len(ways) == 1 else any_of(*ways)


def _way(name: str, parameters: list[Parameter], placed: list[Parameter], count: int) -> Schema:
    """The first *count* by their place, the others by name."""
    rest = {one.kind: one.name for one in parameters}
    args: Schema = {"type": "array", "minItems": count}
    if count:
        args["prefixItems"] = [_told(name, one.name) for one in placed[:count]]
    more = rest.get(Parameter.VAR_POSITIONAL) if count == len(placed) else None
    args |= {"items": _told(name, more)} if more else {"maxItems": count}
    if name == "submit":
        args["minItems"] = 1
    named = placed[count:] + [one for one in parameters if one.kind is Parameter.KEYWORD_ONLY]
    kwargs: Schema = {"type": "object", "properties": {one.name: _told(name, one.name) for one in named}}
    if Parameter.VAR_KEYWORD in rest:
        kwargs["propertyNames"] = {"pattern": "^[^_]|^$"}
    else:
        kwargs["additionalProperties"] = False
    needed = [one.name for one in named if one.default is Parameter.empty]
    found: Schema = {"type": "object", "properties": {"args": args, "kwargs": kwargs}, "additionalProperties": False}
    if needed:
        kwargs["required"] = needed
    required = [key for key, is_needed in (("args", args["minItems"]), ("kwargs", needed)) if is_needed]
    return {**found, "required": required} if required else found


def _told(name: str, parameter: str) -> Schema:
    return kind_of(name, EXPOSED[name], parameter).told
