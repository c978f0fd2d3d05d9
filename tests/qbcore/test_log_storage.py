"""Packed logs: the same bytes whoever packs, dies, writes or reads meanwhile; and logs that the policy removes."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from zstandard import ZstdDecompressor

from qbcore import logkeeping, logs
from qbcore.errors import NotFound
from qbcore.logs import files, late, seekable, storing
from qbcore.models import GrantRow, HistoryRow, HostRow, JobRow
from qbcore.states import Status
from tests.make import make_attempt, make_host, make_job

TEXT = b"".join(b"line %d of a log that is long enough to be packed\n" % number for number in range(2000))


@pytest.fixture(autouse=True)
def no_old_logs(farm_data: Path, settings: Any) -> Iterator[None]:
    """Ids come again on a fresh database."""
    settings.FARM_LOG_PACK_AFTER = 0
    shutil.rmtree(farm_data / "logs", ignore_errors=True)
    yield
    shutil.rmtree(farm_data / "logs", ignore_errors=True)


@pytest.fixture
def host(db: None) -> HostRow:
    return make_host()


@pytest.fixture
def job(db: None) -> JobRow:
    return make_job(frames={Status.COMPLETE: 1})


def ended_grant(job: JobRow, host: HostRow, *, days: float = 0, **columns: Any) -> int:
    at = timezone.now() - timedelta(days=days)
    return int(make_attempt(job, 0, host=host, ending="complete", reported=True, at=at, **columns).grant_id)


def forms(job: JobRow) -> set[str]:
    return {file.name.split(".", 2)[2] for file in logs.folder(job.pk).iterdir()}


class Memory:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


@given(st.binary(max_size=400), st.integers(1, 64), st.data())
def test_any_part_of_a_packed_log_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, text: bytes, frame: int, data: st.DataObject
) -> None:
    file = tmp_path_factory.mktemp("packed") / "log.zst"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seekable, "FRAME", frame)
        seekable.write(file, Memory(text))
    with file.open("rb") as handle:
        packed = seekable.Packed(handle.fileno())
        assert packed.size == len(text)
        begin, length = data.draw(st.integers(0, 420)), data.draw(st.integers(0, 420))
        assert packed.read(begin, length) == text[begin : begin + length]


def test_any_zstd_program_unpacks_a_packed_log(tmp_path: Path) -> None:
    seekable.write(tmp_path / "log.zst", Memory(TEXT * 30))
    with (
        (tmp_path / "log.zst").open("rb") as file,
        ZstdDecompressor().stream_reader(file, read_across_frames=True) as log,
    ):
        assert log.read() == TEXT * 30


def test_a_damaged_log_is_said_to_be_damaged(tmp_path: Path) -> None:
    file = tmp_path / "log.zst"
    seekable.write(file, Memory(TEXT))
    whole = file.read_bytes()
    for broken in (whole[:-3], whole[:4], b"", whole[:50] + b"\0" * 20 + whole[70:]):
        file.write_bytes(broken)
        with file.open("rb") as handle, pytest.raises(seekable.Damaged):
            seekable.Packed(handle.fileno()).read(0, 100)


def test_a_packed_log_reads_as_before(job: JobRow, host: HostRow) -> None:
    one = ended_grant(job, host, out_to=len(TEXT), err_to=4)
    logs.append(host.pk, one, "out", 0, TEXT)
    logs.append(host.pk, one, "err", 0, b"err\n")
    before = logs.stdout(job.pk), logs.stderr(job.pk), logs.log(job.pk), logs.stdout(job.pk, pos=70_000, len=999)
    assert logkeeping.pack() == 1
    assert forms(job) == {"out.zst", "err"}, "a file of one block is left as it is"
    assert GrantRow.objects.get(pk=one).logs == logs.PACKED
    assert (logs.stdout(job.pk), logs.stderr(job.pk), logs.log(job.pk)) == before[:3]
    assert logs.stdout(job.pk, pos=70_000, len=999) == before[3]
    assert logs.append(host.pk, one, "out", 0, b"") == len(TEXT)
    assert logkeeping.pack() == 0


def test_logs_of_running_and_of_quite_new_grants_are_left_alone(job: JobRow, host: HostRow, settings: Any) -> None:
    running = make_attempt(job, 0, host=host).grant_id
    logs.append(host.pk, running, "out", 0, TEXT)
    settings.FARM_LOG_PACK_AFTER = 600
    new, arriving = ended_grant(job, host), ended_grant(job, host, days=1)
    for one in (new, arriving):
        logs.append(host.pk, one, "out", 0, TEXT)
    assert logkeeping.pack() == 0
    assert forms(job) == {"out"}


def test_bytes_that_come_after_packing_are_read_at_their_place_and_packed_too(job: JobRow, host: HostRow) -> None:
    one = ended_grant(job, host)
    logs.append(host.pk, one, "out", 0, TEXT)
    logkeeping.pack()
    assert logs.append(host.pk, one, "out", 100, TEXT[100:300]) == len(TEXT), "bytes that are here already"
    assert forms(job) == {"out.zst"}
    assert logs.append(host.pk, one, "out", len(TEXT) - 5, TEXT[-5:] + b"more\n") == len(TEXT) + 5
    assert logs.append(host.pk, one, "out", len(TEXT) + 5, b"and more\n") == len(TEXT) + 14
    assert forms(job) == {"out.zst", "out.late"}
    whole = TEXT + b"more\nand more\n"
    assert logs.read(job.pk, 0, "out") == (whole, len(whole))
    assert logs.read(job.pk, 0, "out", len(TEXT) - 3, 9) == (whole[len(TEXT) - 3 :][:9], len(whole))
    assert logkeeping.pack() == 1
    assert forms(job) == {"out.zst"}
    assert logs.read(job.pk, 0, "out") == (whole, len(whole))


def test_a_small_log_that_grows_late_is_packed_then(job: JobRow, host: HostRow) -> None:
    one = ended_grant(job, host)
    logs.append(host.pk, one, "out", 0, TEXT[:10])
    assert logkeeping.pack() == 1
    logs.append(host.pk, one, "out", 10, TEXT[10:])
    assert logkeeping.pack() == 1
    assert forms(job) == {"out.zst"}
    assert logs.read(job.pk, 0, "out")[0] == TEXT


def test_half_a_record_of_late_bytes_is_no_bytes(job: JobRow, host: HostRow) -> None:
    one = ended_grant(job, host)
    logs.append(host.pk, one, "out", 0, TEXT)
    logkeeping.pack()
    logs.append(host.pk, one, "out", len(TEXT), b"more\n")
    beside = logs.path(job.pk, 0, one, "out").with_suffix(".out.late")
    beside.write_bytes(beside.read_bytes()[:-2])
    assert logs.read(job.pk, 0, "out") == (TEXT, len(TEXT))
    logs.append(host.pk, one, "out", len(TEXT), b"more\n")
    assert logs.read(job.pk, 0, "out") == (TEXT + b"more\n", len(TEXT) + 5)
    record = bytearray(beside.read_bytes())
    record[-1] ^= 1
    beside.write_bytes(record)
    assert logs.read(job.pk, 0, "out") == (TEXT, len(TEXT)), "what a loss of power left is not what was sent"


class Died(BaseException):
    """Stands for the end of the process: nobody catches it."""


def dies(*_: object, **__: object) -> None:
    raise Died


@pytest.mark.parametrize("where", ["write", "replace", "sync", "unlink", "mark"])
@pytest.mark.parametrize("again", [False, True], ids=["first packing", "with late bytes"])
def test_whoever_dies_while_packing_leaves_a_log_that_reads_the_same(
    job: JobRow, host: HostRow, monkeypatch: pytest.MonkeyPatch, where: str, again: bool
) -> None:
    one = ended_grant(job, host)
    logs.append(host.pk, one, "out", 0, TEXT)
    whole = TEXT
    if again:
        logkeeping.pack()
        logs.append(host.pk, one, "out", len(TEXT), b"more\n")
        whole += b"more\n"
    places: dict[str, tuple[Any, str]] = {
        "write": (os, "fsync"), "replace": (Path, "replace"), "sync": (storing, "_sync"), "unlink": (Path, "unlink"),
        "mark": (logkeeping, "_mark"),
    }  # fmt: skip
    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(*places[where], dies)
        logkeeping.pack()
    assert logs.read(job.pk, 0, "out") == (whole, len(whole))
    assert logkeeping.pack() == 1
    assert logs.read(job.pk, 0, "out") == (whole, len(whole))
    assert {form for form in forms(job) if not form.endswith(".new")} == {"out.zst"}


def test_unfinished_files_of_the_dead_go_away(job: JobRow, host: HostRow) -> None:
    one = ended_grant(job, host)
    logs.append(host.pk, one, "out", 0, TEXT)
    old, new = (logs.folder(job.pk) / name for name in ("0.1.out.a.new", "0.1.out.b.new"))
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))
    logkeeping.pack()
    assert (old.exists(), new.exists()) == (False, True)


def test_readers_and_writers_never_notice_that_others_pack(tmp_path: Path) -> None:
    """One writes, two pack what is there all the time, and whoever reads finds all that was written by then."""
    file, done = tmp_path / "0.1.out", threading.Event()
    rng, wrong, known = Random(4), [], [0]

    def carry(do: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                while not done.is_set():
                    do()
            except BaseException as error:
                wrong.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def look() -> None:
        least = known[0]
        with files.opened(file) as log:
            begin = max(0, least - 3000)
            data = log.read(begin, 10**9)
            if log.size < least or data != TEXT[begin : begin + len(data)] or len(data) < least - begin:
                wrong.append(AssertionError(f"{log.size} of {least} bytes, {len(data)} read from {begin}"))

    threads = [carry(lambda: storing._pack(file)), carry(lambda: storing._pack(file)), carry(look), carry(look)]
    at = 0
    while at < len(TEXT) and not wrong:
        piece = TEXT[at : at + rng.randrange(1, 900)]
        write_as_a_worker_does(file, at, piece)
        at += len(piece)
        known[0] = at
    done.set()
    for thread in threads:
        thread.join(60)
    assert not wrong
    with files.opened(file) as log:
        assert log.read(0, 10**9) == TEXT


def write_as_a_worker_does(file: Path, offset: int, data: bytes) -> None:
    from_arriving = logs.arriving
    while not (
        from_arriving._write(file, offset, data)
        if from_arriving._is_plain(file)
        else late.add(storing.late_path(file), offset, data)
    ):
        pass


def test_logs_of_jobs_that_are_over_for_long_are_removed_and_it_is_said(host: HostRow, settings: Any) -> None:
    now = timezone.now()
    settings.FARM_LOG_DAYS = 30
    old = make_job(frames={Status.COMPLETE: 1}, timecomplete=now - timedelta(days=31))
    new = make_job(frames={Status.COMPLETE: 1}, timecomplete=now - timedelta(days=29))
    live = make_job(frames={Status.RUNNING: 1})
    grants = {job.pk: ended_grant(job, host, days=40, out_to=4) for job in (old, new, live)}
    for one in grants.values():
        logs.append(host.pk, one, "out", 0, TEXT)
    assert logkeeping.retire() == 1
    assert [logs.folder(job.pk).exists() for job in (old, new, live)] == [False, True, True]
    [row] = logs.stdout(old.pk)
    assert row["data"].startswith(f"[The logs of job {old.pk} were removed on {now:%Y-%m-%d}")
    assert row["data"].endswith("the farm keeps logs for 30 days after a job is over (FARM_LOG_DAYS)]\n")
    assert row["fullsize"] == len(row["data"])
    assert logs.log(old.pk)[0]["data"] == logs.stderr(old.pk)[0]["data"] == row["data"]
    with pytest.raises(NotFound) as refusal:
        logs.append(host.pk, grants[old.pk], "out", 0, b"late")
    assert refusal.value.status == 410
    told = HistoryRow.objects.filter(verb=logs.REMOVED)
    assert sorted(told.values_list("job_id", flat=True)) == [-1, old.pk]
    assert logkeeping.retire() == 0


def test_without_a_policy_logs_stay_as_long_as_their_job(host: HostRow) -> None:
    old = make_job(frames={Status.COMPLETE: 1}, timecomplete=timezone.now() - timedelta(days=4000))
    logs.append(host.pk, ended_grant(old, host, days=4000), "out", 0, TEXT)
    assert logkeeping.retire() == 0
    assert logs.stdout(old.pk)[0]["fullsize"] == len(TEXT)


def test_who_dies_while_removing_leaves_the_rest_to_the_next_round(
    host: HostRow, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FARM_LOG_DAYS = 1
    old = make_job(frames={Status.COMPLETE: 1}, timecomplete=timezone.now() - timedelta(days=9))
    logs.append(host.pk, ended_grant(old, host, days=9), "out", 0, TEXT)
    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(logs, "remove", dies)
        logkeeping.retire()
    assert "were removed" in logs.stdout(old.pk)[0]["data"]
    logkeeping.retire()
    assert not logs.folder(old.pk).exists()
