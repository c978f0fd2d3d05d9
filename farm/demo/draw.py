"""Draws one frame of the demo as PNG: `python draw.py PICTURE FRAME FOLDER`. Standard library only; a farm runs it.

Prints how far it is, as renderers do. What is wrong with a picture is told by Python's own traceback.
"""

from __future__ import annotations

import cmath
import json
import math
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

WIDTH, HEIGHT = 480, 270  # pixels
STEPS = 96  # of the long picture's iteration
PER_ROW = 6  # frames in a row of the contact sheet
SIGNATURE = b"\x89PNG\r\n\x1a\n"
Colour = tuple[float, float, float]
Pixel = Callable[[float, float], Colour]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: list[bytes]) -> bytes:
    """A picture out of rows of RGB bytes."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    lines = zlib.compress(b"".join(b"\0" + row for row in rows), 6)
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def read_png(path: Path) -> list[bytes]:
    """The rows of a picture that `png` wrote."""
    data = path.read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    start = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[start - 4 : start])
    lines = zlib.decompress(data[start + 4 : start + 4 + length])
    return [lines[y * (3 * width + 1) + 1 : (y + 1) * (3 * width + 1)] for y in range(height)]


def render(pixel: Pixel) -> Iterator[bytes]:
    """The rows of a picture: *pixel* takes x from -1.78 to 1.78 and y from 1 (top) to -1 and gives 0 to 1 thrice."""
    for line in range(HEIGHT):
        y = 1 - 2 * (line + 0.5) / HEIGHT
        row = bytearray()
        for column in range(WIDTH):
            x = (2 * (column + 0.5) / WIDTH - 1) * WIDTH / HEIGHT
            row += bytes(max(0, min(255, round(255 * value))) for value in pixel(x, y))
        yield bytes(row)
        if line % (HEIGHT // 8) == HEIGHT // 8 - 1:
            sys.stdout.write(f"row {line + 1} of {HEIGHT}\n")
            sys.stdout.flush()


def aurora(frame: int) -> Pixel:
    """Curtains of light over a dark ridge."""
    t = frame / 24 * math.tau

    def pixel(x: float, y: float) -> Colour:
        ridge = -0.45 + 0.12 * math.sin(3 * x + 1) + 0.05 * math.sin(11 * x)
        if y < ridge:
            return 0.02, 0.03, 0.05
        fold = y + 0.25 * math.sin(2.2 * x + t) + 0.1 * math.sin(5 * x - t)
        glow = math.exp(-6 * (fold - 0.15) ** 2) * (0.7 + 0.3 * math.sin(23 * x + 3 * math.sin(t)))
        return 0.03 + 0.35 * glow * max(0.0, y), 0.04 + 0.85 * glow, 0.12 + 0.45 * glow

    return pixel


def julia(frame: int) -> Pixel:
    """A Julia set whose parameter goes around."""
    c = 0.7885 * cmath.exp(1j * (2.0 + frame / 480 * math.tau))

    def pixel(x: float, y: float) -> Colour:
        z, step = complex(x, y), 0
        while abs(z) < 2 and step < STEPS:
            z, step = z * z + c, step + 1
        level = step / STEPS
        return level**0.6, level**1.6, 0.15 + 0.6 * math.sin(math.pi * level)

    return pixel


def harbour(frame: int, grade: Colour = (1.0, 1.0, 1.0)) -> Pixel:
    """A moon over water, seen through a colour grade."""
    t = frame / 20

    def pixel(x: float, y: float) -> Colour:
        moon = math.exp(-40 * ((x - 0.9 + t) ** 2 + (y - 0.5) ** 2))
        wave = 0.5 + 0.5 * math.sin(40 * y + 6 * math.sin(3 * x + math.tau * t))
        path = math.exp(-6 * (x - 0.9 + t) ** 2) * wave if y < 0 else 0.0
        light = min(1.0, moon + 0.6 * path)
        sky = 0.10 + 0.12 * max(0.0, y)
        return grade[0] * (sky * 0.5 + light), grade[1] * (sky * 0.6 + 0.95 * light), grade[2] * (sky + 0.8 * light)

    return pixel


def graded_harbour(frame: int, folder: Path) -> Pixel:
    """Frames 13 to 15 go through the clouds, whose grade lies in a file of its own."""
    if frame not in (13, 14, 15):
        return harbour(frame)
    red, green, blue = json.loads((folder / "clouds.json").read_text())
    return harbour(frame, (float(red), float(green), float(blue)))


def exposure(frame: int) -> Pixel:
    """One scene, from frame to frame with half the light."""
    stops = 4 - frame
    if stops < -2:
        raise ValueError(f"exposure of {stops} stops is below the sensor's -2: nothing would be seen on frame {frame}")
    light = 2.0**stops
    below = aurora(12)

    def pixel(x: float, y: float) -> Colour:
        red, green, blue = below(x, y)
        return 1 - math.exp(-light * red), 1 - math.exp(-light * green), 1 - math.exp(-light * blue)

    return pixel


def sheet(folder: Path) -> bytes:
    """All frames of the folder in one picture, a third of their size."""
    frames = [read_png(path) for path in sorted(folder.glob("frame.*.png"))]
    small = [[shrink(row) for row in rows[::3]] for rows in frames]
    width, height = len(small[0][0]) // 3, len(small[0])
    lines: list[bytes] = []
    for first in range(0, len(small), PER_ROW):
        group = small[first : first + PER_ROW]
        gap = bytes(3 * width * (PER_ROW - len(group)))
        lines += [b"".join(rows[line] for rows in group) + gap for line in range(height)]
    return png(PER_ROW * width, len(lines), lines)


def shrink(row: bytes) -> bytes:
    """Every third pixel."""
    return b"".join(row[at : at + 3] for at in range(0, len(row), 9))


def main(picture: str, frame: str, folder: Path) -> None:
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    if picture == "sheet":
        target, data = folder / "sheet.png", sheet(folder)
    else:
        number = int(frame)
        sys.stdout.write(f"drawing {picture}, frame {number}, {WIDTH} x {HEIGHT}\n")
        pictures: dict[str, Callable[[], Pixel]] = {
            "aurora": lambda: aurora(number),
            "julia": lambda: julia(number),
            "harbour": lambda: graded_harbour(number, folder),
            "exposure": lambda: exposure(number),
        }
        target, data = folder / f"frame.{number:04}.png", png(WIDTH, HEIGHT, list(render(pictures[picture]())))
    target.write_bytes(data)
    sys.stdout.write(f"wrote {target}, {len(data):,} bytes in {time.monotonic() - began:.1f} s\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
