"""Values that were once guessed at are refused at every door alike: with the field that is wrong and what to give."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from qbcore import archive, orders, permissions, queries, submission
from qbcore.errors import Invalid
from qbcore.models import JobRow
from tests.make import make_user

pytestmark = pytest.mark.urls("tests.farm.api_urls")
JOB: dict[str, Any] = {"prototype": "cmdrange", "package": {"range": "1-3", "cmdline": "true"}}
WRONG: list[tuple[str, Any]] = [
    ("cpus", 1.5),
    ("cpus", "1.5"),
    ("cpus", 0),
    ("retrywork", -1),
    ("retrywork", "many"),
    ("priority", 1.5),
    ("timelimit", -2),
]
STATUS = ("sleeping", "paused", 5)


def refused(field: str, error: Invalid) -> None:
    assert (error.field or "").endswith(field), f"{error.field}: {error}"
    assert error.hint or "give" in str(error), f"nothing says what to give: {error}"


@pytest.fixture
def live(db: None) -> int:
    return int(submission.submit(JOB)[0]["id"])


@pytest.mark.parametrize(("field", "value"), [*WRONG, *(("status", one) for one in STATUS)])
def test_in_this_process_and_out_of_an_archive(live: int, field: str, value: Any) -> None:
    before = JobRow.objects.count()
    for job in ({**JOB, field: value}, archive.loads(archive.dumps({**JOB, field: value}))):
        with pytest.raises(Invalid) as wrong:
            submission.submit(job)
        refused(field, wrong.value)
    if field != "status":
        with pytest.raises(Invalid) as wrong:
            submission.modify({field: value}, live)
        refused(field, wrong.value)
    assert JobRow.objects.count() == before


@pytest.mark.parametrize("status", STATUS)
def test_an_item_of_an_unknown_status_is_refused(live: int, status: Any) -> None:
    job = {**JOB, "agenda": [{"name": "1"}, {"name": "2", "status": status}]}
    with pytest.raises(Invalid) as wrong:
        submission.submit(archive.loads(archive.dumps(job)))
    refused("status", wrong.value)


@pytest.mark.parametrize("status", ["sleeping", ["complete", "sleeping"], 5])
def test_reads_refuse_a_status_that_is_none(live: int, status: Any) -> None:
    for ask in (
        lambda: queries.jobinfo(status=status),
        lambda: queries.jobinfo(filters={"status": status}),
        lambda: orders.joborder({"status": status}, name="a"),
    ):
        with pytest.raises(Invalid) as wrong:
            ask()
        refused("status", wrong.value)
    with pytest.raises(Invalid) as wrong:
        queries.hostinfo(state=status)
    refused("state", wrong.value)


@pytest.mark.parametrize(("field", "value"), [*WRONG, ("status", "sleeping")])
def test_over_http(live: int, client: Client, field: str, value: Any) -> None:
    token = permissions.new_token(make_user("mira", "admin"), label="table")
    calls: list[tuple[str, list[Any]]] = [("submit", [{**JOB, field: value}])]
    calls += [("modify", [{field: value}, live])] if field != "status" else [("jobinfo", [])]
    for name, args in calls:
        body = json.dumps({"args": args, "kwargs": {"status": value} if name == "jobinfo" else {}})
        answer = client.post(
            f"/api/v1/{name}", body, content_type="application/json", headers={"Authorization": f"Bearer {token}"}
        )
        error = json.loads(answer.content)["error"]
        assert answer.status_code == 400 and error["field"].endswith(field), error
        assert error["hint"] or "give" in error["message"], error


def test_on_the_command_line(live_server: Any, tmp_path: Path) -> None:
    token = permissions.new_token(make_user("mira", "admin"), label="table")
    job = submission.submit(JOB)[0]["id"]
    env = {
        "QB_SUPERVISOR": live_server.url,
        "QB_TOKEN": token,
        "PATH": "/usr/bin:/bin",
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    script = "import sys; from qbcore.cli.main import main\n"
    script += "for line in sys.stdin: sys.stderr.write(f'{main(line.split())} ')"
    lines = [
        ("submit --cmdline true --cpus 1.5", "cpus"),
        ("submit --cmdline true --retrywork -1", "retrywork"),
        ("submit --cmdline true --status sleeping", "status"),
        (f"modify --cpus 1.5 {job}", "cpus"),
        (f"modify --retrywork -1 {job}", "retrywork"),
        ("jobinfo --status sleeping", "status"),
        ("hostinfo --state sleeping", "state"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", script], input="\n".join(line for line, _ in lines), env=env,
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    told = [line for line in done.stderr.split("qb: ") if line]
    assert len(told) == len(lines), done.stderr
    for (line, field), sentence in zip(lines, told, strict=True):
        assert field in sentence and sentence.rstrip().endswith("1"), f"{line}: {sentence}"
