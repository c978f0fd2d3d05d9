"""How busy hosts were, minute by minute: taken from what workers said, a statement for all of them; kept for a time."""

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
_SLOTS = {
    True: "(p.taken->>'host.processors')::float",
    False: "json_extract(p.taken, '$.\"host.processors\"')",
}
_TAKE = """
    INSERT INTO sample (host_id, at, cpu, memory, slots, count)
    SELECT h.id, %s, h.load_cpu, h.load_memory, CAST(coalesce(sum({slots}), 0) AS integer), 1
    FROM host h LEFT JOIN placement p ON p.host_id = h.id AND p.ended IS NULL
    WHERE h.state = 'active' AND h.seen > %s
    GROUP BY h.id, h.load_cpu, h.load_memory
    ON CONFLICT (host_id, at) DO UPDATE SET
        cpu = (sample.cpu * sample.count + excluded.cpu) / (sample.count + 1),
        memory = (sample.memory * sample.count + excluded.memory) / (sample.count + 1),
        slots = CASE WHEN excluded.slots > sample.slots THEN excluded.slots ELSE sample.slots END,
        count = sample.count + 1
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
    samples = [Sample(*row) for row in rows.values_list("at", "cpu", "memory", "slots")]
    return Chart(minutes * 60, tuple(_with_gaps(_in_steps(samples, minutes * MINUTE), minutes * MINUTE)))


def _in_steps(samples: Sequence[Sample], step: timedelta) -> Iterator[Sample]:
    """The means of the samples in each step."""
    seconds = int(step.total_seconds())
    for number, some in groupby(samples, key=lambda sample: int(sample.at.timestamp()) // seconds):
        found = list(some)
        yield Sample(
            datetime.fromtimestamp(number * seconds, found[0].at.tzinfo),
            sum(one.cpu for one in found) / len(found),
            sum(one.memory for one in found) / len(found),
            max(one.slots for one in found),
        )


def _with_gaps(samples: Iterator[Sample], step: timedelta) -> Iterator[Sample | None]:
    last: datetime | None = None
    for sample in samples:
        if last is not None and sample.at - last > step:
            yield None
        yield sample
        last = sample.at
