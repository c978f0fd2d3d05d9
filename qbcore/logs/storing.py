"""Log files are packed, and taken away. Whoever dies in between leaves a log that reads the same."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

from qbcore.logs.files import opened
from qbcore.logs.handles import Handle, is_still_there
from qbcore.logs.places import KINDS, folder, late_path, packed_path, path
from qbcore.logs.seekable import write

SMALLEST = 4096
"""Bytes up to which packing saves nothing: a file takes up one block anyway."""
STALE = 3600.0
"""Seconds after which an unfinished file is nobody's."""


def forget(job: int) -> None:
    """Deletes the logs of a job that was removed."""
    shutil.rmtree(folder(job), ignore_errors=True)


def pack(job: int, subjob: int, grant: int) -> bool:
    """Packs the files of a grant; False when bytes came meanwhile: try again later."""
    files = [path(job, subjob, grant, stream) for stream in KINDS]
    packed = [_pack(file) for file in files]
    return all(packed)


def quiet_for(job: int, subjob: int, grant: int) -> float:
    """Seconds (of this machine's clock) since bytes of the grant were last written."""
    files = [path(job, subjob, grant, stream) for stream in KINDS]
    written = [_written(one) for file in files for one in (file, late_path(file))]
    return time.time() - max(written)


def _written(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _pack(file: Path) -> bool:
    """Beside it first, then in its place, then what it was made of goes: the last two while nobody writes."""
    try:
        origin = Handle(old := file, os.O_RDWR)
    except FileNotFoundError:
        try:
            origin = Handle(old := late_path(file), os.O_RDWR)
        except FileNotFoundError:
            return True
    with closing(origin):
        return _replace(file, old, origin.number)


def _replace(file: Path, old: Path, handle: int) -> bool:
    before = os.fstat(handle)
    if old == file and before.st_size <= SMALLEST and not packed_path(file).exists():
        return True
    beside = file.with_name(f"{file.name}.{secrets.token_hex(8)}.new")
    try:
        with opened(file) as log:
            write(beside, log)
        fcntl.flock(handle, fcntl.LOCK_EX)
        now = os.fstat(handle)
        if not is_still_there(old, handle) or (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            return False
        beside.replace(packed_path(file))
        _sync(file.parent)
        old.unlink()
        return True
    finally:
        beside.unlink(missing_ok=True)


def _sync(place: Path) -> None:
    with closing(Handle(place, os.O_RDONLY | os.O_DIRECTORY)) as handle:
        os.fsync(handle.number)


def sweep(job: int) -> None:
    """Takes away unfinished files of packers that died."""
    for file in folder(job).glob("*.new"):
        with suppress(FileNotFoundError):
            if time.time() - file.stat().st_mtime > STALE:
                file.unlink()


def remove(job: int, grants: Iterable[tuple[int, int]]) -> int:
    """Deletes the files of grants (subjob, grant) in whichever form; answers how many bytes of disk that frees."""
    freed = 0
    for subjob, grant in grants:
        for stream in KINDS:
            file = path(job, subjob, grant, stream)
            for one in (file, packed_path(file), late_path(file)):
                with suppress(FileNotFoundError):
                    freed += one.stat().st_size
                    one.unlink()
    with suppress(OSError):  # files of grants that stay, or none ever came
        folder(job).rmdir()
    return freed
