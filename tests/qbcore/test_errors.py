"""Errors: the class that the server raised is the class that the client raises, with the same sentence."""

from __future__ import annotations

import json
import pickle
import threading

import pytest

from qbcore import errors
from qbcore.errors import (
    BadExpression,
    BadId,
    BadRange,
    Conflict,
    Invalid,
    NotFound,
    QubeError,
    Refused,
    Unauthorized,
    Unreachable,
    Unsupported,
    from_wire,
)

EXAMPLES = [
    QubeError("it broke"),
    Invalid("'abc' is no number", field="priority", hint="Write a number from 1 to 9999."),
    BadId("'x' is not the id of a job", hint="Write 250."),
    BadRange("the range ends too early", text="1-10x", position=5, hint="Write 1-10x2."),
    BadExpression("a value is missing", text="host.name ==", position=12, field="requirements", hint="Add a name."),
    Unsupported("callbacks are not honoured yet", field="callbacks"),
    Refused("bob may not do this", right="kill jobs of others", holders="operators and admins"),
    NotFound("there is no job 250"),
    Conflict("somebody else changed job 250"),
    Unreachable(),
    Unauthorized(),
]
each = pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: error.code)


@each
def test_an_error_survives_the_wire_with_its_class_and_sentence(error: QubeError) -> None:
    back = from_wire(**json.loads(json.dumps(error.to_wire())))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)


@each
def test_an_error_survives_a_pickle(error: QubeError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))


def test_every_error_has_a_code_of_its_own_and_an_http_status() -> None:
    codes = [error.code for error in EXAMPLES]
    assert len(set(codes)) == len(codes)
    statuses = {error.code: error.status for error in EXAMPLES}
    assert statuses == {
        "error": 500,
        "invalid": 400,
        "bad_id": 400,
        "bad_range": 400,
        "bad_expression": 400,
        "unsupported": 400,
        "refused": 403,
        "not_found": 404,
        "conflict": 409,
        "unreachable": 503,
        "unauthorized": 401,
    }


def test_the_docstring_is_the_default_message() -> None:
    assert str(NotFound()) == NotFound.__doc__


def test_an_invalid_input_names_the_field_and_the_fix() -> None:
    assert str(EXAMPLES[1]) == "priority: 'abc' is no number. Write a number from 1 to 9999."


def test_an_expression_shows_where_it_is_malformed() -> None:
    sentence = "requirements: a value is missing (position 12: 'host.name ==▸'). Add a name."
    assert str(EXAMPLES[4]) == sentence


def test_a_long_or_unprintable_text_is_shown_only_around_the_position() -> None:
    shown = str(BadRange("no", text="1," * 5000 + "\x1b[2Jx" + ",1" * 5000, position=10000))
    assert "\x1b" not in shown
    assert "▸�[2Jx" in shown
    assert len(shown) < 120


def test_a_refusal_names_the_right_and_who_has_it() -> None:
    sentence = "bob may not do this. It needs the right to kill jobs of others; operators and admins have it."
    assert str(EXAMPLES[6]) == sentence


def test_a_code_of_a_newer_supervisor_keeps_its_code_and_message() -> None:
    error = from_wire("too_busy", "come back later", seconds=30)
    assert type(error) is QubeError
    assert error.to_wire() == {"code": "too_busy", "message": "come back later"}
    assert QubeError.code == "error"


def test_details_of_a_wrong_type_from_the_wire_are_left_out() -> None:
    error = from_wire("bad_range", "no", text="1-x", position="two", hint=None, code_name="x")
    assert isinstance(error, BadRange)
    assert (error.position, error.hint, error.text) == (0, "", "1-x")
    assert str(error).startswith("no (position 0")


def test_each_thread_keeps_its_own_last_error() -> None:
    errors.set_error("mine")
    seen: list[str] = []
    other = threading.Thread(target=lambda: (seen.append(errors.error()), errors.set_error("theirs")))
    other.start()
    other.join()
    assert seen == [""]
    assert errors.error() == "mine"
    errors.set_error("")
    assert errors.error() == ""
