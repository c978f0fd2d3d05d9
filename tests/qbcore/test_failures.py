"""The error line of a failed attempt is found in its own log, once that is here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from qbcore import failures, logs
from qbcore.models import AttemptRow, HostRow, JobRow
from tests.make import make_attempt, make_host, make_job

pytestmark = pytest.mark.django_db
LOG = b"Loading scene\nPossible Parse Error: Cannot find include file 'tower.inc'.\nFatal error in parser\n"


@pytest.fixture(autouse=True)
def no_old_logs(farm_data: Path) -> Iterator[None]:
    shutil.rmtree(farm_data / "logs", ignore_errors=True)
    yield
    shutil.rmtree(farm_data / "logs", ignore_errors=True)


@pytest.fixture
def host() -> HostRow:
    return make_host()


@pytest.fixture
def job() -> JobRow:
    return make_job()


def failed(job: JobRow, host: HostRow, size: int = 0, **columns: Any) -> AttemptRow:
    """An attempt that wrote *size* bytes to standard error and failed."""
    said = {"ending": "failed", "reported": True, "exit_code": 1, "err_to": size, **columns}
    return make_attempt(job, 0, host=host, **said)


def line(attempt: AttemptRow) -> str:
    return AttemptRow.objects.get(pk=attempt.pk).error_line


def test_the_line_that_tells_is_found_in_the_attempt_s_log(job: JobRow, host: HostRow) -> None:
    attempt = failed(job, host, len(LOG))
    logs.append(host.pk, attempt.grant_id, "err", 0, LOG)
    assert failures.explain([attempt.pk]) == 1
    assert "tower.inc" in line(attempt)
    assert AttemptRow.objects.get(pk=attempt.pk).error_key


def test_another_attempt_s_bytes_in_the_same_file_do_not_count(job: JobRow, host: HostRow) -> None:
    attempt = failed(job, host, len(LOG) + 5, err_from=len(LOG))
    logs.append(host.pk, attempt.grant_id, "err", 0, LOG + b"fine\n")
    failures.explain([attempt.pk])
    assert "tower.inc" not in line(attempt)


def test_a_report_that_overtook_its_log_is_explained_when_the_log_is_here(job: JobRow, host: HostRow) -> None:
    attempt = failed(job, host, len(LOG))
    logs.append(host.pk, attempt.grant_id, "err", 0, LOG[:10])
    assert (failures.explain([attempt.pk]), failures.explain_recent(), line(attempt)) == (0, 0, "")
    logs.append(host.pk, attempt.grant_id, "err", 10, LOG[10:])
    assert failures.explain_recent() == 1
    assert "tower.inc" in line(attempt)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"exit_code": 3}, "exit code 3 without an error line"),
        ({"exit_code": None, "signal": 9}, "signal 9"),
        ({"exit_code": None, "message": "no such command: renderx"}, "no such command: renderx"),
    ],
)
def test_without_a_line_how_it_ended_is_told(job: JobRow, host: HostRow, columns: dict[str, Any], said: str) -> None:
    attempt = failed(job, host, **columns)
    failures.explain([attempt.pk])
    assert said in line(attempt)


def test_what_is_explained_stays_and_only_failures_are(job: JobRow, host: HostRow) -> None:
    explained = failed(job, host, error_line="by hand", error_key="by hand")
    good = failed(job, host, ending="complete", exit_code=0)
    lost = failed(job, host, ending="lost", exit_code=None)
    assert failures.explain([explained.pk, good.pk, lost.pk]) == 0
    assert [line(one) for one in (explained, good, lost)] == ["by hand", "", ""]


def test_a_log_that_never_comes_is_not_waited_for_for_ever(job: JobRow, host: HostRow) -> None:
    attempt = failed(job, host, len(LOG))
    AttemptRow.objects.update(ended=timezone.now() - timedelta(hours=1))
    logs.append(host.pk, attempt.grant_id, "err", 0, LOG)
    assert failures.explain_recent() == 0
