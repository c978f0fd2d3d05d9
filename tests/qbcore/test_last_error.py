"""error() says what went wrong last in this thread, also where the farm was not asked at all."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import qb
from qbcore.errors import set_error

FAILURES: list[tuple[str, Callable[[], Any], str]] = [
    ("genchunks", lambda: qb.genchunks(0, "1-2"), "chunksize: the number is too small"),
    ("rangesplit", lambda: qb.rangesplit("x"), "does not belong in a frame range"),
    ("rangejoin", lambda: qb.rangejoin(None), "frames: None is no list of frames"),  # type: ignore[arg-type]
    ("binarySort", lambda: qb.binarySort(5), "frames: 5 is no list of frames"),  # type: ignore[type-var]
    ("settimeout", lambda: qb.settimeout("x"), "ms: a timeout is a number"),  # type: ignore[arg-type]
    ("setsupervisor", lambda: qb.setsupervisor("::bad::"), "is not the address of a supervisor"),
    ("archivejob", lambda: qb.archivejob("x.xml", None), "job: a NoneType cannot be archived"),  # type: ignore[arg-type]
    ("kill", lambda: qb.kill({"name": "no id"}), "is not the id of a job"),
    ("modify", lambda: qb.modify(250, {"priority": 1}), "modify takes the parameters first: modify({...}, 250)"),  # type: ignore[arg-type]
    ("modify a job", lambda: qb.modify(qb.Job(id=250), {"priority": 1}), "modify takes the parameters first"),
]


@pytest.mark.parametrize(("call", "said"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES])
def test_the_sentence_of_a_failure_in_this_process_is_kept(
    call: Callable[[], Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    set_error("an older one")
    with pytest.raises(qb.Invalid) as raised:
        call()
    assert said in str(raised.value)
    assert qb.error() == str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_function_that_keeps_its_failures_is_still_itself() -> None:
    assert qb.complete is qb.retire
    assert list(inspect.signature(qb.rangesplit).parameters) == ["range", "extraRanges", "kwargs"]
    assert (qb.rangesplit.__doc__ or "").startswith("The frame numbers")


def test_an_archive_in_a_folder_that_is_not_there_is_refused_with_the_folder(tmp_path: Path) -> None:
    with pytest.raises(qb.Invalid) as raised:
        qb.archivejob(tmp_path / "nope" / "x.xml", qb.Job(name="a"))
    assert raised.value.field == "filename" and "Make the folder first" in raised.value.hint
    assert f"there is no folder {tmp_path / 'nope'}" in str(raised.value) and ".part" not in str(raised.value)


def test_an_archive_that_would_replace_a_folder_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(qb.Invalid, match="cannot be written"):
        qb.archivejob(tmp_path / "out", qb.Job(name="a"))
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("path", [None, "", 5, "a\0b"])
def test_an_archive_needs_a_path(path: Any) -> None:
    with pytest.raises(qb.Invalid, match="filename: "):
        qb.archivejob(path, qb.Job(name="a"))


@pytest.mark.parametrize("number", ["1", "2", 1, 2])
def test_the_format_of_an_archive_may_be_a_text(tmp_path: Path, number: Any) -> None:
    job = qb.Job(name="a")
    assert qb.archivejob(tmp_path / "out", job, format=number) == (tmp_path / "out").stat().st_size
    assert qb.recoverjob(tmp_path / "out", format=number) == job
    assert qb.recoverjob(tmp_path / "out", format=3 - int(number)) is None
