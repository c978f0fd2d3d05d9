"""Archives and the farm: a job that was submitted, archived, recovered and submitted again is the same job."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qbcore.archive import archivejob, dumps, recoverjob
from qbcore.constants import QB_API_BINARY, QB_API_XML
from qbcore.objects import Callback, Job, Subjob, Work
from qbcore.queries import jobinfo
from qbcore.submission import submit

DATA = Path(__file__).resolve().parents[1] / "data" / "archive"
OF_THIS_RUN = {"id", "pid", "pgrp", "jobid", "timesubmit", "timecomplete", "lastupdate", "localorder"}
"""What a job gets when it is submitted, not what it says."""

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
plain = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
items = st.fixed_dictionaries(
    {"name": st.text(st.sampled_from("0123456789-abc :"), min_size=1, max_size=8)},
    optional={"status": st.sampled_from(["pending", "blocked"]), "package": st.dictionaries(texts, values, max_size=2)},
)
callbacks = st.fixed_dictionaries(
    {
        "triggers": st.sampled_from(["complete-job-self", ["failed-work-self-*", "killed-job-250 && done-job-self"]]),
        "code": st.sampled_from(["", "block-self", "mail-status"]),
    },
    optional={
        "language": st.sampled_from(["qube", "mail", "python"]),
        "maximum": st.integers(0, 3),
        "our_own_key": values,
    },
)
jobs = st.fixed_dictionaries(
    {
        "prototype": st.just("cmdrange"),
        "package": st.dictionaries(texts, values, max_size=3).map(lambda extra: {**extra, "cmdline": "true"}),
    },
    optional={
        "name": texts,
        "label": st.sampled_from(["", "beauty", "shot 10"]),
        "notes": texts,
        "cwd": texts,
        "priority": st.integers(-5, 20_000),
        "cpus": st.integers(1, 5) | st.sampled_from(["2", "3"]),
        "flags": st.sampled_from([0, 8, "auto_mount,p_agenda", "32768"]),
        "status": st.sampled_from(["pending", "blocked"]),
        "requirements": st.sampled_from(["", "host.os == linux and host.memory.avail > 4000"]),
        "reservations": st.sampled_from(["", "host.processors=2,host.memory=400"]),
        "retrywork": st.integers(0, 9),
        "timelimit": st.integers(-1, 9999),
        "env": st.dictionaries(st.text(st.sampled_from("ABC_"), min_size=1), texts, max_size=2),
        "prod_show": texts,
        "prod_shot": texts,
        "our_own_key": values,
        "agenda": st.lists(items, max_size=5),
        "callbacks": st.lists(callbacks, max_size=2),
        "max_cpus": st.integers(0, 9),
        "hostorder": st.sampled_from(["", "-host.memory.avail"]),
        "preflights": st.lists(st.just("true"), max_size=1),
    },
).map(lambda job: job if "agenda" in job else {**job, "package": {**job["package"], "range": "1-3"}})


def only_blocked(job: dict[str, Any]) -> bool:
    """Such a job reads blocked, and submitted again it is held as a whole."""
    return {item.get("status") for item in job.get("agenda", ())} == {"blocked"} and job.get("status") != "blocked"


def said(value: Any) -> Any:
    """A job without what a submission gives it."""
    if isinstance(value, dict):
        return {key: said(inner) for key, inner in value.items() if key not in OF_THIS_RUN}
    return [said(inner) for inner in value] if isinstance(value, list) else value


def whole(number: int) -> Job:
    return jobinfo(id=number, agenda=True, subjobs=True, callbacks=True)[0]


@pytest.mark.django_db
@given(jobs.filter(lambda job: not only_blocked(job)), st.sampled_from([QB_API_XML, QB_API_BINARY]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_a_job_comes_back_from_its_archive_and_submitted_again_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, job: dict[str, Any], form: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "job.archive"
    first = whole(submit(copy.deepcopy(job))["id"])
    archivejob(file, first, form)
    recovered = recoverjob(file)
    assert recovered == first
    again = whole(submit(recovered)["id"])
    assert again["id"] != first["id"]
    assert said(again) == said(first)


def kept() -> Job:
    """The job of the files in tests/data/archive, which version 1 wrote."""
    return Job(
        id=277, pid=0, pgrp=277, name="shot_010 \u2013 Gl\u00e4ser & <Licht>", prototype="cmdrange", priority=9999,
        status="failed", reason="", cpus=2, todo=3, cwd="C:\\shows\\ufo", flags=8, timestart=946702800,
        env={"PATH": "/opt/bin:/usr/bin", "TAB\there": "line\nfeed\rreturn\x07bell"},
        package={
            "cmdline": "render \\\\nas\\user -f QB_FRAME_NUMBER", "range": "1-3", "nested": {"a": [1, [2.5, None], {}]},
            "huge": 10**40, "small": -0.0, "endless": float("inf"), "yes": True, "no": False, "none": None, "": "empty",
        },
        cpustally={"complete": 1, "failed": 1}, todotally={"complete": 2, "failed": 1},
        agenda=[
            Work(id=0, name="1", status="complete", resultpackage={"seconds": 1.25}),
            Work(id=1, name="2", status="failed", resultpackage=None, package={"layer": "beauty"}),
            Work(id=2, name="left eye", status="complete", resultpackage=[]),
        ],
        subjobs=[Subjob(id=0, pid=277, host="qb003", status="failed")],
        callbacks=[Callback(id=5, triggers="failed-job-self", language="mail", code="mail-status")],
    )  # fmt: skip


def exact(value: Any) -> Any:
    """The value with the type of every part: 1 and True differ, and so do 0.0 and -0.0."""
    if isinstance(value, dict):
        return {key: exact(inner) for key, inner in value.items()}
    return [exact(inner) for inner in value] if isinstance(value, list) else (type(value), repr(value))


@pytest.mark.parametrize("name", ["version1.xml", "version1.qbjob"])
def test_a_file_that_version_1_wrote_stays_readable(name: str) -> None:
    found = recoverjob(DATA / name)
    assert found == kept()
    assert exact(found) == exact(kept())
    assert [type(found[key][0]) for key in ("agenda", "subjobs", "callbacks")] == [Work, Subjob, Callback]


def test_the_xml_of_version_1_is_written_as_ever() -> None:
    assert dumps(kept()) == (DATA / "version1.xml").read_bytes()
