"""Whether the farm is well, for probes: /healthz and /readyz need no sign-in."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import redis
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from farm import metrics as exposition
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
def metrics(request: HttpRequest) -> HttpResponse:
    """For Prometheus: from this machine itself, or with the token of FARM_METRICS_TOKEN."""
    if not _may_measure(request):
        why = "Ask from the farm's own machine, or send Authorization: Bearer with the farm's FARM_METRICS_TOKEN.\n"
        return HttpResponse(why, status=403, content_type="text/plain; charset=utf-8")
    try:
        return HttpResponse(exposition.text(), content_type=CONTENT_TYPE_LATEST)
    except (OperationalError, InterfaceError) as error:
        why = f"The database does not answer: {type(error).__name__}\n"
        return HttpResponse(why, status=503, content_type="text/plain; charset=utf-8")


def _may_measure(request: HttpRequest) -> bool:
    """What a proxy of this machine hands on does not come from this machine."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if settings.FARM_METRICS_TOKEN and scheme == "Bearer":
        return constant_time_compare(token.strip(), settings.FARM_METRICS_TOKEN)
    if any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP")):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


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
