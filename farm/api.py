"""The farm over HTTP: `POST /api/v1/<function>` with {"args": [...], "kwargs": {...}} and a bearer token.

Answers {"result": ...}, or {"error": {"code", "message", ...}} with the status of the error. Only tokens count here,
never a session, so a page of another site can do nothing in a browser's name. `ping` needs no token.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import wraps
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from farm import arguments
from qbcore.acting import Actor, acting_as
from qbcore.errors import Invalid, NotFound, QubeError, Unauthorized, Unreachable
from qbcore.permissions import actor_for_token
from qbcore.qb import EXPOSED
from qbcore.remote.wire import dumps, loads_storable
from qbcore.surface import reads
from qbcore.writing import AWAY

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024 * 1024
LONGEST_KEY = 200  # characters of an Idempotency-Key
METHODS = {"ping": ("GET", "POST")}
VERSIONS = ("v1",)
READING = ("GET", "HEAD")


class TooLargeError(QubeError):
    """The request is too large."""

    code = "too_large"
    status = 413


class WrongMethodError(QubeError):
    """This address takes POST only."""

    code = "wrong_method"
    status = 405

    def __init__(self, message: str, allowed: Sequence[str]) -> None:
        super().__init__(message)
        self._allowed = ", ".join(allowed)


@csrf_exempt
def call(request: HttpRequest, name: str) -> HttpResponse:
    """One function of the API, called as whoever the token belongs to."""
    try:
        return _response(200, _encoded(_result(request, name)))
    except QubeError as refusal:
        return _refusal(refusal)
    except AWAY as error:
        log.warning("%s: the database does not answer: %s", name, error)
        return _refusal(Unreachable("The farm cannot reach its database now. Try again in a moment."))
    except Exception:
        log.exception("%s failed", name)
        broken = QubeError(f"{name} failed inside the farm; its log says why.")
        broken.code = "internal"
        return _refusal(broken)


@csrf_exempt
def nowhere(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Any other address below /api/."""
    version = rest.partition("/")[0][:20]
    if not version or version in VERSIONS:
        return _refusal(NotFound("the API's functions stand at /api/v1/<function>; /api/v1/docs lists them"))
    return _refusal(
        NotFound(
            f"this farm serves no version '{version}' of the API: there is {', '.join(VERSIONS)}, as /api/v1/<function>"
        )
    )


def read_only(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A page of the API that only shows: another method is refused as the functions refuse theirs."""

    @csrf_exempt
    @wraps(view)
    def shown(request: HttpRequest) -> HttpResponse:
        if request.method in READING:
            return view(request)
        told = f"{request.path} is asked with {' or '.join(READING)}, not {request.method}"
        return _refusal(WrongMethodError(told, READING))

    return shown


def _result(request: HttpRequest, name: str) -> Any:
    function = _function(name)
    allowed = METHODS.get(name, ("POST",))
    if request.method not in allowed:
        raise WrongMethodError(f"{name} is asked with {' or '.join(allowed)}, not {request.method}", allowed)
    if name == "ping":  # takes nothing from the asker: it would have the farm ping where a stranger likes
        return function(asDict=True)
    actor = _actor(request)
    args, kwargs = arguments.checked(name, function, *_arguments(request))
    if name == "submit":
        kwargs["_key"] = _idempotency_key(request)
    with acting_as(actor):
        try:
            return function(*args, **kwargs)
        except AWAY:
            if name not in vars(reads):
                raise
            connection.close()  # PostgreSQL was restarted meanwhile: what only reads is read again
            return function(*args, **kwargs)


def _function(name: str) -> Callable[..., Any]:
    if name in EXPOSED:
        return EXPOSED[name]
    near = get_close_matches(name, EXPOSED, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(EXPOSED))}."
    raise NotFound(f"the farm serves no function '{name[:60]}': {hint}")


def _actor(request: HttpRequest) -> Actor:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("no token came with the request: send the header `Authorization: Bearer <token>`")
    actor = actor_for_token(token.strip())
    if actor is None:
        raise Unauthorized("this token is unknown, expired, or its attempt has ended")
    return actor


def _arguments(request: HttpRequest) -> tuple[list[Any], dict[str, Any]]:
    given = loads_storable(_body(request) or b"{}")
    if not isinstance(given, dict) or given.keys() - {"args", "kwargs"}:
        raise Invalid('the body is an object with "args" and "kwargs" and nothing else', field="body")
    args, kwargs = given.get("args", []), given.get("kwargs", {})
    if not isinstance(args, list):
        raise Invalid("this is no list", field="args")
    if not isinstance(kwargs, dict):
        raise Invalid("this is no object", field="kwargs")
    return args, kwargs


def _body(request: HttpRequest) -> bytes:
    """At most MOST_BYTES, also when the length was not announced."""
    announced = request.META.get("CONTENT_LENGTH") or "0"
    too_large = TooLargeError(f"the body is larger than {MOST_BYTES // 2**20} MB: split the call")
    if announced.isdecimal() and int(announced) > MOST_BYTES:
        raise too_large
    try:
        body = request.read(MOST_BYTES + 1)
    except UnreadablePostError as error:
        raise Invalid("the body broke off", field="body") from error
    if len(body) > MOST_BYTES:
        raise too_large
    return body


def _idempotency_key(request: HttpRequest) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > LONGEST_KEY:
        raise Invalid(f"a key has at most {LONGEST_KEY} characters", field="Idempotency-Key")
    return key


def _encoded(result: Any) -> bytes:
    try:
        return dumps({"result": result})
    except Invalid as error:  # what the farm answers is the farm's fault, not the asker's
        raise TypeError(error.message) from error


def _refusal(refusal: QubeError) -> HttpResponse:
    response = _response(refusal.status, dumps({"error": refusal.to_wire()}))
    if refusal.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if isinstance(refusal, WrongMethodError):
        response["Allow"] = refusal._allowed
    return response


def _response(status: int, body: bytes) -> HttpResponse:
    response = HttpResponse(body, status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response
