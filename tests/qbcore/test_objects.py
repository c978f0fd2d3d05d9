"""What the API hands out: dictionaries through and through, with attributes on top."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from qbcore.errors import Invalid
from qbcore.objects import Callback, Host, Job, QBObject, Subjob, SubmitResult, Work

KINDS = [QBObject, Job, Subjob, Work, Host, Callback]
each = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def example() -> Job:
    return Job(
        name="shot", prototype="cmdrange", package={"cmdline": "echo", "range": "1-2"},
        agenda=[{"name": 1, "status": "pending"}, Work(name="2")], subjobs=[{"id": 0}], callbacks=[{"triggers": []}],
    )  # fmt: skip


@each
def test_keys_are_attributes_and_attributes_are_keys(kind: type[QBObject]) -> None:
    thing = kind({"status": "running"}, colour="blue")
    thing.reason = "why not"
    assert (thing.status, thing["colour"], thing["reason"]) == ("running", "blue", "why not")
    del thing.colour
    assert "colour" not in thing
    assert not hasattr(thing, "colour")


@each
def test_a_missing_field_is_named(kind: type[QBObject]) -> None:
    with pytest.raises(AttributeError, match="has no field 'shape'"):
        _ = kind().shape
    with pytest.raises(AttributeError, match="has no field 'shape'"):
        del kind().shape


@each
def test_an_object_is_a_dictionary_of_its_own_type(kind: type[QBObject]) -> None:
    thing = kind({"id": 5, "x": [1]})
    assert isinstance(thing, dict)
    assert thing == {"id": 5, "x": [1]}
    assert "%(id)s" % thing == "5"  # noqa: UP031 -- scripts write this
    assert thing.get("y", 3) == thing.setdefault("y", 3) == thing.pop("y")
    assert repr(thing) == f"{kind.__name__}({{'id': 5, 'x': [1]}})"
    assert type(thing.copy()) is kind
    assert thing.copy() == thing


@each
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_object_survives_every_pickle(kind: type[QBObject], protocol: int) -> None:
    thing = kind({"id": 5, "x": [1], "__reduce__": "a key, not a method"})
    back = pickle.loads(pickle.dumps(thing, protocol))
    assert type(back) is kind
    assert back == thing


def test_a_deep_copy_shares_nothing_with_its_original() -> None:
    job = example()
    twin = copy.deepcopy(job)
    assert type(twin) is Job
    assert type(twin.agenda[0]) is Work
    twin.agenda[0].status = "failed"
    twin.package["cmdline"] = "rm"
    assert job == example()


def test_keys_that_look_like_methods_of_python_do_not_break_a_copy() -> None:
    job = Job({"__deepcopy__": "x", "__getstate__": "y", "__class__": "z"})
    assert copy.deepcopy(job) == job


def test_items_of_a_job_are_objects_and_names_are_text() -> None:
    job = example()
    assert [type(item) for item in (job.agenda[0], job.subjobs[0], job.callbacks[0])] == [Work, Subjob, Callback]
    assert job.agenda[0].name == "1"
    assert Job(name=5).name == "5"
    assert type(Host(subjobs=[{"id": 0}]).subjobs[0]) is Subjob


def test_making_a_job_leaves_the_given_dictionary_alone() -> None:
    given: dict[str, Any] = {"name": 7, "agenda": [{"name": 1}], "unheard_of": 1}
    job = Job(given)
    assert given == {"name": 7, "agenda": [{"name": 1}], "unheard_of": 1}
    assert type(given["agenda"][0]) is dict
    assert job.unheard_of == 1


def test_arguments_win_over_the_given_dictionary_and_none_means_not_given() -> None:
    job = Job({"name": "a", "prototype": "cmdline"}, name="b", priority=5)
    assert job == {"name": "b", "prototype": "cmdline", "priority": 5}
    assert Job() == {}
    assert Job(None, "n", "cmdline", {"cmdline": "x"}) == {
        "name": "n",
        "prototype": "cmdline",
        "package": {"cmdline": "x"},
    }


@pytest.mark.parametrize("wrong", ["text", 5, [1, 2]])
def test_what_is_no_dictionary_is_refused(wrong: Any) -> None:
    with pytest.raises(Invalid, match="Job takes a dictionary, not"):
        Job(wrong)


def test_a_list_that_holds_no_dictionaries_stays_as_it_is() -> None:
    assert Job(agenda=["1", None]).agenda == ["1", None]
    assert Job(agenda=None).agenda is None


def test_jobs_become_json_with_their_agenda() -> None:
    rows = json.loads(json.dumps([dict(job) for job in (example(),)]))
    assert rows[0]["agenda"] == [{"name": "1", "status": "pending"}, {"name": "2"}]


def test_the_answer_of_submit_is_a_list_whose_text_keys_reach_the_first_job() -> None:
    answer = SubmitResult([Job(id=250, name="a"), Job(id=251, name="b")])
    assert (answer[0]["id"], answer["id"], answer.id, answer.get("id"), answer[-1].id) == (250, 250, 250, 250, 251)
    assert [job.id for job in answer] == [250, 251]
    assert "%(id)s %(name)s" % answer == "250 a"  # noqa: UP031 -- scripts write this
    assert "id" in answer
    assert "colour" not in answer
    assert answer[1] in answer
    assert dict(answer) == {"id": 250, "name": "a"}
    assert json.loads(json.dumps(answer)) == [{"id": 250, "name": "a"}, {"id": 251, "name": "b"}]


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda answer: pickle.loads(pickle.dumps(answer))])
def test_the_answer_of_submit_survives_copies_and_pickles(twin: Any) -> None:
    answer = SubmitResult([Job(id=250)])
    assert type(twin(answer)) is SubmitResult
    assert twin(answer) == answer
    assert type(twin(answer)[0]) is Job


def test_an_empty_answer_of_submit_has_no_keys() -> None:
    answer = SubmitResult()
    assert not answer
    assert "id" not in answer
    with pytest.raises(KeyError):
        answer["id"]
    with pytest.raises(AttributeError):
        _ = answer.id
