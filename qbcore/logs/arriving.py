"""Bytes that come in: written where the worker says that they belong, any number of times."""

from __future__ import annotations

import fcntl
import os
from contextlib import closing
from pathlib import Path

from django.db.models import Exists

from qbcore import diskspace
from qbcore.errors import Invalid, Refused
from qbcore.logs.files import opened, size_of
from qbcore.logs.handles import Handle, is_still_there, write_all
from qbcore.logs.late import add
from qbcore.logs.places import GONE, KINDS, PACKED, Gone, late_path, packed_path, path, place
from qbcore.logs.storing import SMALLEST
from qbcore.models import GrantRow, JobRow
from qbcore.writing import writing

LARGEST_CHUNK = 4 * 1024 * 1024
LONGEST_LOG = 1024**4


def append(host: int, grant: int, stream: str, offset: int, data: bytes) -> int:
    """Writes bytes of *host* at their offset; answers how long the log is now. No bytes only ask for that.

    Raises Invalid, Refused for another host's grant, Gone, and DiskFull when the disk does not take them.
    """
    if stream not in KINDS:
        raise Invalid(f"{stream!r} is no stream", field="stream", hint="Give out, err or marks.")
    if not 0 <= offset <= LONGEST_LOG:
        raise Invalid(f"{offset} is no offset in a log", field="offset")
    job, subjob, owner = place(grant)
    if owner != host:
        raise Refused(f"grant {grant} is on another host", right="write its log", holders="that host")
    file = path(job, subjob, grant, stream)
    size = size_of(file)
    if not size:
        _check_wanted(job, grant)
    if not data:
        return size
    with diskspace.written():
        while not (_write(file, offset, data) if _is_plain(file) else _write_late(file, grant, offset, data)):
            pass  # it was packed, or its late pieces were, between the look and the lock
    if size <= SMALLEST < offset + len(data):
        _pack_again(grant)
    return max(size, offset + len(data))


def _check_wanted(job: int, grant: int) -> None:
    """Before a file is made for it; later bytes are written without asking the database."""
    if not GrantRow.objects.filter(Exists(JobRow.objects.filter(pk=job)), pk=grant).exclude(logs=GONE).exists():
        raise Gone()


def _is_plain(file: Path) -> bool:
    return file.exists() or not packed_path(file).exists()


def _write(file: Path, offset: int, data: bytes) -> bool:
    """Whether it was written into the plain file, which is made if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(Handle(file, os.O_RDWR | os.O_CREAT)) as handle:
        fcntl.flock(handle.number, fcntl.LOCK_SH)  # who packs it takes it away under the other lock
        if not is_still_there(file, handle.number):
            return False
        if packed_path(file).exists() and not os.fstat(handle.number).st_size:
            file.unlink()  # made a moment after the packed one had taken its place
            return False
        write_all(handle.number, data, offset)
        return True


def _write_late(file: Path, grant: int, offset: int, data: bytes) -> bool:
    with opened(file) as log:
        if offset + len(data) <= log.size and log.read(offset, len(data)) == data:
            return True
    if not add(late_path(file), offset, data):
        return False
    _pack_again(grant)
    return True


def _pack_again(grant: int) -> None:
    """Housekeeping is to look after the files of a grant once more, if it has done so already."""
    if GrantRow.objects.filter(pk=grant, logs=PACKED).exists():
        _unmark(grant)


@writing
def _unmark(grant: int) -> None:
    GrantRow.objects.filter(pk=grant, logs=PACKED).update(logs="")
