"""What a command line means: the call that it makes, what is printed, and the exit code."""

from __future__ import annotations

import io
import json
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from qbcore import surface
from qbcore.cli.main import NAMES, parsers
from qbcore.cli.main import main as run
from qbcore.cli.printing import Printer, width
from qbcore.errors import Refused, Unreachable
from qbcore.remote.transport import set_transport

JOB = {
    "id": 250, "name": "shot", "user": "bob", "status": "failed", "todo": 24, "priority": 100,
    "prototype": "cmdrange", "todotally": {"complete": 20, "failed": 4},
}  # fmt: skip


class Recorder:
    """A farm that has job 250 with frames 1 to 3, a host, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.answers: dict[str, Any] = {"ping": {"alive": True, "url": "http://farm"}, "submit": [JOB], "log": []}
        self.failure: Exception | None = None

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> Any:
        self.calls.append(
            (name, args, {key: value for key, value in kwargs.items() if value not in (None, [], {}, False)})
        )
        if self.failure:
            raise self.failure
        if name == "jobinfo":
            asked = kwargs.get("id")
            numbers = [str(one).split(".")[0] for one in (asked if isinstance(asked, list) else [asked])]
            return [self.job()] if asked is None or "250" in numbers else []
        if name in ("workerinfo", "hostinfo"):
            return [{"name": one} for one in kwargs.get("name") or ["render-01"] if one == "render-01"]
        if name == "validatejob":
            return ["cpus: 0 is no number"] if args[0]["package"]["cmdline"] == "wrong" else []
        return self.answers.get(name, [])

    @staticmethod
    def job() -> dict[str, Any]:
        frames = [{"name": str(number), "status": "failed", "subid": 0, "timestart": 0} for number in (1, 2, 3)]
        return {**JOB, "agenda": frames, "subjobs": [{"id": 0, "pid": 250, "status": "failed", "allocations": ""}]}

    @property
    def asked(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """The call that the command is about: not the look whether its ids are there."""
        about = [call for call in self.calls if call[0] not in ("jobinfo", "workerinfo")]
        return (about or self.calls)[0]


@pytest.fixture
def farm() -> Iterator[Recorder]:
    recorder = Recorder()
    before = set_transport(recorder)
    yield recorder
    set_transport(before)


LINES: list[tuple[str, tuple[str, tuple[Any, ...], dict[str, Any]]]] = [
    ("kill 250", ("kill", ("250",), {})),
    ("kill 250 250.0 --quiet", ("kill", ("250", "250.0"), {})),
    ("retrywork 250:1-2", ("retrywork", ("250:1-2",), {})),
    ("jobinfo --status failed,killed --limit 20", ("jobinfo", (), {"status": ["failed", "killed"], "limit": 20})),
    ("jobinfo 250 --agenda", ("jobinfo", (), {"id": [250]})),
    ("jobinfo --filters name=a* --filters pgrp=5", ("jobinfo", (), {"filters": {"name": "a*", "pgrp": 5}})),
    ("jobinfo --orderby id", ("jobinfo", (), {"orderby": "id"})),
    ("hostinfo render-01 --state active", ("hostinfo", (), {"name": ["render-01"], "state": ["active"]})),
    ("modify --priority 9 --set prod_show=mars 250", ("modify", ({"priority": "9", "prod_show": "mars"}, "250"), {})),
    ("modify --set timeout=60 --timelimit -1 250", ("modify", ({"timelimit": "-1", "timeout": 60}, "250"), {})),
    ("hist 250", ("hist", ("250",), {})),
    ("joborder render-01", ("joborder", (), {"name": "render-01"})),
    ("workorder render-01", ("workorder", (), {"host": "render-01"})),
    ("hostorder 250", ("hostorder", (), {"id": "250"})),
    ("workerlock render-01 --why dust", ("workerlock", (), {"name": ["render-01"], "lock": True, "why": "dust"})),
    ("workerlock render-01 --unlock", ("workerlock", (), {"name": ["render-01"], "why": ""})),
    ("workerban --no-ban render-01", ("workerban", (), {"name": ["render-01"], "why": ""})),
    ("workerlock --lock render-01", ("workerlock", (), {"name": ["render-01"], "lock": True, "why": ""})),
    ("jobinfo --submittedAfter 5", ("jobinfo", (), {"submittedAfter": 5.0})),
    ("jobinfo --updatedBefore 2026-11-22", ("jobinfo", (), {"updatedBefore": datetime(2026, 11, 22)})),
    (
        "jobinfo --submittedAfter 2026-11-22T18:30Z",
        ("jobinfo", (), {"submittedAfter": datetime(2026, 11, 22, 18, 30, tzinfo=UTC)}),
    ),
    ("isadmin bob", ("isadmin", ("bob",), {})),
    ("resource memory=>=16GB license.maya=1", ("resource", ({"memory": ">=16GB", "license.maya": 1},), {})),
    ('updateresources {"license.maya":null}', ("updateresources", ({"license.maya": None},), {})),
    ("updateworkerresources render-01 host.tmp=5", ("updateworkerresources", ("render-01", {"host.tmp": 5}), {})),
    ("jobtagvalues prod_show", ("jobtagvalues", ("prod_show",), {})),
    ("submit --cmdline true", ("submit", ([{"prototype": "cmdline", "package": {"cmdline": "true"}}],), {})),
    (
        "submit --range 1-4 --cmdline true --name a --cpus 2 --set env.A=5 --set package.padding=4",
        ("submit", ([{"prototype": "cmdrange", "name": "a", "cpus": "2", "env": {"A": "5"},
                      "package": {"padding": 4, "cmdline": "true", "range": "1-4"}}],), {}),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "call"), LINES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_command_line_is_one_call(
    farm: Recorder, line: str, call: tuple[str, tuple[Any, ...], dict[str, Any]]
) -> None:
    assert run(line.split()) == 0
    found = next((one for one in farm.calls if one[0] == call[0] and one[0] in ("jobinfo", "workerinfo")), farm.asked)
    assert found == call


def test_every_function_has_its_command_and_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    functions = {name for name in surface.__all__ if name[0].islower()}
    assert functions - set(NAMES) == {"error", "setsupervisor", "settimeout", "gettimeout"}
    for name in NAMES:
        assert run(["help", name]) == 0
        assert f"usage: qb {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("kill 99", 3, "There is no job 99."),
        ("kill 250 99", 3, "There is no job 99."),
        ("kill 250.7", 3, "Job 250 has no subjob 7."),
        ("killwork 250:1-2,9", 0, "Nothing changed."),
        ("killwork 250:9", 3, "Job 250 has no frame 9."),
        ("killwork 99:1", 3, "There is no job 99."),
        ("jobinfo 99", 3, "There is no job 99."),
        ("hist 99", 3, "There is no job 99."),
        ("log 99", 3, "There is no job 99."),
        ("archivejob out.xml 99", 3, "There is no job 99."),
        ("waitfor 99", 3, "There is no job 99."),
        ("hostinfo gone", 3, "There is no host gone."),
        ("workorder gone", 3, "There is no host gone."),
        ("workerlock gone", 3, "There is no host gone."),
        ("kill x", 1, "qb: 'x' is not the id of a job or subjob"),
        ("modify 250", 1, "say what to change"),
        ("submit", 1, "there is no job to submit"),
        ("submit --cmdline true --set package=5", 1, "qb: package: package must be a dictionary"),
        ("submit --cmdline true --set package=0", 1, "qb: package: package must be a dictionary"),
        ("submit --cmdline true --set package=5 --set package.a=1", 1, "qb: package: package must be a dictionary"),
        ("submit --cmdline true --set env=5", 1, "Write env.KEY=VALUE"),
        ("submit no-such-file.json", 1, "cannot be read"),
        ("resource memory", 1, "is not KEY=VALUE"),
        ("recoverjob no-such-file.xml", 1, "no-such-file.xml"),
        ("waitfor 250", 5, ""),
        ("log 250 --follow --json", 1, "a log that is followed is text"),
        ("log 250 --follow --pos 5", 1, "a followed log begins at its beginning"),
        ("validatejob --cmdline true", 0, ""),
        ("validatejob --cmdline wrong", 1, "qb: cpus: 0 is no number"),
        ("kill 250", 0, "Nothing changed."),
    ],
)
def test_what_went_wrong_is_a_sentence_and_a_code(
    farm: Recorder, capsys: pytest.CaptureFixture[str], line: str, code: int, said: str
) -> None:
    assert run(line.split()) == code
    told = capsys.readouterr()
    assert said in told.err and "Traceback" not in told.err


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nonsense",
        "kill",
        "jobinfo --submittedAfter x",
        "jobinfo --limit x",
        "jobinfo --nonsense",
        "workerlock",
        "help nonsense",
    ],
)
def test_wrong_usage_ends_with_2_and_how_it_is_used(
    farm: Recorder, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    try:
        code: Any = run(line.split())
    except SystemExit as end:
        code = end.code
    assert code == 2 and farm.calls == []
    assert "usage: qb" in capsys.readouterr().err


def test_a_refusal_ends_with_1_and_silence_of_the_farm_with_4(
    farm: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    farm.failure = Refused("bob may not do this as viewer.", right="kill", holders="operators and admins")
    assert run(["stats"]) == 1
    assert "bob may not do this" in capsys.readouterr().err
    farm.failure = Unreachable("http://farm does not answer")
    assert run(["stats"]) == 4
    farm.failure = KeyboardInterrupt()
    assert run(["stats"]) == 130


def test_a_table_is_for_people_and_json_is_one_document(farm: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    run(["jobinfo"])
    titles, line, *_ = capsys.readouterr().out.splitlines()
    assert titles.split() == ["ID", "NAME", "USER", "STATUS", "FRAMES", "FAILED", "PRIORITY"]
    assert line.split() == ["250", "shot", "bob", "failed", "20/24", "4", "100"]
    run(["--json", "jobinfo"])
    assert json.loads(capsys.readouterr().out)[0]["id"] == 250
    run(["jobinfo", "--json", "--fields", "id,status"])
    assert json.loads(capsys.readouterr().out) == [{"id": 250, "status": "failed"}]
    run(["jobinfo", "--fields", "status,prod_show"])
    assert capsys.readouterr().out.split() == ["STATUS", "PROD_SHOW", "failed", "-"]
    run(["jobinfo", "--quiet"])
    assert capsys.readouterr().out == ""


def test_ids_are_printed_one_a_line_for_the_next_command(farm: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    farm.answers["kill"] = ["250.0", "250.1"]
    run(["kill", "250"])
    run(["submit", "--cmdline", "true"])
    run(["genframes", "-3--1", "7"])
    assert capsys.readouterr().out.split() == ["250.0", "250.1", "250", "-3", "-2", "-1", "7"]


def test_jobs_come_from_files_and_standard_input_and_options_win(
    farm: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = {"prototype": "cmdline", "priority": 5, "package": {"cmdline": "ls", "shell": "/bin/sh"}}
    file = tmp_path / "job.json"
    file.write_text(json.dumps([job]))
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(job)))
    assert run(["submit", str(file), "-", "--priority", "7", "--cmdline", "true"]) == 0
    wanted = {"prototype": "cmdline", "priority": "7", "package": {"cmdline": "true", "shell": "/bin/sh"}}
    assert farm.asked == ("submit", ([wanted, wanted],), {})


@pytest.mark.parametrize("text", ["{", "[]", "5", '["a"]'])
def test_a_file_without_a_job_is_refused(farm: Recorder, tmp_path: Path, text: str) -> None:
    file = tmp_path / "job.json"
    file.write_text(text)
    assert run(["submit", str(file)]) == 1
    assert farm.calls == []


def test_a_job_goes_into_an_archive_and_comes_back(
    farm: Recorder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "out.xml")
    assert run(["archivejob", file, "250"]) == run(["recoverjob", file]) == 0
    assert '"name": "shot"' in capsys.readouterr().out
    assert run(["recoverjob", file, "--submit"]) == 0
    assert farm.calls[-1][0] == "submit"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_and_gone_when_nobody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def shown(out: io.StringIO) -> str:
        Printer(out, out).show([JOB])
        return out.getvalue()

    assert "\033[31mfailed\033[0m" in shown(Terminal())
    assert "\033" not in shown(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in shown(Terminal())


def test_names_cannot_act_on_the_terminal_and_wide_letters_stay_in_their_columns() -> None:
    out = io.StringIO()
    Printer(out, out).show([{**JOB, "name": "a\033[2Jb\nc"}, {**JOB, "name": "雪の絵"}])
    lines = out.getvalue().splitlines()
    assert "\033" not in out.getvalue() and len(lines) == 3
    assert len({width(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["jobi"], ["jobid", "jobinfo"]),
        (["help", "retryw"], ["retrywork"]),
        (["jobinfo", "--sub"], ["--subjobs", "--submittedAfter", "--submittedBefore"]),
        (["jobinfo", "--status", "f"], ["failed"]),
        (["hostinfo", "--state", "l"], ["locked"]),
        (["archivejob", "--format", ""], ["binary", "xml"]),
        (["completion", ""], ["bash", "fish", "zsh"]),
        (["submit", ""], []),
    ],
)
def test_completion_offers_what_could_come_next(
    capsys: pytest.CaptureFixture[str], words: list[str], found: list[str]
) -> None:
    assert run(["__complete", *words]) == 0
    assert capsys.readouterr().out.split() == found


def test_the_installed_command_is_this_one() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"qb": f"{run.__module__}:{run.__name__}"}


def test_options_stand_before_the_command_or_after_it(farm: Recorder) -> None:
    parser, _ = parsers()
    for words in (["--json", "jobinfo"], ["jobinfo", "--json"]):
        assert parser.parse_args(words).json is True
    given = parser.parse_args(["--timeout", "5", "waitfor", "250", "--timeout", "7"])
    assert given.timeout == 7


def test_an_unknown_option_is_answered_with_the_usage_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["ping", "--hots", "farm01"])
    told = capsys.readouterr().err
    assert "usage: qb ping" in told and "qb ping: unrecognized arguments: --hots" in told


@pytest.mark.parametrize("words", [["http://127.0.0.1:9"], ["--host", "http://127.0.0.1:9"]])
def test_ping_takes_the_supervisor_by_its_place_or_as_host(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ping", *words]) == 4
    assert "http://127.0.0.1:9" in capsys.readouterr().out


def test_the_agenda_of_a_job_without_a_name_is_told_by_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    Printer(sys.stdout, sys.stderr).show([{**Recorder.job(), "name": ""}])
    assert "agenda of 250\n" in capsys.readouterr().out


def test_a_file_whose_package_is_no_dictionary_is_refused(
    farm: Recorder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"prototype": "cmdline", "package": 5}'))
    assert run(["submit", "-"]) == 1
    assert "package must be a dictionary" in capsys.readouterr().err
