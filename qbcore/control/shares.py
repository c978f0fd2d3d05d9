"""Licences and global resources are taken and given back: by conditional changes of one counter each, which many
hosts want at once. Their rows are locked last.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db.models import F

from qbcore import events
from qbcore.models import ResourceRow

LOCAL = "host."


def _of(taken: Mapping[str, float]) -> list[tuple[str, int]]:
    """What of a grant belongs to the whole farm, in the order in which the rows are locked."""
    return sorted((name, int(count)) for name, count in taken.items() if not name.startswith(LOCAL))


def take(taken: Mapping[str, float], *, now: datetime) -> bool:
    """Takes all of it; False when something is short, and then the caller rolls back."""
    for name, count in _of(taken):
        rows = ResourceRow.objects.filter(name=name, used__lte=F("total") - count)
        if not rows.update(used=F("used") + count, updated=now):
            return False
    return True


def give_back(taken: Mapping[str, float], *, now: datetime) -> None:
    """Gives back what a grant took; others may have waited for it."""
    shared = _of(taken)
    for name, count in shared:
        ResourceRow.objects.filter(name=name).update(used=F("used") - count, updated=now)
    if shared:
        events.publish("wake", [])


def is_shared(taken: Mapping[str, float]) -> bool:
    return any(not name.startswith(LOCAL) for name in taken)
