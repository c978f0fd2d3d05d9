"""Jobs with caps, growth and licences stay sound whatever workers and people do, in whatever order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qbcore import resources, submission, verbs
from qbcore.constants import FLAGS
from qbcore.models import ExclusionRow, GrantRow, JobRow, ResourceRow, SubjobRow, TrackRow
from qbcore.states import PLACED, Status
from tests.hand import Obedient
from tests.qbcore.test_folding import ROWS, Story, check, finish, stories

pytestmark = pytest.mark.django_db
KINDS: list[dict[str, Any]] = [
    {"max_cpus": 1},
    {"flags": "expand"},
    {"flags": "expand", "max_cpus": 2},
    {"flags": "expand,migrate_on_frame_retry", "retrywork": 2},
    {"reservations": "license.x=1"},
    {"reservations": "license.x=1+", "flags": "auto_wrangling"},
    {"flags": "disable_auto_complete"},
    {"hostorder": "host.processors", "flags": "disable_auto_complete,expand"},
]


def check_bounds(job: int, kind: dict[str, Any]) -> None:
    """No place beyond the cap, no licence beyond what there is, and the counter is what the grants say."""
    placed = SubjobRow.objects.filter(job_id=job, status__in=PLACED).count()
    assert "max_cpus" not in kind or placed <= kind["max_cpus"]
    assert resources.audit() == []
    licence = ResourceRow.objects.get()
    assert 0 <= licence.used <= licence.total


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories, st.sampled_from(KINDS), st.integers(1, 2))
def test_a_job_with_bounds_keeps_them_and_can_be_finished(
    steps: list[tuple[str, int]], kind: dict[str, Any], cpus: int
) -> None:
    for model in (*ROWS, ExclusionRow, ResourceRow, TrackRow):
        model.objects.all().delete()
    resources.updateresources({"license.x": 2})
    package = {"range": "1-5", "cmdline": "x"}
    job = submission.submit({"prototype": "cmdrange", "cpus": cpus, "package": package, **kind})["id"]
    story = Story(job, [Obedient("a"), Obedient("b")])
    for what, which in steps:
        story.act(what, which)
        check(job)
        check_bounds(job, kind)
    end(story)
    assert (ResourceRow.objects.get().used, GrantRow.objects.filter(ended__isnull=True).count()) == (0, 0)


def end(story: Story) -> None:
    """All is rendered; a job that then waits for more is told that none comes."""
    JobRow.objects.filter(pk=story.job).update(hostorder="")  # real time must not pass for a preferred host
    flags = JobRow.objects.get(pk=story.job).flags
    if flags & FLAGS["disable_auto_complete"]:
        JobRow.objects.filter(pk=story.job).update(flags=flags & ~FLAGS["disable_auto_complete"])
        verbs.unblock(story.job)
    finish(story)
    assert JobRow.objects.get(pk=story.job).status != Status.WAITING
