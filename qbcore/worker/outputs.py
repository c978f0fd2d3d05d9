"""The files of a frame: which it wrote, as its job or its log names them, looked at once its process has ended.

A file server may take its time, so files are looked at in a thread; a report waits for that as it waits for its log.
What was not looked at by then is left out, and a job that says `validate_outputs` is waited for longer.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from qbcore.commands import expand, frame_padding, frame_values
from qbcore.errors import QubeError
from qbcore.ranges import frameset
from qbcore.renderlines import MOST_PATHS, PATHS, written
from qbcore.worker import filefacts
from qbcore.worker.accounts import Account
from qbcore.worker.filefacts import Fact, facts
from qbcore.worker.spool import Spool

log = logging.getLogger(__name__)

MUST = "validate_outputs"
MOST = MOST_PATHS  # files of one attempt
LONGEST = 4096  # characters of a path
READ = 64 * 1024  # bytes at each end of the output in which names of files are looked for
WAIT = 2.0  # seconds that a report waits for its files
WAIT_LONG = 60.0  # seconds when the job says that they must be there

PROGRAM = [sys.executable, "-I", str(Path(filefacts.__file__).resolve())]
SEEN = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}

Report = dict[str, Any]


class Named(Protocol):
    """Hears which files an attempt wrote, and as whom if not as the worker; relative ones lie in *cwd*."""

    def __call__(self, attempt: int, paths: list[str], account: Account | None = None, cwd: str = "") -> None: ...


@dataclass
class Check:
    """The files of one attempt, looked at; what that means for its report. `named` hears of those that are there."""

    attempt: int
    paths: list[str]
    must: bool
    declared: frozenset[str]
    named: Named | None = None
    account: Account | None = None
    found: list[dict[str, Any]] | None = None
    settled: bool = False

    @property
    def patience(self) -> float:
        return WAIT_LONG if self.must else WAIT

    def look(self) -> None:
        """As the account that the job ran as: others may see other files, or none."""
        seen = facts(self.paths) if self.account is None else _facts_as(self.account, self.paths)
        if seen is not None:
            both = zip(self.paths, seen, strict=True)
            self.found = [_told(path, fact) for path, fact in both if fact or path in self.declared]

    def settle(self, report: Report) -> None:
        """Writes into the report what was found. A file that the job named and that is missing is told; where the job
        says so the frame has failed for it.
        """
        if self.settled:
            return
        self.settled = True
        found = self.found or []
        missing = [one["path"] for one in found if one.get("missing")]
        if here := [one["path"] for one in found if not one.get("missing")]:
            report["result"] = {**(report["result"] or {}), PATHS: ",".join(here), "outputs": found}
        if self.must and (missing or self.found is None):
            report["reason"] = "outputs"
        if self.found is None:
            report["message"] = "its files could not be looked at in time" if self.must else report["message"]
        elif missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            report["message"] = f"missing output: {missing[0]}{more}"

    def accepted(self) -> None:
        """The supervisor knows the attempt now."""
        if self.named and (here := [one["path"] for one in self.found or () if not one.get("missing")]):
            self.named(self.attempt, here, self.account)


class Outputs:
    """Looks at files in a thread of its own; `told` is called there after each look."""

    def __init__(self, named: Named | None = None) -> None:
        self.told: Callable[[], None] = lambda: None
        self._named = named
        self._asked: queue.SimpleQueue[Check] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def shows(self) -> bool:
        """Whether anybody wants to hear of files."""
        return self._named is not None

    def show(self, attempt: int, paths: list[str], account: Account | None, cwd: str) -> None:
        """The files of an attempt that the supervisor knows already."""
        if self._named:
            self._named(attempt, paths, account, cwd)

    def check(
        self,
        job: Mapping[str, Any],
        frame: Mapping[str, Any],
        spools: Iterable[Spool],
        report: Report,
        at: Whereabouts,
    ) -> Check | None:
        """Begins to look at the files of an attempt that ended well; None when it names none."""
        if report["reason"] != "exit" or report["exit"] != 0 or frame.get("command"):
            return None
        package = job.get("package") or {}
        if frame.get("package"):
            package = {**package, **frame["package"]}
        declared = _named_by(package, frame, at) if package.get(PATHS) else []
        named = [path for spool in spools for path in _logged(spool, report[spool.stream], at.cwd)]
        paths = list(dict.fromkeys([*declared, *named]))[:MOST]
        if not paths:
            return None
        check = Check(report["attempt"], paths, bool(package.get(MUST)), frozenset(declared), self._named, at.account)
        self._ask(check)
        return check

    def _ask(self, check: Check) -> None:
        self._asked.put(check)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="outputs", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            self._asked.get().look()
            self.told()


@dataclass(frozen=True)
class Whereabouts:
    """Where an attempt's relative paths begin, what prefixes of paths are here, as whom it ran if not as the worker."""

    cwd: str
    paths: Mapping[str, str]
    account: Account | None = None


def _named_by(package: Mapping[str, Any], frame: Mapping[str, Any], at: Whereabouts) -> list[str]:
    try:
        return list(islice(_declared(package, frame, at), MOST))
    except QubeError:  # a range or a padding that means something to the job's own program only
        return []


def _declared(package: Mapping[str, Any], frame: Mapping[str, Any], at: Whereabouts) -> Iterator[str]:
    """The files that the job says its frame writes; with several frames in the item, one of each."""
    given = package.get(PATHS) or ()
    texts = given.split(",") if isinstance(given, str) else given if isinstance(given, (list, tuple)) else ()
    name = str(frame["name"])
    names = [str(number) for number in islice(frameset(name), MOST)] if frame["pos"] >= 0 else []
    for text in texts:
        if isinstance(text, str) and text.strip():
            each = (names or [name]) if "QB_FRAME_NUMBER" in text else [name]
            for one in each:
                values = {**frame_values(name, frame_padding(package)), **_number(one, package)}
                yield from _path(expand(text.strip(), values, at.paths), at.cwd)


def _number(name: str, package: Mapping[str, Any]) -> dict[str, str]:
    return {"QB_FRAME_NUMBER": frame_values(name, frame_padding(package))["QB_FRAME_NUMBER"]}


def _logged(spool: Spool, written_to: list[int], cwd: str) -> Iterator[str]:
    """The files that the attempt's output says were written."""
    start, end = written_to
    if end <= start:
        return
    pieces = [(start, min(end, start + READ)), (max(start + READ, end - READ), end)]
    data = b"\n".join(spool.read(first, last) for first, last in pieces if first < last)
    for path in islice(written(data), MOST):
        yield from _path(path, cwd)


def _path(text: str, cwd: str) -> Iterator[str]:
    """An absolute path, if it can be one."""
    if text and "\0" not in text and len(text) <= LONGEST:
        yield os.path.normpath(Path(cwd, text))


def _told(path: str, fact: Fact | None) -> dict[str, Any]:
    return {"path": path, "size": fact[0], "modified": fact[1]} if fact else {"path": path, "missing": True}


def _facts_as(account: Account, paths: list[str]) -> list[Fact | None] | None:
    """None when nothing can be said."""
    try:
        asked = json.dumps({"paths": paths, "who": account.numbers()}).encode()
        done = subprocess.run(
            PROGRAM, input=asked, capture_output=True, check=True, timeout=WAIT_LONG, cwd="/", env=SEEN,
            start_new_session=True,
        )  # fmt: skip
        return [(int(fact[0]), int(fact[1])) if fact else None for fact in json.loads(done.stdout)]
    except (OSError, ValueError, subprocess.SubprocessError) as wrong:
        log.warning("files cannot be looked at as %s: %s", account.name, wrong)
        return None
