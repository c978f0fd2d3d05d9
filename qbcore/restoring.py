"""After a backup was put back: numbers that were given out since it was made are never given out again.

Workers may still render and report attempts of that time, and log files of its grants may be in the backup of the
files, which is made after that of the database.
"""

from __future__ import annotations

from django.db import connection
from django.db.models import F

from qbcore import history
from qbcore.models import CounterRow, HostRow
from qbcore.writing import clock, on_postgres, writing

FURTHER = 1_000_000
"""Numbers that are left out; they are 64 bits wide."""
TABLES = ("job", "placement")


@writing
def skip_numbers() -> int:
    """Goes on a million further with the ids of jobs, grants and attempts; answers by how much.

    No worker speaks for a host yet: one that was alive when the backup was made keeps no other from coming.
    """
    HostRow.objects.update(session="")
    with connection.cursor() as cursor:
        if on_postgres():
            for table in TABLES:
                name = f"pg_get_serial_sequence('{table}', 'id')"
                cursor.execute(f"SELECT setval({name}, nextval({name}) + %s)", [FURTHER])
            cursor.execute("SELECT setval('attempt_number', nextval('attempt_number') + %s)", [FURTHER])
        else:
            cursor.execute("UPDATE sqlite_sequence SET seq = seq + %s WHERE name IN (%s, %s)", [FURTHER, *TABLES])
            CounterRow.objects.get_or_create(name="attempt")
            CounterRow.objects.filter(name="attempt").update(value=F("value") + FURTHER)
    history.record("restore", now=clock(), effect=f"a backup was put back: ids go on {FURTHER:,} further")
    return FURTHER
