"""The Workers page and the page of one host."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive, make_aware
from django.views.decorators.http import require_safe

from farm import charts
from farm.care import CARES, HOST
from farm.charts import Curve
from farm.headers import STRIP
from farm.rendering import clock, head, page, parts, rows, wants_part
from farm.tables import ATTEMPTS, HOSTS
from qbcore import samples as kept
from qbcore.errors import Invalid
from qbcore.listing import hosts
from qbcore.listing.hosts import HostLine

ALONE = replace(HOSTS, box=False)


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """All hosts, those in trouble first."""
    now = clock()
    found = hosts.every()
    asked = request.GET.get("q", "").strip().lower()
    shown = [host for host in found if _fits(host, asked)]
    context = {"body": rows(HOSTS, shown, now), "head": head(HOSTS), "count": len(found), "shown": len(shown)}
    context |= {"actions": CARES, "scope": HOST, "unit": HOST}
    context |= {"q": asked, "newest": hosts.newest(), "cut": len(found) >= hosts.MOST}
    if wants_part(request):
        return page(request, "workers/list_part.html", context)
    farm = hosts.farm(now)
    return page(request, "workers/list.html", {**context, "strip": parts(STRIP, farm, now)})


def _fits(host: hosts.HostLine, asked: str) -> bool:
    """Every word stands in the host's name, state or groups."""
    text = f"{host.name} {host.state} {host.groups}".lower()
    return all(word in text for word in asked.split())


@require_safe
def detail(request: HttpRequest, host: int) -> HttpResponse:
    """One host: what it has, what runs on it, what it did last."""
    now = clock()
    found = hosts.one(host)
    context = {
        "host": found,
        "head": head(ALONE),
        "body": rows(ALONE, [found], now),
        "actions": CARES,
        "scope": HOST,
        **_day(found, now),
        "now_head": head(ATTEMPTS),
        "running": rows(ATTEMPTS, found.running, now),
        "past": rows(ATTEMPTS, hosts.past(host), now),
    }
    return page(request, "workers/detail.html", context)


def _day(host: HostLine, now: datetime) -> dict[str, Any]:
    """How busy the host was in the last 24 hours, drawn and as a table."""
    since, until = charts.day(now)
    chart = kept.of(host.id, since, until)
    if not chart.points:
        return {}
    most = host.memory or max(point.memory for point in chart.points if point)
    cpu = Curve(lambda one: one.cpu, 1, "cpu", "Processors in use over the last 24 hours")
    memory = Curve(lambda one: one.memory, most, "memory", "Memory in use over the last 24 hours")
    return {
        "cpu_chart": charts.line(chart, cpu, since, until),
        "memory_chart": charts.line(chart, memory, since, until),
        "hours": charts.hours(chart),
    }


@require_safe
def samples(request: HttpRequest, host: int) -> HttpResponse:
    """The host's samples from `since` until `until` (ISO times; the last 24 hours unless told) as JSON.

    {"step": seconds, "points": [[unix seconds, cpu 0-1, memory in MB, slots], null for a gap, ...]}
    """
    found = hosts.one(host)
    since, until = charts.day(clock())
    chart = kept.of(found.id, _moment(request, "since", since), _moment(request, "until", until))
    points = [
        one and [int(one.at.timestamp()), round(one.cpu, 4), round(one.memory), one.slots] for one in chart.points
    ]
    response = JsonResponse({"step": chart.step, "points": points})
    response["Cache-Control"] = "private, no-cache"
    return response


def _told(one: kept.Sample) -> list[float]:
    return [int(one.at.timestamp()), round(one.cpu, 4), round(one.memory), one.slots]


def _moment(request: HttpRequest, field: str, default: datetime) -> datetime:
    text = request.GET.get(field, "")
    if not text:
        return default
    try:
        found = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        found = None
    if found is None:
        raise Invalid(f"{text!r:.60} is no time", field=field, hint="Write 2026-11-22T18:30:00Z.")
    return make_aware(found) if is_naive(found) else found
