"""Jobs kept as XML on the farm's disk."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from qbcore import acting, archiving, filling, jobspec, queries, runs, submission
from qbcore.acting import Actor
from qbcore.archive import recoverjob
from qbcore.errors import Invalid, Refused
from qbcore.models import ArchiveRow, HistoryRow, JobRow, RunRow
from tests.hand import FOUR_FRAMES

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_archive(settings: Any, tmp_path: Path) -> Iterator[Path]:
    settings.FARM_DATA = tmp_path
    yield tmp_path / "archive"


def files(place: Path) -> list[str]:
    return sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())


def test_a_job_is_written_with_its_agenda_and_recorded() -> None:
    going = {"triggers": "complete-job-self", "code": "block-self"}
    job = submission.submit({**FOUR_FRAMES, "name": "shot", "prod_shot": "010", "callbacks": [going]})["id"]
    with acting.acting_as(Actor("alice", "operator")):
        row = archiving.archive(job)
    assert row is not None
    assert row.size == Path(row.path).stat().st_size
    found = recoverjob(row.path)
    assert found is not None
    assert (found["name"], found["prod_shot"]) == ("shot", "010")
    assert [work["name"] for work in found["agenda"]] == ["1", "2", "3", "4"]
    assert [callback["code"] for callback in found["callbacks"]] == ["block-self"]
    line = HistoryRow.objects.get(verb="archive")
    assert (line.actor, line.job_id, line.effect) == ("alice", job, f"{row.size:,} bytes of XML")


def test_an_archive_made_again_replaces_the_file_and_is_recorded_again() -> None:
    job = submission.submit(FOUR_FRAMES)["id"]
    first, second = archiving.archive(job), archiving.archive(job)
    assert first is not None
    assert second is not None
    assert (first.path, ArchiveRow.objects.count()) == (second.path, 2)


def test_there_is_nothing_to_archive_of_an_unknown_job() -> None:
    assert archiving.archive(424242) is None


def test_an_artist_archives_their_own_jobs_only() -> None:
    job = submission.submit({**FOUR_FRAMES, "user": "mira"})["id"]
    with acting.acting_as(Actor("jonas", "artist")), pytest.raises(Refused):
        archiving.archive(job)
    with acting.acting_as(Actor("mira", "artist")):
        assert archiving.archive(job)
    assert ArchiveRow.objects.get().by == "mira"


class DiedError(BaseException):
    """The process was ended here."""


def dies(*args: Any, **kwargs: Any) -> Any:
    raise DiedError


def test_a_death_before_the_record_leaves_a_whole_file_and_no_row(
    empty_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submission.submit(FOUR_FRAMES)["id"]
    monkeypatch.setattr(archiving, "record", dies)
    with pytest.raises(DiedError):
        archiving.archive(job)
    assert files(empty_archive) == [f"{job // 1000:06d}/{job}.xml"]
    assert recoverjob(empty_archive / f"{job // 1000:06d}" / f"{job}.xml") is not None
    assert ArchiveRow.objects.count() == HistoryRow.objects.filter(verb="archive").count() == 0


def test_what_breaks_while_it_is_written_leaves_the_archive_that_was_there(
    empty_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submission.submit({**FOUR_FRAMES, "name": "before"})["id"]
    archiving.archive(job)
    monkeypatch.setattr(archiving, "items", lambda ids: (item for item in [{"name": "1"}, object()]))
    with pytest.raises(Invalid, match="agenda"):
        archiving.archive(job)
    assert files(empty_archive) == [f"{job // 1000:06d}/{job}.xml"]
    found = recoverjob(empty_archive / f"{job // 1000:06d}" / f"{job}.xml")
    assert found is not None and found["name"] == "before"
    assert ArchiveRow.objects.count() == 1


def test_an_unfinished_file_of_a_dead_process_is_cleared_away_and_a_young_one_is_not(empty_archive: Path) -> None:
    job = submission.submit(FOUR_FRAMES)["id"]
    unfinished = empty_archive / "unfinished"
    unfinished.mkdir(parents=True)
    for name, age in (("old.xml", archiving.STALE + 60), (".old.part", archiving.STALE + 60), ("young.xml", 60)):
        (unfinished / name).write_text("half")
        os.utime(unfinished / name, (time.time() - age,) * 2)
    archiving.archive(job)
    assert files(empty_archive) == [f"{job // 1000:06d}/{job}.xml", "unfinished/young.xml"]


def test_an_archive_holds_the_frames_that_are_not_stored_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobspec, "LONG", 10)
    monkeypatch.setattr(filling, "SLICE", 5)
    package = {"cmdline": "true", "range": "20--3"}
    job = submission.submit({"prototype": "cmdrange", "package": package})["id"]
    assert JobRow.objects.get(pk=job).unfilled == 19
    row = archiving.archive(job)
    assert row is not None
    found = recoverjob(row.path)
    assert found is not None
    assert [(item["id"], item["name"]) for item in found["agenda"]] == list(enumerate(map(str, range(20, -4, -1))))
    assert {item["status"] for item in found["agenda"]} == {"pending"}
    filling.fill(job)
    whole = queries.jobinfo(id=job, agenda=True)[0]["agenda"]
    unlike = ("lastupdate",)
    assert [{**item, **dict.fromkeys(unlike)} for item in whole] == [
        {**item, **dict.fromkeys(unlike)} for item in found["agenda"]
    ]


@pytest.mark.django_db(transaction=True)
def test_a_bulk_run_writes_files_outside_of_its_transactions_and_keeps_its_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = [submission.submit(FOUR_FRAMES)["id"] for _ in range(2)]
    with acting.acting_as(Actor("alice", "operator")):
        run = runs.start("archive", runs.Selection(jobs=tuple(jobs)))
    inside: list[bool] = []
    leases = []
    real = archiving.archivejob

    def spy(*args: Any) -> int:
        size = real(*args)
        inside.append(connection.in_atomic_block)
        leases.append(RunRow.objects.get(pk=run).lease)
        return size

    monkeypatch.setattr(archiving, "EVERY", 2)
    monkeypatch.setattr(archiving, "archivejob", spy)
    runs.execute(run, "me")
    row = RunRow.objects.get(pk=run)
    assert (row.state, row.changed, inside) == ("done", 2, [False, False])
    assert leases == sorted(set(leases)), "each file prolonged the lease"
    assert list(ArchiveRow.objects.order_by("job_id").values_list("job_id", "by")) == [(job, "alice") for job in jobs]


def test_a_disk_that_is_full_is_an_error_of_that_job_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = [submission.submit(FOUR_FRAMES)["id"] for _ in range(2)]
    run = runs.start("archive", runs.Selection(jobs=tuple(jobs)))
    real = archiving.archivejob

    def full(path: Path, job: Any) -> int:
        if job["id"] == jobs[0]:
            raise OSError(28, "No space left on device")
        return real(path, job)

    monkeypatch.setattr(archiving, "archivejob", full)
    runs.execute(run, "me")
    row = RunRow.objects.get(pk=run)
    assert (row.state, row.changed, row.errors) == ("done", 1, 1)
    assert list(ArchiveRow.objects.values_list("job_id", flat=True)) == jobs[1:]
    assert "No space left" in caplog.text
