"""A graph of jobs that wait for each other always drains, or says what it waits for in vain."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from qbcore import folding, submission
from qbcore.links import MEETS, in_words
from qbcore.models import DeltaRow, DependencyRow, JobRow, WaitRow, WorkRow
from qbcore.states import DONE, Status
from tests.hand import Frame, Hand, drive

pytestmark = pytest.mark.django_db
AGENDAS = [["1", "2", "3"], ["1-2", "3-4"], ["4", "3", "2", "1"], ["1-4"], ["a", "2"], ["7"]]
STATES = sorted(MEETS)
KINDS = ["job", "work", "work", "subjob"]

jobs = st.tuples(
    st.sampled_from(AGENDAS),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(STATES), st.sampled_from(KINDS)), max_size=2),
)
graphs = st.lists(jobs, min_size=2, max_size=6)


def submitted(graph: list[Any]) -> list[int]:
    """One call; each job may wait for jobs before it, which come after it in the call half of the time."""
    calls = []
    for place, (agenda, links) in enumerate(graph):
        waits = [f"{state}-{kind}-j{parent % place}" for parent, state, kind in links if place]
        calls.append(
            {
                "prototype": "cmdrange",
                "package": {"cmdline": "true"},
                "cpus": 2,
                "label": f"j{place}",
                "agenda": agenda,
                "dependency": ",".join(dict.fromkeys(waits)),
            }
        )
    return [job["id"] for job in submission.submit(calls[::-1])][::-1]


def explained(job: JobRow) -> bool:
    """Whether the reason names a parent that ended otherwise; or what it waits for waits itself."""
    named = re.fullmatch(r"waits for (\d+), which .*", job.reason)
    if named:
        return JobRow.objects.get(pk=int(named[1])).status in DONE
    parents = DependencyRow.objects.filter(job_id=job.pk).values("parent_id")
    waiting = JobRow.objects.filter(pk__in=parents).exclude(status__in=DONE)
    return job.reason == f"waits for {in_words(job.dependency)}" and waiting.exists()


class Draining(TestCase):
    @settings(max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
    @given(graph=graphs, failing=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=6))
    def test_a_graph_drains_or_says_why_not(self, graph: list[Any], failing: set[tuple[int, int]]) -> None:
        ids = submitted(graph)
        bad = {(ids[place % len(ids)], pos) for place, pos in failing}
        hand = Hand(slots=3)

        def code(frame: Frame) -> int:
            job = WorkRow.objects.filter(attempt_id=frame["attempt"]).values_list("job_id", flat=True).first()
            return int((job, frame["pos"]) in bad)

        drive(hand, exits=code)
        folding.sweep()
        assert not DeltaRow.objects.exists()
        for job in JobRow.objects.all():
            if job.status in DONE:
                assert not WaitRow.objects.filter(job_id=job.pk).exists()
            else:
                assert (Status(job.status), explained(job)) == (Status.BLOCKED, True), (job.status, job.reason)
        self._sound()

    def _sound(self) -> None:
        """Nothing waits for what is met already."""
        for wait in WaitRow.objects.filter(witness__gte=0):
            assert WorkRow.objects.filter(job_id=wait.parent_id, pos=wait.witness).exists()
