"""Hosts that are counted as alike for a reason are answered alike by the rules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qbcore.candidates import Candidate, HostView
from qbcore.reasons import Alike, Farm, _against
from tests.qbcore.test_pool import candidates, hosts, supplies


@given(st.lists(hosts, min_size=2, max_size=12), candidates, supplies)
def test_hosts_that_are_alike_for_a_job_have_the_same_thing_against_them(
    drawn: list[HostView], job: Candidate, shared: dict[str, float]
) -> None:
    answers: dict[tuple[object, ...], str] = {}
    for host in drawn:
        farm = Farm(0.0, [host], shared, shared)  # hosts drawn here have one id
        key = Alike(job, farm).key(host)
        assert answers.setdefault(key, _against(host, job, farm)) == _against(host, job, farm)
