"""The error line of real logs: output of renderers that ran here, with the line that a wrangler wants to read."""

from __future__ import annotations

import itertools
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore import signatures
from qbcore.signatures import Signature, find
from qbcore.signatures.masks import key_of

LOGS = Path(__file__).resolve().parent.parent / "data/render_logs"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in (LOGS / "index.jsonl").read_text().splitlines()]
FAILED = [row for row in ROWS if not row["success"]]
SUCCEEDED = [row for row in ROWS if row["success"]]


def text_of(row: dict[str, Any]) -> bytes:
    return (LOGS / str(row["file"])).read_bytes()


def signature_of(row: dict[str, Any]) -> Signature:
    found = find(text_of(row), row["exit_code"], None)
    assert found is not None
    return found


def elsewhere(text: str) -> str:
    """The same failure on another shot, frame, host and day."""
    text = text.replace("sh010", "sq7_sh0420").replace("seq/", "plates/b/").replace("/mnt/", "/net/vol3/")
    text = re.sub(r"_v\d+", "_v031", text)
    text = re.sub(r"0x[0-9a-f]{6,}", "0x7ffc81d0a2f0", text)
    return re.sub(r"\b(\d{4})\b(?=\.(?:png|exr))", "1187", text)


def lines(*texts: str) -> str:
    return "\n".join(texts) + "\n"


def said(text: str | bytes, exit_code: int | None = 1, signal: int | None = None) -> str:
    found = find(text, exit_code, signal)
    assert found is not None
    return found.text


def test_the_right_line_is_found_in_nine_of_ten_real_failures() -> None:
    plain = [row for row in FAILED if not row["masked"]]
    wrong = [row["file"] for row in plain if row["key_line"].strip() not in signature_of(row).text]
    assert len(plain) >= 35
    assert len(wrong) <= len(plain) / 10, wrong


@pytest.mark.parametrize("row", FAILED, ids=lambda row: row["file"])
def test_the_line_number_leads_to_the_text(row: dict[str, Any]) -> None:
    found = signature_of(row)
    log = text_of(row).decode().splitlines()
    assert log[found.line - 1].strip()[:40] in found.text


@pytest.mark.parametrize("row", SUCCEEDED, ids=lambda row: row["file"])
def test_a_run_that_succeeded_has_no_signature_whatever_it_printed(row: dict[str, Any]) -> None:
    assert find(text_of(row), 0, None) is None


def test_real_failures_are_grouped_as_people_group_them() -> None:
    copies = [(row["group"], find(elsewhere(text_of(row).decode()), row["exit_code"], None)) for row in FAILED]
    found = [(row["group"], signature_of(row).key) for row in FAILED]
    found += [(group, copy.key) for group, copy in copies if copy]
    pairs = list(itertools.combinations(found, 2))
    right = sum(a[0] == b[0] and a[1] == b[1] for a, b in pairs)
    asked = sum(a[0] == b[0] for a, b in pairs)
    given_ = sum(a[1] == b[1] for a, b in pairs)
    assert asked >= len(FAILED)
    assert 2 * right / (asked + given_) >= 0.9


@pytest.mark.parametrize("row", FAILED, ids=lambda row: row["file"])
def test_the_same_failure_elsewhere_has_the_same_key(row: dict[str, Any]) -> None:
    other = find(elsewhere(text_of(row).decode()), row["exit_code"], None)
    assert other is not None
    assert other.key == signature_of(row).key


def test_what_was_printed_before_the_renderer_went_on_is_not_the_cause() -> None:
    log = lines(
        "Error: texture /a/b.exr: Permission denied", "Fra:1 Mem:1M | Sample 1/8", "Error: engine not found 'X'"
    )
    assert said(log) == "Error: engine not found 'X'"


def test_a_killed_process_is_not_explained_by_an_old_complaint() -> None:
    log = lines("Error: texture /a/b.exr: Permission denied", "Fra:1 Mem:1M | Sample 1/8", "Fra:1 Mem:2M | Sample 2/8")
    assert find(log, None, 9) is None
    assert find(log, 137, None) is None
    assert said(log) == "Error: texture /a/b.exr: Permission denied"


def test_of_chained_exceptions_the_last_is_shown() -> None:
    log = lines(
        "Traceback (most recent call last):",
        '  File "a.py", line 1, in <module>',
        "    raise KeyError('not found')",
        "KeyError: 'not found'",
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        "Traceback (most recent call last):",
        '  File "a.py", line 3, in <module>',
        "    publish()",
        "studio.PublishError: shot is locked by anna",
        "Error: script failed, file: 'a.py', exiting.",
    )
    assert find(log, 1, None) == Signature(
        11, "studio.PublishError: shot is locked by anna", "studio.PublishError: shot is locked by anna", "error"
    )


@pytest.mark.parametrize("log", ["", "\n \n", b"", "\x1b[0m\n"])
def test_an_empty_log_has_no_signature(log: str | bytes) -> None:
    assert find(log, 1, None) is None


@pytest.mark.parametrize(
    ("log", "text", "level"),
    [
        ("hello\nbye\n", "bye", "unclear"),
        ("hello\nprocess exited with code 1\nbye\n", "process exited with code 1", "unclear"),
        ("\x1b[31mError: no camera\x1b[0m in 'a'\n", "Error: no camera in 'a'", "error"),
        ("10%\r20%\rError: no camera\r\n", "Error: no camera", "error"),
        ("terminate called after throwing an instance of 'X'\n  what():  disk gone\n", "what():  disk gone", "fatal"),
        (
            "2026-04-18 22:50:23:  0: STDOUT: [22:50.23] ERROR: Read1: no such file\n",
            "ERROR: Read1: no such file",
            "error",
        ),
        (
            "00:00:05  512MB ERROR   | [driver] can't write\n00:00:05  512MB  | done\n",
            "ERROR   | [driver] can't write",
            "error",
        ),
        ("Warning: could not find a\nError: b is missing\nrender failed\n", "Error: b is missing", "error"),
        (
            "Error: b is missing\nYou may obtain a copy of the License at x\nTime limit: 60\n",
            "Error: b is missing",
            "error",
        ),
        ("Segmentation fault (core dumped)\n", "Segmentation fault (core dumped)", "fatal"),
        (b"Error: \xff\xfe cannot open x\n", "Error: �� cannot open x", "error"),
    ],
)
def test_the_line_of_small_logs(log: str | bytes, text: str, level: str) -> None:
    found = find(log, 1, None)
    assert found is not None
    assert (found.text, found.level) == (text, level)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Error: cannot open '/a/b c/d.0001.exr'", "Error: cannot open '/x.1002.png'"),
        ("failed to open exr file /data/My Show/a.0001.exr", "failed to open exr file /x/y.1002.exr"),
        ("frame 12 of node render07 took 0x7f00", "frame 9 of node render11 took 0x7fde"),
        ("job 5b1e7c0a-1111-4222-8333-944455556666 lost", "job 00000000-aaaa-4bbb-8ccc-dddddddddddd lost"),
        ("/usr/bin/bash: line 12: kick: command not found", "bash: line 1: kick: command not found"),
        ("CANCELLED AT 2026-10-02T14:02:37", "CANCELLED AT 2027-01-12T01:00:00"),
        ("enum \"OPTIX\" not found in ('NONE', 'CUDA')", "enum \"HIP\" not found in ('NONE')"),
        ("x.sh: line 4:  4048 Killed       blender -b a.blend", "y.sh: line 9:  7 Killed       blender -b b.blend"),
    ],
)
def test_keys_do_not_tell_shots_hosts_and_runs_apart(one: str, other: str) -> None:
    assert key_of(one) == key_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("No module named 'numpy'", "No module named 'studio'"),
        ("bash: line 1: kick: command not found", "bash: line 1: vray: command not found"),
        ("CUDA error 2", "CUDA error 700"),
        ("[Errno 13] cannot write", "[Errno 28] cannot write"),
        ("/a/in.%04d.png: No such file or directory", "/a/out.mp4: No such file or directory"),
    ],
)
def test_keys_tell_causes_apart(one: str, other: str) -> None:
    assert key_of(one) != key_of(other)


def test_of_a_huge_log_only_the_end_is_read_and_lines_are_still_counted() -> None:
    log = b"Error: old\n" * 2_000_000 + b"Error: cannot open /a/b.exr\n"
    begun = time.process_time()
    found = find(log, 1, None)
    assert time.process_time() - begun < 5
    assert found is not None
    assert found.text.startswith("Error")
    assert found.line > 2_000_000 - signatures.WINDOW


def test_a_window_of_a_log_is_counted_from_its_first_line() -> None:
    found = find("hello\nError: no camera\n", 1, None, first_line=901)
    assert found is not None
    assert found.line == 902


@given(st.text() | st.binary(), st.none() | st.integers(0, 300), st.none() | st.integers(0, 70))
def test_no_log_is_too_strange(log: str | bytes, exit_code: int | None, signal: int | None) -> None:
    found = find(log, exit_code, signal)
    if found is None:
        return
    breaks = log.count(b"\n") if isinstance(log, bytes) else log.count("\n")
    assert 1 <= found.line <= breaks + 1
    assert 0 < len(found.text) <= 400
    assert found.key


@pytest.mark.parametrize("unit", ["exit ", "license ", "' ", "a/", "[a,", "crash.", "assert ", "1.", "File '"])
def test_lines_made_to_be_slow_are_not(unit: str) -> None:
    line = (unit * 100_000)[:2_000]
    begun = time.process_time()
    find((line + "\n") * 130, 1, None)
    find(line * 130, 1, None)
    assert time.process_time() - begun < 5
