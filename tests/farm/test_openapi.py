"""The served description of the API: it says of each body whether it is taken, and people can read it."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import jsonschema
import pytest
from django.test import Client

from farm import arguments, kinds, openapi
from qbcore import surface
from qbcore.errors import Invalid
from qbcore.qb import EXPOSED

DOCUMENT = openapi.described()


def valid(name: str, body: Any) -> bool:
    schema = {**openapi.body(name), "components": DOCUMENT["components"]}
    return jsonschema.Draft202012Validator(schema).is_valid(body)


def taken(name: str, body: dict[str, Any]) -> bool:
    """Whether the arguments reach the door."""
    try:
        arguments.checked(name, EXPOSED[name], body.get("args", []), body.get("kwargs", {}))
    except Invalid:
        return False
    return True


BODIES: list[tuple[str, dict[str, Any], bool]] = [
    ("kill", {"args": [5]}, True),
    ("kill", {"args": ["5", "6.0", [7, "8,9.1"]]}, True),
    ("kill", {"args": [{"id": 5}]}, True),
    ("kill", {"kwargs": {"jobid": 5}}, True),
    ("kill", {}, False),
    ("kill", {"args": [5], "kwargs": {"jobid": 5}}, False),
    ("kill", {"kwargs": {"job": 5}}, False),
    ("kill", {"kwargs": {"extraJobids": [5]}}, False),
    ("kill", {"args": [None]}, False),
    ("kill", {"args": [True]}, False),
    ("kill", {"args": [0]}, False),
    ("kill", {"args": ["5:1"]}, False),
    ("killwork", {"args": ["5:1-10"]}, True),
    ("killwork", {"args": [5]}, False),
    ("modify", {"args": [{"priority": 5}, 250]}, True),
    ("modify", {"args": [{"priority": 5}], "kwargs": {"jobid": 250}}, True),
    ("modify", {"args": [{}, 250]}, True),
    ("modify", {"args": [[], 250]}, False),
    ("modify", {"args": [{"priority": 5}]}, False),
    ("stdout", {"args": [5], "kwargs": {"pos": "10", "len": None}}, True),
    ("stdout", {"args": [5], "kwargs": {"pos": 1.5}}, False),
    ("stdout", {"args": [5], "kwargs": {"pos": "x"}}, False),
    ("stdout", {"args": [5], "kwargs": {"pos": 2**63}}, False),
    ("jobinfo", {}, True),
    ("jobinfo", {"args": [["agenda"], {"status": "failed"}, 5], "kwargs": {"agenda": True, "limit": 5.0}}, True),
    ("jobinfo", {"kwargs": {"id": [5, "6"], "status": ["failed", 320], "updatedAfter": "1700000000"}}, True),
    ("jobinfo", {"kwargs": {"agenda": "no"}}, False),
    ("jobinfo", {"kwargs": {"filters": []}}, False),
    ("jobinfo", {"kwargs": {"status": {}}}, False),
    ("jobinfo", {"kwargs": {"orderby": ["id"]}}, False),
    ("jobinfo", {"kwargs": {"fields": [1]}}, False),
    ("jobinfo", {"args": [[]] * 16}, False),
    ("info", {"args": [1]}, False),
    ("submit", {"args": [{"prototype": "cmdline"}, {"prototype": "cmdline"}]}, True),
    ("submit", {"args": [[{"prototype": "cmdline"}]], "kwargs": {"deferTableCreation": True}}, True),
    ("submit", {"args": [5]}, False),
]


@pytest.mark.parametrize(("name", "body", "fits"), BODIES, ids=lambda value: json.dumps(value)[:60])
def test_the_document_and_the_farm_agree_on_what_a_call_may_be(name: str, body: dict[str, Any], fits: bool) -> None:
    assert valid(name, body) is fits
    assert taken(name, body) is fits


def test_numbers_that_come_as_text_reach_the_door_as_numbers() -> None:
    assert arguments.checked("stdout", EXPOSED["stdout"], ["5"], {"pos": "10", "len": 5.0})[1] == {"pos": 10, "len": 5}


@pytest.mark.parametrize("name", sorted(EXPOSED))
def test_every_argument_is_of_a_kind_that_is_known(name: str) -> None:
    for one in inspect.signature(getattr(surface, name)).parameters.values():
        known = (name, one.name) in kinds.OF_ONE or one.annotation in kinds.KINDS or one.name in kinds.OF_ANY
        assert known or name == "submit", f"say in farm/kinds.py what {one.annotation} is"


@pytest.mark.parametrize("name", sorted(EXPOSED))
def test_a_wrong_id_is_named_by_its_argument(name: str) -> None:
    first = next(iter(arguments.public(EXPOSED[name]).parameters), "")
    if first not in ("jobid", "workid"):
        return
    with pytest.raises(Invalid) as invalid:
        arguments.checked(name, EXPOSED[name], ["no id"], {})
    assert (invalid.value.field, invalid.value.code) == (first, "bad_id")


def test_the_document_is_served_to_everybody(client: Client) -> None:
    served = client.get("/api/v1/openapi.json")
    document = json.loads(served.content)
    assert served.status_code == 200 and document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "http://testserver"}]
    assert document["paths"].keys() == {f"/api/v1/{name}" for name in EXPOSED}
    assert document["paths"]["/api/v1/ping"].keys() == {"get", "post"}
    assert document["paths"]["/api/v1/kill"]["post"]["summary"].startswith("End jobs")


def test_the_page_lists_every_function_and_asks_nobody_else_for_anything(client: Client) -> None:
    page = client.get("/api/v1/docs")
    html = page.content.decode()
    assert page.status_code == 200
    assert [name for name in EXPOSED if f'id="{name}"' not in html] == []
    assert "kill(jobid: Id, *extraJobids: Id) -&gt; list[str]" in html and "Source:" not in html
    assert not re.search(r"<script>|<style|style=|onclick=", html)
    assert all(
        address.startswith(("/", "#", "http://testserver/")) for address in re.findall(r'(?:src|href)="([^"]+)"', html)
    )


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/api/v2/jobinfo", "serves no version 'v2' of the API: there is v1"),
        ("/api/jobinfo", "serves no version 'jobinfo'"),
        ("/api/v1/jobinfo/5", "/api/v1/docs lists them"),
    ],
)
def test_another_version_is_answered_with_a_sentence(client: Client, address: str, said: str) -> None:
    answer = client.post(address, "{}", content_type="application/json")
    assert answer.status_code == 404
    assert said in json.loads(answer.content)["error"]["message"]


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_ping_and_the_others_name_the_methods_that_they_take(client: Client, method: str) -> None:
    for name, allowed in (("ping", "GET, POST"), ("info", "POST")):
        answer = getattr(client, method)(f"/api/v1/{name}")
        assert (answer.status_code, answer["Allow"]) == (405, allowed)
