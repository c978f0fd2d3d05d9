"""Lines of real logs: how far the frame is, and which file was written."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore.errors import Invalid
from qbcore.renderlines import Meter, check_package, pattern, written

LOGS = Path(__file__).parents[1] / "data" / "render_logs"


def steps(meter: Meter, data: bytes) -> list[int]:
    """The figures that it showed, line by line, each once."""
    found: list[int] = []
    for line in data.splitlines(keepends=True):
        meter.read(line)
        if meter.percent is not None and meter.percent not in found[-1:]:
            found.append(meter.percent)
    return found


@pytest.mark.parametrize(
    ("log", "wanted"),
    [
        ("success_povray/1", [7, 14, 21, 28, 35, 42, 49, 56, 64, 71, 76, 82, 88, 94, 100]),
        ("success_blender/1", [0, 12, 100]),
        ("success_blender/5", [1, 40, 79, 100]),
        ("success_ffmpeg/1", [0, 50]),
        ("missing_file", []),
    ],
)
def test_a_log_says_how_far_its_frame_is(log: str, wanted: list[int]) -> None:
    path = LOGS / f"{log}.log" if "/" in log else LOGS / "scene_file_missing" / "1.log"
    assert steps(Meter(), path.read_bytes()) == wanted


@pytest.mark.parametrize(
    ("line", "percent"),
    [
        ("00:00:05   510MB         |    50% done - 49 rays/pixel", 50),
        ("Fra:7 Mem:1.1M | Remaining:00:01 | Scene, RenderLayer | Path Tracing Tile 51/204, Sample 1/128", 25),
        ("[Redshift] Block 12/48 (3,1) rendered by GPU 0 in 35ms", 25),
        ("[2026/Nov/22|12:00:00] V-Ray: Rendering image...: 42.5% [time left: 12.0 s]", 42),
        ("ALF_PROGRESS 83%", 83),
        ("R90000   31%", 31),
        ("2026-04-27 10:47:48:  0: STDOUT: Encoding Progress: 64%", 64),
        (" 43%|████      | 43/100 [00:10<00:13]", 43),
        ("texture baking 17.5 % complete", 17),
        ("2026-04-27 10:47:48:  0: STDOUT: Frame 1084 (8 of 10)", 80),
    ],
)
def test_programs_of_many_makers_are_understood(line: str, percent: int) -> None:
    meter = Meter()
    meter.read(line.encode() + b"\r")
    assert meter.percent == percent


@pytest.mark.parametrize(
    "line",
    [
        "Rendering frame 1 of 1",
        "[libx264 @ 0x560c87e6ed80] mb P  I16..4:  2.1%  0.6%  0.2%  skip:78.9%",
        "Fra:2 Mem:29.5M | Scene, RenderLayer | Updating Mesh BVH Plane.018 304/5 | Building BVH",
        "00:00:09   514MB         |  total                         9 (100.00%)",
        "video:7kB muxing overhead: 18.156466%",
        "Tile 5/0 of nothing",
        "> oiiotool seq/c.0001.exr --resize 50% -o /mnt/a.exr",
    ],
)
def test_a_line_about_something_else_is_no_progress(line: str) -> None:
    meter = Meter()
    meter.read(line.encode() + b"\n")
    assert meter.percent is None


def test_a_chunk_of_frames_is_as_far_as_all_its_frames_together() -> None:
    meter = Meter(frames=4)
    lines = [f"Rendered 1 of 1 pixels ({percent}%)\r" for _ in range(4) for percent in (20, 60, 100)]
    assert steps(meter, "".join(lines).encode()) == [5, 15, 25, 30, 40, 50, 55, 65, 75, 80, 90, 100]


@given(st.lists(st.binary(max_size=200), max_size=30), st.integers(1, 5))
def test_it_never_goes_back_and_stays_within_a_hundred(pieces: list[bytes], frames: int) -> None:
    meter, last = Meter(frames), 0
    for piece in [*pieces, b"ALF_PROGRESS 120%\n", *pieces]:
        meter.read(piece)
        assert meter.percent is None or last <= meter.percent <= 100
        last = meter.percent or 0


def test_a_jobs_own_pattern_is_the_only_one_that_counts() -> None:
    meter = Meter(own=pattern(r"bucket (?P<done>\d+)/(?P<total>\d+)", "package.progress"))
    meter.read(b"ALF_PROGRESS 90%\nbucket 3/12\n")
    assert meter.percent == 25


@pytest.mark.parametrize(
    ("package", "field", "words"),
    [
        ({"progress": "(a"}, "package.progress", "missing )"),
        ({"progress": r"(\d+)%"}, "package.progress", "percent"),
        ({"progress": r"(?P<done>\d+)"}, "package.progress", "total"),
        ({"progress": 5}, "package.progress", "text"),
        ({"progress": "x" * 501}, "package.progress", "500"),
        ({"outputPaths": {"a": 1}}, "package.outputPaths", "list of paths"),
        ({"outputPaths": [1]}, "package.outputPaths", "list of paths"),
        ({"outputPaths": ["a"] * 65}, "package.outputPaths", "64"),
    ],
)
def test_what_no_worker_could_use_is_refused(package: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(Invalid, match=words.replace(")", r"\)")) as refused:
        check_package(package)
    assert refused.value.field == field


def test_no_pattern_takes_long_on_any_line() -> None:
    meter = Meter(own=pattern(r"(a|a|aa)*(?P<percent>\d+)%", "package.progress"))
    began = time.process_time()
    meter.read(b"a" * 100_000 + b"\n")
    for plain in (b"Rendering image" + b": " * 50_000, b"Frame 1 (" * 20_000, b"9" * 100_000, b" | " * 40_000):
        Meter().read(plain)
        list(written(b"Saved: '" + plain + b"\nWriting " + plain))
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("log", "paths"),
    [
        ("success_povray/1", ["/mnt/ok.png"]),
        ("success_blender/3", ["/mnt/proj/sh010/render/sh010_lgt_v003.0001.png"]),
        ("success_ffmpeg/1", ["/mnt/out/o.mp4"]),
        ("scene_file_missing/1", []),
    ],
)
def test_a_log_says_which_files_were_written(log: str, paths: list[str]) -> None:
    assert list(written((LOGS / f"{log}.log").read_bytes())) == paths


def test_names_of_files_come_whole_from_lines_of_other_programs_too() -> None:
    lines = (
        b"00:00:09   514MB         |  [driver_exr] writing file `/out/a b.0001.exr'\n"
        b"0: STDOUT: Writing /out/No Show/v001.1077.exr took 0.13 seconds\n"
        b'Successfully written image file "/out/v.0002.exr"\n'
    )
    assert list(written(lines)) == ["/out/a b.0001.exr", "/out/No Show/v001.1077.exr", "/out/v.0002.exr"]
