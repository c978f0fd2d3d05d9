"""What pages read: windows by keyset, exact tallies, and how many statements each read takes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from qbcore.acting import Actor, acting_as
from qbcore.errors import Invalid, NotFound
from qbcore.listing import frames, hosts, jobs, records
from qbcore.listing.terms import Term
from qbcore.models import DeltaRow, SubjobRow
from qbcore.states import Status
from qbcore.writing import on_postgres
from tests.make import make_attempt, make_history, make_host, make_job

pytestmark = pytest.mark.django_db


def names(*terms: Term, **order: object) -> list[str]:
    return [job.name for job in jobs.window(terms, **order).rows]  # type: ignore[arg-type]


def test_a_window_of_jobs_takes_one_statement_however_many_there_are(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(30):
        make_job(frames=3)
    with django_assert_num_queries(1):
        assert len(jobs.window(limit=20).rows) == 20
    with django_assert_num_queries(1):
        assert jobs.count() == 30


def test_tallies_are_the_counters_and_what_is_not_folded_yet() -> None:
    job = make_job(frames={Status.PENDING: 10})
    DeltaRow.objects.create(job_id=job.id, pending=-3, running=3)
    DeltaRow.objects.create(job_id=job.id, running=-1, complete=1, timed=1, seconds=12.5)
    line = jobs.one(job.id)
    assert line.work[Status.PENDING] == 7
    assert line.work[Status.RUNNING] == 2
    assert line.work[Status.COMPLETE] == 1
    assert line.average == 12.5


def test_lower_priority_comes_first_and_the_newest_among_equals() -> None:
    for name, priority in (("late", 9999), ("old", 50), ("new", 50)):
        make_job(name, priority=priority)
    assert names() == ["new", "old", "late"]


@pytest.mark.parametrize("sort", list(jobs.SORTS))
@pytest.mark.parametrize("down", [False, True])
def test_windows_follow_each_other_without_gap_or_repeat(sort: str, down: bool) -> None:
    for at in range(9):
        make_job(
            f"job {at % 3}", priority=100 + at % 4, user=f"user {at % 2}", at=timezone.now() - timedelta(hours=at % 5)
        )
    seen: list[int] = []
    after = ""
    while True:
        found = jobs.window(sort=sort, down=down, after=after, limit=2)
        seen += [job.id for job in found.rows]
        after = found.more
        if not after:
            break
    assert len(seen) == len(set(seen)) == 9
    assert seen == [job.id for job in jobs.window(sort=sort, down=down).rows]


@pytest.mark.parametrize("cursor", ["x", "bm90IGpzb24", "eyJ2IjpbMV0sImlkIjoxfQ"])
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid, match="after: this cursor was not given out by this page"):
        jobs.window(after=cursor)


def test_an_unknown_sort_names_those_that_are_known() -> None:
    with pytest.raises(Invalid, match=r"jobs are not sorted by 'colour'.*Known: id, name"):
        jobs.window(sort="colour")


def test_terms_narrow_the_list() -> None:
    make_job("sq020_0140_lgt", user="mira", show="aurora", frames={Status.COMPLETE: 2, Status.FAILED: 1})
    make_job("sq020_0150_fx", user="jonas", show="aurora", frames={Status.RUNNING: 2, Status.FAILED: 1}, priority=50)
    make_job("sq030_cmp", user="mira", label="Nightly", frames=2)
    assert set(names(Term("user", ":", ("mira",)))) == {"sq020_0140_lgt", "sq030_cmp"}
    assert names(Term("user", ":", ("mira",), negated=True)) == ["sq020_0150_fx"]
    assert names(Term("user", "!=", ("mira",))) == ["sq020_0150_fx"]
    assert names(Term("status", ":", ("running", "failed"))) == ["sq020_0150_fx", "sq020_0140_lgt"]
    assert names(Term("text", ":", ("SQ020",))) == ["sq020_0150_fx", "sq020_0140_lgt"]
    assert names(Term("text", ":", ("night",))) == ["sq030_cmp"]
    assert names(Term("name", ":", ("0140*lgt",))) == ["sq020_0140_lgt"]
    assert names(Term("label", ":", ("n*ly",))) == ["sq030_cmp"]
    assert names(Term("priority", "<", (100,))) == ["sq020_0150_fx"]
    assert names(Term("is", ":", ("failing",))) == ["sq020_0150_fx"]
    assert names(Term("has", ":", ("failed",))) == ["sq020_0150_fx", "sq020_0140_lgt"]
    assert names(Term("has", ":", ("failed",)), Term("is", ":", ("done",))) == ["sq020_0140_lgt"]


def test_a_bare_number_finds_the_job_of_that_id() -> None:
    job = make_job("nothing in its name")
    assert names(Term("text", ":", (str(job.id),))) == ["nothing in its name"]


def test_a_wildcard_is_not_a_regular_expression() -> None:
    make_job("a.b")
    make_job("axb")
    assert names(Term("name", ":", ("a.b*",))) == ["a.b"]


@pytest.mark.parametrize(
    "term",
    [
        Term("colour", ":", ("red",)),
        Term("user", "<", ("m",)),
        Term("is", ":", ("blue",)),
        Term("status", ":", ("new",)),
    ],
)
def test_a_term_without_a_meaning_is_refused_by_name(term: Term) -> None:
    with pytest.raises(Invalid) as refused:
        jobs.window([term])
    assert refused.value.field == term.key


def test_a_running_job_with_a_failed_frame_is_failing_and_a_failed_one_is_not() -> None:
    alive = make_job(frames={Status.RUNNING: 1, Status.FAILED: 1})
    over = make_job(frames={Status.COMPLETE: 1, Status.FAILED: 1})
    assert jobs.one(alive.id).failing
    assert not jobs.one(over.id).failing


def test_a_job_that_is_not_there_or_not_to_be_seen_is_not_found() -> None:
    job = make_job()
    with pytest.raises(NotFound, match="There is no job 999"):
        jobs.one(999)
    with acting_as(Actor("bob", "attempt", job=job.id + 1)), pytest.raises(NotFound):
        jobs.one(job.id)
    with acting_as(Actor("bob", "attempt", job=job.id + 1)), pytest.raises(NotFound):
        frames.states(job.id)


def test_the_state_string_has_one_letter_per_frame_in_one_statement(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    job = make_job(frames={Status.COMPLETE: 2, Status.RUNNING: 1, Status.FAILED: 1, Status.PENDING: 2})
    with django_assert_num_queries(1):
        assert frames.states(job.id) == "CCRFPP"
    with django_assert_num_queries(1):
        assert frames.names(job.id) == ["1", "2", "3", "4", "5", "6"]


def test_every_status_has_a_letter_of_its_own() -> None:
    assert len(set(frames.LETTERS.values())) == len(Status)


def test_a_window_of_frames_shows_the_last_attempt_in_two_statements(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    job, host = make_job(frames={Status.COMPLETE: 1, Status.FAILED: 3}), make_host("render-041")
    make_attempt(job, 1, host=host, ending="lost")
    make_attempt(job, 1, host=host, ending="failed", exit_code=3, error_line="cannot open kelp.inc", number=2)
    with django_assert_num_queries(2):
        found = frames.window(job.id, statuses=[Status.FAILED], limit=2)
    assert [frame.pos for frame in found.rows] == [1, 2]
    assert found.more == "2"
    last = found.rows[0].last
    assert last is not None and last.error_line == "cannot open kelp.inc" and last.host_name == "render-041"
    assert found.rows[1].last is None
    assert [attempt.ending for attempt in frames.attempts(job.id, [1])] == ["lost", "failed"]
    rest = frames.window(job.id, statuses=[Status.FAILED], after=int(found.more))
    assert [frame.pos for frame in rest.rows] == [3] and rest.more == ""


def test_a_subjob_shows_what_runs_in_it(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    job, host = make_job(frames={Status.RUNNING: 1, Status.PENDING: 1}, cpus=2), make_host("render-041")
    attempt = make_attempt(job, 0, host=host)
    SubjobRow.objects.filter(job_id=job.id, idx=0).update(grant_id=attempt.grant_id, host_name=host.name)
    with django_assert_num_queries(2):
        first, second = frames.subjobs(job.id)
    assert first.now is not None and first.now.frame == "1" and first.host_name == "render-041"
    assert second.now is None


def test_hosts_show_what_is_taken_and_the_troubled_come_first(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    fine, locked, down = make_host("a-fine"), make_host("b", locked=True), make_host("c", state="down", locked=True)
    job = make_job(frames={Status.RUNNING: 2})
    make_attempt(job, 0, host=fine)
    make_attempt(job, 1, host=fine)
    make_attempt(job, 1, host=fine, ending="failed")
    with django_assert_num_queries(4 if on_postgres() else 3):  # PostgreSQL is asked for its time
        found = hosts.every()
    assert [(host.name, host.state) for host in found] == [("b", "locked"), ("c", "down"), ("a-fine", "active")]
    assert found[2].used == 2 and found[2].slots == 8
    assert [attempt.frame for attempt in found[2].running] == ["1", "2"]
    assert [attempt.ending for attempt in hosts.past(fine.id)] == ["failed"]
    with pytest.raises(NotFound, match="There is no host"):
        hosts.one(down.id + locked.id + 999)


def test_the_farm_in_numbers_counts_slots_of_active_hosts_only(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    host = make_host(slots=16)
    make_host(slots=4, state="down")
    job = make_job(frames={Status.RUNNING: 1})
    make_attempt(job, 0, host=host)
    make_attempt(job, 0, host=host, ending="failed")
    make_attempt(job, 0, host=host, ending="failed", at=timezone.now() - timedelta(hours=2))
    with django_assert_num_queries(4):
        farm = hosts.farm(timezone.now())
    assert (farm.slots, farm.used, farm.running, farm.failed_last_hour) == (16, 1, 1, 1)
    assert farm.states == {"active": 1, "down": 1}


def test_history_is_newest_first_and_goes_on_in_windows() -> None:
    job = make_job()
    for verb in ("submit", "block", "unblock"):
        make_history(job, verb)
    first = records.history(job.id, limit=2)
    assert [line.verb for line in first.rows] == ["unblock", "block"]
    rest = records.history(job.id, before=int(first.more), limit=2)
    assert [line.verb for line in rest.rows] == ["submit"] and rest.more == ""
    assert records.history_count(job.id) == 3
