"""What `import qb` gives is what signatures.txt says, and each function asks the transport for the right thing."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

import qb
from qbcore.errors import Refused, set_error
from qbcore.objects import SubmitResult
from qbcore.remote.transport import SERVED, set_transport

LINE = re.compile(
    r"(?:\+ )?(?:class (?P<kind>\w+)\((?P<base>\w+)\)"
    r"|qb\.(?P<function>\w+)(?P<documented>\(.*?\))(?: => (?P<wider>.*))?"
    r"|(?P<constant>QB_\w+) = (?P<value>.*))"
)
ROWS = [
    cast("re.Match[str]", LINE.fullmatch(line))
    for line in (Path(__file__).parent / "signatures.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
FUNCTIONS = [row for row in ROWS if row["function"]]
CLASSES = [row for row in ROWS if row["kind"]]
CONSTANTS = [row for row in ROWS if row["constant"]]


def called(row: re.Match[str]) -> str:
    return str(row["function"] or row["kind"] or row["constant"])


def signature(text: str) -> inspect.Signature:
    """The signature that a prototype writes down, defaults included."""
    made: dict[str, Any] = {"QB_API_XML": 2}
    exec(f"def prototype{text}: ...", made)
    return inspect.signature(made["prototype"])


def bare(function: Any) -> inspect.Signature:
    """A function's signature without types."""
    parameters = inspect.signature(function).parameters.values()
    return inspect.Signature([one.replace(annotation=inspect.Parameter.empty) for one in parameters])


def test_every_line_of_the_signatures_is_understood_and_the_public_list_equals_it() -> None:
    assert all(ROWS)
    assert sorted(qb.__all__) == sorted(map(called, ROWS))
    assert {name for name in vars(qb) if not name.startswith("_")} == set(qb.__all__)


@pytest.mark.parametrize("row", FUNCTIONS, ids=called)
def test_a_function_has_its_documented_signature(row: re.Match[str]) -> None:
    assert bare(getattr(qb, row["function"])) == signature(row["wider"] or row["documented"])


@pytest.mark.parametrize("row", [row for row in FUNCTIONS if row["wider"]], ids=called)
def test_a_widened_signature_still_begins_as_the_reference_writes_it(row: re.Match[str]) -> None:
    documented, ours = signature(row["documented"]).parameters, bare(getattr(qb, row["function"])).parameters
    assert list(ours.values())[: len(documented)] == list(documented.values())


@pytest.mark.parametrize("row", CLASSES, ids=called)
def test_a_class_has_its_documented_base(row: re.Match[str]) -> None:
    kind = getattr(qb, row["kind"])
    bases = {base.__name__ for base in kind.__mro__[1:]}
    assert row["base"] in bases


@pytest.mark.parametrize("row", CONSTANTS, ids=called)
def test_a_constant_has_its_number(row: re.Match[str]) -> None:
    assert getattr(qb, row["constant"]) == ast.literal_eval(row["value"])


@pytest.mark.parametrize("row", FUNCTIONS + CLASSES, ids=called)
def test_every_name_explains_itself(row: re.Match[str]) -> None:
    assert len((inspect.getdoc(getattr(qb, called(row))) or "").split()) >= 3


@pytest.mark.parametrize("row", [row for row in FUNCTIONS if row["function"] in SERVED], ids=called)
def test_a_function_of_the_farm_says_where_its_rules_come_from(row: re.Match[str]) -> None:
    assert "Source: " in (getattr(qb, row["function"]).__doc__ or "")


@dataclass
class Recorder:
    """A transport that notes what it is asked and answers what it was given."""

    answers: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, list[Any], dict[str, Any]]] = field(default_factory=list)

    def call(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        self.calls.append((name, list(args), dict(kwargs)))
        answer = self.answers.get(name, [])
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def farm() -> Iterator[Recorder]:
    recorder = Recorder()
    before = set_transport(recorder)
    yield recorder
    set_transport(before)


JOB_VERBS = ("kill", "retry", "requeue", "block", "unblock", "suspend", "resume", "remove", "hist")
WORK_VERBS = ("killwork", "retrywork", "requeuework", "blockwork", "unblockwork")


@pytest.mark.parametrize("name", JOB_VERBS)
def test_a_job_verb_passes_its_ids_on_one_by_one(farm: Recorder, name: str) -> None:
    getattr(qb, name)(250, ["251", "252.0"], qb.Job(id=253), qb.Subjob(pid=254, id=1))
    assert farm.calls == [(name, [250, "251", "252.0", "253", "254.1"], {})]


@pytest.mark.parametrize("name", WORK_VERBS)
def test_a_work_verb_passes_its_ids_on_one_by_one(farm: Recorder, name: str) -> None:
    getattr(qb, name)("250:1", ["250:25-29"], qb.Work(jobid=250, name="7"))
    assert farm.calls == [(name, ["250:1", "250:25-29", "250:7"], {})]


@pytest.mark.parametrize(("alias", "name"), [(f"work{name[:-4]}", name) for name in WORK_VERBS])
def test_the_old_name_of_a_work_verb_is_the_same_verb(farm: Recorder, alias: str, name: str) -> None:
    getattr(qb, alias)("250:1")
    assert farm.calls == [(name, ["250:1"], {})]


def test_an_object_that_is_no_job_is_refused_before_its_number_hits_a_job(farm: Recorder) -> None:
    with pytest.raises(qb.Invalid, match="neither a job nor a subjob"):
        qb.kill(qb.Host(id=3, name="worker01"))
    assert farm.calls == []


def test_a_verb_about_no_ids_at_all_asks_nothing_and_changes_nothing(farm: Recorder) -> None:
    assert qb.kill([]) == []
    assert qb.killwork([]) == []
    assert farm.calls == []


def test_modify_passes_the_parameters_before_the_ids(farm: Recorder) -> None:
    farm.answers["modify"] = [250, 251]
    assert qb.modify({"priority": 100}, 250, 251) == [250, 251]
    assert farm.calls == [("modify", [{"priority": 100}, 250, 251], {})]


def test_reads_pass_every_filter_by_its_name(farm: Recorder) -> None:
    qb.jobinfo(id=250, agenda=True)
    (name, args, kwargs) = farm.calls[0]
    assert (name, args) == ("jobinfo", [])
    assert kwargs.keys() == inspect.signature(qb.jobinfo).parameters.keys()
    assert (kwargs["id"], kwargs["agenda"], kwargs["status"]) == (250, True, None)


@pytest.mark.parametrize("name", ["stdout", "stderr", "log"])
def test_logs_are_asked_for_by_byte(farm: Recorder, name: str) -> None:
    getattr(qb, name)("250.0", pos=4096, len=100)
    assert farm.calls == [(name, ["250.0"], {"pos": 4096, "len": 100})]


def test_jobs_come_back_as_jobs_with_work_subjobs_and_callbacks_in_them(farm: Recorder) -> None:
    farm.answers["jobinfo"] = [{"id": 1, "agenda": [{"id": 0}], "subjobs": [{"id": 0}], "callbacks": [{"id": 9}]}]
    (job,) = qb.jobinfo(id=1, agenda=True)
    assert type(job) is qb.Job
    assert [type(job[key][0]) for key in ("agenda", "subjobs", "callbacks")] == [qb.Work, qb.Subjob, qb.Callback]


@pytest.mark.parametrize("name", ["hostinfo", "workerinfo"])
def test_hosts_come_back_as_hosts(farm: Recorder, name: str) -> None:
    farm.answers[name] = [{"name": "worker01", "state": "active"}]
    (host,) = getattr(qb, name)()
    assert type(host) is qb.Host
    assert host.state == "active"


def test_submit_answers_a_list_whose_text_keys_reach_the_first_job(farm: Recorder) -> None:
    farm.answers["submit"] = [{"id": 7}, {"id": 8}]
    result = qb.submit({"prototype": "cmdline"}, {"prototype": "cmdline"}, deferTableCreation=True)
    assert type(result) is SubmitResult
    assert (result[0]["id"], result["id"], [type(job) for job in result]) == (7, 7, [qb.Job, qb.Job])
    assert farm.calls[0][2] == {"deferTableCreation": True}


def test_an_object_that_is_already_right_is_handed_through_as_it_is(farm: Recorder) -> None:
    job = qb.Job(id=1)
    farm.answers["jobinfo"] = [job]
    assert qb.jobinfo()[0] is job


def test_an_answer_that_is_no_list_where_one_is_due_is_an_error(farm: Recorder) -> None:
    farm.answers["jobinfo"] = 5
    with pytest.raises(qb.Unreachable, match="jobinfo with a int"):
        qb.jobinfo()


def test_the_sentence_of_a_refusal_stays_in_error(farm: Recorder) -> None:
    set_error("")
    farm.answers["kill"] = Refused("bob may not kill a job of alice")
    with pytest.raises(qb.Refused):
        qb.kill(250)
    assert qb.error() == "bob may not kill a job of alice"


def test_ping_is_a_yes_or_no_unless_the_dictionary_is_asked_for(farm: Recorder) -> None:
    farm.answers["ping"] = {"supervisor": "ours"}
    assert qb.ping() is True
    assert qb.ping(asDict=True) == {"supervisor": "ours"}
    assert [name for name, _, _ in farm.calls] == ["ping", "ping"]


def test_a_named_supervisor_is_pinged_over_http_from_inside_a_farm_too(farm: Recorder) -> None:
    assert qb.ping(host="127.0.0.1", port=1) is False
    assert "http://127.0.0.1:1 does not answer" in qb.error()
    assert farm.calls == []


def test_every_served_function_is_public() -> None:
    assert SERVED.keys() <= set(qb.__all__)


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import qb
try:
    import django
    raise SystemExit("Django can be imported here")
except ImportError:
    pass
assert qb.rangesplit("1-5x2") == [1, 3, 5]
job = qb.Job(name="kept", prototype="cmdline", package={"cmdline": "true"}, agenda=qb.genframes("1-3"))
assert qb.JobValidator.validate(job, agenda=True)
size = qb.archivejob(sys.argv[1] + "/job.xml", job)
again = qb.recoverjob(sys.argv[1] + "/job.xml")
assert size > 0 and again["package"] == {"cmdline": "true"} and [w["name"] for w in again["agenda"]] == ["1", "2", "3"]
assert qb.ping() is False and "QB_SUPERVISOR" in qb.error()
print("done without a farm")
"""


def test_qb_works_where_only_its_own_files_are_on_the_path(tmp_path: Path) -> None:
    root = Path(qb.__file__).parent
    (tmp_path / "qb.py").symlink_to(root / "qb.py")
    (tmp_path / "qbcore").symlink_to(root / "qbcore")
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SCRIPT, str(tmp_path)],
        capture_output=True, text=True, check=False, env={"XDG_CONFIG_HOME": str(tmp_path)},
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (0, "done without a farm\n"), run.stderr


DOCUMENTED = (Path(qb.__file__).parent / "docs/qb.md").read_text()


def test_the_documentation_names_everything_that_is_public() -> None:
    assert not [name for name in qb.__all__ if not re.search(rf"[`\s.]{name}[`(\s]", DOCUMENTED)]


@pytest.mark.parametrize(("name", "arguments"), re.findall(r"^\| `(\w+)(\([^…`]*\))` \|", DOCUMENTED, re.MULTILINE))
def test_the_documentation_writes_signatures_as_they_are(name: str, arguments: str) -> None:
    assert bare(getattr(qb, name)) == signature(arguments)
