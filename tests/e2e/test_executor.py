"""The executor of docs/examples on a real farm: a script maps a function, a custom type's processes do the calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import EmbeddedFarm
from tests.e2e.programs import ROOT
from tests.e2e.scripting import run_script

pytestmark = pytest.mark.e2e
EXAMPLES = ROOT / "docs" / "examples"

CALLS = """
import os
loaded = []
def half(number):
    loaded.append(number)
    print("half of", number, flush=True)
    if number == 13:
        raise ValueError("unlucky %d" % number)
    return {"half": number / 2, "process": os.getpid(), "nth": len(loaded)}
"""
SCRIPT = """
import json, sys
from executor import Executor
import calls

with Executor(cpus=2, poll=0.2, path=[sys.argv[0].rpartition("/")[0]], name="halves") as farm:
    futures = [farm.submit(calls.half, number) for number in range(20)]
    told = [repr(one.exception(60)) if one.exception(60) else one.result(60) for one in futures]
    mapped = list(farm.map(pow, [2, 3], [10, 2], timeout=60))
print(json.dumps({"told": told, "mapped": mapped}))
"""


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedFarm]:
    one = EmbeddedFarm(tmp_path_factory.mktemp("executor"), FARM_JOBTYPES=str(EXAMPLES / "jobtypes"))
    try:
        one.start()
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="module")
def answer(farm: EmbeddedFarm) -> dict[str, Any]:
    (farm.folder / "calls.py").write_text(CALLS)
    env = {**farm.env, "PYTHONPATH": f"{ROOT}:{EXAMPLES}:{farm.folder}"}
    found: dict[str, Any] = json.loads(run_script(SCRIPT, farm.folder, env))
    return found


def test_the_worker_tells_the_type_and_the_farm_knows_it(farm: EmbeddedFarm) -> None:
    assert "pyfunc" in farm.api().hostinfo()[0]["jobtypes"]


def test_a_function_is_mapped_over_twenty_inputs_and_its_exception_comes_back(answer: dict[str, Any]) -> None:
    told = answer["told"]
    assert told[13] == "ValueError('unlucky 13')"
    assert [one["half"] for one in told if isinstance(one, dict)] == [n / 2 for n in range(20) if n != 13]
    assert answer["mapped"] == [1024, 9]


def test_each_process_did_many_calls(answer: dict[str, Any]) -> None:
    done = [one for one in answer["told"] if isinstance(one, dict)]
    assert len({one["process"] for one in done}) <= 2
    assert max(one["nth"] for one in done) >= 10


def test_the_job_reads_as_it_went_and_each_item_has_its_own_log(farm: EmbeddedFarm, answer: dict[str, Any]) -> None:
    [job] = farm.api().jobinfo(filters={"name": "halves"}, orderby="id ASC", limit=1, agenda=True, subjobs=True)
    assert (job["prototype"], job["todotally"]["complete"], job["todotally"]["failed"]) == ("pyfunc", 19, 1)
    assert job["agenda"][13]["resultpackage"].keys() == {"error"}
    rows = farm.rows(f"SELECT id, pos FROM attempt WHERE job_id = {job['id']} AND pos IN (7, 13) ORDER BY pos")
    logs = {pos: log_of(farm, attempt) for attempt, pos in rows}
    assert logs == {7: "half of 7\n", 13: "half of 13\n"}


def log_of(farm: EmbeddedFarm, attempt: int) -> str:
    """Standard output of one attempt, out of its part of the grant's file."""
    columns = "job_id, subjob, grant_id, out_from, out_to"
    [(job, subjob, grant, start, end)] = farm.rows(f"SELECT {columns} FROM attempt WHERE id = {attempt}")
    file = Path(farm.data) / "logs" / f"{job // 1000:06d}" / str(job) / f"{subjob}.{grant}.out"
    farm.until(lambda: file.exists() and file.stat().st_size >= end, "the log has come")
    return file.read_bytes()[start:end].decode()
