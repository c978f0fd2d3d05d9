"""Jobs kept as XML on the farm's disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from qbcore import acting, archiving, submission
from qbcore.acting import Actor
from qbcore.archive import recoverjob
from qbcore.errors import Refused
from qbcore.models import ArchiveRow, HistoryRow
from tests.hand import FOUR_FRAMES

pytestmark = pytest.mark.django_db


def test_a_job_is_written_with_its_agenda_and_recorded() -> None:
    job = submission.submit({**FOUR_FRAMES, "name": "shot", "prod_shot": "010"})["id"]
    with acting.acting_as(Actor("alice", "operator")):
        row = archiving.archive(job)
    assert row is not None
    assert row.size == Path(row.path).stat().st_size
    found = recoverjob(row.path)
    assert found is not None
    assert (found["name"], found["prod_shot"]) == ("shot", "010")
    assert [work["name"] for work in found["agenda"]] == ["1", "2", "3", "4"]
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
