"""Which items an id of work means, also where a range is far longer than the job."""

from __future__ import annotations

import pytest

from qbcore import submission, verbs
from qbcore.models import HistoryRow, WorkRow
from qbcore.states import Status

pytestmark = pytest.mark.django_db


def job_of(*names: str) -> int:
    agenda = [{"name": name} for name in names]
    job = {"prototype": "cmdrange", "package": {"cmdline": "true"}, "agenda": agenda}
    return int(submission.submit(job)["id"])


def blocked(job: int, *ids: str) -> list[str]:
    """What blockwork changed, without the job's id."""
    return [one.partition(":")[2] for one in verbs.blockwork(*(f"{job}:{name}" for name in ids))]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["3"], ["3"]),
        (["2-4"], ["2", "3", "4"]),
        (["1-5x2"], ["1", "3", "5"]),
        (["2,4"], ["2", "4"]),
        (["4", "2"], ["2", "4"]),
        (["2-3", "3-4"], ["2", "3", "4"]),
        (["*"], ["1", "2", "3", "4", "5"]),
        (["7"], []),
        (["left"], []),
        (["2,left"], []),
        (["3", "nonsense-"], ["3"]),
        (["1-999999999999999999"], ["1", "2", "3", "4", "5"]),
        (["2-999999999999999999x2"], ["2", "4"]),
        (["999999999999999999-4"], ["4", "5"]),
        (["1,3-999999999999999999"], ["1", "3", "4", "5"]),
    ],
)
def test_an_id_means_items_by_name_or_by_range(asked: list[str], found: list[str]) -> None:
    assert blocked(job_of("1", "2", "3", "4", "5"), *asked) == found


@pytest.mark.parametrize(
    ("names", "asked", "found"),
    [
        (["1-3", "1", "2", "3"], "1-3", ["1-3"]),
        (["1-3", "4-6"], "1-6", []),
        (["a,b", "a"], "a,b", ["a,b"]),
        (["left", "right"], "left", ["left"]),
        (["7", "7", "8"], "7", ["7", "7"]),
        (["-2", "-1", "0"], "-2--1", ["-2", "-1"]),
        (["007", "7"], "1-10", ["7"]),
        (["007", "7"], "1-9999999", ["7"]),
        (["5:9", "5"], "5:9", ["5:9"]),
    ],
)
def test_an_exact_name_wins_and_frames_are_bare_numbers(names: list[str], asked: str, found: list[str]) -> None:
    assert blocked(job_of(*names), asked) == found


def test_a_call_on_many_frames_goes_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "SLICE", 4)
    job = job_of(*(str(number) for number in range(1, 11)))
    assert blocked(job, "*") == [str(number) for number in range(1, 11)]
    assert set(WorkRow.objects.values_list("status", flat=True)) == {Status.BLOCKED}
    assert list(HistoryRow.objects.filter(verb="blockwork").order_by("pk").values_list("frames", flat=True)) == [
        "1-4", "5-8", "9-10",
    ]  # fmt: skip


def test_history_names_frames_as_ranges_words_as_they_are_and_cuts_what_is_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verbs, "NAMED_IN_HISTORY", 3)
    for names in (["1", "3", "2"], ["left", "right"], ["01", "02"], ["1", "2", "3", "4"]):
        blocked(job_of(*names), "*")
    lines = HistoryRow.objects.filter(verb="blockwork").order_by("pk").values_list("frames", flat=True)
    assert list(lines) == ["1-3", "left,right", "01,02", "1 … 4"]


def test_items_of_several_jobs_go_in_one_call() -> None:
    first, second = job_of("1", "2"), job_of("1", "2")
    assert verbs.blockwork([f"{second}:1", f"{first}:2"]) == [f"{first}:2", f"{second}:1"]
