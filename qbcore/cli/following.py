"""Logs on the terminal: as they are, or as they grow until the job or the frame is over."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from qbcore import surface
from qbcore.cli.jobs import refuse_absent
from qbcore.cli.presence import absent_jobs
from qbcore.cli.printing import Printer
from qbcore.errors import Invalid
from qbcore.ids import parse_work

PAUSE = 1.0
PIECE = 1024 * 1024
LONGEST = 64 * 1024
"""Characters of a line that are kept back for its end; a longer one is printed in parts."""
CUT = "�"
"""What a character becomes of which only a part is there."""
OVER = ("complete", "failed", "killed")
Fetch = Callable[..., list[dict[str, Any]]]
Log = TypeVar("Log")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("jobid", nargs="+", help="a job, a subjob such as 250.0; of log also a frame: 250:7")
    parser.add_argument("--follow", "-f", action="store_true", help="go on until the jobs or the frames are over")
    parser.add_argument("--pos", type=int, default=0, help="the first byte")
    parser.add_argument("--len", type=int, default=None, help="so many bytes of each")


def reader(name: str) -> Callable[[argparse.Namespace, Printer], int]:
    """The subcommand of stdout, stderr or log."""

    def run(given: argparse.Namespace, printer: Printer) -> int:
        frames = [one for one in given.jobid if ":" in one] if name == "log" else []
        jobs = [one for one in given.jobid if one not in frames]
        if missing := absent_jobs([*jobs, *(parse_work(one).job for one in frames)]):
            return refuse_absent(missing, printer)
        if (given.follow or frames) and printer.as_json:
            raise Invalid("a log that is followed is text", field="--json", hint="Leave it out.")
        if name == "log" and (given.follow or frames):
            _weave(given, printer)
        elif given.follow:
            _follow((name,), given, printer)
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


class _Woven:
    """Whole lines of both streams in the order of their coming; who wrote them is announced when that changes."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._shown = ""
        self._broken = ""  # whose line was begun and not ended yet: a very long one
        self._lines: dict[str, dict[str, str]] = {}  # by log, by writer: what waits for the end of its line

    def tell(self, log: str, part: Mapping[str, Any]) -> None:
        head = _headline(log, part)
        writer = f"{head}{part['stream']}"
        lines = self._lines.setdefault(log, {})
        for ended in [one for one in lines if not one.startswith(head)]:
            self._rest(ended, lines.pop(ended))
        self._print(writer, _whole_lines(lines, writer, part["data"]))

    def end(self, log: str) -> None:
        """Its last lines that nothing ended, each on a line of its own."""
        for writer, rest in self._lines.pop(log, {}).items():
            self._rest(writer, rest)

    def _rest(self, writer: str, rest: str) -> None:
        if rest or writer == self._broken:
            self._print(writer, f"{rest}\n")

    def _print(self, writer: str, text: str) -> None:
        if not text:
            return
        head = writer.partition("\n")[0]
        if self._broken not in ("", writer):
            self._printer.line("")
        if self._shown != head:
            self._printer.line(head)
        self._printer.raw(text)
        self._shown, self._broken = head, "" if text.endswith("\n") else writer


def _headline(log: str, part: Mapping[str, Any]) -> str:
    job = log.replace(":", ".").split(".")[0]
    frame = f" {part['frame']}" if part["frame"] else ""
    again = f", try {part['number']}" if part["number"] > 1 else ""
    return f"==> {job}.{part['subid']}{frame} on {part['host']}{again} <==\n"


def _weave(given: argparse.Namespace, printer: Printer) -> None:
    """Both streams as one log, until all that is named is over; without --follow what there is now."""
    if given.pos or given.len is not None:
        raise Invalid("a followed log begins at its beginning", field="--pos", hint="Leave --pos and --len out.")
    woven, since = _Woven(printer), dict[str, str]()
    while True:
        rows = surface.log(*given.jobid, since=since)
        for row in rows:
            for part in row["parts"]:
                woven.tell(row["id"], part)
            if row["over"]:
                woven.end(row["id"])
        moved = any(row["next"] != since.get(row["id"], "") for row in rows)
        since = {row["id"]: row["next"] for row in rows}
        if all(row["over"] for row in rows) or not (given.follow or moved):
            break
        if not moved:
            time.sleep(PAUSE)
    for row in rows:
        woven.end(row["id"])


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


def _whole_lines(lines: dict[Log, str], log: Log, text: str) -> str:
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
