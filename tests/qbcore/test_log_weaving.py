"""Both streams as one log: in the order of their coming, to the byte, and the same for somebody who follows it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore import logs
from qbcore.logs import weaving
from qbcore.logs.marks import Marks
from qbcore.logs.weaving import Strand, Woven
from qbcore.models import AttemptRow, HostRow, JobRow
from tests.make import make_attempt, make_host, make_job

TEXTS = st.lists(st.sampled_from([b"a\n", b"line\n", b"part", b"\n", b"x" * 30]), max_size=12)


@dataclass
class Written:
    """What is in a file so far."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


@dataclass
class Told:
    """A program's writes, one after the other, with a mark behind some of them."""

    writes: list[tuple[str, bytes]]
    marked: list[bool]

    def after(self, count: int, *, before: tuple[bytes, bytes] = (b"", b"")) -> tuple[bytes, bytes, Marks]:
        out, err, marks = *before, Marks([0], [len(before[0])], [len(before[1])])
        for time, ((stream, data), marked) in enumerate(zip(self.writes, self.marked, strict=True)):
            if time == count:
                break
            out, err = (out + data, err) if stream == "out" else (out, err + data)
            if marked:
                marks.times.append(1000 * (time + 1))
                marks.outs.append(len(out))
                marks.errs.append(len(err))
        return out, err, marks


@st.composite
def programs(draw: st.DrawFn) -> Told:
    texts = draw(TEXTS)
    writes = [(draw(st.sampled_from(["out", "err"])), text) for text in texts]
    return Told(writes, [draw(st.booleans()) for _ in writes])


def woven(out: bytes, err: bytes, marks: Marks, *, whole: bool, begin: tuple[int, int] = (0, 0)) -> Woven:
    strands = (
        Strand("out", Written(out), begin[0], len(out)),
        Strand("err", Written(err), begin[1], len(err)),
    )
    return Woven(*strands, marks, whole=whole)


@given(programs(), st.tuples(st.binary(max_size=9), st.binary(max_size=9)), st.integers(0, 60), st.integers(0, 60))
def test_the_pieces_of_a_stream_are_that_stream_and_any_window_is_a_part_of_all(
    told: Told, before: tuple[bytes, bytes], offset: int, length: int
) -> None:
    out, err, marks = told.after(99, before=before)
    log = woven(out, err, marks, whole=True, begin=(len(before[0]), len(before[1])))
    pieces = list(log.segments(0, 10**9))
    for stream, data, start in (("out", out, len(before[0])), ("err", err, len(before[1]))):
        assert b"".join(piece.data for piece in pieces if piece.stream == stream) == data[start:]
    whole = b"".join(piece.data for piece in pieces)
    assert log.size == len(whole)
    window = b"".join(piece.data for piece in log.segments(offset, length))
    assert window == whole[offset : offset + length]


@given(programs())
def test_who_follows_a_log_reads_what_who_comes_later_reads(told: Told) -> None:
    followed = b""
    for count in range(len(told.writes) + 1):
        log = woven(*told.after(count), whole=False)
        followed += b"".join(piece.data for piece in log.segments(len(followed), 10**9))
        assert len(followed) == log.size
    last = woven(*told.after(len(told.writes)), whole=True)
    followed += b"".join(piece.data for piece in last.segments(len(followed), 10**9))
    assert followed == b"".join(piece.data for piece in last.segments(0, 10**9))


@given(programs())
def test_no_line_is_cut_but_by_its_end(told: Told) -> None:
    out, err, marks = told.after(99)
    pieces = list(woven(out, err, marks, whole=True).segments(0, 10**9))
    for stream in ("out", "err"):
        for piece in [piece for piece in pieces if piece.stream == stream][:-1]:
            assert piece.data.endswith(b"\n")


def test_a_very_long_line_is_cut_at_marks() -> None:
    out = b"x" * (3 * weaving.LONGEST_LINE)
    marks = Marks([0, 1, 2], [0, 2 * weaving.LONGEST_LINE, len(out)], [0, 2, 2])
    pieces = list(woven(out, b"e\n", marks, whole=True).segments(0, 10**9))
    assert [(piece.stream, len(piece.data)) for piece in pieces] == [("out", 8192), ("err", 2), ("out", 4096)]


def test_without_marks_all_of_stdout_comes_first() -> None:
    pieces = list(woven(b"out\n", b"err\n", Marks(), whole=False).segments(0, 100))
    assert [(piece.stream, piece.data, piece.at) for piece in pieces] == [
        ("out", b"out\n", None),
        ("err", b"err\n", None),
    ]


@pytest.fixture
def host(db: None, farm_data: Path) -> Iterator[HostRow]:
    shutil.rmtree(farm_data / "logs", ignore_errors=True)
    yield make_host()
    shutil.rmtree(farm_data / "logs", ignore_errors=True)


@pytest.fixture
def job(db: None) -> JobRow:
    return make_job()


MARKS = b"5 0 0\n205 8 0\n405 8 4\n605 10 4\n700 10 4\n1000 12 4\n"


def two_attempts(job: JobRow, host: HostRow) -> tuple[AttemptRow, AttemptRow]:
    """The second one runs: it began 0.7 s after its grant."""
    done = make_attempt(job, 0, host=host, ending="failed", reported=True, out_to=10, err_to=4)
    runs = make_attempt(job, 1, host=host, seconds=0, out_from=10, err_from=4)
    AttemptRow.objects.filter(pk=runs.pk).update(grant_id=done.grant_id)
    for stream, data in (("out", b"start 1\n.\n2\n"), ("err", b"bad\n"), ("marks", MARKS)):
        logs.append(host.pk, done.grant_id, stream, 0, data)
    return done, AttemptRow.objects.get(pk=runs.pk)


def told(window: logs.Window) -> list[tuple[str, bytes, float | None]]:
    return [(piece.stream, piece.data, piece.at) for piece in window.segments]


def test_an_attempt_is_told_in_the_order_of_its_coming_with_times_of_its_own(job: JobRow, host: HostRow) -> None:
    done, runs = two_attempts(job, host)
    first = [("out", b"start 1\n", 0.2), ("err", b"bad\n", 0.4), ("out", b".\n", 0.6)]
    assert told(logs.attempt_window(done.pk, 0, 100)) == first
    assert told(logs.attempt_window(runs.pk, 0, 100)) == [("out", b"2\n", 0.3)]
    assert told(logs.attempt_window(done.pk, -6, 100)) == first[1:]
    assert logs.attempt_window(done.pk, 3, 4).size == 14
    assert told(logs.subjob_window(job.pk, 0, 0, 100)) == [*first, ("out", b"2\n", 0.3)]
    assert logs.log(job.pk)[0]["data"] == "start 1\nbad\n.\n2\n"
    assert logs.log(job.pk, pos=8, len=4)[0]["data"] == "bad\n"


def test_who_follows_waits_for_marks_that_are_still_on_their_way(job: JobRow, host: HostRow) -> None:
    _, runs = two_attempts(job, host)
    logs.append(host.pk, runs.grant_id, "err", 4, b"not yet marked\n")
    assert told(logs.attempt_window(runs.pk, 0, 100)) == [("out", b"2\n", 0.3)]
    assert logs.log(job.pk)[0]["data"].endswith("2\nnot yet marked\n"), "who reads once reads all"
    logs.append(host.pk, runs.grant_id, "marks", len(MARKS), b"1200 30 19\n")
    assert told(logs.attempt_window(runs.pk, 0, 100)) == [("out", b"2\n", 0.3)], "its bytes are not all here"
    logs.append(host.pk, runs.grant_id, "out", 12, b"as long as it says")
    assert logs.attempt_window(runs.pk, 2, 100).data == b"not yet marked\n"


def test_marks_that_make_no_sense_are_passed_over(job: JobRow, host: HostRow) -> None:
    done = make_attempt(job, 0, host=host, ending="failed", reported=True, out_to=4, err_to=4)
    nonsense = b"5 0 0\nxyz\n7 9\n300 0 4\n200 0 4\n\xff\xfe 1 2\n400 0 2\n500 4 4\n99999999999999999999999 5 5\n600 4"
    for stream, data in (("out", b"out\n"), ("err", b"err\n"), ("marks", nonsense)):
        logs.append(host.pk, done.grant_id, stream, 0, data)
    assert told(logs.attempt_window(done.pk, 0, 100)) == [("err", b"err\n", 0.295), ("out", b"out\n", 0.495)]
