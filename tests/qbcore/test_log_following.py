"""Who follows a log: each piece once, attempt by attempt, and in the end what a reader of the whole log reads."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from qbcore import logs
from qbcore.acting import Actor, acting_as
from qbcore.errors import Invalid
from qbcore.logs import following
from qbcore.logs.weaving import cut_off
from qbcore.models import AttemptRow, HostRow, JobRow, SubjobRow, WorkRow
from qbcore.states import Status
from tests.make import make_attempt, make_host, make_job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def host(farm_data: Path) -> Iterator[HostRow]:
    shutil.rmtree(farm_data / "logs", ignore_errors=True)
    yield make_host()
    shutil.rmtree(farm_data / "logs", ignore_errors=True)


@pytest.fixture
def job() -> JobRow:
    return make_job(frames={Status.RUNNING: 2})


class Follower:
    """Asks as the command line does; what it was told is kept in `text` and `parts`."""

    def __init__(self, *ids: Any) -> None:
        self.ids = ids
        self.since: dict[str, str] = {}
        self.parts: list[dict[str, Any]] = []
        self.over = False

    def ask(self) -> str:
        rows = logs.log(*self.ids, since=self.since)
        self.since = {row["id"]: row["next"] for row in rows}
        self.over = all(row["over"] for row in rows)
        fresh = [part for row in rows for part in row["parts"]]
        self.parts += fresh
        return "".join(part["data"] for part in fresh)


def write(attempt: AttemptRow, out: bytes = b"", err: bytes = b"", marks: bytes = b"") -> None:
    for stream, data in (("out", out), ("err", err), ("marks", marks)):
        if data:
            at = logs.append(attempt.host_id, attempt.grant_id, stream, 0, b"")
            logs.append(attempt.host_id, attempt.grant_id, stream, at, data)


def end(attempt: AttemptRow, out: int, err: int) -> None:
    AttemptRow.objects.filter(pk=attempt.pk).update(
        reported=True, ended=timezone.now(), ending="complete", out_to=out, err_to=err
    )


def test_both_streams_come_in_the_order_of_time_each_byte_once(job: JobRow, host: HostRow) -> None:
    one = make_attempt(job, 0, host=host, seconds=0)
    follower = Follower(job.pk)
    write(one, marks=b"1 0 0\n", out=b"out 1\n")
    assert follower.ask() == "", "its mark is on its way"
    write(one, marks=b"200 6 0\n")
    assert follower.ask() == "out 1\n"
    write(one, err=b"err 1\n", out=b"out 2\nhalf", marks=b"400 6 6\n600 16 6\n")
    assert follower.ask() == "err 1\nout 2\n"
    write(one, out=b" line\n", marks=b"800 22 6\n")
    end(one, 22, 6)
    assert follower.ask() == "half line\n"
    assert follower.ask() == ""
    assert "".join(part["data"] for part in follower.parts) == logs.log(job.pk)[0]["data"]
    assert {(part["frame"], part["host"], part["number"]) for part in follower.parts} == {("1", host.name, 1)}


def test_the_next_attempt_is_told_once_all_of_the_one_before_it_was(job: JobRow, host: HostRow) -> None:
    one = make_attempt(job, 1, host=host, seconds=0)
    write(one, out=b"first\n", marks=b"1 0 0\n100 6 0\n")
    end(one, 6, 3)
    other = make_attempt(job, 0, host=host, seconds=0, out_from=6, err_from=3)
    AttemptRow.objects.filter(pk=other.pk).update(grant_id=one.grant_id)
    follower = Follower(job.pk)
    write(one, out=b"second\n")
    assert follower.ask() == "first\n", "three bytes of it have not come"
    write(one, err=b"!!\n", marks=b"200 6 3\n300 13 3\n")
    assert follower.ask() == "!!\nsecond\n"
    assert [part["frame"] for part in follower.parts] == ["2", "2", "1"]


def test_a_quiet_attempt_in_front_hides_none_behind_it(job: JobRow, host: HostRow) -> None:
    quiet = make_attempt(job, 1, host=host, seconds=0)
    write(quiet, marks=b"1 0 0\n")
    end(quiet, 0, 0)
    follower = Follower(job.pk)
    assert follower.ask() == "" and not follower.over
    loud = make_attempt(job, 0, host=host, seconds=0)
    AttemptRow.objects.filter(pk=loud.pk).update(grant_id=quiet.grant_id)
    write(quiet, out=b"here\n", marks=b"100 5 0\n")
    assert follower.ask() == "here\n"


def test_of_an_attempt_that_was_lost_with_its_host_the_rest_is_told_too(job: JobRow, host: HostRow) -> None:
    lost = make_attempt(job, 0, host=host, seconds=60)
    write(lost, out=b"no mark\n", marks=b"1 0 0\n")
    follower = Follower(job.pk)
    assert follower.ask() == ""
    AttemptRow.objects.filter(pk=lost.pk).update(ending="lost", ended=timezone.now() - timedelta(seconds=60))
    assert follower.ask() == "no mark\n"
    again = make_attempt(job, 0, host=host, seconds=0, number=2)
    write(again, out=b"again\n", marks=b"1 0 0\n9 6 0\n")
    assert follower.ask() == "again\n"
    assert follower.parts[-1]["number"] == 2


def test_a_frame_is_followed_over_its_attempts_until_it_has_ended(job: JobRow, host: HostRow) -> None:
    for pos, text in ((0, b"other\n"), (1, b"mine\n")):
        one = make_attempt(job, pos, host=host, seconds=0)
        write(one, out=text, marks=b"1 0 0\n9 %d 0\n" % len(text))
        end(one, len(text), 0)
    follower = Follower(f"{job.pk}:2")
    assert follower.ask() == "mine\n" and not follower.over
    WorkRow.objects.filter(job_id=job.pk, pos=1).update(status=Status.COMPLETE)
    follower.ask()
    assert follower.over


def test_it_is_over_with_the_job_and_its_log(job: JobRow, host: HostRow) -> None:
    one = make_attempt(job, 0, host=host, seconds=0)
    write(one, out=b"1\n", marks=b"1 0 0\n9 2 0\n")
    SubjobRow.objects.filter(job_id=job.pk).update(status=Status.COMPLETE)
    JobRow.objects.filter(pk=job.pk).update(status=Status.COMPLETE)
    follower = Follower(f"{job.pk}.0")
    assert follower.ask() == "1\n" and not follower.over, "its attempt was not reported"
    end(one, 2, 0)
    assert follower.ask() == "" and follower.over


def test_long_logs_come_in_parts_that_cut_no_character(
    job: JobRow, host: HostRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MOST", 7)
    text = "äöü€😀\n" * 5
    one = make_attempt(job, 0, host=host, seconds=0)
    write(one, out=text.encode(), marks=b"1 0 0\n9 %d 0\n" % len(text.encode()))
    end(one, len(text.encode()), 0)
    follower = Follower(job.pk)
    while follower.ask():
        assert len(follower.parts) < 100
    assert "".join(part["data"] for part in follower.parts) == text


@pytest.mark.parametrize("text", ["a", "ä", "€", "😀", ""])
def test_the_begin_of_a_character_is_told_from_a_whole_one(text: str) -> None:
    data = b"a" + text.encode()
    assert cut_off(data) == 0
    for count in range(1, len(text.encode())):
        assert cut_off(data[:-count]) == len(text.encode()) - count
    assert cut_off(b"\x80\x80\x80\x80") == 0


@pytest.mark.parametrize("since", [{"1.0": "x"}, {"1.0": 5}, {"1.0": "1:-2"}, {"1.0": ["1:2"]}])
def test_a_place_that_is_none_is_named(job: JobRow, host: HostRow, since: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="no place in a log"):
        logs.log(job.pk, since={f"{job.pk}.0": next(iter(since.values()))})


def test_a_frame_that_is_not_there_is_named(job: JobRow) -> None:
    with pytest.raises(Invalid, match="no frame '99'"):
        logs.log(f"{job.pk}:99", since={})


def test_who_may_not_see_the_job_is_told_nothing(job: JobRow, host: HostRow) -> None:
    with acting_as(Actor(name="attempt", role="attempt", job=job.pk + 1)):
        assert logs.log(job.pk, since={}) == []
