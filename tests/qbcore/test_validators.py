"""Well-formed or not: the validators that scripts call before they submit."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore.objects import Job
from qbcore.validators import JobTallyValidator, JobValidator


def example(**fields: Any) -> Job:
    job = Job(
        id=250, name="shot", prototype="cmdrange", package={"cmdline": "echo"}, priority="9999", status="running",
        cpustally={"running": 1}, todotally={"complete": 2, "pending": 0},
        agenda=[{"name": "1", "status": "complete", "id": 0}], subjobs=[{"id": 0, "pid": 250, "status": "running"}],
    )  # fmt: skip
    job.update(fields)
    return job


@pytest.mark.parametrize(
    "tally", [{}, {"complete": 0, "failed": 10**6}, Job(running=1)], ids=["empty", "counts", "an object"]
)
def test_a_tally_counts_from_zero(tally: Any) -> None:
    assert JobTallyValidator.validate(tally)


@pytest.mark.parametrize(
    "tally", [None, [], {"complete": -1}, {"complete": "1"}, {"complete": True}, {1: 1}, {"a": 1.0}]
)
def test_what_does_not_count_is_no_tally(tally: Any) -> None:
    assert not JobTallyValidator.validate(tally)


def test_a_tally_validator_is_a_dictionary() -> None:
    assert JobTallyValidator({"complete": 1}) == {"complete": 1}


def test_a_job_as_built_or_as_read_back_is_well_formed() -> None:
    assert JobValidator.validate(example(), agenda=True, subjobs=True)
    assert JobValidator.validate(example(), True, True, True)
    assert JobValidator.validate({"prototype": "cmdline"})
    assert JobValidator.validate(example(unheard_of=object()))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"prototype": ""}, "prototype"),
        ({"prototype": None}, "prototype"),
        ({"name": None}, "name"),
        ({"name": True}, "name"),
        ({"priority": "high"}, "priority"),
        ({"cpus": 1.5}, "cpus"),
        ({"status": "lost"}, "status"),
        ({"package": []}, "package"),
        ({"env": "A=1"}, "env"),
        ({"hosts": ["a"]}, "hosts"),
        ({"flags": {}}, "flags"),
        ({"todotally": {"complete": -1}}, "todotally"),
        ({"callbacks": {}}, "callbacks"),
        ({"agenda": None}, "agenda"),
        ({"agenda": ["1"]}, "agenda[0]"),
        ({"agenda": [{"status": "pending"}]}, "agenda[0].name"),
        ({"agenda": [{"name": "1"}, {"name": "2", "status": 16}]}, "agenda[1].status"),
        ({"subjobs": [{"id": None}]}, "subjobs[0].id"),
        ({"subjobs": [{"id": 0, "pid": "x"}]}, "subjobs[0].pid"),
    ],
)
def test_the_first_invalid_field_is_named(
    fields: dict[str, Any], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = example(**fields)
    assert not JobValidator.validate(job, agenda=True, subjobs=True)
    assert capsys.readouterr().out == ""
    assert not JobValidator.validate(job, agenda=True, subjobs=True, verbose=True)
    assert capsys.readouterr().out == f"{named}\n"


def test_it_stops_at_the_first_invalid_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert not JobValidator.validate(example(prototype=None, priority="high", env=3), verbose=True)
    assert capsys.readouterr().out == "prototype\n"


def test_items_are_looked_at_only_when_asked() -> None:
    job = example(agenda=[{"status": "lost"}], subjobs=[None])
    assert JobValidator.validate(job)
    assert not JobValidator.validate(job, agenda=True)
    assert not JobValidator.validate(job, subjobs=True)


@pytest.mark.parametrize("thing", [None, "job", [], 5])
def test_what_is_no_dictionary_is_no_job(thing: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert not JobValidator.validate(thing, verbose=True)
    assert capsys.readouterr().out == "job\n"
