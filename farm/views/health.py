"""Whether the farm is well, for probes: /healthz and /readyz need no sign-in."""

from __future__ import annotations

from typing import Any

import redis
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from qbcore import diskspace
from qbcore.hosts import active_hosts
from qbcore.housekeeping import ticking


def parts() -> dict[str, str]:
    """Each part of the farm with "ok" or what is wrong with it."""
    found: dict[str, str] = {}
    try:
        hosts = active_hosts()
    except Exception as error:
        return {"database": f"does not answer: {type(error).__name__}"}
    found["database"] = "ok"
    found["redis"] = _redis()
    found["disk"] = diskspace.space().advice or "ok"
    found["housekeeping"] = "ok" if ticking() else "has not ticked for 10 s: start manage.py housekeeping"
    found["hosts"] = "ok" if hosts else "no host is active: start a worker"
    return found


def _redis() -> str:
    if not settings.REDIS_URL:
        return "ok"
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            client.ping()
    except redis.RedisError as error:
        return f"does not answer: {type(error).__name__}. Hints and bulk runs wait"
    return "ok"


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """503 only without the database: everything else delays, nothing is lost."""
    found = parts()
    return _answer(found, well=found["database"] == "ok")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """503 unless every part is well and a host is active; a disk that is only getting full is told and not yet ill."""
    found = parts()
    ill = {name for name, state in found.items() if state != "ok"}
    return _answer(found, well=ill <= {"disk"} and not (ill and diskspace.space().is_short))


def _answer(found: dict[str, Any], *, well: bool) -> JsonResponse:
    degraded = [name for name, state in found.items() if state != "ok"]
    body = {"status": "ok" if well else "unavailable", "degraded": degraded, "parts": found}
    return JsonResponse(body, status=200 if well else 503)
