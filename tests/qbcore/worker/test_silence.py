"""A supervisor that does not answer, or says no."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.qbcore.worker.conftest import Host
from tests.qbcore.worker.processes import alive, pids
from tests.qbcore.worker.supervisor import Supervisor


def waiting_for(path: Path) -> str:
    return f"echo $$ >> {path}.pids; while ! [ -e {path} ]; do sleep 0.01; done; echo through"


def test_a_request_whose_answer_is_lost_is_repeated_as_it_was(supervisor: Supervisor, host: Host) -> None:
    bodies: list[dict[str, Any]] = []

    def lose(path: str, told: Any) -> int | None:
        """Every second answer to a request is lost."""
        if path == "sync":
            bodies.append(told)
        return 0 if path == "sync" and len(bodies) % 2 else None

    supervisor.refuse = lose
    supervisor.submit("echo QB_FRAME_NUMBER", "1", "2", "3")
    supervisor.until(lambda: len(supervisor.reports) == 3)
    assert [body["seq"] for body in bodies[:4]] == [1, 1, 2, 2]
    assert all(first == second for first, second in zip(bodies[::2], bodies[1::2], strict=False))


def test_frames_given_in_a_lost_answer_are_done_once(supervisor: Supervisor, host: Host, tmp_path: Path) -> None:
    supervisor.until(lambda: supervisor.requests)
    lost: list[int] = []

    def lose_first_start(path: str, told: Any) -> int | None:
        if path == "sync" and not lost and supervisor.waiting:
            lost.append(told["seq"])
            return 0
        return None

    supervisor.refuse = lose_first_start
    supervisor.submit(f"echo QB_FRAME_NUMBER >> {tmp_path}/done", "1")
    supervisor.until(lambda: lost)
    supervisor.until(lambda: len(supervisor.reports) == 1)
    assert len(supervisor.grants) == 2
    assert pids(tmp_path / "done") == [1]


def test_a_frame_goes_on_while_the_supervisor_is_away(supervisor: Supervisor, host: Host, tmp_path: Path) -> None:
    supervisor.submit(waiting_for(tmp_path / "go"), "1", "2")
    supervisor.until(supervisor.running)
    supervisor.stop()
    (tmp_path / "go").touch()
    supervisor.until(lambda: not [pid for pid in pids(tmp_path / "go.pids") if alive(pid)])
    supervisor.start()
    supervisor.until(lambda: len(supervisor.reports) == 2)
    assert [report["exit"] for report in supervisor.reports] == [0, 0]
    assert supervisor.log(supervisor.reports[0]["grant"]) == b"through\n" * 2
    assert len(pids(tmp_path / "go.pids")) == 2
    assert host.log().count("does not answer") == 1


@pytest.mark.parametrize("code", [500, 502, 503, 429])
def test_a_supervisor_that_cannot_now_is_asked_again(supervisor: Supervisor, host: Host, code: int) -> None:
    refused: list[str] = []

    def busy(path: str, told: Any) -> tuple[int, str] | None:
        if refused.count(path) < 2:
            refused.append(path)
            return code, "busy"
        return None

    supervisor.refuse = busy
    supervisor.submit("echo x", "1")
    supervisor.until(lambda: len(supervisor.reports) == 1)
    assert {"sync", "log/2/out"} <= set(refused)


def test_reports_are_repeated_until_they_are_accepted(supervisor: Supervisor, host: Host) -> None:
    supervisor.next = 0.1
    supervisor.accepts = False
    supervisor.submit("true", "1")
    supervisor.until(lambda: sum(bool(told["reports"]) for told in supervisor.requests) >= 3)
    supervisor.accepts = True
    seen = len(supervisor.requests)
    supervisor.until(lambda: not supervisor.requests[-1]["reports"] and len(supervisor.requests) > seen)
    assert len(supervisor.reports) == 1


def test_a_request_that_came_too_late_is_dropped(supervisor: Supervisor, host: Host) -> None:
    refused: list[int] = []

    def late(path: str, told: Any) -> tuple[int, str] | None:
        if path == "sync" and told["reports"] and not refused:
            refused.append(told["seq"])
            return 409, "seq"
        return None

    supervisor.refuse = late
    supervisor.submit("true", "1")
    supervisor.until(lambda: supervisor.reports)
    assert next(told["seq"] for told in supervisor.requests if told["reports"]) > refused[0]


def test_reports_that_are_no_good_do_not_silence_the_worker(supervisor: Supervisor, host: Host) -> None:
    def picky(path: str, told: Any) -> tuple[int, str] | None:
        bad = path == "sync" and any(report["pos"] == 0 for report in told["reports"])
        return (400, "grant 2 is on another host") if bad else None

    supervisor.refuse = picky
    supervisor.submit("true", "1", "2")
    supervisor.until(lambda: supervisor.reports)
    assert [report["pos"] for report in supervisor.reports] == [1]
    assert "are given up" in host.log()


@pytest.mark.parametrize(("code", "word"), [(401, "unauthorized"), (409, "session")])
def test_a_worker_that_is_not_wanted_any_more_ends_everything(
    supervisor: Supervisor, host: Host, tmp_path: Path, code: int, word: str
) -> None:
    supervisor.submit(waiting_for(tmp_path / "never"), "1")
    supervisor.until(supervisor.running)
    supervisor.refuse = lambda path, told: (code, word) if path == "sync" else None
    supervisor.hint()
    assert host.wait() == 1
    assert not [pid for pid in pids(tmp_path / "never.pids") if alive(pid)]
    assert f"does not want this worker any more: refused: {word}" in host.log()


def test_a_worker_of_another_version_finishes_what_runs(supervisor: Supervisor, host: Host, tmp_path: Path) -> None:
    supervisor.give = 2
    supervisor.submit(waiting_for(tmp_path / "go"), "1", "2")
    supervisor.until(supervisor.running)
    supervisor.refuse = lambda path, told: (426, "version 2 is needed") if path == "sync" else None
    supervisor.hint()
    supervisor.until(lambda: "version 2 is needed" in host.log())
    (pid,) = pids(tmp_path / "go.pids")
    assert alive(pid)
    (tmp_path / "go").touch()
    assert host.wait() == 1
    assert len(pids(tmp_path / "go.pids")) == 1


def test_output_of_a_removed_job_is_forgotten(supervisor: Supervisor, host: Host) -> None:
    supervisor.refuse = lambda path, told: (410, "removed") if path.startswith("log/") else None
    supervisor.submit("echo x", "1")
    supervisor.until(lambda: supervisor.reports and not list((host.state / "spool").iterdir()))
    assert not supervisor.logs


def test_hints_are_followed_at_once_and_beats_are_sent(supervisor: Supervisor, host: Host) -> None:
    supervisor.next, supervisor.beat = 600.0, 0.1
    supervisor.until(lambda: supervisor.beats >= 3)
    seen = len(supervisor.requests)
    supervisor.submit("true", "1")
    supervisor.until(lambda: supervisor.reports)
    assert len(supervisor.requests) > seen


def test_without_a_websocket_the_worker_asks_at_every_beat(supervisor: Supervisor, host: Host) -> None:
    supervisor.next, supervisor.beat, supervisor.websockets = 600.0, 0.2, False
    supervisor.until(lambda: len(supervisor.requests) > 5)
