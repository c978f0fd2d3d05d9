"""How busy hosts were: taken from what workers said, a statement for all of them, and kept for a time.

The last day is kept minute by minute, what is older in tens of minutes: a seventh of the rows for a week.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.conf import settings
from django.db import connection
from django.db.models import Min

from qbcore import acting
from qbcore.errors import Invalid
from qbcore.models import SampleRow
from qbcore.permissions import need
from qbcore.writing import clock, on_postgres, writing

MINUTE = timedelta(minutes=1)
MOST_POINTS = 720
LONGEST = timedelta(days=370)
FINE = timedelta(hours=25)
"""For how long minutes are kept apart: a chart of the last day is never coarser than it was."""
COARSE = 10
"""Minutes of an older sample."""
_SLOTS = {
    True: "(p.taken->>'host.processors')::float",
    False: "json_extract(p.taken, '$.\"host.processors\"')",
}
_TAKE = """
    INSERT INTO sample (host_id, at, cpu, memory, slots, count, minutes)
    SELECT h.id, %s, h.load_cpu, h.load_memory, CAST(coalesce(sum({slots}), 0) AS integer), 1, 1
    FROM host h LEFT JOIN placement p ON p.host_id = h.id AND p.ended IS NULL
    WHERE h.state = 'active' AND h.seen > %s
    GROUP BY h.id, h.load_cpu, h.load_memory
    ON CONFLICT (host_id, at) DO UPDATE SET
        cpu = (sample.cpu * sample.count + excluded.cpu) / (sample.count + 1),
        memory = (sample.memory * sample.count + excluded.memory) / (sample.count + 1),
        slots = CASE WHEN excluded.slots > sample.slots THEN excluded.slots ELSE sample.slots END,
        count = sample.count + 1
"""
_THIN = f"""
    INSERT INTO sample (host_id, at, cpu, memory, slots, count, minutes)
    SELECT host_id, %s, sum(cpu * count) / sum(count), sum(memory * count) / sum(count), max(slots), sum(count),
           {COARSE}
    FROM sample WHERE minutes = 1 AND at >= %s AND at < %s
    GROUP BY host_id
    ON CONFLICT (host_id, at) DO UPDATE SET
        cpu = excluded.cpu, memory = excluded.memory, slots = excluded.slots, count = excluded.count,
        minutes = excluded.minutes
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """The means of a time that begins *at*: `cpu` from 0 to 1, `memory` in MB, `slots` the most that were taken."""

    at: datetime
    cpu: float
    memory: float
    slots: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Samples, oldest first, each of `step` seconds; None stands where the host was not heard of."""

    step: int
    points: tuple[Sample | None, ...]


@writing
def take() -> int:
    """A reading of every host that was heard of within a lease, into its minute; answers of how many."""
    now = clock()
    adapt = connection.ops.adapt_datetimefield_value
    heard = now - timedelta(seconds=settings.FARM_LEASE)
    with connection.cursor() as cursor:
        sql = _TAKE.format(slots=_SLOTS[on_postgres()])
        cursor.execute(sql, [adapt(now.replace(second=0, microsecond=0)), adapt(heard)])
        return max(0, int(cursor.rowcount))


@writing
def thin() -> int:
    """Puts the oldest ten minutes that were kept apart for long enough into one sample a host; answers of how many."""
    fine = SampleRow.objects.filter(minutes=1, at__lt=clock() - FINE)
    first = fine.aggregate(first=Min("at"))["first"]
    if first is None:
        return 0
    begin = first.replace(minute=first.minute - first.minute % COARSE, second=0, microsecond=0)
    end = begin + COARSE * MINUTE
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(_THIN, [adapt(begin), adapt(begin), adapt(end)])
        hosts = max(0, int(cursor.rowcount))
    SampleRow.objects.filter(minutes=1, at__gte=begin, at__lt=end).delete()
    return hosts


@writing
def retire() -> int:
    """Removes samples that are older than FARM_SAMPLE_DAYS, an hour of them at a time; answers how many."""
    old = clock() - timedelta(days=settings.FARM_SAMPLE_DAYS)
    first = SampleRow.objects.filter(at__lt=old).aggregate(first=Min("at"))["first"]
    if first is None:
        return 0
    return SampleRow.objects.filter(at__lt=min(old, first + timedelta(hours=1))).delete()[0]


def of(host: int, since: datetime, until: datetime) -> Chart:
    """The host's samples from *since* until before *until*, in at most MOST_POINTS steps. One query.

    Raises Invalid when that is no time or a longer one than is ever kept.
    """
    need(acting.current(), "see")
    if not timedelta() < until - since <= LONGEST:
        raise Invalid("the time must end after it begins, and last at most a year", field="since")
    minutes = max(1, -(-(until - since) // (MINUTE * MOST_POINTS)))
    rows = SampleRow.objects.filter(host_id=host, at__gte=since, at__lt=until).order_by("at")
    told = rows.values_list("at", "cpu", "memory", "slots", "minutes")
    samples = [(Sample(at, cpu, memory, slots), long) for at, cpu, memory, slots, long in told]
    longest = max((long for _, long in samples), default=1)
    minutes = -(-minutes // longest) * longest
    return Chart(minutes * 60, tuple(_with_gaps(_in_steps(samples, minutes * MINUTE), minutes * MINUTE)))


def _in_steps(samples: Sequence[tuple[Sample, int]], step: timedelta) -> Iterator[Sample]:
    """The means of the samples in each step; of each is told how many minutes it is of."""
    seconds = int(step.total_seconds())
    for number, some in groupby(samples, key=lambda one: int(one[0].at.timestamp()) // seconds):
        found = list(some)
        minutes = sum(long for _, long in found)
        yield Sample(
            datetime.fromtimestamp(number * seconds, found[0][0].at.tzinfo),
            sum(one.cpu * long for one, long in found) / minutes,
            sum(one.memory * long for one, long in found) / minutes,
            max(one.slots for one, _ in found),
        )


def _with_gaps(samples: Iterator[Sample], step: timedelta) -> Iterator[Sample | None]:
    last: datetime | None = None
    for sample in samples:
        if last is not None and sample.at - last > step:
            yield None
        yield sample
        last = sample.at
