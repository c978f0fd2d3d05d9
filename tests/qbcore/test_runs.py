"""Bulk runs: what the preview says is what happens, once, in slices, whoever carries it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from pytest_django import DjangoCaptureOnCommitCallbacks

from qbcore import acting, runs, spans, verbs
from qbcore.acting import Actor
from qbcore.control import work
from qbcore.errors import Invalid, NotFound, QubeError, Refused
from qbcore.models import ArchiveRow, HistoryRow, JobRow, RunRow, UndoRow, WorkRow
from qbcore.runs import Selection
from qbcore.states import Status
from tests.hand import job_in
from tests.make import make_job

pytestmark = pytest.mark.django_db

ALICE = Actor("alice", "operator", why="wrong scene")
PARAMS = {"modify": {"priority": 7}}


@pytest.fixture(autouse=True)
def alice() -> Iterator[None]:
    with acting.acting_as(ALICE):
        yield


def started(verb: str, *jobs: int, **selected: Any) -> int:
    return runs.start(verb, Selection(jobs=jobs, **selected), PARAMS.get(verb), why="wrong scene")


def carried(verb: str, *jobs: int, **selected: Any) -> RunRow:
    """The run's row after somebody carried it out."""
    run = started(verb, *jobs, **selected)
    with acting.acting_as(acting.FARM):
        runs.execute(run, "me")
    return RunRow.objects.get(pk=run)


@pytest.fixture
def acted(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The frames of each slice, as they are acted on."""
    done: list[list[str]] = []
    real = verbs.act_on_part

    def spy(verb: str, job: int, part: spans.Spans) -> work.Groups:
        stood = real(verb, job, part)
        positions = [pos for some in stood.values() for pos in spans.positions(some)]
        rows = WorkRow.objects.filter(job_id=job, pos__in=positions).order_by("pos")
        done.append(list(rows.values_list("name", flat=True)))
        return stood

    monkeypatch.setattr(verbs, "act_on_part", spy)
    return done


@pytest.mark.parametrize("verb", [*verbs.JOB_VERBS, "modify", "remove", "archive"])
def test_a_preview_of_jobs_says_what_will_happen(verb: str) -> None:
    jobs = [job_in(status) for status in Status]
    held = job_in(Status.RUNNING)
    verbs.block(held)
    found = runs.preview(verb, Selection(jobs=(*jobs, held)), PARAMS.get(verb))
    assert (found.unit, found.total) == ("job", len(jobs) + 1)
    assert sum(line.count for line in found.lines) == found.total
    run = carried(verb, *jobs, held)
    assert (run.state, run.total, run.done) == ("done", found.total, found.total)
    assert (run.changed, run.unchanged) == (found.will_change, found.total - found.will_change)


@pytest.mark.parametrize("verb", verbs.WORK_VERBS)
@pytest.mark.parametrize("statuses", [(), ("failed",), ("failed", "pending", "blocked")])
def test_a_preview_of_frames_says_what_will_happen(verb: str, statuses: tuple[str, ...]) -> None:
    jobs = [make_job(frames=dict.fromkeys(Status, 2), subjob=Status.RUNNING).pk for _ in range(2)]
    found = runs.preview(verb, Selection(jobs=tuple(jobs), statuses=statuses))
    assert sum(line.count for line in found.lines) == found.total
    run = carried(verb, *jobs, statuses=statuses)
    assert (run.total, run.done, run.changed) == (found.total, found.total, found.will_change)


def test_a_preview_changes_nothing() -> None:
    job = job_in(Status.FAILED)
    lines = HistoryRow.objects.count()
    runs.preview("retrywork", Selection(jobs=(job,)))
    assert (JobRow.objects.get().status, HistoryRow.objects.count(), RunRow.objects.count()) == (
        Status.FAILED,
        lines,
        0,
    )


@pytest.mark.parametrize(
    ("verb", "selection", "params", "field"),
    [
        ("explode", {"jobs": (1,)}, {}, "verb"),
        ("kill", {"jobs": ()}, {}, "jobs"),
        ("kill", {"jobs": (424242,)}, {}, "jobs"),
        ("kill", {"jobs": tuple(range(100_001))}, {}, "jobs"),
        ("retrywork", {"jobs": (1, 2), "positions": "0"}, {}, "positions"),
        ("retrywork", {"jobs": (1,), "positions": "0-x"}, {}, "positions"),
        ("retrywork", {"jobs": (1,), "positions": "0-99999999"}, {}, "positions"),
        ("retrywork", {"jobs": (1,), "statuses": ("broken",)}, {}, "statuses"),
        ("retrywork", {"jobs": (1,), "statuses": ("failed",)}, {}, "statuses"),
        ("modify", {"jobs": (1,)}, {"colour": "red"}, "colour"),
        ("modify", {"jobs": (1,)}, {}, "params"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused_and_leaves_no_record(
    verb: str, selection: dict[str, Any], params: dict[str, Any], field: str
) -> None:
    first, second = make_job(frames=2), make_job()
    jobs = tuple({1: first.pk, 2: second.pk}.get(job, job) for job in selection["jobs"])
    with pytest.raises(Invalid) as refusal:
        runs.start(verb, Selection(**{**selection, "jobs": jobs}), params)
    assert refusal.value.to_wire()["field"] == field
    assert not RunRow.objects.exists()


def test_a_run_goes_in_slices_over_what_was_selected(settings: Any, acted: list[list[str]]) -> None:
    settings.FARM_SLICE = 2
    job = make_job(frames={Status.FAILED: 7})
    run = carried("retrywork", job.pk, positions="0-3,5")
    assert acted == [["1", "2"], ["3", "4"], ["6"]]
    assert (run.done, run.changed, run.title) == (5, 5, "Retry 5 frames in 1 job")
    assert sorted(WorkRow.objects.filter(status=Status.PENDING).values_list("pos", flat=True)) == [0, 1, 2, 3, 5]


def test_targets_are_frozen_at_the_start(acted: list[list[str]]) -> None:
    job = make_job(frames={Status.FAILED: 2, Status.RUNNING: 2}, subjob=Status.RUNNING)
    run = started("retrywork", job.pk, statuses=("failed",))
    WorkRow.objects.filter(status=Status.RUNNING).update(status=Status.FAILED)
    WorkRow.objects.filter(pos=WorkRow.objects.filter(status=Status.FAILED).first().pos).update(status=Status.COMPLETE)
    runs.execute(run, "me")
    assert len(acted) == 1
    assert RunRow.objects.get().total == 2


def test_cancel_stops_after_the_slice_and_what_is_done_stays(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.FARM_SLICE = 2
    first, second = (make_job(frames={Status.FAILED: 4}) for _ in range(2))
    run = started("retrywork", first.pk, second.pk)
    after(monkeypatch, lambda: RunRow.objects.filter(pk=run).update(cancel=True))
    keep = runs.execute(run, "me")
    assert keep is None
    state = runs.state(run)
    assert (state["state"], state["done"], state["changed"]) in [("cancelled", 2, 2), ("cancelled", 4, 4)]
    assert WorkRow.objects.filter(status=Status.PENDING).count() == state["changed"]
    assert {target["outcome"] for target in state["targets"]} <= {"cancelled", "done"}


def after(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """Does something once, between the first slice and the second."""
    real, left = runs.carry.events.publish, [act]

    def publish(kind: str, ids: Any) -> None:
        real(kind, ids)
        if kind == "run" and left and RunRow.objects.filter(done__gt=0).exists():
            left.pop()()

    monkeypatch.setattr(runs.carry.events, "publish", publish)


def test_a_run_that_nobody_carries_is_cancelled_at_once() -> None:
    run = started("kill", make_job().pk)
    runs.cancel(run)
    assert runs.state(run)["state"] == "cancelled"
    runs.execute(run, "late")
    assert runs.state(run)["done"] == 0


def test_only_its_starter_and_operators_cancel_a_run() -> None:
    run = started("kill", make_job().pk)
    with acting.acting_as(Actor("jonas", "artist")), pytest.raises(Refused, match="a run of alice"):
        runs.cancel(run)
    with acting.acting_as(Actor("ops", "operator")):
        runs.cancel(run)
    with pytest.raises(NotFound):
        runs.cancel(424242)


def test_a_second_carrier_leaves_a_run_alone_while_the_first_lives(
    settings: Any, monkeypatch: pytest.MonkeyPatch, acted: list[list[str]]
) -> None:
    settings.FARM_SLICE = 2
    run = started("retrywork", make_job(frames={Status.FAILED: 6}).pk)
    after(monkeypatch, lambda: runs.execute(run, "another"))
    runs.execute(run, "me")
    assert Counter(name for names in acted for name in names) == Counter("123456")
    assert RunRow.objects.get().owner == "me"


def test_a_run_whose_carrier_was_killed_goes_on_where_it_stopped(
    settings: Any, monkeypatch: pytest.MonkeyPatch, acted: list[list[str]]
) -> None:
    settings.FARM_SLICE = 2
    run = started("retrywork", make_job(frames={Status.FAILED: 6}).pk)
    monkeypatch.setattr(runs.carry, "_slice", dies_after(2, runs.carry._slice))
    with pytest.raises(KeyboardInterrupt):
        runs.execute(run, "killed")
    monkeypatch.undo()
    settings.FARM_SLICE = 2
    runs.execute(run, "too early")
    assert (RunRow.objects.get().done, runs.waiting()) == (4, [])
    RunRow.objects.update(lease=F("lease") - timedelta(minutes=5))
    assert runs.waiting() == [run]
    runs.execute(run, "next")
    row = RunRow.objects.get()
    assert (row.state, row.done, row.changed, row.unchanged, row.owner) == ("done", 6, 6, 0, "next")
    assert HistoryRow.objects.get(verb="retrywork").frames == "1-6"


def dies_after(slices: int, real: Callable[..., bool]) -> Callable[..., bool]:
    left = iter(range(slices))

    def one(*args: Any) -> bool:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return real(*args)

    return one


def test_jobs_of_others_are_counted_as_refused_and_the_rest_is_done() -> None:
    mine, theirs = make_job(user="mira", frames={Status.FAILED: 3}), make_job(frames={Status.FAILED: 2})
    with acting.acting_as(Actor("mira", "artist")):
        found = runs.preview("retrywork", Selection(jobs=(mine.pk, theirs.pk)))
        assert (found.will_change, [line.outcome for line in found.lines]) == (3, ["done", "refused"])
        run = carried("retrywork", mine.pk, theirs.pk)
    assert (run.state, run.changed, run.refused, run.done) == ("done", 3, 2, 5)
    first, second = runs.state(run.pk)["targets"]
    assert (first["job_id"], first["outcome"], second["outcome"]) == (theirs.pk, "refused", "done")
    assert "operators and admins" in first["message"]


def test_a_run_on_one_job_of_another_is_refused_at_once() -> None:
    job = make_job(user="mira")
    with acting.acting_as(Actor("jonas", "artist")), pytest.raises(Refused):
        started("kill", job.pk)
    assert not RunRow.objects.exists()


def test_an_error_on_one_job_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make_job(frames={Status.FAILED: 3}), make_job(frames={Status.FAILED: 2})
    real = verbs.act_on_part

    def broken(verb: str, job: int, *args: Any, **kwargs: Any) -> Any:
        if job == first.pk:
            raise ZeroDivisionError
        return real(verb, job, *args, **kwargs)

    monkeypatch.setattr(verbs, "act_on_part", broken)
    run = carried("retrywork", first.pk, second.pk)
    assert (run.state, run.errors, run.changed, run.done) == ("done", 3, 2, 5)
    assert runs.state(run.pk)["targets"][0]["message"] == "the farm failed here; its log says why"


def test_a_run_acts_as_its_starter_and_history_leads_to_it() -> None:
    job = make_job(frames={Status.FAILED: 2, Status.COMPLETE: 1})
    run = carried("retrywork", job.pk, statuses=("failed",))
    [line] = HistoryRow.objects.filter(verb="retrywork")
    assert (line.actor, line.why, line.run_id, line.job_id) == ("alice", "wrong scene", run.pk, job.pk)
    assert (line.frames, line.effect) == ("2-3", "2 frames pending")


def test_what_was_there_before_is_kept_for_undo() -> None:
    job = make_job(frames={Status.COMPLETE: 2, Status.FAILED: 2, Status.PENDING: 1})
    carried("requeuework", job.pk)
    undo = list(UndoRow.objects.values_list("stood", "frames"))
    assert set(undo) == {(16, "0-1"), (32, "2-3")}
    assert sum(spans.size(spans.parse(text)) for _, text in undo) == 4


def test_jobs_are_archived_and_removed_by_runs() -> None:
    jobs = [job_in(Status.COMPLETE), job_in(Status.PENDING)]
    assert carried("archive", *jobs).changed == 2
    assert ArchiveRow.objects.count() == 2
    assert carried("remove", *jobs, 424242).changed == 2
    assert not JobRow.objects.exists()


def test_a_job_that_went_away_meanwhile_is_unchanged() -> None:
    job = make_job(frames={Status.FAILED: 2})
    work, whole = started("retrywork", job.pk), started("archive", job.pk)
    verbs.remove(job.pk)
    for run in (work, whole):
        runs.execute(run, "me")
        row = RunRow.objects.get(pk=run)
        assert (row.state, row.changed, row.unchanged) == ("done", 0, row.total)


def test_a_run_goes_to_the_queue_once_it_is_stored(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(runs.carry, "_enqueue", [sent.append])
    with django_capture_on_commit_callbacks(execute=True):
        run = started("kill", make_job().pk)
        assert sent == []
    assert sent == [run]


def test_a_queue_that_is_down_only_delays_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(run: int) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(runs.carry, "_enqueue", [down])
    run = started("kill", make_job().pk)
    runs.enqueue(run)
    assert runs.waiting() == []
    RunRow.objects.update(created=F("created") - timedelta(minutes=1))
    assert runs.waiting() == [run]


def test_the_state_of_an_unknown_run_is_not_found() -> None:
    with pytest.raises(QubeError, match="no run"):
        runs.state(424242)
