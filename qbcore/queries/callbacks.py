"""The callbacks of jobs, as jobinfo gives them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from qbcore.models import CallbackRow
from qbcore.objects import Callback


def callbacks_of(jobs: Iterable[int]) -> dict[int, list[Callback]]:
    """By job, in the order in which they were submitted: every key that was given, and what has become of it."""
    found: dict[int, list[Callback]] = defaultdict(list)
    for row in CallbackRow.objects.filter(job_id__in=list(jobs)).order_by("pk"):
        found[row.job_id].append(callback_object(row))
    return found


def callback_object(row: CallbackRow) -> Callback:
    return Callback(
        {
            "code": "",
            **row.data,
            "id": row.pk,
            "triggers": row.data.get("triggers", row.triggers),
            "language": row.language,
            "user": row.user,
            "count": row.count,
            "maximum": row.maximum,
            "ready": int(row.state == "ready"),
            "state": row.state,
            "reason": row.reason,
        }
    )
