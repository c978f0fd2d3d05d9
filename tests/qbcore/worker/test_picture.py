"""The program that draws thumbnails: what it draws, and what it will not."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from PIL import Image

from qbcore.worker import thumbnails
from qbcore.worker.accounts import Account
from qbcore.worker.thumbnails import LARGEST, Drawn, NotDrawn, Painter, draw

Save = Callable[[Path], Any]


def shown(drawn: Drawn) -> Image.Image:
    assert len(drawn.data) <= LARGEST
    return Image.open(BytesIO(drawn.data), formats=["JPEG"])


def near(found: Any, wanted: tuple[int, int, int]) -> bool:
    return all(abs(one - other) <= 4 for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    ("name", "save", "colour"),
    [
        ("a.png", lambda path: Image.new("RGB", (1920, 1080), (200, 40, 20)).save(path), (200, 40, 20)),
        ("a.jpg", lambda path: Image.new("RGB", (1920, 1080), (200, 40, 20)).save(path), (200, 40, 20)),
        ("a.tga", lambda path: Image.new("RGB", (1920, 1080), (200, 40, 20)).save(path), (200, 40, 20)),
        ("deep.png", lambda path: Image.new("I;16", (1920, 1080), 32768).save(path), (128, 128, 128)),
        ("float.tif", lambda path: Image.new("F", (1920, 1080), 0.5).save(path), (127, 127, 127)),
        ("clear.png", lambda path: Image.new("RGBA", (1920, 1080), (255, 0, 0, 0)).save(path), (26, 29, 33)),
    ],
)
def test_a_picture_becomes_a_small_one(tmp_path: Path, name: str, save: Save, colour: tuple[int, int, int]) -> None:
    save(tmp_path / name)
    drawn = draw(str(tmp_path / name), [str(tmp_path)])
    assert (drawn.width, drawn.height) == (1920, 1080)
    with shown(drawn) as picture:
        assert picture.size == (320, 180)
        assert near(picture.getpixel((160, 90)), colour)


def bomb(path: Path, side: int) -> None:
    """A PNG of a hundred kilobytes and a gigabyte of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    row = packer.compress(b"\0" * (1 + side * 3)) * 100
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", row + packer.flush()) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


REFUSED: list[tuple[str, Save, str]] = [
    ("bomb.png", lambda path: bomb(path, 18919), "too many"),
    ("page.jpg", lambda path: path.write_text("<html></html>"), "no picture"),
    ("cut.png", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"), "no picture"),
    ("vector.png", lambda path: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "no picture"),
    ("empty.png", lambda path: path.touch(), "0 bytes"),
    ("none.png", lambda path: None, "cannot be opened"),
    ("folder.png", lambda path: path.mkdir(), "no plain file"),
    ("pipe.png", os.mkfifo, "no plain file"),
    ("passwords.png", lambda path: path.symlink_to("/etc/passwd"), "outside"),
    ("zero.png", lambda path: path.symlink_to("/dev/zero"), "no plain file"),
    ("a.exr", lambda path: path.write_bytes(b"\x76\x2f\x31\x01" + bytes(100)), "oiiotool, which is not"),
]


@pytest.mark.parametrize(("name", "make", "why"), REFUSED, ids=[name for name, _, _ in REFUSED])
def test_what_is_no_picture_under_the_roots_gets_none(tmp_path: Path, name: str, make: Save, why: str) -> None:
    make(tmp_path / name)
    with pytest.raises(NotDrawn, match=why):
        draw(str(tmp_path / name), [str(tmp_path)])


def test_a_root_that_only_begins_like_the_folder_is_another(tmp_path: Path) -> None:
    for name in ("out", "out2"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "out2" / "a.png")
    with pytest.raises(NotDrawn, match="outside"):
        draw(str(tmp_path / "out2" / "a.png"), [str(tmp_path / "out")])
    (tmp_path / "link").symlink_to(tmp_path / "out2")
    assert draw(str(tmp_path / "out2" / "a.png"), [str(tmp_path / "link")]).width == 8


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "PROGRAM", ["/bin/sh", "-c", "exec sleep 600"])
    monkeypatch.setattr(thumbnails, "SECONDS", 0.2)
    with pytest.raises(NotDrawn, match="took more than"):
        draw(str(tmp_path), [str(tmp_path)])
    monkeypatch.setattr(thumbnails, "PROGRAM", ["/bin/sh", "-c", "exec cat /dev/zero"])
    monkeypatch.setattr(thumbnails, "SECONDS", 20)
    with pytest.raises(NotDrawn, match="said too much"):
        draw(str(tmp_path), [str(tmp_path)])


def test_the_oldest_are_dropped_when_more_come_than_can_be_made() -> None:
    painter = Painter(["/out"])
    painter.offer(1, ["/out/a.png"])
    assert not painter._files, "nobody would send them"
    painter._client = object()  # type: ignore[assignment]
    for attempt in range(60):
        painter.offer(attempt, ["/out/a.mov", "/out/a.PNG", *(f"/out/{number}.exr" for number in range(9))])
    assert len(painter._files) == thumbnails.WAITING and painter._dropped == 60 * 4 - thumbnails.WAITING
    assert [(file.attempt, file.number, file.path) for file in painter._files][-4] == (59, 0, "/out/a.PNG")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of other accounts")
def test_it_is_made_as_the_account_that_the_job_ran_as(tmp_path: Path) -> None:
    nobody = Account("nobody", 65534, 65534, (65534,), "/")
    with TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        picture = Path(name, "a.png")
        Image.new("RGB", (8, 8)).save(picture)
        assert draw(str(picture), [name], "", nobody).width == 8
        picture.chmod(0o600)
        with pytest.raises(NotDrawn, match="Permission denied"):
            draw(str(picture), [name], "", nobody)


def test_pictures_of_light_are_toned_where_openimageio_is(tmp_path: Path) -> None:
    tool = shutil.which("oiiotool")
    if tool is None:
        pytest.skip("OpenImageIO is not installed: its own test of the tool's absence is above")
    colours = "constant:color=4.0,0.2,0.0"
    subprocess.run([tool, "--pattern", colours, "640x480", "3", "-d", "half", "-o", tmp_path / "a.exr"], check=True)
    drawn = draw(str(tmp_path / "a.exr"), [str(tmp_path)], tool)
    with shown(drawn) as picture:
        assert ((drawn.width, drawn.height), picture.size) == ((640, 480), (320, 240))
        red, green, blue = picture.getpixel((160, 120))  # type: ignore[misc]
        assert red > 200 and 90 < green < 150 and blue < 10
