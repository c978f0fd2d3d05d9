"""What the system says of a process, read without the worker's own code."""

from __future__ import annotations

from pathlib import Path


def condition(pid: int) -> str:
    """R, S, T, Z …, or '' when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return text[text.rindex(")") + 2]


def alive(pid: int) -> bool:
    return condition(pid) not in ("", "Z", "X")


def stopped(pid: int) -> bool:
    """A shell that was starting a command (vfork) cannot show T while that command is stopped before its program."""
    return condition(pid) in ("T", "D")


def pids(path: Path) -> list[int]:
    """The numbers that a job has written, a line each."""
    return [int(word) for word in path.read_text().split()] if path.exists() else []
