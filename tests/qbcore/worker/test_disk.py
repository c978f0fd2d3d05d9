"""Output waits on a bounded disk, and a disk that takes nothing for a while costs no frame and no report."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qbcore.worker.disk import MB, Disk
from qbcore.worker.journal import Journal
from qbcore.worker.spool import Spool
from qbcore.worker.state import StateFolder
from tests.qbcore.worker.conftest import Host
from tests.qbcore.worker.processes import alive, condition, pids
from tests.qbcore.worker.supervisor import Supervisor

Hosts = Callable[..., Host]


def test_a_frame_that_writes_more_than_may_wait_is_suspended_until_there_is_room(
    supervisor: Supervisor, hosts: Hosts, tmp_path: Path
) -> None:
    host = hosts("host", "--spool-limit", "2")
    host.start()
    supervisor.refuse = lambda path, told: (503, "away") if path.startswith("log/") else None
    (tmp_path / "loud.py").write_text(
        "import os, time\nfor n in range(80): os.write(1, (b'x' * 99 + b'\\n') * 1000); time.sleep(0.05)"
    )
    supervisor.submit(f"echo $$ > {tmp_path}/pids; exec {sys.executable} {tmp_path}/loud.py", "1")
    supervisor.submit(f"while ! [ -e {tmp_path}/go ]; do sleep 0.05; done", "quiet", "next")
    supervisor.until(lambda: pids(tmp_path / "pids") and condition(pids(tmp_path / "pids")[0]) == "T")
    supervisor.until(lambda: "trouble" in supervisor.requests[-1])
    assert supervisor.requests[-1]["trouble"] == "output waits for the supervisor up to the limit of 2 MB"
    assert not supervisor.requests[-1]["room"]
    (tmp_path / "go").touch()
    supervisor.until(lambda: [report["pos"] for report in supervisor.reports] == [0])  # the quiet one was let go on
    supervisor.refuse = lambda path, told: None
    supervisor.until(lambda: len(supervisor.reports) == 3)
    loud = next(grant for grant in supervisor.grants if supervisor.log(grant))
    assert supervisor.log(loud) == (b"x" * 99 + b"\n") * 80_000
    assert "trouble" not in supervisor.requests[-1]
    assert host.log().count("those that write are suspended") == 1


def test_output_of_a_hundred_megabytes_in_one_line_arrives_whole_and_leaves_the_worker_small(
    supervisor: Supervisor, host: Host
) -> None:
    code = "import os; d = bytes(range(11, 256)) * 4096; [os.write(1, d) for _ in range(100)]"
    supervisor.submit(f"{sys.executable} -c '{code}'", "1")
    supervisor.submit("echo other", "1")
    supervisor.until(lambda: len(supervisor.reports) == 2)
    large = max(supervisor.reports, key=lambda report: report["out"][1])
    supervisor.until(lambda: len(supervisor.log(large["grant"])) == large["out"][1])
    expected = hashlib.sha256(bytes(range(11, 256)) * 4096 * 100).digest()
    assert hashlib.sha256(supervisor.log(large["grant"])).digest() == expected
    assert host.program is not None
    peak = next(line for line in Path(f"/proc/{host.program.pid}/status").read_text().splitlines() if "VmHWM" in line)
    assert int(peak.split()[1]) < 150_000  # kB


def test_a_loud_frame_does_not_starve_the_output_of_another(supervisor: Supervisor, host: Host) -> None:
    supervisor.submit("exec cat /dev/zero | head -c 200000000; sleep 300", "1")
    supervisor.until(lambda: any(len(log) > 1_000_000 for log in supervisor.logs.values()))
    supervisor.submit("echo heard", "1")
    supervisor.until(lambda: b"heard\n" in supervisor.logs.values())
    assert max(map(len, supervisor.logs.values())) < 200_000_000


def test_no_output_up_to_the_kill_of_the_worker_is_lost(supervisor: Supervisor, host: Host, tmp_path: Path) -> None:
    code = (
        "import os, itertools\n"
        "for n in itertools.count():\n"
        "  os.write(1, b'line %d\\n' % n)\n"
        "  os.pwrite(f, str(n).encode(), 0)"
    )
    start = f"import os; f = os.open('{tmp_path}/count', os.O_CREAT | os.O_WRONLY)\n"
    (tmp_path / "writer.py").write_text(start + code)
    supervisor.submit(f"exec {sys.executable} {tmp_path}/writer.py", "1")
    supervisor.until(lambda: any(len(log) > 100_000 for log in supervisor.logs.values()))
    host.kill()
    written = int((tmp_path / "count").read_text())
    (grant,) = supervisor.grants
    host.start()
    supervisor.until(lambda: len(supervisor.hellos) == 2 and not list((host.state / "spool").iterdir()))
    lines = supervisor.log(grant).splitlines()
    assert len(lines) > written
    assert lines == [b"line %d" % number for number in range(len(lines))]


def test_a_stopped_worker_that_comes_back_late_does_what_was_decided_meanwhile(
    supervisor: Supervisor, host: Host, tmp_path: Path
) -> None:
    supervisor.give = 2
    supervisor.submit(f"echo $$ >> {tmp_path}/pids; exec sleep 300", "1", "2")
    supervisor.until(lambda: supervisor.running() and pids(tmp_path / "pids"))
    (grant,) = supervisor.grants
    host.signal(signal.SIGSTOP)
    supervisor.drop(*supervisor.requests[-1]["held"][str(grant)])
    supervisor.order(grant, "end")
    (pid,) = pids(tmp_path / "pids")
    assert alive(pid)
    host.signal(signal.SIGCONT)
    supervisor.until(lambda: supervisor.grants[grant].gone)
    assert not alive(pid)
    assert len(pids(tmp_path / "pids")) == 1
    supervisor.submit("true", "1")
    supervisor.until(lambda: supervisor.reports[-1]["exit"] == 0)


def test_a_grant_whose_output_cannot_be_kept_is_not_taken(supervisor: Supervisor, host: Host) -> None:
    supervisor.next = 0.2
    supervisor.until(lambda: supervisor.requests)
    spool, aside = host.state / "spool", host.state / "aside"
    spool.rename(aside)
    supervisor.submit("echo x", "1")
    supervisor.until(lambda: "trouble" in supervisor.requests[-1])
    assert "No such file or directory" in supervisor.requests[-1]["trouble"]
    assert not supervisor.requests[-1]["room"]
    aside.rename(spool)
    supervisor.until(lambda: [report["exit"] for report in supervisor.reports] == [0])


def test_a_report_outlives_the_worker_after_the_disk_was_full_for_a_while(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "state") as folder:
        kept = os.dup(folder.reports._file)
        os.dup2(os.open("/dev/full", os.O_WRONLY), folder.reports._file)
        folder.reports.put(1, "report")
        folder.reports.put(2, "another")
        folder.reports.drop([2])
        assert folder.dirty
        assert not Journal(tmp_path / "state" / "reports.jsonl").records
        folder.mend()
        assert not folder.dirty
        assert Journal(tmp_path / "state" / "reports.jsonl").records == {1: "report"}
        os.close(kept)


def test_a_session_that_could_not_be_kept_is_kept_later(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "state") as folder:
        (tmp_path / "state" / "session.new").mkdir()
        folder.keep_session("one", confirmed=True)
        assert folder.dirty
        (tmp_path / "state" / "session.new").rmdir()
        folder.mend()
        assert not folder.dirty
        assert folder.previous_sessions() == ["one", ""]


def test_frames_go_on_when_enough_of_the_room_is_back(tmp_path: Path) -> None:
    waiting = [0]
    disk = Disk(tmp_path, lambda: waiting[0], 100 * MB)
    seen = []
    for now, amount in enumerate((0, 99, 100, 90, 79, 99)):
        waiting[0] = amount * MB
        assert disk.look(float(now))
        seen.append(disk.full)
    assert seen == [False, False, True, True, False, False]
    assert not disk.look(5.0)
    assert disk.due(busy=False) == float("inf")


def test_a_limit_that_is_reached_again_and_again_is_told_once_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = [0]
    disk = Disk(tmp_path, lambda: waiting[0], 100 * MB)
    for now in range(100):
        waiting[0] = 100 * MB * (now % 2)
        disk.look(float(now))
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 4
    assert caplog.text.count("there is room for output again") == 2


def test_what_a_frame_empties_itself_does_not_run_backwards(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1, "out")
    os.write(spool.file, b"first half, ")
    assert spool.size() == 12
    spool.sent = 6
    os.ftruncate(spool.file, 0)
    os.write(spool.file, b"new")
    assert spool.size() == 9
    assert spool.unsent() == 3
    spool.remove()


@pytest.mark.parametrize("redirect", [">", ">>"])
def test_a_frame_that_opens_its_output_anew_is_still_reported(
    supervisor: Supervisor, host: Host, redirect: str
) -> None:
    supervisor.give = 2
    supervisor.submit(f"echo one; echo two {redirect} /dev/stdout; echo three", "1", "2")
    supervisor.until(lambda: [report["exit"] for report in supervisor.reports] == [0, 0])
    (grant,) = supervisor.grants
    supervisor.until(lambda: supervisor.log(grant).endswith(b"two\nthree\n"))
    for start, end in (report["out"] for report in supervisor.reports):
        assert start <= end


def test_the_disk_gets_back_what_was_sent_while_the_grant_goes_on(supervisor: Supervisor, host: Host) -> None:
    supervisor.submit("tr '\\0' x < /dev/zero | head -c 60000000; sleep 300", "1")
    supervisor.until(lambda: any(len(log) == 60_000_000 for log in supervisor.logs.values()))
    (path,) = (host.state / "spool").glob("*.out")
    supervisor.until(lambda: path.stat().st_blocks * 512 < 40_000_000)
    assert path.stat().st_size == 60_000_000
    with path.open("rb") as file:
        assert file.read(100_000) == b"x" * 100_000  # names of files are looked for there
