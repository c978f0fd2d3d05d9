"""What a job's process finds out about the farm that runs it: its own token, and no secret of anybody else."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from qbcore.errors import Unauthorized
from tests.e2e.farms import fetch
from tests.e2e.processes import EmbeddedFarm
from tests.e2e.programs import ROOT

pytestmark = pytest.mark.e2e
PASSWORD = "correct-horse-battery"


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedFarm]:
    one = EmbeddedFarm(tmp_path_factory.mktemp("curious"), FARM_ADMIN_PASSWORD=PASSWORD)
    try:
        one.start()
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="module")
def snooped(farm: EmbeddedFarm) -> dict[str, Any]:
    """What a frame found out about the farm that runs it."""
    held = {"prototype": "cmdline", "status": "blocked", "package": {"cmdline": "true"}}
    other = farm.api().submit(held)[0]["id"]
    secret = (farm.data / "secret").read_text()
    words = " ".join(shlex.quote(word[::-1]) for word in (secret, PASSWORD))
    job = {
        "prototype": "cmdline", "env": {"PYTHONPATH": str(ROOT), "MINE": "yes"},
        "package": {"cmdline": f"{sys.executable} -S {ROOT}/tests/e2e/snoop.py {other} {words}"},
    }  # fmt: skip
    number = farm.api().submit(job)[0]["id"]
    over = farm.until(lambda: farm.api().over(number), "the frame has looked around")
    told = farm.api().stdout(number)[0]["data"]
    assert over["status"] == "complete", farm.api().stderr(number)
    found: dict[str, Any] = json.loads(told)
    return {**found, "job": number, "asked for": other, "secrets": [secret, PASSWORD]}


def test_a_job_sees_a_built_environment(snooped: dict[str, Any]) -> None:
    env = snooped["environment"]
    built = {"PATH", "LANG", "HOME", "USER", "TMPDIR", "PYTHONPATH", "MINE"}
    by_the_shell = {"PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
    assert {name for name in env if not name.startswith("QB")} <= built | by_the_shell
    assert env["MINE"] == "yes" and env["QBJOBID"] == str(snooped["job"])
    assert not [name for name in env if name.startswith(("FARM", "DATABASE", "REDIS"))]


def test_a_job_finds_no_token_of_the_farm_but_its_own(farm: EmbeddedFarm, snooped: dict[str, Any]) -> None:
    own = snooped["environment"]["QB_TOKEN"]
    assert snooped["seen"] > 2, "it could look at processes"
    assert own in snooped["tokens"]
    works = [token for token in snooped["tokens"] if token != own and is_good(farm, token)]
    assert works == []


def is_good(farm: EmbeddedFarm, token: str) -> bool:
    """Whether the farm honours the token for anything."""
    headers = {"Authorization": f"Bearer {token}"}
    calls = [("api/v1/version", {}), ("worker/v1/sync", {"session": "", "seq": 0})]
    statuses = [fetch(farm.url + path, body, **headers)[0] for path, body in calls]
    return statuses != [401, 401]


def test_a_job_finds_no_secret_of_the_farm(snooped: dict[str, Any]) -> None:
    assert snooped["words"] == {word: [] for word in snooped["secrets"]}


def test_a_jobs_token_reads_its_own_job_only_and_changes_nothing(farm: EmbeddedFarm, snooped: dict[str, Any]) -> None:
    assert snooped["jobs"] == [snooped["job"]]
    assert snooped["other"] == "[]" and snooped["log of other"] == "[]"
    for act in ("kill own", "submit"):
        assert snooped[act].startswith("Refused: This process holds the token of its own attempt"), act
    assert snooped["kill other"] == "[]" or snooped["kill other"].startswith("Refused: ")
    assert farm.api().job(snooped["asked for"])["status"] == "blocked"


def test_a_jobs_token_is_dead_once_its_attempt_has_ended(farm: EmbeddedFarm, snooped: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized):
        farm.api(snooped["environment"]["QB_TOKEN"]).jobinfo()
