"""What a job's status is, out of its subjobs' and its work's."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore.states import DONE, LIVE, Rollup, Status, Tally, live, rollup, total

Counts = dict[Status, int]


def counts(text: str) -> Counts:
    """'2 pending, running' as a tally."""
    found: Counter[Status] = Counter()
    for part in filter(None, text.split(", ")):
        *number, word = part.split()
        found[Status.of(word)] += int(number[0]) if number else 1
    return dict(found)


def status(subjobs: str, work: str = "", *, held: bool = False) -> str:
    return rollup(subjobs=counts(subjobs), work=counts(work), held=held).status.word


@pytest.mark.parametrize(
    ("subjobs", "work", "word"),
    [
        ("2 pending", "4 pending", "pending"),
        ("running, pending", "running, 3 pending", "running"),
        ("running, suspended", "running, suspended", "running"),
        ("suspended, pending", "suspended, 3 pending", "suspended"),
        ("running", "running, 3 blocked", "running"),
        ("2 pending", "4 blocked", "blocked"),
        ("2 pending", "4 blocked, 9 complete", "blocked"),
        ("2 pending", "3 blocked, pending", "pending"),
        ("pending", "2 waiting", "waiting"),
        ("pending", "2 waiting, failed", "waiting"),
        ("pending", "waiting, blocked", "pending"),
        ("pending", "waiting, pending", "pending"),
        ("2 complete", "4 complete", "complete"),
        ("2 complete", "3 complete, failed", "failed"),
        ("2 complete", "2 complete, failed, killed", "killed"),
        ("complete, killed", "4 complete", "killed"),
        ("2 failed", "4 failed", "failed"),
        ("2 complete", "", "complete"),
        ("complete, failed", "", "failed"),
        ("failed, pending", "", "pending"),
        ("2 blocked", "", "blocked"),
        ("blocked, pending", "", "pending"),
        ("pending", "4 complete", "pending"),
        ("2 waiting", "4 complete", "waiting"),
        ("waiting, pending", "4 complete", "pending"),
    ],
)
def test_the_first_rule_that_holds_gives_the_status(subjobs: str, work: str, word: str) -> None:
    assert status(subjobs, work) == word


@pytest.mark.parametrize(
    ("subjobs", "work", "word"),
    [
        ("2 blocked", "4 pending", "blocked"),
        ("running, blocked", "running, 3 pending", "running"),
        ("suspended, blocked", "suspended, 3 pending", "suspended"),
        ("blocked", "4 waiting", "blocked"),
        ("2 complete", "4 complete", "complete"),
        ("2 killed", "4 killed", "killed"),
    ],
)
def test_a_hold_shows_unless_something_runs_or_all_is_over(subjobs: str, work: str, word: str) -> None:
    assert status(subjobs, work, held=True) == word


def test_the_roll_ups_of_subjobs_and_work_look_at_their_own_only() -> None:
    rolled = rollup(subjobs=counts("running, pending"), work=counts("2 complete, failed, pending"), held=False)
    assert (rolled.subjobs, rolled.agenda) == (Status.RUNNING, Status.PENDING)


def test_without_an_agenda_the_agenda_s_roll_up_is_the_subjobs() -> None:
    rolled = rollup(subjobs=counts("running, failed"), work={}, held=False)
    assert rolled.agenda == rolled.subjobs == Status.RUNNING


@pytest.mark.parametrize(
    ("subjobs", "work", "failing"),
    [
        ("running", "running, failed", True),
        ("pending", "waiting, failed", True),
        ("complete", "complete, failed", False),
        ("running", "running, complete", False),
        ("running, failed", "", True),
        ("failed", "", False),
    ],
)
def test_a_job_is_failing_while_it_lives_and_something_of_it_has_failed(subjobs: str, work: str, failing: bool) -> None:
    assert rollup(subjobs=counts(subjobs), work=counts(work), held=False).failing is failing


tallies = st.dictionaries(st.sampled_from(list(Status)), st.integers(0, 3), max_size=5)
some_subjobs = tallies.filter(lambda tally: total(tally) > 0)


def by_the_rules(subjobs: Tally, work: Tally, held: bool) -> Status:
    """The rules once more, one after the other, over plain lists."""
    places = [status for status, count in subjobs.items() for _ in range(count)]
    items = [status for status, count in work.items() for _ in range(count)]
    units = items or places
    alive = [status for status in units if status in LIVE]
    living = [status for status in places if status in LIVE]
    over = not alive and not living
    rules = [
        (Status.RUNNING, Status.RUNNING in places),
        (Status.SUSPENDED, Status.SUSPENDED in places),
        (Status.BLOCKED, not over and (held or (bool(alive) and set(alive) == {Status.BLOCKED}))),
        (Status.WAITING, not over and set(alive or living) == {Status.WAITING}),
        (Status.PENDING, not over),
        (Status.KILLED, Status.KILLED in places + items),
        (Status.FAILED, Status.FAILED in places + items),
        (Status.COMPLETE, True),
    ]
    return next(status for status, holds in rules if holds)


@given(some_subjobs, tallies, st.booleans())
def test_the_roll_up_is_the_rules_one_after_the_other(subjobs: Counts, work: Counts, held: bool) -> None:
    rolled = rollup(subjobs=subjobs, work=work, held=held)
    assert rolled.status == by_the_rules(subjobs, work, held)
    assert rolled.subjobs == by_the_rules(subjobs, {}, held)


@given(some_subjobs, tallies, st.booleans())
def test_a_job_is_over_when_nothing_of_it_lives(subjobs: Counts, work: Counts, held: bool) -> None:
    rolled: Rollup = rollup(subjobs=subjobs, work=work, held=held)
    assert (rolled.status in DONE) == (not live(subjobs) and not live(work))


@given(some_subjobs, tallies)
def test_a_count_of_nothing_says_nothing(subjobs: Counts, work: Counts) -> None:
    present = {status: count for status, count in work.items() if count}
    nothing = dict.fromkeys(Status, 0) | work
    assert rollup(subjobs=subjobs, work=present, held=False) == rollup(subjobs=subjobs, work=nothing, held=False)


@pytest.mark.parametrize("status", list(Status))
def test_a_status_is_read_from_its_word_and_from_its_number(status: Status) -> None:
    assert Status.of(status.word) == Status.of(int(status)) == Status.of(str(int(status))) == status


@pytest.mark.parametrize("word", ["", "done", "-1", "17", "²", "running "])
def test_what_is_no_status_is_named(word: str) -> None:
    with pytest.raises(ValueError, match="no status is called"):
        Status.of(word)
