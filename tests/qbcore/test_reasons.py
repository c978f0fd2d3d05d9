"""What a job says of itself when it does not run: retries, blocked frames, failures, operands that nobody has."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import folding, links, queries, submission, verbs
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Hand, drive, job_in

pytestmark = pytest.mark.django_db


def submit(**given: Any) -> int:
    return int(submission.submit({**FOUR_FRAMES, **given})["id"])


def reason(job: int) -> str:
    folding.sweep()
    return str(queries.jobinfo(id=job)[0]["reason"])


def test_a_job_that_waits_for_retries_says_for_how_long() -> None:
    said = reason(job_in(Status.WAITING)).split()
    assert (said[0], said[2:]) == ("waits", ["s", "for", "retries"])
    assert 0 < int(said[1]) <= 100


def test_a_failed_job_counts_its_failed_frames() -> None:
    job = submit(cpus=1)
    drive(Hand(slots=1), exits=lambda frame: int(frame["name"] == "2"))
    assert reason(job) == "1 of 4 frames failed"


def test_a_failed_command_counts_its_subjobs() -> None:
    job = int(submission.submit({"prototype": "cmdline", "package": {"cmdline": "false"}})["id"])
    drive(Hand(slots=1), exits=lambda frame: 1)
    assert reason(job) == "1 of 1 subjob failed"


def test_a_job_whose_frames_are_all_blocked_says_what_to_do() -> None:
    job = submit()
    verbs.blockwork([f"{job}:{name}" for name in range(1, 5)])
    assert reason(job) == "all its frames are blocked: unblock them"


def test_a_job_whose_last_frames_are_blocked_says_so() -> None:
    job = submit()
    verbs.blockwork(f"{job}:4")
    drive(Hand(slots=1))
    assert reason(job) == "all frames that are left are blocked: unblock them"


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        ("host.bogus == 1", "no host satisfies requirements: host.bogus == 1; no host has host.bogus"),
        ("job.bogus == 1", "no host satisfies requirements: job.bogus == 1; the job has no job.bogus"),
        ("host.memory > 9000000", "no host satisfies requirements: host.memory > 9000000"),
    ],
)
def test_an_operand_that_nobody_has_is_named(requirements: str, said: str) -> None:
    Hand()
    assert reason(submit(requirements=requirements)) == said


def test_the_line_of_a_submission_warns_of_what_no_host_reports() -> None:
    Hand()
    for requirements, warned in (("host.bogus == 1", True), ("host.processors.avail > 1", False), ("", False)):
        line = queries.hist(submit(requirements=requirements))[0]["comment"]
        assert ("no host of this farm reports host.bogus" in line) == warned


@pytest.mark.parametrize(
    ("dependency", "words"),
    [
        ("38", "38 to complete"),
        ("done-job-38", "38 to end"),
        ("link-failed-job-sim", "sim to fail"),
        ("link-complete-work-sim", "frames of sim"),
        ("killed-work-sim:7", "frame 7 of sim to be killed"),
        ("done-subjob-250", "all subjobs of 250 to end"),
        ("complete-subjob-250.0", "subjob 250.0 to complete"),
        ("complete-subjob-sim.0, done-work-38", "subjob sim.0 to complete and frames of 38 to end"),
    ],
)
def test_a_dependency_is_said_in_words(dependency: str, words: str) -> None:
    assert links.in_words(dependency) == words
