"""What every page knows: the farm's name, who is signed in, where one can go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from farm import keys
from qbcore import diskspace
from qbcore.acting import Actor


@dataclass(frozen=True, slots=True)
class Room:
    """One entry of the rail."""

    name: str
    title: str
    icon: str
    views: frozenset[str]


ROOMS = (
    Room("jobs", "Jobs", "layout-list", frozenset({"jobs", "job"})),
    Room("workers", "Workers", "server", frozenset({"workers", "worker"})),
    Room("actions", "Actions", "zap", frozenset({"actions", "run"})),
)


def page(request: HttpRequest) -> dict[str, Any]:
    """The context processor of all templates; works also where nobody is signed in."""
    match = request.resolver_match
    view = match.url_name if match else None
    return {
        "farm_name": settings.FARM_NAME,
        "actor": getattr(request, "actor", None),
        "rooms": [(room, view in room.views) for room in ROOMS],
        "all_keys": keys.KEYS,
        "disk_note": _disk_note(getattr(request, "actor", None)),
    }


def _disk_note(actor: Actor | None) -> str:
    """For those who can do something about it."""
    return diskspace.space().advice if actor and actor.role in ("operator", "admin") else ""
