"""One grant on this host: the frame that runs, those reserved behind it, and what was ordered for them."""

from __future__ import annotations

import math
import signal
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qbcore.commands import argv_for, cwd_for, environment, flight_argv
from qbcore.errors import Invalid
from qbcore.renderlines import KEY
from qbcore.worker.accounts import Account, Accounts, NoAccount
from qbcore.worker.jobtypes import SECTION, JobType
from qbcore.worker.lineage import Lineage
from qbcore.worker.outputs import Check, Outputs, Whereabouts
from qbcore.worker.process import NotStarted, Place, Process, start
from qbcore.worker.programs import Program
from qbcore.worker.reports import Report
from qbcore.worker.spool import Spool

AHEAD = 0.5  # seconds that the frames in hand must last; a grant with less asks for more while it still runs

Frame = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """What all jobs on this host get: the host's part of the environment and the folder of those that name none.

    `paths`: prefixes of other systems' paths and what they are here. `jobtypes`: the custom types that run here.
    """

    environment: Mapping[str, str]
    home: str
    boot: str
    paths: Mapping[str, str] = field(default_factory=dict)
    jobtypes: Mapping[str, JobType] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=Lineage)
    accounts: Accounts = field(default_factory=Accounts)
    spool_limit: int = 0
    outputs: Outputs = field(default_factory=Outputs)

    def command(self, job: Mapping[str, Any], frame: Frame) -> list[str]:
        """What is started for a frame: its flight check, the program of the job's type, or the command line."""
        if frame.get("command"):
            return flight_argv(job, frame["command"], self.paths)
        if (custom := self.jobtypes.get(job["prototype"])) is not None:
            return custom.argv()
        return argv_for(job, frame["name"] if frame["pos"] >= 0 else None, self.paths)

    def progress_of(self, prototype: str) -> str:
        """The pattern that tells how far a program of that type is; empty where the type has none."""
        custom = self.jobtypes.get(prototype)
        return custom.settings[SECTION].get(KEY, "") if custom else ""

    def place(self, job: Mapping[str, Any], frame: Frame, out: Spool, err: Spool) -> Place:
        """Where and as whom a frame is started. Raises NoAccount."""
        account = self.accounts.of(job)
        if account:
            out.give_to(account.user)
            err.give_to(account.user)
        cwd = cwd_for(job, self.paths) or (account.folder() if account else self.home)
        return Place(self.seen(job, frame, account), cwd, out.file, err.file, account)

    def seen(self, job: Mapping[str, Any], frame: Frame, account: Account | None = None) -> dict[str, str]:
        """The environment of what is started for a frame."""
        base = {**self.environment, **account.environment()} if account else self.environment
        env = {**environment(job, frame, base), **self.lineage.variable(frame["attempt"])}
        custom = self.jobtypes.get(job["prototype"])
        return custom.environment(env) if custom else env


@dataclass
class Attempt:
    """A frame whose process was started; `limit` in seconds of running, `limited_by` names the job's field."""

    frame: Frame
    process: Process
    out_from: int
    err_from: int
    place: Place
    limit: float = math.inf
    limited_by: str = ""
    reason: str = "exit"
    message: str = ""
    announced: bool = False


class Grant:
    """Times are monotonic seconds.

    `ended` and `finishing`: it takes no further frames. `closed`: the supervisor is done with it. `asked`: the last
    request asked for frames. `returned`: frames were handed back since the last request.
    """

    def __init__(self, given: Mapping[str, Any], out: Spool, err: Spool, site: Site) -> None:
        self.id = int(given["grant"])
        self.job = {**given["job"], "subjob": given["subjob"], "slots": given.get("slots", 1)}
        self.out = out
        self.err = err
        self.queue: deque[Frame] = deque(given["frames"])
        self.running: Attempt | None = None
        self.program: Program | None = None
        self.suspended = False
        self._held_up = False
        self._written = 0
        self.finishing = False
        self.ended = False
        self.closed = False
        self.asked = False
        self.returned = False
        self._batch = len(self.queue)
        self._pace = math.inf
        self._spent = 0.0
        self._site = site

    def held(self) -> list[int]:
        """The attempts that are here, the running one first."""
        running = [self.running.frame["attempt"]] if self.running else []
        return [*running, *(frame["attempt"] for frame in self.queue)]

    @property
    def type_pattern(self) -> str:
        return self._site.progress_of(self.job["prototype"])

    @property
    def idle(self) -> bool:
        return self.running is None and not self.queue

    @property
    def done(self) -> bool:
        """Nothing runs and nothing is to come."""
        return self.idle and (self.ended or self.finishing)

    @property
    def wants(self) -> bool:
        """It has run out of frames, or is about to and could not ask in time then."""
        if self.suspended or self.finishing or self.ended:
            return False
        return self.idle or (self.lasts < AHEAD and len(self.queue) <= self._batch // 2)

    @property
    def lasts(self) -> float:
        """Seconds until it runs out of frames, if they take as long as the last ones did."""
        return 0.0 if self.idle else self._pace * (len(self.queue) + 1)

    def add(self, frames: Iterable[Frame]) -> None:
        known = set(self.held())
        fresh = [frame for frame in frames if frame["attempt"] not in known]
        if fresh and not self.ended and not self.finishing:
            self.queue.extend(fresh)
            self._batch = len(fresh)
            self.asked = False

    def order(self, word: str, now: float) -> None:
        """`end`, `suspend`, `finish`, or '' to go on."""
        if word == "end":
            self.end(now)
        self.finishing = word == "finish"
        if self.finishing:
            self._hand_back()
        if self.suspended != (word == "suspend"):
            self.suspended = not self.suspended
            self.asked = False
            self._hold(now)

    def end(self, now: float) -> None:
        """The running frame ends now, the rest is handed back."""
        self.ended = True
        self._hand_back()
        self._stop("ended", "", now)

    def close(self) -> None:
        """The supervisor has nothing left for it: what is here still runs to its end."""
        self.ended = True
        self.closed = True

    def drop(self, attempts: set[int], now: float) -> None:
        """These are not to be done here any more."""
        self.queue = deque(frame for frame in self.queue if frame["attempt"] not in attempts)
        if self.running and self.running.frame["attempt"] in attempts:
            self._stop("ended", "", now)

    def start(self) -> Report | None:
        """Starts the next frame; the report of one that could not be started."""
        frame = self.queue.popleft()
        try:
            self.running = self._started(frame)
        except (Invalid, NotStarted, NoAccount) as error:
            return self._report(frame, reason="spawn", message=str(error))
        self._limit(self.running)
        return None

    def tick(self, now: float) -> None:
        """Whatever time has come for the running frame."""
        if self.running is None:
            return
        if self.running.process.elapsed(now) >= self.running.limit:
            self.ended = self.ended or self.running.limited_by == "timelimit"
            seconds = self.job[self.running.limited_by]
            self._stop(self.running.limited_by, f"ran longer than its {self.running.limited_by} of {seconds} s", now)
            if self.ended:
                self._hand_back()
        self.running.process.tick(now)

    def deadline(self, now: float) -> float:
        """When `tick` has something to do."""
        if self.running is None:
            return math.inf
        process = self.running.process
        limited = not (self.suspended or self._held_up or process.ending or process.ended)
        return min(process.deadline, now + self.running.limit - process.elapsed(now) if limited else math.inf)

    def finish(self, now: float) -> tuple[Check | None, Report]:
        """Takes the ended frame, whose processes are all gone, and says how it went; its files are looked at."""
        attempt = self.running
        assert attempt is not None
        self.running = None
        elapsed = attempt.process.elapsed(now)
        self._spent += elapsed
        if not attempt.frame.get("command"):  # a flight check says nothing of the frames
            self._pace = elapsed if self._pace == math.inf else (self._pace * 3 + elapsed) / 4
        if self.idle:
            self.asked = False
        report = self._report(attempt.frame, reason=attempt.reason, message=attempt.message, attempt=attempt)
        at = Whereabouts(attempt.place.cwd, self._site.paths, attempt.place.account)
        files = self._site.outputs.check(self.job, attempt.frame, (self.out, self.err), report, at)
        return files, report

    def _started(self, frame: Frame) -> Attempt:
        out, err = self.out.begin(), self.err.begin()
        place = self._site.place(self.job, frame, self.out, self.err)
        command = self._site.command(self.job, frame)
        process = start(command, place, boot=self._site.boot, lineage=self._site.lineage)
        if self.job["prototype"] in self._site.jobtypes and not frame.get("command"):
            self.program = Program(frame["attempt"], place.cwd, place.account, self._site.outputs)
        return Attempt(frame, process, out, err, place)

    def _limit(self, attempt: Attempt) -> None:
        """The nearer of the subjob's limit, of which earlier frames have used some, and the frame's own."""
        subjob, frame = self.job.get("timelimit", -1), self.job.get("agenda_timelimit", -1)
        limits = [(subjob - self._spent, "timelimit")] if subjob > 0 else []
        if frame > 0 and attempt.frame["pos"] >= 0:
            limits.append((frame, "agenda_timelimit"))
        attempt.limit, attempt.limited_by = min(limits, default=(math.inf, ""))

    def _hand_back(self) -> None:
        self.returned = self.returned or bool(self.queue)
        self.queue.clear()

    def look_at_output(self, now: float, *, full: bool) -> None:
        """Holds up a frame that writes while there is no room for it."""
        written = self.out.size() + self.err.size()
        held_up = full and (self._held_up or written > self._written)
        self._written = written
        if held_up != self._held_up:
            self._held_up = held_up
            self._hold(now)

    def _hold(self, now: float) -> None:
        if self.running:
            held = self.suspended or self._held_up
            act = self.running.process.suspend if held else self.running.process.resume
            act(now)

    def _stop(self, reason: str, message: str, now: float) -> None:
        """The first reason stands."""
        if self.running and not self.running.process.ending and self.running.process.ended is None:
            self.running.reason, self.running.message = reason, message
            self.running.process.end(now)

    def _report(self, frame: Frame, *, reason: str, message: str, attempt: Attempt | None = None) -> Report:
        out, err = self.out.size(), self.err.size()
        process = attempt.process if attempt else None
        return {
            "attempt": frame["attempt"],
            "grant": self.id,
            "pos": frame["pos"],
            "exit": process.exit if process else None,
            "signal": process.signal if process else None,
            "elapsed": round(process.elapsed(process.ended or 0), 6) if process else 0,
            "reason": reason,
            "message": _message(process, message),
            "rss": process.rss if process else 0,
            "cpu": round(process.cpu, 6) if process else 0,
            "out": [min(attempt.out_from, out) if attempt else out, out],  # the frame may have emptied its own file
            "err": [min(attempt.err_from, err) if attempt else err, err],
            "result": {},
        }


def _message(process: Process | None, message: str) -> str:
    if process and process.immortal:
        left = f"the system does not end its processes {', '.join(map(str, process.immortal))}: look at the host"
        return f"{message}; {left}" if message else left
    if message or process is None or process.signal is None:
        return message
    try:
        return f"ended by signal {process.signal} ({signal.Signals(process.signal).name})"
    except ValueError:
        return f"ended by signal {process.signal}"
