"""Thumbnails: the farm keeps small pictures from the host that ran the attempt, and nothing else."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import pytest
from PIL import Image, PngImagePlugin

from qbcore import submission, thumbnails, verbs
from qbcore.acting import Actor, acting_as
from qbcore.errors import Conflict, Invalid, NotFound, Refused
from qbcore.models import ThumbnailRow
from qbcore.thumbnails import Told
from qbcore.writing import clock
from tests.hand import Hand

pytestmark = pytest.mark.django_db(transaction=True)
JOB = {"prototype": "cmdrange", "package": {"cmdline": "true", "range": "1-2"}, "retrywork": 1}


def picture(kind: str = "JPEG", size: tuple[int, int] = (320, 180), colour: str = "teal") -> bytes:
    out = BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that says it has so many pixels, and has."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(b"\0" * (1 + width)) for _ in range(min(height, 200))) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def job() -> int:
    return int(submission.submit(JOB)[0]["id"])


@pytest.fixture
def hand(job: int) -> Hand:
    hand = Hand(slots=1)
    hand.begin()
    return hand


@pytest.fixture
def told(hand: Hand) -> Told:
    return Told(hand.frames[0][1]["attempt"], 0, "/out/a.0001.exr", 1920, 1080)


def test_a_picture_is_kept_once_however_often_it_comes(hand: Hand, told: Told, job: int) -> None:
    first = thumbnails.keep(hand.id, told, picture())
    assert thumbnails.keep(hand.id, told, picture()) == first
    other = thumbnails.keep(hand.id, told, picture("PNG"))
    assert other != first, "what an address gave once is kept by browsers"
    [shown] = thumbnails.newest(job, 9)
    assert (shown.id, shown.frame, shown.pos, shown.path, shown.width) == (other, "1", 0, "/out/a.0001.exr", 1920)
    assert thumbnails.one(other) == (picture("PNG"), "image/png")
    with pytest.raises(NotFound):
        thumbnails.one(first)


def test_a_later_try_takes_the_place_of_an_earlier_one(hand: Hand, told: Told, job: int) -> None:
    thumbnails.keep(hand.id, told, picture())
    thumbnails.keep(hand.id, replace(told, number=1, path="/out/b.exr"), picture())
    hand.report(1)
    while hand.frames[0][1]["pos"] != 0:
        hand.report(0)
    _, frame = hand.frames[0]
    hand.sync(running=[frame["attempt"]])
    thumbnails.keep(hand.id, replace(told, attempt=frame["attempt"]), picture(colour="red"))
    assert [one.attempt for one in thumbnails.of_frame(job, 0)] == [frame["attempt"]]


def test_only_the_host_of_the_attempt_may_send(hand: Hand, told: Told) -> None:
    with pytest.raises(Refused):
        thumbnails.keep(Hand("render-02").id, told, picture())
    with pytest.raises(Conflict):
        thumbnails.keep(hand.id, replace(told, attempt=10**9), picture())
    assert not ThumbnailRow.objects.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html><script>alert(1)</script></html>",
        b"\xff\xd8\xff\xe0" + b"<script>alert(1)</script>",
        picture()[:200],
        picture("GIF"),
        picture("BMP", (40, 40)),
        picture(size=(2000, 10)),
        bomb(40_000, 40_000),
        bomb(600, 30_000),
    ],
    ids=["empty", "html", "html as jpeg", "cut", "gif", "bmp", "wide", "bomb", "tall"],
)
def test_what_is_no_small_picture_is_refused(hand: Hand, told: Told, data: bytes) -> None:
    with pytest.raises(thumbnails.NotAPicture) as refused:
        thumbnails.keep(hand.id, told, data)
    assert refused.value.code == "not_a_picture"
    assert not ThumbnailRow.objects.exists()


def test_text_that_unpacks_to_much_is_refused(hand: Hand, told: Told) -> None:
    words, out = PngImagePlugin.PngInfo(), BytesIO()
    words.add_text("comment", "a" * 60_000_000, zip=True)
    Image.new("RGB", (8, 8)).save(out, "PNG", pnginfo=words)
    assert len(out.getvalue()) < thumbnails.LARGEST
    with pytest.raises(thumbnails.NotAPicture):
        thumbnails.keep(hand.id, told, out.getvalue())


def test_limits_are_told(hand: Hand, told: Told) -> None:
    with pytest.raises(thumbnails.TooLarge):
        thumbnails.keep(hand.id, told, picture() + b"\0" * thumbnails.LARGEST)
    for wrong in ({"number": 16}, {"path": ""}, {"path": "a\0"}, {"path": "/" * 5000}, {"width": 0}, {"height": 10**9}):
        with pytest.raises(Invalid):
            thumbnails.keep(hand.id, replace(told, **wrong), picture())


def test_they_leave_with_their_job(hand: Hand, told: Told, job: int) -> None:
    thumbnails.keep(hand.id, told, picture())
    verbs.kill(job)
    hand.end_all()
    verbs.remove(job)
    assert not ThumbnailRow.objects.exists()
    with pytest.raises(thumbnails.Gone):
        thumbnails.keep(hand.id, told, picture())


def test_old_ones_and_strays_are_forgotten(hand: Hand, told: Told, job: int) -> None:
    kept = thumbnails.keep(hand.id, told, picture())
    old = clock() - timedelta(days=31)
    for of, at, attempt in ((job, old, 100), (job + 99, clock(), 101)):
        ThumbnailRow.objects.create(job_id=of, pos=1, attempt_id=attempt, path="/a", data=picture(), at=at)
    assert thumbnails.forget() == 2
    assert list(ThumbnailRow.objects.values_list("pk", flat=True)) == [kept]


def test_who_may_not_see_the_job_sees_no_picture(hand: Hand, told: Told, job: int) -> None:
    kept = thumbnails.keep(hand.id, told, picture())
    with acting_as(Actor(name="attempt", role="attempt", job=job + 1)):
        with pytest.raises(NotFound):
            thumbnails.one(kept)
        with pytest.raises(NotFound):
            thumbnails.newest(job, 9)
