"""The Workers page and the page of one host."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from farm.headers import STRIP
from farm.rendering import clock, head, page, parts, rows, wants_part
from farm.tables import ATTEMPTS, HOSTS
from qbcore.listing import hosts


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """All hosts, those in trouble first."""
    now = clock()
    found = hosts.every()
    asked = request.GET.get("q", "").strip().lower()
    shown = [host for host in found if _fits(host, asked)]
    context = {"body": rows(HOSTS, shown, now), "head": head(HOSTS), "count": len(found), "shown": len(shown)}
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
        "head": head(HOSTS),
        "body": rows(HOSTS, [found], now),
        "now_head": head(ATTEMPTS),
        "running": rows(ATTEMPTS, found.running, now),
        "past": rows(ATTEMPTS, hosts.past(host), now),
    }
    return page(request, "workers/detail.html", context)
