"""Times and flags as people write them, in what jobinfo finds and in which order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from qbcore import queries, submission
from qbcore.errors import Invalid
from qbcore.models import JobRow
from tests.hand import FOUR_FRAMES
from tests.make import make_job

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("text", ["2001-01-02", "2001-01-02 18:30", "2001-01-02T18:30:00+02:00", "2001-01-02T18:30Z"])
def test_a_time_may_be_an_iso_text(text: str) -> None:
    job = make_job().pk
    assert [one["id"] for one in queries.jobinfo(submittedAfter=text)] == [job]
    assert queries.jobinfo(updatedBefore=text) == []


@pytest.mark.parametrize("name", ["submittedAfter", "submittedBefore", "updatedAfter", "updatedBefore"])
@pytest.mark.parametrize("wrong", ["2026-13-01", "yesterday", [5]])
def test_what_is_no_time_is_refused_by_the_argument_s_name(name: str, wrong: Any) -> None:
    with pytest.raises(Invalid) as refused:
        queries.jobinfo(**{name: wrong})
    assert refused.value.field == name and "is no time" in str(refused.value)


@pytest.mark.parametrize("name", ["timestart", "timecomplete"])
def test_jobs_are_ordered_by_a_time_and_one_that_never_was_comes_before_all(name: str) -> None:
    never, late, early = (make_job().pk for _ in range(3))
    for job, ago in ((late, 1), (early, 9)):
        JobRow.objects.filter(pk=job).update(**{name: Now() - timedelta(hours=ago)})
    assert [one["id"] for one in queries.jobinfo(orderby=name)] == [never, early, late]
    assert [one["id"] for one in queries.jobinfo(orderby=f"{name} DESC")] == [late, early, never]


@pytest.mark.parametrize("name", ["timesubmit", "lastupdate"])
def test_jobs_are_ordered_by_when_they_came_and_changed(name: str) -> None:
    column = {"lastupdate": "updated"}.get(name, name)
    late, early = (make_job().pk for _ in range(2))
    JobRow.objects.filter(pk=early).update(**{column: Now() - timedelta(hours=9)})
    assert [one["id"] for one in queries.jobinfo(orderby=name)] == [early, late]


@pytest.mark.parametrize("flags", ["auto_wrangling,mail", "mail,auto_wrangling", 17408, "17408", ["mail", "17408"]])
def test_jobs_are_found_by_the_names_of_their_flags(flags: Any) -> None:
    job = submission.submit({**FOUR_FRAMES, "flags": "auto_wrangling,mail"})["id"]
    submission.submit(FOUR_FRAMES)
    assert [one["id"] for one in queries.jobinfo(filters={"flags": flags})] == [job]


def test_a_name_that_is_no_flag_is_refused() -> None:
    with pytest.raises(Invalid, match="there is no flag named 'wrangle'"):
        queries.jobinfo(filters={"flags": "wrangle"})


@pytest.mark.parametrize("cpus", [0, -3, "-3", 10_001])
def test_a_wrong_number_of_subjobs_is_refused_with_one_sentence(cpus: Any) -> None:
    with pytest.raises(Invalid, match=f"cpus: {cpus} is not a number of subjobs: give 1 to 10,000"):
        submission.submit({**FOUR_FRAMES, "cpus": cpus})
