"""What must be true of a farm at rest after a round, whatever was done to it."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from qbcore.states import DONE, Status
from tests.faults.jobs import Jobs
from tests.faults.ledger import Deed, Deeds
from tests.faults.stack import Stack

AGAIN = ("retry", "retrywork", "requeue", "requeuework")
LONGEST = 600.0  # seconds, more than any round takes
TALLIES = [status.word for status in Status]


@dataclass
class Attempt:
    """An attempt as the farm has it."""

    id: int
    job: int
    pos: int
    frame: str
    host: str
    ending: str
    reported: bool
    exit_code: int | None
    message: str
    key: str
    seconds: float


class Rest:
    """The rows of a round's jobs, and what their frames wrote down."""

    def __init__(self, stack: Stack, jobs: Jobs, began: datetime, kinds: set[tuple[str, str]]) -> None:
        self.stack, self.jobs, self.began, self.kinds = stack, jobs, began, kinds
        self.names = {number: name for name, number in jobs.ids.items()}
        self.ids = ",".join(map(str, jobs.ids.values()))
        deeds = stack.ledger.read()
        mine = {number: deed for number, deed in deeds.by_attempt.items() if deed.job in self.names}
        self.deeds = Deeds(mine, deeds.by_frame, [number for number in deeds.twice if number in mine])
        columns = "id, job_id, pos, frame, host_name, ending, reported, exit_code, message, error_key, seconds"
        rows = stack.rows(f"SELECT {columns} FROM attempt WHERE job_id IN ({self.ids}) ORDER BY id")
        self.attempts = {row[0]: Attempt(*row) for row in rows}
        self.work = stack.rows(f"SELECT job_id, pos, name, status, losses FROM work WHERE job_id IN ({self.ids})")

    def happened(self, *kinds: str) -> set[str]:
        """To whom any of these was done."""
        return {target for kind, target in self.kinds if kind in kinds}

    def history(self) -> list[tuple[Any, ...]]:
        said = "verb, job_id, host_name, run_id, actor"
        return self.stack.rows(f"SELECT {said} FROM history WHERE at >= '{self.began.isoformat()}'")


def check(stack: Stack, jobs: Jobs, began: datetime, kinds: set[tuple[str, str]]) -> str:
    """Raises AssertionError with everything that does not hold; else a line about the round."""
    rest = Rest(stack, jobs, began, kinds)
    wrong = [line for look in LOOKS for line in look(rest)]
    assert not wrong, "\n".join(wrong)
    endings = Counter(one.ending for one in rest.attempts.values())
    unknown = len(rest.deeds.by_attempt.keys() - rest.attempts.keys())
    return f"all is well: {dict(endings)}, {len(rest.deeds.by_attempt)} processes, {unknown} without a record"


def statuses(rest: Rest) -> Iterator[str]:
    """Every frame, subjob and job is in a final state, and frames fail only for a reason."""
    for job, pos, _, status, losses in rest.work:
        if status not in DONE:
            yield f"job {job} frame {pos} is {Status(status).word}"
        if status == Status.FAILED and losses < 3:
            yield f"job {job} ({rest.names[job]}) frame {pos} has failed: {_tries(rest, job, pos)}"
    for kind, columns in (("job", "id"), ("subjob", "job_id, idx")):
        key = "id" if kind == "job" else "job_id"
        for row in rest.stack.rows(f"SELECT status, {columns} FROM {kind} WHERE {key} IN ({rest.ids})"):
            if row[0] not in DONE:
                yield f"{kind} {row[1:]} is {Status(row[0]).word}"


def _tries(rest: Rest, job: int, pos: int) -> list[Attempt]:
    return [one for one in rest.attempts.values() if (one.job, one.pos) == (job, pos)]


def tallies(rest: Rest) -> Iterator[str]:
    """The job's row counts what there is."""
    for prefix, table in (("n", "work"), ("s", "subjob")):
        columns = ", ".join(f"{prefix}_{word}" for word in TALLIES)
        counted: Counter[tuple[int, int]] = Counter()
        for job, status in rest.stack.rows(f"SELECT job_id, status FROM {table} WHERE job_id IN ({rest.ids})"):
            counted[job, status] += 1
        for job, *told in rest.stack.rows(f"SELECT id, {columns} FROM job WHERE id IN ({rest.ids})"):
            real = [counted[job, status] for status in Status]
            if told != real:
                yield f"job {job}: {table} is tallied as {told} and is {real}, in the order {TALLIES}"
    if left := rest.stack.rows("SELECT * FROM delta"):
        yield f"deltas that nobody folded: {left}"


def places(rest: Rest) -> Iterator[str]:
    """Nothing is taken any more, and nobody runs."""
    if left := rest.stack.rows("SELECT id, job_id, idx, host_name FROM placement WHERE ended IS NULL"):
        yield f"grants are open: {left}"
    if left := rest.stack.rows("SELECT name, used FROM resource WHERE used <> 0"):
        yield f"licences are taken: {left}"
    if left := [one for one in rest.attempts.values() if not one.ending]:
        yield f"attempts are open: {left}"
    if left := rest.stack.strays():
        yield f"processes of jobs are alive: {left}"


def truth(rest: Rest) -> Iterator[str]:
    """The record says what the processes did."""
    yield from (f"attempt {number} was run twice" for number in rest.deeds.twice)
    for number, deed in rest.deeds.by_attempt.items():
        row = rest.attempts.get(number)
        if row is None:
            if not rest.happened("kill-worker"):
                yield f"{deed} is not in the record, and no worker was killed"
        elif (row.ending == "complete") != (deed.code == 0) and row.ending in ("complete", "failed"):
            yield f"the record says of {deed}: {row}"
    for row in rest.attempts.values():
        told = rest.names[row.job] != "render"
        if told and row.ending == "complete" and rest.deeds.by_attempt.get(row.id, Deed(0, "", 0)).code != 0:
            yield f"complete in the record only: {row}"
    yield from _once(rest)


def times(rest: Rest) -> Iterator[str]:
    """No attempt took longer than its round or less than nothing, whatever its worker's wall clock showed."""
    yield from (f"the time of {row}" for row in rest.attempts.values() if not 0 <= row.seconds < LONGEST)


def _once(rest: Rest) -> Iterator[str]:
    """A frame is complete once, and once more for each time that somebody asked for it."""
    asked = Counter(job for verb, job in rest.jobs.changed if verb in AGAIN)
    runs = ",".join(map(str, rest.jobs.runs)) or "0"
    asked.update(job for (job,) in rest.stack.rows(
        "SELECT t.job_id FROM run_target t JOIN run r ON r.id = t.run_id "
        f"WHERE r.id IN ({runs}) AND r.verb = 'retrywork'"
    ))  # fmt: skip
    complete = Counter((one.job, one.pos) for one in rest.attempts.values() if one.ending == "complete")
    for job, pos, name, status, _ in rest.work:
        if complete[job, pos] > 1 + asked[job]:
            yield f"job {job} frame {name} was done {complete[job, pos]} times: {_tries(rest, job, pos)}"
        if status == Status.COMPLETE and not complete[job, pos]:
            yield f"job {job} frame {name} is complete by no attempt: {_tries(rest, job, pos)}"


def logs(rest: Rest) -> Iterator[str]:
    """The farm has every byte that a process wrote, and no other; of one that was killed all but its last words."""
    full = rest.happened("disk-full")
    mine = [number for number in rest.deeds.by_attempt if number in rest.attempts]
    mine = [number for number in mine if rest.attempts[number].host not in full]
    kept = rest.stack.ask("kept", mine)
    for number in mine:
        row, deed = rest.attempts[number], rest.deeds.by_attempt[number]
        for stream in ("out", "err"):
            written, here = rest.stack.ledger.written(number, stream), base64.b64decode(kept[f"{number}.{stream}"])
            whole = deed.code is not None and row.reported
            if not (here == written if whole else _but_for_a_line(here, written)):
                yield f"std{stream} of {row} is {here!r:.300} and was {written!r:.300}"


def _but_for_a_line(here: bytes, written: bytes) -> bool:
    """Whether at most the last line is missing, or another attempt's lines follow."""
    lines = written.splitlines(keepends=True)
    return here.startswith(b"".join(lines[:-1])) and (here.startswith(written) or written.startswith(here))


def past(rest: Rest) -> Iterator[str]:
    """The history says who did what, and what became of hosts."""
    told = rest.history()
    done = {(verb, job) for verb, job, *_ in told}
    for verb, job in rest.jobs.changed:
        if (verb, job) not in done:
            yield f"the history does not know that job {job} was told to {verb}"
    hosts = {host for verb, _, host, *_ in told if verb in ("down", "restart")}
    lost = {one.host for one in rest.attempts.values() if one.ending == "lost"}
    if lost - hosts:
        yield f"attempts were lost on {lost - hosts} and the history does not say why: {told}"


def runs(rest: Rest) -> Iterator[str]:
    """Every bulk run has done each of its items once."""
    ids = ",".join(map(str, rest.jobs.runs)) or "0"
    columns = "id, verb, state, total, done, changed, unchanged, refused, errors"
    for number, verb, state, total, done, *parts in rest.stack.rows(f"SELECT {columns} FROM run WHERE id IN ({ids})"):
        if state != "done" or done != total or sum(parts) != total or parts[-1]:
            yield f"run {number} {verb}: {state}, {done} of {total}, changed, unchanged, refused, errors are {parts}"
    for run, job, outcome in rest.stack.rows(f"SELECT run_id, job_id, outcome FROM run_target WHERE run_id IN ({ids})"):
        if outcome == "todo":
            yield f"run {run} left job {job} out"
    lines = Counter((run, job) for _, job, _, run, _ in rest.history() if run)
    yield from (f"run {run} stands {count} times in the history of job {job}" for (run, job), count in lines.items() if count > 1)  # fmt: skip  # noqa: E501


LOOKS = (statuses, tallies, places, truth, times, logs, past, runs)
