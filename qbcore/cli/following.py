"""Logs on the terminal: as they are, or as they grow until the job is over."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

from qbcore import surface
from qbcore.cli.jobs import refuse_absent
from qbcore.cli.presence import absent_jobs
from qbcore.cli.printing import Printer
from qbcore.errors import Invalid

PAUSE = 1.0
PIECE = 1024 * 1024
LONGEST = 64 * 1024
"""Characters of a line that are kept back for its end; a longer one is printed in parts."""
CUT = "�"
"""What a character becomes of which only a part is there."""
OVER = ("complete", "failed", "killed")
Fetch = Callable[..., list[dict[str, Any]]]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("jobid", nargs="+", help="a job, or a subjob such as 250.0")
    parser.add_argument("--follow", "-f", action="store_true", help="go on until the jobs are over")
    parser.add_argument("--pos", type=int, default=0, help="the first byte")
    parser.add_argument("--len", type=int, default=None, help="so many bytes of each")


def reader(name: str) -> Callable[[argparse.Namespace, Printer], int]:
    """The subcommand of stdout, stderr or log."""

    def run(given: argparse.Namespace, printer: Printer) -> int:
        missing = absent_jobs(given.jobid)
        if missing:
            return refuse_absent(missing, printer)
        if given.follow and printer.as_json:
            raise Invalid("a log that is followed is text", field="--json", hint="Leave it out.")
        if given.follow:
            _follow(("stdout", "stderr") if name == "log" else (name,), given, printer)
        elif printer.as_json:
            printer.show(getattr(surface, name)(*given.jobid, pos=given.pos, len=given.len))
        else:
            _print(getattr(surface, name), given, printer)
        return 0

    return run


def _print(fetch: Fetch, given: argparse.Namespace, printer: Printer) -> None:
    rows = fetch(*given.jobid, pos=given.pos, len=given.len)
    for row in rows:
        if len(rows) > 1:
            printer.line(f"==> {row['jobid']}.{row['subid']} <==")
        printer.raw(row["data"])
        if row["data"] and not row["data"].endswith("\n") and len(rows) > 1:
            printer.line("")


def _follow(streams: tuple[str, ...], given: argparse.Namespace, printer: Printer) -> None:
    """Prints the new lines of each log once a second; after the last job has ended, what came until then.

    A line waits for its end, else the line of another log would start within it.
    """
    read: dict[tuple[str, str], int] = {}
    lines: dict[tuple[str, str], str] = {}
    while True:
        jobs = surface.jobinfo(id=given.jobid)
        is_over = all(job["status"] in OVER for job in jobs)
        for stream in streams:
            for name, text in _news(getattr(surface, stream), stream, given, read, whole=is_over):
                printer.raw(_whole_lines(lines, (stream, name), text))
        if is_over:
            _print_rests(lines, printer)
            return
        time.sleep(PAUSE)


def _whole_lines(lines: dict[tuple[str, str], str], log: tuple[str, str], text: str) -> str:
    """The lines that *text* completes; what follows the last of them waits in *lines*."""
    whole, end, rest = (lines.get(log, "") + text).rpartition("\n")
    rest, given = ("", rest) if len(rest) > LONGEST else (rest, "")
    lines[log] = rest
    return whole + end + given


def _print_rests(lines: dict[tuple[str, str], str], printer: Printer) -> None:
    """The last lines that nothing ended, each on a line of its own."""
    for rest in lines.values():
        if rest:
            printer.line(rest)


def _news(
    fetch: Fetch, stream: str, given: argparse.Namespace, read: dict[tuple[str, str], int], *, whole: bool
) -> Iterator[tuple[str, str]]:
    """What each subjob's log has grown by, with the subjob's name.

    Unless *whole*, a character that is only half there waits for its rest.
    """
    for row in fetch(*given.jobid, pos=0, len=0):
        name = f"{row['jobid']}.{row['subid']}"
        start = read.setdefault((stream, name), given.pos)
        while start < row["fullsize"]:
            length = min(PIECE, row["fullsize"] - start)
            text, taken = _piece(fetch, name, start, length, whole=whole)
            if not taken:
                break
            yield name, text
            start = read[stream, name] = start + taken


def _piece(fetch: Fetch, name: str, start: int, length: int, *, whole: bool) -> tuple[str, int]:
    """So many bytes of a log, or up to three fewer, so that no character is cut."""
    texts = {}
    for taken in range(length, max(0, length - 4), -1):
        found = fetch(name, pos=start, len=taken)
        texts[taken] = found[0]["data"] if found else ""
        if not texts[taken].endswith(CUT):
            return texts[taken], taken
    is_cut = not whole and length < 4
    return ("", 0) if is_cut else (texts[length], length)
