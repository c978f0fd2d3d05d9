"""What the supervisor orders happens to the processes, and limits hold."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.qbcore.worker.conftest import Host
from tests.qbcore.worker.processes import alive, pids, stopped
from tests.qbcore.worker.supervisor import Supervisor


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """Where jobs write the numbers of their processes."""
    return tmp_path / "pids"


def family(left: Path) -> str:
    """A command that becomes three generations of processes in one group."""
    return f"echo $$ >> {left}; sh -c 'echo $$ >> {left}; sleep 300 & echo $! >> {left}; wait'; true"


def begun(supervisor: Supervisor, left: Path, count: int = 3) -> tuple[int, list[int]]:
    """The grant and the processes, once all of them run and the supervisor knows."""
    supervisor.until(lambda: len(pids(left)) == count and supervisor.running())
    return max(supervisor.grants), pids(left)


def living(left: Path) -> list[int]:
    return [pid for pid in pids(left) if alive(pid)]


def test_kill_ends_every_process_of_the_frame_at_once(supervisor: Supervisor, host: Host, left: Path) -> None:
    supervisor.submit(family(left), "1", "2")
    grant, _ = begun(supervisor, left)
    started = time.monotonic()
    supervisor.order(grant, "end")
    supervisor.until(lambda: supervisor.grants[grant].gone)
    assert time.monotonic() - started < 1.9  # the grace
    assert not living(left)
    assert [(report["reason"], report["signal"]) for report in supervisor.reports] == [("ended", 15)]
    assert len(supervisor.grants[grant].subjob.frames) == 1


def test_a_frame_that_does_not_want_to_end_is_killed_after_the_grace(
    supervisor: Supervisor, host: Host, left: Path
) -> None:
    supervisor.submit(f"trap '' TERM; echo $$ >> {left}; while :; do sleep 300; done", "1")
    grant, _ = begun(supervisor, left, 1)
    started = time.monotonic()
    supervisor.order(grant, "end")
    supervisor.until(lambda: supervisor.grants[grant].gone)
    assert 1.9 < time.monotonic() - started < 10
    assert not living(left)
    assert [(report["reason"], report["signal"]) for report in supervisor.reports] == [("ended", 9)]


def test_processes_in_groups_of_their_own_end_with_the_session(supervisor: Supervisor, host: Host, left: Path) -> None:
    supervisor.submit(f"set -m; sleep 300 & echo $! >> {left}; echo $$ >> {left}; wait", "1")
    grant, _ = begun(supervisor, left, 2)
    supervisor.order(grant, "end")
    supervisor.until(lambda: supervisor.grants[grant].gone)
    assert not living(left)


def test_suspend_stops_every_process_and_resume_lets_them_go_on(
    supervisor: Supervisor, host: Host, left: Path, tmp_path: Path
) -> None:
    supervisor.submit(f"echo $$ > {left}; while ! [ -e {tmp_path}/go ]; do sleep 0.02; done", "1")
    grant, (shell,) = begun(supervisor, left, 1)
    supervisor.order(grant, "suspend")
    supervisor.until(lambda: stopped(shell))
    (tmp_path / "go").touch()
    seen = len(supervisor.requests)
    supervisor.hint()
    supervisor.until(lambda: len(supervisor.requests) > seen)
    assert stopped(shell)
    assert str(grant) in supervisor.requests[-1]["held"]
    supervisor.order(grant, "")
    supervisor.until(lambda: [report["exit"] for report in supervisor.reports] == [0])


def test_a_suspended_frame_can_be_killed(supervisor: Supervisor, host: Host, left: Path) -> None:
    supervisor.submit(family(left), "1")
    grant, (shell, *_) = begun(supervisor, left)
    supervisor.order(grant, "suspend")
    supervisor.until(lambda: stopped(shell))
    supervisor.order(grant, "end")
    supervisor.until(lambda: supervisor.grants[grant].gone)
    assert not living(left)


def test_no_further_frame_starts_while_the_grant_is_suspended(
    supervisor: Supervisor, host: Host, tmp_path: Path
) -> None:
    supervisor.give = 2
    supervisor.submit(f"while ! [ -e {tmp_path}/go ]; do sleep 0.01; done; echo $$ >> {tmp_path}/pids", "1", "2")
    supervisor.until(supervisor.running)
    grant = max(supervisor.grants)
    supervisor.submit("true", "1")  # a second grant shows that requests go on
    supervisor.order(grant, "suspend")
    supervisor.until(lambda: len(supervisor.reports) == 1)
    first, second = supervisor.requests[-1]["held"][str(grant)]
    supervisor.drop(first)
    supervisor.until(lambda: supervisor.requests[-1]["held"].get(str(grant)) == [second])
    assert second not in supervisor.running()
    (tmp_path / "go").touch()
    supervisor.order(grant, "")
    supervisor.until(lambda: len(supervisor.reports) == 3)
    assert len(pids(tmp_path / "pids")) == 1


def test_finish_ends_the_current_frame_and_hands_back_the_rest(
    supervisor: Supervisor, host: Host, tmp_path: Path
) -> None:
    supervisor.give = 3
    supervisor.submit(f"while ! [ -e {tmp_path}/go ]; do sleep 0.01; done", "1", "2", "3")
    supervisor.until(supervisor.running)
    grant = max(supervisor.grants)
    supervisor.order(grant, "finish")
    supervisor.until(lambda: len(supervisor.grants[grant].subjob.frames) == 2)
    (tmp_path / "go").touch()
    supervisor.until(lambda: supervisor.grants[grant].gone)
    assert [report["exit"] for report in supervisor.reports] == [0]


def test_a_dropped_frame_ends_and_the_grant_goes_on_with_the_next(
    supervisor: Supervisor, host: Host, left: Path
) -> None:
    supervisor.give = 2
    supervisor.submit(f"echo $$ >> {left}; [ QB_FRAME_NUMBER = 2 ] || exec sleep 300", "1", "2")
    begun(supervisor, left, 1)
    supervisor.drop(*supervisor.running())
    supervisor.until(lambda: len(supervisor.reports) == 2)
    assert [(report["pos"], report["reason"], report["exit"]) for report in supervisor.reports] == [
        (0, "ended", None),
        (1, "exit", 0),
    ]
    assert not living(left)


def test_a_reserved_frame_that_is_dropped_never_starts(supervisor: Supervisor, host: Host, tmp_path: Path) -> None:
    supervisor.give, supervisor.next = 3, 0.1
    done = tmp_path / "done"
    cmdline = f"while ! [ -e {tmp_path}/go ]; do sleep 0.01; done; echo QB_FRAME_NUMBER >> {done}"
    supervisor.submit(cmdline, "1", "2", "3")
    supervisor.until(supervisor.running)
    grant = max(supervisor.grants)
    _, second, _ = supervisor.requests[-1]["held"][str(grant)]
    supervisor.drop(second)
    supervisor.until(lambda: second not in supervisor.requests[-1]["held"][str(grant)])
    (tmp_path / "go").touch()
    supervisor.until(lambda: len(supervisor.reports) == 2)
    assert pids(done) == [1, 3]


@pytest.mark.parametrize("limit", ["agenda_timelimit", "timelimit"])
def test_a_frame_that_runs_too_long_is_ended_and_says_why(
    supervisor: Supervisor, host: Host, left: Path, limit: str
) -> None:
    supervisor.submit(family(left), "1", **{limit: 1})
    supervisor.until(lambda: supervisor.reports)
    report = supervisor.reports[0]
    assert (report["reason"], report["message"]) == (limit, f"ran longer than its {limit} of 1 s")
    assert 1 <= report["elapsed"] < 8
    supervisor.until(lambda: not living(left))


def test_a_subjobs_limit_counts_all_its_frames_and_gives_back_the_rest(supervisor: Supervisor, host: Host) -> None:
    supervisor.give = 9
    supervisor.submit("sleep 0.4", *"123456789", timelimit=1)
    supervisor.until(lambda: any(grant.gone for grant in supervisor.grants.values()))
    assert [report["reason"] for report in supervisor.reports] == ["exit", "exit", "timelimit"]
    assert len(max(supervisor.grants.items())[1].subjob.frames) == 6


def test_the_limit_of_a_subjob_begins_anew_where_it_is_placed_again(supervisor: Supervisor, host: Host) -> None:
    supervisor.submit("sleep 2.5", "1", "2", timelimit=4)
    supervisor.until(supervisor.running)
    [(number, grant)] = supervisor.grants.items()
    supervisor.order(number, "finish")  # as a preempted one is
    supervisor.until(lambda: grant.gone)
    supervisor.waiting.append(grant.subjob)
    supervisor.hint()
    supervisor.until(lambda: len(supervisor.reports) == 2)
    assert [(report["reason"], report["exit"]) for report in supervisor.reports] == [("exit", 0)] * 2


def test_limits_stand_still_while_a_frame_is_suspended(
    supervisor: Supervisor, host: Host, left: Path, tmp_path: Path
) -> None:
    cmdline = f"echo $$ > {left}; while ! [ -e {tmp_path}/go ]; do sleep 0.02; done"
    supervisor.submit(cmdline, "1", agenda_timelimit=4)
    grant, (shell,) = begun(supervisor, left, 1)
    supervisor.order(grant, "suspend")
    supervisor.until(lambda: stopped(shell))
    since = time.monotonic()
    supervisor.until(lambda: time.monotonic() > since + 4.3)
    (tmp_path / "go").touch()
    supervisor.order(grant, "")
    supervisor.until(lambda: supervisor.reports)
    assert (supervisor.reports[0]["reason"], supervisor.reports[0]["exit"]) == ("exit", 0)
    assert supervisor.reports[0]["elapsed"] < 4


def test_short_frames_are_asked_for_before_they_run_out(supervisor: Supervisor, host: Host) -> None:
    supervisor.give = 8
    supervisor.submit("/bin/true", *map(str, range(200)))
    supervisor.until(lambda: len(supervisor.reports) == 200)
    ahead = [told for told in supervisor.requests if any(told["held"][str(grant)] for grant in told["want"])]
    assert ahead


def test_long_frames_are_not_asked_for_ahead(supervisor: Supervisor, host: Host) -> None:
    supervisor.submit("sleep 0.6", "1", "2", "3")
    supervisor.until(lambda: len(supervisor.reports) == 3)
    wanted: list[Any] = [(told["want"], told["running"]) for told in supervisor.requests if told["want"]]
    assert wanted and not [running for _, running in wanted if running]
