"""Files of frames: what a job may say of them, what a report says, and how long a report waits for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qbcore import submission
from qbcore.errors import Invalid
from qbcore.models import AttemptRow
from qbcore.queries import jobinfo
from qbcore.worker.journal import Journal
from qbcore.worker.outputs import WAIT, WAIT_LONG, Check
from qbcore.worker.reports import Reports
from tests.hand import Hand

JOB: dict[str, Any] = {"prototype": "cmdrange", "package": {"cmdline": "true", "range": "1"}}


@pytest.mark.django_db
@pytest.mark.parametrize("retries", [0, 1])
def test_a_frame_whose_files_are_missing_fails_and_is_tried_again_while_it_may_be(retries: int) -> None:
    submission.submit({**JOB, "retrywork": retries})
    hand = Hand(slots=1)
    hand.begin()
    [(grant, frame)] = hand.frames
    result = {"outputs": [{"path": "/out/a.exr", "missing": True}]}
    line = hand.ended(grant, frame, reason="outputs", message="missing output: /out/a.exr", result=result)
    hand.sync(reports=[line])
    attempt = AttemptRow.objects.get(pk=frame["attempt"])
    assert (attempt.ending, attempt.exit_code, attempt.message) == ("failed", 0, "missing output: /out/a.exr")
    [work] = jobinfo(agenda=True)[0]["agenda"]
    assert (work["status"], work["resultpackage"]) == ("pending" if retries else "failed", result)


@pytest.mark.django_db
@pytest.mark.parametrize("prototype", ["cmdrange", "studio"])
@pytest.mark.parametrize("said", [{"progress": "("}, {"progress": "no group"}, {"outputPaths": 5}])
def test_a_job_is_refused_for_what_no_worker_could_use(prototype: str, said: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        submission.submit({**JOB, "prototype": prototype, "package": {**JOB["package"], **said}})
    assert refused.value.field == f"package.{next(iter(said))}"


def waiting(tmp_path: Path, check: Check) -> Reports:
    """One report that waits for its files since second 100."""
    reports = Reports(Journal(tmp_path / "reports.jsonl"), 100.0)
    line = {"attempt": 1, "grant": 1, "reason": "exit", "exit": 0, "message": "", "result": {}}
    reports.add(line, [], 100.0, check)
    return reports


@pytest.mark.parametrize("must", [False, True])
def test_a_report_waits_for_its_files_and_not_for_ever(tmp_path: Path, must: bool) -> None:
    check = Check(1, [str(tmp_path / "a")], must, frozenset({str(tmp_path / "a")}))
    reports = waiting(tmp_path, check)
    patience = WAIT_LONG if must else WAIT
    assert reports.take(100.0 + patience - 0.1) == []
    assert (reports.due(100.0), reports.due(102.0)) == (102.0, 100.0 + patience if must else 100.05)
    [line] = reports.take(100.0 + patience)
    assert (line["reason"], line["result"]) == ("outputs" if must else "exit", {})
    check.look()
    assert reports.take(200.0) == [line], "what was said once is said again"


def test_a_report_goes_out_as_soon_as_its_files_were_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("123")
    told: list[Any] = []
    check = Check(1, [str(tmp_path / "a")], False, frozenset(), lambda *said: told.append(said))
    reports = waiting(tmp_path, check)
    check.look()
    [line] = reports.take(100.0)
    assert line["result"]["outputPaths"] == str(tmp_path / "a") and told == []
    reports.accept([1])
    assert told == [(1, [str(tmp_path / "a")], None)], "thumbnails come once the supervisor knows the attempt"
