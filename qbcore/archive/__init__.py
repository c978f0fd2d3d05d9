"""Jobs as files: a versioned XML of typed values, or the same compressed. docs/archive-format.md describes both.

Writing and reading stream: beside the job itself only some 64 kB of markup are held at any time.
"""

from __future__ import annotations

import io
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from qbcore.archive.jobxml import Reader, lines
from qbcore.constants import QB_API_BINARY, QB_API_XML
from qbcore.errors import Invalid, QubeError, set_error
from qbcore.objects import Job

LIMIT = 512 * 1024 * 1024  # bytes of markup that a reader takes unless told otherwise
MAGIC = b"QBJOB\x01"  # how the binary form starts; the last byte is its version

_BLOCK = 64 * 1024  # bytes


def archivejob(filename: str | os.PathLike[str], job: Mapping[str, Any], format: int = QB_API_XML) -> int:  # noqa: A002
    """Save a job; answers the size of the file in bytes. The file appears whole or not at all.

    Raises Invalid for a value that no archive can hold, and (field 'filename') where the file cannot be written.
    """
    if not isinstance(filename, (str, os.PathLike)) or not os.fspath(filename) or "\0" in str(filename):
        raise Invalid(f"{filename!r:.60} is no path of a file", field="filename")
    target = Path(filename)
    part = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        with part.open("xb") as out:
            size = write(out, job, format)
            out.flush()
            os.fsync(out.fileno())
        part.replace(target)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        with suppress(OSError):
            part.unlink()
    return size


def _unwritable(target: Path, error: OSError) -> Invalid:
    why = error.strerror or str(error)
    if isinstance(error, FileNotFoundError):
        why, hint = f"there is no folder {target.parent}", "Make the folder first, or name a file in another one."
    else:
        hint = f"Name a file in a folder that you may write to; this one is {target.parent}."
    return Invalid(f"{target} cannot be written: {why}", field="filename", hint=hint)


def recoverjob(filename: str | os.PathLike[str], format: int | None = None) -> Job | None:  # noqa: A002
    """The job of an archive, or None; then `qb.error()` says why."""
    try:
        job = recover(filename, format)
    except (QubeError, OSError, ValueError) as error:
        set_error(f"{os.fspath(filename)} cannot be recovered: {error}")
        return None
    set_error("")
    return job


def recover(filename: str | os.PathLike[str], format: int | None = None, *, limit: int = LIMIT) -> Job:  # noqa: A002
    """The job of an archive of either form; a `format` that is given must be the file's. Raises Invalid, OSError."""
    path = Path(filename)
    if path.stat().st_size > limit:
        raise _too_large(limit)
    with path.open("rb") as file:
        return read(file, format, limit=limit)


def dumps(job: Mapping[str, Any], format: int = QB_API_XML) -> bytes:  # noqa: A002
    """The job as the bytes of an archive."""
    out = io.BytesIO()
    write(out, job, format)
    return out.getvalue()


def loads(data: bytes, format: int | None = None, *, limit: int = LIMIT) -> Job:  # noqa: A002
    """The job in the bytes of an archive. Raises Invalid."""
    return read(io.BytesIO(data), format, limit=limit)


def write(fileobj: BinaryIO, job: Mapping[str, Any], format: int = QB_API_XML) -> int:  # noqa: A002
    """Write a job to an open file, block by block; answers the bytes written. The same job gives the same bytes."""
    if not isinstance(job, Mapping):
        raise Invalid(f"a {type(job).__name__} cannot be archived", field="job", hint="Give one Job.")
    format = _number(format)  # noqa: A001
    blocks = _blocks(lines(job))
    if format == QB_API_BINARY:
        blocks = _deflated(blocks)
    elif format != QB_API_XML:
        raise Invalid(f"there is no format {format!r:.20}", field="format", hint="Give QB_API_XML or QB_API_BINARY.")
    size = 0
    for block in blocks:
        fileobj.write(block)
        size += len(block)
    return size


def read(fileobj: BinaryIO, format: int | None = None, *, limit: int = LIMIT) -> Job:  # noqa: A002
    """Read a job from an open binary file of either form.

    `limit` is in bytes of markup, for the binary form after decompression. Raises Invalid that names what is wrong:
    a DOCTYPE, an entity, depth, size, root or version, damage; `line` numbers count from 1.
    """
    head = fileobj.read(len(MAGIC))
    found = QB_API_BINARY if head.startswith(MAGIC[:-1]) else QB_API_XML
    if format is not None and _number(format) != found:
        raise Invalid("the file is an archive of the other format", field="format", hint="Leave the format out.")
    blocks = _limited(chain([head], iter(lambda: fileobj.read(_BLOCK), b"")), limit)
    if found == QB_API_BINARY:
        blocks = _limited(_inflated(blocks), limit)
    reader = Reader()
    for block in blocks:
        reader.feed(block)
    return reader.close()


def _number(format: Any) -> Any:  # noqa: A002
    """A format's number, which may have arrived as text."""
    return int(format) if isinstance(format, str) and format.strip() in ("1", "2") else format


def _blocks(lines: Iterable[str]) -> Iterator[bytes]:
    held: list[str] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= _BLOCK:
            yield "".join(held).encode()
            held.clear()
            size = 0
    yield "".join(held).encode()


def _deflated(blocks: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(6)
    yield MAGIC
    for block in blocks:
        yield packer.compress(block)
    yield packer.flush()


def _inflated(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """What the binary form holds, at most a block at a time, so that a bomb meets the limit before the memory does."""
    version = next(blocks)[len(MAGIC) - 1 :]
    if version != MAGIC[-1:]:
        raise Invalid(f"binary version {version.hex()} is not known; this reader knows 01", field="archive")
    unpacker = zlib.decompressobj()
    try:
        for block in blocks:
            rest = block
            while rest and not unpacker.eof:
                yield unpacker.decompress(rest, _BLOCK)
                rest = unpacker.unconsumed_tail
            if rest or unpacker.unused_data:
                raise Invalid("something follows the compressed part", field="archive")
        yield unpacker.flush()
    except zlib.error as error:
        raise Invalid("the compressed part is damaged", field="archive") from error
    if not unpacker.eof:
        raise Invalid("the compressed part ends too early", field="archive")


def _limited(blocks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if size > limit:
            raise _too_large(limit)
        yield block


def _too_large(limit: int) -> Invalid:
    return Invalid(
        f"the archive is larger than {limit:,} bytes", field="archive", hint="Recover it with a higher limit."
    )
