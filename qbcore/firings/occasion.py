"""What a firing knows when it is carried out, and as whom it acts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth import get_user_model

from qbcore import acting
from qbcore.errors import Refused
from qbcore.models import CallbackRow, FiringRow, JobRow
from qbcore.permissions import actor_for_user
from qbcore.queries import job_object

SCOPE = frozenset({"jobs"})
"""A callback acts on jobs, whatever else its submitter may do."""


class Later(Exception):  # noqa: N818 -- reads as what happened
    """It did not work this time; its text says why."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """A firing, and its callback unless a job's flag asked for it."""

    firing: FiringRow
    callback: CallbackRow | None

    @property
    def given(self) -> dict[str, Any]:
        return self.callback.data if self.callback else {}

    def job(self) -> JobRow | None:
        return JobRow.objects.filter(pk=self.firing.job_id).first() if self.firing.job_id > 0 else None

    def facts(self) -> dict[str, Any]:
        """Plain values about the job and the event, by name."""
        row = self.job()
        job = job_object(row) if row else {"id": self.firing.job_id, "status": "removed"}
        found = {key: value for key, value in job.items() if isinstance(value, (str, int, float))}
        found |= {"event": self.firing.event, "frame": self.firing.frame, "subjob": self.firing.subjob}
        return {**found, "callback": self.firing.callback_id, "jobid": self.firing.job_id}


def user_of(callback: CallbackRow) -> Any:
    """The user as whom a callback acts; Refused when there is none any more."""
    user = get_user_model().objects.filter(username=callback.user, is_active=True).first()
    if user is None:
        raise Refused(f"there is no user {callback.user} any more, as whom this callback would act")
    return user


def actor_of(callback: CallbackRow) -> acting.Actor:
    """Its submitter with the rights that they have now; the farm for what the farm itself submitted."""
    found = acting.FARM if callback.machine else actor_for_user(user_of(callback))
    return replace(found, why=f"callback {callback.pk}", scopes=SCOPE)
