"""One thumbnail: a program of its own, which becomes the account that the job ran as and has little to spend.

It imports nothing of ours. It reads {"path", "roots", "width", "most", "oiiotool", "who"} as JSON from standard input
and writes {"width", "height"} of the file's picture as one line of JSON, then the thumbnail's bytes. What it will not
or cannot do it says in one line on standard error, and ends with 1.

The file is opened first and judged then: the kernel says where an open file really lies, so no link and no exchange of
files leads out of the roots.
"""

from __future__ import annotations

import json
import os
import re
import resource
import stat
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

MEMORY = 2 * 1024**3  # bytes of address space
SECONDS = 20  # of processor time
WRITTEN = 4 * 1024**2  # bytes that oiiotool may write into its temporary file
LARGEST_FILE = 2 * 1024**3
MOST_PIXELS = 268_000_000  # 16384 x 16384
FORMATS = ("PNG", "JPEG", "TIFF", "TGA", "BMP", "WEBP", "GIF")  # those that no other program is started for
SCENE_REFERRED = (b"\x76\x2f\x31\x01", b"#?RADIANCE", b"#?RGBE", b"SDPX", b"XPDS")  # EXR, HDR, DPX: how files begin
BACKGROUND = (26, 29, 33)


class CannotError(Exception):
    """There will be no thumbnail; the text says why."""


def main() -> int:
    _limit()
    asked = json.loads(sys.stdin.buffer.read(64 * 1024))
    Image.init()  # all of its readers are loaded now: the account need not be able to read them
    if asked["who"]:
        _become(*asked["who"])
    try:
        file = _open(asked["path"], asked["roots"])
        size, data = _draw(file, asked)
    except CannotError as why:
        sys.stderr.write(f"{why}\n")
        return 1
    sys.stdout.buffer.write(json.dumps({"width": size[0], "height": size[1]}).encode() + b"\n" + data)
    sys.stdout.buffer.flush()
    return 0


def _limit() -> None:
    """Before anything of the file is read: little memory and time, no files written, last of all processes."""
    limits = ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_FSIZE, WRITTEN))
    for what, most in (*limits, (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    os.nice(19)


def _become(user: int, group: int, groups: list[int]) -> None:
    """This process is that account's from now on, for good."""
    os.setgroups(groups)
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)


def _open(path: str, roots: list[str]) -> int:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as wrong:
        raise CannotError(f"it cannot be opened: {wrong.strerror}") from wrong
    seen = os.fstat(file)
    if not stat.S_ISREG(seen.st_mode):
        raise CannotError("it is no plain file")
    real = str(Path(f"/proc/self/fd/{file}").readlink())
    if not any(os.path.commonpath([real, root]) == root for root in map(os.path.realpath, roots)):
        raise CannotError("it lies outside of the output roots")
    if not 0 < seen.st_size <= LARGEST_FILE:
        raise CannotError(f"it has {seen.st_size} bytes")
    return file


def _draw(file: int, asked: dict[str, Any]) -> tuple[tuple[int, int], bytes]:
    """The size of the picture in the file, and a JPEG of it."""
    begins = os.pread(file, 16, 0)
    if begins.startswith(SCENE_REFERRED):
        if not asked["oiiotool"]:
            raise CannotError("it needs OpenImageIO's oiiotool, which is not on this host")
        return _toned(file, asked)
    with os.fdopen(file, "rb") as opened:
        return _scaled(opened, asked)


def _scaled(opened: Any, asked: dict[str, Any]) -> tuple[tuple[int, int], bytes]:
    Image.MAX_IMAGE_PIXELS = None  # judged below, before a pixel is decoded
    try:
        with Image.open(opened, formats=FORMATS) as picture:
            size = picture.size
            if size[0] * size[1] > MOST_PIXELS:
                raise CannotError(f"{size[0]} x {size[1]} pixels are too many")
            picture.draft("RGB", (asked["width"] * 2, asked["width"] * 2))
            small = _eight_bits(picture)
            small.thumbnail((asked["width"], asked["width"]))
            return size, _jpeg(_flat(small), asked["most"])
    except CannotError:
        raise
    except MemoryError as wrong:
        raise CannotError("it takes more memory than a thumbnail may") from wrong
    except Exception as wrong:  # decoders raise whatever a broken file leads them to
        raise CannotError(f"it is no picture that can be read: {type(wrong).__name__}") from wrong


def _eight_bits(picture: Any) -> Any:
    """Deeper pictures as Pillow has them in one channel: 16 bits, or floating point from 0 to 1."""
    if picture.mode.startswith("I"):
        return picture.point(lambda value: value / 256).convert("L")
    if picture.mode == "F":
        return picture.point(lambda value: value * 255 + 0).convert("L")
    return picture.copy() if picture.mode in ("L", "RGB", "RGBA", "LA") else picture.convert("RGBA")


def _flat(picture: Any) -> Any:
    """Without transparency."""
    if picture.mode not in ("RGBA", "LA"):
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    below = Image.new("RGB", layer.size, BACKGROUND)
    below.paste(layer, mask=layer.getchannel("A"))
    return below


def _jpeg(picture: Any, most: int) -> bytes:
    for quality in (82, 65, 45, 25):
        out = BytesIO()
        picture.save(out, "JPEG", quality=quality, optimize=True)
        if out.tell() <= most:
            return out.getvalue()
    raise CannotError(f"it does not fit into {most} bytes")


def _toned(file: int, asked: dict[str, Any]) -> tuple[tuple[int, int], bytes]:
    """By oiiotool, whose limits are this process's: highlights pressed together, from linear light to sRGB.

    DPX holds film's densities, which are shown as they are.
    """
    source = f"/proc/self/fd/{file}"
    width, height, channels = _described(_oiiotool(file, asked, "--info", source))
    share = min(1.0, asked["width"] / max(width, height))
    small = f"{max(1, round(width * share))}x{max(1, round(height * share))}"
    linear = ["--rangecompress", "--clamp:min=0:max=1", "--colorconvert", "linear", "sRGB"]
    tone = [] if os.pread(file, 4, 0) in (b"SDPX", b"XPDS") else linear
    with tempfile.TemporaryDirectory(prefix="qb-thumbnail-") as folder:
        target = Path(folder, "t.jpg")
        shown = ["--ch", "0,1,2" if channels >= 3 else "0,0,0", "--resize", small, *tone]
        _oiiotool(file, asked, source, *shown, "-d", "uint8", "-o", str(target))
        with target.open("rb") as made, Image.open(made, formats=("JPEG",)) as picture:
            return (width, height), _jpeg(_flat(picture), asked["most"])


def _oiiotool(file: int, asked: dict[str, Any], *words: str) -> str:
    """What it says."""
    argv = [asked["oiiotool"], *words]
    done = subprocess.run(argv, pass_fds=(file,), capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotError(f"oiiotool: {' '.join((done.stderr or done.stdout).split())[:200]}")
    return done.stdout


def _described(info: str) -> tuple[int, int, int]:
    """Width, height and channels out of '… : 1920 x 1080, 4 channel, half openexr'."""
    found = re.search(r" : +(\d+) x +(\d+), (\d+) channel", info)
    if found is None or int(found[1]) * int(found[2]) > MOST_PIXELS or not int(found[1]) * int(found[2]):
        raise CannotError(f"oiiotool says of its size: {info.strip()[:100]}")
    return int(found[1]), int(found[2]), int(found[3])


if __name__ == "__main__":
    sys.exit(main())
