"""Small pictures of what frames wrote. A worker makes and sends them; the farm itself never opens a file of a job.

What comes is taken for a stranger's: it is read as a picture, whole, within the limits below, before it is kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any

from django.conf import settings
from PIL import Image

from qbcore import acting, events
from qbcore.errors import Conflict, Invalid, NotFound, QubeError, Refused
from qbcore.fields import UNSTORABLE
from qbcore.listing import outputs
from qbcore.models import AttemptRow, JobRow, ThumbnailRow
from qbcore.permissions import may
from qbcore.writing import clock, writing

LARGEST = 64 * 1024
"""Bytes of a thumbnail."""
WIDEST = 640
"""Pixels of its longer side at most; workers make them half as wide."""
MOST = 16
"""Of one attempt."""
LONGEST_PATH = 4096
LARGEST_SIDE = 1_000_000
KINDS = {"JPEG": "image/jpeg", "PNG": "image/png"}
HINT = "thumbnail"
SLICE = 2000
LATEST = 16
"""Items of one program whose files its worker is told of: one that falls behind drops older ones anyway."""
LONGEST_TOLD = 4096
"""Characters of the paths of one item that its worker is told."""

warnings.simplefilter("error", Image.DecompressionBombWarning)


class NotAPicture(Invalid):
    """This is no picture of a kind that the farm keeps."""

    code = "not_a_picture"


class TooLarge(QubeError):  # noqa: N818 -- reads as what happened
    """A thumbnail has at most 64 kB."""

    code = "too_large"
    status = 413


class Gone(NotFound):
    """The job of this attempt was removed: forget its pictures."""

    code = "gone"
    status = 410


@dataclass(frozen=True, slots=True)
class Told:
    """What a worker says of a thumbnail: of which attempt, its how manieth file, that file's path and picture."""

    attempt: int
    number: int
    path: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One that is kept, without its bytes."""

    id: int
    job: int
    pos: int
    frame: str
    attempt: int
    number: int
    path: str
    width: int
    height: int


def keep(host: int, told: Told, data: bytes) -> int:
    """Keeps the thumbnail of *host*; its id. The same one may come any number of times, an older try's leaves."""
    _check(told, data)
    row = AttemptRow.objects.filter(pk=told.attempt).only("job_id", "pos", "host_id").first()
    if row is None:
        raise Conflict(f"attempt {told.attempt} is not known yet: send its report first")
    if row.host_id != host:
        raise Refused(f"attempt {told.attempt} was another host's", right="send its pictures", holders="that host")
    if not JobRow.objects.filter(pk=row.job_id).exists():
        raise Gone()
    return _keep(row, told, data)


@writing
def _keep(row: AttemptRow, told: Told, data: bytes) -> int:
    """A new id each time that the bytes are others: browsers keep what an address gave them."""
    same = ThumbnailRow.objects.filter(attempt_id=row.pk, number=told.number)
    known = same.first()
    if known is not None and bytes(known.data) == data:
        return known.pk
    same.delete()
    if row.pos >= 0:
        ThumbnailRow.objects.filter(job_id=row.job_id, pos=row.pos).exclude(attempt_id=row.pk).delete()
    made = ThumbnailRow.objects.create(
        job_id=row.job_id,
        pos=row.pos,
        attempt_id=row.pk,
        number=told.number,
        path=told.path,
        width=told.width,
        height=told.height,
        data=data,
        at=clock(),
    )
    events.publish(HINT, [row.job_id])
    return made.pk


def _check(told: Told, data: bytes) -> None:
    if len(data) > LARGEST:
        raise TooLarge()
    if not 0 <= told.number < MOST:
        raise Invalid(f"an attempt has thumbnails 0 to {MOST - 1}", field="number")
    if not 1 <= len(told.path) <= LONGEST_PATH or UNSTORABLE.search(told.path):
        raise Invalid("the file's path is missing or cannot be stored", field="path")
    if not (0 < told.width <= LARGEST_SIDE and 0 < told.height <= LARGEST_SIDE):
        raise Invalid("the picture's size is missing", field="width", hint="Give width and height in pixels.")
    kind_of(data)


def kind_of(data: bytes) -> str:
    """The content type of a picture, which is decoded whole. Raises NotAPicture."""
    try:
        with Image.open(BytesIO(data), formats=list(KINDS)) as picture:
            if max(picture.size) > WIDEST:
                raise NotAPicture(f"a thumbnail of {picture.width} x {picture.height} is too large", field="body")
            picture.load()
            return KINDS[picture.format or ""]
    except NotAPicture:
        raise
    except Exception as wrong:  # its decoders raise whatever a broken file leads them to
        raise NotAPicture(f"the body is no JPEG or PNG: {type(wrong).__name__}", field="body") from wrong


def one(thumbnail: int) -> tuple[bytes, str]:
    """The bytes and the content type, for who may see its job. Raises NotFound."""
    row = ThumbnailRow.objects.filter(pk=thumbnail).first()
    if row is None or not may(acting.current(), "see", job=row.job_id):
        raise NotFound(f"There is no thumbnail {thumbnail}.")
    data = bytes(row.data)
    return data, KINDS["PNG" if data.startswith(b"\x89PNG") else "JPEG"]


def newest(job: int, most: int) -> list[Thumbnail]:
    """The last ones of a job, newest first, the first file of each attempt."""
    rows = ThumbnailRow.objects.filter(job_id=job, number=0)
    return _lines(job, rows.order_by("-pk").defer("data")[:most])


def of_frame(job: int, pos: int) -> list[Thumbnail]:
    """Those of one frame, in the order of its files."""
    return _lines(job, ThumbnailRow.objects.filter(job_id=job, pos=pos).order_by("number").defer("data"))


def _lines(job: int, rows: Iterable[ThumbnailRow]) -> list[Thumbnail]:
    if not may(acting.current(), "see", job=job):
        raise NotFound(f"There is no job {job} on this farm.")
    found = list(rows)
    names = dict(AttemptRow.objects.filter(pk__in=[row.attempt_id for row in found]).values_list("pk", "frame"))
    return [
        Thumbnail(
            row.pk, row.job_id, row.pos, names.get(row.attempt_id, ""), row.attempt_id, row.number, row.path,
            row.width, row.height,
        )
        for row in found
    ]  # fmt: skip


def note(program: int, item: int, result: Any) -> None:
    """Keeps for the program's worker which files an item named: both are attempts. The program's subjob is locked."""
    paths, room = [], LONGEST_TOLD
    for line in outputs.read(result):
        room -= len(line.path)
        if not line.missing and room >= 0:
            paths.append(line.path)
    if paths:
        row = AttemptRow.objects.filter(pk=program)
        before = row.values_list("wrote", flat=True).first() or []
        row.update(wrote=[*before[1 - LATEST :], [item, paths[:MOST]]])


def wrote(host: int, known: Mapping[int, int]) -> dict[str, dict[str, list[str]]]:
    """What items of programs on *host* wrote, {program: {item: paths}}, oldest first.

    *known* names each program's last item that the worker was told of, so an answer that was lost comes again.
    """
    rows = AttemptRow.objects.filter(pk__in=known, host_id=host, wrote__isnull=False).values_list("pk", "wrote")
    found = {str(pk): {str(item): paths for item, paths in _after(known[pk], told or [])} for pk, told in rows}
    return {program: items for program, items in found.items() if items}


def _after(item: int, told: list[list[Any]]) -> list[list[Any]]:
    """What was told after the item: in that order, since numbers of attempts do not grow with time."""
    at = next((nth for nth, (one, _) in enumerate(told, start=1) if one == item), 0)
    return told[at:]


@writing
def forget() -> int:
    """Deletes those that are too old, and what came for jobs that were removed meanwhile; how many."""
    old = ThumbnailRow.objects.filter(at__lt=clock() - timedelta(days=settings.FARM_THUMBNAIL_DAYS))
    stray = ThumbnailRow.objects.exclude(job_id__in=JobRow.objects.values("pk"))
    pks = [*old.values_list("pk", flat=True)[:SLICE], *stray.values_list("pk", flat=True)[:SLICE]]
    ThumbnailRow.objects.filter(pk__in=pks).delete()
    return len(set(pks))
