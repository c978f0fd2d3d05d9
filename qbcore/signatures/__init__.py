"""The error line of a failed log, and the key under which equal failures are counted together.

Renderers agree on little: the line that tells the cause may be a Python exception, an operating system's word, a line
before a generic "render failed", or missing. So every line is weighed by what it says (a crash, a full disk, a missing
file, an error of any kind), lines that only follow from another failure weigh almost nothing, and the heaviest line of
the last stretch without progress wins: what was printed before the renderer went on did not stop it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qbcore.signatures.masks import key_of
from qbcore.signatures.weights import FOLLOWS, STRONG, TRACEBACK, is_deadly, is_progress, weigh

WINDOW = 256 * 1024  # bytes (or characters) at the end of a log that are looked at
TEXT_LIMIT = 400
LINE_LIMIT = 500  # characters of one line that are looked at
REACH = 40  # lines before the last weighty line that still belong to the same failure

FATAL, ERROR, UNCLEAR = "fatal", "error", "unclear"

# What stands before a message: date, time of day, memory in use, the number and stream of a wrapping program.
STAMP = re.compile(
    r"(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?:?[ ]*"
    r"|\[?\d\d:\d\d[:.]\d\d(?:[.,]\d+)?\]?:?[ ]+(?:\d+(?:\.\d+)?[KMG]B[ ]+)?)?"
    r"(?:[ ]*\d+:[ ](?=STD|[A-Z]+:))?(?:STD(?:OUT|ERR):[ ])?"
)
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0e-\x1f\x7f]")
RAISED = re.compile(r"[A-Za-z_][\w.]*(?:: |:?$)")
STACK_FRAME = re.compile(r"\s+at \S+\(|\s+File \"|\s*[~^]+\s*$")


@dataclass(frozen=True)
class Signature:
    """line: 1-based number; text: at most 400 characters; key: the text with everything that changes from frame to
    frame, host to host or shot to shot replaced; level: fatal (the program died), error, unclear (a mere last line)."""

    line: int
    text: str
    key: str
    level: str


@dataclass(frozen=True)
class Record:
    """One message: usually a line, sometimes the wrapped lines that continue it."""

    line: int
    text: str
    weight: int
    raised: bool = False  # the last line of a Python traceback


def find(text: str | bytes, exit_code: int | None, signal: int | None, *, first_line: int = 1) -> Signature | None:
    """The signature of a failed run, from its log or from the end of it.

    None when the run succeeded (exit 0), and when no line says anything: an empty log, or a process that a signal ended
    in the midst of its work.

    Only the last 256 kB of `text` are read. Lines are counted from `first_line`, the number of the first line given.
    `signal` is the number of the signal that ended the process; an exit code over 128 counts as one (as shells say it).
    """
    if exit_code == 0 and not signal:
        return None
    ended_by = signal or (exit_code - 128 if exit_code and 128 < exit_code <= 128 + 64 else 0)
    stretches = _stretches(list(_records(_lines(*_window(text, first_line)))))
    # A process that was ended had no time to say why: older complaints are not the reason.
    found = _strongest(stretches[-1:]) if ended_by else _strongest(stretches) or _weakly(stretches)
    if found is None:
        return None
    shown = found.text.strip()[:TEXT_LIMIT]
    return Signature(found.line, shown, key_of(shown), _level(found))


def _level(record: Record) -> str:
    if record.weight < STRONG:
        return UNCLEAR
    return FATAL if is_deadly(record.text) else ERROR


def _window(text: str | bytes, first_line: int) -> tuple[str, int]:
    """The end of a log that is read, and the number of its first line; what is cut off is only counted."""
    cut = max(0, len(text) - WINDOW)
    if isinstance(text, bytes):
        return text[cut:].decode("utf-8", "replace"), first_line + text.count(b"\n", 0, cut)
    return text[cut:], first_line + text.count("\n", 0, cut)


def _lines(text: str, first_line: int) -> Iterator[tuple[int, str]]:
    """Numbered lines without escape sequences, cut at a length that costs nothing to search."""
    for number, line in enumerate(text.split("\n"), first_line):
        # A progress bar writes its line anew after each carriage return: the last states are enough.
        for part in line.rstrip("\r")[-4 * LINE_LIMIT :].split("\r"):
            yield number, ESCAPES.sub("", part[:LINE_LIMIT])


def _records(lines: Iterator[tuple[int, str]]) -> Iterator[Record]:
    """Messages with their weight; wrapped lines are joined, the inside of tracebacks is left out."""
    in_traceback = False
    for number, text in _joined(lines):
        if TRACEBACK.search(text):
            in_traceback = True
        elif in_traceback and (text[:1].isspace() or not text):
            continue
        elif text.strip() and not STACK_FRAME.match(text):
            raised = in_traceback and bool(RAISED.match(text))
            yield Record(number, text, weigh(text, raised=raised), raised)
            in_traceback = in_traceback and not raised


def _unstamped(line: str) -> str:
    stamp = STAMP.match(line)
    return line[stamp.end() :] if stamp else line


def _joined(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    number, text, last = 0, "", ""
    for next_number, raw in lines:
        stripped = _unstamped(_unstamped(raw))  # a wrapping program's stamp, then the program's own
        if number and _continues(last, stripped) and len(text) < TEXT_LIMIT:
            text, last = f"{text.rstrip()} {stripped.strip()}", stripped
            continue
        if number:
            yield number, text
        number, text, last = next_number, stripped, stripped
    if number:
        yield number, text


def _continues(line: str, following: str) -> bool:
    """Whether the next line goes on with the message: wrapped at 80 columns, or indented after a colon."""
    if not following[:1].isspace() or not following.strip() or not line.strip() or TRACEBACK.search(line):
        return False
    if STACK_FRAME.match(following) or STACK_FRAME.match(line):
        return False
    width = len(line.rstrip())
    word = following.split(maxsplit=1)[0]
    return line.rstrip().endswith(":") or (width <= 80 <= width + 1 + len(word) and not line[:1].isspace())


def _stretches(records: list[Record]) -> list[list[Record]]:
    """Messages between signs of progress: the renderer went on after all but the last of these stretches."""
    stretches: list[list[Record]] = [[]]
    for record in records:
        if is_progress(record.text, record.weight):
            stretches.append([])
        else:
            stretches[-1].append(record)
    return stretches


def _strongest(stretches: list[list[Record]]) -> Record | None:
    """The heaviest message of the last stretch that has a weighty one; of equals the first, of exceptions the last."""
    for stretch in reversed(stretches):
        weighty = [record for record in stretch if record.weight >= STRONG]
        if weighty:
            near = [record for record in weighty if record.line >= weighty[-1].line - REACH]
            return max(_without_repeated_what(near), key=_rank)
    return None


def _rank(record: Record) -> tuple[int, int]:
    return record.weight, record.line if record.raised else -record.line


def _without_repeated_what(records: list[Record]) -> list[Record]:
    """C++ names the exception's type, then what it says: the second counts unless it only says the type again."""
    kept: list[Record] = []
    for record in records:
        what = re.match(r"\s*what\(\):\s*(.*)", record.text)
        if what and kept and "terminate called" in kept[-1].text:
            if what[1].strip() in kept[-1].text:
                continue
            kept.pop()
        kept.append(record)
    return kept


def _weakly(stretches: list[list[Record]]) -> Record | None:
    """For a failure that no line names: the last line that follows from one, else the last line at all."""
    records = [record for stretch in stretches for record in stretch]
    following = [record for record in records if record.weight == FOLLOWS]
    known = following or records
    return known[-1] if known else None
