"""Log files: bytes are where the worker says, however often and in whatever order they come."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qbcore import logs, verbs
from qbcore.errors import Invalid, NotFound, Refused
from qbcore.logs import telling
from qbcore.models import AttemptRow, GrantRow, HostRow, JobRow
from tests.make import make_attempt, make_host, make_job

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_old_logs(farm_data: Path) -> Iterator[None]:
    """Ids come again on a fresh database."""
    shutil.rmtree(farm_data / "logs", ignore_errors=True)
    yield
    shutil.rmtree(farm_data / "logs", ignore_errors=True)


@pytest.fixture
def host() -> HostRow:
    return make_host()


@pytest.fixture
def job() -> JobRow:
    return make_job(cpus=2)


def grant(job: JobRow, host: HostRow, subjob: int = 0) -> int:
    made = GrantRow.objects.create(
        job_id=job.pk, idx=subjob, host_id=host.pk, host_name=host.name, started=job.timesubmit
    )
    return int(made.pk)


def test_the_same_bytes_may_come_any_number_of_times(job: JobRow, host: HostRow) -> None:
    one = grant(job, host)
    for _ in range(3):
        assert logs.append(host.pk, one, "out", 0, b"frame 1\n") == 8
    assert logs.append(host.pk, one, "out", 8, b"frame 2\n") == 16
    assert logs.append(host.pk, one, "out", 0, b"frame 1\n") == 16
    assert logs.read(job.pk, 0, "out") == (b"frame 1\nframe 2\n", 16)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=60), st.data())
def test_pieces_may_come_in_any_order_and_overlap(job: JobRow, host: HostRow, text: bytes, data: st.DataObject) -> None:
    one = grant(job, host)
    cuts = data.draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, len(text))), max_size=6))
    pieces = [(min(cut), max(cut)) for cut in cuts] + [(0, len(text))]
    for start, end in data.draw(st.permutations(pieces)):
        logs.append(host.pk, one, "err", start, text[start:end])
    assert logs.path(job.pk, 0, one, "err").read_bytes() == text


def test_no_bytes_only_ask_how_much_is_here(job: JobRow, host: HostRow) -> None:
    one = grant(job, host)
    assert logs.append(host.pk, one, "out", 0, b"") == 0
    assert not logs.path(job.pk, 0, one, "out").exists()
    logs.append(host.pk, one, "out", 0, b"abc")
    assert logs.append(host.pk, one, "out", 0, b"") == 3


def test_a_host_writes_its_own_grants_only(job: JobRow, host: HostRow) -> None:
    one = grant(job, host)
    with pytest.raises(Refused, match="another host"):
        logs.append(make_host().pk, one, "out", 0, b"x")
    with pytest.raises(NotFound):
        logs.append(host.pk, 424242, "out", 0, b"x")


@pytest.mark.parametrize(("stream", "offset"), [("both", 0), ("../out", 0), ("out", -1), ("out", 2**50)])
def test_a_stream_and_an_offset_are_checked(job: JobRow, host: HostRow, stream: str, offset: int) -> None:
    with pytest.raises(Invalid):
        logs.append(host.pk, grant(job, host), stream, offset, b"x")


def test_bytes_of_a_removed_job_are_not_wanted_any_more(job: JobRow, host: HostRow) -> None:
    one = grant(job, host)
    verbs.remove(job.pk)
    with pytest.raises(NotFound) as refusal:
        logs.append(host.pk, one, "out", 0, b"x")
    assert refusal.value.status == 410


def test_a_subjob_s_log_is_that_of_its_grants_one_after_the_other(job: JobRow, host: HostRow) -> None:
    first, other, second = grant(job, host), grant(job, host, subjob=1), grant(job, host)
    for one, text in ((second, b"cd\n"), (first, b"ab\n"), (other, b"xy\n")):
        logs.append(host.pk, one, "out", 0, text)
    assert logs.stdout(job.pk) == [
        {"data": "ab\ncd\n", "jobid": job.pk, "subid": 0, "fullsize": 6},
        {"data": "xy\n", "jobid": job.pk, "subid": 1, "fullsize": 3},
    ]
    assert [row["data"] for row in logs.stdout(f"{job.pk}.1", str(job.pk))] == ["xy\n", "ab\ncd\n", "xy\n"]
    assert [row["data"] for row in logs.stderr(job.pk)] == ["", ""]


@pytest.mark.parametrize(
    ("pos", "length", "data"),
    [(0, None, "abcdef"), (2, None, "cdef"), (0, 3, "abc"), (1, 3, "bcd"), (3, 2, "de"), (5, 9, "f"), (6, None, ""),
     (99, None, ""), (0, 0, "")],
)  # fmt: skip
def test_a_part_of_a_log_is_read_across_its_files(
    job: JobRow, host: HostRow, pos: int, length: int | None, data: str
) -> None:
    for text in (b"abc", b"def"):
        logs.append(host.pk, grant(job, host), "out", 0, text)
    [row] = logs.stdout(job.pk, pos=pos, len=length)
    assert (row["data"], row["fullsize"]) == (data, 6)


def test_what_is_no_text_is_shown_as_a_question(job: JobRow, host: HostRow) -> None:
    logs.append(host.pk, grant(job, host), "out", 0, b"caf\xe9 \xc3\xa9\n")
    assert logs.stdout(job.pk)[0]["data"] == "caf� é\n"


def test_jobs_that_are_not_there_and_subjobs_that_never_ran_are_absent(job: JobRow, host: HostRow) -> None:
    logs.append(host.pk, grant(job, host), "out", 0, b"x")
    assert logs.stdout(424242, f"{job.pk}.1") == []


def attempts(job: JobRow, host: HostRow) -> tuple[AttemptRow, AttemptRow]:
    """One that ended, with its log, and one after it in the same grant, which runs."""
    done = make_attempt(job, 0, host=host, ending="failed", reported=True, out_from=0, out_to=6, err_from=0, err_to=4)
    now = make_attempt(job, 1, host=host)
    AttemptRow.objects.filter(pk=now.pk).update(grant_id=done.grant_id)
    logs.append(host.pk, done.grant_id, "out", 0, b"out 1\nout 2\n")
    logs.append(host.pk, done.grant_id, "err", 0, b"err\n")
    return done, now


def test_an_attempt_s_log_is_its_part_of_the_file(job: JobRow, host: HostRow) -> None:
    done, now = attempts(job, host)
    assert logs.attempt_log(done.pk, "out") == (b"out 1\n", 6)
    assert logs.attempt_log(done.pk, "err", 1, 2) == (b"rr", 4)
    assert logs.attempt_log(now.pk, "out") == (b"out 2\n", 6)
    assert logs.attempt_log(now.pk, "err") == (b"", 0)
    with pytest.raises(NotFound, match="no attempt"):
        logs.attempt_log(424242, "out")


def test_a_log_that_has_not_come_yet_is_as_long_as_what_is_here(job: JobRow, host: HostRow) -> None:
    late = make_attempt(job, 0, host=host, ending="failed", reported=True, out_from=4, out_to=20)
    assert logs.attempt_log(late.pk, "out") == (b"", 0)
    logs.append(host.pk, late.grant_id, "out", 0, b"0123456789")
    assert logs.attempt_log(late.pk, "out") == (b"456789", 6)
    assert logs.tail(late, 3) == (b"789", False)


def test_both_streams_are_told_attempt_by_attempt(job: JobRow, host: HostRow) -> None:
    attempts(job, host)
    [row] = logs.log(job.pk)
    assert row["data"] == "out 1\nerr\nout 2\n"


def test_one_reading_is_never_too_large(job: JobRow, host: HostRow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "LARGEST_READ", 4)
    logs.append(host.pk, grant(job, host), "out", 0, b"0123456789")
    assert logs.read(job.pk, 0, "out") == (b"0123", 10)
    assert logs.read(job.pk, 0, "out", 8, 100) == (b"89", 10)


def test_logs_are_for_the_farm_s_account_only(job: JobRow, host: HostRow) -> None:
    one = grant(job, host)
    logs.append(host.pk, one, "out", 0, b"x")
    assert logs.path(job.pk, 0, one, "out").stat().st_mode & 0o077 == 0
