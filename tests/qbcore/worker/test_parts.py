"""Parts of the worker on their own: what a crash must not lose, what a request says, what is kept from jobs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore.remote.address import parse_address
from qbcore.worker import greeting
from qbcore.worker.client import Client, NoAnswer, Refusal, pauses
from qbcore.worker.facts import VERSION
from qbcore.worker.grants import Site
from qbcore.worker.groups import boot, ticks
from qbcore.worker.holdings import TRUST, Holdings
from qbcore.worker.journal import Journal
from qbcore.worker.reports import MOST
from qbcore.worker.shipper import Shipper
from qbcore.worker.state import StateFolder, Stopped
from tests.qbcore.worker.conftest import ROOT
from tests.qbcore.worker.supervisor import JOB


def frames(*attempts: int) -> list[dict[str, Any]]:
    return [{"attempt": number, "pos": number, "name": "1", "package": None, "token": "t"} for number in attempts]


@given(st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), st.text())), max_size=40), st.integers(0, 20))
def test_a_journal_that_is_read_again_says_the_same(changes: list[tuple[int, str | None]], cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        journal = Journal(path)
        for number, record in changes:
            if record is None:
                journal.drop([number])
            else:
                journal.put(number, record)
        with path.open("ab") as torn:
            torn.write(b'[5, "a line that was cut short'[:cut])
        assert Journal(path).records == journal.records
        assert [(left.name, left.stat().st_mode & 0o777) for left in Path(folder).iterdir()] == [(path.name, 0o600)]


def test_a_journal_does_not_grow_with_what_is_forgotten(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    for number in range(10_000):
        journal.put(number, "x" * 100)
        journal.drop([number - 1])
    assert (tmp_path / "journal.jsonl").stat().st_size < 300_000
    assert list(Journal(tmp_path / "journal.jsonl").records) == [9_999]


def test_a_full_disk_does_not_stop_the_worker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    os.dup2(os.open("/dev/full", os.O_WRONLY), journal._file)
    journal.put(1, "report")
    assert journal.records == {1: "report"}
    assert "No space left on device" in caplog.text


class Peer:
    """Answers each connection once with these bytes and closes it."""

    def __init__(self, *answers: bytes) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = parse_address(f"http://127.0.0.1:{self.listener.getsockname()[1]}")
        self.thread = threading.Thread(target=self._serve, args=(answers,))
        self.thread.start()

    def _serve(self, answers: tuple[bytes, ...]) -> None:
        for answer in answers:
            connection, _ = self.listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
        self.listener.close()


def http(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def test_a_connection_that_was_closed_while_idle_is_opened_again() -> None:
    peer = Peer(http("200 OK", b'{"a":1}'), http("200 OK", b'{"a":2}'))
    client = Client(peer.address)
    assert [client.post("sync", b"{}")["a"], client.post("sync", b"{}")["a"]] == [1, 2]
    client.close()
    peer.thread.join()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http("200 OK", b"<html>"), NoAnswer),
        (http("302 Found", b""), NoAnswer),
        (http("503 Busy", b'{"error":{"code":"busy","message":"later"}}'), NoAnswer),
        (b"SMTP ready\r\n", NoAnswer),
        (b"", NoAnswer),
        (http("404 Not Found", b"<html>"), Refusal),
        (http("400 Bad", b'{"error":"text"}'), Refusal),
    ],
)
def test_what_is_no_answer_of_a_supervisor_is_told_apart(answer: bytes, error: type[Exception]) -> None:
    peer = Peer(answer)
    client = Client(peer.address, timeout=5)
    with pytest.raises(error):
        client.post("sync", b"{}")
    client.close()
    peer.thread.join()


@pytest.mark.parametrize(
    ("said", "after"),
    [(b"Retry-After: 30\r\n", 30.0), (b"Retry-After: 99999\r\n", 120.0), (b"", 0.0), (b"Retry-After: Mon\r\n", 0.0)],
)
def test_a_supervisor_says_for_how_long_it_is_to_be_left_alone(said: bytes, after: float) -> None:
    peer = Peer(http("429 Crowded", b"{}").replace(b"Content-Length", said + b"Content-Length"))
    client = Client(peer.address, timeout=5)
    with pytest.raises(NoAnswer) as silence:
        client.post("hello", b"{}")
    assert silence.value.after == after
    client.close()
    peer.thread.join()


def test_a_hello_is_repeated_after_the_pause_that_the_supervisor_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(greeting.time, "sleep", slept.append)
    answers: list[Any] = [NoAnswer("crowded", 30.0), NoAnswer("away"), {"beat": 1}]

    def ask() -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, NoAnswer):
            raise answer
        return dict(answer)

    assert greeting._patiently("hello", ask) == {"beat": 1}
    assert 30 <= slept[0] <= 36 and slept[1] < 1


def test_pauses_grow_to_ten_seconds() -> None:
    made = [pause for pause, _ in zip(pauses(), range(12), strict=False)]
    assert 0.15 < made[0] < 0.25
    assert made[:5] == sorted(made[:5])
    assert all(8 <= pause <= 12 for pause in made[-5:])


@pytest.fixture
def holdings(tmp_path: Path) -> Iterator[Holdings]:
    """Nobody listens: what would be sent stays."""
    shipper = Shipper(Client(parse_address("http://127.0.0.1:9")), lambda: None)
    with StateFolder(tmp_path / "state") as folder:
        site = Site({"PATH": "/usr/bin:/bin"}, "/", boot())
        yield Holdings(folder, site, 2, shipper, 100.0)


def given_two_frames(holdings: Holdings) -> None:
    _, said = holdings.request(100.0)
    start = {"grant": 7, "job": JOB, "subjob": 0, "frames": frames(1, 2)}
    holdings.answered({"starts": [start]}, said, 100.0, 100.1)


def test_a_reserved_frame_does_not_start_when_it_may_be_somebody_elses(holdings: Holdings) -> None:
    given_two_frames(holdings)
    assert [grant.id for grant in holdings.startable(100.0 + TRUST - 0.1)] == [7]
    assert not holdings.startable(100.0 + TRUST)
    _, said = holdings.request(109.0)
    holdings.answered({"drop": [1]}, said, 109.0, 109.1)
    (grant,) = holdings.startable(109.1)
    assert grant.held() == [2]


def test_reserved_frames_are_named_again_in_time(holdings: Holdings) -> None:
    given_two_frames(holdings)
    assert holdings.due(100.1) == 104.0


def test_an_ended_frame_is_held_until_its_report_goes_out(holdings: Holdings) -> None:
    given_two_frames(holdings)
    (grant,) = holdings.startable(100.1)
    attempt = holdings.start(grant, 100.1)
    assert attempt is not None
    os.write(grant.out.file, b"not sent yet")
    os.waitid(os.P_PIDFD, attempt.process.pidfd, os.WEXITED | os.WNOWAIT)
    assert attempt.process.reap(100.2)
    holdings.tick(100.2)
    waiting, _ = holdings.request(100.3)
    assert (waiting["held"], waiting["running"], waiting["reports"]) == ({"7": [1, 2]}, [1], [])
    told, _ = holdings.request(102.3)
    assert (told["held"], told["running"]) == ({"7": [2]}, [])
    assert [report["attempt"] for report in told["reports"]] == [1]


def test_a_worker_takes_no_more_grants_than_it_has_slots(holdings: Holdings) -> None:
    given_two_frames(holdings)
    body, said = holdings.request(100.2)
    assert body["room"] is True
    holdings.answered({"starts": [{"grant": 8, "job": JOB, "subjob": 1, "frames": []}]}, said, 100.2, 100.3)
    assert holdings.request(100.4)[0]["room"] is False


def test_a_worker_asks_for_what_may_follow_a_grant_that_wants_frames_and_has_none(holdings: Holdings) -> None:
    body, said = holdings.request(100.1)
    assert body["room_if_over"] is False
    starts = [{"grant": number, "job": JOB, "subjob": number, "frames": []} for number in (7, 8)]
    holdings.answered({"starts": starts}, said, 100.1, 100.2)
    body, said = holdings.request(100.3)
    assert (body["want"], body["room"], body["room_if_over"]) == ([7, 8], False, True)
    follows = [{"grant": 9, "job": JOB, "subjob": 0, "frames": []}]
    holdings.answered({"over": [7], "starts": follows, "filled": True}, said, 100.3, 100.4)
    assert sorted(holdings.grants) == [8, 9]
    holdings.drain(100.5)
    assert holdings.request(100.6)[0]["room_if_over"] is False


def test_what_a_long_silence_left_is_told_in_parts(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        for number in range(MOST + 1):
            folder.reports.put(number, {"attempt": number, "grant": number // 2, "exit": 0})
        shipper = Shipper(Client(parse_address("http://127.0.0.1:9")), lambda: None)
        holdings = Holdings(folder, Site({}, "/", boot()), 2, shipper, 100.0)
        first, said = holdings.request(100.0)
        assert len(first["reports"]) == MOST
        assert first["held"] == {str(MOST // 2): [MOST]}
        assert len(first["gone"]) == MOST // 2
        holdings.answered({"accepted": list(range(MOST))}, said, 100.0, 100.1)
        rest, said = holdings.request(100.1)
        assert [report["attempt"] for report in rest["reports"]] == [MOST]
        assert (rest["held"], rest["gone"]) == ({}, [MOST // 2])
        holdings.answered({"accepted": [MOST]}, said, 100.1, 100.2)
        assert not folder.reports.records
        assert holdings.request(100.2)[0]["gone"] == []


def test_sessions_that_may_be_known_are_kept_in_order(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        assert folder.previous_sessions() == [""]
        folder.keep_session("one", confirmed=True)
        folder.keep_session("two", confirmed=False)
        assert folder.previous_sessions() == ["two", "one", ""]
        folder.keep_session("two", confirmed=True)
        assert folder.previous_sessions() == ["two", ""]


def test_a_folder_is_free_again_when_its_worker_has_ended(tmp_path: Path) -> None:
    with StateFolder(tmp_path), pytest.raises(Stopped, match="another worker"):
        StateFolder(tmp_path)
    with StateFolder(tmp_path) as folder:
        assert folder.identity() is None


def test_the_clock_of_process_starts_is_the_systems(tmp_path: Path) -> None:
    before = ticks()
    with subprocess.Popen(["sleep", "100"]) as child:
        after = ticks()
        started = int(Path(f"/proc/{child.pid}/stat").read_text().rsplit(")")[1].split()[19])
        child.kill()
    assert before <= started <= after


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_worker_runs_without_django() -> None:
    done = python("import sys, qbcore.worker.main; assert not {'django', 'celery', 'psycopg'} & set(sys.modules)")
    assert done.returncode == 0, done.stderr


def test_jobs_of_the_same_user_cannot_read_the_workers_environment() -> None:
    done = python(
        "import ctypes, os, subprocess, sys\n"
        "from qbcore.worker.main import _hide\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)\n"  # changing the user hides a process too
        "def read(): return subprocess.run(['cat', f'/proc/{os.getpid()}/environ'], capture_output=True).returncode\n"
        "assert read() == 0\n"
        "_hide()\n"
        "assert read() == 1\n"
    )
    assert done.returncode == 0, done.stderr


def test_jobs_are_not_run_as_root_by_accident(tmp_path: Path) -> None:
    root = "import os; os.geteuid = lambda: 0\nfrom qbcore.worker.main import main\n"
    done = python(f"{root}raise SystemExit(main(['--state', {str(tmp_path / 'state')!r}]))")
    assert done.returncode == 1
    assert "jobs would run as root" in done.stderr
    assert not (tmp_path / "state").exists()


def test_the_version_is_the_projects() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_the_management_command_is_the_same_program() -> None:
    argv = [sys.executable, "manage.py", "worker", "--state", "/proc/worker", "--allow-root"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "--state: /proc/worker cannot be used" in done.stderr
