"""A host that was given up speaks again: what nobody else was given goes on, the rest ends; late words and second ones
change nothing twice. A postflight that was lost with its host is run again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from qbcore import folding, hostcare, hosts, housekeeping, queries, resources, submission, verbs
from qbcore.models import AttemptRow, DutyRow, GrantRow, HistoryRow, HostRow, JobRow, ResourceRow, SubjobRow, WorkRow
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Frame, Hand, Obedient, drive

pytestmark = pytest.mark.django_db
ONE = {"prototype": "cmdline", "package": {"cmdline": "true"}}


def give_up(hand: Hand) -> None:
    HostRow.objects.filter(pk=hand.id).update(seen=timezone.now() - timedelta(seconds=1000))
    DutyRow.objects.update_or_create(name="heard", defaults={"ticked": timezone.now()})
    housekeeping.reap()
    assert HostRow.objects.get(pk=hand.id).state == "down"
    folding.sweep()


def begun(slots: int = 2, **given: Any) -> Obedient:
    """A host that runs the job's first frames and was given up."""
    submission.submit({**FOUR_FRAMES, **given})
    hand = Obedient(slots=slots)
    hand.begin()
    give_up(hand)
    return hand


def endings() -> list[str]:
    return list(AttemptRow.objects.order_by("pk").values_list("ending", flat=True))


def tallies() -> tuple[dict[str, int], dict[str, int]]:
    """What the job says and what its items are."""
    folding.sweep()
    job = JobRow.objects.get()
    said = {status.word: getattr(job, f"n_{status.word}") for status in Status}
    rows = [Status(one).word for one in WorkRow.objects.values_list("status", flat=True)]
    return {word: count for word, count in said.items() if count}, {word: rows.count(word) for word in set(rows)}


def test_what_nobody_was_given_goes_on_and_is_not_counted_as_lost() -> None:
    hand = begun()
    assert endings() == ["lost", "lost"]
    answer = hand.sync(want=[])
    assert (answer["orders"], answer["drop"]) == ({}, [])
    assert endings() == ["", ""]
    assert set(WorkRow.objects.values_list("losses", flat=True)) == {0}
    said, found = tallies()
    assert said == found == {"running": 2, "pending": 2}
    assert HistoryRow.objects.get(verb="back").effect == "heard of again: 2 of its attempts go on"
    batch, hand.frames = hand.frames, []
    hand.sync(reports=[hand.ended(*one) for one in batch])
    assert sorted([frame["name"] for _, frame in batch] + drive(hand)) == ["1", "2", "3", "4"]
    assert set(endings()) == {"complete"}
    assert GrantRow.objects.filter(ended__isnull=True).count() == 0


def test_a_failure_that_comes_with_the_return_counts_as_one() -> None:
    hand = begun(cpus=1, slots=1)
    [(grant, frame)], hand.frames = hand.frames, []
    hand.sync(reports=[hand.ended(grant, frame, exit=1)], want=[grant])
    assert (endings()[0], tallies()[0]) == ("failed", {"failed": 1, "running": 1, "pending": 2})


def test_what_others_were_given_meanwhile_ends_and_it_is_said() -> None:
    hand = begun(cpus=1, slots=1)
    other = Hand("render-02", slots=1)
    other.begin()
    answer = hand.sync(want=[])
    assert list(answer["orders"].values()) == ["end"]
    assert endings() == ["lost", ""]
    said = "heard of again: 0 of its attempts go on, 1 are ended, because others have their frames"
    assert HistoryRow.objects.get(verb="back").effect == said
    hand.sync(want=[])
    assert HistoryRow.objects.filter(verb="back").count() == 1
    assert sorted(drive(other)) == ["1", "2", "3", "4"]


def test_of_two_frames_the_one_that_others_have_ends_and_the_other_goes_on() -> None:
    hand = begun(slots=2)
    other = Hand("render-02", slots=1)
    other.begin()
    answer = hand.sync(want=[])
    assert sorted(answer["orders"].values()) == ["end"]
    assert sorted(endings()) == ["", "", "lost"]
    said, found = tallies()
    assert said == found == {"running": 2, "pending": 2}


def test_a_request_that_is_repeated_after_the_return_changes_nothing() -> None:
    hand = begun()
    hand.sync(want=[])
    before = (endings(), tallies(), list(GrantRow.objects.order_by("pk").values_list("ended", "ending")))
    hand.seq -= 1
    hand.sync(want=[])
    assert (endings(), tallies(), list(GrantRow.objects.order_by("pk").values_list("ended", "ending"))) == before


def test_a_report_that_comes_twice_around_the_return_counts_once() -> None:
    hand = begun(cpus=1, slots=1)
    [(grant, frame)], hand.frames = hand.frames, []
    line = hand.ended(grant, frame)
    for _ in range(3):
        hand.sync(reports=[line], want=[])
    assert tallies()[0] == {"complete": 1, "pending": 3}
    assert JobRow.objects.get().timed == 1


def test_a_late_complete_counts_while_the_item_waits_and_is_only_recorded_once_it_does_not() -> None:
    hand = begun(cpus=1, slots=1)
    [(grant, frame)], hand.frames, held, hand.held = hand.frames, [], hand.held, {}
    line = {"attempt": frame["attempt"], "grant": grant, "pos": frame["pos"], "exit": 0, "elapsed": 1.0}
    hand.sync(reports=[line], gone=list(held))
    assert (endings(), tallies()[0]) == (["complete"], {"complete": 1, "pending": 3})


def test_a_late_complete_of_an_item_that_others_have_is_recorded_as_lost_and_reported() -> None:
    hand = begun(cpus=1, slots=1)
    other = Hand("render-02", slots=1)
    other.begin()
    [(grant, frame)], hand.frames, held, hand.held = hand.frames, [], hand.held, {}
    line = {"attempt": frame["attempt"], "grant": grant, "pos": frame["pos"], "exit": 0, "elapsed": 1.0}
    assert hand.sync(reports=[line], gone=list(held))["accepted"] == [frame["attempt"]]
    row = AttemptRow.objects.get(pk=frame["attempt"])
    assert (row.ending, row.reported, row.exit_code) == ("lost", True, 0)
    assert tallies()[0] == {"running": 1, "pending": 3}


@pytest.mark.parametrize("act", [verbs.kill, verbs.block])
def test_what_somebody_stopped_meanwhile_ends(act: Any) -> None:
    hand = begun()
    act(JobRow.objects.get().pk)
    assert set(hand.sync(want=[])["orders"].values()) == {"end"}
    assert set(endings()) == {"lost"}


def test_a_banned_host_that_returns_ends_everything() -> None:
    hand = begun()
    hostcare.workerban("render-01")
    assert set(hand.sync(want=[])["orders"].values()) == {"end"}


def test_a_job_of_one_command_goes_on_too() -> None:
    submission.submit(ONE)
    hand = Obedient(slots=1)
    hand.begin()
    give_up(hand)
    assert hand.sync(want=[])["orders"] == {}
    assert (endings(), SubjobRow.objects.get().status) == ([""], Status.RUNNING)
    drive(hand)
    assert (endings(), JobRow.objects.get().status) == (["complete"], Status.COMPLETE)


def test_a_licence_that_others_took_meanwhile_lets_the_return_end() -> None:
    resources.updateresources({"license.maya": 1})
    hand = begun(cpus=1, slots=1, reservations="license.maya=1")
    assert ResourceRow.objects.get().used == 0
    ResourceRow.objects.update(used=1)
    assert set(hand.sync(want=[])["orders"].values()) == {"end"}
    assert (endings(), ResourceRow.objects.get().used) == (["lost"], 1)


def test_a_licence_is_taken_again_with_what_goes_on() -> None:
    resources.updateresources({"license.maya": 1})
    hand = begun(cpus=1, slots=1, reservations="license.maya=1")
    assert hand.sync(want=[])["orders"] == {}
    assert ResourceRow.objects.get().used == 1
    drive(hand)
    assert ResourceRow.objects.get().used == 0


def test_a_cap_that_others_filled_meanwhile_holds_for_the_return() -> None:
    hand = begun(cpus=2, slots=1, max_cpus=1)
    other = Hand("render-02", slots=1)
    other.begin()
    assert set(hand.sync(want=[])["orders"].values()) == {"end"}
    folding.sweep()
    assert queries.jobinfo()[0]["cpustally"]["running"] == 1


def test_a_worker_that_was_started_anew_after_its_host_was_given_up_reports_what_had_ended() -> None:
    hand = begun(cpus=1, slots=1)
    [(grant, frame)] = hand.frames
    said = {"protocol": 2, "session": "b" * 32, "previous": hand.session, "facts": {"slots": 1}}
    answer = hosts.hello(hand.id, {**said, "held": {str(grant): [frame["attempt"]]}})
    assert answer["keep"] == [grant]
    hand.session, hand.seq, hand.frames = "b" * 32, 0, []
    hand.sync(reports=[hand.ended(grant, frame, exit=1)], gone=[grant])
    assert endings() == ["failed"]


def postflight(frame: Frame) -> bool:
    return bool(frame["name"].startswith("postflight"))


def test_a_postflight_that_was_lost_with_its_host_is_run_again_on_another() -> None:
    job = submission.submit({**FOUR_FRAMES, "cpus": 1, "preflights": ["look"], "postflights": ["clean", "tell"]})["id"]
    hand = Obedient(slots=1)
    hand.begin()
    while hand.frames[0][1]["name"] != "postflight 2":
        hand.report()
    give_up(hand)
    [found] = queries.jobinfo(id=job, fields=["reason"])
    assert (found["status"], found["cpustally"]["pending"], found["reason"]) == ("pending", 1, "1 host: down")
    other = Hand("render-02", slots=1)
    assert drive(other) == ["preflight 1", "postflight 1", "postflight 2"]
    assert queries.jobinfo(id=job)[0]["status"] == "complete"
    assert drive(other) == []


def test_a_postflight_that_takes_three_hosts_down_fails() -> None:
    job = submission.submit({**FOUR_FRAMES, "cpus": 1, "preflights": ["look"], "postflights": ["clean"]})["id"]
    for number in range(3):
        hand = Obedient(f"render-{number}", slots=1)
        hand.begin()
        while not postflight(hand.frames[0][1]):
            hand.report()
        give_up(hand)
    assert queries.jobinfo(id=job)[0]["status"] == "failed"
    last = AttemptRow.objects.filter(frame="postflight 1").latest("pk")
    assert last.error_line == "took down render-0, render-1, render-2"
