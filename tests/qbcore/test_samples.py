"""Load and memory of hosts are kept by the minute, in one statement for all, and gaps are told as gaps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from qbcore import acting, hosts, samples, submission
from qbcore.acting import Actor
from qbcore.errors import Invalid, Refused
from qbcore.models import HostRow, SampleRow
from qbcore.samples import Sample
from tests.hand import FOUR_FRAMES, Hand
from tests.make import make_host

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the farm's clock, and lets all hosts speak just then."""

    def stand(now: datetime) -> None:
        monkeypatch.setattr(samples, "clock", lambda: now)
        HostRow.objects.update(seen=now)

    return stand


def kept(host: int) -> list[tuple[datetime, float, float, int, int]]:
    rows = SampleRow.objects.filter(host_id=host).order_by("at")
    return list(rows.values_list("at", "cpu", "memory", "slots", "count"))


def test_readings_of_a_minute_become_their_mean_and_the_most_slots(at: Callable[[datetime], None]) -> None:
    submission.submit(FOUR_FRAMES)
    hand = Hand("a1", slots=2)
    at(NOON + timedelta(seconds=5))
    hand.sync(room=True, load={"cpu": 0.25, "memory": 1000})
    at(NOON + timedelta(seconds=5))
    assert samples.take() == 1
    hand.end_all()
    hand.sync(load={"cpu": 0.75, "memory": 3000})
    at(NOON + timedelta(seconds=45))
    assert samples.take() == 1
    assert kept(hand.id) == [(NOON, 0.5, 2000.0, 2, 2)]
    at(NOON + MINUTE)
    samples.take()
    assert [row[0] for row in kept(hand.id)] == [NOON, NOON + MINUTE]


def test_a_beat_tells_the_load_and_one_without_it_keeps_what_was_told() -> None:
    first, second, third = Hand("a1"), Hand("b1"), Hand("c1")
    told = {one.id: one.session for one in (first, second)} | {third.id: "f" * 32}
    assert hosts.beat(told, {first.id: (0.5, 2048.0), third.id: (0.9, 1.0)}) == [third.id]
    assert hosts.beat({first.id: first.session}) == []
    found = dict(HostRow.objects.values_list("pk", "load_cpu"))
    assert (found, HostRow.objects.get(pk=first.id).load_memory) == (
        {first.id: 0.5, second.id: 0, third.id: 0}, 2048,
    )  # fmt: skip


def test_all_hosts_are_written_in_the_same_few_statements(
    at: Callable[[datetime], None], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    made = [make_host() for _ in range(30)]
    at(NOON)
    with django_assert_max_num_queries(4):
        assert samples.take() == 30
    with django_assert_max_num_queries(6):
        hosts.beat({host.pk: "" for host in made}, {host.pk: (0.1, 1.0) for host in made})


def test_hosts_that_are_down_or_silent_leave_no_sample(at: Callable[[datetime], None]) -> None:
    make_host(state="down")
    silent = make_host()
    at(NOON)
    HostRow.objects.filter(pk=silent.pk).update(seen=NOON - timedelta(hours=1))
    assert samples.take() == 0


def put(host: int, *minutes: int, cpu: float = 0.5) -> None:
    SampleRow.objects.bulk_create(
        SampleRow(host_id=host, at=NOON + one * MINUTE, cpu=cpu, memory=100 * one, slots=one) for one in minutes
    )


def test_a_gap_is_told_as_one_and_not_bridged(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    put(7, 0, 1, 4)
    put(8, 2)
    with django_assert_num_queries(1):
        chart = samples.of(7, NOON, NOON + timedelta(hours=1))
    assert (chart.step, chart.points) == (
        60,
        (Sample(NOON, 0.5, 0, 0), Sample(NOON + MINUTE, 0.5, 100, 1), None, Sample(NOON + 4 * MINUTE, 0.5, 400, 4)),
    )
    assert samples.of(7, NOON + MINUTE, NOON + 4 * MINUTE).points == (Sample(NOON + MINUTE, 0.5, 100, 1),)


def test_a_long_time_is_told_in_steps_that_fit_a_chart() -> None:
    put(7, *range(120))
    chart = samples.of(7, NOON, NOON + timedelta(days=7))
    assert chart.step == 14 * 60 and None not in chart.points
    assert sum(point.slots == 119 for point in chart.points if point) == 1
    assert len(chart.points) <= 10


@pytest.mark.parametrize("length", [timedelta(), timedelta(hours=-1), timedelta(days=400)])
def test_a_time_that_cannot_be_is_refused(length: timedelta) -> None:
    with pytest.raises(Invalid):
        samples.of(7, NOON, NOON + length)


def test_samples_are_seen_by_who_may_see_hosts() -> None:
    with acting.acting_as(Actor("x", "nobody")), pytest.raises(Refused):
        samples.of(7, NOON, NOON + MINUTE)


def test_old_samples_are_removed_an_hour_of_them_at_a_time(at: Callable[[datetime], None]) -> None:
    put(7, 0, 59, 60, 200)
    at(NOON + timedelta(days=7, minutes=100))
    assert [samples.retire(), samples.retire(), samples.retire()] == [2, 1, 0]
    assert len(kept(7)) == 1


def test_minutes_of_long_ago_become_tens_of_minutes_oldest_first(at: Callable[[datetime], None]) -> None:
    put(7, 1, 2, cpu=0.25)
    put(7, 9, cpu=1.0)
    put(7, 10, 25)
    put(8, 3, 10)
    at(NOON + samples.FINE + 20 * MINUTE)
    assert [samples.thin() for _ in range(4)] == [2, 2, 0, 0], "the minute 25 is not old enough"
    assert kept(7) == [
        (NOON, 0.5, 400.0, 9, 3),
        (NOON + 10 * MINUTE, 0.5, 1000.0, 10, 1),
        (NOON + 25 * MINUTE, 0.5, 2500.0, 25, 1),
    ]
    assert list(SampleRow.objects.filter(host_id=7).order_by("at").values_list("minutes", flat=True)) == [10, 10, 1]


def test_a_chart_reads_both_and_has_no_gaps_between_tens_of_minutes(at: Callable[[datetime], None]) -> None:
    put(7, *range(60), cpu=0.25)
    put(7, *range(60, 80), cpu=0.75)
    put(7, 120)
    at(NOON + samples.FINE + 60 * MINUTE)
    while samples.thin():
        pass
    chart = samples.of(7, NOON, NOON + timedelta(hours=3))
    assert chart.step == 600
    told = [point and (point.at, point.cpu, point.slots) for point in chart.points]
    tens = [(NOON + number * 10 * MINUTE, 0.25 if number < 6 else 0.75, number * 10 + 9) for number in range(8)]
    assert told == [*tens, None, (NOON + 120 * MINUTE, 0.5, 120)]
    week = samples.of(7, NOON - timedelta(days=5), NOON + timedelta(days=2))
    assert week.step == 20 * 60 and len(week.points) <= samples.MOST_POINTS


def test_one_statement_thins_all_hosts(
    at: Callable[[datetime], None], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for host in range(30):
        put(host, *range(10))
    at(NOON + samples.FINE + 10 * MINUTE)
    with django_assert_max_num_queries(5):
        assert samples.thin() == 30
    assert SampleRow.objects.count() == 30
