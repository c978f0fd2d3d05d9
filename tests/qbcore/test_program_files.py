"""Files that items of a program wrote: told to the worker that runs it, until it has heard, and to nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import thumbnails
from qbcore.errors import Invalid
from tests.hand import Hand
from tests.program import Program, start, submit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def program() -> Program:
    submit(agenda=[{"name": str(number)} for number in range(1, 41)])
    return start()


def do(program: Program, result: Any, status: str = "complete") -> int:
    """The attempt at one item, which is over."""
    work = program.ask()
    program.tell(work, status, resultpackage=result)
    return int(work["attempt"])


def wrote(program: Program, last: int = 0, **said: Any) -> Any:
    """What the program's worker is told when it knows of the items up to *last*."""
    told = program.hand.sync(shown={str(program.frame["attempt"]): last}, **said).get("wrote", {})
    return told.get(str(program.frame["attempt"]), {})


def test_files_of_reported_items_are_told_until_the_worker_knows_of_them(program: Program) -> None:
    first = do(program, {"outputPaths": "/out/a.1.png, b.1.exr", "seconds": 3})
    second = do(program, {"outputPaths": ["/out/a.2.png"]})
    told = {str(first): ["/out/a.1.png", "b.1.exr"], str(second): ["/out/a.2.png"]}
    assert wrote(program) == told
    assert wrote(program) == told, "its answer may have been lost"
    assert wrote(program, first) == {str(second): ["/out/a.2.png"]}
    assert wrote(program, second) == {}


def test_files_are_told_in_the_order_in_which_they_were_written_whatever_the_attempts_are_numbered(
    program: Program,
) -> None:
    for item in (324, 200):  # connections take their numbers from ranges that they have reserved
        thumbnails.note(program.frame["attempt"], item, {"outputPaths": f"/out/{item}.png"})
    assert wrote(program, 324) == {"200": ["/out/200.png"]}
    assert wrote(program, 200) == {}


def test_a_worker_that_does_not_ask_is_told_nothing(program: Program) -> None:
    do(program, {"outputPaths": "/out/a.png"})
    assert "wrote" not in program.hand.sync()


@pytest.mark.parametrize("result", [None, 7, ["a.png"], {"outputPaths": 3}, {"outputPaths": ""}, {"images": "a.png"}])
def test_results_that_name_no_file_are_told_to_nobody(program: Program, result: Any) -> None:
    do(program, result)
    assert wrote(program) == {}


def test_items_that_are_not_done_show_nothing(program: Program) -> None:
    for status in ("failed", "killed", "pending"):
        do(program, {"outputPaths": "/out/a.png"}, status)
    assert wrote(program) == {}


def test_the_last_items_files_come_with_the_answer_to_the_programs_end(program: Program) -> None:
    last = do(program, {"outputPaths": "/out/a.png"})
    line = program.hand.ended(program.grant, program.frame)
    assert wrote(program, reports=[line], want=[program.grant]) == {str(last): ["/out/a.png"]}


def test_only_its_own_host_hears_of_them(program: Program) -> None:
    do(program, {"outputPaths": "/out/a.png"})
    other = Hand("render-02").sync(shown={str(program.frame["attempt"]): 0})
    assert "wrote" not in other


def test_how_much_is_told_is_bounded(program: Program) -> None:
    done = [do(program, {"outputPaths": [f"/out/{number}/{one}.png" for one in range(40)]}) for number in range(20)]
    told = wrote(program)
    assert list(map(int, told)) == done[-thumbnails.LATEST :]
    assert {len(paths) for paths in told.values()} == {thumbnails.MOST}
    long = do(program, {"outputPaths": ["/" + "a" * 4000, "/" + "b" * 4000]})
    assert wrote(program, done[-1]) == {str(long): ["/" + "a" * 4000]}


@pytest.mark.parametrize("shown", [[1], {"a": 1}, {"1": "b"}, {"1": 2**64}, {str(2**70): 1}])
def test_what_a_worker_asks_wrongly_is_named(program: Program, shown: Any) -> None:
    with pytest.raises(Invalid) as refused:
        program.hand.sync(shown=shown)
    assert refused.value.field == "shown"
