"""Custom job types of a host, flight checks and paths: what is found, what is started, what it sees."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from qbcore.commands import PROTOTYPES
from qbcore.remote.address import parse_address
from qbcore.worker.facts import account_environment, facts
from qbcore.worker.jobtypes import discover
from tests.qbcore.worker.conftest import Host
from tests.qbcore.worker.supervisor import Message, Supervisor

CONF = """
[description]
name = "anything"
[Execute Module]
Execute_Binding = 'Python'
execute_library = "execute.py"
other = "kept"
"""
LOOK = """
import json, os, sys, qb
print(json.dumps({"main": __name__, "argv": sys.argv, "cwd": os.getcwd(), "qb": qb.__file__, "path": sys.path[:1],
                  "env": dict(os.environ), "job": qb.jobid(), "sub": qb.subid()}))
"""


def make(folder: Path, name: str, conf: str = CONF, program: str | None = "") -> Path:
    """A folder that may be a job type."""
    (folder / name).mkdir(parents=True)
    (folder / name / "job.conf").write_text(conf)
    if program is not None:
        (folder / name / "execute.py").write_text(program)
    return folder


def test_types_are_found_in_every_folder_and_the_first_of_a_name_wins(tmp_path: Path) -> None:
    make(tmp_path / "one", "maya"), make(tmp_path / "two", "maya"), make(tmp_path / "two", "nuke-13.2")
    (tmp_path / "two" / "no-type").mkdir()
    found = discover(os.pathsep.join(map(str, (tmp_path / "one", tmp_path / "two"))))
    assert {name: kind.folder.parent.name for name, kind in found.items()} == {"maya": "one", "nuke-13.2": "two"}
    assert found["maya"].settings["execute module"]["other"] == "kept"
    assert found["maya"].settings["description"]["name"] == "anything"


@pytest.mark.parametrize(
    ("name", "conf", "program", "said"),
    [
        ("a b", CONF, "", "no name for it"),
        ("cmdline", CONF, "", "no name for it"),
        ("a", "not an INI", "", "cannot be read"),
        ("a", "[description]\n", "", "no section [execute module]"),
        ("a", CONF.replace("Python", "Perl"), "", "execute_binding is 'Perl'"),
        ("a", CONF, None, "there is no file execute.py"),
        ("a", "[execute module]\nexecute_binding = Python\n", "", "there is no file (none named)"),
    ],
)
def test_a_malformed_type_is_left_out_with_a_sentence_and_the_others_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, conf: str, program: str | None, said: str
) -> None:
    make(make(tmp_path, name, conf, program), "good")
    assert list(discover(str(tmp_path))) == ["good"]
    assert said in caplog.text and str(tmp_path / name) in caplog.text


def test_a_folder_that_is_missing_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert discover(f"{tmp_path}/nowhere{os.pathsep}") == {}
    assert f"no folder {tmp_path}/nowhere" in caplog.text


def test_a_host_says_all_the_types_that_it_can_run() -> None:
    address = parse_address("http://127.0.0.1:9")
    assert facts(address, 1, ["maya"])["jobtypes"] == [*PROTOTYPES, "maya"]


@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_worker_tells_its_types_at_the_start(supervisor: Supervisor, hosts: object, tmp_path: Path, by: str) -> None:
    make(tmp_path / "types", "maya")
    one: Host = hosts()  # type: ignore[operator]
    if by == "option":
        one.start("--jobtypes", str(tmp_path / "types"))
    else:
        one.start(env={"FARM_JOBTYPES": str(tmp_path / "types")})
    supervisor.until(lambda: supervisor.hellos)
    assert supervisor.hellos[0]["facts"]["jobtypes"] == [*PROTOTYPES, "maya"]


def ended(supervisor: Supervisor, count: int = 1) -> list[Message]:
    supervisor.until(lambda: len(supervisor.reports) == count)
    return supervisor.reports


def output(supervisor: Supervisor, report: Message) -> bytes:
    start, end = report["out"]
    supervisor.until(lambda: len(supervisor.log(report["grant"])) >= end)
    return supervisor.log(report["grant"])[start:end]


def test_a_program_runs_as_main_with_qb_and_its_attempts_token(
    supervisor: Supervisor, hosts: object, tmp_path: Path
) -> None:
    types = make(tmp_path / "types", "maya", program=LOOK)
    hosts().start("--jobtypes", str(types))  # type: ignore[operator]
    env = {"PYTHONPATH": "/studio/python", "QB_JOBTYPE": "forged", "SCENE": "a.ma"}
    supervisor.submit("", prototype="maya", env=env, cwd=str(tmp_path))
    [report] = ended(supervisor)
    assert (report["pos"], report["exit"], report["message"]) == (-1, 0, "")
    told = json.loads(output(supervisor, report))
    folder = types / "maya"
    assert (told["main"], told["argv"], told["cwd"]) == ("__main__", [str(folder / "execute.py")], str(tmp_path))
    assert (told["job"], told["sub"], told["path"]) == (1, 0, [str(folder)])
    seen = told["env"]
    assert (seen["QB_TOKEN"], seen["SCENE"]) == (f"qba_{report['attempt']}", "a.ma")
    assert (seen["QB_JOBTYPE"], seen["QB_JOBTYPE_DIR"]) == ("maya", str(folder))
    assert seen["PYTHONPATH"].split(os.pathsep) == [str(Path(told["qb"]).parent), "/studio/python"]
    assert "FARM_JOBTYPES" not in seen


def test_flight_checks_run_in_the_jobs_environment_and_log(supervisor: Supervisor, host: Host, tmp_path: Path) -> None:
    supervisor.commands = {"preflight 1": "echo $SCENE $(pwd) ${QB_FRAME_NUMBER-none}", "postflight 1": "exit 3"}
    supervisor.submit("echo QB_FRAME_NUMBER", "preflight 1", "7", "postflight 1", env={"SCENE": "a"}, cwd=str(tmp_path))
    before, frame, after = ended(supervisor, 3)
    assert output(supervisor, before).startswith(b"a %s " % bytes(tmp_path))
    assert output(supervisor, frame) == b"7\n"
    assert (before["exit"], after["exit"], after["reason"]) == (0, 3, "exit")


def test_paths_are_those_of_the_hosts_system(supervisor: Supervisor, host: Host, tmp_path: Path) -> None:
    supervisor.paths = {"S:\\": str(tmp_path)}
    host.kill()
    host.start()
    (tmp_path / "shots").mkdir()
    supervisor.submit(
        "echo QB_CONVERT_PATH(S:/shots/a.ma) 'S:\\shots\\b c.ma'; pwd", "1", cwd="S:\\shots", flags=131072
    )
    [report] = ended(supervisor)
    said = output(supervisor, report).decode().splitlines()
    assert said == [f"{tmp_path}/shots/a.ma {tmp_path}/shots/b c.ma", f"{tmp_path}/shots"]


def test_the_farms_variables_do_not_reach_a_job() -> None:
    own = {"FARM_JOBTYPES": "/types", "PATH": "/bin"}
    assert "FARM_JOBTYPES" not in account_environment(own, "http://farm:8000")


def test_quick_checks_do_not_make_a_worker_ask_ahead(supervisor: Supervisor, host: Host, tmp_path: Path) -> None:
    supervisor.commands = {"preflight 1": "true"}
    cmdline = f"touch {tmp_path}/begun; while ! [ -e {tmp_path}/go ]; do sleep 0.02; done"
    supervisor.submit(cmdline, "preflight 1", "7", "8")
    supervisor.until(lambda: (tmp_path / "begun").exists() and supervisor.running())
    asked = len(supervisor.requests)
    supervisor.hint()
    supervisor.until(lambda: len(supervisor.requests) > asked)
    assert not any(request["want"] for request in supervisor.requests[asked:])
    (tmp_path / "go").touch()
    ended(supervisor, 3)
