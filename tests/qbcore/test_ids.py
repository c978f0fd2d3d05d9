"""Ids: what scripts write, read into job, subjob and work."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore.errors import BadId
from qbcore.ids import LARGEST_ID, JobId, SubjobId, WorkId, flatten, parse_job_or_subjob, parse_work
from qbcore.objects import Host, Job, Subjob, SubmitResult, Work

numbers = st.integers(1, LARGEST_ID)
names = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1)


@given(st.one_of(numbers.map(JobId), st.builds(SubjobId, numbers, st.integers(0, LARGEST_ID))))
def test_a_printed_job_or_subjob_id_reads_back_as_itself(identity: JobId | SubjobId) -> None:
    assert parse_job_or_subjob(str(identity)) == identity


@given(st.builds(WorkId, numbers, names))
def test_a_printed_work_id_reads_back_as_itself(identity: WorkId) -> None:
    assert parse_work(str(identity)) == identity


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (250, JobId(250)),
        ("250", JobId(250)),
        (" 0250\n", JobId(250)),
        ("250.0", SubjobId(250, 0)),
        ("250.11", SubjobId(250, 11)),
        (JobId(250), JobId(250)),
        (Job(id=250, pid=7), JobId(250)),
        (Job(id="250"), JobId(250)),
        ({"id": 250}, JobId(250)),
        ({"id": 250, "pid": 0, "prototype": "cmdline"}, JobId(250)),
        (Subjob(id="250.1"), SubjobId(250, 1)),
        (Subjob(pid=250, id=1), SubjobId(250, 1)),
        ({"pid": 250, "id": 1, "status": "running"}, SubjobId(250, 1)),
    ],
)
def test_the_id_of_a_job_or_subjob_has_many_spellings(written: object, read: JobId | SubjobId) -> None:
    assert parse_job_or_subjob(written) == read


@pytest.mark.parametrize(
    "wrong",
    [
        *(0, -1, "0", "-5", 2**63, "9" * 25, 10**5000, True, 1.5, 250.0, None, b"250", "", " ", "abc", "250.", ".1"),
        *("250.0.1", "250.-1", "250:1", "٢٥٠", "2 50", "1e3", "250,251"),
        *({}, {"id": None}, {"id": {"id": 250}}, Subjob(id=3), Subjob(id=3, pid=0), Subjob(id=True, pid=250)),
        *(Work(id=3, jobid=250, name="3"), Host(name="a", id=3)),
    ],
    ids=lambda wrong: repr(wrong)[:30] if not isinstance(wrong, int) else f"int{wrong.bit_length()}",
)
def test_what_is_no_id_of_a_job_is_refused_with_the_way_to_write_one(wrong: object) -> None:
    with pytest.raises(BadId) as refused:
        parse_job_or_subjob(wrong)
    assert "250" in refused.value.hint
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("written", "job", "name"),
    [
        ("250:5", 250, "5"),
        ("250:25-29", 250, "25-29"),
        ("250:1,3,5", 250, "1,3,5"),
        (" 250 :shot a:b \n", 250, "shot a:b \n"),
        (Work(id=4, jobid=250, name="5"), 250, "5"),
        (Work(id=4, jobid="250", agenda="5"), 250, "5"),
        ({"jobid": 250, "name": 5}, 250, "5"),
    ],
)
def test_work_is_named_by_its_job_and_its_own_text(written: object, job: int, name: str) -> None:
    assert parse_work(written) == WorkId(job, name)


@pytest.mark.parametrize(
    "wrong", ["250", "250:", ":5", "x:5", "0:5", "250:a\x00", "250:\ud800", 250, None, Work(name="5"), Job(id=250)]
)
def test_what_names_no_work_is_refused_with_the_way_to_write_it(wrong: object) -> None:
    with pytest.raises(BadId) as refused:
        parse_work(wrong)
    assert "250:5" in refused.value.hint


@pytest.mark.parametrize(
    ("given_ids", "flat"),
    [
        (250, [250]),
        ("250", ["250"]),
        ("250,251.0", ["250", "251.0"]),
        ("250:1,3,5", ["250:1,3,5"]),
        ([250, ["251", (252,)], "253,254"], [250, "251", 252, "253", "254"]),
        ((), []),
    ],
)
def test_ids_may_come_as_lists_of_lists_and_comma_lists(given_ids: object, flat: list[object]) -> None:
    assert flatten(given_ids) == flat


def test_jobs_and_the_answer_of_submit_are_ids_too() -> None:
    jobs: list[Any] = [Job(id=1), Job(id=2)]
    assert flatten((SubmitResult(jobs), Job(id=3))) == [*jobs, Job(id=3)]
    assert [parse_job_or_subjob(one) for one in flatten(SubmitResult(jobs))] == [JobId(1), JobId(2)]


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(BadId, match="without end"):
        flatten(endless)


@given(st.lists(st.one_of(st.integers(), st.text(), st.none(), st.binary(), st.floats())))
def test_anything_else_is_read_or_refused_and_never_breaks(ids: list[object]) -> None:
    for one in flatten(ids):
        for parse in (parse_job_or_subjob, parse_work):
            try:
                parse(one)
            except BadId as refused:
                assert str(refused)
